//! The rebuild corpus: every image at the right rung, for the right reason, and never one too high. Each case is a test.
//!
//! `HALLMARK_REBUILD_CORPUS` names a folder that `scripts/corpus make` wrote, or one of that form (docs/measurements/rebuild.md). Each
//! plan is built by one call of `hallmark rebuild`, with a daemon of its own, as for any user: nothing is shared between
//! builds. A manipulated copy whose plan is that of its original is compared with the original, which its own test has
//! rebuilt bit by bit; five copies, and all where `HALLMARK_CORPUS_WHOLE` is set, are built for themselves.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    sync::{Arc, LazyLock, Mutex},
};

use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;

// The generator reads what the harness does not.
#[allow(dead_code)]
#[path = "../../examples/corpus/case.rs"]
mod case;
#[allow(dead_code, reason = "shared with the other integration tests, which need more of it")]
#[path = "../it/held.rs"]
mod held;
#[allow(dead_code, reason = "shared with the other integration tests, which need more of it")]
#[path = "../it/support.rs"]
mod support;

use case::{Case, Expect};
use support::Hallmark;

/// Copies that are built for themselves in every run: content and metadata, BuildKit's daemon and Docker's.
const BUILT: [&str; 5] =
    ["twin-created", "twin-docker-swapped", "twin-setuid", "twin-swapped-binary", "twin-touched"];

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/rebuild")
}

/// Registry, git and web server of a corpus, for as long as this lives.
struct Services(PathBuf);

impl Services {
    fn up(corpus: &Path) -> Self {
        assert!(Self::call("up", corpus), "the corpus' services do not start");
        Self(corpus.to_owned())
    }

    fn call(command: &str, corpus: &Path) -> bool {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/corpus");
        Command::new(script).arg(command).arg(corpus).status().unwrap().success()
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        Self::call("down", &self.0);
    }
}

/// The sources of a corpus are on this machine.
const NEAR: &str = "version: 1\nrebuild:\n  privateSources: [127.0.0.1, localhost]\n";

/// What is wrong with an answer; the worst sorts first.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Complaint {
    TooHigh(String),
    Wrong(String),
}

/// Compares what a rebuild found with what it has to find.
fn complaints(expect: &Expect, rebuild: &Value) -> Vec<Complaint> {
    let mut found = Vec::new();
    let mut wrong = |text: String| found.push(Complaint::Wrong(text));
    let told = |key: &str| rebuild[key].as_str().map(str::to_owned);
    if told("status").as_deref() != Some(&expect.status) {
        let why = (&rebuild["failure"]["why"], &rebuild["gaps"]);
        wrong(format!("status {:?} instead of {:?}: {why:?}", told("status"), expect.status));
    }
    if expect.determinism.is_some() && told("determinism") != expect.determinism {
        wrong(format!("{:?} instead of {:?}", told("determinism"), expect.determinism));
    }
    let failure = rebuild["failure"]["kind"].as_str().map(str::to_owned);
    if failure != expect.failure {
        let why = &rebuild["failure"]["why"];
        wrong(format!("failure {failure:?} instead of {:?}: {why}", expect.failure));
    }
    let gaps: BTreeSet<_> =
        list(&rebuild["gaps"]).iter().map(|gap| gap["code"].as_str().unwrap()).collect();
    if gaps != expect.gaps.iter().map(String::as_str).collect() {
        wrong(format!("gaps {gaps:?} instead of {:?}", expect.gaps));
    }
    reasons(expect, rebuild).into_iter().for_each(&mut wrong);
    let level = rebuild["level"].as_u64();
    let wanted = expect.level.map(u64::from);
    if level > wanted {
        found.push(Complaint::TooHigh(format!("R{level:?} instead of {wanted:?}")));
    } else if level != wanted {
        found.push(Complaint::Wrong(format!("R{level:?} instead of {wanted:?}")));
    }
    found.sort();
    found
}

