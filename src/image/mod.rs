//! An image as the OCI image specification v1.1 describes it: index, manifest, configuration, layers.
//!
//! Turns bytes whose digest has been checked into types that need no further checking. Docker's schema 2 types, which
//! have the same form under other media types, are read too; schema 1 is refused. Nothing here does I/O.

pub mod append;
pub mod check;
pub mod config;
pub mod document;
pub mod gzip;
pub mod index;
pub mod layer;
pub mod manifest;
pub mod media_type;
pub mod platform;
pub mod rootfs;
pub mod tar;
mod wire;

use std::collections::BTreeMap;

use bytes::Bytes;

pub use append::append_layer;
pub use config::{History, ImageConfig, RuntimeConfig};
pub use document::Document;
pub use index::Index;
pub use manifest::Manifest;
pub use media_type::{Compression, MediaType};
pub use platform::Platform;

use crate::{digest::BlobDigest, reference::PinnedReference};

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
    /// The artifact type, in an index or a list of referrers. Registries get it wrong: a hint only.
    pub artifact_type: Option<String>,
    /// Annotations, sorted.
    pub annotations: BTreeMap<String, String>,
}

/// An image: its bytes hash to its descriptors, its sizes are within limits, and its platform is chosen.
#[derive(Debug, Clone)]
pub struct Image {
    /// Where it came from; its digest names the index where there is one, else the manifest.
    pub reference: PinnedReference,
    /// The index that lists the manifest, when the reference names one.
    pub index: Option<Index>,
    /// The manifest of the chosen platform.
    pub manifest: Manifest,
    /// The configuration that the manifest names.
    pub config: ImageConfig,
    /// The chosen platform, from the configuration.
    pub platform: Platform,
}

/// Bytes of a document together with the digest that they were checked against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked<D> {
    /// The digest that the bytes hash to.
    pub digest: D,
    /// The bytes, exactly as stored.
    pub bytes: Bytes,
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
