//! Private keys in PEM and its relatives: whether a body follows the marker, and is one.
//!
//! Turns what follows `-----BEGIN … PRIVATE KEY-----` into a [`Key`], where the text decodes to the structure that the marker
//! names (RFC 7468; PKCS#1, PKCS#8, SEC 1, OpenSSH's PROTOCOL.key, RFC 9580). Markers in programs, templates and documents have
//! no such body and are none. Line ends may be LF or CRLF, and may be written as escapes of JSON, YAML or a shell.

use super::published;
use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

/// Bytes of a key, with its markers, that are looked at: an RSA key of 16384 bits takes 12.7 KiB.
pub(super) const KEY_BYTES: usize = 16 << 10;

/// Base64 as people paste it: padding may lack, last bits may be set.
pub(super) const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// A private key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    /// Whether a passphrase protects it.
    pub(super) encrypted: bool,
    /// The marker's word.
    pub(super) form: Form,
    /// Whether everybody has it.
    pub(super) published: bool,
}

/// How a key is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Pkcs1,
    Pkcs8,
    Encrypted,
    Ec,
    Dsa,
    OpenSsh,
    Pgp,
}

/// How a key begins.
const BEGIN: &[u8] = b"-----BEGIN ";
const DASHES: &[u8] = b"-----";
/// Bytes between both dashes of the longest marker.
const MARKER: usize = 40;

/// The form of which this is the marker, and its length.
fn marker(text: &[u8]) -> Option<(Form, usize)> {
    let rest = text.strip_prefix(BEGIN)?;
    let rest = rest.get(..MARKER).unwrap_or(rest);
    let end = rest.windows(DASHES.len()).position(|window| window == DASHES)?;
    let form = match rest.get(..end)? {
        b"RSA PRIVATE KEY" => Form::Pkcs1,
        b"PRIVATE KEY" => Form::Pkcs8,
        b"ENCRYPTED PRIVATE KEY" => Form::Encrypted,
        b"EC PRIVATE KEY" => Form::Ec,
        b"DSA PRIVATE KEY" => Form::Dsa,
        b"OPENSSH PRIVATE KEY" => Form::OpenSsh,
        b"PGP PRIVATE KEY BLOCK" => Form::Pgp,
        _ => return None,
    };
    Some((form, BEGIN.len() + end + DASHES.len()))
}

/// Whether text begins with the marker of a private key.
pub(super) fn is_marked(text: &[u8]) -> bool {
    marker(text).is_some()
}

/// The private key with which `text` begins.
pub(super) fn private_key(text: &[u8]) -> Option<Key> {
    let (form, length) = marker(text)?;
    let body = text.get(length..)?;
    let body = body.get(..KEY_BYTES).unwrap_or(body);
    let end = body.windows(DASHES.len()).position(|window| window == DASHES)?;
    let lines = unescaped(body.get(..end)?);
    let (headers, base64) = split_headers(&lines);
    let locked = headers.contains("ENCRYPTED");
    let base64 = match form {
        // The checksum of armour (RFC 9580, section 6.1).
        Form::Pgp => {
            base64.rsplit_once("\n=").map_or(base64.as_str(), |(body, _)| body).replace('\n', "")
        }
        _ => base64.replace('\n', ""),
    };
    let bytes = LENIENT.decode(base64).ok()?;
    if locked && matches!(form, Form::Pkcs1 | Form::Ec | Form::Dsa) {
        // What is encrypted has no structure; no marker in a program has so many bytes behind it.
        return (bytes.len() >= 64).then_some(Key { encrypted: true, form, published: false });
    }
    let encrypted = match form {
        Form::Pkcs1 => integers(&bytes, 3).then_some(false),
        Form::Dsa => integers(&bytes, 4).then_some(false),
        Form::Ec => is_sec1(&bytes).then_some(false),
        Form::Pkcs8 => is_pkcs8(&bytes).then_some(false),
        Form::Encrypted => is_encrypted_pkcs8(&bytes).then_some(true),
        Form::OpenSsh => openssh(&bytes),
        Form::Pgp => pgp(&bytes),
    };
    encrypted.map(|encrypted| Key { encrypted, form, published: published::is_published(&bytes) })
}

/// Text with the escapes of line ends read, and what quotes and indents lines left out: one line for each line.
fn unescaped(body: &[u8]) -> String {
    let mut out = String::with_capacity(body.len());
    let mut rest = body;
    while let Some((first, more)) = rest.split_first() {
        rest = more;
        match (first, more.first()) {
            (b'\\', Some(b'n' | b'r')) => {
                out.push('\n');
                rest = more.get(1..).unwrap_or_default();
            }
            (b'\\', Some(b't' | b'\\' | b'"' | b'/')) => {}
            (b'\\', _) | (b'"' | b'\'' | b'\t' | b'\r', _) => {}
            (byte, _) => out.push(char::from(*byte)),
        }
    }
    out
}

/// Headers of the old form (`Proc-Type: 4,ENCRYPTED`) and of armour, and the base64 behind them.
fn split_headers(lines: &str) -> (String, String) {
    let (mut headers, mut body) = (String::new(), String::new());
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let header = body.is_empty() && line.contains(": ");
        let into = if header { &mut headers } else { &mut body };
        into.push_str(line);
        into.push('\n');
    }
    (headers, body.trim_end().to_owned())
}

