//! Images in one tar file: OCI layouts, and what `docker save` writes.
//!
//! Reads the archive once, by the strict reader of layers ([`crate::image::tar`]), and remembers where each member's bytes are; nothing is
//! unpacked. Names decide nothing but which bytes are tried: every blob is checked against its digest afterwards. What programs read
//! differently is refused: names with two sources or with `..`, a name that occurs twice, sparse members, bytes after the end; so is
//! a compressed archive. Docker and skopeo take an image from `index.json` or from `manifest.json`, each by rules of its own: where both are
//! there, the second one names no image that the first does not (attack H1).
//!
//! `docker save` of Docker 25 and later, skopeo and BuildKit write an OCI layout, and it is read as such. The older form
//! has a `manifest.json` with the paths of configuration and layers and no manifest that could have a digest. For it an
//! OCI manifest is *made*: OCI media types, the configuration and the layers as they stand in the archive, in the order
//! of `manifest.json`, no annotations. The same archive gives the same digest everywhere; it is not the digest that a
//! registry gives to the image, so no signature or attestation of the pushed image can speak about it.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{
    SourceError,
    blobs::Place,
    layout::{LayoutSource, Shelf, blob_name},
    unreadable,
};
use crate::{
    digest::{Algorithm, BlobDigest, Digest, Hasher, ManifestDigest},
    image::{
        Compression, Descriptor, FormatError, MediaType,
        tar::{self, Entry, EntryKind, TarError, walk},
    },
    json,
    limits::Limits,
    reference::Location,
    scratch::seen,
};

const WHAT: &str = "image archive";
/// Bytes of a tar header (POSIX.1-2024, pax, "ustar Interchange Format").
const BLOCK: u64 = 512;
/// Bytes of a member's name that are read.
const MAX_NAME: usize = 255;
/// Members of an archive that are read: an image has a handful for each layer.
const MAX_MEMBERS: usize = 65_536;
/// Links that are followed from one member to the next.
const MAX_LINKS: usize = 8;

/// Opens an archive of either form.
pub(super) fn open(
    location: &Location,
    path: &Path,
    limits: &Limits,
) -> Result<LayoutSource, SourceError> {
    let file = crate::scratch::open_file(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            SourceError::NotFound { what: "an archive".to_owned(), place: location.to_string() }
        }
        _ if path.is_dir() => unreadable(location, "it is a folder; a layout in one is oci:DIR"),
        _ => unreadable(location, error),
    })?;
    let at = |error: ArchiveError| error.at(location);
    let places = scan(file, path, limits).map_err(at)?;
    let has = |name: &str| places.contains_key(name);
    if has("index.json") {
        let tables = Tables { places: &places, limits };
        let legacy = tables.legacy().map_err(at)?;
        let layout = LayoutSource::read(location.clone(), Shelf::Archive(places.clone()), limits)?;
        let listed = layout.images()?;
        return match legacy.iter().find(|image| !listed.contains(*image)) {
            None => Ok(layout),
            Some(_) => Err(at(malformed(
                "manifest.json names an image that index.json does not: programs take one or the other",
            ))),
        };
    }
    if !has("manifest.json") {
        return Err(at(malformed("it holds neither index.json nor manifest.json")));
    }
    if matches!(location, Location::OciArchive(_)) {
        return Err(at(malformed("it is no OCI layout; docker-archive: reads this form")));
    }
    Legacy { location, places, limits, entries: Vec::new(), made: BTreeMap::new() }.read()
}

