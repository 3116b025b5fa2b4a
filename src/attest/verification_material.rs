//! What a signature brings along to prove who made it and when: certificates, log entries, timestamps.
//!
//! Turns the verification material of a Sigstore bundle (sigstore/protobuf-specs, sigstore_bundle.proto and
//! sigstore_rekor.proto) and the annotations that cosign 1 and 2 write (cosign, specs/SIGNATURE_SPEC.md) into one
//! [`VerificationMaterial`], so that `trust` has one path for all of them. Nothing here is believed: a certificate says who claims to
//! have signed, a log entry where that claims to be recorded. Refuses negative numbers, hashes of another size, and more
//! entries, timestamps, certificates and hashes than any honest signer writes (attack C4).

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, de::Error as _};
use sigstore_types::{DerCertificate, PayloadBytes};

use super::{AttestError, read_json, shown, within};
use crate::limits::Limits;

/// What messages call what is read here.
const WHAT: &str = "verification material";

/// Annotation in which cosign 2 keeps the certificate of a keyless signature or attestation, in PEM.
pub const CERTIFICATE: &str = "dev.sigstore.cosign/certificate";
/// Annotation with the certificates between that one and the root, in PEM.
pub const CHAIN: &str = "dev.sigstore.cosign/chain";
/// Annotation with the log entry and its signed entry timestamp.
pub const BUNDLE: &str = "dev.sigstore.cosign/bundle";
/// Annotation with an RFC 3161 timestamp.
pub const TIMESTAMP: &str = "dev.sigstore.cosign/rfc3161timestamp";

/// Bytes of a SHA-256 hash.
const HASH_BYTES: usize = 32;
/// Hashes of an inclusion proof: a tree with 2^64 leaves is not deeper.
const MAX_HASHES: usize = 64;

/// Which rules of evidence the format promises to follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Form {
    /// Bundle 0.1: every log entry has a signed entry timestamp.
    Bundle01,
    /// Bundle 0.2: every log entry has an inclusion proof with a checkpoint.
    Bundle02,
    /// Bundle 0.3: as 0.2, and one certificate instead of a chain.
    Bundle03,
    /// Annotations of cosign 1 and 2: as 0.1.
    Cosign,
}

/// Untrusted evidence beside a signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerificationMaterial {
    /// Which format it came in.
    pub form: Form,
    /// Certificates in DER, the signer's first; empty where a key signed.
    pub certificates: Vec<Vec<u8>>,
    /// Entries of transparency logs.
    pub entries: Vec<LogEntry>,
    /// RFC 3161 timestamps over the signature, in DER.
    pub timestamps: Vec<Vec<u8>>,
}

/// One entry of a transparency log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// Kind of the entry, as `hashedrekord`, `dsse` or `intoto`.
    pub kind: String,
    /// Version of the kind.
    pub version: String,
    /// Which log, as 32 bytes in the trusted root; anything else names no log.
    pub log_id: Vec<u8>,
    /// Position in the log, over all its shards.
    pub index: u64,
    /// When the log says that it took the entry, in seconds since 1970; proven by `promise` alone (attack A6).
    pub integrated_time: Option<i64>,
    /// The signed entry timestamp of Rekor v1.
    pub promise: Option<Vec<u8>>,
    /// The inclusion proof.
    pub proof: Option<InclusionProof>,
    /// The body that the log hashed.
    pub body: Vec<u8>,
}

/// A Merkle inclusion proof (RFC 6962 section 2.1.1) with the checkpoint that signs its root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InclusionProof {
    /// Position in the shard.
    pub index: u64,
    /// Leaves of the tree.
    pub tree_size: u64,
    /// Root that the proof leads to.
    pub root: Vec<u8>,
    /// Hashes from the leaf's sibling upwards.
    pub hashes: Vec<[u8; HASH_BYTES]>,
    /// The checkpoint, a signed note.
    pub checkpoint: String,
}

