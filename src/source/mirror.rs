//! Where TUF repositories are read: a folder, or an address.
//!
//! Turns the names that an [`Update`] wants into bytes, never more of them than it allows and never for longer than the
//! limits say. Names come from `trust::sigstore::tuf`, which makes them itself. HTTPS everywhere but on this machine; no
//! redirect is followed, since a repository answers for itself.

use std::{io, io::Read as _, path::PathBuf, time::Duration};

use reqwest::{Client, StatusCode};
use tokio::time::timeout;
use url::Url;

use super::{client::unmade, no_proxy, settings::SourceSettings};
use crate::{
    limits::Limits,
    reach::is_loopback,
    trust::sigstore::tuf::{Cache, Current, TufError, Update, Wanted},
};

/// The slowest average transfer, in bytes a second.
const SLOWEST_BYTES_PER_SECOND: u64 = 32 << 10;

/// A place with the files of a repository.
#[derive(Debug)]
pub struct Mirror {
    place: Place,
    limits: Limits,
}

#[derive(Debug)]
enum Place {
    Folder(PathBuf),
    Address { base: Url, client: Client },
}

/// Why a repository could not be read, or is not believed.
#[derive(Debug, thiserror::Error)]
pub enum MirrorError {
    /// Neither a folder nor an address that may be asked.
    #[error("{0:?} is no folder, and no https:// address; http:// is for this machine only")]
    Address(String),
    /// The file is there and cannot be read.
    #[error("{path}: {error}")]
    File {
        /// Which file.
        path: String,
        /// What the system said.
        error: io::Error,
    },
    /// The address does not answer as it should.
    #[error("{path}: {why}")]
    Unavailable {
        /// Which file.
        path: String,
        /// What happened.
        why: String,
    },
    /// The file is larger than anybody needs.
    #[error("{path} has more than {limit} bytes, a limit that no setting raises")]
    TooLarge {
        /// Which file.
        path: String,
        /// The limit.
        limit: usize,
    },
    /// What came is not believed.
    #[error("{0}")]
    Tuf(#[from] TufError),
}

impl Mirror {
    /// A folder, or an address.
    ///
    /// # Errors
    /// [`MirrorError::Address`].
    pub fn open(
        text: &str,
        settings: &SourceSettings,
        limits: &Limits,
    ) -> Result<Self, MirrorError> {
        let refused = || MirrorError::Address(text.to_owned());
        let limits = limits.clone();
        if !text.contains("://") {
            let folder = PathBuf::from(text);
            let place = folder.is_dir().then_some(Place::Folder(folder)).ok_or_else(refused)?;
            return Ok(Self { place, limits });
        }
        let mut base: Url = text.parse().map_err(|_| refused())?;
        let host = base.host_str().ok_or_else(refused)?.to_owned();
        let local = is_loopback(&host);
        if !(base.scheme() == "https" || base.scheme() == "http" && local) {
            return Err(refused());
        }
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        let mut builder = Client::builder()
            .user_agent(concat!("hallmark/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .connect_timeout(limits.request);
        if let Some(proxy) = settings.proxy.as_ref().filter(|_| !local) {
            let proxy = no_proxy::proxy(proxy, settings.no_proxy.as_deref());
            builder = builder.proxy(proxy.map_err(|_| refused())?);
        }
        let client = builder.build().map_err(|error| MirrorError::Unavailable {
            path: text.to_owned(),
            why: unmade(error),
        })?;
        Ok(Self { place: Place::Address { base, client }, limits })
    }

    /// The bytes of a file; `None` where it is not there.
    async fn get(&self, wanted: &Wanted) -> Result<Option<Vec<u8>>, MirrorError> {
        match &self.place {
            Place::Folder(folder) => from_folder(folder.join(&wanted.path), wanted),
            Place::Address { base, client } => {
                let bytes = u64::try_from(wanted.limit).unwrap_or(u64::MAX);
                let transfer = Duration::from_secs(bytes / SLOWEST_BYTES_PER_SECOND);
                let whole = self.limits.request.saturating_add(transfer);
                let got = timeout(whole, self.download(base, client, wanted)).await;
                got.unwrap_or_else(|_| {
                    Err(unavailable(wanted, format!("nothing whole came in {whole:?}")))
                })
            }
        }
    }

    async fn download(
        &self,
        base: &Url,
        client: &Client,
        wanted: &Wanted,
    ) -> Result<Option<Vec<u8>>, MirrorError> {
        let failed = |error: reqwest::Error| unavailable(wanted, chain(&error));
        let url = base.join(&wanted.path).map_err(|e| unavailable(wanted, e.to_string()))?;
        let mut response = client.get(url).send().await.map_err(failed)?;
        match response.status() {
            // Stores of objects say "forbidden" about what is not there, to those who may not list.
            StatusCode::NOT_FOUND | StatusCode::FORBIDDEN => return Ok(None),
            StatusCode::OK => {}
            status => return Err(unavailable(wanted, format!("it answers {status}"))),
        }
        let mut bytes = Vec::new();
        loop {
            let chunk = timeout(self.limits.stall, response.chunk()).await;
            let chunk = chunk.map_err(|_| unavailable(wanted, "the transfer stalls".to_owned()))?;
            let Some(chunk) = chunk.map_err(failed)? else { return Ok(Some(bytes)) };
            if bytes.len().saturating_add(chunk.len()) > wanted.limit {
                return Err(MirrorError::TooLarge {
                    path: wanted.path.clone(),
                    limit: wanted.limit,
                });
            }
            bytes.extend_from_slice(&chunk);
        }
    }

    /// Brings an update to its end.
    ///
    /// # Errors
    /// See [`MirrorError`].
    pub async fn complete(&self, mut update: Update) -> Result<(Current, Cache), MirrorError> {
        while let Some(wanted) = update.wanted() {
            update.take(self.get(&wanted).await?)?;
        }
        Ok(update.finish()?)
    }
}

fn from_folder(file: PathBuf, wanted: &Wanted) -> Result<Option<Vec<u8>>, MirrorError> {
    let failed = |error| MirrorError::File { path: wanted.path.clone(), error };
    let file = match crate::scratch::open_file(&file) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let limit = u64::try_from(wanted.limit).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > wanted.limit {
        return Err(MirrorError::TooLarge { path: wanted.path.clone(), limit: wanted.limit });
    }
    Ok(Some(bytes))
}

fn unavailable(wanted: &Wanted, why: String) -> MirrorError {
    MirrorError::Unavailable { path: wanted.path.clone(), why }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