/// A DER element: its tag, its content, and what follows it.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match *first {
        short @ ..=0x7f => (usize::from(short), rest),
        long @ 0x81..=0x83 => {
            let (digits, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}

const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const OID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;

/// The content of a sequence that is all of `bytes`, but for padding.
fn sequence(bytes: &[u8]) -> Option<&[u8]> {
    match element(bytes)? {
        (SEQUENCE, content, rest) if rest.len() < 8 => Some(content),
        _ => None,
    }
}

/// Whether it is a sequence of a small version and so many integers, the first of which is large.
fn integers(bytes: &[u8], least: usize) -> bool {
    let of = |bytes: &[u8]| -> Option<bool> {
        let (version, mut rest) = small(sequence(bytes)?)?;
        let mut first = None;
        for _ in 0..least {
            let (tag, content, more) = element(rest)?;
            (tag == INTEGER).then_some(())?;
            first.get_or_insert(content.len());
            rest = more;
        }
        Some(version <= 1 && first? >= 32)
    };
    of(bytes).unwrap_or(false)
}

/// A small integer, and what follows.
fn small(bytes: &[u8]) -> Option<(u8, &[u8])> {
    match element(bytes)? {
        (INTEGER, [number], rest) => Some((*number, rest)),
        _ => None,
    }
}

/// RFC 5915: version 1, and the key as octets.
fn is_sec1(bytes: &[u8]) -> bool {
    let of = |bytes: &[u8]| {
        let (version, rest) = small(sequence(bytes)?)?;
        let (tag, key, _) = element(rest)?;
        Some(version == 1 && tag == OCTETS && (16..=72).contains(&key.len()))
    };
    of(bytes).unwrap_or(false)
}

/// RFC 5958: version, algorithm, and the key as octets.
fn is_pkcs8(bytes: &[u8]) -> bool {
    let of = |bytes: &[u8]| {
        let (version, rest) = small(sequence(bytes)?)?;
        let (algorithm, inner, rest) = element(rest)?;
        let (oid, ..) = element(inner)?;
        let (tag, key, _) = element(rest)?;
        let form = (algorithm, oid, tag) == (SEQUENCE, OID, OCTETS);
        Some(version <= 1 && form && key.len() >= 16)
    };
    of(bytes).unwrap_or(false)
}

fn is_encrypted_pkcs8(bytes: &[u8]) -> bool {
    let of = |bytes: &[u8]| {
        let (algorithm, inner, rest) = element(sequence(bytes)?)?;
        let (oid, ..) = element(inner)?;
        let (tag, key, _) = element(rest)?;
        Some((algorithm, oid, tag) == (SEQUENCE, OID, OCTETS) && key.len() >= 16)
    };
    of(bytes).unwrap_or(false)
}

/// OpenSSH's own form: whether it is encrypted, by the name of its cipher.
fn openssh(bytes: &[u8]) -> Option<bool> {
    let rest = bytes.strip_prefix(b"openssh-key-v1\0")?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let (cipher, rest) = rest.split_at_checked(length)?;
    // A public and a private part follow.
    (cipher.is_ascii() && rest.len() >= 100).then_some(cipher != b"none")
}

/// An OpenPGP packet of a secret key: whether it is encrypted, by the octet behind its public part.
fn pgp(bytes: &[u8]) -> Option<bool> {
    let (tag, rest) = bytes.split_first()?;
    let (kind, body) = match tag {
        0xc0..=0xff => {
            let skip = match rest.first()? {
                ..192 => 1,
                192..224 => 2,
                255 => 5,
                _ => return None,
            };
            (tag & 0x3f, rest.get(skip..)?)
        }
        0x80..=0xbf => (tag >> 2 & 0xf, rest.get(1 << (tag & 3).min(2)..)?),
        _ => return None,
    };
    // Tag 5 is a secret key, and the first packet of every one.
    if kind != 5 || body.len() < 32 {
        return None;
    }
    match body {
        [4, _, _, _, _, algorithm, material @ ..] => {
            usage(*algorithm, material).map(|usage| usage != 0)
        }
        // RFC 9580, section 5.5.2: a count and the public part stand before the octet; nobody knows how long it is.
        [3 | 6, ..] => Some(false),
        _ => None,
    }
}

/// The octet behind the public part that says whether the secret part is encrypted.
fn usage(algorithm: u8, material: &[u8]) -> Option<u8> {
    let mpi = |bytes: &[u8]| {
        let (bits, rest) = bytes.split_first_chunk::<2>()?;
        let length = usize::from(u16::from_be_bytes(*bits)).div_ceil(8);
        rest.get(length..).map(<[u8]>::to_vec)
    };
    let counted = |bytes: &[u8]| {
        let (length, rest) = bytes.split_first()?;
        rest.get(usize::from(*length)..).map(<[u8]>::to_vec)
    };
    let mut rest = material.to_vec();
    let (curve, numbers, derivation) = match algorithm {
        1..=3 => (false, 2, false),
        16 => (false, 3, false),
        17 => (false, 4, false),
        18 => (true, 1, true),
        19 | 22 => (true, 1, false),
        _ => return None,
    };
    if curve {
        rest = counted(&rest)?;
    }
    for _ in 0..numbers {
        rest = mpi(&rest)?;
    }
    if derivation {
        rest = counted(&rest)?;
    }
    rest.first().copied()
}
