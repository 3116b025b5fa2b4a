//! Files that are a private key, or a store of keys, as a whole: in DER, of PKCS#12, of Java, of OpenPGP and of GnuPG.
//!
//! Turns the bytes of a file into the keys in it, known by their structure alone: a file's name proves nothing. Public
//! keys, certificates, and stores that hold nothing else are none. A store is searched to [`STORE_BYTES`], a keyring of
//! OpenPGP to its end: its packets need not be held.

use super::{
    Kind, ber, der,
    openpgp::{self, HELD_BYTES, Ring},
    published,
};

/// Bytes of a file that are looked at: the certificates of every known authority take a third of it.
const STORE_BYTES: u64 = 1 << 20;

/// Entries of a Java keystore that are looked at.
const ENTRIES: u32 = 1 << 14;

/// How a Java keystore begins: JKS, JCEKS.
const JAVA: [[u8; 4]; 2] = [[0xfe, 0xed, 0xfe, 0xed], [0xce, 0xce, 0xce, 0xce]];

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) kind: Kind,
    /// Whether a passphrase protects it.
    pub(super) encrypted: bool,
}

/// Whether a file that begins so may be one of these.
pub(super) fn may_be(head: &[u8]) -> bool {
    let structured = der::may_be(head) || ber::may_be(head);
    structured || openpgp::may_be(head) || is_java(head) || openpgp::of_agent(head).is_some()
}

/// Whether bytes begin as a key or store does, and as next to nothing else.
pub(super) fn begins_key(head: &[u8]) -> bool {
    let structured = der::may_be(head) || ber::may_be(head);
    structured || openpgp::begins_key(head) || is_java(head) || openpgp::of_agent(head).is_some()
}

/// A file that may be one of these, while it streams by.
#[derive(Debug)]
pub(super) struct Store {
    /// Its first bytes.
    first: Vec<u8>,
    size: u64,
    /// Its packets, where it is a keyring of which these are not all.
    ring: Option<Ring>,
}

/// What a file is that may have been one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// A key, or a store of keys.
    Key(Stored),
    /// A store that is longer than is looked at.
    Cut,
    /// Nothing of that.
    Other,
}

impl Store {
    /// Nothing of a file of this size that begins so is there yet; none where it is no such file.
    pub(super) fn of(head: &[u8], size: u64) -> Option<Self> {
        let is_ring = || size > STORE_BYTES && openpgp::may_be(head);
        may_be(head).then(|| Self { first: Vec::new(), size, ring: is_ring().then(Ring::default) })
    }

    /// Bytes of memory that it takes: a form in BER is written anew.
    pub(super) fn needs(&self) -> u64 {
        self.size.min(STORE_BYTES).saturating_mul(2).saturating_add(HELD_BYTES as u64)
    }

    /// Looks at the next bytes.
    pub(super) fn take(&mut self, bytes: &[u8]) {
        let most = usize::try_from(STORE_BYTES).unwrap_or(usize::MAX);
        let room = most.saturating_sub(self.first.len());
        self.first.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        self.ring.iter_mut().for_each(|ring| ring.take(bytes));
    }

    /// What it is.
    pub(super) fn finish(self) -> Ended {
        let in_ring = || self.ring.and_then(Ring::finish).and_then(of_pgp);
        match key(&self.first).or_else(in_ring) {
            Some(key) => Ended::Key(key),
            None if self.size > STORE_BYTES && is_store(&self.first) => Ended::Cut,
            None => Ended::Other,
        }
    }
}

/// A key of OpenPGP that is there as a whole.
fn of_pgp(key: openpgp::SecretKey) -> Option<Stored> {
    key.whole.then_some(Stored { kind: Kind::PgpKey, encrypted: key.encrypted })
}

/// Whether bytes begin as a store does that may hold several keys.
fn is_store(head: &[u8]) -> bool {
    is_java(head) || der::is_pkcs12(head)
}

fn is_java(head: &[u8]) -> bool {
    JAVA.iter().any(|magic| head.starts_with(magic))
}

/// The key in a file of which these are the first bytes, [`STORE_BYTES`] or all. Keys that everybody has are none.
pub(super) fn key(bytes: &[u8]) -> Option<Stored> {
    let private = |encrypted| Stored { kind: Kind::PrivateKey, encrypted };
    if is_java(bytes) {
        return java(bytes).then(|| private(true));
    }
    let in_ber = || der::of_file(&ber::definite(bytes)?);
    if let Some(encrypted) = der::of_file(bytes).or_else(in_ber) {
        return (!published::is_published(bytes)).then(|| private(encrypted));
    }
    let of_agent = || {
        let encrypted = openpgp::of_agent(bytes)?;
        Some(Stored { kind: Kind::PgpKey, encrypted })
    };
    openpgp::secret_key(bytes).and_then(of_pgp).or_else(of_agent)
}

/// Bytes that are read from the front.
struct Rest<'b>(&'b [u8]);

impl<'b> Rest<'b> {
    fn take(&mut self, count: usize) -> Option<&'b [u8]> {
        let (first, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(first)
    }

    fn number(&mut self) -> Option<u32> {
        self.take(4)?.first_chunk().map(|digits| u32::from_be_bytes(*digits))
    }

    /// A text behind its length.
    fn text(&mut self) -> Option<&'b [u8]> {
        let length = self.take(2)?.first_chunk().map(|digits| u16::from_be_bytes(*digits))?;
        self.take(usize::from(length))
    }

    /// Bytes behind their count.
    fn bytes(&mut self) -> Option<&'b [u8]> {
        let count = usize::try_from(self.number()?).ok()?;
        self.take(count)
    }
}

/// Whether a Java keystore has a private or a secret key, which are always encrypted (`sun.security.provider.JavaKeyStore`,
/// `com.sun.crypto.provider.JceKeyStore`): magic, version, count, and entries of a tag, an alias and a date.
fn java(bytes: &[u8]) -> bool {
    const PRIVATE: u32 = 1;
    const TRUSTED: u32 = 2;
    const SECRET: u32 = 3;
    let has_key = || -> Option<bool> {
        let mut rest = Rest(bytes.get(4..)?);
        let version = rest.number()?;
        (1..=2).contains(&version).then_some(())?;
        let count = rest.number()?.min(ENTRIES);
        for _ in 0..count {
            let tag = rest.number()?;
            rest.text()?;
            rest.take(8)?;
            match tag {
                PRIVATE => return Some(der::is_encrypted_pkcs8(rest.bytes()?)),
                // A sealed object, in Java's serialisation.
                SECRET => return Some(rest.0.starts_with(&[0xac, 0xed, 0, 5])),
                TRUSTED => {
                    // The type of the certificate is written since version 2.
                    if version == 2 {
                        rest.text()?;
                    }
                    rest.bytes()?;
                }
                _ => return None,
            }
        }
        Some(false)
    };
    has_key().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(
            begins in 0_usize..9,
            bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200),
        ) {
            let magics: [&[u8]; 9] = [
                b"", &JAVA[0], &JAVA[1], &[0x95, 0, 150, 4], &[0xc5, 150, 6], &[0x30, 0x81, 150, 2, 1, 3],
                &[0x30, 100, 2, 1, 0, 0x30], &[0x30, 100, 0x30, 9, 6], b"(11:private-key(",
            ];
            let bytes = [magics[begins], &bytes].concat();
            may_be(&bytes);
            key(&bytes);
        }
    }
}
