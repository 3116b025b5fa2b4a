//! DSSE envelopes (secure-systems-lab/dsse v1, envelope.md and protocol.md).
//!
//! Turns an envelope into [`Signed`]: the pre-authentication encoding that the signatures are over, and the statement
//! parsed from exactly those payload bytes. Accepts both base64 alphabets, as envelope.md asks, and several signatures up
//! to a limit: `trust` judges each by itself and says which one counted (attack A15). Refuses every payload type but
//! in-toto's (attack B3): bytes of another type are never read as a statement.

use bytes::Bytes;
use serde::{Deserialize, de::IgnoredAny};
use sigstore_types::{PayloadBytes, SignatureBytes};

use super::{
    AttestError, Content, Envelope, KEYLESS, Raw, Signature, Signed, Statement, material,
    read_json, shown,
};
use crate::{digest::Digest, image::MediaType, limits::Limits};

/// Name of the format in reports.
pub const FORMAT: &str = "dsse";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    payload_type: String,
    payload: String,
    signatures: Vec<WireSignature>,
}

#[derive(Deserialize)]
struct WireSignature {
    #[serde(default)]
    keyid: Option<String>,
    sig: String,
    /// Not in DSSE: in-toto tools put a certificate here.
    #[serde(default)]
    cert: Option<IgnoredAny>,
}

/// Reads an envelope whose statement need not be about content, as verifiers write it about whatever they verify; only
/// signatures by keys are looked at, and what it says binds no image.
///
/// # Errors
/// Where it is no envelope with a statement; see [`Statement::parse_about_anything`].
pub fn of_anything(bytes: &[u8], limits: &Limits) -> Result<Signed, AttestError> {
    let wire: Wire = read_json("DSSE envelope", bytes, limits)?;
    let payload = PayloadBytes::from_base64(&wire.payload)
        .map_err(|_| AttestError::Base64 { what: "payload of the DSSE envelope" })?;
    let payload = payload.as_bytes();
    let signatures = wire.signatures.iter().map(signature).collect::<Result<_, _>>()?;
    let read = Statement::parse_about_anything;
    assemble(FORMAT, &wire.payload_type, payload, signatures, read, limits)
}

/// Opens an envelope that stands alone.
pub(super) fn open(raw: &Raw, limits: &Limits) -> Result<Envelope, AttestError> {
    let wire: Wire = read_json("DSSE envelope", &raw.bytes, limits)?;
    let certified = !wire.signatures.is_empty() && wire.signatures.iter().all(|s| s.cert.is_some());
    let material = material::of_annotations(&raw.annotations, limits)?;
    if certified && material.is_none() {
        return Ok(Envelope::Unsupported(KEYLESS.to_owned()));
    }
    let payload = PayloadBytes::from_base64(&wire.payload)
        .map_err(|_| AttestError::Base64 { what: "payload of the DSSE envelope" })?;
    let signatures = wire.signatures.iter().map(signature).collect::<Result<_, _>>()?;
    let mut signed = signed(FORMAT, &wire.payload_type, payload.as_bytes(), signatures, limits)?;
    // One certificate cannot say which of several signatures it belongs to (attack A15).
    let certified = material.as_ref().is_some_and(|material| !material.certificates.is_empty());
    if certified && signed.signatures.len() != 1 {
        let what = "signature of a DSSE envelope with a certificate";
        return Err(AttestError::Ambiguous { what, found: signed.signatures.len() });
    }
    signed.material = material;
    signed.content =
        Content::Envelope { payload_bytes: payload.as_bytes().len(), document: raw.bytes.clone() };
    Ok(Envelope::Signed(Box::new(signed)))
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
        return Err(AttestError::Unexpected {
            what: "payload type of the DSSE envelope",
            found: shown(payload_type),
            expected: MediaType::IN_TOTO,
        });
    }
    if signatures.is_empty() {
        return Err(AttestError::Missing { what: "signature of the DSSE envelope" });
    }
    if signatures.len() > limits.signatures {
        return Err(AttestError::Limit {
            what: "DSSE envelope",
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
