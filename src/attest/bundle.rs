//! Sigstore bundles 0.1, 0.2 and 0.3 (sigstore/protobuf-specs, sigstore_bundle.proto).
//!
//! Turns a bundle that was made with a key, as `cosign sign --key` of version 3 writes it, into [`Envelope::Signed`].
//! The shape is looked at first, so that a bundle with a certificate is named keyless before anything else in it is
//! read; the crate `sigstore-types` then reads the rest and refuses unknown versions and envelopes with several
//! signatures. The key is never in the bundle, only a hint at it. Entries of transparency logs are not verified yet and
//! prove nothing here; they are neither asked for nor believed.

use serde::{Deserialize, de::IgnoredAny};
use sigstore_types::{Bundle, DsseEnvelope, SignatureContent, VerificationMaterialContent};

use super::{
    AttestError, Envelope, KEYLESS, MESSAGE_SIGNATURE, Raw, Signature, dsse, read_json, shown,
};
use crate::limits::Limits;

/// Name of the format in reports.
pub const FORMAT: &str = "sigstore-bundle";

const WHAT: &str = "Sigstore bundle";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shape {
    media_type: String,
    verification_material: Material,
    dsse_envelope: Option<IgnoredAny>,
    message_signature: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Material {
    public_key: Option<IgnoredAny>,
    certificate: Option<IgnoredAny>,
    x509_certificate_chain: Option<IgnoredAny>,
}

/// Opens a bundle.
pub(super) fn open(raw: &Raw, limits: &Limits) -> Result<Envelope, AttestError> {
    let shape: Shape = read_json(WHAT, &raw.bytes, limits)?;
    shape.media_type.parse::<sigstore_types::MediaType>().map_err(|_| AttestError::Unexpected {
        what: "media type of the Sigstore bundle",
        found: shown(&shape.media_type),
        expected: "a bundle of version 0.1, 0.2 or 0.3",
    })?;
    let content = [&shape.dsse_envelope, &shape.message_signature];
    exactly_one("content of the Sigstore bundle", &content)?;
    let material = &shape.verification_material;
    let kinds = [&material.public_key, &material.certificate, &material.x509_certificate_chain];
    exactly_one("verification material of the Sigstore bundle", &kinds)?;
    if material.public_key.is_none() {
        return Ok(Envelope::Unsupported(KEYLESS.to_owned()));
    }
    if shape.message_signature.is_some() {
        return Ok(Envelope::Unsupported(MESSAGE_SIGNATURE.to_owned()));
    }
    keyed(read_json(WHAT, &raw.bytes, limits)?, limits)
}

fn exactly_one(what: &'static str, fields: &[&Option<IgnoredAny>]) -> Result<(), AttestError> {
    match fields.iter().filter(|field| field.is_some()).count() {
        0 => Err(AttestError::Missing { what }),
        1 => Ok(()),
        found => Err(AttestError::Ambiguous { what, found }),
    }
}

/// A bundle that names a key. The other arms cannot be reached after the look at the shape, and fail closed.
fn keyed(bundle: Bundle, limits: &Limits) -> Result<Envelope, AttestError> {
    let VerificationMaterialContent::PublicKey(key) = bundle.verification_material.content else {
        return Ok(Envelope::Unsupported(KEYLESS.to_owned()));
    };
    let SignatureContent::DsseEnvelope(DsseEnvelope { payload_type, payload, signature, .. }) =
        bundle.content
    else {
        return Ok(Envelope::Unsupported(MESSAGE_SIGNATURE.to_owned()));
    };
    let hints = [key.hint, signature.keyid.into_string()];
    let signature = Signature {
        bytes: signature.sig.into_bytes(),
        key_hint: hints.into_iter().find(|hint| !hint.is_empty()),
    };
    dsse::signed(FORMAT, &payload_type, payload.as_bytes(), vec![signature], limits)
        .map(Envelope::Signed)
}
