//! Private keys in DER: what structure bytes have.
//!
//! Turns bytes into whether they are a private key of PKCS#1 (RFC 8017, A.1.2), PKCS#8 (RFC 5958), SEC 1 (RFC 5915) or of DSA as
//! OpenSSL writes it, or hold one in a store of PKCS#12 (RFC 7292). [`of_file`] asks more of them than the body of a PEM marker has
//! to show: nothing beside the bytes says that they are a key. Public keys and certificates have other structures. What a store
//! of PKCS#12 encrypts as a whole is not seen: tools write certificates so, and keys in bags of their own.

use pkcs8::der::{
    Decode as _, Header, Reader as _, SliceReader, Tag, Tagged as _, asn1::AnyRef,
    asn1::ObjectIdentifier,
};

/// Elements of one sequence that are looked at.
const MEMBERS: usize = 1024;
/// Stores inside of stores (`safeContentsBag`).
const DEPTH: usize = 4;

/// PKCS#7 data, and the bags of PKCS#12 (RFC 7292, appendix D).
const DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
const KEY_BAG: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.10.1.1");
const SHROUDED_BAG: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.10.1.2");
const SECRET_BAG: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.10.1.5");
const CONTENTS_BAG: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.10.1.6");

/// Elements that stand side by side.
fn elements(mut bytes: &[u8]) -> Option<Vec<AnyRef<'_>>> {
    let mut all = Vec::new();
    while !bytes.is_empty() && all.len() < MEMBERS {
        let (one, rest) = AnyRef::from_der_partial(bytes).ok()?;
        all.push(one);
        bytes = rest;
    }
    Some(all)
}

/// The elements of the sequence with which bytes begin.
fn members(bytes: &[u8]) -> Option<Vec<AnyRef<'_>>> {
    let (whole, _) = AnyRef::from_der_partial(bytes).ok()?;
    (whole.tag() == Tag::Sequence).then(|| elements(whole.value()))?
}

/// A small integer.
fn small(element: &AnyRef<'_>) -> Option<u8> {
    match (element.tag(), element.value()) {
        (Tag::Integer, [number]) => Some(*number),
        _ => None,
    }
}

/// Octets of at least so many bytes.
fn octets<'b>(element: &AnyRef<'b>, least: usize) -> Option<&'b [u8]> {
    let value = element.value();
    (element.tag() == Tag::OctetString && value.len() >= least).then_some(value)
}

fn is_context(element: &AnyRef<'_>) -> bool {
    matches!(element.tag(), Tag::ContextSpecific { .. })
}

/// What an explicit tag holds.
fn inside<'b>(element: &AnyRef<'b>) -> Option<&'b [u8]> {
    let constructed = matches!(element.tag(), Tag::ContextSpecific { constructed: true, .. });
    constructed.then(|| element.value())
}

/// Whether a sequence begins with an object identifier, as an algorithm does.
fn is_algorithm(element: &AnyRef<'_>) -> bool {
    let first = || AnyRef::from_der_partial(element.value()).ok();
    element.tag() == Tag::Sequence
        && first().is_some_and(|(first, _)| first.tag() == Tag::ObjectIdentifier)
}

/// Whether it is a sequence of a version and of at least so many integers, the first of which is large.
pub(super) fn is_integers(bytes: &[u8], least: usize) -> bool {
    let Some(members) = members(bytes) else { return false };
    let Some((version, numbers)) = members.split_first() else { return false };
    let first = numbers.first().map_or(0, |first| first.value().len());
    let integers = numbers.iter().take_while(|one| one.tag() == Tag::Integer).count();
    small(version).is_some_and(|version| version <= 1) && first >= 32 && integers >= least
}

/// RFC 5915: version 1, and the key as octets.
pub(super) fn is_sec1(bytes: &[u8]) -> bool {
    match members(bytes).as_deref() {
        Some([version, key, rest @ ..]) => {
            small(version) == Some(1)
                && octets(key, 16).is_some_and(|key| key.len() <= 72)
                && rest.iter().all(is_context)
        }
        _ => false,
    }
}

/// RFC 5958: version, algorithm, and the key as octets.
pub(super) fn is_pkcs8(bytes: &[u8]) -> bool {
    match members(bytes).as_deref() {
        Some([version, algorithm, key, rest @ ..]) => {
            small(version).is_some_and(|version| version <= 1)
                && is_algorithm(algorithm)
                && octets(key, 16).is_some()
                && rest.iter().all(is_context)
        }
        _ => false,
    }
}

