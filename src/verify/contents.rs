//! The layers, fetched, and one pass over them: true diffIDs, and the few files that later stages read.

use std::{collections::BTreeSet, io, sync::Arc};

use super::observers::{Observers, Seen};
use crate::{
    attest::provenance::embedded::{self, LastLayer},
    contents::{
        CollectorName, Inventory,
        accounts::{Accounts, NamedFiles},
        facts::sizes::Stored,
        malware::{Malware, rules::RuleSet},
        secrets::Secrets,
    },
    digest::BlobDigest,
    finding::{Code, Fact, Finding, Key, Subject},
    image::{
        Image,
        gzip::GzipHeader,
        layer::{LayerError, LayerReader, Mislabelled},
        rootfs::{Rootfs, RootfsBuilder, RootfsError},
        tar::TarError,
    },
    limits::Limits,
    progress::{Counted, ProgressSink, Underway, Work},
    rebuild::{EmbeddedLayer, plan::LayerTraces},
    sbom,
    source::{
        self, Blob, Meter, Source, SourceError, Spool, StoredReader,
        images::{self, LayerLost},
    },
};

/// What the layers hold, as far as somebody asked.
pub struct Contents {
    /// The squashed root filesystem; `None` where the layers were not read, or could not be.
    pub rootfs: Option<Rootfs>,
    /// What is installed in it; `None` where nobody asked.
    pub inventory: Option<Inventory>,
    /// Private keys and tokens; `None` where nobody asked.
    pub secrets: Option<Secrets>,
    /// What files match of YARA rules; `None` where nobody asked.
    pub malware: Option<Malware>,
    /// Whose its files are; `None` where nobody asked.
    pub accounts: Option<Accounts>,
    /// The paths of the last layer.
    pub last_layer: LastLayer,
    /// What they tell about how the image was made; of layers that were not read, who compressed them.
    pub traces: LayerTraces,
    /// The stored layers, for comparing; they live as long as the spool.
    pub layers: Vec<Blob>,
    /// What was wrong with them.
    pub findings: Vec<Finding>,
    spool: Option<Arc<Spool>>,
    /// What the tree takes in memory.
    room: Option<Meter>,
}

/// What reading the layers gives.
struct Read {
    notes: Vec<Finding>,
    rootfs: Rootfs,
    seen: Seen,
    last_layer: LastLayer,
}

/// Why reading them gives nothing.
struct Lost {
    finding: Box<Finding>,
    /// Whether there would have to be more room in memory.
    crowded: bool,
}

impl From<Box<Finding>> for Lost {
    fn from(finding: Box<Finding>) -> Self {
        Self { finding, crowded: false }
    }
}

impl Contents {
    /// Nobody asked.
    pub fn not_read() -> Self {
        Self::failed(Vec::new())
    }

    fn failed(findings: Vec<Finding>) -> Self {
        Self {
            rootfs: None,
            inventory: None,
            secrets: None,
            malware: None,
            accounts: None,
            last_layer: LastLayer::default(),
            traces: LayerTraces::default(),
            layers: Vec::new(),
            findings,
            spool: None,
            room: None,
        }
    }

    /// Counts the tree no longer: a rebuild takes long, and what it takes is bounded by itself.
    pub fn uncounted(&mut self) {
        self.room = None;
    }

    /// Whether the layers are here and are what the configuration says.
    pub fn is_complete(&self) -> bool {
        self.rootfs.is_some() && self.has_layers()
    }

    /// Whether the layers are here, be they what the configuration says or not: a comparison finds that out by itself.
    pub fn has_layers(&self) -> bool {
        self.spool.is_some()
    }
}

/// Fetches every layer.
#[tracing::instrument(level = "debug", skip_all, name = "layers")]
pub async fn fetch(
    source: &dyn Source,
    image: &Image,
    limits: &Limits,
    sink: &dyn ProgressSink,
) -> Contents {
    let subject = || Subject::Image(image.reference.to_string());
    let lost = |error: SourceError| Contents::failed(vec![error.into_finding(subject())]);
    let spool = match Spool::temporary() {
        Ok(spool) => spool,
        Err(error) => {
            return lost(source::unwritable(&std::env::temp_dir(), &error));
        }
    };
    match images::fetch_layers(source, image, &spool, limits, sink).await {
        Ok(layers) => Contents {
            traces: LayerTraces { embedded: None, headers: headers(&layers) },
            layers,
            spool: Some(Arc::new(spool)),
            ..Contents::not_read()
        },
        Err(LayerLost { layer: None, error }) => lost(*error),
        Err(LayerLost { layer: Some((position, digest)), error }) => {
            let finding = error.into_finding(layer_of(image, position));
            Contents::failed(vec![finding.with(Key::From, of_layer(position, &digest))])
        }
    }
}

