//! From provenance to a plan that an engine can follow without guessing.
//!
//! Turns [`Provenance`](crate::attest::provenance::Provenance) and the published image into a [`Plan`] in which every
//! input is pinned by digest, or into [`Planned::NotReplayable`] with each gap and how the producer can close it. Refuses
//! to plan anything that could reach what the provenance does not name. Nothing here does I/O.

pub mod dockerfile;
pub mod exporter;
pub mod pins;
pub mod plan;

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    attest::provenance::{Commit, EngineVersion, Frontend, Material, Network},
    compare::Comparison,
    digest::{BlobDigest, ConfigDigest, ManifestDigest},
    image::{Compression, Platform},
};

pub use crate::attest::provenance::Producer;

/// What planning gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Planned {
    /// The image can be built again.
    Plan(Box<Plan>),
    /// It cannot; at least one gap.
    NotReplayable(Vec<Gap>),
}

/// Something that the provenance would have to say.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gap {
    /// Stable word, as `local-context`, `mode-min`, `unpinned-material`, `required-secret`.
    pub code: &'static str,
    /// Which field of the provenance.
    pub field: String,
    /// What is missing.
    pub why: String,
    /// What the producer can do.
    pub fix: String,
}

/// Everything that an engine needs, each input pinned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Which form of provenance it comes from.
    pub producer: Producer,
    /// Which engine can replay it.
    pub engine: EngineKind,
    /// Why that engine.
    pub engine_reason: String,
    /// Repository URL without fragment.
    pub source_url: String,
    /// The ref as the builder had it: BuildKit identifies the source by it.
    pub source_reference: Option<String>,
    /// Folder in the repository.
    pub source_folder: Option<String>,
    /// The commit that is checked out, whatever the ref says today.
    pub commit: Commit,
    /// Path of the Dockerfile under the folder.
    pub dockerfile_path: String,
    /// The frontend.
    pub frontend: Frontend,
    /// The stage to build.
    pub target: Option<String>,
    /// Build arguments.
    pub build_args: BTreeMap<String, String>,
    /// Labels from the command line.
    pub labels: BTreeMap<String, String>,
    /// Other frontend options that were recorded and are safe to repeat.
    pub options: BTreeMap<String, String>,
    /// The platform.
    pub platform: Platform,
    /// `SOURCE_DATE_EPOCH`, seconds since 1970.
    pub epoch_seconds: Option<i64>,
    /// What the steps could reach when the image was made. The rebuild itself runs with none.
    pub recorded_network: Network,
    /// Inputs, each pinned.
    pub materials: Vec<Material>,
    /// How the result is written.
    pub exporter: Exporter,
    /// Digests of the published layers as they are stored, base first: they tell whether layers that come from the base
    /// kept the base's compression, which is the registry's doing and not the builder's.
    pub published_layers: Vec<BlobDigest>,
    /// The engine that made the image, where it was recorded.
    pub made_by: Option<EngineVersion>,
    /// The last layer, where it holds the embedded build manifest: appended to what the engine builds.
    pub embedded: Option<EmbeddedLayer>,
}

/// A build engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EngineKind {
    /// BuildKit, alone or inside Docker.
    Buildkit,
    /// buildah.
    Buildah,
}

impl EngineKind {
    /// The word in reports and configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Buildkit => "buildkit",
            Self::Buildah => "buildah",
        }
    }
}

/// How an exporter wrote the published image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exporter {
    /// Timestamps clamped to this many seconds since 1970.
    pub rewrite_timestamp: Option<i64>,
    /// OCI media types, as against Docker's.
    pub oci_media_types: bool,
    /// How layers are stored.
    pub compression: Compression,
    /// buildah: one layer for each instruction, as against one for each stage.
    pub layers: bool,
    /// What in the image each of these was read from.
    pub evidence: Vec<String>,
}

/// The build manifest that `hallmark provenance embed` put into the last layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbeddedLayer {
    /// The file's bytes.
    pub manifest: bytes::Bytes,
    /// Folders that the layer holds besides the file, with a leading slash: those that the image did not have.
    pub folders: BTreeSet<String>,
}

