//! Texts, numbers and JSON.

use std::fmt::Write as _;

use anyhow::{Result, anyhow, bail};
use regorus::Value;

use super::{is_float, text};
use crate::json::numbers;

/// Members, or characters of a text.
pub(super) fn count(given: &[Value]) -> Result<Value> {
    let members = match given.first() {
        Some(Value::String(text)) => text.chars().count(),
        Some(Value::Array(list)) => list.len(),
        Some(Value::Set(set)) => set.len(),
        Some(Value::Object(object)) => object.len(),
        _ => bail!("only texts, lists, sets and objects can be counted"),
    };
    Ok(Value::from(members))
}

/// Go maps each character to one other, whatever stands beside it.
pub(super) fn lower(given: &[Value]) -> Result<Value> {
    let lower = |c: char| match c {
        'İ' => 'i',
        c => only(c.to_lowercase()).unwrap_or(c),
    };
    Ok(Value::from(text(given, 0)?.chars().map(lower).collect::<String>()))
}

pub(super) fn upper(given: &[Value]) -> Result<Value> {
    Ok(Value::from(text(given, 0)?.chars().map(upper_of).collect::<String>()))
}

/// Greek letters with an iota below have one capital letter, and two in the full mapping.
fn upper_of(c: char) -> char {
    match c {
        '\u{1f80}'..='\u{1f87}' | '\u{1f90}'..='\u{1f97}' | '\u{1fa0}'..='\u{1fa7}' => {
            char::from_u32(u32::from(c) + 8).unwrap_or(c)
        }
        '\u{1fb3}' | '\u{1fc3}' | '\u{1ff3}' => char::from_u32(u32::from(c) + 9).unwrap_or(c),
        c => only(c.to_uppercase()).unwrap_or(c),
    }
}

fn only(mut characters: impl Iterator<Item = char>) -> Option<char> {
    let first = characters.next()?;
    characters.next().is_none().then_some(first)
}

/// Where a text begins in another, in characters; -1 where it does not. Looking for nothing is an error.
pub(super) fn indexof(given: &[Value]) -> Result<Value> {
    let (whole, part) = (text(given, 0)?, text(given, 1)?);
    if part.is_empty() {
        bail!("there is nothing to look for");
    }
    let before = whole.find(part).and_then(|at| whole.get(..at));
    let at = before.and_then(|before| i64::try_from(before.chars().count()).ok());
    Ok(Value::from(at.unwrap_or(-1)))
}

/// How often a text is in another, none overlapping.
pub(super) fn occurrences(given: &[Value]) -> Result<Value> {
    Ok(Value::from(text(given, 0)?.matches(text(given, 1)?).count()))
}

/// Sorted members. Sets and objects are in another order here than in OPA.
pub(super) fn sort(given: &[Value]) -> Result<Value> {
    let mut members: Vec<Value> = match given.first() {
        Some(Value::Array(list)) => list.iter().cloned().collect(),
        Some(Value::Set(set)) => set.iter().cloned().collect(),
        _ => bail!("only lists and sets can be sorted"),
    };
    if members.iter().any(|m| matches!(m, Value::Set(_) | Value::Object(_))) {
        bail!("sets and objects have no order that all engines share");
    }
    members.sort();
    Ok(members.into())
}

/// Go's `url.QueryEscape`.
pub(super) fn url_encode(given: &[Value]) -> Result<Value> {
    let mut out = String::new();
    for byte in text(given, 0)?.bytes() {
        match byte {
            b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            byte if byte.is_ascii_alphanumeric() => out.push(char::from(byte)),
            byte => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    Ok(Value::from(out))
}

/// Go's `url.QueryUnescape`.
pub(super) fn url_decode(given: &[Value]) -> Result<Value> {
    let mut out = Vec::new();
    let mut bytes = text(given, 0)?.bytes();
    let digit = |byte: Option<u8>| byte.and_then(|b| char::from(b).to_digit(16));
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => match (digit(bytes.next()), digit(bytes.next())) {
                (Some(high), Some(low)) => u8::try_from(high * 16 + low)?,
                _ => bail!("an escape is % and two hexadecimal digits"),
            },
            byte => byte,
        });
    }
    Ok(Value::from(String::from_utf8(out)?))
}

/// A number as JSON writes it; Go takes more than OPA can write down again.
pub(super) fn to_number(given: &[Value]) -> Result<Value> {
    match given.first() {
        Some(Value::Null | Value::Bool(false)) => Ok(Value::from(0_u64)),
        Some(Value::Bool(true)) => Ok(Value::from(1_u64)),
        Some(number @ Value::Number(_)) => Ok(number.clone()),
        Some(Value::String(text)) => {
            let plain = !text.starts_with(|c: char| c.is_ascii_whitespace())
                && text.ends_with(|c: char| c.is_ascii_digit());
            match Value::from_json_str(text) {
                Ok(number @ Value::Number(_)) if plain && numbers::is_exact(text) => Ok(number),
                Ok(Value::Number(_)) if plain => bail!("{text} is not held exactly by 64 bits"),
                _ => bail!("{text:?} is no number as JSON writes it"),
            }
        }
        _ => bail!("only texts, truth values, numbers and null are numbers"),
    }
}

