//! Hostile text in every place where text comes from outside, against every report: it is shown, it stands in the line of what it
//! is, and it is seen for what it is.

use hallmark::untrusted::misleads;
use serde_json::{Value, json};

use crate::{
    layouts::{Layout, Parts, digest, gzip, tar},
    server::{Registry, Reply, Store, World},
    support::{Answer, Hallmark},
};

/// Ends its line, writes a verdict, clears the screen, turns what follows, and carries text that nobody sees.
const EVIL: &str = "x\nPASS  0 warnings\r\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}1m\u{7f}\u{202e}\u{2066}\u{2028}PASS\u{2029}\u{61c}\u{ad}\u{180e}\
    \u{2060}\u{2064}\u{200b}\u{feff}\u{e0001}\u{e0041}\u{e007f}";

/// No report has a character that misleads, and none has a line that an image wrote.
#[track_caller]
fn is_plain(name: &str, answer: &Answer) {
    for text in [&answer.stdout, &answer.stderr] {
        let bad = text.chars().find(|c| *c != '\n' && misleads(*c));
        assert_eq!(bad, None, "{name}: {}", answer.all());
    }
    let wrote = |line: &str| line.trim_start().starts_with("PASS");
    let mut lines = answer.stdout.lines().chain(answer.stderr.lines());
    assert!(answer.code != 0 || !name.starts_with("verify"), "{name}: {}", answer.all());
    assert!(!lines.any(wrote), "{name}: {}", answer.all());
}

/// An image that says it wherever an image can say something.
fn parts(mark: &str) -> Parts {
    let status = format!(
        "Package: a{EVIL}\nStatus: install ok installed\nVersion: 1{EVIL}\nArchitecture: amd64\n\n"
    );
    let tar = tar(&[
        (&format!("bin/{mark}\n\u{1b}[2J\u{202e}\u{e0041}"), mark.as_bytes()),
        ("var/lib/dpkg/status", status.as_bytes()),
        ("etc/text", format!("line\n{EVIL}\n{mark}\n").as_bytes()),
    ]);
    let mut parts = Parts::new(&[]);
    (parts.layer, parts.tar) = (gzip(&tar), tar);
    parts.config = json!({
        "architecture": "amd64", "os": "linux", "author": EVIL, "variant": null,
        "config": {
            "Entrypoint": [EVIL], "Env": [format!("A{EVIL}={EVIL}")], "User": EVIL,
            "Labels": {
                EVIL: format!("{EVIL}{mark}"), "org.opencontainers.image.source": EVIL,
                "org.opencontainers.image.revision": EVIL,
            },
        },
        "rootfs": {"type": "layers", "diff_ids": [digest(&parts.tar)]},
        "history": [{"created_by": format!("{EVIL} # buildkit {mark}"), "comment": EVIL}],
    });
    parts.relink();
    parts.manifest["annotations"] = json!({ EVIL: EVIL });
    parts
}

/// Provenance in the form of BuildKit's that is made of it.
fn provenance(image: &str) -> Value {
    json!({
        "_type": "https://in-toto.io/Statement/v0.1",
        "predicateType": "https://slsa.dev/provenance/v0.2",
        "subject": [{"name": EVIL, "digest": {"sha256": image.trim_start_matches("sha256:")}}],
        "predicate": {
            "builder": {"id": EVIL},
            "buildType": "https://mobyproject.org/buildkit@v1",
            "invocation": {
                "configSource": {
                    "uri": format!("https://git.example/{EVIL}.git"), "entryPoint": format!("Dockerfile{EVIL}"),
                    "digest": {"sha1": "1234567890123456789012345678901234567890"},
                },
                "parameters": {
                    "frontend": "dockerfile.v0",
                    "args": {"target": EVIL, (format!("build-arg:{EVIL}")): EVIL, (format!("label:{EVIL}")): EVIL},
                },
                "environment": {"platform": "linux/amd64"},
            },
            "materials": [{
                "uri": format!("pkg:docker/base{EVIL}@1?platform=linux%2Famd64"), "digest": {"sha256": "0".repeat(64)},
            }],
            "metadata": {"https://mobyproject.org/buildkit@v1#metadata": {"vcs": {"source": EVIL, "revision": EVIL}}},
        },
    })
}

