//! Image manifests.
//!
//! Holds a configuration and its layers, or an artifact; [`super::document`] reads it. What runs must pass
//! [`Manifest::require_image`]: the same form also carries attestations and signatures.
use std::collections::BTreeMap;

use super::{Checked, Compression, Descriptor, FormatError, ImageConfig, MediaType};
use crate::{amount::plural, digest::ManifestDigest};

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

impl Manifest {
    /// Its layers with the way each is stored, when this is an image that runtimes unpack.
    ///
    /// # Errors
    /// [`FormatError`] when the configuration is no image configuration, when there is no layer, and when a layer is not
    /// a tar stream whose bytes stand in the registry: attestations, and foreign layers, which a runtime fetches from a
    /// URL that no digest check here has seen.
    pub fn image_layers(&self) -> Result<Vec<(&Descriptor, Compression)>, FormatError> {
        if !self.config.media_type.is_config() {
            let found = self.config.media_type.to_string();
            return Err(FormatError::MediaType { what: "config of an image manifest", found });
        }
        if self.layers.is_empty() {
            let why = "it has no layers, an image has at least one".to_owned();
            return Err(FormatError::Malformed { what: "image manifest", why });
        }
        self.layers.iter().map(|layer| stored(layer).map(|how| (layer, how))).collect()
    }

    /// That this is an image, and that its configuration speaks about as many layers as it has.
    ///
    /// # Errors
    /// As [`Manifest::image_layers`]; [`FormatError::Malformed`] when `config` lists more or fewer diffIDs.
    pub fn require_image(&self, config: &ImageConfig) -> Result<(), FormatError> {
        let (layers, claimed) = (self.image_layers()?.len(), config.diff_ids.len());
        if layers != claimed {
            let layers = plural(layers, "layer");
            let why = format!("it lists {} for {layers}", plural(claimed, "diff_id"));
            return Err(FormatError::Malformed { what: "image configuration", why });
        }
        Ok(())
    }
}

/// How a layer is stored.
fn stored(layer: &Descriptor) -> Result<Compression, FormatError> {
    let name = layer.media_type.as_str();
    let foreign = name.contains(".nondistributable.") || name.contains(".foreign.");
    let what = if foreign {
        "foreign layer, which a runtime fetches from elsewhere,"
    } else {
        "layer of an image manifest"
    };
    let found = || FormatError::MediaType { what, found: name.to_owned() };
    layer.media_type.layer_compression().ok_or_else(found)
}
