//! The input as the engine holds it.
//!
//! Turns whatever is written as an input is into a value of regorus, with the settings in the place of its own, no larger than
//! `limits.policyBytes`. It is made at once and not of its text: writing and reading that took longer than all rules together. Bytes are
//! counted as its text has them.

mod value;

use serde::Serialize;
use serde_json::{Map, Value};

use super::{PolicyError, input::Saved};
use crate::limits::{self, Limits};
use value::{Failed, Made};

pub(super) use value::Lists;

/// Settings as the engine holds them.
pub(super) struct Settings {
    value: regorus::Value,
    bytes: u64,
}

impl Settings {
    /// Reads them once for all inputs.
    pub(super) fn of(settings: &Map<String, Value>) -> Result<Self, PolicyError> {
        let mut made = Made::new(Lists::Whole, u64::MAX);
        let value = made.root(settings).map_err(|e| failed(&e))?;
        Ok(Self { value, bytes: made.found })
    }
}

fn failed(why: &dyn std::fmt::Display) -> PolicyError {
    PolicyError::Evaluate { why: why.to_string() }
}

/// An input as rules see it, with the index that it was saved without.
pub(super) fn with_settings(
    input: &impl Serialize,
    settings: &Settings,
    lists: Lists,
    saved: Option<&Saved<'_>>,
    limits: &Limits,
) -> Result<regorus::Value, PolicyError> {
    let mut made = Made::new(lists, limits.policy_bytes);
    made.found = settings.bytes;
    let written = made.root(input).and_then(|mut value| {
        if let Some(saved) = saved {
            complete(&mut made, &mut value, saved)?;
        }
        Ok(value)
    });
    let mut value = match written {
        Ok(value) => value,
        Err(Failed::TooLarge) => return Err(too_large(input, settings, limits)),
        Err(other) => return Err(failed(&other)),
    };
    let object = value.as_object_mut().map_err(|e| failed(&e))?;
    object.insert("settings".into(), settings.value.clone());
    Ok(value)
}

/// Puts the index where `hallmark policy input` writes it.
fn complete(made: &mut Made, input: &mut regorus::Value, saved: &Saved<'_>) -> Result<(), Failed> {
    let (index, names) = (regorus::Value::from("index"), regorus::Value::from("names"));
    let input = input.as_object_mut()?;
    if let Some(inventory) = input.get_mut(&"inventory".into()) {
        inventory.as_object_mut()?.insert(index, made.part(&saved.index)?);
    }
    if let Some(sboms) = input.get_mut(&"sboms".into()) {
        for (sbom, listed) in sboms.as_array_mut()?.iter_mut().zip(&saved.names) {
            sbom.as_object_mut()?.insert(names.clone(), made.part(listed)?);
        }
    }
    Ok(())
}

/// What is said of an input that is too large: its bytes are counted to the end.
fn too_large(input: &impl Serialize, settings: &Settings, limits: &Limits) -> PolicyError {
    let mut counted = Counted(0);
    if let Err(e) = serde_json::to_writer(&mut counted, input) {
        return failed(&e);
    }
    // The settings take the place of "{}" in an input that has none of its own.
    let found = counted.0.saturating_add(settings.bytes).saturating_sub("{}".len() as u64);
    let what = format!("the policy input ({})", limits::key("policy_bytes"));
    PolicyError::TooLarge { what, found, limit: limits.policy_bytes }
}

/// A writer that counts.
struct Counted(u64);

impl std::io::Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 = self.0.saturating_add(bytes.len() as u64);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn c77_rules_see_names_and_paths_as_they_are() {
        let token = format!("glpat-{}", "q7Zk2mPwX9vL4tRb8NcY");
        // Two of them fall together where they are shown, and no list of the operator's would tell one from the other.
        let other = format!("glpat-{}", "A7Zk2mPwX9vL4tRb8NcY");
        let input = json!({
            "contents": {"files": {"strays": [{"path": format!("/usr/bin/{token}"), "mode": 493}]}},
            "inventory": {
                "packages": [{"name": "evil", "version": format!("3.3.6+{token}"), "path": "/lib/apk/db/installed"}],
                "index": {"names": {(format!("pkg:npm/%40{token}/")): ["evil"], (format!("pkg:npm/%40{other}/")): ["ok"]}},
            },
        });
        let settings = Settings::of(&Map::new()).unwrap();
        let seen =
            with_settings(&input, &settings, Lists::Whole, None, &Limits::default()).unwrap();
        let mut want = input;
        want["settings"] = json!({});
        assert_eq!(serde_json::to_value(&seen).unwrap(), want);
    }
}
