//! Image indexes.
//!
//! Lists one manifest for each platform, and attestation manifests; [`super::document`] reads it.
use std::collections::BTreeMap;

use super::{Checked, Descriptor, MediaType};
use crate::digest::ManifestDigest;

/// A list of manifests, one for each platform, and of attestation manifests (image-spec v1.1, image-index.md).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// Digest and bytes.
    pub document: Checked<ManifestDigest>,
    /// Its media type: OCI index or Docker manifest list.
    pub media_type: MediaType,
    /// What it lists, in order.
    pub manifests: Vec<Descriptor>,
    /// Annotations, sorted.
    pub annotations: BTreeMap<String, String>,
}
