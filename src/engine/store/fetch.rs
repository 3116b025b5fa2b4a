//! Filling a store.
//!
//! Turns a plan into files of a store: every base image for the plan's platform, every commit, every download, each held
//! against its digest before it is kept. Images are read by hallmark's own registry client, so private ones need nothing more
//! than a login: the credentials go to their own registry and no engine sees them. What the store has already is not
//! fetched again. Refuses what the plan does not pin.

use std::{
    fs, io,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use futures_util::StreamExt as _;
use reqwest::{
    header::{LAST_MODIFIED, LOCATION},
    redirect::Policy,
};
use serde_json::{Value, json};

use super::Store;
use crate::{
    attest::provenance::{Commit, MaterialKind, Pin},
    digest::{Digest, Hasher, ManifestDigest},
    engine::{
        EngineSettings,
        egress::{Egress, Inside},
        git::{self, Git},
        ids,
        sandbox::Shell,
    },
    image::{Descriptor, Document, FormatError, Manifest},
    limits::Limits,
    progress::Underway,
    rebuild::{Plan, pins},
    reference::Location,
    source::{self, Source, SourceError, SourceSettings, Spool, address::Unlisted},
};

/// Redirects of a download that are followed.
const MAX_REDIRECTS: usize = 10;

/// Why something could not be kept.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file cannot be written.
    #[error("the store: {0}")]
    Io(#[from] io::Error),
    /// A registry does not give it.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A document is not of its form.
    #[error("{place}: {error}")]
    Format {
        /// Which image.
        place: String,
        /// What is wrong.
        error: FormatError,
    },
    /// The image is not there for the platform.
    #[error("{place} has no image for {platform}")]
    NoPlatform {
        /// Which image.
        place: String,
        /// Which platform.
        platform: String,
    },
    /// git did not give the commit.
    #[error("{url} does not give the commit {commit}: {why}")]
    Git {
        /// The repository.
        url: String,
        /// The commit.
        commit: String,
        /// git's last words.
        why: String,
    },
    /// Nobody answered who could have given it, or a server broke.
    #[error("{url} is out of reach: {why}")]
    Unanswered {
        /// The repository, or the URL of a download.
        url: String,
        /// What happened.
        why: String,
    },
    /// A download failed, or is another file.
    #[error("{url}: {why}")]
    Download {
        /// The URL.
        url: String,
        /// What happened.
        why: String,
    },
}

impl StoreError {
    /// Whether nobody knows if it is there: whoever should have it did not answer, or broke.
    pub fn is_unanswered(&self) -> bool {
        matches!(self, Self::Unanswered { .. } | Self::Source(SourceError::Unavailable { .. }))
    }

    /// Whether it is trouble of this machine.
    pub fn is_of_machine(&self) -> bool {
        use SourceError::{Unkept, Unreadable};
        matches!(self, Self::Io(_) | Self::Source(Unkept { .. } | Unreadable { .. }))
    }

    /// Whether a disk of this machine is full.
    pub fn is_for_want_of_room(&self) -> bool {
        let full = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded];
        match self {
            Self::Io(error) => full.contains(&error.kind()),
            Self::Source(SourceError::Unkept { .. }) => true,
            _ => false,
        }
    }
}

/// How many inputs were kept, and how many were there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Kept {
    /// Fetched now.
    pub fetched: usize,
    /// There before.
    pub present: usize,
}

/// Every repository of a plan with the commit that is needed of it.
pub fn repositories(plan: &Plan) -> impl Iterator<Item = (&str, &Commit)> {
    let others =
        plan.materials.iter().filter_map(|material| match (&material.kind, &material.pin) {
            (MaterialKind::Git, Pin::Commit(commit)) => {
                let url = material.uri.split('#').next().unwrap_or_default();
                Some((url.trim_start_matches("git+"), commit))
            }
            _ => None,
        });
    let source = plan.source.repository();
    source.map(|source| (source.url.as_str(), &source.commit)).into_iter().chain(others)
}

