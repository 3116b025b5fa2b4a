//! What is for whoever writes rules: `policy test --coverage`, `explain`, `new`, `docs`, and bundles in archives.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

use crate::{
    server::{Key, Registry, World},
    sign::peer,
    support::{Answer, Hallmark},
};

fn run(words: &[&str]) -> Answer {
    Hallmark::new(words).run()
}

/// A folder with a first rule, as `policy new` writes it.
fn first(folder: &Path) -> PathBuf {
    let rules = folder.join("rules");
    run(&["policy", "new", "owner", "--to", rules.to_str().unwrap()])
        .exits(0)
        .says("owner_test.rego");
    rules
}

#[test]
fn a_first_rule_passes_its_tests_and_has_nothing_to_mend() {
    let folder = tempfile::tempdir().unwrap();
    let rules = first(folder.path());
    let rules = rules.to_str().unwrap();
    run(&["policy", "test", rules]).exits(0).says("3 passed, 0 failed");
    run(&["policy", "check", rules]).exits(0).says("nothing to mend");
    if let Some(opa) = peer("opa", "a_first_rule_passes_its_tests_and_has_nothing_to_mend") {
        let tested = Command::new(opa).args(["test", rules]).output().unwrap();
        assert!(tested.status.success(), "{}", String::from_utf8_lossy(&tested.stdout));
    }
    let again = run(&["policy", "new", "owner", "--to", rules]);
    again.exits(2).says("is there already");
    for name in ["Owner", "a b", "_x", "x_", "a__b", "x_test", "../x", "", "signature"] {
        run(&["policy", "new", name, "--to", rules]).exits(2).says("help");
    }
    let docs = run(&["policy", "docs", rules]);
    docs.exits(0)
        .says("# Rules")
        .says("### The image says who owns it `owner-missing`")
        .says("- severity: deny");
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).unwrap();
    fs::write(empty.join("a.rego"), "package hallmark.a\n").unwrap();
    run(&["policy", "docs", empty.to_str().unwrap()]).exits(1).says("METADATA");
}

#[test]
fn coverage_names_the_lines_that_no_test_comes_by() {
    let folder = tempfile::tempdir().unwrap();
    let rules = first(folder.path());
    let rule = "package hallmark.other\n\ndeny contains {\"code\": \"never\", \"msg\": \"m\"} if {\n\
                \tinput.image.labels.a == \"b\"\n\tinput.image.labels.c == \"d\"\n}\n";
    fs::write(rules.join("other.rego"), rule).unwrap();
    let rules = rules.to_str().unwrap();
    let text = run(&["policy", "test", "--coverage", rules]);
    text.exits(0).says("other.rego:").says("% of the rules' lines are covered");
    run(&["policy", "test", rules]).exits(0).says_not("covered");
    let document = run(&["policy", "test", "--coverage", rules, "-o", "json"]).exits(0).json();
    let of = |file: &str| {
        let all = document["coverage"].as_array().unwrap().iter();
        all.clone().find(|one| one["file"].as_str().unwrap().ends_with(file)).unwrap().clone()
    };
    assert_eq!(of("owner.rego")["missed"], json!([]), "{document:#}");
    assert!(of("other.rego")["missed"].as_array().unwrap().contains(&json!(5)), "{document:#}");
    assert_eq!(run(&["policy", "test", rules, "-o", "json"]).json()["coverage"], Value::Null);
    let junit = run(&["policy", "test", rules, "-o", "junit"]);
    junit.exits(0).says("<testsuites name=\"hallmark policy test\" tests=\"3\" failures=\"0\"");
    fs::write(
        Path::new(rules).join("fails_test.rego"),
        "package hallmark.fails_test\n\ntest_that_fails if 1 == 2\n",
    )
    .unwrap();
    let junit = run(&["policy", "test", rules, "-o", "junit"]);
    junit.exits(1).says("failures=\"1\"").says("data.hallmark.fails_test.test_that_fails");
}

