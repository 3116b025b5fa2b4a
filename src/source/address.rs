//! Which network addresses a registry may send us to.
//!
//! Turns a name into addresses that are allowed. A registry names other hosts in
//! redirects and token realms; without a rule it could point hallmark at the cloud's metadata service or at something
//! on the machine itself (attack F2). The rule: never further inside than the registry itself is. It holds at the
//! moment of connecting, after DNS, so that a name which changes its address between check and use gains nothing.
//! Behind a proxy it is the proxy that resolves names, and only literal addresses are judged here.

use std::{
    io,
    net::{IpAddr, SocketAddr, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use crate::reach::Reach;

/// How far inside an address lies from here: whoever may not enter a private network may not ask this machine at its public
/// address either, where firewalls let it ask itself.
pub fn reach_from_here(address: IpAddr) -> Reach {
    match Reach::of(address) {
        // A socket is bound to an own address only.
        Reach::Public if UdpSocket::bind((address, 0)).is_ok() => Reach::Private,
        reach => reach,
    }
}

/// The rule for one registry: what it was found at bounds where it may send us.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// The outermost address that the registry was found at, as a `u8` of [`Reach`].
    home: Arc<AtomicU8>,
    /// Where the registry itself may be; `None` where the operator listed it, and so may have put it anywhere but where
    /// nothing is gone to.
    unlisted: Option<Unlisted>,
}

/// How far inside a registry may be that the operator does not list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unlisted {
    /// On private networks and this machine, too: whoever runs hallmark typed the name.
    #[default]
    Anywhere,
    /// On the internet only: in the gate, names come from whoever may create a pod.
    PublicOnly,
    /// On the internet and on this machine: in a gate that only this machine can ask, nobody gets further inside by it.
    PublicOrLoopback,
}

impl Unlisted {
    fn allows(self, reach: Reach) -> bool {
        match self {
            Self::Anywhere => reach != Reach::Never,
            Self::PublicOnly => reach == Reach::Public,
            Self::PublicOrLoopback => matches!(reach, Reach::Public | Reach::Loopback),
        }
    }
}

/// An address that lies further inside than is allowed.
#[derive(Debug, thiserror::Error)]
#[error("{host} is at {address}, {}; {}", reach.words(), beyond.rule())]
pub struct OutOfBounds {
    host: String,
    address: IpAddr,
    reach: Reach,
    /// What it is beyond.
    pub beyond: Beyond,
}

/// The bound that an address is beyond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beyond {
    /// That of registries which the operator does not list.
    Listed,
    /// That of the registry which points there.
    Registry,
    /// That of everything.
    All,
}

impl Beyond {
    fn rule(self) -> &'static str {
        match self {
            Self::Listed => "only a registry that is listed under registries may be there",
            Self::Registry => "only a registry that is itself there may point to it",
            Self::All => "hallmark never goes there, whatever is listed",
        }
    }

    /// What to do about it.
    pub fn help(self) -> &'static str {
        match self {
            Self::Listed => {
                "list the registry under registries in hallmark.yaml if it is meant to be there"
            }
            Self::Registry => {
                "have the registry point to addresses that lie no further inside than its own"
            }
            Self::All => {
                "give the host an address of a network or of this machine; no setting allows this one"
            }
        }
    }
}

/// Which side of the rule a host is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The registry that was asked for.
    Home,
    /// A host that the registry named.
    Away,
}

impl Bounds {
    /// Bounds of a registry; `listed` is what the operator's settings say about it.
    pub fn new(listed: Option<&super::RegistrySettings>, unlisted: Unlisted) -> Self {
        let unlisted = listed.is_none().then_some(unlisted);
        Self { home: Arc::new(AtomicU8::new(Reach::Public as u8)), unlisted }
    }

    /// Judges the host of a URL where it is a literal address; names are judged when they are resolved.
    ///
    /// # Errors
    /// [`OutOfBounds`] for an address that is too far inside.
    pub fn check_url(&self, url: &Url, side: Side) -> Result<(), OutOfBounds> {
        let address: IpAddr = match url.host() {
            Some(Host::Ipv4(address)) => address.into(),
            Some(Host::Ipv6(address)) => address.into(),
            _ => return Ok(()),
        };
        if side == Side::Home {
            self.found_at([address]);
        }
        self.check(url.host_str().unwrap_or_default(), address, side)
    }

