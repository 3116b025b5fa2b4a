//! Bundles: rules, their data and their settings, before they are compiled.
//!
//! Turns a preset's name, or the files of a folder (already read: `*.rego`, `*_test.rego`, one `data.json` or
//! `data.yaml`, which may be called `data.yml`), into a [`Bundle`]. Refuses files that it would otherwise pass over in silence, and files larger than
//! [`MAX_FILE_BYTES`].

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    PolicyError,
    data::{MAX_FILE_BYTES, read_data},
    metadata::{Custom, Metadata},
};

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
    rules: "files" "findings" "licences" "ownership" "provenance" "rebuild" "revocation" "runtime" "sbom" "sbom_agrees" "secrets" "signature"
        "vulnerabilities";
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

/// The package that is loaded beside every preset, where the operator asks for a rebuild.
pub(super) const REBUILD: &str = "hallmark.rebuild";

/// Where the shipped rules come from; no folder is called so.
pub(super) const SHIPPED: &str = "hallmark";

/// Rules with their data and settings.
///
/// Files have the name that messages show: where they come from, and their name there. Each place has packages and data
/// of its own, so that nobody's rules and data change what those of somebody else mean.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bundle {
    pub(super) rules: BTreeMap<String, Module>,
    pub(super) tests: BTreeMap<String, Module>,
    pub(super) data: Map<String, Value>,
    /// Where each key of `data` comes from.
    origins: BTreeMap<String, String>,
    pub(super) settings: Map<String, Value>,
}

/// One file of rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Module {
    /// The place that it comes from.
    pub(super) origin: String,
    /// Its name there.
    pub(super) name: String,
    pub(super) text: String,
}

impl Module {
    /// Its package, where one line says it.
    fn package(&self) -> Option<&str> {
        self.text.lines().find_map(|line| {
            let mut words = line.split_whitespace();
            (words.next() == Some("package")).then(|| words.next()).flatten()
        })
    }
}

impl Bundle {
    /// A preset's rules and settings.
    ///
    /// # Errors
    /// [`PolicyError::UnknownPreset`].
    pub fn preset(name: &str) -> Result<Self, PolicyError> {
        let preset = Preset::named(name)?;
        let rules = RULES.iter().filter(|(rule, _)| preset.rules.iter().any(|r| r == rule));
        let files = rules.map(|(rule, text)| (format!("{rule}.rego"), (*text).to_owned()));
        Ok(Self { settings: preset.settings, ..Self::from_files(files)?.at(SHIPPED) })
    }

    /// With shipped rules that the operator chose by name, beside those of the preset.
    ///
    /// # Errors
    /// As [`Bundle::from_files`].
    pub fn with_rules(self, names: &[&str]) -> Result<Self, PolicyError> {
        let rules = RULES.iter().filter(|(rule, _)| names.contains(rule));
        let files = rules.map(|(rule, text)| (format!("{rule}.rego"), (*text).to_owned()));
        self.join(Self::from_files(files)?.at(SHIPPED))
    }

    /// All rules that ship, whichever preset has them.
    ///
    /// # Errors
    /// As [`Bundle::from_files`].
    pub fn shipped() -> Result<Self, PolicyError> {
        let files = RULES.iter().map(|(rule, text)| (format!("{rule}.rego"), (*text).to_owned()));
        Ok(Self::from_files(files)?.at(SHIPPED))
    }

