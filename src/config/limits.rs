//! `limits`: every row of [`Limits::TABLE`] under its name there, in camel case.

use std::{collections::BTreeMap, time::Duration};

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    ConfigError,
    error::key,
    reader::{Reader, want},
    units,
};
use crate::{
    limits::{Limit, Limits, Unit},
    policy::nearest::did_you_mean,
};

/// The section as it is written: names and values of any kind.
#[derive(Debug, Default, Deserialize, JsonSchema)]
pub(super) struct Raw(
    #[schemars(with = "BTreeMap<String, serde_json::Value>")] yaml_serde::Mapping,
);

/// What `limits` says.
pub(super) fn limits(reader: &Reader<'_>, raw: &Raw) -> Result<Limits, ConfigError> {
    let mut limits = Limits::default();
    for (name, value) in &raw.0 {
        let name = name.as_str().unwrap_or("(a key that is no text)");
        let Some(limit) = Limits::TABLE.iter().find(|limit| self::name(limit) == name) else {
            let known: Vec<_> = Limits::TABLE.iter().map(self::name).collect();
            let question = did_you_mean(name, known.iter().map(String::as_str));
            let page = page!("configuration");
            let help = format!("{question}{page} lists every limit");
            return Err(reader.refuse(
                key!["limits", name],
                name,
                want("the name of a limit", help),
            ));
        };
        set(&mut limits, limit, value).map_err(|expected| {
            let found = match yaml_serde::to_string(value) {
                Ok(text) => text.trim_end().to_owned(),
                Err(_) => "something else".to_owned(),
            };
            let complaint = want(expected, "leave the key out for the default");
            reader.refuse(key!["limits", name], found, complaint)
        })?;
    }
    Ok(limits)
}

/// Name of a limit below `limits`.
fn name(limit: &Limit) -> String {
    limit.key().trim_start_matches("limits.").to_owned()
}

/// Sets a limit, or says what is expected of it.
fn set(limits: &mut Limits, limit: &Limit, value: &yaml_serde::Value) -> Result<(), String> {
    let amount = read(limit.unit, value).ok_or_else(|| match limit.unit {
        Unit::Bytes => units::BYTES.to_owned(),
        Unit::Count => "a whole number above 0".to_owned(),
        Unit::Time => units::DURATION.to_owned(),
    })?;
    let (least, most) = limit.range;
    let range = |_| format!("from {} to {}", show(limit.unit, least), show(limit.unit, most));
    limit.put(limits, amount).map_err(range)
}

/// An amount above 0 in its unit.
fn read(unit: Unit, value: &yaml_serde::Value) -> Option<u64> {
    let amount = match (unit, value) {
        (Unit::Bytes, yaml_serde::Value::String(text)) => units::bytes(text),
        (Unit::Bytes | Unit::Count, number) => number.as_u64(),
        (Unit::Time, text) => text
            .as_str()
            .and_then(units::duration)
            .and_then(|time| time.as_millis().try_into().ok()),
    };
    amount.filter(|amount| *amount > 0)
}

/// An amount as the file has it.
fn show(unit: Unit, amount: u64) -> String {
    match unit {
        Unit::Bytes => units::show_bytes(amount),
        Unit::Count => amount.to_string(),
        Unit::Time => units::show_duration(Duration::from_millis(amount)),
    }
}

/// Key, default and most of every limit as the file has them; the most where the row itself says it.
#[cfg(test)]
pub(super) fn table() -> Vec<(String, String, Option<String>)> {
    let row = |limit: &Limit| {
        let most = limit.own_range.then(|| show(limit.unit, limit.range.1));
        (name(limit), show(limit.unit, limit.of(&Limits::default())), most)
    };
    Limits::TABLE.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn yaml(text: &str) -> yaml_serde::Value {
        yaml_serde::from_str(text).expect("YAML")
    }

    #[test]
    fn every_limit_reads_back_what_it_shows_and_refuses_nonsense() {
        let defaults = Limits::default();
        for limit in Limits::TABLE {
            let shown = show(limit.unit, limit.of(&defaults));
            let mut limits = Limits::default();
            assert_eq!(set(&mut limits, limit, &yaml(&shown)), Ok(()), "{}: {shown}", limit.field);
            assert_eq!(limits, defaults, "{}", limit.field);
            for nonsense in ["0", "-1", "[]", "null", "soon", "true", "0s", "1us", "0B"] {
                let refused = set(&mut limits, limit, &yaml(nonsense));
                assert!(refused.is_err(), "{}: {nonsense}", limit.field);
            }
            assert_eq!(limits, defaults, "{}: a refused value changed it", limit.field);
        }
    }

    #[test]
    fn a_value_lands_in_its_own_field_and_in_its_range() {
        let find = |name: &str| {
            Limits::TABLE.iter().find(|limit| self::name(limit) == name).expect("a limit")
        };
        let mut limits = Limits::default();
        for (name, text) in [("layerBytes", "1GiB"), ("rebuild", "5m"), ("attempts", "2")] {
            set(&mut limits, find(name), &yaml(text)).expect(name);
        }
        let want = Limits {
            layer_bytes: 1 << 30,
            rebuild: Duration::from_secs(300),
            attempts: 2,
            ..Limits::default()
        };
        assert_eq!(limits, want);
        let beyond = [
            ("attempts", "101", "from 1 to 100"),
            ("indexDepth", "65", "from 1 to 64"),
            ("layers", "4294967296", "from 1 to 4294967295"),
            ("layerBytes", "1048577TiB", "from 1B to 1048576TiB"),
            ("rebuild", "721h", "from 1ms to 720h"),
        ];
        for (name, text, expected) in beyond {
            let refused = set(&mut limits, find(name), &yaml(text));
            assert_eq!(refused, Err(expected.to_owned()), "{name}: {text}");
        }
        assert_eq!(limits, want);
    }
}
