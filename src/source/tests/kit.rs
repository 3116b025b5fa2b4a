//! Images made in memory, and a registry on a loopback address whose answers a test chooses.
//!
//! The registry speaks just enough HTTP/1.1 over a plain socket that it can also speak it wrongly.

use std::{
    collections::BTreeMap,
    io::Write as _,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::{
    digest::{BlobDigest, Digest, ManifestDigest},
    image::{Descriptor, MediaType},
    limits::Limits,
    reference::{Location, PinnedReference, Reference, Selector},
    source::{Source, SourceError, SourceSettings},
};

/// A request as it came in.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: String,
}

impl Request {
    pub(super) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    pub(super) fn authorization(&self) -> Option<&str> {
        self.headers.get("authorization").map(String::as_str)
    }
}

/// How a body comes.
#[derive(Debug, Clone)]
pub(super) enum Body {
    /// As it should.
    Whole(Bytes),
    /// With a `Content-Length` of its own choosing; the connection is closed after the bytes.
    Claiming(u64, Bytes),
    /// These bytes again and again, with no end.
    Endless(Bytes),
    /// These bytes, and then nothing.
    Stalled(Bytes),
    /// Not even a status line.
    Reset,
    /// Not even that, and the connection stays open.
    Silence,
}

/// An answer.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Body,
    pub(super) after: Duration,
}

impl Reply {
    pub(super) fn new(status: u16) -> Self {
        let (headers, body) = (Vec::new(), Body::Whole(Bytes::new()));
        Self { status, headers, body, after: Duration::ZERO }
    }

    /// Comes so much later.
    pub(super) fn late(mut self, after: Duration) -> Self {
        self.after = after;
        self
    }

    pub(super) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(super) fn body(mut self, body: Body) -> Self {
        self.body = body;
        self
    }

    pub(super) fn bytes(self, bytes: impl Into<Bytes>) -> Self {
        self.body(Body::Whole(bytes.into()))
    }
}

type Handler = Box<dyn Fn(&Request, usize) -> Option<Reply> + Send + Sync>;

/// A registry on a loopback address. A handler sees each request first, with the number of earlier requests for the
/// same path; what it leaves is answered from the store.
pub(super) struct Registry {
    pub(super) host: String,
    log: Arc<Mutex<Vec<Request>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Registry {
    pub(super) async fn start(
        store: Store,
        handler: impl Fn(&Request, usize) -> Option<Reply> + Send + Sync + 'static,
    ) -> Self {
        Self::start_at("127.0.0.1", store, handler).await
    }

    pub(super) async fn start_at(
        address: &str,
        store: Store,
        handler: impl Fn(&Request, usize) -> Option<Reply> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((address, 0)).await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let log: Arc<Mutex<Vec<Request>>> = Arc::default();
        let shared = Arc::new((store, Box::new(handler) as Handler));
        let seen = Arc::clone(&log);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (shared, seen) = (Arc::clone(&shared), Arc::clone(&seen));
                tokio::spawn(async move {
                    let _ = serve(stream, &shared.0, &shared.1, &seen).await;
                });
            }
        });
        Self { host, log, task }
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.log.lock().unwrap().clone()
    }

    pub(super) fn count(&self, path_end: &str) -> usize {
        self.requests().iter().filter(|r| r.path().ends_with(path_end)).count()
    }

    pub(super) fn location(&self) -> Location {
        Location::Registry(format!("{}/app", self.host).parse().unwrap())
    }

    pub(super) fn reference(&self, digest: &ManifestDigest) -> PinnedReference {
        PinnedReference { location: self.location(), digest: digest.clone() }
    }

    pub(super) async fn open(&self) -> Arc<dyn Source> {
        self.open_with(&settings()).await
    }

    pub(super) async fn open_with(&self, settings: &SourceSettings) -> Arc<dyn Source> {
        crate::source::open(&self.location(), settings, &limits()).await.unwrap()
    }
}

async fn serve(
    mut stream: TcpStream,
    store: &Store,
    handler: &Handler,
    log: &Mutex<Vec<Request>>,
) -> std::io::Result<()> {
    let Some(request) = read_request(&mut stream).await? else { return Ok(()) };
    let earlier = {
        let mut log = log.lock().unwrap();
        let earlier = log.iter().filter(|r| r.path() == request.path()).count();
        log.push(request.clone());
        earlier
    };
    let reply = handler(&request, earlier).unwrap_or_else(|| store.answer(&request));
    write_reply(&mut stream, reply).await
}

