//! Sigstore bundles 0.1, 0.2 and 0.3 (sigstore/protobuf-specs, sigstore_bundle.proto).
//!
//! Turns a bundle into [`Bundle`]: what is signed, one signature, and the [`VerificationMaterial`] that says who made it. A bundle
//! over a DSSE envelope becomes [`Envelope::Signed`]; a bundle over bytes, which says nothing about them, becomes
//! [`Envelope::Message`] and, together with the document that it is attached to, a plain signature. [`write`] makes
//! the one form that hallmark signs: version 0.3 over an envelope, by a key. Exactly one content, one kind of key material and one signature are read
//! (attack A15). A member may have either of its names in the JSON of protocol
//! buffers, camelCase and snake_case, never both (E17). A public key is never in the bundle, only a hint at it (attack A3).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::json;
use sigstore_types::SignatureBytes;

use super::{
    AttestError, Content, Envelope, Raw, Signature, Signed, Statement, StatementSubject,
    dsse::{self, WireSignature},
    read_json, shown,
    statement::SIGNATURE,
    verification_material::{Form, VerificationMaterial, Wire as WireMaterial, base64},
};
use crate::{
    digest::{Digest, ManifestDigest},
    image::{Checked, MediaType},
    limits::Limits,
};

/// Name of the format in reports.
pub const FORMAT: &str = "sigstore-bundle";

/// Media type of the bundles that [`write`] makes.
pub const V03: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

const WHAT: &str = "Sigstore bundle";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    #[serde(alias = "media_type")]
    media_type: String,
    #[serde(alias = "verification_material")]
    verification_material: WireMaterial,
    #[serde(default, alias = "dsse_envelope")]
    dsse_envelope: Option<WireEnvelope>,
    #[serde(default, alias = "message_signature")]
    message_signature: Option<WireMessage>,
}

/// An envelope as [`dsse`] has it, whose members a bundle may name as protobuf does.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireEnvelope {
    #[serde(alias = "payload_type")]
    payload_type: String,
    payload: String,
    signatures: Vec<WireSignature>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireMessage {
    #[serde(default, alias = "message_digest")]
    message_digest: Option<WireDigest>,
    signature: String,
}

#[derive(Deserialize)]
struct WireDigest {
    algorithm: String,
    digest: String,
}

/// A bundle, read and not believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// What is signed.
    pub content: BundleContent,
    /// The signature.
    pub signature: Signature,
    /// Who claims to have made it, and what shows that.
    pub material: VerificationMaterial,
}

/// What the signature of a bundle is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BundleContent {
    /// A DSSE envelope.
    Envelope {
        /// Its payload type, not yet judged.
        payload_type: String,
        /// Its payload.
        payload: Vec<u8>,
    },
    /// Bytes that are not in the bundle.
    Message {
        /// What the bundle says that their digest is: a hint, which has to be right where it is there.
        digest: Option<MessageDigest>,
    },
}

/// A digest that a bundle states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageDigest {
    /// Name of the algorithm, as `SHA2_256`.
    pub algorithm: String,
    /// The digest.
    pub digest: Vec<u8>,
}

impl Bundle {
    /// Reads a bundle.
    ///
    /// # Errors
    /// Where it is no JSON of this form, of another version, or ambiguous in what it signs or who signed it.
    pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Self, AttestError> {
        let wire: Wire = read_json(WHAT, bytes, limits)?;
        let form = form(&wire.media_type)?;
        let material = &wire.verification_material;
        exactly_one(
            "content of the Sigstore bundle",
            &[wire.dsse_envelope.is_some(), wire.message_signature.is_some()],
        )?;
        exactly_one(
            "verification material of the Sigstore bundle",
            &[
                material.public_key.is_some(),
                material.certificate.is_some(),
                material.x509_certificate_chain.is_some(),
            ],
        )?;
        if form == Form::Bundle03 && material.x509_certificate_chain.is_some() {
            return Err(AttestError::Unexpected {
                what: "verification material of the Sigstore bundle",
                found: "x509CertificateChain".to_owned(),
                expected: "certificate or publicKey in a bundle of version 0.3",
            });
        }
        let hint = material.public_key.as_ref().and_then(|key| key.hint.clone());
        let (content, mut signature) = content(wire.dsse_envelope, wire.message_signature)?;
        signature.key_hint =
            hint.into_iter().chain(signature.key_hint).find(|hint| !hint.is_empty());
        let material = wire.verification_material.into_material(form, limits)?;
        Ok(Self { content, signature, material })
    }
}

fn form(media_type: &str) -> Result<Form, AttestError> {
    match version(media_type) {
        Some("0.1") => Ok(Form::Bundle01),
        Some("0.2") => Ok(Form::Bundle02),
        Some("0.3") => Ok(Form::Bundle03),
        _ => Err(AttestError::Unexpected {
            what: "media type of the Sigstore bundle",
            found: shown(media_type),
            expected: "a bundle of version 0.1, 0.2 or 0.3",
        }),
    }
}

/// The version in a media type: as a parameter, as 0.1 and 0.2 are written and some wrote 0.3, or in the name, which
/// sigstore-go takes for any version. A parameter may have blanks and quotes around it (RFC 9110, 5.6.6).
fn version(media_type: &str) -> Option<&str> {
    let rest = media_type.strip_prefix("application/vnd.dev.sigstore.bundle")?;
    if let Some(named) = rest.strip_prefix(".v") {
        return named.strip_suffix("+json");
    }
    let parameter = rest.strip_prefix("+json")?.trim_start().strip_prefix(';')?.trim();
    let value = parameter.strip_prefix("version=")?;
    Some(value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value))
}

