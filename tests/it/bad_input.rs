//! What bad input gets: a finding that names the thing, a failing verdict, and never a panic, a hang or a pass.

use std::{fs, io::Write as _};

use serde_json::json;

use crate::{
    layouts::{Layout, Parts, digest, gzip, tar},
    support::Hallmark,
};

fn parts() -> Parts {
    Parts::new(&[("bin/app", b"#!/bin/sh\necho hello\n")])
}

/// Spoils an image before it is written, or its layout afterwards.
enum Spoil {
    Before(fn(&mut Parts)),
    After(fn(&Layout, &Parts)),
}
use Spoil::{After, Before};

fn layer_digest(parts: &Parts) -> String {
    digest(&parts.layer)
}

fn config_digest(parts: &Parts) -> String {
    digest(parts.config.to_string().as_bytes())
}

fn manifest_digest(parts: &Parts) -> String {
    digest(parts.manifest.to_string().as_bytes())
}

/// Makes the layer from these bytes, with a configuration and manifest that fit.
fn with_tar(parts: &mut Parts, tar: Vec<u8>) {
    parts.layer = gzip(&tar);
    parts.config["rootfs"]["diff_ids"] = json!([digest(&tar)]);
    parts.tar = tar;
    parts.relink();
}

const CASES: &[(&str, Spoil, &str)] = &[
    (
        "another manifest under the digest",
        After(|layout, parts| fs::write(layout.blob_path(&manifest_digest(parts)), "{}").unwrap()),
        "image-",
    ),
    (
        "a configuration changed by one byte of the same length",
        After(|layout, parts| {
            let other = parts.config.to_string().replace("/bin/app", "/bin/apq");
            fs::write(layout.blob_path(&config_digest(parts)), other).unwrap();
        }),
        "image-digest-mismatch",
    ),
    (
        "a layer changed by one byte",
        After(|layout, parts| {
            let mut other = parts.layer.clone();
            let middle = other.len() / 2;
            other[middle] ^= 1;
            fs::write(layout.blob_path(&layer_digest(parts)), other).unwrap();
        }),
        "image-",
    ),
    (
        "a truncated layer",
        After(|layout, parts| {
            let half = &parts.layer[..parts.layer.len() / 2];
            fs::write(layout.blob_path(&layer_digest(parts)), half).unwrap();
        }),
        "image-",
    ),
    (
        "bytes after a layer",
        After(|layout, parts| {
            let file = layout.blob_path(&layer_digest(parts));
            fs::OpenOptions::new().append(true).open(file).unwrap().write_all(b"x").unwrap();
        }),
        "image-",
    ),
    (
        "bytes after the gzip stream, digest and size right",
        Before(|parts| {
            parts.layer.extend_from_slice(b"trailing garbage");
            parts.relink();
        }),
        "image-layer-corrupt",
    ),
    (
        "a gzip stream cut short, digest and size right",
        Before(|parts| {
            parts.layer.truncate(parts.layer.len() - 9);
            parts.relink();
        }),
        "image-layer-corrupt",
    ),
    (
        "a lying diffID",
        Before(|parts| {
            parts.config["rootfs"]["diff_ids"] = json!([digest(b"something else")]);
            parts.relink();
        }),
        "image-diff-id-mismatch",
    ),
    (
        "more diffIDs than layers",
        Before(|parts| {
            let id = digest(&parts.tar);
            parts.config["rootfs"]["diff_ids"] = json!([id, id]);
            parts.relink();
        }),
        "image-malformed",
    ),
    (
        "an unknown layer media type",
        Before(|parts| parts.manifest["layers"][0]["mediaType"] = json!("application/x-secret")),
        "image-media-type-unknown",
    ),
    (
        "Docker schema 1",
        Before(|parts| {
            parts.manifest = json!({"schemaVersion": 1, "name": "app", "tag": "1", "fsLayers": [], "history": []});
        }),
        "image-m",
    ),
    (
        "a manifest that is an index too",
        Before(|parts| parts.manifest["manifests"] = json!([])),
        "image-malformed",
    ),
    (
        "a missing layer",
        After(|layout, parts| fs::remove_file(layout.blob_path(&layer_digest(parts))).unwrap()),
        "image-blob-missing",
    ),
    (
        "a missing configuration",
        After(|layout, parts| fs::remove_file(layout.blob_path(&config_digest(parts))).unwrap()),
        "image-blob-missing",
    ),
    (
        "a digest that is a path",
        Before(|parts| parts.manifest["config"]["digest"] = json!("sha256:../../../etc/passwd")),
        "image-malformed",
    ),
    (
        "a negative size",
        Before(|parts| parts.manifest["layers"][0]["size"] = json!(-1)),
        "image-malformed",
    ),
    (
        "a size that lies",
        Before(|parts| {
            let size = parts.manifest["layers"][0]["size"].as_u64().unwrap();
            parts.manifest["layers"][0]["size"] = json!(size + 1);
        }),
        "image-size-mismatch",
    ),
    (
        "a tar that ends early",
        Before(|parts| {
            let half = parts.tar[..600].to_vec();
            with_tar(parts, half);
        }),
        "image-layer-corrupt",
    ),
    (
        "a layer that is no tar",
        Before(|parts| with_tar(parts, vec![0x41; 4096])),
        "image-layer-corrupt",
    ),
    (
        "a path that leaves the root",
        Before(|parts| {
            let mut bytes = tar(&[("AAAAAAAAAAAA", b"x")]);
            bytes[..12].copy_from_slice(b"../../etc/sh");
            let sum: u32 = bytes[..512]
                .iter()
                .enumerate()
                .map(|(i, b)| if (148..156).contains(&i) { 32 } else { u32::from(*b) })
                .sum();
            bytes[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
            with_tar(parts, bytes);
        }),
        "image-layer-",
    ),
    (
        "a gzip bomb",
        Before(|parts| {
            let zeros = vec![0u8; 80 << 20];
            with_tar(parts, zeros);
        }),
        "limit-exceeded",
    ),
    (
        "an index that lists itself",
        After(|layout, _| {
            // Nobody can make a blob that holds its own digest: the file under that name holds another document.
            let name = digest(b"self");
            layout.index(&json!([{
                "mediaType": "application/vnd.oci.image.index.v1+json",
                "digest": name, "size": 10,
            }]));
            fs::copy(layout.path().join("index.json"), layout.blob_path(&name)).unwrap();
        }),
        "image-",
    ),
    (
        "indexes nested too deep",
        After(|layout, parts| {
            let manifest = parts.manifest.to_string();
            let mut inner = json!({
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "digest": digest(manifest.as_bytes()), "size": manifest.len(),
                "platform": {"os": "linux", "architecture": "amd64"},
            });
            for _ in 0..8 {
                let index = json!({
                    "schemaVersion": 2,
                    "mediaType": "application/vnd.oci.image.index.v1+json",
                    "manifests": [inner],
                })
                .to_string();
                let digest = layout.blob(index.as_bytes());
                inner = json!({
                    "mediaType": "application/vnd.oci.image.index.v1+json",
                    "digest": digest, "size": index.len(),
                });
            }
            layout.index(&json!([inner]));
        }),
        "image-index-loop",
    ),
    (
        "an index without this platform",
        Before(|parts| {
            parts.config["architecture"] = json!("s390x");
            parts.relink();
        }),
        "image-",
    ),
];

#[test]
fn bad_images_fail_with_a_finding_that_names_the_thing() {
    for (name, spoil, code) in CASES {
        let mut image = parts();
        if let Before(spoil) = spoil {
            spoil(&mut image);
        }
        let layout = Layout::of(&image);
        if let After(spoil) = spoil {
            spoil(&layout, &image);
        }
        // Every layer is read: the preset asks for what is in the image.
        let answer = Hallmark::new(["verify", "--no-rebuild", "--policy", "reproducible"])
            .arg(layout.reference())
            .run();
        assert!([1, 3].contains(&answer.code), "{name}: {}", answer.all());
        assert!(answer.stdout.contains(&format!("error[{code}")), "{name}: {}", answer.all());
        assert!(answer.stdout.contains("help:"), "{name}: {}", answer.all());
    }
}

#[test]
fn the_honest_twin_is_read_to_the_end() {
    let layout = Layout::of(&parts());
    let answer = Hallmark::new(["verify", "--no-rebuild", "--policy", "reproducible"])
        .arg(layout.reference())
        .run();
    answer.exits(1);
    for spoiled in ["image-", "source-", "limit-", "internal-"] {
        answer.says_not(&format!("error[{spoiled}"));
    }
}

#[test]
fn json_that_parsers_read_differently_is_refused_everywhere() {
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    let twice = r#"{"schemaVersion":2,"schemaVersion":2,"manifests":[]}"#;
    for text in [deep.as_str(), twice, "{", "", "[]", "null", "\u{feff}{}"] {
        let layout = Layout::of(&parts());
        fs::write(layout.path().join("index.json"), text).unwrap();
        let answer = Hallmark::new(["verify"]).arg(layout.reference()).run();
        assert!([1, 3].contains(&answer.code), "{text:.40}: {}", answer.all());
        assert!(!answer.stdout.contains("PASS"), "{}", answer.all());
    }
}

#[test]
fn an_image_with_nothing_says_the_three_things_that_are_missing() {
    let layout = Layout::of(&parts());
    let answer =
        Hallmark::new(["verify", "--policy", "reproducible"]).arg(layout.reference()).run();
    answer.exits(1);
    for code in ["signature-missing", "provenance-missing", "sbom-missing"] {
        answer.says(&format!("error[{code}]"));
    }
    answer.says("cosign sign").says("--attest type=provenance,mode=max").says("--attest type=sbom");
}

#[test]
fn what_is_not_an_image_is_a_usage_error() {
    for text in ["", "App", "r.example/app@sha256:12", "oci:", "sha256:zz"] {
        Hallmark::new(["verify", text]).run().exits(2).says("image");
    }
    Hallmark::new(["verify", "oci:/nonexistent/folder"]).run().exits(3).says("/nonexistent/folder");
}

#[test]
fn an_unreadable_policy_or_configuration_stops_the_run() {
    let layout = Layout::of(&parts());
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("broken.rego"), "package hallmark.broken\ndeny contains {")
        .unwrap();
    Hallmark::new(["verify"])
        .arg(layout.reference())
        .arg("--policy")
        .arg(folder.path())
        .run()
        .exits(2)
        .says("broken.rego");
    for (text, want) in [
        ("version: 2\n", "version"),
        ("version: 1\nsurprise: true\n", "surprise"),
        ("version: 1\ntrust: {signers: [{name: a, key: /nonexistent.pub}]}\n", "/nonexistent.pub"),
    ] {
        Hallmark::new(["verify"]).arg(layout.reference()).config(text).run().exits(2).says(want);
    }
}
