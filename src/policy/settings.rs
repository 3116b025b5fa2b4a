//! `policy.settings`: what the shipped rules can be told, each with its type.
//!
//! Holds the settings of `hallmark.yaml` against the types of those that ship, and against what the loaded rules read. A
//! setting of another form, and one that no rule reads, is an error: whoever wrote it believes that it protects something.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{PolicyError, nearest::did_you_mean};
use crate::{contents::facts::programs::Class, digest::Digest, licences, sbom::quality::Profile};

/// What a setting may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Names of signers.
    Names,
    /// Paths, and folders with their slash.
    Places,
    /// Digests of images.
    Digests,
    /// Days, 0 for none.
    Days,
    /// A rung of the ladder.
    Rung,
    /// `warn` or `deny`.
    Severity,
    /// Paths of files.
    Paths,
    /// Classes of tools.
    Tools,
    /// Classes of files.
    Covering,
    /// Bytes, 0 for no bound.
    Bytes,
    /// Terms of licences.
    Licences,
    /// Names of packages.
    Packages,
    /// Name of a profile of what an SBOM should say.
    Profile,
    /// A level of severity, or `off`.
    Level,
    /// Patterns of texts.
    Patterns,
    /// Words without blanks: names of arguments, types of predicates.
    Words,
    /// How many, 0 for no bound.
    Count,
    /// Hundredths, 0 for none.
    Hundredths,
    /// Matches of rules about malware that are expected, with the reason.
    Matches,
}

/// Most days that a setting may ask for: a hundred years.
const MAX_DAYS: u64 = 36_525;

/// Classes of files that may count as accounted for; those that always do, and those that never may, are no setting.
const COVERING: [&str; 4] = ["generated", "self-described", "self-recorded", "owned-unverified"];

/// The settings of the shipped rules: section, name, type.
const SHIPPED: [(&str, &str, Kind); 42] = [
    ("attestations", "required", Kind::Words),
    ("base", "images", Kind::Patterns),
    ("blueprint", "missing", Kind::Severity),
    ("components", "allow", Kind::Patterns),
    ("components", "deny", Kind::Patterns),
    ("components", "sources", Kind::Patterns),
    ("files", "maxBytes", Kind::Bytes),
    ("files", "maxFiles", Kind::Count),
    ("files", "maxLayers", Kind::Count),
    ("files", "privileged", Kind::Paths),
    ("files", "tools", Kind::Tools),
    ("licences", "allow", Kind::Licences),
    ("licences", "deny", Kind::Licences),
    ("licences", "ignore", Kind::Packages),
    ("licences", "unknown", Kind::Severity),
    ("malware", "allow", Kind::Matches),
    ("malware", "gaps", Kind::Severity),
    ("malware", "warn", Kind::Words),
    ("ownership", "covered", Kind::Covering),
    ("ownership", "minCoverage", Kind::Hundredths),
    ("ownership", "selfRecorded", Kind::Severity),
    ("ownership", "unowned", Kind::Places),
    ("provenance", "arguments", Kind::Words),
    ("provenance", "branches", Kind::Patterns),
    ("provenance", "buildTypes", Kind::Patterns),
    ("provenance", "builders", Kind::Patterns),
    ("provenance", "incomplete", Kind::Severity),
    ("provenance", "sources", Kind::Patterns),
    ("provenance", "tags", Kind::Patterns),
    ("provenance", "toolchains", Kind::Patterns),
    ("rebuild", "minLevel", Kind::Rung),
    ("sbom", "ghosts", Kind::Severity),
    ("sbom", "profile", Kind::Profile),
    ("sbom", "uncovered", Kind::Severity),
    ("secrets", "allow", Kind::Paths),
    ("signature", "maxAgeDays", Kind::Days),
    ("signature", "revoked", Kind::Digests),
    ("signature", "signers", Kind::Names),
    ("vulnerabilities", "deny", Kind::Level),
    ("vulnerabilities", "gaps", Kind::Severity),
    ("vulnerabilities", "graceDays", Kind::Days),
    ("vulnerabilities", "maxAgeDays", Kind::Days),
];

