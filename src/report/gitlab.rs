//! GitLab's Code Quality report: an array of issues, each with description, check, fingerprint, severity and location.
//!
//! GitLab takes an empty array, and a report that is not there, for a clean one: a run that was not made is an issue.

use serde_json::{Value, json};

use super::run::{Entry, Run, path};
use crate::{
    finding::Severity,
    report::clean,
    untrusted::{self, cut},
};

/// Issues of one report, the gravest first.
const MAX_ISSUES: usize = 5000;
/// Bytes of one description.
const MAX_DESCRIPTION_BYTES: usize = 2048;
/// Bytes of the advice in it, with its word.
const MAX_ADVICE_BYTES: usize = 512;

/// What stands before the advice.
const WORD: &str = "; help: ";

/// Renders a run.
pub fn render(run: &Run) -> String {
    let issues: Vec<Value> = run.entries().iter().take(MAX_ISSUES).map(issue).collect();
    untrusted::json(&format!("{:#}\n", Value::from(issues)))
}

/// What is known of it besides what it is about and what to do, in one line.
fn facts(entry: &Entry) -> String {
    let told = entry.facts.as_str().lines().map(str::trim);
    let told = told.filter(|line| !line.starts_with("subject: ") && !line.starts_with("help: "));
    // A line that ends with a colon is about the next one.
    let mut separator = "; ";
    let mut all = String::new();
    for line in told {
        all.push_str(separator);
        all.push_str(line);
        separator = if line.ends_with(':') { " " } else { "; " };
    }
    all
}

/// All that is known of it in one line, with what to do.
pub(super) fn description(entry: &Entry) -> String {
    let about = [entry.image.as_str(), entry.platform.as_deref().unwrap_or_default()];
    let about: Vec<&str> = about.into_iter().filter(|words| !words.is_empty()).collect();
    let what = match about.as_slice() {
        [] => entry.title.clone(),
        about => format!("{}: {} ({})", entry.title, entry.subject, about.join(" ")),
    };
    // GitLab shows this text alone: why, and what to do, have to be in it, however long the rest is.
    let advice = format!("{WORD}{}", cut(clean(&entry.advice), MAX_ADVICE_BYTES - WORD.len()));
    let room = MAX_DESCRIPTION_BYTES - MAX_ADVICE_BYTES;
    cut(clean(&format!("{what}{}", facts(entry))), room) + &advice
}

fn issue(entry: &Entry) -> Value {
    json!({
        "description": description(entry),
        "check_name": entry.code,
        "fingerprint": entry.fingerprint,
        "severity": match entry.severity {
            Severity::Error => "critical",
            Severity::Warning => "minor",
            Severity::Info => "info",
        },
        "location": { "path": path(&entry.place), "lines": { "begin": 1 } },
    })
}
