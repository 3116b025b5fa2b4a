//! An image as the OCI image specification v1.1 describes it: index, manifest, configuration, layers.
//!
//! Turns bytes whose digest has been checked into types that need no further checking. Docker's schema 2 types, which
//! have the same form under other media types, are read too; schema 1 is refused. Nothing here does I/O.

pub mod append;
mod asides;
pub mod check;
pub mod collect;
pub mod config;
pub mod document;
pub mod gzip;
mod hashing;
pub mod index;
pub mod layer;
mod magic;
pub mod manifest;
pub mod media_type;
pub mod platform;
pub mod rootfs;
pub mod tar;
mod wire;

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;

pub use append::append_layer;
pub use config::{History, ImageConfig, RuntimeConfig};
pub use document::Document;
pub use index::Index;
pub use manifest::Manifest;
pub use media_type::{Compression, MediaType};
pub use platform::{Fit, Platform, Stated, StatedError};
pub use wire::folded;

use crate::{
    digest::{Algorithm, BlobDigest, Digest, Hasher, ManifestDigest},
    reference::PinnedReference,
};

/// A pointer to content: what it is, how long it is, what it hashes to (image-spec v1.1, descriptor.md).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// What kind of content.
    pub media_type: MediaType,
    /// What the content hashes to.
    pub digest: BlobDigest,
    /// Length of the content in bytes.
    pub size: u64,
    /// The platform of a manifest, in an index.
    pub platform: Option<Platform>,
    /// Whether a runtime may pass it over although the platform is its own: it asks for more, `os.version` or `os.features`, or is
    /// written in another way than runtimes write it that do not bring names into one form (containers/image).
    pub selective: bool,
    /// The artifact type, in an index or a list of referrers. Registries get it wrong: a hint only.
    pub artifact_type: Option<String>,
    /// Annotations, sorted.
    pub annotations: BTreeMap<String, String>,
}

impl Descriptor {
    /// Reads a descriptor, as an index has it.
    ///
    /// # Errors
    /// [`FormatError`] where it is none.
    pub fn from_json(value: serde_json::Value) -> Result<Self, FormatError> {
        wire::descriptor(value)
    }

    /// As an index has it.
    pub fn json(&self) -> serde_json::Value {
        let Self { media_type, digest, size, platform, artifact_type, annotations, .. } = self;
        let mut object = serde_json::json!({
            "mediaType": media_type.as_str(), "digest": digest.to_string(), "size": size,
        });
        let platform = platform.as_ref().map(|platform| {
            let Platform { os, architecture, variant } = platform;
            serde_json::json!({ "os": os, "architecture": architecture, "variant": variant })
        });
        let annotations = (!annotations.is_empty()).then(|| serde_json::json!(annotations));
        let artifact_type = artifact_type.as_ref().map(|text| serde_json::json!(text));
        let members =
            [("platform", platform), ("artifactType", artifact_type), ("annotations", annotations)];
        for (name, value) in members {
            if let Some(value) = value {
                object[name] = value;
            }
        }
        object
    }
}

/// An image: its bytes hash to its descriptors, its sizes are within limits, and its platform is chosen. What the images of one
/// index have in common is there once.
#[derive(Debug, Clone)]
pub struct Image {
    /// Where it came from; its digest names the index where there is one, else the manifest.
    pub reference: PinnedReference,
    /// The index that lists the manifest, when the reference names one.
    pub index: Option<Arc<Index>>,
    /// The other indexes on the ways from the reference to the manifest, the outermost first.
    pub outer: Vec<Arc<Index>>,
    /// The manifest of the chosen platform.
    pub manifest: Manifest,
    /// The configuration that the manifest names.
    pub config: Arc<ImageConfig>,
    /// The chosen platform, from the configuration, or from the index where that is silent.
    pub platform: Platform,
    /// The other manifests that the reference lists and that were not chosen with this one.
    pub left_out: Arc<Vec<LeftOut>>,
}

impl Image {
    /// Every index on the ways from the reference to the manifest, the outermost first.
    pub fn indexes(&self) -> impl Iterator<Item = &Index> {
        self.outer.iter().chain(&self.index).map(Arc::as_ref)
    }

    /// Every document that a signature over this image can be about: the indexes, the outermost first, and the manifest.
    pub fn documents(&self) -> impl Iterator<Item = &Checked<ManifestDigest>> {
        self.indexes().map(|index| &index.document).chain([&self.manifest.document])
    }
}

/// A manifest or index that a reference lists and that is not judged, because only other platforms were asked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeftOut {
    /// Its platform, where it is said.
    pub platform: Option<Platform>,
    /// Its digest.
    pub manifest: ManifestDigest,
}

impl std::fmt::Display for LeftOut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.platform {
            Some(platform) => write!(f, "{platform}  {}", self.manifest),
            None => write!(f, "no platform  {}", self.manifest),
        }
    }
}

/// Bytes of a document together with the digest that they were checked against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked<D> {
    /// The digest that the bytes hash to.
    pub digest: D,
    /// The bytes, exactly as stored.
    pub bytes: Bytes,
}

impl<D> Checked<D> {
    /// The digests of the bytes by both accepted algorithms, whichever of them names the document.
    pub fn digests(&self) -> [Digest; 2] {
        let mut sha512 = Hasher::new(Algorithm::Sha512);
        sha512.update(&self.bytes);
        [Digest::sha256(&self.bytes), sha512.finish()]
    }
}

/// Why bytes are not the image document that they claim to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// The bytes hash to something else.
    #[error("{what} hashes to {found}, not to {expected}")]
    Digest {
        /// Which document.
        what: &'static str,
        /// What should have come out.
        expected: crate::digest::Digest,
        /// What came out.
        found: crate::digest::Digest,
    },
    /// The document has another length than its descriptor says.
    #[error("{what} has {found} bytes, its descriptor says {expected}")]
    Size {
        /// Which document.
        what: &'static str,
        /// Length in the descriptor, in bytes.
        expected: u64,
        /// Length found, in bytes.
        found: u64,
    },
    /// Not JSON, or not of the form of its media type.
    #[error("{what} is malformed: {why}")]
    Malformed {
        /// Which document.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// A media type that nobody here can judge.
    #[error("{what} has the media type {found:?}, which hallmark cannot judge")]
    MediaType {
        /// Which document.
        what: &'static str,
        /// The media type as written.
        found: String,
    },
    /// Larger or more numerous than hallmark reads.
    #[error("{what} has {found} {unit}, {} is {limit}", crate::limits::key(.limit_name))]
    Limit {
        /// Which document.
        what: &'static str,
        /// How many there are.
        found: u64,
        /// Of what.
        unit: &'static str,
        /// How many are read.
        limit: u64,
        /// The name of the limit in `hallmark.yaml`.
        limit_name: &'static str,
    },
}

#[cfg(test)]
mod tests;
