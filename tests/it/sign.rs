//! `hallmark sign` against a real registry, with cosign 3 as the judge; and what it refuses, without any registry.

use std::{
    fs,
    io::Write as _,
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::{
    layouts::{self, Layout, Parts},
    support::{Answer, Hallmark, Lab, trusting},
};

const PASSWORD: &str = "correct horse";

/// Keys by openssl, each with its public half.
pub struct Keys {
    folder: tempfile::TempDir,
}

impl Keys {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A private key by `openssl genpkey`, and `NAME.pub`.
    fn make(&self, name: &str, arguments: &[&str]) -> PathBuf {
        let private = self.path(name);
        let out = private.to_str().unwrap();
        openssl(&[&["genpkey", "-out", out], arguments].concat());
        openssl(&["pkey", "-in", out, "-pubout", "-out", &format!("{out}.pub")]);
        fs::set_permissions(&private, fs::Permissions::from_mode(0o600)).unwrap();
        private
    }

    pub fn p256(&self, name: &str) -> PathBuf {
        self.make(name, &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"])
    }
}

fn openssl(arguments: &[&str]) {
    let output = Command::new("openssl").args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?} {}", String::from_utf8_lossy(&output.stderr));
}

pub fn public(key: &Path) -> PathBuf {
    PathBuf::from(format!("{}.pub", key.display()))
}

fn image() -> Layout {
    Layout::of(&Parts::new(&[("bin/app", b"#!/bin/sh\necho hello\n")]))
}

fn with_key<'a>(arguments: &[&'a str], key: &'a Path) -> Vec<&'a str> {
    [&["sign"], arguments, &["--key", key.to_str().unwrap()]].concat()
}

fn sign(arguments: &[&str], key: &Path) -> Answer {
    Hallmark::new(with_key(arguments, key)).run()
}

/// Which signatures and attestations `hallmark verify` finds proven.
fn proven(image: &str, key: &Path) -> (Value, Value) {
    let config = trusting(&public(key), "baseline");
    let answer = Hallmark::new(["verify", image, "-o", "json"]).config(&config).run();
    let evidence = answer.json()["platforms"][0]["evidence"].clone();
    (evidence["signatures"].clone(), evidence)
}

#[test]
fn a_layout_is_signed_once_by_each_key() {
    let (layout, keys) = (image(), Keys::new());
    let key = keys.p256("a");
    let reference = layout.reference();
    sign(&[&reference], &key).exits(0).says("signed: referrer");
    sign(&[&reference], &key).exits(0).says("signed already");
    let other = keys.make("b", &["-algorithm", "ED25519"]);
    sign(&[&reference], &other).exits(0).says("signed: referrer");
    for key in [&key, &other] {
        let (signatures, evidence) = proven(&reference, key);
        assert!(signatures.to_string().contains("\"proven\""), "{evidence:#}");
    }
}

#[test]
fn a_key_that_others_can_read_is_said_and_its_password_comes_from_the_environment() {
    let (layout, keys) = (image(), Keys::new());
    let plain = keys.p256("plain");
    let sealed = keys.path("sealed");
    openssl(&[
        "pkcs8",
        "-topk8",
        "-in",
        plain.to_str().unwrap(),
        "-out",
        sealed.to_str().unwrap(),
        "-passout",
        &format!("pass:{PASSWORD}"),
    ]);
    fs::set_permissions(&sealed, fs::Permissions::from_mode(0o640)).unwrap();
    let reference = layout.reference();
    let none = sign(&[&reference], &sealed);
    none.exits(2).says("there is no password").says("chmod 600");
    for (name, password, code) in [
        ("HALLMARK_KEY_PASSWORD", PASSWORD, 0),
        ("COSIGN_PASSWORD", PASSWORD, 0),
        ("COSIGN_PASSWORD", "wrong horse", 2),
    ] {
        let answer = Hallmark::new(with_key(&[&reference], &sealed)).env(name, password).run();
        answer.exits(code);
        assert!(!answer.all().contains("horse"), "{}", answer.all());
    }
    let file = keys.path("password");
    fs::write(&file, format!("{PASSWORD}\n")).unwrap();
    let answer = sign(&[&reference, "--password-file", file.to_str().unwrap()], &sealed);
    answer.exits(0).says("signed already");
}

