//! `trust.rules`: which signers may vouch for what, of which images.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    config::{
        ConfigError,
        error::key,
        reader::{Reader, one_of, unknown_signer, want},
    },
    policy::nearest::did_you_mean,
    trust::{Force, PredicateClass, PredicateClassError, Rule, SignerKeys},
};

/// One rule as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Raw {
    images: Vec<String>,
    predicates: Vec<String>,
    signers: Vec<String>,
    threshold: Option<usize>,
    required: Option<bool>,
}

/// What `trust.rules` says.
pub(super) fn rules(
    reader: &Reader<'_>,
    raw: &[Raw],
    signers: &BTreeMap<String, SignerKeys>,
) -> Result<Vec<Rule>, ConfigError> {
    let names: Vec<_> = signers.keys().map(String::as_str).collect();
    raw.iter().enumerate().map(|(index, raw)| rule(reader, index, raw, &names)).collect()
}

fn rule(reader: &Reader<'_>, index: usize, raw: &Raw, names: &[&str]) -> Result<Rule, ConfigError> {
    let at = |list: &'static str| key!["trust", "rules", index, list];
    for (position, name) in raw.signers.iter().enumerate() {
        let key = || key!["trust", "rules", index, "signers", position];
        if !names.contains(&name.as_str()) {
            let complaint = unknown_signer(names, name);
            return Err(reader.refuse(key(), name, complaint));
        }
        if raw.signers.iter().take(position).any(|earlier| earlier == name) {
            let complaint = want("each signer once", "one signer counts once for the threshold");
            return Err(reader.refuse(key(), name, complaint));
        }
    }
    reader.not_empty(at("signers"), &raw.signers)?;
    Ok(Rule {
        images: reader.images(&at("images"), &raw.images)?,
        predicates: predicates(reader, index, &raw.predicates)?,
        signers: raw.signers.clone(),
        threshold: raw.threshold.unwrap_or(1),
        force: if raw.required == Some(true) { Force::Require } else { Force::Grant },
    })
}

fn predicates(
    reader: &Reader<'_>,
    index: usize,
    raw: &[String],
) -> Result<Vec<PredicateClass>, ConfigError> {
    reader.not_empty(key!["trust", "rules", index, "predicates"], raw)?;
    let read = |(position, text): (usize, &String)| {
        text.parse().map_err(|PredicateClassError(word)| {
            let question = did_you_mean(&word, PredicateClass::WORDS.into_iter());
            let page = page!("configuration");
            let help = format!("{question}{page} says what each stands for");
            let expected =
                format!("{} or the URI of a predicate type", one_of(&PredicateClass::WORDS));
            let at = key!["trust", "rules", index, "predicates", position];
            reader.refuse(at, format!("{word:?}"), want(expected, help))
        })
    };
    raw.iter().enumerate().map(read).collect()
}
