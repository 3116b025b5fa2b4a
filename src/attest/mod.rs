//! Attestations and signatures as found: untrusted bytes, the place where they were found, and what they say.
//!
//! [`open`] turns bytes into [`Envelope`]s and [`Statement`]s (in-toto attestation framework v1, DSSE v1, Sigstore bundle
//! 0.1 to 0.3, cosign simple signing). Says nothing about truth: `trust` alone makes a statement [`Verified`]. The media
//! type of the carrier chooses the parser, and only `application/vnd.in-toto+json` is looked into, because builders put
//! bare statements and envelopes under it. Refuses what two parsers could read differently. Certificates, log entries and
//! timestamps that come with a signature are read into [`VerificationMaterial`] and not believed; a bare key is never taken out of
//! the evidence (attack A3).
//!
//! [`Verified`]: crate::trust::Verified

pub mod approval;
pub mod blueprint;
pub mod bundle;
pub mod cloud_build;
pub mod cosign;
pub mod dsse;
mod envelope;
pub mod in_toto;
pub mod npm;
pub mod predicate;
pub mod provenance;
pub mod rebuilt;
pub mod statement;
pub mod verification_material;

use std::{collections::BTreeMap, fmt};

use bytes::Bytes;
use serde::{Deserialize, de::IgnoredAny};

pub use bundle::{Bundle, BundleContent, MessageDigest, MessageSignature};
pub use statement::{Statement, StatementSubject};
pub use verification_material::{Form, InclusionProof, LogEntry, VerificationMaterial};

use crate::{
    digest::{Digest, DigestError, ManifestDigest},
    finding::Code,
    image::MediaType,
    json::{self, JsonError},
    limits::Limits,
};

/// Name of the kind of signature that a short-lived certificate vouches for; [`Envelope::Unsupported`] carries it.
pub const KEYLESS: &str = "keyless";
/// Name of the signatures of the Notary Project (JWS and COSE).
pub const NOTARY: &str = "Notary Project signature";

/// Where a piece of evidence was found.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Carrier {
    /// An attestation manifest listed in the image's index, as BuildKit writes it.
    IndexAttestation {
        /// Digest of the attestation manifest.
        manifest: ManifestDigest,
        /// Digest of the index that lists it: a signature over the index covers it.
        index: ManifestDigest,
    },
    /// A manifest whose subject is the image (distribution-spec v1.1, "Listing Referrers").
    Referrer {
        /// Digest of the referring manifest.
        manifest: ManifestDigest,
        /// How it was listed.
        via: Listing,
    },
    /// A tag that cosign derives from the digest: `sha256-<hex>.sig`, `.att` or `.sbom`.
    CosignTag {
        /// The tag.
        tag: String,
        /// Digest of the manifest that the tag named.
        manifest: ManifestDigest,
    },
    /// A file in the image.
    File {
        /// Path from the root, with a leading slash.
        path: String,
        /// Layer that holds it, counted from 0.
        layer: usize,
    },
    /// A bundle in a file, which whoever asked named: as untrusted as if it were attached.
    Handed {
        /// The file, and the line where it has several.
        name: String,
    },
    /// An SBOM in a file that the operator named.
    Given {
        /// The file.
        name: String,
    },
    /// A label or annotation of the image: a hint, never proof.
    Label {
        /// Its key.
        key: String,
    },
}

/// How a referrer was listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Listing {
    /// The registry's referrers API.
    Api,
    /// The tag `sha256-<hex>` (distribution-spec v1.1, "Referrers Tag Schema").
    Tag,
    /// A layout's own index.
    Layout,
}

impl Carrier {
    /// A stable word for policies and reports.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::IndexAttestation { .. } => "index-attestation",
            Self::Referrer { .. } => "referrer",
            Self::CosignTag { .. } => "cosign-tag",
            Self::File { .. } => "file",
            Self::Handed { .. } => "bundle-file",
            Self::Given { .. } => "sbom-file",
            Self::Label { .. } => "label",
        }
    }
}

