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

/// How a packet begins.
enum Begun {
    /// More bytes have to tell.
    Short,
    /// As none whose length is known, or as none at all.
    Not,
    /// With this.
    Header(Header),
}

/// The header of a packet (RFC 9580, section 4.2).
struct Header {
    kind: u8,
    /// Bytes of the length, behind the tag.
    skip: usize,
    /// Bytes of the body; none where it goes on to the end of the file.
    length: Option<usize>,
}

impl Header {
    /// Bytes of the whole packet.
    fn size(&self) -> usize {
        self.length.map_or(usize::MAX, |length| length.saturating_add(1 + self.skip))
    }
}

fn header(bytes: &[u8]) -> Begun {
    let Some((tag, rest)) = bytes.split_first() else { return Begun::Short };
    let number = |count: usize| {
        let digits = rest.get(..count)?;
        Some(digits.iter().fold(0, |all, digit| all << 8 | usize::from(*digit)))
    };
    let of = |kind, skip, length: Option<usize>| match length {
        Some(_) => Begun::Header(Header { kind, skip, length }),
        None => Begun::Short,
    };
    match tag {
        0xc0..=0xff => {
            let kind = tag & 0x3f;
            match rest {
                [] => Begun::Short,
                [short @ 0..192, ..] => of(kind, 1, Some(usize::from(*short))),
                [first @ 192..224, second @ ..] => {
                    let long =
                        |second: &u8| ((usize::from(*first) - 192) << 8) + usize::from(*second);
                    of(kind, 2, second.first().map(|second| long(second) + 192))
                }
                [255, long @ ..] => {
                    let long = long.first_chunk().map(|long| u32::from_be_bytes(*long));
                    of(kind, 5, long.map(|long| usize::try_from(long).unwrap_or(usize::MAX)))
                }
                // Keys have no partial lengths (RFC 9580, section 4.2.1.4).
                _ => Begun::Not,
            }
        }
        0x80..=0xbf => {
            let kind = tag >> 2 & 0xf;
            match tag & 3 {
                0 => of(kind, 1, number(1)),
                1 => of(kind, 2, number(2)),
                2 => of(kind, 4, number(4)),
                _ => Begun::Header(Header { kind, skip: 0, length: None }),
            }
        }
        _ => Begun::Not,
    }
}

/// A packet: its type, its body as far as it is there, and whether all of it is.
struct Packet<'b> {
    kind: u8,
    body: &'b [u8],
    whole: bool,
}

fn packet(bytes: &[u8]) -> Option<Packet<'_>> {
    let Begun::Header(Header { kind, skip, length }) = header(bytes) else { return None };
    let body = bytes.get(1 + skip..)?;
    let length = length.unwrap_or(body.len());
    let whole = body.len() >= length;
    Some(Packet { kind, body: body.get(..length).unwrap_or(body), whole })
}

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

/// Whether bytes begin as a secret key of a known algorithm, and as next to nothing else.
pub(super) fn begins_key(head: &[u8]) -> bool {
    let algorithm = packet(head).filter(Packet::is_secret).and_then(|packet| match packet.body {
        [4 | 6, _, _, _, _, algorithm, ..] | [3, _, _, _, _, _, _, algorithm, ..] => {
            Some(*algorithm)
        }
        _ => None,
    });
    matches!(algorithm, Some(1..=3 | 16..=19 | 22 | 25..=28))
}

/// The secret key that is among packets; one that is whole before others.
pub(super) fn secret_key(bytes: &[u8]) -> Option<SecretKey> {
    let mut ring = Ring::default();
    ring.take(bytes);
    ring.finish()
}

/// Bytes of one packet that are held: no key that is in use has so many before its secret part.
pub(super) const HELD_BYTES: usize = 1 << 14;

/// The packets of a keyring while they stream by, so that a secret key is found behind however many public ones.
#[derive(Debug, Default)]
pub(super) struct Ring {
    /// The packet that comes, as far as it is held.
    held: Vec<u8>,
    /// What of it passes by behind that.
    passing: usize,
    /// The key that it is, if it is there as a whole.
    pending: Option<SecretKey>,
    /// Whether what comes is no packet of a keyring, or there is nothing more to look for.
    over: bool,
    found: Option<SecretKey>,
}

impl Ring {
    /// Looks at the next bytes.
    pub(super) fn take(&mut self, mut bytes: &[u8]) {
        while !self.over && !bytes.is_empty() {
            if self.passing > 0 {
                let count = self.passing.min(bytes.len());
                bytes = bytes.get(count..).unwrap_or_default();
                // One without a length passes until the file ends.
                self.passing -= if self.passing == usize::MAX { 0 } else { count };
                self.settle();
                continue;
            }
            let wanted = match header(&self.held) {
                Begun::Not => {
                    self.over = true;
                    break;
                }
                Begun::Short => self.held.len() + 1,
                Begun::Header(one) => one.size().min(HELD_BYTES),
            };
            let count = wanted.saturating_sub(self.held.len()).min(bytes.len());
            let (now, rest) = bytes.split_at_checked(count).unwrap_or((bytes, &[]));
            self.held.extend_from_slice(now);
            bytes = rest;
            self.close();
        }
    }

    /// Judges the packet, once as much of it is there as is held.
    fn close(&mut self) {
        let Begun::Header(one) = header(&self.held) else { return };
        let Some(behind) = one.size().checked_sub(self.held.len()) else { return };
        if behind > 0 && self.held.len() < HELD_BYTES {
            return;
        }
        match packet(&self.held).filter(Packet::is_of_keyring) {
            Some(found) if found.is_secret() => {
                self.pending = in_packet(&Packet { whole: true, ..found });
            }
            Some(_) => {}
            None => self.over = true,
        }
        self.held.clear();
        self.passing = if one.length.is_none() { usize::MAX } else { behind };
        self.settle();
    }

    /// Takes the key of a packet that has passed.
    fn settle(&mut self) {
        if self.passing > 0 {
            return;
        }
        let Some(key) = self.pending.take() else { return };
        self.over |= key.whole;
        self.found = if key.whole { Some(key) } else { self.found.or(Some(key)) };
    }

    /// The secret key among the packets; one that is whole before others.
    pub(super) fn finish(mut self) -> Option<SecretKey> {
        if self.passing == usize::MAX {
            self.passing = 0;
            self.settle();
        }
        let cut = self.pending.map(|key| SecretKey { whole: false, ..key });
        let last = || {
            let last =
                packet(&self.held).filter(Packet::is_of_keyring).filter(Packet::is_secret)?;
            in_packet(&last)
        };
        let last = if self.over { None } else { last() };
        let whole = [self.found, last].into_iter().flatten().find(|key| key.whole);
        whole.or(self.found).or(cut).or(last)
    }
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
