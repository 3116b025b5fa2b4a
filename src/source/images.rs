//! From a digest to images.
//!
//! Turns a pinned reference into [`Image`]s: fetches index, manifest and configuration, and checks that each is what the
//! one before it says. [`super::choose`] says which entries of an index a runtime could take; every one of them is given,
//! as an image or as the reason why it is none. Refuses entries that are marked as no image and listed for a platform that
//! nodes run, and configurations that are for another platform than the index says: one program goes by one word, another
//! by the other. Manifests that no node can take, attestations and artifacts, are left out.

use std::{
    collections::BTreeMap,
    io::{self, Read},
    sync::{Arc, Mutex, PoisonError},
};

use futures_util::{StreamExt, TryStreamExt, future, stream};
use tokio::sync::OnceCell;

use super::{
    Blob, LookAhead, Source, SourceError, SourceSettings, Spool,
    choose::{self, Candidate, Chosen},
    documents::Documents,
    kept, manifest_digest,
    marks::{attestation_entries, mark},
};
use crate::{
    compare::Layers,
    digest::{BlobDigest, ConfigDigest, ManifestDigest},
    image::{
        Checked, Compression, Descriptor, Document, FormatError, Image, ImageConfig, Index,
        LeftOut, Manifest, Platform, config::names_architecture,
    },
    limits::Limits,
    progress::{ProgressSink, Underway},
    reference::{Location, PinnedReference, Reference, Selector},
};

pub use super::choose::PlatformChoice;

/// Requests of one image that run at the same time.
pub(super) const CONCURRENT: usize = 8;
/// Layers that are fetched at the same time: they share one line, and each takes buffers.
pub(super) const CONCURRENT_LAYERS: usize = 4;

/// What a reference and a choice of platforms mean.
#[derive(Debug)]
pub struct Loaded {
    /// Every manifest that a runtime could take for a chosen platform, at least one, in the order of the indexes.
    pub images: Vec<Result<Image, Unloadable>>,
    /// What is listed for other platforms.
    pub left_out: Vec<LeftOut>,
    /// What is listed for no platform and made for another one: some runtimes would take it all the same.
    besides: Vec<Image>,
}

/// A manifest that a runtime could take, and that cannot be judged.
#[derive(Debug)]
pub struct Unloadable {
    /// The platform that the index lists it for.
    pub platform: Option<Platform>,
    /// Its digest.
    pub manifest: ManifestDigest,
    /// Why it cannot be judged.
    pub error: SourceError,
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
    Loader::new(source, reference, limits, false).load(choice).await?.all()
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
    load_each(source, reference, choice, limits).await?.all()
}

/// As [`load_ahead`], for who says of each manifest by itself what is wrong with it.
///
/// # Errors
/// When the reference's own document or an index in it cannot be had, or has nothing for the chosen platform.
pub async fn load_each(
    source: &dyn Source,
    reference: &PinnedReference,
    choice: &PlatformChoice,
    limits: &Limits,
) -> Result<Loaded, SourceError> {
    Loader::new(source, reference, limits, true).load(choice).await.map(Loaded::with_besides)
}

impl Loaded {
    /// With everything that is to be judged among the images.
    fn with_besides(mut self) -> Self {
        self.images.extend(self.besides.drain(..).map(Ok));
        self
    }

    /// The images, where all of them can be judged.
    fn all(self) -> Result<Vec<Image>, SourceError> {
        self.images.into_iter().map(|image| image.map_err(|lost| lost.error)).collect()
    }
}

struct Loader<'a> {
    documents: Documents<'a>,
    reference: &'a PinnedReference,
    /// Whether what is attached to the images will be wanted.
    ahead: bool,
    /// The configurations: each is fetched and read once, however many manifests name it.
    configs: Mutex<Configs>,
}

type Config = Result<Arc<ImageConfig>, SourceError>;
type Configs = BTreeMap<(BlobDigest, u64), Arc<OnceCell<Config>>>;

impl<'a> Loader<'a> {
    fn new(
        source: &'a dyn Source,
        reference: &'a PinnedReference,
        limits: &'a Limits,
        ahead: bool,
    ) -> Self {
        let documents = Documents::new(source, limits);
        Self { documents, reference, ahead, configs: Mutex::default() }
    }

