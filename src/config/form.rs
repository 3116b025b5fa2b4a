//! The text of `hallmark.yaml` into the form of its sections: what is no YAML, ambiguous, unknown or missing is refused.

use std::path::Path;

use serde::de::DeserializeOwned;

use super::{
    ConfigError, KeyPath, Place,
    error::{Repeated, repeat},
    reader::Reader,
};
use crate::{policy::nearest::did_you_mean, saved::Access, untrusted::misleads};

/// The document in `text`, the content of `file`, as `T`.
pub(super) fn read<T: DeserializeOwned>(file: &Path, text: &str) -> Result<T, ConfigError> {
    let document: yaml_serde::Value =
        yaml_serde::from_str(text).map_err(|error| form(file, text, &error))?;
    // Of an empty file the reader says what is missing.
    if document != yaml_serde::Value::Null {
        Reader { file, text, files: &Access::Live }.plain(&KeyPath(Vec::new()), &document)?;
    }
    yaml_serde::from_str(text).map_err(|error| form(file, text, &error))
}

fn form(file: &Path, text: &str, error: &yaml_serde::Error) -> ConfigError {
    let at = error.location();
    // The reader appends the position to its message; the place says it already.
    let message = error.to_string();
    let why = match message.rsplit_once(" at line ") {
        Some((why, _)) => why,
        None => &message,
    };
    let position = at.map(|at| (at.line(), at.column()));
    // Of a key that is there twice the reader tells the place of the mapping.
    if let Some(Repeated { key, first, again }) =
        why.contains("duplicate").then(|| repeat(text)).flatten()
    {
        let first = first.map(|(line, _)| format!(", at line {line}")).unwrap_or_default();
        let why = format!("the key {key} is there already{first}: keep one of the two");
        let place = Place { file: file.to_owned(), position: Some(again) };
        return ConfigError::Form { place, why: why.replace(misleads, " ") };
    }
    ConfigError::Form {
        place: Place { file: file.to_owned(), position },
        why: in_words(why).replace(misleads, " "),
    }
}

/// What the reader expects, in words of YAML, and the key that may have been meant.
fn in_words(why: &str) -> String {
    if let Some((field, known)) = why.rsplit_once(", expected one of ")
        && let Some(written) = field.rsplit_once("unknown field ").map(|(_, name)| name)
    {
        let known = known.split('`').filter(|word| !word.is_empty() && !word.contains(','));
        let question = did_you_mean(written.trim_matches('`'), known);
        let separator = if question.is_empty() { "" } else { "; " };
        return format!("{why}{separator}{}", question.trim_end());
    }
    let Some((found, expected)) = why.rsplit_once(", expected ") else { return why.to_owned() };
    let expected = match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" | "i64" => "a whole number",
        "f64" => "a number",
        "a sequence" => "a list",
        "a map" | "a YAML mapping" => "a mapping of keys to values",
        other if other.starts_with("struct ") => "a mapping of keys to values",
        other => other,
    };
    let kinds = [("invalid type: map", "a mapping"), ("invalid type: sequence", "a list")];
    let kind = kinds.iter().find_map(|(theirs, ours)| {
        found.strip_suffix(theirs).map(|before| format!("{before}found {ours}"))
    });
    format!("{}, expected {expected}", kind.as_deref().unwrap_or(found))
}
