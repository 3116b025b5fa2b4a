//! An image and its provenance, for the tests of this folder.

use bytes::Bytes;
use serde_json::json;

use super::*;
use crate::{
    attest::{
        Statement,
        provenance::{self, Provenance, SLSA_V02},
    },
    digest::DiffId,
    image::{Checked, Image, ImageConfig, Manifest},
    limits::Limits,
    reference::{Location, PinnedReference},
};

/// An image with one base layer and one of its own.
pub(crate) fn image() -> Image {
    image_with(&json!({}), 2)
}

/// An image with these labels and this many layers.
pub(crate) fn image_with(labels: &serde_json::Value, layers: usize) -> Image {
    let limits = Limits::default();
    let diff_ids: Vec<String> =
        (0..layers).map(|i| DiffId::of(&[u8::try_from(i).unwrap()]).to_string()).collect();
    let time = "2025-01-01T00:00:00Z";
    let step = |i: usize| json!({ "created": time, "created_by": format!("RUN {i}") });
    let config = json!({
        "architecture": "amd64", "os": "linux", "created": time, "config": { "Labels": labels },
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
        "history": (0..layers).map(step).collect::<Vec<_>>(),
    });
    let config = Bytes::from(config.to_string());
    let digest = ConfigDigest::of(&config);
    let layer = |i: usize| {
        let digest = BlobDigest::of(format!("layer {i}").as_bytes()).to_string();
        json!({ "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": digest, "size": 10 })
    };
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": digest.to_string(), "size": config.len(),
        },
        "layers": (0..layers).map(layer).collect::<Vec<_>>(),
    });
    let manifest = Bytes::from(manifest.to_string());
    let named = ManifestDigest::of(&manifest);
    let manifest = Checked::new("manifest", named.clone(), manifest).unwrap();
    let manifest = Manifest::parse(manifest, None, &limits).unwrap();
    let config = Checked::new("configuration", digest, config).unwrap();
    let config = ImageConfig::parse(config, &limits).unwrap();
    let location = Location::Registry("r.example/app".parse().unwrap());
    Image {
        reference: PinnedReference { location, digest: named },
        index: None,
        outer: Vec::new(),
        left_out: std::sync::Arc::default(),
        platform: config.platform.resolve(None).unwrap(),
        manifest,
        config: config.into(),
    }
}

/// Provenance as Docker's BuildKit writes it, which can be replayed.
pub(crate) fn predicate() -> serde_json::Value {
    let commit = "c".repeat(40);
    let hex = |c: &str| c.repeat(64);
    json!({
        "builder": { "id": "" },
        "buildType": "https://mobyproject.org/buildkit@v1",
        "invocation": {
            "configSource": {
                "uri": "https://git.example/app.git#refs/tags/v1:sub",
                "digest": { "sha1": commit }, "entryPoint": "Dockerfile",
            },
            "parameters": {
                "frontend": "dockerfile.v0",
                "args": {
                    "build-arg:SOURCE_DATE_EPOCH": "1735689600", "build-arg:A": "b",
                    "label:l": "v", "target": "release", "no-cache": "",
                    "force-network-mode": "none", "add-hosts": "a=192.0.2.1",
                },
                "secrets": [{ "id": "GIT_AUTH_TOKEN", "optional": true }],
            },
            "environment": { "platform": "linux/amd64" },
        },
        "materials": [
            { "uri": "pkg:docker/golang@1.24?platform=linux%2Famd64", "digest": { "sha256": hex("a") } },
            { "uri": format!("pkg:docker/r.example%3A5000/base?digest=sha256:{}", hex("b")),
              "digest": { "sha256": hex("b") } },
            { "uri": "https://git.example/app.git#refs/tags/v1:sub", "digest": { "sha1": commit } },
            { "uri": "https://files.example/tool.tgz?v=1", "digest": { "sha256": hex("d") } },
        ],
        "buildConfig": { "llbDefinition": [{ "id": "step0" }] },
        "metadata": { "completeness": { "parameters": true, "environment": true, "materials": true } },
    })
}

pub(crate) fn parse(predicate: serde_json::Value) -> Provenance {
    let predicate_type = SLSA_V02.to_owned();
    provenance::parse(&Statement {
        subjects: Vec::new(),
        predicate_type,
        predicate: predicate.into(),
    })
    .unwrap()
}

pub(crate) fn provenance() -> Provenance {
    parse(predicate())
}

pub(crate) fn plan() -> Plan {
    match plan::plan(&provenance(), &image(), &Default::default(), &Default::default()) {
        Planned::Plan(plan) => *plan,
        Planned::NotReplayable(gaps) => panic!("{gaps:#?}"),
    }
}