    async fn load(&self, choice: &PlatformChoice) -> Result<Loaded, SourceError> {
        match self.documents.document(&self.reference.digest, None).await? {
            Document::Manifest(manifest) => {
                let digest = manifest.document.digest.clone();
                let image = self.image(manifest, &[], None);
                let (image, ()) = future::join(image, self.look_ahead(digest, &[])).await;
                let image = image?;
                if !choice.takes_single(&image.platform) {
                    return Err(self.platform_missing(choice, [&image.platform]));
                }
                Ok(Loaded { images: vec![Ok(image)], left_out: Vec::new(), besides: Vec::new() })
            }
            Document::Index(index) => {
                let chosen = choose::candidates(&self.documents, index, choice).await?;
                self.chosen(chosen, choice).await
            }
        }
    }

    /// Fetches what may be attached to a manifest, if it will be wanted.
    async fn look_ahead(&self, manifest: ManifestDigest, indexes: &[Arc<Index>]) {
        if !self.ahead {
            return;
        }
        let entries = indexes.iter().flat_map(|i| attestation_entries(i, &manifest));
        let manifests = entries.map(manifest_digest).collect();
        let indexes = indexes.iter().rev().map(|index| index.document.digest.clone());
        let mut subjects = vec![manifest.clone()];
        for digest in indexes.chain([self.reference.digest.clone()]) {
            if !subjects.contains(&digest) {
                subjects.push(digest);
            }
        }
        self.documents.source.look_ahead(&LookAhead { subjects, manifests }).await;
    }

