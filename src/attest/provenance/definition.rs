//! SLSA v1's `buildDefinition`, of which only the frame is the same for all builders.

use serde::Deserialize;
use serde_json::Value;

use super::{ProvenanceError, SLSA_V1, buildkit::Dependency, or_default};

/// SLSA's `buildDefinition`, with the parts that depend on the build type left open.
#[derive(Debug, Deserialize)]
pub(super) struct Definition {
    #[serde(rename = "buildType")]
    pub build_type: String,
    #[serde(default, rename = "externalParameters", deserialize_with = "or_default")]
    pub external: Value,
    #[serde(default, rename = "internalParameters", deserialize_with = "or_default")]
    pub internal: Value,
    #[serde(default, rename = "resolvedDependencies", deserialize_with = "or_default")]
    pub dependencies: Vec<Dependency>,
}

pub(super) fn typed<T: for<'de> Deserialize<'de>>(value: &Value) -> Result<T, ProvenanceError> {
    crate::json::from_value(value)
        .map_err(|e| ProvenanceError::Predicate { predicate_type: SLSA_V1, why: e.to_string() })
}
