//! The first configuration: `hallmark init`, `hallmark config check` and `config show`.

use std::fs;

use serde_json::{Value, json};

use crate::{
    layouts::{Layout, Parts},
    sign::{Keys, public},
    support::Hallmark,
};

#[test]
fn what_init_writes_is_what_verify_takes() {
    let layout = Layout::of(&Parts::new(&[("bin/app", b"#!/bin/sh\necho hello\n")]));
    let (keys, folder) = (Keys::new(), tempfile::tempdir().unwrap());
    let (key, image) = (keys.p256("release"), layout.reference());
    let file = folder.path().join("hallmark.yaml");
    let (file, pem) = (file.to_str().unwrap(), public(&key));
    let init = ["init", &image, "--key", pem.to_str().unwrap(), "--write", file];
    // A key that signed nothing gives no draft: what is left of it could pass by whoever else signed, or ask for nobody.
    let none = Hallmark::new(init).run();
    none.exits(1).says(&format!("the key {} signed nothing of", pem.display()));
    none.says("nothing is written").says("seen: no signature at all").says("hallmark inspect");
    assert!(!fs::exists(file).unwrap(), "{}", none.all());
    let open = ["init", &image, "--write", file];
    Hallmark::new(open).run().exits(0).says("would trust nobody");
    Hallmark::new(open).run().exits(2).says("is there already").says("--force");
    Hallmark::new(["verify", "-c", file, &image]).run().exits(1);

    Hallmark::new(["sign", &image, "--key", key.to_str().unwrap()]).run().exits(0);
    let again = Hallmark::new(init).arg("--force").run();
    again.exits(0).says("would trust release").says("for signature").says("preset signed");
    Hallmark::new(["verify", "-c", file, &image]).run().exits(0);
    // Nor does a wrong one beside a right one.
    let other = public(&keys.p256("other")).display().to_string();
    let before = fs::read(file).unwrap();
    let wrong = Hallmark::new(init).arg("--force").arg("--key").arg(&other).run();
    wrong
        .exits(1)
        .says(&format!("the key {other} signed nothing"))
        .says("seen: release for signature");
    let wrong = Hallmark::new(["init", &image, "--key", &other, "--write", "-"]).run();
    wrong.exits(1).says("seen: 1 signature of makers who cannot be named").says_not("version: 1");
    assert_eq!(fs::read(file).unwrap(), before);
    let printed = Hallmark::new(["init", &image, "--write", "-"]).run();
    printed.exits(0).says("version: 1").says("signers: []");

    let asked = Hallmark::new(init).arg("--force").arg("-o").arg("json").run();
    let document = asked.exits(0).json();
    assert_eq!(document["configuration"], fs::read_to_string(file).unwrap(), "{document:#}");
    let signer = &document["signers"][0];
    let known = (&signer["name"], &signer["key"], &signer["identity"], &signer["predicates"]);
    let pem = json!(pem.to_str().unwrap());
    assert_eq!(known, (&json!("release"), &pem, &Value::Null, &json!(["signature"])));
    assert_eq!((&document["preset"], &document["file"]), (&json!("signed"), &json!(file)));

    let checked = Hallmark::new(["config", "check", "-c", file]).run();
    checked.exits(0).says("1 signer, 1 rule").says("can be used");
    let shown = Hallmark::new(["config", "show", "-c", file]).run();
    shown
        .exits(0)
        .says("policy.preset: \"signed\"")
        .says("hallmark.yaml:")
        .says("limits.attempts: 4  (default)");
    assert!(!shown.all().contains("policy.preset: baseline"), "{}", shown.all());
    // Values are values: nobody parses a text within the document.
    let shown = Hallmark::new(["config", "show", "-c", file, "-o", "json"]).run().exits(0).json();
    let value = |key: &str| {
        let mut settings = shown["settings"].as_array().unwrap().iter();
        settings.find(|setting| setting["key"] == key).map(|setting| setting["value"].clone())
    };
    assert_eq!(value("policy.preset"), Some(json!("signed")));
    assert_eq!(value("trust.rules[0].predicates"), Some(json!(["signature"])));
    assert_eq!(value("version"), Some(json!(1)));
    assert_eq!(value("limits.attempts"), Some(json!(4)));
    assert_eq!(value("trust.warnRootAge"), Some(json!("90d")));
}

/// Whoever reads the document hears of what the text warns of.
#[test]
fn warnings_of_a_configuration_are_in_both_forms() {
    let config = "version: 1\npolicy: {preset: slsa-l3}\n";
    let check =
        |more: &[&str]| Hallmark::new([&["config", "check"], more].concat()).config(config).run();
    let (text, document) = (check(&[]), check(&["-o", "json"]).json());
    let warnings = document["warnings"].as_array().unwrap();
    assert_eq!(warnings.len(), text.all().matches("  warning: ").count(), "{document:#}");
    assert!(!warnings.is_empty(), "{document:#}");
    for warning in warnings {
        assert_eq!(warning["about"], "policy", "{document:#}");
        text.says(&format!("  warning: {}\n", warning["message"].as_str().unwrap()));
    }
}

