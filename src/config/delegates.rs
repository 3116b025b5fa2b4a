//! Verifiers whose word stands in for one's own verdict.

use jiff::SignedDuration;

use super::{
    ConfigError,
    error::key,
    raw,
    reader::{Reader, one_of, want},
    units,
};
use crate::trust::{Delegate, TrustRules};

/// What `trust.delegates` says.
pub(super) fn delegates(
    reader: &Reader<'_>,
    raw: &[raw::Delegate],
    trust: &TrustRules,
) -> Result<Vec<Delegate>, ConfigError> {
    raw.iter().enumerate().map(|(index, raw)| delegate(reader, index, raw, trust)).collect()
}

fn delegate(
    reader: &Reader<'_>,
    index: usize,
    raw: &raw::Delegate,
    trust: &TrustRules,
) -> Result<Delegate, ConfigError> {
    let at = |name: &'static str| key!["trust", "delegates", index, name];
    if !trust.signers().contains_key(&raw.signer) {
        let names: Vec<_> = trust.signers().keys().map(String::as_str).collect();
        let complaint = want(one_of(&names), "add the signer under trust.signers");
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
    let pattern = want("an image pattern", "docs/configuration.md says what is read here");
    let age = units::duration(&raw.max_age).and_then(|age| SignedDuration::try_from(age).ok());
    let max_age = age.ok_or_else(|| {
        let complaint = want(units::DURATION, "7 days are 168h");
        reader.refuse(at("maxAge"), &raw.max_age, complaint)
    })?;
    Ok(Delegate {
        images: reader.parse(&at("images"), &raw.images, &pattern)?,
        signer: raw.signer.clone(),
        verifier: raw.verifier.clone(),
        levels: raw.levels.clone(),
        policies,
        max_age,
    })
}
