//! From a digest to images.
//!
//! Turns a pinned reference into [`Image`]s: fetches index, manifest and configuration, checks that each is what the one
//! before it says, and chooses platforms (image-spec v1.1, image-index.md). Attestation manifests are never chosen.
//! Where two manifests claim the platform that is asked for, a runtime may take either, so both are given. Refuses
//! indexes that are nested too deep or list themselves, and configurations that are for another platform than the
//! index says: one program goes by the index, another by the configuration.

use std::{
    collections::{BTreeSet, VecDeque},
    io::{self, Read},
    sync::Arc,
};

use futures_util::{StreamExt, TryStreamExt, future, stream};

use super::{
    Blob, LookAhead, Source, SourceError, SourceSettings, Spool, discover::attestation_entries,
    manifest_digest,
};
use crate::{
    compare::Layers,
    digest::{BlobDigest, ConfigDigest, ManifestDigest},
    image::{
        Checked, Compression, Descriptor, Document, FormatError, Image, ImageConfig, Index,
        Manifest, Platform,
    },
    limits::Limits,
    progress::{Talk, Underway},
    reference::{Location, PinnedReference},
};

/// Requests of one image that run at the same time.
pub(super) const CONCURRENT: usize = 8;
/// Layers that are fetched at the same time: they share one line, and each takes buffers.
pub(super) const CONCURRENT_LAYERS: usize = 4;

/// Which platforms of an image are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum PlatformChoice {
    /// The platform of this machine; an image that has no index is taken as it is.
    #[default]
    Host,
    /// This one.
    One(Platform),
    /// Every one that can be run.
    All,
}

/// Fetches and checks the images that `reference` names, at least one. The order is that of the index.
///
/// # Errors
/// When a document is missing, is not what its descriptor says, or has nothing for the chosen platform.
pub async fn load(
    source: &dyn Source,
    reference: &PinnedReference,
    choice: &PlatformChoice,
    limits: &Limits,
) -> Result<Vec<Image>, SourceError> {
    Loader { source, reference, limits, ahead: false }.load(choice).await
}

/// As [`load`], for who will ask for what is attached to the images: that is fetched at the same time.
///
/// # Errors
/// As [`load`].
pub async fn load_ahead(
    source: &dyn Source,
    reference: &PinnedReference,
    choice: &PlatformChoice,
    limits: &Limits,
) -> Result<Vec<Image>, SourceError> {
    Loader { source, reference, limits, ahead: true }.load(choice).await
}

/// A manifest that an index lists as an image.
struct Candidate {
    index: Arc<Index>,
    descriptor: Descriptor,
}

/// An index whose entries are still to be looked at.
struct Level {
    index: Arc<Index>,
    /// Digests of the indexes around it, and its own.
    path: Vec<ManifestDigest>,
}

struct Loader<'a> {
    source: &'a dyn Source,
    reference: &'a PinnedReference,
    limits: &'a Limits,
    /// Whether what is attached to the images will be wanted.
    ahead: bool,
}

