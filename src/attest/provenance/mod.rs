//! Provenance: how an image says that it was built.
//!
//! Turns SLSA provenance v0.1, v0.2 and v1 of the builders that [`Producer`] lists, and the build manifest that hallmark
//! embeds (buildType `https://hallmark.dev/buildtypes/container/v1`), into one model, so that nothing later branches on a
//! format. Refuses to guess: what a format does not record is `None` or empty here, and [`crate::rebuild::plan`] names it
//! as missing. Another build type is no error: its standard fields are read, and nothing more.

pub mod buildkit;
mod cloud_build;
pub mod create;
mod definition;
pub mod embedded;
mod github;
pub mod material;
mod producer;
mod slsa_v01;
pub mod slsa_v02;
pub mod slsa_v1;
mod tekton;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Deserializer};
use serde_json::Value;

pub use producer::Producer;

use super::Statement;
use crate::{
    digest::{BlobDigest, DiffId, Digest},
    image::Platform,
};

/// hallmark's own build type.
pub const HALLMARK_BUILD_TYPE: &str = "https://hallmark.dev/buildtypes/container/v1";
/// BuildKit's build type in SLSA v1.
pub const BUILDKIT_V1_BUILD_TYPE: &str =
    "https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md";
/// BuildKit's build type in SLSA v0.2.
pub const BUILDKIT_V02_BUILD_TYPE: &str = "https://mobyproject.org/buildkit@v1";
/// Name under which BuildKit's compatibility version is among the exporter options.
pub const COMPATIBILITY: &str = "compatibilityVersion";
/// Predicate type of SLSA v1.
pub const SLSA_V1: &str = "https://slsa.dev/provenance/v1";
/// Predicate type of SLSA v0.1, which Google Cloud Build still writes.
pub const SLSA_V01: &str = "https://slsa.dev/provenance/v0.1";
/// Predicate type of SLSA v0.2.
pub const SLSA_V02: &str = "https://slsa.dev/provenance/v0.2";

/// Why a statement is no provenance that can be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProvenanceError {
    /// Its predicate type is another one.
    #[error("predicate type {found:?} is not SLSA provenance v0.1, v0.2 or v1")]
    PredicateType {
        /// The type as written.
        found: String,
    },
    /// Its predicate does not have the form that its type asks for.
    #[error("{predicate_type} predicate is malformed: {why}")]
    Predicate {
        /// The type that it claims.
        predicate_type: &'static str,
        /// What the parser says.
        why: String,
    },
    /// One field holds what it must not.
    #[error("{field} holds {found:?}; expected {expected}")]
    Field {
        /// Where it stands.
        field: String,
        /// What is there, cut to a printable length.
        found: String,
        /// What belongs there.
        expected: &'static str,
    },
}

impl ProvenanceError {
    fn field(field: impl Into<String>, found: &str, expected: &'static str) -> Self {
        let found = found.chars().take(120).flat_map(char::escape_default).collect();
        Self::Field { field: field.into(), found, expected }
    }
}

/// Reads the provenance that a statement claims; whether the claim is true is `trust`'s affair.
///
/// # Errors
/// Another predicate type, or a predicate not of its form. An unknown build type is no error: it becomes
/// [`Producer::Other`].
pub fn parse(statement: &Statement) -> Result<Provenance, ProvenanceError> {
    let (predicate_type, read): (_, fn(&Value) -> _) = match statement.predicate_type.as_str() {
        SLSA_V01 => (SLSA_V01, slsa_v01::parse),
        SLSA_V02 => (SLSA_V02, slsa_v02::parse),
        SLSA_V1 => (SLSA_V1, slsa_v1::parse),
        other => return Err(ProvenanceError::PredicateType { found: other.to_owned() }),
    };
    let predicate = statement
        .predicate
        .value()
        .map_err(|error| ProvenanceError::Predicate { predicate_type, why: error.to_string() })?;
    read(&predicate)
}

/// Go writes an empty list or map as `null`.
fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

impl Provenance {
    /// What it does not say of that which the preset `slsa-l2` asks for: the rules `provenance` and `builder` are the ones that decide.
    pub fn lacks(&self) -> Vec<&'static str> {
        let source = self.source.as_ref();
        let said = [
            ("builder", !self.builder_id.is_empty()),
            ("build type", !self.build_type.is_empty() && self.producer != Producer::Other),
            ("source", source.is_some_and(|source| !source.url.is_empty())),
            ("commit", source.is_some_and(|source| source.commit.is_some())),
        ];
        said.into_iter().filter(|(_, is_said)| !is_said).map(|(name, _)| name).collect()
    }
}