    fn check(&self, host: &str, address: IpAddr, side: Side) -> Result<(), OutOfBounds> {
        let reach = reach_from_here(address);
        let (allowed, beyond) = match side {
            _ if reach == Reach::Never => (false, Beyond::All),
            Side::Home => {
                let allowed = self.unlisted.is_none_or(|unlisted| unlisted.allows(reach));
                (allowed, Beyond::Listed)
            }
            Side::Away => {
                let home = Reach::from_u8(self.home.load(Ordering::Acquire));
                (reach <= home, Beyond::Registry)
            }
        };
        if allowed {
            return Ok(());
        }
        Err(OutOfBounds { host: host.to_owned(), address, reach, beyond })
    }

    /// Notes where the registry is. Its outermost address counts: one private address among public ones buys nothing.
    fn found_at(&self, addresses: impl IntoIterator<Item = IpAddr>) {
        let outermost = addresses.into_iter().map(Reach::of).min().unwrap_or(Reach::Public);
        self.home.store(outermost.min(Reach::Loopback) as u8, Ordering::Release);
    }

    /// A resolver that gives only allowed addresses.
    pub fn resolver(&self, side: Side) -> Arc<Resolver> {
        Arc::new(Resolver { bounds: self.clone(), side })
    }
}

/// The system's resolver with the rule applied.
#[derive(Debug)]
pub struct Resolver {
    bounds: Bounds,
    side: Side,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (bounds, side) = (self.bounds.clone(), self.side);
        Box::pin(async move {
            let found: Vec<SocketAddr> =
                tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            if side == Side::Home {
                bounds.found_at(found.iter().map(SocketAddr::ip));
            }
            let mut allowed = Vec::new();
            let mut refused = None;
            for address in found {
                match bounds.check(name.as_str(), address.ip(), side) {
                    Ok(()) => allowed.push(address),
                    Err(error) => refused = Some(error),
                }
            }
            match refused {
                Some(error) if allowed.is_empty() => Err(error.into()),
                _ if allowed.is_empty() => {
                    Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address").into())
                }
                _ => Ok(Box::new(allowed.into_iter()) as Addrs),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g17_an_own_address_is_no_further_outside_than_a_private_network() {
        assert_eq!(reach_from_here("127.0.0.1".parse().unwrap()), Reach::Loopback);
        assert_eq!(reach_from_here("198.51.100.7".parse().unwrap()), Reach::Public);
        // Documentation's addresses are nobody's, unless they are given to this machine for a moment.
        let own = "198.51.100.117";
        let alias = |word: &str| {
            let mut ip = std::process::Command::new("ip");
            ip.args(["addr", word, &format!("{own}/32"), "dev", "lo"]);
            ip.stderr(std::process::Stdio::null()).status().is_ok_and(|status| status.success())
        };
        if !alias("add") {
            return eprintln!("SKIPPED: no alias on lo");
        }
        let reach = reach_from_here(own.parse().unwrap());
        alias("del");
        assert_eq!(reach, Reach::Private);
    }

    #[test]
    fn a_registry_points_no_further_inside_than_it_is() {
        let cases = [
            ("http://8.8.8.8/", "http://1.1.1.1/", true),
            ("http://8.8.8.8/", "http://10.0.0.1/", false),
            ("http://8.8.8.8/", "http://127.0.0.1/", false),
            ("http://8.8.8.8/", "http://169.254.169.254/", false),
            // The URL standard reads all of these as 127.0.0.1 or 169.254.169.254.
            ("http://8.8.8.8/", "http://2130706433/", false),
            ("http://8.8.8.8/", "http://0x7f.1/", false),
            ("http://8.8.8.8/", "http://0251.0376.0251.0376/", false),
            ("http://10.0.0.1/", "http://10.0.0.2/", true),
            ("http://10.0.0.1/", "http://127.0.0.1/", false),
            ("http://127.0.0.1/", "http://[::1]/", true),
            ("http://127.0.0.1/", "http://10.0.0.1/", true),
            ("http://127.0.0.1/", "http://169.254.169.254/", false),
        ];
        for (home, away, want) in cases {
            let bounds = Bounds::new(None, Unlisted::Anywhere);
            bounds.check_url(&home.parse().unwrap(), Side::Home).unwrap();
            let got = bounds.check_url(&away.parse().unwrap(), Side::Away).is_ok();
            assert_eq!(got, want, "{home} -> {away}");
        }
    }

    #[test]
    fn f2_no_listing_leads_to_link_local_and_metadata_addresses() {
        let listed = super::super::RegistrySettings::default();
        let never = [
            "169.254.1.1",
            "169.254.169.254",
            "100.100.100.200",
            "192.0.0.192",
            "0.0.0.0",
            "[fe80::1]",
            "[fd00:ec2::254]",
            "[::ffff:169.254.169.254]",
            "[64:ff9b::a9fe:a9fe]",
        ];
        for host in never {
            let url: Url = format!("http://{host}/").parse().unwrap();
            for (listed, unlisted) in [
                (Some(&listed), Unlisted::PublicOnly),
                (Some(&listed), Unlisted::Anywhere),
                (None, Unlisted::Anywhere),
            ] {
                for side in [Side::Home, Side::Away] {
                    let refused = Bounds::new(listed, unlisted).check_url(&url, side).unwrap_err();
                    assert_eq!(refused.beyond, Beyond::All, "{host}");
                    let said = format!("{refused} {}", refused.beyond.help());
                    assert!(!said.contains("list it") && !said.contains("list the"), "{said}");
                }
            }
        }
        for host in ["10.0.0.1", "127.0.0.1", "8.8.8.8"] {
            let url: Url = format!("http://{host}/").parse().unwrap();
            let bounds = Bounds::new(Some(&listed), Unlisted::PublicOnly);
            assert!(bounds.check_url(&url, Side::Home).is_ok(), "{host}");
        }
    }

    #[tokio::test]
    async fn h21_in_the_gate_registries_that_are_not_listed_are_on_the_internet() {
        let bounds = || Bounds::new(None, Unlisted::PublicOnly);
        for (url, want) in [
            ("http://8.8.8.8/", true),
            ("http://10.0.0.1/", false),
            ("http://127.0.0.1/", false),
            ("http://[::1]/", false),
            ("http://[fd00::1]/", false),
            ("http://169.254.169.254/", false),
        ] {
            assert_eq!(
                bounds().check_url(&url.parse().unwrap(), Side::Home).is_ok(),
                want,
                "{url}"
            );
            assert_eq!(
                bounds().check_url(&url.parse().unwrap(), Side::Away).is_ok(),
                want,
                "{url}"
            );
        }
        let near = Bounds::new(None, Unlisted::PublicOrLoopback);
        for (url, want) in
            [("http://127.0.0.1/", true), ("http://10.0.0.1/", false), ("http://8.8.8.8/", true)]
        {
            assert_eq!(near.check_url(&url.parse().unwrap(), Side::Home).is_ok(), want, "{url}");
        }
        let resolved = bounds().resolver(Side::Home).resolve("localhost".parse().unwrap()).await;
        assert!(resolved.err().is_some_and(|error| error.to_string().contains("listed under")));
    }

    #[tokio::test]
    async fn names_are_judged_after_they_are_resolved() {
        let bounds = Bounds::new(None, Unlisted::Anywhere);
        let away = bounds.resolver(Side::Away);
        let refused = away.resolve("localhost".parse().unwrap()).await;
        assert!(refused.is_err(), "a public registry may not point to localhost");
        let home = bounds.resolver(Side::Home).resolve("localhost".parse().unwrap()).await;
        assert!(home.is_ok());
        assert!(away.resolve("localhost".parse().unwrap()).await.is_ok(), "the registry is there");
    }
}