/// Why an archive cannot be read.
#[derive(Debug, thiserror::Error)]
enum ArchiveError {
    #[error(transparent)]
    Format(#[from] FormatError),
    #[error(transparent)]
    Disk(#[from] io::Error),
    #[error("it is no tar archive: {0}")]
    NoTar(String),
}

impl ArchiveError {
    fn at(self, location: &Location) -> SourceError {
        match self {
            Self::Format(error) => SourceError::Format { place: location.to_string(), error },
            Self::Disk(error) => unreadable(location, error),
            Self::NoTar(_) => unreadable(location, self.to_string()),
        }
    }
}

fn malformed(why: impl Into<String>) -> ArchiveError {
    FormatError::Malformed { what: WHAT, why: why.into() }.into()
}

/// What stands under a name.
enum Member {
    Bytes(Place),
    Link(String),
}

/// The members of an archive, by the strict reader of layers: what programs read differently is refused there.
fn scan(file: File, path: &Path, limits: &Limits) -> Result<BTreeMap<String, Place>, ArchiveError> {
    let file = plain(file)?;
    let mut members: BTreeMap<String, Member> = BTreeMap::new();
    let mut refused = None;
    let walked = walk(&file, limits, |entry, _| match member(entry, path, &mut members) {
        Ok(()) => Ok(()),
        Err(error) => {
            refused = Some(error);
            Err(TarError::Read(io::ErrorKind::InvalidData.into()))
        }
    });
    match (refused, walked) {
        (Some(error), _) => Err(error),
        (None, Ok(())) => Ok(places(&members)),
        (None, Err(TarError::Read(error))) => Err(ArchiveError::Disk(error)),
        (None, Err(error)) => Err(malformed(error.to_string())),
    }
}

/// The file from its start, where it is a tar and nothing around one. What begins otherwise is another file, and no damaged archive.
fn plain(mut file: File) -> Result<File, ArchiveError> {
    let mut start = Vec::new();
    Read::by_ref(&mut file).take(BLOCK).read_to_end(&mut start)?;
    if let Some(what) = no_tar(&start) {
        return Err(ArchiveError::NoTar(what));
    }
    file.seek(SeekFrom::Start(0))?;
    Ok(file)
}

/// What a file is that does not begin with the header of a tar.
fn no_tar(start: &[u8]) -> Option<String> {
    match tar::begins(start) {
        true => None,
        false => Some(match seen(start) {
            Some(what) if is_compressed(start) => format!("{what}; decompress it first"),
            Some(what) => what,
            None => "it does not begin as one does".to_owned(),
        }),
    }
}

fn is_compressed(start: &[u8]) -> bool {
    start.starts_with(&[0x1f, 0x8b]) || start.starts_with(&[0x28, 0xb5, 0x2f, 0xfd])
}

fn member(
    entry: &Entry,
    path: &Path,
    members: &mut BTreeMap<String, Member>,
) -> Result<(), ArchiveError> {
    let name = entry.path.trim_start_matches('/');
    let member = match entry.kind {
        EntryKind::Directory => return Ok(()),
        // No image archive has such a name.
        _ if name.len() > MAX_NAME => return Ok(()),
        EntryKind::File => Member::Bytes(Place {
            path: path.to_path_buf(),
            offset: entry.offset.saturating_add(BLOCK),
            size: entry.size,
        }),
        EntryKind::Symlink | EntryKind::HardLink => {
            let base = if entry.kind == EntryKind::Symlink { parent(name) } else { "" };
            let link = entry.link.as_deref().unwrap_or_default();
            let link = match entry.kind {
                EntryKind::HardLink => link.trim_start_matches('/'),
                _ => link,
            };
            let Some(target) = resolved(base, link) else { return Ok(()) };
            Member::Link(target)
        }
        other => return Err(malformed(format!("{name} is a {}", other.name()))),
    };
    if members.insert(name.to_owned(), member).is_some() {
        return Err(malformed(format!("{name} is in it twice")));
    }
    if members.len() > MAX_MEMBERS {
        return Err(malformed(format!("it has more than {MAX_MEMBERS} members")));
    }
    Ok(())
}

/// The members with bytes, and links that lead to one.
fn places(members: &BTreeMap<String, Member>) -> BTreeMap<String, Place> {
    let mut places = BTreeMap::new();
    for name in members.keys() {
        let mut target = name;
        for _ in 0..MAX_LINKS {
            match members.get(target) {
                Some(Member::Bytes(place)) => {
                    places.insert(name.clone(), place.clone());
                    break;
                }
                Some(Member::Link(next)) => target = next,
                None => break,
            }
        }
    }
    places
}

fn parent(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// A name in `manifest.json`; `None` for one that no image archive has.
fn normal(name: &str) -> Option<&str> {
    let name = name.trim_start_matches("./");
    let plain = name.len() <= MAX_NAME && name.split('/').all(|p| !matches!(p, "" | "." | ".."));
    plain.then_some(name)
}

/// The member that a link in the folder `base` names; `None` where it leads out of the archive.
fn resolved(base: &str, link: &str) -> Option<String> {
    let mut parts: Vec<&str> = base.split('/').filter(|p| !p.is_empty()).collect();
    if link.starts_with('/') {
        return None;
    }
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// One image in `manifest.json` (moby, image/tarexport).
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireImage {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Option<Vec<String>>,
}

/// The manifest that is made; its fields are written in this order.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WireManifest {
    schema_version: u8,
    media_type: &'static str,
    config: WireDescriptor,
    layers: Vec<WireDescriptor>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WireDescriptor {
    media_type: &'static str,
    digest: String,
    size: u64,
}

/// An image by where its bytes stand in the archive: the configuration first, then the layers in their order.
pub(super) type Spots = Vec<u64>;

/// An archive with an `index.json`, and perhaps with the older table beside it, as BuildKit and `docker save` write both.
struct Tables<'a> {
    places: &'a BTreeMap<String, Place>,
    limits: &'a Limits,
}

impl Tables<'_> {
    /// The images of the older table; none where there is no such table.
    fn legacy(&self) -> Result<Vec<Spots>, ArchiveError> {
        if !self.places.contains_key("manifest.json") {
            // Docker's oldest form, which it falls back to.
            return match self.places.contains_key("repositories") {
                true => Err(malformed(
                    "it has index.json and repositories, and no manifest.json: programs take one or the other",
                )),
                false => Ok(Vec::new()),
            };
        }
        let images = wire_images(self.places, self.limits)?;
        images.into_iter().map(|image| self.spots(&image)).collect()
    }

    fn spots(&self, image: &WireImage) -> Result<Spots, ArchiveError> {
        let layers = image.layers.iter().flatten();
        let names = std::iter::once(&image.config).chain(layers);
        names.map(|name| Ok(named(self.places, name)?.offset)).collect()
    }
}

/// The images that `manifest.json` lists.
fn wire_images(
    places: &BTreeMap<String, Place>,
    limits: &Limits,
) -> Result<Vec<WireImage>, ArchiveError> {
    let limit = limits.manifest_bytes;
    let bytes = named(places, "manifest.json")?.read(limit)?;
    let bytes = bytes.ok_or_else(|| {
        let key = crate::limits::key("manifest_bytes");
        malformed(format!("manifest.json is larger than {key}"))
    })?;
    let images: Vec<WireImage> = json::from_slice(&bytes, limit)
        .map_err(|error| malformed(format!("manifest.json: {error}")))?;
    bounded("images", images.len(), limits.index_manifests, "index_manifests")?;
    let layers = images.iter().filter_map(|image| image.layers.as_ref()).map(Vec::len).max();
    bounded("layers", layers.unwrap_or(0), limits.layers, "layers")?;
    Ok(images)
}

/// The member with this name.
fn named(places: &BTreeMap<String, Place>, name: &str) -> Result<Place, ArchiveError> {
    let found = normal(name).and_then(|name| places.get(name));
    found.cloned().ok_or_else(|| malformed(format!("{name:?} is not in it")))
}

fn bounded(
    unit: &'static str,
    found: usize,
    limit: usize,
    limit_name: &'static str,
) -> Result<(), ArchiveError> {
    if found <= limit {
        return Ok(());
    }
    let (found, limit) = (found as u64, limit as u64);
    Err(FormatError::Limit { what: WHAT, found, unit, limit, limit_name }.into())
}

/// An archive in Docker's older form.
struct Legacy<'a> {
    location: &'a Location,
    places: BTreeMap<String, Place>,
    limits: &'a Limits,
    entries: Vec<Descriptor>,
    made: BTreeMap<ManifestDigest, Bytes>,
}

impl Legacy<'_> {
    fn read(mut self) -> Result<LayoutSource, SourceError> {
        let location = self.location;
        let mut blobs = BTreeMap::new();
        self.images(&mut blobs).map_err(|error| error.at(location))?;
        let shelf = Shelf::Archive(blobs);
        Ok(LayoutSource::made(location.clone(), shelf, self.made, self.entries, self.limits))
    }