/// How an image was built, whatever the format said it in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provenance {
    /// Which producer's form it came in.
    pub producer: Producer,
    /// The build type as written.
    pub build_type: String,
    /// The builder's identity as written; empty where the builder left it so.
    pub builder_id: String,
    /// Where the source came from.
    pub source: Option<SourceCode>,
    /// The branch that the builder says it built: the source's reference, or the branch that the event names beside a tag.
    pub branch: Option<String>,
    /// The tag that it was built for.
    pub tag: Option<String>,
    /// File in the source's repository that told the builder what to do: a workflow, a `cloudbuild.yaml`.
    pub entry_point: Option<String>,
    /// What started the build, in the builder's words: `push`, `release`.
    pub event: Option<String>,
    /// The run, as the builder names it.
    pub invocation: Option<String>,
    /// What the caller asked for, as written; null where nothing was recorded.
    pub parameters: Value,
    /// Path of the Dockerfile under the source's folder.
    pub dockerfile_path: Option<String>,
    /// The Dockerfile's text, where it was recorded.
    pub dockerfile: Option<String>,
    /// The frontend that read it.
    pub frontend: Frontend,
    /// The stage that became the image.
    pub target: Option<String>,
    /// Build arguments by name.
    pub build_args: BTreeMap<String, String>,
    /// Labels given on the command line.
    pub labels: BTreeMap<String, String>,
    /// Frontend options that none of the fields above holds, as `add-hosts` or `context:NAME`.
    pub other_options: BTreeMap<String, String>,
    /// The platform that was built for, where it was recorded.
    pub platform: Option<Platform>,
    /// `SOURCE_DATE_EPOCH`, seconds since 1970.
    pub epoch_seconds: Option<i64>,
    /// What the build's steps could reach.
    pub network: Network,
    /// What steps downloaded through BuildKit's recording proxy, among the materials.
    pub fetched_by_steps: BTreeSet<String>,
    /// How many downloads the proxy could not record.
    pub fetched_unrecorded: usize,
    /// Every input by digest.
    pub materials: Vec<Material>,
    /// Secrets that the build asked for.
    pub secrets: Vec<Secret>,
    /// SSH agents that the build cannot do without.
    pub ssh: Vec<String>,
    /// Names of local folders that were sent to the builder: no digest, so they cannot be fetched again.
    pub local_inputs: Vec<String>,
    /// Whether the producer says that parameters and materials are complete.
    pub complete: Completeness,
    /// Which Dockerfile lines each build step came from, and which steps made which layers.
    pub steps: Vec<Step>,
    /// diffIDs that the producer recorded: all layers before the embedded manifest.
    pub diff_ids: Vec<DiffId>,
    /// Exporter options that the producer recorded.
    pub exporter: BTreeMap<String, String>,
    /// Engine and version that the producer recorded.
    pub engine: Option<EngineVersion>,
    /// When the build began and ended, RFC 3339, as written.
    pub started: Option<String>,
    /// See `started`.
    pub finished: Option<String>,
}

impl Provenance {
    /// Provenance of which nothing is known but who made it.
    pub fn empty(producer: Producer, build_type: &str) -> Self {
        Self {
            producer,
            build_type: build_type.to_owned(),
            builder_id: String::new(),
            source: None,
            branch: None,
            tag: None,
            entry_point: None,
            event: None,
            invocation: None,
            parameters: Value::Null,
            dockerfile_path: None,
            dockerfile: None,
            frontend: Frontend::Unknown,
            target: None,
            build_args: BTreeMap::new(),
            labels: BTreeMap::new(),
            other_options: BTreeMap::new(),
            platform: None,
            epoch_seconds: None,
            network: Network::Unknown,
            fetched_by_steps: BTreeSet::new(),
            fetched_unrecorded: 0,
            materials: Vec::new(),
            secrets: Vec::new(),
            ssh: Vec::new(),
            local_inputs: Vec::new(),
            complete: Completeness::default(),
            steps: Vec::new(),
            diff_ids: Vec::new(),
            exporter: BTreeMap::new(),
            engine: None,
            started: None,
            finished: None,
        }
    }

