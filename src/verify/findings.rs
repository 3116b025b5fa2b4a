//! What the pipeline itself sees: missing evidence, rebuild results, policy judgements.

use std::collections::BTreeSet;

use crate::{
    compare::Level,
    finding::{Code, Fact, Finding, Key, Severity, Subject},
    image::Image,
    policy::Judgement,
    rebuild::{Determinism, Failure, FailureKind, Gap, Rebuild, Rebuilt},
    report::difference::place,
};

/// The finding where nothing at all was proven.
pub fn nothing_proven(image: &Image) -> Finding {
    Finding::new(Code::SignatureMissing, subject(image))
        .at(Severity::Error)
        .with(Key::Why, "nothing about this image was proven: no trusted signature, no rebuild")
}

fn subject(image: &Image) -> Subject {
    Subject::Image(image.reference.to_string())
}

/// What a rebuild means.
pub fn of_rebuild(rebuild: &Rebuild, image: &Image) -> Vec<Finding> {
    match rebuild {
        Rebuild::NotAsked | Rebuild::NoProvenance => {
            vec![Finding::new(Code::RebuildNotRun, subject(image))]
        }
        Rebuild::NotReplayable(gaps) => gaps.iter().map(|gap| of_gap(gap, image)).collect(),
        Rebuild::Failed(failure) => vec![of_failure(failure, image)],
        Rebuild::Compared(rebuilt) => of_rebuilt(rebuilt, image).into_iter().collect(),
    }
}

fn of_gap(gap: &Gap, image: &Image) -> Finding {
    Finding::new(Code::RebuildNotReplayable, subject(image))
        .with(Key::Found, gap.code)
        .with(Key::From, gap.field.clone())
        .with(Key::Why, gap.why.clone())
        .with(Key::Help, gap.fix.clone())
}

fn of_failure(failure: &Failure, image: &Image) -> Finding {
    let code = match failure.kind {
        FailureKind::BuildFailed => Code::RebuildFailed,
        FailureKind::SourceGone => Code::RebuildSourceGone,
        FailureKind::Denied => Code::RebuildNotReplayable,
        FailureKind::Timeout => Code::RebuildTimeout,
        FailureKind::EngineUnavailable => Code::RebuildEngineUnavailable,
    };
    let finding = Finding::new(code, subject(image)).with(Key::Why, failure.why.clone());
    match failure.log.lines().rfind(|line| !line.trim().is_empty()) {
        Some(last) => finding.with(Key::From, last.trim().to_owned()),
        None => finding,
    }
}

fn of_rebuilt(rebuilt: &Rebuilt, image: &Image) -> Option<Finding> {
    let level = rebuilt.comparison.level;
    if level.is_reproducible() {
        return None;
    }
    let code = match rebuilt.determinism {
        Determinism::Nondeterministic => Code::RebuildNondeterministic,
        _ => Code::RebuildDiffers,
    };
    let weight = if level == Level::Different { Severity::Warning } else { Severity::Info };
    let times = match rebuilt.determinism {
        Determinism::ConsistentlyDifferent => "rebuilt twice, both times the same",
        Determinism::Nondeterministic => "two rebuilds differ from each other",
        Determinism::NotNeeded | Determinism::Unknown => "rebuilt once",
    };
    let mut finding = Finding::new(code, subject(image))
        .at(weight)
        .with(Key::Expect, &image.manifest.document.digest)
        .with(
            Key::Found,
            Fact::Text(format!(
                "{} ({times}; R{} {})",
                rebuilt.manifest,
                level.number(),
                level.name()
            )),
        );
    // The gravest difference explains most; the rest is in the list.
    if let Some(worst) = rebuilt.comparison.differences.iter().max_by_key(|d| gravity(d)) {
        finding = finding.with(Key::Why, format!("{}: {}", place(&worst.place), worst.what));
        if let Some(cause) = &worst.cause {
            let line = cause.line.map(|n| format!("Dockerfile:{n}  ")).unwrap_or_default();
            finding = finding.with(Key::From, format!("{line}{}", cause.instruction));
        }
    }
    Some(finding)
}

/// Content and security metadata before everything else, entries before what follows from them.
fn gravity(difference: &crate::compare::Difference) -> (u8, bool) {
    use crate::compare::{Class, Place};
    let class = match difference.class {
        Class::Content | Class::LyingDiffId => 5,
        Class::TarSecurity => 4,
        Class::ConfigRuntime => 3,
        Class::Cache | Class::NestedTime => 2,
        Class::TarBenign | Class::ConfigBenign => 1,
        Class::Envelope | Class::Compression => 0,
    };
    (class, matches!(difference.place, Place::Entry { .. }))
}

/// Adds what the policies said. A rule that denies for what a finding already says makes that finding an error, instead of
/// saying it twice.
pub fn judged(findings: Vec<Finding>, judgement: Judgement) -> Vec<Finding> {
    let seen: BTreeSet<Code> = findings.iter().map(|f| f.code).collect();
    let denied = judgement.deny.iter().filter_map(|rule| rule.code.parse::<Code>().ok());
    let said: BTreeSet<Code> = denied.filter(|code| seen.contains(code)).collect();
    let again = |f: &Finding| {
        f.code == Code::PolicyDenied
            && rule_code(f).is_some_and(|code| said.iter().any(|s| s.as_str() == code))
    };
    let promoted = findings
        .into_iter()
        .map(|f| if said.contains(&f.code) { f.at(Severity::Error) } else { f });
    let by_policy = judgement.findings.into_iter().filter(|f| !again(f));
    promoted.chain(by_policy).collect()
}

/// The code of the rule behind a finding: `code (package)` is how `policy` writes where it comes from.
fn rule_code(finding: &Finding) -> Option<String> {
    let from = finding.facts.get(&Key::From)?.to_string();
    from.split(' ').next().map(str::to_owned)
}
