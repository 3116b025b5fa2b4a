//! Whoever may push to a repository, and has no key, changes no verdict (attack H30).

use serde_json::{Value, json};

use crate::{
    server::{Key, Registry, World},
    support::{Answer, Hallmark},
};

const IN_TOTO: &str = "application/vnd.in-toto+json";
const DSSE: &str = "application/vnd.dsse.envelope.v1+json";
const SLSA: &str = "https://slsa.dev/provenance/v1";

fn statement(image: &str, kind: &str, predicate: &Value) -> Vec<u8> {
    let subject = json!([{ "digest": { "sha256": image.trim_start_matches("sha256:") } }]);
    json!({
        "_type": "https://in-toto.io/Statement/v1", "subject": subject,
        "predicateType": kind, "predicate": predicate,
    })
    .to_string()
    .into_bytes()
}

/// GitHub's provenance of a commit.
fn built(commit: &str) -> Value {
    json!({
        "buildDefinition": {
            "buildType": "https://actions.github.io/buildtypes/workflow/v1",
            "externalParameters": { "workflow": {
                "ref": "refs/heads/main", "repository": "https://github.com/o/r", "path": "b.yml",
            } },
            "resolvedDependencies": [{
                "uri": "git+https://github.com/o/r@refs/heads/main", "digest": { "gitCommit": commit },
            }],
        },
        "runDetails": { "builder": { "id": "https://github.com/actions/runner" } },
    })
}

fn spdx() -> Value {
    json!({
        "spdxVersion": "SPDX-2.3", "name": "x",
        "packages": [{ "SPDXID": "SPDXRef-a", "name": "ghost", "versionInfo": "1",
            "externalRefs": [{ "referenceType": "purl", "referenceLocator": "pkg:deb/debian/ghost@1" }] }],
    })
}

fn refer(world: &mut World, kind: &str, content: &[u8]) {
    let image = world.image.clone();
    let size = world.store.manifests[&image].1.len();
    let manifest = "application/vnd.oci.image.manifest.v1+json";
    let layer = world.store.blob(kind, content);
    let document = json!({
        "schemaVersion": 2, "mediaType": manifest, "artifactType": kind,
        "config": world.store.blob("application/vnd.oci.empty.v1+json", "{}"), "layers": [layer],
        "subject": { "mediaType": manifest, "digest": image, "size": size },
    });
    let mut listed = world.store.manifest(&document, None);
    listed["artifactType"] = kind.into();
    world.store.referrers.get_or_insert_default().push(listed);
}

fn judged(world: &World, preset: &str, more: &str) -> Answer {
    let registry = Registry::honest(world.store.clone());
    let config = format!("{}{more}", world.config(preset));
    Hallmark::new(["verify", "-o", "json", &registry.image(&world.image)]).config(&config).run()
}

/// The verdict and the codes of all errors.
fn verdict(answer: &Answer) -> (String, Vec<String>) {
    let platform = &answer.json()["platforms"][0];
    let errors = platform["findings"].as_array().unwrap().iter();
    let errors = errors.filter(|f| f["severity"] == "error");
    let errors = errors.map(|f| f["code"].as_str().unwrap().to_owned()).collect();
    (platform["verdict"].as_str().unwrap().to_owned(), errors)
}

