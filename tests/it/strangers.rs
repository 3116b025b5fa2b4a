//! Whoever may push to a repository, and has no key, changes no verdict (attack H30).

use proptest::{prelude::*, sample::Index};
use serde_json::{Value, json};

use crate::{
    layouts::digest,
    server::{Key, Registry, Store, World},
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

/// Provenance of BuildKit's that can be replayed.
fn replayable() -> Value {
    let git =
        json!({ "uri": "https://git.example/app.git#main", "digest": { "sha1": "c".repeat(40) } });
    let completeness = json!({ "parameters": true, "environment": true, "materials": true });
    json!({
        "builder": { "id": "" }, "buildType": "https://mobyproject.org/buildkit@v1",
        "invocation": {
            "configSource": {
                "uri": git["uri"], "digest": git["digest"], "entryPoint": "Dockerfile",
            },
            "parameters": { "frontend": "dockerfile.v0", "args": {}, "secrets": [] },
            "environment": { "platform": "linux/amd64" },
        },
        "materials": [git], "buildConfig": { "llbDefinition": [{ "id": "step0" }] },
        "metadata": { "completeness": completeness },
    })
}

/// Without an engine nothing is known against the image, and it does not pass: exit code 3. An image that is denied without
/// is not rebuilt.
#[test]
fn h32_a_rebuild_without_an_engine_fails_and_says_so() {
    for (signed, code, want) in
        [(true, 3, "rebuild-engine-unavailable"), (false, 1, "signature-missing")]
    {
        let mut world = World::new();
        let lies = statement(&world.image, "https://slsa.dev/provenance/v0.2", &replayable());
        let envelope = world.key.envelope(&lies).to_string();
        refer(&mut world, DSSE, envelope.as_bytes());
        if !signed {
            world.store.manifests.retain(|name, _| !name.ends_with(".sig"));
        }
        let registry = Registry::honest(world.store.clone());
        let call =
            Hallmark::new(["verify", "-o", "json", "--rebuild", &registry.image(&world.image)]);
        let answer = call.env("PATH", "/nonexistent").config(&world.config("signed")).run();
        let (verdict, errors) = verdict(&answer);
        assert_eq!(verdict, "fail", "{}", answer.all());
        assert_eq!(errors, [want], "{}", answer.all());
        answer.exits(code);
        // All that is missing is told at once.
        let missing =
            ["docker, dockerd, containerd, runc and git are not on PATH", "docker is not on PATH"];
        let told = missing.iter().any(|missing| answer.stdout.contains(missing));
        assert_eq!(told, signed, "{}", answer.all());
        // Without a policy, an engine is all that is missing.
        let call = Hallmark::new(["rebuild", &registry.image(&world.image)]);
        let answer = call.env("PATH", "/nonexistent").config(&world.config("signed")).run();
        answer.exits(3).says("not on PATH").says_not("runc is not on PATH; runc");
    }
}

/// What a statement says, each kind in a way that would count for or against the image if it were proven.
const KINDS: u8 = 14;

fn said(kind: u8, image: &str) -> (&'static str, Value) {
    let resource = json!({ "uri": "https://registry.example/app", "digest": {} });
    let summary = |result: &str| {
        json!({
            "verifier": { "id": "https://verifier.example" }, "timeVerified": "2026-01-01T00:00:00Z",
            "resourceUri": resource["uri"], "policy": { "uri": "https://policy.example" },
            "verificationResult": result, "verifiedLevels": ["SLSA_BUILD_LEVEL_3"],
        })
    };
    let vote = |level: &str| {
        json!({
            "rebuilder": { "id": "https://rebuild.example", "operator": "x", "version": "0.1.0" },
            "provenance": { "digest": image, "signers": [], "buildType": "https://example.com" },
            "rebuilt": { "manifest": image, "config": image, "diffIDs": [] },
            "verdict": { "status": "compared", "level": level }, "inputs": { "materials": [] },
            "timing": { "started": "2026-01-01T00:00:00Z", "finished": "2026-01-01T00:00:00Z" },
        })
    };
    match kind {
        0 => (SLSA, built(&"b".repeat(40))),
        1 => (
            "https://slsa.dev/provenance/v0.2",
            json!({ "builder": { "id": "https://b.example" } }),
        ),
        2 => ("https://spdx.dev/Document", spdx()),
        3 => {
            ("https://cyclonedx.org/bom", json!({ "bomFormat": "CycloneDX", "specVersion": "1.5" }))
        }
        4 => ("https://sigstore.dev/cosign/sign/v1", json!({})),
        5 => ("https://slsa.dev/verification_summary/v1", summary("FAILED")),
        6 => ("https://slsa.dev/verification_summary/v1", summary("PASSED")),
        7 => ("https://hallmark.dev/rebuild-verdict/v0.1", vote("R5")),
        8 => ("https://hallmark.dev/rebuild-verdict/v0.1", vote("R0")),
        9 => (
            "https://cosign.sigstore.dev/attestation/vuln/v1",
            json!({ "scanner": { "result": {} } }),
        ),
        10 => (
            "https://in-toto.io/attestation/link/v0.3",
            json!({ "name": "package", "materials": [] }),
        ),
        11 => ("https://in-toto.io/attestation/test-result/v0.1", json!({ "result": "FAILED" })),
        12 => ("https://example.com/unknown", json!({ "verdict": "fail", "revoked": true })),
        _ => (SLSA, json!("no object")),
    }
}

/// One piece of evidence that nobody whose word counts has written about this image.
#[derive(Debug, Clone)]
struct Stray {
    kind: u8,
    /// Who made it, and what is wrong with it.
    fault: u8,
    place: u8,
}

const FAULTS: u8 = 9;

fn stray() -> impl Strategy<Value = Stray> {
    (0..KINDS, 0..FAULTS, 0..4_u8).prop_map(|(kind, fault, place)| Stray { kind, fault, place })
}

impl Stray {
    fn bytes(&self, world: &World, stranger: &Key) -> Vec<u8> {
        let (kind, predicate) = said(self.kind, &world.image);
        let lies = statement(&world.image, kind, &predicate);
        let other = statement(&digest(b"another image"), kind, &predicate);
        match self.fault {
            0 => lies,
            1 => predicate.to_string().into_bytes(),
            2 => stranger.envelope(&lies).to_string().into_bytes(),
            // The right key, about another image.
            3 => world.key.envelope(&other).to_string().into_bytes(),
            // The right key, over other bytes or another type.
            4 | 5 => {
                let mut envelope = world.key.envelope(&other);
                let swapped = stranger.envelope(&lies);
                envelope["payload"] = swapped["payload"].clone();
                if self.fault == 5 {
                    envelope["payloadType"] = "application/json".into();
                }
                envelope.to_string().into_bytes()
            }
            6 => {
                let mut whole = stranger.envelope(&lies).to_string().into_bytes();
                whole.truncate(whole.len() / 2);
                whole
            }
            7 => {
                let mut envelope = stranger.envelope(&lies);
                envelope["signatures"] = json!([]);
                envelope.to_string().into_bytes()
            }
            _ => {
                let envelope = stranger.envelope(&lies);
                let key = json!({ "publicKey": { "hint": "x" }, "tlogEntries": [] });
                let media_type = "application/vnd.dev.sigstore.bundle.v0.3+json";
                json!({ "mediaType": media_type, "verificationMaterial": key, "dsseEnvelope": envelope })
                    .to_string()
                    .into_bytes()
            }
        }
    }

    fn media_type(&self) -> &'static str {
        match self.fault {
            0 => IN_TOTO,
            1 => ["application/spdx+json", "application/vnd.cyclonedx+json", "application/json"]
                [usize::from(self.kind % 3)],
            8 => "application/vnd.dev.sigstore.bundle.v0.3+json",
            _ => DSSE,
        }
    }
}

