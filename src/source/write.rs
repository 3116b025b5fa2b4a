//! Writing an image into a layout: its new blobs, and the entry in `index.json` that names it.
//!
//! Files appear whole or not at all, and the index is written last, so that whoever reads the layout in between finds the
//! old image or the new one. A folder that holds anything but a layout is never written to.

use std::{
    fs::{self, Permissions},
    io::{self, Read},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, flock};
use serde_json::{Value, json};

use super::{Blob, SourceError, layout::LayoutSource, unreadable};
use crate::{
    amount::plural,
    digest::Digest,
    image::{Image, MediaType, append::Appended},
    limits::Limits,
    reference::Location,
    scratch::read_file,
};

/// The annotation that holds an image's tag in a layout (image-spec v1.1, annotations.md).
const TAG: &str = "org.opencontainers.image.ref.name";
/// Media type of `index.json`.
const INDEX: &str = MediaType::OCI_INDEX;

/// Writes `image` into the layout and lets `tag` name it; without a tag it takes the place of the only image.
///
/// # Errors
/// When the layout cannot be read or written, or holds several images and no tag was given.
pub fn write_image(folder: &Path, image: &Appended, tag: Option<&str>) -> Result<(), SourceError> {
    let failed = |error: io::Error| SourceError::Unreadable {
        place: format!("oci:{}", folder.display()),
        why: error.to_string(),
    };
    let manifest = &image.manifest.document;
    let config = &image.config.document;
    let blobs: [(&Digest, &[u8]); 3] = [
        (image.descriptor.digest.digest(), &image.layer),
        (config.digest.digest(), &config.bytes),
        (manifest.digest.digest(), &manifest.bytes),
    ];
    for (digest, bytes) in blobs {
        put(&blob_path(folder, digest), bytes).map_err(failed)?;
    }
    let index_file = folder.join("index.json");
    let mut index: Value = fs::read(&index_file)
        .and_then(|bytes| serde_json::from_slice(&bytes).map_err(io::Error::from))
        .map_err(failed)?;
    let document = &image.manifest.document;
    let entry = json!({
        "mediaType": image.manifest.media_type.as_str(),
        "digest": document.digest.to_string(),
        "size": document.bytes.len(),
    });
    name_image(&mut index, entry, tag, folder)?;
    put(&index_file, index.to_string().as_bytes()).map_err(failed)
}

fn name_image(
    index: &mut Value,
    mut entry: Value,
    tag: Option<&str>,
    folder: &Path,
) -> Result<(), SourceError> {
    let entries = index.get_mut("manifests").and_then(Value::as_array_mut);
    let Some(entries) = entries else {
        return Err(SourceError::Unreadable {
            place: format!("oci:{}", folder.display()),
            why: "index.json lists no manifests".to_owned(),
        });
    };
    let named = |entry: &Value| entry["annotations"][TAG].as_str().map(str::to_owned);
    match tag {
        Some(tag) => entries.retain(|entry| named(entry).as_deref() != Some(tag)),
        None if entries.len() == 1 => entries.clear(),
        None => {
            return Err(SourceError::Ambiguous {
                place: format!("oci:{}", folder.display()),
                found: plural(entries.len(), "image"),
            });
        }
    }
    if let Some(tag) = tag {
        entry["annotations"] = json!({ TAG: tag });
    }
    entries.push(entry);
    Ok(())
}

pub(super) fn blob_path(folder: &Path, digest: &Digest) -> PathBuf {
    folder.join("blobs").join(digest.algorithm().name()).join(digest.hex())
}

pub(super) fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let parent = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(parent)?;
    put_all(path, &mut &*bytes)
}

/// Writes all that a reader gives, or nothing where it fails.
fn put_all(path: &Path, bytes: &mut dyn Read) -> io::Result<()> {
    let parent = path.parent().unwrap_or(Path::new("."));
    // What the umask leaves of it: others may read what lies beside it.
    let mode = Permissions::from_mode(0o666);
    let mut file = tempfile::Builder::new().permissions(mode).tempfile_in(parent)?;
    io::copy(bytes, &mut file)?;
    file.persist(path)?;
    Ok(())
}

/// Refuses a layout whose folders are links to somewhere else: a stranger may have made it. Looks before it makes one.
pub(super) fn stays_inside(folder: &Path, path: &Path) -> io::Result<()> {
    let real = folder.canonicalize()?;
    let parent = path.parent().unwrap_or(folder);
    for ancestor in [parent.parent().unwrap_or(folder), parent] {
        if !ancestor.exists() {
            fs::create_dir(ancestor)?;
        }
        if !ancestor.canonicalize()?.starts_with(&real) {
            let why = format!("{} is a link that leaves the folder", ancestor.display());
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
        }
    }
    Ok(())
}

/// Whether images can be written into a folder: it is not there, is empty, or holds a layout.
///
/// # Errors
/// Where it holds anything else, or cannot be read.
pub fn writable_layout(folder: &Path, limits: &Limits) -> Result<(), SourceError> {
    state(folder, limits).map(drop)
}

/// What is where images are to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Empty,
    Layout,
}

fn state(folder: &Path, limits: &Limits) -> Result<State, SourceError> {
    let place = Location::Layout(folder.to_owned());
    let mut entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(State::Empty),
        Err(error) => return Err(unreadable(&place, error)),
    };
    if entries.next().is_none() {
        return Ok(State::Empty);
    }
    if !folder.join("oci-layout").is_file() {
        let why = "it is no OCI image layout, and nothing in it is overwritten; name a new folder";
        return Err(unreadable(&place, why));
    }
    LayoutSource::folder(folder, limits).map(|_| State::Layout)
}