/// Where inputs are fetched from.
pub struct Origins<'a> {
    /// Mirrors, authorities and proxies.
    pub settings: &'a EngineSettings,
    /// How registries are reached.
    pub sources: &'a SourceSettings,
}

/// Fills the store with all that the plan needs. `shell` is that of a job, in whose folder all of it is on its way.
///
/// # Errors
/// See [`StoreError`]; what was kept before stays.
pub async fn fetch(
    plan: &Plan,
    store: &Store,
    origins: &Origins<'_>,
    limits: &Limits,
    shell: &Shell<'_>,
) -> Result<Kept, StoreError> {
    let mut filling = Filling { store, origins, limits, shell, kept: Kept::default() };
    filling.layout()?;
    for base in pins::bases(plan) {
        filling.image(&base, plan).await?;
    }
    let mut done: Vec<(&str, &Commit)> = Vec::new();
    for (url, commit) in repositories(plan) {
        if !done.contains(&(url, commit)) {
            filling.commit(url, commit).await?;
            done.push((url, commit));
        }
    }
    filling.downloads(plan, &[Inside::AsNamed, Inside::Never]).await?;
    Ok(filling.kept)
}

/// The same for what steps download, and nothing else.
///
/// # Errors
/// See [`StoreError`].
pub(in crate::engine) async fn downloads_of_steps(
    plan: &Plan,
    store: &Store,
    origins: &Origins<'_>,
    limits: &Limits,
    shell: &Shell<'_>,
) -> Result<Kept, StoreError> {
    let mut filling = Filling { store, origins, limits, shell, kept: Kept::default() };
    filling.downloads(plan, &[Inside::Never]).await?;
    Ok(filling.kept)
}

struct Filling<'a> {
    store: &'a Store,
    origins: &'a Origins<'a>,
    limits: &'a Limits,
    shell: &'a Shell<'a>,
    kept: Kept,
}