/// `verificationMaterial` of a bundle, as written.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Wire {
    #[serde(default, alias = "public_key")]
    pub(super) public_key: Option<WireKey>,
    #[serde(default)]
    pub(super) certificate: Option<WireCertificate>,
    #[serde(default, alias = "x509_certificate_chain")]
    pub(super) x509_certificate_chain: Option<WireChain>,
    #[serde(default, alias = "tlog_entries")]
    tlog_entries: Option<Vec<WireEntry>>,
    #[serde(default, alias = "timestamp_verification_data")]
    timestamp_verification_data: Option<WireTimestamps>,
}

#[derive(Deserialize)]
pub(super) struct WireKey {
    #[serde(default)]
    pub(super) hint: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireCertificate {
    #[serde(alias = "raw_bytes")]
    raw_bytes: String,
}

#[derive(Deserialize)]
pub(super) struct WireChain {
    #[serde(default)]
    certificates: Vec<WireCertificate>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireTimestamps {
    #[serde(default, alias = "rfc3161_timestamps")]
    rfc3161_timestamps: Option<Vec<WireTimestamp>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireTimestamp {
    #[serde(alias = "signed_timestamp")]
    signed_timestamp: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireEntry {
    #[serde(default, deserialize_with = "unsigned", alias = "log_index")]
    log_index: u64,
    #[serde(alias = "log_id")]
    log_id: WireLogId,
    #[serde(alias = "kind_version")]
    kind_version: WireKind,
    #[serde(default, deserialize_with = "seconds", alias = "integrated_time")]
    integrated_time: Option<i64>,
    #[serde(default, alias = "inclusion_promise")]
    inclusion_promise: Option<WirePromise>,
    #[serde(default, alias = "inclusion_proof")]
    inclusion_proof: Option<WireProof>,
    #[serde(alias = "canonicalized_body")]
    canonicalized_body: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireLogId {
    #[serde(alias = "key_id")]
    key_id: String,
}

#[derive(Deserialize)]
struct WireKind {
    kind: String,
    version: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WirePromise {
    #[serde(alias = "signed_entry_timestamp")]
    signed_entry_timestamp: String,
}

/// Protocol buffers in JSON leave out zeroes and empty lists: a log of one entry has neither index nor hashes.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireProof {
    #[serde(default, deserialize_with = "unsigned", alias = "log_index")]
    log_index: u64,
    #[serde(default, deserialize_with = "unsigned", alias = "tree_size")]
    tree_size: u64,
    #[serde(default, alias = "root_hash")]
    root_hash: String,
    #[serde(default)]
    hashes: Vec<String>,
    #[serde(default)]
    checkpoint: Option<WireCheckpoint>,
}

#[derive(Deserialize)]
struct WireCheckpoint {
    #[serde(default)]
    envelope: String,
}

/// 64-bit numbers are strings in the JSON of protocol buffers, and numbers are allowed.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Text(String),
    Number(i64),
}

fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    match Option::<Number>::deserialize(deserializer)? {
        None => Ok(None),
        Some(Number::Number(number)) => Ok(Some(number)),
        Some(Number::Text(text)) => {
            text.parse().map(Some).map_err(|_| D::Error::custom("not a 64-bit number"))
        }
    }
}

fn unsigned<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let number = number(deserializer)?.unwrap_or_default();
    u64::try_from(number).map_err(|_| D::Error::custom("a negative number"))
}

/// Zero is how protocol buffers say that there is none.
fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    match number(deserializer)? {
        Some(negative) if negative < 0 => Err(D::Error::custom("a negative number")),
        number => Ok(number.filter(|seconds| *seconds != 0)),
    }
}

/// Bytes in either base64 alphabet.
pub(super) fn base64(what: &'static str, text: &str) -> Result<Vec<u8>, AttestError> {
    // Tools that fold long lines leave line ends in the text, and the readers of other languages skip them.
    let unfolded = text.replace(['\r', '\n'], "");
    let bytes = PayloadBytes::from_base64(&unfolded).map_err(|_| AttestError::Base64 { what })?;
    Ok(bytes.as_bytes().to_vec())
}

impl Wire {
    /// The material in its one form. Which of the kinds of key material there is has been looked at before.
    pub(super) fn into_material(
        self,
        form: Form,
        limits: &Limits,
    ) -> Result<VerificationMaterial, AttestError> {
        let chain = self.x509_certificate_chain.map(|chain| chain.certificates);
        if chain.as_ref().is_some_and(Vec::is_empty) {
            return Err(AttestError::Missing { what: "certificate in x509CertificateChain" });
        }
        let certificates: Vec<_> =
            self.certificate.into_iter().chain(chain.into_iter().flatten()).collect();
        let entries = self.tlog_entries.unwrap_or_default();
        let timestamps = self.timestamp_verification_data.and_then(|data| data.rfc3161_timestamps);
        let timestamps = timestamps.unwrap_or_default();
        within(WHAT, certificates.len(), "certificates", limits.certificates, "certificates")?;
        within(WHAT, entries.len(), "log entries", limits.log_entries, "log_entries")?;
        within(WHAT, timestamps.len(), "timestamps", limits.timestamps, "timestamps")?;
        Ok(VerificationMaterial {
            form,
            certificates: certificates
                .iter()
                .map(|certificate| base64("certificate of the bundle", &certificate.raw_bytes))
                .collect::<Result<_, _>>()?,
            entries: entries.into_iter().map(WireEntry::into_entry).collect::<Result<_, _>>()?,
            timestamps: timestamps
                .iter()
                .map(|stamp| base64("signed timestamp of the bundle", &stamp.signed_timestamp))
                .collect::<Result<_, _>>()?,
        })
    }
}

impl WireEntry {
    fn into_entry(self) -> Result<LogEntry, AttestError> {
        let promise = self.inclusion_promise.map(|promise| {
            base64("signed entry timestamp of the log entry", &promise.signed_entry_timestamp)
        });
        Ok(LogEntry {
            kind: self.kind_version.kind,
            version: self.kind_version.version,
            log_id: base64("key id of the log", &self.log_id.key_id)?,
            index: self.log_index,
            integrated_time: self.integrated_time,
            promise: promise.transpose()?,
            proof: self.inclusion_proof.map(WireProof::into_proof).transpose()?,
            body: base64("body of the log entry", &self.canonicalized_body)?,
        })
    }
}

impl WireProof {
    fn into_proof(self) -> Result<InclusionProof, AttestError> {
        if self.hashes.len() > MAX_HASHES {
            return Err(AttestError::Unexpected {
                what: "number of hashes in the inclusion proof",
                found: self.hashes.len().to_string(),
                expected: "at most 64",
            });
        }
        let hash = |text: &String| {
            let what = "hash of the inclusion proof";
            let bytes = base64(what, text)?;
            let length = bytes.len();
            bytes.try_into().map_err(|_| AttestError::Unexpected {
                what,
                found: format!("{length} bytes"),
                expected: "32 bytes",
            })
        };
        Ok(InclusionProof {
            index: self.log_index,
            tree_size: self.tree_size,
            root: base64("root hash of the inclusion proof", &self.root_hash)?,
            hashes: self.hashes.iter().map(hash).collect::<Result<_, _>>()?,
            checkpoint: self.checkpoint.map(|checkpoint| checkpoint.envelope).unwrap_or_default(),
        })
    }
}

/// cosign's own form of a log entry (cosign, pkg/cosign/bundle/rekor.go).
#[derive(Deserialize)]
struct CosignEntry {
    #[serde(rename = "SignedEntryTimestamp")]
    signed_entry_timestamp: String,
    #[serde(rename = "Payload")]
    payload: CosignPayload,
}

#[derive(Deserialize)]
struct CosignPayload {
    body: String,
    #[serde(rename = "integratedTime", deserialize_with = "seconds")]
    integrated_time: Option<i64>,
    #[serde(rename = "logIndex", deserialize_with = "unsigned")]
    log_index: u64,
    #[serde(rename = "logID")]
    log_id: String,
}

#[derive(Deserialize)]
struct CosignTimestamp {
    #[serde(rename = "SignedRFC3161Timestamp")]
    signed_timestamp: String,
}

/// The kind of an entry as its body states it: cosign's annotation has no other place for it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BodyKind {
    kind: String,
    api_version: String,
}

