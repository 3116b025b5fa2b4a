//! What an image says it contains, and whether that agrees with what it does contain.
//!
//! Turns SPDX 2.2/2.3 as JSON or tags and CycloneDX 1.2 to 1.6 JSON into one [`Sbom`], and that with an
//! [`Inventory`](crate::contents::Inventory) into a [`Reconciliation`]. A document that names nothing is an error, never
//! "0 components, all fine". Nothing here does I/O.
//!
//! Both formats are read by small wire structs of our own that hold only the fields which are judged, the same for every
//! version. The crates `spdx-rs` and `cyclonedx-bom` are the tests' second opinion and no more: the one refuses fields and
//! licence expressions that it does not know, the other speaks 1.3 to 1.5 alone, and two readers in one program could
//! read two component lists out of one document.

pub mod cyclonedx;
pub mod reconcile;
pub mod spdx;
mod tag_value;

use std::{collections::BTreeMap, sync::Arc};

use packageurl::PackageUrl;
use serde::{Deserialize, de::IgnoredAny};

use crate::{
    contents::Package,
    digest::{Digest, ManifestDigest},
    json::{self, Document, Raw},
    limits::Limits,
};

/// Reads an SBOM from the bytes of a file or blob.
///
/// # Errors
/// Says what the document is instead, or which part of it is malformed.
pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Sbom, SbomError> {
    if let Some(written) = tag_value::read(bytes, limits)? {
        let sbom = from_text(&written.to_string(), limits)?;
        return Ok(Sbom { document: Digest::sha256(bytes), ..sbom });
    }
    let document = json::check(bytes, limits.attestation())
        .map_err(|error| SbomError::UnknownFormat(error.to_string()))?;
    from_document(document, limits)
}

fn from_text(text: &str, limits: &Limits) -> Result<Sbom, SbomError> {
    let document = json::check(text.as_bytes(), limits.attestation())
        .map_err(|error| SbomError::UnknownFormat(error.to_string()))?;
    from_document(document, limits)
}

/// Reads an SBOM from the predicate of an in-toto statement.
///
/// The predicate is the document itself (SPDX and CycloneDX predicates of in-toto/attestation; BuildKit's SBOM protocol).
/// Off-spec: cosign before 2.0 wrapped it as `{"Data": ...}`, as text or as an object; its type `spdx` is the document as text.
///
/// # Errors
/// As [`parse`].
pub fn from_predicate(predicate: &Raw, limits: &Limits) -> Result<Sbom, SbomError> {
    #[derive(Deserialize)]
    struct Wrapper {
        #[serde(rename = "Data", default)]
        data: Option<Raw>,
    }
    if let Ok(text) = predicate.read::<String>() {
        return parse(text.as_bytes(), limits);
    }
    let wrapper = predicate.document().read::<Wrapper>();
    match wrapper.map_err(|_| no_object())?.data {
        Some(data) => match data.read::<String>() {
            Ok(text) => parse(text.as_bytes(), limits),
            Err(_) => from_document(data.document(), limits),
        },
        None => from_document(predicate.document(), limits),
    }
}

fn no_object() -> SbomError {
    SbomError::UnknownFormat("the document is no JSON object".to_owned())
}

/// The members by which a format is known; the rest is read by the format's own structs, so that of a large document only
/// what is judged takes memory.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Face {
    #[serde(default)]
    spdx_version: Option<Raw>,
    #[serde(default)]
    bom_format: Option<Raw>,
    #[serde(default)]
    spec_version: Option<Raw>,
}

/// The text of a member; empty where it is none.
fn text(member: Option<&Raw>) -> String {
    member.and_then(|member| member.read().ok()).unwrap_or_default()
}

fn from_document(document: Document<'_>, limits: &Limits) -> Result<Sbom, SbomError> {
    let face: Face = document.read().map_err(|_| no_object())?;
    let mut sbom = if face.spdx_version.is_some() {
        spdx::read(document, &text(face.spdx_version.as_ref()), limits)?
    } else if face.bom_format.is_some() {
        let spec = text(face.spec_version.as_ref());
        cyclonedx::read(document, &text(face.bom_format.as_ref()), spec, limits)?
    } else {
        let keys: BTreeMap<String, IgnoredAny> = document.read().map_err(|_| no_object())?;
        let keys: Vec<_> = keys.keys().take(8).map(String::as_str).collect();
        return Err(SbomError::UnknownFormat(format!(
            "there is neither spdxVersion nor bomFormat; the first keys are {}",
            keys.join(", ")
        )));
    };
    sbom.components.sort();
    sbom.components.dedup();
    sbom.names_image.sort();
    sbom.names_image.dedup();
    Ok(sbom)
}

