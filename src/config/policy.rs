//! `policy`: what is asked of an image, and what is excepted from it.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use jiff::{Timestamp, civil::Date};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    ConfigError, KeyPath, Step,
    error::key,
    folder::is_archive,
    presets::{self, PresetChoice, RawChoice},
    reader::{Reader, among, day, one_of, today, want},
    settings::settings,
};
use crate::{
    contents::accounts::Side,
    policy::{Effective, Exception, GivenApproval, Scope, bundle::RULES},
    reference::{Location, PinnedReference, Reference, Selector},
    trust::ApprovedBuild,
};

/// The section as it is written.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Raw {
    preset: Option<String>,
    rules: Option<Vec<String>>,
    bundles: Option<Vec<RawBundle>>,
    bundle_signers: Option<Vec<String>>,
    #[serde(default)]
    #[schemars(with = "serde_json::Value")]
    settings: Option<yaml_serde::Value>,
    #[serde(default)]
    exceptions: Vec<RawException>,
    pub(super) exception_files: Option<Vec<String>>,
    pub(super) exception_signers: Option<Vec<String>>,
    #[serde(default)]
    effective: BTreeMap<String, RawEffective>,
    presets: Option<Vec<RawChoice>>,
    #[serde(default)]
    pub(super) blueprints: Vec<RawBlueprint>,
    pub(super) approvals: Option<RawApprovals>,
}

/// A bundle as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
enum RawBundle {
    /// A folder or an archive.
    Path(String),
    /// An artifact in a registry.
    Artifact(RawArtifact),
    /// Neither; what is read of it is what is wrong with it.
    Other(#[schemars(with = "String")] yaml_serde::Value),
}

/// An artifact as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RawArtifact {
    oci: String,
}

/// From which day on a code denies, as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
enum RawEffective {
    /// For all layers.
    Day(String),
    /// For the layers of one side.
    Sides(RawSides),
    /// Neither; what is read of it is what is wrong with it.
    Other(#[schemars(with = "String")] yaml_serde::Value),
}

/// The days of each side as they are written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RawSides {
    base: Option<String>,
    own: Option<String>,
}

/// One exception as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RawException {
    code: String,
    package: Option<String>,
    images: Vec<String>,
    component: Option<String>,
    path: Option<String>,
    reason: String,
    owner: String,
    expires: String,
}

/// A blueprint as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RawBlueprint {
    pub(super) images: Vec<String>,
    pub(super) file: String,
    pub(super) signers: Vec<String>,
}

/// Approvals as they are written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RawApprovals {
    pub(super) files: Option<Vec<String>>,
    pub(super) signers: Vec<String>,
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
    /// Days from which on codes deny.
    pub effective: Vec<Effective>,
    /// Presets for some images; the first that is about an image is its preset.
    pub presets: Vec<PresetChoice>,
    /// Builds that somebody approved; the first that is for an image counts.
    pub blueprints: Vec<Arc<ApprovedBuild>>,
    /// Approvals of differences from them.
    pub approvals: Approvals,
}

impl PolicyConfig {
    /// All settings, those for some images among them, with the key under which each are written.
    pub(super) fn all_settings(
        &self,
    ) -> impl Iterator<Item = (KeyPath, &serde_json::Map<String, serde_json::Value>)> {
        let choices = self.presets.iter().enumerate();
        let choices =
            choices.map(|(index, c)| (key!["policy", "presets", index, "settings"], &c.settings));
        std::iter::once((key!["policy", "settings"], &self.settings)).chain(choices)
    }
}

/// Approvals of differences.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Approvals {
    /// Those that are there.
    pub given: Vec<GivenApproval>,
    /// Names of those of whom one has to have signed each; nobody may approve where there are none.
    pub signers: Vec<String>,
}

/// Which rules are evaluated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicySelection {
    /// Rules that hallmark ships, of [`Preset::names`](crate::policy::bundle::Preset::names).
    pub preset: &'static str,
    /// More rules that hallmark ships, of [`RULES`].
    pub rules: Vec<&'static str>,
    /// The operator's own folders and archives, beside them.
    pub bundles: Vec<PathBuf>,
    /// Archives of the operator's own in registries, beside them.
    pub artifacts: Vec<PinnedReference>,
    /// Signers of whom one has to have signed each of them; empty where nobody has to.
    pub bundle_signers: Vec<String>,
}

impl Default for PolicySelection {
    fn default() -> Self {
        let (rules, bundles, artifacts) = (Vec::new(), Vec::new(), Vec::new());
        Self { preset: "baseline", rules, bundles, artifacts, bundle_signers: Vec::new() }
    }
}

