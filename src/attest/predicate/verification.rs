//! in-toto simple verification result, v0.1 and v0.2 (in-toto/attestation, spec/predicates/svr.md).
//!
//! What is listed holds; there is no word for failure. An absent property is not proven, nothing more.

use serde::Deserialize;
use serde_json::Value;

use super::{Resource, typed};

/// Its predicate types.
pub const TYPES: [&str; 2] =
    ["https://in-toto.io/attestation/svr/v0.1", "https://in-toto.io/attestation/svr/v0.2"];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    verifier: WireVerifier,
    time_created: String,
    properties: Vec<String>,
}

#[derive(Deserialize)]
struct WireVerifier {
    id: String,
    #[serde(default)]
    policies: Vec<Resource>,
}

/// Properties that a verifier vouches for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    /// Who.
    pub verifier: String,
    /// By which policies.
    pub policies: Vec<Resource>,
    /// When, as written.
    pub time: String,
    /// What holds.
    pub properties: Vec<String>,
}

/// Reads a predicate.
pub(super) fn read(predicate: &Value) -> Result<Verification, String> {
    let wire: Wire = typed(predicate)?;
    if wire.verifier.id.is_empty() {
        return Err("verifier.id is empty".to_owned());
    }
    Ok(Verification {
        verifier: wire.verifier.id,
        policies: wire.verifier.policies,
        time: wire.time_created,
        properties: wire.properties,
    })
}
