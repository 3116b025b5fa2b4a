//! The verdict as a verification summary, and the summaries of others: `verify --attest`, `sign --statement`, `trust.delegates`.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use crate::{
    layouts::{Layout, Parts},
    sign::{Keys, peer, public},
    support::{Answer, Hallmark, trusting},
};

const VERIFIER: &str = "https://verify.example/1";

/// An image, who signs it, and who verifies it for others.
struct Scene {
    layout: Layout,
    keys: Keys,
    folder: tempfile::TempDir,
    release: PathBuf,
    team: PathBuf,
}

impl Scene {
    fn new() -> Self {
        let keys = Keys::new();
        let (release, team) = (keys.p256("release"), keys.p256("team"));
        let layout = Layout::of(&Parts::new(&[("bin/app", b"#!/bin/sh\necho hello\n")]));
        let scene = Self { layout, keys, folder: tempfile::tempdir().unwrap(), release, team };
        scene.sign(&["sign", &scene.image()], &scene.release).exits(0);
        scene
    }

    fn image(&self) -> String {
        self.layout.reference()
    }

    fn sign(&self, arguments: &[&str], key: &Path) -> Answer {
        Hallmark::new([arguments, &["--key", key.to_str().unwrap()]].concat()).run()
    }

    /// Verifies by `config` and writes the summary; its text is there if it was written.
    fn attest(&self, config: &str, arguments: &[&str]) -> (Answer, Option<Value>) {
        let file = self.folder.path().join("vsa.json");
        let call = ["verify", &self.image(), "--platform", "linux/amd64", "--verifier", VERIFIER];
        let call = Hallmark::new([&call, arguments].concat()).arg("--attest").arg(&file);
        let answer = call.config(config).run();
        let text = fs::read(&file).ok();
        let _ = fs::remove_file(file);
        (answer, text.map(|text| serde_json::from_slice(&text).unwrap()))
    }

    /// Signs a summary and stores it beside the image.
    fn publish(&self, summary: &Value) {
        let file = self.folder.path().join("signed.json");
        fs::write(&file, summary.to_string()).unwrap();
        let statement = ["sign", &self.image(), "--statement", file.to_str().unwrap()];
        self.sign(&statement, &self.team).exits(0);
    }

    /// A configuration that trusts nobody but the team's verifier, by an entry with these words more.
    fn relying(&self, more: &str) -> String {
        format!(
            "version: 1\n\
             trust:\n  \
               signers: [{{name: team, key: \"{}\"}}]\n  \
               delegates: [{{images: [\"**\"], signer: team, maxAge: 24h, {more}}}]\n\
             policy: {{preset: baseline}}\n",
            public(&self.team).display()
        )
    }

    fn relies(&self, more: &str) -> Answer {
        let call = Hallmark::new(["verify", "-o", "json", &self.image()]);
        call.config(&self.relying(more)).run()
    }
}

