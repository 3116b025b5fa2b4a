//! Running the tests of policies: `hallmark policy test DIR`.
//!
//! Turns a [`Bundle`] with `*_test.rego` files into a [`TestReport`]. As in `opa test`, every rule whose name begins with
//! `test_` is a test, and passes only when it is `true`; the same files run there unchanged. Refuses a bundle without
//! tests, for nothing would be tested.

use std::fmt;

use super::{Bundle, PolicyError, check, engine};
use crate::limits::Limits;

/// What became of every test, sorted by file and name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestReport {
    /// The tests, at least one.
    pub tests: Vec<TestResult>,
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
    let files = bundle.rules.iter().chain(&bundle.tests);
    let mut engine = engine::load(files, &bundle.data, limits)?;
    check::tests(&mut engine, bundle)?;
    let mut tests = Vec::new();
    for (file, package, name) in check::test_names(&mut engine, bundle)? {
        let path: String = package.iter().map(|c| format!("[{}]", serde_json::json!(c))).collect();
        let ask = format!("data{path}.{name}");
        let outcome = match engine::ask(&mut engine.clone(), &ask, limits) {
            Ok(regorus::Value::Bool(true)) => Outcome::Passed,
            Ok(_) => Outcome::Failed,
            Err(error) => Outcome::Error(error.in_one_line()),
        };
        let rule = format!("data.{}.{name}", package.join("."));
        tests.push(TestResult { file, rule, outcome });
    }
    tests.sort();
    tests.dedup();
    if tests.is_empty() { Err(PolicyError::NoTests) } else { Ok(TestReport { tests }) }
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
