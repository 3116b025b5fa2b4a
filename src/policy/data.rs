//! Data files of policies: JSON, and the YAML that all readers understand alike.

use super::PolicyError;
use crate::json::{numbers, yaml};

/// Largest file of a bundle, in bytes; regorus has the same bound for rules.
pub const MAX_FILE_BYTES: usize = 1 << 20;

/// Reads JSON or YAML by the file's name.
pub(super) fn read_data<T: serde::de::DeserializeOwned>(
    file: &str,
    text: &str,
) -> Result<T, PolicyError> {
    let read = if file.ends_with(".json") {
        crate::json::from_slice(text.as_bytes(), MAX_FILE_BYTES).map_err(|e| e.to_string())
    } else if file.ends_with(".rego") {
        yaml_serde::from_str(text).map_err(|e| e.to_string())
    } else {
        plain_data(text)
    };
    let read = read.map_err(|why| PolicyError::Data { file: file.to_owned(), why })?;
    match numbers::inexact(text).filter(|_| file.ends_with(".json")) {
        Some(number) => {
            Err(PolicyError::Inexact { what: file.to_owned(), number: number.to_owned() })
        }
        None => Ok(read),
    }
}

/// Data in YAML that every reader of YAML understands alike.
fn plain_data<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, String> {
    let document = yaml_serde::from_str(text).map_err(|e| e.to_string())?;
    if let Some(tag) = yaml::tag(text) {
        return Err(format!(
            "the tag {tag}: readers differ in what it means; write the value without it, or put the text in quotes"
        ));
    }
    let document = yaml::plain(&document, yaml::Form::Data).map_err(|e| e.to_string())?;
    if let Some(number) = numbers::inexact_of(text, &document) {
        return Err(format!(
            "{number} is not held exactly by 64 bits; write it as a text, or with fewer digits"
        ));
    }
    serde_json::from_value(document).map_err(|e| e.to_string())
}