/// Names for everything but the program's own words, in each report.
#[test]
fn h50_untrusted_text_writes_no_line_in_any_report() {
    let mut world = World::of(parts("one"));
    let other = world.store.image(&parts("two"));
    let statement = provenance(&world.image).to_string();
    let envelope = world.key.envelope(statement.as_bytes()).to_string();
    world.store.attach(
        &world.image,
        "att",
        envelope.as_bytes(),
        &json!({ "predicateType": EVIL, EVIL: EVIL }),
    );
    // A statement of a kind that is nothing but hostile, and an artifact of such a type.
    let unknown = json!({
        "_type": "https://in-toto.io/Statement/v1", "predicateType": format!("https://x.example/{EVIL}"),
        "subject": [{"name": EVIL, "digest": {"sha256": world.image.trim_start_matches("sha256:")}}],
        "predicate": {EVIL: EVIL},
    });
    let listed = [world.key.envelope(unknown.to_string().as_bytes()).to_string(), EVIL.to_owned()];
    let listed: Vec<Value> = listed
        .iter()
        .map(|content| {
            let layer = world.store.blob("application/vnd.dsse.envelope.v1+json", content.clone());
            let document = json!({
                "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "artifactType": format!("application/{EVIL}"),
                "config": world.store.blob("application/vnd.oci.empty.v1+json", "{}"), "layers": [layer],
                "subject": {
                    "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": world.image,
                    "size": world.parts.manifest.to_string().len(),
                },
                "annotations": {EVIL: EVIL},
            });
            let mut entry = world.store.manifest(&document, None);
            entry["artifactType"] = json!(EVIL);
            entry["annotations"] = json!({EVIL: EVIL});
            entry
        })
        .collect();
    world.store.referrers = Some(listed);
    let registry = Registry::honest(world.store.clone());
    let (left, right) = (registry.image(&world.image), registry.image(&other));
    let config = world.config("reproducible");
    let platform = ["--platform", "linux/amd64"];
    let calls: [&[&str]; 9] = [
        &["verify", "--no-rebuild", &left],
        &["verify", "--no-rebuild", "-o", "json", &left],
        &["inspect", &left],
        &["inspect", "-o", "json", &left],
        &["rebuild", "--plan", &left],
        &["rebuild", "--plan", "-o", "json", &left],
        &["diff", &left, &right],
        &["diff", "-o", "json", &left, &right],
        &["diff", "-o", "html", &left, &right],
    ];
    for call in calls {
        let name = call[..call.len() - 1].join(" ");
        let answer = Hallmark::new(call.iter().chain(&platform)).config(&config).run();
        is_plain(&name, &answer);
        // Provenance that is nothing but hostile gives no plan.
        let shown = !call.contains(&"rebuild");
        assert!(!shown || answer.stdout.contains("202e"), "{name}: {}", answer.all());
        if shown && call.contains(&"json") {
            answer.json();
        }
    }
    let json =
        Hallmark::new(["diff", "-o", "json", &left, &right, "--platform", "linux/amd64"]).run();
    let said = json.json().to_string();
    assert!(said.contains('\u{202e}') && said.contains('\u{e0041}'), "machines read what it is");
}

#[test]
fn h50_words_of_registries_and_of_the_command_line_write_no_line() {
    let world = World::new();
    let refuse = json!({"errors": [{"code": EVIL, "message": EVIL, "detail": EVIL}]}).to_string();
    for status in [400, 401, 403, 404, 429, 500] {
        let body = refuse.clone();
        let refusing = Registry::start(
            Store::default(),
            Box::new(move |_, _| {
                Some(
                    Reply::new(status).with("Content-Type", "application/json").bytes(body.clone()),
                )
            }),
        );
        for command in ["verify", "inspect", "rebuild", "sign"] {
            for selector in [world.image.as_str(), "latest"] {
                let image = refusing.image(selector);
                let answer = Hallmark::new([command, &image]).config(&world.config("signed")).run();
                is_plain(&format!("{command} {status}"), &answer);
                assert!(answer.code >= 1, "{}", answer.all());
            }
        }
    }
    let layout = format!("oci:/nowhere/{EVIL}");
    let calls: [&[&str]; 7] = [
        &["verify", EVIL],
        &["verify", &layout],
        &[EVIL],
        &["explain", EVIL],
        &["policy", "test", EVIL],
        &["trust", "import", EVIL],
        &["policy", "import", EVIL],
    ];
    for call in calls {
        is_plain(&format!("{call:?}"), &Hallmark::new(call.iter().copied()).run());
    }
}

/// A secret that stands as the name of a licence is hidden where rules and their inputs are shown, also in the name that it has in an
/// expression, and the saved input gives the answer of the image.
#[test]
fn e39_a_secret_in_a_licence_is_shown_by_no_command_about_rules() {
    let (token, key) = ("glpat-q7Zk2mPwX9vL4tRb8NcY", "sk_live_51H8xQ2eZvKYlo2CkT9mPwRb8NcY");
    let in_expression = key.replace('_', "-");
    let status = |name: &str, licence: &str| format!("P:{name}\nV:1-r0\nA:x86_64\nL:{licence}\n\n");
    let database =
        [status("a", token), status("b", key), status("c", &format!("MIT OR {key}"))].concat();
    let parts = Parts::new(&[
        ("etc/os-release", b"ID=alpine\nVERSION_ID=3.22\n"),
        ("lib/apk/db/installed", database.as_bytes()),
    ]);
    let layout = Layout::of(&parts);
    let config = "version: 1\npolicy: {preset: baseline, rules: [licences]}\n";
    let run = |words: &[&str]| {
        let answer = Hallmark::new(words.iter().copied()).config(config).run();
        for secret in [token, key, &in_expression] {
            answer.says_not(secret);
        }
        answer
    };
    let image = layout.reference();
    let printed = run(&["policy", "input", &image]);
    printed.exits(0).says("[secret]").says("LicenseRef-unknown-");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("input.json");
    let place = file.to_str().unwrap();
    // As it is printed, and as somebody wrote it who had the secret.
    for text in [printed.stdout.clone(), printed.stdout.replace("[secret]", token)] {
        std::fs::write(&file, text).unwrap();
        for words in [
            &["policy", "eval", place][..],
            &["policy", "eval", place, "-o", "json"],
            &["policy", "explain", place],
            &["policy", "explain", place, "-o", "json"],
        ] {
            run(words).exits(1).says("licence-unknown");
        }
    }
    run(&["verify", &image, "-o", "json"])
        .exits(1)
        .says("2 packages have no licence that is known");
    let eval = run(&["policy", "eval", place]);
    eval.says("2 packages have no licence that is known");
    run(&["inventory", &image, "-o", "json"]).exits(0);
    run(&["sbom", "generate", &image, "--format", "spdx-2.3"]).exits(0);
}