impl fmt::Display for Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IndexAttestation { manifest, .. } => {
                write!(f, "attestation manifest {manifest} in the index")
            }
            Self::Referrer { manifest, via } => {
                let via = match via {
                    Listing::Api => "referrers API",
                    Listing::Tag => "referrers tag",
                    Listing::Layout => "layout",
                };
                write!(f, "referrer {manifest} ({via})")
            }
            Self::CosignTag { tag, .. } => write!(f, "cosign tag {tag}"),
            Self::File { path, layer } => write!(f, "file {path} in layer {layer}"),
            Self::Handed { name } => write!(f, "bundle {name}"),
            Self::Given { name } => write!(f, "file {name} of the operator"),
            Self::Label { key } => write!(f, "label {key}"),
        }
    }
}

/// Untrusted evidence: bytes and the carrier they were found in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raw {
    /// Where it was found.
    pub carrier: Carrier,
    /// What the carrier says that it is.
    pub media_type: MediaType,
    /// Its bytes, which hash to the carrier's descriptor.
    pub bytes: Bytes,
    /// Annotations of the descriptor: cosign keeps the signature there.
    pub annotations: BTreeMap<String, String>,
    /// The digest that the carrier attaches it to.
    pub attached_to: ManifestDigest,
}

/// A signature over bytes, with a hint at its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// The signature's bytes.
    pub bytes: Vec<u8>,
    /// What its maker says about the key; never used to find trust, only to explain.
    pub key_hint: Option<String>,
}

/// What [`Raw`] bytes turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Envelope {
    /// Signed bytes: DSSE (alone or in a bundle) or cosign simple signing.
    Signed(Box<Signed>),
    /// A signature over bytes that lie elsewhere: those of the manifest or index to which it is attached.
    Message(Box<MessageSignature>),
    /// A statement that nobody signed by itself.
    Bare(Statement),
    /// A classic in-toto layout or link.
    InToto(Box<in_toto::Document>),
    /// A document that is no statement, as cosign's `.sbom` tag carries it.
    Document,
    /// A kind that this version does not verify, with its name.
    Unsupported(String),
}

/// Signed bytes and what they say once they are believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// Which format it came in: `dsse`, `sigstore-bundle`, `cosign-simple-signing`.
    pub format: &'static str,
    /// Exactly the bytes that the signatures are over (DSSE: the PAE).
    pub message: Vec<u8>,
    /// The signatures, at least one.
    pub signatures: Vec<Signature>,
    /// What the message says, parsed from the very bytes that are verified.
    pub statement: Statement,
    /// Digest of the payload, by which reports name it.
    pub payload: Digest,
    /// How the message was packed: log entries are about that.
    pub content: Content,
    /// Certificates, log entries and timestamps beside the signature, as the carrier had them.
    pub material: Option<VerificationMaterial>,
    /// What a bundle says that the message's digest is.
    pub stated_digest: Option<MessageDigest>,
}

/// How signed bytes are packed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A DSSE envelope: the message is the PAE and ends with the payload.
    Envelope {
        /// Bytes of the payload, the last of the message.
        payload_bytes: usize,
        /// The whole document, which old log entries hash.
        document: Bytes,
    },
    /// The message is the payload.
    Payload,
}

impl Signed {
    /// The payload, which is the end of the message.
    pub fn payload_bytes(&self) -> &[u8] {
        match &self.content {
            Content::Payload => &self.message,
            Content::Envelope { payload_bytes, .. } => {
                let start = self.message.len().saturating_sub(*payload_bytes);
                self.message.get(start..).unwrap_or_default()
            }
        }
    }
}