    fn images(&mut self, blobs: &mut BTreeMap<String, Place>) -> Result<(), ArchiveError> {
        let images = wire_images(&self.places, self.limits)?;
        images.into_iter().try_for_each(|image| self.image(image, blobs))
    }

    fn image(
        &mut self,
        image: WireImage,
        blobs: &mut BTreeMap<String, Place>,
    ) -> Result<(), ArchiveError> {
        let layers = image.layers.unwrap_or_default();
        let config = self.blob(&image.config, blobs)?;
        let layers: Result<Vec<_>, _> = layers.iter().map(|l| self.blob(l, blobs)).collect();
        let manifest = WireManifest {
            schema_version: 2,
            media_type: MediaType::OCI_MANIFEST,
            config: WireDescriptor { media_type: MediaType::OCI_CONFIG, ..config },
            layers: layers?,
        };
        let bytes = Bytes::from(serde_json::to_vec(&manifest).map_err(io::Error::from)?);
        let digest = ManifestDigest::of(&bytes);
        let mut names: Vec<Option<String>> =
            image.repo_tags.unwrap_or_default().into_iter().map(Some).collect();
        if names.is_empty() {
            names.push(None);
        }
        for name in names {
            let name = name.map(|n| ("io.containerd.image.name".to_owned(), n));
            self.entries.push(Descriptor {
                media_type: MediaType::new(MediaType::OCI_MANIFEST),
                digest: BlobDigest::new(digest.digest().clone()),
                size: bytes.len() as u64,
                platform: None,
                selective: false,
                artifact_type: None,
                annotations: name.into_iter().collect(),
            });
        }
        bounded("names", self.entries.len(), self.limits.index_manifests, "index_manifests")?;
        self.made.insert(digest, bytes);
        Ok(())
    }

