//! Reports for pipelines, written by the real program: several at once, whatever comes of the call.

use std::{fs, net::TcpListener, path::PathBuf, process::Stdio, time::Duration};

use serde_json::Value;

use crate::{
    server::{Registry, World},
    support::{Answer, Hallmark, Lab, trusting},
};

/// The forms that are written to files here, and what each has where the answer is no.
const FILES: [(&str, &str); 8] = [
    ("sarif", "\"level\": \"error\""),
    ("junit", "<testcase"),
    ("github", "::error "),
    ("gitlab", "\"critical\""),
    ("gitlab-container-scanning", "\"level\": "),
    ("markdown", ": FAIL"),
    ("html", "<title>FAIL"),
    ("json", "hallmark"),
];

/// A folder that reports are written to.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, format: &str) -> PathBuf {
        self.0.path().join(format)
    }

    fn read(&self, format: &str) -> String {
        fs::read_to_string(self.file(format)).unwrap()
    }

    /// A call that writes one of each.
    fn ask(&self, call: Hallmark) -> Hallmark {
        let option = |format: &str| format!("--output={format}={}", self.file(format).display());
        FILES.iter().fold(call, |call, (format, _)| call.arg(option(format)))
    }

    fn all_say_no(&self, answer: &Answer) {
        for (format, no) in FILES {
            let report = self.read(format);
            assert!(report.contains(no), "{format}: {report}\n{}", answer.all());
        }
        let junit = self.read("junit");
        let root = junit.lines().nth(1).unwrap();
        let clean = root.contains("failures=\"0\"") && root.contains("errors=\"0\"");
        assert!(!clean, "{junit}");
        let left = fs::read_dir(self.0.path()).unwrap().count();
        assert!(left >= FILES.len(), "nothing half written lies there: {left}");
    }
}

#[test]
fn several_reports_are_written_at_once() {
    let world = World::new();
    let registry = Registry::honest(world.store.clone());
    let image = registry.image(&world.image);
    let folder = Folder::new();
    let verify = |preset: &str| {
        let call = Hallmark::new(["verify", "--no-rebuild", &image, "-o", "github"]);
        folder.ask(call.config(&world.config(preset))).run()
    };
    let answer = verify("signed");
    answer.exits(0).says("::notice title=hallmark%3A pass::").says("PASS  1 image: 1 passed");
    let sarif: Value = serde_json::from_str(&folder.read("sarif")).unwrap();
    let run = &sarif["runs"][0];
    assert_eq!(run["invocations"][0]["exitCode"], 0, "{sarif:#}");
    let results = run["results"].as_array().unwrap();
    assert!(results.iter().all(|result| result["level"] != "error"), "{sarif:#}");
    let json: Value = serde_json::from_str(&folder.read("json")).unwrap();
    assert_eq!(json["verdict"], "pass");
    assert!(folder.read("markdown").starts_with("## hallmark verify: PASS\n"));
    assert!(folder.read("junit").contains("failures=\"0\" errors=\"0\""));
    assert!(!folder.read("gitlab").contains("critical"));
    // The same files, another answer.
    let answer = verify("reproducible");
    answer.exits(1).says("::error title=hallmark%3A ").says("FAIL  1 image: 0 passed, 1 failed");
    folder.all_say_no(&answer);
    // Where nothing goes to stdout, it has the verdict in words.
    let call = Hallmark::new(["verify", "--no-rebuild", &image]).config(&world.config("signed"));
    let answer = folder.ask(call).run();
    assert!(answer.exits(0).stdout.contains("PASS  "), "{}", answer.all());
}

#[test]
fn a_call_without_an_answer_says_so_in_every_report() {
    let world = World::new();
    let registry = Registry::honest(world.store.clone());
    let (there, gone) = (registry.image(&world.image), registry.image("gone"));
    let good = world.config("signed");
    let cases: [(&[&str], &str, i32, &str); 6] = [
        (&["verify", "127.0.0.1:1/app:1"], &good, 3, "source-unavailable"),
        (&["verify", &gone], &good, 3, "source-not-found"),
        (&["verify", &there], "version: 1\npolcy: {}\n", 2, "polcy"),
        (&["verify", "--no-such-option", &there], &good, 2, "no-such-option"),
        (&["verify", &there, &gone], &good, 3, "source-not-found"),
        (&["rebuild", &gone], &good, 3, "source-not-found"),
    ];
    for (call, config, code, said) in cases {
        let folder = Folder::new();
        // What was there before is nobody's answer.
        for (format, _) in FILES {
            fs::write(folder.file(format), "an older report").unwrap();
        }
        let answer = folder.ask(Hallmark::new(call.iter().copied()).config(config)).run();
        answer.exits(code);
        folder.all_say_no(&answer);
        for (format, _) in FILES {
            let report = folder.read(format);
            assert!(report.contains(said), "{format}: {report}\n{}", answer.all());
        }
    }
}

