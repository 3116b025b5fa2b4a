//! Attestations and signatures as found: untrusted bytes, the place where they were found, and what they say.
//!
//! Turns bytes into [`Envelope`]s and [`Statement`]s (in-toto attestation framework v1, DSSE v1, Sigstore bundle 0.1 to
//! 0.3, cosign simple signing). Says nothing about truth: `trust` alone makes a statement [`Verified`].
//!
//! [`Verified`]: crate::trust::Verified

pub mod bundle;
pub mod cosign;
pub mod dsse;
pub mod provenance;
pub mod statement;

use std::{collections::BTreeMap, fmt};

use bytes::Bytes;

pub use statement::{Statement, StatementSubject};

use crate::{
    digest::{Digest, ManifestDigest},
    image::MediaType,
};

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
    Signed(Signed),
    /// A statement that nobody signed by itself.
    Bare(Statement),
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
}
