//! Names of registries, each registry under one.
//!
//! Turns the host of a reference into the one form that rules, layouts, exceptions, credentials, mirrors and policies see
//! (attack H20): letters in lower case (RFC 4343), the port as a number without leading zeros and without the scheme's own,
//! IPv6 addresses as RFC 5952 writes them. The distribution project's `reference` keeps such differences, and runtimes then
//! dial the same place. Refuses forms that programs dial differently: numbers that some resolvers take for IPv4
//! addresses, IPv4 inside IPv6, and Docker Hub's name in any but its exact form, where runtimes ask another host; and
//! names that would be read as something else than a registry where a reference is written down and read again.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{ReferenceError, check};

/// Docker Hub's name in references.
pub(super) const DOCKER_HUB: &str = "docker.io";
/// Docker Hub's older name, which `reference` reads as the newer one.
const DOCKER_INDEX: &str = "index.docker.io";

/// What a reference begins with, before a colon, where it names no registry.
const OTHER_KINDS: [&str; 5] = ["oci", "oci-archive", "docker-archive", "sha256", "sha512"];
/// Longest host name, in bytes (RFC 1035 section 2.3.4, as text without the root's dot).
const MAX_HOST_BYTES: usize = 253;
/// Longest label of a host name, in bytes (RFC 1035 section 2.3.4).
const MAX_LABEL_BYTES: usize = 63;

const PART: &str = "registry host";
const GRAMMAR: &str = "a host name, IPv4 address or [IPv6 address], with an optional port";
const IPV4: &str = "a host name, or an IPv4 address of four decimal numbers without leading zeros";
const IPV6: &str = "an IPv6 address in brackets, without an IPv4 address in it";
const PORT: &str = "a port from 1 to 65535";
const HUB: &str = "docker.io, in exactly this form and without a port, as Docker Hub's name";
const KIND: &str = "another name for the registry: before a colon, this one stands for a layout, an archive or a digest";
const DOTLESS: &str = "a lower-case repository, or a registry host with a dot or a port";

/// Whether the first part of a name is a registry and not the begin of a repository on Docker Hub (reference
/// v0.6.0, `splitDockerDomain`).
pub(super) fn is_host(first: &str) -> bool {
    let upper = |c: char| c.is_ascii_uppercase();
    first.contains(['.', ':']) || first == "localhost" || first.contains(upper)
}

/// The one name of a registry.
pub(super) fn canonical(text: &str) -> Result<String, ReferenceError> {
    if text == DOCKER_HUB || text == DOCKER_INDEX {
        return Ok(DOCKER_HUB.to_owned());
    }
    let (host, port) = split(text).ok_or_else(|| refused(text, GRAMMAR))?;
    let (host, loopback) = match host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
        Some(address) => ipv6(text, address)?,
        None => named(text, host)?,
    };
    check(PART, text, |_| host != DOCKER_HUB && host != DOCKER_INDEX, HUB)?;
    let port = port.map(|port| number(text, port)).transpose()?;
    // A host that is not loopback is dialled with TLS unless the operator lists it, and a listed name keeps its port.
    let default = if loopback { 80 } else { 443 };
    match port.filter(|port| *port != default || !is_host(&host)) {
        Some(port) => Ok(format!("{host}:{port}")),
        None => check(PART, text, |_| is_host(&host), DOTLESS).map(|()| host),
    }
}

fn refused(text: &str, expected: &'static str) -> ReferenceError {
    let found = text.chars().take(120).flat_map(char::escape_default).collect();
    ReferenceError::Part { part: PART, found, expected }
}

/// Host and port as written.
fn split(text: &str) -> Option<(&str, Option<&str>)> {
    let end = if text.starts_with('[') {
        text.find(']')? + 1
    } else {
        text.find(':').unwrap_or(text.len())
    };
    let (host, rest) = text.split_at_checked(end)?;
    match rest.strip_prefix(':') {
        Some(port) => Some((host, Some(port))),
        None => rest.is_empty().then_some((host, None)),
    }
}

fn number(text: &str, port: &str) -> Result<u16, ReferenceError> {
    let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    let number = port.trim_start_matches('0').parse::<u16>().ok();
    number.filter(|_| digits).ok_or_else(|| refused(text, PORT))
}

/// An IPv6 address, and whether it is this machine.
fn ipv6(text: &str, address: &str) -> Result<(String, bool), ReferenceError> {
    let plain = |a: &Ipv6Addr| a.to_ipv4_mapped().is_none() && !address.contains('.');
    let read = address.parse::<Ipv6Addr>().ok().filter(plain);
    let read = read.ok_or_else(|| refused(text, IPV6))?;
    Ok((format!("[{read}]"), read.is_loopback()))
}

