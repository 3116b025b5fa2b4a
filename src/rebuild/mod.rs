//! From provenance to a plan that an engine can follow without guessing.
//!
//! Turns [`Provenance`](crate::attest::provenance::Provenance) and the published image into a [`Plan`] in which every
//! input is pinned by digest, or into [`Planned::NotReplayable`] with each gap and how the producer can close it. Refuses
//! to plan anything that could reach what the provenance does not name. Nothing here does I/O.

pub mod covered;
pub mod dockerfile;
mod doubt;
pub mod exporter;
pub mod hints;
pub mod inputs;
mod joined;
mod lack;
pub mod pins;
pub mod plan;
mod reading;
pub mod shown;
pub mod stages;
pub mod verdict;

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fmt,
};

use crate::{
    attest::provenance::{Commit, EngineVersion, Frontend, Material, Network},
    compare::{Comparison, Level},
    digest::{BlobDigest, ConfigDigest, Digest, ManifestDigest},
    image::{Compression, Platform},
};

pub use crate::attest::provenance::Producer;
pub use lack::{Bound, Lack};

/// What planning gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Planned {
    /// The image can be built again.
    Plan(Box<Plan>),
    /// It cannot; at least one gap.
    NotReplayable(Vec<Gap>),
}

/// A plan as commands that anybody can give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ByHand {
    /// What fetches the inputs, where the builder does not do that by itself.
    pub before: Vec<Vec<String>>,
    /// Program and arguments of the build; `WORK` stands for a folder of one's own.
    pub command: Vec<String>,
    /// What writes the result, where the builder does not do that by itself.
    pub after: Vec<Vec<String>>,
    /// Variables that the build needs.
    pub environment: BTreeMap<String, String>,
    /// The content of `WORK/policy.json`, or the list of pins for a builder that knows no source policy.
    pub policy: serde_json::Value,
}

impl ByHand {
    /// A program and its arguments as one of the commands.
    pub fn line(program: &str, arguments: Vec<OsString>) -> Vec<String> {
        let arguments = arguments.iter().map(|argument| argument.to_string_lossy().into_owned());
        std::iter::once(program.to_owned()).chain(arguments).collect()
    }
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

impl Gap {
    /// All words that a gap is told by, but for those that are of a rebuild that failed.
    pub const CODES: [&str; 25] = [
        "base-onbuild",
        "commit-not-in-ref",
        "conflicting-material",
        "device-node",
        "frontend-not-allowed",
        "hidden-build-arg",
        "host-network",
        "incomplete-parameters",
        "linked-input",
        "local-context",
        "mode-min",
        "no-commit",
        "no-source",
        "platform",
        "recorded-network",
        "required-secret",
        "source-url",
        "ssh",
        "submodule",
        "uncovered-source",
        "unknown-build-type",
        "unknown-frontend",
        "unknown-frontend-option",
        "unpinned-material",
        "unrecorded-download",
    ];

    /// The words of these, each once, in their order.
    pub fn codes(gaps: &[Self]) -> Vec<&'static str> {
        let mut codes: Vec<&'static str> = Vec::new();
        for gap in gaps {
            if !codes.contains(&gap.code) {
                codes.push(gap.code);
            }
        }
        codes
    }
}

/// Everything that an engine needs, each input pinned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The registry that the image came from, where it came from one.
    pub registry: Option<String>,
    /// Which form of provenance it comes from.
    pub producer: Producer,
    /// Which engine can replay it.
    pub engine: EngineKind,
    /// Why that engine.
    pub engine_reason: String,
    /// What is built.
    pub source: PlannedSource,
    /// Path of the Dockerfile under the folder.
    pub dockerfile_path: String,
    /// The frontend.
    pub frontend: Frontend,
    /// Frontend images that the operator lets read a Dockerfile.
    pub frontends: BTreeSet<Digest>,
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
    /// What the steps could reach when the image was made. The rebuild's own reach nothing but `fetched`.
    pub recorded_network: Network,
    /// URLs that steps may download from, through BuildKit's proxy: those that were recorded, and only where the operator allows
    /// that. Empty, steps have no network.
    pub fetched: BTreeSet<String>,
    /// Inputs, each pinned.
    pub materials: Vec<Material>,
    /// How the result is written, as far as the published image tells.
    pub exporter: Exporter,
    /// Other ways, the likelier first, where it does not tell.
    pub alternatives: Vec<Exporter>,
    /// Digests of the published layers as they are stored, base first: they tell whether layers that come from the base
    /// kept the base's compression, which is the registry's doing and not the builder's.
    pub published_layers: Vec<BlobDigest>,
    /// The engine that made the image, where it was recorded.
    pub made_by: Option<EngineVersion>,
    /// BuildKit's compatibility version, where it was recorded.
    pub compatibility: Option<i64>,
    /// The last layer, where it holds the embedded build manifest: appended to what the engine builds.
    pub embedded: Option<EmbeddedLayer>,
}

