//! DSSE envelopes (secure-systems-lab/dsse v1, envelope.md and protocol.md).
//!
//! Turns an envelope into [`Signed`]: the pre-authentication encoding that the signatures are over, and the statement
//! parsed from exactly those payload bytes. Accepts both base64 alphabets, as envelope.md asks, and several signatures up
//! to a limit: `trust` judges each by itself and says which one counted (attack A15). Refuses every payload type but
//! in-toto's (attack B3): bytes of another type are never read as a statement. Which envelopes are of a classic layout or
//! link is said by `attest::envelope` and `attest::in_toto`, which use this file.

use bytes::Bytes;
use serde::{Deserialize, de::IgnoredAny};
use sigstore_types::{PayloadBytes, SignatureBytes};

use super::{AttestError, Content, Signature, Signed, Statement, read_json, shown};
use crate::{digest::Digest, image::MediaType, limits::Limits};

/// Name of the format in reports.
pub const FORMAT: &str = "dsse";

pub(super) const WHAT: &str = "DSSE envelope";

/// An envelope as it is written in JSON, by whatever it is carried.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireEnvelope {
    pub(super) payload_type: String,
    pub(super) payload: String,
    pub(super) signatures: Vec<WireSignature>,
}

/// A signature in an envelope.
#[derive(Deserialize)]
pub(super) struct WireSignature {
    #[serde(default)]
    pub(super) keyid: Option<String>,
    pub(super) sig: String,
    /// Not in DSSE: in-toto tools put a certificate here.
    #[serde(default)]
    cert: Option<IgnoredAny>,
}

impl WireEnvelope {
    /// The payload's bytes, in either base64 alphabet.
    pub(super) fn payload(&self) -> Result<PayloadBytes, AttestError> {
        PayloadBytes::from_base64(&self.payload)
            .map_err(|_| AttestError::Base64 { what: "payload of the DSSE envelope" })
    }

    /// All signatures.
    pub(super) fn signatures(&self) -> Result<Vec<Signature>, AttestError> {
        self.signatures.iter().map(signature).collect()
    }

    /// Whether each signature has a certificate beside it; an envelope without signatures has none.
    pub(super) fn is_certified(&self) -> bool {
        !self.signatures.is_empty() && self.signatures.iter().all(|s| s.cert.is_some())
    }

    /// What it says, where its payload is a statement.
    pub(super) fn statement(
        &self,
        payload: &PayloadBytes,
        limits: &Limits,
    ) -> Result<Signed, AttestError> {
        signed(FORMAT, &self.payload_type, payload.as_bytes(), self.signatures()?, limits)
    }
}

/// Reads an envelope whose statement need not be about content, as verifiers write it about whatever they verify; only
/// signatures by keys are looked at, and what it says binds no image.
///
/// # Errors
/// Where it is no envelope with a statement; see [`Statement::parse_about_anything`].
pub fn of_anything(bytes: &[u8], limits: &Limits) -> Result<Signed, AttestError> {
    let wire: WireEnvelope = read_json(WHAT, bytes, limits)?;
    let payload = wire.payload()?;
    let read = Statement::parse_about_anything;
    assemble(FORMAT, &wire.payload_type, payload.as_bytes(), wire.signatures()?, read, limits)
}

pub(super) fn other_type(found: &str) -> AttestError {
    AttestError::Unexpected {
        what: "payload type of the DSSE envelope",
        found: shown(found),
        expected: MediaType::IN_TOTO,
    }
}

fn signature(wire: &WireSignature) -> Result<Signature, AttestError> {
    let bytes = SignatureBytes::from_base64(&wire.sig)
        .map_err(|_| AttestError::Base64 { what: "signature of the DSSE envelope" })?
        .into_bytes();
    Ok(Signature { bytes, key_hint: wire.keyid.clone().filter(|hint| !hint.is_empty()) })
}

/// What an envelope's parts say, whatever carried them.
pub(super) fn signed(
    format: &'static str,
    payload_type: &str,
    payload: &[u8],
    signatures: Vec<Signature>,
    limits: &Limits,
) -> Result<Signed, AttestError> {
    assemble(format, payload_type, payload, signatures, Statement::parse, limits)
}

fn assemble(
    format: &'static str,
    payload_type: &str,
    payload: &[u8],
    signatures: Vec<Signature>,
    read: fn(&[u8], &Limits) -> Result<Statement, AttestError>,
    limits: &Limits,
) -> Result<Signed, AttestError> {
    if payload_type != MediaType::IN_TOTO {
        return Err(other_type(payload_type));
    }
    if signatures.is_empty() {
        return Err(AttestError::Missing { what: "signature of the DSSE envelope" });
    }
    if signatures.len() > limits.signatures {
        return Err(AttestError::Limit {
            what: WHAT,
            found: signatures.len(),
            unit: "signatures",
            limit: limits.signatures,
            limit_name: "signatures",
        });
    }
    Ok(Signed {
        format,
        message: sigstore_types::pae(payload_type, payload),
        signatures,
        statement: read(payload, limits)?,
        payload: Digest::sha256(payload),
        content: Content::Envelope { payload_bytes: payload.len(), document: Bytes::new() },
        material: None,
        stated_digest: None,
    })
}
