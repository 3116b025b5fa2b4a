//! The rebuild corpus: every image at the right rung, for the right reason, and never one too high.
//!
//! `HALLMARK_REBUILD_CORPUS` names a folder that `scripts/corpus make` wrote, or one of that form (docs/rebuild.md). Each
//! case is one call of `hallmark rebuild`, with a daemon of its own, as for any user: nothing is shared between cases.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::Command,
    sync::Mutex,
    time::Instant,
};

use serde_json::Value;

use crate::support::Hallmark;

// The generator reads what the harness does not.
#[allow(dead_code)]
#[path = "../../examples/corpus/case.rs"]
mod case;

use case::{Case, Expect};

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

/// Rebuilds a case on each of its platforms.
fn judge(corpus: &Path, name: &str, case: &Case) -> Vec<Complaint> {
    let image = std::fs::read_to_string(corpus.join("cases").join(name).join("image")).unwrap();
    let platforms = case.expect.platforms.iter().map(Some);
    let platforms: Vec<_> =
        if case.expect.platforms.is_empty() { vec![None] } else { platforms.collect() };
    let mut found = Vec::new();
    for platform in platforms {
        let ask = |config: &str| {
            let mut call = Hallmark::new(["rebuild", image.trim(), "-o", "json"]).config(config);
            for (variable, value) in
                std::env::vars().filter(|(v, _)| v == "PATH" || v == "DOCKER_CONFIG")
            {
                call = call.env(&variable, value);
            }
            if let Some(platform) = platform {
                call = call.arg("--platform").arg(platform);
            }
            call.run()
        };
        let mut answer = ask("version: 1\n");
        if let Some(digest) = unlisted_frontend(&answer.stdout) {
            answer = ask(&format!("version: 1\nrebuild: {{frontends: ['{digest}']}}\n"));
        }
        match serde_json::from_str::<Value>(&answer.stdout) {
            Ok(report) => found.extend(complaints(&case.expect, &report["rebuild"])),
            Err(_) => found.push(Complaint::Wrong(format!("no report: {}", answer.stderr))),
        }
    }
    found
}

#[test]
fn every_case_is_on_the_right_rung_for_the_right_reason() {
    let Some(corpus) = std::env::var_os("HALLMARK_REBUILD_CORPUS").map(PathBuf::from) else {
        eprintln!(
            "SKIPPED: HALLMARK_REBUILD_CORPUS names no corpus; scripts/corpus make makes one"
        );
        return;
    };
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: rebuilding needs root");
        return;
    }
    let cases = case::read_all(&corpus.join("cases")).unwrap();
    assert!(!cases.is_empty(), "{} has no cases", corpus.display());
    let _services = Services::up(&corpus);
    let began = Instant::now();
    let waiting = Mutex::new(cases.iter());
    let wrong = Mutex::new(BTreeMap::new());
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let Some((name, case)) = waiting.lock().unwrap().next() else { break };
                    let found = judge(&corpus, name, case);
                    if !found.is_empty() {
                        wrong.lock().unwrap().insert(name.clone(), (case.shows.clone(), found));
                    }
                }
            });
        }
    });
    eprintln!("{} cases in {} s", cases.len(), began.elapsed().as_secs());
    let wrong = wrong.into_inner().unwrap();
    let too_high = |(_, found): &(String, Vec<Complaint>)| {
        found.iter().any(|complaint| matches!(complaint, Complaint::TooHigh(_)))
    };
    let high: Vec<_> = wrong.iter().filter(|(_, case)| too_high(case)).collect();
    assert!(high.is_empty(), "a rung too high, the worst that can happen: {high:#?}");
    assert!(wrong.is_empty(), "{} of {} cases: {wrong:#?}", wrong.len(), cases.len());
}

#[test]
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

#[test]
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
