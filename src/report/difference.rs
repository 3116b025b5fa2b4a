//! Comparisons in words.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
};

use super::clean;
use crate::compare::{Comparison, Difference, Hint, Inside, PackageChange, Part, Place};

/// Packages that are listed; the rest is counted.
const PACKAGES_SHOWN: usize = 40;

/// How the list of differences is set.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    /// What the left side is called.
    pub left: &'static str,
    /// What the right side is called.
    pub right: &'static str,
    /// What each line begins with.
    pub indent: &'static str,
    /// How many differences are shown; the rest is counted.
    pub shown: usize,
    /// How much is said of each.
    pub depth: Depth,
}

/// How much is said of a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Where it is, both sides, and the step of the build.
    Brief,
    /// What differs inside, what probably happened and what to do, too.
    Full,
}

/// Renders a comparison of two images.
pub fn comparison(comparison: &Comparison, left: &str, right: &str) -> String {
    let style =
        Style { left: "left", right: "right", indent: "  ", shown: usize::MAX, depth: Depth::Full };
    let mut out = String::new();
    let level = comparison.level;
    let _ = writeln!(out, "left   {}", clean(left));
    let _ = writeln!(out, "right  {}", clean(right));
    let _ = writeln!(out, "level  R{} {}", level.number(), level.name());
    let _ = list(&mut out, comparison, style);
    out
}

/// Writes the differences, and how many there are more.
pub fn list(out: &mut String, comparison: &Comparison, style: Style) -> fmt::Result {
    for difference in comparison.differences.iter().take(style.shown) {
        write_difference(out, difference, style)?;
    }
    let held_back = comparison.differences.len().saturating_sub(style.shown) as u64;
    match held_back + comparison.omitted {
        0 => {}
        more => writeln!(out, "{}… and {more} more differences", style.indent)?,
    }
    for allowance in &comparison.allowed {
        let uses = allowance.uses(&comparison.differences);
        let words = format!("{allowance}: {}", allowance.reason);
        writeln!(out, "{}{uses} x {}", style.indent, clean(&words))?;
    }
    if style.depth == Depth::Brief {
        return Ok(());
    }
    packages(out, &comparison.packages, style)?;
    advice(out, comparison, style)
}

fn packages(out: &mut String, changes: &[PackageChange], style: Style) -> fmt::Result {
    let indent = style.indent;
    for change in changes.iter().take(PACKAGES_SHOWN) {
        let version = |version: &Option<String>| clean(version.as_deref().unwrap_or("none"));
        let (left, right) = (version(&change.left), version(&change.right));
        writeln!(
            out,
            "{indent}package {} {}: {left} -> {right}",
            change.ecosystem,
            clean(&change.name)
        )?;
    }
    match changes.len().saturating_sub(PACKAGES_SHOWN) {
        0 => Ok(()),
        more => writeln!(out, "{indent}… and {more} more packages"),
    }
}

/// What to do, once for each cause: what nothing explains first, then the most frequent.
pub(super) fn causes(comparison: &Comparison) -> Vec<(Hint, usize)> {
    let mut counts: BTreeMap<Hint, usize> = BTreeMap::new();
    for hint in comparison.differences.iter().filter_map(|difference| difference.hint) {
        *counts.entry(hint).or_default() += 1;
    }
    let mut counts: Vec<(Hint, usize)> = counts.into_iter().collect();
    let open = |hint: &Hint| {
        let mut differences = comparison.differences.iter().filter(|d| d.hint == Some(*hint));
        differences.any(|d| !d.class.is_benign() && d.explained_by.is_none())
    };
    let grave = |hint: &Hint| matches!(hint, Hint::LendsRights | Hint::LyingDiffId | Hint::Hidden);
    counts.sort_by_key(|(hint, count)| (!open(hint), !grave(hint), std::cmp::Reverse(*count)));
    counts
}

fn advice(out: &mut String, comparison: &Comparison, style: Style) -> fmt::Result {
    for (hint, count) in causes(comparison) {
        writeln!(out, "{}{count} x {}", style.indent, hint.why())?;
        writeln!(out, "{}       fix: {}", style.indent, hint.fix())?;
    }
    Ok(())
}

fn write_difference(out: &mut String, difference: &Difference, style: Style) -> fmt::Result {
    let indent = style.indent;
    let place = match (&difference.place, difference.layers) {
        // Each side is told with its own layer.
        (Place::Entry { path, .. }, Some(_)) => path.clone(),
        (other, _) => place(other),
    };
    let class = difference.class;
    writeln!(
        out,
        "{indent}{}: {} [{} {}]",
        clean(&place),
        clean(&difference.what),
        class.letter(),
        class.name()
    )?;
    for (name, side) in [style.left, style.right].into_iter().zip(difference.sides()) {
        if let Some(text) = side {
            writeln!(out, "{indent}  {name:>9}: {}", clean(&text))?;
        }
    }
    if let Some(by) = &difference.explained_by {
        writeln!(out, "{indent}  explained: {}", clean(by))?;
    }
    if let Some(cause) = &difference.cause {
        writeln!(out, "{indent}       from: {}", clean(&cause.text()))?;
    }
    if style.depth == Depth::Brief {
        return Ok(());
    }
    if let Some(inside) = &difference.inside {
        write_inside(out, inside, &format!("{indent}    "))?;
    }
    if let Some(hint) = difference.hint {
        writeln!(out, "{indent}     likely: {}", hint.why())?;
    }
    Ok(())
}

fn write_inside(out: &mut String, inside: &Inside, indent: &str) -> fmt::Result {
    match inside {
        Inside::Lines { lines, more, .. } => {
            for line in lines {
                writeln!(out, "{indent}| {}", clean(line))?;
            }
            if *more { writeln!(out, "{indent}| …") } else { Ok(()) }
        }
        Inside::Parts { of, parts, omitted } => {
            if parts.is_empty() {
                return writeln!(
                    out,
                    "{indent}{}: members are equal, times or order are not",
                    of.name()
                );
            }
            for part in parts {
                write_part(out, part, of.name(), indent)?;
            }
            match omitted {
                0 => Ok(()),
                more => writeln!(out, "{indent}… and {more} more"),
            }
        }
    }
}

fn write_part(out: &mut String, part: &Part, of: &str, indent: &str) -> fmt::Result {
    writeln!(out, "{indent}{of} {}", clean(&part.name))?;
    for (mark, side) in [('-', &part.left), ('+', &part.right)] {
        if let Some(words) = side {
            writeln!(out, "{indent}  {mark} {}", clean(words))?;
        }
    }
    match &part.inside {
        Some(inside) => write_inside(out, inside, &format!("{indent}  ")),
        None => Ok(()),
    }
}

/// A place in words.
pub fn place(place: &Place) -> String {
    match place {
        Place::Manifest(field) => format!("manifest {field}"),
        Place::Config(pointer) => format!("config {pointer}"),
        Place::Layer(position) => format!("layer {position}"),
        Place::Entry { layer, path } => format!("layer {layer} {path}"),
    }
}