/// Reads every layer that was fetched once, in sight of the named collectors. `trees` counts what their tree takes in memory.
pub async fn read(
    fetched: Contents,
    image: &Image,
    names: &BTreeSet<CollectorName>,
    limits: &Limits,
    sink: &dyn ProgressSink,
    trees: Option<&Meter>,
) -> Contents {
    let asked = Asked { collectors: names.clone(), named: Arc::default(), malware: None };
    read_asked(fetched, image, &asked, limits, sink, trees).await
}

/// What is looked for in the layers.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The collectors.
    pub collectors: BTreeSet<CollectorName>,
    /// Files that somebody who may vouch for the image names by path and digest.
    pub named: Arc<NamedFiles>,
    /// YARA rules that files are held against, where somebody gave some.
    pub malware: Option<RuleSet>,
}

/// The same, with what somebody says of files.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn read_asked(
    fetched: Contents,
    image: &Image,
    asked: &Asked,
    limits: &Limits,
    sink: &dyn ProgressSink,
    trees: Option<&Meter>,
) -> Contents {
    let Contents { layers, traces, spool: spool @ Some(_), .. } = fetched else { return fetched };
    let (read, room) = read_within(&layers, image, asked, limits, sink, trees).await;
    match read {
        Ok(Read { notes, rootfs, seen, last_layer }) => Contents {
            rootfs: Some(rootfs),
            inventory: seen.inventory,
            accounts: seen.accounts,
            secrets: seen.secrets,
            malware: seen.malware,
            traces: LayerTraces { embedded: embedded_in(&last_layer), ..traces },
            last_layer,
            layers,
            findings: notes,
            spool,
            room,
        },
        // Each layer is what the manifest names: only what the configuration says of it is a lie.
        Err(lost) if lost.finding.code == Code::ImageDiffIdMismatch => {
            Contents { layers, traces, spool, ..Contents::failed(vec![*lost.finding]) }
        }
        Err(lost) => Contents::failed(vec![*lost.finding]),
    }
}

/// Reads layers into a tree for which there is room. Most trees are small: who turns out to need more begins again once there is
/// room for all that one image may have, so that nobody waits for more while it holds some (attack C25).
async fn read_within(
    layers: &[Blob],
    image: &Image,
    asked: &Asked,
    limits: &Limits,
    sink: &dyn ProgressSink,
    trees: Option<&Meter>,
) -> (Result<Read, Lost>, Option<Meter>) {
    let Some(trees) = trees else {
        return (read_once(layers, image, asked, limits, sink, None).await, None);
    };
    let (small, most) = (trees.small(), trees.most());
    let mut room = trees.part();
    room.keep(small).await;
    let mut read = read_once(layers, image, asked, limits, sink, Some(small)).await;
    if read.as_ref().is_err_and(|lost| lost.crowded) && small < most {
        drop(room);
        room = trees.part();
        room.keep(most).await;
        read = read_once(layers, image, asked, limits, sink, Some(most)).await;
    }
    room.shrink(read.as_ref().map_or(0, |read| read.rootfs.bytes()));
    (read, Some(room))
}

async fn read_once(
    layers: &[Blob],
    image: &Image,
    asked: &Asked,
    limits: &Limits,
    sink: &dyn ProgressSink,
    most: Option<u64>,
) -> Result<Read, Lost> {
    let underway = Underway::new(sink, Work::new("reading layers"));
    let reading = tokio::task::spawn_blocking({
        let (image, layers, limits) = (image.clone(), layers.to_vec(), limits.clone());
        let asked = asked.clone();
        let work = underway.work();
        move || squash(&image, &layers, &asked, &limits, &work, most)
    });
    reading.await.unwrap_or_else(|panic| {
        let subject = Subject::Image(image.reference.to_string());
        let finding = Finding::new(Code::InternalError, subject);
        Err(Box::new(finding.with(Key::Why, panic.to_string())).into())
    })
}

