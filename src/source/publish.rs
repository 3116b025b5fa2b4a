//! A document beside an image: a signature or attestation as a referrer.
//!
//! Turns an [`Attachment`] into a manifest whose subject is the image (image-spec v1.1, manifest.md, "Guidelines for
//! Artifact Usage"), as cosign 3 writes it, and stores it: blobs, then the manifest under its digest. A registry that does
//! not answer with `OCI-Subject` does not list it, so it is also put into the index under the tag `sha256-<hex>`
//! (distribution-spec v1.1, "Referrers Tag Schema"): read, one entry added, written back on the condition that
//! nobody changed it, and read again several times, because many registries do not know conditions (attack H53). That tag is the only one
//! that is ever written. Entries of others stay as they are; a document under the tag that is no index is left alone.
//!
//! In a layout the manifest becomes an entry of `index.json`. Archives are not written.

use std::{
    collections::BTreeMap,
    fmt, fs,
    path::Path,
    time::{Duration, Instant},
};

use bytes::Bytes;
use rustix::fs::{FlockOperation, flock};
use serde_json::{Value, json};

use super::{
    SourceError, SourceSettings,
    entries::Entries,
    http::{Answer, Bound, Http},
    on_disk, unreadable,
    upload::{Condition, Put, Stored, is_index},
    write::{blob_path, put, stays_inside},
};
use crate::{
    attest::Listing,
    digest::{Digest, ManifestDigest},
    image::{FormatError, MediaType},
    limits::{self, Limits},
    reference::{Location, Repository},
};

/// Readings in a row in which an entry has to stand in the list of referrers.
const READINGS: u32 = 3;
/// How often the list is read or written, for each time that a request is tried.
const ROUNDS_FOR_EACH_ATTEMPT: u32 = 12;
/// The longest wait between two readings, in waits before the second attempt of a request.
const LONGEST_PAUSE: u32 = 16;

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
    /// Why it may not stay listed, where that cannot be known.
    pub doubt: Option<Doubt>,
}

/// Others wrote to the same list at the same time, and nothing shows that the registry keeps writers apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    /// How often the entry was gone after it had been written.
    lost: u32,
    /// Readings in a row in which it stood then.
    readings: u32,
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lost, readings } = self;
        let times = if *lost == 1 { "once".to_owned() } else { format!("{lost} times") };
        write!(
            f,
            "others write to the same list of referrers, and the registry does not keep writers apart: the entry was \
             lost {times} and written again. It stands in {readings} readings since; whether it stays cannot be known"
        )
    }
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
            Push { http, repository, limits, backoff: settings.backoff }.attach(attachment).await
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
    backoff: Duration,
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
        let mut doubt = None;
        let via = match stored {
            Stored::Here { subject: true } => Listing::Api,
            Stored::Here { subject: false } => {
                doubt = self.list(&attachment.subject, attachment.entry(&bytes)).await?;
                Listing::Tag
            }
            Stored::Changed => return Err(self.failed("it refuses a manifest with 412")),
        };
        Ok(Published { manifest, via, doubt })
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

    /// Adds an entry to the index under the fallback tag, and reads it again until the entry is believed to stay. Says what
    /// speaks against that.
    ///
    /// Where the registry knows no conditions, a writer that read the list before ours was in it writes it without ours. So
    /// one reading proves nothing: the entry has to stand in several, over a time in which such a writer would have written.
    async fn list(
        &self,
        subject: &ManifestDigest,
        entry: Value,
    ) -> Result<Option<Doubt>, SourceError> {
        let tag = super::referrers_tag(subject);
        let mut seen = Seen::default();
        let mut pace = Pace::new(self.backoff);
        for _ in 0..self.limits.attempts.saturating_mul(ROUNDS_FOR_EACH_ATTEMPT) {
            let began = Instant::now();
            let (entries, condition) = self.listed(subject, &tag).await?;
            if entries.as_ref().is_some_and(|entries| entries.has(&entry)) {
                seen.standing += 1;
                if seen.standing >= READINGS {
                    return Ok(seen.doubt());
                }
                pace.short().await;
                continue;
            }
            seen.standing = 0;
            seen.unread = entries.is_none();
            if seen.written && !seen.waited {
                // Whoever else was faster or slower waits for another time.
                seen.lost += 1;
                seen.waited = true;
                if seen.unread && seen.lost >= self.limits.attempts {
                    break;
                }
                pace.longer().await;
                continue;
            }
            let entries = entries.unwrap_or_else(Entries::none);
            let bytes = entries.with(&entry, self.limits.manifest_bytes);
            let bytes = bytes.map_err(|error| self.format(error))?;
            let stored = self.put(&tag, MediaType::OCI_INDEX, &bytes, condition).await?;
            pace.took(began.elapsed());
            seen.conditions |= stored == Stored::Changed;
            (seen.written, seen.waited) = (true, false);
            pace.short().await;
        }
        Err(self.failed(&seen.given_up(&tag, self.limits.attempts)))
    }

    /// The index under the fallback tag, and the condition under which it may be replaced.
    async fn listed(
        &self,
        subject: &ManifestDigest,
        tag: &str,
    ) -> Result<(Option<Entries>, Condition), SourceError> {
        let url = self.http.url(&format!("/v2/{}/manifests/{tag}", self.repository.path))?;
        let limit = self.limits.manifest_bytes as u64;
        let bound = Bound::Limit("list of referrers", limit, "manifest_bytes");
        let accept = [MediaType::OCI_INDEX, MediaType::OCI_MANIFEST].join(", ");
        let fetched = match self.http.document(&url, &accept, bound).await {
            // The subject itself: a registry that takes the tag for the digest.
            Ok(Answer::Found(fetched)) if ManifestDigest::of(&fetched.bytes) == *subject => {
                return Ok((None, Condition::Any));
            }
            Ok(Answer::Found(fetched)) => fetched,
            Ok(Answer::Absent(status)) if status.as_u16() == 404 => {
                return Ok((None, Condition::Absent));
            }
            // Said of tags that are not there; the condition keeps a list that we may not read.
            Err(SourceError::Forbidden { .. }) => return Ok((None, Condition::Absent)),
            Ok(Answer::Absent(status)) => return Err(self.failed(&format!("it answers {status}"))),
            Err(error) => return Err(error),
        };
        if !is_index(fetched.media_type.as_ref()) {
            return Err(self.failed(&format!("the tag {tag} names something that is no index")));
        }
        let entries = Entries::read(&fetched.bytes, self.limits.manifest_bytes);
        let entries = entries.map_err(|error| self.format(error))?;
        Ok((Some(entries), fetched.etag.map_or(Condition::Any, Condition::Version)))
    }

    fn failed(&self, why: &str) -> SourceError {
        self.http.unavailable(why.to_owned())
    }

    fn format(&self, error: FormatError) -> SourceError {
        self.http.format(error)
    }
}

