//! Secret keys of OpenPGP (RFC 9580, section 5.5.3), and those that GnuPG keeps for its agent.
//!
//! Turns the packets of armour or of a file into whether one is a secret key and a passphrase protects it. Public keys, what is
//! said of them, and padding may stand before it, as in a keyring; messages begin with other packets. The agent's files are S-expressions, in canonical form or behind `Key:`; what
//! only says that the key is on a card is none.

/// Symmetric algorithms that old keys name in the place of a usage (RFC 9580, section 9.3).
const LAST_CIPHER: u8 = 13;

/// A secret key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SecretKey {
    /// Whether a passphrase protects it.
    pub(super) encrypted: bool,
    /// Whether all of its packet is there, and its numbers have the sizes that such numbers have.
    pub(super) whole: bool,
}

/// A packet: its type, its body as far as it is there, and whether all of it is.
struct Packet<'b> {
    kind: u8,
    body: &'b [u8],
    whole: bool,
    /// What follows it.
    rest: &'b [u8],
}

fn packet(bytes: &[u8]) -> Option<Packet<'_>> {
    let (tag, rest) = bytes.split_first()?;
    let number = |count: usize| -> Option<(usize, usize)> {
        let digits = rest.get(..count)?;
        Some((count, digits.iter().fold(0, |all, digit| all << 8 | usize::from(*digit))))
    };
    let (kind, (skip, length)) = match tag {
        0xc0..=0xff => {
            let length = match rest {
                [short @ 0..192, ..] => (1, usize::from(*short)),
                [first @ 192..224, second, ..] => {
                    (2, ((usize::from(*first) - 192) << 8) + usize::from(*second) + 192)
                }
                [255, long @ ..] => {
                    (5, usize::try_from(u32::from_be_bytes(*long.first_chunk()?)).ok()?)
                }
                _ => return None,
            };
            (tag & 0x3f, length)
        }
        0x80..=0xbf => {
            let length = match tag & 3 {
                0 => number(1)?,
                1 => number(2)?,
                2 => number(4)?,
                _ => (0, rest.len()),
            };
            (tag >> 2 & 0xf, length)
        }
        _ => return None,
    };
    let body = rest.get(skip..)?;
    let whole = body.len() >= length;
    let (body, rest) = body.split_at_checked(length).unwrap_or((body, &[]));
    Some(Packet { kind, body, whole, rest })
}

/// Packets before a secret key that are passed over: a ring may have many public keys.
const PACKETS: usize = 1 << 12;

impl Packet<'_> {
    /// A secret key, or a secret subkey.
    fn is_secret(&self) -> bool {
        matches!(self.kind, 5 | 7)
    }

    /// Whether a secret key may stand behind it: keys, signatures, markers, trust, names and padding (RFC 9580, section 5), in
    /// the versions that there are.
    fn is_of_keyring(&self) -> bool {
        match self.kind {
            2 | 5 | 6 | 7 | 14 => matches!(self.body.first(), Some(2..=6)),
            10 => self.body == b"PGP",
            12 | 13 | 17 | 21 | 60..=63 => true,
            _ => false,
        }
    }
}

/// Whether a file that begins so may hold a secret key.
pub(super) fn may_be(head: &[u8]) -> bool {
    packet(head).is_some_and(|first| first.is_of_keyring())
}

/// The secret key that is among packets; one that is whole before others.
pub(super) fn secret_key(bytes: &[u8]) -> Option<SecretKey> {
    let (mut rest, mut found) = (bytes, None);
    for _ in 0..PACKETS {
        let Some(one) = packet(rest).filter(Packet::is_of_keyring) else { break };
        let key = if one.is_secret() { in_packet(&one) } else { None };
        if key.is_some_and(|key| key.whole) {
            return key;
        }
        found = found.or(key);
        rest = one.rest;
    }
    found
}

/// The secret key that a packet is.
fn in_packet(packet: &Packet<'_>) -> Option<SecretKey> {
    let Packet { body, whole, .. } = *packet;
    if body.len() < 32 {
        return None;
    }
    let (algorithm, material) = match body {
        // The version, and the time.
        [4, _, _, _, _, algorithm, material @ ..] => (*algorithm, material),
        // And the days for which it is valid.
        [3, _, _, _, _, _, _, algorithm, material @ ..] => (*algorithm, material),
        [6, _, _, _, _, _, counted @ ..] => {
            let (count, material) = counted.split_first_chunk::<4>()?;
            let count = usize::try_from(u32::from_be_bytes(*count)).ok()?;
            let usage = *material.get(count..)?.first()?;
            return is_usage(usage).then_some(SecretKey { encrypted: usage != 0, whole });
        }
        _ => return None,
    };
    let (usage, plausible) = usage(algorithm, material)?;
    Some(SecretKey { encrypted: usage != 0, whole: whole && plausible && is_usage(usage) })
}

fn is_usage(usage: u8) -> bool {
    usage <= LAST_CIPHER || usage >= 253
}

/// A number of so many bits, and what follows it.
fn number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (bits, rest) = bytes.split_first_chunk::<2>()?;
    let bits = usize::from(u16::from_be_bytes(*bits));
    Some((bits, rest.get(bits.div_ceil(8)..)?))
}

/// Octets behind their count.
fn counted(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (length, rest) = bytes.split_first()?;
    let length = usize::from(*length);
    Some((length, rest.get(length..)?))
}

/// The octet behind the public part that says whether the secret part is encrypted, and whether the public part has a plausible size.
fn usage(algorithm: u8, material: &[u8]) -> Option<(u8, bool)> {
    let mut rest = material;
    let (curve, numbers, derivation) = match algorithm {
        1..=3 => (false, 2, false),
        16 => (false, 3, false),
        17 => (false, 4, false),
        18 => (true, 1, true),
        19 | 22 => (true, 1, false),
        // Keys of a fixed size (RFC 9580, section 5.5.5): X25519, X448, Ed25519, Ed448.
        25 | 27 => return material.get(32).map(|usage| (*usage, true)),
        26 => return material.get(56).map(|usage| (*usage, true)),
        28 => return material.get(57).map(|usage| (*usage, true)),
        _ => return None,
    };
    let mut plausible = true;
    if curve {
        let (length, behind) = counted(rest)?;
        plausible = (3..=16).contains(&length);
        rest = behind;
    }
    for at in 0..numbers {
        let (bits, behind) = number(rest)?;
        let least = if curve { 128 } else { 512 };
        plausible &= at > 0 || (least..=16_384).contains(&bits);
        rest = behind;
    }
    if derivation {
        rest = counted(rest)?.1;
    }
    rest.first().map(|usage| (*usage, plausible))
}

/// How the agent's files begin: in canonical form, and behind `Key:`; whether a passphrase protects the key.
const AGENT: [(&[u8], &[u8], bool); 2] = [
    (b"(11:private-key(", b"Key: (private-key (", false),
    (b"(21:protected-private-key(", b"Key: (protected-private-key (", true),
];

/// The key of GnuPG's agent that a file is: whether a passphrase protects it.
pub(super) fn of_agent(head: &[u8]) -> Option<bool> {
    let found = AGENT.into_iter().find(|(canonical, named, _)| {
        let line = |line: &[u8]| line.starts_with(named);
        head.starts_with(canonical) || head.split(|byte| *byte == b'\n').any(line)
    });
    found.map(|(_, _, encrypted)| encrypted)
}
