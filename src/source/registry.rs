//! Registries that speak the distribution API (distribution-spec v1.1).
//!
//! Turns a repository into a [`Source`]. Referrers are listed by the API, and by the tag `sha256-<hex>` where there is none or
//! where it answers in any way that the specification does not know: that is said, and never hides what the tag lists. A manifest is what its bytes hash to: `Docker-Content-Digest`, `Content-Length`
//! and the digests in lists of referrers are what a server says, and decide nothing (attacks D1 and E2).
//!
//! The crate `oci-client` is not used: as of 0.18 it sends user name and password to whatever realm a registry names in
//! its `WWW-Authenticate` header (`Client::_auth`), which is attack F1, and it follows redirects by itself, so that no
//! rule about addresses could be put in between (attack F2).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future;
use url::Url;

use super::{
    Blob, LookAhead, Meter, Referrers, Source, SourceError, SourceSettings, Spool, StoredManifest,
    discover,
    http::{Answer, Bound, Fetched, Http},
    images::together,
    listing::{self, Listed},
    places,
};
use crate::{
    attest::Listing,
    digest::ManifestDigest,
    image::{Checked, Descriptor, FormatError, MediaType},
    limits::{self, Limits},
    reference::{Location, Repository, Selector},
};

/// Documents that are kept for the length of a run, so that a tag is fetched once.
const KEPT_DOCUMENTS: usize = 256;
/// Bytes of them.
const KEPT_BYTES: usize = 8 << 20;
/// Manifests and indexes whose lists and tags are fetched ahead of time.
const SUBJECTS_AHEAD: usize = 8;
/// The largest document under a tag that is fetched ahead of time: it is held until it is asked for.
const TAG_AHEAD_BYTES: usize = 1 << 20;
/// Lists that are counted: those that are fetched ahead of time, and those that are read at the same time.
const LISTS_COUNTED: usize = 2 * SUBJECTS_AHEAD;
/// About what an entry of a list takes in memory.
const ENTRY_BYTES: u64 = 512;

/// A repository in a registry.
pub(super) struct RegistrySource {
    location: Location,
    repository: Repository,
    pub(super) http: Http,
    kept: Mutex<Kept>,
    ahead: Mutex<Ahead>,
    /// Lists that were read.
    lists: AtomicUsize,
    limits: Limits,
}

/// What was asked for ahead of time, until it is given out.
#[derive(Default)]
struct Ahead {
    subjects: BTreeSet<ManifestDigest>,
    lists: BTreeMap<ManifestDigest, Referrers>,
    tags: BTreeMap<String, Option<StoredManifest>>,
}

/// Manifests that were fetched and checked.
#[derive(Default)]
struct Kept {
    bytes: usize,
    documents: BTreeMap<ManifestDigest, StoredManifest>,
}

impl RegistrySource {
    /// Prepares to talk to the registry; makes no request yet.
    pub(super) fn new(
        repository: &Repository,
        settings: &SourceSettings,
        limits: &Limits,
    ) -> Result<Self, SourceError> {
        Ok(Self {
            location: Location::Registry(repository.clone()),
            http: Http::new(repository, settings, limits)?,
            repository: repository.clone(),
            kept: Mutex::default(),
            ahead: Mutex::default(),
            lists: AtomicUsize::new(0),
            limits: limits.clone(),
        })
    }

    /// The same, with what it brings into memory counted.
    pub(super) fn metered(mut self, meter: &Meter) -> Self {
        self.http.meter = Some(meter.clone());
        self
    }

    fn url(&self, kind: &str, name: &str) -> Result<Url, SourceError> {
        self.http.url(&format!("/v2/{}/{kind}/{name}", self.repository.path))
    }

    async fn fetch_manifest(&self, name: &str) -> Result<Option<Fetched>, SourceError> {
        let accept = [
            MediaType::OCI_INDEX,
            MediaType::OCI_MANIFEST,
            MediaType::DOCKER_INDEX,
            MediaType::DOCKER_MANIFEST,
        ]
        .join(", ");
        let limit = self.limits.manifest_bytes as u64;
        let bound = Bound::Limit("manifest", limit, "manifest_bytes");
        let answer = self.http.document(&self.url("manifests", name)?, &accept, bound).await?;
        self.found(answer)
    }

