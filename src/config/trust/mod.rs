//! `trust`: who may say what, of which images.

pub mod roots;

mod delegates;
mod keyless;
mod layouts;
mod rules;
mod signers;
mod sources;

use schemars::JsonSchema;
use serde::Deserialize;

use roots::Roots;

use super::{
    ConfigError,
    error::key,
    reader::{Reader, want},
};
use crate::{
    limits::Limits,
    trust::{OnUnmatched, TrustError, TrustRules, Unmatched},
};

/// The section as it is written.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Raw {
    #[serde(default)]
    signers: Vec<signers::Raw>,
    #[serde(default)]
    rules: Vec<rules::Raw>,
    #[serde(default)]
    layouts: Vec<layouts::Raw>,
    #[serde(default)]
    delegates: Vec<delegates::Raw>,
    unmatched: Option<String>,
    unmatched_layouts: Option<String>,
    #[serde(default)]
    sources: Vec<sources::Raw>,
    #[serde(default)]
    roots: Vec<roots::Raw>,
    root_folder: Option<String>,
    warn_root_age: Option<String>,
    max_root_age: Option<String>,
}

/// What `trust` says.
pub(super) fn trust(
    reader: &Reader<'_>,
    raw: &Raw,
    roots: &Roots,
    limits: &Limits,
) -> Result<TrustRules, ConfigError> {
    let signers = signers::signers(reader, &raw.signers, roots)?;
    let rules = rules::rules(reader, &raw.rules, &signers)?;
    let trust = TrustRules::new(signers, rules).map_err(|error| contradiction(reader, &error))?;
    let delegates = delegates::delegates(reader, &raw.delegates, &trust)?;
    Ok(trust
        .with_layouts(layouts::layouts(reader, &raw.layouts, limits)?)
        .with_delegates(delegates)
        .with_sources(sources::sources(reader, &raw.sources)?)
        .with_unmatched(unmatched(reader, raw)?)
        .with_root_age(roots.age))
}

/// Whether rules and layouts have to speak about every image; layouts as rules, unless they have a word of their own.
fn unmatched(reader: &Reader<'_>, raw: &Raw) -> Result<Unmatched, ConfigError> {
    let words = [("report", OnUnmatched::Report), ("deny", OnUnmatched::Deny)];
    let rules = reader.word(
        key!["trust", "unmatched"],
        raw.unmatched.as_deref(),
        &words,
        OnUnmatched::default(),
    )?;
    let at = || key!["trust", "unmatchedLayouts"];
    let layouts = match raw.unmatched_layouts.as_deref() {
        None => rules,
        text => reader.word(at(), text, &words, rules)?,
    };
    if raw.unmatched_layouts.is_some() && layouts == OnUnmatched::Deny && raw.layouts.is_empty() {
        let help = "every image would be denied; add a layout, or leave this out";
        return Err(reader.refuse(at(), "no trust.layouts", want("a list of layouts", help)));
    }
    Ok(Unmatched { rules, layouts })
}

/// What only all signers and rules together can be wrong about.
fn contradiction(reader: &Reader<'_>, error: &TrustError) -> ConfigError {
    let at = match error {
        TrustError::UnnamedSigner
        | TrustError::MisleadingName(_)
        | TrustError::SignerTwice { .. } => key!["trust", "signers"],
        TrustError::Empty { rule, list } => key!["trust", "rules", *rule, *list],
        TrustError::UnknownSigner { rule, .. } => key!["trust", "rules", *rule, "signers"],
        TrustError::NoThreshold { rule } | TrustError::UnreachableThreshold { rule, .. } => {
            key!["trust", "rules", *rule, "threshold"]
        }
    };
    let help = "0 would trust anybody; more than there are can never be reached";
    // The complaint says where; the error says it, too.
    let found = error.to_string();
    let found = found.strip_prefix(&format!("{at} is ")).unwrap_or(&found).to_owned();
    reader.refuse(at, found, want("a rule that can be satisfied", help))
}