impl Loader<'_> {
    async fn load(&self, choice: &PlatformChoice) -> Result<Vec<Image>, SourceError> {
        match self.document(&self.reference.digest, None).await? {
            Document::Manifest(manifest) => {
                let digest = manifest.document.digest.clone();
                let image = self.image(manifest, None, None);
                let (image, ()) = future::join(image, self.look_ahead(digest, None)).await;
                let image = image?;
                match choice {
                    PlatformChoice::One(wanted) if !image.platform.serves(wanted) => {
                        Err(self.platform_missing(wanted, [&image.platform]))
                    }
                    _ => Ok(vec![image]),
                }
            }
            Document::Index(index) => {
                let candidates = self.candidates(index).await?;
                match choice {
                    PlatformChoice::All => self.every(candidates).await,
                    PlatformChoice::One(wanted) => self.serving(candidates, wanted).await,
                    PlatformChoice::Host => self.serving(candidates, &Platform::host()).await,
                }
            }
        }
    }

    /// Fetches what may be attached to a manifest, if it will be wanted.
    async fn look_ahead(&self, manifest: ManifestDigest, index: Option<&Index>) {
        if !self.ahead {
            return;
        }
        let entries = index.into_iter().flat_map(|i| attestation_entries(i, &manifest));
        let manifests = entries.map(manifest_digest).collect();
        let index = index.map(|index| index.document.digest.clone());
        let subjects = [Some(manifest), index, Some(self.reference.digest.clone())];
        let subjects = subjects.into_iter().flatten().collect();
        self.source.look_ahead(&LookAhead { subjects, manifests }).await;
    }

    fn place(&self) -> String {
        self.source.location().to_string()
    }

    fn format(&self, error: FormatError) -> SourceError {
        SourceError::Format { place: self.place(), error }
    }

    fn malformed(&self, what: &'static str, why: String) -> SourceError {
        self.format(FormatError::Malformed { what, why })
    }

    /// The manifest or index of this digest, checked against the descriptor that names it, if one does.
    async fn document(
        &self,
        digest: &ManifestDigest,
        named_by: Option<&Descriptor>,
    ) -> Result<Document, SourceError> {
        let stored = self.source.manifest(digest).await.map_err(|error| match error {
            // What an index lists and the store lacks is a hole in the image, not a wrong name.
            SourceError::NotFound { what, place } if named_by.is_some() => {
                SourceError::BlobMissing { what, place }
            }
            other => other,
        })?;
        let found = stored.document.bytes.len() as u64;
        if let Some(descriptor) = named_by
            && descriptor.size != found
        {
            let expected = descriptor.size;
            return Err(self.format(FormatError::Size { what: "manifest", expected, found }));
        }
        let document = Document::parse(stored.document, stored.media_type.as_ref(), self.limits)
            .map_err(|error| self.format(error))?;
        let own = match &document {
            Document::Index(index) => &index.media_type,
            Document::Manifest(manifest) => &manifest.media_type,
        };
        match named_by {
            Some(descriptor) if descriptor.media_type != *own => {
                let stated = &descriptor.media_type;
                Err(self.malformed("manifest", format!("it is {own}, the index says {stated}")))
            }
            _ => Ok(document),
        }
    }

    /// Every entry of the index, and of the indexes in it, that may be an image; each manifest once.
    async fn candidates(&self, index: Index) -> Result<Vec<Candidate>, SourceError> {
        let path = vec![index.document.digest.clone()];
        let mut levels = VecDeque::from([Level { index: Arc::new(index), path }]);
        let mut seen = BTreeSet::new();
        let mut candidates = Vec::new();
        while let Some(level) = levels.pop_front() {
            for descriptor in &level.index.manifests {
                let digest = manifest_digest(descriptor);
                if level.path.contains(&digest) {
                    return Err(self.index_loop(format!("index {digest} lists itself")));
                }
                if !seen.insert(digest) {
                    continue;
                }
                self.bounded(seen.len())?;
                if descriptor.media_type.is_index() {
                    levels.push_back(self.deeper(&level, descriptor).await?);
                } else if may_run(descriptor) {
                    let (index, descriptor) = (Arc::clone(&level.index), descriptor.clone());
                    candidates.push(Candidate { index, descriptor });
                }
            }
        }
        Ok(candidates)
    }

    async fn deeper(&self, level: &Level, descriptor: &Descriptor) -> Result<Level, SourceError> {
        let limit = self.limits.index_depth;
        if level.path.len() >= limit {
            let why = format!(
                "indexes are nested more than {limit} deep ({})",
                crate::limits::key("index_depth")
            );
            return Err(self.index_loop(why));
        }
        let digest = manifest_digest(descriptor);
        match self.document(&digest, Some(descriptor)).await? {
            Document::Index(index) => {
                let path = level.path.iter().cloned().chain([digest]).collect();
                Ok(Level { index: Arc::new(index), path })
            }
            // Unreachable: the descriptor's media type is the document's own.
            Document::Manifest(_) => {
                Err(self.malformed("image index", format!("{digest} is no index")))
            }
        }
    }

    fn index_loop(&self, why: String) -> SourceError {
        SourceError::IndexLoop { place: self.place(), why }
    }

    fn bounded(&self, entries: usize) -> Result<(), SourceError> {
        if entries <= self.limits.index_manifests {
            return Ok(());
        }
        Err(SourceError::Limit {
            place: self.place(),
            what: "the number of manifests in its indexes".to_owned(),
            limit_name: "index_manifests",
            limit: self.limits.index_manifests as u64,
        })
    }

    async fn every(&self, candidates: Vec<Candidate>) -> Result<Vec<Image>, SourceError> {
        let images = self.images(&candidates).await?;
        if images.is_empty() {
            return Err(self.platform_missing(&"any platform", []));
        }
        Ok(images)
    }

    async fn serving(
        &self,
        candidates: Vec<Candidate>,
        wanted: &Platform,
    ) -> Result<Vec<Image>, SourceError> {
        let named: Vec<&Platform> =
            candidates.iter().filter_map(|c| c.descriptor.platform.as_ref()).collect();
        // Of several that serve, one that names just the platform asked for comes first.
        let best = named
            .iter()
            .find(|p| **p == wanted)
            .or_else(|| named.iter().find(|p| p.serves(wanted)));
        if let Some(best) = best.map(|p| (*p).clone()) {
            let chosen: Vec<Candidate> = candidates
                .into_iter()
                .filter(|c| c.descriptor.platform.as_ref() == Some(&best))
                .collect();
            return self.images(&chosen).await;
        }
        let shown: Vec<Platform> = named.into_iter().cloned().collect();
        let unnamed: Vec<Candidate> =
            candidates.into_iter().filter(|c| c.descriptor.platform.is_none()).collect();
        let mut images = self.images(&unnamed).await?;
        let shown: Vec<Platform> =
            shown.into_iter().chain(images.iter().map(|i| i.platform.clone())).collect();
        images.retain(|image| image.platform.serves(wanted));
        if images.is_empty() {
            return Err(self.platform_missing(wanted, &shown));
        }
        Ok(images)
    }

    fn platform_missing<'p>(
        &self,
        wanted: &dyn std::fmt::Display,
        found: impl IntoIterator<Item = &'p Platform>,
    ) -> SourceError {
        let found: BTreeSet<String> = found.into_iter().map(Platform::to_string).collect();
        let found = match found.is_empty() {
            true => "none".to_owned(),
            false => found.into_iter().collect::<Vec<_>>().join(", "),
        };
        SourceError::PlatformMissing { place: self.place(), wanted: wanted.to_string(), found }
    }

    /// Fetches candidates. One that turns out to be an artifact is left out, unless the index gives it a platform.
    async fn images(&self, candidates: &[Candidate]) -> Result<Vec<Image>, SourceError> {
        // Made first: a closure inside the stream would tie its lifetime to every caller's.
        let fetches: Vec<_> = candidates.iter().map(|c| self.candidate(c)).collect();
        let images: Vec<Option<Image>> =
            stream::iter(fetches).buffered(CONCURRENT).try_collect().await?;
        Ok(images.into_iter().flatten().collect())
    }

    async fn candidate(&self, candidate: &Candidate) -> Result<Option<Image>, SourceError> {
        let digest = manifest_digest(&candidate.descriptor);
        let ahead = self.look_ahead(digest, Some(&candidate.index));
        let (image, ()) = future::join(self.candidate_image(candidate), ahead).await;
        image
    }

    async fn candidate_image(&self, candidate: &Candidate) -> Result<Option<Image>, SourceError> {
        let Candidate { index, descriptor } = candidate;
        let digest = manifest_digest(descriptor);
        let Document::Manifest(manifest) = self.document(&digest, Some(descriptor)).await? else {
            return Err(self.malformed("image index", format!("{digest} is no image manifest")));
        };
        let is_image = manifest.config.media_type.is_config();
        if !is_image && descriptor.platform.is_none() {
            return Ok(None);
        }
        self.image(manifest, Some(index), descriptor.platform.as_ref()).await.map(Some)
    }

    async fn image(
        &self,
        manifest: Manifest,
        index: Option<&Index>,
        stated: Option<&Platform>,
    ) -> Result<Image, SourceError> {
        manifest.image_layers().map_err(|error| self.format(error))?;
        let config = self.config(&manifest.config).await?;
        manifest.require_image(&config).map_err(|error| self.format(error))?;
        if let Some(stated) = stated.filter(|stated| !agree(stated, &config.platform)) {
            let own = &config.platform;
            let why = format!("it is for {own}, the index lists it for {stated}");
            return Err(self.malformed("image configuration", why));
        }
        Ok(Image {
            reference: self.reference.clone(),
            index: index.cloned(),
            platform: config.platform.clone(),
            manifest,
            config,
        })
    }

    async fn config(&self, descriptor: &Descriptor) -> Result<ImageConfig, SourceError> {
        let limit = self.limits.config_bytes;
        if descriptor.size > limit as u64 {
            return Err(self.format(FormatError::Limit {
                what: "image configuration",
                found: descriptor.size,
                unit: "bytes",
                limit: limit as u64,
                limit_name: "config_bytes",
            }));
        }
        let bytes = self.source.small_blob(descriptor, limit).await?;
        let digest = ConfigDigest::new(descriptor.digest.digest().clone());
        Checked::new("image configuration", digest, bytes)
            .and_then(|document| ImageConfig::parse(document, self.limits))
            .map_err(|error| self.format(error))
    }
}