/// What became of a rebuild.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rebuild {
    /// Nobody asked for one.
    NotAsked,
    /// There is no provenance to rebuild from.
    NoProvenance,
    /// The provenance does not suffice.
    NotReplayable(Vec<Gap>),
    /// The engine did not give an image; never to be read as "different".
    Failed(Failure),
    /// It was built and compared.
    Compared(Box<Rebuilt>),
}

/// A rebuild that gave no image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What kind of failure.
    pub kind: FailureKind,
    /// What happened, in a sentence.
    pub why: String,
    /// The end of the build log.
    pub log: String,
    /// The engine, where one was found.
    pub engine: Option<EngineReport>,
}

/// Kinds of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FailureKind {
    /// A build step failed.
    BuildFailed,
    /// The source or a base image could not be fetched.
    SourceGone,
    /// A source that the plan does not pin was asked for and denied.
    Denied,
    /// It took too long.
    Timeout,
    /// No engine is here, or it broke.
    EngineUnavailable,
}

impl FailureKind {
    /// The word in reports and policies.
    pub fn name(self) -> &'static str {
        match self {
            Self::BuildFailed => "build-failed",
            Self::SourceGone => "source-gone",
            Self::Denied => "source-denied",
            Self::Timeout => "timeout",
            Self::EngineUnavailable => "engine-unavailable",
        }
    }
}

/// A rebuild that gave an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebuilt {
    /// The engine that built it.
    pub engine: EngineReport,
    /// Digest of the rebuilt manifest.
    pub manifest: ManifestDigest,
    /// Digest of the rebuilt configuration.
    pub config: ConfigDigest,
    /// How it compares with the published image.
    pub comparison: Comparison,
    /// Whether a second rebuild gave the same, where one was made.
    pub determinism: Determinism,
    /// How much of the image was built, as against taken from the base by digest.
    pub coverage: Coverage,
    /// Exporter options that were used, in words.
    pub exporter: Exporter,
    /// Digest of the source policy or pin list that was in force.
    pub pins: crate::digest::Digest,
}

/// Whether the build gives the same twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Determinism {
    /// One rebuild was enough: it matched.
    NotNeeded,
    /// A second rebuild was not made.
    Unknown,
    /// Two rebuilds gave the same, and that differs from the published image: the alarm.
    ConsistentlyDifferent,
    /// Two rebuilds differ from each other.
    Nondeterministic,
}

impl Determinism {
    /// The word in reports and policies.
    pub fn name(self) -> &'static str {
        match self {
            Self::NotNeeded => "not-needed",
            Self::Unknown => "unknown",
            Self::ConsistentlyDifferent => "consistently-different",
            Self::Nondeterministic => "nondeterministic",
        }
    }
}

/// How much of an image was built here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Coverage {
    /// Layers that the engine built.
    pub rebuilt: usize,
    /// Layers that come from the base image by digest.
    pub inherited: usize,
    /// Layers that were taken over from the published image: the embedded build manifest.
    pub carried: usize,
}

/// What built it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineReport {
    /// Which engine.
    pub kind: EngineKind,
    /// How it was run: `docker buildx`, `buildctl`, `buildah`.
    pub driver: String,
    /// Its version.
    pub version: String,
    /// What its steps could reach.
    pub network: Network,
    /// Whether its storage was made for this build alone.
    pub ephemeral: bool,
}

#[cfg(test)]
pub(crate) mod tests {
    //! An image and its provenance, for the tests of this folder.

    use bytes::Bytes;
    use serde_json::json;

    use super::*;
    use crate::{
        attest::{
            Statement,
            provenance::{self, Provenance, SLSA_V02},
        },
        digest::DiffId,
        image::{Checked, Image, ImageConfig, Manifest},
        limits::Limits,
        reference::{Location, PinnedReference},
    };

    /// An image with one base layer and one of its own.
    pub(crate) fn image() -> Image {
        image_with(json!({}), 2)
    }