#[test]
fn a_public_key_signs_nothing_and_an_empty_variable_names_no_configuration() {
    let (layout, keys) = (image(), Keys::new());
    let key = keys.p256("a");
    let refused = sign(&[&layout.reference()], &public(&key));
    refused.exits(2).says("it is a public key");
    assert!(!refused.all().contains("chmod"), "{}", refused.all());
    let reference = layout.reference();
    Hallmark::new(with_key(&[&reference], &key))
        .env("HALLMARK_CONFIG", "")
        .run()
        .exits(0)
        .says("signed: referrer");
}

#[test]
fn a_statement_about_another_image_is_refused() {
    let (layout, keys) = (image(), Keys::new());
    let key = keys.p256("a");
    let file = keys.path("statement.json");
    let statement = |digest: &str| {
        json!({
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"name": "app", "digest": {"sha256": digest}}],
            "predicateType": "https://a.example/x/v1", "predicate": {"a": 1},
        })
    };
    fs::write(&file, statement(&"ab".repeat(32)).to_string()).unwrap();
    let arguments = [&layout.reference(), "--statement", file.to_str().unwrap()];
    sign(&arguments, &key).exits(2).says("is no part of");
    let before = fs::read(layout.path().join("index.json")).unwrap();
    let index: Value = serde_json::from_slice(&before).unwrap();
    let digest = index["manifests"][0]["digest"].as_str().unwrap().trim_start_matches("sha256:");
    let mut both = statement(digest);
    let other = json!({"name": "other", "digest": {"sha256": "ab".repeat(32)}});
    both["subject"].as_array_mut().unwrap().push(other);
    fs::write(&file, both.to_string()).unwrap();
    sign(&arguments, &key).exits(2).says("which is not");
    assert_eq!(fs::read(layout.path().join("index.json")).unwrap(), before, "nothing is stored");
    fs::write(&file, statement(digest).to_string()).unwrap();
    sign(&arguments, &key).exits(0).says("signed: referrer");
    let attest = ["provenance", "attest", &layout.reference(), file.to_str().unwrap()];
    let answer = Hallmark::new(attest).arg("--key").arg(&key).run();
    answer.exits(0).says("signed already");
}

/// A subject that no verification would take is refused by its name, before anything is signed, also beside a good one.
#[test]
fn b4_subjects_that_no_verification_would_take_are_not_signed() {
    let (layout, keys) = (image(), Keys::new());
    let key = keys.p256("a");
    let file = keys.path("statement.json");
    let before = fs::read(layout.path().join("index.json")).unwrap();
    let index: Value = serde_json::from_slice(&before).unwrap();
    let digest = index["manifests"][0]["digest"].as_str().unwrap().trim_start_matches("sha256:");
    let good = json!({"name": "app", "digest": {"sha256": digest}});
    let cases = [
        (json!({}), "no digest"),
        (json!({"sha1": "ab".repeat(20)}), "only sha1"),
        (json!({"gitCommit": "ab".repeat(20), "SHA256": digest}), "only SHA256, gitCommit"),
        (json!({"sha256": digest.to_uppercase()}), "sha256"),
        (json!({"sha256": &digest[..63]}), "sha256"),
        (json!({"sha256": ""}), "sha256"),
        (json!({"sha256": digest, "sha512": digest}), "sha512"),
        (json!({"sha256": format!("sha256:{digest}")}), "sha256"),
    ];
    for (digests, said) in cases {
        for beside in [false, true] {
            let bad = json!({"name": "weak", "digest": digests});
            let subjects = if beside { vec![good.clone(), bad] } else { vec![bad] };
            let statement = json!({
                "_type": "https://in-toto.io/Statement/v1", "subject": subjects,
                "predicateType": "https://a.example/x/v1", "predicate": {"a": 1},
            });
            fs::write(&file, statement.to_string()).unwrap();
            let arguments = [&layout.reference(), "--statement", file.to_str().unwrap()];
            let place = if beside { "subject[1] \"weak\"" } else { "subject[0] \"weak\"" };
            sign(&arguments, &key).exits(2).says(place).says(said);
        }
    }
    assert_eq!(fs::read(layout.path().join("index.json")).unwrap(), before, "nothing is stored");
}

