//! Keyless signers: who the operator means, and whose word it takes for that.
//!
//! Issuer and identity are exact texts or anchored patterns, and both have to be there: nobody becomes "anyone" by being
//! forgotten. The words for "anyone" begin with `unsafe`.

use super::{
    ConfigError, KeyPath,
    error::key,
    raw,
    reader::{Reader, want},
    roots::Roots,
};
use crate::trust::{
    Keyless, SignerKeys,
    sigstore::{
        Demands, KeylessIdentity, NoCtLog, Pattern, Recording, TextMatch, TimeRange, Times,
    },
};

/// Most logs or sources of time that can be asked for.
const MAX_DEMANDED: usize = 8;

/// What `trust.signers[index].keyless` says.
pub(super) fn signer(
    reader: &Reader<'_>,
    roots: &Roots,
    index: usize,
    raw: &raw::Keyless,
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
    let no_ct_log = reader.word(at("noCtLog"), raw.no_ct_log.as_deref(), &words)?;
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

fn count(
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

/// What a signer with a key may ask for, and whether this one does.
fn demanded(raw: &raw::Signer) -> impl Iterator<Item = (&'static str, bool)> {
    [
        ("logs", raw.logs.is_some()),
        ("times", raw.times.is_some()),
        ("validFrom", raw.valid_from.is_some()),
        ("validUntil", raw.valid_until.is_some()),
        ("root", raw.root.is_some()),
    ]
    .into_iter()
}

/// What is asked of a keyless signer stands under `keyless`, and nowhere else.
pub(super) fn only_keyless(
    reader: &Reader<'_>,
    index: usize,
    raw: &raw::Signer,
) -> Result<(), ConfigError> {
    demanded(raw).find(|(_, demanded)| *demanded).map_or(Ok(()), |(name, _)| {
        let complaint = want("it under keyless", "beside keyless it would decide nothing");
        Err(reader.refuse(key!["trust", "signers", index, name], "it beside keyless", complaint))
    })
}

/// What `trust.signers[index]` asks to lie beside the signatures of its key.
pub(super) fn recording(
    reader: &Reader<'_>,
    roots: &Roots,
    index: usize,
    raw: &raw::Signer,
) -> Result<Option<Recording>, ConfigError> {
    let at = |name: &'static str| key!["trust", "signers", index, name];
    let Some(name) = &raw.root else {
        let help = "only a trusted root says which logs and timestamp authorities count";
        let demanded = demanded(raw).find(|(_, demanded)| *demanded);
        return demanded.map_or(Ok(None), |(name, _)| {
            Err(reader.refuse(at(name), "it without root", want("root beside it", help)))
        });
    };
    let root = roots.find(reader, at("root"), name)?;
    let key_valid = key_valid(reader, index, raw)?;
    let logs = raw.logs.unwrap_or(usize::from(root.has_logs()));
    let logs = count(reader, at("logs"), logs, 0)?;
    let least = usize::from(key_valid.is_some());
    let times = count(reader, at("times"), raw.times.unwrap_or(least), least)?;
    if logs == 0 && times == 0 {
        let help = "the root would decide nothing; ask for logs or times, or remove it";
        return Err(reader.refuse(at("logs"), "0, and times 0", want("logs or times", help)));
    }
    let demands = Demands { logs, times: Times::Proven(times), ..Demands::default() };
    Ok(Some(Recording { root, demands, key_valid }))
}

/// When a key may have signed, where the operator says so.
fn key_valid(
    reader: &Reader<'_>,
    index: usize,
    raw: &raw::Signer,
) -> Result<Option<TimeRange>, ConfigError> {
    let at = |name: &'static str| key!["trust", "signers", index, name];
    let time = |name: &'static str, text: &Option<String>| {
        let read = text.as_ref().map(|text| {
            text.parse::<jiff::Timestamp>().map_err(|_| {
                let complaint = want("a time such as 2027-01-31T00:00:00Z", "write it in quotes");
                reader.refuse(at(name), text, complaint)
            })
        });
        read.transpose()
    };
    let start = time("validFrom", &raw.valid_from)?;
    let end = time("validUntil", &raw.valid_until)?;
    if let (Some(start), Some(end)) = (start, end)
        && end < start
    {
        let complaint = want("a time after validFrom", "such a key could never have signed");
        return Err(reader.refuse(at("validUntil"), end, complaint));
    }
    let said = start.is_some() || end.is_some();
    Ok(said.then(|| TimeRange::new(start.unwrap_or(jiff::Timestamp::MIN), end)))
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
