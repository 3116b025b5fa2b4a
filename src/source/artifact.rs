//! An artifact whose one layer is a file: a bundle of rules in a registry.
//!
//! Turns a repository and a digest into the artifact's manifest (image-spec v1.1, manifest.md, "Guidelines for Artifact Usage"), the
//! file, and the Sigstore bundles that refer to it. Digest and descriptor are held against the bytes before anything is read of them.
//! There is no tag here: what a tag names changes.

use bytes::Bytes;

use super::{SourceError, SourceSettings, check_blob, discover, open};
use crate::{
    digest::ManifestDigest,
    image::{Checked, Descriptor, FormatError, Manifest},
    limits::Limits,
    reference::PinnedReference,
};

/// What an artifact may hold.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// Media types that its file may have.
    pub media_types: &'static [&'static str],
    /// Bytes of the file.
    pub max_bytes: u64,
    /// Whether what signs it is wanted, too.
    pub is_signed: bool,
}

/// An artifact as a registry has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// The manifest.
    pub manifest: Bytes,
    /// The file.
    pub file: Bytes,
    /// Sigstore bundles whose subject is the manifest.
    pub signatures: Vec<Bytes>,
}

/// The manifest of an artifact, which hashes to its digest, and what it says of its one file.
///
/// # Errors
/// The bytes have another digest, or are no manifest of an artifact of this kind.
pub fn manifest(
    digest: &ManifestDigest,
    bytes: Bytes,
    kind: Kind,
    limits: &Limits,
) -> Result<(Checked<ManifestDigest>, Descriptor), FormatError> {
    let malformed = |why: String| FormatError::Malformed { what: "artifact", why };
    let document = Checked::new("manifest", digest.clone(), bytes)?;
    let Manifest { document, layers, .. } = Manifest::parse(document, None, limits)?;
    let count = layers.len();
    let Ok([file]) = <[Descriptor; 1]>::try_from(layers) else {
        let why = format!("it has {count} layers; a bundle is one layer, a .tar.gz");
        return Err(malformed(why));
    };
    if !kind.media_types.contains(&file.media_type.as_str()) {
        let known = kind.media_types.join(" or ");
        return Err(malformed(format!("its layer is {}; a bundle is {known}", file.media_type)));
    }
    if file.size > kind.max_bytes {
        let (found, limit) = (file.size, kind.max_bytes);
        return Err(malformed(format!("its layer has {found} bytes; at most {limit} are read")));
    }
    Ok((document, file))
}

/// The bytes of the file, if they are what the manifest says.
///
/// # Errors
/// They are others.
pub fn file(descriptor: &Descriptor, bytes: Bytes) -> Result<Bytes, FormatError> {
    check_blob(descriptor, bytes)
}

/// Fetches an artifact, with the Sigstore bundles that refer to it where they are wanted.
///
/// # Errors
/// It cannot be had, or is none of this kind.
pub async fn fetch(
    reference: &PinnedReference,
    kind: Kind,
    settings: &SourceSettings,
    limits: &Limits,
) -> Result<Artifact, SourceError> {
    let source = open(&reference.location, settings, limits).await?;
    let place = || reference.location.to_string();
    let stored = source.manifest(&reference.digest).await?;
    let bytes = stored.document.bytes;
    let of_format = |error| SourceError::Format { place: place(), error };
    let (_, descriptor) =
        manifest(&reference.digest, bytes.clone(), kind, limits).map_err(of_format)?;
    let most = usize::try_from(kind.max_bytes).unwrap_or(usize::MAX);
    let file = source.small_blob(&descriptor, most).await?;
    let signatures = match kind.is_signed {
        true => discover::bundles(&*source, &reference.digest, limits).await?,
        false => Vec::new(),
    };
    let signatures = signatures.into_iter().map(|(_, bytes)| bytes).collect();
    Ok(Artifact { manifest: bytes, file, signatures })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const KIND: Kind =
        Kind { media_types: &["application/x.tar+gzip"], max_bytes: 100, is_signed: false };

    fn described(media_type: &str, size: u64) -> Value {
        let digest = format!("sha256:{}", "0".repeat(64));
        json!({"mediaType": media_type, "digest": digest, "size": size})
    }

    fn read(layers: &[Value]) -> Result<u64, String> {
        let config = described("application/vnd.oci.empty.v1+json", 2);
        let document = json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "artifactType": "application/x", "config": config, "layers": layers,
        });
        let bytes = Bytes::from(document.to_string());
        let read = manifest(&ManifestDigest::of(&bytes), bytes, KIND, &Limits::default());
        read.map(|(_, file)| file.size).map_err(|error| error.to_string())
    }

    #[test]
    fn an_artifact_is_one_file_of_its_kind() {
        let good = "application/x.tar+gzip";
        assert_eq!(read(&[described(good, 100)]), Ok(100));
        for (layers, want) in [
            (vec![], "0 layers"),
            (vec![described(good, 1), described(good, 1)], "2 layers"),
            (vec![described("application/y", 1)], "a bundle is application/x.tar+gzip"),
            (vec![described(good, 101)], "101 bytes; at most 100"),
        ] {
            let why = read(&layers).unwrap_err();
            assert!(why.contains(want), "{want}: {why}");
        }
    }

    #[test]
    fn i16_bytes_of_another_digest_are_not_read() {
        let digest = ManifestDigest::of(b"one");
        let other = Bytes::from_static(b"{}");
        assert!(manifest(&digest, other, KIND, &Limits::default()).is_err());
    }
}
