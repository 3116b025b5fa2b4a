//! The input as the engine holds it.
//!
//! Turns whatever is written as an input is into a value of regorus, with the settings in the place of its own, no larger than
//! `limits.policyBytes`.

use serde::Serialize;
use serde_json::{Map, Value};

use super::PolicyError;
use crate::{
    contents::secrets::write_shown,
    limits::{self, Limits},
};

/// Text that is kept up to a limit, and counted beyond.
struct Bounded {
    text: Vec<u8>,
    limit: u64,
    found: u64,
}

impl std::io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.found = self.found.saturating_add(bytes.len() as u64);
        if self.found <= self.limit {
            self.text.extend_from_slice(bytes);
        } else {
            self.text = Vec::new();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// An input as rules see it. It goes through its text, which is bounded and held once: as values of serde's, the packages of a
/// large image take ten times as much, and keys of their own each.
pub(super) fn with_settings(
    input: &impl Serialize,
    settings: &Map<String, Value>,
    limits: &Limits,
) -> Result<regorus::Value, PolicyError> {
    let failed = |why: &dyn std::fmt::Display| PolicyError::Evaluate { why: why.to_string() };
    let limit = limits.policy_bytes;
    let own = serde_json::to_string(settings).map_err(|e| failed(&e))?;
    // They take the place of "{}" in an input that has none of its own.
    let more = (own.len() as u64).saturating_sub("{}".len() as u64);
    let mut bounded = Bounded { text: Vec::new(), limit, found: more };
    // Names and paths of the image may be secrets, and what a rule says of them is in every report.
    write_shown(&mut bounded, input).map_err(|e| failed(&e))?;
    let found = bounded.found;
    if found > limit {
        return Err(PolicyError::TooLarge {
            what: format!("the policy input ({})", limits::key("policy_bytes")),
            found,
            limit,
        });
    }
    let text = std::str::from_utf8(&bounded.text).map_err(|e| failed(&e))?;
    let mut value = regorus::Value::from_json_str(text).map_err(|e| failed(&e))?;
    drop(bounded);
    let own = regorus::Value::from_json_str(&own).map_err(|e| failed(&e))?;
    let object = value.as_object_mut().map_err(|e| failed(&e))?;
    object.insert(regorus::Value::from("settings"), own);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn c77_rules_see_no_secret_in_a_name_or_path() {
        let token = format!("glpat-{}", "q7Zk2mPwX9vL4tRb8NcY");
        let input = json!({
            "contents": {"files": {"strays": [{"path": format!("/usr/bin/{token}"), "mode": 493}]}},
            "inventory": {"packages": [{"name": token, "path": "/lib/apk/db/installed"}]},
        });
        let seen = with_settings(&input, &Map::new(), &Limits::default()).unwrap();
        let want = json!({
            "contents": {"files": {"strays": [{"path": "/usr/bin/[secret]", "mode": 493}]}},
            "inventory": {"packages": [{"name": "[secret]", "path": "/lib/apk/db/installed"}]},
            "settings": {},
        });
        assert_eq!(serde_json::to_value(&seen).unwrap(), want);
    }
}
