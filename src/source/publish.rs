//! A document beside an image: a signature or attestation as a referrer.
//!
//! Turns an [`Attachment`] into a manifest whose subject is the image (image-spec v1.1, manifest.md, "Guidelines for
//! Artifact Usage"), as cosign 3 writes it, and stores it: blobs, then the manifest under its digest. A registry that does
//! not answer with `OCI-Subject` does not list it, so it is also put into the index under the tag `sha256-<hex>`
//! (distribution-spec v1.1, "Referrers Tag Schema"): read, one entry added, written back on the condition that
//! nobody changed it, and read once more, because many registries do not know conditions. That tag is the only one
//! that is ever written. Entries of others stay as they are; a document under the tag that is no index is left alone.
//!
//! In a layout the manifest becomes an entry of `index.json`. Archives are not written.

use std::{collections::BTreeMap, fs, path::Path};

use bytes::Bytes;
use rustix::fs::{FlockOperation, flock};
use serde_json::{Value, json};

use super::{
    SourceError, SourceSettings,
    http::{Answer, Bound, Http},
    on_disk, unreadable,
    upload::{Condition, Put, Stored, is_index},
    write::{blob_path, put},
};
use crate::{
    attest::Listing,
    digest::{Digest, ManifestDigest},
    image::{FormatError, MediaType},
    json,
    limits::{self, Limits},
    reference::{Location, Repository},
};

/// The content of the empty descriptor.
const EMPTY: &[u8] = b"{}";

/// A document and the manifest or index that it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Digest of the manifest or index.
    pub subject: ManifestDigest,
    /// Its media type.
    pub subject_media_type: MediaType,
    /// Its size in bytes.
    pub subject_bytes: u64,
    /// What kind of document: both its media type and the artifact type.
    pub media_type: String,
    /// The document.
    pub bytes: Bytes,
    /// Annotations of the manifest.
    pub annotations: BTreeMap<String, String>,
}

/// Where an attachment is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Digest of the manifest that carries it.
    pub manifest: ManifestDigest,
    /// How others find it.
    pub via: Listing,
}

/// A descriptor as JSON.
fn descriptor(media_type: &str, digest: &Digest, bytes: u64) -> Value {
    json!({ "mediaType": media_type, "digest": digest.to_string(), "size": bytes })
}

impl Attachment {
    /// The manifest.
    fn manifest(&self) -> Bytes {
        let subject = &self.subject;
        let document = json!({
            "schemaVersion": 2,
            "mediaType": MediaType::OCI_MANIFEST,
            "artifactType": self.media_type,
            "config": descriptor(MediaType::OCI_EMPTY, &Digest::sha256(EMPTY), EMPTY.len() as u64),
            "layers": [
                descriptor(&self.media_type, &Digest::sha256(&self.bytes), self.bytes.len() as u64)
            ],
            "subject":
                descriptor(self.subject_media_type.as_str(), subject.digest(), self.subject_bytes),
            "annotations": self.annotations,
        });
        Bytes::from(document.to_string())
    }

    /// The entry by which lists of referrers name the manifest.
    fn entry(&self, manifest: &Bytes) -> Value {
        let digest = Digest::sha256(manifest);
        let mut entry = descriptor(MediaType::OCI_MANIFEST, &digest, manifest.len() as u64);
        entry["artifactType"] = json!(self.media_type);
        if !self.annotations.is_empty() {
            entry["annotations"] = json!(self.annotations);
        }
        entry
    }
}

/// Stores a document beside the image that it is about.
///
/// # Errors
/// Where the place cannot be written to, or what lies there already is not what it should be.
pub async fn push_referrer(
    location: &Location,
    attachment: &Attachment,
    settings: &SourceSettings,
    limits: &Limits,
) -> Result<Published, SourceError> {
    match location {
        Location::Registry(repository) => {
            let http = Http::new(repository, settings, limits)?.writing(repository);
            Push { http, repository, limits }.attach(attachment).await
        }
        Location::Layout(folder) => {
            let (folder, attachment, limits) = (folder.clone(), attachment.clone(), limits.clone());
            on_disk(location.clone(), move || into_layout(&folder, &attachment, &limits)).await
        }
        Location::OciArchive(_) | Location::DockerArchive(_) => {
            Err(unreadable(location, "an archive is not written to; unpack it into a layout"))
        }
    }
}

