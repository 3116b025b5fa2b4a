//! Where image bytes come from: registries, layouts, archives.
//!
//! Turns references into digests and digests into bytes that hash to them. Every implementation checks sizes and
//! digests itself and never trusts a header. Credentials go to the host that they were configured for and nowhere else.
//! Two things are written, and only where a user asks for it: an image into a layout ([`write_image`], [`write_copy`]), and a
//! document beside an image ([`push_referrer`]).

pub mod address;
mod archive;
pub mod artifact;
pub mod auth;
mod blobs;
pub mod budget;
mod choose;
mod client;
pub mod credentials;
pub mod discover;
mod documents;
mod entries;
mod handed;
mod http;
pub mod images;
mod kept;
mod layout;
pub mod lazy_layers;
mod listing;
mod login;
mod marks;
pub mod mirror;
mod no_proxy;
mod places;
mod publish;
mod registry;
pub mod settings;
#[cfg(test)]
mod tests;
mod told;
mod upload;
mod write;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use bytes::Bytes;

pub use blobs::{Blob, BlobReader, Spool, StoredReader};
pub use budget::{Budget, Budgets, Meter, Meters};
pub use handed::Handed;
pub use images::{PlatformChoice, resolve};
pub use publish::{Attachment, Doubt, Published, push_referrer};
pub use settings::{RegistrySettings, SourceSettings};
pub use write::{writable_layout, write_copy, write_image};

use crate::{
    digest::{BlobDigest, Digest, ManifestDigest},
    finding::{Code, Finding, Key, Subject},
    image::{Checked, Descriptor, FormatError, MediaType, Platform},
    limits::Limits,
    reference::{Location, Reference, Selector},
};

/// A manifest or index as stored: its bytes hash to its digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredManifest {
    /// Digest and bytes.
    pub document: Checked<ManifestDigest>,
    /// The media type that the store gives it; checked against the document's own by the parsers.
    pub media_type: Option<MediaType>,
}

/// A store of images.
#[async_trait]
pub trait Source: Send + Sync {
    /// The place, for messages and for the reference of an image.
    fn location(&self) -> &Location;

    /// What counts the memory that its documents take, where it is counted.
    fn meter(&self) -> Option<&Meter> {
        None
    }

    /// Finds out which digest a selector means, once.
    async fn resolve(&self, selector: &Selector) -> Result<ManifestDigest, SourceError>;

    /// The manifest or index with this digest.
    async fn manifest(&self, digest: &ManifestDigest) -> Result<StoredManifest, SourceError>;

    /// The manifest that a tag names, `None` where there is no such tag.
    async fn tagged(&self, tag: &str) -> Result<Option<StoredManifest>, SourceError>;

    /// A small blob, whole; it hashes to the descriptor and is not larger than `limit_bytes`.
    async fn small_blob(
        &self,
        descriptor: &Descriptor,
        limit_bytes: usize,
    ) -> Result<Bytes, SourceError>;

    /// A blob as something that can be read more than once. Its reader checks the digest: a result computed from it
    /// counts only when the reader has come to its end without an error.
    async fn blob(&self, descriptor: &Descriptor, spool: &Spool) -> Result<Blob, SourceError>;

    /// Descriptors of the manifests whose subject is `digest`.
    async fn referrers(&self, digest: &ManifestDigest) -> Result<Referrers, SourceError>;

    /// Evidence that was handed over together with the question.
    fn handed(&self) -> &[Handed] {
        &[]
    }

    /// The platform under which a manifest stands in a list that is no document of the image, as a layout's `index.json` is.
    fn stated(&self, _digest: &ManifestDigest) -> Option<Platform> {
        None
    }

    /// What such a list calls a manifest, where that is no image.
    fn called(&self, _digest: &ManifestDigest) -> Option<String> {
        None
    }

    /// Fetches what [`discover`] will ask for, while an image is fetched: one wait for the network instead of several. It is
    /// given out once. What cannot be had is asked for again then, so nothing is said of it here.
    async fn look_ahead(&self, _wanted: &LookAhead) {}
}