impl Filling<'_> {
    /// The images of a store are an OCI layout, for whoever has no hallmark.
    fn layout(&self) -> io::Result<()> {
        fs::create_dir_all(self.store.folder.join("blobs/sha256"))?;
        let version = json!({ "imageLayoutVersion": "1.0.0" }).to_string();
        fs::write(self.store.folder.join("oci-layout"), version)?;
        let index = self.store.folder.join("index.json");
        if index.exists() {
            return Ok(());
        }
        put(&index, json!({ "schemaVersion": 2, "manifests": [] }).to_string().as_bytes())
    }

    /// Mirrors are asked first, and need not be believed: what is asked for is a digest.
    async fn image(&mut self, base: &pins::Base, plan: &Plan) -> Result<(), StoreError> {
        let (registry, path) = base.repository.split_once('/').unwrap_or_default();
        for mirror in self.origins.settings.mirrors_of(registry) {
            let at = pins::Base { repository: format!("{}/{path}", mirror.at), ..base.clone() };
            if self.image_from(&at, base, plan).await.is_ok() {
                return Ok(());
            }
        }
        self.image_from(base, base, plan).await
    }

    async fn image_from(
        &mut self,
        at: &pins::Base,
        base: &pins::Base,
        plan: &Plan,
    ) -> Result<(), StoreError> {
        let place = at.pinned();
        self.shell.sink.stage(&format!("keeping {place}"));
        let repository = at.repository.parse().map_err(|error| StoreError::Download {
            url: place.clone(),
            why: format!("{error}"),
        })?;
        let location = Location::Registry(repository);
        let sources = bounded(self.origins, at, plan);
        let source = source::open(&location, &sources, self.limits).await?;
        let digest = ManifestDigest::new(base.digest.clone());
        let stored = source.manifest(&digest).await?;
        let (bytes, media_type) = (stored.document.bytes.clone(), stored.media_type.clone());
        let format = |error| StoreError::Format { place: place.clone(), error };
        let document = Document::parse(stored.document, stored.media_type.as_ref(), self.limits);
        let manifests = match document.map_err(format)? {
            Document::Manifest(manifest) => vec![manifest],
            Document::Index(index) => {
                let fits =
                    |d: &&Descriptor| d.platform.as_ref().is_some_and(|p| p.serves(&plan.platform));
                let mut found = Vec::new();
                for child in index.manifests.iter().filter(fits) {
                    found.push(self.child(&*source, child, &place).await?);
                }
                found
            }
        };
        if manifests.is_empty() {
            return Err(StoreError::NoPlatform { place, platform: plan.platform.to_string() });
        }
        let spool = Spool::inside(self.shell.work)?;
        let layers = manifests.iter().flat_map(|manifest| &manifest.layers);
        layers.for_each(|layer| spool.work().expect(1, layer.size));
        let _underway = Underway::new(self.shell.sink, spool.work());
        for manifest in &manifests {
            self.contents(&*source, manifest, &spool).await?;
        }
        self.keep(&base.digest, &bytes)?;
        let kind = media_type.map(|kind| kind.as_str().to_owned());
        self.list(&base.digest, bytes.len(), kind, &base.pinned())?;
        Ok(())
    }

    async fn child(
        &mut self,
        source: &dyn Source,
        child: &Descriptor,
        place: &str,
    ) -> Result<Manifest, StoreError> {
        let digest = ManifestDigest::new(child.digest.digest().clone());
        let stored = source.manifest(&digest).await?;
        self.keep(digest.digest(), &stored.document.bytes)?;
        Manifest::parse(stored.document, Some(&child.media_type), self.limits)
            .map_err(|error| StoreError::Format { place: place.to_owned(), error })
    }

    async fn contents(
        &mut self,
        source: &dyn Source,
        manifest: &Manifest,
        spool: &Spool,
    ) -> Result<(), StoreError> {
        let config = source.small_blob(&manifest.config, self.limits.config_bytes).await?;
        self.keep(manifest.config.digest.digest(), &config)?;
        for layer in &manifest.layers {
            let path = self.store.blob(layer.digest.digest());
            if self.has(&path, layer.digest.digest())? {
                spool.work().count(layer.size);
                spool.work().finish_item();
                continue;
            }
            let blob = source.blob(layer, spool).await?;
            write(&path, &mut blob.open()?)?;
            self.kept.fetched += 1;
            spool.work().finish_item();
        }
        Ok(())
    }

    /// Whether the file is there and whole: a store may have been anywhere.
    fn has(&mut self, path: &Path, digest: &Digest) -> io::Result<bool> {
        let Ok(mut file) = fs::File::open(path) else { return Ok(false) };
        let mut hashing = Hashing(Hasher::new(digest.algorithm()));
        io::copy(&mut file, &mut hashing)?;
        let whole = hashing.0.finish() == *digest;
        self.kept.present += usize::from(whole);
        Ok(whole)
    }

    fn keep(&mut self, digest: &Digest, bytes: &[u8]) -> io::Result<()> {
        let path = self.store.blob(digest);
        if self.has(&path, digest)? {
            return Ok(());
        }
        self.kept.fetched += 1;
        put(&path, bytes)
    }

    /// Names an image in the layout, by what the plan calls it.
    fn list(
        &self,
        digest: &Digest,
        size: usize,
        media_type: Option<String>,
        name: &str,
    ) -> io::Result<()> {
        let path = self.store.folder.join("index.json");
        let mut index: Value = serde_json::from_slice(&fs::read(&path)?)?;
        let entry = json!({
            "mediaType": media_type.unwrap_or_else(|| "application/vnd.oci.image.index.v1+json".to_owned()),
            "digest": digest.to_string(),
            "size": size,
            "annotations": { "org.opencontainers.image.ref.name": name },
        });
        let Some(list) = index.get_mut("manifests").and_then(Value::as_array_mut) else {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "index.json is no index"));
        };
        list.retain(|known| known["annotations"] != entry["annotations"]);
        list.push(entry);
        put(&path, index.to_string().as_bytes())
    }

    /// One bare repository for each URL; git hashes all that it receives.
    async fn commit(&mut self, url: &str, commit: &Commit) -> Result<(), StoreError> {
        self.shell.sink.stage(&format!("keeping {url} at {}", commit.as_str()));
        let repository = self.store.repository(url);
        let failed = |why: String| StoreError::Git {
            url: url.to_owned(),
            commit: commit.as_str().to_owned(),
            why,
        };
        fs::create_dir_all(&repository)?;
        git::own(&repository, self.shell.ids()).map_err(failed)?;
        if let Some(ids) = self.shell.ids() {
            // git works in no folder of somebody else's.
            for folder in repository.ancestors().take(3).filter(|f| f.starts_with(self.shell.work))
            {
                ids::give(folder, ids)?;
            }
        }
        let git = Git::reaching(self.shell, &repository, url, self.origins.settings);
        let git = git.map_err(failed)?;
        let there = format!("{}^{{commit}}", commit.as_str());
        if git.succeeds(&["cat-file", "-e", &there]).await.is_ok() {
            self.kept.present += 1;
            return Ok(());
        }
        let format = if commit.as_str().len() == 64 { "sha256" } else { "sha1" };
        let init = ["init", "--quiet", "--bare", "--template=", "--object-format"];
        git.succeeds(&[&init[..], &[format]].concat()).await.map_err(failed)?;
        let allow = ["config", "uploadpack.allowAnySHA1InWant", "true"];
        git.succeeds(&allow).await.map_err(failed)?;
        let fetch = ["fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--force"];
        let one = ["--depth=1", "--", url, commit.as_str()];
        if git.succeeds(&[&fetch[..], &one[..]].concat()).await.is_err() {
            let all = ["--", url, "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"];
            let fetched = git.succeeds(&[&fetch[..], &all[..]].concat()).await;
            fetched.map_err(|why| match git.is_unanswered(&why) {
                true => StoreError::Unanswered { url: url.to_owned(), why },
                false => failed(why),
            })?;
        }
        // A ref keeps it from being collected, and lets clients without wishes find it.
        let name = format!("refs/heads/hallmark-{}", commit.as_str());
        git.succeeds(&["update-ref", &name, &there]).await.map_err(failed)?;
        self.kept.fetched += 1;
        Ok(())
    }

    /// Those that may lie so far inside: what a step downloads was never named by the source.
    async fn downloads(&mut self, plan: &Plan, wanted: &[Inside]) -> Result<(), StoreError> {
        for material in &plan.materials {
            if let (MaterialKind::Http, Pin::Content(digest)) = (&material.kind, &material.pin) {
                let by_step = plan.fetched.contains(&material.uri);
                let inside = if by_step { Inside::Never } else { Inside::AsNamed };
                if wanted.contains(&inside) {
                    self.download(&material.uri, digest, inside).await?;
                }
            }
        }
        Ok(())
    }

    async fn download(
        &mut self,
        url: &str,
        digest: &Digest,
        inside: Inside,
    ) -> Result<(), StoreError> {
        let path = self.store.download(digest);
        if self.has(&path, digest)? {
            return Ok(());
        }
        self.shell.sink.stage(&format!("keeping {url}"));
        let failed = |why: String| StoreError::Download { url: url.to_owned(), why };
        // The proxy is ours, and judges every address after names were resolved, that of a redirect too.
        let way = Egress::guarded(url, inside, self.origins.settings)?;
        let client = way
            .proxy()
            .and_then(|proxy| {
                reqwest::Client::builder().redirect(Policy::none()).proxy(proxy).build()
            })
            .map_err(|e| failed(e.to_string()))?;
        let answer = follow(&client, url).await;
        let answer = answer.map_err(|Unfollowed { why, unanswered }| {
            let (why, unanswered) = match way.refusal() {
                Some(refusal) => (refusal, way.is_unanswered()),
                None => (why, unanswered),
            };
            match unanswered {
                true => StoreError::Unanswered { url: url.to_owned(), why },
                false => failed(why),
            }
        })?;
        let modified = answer.headers().get(LAST_MODIFIED).and_then(|text| text.to_str().ok());
        let modified = modified.and_then(|text| jiff::fmt::rfc2822::parse(text).ok());
        let modified = modified.map_or(UNIX_EPOCH, |time| SystemTime::from(time.timestamp()));
        let mut body = answer.bytes_stream();
        let parent = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(parent)?;
        let mut file = tempfile::NamedTempFile::new_in(parent)?;
        let (mut hasher, mut size) = (Hasher::new(digest.algorithm()), 0_u64);
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(|e| failed(e.to_string()))?;
            size = size.saturating_add(chunk.len() as u64);
            if size > self.limits.layer_bytes {
                return Err(failed(format!(
                    "it is larger than {} bytes (limits.layerBytes)",
                    self.limits.layer_bytes
                )));
            }
            hasher.update(&chunk);
            io::Write::write_all(&mut file, &chunk)?;
        }
        let found = hasher.finish();
        if found != *digest {
            return Err(failed(format!("it is {found}, not the recorded {digest}")));
        }
        // BuildKit gives the file this time, where it adds one (`ADD URL`).
        file.as_file().set_modified(modified)?;
        file.persist(&path).map_err(|e| e.error)?;
        self.kept.fetched += 1;
        Ok(())
    }
}

