//! Where answers go: all of it, or a failure that says so.

use std::{
    fs::{self, File},
    path::Path,
    process::Stdio,
};

use crate::{
    server::{Registry, World},
    sign::Keys,
    support::Hallmark,
};

/// Only a reader that has gone away is no failure.
#[test]
fn half_an_answer_is_none() {
    let world = World::new();
    let registry = Registry::honest(world.store.clone());
    let image = registry.image(&world.image);
    let policies = concat!(env!("CARGO_MANIFEST_DIR"), "/policies");
    let calls: [&[&str]; 11] = [
        &["verify", &image],
        &["verify", "-o", "json", &image],
        &["inspect", &image],
        &["inspect", "-o", "json", &image],
        &["diff", &image, &image],
        &["diff", "-o", "html", &image, &image],
        &["explain", "--list"],
        &["policy", "test", policies],
        &["trust", "show"],
        &["--help"],
        &["verify", "--help"],
    ];
    for call in calls {
        let hallmark = || Hallmark::new(call.iter().copied()).config(&world.config("signed"));
        let full = File::options().write(true).open("/dev/full").unwrap();
        let call_to_full = hallmark();
        let mut command = call_to_full.command();
        let output = command.stdout(full).stderr(Stdio::piped()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{call:?}: {said}");
        assert!(said.contains("cannot be written to stdout: No space left"), "{call:?}: {said}");
        // A pipe that nobody reads any more.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let call_to_nobody = hallmark();
        let mut command = call_to_nobody.command();
        let output = command.stdout(writer).stderr(Stdio::piped()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{call:?}: {said}");
        assert!(!said.contains("hallmark:"), "{call:?}: {said}");
    }
}

/// What a rebuild found out is told even where its statement cannot be written.
#[test]
fn a_report_outlives_the_file_that_cannot_be_written() {
    let world = World::new();
    let registry = Registry::honest(world.store.clone());
    let image = registry.image(&world.image);
    let answer = Hallmark::new(["rebuild", "--attest", "/dev/full", &image])
        .arg("--rebuilder=https://rebuilder.example")
        .arg("--operator=test")
        .config(&world.config("signed"))
        .run();
    answer.exits(1).says("/dev/full: No space left");
    assert!(answer.stdout.contains("result     impossible: no provenance"), "{}", answer.all());
}

/// What a call reads is there after it, whatever its outputs are called, and nothing else is written either.
#[test]
fn no_output_takes_the_place_of_an_input() {
    let world = World::new();
    let registry = Registry::honest(world.store.clone());
    let image = registry.image(&world.image);
    let keys = Keys::new();
    let key = keys.p256("r2");
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    fs::write(at("im.txt"), &image).unwrap();
    fs::write(at("k.pub"), "no key").unwrap();
    std::os::unix::fs::symlink(&key, at("link.json")).unwrap();
    let private = key.display().to_string();
    let (images, public, link, new) = (at("im.txt"), at("k.pub"), at("link.json"), at("new"));
    let vsa = "--verifier=https://v.example";
    let (rebuilder, operator) = ("--rebuilder=https://r.example", "--operator=me");
    let json = |file: &str| format!("json={file}");
    let calls: [(&[&str], &str); 10] = [
        (&["sign", &image, "--key", &private, "--bundle", &private], "the call reads this file"),
        (&["sign", &image, "--key", &private, "--bundle", &link], "the call reads this file"),
        (&["sign", &image, "--key", &private, "--bundle", &images], "no bundle"),
        (&["verify", &image, "--attest", &private, vsa, "--platform=linux/amd64"], "a private key"),
        (
            &[
                "rebuild", &image, "--attest", &private, "--key", &private, "--push", rebuilder,
                operator,
            ],
            "the call reads this file",
        ),
        (&["verify", &image, "--key", &public, "-o", &json(&public)], "the call reads this file"),
        (&["verify", "-f", &images, "-o", &json(&images)], "the call reads this file"),
        (&["verify", &image, "--key", &public, "-o", &json(&public), "--bogus"], "--bogus"),
        (&["verify", &image, "-o", &json(&at("")), "--attest", &new, vsa], "it is a folder"),
        (&["rebuild", &image, "--key", &private], "--push"),
    ];
    for (call, why) in calls {
        let before =
            [&key, Path::new(&images), Path::new(&public)].map(|file| fs::read(file).unwrap());
        Hallmark::new(call.iter().copied())
            .config(&world.config("signed"))
            .run()
            .exits(2)
            .says(why);
        let after =
            [&key, Path::new(&images), Path::new(&public)].map(|file| fs::read(file).unwrap());
        assert!(before == after, "{call:?}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3, "{call:?}");
    }
}

/// A log says where the time of a verification went.
#[test]
fn each_stage_says_how_long_it_took() {
    let mut world = World::new();
    let digest = world.image.clone();
    world.store.tag("1", &digest);
    let registry = Registry::honest(world.store.clone());
    let logged = |filter: &str| {
        let call = ["verify", "--log", filter, &registry.image("1")];
        Hallmark::new(call).config(&world.config("baseline")).run()
    };
    let answer = logged("hallmark=debug");
    for stage in ["resolve", "fetch", "discover", "prove", "layers", "read", "judge", "verify"] {
        let of_stage = |line: &&str| line.contains(" close ") && line.contains(stage);
        let line = answer.stderr.lines().find(of_stage);
        assert!(line.is_some_and(|line| line.contains("time.busy=")), "{stage}: {}", answer.stderr);
    }
    assert!(!logged("hallmark=warn").stderr.contains("time.busy="));
}

/// Whoever asked for files reads at the end which ones are there, where nothing else is to be quiet about.
#[test]
fn files_that_were_written_are_named() {
    let world = World::new();
    let registry = Registry::honest(world.store.clone());
    let image = registry.image(&world.image);
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let (junit, sarif, sbom, lost) = (at("j.xml"), at("s.sarif"), at("sbom.json"), at("none/x"));
    let reports = [format!("junit={junit}"), format!("sarif={sarif}")];
    let verify = || {
        let words = ["verify", &image, "-o", "text", "-o", &reports[0], "-o", &reports[1]];
        Hallmark::new(words).config(&world.config("signed"))
    };
    let answer = verify().run();
    answer.exits(0);
    assert!(
        answer.stderr.ends_with(&format!("\nwrote {junit}\nwrote {sarif}\n")),
        "{}",
        answer.all()
    );
    verify().arg("--quiet").run().exits(0).says_not("wrote ");
    let generate = |file: &str| {
        Hallmark::new(["sbom", "generate", "--format", "spdx-2.3", "-o", file, &image]).run()
    };
    generate(&sbom).exits(0).says(&format!("wrote {sbom}\n"));
    generate(&lost).exits(2).says_not("wrote ");
    generate("/dev/null").exits(0).says_not("wrote ");
}
