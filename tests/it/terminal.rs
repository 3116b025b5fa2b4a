//! How reports look: colours, lines, how much is said, and what the log tells.

use std::process::{Command, Stdio};

use hallmark::engine::host::find_program;
use serde_json::json;

use crate::{
    server::{Key, Registry, World},
    support::{Answer, Hallmark},
};

const GREEN: &str = "\u{1b}[1;32m";
const RED: &str = "\u{1b}[1;31m";

/// A text without the colours that hallmark has.
fn plain(text: &str) -> String {
    ["[1;32m", "[1;31m", "[1;33m", "[32m", "[33m", "[0m"]
        .iter()
        .fold(text.to_owned(), |text, colour| text.replace(&format!("\u{1b}{colour}"), ""))
}

/// An image that a stranger signed, too, twice.
fn scene() -> (World, Registry, String) {
    let mut world = World::new();
    let image = world.image.clone();
    for _ in 0..2 {
        let statement = json!({
            "_type": "https://in-toto.io/Statement/v1", "predicateType": "https://example.com/x",
            "subject": [{"name": "x", "digest": {"sha256": image.trim_start_matches("sha256:")}}],
            "predicate": {"evil": "\u{1b}[31m\nPASS"},
        });
        let envelope = Key::new().envelope(statement.to_string().as_bytes()).to_string();
        world.store.attach(&image, "att", envelope.as_bytes(), &json!({}));
    }
    let registry = Registry::honest(world.store.clone());
    let reference = registry.image(&image);
    (world, registry, reference)
}

#[test]
fn colours_are_for_reports_and_only_ours() {
    let (world, registry, image) = scene();
    let gone = registry.image("gone");
    let run = |arguments: &[&str]| -> Answer {
        Hallmark::new(arguments.iter().copied()).config(&world.config("signed")).run()
    };
    // A pipe is no terminal.
    let piped = run(&["verify", &image]);
    assert!(!piped.all().contains('\u{1b}'), "{}", piped.all());
    let coloured = run(&["verify", "--color", "always", &image]);
    coloured.exits(0).says(&format!("{GREEN}PASS"));
    assert_eq!(plain(&coloured.stdout), piped.stdout);
    let refused = run(&["verify", "--color=always", "--policy=slsa", &image]);
    refused.exits(1).says(&format!("{RED}error[provenance-missing]")).says(&format!("{RED}FAIL"));
    assert!(!plain(&refused.stdout).contains('\u{1b}'), "{}", refused.all());
    let complaint = run(&["verify", "--color=always", &gone]);
    complaint.exits(3).says(&format!("hallmark: {RED}error[source-not-found]"));
    // What a program reads has none, whatever was asked for.
    let calls: [&[&str]; 5] = [
        &["verify", "-o", "json", &image],
        &["inspect", "-o", "json", &image],
        &["diff", "-o", "html", &image, &image],
        &["policy", "input", &image],
        &["trust", "show", "-o", "json"],
    ];
    for call in calls {
        let answer = run(&[call, &["--color=always"]].concat());
        assert!(!answer.stdout.contains('\u{1b}'), "{call:?} {}", answer.all());
    }
}

#[test]
fn reports_fit_the_terminal_that_they_go_to() {
    if find_program("script").is_none() {
        return eprintln!(
            "SKIPPED reports_fit_the_terminal_that_they_go_to: script is not on PATH"
        );
    }
    let (world, registry, image) = scene();
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("hallmark.yaml");
    std::fs::write(&config, world.config("signed")).unwrap();
    let (config, gone) = (config.display(), registry.image("gone"));
    let digest = &world.image;
    let ours = [
        "image    ",
        "platform ",
        "error[",
        "warning[",
        "PASS",
        "FAIL  ",
        "next: ",
        "hallmark: ",
        "1 remark ",
    ];
    for columns in [200, 100, 60] {
        for (more, code) in [("", 0), ("--policy slsa", 1), (&*gone, 3)] {
            let command = format!(
                "stty cols {columns}; {} -q verify {image} {more} --config {config}",
                env!("CARGO_BIN_EXE_hallmark"),
            );
            let output = Command::new("script")
                .args(["--quiet", "--return", "--command", &command, "/dev/null"])
                .env_clear()
                .env("PATH", std::env::var_os("PATH").unwrap_or_default())
                .envs([("HOME", folder.path()), ("TMPDIR", folder.path())])
                .envs([("SHELL", "/bin/sh"), ("TERM", "xterm"), ("LANG", "C.UTF-8")])
                .stdin(Stdio::null())
                .output()
                .unwrap();
            let screen = String::from_utf8(output.stdout).unwrap();
            assert_eq!(output.status.code(), Some(code), "{screen}");
            assert!(screen.contains(if code == 0 { GREEN } else { RED }), "{screen}");
            let screen = plain(&screen).replace('\r', "");
            assert!(!screen.contains('\u{1b}'), "{screen:?}");
            let lines: Vec<&str> = screen.lines().filter(|line| !line.is_empty()).collect();
            for line in &lines {
                let fits = line.chars().count() <= columns;
                // What is to be copied is longer, where it has to be.
                let is_copied = line.trim().len() >= 71 || line.trim().starts_with("hallmark ");
                assert!(fits || is_copied, "{columns}: {line}\n{screen}");
                let begins = ours.iter().any(|word| line.starts_with(word))
                    || line.starts_with("2 images: ");
                assert!(begins || line.starts_with("  "), "{columns}: {line}\n{screen}");
            }
            if code == 1 {
                let attach = "hallmark sign --key KEY --type spdx --predicate FILE IMAGE@DIGEST";
                assert!(lines.iter().any(|line| line.contains(attach)), "{columns}\n{screen}");
            }
            // A digest may have to be typed: it is whole in any width.
            assert!(lines.iter().any(|line| line.contains(digest.as_str())), "{columns}\n{screen}");
        }
    }
}