impl PolicySelection {
    /// How many folders, archives and artifacts there are.
    pub fn folders(&self) -> usize {
        self.bundles.len().saturating_add(self.artifacts.len())
    }
}

/// What `policy` says.
pub(super) fn policy(
    reader: &Reader<'_>,
    raw: Raw,
    now: Option<Timestamp>,
) -> Result<PolicyConfig, ConfigError> {
    let preset = raw
        .preset
        .map(|name| presets::preset(reader, key!["policy", "preset"], &name))
        .transpose()?;
    let choices = raw.presets.map(|choices| presets::presets(reader, choices)).transpose()?;
    let rules = raw.rules.map(|names| rules(reader, &names)).transpose()?;
    let (folders, artifacts) =
        raw.bundles.map(|all| bundles(reader, all)).transpose()?.unwrap_or_default();
    if let Some(names) = &raw.bundle_signers {
        reader.not_empty(key!["policy", "bundleSigners"], names)?;
    }
    let default = PolicySelection::default();
    let today = today(now);
    Ok(PolicyConfig {
        selection: PolicySelection {
            preset: preset.unwrap_or(default.preset),
            rules: rules.unwrap_or(default.rules),
            bundles: folders,
            artifacts,
            bundle_signers: raw.bundle_signers.unwrap_or_default(),
        },
        settings: settings(reader, &key!["policy", "settings"], raw.settings)?,
        exceptions: exceptions(reader, &raw.exceptions, today)?,
        effective: effective(reader, &raw.effective, today)?,
        presets: choices.unwrap_or_default(),
        // They are read once it is known who may sign them.
        blueprints: Vec::new(),
        approvals: Approvals::default(),
    })
}

fn effective(
    reader: &Reader<'_>,
    raw: &BTreeMap<String, RawEffective>,
    today: Option<Date>,
) -> Result<Vec<Effective>, ConfigError> {
    let mut all = Vec::new();
    for (code, days) in raw {
        let at = key!["policy", "effective", code.as_str()];
        let sides = match days {
            RawEffective::Day(day) => vec![(None, day)],
            RawEffective::Sides(RawSides { base, own }) => {
                let base = base.iter().map(|day| (Some(Side::Base), day));
                base.chain(own.iter().map(|day| (Some(Side::Own), day))).collect()
            }
            RawEffective::Other(found) => return Err(no_day(reader, at, found)),
        };
        if sides.is_empty() {
            return Err(reader.refuse(at, "nothing", want("a day", DAYS_HELP)));
        }
        for (side, text) in sides {
            if day(text).is_none() {
                return Err(reader.refuse(at, text, want("a day such as 2027-01-31", DAYS_HELP)));
            }
            let on = reader.last_day(at.clone(), text, today)?;
            all.push(Effective { code: code.clone(), side, on });
        }
    }
    Ok(all)
}

/// What to write under `policy.effective`.
const DAYS_HELP: &str = "write a day of the calendar, CODE: 2027-01-31, or CODE: {base: 2027-01-31} for the layers of the base alone, own for \
                         those of the image";

/// That what stands under a code is neither a day nor days of sides.
fn no_day(reader: &Reader<'_>, mut at: KeyPath, found: &yaml_serde::Value) -> ConfigError {
    let mut names = found.as_mapping().into_iter().flat_map(|sides| sides.keys());
    let stray = names.find_map(|key| key.as_str().filter(|name| !matches!(*name, "base" | "own")));
    if let Some(name) = stray {
        at.0.push(Step::Key(name.to_owned()));
        return reader.refuse(at, name, want("base or own", DAYS_HELP));
    }
    let found = serde_json::to_string(found).unwrap_or_default();
    reader.refuse(at, found, want("a day such as 2027-01-31", DAYS_HELP))
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
            return Err(refuse(among(&known, text, help)));
        };
        if found.contains(&name) {
            return Err(refuse(want("each name once", "remove one of them")));
        }
        found.push(name);
    }
    Ok(found)
}

/// Folders and archives, and artifacts.
type Bundles = (Vec<PathBuf>, Vec<PinnedReference>);

