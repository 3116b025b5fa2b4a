//! What a new user and a pipeline type first: one key, several images, lists, bare digests, half an identity.

use std::{fs, io::Write as _, process::Stdio};

use serde_json::{Value, json};

use crate::{
    layouts::{Layout, Parts},
    server::{Registry, World},
    support::{Answer, Hallmark, redact},
};

/// A registry with a signed image under `1`, another one that nobody signed under `bare`, and the key in its folder.
struct Scene {
    world: World,
    registry: Registry,
    key: String,
}

fn scene() -> Scene {
    let mut world = World::new();
    let signed = world.image.clone();
    world.store.tag("1", &signed);
    let other = world.store.image(&Parts::new(&[("bin/app", b"#!/bin/sh\necho other\n")]));
    world.store.tag("bare", &other);
    let key = world.key.write(world.folder.path()).display().to_string();
    let registry = Registry::honest(world.store.clone());
    Scene { world, registry, key }
}

impl Scene {
    fn verify(&self, arguments: &[&str]) -> Hallmark {
        Hallmark::new(["verify", "--key", &self.key].iter().chain(arguments).copied())
    }

    fn redacted(&self, answer: &Answer) -> String {
        redact(&answer.stdout.replace(&self.key, "KEY"))
    }
}

#[test]
fn one_image_and_one_key_need_no_configuration() {
    let scene = scene();
    let image = scene.registry.image("1");
    scene.verify(&[&image]).run().exits(0).says("PASS").says("signature   proven: ");
    Hallmark::new(["verify", &image]).run().exits(1).says("FAIL");
    // The same key shows what the image carries.
    let shown = Hallmark::new(["inspect", "--key", &scene.key, &image]).run();
    shown.exits(0).says(&scene.key);
    Hallmark::new(["inspect", &image]).run().exits(0).says_not(&scene.key);
}

#[test]
fn a_dash_is_standard_output() {
    let scene = scene();
    let image = scene.registry.image("1");
    let plain = scene.verify(&["-o", "json", &image]).run();
    let dashed = scene.verify(&["-o", "json=-", &image]).run();
    assert_eq!(plain.exits(0).json()["schema"], dashed.exits(0).json()["schema"]);
    assert!(!std::path::Path::new("-").exists());
    let twice = scene.verify(&["-o", "json=-", "-o", "text", &image]).run();
    twice.exits(2).says("one report goes to stdout");
    let attest = ["--attest", "-", "--verifier", "https://v.example", &image];
    scene.verify(&attest).run().exits(2).says("one that is called - is ./-");
}

#[test]
fn several_images_have_one_report_each_and_the_gravest_exit_code() {
    let scene = scene();
    let [good, bare, gone] = ["1", "bare", "gone"].map(|tag| scene.registry.image(tag));
    let cases: [(&[&str], i32); 5] = [
        (&[&good, &good], 0),
        (&[&good, &gone], 3),
        (&[&gone, &good], 3),
        (&[&bare, &good], 1),
        (&[&good, &gone, &bare], 1),
    ];
    for (images, code) in cases {
        let answer = scene.verify(images).run();
        answer.exits(code).says(&format!("{} images: ", images.len()));
        let document = scene.verify(&[images, &["-o", "json"]].concat()).run();
        let document = document.exits(code).json();
        assert_eq!(document["schema"], "hallmark/verdicts/v1");
        assert_eq!(document["exitCode"], code);
        assert_eq!(document["images"].as_array().unwrap().len(), images.len());
    }
    let all = scene.verify(&[&good, &gone, &bare]).run();
    insta::assert_snapshot!("several_images", scene.redacted(&all));
}

/// Whoever reads a report does not have to know by what the image was named.
#[test]
fn an_absent_tag_and_an_absent_digest_are_told_alike() {
    let scene = scene();
    let digest = format!("sha256:{}", "0".repeat(64));
    let [by_tag, by_digest] = ["gone", &digest].map(|name| scene.registry.image(name));
    let told = |image: &str, more: &[&str]| {
        let answer = scene.verify(&[&[image], more].concat()).run();
        answer.exits(3);
        let plain = |text: &str| {
            let lines = text.lines().filter(|line| !line.trim_start().starts_with("help: "));
            let lines: Vec<String> = lines
                .filter(|line| !line.contains("\"help\": ") && !line.contains("\"help: "))
                .map(|line| line.replace(image, "IMAGE").replace(&digest, "tag gone"))
                .collect();
            lines.join("\n")
        };
        (plain(&answer.stdout), plain(&answer.stderr))
    };
    for more in [&[][..], &["-o", "json"]] {
        let [tag, digest] = [&by_tag, &by_digest].map(|image| told(image, more));
        assert_eq!(tag.0, digest.0, "{more:?}");
        let complaint = |text: &str| text.split("hallmark: ").nth(1).map(str::to_owned);
        assert!(
            complaint(&tag.1).is_some_and(|text| text.contains("source-not-found")),
            "{}",
            tag.1
        );
        assert_eq!(complaint(&tag.1), complaint(&digest.1), "{more:?}");
    }
}

#[test]
fn the_document_of_one_image_is_the_same_in_a_list() {
    let scene = scene();
    let (good, gone) = (scene.registry.image("1"), scene.registry.image("gone"));
    let timeless = |mut report: Value| {
        report["time"] = json!("");
        report["platforms"][0]["evidence"]["time"] = json!("");
        report
    };
    let alone = timeless(scene.verify(&[&good, "-o", "json"]).run().exits(0).json());
    assert_eq!(alone["schema"], "hallmark/verdict/v1");
    let list = scene.verify(&[&good, &gone, "-o", "json"]).run().exits(3).json();
    let [first, second] = [0, 1].map(|at| list["images"][at].clone());
    assert_eq!(first["image"], good);
    assert_eq!((&first["exitCode"], &first["error"]), (&json!(0), &Value::Null));
    assert_eq!(timeless(first["report"].clone()), alone);
    assert_eq!((&second["exitCode"], &second["report"]), (&json!(3), &Value::Null));
    assert_eq!(second["error"]["finding"]["code"], "source-not-found", "{second:#}");
}

