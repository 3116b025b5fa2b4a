//! Published documents and archives of other projects, held against what they are known to be.
//!
//! Reads `CASES.tsv` of the areas `oci`, `tar` and `reproduce` below `HALLMARK_CONFORMANCE`; where that folder is absent the tests
//! say so and do nothing. [`DIFFERENT`] lists the rows that are judged otherwise here, with the reason; a row listed
//! without need fails.

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use serde_json::{Value, json};

use super::{
    Checked, Descriptor, Document, ImageConfig, MediaType, layer::LayerReader,
    rootfs::RootfsBuilder, tar,
};
use crate::{
    digest::{BlobDigest, ConfigDigest, DiffId, ManifestDigest},
    limits::Limits,
};

/// Rows whose expectation does not hold here, and why.
const DIFFERENT: &[(&str, &str)] = &[
    ("image-spec/descriptor/17-invalid.json", "urls are never followed and so not read"),
    ("image-spec/descriptor/21-valid.json", "only sha256 and sha512 are accepted as proof"),
    ("image-spec/descriptor/24-valid.json", "only sha256 and sha512 are accepted as proof"),
    ("image-spec/descriptor/25-valid.json", "only sha256 and sha512 are accepted as proof"),
    (
        "image-spec/docker-manifest/00.json",
        "its config is application/octet-stream, as Docker 1.9 wrote it",
    ),
    ("containers-image/manifest/v2s1-unsigned.manifest.json", "schema 1 is refused"),
    ("containers-image/image/schema2-to-schema1-by-docker.json", "schema 1 is refused"),
    ("containers-image/manifest/schema2-to-schema1-by-docker.json", "schema 1 is refused"),
    ("containers-image/image/oci1-to-schema1.json", "schema 1 is refused"),
    ("containers-image/image/schema1-to-oci1.json", "a layer's size is -1"),
    ("containers-image/image/schema1-to-schema2.json", "a layer's size is -1"),
    (
        "containers-image/manifest/oci1.index.everything.json",
        "inline data that hashes to another digest",
    ),
    (
        "containers-image/manifest/ociv1.everything.json",
        "inline data that hashes to another digest",
    ),
    ("containers-image/manifest/ociv1.artifact.json", "the config's digest is empty"),
    ("containers-image/manifest/v2s2nomime.manifest.json", "an image without layers"),
];

fn area(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("HALLMARK_CONFORMANCE")
        .map_or_else(|| PathBuf::from("../shared/conformance"), PathBuf::from);
    let area = root.join(name);
    if area.join("CASES.tsv").is_file() {
        return Some(area);
    }
    eprintln!("skipped: no {}", area.display());
    None
}

/// Case, expectation, inputs.
fn rows(area: &Path) -> Vec<(String, String, Value)> {
    let text = fs::read_to_string(area.join("CASES.tsv")).unwrap();
    let row = |line: &str| {
        let mut fields = line.split('\t').map(str::to_owned);
        let (case, expect) = (fields.next()?, fields.next()?);
        Some((case, expect, serde_json::from_str(&fields.next()?).ok()?))
    };
    text.lines().skip(1).map(|line| row(line).unwrap_or_else(|| panic!("{line}"))).collect()
}

fn document(bytes: Vec<u8>) -> Result<Document, String> {
    let bytes = Bytes::from(bytes);
    let checked = Checked { digest: ManifestDigest::of(&bytes), bytes };
    let document = Document::parse(checked, None, &Limits::default()).map_err(|e| e.to_string())?;
    if let Document::Manifest(manifest) = &document
        // Docker's manifests know no artifacts.
        && (manifest.config.media_type.is_config() || !manifest.media_type.is_oci())
    {
        match manifest.image_layers() {
            // Readable, and refused later where somebody wants to run it.
            Err(error) if error.to_string().contains("foreign") => {}
            Err(error) if manifest.layers.iter().any(is_encrypted) => drop(error),
            other => drop(other.map_err(|error| error.to_string())?),
        }
    }
    Ok(document)
}

fn is_encrypted(layer: &Descriptor) -> bool {
    layer.media_type.as_str().ends_with("+encrypted")
}

fn config(bytes: Vec<u8>) -> Result<(), String> {
    let bytes = Bytes::from(bytes);
    let checked = Checked { digest: ConfigDigest::of(&bytes), bytes };
    ImageConfig::parse(checked, &Limits::default()).map(drop).map_err(|error| error.to_string())
}

/// A descriptor alone is no document: it is read as the entry of an index.
fn descriptor(bytes: &[u8]) -> Result<(), String> {
    let entry: Value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let index = json!({
        "schemaVersion": 2, "mediaType": MediaType::OCI_INDEX, "manifests": [entry],
    });
    document(index.to_string().into_bytes()).map(drop)
}

fn judge(area: &Path, inputs: &Value) -> Result<(), String> {
    let bytes = fs::read(area.join(inputs["document"].as_str().unwrap())).unwrap();
    if let Some(digest) = inputs["digest"].as_str() {
        let digest: ManifestDigest =
            digest.parse().map_err(|error: crate::digest::DigestError| error.to_string())?;
        Checked::new("document", digest, Bytes::from(bytes.clone())).map_err(|e| e.to_string())?;
    }
    let is_config = serde_json::from_slice::<Value>(&bytes)
        .is_ok_and(|value| value.get("rootfs").is_some() || value.get("architecture").is_some());
    match inputs["kind"].as_str() {
        Some("descriptor") => descriptor(&bytes),
        Some("image-config" | "docker-config") => config(bytes),
        _ if is_config => config(bytes),
        _ => document(bytes).map(drop),
    }
}

