//! `glob.*`: patterns as OPA reads them (github.com/gobwas/glob), as regular expressions.
//!
//! `*` is any text without a separator, `**` any text, `?` one character that is no separator, `[a-z]` and `[!a-z]` one
//! range, `[abc]` and `[!abc]` one list, `{a,b}` alternatives; a backslash quotes. `[^a]` is a list of two characters.

use std::{iter::Peekable, str::Chars};

use anyhow::{Result, anyhow, bail};
use regex::Regex;
use regorus::Value;

use super::{kept::Kept, text};

static KEPT: Kept = Kept::new();

/// Deepest nesting of alternatives.
const MAX_DEPTH: usize = 16;

pub(super) fn matches(given: &[Value]) -> Result<Value> {
    let separators = match given.get(1) {
        Some(Value::Null) => Vec::new(),
        Some(Value::Array(list)) if list.is_empty() => vec!['.'],
        Some(Value::Array(list)) => list.iter().map(separator).collect::<Result<_>>()?,
        _ => bail!("the separators are a list of characters, or null"),
    };
    let pattern = text(given, 0)?;
    let compile = || {
        let expression = translate(pattern, &separators);
        let expression = expression.map_err(|why| anyhow!("pattern {pattern:?}: {why}"))?;
        Regex::new(&expression).map_err(|_| anyhow!("pattern {pattern:?} is too large"))
    };
    // How many there are says where the pattern begins.
    let mut name = format!("{} ", separators.len());
    name.extend(&separators);
    name.push_str(pattern);
    let compiled = KEPT.get(&name, compile)?;
    Ok(Value::from(compiled.is_match(text(given, 2)?)))
}

fn separator(value: &Value) -> Result<char> {
    let text = value.as_string()?;
    let mut characters = text.chars();
    match (characters.next(), characters.next()) {
        (Some(one), None) => Ok(one),
        _ => bail!("separators are single characters"),
    }
}

pub(super) fn quote_meta(given: &[Value]) -> Result<Value> {
    let mut quoted = String::new();
    for c in text(given, 0)?.chars() {
        if matches!(c, '*' | '?' | '\\' | '[' | ']' | '{' | '}') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    Ok(Value::from(quoted))
}

/// The regular expression that a pattern means.
///
/// # Errors
/// Why it means nothing.
pub(super) fn translate(pattern: &str, separators: &[char]) -> Result<String, &'static str> {
    let none: String = separators.iter().map(|c| one(*c)).collect();
    let other = if none.is_empty() { ".".to_owned() } else { format!("[^{none}]") };
    let mut out = String::from("(?s)^");
    let mut depth = 0;
    let mut rest = pattern.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '*' if rest.next_if_eq(&'*').is_some() => out.push_str(".*"),
            '*' => {
                out.push_str(&other);
                out.push('*');
            }
            '?' => out.push_str(&other),
            '[' => class(&mut rest, &mut out)?,
            '{' if depth < MAX_DEPTH => {
                depth += 1;
                out.push_str("(?:");
            }
            '{' => return Err("alternatives inside alternatives go too deep"),
            ',' if depth > 0 => out.push('|'),
            '}' if depth > 0 => {
                depth -= 1;
                out.push(')');
            }
            '\\' => match rest.next() {
                Some(quoted) => out.push_str(&one(quoted)),
                None => return Err("a backslash at its end"),
            },
            c => out.push_str(&one(c)),
        }
    }
    if depth > 0 {
        return Err("alternatives without their end");
    }
    out.push('$');
    Ok(out)
}

fn one(c: char) -> String {
    format!(r"\x{{{:X}}}", u32::from(c))
}

/// What follows `[`: one range, or a list of characters.
fn class(rest: &mut Peekable<Chars<'_>>, out: &mut String) -> Result<(), &'static str> {
    const OPEN: &str = "a list of characters without its end";
    out.push('[');
    if rest.next_if_eq(&'!').is_some() {
        out.push('^');
    }
    let low = rest.next().ok_or(OPEN)?;
    if rest.next_if_eq(&'-').is_some() {
        let high = rest.next().ok_or(OPEN)?;
        if rest.next() != Some(']') {
            return Err("brackets hold one range, or a list of characters; write {[a-z],[0-9]}");
        }
        if high <= low {
            return Err("a range of characters runs backwards");
        }
        out.push_str(&format!("{}-{}]", one(low), one(high)));
        return Ok(());
    }
    let mut next = Some(low);
    let mut empty = true;
    loop {
        match next.ok_or(OPEN)? {
            ']' if empty => return Err("a list of no characters"),
            ']' => break,
            '\\' => out.push_str(&one(rest.next().ok_or(OPEN)?)),
            c => out.push_str(&one(c)),
        }
        empty = false;
        next = rest.next();
    }
    out.push(']');
    Ok(())
}