/// Whether an entry of an index can be an image: a manifest that is marked neither as an attestation nor as an artifact.
fn may_run(descriptor: &Descriptor) -> bool {
    descriptor.media_type.is_manifest()
        && descriptor.artifact_type.is_none()
        && !descriptor.annotations.contains_key(super::discover::REFERENCE_TYPE)
        && !descriptor.platform.as_ref().is_some_and(Platform::is_unknown)
}

/// Whether two statements about a platform can both be true. Builders leave the variant out of one or the other.
fn agree(a: &Platform, b: &Platform) -> bool {
    let variants = a.variant.is_none() || b.variant.is_none() || a.variant == b.variant;
    a.os == b.os && a.architecture == b.architecture && variants
}

/// Layers of an image as they are stored, base first.
#[derive(Debug, Clone)]
pub struct StoredLayers(pub Vec<Blob>);

impl Layers for StoredLayers {
    /// The bytes are not checked here: the layer reader does.
    fn open(&self, position: usize) -> io::Result<Box<dyn Read + Send>> {
        let blob = self.0.get(position).ok_or_else(|| {
            io::Error::new(io::ErrorKind::NotFound, format!("there is no layer {position}"))
        })?;
        Ok(Box::new(blob.stored()?))
    }
}

/// Fetches the layers of an image, base first, a few at the same time.
///
/// # Errors
/// When a layer is foreign, larger than `layer_bytes`, missing, or not what its descriptor says.
pub async fn fetch_layers(
    source: &dyn Source,
    image: &Image,
    spool: &Spool,
    limits: &Limits,
    talk: &dyn Talk,
) -> Result<Vec<Blob>, LayerLost> {
    let layers = layers_within(source, image, limits)?;
    let _underway = announced(source, &layers, spool, talk);
    let fetch = |(position, (layer, _)): (usize, (&Descriptor, Compression))| {
        let layer = layer.clone();
        async move {
            let fetched = fetch_layer(source, &layer, spool).await;
            fetched.map_err(|error| LayerLost::one(position, &layer, error))
        }
    };
    let fetches: Vec<_> = layers.into_iter().enumerate().map(fetch).collect();
    stream::iter(fetches).buffered(CONCURRENT_LAYERS).try_collect().await
}