/// Full names of the settings of the shipped rules, sorted: `signature.signers`.
pub fn names() -> impl Iterator<Item = String> {
    SHIPPED.iter().map(|(section, name, _)| format!("{section}.{name}"))
}

/// A setting that cannot be meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("policy.settings.{}: expected {expected}, found {found}; {help}", dotted(path, *item))]
pub struct SettingError {
    /// Keys on the way to it, below `policy.settings`.
    pub path: Vec<String>,
    /// Which entry, where it is a list.
    pub item: Option<usize>,
    /// What is read here.
    pub expected: &'static str,
    /// What is there.
    pub found: String,
    /// What to do.
    pub help: &'static str,
}

fn dotted(path: &[String], item: Option<usize>) -> String {
    let path = path.join(".");
    item.map_or_else(|| path.clone(), |item| format!("{path}[{item}]"))
}

/// Holds the settings of the shipped rules against their types.
///
/// # Errors
/// The first that is of another form.
pub fn typed(settings: &Map<String, Value>) -> Result<(), SettingError> {
    for (section, name, kind) in SHIPPED {
        let Some(values) = settings.get(section) else { continue };
        let Value::Object(values) = values else {
            let path = vec![section.to_owned()];
            let help = "each setting has a name of its own below it";
            let (expected, found) = ("a mapping of names to values", values.to_string());
            return Err(SettingError { path, item: None, expected, found, help });
        };
        let Some(value) = values.get(name) else { continue };
        kind.check(value).map_err(|(item, found)| SettingError {
            path: vec![section.to_owned(), name.to_owned()],
            item,
            expected: kind.expected(),
            found,
            help: kind.help(),
        })?;
    }
    Ok(())
}

impl Kind {
    fn expected(self) -> &'static str {
        match self {
            Self::Names => "a list of different names of signers",
            Self::Places => "a list of different absolute paths",
            Self::Digests => {
                "a list of different digests, each sha256: and 64, or sha512: and 128 lower-case hexadecimal digits"
            }
            Self::Days => "a whole number of days from 0 to 36525",
            Self::Rung => "a whole number from 1 to 5",
            Self::Severity => "warn or deny",
            Self::Paths => "a list of different paths from the root",
            Self::Tools => {
                "a list of different classes of shell, package-manager, compiler, interpreter, network, debugger"
            }
            Self::Covering => {
                "a list of different classes of generated, self-described, self-recorded, owned-unverified"
            }
            Self::Bytes => "a whole number of bytes",
            Self::Licences => {
                "a list of different SPDX identifiers that are current, each perhaps WITH an exception"
            }
            Self::Packages => "a list of different names of packages",
            Self::Profile => "ntia-2021, cisa-2026 or bsi-tr-03183-2",
            Self::Level => "off, critical, high, medium, low or negligible",
            Self::Patterns => {
                "a list of different texts without blanks, in which * stands for anything but / and ** for anything"
            }
            Self::Words => "a list of different words without blanks",
            Self::Count => "a whole number from 0 to 1000000000",
            Self::Hundredths => "a whole number from 0 to 100",
            Self::Matches => {
                "a list of different mappings, each with rule, path and reason, and perhaps images"
            }
        }
    }

    fn help(self) -> &'static str {
        match self {
            Self::Names => "write names of trust.signers, [] for none",
            Self::Places => {
                "write /srv/app for a file and /srv/app/ for all below a folder, [] for none"
            }
            Self::Digests => "write each as hallmark inspect prints it, [] for none",
            Self::Days => "0 turns it off",
            Self::Rung => page!("", "comparison", " has the rungs"),
            Self::Severity | Self::Level => "write one of these words",
            Self::Paths => "write each as /usr/bin/ping, [] for none",
            Self::Tools | Self::Covering => "write some of these words, [] for none",
            Self::Bytes => "0 turns it off",
            Self::Licences => {
                "write each as GPL-2.0-or-later, in its own case; no AND, no OR; [] for none"
            }
            Self::Packages => "write each as hallmark policy input shows it, [] for none",
            Self::Profile => "leave it out to ask for none",
            Self::Patterns => {
                "write each as https://git.example/team/*, without the signs ? [ ] { } ! and \\, at most 1024 characters long"
            }
            Self::Words => "write each as reports show it, [] for none",
            Self::Count | Self::Hundredths => "0 turns it off",
            Self::Matches => {
                "write each as {rule: Name_Of_The_Rule, path: /usr/bin/tool, reason: why it is expected}, with images: [registry.example/team/*] where it is about some alone, [] for none"
            }
        }
    }

    /// # Errors
    /// Which entry is wrong, and what was found.
    fn check(self, value: &Value) -> Result<(), (Option<usize>, String)> {
        let whole = |range: std::ops::RangeInclusive<u64>| match value.as_u64() {
            Some(number) if range.contains(&number) => Ok(()),
            _ => Err((None, value.to_string())),
        };
        match self {
            Self::Names | Self::Words => {
                list(value, |text| !text.is_empty() && !text.contains(blank))
            }
            Self::Patterns => list(value, is_pattern),
            Self::Matches => items(value, is_match),
            Self::Count => whole(0..=1_000_000_000),
            Self::Hundredths => whole(0..=100),
            Self::Places => list(value, |text| text.starts_with('/') && text.len() > 1),
            Self::Digests => list(value, |text| {
                text.parse::<Digest>().is_ok_and(|digest| digest.to_string() == text)
            }),
            Self::Days => whole(0..=MAX_DAYS),
            Self::Rung => whole(1..=5),
            Self::Paths => {
                list(value, |text| text.starts_with('/') && !text.contains(char::is_control))
            }
            Self::Tools => list(value, |text| Class::ALL.iter().any(|class| class.word() == text)),
            Self::Covering => list(value, |text| COVERING.contains(&text)),
            Self::Licences => list(value, licences::is_term),
            Self::Packages => list(value, |text| !text.is_empty()),
            Self::Bytes => whole(0..=1 << 60),
            Self::Severity => match value.as_str() {
                Some("warn" | "deny") => Ok(()),
                _ => Err((None, value.to_string())),
            },
            Self::Profile => match value.as_str().and_then(Profile::named) {
                Some(_) => Ok(()),
                None => Err((None, value.to_string())),
            },
            Self::Level => match value.as_str() {
                Some("off" | "critical" | "high" | "medium" | "low" | "negligible") => Ok(()),
                _ => Err((None, value.to_string())),
            },
        }
    }
}