fn codes(answer: &Answer) -> Vec<String> {
    let findings = answer.json()["platforms"][0]["findings"].clone();
    let findings = findings.as_array().unwrap().clone();
    findings.iter().map(|finding| finding["code"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn b13_a_pass_is_written_signed_and_relied_on_by_the_pair_that_is_named() {
    let scene = Scene::new();
    let (answer, summary) = scene.attest(&trusting(&public(&scene.release), "baseline"), &[]);
    let file = scene.folder.path().join("vsa.json");
    answer.exits(0).says(&format!("wrote {}\n", file.display()));
    let summary = summary.unwrap();
    let predicate = &summary["predicate"];
    assert_eq!(predicate["verificationResult"], "PASSED", "{summary:#}");
    assert_eq!(predicate["verifiedLevels"], json!(["SLSA_BUILD_LEVEL_UNEVALUATED"]));
    assert_eq!(predicate["policy"]["uri"], "https://hallmark.dev/policy/baseline");
    assert_eq!(predicate["inputAttestations"].as_array().unwrap().len(), 1, "{summary:#}");
    strict(&summary);

    let pair = format!("verifier: \"{VERIFIER}\"");
    let before = scene.relies(&pair);
    before.exits(1);
    scene.publish(&summary);
    let passed = scene.relies(&pair);
    passed.exits(0);
    let ground = &passed.json()["platforms"][0]["grounds"][0];
    assert_eq!((&ground["kind"], &ground["signer"]), (&json!("delegated"), &json!("team")));
    let policy = predicate["policy"]["digest"]["sha256"].as_str().unwrap();
    scene.relies(&format!("{pair}, policies: [\"sha256:{policy}\"]")).exits(0);

    for (more, why) in [
        ("verifier: \"https://verify.example/2\"".to_owned(), "no such verifier"),
        (format!("{pair}, levels: [SLSA_BUILD_LEVEL_1]"), "it lacks the level"),
        (format!("{pair}, policies: [\"sha256:{}\"]", "1".repeat(64)), "another policy"),
    ] {
        let answer = scene.relies(&more);
        answer.exits(1);
        assert!(codes(&answer).contains(&"summary-not-counted".to_owned()), "{}", answer.all());
        assert!(answer.all().contains(why.trim_start_matches("another ")), "{}", answer.all());
    }

    // A rule that lets the signer vouch for summaries shows them, and names no verifier.
    let key = public(&scene.team);
    let rule = trusting(&key, "baseline").replace("[signature, provenance, sbom]", "[summary]");
    Hallmark::new(["verify", &scene.image()]).config(&rule).run().exits(1);
    drop(scene.keys);
}

#[test]
fn b13_a_pass_by_delegation_alone_is_not_passed_on() {
    let scene = Scene::new();
    let (_, summary) = scene.attest(&trusting(&public(&scene.release), "baseline"), &[]);
    scene.publish(&summary.unwrap());
    let relying = scene.relying(&format!("verifier: \"{VERIFIER}\""));
    let (answer, written) = scene.attest(&relying, &[]);
    answer.exits(2).says("is not passed on");
    assert_eq!(written, None);
}

#[test]
fn b13_a_refusal_is_written_too_and_is_the_last_word() {
    let scene = Scene::new();
    let own = trusting(&public(&scene.release), "baseline");
    let (_, passed) = scene.attest(&own, &[]);
    let nobody = "version: 1\npolicy: {preset: baseline}\n";
    let (answer, failed) = scene.attest(nobody, &["--policy-uri", "https://p.example/strict"]);
    answer.exits(1);
    let failed = failed.unwrap();
    assert_eq!(failed["predicate"]["verificationResult"], "FAILED", "{failed:#}");
    assert_eq!(failed["predicate"]["verifiedLevels"], json!(["FAILED"]));
    assert_eq!(failed["predicate"]["policy"]["uri"], "https://p.example/strict");
    strict(&failed);
    scene.publish(&passed.unwrap());
    let pair = format!("verifier: \"{VERIFIER}\"");
    scene.relies(&pair).exits(0);
    scene.publish(&failed);
    let answer = scene.relies(&pair);
    answer.exits(1);
    let codes = codes(&answer);
    for code in ["predicate-failed", "summary-not-counted"] {
        assert!(codes.contains(&code.to_owned()), "{}", answer.all());
    }
}

/// `-o vsa` says what `--attest` says, a line for each platform, beside other reports.
#[test]
fn a_report_has_the_summaries_as_lines() {
    let scene = Scene::new();
    let lines = scene.folder.path().join("vsa.jsonl");
    let file = scene.folder.path().join("vsa.json");
    let (image, config) = (scene.image(), trusting(&public(&scene.release), "baseline"));
    let verify = |config: &str, more: &[&str]| {
        let call = ["verify", "--verifier", VERIFIER, "--policy-uri", "https://p.example/strict"];
        Hallmark::new([&call, more].concat()).config(config).run()
    };
    let option = format!("vsa={}", lines.display());
    let attest = ["--attest", file.to_str().unwrap(), "--platform", "linux/amd64"];
    verify(&config, &[&[image.as_str(), "-o", &option][..], &attest].concat())
        .exits(0)
        .says("PASS");
    let told: Vec<Value> = fs::read_to_string(&lines)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let [report] = told.as_slice() else { panic!("{told:#?}") };
    let mut written: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let policy = &report["predicate"]["policy"]["uri"];
    assert_eq!(
        (policy, &report["predicate"]["verificationResult"]),
        (&json!("https://p.example/strict"), &json!("PASSED"))
    );
    // It is one verification, at one time.
    written["predicate"]["timeVerified"] = report["predicate"]["timeVerified"].clone();
    assert_eq!(*report, written);
    strict(report);
    // Of a refusal, on stdout, and of two images, one of which nobody can read.
    let nobody = "version: 1\nlimits: {attempts: 1}\npolicy: {preset: baseline}\n";
    let refused = verify(nobody, &[&image, "-o", "vsa"]);
    let statement: Value = serde_json::from_str(refused.exits(1).stdout.trim()).unwrap();
    assert_eq!(statement["predicate"]["verificationResult"], "FAILED", "{statement:#}");
    strict(&statement);
    let both = verify(nobody, &[&image, "127.0.0.1:1/app:1", "-o", "vsa"]);
    assert_eq!(both.exits(1).stdout.lines().count(), 1, "{}", both.all());
    // Where there is no verdict there is no line, and no older one either.
    let gone = verify(nobody, &["127.0.0.1:1/app:1", "-o", &option]);
    gone.exits(3);
    assert_eq!(fs::read_to_string(&lines).unwrap(), "");
}

#[test]
fn a_summary_needs_a_verifier_one_image_and_a_verdict() {
    let scene = Scene::new();
    let image = scene.image();
    let file = scene.folder.path().join("none.json");
    let file = file.to_str().unwrap();
    for (arguments, code, says) in [
        (vec![image.as_str(), "--attest", file], 2, "--verifier"),
        (vec![&image, &image, "--attest", file, "--verifier", VERIFIER], 2, "is for one image"),
        (vec![&image, "--attest", file, "--verifier", "a name"], 2, "expected a URI"),
        (vec![&image, "--verifier", VERIFIER, "--policy-uri", VERIFIER], 2, "--attest"),
        (vec![&image, "-o", "vsa"], 2, "-o vsa needs --verifier"),
        (vec![&image, "-o", "vsa", "--verifier", VERIFIER, "--as-of", "2026-12-24"], 2, "--as-of"),
        (vec![&image, "-o", "vsa", "--verifier", VERIFIER, "--from", "x"], 2, "--from"),
    ] {
        let answer = Hallmark::new([&["verify"], arguments.as_slice()].concat()).run();
        answer.exits(code).says(says);
    }
    let gone = "127.0.0.1:1/app:1";
    let call = ["verify", gone, "--attest", file, "--verifier", VERIFIER];
    Hallmark::new(call).config("version: 1\nlimits: {attempts: 1}\n").run().exits(3);
    assert!(!Path::new(file).exists());
}

/// Holds a summary against the types of in-toto's Go module.
fn strict(summary: &Value) {
    let Some(program) = peer("attestation", "summaries") else { return };
    let mut child = Command::new(program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(summary.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{summary:#}");
}
