//! cosign's simple signing, as cosign 1 and 2 store plain signatures under the tag `sha256-<hex>.sig`.
//!
//! Turns a layer, whose bytes are the payload and whose annotation holds the signature (cosign,
//! specs/SIGNATURE_SPEC.md), into [`Signed`] with a statement of the type that cosign 3 writes for the same purpose:
//! the subject is `critical.image.docker-manifest-digest`, the predicate is the whole payload. Unknown members of
//! `critical` are refused, as containers-signature(5) asks.
//!
//! `critical.type` has to be cosign's. The older `atomic container signature` belongs to the OpenPGP signatures of
//! containers/image, which no key here can have made; taking it would let one key's signatures stand in two systems.
//! `critical.identity.docker-reference` stays in the predicate for policies and for a remark in the report; it binds
//! nothing: mirrors are honest, and the digest is what is signed.

use serde::Deserialize;

use super::{
    AttestError, Content, Envelope, Raw, Signature, Signed, Statement, StatementSubject, checked,
    read_checked, shown, statement::SIGNATURE, verification_material,
};
use crate::{digest::Digest, json, limits::Limits};

/// Name of the format in reports.
pub const FORMAT: &str = "cosign-simple-signing";
/// Annotation that holds the signature in base64.
pub const SIGNATURE_ANNOTATION: &str = "dev.cosignproject.cosign/signature";
/// What `critical.type` says.
const TYPE: &str = "cosign container image signature";
const WHAT: &str = "simple signing payload";

#[derive(Deserialize)]
struct Wire {
    critical: Critical,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Critical {
    #[serde(rename = "identity")]
    _identity: Identity,
    image: Image,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Identity {
    #[serde(rename = "docker-reference")]
    _docker_reference: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Image {
    #[serde(rename = "docker-manifest-digest")]
    docker_manifest_digest: String,
}

/// Opens a layer of a cosign signature manifest.
pub(super) fn open(raw: &Raw, limits: &Limits) -> Result<Envelope, AttestError> {
    Ok(Envelope::Signed(Box::new(Signed {
        format: FORMAT,
        statement: statement(&raw.bytes, limits)?,
        message: raw.bytes.to_vec(),
        signatures: vec![signature(raw)?],
        payload: Digest::sha256(&raw.bytes),
        content: Content::Payload,
        material: verification_material::of_annotations(&raw.annotations, limits)?,
        stated_digest: None,
    })))
}

fn signature(raw: &Raw) -> Result<Signature, AttestError> {
    let text = raw.annotations.get(SIGNATURE_ANNOTATION).filter(|text| !text.is_empty());
    let text = text.ok_or(AttestError::Missing { what: SIGNATURE_ANNOTATION })?;
    let bytes = verification_material::base64(SIGNATURE_ANNOTATION, text)?;
    Ok(Signature { bytes, key_hint: None })
}

fn statement(payload: &[u8], limits: &Limits) -> Result<Statement, AttestError> {
    let document = checked(WHAT, payload, limits)?;
    let Wire { critical } = read_checked(WHAT, document)?;
    if critical.kind != TYPE {
        return Err(AttestError::Unexpected {
            what: "critical.type of the simple signing payload",
            found: shown(&critical.kind),
            expected: TYPE,
        });
    }
    let digest = critical.image.docker_manifest_digest.parse().map_err(|error| {
        AttestError::Digest { what: "docker-manifest-digest of the simple signing payload", error }
    })?;
    Ok(Statement {
        subjects: vec![StatementSubject {
            name: None,
            digests: vec![digest],
            weak: Default::default(),
        }],
        predicate_type: SIGNATURE.to_owned(),
        predicate: read_checked::<json::Raw>(WHAT, document)?.within(limits.json_values),
    })
}