#[test]
fn a_predicate_that_is_not_what_its_type_says_is_refused() {
    let (layout, keys) = (image(), Keys::new());
    let key = keys.p256("a");
    let file = keys.path("predicate.json");
    let reference = layout.reference();
    let run = |kind: &str, text: &str| {
        fs::write(&file, text).unwrap();
        sign(&[&reference, "--predicate", file.to_str().unwrap(), "--type", kind], &key)
    };
    run("spdx", "{}").exits(2);
    run("cyclonedx", r#"{"spdxVersion": "SPDX-2.3"}"#).exits(2);
    run("slsaprovenance1", "{}").exits(2);
    run("https://a.example/x/v1", "[]").exits(2).says("JSON object");
    run("https://a.example/x/v1", r#"{"a": 1, "a": 2}"#).exits(2).says("given twice");
    run("sbom", "{}").exits(2).says("no type of predicate");
    // What hallmark calls malformed when it verifies, it does not sign either.
    for (kind, text, why) in MALFORMED {
        run(kind, text).exits(2).says(why);
    }
    run("vsa", VSA).exits(0);
    run(MALFORMED[2].0, r#"{"result": "FAILED", "configuration": []}"#).exits(0);
    run("https://a.example/x/v1", r#"{"a": 1}"#).exits(0);
    run("cyclonedx", CYCLONEDX).exits(0);
}

/// Types that have a reader, and what is none of them.
const MALFORMED: [(&str, &str, &str); 4] = [
    ("vsa", "{}", "missing field"),
    ("vsa", r#"{"verifier": {"id": "v"}, "verificationResult": "PASSED"}"#, "missing field"),
    (
        "https://in-toto.io/attestation/test-result/v0.1",
        r#"{"result": "PASSED", "configuration": [], "failedTests": ["t"]}"#,
        "failed",
    ),
    ("https://in-toto.io/attestation/svr/v0.1", r#"{"verifier": {"id": ""}}"#, "missing field"),
];

/// A summary that says no is a summary.
const VSA: &str = r#"{
    "verifier": {"id": "https://v.example"}, "timeVerified": "2026-11-25T00:00:00Z",
    "resourceUri": "r.example/app", "policy": {"uri": "https://p.example"},
    "verificationResult": "FAILED", "verifiedLevels": []
}"#;

const CYCLONEDX: &str = r#"{
    "bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1,
    "components": [{"type": "library", "name": "zlib", "version": "1.3.1"}]
}"#;

#[test]
fn a_bundle_goes_to_a_file_and_nothing_else_is_written() {
    let (layout, keys) = (image(), Keys::new());
    let key = keys.p256("a");
    let before = fs::read(layout.path().join("index.json")).unwrap();
    let file = keys.path("bundle.json");
    sign(&[&layout.reference(), "--bundle", file.to_str().unwrap()], &key).exits(0);
    let bundle: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    assert_eq!(bundle["mediaType"], "application/vnd.dev.sigstore.bundle.v0.3+json");
    assert_eq!(fs::read(layout.path().join("index.json")).unwrap(), before);
}

/// `-o` is a form of the answer, as for every other command, and never a file.
#[test]
fn what_was_signed_is_told_to_machines() {
    let (layout, keys) = (image(), Keys::new());
    let (key, reference) = (keys.p256("a"), layout.reference());
    for kept in ["stored", "there"] {
        let answer = sign(&[&reference, "-o", "json"], &key);
        let told = answer.exits(0).json();
        assert_eq!(
            (&told["schema"], &told["signed"][0]["kept"]),
            (&json!("hallmark/signed/v1"), &json!(kept))
        );
        assert!(told["signed"][0]["place"].as_str().unwrap().starts_with("referrer"), "{told}");
    }
    sign(&[&reference, "-o", "bundle.json"], &key).exits(2).says("possible values: text, json");
    assert!(!Path::new("json").exists() && !Path::new("bundle.json").exists());
}

#[test]
fn a_program_signs_without_a_shell_and_is_checked() {
    let (layout, keys) = (image(), Keys::new());
    let (key, other) = (keys.p256("a"), keys.p256("b"));
    let reference = layout.reference();
    let run = |private: &Path, public: &Path| {
        let arguments = ["pkeyutl", "-sign", "-pkeyopt", "digest:sha256", "-inkey"];
        let mut hallmark = Hallmark::new(["sign", &reference, "--program", "openssl"])
            .env("PATH", std::env::var("PATH").unwrap());
        for argument in arguments.into_iter().chain([private.to_str().unwrap()]) {
            hallmark = hallmark.arg(format!("--program-arg={argument}"));
        }
        hallmark.arg("--public-key").arg(public).run()
    };
    run(&key, &public(&other)).exits(3).says("no signature over this");
    run(&key, &public(&key)).exits(0).says("signed: referrer");
    let (signatures, evidence) = proven(&reference, &key);
    assert!(signatures.to_string().contains("\"proven\""), "{evidence:#}");
    Hallmark::new(["sign", &reference]).run().exits(2).says("who signs?");
}

/// An image in a repository of its own: a lab that is used again keeps what earlier runs attached.
fn pushed(lab: &Lab, name: &str) -> String {
    let layout = image();
    push(lab, &layout, lab.get("REGISTRY"), name)
}

fn push(lab: &Lab, layout: &Layout, registry: &str, name: &str) -> String {
    let once = layout.path().file_name().unwrap().to_str().unwrap().to_lowercase();
    let once = once.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
    let reference = format!("{registry}/sign/{name}-{once}:1");
    let target = format!("docker://{reference}");
    lab.tool("skopeo", &["copy", "--dest-tls-verify=false", &layout.reference(), &target]);
    reference
}

/// A program of somebody else, where scripts/peers has built it.
pub fn peer(name: &str, test: &str) -> Option<PathBuf> {
    let cache = std::env::var("HALLMARK_CACHE").map(PathBuf::from);
    let home = || Path::new(&std::env::var("HOME").unwrap()).join(".cache/hallmark");
    let program = cache.unwrap_or_else(|_| home()).join("peers/bin").join(name);
    if !program.exists() {
        eprintln!("SKIPPED {test}: no {name}; scripts/peers builds it");
        return None;
    }
    Some(program)
}

/// A registry with the referrers API, which the lab's own lacks; it ends with the test.
struct WithReferrers {
    host: String,
    process: Child,
}

impl WithReferrers {
    fn here(test: &str) -> Option<Self> {
        let program = peer("registry", test)?;
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let host = format!("127.0.0.1:{port}");
        let process = Command::new(program).arg(&host).spawn().unwrap();
        let registry = Self { host, process };
        for _ in 0..200 {
            if TcpStream::connect(&registry.host).is_ok() {
                return Some(registry);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("{test}: the registry does not listen");
    }
}

impl Drop for WithReferrers {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// cosign 3, where scripts/peers has built it.
struct Cosign<'a> {
    lab: &'a Lab,
    program: String,
}

impl<'a> Cosign<'a> {
    fn here(lab: &'a Lab, test: &str) -> Option<Self> {
        Some(Self { lab, program: peer("cosign", test)?.display().to_string() })
    }

    /// Whether it verifies an image with a key.
    fn verifies(&self, arguments: &[&str], image: &str, key: &Path) -> bool {
        let output = Command::new(&self.program)
            .args(arguments)
            .args(["--insecure-ignore-tlog", "--allow-http-registry", "--allow-insecure-registry"])
            .arg("--key")
            .arg(key)
            .arg(image)
            .envs(&self.lab.variables)
            .output()
            .unwrap();
        eprintln!("{arguments:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
        output.status.success()
    }
}

/// A kind of key, how `openssl genpkey` makes it, and the hash of its signatures: cosign 3.1.3 signs with that too, and
/// verifies with SHA-256 unless it is told otherwise, its own signatures included.
const KINDS: [(&str, &[&str], &str); 5] = [
    ("p256", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"], "sha256"),
    ("p384", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"], "sha384"),
    ("p521", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"], "sha512"),
    ("ed25519", &["-algorithm", "ED25519"], "sha256"),
    ("rsa", &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"], "sha256"),
];

#[test]
fn cosign_and_hallmark_verify_what_every_kind_of_key_signed() {
    const NAME: &str = "cosign_and_hallmark_verify_what_every_kind_of_key_signed";
    let Some(lab) = Lab::here(NAME) else { return };
    let Some(cosign) = Cosign::here(&lab, NAME) else { return };
    let keys = Keys::new();
    let stranger = keys.p256("stranger");
    let sbom = keys.path("sbom.json");
    fs::write(&sbom, CYCLONEDX).unwrap();
    for (kind, arguments, hash) in KINDS {
        let key = keys.make(kind, arguments);
        let image = pushed(&lab, kind);
        let hallmark = |more: &[&str]| {
            let arguments = [&[image.as_str()], more].concat();
            lab.hallmark(with_key(&arguments, &key)).run()
        };
        let hashed = ["--signature-digest-algorithm", hash];
        let plain = [&["verify"][..], &hashed].concat();
        let attested = [&["verify-attestation", "--type", "cyclonedx"][..], &hashed].concat();
        assert!(!cosign.verifies(&plain, &image, &public(&key)), "{kind}: unsigned");
        hallmark(&[]).exits(0).says("(referrers tag)");
        assert!(cosign.verifies(&plain, &image, &public(&key)), "{kind}");
        assert!(!cosign.verifies(&plain, &image, &public(&stranger)), "{kind}: stranger");
        assert!(!cosign.verifies(&attested, &image, &public(&key)), "{kind}: no SBOM yet");
        hallmark(&["--predicate", sbom.to_str().unwrap(), "--type", "cyclonedx"]).exits(0);
        assert!(cosign.verifies(&attested, &image, &public(&key)), "{kind}: SBOM");
        hallmark(&[]).exits(0).says("signed already");
        let config = trusting(&public(&key), "baseline");
        let answer = lab.hallmark(["verify", &image, "-o", "json"]).config(&config).run();
        let evidence = &answer.json()["platforms"][0]["evidence"];
        assert!(evidence["signatures"].to_string().contains("\"proven\""), "{kind}: {evidence:#}");
        let attestation = &evidence["attestations"][0];
        assert_eq!(attestation["predicateType"], "https://cyclonedx.org/bom", "{kind}");
        assert_eq!(attestation["state"], "proven", "{kind}: {evidence:#}");
        let config = trusting(&public(&stranger), "baseline");
        let answer = lab.hallmark(["verify", &image, "-o", "json"]).config(&config).run();
        let evidence = &answer.json()["platforms"][0]["evidence"];
        assert!(!evidence["signatures"].to_string().contains("\"proven\""), "{kind}: {evidence:#}");
    }
}

#[test]
fn a_registry_that_lists_referrers_gets_no_tag_for_them() {
    const NAME: &str = "a_registry_that_lists_referrers_gets_no_tag_for_them";
    let Some(lab) = Lab::here(NAME) else { return };
    let Some(registry) = WithReferrers::here(NAME) else { return };
    let Some(cosign) = Cosign::here(&lab, NAME) else { return };
    let keys = Keys::new();
    let (key, stranger) = (keys.p256("own"), keys.p256("stranger"));
    let image = push(&lab, &image(), &registry.host, "api");
    let said = lab.hallmark(with_key(&[&image], &key)).run();
    said.exits(0).says("signed: referrer");
    assert!(!said.all().contains("(referrers tag)"), "{}", said.all());
    assert!(cosign.verifies(&["verify"], &image, &public(&key)));
    assert!(!cosign.verifies(&["verify"], &image, &public(&stranger)));
    lab.hallmark(with_key(&[&image], &key)).run().exits(0).says("signed already");

    let attached = Attached::to(&lab, &image);
    let tags = Attached::curl(&[&format!("{}/tags/list", attached.base)], None);
    assert_eq!(serde_json::from_slice::<Value>(&tags).unwrap()["tags"], json!(["1"]));
    let config = trusting(&public(&key), "baseline");
    let answer = lab.hallmark(["verify", &image, "-o", "json"]).config(&config).run();
    let signatures = &answer.json()["platforms"][0]["evidence"]["signatures"];
    assert_eq!(signatures[0]["state"], "proven", "{signatures:#}");
    let place = signatures[0]["place"].as_str().unwrap();
    assert!(place.ends_with("(referrers API)"), "{place}");
}

/// As `docs/signing.md` has it: the bundle of cosign 3, and the form of cosign 2, both in no log; and what hallmark signed.
#[test]
fn what_cosign_signs_in_either_form_is_verified() {
    const NAME: &str = "what_cosign_signs_in_either_form_is_verified";
    let Some(lab) = Lab::here(NAME) else { return };
    let Some(cosign) = Cosign::here(&lab, NAME) else { return };
    let keys = Keys::new();
    let (prefix, services) = (keys.path("cosign"), keys.path("no-log.json"));
    let home = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let mut call = Command::new(&cosign.program);
        call.args(arguments).envs(&lab.variables).env("COSIGN_PASSWORD", PASSWORD);
        let output = call.env("HOME", home.path()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {said}");
    };
    run(&["generate-key-pair", "--output-key-prefix", prefix.to_str().unwrap()]);
    run(&["signing-config", "create", "--out", services.to_str().unwrap()]);
    let (private, public) = (keys.path("cosign.key"), keys.path("cosign.pub"));
    let with_log = ["--signing-config", services.to_str().unwrap()];
    let as_before =
        ["--new-bundle-format=false", "--use-signing-config=false", "--tlog-upload=false"];
    for (name, form) in [("three", &with_log[..]), ("two", &as_before[..])] {
        let image = pushed(&lab, name);
        let plain = ["sign", "--yes", "--allow-http-registry", "--allow-insecure-registry"];
        let key = ["--key", private.to_str().unwrap()];
        let verify = |signer: &Path| {
            lab.hallmark(["verify", &image, "--key", signer.to_str().unwrap()]).run()
        };
        verify(&public).exits(1);
        run(&[&plain[..], &key, form, &[&image]].concat());
        verify(&public).exits(0).says("signature   proven: ");
        verify(&crate::sign::public(&keys.p256("stranger"))).exits(1);
    }
    let image = pushed(&lab, "ours");
    lab.hallmark(with_key(&[&image], &private)).env("COSIGN_PASSWORD", PASSWORD).run().exits(0);
    assert!(cosign.verifies(&["verify", "--private-infrastructure"], &image, &public));
}

#[test]
fn a_key_of_cosign_signs_and_tampering_is_found_by_both() {
    const NAME: &str = "a_key_of_cosign_signs_and_tampering_is_found_by_both";
    let Some(lab) = Lab::here(NAME) else { return };
    let Some(cosign) = Cosign::here(&lab, NAME) else { return };
    let keys = Keys::new();
    let prefix = keys.path("own");
    let made = Command::new(&cosign.program)
        .args(["generate-key-pair", "--output-key-prefix", prefix.to_str().unwrap()])
        .env("COSIGN_PASSWORD", PASSWORD)
        .status();
    assert!(made.unwrap().success());
    let (private, public) = (keys.path("own.key"), keys.path("own.pub"));
    let image = pushed(&lab, "own");
    let arguments = with_key(&[&image], &private);
    lab.hallmark(arguments).env("COSIGN_PASSWORD", PASSWORD).run().exits(0);
    assert!(cosign.verifies(&["verify"], &image, &public));

    let verified = |image: &str| {
        let config = trusting(&public, "baseline");
        let answer = lab.hallmark(["verify", image, "-o", "json"]).config(&config).run();
        answer.json()["platforms"][0]["evidence"]["signatures"].to_string().contains("\"proven\"")
    };
    assert!(verified(&image));
    for (what, spoil) in SPOILED {
        let image = pushed(&lab, &format!("spoiled-{what}"));
        let arguments = with_key(&[&image], &private);
        lab.hallmark(arguments).env("COSIGN_PASSWORD", PASSWORD).run().exits(0);
        assert!(cosign.verifies(&["verify"], &image, &public) && verified(&image), "{what}");
        Attached::to(&lab, &image).spoil(*spoil);
        assert!(!cosign.verifies(&["verify"], &image, &public), "{what}: cosign");
        assert!(!verified(&image), "{what}: hallmark");
    }
}

/// What somebody with push rights can do to a bundle.
type Spoil = fn(&mut Value);
const SPOILED: &[(&str, Spoil)] = &[
    ("payload", |bundle| {
        let payload = bundle.pointer_mut("/dsseEnvelope/payload").unwrap();
        let bytes = STANDARD.decode(payload.as_str().unwrap()).unwrap();
        let text = String::from_utf8(bytes)
            .unwrap()
            .replace("\"predicate\":{}", "\"predicate\":{\"a\":1}");
        *payload = STANDARD.encode(text).into();
    }),
    ("signature", |bundle| {
        let signature = bundle.pointer_mut("/dsseEnvelope/signatures/0/sig").unwrap();
        let mut bytes = STANDARD.decode(signature.as_str().unwrap()).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        *signature = STANDARD.encode(bytes).into();
    }),
];

/// The one referrer of an image in a registry that lists it under the fallback tag.
struct Attached {
    base: String,
    tag: String,
}

impl Attached {
    fn to(lab: &Lab, image: &str) -> Self {
        let (name, _) = image.rsplit_once(':').unwrap();
        let raw = lab.tool(
            "skopeo",
            &["inspect", "--raw", "--tls-verify=false", &format!("docker://{image}")],
        );
        let (host, path) = name.split_once('/').unwrap();
        let tag = layouts::digest(raw.as_bytes()).replace(':', "-");
        Self { base: format!("http://{host}/v2/{path}"), tag }
    }

    fn curl(arguments: &[&str], body: Option<&[u8]>) -> Vec<u8> {
        let mut child = Command::new("curl")
            .args(["-fsS"])
            .args(arguments)
            .args(body.map(|_| ["--data-binary", "@-"]).into_iter().flatten())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(body.unwrap_or_default()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{arguments:?}");
        output.stdout
    }

    fn manifest(&self, name: &str) -> Value {
        let accept = "Accept: application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json";
        let url = format!("{}/manifests/{name}", self.base);
        serde_json::from_slice(&Self::curl(&["-H", accept, &url], None)).unwrap()
    }

    fn put_manifest(&self, name: &str, document: &Value) {
        let kind = format!("Content-Type: {}", document["mediaType"].as_str().unwrap());
        let url = format!("{}/manifests/{name}", self.base);
        Self::curl(&["-X", "PUT", "-H", &kind, &url], Some(document.to_string().as_bytes()));
    }

    fn put_blob(&self, bytes: &[u8]) {
        let uploads = format!("{}/blobs/uploads/", self.base);
        let head = Self::curl(&["-D", "-", "-o", "/dev/null", "-X", "POST", &uploads], Some(b""));
        let head = String::from_utf8(head).unwrap();
        let place = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("location").then(|| value.trim().to_owned())
        });
        let place = format!("{}&digest={}", place.unwrap(), layouts::digest(bytes));
        Self::curl(
            &["-X", "PUT", "-H", "Content-Type: application/octet-stream", &place],
            Some(bytes),
        );
    }

    /// Puts a changed bundle in the place of the one that is there.
    fn spoil(&self, spoil: Spoil) {
        let mut index = self.manifest(&self.tag);
        let mut manifest = self.manifest(index["manifests"][0]["digest"].as_str().unwrap());
        let blob =
            format!("{}/blobs/{}", self.base, manifest["layers"][0]["digest"].as_str().unwrap());
        let mut bundle: Value = serde_json::from_slice(&Self::curl(&[&blob], None)).unwrap();
        let before = bundle.clone();
        spoil(&mut bundle);
        assert_ne!(bundle, before);
        let bytes = bundle.to_string();
        self.put_blob(bytes.as_bytes());
        manifest["layers"][0]["digest"] = layouts::digest(bytes.as_bytes()).into();
        manifest["layers"][0]["size"] = bytes.len().into();
        let text = manifest.to_string();
        let name = layouts::digest(text.as_bytes());
        self.put_manifest(&name, &manifest);
        index["manifests"][0]["digest"] = name.into();
        index["manifests"][0]["size"] = text.len().into();
        self.put_manifest(&self.tag, &index);
    }
}