/// Adds layers to a cosign tag, behind those that are there or before them.
fn beside(store: &mut Store, tag: &str, layer: Value, first: bool) {
    let empty = || {
        json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": store.clone().blob("application/vnd.oci.image.config.v1+json", "{}"), "layers": [],
        })
    };
    let there = store.manifests.get(tag).map(|(_, bytes)| serde_json::from_slice(bytes).unwrap());
    let mut document: Value = there.unwrap_or_else(empty);
    store.blob("application/vnd.oci.image.config.v1+json", "{}");
    let layers = document["layers"].as_array_mut().unwrap();
    layers.insert(if first { 0 } else { layers.len() }, layer);
    store.manifest(&document, Some(tag));
}

fn attach(world: &mut World, stray: &Stray, stranger: &Key, first: bool) {
    let bytes = stray.bytes(world, stranger);
    let tag = world.image.replace(':', "-");
    match stray.place {
        0 | 1 => refer(world, stray.media_type(), &bytes),
        2 => {
            let mut layer = world.store.blob(stray.media_type(), bytes);
            layer["annotations"] = json!({ "dev.cosignproject.cosign/signature": "" });
            beside(&mut world.store, &format!("{tag}.att"), layer, first);
        }
        // A signature in the old form: a stranger's, or the right one over another payload.
        _ => {
            let about =
                if stray.fault == 3 { digest(b"another image") } else { world.image.clone() };
            let payload = json!({
                "critical": {
                    "identity": { "docker-reference": "" }, "image": { "docker-manifest-digest": about },
                    "type": "cosign container image signature",
                },
                "optional": { "kind": stray.kind },
            })
            .to_string();
            let signature = match stray.fault {
                3 => world.key.sign_bytes(payload.as_bytes()),
                4 => world.key.sign_bytes(b"something else"),
                _ => stranger.sign_bytes(payload.as_bytes()),
            };
            let kind = "application/vnd.dev.cosign.simplesigning.v1+json";
            let mut layer = world.store.blob(kind, payload);
            let signature =
                base64::Engine::encode(&base64::engine::general_purpose::STANDARD, signature);
            layer["annotations"] = json!({ "dev.cosignproject.cosign/signature": signature });
            beside(&mut world.store, &format!("{tag}.sig"), layer, first);
        }
    }
}