/// A repository that is written to.
struct Push<'a> {
    http: Http,
    repository: &'a Repository,
    limits: &'a Limits,
}

impl Push<'_> {
    async fn attach(&self, attachment: &Attachment) -> Result<Published, SourceError> {
        for blob in [&attachment.bytes, &Bytes::from_static(EMPTY)] {
            self.http.put_blob(self.repository, &Digest::sha256(blob), blob).await?;
        }
        let bytes = attachment.manifest();
        let manifest = ManifestDigest::of(&bytes);
        let name = manifest.to_string();
        let stored = self.put(&name, MediaType::OCI_MANIFEST, &bytes, Condition::Any).await?;
        let via = match stored {
            Stored::Here { subject: true } => Listing::Api,
            Stored::Here { subject: false } => {
                self.list(&attachment.subject, attachment.entry(&bytes)).await?;
                Listing::Tag
            }
            Stored::Changed => return Err(self.failed("it refuses a manifest with 412")),
        };
        Ok(Published { manifest, via })
    }

    async fn put(
        &self,
        name: &str,
        media_type: &str,
        bytes: &Bytes,
        condition: Condition,
    ) -> Result<Stored, SourceError> {
        let put = Put { name, media_type, bytes, condition };
        self.http.put_manifest(self.repository, &put).await
    }

    /// Adds an entry to the index under the fallback tag, and reads it again until the entry stands.
    async fn list(&self, subject: &ManifestDigest, entry: Value) -> Result<(), SourceError> {
        let tag = super::referrers_tag(subject);
        for _ in 0..self.limits.attempts {
            let (index, condition) = self.listed(subject, &tag).await?;
            let Some(bytes) = with_entry(index, &entry, self.limits).map_err(|e| self.format(e))?
            else {
                return Ok(());
            };
            // Whether it was written or somebody else was faster: the next reading shows.
            self.put(&tag, MediaType::OCI_INDEX, &bytes, condition).await?;
        }
        let (index, _) = self.listed(subject, &tag).await?;
        let unread = index.is_null();
        if with_entry(index, &entry, self.limits).map_err(|e| self.format(e))?.is_none() {
            return Ok(());
        }
        let (attempts, key) = (self.limits.attempts, limits::key("attempts"));
        let why = match unread {
            true => "the registry took the list of referrers and does not give it back",
            false => "others keep writing to the list of referrers",
        };
        Err(self.failed(&format!(
            "{why}, the tag {tag} (attempts: {attempts}, as {key} says). The document is stored; \
             whether it is listed is not known"
        )))
    }

    /// The index under the fallback tag, and the condition under which it may be replaced.
    async fn listed(
        &self,
        subject: &ManifestDigest,
        tag: &str,
    ) -> Result<(Value, Condition), SourceError> {
        let url = self.http.url(&format!("/v2/{}/manifests/{tag}", self.repository.path))?;
        let limit = self.limits.manifest_bytes as u64;
        let bound = Bound::Limit("list of referrers", limit, "manifest_bytes");
        let accept = [MediaType::OCI_INDEX, MediaType::OCI_MANIFEST].join(", ");
        let fetched = match self.http.document(&url, &accept, bound).await {
            // The subject itself: a registry that takes the tag for the digest.
            Ok(Answer::Found(fetched)) if ManifestDigest::of(&fetched.bytes) == *subject => {
                return Ok((Value::Null, Condition::Any));
            }
            Ok(Answer::Found(fetched)) => fetched,
            Ok(Answer::Absent(status)) if status.as_u16() == 404 => {
                return Ok((Value::Null, Condition::Absent));
            }
            // Said of tags that are not there; the condition keeps a list that we may not read.
            Err(SourceError::Forbidden { .. }) => return Ok((Value::Null, Condition::Absent)),
            Ok(Answer::Absent(status)) => return Err(self.failed(&format!("it answers {status}"))),
            Err(error) => return Err(error),
        };
        if !is_index(fetched.media_type.as_ref()) {
            return Err(self.failed(&format!("the tag {tag} names something that is no index")));
        }
        let index = read_index(&fetched.bytes, self.limits).map_err(|e| self.format(e))?;
        Ok((index, fetched.etag.map_or(Condition::Any, Condition::Version)))
    }

    fn failed(&self, why: &str) -> SourceError {
        self.http.unavailable(why.to_owned())
    }

    fn format(&self, error: FormatError) -> SourceError {
        self.http.format(error)
    }
}