/// The answer behind redirects. Each is asked for anew: a client that follows them itself leaves out what the egress lets it through by.
async fn follow(client: &reqwest::Client, url: &str) -> Result<reqwest::Response, Unfollowed> {
    let refused = |why: String| Unfollowed { why, unanswered: false };
    let mut url = reqwest::Url::parse(url).map_err(|e| refused(e.to_string()))?;
    for _ in 0..=MAX_REDIRECTS {
        let answer = client.get(url.clone()).send().await?;
        let target = answer.headers().get(LOCATION).and_then(|text| text.to_str().ok());
        let Some(target) = target.filter(|_| answer.status().is_redirection()) else {
            return Ok(answer.error_for_status()?);
        };
        url = url.join(target).map_err(|e| refused(format!("it redirects to no URL: {e}")))?;
    }
    Err(refused(format!("more than {MAX_REDIRECTS} redirects are not followed")))
}

/// Why there is no answer with the file.
struct Unfollowed {
    why: String,
    /// Whether nobody answered, or a server broke.
    unanswered: bool,
}

impl From<reqwest::Error> for Unfollowed {
    fn from(error: reqwest::Error) -> Self {
        let broken = error.status().is_some_and(|status| status.is_server_error());
        let unanswered = broken || error.is_connect() || error.is_timeout();
        Self { why: error.to_string(), unanswered }
    }
}