/// All that must not change: verdict, errors and grounds, and who is said to have signed what is proven.
fn decided(answer: &Answer, registry: &Registry) -> Value {
    let image = registry.image("x");
    let text = answer.stdout.replace(image.trim_end_matches("/app:x"), "HOST");
    let document: Value =
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("{}", answer.all()));
    let sorted = |list: Vec<Value>| {
        let mut list = list;
        list.sort_by_key(Value::to_string);
        list
    };
    let of = |platform: &Value| {
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        // Under what an error is told may hang on what lies beside the image: that nothing is proven, because what is there
        // does not count. So do the words for what is there in the place of a signature.
        let alone = |mut finding: Value| {
            let told = finding.as_object_mut().unwrap();
            told.remove("because");
            if told["code"] == "signature-missing" {
                let facts = told["facts"].as_object_mut().unwrap();
                facts.retain(|name, _| name != "found" && name != "from" && name != "help");
                told.remove("help");
            }
            finding
        };
        let errors = list(&platform["findings"]).into_iter().map(alone);
        let errors = errors.filter(|f| f["severity"] == "error");
        let evidence = &platform["evidence"];
        let proven = ["signatures", "attestations", "sboms"]
            .into_iter()
            .flat_map(|kind| list(&evidence[kind]))
            .filter(|item| item["state"] == "proven")
            .map(|item| json!([item["predicateType"], item["predicate"], item["signers"]]));
        json!({
            "verdict": platform["verdict"], "errors": sorted(errors.collect()),
            "grounds": sorted(list(&platform["grounds"])), "proven": sorted(proven.collect()),
            "provenance": evidence["provenance"]["signers"], "votes": evidence["rebuild"]["attested"]["accepted"],
        })
    };
    document["platforms"].as_array().unwrap().iter().map(of).collect()
}