    /// What is there; 404 is the only way in which a registry says that something is not.
    fn found<T>(&self, answer: Answer<T>) -> Result<Option<T>, SourceError> {
        match answer {
            Answer::Found(value) => Ok(Some(value)),
            Answer::Absent(status) if status.as_u16() == 404 => Ok(None),
            Answer::Absent(status) => {
                Err(self.http.unavailable(format!("the registry answers {status}")))
            }
        }
    }

    fn keep(
        &self,
        digest: ManifestDigest,
        fetched: Fetched,
    ) -> Result<StoredManifest, SourceError> {
        let document = Checked::new("manifest", digest.clone(), fetched.bytes)
            .map_err(|error| self.http.format(error))?;
        let stored = StoredManifest { document, media_type: fetched.media_type };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = kept.bytes.saturating_add(stored.document.bytes.len());
        if kept.documents.len() < KEPT_DOCUMENTS && bytes <= KEPT_BYTES {
            kept.bytes = bytes;
            kept.documents.insert(digest, stored.clone());
        }
        Ok(stored)
    }

    fn ahead(&self) -> MutexGuard<'_, Ahead> {
        self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the list of referrers of `digest`, and what is in it.
    async fn list_ahead(&self, digest: &ManifestDigest) {
        let Ok(listed) = self.referrers(digest).await else { return };
        // No more than is kept: the rest would be fetched twice.
        let mut room = KEPT_BYTES as u64;
        let mut fits = |descriptor: &&Descriptor| {
            let left = room.checked_sub(descriptor.size);
            room = left.unwrap_or(room);
            descriptor.media_type.is_manifest() && left.is_some()
        };
        let named = listed.descriptors.iter().filter(&mut fits).take(KEPT_DOCUMENTS);
        let named: Vec<ManifestDigest> = named.map(super::manifest_digest).collect();
        self.ahead().lists.insert(digest.clone(), listed);
        together(named.iter().map(|digest| self.manifest(digest)).collect()).await;
    }

    async fn tag_ahead(&self, tag: String) {
        if let Ok(stored) = self.tagged(&tag).await
            && stored.as_ref().is_none_or(|s| s.document.bytes.len() <= TAG_AHEAD_BYTES)
        {
            self.ahead().tags.insert(tag, stored);
        }
    }

    fn not_found(&self, what: impl Into<String>) -> SourceError {
        SourceError::NotFound { what: what.into(), place: self.location.to_string() }
    }

    fn blob_missing(&self, descriptor: &Descriptor) -> SourceError {
        SourceError::BlobMissing {
            what: descriptor.digest.to_string(),
            place: self.location.to_string(),
        }
    }

    /// One page of referrers, and where the next one is.
    async fn page(&self, url: &Url) -> Result<Option<(Listed, Option<String>)>, SourceError> {
        let scanned = match self.http.list(url, MediaType::OCI_INDEX).await? {
            Answer::Found(scanned) => scanned,
            Answer::Absent(_) => return Ok(None),
        };
        let stated = scanned.media_type.filter(|stated| !stated.is_vague());
        let listed = scanned.scan.end(stated.as_ref()).map_err(|error| self.http.format(error))?;
        Ok(Some((listed, scanned.next)))
    }

    /// Listing by the API (distribution-spec v1.1, "Listing Referrers"). What goes wrong makes the list incomplete.
    async fn listed_by_api(&self, digest: &ManifestDigest) -> Result<ByApi, SourceError> {
        let first = self.url("referrers", &digest.to_string())?;
        let mut list = Referrers { via: Some(Listing::Api), ..Referrers::default() };
        let mut url = first.clone();
        let limit = places::most_entries(&self.limits);
        for page in 0.. {
            if page >= self.limits.pages {
                let pages = self.limits.pages;
                list.incomplete =
                    Some(format!("it has more than {pages} pages ({})", limits::key("pages")));
                break;
            }
            let (listed, next) = match self.page(&url).await {
                Ok(Some(found)) => found,
                Ok(None) if page == 0 => return Ok(ByApi::None),
                Ok(None) => {
                    list.incomplete = Some(format!("page {page} of it is not there"));
                    break;
                }
                Err(error) => return Ok(ByApi::Failed(list, error)),
            };
            list.incomplete = list.incomplete.or(listed.incomplete);
            list.descriptors.extend(listed.descriptors);
            // What is worth the most may be on the last page.
            if listing::keep_best(&mut list.descriptors, limit) {
                list.incomplete.get_or_insert_with(|| listing::more_than(limit));
            }
            let Some(next) = next else { break };
            url = match first.join(&next) {
                Ok(next) if self.http.is_home(&next) && next.path() == first.path() => next,
                _ => {
                    list.incomplete = Some("its next page is said to be elsewhere".to_owned());
                    break;
                }
            };
        }
        Ok(ByApi::Listed(list))
    }

