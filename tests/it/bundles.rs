//! Evidence from files: `verify --bundle`, with bundles that `hallmark sign --bundle` writes.

use std::{fs, path::Path};

use crate::{
    layouts::{Layout, Parts},
    sign::{Keys, public},
    support::{Answer, Hallmark},
};

fn layout(content: &[u8]) -> Layout {
    Layout::of(&Parts::new(&[("bin/app", content)]))
}

/// Signs an image, and stores nothing beside it.
fn sign(image: &str, key: &Path, bundle: &Path) {
    let (key, bundle) = (key.to_str().unwrap(), bundle.to_str().unwrap());
    Hallmark::new(["sign", "--key", key, "--bundle", bundle, image])
        .env("HALLMARK_KEY_PASSWORD", "")
        .run()
        .exits(0);
}

fn verify(image: &str, key: &Path, bundles: &[&Path]) -> Answer {
    let key = public(key);
    let call = Hallmark::new(["verify", "--policy", "signed", "-o", "json"]);
    let call = call.arg("--key").arg(key).arg(image);
    bundles.iter().fold(call, |call, bundle| call.arg("--bundle").arg(bundle)).run()
}

#[test]
fn i9_a_bundle_from_a_file_proves_what_an_attached_one_would() {
    let (ours, other) = (layout(b"one"), layout(b"two"));
    let (keys, folder) = (Keys::new(), tempfile::tempdir().unwrap());
    let (key, stranger) = (keys.p256("key"), keys.p256("stranger"));
    let file = |name: &str| folder.path().join(name);
    let (good, elsewhere, theirs) = (file("good"), file("elsewhere"), file("theirs"));
    sign(&ours.reference(), &key, &good);
    sign(&other.reference(), &key, &elsewhere);
    sign(&ours.reference(), &stranger, &theirs);
    let image = ours.reference();
    let code = |answer: &Answer| {
        let platform = &answer.json()["platforms"][0];
        platform["findings"].to_string()
    };
    assert!(code(verify(&image, &key, &[]).exits(1)).contains("signature-missing"));
    let answer = verify(&image, &key, &[&good]);
    let told = answer.exits(0).json();
    let signature = &told["platforms"][0]["evidence"]["signatures"][0];
    assert_eq!(signature["state"], "proven", "{signature:#}");
    assert_eq!(signature["carrier"], "bundle-file", "{signature:#}");
    assert_eq!(signature["place"], format!("bundle {}", good.display()), "{signature:#}");
    // Neither another image's nor another signer's helps, and neither harms.
    verify(&image, &key, &[&elsewhere]).exits(1);
    verify(&image, &key, &[&theirs]).exits(1);
    verify(&image, &stranger, &[&good]).exits(1);
    verify(&image, &key, &[&elsewhere, &theirs, &good]).exits(0);
    // One in each line.
    let lines = file("lines");
    let all = [&elsewhere, &theirs, &good].map(|file| fs::read_to_string(file).unwrap());
    let all = all.map(|text| text.trim().to_owned()).join("\n");
    fs::write(&lines, all).unwrap();
    verify(&image, &key, &[&lines]).exits(0);
    // A signature that was changed is none.
    let text = fs::read_to_string(&good).unwrap();
    let mut bundle: serde_json::Value = serde_json::from_str(&text).unwrap();
    let payload = bundle["dsseEnvelope"]["payload"].as_str().unwrap().to_owned();
    bundle["dsseEnvelope"]["payload"] = payload.replacen("ey", "eg", 1).into();
    fs::write(&theirs, bundle.to_string()).unwrap();
    assert_ne!(verify(&image, &key, &[&theirs]).code, 0);
}

#[test]
fn a_bundle_that_cannot_be_read_ends_the_call() {
    let (ours, folder) = (layout(b"one"), tempfile::tempdir().unwrap());
    let keys = Keys::new();
    let key = keys.p256("key");
    let file = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        path
    };
    let nothing = folder.path().join("nothing");
    let cases = [
        (nothing, "No such file"),
        (folder.path().to_owned(), "a folder"),
        (file("empty", b""), "Sigstore bundle"),
        (file("other", b"{\"mediaType\": \"x\"}"), "Sigstore bundle"),
        (file("lines", b"{}\n{}\n"), "lines:1"),
    ];
    for (bundle, said) in cases {
        let answer = verify(&ours.reference(), &key, &[&bundle]);
        assert_eq!(answer.code, 2, "{}", answer.all());
        answer.says("--bundle ").says(said).says("it takes a Sigstore bundle");
        assert_eq!(answer.json()["schema"], "hallmark/error/v1");
    }
}

#[test]
fn inspect_shows_what_a_bundle_says() {
    let (ours, folder) = (layout(b"one"), tempfile::tempdir().unwrap());
    let keys = Keys::new();
    let (key, bundle) = (keys.p256("key"), folder.path().join("bundle"));
    sign(&ours.reference(), &key, &bundle);
    let inspect = |form: &str| {
        let call = Hallmark::new(["inspect", "-o", form, &ours.reference()]);
        call.arg("--bundle").arg(&bundle).arg("--key").arg(public(&key)).run()
    };
    inspect("text").exits(0).says(&format!("bundle {}", bundle.display())).says("proven by");
    let told = inspect("json").exits(0).json();
    assert_eq!(told["platforms"][0]["examined"][0]["carrier"], "bundle-file", "{told:#}");
}
