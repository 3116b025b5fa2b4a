//! A layer with one file on top of an image.
//!
//! Turns a manifest, its configuration and a file into the layer, configuration and manifest of an image that has the
//! file too, as embedding a build manifest needs it. Equal input gives equal bytes: times come from the caller, entries
//! are owned by root, and the gzip stream holds stored blocks, which every version of every encoder writes alike.

use std::io::Write;

use bytes::Bytes;
use flate2::{GzBuilder, write::GzEncoder};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{Checked, Descriptor, FormatError, ImageConfig, Manifest, MediaType};
use crate::{
    digest::{BlobDigest, ConfigDigest, DiffId, ManifestDigest},
    limits::Limits,
};

/// The file to add.
pub struct Addition<'a> {
    /// Where it goes, from the root, with a leading slash.
    pub path: &'a str,
    /// Its content.
    pub bytes: &'a [u8],
    /// Its permissions, for example `0o644`.
    pub mode: u32,
    /// Which folders the image has already: their entries are not written again, which would change their owner.
    pub has_folder: &'a dyn Fn(&str) -> bool,
    /// A label to set in the configuration, name and value.
    pub label: (&'a str, &'a str),
    /// What the history says about the layer.
    pub created_by: &'a str,
    /// Time of file, folders and history entry, in seconds since 1970.
    pub epoch_seconds: i64,
}

/// The image with the file.
#[derive(Debug, Clone)]
pub struct Appended {
    /// The new layer as stored.
    pub layer: Bytes,
    /// The new layer's descriptor.
    pub descriptor: Descriptor,
    /// The new layer's diffID.
    pub diff_id: DiffId,
    /// The new configuration.
    pub config: ImageConfig,
    /// The new manifest.
    pub manifest: Manifest,
}

/// Why a file cannot be added.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The path is not absolute, has `..` in it, or is too long for a ustar header.
    #[error(
        "{0:?} is no path that a layer can hold; expected an absolute path whose last part has at most 100 bytes"
    )]
    Path(String),
    /// The time does not fit.
    #[error("{0} seconds since 1970 is no time that a layer can hold")]
    Time(i64),
    /// The image is not one to which a layer can be added, or the result exceeds a limit.
    #[error(transparent)]
    Format(#[from] FormatError),
}

/// Adds a layer with one file to an image.
///
/// # Errors
/// See [`AppendError`].
pub fn append_layer(
    manifest: &Manifest,
    config: &ImageConfig,
    file: &Addition<'_>,
    limits: &Limits,
) -> Result<Appended, AppendError> {
    manifest.require_image(config)?;
    let tar = archive(file)?;
    let diff_id = DiffId::of(&tar);
    let layer = Bytes::from(gzip(&tar));
    let descriptor = descriptor(manifest, &layer);
    let config = new_config(config, file, &diff_id, limits)?;
    let manifest = new_manifest(manifest, &config, &descriptor, limits)?;
    Ok(Appended { layer, descriptor, diff_id, config, manifest })
}

/// The tar: missing parent folders, then the file.
fn archive(file: &Addition<'_>) -> Result<Vec<u8>, AppendError> {
    let wrong = || AppendError::Path(file.path.to_owned());
    let relative = file.path.strip_prefix('/').ok_or_else(wrong)?;
    if relative.split('/').any(|part| matches!(part, "" | "." | "..") || part.starts_with(".wh.")) {
        return Err(wrong());
    }
    let mtime =
        u64::try_from(file.epoch_seconds).map_err(|_| AppendError::Time(file.epoch_seconds))?;
    let mut builder = tar::Builder::new(Vec::new());
    let folders = relative.match_indices('/').filter_map(|(at, _)| relative.get(..at));
    for folder in folders.filter(|folder| !(file.has_folder)(&format!("/{folder}"))) {
        let mut header = header(tar::EntryType::Directory, 0o755, 0, mtime);
        header.set_path(format!("{folder}/")).map_err(|_| wrong())?;
        header.set_cksum();
        builder.append(&header, std::io::empty()).map_err(|_| wrong())?;
    }
    let mut header = header(tar::EntryType::Regular, file.mode, file.bytes.len(), mtime);
    header.set_path(relative).map_err(|_| wrong())?;
    header.set_cksum();
    builder.append(&header, file.bytes).map_err(|_| wrong())?;
    builder.into_inner().map_err(|_| wrong())
}