    /// Listing by the tag `sha256-<hex>` (distribution-spec v1.1, "Referrers Tag Schema").
    async fn listed_by_tag(&self, digest: &ManifestDigest) -> Result<Referrers, SourceError> {
        let stored = self.tagged(&super::referrers_tag(digest)).await?;
        // Some registries take the tag for the digest itself, and give the subject back.
        let Some(stored) = stored.filter(|stored| stored.document.digest != *digest) else {
            return Ok(Referrers::default());
        };
        let bytes = &stored.document.bytes;
        let Listed { descriptors, incomplete } =
            listing::read(bytes, stored.media_type.as_ref(), &self.limits)
                .map_err(|error| self.http.format(error))?;
        Ok(Referrers { descriptors, via: Some(Listing::Tag), incomplete })
    }

    async fn listed(&self, digest: &ManifestDigest) -> Result<Referrers, SourceError> {
        match self.listed_by_api(digest).await? {
            // A proxy, or a registry that took nothing over when it learned the API, lists nothing; what is under the tag is there.
            // Where the list was not read to its end, what is under the tag may be among the rest.
            ByApi::Listed(mut listed)
                if listed.descriptors.is_empty() || listed.incomplete.is_some() =>
            {
                let by_tag = self.listed_by_tag(digest).await.unwrap_or_default();
                if listed.descriptors.is_empty() && !by_tag.descriptors.is_empty() {
                    listed.via = by_tag.via;
                }
                listed.incomplete = listed.incomplete.or(by_tag.incomplete);
                listed.descriptors.extend(by_tag.descriptors);
                Ok(listed)
            }
            ByApi::Listed(listed) => Ok(listed),
            ByApi::None => self.listed_by_tag(digest).await,
            ByApi::Failed(listed, failure) => self.listed_beside(digest, listed, failure).await,
        }
    }

    /// What the tag lists, after what the API listed before it failed: whoever signs where the API does not answer uses the tag.
    async fn listed_beside(
        &self,
        digest: &ManifestDigest,
        listed: Referrers,
        failure: SourceError,
    ) -> Result<Referrers, SourceError> {
        let by_tag = match self.listed_by_tag(digest).await {
            Ok(by_tag) => by_tag,
            Err(_) if listed.descriptors.is_empty() => return Err(failure),
            Err(_) => Referrers::default(),
        };
        let via = if listed.descriptors.is_empty() { by_tag.via } else { listed.via };
        let descriptors = listed.descriptors.into_iter().chain(by_tag.descriptors).collect();
        let why =
            format!("the referrers API fails, and only the referrers tag was read ({failure})");
        Ok(Referrers { descriptors, via, incomplete: Some(why) })
    }
}

/// What came of asking the API.
enum ByApi {
    /// A list.
    Listed(Referrers),
    /// The registry has no such operation.
    None,
    /// It answers in another way than the specification says; what was listed before.
    Failed(Referrers, SourceError),
}

/// Whether a tag is one that is derived from a digest: of referrers, or cosign's.
fn is_derived(tag: &str) -> bool {
    ["sha256-", "sha512-"].iter().any(|algorithm| tag.starts_with(algorithm))
}

#[async_trait]
impl Source for RegistrySource {
    fn location(&self) -> &Location {
        &self.location
    }

    fn meter(&self) -> Option<&Meter> {
        self.http.meter.as_ref()
    }

    async fn resolve(&self, selector: &Selector) -> Result<ManifestDigest, SourceError> {
        let tag = match selector {
            Selector::Digest(digest) => return Ok(digest.clone()),
            Selector::Tag(tag) => tag,
            Selector::Only => "latest",
        };
        // Not `tagged`: what somebody asks for by name and may not have is not absent.
        let fetched = self.fetch_manifest(tag).await?;
        let keep = |fetched: Fetched| self.keep(ManifestDigest::of(&fetched.bytes), fetched);
        let stored = fetched.map(keep).transpose()?;
        stored.map(|s| s.document.digest).ok_or_else(|| self.not_found(format!("tag {tag}")))
    }