/// What will be asked for soon.
#[derive(Debug, Clone, Default)]
pub struct LookAhead {
    /// Digests that others may refer to, whose lists and tags are wanted.
    pub subjects: Vec<ManifestDigest>,
    /// Manifests.
    pub manifests: Vec<ManifestDigest>,
}

/// A list of referrers and how it came about.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Referrers {
    /// What was listed.
    pub descriptors: Vec<Descriptor>,
    /// How.
    pub via: Option<crate::attest::Listing>,
    /// Why there may be more than was listed.
    pub incomplete: Option<String>,
}

/// The reference with the folder or file that is really there. Names of images have colons and slashes, and so have paths:
/// `oci:DIR:x/one:latest` is the image `x/one:latest` of DIR where there is no folder `DIR:x/one`.
pub fn located(reference: &Reference) -> Reference {
    type Make = fn(PathBuf) -> Location;
    let (path, make): (_, Make) = match reference {
        Reference::At(Location::Layout(path), _) => (path, Location::Layout),
        Reference::At(Location::OciArchive(path), _) => (path, Location::OciArchive),
        Reference::At(Location::DockerArchive(path), _) => (path, Location::DockerArchive),
        _ => return reference.clone(),
    };
    let (Reference::At(_, selector), Some(text)) = (reference, path.to_str()) else {
        return reference.clone();
    };
    let end = match selector {
        Selector::Tag(tag) => format!(":{tag}"),
        Selector::Only => String::new(),
        Selector::Digest(_) => return reference.clone(),
    };
    if path.exists() {
        return reference.clone();
    }
    let mut colons: Vec<usize> = text.match_indices(':').map(|(at, _)| at).collect();
    colons.reverse();
    let split = colons.into_iter().find_map(|at| {
        let (path, name) = (text.get(..at)?, text.get(at + 1..)?);
        (!name.is_empty() && Path::new(path).exists()).then(|| (PathBuf::from(path), name))
    });
    match split {
        Some((path, name)) => Reference::At(make(path), Selector::Tag(format!("{name}{end}"))),
        None => reference.clone(),
    }
}

/// Opens the store at a location. A registry is not asked anything yet; a folder or archive is read as far as its own
/// index.
///
/// # Errors
/// When the folder or archive is none that can be read, or settings for the registry cannot be used.
pub async fn open(
    location: &Location,
    settings: &SourceSettings,
    limits: &Limits,
) -> Result<Arc<dyn Source>, SourceError> {
    if let Some(saved) = settings.access.saved() {
        let source = kept::again(location, saved, None, limits).await?;
        return Ok(handed::beside(source, &settings.handed));
    }
    let opened = open_place(location, settings, limits).await;
    let opened = opened.inspect_err(|error| kept::unopened(location, error, &settings.access));
    Ok(handed::beside(kept::keeping(opened?, &settings.access), &settings.handed))
}

async fn open_place(
    location: &Location,
    settings: &SourceSettings,
    limits: &Limits,
) -> Result<Arc<dyn Source>, SourceError> {
    if let Location::Registry(repository) = location {
        return Ok(Arc::new(registry::RegistrySource::new(repository, settings, limits)?));
    }
    let (location, limits) = (location.clone(), limits.clone());
    on_disk(location.clone(), move || match &location {
        Location::Layout(folder) => layout::LayoutSource::folder(folder, &limits),
        Location::OciArchive(file) | Location::DockerArchive(file) => {
            archive::open(&location, file, &limits)
        }
        Location::Registry(_) => Err(unreadable(&location, "is not a file")),
    })
    .await
    .map(|source| Arc::new(source) as Arc<dyn Source>)
}

/// As [`open`], for who has a bound on the memory that documents from a registry take.
///
/// # Errors
/// As [`open`].
pub async fn open_metered(
    location: &Location,
    settings: &SourceSettings,
    limits: &Limits,
    meter: &Meter,
) -> Result<Arc<dyn Source>, SourceError> {
    let Location::Registry(repository) = location else {
        return open(location, settings, limits).await;
    };
    let source: Arc<dyn Source> = match settings.access.saved() {
        Some(saved) => kept::again(location, saved, Some(meter), limits).await?,
        None => {
            let opened = registry::RegistrySource::new(repository, settings, limits);
            let opened =
                opened.inspect_err(|error| kept::unopened(location, error, &settings.access))?;
            kept::keeping(Arc::new(opened.metered(meter)), &settings.access)
        }
    };
    Ok(handed::beside(source, &settings.handed))
}