/// The material in the annotations of a signature or attestation of cosign 1 or 2; `None` where there is none.
pub(super) fn of_annotations(
    annotations: &BTreeMap<String, String>,
    limits: &Limits,
) -> Result<Option<VerificationMaterial>, AttestError> {
    let get =
        |name: &str| annotations.get(name).map(String::as_str).filter(|text| !text.is_empty());
    let found = [CERTIFICATE, CHAIN, BUNDLE, TIMESTAMP].map(get);
    if found.iter().all(Option::is_none) {
        return Ok(None);
    }
    let [certificate, chain, bundle, timestamp] = found;
    let mut certificates = match certificate {
        Some(text) => pem_certificates(CERTIFICATE, text, limits)?,
        None => Vec::new(),
    };
    if certificates.len() > 1 {
        return Err(AttestError::Ambiguous { what: CERTIFICATE, found: certificates.len() });
    }
    // A chain without a certificate says nothing about the key that signed.
    if let Some(text) = chain.filter(|_| certificate.is_some()) {
        certificates.extend(pem_certificates(CHAIN, text, limits)?);
    }
    within(WHAT, certificates.len(), "certificates", limits.certificates, "certificates")?;
    let entry = bundle.map(|text| cosign_entry(text, limits)).transpose()?;
    let timestamp = timestamp.map(|text| cosign_timestamp(text, limits)).transpose()?;
    Ok(Some(VerificationMaterial {
        form: Form::Cosign,
        certificates,
        entries: entry.into_iter().collect(),
        timestamps: timestamp.into_iter().collect(),
    }))
}

