//! SLSA provenance v0.1 (slsa.dev/spec/v0.1/provenance), as Google Cloud Build still writes it.
//!
//! Turns a predicate into [`Provenance`]: the recipe's type is the build type, its arguments are the parameters.

use serde::Deserialize;
use serde_json::Value;

use super::{
    Producer, Provenance, ProvenanceError, SLSA_V01,
    buildkit::{self, Dependency},
    cloud_build, material, or_default,
};

#[derive(Debug, Deserialize)]
struct Predicate {
    builder: Builder,
    recipe: Recipe,
    #[serde(default, deserialize_with = "or_default")]
    metadata: Metadata,
    #[serde(default, deserialize_with = "or_default")]
    materials: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
struct Builder {
    id: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Recipe {
    #[serde(rename = "type")]
    kind: String,
    /// A number, or its text, as protocol buffers write numbers of 64 bits in JSON.
    #[serde(default)]
    defined_in_material: Value,
    #[serde(default)]
    entry_point: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    arguments: Value,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    #[serde(default)]
    build_invocation_id: Option<String>,
    #[serde(default)]
    build_started_on: Option<String>,
    #[serde(default)]
    build_finished_on: Option<String>,
}

/// Reads a predicate.
pub(super) fn parse(predicate: &Value) -> Result<Provenance, ProvenanceError> {
    let read: Predicate = crate::json::from_value(predicate)
        .map_err(|e| ProvenanceError::Predicate { predicate_type: SLSA_V01, why: e.to_string() })?;
    // No other producer's form is known in this version; what BuildKit and others wrote later has its own types.
    let producer = match Producer::of(&read.recipe.kind) {
        Producer::CloudBuild => Producer::CloudBuild,
        _ => Producer::Other,
    };
    let mut into = Provenance::empty(producer, &read.recipe.kind);
    into.materials = buildkit::materials(&read.materials)?;
    let number = match &read.recipe.defined_in_material {
        Value::String(text) => text.parse().ok(),
        other => other.as_u64().and_then(|number| usize::try_from(number).ok()),
    };
    let defined = number.and_then(|number: usize| read.materials.get(number));
    if producer == Producer::CloudBuild {
        cloud_build::check_recipe(&read.builder.id, &read.recipe.kind)?;
        // It says -1 where the configuration came from the caller; what was built is the first material all the same.
        let built = defined.or_else(|| read.materials.first());
        into.source = built.map(cloud_build::source_v01).transpose()?;
        let substitutions = read.recipe.arguments.get("substitutions");
        cloud_build::substitutions(&mut into, substitutions.unwrap_or(&Value::Null));
    } else {
        into.source = defined.map(|d| material::source(&d.uri, &d.digest));
    }
    into.name_refs();
    into.builder_id = read.builder.id;
    into.entry_point = read.recipe.entry_point.filter(|path| !path.is_empty());
    into.parameters = read.recipe.arguments;
    into.invocation = read.metadata.build_invocation_id;
    into.started = read.metadata.build_started_on;
    into.finished = read.metadata.build_finished_on;
    Ok(into)
}