    /// Whether it holds neither rules nor tests.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty() && self.tests.is_empty()
    }

    /// The same files, as those of a place.
    #[must_use]
    pub fn at(self, origin: &str) -> Self {
        let moved = |files: BTreeMap<String, Module>| {
            let moved = files.into_values().map(|module| {
                let shown = format!("{origin}/{}", module.name);
                (shown, Module { origin: origin.to_owned(), ..module })
            });
            moved.collect()
        };
        let origins = self.data.keys().map(|key| (key.clone(), origin.to_owned())).collect();
        Self { rules: moved(self.rules), tests: moved(self.tests), origins, ..self }
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
            let (origin, name) = (String::new(), file.clone());
            into.insert(file, Module { origin, name, text });
        }
        Ok(bundle.at_top())
    }

    fn at_top(mut self) -> Self {
        self.origins = self.data.keys().map(|key| (key.clone(), String::new())).collect();
        self
    }

    /// The rules and data of both; `other`'s settings win.
    ///
    /// # Errors
    /// [`PolicyError::DuplicateFile`] where two different files have one name, [`PolicyError::DataTwice`] where both have
    /// data under one key: what one of them allows would otherwise be allowed to the other.
    pub fn join(mut self, other: Self) -> Result<Self, PolicyError> {
        let pairs = [(&mut self.rules, other.rules), (&mut self.tests, other.tests)];
        for (into, from) in pairs {
            for (file, module) in from {
                if into.get(&file).is_some_and(|there| *there != module) {
                    return Err(PolicyError::DuplicateFile { file });
                }
                into.insert(file, module);
            }
        }
        for (key, value) in other.data {
            let origin = other.origins.get(&key).cloned().unwrap_or_default();
            if let Some(first) = self.origins.insert(key.clone(), origin.clone()) {
                return Err(PolicyError::DataTwice { key, first, second: origin });
            }
            self.data.insert(key, value);
        }
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
        let is_there = |module: &Module| module.package() == Some(REBUILD);
        if !self.rules.values().any(is_there) {
            let shipped = RULES.iter().filter(|(name, _)| *name == "rebuild");
            self.rules.extend(shipped.map(|(name, text)| {
                let (name, text) = (format!("{name}.rego"), (*text).to_owned());
                let origin = SHIPPED.to_owned();
                (format!("{SHIPPED}/{name}"), Module { origin, name, text })
            }));
        }
        self
    }

    /// Package and METADATA of every rule that says its code.
    ///
    /// # Errors
    /// [`PolicyError::Data`] where a block is malformed.
    pub(super) fn described(&self) -> Result<Vec<(String, Custom)>, PolicyError> {
        let blocks =
            self.metadata()?.into_iter().filter(|(_, block)| !block.custom.code.is_empty());
        let described = blocks.filter_map(|(file, block)| {
            Some((self.rules.get(&file)?.package()?.to_owned(), block.custom))
        });
        Ok(described.collect())
    }

    /// Package and code of every rule that says its code.
    ///
    /// # Errors
    /// As [`Bundle::metadata`].
    pub fn codes(&self) -> Result<BTreeSet<(String, String)>, PolicyError> {
        let described = self.described()?.into_iter();
        Ok(described.map(|(package, custom)| (package, custom.code)).collect())
    }

    /// METADATA of every rule that has some, by file.
    ///
    /// # Errors
    /// [`PolicyError::Data`] where a block is malformed.
    pub fn metadata(&self) -> Result<Vec<(String, Metadata)>, PolicyError> {
        let mut all = Vec::new();
        for (file, module) in &self.rules {
            let blocks = Metadata::read(file, &module.text)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn files(list: &[(&str, &str)]) -> Result<Bundle, PolicyError> {
        Bundle::from_files(list.iter().map(|(f, t)| ((*f).to_owned(), (*t).to_owned())))
    }

    #[test]
    fn presets_name_rules_that_ship_and_more_can_be_chosen() {
        for name in Preset::names() {
            let preset = Preset::named(name).expect("it ships");
            let bundle = Bundle::preset(name).expect("it ships");
            assert_eq!(bundle.rules.len(), preset.rules.len(), "{name} names an unknown rule");
            let all: Vec<&str> = RULES.iter().map(|(rule, _)| *rule).collect();
            let more = bundle.with_rules(&all).expect("no conflict");
            assert_eq!(
                more.rules.len(),
                RULES.len(),
                "{name}: one that is there already is there once"
            );
        }
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
            (&[("data.yaml", "a: 1\na: 2")], "duplicate"),
            (&[("data.yaml", "a: &x {b: 1}\nc: {<<: *x}")], "merge key"),
            (&[("data.yml", "a: no")], "YAML 1.1"),
            (&[("data.yaml", "a: !!bool \"true\"")], "the tag !!bool"),
            (&[("data.yaml", "a: {y: 1}")], "the key \"y\""),
            (&[("data.yaml", "a: 0.10000000000000001")], "0.10000000000000001 is not held exactly"),
            (
                &[("data.json", "{\"a\": 18446744073709551617}")],
                "the number 18446744073709551617, which",
            ),
            (
                &[("data.json", "{\"a\": [0.10000000000000001]}")],
                "the number 0.10000000000000001, which",
            ),
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
        assert!(matches!(a.clone().join(other.clone()), Err(PolicyError::DuplicateFile { .. })));
        assert!(a.at("one").join(other.at("two")).is_ok_and(|joined| joined.rules.len() == 2));
    }

    #[test]
    fn i3_one_key_of_data_comes_from_one_place() {
        let of = |place: &str, text: &str| files(&[("data.yaml", text)]).expect("fine").at(place);
        let first = of("one", "teams: {a: 1}\nother: 1");
        let joined = first.clone().join(of("two", "more: 1"));
        assert_eq!(joined.map(|joined| joined.data.len()), Ok(3));
        for text in ["teams: {b: 1}", "teams: {a: 1}", "teams: []"] {
            let error = first.clone().join(of("two", text)).expect_err(text).to_string();
            assert!(error.contains("one and two"), "{error}");
        }
    }
}
