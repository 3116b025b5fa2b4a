//! `hallmark policy test`: the `test_` rules of a folder.

use super::{
    Answer, Failure,
    args::{Global, Policy},
    context,
};
use crate::{
    config,
    policy::test::{self, Outcome},
    untrusted::{Page, line},
};

/// Runs the command; the answer is yes where every test passes and there is one.
pub fn run(command: &Policy, global: &Global) -> Result<Answer, Failure> {
    let Policy::Test { folder } = command;
    let limits = context::configuration(global)?.limits;
    let bundle = config::bundle(std::slice::from_ref(folder))
        .map_err(|e| Failure::usage(format!("{}: {e}", folder.display())))?;
    let report = test::run(&bundle, &limits).map_err(|e| Failure::of_operator(&e.to_string()))?;
    let mut page = Page::default();
    for test in &report.tests {
        let (file, rule) = (&test.file, &test.rule);
        match &test.outcome {
            Outcome::Passed => line!(page, "pass  {file}: {rule}"),
            Outcome::Failed => line!(page, "FAIL  {file}: {rule}"),
            Outcome::Error(why) => line!(page, "FAIL  {file}: {rule}: {why}"),
        }
    }
    line!(page, "{} passed, {} failed", report.passed(), report.failed());
    let text = page.into_text();
    Ok(Answer { text, code: u8::from(!report.is_success()) })
}
