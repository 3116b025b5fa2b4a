//! Failures: one exit code for one cause, whatever the command, and JSON on stdout wherever it was asked for.

use std::{collections::BTreeSet, fs, io::Read as _, net::TcpListener, process::Stdio};

use clap::CommandFactory as _;
use hallmark::cli::args::Cli;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::{
    held,
    layouts::{Layout, Parts},
    server::{Registry, World},
    sign::Keys,
    support::{Answer, Hallmark, redact},
};

/// Commands that answer in JSON, by their words.
fn commands(command: &clap::Command, words: &str, found: &mut BTreeSet<String>) {
    let json = |arg: &clap::Arg| {
        arg.get_id() == "output" && arg.get_possible_values().iter().any(|v| v.get_name() == "json")
    };
    if command.get_arguments().any(json) {
        found.insert(words.trim().to_owned());
    }
    for inner in command.get_subcommands() {
        commands(inner, &format!("{words} {}", inner.get_name()), found);
    }
}

/// Commands that are about no image.
const ABOUT_NONE: [&str; 8] = [
    "trust show",
    "policy test",
    "policy check",
    "policy eval",
    "policy explain",
    "config check",
    "config show",
    "explain",
];

/// Commands that are asked about their options alone: they read no configuration, or need more than an image.
const OPTIONS_ALONE: [&str; 12] = [
    "init",
    "materials fetch",
    "policy import",
    "provenance check",
    "provenance embed",
    "schema",
    "trust import",
    "trust update",
    "vulns import",
    "sbom diff",
    "vulns info",
    "vulns match",
];

const DIGEST: &str = "sha256:abababababababababababababababababababababababababababababababab";

/// A call of each such command, about an image where it is about one.
fn calls(image: &str, key: &str, statement: &str) -> Vec<(&'static str, Vec<String>)> {
    let call = |words: &'static str, more: &[&str]| {
        let more = more.iter().map(|word| (*word).to_owned());
        let all = words.split(' ').map(str::to_owned).chain(more);
        (words, all.chain(["-o".to_owned(), "json".to_owned()]).collect())
    };
    vec![
        call("verify", &[image]),
        call("inspect", &[image]),
        call("rebuild", &["--plan", image]),
        call("diff", &[image, image]),
        call("sign", &["--key", key, image]),
        call("provenance attest", &["--key", key, image, statement]),
        call("trust show", &[]),
        call("policy test", &["/nowhere"]),
        call("policy check", &["/nowhere"]),
        call("policy eval", &["/nowhere"]),
        call("policy explain", &["/nowhere"]),
        call("config check", &[]),
        call("config show", &[]),
        call("explain", &["--list"]),
        call("inventory", &[image]),
        call("init", &[image]),
        call("materials fetch", &[image, "--to", "/nowhere"]),
        call("policy import", &["/nowhere"]),
        call("provenance check", &["--digest", DIGEST, "--source", "github.com/o/r", statement]),
        call("provenance embed", &[image, "/nowhere"]),
        call("schema", &[]),
        call("trust import", &["/nowhere"]),
        call("trust update", &[]),
        call("vulns import", &["/nowhere", "--out", &format!("{statement}.db")]),
        call("sbom check", &[image]),
        call("sbom diff", &["/nowhere", image]),
        call("vulns info", &["/nowhere"]),
        call("vulns match", &["/nowhere", image]),
    ]
}

/// The one document on stdout, which has the exit code and the words of stderr.
fn error(answer: &Answer) -> Value {
    let document = answer.json();
    let error = &document["error"];
    assert_eq!(document["schema"], "hallmark/error/v1", "{}", answer.all());
    assert_eq!(error["exitCode"], answer.code, "{}", answer.all());
    let kind = ["", "refused", "usage", "unavailable"][usize::try_from(answer.code).unwrap()];
    assert_eq!(error["kind"], kind, "{}", answer.all());
    assert!(answer.stderr.contains(error["message"].as_str().unwrap()), "{}", answer.all());
    assert_eq!(document["partial"], json!([]), "{}", answer.all());
    error.clone()
}