/// How a registry is reached for a base. It is whoever wrote the provenance that names it, so that only those may be in a private
/// network or on this machine that the operator names, and the one that the image itself came from.
fn bounded(origins: &Origins<'_>, at: &pins::Base, plan: &Plan) -> SourceSettings {
    let mut sources = origins.sources.clone();
    let host = at.repository.split('/').next().unwrap_or_default();
    let is_mirror = origins.settings.mirrors.iter().any(|mirror| mirror.host() == host);
    if is_mirror && sources.registry(host).is_none() {
        sources.unlisted = Unlisted::Anywhere;
    } else if !is_mirror && plan.registry.as_deref() != Some(host) {
        sources.unlisted = Unlisted::PublicOnly;
    }
    sources
}

struct Hashing(Hasher);

impl io::Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes a file whole or not at all.
fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write(path, &mut &bytes[..])
}

fn write(path: &Path, from: &mut dyn io::Read) -> io::Result<()> {
    let parent = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(parent)?;
    let mut file = tempfile::NamedTempFile::new_in(parent)?;
    // Fails at the end where the bytes are not those of the digest, and then nothing stays.
    io::copy(from, &mut file)?;
    file.persist(path).map_err(|e| e.error)?;
    Ok(())
}

#[cfg(test)]
mod tests;