fn pem_certificates(
    what: &'static str,
    text: &str,
    limits: &Limits,
) -> Result<Vec<Vec<u8>>, AttestError> {
    const END: &str = "-----END CERTIFICATE-----";
    let blocks: Vec<&str> = text.split_inclusive(END).filter(|b| !b.trim().is_empty()).collect();
    within(WHAT, blocks.len(), "certificates", limits.certificates, "certificates")?;
    let der = |block: &&str| {
        // Anything but one certificate here must never be taken for a key (attack A3).
        let der = DerCertificate::from_pem(block.trim()).map_err(|_| AttestError::Unexpected {
            what,
            found: shown(block.trim()),
            expected: "certificates in PEM",
        })?;
        Ok(der.as_bytes().to_vec())
    };
    let read: Vec<Vec<u8>> = blocks.iter().map(der).collect::<Result<_, AttestError>>()?;
    if read.is_empty() {
        return Err(AttestError::Missing { what });
    }
    Ok(read)
}

fn cosign_entry(text: &str, limits: &Limits) -> Result<LogEntry, AttestError> {
    let wire: CosignEntry = read_json(BUNDLE, text.as_bytes(), limits)?;
    let body = base64("body of the log entry", &wire.payload.body)?;
    let kind: BodyKind = read_json("body of the log entry", &body, limits)?;
    let log_id = hex::decode(&wire.payload.log_id).map_err(|_| AttestError::Unexpected {
        what: "logID of the log entry",
        found: shown(&wire.payload.log_id),
        expected: "a hash in hex",
    })?;
    Ok(LogEntry {
        kind: kind.kind,
        version: kind.api_version,
        log_id,
        index: wire.payload.log_index,
        integrated_time: wire.payload.integrated_time,
        promise: Some(base64(
            "signed entry timestamp of the log entry",
            &wire.signed_entry_timestamp,
        )?),
        proof: None,
        body,
    })
}

fn cosign_timestamp(text: &str, limits: &Limits) -> Result<Vec<u8>, AttestError> {
    let wire: CosignTimestamp = read_json(TIMESTAMP, text.as_bytes(), limits)?;
    base64(TIMESTAMP, &wire.signed_timestamp)
}

impl LogEntry {
    /// The bytes that a signed entry timestamp signs: canonical JSON (RFC 8785) of the four members, sorted.
    pub fn promised(&self) -> String {
        format!(
            r#"{{"body":"{}","integratedTime":{},"logID":"{}","logIndex":{}}}"#,
            STANDARD.encode(&self.body),
            self.integrated_time.unwrap_or_default(),
            hex::encode(&self.log_id),
            self.index,
        )
    }
}
