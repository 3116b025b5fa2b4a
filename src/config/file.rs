//! The whole of `hallmark.yaml`: its sections, and what holds across them.

use std::path::Path;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    Config, ConfigError, contents,
    error::key,
    form, gate, limits, policy,
    reader::{Reader, want},
    rebuild, registries, repositories, trust,
    trust::roots::{self, Roots, Surroundings},
    vulnerabilities,
};
use crate::{digest::Digest, policy::nearest::did_you_mean, trust::TrustRules};

/// The file as it is written. A section that is left out is as if it were empty.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Raw {
    version: u64,
    #[serde(default)]
    repositories: Vec<String>,
    #[serde(default)]
    registries: Vec<registries::Raw>,
    #[serde(default)]
    trust: trust::Raw,
    #[serde(default)]
    policy: policy::Raw,
    #[serde(default)]
    contents: contents::Raw,
    #[serde(default)]
    rebuild: rebuild::Raw,
    vulnerabilities: Option<vulnerabilities::Raw>,
    #[serde(default)]
    limits: limits::Raw,
    gate: Option<gate::Raw>,
}

/// The configuration that `text`, the content of `file`, says.
pub(super) fn config(
    file: &Path,
    text: &str,
    surroundings: &Surroundings,
) -> Result<Config, ConfigError> {
    let raw = read(file, text)?;
    let reader = Reader { file, text };
    let limits = limits::limits(&reader, &raw.limits)?;
    let roots = roots::roots(&reader, &raw.trust, surroundings)?;
    let trust = trust::trust(&reader, &raw.trust, &roots, &limits)?;
    let policy = policy::policy(&reader, raw.policy, surroundings.now)?;
    signers_are_configured(&reader, &trust, &policy.settings)?;
    age_has_evidence(&reader, &trust, &policy.settings)?;
    let registries = registries::registries(&reader, &raw.registries)?;
    let rebuild = rebuild::rebuild(&reader, &raw.rebuild, &registries, &trust, surroundings.now)?;
    Ok(Config {
        file: Some(file.to_owned()),
        text: text.into(),
        digest: Some(Digest::sha256(text.as_bytes())),
        repositories: repositories::repositories(&reader, &raw.repositories)?,
        registries,
        trust,
        roots,
        policy,
        bases: contents::bases(&reader, &raw.contents)?,
        rebuild,
        vulnerabilities: vulnerabilities::database(&reader, raw.vulnerabilities.as_ref(), &limits)?,
        limits,
        gate: raw.gate.as_ref().map(|gate| gate::gate(&reader, gate)).transpose()?,
    })
}

/// What can be updated of the trusted roots that `text` names.
pub(super) fn updatable(
    file: &Path,
    text: &str,
    surroundings: &Surroundings,
) -> Result<Roots, ConfigError> {
    let raw = read(file, text)?;
    roots::repositories(&Reader { file, text }, &raw.trust, surroundings)
}

fn read(file: &Path, text: &str) -> Result<Raw, ConfigError> {
    let raw: Raw = form::read(file, text)?;
    if raw.version != 1 {
        let reader = Reader { file, text };
        let help = "this hallmark reads version 1; a newer file needs a newer hallmark";
        return Err(reader.refuse(key!["version"], raw.version, want("1", help)));
    }
    Ok(raw)
}

/// Who has to have signed is somebody who can: a name that no signer has denies every image.
fn signers_are_configured(
    reader: &Reader<'_>,
    trust: &TrustRules,
    settings: &serde_json::Map<String, serde_json::Value>,
) -> Result<(), ConfigError> {
    let asked = settings.get("signature").and_then(|section| section.get("signers"));
    let asked = asked.and_then(|names| names.as_array()).into_iter().flatten().enumerate();
    for (index, name) in asked.filter_map(|(i, name)| Some((i, name.as_str()?))) {
        if !trust.signers().contains_key(name) {
            let known = || trust.signers().keys().map(String::as_str);
            let meant = did_you_mean(name, known());
            let help = format!("{meant}signers are {}", known().collect::<Vec<_>>().join(", "));
            let at = key!["policy", "settings", "signature", "signers", index];
            return Err(reader.refuse(
                at,
                name,
                want("the name of a signer of trust.signers", help),
            ));
        }
    }
    Ok(())
}

/// The age of a signature is asked for only where something can prove it: not of those who have nothing but keys.
fn age_has_evidence(
    reader: &Reader<'_>,
    trust: &TrustRules,
    settings: &serde_json::Map<String, serde_json::Value>,
) -> Result<(), ConfigError> {
    let signature = settings.get("signature");
    let setting = |name: &str| signature.and_then(|section| section.get(name));
    let Some(days) = setting("maxAgeDays").filter(|days| days.as_u64() != Some(0)) else {
        return Ok(());
    };
    let asked = setting("signers").and_then(|names| names.as_array()).into_iter().flatten();
    let mut asked = asked.filter_map(|name| name.as_str());
    let who = match (asked.find(|name| trust.has_only_keys(name)), trust.without_age()) {
        (Some(name), _) => format!("the signer {name:?} of policy.settings.signature.signers"),
        (None, Some(rule)) => format!("every signer of trust.rules[{rule}]"),
        (None, None) => return Ok(()),
    };
    let expected = format!("0, or signers with certificates: {who} has keys alone");
    let help = "how old a signature by a key is, no log or timestamp proves, since either can be had again for an old \
                one; sign keyless, replace the key from time to time, or list what is too old in signature.revoked";
    let at = key!["policy", "settings", "signature", "maxAgeDays"];
    Err(reader.refuse(at, days, want(expected.as_str(), help)))
}
