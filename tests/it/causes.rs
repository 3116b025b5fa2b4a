//! One cause is one error, whatever follows from it, in every report; JSON has all findings and says which follows from which.

use serde_json::{Value, json};

use crate::{
    layouts::{Layout, Parts, digest},
    server::{Handler, Key, Registry, Reply, World},
    support::{Answer, Hallmark},
};

const SLSA: &str = "https://slsa.dev/provenance/v1";
const SPDX: &str = "https://spdx.dev/Document";

/// An image with signature, provenance and SBOM by one key.
fn vouched() -> World {
    let mut world = World::new();
    let image = world.image.clone();
    let predicates = [
        (
            SLSA,
            json!({
                "buildDefinition": {
                    "buildType": "https://actions.github.io/buildtypes/workflow/v1",
                    "externalParameters": {"workflow": {
                        "ref": "refs/heads/main", "repository": "https://github.com/o/r", "path": "b.yml",
                    }},
                    "resolvedDependencies": [{
                        "uri": "git+https://github.com/o/r@refs/heads/main",
                        "digest": {"gitCommit": "a".repeat(40)},
                    }],
                },
                "runDetails": {"builder": {"id": "https://github.com/actions/runner"}},
            }),
        ),
        (
            SPDX,
            json!({
                "spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT", "name": "x",
                "packages": [{"SPDXID": "SPDXRef-a", "name": "a", "versionInfo": "1"}],
            }),
        ),
    ];
    let mut layers = Vec::new();
    for (kind, predicate) in predicates {
        let statement = json!({
            "_type": "https://in-toto.io/Statement/v1", "predicateType": kind,
            "subject": [{"digest": {"sha256": image.trim_start_matches("sha256:")}}],
            "predicate": predicate,
        });
        layers.push((kind, world.key.envelope(statement.to_string().as_bytes()).to_string()));
    }
    for (kind, envelope) in layers {
        attach(&mut world, kind, envelope.as_bytes());
    }
    world
}

/// Attaches an attestation as a referrer, so that several have room.
fn attach(world: &mut World, kind: &str, content: &[u8]) {
    let image = world.image.clone();
    let size = world.store.manifests[&image].1.len();
    let manifest = "application/vnd.oci.image.manifest.v1+json";
    let layer = world.store.blob("application/vnd.dsse.envelope.v1+json", content);
    let document = json!({
        "schemaVersion": 2, "mediaType": manifest,
        "artifactType": "application/vnd.dsse.envelope.v1+json",
        "config": world.store.blob("application/vnd.oci.empty.v1+json", "{}"), "layers": [layer],
        "annotations": {"predicateType": kind},
        "subject": { "mediaType": manifest, "digest": image, "size": size },
    });
    let mut listed = world.store.manifest(&document, None);
    listed["artifactType"] = "application/vnd.dsse.envelope.v1+json".into();
    world.store.referrers.get_or_insert_default().push(listed);
}

/// Code, severity and cause of each error and warning that is no remark of a stranger's.
fn causes(answer: &Answer) -> Vec<(String, Option<String>)> {
    let platform = &answer.json()["platforms"][0];
    let errors = platform["findings"].as_array().unwrap().iter();
    let errors = errors.filter(|finding| finding["severity"] == "error");
    let text = |value: &Value| value.as_str().map(str::to_owned);
    errors.map(|f| (text(&f["code"]).unwrap(), text(&f["because"]))).collect()
}

fn errors(text: &str) -> Vec<&str> {
    text.lines().filter(|line| line.starts_with("error[")).collect()
}

