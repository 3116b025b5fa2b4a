//! How far inside a network an address lies.
//!
//! Turns an address, or a host as it is written, into a [`Reach`]: the one rule by which registries, mirrors, sources and
//! steps of a rebuild are kept from link-local addresses, metadata services and this machine itself (attack F2). Says
//! nothing about names, which are looked up, and asked about again, at the moment of connecting.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// How far inside an address lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// The internet.
    Public,
    /// Private networks (RFC 1918, RFC 4193, RFC 6598).
    Private,
    /// This machine.
    Loopback,
    /// Link-local and metadata services, multicast, unspecified and reserved addresses.
    Never,
}

impl Reach {
    /// How far inside `address` lies; addresses that wrap an IPv4 address count as that.
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) => Self::of_v4(v4),
            IpAddr::V6(v6) => wrapped_v4(v6).map_or_else(|| Self::of_v6(v6), Self::of_v4),
        }
    }

    /// How far inside a host lies that is an address in any form in which one is dialled, or `localhost`; `None` for a name.
    pub fn of_host(host: &str) -> Option<Self> {
        match Url::parse(&format!("http://{host}/")).ok()?.host()? {
            Host::Domain(name) => (name == "localhost").then_some(Self::Loopback),
            Host::Ipv4(address) => Some(Self::of(address.into())),
            Host::Ipv6(address) => Some(Self::of(address.into())),
        }
    }

    fn of_v4(address: Ipv4Addr) -> Self {
        match address.octets() {
            [127, ..] => Self::Loopback,
            // The metadata services of Alibaba and Oracle stand outside 169.254.0.0/16.
            [100, 100, 100, 200] | [192, 0, 0, _] => Self::Never,
            [169, 254, ..] | [0, ..] | [224..=255, ..] => Self::Never,
            [10, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] => Self::Private,
            _ => Self::Public,
        }
    }

    fn of_v6(address: Ipv6Addr) -> Self {
        /// AWS' metadata service, inside the private range.
        const AWS: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
        match address.segments() {
            [0, 0, 0, 0, 0, 0, 0, 1] => Self::Loopback,
            [0, 0, 0, 0, 0, 0, 0, 0] => Self::Never,
            _ if address == AWS => Self::Never,
            [0xfe80..=0xffff, ..] => Self::Never,
            [0xfc00..=0xfdff, ..] => Self::Private,
            _ => Self::Public,
        }
    }

    /// Where that is, for a sentence.
    pub fn words(self) -> &'static str {
        match self {
            Self::Public => "on the internet",
            Self::Private => "in a private network",
            Self::Loopback => "on this machine",
            Self::Never => "a link-local, metadata, multicast or reserved address",
        }
    }

    /// The reach of this number, which `as u8` made.
    pub fn from_u8(value: u8) -> Self {
        match value {
            0 => Self::Public,
            1 => Self::Private,
            _ => Self::Loopback,
        }
    }
}

/// The IPv4 address in a mapped (RFC 4291), NAT64 (RFC 6052) or 6to4 (RFC 3056) address.
fn wrapped_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let join = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            Some(join(high, low))
        }
        [0x2002, high, low, ..] => Some(join(high, low)),
        _ => None,
    }
}

/// Whether a host, as written, is this machine.
pub fn is_loopback(host: &str) -> bool {
    Reach::of_host(host) == Some(Reach::Loopback)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_how_far_inside_an_address_is() {
        let cases = [
            ("8.8.8.8", Reach::Public),
            ("10.1.2.3", Reach::Private),
            ("172.15.0.1", Reach::Public),
            ("172.16.0.1", Reach::Private),
            ("172.31.255.255", Reach::Private),
            ("172.32.0.1", Reach::Public),
            ("192.168.0.1", Reach::Private),
            ("100.64.0.1", Reach::Private),
            ("127.8.9.1", Reach::Loopback),
            ("169.254.169.254", Reach::Never),
            ("100.100.100.200", Reach::Never),
            ("192.0.0.192", Reach::Never),
            ("0.0.0.0", Reach::Never),
            ("255.255.255.255", Reach::Never),
            ("224.0.0.1", Reach::Never),
            ("::1", Reach::Loopback),
            ("::", Reach::Never),
            ("fe80::1", Reach::Never),
            ("fd00:ec2::254", Reach::Never),
            ("fd12::1", Reach::Private),
            ("2001:db8::1", Reach::Public),
            ("::ffff:169.254.169.254", Reach::Never),
            ("::ffff:127.0.0.1", Reach::Loopback),
            ("64:ff9b::a9fe:a9fe", Reach::Never),
            ("2002:7f00:1::", Reach::Loopback),
        ];
        for (text, want) in cases {
            assert_eq!(Reach::of(text.parse().unwrap()), want, "{text}");
        }
    }

    #[test]
    fn loopback_is_judged_by_the_host_that_is_dialled() {
        for (host, want) in [
            ("localhost", true),
            ("localhost:5000", true),
            ("127.0.0.1:5000", true),
            ("[::1]:5000", true),
            ("localhost.example", false),
            ("127.0.0.1.example:80", false),
            ("10.0.0.1", false),
            ("not a host", false),
        ] {
            assert_eq!(is_loopback(host), want, "{host}");
        }
    }

    #[test]
    fn a_host_is_judged_by_the_address_that_it_is_dialled_as() {
        let cases = [
            ("r.example", None),
            ("localhost", Some(Reach::Loopback)),
            ("127.1", Some(Reach::Loopback)),
            ("2852039166", Some(Reach::Never)),
            ("0xa9fea9fe", Some(Reach::Never)),
            ("[::ffff:169.254.169.254]", Some(Reach::Never)),
            ("10.0.0.1", Some(Reach::Private)),
            ("not a host", None),
        ];
        for (host, want) in cases {
            assert_eq!(Reach::of_host(host), want, "{host}");
        }
    }
}