/// Why evidence cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum AttestError {
    /// Not JSON, ambiguous JSON, or not of the expected form.
    #[error("{what} cannot be read: {error}")]
    Json {
        /// Which document.
        what: &'static str,
        /// What is wrong with it.
        error: JsonError,
    },
    /// A field that should hold base64 does not.
    #[error("{what} is not base64, neither of the standard nor of the URL alphabet")]
    Base64 {
        /// Which field.
        what: &'static str,
    },
    /// A field has a value that is not one of those that are read.
    #[error("{what} is {found:?}; expected {expected}")]
    Unexpected {
        /// Which field.
        what: &'static str,
        /// Its value, cut to a printable length.
        found: String,
        /// What belongs there.
        expected: &'static str,
    },
    /// Something that has to be there is not.
    #[error("{what} is missing")]
    Missing {
        /// What.
        what: &'static str,
    },
    /// Several things where only one can be meant.
    #[error("{what} is ambiguous: {found} of them, expected exactly one")]
    Ambiguous {
        /// What.
        what: &'static str,
        /// How many there are.
        found: usize,
    },
    /// A digest of an accepted algorithm is misspelt.
    #[error("{what}: {error}")]
    Digest {
        /// Which digest.
        what: &'static str,
        /// What is wrong with it.
        error: DigestError,
    },
    /// A subject that no verification would take for content, in a statement that is to be signed.
    #[error(
        "subject[{position}]{}: {why}; a verification matches sha256 or sha512 in lower-case digits",
        named(name)
    )]
    Subject {
        /// Which one.
        position: usize,
        /// Its name, where it has one.
        name: Option<String>,
        /// What is wrong with it.
        why: String,
    },
    /// A list of subjects that is empty, as BuildKit writes it for an output without a name.
    #[error("the statement names no subject: it says nothing about this image, or any other")]
    NoSubject,
    /// No subject has a digest that binds anything (attack B4).
    #[error("no subject has a sha256 or sha512 digest; found only: {found}")]
    WeakSubjects {
        /// The algorithms that are there.
        found: String,
    },
    /// Larger or more numerous than hallmark reads.
    #[error("{what} has {found} {unit}, {} is {limit}", crate::limits::key(.limit_name))]
    Limit {
        /// Which document.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// Of what.
        unit: &'static str,
        /// How many are read.
        limit: usize,
        /// The name of the limit in `hallmark.yaml`.
        limit_name: &'static str,
    },
}

impl AttestError {
    /// The finding that it is when a signature or envelope cannot be read.
    pub fn code(&self) -> Code {
        match self {
            Self::Limit { .. } => Code::LimitExceeded,
            Self::NoSubject => Code::PredicateNoSubject,
            _ => Code::SignatureMalformed,
        }
    }
}

/// Refuses more of something than a limit allows.
fn within(
    what: &'static str,
    found: usize,
    unit: &'static str,
    limit: usize,
    limit_name: &'static str,
) -> Result<(), AttestError> {
    if found > limit {
        return Err(AttestError::Limit { what, found, unit, limit, limit_name });
    }
    Ok(())
}

/// Reads what [`Raw`] evidence says.
///
/// # Errors
/// [`AttestError`] where the bytes are not what their media type promises. A kind that is known and not verified by
/// this version is no error but [`Envelope::Unsupported`].
pub fn open(raw: &Raw, limits: &Limits) -> Result<Vec<Envelope>, AttestError> {
    let name = raw.media_type.as_str();
    let envelope = match name {
        MediaType::DSSE => envelope::open(raw, limits)?,
        MediaType::SIMPLE_SIGNING => cosign::open(raw, limits)?,
        MediaType::IN_TOTO => in_toto_json(raw, limits)?,
        _ if name.starts_with(MediaType::SIGSTORE_BUNDLE) => bundle::open(raw, limits)?,
        _ if is_document(name) => Envelope::Document,
        "application/jose+json" | "application/cose" => Envelope::Unsupported(NOTARY.to_owned()),
        _ => Envelope::Unsupported(format!("media type {}", shown(name))),
    };
    Ok(vec![envelope])
}