/// Semantic version 2.0.0, with or without a `v` before it.
fn version(text: &str) -> Option<semver::Version> {
    semver::Version::parse(text.strip_prefix('v').unwrap_or(text)).ok()
}

pub(super) fn semver_is_valid(given: &[Value]) -> Result<Value> {
    Ok(Value::from(matches!(given, [Value::String(text)] if version(text).is_some())))
}

pub(super) fn semver_compare(given: &[Value]) -> Result<Value> {
    let read = |position| {
        let text = text(given, position)?;
        version(text).ok_or_else(|| anyhow!("{text:?} is no semantic version"))
    };
    let order = read(0)?.cmp_precedence(&read(1)?);
    Ok(Value::from(order as i64))
}

/// JSON as Go writes it: sorted keys, no blanks, and nothing that HTML would take for its own.
pub(super) fn marshal(given: &[Value]) -> Result<Value> {
    let value = given.first().ok_or_else(|| anyhow!("there is nothing to write"))?;
    if has_float(value) {
        bail!(
            "numbers with a point are written in more than one way; multiply or round them first"
        );
    }
    let value = serde_json::to_value(value)?;
    let mut escaped = String::new();
    for c in value.to_string().chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(escaped, "\\u{:04x}", u32::from(c));
            }
            c => escaped.push(c),
        }
    }
    Ok(Value::from(escaped))
}

fn has_float(value: &Value) -> bool {
    match value {
        Value::Number(_) => is_float(value),
        Value::Array(list) => list.iter().any(has_float),
        Value::Set(set) => set.iter().any(has_float),
        Value::Object(object) => {
            object.iter().any(|(key, value)| has_float(key) || has_float(value))
        }
        _ => false,
    }
}

/// Each place of a text is replaced once, by the first of the sorted keys that is there, as Go's `strings.Replacer` does.
pub(super) fn replace_all(given: &[Value]) -> Result<Value> {
    let Some(Value::Object(object)) = given.first() else { bail!("argument 1 is no object") };
    let mut pairs = std::collections::BTreeMap::new();
    for (old, new) in object.iter() {
        match (old, new) {
            (Value::String(old), Value::String(_)) if old.is_empty() => {
                bail!("there is nothing to look for");
            }
            (Value::String(old), Value::String(new)) => {
                pairs.insert(old.to_string(), new.to_string())
            }
            _ => bail!("old and new are texts"),
        };
    }
    let mut rest = text(given, 1)?;
    let mut out = String::new();
    while let Some(c) = rest.chars().next() {
        let found =
            pairs.iter().find_map(|(old, new)| Some((rest.strip_prefix(old.as_str())?, new)));
        match found {
            Some((behind, new)) => {
                out.push_str(new);
                rest = behind;
            }
            None => {
                out.push(c);
                rest = rest.get(c.len_utf8()..).unwrap_or_default();
            }
        }
    }
    Ok(Value::from(out))
}

/// One part of a format.
enum Part {
    Text(char),
    Verb(char),
}

/// The parts of a format of `sprintf`: `%s`, `%d`, `%v`, `%q`, `%x` and `%%`.
///
/// # Errors
/// Another verb, or one with a width.
fn parts(format: &str) -> Result<Vec<Part>, &'static str> {
    let mut parts = Vec::new();
    let mut rest = format.chars();
    while let Some(c) = rest.next() {
        parts.push(match c {
            '%' => match rest.next() {
                Some('%') => Part::Text('%'),
                Some(verb @ ('s' | 'd' | 'v' | 'q' | 'x')) => Part::Verb(verb),
                _ => return Err("a format has %s, %d, %v, %q, %x and %%, without width or flags"),
            },
            c => Part::Text(c),
        });
    }
    Ok(parts)
}

/// Whether a format has only what [`sprintf`] knows.
///
/// # Errors
/// Why not.
pub(super) fn verbs(format: &str) -> Result<(), &'static str> {
    parts(format).map(drop)
}

pub(super) fn sprintf(given: &[Value]) -> Result<Value> {
    let parts = parts(text(given, 0)?).map_err(|why| anyhow!(why))?;
    let values = given.get(1).ok_or_else(|| anyhow!("there are no values"))?.as_array()?;
    let mut values = values.iter();
    let mut out = String::new();
    for part in parts {
        match part {
            Part::Text(c) => out.push(c),
            Part::Verb(verb) => {
                let value = values
                    .next()
                    .ok_or_else(|| anyhow!("the format has more verbs than values"))?;
                shown(&mut out, verb, value)?;
            }
        }
    }
    if values.next().is_some() {
        bail!("the format has fewer verbs than values");
    }
    Ok(Value::from(out))
}

