//! DSSE envelopes that stand alone, opened as what their payload is.
//!
//! Turns an envelope into [`Envelope::Signed`] where its payload is a statement, and into [`Envelope::InToto`] where it is a
//! classic layout or link. Signatures that come with a certificate need the certificate's proof beside the envelope; without
//! it the envelope is [`Envelope::Unsupported`].

use super::{
    AttestError, Content, Envelope, KEYLESS, Raw, checked,
    dsse::{WHAT, WireEnvelope},
    in_toto::{self, Document},
    read_checked, verification_material,
};
use crate::{image::MediaType, json, limits::Limits};

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
    let material = verification_material::of_annotations(&raw.annotations, limits)?;
    if wire.is_certified() && material.is_none() {
        return Ok(Envelope::Unsupported(KEYLESS.to_owned()));
    }
    let payload = wire.payload()?;
    let mut signed = match wire.statement(&payload, limits) {
        Ok(signed) => signed,
        Err(_)
            if wire.payload_type == MediaType::IN_TOTO
                && in_toto::is_classic(payload.as_bytes(), limits) =>
        {
            let document = Document::of_envelope(&wire, &payload, limits)?;
            return Ok(Envelope::InToto(Box::new(document)));
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
