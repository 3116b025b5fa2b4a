//! What an image says it contains, what it does contain, and whether they agree.
//!
//! Turns SPDX 2.2/2.3 JSON and CycloneDX 1.2 to 1.6 JSON into one [`Sbom`], the package databases of the root filesystem
//! into an [`Inventory`], and both into a [`Reconciliation`]. A document that names nothing is an error, never
//! "0 components, all fine". Nothing here does I/O.

pub mod cyclonedx;
pub mod installed;
pub mod reconcile;
pub mod spdx;

use crate::digest::{Digest, ManifestDigest};

/// A bill of materials, whatever its format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sbom {
    /// Which format and version, as `SPDX-2.3` or `CycloneDX-1.5`.
    pub format: String,
    /// Name of the document or of its main component.
    pub name: Option<String>,
    /// Creation time as written.
    pub created: Option<String>,
    /// Tools that made it.
    pub tools: Vec<String>,
    /// What it lists, sorted, without the entry that stands for the image itself.
    pub components: Vec<Component>,
    /// Digests by which the document itself names the image, where it does.
    pub names_image: Vec<Digest>,
    /// Digest of the document's bytes.
    pub document: Digest,
}

/// Something that an SBOM lists.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Component {
    /// Package URL, where one is given.
    pub purl: Option<String>,
    /// Ecosystem from the purl's type: `deb`, `apk`, `cargo` …
    pub ecosystem: Option<String>,
    /// Name.
    pub name: String,
    /// Version as written.
    pub version: Option<String>,
}

/// What is really in the squashed root filesystem.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Inventory {
    /// `ID` and `VERSION_ID` of os-release.
    pub os: Option<Os>,
    /// Installed packages, sorted.
    pub packages: Vec<Package>,
    /// Package databases that were read, and those that could not be.
    pub databases: Vec<Database>,
}

/// The distribution, from `/etc/os-release` or `/usr/lib/os-release`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Os {
    /// `ID`, as `debian`.
    pub id: String,
    /// `VERSION_ID`, as `12`.
    pub version: Option<String>,
}

/// An installed package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Package {
    /// `deb` or `apk`.
    pub ecosystem: &'static str,
    /// Name.
    pub name: String,
    /// Version, with its epoch.
    pub version: String,
    /// Architecture.
    pub architecture: Option<String>,
    /// Path of the database that lists it.
    pub database: String,
}

/// A package database in the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Database {
    /// Path from the root, with a leading slash.
    pub path: String,
    /// How many packages it lists, or why it cannot be read.
    pub read: Result<usize, String>,
}

/// How an SBOM and an inventory agree.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reconciliation {
    /// Digest of the SBOM document.
    pub sbom: Option<Digest>,
    /// Packages in both, with equal versions.
    pub matched: usize,
    /// In the image and not in the SBOM.
    pub missing: Vec<Package>,
    /// In the SBOM, of an ecosystem whose database was read, and not in the image.
    pub ghosts: Vec<Component>,
    /// In both, with different versions.
    pub versions: Vec<VersionMismatch>,
    /// Components of ecosystems that no database here speaks about: neither confirmed nor denied.
    pub unchecked: usize,
}

/// A package whose version differs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct VersionMismatch {
    /// What is in the image.
    pub installed: Package,
    /// What the SBOM says.
    pub claimed: String,
}

impl Reconciliation {
    /// Whether nothing is missing, extra or different.
    pub fn agrees(&self) -> bool {
        self.missing.is_empty() && self.ghosts.is_empty() && self.versions.is_empty()
    }
}

/// Why a document is no SBOM that can be judged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SbomError {
    /// Neither SPDX JSON nor CycloneDX JSON.
    #[error("the document is neither SPDX 2.2/2.3 JSON nor CycloneDX JSON: {0}")]
    UnknownFormat(String),
    /// A version that is not read.
    #[error("{format} version {version:?} is not supported")]
    Version {
        /// `SPDX` or `CycloneDX`.
        format: &'static str,
        /// As written.
        version: String,
    },
    /// Not of the form that its version asks for.
    #[error("the {format} document is malformed: {why}")]
    Malformed {
        /// `SPDX` or `CycloneDX`.
        format: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// It lists nothing.
    #[error("the {format} document lists no component")]
    Empty {
        /// `SPDX` or `CycloneDX`.
        format: &'static str,
    },
    /// More components than are read.
    #[error("the document lists {found} components, the limit packages is {limit}")]
    TooMany {
        /// How many it lists.
        found: usize,
        /// How many are read.
        limit: usize,
    },
}

/// An SBOM and the digest that its carrier or statement binds it to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoundSbom {
    /// The document.
    pub sbom: Sbom,
    /// The image that it was attached to.
    pub subject: ManifestDigest,
}
