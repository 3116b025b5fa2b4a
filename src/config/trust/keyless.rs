//! `trust.signers[].keyless`: who the operator means, and whose word it takes for that.
//!
//! Issuer and identity are exact texts or anchored patterns, and both have to be there: nobody becomes "anyone" by being
//! forgotten. The words for "anyone" begin with `unsafe`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::roots::Roots;
use crate::{
    config::{
        ConfigError, KeyPath,
        error::key,
        reader::{Reader, want},
    },
    trust::{
        Keyless, SignerKeys,
        sigstore::{Demands, KeylessIdentity, NoCtLog, Pattern, TextMatch, Times},
    },
};

/// `keyless` of a signer as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Raw {
    issuer: Option<String>,
    issuer_pattern: Option<String>,
    #[serde(rename = "unsafe_anyIssuer")]
    unsafe_any_issuer: Option<bool>,
    identity: Option<String>,
    identity_pattern: Option<String>,
    #[serde(rename = "unsafe_anyIdentity")]
    unsafe_any_identity: Option<bool>,
    root: String,
    logs: Option<usize>,
    times: Option<usize>,
    no_ct_log: Option<String>,
}

/// Most logs or sources of time that can be asked for.
const MAX_DEMANDED: usize = 8;

/// What `trust.signers[index].keyless` says.
pub(super) fn signer(
    reader: &Reader<'_>,
    roots: &Roots,
    index: usize,
    raw: &Raw,
) -> Result<SignerKeys, ConfigError> {
    let at = |name: &'static str| key!["trust", "signers", index, "keyless", name];
    let root = roots.find(reader, at("root"), &raw.root)?;
    let unsaid = (&raw.issuer, &raw.issuer_pattern, raw.unsafe_any_issuer) == (&None, &None, None);
    // Certificates of an authority of one's own name no issuer of identities: the authority is the issuer.
    let issuer = if root.is_private() && unsaid {
        None
    } else {
        Some(text(
            reader,
            [at("issuer"), at("issuerPattern"), at("unsafe_anyIssuer")],
            (&raw.issuer, &raw.issuer_pattern, raw.unsafe_any_issuer),
        )?)
    };
    let subject = text(
        reader,
        [at("identity"), at("identityPattern"), at("unsafe_anyIdentity")],
        (&raw.identity, &raw.identity_pattern, raw.unsafe_any_identity),
    )?;
    if let (None | Some(TextMatch::UnsafeAny), TextMatch::UnsafeAny) = (&issuer, &subject) {
        let help = "every stranger has an identity by some issuer; name one of the two";
        let complaint = want("an issuer or an identity", help);
        return Err(reader.refuse(at("unsafe_anyIdentity"), "any of any", complaint));
    }
    let count = |name, value, least| count(reader, at(name), value, least);
    // A root without logs, as GitHub's, has nothing that could be asked for.
    let logs = match raw.logs {
        None if !root.has_logs() => 0,
        logs => count("logs", logs.unwrap_or(1), usize::from(root.has_logs()))?,
    };
    let words = [("refuse", NoCtLog::Refuse), ("allow", NoCtLog::Allow)];
    let no_ct_log =
        reader.word(at("noCtLog"), raw.no_ct_log.as_deref(), &words, NoCtLog::default())?;
    if no_ct_log == NoCtLog::Refuse && !root.has_ct_logs() {
        let help = "write noCtLog: allow if this instance is known to have none";
        let expected = "a root with certificate transparency logs";
        return Err(reader.refuse(at("root"), &raw.root, want(expected, help)));
    }
    // Without a proven time a certificate that lives long has to be valid when it is judged: nobody can date back to
    // before it ended, or was replaced.
    let times = match count("times", raw.times.unwrap_or(1), usize::from(!root.is_private()))? {
        0 => Times::Now,
        times => Times::Proven(times),
    };
    let demands = Demands { logs, times, no_ct_log, now: None };
    let identity = KeylessIdentity { issuer, subject };
    Ok(SignerKeys::keyless(Keyless { identity, root, demands }))
}

/// How many logs or sources of time are asked for.
pub(super) fn count(
    reader: &Reader<'_>,
    at: KeyPath,
    value: usize,
    least: usize,
) -> Result<usize, ConfigError> {
    if (least..=MAX_DEMANDED).contains(&value) {
        return Ok(value);
    }
    let help = "more than there are can never be reached";
    let expected = format!("a number from {least} to {MAX_DEMANDED}");
    Err(reader.refuse(at, value, want(expected, help)))
}

/// Exactly one of a text, a pattern, and the word for any.
fn text(
    reader: &Reader<'_>,
    [exact_at, pattern_at, any_at]: [KeyPath; 3],
    (exact, pattern, any): (&Option<String>, &Option<String>, Option<bool>),
) -> Result<TextMatch, ConfigError> {
    match (exact, pattern, any) {
        (Some(text), None, None) if !text.trim().is_empty() => Ok(TextMatch::Exact(text.clone())),
        (None, Some(text), None) => match Pattern::parse(text) {
            Ok(pattern) => Ok(TextMatch::Pattern(pattern)),
            Err(fault) => {
                let help = match Pattern::meant(text) {
                    Some(meant) => format!("perhaps {meant}"),
                    None => "write what you mean from end to end, with dots escaped".to_owned(),
                };
                let found = format!("{text:?}: {fault}");
                let complaint = want("an anchored pattern that only your identities match", help);
                Err(reader.refuse(pattern_at, found, complaint))
            }
        },
        (None, None, Some(true)) => Ok(TextMatch::UnsafeAny),
        (Some(_), None, None) => {
            let complaint = want("a text", "an empty one would match nobody");
            Err(reader.refuse(exact_at, "an empty text", complaint))
        }
        (None, None, Some(false)) => {
            let complaint = want("true", "remove it, and say whom you mean");
            Err(reader.refuse(any_at, "false", complaint))
        }
        (None, None, None) => {
            let help = "anybody can get a certificate; say whose counts";
            Err(reader.refuse(exact_at, "nothing", want("a text, or a pattern", help)))
        }
        _ => {
            let help = "one of them would be ignored in silence; remove it";
            Err(reader.refuse(exact_at, "several", want("one of text and pattern", help)))
        }
    }
}
