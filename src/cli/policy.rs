//! `hallmark policy test`: the `test_` rules of a folder.

use std::fmt::Write as _;

use super::{
    Answer, Failure,
    args::{Global, Policy},
    context,
};
use crate::{
    config,
    policy::test::{self, Outcome},
    report::clean,
};

/// Runs the command; the answer is yes where every test passes and there is one.
pub fn run(command: &Policy, global: &Global) -> Result<Answer, Failure> {
    let Policy::Test { folder } = command;
    let limits = context::configuration(global)?.limits;
    let bundle = config::bundle(std::slice::from_ref(folder))
        .map_err(|e| Failure::usage(format!("{}: {e}", folder.display())))?;
    let report = test::run(&bundle, &limits).map_err(|e| Failure::usage(e.to_string()))?;
    let mut text = String::new();
    for test in &report.tests {
        // Writing to a String cannot fail.
        let _ = match &test.outcome {
            Outcome::Passed => writeln!(text, "pass  {}: {}", test.file, test.rule),
            Outcome::Failed => writeln!(text, "FAIL  {}: {}", test.file, test.rule),
            Outcome::Error(why) => {
                writeln!(text, "FAIL  {}: {}: {}", test.file, test.rule, clean(&why.to_string()))
            }
        };
    }
    let _ = writeln!(text, "{} passed, {} failed", report.passed(), report.failed());
    Ok(Answer { text, code: u8::from(!report.is_success()) })
}