    /// An image with these labels and this many layers.
    pub(crate) fn image_with(labels: serde_json::Value, layers: usize) -> Image {
        let limits = Limits::default();
        let diff_ids: Vec<String> =
            (0..layers).map(|i| DiffId::of(&[u8::try_from(i).unwrap()]).to_string()).collect();
        let time = "2025-01-01T00:00:00Z";
        let step = |i: usize| json!({ "created": time, "created_by": format!("RUN {i}") });
        let config = json!({
            "architecture": "amd64", "os": "linux", "created": time, "config": { "Labels": labels },
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
            "history": (0..layers).map(step).collect::<Vec<_>>(),
        });
        let config = Bytes::from(config.to_string());
        let digest = ConfigDigest::of(&config);
        let layer = |i: usize| {
            let digest = BlobDigest::of(format!("layer {i}").as_bytes()).to_string();
            json!({ "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": digest, "size": 10 })
        };
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": digest.to_string(), "size": config.len(),
            },
            "layers": (0..layers).map(layer).collect::<Vec<_>>(),
        });
        let manifest = Bytes::from(manifest.to_string());
        let named = ManifestDigest::of(&manifest);
        let manifest = Checked::new("manifest", named.clone(), manifest).unwrap();
        let manifest = Manifest::parse(manifest, None, &limits).unwrap();
        let config = Checked::new("configuration", digest, config).unwrap();
        let config = ImageConfig::parse(config, &limits).unwrap();
        let location = Location::Registry("r.example/app".parse().unwrap());
        Image {
            reference: PinnedReference { location, digest: named },
            index: None,
            platform: config.platform.clone(),
            manifest,
            config,
        }
    }

    /// Provenance as Docker's BuildKit writes it, which can be replayed.
    pub(crate) fn predicate() -> serde_json::Value {
        let commit = "c".repeat(40);
        let hex = |c: &str| c.repeat(64);
        json!({
            "builder": { "id": "" },
            "buildType": "https://mobyproject.org/buildkit@v1",
            "invocation": {
                "configSource": {
                    "uri": "https://git.example/app.git#refs/tags/v1:sub",
                    "digest": { "sha1": commit }, "entryPoint": "Dockerfile",
                },
                "parameters": {
                    "frontend": "dockerfile.v0",
                    "args": {
                        "build-arg:SOURCE_DATE_EPOCH": "1735689600", "build-arg:A": "b",
                        "label:l": "v", "target": "release", "no-cache": "",
                        "force-network-mode": "none", "add-hosts": "a=192.0.2.1",
                    },
                    "secrets": [{ "id": "GIT_AUTH_TOKEN", "optional": true }],
                },
                "environment": { "platform": "linux/amd64" },
            },
            "materials": [
                { "uri": "pkg:docker/golang@1.24?platform=linux%2Famd64", "digest": { "sha256": hex("a") } },
                { "uri": format!("pkg:docker/r.example%3A5000/base?digest=sha256:{}", hex("b")),
                  "digest": { "sha256": hex("b") } },
                { "uri": "https://git.example/app.git#refs/tags/v1:sub", "digest": { "sha1": commit } },
                { "uri": "https://files.example/tool.tgz?v=1", "digest": { "sha256": hex("d") } },
            ],
            "buildConfig": { "llbDefinition": [{ "id": "step0" }] },
            "metadata": { "completeness": { "parameters": true, "environment": true, "materials": true } },
        })
    }

    pub(crate) fn parse(predicate: serde_json::Value) -> Provenance {
        let predicate_type = SLSA_V02.to_owned();
        provenance::parse(&Statement { subjects: Vec::new(), predicate_type, predicate }).unwrap()
    }

    pub(crate) fn provenance() -> Provenance {
        parse(predicate())
    }

    pub(crate) fn plan() -> Plan {
        match plan::plan(&provenance(), &image(), &plan::PlanOptions::default()) {
            Planned::Plan(plan) => *plan,
            Planned::NotReplayable(gaps) => panic!("{gaps:#?}"),
        }
    }
}
