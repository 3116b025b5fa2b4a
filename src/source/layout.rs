//! OCI image layouts: folders and archives (image-spec v1.1, image-layout.md).
//!
//! Turns `oci-layout`, `index.json` and `blobs/<algorithm>/<hex>` into a [`Source`]. A blob's path is made of a parsed
//! digest and nothing else, a symlink that leaves the folder is refused, and every document is hashed before it is
//! parsed; `index.json` has no digest, so it is only a list of names. An entry is selected by the annotation
//! `org.opencontainers.image.ref.name` or by containerd's `io.containerd.image.name`: by the whole name, or by the tag that
//! it ends in where no other image has it. Images wrapped in one more index, as BuildKit writes them, are found all the
//! same; where `index.json` itself lists the platforms of one image, it is that image's index.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use bytes::Bytes;
use serde::Deserialize;

use super::{
    Blob, Referrers, Source, SourceError, Spool, StoredManifest, blobs::Place, listing,
    manifest_digest, on_disk, unreadable,
};
use crate::{
    amount::plural,
    attest::Listing,
    digest::{Digest, ManifestDigest},
    image::{
        Checked, Descriptor, Document, FormatError, Index, Manifest, MediaType, Platform,
        config::names_architecture,
    },
    json,
    limits::Limits,
    reference::{Location, Reference, Selector},
    untrusted::shortened,
};

/// The only version of image-layout.md, "oci-layout file".
const LAYOUT_VERSION: &str = "1.0.0";
/// Bytes of an `oci-layout` file that are read.
const MARKER_BYTES: usize = 4 << 10;
/// Annotations that name an entry.
const NAMES: [&str; 2] = ["org.opencontainers.image.ref.name", "io.containerd.image.name"];
/// Characters of what an entry is called that are shown.
const SHOWN_CHARACTERS: usize = 160;
/// The annotation by which `cosign save` says what an entry is.
const COSIGN_KIND: &str = "kind";

/// Where the files of a layout are.
pub(super) enum Shelf {
    /// In a folder, by its real path.
    Folder(PathBuf),
    /// In an archive, by name.
    Archive(BTreeMap<String, Place>),
}

impl Shelf {
    /// The file of this name, `None` where there is none.
    fn find(&self, name: &str) -> io::Result<Option<Place>> {
        match self {
            Self::Archive(places) => Ok(places.get(name).cloned()),
            Self::Folder(folder) => find_in_folder(folder, name),
        }
    }
}