/// What is built, pinned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlannedSource {
    /// A repository.
    Repository(PlannedRepository),
    /// An archive, or a Dockerfile by itself, that BuildKit downloads; it is among the materials.
    Download {
        /// Where it is.
        url: String,
        /// What it has to be.
        digest: crate::digest::Digest,
    },
}

/// A repository at a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedRepository {
    /// URL without fragment.
    pub url: String,
    /// The ref as the builder had it: BuildKit identifies the source by it.
    pub reference: Option<String>,
    /// Folder in the repository.
    pub folder: Option<String>,
    /// The commit that is checked out, whatever the ref says today.
    pub commit: Commit,
}

impl PlannedSource {
    /// The repository, where it is one.
    pub fn repository(&self) -> Option<&PlannedRepository> {
        match self {
            Self::Repository(repository) => Some(repository),
            Self::Download { .. } => None,
        }
    }
}

/// A build engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EngineKind {
    /// BuildKit, alone or inside Docker.
    Buildkit,
    /// buildah.
    Buildah,
    /// Somebody else's rebuild, taken as it is.
    Replay,
}

impl EngineKind {
    /// The word in reports and configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Buildkit => "buildkit",
            Self::Buildah => "buildah",
            Self::Replay => "replay",
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
    /// How hard the compressor tried; `None` for its own default, or where nothing tells.
    pub level: Option<u32>,
    /// Whether the base's layers are stored so, too.
    pub force_compression: bool,
    /// buildah: one layer for each instruction, as against one for each stage.
    pub layers: bool,
    /// What in the image each of these was read from.
    pub evidence: Vec<Clue>,
}

/// What speaks for an option of the exporter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Clue {
    /// What the image or its provenance says, in words.
    Read(String),
    /// A way of writing that was tried.
    Tried {
        /// The options, in words.
        exporter: String,
        /// The rung that the result came to.
        level: Level,
    },
}

impl fmt::Display for Clue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(words) => f.write_str(words),
            Self::Tried { exporter, level } => write!(f, "tried: {exporter}: R{}", level.number()),
        }
    }
}

impl fmt::Display for Exporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let types = if self.oci_media_types { "OCI" } else { "Docker" };
        let forced = if self.force_compression { " for all layers" } else { "" };
        write!(f, "{types} media types, {}", self.compression.name())?;
        if let Some(level) = self.level {
            write!(f, " level {level}")?;
        }
        write!(f, "{forced}, ")?;
        match self.rewrite_timestamp {
            Some(epoch) => write!(f, "times rewritten to {epoch}"),
            None => f.write_str("times kept"),
        }
    }
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
    /// One is asked for, and the image is refused without it.
    Spared,
    /// The policy asks for one, and whoever runs hallmark forbade it, by this option or setting.
    Forbidden(&'static str),
    /// There is no provenance to rebuild from.
    NoProvenance,
    /// The provenance does not suffice.
    NotReplayable(Vec<Gap>),
    /// The engine did not give an image; never to be read as "different".
    Failed(Failure),
    /// It was built and compared.
    Compared(Box<Rebuilt>),
}

/// Why a rebuild says something about the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warrant {
    /// A configured signer vouches for the provenance that was followed.
    Proven,
    /// Nobody vouches for it, and the operator trusts every input by name.
    TrustedInputs,
    /// Neither, and why: it is for information, and decides nothing. Whoever may push can attach provenance of a source of his
    /// own, from which the image comes out exactly.
    None(Vec<String>),
}

impl Default for Warrant {
    fn default() -> Self {
        Self::None(Vec::new())
    }
}

impl Warrant {
    /// The word in reports and policies; `None` where the rebuild does not count.
    pub fn name(&self) -> Option<&'static str> {
        match self {
            Self::Proven => Some("proven"),
            Self::TrustedInputs => Some("trusted-inputs"),
            Self::None(_) => None,
        }
    }

    /// Whether the rebuild counts.
    pub fn counts(&self) -> bool {
        self.name().is_some()
    }
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
    pub engine: Option<Box<EngineReport>>,
}