/// What is wrong, the image, the configuration, what else is said, the exit code, and the finding or words.
type Case<'a> = (&'a str, &'a str, &'a str, &'a [&'a str], i32, &'a str);

#[test]
fn a_failure_is_json_where_json_was_asked_for_and_has_one_exit_code() {
    let mut world = World::new();
    let manifest = "application/vnd.oci.image.manifest.v1+json".to_owned();
    let lying = format!("sha256:{}", "ab".repeat(32));
    world.store.manifests.insert(lying.clone(), (manifest, b"{}".to_vec()));
    let registry = Registry::honest(world.store.clone());
    let (keys, folder) = (Keys::new(), tempfile::tempdir().unwrap());
    let key = keys.p256("key");
    let key = key.to_str().unwrap();
    let statement = folder.path().join("statement");
    let text = json!({
        "_type": "https://in-toto.io/Statement/v1", "predicateType": "https://example.com/x",
        "subject": [{"name": "x", "digest": {"sha256": "ab".repeat(32)}}], "predicate": {},
    });
    fs::write(&statement, text.to_string()).unwrap();
    let statement = statement.to_str().unwrap();
    let config = |text: &str| {
        let file = folder.path().join(format!("{}.yaml", text.len()));
        fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let good = config(&world.config("signed"));
    let unruly = config("version: 1\npolicy: {preset: reproducable}\n");
    let broken = config("version: [1\n");
    let misspelt = config("version: 1\npolcy: {preset: signed}\n");
    let there = registry.image(&world.image);
    let gone = registry.image("gone");
    let closed = "127.0.0.1:1/app:1";
    let lied = registry.image(&lying);
    let absent = registry.image(&format!("sha256:{}", "0".repeat(64)));
    let cases: [Case<'_>; 11] = [
        ("no such configuration", &there, "/nowhere/hallmark.yaml", &[], 2, "No such file"),
        ("a key of another name", &there, &misspelt, &[], 2, "unknown field"),
        ("a preset that is none", &there, &unruly, &[], 2, "reproducible"),
        ("no YAML", &there, &broken, &[], 2, ".yaml"),
        ("a log filter of no name", &there, &good, &["--log=hallmrak=debug"], 2, "hallmrak"),
        ("an option that nobody knows", &there, &good, &["--no-such"], 2, "--no-such"),
        ("an image that is none", "R.example/A b", &good, &[], 2, "lower-case letters"),
        ("a registry that does not answer", closed, &good, &[], 3, "source-unavailable"),
        ("a tag that is not there", &gone, &good, &[], 3, "source-not-found"),
        ("a digest that is not there", &absent, &good, &[], 3, "source-not-found"),
        ("other bytes than the digest says", &lied, &good, &[], 1, "image-digest-mismatch"),
    ];
    let mut covered = BTreeSet::new();
    for (what, image, config, more, code, said) in cases {
        for (command, arguments) in calls(image, key, statement) {
            covered.insert(command.to_owned());
            let about_image = code != 2 || what == "an image that is none";
            // An explanation takes no configuration.
            let alone = OPTIONS_ALONE.contains(&command);
            let of_options = !more.is_empty() || (command != "explain" && !alone);
            if (alone || ABOUT_NONE.contains(&command)) && (about_image || !of_options) {
                continue;
            }
            let answer = Hallmark::new(arguments)
                .arg(format!("--config={config}"))
                .env("HALLMARK_KEY_PASSWORD", "");
            let answer = more.iter().fold(answer, |answer, word| answer.arg(*word)).run();
            assert_eq!(answer.code, code, "{what}: {command}\n{}", answer.all());
            let told = match answer.json()["schema"].as_str() {
                // An image that was read and refused has a verdict.
                Some("hallmark/verdict/v1") => answer.json(),
                _ => error(&answer),
            };
            assert!(told.to_string().contains(said), "{what}: {command}\n{}", answer.all());
            let verdict = told["schema"] == "hallmark/verdict/v1";
            assert!(!verdict || code == 1, "{what}: {command}\n{}", answer.all());
        }
    }
    let mut all = BTreeSet::new();
    commands(&Cli::command(), "", &mut all);
    assert_eq!(covered, all, "commands with -o json, and those in this table");
}

/// What is wrong, a variable of the environment, the calls, and the exit code that all of them have.
type Cause<'a> = (&'a str, Option<(&'a str, &'a str)>, &'a [&'a [&'a str]], i32);

#[test]
fn one_cause_has_one_exit_code_whatever_the_command() {
    let layout = Layout::of(&Parts::new(&[("bin/app", b"x")]));
    let (keys, folder) = (Keys::new(), tempfile::tempdir().unwrap());
    let key = keys.p256("key");
    let key = key.to_str().unwrap();
    let to = folder.path().join("store");
    let untested = folder.path().join("untested");
    let rule = "package hallmark.own\n\n# METADATA\n# title: T\n# custom:\n#   code: a\n\
                deny contains {\"code\": \"a\", \"msg\": \"m\"} if input.time == \"x\"\n";
    fs::create_dir(&untested).unwrap();
    fs::write(untested.join("own.rego"), rule).unwrap();
    let archive = folder.path().join("image.tar");
    fs::write(&archive, "no archive").unwrap();
    let docker = format!("docker-archive:{}", archive.display());
    let oci = format!("oci-archive:{}", archive.display());
    let policy = folder.path().join("policy.yaml");
    fs::write(&policy, "spec: [\n").unwrap();
    let (image, to) = (layout.reference(), to.to_str().unwrap());
    let (untested, policy) = (untested.to_str().unwrap(), policy.to_str().unwrap());
    let there = "r.example/app:1";
    let proxy = Some(("HTTPS_PROXY", "http://[nowhere"));
    let causes: &[Cause<'_>] = &[
        (
            "no provenance",
            None,
            &[
                &["rebuild", &image],
                &["rebuild", "--plan", &image],
                &["materials", "fetch", "--to", to, &image],
                &["verify", "--rebuild", &image],
            ],
            1,
        ),
        ("no tests", None, &[&["policy", "test", untested], &["policy", "check", untested]], 1),
        (
            "a place that is never written to",
            None,
            &[&["sign", "--key", key, &docker], &["sign", "--key", key, &oci]],
            2,
        ),
        ("a file of the operator that cannot be read", None, &[&["trust", "import", policy]], 2),
        (
            "a proxy that cannot be used",
            proxy,
            &[
                &["verify", there],
                &["verify", there, there],
                &["inspect", there],
                &["rebuild", there],
                &["rebuild", "--plan", there],
                &["diff", there, there],
                &["materials", "fetch", "--to", to, there],
                &["policy", "input", there],
                &["sign", "--key", key, there],
            ],
            2,
        ),
    ];
    for (cause, variable, calls, code) in causes {
        for call in *calls {
            let hallmark = Hallmark::new(*call).env("HALLMARK_KEY_PASSWORD", "");
            let hallmark = match variable {
                Some((name, value)) => hallmark.env(name, *value),
                None => hallmark,
            };
            let answer = hallmark.run();
            assert_eq!(answer.code, *code, "{cause}: {call:?}\n{}", answer.all());
        }
    }
}

#[test]
fn the_document_of_an_error_has_this_shape() {
    let world = World::new();
    let registry = Registry::honest(world.store.clone());
    let missing = Hallmark::new(["inspect", "-o", "json", &registry.image("gone")]);
    let missing = missing.config(&world.config("signed")).run();
    insta::assert_snapshot!("error_source", redact(&missing.exits(3).stdout));
    let usage = Hallmark::new(["verify", "--output=json"]).run();
    insta::assert_snapshot!("error_usage", redact(&usage.exits(2).stdout));
    // Without it stdout stays empty, and -o of a command that writes a file is no form.
    let text = Hallmark::new(["verify"]).run();
    assert_eq!((text.code, text.stdout.as_str()), (2, ""), "{}", text.all());
    let file = Hallmark::new(["provenance", "create", "-o", "json"]).run();
    assert_eq!((file.code, file.stdout.as_str()), (2, ""), "{}", file.all());
}

/// Text from outside does not write the document.
#[test]
fn an_error_in_json_escapes_what_misleads() {
    let evil = "r.example/a\u{1b}[2J\u{202e}\n\"x";
    let answer = Hallmark::new(["verify", "-o", "json", evil]).run();
    error(answer.exits(2));
    let plain = |c: char| c == '\n' || !hallmark::untrusted::misleads(c);
    assert!(answer.all().chars().all(plain), "{:?}", answer.all());
}

/// Who is told to end says so in JSON, too; nobody takes what is not there for an answer.
#[test]
fn a_call_that_is_ended_answers_in_json() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let image = format!("{}/app:1", silent.local_addr().unwrap());
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let call = Hallmark::new(["verify", "-o", "json", &image]);
        let mut command = call.command();
        let child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        // It asks, and so it listens to signals.
        let (mut asked, _) = silent.accept().unwrap();
        asked.read_exact(&mut [0]).unwrap();
        kill_process(Pid::from_child(&child), signal).unwrap();
        let output = child.wait_with_output().unwrap();
        drop(asked);
        assert_eq!(output.status.code(), Some(code));
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        held::holds(&document, "a call that was ended");
        assert_eq!(document["error"]["kind"], "interrupted", "{document:#}");
        assert_eq!(document["error"]["exitCode"], code, "{document:#}");
    }
}