fn header(kind: tar::EntryType, mode: u32, size: usize, mtime: u64) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(size as u64);
    header.set_mtime(mtime);
    header
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder: GzEncoder<Vec<u8>> =
        GzBuilder::new().write(Vec::new(), flate2::Compression::none());
    encoder.write_all(bytes).expect("a vector takes all bytes");
    encoder.finish().expect("a vector takes all bytes")
}

fn descriptor(manifest: &Manifest, layer: &[u8]) -> Descriptor {
    let media_type = if manifest.media_type.is_oci() {
        format!("{}+gzip", MediaType::OCI_LAYER)
    } else {
        MediaType::DOCKER_LAYER.to_owned()
    };
    Descriptor {
        media_type: MediaType::new(&media_type),
        digest: BlobDigest::of(layer),
        size: layer.len() as u64,
        platform: None,
        selective: false,
        artifact_type: None,
        annotations: Default::default(),
    }
}

fn new_config(
    config: &ImageConfig,
    file: &Addition<'_>,
    diff_id: &DiffId,
    limits: &Limits,
) -> Result<ImageConfig, AppendError> {
    let created = Timestamp::from_second(file.epoch_seconds)
        .map_err(|_| AppendError::Time(file.epoch_seconds))?
        .to_string();
    let mut json = config.json();
    push(&mut json["rootfs"]["diff_ids"], json!(diff_id.to_string()));
    // A history that speaks about no layer stays silent: one entry would be taken for the first layer's.
    if !config.history.is_empty() {
        let entry = json!({"created": created, "created_by": file.created_by});
        push(&mut json["history"], entry);
    }
    let labels = object(object(&mut json["config"]).entry("Labels").or_insert(Value::Null));
    labels.insert(file.label.0.to_owned(), json!(file.label.1));
    let bytes = Bytes::from(json.to_string());
    let document = Checked { digest: ConfigDigest::of(&bytes), bytes };
    Ok(ImageConfig::parse(document, limits)?)
}

fn new_manifest(
    manifest: &Manifest,
    config: &ImageConfig,
    layer: &Descriptor,
    limits: &Limits,
) -> Result<Manifest, AppendError> {
    let malformed = |error: serde_json::Error| FormatError::Malformed {
        what: "image manifest",
        why: error.to_string(),
    };
    let mut json: Value = serde_json::from_slice(&manifest.document.bytes).map_err(malformed)?;
    let pointer = object(&mut json["config"]);
    pointer.insert("digest".to_owned(), json!(config.document.digest.to_string()));
    pointer.insert("size".to_owned(), json!(config.document.bytes.len()));
    pointer.remove("data");
    let entry = json!({
        "mediaType": layer.media_type.as_str(),
        "digest": layer.digest.to_string(),
        "size": layer.size,
    });
    push(&mut json["layers"], entry);
    let bytes = Bytes::from(json.to_string());
    let document = Checked { digest: ManifestDigest::of(&bytes), bytes };
    Ok(Manifest::parse(document, Some(&manifest.media_type), limits)?)
}

/// The list at this place, made where there is none.
fn push(place: &mut Value, value: Value) {
    match place {
        Value::Array(list) => list.push(value),
        other => *other = Value::Array(vec![value]),
    }
}

