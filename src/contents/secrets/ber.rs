//! Private keys in BER: the same structures as in DER, with lengths and strings that DER does not allow.
//!
//! Turns BER (X.690, clause 8) into DER's lengths: indefinite ones, and longer ones than need be, become definite, and strings in
//! parts become one. OpenSSL, NSS and Java read keys and stores of PKCS#12 in either form. Refuses what is nested deeper than
//! [`DEPTH`].

use asn1_rs::{Any, Class, FromBer as _, Header, Length, Tag, ToDer as _};

/// Elements inside of elements.
const DEPTH: usize = 24;

/// Whether a file that begins so may be a key: a sequence of a small number, or of an algorithm.
pub(super) fn may_be(head: &[u8]) -> bool {
    let begins = || -> Option<bool> {
        let (rest, whole) = Header::from_ber(head).ok()?;
        let (rest, first) = Header::from_ber(rest).ok()?;
        (whole.tag() == Tag::Sequence && whole.is_universal()).then_some(())?;
        if first.tag() == Tag::Integer {
            let short = matches!(first.length(), Length::Definite(1));
            return Some(short && *rest.first()? <= 3);
        }
        let (_, algorithm) = Header::from_ber(rest).ok()?;
        Some(first.tag() == Tag::Sequence && algorithm.tag() == Tag::Oid)
    };
    begins().unwrap_or(false)
}

/// The element with which bytes begin, with definite lengths.
pub(super) fn definite(bytes: &[u8]) -> Option<Vec<u8>> {
    let (_, any) = Any::from_ber(bytes).ok()?;
    let mut out = Vec::with_capacity(bytes.len());
    write(&any, DEPTH, &mut out)?;
    Some(out)
}

/// Writes one element.
fn write(any: &Any<'_>, depth: usize, out: &mut Vec<u8>) -> Option<()> {
    let depth = depth.checked_sub(1)?;
    let octets = any.class() == Class::Universal && any.tag() == Tag::OctetString;
    let (constructed, content) = if octets {
        let mut content = Vec::new();
        join(any, depth, &mut content)?;
        // A store of PKCS#12 has its parts in octets.
        let inner = may_be(&content) || content.starts_with(&[0x30, 0x80]);
        let inner = inner.then(|| definite_within(&content, depth)).flatten();
        (false, inner.unwrap_or(content))
    } else if any.header.is_constructed() {
        let mut content = Vec::new();
        for part in parts(any.data)? {
            write(&part, depth, &mut content)?;
        }
        (true, content)
    } else {
        (false, any.data.to_vec())
    };
    let header = Header::new(any.class(), constructed, any.tag(), Length::Definite(content.len()));
    out.extend(header.to_der_vec().ok()?);
    out.extend(content);
    Some(())
}

fn definite_within(bytes: &[u8], depth: usize) -> Option<Vec<u8>> {
    let (rest, any) = Any::from_ber(bytes).ok()?;
    let mut out = Vec::with_capacity(bytes.len());
    rest.is_empty().then(|| write(&any, depth, &mut out))??;
    Some(out)
}

/// Octets that may be in parts.
fn join(any: &Any<'_>, depth: usize, out: &mut Vec<u8>) -> Option<()> {
    if !any.header.is_constructed() {
        out.extend_from_slice(any.data);
        return Some(());
    }
    let depth = depth.checked_sub(1)?;
    for part in parts(any.data)? {
        (part.tag() == Tag::OctetString).then(|| join(&part, depth, out))??;
    }
    Some(())
}

/// Elements that stand side by side, up to the end of contents.
fn parts(mut bytes: &[u8]) -> Option<Vec<Any<'_>>> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let (rest, part) = Any::from_ber(bytes).ok()?;
        if part.class() == Class::Universal && part.tag() == Tag::EndOfContent {
            break;
        }
        all.push(part);
        bytes = rest;
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_become_definite_and_parts_one() {
        let cases: [(&[u8], Option<&[u8]>); 8] = [
            (&[0x30, 3, 2, 1, 0], Some(&[0x30, 3, 2, 1, 0])),
            (&[0x30, 0x80, 2, 1, 0, 0, 0], Some(&[0x30, 3, 2, 1, 0])),
            (&[0x30, 0x83, 0, 0, 3, 2, 1, 0], Some(&[0x30, 3, 2, 1, 0])),
            (&[0x24, 0x80, 4, 1, 7, 4, 2, 8, 9, 0, 0], Some(&[4, 3, 7, 8, 9])),
            (&[0x24, 7, 4, 1, 7, 4, 2, 8, 9], Some(&[4, 3, 7, 8, 9])),
            (&[0xa0, 0x80, 0x30, 0x80, 0, 0, 0, 0], Some(&[0xa0, 2, 0x30, 0])),
            (&[0x30, 0x80, 2, 1, 0], None),
            (&[], None),
        ];
        for (ber, want) in cases {
            assert_eq!(definite(ber).as_deref(), want, "{ber:?}");
        }
        let deep = [[0x30, 0x80].repeat(DEPTH + 1), [0, 0].repeat(DEPTH + 1)].concat();
        assert_eq!(definite(&deep), None);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
            let bytes = [&[0x30, 0x80][..], &bytes].concat();
            may_be(&bytes);
            definite(&bytes);
        }
    }
}