fn find_in_folder(folder: &Path, name: &str) -> io::Result<Option<Place>> {
    let path = match folder.join(name).canonicalize() {
        Ok(path) => path,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let refuse =
        |why| Err(io::Error::new(io::ErrorKind::PermissionDenied, format!("{name} {why}")));
    if !path.starts_with(folder) {
        return refuse("is a link that leaves the folder");
    }
    let found = fs::metadata(&path)?;
    if !found.is_file() {
        return refuse("is no regular file");
    }
    Ok(Some(Place { path, offset: 0, size: found.len() }))
}

/// A layout in a folder or archive.
pub(super) struct LayoutSource(Arc<Layout>);

struct Layout {
    location: Location,
    shelf: Shelf,
    /// Manifests that are no blobs: `index.json`, and those made for archives of the old Docker form.
    made: BTreeMap<ManifestDigest, Bytes>,
    /// The digest of `index.json`.
    listing: Option<ManifestDigest>,
    /// What `index.json` lists.
    entries: Vec<Descriptor>,
    limits: Limits,
}

/// The file `oci-layout`.
#[derive(Deserialize)]
struct WireMarker {
    #[serde(rename = "imageLayoutVersion")]
    version: String,
}

impl LayoutSource {
    /// Reads the layout in a folder.
    pub(super) fn folder(folder: &Path, limits: &Limits) -> Result<Self, SourceError> {
        let location = Location::Layout(folder.to_path_buf());
        let real = folder.canonicalize().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                SourceError::NotFound { what: "a layout".to_owned(), place: location.to_string() }
            }
            _ => unreadable(&location, error),
        })?;
        if real.is_file() {
            let why = "it is a file; an image in one is oci-archive:FILE or docker-archive:FILE";
            return Err(unreadable(&location, why));
        }
        Self::read(location, Shelf::Folder(real), limits)
    }

    /// Reads a layout whose files are on `shelf`.
    pub(super) fn read(
        location: Location,
        shelf: Shelf,
        limits: &Limits,
    ) -> Result<Self, SourceError> {
        let mut layout = Layout {
            location,
            shelf,
            made: BTreeMap::new(),
            listing: None,
            entries: Vec::new(),
            limits: limits.clone(),
        };
        layout.check_marker()?;
        let bytes = layout.file("index.json", limits.manifest_bytes)?;
        let listing = ManifestDigest::of(&bytes);
        layout.made.insert(listing.clone(), bytes.clone());
        layout.listing = Some(listing.clone());
        layout.entries = Checked::new("index.json", listing, bytes)
            .and_then(|document| Index::parse(document, None, limits))
            .map_err(|error| layout.format(error))?
            .manifests;
        Ok(Self(Arc::new(layout)))
    }

    /// A layout of manifests that were made here; `entries` lists them.
    pub(super) fn made(
        location: Location,
        shelf: Shelf,
        made: BTreeMap<ManifestDigest, Bytes>,
        entries: Vec<Descriptor>,
        limits: &Limits,
    ) -> Self {
        let limits = limits.clone();
        Self(Arc::new(Layout { location, shelf, made, listing: None, entries, limits }))
    }

    /// Every image that the layout lists, at any depth, by where its configuration and layers stand in the archive. What cannot be
    /// read is none: nothing of it could be loaded either.
    pub(super) fn images(&self) -> Result<BTreeSet<Vec<u64>>, SourceError> {
        let mut found = BTreeSet::new();
        let entries = self.0.entries.iter().filter(|entry| may_be_image(entry));
        for entry in entries {
            self.0.gather(&manifest_digest(entry), self.0.limits.index_depth, &mut found)?;
        }
        Ok(found)
    }

    /// Does work on the layout that waits for the disk.
    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Layout) -> Result<T, SourceError> + Send + 'static,
    ) -> Result<T, SourceError> {
        let layout = Arc::clone(&self.0);
        on_disk(self.0.location.clone(), move || work(&layout)).await
    }
}

impl Layout {
    fn format(&self, error: FormatError) -> SourceError {
        SourceError::Format { place: self.location.to_string(), error }
    }

    fn malformed(&self, what: &'static str, why: impl Into<String>) -> SourceError {
        self.format(FormatError::Malformed { what, why: why.into() })
    }

    fn not_found(&self, what: impl Into<String>) -> SourceError {
        SourceError::NotFound { what: what.into(), place: self.location.to_string() }
    }

    fn find(&self, name: &str) -> Result<Option<Place>, SourceError> {
        self.shelf.find(name).map_err(|error| unreadable(&self.location, error))
    }

    /// A file of the layout itself, whole.
    fn file(&self, name: &'static str, limit_bytes: usize) -> Result<Bytes, SourceError> {
        let place = self
            .find(name)?
            .ok_or_else(|| self.not_found(format!("the file {name} of a layout")))?;
        self.bytes(&place, name, limit_bytes)
    }

    fn bytes(
        &self,
        place: &Place,
        what: &'static str,
        limit_bytes: usize,
    ) -> Result<Bytes, SourceError> {
        let read = place.read(limit_bytes).map_err(|error| unreadable(&self.location, error))?;
        read.ok_or_else(|| {
            self.format(FormatError::Limit {
                what,
                found: place.size,
                unit: "bytes",
                limit: limit_bytes as u64,
                limit_name: "manifest_bytes",
            })
        })
    }

    fn check_marker(&self) -> Result<(), SourceError> {
        let bytes = self.file("oci-layout", MARKER_BYTES)?;
        let marker: WireMarker = json::from_slice(&bytes, MARKER_BYTES)
            .map_err(|error| self.malformed("oci-layout", error.to_string()))?;
        if marker.version == LAYOUT_VERSION {
            return Ok(());
        }
        let found = marker.version;
        let why = format!("imageLayoutVersion is {found:?}, expected {LAYOUT_VERSION:?}");
        Err(self.malformed("oci-layout", why))
    }