/// Reads the layers in order; nothing counts unless every layer's bytes are what its digests say.
fn squash(
    image: &Image,
    layers: &[Blob],
    asked: &Asked,
    limits: &Limits,
    work: &Work,
    most: Option<u64>,
) -> Result<Read, Lost> {
    let subject = || Subject::Image(image.reference.to_string());
    layers.iter().for_each(|blob| work.expect(1, blob.descriptor().size));
    let mut observers = Observers::new(&asked.collectors, asked.malware.as_ref(), limits);
    let mut stored = Vec::new();
    let mut builder = RootfsBuilder::new(limits, wanted).shown_to(observers.all());
    if let Some(most) = most {
        builder = builder.within(most);
    }
    let mut notes = Vec::new();
    // What one layer takes of the free bytes is not there for the next.
    let mut left = limits.clone();
    for (position, blob) in layers.iter().enumerate() {
        let from = of_layer(position, &blob.descriptor().digest);
        let subject = || layer_of(image, position);
        let finding = |error| Box::new(of_error(&error, subject()).with(Key::From, from.clone()));
        let mut layer = reader(blob, &left, work).map_err(finding)?;
        if let Err(error) = builder.add_layer(position, &mut layer) {
            let crowded =
                matches!(error, RootfsError::Limit { limit_name: "process_tree_bytes", .. });
            let finding = finding(blame(Error::Rootfs(error), layer));
            return Err(Lost { finding, crowded });
        }
        let read = layer.finish_fully().map_err(|e| finding(Error::Layer(e)))?;
        left.inflate_free_bytes = left.inflate_free_bytes.saturating_sub(read.excess_bytes);
        let (compressed, uncompressed) = (blob.descriptor().size, read.inflated_bytes);
        stored.push(Stored { compressed, uncompressed });
        notes.extend(read.mislabelled.map(|m| mislabelled(m, subject(), from.clone())));
        let claimed = image.config.diff_ids.get(position);
        if claimed != Some(&read.diff_id) {
            let finding =
                Finding::new(Code::ImageDiffIdMismatch, subject()).with(Key::Found, &read.diff_id);
            let expected = claimed.map_or(Fact::Text("nothing".to_owned()), Fact::from);
            return Err(Box::new(finding.with(Key::Expect, expected).with(Key::From, from)).into());
        }
        work.finish_item();
    }
    let rootfs = builder.finish();
    if let Some(ambiguity) = rootfs.ambiguities().first() {
        let layer = ambiguity.layer;
        let subject = Subject::File { path: ambiguity.path.clone(), layer: Some(layer) };
        let finding = Finding::new(Code::ImageLayerAmbiguous, subject);
        let from = layers.get(layer).map(|blob| of_layer(layer, &blob.descriptor().digest));
        let finding = finding.with(Key::Why, ambiguity.why);
        let finding = match from {
            Some(from) => finding.with(Key::From, from),
            None => finding,
        };
        return Err(Box::new(finding).into());
    }
    notes.extend(unsure_folders(&rootfs));
    let seen = observers.finish(&rootfs, image, &stored, &asked.named, limits);
    let last_layer = match layers.last().filter(|_| rootfs.get(embedded::PATH).is_some()) {
        Some(blob) => {
            last_layer(blob, limits, work).map_err(|e| Box::new(of_error(&e, subject())))?
        }
        None => LastLayer::default(),
    };
    Ok(Read { notes, rootfs, seen, last_layer })
}

/// Who compressed each layer.
fn headers(layers: &[Blob]) -> Vec<Option<GzipHeader>> {
    layers.iter().map(|blob| GzipHeader::read(blob.stored().ok()?)).collect()
}

/// The build manifest, where the last layer holds it and nothing else can be meant.
fn embedded_in(last: &LastLayer) -> Option<EmbeddedLayer> {
    let manifest = last.file.clone()?;
    Some(EmbeddedLayer { manifest, folders: last.folders.clone() })
}

fn layer_of(image: &Image, position: usize) -> Subject {
    Subject::Layer { image: image.reference.to_string(), position }
}

