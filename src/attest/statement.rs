//! in-toto statements, v0.1 and v1 (in-toto/attestation, spec/v1/statement.md).
//!
//! Turns a payload into subjects, predicate type and predicate. A cosign simple signing payload becomes a statement of
//! the type that cosign 3 itself uses for plain signatures. Digests other than sha256 and sha512 bind nothing (attack B4):
//! a subject that has only those never matches an image, and a statement that has only such subjects is refused.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    AttestError, checked,
    predicate::{self, Predicate, PredicateError},
    read_checked, shown, within,
};
use crate::{
    digest::{Digest, ManifestDigest},
    json::{Document, Raw},
    limits::Limits,
};

/// The predicate type of a plain image signature, as cosign 3 writes it.
pub const SIGNATURE: &str = "https://sigstore.dev/cosign/sign/v1";

/// `_type` of a statement (spec/v1/statement.md; spec/v0.1.0/README.md).
const TYPES: [&str; 2] = ["https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1"];
/// Algorithms whose digests bind content.
const ACCEPTED: [&str; 2] = ["sha256", "sha512"];
const WHAT: &str = "in-toto statement";

/// A claim about some content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// What the claim is about; never empty.
    pub subjects: Vec<StatementSubject>,
    /// What kind of claim.
    pub predicate_type: String,
    /// The claim, as text: what nobody vouches for is not worth its memory (attack C13).
    pub predicate: Raw,
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

#[derive(Deserialize)]
struct Wire {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<WireSubject>,
    #[serde(rename = "predicateType")]
    predicate_type: String,
    #[serde(default)]
    predicate: Raw,
}

#[derive(Deserialize)]
struct WireSubject {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    digest: BTreeMap<String, String>,
}

impl Statement {
    /// Reads a statement from the bytes of a payload.
    ///
    /// # Errors
    /// Where the type is unknown, the predicate type empty, or the subjects are none, too many or all of weak digests.
    pub fn parse(payload: &[u8], limits: &Limits) -> Result<Self, AttestError> {
        Self::of(checked(WHAT, payload, limits)?, limits)
    }

    /// As [`Statement::parse`], from a document that is checked already.
    pub(super) fn of(document: Document<'_>, limits: &Limits) -> Result<Self, AttestError> {
        let statement = Self::about_anything(read_checked(WHAT, document)?, limits)?;
        statement.about_content()
    }

    /// The same, unless none of its subjects is content.
    fn about_content(self) -> Result<Self, AttestError> {
        if self.subjects.iter().all(|subject| subject.digests.is_empty()) {
            let names = self.subjects.iter().flat_map(|subject| subject.weak.keys());
            let found = names.take(4).map(|name| shown(name)).collect::<Vec<_>>().join(", ");
            return Err(AttestError::WeakSubjects { found });
        }
        Ok(self)
    }

    /// Reads a statement that is to be signed: each of its subjects has to be one that a verification can match. What is signed is
    /// published, and a subject that matches nothing is found out when the image is denied.
    ///
    /// # Errors
    /// [`AttestError::Subject`] for the first subject without a digest that counts, or with one that is misspelt; else as
    /// [`Statement::parse`].
    pub fn parse_to_sign(payload: &[u8], limits: &Limits) -> Result<Self, AttestError> {
        let wire: Wire = read_checked(WHAT, checked(WHAT, payload, limits)?)?;
        within(WHAT, wire.subject.len(), "subjects", limits.subjects, "subjects")?;
        for (position, subject) in wire.subject.iter().enumerate() {
            unmatchable(&subject.digest).map_or(Ok(()), |why| {
                let name = subject.name.as_deref().map(shown);
                Err(AttestError::Subject { position, name, why })
            })?;
        }
        Self::about_anything(wire, limits)?.about_content()
    }

    /// Reads a statement that need not be about content: about a commit, or an image that its cloud numbers. What it says
    /// about such a subject binds no image.
    ///
    /// # Errors
    /// As [`Statement::parse`], except for weak digests.
    pub fn parse_about_anything(payload: &[u8], limits: &Limits) -> Result<Self, AttestError> {
        Self::about_anything(read_checked(WHAT, checked(WHAT, payload, limits)?)?, limits)
    }

    fn about_anything(wire: Wire, limits: &Limits) -> Result<Self, AttestError> {
        if !TYPES.contains(&wire.kind.as_str()) {
            return Err(AttestError::Unexpected {
                what: "_type of the statement",
                found: shown(&wire.kind),
                expected: "https://in-toto.io/Statement/v1 or /v0.1",
            });
        }
        if wire.predicate_type.is_empty() {
            return Err(AttestError::Missing { what: "predicateType of the statement" });
        }
        Ok(Self {
            subjects: subjects(wire.subject, limits)?,
            predicate_type: wire.predicate_type,
            predicate: wire.predicate.within(limits.json_values),
        })
    }

    /// Writes a statement v1 about one manifest or index, in the words of cosign 3.
    pub fn write(subject: &ManifestDigest, predicate_type: &str, predicate: &Value) -> Vec<u8> {
        json!({
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{ "digest": { subject.digest().algorithm().name(): subject.hex() } }],
            "predicateType": predicate_type,
            "predicate": predicate,
        })
        .to_string()
        .into_bytes()
    }

    /// What its predicate means; `None` for types that have no reader, or one of their own as provenance and SBOMs do.
    pub fn read(&self) -> Option<Result<Predicate, PredicateError>> {
        predicate::read_raw(&self.predicate_type, &self.predicate)
    }

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

/// Why no verification would take these digests for those of content.
fn unmatchable(digests: &BTreeMap<String, String>) -> Option<String> {
    let mut count = 0;
    for (algorithm, hex) in digests.iter().filter(|(name, _)| ACCEPTED.contains(&name.as_str())) {
        match format!("{algorithm}:{hex}").parse::<Digest>() {
            Ok(_) => count += 1,
            Err(error) => return Some(error.to_string()),
        }
    }
    if count > 0 {
        return None;
    }
    let found: Vec<String> = digests.keys().take(4).map(|name| shown(name)).collect();
    Some(match found.is_empty() {
        true => "it has no digest".to_owned(),
        false => format!("it has no digest that counts, only {}", found.join(", ")),
    })
}

fn subjects(wire: Vec<WireSubject>, limits: &Limits) -> Result<Vec<StatementSubject>, AttestError> {
    if wire.is_empty() {
        return Err(AttestError::NoSubject);
    }
    within(WHAT, wire.len(), "subjects", limits.subjects, "subjects")?;
    wire.into_iter().map(|subject| one_subject(subject, limits)).collect()
}

fn one_subject(wire: WireSubject, limits: &Limits) -> Result<StatementSubject, AttestError> {
    within(
        WHAT,
        wire.digest.len(),
        "digests of one subject",
        limits.subject_digests,
        "subject_digests",
    )?;
    let mut subject =
        StatementSubject { name: wire.name, digests: Vec::new(), weak: BTreeMap::new() };
    for (algorithm, hex) in wire.digest {
        if ACCEPTED.contains(&algorithm.as_str()) {
            let digest = format!("{algorithm}:{hex}").parse();
            let what = "digest of a subject";
            subject.digests.push(digest.map_err(|error| AttestError::Digest { what, error })?);
        } else {
            subject.weak.insert(algorithm, hex);
        }
    }
    Ok(subject)
}