async fn read_request(stream: &mut TcpStream) -> std::io::Result<Option<Request>> {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(at) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            break at;
        }
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer).await? {
            0 => return Ok(None),
            count => bytes.extend_from_slice(&buffer[..count]),
        }
    };
    let text = String::from_utf8_lossy(&bytes[..head]).into_owned();
    let mut lines = text.split("\r\n");
    let mut first = lines.next().unwrap().split(' ');
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(k, v)| (k.to_lowercase(), v.to_owned()))
        .collect();
    let mut body = bytes[head + 4..].to_vec();
    let length = headers.get("content-length").and_then(|l| l.parse().ok()).unwrap_or(0);
    while body.len() < length {
        let mut buffer = [0; 4096];
        let count = stream.read(&mut buffer).await?;
        body.extend_from_slice(&buffer[..count]);
    }
    Ok(Some(Request {
        method: first.next().unwrap().to_owned(),
        target: first.next().unwrap().to_owned(),
        headers,
        body: String::from_utf8_lossy(&body).into_owned(),
    }))
}

async fn write_reply(stream: &mut TcpStream, reply: Reply) -> std::io::Result<()> {
    tokio::time::sleep(reply.after).await;
    let (length, bytes) = match &reply.body {
        Body::Reset => return Ok(()),
        Body::Silence => {
            tokio::time::sleep(Duration::from_secs(60)).await;
            return Ok(());
        }
        Body::Whole(bytes) => (Some(bytes.len() as u64), bytes),
        Body::Claiming(length, bytes) => (Some(*length), bytes),
        Body::Endless(bytes) | Body::Stalled(bytes) => (None, bytes),
    };
    let mut head = format!("HTTP/1.1 {} X\r\nConnection: close\r\n", reply.status);
    for (name, value) in &reply.headers {
        head += &format!("{name}: {value}\r\n");
    }
    if let Some(length) = length {
        head += &format!("Content-Length: {length}\r\n");
    }
    stream.write_all(format!("{head}\r\n").as_bytes()).await?;
    stream.write_all(bytes).await?;
    match reply.body {
        Body::Endless(bytes) => loop {
            stream.write_all(&bytes).await?;
        },
        Body::Stalled(_) => tokio::time::sleep(Duration::from_secs(60)).await,
        _ => stream.shutdown().await?,
    }
    Ok(())
}

/// What a well-behaved registry would hold.
#[derive(Debug, Clone, Default)]
pub(super) struct Store {
    /// By digest or tag: media type and bytes.
    pub(super) manifests: BTreeMap<String, (String, Bytes)>,
    pub(super) blobs: BTreeMap<String, Bytes>,
    /// Answers of the referrers API by digest; `None` means that there is no such API.
    pub(super) referrers: Option<BTreeMap<String, Vec<Value>>>,
}

impl Store {
    fn answer(&self, request: &Request) -> Reply {
        let path = request.path().strip_prefix("/v2/app/").unwrap_or_default();
        match path.split_once('/') {
            Some(("manifests", name)) => match self.manifests.get(name) {
                Some((kind, bytes)) => {
                    Reply::new(200).with("Content-Type", kind).bytes(bytes.clone())
                }
                None => Reply::new(404),
            },
            Some(("blobs", digest)) => match self.blobs.get(digest) {
                Some(bytes) => Reply::new(200).bytes(bytes.clone()),
                None => Reply::new(404),
            },
            Some(("referrers", digest)) => match &self.referrers {
                Some(lists) => {
                    let list = lists.get(digest).cloned().unwrap_or_default();
                    Reply::new(200)
                        .with("Content-Type", MediaType::OCI_INDEX)
                        .bytes(index_of(&list))
                }
                None => Reply::new(404),
            },
            _ => Reply::new(404),
        }
    }

    /// Adds a blob and gives its descriptor.
    pub(super) fn blob(&mut self, media_type: &str, bytes: impl Into<Bytes>) -> Value {
        let bytes = bytes.into();
        let digest = BlobDigest::of(&bytes).to_string();
        let descriptor = json!({"mediaType": media_type, "digest": digest, "size": bytes.len()});
        self.blobs.insert(digest, bytes);
        descriptor
    }

    /// Adds a manifest or index and gives its descriptor.
    pub(super) fn manifest(&mut self, document: &Value) -> Value {
        let bytes = Bytes::from(document.to_string());
        let media_type = document["mediaType"].as_str().unwrap();
        let digest = ManifestDigest::of(&bytes).to_string();
        let descriptor = json!({"mediaType": media_type, "digest": digest, "size": bytes.len()});
        self.manifests.insert(digest, (media_type.to_owned(), bytes));
        descriptor
    }

    pub(super) fn tag(&mut self, tag: &str, descriptor: &Value) {
        let stored = self.manifests[descriptor["digest"].as_str().unwrap()].clone();
        self.manifests.insert(tag.to_owned(), stored);
    }

