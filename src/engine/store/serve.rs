//! The store as a registry in the builder's cage, read-only, for the length of one build.
//!
//! Turns `GET` and `HEAD` of `/v2/NAME/manifests/DIGEST` and `/v2/NAME/blobs/DIGEST` (distribution-spec v1.1) into files of the
//! store, whatever the name: a digest names one content. `/http/ALGORITHM/HEX` gives downloads. Refuses tags and everything
//! else. It checks nothing: whoever asks names a digest and holds the answer to it.

use std::{
    collections::BTreeSet,
    io,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{
        HeaderName, HeaderValue, Method, StatusCode, Uri,
        header::{CONTENT_LENGTH, CONTENT_TYPE, LAST_MODIFIED},
    },
    response::{IntoResponse, Response},
};
use futures_util::stream;
use jiff::fmt::rfc2822::DateTimePrinter;
use serde::Deserialize;
use tokio::{
    fs::File,
    io::AsyncReadExt,
    net::TcpListener,
    task::{AbortHandle, JoinHandle},
};

use super::Store;
use crate::digest::Digest;

/// Bytes that are read from a file at once.
const CHUNK_BYTES: usize = 256 << 10;
/// Largest document whose media type is looked for, in bytes.
const DOCUMENT_BYTES: u64 = 8 << 20;

/// Digests that were given, in whole or in part.
pub type Given = Arc<Mutex<BTreeSet<Digest>>>;

/// A running registry; it ends when this is dropped.
#[derive(Debug)]
pub struct Serving {
    address: SocketAddr,
    task: AbortHandle,
}