/// Whether a file of the image is where images keep their SBOM.
pub fn is_document_path(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    let folders =
        ["/usr/share/sbom/", "/usr/local/share/sbom/", "/usr/share/doc/sbom/", "/var/lib/db/sbom/"];
    let in_folder = folders.iter().any(|f| path.starts_with(f)) && name.ends_with(".json");
    in_folder || [".spdx.json", ".cdx.json"].iter().any(|end| name.ends_with(end))
}

/// A bill of materials, whatever its format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sbom {
    /// Which format and version, as `SPDX-2.3` or `CycloneDX-1.5`.
    pub format: String,
    /// Name of the document or of its main component.
    pub name: Option<String>,
    /// Creation time as written.
    pub created: Option<String>,
    /// Tools that made it.
    pub tools: Vec<String>,
    /// What it lists, sorted, without the entry that stands for the image itself.
    pub components: Vec<Component>,
    /// Digests by which the document itself names the image, where it does.
    pub names_image: Vec<Digest>,
    /// Digest of the document's bytes; of a predicate, those of its text in the statement.
    pub document: Digest,
}

impl Component {
    /// A component; the ecosystem is the purl's type, where the purl can be read.
    fn new(purl: Option<String>, name: String, version: Option<String>) -> Self {
        let ecosystem = purl.as_deref().and_then(purl_type);
        Self { purl, ecosystem, name, version }
    }

    /// Whether its purl names a container image.
    fn is_image(&self) -> bool {
        matches!(self.ecosystem.as_deref(), Some("oci" | "docker"))
    }

    /// Digests that its version or its purl's version spell.
    fn digests(&self) -> impl Iterator<Item = Digest> {
        let purl = self.purl.as_deref().and_then(|p| p.parse::<PackageUrl>().ok());
        let versions = [self.version.clone(), purl.and_then(|p| p.version().map(str::to_owned))];
        versions.into_iter().flatten().filter_map(|version| version.parse().ok())
    }
}

fn purl_type(purl: &str) -> Option<String> {
    purl.parse::<PackageUrl>().ok().map(|purl| purl.ty().to_owned())
}

/// A checksum as both formats write it, where it is of an algorithm that proves content.
fn checksum(algorithm: &str, hex: &str) -> Option<Digest> {
    let name = match algorithm {
        "SHA256" | "SHA-256" => "sha256",
        "SHA512" | "SHA-512" => "sha512",
        _ => return None,
    };
    format!("{name}:{}", hex.to_ascii_lowercase()).parse().ok()
}

/// Something that an SBOM lists.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Component {
    /// Package URL, where one is given.
    pub purl: Option<String>,
    /// Ecosystem from the purl's type: `deb`, `apk`, `cargo` …
    pub ecosystem: Option<String>,
    /// Name.
    pub name: String,
    /// Version as written.
    pub version: Option<String>,
}

/// How an SBOM and an inventory agree.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reconciliation {
    /// Digest of the SBOM document.
    pub sbom: Option<Digest>,
    /// Packages in both, with equal versions.
    pub matched: usize,
    /// In the image and not in the SBOM.
    pub missing: Vec<Package>,
    /// In the SBOM, of an ecosystem whose database was read, and not in the image.
    pub ghosts: Vec<Component>,
    /// In both, with different versions.
    pub versions: Vec<VersionMismatch>,
    /// Components of ecosystems that no database here speaks about: neither confirmed nor denied.
    pub unchecked: usize,
}

/// A package whose version differs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct VersionMismatch {
    /// What is in the image.
    pub installed: Package,
    /// What the SBOM says.
    pub claimed: String,
}

impl Reconciliation {
    /// Whether nothing is missing, extra or different.
    pub fn agrees(&self) -> bool {
        self.missing.is_empty() && self.ghosts.is_empty() && self.versions.is_empty()
    }
}

/// Why a document is no SBOM that can be judged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SbomError {
    /// Neither SPDX nor CycloneDX JSON.
    #[error("the document is neither SPDX 2.2/2.3 JSON nor CycloneDX JSON: {0}")]
    UnknownFormat(String),
    /// A version that is not read.
    #[error("{format} version {version:?} is not supported")]
    Version {
        /// `SPDX` or `CycloneDX`.
        format: &'static str,
        /// As written.
        version: String,
    },
    /// Not of the form that its version asks for.
    #[error("the {format} document is malformed: {why}")]
    Malformed {
        /// `SPDX` or `CycloneDX`.
        format: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// It lists nothing.
    #[error("the {format} document lists no component")]
    Empty {
        /// `SPDX` or `CycloneDX`.
        format: &'static str,
    },
    /// More components than are read.
    #[error("the document lists {found} components, {} is {limit}", crate::limits::key("packages"))]
    TooMany {
        /// How many it lists.
        found: usize,
        /// How many are read.
        limit: usize,
    },
}

/// An SBOM and the digest that its carrier or statement binds it to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoundSbom {
    /// The document.
    pub sbom: Arc<Sbom>,
    /// The image that it was attached to.
    pub subject: ManifestDigest,
}

#[cfg(test)]
mod tests;