/// Longest pattern, in characters.
const MAX_PATTERN: usize = 1024;

/// What every reader of such patterns takes alike: `*` and `**`, and no other sign that means something.
fn is_pattern(text: &str) -> bool {
    let plain = |c: char| !blank(c) && !"?[]{}!\\".contains(c);
    (1..=MAX_PATTERN).contains(&text.chars().count())
        && text.chars().all(plain)
        && !text.contains("***")
}

fn blank(c: char) -> bool {
    c.is_whitespace() || c.is_control()
}

/// Whether it names a rule, a path and a reason, perhaps some images, and nothing else.
fn is_match(value: &Value) -> bool {
    let Value::Object(entry) = value else { return false };
    let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
    let images = entry.get("images");
    // No pattern is no image.
    let is_some = |images: &Value| images.as_array().is_some_and(|list| !list.is_empty());
    let is_named = |images: &Value| is_some(images) && list(images, is_pattern).is_ok();
    entry.len() == 3 + usize::from(images.is_some())
        && images.is_none_or(is_named)
        && !text("rule").is_empty()
        && !text("rule").contains(blank)
        && text("path").starts_with('/')
        && !text("reason").trim().is_empty()
}

/// A list of different texts that are all of a form.
fn list(value: &Value, is_good: impl Fn(&str) -> bool) -> Result<(), (Option<usize>, String)> {
    items(value, |item| item.as_str().is_some_and(&is_good))
}

/// A list of different values that are all of a form.
fn items(value: &Value, is_good: impl Fn(&Value) -> bool) -> Result<(), (Option<usize>, String)> {
    let Value::Array(items) = value else { return Err((None, value.to_string())) };
    for (position, item) in items.iter().enumerate() {
        if !is_good(item) || items.iter().take(position).any(|earlier| earlier == item) {
            return Err((Some(position), item.to_string()));
        }
    }
    Ok(())
}

