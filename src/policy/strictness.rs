//! Which preset is stricter than another, and a bundle under a stricter one.
//!
//! A preset includes another one where it has all its rules, and none of its settings is weaker ([`WEAKER`]). That is no order of
//! all: `slsa-l3` and `reproducible` each ask for what the other does not. The operator's own settings go over either, so
//! that they make no difference between the two.

use serde_json::{Map, Value};

use super::{
    Bundle, PolicyError,
    bundle::{Preset, merge},
};

/// Settings of which one value is weaker than another: section, name, the weaker one and the stricter one, in JSON. No list of
/// builders denies every builder, and `**` none.
const WEAKER: [(&str, &str, &str, &str); 4] = [
    ("provenance", "builders", r#"["**"]"#, "[]"),
    ("sbom", "ghosts", r#""warn""#, r#""deny""#),
    ("sbom", "uncovered", r#""warn""#, r#""deny""#),
    ("vulnerabilities", "deny", r#""off""#, r#""high""#),
];

impl Preset {
    /// Whether whatever the other one denies is denied by this one, too.
    pub fn includes(&self, other: &Self) -> bool {
        let has_rules = other.rules.iter().all(|rule| self.rules.contains(rule));
        let has_settings = other.settings.iter().all(|(section, names)| {
            let none = Map::new();
            let own = self.settings.get(section).and_then(Value::as_object).unwrap_or(&none);
            let names = names.as_object().unwrap_or(&none);
            names.iter().all(|(name, weak)| {
                own.get(name).is_some_and(|own| is_as_strict(section, name, own, weak))
            })
        });
        has_rules && has_settings
    }
}

fn is_as_strict(section: &str, name: &str, own: &Value, other: &Value) -> bool {
    let weaker = |(in_section, of, weak, strict): &(&str, &str, &str, &str)| {
        let is = |value: &Value, text: &str| {
            serde_json::from_str::<Value>(text).is_ok_and(|known| known == *value)
        };
        *in_section == section && *of == name && is(other, weak) && is(own, strict)
    };
    own == other || WEAKER.iter().any(weaker)
}

impl Bundle {
    /// The same bundle with the rules of another preset beside its own, and that preset's settings in the place of those of its own
    /// preset. What the operator wrote goes over these as over the others. The preset has to include that of the bundle.
    ///
    /// # Errors
    /// [`PolicyError::UnknownPreset`].
    pub fn under(mut self, preset: &str) -> Result<Self, PolicyError> {
        let Self { rules, mut settings, .. } = Self::preset(preset)?;
        for (file, module) in rules {
            self.rules.entry(file).or_insert(module);
        }
        merge(&mut settings, self.written.clone());
        self.settings = settings;
        let asked: Vec<&str> = self.idle.iter().map(|rule| rule.rule).collect();
        let idle = self.idle(&asked).into_iter().filter(|rule| rule.asked).collect();
        Ok(self.saying(idle))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;

    #[test]
    fn presets_include_what_they_are_made_of() {
        let names: Vec<_> = Preset::names().collect();
        let preset = |name: &str| Preset::named(name).unwrap();
        let included = |name: &str| {
            let strict = preset(name);
            let below = names.iter().copied().filter(|other| strict.includes(&preset(other)));
            below.collect::<BTreeSet<_>>()
        };
        let want = [
            ("baseline", vec!["baseline"]),
            ("signed", vec!["baseline", "signed"]),
            ("slsa", vec!["baseline", "signed", "slsa"]),
            ("slsa-l2", vec!["baseline", "signed", "slsa", "slsa-l2"]),
            ("slsa-l3", vec!["baseline", "signed", "slsa", "slsa-l2", "slsa-l3"]),
            ("reproducible", vec!["baseline", "signed", "slsa", "reproducible"]),
            ("regulated", names.clone()),
        ];
        assert_eq!(want.len(), names.len(), "each preset has its line");
        for (name, below) in want {
            assert_eq!(included(name), below.into_iter().collect(), "{name}");
        }
    }

    #[test]
    fn a_weaker_setting_or_a_lacking_one_is_not_included() {
        let preset = |settings: Value| Preset {
            title: String::new(),
            rules: vec!["sbom".to_owned()],
            settings: settings.as_object().cloned().unwrap(),
        };
        let deny = preset(json!({"sbom": {"ghosts": "deny"}}));
        let warn = preset(json!({"sbom": {"ghosts": "warn"}}));
        assert!(deny.includes(&warn) && !warn.includes(&deny));
        assert!(!preset(json!({"sbom": {}})).includes(&warn));
        assert!(!preset(json!({})).includes(&warn));
        assert!(!preset(json!({"sbom": {"ghosts": "perhaps"}})).includes(&warn));
    }

    #[test]
    fn a_bundle_under_a_stricter_preset_keeps_what_the_operator_wrote() {
        let object = |value: Value| value.as_object().cloned().unwrap();
        let own =
            Bundle::from_files([("own.rego".to_owned(), "package hallmark.own\n".to_owned())]);
        let signed = Bundle::preset("signed").unwrap().join(own.unwrap().at("own")).unwrap();
        let signed = signed.with_settings(object(json!({"signature": {"signers": ["a"]}})));
        let raised = signed.under("regulated").unwrap();
        assert!(raised.has_package("hallmark.own") && raised.has_package("hallmark.rebuild"));
        assert_eq!(raised.settings["signature"]["signers"], json!(["a"]));
        assert_eq!(raised.settings["signature"]["maxAgeDays"], 0);
        assert_eq!(raised.settings["vulnerabilities"]["deny"], "high");
        assert_eq!(raised.settings["sbom"]["ghosts"], "deny");
    }
}