/// Runs work that waits for the disk on a thread where waiting is allowed.
async fn on_disk<T: Send + 'static>(
    location: Location,
    work: impl FnOnce() -> Result<T, SourceError> + Send + 'static,
) -> Result<T, SourceError> {
    let ended = |_| unreadable(&location, "reading it broke down");
    tokio::task::spawn_blocking(work).await.map_err(ended)?
}

fn unreadable(
    place: &Location,
    why: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> SourceError {
    SourceError::Unreadable { place: place.to_string(), why: why.into().to_string() }
}

/// The tag that stands in for the referrers API: `<algorithm>-<hex>`, the latter cut to 64 characters
/// (distribution-spec v1.1, "Referrers Tag Schema").
fn referrers_tag(digest: &ManifestDigest) -> String {
    let hex: String = digest.hex().chars().take(64).collect();
    format!("{}-{hex}", digest.digest().algorithm().name())
}

/// Refuses a blob that is too large to be read whole, before any of it is read.
fn check_small(
    descriptor: &Descriptor,
    limit_bytes: usize,
    place: &Location,
) -> Result<(), SourceError> {
    if descriptor.size <= limit_bytes as u64 {
        return Ok(());
    }
    Err(SourceError::Limit {
        place: place.to_string(),
        what: format!("{} of {} bytes", descriptor.digest, descriptor.size),
        limit_name: "attestation_bytes",
        limit: limit_bytes as u64,
    })
}

/// The bytes of a blob, if they are what its descriptor says.
fn check_blob(descriptor: &Descriptor, bytes: Bytes) -> Result<Bytes, FormatError> {
    let (expected, found) = (descriptor.size, bytes.len() as u64);
    if expected != found {
        return Err(FormatError::Size { what: "blob", expected, found });
    }
    Checked::new("blob", descriptor.digest.clone(), bytes).map(|checked| checked.bytes)
}

/// Why bytes could not be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// Nothing of this name.
    #[error("{what} is not at {place}")]
    NotFound {
        /// What was asked for.
        what: String,
        /// Where.
        place: String,
    },
    /// A blob or manifest that the image names is not there.
    #[error("{place} lacks {what}, which the image refers to")]
    BlobMissing {
        /// Its digest.
        what: String,
        /// Where.
        place: String,
    },
    /// The image has nothing for the platform that was asked for.
    #[error("{place} has no image for {wanted}; it has {found}")]
    PlatformMissing {
        /// Where.
        place: String,
        /// The platform.
        wanted: String,
        /// The platforms that there are.
        found: String,
    },
    /// An entry of an index is marked as no image, and listed for a platform that nodes run.
    #[error(
        "{place} lists {manifest} for {platform} and marks it as no image ({mark}); runtimes go by the platform"
    )]
    Disguised {
        /// Where.
        place: String,
        /// The entry's digest.
        manifest: String,
        /// The platform.
        platform: String,
        /// What marks it.
        mark: String,
    },
    /// Indexes that list each other, or too many levels of them.
    #[error("{place}: {why}")]
    IndexLoop {
        /// Where.
        place: String,
        /// What is wrong with them.
        why: String,
    },
    /// Credentials were refused, or are missing.
    #[error("{place} refuses access: {why}")]
    Unauthorized {
        /// Where.
        place: String,
        /// What it said.
        why: String,
    },
    /// What was asked for is not given to us (403); some registries say so of what is not there.
    #[error("{place} refuses access: {why}")]
    Forbidden {
        /// Where.
        place: String,
        /// What it said.
        why: String,
    },
    /// hallmark itself went no further.
    #[error("{place}: {why}")]
    Refused {
        /// Where.
        place: String,
        /// By which of its rules.
        rule: Refusal,
        /// What was refused, and what to do.
        why: String,
    },
    /// The document or blob is not what its descriptor says.
    #[error("{place}: {error}")]
    Format {
        /// Where.
        place: String,
        /// What is wrong.
        error: FormatError,
    },
    /// It could not be read: network, a server's error, a time limit.
    #[error("{place}: {why}")]
    Unavailable {
        /// Where.
        place: String,
        /// What happened.
        why: String,
    },
    /// A registry that is asked with TLS answers without. What answers there may be anybody: it says nothing of what the operator wrote.
    #[error("{place}: {host} answers without TLS")]
    Plain {
        /// Where.
        place: String,
        /// The registry, with its port.
        host: String,
    },
    /// What was fetched cannot be kept in the folder for temporary files.
    #[error("{place}: {why}")]
    Unkept {
        /// The folder.
        place: String,
        /// What the system said.
        why: String,
    },
    /// A folder or file on this machine cannot be read or written.
    #[error("{place}: {why}")]
    Unreadable {
        /// Where.
        place: String,
        /// What happened.
        why: String,
    },
    /// A tag names several images, or none was chosen where there are several.
    #[error("{place} holds several images ({found}); name one with :NAME:TAG, :TAG or @DIGEST")]
    Ambiguous {
        /// Where.
        place: String,
        /// What there is.
        found: String,
    },
    /// A listing has more entries or pages than are read.
    #[error("{place}: {what} goes beyond {} of {limit}", crate::limits::key(.limit_name))]
    Limit {
        /// Where.
        place: String,
        /// What is too large.
        what: String,
        /// The name of the limit in `hallmark.yaml`.
        limit_name: &'static str,
        /// Its value.
        limit: u64,
    },
}