const LIST: &str = "list of referrers";

fn malformed(why: impl Into<String>) -> FormatError {
    FormatError::Malformed { what: LIST, why: why.into() }
}

/// An index that is to be added to, with everything that others put into it.
fn read_index(bytes: &[u8], limits: &Limits) -> Result<Value, FormatError> {
    let index: Value = json::from_slice(bytes, limits.manifest_bytes)
        .map_err(|error| malformed(error.to_string()))?;
    let kind = index.get("mediaType").map_or(Some(MediaType::OCI_INDEX), Value::as_str);
    if kind != Some(MediaType::OCI_INDEX) || !index["manifests"].is_array() {
        return Err(malformed("it is no image index"));
    }
    Ok(index)
}

/// The index with one more entry; `None` where it has that already.
fn with_entry(
    mut index: Value,
    entry: &Value,
    limits: &Limits,
) -> Result<Option<Bytes>, FormatError> {
    if index.is_null() {
        index = json!({
            "schemaVersion": 2,
            "mediaType": MediaType::OCI_INDEX,
            "manifests": [],
        });
    }
    let Some(entries) = index.get_mut("manifests").and_then(Value::as_array_mut) else {
        return Err(malformed("it is no image index"));
    };
    if entries.iter().any(|existing| existing["digest"] == entry["digest"]) {
        return Ok(None);
    }
    let limit = limits.index_manifests;
    let too_many = |found: usize, unit, limit: usize, limit_name| FormatError::Limit {
        what: LIST,
        found: found as u64,
        unit,
        limit: limit as u64,
        limit_name,
    };
    if entries.len() >= limit {
        return Err(too_many(entries.len().saturating_add(1), "entries", limit, "index_manifests"));
    }
    entries.push(entry.clone());
    let bytes = Bytes::from(index.to_string());
    if bytes.len() > limits.manifest_bytes {
        return Err(too_many(bytes.len(), "bytes", limits.manifest_bytes, "manifest_bytes"));
    }
    Ok(Some(bytes))
}

/// Stores a document in a layout. The lock keeps two signers from losing each other's entry.
fn into_layout(
    folder: &Path,
    attachment: &Attachment,
    limits: &Limits,
) -> Result<Published, SourceError> {
    let place = Location::Layout(folder.to_path_buf());
    let failed = |error: std::io::Error| unreadable(&place, error);
    let format = |error| SourceError::Format { place: place.to_string(), error };
    let marker = fs::File::open(folder.join("oci-layout")).map_err(failed)?;
    flock(&marker, FlockOperation::LockExclusive).map_err(|e| failed(e.into()))?;
    let subject = blob_path(folder, attachment.subject.digest());
    stays_inside(folder, &subject).map_err(failed)?;
    if !subject.exists() {
        // Such is index.json itself, where it lists the platforms of an image.
        let why = "what is signed is no blob of the layout but its index.json, which changes with every signature; \
                   sign each platform's manifest instead (--platform)";
        return Err(unreadable(&place, why));
    }
    let manifest = attachment.manifest();
    let blobs = [attachment.bytes.clone(), Bytes::from_static(EMPTY), manifest.clone()];
    for bytes in blobs {
        let path = blob_path(folder, &Digest::sha256(&bytes));
        stays_inside(folder, &path).map_err(failed)?;
        put(&path, &bytes).map_err(failed)?;
    }
    let index_file = folder.join("index.json");
    let index = read_index(&fs::read(&index_file).map_err(failed)?, limits).map_err(format)?;
    if let Some(bytes) = with_entry(index, &attachment.entry(&manifest), limits).map_err(format)? {
        put(&index_file, &bytes).map_err(failed)?;
    }
    Ok(Published { manifest: ManifestDigest::of(&manifest), via: Listing::Layout })
}

