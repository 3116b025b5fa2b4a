//! A rebuild plan in words, or what keeps it from being one.

use std::fmt::{self, Write as _};

use super::clean;
use crate::{
    attest::provenance::{Material, Pin},
    rebuild::{Gap, Plan, Planned},
};

/// Renders what planning gave.
pub fn planned(planned: &Planned) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = match planned {
        Planned::Plan(plan) => write_plan(&mut out, plan),
        Planned::NotReplayable(gaps) => write_gaps(&mut out, gaps),
    };
    out
}

fn write_plan(out: &mut String, plan: &Plan) -> fmt::Result {
    let mut row = |name: &str, value: &str| writeln!(out, "{name:<12} {}", clean(value));
    row("engine", &format!("{} ({})", plan.engine.name(), plan.engine_reason))?;
    row("source", &plan.source_url)?;
    row("commit", plan.commit.as_str())?;
    if let Some(folder) = &plan.source_folder {
        row("folder", folder)?;
    }
    row("dockerfile", &plan.dockerfile_path)?;
    if let Some(target) = &plan.target {
        row("target", target)?;
    }
    row("platform", &plan.platform.to_string())?;
    for (name, value) in &plan.build_args {
        row("build-arg", &format!("{name}={value}"))?;
    }
    for (name, value) in &plan.labels {
        row("label", &format!("{name}={value}"))?;
    }
    for material in &plan.materials {
        row("pinned", &material_line(material))?;
    }
    row("network", &format!("none (recorded: {})", plan.recorded_network.name()))?;
    let exporter = &plan.exporter;
    let times = exporter
        .rewrite_timestamp
        .map_or_else(|| "kept".to_owned(), |epoch| format!("rewritten to {epoch}"));
    let types = if exporter.oci_media_types { "OCI" } else { "Docker" };
    row(
        "exporter",
        &format!("{types} media types, {}, times {times}", exporter.compression.name()),
    )?;
    for evidence in &exporter.evidence {
        row("", evidence)?;
    }
    Ok(())
}

fn material_line(material: &Material) -> String {
    let pin = match &material.pin {
        Pin::Content(digest) => digest.to_string(),
        Pin::Commit(commit) => format!("commit {}", commit.as_str()),
        Pin::Nothing => "nothing".to_owned(),
    };
    format!("{} = {pin}", material.uri)
}

fn write_gaps(out: &mut String, gaps: &[Gap]) -> fmt::Result {
    writeln!(out, "not replayable: {} gaps", gaps.len())?;
    for gap in gaps {
        writeln!(out)?;
        writeln!(out, "gap[{}]: {}", gap.code, clean(&gap.why))?;
        writeln!(out, "    field: {}", clean(&gap.field))?;
        writeln!(out, "     help: {}", clean(&gap.fix))?;
    }
    Ok(())
}
