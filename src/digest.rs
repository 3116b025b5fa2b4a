//! Content digests and the roles they play.
//!
//! Turns text such as `sha256:9f2c…` into a [`Digest`] of a known algorithm and the right length, in lower case
//! (OCI image-spec v1.1, descriptor.md, "Digests"), and gives every role a type of its own, so that a configuration
//! digest can never be compared with a diffID. Refuses every other algorithm and every other spelling: digests end
//! up in paths and URLs (attack D10 in `docs/attacks.md`).

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256, Sha512};

/// A digest algorithm that hallmark accepts as proof of content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// SHA-256, 32 bytes.
    Sha256,
    /// SHA-512, 64 bytes.
    Sha512,
}

impl Algorithm {
    /// The name that stands before the colon.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    /// Length of the digest in bytes.
    pub fn length_bytes(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

/// Why a text is not a digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// There is no `algorithm:` prefix.
    #[error("a digest has the form sha256:<64 hex digits>; found \"{found}\"")]
    NoAlgorithm {
        /// The text, cut to a printable length.
        found: String,
    },
    /// The algorithm is not one that is accepted as proof.
    #[error("digest algorithm \"{found}\" is not accepted; expected sha256 or sha512")]
    UnknownAlgorithm {
        /// The algorithm as written.
        found: String,
    },
    /// The hexadecimal part has the wrong length, upper-case letters or other characters.
    #[error("a {algorithm} digest has {expected} lower-case hex digits; found \"{found}\"")]
    BadHex {
        /// The algorithm before the colon.
        algorithm: &'static str,
        /// How many hex digits belong there.
        expected: usize,
        /// The text after the colon, cut to a printable length.
        found: String,
    },
}

/// An algorithm and the bytes that it gave.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest {
    algorithm: Algorithm,
    bytes: Vec<u8>,
}

impl Digest {
    /// The SHA-256 digest of `content`.
    pub fn sha256(content: &[u8]) -> Self {
        Self { algorithm: Algorithm::Sha256, bytes: Sha256::digest(content).to_vec() }
    }

    /// The algorithm.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The digest in lower-case hex, without its algorithm.
    pub fn hex(&self) -> String {
        hex::encode(&self.bytes)
    }

    /// Whether `content` hashes to this digest.
    pub fn matches(&self, content: &[u8]) -> bool {
        let mut hasher = Hasher::new(self.algorithm);
        hasher.update(content);
        hasher.finish() == *self
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm.name(), self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let Some((name, encoded)) = text.split_once(':') else {
            return Err(DigestError::NoAlgorithm { found: printable(text) });
        };
        let algorithm = match name {
            "sha256" => Algorithm::Sha256,
            "sha512" => Algorithm::Sha512,
            other => return Err(DigestError::UnknownAlgorithm { found: printable(other) }),
        };
        let lower_hex = encoded.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        let expected = algorithm.length_bytes() * 2;
        match hex::decode(encoded) {
            Ok(bytes) if lower_hex && encoded.len() == expected => Ok(Self { algorithm, bytes }),
            _ => Err(DigestError::BadHex {
                algorithm: algorithm.name(),
                expected,
                found: printable(encoded),
            }),
        }
    }
}

impl TryFrom<String> for Digest {
    type Error = DigestError;

    fn try_from(text: String) -> Result<Self, DigestError> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

/// At most 80 characters, with control characters escaped: hostile text goes into messages.
fn printable(text: &str) -> String {
    text.chars().take(80).flat_map(char::escape_default).collect()
}

/// Hashes a stream with the algorithm of an expected digest.
pub enum Hasher {
    /// SHA-256 in progress.
    Sha256(Sha256),
    /// SHA-512 in progress.
    Sha512(Box<Sha512>),
}

impl Hasher {
    /// Starts a hash.
    pub fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Sha256 => Self::Sha256(Sha256::new()),
            Algorithm::Sha512 => Self::Sha512(Box::new(Sha512::new())),
        }
    }

    /// Takes in more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(h) => h.update(bytes),
            Self::Sha512(h) => h.update(bytes),
        }
    }

    /// The digest of everything taken in.
    pub fn finish(self) -> Digest {
        match self {
            Self::Sha256(h) => {
                Digest { algorithm: Algorithm::Sha256, bytes: h.finalize().to_vec() }
            }
            Self::Sha512(h) => {
                Digest { algorithm: Algorithm::Sha512, bytes: h.finalize().to_vec() }
            }
        }
    }
}

macro_rules! role {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Digest);

        impl $name {
            /// Gives a digest this role: the caller knows that it names this kind of content.
            pub fn new(digest: Digest) -> Self {
                Self(digest)
            }

            /// The SHA-256 digest of `content` in this role.
            pub fn of(content: &[u8]) -> Self {
                Self(Digest::sha256(content))
            }

            /// The digest without its role.
            pub fn digest(&self) -> &Digest {
                &self.0
            }

            /// The digest in lower-case hex, without its algorithm.
            pub fn hex(&self) -> String {
                self.0.hex()
            }
        }

        impl AsRef<Digest> for $name {
            fn as_ref(&self) -> &Digest {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = DigestError;

            fn from_str(text: &str) -> Result<Self, DigestError> {
                text.parse().map(Self)
            }
        }
    };
}

role! {
    /// Digest of the bytes of an image manifest or index: what signatures and admission speak about.
    ManifestDigest
}
role! {
    /// Digest of the bytes of an image configuration (Docker calls it the image ID).
    ConfigDigest
}
role! {
    /// Digest of any blob as it is stored: a compressed layer, an attestation, an SBOM.
    BlobDigest
}
role! {
    /// Digest of a layer's uncompressed tar stream (image-spec v1.1, config.md, "Layer DiffID").
    DiffId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_only_the_grammar() {
        let good = format!("sha256:{}", "a".repeat(64));
        assert_eq!(good.parse::<Digest>().map(|d| d.to_string()), Ok(good));
        let cases = [
            ("", "no algorithm"),
            ("sha256", "no algorithm"),
            ("sha256:", "too short"),
            (&format!("sha256:{}", "a".repeat(63)), "one digit short"),
            (&format!("sha256:{}", "a".repeat(65)), "one digit long"),
            (&format!("sha256:{}", "A".repeat(64)), "upper case"),
            (&format!("SHA256:{}", "a".repeat(64)), "upper-case algorithm"),
            (&format!("sha256:{}", "g".repeat(64)), "not hex"),
            (&format!("sha512:{}", "a".repeat(64)), "length of another algorithm"),
            (&format!("md5:{}", "a".repeat(32)), "weak algorithm"),
            ("sha256:../../etc/passwd", "path"),
            (&format!("sha256:{}\n", "a".repeat(64)), "trailing newline"),
        ];
        for (text, why) in cases {
            assert!(text.parse::<Digest>().is_err(), "{why}: {text:?} was accepted");
        }
    }

    #[test]
    fn hashes_are_the_published_ones() {
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::sha256(b"").to_string(), empty);
        assert!(empty.parse::<Digest>().is_ok_and(|d| d.matches(b"") && !d.matches(b"x")));
    }
}
