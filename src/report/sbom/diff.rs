//! What two lists of components say differently, as text and as JSON, `hallmark/sbom-diff/v1`.

use serde_json::{Value, json};

use crate::{
    amount::plural,
    report::{json::lines, shown},
    sbom::diff::{Affected, Change, Difference, Entry},
    untrusted::{Page, line},
};

/// Schema of a difference.
pub const SBOM_DIFF: &str = "hallmark/sbom-diff/v1";

/// One of the two sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Side {
    /// What was read: the file, or the image with its digest.
    pub name: String,
    /// Components that it lists.
    pub components: usize,
    /// What was not read of it.
    pub unread: Vec<String>,
}

/// As JSON.
pub fn json(before: &Side, after: &Side, found: &Difference) -> String {
    let vulnerabilities = found.vulnerabilities.as_ref().map(|known| {
        json!({
            "new": known.new.iter().map(affected).collect::<Vec<_>>(),
            "gone": known.gone.iter().map(affected).collect::<Vec<_>>(),
            "same": known.same,
            "gaps": known.gaps,
        })
    });
    let licence = |change: &Change| {
        let (before, after) = (&change.before.licence, &change.after.licence);
        json!({"component": entry(&change.after), "before": before, "after": after})
    };
    let version = |change: &Change| {
        json!({
            "way": change.way().word(),
            "before": entry(&change.before),
            "after": entry(&change.after),
        })
    };
    lines(&json!({
        "schema": SBOM_DIFF,
        "before": side(before),
        "after": side(after),
        "equal": found.is_none(),
        "same": found.same,
        "versions": found.versions.iter().map(version).collect::<Vec<_>>(),
        "new": found.new.iter().map(entry).collect::<Vec<_>>(),
        "gone": found.gone.iter().map(entry).collect::<Vec<_>>(),
        "licences": found.licences.iter().map(licence).collect::<Vec<_>>(),
        "vulnerabilities": vulnerabilities,
    }))
}

fn side(side: &Side) -> Value {
    json!({"name": side.name, "components": side.components, "unread": side.unread})
}

fn entry(entry: &Entry) -> Value {
    json!({
        "ecosystem": entry.ecosystem,
        "name": entry.name,
        "version": entry.version,
        "architecture": entry.architecture,
        "licence": entry.licence,
    })
}

fn affected(affected: &Affected) -> Value {
    json!({
        "component": entry(&affected.entry),
        "id": affected.id,
        "severity": affected.severity,
        "fixed": affected.fixed,
    })
}

/// As text.
pub fn text(before: &Side, after: &Side, found: &Difference) -> String {
    let mut page = Page::default();
    for (word, side) in [("before", before), ("after ", after)] {
        line!(page, "{word}  {}  {}", side.name, plural(side.components, "component"));
        side.unread.iter().for_each(|what| line!(page, "        not read: {what}"));
    }
    line!(page);
    for change in &found.versions {
        let (old, new) = (&change.before.version, &change.after.version);
        line!(page, "{:7}  {}  {old} -> {new}", change.way().word(), name(&change.after));
    }
    found.new.iter().for_each(|one| line!(page, "new      {}  {}", name(one), one.version));
    found.gone.iter().for_each(|one| line!(page, "gone     {}  {}", name(one), one.version));
    for change in &found.licences {
        let word = |entry: &Entry| entry.licence.clone().unwrap_or_else(|| "none said".to_owned());
        let (old, new) = (word(&change.before), word(&change.after));
        line!(page, "licence  {}  {old} -> {new}", name(&change.after));
    }
    if let Some(known) = &found.vulnerabilities {
        for (word, all) in [("more", &known.new), ("less", &known.gone)] {
            for one in all {
                let fixed = one.fixed.as_deref().map(|fix| format!("  fixed in {fix}"));
                let (level, fixed) = (one.severity, fixed.unwrap_or_default());
                let (name, version) = (name(&one.entry), &one.entry.version);
                line!(page, "{word:7}  {}  {level}  {name}  {version}{fixed}", one.id);
            }
        }
        known.gaps.iter().for_each(|gap| line!(page, "no data  {gap}"));
    }
    summary(&mut page, found);
    shown::lines(&page)
}

fn name(entry: &Entry) -> String {
    let ecosystem = entry.ecosystem.as_deref().unwrap_or("no package URL");
    let architecture = entry.architecture.as_deref().map(|a| format!(" {a}")).unwrap_or_default();
    format!("{ecosystem} {}{architecture}", entry.name)
}

fn summary(page: &mut Page, found: &Difference) {
    let ways = |word: &str| found.versions.iter().filter(|one| one.way().word() == word).count();
    let (up, down, other) = (ways("up"), ways("down"), ways("changed"));
    let (new, gone, licences) = (found.new.len(), found.gone.len(), found.licences.len());
    line!(
        page,
        "{} the same, {up} up, {down} down, {other} changed, {new} new, {gone} gone, {} changed",
        found.same,
        plural(licences, "licence")
    );
    if let Some(known) = &found.vulnerabilities {
        let (new, gone, same) = (known.new.len(), known.gone.len(), known.same);
        let same = plural(same, "known vulnerability");
        line!(page, "{same} the same, {new} more, {gone} less");
    }
}