/// A rule of hallmark's own by which it does not go on: nothing outside has to change for it to hold again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// An address that is further inside than is allowed ([`address`]).
    Address(address::Beyond),
    /// A certificate that no authority vouches for.
    Certificate,
    /// A place that a registry names and that nothing is sent to.
    Redirect,
    /// A token service that may not see the credentials, and gives nothing without them.
    Realm,
    /// Settings that cannot be used: a proxy, a file of authorities, a host.
    Settings,
    /// Saved evidence without the answer: nobody else is asked.
    NotSaved,
}

impl Refusal {
    fn code(self) -> Code {
        match self {
            Self::Address(_) => Code::SourceAddressRefused,
            Self::Certificate => Code::SourceCertificateRefused,
            Self::Redirect => Code::SourceRedirectRefused,
            Self::Realm => Code::SourceRealmRefused,
            Self::Settings => Code::SourceSettingsUnusable,
            Self::NotSaved => Code::SourceNotSaved,
        }
    }
}

impl SourceError {
    /// Where it happened.
    pub fn place(&self) -> &str {
        match self {
            Self::NotFound { place, .. }
            | Self::BlobMissing { place, .. }
            | Self::PlatformMissing { place, .. }
            | Self::Disguised { place, .. }
            | Self::IndexLoop { place, .. }
            | Self::Unauthorized { place, .. }
            | Self::Forbidden { place, .. }
            | Self::Refused { place, .. }
            | Self::Format { place, .. }
            | Self::Unavailable { place, .. }
            | Self::Plain { place, .. }
            | Self::Unreadable { place, .. }
            | Self::Unkept { place, .. }
            | Self::Ambiguous { place, .. }
            | Self::Limit { place, .. } => place,
        }
    }

