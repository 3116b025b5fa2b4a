//! `trust.delegates`: verifiers whose word stands in for one's own verdict.

use jiff::SignedDuration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    config::{
        ConfigError,
        error::key,
        reader::{Complaint, Reader, one_of, unknown_signer, want},
        units,
    },
    policy::nearest::did_you_mean,
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

/// Levels that a summary of a pass can name: those of SLSA (slsa.dev/spec/v1.2, "Verification Summary Attestation", SlsaResult), and
/// hallmark's. Others are the verifier's own, and begin otherwise.
const LEVELS: [&str; 9] = [
    "SLSA_BUILD_LEVEL_1",
    "SLSA_BUILD_LEVEL_2",
    "SLSA_BUILD_LEVEL_3",
    "SLSA_SOURCE_LEVEL_1",
    "SLSA_SOURCE_LEVEL_2",
    "SLSA_SOURCE_LEVEL_3",
    "SLSA_SOURCE_LEVEL_4",
    "HALLMARK_REPRODUCED_R4",
    "HALLMARK_REPRODUCED_R5",
];
/// Levels that say no good of an image, and may be asked for all the same.
const LOW: [&str; 3] =
    ["SLSA_BUILD_LEVEL_0", "SLSA_BUILD_LEVEL_UNEVALUATED", "SLSA_SOURCE_LEVEL_0"];

fn is_level(text: &str) -> bool {
    let begins =
        |with: &str| text.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with));
    !(begins("SLSA") || begins("HALLMARK")) || LEVELS.contains(&text) || LOW.contains(&text)
}

/// What is said of a level that no summary can reach.
fn no_level(written: &str) -> Complaint {
    let meant = did_you_mean(&written.to_ascii_uppercase(), LEVELS.into_iter());
    let expected = format!("{} or a level of the verifier's own", one_of(&LEVELS));
    want(expected, format!("{meant}a higher level of the same track counts, too"))
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
        let complaint = unknown_signer(&names, &raw.signer);
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
        let unknown = raw.levels.iter().enumerate().find(|(_, level)| !is_level(level));
        if let Some((position, level)) = unknown {
            let at = key!["trust", "delegates", index, "levels", position];
            return Err(reader.refuse(at, format!("{level:?}"), no_level(level)));
        }
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
