//! in-toto statements, v0.1 and v1 (in-toto/attestation, spec/v1/statement.md).
//!
//! Turns a payload into subjects, predicate type and predicate. A cosign simple signing payload becomes a statement of
//! the type that cosign 3 itself uses for plain signatures. Refuses subjects without a sha256 or sha512 digest: weaker
//! algorithms bind nothing (attack B4).

use std::collections::BTreeMap;

use serde_json::Value;

use crate::digest::Digest;

/// The predicate type of a plain image signature, as cosign 3 writes it.
pub const SIGNATURE: &str = "https://sigstore.dev/cosign/sign/v1";

/// A claim about some content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// What the claim is about; never empty.
    pub subjects: Vec<StatementSubject>,
    /// What kind of claim.
    pub predicate_type: String,
    /// The claim.
    pub predicate: Value,
}

/// One subject of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementSubject {
    /// Its name, as the producer chose it.
    pub name: Option<String>,
    /// Digests of an accepted algorithm; all of them have to match.
    pub digests: Vec<Digest>,
    /// Digests of algorithms that are not accepted, by name: kept for messages.
    pub weak: BTreeMap<String, String>,
}

impl Statement {
    /// Whether one of the subjects is the content with this digest.
    pub fn speaks_about(&self, digest: &Digest) -> bool {
        self.subjects.iter().any(|subject| subject.is(digest))
    }
}

impl StatementSubject {
    /// Whether every digest of the same algorithm equals `digest`, and there is one.
    pub fn is(&self, digest: &Digest) -> bool {
        let mut same = self.digests.iter().filter(|d| d.algorithm() == digest.algorithm());
        let first = same.next();
        first == Some(digest) && same.all(|d| d == digest)
    }
}
