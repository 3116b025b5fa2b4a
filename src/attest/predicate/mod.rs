//! Predicates that are neither signature, provenance nor SBOM: results of checks, scans, releases.
//!
//! Turns a statement's predicate into a [`Predicate`] by its type, so that rules ask for a result and not for the field that
//! one version of a format keeps it in. What a format demands and is not there is an error: "no result" is never "passed".
//! A type that is not listed here stays what it was, JSON; so does what cannot be read, and the reason is kept beside it.
//! Says nothing about truth: `trust` does. Lists are bounded by the attestation they are in (`limits.attestationBytes`).

pub mod attributes;
pub mod link;
pub mod release;
pub mod scan;
pub mod summary;
pub mod test_result;
pub mod verification;

use std::collections::BTreeMap;

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

/// A predicate with its meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Predicate {
    /// What a verifier decided (SLSA VSA v1).
    Summary(summary::Summary),
    /// What tests gave (in-toto test-result v0.1).
    TestResult(test_result::TestResult),
    /// What a scanner found (in-toto vulns v0.1 and v0.2, cosign vuln v1).
    Scan(scan::Scan),
    /// Which release it is (in-toto release v0.1).
    Release(release::Release),
    /// Properties that a verifier vouches for (in-toto SVR v0.1 and v0.2).
    Verification(verification::Verification),
    /// Attributes with their evidence (in-toto SCAI v0.2 and v0.3).
    Attributes(attributes::Attributes),
    /// A step with what went in and came out (in-toto link v0.3).
    Link(link::Link),
}

/// A predicate of a known type that is not of its form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{predicate_type} predicate is malformed: {why}")]
pub struct PredicateError {
    /// The type that it claims.
    pub predicate_type: String,
    /// What is wrong.
    pub why: String,
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// Exactly the word for success.
    Passed,
    /// Success with remarks, where a format knows that.
    Warned,
    /// The word for failure.
    Failed,
    /// Any other word: it never counts as success.
    Unknown,
}

impl Outcome {
    fn of(word: &str) -> Self {
        match word {
            "PASSED" => Self::Passed,
            "WARNED" => Self::Warned,
            "FAILED" => Self::Failed,
            _ => Self::Unknown,
        }
    }
}

/// Something that a predicate refers to (in-toto attestation, spec/v1/resource_descriptor.md). Of whatever algorithm its
/// digests are, they bind nothing here.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Resource {
    /// Its name.
    #[serde(default)]
    pub name: Option<String>,
    /// Where it is identified.
    #[serde(default)]
    pub uri: Option<String>,
    /// Where it can be fetched.
    #[serde(default)]
    pub download_location: Option<String>,
    /// Its digests by algorithm.
    #[serde(default)]
    pub digest: BTreeMap<String, String>,
}

/// As [`read`], of a predicate that is text yet.
pub fn read_raw(
    predicate_type: &str,
    predicate: &crate::json::Raw,
) -> Option<Result<Predicate, PredicateError>> {
    if !is_read(predicate_type) {
        return None;
    }
    match predicate.value() {
        Ok(value) => read(predicate_type, &value),
        Err(error) => {
            let (predicate_type, why) = (predicate_type.to_owned(), error.to_string());
            Some(Err(PredicateError { predicate_type, why }))
        }
    }
}

/// Whether predicates of this type have a reader here.
fn is_read(predicate_type: &str) -> bool {
    // A predicate that is none is read by no reader, and asked of each.
    read(predicate_type, &Value::Null).is_some()
}

/// Reads a predicate; `None` for a type that has no reader here.
pub fn read(predicate_type: &str, predicate: &Value) -> Option<Result<Predicate, PredicateError>> {
    let read = match predicate_type {
        summary::TYPE => summary::read(predicate).map(Predicate::Summary),
        test_result::TYPE => test_result::read(predicate).map(Predicate::TestResult),
        scan::V01 | scan::V02 => scan::read(predicate).map(Predicate::Scan),
        _ if scan::COSIGN.contains(&predicate_type) => {
            scan::read_cosign(predicate).map(Predicate::Scan)
        }
        release::TYPE => typed(predicate).map(Predicate::Release),
        _ if verification::TYPES.contains(&predicate_type) => {
            verification::read(predicate).map(Predicate::Verification)
        }
        _ if attributes::TYPES.contains(&predicate_type) => {
            attributes::read(predicate).map(Predicate::Attributes)
        }
        _ if link::TYPES.contains(&predicate_type) => typed(predicate).map(Predicate::Link),
        _ => return None,
    };
    let predicate_type = predicate_type.to_owned();
    Some(read.map_err(|why| PredicateError { predicate_type, why }))
}

/// A struct from the JSON of a predicate, which is an object.
fn typed<T: DeserializeOwned>(value: &Value) -> Result<T, String> {
    if !value.is_object() {
        return Err("it is not an object".to_owned());
    }
    crate::json::from_value(value).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests;
