//! in-toto test result, v0.1 (in-toto/attestation, spec/predicates/test-result.md).
//!
//! A result that its own list of failed tests contradicts is refused.

use serde::Deserialize;
use serde_json::Value;

use super::{Outcome, Resource, typed};

/// Its predicate type.
pub const TYPE: &str = "https://in-toto.io/attestation/test-result/v0.1";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    result: String,
    configuration: Vec<Resource>,
    #[serde(default)]
    url: Option<String>,
    #[serde(default)]
    passed_tests: Vec<String>,
    #[serde(default)]
    warned_tests: Vec<String>,
    #[serde(default)]
    failed_tests: Vec<String>,
}

/// What tests gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestResult {
    /// How they ended.
    pub result: Outcome,
    /// What was configured to run.
    pub configuration: Vec<Resource>,
    /// Where the run can be seen.
    pub url: Option<String>,
    /// Tests that passed.
    pub passed: Vec<String>,
    /// Tests that warned.
    pub warned: Vec<String>,
    /// Tests that failed.
    pub failed: Vec<String>,
}

/// Reads a predicate.
pub(super) fn read(predicate: &Value) -> Result<TestResult, String> {
    let wire: Wire = typed(predicate)?;
    let result = Outcome::of(&wire.result);
    if result != Outcome::Failed && !wire.failed_tests.is_empty() {
        return Err(format!("the result is {:?} and tests have failed", wire.result));
    }
    Ok(TestResult {
        result,
        configuration: wire.configuration,
        url: wire.url,
        passed: wire.passed_tests,
        warned: wire.warned_tests,
        failed: wire.failed_tests,
    })
}