    fn platform_missing<'p>(
        &self,
        wanted: &PlatformChoice,
        found: impl IntoIterator<Item = &'p Platform>,
    ) -> SourceError {
        let mut found: Vec<String> = found.into_iter().map(Platform::to_string).collect();
        found.sort();
        found.dedup();
        let found = if found.is_empty() { "none".to_owned() } else { found.join(", ") };
        SourceError::PlatformMissing {
            place: self.documents.place(),
            wanted: wanted.to_string(),
            found,
        }
    }

    /// Fetches candidates. What turns out to be for another platform than those chosen, or for none, is left out.
    async fn chosen(&self, chosen: Chosen, choice: &PlatformChoice) -> Result<Loaded, SourceError> {
        // Made first: a closure inside the stream would tie its lifetime to every caller's.
        let fetches: Vec<_> = chosen.candidates.iter().map(|c| self.candidate(c)).collect();
        let fetched: Vec<_> = stream::iter(fetches).buffered(CONCURRENT).collect().await;
        // Which of them was the first that was too much is chance.
        self.documents.within()?;
        let mut left_out = chosen.left_out;
        let mut images: Vec<Result<Image, Unloadable>> = Vec::new();
        let mut besides = Vec::new();
        for (candidate, fetched) in chosen.candidates.iter().zip(fetched) {
            let Candidate { descriptor, .. } = candidate;
            match fetched {
                Ok(None) => {}
                // Where the index names no platform, containerd goes by the configuration; containers/image takes it as it is,
                // if nothing else in the index is for the node.
                Ok(Some(image))
                    if descriptor.platform.is_none() && !choice.takes(&image.platform) =>
                {
                    if candidate.indexes.last().is_some_and(|index| choice.is_found_in(index)) {
                        let manifest = image.manifest.document.digest.clone();
                        left_out.push(LeftOut { platform: Some(image.platform), manifest });
                    } else {
                        besides.push(image);
                    }
                }
                Ok(Some(image)) => {
                    let same = |other: &Image| {
                        other.platform == image.platform
                            && other.manifest.document.digest == image.manifest.document.digest
                    };
                    if !images.iter().flatten().any(same) {
                        images.push(Ok(image));
                    }
                }
                Err(error) => images.push(Err(Unloadable {
                    platform: descriptor.platform.clone(),
                    manifest: manifest_digest(descriptor),
                    error,
                })),
            }
        }
        left_out.sort();
        left_out.dedup();
        if images.is_empty() {
            let found = left_out.iter().filter_map(|one| one.platform.as_ref());
            let found = found.chain(besides.iter().map(|image| &image.platform));
            return Err(self.platform_missing(choice, found));
        }
        if let Some(wanted) = choice.single() {
            // Who works on one image takes the first.
            let other = |image: &Result<Image, Unloadable>| match image {
                Ok(image) => image.platform != wanted,
                Err(_) => false,
            };
            images.sort_by_key(other);
        }
        let all = Arc::new(left_out.clone());
        for image in images.iter_mut().flatten().chain(&mut besides) {
            image.left_out = Arc::clone(&all);
        }
        Ok(Loaded { images, left_out, besides })
    }

    async fn candidate(&self, candidate: &Candidate) -> Result<Option<Image>, SourceError> {
        let digest = manifest_digest(&candidate.descriptor);
        let ahead = self.look_ahead(digest, &candidate.indexes);
        let (image, ()) = future::join(self.candidate_image(candidate), ahead).await;
        image
    }

    async fn candidate_image(&self, candidate: &Candidate) -> Result<Option<Image>, SourceError> {
        let Candidate { indexes, descriptor } = candidate;
        let digest = manifest_digest(descriptor);
        let mark = mark(descriptor);
        if let (Some(mark), Some(platform)) = (&mark, &descriptor.platform) {
            return Err(SourceError::Disguised {
                place: self.documents.place(),
                manifest: digest.to_string(),
                platform: platform.to_string(),
                mark: mark.clone(),
            });
        }
        if !descriptor.media_type.is_manifest() {
            let found = descriptor.media_type.to_string();
            return Err(self
                .documents
                .format(FormatError::MediaType { what: "entry of an image index", found }));
        }
        let Document::Manifest(manifest) =
            self.documents.document(&digest, Some(descriptor)).await?
        else {
            return Err(self
                .documents
                .malformed("image index", format!("{digest} is no image manifest")));
        };
        let is_image = manifest.config.media_type.is_config();
        if descriptor.platform.is_none() && !is_image && !self.runs(&manifest.config).await? {
            return Ok(None);
        }
        let image = self.image(manifest, indexes, descriptor.platform.as_ref()).await?;
        // A node's own choice is by the descriptor, and by nothing where that names no platform.
        if image.platform.is_unknown() && descriptor.platform.is_none() {
            return Err(self.documents.malformed(
                "image configuration",
                format!(
                    "{digest} is listed for no platform, and its configuration is for {}",
                    image.platform
                ),
            ));
        }
        Ok(Some(image).filter(|image| !image.platform.is_unknown()))
    }

    /// Whether a runtime that goes by the configuration, whatever it is called, finds a platform in it.
    async fn runs(&self, config: &Descriptor) -> Result<bool, SourceError> {
        self.documents.expect(config.size)?;
        let bytes =
            self.documents.source.small_blob(config, self.documents.limits.config_bytes).await?;
        Ok(names_architecture(&bytes))
    }

    async fn image(
        &self,
        manifest: Manifest,
        indexes: &[Arc<Index>],
        listed: Option<&Platform>,
    ) -> Result<Image, SourceError> {
        manifest.image_layers().map_err(|error| self.documents.format(error))?;
        let config = self.config(&manifest.config).await?;
        manifest.require_image(&config).map_err(|error| self.documents.format(error))?;
        // A list of names around the image is asked only where nothing of the image says it.
        let unsaid = listed.is_none() && config.platform.resolve(None).is_err();
        let stated =
            unsaid.then(|| self.documents.source.stated(&manifest.document.digest)).flatten();
        let platform = config
            .platform
            .resolve(listed.or(stated.as_ref()))
            .map_err(|error| self.documents.malformed("image configuration", error.to_string()))?;
        let mut outer: Vec<Arc<Index>> = indexes.to_vec();
        Ok(Image {
            reference: self.reference.clone(),
            index: outer.pop(),
            outer,
            platform,
            manifest,
            config,
            left_out: Arc::default(),
        })
    }

    async fn config(&self, descriptor: &Descriptor) -> Config {
        let name = (descriptor.digest.clone(), descriptor.size);
        let once = {
            let mut configs = self.configs.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(configs.entry(name).or_default())
        };
        once.get_or_init(|| self.fetch_config(descriptor)).await.clone()
    }

    async fn fetch_config(&self, descriptor: &Descriptor) -> Config {
        let limit = self.documents.limits.config_bytes;
        if descriptor.size > limit as u64 {
            return Err(self.documents.format(FormatError::Limit {
                what: "image configuration",
                found: descriptor.size,
                unit: "bytes",
                limit: limit as u64,
                limit_name: "config_bytes",
            }));
        }
        self.documents.expect(descriptor.size)?;
        let bytes = self.documents.source.small_blob(descriptor, limit).await?;
        self.documents.read(&bytes).await?;
        let digest = ConfigDigest::new(descriptor.digest.digest().clone());
        Checked::new("image configuration", digest, bytes)
            .and_then(|document| ImageConfig::parse(document, self.documents.limits))
            .map(Arc::new)
            .map_err(|error| self.documents.format(error))
    }
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
    sink: &dyn ProgressSink,
) -> Result<Vec<Blob>, LayerLost> {
    let layers = layers_within(source, image, limits)?;
    let _underway = announced(source, &layers, spool, sink);
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
    sink: &'t dyn ProgressSink,
) -> Option<Underway<'t>> {
    let Location::Registry(_) = source.location() else { return None };
    layers.iter().for_each(|(layer, _)| spool.work().expect(1, layer.size));
    Some(Underway::new(sink, spool.work()))
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