/// Each difference has a reason that was foreseen, and each reason is met.
fn reasons(expect: &Expect, rebuild: &Value) -> Vec<String> {
    let differences = list(&rebuild["differences"]);
    let fits = |reason: &str, difference: &Value| {
        let (class, place) = reason.split_once(' ').unwrap_or((reason, ""));
        difference["class"] == class && difference["place"].as_str().unwrap().contains(place)
    };
    let odd = differences.iter().filter(|d| !expect.reasons.iter().any(|reason| fits(reason, d)));
    let odd = odd.take(5).map(|d| {
        format!("unforeseen: {} {} ({})", d["class"], d["place"], d["what"]).replace('"', "")
    });
    let unmet = expect.reasons.iter().filter(|r| !differences.iter().any(|d| fits(r, d)));
    odd.chain(unmet.map(|reason| format!("not found: {reason}"))).collect()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// The frontend that an operator would have to list, from the gap that says so.
fn unlisted_frontend(report: &str) -> Option<String> {
    let report: Value = serde_json::from_str(report).ok()?;
    let gaps = list(&report["rebuild"]["gaps"]).iter();
    let gap = gaps.clone().find(|gap| gap["code"] == "frontend-not-allowed")?;
    let (_, digest) = gap["why"].as_str()?.split_once('(')?;
    Some(digest.split_once(')')?.0.to_owned())
}

/// The cases, and the originals that copies are compared with.
struct Corpus {
    folder: PathBuf,
    cases: BTreeMap<String, Case>,
    /// Plans and layouts of originals, by name.
    originals: Mutex<BTreeMap<String, Arc<LazyOriginal>>>,
    layouts: tempfile::TempDir,
}

type LazyOriginal = LazyLock<Original, Box<dyn FnOnce() -> Original + Send>>;

/// An image whose own case says that its plan gives it again, bit by bit.
struct Original {
    plan: String,
    /// `oci:DIR:1`.
    layout: String,
}

impl Corpus {
    fn image(&self, name: &str) -> String {
        let file = self.folder.join("cases").join(name).join("image");
        std::fs::read_to_string(file).unwrap().trim().to_owned()
    }

    /// Rebuilds a case on each of its platforms.
    fn judge(&self, name: &str) -> Vec<Complaint> {
        let case = &self.cases[name];
        let image = self.image(name);
        if let Some(layout) = self.stand_in(name) {
            let answer = call(["rebuild", &image, "-o", "json", "--rebuilt", &layout], NEAR);
            // One build says nothing about a second one.
            let expect = Expect { determinism: None, ..case.expect.clone() };
            return heard(&expect, &answer);
        }
        let platforms = case.expect.platforms.iter().map(Some);
        let platforms: Vec<_> =
            if case.expect.platforms.is_empty() { vec![None] } else { platforms.collect() };
        let mut found = Vec::new();
        for platform in platforms {
            let mut words = vec!["rebuild", &image, "-o", "json"];
            words.extend(platform.iter().flat_map(|platform| ["--platform", platform.as_str()]));
            let mut answer = call(words.iter().copied(), NEAR);
            if let Some(digest) = unlisted_frontend(&answer.stdout) {
                let config = format!("{NEAR}  frontends: ['{digest}']\n");
                answer = call(words, &config);
            }
            found.extend(heard(&case.expect, &answer));
        }
        found
    }

    /// The layout of a copy's original, where both have one plan.
    fn stand_in(&self, name: &str) -> Option<String> {
        let twin = self.cases[name].twin.as_ref()?;
        if BUILT.contains(&name) || std::env::var_os("HALLMARK_CORPUS_WHOLE").is_some() {
            return None;
        }
        let expect = &self.cases[&twin.of].expect;
        if expect.level != Some(5) || !expect.platforms.is_empty() {
            return None;
        }
        let original = self.original(&twin.of);
        let plan = plan(&self.image(name))?;
        (plan == original.plan).then(|| original.layout.clone())
    }

    fn original(&self, name: &str) -> Arc<LazyOriginal> {
        let mut originals = self.originals.lock().unwrap();
        let entry = originals.entry(name.to_owned()).or_insert_with(|| {
            let (image, folder) = (self.image(name), self.layouts.path().join(name));
            Arc::new(LazyLock::new(Box::new(move || Original {
                plan: plan(&image).expect("what is built again at R5 has a plan"),
                layout: copied(&image, &folder),
            })))
        });
        Arc::clone(entry)
    }
}

fn call<'a>(words: impl IntoIterator<Item = &'a str>, config: &str) -> support::Answer {
    let mut call = Hallmark::new(words).config(config);
    for (variable, value) in std::env::vars().filter(|(v, _)| v == "PATH" || v == "DOCKER_CONFIG") {
        call = call.env(&variable, value);
    }
    call.run()
}

/// The whole plan as text; `None` where the image has none, or gaps.
fn plan(image: &str) -> Option<String> {
    let answer = call(["rebuild", "--plan", "-o", "json", image], "version: 1\n");
    (answer.code == 0).then_some(answer.stdout)
}

fn copied(image: &str, folder: &Path) -> String {
    let layout = format!("oci:{}:1", folder.display());
    let copy = Command::new("skopeo")
        .args(["copy", "-q", "--preserve-digests", "--src-tls-verify=false"])
        .args([&format!("docker://{image}"), &layout])
        .output()
        .unwrap();
    assert!(copy.status.success(), "{image}: {}", String::from_utf8_lossy(&copy.stderr));
    layout
}