/// A signed image, without its signature, or with proven provenance, SBOM, scan and rebuild verdict beside it.
fn honest(which: u8) -> World {
    let mut world = World::new();
    let image = world.image.clone();
    if which == 1 {
        world.store.manifests.retain(|name, _| !name.ends_with(".sig"));
    }
    let kinds: &[u8] = match which {
        2 => &[0],
        3 => &[0, 2, 7, 9],
        _ => &[],
    };
    for kind in kinds {
        let (kind, predicate) = said(*kind, &image);
        let envelope = world.key.envelope(&statement(&image, kind, &predicate));
        refer(&mut world, DSSE, envelope.to_string().as_bytes());
    }
    world
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 60, ..ProptestConfig::default() })]

    /// Attack H30, as a property of the whole: what is not proven changes neither verdict nor errors nor grounds, wherever it
    /// lies, and the order of evidence changes nothing.
    #[test]
    fn h30_random_evidence_of_strangers_changes_no_verdict(
        which in 0..4_u8, preset in 0..4_usize, strays in proptest::collection::vec(stray(), 1..6),
        first: bool, turn: Index,
    ) {
        let preset = ["baseline", "signed", "slsa", "reproducible"][preset];
        let mut world = honest(which);
        let stranger = Key::new();
        let config = world.config(preset).replace("provenance, sbom]", "provenance, sbom, summary, rebuild]")
            + "rebuild: {when: never, attested: {accept: true}}\n";
        let judge = |world: &World| {
            let registry = Registry::honest(world.store.clone());
            let image = registry.image(&world.image);
            let answer = Hallmark::new(["verify", "-o", "json", &image]).config(&config).run();
            (decided(&answer, &registry), answer)
        };
        let (before, _) = judge(&world);
        for stray in &strays {
            attach(&mut world, stray, &stranger, first);
        }
        let (after, answer) = judge(&world);
        prop_assert_eq!(&before, &after, "{}", answer.all());
        if let Some(list) = &mut world.store.referrers {
            let by = turn.index(list.len());
            list.rotate_left(by);
            list.reverse();
        }
        let (turned, answer) = judge(&world);
        prop_assert_eq!(&before, &turned, "turned: {}", answer.all());
    }
}

/// Evidence without a rebuild is no want of an engine: it is told as what it is, and so is a rebuild that is somebody's word alone.
#[test]
fn a_rebuild_that_was_not_saved_is_told_as_that() {
    let mut world = World::new();
    let lies = statement(&world.image, "https://slsa.dev/provenance/v0.2", &replayable());
    let envelope = world.key.envelope(&lies).to_string();
    refer(&mut world, DSSE, envelope.as_bytes());
    let registry = Registry::honest(world.store.clone());
    let image = registry.image(&world.image);
    let folder = tempfile::tempdir().unwrap();
    let plain = folder.path().join("saved").display().to_string();
    let saved = Hallmark::new(["verify", &image, "--save", &plain]);
    let saved = saved.config(&world.config("signed")).run();
    saved.exits(0);
    let named = saved.stderr.lines().find_map(|line| line.split_once("with --from "));
    let named = named.unwrap().1.to_owned();
    for (from, why, help) in [
        (&named, "no rebuild of this image was saved in", "hallmark verify --rebuild --save DIR"),
        (&plain, "nothing but the word of whoever made", "name the digest that --save printed"),
    ] {
        let call = Hallmark::new(["verify", "-o", "json", "--rebuild", "--from", from, &image]);
        let answer = call.config(&world.config("signed")).run();
        let (verdict, errors) = verdict(&answer);
        assert_eq!(verdict, "fail", "{}", answer.all());
        assert_eq!(errors, ["source-not-saved"], "{}", answer.all());
        answer.exits(3).says(why).says(help).says_not("no build engine");
    }
}