#[test]
fn h30_what_strangers_attach_changes_nothing() {
    type Prepare = fn(&mut World);
    let worlds: [(&str, Prepare); 3] = [
        ("signed", |_| {}),
        ("not signed", |world| world.store.manifests.retain(|name, _| !name.ends_with(".sig"))),
        ("provenance", |world| {
            let (image, commit) = (world.image.clone(), "a".repeat(40));
            let envelope = world.key.envelope(&statement(&image, SLSA, &built(&commit)));
            world.store.attach(&image, "att", envelope.to_string().as_bytes(), &json!({}));
        }),
    ];
    for (name, prepare) in worlds {
        for preset in ["baseline", "signed", "slsa", "reproducible"] {
            let mut world = World::new();
            prepare(&mut world);
            let before = verdict(&judged(&world, preset, "rebuild: {when: never}\n"));
            let (image, stranger) = (world.image.clone(), Key::new());
            let lies = statement(&image, SLSA, &built(&"b".repeat(40)));
            refer(&mut world, IN_TOTO, &lies);
            refer(&mut world, DSSE, stranger.envelope(&lies).to_string().as_bytes());
            refer(&mut world, "application/spdx+json", spdx().to_string().as_bytes());
            let sbom = statement(&image, "https://spdx.dev/Document", &spdx());
            refer(&mut world, DSSE, stranger.envelope(&sbom).to_string().as_bytes());
            let sign = statement(&image, "https://sigstore.dev/cosign/sign/v1", &json!({}));
            refer(&mut world, DSSE, stranger.envelope(&sign).to_string().as_bytes());
            refer(&mut world, DSSE, b"{\"payload\": 1}");
            let failed = json!({ "verificationResult": "FAILED" });
            let summary = statement(&image, "https://slsa.dev/verification_summary/v1", &failed);
            refer(&mut world, IN_TOTO, &summary);
            let after = judged(&world, preset, "rebuild: {when: never}\n");
            assert_eq!(verdict(&after), before, "{name}, {preset}: {}", after.all());
            after.says("sbom-unsigned");
        }
    }
}

#[test]
fn h35_junk_takes_no_place_from_what_may_be_proven() {
    let mut world = World::new();
    let (image, commit) = (world.image.clone(), "a".repeat(40));
    let envelope = world.key.envelope(&statement(&image, SLSA, &built(&commit)));
    refer(&mut world, DSSE, envelope.to_string().as_bytes());
    for n in 0..300 {
        let junk = statement(&image, "https://example.com/x", &json!({ "n": n }));
        refer(&mut world, IN_TOTO, &junk);
        refer(&mut world, "application/spdx+json", format!("{{\"n\":{n}}}").as_bytes());
    }
    judged(&world, "slsa", "rebuild: {when: never}\n").exits(0);
}

#[test]
fn h35_large_statements_that_nobody_signed_take_no_place_either() {
    let mut world = World::new();
    let (image, commit) = (world.image.clone(), "a".repeat(40));
    let envelope = world.key.envelope(&statement(&image, SLSA, &built(&commit)));
    refer(&mut world, DSSE, envelope.to_string().as_bytes());
    for n in 0..20 {
        let text = format!("{n}{}", "x".repeat(900));
        refer(&mut world, IN_TOTO, &statement(&image, "https://example.com/x", &json!(text)));
    }
    let config = world.config("slsa").replace("reviewBytes", "attestationBytes: 4KiB, reviewBytes");
    let registry = Registry::honest(world.store.clone());
    let answer = Hallmark::new(["verify", &registry.image(&image)])
        .config(&format!("{config}rebuild: {{when: never}}\n"))
        .run();
    answer.exits(0);
}

#[test]
fn two_proven_commits_are_a_warning_that_a_rule_can_deny() {
    let mut world = World::new();
    let image = world.image.clone();
    for letter in ["a", "b"] {
        let lies = statement(&image, SLSA, &built(&letter.repeat(40)));
        let envelope = world.key.envelope(&lies);
        refer(&mut world, DSSE, envelope.to_string().as_bytes());
    }
    let answer = judged(&world, "signed", "rebuild: {when: never}\n");
    answer.exits(0).says("provenance-conflict");
}

#[test]
fn h32_a_rebuild_that_was_asked_for_and_cannot_be_had_fails() {
    let world = World::new();
    let registry = Registry::honest(world.store.clone());
    for (arguments, config) in [(vec!["--rebuild"], ""), (vec![], "rebuild: {when: always}\n")] {
        let mut all = vec!["verify", "-o", "json"];
        all.extend(arguments);
        let image = registry.image(&world.image);
        all.push(&image);
        let config = format!("{}{config}", world.config("baseline"));
        let answer = Hallmark::new(all).config(&config).run();
        let (verdict, errors) = verdict(&answer);
        assert_eq!(verdict, "fail", "{}", answer.all());
        assert!(errors.contains(&"rebuild-not-run".to_owned()), "{errors:?}");
    }
}
