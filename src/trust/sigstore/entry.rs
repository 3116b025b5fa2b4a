//! What a log entry records, held against what it lies beside.
//!
//! A genuine entry of another signature proves nothing (attacks A1, A2, A12): content, signature and certificate or key in
//! the body have to be those that are verified. Kinds of sigstore/rekor (`pkg/types`): hashedrekord 0.0.1, dsse 0.0.1, intoto
//! 0.0.1 and 0.0.2; of sigstore/rekor-tiles: hashedrekord 0.0.2 and dsse 0.0.2. Off-spec: dsse 0.0.1 also has a hash over the
//! envelope as it was sent, which nobody can make again from a bundle; payload, signature and certificate are held
//! against the entry instead. intoto 0.0.1 records no signature: there the hash of the stored envelope is what binds.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use sigstore_types::{DerCertificate, DerPublicKey};

use super::{Certificate, Content, Maker, error::LogFault};
use crate::{attest::LogEntry, digest::Digest, json};

/// Bytes of one entry's body; as large as an attestation, which old entries may hold.
const MAX_BODY_BYTES: usize = 64 << 20;

#[derive(Deserialize)]
struct Body<S> {
    kind: String,
    #[serde(rename = "apiVersion")]
    version: String,
    spec: S,
}

#[derive(Deserialize)]
struct Hash {
    algorithm: String,
    value: String,
}

#[derive(Deserialize)]
struct HashedRekord1 {
    data: HashedData1,
    signature: HashedSignature1,
}