impl Serving {
    /// `host:port`.
    pub fn address(&self) -> String {
        self.address.to_string()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Serves the store on a socket, which is where the builder can reach it and nobody else. What it gives is kept in `given`.
///
/// # Errors
/// The socket cannot be used.
pub fn serve(store: &Store, listener: std::net::TcpListener, given: Given) -> io::Result<Serving> {
    let listener = TcpListener::from_std(listener)?;
    let address = listener.local_addr()?;
    let router = Router::new().fallback(answer).with_state((Arc::new(store.clone()), given));
    let task: JoinHandle<io::Result<()>> =
        tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(Serving { address, task: task.abort_handle() })
}

/// What a path means.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    Version,
    Manifest(Digest),
    Blob(Digest),
    Download(Digest),
}

fn asked(path: &str) -> Option<Asked> {
    if let Some(rest) = path.strip_prefix("/http/") {
        let (algorithm, hex) = rest.split_once('/')?;
        return format!("{algorithm}:{hex}").parse().ok().map(Asked::Download);
    }
    let rest = path.strip_prefix("/v2/")?;
    if rest.is_empty() {
        return Some(Asked::Version);
    }
    let (before, digest) = rest.rsplit_once('/')?;
    let digest = digest.parse().ok()?;
    match before.rsplit_once('/') {
        Some((_, "manifests")) => Some(Asked::Manifest(digest)),
        Some((_, "blobs")) => Some(Asked::Blob(digest)),
        _ => None,
    }
}

async fn answer(
    State((store, given)): State<(Arc<Store>, Given)>,
    method: Method,
    uri: Uri,
) -> Response {
    if method != Method::GET && method != Method::HEAD {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    let found = match asked(uri.path()) {
        Some(Asked::Version) => return StatusCode::OK.into_response(),
        Some(Asked::Manifest(digest)) => {
            let path = store.blob(&digest);
            let kind = media_type(&path).await;
            kind.map(|kind| (path, kind, digest))
        }
        Some(Asked::Blob(digest)) => {
            Some((store.blob(&digest), "application/octet-stream".to_owned(), digest))
        }
        Some(Asked::Download(digest)) => {
            Some((store.download(&digest), "application/octet-stream".to_owned(), digest))
        }
        None => None,
    };
    let Some((path, kind, digest)) = found else { return StatusCode::NOT_FOUND.into_response() };
    match file(path, kind, &digest, method == Method::HEAD).await {
        Ok(response) => {
            given.lock().unwrap_or_else(PoisonError::into_inner).insert(digest);
            response
        }
        Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}

/// What a manifest or index says that it is; older ones say it by what they hold.
async fn media_type(path: &PathBuf) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Kind {
        media_type: Option<String>,
        manifests: Option<serde::de::IgnoredAny>,
    }
    let size = tokio::fs::metadata(path).await.ok()?.len();
    if size > DOCUMENT_BYTES {
        return None;
    }
    let bytes = tokio::fs::read(path).await.ok()?;
    let kind: Kind = serde_json::from_slice(&bytes).ok()?;
    let implied = if kind.manifests.is_some() { "index" } else { "manifest" };
    Some(kind.media_type.unwrap_or_else(|| format!("application/vnd.oci.image.{implied}.v1+json")))
}

async fn file(path: PathBuf, kind: String, digest: &Digest, head: bool) -> io::Result<Response> {
    let file = File::open(path).await?;
    let what = file.metadata().await?;
    let length = what.len();
    let body = if head { Body::empty() } else { Body::from_stream(chunks(file)) };
    let headers = [
        (CONTENT_TYPE, kind),
        (CONTENT_LENGTH, length.to_string()),
        (HeaderName::from_static("docker-content-digest"), digest.to_string()),
    ];
    let mut response = (headers, body).into_response();
    let modified = what.modified().ok().filter(|time| *time > UNIX_EPOCH).and_then(http_date);
    if let Some(modified) = modified {
        response.headers_mut().insert(LAST_MODIFIED, modified);
    }
    Ok(response)
}

/// A time as HTTP writes it (RFC 9110, section 5.6.7).
fn http_date(time: SystemTime) -> Option<HeaderValue> {
    let time = jiff::Timestamp::try_from(time).ok()?;
    let text = DateTimePrinter::new().timestamp_to_rfc9110_string(&time).ok()?;
    HeaderValue::from_str(&text).ok()
}

fn chunks(file: File) -> impl futures_util::Stream<Item = io::Result<Vec<u8>>> {
    stream::try_unfold(file, |mut file| async move {
        let mut chunk = vec![0; CHUNK_BYTES];
        let length = file.read(&mut chunk).await?;
        chunk.truncate(length);
        Ok((length > 0).then_some((chunk, file)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_digests_are_answered() {
        let digest = Digest::sha256(b"x");
        let hex = digest.hex();
        let cases = [
            ("/v2/".to_owned(), Some(Asked::Version)),
            (format!("/v2/a/b/manifests/{digest}"), Some(Asked::Manifest(digest.clone()))),
            (format!("/v2/a/blobs/{digest}"), Some(Asked::Blob(digest.clone()))),
            (format!("/http/sha256/{hex}"), Some(Asked::Download(digest))),
            ("/v2/a/manifests/latest".to_owned(), None),
            ("/v2/a/blobs/sha256:../../etc/passwd".to_owned(), None),
            ("/http/sha256/../../../etc/passwd".to_owned(), None),
            ("/etc/passwd".to_owned(), None),
            ("/v2".to_owned(), None),
        ];
        for (path, want) in cases {
            assert_eq!(asked(&path), want, "{path}");
        }
    }

    #[tokio::test]
    async fn a_stored_manifest_is_served_with_its_type_and_length() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::at(folder.path());
        let bytes = br#"{"schemaVersion":2,"manifests":[]}"#;
        let digest = Digest::sha256(bytes);
        std::fs::create_dir_all(store.blob(&digest).parent().unwrap()).unwrap();
        std::fs::write(store.blob(&digest), bytes).unwrap();
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let given = Given::default();
        let serving = serve(&store, listener, given.clone()).unwrap();
        let url = format!("http://{}/v2/x/manifests/{digest}", serving.address());
        let answer = reqwest::get(&url).await.unwrap();
        let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
        assert_eq!(kind, "application/vnd.oci.image.index.v1+json");
        assert_eq!(answer.bytes().await.unwrap().as_ref(), bytes);
        let other = url.replace(&digest.hex(), &Digest::sha256(b"y").hex());
        assert_eq!(reqwest::get(&other).await.unwrap().status(), 404);
        let post = reqwest::Client::new().post(&url).send().await.unwrap();
        assert_eq!(post.status(), 405);
        // What was not there, or not asked for in that way, was not given.
        assert_eq!(given.lock().unwrap().iter().collect::<Vec<_>>(), [&digest]);
    }
}