/// What was judged until then is told in every form, and none of it passes for an answer about the rest.
#[test]
fn a_list_that_is_ended_tells_what_was_judged() {
    let layout = Layout::of(&Parts::new(&[("app", b"x")]));
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let waits = format!("{}/app:1", silent.local_addr().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let junit = folder.path().join("junit.xml");
    let kept = folder.path().join("verdicts.json");
    let file = format!("junit={}", junit.display());
    let file_in_json = format!("json={}", kept.display());
    for (signal, code, word) in
        [(Signal::TERM, 143, "terminated"), (Signal::INT, 130, "interrupted")]
    {
        for form in ["text", "json"] {
            let words = [layout.reference(), waits.clone(), "r.example/other:1".to_owned()];
            let call = Hallmark::new(["verify", "-o", form, "-o", &file]);
            let call = words.into_iter().fold(call, |call, word| call.arg(word));
            let call = match form {
                "text" => call.arg("-o").arg(&file_in_json),
                _ => call,
            };
            let mut command = call.command();
            let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
            // It asks for the second one, and so it has judged the first.
            let (mut asked, _) = silent.accept().unwrap();
            asked.read_exact(&mut [0]).unwrap();
            kill_process(Pid::from_child(&child), signal).unwrap();
            let output = child.wait_with_output().unwrap();
            drop(asked);
            let [stdout, stderr] =
                [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
            assert_eq!(output.status.code(), Some(code), "{stderr}");
            assert!(
                stderr.contains(&format!("hallmark: {word}; 1 of 3 images judged\n")),
                "{stderr}"
            );
            let rest = format!("  not judged: {waits}, r.example/other:1\n");
            assert!(stderr.contains(&rest), "{stderr}");
            let pipeline = fs::read_to_string(&junit).unwrap();
            assert!(pipeline.contains("run-interrupted"), "{pipeline}");
            assert!(pipeline.contains("policy-nothing-proven"), "{pipeline}");
            if form == "text" {
                assert!(stdout.contains("\nFAIL  1 error"), "{stdout}");
                let end = "\n1 image: 0 passed, 1 failed, 0 without an answer\n";
                assert!(stdout.ends_with(end), "{stdout}");
            }
            let document = match form {
                "text" => fs::read_to_string(&kept).unwrap(),
                _ => stdout,
            };
            let document: Value = serde_json::from_str(&document).unwrap();
            held::holds(&document, "a list that was ended");
            assert_eq!(document["error"]["exitCode"], code, "{document:#}");
            let judged = &document["partial"][0];
            assert_eq!(judged["exitCode"], code, "{document:#}");
            assert_eq!(judged["images"].as_array().unwrap().len(), 1, "{document:#}");
            assert_eq!(judged["images"][0]["exitCode"], 1, "{document:#}");
            assert_eq!(judged["images"][0]["report"]["verdict"], "fail", "{document:#}");
        }
    }
}