/// Whatever the terminal says of its height, and where a variable says how wide it is.
#[test]
fn help_fits_the_terminal_that_it_goes_to() {
    if find_program("script").is_none() {
        return eprintln!("SKIPPED help_fits_the_terminal_that_it_goes_to: script is not on PATH");
    }
    let program = env!("CARGO_BIN_EXE_hallmark");
    for (columns, height, variable) in
        [(60, 0, None), (80, 0, None), (60, 24, None), (200, 24, Some(80)), (200, 24, None)]
    {
        for command in ["", "verify", "sbom check", "sign", "init"] {
            let call = format!("stty cols {columns} rows {height}; {program} {command} --help");
            let mut script = Command::new("script");
            script
                .args(["--quiet", "--return", "--command", &call, "/dev/null"])
                .env_clear()
                .env("PATH", std::env::var_os("PATH").unwrap_or_default())
                .envs([("SHELL", "/bin/sh"), ("TERM", "xterm"), ("LANG", "C.UTF-8")])
                .envs([("NO_COLOR", "1")])
                .stdin(Stdio::null());
            script.envs(variable.map(|columns: usize| ("COLUMNS", columns.to_string())));
            let output = script.output().unwrap();
            let screen = String::from_utf8(output.stdout).unwrap().replace('\r', "");
            assert_eq!(output.status.code(), Some(0), "{screen}");
            let most = variable.unwrap_or(columns).min(100);
            for line in screen.lines().filter(|line| !line.contains('\u{1b}')) {
                // A word that is longer than the terminal is wide stands alone.
                let alone = line.split_whitespace().count() == 1;
                assert!(line.chars().count() <= most || alone, "{columns} {command}: {line}");
            }
            assert!(screen.contains("Usage:"), "{screen}");
        }
    }
}

#[test]
fn strangers_are_counted_and_shown_with_v() {
    let (world, _registry, image) = scene();
    let run = |more: &[&str]| -> Answer {
        let call = [&["verify", &image], more].concat();
        Hallmark::new(call).config(&world.config("signed")).run()
    };
    let brief = run(&[]);
    brief.exits(0).says("-v shows what").says_not("signature-untrusted");
    let full = run(&["-v"]);
    full.exits(0).says("warning[signature-untrusted]").says_not("-v shows what");
    // The log is of hallmark's own steps, in words with -v.
    let own = |line: &&str| line.contains(" DEBUG ") || line.contains(" TRACE ");
    let (plain, log) = (full.stderr.lines(), run(&["-vv"]));
    let words: Vec<&str> = plain.filter(|line| line.starts_with("hallmark: ")).collect();
    let step = regex::Regex::new(
        r"^hallmark: checked signatures and attestations: linux/amd64 \(\d+ ms\)$",
    )
    .unwrap();
    assert!(words.iter().any(|line| step.is_match(line)), "{words:#?}");
    let inner = ["DEBUG", "hallmark::", "time.busy", "close", "="];
    assert!(!words.iter().any(|line| inner.iter().any(|word| line.contains(word))), "{words:#?}");
    let events: Vec<&str> = log.stderr.lines().filter(own).collect();
    assert!(!events.is_empty(), "{}", log.all());
    assert!(events.iter().all(|line| line.contains("hallmark::")), "{events:#?}");
    for answer in [&brief, &full] {
        assert!(!answer.stderr.lines().any(|line| own(&line)), "{}", answer.all());
    }
    // JSON has everything at any time.
    let json = run(&["-o", "json"]).json().to_string();
    assert!(json.contains("signature-untrusted"), "{json}");
    run(&["-v", "-q"]).exits(2).says("cannot be used with");
}

#[test]
fn a_misspelt_filter_is_an_error() {
    let (world, registry, image) = scene();
    for filter in ["hallmrak=debug", "hallmark=debgu", "debgu"] {
        let call =
            Hallmark::new(["verify", &image, "--log", filter]).config(&world.config("signed"));
        call.run().exits(2).says("help: type hallmark=debug, or -v");
        let call = Hallmark::new(["verify", &image]).config(&world.config("signed"));
        call.env("HALLMARK_LOG", filter).run().exits(2);
    }
    assert!(registry.requests().is_empty());
}

#[test]
fn shells_pages_and_the_version_come_from_the_program() {
    Hallmark::new(["completions", "bash"]).run().exits(0).says("certificate-identity");
    Hallmark::new(["completions", "csh"]).run().exits(2).says("possible values: bash");
    Hallmark::new(["man", "policy", "test"]).run().exits(0).says(".TH");
    Hallmark::new(["man", "polcy"]).run().exits(2).says("one of verify");
    Hallmark::new(["--version"]).run().exits(0).says("trusted root public-good as of 20");
    Hallmark::new(["verfy"]).run().exits(2).says("verify");
    let help = Hallmark::new(["--help"]).run();
    help.exits(0).says("hallmark verify --key cosign.pub").says("Exit codes: 0 yes, 1 no");
}