/// A bare statement, an envelope or a metablock: one media type is used for all of them.
fn in_toto_json(raw: &Raw, limits: &Limits) -> Result<Envelope, AttestError> {
    #[derive(Deserialize)]
    struct Shape {
        #[serde(rename = "_type")]
        statement: Option<IgnoredAny>,
        #[serde(rename = "payloadType")]
        envelope: Option<IgnoredAny>,
        #[serde(rename = "signed")]
        metablock: Option<IgnoredAny>,
    }
    const WHAT: &str = "in-toto document";
    let document = checked(WHAT, &raw.bytes, limits)?;
    let shape: Shape = read_checked(WHAT, document)?;
    match (shape.statement, shape.envelope, shape.metablock) {
        (Some(_), None, None) => Ok(Envelope::Bare(Statement::of(document, limits)?)),
        (None, Some(_), None) => envelope::open_checked(document, raw, limits),
        (None, None, Some(_)) => {
            Ok(Envelope::InToto(Box::new(in_toto::Document::open(&raw.bytes, limits)?)))
        }
        (None, None, None) => Err(AttestError::Missing { what: "_type, payloadType or signed" }),
        _ => Err(AttestError::Ambiguous { what: WHAT, found: 2 }),
    }
}

/// Whether a media type is that of an SBOM which is no statement, as `cosign attach sbom` and ORAS store it.
fn is_document(media_type: &str) -> bool {
    let families =
        ["application/spdx", "text/spdx", "application/vnd.cyclonedx", "application/vnd.syft"];
    families.iter().any(|family| media_type.starts_with(family))
}

/// Reads one JSON object within the limit for attestations. An array is refused here because serde would take it for a
/// struct's fields in order, which no other parser does.
fn read_json<T: serde::de::DeserializeOwned>(
    what: &'static str,
    bytes: &[u8],
    limits: &Limits,
) -> Result<T, AttestError> {
    read_checked(what, checked(what, bytes, limits)?)
}

/// One JSON object within the limit for attestations, which is checked once however often it is read.
fn checked<'b>(
    what: &'static str,
    bytes: &'b [u8],
    limits: &Limits,
) -> Result<json::Document<'b>, AttestError> {
    no_array(what, bytes)?;
    let document = json::check(bytes, limits.attestation());
    document.map_err(|error| refused(what, error, "attestation_values"))
}

/// Reads what is [`checked`].
fn read_checked<'b, T: Deserialize<'b>>(
    what: &'static str,
    document: json::Document<'b>,
) -> Result<T, AttestError> {
    document.read().map_err(|error| refused(what, error, "attestation_values"))
}

/// As [`read_json`], into something that holds values.
fn read_value<T: serde::de::DeserializeOwned>(
    what: &'static str,
    bytes: &[u8],
    limits: &Limits,
) -> Result<T, AttestError> {
    no_array(what, bytes)?;
    let read = json::from_slice(bytes, limits.json(limits.attestation_bytes));
    read.map_err(|error| refused(what, error, "json_values"))
}

fn no_array(what: &'static str, bytes: &[u8]) -> Result<(), AttestError> {
    if bytes.trim_ascii_start().first() == Some(&b'[') {
        let (found, expected) = ("an array".to_owned(), "a JSON object");
        return Err(AttestError::Unexpected { what, found, expected });
    }
    Ok(())
}

fn refused(what: &'static str, error: JsonError, limit_name: &'static str) -> AttestError {
    match error {
        JsonError::TooLarge { found, limit, .. } => AttestError::Limit {
            what,
            found,
            unit: "bytes",
            limit,
            limit_name: "attestation_bytes",
        },
        JsonError::TooMany { limit, .. } => {
            let found = limit.saturating_add(1);
            AttestError::Limit { what, found, unit: "values, or more", limit, limit_name }
        }
        error @ JsonError::Invalid(_) => AttestError::Json { what, error },
    }
}

/// The name of a subject in a message, behind its place.
fn named(name: &Option<String>) -> String {
    name.as_ref().map(|name| format!(" {name:?}")).unwrap_or_default()
}

/// Text from strangers, cut to what a message can hold; messages print it with its control characters escaped.
fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests;
