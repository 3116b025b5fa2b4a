//! Writing an image into a layout: its new blobs, and the entry in `index.json` that names it.
//!
//! Files appear whole or not at all, and the index is written last, so that whoever reads the layout in between finds the
//! old image or the new one.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use super::SourceError;
use crate::{digest::Digest, image::append::Appended};

/// The annotation that holds an image's tag in a layout (image-spec v1.1, annotations.md).
const TAG: &str = "org.opencontainers.image.ref.name";

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
    name_image(&mut index, image, tag, folder)?;
    put(&index_file, index.to_string().as_bytes()).map_err(failed)
}

fn name_image(
    index: &mut Value,
    image: &Appended,
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
                found: format!("{} images", entries.len()),
            });
        }
    }
    let document = &image.manifest.document;
    let mut entry = json!({
        "mediaType": image.manifest.media_type.as_str(),
        "digest": document.digest.to_string(),
        "size": document.bytes.len(),
    });
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
    let mut file = tempfile::NamedTempFile::new_in(parent)?;
    io::Write::write_all(&mut file, bytes)?;
    file.persist(path)?;
    Ok(())
}
