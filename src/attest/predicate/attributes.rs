//! in-toto SCAI, v0.2 and v0.3 (in-toto/attestation, spec/predicates/scai.md).
//!
//! Attributes of an artifact, each with what it is about and where its evidence is. The evidence is not fetched.

use serde::Deserialize;
use serde_json::Value;

use super::{Resource, typed};

/// Its predicate types.
pub const TYPES: [&str; 2] = [
    "https://in-toto.io/attestation/scai/attribute-report/v0.2",
    "https://in-toto.io/attestation/scai/v0.3",
];

#[derive(Deserialize)]
struct Wire {
    attributes: Vec<Attribute>,
    #[serde(default)]
    producer: Option<Resource>,
}

/// Attributes with their evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attributes {
    /// The attributes.
    pub attributes: Vec<Attribute>,
    /// Who made the artifact.
    pub producer: Option<Resource>,
}

/// One attribute.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attribute {
    /// Its name.
    pub attribute: String,
    /// What it is an attribute of, where not of the subject.
    #[serde(default)]
    pub target: Option<Resource>,
    /// Under which conditions.
    #[serde(default)]
    pub conditions: Value,
    /// What shows it.
    #[serde(default)]
    pub evidence: Option<Resource>,
}

/// Reads a predicate.
pub(super) fn read(predicate: &Value) -> Result<Attributes, String> {
    let Wire { attributes, producer } = typed(predicate)?;
    if attributes.is_empty() {
        return Err("there is no attribute".to_owned());
    }
    Ok(Attributes { attributes, producer })
}
