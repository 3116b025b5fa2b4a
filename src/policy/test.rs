//! Running the tests of policies: `hallmark policy test DIR`.
//!
//! Turns a [`Bundle`] with `*_test.rego` files into a [`TestReport`]. As in `opa test`, every rule whose name begins with
//! `test_` is a test, and passes only when it is `true`; the same files run there unchanged. Refuses a bundle without
//! tests, for nothing would be tested.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

pub use super::stopped::Stopped;
use super::{
    Bundle, PolicyError, check, engine,
    stopped::{Test, stopped},
    yara,
};
use crate::limits::Limits;

/// What became of every test, sorted by file and name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestReport {
    /// The tests, at least one.
    pub tests: Vec<TestResult>,
    /// Which lines of the rules the tests came by, by file; empty where nobody asked.
    pub coverage: BTreeMap<String, Covered>,
}

/// Lines of a file, from 1.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Covered {
    /// Those that some test came by.
    pub lines: BTreeSet<u32>,
    /// Those with rules that no test came by.
    pub missed: BTreeSet<u32>,
}

/// One test.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TestResult {
    /// File that holds it.
    pub file: String,
    /// Full path of the rule.
    pub rule: String,
    /// What became of it.
    pub outcome: Outcome,
    /// Where it ended, if it failed and the engine tells.
    pub stopped: Option<Stopped>,
}

/// What became of a test.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// It is `true`.
    Passed,
    /// It is anything else, or undefined.
    Failed,
    /// It could not be evaluated.
    Error(String),
}

/// Runs every test of a bundle.
///
/// # Errors
/// No tests, or files that do not compile.
pub fn run(bundle: &Bundle, limits: &Limits) -> Result<TestReport, PolicyError> {
    run_and(bundle, limits, Coverage::Skip, Details::Skip)
}

/// As [`run`], and says where each test that failed ended.
///
/// # Errors
/// As [`run`].
pub fn run_explained(bundle: &Bundle, limits: &Limits) -> Result<TestReport, PolicyError> {
    run_and(bundle, limits, Coverage::Skip, Details::Gather)
}

/// As [`run_explained`], and says which lines of the rules the tests come by.
///
/// # Errors
/// As [`run`].
pub fn run_covered(bundle: &Bundle, limits: &Limits) -> Result<TestReport, PolicyError> {
    run_and(bundle, limits, Coverage::Gather, Details::Gather)
}

/// Whether coverage is gathered: it takes longer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Coverage {
    Skip,
    Gather,
}

/// Whether it is found out where a failed test ended: each takes a few evaluations more.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Details {
    Skip,
    Gather,
}

fn run_and(
    bundle: &Bundle,
    limits: &Limits,
    wanted: Coverage,
    details: Details,
) -> Result<TestReport, PolicyError> {
    // No test tells of YARA rules; one that does not compile would stop the start all the same.
    yara::compile(&bundle.yara_files())?;
    let files = bundle.rules.iter().chain(&bundle.tests);
    let mut engine = engine::load(files, &bundle.data, limits)?;
    check::tests(&mut engine, bundle)?;
    engine.set_enable_coverage(wanted == Coverage::Gather);
    let (mut tests, mut coverage) = (Vec::new(), BTreeMap::new());
    for (file, package, name) in check::test_names(&mut engine, bundle)? {
        let path: String = package.iter().map(|c| format!("[{}]", serde_json::json!(c))).collect();
        let ask = format!("data{path}.{name}");
        let fresh = &engine;
        let mut engine = engine.clone();
        let outcome = match engine::ask(&mut engine, &ask, limits) {
            Ok(regorus::Value::Bool(true)) => Outcome::Passed,
            Ok(_) => Outcome::Failed,
            Err(error) => Outcome::Error(error.in_one_line()),
        };
        if wanted == Coverage::Gather {
            cover(&mut coverage, &engine, bundle)?;
        }
        let rule = format!("data.{}.{name}", package.join("."));
        let test = Test { file: &file, package: &package, name: &name, ask: &ask };
        let failed = outcome == Outcome::Failed && details == Details::Gather;
        let stopped = failed.then(|| stopped(fresh, bundle, &test, limits)).flatten();
        tests.push(TestResult { file, rule, outcome, stopped });
    }
    if wanted == Coverage::Gather {
        // The engine tells nothing of a file that it never came by.
        for (file, module) in &bundle.rules {
            coverage.entry(file.clone()).or_insert_with(|| Covered::none(&module.text));
        }
    }
    tests.sort();
    tests.dedup();
    if tests.is_empty() { Err(PolicyError::NoTests) } else { Ok(TestReport { tests, coverage }) }
}

/// Adds the lines of rules that one test came by.
fn cover(
    coverage: &mut BTreeMap<String, Covered>,
    engine: &regorus::Engine,
    bundle: &Bundle,
) -> Result<(), PolicyError> {
    let report = engine.get_coverage_report();
    let report = report.map_err(|e| PolicyError::Evaluate { why: e.to_string() })?;
    for file in report.files.into_iter().filter(|file| bundle.rules.contains_key(&file.path)) {
        let covered = coverage.entry(file.path).or_default();
        covered.lines.extend(file.covered);
        covered.missed.extend(file.not_covered);
        covered.missed.retain(|line| !covered.lines.contains(line));
    }
    Ok(())
}

impl Covered {
    /// Of rules that no test comes by: all lines but those that decide nothing.
    fn none(text: &str) -> Self {
        let idle = |line: &str| {
            let line = line.trim();
            line.is_empty()
                || line == "}"
                || ["#", "package ", "import "].iter().any(|word| line.starts_with(word))
        };
        let lines = (1_u32..).zip(text.lines()).filter(|(_, line)| !idle(line));
        Self { missed: lines.map(|(number, _)| number).collect(), ..Self::default() }
    }
}

impl TestReport {
    /// How many passed.
    pub fn passed(&self) -> usize {
        self.tests.iter().filter(|test| test.outcome == Outcome::Passed).count()
    }

    /// How many did not.
    pub fn failed(&self) -> usize {
        self.tests.len() - self.passed()
    }

    /// How many of a thousand lines of rules the tests came by.
    pub fn covered_permille(&self) -> usize {
        let count = |of: fn(&Covered) -> usize| self.coverage.values().map(of).sum::<usize>();
        let (lines, missed) = (count(|file| file.lines.len()), count(|file| file.missed.len()));
        lines.saturating_mul(1000).checked_div(lines.saturating_add(missed)).unwrap_or(1000)
    }

    /// Whether every test passed.
    pub fn is_success(&self) -> bool {
        self.failed() == 0
    }
}

impl fmt::Display for TestReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for test in &self.tests {
            match &test.outcome {
                Outcome::Passed => writeln!(f, "pass  {}  {}", test.file, test.rule)?,
                Outcome::Failed => writeln!(f, "FAIL  {}  {}", test.file, test.rule)?,
                Outcome::Error(why) => {
                    writeln!(f, "ERROR {}  {}: {why}", test.file, test.rule)?;
                }
            }
        }
        writeln!(f, "{} passed, {} failed", self.passed(), self.failed())
    }
}