/// BuildKit's provenance of a build by this builder.
fn provenance(builder: &str) -> Value {
    let commit = json!({ "sha1": "0123456789abcdef0123456789abcdef01234567" });
    let source = "https://git.example/app.git";
    json!({
        "buildDefinition": {
            "buildType": "https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md",
            "externalParameters": {
                "configSource": { "uri": source, "digest": commit, "path": "Dockerfile" },
                "request": { "frontend": "dockerfile.v0", "args": {} },
            },
            "internalParameters": { "builderPlatform": "linux/amd64" },
            "resolvedDependencies": [{ "uri": source, "digest": commit }],
        },
        "runDetails": { "builder": { "id": builder }, "metadata": {} },
    })
}

/// A draft that refuses the image which it was made from is no help to anybody, and a weaker one says why it is.
#[test]
fn init_takes_the_strictest_preset_that_the_image_passes() {
    for (builder, preset, says) in [
        ("https://builder.example/ci", "slsa-l2", "would trust release"),
        ("", "signed", "slsa-l2 would refuse the image: its provenance does not say: builder"),
    ] {
        let layout = Layout::of(&Parts::new(&[("bin/app", b"x")]));
        let (keys, folder) = (Keys::new(), tempfile::tempdir().unwrap());
        let (key, image) = (keys.p256("release"), layout.reference());
        let at = |name: &str| folder.path().join(name).display().to_string();
        let (file, predicate, pem) = (at("hallmark.yaml"), at("p.json"), public(&key));
        fs::write(&predicate, provenance(builder).to_string()).unwrap();
        let (key, pem) = (key.to_str().unwrap(), pem.to_str().unwrap());
        let sign = ["sign", &image, "--key", key];
        Hallmark::new(sign).run().exits(0);
        let attest = ["--type", "slsaprovenance1", "--predicate", &predicate];
        Hallmark::new([&sign[..], &attest[..]].concat()).run().exits(0);
        let written = Hallmark::new(["init", &image, "--key", pem, "--write", &file]).run();
        written.exits(0).says(&format!("preset {preset},")).says(says);
        Hallmark::new(["verify", "-c", &file, &image]).run().exits(0).says("PASS");
        let strict = Hallmark::new(["verify", "-c", &file, "--policy", "slsa-l2", &image]).run();
        strict.exits(i32::from(preset != "slsa-l2"));
    }
}

/// Which preset an image has to pass may depend on the namespace: whoever checks a configuration sees all of them.
#[test]
fn presets_for_some_images_and_namespaces_are_listed() {
    let config = "version: 1\npolicy:\n  presets:\n    - {namespaces: {names: [prod, web-*]}, preset: slsa-l2}\n    \
                  - {images: [\"registry.example/**\"], preset: signed}\n";
    let check =
        |more: &[&str]| Hallmark::new([&["config", "check"], more].concat()).config(config).run();
    check(&[])
        .exits(0)
        .says("preset       slsa-l2 for **, in namespaces prod, web-*")
        .says("preset       signed for registry.example/**\n");
    let presets = check(&["-o", "json"]).json()["policy"]["presets"].clone();
    assert_eq!(
        presets,
        json!([
            { "preset": "slsa-l2", "images": ["**"], "namespaces": "prod, web-*" },
            { "preset": "signed", "images": ["registry.example/**"], "namespaces": null },
        ])
    );
}

#[test]
fn a_configuration_that_cannot_be_used_is_told_without_an_image() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hallmark.yaml");
    for (text, says) in [
        (
            "version: 1\npolicy: {preset: baseline, settings: {signature: {revokd: []}}}\n",
            "is no setting of the shipped rules",
        ),
        ("version: 1\npolicy: {preset: baselin}\n", "baseline"),
        ("version: 1\ntrust: {signers: [{name: a, key: gone.pub}]}\n", "gone.pub"),
        ("version: 1\npolicy: {bundles: [gone]}\n", "gone"),
    ] {
        fs::write(&file, text).unwrap();
        let answer = Hallmark::new(["config", "check", "-c", file.to_str().unwrap()]).run();
        answer.exits(2).says(says).says("hallmark.yaml:2:");
    }
}

#[test]
fn a_file_of_the_working_directory_is_named_where_it_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("hallmark.yaml"), "version: 1\n").unwrap();
    let mut call = Hallmark::new(["config", "show"]).command();
    let output = call.current_dir(folder.path()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("./hallmark.yaml is not read"), "{text}");
    let mut call = Hallmark::new(["config", "show", "-c", "hallmark.yaml"]).command();
    let output = call.current_dir(folder.path()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!text.contains("is not read"), "{text}");
    assert!(text.contains("version: 1  (hallmark.yaml:1:10)"), "{text}");
    // Whoever names another file knows which one counts.
    fs::write(folder.path().join("other.yaml"), "version: 1\n").unwrap();
    for what in ["show", "check"] {
        let mut call = Hallmark::new(["config", what, "-c", "other.yaml"]).command();
        let output = call.current_dir(folder.path()).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(!text.contains("is not read"), "{text}");
    }
}

#[test]
fn what_is_in_force_without_a_file_has_no_line_without_a_key() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("hallmark.yaml");
    fs::write(&empty, "version: 1\n").unwrap();
    for call in [
        Hallmark::new(["config", "show"]),
        Hallmark::new(["config", "show", "-c", empty.to_str().unwrap()]),
    ] {
        let answer = call.run();
        answer.exits(0).says("policy.preset: baseline  (default)").says_not("\n: ");
    }
}
