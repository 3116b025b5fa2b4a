//! Settings for rules, wherever they are written.

use super::{
    ConfigError, KeyPath, Step,
    reader::{Reader, want},
};
use crate::{json::numbers, policy::settings::typed};

/// The settings that are written at a key; none where nothing is.
pub(super) fn settings(
    reader: &Reader<'_>,
    key: &KeyPath,
    raw: Option<yaml_serde::Value>,
) -> Result<serde_json::Map<String, serde_json::Value>, ConfigError> {
    let Some(raw) = raw else { return Ok(serde_json::Map::new()) };
    let document = reader.plain(key, &raw)?;
    if let Some(number) = numbers::inexact_of(reader.text, &document) {
        let complaint =
            want("numbers that 64 bits hold exactly", "write it as a text, or with fewer digits");
        return Err(reader.refuse(key.clone(), number, complaint));
    }
    let map = match document {
        serde_json::Value::Object(map) => map,
        other => {
            let complaint = want(
                "a mapping of names to values",
                format!("{} lists those of the shipped rules", page!("policy")),
            );
            return Err(reader.refuse(key.clone(), other, complaint));
        }
    };
    typed(&map).map_err(|error| {
        let mut at = key.clone();
        at.0.extend(error.path.into_iter().map(Step::Key));
        at.0.extend(error.item.map(Step::Item));
        reader.refuse(at, error.found, want(error.expected, error.help))
    })?;
    Ok(map)
}
