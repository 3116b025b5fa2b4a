//! SLSA provenance v1 (slsa.dev/spec/v1.0/provenance), as BuildKit since 0.28, hallmark, GitHub Actions,
//! slsa-github-generator, Google Cloud Build and Tekton Chains write it.
//!
//! Turns a predicate into [`Provenance`] by its build type. Of an unknown build type only the standard fields are read:
//! who built it, what was asked, and from which dependencies.

use serde::Deserialize;
use serde_json::Value;

use super::{
    MaterialKind, Pin, Producer, Provenance, ProvenanceError,
    buildkit::{self, BuildConfig, ConfigSource, Dependency, Metadata, Parts, Request},
    cloud_build,
    definition::{Definition, typed},
    embedded, github, material, or_default, tekton,
};

#[derive(Debug, Deserialize)]
struct Predicate {
    #[serde(rename = "buildDefinition")]
    definition: Definition,
    #[serde(default, rename = "runDetails", deserialize_with = "or_default")]
    run: RunDetails,
}

#[derive(Debug, Default, Deserialize)]
struct RunDetails {
    #[serde(default, deserialize_with = "or_default")]
    builder: Builder,
    #[serde(default, deserialize_with = "or_default")]
    metadata: RunMetadata,
}

#[derive(Debug, Default, Deserialize)]
struct Builder {
    #[serde(default)]
    id: String,
}

#[derive(Debug, Default, Deserialize)]
struct RunMetadata {
    #[serde(default, rename = "invocationId", alias = "invocationID")]
    invocation: Option<String>,
    #[serde(default, rename = "startedOn")]
    started: Option<String>,
    #[serde(default, rename = "finishedOn")]
    finished: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    buildkit_metadata: Value,
    #[serde(default, deserialize_with = "or_default")]
    buildkit_completeness: Completeness,
}

#[derive(Debug, Default, Deserialize)]
struct Completeness {
    #[serde(default)]
    request: bool,
    #[serde(default, rename = "resolvedDependencies")]
    dependencies: bool,
}

#[derive(Debug, Default, Deserialize)]
struct External {
    #[serde(default, rename = "configSource", deserialize_with = "or_default")]
    config_source: ConfigSource,
    #[serde(default, deserialize_with = "or_default")]
    request: Request,
}

#[derive(Debug, Default, Deserialize)]
struct Internal {
    #[serde(default, rename = "buildConfig", deserialize_with = "or_default")]
    build_config: BuildConfig,
    #[serde(default, rename = "targetPlatform")]
    target_platform: Option<String>,
}

/// Reads a predicate.
pub(super) fn parse(predicate: &Value) -> Result<Provenance, ProvenanceError> {
    let read: Predicate = typed(predicate)?;
    let mut into = match Producer::of(&read.definition.build_type) {
        Producer::BuildkitV1 => of_buildkit(&read)?,
        Producer::Hallmark => embedded::from_definition(&read.definition)?,
        // Its build type of v0.2 has no form in this version.
        Producer::BuildkitV02 => other(&read.definition, Producer::Other)?,
        producer => other(&read.definition, producer)?,
    };
    into.name_refs();
    into.builder_id = read.run.builder.id;
    // hallmark's own reader has them already, equal in the embedded manifest.
    into.parameters = read.definition.external;
    into.invocation = read.run.metadata.invocation;
    into.started = read.run.metadata.started;
    into.finished = read.run.metadata.finished;
    Ok(into)
}

fn of_buildkit(read: &Predicate) -> Result<Provenance, ProvenanceError> {
    let external: External = optional(&read.definition.external)?;
    let internal: Internal = optional(&read.definition.internal)?;
    let mut into = Provenance::empty(Producer::BuildkitV1, &read.definition.build_type);
    into.complete.parameters = read.run.metadata.buildkit_completeness.request;
    into.complete.materials = read.run.metadata.buildkit_completeness.dependencies;
    let parts = Parts {
        config_source: external.config_source,
        request: external.request,
        dependencies: &read.definition.dependencies,
        steps: internal.build_config,
        metadata: optional::<Metadata>(&read.run.metadata.buildkit_metadata)?,
        target_platform: internal.target_platform,
    };
    buildkit::fill(&mut into, parts)?;
    Ok(into)
}

fn other(definition: &Definition, producer: Producer) -> Result<Provenance, ProvenanceError> {
    let mut into = Provenance::empty(producer, &definition.build_type);
    into.materials = buildkit::materials(&definition.dependencies)?;
    let Definition { external, internal, dependencies, .. } = definition;
    match producer {
        Producer::GithubActions | Producer::Npm => {
            github::complete_workflow(&mut into, external, internal, dependencies);
        }
        Producer::SlsaGithubGenerator => {
            github::complete_generator(&mut into, external, internal, dependencies);
        }
        Producer::CloudBuild => cloud_build::complete(&mut into, external, internal, dependencies),
        Producer::TektonChains => tekton::complete(&mut into, "", dependencies),
        _ => only_repository(&mut into, dependencies),
    }
    Ok(into)
}

/// The source of an unknown build is the one repository among its dependencies.
fn only_repository(into: &mut Provenance, dependencies: &[Dependency]) {
    let mut repositories = into
        .materials
        .iter()
        .filter(|m| m.kind == MaterialKind::Git && matches!(m.pin, Pin::Commit(_)));
    if let (Some(only), None) = (repositories.next(), repositories.next()) {
        let digests = dependencies.iter().find(|d| d.uri == only.uri);
        into.source = digests.map(|d| material::source(&d.uri, &d.digest));
    }
}

fn optional<T: for<'de> Deserialize<'de> + Default>(value: &Value) -> Result<T, ProvenanceError> {
    if value.is_null() { Ok(T::default()) } else { typed(value) }
}