/// A value as a verb shows it. What Go would mark as an error inside the text is an error.
fn shown(out: &mut String, verb: char, value: &Value) -> Result<()> {
    match (verb, value) {
        ('s' | 'v', Value::String(text)) => out.push_str(text),
        ('q', Value::String(text)) => quote(out, text),
        ('x', Value::String(text)) => text.bytes().for_each(|byte| {
            let _ = write!(out, "{byte:02x}");
        }),
        ('v', Value::Number(_)) if is_float(value) => fraction(out, value)?,
        ('d' | 'v', Value::Number(number)) if number.is_integer() && !is_float(value) => {
            out.push_str(&number.format_decimal());
        }
        ('x', Value::Number(number)) if number.is_integer() && !is_float(value) => {
            let number = number.as_i64().ok_or_else(|| anyhow!("%x shows numbers of 64 bits"))?;
            let sign = if number < 0 { "-" } else { "" };
            let _ = write!(out, "{sign}{:x}", number.unsigned_abs());
        }
        ('s' | 'v', Value::Null | Value::Bool(_)) => term(out, value)?,
        ('s' | 'v', Value::Array(_) | Value::Set(_) | Value::Object(_)) => term(out, value)?,
        (verb, _) => bail!("%{verb} does not show such a value; %v does"),
    }
    Ok(())
}

/// Numbers that every writer writes alike: a few digits before and after the point. Go writes a million with an exponent.
fn fraction(out: &mut String, value: &Value) -> Result<()> {
    let number = value.as_f64()?;
    let text = number.to_string();
    if number.abs() >= 1e6 || (number != 0.0 && number.abs() < 1e-4) || text.len() > 17 {
        bail!("{text} is written in more than one way; round it first");
    }
    out.push_str(&text);
    Ok(())
}

/// A value as Rego writes it.
fn term(out: &mut String, value: &Value) -> Result<()> {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(it) => out.push_str(if *it { "true" } else { "false" }),
        Value::String(text) => quote(out, text),
        // Inside of others OPA shows a number as it was written.
        Value::Number(number) if number.is_integer() && is_float(value) => {
            bail!("a whole number with a point is written in more than one way; round it first")
        }
        Value::Number(number) if number.is_integer() => out.push_str(&number.format_decimal()),
        Value::Number(_) => fraction(out, value)?,
        Value::Array(list) => members(out, ('[', ']'), list.iter())?,
        Value::Set(set) if set.is_empty() => out.push_str("set()"),
        Value::Set(set) => {
            let sorted: std::collections::BTreeSet<&Value> = set.iter().collect();
            members(out, ('{', '}'), sorted.into_iter())?;
        }
        Value::Object(object) => {
            out.push('{');
            let sorted: std::collections::BTreeMap<&Value, &Value> = object.iter().collect();
            for (position, (key, value)) in sorted.into_iter().enumerate() {
                if position > 0 {
                    out.push_str(", ");
                }
                term(out, key)?;
                out.push_str(": ");
                term(out, value)?;
            }
            out.push('}');
        }
        Value::Undefined => bail!("nothing can be shown of what is undefined"),
    }
    Ok(())
}

fn members<'a>(
    out: &mut String,
    (open, close): (char, char),
    values: impl Iterator<Item = &'a Value>,
) -> Result<()> {
    out.push(open);
    for (position, value) in values.enumerate() {
        if position > 0 {
            out.push_str(", ");
        }
        term(out, value)?;
    }
    out.push(close);
    Ok(())
}

/// Go's `strconv.Quote`.
fn quote(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        let _ = match c {
            '"' | '\\' => write!(out, "\\{c}"),
            '\x07' => write!(out, "\\a"),
            '\x08' => write!(out, "\\b"),
            '\x0C' => write!(out, "\\f"),
            '\n' => write!(out, "\\n"),
            '\r' => write!(out, "\\r"),
            '\t' => write!(out, "\\t"),
            '\x0B' => write!(out, "\\v"),
            ' ' => write!(out, " "),
            c if is_print(c) => write!(out, "{c}"),
            c if c.is_ascii() => write!(out, "\\x{:02x}", u32::from(c)),
            c if u32::from(c) < 0x1_0000 => write!(out, "\\u{:04x}", u32::from(c)),
            c => write!(out, "\\U{:08x}", u32::from(c)),
        };
    }
    out.push('"');
}

/// Go's `strconv.IsPrint`, as far as `char::escape_debug` knows: letters, marks, numbers, punctuation and symbols.
fn is_print(c: char) -> bool {
    // A mark is printable in Go; `escape_debug` escapes it at the start of a text only.
    let shown: String = format!("a{c}").escape_debug().collect();
    shown.chars().count() == 2 && !c.is_whitespace()
}
