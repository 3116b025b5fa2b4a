//! `policy.presets`: other presets for some images, and in the gate for some namespaces.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    ConfigError, KeyPath, Step,
    error::key,
    reader::{Reader, among, want},
    settings::settings,
};
use crate::{
    policy::{
        bundle::Preset,
        namespaces::{NamespaceSelector, is_label_key, is_label_value},
    },
    trust::ImagePattern,
};

/// A preset for some images as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RawChoice {
    images: Option<Vec<String>>,
    namespaces: Option<RawNamespaces>,
    preset: String,
    #[serde(default)]
    #[schemars(with = "serde_json::Value")]
    settings: Option<yaml_serde::Value>,
}

/// Namespaces as they are written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RawNamespaces {
    names: Option<Vec<String>>,
    labels: Option<BTreeMap<String, RawValues>>,
}

/// The values of a label as they are written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
enum RawValues {
    /// One.
    One(String),
    /// Any of several.
    Several(Vec<String>),
    /// Neither; what is read of it is what is wrong with it.
    Other(#[schemars(with = "String")] yaml_serde::Value),
}

/// A preset for some images.
#[derive(Debug, Clone, PartialEq)]
pub struct PresetChoice {
    /// Which images.
    pub images: Vec<ImagePattern>,
    /// In which namespaces of a cluster; everywhere, and outside of the gate, too, where nothing is said.
    pub namespaces: Option<NamespaceSelector>,
    /// Of [`Preset::names`](crate::policy::bundle::Preset::names).
    pub preset: &'static str,
    /// Settings for these images alone, over all others.
    pub settings: serde_json::Map<String, serde_json::Value>,
}

impl PresetChoice {
    /// Whether it takes labels of a namespace to tell what it is about.
    pub fn asks_labels(&self) -> bool {
        self.namespaces.as_ref().is_some_and(NamespaceSelector::asks_labels)
    }
}

/// The preset of this name.
pub(super) fn preset(
    reader: &Reader<'_>,
    at: KeyPath,
    name: &str,
) -> Result<&'static str, ConfigError> {
    Preset::names().find(|known| *known == name).ok_or_else(|| {
        let known: Vec<_> = Preset::names().collect();
        let help = "rules of your own come beside it: bundles: [FOLDER]";
        let complaint = among(&known, name, help);
        reader.refuse(at, format!("{name:?}"), complaint)
    })
}

/// What `policy.presets` says.
pub(super) fn presets(
    reader: &Reader<'_>,
    choices: Vec<RawChoice>,
) -> Result<Vec<PresetChoice>, ConfigError> {
    if choices.is_empty() {
        let complaint =
            want("at least one entry", "name images and a preset, or leave the key out");
        return Err(reader.refuse(key!["policy", "presets"], "an empty list", complaint));
    }
    let read = choices.into_iter().enumerate().map(|(index, raw)| choice(reader, index, raw));
    read.collect()
}

fn choice(reader: &Reader<'_>, index: usize, raw: RawChoice) -> Result<PresetChoice, ConfigError> {
    let at = |name: &str| key!["policy", "presets", index, name];
    let namespaces = raw.namespaces.map(|raw| namespaces(reader, index, raw)).transpose()?;
    // In some namespaces every image may be meant.
    let all = || vec!["**".to_owned()];
    let images = raw.images.or_else(|| namespaces.as_ref().map(|_| all())).unwrap_or_default();
    if images.is_empty() {
        let help = "policy.preset is for all others; in the gate, namespaces: {names: [...]} may stand instead";
        let complaint = want("at least one image pattern", help);
        return Err(reader.refuse(at("images"), "none", complaint));
    }
    Ok(PresetChoice {
        images: reader.images(&at("images"), &images)?,
        namespaces,
        preset: preset(reader, at("preset"), &raw.preset)?,
        settings: settings(reader, &at("settings"), raw.settings)?,
    })
}

fn namespaces(
    reader: &Reader<'_>,
    index: usize,
    raw: RawNamespaces,
) -> Result<NamespaceSelector, ConfigError> {
    let at = |name: &str| key!["policy", "presets", index, "namespaces", name];
    let RawNamespaces { names, labels } = raw;
    let is_empty = names.is_none() && labels.as_ref().is_none_or(BTreeMap::is_empty);
    if is_empty {
        let help =
            "write names: [pay, \"team-*\"], labels: {env: prod, tier: [gold, silver]}, or both";
        let at = key!["policy", "presets", index, "namespaces"];
        return Err(reader.refuse(at, "neither", want("names or labels of namespaces", help)));
    }
    let pattern =
        want("the name of a namespace", "a * at the end stands for the rest of a name: team-*");
    let names = names.map(|names| reader.parse(&at("names"), &names, &pattern)).transpose()?;
    let labels = labels.unwrap_or_default().into_iter();
    let labels = labels.map(|(key, values)| {
        let mut at = at("labels");
        at.0.push(Step::Key(key.clone()));
        if !is_label_key(&key) {
            let complaint =
                want("the key of a label", "as kubectl get namespace --show-labels shows it");
            return Err(reader.refuse(at, key, complaint));
        }
        let values = values_of(reader, at, values)?;
        Ok((key, values))
    });
    Ok(NamespaceSelector {
        names: names.unwrap_or_default(),
        labels: labels.collect::<Result<_, _>>()?,
    })
}

fn values_of(
    reader: &Reader<'_>,
    at: KeyPath,
    raw: RawValues,
) -> Result<BTreeSet<String>, ConfigError> {
    let help =
        "write one value, or a list of which one has to be there; a number or true in quotes";
    let complaint = || want("values of a label", help);
    let values = match raw {
        RawValues::One(value) => vec![value],
        RawValues::Several(values) => values,
        RawValues::Other(found) => {
            let found = serde_json::to_string(&found).unwrap_or_default();
            return Err(reader.refuse(at, found, complaint()));
        }
    };
    if values.is_empty() {
        return Err(reader.refuse(at, "an empty list", complaint()));
    }
    if let Some(wrong) = values.iter().find(|value| !is_label_value(value)) {
        return Err(reader.refuse(at, format!("{wrong:?}"), complaint()));
    }
    Ok(values.into_iter().collect())
}