/// The object at this place, made where there is none.
fn object(place: &mut Value) -> &mut Map<String, Value> {
    if !place.is_object() {
        *place = Value::Object(Map::new());
    }
    place.as_object_mut().expect("it was made an object above")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{
        layer::LayerReader,
        rootfs::RootfsBuilder,
        tar::{EntryKind, walk},
    };

    fn image(kind: &str) -> (Manifest, ImageConfig) {
        let limits = Limits::default();
        let diff = DiffId::of(b"base").to_string();
        let config = json!({
            "os": "linux", "architecture": "amd64", "config": {"Labels": null},
            "rootfs": {"type": "layers", "diff_ids": [diff]}, "history": [{"created_by": "ADD base /"}],
        })
        .to_string();
        let bytes = Bytes::from(config);
        let config =
            ImageConfig::parse(Checked { digest: ConfigDigest::of(&bytes), bytes }, &limits)
                .unwrap();
        let manifest = json!({
            "schemaVersion": 2, "mediaType": kind,
            "config": {
                "mediaType": MediaType::OCI_CONFIG, "digest": config.document.digest.to_string(),
                "size": config.document.bytes.len(),
            },
            "layers": [{"mediaType": MediaType::OCI_LAYER, "digest": diff, "size": 4}],
        })
        .to_string();
        let bytes = Bytes::from(manifest);
        let document = Checked { digest: ManifestDigest::of(&bytes), bytes };
        (Manifest::parse(document, None, &limits).unwrap(), config)
    }

    fn addition<'a>(path: &'a str, has_folder: &'a dyn Fn(&str) -> bool) -> Addition<'a> {
        Addition {
            path,
            bytes: b"{}",
            mode: 0o644,
            has_folder,
            label: ("dev.example", "1"),
            created_by: "hallmark",
            epoch_seconds: 1_700_000_000,
        }
    }

    #[test]
    fn the_result_is_an_image_with_the_file() {
        let limits = Limits::default();
        let has = |folder: &str| folder == "/usr";
        for kind in [MediaType::OCI_MANIFEST, MediaType::DOCKER_MANIFEST] {
            let (manifest, config) = image(kind);
            let file = addition("/usr/share/x.json", &has);
            let new = append_layer(&manifest, &config, &file, &limits).unwrap();
            new.manifest.require_image(&new.config).unwrap();
            assert_eq!(new.manifest.media_type.as_str(), kind);
            assert_eq!(new.config.runtime.labels["dev.example"], "1");
            assert_eq!(new.config.diff_ids, [config.diff_ids[0].clone(), new.diff_id.clone()]);
            assert_eq!(new.config.history.len(), 2);
            assert_eq!(new.config.history[1].created.as_deref(), Some("2023-11-14T22:13:20Z"));
            let mut reader = LayerReader::new(&new.layer[..], &new.descriptor, &limits).unwrap();
            let mut seen = Vec::new();
            walk(&mut reader, &limits, |entry, _| {
                seen.push((entry.path.clone(), entry.kind, entry.mode, entry.mtime));
                Ok(())
            })
            .unwrap();
            assert_eq!(reader.finish().unwrap(), new.diff_id);
            let want = [
                ("/usr/share".to_owned(), EntryKind::Directory, 0o755, 1_700_000_000),
                ("/usr/share/x.json".to_owned(), EntryKind::File, 0o644, 1_700_000_000),
            ];
            assert_eq!(seen, want);
            let mut rootfs = RootfsBuilder::new(&limits, |_| true);
            let layer = LayerReader::new(&new.layer[..], &new.descriptor, &limits).unwrap();
            rootfs.add_layer(0, layer).unwrap();
            assert_eq!(rootfs.finish().file("/usr/share/x.json"), Some(b"{}".as_slice()));
        }
    }

    #[test]
    fn equal_input_gives_these_bytes() {
        let (manifest, config) = image(MediaType::OCI_MANIFEST);
        let file = addition("/a/b", &|_| false);
        let new = append_layer(&manifest, &config, &file, &Limits::default()).unwrap();
        let again = append_layer(&manifest, &config, &file, &Limits::default()).unwrap();
        assert_eq!(new.manifest, again.manifest);
        // No time and no name of the host in the gzip header (RFC 1952, section 2.3).
        assert_eq!(&new.layer[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255]);
    }

    #[test]
    fn refuses_paths_and_times_that_do_not_fit() {
        let (manifest, config) = image(MediaType::OCI_MANIFEST);
        let long = format!("/{}", "x".repeat(300));
        for path in ["", "a", "/", "/a/", "/../a", "/a//b", "/.wh.a", &long] {
            let found =
                append_layer(&manifest, &config, &addition(path, &|_| false), &Limits::default());
            assert!(matches!(found, Err(AppendError::Path(_))), "{path}: {found:?}");
        }
        let mut file = addition("/a", &|_| false);
        file.epoch_seconds = -1;
        let found = append_layer(&manifest, &config, &file, &Limits::default());
        assert!(matches!(found, Err(AppendError::Time(-1))));
        file.epoch_seconds = 0;
        let full = Limits { layers: 1, ..Limits::default() };
        let found = append_layer(&manifest, &config, &file, &full);
        assert!(matches!(found, Err(AppendError::Format(FormatError::Limit { .. }))));
    }
}
