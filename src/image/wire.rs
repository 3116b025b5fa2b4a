//! The JSON of image documents as it stands on the wire, and its way into domain types.
//!
//! Field names and optionality follow image-spec v1.1 (descriptor.md, manifest.md, image-index.md, config.md). Writers in
//! Go give `null` for empty lists and maps, so `null` counts as absent. Go's reader, which runtimes use, matches keys
//! without regard to case and ours does not: a key that differs from a known one only in case would be read by one of
//! them and not by the other, and is refused.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::{
    Descriptor, FormatError, MediaType, Platform,
    platform::{Stated, is_word},
};
use crate::{digest::Digest, json};

/// Longest media type part (RFC 6838, section 4.2), in bytes.
const MEDIA_TYPE_PART_BYTES: usize = 127;

/// Keys of a descriptor that mean something here.
const DESCRIPTOR_KEYS: &[&str] =
    &["mediaType", "digest", "size", "platform", "artifactType", "annotations", "data", "urls"];
const PLATFORM_KEYS: &[&str] = &["os", "architecture", "variant", "os.version", "os.features"];

/// A descriptor (image-spec v1.1, descriptor.md, "Properties"). `urls` are never followed; comparisons read them in the document.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireDescriptor {
    media_type: String,
    digest: String,
    size: u64,
    platform: Option<WirePlatform>,
    artifact_type: Option<String>,
    annotations: Option<BTreeMap<String, String>>,
    data: Option<String>,
}

/// A platform in an index (image-spec v1.1, image-index.md, "platform").
#[derive(Deserialize)]
pub(super) struct WirePlatform {
    architecture: String,
    os: String,
    variant: Option<String>,
    #[serde(rename = "os.version")]
    os_version: Option<String>,
    #[serde(rename = "os.features")]
    os_features: Option<Vec<String>>,
}

/// A manifest or an index: the fields of both, so that a document that is both is seen.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireDocument {
    pub(super) schema_version: u64,
    pub(super) artifact_type: Option<String>,
    pub(super) config: Option<WireDescriptor>,
    pub(super) layers: Option<Vec<WireDescriptor>>,
    pub(super) manifests: Option<Vec<WireDescriptor>>,
    pub(super) subject: Option<WireDescriptor>,
    pub(super) annotations: Option<BTreeMap<String, String>>,
}

/// An error about the form of `what`.
pub(super) fn malformed(what: &'static str, why: impl ToString) -> FormatError {
    FormatError::Malformed { what, why: why.to_string() }
}

/// Reads `bytes` as one JSON object, strictly.
pub(super) fn object(
    what: &'static str,
    bytes: &[u8],
    bounds: json::Bounds,
    limit_name: &'static str,
) -> Result<Map<String, Value>, FormatError> {
    match json::from_slice::<Value>(bytes, bounds) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => Err(malformed(what, "expected a JSON object")),
        Err(json::JsonError::TooLarge { found, limit, .. }) => Err(FormatError::Limit {
            what,
            found: found as u64,
            unit: "bytes",
            limit: limit as u64,
            limit_name,
        }),
        Err(json::JsonError::TooMany { limit, .. }) => {
            let (limit, limit_name) = (limit as u64, "json_values");
            let found = limit.saturating_add(1);
            Err(FormatError::Limit { what, found, unit: "values, or more", limit, limit_name })
        }
        Err(error) => Err(malformed(what, error)),
    }
}

/// Reads a value that [`object`] gave into wire types.
pub(super) fn into<T: DeserializeOwned>(
    what: &'static str,
    value: Value,
) -> Result<T, FormatError> {
    json::from_value(value).map_err(|error| malformed(what, error))
}

/// Refuses keys of `value` that a reader without regard to case takes for one of `known`.
pub(super) fn exact_keys(
    what: &'static str,
    value: Option<&Value>,
    known: &[&str],
) -> Result<(), FormatError> {
    let Some(Value::Object(map)) = value else { return Ok(()) };
    exact_map_keys(what, map, known)
}

/// As [`exact_keys`], for a map.
pub(super) fn exact_map_keys(
    what: &'static str,
    map: &Map<String, Value>,
    known: &[&str],
) -> Result<(), FormatError> {
    for key in map.keys() {
        if known.contains(&key.as_str()) {
            continue;
        }
        if let Some(alike) = known.iter().find(|k| folded(k) == folded(key)) {
            let why = format!("key {key:?} reads as {alike:?} in some programs and not in others");
            return Err(malformed(what, why));
        }
    }
    Ok(())
}

/// Upper and lower case made equal as Go's `encoding/json` does, which also takes U+017F for s and U+212A for k.
pub fn folded(key: &str) -> String {
    let fold = |c: char| match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        other => other.to_ascii_lowercase(),
    };
    key.chars().map(fold).collect()
}

/// Checks the keys of a descriptor, or of every descriptor in a list.
pub(super) fn exact_descriptor_keys(
    what: &'static str,
    value: Option<&Value>,
) -> Result<(), FormatError> {
    match value {
        Some(Value::Array(list)) => {
            list.iter().try_for_each(|one| exact_descriptor_keys(what, Some(one)))
        }
        Some(one @ Value::Object(map)) => {
            exact_keys(what, Some(one), DESCRIPTOR_KEYS)?;
            exact_keys(what, map.get("platform"), PLATFORM_KEYS)
        }
        _ => Ok(()),
    }
}