/// What was seen of a list while an entry was added to it.
#[derive(Debug, Default)]
struct Seen {
    /// It was written at least once.
    written: bool,
    /// Time went by since the last writing.
    waited: bool,
    /// Readings in a row in which the entry stood.
    standing: u32,
    /// How often it was gone after it was written.
    lost: u32,
    /// There was no list after it was written.
    unread: bool,
    /// The registry refused a writing because the list had changed.
    conditions: bool,
}

impl Seen {
    fn doubt(&self) -> Option<Doubt> {
        let lost = (self.lost > 0) && !self.conditions;
        lost.then_some(Doubt { lost: self.lost, readings: self.standing })
    }

    fn given_up(&self, tag: &str, attempts: u32) -> String {
        let key = limits::key("attempts");
        let why = match self.unread {
            true => "the registry took the list of referrers and does not give it back",
            false => "others keep writing to the list of referrers",
        };
        format!(
            "{why}, the tag {tag} (attempts: {attempts}, as {key} says). The document is stored; \
             whether it is listed is not known"
        )
    }
}

/// How long is waited between readings of a list: random times, so that writers who met once do not meet again.
struct Pace {
    base: Duration,
    spread: Duration,
    longest: Duration,
}

impl Pace {
    fn new(base: Duration) -> Self {
        Self { base, spread: base, longest: base.saturating_mul(LONGEST_PAUSE) }
    }

    /// A writer like us needs so long from its reading to its writing.
    fn took(&mut self, time: Duration) {
        self.base = self.base.max(time.saturating_mul(2)).min(self.longest);
        self.spread = self.spread.max(self.base);
    }

    /// Between half of the base and one and a half.
    async fn short(&self) {
        tokio::time::sleep(self.base / 2 + random(self.base)).await;
    }

    /// Up to twice as long as the last time.
    async fn longer(&mut self) {
        self.spread = self.spread.saturating_mul(2).min(self.longest);
        tokio::time::sleep(random(self.spread)).await;
    }
}

/// A random part of `most`.
fn random(most: Duration) -> Duration {
    let mut bytes = [0; 4];
    // Without randomness the whole.
    match aws_lc_rs::rand::fill(&mut bytes) {
        Ok(()) => most.mul_f64(f64::from(u32::from_ne_bytes(bytes)) / f64::from(u32::MAX)),
        Err(_) => most,
    }
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
    let index = fs::read(&index_file).map_err(failed)?;
    let index = Entries::read(&index, limits.manifest_bytes).map_err(format)?;
    let entry = attachment.entry(&manifest);
    if !index.has(&entry) {
        // Whoever reads the layout takes index.json for an image index.
        index.has_room(limits.index_manifests).map_err(format)?;
        let bytes = index.with(&entry, limits.manifest_bytes).map_err(format)?;
        put(&index_file, &bytes).map_err(failed)?;
    }
    Ok(Published { manifest: ManifestDigest::of(&manifest), via: Listing::Layout, doubt: None })
}