    /// Hashes a member and gives it the name that a layout would.
    fn blob(
        &self,
        name: &str,
        blobs: &mut BTreeMap<String, Place>,
    ) -> Result<WireDescriptor, ArchiveError> {
        let place = named(&self.places, name)?;
        if place.size > self.limits.layer_bytes {
            return Err(FormatError::Limit {
                what: WHAT,
                found: place.size,
                unit: "bytes in a layer",
                limit: self.limits.layer_bytes,
                limit_name: "layer_bytes",
            }
            .into());
        }
        let (digest, compression) = hashed(&place)?;
        let media_type = match compression {
            Compression::None => MediaType::OCI_LAYER,
            Compression::Gzip => "application/vnd.oci.image.layer.v1.tar+gzip",
            Compression::Zstd => "application/vnd.oci.image.layer.v1.tar+zstd",
        };
        let size = place.size;
        blobs.insert(blob_name(&digest), place);
        Ok(WireDescriptor { media_type, digest: digest.to_string(), size })
    }
}

/// The digest of a member, and how it is stored, from its first bytes.
fn hashed(place: &Place) -> io::Result<(Digest, Compression)> {
    let mut reader = place.reader()?;
    let mut hasher = Hasher::new(Algorithm::Sha256);
    let mut buffer = vec![0; 64 << 10];
    let mut compression = None;
    loop {
        let count = reader.read(&mut buffer)?;
        let chunk = buffer.get(..count).unwrap_or_default();
        if chunk.is_empty() {
            return Ok((hasher.finish(), compression.unwrap_or(Compression::None)));
        }
        compression.get_or_insert(match chunk {
            [0x1f, 0x8b, ..] => Compression::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Compression::Zstd,
            _ => Compression::None,
        });
        hasher.update(chunk);
    }
}