/// Resolves a reference to a digest, once; a bare digest is looked up at `places`.
///
/// # Errors
/// [`SourceError`] where nothing of that name is there, or the place cannot be read.
#[tracing::instrument(level = "debug", skip_all, fields(%reference))]
pub async fn resolve(
    reference: &Reference,
    places: &[Location],
    settings: &SourceSettings,
    limits: &Limits,
) -> Result<PinnedReference, SourceError> {
    if let Some(saved) = settings.access.saved() {
        return kept::meaning(reference, places, saved);
    }
    let found = resolve_now(reference, places, settings, limits).await;
    kept::keep_meaning(reference, &found, &settings.access);
    found
}

async fn resolve_now(
    reference: &Reference,
    places: &[Location],
    settings: &SourceSettings,
    limits: &Limits,
) -> Result<PinnedReference, SourceError> {
    match super::located(reference) {
        Reference::Bare(digest) => find_digest(&digest, places, settings, limits).await,
        Reference::At(location, Selector::Digest(digest)) => {
            Ok(PinnedReference { location, digest })
        }
        Reference::At(location, selector) => {
            let source = super::open(&location, settings, limits).await?;
            let digest = source.resolve(&selector).await?;
            Ok(PinnedReference { location, digest })
        }
    }
}

/// Looks for a digest at each place, and gives the first place, in the order given, that has it.
///
/// # Errors
/// [`SourceError::NotFound`] that says where it looked and what each place answered; [`SourceError::Unavailable`] where one of them did
/// not answer, which may have it.
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
    let (mut refused, mut silent) = (Vec::new(), false);
    while let Some((location, found)) = answers.next().await {
        match found {
            Ok(()) => return Ok(PinnedReference { location, digest: digest.clone() }),
            Err(SourceError::NotFound { .. }) => refused.push(format!("{location} (not there)")),
            Err(error) => {
                silent |=
                    matches!(error, SourceError::Unavailable { .. } | SourceError::Plain { .. });
                refused.push(format!("{location} ({error})"));
            }
        }
    }
    let place = match refused.is_empty() {
        true => "any configured place: there is none".to_owned(),
        false => refused.join(", "),
    };
    match silent {
        true => {
            let why = format!("nobody knows whether {digest} is there");
            Err(SourceError::Unavailable { place, why })
        }
        false => Err(SourceError::NotFound { what: digest.to_string(), place }),
    }
}

/// Keeps a list of futures going, a few at a time, and gives their results in order.
pub(super) async fn together<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    if futures.len() <= CONCURRENT {
        return future::join_all(futures).await;
    }
    stream::iter(futures).buffered(CONCURRENT).collect().await
}