/// Paths below `input.settings` that rules read; an empty one reads them all.
#[derive(Debug, Clone, Default)]
pub(super) struct Reads {
    /// By rules that ship.
    pub(super) shipped: BTreeSet<Vec<String>>,
    /// By the operator's own.
    pub(super) own: BTreeSet<Vec<String>>,
}

impl Reads {
    fn all(&self) -> impl Iterator<Item = &Vec<String>> {
        self.shipped.iter().chain(&self.own)
    }

    fn known(&self) -> String {
        let paths: BTreeSet<String> = self.all().map(|path| path.join(".")).collect();
        paths.into_iter().filter(|path| !path.is_empty()).collect::<Vec<_>>().join(", ")
    }

    /// Whether a rule reads the setting of a shipped rule: a shipped one that is loaded, or one that names exactly this. A rule
    /// that takes more at once says nothing of which names there are.
    fn has_shipped(&self, leaf: &[String]) -> bool {
        let exactly = |name: &[String]| self.own.iter().any(|read| read.starts_with(name));
        let loaded = |read: &Vec<String>| !read.is_empty() && leaf.starts_with(read);
        self.shipped.iter().any(loaded) || leaf.get(..2).is_some_and(exactly)
    }

    /// Whether a rule reads a setting of another name. One that reads everything does not stand for a section that only looks
    /// like one that ships.
    fn has_other(&self, leaf: &[String]) -> bool {
        let alike = leaf.first().map(|first| did_you_mean(first, sections())).unwrap_or_default();
        let mut reads = self.all().filter(|read| alike.is_empty() || !read.is_empty());
        reads.any(|read| leaf.starts_with(read))
    }
}

/// The sections of the settings of the shipped rules.
fn sections() -> impl Iterator<Item = &'static str> {
    SHIPPED.iter().map(|(section, ..)| *section)
}

/// Holds every setting against the names that ship, and against what rules read.
///
/// # Errors
/// [`PolicyError::SettingUnknown`], [`PolicyError::SettingUnread`].
pub(super) fn all_read(settings: &Map<String, Value>, reads: &Reads) -> Result<(), PolicyError> {
    let mut leaves = Vec::new();
    gather(settings, &mut Vec::new(), &mut leaves);
    for leaf in leaves {
        let first = leaf.first().map_or("", String::as_str);
        let ships = sections().any(|section| section == first);
        let mut names = SHIPPED.iter().filter(|(section, ..)| *section == first);
        if let Some(name) = leaf.get(1).filter(|_| ships)
            && names.all(|(_, shipped, _)| shipped != name)
        {
            let known: Vec<String> =
                self::names().filter(|n| n.split('.').next() == Some(first)).collect();
            let full = format!("{first}.{name}");
            let meant = did_you_mean(&full, known.iter().map(String::as_str));
            let known = known.join(", ");
            return Err(PolicyError::SettingUnknown { path: leaf, meant, known });
        }
        let read = if ships { reads.has_shipped(&leaf) } else { reads.has_other(&leaf) };
        if !read {
            let meant = did_you_mean(first, sections().filter(|_| !ships));
            return Err(PolicyError::SettingUnread { path: leaf, meant, known: reads.known() });
        }
    }
    Ok(())
}

/// The settings that some loaded rule reads.
pub(super) fn only_read(settings: &Map<String, Value>, reads: &Reads) -> Map<String, Value> {
    let mut leaves = Vec::new();
    gather(settings, &mut Vec::new(), &mut leaves);
    let mut kept = Map::new();
    for leaf in leaves {
        let ships = leaf.first().is_some_and(|first| sections().any(|section| section == first));
        let read = if ships { reads.has_shipped(&leaf) } else { reads.has_other(&leaf) };
        if read {
            put(&mut kept, settings, &leaf);
        }
    }
    kept
}