    /// Adds a configuration, a layer of `text` and their manifest, and gives its descriptor with the platform.
    pub(super) fn image(&mut self, platform: &str, text: &str) -> Value {
        let (os, architecture) = platform.split_once('/').unwrap();
        let layer = Bytes::from(text.to_owned());
        let config = json!({
            "os": os, "architecture": architecture,
            "config": {"Labels": {"org.opencontainers.image.source": "https://git.example/app"}},
            "rootfs": {"type": "layers", "diff_ids": [Digest::sha256(&layer).to_string()]},
        });
        let document = json!({
            "schemaVersion": 2, "mediaType": MediaType::OCI_MANIFEST,
            "config": self.blob(MediaType::OCI_CONFIG, config.to_string()),
            "layers": [self.blob(MediaType::OCI_LAYER, layer)],
        });
        let mut descriptor = self.manifest(&document);
        descriptor["platform"] = json!({"os": os, "architecture": architecture});
        descriptor
    }

    /// Adds an index of these descriptors.
    pub(super) fn index(&mut self, entries: &[Value]) -> Value {
        let document: Value = serde_json::from_slice(&index_of(entries)).unwrap();
        self.manifest(&document)
    }

    /// Adds an artifact with one layer, about `subject` if there is one.
    pub(super) fn artifact(&mut self, kind: &str, content: &str, subject: Option<&Value>) -> Value {
        let mut document = json!({
            "schemaVersion": 2, "mediaType": MediaType::OCI_MANIFEST, "artifactType": kind,
            "config": self.blob(MediaType::OCI_EMPTY, "{}"),
            "layers": [self.blob(kind, content.to_owned())],
        });
        if let Some(subject) = subject {
            document["subject"] = bare(subject);
        }
        self.manifest(&document)
    }

    /// Writes everything as a layout whose `index.json` lists `entries`.
    pub(super) fn write_layout(&self, folder: &Path, entries: &[Value]) {
        let blobs = folder.join("blobs/sha256");
        std::fs::create_dir_all(&blobs).unwrap();
        let manifests = self.manifests.values().map(|(_, bytes)| bytes);
        for bytes in self.blobs.values().chain(manifests) {
            std::fs::write(blobs.join(BlobDigest::of(bytes).hex()), bytes).unwrap();
        }
        std::fs::write(folder.join("index.json"), index_of(entries)).unwrap();
        std::fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    }
}

/// A descriptor without what only an index says.
pub(super) fn bare(descriptor: &Value) -> Value {
    json!({
        "mediaType": descriptor["mediaType"], "digest": descriptor["digest"],
        "size": descriptor["size"],
    })
}

pub(super) fn index_of(entries: &[Value]) -> Bytes {
    let index =
        json!({"schemaVersion": 2, "mediaType": MediaType::OCI_INDEX, "manifests": entries});
    index.to_string().into()
}

pub(super) fn digest(descriptor: &Value) -> ManifestDigest {
    descriptor["digest"].as_str().unwrap().parse().unwrap()
}

pub(super) fn descriptor(value: &Value) -> Descriptor {
    Descriptor {
        media_type: MediaType::new(value["mediaType"].as_str().unwrap()),
        digest: value["digest"].as_str().unwrap().parse().unwrap(),
        size: value["size"].as_u64().unwrap(),
        platform: None,
        selective: false,
        artifact_type: None,
        annotations: BTreeMap::new(),
    }
}

/// Limits under which a fault shows in milliseconds.
pub(super) fn limits() -> Limits {
    Limits {
        request: Duration::from_secs(2),
        stall: Duration::from_millis(200),
        attempts: 3,
        manifest_bytes: 64 << 10,
        config_bytes: 16 << 10,
        attestation_bytes: 64 << 10,
        attestations: 8,
        pages: 3,
        index_depth: 3,
        ..Limits::default()
    }
}

pub(super) fn settings() -> SourceSettings {
    SourceSettings { backoff: Duration::from_millis(1), ..SourceSettings::default() }
}

/// Settings with Docker credentials in a folder that lives as long as the test.
pub(super) fn with_credentials(hosts: &[(&str, &str)]) -> (tempfile::TempDir, SourceSettings) {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let folder = tempfile::tempdir().unwrap();
    let auths: serde_json::Map<String, Value> = hosts
        .iter()
        .map(|(host, pair)| ((*host).to_owned(), json!({"auth": STANDARD.encode(pair)})))
        .collect();
    let mut file = std::fs::File::create(folder.path().join("config.json")).unwrap();
    write!(file, "{}", json!({"auths": auths})).unwrap();
    let credentials = vec![folder.path().to_path_buf()];
    (folder, SourceSettings { credentials, ..settings() })
}

/// Opens what a user would type, and resolves it.
pub(super) async fn open(text: &str) -> Result<(Arc<dyn Source>, PinnedReference), SourceError> {
    let Ok(Reference::At(location, selector)) = text.parse() else { panic!("{text}") };
    open_at(location, selector).await
}

pub(super) async fn open_at(
    location: Location,
    selector: Selector,
) -> Result<(Arc<dyn Source>, PinnedReference), SourceError> {
    let source = crate::source::open(&location, &settings(), &limits()).await?;
    let digest = source.resolve(&selector).await?;
    Ok((source, PinnedReference { location, digest }))
}
