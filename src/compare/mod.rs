//! The comparison of two images: on which rung of the ladder they agree, and what differs.
//!
//! Turns two images and their layers into a [`Comparison`]. Streams, skips layers whose stored digests are equal, holds
//! only what differs, and recomputes every diffID that it relies on: a configuration that lies about its layers gains
//! nothing. Security metadata is never smoothed over. Index digests are never compared: embedded provenance differs on
//! every run.

mod allow;
pub mod build_step;
mod config;
mod content;
mod devices;
mod entry;
mod explanation;
mod flattened;
mod inside;
pub mod ladder;
mod layer;
mod leftovers;
mod likely_cause;
mod manifest;
mod matcher;
mod normalize;
mod package_updates;
mod pair;
mod parallel;
mod shown;
mod value;
mod what;

use std::{
    cmp::Ordering,
    fmt,
    io::{self, Read},
    sync::Arc,
};

pub use self::{
    allow::{Allowance, AllowedClass, PathPattern, PathPatternError, matches as matches_pattern},
    devices::{MissingNode, held},
    explanation::Explanation,
    inside::{Container, Inside, Part, PartName, PartValue},
    likely_cause::LikelyCause,
    package_updates::PackageChange,
    value::{ContentValue, DeviceNode, EntryValue, Holds, PythonRuns, SideValue, StoredLayer},
    what::{Stored, What},
};

use crate::{
    contents::secrets::shown_path,
    digest::{BlobDigest, DiffId},
    image::{
        FormatError, ImageConfig, Index, Manifest, layer::LayerError, rootfs::RootfsError,
        tar::TarError,
    },
};

/// Where the stored bytes of an image's layers come from.
pub trait Layers {
    /// Opens the stored bytes of the layer at `position`, counted from 0. They are checked against the manifest while
    /// they are read, and may be opened more than once.
    ///
    /// # Errors
    /// Whatever the store says.
    fn open(&self, position: usize) -> io::Result<Box<dyn Read + Send>>;
}

/// One of the two images.
#[derive(Clone, Copy)]
pub struct Side<'a> {
    /// Its manifest.
    pub manifest: &'a Manifest,
    /// Its configuration.
    pub config: &'a ImageConfig,
    /// The index that lists the manifest, where there is one.
    pub index: Option<&'a Index>,
    /// The other indexes on the way to it.
    pub outer: &'a [Arc<Index>],
    /// Its layers.
    pub layers: &'a (dyn Layers + Sync),
    /// How many of its first layers are known to be those of a base that a digest pins. The other image claims that base, so that
    /// what differs in them counts even where a later layer hides it.
    pub pinned: usize,
}

/// Which of the two images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Which {
    /// The left one.
    Published,
    /// The right one.
    Rebuilt,
}

impl Which {
    /// The word in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Rebuilt => "rebuilt",
        }
    }

    fn other(self) -> Self {
        match self {
            Self::Published => Self::Rebuilt,
            Self::Rebuilt => Self::Published,
        }
    }
}

/// What the two images are called where people read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SideWords {
    /// The left one.
    pub left: &'static str,
    /// The right one.
    pub right: &'static str,
}

impl SideWords {
    /// A published image, and what a rebuild of it gave.
    pub const REBUILD: Self = Self { left: "published", right: "rebuilt" };
    /// Any two images.
    pub const TWO_IMAGES: Self = Self { left: "left", right: "right" };

    fn of(self, which: Which) -> &'static str {
        match which {
            Which::Published => self.left,
            Which::Rebuilt => self.right,
        }
    }
}

/// Why two images could not be compared. That they differ is no error.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// One of them is no image.
    #[error("image: {error}")]
    Format {
        /// Which.
        which: Which,
        /// Why.
        error: FormatError,
    },
    /// A layer could not be opened.
    #[error("image, layer {position}: {error}")]
    Open {
        /// Which image.
        which: Which,
        /// The layer, counted from 0.
        position: usize,
        /// What the store said.
        error: io::Error,
    },
    /// A layer's stored bytes are not what the manifest says, or cannot be inflated within the limits.
    #[error("image, layer {position}: {error}")]
    Layer {
        /// Which image.
        which: Which,
        /// The layer, counted from 0.
        position: usize,
        /// What is wrong with it.
        error: LayerError,
    },
    /// A layer's tar cannot be read in one way.
    #[error("image, layer {position}: {error}")]
    Tar {
        /// Which image.
        which: Which,
        /// The layer, counted from 0.
        position: usize,
        /// What is wrong with it.
        error: TarError,
    },
    /// The layers do not add up to a root filesystem.
    #[error("image: {error}")]
    Rootfs {
        /// Which image.
        which: Which,
        /// Why.
        error: RootfsError,
    },
}