    fn blob_place(&self, digest: &Digest) -> Result<Option<Place>, SourceError> {
        self.find(&blob_name(digest))
    }

    fn manifest(&self, digest: &ManifestDigest) -> Result<StoredManifest, SourceError> {
        let bytes = match (self.made.get(digest), self.blob_place(digest.digest())?) {
            (Some(made), _) => made.clone(),
            (None, Some(place)) => self.bytes(&place, "manifest", self.limits.manifest_bytes)?,
            (None, None) => return Err(self.not_found(digest.to_string())),
        };
        let document =
            Checked::new("manifest", digest.clone(), bytes).map_err(|error| self.format(error))?;
        let entry = self.entries.iter().find(|e| e.digest.digest() == digest.digest());
        if let Some(entry) = entry
            && entry.size != document.bytes.len() as u64
        {
            let (expected, found) = (entry.size, document.bytes.len() as u64);
            return Err(self.format(FormatError::Size { what: "manifest", expected, found }));
        }
        // What `index.json` calls it states nothing: it is a list of names, and writers put Docker manifests under OCI
        // types there. The document's own type and fields decide.
        Ok(StoredManifest { document, media_type: None })
    }

    fn document(&self, digest: &ManifestDigest) -> Result<Document, SourceError> {
        let stored = self.manifest(digest)?;
        Document::parse(stored.document, stored.media_type.as_ref(), &self.limits)
            .map_err(|error| self.format(error))
    }

    fn resolve(&self, selector: &Selector) -> Result<ManifestDigest, SourceError> {
        match selector {
            Selector::Digest(digest) => Ok(digest.clone()),
            Selector::Only => self.only(),
            Selector::Tag(tag) => self.named(tag)?.ok_or_else(|| {
                let (place, there) = (&self.location, self.shown(&self.entries));
                let place = format!("{place}, which holds {there}");
                SourceError::NotFound { what: format!("tag {tag}"), place }
            }),
        }
    }

    /// The image that bears a name, `None` where none does. Its own name goes before one that only ends so.
    fn named(&self, name: &str) -> Result<Option<ManifestDigest>, SourceError> {
        let bearers = |bears: fn(&Descriptor, &str) -> bool| -> BTreeMap<_, _> {
            let bearers = self.entries.iter().filter(|entry| bears(entry, name));
            bearers.map(|entry| (manifest_digest(entry), entry)).collect()
        };
        let called = bearers(is_called);
        let found = if called.is_empty() { bearers(is_tagged) } else { called };
        match found.len() {
            0 => Ok(None),
            1 => Ok(found.into_keys().next()),
            _ => self.whole(&found).map(Some).ok_or_else(|| self.ambiguous(found.into_values())),
        }
    }

    /// The one image of the layout. Evidence that lies beside it is not counted, if nothing could run it: a mark on an entry, or a
    /// subject in its manifest, keeps no runtime from taking it (attack H1).
    fn only(&self) -> Result<ManifestDigest, SourceError> {
        let mut images: BTreeMap<ManifestDigest, &Descriptor> = BTreeMap::new();
        for entry in self.entries.iter().filter(|entry| self.is_image(entry)) {
            images.entry(manifest_digest(entry)).or_insert(entry);
        }
        if images.is_empty() {
            // What it says that it is, is looked into, and told what is wrong with it.
            let said = self.entries.iter().filter(|entry| may_be_image(entry));
            images.extend(said.map(|entry| (manifest_digest(entry), entry)));
        }
        match images.len() {
            0 => Err(self.not_found("an image")),
            1 => images
                .pop_first()
                .map(|(digest, _)| digest)
                .ok_or_else(|| self.not_found("an image")),
            _ => self.whole(&images).ok_or_else(|| self.ambiguous(images.into_values())),
        }
    }

