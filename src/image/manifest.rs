//! Image manifests.
use std::collections::BTreeMap;

use super::{Checked, Descriptor, MediaType};
use crate::digest::ManifestDigest;

/// A manifest: a configuration and its layers, or an artifact (image-spec v1.1, manifest.md).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Digest and bytes.
    pub document: Checked<ManifestDigest>,
    /// Its media type: OCI or Docker schema 2.
    pub media_type: MediaType,
    /// What kind of artifact it is, if it is one.
    pub artifact_type: Option<String>,
    /// The configuration.
    pub config: Descriptor,
    /// The layers, base first.
    pub layers: Vec<Descriptor>,
    /// What it refers to.
    pub subject: Option<Descriptor>,
    /// Annotations, sorted.
    pub annotations: BTreeMap<String, String>,
}
