//! The OCI layout that an engine wrote, and two things that are done to it afterwards.
//!
//! Turns the layout into one in which layers that come from the base by digest are stored as the base stores them, and
//! which ends with the published image's embedded build manifest, where there is one. Refuses layouts that hold anything
//! but one image. Neither step can change content: a stored layer is exchanged only for one of the same diffID, and the
//! embedded layer is written anew from the file.

use std::{collections::BTreeSet, io, path::Path};

use bytes::Bytes;
use serde_json::{Value, json};

use super::{EngineSettings, store::Store};
use crate::{
    attest::provenance::embedded::{self, EmbeddedManifest},
    digest::{BlobDigest, ConfigDigest, Digest, ManifestDigest},
    image::{Checked, Descriptor, Document, FormatError, ImageConfig, Manifest, folded},
    json,
    limits::Limits,
    rebuild::{EmbeddedLayer, Plan, pins::Base},
    reference::Location,
    scratch::beneath::Beneath,
    source::{self, RegistrySettings, Source, SourceError, SourceSettings, Spool},
};

/// The file of a layout that names its manifests.
const INDEX: &str = "index.json";

/// Why a layout cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// A file is missing or cannot be written.
    #[error("the rebuilt layout: {0}")]
    Io(#[from] io::Error),
    /// A document is not of its form.
    #[error("the rebuilt image: {0}")]
    Format(#[from] FormatError),
    /// `index.json` does not name one manifest.
    #[error("the rebuilt layout does not hold exactly one image")]
    NotOne,
    /// The base image could not be read again.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The build manifest cannot be read, or cannot be added.
    #[error("the embedded build manifest: {0}")]
    Embedded(String),
}

/// A layout with one image, in a folder that a builder could write.
pub struct Layout<'a> {
    folder: Beneath,
    limits: &'a Limits,
    manifest: Manifest,
    config: ImageConfig,
}

impl<'a> Layout<'a> {
    /// Reads manifest and configuration.
    ///
    /// # Errors
    /// See [`LayoutError`].
    pub fn open(folder: &Path, limits: &'a Limits) -> Result<Self, LayoutError> {
        Self::read(Beneath::open(folder)?, limits)
    }

    fn read(folder: Beneath, limits: &'a Limits) -> Result<Self, LayoutError> {
        let most = limits.manifest_bytes as u64;
        let index: Value = serde_json::from_slice(&folder.read(Path::new(INDEX), most)?)
            .map_err(|_| LayoutError::NotOne)?;
        let Some([only]) = index.get("manifests").and_then(Value::as_array).map(Vec::as_slice)
        else {
            return Err(LayoutError::NotOne);
        };
        let digest = only.get("digest").and_then(Value::as_str).and_then(|d| d.parse().ok());
        let digest: ManifestDigest = digest.ok_or(LayoutError::NotOne)?;
        let bytes = Bytes::from(folder.read(&blob_path(digest.digest()), most)?);
        let manifest = Manifest::parse(Checked::new("manifest", digest, bytes)?, None, limits)?;
        let config = manifest.config.digest.digest();
        let most = limits.config_bytes as u64;
        let bytes = Bytes::from(folder.read(&blob_path(config), most)?);
        let named = ConfigDigest::new(config.clone());
        let config = ImageConfig::parse(Checked::new("configuration", named, bytes)?, limits)?;
        Ok(Self { folder, limits, manifest, config })
    }

    /// Stores layers of the base as the base stores them, where the published image has them so. Which compressor wrote a
    /// base layer is then no difference, as it is none for a builder that pushes to the base's own registry.
    ///
    /// # Errors
    /// See [`LayoutError`].
    pub async fn inherit(
        self,
        bases: &[Base],
        plan: &Plan,
        store: &Store,
        work: &Path,
    ) -> Result<Self, LayoutError> {
        let mut layout = self;
        let spool = Spool::inside(work)?;
        for base in bases {
            let location = Location::Layout(store.layout().to_owned());
            let source = source::open(&location, &SourceSettings::default(), layout.limits).await?;
            let digest = ManifestDigest::new(base.digest.clone());
            let Some(base) = manifest_of(&*source, &digest, plan, layout.limits).await? else {
                continue;
            };
            let limit = layout.limits.config_bytes;
            let bytes = source.small_blob(&base.config, limit).await?;
            let named = ConfigDigest::new(base.config.digest.digest().clone());
            let config = Checked::new("configuration", named, bytes)?;
            let config = ImageConfig::parse(config, layout.limits)?;
            for (own, stored) in layout.exchanges(&base, &config, plan) {
                let blob = source.blob(&stored, &spool).await?;
                let mut file = layout.folder.create(&blob_path(stored.digest.digest()))?;
                io::copy(&mut blob.open()?, &mut file)?;
                layout = layout.exchange(&own, &stored)?;
            }
        }
        Ok(layout)
    }