/// How large the layers of an image are, as its manifest says: no more of them is ever read.
pub fn stored_bytes(image: &Image) -> u64 {
    image.manifest.layers.iter().fold(0, |sum: u64, layer| sum.saturating_add(layer.size))
}

/// The layers of an image, none of which is foreign or larger than what is read.
pub(super) fn layers_within<'i>(
    source: &dyn Source,
    image: &'i Image,
    limits: &Limits,
) -> Result<Vec<(&'i Descriptor, Compression)>, LayerLost> {
    let format = |error| SourceError::Format { place: source.location().to_string(), error };
    let layers = image.manifest.image_layers();
    let layers =
        layers.map_err(|error| LayerLost { layer: None, error: Box::new(format(error)) })?;
    let limit = limits.layer_bytes;
    let large = layers.iter().enumerate().find(|(_, (layer, _))| layer.size > limit);
    if let Some((position, (large, _))) = large {
        let error = format(FormatError::Limit {
            what: "layer",
            found: large.size,
            unit: "bytes",
            limit,
            limit_name: "layer_bytes",
        });
        return Err(LayerLost::one(position, large, error));
    }
    let (sum, limit) = (stored_bytes(image), limits.image_bytes);
    if sum > limit {
        let (what, unit, limit_name) = ("image", "bytes in its layers", "image_bytes");
        let error = format(FormatError::Limit { what, found: sum, unit, limit, limit_name });
        return Err(LayerLost { layer: None, error: Box::new(error) });
    }
    Ok(layers)
}

