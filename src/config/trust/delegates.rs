//! `trust.delegates`: verifiers whose word stands in for one's own verdict.

use jiff::SignedDuration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    config::{
        ConfigError,
        error::key,
        reader::{Reader, unknown_signer, want},
        units,
    },
    trust::{Delegate, TrustRules},
};

/// One delegate as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Raw {
    images: Vec<String>,
    signer: String,
    verifier: String,
    #[serde(default)]
    levels: Vec<String>,
    #[serde(default)]
    policies: Vec<String>,
    max_age: String,
}

/// What `trust.delegates` says.
pub(super) fn delegates(
    reader: &Reader<'_>,
    raw: &[Raw],
    trust: &TrustRules,
) -> Result<Vec<Delegate>, ConfigError> {
    raw.iter().enumerate().map(|(index, raw)| delegate(reader, index, raw, trust)).collect()
}

fn delegate(
    reader: &Reader<'_>,
    index: usize,
    raw: &Raw,
    trust: &TrustRules,
) -> Result<Delegate, ConfigError> {
    let at = |name: &'static str| key!["trust", "delegates", index, name];
    if !trust.signers().contains_key(&raw.signer) {
        let names: Vec<_> = trust.signers().keys().map(String::as_str).collect();
        let complaint = unknown_signer(&names);
        return Err(reader.refuse(at("signer"), &raw.signer, complaint));
    }
    let is_uri = url::Url::parse(&raw.verifier).is_ok();
    if !is_uri || raw.verifier.contains(|c: char| c.is_whitespace() || c.is_control()) {
        let help = "the verifier.id of its summaries, as hallmark inspect -o json shows it";
        return Err(reader.refuse(
            at("verifier"),
            format!("{:?}", raw.verifier),
            want("a URI", help),
        ));
    }
    if !raw.levels.is_empty() {
        reader.not_empty(at("levels"), &raw.levels)?;
    }
    let digest = want("a digest of a policy", "the policy.digest of a summary, as sha256:…");
    let policies = match raw.policies.is_empty() {
        true => Vec::new(),
        false => reader.parse(&at("policies"), &raw.policies, &digest)?,
    };
    let age = units::duration(&raw.max_age).and_then(|age| SignedDuration::try_from(age).ok());
    let max_age = age.ok_or_else(|| {
        let complaint = want(units::DURATION, "7 days are 168h");
        reader.refuse(at("maxAge"), &raw.max_age, complaint)
    })?;
    Ok(Delegate {
        images: reader.images(&at("images"), &raw.images)?,
        signer: raw.signer.clone(),
        verifier: raw.verifier.clone(),
        levels: raw.levels.clone(),
        policies,
        max_age,
    })
}
