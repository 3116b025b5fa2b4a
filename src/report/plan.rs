//! A rebuild plan in words, or what keeps it from being one. Values that look like secrets are never among the words.

use serde_json::{Value, json};

use super::shown;
use crate::{
    amount::plural,
    attest::provenance::{Material, Pin},
    rebuild::{ByHand, Gap, Plan, Planned, PlannedSource},
    untrusted::{Page, line},
};

/// Schema of a plan.
pub const PLAN: &str = "hallmark/plan/v1";

/// Schema of the plans of several platforms.
pub const PLANS: &str = "hallmark/plans/v1";

/// Renders what planning gave, and the command that follows it.
pub fn planned(planned: &Planned, by_hand: Option<&ByHand>) -> String {
    let mut out = Page::default();
    match planned {
        Planned::Plan(plan) => {
            write_plan(&mut out, &plan.shown());
            by_hand.iter().for_each(|by_hand| write_by_hand(&mut out, by_hand));
            if plan.shown() != **plan {
                line!(out);
                line!(out, "values that look like secrets are not shown: the provenance has them");
            }
        }
        Planned::NotReplayable(gaps) => write_gaps(&mut out, gaps),
    }
    shown::lines(&out)
}

/// The same for machines.
pub fn value(planned: &Planned, by_hand: Option<&ByHand>) -> Value {
    let (plan, gaps) = match planned {
        Planned::Plan(plan) => (Some(plan), &[][..]),
        Planned::NotReplayable(gaps) => (None, gaps.as_slice()),
    };
    json!({
        "schema": PLAN,
        "replayable": plan.is_some(),
        "gaps": gaps.iter().map(gap).collect::<Vec<_>>(),
        "plan": plan.map(|plan| plan_value(&plan.shown())),
        "before": by_hand.map(|by_hand| &by_hand.before),
        "command": by_hand.map(|by_hand| &by_hand.command),
        "after": by_hand.map(|by_hand| &by_hand.after),
        "environment": by_hand.map(|by_hand| &by_hand.environment),
        "policy": by_hand.map(|by_hand| &by_hand.policy),
    })
}

/// What keeps an image from being built again.
pub fn gap(gap: &Gap) -> Value {
    json!({ "code": gap.code, "field": gap.field, "why": gap.why, "fix": gap.fix })
}

