//! Which hosts are reached without a proxy.
//!
//! Turns the text of `NO_PROXY` into a decision for each URL, as curl, Go and so cosign and policy-controller read it: `*` is
//! everything; an address or a network in CIDR form is itself; a name is itself and all names below it, with a dot in front
//! only those below; every entry may have a port. Entries that are none of these mean nothing. This machine is never asked
//! of a proxy.

use std::net::IpAddr;

use ipnet::IpNet;
use reqwest::Proxy;
use url::{Host, Url};

use crate::reach::is_loopback;

/// The entries of `NO_PROXY`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct NoProxy(Vec<Entry>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Entry {
    Everything,
    Network(IpNet),
    Address(IpAddr, Option<u16>),
    /// A name in lower case, and whether it stands for itself beside what is below it.
    Name {
        name: String,
        itself: bool,
        port: Option<u16>,
    },
}

/// A proxy for all URLs but those.
///
/// # Errors
/// When the proxy's address is none.
pub(super) fn proxy(address: &str, except: Option<&str>) -> reqwest::Result<Proxy> {
    // Says what is wrong with the address, which the closure below could not.
    Proxy::all(address)?;
    let (address, except) = (address.to_owned(), NoProxy::parse(except.unwrap_or_default()));
    Ok(Proxy::custom(move |url| (!except.holds(url)).then(|| address.clone())))
}

impl NoProxy {
    /// Reads a list that is separated by commas or blanks.
    pub(super) fn parse(text: &str) -> Self {
        let entries = text.split([',', ' ', '\t']).filter(|entry| !entry.is_empty());
        Self(entries.filter_map(|entry| Entry::parse(&entry.to_ascii_lowercase())).collect())
    }

    /// Whether a URL is reached directly.
    pub(super) fn holds(&self, url: &Url) -> bool {
        let Some(host) = url.host() else { return false };
        let port = url.port_or_known_default();
        is_loopback(url.host_str().unwrap_or_default())
            || self.0.iter().any(|entry| entry.holds(&host, port))
    }
}

impl Entry {
    fn parse(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self::Everything);
        }
        if let Ok(network) = text.parse::<IpNet>() {
            return Some(Self::Network(network.trunc()));
        }
        let bare = text.trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = bare.parse::<IpAddr>() {
            return Some(Self::Address(address, None));
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, Some(port.parse::<u16>().ok()?)),
            None => (text, None),
        };
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = bare.parse::<IpAddr>() {
            return Some(Self::Address(address, port));
        }
        let below = host.strip_prefix("*.").or_else(|| host.strip_prefix('.'));
        let name = below.unwrap_or(host).trim_end_matches('.');
        let entry = Self::Name { name: name.to_owned(), itself: below.is_none(), port };
        (!name.is_empty()).then_some(entry)
    }

    fn holds(&self, host: &Host<&str>, port: Option<u16>) -> bool {
        let address = match host {
            Host::Ipv4(address) => Some(IpAddr::from(*address)),
            Host::Ipv6(address) => Some(IpAddr::from(*address)),
            Host::Domain(_) => None,
        };
        let same_port = |wanted: Option<u16>| wanted.is_none() || wanted == port;
        match (self, host, address) {
            (Self::Everything, ..) => true,
            (Self::Network(network), _, Some(address)) => network.contains(&address),
            (Self::Address(wanted, at), _, Some(address)) => address == *wanted && same_port(*at),
            (Self::Name { name, itself, port: at }, Host::Domain(host), _) => {
                let rest = host.trim_end_matches('.').strip_suffix(name.as_str());
                let fits = rest.is_some_and(|r| r.ends_with('.') || r.is_empty() && *itself);
                fits && same_port(*at)
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_hold_what_other_tools_let_them_hold() {
        for (text, url, want) in [
            ("", "https://r.example/", false),
            ("*", "https://r.example/", true),
            ("other.example, *", "https://10.0.0.1/", true),
            ("r.example", "https://r.example/", true),
            ("R.Example", "https://r.example:5000/", true),
            ("r.example", "https://sub.r.example/", true),
            ("r.example", "https://nr.example/", false),
            (".r.example", "https://sub.r.example/", true),
            (".r.example", "https://r.example/", false),
            ("*.r.example", "https://a.b.r.example/", true),
            ("*.r.example", "https://r.example/", false),
            ("r.example.", "https://r.example/", true),
            ("r.example:5000", "https://r.example:5000/", true),
            ("r.example:5000", "https://r.example/", false),
            ("r.example:443", "https://r.example/", true),
            ("r.example:x", "https://r.example/", false),
            ("10.1.2.3", "http://10.1.2.3:5000/", true),
            ("10.1.2.3:5000", "http://10.1.2.3:5000/", true),
            ("10.1.2.3:80", "http://10.1.2.3:5000/", false),
            ("10.1.0.0/16", "http://10.1.2.3:5000/", true),
            ("10.1.2.3/16", "http://10.1.9.9/", true),
            ("10.1.0.0/16", "http://10.2.0.1/", false),
            ("10.1.0.0/16", "https://r.example/", false),
            ("fd00::/8", "https://[fd00::1]:5000/", true),
            ("[fd00::1]:5000", "https://[fd00::1]:5000/", true),
            ("[fd00::1]", "https://[fd00::1]:5000/", true),
            ("fd00::1", "https://[fd00::2]/", false),
            ("foo, r.example , bar", "https://r.example/", true),
            ("foo r.example", "https://r.example/", true),
            ("", "http://localhost:5000/", true),
            ("", "http://127.0.0.1/", true),
        ] {
            let url: Url = url.parse().unwrap();
            assert_eq!(NoProxy::parse(text).holds(&url), want, "{text:?} for {url}");
        }
    }
}
