//! GitLab's Code Quality report: an array of issues, each with description, check, fingerprint, severity and location.
//!
//! GitLab takes an empty array, and a report that is not there, for a clean one: a run that was not made is an issue.

use serde_json::{Value, json};

use super::run::{Entry, Run, path};
use crate::{
    finding::Severity,
    untrusted::{self, clean, cut},
};

/// Issues of one report, the gravest first.
const MAX_ISSUES: usize = 5000;
/// Bytes of one description.
const MAX_DESCRIPTION_BYTES: usize = 1024;

/// Renders a run.
pub fn render(run: &Run) -> String {
    let issues: Vec<Value> = run.entries().iter().take(MAX_ISSUES).map(issue).collect();
    untrusted::json(&format!("{:#}\n", Value::from(issues)))
}

fn issue(entry: &Entry) -> Value {
    let about = [entry.image.as_str(), entry.platform.as_deref().unwrap_or_default()];
    let about: Vec<&str> = about.into_iter().filter(|words| !words.is_empty()).collect();
    let description = match about.as_slice() {
        [] => entry.title.clone(),
        about => format!("{}: {} ({})", entry.title, entry.subject, about.join(" ")),
    };
    json!({
        "description": cut(clean(&description), MAX_DESCRIPTION_BYTES),
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
