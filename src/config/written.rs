//! What the file says, key by key, and what holds where it says nothing.

use yaml_serde::Value;

use super::{Config, KeyPath, Place, Step};

/// The tables of every key with its default; a test holds them against what is read.
const DOCUMENTED: &str = include_str!("../../docs/configuration.md");

/// A value that the file has.
#[derive(Debug, Clone)]
pub struct Written {
    /// Its key.
    pub key: KeyPath,
    /// The value.
    pub value: serde_json::Value,
    /// Where it is.
    pub place: Option<Place>,
}

impl Config {
    /// Every value of the file, in its order; nothing where there is no file.
    pub fn written(&self) -> Vec<Written> {
        let mut found = Vec::new();
        // What was read once is read again.
        if let Ok(document) = yaml_serde::from_str(&self.text) {
            gather(&document, &mut Vec::new(), &mut found);
        }
        let written = found.into_iter().map(|(steps, value)| {
            let key = KeyPath(steps);
            let place = self.place(&key);
            Written { key, value, place }
        });
        written.collect()
    }
}

fn gather(value: &Value, at: &mut Vec<Step>, found: &mut Vec<(Vec<Step>, serde_json::Value)>) {
    match value {
        Value::Mapping(map) if !map.is_empty() => {
            for (key, inner) in map {
                let Some(key) = key.as_str() else { continue };
                at.push(Step::Key(key.to_owned()));
                gather(inner, at, found);
                at.pop();
            }
        }
        // A list of plain values is one value; of others, each stands for itself.
        Value::Sequence(list)
            if list.iter().any(|item| item.is_mapping() || item.is_sequence()) =>
        {
            for (position, inner) in list.iter().enumerate() {
                at.push(Step::Item(position));
                gather(inner, at, found);
                at.pop();
            }
        }
        // A file that says nothing has no value.
        _ if at.is_empty() => {}
        _ => found.push((at.clone(), json(value))),
    }
}

fn json(value: &Value) -> serde_json::Value {
    serde_json::to_value(value).unwrap_or_default()
}

/// Each key that is read, by its name, with its default in words.
pub fn documented() -> impl Iterator<Item = (&'static str, &'static str)> {
    let rows = DOCUMENTED.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    rows.filter_map(|(key, rest)| Some((key, rest.split(" | ").next()?)))
}

/// Settings that hold where nothing is written, with their values.
pub fn defaults() -> impl Iterator<Item = (&'static str, &'static str)> {
    documented().filter(|(key, _)| !key.contains("[]")).filter_map(|(key, default)| {
        let value = default.strip_prefix('`')?.strip_suffix('`')?;
        Some((key, value))
    })
}