/// A host name or IPv4 address, and whether it is this machine.
fn named(text: &str, host: &str) -> Result<(String, bool), ReferenceError> {
    let label = |l: &str| {
        (1..=MAX_LABEL_BYTES).contains(&l.len())
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !l.starts_with('-')
            && !l.ends_with('-')
    };
    let name = host.len() <= MAX_HOST_BYTES && host.split('.').all(label);
    check(PART, text, |_| name, GRAMMAR)?;
    let host = host.to_ascii_lowercase();
    check(PART, text, |_| !OTHER_KINDS.contains(&host.as_str()), KIND)?;
    let address = host.parse::<Ipv4Addr>().ok();
    check(PART, text, |_| address.is_some() || !ends_in_a_number(&host), IPV4)?;
    let loopback = host == "localhost" || address.is_some_and(|a| IpAddr::from(a).is_loopback());
    Ok((host, loopback))
}

/// Whether resolvers may read a host as an IPv4 address (WHATWG URL, "ends in a number checker").
fn ends_in_a_number(host: &str) -> bool {
    let last = host.rsplit('.').next().unwrap_or(host);
    let hexadecimal = |digits: &str| digits.bytes().all(|b| b.is_ascii_hexdigit());
    last.bytes().all(|b| b.is_ascii_digit()) || last.strip_prefix("0x").is_some_and(hexadecimal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h20_a_registry_has_one_name() {
        for (text, want) in [
            ("r.example", "r.example"),
            ("R.Example", "r.example"),
            ("r.example:443", "r.example"),
            ("R.EXAMPLE:0443", "r.example"),
            ("r.example:5000", "r.example:5000"),
            ("r.example:05000", "r.example:5000"),
            ("r.example:80", "r.example:80"),
            ("localhost", "localhost"),
            ("LOCALHOST", "localhost"),
            ("LocalHost:034088", "localhost:34088"),
            ("localhost:80", "localhost"),
            ("localhost:443", "localhost:443"),
            ("127.0.0.1:0080", "127.0.0.1"),
            ("10.0.0.1:443", "10.0.0.1"),
            // Without its port this one would be a repository of Docker Hub.
            ("host:443", "host:443"),
            ("Host:0443", "host:443"),
            ("[::1]:5000", "[::1]:5000"),
            ("[0:0:0::0001]:05000", "[::1]:5000"),
            ("[2001:DB8::1]:443", "[2001:db8::1]"),
            ("docker.io", "docker.io"),
            ("index.docker.io", "docker.io"),
            ("registry-1.docker.io", "registry-1.docker.io"),
        ] {
            let name = canonical(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(name, want, "{text}");
            assert_eq!(canonical(&name).as_ref(), Ok(&name), "{text}: it is its own name");
        }
    }

    #[test]
    fn a_host_is_as_long_as_dns_has_names() {
        let name = |last: usize| format!("{0}.{0}.{0}.{1}", "a".repeat(63), "a".repeat(last));
        assert!(canonical(&name(61)).is_ok());
        for long in [name(62), "a".repeat(64) + ".example"] {
            let error = canonical(&long).expect_err(&long).to_string();
            assert!(error.contains(GRAMMAR), "{error}");
        }
    }

    #[test]
    fn h20_hosts_that_programs_dial_differently_are_refused() {
        for (text, want) in [
            ("DOCKER.IO", HUB),
            ("Index.Docker.io", HUB),
            ("docker.io:443", HUB),
            ("index.docker.io:0443", HUB),
            ("127.1", IPV4),
            ("127.0.0.01", IPV4),
            ("0x7f.1:5000", IPV4),
            ("r.example.0x", IPV4),
            ("2130706433:5000", IPV4),
            ("1.2.3.4.5", IPV4),
            ("[::ffff:127.0.0.1]", IPV6),
            ("[::ffff:7f00:1]", IPV6),
            ("[::1", GRAMMAR),
            ("[]", IPV6),
            ("[fe80::1%eth0]", IPV6),
            ("r.example:0", PORT),
            ("r.example:65536", PORT),
            ("r.example:", PORT),
            ("r.example:+5", PORT),
            ("r.example.", GRAMMAR),
            ("r..example", GRAMMAR),
            ("-r.example", GRAMMAR),
            ("r_x.example", GRAMMAR),
            ("Team", DOTLESS),
            ("oci:5000", KIND),
            ("OCI:5000", KIND),
            ("oCi-Archive:80", KIND),
            ("docker-archive:443", KIND),
            ("Sha256:5000", KIND),
            ("", GRAMMAR),
        ] {
            let error = canonical(text).expect_err(text).to_string();
            assert!(error.contains(want), "{text}: {error}");
        }
    }
}