pub(super) async fn fetch_layer(
    source: &dyn Source,
    layer: &Descriptor,
    spool: &Spool,
) -> Result<Blob, SourceError> {
    let blob = source.blob(layer, spool).await?;
    spool.work().finish_item();
    Ok(blob)
}

/// What is on disk already is not fetched, and nothing to wait for.
fn announced<'t>(
    source: &dyn Source,
    layers: &[(&Descriptor, Compression)],
    spool: &Spool,
    talk: &'t dyn Talk,
) -> Option<Underway<'t>> {
    let Location::Registry(_) = source.location() else { return None };
    layers.iter().for_each(|(layer, _)| spool.work().expect(1, layer.size));
    Some(Underway::new(talk, spool.work()))
}

/// A layer that could not be fetched.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct LayerLost {
    /// Its position, counted from 0, and its digest; `None` where all of them cannot be.
    pub layer: Option<(usize, BlobDigest)>,
    /// Why.
    pub error: Box<SourceError>,
}

impl LayerLost {
    fn one(position: usize, layer: &Descriptor, error: SourceError) -> Self {
        Self { layer: Some((position, layer.digest.clone())), error: Box::new(error) }
    }
}

impl From<LayerLost> for SourceError {
    fn from(lost: LayerLost) -> Self {
        *lost.error
    }
}

/// Looks for a digest at each place, and gives the first place, in the order given, that has it.
///
/// # Errors
/// [`SourceError::NotFound`] that says where it looked and what each place answered.
pub async fn find_digest(
    digest: &ManifestDigest,
    places: &[Location],
    settings: &SourceSettings,
    limits: &Limits,
) -> Result<PinnedReference, SourceError> {
    let look = |place: &Location| {
        let place = place.clone();
        async move {
            let found = match super::open(&place, settings, limits).await {
                Ok(source) => source.manifest(digest).await.map(drop),
                Err(error) => Err(error),
            };
            (place, found)
        }
    };
    let looks: Vec<_> = places.iter().map(look).collect();
    let mut answers = stream::iter(looks).buffered(CONCURRENT);
    let mut refused = Vec::new();
    while let Some((location, found)) = answers.next().await {
        match found {
            Ok(()) => return Ok(PinnedReference { location, digest: digest.clone() }),
            Err(SourceError::NotFound { .. }) => refused.push(format!("{location} (not there)")),
            Err(error) => refused.push(format!("{location} ({error})")),
        }
    }
    let place = match refused.is_empty() {
        true => "any configured place: there is none".to_owned(),
        false => refused.join(", "),
    };
    Err(SourceError::NotFound { what: digest.to_string(), place })
}

/// Keeps a list of futures going, a few at a time, and gives their results in order.
pub(super) async fn together<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    if futures.len() <= CONCURRENT {
        return future::join_all(futures).await;
    }
    stream::iter(futures).buffered(CONCURRENT).collect().await
}