#[test]
fn a_denial_is_explained_by_rule_line_and_evidence() {
    let world = World::new();
    let registry = Registry::honest(world.store.clone());
    let folder = tempfile::tempdir().unwrap();
    let rules = first(folder.path());
    let input = folder.path().join("input.json");
    let printed = Hallmark::new(["policy", "input", &registry.image(&world.image)]);
    fs::write(&input, printed.config(&world.config("signed")).run().stdout).unwrap();
    let explain = |options: &[&str]| {
        let words =
            ["policy", "explain", input.to_str().unwrap(), "--policy", rules.to_str().unwrap()];
        Hallmark::new([&words, options].concat()).config(&world.config("signed")).run()
    };
    let text = explain(&[]);
    text.exits(1).says("owner-missing (hallmark.owner)").says("owner.rego:").says("not owned");
    text.says("input.image.labels").says("add LABEL");
    let document = explain(&["-o", "json", "--code", "owner-missing"]).exits(1).json();
    let [one] = document["results"].as_array().unwrap().as_slice() else { panic!("{document:#}") };
    assert_eq!((&one["kind"], &one["code"]), (&json!("deny"), &json!("owner-missing")));
    assert_eq!(one["rules"].as_array().unwrap().len(), 1, "{document:#}");
    explain(&["--code", "no-such"]).exits(2).says("no rule says so");
    explain(&["--as-of", "2027-01-01"]).exits(1);
}

/// An archive of a folder, as `tar` writes it.
fn packed(folder: &Path, to: &Path) {
    let made = Command::new("tar").args(["-czf"]).arg(to).arg("-C").arg(folder).arg(".").status();
    assert!(made.unwrap().success());
}

#[test]
fn i11_a_bundle_that_nobody_signed_is_refused_where_somebody_has_to() {
    let world = World::new();
    let registry = Registry::honest(world.store.clone());
    let image = registry.image(&world.image);
    let folder = tempfile::tempdir().unwrap();
    let rules = first(folder.path());
    let archive = folder.path().join("rules.tar.gz");
    packed(&rules, &archive);
    let config = |more: &str| {
        let text = world.config("signed");
        text.replace(
            "policy: {preset: signed}",
            &format!("policy: {{preset: signed, bundles: [\"{}\"]{more}}}", archive.display()),
        )
    };
    let verify = |config: &str| Hallmark::new(["verify", &image]).config(config).run();
    verify(&config("")).exits(1).says("owner-missing");
    let asked = config(", bundleSigners: [release]");
    verify(&asked).exits(2).says("asks for a signature by release");
    let signature = folder.path().join("rules.tar.gz.sigstore.json");
    let sign = |key: &Key, bytes: &[u8]| {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        let bundle = json!({
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": { "publicKey": { "hint": "" } },
            "messageSignature": { "signature": STANDARD.encode(key.sign_bytes(bytes)) },
        });
        fs::write(&signature, bundle.to_string()).unwrap();
    };
    let bytes = fs::read(&archive).unwrap();
    sign(&Key::new(), &bytes);
    verify(&asked).exits(2).says("nobody among them");
    sign(&world.key, &bytes);
    verify(&asked).exits(1).says("owner-missing");
    // Another archive under the same signature.
    fs::write(
        rules.join("owner.rego"),
        "package hallmark.owner\n\nwarn contains {\"code\": \"a\", \"msg\": \"b\"} if input.x\n",
    )
    .unwrap();
    packed(&rules, &archive);
    verify(&asked).exits(2).says("nobody among them");
    // A folder has no signature.
    let by_folder = asked.replace(archive.to_str().unwrap(), rules.to_str().unwrap());
    verify(&by_folder).exits(2).says("a folder has none");
    // And that of the command line is a bundle as any other.
    let words = ["verify", &image, "--policy", rules.to_str().unwrap()];
    let plain = world
        .config("signed")
        .replace("preset: signed", "preset: signed, bundleSigners: [release]");
    Hallmark::new(words).config(&plain).run().exits(2).says("a folder has none");
}