#[test]
fn published_documents_are_judged_right() {
    let Some(area) = area("oci") else { return };
    let mut wrong = Vec::new();
    let mut judged = 0;
    for (case, expect, inputs) in rows(&area) {
        if inputs.get("document").is_none() || expect == "info" {
            continue;
        }
        judged += 1;
        let found = judge(&area, &inputs);
        let different = DIFFERENT.iter().any(|(name, _)| *name == case);
        if (found.is_ok() == (expect == "pass")) == different {
            wrong.push(format!("{case}: expected {expect}, found {found:?}"));
        }
    }
    assert!(judged > 80, "only {judged} documents were judged");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The stored bytes of a file under the media type that its name stands for.
fn layer(path: &Path, bytes: &[u8]) -> Option<Descriptor> {
    let suffix = match path.extension()?.to_str()? {
        "gz" => "+gzip",
        "zst" => "+zstd",
        "tar" | "uncompressed" => "",
        _ => return None,
    };
    Some(Descriptor {
        media_type: MediaType::new(&format!("{}{suffix}", MediaType::OCI_LAYER)),
        digest: BlobDigest::of(bytes),
        size: bytes.len() as u64,
        platform: None,
        selective: false,
        artifact_type: None,
        annotations: Default::default(),
    })
}

#[test]
fn published_streams_inflate_to_the_same_bytes() {
    let Some(area) = area("tar") else { return };
    let want = DiffId::of(&fs::read(area.join("compression/Hello.uncompressed")).unwrap());
    let mut read = 0;
    for (case, _, inputs) in rows(&area) {
        let Some(path) = inputs["blob"].as_str().map(|blob| area.join(blob)) else { continue };
        let bytes = fs::read(&path).unwrap();
        let Some(descriptor) = layer(&path, &bytes) else {
            assert!(case.ends_with(".bz2") || case.ends_with(".xz"), "{case} was not read");
            continue;
        };
        let reader = LayerReader::new(bytes.as_slice(), &descriptor, &Limits::default()).unwrap();
        assert_eq!(reader.finish().unwrap(), want, "{case}");
        read += 1;
    }
    assert_eq!(read, 3);
}

/// Reads an archive, and the layers in it where it is an image that Docker saved.
fn read_archive(path: &Path) -> Result<(), String> {
    let (bytes, limits) = (fs::read(path).unwrap(), Limits::default());
    let descriptor = layer(path, &bytes).unwrap();
    let mut reader = LayerReader::new(bytes.as_slice(), &descriptor, &limits).unwrap();
    let mut layers = Vec::new();
    let walked = tar::walk(&mut reader, &limits, |entry, content| {
        if entry.path.ends_with("/layer.tar") && entry.size > 0 {
            let mut bytes = Vec::new();
            content.read_to_end(&mut bytes)?;
            layers.push(bytes);
        }
        Ok(())
    });
    reader.finish().map_err(|error| error.to_string())?;
    walked.map_err(|error| error.to_string())?;
    let is_saved = !layers.is_empty();
    let layers = if is_saved { layers } else { vec![inflated(&bytes, &descriptor)] };
    let mut builder = RootfsBuilder::new(&limits, |_| true);
    for (index, layer) in layers.iter().enumerate() {
        builder.add_layer(index, layer.as_slice()).map_err(|error| error.to_string())?;
    }
    let rootfs = builder.finish();
    for path in rootfs.paths() {
        if let Some(resolved) = rootfs.resolve(path) {
            assert!(rootfs.get(&resolved).is_some() && !resolved.contains(".."), "{resolved}");
        }
    }
    Ok(())
}

fn inflated(bytes: &[u8], descriptor: &Descriptor) -> Vec<u8> {
    let mut out = Vec::new();
    let mut reader = LayerReader::new(bytes, descriptor, &Limits::default()).unwrap();
    reader.read_to_end(&mut out).unwrap();
    out
}

#[test]
fn published_archives_are_read_inside_the_root() {
    let Some(area) = area("tar") else { return };
    let mut read = 0;
    for (case, expect, inputs) in rows(&area) {
        let Some(path) = inputs["tar"].as_str().map(|tar| area.join(tar)) else { continue };
        let found = read_archive(&path);
        read += 1;
        // Rows that must fail do so by climbing out of the root, which has no meaning here, or by what is no tar's
        // affair (a manifest.json that is null): being read and staying inside is right for them, too.
        if expect == "pass" {
            assert_eq!(found, Ok(()), "{case}");
        }
        if case.ends_with("escape.tar") {
            assert!(found.is_err(), "{case}");
        }
    }
    assert!(read > 20, "only {read} archives were read");
}

#[test]
fn published_build_results_fit_together() {
    let Some(area) = area("reproduce") else { return };
    let mut read = 0;
    for (case, expect, inputs) in rows(&area) {
        let (Some(manifest), Some(config)) =
            (inputs["manifest"].as_str(), inputs["config"].as_str())
        else {
            continue;
        };
        assert_eq!(expect, "pass", "{case}");
        let manifest = document(fs::read(area.join(manifest)).unwrap());
        let Ok(Document::Manifest(manifest)) = manifest else { panic!("{case}: {manifest:?}") };
        let bytes = Bytes::from(fs::read(area.join(config)).unwrap());
        let digest = ConfigDigest::new(manifest.config.digest.digest().clone());
        let checked = Checked::new("config", digest, bytes).unwrap();
        let config = ImageConfig::parse(checked, &Limits::default()).unwrap();
        manifest.require_image(&config).unwrap_or_else(|error| panic!("{case}: {error}"));
        read += 1;
    }
    assert!(read > 20, "only {read} build results were read");
}
