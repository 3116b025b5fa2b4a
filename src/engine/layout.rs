//! The OCI layout that an engine wrote, and two things that are done to it afterwards.
//!
//! Turns the layout into one in which layers that come from the base by digest are stored as the base stores them, and
//! which ends with the published image's embedded build manifest, where there is one. Refuses layouts that hold anything
//! but one image. Neither step can change content: a stored layer is exchanged only for one of the same diffID, and the
//! embedded layer is written anew from the file.

use std::{collections::BTreeSet, fs, io, path::Path};

use bytes::Bytes;
use serde_json::{Value, json};

use super::{EngineSettings, store::Store};
use crate::{
    attest::provenance::embedded::{self, EmbeddedManifest},
    digest::{BlobDigest, ConfigDigest, Digest, ManifestDigest},
    image::{Checked, Descriptor, Document, FormatError, ImageConfig, Manifest},
    limits::Limits,
    rebuild::{EmbeddedLayer, Plan, pins::Base},
    reference::Location,
    source::{self, RegistrySettings, Source, SourceError, SourceSettings, Spool},
};

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

/// A layout with one image.
pub struct Layout<'a> {
    folder: &'a Path,
    limits: &'a Limits,
    manifest: Manifest,
    config: ImageConfig,
}

impl<'a> Layout<'a> {
    /// Reads manifest and configuration.
    ///
    /// # Errors
    /// See [`LayoutError`].
    pub fn open(folder: &'a Path, limits: &'a Limits) -> Result<Self, LayoutError> {
        let index: Value = serde_json::from_slice(&fs::read(folder.join("index.json"))?)
            .map_err(|_| LayoutError::NotOne)?;
        let Some([only]) = index.get("manifests").and_then(Value::as_array).map(Vec::as_slice)
        else {
            return Err(LayoutError::NotOne);
        };
        let digest = only.get("digest").and_then(Value::as_str).and_then(|d| d.parse().ok());
        let digest: ManifestDigest = digest.ok_or(LayoutError::NotOne)?;
        let bytes = Bytes::from(fs::read(blob_path(folder, digest.digest()))?);
        let manifest = Manifest::parse(Checked::new("manifest", digest, bytes)?, None, limits)?;
        let config = manifest.config.digest.digest();
        let bytes = Bytes::from(fs::read(blob_path(folder, config))?);
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
                let file = blob_path(layout.folder, stored.digest.digest());
                io::copy(&mut blob.open()?, &mut fs::File::create(file)?)?;
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
        fs::write(blob_path(self.folder, BlobDigest::of(bytes).digest()), bytes)
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
        fs::write(self.folder.join("index.json"), index.to_string())?;
        Self::open(self.folder, self.limits)
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

fn blob_path(folder: &Path, digest: &Digest) -> std::path::PathBuf {
    folder.join("blobs").join(digest.algorithm().name()).join(digest.hex())
}

/// The engine's registries, as the source module wants them.
/// How many `ONBUILD` instructions a base in the store holds.
///
/// # Errors
/// It cannot be read.
pub(super) async fn triggers(
    store: &Store,
    base: &Base,
    plan: &Plan,
    limits: &Limits,
) -> Result<usize, LayoutError> {
    let location = Location::Layout(store.layout().to_owned());
    let source = source::open(&location, &SourceSettings::default(), limits).await?;
    let digest = ManifestDigest::new(base.digest.clone());
    let Some(manifest) = manifest_of(&*source, &digest, plan, limits).await? else { return Ok(0) };
    let bytes = source.small_blob(&manifest.config, limits.config_bytes).await?;
    let config: Value = serde_json::from_slice(&bytes).map_err(|_| LayoutError::NotOne)?;
    let all = config.pointer("/config/OnBuild").and_then(Value::as_array);
    Ok(all.map_or(0, Vec::len))
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