impl CompareError {
    /// What is wrong, with the sides called so.
    pub fn told(&self, words: SideWords) -> String {
        format!("{} {self}", words.of(self.which()))
    }

    /// Which of the two images is at fault.
    pub fn which(&self) -> Which {
        match self {
            Self::Format { which, .. }
            | Self::Open { which, .. }
            | Self::Layer { which, .. }
            | Self::Tar { which, .. }
            | Self::Rootfs { which, .. } => *which,
        }
    }

    /// The layer at fault, counted from 0, where it is one.
    pub fn layer(&self) -> Option<usize> {
        match self {
            Self::Open { position, .. }
            | Self::Layer { position, .. }
            | Self::Tar { position, .. } => Some(*position),
            Self::Format { .. } | Self::Rootfs { .. } => None,
        }
    }
}

/// A rung of the ladder; higher is stronger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// R0: something differs that nothing explains.
    Different,
    /// R1: every residual difference is matched by a named, versioned normalizer or an allow entry.
    Explained,
    /// R2: equal entries, after removing benign tar metadata only.
    ContentIdentical,
    /// R3: equal recomputed diffIDs; the configuration differs only where it has no effect at run time.
    LayersIdentical,
    /// R4: equal configuration digests, and every diffID recomputed on both sides.
    ConfigIdentical,
    /// R5: equal manifest digests.
    ManifestIdentical,
}

impl Level {
    /// The rung's number, 0 to 5.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The rung's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Different => "different",
            Self::Explained => "explained",
            Self::ContentIdentical => "content-identical",
            Self::LayersIdentical => "layers-identical",
            Self::ConfigIdentical => "config-identical",
            Self::ManifestIdentical => "manifest-identical",
        }
    }

    /// Only R5 and R4 are called reproducible.
    pub fn is_reproducible(self) -> bool {
        self >= Self::ConfigIdentical
    }
}

/// What comparing two images gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// The highest rung on which they agree.
    pub level: Level,
    /// What differs, sorted; at most [`Limits::differences`](crate::limits::Limits::differences) of them.
    pub differences: Vec<Difference>,
    /// How many more there are.
    pub omitted: u64,
    /// Layer by layer, by position.
    pub layers: Vec<LayerPair>,
    /// Packages whose versions differ, where package databases do.
    pub packages: Vec<PackageChange>,
    /// The allow entries that explained something, in the operator's order.
    pub allowed: Vec<Allowance>,
}

/// Two layers at the same position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerPair {
    /// Position, counted from 0.
    pub position: usize,
    /// The layer on the left (published), where there is one.
    pub left: Option<LayerFacts>,
    /// The layer on the right (rebuilt), where there is one.
    pub right: Option<LayerFacts>,
}

/// What is known of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerFacts {
    /// Digest as stored.
    pub blob: BlobDigest,
    /// Bytes as stored.
    pub size: u64,
    /// Recomputed digest of the uncompressed stream; `None` where the stored digests were equal and nothing asked.
    pub diff_id: Option<DiffId>,
}

/// Classes of difference, by the letters of the study behind the ladder. Its class A, the index with its attestations, is
/// never compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// B: manifest envelope: media types, annotations.
    Envelope,
    /// C: compression.
    Compression,
    /// D: configuration without effect at run time: times, history, author.
    ConfigBenign,
    /// E: configuration with effect at run time, labels included.
    ConfigRuntime,
    /// F: benign tar metadata: times, order, format, owner names.
    TarBenign,
    /// G: security metadata: mode, owner ids, xattrs, links, devices, type, whiteouts.
    TarSecurity,
    /// H: opaque whiteouts, which depend on the filesystem of the builder.
    OpaqueWhiteout,
    /// I: a place for runtimes to mount on.
    MountPoint,
    /// J: a time inside a nested format.
    NestedTime,
    /// K: a cache or log.
    Cache,
    /// L: content of packages whose versions differ.
    PackageDrift,
    /// M: what compiler and linker note about themselves.
    Toolchain,
    /// N: what names the machine of the build.
    Host,
    /// O: content that differs, or exists on one side only.
    Content,
    /// A diffID that is not the digest of its layer.
    LyingDiffId,
}

