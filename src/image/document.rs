//! A manifest or an index, whichever the bytes are.
//!
//! Decides once what kind of document the bytes are, from the media type that the transport or descriptor stated and the
//! one in the document. Refuses documents where these disagree, and documents that have the fields of a manifest and of
//! an index at once, which one program runs as this image and another as that one (CVE-2021-41190; attack D2).

use serde_json::{Map, Value};

use super::{Checked, Descriptor, FormatError, Index, Manifest, MediaType, wire};
use crate::{digest::ManifestDigest, limits::Limits};

const WHAT: &str = "manifest";

/// Top-level keys of manifests and indexes.
const KEYS: &[&str] = &[
    "schemaVersion",
    "mediaType",
    "artifactType",
    "config",
    "layers",
    "manifests",
    "subject",
    "annotations",
];

/// A manifest or an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Document {
    /// A list of manifests.
    Index(Index),
    /// One image or artifact.
    Manifest(Manifest),
}

impl Document {
    /// Reads a manifest or index. `stated` is what the registry's `Content-Type` or the descriptor calls it.
    ///
    /// # Errors
    /// [`FormatError`] when the bytes are not exactly one of the two, when media types disagree or are unknown, or when
    /// a limit is exceeded.
    pub fn parse(
        document: Checked<ManifestDigest>,
        stated: Option<&MediaType>,
        limits: &Limits,
    ) -> Result<Self, FormatError> {
        let bytes = &document.bytes;
        let map = wire::object(WHAT, bytes, limits.manifest_bytes, "manifest_bytes")?;
        let media_type = kind(&map, stated)?;
        check_keys(&map)?;
        let wire: wire::WireDocument = wire::into(WHAT, Value::Object(map))?;
        if wire.schema_version != 2 {
            let why = format!("schemaVersion is {}, expected 2", wire.schema_version);
            return Err(wire::malformed(WHAT, why));
        }
        if media_type.is_index() {
            index(document, media_type, wire, limits).map(Self::Index)
        } else {
            manifest(document, media_type, wire, limits).map(Self::Manifest)
        }
    }
}

impl Index {
    /// Reads an index; see [`Document::parse`].
    ///
    /// # Errors
    /// As [`Document::parse`]; a manifest is refused.
    pub fn parse(
        document: Checked<ManifestDigest>,
        stated: Option<&MediaType>,
        limits: &Limits,
    ) -> Result<Self, FormatError> {
        match Document::parse(document, stated, limits)? {
            Document::Index(index) => Ok(index),
            Document::Manifest(other) => Err(unexpected("image index", &other.media_type)),
        }
    }
}

impl Manifest {
    /// Reads a manifest, of an image or of an artifact; see [`Document::parse`].
    ///
    /// # Errors
    /// As [`Document::parse`]; an index is refused.
    pub fn parse(
        document: Checked<ManifestDigest>,
        stated: Option<&MediaType>,
        limits: &Limits,
    ) -> Result<Self, FormatError> {
        match Document::parse(document, stated, limits)? {
            Document::Manifest(manifest) => Ok(manifest),
            Document::Index(other) => Err(unexpected("image manifest", &other.media_type)),
        }
    }
}

fn unexpected(what: &'static str, found: &MediaType) -> FormatError {
    FormatError::MediaType { what, found: found.to_string() }
}

/// What the document is: stated and own media type must agree, and both must fit its fields.
fn kind(map: &Map<String, Value>, stated: Option<&MediaType>) -> Result<MediaType, FormatError> {
    let own = own_media_type(map)?;
    let stated = stated.filter(|s| own.is_none() || !is_vague(s));
    if let (Some(stated), Some(own)) = (stated, &own)
        && stated != own
    {
        let why = format!("it was sent as {stated} and calls itself {own}");
        return Err(wire::malformed(WHAT, why));
    }
    let filled = |key: &str| map.get(key).is_some_and(|value| !value.is_null());
    let (lists, runs) = (filled("manifests"), filled("config") || filled("layers"));
    if lists && runs {
        return Err(wire::malformed(
            WHAT,
            "it has the fields of an index (manifests) and of an image manifest (config, layers) at once",
        ));
    }
    let media_type = own.or_else(|| stated.cloned()).unwrap_or_else(|| {
        MediaType::new(if lists { MediaType::OCI_INDEX } else { MediaType::OCI_MANIFEST })
    });
    if !media_type.is_index() && !media_type.is_manifest() {
        return Err(unexpected(WHAT, &media_type));
    }
    if media_type.is_index() && runs || media_type.is_manifest() && lists {
        let why = format!("its fields do not belong to its media type {media_type}");
        return Err(wire::malformed(WHAT, why));
    }
    Ok(media_type)
}

/// Content types with which simple file servers serve anything: they state nothing.
fn is_vague(stated: &MediaType) -> bool {
    ["application/json", "application/octet-stream", "text/plain"].contains(&stated.as_str())
}

fn own_media_type(map: &Map<String, Value>) -> Result<Option<MediaType>, FormatError> {
    match map.get("mediaType") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) => wire::media_type(WHAT, text).map(Some),
        Some(_) => Err(wire::malformed(WHAT, "mediaType is not a string")),
    }
}

fn check_keys(map: &Map<String, Value>) -> Result<(), FormatError> {
    wire::exact_map_keys(WHAT, map, KEYS)?;
    ["config", "layers", "manifests", "subject"]
        .iter()
        .try_for_each(|key| wire::exact_descriptor_keys(WHAT, map.get(*key)))
}

fn index(
    document: Checked<ManifestDigest>,
    media_type: MediaType,
    wire: wire::WireDocument,
    limits: &Limits,
) -> Result<Index, FormatError> {
    let manifests = wire
        .manifests
        .ok_or_else(|| wire::malformed("image index", "it has no list of manifests"))?;
    let limit = limits.index_manifests;
    wire::count("image index", manifests.len(), "manifests", limit, "index_manifests")?;
    if let Some(subject) = wire.subject {
        subject.check("subject of an image index")?;
    }
    Ok(Index {
        document,
        media_type,
        manifests: descriptors("entry of an image index", manifests)?,
        annotations: wire.annotations.unwrap_or_default(),
    })
}

fn manifest(
    document: Checked<ManifestDigest>,
    media_type: MediaType,
    wire: wire::WireDocument,
    limits: &Limits,
) -> Result<Manifest, FormatError> {
    let config =
        wire.config.ok_or_else(|| wire::malformed("image manifest", "it has no config"))?;
    let layers = wire.layers.unwrap_or_default();
    wire::count("image manifest", layers.len(), "layers", limits.layers, "layers")?;
    let subject = wire.subject.map(|s| s.check("subject of an image manifest")).transpose()?;
    Ok(Manifest {
        document,
        media_type,
        artifact_type: wire.artifact_type.filter(|text| !text.is_empty()),
        config: config.check("config of an image manifest")?,
        layers: descriptors("layer of an image manifest", layers)?,
        subject,
        annotations: wire.annotations.unwrap_or_default(),
    })
}

fn descriptors(
    what: &'static str,
    list: Vec<wire::WireDescriptor>,
) -> Result<Vec<Descriptor>, FormatError> {
    list.into_iter().map(|descriptor| descriptor.check(what)).collect()
}