/// Refuses a layout whose folders are links to somewhere else: a stranger may have made it. Looks before it makes one.
fn stays_inside(folder: &Path, path: &Path) -> std::io::Result<()> {
    let real = folder.canonicalize()?;
    let parent = path.parent().unwrap_or(folder);
    for ancestor in [parent.parent().unwrap_or(folder), parent] {
        if !ancestor.exists() {
            fs::create_dir(ancestor)?;
        }
        if !ancestor.canonicalize()?.starts_with(&real) {
            let why = format!("{} is a link that leaves the folder", ancestor.display());
            return Err(std::io::Error::new(std::io::ErrorKind::PermissionDenied, why));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(text: &str) -> Value {
        descriptor(MediaType::OCI_MANIFEST, &Digest::sha256(text.as_bytes()), 1)
    }

    #[test]
    fn an_entry_is_added_once_and_those_of_others_stay() {
        let limits = Limits::default();
        let others = json!({
            "schemaVersion": 2, "mediaType": MediaType::OCI_INDEX, "x": {"y": [1.5]},
            "manifests": [{"digest": "sha256:aa", "size": 3, "mediaType": "m", "data": "e30="}],
            "annotations": {"a": "b"},
        });
        let index = read_index(others.to_string().as_bytes(), &limits).unwrap();
        let bytes = with_entry(index, &entry("ours"), &limits).unwrap().unwrap();
        let index = read_index(&bytes, &limits).unwrap();
        assert_eq!(index["manifests"][0], others["manifests"][0]);
        assert_eq!(index["manifests"][1], entry("ours"));
        assert_eq!((&index["x"], &index["annotations"]), (&others["x"], &others["annotations"]));
        assert_eq!(with_entry(index, &entry("ours"), &limits).unwrap(), None);
    }

    #[test]
    fn a_list_is_bounded() {
        let limits = Limits { index_manifests: 2, ..Limits::default() };
        let add = |index: Value, text: &str| with_entry(index, &entry(text), &limits);
        let one = add(Value::Null, "1").unwrap().unwrap();
        let two = add(read_index(&one, &limits).unwrap(), "2").unwrap().unwrap();
        let three = add(read_index(&two, &limits).unwrap(), "3").unwrap_err();
        assert!(three.to_string().contains("limits.indexManifests"), "{three}");
        let limits = Limits { manifest_bytes: one.len(), ..Limits::default() };
        assert!(with_entry(Value::Null, &entry("1"), &limits).unwrap().is_some());
        let limits = Limits { manifest_bytes: one.len() - 1, ..Limits::default() };
        assert!(with_entry(Value::Null, &entry("1"), &limits).is_err());
    }

    #[test]
    fn what_is_no_index_is_not_added_to() {
        let limits = Limits::default();
        let cases = [
            "[]",
            "{}",
            r#"{"manifests":{}}"#,
            r#"{"mediaType":"application/vnd.oci.image.manifest.v1+json","manifests":[]}"#,
            r#"{"mediaType":1,"manifests":[]}"#,
            r#"{"manifests":[],"manifests":[]}"#,
        ];
        for text in cases {
            assert!(read_index(text.as_bytes(), &limits).is_err(), "{text}");
        }
        assert!(read_index(br#"{"manifests":[]}"#, &limits).is_ok());
    }
}
