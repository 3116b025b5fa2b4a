//! The two forms in which a layout or link is signed: a metablock (in-toto 1.0, section 4.2) and a DSSE envelope.

use serde::Deserialize;
use serde_json::Value;
use sigstore_types::PayloadBytes;

use super::{Document, LINK_V03, WHAT};
use crate::{
    attest::{
        AttestError,
        dsse::{self, WireEnvelope},
        read_json, read_value, shown,
    },
    image::MediaType,
    json::{self, JsonError},
    limits::Limits,
};

impl Document {
    /// Reads a layout or link in either form.
    ///
    /// # Errors
    /// Where it is neither, both, ambiguous, or larger than the limits.
    pub fn open(bytes: &[u8], limits: &Limits) -> Result<Self, AttestError> {
        let value: Value = read_value(WHAT, bytes, limits)?;
        match (value.get("signed"), value.get("payloadType")) {
            (Some(_), None) => Self::metablock(value, limits),
            (None, Some(_)) => Self::enveloped(value, limits),
            (Some(_), Some(_)) => Err(AttestError::Ambiguous { what: WHAT, found: 2 }),
            (None, None) => Err(AttestError::Missing { what: "signed or payloadType" }),
        }
    }

    /// Reads an envelope in which there has to be a layout, a link or a statement that is a link.
    fn enveloped(value: Value, limits: &Limits) -> Result<Self, AttestError> {
        let wire: WireEnvelope = json::from_value(value).map_err(|error| AttestError::Json {
            what: dsse::WHAT,
            error: JsonError::Invalid(error),
        })?;
        let payload = wire.payload()?;
        if is_classic(payload.as_bytes(), limits) {
            return Self::of_envelope(&wire, &payload, limits);
        }
        let signed = wire.statement(&payload, limits)?;
        let document = Self::of_statement(&signed, limits)?;
        document.ok_or(AttestError::Unexpected {
            what: "predicateType of the statement",
            found: shown(&signed.statement.predicate_type),
            expected: LINK_V03,
        })
    }

    /// A layout or link, from the envelope that it was taken out of.
    pub(in crate::attest) fn of_envelope(
        wire: &WireEnvelope,
        payload: &PayloadBytes,
        limits: &Limits,
    ) -> Result<Self, AttestError> {
        if wire.payload_type != MediaType::IN_TOTO {
            return Err(dsse::other_type(&wire.payload_type));
        }
        let message = sigstore_types::pae(&wire.payload_type, payload.as_bytes());
        Self::of_payload(message, payload.as_bytes(), wire.signatures()?, limits)
    }
}

/// Whether a payload says that it is a layout or link; other payloads are statements.
pub(in crate::attest) fn is_classic(payload: &[u8], limits: &Limits) -> bool {
    #[derive(Deserialize)]
    struct Shape {
        #[serde(rename = "_type")]
        kind: String,
    }
    let shape = read_json::<Shape>("payload", payload, limits);
    shape.is_ok_and(|shape| matches!(shape.kind.as_str(), "layout" | "link"))
}