    /// `index.json` itself, where it is the index of one image: it lists that image's platforms, under one name or none, and
    /// no other image.
    fn whole(&self, images: &BTreeMap<ManifestDigest, &Descriptor>) -> Option<ManifestDigest> {
        let lists_platforms = images.values().all(|entry| entry.platform.is_some());
        let named: BTreeSet<Vec<&str>> =
            images.values().map(|entry| names(entry).collect()).collect();
        let is_other = |entry: &&Descriptor| {
            !images.contains_key(&manifest_digest(entry)) && self.is_image(entry)
        };
        let alone = !self.entries.iter().any(|entry| is_other(&entry));
        self.listing.clone().filter(|_| lists_platforms && named.len() == 1 && alone)
    }

    /// Whether an entry is an image, by what it leads to and not by what is said of it. What cannot be read is what its entry says, so that
    /// it is not passed over.
    fn is_image(&self, entry: &Descriptor) -> bool {
        let says = may_be_image(entry);
        match self.document(&manifest_digest(entry)) {
            Ok(Document::Manifest(manifest)) => self.may_run(&manifest),
            Ok(Document::Index(index)) => says || self.lists_image(&index, self.limits.index_depth),
            Err(_) => says,
        }
    }

    fn lists_image(&self, index: &Index, depth: usize) -> bool {
        let mut listed = index.manifests.iter().map(manifest_digest);
        listed.any(|digest| match self.document(&digest) {
            Ok(Document::Manifest(manifest)) => self.may_run(&manifest),
            Ok(Document::Index(index)) => depth > 0 && self.lists_image(&index, depth - 1),
            Err(_) => false,
        })
    }

    /// Whether some runtime could run a manifest: it has a layer to unpack, and a configuration for some platform. They pass over layers of
    /// other types, and some ask nobody what the configuration is called.
    fn may_run(&self, manifest: &Manifest) -> bool {
        let config = &manifest.config;
        let has_platform = || {
            let bytes = self.small_blob(config, self.limits.config_bytes);
            bytes.is_ok_and(|bytes| names_architecture(&bytes))
        };
        manifest.layers.iter().any(|layer| layer.media_type.is_layer())
            && (config.media_type.is_config() || has_platform())
    }