impl Class {
    /// Whether differences of this class leave the image's content and behaviour as they are.
    pub fn is_benign(self) -> bool {
        matches!(self, Self::Envelope | Self::Compression | Self::ConfigBenign | Self::TarBenign)
    }

    /// The letter of the study.
    pub fn letter(self) -> char {
        match self {
            Self::Envelope => 'B',
            Self::Compression => 'C',
            Self::ConfigBenign => 'D',
            Self::ConfigRuntime => 'E',
            Self::TarBenign => 'F',
            Self::TarSecurity => 'G',
            Self::OpaqueWhiteout => 'H',
            Self::MountPoint => 'I',
            Self::NestedTime => 'J',
            Self::Cache => 'K',
            Self::PackageDrift => 'L',
            Self::Toolchain => 'M',
            Self::Host => 'N',
            Self::Content | Self::LyingDiffId => 'O',
        }
    }

    /// The name in reports and policies.
    pub fn name(self) -> &'static str {
        match self {
            Self::Envelope => "envelope",
            Self::Compression => "compression",
            Self::ConfigBenign => "config-benign",
            Self::ConfigRuntime => "config-runtime",
            Self::TarBenign => "tar-benign",
            Self::TarSecurity => "tar-security",
            Self::OpaqueWhiteout => "opaque-whiteout",
            Self::MountPoint => "mount-point",
            Self::NestedTime => "nested-time",
            Self::Cache => "cache",
            Self::PackageDrift => "package-drift",
            Self::Toolchain => "toolchain",
            Self::Host => "host",
            Self::Content => "content",
            Self::LyingDiffId => "lying-diff-id",
        }
    }
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difference {
    /// Where.
    pub place: Place,
    /// Which class.
    pub class: Class,
    /// What differs there.
    pub what: What,
    /// The left (published) side: a digest and size, a mode, a value.
    pub left: Option<SideValue>,
    /// The right (rebuilt) side.
    pub right: Option<SideValue>,
    /// The normalizer or allow entry that explains it.
    pub explained_by: Option<Explanation>,
    /// Whether it is only about what a plain file holds, or that it is there: nothing else can be allowed.
    pub may_be_allowed: bool,
    /// Where in the build it comes from.
    pub cause: Option<BuildStep>,
    /// What probably happened, and what to do about it.
    pub hint: Option<LikelyCause>,
    /// What differs inside the file.
    pub inside: Option<Inside>,
    /// The layers that the file comes from, where images were compared as a whole; else `place` names the one of both.
    pub layers: Option<SideLayers>,
    /// Whether a second rebuild came to the same.
    pub repeats: Repeats,
}

impl Difference {
    /// A difference of which nothing is known yet but where and what it is.
    pub fn new(place: Place, class: Class, what: What) -> Self {
        Self {
            place,
            class,
            what,
            left: None,
            right: None,
            explained_by: None,
            may_be_allowed: false,
            cause: None,
            hint: None,
            inside: None,
            layers: None,
            repeats: Repeats::Unknown,
        }
    }

    /// Whether it is of a program: what is in it says so, its mode where that is known, or the folder that it lies in.
    pub fn is_of_program(&self) -> bool {
        const FOLDERS: [&str; 3] = ["bin", "sbin", "libexec"];
        let Place::Entry { path, .. } = &self.place else { return false };
        let elf = matches!(&self.inside, Some(Inside::Parts { of: Container::Elf, .. }));
        let runs = |side: &Option<SideValue>| side.as_ref().is_some_and(SideValue::can_be_run);
        let folders = path.rsplit_once('/').map_or("", |(folders, _)| folders);
        elf || runs(&self.left)
            || runs(&self.right)
            || folders.split('/').any(|folder| FOLDERS.contains(&folder))
    }

    /// How it is accounted for.
    pub fn account(&self) -> Account {
        match () {
            () if self.class.is_benign() => Account::Benign,
            () if self.explained_by.is_some() => Account::Explained,
            () => Account::Open,
        }
    }

