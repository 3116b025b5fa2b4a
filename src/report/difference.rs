//! Comparisons in words.

use std::collections::BTreeMap;

use super::shown;
use crate::{
    amount::plural,
    compare::{
        Account, Comparison, Difference, Inside, LikelyCause, PackageChange, Part, Place, SideWords,
    },
    contents::secrets::shown_path,
    untrusted::{Page, line},
};

/// Packages that are listed; the rest is counted.
const PACKAGES_SHOWN: usize = 40;

/// How the list of differences is set.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    /// What the sides are called.
    pub words: SideWords,
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
    let words = SideWords::TWO_IMAGES;
    let style = Style { words, indent: "  ", shown: usize::MAX, depth: Depth::Full };
    let mut out = Page::default();
    let level = comparison.level;
    line!(out, "left   {left}");
    line!(out, "right  {right}");
    line!(out, "level  R{} {}", level.number(), level.name());
    list(&mut out, comparison, style);
    shown::lines(&out)
}

/// Writes the differences, and how many there are more.
pub fn list(out: &mut Page, comparison: &Comparison, style: Style) {
    for difference in comparison.differences.iter().take(style.shown) {
        write_difference(out, difference, style);
    }
    let held_back = comparison.differences.len().saturating_sub(style.shown) as u64;
    match held_back + comparison.omitted {
        0 => {}
        more => {
            let more = plural(more, "more difference");
            line!(out, "{}… and {more}", style.indent);
        }
    }
    for allowance in &comparison.allowed {
        let uses = allowance.uses(&comparison.differences);
        line!(out, "{}{uses} x {allowance}: {}", style.indent, allowance.reason);
    }
    if style.depth == Depth::Full {
        packages(out, &comparison.packages, style);
        advice(out, comparison, style);
    }
}

fn packages(out: &mut Page, changes: &[PackageChange], style: Style) {
    let indent = style.indent;
    for change in changes.iter().take(PACKAGES_SHOWN) {
        let PackageChange { ecosystem, name, left, right } = change;
        let [left, right] = [left, right].map(|version| version.as_deref().unwrap_or("none"));
        line!(out, "{indent}package {ecosystem} {name}: {left} -> {right}");
    }
    match changes.len().saturating_sub(PACKAGES_SHOWN) {
        0 => {}
        more => line!(out, "{indent}… and {}", plural(more, "more package")),
    }
}

/// What to do, once for each cause: what nothing explains first, then the most frequent.
pub(super) fn causes(comparison: &Comparison) -> Vec<(LikelyCause, usize)> {
    let mut counts: BTreeMap<LikelyCause, usize> = BTreeMap::new();
    for hint in comparison.differences.iter().filter_map(|difference| difference.hint) {
        *counts.entry(hint).or_default() += 1;
    }
    let mut counts: Vec<(LikelyCause, usize)> = counts.into_iter().collect();
    let open = |hint: &LikelyCause| {
        let mut differences = comparison.differences.iter().filter(|d| d.hint == Some(*hint));
        differences.any(|d| d.account() == Account::Open)
    };
    let grave = |hint: &LikelyCause| {
        matches!(hint, LikelyCause::LendsRights | LikelyCause::LyingDiffId | LikelyCause::Hidden)
    };
    counts.sort_by_key(|(hint, count)| (!open(hint), !grave(hint), std::cmp::Reverse(*count)));
    counts
}

fn advice(out: &mut Page, comparison: &Comparison, style: Style) {
    for (hint, count) in causes(comparison) {
        line!(out, "{}{count} x {}", style.indent, hint.why());
        line!(out, "{}       fix: {}", style.indent, hint.fix());
    }
}

fn write_difference(out: &mut Page, difference: &Difference, style: Style) {
    let indent = style.indent;
    let place = match (&difference.place, difference.layers) {
        // Each side is told with its own layer.
        (Place::Entry { path, .. }, Some(_)) => shown_path(path),
        (other, _) => other.to_string(),
    };
    let class = difference.class;
    line!(
        out,
        "{indent}{}: {} [class {}: {}]",
        place,
        difference.what.told(style.words),
        class.letter(),
        class.name()
    );
    for (name, side) in [style.words.left, style.words.right].into_iter().zip(difference.sides()) {
        if let Some(text) = side {
            line!(out, "{indent}  {name:>9}: {text}");
        }
    }
    if let Some(by) = &difference.explained_by {
        line!(out, "{indent}  explained: {by}");
    }
    if let Some(cause) = &difference.cause {
        line!(out, "{indent}       from: {}", cause.text());
    }
    if style.depth == Depth::Brief {
        return;
    }
    if let Some(inside) = &difference.inside {
        write_inside(out, inside, &format!("{indent}    "));
    }
    if let Some(hint) = difference.hint {
        line!(out, "{indent}     likely: {}", hint.why());
    }
}

fn write_inside(out: &mut Page, inside: &Inside, indent: &str) {
    match inside {
        Inside::Lines { lines, more, .. } => {
            for line in lines {
                let line = with_tabs(line);
                line!(out, "{indent}| {line}");
            }
            if *more {
                line!(out, "{indent}| …");
            }
        }
        Inside::Parts { of, parts, omitted } => {
            if parts.is_empty() {
                line!(out, "{indent}{}: members are equal, times or order are not", of.name());
                return;
            }
            for part in parts {
                write_part(out, part, of.name(), indent);
            }
            match omitted {
                0 => {}
                more => line!(out, "{indent}… and {more} more"),
            }
        }
    }
}

/// What is drawn in the place of a tab: a blank could not be told from one, and an escape not be read.
const TAB: &str = "⇥";

/// A line of a text whose tabs are seen.
pub(super) fn with_tabs(line: &str) -> std::borrow::Cow<'_, str> {
    match line.contains('\t') {
        true => line.replace('\t', TAB).into(),
        false => line.into(),
    }
}

fn write_part(out: &mut Page, part: &Part, of: &str, indent: &str) {
    line!(out, "{indent}{of} {}", part.name);
    for (mark, side) in [('-', &part.left), ('+', &part.right)] {
        if let Some(words) = side {
            line!(out, "{indent}  {mark} {words}");
        }
    }
    if let Some(inside) = &part.inside {
        write_inside(out, inside, &format!("{indent}  "));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tab_is_seen_and_is_no_escape() {
        let lines = vec!["-\tmake\u{1b}".to_owned(), "+    make".to_owned()];
        let inside = Inside::Lines { lines, more: false, only_times: false };
        let mut out = Page::default();
        write_inside(&mut out, &inside, "");
        assert_eq!(out.as_str(), "| -⇥make\\u{1b}\n| +    make\n");
    }
}
