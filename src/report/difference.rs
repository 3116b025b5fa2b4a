//! Comparisons in words.

use std::fmt::{self, Write as _};

use super::clean;
use crate::compare::{Comparison, Difference, Place};

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
}

/// Renders a comparison of two images.
pub fn comparison(comparison: &Comparison, left: &str, right: &str) -> String {
    let style = Style { left: "left", right: "right", indent: "  ", shown: usize::MAX };
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
        0 => Ok(()),
        more => writeln!(out, "{}… and {more} more differences", style.indent),
    }
}

fn write_difference(out: &mut String, difference: &Difference, style: Style) -> fmt::Result {
    let indent = style.indent;
    let place = place(&difference.place);
    let class = difference.class;
    writeln!(
        out,
        "{indent}{}: {} [{} {}]",
        clean(&place),
        clean(&difference.what),
        class.letter(),
        class.name()
    )?;
    for (name, side) in [(style.left, &difference.left), (style.right, &difference.right)] {
        if let Some(text) = side {
            writeln!(out, "{indent}  {name:>9}: {}", clean(text))?;
        }
    }
    if let Some(by) = &difference.explained_by {
        writeln!(out, "{indent}  explained: {}", clean(by))?;
    }
    if let Some(cause) = &difference.cause {
        let line = cause.line.map(|n| format!("Dockerfile:{n}  ")).unwrap_or_default();
        writeln!(out, "{indent}       from: {}", clean(&format!("{line}{}", cause.instruction)))?;
    }
    Ok(())
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