/// What OPA itself builds, hallmark reads.
#[test]
fn a_bundle_that_opa_builds_is_read() {
    let Some(opa) = peer("opa", "a_bundle_that_opa_builds_is_read") else { return };
    let folder = tempfile::tempdir().unwrap();
    let rules = first(folder.path());
    let archive = folder.path().join("built.tar.gz");
    let built =
        Command::new(opa).args(["build", "-b"]).arg(&rules).arg("-o").arg(&archive).output();
    let built = built.unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let world = World::new();
    let registry = Registry::honest(world.store.clone());
    let image = registry.image(&world.image);
    let words = ["verify", &image, "--policy", archive.to_str().unwrap()];
    Hallmark::new(words).config(&world.config("signed")).run().exits(1).says("owner-missing");
}

/// skopeo itself lets an image through by the exported policy where hallmark does, and no other.
#[test]
fn a_containers_policy_means_the_same_to_skopeo() {
    const TEST: &str = "a_containers_policy_means_the_same_to_skopeo";
    if Command::new("skopeo").arg("--version").output().is_err() {
        eprintln!("SKIPPED {TEST}: no skopeo");
        return;
    }
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let world = World::new();
    let mut store = world.store.clone();
    let repository = "registry.example/app";
    let payload = json!({
        "critical": {
            "identity": { "docker-reference": repository },
            "image": { "docker-manifest-digest": world.image },
            "type": "cosign container image signature",
        },
        "optional": {},
    })
    .to_string();
    let signature = STANDARD.encode(world.key.sign_bytes(payload.as_bytes()));
    let annotations = json!({ "dev.cosignproject.cosign/signature": signature });
    store.attach(&world.image, "sig", payload.as_bytes(), &annotations);
    // skopeo asks for the root of the API first.
    let root = |request: &crate::server::Request, _: usize| {
        (request.path() == "/v2/").then(|| crate::server::Reply::new(200))
    };
    let registry = Registry::start(store, Box::new(root));
    let folder = tempfile::tempdir().unwrap();
    let settings = folder.path().join("registries.d");
    fs::create_dir(&settings).unwrap();
    fs::write(settings.join("all.yaml"), "default-docker: {use-sigstore-attachments: true}\n")
        .unwrap();
    let copied = |config: &str, name: &str| {
        let exported =
            Hallmark::new(["policy", "export", "--containers-policy"]).config(config).run();
        exported.exits(0).says("left out");
        // The port of this registry is known only after it was signed for: its images are asked for under their real name.
        let policy = exported.stdout.replace(
            "\"type\": \"matchRepository\"",
            &format!("\"type\": \"exactRepository\", \"dockerRepository\": \"{repository}\""),
        );
        let file = folder.path().join(format!("{name}.json"));
        fs::write(&file, policy).unwrap();
        let from = format!("docker://{}/app@{}", registry.host, world.image);
        let done = Command::new("skopeo")
            .arg("--policy")
            .arg(&file)
            .arg("--registries.d")
            .arg(&settings)
            .args(["copy", "-q", "--src-tls-verify=false", &from])
            .arg(format!("dir:{}", folder.path().join(name).display()))
            .output()
            .unwrap();
        (done.status.success(), String::from_utf8_lossy(&done.stderr).into_owned())
    };
    let (fine, why) = copied(&world.config("signed"), "signed");
    // Debian builds skopeo without it.
    if why.contains("sigstore disabled") {
        eprintln!("a_containers_policy_means_the_same_to_skopeo: SKIPPED: {}", why.trim());
        return;
    }
    assert!(fine, "{why}");
    let stranger = Key::new();
    let key = folder.path().join("stranger.pub");
    fs::write(&key, &stranger.pem).unwrap();
    let (fine, why) = copied(&crate::support::trusting(&key, "signed"), "stranger");
    assert!(!fine && why.contains("ignature"), "{why}");
    let (fine, why) = copied("version: 1\n", "nobody");
    assert!(!fine && why.contains("reject"), "{why}");
}
