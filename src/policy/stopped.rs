//! Where a test of policies stopped being true: for `hallmark policy test`.
//!
//! Turns a test that is not true into the expression at which it ended, with the values of both of its sides. The engine tells no
//! values: the line is the last one that it came by, and each side is asked again, behind the expressions that held. Where a side cannot
//! be asked by itself, there is a line and no value.

use std::fmt;

use regorus::Engine;

use super::{Bundle, engine};
use crate::{limits::Limits, untrusted::cut};

/// Bytes of one value that are told.
const VALUE_BYTES: usize = 400;
/// The rule that is asked for a side.
const PROBE: &str = "hallmark_probe";
/// What stands between two sides.
const OPERATORS: [&str; 7] = [" == ", " != ", " <= ", " >= ", " < ", " > ", " in "];

/// Where a test ended.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stopped {
    /// Line in the test's file, from 1.
    pub line: u32,
    /// The expression there.
    pub expression: String,
    /// Each side of it that could be asked, and its value; `None` where it is undefined.
    pub values: Vec<(String, Option<String>)>,
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.expression)
    }
}

/// A test that is looked into.
pub(super) struct Test<'t> {
    /// Its file.
    pub file: &'t str,
    /// Path of its package.
    pub package: &'t [String],
    /// Its name.
    pub name: &'t str,
    /// Its path, as it is asked for.
    pub ask: &'t str,
}

/// Where a test that is not true ended; `None` where the engine does not tell. `fresh` has evaluated nothing.
pub(super) fn stopped(
    fresh: &Engine,
    bundle: &Bundle,
    test: &Test<'_>,
    limits: &Limits,
) -> Option<Stopped> {
    let text = bundle.tests.get(test.file)?.text.as_str();
    let lines: Vec<&str> = text.lines().collect();
    let (first, last) = span(&lines, test.name)?;
    let mut engine = fresh.clone();
    engine.set_enable_coverage(true);
    engine::ask(&mut engine, test.ask, limits).ok()?;
    let report = engine.get_coverage_report().ok()?;
    let file = report.files.into_iter().find(|file| file.path == test.file)?;
    let here =
        |line: &u32| usize::try_from(*line).is_ok_and(|line| first < line && line <= last + 1);
    let line = file.covered.iter().copied().filter(here).max()?;
    let at = usize::try_from(line).ok()?.checked_sub(1)?;
    let written = lines.get(at)?.trim();
    // Of a rule in one line the body is what is asked.
    let expression = match at == first {
        true => written.split_once(" if ").map_or(written, |(_, body)| body),
        false => written,
    };
    let before = lines.get(first + 1..at).unwrap_or_default();
    let mut values = Vec::new();
    for side in sides(expression) {
        let probe = probe(&lines, &side, before);
        if let Some(value) = asked(fresh, test.package, &probe, limits) {
            values.push((side.text.to_owned(), value));
        }
    }
    Some(Stopped { line, expression: expression.to_owned(), values })
}

/// The first and the last line of a rule, from 0.
fn span(lines: &[&str], name: &str) -> Option<(usize, usize)> {
    let begins = |line: &&str| {
        let rest = line.strip_prefix(name);
        rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_'))
    };
    let first = lines.iter().position(begins)?;
    if !lines.get(first)?.trim_end().ends_with('{') {
        return Some((first, first));
    }
    let length = lines.get(first..)?.iter().position(|line| line.trim_end() == "}")?;
    Some((first, first + length))
}

/// One side of an expression.
struct Side<'e> {
    text: &'e str,
    /// What is put in the place of the input and of data, from ` with ` on.
    with: &'e str,
}

/// The sides of an expression; one that compares nothing is asked whole.
fn sides(expression: &str) -> Vec<Side<'_>> {
    let (compared, with) = match outside(expression, " with ") {
        Some(at) => expression.split_at(at),
        None => (expression, ""),
    };
    let compared = compared.trim().strip_prefix("not ").unwrap_or(compared.trim());
    let is_more = ["some ", "every "].iter().any(|word| compared.starts_with(word));
    if is_more || outside(compared, " := ").is_some() {
        return Vec::new();
    }
    let found =
        OPERATORS.iter().find_map(|operator| Some((outside(compared, operator)?, operator)));
    let texts = match found {
        Some((at, operator)) => {
            let (left, right) = compared.split_at(at);
            vec![left, right.strip_prefix(operator).unwrap_or(right)]
        }
        None => vec![compared],
    };
    texts.into_iter().map(|text| Side { text: text.trim(), with }).collect()
}

/// Where a word stands outside of brackets and texts.
fn outside(expression: &str, word: &str) -> Option<usize> {
    let (mut depth, mut quote, mut escaped) = (0_u32, None, false);
    for (at, c) in expression.char_indices() {
        let is_here = depth == 0 && quote.is_none();
        if is_here && expression.get(at..).is_some_and(|rest| rest.starts_with(word)) {
            return Some(at);
        }
        match (c, quote) {
            (_, Some('"')) if escaped => escaped = false,
            ('\\', Some('"')) => escaped = true,
            (c, Some(end)) if c == end => quote = None,
            (_, Some(_)) => {}
            ('"' | '`', None) => quote = Some(c),
            ('(' | '[' | '{', None) => depth += 1,
            (')' | ']' | '}', None) => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

/// A module of the test's own package that asks for a side, behind what held before it.
fn probe(lines: &[&str], side: &Side<'_>, before: &[&str]) -> String {
    let is_head = |line: &&&str| ["package ", "import "].iter().any(|word| line.starts_with(word));
    let head: Vec<&str> = lines.iter().filter(is_head).copied().collect();
    let Side { text, with } = side;
    let (head, before) = (head.join("\n"), before.join("\n"));
    format!(
        "{head}\n\n{PROBE} := {PROBE}_value if {{\n{before}\n\t{PROBE}_value := {text}{with}\n}}\n"
    )
}

/// What the probe gives: `None` where it cannot be asked, and of what is undefined no value.
fn asked(
    fresh: &Engine,
    package: &[String],
    probe: &str,
    limits: &Limits,
) -> Option<Option<String>> {
    let mut engine = fresh.clone();
    engine.add_policy("hallmark:probe".to_owned(), probe.to_owned()).ok()?;
    let path: String =
        package.iter().map(|part| format!("[{}]", serde_json::json!(part))).collect();
    match engine::ask(&mut engine, &format!("data{path}.{PROBE}"), limits).ok()? {
        regorus::Value::Undefined => Some(None),
        value => Some(Some(cut(serde_json::to_string(&value).ok()?, VALUE_BYTES))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_is_split_outside_of_brackets_and_texts() {
        let cases: [(&str, &[(&str, &str)]); 7] = [
            ("denied({}) == {\"a\"}", &[("denied({})", ""), ("{\"a\"}", "")]),
            (
                "deny == set() with input as {\"a\": 1}",
                &[("deny", " with input as {\"a\": 1}"), ("set()", " with input as {\"a\": 1}")],
            ),
            ("not a(\"x == y\")", &[("a(\"x == y\")", "")]),
            ("\"a\\\" == \" in b", &[("\"a\\\" == \"", ""), ("b", "")]),
            ("count(f(1 == 2)) > 1", &[("count(f(1 == 2))", ""), ("1", "")]),
            ("x := a == b", &[]),
            ("some x in y", &[]),
        ];
        for (expression, want) in cases {
            let found: Vec<(&str, &str)> =
                sides(expression).iter().map(|side| (side.text, side.with)).collect();
            assert_eq!(found, want, "{expression}");
        }
    }
}