/// That a layer is stored otherwise than its type says.
fn mislabelled(layer: Mislabelled, subject: Subject, from: String) -> Finding {
    Finding::new(Code::ImageLayerMislabelled, subject)
        .with(Key::Expect, layer.stated.name().to_owned())
        .with(Key::Found, layer.found.name().to_owned())
        .with(Key::From, from)
}

/// That runtimes give folders different modes: one note that names the first and says how many there are.
fn unsure_folders(rootfs: &Rootfs) -> Option<Finding> {
    let first = rootfs.unsure_folders().first()?;
    let subject = Subject::File { path: first.path.clone(), layer: Some(first.layer) };
    let more = rootfs.unsure_folders().len() - 1;
    let why = match more {
        0 => first.why.to_owned(),
        more => format!("{}; the same of {more} more", first.why),
    };
    Some(Finding::new(Code::ImageFolderUnsure, subject).with(Key::Why, why))
}

/// What reports call a layer.
fn of_layer(position: usize, digest: &BlobDigest) -> String {
    format!("layer {position} {digest}")
}

fn reader<'w>(
    blob: &Blob,
    limits: &Limits,
    work: &'w Work,
) -> Result<LayerReader<Counted<'w, StoredReader>>, Error> {
    let stored = blob.stored().map_err(|e| Error::Tar(TarError::Read(e)))?;
    LayerReader::new(work.counted(stored), blob.descriptor(), limits).map_err(Error::Layer)
}

/// What the last layer holds beside the build manifest.
fn last_layer(blob: &Blob, limits: &Limits, work: &Work) -> Result<LastLayer, Error> {
    work.expect(0, blob.descriptor().size);
    let mut layer = reader(blob, limits, work)?;
    let last = match LastLayer::read(&mut layer, limits) {
        Ok(last) => last,
        Err(error) => return Err(blame(Error::Tar(error), layer)),
    };
    layer.finish().map_err(Error::Layer)?;
    Ok(last)
}

/// What can go wrong while a layer is read.
enum Error {
    Layer(LayerError),
    Rootfs(RootfsError),
    Tar(TarError),
}

/// A read that fails below the tar is the layer's own failure, and its reader says which: a limit, a wrong digest.
fn blame<R: io::Read>(error: Error, layer: LayerReader<R>) -> Error {
    let below = matches!(
        &error,
        Error::Tar(TarError::Read(_))
            | Error::Rootfs(RootfsError::Tar { error: TarError::Read(_), .. })
    );
    match below.then(|| layer.finish()) {
        Some(Err(own)) => Error::Layer(own),
        _ => error,
    }
}

/// An error as the finding that it is.
fn of_error(error: &Error, subject: Subject) -> Finding {
    let (code, why) = match error {
        Error::Layer(error) => (layer_code(error), error.to_string()),
        Error::Tar(error) | Error::Rootfs(RootfsError::Tar { error, .. }) => {
            (tar_code(error), error.to_string())
        }
        Error::Rootfs(error @ RootfsError::Limit { .. }) => {
            (Code::LimitExceeded, error.to_string())
        }
        Error::Rootfs(error @ RootfsError::Impossible { .. }) => {
            (Code::ImageLayerAmbiguous, error.to_string())
        }
    };
    Finding::new(code, subject).with(Key::Why, why)
}

fn layer_code(error: &LayerError) -> Code {
    match error {
        LayerError::MediaType { .. } => Code::ImageMediaTypeUnknown,
        LayerError::Read { .. } => Code::SourceUnreadable,
        LayerError::Corrupt { .. } | LayerError::Mislabelled { .. } => Code::ImageLayerCorrupt,
        LayerError::Size { .. } => Code::ImageSizeMismatch,
        LayerError::Digest { .. } => Code::ImageDigestMismatch,
        LayerError::Limit { .. } => Code::LimitExceeded,
    }
}

fn tar_code(error: &TarError) -> Code {
    match error {
        TarError::Limit { .. } => Code::LimitExceeded,
        error if error.is_ambiguous() => Code::ImageLayerAmbiguous,
        TarError::Fault { .. } | TarError::Read(_) => Code::ImageLayerCorrupt,
    }
}

/// Files that are kept whole: evidence about the image.
fn wanted(path: &str) -> bool {
    sbom::is_document_path(path) || path == embedded::PATH
}
