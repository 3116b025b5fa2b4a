//! What bad input gets: a finding that names the thing, a failing verdict, and never a panic, a hang or a pass.

use std::{fs, io::Write as _};

use serde_json::{Value, json};

use crate::{
    layouts::{Layout, Parts, digest, gzip, tar},
    server::{Registry, World},
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

/// JSON that is nested deeper than anything honest.
fn deep() -> String {
    format!("{}{}", "[".repeat(5000), "]".repeat(5000))
}

/// One image again and again, as a layout's index lists it.
fn many(parts: &Parts, count: usize) -> Value {
    let manifest = parts.manifest.to_string();
    let one = json!({
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": digest(manifest.as_bytes()), "size": manifest.len(),
    });
    Value::Array(vec![one; count])
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
            with_tar(parts, tar(&[("bomb", &vec![0u8; 80 << 20])]));
        }),
        "limit-exceeded",
    ),
    (
        "a zstd bomb",
        Before(|parts| {
            with_tar(parts, tar(&[("bomb", &vec![0u8; 80 << 20])]));
            parts.layer = zstd::encode_all(parts.tar.as_slice(), 1).unwrap();
            parts.relink();
            parts.manifest["layers"][0]["mediaType"] =
                json!("application/vnd.oci.image.layer.v1.tar+zstd");
        }),
        "limit-exceeded",
    ),
    (
        "a bomb after the end of the archive",
        Before(|parts| with_tar(parts, vec![0u8; 80 << 20])),
        "limit-exceeded",
    ),
    (
        "a PAX header of two mebibytes",
        Before(|parts| {
            let mut builder = tar::Builder::new(Vec::new());
            let value = "x".repeat(2 << 20);
            builder.append_pax_extensions([("comment", value.as_bytes())]).unwrap();
            let mut header = tar::Header::new_ustar();
            header.set_size(0);
            builder.append_data(&mut header, "file", &[][..]).unwrap();
            with_tar(parts, builder.into_inner().unwrap());
        }),
        "limit-exceeded",
    ),
    (
        "a path of five thousand bytes",
        Before(|parts| {
            let path = "deep/".repeat(1000) + "file";
            with_tar(parts, tar(&[(&path, b"x")]));
        }),
        "limit-exceeded",
    ),
    (
        "a manifest with a key twice",
        After(|layout, parts| {
            let text = parts.manifest.to_string();
            let twice = text.replacen("{", "{\"schemaVersion\":2,", 1);
            layout.image(&twice);
        }),
        "image-malformed",
    ),
    (
        "a manifest that is nested deep",
        After(|layout, parts| {
            let text = parts.manifest.to_string();
            layout.image(&text.replacen('{', &format!("{{\"deep\":{},", deep()), 1));
        }),
        "image-malformed",
    ),
    (
        "a manifest whose descriptors are arrays",
        Before(|parts| {
            let config = &parts.manifest["config"];
            let fields = json!([config["mediaType"], config["digest"], config["size"]]);
            parts.manifest["config"] = fields;
        }),
        "image-malformed",
    ),
    (
        "a configuration with a key twice",
        After(|layout, parts| {
            let text = parts.config.to_string();
            layout.configured(parts, &text.replacen('{', "{\"os\":\"linux\",", 1));
        }),
        "image-malformed",
    ),
    (
        "a configuration that is nested deep",
        After(|layout, parts| {
            let text = parts.config.to_string();
            layout.configured(parts, &text.replacen('{', &format!("{{\"deep\":{},", deep()), 1));
        }),
        "image-malformed",
    ),
    (
        "an index of a hundred thousand entries",
        After(|layout, parts| layout.index(&many(parts, 100_000))),
        "limit-exceeded",
    ),
    (
        "an index of one entry too many",
        After(|layout, parts| layout.index(&many(parts, 1025))),
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
        "an index without a platform that a node could be",
        After(|layout, parts| {
            let mut entry = many(parts, 1)[0].clone();
            entry["platform"] = json!({"os": "unknown", "architecture": "unknown"});
            layout.nest(&json!([entry]));
        }),
        "image-platform-missing",
    ),
    (
        "an index that says another platform than the configuration",
        After(|layout, parts| {
            let mut entry = many(parts, 1)[0].clone();
            let other = if cfg!(target_arch = "x86_64") { "arm64" } else { "amd64" };
            entry["platform"] = json!({"os": "linux", "architecture": std::env::consts::ARCH
                .replace("x86_64", "amd64")
                .replace("aarch64", "arm64")});
            layout.configured(
                parts,
                &parts.config.to_string().replace("\"amd64\"", &format!("{other:?}")),
            );
            let index: Value =
                serde_json::from_slice(&fs::read(layout.path().join("index.json")).unwrap())
                    .unwrap();
            for key in ["digest", "size"] {
                entry[key] = index["manifests"][0][key].clone();
            }
            layout.nest(&json!([entry]));
        }),
        "image-malformed",
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
        // Every layer is read: the preset asks for what is in the image. The bomb is small, and so is what it may cost.
        let answer = Hallmark::new(["verify", "--no-rebuild", "--policy", "reproducible"])
            .config("version: 1\nlimits: {inflateFreeBytes: 32MiB}\n")
            .arg(layout.reference())
            .run();
        assert!([1, 3].contains(&answer.code), "{name}: {}", answer.all());
        answer.says_not("PASS");
        // An image that cannot even be resolved has no report: what is wrong is said on stderr.
        let all = answer.all();
        assert!(all.contains(&format!("error[{code}")), "{name}: {all}");
        assert!(all.contains("help:"), "{name}: {all}");
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
    let deep = deep();
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
fn a20_an_image_with_nothing_says_the_three_things_that_are_missing() {
    let layout = Layout::of(&parts());
    let answer =
        Hallmark::new(["verify", "--policy", "reproducible"]).arg(layout.reference()).run();
    answer.exits(1);
    for code in ["signature-missing", "provenance-missing", "sbom-missing"] {
        answer.says(&format!("error[{code}]"));
    }
    // Nobody's word would count: that is the cause of all three, and what is to be done first.
    answer.says("error[config-trust-rule-unused]").says("--key FILE").says("trust.rules");
}

#[test]
fn what_is_not_an_image_is_a_usage_error() {
    for text in ["", "App", "r.example/app@sha256:12", "oci:", "sha256:zz"] {
        Hallmark::new(["verify", text]).run().exits(2).says("for '[IMAGE]...'");
    }
    Hallmark::new(["verify", "oci:/nonexistent/folder"]).run().exits(3).says("/nonexistent/folder");
}

#[test]
fn b9_an_unreadable_policy_or_configuration_stops_the_run() {
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

const SPDX: &str = r#"{"spdxVersion":"SPDX-2.3","SPDXID":"SPDXRef-DOCUMENT","name":"app","documentNamespace":"https://example.org/app","packages":[{"SPDXID":"SPDXRef-1","name":"a","versionInfo":"1"}]}"#;
const SLSA: &str = r#"{"buildDefinition":{"buildType":"https://example.org/build","externalParameters":{}},"runDetails":{"builder":{"id":"https://example.org"}}}"#;

/// A statement about `image`, as text.
fn statement(image: &str, kind: &str, predicate: &str) -> String {
    let hex = image.trim_start_matches("sha256:");
    format!(
        r#"{{"_type":"https://in-toto.io/Statement/v1","subject":[{{"name":"app","digest":{{"sha256":"{hex}"}}}}],"predicateType":"{kind}","predicate":{predicate}}}"#
    )
}

/// What `verify` says about a signed image with one attestation more, whose envelope is changed by `spoil`.
fn attested(
    kind: &str,
    predicate: &str,
    spoil: fn(String) -> String,
    envelope: fn(String) -> String,
) -> crate::support::Answer {
    let mut world = World::new();
    let statement = spoil(statement(&world.image, kind, predicate));
    let envelope = envelope(world.key.envelope(statement.as_bytes()).to_string());
    let image = world.image.clone();
    let annotations = json!({"predicateType": kind, "dsseEnvelope": ""});
    world.store.attach(&image, "att", envelope.as_bytes(), &annotations);
    let registry = Registry::honest(world.store.clone());
    Hallmark::new(["verify", &registry.image(&image), "--policy", "reproducible", "--no-rebuild"])
        .config(&world.config("signed"))
        .run_within(std::time::Duration::from_secs(30))
}

const SPDX_TYPE: &str = "https://spdx.dev/Document";
const SLSA_TYPE: &str = "https://slsa.dev/provenance/v1";

fn same(text: String) -> String {
    text
}

#[test]
fn the_honest_attestations_are_read() {
    attested(SPDX_TYPE, SPDX, same, same).exits(1).says("sbom        proven");
    attested(SLSA_TYPE, SLSA, same, same).exits(1).says("provenance  proven");
}

#[test]
fn attestations_that_parsers_read_differently_prove_nothing() {
    type Change = fn(String) -> String;
    let twice: Change = |text| text.replacen('{', r#"{"_type":"x","#, 1);
    let in_predicate: Change = |text| {
        text.replacen(r#""name":"a""#, r#""name":"b","name":"a""#, 1).replacen(
            r#""externalParameters":{}"#,
            r#""externalParameters":{},"externalParameters":{}"#,
            1,
        )
    };
    let nested: Change = |text| text.replacen('{', &format!(r#"{{"deep":{},"#, deep()), 1);
    let envelope_twice: Change = |text| text.replacen('{', r#"{"payloadType":"x","#, 1);
    let array: Change = |text| {
        let envelope: Value = serde_json::from_str(&text).unwrap();
        json!([envelope["payloadType"], envelope["payload"], envelope["signatures"]]).to_string()
    };
    let cut: Change = |text| text[..text.len() - 1].to_owned();
    let cases: [(&str, Change, Change); 7] = [
        ("a statement with a key twice", twice, same),
        ("a predicate with a key twice", in_predicate, same),
        ("a statement that is nested deep", nested, same),
        ("an envelope with a key twice", same, envelope_twice),
        ("an envelope that is nested deep", same, nested),
        ("an envelope that is an array", same, array),
        ("an envelope that ends early", same, cut),
    ];
    for (name, spoil, envelope) in cases {
        for (kind, predicate) in [(SPDX_TYPE, SPDX), (SLSA_TYPE, SLSA)] {
            let answer = attested(kind, predicate, spoil, envelope);
            assert_eq!(answer.code, 1, "{name}: {}", answer.all());
            assert!(answer.stdout.contains("[signature-malformed]"), "{name}: {}", answer.all());
            for word in ["sbom        proven", "provenance  proven"] {
                assert!(!answer.stdout.contains(word), "{name}: {}", answer.all());
            }
        }
    }
}

#[test]
fn an_sbom_document_that_parsers_read_differently_is_refused() {
    // cosign wraps documents that it does not parse into a text.
    for text in [
        SPDX.replacen('{', r#"{"name":"x","#, 1),
        SPDX.replacen('{', &format!(r#"{{"deep":{},"#, deep()), 1),
    ] {
        let predicate = json!({"Data": text}).to_string();
        let answer = attested(SPDX_TYPE, &predicate, same, same);
        answer.exits(1).says("[sbom-malformed]").says_not("sbom        proven");
    }
    let listed =
        SPDX.replace(r#"{"SPDXID":"SPDXRef-1","name":"a","versionInfo":"1"}"#, r#"["a","1"]"#);
    assert_ne!(listed, SPDX);
    attested(SPDX_TYPE, &listed, same, same).exits(1).says("[sbom-malformed]");
}

#[test]
fn policies_that_cannot_be_read_stop_the_run() {
    let layout = Layout::of(&parts());
    let cases: [(&str, &[u8], &str); 9] = [
        ("a.rego", b"package hallmark.a\xff\ndeny contains 1 if true", "a.rego"),
        ("a.rego", b"", "a.rego"),
        ("a.rego", b"package hallmark.a\nallow := true", "nothing asks for data.hallmark.a.allow"),
        ("README.md", b"Rules come later.", "no *.rego file"),
        ("lists.yaml", b"a: 1", "a policy folder holds"),
        ("data.yaml", b"a: &a {b: 1}\nc: {<<: *a}", "merge key"),
        ("data.json", br#"{"a":1,"a":2}"#, "given twice"),
        ("data.yaml", b"a: [", "data.yaml"),
        ("a.rego", b"package other\ndeny contains {} if true", "not under hallmark"),
    ];
    for (file, content, want) in cases {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(file), content).unwrap();
        let answer = Hallmark::new(["verify"])
            .arg(layout.reference())
            .arg("--policy")
            .arg(folder.path())
            .run();
        answer.exits(2).says(want);
    }
    let folder = tempfile::tempdir().unwrap();
    let large = format!("package hallmark.a\n{}", "#".repeat(1 << 20));
    fs::write(folder.path().join("a.rego"), large).unwrap();
    for policy in [folder.path(), std::path::Path::new("/nonexistent/policies")] {
        Hallmark::new(["verify"])
            .arg(layout.reference())
            .arg("--policy")
            .arg(policy)
            .run()
            .exits(2);
    }
}