/// One error in each form, of this code.
fn says_one_error(call: impl Fn() -> Hallmark, code: &str, exit: i32) {
    let text = call().run();
    text.exits(exit);
    let first = format!("error[{code}]: ");
    let told = errors(&text.stdout);
    assert!(told.len() == 1 && told[0].starts_with(&first), "{}", text.all());
    text.says("FAIL  1 error").says(&format!("next: hallmark explain {code}"));
    assert!(!text.stdout.contains("0 warnings"), "{}", text.all());
    let said = |format: &str| call().arg("-o").arg(format).run().exits(exit).stdout.clone();
    let document: Value = serde_json::from_str(&said("sarif")).unwrap();
    let results = document["runs"][0]["results"].as_array().unwrap().clone();
    let grave: Vec<_> = results.iter().filter(|result| result["level"] == "error").collect();
    assert!(grave.len() == 1 && grave[0]["ruleId"] == code, "{document:#}");
    let issues: Vec<Value> = serde_json::from_str(&said("gitlab")).unwrap();
    let grave: Vec<_> = issues.iter().filter(|issue| issue["severity"] == "critical").collect();
    assert!(grave.len() == 1 && grave[0]["check_name"] == code, "{issues:#?}");
    // Beside the case of the verdict.
    let junit = said("junit");
    assert_eq!(junit.matches("<failure ").count() + junit.matches("<error ").count(), 2, "{junit}");
    for (format, mark) in
        [("github", "::error "), ("markdown", "#### error: "), ("html", "class=\"finding error\"")]
    {
        let report = said(format);
        assert_eq!(report.matches(mark).count(), 1, "{format}\n{report}");
        assert!(report.contains(code), "{format}\n{report}");
    }
}

#[test]
fn a_wrong_key_is_one_error_with_what_follows_from_it() {
    let world = vouched();
    let registry = Registry::honest(world.store.clone());
    let image = registry.image(&world.image);
    let folder = tempfile::tempdir().unwrap();
    let stranger = Key::new().write(folder.path()).display().to_string();
    let verify = |key: &str, policy: &str| {
        Hallmark::new(["verify", "--key", key, "--policy", policy, &image])
    };
    let after = |code: &str| (code.to_owned(), Some("signature-missing".to_owned()));
    let cases = [
        ("signed", vec![]),
        ("slsa", vec![after("provenance-missing")]),
        ("reproducible", vec![after("provenance-missing"), after("sbom-missing")]),
    ];
    for (policy, follows) in cases {
        let call = || verify(&stranger, policy);
        says_one_error(call, "signature-missing", 1);
        let missing = ("signature-missing".to_owned(), None);
        let want: Vec<_> = [missing].into_iter().chain(follows).collect();
        assert_eq!(causes(&call().arg("-o").arg("json").run()), want, "{policy}");
        let text = call().run();
        text.says(&format!("expect: a signature by {stranger}"));
        text.says("found: 1 signature: no configured signer made it");
        text.says("from: cosign tag sha256-");
        for (code, _) in want.iter().skip(1) {
            text.says(&format!("    error[{code}]: "));
        }
        // With the remarks, too.
        assert_eq!(errors(&call().arg("-v").run().stdout).len(), 1);
    }
    // Without a policy that denies, that nothing speaks for the image follows.
    let call = || verify(&stranger, "baseline");
    says_one_error(call, "signature-missing", 1);
    let nothing = causes(&call().arg("-o").arg("json").run());
    assert_eq!(nothing, [after("policy-nothing-proven")]);
    let twin = world.key.write(folder.path()).display().to_string();
    let good = verify(&twin, "slsa").run();
    good.exits(0).says_not("because of this").says_not("0 warnings").says_not("seen:");
    let findings = verify(&twin, "slsa").arg("-o").arg("json").run().json();
    for finding in findings["platforms"][0]["findings"].as_array().unwrap() {
        assert_eq!(finding["because"], Value::Null, "{finding:#}");
    }
}