fn exactly_one(what: &'static str, present: &[bool]) -> Result<(), AttestError> {
    match present.iter().filter(|is| **is).count() {
        0 => Err(AttestError::Missing { what }),
        1 => Ok(()),
        found => Err(AttestError::Ambiguous { what, found }),
    }
}

/// What is signed, and the signature. One of the two is there.
fn content(
    envelope: Option<WireEnvelope>,
    message: Option<WireMessage>,
) -> Result<(BundleContent, Signature), AttestError> {
    const MISSING: AttestError = AttestError::Missing { what: "content of the Sigstore bundle" };
    let Some(envelope) = envelope else {
        let message = message.ok_or(MISSING)?;
        let digest = message.message_digest.map(|stated| {
            let digest = base64("message digest of the Sigstore bundle", &stated.digest)?;
            Ok(MessageDigest { algorithm: stated.algorithm, digest })
        });
        let content = BundleContent::Message { digest: digest.transpose()? };
        return Ok((content, signature(&message.signature, None)?));
    };
    let signed = match envelope.signatures.as_slice() {
        [] => return Err(AttestError::Missing { what: "signature of the DSSE envelope" }),
        [one] => signature(&one.sig, one.keyid.clone())?,
        several => {
            let what = "signature of the DSSE envelope in a Sigstore bundle";
            return Err(AttestError::Ambiguous { what, found: several.len() });
        }
    };
    let payload = base64("payload of the DSSE envelope", &envelope.payload)?;
    Ok((BundleContent::Envelope { payload_type: envelope.payload_type, payload }, signed))
}

fn signature(text: &str, key_hint: Option<String>) -> Result<Signature, AttestError> {
    let bytes = SignatureBytes::from_base64(text)
        .map_err(|_| AttestError::Base64 { what: "signature of the Sigstore bundle" })?;
    Ok(Signature { bytes: bytes.into_bytes(), key_hint })
}

/// Opens a bundle that was found attached to an image.
pub(super) fn open(raw: &Raw, limits: &Limits) -> Result<Envelope, AttestError> {
    let Bundle { content, signature, material } = Bundle::parse(&raw.bytes, limits)?;
    let (payload_type, payload) = match content {
        BundleContent::Envelope { payload_type, payload } => (payload_type, payload),
        BundleContent::Message { digest } => {
            let message = MessageSignature { signature, stated_digest: digest, material };
            return Ok(Envelope::Message(Box::new(message)));
        }
    };
    let mut signed = dsse::signed(FORMAT, &payload_type, &payload, vec![signature], limits)?;
    signed.material = Some(material);
    signed.content =
        Content::Envelope { payload_bytes: payload.len(), document: raw.bytes.clone() };
    Ok(Envelope::Signed(Box::new(signed)))
}

/// A bundle over bytes that are not in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageSignature {
    /// The signature.
    pub signature: Signature,
    /// What the bundle says that the bytes' digest is.
    pub stated_digest: Option<MessageDigest>,
    /// Certificates, log entries and timestamps beside it.
    pub material: VerificationMaterial,
}

impl MessageSignature {
    /// The signature as one over this manifest or index, which is what a plain signature of an image says: "this digest is
    /// ours". Its statement has the type of cosign's plain signatures and an empty predicate.
    #[must_use]
    pub fn over(self, document: &Checked<ManifestDigest>) -> Signed {
        let subject = StatementSubject {
            name: None,
            digests: vec![document.digest.digest().clone()],
            weak: Default::default(),
        };
        Signed {
            format: FORMAT,
            message: document.bytes.to_vec(),
            signatures: vec![self.signature],
            statement: Statement {
                subjects: vec![subject],
                predicate_type: SIGNATURE.to_owned(),
                predicate: json!({}).into(),
            },
            payload: Digest::sha256(&document.bytes),
            content: Content::Payload,
            material: Some(self.material),
            stated_digest: self.stated_digest,
        }
    }
}

/// Writes the bundle that a key's signature over a statement is packed in, as cosign 3 does; `hint` names the key.
pub fn write(payload: &[u8], signature: &[u8], hint: &str) -> Vec<u8> {
    json!({
        "mediaType": V03,
        "verificationMaterial": { "publicKey": { "hint": hint } },
        "dsseEnvelope": {
            "payload": STANDARD.encode(payload),
            "payloadType": MediaType::IN_TOTO,
            "signatures": [{ "sig": STANDARD.encode(signature) }],
        },
    })
    .to_string()
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_of_each_version_are_known_in_both_forms() {
        let base = "application/vnd.dev.sigstore.bundle";
        for (text, want) in [
            ("+json;version=0.1", Some(Form::Bundle01)),
            ("+json;version=0.2", Some(Form::Bundle02)),
            ("+json;version=0.3", Some(Form::Bundle03)),
            ("+json; version=\"0.3\"", Some(Form::Bundle03)),
            (".v0.1+json", Some(Form::Bundle01)),
            (".v0.2+json", Some(Form::Bundle02)),
            (".v0.3+json", Some(Form::Bundle03)),
            (".v0.4+json", None),
            (".v0.3", None),
            ("+json;version=0.4", None),
            ("+json;version=0.3;a=b", None),
            ("+json", None),
            ("", None),
        ] {
            assert_eq!(form(&format!("{base}{text}")).ok(), want, "{text}");
        }
    }
}
