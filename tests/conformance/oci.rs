//! Area `oci`: manifests, indexes, configurations, descriptors and layouts of other projects.

use hallmark::{
    digest::{ConfigDigest, Digest, ManifestDigest},
    finding::Subject,
    image::{Checked, Document, FormatError, ImageConfig},
    limits::Limits,
    reference::{Location, Selector},
};
use serde_json::{Value, json};

use super::{
    Case, Outcome, Verdict,
    tar::{self, Depth},
};

pub(crate) fn run(case: &Case) -> Outcome {
    if let Some(layout) = case.text("oci_layout") {
        return layout_entries(case, layout);
    }
    let bytes = case.file("document")?;
    if let Some(stated) = case.text("digest") {
        match stated.parse::<Digest>() {
            Err(error) => return Ok(Verdict::refused("digest", error)),
            Ok(digest) if !digest.matches(&bytes) => {
                return Ok(Verdict::refused("image-digest-mismatch", stated));
            }
            Ok(_) => {}
        }
    }
    let parsed = match case.text("kind") {
        Some("descriptor") => descriptor(&bytes),
        Some("image-config" | "docker-config") => config(&bytes),
        Some(_) => document(&bytes),
        None if looks_like_config(&bytes) => config(&bytes),
        None => document(&bytes),
    };
    Ok(match parsed {
        Ok(()) => Verdict::Accepted,
        Err(error) => {
            let finding = error.clone().into_finding(Subject::Run);
            Verdict::refused(finding.code.as_str(), error)
        }
    })
}

fn looks_like_config(bytes: &[u8]) -> bool {
    let value: Value = serde_json::from_slice(bytes).unwrap_or_default();
    value.get("rootfs").is_some()
}

fn document(bytes: &[u8]) -> Result<(), FormatError> {
    let (digest, bytes) = (ManifestDigest::of(bytes), bytes::Bytes::copy_from_slice(bytes));
    let checked = Checked { digest, bytes };
    match Document::parse(checked, None, &Limits::default())? {
        // What verify asks of an image before it reads anything else; artifacts are manifests of OCI only.
        Document::Manifest(manifest)
            if manifest.config.media_type.is_config() || !manifest.media_type.is_oci() =>
        {
            manifest.image_layers().map(drop)
        }
        _ => Ok(()),
    }
}

fn config(bytes: &[u8]) -> Result<(), FormatError> {
    let (digest, bytes) = (ConfigDigest::of(bytes), bytes::Bytes::copy_from_slice(bytes));
    let checked = Checked { digest, bytes };
    ImageConfig::parse(checked, &Limits::default()).map(drop)
}

/// A descriptor on its own, as the only layer of a manifest.
fn descriptor(bytes: &[u8]) -> Result<(), FormatError> {
    let value: Value = serde_json::from_slice(bytes).unwrap_or_default();
    // hallmark never follows the URLs of a descriptor, and does not read them: what the schema says of them is judged here.
    for url in value["urls"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if let Err(error) = url::Url::parse(url) {
            let why = format!("url {url}: {error}");
            return Err(FormatError::Malformed { what: "descriptor", why });
        }
    }
    let config = json!({
        "mediaType": "application/vnd.oci.image.config.v1+json",
        "digest": Digest::sha256(b"{}").to_string(), "size": 2,
    });
    let manifest = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": config, "layers": [value],
    });
    // As any manifest: a layer must be one that hallmark unpacks, a descriptor need not.
    let bytes = bytes::Bytes::from(manifest.to_string());
    let checked = Checked { digest: ManifestDigest::of(&bytes), bytes };
    Document::parse(checked, None, &Limits::default()).map(drop)
}

/// Every image that a layout lists.
fn layout_entries(case: &Case, layout: &str) -> Outcome {
    let folder = case.path(layout);
    let index = case.read(&format!("{layout}/index.json")).unwrap_or_default();
    let index: Value = serde_json::from_slice(&index).unwrap_or_default();
    let entries: Vec<&str> = index["manifests"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|entry| entry["digest"].as_str())
        .collect();
    if entries.is_empty() {
        return tar::image(Location::Layout(folder), &Selector::Only, Depth::Stored);
    }
    for entry in entries {
        let digest: ManifestDigest = match entry.parse::<Digest>() {
            Ok(digest) => ManifestDigest::new(digest),
            Err(error) => return Ok(Verdict::refused("digest", error)),
        };
        let selector = Selector::Digest(digest);
        let found = tar::image(Location::Layout(folder.clone()), &selector, Depth::Stored)?;
        if matches!(found, Verdict::Refused { .. }) {
            return Ok(found);
        }
    }
    Ok(Verdict::Accepted)
}
