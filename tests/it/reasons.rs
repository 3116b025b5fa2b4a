//! Whatever does not pass says why: verdicts without grounds, images that cannot be read, statements about nothing. And
//! what a rebuild writes for several platforms.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::{
    layouts::{Layout, Parts, digest},
    server::{Handler, Registry, Reply, World},
    support::{Answer, Hallmark, Lab, redact},
};

fn parts() -> Parts {
    Parts::new(&[("bin/app", b"#!/bin/sh\necho hello\n")])
}

/// The codes of an image's findings of this weight.
fn codes(platform: &Value, severity: &str) -> Vec<String> {
    let findings = platform["findings"].as_array().unwrap().iter();
    let of_weight = findings.filter(|finding| finding["severity"] == severity);
    of_weight.map(|finding| finding["code"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn an_image_for_which_nothing_speaks_fails_with_that_reason() {
    let layout = Layout::of(&parts());
    let verify = |arguments: &[&str]| {
        Hallmark::new(["verify"]).arg(layout.reference()).arg("--output").arg(arguments[0]).run()
    };
    let answer = verify(&["text"]);
    insta::assert_snapshot!("no_grounds", redact(&answer.exits(1).stdout));
    let report = verify(&["json"]);
    let platform = report.exits(1).json()["platforms"][0].clone();
    assert_eq!(codes(&platform, "error"), ["policy-nothing-proven"], "{platform:#}");
    assert_eq!(platform["grounds"], json!([]));
    // The saved input tells the same.
    let saved = Hallmark::new(["policy", "input"]).arg(layout.reference()).run();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("input.json");
    fs::write(&file, &saved.exits(0).stdout).unwrap();
    let judged = Hallmark::new(["policy", "eval"]).arg(&file).run();
    judged.exits(1).says("nothing is denied\nnothing is proven").says("policy-nothing-proven");
    let mut input = saved.json();
    input["signatures"] = json!([{"state": "proven", "predicateType": "", "signers": []}]);
    fs::write(&file, input.to_string()).unwrap();
    let judged = Hallmark::new(["policy", "eval"]).arg(&file).run();
    judged.exits(0).says("nothing is denied\nsomething is proven, as a pass needs it");
    // Where a rule denies, that is the reason, and there is no second one.
    let denied = Hallmark::new(["verify", "--policy", "signed", "-o", "json"]);
    let platform = denied.arg(layout.reference()).run().exits(1).json()["platforms"][0].clone();
    let errors = codes(&platform, "error");
    assert!(!errors.is_empty() && !errors.contains(&"policy-nothing-proven".to_owned()));
}

/// The policy asks for a rebuild: that it was forbidden is the reason, and nobody is told to ask for it.
#[test]
fn a_rebuild_that_was_forbidden_names_what_forbade_it() {
    let layout = Layout::of(&parts());
    let verify = || Hallmark::new(["verify", &layout.reference(), "--policy", "reproducible"]);
    let config = "version: 1\nrebuild: {when: never}\n";
    for (call, by) in [
        (verify().arg("--no-rebuild"), "--no-rebuild"),
        (verify().config(config), "rebuild.when: never"),
    ] {
        let answer = call.run();
        answer.exits(1).says(&format!("the policy asks for it, and {by} forbids it"));
        answer.says("error[rebuild-not-run]").says(&format!("help: run without {by}"));
        answer.says_not("not asked for").says_not("run with --rebuild");
    }
    let unasked = Hallmark::new(["verify", &layout.reference(), "--no-rebuild"]).run();
    unasked.exits(1).says("  rebuild     not asked for").says_not("forbids");
}

const SLSA_TYPE: &str = "https://slsa.dev/provenance/v1";

/// A signed image with signed provenance, whose layer is stored as `layer`.
fn world(layer: impl FnOnce(Vec<u8>) -> Vec<u8>) -> World {
    let mut parts = parts();
    parts.layer = layer(parts.layer);
    parts.relink();
    let mut world = World::of(parts);
    let image = world.image.clone();
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1", "predicateType": SLSA_TYPE,
        "subject": [{"name": "app", "digest": {"sha256": image.trim_start_matches("sha256:")}}],
        "predicate": {
            "buildDefinition": {"buildType": "https://example.org/build", "externalParameters": {}},
            "runDetails": {"builder": {"id": "https://example.org"}},
        },
    });
    let envelope = world.key.envelope(statement.to_string().as_bytes()).to_string();
    let annotations = json!({"predicateType": SLSA_TYPE, "dsseEnvelope": ""});
    world.store.attach(&image, "att", envelope.as_bytes(), &annotations);
    world
}

fn says_which_layer(world: &World, registry: &Registry, why: &str, code: i32, cause: &str) {
    let image = registry.image(&world.image);
    let config = world.config("baseline");
    let layer = digest(&world.parts.layer);
    let rebuild = Hallmark::new(["rebuild", &image]).config(&config).run();
    rebuild
        .exits(code)
        .says("result     published-unreadable: the published image in ")
        .says("warning[rebuild-published-unreadable]")
        .says(&format!("{}/app", registry.host))
        .says(&format!("layer 0 {layer}"))
        .says(why)
        .says_not("source-gone");
    let verify = Hallmark::new(["verify", &image, "--rebuild", "-o", "json"]).config(&config).run();
    let report = verify.exits(code).json();
    let platform = &report["platforms"][0];
    let failure = &platform["evidence"]["rebuild"]["failure"];
    assert_eq!(failure["kind"], "published-unreadable", "{platform:#}");
    assert!(codes(platform, "error").contains(&cause.to_owned()), "{platform:#}");
    assert_eq!(codes(platform, "error").iter().filter(|c| c.starts_with("rebuild-")).count(), 1);
}

/// The image's own fault: it will be no better tomorrow.
#[test]
fn a_published_layer_that_is_damaged_is_said_and_is_no_source_that_is_gone() {
    let world = world(|mut layer| {
        layer.truncate(layer.len() - 12);
        layer
    });
    let registry = Registry::honest(world.store.clone());
    says_which_layer(&world, &registry, "layer", 1, "image-layer-corrupt");
}

#[test]
fn a_published_layer_that_is_not_there_is_said() {
    let mut world = world(|layer| layer);
    world.store.blobs.remove(&digest(&world.parts.layer));
    let registry = Registry::honest(world.store.clone());
    says_which_layer(&world, &registry, "lacks", 1, "image-blob-missing");
}

/// The world's fault: trying again may help.
#[test]
fn a_published_layer_that_the_registry_does_not_give_is_said() {
    let world = world(|layer| layer);
    let layer = digest(&world.parts.layer);
    let handler: Handler =
        Box::new(move |request, _| request.path().contains(&layer).then(|| Reply::new(503)));
    let registry = Registry::start(world.store.clone(), handler);
    says_which_layer(&world, &registry, "503", 3, "source-unavailable");
}

/// An index of two images, for these platforms and by these authors.
fn two_images(of: [(&str, &str); 2]) -> Layout {
    let layout = Layout::of(&parts());
    let images = of.map(|(architecture, author)| {
        let mut parts = parts();
        parts.config["architecture"] = json!(architecture);
        parts.config["author"] = json!(author);
        parts.relink();
        layout.blob(parts.config.to_string().as_bytes());
        let manifest = parts.manifest.to_string();
        json!({
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": layout.blob(manifest.as_bytes()), "size": manifest.len(),
            "platform": {"os": "linux", "architecture": architecture},
        })
    });
    layout.nest(&json!(images));
    layout
}

fn two_platforms() -> Layout {
    two_images([("amd64", "a"), ("arm64", "a")])
}

fn key(folder: &Path) -> std::path::PathBuf {
    let key = folder.join("a.key");
    let arguments = ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out"];
    let made = std::process::Command::new("openssl").args(arguments).arg(&key).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    key
}

/// Nothing can be rebuilt without provenance, which is a verdict, too: an abstention with its reason.
fn attest(layout: &Layout, file: &Path, key: &Path) -> Answer {
    Hallmark::new(["rebuild", "--all-platforms", "--rebuilder", "https://r.example"])
        .arg(layout.reference())
        .arg("--operator")
        .arg("test")
        .arg("--attest")
        .arg(file)
        .arg("--push")
        .arg("--key")
        .arg(key)
        .run()
}

#[test]
fn each_platform_s_statement_has_a_file_of_its_own() {
    let (layout, folder) = (two_platforms(), tempfile::tempdir().unwrap());
    let file = folder.path().join("verdict.json");
    attest(&layout, &file, &key(folder.path())).exits(1);
    assert!(!file.exists(), "which platform would it be about?");
    let subjects = ["amd64", "arm64"].map(|architecture| {
        let text = fs::read(folder.path().join(format!("verdict-linux-{architecture}.json")));
        let statement: Value = serde_json::from_slice(&text.unwrap()).unwrap();
        let verdict = &statement["predicate"]["verdict"];
        assert_eq!(verdict["status"], "not-replayable", "{statement:#}");
        statement["subject"][0]["digest"]["sha256"].as_str().unwrap().to_owned()
    });
    assert_ne!(subjects[0], subjects[1]);
    let index = fs::read_to_string(layout.path().join("index.json")).unwrap();
    assert_eq!(index.matches("dsse-envelope").count(), 2, "both are stored: {index}");
}

#[test]
fn nothing_is_stored_before_every_statement_is_written() {
    let (layout, folder) = (two_platforms(), tempfile::tempdir().unwrap());
    let before = fs::read(layout.path().join("index.json")).unwrap();
    // The second one cannot be written.
    fs::create_dir(folder.path().join("verdict-linux-arm64.json")).unwrap();
    let answer = attest(&layout, &folder.path().join("verdict.json"), &key(folder.path()));
    // What was found out keeps its exit code.
    answer.exits(1).says("verdict-linux-arm64.json");
    assert!(folder.path().join("verdict-linux-amd64.json").exists());
    assert_eq!(fs::read(layout.path().join("index.json")).unwrap(), before, "nothing is stored");
}

#[test]
fn two_images_of_one_platform_do_not_share_a_file() {
    let layout = two_images([("amd64", "a"), ("amd64", "b")]);
    let folder = tempfile::tempdir().unwrap();
    let answer = attest(&layout, &folder.path().join("v.json"), &key(folder.path()));
    answer.exits(2).says("two images for linux/amd64").says("v-linux-amd64.json");
    assert!(!folder.path().join("v-linux-amd64.json").exists());
}

/// BuildKit takes the subjects of its statements from the names of the output. Its statement about nothing proves nothing,
/// and the report says what the producer has to do; with that done the same build is read.
#[test]
fn an_output_without_a_name_has_statements_about_nothing() {
    let name = "an_output_without_a_name_has_statements_about_nothing";
    let Some(lab) = Lab::here(name) else { return };
    let folder = tempfile::tempdir().unwrap();
    let build = |named: &str| {
        let file = folder.path().join(format!("image{named}.tar")).display().to_string();
        let output = format!("type=oci,dest={file},rewrite-timestamp=true");
        let args = [
            format!("BUILD={}", lab.get("BASE_BUILD")),
            format!("RUNTIME={}", lab.get("BASE_RUNTIME")),
            format!("SOURCE_DATE_EPOCH={}", lab.get("EPOCH")),
        ];
        let mut words = vec!["buildx", "build", "--network", "none", "--provenance", "mode=max"];
        words.extend(args.iter().flat_map(|arg| ["--build-arg", arg]));
        let context = format!("{}#{}", lab.get("SOURCE"), lab.get("COMMIT"));
        if !named.is_empty() {
            words.extend(["--tag", named]);
        }
        words.extend(["--output", &output, &context]);
        lab.tool("docker", &words);
        lab.hallmark(["verify", &format!("oci-archive:{file}"), "-o", "json"]).run()
    };
    let nameless = build("");
    let platform = nameless.exits(1).json()["platforms"][0].clone();
    assert!(codes(&platform, "warning").contains(&"predicate-no-subject".to_owned()));
    assert_eq!(platform["evidence"]["provenance"]["state"], "missing", "{platform:#}");
    nameless.says("names no subject").says("docker buildx build --tag").says_not("malformed");
    let named = build("app");
    let platform = named.exits(1).json()["platforms"][0].clone();
    assert_eq!(platform["evidence"]["provenance"]["state"], "unproven", "{platform:#}");
    named.says_not("predicate-no-subject");
}
