//! Data files of policies: JSON, and the YAML that all readers understand alike.

use super::PolicyError;
use crate::json::yaml;

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
    read.map_err(|why| PolicyError::Data { file: file.to_owned(), why })
}

/// Data in YAML that every reader of YAML understands alike.
fn plain_data<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, String> {
    let document = yaml_serde::from_str(text).map_err(|e| e.to_string())?;
    let document = yaml::plain(&document, yaml::Form::Data).map_err(|e| e.to_string())?;
    serde_json::from_value(document).map_err(|e| e.to_string())
}