#[derive(Deserialize)]
struct HashedData1 {
    hash: Hash,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HashedSignature1 {
    content: String,
    public_key: HashedKey1,
}

#[derive(Deserialize)]
struct HashedKey1 {
    content: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Dsse1 {
    payload_hash: Hash,
    signatures: Vec<DsseSignature1>,
}

#[derive(Deserialize)]
struct DsseSignature1 {
    signature: String,
    verifier: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Intoto1 {
    content: IntotoContent1,
    public_key: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct IntotoContent1 {
    hash: Hash,
    #[serde(default)]
    payload_hash: Option<Hash>,
}

#[derive(Deserialize)]
struct Intoto2 {
    content: IntotoContent2,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct IntotoContent2 {
    envelope: IntotoEnvelope2,
    payload_hash: Hash,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct IntotoEnvelope2 {
    payload_type: String,
    signatures: Vec<IntotoSignature2>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct IntotoSignature2 {
    sig: String,
    public_key: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rekord2 {
    hashed_rekord_v002: HashedRekord2,
}

#[derive(Deserialize)]
struct HashedRekord2 {
    data: Digest2,
    signature: Signature2,
}

#[derive(Deserialize)]
struct Digest2 {
    algorithm: String,
    digest: String,
}

#[derive(Deserialize)]
struct Signature2 {
    content: String,
    verifier: Verifier2,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Verifier2 {
    #[serde(default)]
    x509_certificate: Option<Raw2>,
    #[serde(default)]
    public_key: Option<Raw2>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw2 {
    raw_bytes: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope2 {
    dsse_v002: Dsse2,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Dsse2 {
    payload_hash: Digest2,
    signatures: Vec<Signature2>,
}

/// What an entry is held against.
pub(super) struct Beside<'a> {
    pub(super) content: &'a Content<'a>,
    pub(super) signature: &'a [u8],
    pub(super) maker: &'a Maker<'a>,
}

/// Checks that the entry records this signature.
pub(super) fn binds(entry: &LogEntry, beside: &Beside<'_>) -> Result<(), LogFault> {
    match (entry.kind.as_str(), entry.version.as_str(), beside.content) {
        ("hashedrekord", "0.0.1", Content::Message(_) | Content::Digest(_)) => {
            let HashedRekord1 { data, signature } = body(entry)?;
            beside.records_message(&data.hash.algorithm, unhex(&data.hash.value)?)?;
            beside.records_signature(&[&signature.content])?;
            beside.records_maker_pem(&signature.public_key.content)
        }
        ("dsse", "0.0.1", Content::Envelope { payload, .. }) => {
            let Dsse1 { payload_hash, signatures } = body(entry)?;
            records(&payload_hash, payload)?;
            let [signature] = signatures.as_slice() else { return Err(LogFault::OtherSignature) };
            beside.records_signature(&[&signature.signature])?;
            beside.records_maker_pem(&signature.verifier)
        }
        ("intoto", "0.0.1", Content::Envelope { payload, document: Some(document), .. }) => {
            let Intoto1 { content, public_key } = body(entry)?;
            records(&content.hash, document)?;
            content.payload_hash.map_or(Ok(()), |hash| records(&hash, payload))?;
            beside.records_maker_pem(&public_key)
        }
        ("intoto", "0.0.2", Content::Envelope { payload_type, payload, .. }) => {
            let Intoto2 { content } = body(entry)?;
            records(&content.payload_hash, payload)?;
            if content.envelope.payload_type != *payload_type {
                return Err(LogFault::OtherContent);
            }
            let [signature] = content.envelope.signatures.as_slice() else {
                return Err(LogFault::OtherSignature);
            };
            // The log packs the text of the signature, which is base64, into base64 once more.
            let inner = String::from_utf8(unbase64(&signature.sig)?);
            beside.records_signature(&[&inner.map_err(|_| LogFault::Body)?])?;
            beside.records_maker_pem(&signature.public_key)
        }
        ("hashedrekord", "0.0.2", _) => {
            let Rekord2 { hashed_rekord_v002: record } = body(entry)?;
            beside.records_message(&record.data.algorithm, unbase64(&record.data.digest)?)?;
            beside.records_signature(&[&record.signature.content])?;
            beside.records_maker(&record.signature.verifier)
        }
        ("dsse", "0.0.2", Content::Envelope { payload, .. }) => {
            let Envelope2 { dsse_v002: Dsse2 { payload_hash, signatures } } = body(entry)?;
            let stated = unbase64(&payload_hash.digest)?;
            if hash_of(&payload_hash.algorithm, payload) != Some(stated) {
                return Err(LogFault::OtherContent);
            }
            let [signature] = signatures.as_slice() else { return Err(LogFault::OtherSignature) };
            beside.records_signature(&[&signature.content])?;
            beside.records_maker(&signature.verifier)
        }
        _ => Err(LogFault::Kind),
    }
}

/// The body's specification, where the body is of the kind that the entry states.
fn body<S: serde::de::DeserializeOwned>(entry: &LogEntry) -> Result<S, LogFault> {
    let body: Body<S> =
        json::from_slice(&entry.body, MAX_BODY_BYTES).map_err(|_| LogFault::Body)?;
    if body.kind != entry.kind || body.version != entry.version {
        return Err(LogFault::Body);
    }
    Ok(body.spec)
}

fn unhex(text: &str) -> Result<Vec<u8>, LogFault> {
    hex::decode(text).map_err(|_| LogFault::Body)
}

fn unbase64(text: &str) -> Result<Vec<u8>, LogFault> {
    STANDARD.decode(text).map_err(|_| LogFault::Body)
}

/// The hash of `bytes` by an algorithm's name in Rekor v1 or v2.
pub(super) fn hash_of(algorithm: &str, bytes: &[u8]) -> Option<Vec<u8>> {
    match algorithm {
        "sha256" | "SHA2_256" => Some(sigstore_crypto::sha256(bytes).as_bytes().to_vec()),
        "sha384" | "SHA2_384" => Some(sigstore_crypto::sha384(bytes).as_bytes().to_vec()),
        "sha512" | "SHA2_512" => Some(sigstore_crypto::sha512(bytes).as_bytes().to_vec()),
        _ => None,
    }
}

/// The name of an algorithm in a digest.
pub(super) fn is_algorithm_of(algorithm: &str, digest: &Digest) -> bool {
    use crate::digest::Algorithm::{Sha256, Sha512};
    match digest.algorithm() {
        Sha256 => matches!(algorithm, "sha256" | "SHA2_256"),
        Sha512 => matches!(algorithm, "sha512" | "SHA2_512"),
    }
}

fn records(hash: &Hash, bytes: &[u8]) -> Result<(), LogFault> {
    let stated = unhex(&hash.value)?;
    if hash_of(&hash.algorithm, bytes) == Some(stated) {
        Ok(())
    } else {
        Err(LogFault::OtherContent)
    }
}

impl Beside<'_> {
    fn records_message(&self, algorithm: &str, stated: Vec<u8>) -> Result<(), LogFault> {
        let same = match self.content {
            Content::Message(bytes) => hash_of(algorithm, bytes) == Some(stated),
            Content::Envelope { message, .. } => hash_of(algorithm, message) == Some(stated),
            Content::Digest(digest) => {
                is_algorithm_of(algorithm, digest) && digest.hex() == hex::encode(stated)
            }
        };
        if same { Ok(()) } else { Err(LogFault::OtherContent) }
    }

    fn records_signature(&self, texts: &[&str]) -> Result<(), LogFault> {
        for text in texts {
            if unbase64(text)? != self.signature {
                return Err(LogFault::OtherSignature);
            }
        }
        Ok(())
    }

    /// The recorded certificate or key, in PEM in base64, is the one that verified the signature.
    fn records_maker_pem(&self, packed: &str) -> Result<(), LogFault> {
        let pem = String::from_utf8(unbase64(packed)?).map_err(|_| LogFault::Body)?;
        if let Ok(certificate) = DerCertificate::from_pem(&pem) {
            return self.records_certificate(certificate.as_bytes());
        }
        let key = DerPublicKey::from_pem(&pem).map_err(|_| LogFault::OtherKey)?;
        self.records_key(key.as_bytes())
    }

    fn records_maker(&self, verifier: &Verifier2) -> Result<(), LogFault> {
        match (&verifier.x509_certificate, &verifier.public_key) {
            (Some(certificate), None) => {
                self.records_certificate(&unbase64(&certificate.raw_bytes)?)
            }
            (None, Some(key)) => self.records_key(&unbase64(&key.raw_bytes)?),
            _ => Err(LogFault::Body),
        }
    }

    /// A recorded certificate is the signer's own; beside the operator's key, one for that key.
    fn records_certificate(&self, recorded: &[u8]) -> Result<(), LogFault> {
        let same = match self.maker {
            Maker::Certificate(certificate) => recorded == certificate.der(),
            Maker::Key(key) => {
                let recorded = Certificate::parse(recorded).and_then(|c| c.public_key());
                recorded.is_ok_and(|recorded| recorded == key.der())
            }
        };
        if same { Ok(()) } else { Err(LogFault::OtherKey) }
    }

    /// A recorded key is the one in the signer's certificate, or the operator's.
    fn records_key(&self, recorded: &[u8]) -> Result<(), LogFault> {
        let same = match self.maker {
            Maker::Certificate(certificate) => {
                certificate.public_key().is_ok_and(|key| recorded == key)
            }
            Maker::Key(key) => recorded == key.der(),
        };
        if same { Ok(()) } else { Err(LogFault::OtherKey) }
    }
}