fn bundles(reader: &Reader<'_>, all: Vec<RawBundle>) -> Result<Bundles, ConfigError> {
    if all.is_empty() {
        let complaint = want("at least one folder", "name a folder, or leave the key out");
        return Err(reader.refuse(key!["policy", "bundles"], "an empty list", complaint));
    }
    let (mut folders, mut artifacts) = (Vec::new(), Vec::new());
    for (index, raw) in all.into_iter().enumerate() {
        let at = key!["policy", "bundles", index];
        let twice = || want("each folder once", "remove one of them");
        match raw {
            RawBundle::Path(text) => {
                let path = folder(reader, at.clone(), &text)?;
                if folders.contains(&path) {
                    return Err(reader.refuse(at, path.display(), twice()));
                }
                folders.push(path);
            }
            RawBundle::Artifact(RawArtifact { oci }) => {
                let found = artifact(reader, index, &oci)?;
                if artifacts.contains(&found) {
                    return Err(reader.refuse(at, found, twice()));
                }
                artifacts.push(found);
            }
            RawBundle::Other(found) => {
                let names = found.as_mapping().into_iter().flat_map(|keys| keys.keys());
                let stray = names.filter_map(|key| key.as_str()).find(|name| *name != "oci");
                let found = match stray {
                    Some(name) => format!("unknown field `{name}`"),
                    None => serde_json::to_string(&found).unwrap_or_default(),
                };
                let help = "write the path of a folder or archive, or oci: REPOSITORY@sha256:...";
                return Err(reader.refuse(at, found, want("a path, or oci: and a digest", help)));
            }
        }
    }
    Ok((folders, artifacts))
}

fn folder(reader: &Reader<'_>, at: KeyPath, text: &str) -> Result<PathBuf, ConfigError> {
    let path = reader.path(text);
    if !text.is_empty() && (is_archive(&path) || reader.files.has_folder(&path)) {
        return Ok(path);
    }
    let help = "relative paths start at this file's folder; a bundle in a registry is written oci: REPOSITORY@sha256:...";
    let expected = "a folder with .rego files, or a bundle of OPA, .tar.gz";
    Err(reader.refuse(at, path.display(), want(expected, help)))
}

fn artifact(reader: &Reader<'_>, index: usize, text: &str) -> Result<PinnedReference, ConfigError> {
    let refuse = |found: String, help: String| {
        let at = key!["policy", "bundles", index, "oci"];
        reader.refuse(at, found, want("a repository of a registry with a digest", help))
    };
    let form = || "write REPOSITORY@sha256:..., as oras push prints it".to_owned();
    match text.parse::<Reference>() {
        Ok(Reference::At(location @ Location::Registry(_), Selector::Digest(digest))) => {
            Ok(PinnedReference { location, digest })
        }
        Ok(Reference::At(location @ Location::Registry(_), _)) => {
            let help = format!(
                "a tag can be moved to other rules: write the digest that `oras resolve {text}` prints, {location}@sha256:..."
            );
            Err(refuse(text.to_owned(), help))
        }
        Ok(_) => Err(refuse(text.to_owned(), form())),
        Err(error) => Err(refuse(error.to_string(), form())),
    }
}

/// What `policy.exceptions` says, here or in a file that somebody signed.
pub(super) fn exceptions(
    reader: &Reader<'_>,
    raw: &[RawException],
    today: Option<Date>,
) -> Result<Vec<Vec<Exception>>, ConfigError> {
    let all = raw.iter().enumerate();
    all.map(|(index, exception)| self::exception(reader, index, exception, today)).collect()
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
    let scope = scope(reader, &at, raw)?;
    let of = |images| Exception {
        images,
        expires,
        code: raw.code.clone(),
        package: raw.package.clone(),
        scope: scope.clone(),
        reason: raw.reason.clone(),
        owner: raw.owner.clone(),
        elsewhere: false,
    };
    Ok(images.into_iter().map(of).collect())
}

/// What of the denials an exception is about.
fn scope(
    reader: &Reader<'_>,
    at: &impl Fn(&str) -> KeyPath,
    raw: &RawException,
) -> Result<Option<Scope>, ConfigError> {
    match (&raw.component, &raw.path) {
        (None, None) => Ok(None),
        (Some(_), Some(path)) => {
            let help = "write two entries";
            Err(reader.refuse(at("path"), path, want("either component or path", help)))
        }
        (Some(text), None) => {
            let refuse = |error: crate::policy::scope::ComponentPatternError| {
                let help = "a name, NAME@VERSION or package URL as the report has it; * and ** are patterns";
                reader.refuse(at("component"), error, want("a pattern of components", help))
            };
            text.parse().map(|pattern| Some(Scope::Component(pattern))).map_err(refuse)
        }
        (None, Some(text)) => {
            let refuse = |error: crate::compare::PathPatternError| {
                let help = "an absolute path as the report has it; * and ** are patterns";
                reader.refuse(at("path"), error, want("a pattern of paths", help))
            };
            text.parse().map(|pattern| Some(Scope::Path(pattern))).map_err(refuse)
        }
    }
}