    async fn manifest(&self, digest: &ManifestDigest) -> Result<StoredManifest, SourceError> {
        let kept =
            self.kept.lock().unwrap_or_else(PoisonError::into_inner).documents.get(digest).cloned();
        if let Some(stored) = kept {
            return Ok(stored);
        }
        let fetched = self.fetch_manifest(&digest.to_string()).await?;
        self.keep(digest.clone(), fetched.ok_or_else(|| self.not_found(digest.to_string()))?)
    }

    async fn tagged(&self, tag: &str) -> Result<Option<StoredManifest>, SourceError> {
        if let Some(stored) = self.ahead().tags.remove(tag) {
            return Ok(stored);
        }
        let fetched = match self.fetch_manifest(tag).await {
            Ok(Some(fetched)) => fetched,
            Ok(None) => return Ok(None),
            // Artifactory says so of tags that are not there, in repositories that it lets us read.
            Err(SourceError::Forbidden { why, .. }) if is_derived(tag) => {
                tracing::debug!(tag, why, "took a tag for absent that may not be read");
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        self.keep(ManifestDigest::of(&fetched.bytes), fetched).map(Some)
    }

    async fn small_blob(
        &self,
        descriptor: &Descriptor,
        limit_bytes: usize,
    ) -> Result<Bytes, SourceError> {
        super::check_small(descriptor, limit_bytes, &self.location)?;
        let url = self.url("blobs", &descriptor.digest.to_string())?;
        let bound = Bound::Size("blob", descriptor.size);
        let answer = self.http.document(&url, "application/octet-stream", bound).await?;
        let fetched = self.found(answer)?.ok_or_else(|| self.blob_missing(descriptor))?;
        super::check_blob(descriptor, fetched.bytes).map_err(|error| self.http.format(error))
    }

    async fn blob(&self, descriptor: &Descriptor, spool: &Spool) -> Result<Blob, SourceError> {
        if let Some(blob) = spool.kept(descriptor) {
            return Ok(blob);
        }
        if descriptor.size > self.limits.layer_bytes {
            let error = FormatError::Limit {
                what: "blob",
                found: descriptor.size,
                unit: "bytes",
                limit: self.limits.layer_bytes,
                limit_name: "layer_bytes",
            };
            return Err(self.http.format(error));
        }
        let url = self.url("blobs", &descriptor.digest.to_string())?;
        let answer = self.http.blob(&url, descriptor, spool).await?;
        self.found(answer)?.ok_or_else(|| self.blob_missing(descriptor))
    }

    async fn referrers(&self, digest: &ManifestDigest) -> Result<Referrers, SourceError> {
        if let Some(listed) = self.ahead().lists.remove(digest) {
            return Ok(listed);
        }
        let listed = self.listed(digest).await?;
        // Of many lists not more than so many are in memory at the same time.
        if let Some(meter) = &self.http.meter
            && self.lists.fetch_add(1, Ordering::Relaxed) < LISTS_COUNTED
        {
            meter.keep((listed.descriptors.len() as u64).saturating_mul(ENTRY_BYTES)).await;
        }
        Ok(listed)
    }

    async fn look_ahead(&self, wanted: &LookAhead) {
        let subjects: Vec<ManifestDigest> = {
            let mut ahead = self.ahead();
            let new = |digest: &&ManifestDigest| {
                ahead.subjects.len() < SUBJECTS_AHEAD && ahead.subjects.insert((*digest).clone())
            };
            wanted.subjects.iter().filter(new).cloned().collect()
        };
        let tags: Vec<String> =
            subjects.iter().flat_map(discover::cosign_tags).map(|(tag, _)| tag).collect();
        let lists = together(subjects.iter().map(|digest| self.list_ahead(digest)).collect());
        let tagged = together(tags.into_iter().map(|tag| self.tag_ahead(tag)).collect());
        let manifests = together(wanted.manifests.iter().map(|d| self.manifest(d)).collect());
        future::join3(lists, tagged, manifests).await;
    }
}