/// A rebuild of what cannot be rebuilt is a no in every report; a plan is no result.
#[test]
fn a_rebuild_has_reports_too() {
    let world = World::new();
    let registry = Registry::honest(world.store.clone());
    let image = registry.image(&world.image);
    let folder = Folder::new();
    let rebuild = |more: &[&str]| {
        let call = Hallmark::new(["rebuild", &image].iter().chain(more).copied());
        folder.ask(call.config(&world.config("signed"))).run()
    };
    let answer = rebuild(&[]);
    answer.exits(1).says("result     impossible: no provenance");
    folder.all_say_no(&answer);
    assert!(folder.read("sarif").contains("hallmark/rebuild/"), "{}", folder.read("sarif"));
    let answer = rebuild(&["--plan"]);
    answer.exits(2).says("a plan is written as text or json");
    folder.all_say_no(&answer);
}

#[test]
fn a_file_that_cannot_be_written_hides_no_verdict() {
    let world = World::new();
    let registry = Registry::honest(world.store.clone());
    let image = registry.image(&world.image);
    let folder = Folder::new();
    let verify = |preset: &str, file: &str| {
        let call =
            Hallmark::new(["verify", "--no-rebuild", &image, "-o", &format!("sarif={file}")]);
        folder.ask(call.config(&world.config(preset))).run()
    };
    // A yes counts once all of it is written; a no is one whatever happens. The other reports are there.
    verify("signed", "/dev/full").exits(2).says("/dev/full: No space left").says("PASS  ");
    assert!(folder.read("markdown").contains("PASS"));
    verify("reproducible", "/dev/full").exits(1).says("/dev/full: No space left").says("FAIL  ");
    // So it is with what is no report.
    for (preset, code, verdict) in [("signed", 2, "PASS  "), ("reproducible", 1, "FAIL  ")] {
        let call = Hallmark::new(["verify", "--no-rebuild", "--platform=linux/amd64", &image]);
        let call = call.arg("--attest=/dev/full").arg("--verifier=https://verify.example");
        let answer = call.config(&world.config(preset)).run();
        answer.exits(code).says("/dev/full: No space left").says(verdict);
    }
    // It is said before anything is asked of anybody.
    let before = registry.requests().len();
    let nowhere = folder.file("none/report.sarif");
    let answer = verify("signed", nowhere.to_str().unwrap());
    answer.exits(2).says("none/report.sarif: ");
    assert_eq!(answer.stderr.matches("none/report.sarif").count(), 1, "{}", answer.all());
    assert_eq!(registry.requests().len(), before);
    folder.all_say_no(&answer);
    let one = folder.file("one").display().to_string();
    let (sarif, junit) = (format!("sarif={one}"), format!("junit={one}"));
    let twice: [&[&str]; 2] = [&["-o", "json", "-o", "text"], &["-o", &sarif, "-o", &junit]];
    for options in twice {
        let call = ["verify", &image].iter().chain(options).copied().collect::<Vec<_>>();
        Hallmark::new(call).config(&world.config("signed")).run().exits(2);
    }
    let misspelt = format!("sarfi={one}");
    Hallmark::new(["verify", &image, "-o", &misspelt]).run().exits(2).says("'sarif'");
    Hallmark::new(["verify", &image, "-o", "sarif="]).run().exits(2).says("no file after sarif=");
}

/// Whoever kills a call, be it for its time or its memory, finds no older report and none that is missing.
#[test]
fn a_killed_call_leaves_no_report_of_a_pass() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let image = format!("{}/app:1", silent.local_addr().unwrap());
    let folder = Folder::new();
    let call = folder.ask(Hallmark::new(["verify", &image]));
    let mut child = call.command().stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    // It has begun to ask.
    let (asked, _) = silent.accept().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    drop(asked);
    for (format, no) in FILES {
        let report = folder.read(format);
        assert!(
            report.contains(no) && report.contains("the call did not end"),
            "{format}: {report}"
        );
    }
}

#[test]
fn the_summary_of_a_step_is_added_to() {
    let world = World::new();
    let registry = Registry::honest(world.store.clone());
    let folder = Folder::new();
    let summary = folder.file("summary");
    fs::write(&summary, "# of somebody else\n\n").unwrap();
    for _ in 0..2 {
        let option = format!("markdown={}", summary.display());
        let call = Hallmark::new(["verify", &registry.image(&world.image), "-o", &option]);
        let call = call.config(&world.config("signed")).env("GITHUB_STEP_SUMMARY", &summary);
        call.run_within(Duration::from_secs(120)).exits(0);
    }
    let text = folder.read("summary");
    assert!(text.starts_with("# of somebody else\n\n## hallmark verify: PASS\n"), "{text}");
    assert_eq!(text.matches("## hallmark verify: PASS").count(), 2, "{text}");
}

/// Real images by real builders: one that passes, and one that somebody exchanged.
#[test]
fn reports_of_the_lab_say_what_the_verdict_says() {
    let Some(lab) = Lab::here("reports_of_the_lab_say_what_the_verdict_says") else { return };
    let config = trusting(std::path::Path::new(lab.get("KEY_A")), "signed");
    let folder = Folder::new();
    let verify = |image: &str| {
        let call = lab.hallmark(["verify", "--no-rebuild", lab.get(image), "-o", "json"]);
        folder.ask(call.config(&config)).run()
    };
    verify("HONEST").exits(0);
    assert!(folder.read("markdown").contains("## hallmark verify: PASS"));
    let answer = verify("WRONGKEY");
    answer.exits(1);
    folder.all_say_no(&answer);
    assert!(folder.read("sarif").contains("\"signature-missing\""));
    assert_eq!(answer.json()["verdict"], "fail");
}
