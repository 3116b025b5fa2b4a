//! What an image says it contains, and whether that agrees with what it does contain.
//!
//! Turns SPDX 2.2 and 2.3 (JSON, tags and values), SPDX 3.0 and 3.0.1 (JSON-LD as a flat graph) and CycloneDX 1.2 to 1.7
//! (JSON, XML) into one [`Sbom`], that and an image into a [`binding::Binding`], and that with an
//! [`Inventory`](crate::contents::Inventory) into a [`Reconciliation`]. RDF
//! and YAML are told to be unsupported, and a document that names nothing is an error, never "0 components, all fine".
//! Nothing here does I/O.
//!
//! Both formats are read by small wire structs of our own that hold only the fields which are judged, the same for every
//! version. The crates `spdx-rs` and `cyclonedx-bom` are the tests' second opinion and no more: the one refuses fields and
//! licence expressions that it does not know, the other speaks 1.3 to 1.5 alone, and two readers in one program could
//! read two component lists out of one document.

pub mod binding;
mod canonical;
mod cyclonedx;
pub mod diff;
mod encoding;
pub mod generate;
mod model;
mod names;
mod purl;
pub mod quality;
pub mod reconcile;
mod spdx;
mod spdx3;
mod tag_value;
mod wire;

use std::collections::BTreeMap;

use serde::de::IgnoredAny;

use crate::{
    contents::Package,
    digest::Digest,
    json::{self, Bounds, Document, Raw},
    limits::Limits,
};
pub use canonical::{canonical, pattern_forms};
pub use model::{
    About, BoundSbom, Completeness, Component, Element, Elements, ListedFile, Sbom, Scope, Stated,
};
pub use purl::name_and_version;

/// Reads an SBOM from the bytes of a file or blob.
///
/// # Errors
/// Says what the document is instead, or which part of it is malformed. A document that lists no component is none that an
/// image can be judged by.
pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Sbom, SbomError> {
    listing(read(bytes, limits)?)
}

/// The same, whether it lists a component or not.
///
/// # Errors
/// As [`parse`], of its form alone.
pub fn read(bytes: &[u8], limits: &Limits) -> Result<Sbom, SbomError> {
    let bounds = limits.sbom();
    if bytes.len() > bounds.bytes {
        return Err(SbomError::TooLarge { found: bytes.len(), limit: bounds.bytes });
    }
    let text = encoding::text(bytes)?;
    from_text(&text, Digest::sha256(bytes), bounds, limits)
}

fn listing(sbom: Sbom) -> Result<Sbom, SbomError> {
    if sbom.components.is_empty() {
        return Err(SbomError::Empty { format: sbom.format });
    }
    Ok(sbom)
}

fn from_text(
    text: &str,
    digest: Digest,
    bounds: Bounds,
    limits: &Limits,
) -> Result<Sbom, SbomError> {
    if let Some(written) = tag_value::read(text, limits)? {
        return spdx::from_wire(written, digest, limits).map(sorted);
    }
    if cyclonedx::xml::is_xml(text) {
        return from_xml(text, digest, bounds, limits);
    }
    if is_yaml(text) {
        return Err(SbomError::Unsupported("YAML"));
    }
    let (document, face) = json::check_finding(text.as_bytes(), bounds, FACE)
        .map_err(|error| SbomError::UnknownFormat(error.to_string()))?;
    from_document(document, face, digest, limits)
}

/// What XML says is read from the JSON that it becomes: places in that JSON mean nothing to who wrote the XML.
fn from_xml(
    text: &str,
    digest: Digest,
    bounds: Bounds,
    limits: &Limits,
) -> Result<Sbom, SbomError> {
    let cyclonedx::xml::Converted { json, version } = cyclonedx::xml::convert(text)?;
    let bounds = Bounds { bytes: json.len(), ..bounds };
    let document = json::check(json.as_bytes(), bounds)
        .map_err(|error| SbomError::UnknownFormat(error.to_string()))?;
    let written = cyclonedx::Written::Xml;
    let face = cyclonedx::Face { format: "CycloneDX", version, written };
    let read = cyclonedx::read(document, face, digest, limits);
    read.map(sorted).map_err(|error| match error {
        SbomError::Malformed { format, why } => {
            let why = why.rsplit_once(" at line ").map_or(why.as_str(), |(why, _)| why).to_owned();
            SbomError::Malformed { format, why }
        }
        other => other,
    })
}

