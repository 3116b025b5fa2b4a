//! `policy`: what is asked of an image, and what is excepted from it.

use std::path::PathBuf;

use jiff::{Timestamp, civil::Date};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    ConfigError, Step,
    error::key,
    reader::{Reader, one_of, today, want},
};
use crate::{
    json::numbers,
    policy::{
        Exception,
        bundle::{Preset, RULES},
        settings::typed,
    },
};

/// The section as it is written.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Raw {
    preset: Option<String>,
    rules: Option<Vec<String>>,
    bundles: Option<Vec<String>>,
    #[serde(default)]
    #[schemars(with = "serde_json::Value")]
    settings: Option<yaml_serde::Value>,
    #[serde(default)]
    exceptions: Vec<RawException>,
}

/// One exception as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RawException {
    code: String,
    package: Option<String>,
    images: Vec<String>,
    reason: String,
    owner: String,
    expires: String,
}

/// What is asked of an image.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PolicyConfig {
    /// Which rules.
    pub selection: PolicySelection,
    /// Data for the rules; an object.
    pub settings: serde_json::Map<String, serde_json::Value>,
    /// Rules that may be broken for some images, for some time: of each entry one exception for each image pattern.
    pub exceptions: Vec<Vec<Exception>>,
}

/// Which rules are evaluated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicySelection {
    /// Rules that hallmark ships, of [`Preset::names`](crate::policy::bundle::Preset::names).
    pub preset: &'static str,
    /// More rules that hallmark ships, of [`RULES`].
    pub rules: Vec<&'static str>,
    /// The operator's own folders, beside them.
    pub bundles: Vec<PathBuf>,
}

impl Default for PolicySelection {
    fn default() -> Self {
        Self { preset: "baseline", rules: Vec::new(), bundles: Vec::new() }
    }
}

/// What `policy` says.
pub(super) fn policy(
    reader: &Reader<'_>,
    raw: Raw,
    now: Option<Timestamp>,
) -> Result<PolicyConfig, ConfigError> {
    let preset = raw.preset.map(|name| preset(reader, &name)).transpose()?;
    let rules = raw.rules.map(|names| rules(reader, &names)).transpose()?;
    let bundles = raw.bundles.map(|folders| bundles(reader, &folders)).transpose()?;
    let default = PolicySelection::default();
    let today = today(now);
    let exceptions = raw.exceptions.iter().enumerate();
    let exceptions =
        exceptions.map(|(index, exception)| self::exception(reader, index, exception, today));
    Ok(PolicyConfig {
        selection: PolicySelection {
            preset: preset.unwrap_or(default.preset),
            rules: rules.unwrap_or(default.rules),
            bundles: bundles.unwrap_or(default.bundles),
        },
        settings: settings(reader, raw.settings)?,
        exceptions: exceptions.collect::<Result<_, _>>()?,
    })
}

fn preset(reader: &Reader<'_>, name: &str) -> Result<&'static str, ConfigError> {
    Preset::names().find(|known| *known == name).ok_or_else(|| {
        let known: Vec<_> = Preset::names().collect();
        let complaint = want(one_of(&known), "rules of your own come beside it: bundles: [FOLDER]");
        reader.refuse(key!["policy", "preset"], format!("{name:?}"), complaint)
    })
}

fn rules(reader: &Reader<'_>, names: &[String]) -> Result<Vec<&'static str>, ConfigError> {
    let known: Vec<&'static str> = RULES.iter().map(|(name, _)| *name).collect();
    if names.is_empty() {
        let complaint = want(one_of(&known), "name one, or leave the key out");
        return Err(reader.refuse(key!["policy", "rules"], "an empty list", complaint));
    }
    let mut found = Vec::new();
    for (index, text) in names.iter().enumerate() {
        let refuse = |complaint| {
            reader.refuse(key!["policy", "rules", index], format!("{text:?}"), complaint)
        };
        let Some(name) = known.iter().copied().find(|name| name == text) else {
            let help = "rules of your own come beside it: bundles: [FOLDER]";
            return Err(refuse(want(one_of(&known), help)));
        };
        if found.contains(&name) {
            return Err(refuse(want("each name once", "remove one of them")));
        }
        found.push(name);
    }
    Ok(found)
}

fn bundles(reader: &Reader<'_>, folders: &[String]) -> Result<Vec<PathBuf>, ConfigError> {
    if folders.is_empty() {
        let complaint = want("at least one folder", "name a folder, or leave the key out");
        return Err(reader.refuse(key!["policy", "bundles"], "an empty list", complaint));
    }
    let mut found = Vec::new();
    for (index, text) in folders.iter().enumerate() {
        let refuse = |found: String, complaint| {
            Err(reader.refuse(key!["policy", "bundles", index], found, complaint))
        };
        let path = reader.path(text);
        if text.is_empty() || !path.is_dir() {
            let help = "relative paths start at this file's folder";
            return refuse(path.display().to_string(), want("a folder with .rego files", help));
        }
        if found.contains(&path) {
            return refuse(
                path.display().to_string(),
                want("each folder once", "remove one of them"),
            );
        }
        found.push(path);
    }
    Ok(found)
}

fn settings(
    reader: &Reader<'_>,
    raw: Option<yaml_serde::Value>,
) -> Result<serde_json::Map<String, serde_json::Value>, ConfigError> {
    let Some(raw) = raw else { return Ok(serde_json::Map::new()) };
    let document = reader.plain(&key!["policy", "settings"], &raw)?;
    if let Some(number) = numbers::inexact_of(reader.text, &document) {
        let complaint =
            want("numbers that 64 bits hold exactly", "write it as a text, or with fewer digits");
        return Err(reader.refuse(key!["policy", "settings"], number, complaint));
    }
    let map = match document {
        serde_json::Value::Object(map) => map,
        other => {
            let complaint = want(
                "a mapping of names to values",
                "docs/policy.md lists those of the shipped rules",
            );
            return Err(reader.refuse(key!["policy", "settings"], other, complaint));
        }
    };
    typed(&map).map_err(|error| {
        let mut at = key!["policy", "settings"];
        at.0.extend(error.path.into_iter().map(Step::Key));
        at.0.extend(error.item.map(Step::Item));
        reader.refuse(at, error.found, want(error.expected, error.help))
    })?;
    Ok(map)
}

fn exception(
    reader: &Reader<'_>,
    index: usize,
    raw: &RawException,
    today: Option<Date>,
) -> Result<Vec<Exception>, ConfigError> {
    let at = |name: &str| key!["policy", "exceptions", index, name];
    reader.not_empty(at("code"), std::slice::from_ref(&raw.code))?;
    for (name, text) in [("reason", &raw.reason), ("owner", &raw.owner)] {
        reader.words(at(name), text)?;
    }
    if let Some(package) = &raw.package
        && !package.split('.').all(|word| !word.is_empty() && !word.contains(char::is_whitespace))
    {
        let complaint = want("a package such as hallmark.sbom", "as reports write it");
        return Err(reader.refuse(at("package"), format!("{package:?}"), complaint));
    }
    let images = reader.images(&at("images"), &raw.images)?;
    let expires = reader.last_day(at("expires"), &raw.expires, today)?;
    let of = |images| Exception {
        images,
        expires,
        code: raw.code.clone(),
        package: raw.package.clone(),
        reason: raw.reason.clone(),
        owner: raw.owner.clone(),
        elsewhere: false,
    };
    Ok(images.into_iter().map(of).collect())
}
