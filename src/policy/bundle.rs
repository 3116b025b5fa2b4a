//! Bundles: rules, their data and their settings, before they are compiled.
//!
//! Turns a preset's name, or the files of a folder (already read: `*.rego`, `*_test.rego`, one `data.json` or
//! `data.yaml`), into a [`Bundle`]. Refuses files that it would otherwise pass over in silence, and files larger than
//! [`MAX_FILE_BYTES`].

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{PolicyError, metadata::Metadata};

/// Largest file of a bundle, in bytes; regorus has the same bound for rules.
pub const MAX_FILE_BYTES: usize = 1 << 20;

macro_rules! shipped {
    (rules: $($rule:literal)*; presets: $($preset:literal)*;) => {
        /// The rules in `policies/`, by name.
        pub const RULES: &[(&str, &str)] = &[$(
            ($rule, include_str!(concat!("../../policies/", $rule, ".rego"))),
        )*];
        /// The presets in `policies/presets/`, by name, weakest first.
        const PRESETS: &[(&str, &str)] = &[$(
            ($preset, include_str!(concat!("../../policies/presets/", $preset, ".json"))),
        )*];
    };
}
shipped! {
    rules: "findings" "layout" "provenance" "rebuild" "sbom" "sbom_agrees" "signature";
    presets: "baseline" "signed" "slsa" "reproducible";
}

/// A preset: which of the shipped rules, with which settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preset {
    /// One line that says what a pass means.
    pub title: String,
    /// Names of rules in `policies/`.
    pub rules: Vec<String>,
    /// Default settings.
    pub settings: Map<String, Value>,
}

impl Preset {
    /// Names of the presets, weakest first.
    pub fn names() -> impl Iterator<Item = &'static str> {
        PRESETS.iter().map(|(name, _)| *name)
    }

    /// Finds a preset.
    ///
    /// # Errors
    /// [`PolicyError::UnknownPreset`].
    pub fn named(name: &str) -> Result<Self, PolicyError> {
        let found = PRESETS.iter().find(|(known, _)| *known == name);
        let (name, text) = found.ok_or_else(|| PolicyError::UnknownPreset {
            name: name.to_owned(),
            known: Self::names().collect::<Vec<_>>().join(", "),
        })?;
        read_data(&format!("presets/{name}.json"), text)
    }
}

/// Rules with their data and settings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bundle {
    pub(super) rules: BTreeMap<String, String>,
    pub(super) tests: BTreeMap<String, String>,
    pub(super) data: Map<String, Value>,
    pub(super) settings: Map<String, Value>,
}

impl Bundle {
    /// A preset's rules and settings.
    ///
    /// # Errors
    /// [`PolicyError::UnknownPreset`].
    pub fn preset(name: &str) -> Result<Self, PolicyError> {
        let preset = Preset::named(name)?;
        let rules = RULES.iter().filter(|(rule, _)| preset.rules.iter().any(|r| r == rule));
        let rules = rules.map(|(rule, text)| (format!("{rule}.rego"), (*text).to_owned()));
        Ok(Self { rules: rules.collect(), settings: preset.settings, ..Self::default() })
    }