/// Nobody signed the image, nobody is named who could have, or no rule is about it: one cause each, and what to type.
#[test]
fn an_image_that_nobody_vouches_for_has_one_cause() {
    let bare = Layout::of(&Parts::new(&[("bin/app", b"x")]));
    let image = bare.reference();
    let folder = tempfile::tempdir().unwrap();
    let key = Key::new().write(folder.path()).display().to_string();
    let elsewhere = format!(
        "version: 1\ntrust:\n  signers: [{{name: release, key: {key:?}}}]\n  \
         rules: [{{images: [r.example/other], predicates: [signature], signers: [release]}}]\n"
    );
    for (policy, predicates) in [
        ("baseline", "signature"),
        ("signed", "signature"),
        ("slsa", "signature, provenance"),
        ("reproducible", "signature, provenance, sbom"),
    ] {
        let call = || Hallmark::new(["verify", "--policy", policy, &image]);
        let named = || call().arg("--key").arg(&key);
        says_one_error(named, "signature-missing", 1);
        let text = named().run();
        text.says(&format!("expect: a signature by {key}")).says("because of this:");
        text.says("found: no signature or attestation lies beside the image");
        text.says(&format!("hallmark sign --key PRIVATE {image}@sha256:"));
        says_one_error(call, "config-trust-rule-unused", 1);
        call().run().says("there is no rule under trust.rules, and no --key").says("--key FILE");
        let unmatched = || call().config(&elsewhere);
        says_one_error(unmatched, "config-trust-rule-unused", 1);
        let text = unmatched().run();
        text.says("trust.rules are about r.example/other");
        text.says(&format!("predicates: [{predicates}]"));
        text.says("signers: [release]").says("because of this:");
    }
}

#[test]
fn what_is_missing_for_reasons_of_its_own_is_an_error_of_its_own() {
    // Signed by the right key, and without provenance.
    let world = World::new();
    let registry = Registry::honest(world.store.clone());
    let call = Hallmark::new(["verify", "--policy", "slsa", &registry.image(&world.image)]);
    let answer = call.config(&world.config("signed")).run();
    answer
        .exits(1)
        .says("error[provenance-missing]")
        .says("FAIL  1 error, 1 warning: no provenance");
}

/// Nobody is trusted: that is the cause, and weighs what follows from it.
#[test]
fn who_names_no_signer_hears_that_first() {
    let world = vouched();
    let registry = Registry::honest(world.store.clone());
    let image = registry.image(&world.image);
    let call = || Hallmark::new(["verify", "--policy", "reproducible", &image]);
    says_one_error(call, "config-trust-rule-unused", 1);
    call().run().says("    error[signature-missing]").says("    error[sbom-missing]");
}

#[test]
fn what_cannot_be_read_is_one_error() {
    let world = vouched();
    let config = world.config("reproducible");
    let layer = digest(&world.parts.layer);
    let handler: Handler =
        Box::new(move |request, _| request.path().contains(&layer).then(|| Reply::new(503)));
    let broken = Registry::start(world.store.clone(), handler);
    let (broken, image) = (broken.image(&world.image), world.image.clone());
    let call = || Hallmark::new(["verify", &broken]).config(&config);
    says_one_error(call, "source-unavailable", 3);
    let report = call().arg("-o").arg("json").run();
    let because = |code: &str| {
        let all = causes(&report);
        all.into_iter().find(|(found, _)| found == code).and_then(|(_, because)| because)
    };
    assert_eq!(because("rebuild-published-unreadable").as_deref(), Some("source-unavailable"));
    // A temporary folder that is full.
    let honest = Registry::honest(world.store).image(&image);
    let full = ["sh", "-c", "trap '' XFSZ; ulimit -f 0; exec \"$@\"", "sh"];
    let answer = Hallmark::new(["verify", &honest]).config(&config).run_by(&full);
    assert_eq!(errors(&answer.exits(3).stdout).len(), 1, "{}", answer.all());
    answer.says("error[source-unreadable]").says("TMPDIR=DIR").says("FAIL  1 error");
}

#[test]
fn evidence_that_cannot_be_listed_is_the_cause_of_what_is_missing() {
    let world = vouched();
    let handler: Handler = Box::new(|request, _| {
        let evidence = ["/referrers/", ".sig", ".att", "/manifests/sha256-"];
        let asked = evidence.iter().any(|part| request.path().contains(part));
        asked.then(|| Reply::new(503))
    });
    let registry = Registry::start(world.store.clone(), handler);
    let image = registry.image(&world.image);
    let config = world.config("slsa");
    let call = || Hallmark::new(["verify", &image]).config(&config);
    says_one_error(call, "image-referrers-unavailable", 1);
    call().run().says("    error[signature-missing]").says("    error[provenance-missing]");
}