/// Writes a copy of an image into a layout, which is made where there is none, and lets `tag` name it. Layers are hashed on the way.
///
/// # Errors
/// When the folder holds anything but a layout, or cannot be written.
pub fn write_copy(
    folder: &Path,
    image: &Image,
    layers: &[Blob],
    tag: &str,
    limits: &Limits,
) -> Result<(), SourceError> {
    let place = Location::Layout(folder.to_owned());
    let failed = |error: io::Error| unreadable(&place, error);
    let index_file = folder.join("index.json");
    if state(folder, limits)? == State::Empty {
        let empty = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [] });
        put(&index_file, empty.to_string().as_bytes()).map_err(failed)?;
        // Last: what has it is a layout.
        let marker = json!({ "imageLayoutVersion": "1.0.0" });
        put(&folder.join("oci-layout"), marker.to_string().as_bytes()).map_err(failed)?;
    }
    let marker = fs::File::open(folder.join("oci-layout")).map_err(failed)?;
    flock(&marker, FlockOperation::LockExclusive).map_err(|error| failed(error.into()))?;
    let into = |digest: &Digest, bytes: &mut dyn Read| {
        let path = blob_path(folder, digest);
        stays_inside(folder, &path).and_then(|()| put_all(&path, bytes)).map_err(failed)
    };
    for layer in layers {
        into(layer.descriptor().digest.digest(), &mut layer.open().map_err(failed)?)?;
    }
    let (manifest, config) = (&image.manifest.document, &image.config.document);
    into(config.digest.digest(), &mut &*config.bytes)?;
    into(manifest.digest.digest(), &mut &*manifest.bytes)?;
    let bytes = read_file(&index_file, limits.manifest_bytes as u64).map_err(failed)?;
    let mut index: Value = serde_json::from_slice(&bytes).map_err(|e| failed(e.into()))?;
    let entry = json!({
        "mediaType": image.manifest.media_type.as_str(),
        "digest": manifest.digest.to_string(),
        "size": manifest.bytes.len(),
    });
    name_image(&mut index, entry, Some(tag), folder)?;
    put(&index_file, index.to_string().as_bytes()).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        digest::BlobDigest,
        image::{Descriptor, MediaType},
        source::blobs::Place,
        trust::testing::image,
    };

    /// A layer in a file, which is what its name says or is not.
    fn layer(folder: &Path, said: &[u8], bytes: &[u8]) -> Blob {
        let path = folder.join("layer");
        fs::write(&path, bytes).unwrap();
        let descriptor = Descriptor {
            media_type: MediaType::new(MediaType::OCI_MANIFEST),
            digest: BlobDigest::of(said),
            size: said.len() as u64,
            platform: None,
            selective: false,
            artifact_type: None,
            annotations: std::collections::BTreeMap::new(),
        };
        Blob::new(Place { path, offset: 0, size: bytes.len() as u64 }, descriptor)
    }

    #[test]
    fn nothing_that_is_no_layout_is_written_to() {
        let folder = tempfile::tempdir().unwrap();
        let limits = Limits::default();
        let to = |name: &str| folder.path().join(name);
        let write = |to: &Path| write_copy(to, &image(), &[], "kept", &limits);
        fs::create_dir(to("empty")).unwrap();
        for name in ["new/below", "empty", "empty"] {
            writable_layout(&to(name), &limits).unwrap();
            write(&to(name)).unwrap();
        }
        let index: Value =
            serde_json::from_slice(&fs::read(to("empty/index.json")).unwrap()).unwrap();
        assert_eq!(index["manifests"].as_array().unwrap().len(), 1, "the tag has moved: {index}");
        assert_eq!(index["manifests"][0]["annotations"][TAG], "kept");
        fs::create_dir(to("home")).unwrap();
        fs::write(to("home/thesis.txt"), "three years").unwrap();
        fs::write(to("file"), "x").unwrap();
        fs::create_dir(to("later")).unwrap();
        fs::write(to("later/oci-layout"), "{\"imageLayoutVersion\":\"9\"}").unwrap();
        for name in ["home", "file", "later"] {
            assert!(writable_layout(&to(name), &limits).is_err(), "{name}");
            assert!(write(&to(name)).is_err(), "{name}");
        }
        assert_eq!(fs::read_dir(to("home")).unwrap().count(), 1);
        // A blob folder that is a link leads nowhere else.
        fs::remove_dir_all(to("empty/blobs")).unwrap();
        std::os::unix::fs::symlink(to("home"), to("empty/blobs")).unwrap();
        assert!(write(&to("empty")).is_err());
        assert_eq!(fs::read_dir(to("home")).unwrap().count(), 1);
    }

    #[test]
    fn a_layer_that_is_not_what_it_is_called_is_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let limits = Limits::default();
        let to = folder.path().join("kept");
        let write = |layer: Blob| write_copy(&to, &image(), &[layer], "kept", &limits);
        write(layer(folder.path(), b"layer", b"layer")).unwrap();
        let path = blob_path(&to, BlobDigest::of(b"layer").digest());
        assert_eq!(fs::read(&path).unwrap(), b"layer");
        assert!(write(layer(folder.path(), b"other", b"wrong")).is_err());
        assert!(!blob_path(&to, BlobDigest::of(b"other").digest()).exists());
    }
}