    /// Pairs of a rebuilt layer and the base's form of it: same place, same diffID, and published in the base's form.
    fn exchanges(
        &self,
        base: &Manifest,
        config: &ImageConfig,
        plan: &Plan,
    ) -> Vec<(Descriptor, Descriptor)> {
        if !self.config.diff_ids.starts_with(&config.diff_ids) {
            return Vec::new();
        }
        let own = self.manifest.layers.iter().zip(&base.layers).zip(&plan.published_layers);
        own.filter(|((own, stored), published)| {
            own.digest != stored.digest
                && own.media_type == stored.media_type
                && stored.digest == **published
        })
        .map(|((own, stored), _)| (own.clone(), stored.clone()))
        .collect()
    }

    /// Exchanges one descriptor in the manifest's text, so that everything else keeps its bytes.
    fn exchange(self, own: &Descriptor, stored: &Descriptor) -> Result<Self, LayoutError> {
        let form = |d: &Descriptor| format!("\"digest\":\"{}\",\"size\":{}", d.digest, d.size);
        let text = String::from_utf8_lossy(&self.manifest.document.bytes).into_owned();
        let (old, new) = (form(own), form(stored));
        // A builder that writes its manifests in another form keeps its own compression.
        if text.matches(&old).count() != 1 {
            return Ok(self);
        }
        self.replace(text.replace(&old, &new).as_bytes())
    }

    /// Adds the published image's build manifest as the last layer.
    ///
    /// # Errors
    /// See [`LayoutError`].
    pub fn embed(self, layer: &EmbeddedLayer) -> Result<Self, LayoutError> {
        let wrong = |e: &dyn std::fmt::Display| LayoutError::Embedded(e.to_string());
        let file =
            EmbeddedManifest::parse(layer.manifest.clone(), self.limits).map_err(|e| wrong(&e))?;
        let has_folder = |folder: &str| !layer.folders.contains(folder);
        let added = embedded::embed(&self.manifest, &self.config, &file, &has_folder, self.limits)
            .map_err(|e| wrong(&e))?;
        self.write(&added.layer)?;
        self.write(&added.config.document.bytes)?;
        self.replace(&added.manifest.document.bytes)
    }

    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        self.folder.write(&blob_path(BlobDigest::of(bytes).digest()), bytes)
    }

    /// Makes these bytes the layout's only manifest.
    fn replace(self, manifest: &[u8]) -> Result<Self, LayoutError> {
        self.write(manifest)?;
        let digest = ManifestDigest::of(manifest);
        let entry = json!({
            "digest": digest.to_string(),
            "mediaType": self.manifest.media_type.as_str(),
            "size": manifest.len(),
        });
        let index = json!({ "manifests": [entry], "schemaVersion": 2 });
        self.folder.write(Path::new(INDEX), index.to_string().as_bytes())?;
        Self::read(self.folder, self.limits)
    }
}

/// The base's manifest for the plan's platform.
async fn manifest_of(
    source: &dyn Source,
    digest: &ManifestDigest,
    plan: &Plan,
    limits: &Limits,
) -> Result<Option<Manifest>, LayoutError> {
    let stored = source.manifest(digest).await?;
    let index = match Document::parse(stored.document, stored.media_type.as_ref(), limits)? {
        Document::Manifest(manifest) => return Ok(Some(manifest)),
        Document::Index(index) => index,
    };
    let fits = |d: &&Descriptor| d.platform.as_ref().is_some_and(|p| p.serves(&plan.platform));
    let Some(chosen) = index.manifests.iter().find(fits) else { return Ok(None) };
    let digest = ManifestDigest::new(chosen.digest.digest().clone());
    let stored = source.manifest(&digest).await?;
    Ok(Some(Manifest::parse(stored.document, Some(&chosen.media_type), limits)?))
}

