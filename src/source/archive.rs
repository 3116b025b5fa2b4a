//! Images in one tar file: OCI layouts, and what `docker save` writes.
//!
//! Reads the archive's headers once and remembers where each member's bytes are; nothing is unpacked. Names decide
//! nothing but which bytes are tried: every blob is checked against its digest afterwards. A name that occurs twice, a
//! sparse member and a compressed archive are refused.
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
use tar::{EntryType, Header};

use super::{
    SourceError,
    layout::{LayoutSource, Shelf, blob_name},
    spool::Place,
    unreadable,
};
use crate::{
    digest::{Algorithm, BlobDigest, Digest, Hasher, ManifestDigest},
    image::{Compression, Descriptor, FormatError, MediaType},
    json,
    limits::Limits,
    reference::Location,
};

const WHAT: &str = "image archive";
/// Bytes of a tar block (POSIX.1-2024, pax, "ustar Interchange Format").
const BLOCK: usize = 512;
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
            SourceError::NotFound { what: "the file".to_owned(), place: location.to_string() }
        }
        _ => unreadable(location, error),
    })?;
    let at = |error: ArchiveError| error.at(location);
    let places = Scan::new(file, path, limits).and_then(Scan::run).map_err(at)?;
    if places.contains_key("index.json") {
        return LayoutSource::read(location.clone(), Shelf::Archive(places), limits);
    }
    if !places.contains_key("manifest.json") {
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
}