fn plan_value(plan: &Plan) -> Value {
    json!({
        "engine": plan.engine.name(),
        "engineReason": plan.engine_reason,
        "source": source_value(&plan.source),
        "dockerfile": plan.dockerfile_path,
        "target": plan.target,
        "platform": plan.platform.to_string(),
        "buildArgs": plan.build_args,
        "labels": plan.labels,
        "options": plan.options,
        "epoch": plan.epoch_seconds,
        "recordedNetwork": plan.recorded_network.name(),
        "fetchedBySteps": plan.fetched,
        "materials": plan.materials.iter().map(material_line).collect::<Vec<_>>(),
        "exporter": {
            "rewriteTimestamp": plan.exporter.rewrite_timestamp,
            "ociMediaTypes": plan.exporter.oci_media_types,
            "compression": plan.exporter.compression.name(),
            "compressionLevel": plan.exporter.level,
            "forceCompression": plan.exporter.force_compression,
            "evidence": plan.exporter.evidence.iter().map(ToString::to_string).collect::<Vec<_>>(),
        },
        "alternatives": plan.alternatives.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

fn source_value(source: &PlannedSource) -> Value {
    match source {
        PlannedSource::Repository(repository) => json!({
            "url": repository.url,
            "commit": repository.commit.as_str(),
            "folder": repository.folder,
        }),
        PlannedSource::Download { url, digest } => {
            json!({ "url": url, "digest": digest.to_string() })
        }
    }
}

/// Quoted for a shell where that is needed.
fn write_by_hand(out: &mut Page, by_hand: &ByHand) {
    let how = match by_hand.before.as_slice() {
        [] => "with the source policy in WORK/policy.json (--output json prints it)",
        _ => "with WORK as an empty folder of your own",
    };
    line!(out);
    line!(out, "by hand, {how}:");
    line!(out);
    let words = |words: &[String]| {
        let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
        words.join(" ")
    };
    for command in &by_hand.before {
        line!(out, "  {}", words(command));
    }
    let variables =
        by_hand.environment.iter().map(|(name, value)| format!("{name}={} ", quoted(value)));
    line!(out, "  {}{}", variables.collect::<String>(), words(&by_hand.command));
    for command in &by_hand.after {
        line!(out, "  {}", words(command));
    }
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,@%+".contains(c);
    match word {
        _ if !word.is_empty() && word.chars().all(plain) => word.to_owned(),
        _ => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

fn write_plan(out: &mut Page, plan: &Plan) {
    let mut row = |name: &str, value: &str| line!(out, "{name:<12} {}", value);
    row("engine", &format!("{} ({})", plan.engine.name(), plan.engine_reason));
    match &plan.source {
        PlannedSource::Repository(repository) => {
            row("source", &repository.url);
            row("commit", repository.commit.as_str());
            if let Some(folder) = &repository.folder {
                row("folder", folder);
            }
        }
        PlannedSource::Download { url, digest } => {
            row("source", url);
            row("digest", &digest.to_string());
        }
    }
    row("dockerfile", &plan.dockerfile_path);
    if let Some(target) = &plan.target {
        row("target", target);
    }
    row("platform", &plan.platform.to_string());
    for (name, value) in &plan.build_args {
        row("build-arg", &format!("{name}={value}"));
    }
    for (name, value) in &plan.labels {
        row("label", &format!("{name}={value}"));
    }
    for material in &plan.materials {
        row("pinned", &material_line(material));
    }
    let network = match plan.fetched.len() {
        0 => "none".to_owned(),
        count => format!("BuildKit's proxy, {count} recorded downloads and nothing else"),
    };
    row("network", &format!("{network} (recorded: {})", plan.recorded_network.name()));
    let exporter = &plan.exporter;
    row("exporter", &exporter.to_string());
    for evidence in &exporter.evidence {
        row("", &evidence.to_string());
    }
    for other in &plan.alternatives {
        row("or else", &other.to_string());
    }
}

fn material_line(material: &Material) -> String {
    let pin = match &material.pin {
        Pin::Content(digest) => digest.to_string(),
        Pin::Commit(commit) => format!("commit {}", commit.as_str()),
        Pin::Nothing => "nothing".to_owned(),
    };
    format!("{} = {pin}", material.uri)
}

fn write_gaps(out: &mut Page, gaps: &[Gap]) {
    line!(out, "not replayable: {}", plural(gaps.len(), "gap"));
    for gap in gaps {
        line!(out);
        line!(out, "gap[{}]: {}", gap.code, gap.why);
        line!(out, "    field: {}", gap.field);
        line!(out, "     help: {}", gap.fix);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_a_shell() {
        let cases = [
            ("--opt", "--opt"),
            ("", "''"),
            ("label:a=b c", "'label:a=b c'"),
            ("it's $(x)", "'it'\\''s $(x)'"),
            ("#c:sub", "'#c:sub'"),
        ];
        for (word, want) in cases {
            assert_eq!(quoted(word), want, "{word}");
        }
    }

    #[test]
    fn gaps_and_plans_are_told_apart_by_machines() {
        let plan = Planned::Plan(Box::new(crate::rebuild::tests::plan()));
        let value = value(&plan, None);
        assert_eq!(
            (&value["replayable"], &value["plan"]["target"]),
            (&json!(true), &json!("release"))
        );
        let gap = Gap { code: "mode-min", field: "f".into(), why: "w".into(), fix: "x".into() };
        let value = super::value(&Planned::NotReplayable(vec![gap]), None);
        assert_eq!(value["replayable"], json!(false));
        assert_eq!(value["gaps"][0]["code"], json!("mode-min"));
    }
}