#[test]
fn images_come_from_files_and_from_standard_input() {
    let scene = scene();
    let (good, bare) = (scene.registry.image("1"), scene.registry.image("bare"));
    let list = scene.world.folder.path().join("list");
    fs::write(&list, format!("# ours\n\n{good}\r\n  {good}\n")).unwrap();
    let list = list.to_str().unwrap();
    scene.verify(&["-f", list]).run().exits(0).says("2 images: 2 passed");
    scene.verify(&["-f", list, &bare]).run().exits(1).says("3 images: 2 passed, 1 failed");
    for arguments in [["verify", "-"], ["verify", "--file=-"]] {
        let call = Hallmark::new(arguments).arg("--key").arg(&scene.key);
        let mut command = call.command();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(format!("{good}\n# end").as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{said}");
        assert!(said.contains("1 image: 1 passed"), "{said}");
    }
    // Nothing that was verified is no pass, and nothing is verified before all was read.
    fs::write(list, "# nothing\n").unwrap();
    scene.verify(&["-f", list]).run().exits(2).says("it lists no image");
    scene.verify(&["-"]).run().exits(2).says("standard input: it lists no image");
    fs::write(list, format!("{good}\nno such image\n")).unwrap();
    let before = scene.registry.requests().len();
    scene.verify(&["-f", list]).run().exits(2).says(&format!("{list}:2: "));
    assert_eq!(scene.registry.requests().len(), before);
    scene.verify(&["-f", "/nowhere/list"]).run().exits(2).says("/nowhere/list: No such file");
    Hallmark::new(["verify"]).run().exits(2).says("IMAGE");
}

#[test]
fn a_bare_digest_is_looked_up_where_the_command_line_says() {
    let scene = scene();
    let digest = scene.world.image.as_str();
    let place = format!("{}/app", scene.registry.host);
    let layout = Layout::of(&scene.world.parts).reference();
    scene.verify(&[digest]).run().exits(3).says("there is none");
    scene.verify(&["--repository", &place, digest]).run().exits(0).says(&place);
    scene.verify(&["--repository", &layout, "--repository", &place, digest]).run().exits(0);
    let shown = Hallmark::new(["inspect", "--repository", &place, digest]).run();
    shown.exits(0).says(&place);
    let named = scene.registry.image("1");
    scene.verify(&["--repository", &place, &named]).run().exits(2).says("says itself where it is");
    for wrong in [&named, "oci:/x:1", "Team/app"] {
        let answer = scene.verify(&["--repository", wrong, digest]).run();
        answer.exits(2).says("without tag or digest");
    }
}

#[test]
fn half_an_identity_is_refused_with_what_to_type() {
    let scene = scene();
    let image = scene.registry.image("1");
    let cases: [(&[&str], &str); 5] = [
        (&["--certificate-identity=a@x.example"], "help: add --certificate-oidc-issuer URL"),
        (&["--certificate-oidc-issuer=https://i"], "help: add --certificate-identity TEXT"),
        (&["--trusted-root=public-good"], "help: add --certificate-identity TEXT"),
        (
            &["--certificate-identity-regexp=a@x", "--certificate-oidc-issuer=https://i"],
            "help: --certificate-identity-regexp '^a@x$'",
        ),
        (&["--certificate-identity=a", "--certificate-identity-regexp=^a$"], "cannot be used with"),
    ];
    for (arguments, wanted) in cases {
        for command in ["verify", "inspect"] {
            let call = Hallmark::new([command, &image].iter().chain(arguments).copied());
            call.run().exits(2).says(wanted);
        }
    }
    assert!(scene.registry.requests().is_empty(), "refused before anything is asked for");
    // A whole one adds to the key, and takes nothing from it.
    let whole = ["--certificate-identity=a@x.example", "--certificate-oidc-issuer=https://i"];
    scene.verify(&[&whole[..], &[&image]].concat()).run().exits(0).says("signature   proven: ");
    Hallmark::new([&["verify", &image], &whole[..]].concat()).run().exits(1);
}

#[test]
fn a_configuration_that_is_not_read_is_mentioned_and_one_that_is_can_be() {
    let layout = Layout::of(&Parts::new(&[("bin/app", b"x")]));
    let (folder, image) = (tempfile::tempdir().unwrap(), layout.reference());
    let file = folder.path().join("hallmark.yaml");
    let said = |words: &[&str]| {
        let call = Hallmark::new(["inspect", &image].iter().chain(words).copied());
        let output = call.command().current_dir(folder.path()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{words:?} {said}");
        said
    };
    let note = "note: ./hallmark.yaml is not read";
    assert!(!said(&[]).contains(note), "there is none");
    fs::write(&file, "version: 1\n").unwrap();
    assert!(said(&[]).contains(note));
    let file = file.to_str().unwrap();
    for words in [&["--config", "hallmark.yaml"][..], &["--config", file], &["-q"]] {
        assert!(!said(words).contains(note), "{words:?}");
    }
    let read = said(&["-v", "--config", file]);
    let line = read.lines().find(|line| line.contains("read the configuration")).unwrap();
    assert!(line.contains(file) && line.contains("sha256:"), "{line}");
}