    /// Both sides in words, each with its own layer where images were compared as a whole.
    pub fn sides(&self) -> [Option<String>; 2] {
        let layers = self.layers.map(|layers| [layers.left, layers.right]).unwrap_or_default();
        let [left, right] = layers;
        let words = |side: &Option<SideValue>, layer: Option<usize>| match (side, layer) {
            (Some(text), Some(layer)) => Some(format!("{text}, layer {layer}")),
            (None, Some(layer)) => Some(format!("layer {layer}")),
            (text, None) => text.as_ref().map(ToString::to_string),
        };
        [words(&self.left, left), words(&self.right, right)]
    }

    /// With both sides.
    #[must_use]
    pub fn between(self, left: Option<SideValue>, right: Option<SideValue>) -> Self {
        Self { left, right, ..self }
    }

    /// The order of reports: by place and class, then by the texts of what differs and of both sides.
    fn in_reports(&self, other: &Self) -> Ordering {
        let texts = |of: &Self| {
            let sides = [&of.left, &of.right].map(|side| side.as_ref().map(ToString::to_string));
            (of.what.to_string(), sides)
        };
        (&self.place, self.class)
            .cmp(&(&other.place, other.class))
            .then_with(|| texts(self).cmp(&texts(other)))
            .then_with(|| self.cmp(other))
    }
}

/// How a difference is accounted for, the gravest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Account {
    /// Nothing explains it.
    Open,
    /// A normalizer or an allow entry explains it.
    Explained,
    /// It leaves content and behaviour as they are.
    Benign,
}

/// Where each side has a file, as positions of layers counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SideLayers {
    /// The left (published) side's, where it has the file.
    pub left: Option<usize>,
    /// The right (rebuilt) side's.
    pub right: Option<usize>,
}

/// Whether a second rebuild differs from the published image in the same way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Repeats {
    /// There was none.
    Unknown,
    /// It does: two rebuilds agree here.
    Yes,
    /// It does not: two rebuilds differ from each other here.
    No,
}

impl Repeats {
    /// The word in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Yes => "repeats",
            Self::No => "varies",
        }
    }
}

/// Where a difference is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A field of the manifest.
    Manifest(String),
    /// A field of the configuration, as a JSON pointer.
    Config(String),
    /// A layer as a whole.
    Layer(usize),
    /// An entry of a layer.
    Entry {
        /// Layer, counted from 0.
        layer: usize,
        /// Path from the root, with a leading slash.
        path: String,
    },
}

impl Place {
    /// The same in all layers: positions move where one image has a layer more, and a path is the same file all the same.
    fn in_any_layer(&self) -> Self {
        match self {
            Self::Entry { path, .. } => Self::Entry { layer: 0, path: path.clone() },
            other => other.clone(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Manifest(field) => write!(f, "manifest {field}"),
            Self::Config(pointer) => write!(f, "config {pointer}"),
            Self::Layer(position) => write!(f, "layer {position}"),
            Self::Entry { layer, path } => write!(f, "layer {layer} {}", shown_path(path)),
        }
    }
}

/// The build step behind a difference.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct BuildStep {
    /// Path of the Dockerfile below the build's context, as provenance tells it.
    pub file: String,
    /// Line in the Dockerfile, counted from 1, where provenance tells it.
    pub line: Option<u32>,
    /// The instruction, from the history or the Dockerfile.
    pub instruction: String,
}

impl BuildStep {
    /// `deploy/Dockerfile:23`, where the line is known.
    pub fn place(&self) -> Option<String> {
        self.line.map(|line| format!("{}:{line}", self.file))
    }

    /// Place and instruction, for one line of a report.
    pub fn text(&self) -> String {
        let place = self.place().map(|place| format!("{place}  ")).unwrap_or_default();
        format!("{place}{}", self.instruction)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_of_a_place_come_in_the_order_of_their_texts() {
        let found = |what: What, left: u64| {
            let place = Place::Entry { layer: 0, path: "/a".to_owned() };
            Difference::new(place, Class::TarSecurity, what)
                .between(Some(SideValue::Id(left)), None)
        };
        let mut all = [
            found(What::Uid, 2),
            found(What::Uid, 10),
            found(What::Mode, 1),
            found(What::Xattr("a".to_owned()), 1),
            found(What::PaxRecord("a".to_owned()), 1),
            found(What::OnlyIn(Which::Rebuilt), 1),
        ];
        all.sort_by(Difference::in_reports);
        let texts = all.map(|d| format!("{} {}", d.what, d.left.unwrap()));
        let want =
            ["PAX record a 1", "mode 1", "only in rebuilt 1", "uid 10", "uid 2", "xattr a 1"];
        assert_eq!(texts, want);
    }
}