impl ArchiveError {
    fn at(self, location: &Location) -> SourceError {
        match self {
            Self::Format(error) => SourceError::Format { place: location.to_string(), error },
            Self::Disk(error) => unreadable(location, error),
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

/// One pass over the headers of an archive.
struct Scan<'a> {
    file: File,
    path: &'a Path,
    length: u64,
    offset: u64,
    limits: &'a Limits,
    members: BTreeMap<String, Member>,
    /// What extension headers say about the member after them.
    next: Extension,
}

#[derive(Default)]
struct Extension {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
}

impl<'a> Scan<'a> {
    fn new(mut file: File, path: &'a Path, limits: &'a Limits) -> Result<Self, ArchiveError> {
        let about = file.metadata()?;
        let mut start = [0; 4];
        let count = file.read(&mut start)?;
        if start.starts_with(&[0x1f, 0x8b]) || start.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
            return Err(malformed("it is compressed; decompress it first"));
        }
        if count == 0 {
            return Err(malformed("it is empty"));
        }
        let (length, members) = (about.len(), BTreeMap::new());
        Ok(Self { file, path, length, offset: 0, limits, members, next: Extension::default() })
    }

    fn run(mut self) -> Result<BTreeMap<String, Place>, ArchiveError> {
        while let Some(header) = self.header()? {
            self.member(&header)?;
            if self.members.len() > MAX_MEMBERS {
                return Err(malformed(format!("it has more than {MAX_MEMBERS} members")));
            }
        }
        Ok(self.places())
    }

    /// The next header, `None` at the end of the archive.
    fn header(&mut self) -> Result<Option<Header>, ArchiveError> {
        if self.offset == self.length {
            return Ok(None);
        }
        let mut header = Header::new_old();
        self.file.seek(SeekFrom::Start(self.offset))?;
        self.file.read_exact(header.as_mut_bytes()).map_err(|_| self.truncated())?;
        self.offset = self.offset.saturating_add(BLOCK as u64);
        if header.as_bytes().iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        let sum: u32 = header
            .as_bytes()
            .iter()
            .enumerate()
            .map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u32::from(*byte) })
            .sum();
        match header.cksum() {
            Ok(stated) if stated == sum => Ok(Some(header)),
            _ => Err(self.bad_header("a wrong checksum")),
        }
    }

    fn bad_header(&self, what: &str) -> ArchiveError {
        let at = self.offset.saturating_sub(BLOCK as u64);
        malformed(format!("the tar header at byte {at} has {what}"))
    }

    fn truncated(&self) -> ArchiveError {
        malformed(format!("it ends at byte {} in the middle of a member", self.length))
    }

    fn member(&mut self, header: &Header) -> Result<(), ArchiveError> {
        let kind = header.entry_type();
        let stated = header.entry_size().map_err(|_| self.bad_header("no readable size"))?;
        let is_extension = matches!(
            kind,
            EntryType::XHeader
                | EntryType::XGlobalHeader
                | EntryType::GNULongName
                | EntryType::GNULongLink
        );
        let size = if is_extension { stated } else { self.next.size.take().unwrap_or(stated) };
        let start = self.offset;
        let end = start.checked_add(size).filter(|end| *end <= self.length);
        let end = end.ok_or_else(|| self.truncated())?;
        // The last member's padding may be missing; some writers leave it out.
        self.offset = end.next_multiple_of(BLOCK as u64).min(self.length);
        if is_extension {
            return self.extension(kind, start, size);
        }
        let said = std::mem::take(&mut self.next);
        let name = said.name.unwrap_or_else(|| header.path_bytes().into_owned());
        let Some(name) = normal(&name) else { return Ok(()) };
        let member = match kind {
            EntryType::Regular | EntryType::Continuous => {
                Member::Bytes(Place { path: self.path.to_path_buf(), offset: start, size })
            }
            EntryType::Symlink | EntryType::Link => {
                let link = said.link.or_else(|| header.link_name_bytes().map(|l| l.into_owned()));
                let base = if kind == EntryType::Symlink { parent(&name) } else { "" };
                let Some(target) = link.and_then(|link| resolved(base, &link)) else {
                    return Ok(());
                };
                Member::Link(target)
            }
            EntryType::Directory => return Ok(()),
            other => return Err(malformed(format!("{name} is of the type {other:?}"))),
        };
        if self.members.contains_key(&name) {
            return Err(malformed(format!("{name} is in it twice")));
        }
        self.members.insert(name, member);
        Ok(())
    }

    /// Reads an extension header (POSIX pax, or GNU's long names).
    fn extension(&mut self, kind: EntryType, start: u64, size: u64) -> Result<(), ArchiveError> {
        if size > self.limits.tar_pax_bytes as u64 {
            return Err(FormatError::Limit {
                what: WHAT,
                found: size,
                unit: "bytes in an extended header",
                limit: self.limits.tar_pax_bytes as u64,
                limit_name: "tar_pax_bytes",
            }
            .into());
        }
        let mut bytes = Vec::new();
        self.file.seek(SeekFrom::Start(start))?;
        (&self.file).take(size).read_to_end(&mut bytes)?;
        let text = || bytes.split(|b| *b == 0).next().unwrap_or_default().to_vec();
        match kind {
            EntryType::GNULongName => self.next.name = Some(text()),
            EntryType::GNULongLink => self.next.link = Some(text()),
            EntryType::XHeader => self.pax(&bytes)?,
            _ => {}
        }
        Ok(())
    }

    fn pax(&mut self, bytes: &[u8]) -> Result<(), ArchiveError> {
        for record in tar::PaxExtensions::new(bytes) {
            let record = record.map_err(|_| self.bad_header("a broken pax record"))?;
            let value = record.value_bytes().to_vec();
            match record.key_bytes() {
                b"path" => self.next.name = Some(value),
                b"linkpath" => self.next.link = Some(value),
                b"size" => {
                    let size = record.value().ok().and_then(|text| text.parse().ok());
                    self.next.size =
                        Some(size.ok_or_else(|| malformed("a pax size is no number"))?);
                }
                key if key.starts_with(b"GNU.sparse.") => {
                    return Err(malformed("it has a sparse member"));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The members with bytes, and links that lead to one.
    fn places(&self) -> BTreeMap<String, Place> {
        let mut places = BTreeMap::new();
        for name in self.members.keys() {
            let mut target = name;
            for _ in 0..MAX_LINKS {
                match self.members.get(target) {
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
}

/// A member's name without `./`; `None` for names that no image archive has.
fn normal(name: &[u8]) -> Option<String> {
    let name = std::str::from_utf8(name).ok()?.trim_start_matches("./");
    let plain = name.len() <= 255 && name.split('/').all(|p| !matches!(p, "" | "." | ".."));
    plain.then(|| name.to_owned())
}

fn parent(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// The member that a link in the folder `base` names; `None` where it leads out of the archive.
fn resolved(base: &str, link: &[u8]) -> Option<String> {
    let link = std::str::from_utf8(link).ok()?;
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
        let limit = self.limits.manifest_bytes;
        let bytes = self.place("manifest.json")?.read(limit)?;
        let bytes = bytes.ok_or_else(|| {
            malformed(format!(
                "manifest.json is larger than {}",
                crate::limits::key("manifest_bytes")
            ))
        })?;
        let images: Vec<WireImage> = json::from_slice(&bytes, limit)
            .map_err(|error| malformed(format!("manifest.json: {error}")))?;
        self.bounded("images", images.len(), self.limits.index_manifests, "index_manifests")?;
        images.into_iter().try_for_each(|image| self.image(image, blobs))
    }

    fn image(
        &mut self,
        image: WireImage,
        blobs: &mut BTreeMap<String, Place>,
    ) -> Result<(), ArchiveError> {
        let layers = image.layers.unwrap_or_default();
        self.bounded("layers", layers.len(), self.limits.layers, "layers")?;
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
        self.bounded("names", self.entries.len(), self.limits.index_manifests, "index_manifests")?;
        self.made.insert(digest, bytes);
        Ok(())
    }

    fn bounded(
        &self,
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

    fn place(&self, name: &str) -> Result<Place, ArchiveError> {
        let found = normal(name.as_bytes()).and_then(|name| self.places.get(&name));
        found.cloned().ok_or_else(|| malformed(format!("{name:?} is not in it")))
    }

    /// Hashes a member and gives it the name that a layout would.
    fn blob(
        &self,
        name: &str,
        blobs: &mut BTreeMap<String, Place>,
    ) -> Result<WireDescriptor, ArchiveError> {
        let place = self.place(name)?;
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
