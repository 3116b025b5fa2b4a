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
#[expect(clippy::large_enum_variant, reason = "there is one at a time, and it is matched at once")]
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
        let mut map =
            wire::object(WHAT, bytes, limits.json(limits.manifest_bytes), "manifest_bytes")?;
        let media_type = kind(&map, stated)?;
        if let Some(list) = map.get_mut("manifests").filter(|_| media_type.is_index())
            && list.is_null()
        {
            // Go writes an empty list so; for every reader it lists nothing.
            *list = Value::Array(Vec::new());
        }
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
    let stated = stated.filter(|s| own.is_none() || !s.is_vague());
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

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const DIGEST: &str = "sha256:5b0bcabd1ed22e9fb1310cf6c2dec7cdef19f0ad69efa1f392e94a4333501270";

    fn read(value: &Value, stated: Option<&str>, limits: &Limits) -> Result<Document, FormatError> {
        let bytes = Bytes::from(value.to_string());
        let document = Checked::new(WHAT, ManifestDigest::of(&bytes), bytes).unwrap();
        Document::parse(document, stated.map(MediaType::new).as_ref(), limits)
    }

    fn descriptor(media_type: &str) -> Value {
        json!({"mediaType": media_type, "digest": DIGEST, "size": 7682})
    }

    fn image() -> Value {
        json!({
            "schemaVersion": 2,
            "mediaType": MediaType::OCI_MANIFEST,
            "config": descriptor(MediaType::OCI_CONFIG),
            "layers": [descriptor(MediaType::OCI_LAYER)],
        })
    }

    fn list() -> Value {
        json!({
            "schemaVersion": 2,
            "mediaType": MediaType::OCI_INDEX,
            "manifests": [descriptor(MediaType::OCI_MANIFEST)],
        })
    }

    /// `value` with the JSON at `pointer` replaced, or its key added.
    fn with(mut value: Value, pointer: &str, new: Value) -> Value {
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        match value.pointer_mut(parent).unwrap() {
            Value::Array(list) => list[key.parse::<usize>().unwrap()] = new,
            other => other[key] = new,
        }
        value
    }

    #[test]
    fn reads_both_kinds_under_both_names() {
        let limits = Limits::default();
        let cases = [
            (image(), None, false),
            (image(), Some(MediaType::OCI_MANIFEST), false),
            (image(), Some("application/json"), false),
            (with(image(), "/mediaType", Value::Null), Some(MediaType::DOCKER_MANIFEST), false),
            (with(image(), "/mediaType", Value::Null), None, false),
            (with(image(), "/mediaType", json!(MediaType::DOCKER_MANIFEST)), None, false),
            (list(), None, true),
            (list(), Some("application/vnd.oci.image.index.v1+json; charset=utf-8"), true),
            (with(list(), "/mediaType", json!(MediaType::DOCKER_INDEX)), None, true),
            (
                with(list(), "/manifests/0/platform", json!({"os": "", "architecture": ""})),
                None,
                true,
            ),
            (with(list(), "/config", Value::Null), None, true),
            // How registries in Go write a list of referrers that is empty.
            (with(list(), "/manifests", Value::Null), None, true),
        ];
        for (value, stated, is_index) in cases {
            let document = read(&value, stated, &limits).unwrap_or_else(|e| panic!("{value}: {e}"));
            assert_eq!(matches!(document, Document::Index(_)), is_index, "{value}");
        }
    }

    #[test]
    fn refuses_what_two_programs_read_differently() {
        let limits = Limits::default();
        let gone = |mut value: Value, key: &str| {
            value.as_object_mut().unwrap().remove(key);
            value
        };
        let cases = [
            (with(image(), "/manifests", json!([])), None, "at once"),
            (with(list(), "/layers", json!([])), None, "at once"),
            (with(list(), "/config", descriptor(MediaType::OCI_CONFIG)), None, "at once"),
            (image(), Some(MediaType::OCI_INDEX), "was sent as"),
            (image(), Some(MediaType::DOCKER_MANIFEST), "was sent as"),
            (with(image(), "/mediaType", json!(MediaType::OCI_INDEX)), None, "do not belong"),
            (with(list(), "/mediaType", json!(MediaType::OCI_MANIFEST)), None, "do not belong"),
            (with(image(), "/mediaType", json!(7)), None, "not a string"),
            (with(image(), "/mediaType", json!("text/html")), None, "cannot judge"),
            (
                gone(image(), "mediaType"),
                Some("application/vnd.docker.distribution.manifest.v1+prettyjws"),
                "cannot judge",
            ),
            (with(image(), "/schemaVersion", json!(1)), None, "schemaVersion is 1"),
            (gone(image(), "schemaVersion"), None, "schemaVersion"),
            (gone(image(), "config"), None, "no config"),
            (gone(list(), "manifests"), None, "no list of manifests"),
            (with(image(), "/Layers", json!([])), None, "in some programs"),
            (with(image(), "/layer\u{17f}", json!([])), None, "in some programs"),
            (with(image(), "/layers/0/Digest", json!(DIGEST)), None, "in some programs"),
            (with(image(), "/layers/0/size", json!(-1)), None, "expected u64"),
            (with(image(), "/layers/0/size", json!(u64::MAX)), None, "64-bit signed"),
            (with(image(), "/layers/0/size", json!("7682")), None, "expected u64"),
            (with(image(), "/config/digest", json!("sha256:00")), None, "hex digits"),
            (with(image(), "/config/digest", json!("md5:00")), None, "not accepted"),
            (with(image(), "/config/mediaType", json!("config")), None, "media type"),
            (with(image(), "/config/data", json!("e30=")), None, "2 bytes"),
            (with(image(), "/config/data", json!("?")), None, "base64"),
            (with(list(), "/manifests/0/platform", json!({"os": "linux"})), None, "architecture"),
            (
                with(list(), "/manifests/0/platform", json!({"os": "a/b", "architecture": "c"})),
                None,
                "no word of a platform",
            ),
            (
                with(list(), "/manifests/0/platform", json!({"os": "", "architecture": "amd64"})),
                None,
                "no os",
            ),
        ];
        for (value, stated, want) in cases {
            let error = read(&value, stated, &limits).expect_err(&value.to_string()).to_string();
            assert!(error.contains(want), "{value}: {error}");
        }
    }

    #[test]
    fn inline_data_must_be_the_content() {
        let limits = Limits::default();
        let empty = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
        let config = |digest: &str| json!({"mediaType": MediaType::OCI_EMPTY, "digest": digest, "size": 2, "data": "e30="});
        assert!(read(&with(image(), "/config", config(empty)), None, &limits).is_ok());
        let error = read(&with(image(), "/config", config(DIGEST)), None, &limits).unwrap_err();
        assert!(error.to_string().contains("does not hash"), "{error}");
    }

    #[test]
    fn limits_hold_at_n_and_n_plus_one() {
        let layers =
            |n: usize| with(image(), "/layers", vec![descriptor(MediaType::OCI_LAYER); n].into());
        let entries = |n: usize| {
            with(list(), "/manifests", vec![descriptor(MediaType::OCI_MANIFEST); n].into())
        };
        let limits = Limits { layers: 3, index_manifests: 3, ..Limits::default() };
        for (good, bad, name) in
            [(layers(3), layers(4), "layers"), (entries(3), entries(4), "index_manifests")]
        {
            assert!(read(&good, None, &limits).is_ok(), "{name}");
            let error = read(&bad, None, &limits).unwrap_err();
            assert!(
                matches!(error, FormatError::Limit { found: 4, limit: 3, limit_name, .. } if limit_name == name),
                "{error}"
            );
        }
        let length = image().to_string().len();
        let at = |manifest_bytes| Limits { manifest_bytes, ..Limits::default() };
        assert!(read(&image(), None, &at(length)).is_ok());
        assert!(matches!(read(&image(), None, &at(length - 1)), Err(FormatError::Limit { .. })));
    }

    #[test]
    fn only_tar_layers_run() {
        let limits = Limits::default();
        let layer = |kind: &str| with(image(), "/layers/0", descriptor(kind));
        let cases = [
            (
                layer("application/vnd.oci.image.layer.v1.tar+zstd"),
                Ok(Some(crate::image::Compression::Zstd)),
            ),
            (
                layer("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"),
                Err("foreign layer"),
            ),
            (
                layer("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"),
                Err("foreign layer"),
            ),
            (layer("application/vnd.in-toto+json"), Err("cannot judge")),
            (with(image(), "/config", descriptor(MediaType::OCI_EMPTY)), Err("cannot judge")),
            (with(image(), "/layers", json!([])), Err("no layers")),
        ];
        for (value, want) in cases {
            let Document::Manifest(manifest) = read(&value, None, &limits).unwrap() else {
                panic!("{value}")
            };
            match (manifest.image_layers(), want) {
                (Ok(layers), Ok(how)) => assert_eq!(layers.first().map(|l| l.1), how),
                (Err(error), Err(want)) => assert!(error.to_string().contains(want), "{error}"),
                (other, _) => panic!("{value}: {other:?}"),
            }
        }
    }

    proptest! {
        #[test]
        fn never_panics(bytes: Vec<u8>, stated in proptest::option::of(".{0,40}")) {
            let bytes = Bytes::from(bytes);
            let document = Checked::new(WHAT, ManifestDigest::of(&bytes), bytes).unwrap();
            let stated = stated.as_deref().map(MediaType::new);
            let _ = Document::parse(document, stated.as_ref(), &Limits::default());
        }

        #[test]
        fn reads_back_what_was_written(size in 0..=i64::MAX, note in "\\PC{0,20}", variant in "[a-z0-9]{1,8}") {
            let entry = json!({
                "mediaType": MediaType::OCI_MANIFEST, "digest": DIGEST, "size": size,
                "annotations": {"note": note}, "platform": {"os": "linux", "architecture": "arm", "variant": variant},
            });
            let value = with(list(), "/manifests", json!([entry]));
            let Ok(Document::Index(index)) = read(&value, None, &Limits::default()) else {
                return Err(TestCaseError::fail("not read"));
            };
            let found = &index.manifests[0];
            prop_assert_eq!(found.size, size as u64);
            prop_assert_eq!(found.digest.to_string(), DIGEST);
            prop_assert_eq!(found.annotations.get("note"), Some(&note));
            let platform = found.platform.as_ref().and_then(|p| p.variant.clone());
            let written = crate::image::Platform::new("linux", "arm", Some(&variant));
            prop_assert_eq!(platform, written.variant);
        }
    }
}
