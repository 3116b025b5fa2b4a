//! `trust.signers`: who signs, by a key or by an identity in a certificate.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    keyless::{self, count},
    roots::Roots,
};
use crate::{
    config::{
        ConfigError,
        error::key,
        reader::{Reader, want},
    },
    trust::{
        PublicKey, SignerKeys,
        sigstore::{Demands, Recording, TimeRange, Times},
    },
};

/// One signer as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Raw {
    name: String,
    key: Option<String>,
    root: Option<String>,
    logs: Option<usize>,
    times: Option<usize>,
    valid_from: Option<String>,
    valid_until: Option<String>,
    keyless: Option<keyless::Raw>,
}

/// What `trust.signers` says, by name.
pub(super) fn signers(
    reader: &Reader<'_>,
    raw: &[Raw],
    roots: &Roots,
) -> Result<BTreeMap<String, SignerKeys>, ConfigError> {
    let mut signers = BTreeMap::new();
    for (index, signer) in raw.iter().enumerate() {
        let keys = self::signer(reader, roots, index, signer)?;
        if signers.insert(signer.name.clone(), keys).is_some() {
            let complaint = want("each name once", "rename one of the two");
            let at = key!["trust", "signers", index, "name"];
            return Err(reader.refuse(at, &signer.name, complaint));
        }
    }
    Ok(signers)
}

fn signer(
    reader: &Reader<'_>,
    roots: &Roots,
    index: usize,
    raw: &Raw,
) -> Result<SignerKeys, ConfigError> {
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '@');
    if raw.name.is_empty() || !raw.name.chars().all(word) {
        let complaint = want("letters, digits, '-', '_', '.' and '@'", "reports print this name");
        return Err(reader.refuse(key!["trust", "signers", index, "name"], &raw.name, complaint));
    }
    match (&raw.key, &raw.keyless) {
        (Some(key), None) => {
            let keys = self::signing_key(reader, index, key)?;
            let recording = recording(reader, roots, index, raw)?;
            Ok(match recording {
                Some(recording) => keys.recorded(recording),
                None => keys,
            })
        }
        (None, Some(keyless)) => {
            only_keyless(reader, index, raw)?;
            keyless::signer(reader, roots, index, keyless)
        }
        (key, _) => {
            let found = if key.is_some() { "both" } else { "neither" };
            let help = "a signer has a key, or a certificate that a trusted root vouches for";
            let at = key!["trust", "signers", index];
            Err(reader.refuse(at, found, want("either key or keyless", help)))
        }
    }
}

fn signing_key(reader: &Reader<'_>, index: usize, text: &str) -> Result<SignerKeys, ConfigError> {
    let at = || key!["trust", "signers", index, "key"];
    let (origin, pem) = if text.trim_start().starts_with("-----BEGIN ") {
        ("inline PEM".to_owned(), text.to_owned().into_bytes())
    } else {
        let (path, bytes) = reader.file(at(), text)?;
        (path.display().to_string(), bytes)
    };
    let help = "cosign public-key and openssl pkey -pubout write this form";
    let complaint = || want("a public key in PEM or DER", help);
    let key = PublicKey::from_file(&pem);
    let key =
        key.map_err(|error| reader.refuse(at(), format!("{origin}: {error}"), complaint()))?;
    SignerKeys::new(vec![key]).ok_or_else(|| reader.refuse(at(), origin, complaint()))
}

/// What a signer with a key may ask for, and whether this one does.
fn demanded(raw: &Raw) -> impl Iterator<Item = (&'static str, bool)> {
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
fn only_keyless(reader: &Reader<'_>, index: usize, raw: &Raw) -> Result<(), ConfigError> {
    demanded(raw).find(|(_, demanded)| *demanded).map_or(Ok(()), |(name, _)| {
        let complaint = want("it under keyless", "beside keyless it would decide nothing");
        Err(reader.refuse(key!["trust", "signers", index, name], "it beside keyless", complaint))
    })
}

/// What `trust.signers[index]` asks to lie beside the signatures of its key.
fn recording(
    reader: &Reader<'_>,
    roots: &Roots,
    index: usize,
    raw: &Raw,
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
    raw: &Raw,
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