/// Whether text is SPDX's YAML: its keys stand at the beginning of lines.
fn is_yaml(text: &str) -> bool {
    let keys = ["spdxVersion:", "SPDXID:", "creationInfo:", "bomFormat:", "---"];
    let first = text.trim_start();
    !first.starts_with(['{', '[', '"'])
        && text.lines().take(10_000).any(|line| keys.iter().any(|key| line.starts_with(key)))
}

/// Reads an SBOM from the predicate of an in-toto statement.
///
/// The predicate is the document itself (SPDX and CycloneDX predicates of in-toto/attestation; BuildKit's SBOM protocol).
/// Off-spec: cosign before 2.0 wrapped it as `{"Data": ...}`, as text or as an object; its type `spdx` is the document as text.
///
/// # Errors
/// As [`parse`].
pub fn from_predicate(predicate: &Raw, limits: &Limits) -> Result<Sbom, SbomError> {
    if let Some(text) = text_in(predicate.document()) {
        return parse(text.as_bytes(), limits);
    }
    let [spdx, bom, spec, context] = FACE;
    let (document, found) = rechecked(predicate.document(), ["Data", spdx, bom, spec, context])?;
    let [data, face @ ..] = found;
    let Some(data) = data else { return attested(document, face, limits) };
    if let Some(text) = text_in(data) {
        return parse(text.as_bytes(), limits);
    }
    let (document, face) = rechecked(data, FACE)?;
    attested(document, face, limits)
}

fn attested(document: Document<'_>, face: Face<'_>, limits: &Limits) -> Result<Sbom, SbomError> {
    listing(from_document(document, face, Digest::sha256(document.bytes()), limits)?)
}

/// What a text says, where the document is one.
fn text_in(document: Document<'_>) -> Option<String> {
    if document.bytes().starts_with(b"\"") { document.read().ok() } else { None }
}

/// A part of a document that was checked within its bounds, with members of it.
fn rechecked<'b, const N: usize>(
    part: Document<'b>,
    names: [&'static str; N],
) -> Result<(Document<'b>, [Option<Document<'b>>; N]), SbomError> {
    let bytes = part.bytes();
    let bounds = Bounds { bytes: bytes.len(), values: usize::MAX, values_limit: None };
    json::check_finding(bytes, bounds, names).map_err(|_| no_object())
}

fn no_object() -> SbomError {
    SbomError::UnknownFormat("the document is no JSON object".to_owned())
}

/// The members by which a format is known; the rest is read by the format's own structs, so that of a large document only
/// what is judged takes memory.
const FACE: [&str; 4] = ["spdxVersion", "bomFormat", "specVersion", "@context"];

/// What stands there.
type Face<'b> = [Option<Document<'b>>; FACE.len()];

/// The text of a member; empty where it is none.
fn text(member: Option<Document<'_>>) -> String {
    member.and_then(|member| member.read().ok()).unwrap_or_default()
}

/// CycloneDX's version. One that is no text is none, and is told as it is written.
fn version(member: Option<Document<'_>>) -> Result<String, SbomError> {
    let cut = |text: &str| text.chars().take(80).collect();
    let Some(member) = member else { return Ok(String::new()) };
    let written = String::from_utf8_lossy(member.bytes());
    let read: Result<String, _> = member.read();
    read.map(|text| cut(&text))
        .map_err(|_| SbomError::Version { format: "CycloneDX", version: cut(&written) })
}

fn from_document(
    document: Document<'_>,
    face: Face<'_>,
    digest: Digest,
    limits: &Limits,
) -> Result<Sbom, SbomError> {
    let [spdx_version, bom_format, spec_version, context] = face;
    let sbom = if spdx_version.is_some() {
        spdx::read(document, &text(spdx_version), digest, limits)?
    } else if bom_format.is_some() {
        let (format, version) = (text(bom_format), version(spec_version)?);
        let written = cyclonedx::Written::Json;
        let face = cyclonedx::Face { format: &format, version, written };
        cyclonedx::read(document, face, digest, limits)?
    } else if let Some(context) = context {
        spdx3::read(document, context, digest, limits)?
    } else {
        let keys: BTreeMap<String, IgnoredAny> = document.read().map_err(|_| no_object())?;
        let keys: Vec<_> = keys.keys().take(8).map(String::as_str).collect();
        return Err(SbomError::UnknownFormat(format!(
            "there is neither spdxVersion nor bomFormat nor @context; the first keys are {}",
            keys.join(", ")
        )));
    };
    Ok(sorted(sbom))
}