    fn ambiguous<'a>(&self, entries: impl Iterator<Item = &'a Descriptor>) -> SourceError {
        SourceError::Ambiguous { place: self.location.to_string(), found: self.shown(entries) }
    }

    /// The first few entries, by name and digest.
    fn shown<'a>(&self, entries: impl IntoIterator<Item = &'a Descriptor>) -> String {
        // The longer name says more: a tag alone is what several have in common.
        let one = |entry: &Descriptor| match names(entry).max_by_key(|name| name.len()) {
            Some(name) => format!("{} at {}", name.escape_default(), entry.digest),
            None => entry.digest.to_string(),
        };
        let shown: Vec<String> = entries.into_iter().take(8).map(one).collect();
        if shown.is_empty() { "nothing".to_owned() } else { shown.join(", ") }
    }

    fn tagged(&self, tag: &str) -> Result<Option<StoredManifest>, SourceError> {
        let digest = match self.named(tag)? {
            Some(digest) => Some(digest),
            None => self.saved_by_cosign(tag),
        };
        digest.map(|digest| self.manifest(&digest)).transpose()
    }

    /// What `cosign save` keeps in place of a tag: one image, and its signatures and attestations by their kind.
    fn saved_by_cosign(&self, tag: &str) -> Option<ManifestDigest> {
        let (name, suffix) = tag.rsplit_once('.')?;
        let kind = match suffix {
            "sig" => "sigs",
            "att" => "atts",
            _ => return None,
        };
        let of_kind = |kind: &str| -> Vec<&Descriptor> {
            self.entries.iter().filter(|e| cosign_kind(e) == Some(kind)).collect()
        };
        let images: Vec<_> = of_kind("image").into_iter().chain(of_kind("imageIndex")).collect();
        match (images.as_slice(), of_kind(kind).as_slice()) {
            ([image], [found]) if tag_name(image.digest.digest()) == name => {
                Some(manifest_digest(found))
            }
            _ => None,
        }
    }

    fn referrers(&self, digest: &ManifestDigest) -> Referrers {
        let mut list = Referrers { via: Some(Listing::Layout), ..Referrers::default() };
        let mut seen = BTreeSet::new();
        let mut unread = Vec::new();
        for entry in self.entries.iter().filter(|entry| entry.media_type.is_manifest()) {
            if !seen.insert(&entry.digest) {
                continue;
            }
            match self.document(&manifest_digest(entry)) {
                Ok(Document::Manifest(manifest)) => {
                    let subject = manifest.subject.as_ref().map(|s| s.digest.digest());
                    if subject == Some(digest.digest()) {
                        list.descriptors.push(entry.clone());
                    }
                }
                Ok(Document::Index(_)) => {}
                Err(error) => unread.push(error.to_string()),
            }
        }
        match self.tagged(&super::referrers_tag(digest)) {
            Ok(Some(stored)) => match listing::read(&stored.document.bytes, None, &self.limits) {
                Ok(listed) => {
                    list.descriptors.extend(listed.descriptors);
                    unread.extend(listed.incomplete);
                }
                Err(error) => unread.push(error.to_string()),
            },
            Ok(None) => {}
            Err(error) => unread.push(error.to_string()),
        }
        if let Some(first) = unread.first() {
            let count = unread.len();
            let entries = plural(count, "entry");
            list.incomplete = Some(format!("not read: {entries}, the first: {first}"));
        }
        list
    }

    fn gather(
        &self,
        digest: &ManifestDigest,
        depth: usize,
        found: &mut BTreeSet<Vec<u64>>,
    ) -> Result<(), SourceError> {
        match self.document(digest) {
            Ok(Document::Manifest(manifest)) => {
                let blobs = std::iter::once(&manifest.config).chain(&manifest.layers);
                let places = blobs.map(|blob| self.blob_place(blob.digest.digest()));
                let places = places.collect::<Result<Option<Vec<_>>, _>>()?;
                found.extend(places.map(|places| places.iter().map(|p| p.offset).collect()));
            }
            Ok(Document::Index(index)) if depth > 0 => {
                for entry in index.manifests.iter().filter(|entry| may_be_image(entry)) {
                    self.gather(&manifest_digest(entry), depth - 1, found)?;
                }
            }
            Ok(Document::Index(_)) | Err(_) => {}
        }
        Ok(())
    }

    /// The place of a blob, if it has the size that its descriptor says.
    fn sized(&self, descriptor: &Descriptor) -> Result<Place, SourceError> {
        let place = self.blob_place(descriptor.digest.digest())?.ok_or_else(|| {
            SourceError::BlobMissing {
                what: descriptor.digest.to_string(),
                place: self.location.to_string(),
            }
        })?;
        if place.size != descriptor.size {
            let (expected, found) = (descriptor.size, place.size);
            return Err(self.format(FormatError::Size { what: "blob", expected, found }));
        }
        Ok(place)
    }

    fn small_blob(
        &self,
        descriptor: &Descriptor,
        limit_bytes: usize,
    ) -> Result<Bytes, SourceError> {
        super::check_small(descriptor, limit_bytes, &self.location)?;
        let place = self.sized(descriptor)?;
        let bytes = self.bytes(&place, "blob", limit_bytes)?;
        super::check_blob(descriptor, bytes).map_err(|error| self.format(error))
    }
}

/// The path of a blob under the layout's root.
pub(super) fn blob_name(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm().name(), digest.hex())
}

/// A digest in the form that can be a tag.
fn tag_name(digest: &Digest) -> String {
    format!("{}-{}", digest.algorithm().name(), digest.hex())
}

/// Names of an entry.
fn names(entry: &Descriptor) -> impl Iterator<Item = &str> {
    NAMES.iter().filter_map(|key| entry.annotations.get(*key)).map(String::as_str)
}

/// Whether an entry has this very name, written out or as Docker shortens it: `x/one` is `docker.io/x/one:latest`.
fn is_called(entry: &Descriptor, wanted: &str) -> bool {
    let full = |name: &str| match name.parse() {
        Ok(Reference::At(location @ Location::Registry(_), Selector::Tag(tag))) => {
            Some((location, tag))
        }
        _ => None,
    };
    let wanted_full = full(wanted);
    names(entry).any(|name| name == wanted || wanted_full.is_some() && full(name) == wanted_full)
}

