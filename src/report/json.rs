//! The report that machines read: `hallmark/verdict/v1`.
//!
//! Evidence is written in the form that policies see (`hallmark/input/v1`), so that a rule can be tried on a report. Keys
//! are sorted, and the same verdict gives the same bytes. Characters that mislead are written as JSON's escapes.

use serde_json::{Value, json};

use super::{cause::in_order, comparison::ComparisonReport, shown::document};
use crate::{
    compare::Comparison,
    finding::{Code, Fact, Finding, Severity},
    policy::{PolicyInput, input::NotJudgedInput},
    verdict::{Asked, Decision, Evidence, Ground, PlatformVerdict, Verdict},
};

/// Schema of a verdict.
pub const VERDICT: &str = "hallmark/verdict/v1";

/// Schema of the verdicts of several images.
pub const VERDICTS: &str = "hallmark/verdicts/v1";

/// Renders a verdict.
pub fn verdict(verdict: &Verdict) -> String {
    lines(&verdict_value(verdict))
}

/// A verdict as a part of another document.
pub fn verdict_value(verdict: &Verdict) -> Value {
    let platform = |p| platform(p, verdict.inputs.asked, verdict.time);
    let platforms: Vec<Value> = verdict.platforms.iter().map(platform).collect();
    json!({
        "schema": VERDICT,
        "subject": {
            "reference": verdict.subject.to_string(),
            "location": verdict.subject.location.to_string(),
            "digest": verdict.subject.digest.to_string(),
        },
        "verdict": word(verdict.is_pass()),
        "time": verdict.time.to_string(),
        "inputs": {
            "policy": verdict.inputs.policy.to_string(),
            "trust": verdict.inputs.trust.to_string(),
            "version": verdict.inputs.version,
        },
        "platforms": platforms,
        "notJudged": verdict.left_out.iter().map(NotJudgedInput::of).collect::<Vec<_>>(),
    })
}

/// Schema of what is said instead of an answer.
pub const ERROR: &str = "hallmark/error/v1";

/// Renders why there is no answer, and what was found out before it: documents that an answer would have begun with.
pub fn failure(error: Value, partial: Vec<Value>) -> String {
    lines(&json!({ "schema": ERROR, "error": error, "partial": partial }))
}

/// Why there is no answer: the exit code, the words of stderr, and the finding that says it, where it is one.
pub fn error(exit_code: u8, message: &str, details: &[&str], finding: Option<Value>) -> Value {
    json!({
        "exitCode": exit_code,
        "kind": match exit_code {
            1 => "refused",
            2 => "usage",
            3 => "unavailable",
            _ => "interrupted",
        },
        "message": message,
        "details": details,
        "finding": finding,
    })
}

fn word(pass: bool) -> &'static str {
    if pass { "pass" } else { "fail" }
}

fn platform(verdict: &PlatformVerdict, asked: Asked, time: jiff::Timestamp) -> Value {
    let grounds: Vec<Value> = match &verdict.decision {
        Decision::Pass(grounds) => grounds.iter().map(ground).collect(),
        Decision::Fail(..) => Vec::new(),
    };
    let evidence = verdict.evidence.as_ref();
    let evidence = evidence.map(|e| PolicyInput::report(e, asked, &verdict.findings, time));
    json!({
        "platform": verdict.platform.as_ref().map(ToString::to_string),
        "manifest": verdict.manifest.as_ref().map(ToString::to_string),
        "verdict": word(verdict.decision.is_pass()),
        "grounds": grounds,
        "findings": in_order(&verdict.findings).into_iter().map(weighed).collect::<Vec<_>>(),
        "evidence": evidence,
    })
}

fn ground(ground: &Ground) -> Value {
    match ground {
        Ground::Statement { predicate_type, signers, payload } => json!({
            "kind": "statement",
            "predicateType": predicate_type,
            "signers": signers.iter().map(|s| s.name.as_str()).collect::<Vec<_>>(),
            "payload": payload.to_string(),
        }),
        Ground::Attested { level, signers } => json!({
            "kind": "attested",
            "level": level,
            "signers": signers,
        }),
        Ground::Delegated { verifier, signer, levels, payload } => json!({
            "kind": "delegated",
            "verifier": verifier,
            "signer": signer,
            "levels": levels,
            "payload": payload.to_string(),
        }),
        Ground::Layout { name, signers, payload } => json!({
            "kind": "layout",
            "layout": name,
            "signers": signers.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "payload": payload.to_string(),
        }),
        Ground::Rebuilt { manifest, level, warrant } => json!({
            "kind": "rebuilt",
            "manifest": manifest.to_string(),
            "level": level,
            "warrant": warrant,
        }),
    }
}

/// One finding, and what it weighs in reports for people, where something graver follows from it.
fn weighed((finding, weight): (&Finding, Severity)) -> Value {
    let mut value = self::finding(finding);
    if let Some(members) = value.as_object_mut().filter(|_| weight != finding.severity) {
        members.insert("weighs".to_owned(), weight.name().into());
    }
    value
}

/// One finding.
pub fn finding(finding: &Finding) -> Value {
    let facts: serde_json::Map<String, Value> =
        finding.facts.iter().map(|(key, value)| (key.name().to_owned(), fact(value))).collect();
    json!({
        "code": finding.code.as_str(),
        "severity": finding.severity.name(),
        "title": finding.code.title(),
        "subject": finding.subject.to_string(),
        "facts": facts,
        "help": finding.help(),
        "because": finding.because.map(Code::as_str),
    })
}

fn fact(fact: &Fact) -> Value {
    match fact {
        Fact::Bytes(n) | Fact::Count(n) => json!(n),
        Fact::Digest(digest) => json!(digest.to_string()),
        Fact::Text(text) => json!(text),
        Fact::List(items) => items.iter().map(self::fact).collect(),
    }
}

/// Schema of what rebuilds of several platforms gave.
pub const REBUILDS: &str = "hallmark/rebuilds/v1";

/// Evidence that nobody judged.
pub fn evidence(
    evidence: &Evidence,
    asked: Asked,
    findings: &[Finding],
    time: jiff::Timestamp,
) -> Value {
    json!(PolicyInput::report(evidence, asked, findings, time))
}

/// Renders a comparison of two images.
pub fn comparison(comparison: &Comparison, left: &str, right: &str) -> String {
    lines(&json!(ComparisonReport::new(comparison, left, right)))
}

/// A document in lines, without what looks like a secret in its texts.
pub fn lines(value: &Value) -> String {
    document(value)
}
