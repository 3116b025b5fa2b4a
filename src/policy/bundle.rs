//! Bundles: rules, their data and their settings, before they are compiled.
//!
//! Turns a preset's name, or the files of a folder (already read: `*.rego`, `*_test.rego`, one `data.json` or
//! `data.yaml`, which may be called `data.yml`, and YARA rules in `yara/`), into a [`Bundle`]. Refuses files that it would otherwise
//! pass over in silence, and files larger than [`yara::most_bytes`] says.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    Effective, GivenApproval, Idle, PolicyError,
    data::read_data,
    metadata::{Custom, Metadata},
    yara,
};
use crate::contents::malware::rules::RuleFile;

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
    rules: "attestations" "base" "binding" "blueprint" "builder" "components" "files" "findings" "kubernetes" "licences" "malware" "materials" "ownership"
        "provenance" "rebuild" "revocation" "runtime" "sbom" "sbom_agrees" "sbom_document" "secrets" "signature" "source" "transparency"
        "vulnerabilities";
    presets: "baseline" "signed" "slsa" "slsa-l2" "slsa-l3" "reproducible" "regulated";
}

/// Whether the rules of a package are among those that ship, and have METADATA that `hallmark explain` shows.
pub(super) fn ships(package: &str) -> bool {
    let name = package.strip_prefix(SHIPPED).and_then(|rest| rest.strip_prefix('.'));
    name.is_some_and(|name| RULES.iter().any(|(rule, _)| *rule == name))
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

/// Where the shipped rules come from; [`Bundle::at`] calls no folder so.
pub(super) const SHIPPED: &str = "hallmark";

/// Rules that let nothing pass until a setting lists it: the rule, and section and name of the setting.
const LISTS: [(&str, &str, &str); 3] = [
    ("builder", "provenance", "builders"),
    ("source", "provenance", "sources"),
    ("base", "base", "images"),
];

/// Rules with their data and settings.
///
/// Files have the name that messages show: where they come from, and their name there. Each place has packages and data
/// of its own, so that nobody's rules and data change what those of somebody else mean.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bundle {
    pub(super) rules: BTreeMap<String, Module>,
    pub(super) tests: BTreeMap<String, Module>,
    /// YARA rules.
    pub(super) yara: BTreeMap<String, Module>,
    pub(super) data: Map<String, Value>,
    /// Where each key of `data` comes from.
    origins: BTreeMap<String, String>,
    pub(super) settings: Map<String, Value>,
    /// Rules that decide nothing, which the operator hears of.
    pub(super) idle: Vec<Idle>,
    /// What of `settings` was written over those of the preset.
    pub(super) written: Map<String, Value>,
    /// Settings below those, which count where a rule reads them.
    pub(super) shared: Map<String, Value>,
    /// Days from which on codes deny.
    pub(super) effective: Vec<Effective>,
    /// Approvals of differences.
    pub(super) approvals: Vec<GivenApproval>,
    /// What other images of the operator's are judged by; a setting that one of them reads is not misspelt.
    pub(super) others: Vec<Bundle>,
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
    /// Without what stands between two places of its text; lines keep their numbers.
    pub(super) fn leave_out(&mut self, (begin, end): (usize, usize)) {
        let gone = |(at, c): (usize, char)| match (begin..end).contains(&at) {
            true if c != '\n' => ' ',
            _ => c,
        };
        self.text = self.text.char_indices().map(gone).collect();
    }

    /// Its package, where one line says it. [`super::engine::load`] refuses a module of which that is not true.
    pub(super) fn package(&self) -> Option<&str> {
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
        Ok(Self { settings: preset.settings, ..Self::from_files(files)?.shipped_as_such() })
    }

    /// With shipped rules that the operator chose by name, beside those of the preset.
    ///
    /// # Errors
    /// As [`Bundle::from_files`].
    pub fn with_rules(self, names: &[&str]) -> Result<Self, PolicyError> {
        let rules = RULES.iter().filter(|(rule, _)| names.contains(rule));
        let files = rules.map(|(rule, text)| (format!("{rule}.rego"), (*text).to_owned()));
        self.join(Self::from_files(files)?.shipped_as_such())
    }

    /// With the shipped rules about malware where it holds YARA rules: whoever gives some asks what they match.
    ///
    /// # Errors
    /// As [`Bundle::from_files`].
    pub fn with_malware(self) -> Result<Self, PolicyError> {
        if self.yara.is_empty() { Ok(self) } else { self.with_rules(&["malware"]) }
    }

    /// All rules that ship, whichever preset has them.
    ///
    /// # Errors
    /// As [`Bundle::from_files`].
    pub fn shipped() -> Result<Self, PolicyError> {
        let files = RULES.iter().map(|(rule, text)| (format!("{rule}.rego"), (*text).to_owned()));
        Ok(Self::from_files(files)?.shipped_as_such())
    }

    /// That it holds nothing outside of the roots that its manifest names (OPA, "Bundle File Format").
    ///
    /// # Errors
    /// [`PolicyError::OutsideRoots`].
    pub(super) fn within(&self, roots: &[String]) -> Result<(), PolicyError> {
        let roots: Vec<Vec<&str>> = roots
            .iter()
            .map(|root| root.split('/').filter(|part| !part.is_empty()).collect())
            .collect();
        let outside = |what: String| PolicyError::OutsideRoots {
            what,
            roots: roots.iter().map(|root| root.join("/")).collect::<Vec<_>>().join(", "),
        };
        for (file, module) in self.rules.iter().chain(&self.tests) {
            let package = module.package().unwrap_or_default();
            let path: Vec<&str> = package.split('.').collect();
            // Tests lie beside what they test, in a package of their own.
            let inside = |root: &Vec<&str>| path.starts_with(root);
            if !roots.iter().any(inside) && !self.tests.contains_key(file) {
                return Err(outside(format!("package {package}")));
            }
        }
        match stray(&self.data, &mut Vec::new(), &roots) {
            Some(path) => Err(outside(format!("data.{path}"))),
            None => Ok(()),
        }
    }

    /// Whether rules of this package are in it.
    pub fn has_package(&self, package: &str) -> bool {
        self.rules.values().any(|module| module.package() == Some(package))
    }

    /// Whether it holds no rules of any kind, and no tests.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty() && self.tests.is_empty() && self.yara.is_empty()
    }

    /// Its YARA rules.
    pub(super) fn yara_files(&self) -> Vec<RuleFile<'_>> {
        let files = self.yara.iter().map(|(name, module)| RuleFile {
            name,
            namespace: yara::namespace(&module.name),
            text: &module.text,
        });
        files.collect()
    }

    /// The same files, as those of a place. A folder with the name of what ships is another place.
    #[must_use]
    pub fn at(self, origin: &str) -> Self {
        match origin.trim_end_matches('/') == SHIPPED {
            true => self.moved(&format!("./{origin}")),
            false => self.moved(origin),
        }
    }

    fn shipped_as_such(self) -> Self {
        self.moved(SHIPPED)
    }

    fn moved(self, origin: &str) -> Self {
        let moved = |files: BTreeMap<String, Module>| {
            let moved = files.into_values().map(|module| {
                let shown = format!("{origin}/{}", module.name);
                (shown, Module { origin: origin.to_owned(), ..module })
            });
            moved.collect()
        };
        let origins = self.data.keys().map(|key| (key.clone(), origin.to_owned())).collect();
        let (rules, tests, yara) = (moved(self.rules), moved(self.tests), moved(self.yara));
        Self { rules, tests, yara, origins, ..self }
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
            if text.len() > yara::most_bytes(&file) {
                let (found, limit) = (text.len() as u64, yara::most_bytes(&file) as u64);
                return Err(PolicyError::TooLarge { what: file, found, limit });
            }
            let text = crate::untrusted::unmarked_text(&text).to_owned();
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
                None if yara::is_rules(&file) => &mut bundle.yara,
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
        let pairs = [
            (&mut self.rules, other.rules),
            (&mut self.tests, other.tests),
            (&mut self.yara, other.yara),
        ];
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
        merge(&mut self.written, settings.clone());
        merge(&mut self.settings, settings);
        self
    }

    /// Its shipped rules that decide nothing by the settings in force, wherever they are written; `asked` are those that were asked for.
    pub fn idle(&self, asked: &[&str]) -> Vec<Idle> {
        let mut own = self.shared.clone();
        merge(&mut own, self.written.clone());
        let is_loaded = |rule: &str| self.rules.contains_key(&format!("{SHIPPED}/{rule}.rego"));
        Idle::among(is_loaded, &self.settings, &own, asked)
    }

    /// Settings that loaded rules ask for a list in and that list nothing, so that every image is denied.
    pub fn unlisted(&self) -> Vec<String> {
        let mut in_force = self.settings.clone();
        merge(&mut in_force, self.shared.clone());
        merge(&mut in_force, self.written.clone());
        let is_loaded = |rule: &str| self.rules.contains_key(&format!("{SHIPPED}/{rule}.rego"));
        let lists = |section: &str, name: &str| {
            let list = in_force.get(section).and_then(|section| section.get(name));
            list.and_then(Value::as_array).is_some_and(|list| !list.is_empty())
        };
        let unlisted =
            LISTS.iter().filter(|(rule, section, name)| is_loaded(rule) && !lists(section, name));
        unlisted.map(|(_, section, name)| format!("policy.settings.{section}.{name}")).collect()
    }

    /// The same bundle, with what reports say of rules that decide nothing and were asked for.
    #[must_use]
    pub fn saying(self, idle: Vec<Idle>) -> Self {
        Self { idle, ..self }
    }

    /// The same bundle, with settings between its own and those of [`Bundle::with_settings`], of which those that no loaded rule reads are
    /// left out: the operator wrote them for several presets.
    #[must_use]
    pub fn with_shared(mut self, settings: Map<String, Value>) -> Self {
        merge(&mut self.shared, settings);
        self
    }

    /// The same bundle, one of several that the operator wrote settings for: those that only one of the others reads are left out here.
    #[must_use]
    pub fn beside(self, others: Vec<Self>) -> Self {
        Self { others, ..self }
    }

    /// The same bundle, with days from which on codes deny.
    #[must_use]
    pub fn with_effective(mut self, entries: Vec<Effective>) -> Self {
        self.effective.extend(entries);
        self
    }

    /// The same bundle, with approvals of differences.
    #[must_use]
    pub fn with_approvals(mut self, approvals: Vec<GivenApproval>) -> Self {
        self.approvals.extend(approvals);
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

    /// Package, file and METADATA of every rule that has some, by package and place.
    ///
    /// # Errors
    /// As [`Bundle::metadata`].
    pub fn documented(&self) -> Result<Vec<(String, String, Metadata)>, PolicyError> {
        let blocks = self.metadata()?.into_iter();
        let mut all: Vec<_> = blocks
            .filter_map(|(file, block)| {
                let package = self.rules.get(&file)?.package()?.to_owned();
                Some((package, file, block))
            })
            .collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(all)
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

/// The path of data that lies in none of these roots.
fn stray<'d>(
    data: &'d Map<String, Value>,
    path: &mut Vec<&'d str>,
    roots: &[Vec<&str>],
) -> Option<String> {
    for (key, value) in data {
        path.push(key);
        let inside = roots.iter().any(|root| path.starts_with(root));
        let on_the_way = roots.iter().any(|root| root.starts_with(path));
        let found = match value {
            _ if inside => None,
            Value::Object(below) if on_the_way => stray(below, path, roots),
            _ => Some(path.join(".")),
        };
        path.pop();
        if found.is_some() {
            return found;
        }
    }
    None
}

/// Puts `over` over `under`; objects are merged, everything else is replaced.
pub(super) fn merge(under: &mut Map<String, Value>, over: Map<String, Value>) {
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
    #[test]
    fn rules_that_ask_for_a_list_say_so_until_there_is_one() {
        let of = |preset: &str, settings: Value| {
            let settings = settings.as_object().cloned().unwrap();
            Bundle::preset(preset).unwrap().with_settings(settings).unlisted()
        };
        let (builders, sources) =
            ("policy.settings.provenance.builders", "policy.settings.provenance.sources");
        let some = |names: &[&str]| {
            let lists = names.iter().map(|name| ((*name).to_owned(), serde_json::json!(["**"])));
            serde_json::json!({ "provenance": lists.collect::<Map<_, _>>() })
        };
        let cases = [
            ("signed", some(&[]), vec![]),
            ("slsa-l3", some(&[]), vec![builders, sources]),
            ("slsa-l3", some(&["builders"]), vec![sources]),
            (
                "slsa-l3",
                serde_json::json!({"provenance": {"builders": []}}),
                vec![builders, sources],
            ),
            ("slsa-l3", some(&["builders", "sources"]), vec![]),
        ];
        for (preset, settings, want) in cases {
            assert_eq!(of(preset, settings.clone()), want, "{preset} {settings}");
        }
    }

    #[test]
    fn a_mark_before_a_file_is_no_part_of_it() {
        let of = |mark: &str| {
            let all = [("a.rego", "package a"), ("data.yaml", "x: 1")];
            let all = all.map(|(name, text)| (name.to_owned(), format!("{mark}{text}")));
            let bundle = Bundle::from_files(all).unwrap();
            (bundle.rules["a.rego"].text.clone(), bundle.data.clone())
        };
        assert_eq!(of("\u{feff}"), of(""));
    }

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
            (&[("rules.yar", "rule a { condition: true }")], "YARA rules as yara/*.yar"),
            (&[("yara/a.txt", "rule a { condition: true }")], "a policy folder holds"),
            (&[("yara/a.yar", "x"), ("yara/a.yar", "y")], "given twice"),
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
        let edge = " ".repeat(crate::policy::data::MAX_FILE_BYTES);
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
    fn a_rule_is_idle_by_the_settings_in_force_and_not_by_the_operators_alone() {
        let object = |value: Value| value.as_object().cloned().expect("an object");
        let asked = ["vulnerabilities"];
        let regulated = Bundle::preset("regulated").expect("it ships");
        assert_eq!(regulated.idle(&asked), [], "the preset sets the level");
        let grace = object(json!({"vulnerabilities": {"graceDays": 3}}));
        assert_eq!(regulated.with_settings(grace.clone()).idle(&asked), []);
        let chosen = Bundle::preset("baseline").expect("it ships");
        assert_eq!(chosen.idle(&asked).len(), 1, "that a preset turns it off is nobody's choice");
        let level = object(json!({"vulnerabilities": {"deny": "high"}}));
        let shared = chosen.with_shared(level);
        assert_eq!(shared.idle(&asked), [], "what several presets share counts");
        assert_eq!(shared.with_settings(grace).idle(&asked), [], "and is no whole section");
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