    /// The finding that this error is at the border of the stage.
    pub fn into_finding(self, subject: Subject) -> Finding {
        let code = match &self {
            Self::NotFound { .. } => Code::SourceNotFound,
            Self::BlobMissing { .. } => Code::ImageBlobMissing,
            Self::PlatformMissing { .. } => Code::ImagePlatformMissing,
            Self::IndexLoop { .. } => Code::ImageIndexLoop,
            Self::Unauthorized { .. } | Self::Forbidden { .. } => Code::SourceUnauthorized,
            Self::Disguised { .. } => Code::ImageEntryDisguised,
            Self::Refused { rule, .. } => rule.code(),
            Self::Unreadable { .. } | Self::Unkept { .. } => Code::SourceUnreadable,
            Self::Unavailable { .. } | Self::Plain { .. } => Code::SourceUnavailable,
            Self::Ambiguous { .. } => Code::SourceAmbiguous,
            Self::Limit { .. } => Code::LimitExceeded,
            Self::Format { error, .. } => return error.clone().into_finding(subject),
        };
        let finding = Finding::new(code, subject).with(Key::Why, self.to_string());
        match self {
            Self::Refused { rule: Refusal::Address(beyond), .. } => {
                finding.with(Key::Help, beyond.help())
            }
            Self::Unkept { .. } => finding.with(Key::Help, TEMPORARY),
            Self::Plain { host, .. } => finding.with(Key::Help, plainly(&host)),
            Self::Unauthorized { place, .. } | Self::Forbidden { place, .. } => {
                finding.with(Key::Help, to_log_in(&place))
            }
            Self::NotFound { what, place } if what.parse::<Digest>().is_err() => {
                finding.with(Key::Help, name_to_check(&place))
            }
            _ => finding,
        }
    }
}

/// What to write where a registry is meant to be spoken to without TLS.
fn plainly(host: &str) -> String {
    format!(
        "if it should, write registries: [{{host: \"{host}\", plainHttp: true}}] in hallmark.yaml, and name that by --config; \
         else find out what answers at this address"
    )
}

/// What to type where a repository asks for credentials, or for others.
fn to_log_in(place: &str) -> String {
    let host = place.split_once('/').map_or(place, |(host, _)| host);
    let host = if host == DOCKER_HUB { String::new() } else { format!(" {host}") };
    format!(
        "log in with an account that may: docker login{host}, or podman login{host}; where credentials lie elsewhere, set DOCKER_CONFIG \
         to a folder with a config.json"
    )
}

/// The registry that `docker login` means where none is named.
const DOCKER_HUB: &str = "docker.io";

/// What to look at where nothing of a name is at a place.
fn name_to_check(place: &str) -> &'static str {
    let is_here =
        ["oci:", "oci-archive:", "docker-archive:"].iter().any(|kind| place.starts_with(kind));
    match is_here {
        true => {
            "check the path, which starts at the working folder where it is relative, and the tag"
        }
        false => "check the name and the tag",
    }
}

impl FormatError {
    /// The finding that this error is at the border of the stage.
    pub fn into_finding(self, subject: Subject) -> Finding {
        let why = self.to_string();
        let finding = match self {
            Self::Digest { expected, found, .. } => {
                Finding::new(Code::ImageDigestMismatch, subject)
                    .with(Key::Expect, &expected)
                    .with(Key::Found, &found)
            }
            Self::Size { expected, found, .. } => Finding::new(Code::ImageSizeMismatch, subject)
                .with(Key::Expect, crate::finding::Fact::Bytes(expected))
                .with(Key::Found, crate::finding::Fact::Bytes(found)),
            Self::Malformed { .. } => Finding::new(Code::ImageMalformed, subject),
            Self::MediaType { .. } => Finding::new(Code::ImageMediaTypeUnknown, subject),
            Self::Limit { .. } => Finding::new(Code::LimitExceeded, subject),
        };
        finding.with(Key::Why, why)
    }
}

/// What helps where the folder for temporary files takes nothing.
const TEMPORARY: &str = "layers are kept there while they are read: make room in it, or name a folder that is there, has room and may be \
    written by this user: TMPDIR=DIR";

/// That what was fetched cannot be kept in this folder.
pub(crate) fn unwritable(folder: &Path, error: &std::io::Error) -> SourceError {
    let why = match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            format!("the folder for temporary files is full ({error})")
        }
        _ => format!("the folder for temporary files: {error}"),
    };
    SourceError::Unkept { place: folder.display().to_string(), why }
}

/// The name that a blob has as a manifest: both are digests of bytes, in different stores.
pub fn manifest_digest(descriptor: &Descriptor) -> ManifestDigest {
    ManifestDigest::new(descriptor.digest.digest().clone())
}

/// The name that a manifest has in a store that keeps everything as blobs.
pub fn blob_digest(digest: &ManifestDigest) -> BlobDigest {
    BlobDigest::new(digest.digest().clone())
}
