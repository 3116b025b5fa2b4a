//! `regex.*`: expressions of RE2, run by the crate `regex`.

use std::sync::Arc;

use anyhow::{Result, anyhow, bail};
use regex::{Captures, Regex, RegexBuilder};
use regorus::Value;

use super::{kept::Kept, pattern, text, whole};

/// Largest compiled expression, in bytes: more would take long to compile.
const MAX_BYTES: usize = 1 << 20;

static KEPT: Kept = Kept::new();

/// Compiles an expression as Go writes it.
///
/// # Errors
/// Why it cannot be.
pub(super) fn compile(go: &str) -> Result<Regex, &'static str> {
    let translated = pattern::translate(go)?;
    let compiled = RegexBuilder::new(&translated).size_limit(MAX_BYTES).build();
    compiled.map_err(|_| "it is no regular expression of RE2, or a very large one")
}

/// As [`compile`]; the expressions of a policy are few, and used for every image.
fn kept(go: &str) -> Result<Arc<Regex>> {
    KEPT.get(go, || compile(go).map_err(|why| anyhow!("regular expression {go:?}: {why}")))
}

pub(super) fn matches(given: &[Value]) -> Result<Value> {
    Ok(Value::from(kept(text(given, 0)?)?.is_match(text(given, 1)?)))
}

/// How many matches are asked for; -1 for all.
fn most(given: &[Value]) -> Result<usize> {
    Ok(usize::try_from(whole(given, 2)?).unwrap_or(usize::MAX))
}

pub(super) fn find(given: &[Value]) -> Result<Value> {
    let (expression, most) = (kept(text(given, 0)?)?, most(given)?);
    let found = expression.find_iter(text(given, 1)?).take(most);
    Ok(found.map(|found| Value::from(found.as_str())).collect::<Vec<_>>().into())
}

pub(super) fn find_all_submatches(given: &[Value]) -> Result<Value> {
    let (expression, most) = (kept(text(given, 0)?)?, most(given)?);
    let groups = |found: Captures<'_>| {
        let groups =
            found.iter().map(|group| Value::from(group.map_or("", |group| group.as_str())));
        Value::from(groups.collect::<Vec<_>>())
    };
    let found = expression.captures_iter(text(given, 1)?).take(most);
    Ok(found.map(groups).collect::<Vec<_>>().into())
}

/// `$1`, `$name` and `${name}` stand for groups, as in Go; names have ASCII letters, digits and underscores.
pub(super) fn replace(given: &[Value]) -> Result<Value> {
    let expression = kept(text(given, 1)?)?;
    let by = text(given, 2)?;
    if by.contains("${") && !by.is_ascii() {
        bail!("a replacement with groups has to be ASCII");
    }
    Ok(Value::from(expression.replace_all(text(given, 0)?, by).as_ref()))
}

/// Go's `regexp.Split`: an empty match at the very start and what would be empty behind the end are left out.
pub(super) fn split(given: &[Value]) -> Result<Value> {
    let (go, whole) = (text(given, 0)?, text(given, 1)?);
    let expression = kept(go)?;
    if !go.is_empty() && whole.is_empty() {
        return Ok(vec![Value::from("")].into());
    }
    let mut parts = Vec::new();
    let (mut begin, mut end) = (0, 0);
    for found in expression.find_iter(whole) {
        end = found.start();
        if found.end() != 0 {
            parts.push(Value::from(whole.get(begin..end).unwrap_or_default()));
        }
        begin = found.end();
    }
    if end != whole.len() {
        parts.push(Value::from(whole.get(begin..).unwrap_or_default()));
    }
    Ok(parts.into())
}