fn heard(expect: &Expect, answer: &support::Answer) -> Vec<Complaint> {
    match serde_json::from_str::<Value>(&answer.stdout) {
        Ok(report) => complaints(expect, &report["rebuild"]),
        Err(_) => vec![Complaint::Wrong(format!("no report: {}", answer.stderr))],
    }
}

/// The corpus, where the caller names one and can build. Says plainly when not.
fn corpus() -> Option<Corpus> {
    let Some(folder) = std::env::var_os("HALLMARK_REBUILD_CORPUS").map(PathBuf::from) else {
        eprintln!(
            "SKIPPED: HALLMARK_REBUILD_CORPUS names no corpus; scripts/corpus make makes one"
        );
        return None;
    };
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: rebuilding needs root");
        return None;
    }
    let cases = case::read_all(&folder.join("cases")).unwrap();
    assert!(!cases.is_empty(), "{} has no cases", folder.display());
    let layouts = tempfile::tempdir().unwrap();
    Some(Corpus { folder, cases, originals: Mutex::default(), layouts })
}

fn trial(corpus: &Arc<Corpus>, name: &str) -> Trial {
    let (corpus, case) = (Arc::clone(corpus), name.to_owned());
    Trial::test(name, move || {
        let found = corpus.judge(&case);
        let shows = &corpus.cases[&case].shows;
        match found.as_slice() {
            [] => Ok(()),
            [Complaint::TooHigh(_), ..] => Err(Failed::from(format!(
                "a rung too high, the worst that can happen: {shows}: {found:#?}"
            ))),
            _ => Err(Failed::from(format!("{shows}: {found:#?}"))),
        }
    })
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // As the harness of all other tests does, which reads it by itself.
    let threads = std::env::var("RUST_TEST_THREADS").ok().and_then(|threads| threads.parse().ok());
    arguments.test_threads = arguments.test_threads.or(threads);
    let mut trials = vec![
        Trial::test("the_cases_are_whole", || {
            the_cases_are_whole();
            Ok(())
        }),
        Trial::test("the_harness_tells_too_high_from_wrong", || {
            the_harness_tells_too_high_from_wrong();
            Ok(())
        }),
    ];
    let corpus = corpus().map(Arc::new);
    if let Some(corpus) = &corpus {
        trials.extend(corpus.cases.keys().map(|name| trial(corpus, name)));
    }
    let _services = corpus.filter(|_| !arguments.list).map(|corpus| Services::up(&corpus.folder));
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn the_cases_are_whole() {
    let cases = case::read_all(&fixtures()).unwrap();
    assert!(cases.len() >= 40, "{} cases", cases.len());
    for (name, case) in &cases {
        if let Some(twin) = &case.twin {
            let original = cases.get(&twin.of).and_then(|of| of.build.as_ref());
            assert!(original.is_some(), "{name} is a twin of {}, which nobody builds", twin.of);
            assert!(!twin.forge.is_empty(), "{name} is no twin");
        }
        let expect = &case.expect;
        assert!(expect.level.is_none_or(|level| level <= 5), "{name}");
        assert_eq!(expect.level.is_some(), expect.status == "compared", "{name}");
        assert_eq!(!expect.gaps.is_empty(), expect.status == "not-replayable", "{name}");
        assert_eq!(expect.failure.is_some(), expect.status == "failed", "{name}");
        // What is less than identical says why, or any reason would do.
        let differs = expect.level.is_some_and(|level| level < 5);
        assert_eq!(!expect.reasons.is_empty(), differs, "{name}");
    }
}

fn the_harness_tells_too_high_from_wrong() {
    let expect = |text: &str| toml::from_str::<Expect>(text).unwrap();
    let touched = expect("status = \"compared\"\nlevel = 2\nreasons = [\"tar-benign /a\"]");
    let rebuild = |level: u8, class: &str| {
        serde_json::json!({
            "status": "compared", "level": level, "gaps": [], "failure": null,
            "differences": [{"class": class, "place": "/a (layer 0)", "what": "mtime"}],
        })
    };
    assert_eq!(complaints(&touched, &rebuild(2, "tar-benign")), []);
    assert!(matches!(complaints(&touched, &rebuild(3, "tar-benign"))[..], [Complaint::TooHigh(_)]));
    assert!(matches!(complaints(&touched, &rebuild(0, "tar-benign"))[..], [Complaint::Wrong(_)]));
    // The right rung for another reason is wrong, twice: unforeseen, and not found.
    assert_eq!(complaints(&touched, &rebuild(2, "content")).len(), 2);
    let gone = expect("status = \"failed\"\nfailure = \"source-gone\"");
    assert!(matches!(complaints(&gone, &rebuild(5, "content"))[0], Complaint::TooHigh(_)));
}
