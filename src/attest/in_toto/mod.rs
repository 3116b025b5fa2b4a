//! Classic in-toto layouts and links (in-toto specification 1.0.0), in both signing forms.
//!
//! [`Document::open`] turns bytes into what was signed and the exact message that the signatures are over: a *metablock*
//! (`{signed, signatures}`, signatures in hex over the canonical JSON of `signed`; ITE-5, appendix) or a DSSE envelope with the
//! payload type `application/vnd.in-toto+json`. Says nothing about truth: `trust::layout` verifies.
//!
//! Canonical JSON is written by `olpc-cjson`. It brings text into Unicode's normal form C, which other writers do not do and
//! which would let two documents share a signature; text that is not in that form is refused, and so are numbers with a
//! fraction. Signatures of OpenPGP are counted and not verified. No member of a document names a file to read, a command to
//! run or a key to trust.

mod forms;
mod layout;
mod link;
mod rule;
#[cfg(test)]
mod tests;

use olpc_cjson::CanonicalFormatter;
use serde::{Deserialize, Serialize};
use serde_json::{Serializer, Value};
use unicode_normalization::is_nfc;

pub(super) use forms::is_classic;
pub use layout::{Inspection, ItemRules, Layout, LayoutKey, Step};
pub use link::{Artifact, Artifacts, LINK_V03, Link};
pub use rule::{List, Match, Pattern, Rule};

use super::{AttestError, Signature, Signed, read_value, shown, within};
use crate::{
    digest::Digest,
    json::{self, JsonError},
    limits::Limits,
};

const WHAT: &str = "in-toto metadata";

/// A layout or link with its signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Exactly the bytes that the signatures are over.
    pub message: Vec<u8>,
    /// The signatures; there may be none.
    pub signatures: Vec<Signature>,
    /// How many signatures are of a kind that is not verified (OpenPGP).
    pub unsupported_signatures: usize,
    /// Digest of the payload, by which reports name it.
    pub payload: Digest,
    /// What it says, parsed from the very bytes that are verified.
    pub body: Body,
}

/// What a document is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// A layout.
    Layout(Layout),
    /// A link.
    Link(Link),
}

#[derive(Deserialize)]
struct Metablock {
    signed: Value,
    signatures: Vec<WireSignature>,
}

#[derive(Deserialize)]
struct WireSignature {
    #[serde(default)]
    keyid: Option<String>,
    #[serde(default)]
    sig: Option<String>,
    /// OpenPGP's, in the place of `sig`.
    #[serde(default)]
    other_headers: Option<Value>,
}

impl Document {
    /// A link that is a statement with the predicate link v0.3, once its envelope has been read; `None` for other statements.
    ///
    /// # Errors
    /// Where the predicate is not of its form.
    pub fn of_statement(signed: &Signed, limits: &Limits) -> Result<Option<Self>, AttestError> {
        if signed.statement.predicate_type != LINK_V03 {
            return Ok(None);
        }
        Ok(Some(Self {
            message: signed.message.clone(),
            signatures: signed.signatures.clone(),
            unsupported_signatures: 0,
            payload: signed.payload.clone(),
            body: Body::Link(Link::from_statement(&signed.statement, limits)?),
        }))
    }

    /// A document whose payload was taken out of an envelope.
    fn of_payload(
        message: Vec<u8>,
        payload: &[u8],
        signatures: Vec<Signature>,
        limits: &Limits,
    ) -> Result<Self, AttestError> {
        within(WHAT, signatures.len(), "signatures", limits.signatures, "signatures")?;
        let value: Value = read_value(WHAT, payload, limits)?;
        let payload = Digest::sha256(payload);
        let body = Body::new(value, limits)?;
        Ok(Self { message, signatures, unsupported_signatures: 0, payload, body })
    }

    fn metablock(value: Value, limits: &Limits) -> Result<Self, AttestError> {
        let Metablock { signed, signatures } = from_value(value)?;
        within(WHAT, signatures.len(), "signatures", limits.signatures, "signatures")?;
        let message = canonical(&signed)?;
        let (openpgp, plain): (Vec<_>, Vec<_>) =
            signatures.into_iter().partition(|s| s.sig.is_none() && s.other_headers.is_some());
        Ok(Self {
            payload: Digest::sha256(&message),
            message,
            signatures: plain.into_iter().map(signature).collect::<Result<_, _>>()?,
            unsupported_signatures: openpgp.len(),
            body: Body::new(signed, limits)?,
        })
    }
}

impl Body {
    fn new(value: Value, limits: &Limits) -> Result<Self, AttestError> {
        match value.get("_type").and_then(Value::as_str) {
            Some("layout") => Ok(Self::Layout(Layout::new(from_value(value)?, limits)?)),
            Some("link") => Ok(Self::Link(Link::new(from_value(value)?, limits)?)),
            other => Err(AttestError::Unexpected {
                what: "_type of the in-toto metadata",
                found: shown(other.unwrap_or_default()),
                expected: "layout or link",
            }),
        }
    }
}

fn from_value<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, AttestError> {
    json::from_value(value)
        .map_err(|error| AttestError::Json { what: WHAT, error: JsonError::Invalid(error) })
}

fn signature(wire: WireSignature) -> Result<Signature, AttestError> {
    let sig = wire.sig.ok_or(AttestError::Missing { what: "sig of a signature" })?;
    let bytes = hex::decode(&sig).map_err(|_| AttestError::Unexpected {
        what: "sig of a signature",
        found: shown(&sig),
        expected: "bytes in hex",
    })?;
    Ok(Signature { bytes, key_hint: wire.keyid.filter(|hint| !hint.is_empty()) })
}

/// The canonical JSON of a value.
pub(crate) fn canonical(value: &Value) -> Result<Vec<u8>, AttestError> {
    if !in_normal_form(value) {
        return Err(AttestError::Unexpected {
            what: "text of the in-toto metadata",
            found: "characters in another Unicode form".to_owned(),
            expected: "Unicode normal form C, as canonical JSON has it",
        });
    }
    let mut bytes = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut bytes, CanonicalFormatter::new());
    value
        .serialize(&mut serializer)
        .map_err(|error| AttestError::Json { what: WHAT, error: JsonError::Invalid(error) })?;
    Ok(bytes)
}

fn in_normal_form(value: &Value) -> bool {
    match value {
        Value::String(text) => is_nfc(text),
        Value::Array(items) => items.iter().all(in_normal_form),
        Value::Object(members) => {
            members.iter().all(|(key, value)| is_nfc(key) && in_normal_form(value))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
    }
}
