//! Shipped rules that decide nothing, for want of a setting.
//!
//! Turns the rules that are loaded, and the settings in force, into [`Idle`] ones. A rule that was asked for by name, or that has
//! data of its own, and decides nothing, looks like protection: reports and `hallmark config check` say so, and what to write.

use serde_json::{Map, Value};

use crate::finding::{Code, Finding, Key, Subject};

/// Rules that decide nothing where none of these settings is written: the section, the names, and a value to begin with.
const NEEDING: [(&str, &str, &[&str], &str); 1] =
    [("vulnerabilities", "vulnerabilities", &["deny"], "high")];

/// A rule that decides nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idle {
    /// Its name among those that ship.
    pub rule: &'static str,
    /// The settings of which one would make it decide: `policy.settings.vulnerabilities.deny`.
    pub settings: Vec<String>,
    /// What to begin with.
    pub example: String,
    /// Whether the operator asked for it: by its name, or with data that nothing else reads.
    pub asked: bool,
}

impl Idle {
    /// The loaded rules that decide nothing by these settings, the preset's among them, and by the operator's `own`, in which `off` is an
    /// answer; `asked` are those that were asked for.
    pub(super) fn among(
        is_loaded: impl Fn(&str) -> bool,
        in_force: &Map<String, Value>,
        own: &Map<String, Value>,
        asked: &[&str],
    ) -> Vec<Self> {
        let idle = NEEDING.iter().filter_map(|(rule, section, names, first_value)| {
            let value = |of: &Map<String, Value>, name: &str| {
                let found = of.get(*section).and_then(|section| section.get(name));
                found.filter(|value| value.as_array().is_none_or(|all| !all.is_empty())).cloned()
            };
            let is_set = |name: &&str| {
                value(own, name).is_some() || value(in_force, name).is_some_and(|set| set != "off")
            };
            if !is_loaded(rule) || names.iter().any(is_set) {
                return None;
            }
            let full = |name: &&str| format!("policy.settings.{section}.{name}");
            let settings: Vec<String> = names.iter().map(full).collect();
            let first = names.first().copied().unwrap_or_default();
            Some(Self {
                rule,
                settings,
                example: format!("policy: {{settings: {{{section}: {{{first}: {first_value}}}}}}}"),
                asked: asked.contains(rule),
            })
        });
        idle.collect()
    }

    /// Why it decides nothing.
    pub fn why(&self) -> String {
        match self.settings.as_slice() {
            [one] => format!("{one} is not set"),
            several => format!("none of {} is set", several.join(", ")),
        }
    }

    /// What to do.
    pub fn help(&self) -> String {
        format!("write, for example, {} into hallmark.yaml", self.example)
    }

    /// The finding that says it.
    pub(super) fn finding(&self) -> Finding {
        Finding::new(Code::PolicyRuleIdle, Subject::Operator(format!("rule {}", self.rule)))
            .with(Key::Why, self.why())
            .with(Key::Help, self.help())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_rule_without_its_setting_is_idle_and_one_that_was_turned_off_is_not() {
        let cases = [
            (json!({}), true),
            (json!({"vulnerabilities": {"graceDays": 3}}), true),
            (json!({"vulnerabilities": {"deny": "off"}}), false),
            (json!({"vulnerabilities": {"deny": "high"}}), false),
        ];
        for (own, want) in cases {
            let own = own.as_object().cloned().unwrap();
            for asked in [&["vulnerabilities"][..], &["files"]] {
                let idle = Idle::among(|rule| rule == "vulnerabilities", &own, &own, asked);
                assert_eq!(!idle.is_empty(), want, "{own:?}");
                assert!(idle.iter().all(|one| one.asked == (asked[0] == one.rule)), "{idle:?}");
            }
        }
        let idle = Idle::among(|_| true, &Map::new(), &Map::new(), &[]);
        assert_eq!(idle[0].why(), "policy.settings.vulnerabilities.deny is not set");
        assert!(idle[0].help().contains("{vulnerabilities: {deny: high}}"), "{}", idle[0].help());
        assert_eq!(Idle::among(|_| false, &Map::new(), &Map::new(), &[]), []);
    }
}
