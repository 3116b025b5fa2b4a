//! in-toto link, v0.3 (in-toto/attestation, spec/predicates/link.md).
//!
//! A step as in-toto 0.9 recorded it, in a statement. Layouts, which say what steps there have to be, are not its affair.

use serde::Deserialize;
use serde_json::Value;

use super::Resource;

/// Its predicate types: v0.2 kept materials in an object.
pub const TYPES: [&str; 1] = ["https://in-toto.io/attestation/link/v0.3"];

/// A step.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Link {
    /// Its name in the layout.
    pub name: String,
    /// What was run; never run again.
    #[serde(default)]
    pub command: Vec<String>,
    /// What went in.
    #[serde(default)]
    pub materials: Vec<Resource>,
    /// What else came out: output, exit code.
    #[serde(default)]
    pub byproducts: Value,
    /// Where it was run.
    #[serde(default)]
    pub environment: Value,
}
