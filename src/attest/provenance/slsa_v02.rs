//! SLSA provenance v0.2 (slsa.dev/spec/v0.2/provenance), as Docker's BuildKit, slsa-github-generator, npm and Tekton Chains
//! write it.
//!
//! Turns a predicate into [`Provenance`]. Of an unknown builder's predicate only the standard fields are read: who built
//! it, from which source, from which materials.

use serde::Deserialize;
use serde_json::Value;

use super::{
    Producer, Provenance, ProvenanceError, SLSA_V02,
    buildkit::{self, BuildConfig, ConfigSource, Dependency, Metadata, Parts, Request},
    github, material, or_default, tekton,
};

#[derive(Debug, Deserialize)]
struct Predicate {
    #[serde(default, deserialize_with = "or_default")]
    builder: Builder,
    #[serde(rename = "buildType")]
    build_type: String,
    #[serde(default, deserialize_with = "or_default")]
    invocation: Value,
    #[serde(default, rename = "buildConfig", deserialize_with = "or_default")]
    build_config: Value,
    #[serde(default, deserialize_with = "or_default")]
    metadata: Value,
    #[serde(default, deserialize_with = "or_default")]
    materials: Vec<Dependency>,
}

#[derive(Debug, Default, Deserialize)]
struct Builder {
    #[serde(default)]
    id: String,
}

#[derive(Debug, Default, Deserialize)]
struct Invocation {
    #[serde(default, rename = "configSource", deserialize_with = "or_default")]
    config_source: ConfigSource,
    #[serde(default, deserialize_with = "or_default")]
    parameters: Value,
    #[serde(default, deserialize_with = "or_default")]
    environment: Value,
}

#[derive(Debug, Default, Deserialize)]
struct Times {
    #[serde(default, rename = "buildInvocationId", alias = "buildInvocationID")]
    invocation: Option<String>,
    #[serde(default, rename = "buildStartedOn")]
    started: Option<String>,
    #[serde(default, rename = "buildFinishedOn")]
    finished: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    completeness: Completeness,
    #[serde(
        default,
        rename = "https://mobyproject.org/buildkit@v1#metadata",
        deserialize_with = "or_default"
    )]
    buildkit: Value,
}

#[derive(Debug, Default, Deserialize)]
struct Completeness {
    #[serde(default)]
    parameters: bool,
    #[serde(default)]
    materials: bool,
}

/// Reads a predicate.
pub(super) fn parse(predicate: &Value) -> Result<Provenance, ProvenanceError> {
    let read: Predicate = typed(predicate)?;
    let invocation: Invocation = optional(&read.invocation)?;
    let times: Times = optional(&read.metadata)?;
    // BuildKit's and hallmark's build types of v1 have no form in this version.
    let producer = match Producer::of(&read.build_type) {
        Producer::BuildkitV1 | Producer::Hallmark => Producer::Other,
        producer => producer,
    };
    let mut into = Provenance::empty(producer, &read.build_type);
    into.builder_id = read.builder.id;
    into.invocation = times.invocation;
    into.started = times.started;
    into.finished = times.finished;
    into.complete.parameters = times.completeness.parameters;
    into.complete.materials = times.completeness.materials;
    into.parameters = invocation.parameters.clone();
    if producer != Producer::BuildkitV02 {
        return other(into, &invocation, &read.materials);
    }
    let platform = invocation.environment.get("targetPlatform").and_then(Value::as_str);
    let target_platform = platform.map(str::to_owned);
    buildkit::fill(
        &mut into,
        Parts {
            config_source: invocation.config_source,
            request: optional::<Request>(&invocation.parameters)?,
            dependencies: &read.materials,
            steps: optional::<BuildConfig>(&read.build_config)?,
            metadata: optional::<Metadata>(&times.buildkit)?,
            target_platform,
        },
    )?;
    into.name_refs();
    Ok(into)
}

fn other(
    mut into: Provenance,
    invocation: &Invocation,
    materials: &[Dependency],
) -> Result<Provenance, ProvenanceError> {
    into.materials = buildkit::materials(materials)?;
    let source = &invocation.config_source;
    into.entry_point = source.path.clone().filter(|path| !path.is_empty());
    if into.producer == Producer::TektonChains {
        tekton::complete(&mut into, &source.uri, materials);
        return Ok(into);
    }
    if !source.uri.is_empty() {
        into.source = Some(material::source(&source.uri, &source.digest));
    }
    if into.producer.is_github() {
        github::complete(&mut into, &github::Context(&invocation.environment));
    }
    into.name_refs();
    Ok(into)
}

fn typed<T: for<'de> Deserialize<'de>>(value: &Value) -> Result<T, ProvenanceError> {
    crate::json::from_value(value)
        .map_err(|e| ProvenanceError::Predicate { predicate_type: SLSA_V02, why: e.to_string() })
}

fn optional<T: for<'de> Deserialize<'de> + Default>(value: &Value) -> Result<T, ProvenanceError> {
    if value.is_null() { Ok(T::default()) } else { typed(value) }
}
