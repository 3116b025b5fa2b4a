//! DSSE envelopes (secure-systems-lab/dsse v1, envelope.md and protocol.md).
//!
//! Turns an envelope into [`Signed`]: the pre-authentication encoding that the signatures are over, and the statement
//! parsed from exactly those payload bytes; an envelope of a classic layout or link becomes a `Document`. Accepts both base64 alphabets, as envelope.md asks, and several signatures up
//! to a limit: `trust` judges each by itself and says which one counted (attack A15). Refuses every payload type but
//! in-toto's (attack B3): bytes of another type are never read as a statement.

use bytes::Bytes;
use serde::{Deserialize, de::IgnoredAny};
use sigstore_types::{PayloadBytes, SignatureBytes};

use serde_json::Value;

use super::{
    AttestError, Content, Envelope, KEYLESS, Raw, Signature, Signed, Statement, checked,
    in_toto::{self, Document},
    read_checked, read_json, shown, verification_material,
};
use crate::{
    digest::Digest,
    image::MediaType,
    json::{self, JsonError},
    limits::Limits,
};

/// Name of the format in reports.
pub const FORMAT: &str = "dsse";

const WHAT: &str = "DSSE envelope";

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

/// Reads an envelope whose statement need not be about content, as verifiers write it about whatever they verify; only
/// signatures by keys are looked at, and what it says binds no image.
///
/// # Errors
/// Where it is no envelope with a statement; see [`Statement::parse_about_anything`].
pub fn of_anything(bytes: &[u8], limits: &Limits) -> Result<Signed, AttestError> {
    let wire: WireEnvelope = read_json(WHAT, bytes, limits)?;
    let payload = PayloadBytes::from_base64(&wire.payload)
        .map_err(|_| AttestError::Base64 { what: "payload of the DSSE envelope" })?;
    let payload = payload.as_bytes();
    let signatures = wire.signatures.iter().map(signature).collect::<Result<_, _>>()?;
    let read = Statement::parse_about_anything;
    assemble(FORMAT, &wire.payload_type, payload, signatures, read, limits)
}

/// Opens an envelope that stands alone.
pub(super) fn open(raw: &Raw, limits: &Limits) -> Result<Envelope, AttestError> {
    open_checked(checked(WHAT, &raw.bytes, limits)?, raw, limits)
}

/// As [`open`], from a document that is checked already.
pub(super) fn open_checked(
    envelope: json::Document<'_>,
    raw: &Raw,
    limits: &Limits,
) -> Result<Envelope, AttestError> {
    let wire: WireEnvelope = read_checked(WHAT, envelope)?;
    let certified = !wire.signatures.is_empty() && wire.signatures.iter().all(|s| s.cert.is_some());
    let material = verification_material::of_annotations(&raw.annotations, limits)?;
    if certified && material.is_none() {
        return Ok(Envelope::Unsupported(KEYLESS.to_owned()));
    }
    let payload = PayloadBytes::from_base64(&wire.payload)
        .map_err(|_| AttestError::Base64 { what: "payload of the DSSE envelope" })?;
    let signatures = wire.signatures.iter().map(signature).collect::<Result<_, _>>()?;
    let mut signed =
        match signed(FORMAT, &wire.payload_type, payload.as_bytes(), signatures, limits) {
            Ok(signed) => signed,
            Err(_) if wire.payload_type == MediaType::IN_TOTO && is_classic(&payload, limits) => {
                return Ok(Envelope::InToto(Box::new(document(&wire, &payload, limits)?)));
            }
            Err(error) => return Err(error),
        };
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

/// Reads an envelope in which there has to be a layout, a link or a statement that is a link.
pub(super) fn in_toto(value: Value, limits: &Limits) -> Result<Document, AttestError> {
    let wire: WireEnvelope = json::from_value(value)
        .map_err(|error| AttestError::Json { what: WHAT, error: JsonError::Invalid(error) })?;
    let payload = PayloadBytes::from_base64(&wire.payload)
        .map_err(|_| AttestError::Base64 { what: "payload of the DSSE envelope" })?;
    if !is_classic(&payload, limits) {
        let signatures = wire.signatures.iter().map(signature).collect::<Result<_, _>>()?;
        let signed = signed(FORMAT, &wire.payload_type, payload.as_bytes(), signatures, limits)?;
        let document = Document::of_statement(&signed, limits)?;
        return document.ok_or(AttestError::Unexpected {
            what: "predicateType of the statement",
            found: shown(&signed.statement.predicate_type),
            expected: in_toto::LINK_V03,
        });
    }
    document(&wire, &payload, limits)
}

/// Whether a payload says that it is a layout or link; other payloads are statements.
fn is_classic(payload: &PayloadBytes, limits: &Limits) -> bool {
    #[derive(Deserialize)]
    struct Shape {
        #[serde(rename = "_type")]
        kind: String,
    }
    let shape = read_json::<Shape>("payload", payload.as_bytes(), limits);
    shape.is_ok_and(|shape| in_toto::is_classic(&shape.kind))
}

fn document(
    wire: &WireEnvelope,
    payload: &PayloadBytes,
    limits: &Limits,
) -> Result<Document, AttestError> {
    if wire.payload_type != MediaType::IN_TOTO {
        return Err(other_type(&wire.payload_type));
    }
    let signatures = wire.signatures.iter().map(signature).collect::<Result<_, _>>()?;
    let message = sigstore_types::pae(&wire.payload_type, payload.as_bytes());
    Document::of_payload(message, payload.as_bytes(), signatures, limits)
}

fn other_type(found: &str) -> AttestError {
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
