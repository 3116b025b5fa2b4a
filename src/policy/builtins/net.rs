//! `net.cidr_contains`: an IPv4 address is the same address when it is written as IPv6, as in Go.

use std::net::IpAddr;

use anyhow::{Result, anyhow, bail};
use regorus::Value;

use super::text;

/// Bits before an IPv4 address that is written as IPv6.
const MAPPED_BITS: u32 = 96;
const MAPPED: u128 = 0xffff << 32;

/// A network, in 128 bits.
struct Network {
    first: u128,
    prefix: u32,
}

pub(super) fn cidr_contains(given: &[Value]) -> Result<Value> {
    let network = network(text(given, 0)?)?;
    let what = text(given, 1)?;
    let contained = if what.contains('/') {
        let inner = self::network(what)?;
        network.contains(inner.first) && network.contains(inner.first | inner.hosts())
    } else {
        network.contains(bits(what.parse().map_err(|_| anyhow!("{what:?} is no address"))?))
    };
    Ok(Value::from(contained))
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => MAPPED | u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    }
}

fn network(text: &str) -> Result<Network> {
    let wrong = || anyhow!("{text:?} is no network");
    let (address, prefix) = text.split_once('/').ok_or_else(wrong)?;
    let address: IpAddr = address.parse().map_err(|_| wrong())?;
    let plain = !prefix.is_empty() && prefix.bytes().all(|b| b.is_ascii_digit());
    let prefix: u32 = prefix.parse().map_err(|_| wrong())?;
    let (most, before) = if address.is_ipv4() { (32, MAPPED_BITS) } else { (128, 0) };
    if !plain || prefix > most {
        bail!("{text:?} is no network");
    }
    let network = Network { first: 0, prefix: prefix + before };
    Ok(Network { first: bits(address) & !network.hosts(), ..network })
}

impl Network {
    /// The bits that tell its addresses apart.
    fn hosts(&self) -> u128 {
        u128::MAX.checked_shr(self.prefix).unwrap_or(0)
    }

    fn contains(&self, address: u128) -> bool {
        let same_kind = is_v4(self.first) == is_v4(address);
        same_kind && address & !self.hosts() == self.first
    }
}

fn is_v4(address: u128) -> bool {
    address >> 32 == MAPPED >> 32
}
