//! The whole of `hallmark.yaml`: its sections, and what holds across them.

use std::path::Path;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    Config, ConfigError, GateConfig, KeyPath, PresetChoice, contents,
    error::key,
    form, gate, limits, policy,
    reader::{Reader, today, want},
    rebuild, registries, repositories,
    signed::Signed,
    trust,
    trust::roots::{self, Roots, Surroundings},
    vulnerabilities,
};
use crate::{digest::Digest, policy::nearest::did_you_mean, saved::Access, trust::TrustRules};

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
    let mut raw = read(file, text)?;
    let reader = Reader { file, text, files: &surroundings.files };
    let limits = limits::limits(&reader, &raw.limits)?;
    let roots = roots::roots(&reader, &raw.trust, surroundings)?;
    let trust = trust::trust(&reader, &raw.trust, &roots, &limits)?;
    let blueprints = std::mem::take(&mut raw.policy.blueprints);
    let approvals = raw.policy.approvals.take();
    let exception_files = raw.policy.exception_files.take();
    let exception_signers = raw.policy.exception_signers.take();
    let mut policy = policy::policy(&reader, raw.policy, surroundings.now)?;
    let signed = Signed { reader: &reader, trust: &trust, limits: &limits };
    policy.blueprints = signed.blueprints(&blueprints, &policy)?;
    policy.approvals = signed.approvals(approvals.as_ref())?;
    let today = today(surroundings.now);
    let given = (exception_files.as_deref(), exception_signers.as_deref());
    signed.exceptions(given, &mut policy, today)?;
    bundle_signers_are_configured(&reader, &trust, &policy.selection.bundle_signers)?;
    for (at, settings) in policy.all_settings() {
        signers_are_configured(&reader, &trust, &at, settings)?;
        age_has_evidence(&reader, &trust, &at, settings)?;
    }
    let of_blueprints = blueprints.iter().flat_map(|one| &one.signers);
    let of_approvals = approvals.iter().flat_map(|one| &one.signers);
    let of_exceptions = exception_signers.iter().flatten();
    let elsewhere = of_blueprints.chain(of_approvals).chain(of_exceptions);
    let elsewhere = elsewhere.chain(&policy.selection.bundle_signers).cloned();
    let trust = trust.asking_elsewhere(elsewhere);
    let registries = registries::registries(&reader, &raw.registries)?;
    let rebuild = rebuild::rebuild(&reader, &raw.rebuild, &registries, &trust, surroundings.now)?;
    let gate = raw.gate.as_ref().map(|gate| gate::gate(&reader, gate)).transpose()?;
    labels_can_be_read(&reader, &policy.presets, gate.as_ref())?;
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
        gate,
        files: surroundings.files.clone(),
    })
}

/// What can be updated of the trusted roots that `text` names.
pub(super) fn updatable(
    file: &Path,
    text: &str,
    surroundings: &Surroundings,
) -> Result<Roots, ConfigError> {
    let raw = read(file, text)?;
    roots::repositories(
        &Reader { file, text, files: &surroundings.files },
        &raw.trust,
        surroundings,
    )
}

fn read(file: &Path, text: &str) -> Result<Raw, ConfigError> {
    let raw: Raw = form::read(file, text)?;
    if raw.version != 1 {
        let reader = Reader { file, text, files: &Access::Live };
        let help = "this hallmark reads version 1; a newer file needs a newer hallmark";
        return Err(reader.refuse(key!["version"], raw.version, want("1", help)));
    }
    Ok(raw)
}

/// A key below another one.
fn below(at: &KeyPath, key: KeyPath) -> KeyPath {
    KeyPath(at.0.iter().cloned().chain(key.0).collect())
}

/// Who has to have signed is somebody who can: a name that no signer has denies every image.
fn signers_are_configured(
    reader: &Reader<'_>,
    trust: &TrustRules,
    at: &KeyPath,
    settings: &serde_json::Map<String, serde_json::Value>,
) -> Result<(), ConfigError> {
    let asked = settings.get("signature").and_then(|section| section.get("signers"));
    let asked = asked.and_then(|names| names.as_array()).into_iter().flatten().enumerate();
    for (index, name) in asked.filter_map(|(i, name)| Some((i, name.as_str()?))) {
        if !trust.signers().contains_key(name) {
            let known = || trust.signers().keys().map(String::as_str);
            let meant = did_you_mean(name, known());
            let help = format!("{meant}signers are {}", known().collect::<Vec<_>>().join(", "));
            let at = below(at, key!["signature", "signers", index]);
            return Err(reader.refuse(
                at,
                name,
                want("the name of a signer of trust.signers", help),
            ));
        }
    }
    Ok(())
}

/// Who has to have signed the rules is somebody who can.
fn bundle_signers_are_configured(
    reader: &Reader<'_>,
    trust: &TrustRules,
    asked: &[String],
) -> Result<(), ConfigError> {
    let unknown = |(_, name): &(usize, &String)| !trust.signers().contains_key(name.as_str());
    let Some((index, name)) = asked.iter().enumerate().find(unknown) else { return Ok(()) };
    let known = || trust.signers().keys().map(String::as_str);
    let meant = did_you_mean(name, known());
    let help = format!("{meant}signers are {}", known().collect::<Vec<_>>().join(", "));
    let complaint = want("the name of a signer of trust.signers", help);
    Err(reader.refuse(key!["policy", "bundleSigners", index], name, complaint))
}

/// Labels of namespaces are asked for only where somebody can be asked for them.
fn labels_can_be_read(
    reader: &Reader<'_>,
    presets: &[PresetChoice],
    gate: Option<&GateConfig>,
) -> Result<(), ConfigError> {
    let Some(index) = presets.iter().position(PresetChoice::asks_labels) else { return Ok(()) };
    if gate.is_some_and(|gate| gate.apiserver.is_some()) {
        return Ok(());
    }
    let help = "write gate: {apiserver: {}} for the service account of hallmark's own pod, which has to be allowed to get namespaces \
                (hallmark explain configuration), or choose by namespaces.names alone";
    let complaint = want("gate.apiserver, where labels of namespaces are read", help);
    let at = key!["policy", "presets", index, "namespaces", "labels"];
    Err(reader.refuse(at, "labels, and nobody to ask for them", complaint))
}

/// The age of a signature is asked for only where something can prove it: not of those who have nothing but keys.
fn age_has_evidence(
    reader: &Reader<'_>,
    trust: &TrustRules,
    at: &KeyPath,
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
    let at = below(at, key!["signature", "maxAgeDays"]);
    Err(reader.refuse(at, days, want(expected.as_str(), help)))
}