/// Takes over the value at a path.
fn put(into: &mut Map<String, Value>, from: &Map<String, Value>, path: &[String]) {
    let Some((first, rest)) = path.split_first() else { return };
    match (from.get(first), rest) {
        (Some(value), []) => {
            into.insert(first.clone(), value.clone());
        }
        (Some(Value::Object(from)), rest) => {
            let inner = into.entry(first.clone()).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(inner) = inner {
                put(inner, from, rest);
            }
        }
        _ => {}
    }
}

/// The paths of all values that are no mapping, or an empty one.
fn gather(object: &Map<String, Value>, at: &mut Vec<String>, leaves: &mut Vec<Vec<String>>) {
    for (key, value) in object {
        at.push(key.clone());
        match value {
            Value::Object(inner) if !inner.is_empty() => gather(inner, at, leaves),
            _ => leaves.push(at.clone()),
        }
        at.pop();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap_or_default()
    }

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn i1_every_shipped_setting_has_a_type() {
        let good = [
            json!({}),
            json!({"signature": {}}),
            json!({"signature": {"signers": [], "revoked": [], "maxAgeDays": 0}}),
            json!({"signature": {"signers": ["a", "b@c"], "revoked": [DIGEST], "maxAgeDays": 36525}}),
            json!({"sbom": {"ghosts": "deny", "uncovered": "deny"}, "rebuild": {"minLevel": 1}}),
            json!({"files": {"tools": ["shell"], "privileged": ["/bin/su"], "maxBytes": 0}}),
            json!({"licences": {"allow": ["MIT", "Apache-2.0 WITH LLVM-exception"], "unknown": "warn"}}),
            json!({"ownership": {"unowned": ["/srv/app", "/opt/own/"], "minCoverage": 100, "selfRecorded": "warn"}}),
            json!({"ownership": {"covered": ["self-recorded", "owned-unverified", "generated", "self-described"]}}),
            json!({"attestations": {"required": ["https://in-toto.io/attestation/test-result/v0.1"]}}),
            json!({"base": {"images": ["registry.example/base/*", "**"]}}),
            json!({"components": {"deny": ["pkg:npm/@a/b@1.*"], "allow": [], "sources": ["x".repeat(1024)]}}),
            json!({"malware": {"allow": [{"rule": "a", "path": "/a", "reason": "b c"}], "warn": ["t"], "gaps": "warn"}}),
            json!({"malware": {"allow": [{"rule": "a", "path": "/a", "reason": "b", "images": ["registry.example/**"]}]}}),
            json!({"files": {"maxFiles": 0, "maxLayers": 1_000_000_000}}),
            json!({"provenance": {"arguments": ["VERSION"], "branches": ["release/**"], "incomplete": "warn"}}),
            json!({"mine": [{"anything": true}]}),
        ];
        for settings in good {
            assert_eq!(typed(&object(settings.clone())), Ok(()), "{settings}");
        }
        let bad = [
            json!({"signature": []}),
            json!({"signature": "signers"}),
            json!({"rebuild": 4}),
            json!({"signature": {"signers": "release"}}),
            json!({"signature": {"signers": {"release": true}}}),
            json!({"signature": {"signers": [["release"]]}}),
            json!({"signature": {"signers": ["release", "release"]}}),
            json!({"signature": {"signers": [""]}}),
            json!({"signature": {"signers": ["a b"]}}),
            json!({"signature": {"revoked": DIGEST}}),
            json!({"signature": {"revoked": {"sha256": "aa"}}}),
            json!({"signature": {"revoked": [DIGEST.to_uppercase()]}}),
            json!({"signature": {"revoked": [DIGEST.replace('e', "E")]}}),
            json!({"signature": {"revoked": [DIGEST.trim_start_matches("sha256:")]}}),
            json!({"signature": {"revoked": [format!("{DIGEST} ")]}}),
            json!({"signature": {"revoked": [format!(" {DIGEST}")]}}),
            json!({"signature": {"revoked": [format!("r.example/app@{DIGEST}")]}}),
            json!({"signature": {"revoked": [[DIGEST]]}}),
            json!({"signature": {"revoked": [null]}}),
            json!({"signature": {"revoked": ["sha256:aa"]}}),
            json!({"signature": {"maxAgeDays": "30"}}),
            json!({"signature": {"maxAgeDays": 1.5}}),
            json!({"signature": {"maxAgeDays": -1}}),
            json!({"signature": {"maxAgeDays": 36526}}),
            json!({"rebuild": {"minLevel": 0}}),
            json!({"ownership": {"minCoverage": 101}}),
            json!({"ownership": {"covered": ["unowned"]}}),
            json!({"ownership": {"covered": ["self-recorded", "self-recorded"]}}),
            json!({"ownership": {"covered": "generated"}}),
            json!({"files": {"maxLayers": 1_000_000_001_u64}}),
            json!({"files": {"maxFiles": -1}}),
            json!({"base": {"images": "registry.example/base"}}),
            json!({"base": {"images": [""]}}),
            json!({"base": {"images": ["a b"]}}),
            json!({"base": {"images": ["a", "a"]}}),
            json!({"base": {"images": ["***"]}}),
            json!({"base": {"images": ["a?"]}}),
            json!({"base": {"images": ["{a,b}"]}}),
            json!({"base": {"images": ["[ab]"]}}),
            json!({"base": {"images": ["!a"]}}),
            json!({"base": {"images": ["a\\*"]}}),
            json!({"provenance": {"sources": ["x".repeat(1025)]}}),
            json!({"provenance": {"arguments": ["A B"]}}),
            json!({"provenance": {"incomplete": "off"}}),
            json!({"attestations": {"required": [7]}}),
            json!({"rebuild": {"minLevel": 6}}),
            json!({"rebuild": {"minLevel": "4"}}),
            json!({"rebuild": {"minLevel": true}}),
            json!({"ownership": {"unowned": "/srv/app"}}),
            json!({"ownership": {"unowned": ["srv/app"]}}),
            json!({"ownership": {"unowned": ["/"]}}),
            json!({"sbom": {"ghosts": "Warn"}}),
            json!({"sbom": {"ghosts": "ignore"}}),
            json!({"sbom": {"uncovered": "off"}}),
            json!({"ownership": {"selfRecorded": "off"}}),
            json!({"sbom": {"ghosts": ["warn"]}}),
            json!({"files": {"tools": ["shells"]}}),
            json!({"files": {"tools": "shell"}}),
            json!({"files": {"privileged": ["bin/su"]}}),
            json!({"files": {"maxBytes": "1GiB"}}),
            json!({"licences": {"allow": ["GPL-2.0"]}}),
            json!({"licences": {"deny": ["mit"]}}),
            json!({"licences": {"deny": ["MIT OR ISC"]}}),
            json!({"licences": {"deny": ["Beer"]}}),
            json!({"licences": {"unknown": "ignore"}}),
            json!({"secrets": {"allow": ["key.pem"]}}),
            json!({"malware": {"allow": ["a"]}}),
            json!({"malware": {"allow": [{"rule": "a", "path": "/a"}]}}),
            json!({"malware": {"allow": [{"rule": "a", "path": "a", "reason": "b"}]}}),
            json!({"malware": {"allow": [{"rule": "a b", "path": "/a", "reason": "b"}]}}),
            json!({"malware": {"allow": [{"rule": "a", "path": "/a", "reason": " "}]}}),
            json!({"malware": {"allow": [{"rule": "a", "path": "/a", "reason": "b", "until": "c"}]}}),
            json!({"malware": {"allow": [{"rule": "a", "path": "/a", "reason": "b", "images": []}]}}),
            json!({"malware": {"allow": [{"rule": "a", "path": "/a", "reason": "b", "images": "a"}]}}),
            json!({"malware": {"allow": [{"rule": "a", "path": "/a", "reason": "b", "images": ["a?"]}]}}),
            json!({"malware": {"allow": [{"rule": "a", "path": "/a", "images": ["a"]}]}}),
            json!({"malware": {"gaps": "off"}}),
        ];
        for settings in bad {
            let error = typed(&object(settings.clone())).err();
            let error = error.unwrap_or_else(|| panic!("accepted: {settings}")).to_string();
            assert!(error.starts_with("policy.settings."), "{error}");
            assert!(error.contains("expected ") && error.contains("; "), "{error}");
        }
    }

    #[test]
    fn i1_a_setting_that_no_rule_reads_is_refused() {
        let path = |text: &str| text.split('.').map(str::to_owned).collect::<Vec<_>>();
        let own = BTreeSet::from([path("a.b"), path("c")]);
        let reads = Reads { own, ..Reads::default() };
        let all = |settings: Value| all_read(&object(settings), &reads).map_err(|e| e.to_string());
        for read in [json!({}), json!({"a": {"b": 1}}), json!({"a": {"b": {"x": 1}}, "c": [1]})] {
            assert_eq!(all(read.clone()), Ok(()), "{read}");
        }
        for (unread, key) in [
            (json!({"d": 1}), "policy.settings.d"),
            (json!({"a": {"x": 1}}), "policy.settings.a.x"),
            (json!({"a": 1}), "policy.settings.a "),
            (json!({"a": {}}), "policy.settings.a "),
            (json!({"a": {"b": 1}, "cc": 1}), "policy.settings.cc"),
        ] {
            let error = all(unread.clone()).expect_err("it is refused");
            assert!(error.contains(key) && error.contains("a.b, c"), "{unread}: {error}");
        }
    }

    /// A rule of the operator's own that takes all settings at once does not say which names there are.
    #[test]
    fn i1_a_rule_that_reads_everything_does_not_make_a_misspelt_setting_good() {
        let path = |text: &str| text.split('.').map(str::to_owned).collect::<Vec<_>>();
        let reads = |shipped: &[&str], own: &[Vec<String>]| Reads {
            shipped: shipped.iter().map(|text| path(text)).collect(),
            own: own.iter().cloned().collect(),
        };
        let (whole, section) = (Vec::new(), path("signature"));
        let loaded = ["signature.revoked", "sbom.ghosts"];
        let digests = json!({"signature": {"revoked": [DIGEST]}});
        let names = json!({"signature": {"signers": ["a"]}});
        // what shipped rules read, what own rules read, settings, what is refused
        let cases = [
            (&loaded[..], vec![], digests.clone(), None),
            (&loaded, vec![whole.clone()], digests, None),
            (&loaded, vec![whole.clone()], json!({"mine": {"limit": 1}}), None),
            (&loaded, vec![path("mine")], json!({"mine": {"limit": 1}}), None),
            (&loaded, vec![path("signatures")], json!({"signatures": {"limit": 1}}), None),
            (
                &loaded,
                vec![whole.clone()],
                json!({"signature": {"revokd": [DIGEST]}}),
                Some("did you mean signature.revoked? "),
            ),
            (
                &loaded,
                vec![section.clone()],
                json!({"signature": {"revokd": [DIGEST]}}),
                Some("signature.revokd is no setting"),
            ),
            (
                &loaded,
                vec![path("signature.limit")],
                json!({"signature": {"limit": 3}}),
                Some("signature.limit is no setting"),
            ),
            (
                &loaded,
                vec![whole.clone()],
                json!({"signatur": {"revoked": [DIGEST]}}),
                Some("did you mean signature? "),
            ),
            (
                &loaded,
                vec![whole.clone()],
                json!({"Sbom": {"ghosts": "deny"}}),
                Some("did you mean sbom? "),
            ),
            (
                &loaded,
                vec![whole.clone()],
                names.clone(),
                Some("signature.signers is read by no rule"),
            ),
            (&loaded, vec![section], names.clone(), Some("signature.signers is read by no rule")),
            (&loaded, vec![path("signature.signers")], names, None),
            (
                &loaded,
                vec![whole],
                json!({"rebuild": {"minLevel": 3}}),
                Some("rebuild.minLevel is read by no rule"),
            ),
        ];
        for (shipped, own, settings, refused) in cases {
            let told = all_read(&object(settings.clone()), &reads(shipped, &own));
            let told = told.err().map(|e| e.to_string());
            match refused {
                None => assert_eq!(told, None, "{settings} {own:?}"),
                Some(want) => assert!(
                    told.as_ref().is_some_and(|told| told.contains(want)),
                    "{settings} {own:?}: {told:?}"
                ),
            }
        }
    }
}
