//! Who of the configured signers signed a file, or an artifact.
//!
//! Turns a file and the Sigstore bundle beside it, as `cosign sign-blob --bundle` writes it, into the names of those who made its
//! signature; the manifest of an artifact and a bundle that refers to it, as `cosign sign` attaches it, likewise; and a bundle or DSSE
//! envelope with a statement in it, as `hallmark sign --bundle` writes it, into that statement and the names of those who signed it. Keys
//! and identities come from the configuration alone.

use std::collections::BTreeMap;

use super::{TrustRules, checks::Signers, verify::Name};
use crate::{
    attest::{
        self, AttestError, Carrier, Envelope, Raw, Signed, Statement, bundle, statement::SIGNATURE,
    },
    digest::{Digest, ManifestDigest},
    image::{Checked, MediaType},
    limits::Limits,
    reference::Location,
};

/// Names of the configured signers who signed exactly these bytes; none where the bundle is about something else.
///
/// # Errors
/// It is no bundle of a signature over bytes.
pub fn signers(
    bytes: &[u8],
    signature: &[u8],
    rules: &TrustRules,
    limits: &Limits,
) -> Result<Vec<String>, AttestError> {
    let document = Checked { digest: ManifestDigest::of(bytes), bytes: bytes.to_vec().into() };
    let mut names = Vec::new();
    for envelope in open(&document.digest, signature, limits)? {
        let Envelope::Message(message) = envelope else { continue };
        names.extend(makers(&message.over(&document), rules, limits));
    }
    names.sort();
    names.dedup();
    Ok(names)
}

/// Names of the configured signers who signed the artifact of this manifest: its bytes, or a plain signature that names its digest.
/// A bundle that cannot be read, or says something else of it, names nobody.
pub fn signers_of_artifact(
    document: &Checked<ManifestDigest>,
    signature: &[u8],
    rules: &TrustRules,
    limits: &Limits,
) -> Vec<String> {
    let name = Name::of(document);
    let envelopes = open(&document.digest, signature, limits).unwrap_or_default();
    let signed = envelopes.into_iter().filter_map(|envelope| match envelope {
        Envelope::Message(message) => Some(message.over(document)),
        Envelope::Signed(signed) => Some(*signed),
        _ => None,
    });
    let about = |signed: &Signed| {
        signed.statement.predicate_type == SIGNATURE && name.is_in(&signed.statement)
    };
    signed.filter(about).flat_map(|signed| makers(&signed, rules, limits)).collect()
}

fn open(
    digest: &ManifestDigest,
    signature: &[u8],
    limits: &Limits,
) -> Result<Vec<Envelope>, AttestError> {
    let raw = Raw {
        carrier: Carrier::Handed { name: "signature".to_owned() },
        media_type: MediaType::new(bundle::V03),
        bytes: signature.to_vec().into(),
        annotations: BTreeMap::new(),
        attached_to: digest.clone(),
    };
    attest::open(&raw, limits)
}

/// Names of those who made signatures of these bytes.
fn makers(signed: &Signed, rules: &TrustRules, limits: &Limits) -> Vec<String> {
    // No rule is about a file: whoever is configured is asked.
    let all = Signers::of(rules, &Location::Layout(std::path::PathBuf::new()));
    let found = signed.signatures.iter().flat_map(|signature| {
        let makers = all.makers(signed, signature, rules, limits);
        makers.signers.into_iter().map(|signer| signer.name)
    });
    found.collect()
}

/// A statement in a file, and who signed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementFile {
    /// What it says: nothing of it is proven where `signers` has not who is asked for.
    pub statement: Statement,
    /// Digest of the signed payload.
    pub payload: Digest,
    /// Names of the configured signers who signed exactly this, sorted.
    pub signers: Vec<String>,
}

