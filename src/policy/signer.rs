//! Signers as rules see them: who, by whose word, and when.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::trust::{
    Signer, SignerIdentity,
    sigstore::{ProvenTime, TimeSource},
};

/// A configured signer. Everything here is proven.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SignerInput {
    /// Name in `hallmark.yaml`.
    pub name: String,
    /// Name and identity in words.
    pub identity: String,
    /// The earliest time by which a log or timestamp authority proves that the signature existed; null for a plain key. It may
    /// be much older: whoever has it can have it stamped again. How old it is at most, `notBefore` tells.
    #[schemars(with = "Option<String>")]
    pub signed_at: Option<Timestamp>,
    /// The time before which nobody vouched for the signature, the start of its certificate: it is no older than that. Null for
    /// a key, which proves no such time.
    #[schemars(with = "Option<String>")]
    pub not_before: Option<Timestamp>,
    /// Fingerprint of the key; `null` for keyless signers.
    pub key: Option<String>,
    /// Who issued the identity; `null` for keys, and for authorities that name no issuer.
    pub issuer: Option<String>,
    /// The identity in the certificate; `null` for keys.
    pub subject: Option<String>,
    /// What Fulcio says about the signer, by name: `sourceRepositoryUri`, `buildSignerUri`, `runnerEnvironment` …; extensions
    /// that have no name here stand under their OID.
    pub claims: BTreeMap<String, String>,
    /// Times by which the signature existed, where that is proven; sorted.
    pub times: Vec<TimeInput>,
    /// Positions in transparency logs.
    pub log_indices: Vec<u64>,
}

/// A proven time.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TimeInput {
    /// When, in UTC.
    pub time: String,
    /// Who says so: `log` or `timestamp-authority`.
    pub source: String,
}

impl From<&ProvenTime> for TimeInput {
    fn from(proven: &ProvenTime) -> Self {
        let source = match proven.source {
            TimeSource::Log => "log",
            TimeSource::Authority => "timestamp-authority",
        };
        Self { time: proven.time.to_string(), source: source.to_owned() }
    }
}

impl From<&Signer> for SignerInput {
    fn from(signer: &Signer) -> Self {
        let mut input = Self {
            name: signer.name.clone(),
            identity: signer.to_string(),
            signed_at: signer.proven_since(),
            not_before: signer.not_before(),
            key: None,
            issuer: None,
            subject: None,
            claims: BTreeMap::new(),
            times: Vec::new(),
            log_indices: Vec::new(),
        };
        match &signer.identity {
            SignerIdentity::Key { fingerprint, recorded } => {
                input.key = Some(fingerprint.clone());
                if let Some(recorded) = recorded {
                    input.times = recorded.times.iter().map(TimeInput::from).collect();
                    input.log_indices.clone_from(&recorded.log_indices);
                }
            }
            SignerIdentity::Keyless(vouched) => {
                input.issuer.clone_from(&vouched.issuer);
                input.subject = Some(vouched.subject.as_str().to_owned());
                input.claims.clone_from(&vouched.claims);
                input.times = vouched.times.iter().map(TimeInput::from).collect();
                input.log_indices.clone_from(&vouched.log_indices);
            }
        }
        input
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::sigstore::{Recorded, SubjectName, Vouched};

    #[test]
    fn rules_see_who_signed_by_whose_word_and_when() {
        let time = |source| ProvenTime { time: "2026-01-01T00:00:00Z".parse().unwrap(), source };
        let claims = BTreeMap::from([("buildTrigger".to_owned(), "push".to_owned())]);
        let vouched = Vouched {
            issuer: Some("https://i.example".to_owned()),
            subject: SubjectName::Email("a@x.example".to_owned()),
            claims: claims.clone(),
            not_before: "2025-12-31T23:59:00Z".parse().unwrap(),
            times: vec![time(TimeSource::Authority)],
            log_indices: vec![7],
        };
        let identity = SignerIdentity::Keyless(Box::new(vouched));
        let input = SignerInput::from(&Signer { name: "a".to_owned(), identity });
        assert_eq!((input.issuer.as_deref(), input.key), (Some("https://i.example"), None));
        assert_eq!(input.subject.as_deref(), Some("a@x.example"));
        assert_eq!((input.claims, input.log_indices), (claims, vec![7]));
        let start = input.not_before.map(|time| time.to_string());
        assert_eq!(start.as_deref(), Some("2025-12-31T23:59:00Z"));
        let [time_input] = input.times.as_slice() else { panic!("one time") };
        let shown = (time_input.time.as_str(), time_input.source.as_str());
        assert_eq!(shown, ("2026-01-01T00:00:00Z", "timestamp-authority"));
        let recorded =
            Some(Box::new(Recorded { times: vec![time(TimeSource::Log)], log_indices: vec![3] }));
        let identity = SignerIdentity::Key { fingerprint: "ab".to_owned(), recorded };
        let input = SignerInput::from(&Signer { name: "k".to_owned(), identity });
        assert_eq!((input.key.as_deref(), input.subject), (Some("ab"), None));
        // A time in a log is one by which the signature existed, and no bound of its age.
        assert_eq!((input.signed_at.is_some(), input.not_before), (true, None));
        assert_eq!((input.times.len(), input.log_indices), (1, vec![3]));
    }
}