    /// The builder's name and the version after its `@`, where it has one.
    pub fn builder(&self) -> (&str, Option<&str>) {
        match self.builder_id.split_once('@') {
            Some((name, version)) => (name, Some(version)),
            None => (&self.builder_id, None),
        }
    }

    /// Takes branch and tag from the source's reference, where nothing said them before.
    fn name_refs(&mut self) {
        let Some(reference) = self.source.as_ref().and_then(|s| s.reference.as_deref()) else {
            return;
        };
        if let Some(branch) = reference.strip_prefix("refs/heads/") {
            self.branch.get_or_insert_with(|| branch.to_owned());
        }
        if let Some(tag) = reference.strip_prefix("refs/tags/") {
            self.tag.get_or_insert_with(|| tag.to_owned());
        }
    }
}

/// What turned the Dockerfile into build steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frontend {
    /// The Dockerfile frontend that is part of the builder.
    BuiltIn,
    /// A frontend image, as `# syntax=` names it.
    Image {
        /// The reference as the build had it.
        reference: String,
    },
    /// None was recorded.
    Unknown,
}

/// A source repository at a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceCode {
    /// URL without fragment, as the builder had it.
    pub url: String,
    /// Branch, tag or other ref, where one was given.
    pub reference: Option<String>,
    /// Folder in the repository.
    pub folder: Option<String>,
    /// The commit.
    pub commit: Option<Commit>,
}

/// A git commit id: 40 or 64 lower-case hex digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Commit(String);

impl Commit {
    /// Takes a commit id.
    pub fn new(text: &str) -> Option<Self> {
        let hex = text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        (hex && matches!(text.len(), 40 | 64)).then(|| Self(text.to_owned()))
    }

    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What build steps could reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Network {
    /// Nothing.
    None,
    /// The builder's default: the internet.
    Default,
    /// The internet, through BuildKit's proxy, which records what is downloaded.
    Proxy,
    /// The host's network.
    Host,
    /// Not recorded.
    Unknown,
}

impl Network {
    /// The word in reports, policies and the build manifest.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Default => "default",
            Self::Proxy => "proxy",
            Self::Host => "host",
            Self::Unknown => "unknown",
        }
    }
}

/// An input of a build, by digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Material {
    /// What kind of input.
    pub kind: MaterialKind,
    /// The URI as written (a purl for images).
    pub uri: String,
    /// Its digests: sha256 for images and downloads, the commit for git.
    pub pin: Pin,
    /// The role that hallmark's build manifest gives it: `base`, `toolchain`, `lockfile` …
    pub role: Option<String>,
}

/// What kind of input a material is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MaterialKind {
    /// An image: registry and repository, with the tag where one was used.
    Image {
        /// `registry/path`, normalised.
        name: String,
        /// The tag in the Dockerfile.
        tag: Option<String>,
        /// The platform, where it was recorded.
        platform: Option<Platform>,
    },
    /// A git repository.
    Git,
    /// A file fetched over HTTP.
    Http,
    /// Anything else: a toolchain's version, a lock file.
    Other,
}

/// What a material is pinned to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pin {
    /// A digest of its content.
    Content(Digest),
    /// A commit.
    Commit(Commit),
    /// Nothing: it can be anything.
    Nothing,
}

/// A secret that a build asked for; its value is never recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    /// Its id.
    pub id: String,
    /// Whether the build works without it.
    pub optional: bool,
}

/// What the producer says about completeness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Completeness {
    /// All parameters are recorded.
    pub parameters: bool,
    /// All materials are recorded.
    pub materials: bool,
    /// The steps themselves are recorded (BuildKit's `mode=max`).
    pub steps: bool,
}

/// A build step, as far as it explains a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its id, as `step4`.
    pub id: String,
    /// First line in the Dockerfile, counted from 1.
    pub line: Option<u32>,
    /// Digests of the layers it made, before any rewriting by the exporter.
    pub layers: Vec<BlobDigest>,
}

/// A builder's name and version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineVersion {
    /// `buildkit` or `buildah`.
    pub name: String,
    /// Its version as it prints it.
    pub version: String,
}

#[cfg(test)]
mod tests;