/// Why a file holds no signed statement.
#[derive(Debug, thiserror::Error)]
pub enum StatementFileError {
    /// It cannot be read.
    #[error(transparent)]
    Malformed(#[from] AttestError),
    /// It is none, or more than one.
    #[error("it is no single signed statement, as hallmark sign --bundle writes it")]
    Unsigned,
}

/// The signed statement that a file holds.
///
/// # Errors
/// See [`StatementFileError`].
pub fn statement(
    bytes: &[u8],
    rules: &TrustRules,
    limits: &Limits,
) -> Result<StatementFile, StatementFileError> {
    let raw = Raw {
        carrier: Carrier::Handed { name: "statement".to_owned() },
        media_type: MediaType::new(media_type(bytes)),
        bytes: bytes.to_vec().into(),
        annotations: BTreeMap::new(),
        attached_to: ManifestDigest::of(bytes),
    };
    let mut opened = attest::open(&raw, limits)?.into_iter();
    let (Some(Envelope::Signed(signed)), None) = (opened.next(), opened.next()) else {
        return Err(StatementFileError::Unsigned);
    };
    let mut signers = makers(&signed, rules, limits);
    signers.sort();
    signers.dedup();
    Ok(StatementFile { statement: signed.statement, payload: signed.payload, signers })
}

/// A DSSE envelope has its payload at the top, a bundle has a media type there.
fn media_type(bytes: &[u8]) -> &'static str {
    #[derive(serde::Deserialize)]
    struct Shape {
        #[serde(rename = "payloadType")]
        envelope: Option<serde::de::IgnoredAny>,
    }
    match serde_json::from_slice::<Shape>(bytes) {
        Ok(Shape { envelope: Some(_) }) => MediaType::DSSE,
        _ => bundle::V03,
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use serde_json::json;
    use sigstore::crypto::SigningScheme;

    use super::*;
    use crate::trust::{PublicKey, SignerKeys, testing::TestKey};

    #[test]
    fn i28_a_statement_in_a_file_is_of_whom_it_is_signed() {
        let key = || TestKey::new(SigningScheme::ECDSA_P256_SHA256_ASN1);
        let (team, stranger) = (key(), key());
        let public = PublicKey::from_pem(team.pem.as_bytes()).unwrap();
        let signers = [("team".to_owned(), SignerKeys::new(vec![public]).unwrap())];
        let rules = TrustRules::new(signers.into(), Vec::new()).unwrap();
        let limits = Limits::default();
        let subject = ManifestDigest::of(b"image");
        let payload = Statement::write(&subject, "https://p.example/v1", &json!({"a": 1}));
        let envelope = |key: &TestKey, payload: &[u8], signed: &[u8]| {
            let pae = sigstore_types::pae(MediaType::IN_TOTO, signed);
            json!({
                "payloadType": MediaType::IN_TOTO,
                "payload": STANDARD.encode(payload),
                "signatures": [{ "keyid": "", "sig": STANDARD.encode(key.sign(&pae)) }],
            })
            .to_string()
        };
        let read = |text: &str| statement(text.as_bytes(), &rules, &limits);
        let honest = read(&envelope(&team, &payload, &payload)).unwrap();
        assert_eq!(honest.signers, ["team"]);
        assert_eq!(honest.statement.predicate_type, "https://p.example/v1");
        assert!(read(&envelope(&stranger, &payload, &payload)).unwrap().signers.is_empty());
        let other = Statement::write(&subject, "https://p.example/v1", &json!({"a": 2}));
        assert!(read(&envelope(&team, &other, &payload)).unwrap().signers.is_empty());
        assert!(read(&String::from_utf8(payload).unwrap()).is_err(), "nobody signed it");
        assert!(read("{}").is_err());
    }

    #[test]
    fn i11_a_file_is_signed_by_whom_its_bytes_are_signed() {
        let key = || TestKey::new(SigningScheme::ECDSA_P256_SHA256_ASN1);
        let (team, stranger) = (key(), key());
        let public = PublicKey::from_pem(team.pem.as_bytes()).unwrap();
        let signers = [("team".to_owned(), SignerKeys::new(vec![public]).unwrap())];
        let rules = TrustRules::new(signers.into(), Vec::new()).unwrap();
        let limits = Limits::default();
        let of = |key: &TestKey, bytes: &[u8]| {
            json!({
                "mediaType": bundle::V03,
                "verificationMaterial": { "publicKey": { "hint": "" } },
                "messageSignature": { "signature": STANDARD.encode(key.sign(bytes)) },
            })
            .to_string()
        };
        let asked = |bytes: &[u8], signature: &str| {
            super::signers(bytes, signature.as_bytes(), &rules, &limits).unwrap()
        };
        assert_eq!(asked(b"rules", &of(&team, b"rules")), ["team"]);
        assert!(asked(b"rules", &of(&stranger, b"rules")).is_empty());
        assert!(asked(b"rules!", &of(&team, b"rules")).is_empty());
        assert!(super::signers(b"rules", b"{}", &rules, &limits).is_err());

        let manifest =
            |text: &'static [u8]| Checked { digest: ManifestDigest::of(text), bytes: text.into() };
        let document = manifest(b"{}");
        let of_artifact = |document: &Checked<ManifestDigest>, signature: &str| {
            signers_of_artifact(document, signature.as_bytes(), &rules, &limits)
        };
        assert_eq!(of_artifact(&document, &of(&team, b"{}")), ["team"]);
        assert!(of_artifact(&document, &of(&stranger, b"{}")).is_empty());
        assert!(of_artifact(&manifest(b"[]"), &of(&team, b"{}")).is_empty());
        assert!(of_artifact(&document, "{}").is_empty());
    }
}