/// RFC 5958, section 3: an algorithm, and the encrypted key as octets.
pub(super) fn is_encrypted_pkcs8(bytes: &[u8]) -> bool {
    match members(bytes).as_deref() {
        Some([algorithm, key]) => is_algorithm(algorithm) && octets(key, 16).is_some(),
        _ => false,
    }
}

/// Whether a key is in a store of PKCS#12: whether all that are in it are encrypted.
fn pkcs12(bytes: &[u8]) -> Option<bool> {
    let members = members(bytes)?;
    let (version, safe) = (members.first()?, members.get(1)?);
    (small(version) == Some(3)).then_some(())?;
    let bags = data(safe.value())?;
    let mut found = None;
    for info in self::members(bags)? {
        if let Some(bags) = data(info.value()) {
            found = worse(found, in_bags(bags, DEPTH));
        }
    }
    found
}

/// A key that is not encrypted counts before one that is.
fn worse(one: Option<bool>, other: Option<bool>) -> Option<bool> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one && other),
        (one, other) => one.or(other),
    }
}

/// The octets of a content of the type `data`.
fn data(content: &[u8]) -> Option<&[u8]> {
    let parts = elements(content)?;
    let (kind, content) = (parts.first()?, parts.get(1)?);
    is(kind, &DATA).then_some(())?;
    let (content, _) = AnyRef::from_der_partial(inside(content)?).ok()?;
    octets(&content, 0)
}

fn is(element: &AnyRef<'_>, identifier: &ObjectIdentifier) -> bool {
    element.tag() == Tag::ObjectIdentifier && element.value() == identifier.as_bytes()
}

/// Whether a key is among bags, and all of them are encrypted.
fn in_bags(bytes: &[u8], depth: usize) -> Option<bool> {
    let mut found = None;
    for bag in members(bytes)? {
        let parts = elements(bag.value())?;
        let (Some(kind), Some(value)) = (parts.first(), parts.get(1).and_then(inside)) else {
            continue;
        };
        let key = if is(kind, &KEY_BAG) {
            is_pkcs8(value).then_some(false)
        } else if is(kind, &SHROUDED_BAG) {
            is_encrypted_pkcs8(value).then_some(true)
        } else if is(kind, &SECRET_BAG) {
            // Java writes secret keys so, and encrypts them.
            Some(true)
        } else if is(kind, &CONTENTS_BAG) && depth > 0 {
            in_bags(value, depth - 1)
        } else {
            None
        };
        found = worse(found, key);
    }
    found
}

/// Whether a file that begins so may be one of these: a sequence of a small number, or of an algorithm.
pub(super) fn may_be(head: &[u8]) -> bool {
    let begins = || -> Option<bool> {
        let mut reader = SliceReader::new(head).ok()?;
        let whole = Header::decode(&mut reader).ok()?;
        (whole.tag() == Tag::Sequence).then_some(())?;
        let first = Header::decode(&mut reader).ok()?;
        if first.tag() == Tag::Integer {
            return Some(
                usize::try_from(first.length()).ok()? == 1 && reader.read_byte().ok()? <= 3,
            );
        }
        (first.tag() == Tag::Sequence).then_some(())?;
        Some(Header::decode(&mut reader).ok()?.tag() == Tag::ObjectIdentifier)
    };
    begins().unwrap_or(false)
}

/// Whether bytes begin as a store of PKCS#12: a sequence of the number 3 and of another sequence.
pub(super) fn is_pkcs12(head: &[u8]) -> bool {
    let begins = || -> Option<bool> {
        let mut reader = SliceReader::new(head).ok()?;
        let whole = Header::decode(&mut reader).ok()?;
        let version = AnyRef::decode(&mut reader).ok()?;
        let safe = Header::decode(&mut reader).ok()?;
        let is_sequence = |header: Header| header.tag() == Tag::Sequence;
        Some(is_sequence(whole) && small(&version) == Some(3) && is_sequence(safe))
    };
    begins().unwrap_or(false)
}

/// The private key that a file is, or holds: whether it is encrypted.
pub(super) fn of_file(bytes: &[u8]) -> Option<bool> {
    let integers = |count: usize| is_integers(bytes, count);
    // Two primes and five numbers of RSA, or the five of DSA and nothing else.
    let numbers = || integers(8) || integers(5) && members(bytes).is_some_and(|all| all.len() == 6);
    if is_pkcs8(bytes) || is_sec1(bytes) || numbers() {
        return Some(false);
    }
    if is_encrypted_pkcs8(bytes) {
        return Some(true);
    }
    pkcs12(bytes)
}