/// Where a layout has a blob (image-spec v1.1, image-layout.md).
fn blob_path(digest: &Digest) -> std::path::PathBuf {
    Path::new("blobs").join(digest.algorithm().name()).join(digest.hex())
}

/// How many `ONBUILD` instructions a base in the store holds, in the image that a builder takes of it, whichever that is.
///
/// # Errors
/// It cannot be read.
pub(super) async fn triggers(
    store: &Store,
    base: &Base,
    limits: &Limits,
) -> Result<usize, LayoutError> {
    let location = Location::Layout(store.layout().to_owned());
    let source = source::open(&location, &SourceSettings::default(), limits).await?;
    let digest = ManifestDigest::new(base.digest.clone());
    let stored = source.manifest(&digest).await?;
    let index = match Document::parse(stored.document, stored.media_type.as_ref(), limits)? {
        Document::Manifest(manifest) => return triggers_of(&*source, &manifest, limits).await,
        Document::Index(index) => index,
    };
    let mut found = 0;
    // Builders differ in which platforms they take for the wanted one, and take only what the store holds.
    for child in &index.manifests {
        let digest = ManifestDigest::new(child.digest.digest().clone());
        if !store.layout().join(blob_path(digest.digest())).exists() {
            continue;
        }
        let stored = source.manifest(&digest).await?;
        let manifest = Manifest::parse(stored.document, Some(&child.media_type), limits)?;
        found += triggers_of(&*source, &manifest, limits).await?;
    }
    Ok(found)
}

async fn triggers_of(
    source: &dyn Source,
    manifest: &Manifest,
    limits: &Limits,
) -> Result<usize, LayoutError> {
    let bytes = source.small_blob(&manifest.config, limits.config_bytes).await?;
    let config: Value = json::from_slice(&bytes, bytes.len())
        .map_err(|e| LayoutError::Io(io::Error::new(io::ErrorKind::InvalidData, e)))?;
    Ok(instructions(&config))
}

/// Instructions under any key that a reader without regard to case takes for `OnBuild`, wherever it stands.
fn instructions(value: &Value) -> usize {
    match value {
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| match value {
                Value::Array(all) if folded(key) == "onbuild" => all.len(),
                other => instructions(other),
            })
            .sum(),
        Value::Array(all) => all.iter().map(instructions).sum(),
        _ => 0,
    }
}

/// How registries are reached for the inputs of builds: without the operator's logins, which are for images that he asked for.
pub(super) fn registries(settings: &EngineSettings) -> SourceSettings {
    let ca = |host: &str| {
        let mut all = settings.certificate_authorities.iter();
        all.find(|(of, _)| of == host).map(|(_, path)| path.clone())
    };
    let own = settings.certificate_authorities.iter().map(|(host, _)| host);
    let hosts: BTreeSet<&String> =
        settings.plain_http.iter().chain(&settings.listed).chain(own).collect();
    let registries = hosts.into_iter().map(|host| RegistrySettings {
        ca: ca(host),
        host: host.clone(),
        plain_http: settings.plain_http.contains(host),
        auth_hosts: Vec::new(),
    });
    SourceSettings {
        registries: registries.collect(),
        unlisted: settings.unlisted,
        proxy: settings.proxy.clone(),
        no_proxy: settings.no_proxy.clone(),
        ..SourceSettings::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g8_triggers_are_found_under_every_key_that_a_builder_takes_for_theirs() {
        for (config, want) in [
            (r#"{"config":{"OnBuild":["RUN a","RUN b"]}}"#, 2),
            (r#"{"config":{"onbuild":["RUN a"]}}"#, 1),
            (r#"{"Config":{"ONBUILD":["RUN a"]},"config":{"onBuild":["RUN b"]}}"#, 2),
            (r#"{"config":{"OnBuild":[]}}"#, 0),
            (r#"{"config":{"OnBuild":null,"Labels":{"onbuild":"RUN a"}}}"#, 0),
            (r#"{"rootfs":{"diff_ids":["a"]}}"#, 0),
        ] {
            assert_eq!(instructions(&serde_json::from_str(config).unwrap()), want, "{config}");
        }
    }
}
