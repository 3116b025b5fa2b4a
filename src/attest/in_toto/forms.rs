//! The two forms in which a layout or link is signed: a metablock (in-toto 1.0, section 4.2) and a DSSE envelope.

use serde_json::Value;

use super::{Document, WHAT};
use crate::{
    attest::{AttestError, dsse, read_value},
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
            (None, Some(_)) => dsse::in_toto(value, limits),
            (Some(_), Some(_)) => Err(AttestError::Ambiguous { what: WHAT, found: 2 }),
            (None, None) => Err(AttestError::Missing { what: "signed or payloadType" }),
        }
    }
}