    /// The files of a policy folder: name relative to it, and text.
    ///
    /// # Errors
    /// A file that is no policy, twice there, too large, or data that cannot be read.
    pub fn from_files(
        files: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, PolicyError> {
        let mut bundle = Self::default();
        for (file, text) in files {
            if text.len() > MAX_FILE_BYTES {
                let (found, limit) = (text.len() as u64, MAX_FILE_BYTES as u64);
                return Err(PolicyError::TooLarge { what: file, found, limit });
            }
            if matches!(file.as_str(), "data.json" | "data.yaml" | "data.yml") {
                if !bundle.data.is_empty() {
                    return Err(PolicyError::DuplicateFile { file });
                }
                bundle.data = read_data(&file, &text)?;
                continue;
            }
            let into = match file.strip_suffix(".rego") {
                Some(stem) if stem.ends_with("_test") => &mut bundle.tests,
                Some(_) => &mut bundle.rules,
                None => return Err(PolicyError::UnexpectedFile { file }),
            };
            if into.contains_key(&file) {
                return Err(PolicyError::DuplicateFile { file });
            }
            into.insert(file, text);
        }
        Ok(bundle)
    }

    /// Both bundles' rules; `other`'s data and settings win.
    ///
    /// # Errors
    /// [`PolicyError::DuplicateFile`] where two different files have one name; put them into folders of their own.
    pub fn join(mut self, other: Self) -> Result<Self, PolicyError> {
        let pairs = [(&mut self.rules, other.rules), (&mut self.tests, other.tests)];
        for (into, from) in pairs {
            for (file, text) in from {
                if into.get(&file).is_some_and(|there| *there != text) {
                    return Err(PolicyError::DuplicateFile { file });
                }
                into.insert(file, text);
            }
        }
        merge(&mut self.data, other.data);
        Ok(self.with_settings(other.settings))
    }

    /// The same bundle, with the operator's settings over its own, object by object.
    #[must_use]
    pub fn with_settings(mut self, settings: Map<String, Value>) -> Self {
        merge(&mut self.settings, settings);
        self
    }

    /// The same bundle with the rule about rebuilds in force: the operator asked for a rebuild, so that it counts whatever else is
    /// asked for.
    #[must_use]
    pub fn with_rebuild(mut self) -> Self {
        let is_there = |text: &String| {
            let mut lines = text.lines().map(str::trim);
            lines.any(|line| line.split_whitespace().eq(["package", "hallmark.rebuild"]))
        };
        if !self.rules.values().any(is_there) {
            let shipped = RULES.iter().filter(|(name, _)| *name == "rebuild");
            let shipped =
                shipped.map(|(_, text)| ("hallmark:rebuild.rego".to_owned(), (*text).to_owned()));
            self.rules.extend(shipped);
        }
        self
    }

    /// METADATA of every rule that has some, by file.
    ///
    /// # Errors
    /// [`PolicyError::Data`] where a block is malformed.
    pub fn metadata(&self) -> Result<Vec<(String, Metadata)>, PolicyError> {
        let mut all = Vec::new();
        for (file, text) in &self.rules {
            let blocks = Metadata::read(file, text)?;
            all.extend(blocks.into_iter().map(|block| (file.clone(), block)));
        }
        Ok(all)
    }
}

/// Puts `over` over `under`; objects are merged, everything else is replaced.
fn merge(under: &mut Map<String, Value>, over: Map<String, Value>) {
    for (key, value) in over {
        match (under.get_mut(&key), value) {
            (Some(Value::Object(under)), Value::Object(over)) => merge(under, over),
            (_, value) => {
                under.insert(key, value);
            }
        }
    }
}

/// Reads JSON or YAML by the file's name.
pub(super) fn read_data<T: serde::de::DeserializeOwned>(
    file: &str,
    text: &str,
) -> Result<T, PolicyError> {
    let read = if file.ends_with(".json") {
        crate::json::from_slice(text.as_bytes(), MAX_FILE_BYTES).map_err(|e| e.to_string())
    } else {
        yaml_serde::from_str(text).map_err(|e| e.to_string())
    };
    read.map_err(|why| PolicyError::Data { file: file.to_owned(), why })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn files(list: &[(&str, &str)]) -> Result<Bundle, PolicyError> {
        Bundle::from_files(list.iter().map(|(f, t)| ((*f).to_owned(), (*t).to_owned())))
    }

    #[test]
    fn presets_name_rules_that_ship_and_every_shipped_rule_is_in_one() {
        let mut used = std::collections::BTreeSet::new();
        for name in Preset::names() {
            let preset = Preset::named(name).expect("it ships");
            let bundle = Bundle::preset(name).expect("it ships");
            assert_eq!(bundle.rules.len(), preset.rules.len(), "{name} names an unknown rule");
            used.extend(preset.rules);
        }
        assert!(RULES.iter().all(|(rule, _)| used.contains(*rule)));
        assert!(Bundle::preset("strict").is_err_and(|e| e.to_string().contains("baseline")));
    }

    #[test]
    fn what_would_be_passed_over_is_refused() {
        let cases: &[(&[(&str, &str)], &str)] = &[
            (&[("notes.md", "x")], "a policy folder holds"),
            (&[("a.rego", "package a"), ("a.rego", "package b")], "given twice"),
            (&[("data.json", "{\"a\":1}"), ("data.yaml", "a: 1")], "given twice"),
            (&[("data.json", "[]")], "data.json"),
            (&[("data.json", "{\"a\":1,\"a\":2}")], "given twice"),
            (&[("data.yaml", "a: [")], "data.yaml"),
        ];
        for (list, want) in cases {
            let error = files(list).expect_err(want).to_string();
            assert!(error.contains(want), "{list:?}: {error}");
        }
        let edge = " ".repeat(MAX_FILE_BYTES);
        assert!(files(&[("a.rego", &edge)]).is_ok());
        assert!(files(&[("a.rego", &format!("{edge} "))]).is_err());
    }

    #[test]
    fn settings_merge_object_by_object() {
        let object = |value: Value| value.as_object().cloned().expect("an object");
        let base = Bundle { settings: object(json!({"a": {"b": 1, "c": 2}})), ..Bundle::default() };
        let merged = base.with_settings(object(json!({"a": {"b": [3]}, "d": null})));
        assert_eq!(Value::Object(merged.settings), json!({"a": {"b": [3], "c": 2}, "d": null}));
    }

    #[test]
    fn joined_bundles_keep_all_rules_and_refuse_two_of_one_name() {
        let a = files(&[("a.rego", "package a")]).expect("fine");
        let b = files(&[("b.rego", "package b"), ("data.yaml", "x: 1")]).expect("fine");
        let other = files(&[("a.rego", "package other")]).expect("fine");
        let joined = a.clone().join(b).and_then(|j| j.join(a.clone())).expect("no conflict");
        assert_eq!((joined.rules.len(), joined.data.len()), (2, 1));
        assert!(matches!(a.join(other), Err(PolicyError::DuplicateFile { .. })));
    }
}