/// A descriptor by itself.
pub(super) fn descriptor(value: Value) -> Result<Descriptor, FormatError> {
    const WHAT: &str = "descriptor";
    into::<WireDescriptor>(WHAT, value)?.check(WHAT)
}

impl WireDescriptor {
    /// The descriptor in the words of this program.
    pub(super) fn check(self, what: &'static str) -> Result<Descriptor, FormatError> {
        let digest: Digest = self.digest.parse().map_err(|error| malformed(what, error))?;
        if let Some(data) = &self.data {
            check_data(what, data, &digest, self.size)?;
        }
        if i64::try_from(self.size).is_err() {
            return Err(malformed(what, format!("size {} is no 64-bit signed number", self.size)));
        }
        Ok(Descriptor {
            media_type: media_type(what, &self.media_type)?,
            digest: crate::digest::BlobDigest::new(digest),
            size: self.size,
            selective: self.platform.as_ref().is_some_and(WirePlatform::is_selective),
            platform: self.platform.map_or(Ok(None), |p| p.check(what))?,
            artifact_type: self.artifact_type.filter(|text| !text.is_empty()),
            annotations: self.annotations.unwrap_or_default(),
        })
    }
}

impl WirePlatform {
    fn is_selective(&self) -> bool {
        let named = self.os_version.as_ref().is_some_and(|version| !version.is_empty());
        named
            || self.os_features.as_ref().is_some_and(|features| !features.is_empty())
            || self.is_written_otherwise()
    }

    fn is_written_otherwise(&self) -> bool {
        let variant = self.variant.as_deref().filter(|variant| !variant.is_empty());
        let normal = Platform::new(&self.os, &self.architecture, variant);
        // Both forms are known to all of these.
        let usual = matches!((&*self.architecture, variant), ("arm64", Some("v8")) | ("arm", None));
        let same = normal.os == self.os
            && normal.architecture == self.architecture
            && normal.variant.as_deref() == variant;
        !same && !usual
    }

    /// The platform; `None` where it is written and says nothing, as some builders do for artifacts.
    fn check(self, what: &'static str) -> Result<Option<Platform>, FormatError> {
        let stated = stated(what, Some(self.os), Some(self.architecture), self.variant)?;
        match (&stated.os, &stated.architecture) {
            (None, None) => Ok(None),
            // A runtime fills in its own operating system.
            (None, Some(_)) => Err(malformed(what, "its platform has no os")),
            (Some(_), None) => Err(malformed(what, "its platform has no architecture")),
            (Some(os), Some(architecture)) => {
                Ok(Some(Platform::new(os, architecture, stated.variant.as_deref())))
            }
        }
    }
}

/// What is said about a platform; an empty text says nothing.
pub(super) fn stated(
    what: &'static str,
    os: Option<String>,
    architecture: Option<String>,
    variant: Option<String>,
) -> Result<Stated, FormatError> {
    let word = |name: &str, text: Option<String>| match text.filter(|text| !text.is_empty()) {
        Some(text) if !is_word(&text) => {
            let text: String = text.chars().take(80).collect();
            Err(malformed(what, format!("{name} {text:?} is no word of a platform")))
        }
        text => Ok(text),
    };
    Ok(Stated {
        os: word("os", os)?,
        architecture: word("architecture", architecture)?,
        variant: word("variant", variant)?,
    })
}

/// Inline content must be the content (descriptor.md, "Embedded Content").
fn check_data(
    what: &'static str,
    data: &str,
    digest: &Digest,
    size: u64,
) -> Result<(), FormatError> {
    let bytes = STANDARD
        .decode(data)
        .map_err(|error| malformed(what, format_args!("inline data is not base64: {error}")))?;
    if bytes.len() as u64 != size {
        return Err(FormatError::Size { what, expected: size, found: bytes.len() as u64 });
    }
    if !digest.matches(&bytes) {
        return Err(malformed(what, format_args!("inline data does not hash to {digest}")));
    }
    Ok(())
}

/// A media type by the grammar of RFC 6838, section 4.2; parameters are left to [`MediaType::new`].
pub(super) fn media_type(what: &'static str, text: &str) -> Result<MediaType, FormatError> {
    let name = text.split(';').next().unwrap_or_default().trim();
    let word = |part: &str| {
        part.len() <= MEDIA_TYPE_PART_BYTES
            && part.starts_with(|c: char| c.is_ascii_alphanumeric())
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&b))
    };
    match name.split_once('/') {
        Some((kind, rest)) if word(kind) && word(rest) => Ok(MediaType::new(text)),
        _ => Err(FormatError::MediaType { what, found: text.chars().take(200).collect() }),
    }
}

/// Refuses a list that is longer than its limit.
pub(super) fn count(
    what: &'static str,
    found: usize,
    unit: &'static str,
    limit: usize,
    limit_name: &'static str,
) -> Result<(), FormatError> {
    if found > limit {
        let (found, limit) = (found as u64, limit as u64);
        return Err(FormatError::Limit { what, found, unit, limit, limit_name });
    }
    Ok(())
}