fn sorted(mut sbom: Sbom) -> Sbom {
    // Generators write them in some order, which a stable sort finds: it merges what is sorted already.
    sbom.components.sort();
    sbom.names_image.sort_unstable();
    sbom.names_image.dedup();
    sbom.files.sort_unstable();
    sbom.files.dedup();
    sbom
}

/// Whether a file of the image is where images keep their SBOM: folders of apko, Talos and others, Bitnami's hidden file beside
/// each component, the layers of buildpacks, and the names that the formats recommend.
pub fn is_document_path(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    let folders =
        ["/usr/share/sbom/", "/usr/local/share/sbom/", "/usr/share/doc/sbom/", "/var/lib/db/sbom/"];
    let in_folder = folders.iter().any(|f| path.starts_with(f)) && name.ends_with(".json");
    let bitnami = path.starts_with("/opt/bitnami/") && name.starts_with(".spdx-");
    let ends = [".spdx.json", ".cdx.json", ".cdx.xml", ".spdx"];
    in_folder
        || bitnami
        || ends.iter().any(|end| name.ends_with(end) && name.len() > end.len())
        || matches!(
            name,
            "bom.json"
                | "bom.xml"
                | "sbom.cdx.json"
                | "sbom.spdx.json"
                | ".spdx.json"
                | ".cdx.json"
        )
}

/// How an SBOM and an inventory agree.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reconciliation {
    /// Digest of the SBOM document.
    pub sbom: Option<Digest>,
    /// What part of the image the document is about.
    pub about: About,
    /// Packages in both, with equal versions.
    pub matched: usize,
    /// In the image and not in the SBOM, which speaks of its ecosystem.
    pub missing: Vec<Package>,
    /// In the SBOM, of an ecosystem that was read completely, and not in the image.
    pub ghosts: Vec<Component>,
    /// In both, with different versions.
    pub versions: Vec<VersionMismatch>,
    /// Files that have other bytes than it says, sorted.
    pub digests: Vec<DigestMismatch>,
    /// Files that have the bytes that it says.
    pub files: usize,
    /// Listed more than once, and no more than once in the image.
    pub duplicates: Vec<Component>,
    /// Components that need not be in the image: optional, for development, for the build, excluded.
    pub out_of_scope: usize,
    /// Components that nothing here speaks about: neither confirmed nor denied.
    pub unchecked: usize,
    /// Packages of ecosystems that the document does not speak of, by ecosystem.
    pub uncovered: BTreeMap<&'static str, usize>,
}

/// A package whose version differs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct VersionMismatch {
    /// What is in the image.
    pub installed: Package,
    /// What the SBOM says.
    pub claimed: String,
}

/// A file whose bytes differ.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DigestMismatch {
    /// Path, as the SBOM names it.
    pub path: String,
    /// The digest that the SBOM says.
    pub claimed: Digest,
    /// That of the file in the image.
    pub found: Digest,
}

impl Reconciliation {
    /// Whether something was confirmed, and nothing is missing, extra or different.
    pub fn agrees(&self) -> bool {
        self.matched > 0 && self.disagreements() == 0
    }

    /// How many packages are missing, extra or different, and files that differ.
    pub fn disagreements(&self) -> usize {
        self.missing.len() + self.ghosts.len() + self.versions.len() + self.digests.len()
    }

    /// Hundredths of what could be compared that agree, rounded down; `None` where nothing could.
    pub fn score(&self) -> Option<usize> {
        (self.matched * 100).checked_div(self.matched + self.disagreements())
    }
}

/// Why a document is no SBOM that can be judged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SbomError {
    /// Neither SPDX nor CycloneDX.
    #[error("the document is neither SPDX nor CycloneDX: {0}")]
    UnknownFormat(String),
    /// A serialization that is not read.
    #[error("SBOMs as {0} are not supported; write it as JSON")]
    Unsupported(&'static str),
    /// More bytes than are read.
    #[error("the document has {found} bytes, {} is {limit}", crate::limits::key("sbom_bytes"))]
    TooLarge {
        /// Its size in bytes.
        found: usize,
        /// How many are read.
        limit: usize,
    },
    /// More relations than are read.
    #[error(
        "the document has more than {limit} relationships ({})",
        crate::limits::key("sbom_relationships")
    )]
    Relationships {
        /// How many are read.
        limit: usize,
    },
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
        /// Format and version.
        format: String,
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

#[cfg(test)]
mod tests;