/// Kinds of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FailureKind {
    /// A build step failed.
    BuildFailed,
    /// The build went beyond a bound of the operator's.
    Exceeded(Bound),
    /// The published image's own layers could not be read: there is nothing to compare with.
    PublishedUnreadable,
    /// The source or a base image could not be fetched.
    SourceGone,
    /// Nobody answered who could have given it, or a server broke.
    SourceUnreachable,
    /// The operator's folder of inputs does not hold it.
    NotKept,
    /// The rules about addresses of this machine forbid the way to the source; a setting can allow it.
    SourceForbidden,
    /// A source that the plan does not pin was asked for and denied.
    Denied,
    /// The source has submodules that the plan does not pin.
    Submodule,
    /// The published image has device nodes that the builder may have left out.
    DeviceNodes,
    /// It took too long.
    Timeout,
    /// A step has to run a program of a platform that this machine is not and does not emulate.
    PlatformForeign,
    /// An engine broke.
    EngineUnavailable,
    /// An engine, or what it takes of this machine, is not here.
    Lacks(Lack),
    /// An engine may be here, and hallmark lacks the rights to start it.
    EngineForbidden,
    /// Nothing is built where an image is judged by saved evidence, and no rebuild was saved.
    NotSaved,
    /// One may have been saved, and it is the word of whoever made the folder alone.
    NotVouched,
}

impl FailureKind {
    /// Whether it says nothing about the image and trying again may help: there was no engine to build it with, or no way to
    /// what it is built from.
    pub fn may_help_to_try_again(self) -> bool {
        matches!(
            self,
            Self::EngineUnavailable
                | Self::EngineForbidden
                | Self::Lacks(_)
                | Self::SourceUnreachable
                | Self::NotKept
        )
    }

    /// The word in reports and policies.
    pub fn name(self) -> &'static str {
        match self {
            Self::BuildFailed | Self::Exceeded(_) => "build-failed",
            Self::PublishedUnreadable => "published-unreadable",
            Self::SourceGone | Self::SourceForbidden => "source-gone",
            Self::SourceUnreachable | Self::NotKept => "source-unreachable",
            Self::Denied => "source-denied",
            Self::Submodule => "submodule",
            Self::DeviceNodes => "device-node",
            Self::Timeout => "timeout",
            Self::PlatformForeign => "platform-foreign",
            Self::EngineUnavailable | Self::EngineForbidden | Self::Lacks(_) => "engine-error",
            Self::NotSaved | Self::NotVouched => "not-saved",
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
    /// The rebuilt layers, uncompressed, as its configuration names them.
    pub diff_ids: Vec<crate::digest::Digest>,
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
    /// What read the Dockerfile, where it was not the engine itself.
    pub frontend: Option<crate::digest::Digest>,
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
    /// All layers.
    pub layers: usize,
    /// The first of them that are those of a base image that the engine was given; `None` where nobody saw what it was given.
    pub inherited: Option<usize>,
    /// Layers that were taken over from the published image: the embedded build manifest.
    pub carried: usize,
}

impl Coverage {
    /// Layers that the engine built; `None` where nobody saw which are a base's.
    pub fn rebuilt(self) -> Option<usize> {
        self.inherited.map(|inherited| self.layers.saturating_sub(inherited + self.carried))
    }
}

/// What the kernel bounded nothing of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Unbounded {
    /// Memory and the number of processes.
    Memory,
    /// Huge pages, of which the machine has some.
    HugePages,
    /// The disk, which was watched.
    Disk,
}

impl Unbounded {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Memory, Self::HugePages, Self::Disk];

    /// The word in reports and policies.
    pub fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::HugePages => "huge-pages",
            Self::Disk => "disk",
        }
    }

    /// What is said of it.
    pub fn said(self) -> &'static str {
        match self {
            Self::Memory => "memory and processes",
            Self::HugePages => "huge pages",
            Self::Disk => "the disk",
        }
    }
}

/// Whose numbers of users and groups an engine's programs and steps have on the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Numbers {
    /// Those of a block that no account of the machine has.
    Own,
    /// The machine's: root is its root, and a step's `USER` whoever has that number there.
    Machine,
    /// It was not started here.
    Unknown,
}

impl Numbers {
    /// The word in reports and policies.
    pub fn name(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Machine => "machine",
            Self::Unknown => "unknown",
        }
    }
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
    /// Why this engine, and why run so.
    pub reason: String,
    /// What its steps could reach.
    pub network: Network,
    /// Whose numbers of users its programs and steps had.
    pub numbers: Numbers,
    /// Whether its storage was made for this build alone.
    pub ephemeral: bool,
    /// Digests of all that it was given while it built, by the record of what served them; `None` where nothing here served it.
    pub served: Option<BTreeSet<crate::digest::Digest>>,
    /// What the kernel did not bound; `None` where it was not started here.
    pub unbounded: Option<Vec<Unbounded>>,
}

impl EngineReport {
    /// Whether it had nothing but what it was given by digest: a fact of the job that ran, and not of the rules it was sent.
    pub fn is_pinned(&self) -> bool {
        self.served.is_some() && self.network == Network::None
    }
}

#[cfg(test)]
pub(crate) mod tests;
