//! Keyless signers: who the operator means, and whose word it takes for that.
//!
//! Issuer and identity are exact texts or anchored patterns, and both have to be there: nobody becomes "anyone" by being
//! forgotten. The words for "anyone" begin with `unsafe`.

use std::sync::Arc;

use super::{
    ConfigError, KeyPath,
    error::key,
    raw,
    valid::{Reader, want},
};
use crate::{
    limits::Limits,
    trust::{
        Keyless, SignerKeys,
        sigstore::{Demands, KeylessIdentity, NoCtLog, Pattern, TextMatch, Times, TrustedRoot},
    },
};

/// Most logs or sources of time that can be asked for.
const MAX_DEMANDED: usize = 8;

/// What `trust.signers[index].keyless` says.
pub(super) fn signer(
    reader: &Reader<'_>,
    index: usize,
    raw: &raw::Keyless,
) -> Result<SignerKeys, ConfigError> {
    let at = |name: &'static str| key!["trust", "signers", index, "keyless", name];
    let issuer = text(
        reader,
        [at("issuer"), at("issuerPattern"), at("unsafe_anyIssuer")],
        (&raw.issuer, &raw.issuer_pattern, raw.unsafe_any_issuer),
    )?;
    let subject = text(
        reader,
        [at("identity"), at("identityPattern"), at("unsafe_anyIdentity")],
        (&raw.identity, &raw.identity_pattern, raw.unsafe_any_identity),
    )?;
    if let (TextMatch::UnsafeAny, TextMatch::UnsafeAny) = (&issuer, &subject) {
        let help = "every stranger has an identity by some issuer; name one of the two";
        let complaint = want("an issuer or an identity", help);
        return Err(reader.refuse(at("unsafe_anyIdentity"), "any of any", complaint));
    }
    let root = root(reader, at("root"), &raw.root)?;
    let count = |name: &'static str, value: Option<usize>, least: usize| {
        let value = value.unwrap_or(1);
        if (least..=MAX_DEMANDED).contains(&value) {
            return Ok(value);
        }
        let help = "more than there are can never be reached";
        let expected = format!("a number from {least} to {MAX_DEMANDED}");
        Err(reader.refuse(at(name), value, want(expected, help)))
    };
    // A root without logs, as GitHub's, has nothing that could be asked for.
    let logs = match raw.logs {
        None if !root.has_logs() => 0,
        logs => count("logs", logs, usize::from(root.has_logs()))?,
    };
    let words = [("refuse", NoCtLog::Refuse), ("allow", NoCtLog::Allow)];
    let no_ct_log = reader.word(at("noCtLog"), raw.no_ct_log.as_deref(), &words)?;
    if no_ct_log == NoCtLog::Refuse && !root.has_ct_logs() {
        let help = "write noCtLog: allow if this instance is known to have none";
        let expected = "a root with certificate transparency logs";
        return Err(reader.refuse(at("root"), &raw.root, want(expected, help)));
    }
    let times = Times::Proven(count("times", raw.times, 1)?);
    let demands = Demands { logs, times, no_ct_log, now: None };
    let identity = KeylessIdentity { issuer: Some(issuer), subject };
    Ok(SignerKeys::keyless(Keyless { identity, root: Arc::new(root), demands }))
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
                let help = "write what you mean from end to end, with dots escaped";
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

fn root(reader: &Reader<'_>, at: KeyPath, name: &str) -> Result<TrustedRoot, ConfigError> {
    let limits = Limits::default();
    let read = match name {
        "public-good" => TrustedRoot::public_good(&limits),
        "github" => TrustedRoot::github(&limits),
        path => {
            let (_, bytes) = reader.file(at.clone(), path)?;
            TrustedRoot::from_json(&bytes, &limits)
        }
    };
    read.map_err(|error| {
        let help = "cosign trusted-root create and TUF repositories write this form";
        let complaint = want("public-good, github, or a trusted_root.json", help);
        reader.refuse(at, format!("{name}: {error}"), complaint)
    })
}