/// Whether an entry's name ends in a tag.
fn is_tagged(entry: &Descriptor, tag: &str) -> bool {
    names(entry).any(|name| match name.rsplit_once(':') {
        Some((left, end)) => end == tag && !end.contains('/') && !left.contains('@'),
        None => false,
    })
}

fn cosign_kind(entry: &Descriptor) -> Option<&str> {
    entry.annotations.get(COSIGN_KIND)?.strip_prefix("dev.cosignproject.cosign/")
}

/// Whether an entry can be what a user means by "the image": no attestation, signature or list of referrers.
fn may_be_image(entry: &Descriptor) -> bool {
    let is_document = entry.media_type.is_index() || entry.media_type.is_manifest();
    is_document && called_otherwise(entry).is_none()
}

/// What an entry of `index.json` is called, where that is no image. No runtime asks for it.
fn called_otherwise(entry: &Descriptor) -> Option<String> {
    let by_digest = |name: &&str| {
        let name = name.rsplit(':').next().unwrap_or_default();
        name.starts_with("sha256-") || name.starts_with("sha512-")
    };
    let unknown = entry.platform.as_ref().filter(|platform| platform.is_unknown());
    let artifact = entry.artifact_type.as_ref().filter(|kind| !MediaType::names_image(kind));
    let kind = cosign_kind(entry).filter(|kind| matches!(*kind, "sigs" | "atts"));
    let says = |key: &str, value: &str| format!("{key} {}", shortened(value, SHOWN_CHARACTERS));
    let found = unknown.map(|platform| says("platform", &platform.to_string()));
    let found = found.or_else(|| artifact.map(|kind| says("artifactType", kind)));
    let found = found.or_else(|| kind.map(|kind| says(COSIGN_KIND, kind)));
    found.or_else(|| names(entry).find(by_digest).map(|name| says("the name", name)))
}

#[async_trait]
impl Source for LayoutSource {
    fn location(&self) -> &Location {
        &self.0.location
    }

    fn stated(&self, digest: &ManifestDigest) -> Option<Platform> {
        let entry = self.0.entries.iter().find(|entry| entry.digest.digest() == digest.digest());
        entry?.platform.clone()
    }

    fn called(&self, digest: &ManifestDigest) -> Option<String> {
        let entries = self.0.entries.iter();
        let mut called =
            entries.filter(|entry| entry.digest.digest() == digest.digest()).map(called_otherwise);
        let first = called.next()?;
        // Where it is listed as an image, too, everybody finds it there.
        first.filter(|_| called.all(|other| other.is_some()))
    }

    async fn resolve(&self, selector: &Selector) -> Result<ManifestDigest, SourceError> {
        let selector = selector.clone();
        self.work(move |layout| layout.resolve(&selector)).await
    }

    async fn manifest(&self, digest: &ManifestDigest) -> Result<StoredManifest, SourceError> {
        let digest = digest.clone();
        self.work(move |layout| layout.manifest(&digest)).await
    }

    async fn tagged(&self, tag: &str) -> Result<Option<StoredManifest>, SourceError> {
        let tag = tag.to_owned();
        self.work(move |layout| layout.tagged(&tag)).await
    }

    async fn small_blob(
        &self,
        descriptor: &Descriptor,
        limit_bytes: usize,
    ) -> Result<Bytes, SourceError> {
        let descriptor = descriptor.clone();
        self.work(move |layout| layout.small_blob(&descriptor, limit_bytes)).await
    }

    /// Layouts are read in place; nothing goes to the spool.
    async fn blob(&self, descriptor: &Descriptor, _: &Spool) -> Result<Blob, SourceError> {
        let descriptor = descriptor.clone();
        self.work(move |layout| layout.sized(&descriptor).map(|place| Blob::new(place, descriptor)))
            .await
    }

    async fn referrers(&self, digest: &ManifestDigest) -> Result<Referrers, SourceError> {
        let digest = digest.clone();
        self.work(move |layout| Ok(layout.referrers(&digest))).await
    }
}
