//! A registry on a loopback address whose answers a test chooses: it speaks just enough HTTP/1.1 to speak it wrongly.

use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    net::{IpAddr, Shutdown, TcpListener, TcpStream},
    path::Path,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use sigstore::crypto::{SigningScheme, signing_key::SigStoreSigner};

use crate::layouts::{Parts, digest};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const DSSE: &str = "application/vnd.dsse.envelope.v1+json";
const IN_TOTO: &str = "application/vnd.in-toto+json";

/// A request as it came in.
#[derive(Debug, Clone)]
pub struct Request {
    pub target: String,
    pub headers: BTreeMap<String, String>,
    pub head: String,
    pub peer: IpAddr,
}

impl Request {
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    pub fn authorization(&self) -> Option<&str> {
        self.headers.get("authorization").map(String::as_str)
    }
}

/// How a body comes.
#[derive(Debug, Clone)]
pub enum Body {
    /// As it should.
    Whole(Vec<u8>),
    /// With a `Content-Length` of its own choosing; the connection is closed after the bytes.
    Claiming(u64, Vec<u8>),
    /// Zeros without end.
    Endless,
    /// These bytes, and then nothing on an open connection.
    Stalled(Vec<u8>),
    /// No status line, on an open connection.
    Silence,
    /// No status line; the connection is closed.
    Reset,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Body,
}

impl Reply {
    pub fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Body::Whole(Vec::new()) }
    }

    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub fn body(mut self, body: Body) -> Self {
        self.body = body;
        self
    }

    pub fn bytes(self, bytes: impl Into<Vec<u8>>) -> Self {
        self.body(Body::Whole(bytes.into()))
    }
}

/// Sees each request first, with the number of earlier ones for the same path; what it leaves the store answers.
pub type Handler = Box<dyn Fn(&Request, usize) -> Option<Reply> + Send + Sync>;

/// A registry that runs until the test process ends.
pub struct Registry {
    pub host: String,
    log: Arc<Mutex<Vec<Request>>>,
}

impl Registry {
    pub fn start(store: Store, handler: Handler) -> Self {
        Self::start_at(IpAddr::from([127, 0, 0, 1]), store, handler)
    }

    pub fn start_at(address: IpAddr, store: Store, handler: Handler) -> Self {
        let listener = TcpListener::bind((address, 0)).unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let log: Arc<Mutex<Vec<Request>>> = Arc::default();
        let (seen, shared) = (Arc::clone(&log), Arc::new((store, handler)));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (seen, shared) = (Arc::clone(&seen), Arc::clone(&shared));
                thread::spawn(move || serve(stream, &shared.0, &shared.1, &seen));
            }
        });
        Self { host, log }
    }

    pub fn honest(store: Store) -> Self {
        Self::start(store, Box::new(|_, _| None))
    }

    pub fn requests(&self) -> Vec<Request> {
        self.log.lock().unwrap().clone()
    }

    pub fn image(&self, selector: &str) -> String {
        let mark = if selector.starts_with("sha256:") { '@' } else { ':' };
        format!("{}/app{mark}{selector}", self.host)
    }
}

fn serve(mut stream: TcpStream, store: &Store, handler: &Handler, log: &Mutex<Vec<Request>>) {
    let Some(request) = read_request(&mut stream) else { return };
    let earlier = {
        let mut log = log.lock().unwrap();
        let earlier = log.iter().filter(|r| r.path() == request.path()).count();
        log.push(request.clone());
        earlier
    };
    let reply = handler(&request, earlier).unwrap_or_else(|| store.answer(&request));
    // A client that has heard enough closes the connection.
    let _ = write_reply(&mut stream, reply);
}

fn read_request(stream: &mut TcpStream) -> Option<Request> {
    let peer = stream.peer_addr().ok()?.ip();
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    while !bytes.windows(4).any(|w| w == b"\r\n\r\n") {
        let count = stream.read(&mut buffer).ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&buffer[..count]);
    }
    let head = String::from_utf8_lossy(&bytes).into_owned();
    let mut lines = head.split("\r\n");
    let target = lines.next()?.split(' ').nth(1)?.to_owned();
    let headers = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    Some(Request { target, headers, head, peer })
}

fn write_reply(stream: &mut TcpStream, reply: Reply) -> std::io::Result<()> {
    const PATIENCE: Duration = Duration::from_secs(30);
    let (length, bytes) = match &reply.body {
        Body::Reset => return stream.shutdown(Shutdown::Both),
        Body::Silence => {
            thread::sleep(PATIENCE);
            return Ok(());
        }
        Body::Whole(bytes) => (Some(bytes.len() as u64), bytes.as_slice()),
        Body::Claiming(length, bytes) => (Some(*length), bytes.as_slice()),
        Body::Stalled(bytes) => (None, bytes.as_slice()),
        Body::Endless => (None, [].as_slice()),
    };
    let mut head = format!("HTTP/1.1 {} X\r\nConnection: close\r\n", reply.status);
    for (name, value) in &reply.headers {
        head += &format!("{name}: {value}\r\n");
    }
    if let Some(length) = length {
        head += &format!("Content-Length: {length}\r\n");
    }
    stream.write_all(format!("{head}\r\n").as_bytes())?;
    stream.write_all(bytes)?;
    match reply.body {
        Body::Endless => loop {
            stream.write_all(&[0; 16 << 10])?;
        },
        Body::Stalled(_) => thread::sleep(PATIENCE),
        _ => stream.shutdown(Shutdown::Write)?,
    }
    Ok(())
}

/// What a well-behaved registry would hold under the one repository `app`.
#[derive(Debug, Clone, Default)]
pub struct Store {
    /// By digest or tag: media type and bytes.
    pub manifests: BTreeMap<String, (String, Vec<u8>)>,
    pub blobs: BTreeMap<String, Vec<u8>>,
    /// What the referrers API lists for any digest; `None` where there is no such API.
    pub referrers: Option<Vec<Value>>,
}

impl Store {
    fn answer(&self, request: &Request) -> Reply {
        let path = request.path().strip_prefix("/v2/app/").unwrap_or_default();
        let found = match path.split_once('/') {
            Some(("manifests", name)) => {
                self.manifests.get(name).map(|(kind, bytes)| (kind.clone(), bytes.clone()))
            }
            Some(("blobs", digest)) => self
                .blobs
                .get(digest)
                .map(|bytes| ("application/octet-stream".to_owned(), bytes.clone())),
            Some(("referrers", _)) => self.referrers.as_ref().map(|list| {
                let list = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": list});
                (INDEX.to_owned(), list.to_string().into_bytes())
            }),
            _ => None,
        };
        match found {
            Some((kind, bytes)) => Reply::new(200).with("Content-Type", kind).bytes(bytes),
            None => Reply::new(404),
        }
    }

    pub fn blob(&mut self, media_type: &str, bytes: impl Into<Vec<u8>>) -> Value {
        let bytes = bytes.into();
        let descriptor =
            json!({"mediaType": media_type, "digest": digest(&bytes), "size": bytes.len()});
        self.blobs.insert(digest(&bytes), bytes);
        descriptor
    }

    /// Adds a manifest under its digest, and under a tag if one is given.
    pub fn manifest(&mut self, document: &Value, tag: Option<&str>) -> Value {
        let bytes = document.to_string().into_bytes();
        let media_type = document["mediaType"].as_str().unwrap().to_owned();
        let name = digest(&bytes);
        let descriptor = json!({"mediaType": media_type, "digest": name, "size": bytes.len()});
        if let Some(tag) = tag {
            self.manifests.insert(tag.to_owned(), (media_type.clone(), bytes.clone()));
        }
        self.manifests.insert(name, (media_type, bytes));
        descriptor
    }

    /// Adds an image and gives its digest.
    pub fn image(&mut self, parts: &Parts) -> String {
        self.blob("", parts.layer.clone());
        self.blob("", parts.config.to_string());
        self.manifest(&parts.manifest, None)["digest"].as_str().unwrap().to_owned()
    }

    /// Gives an image that is there a tag.
    pub fn tag(&mut self, tag: &str, digest: &str) {
        let stored = self.manifests[digest].clone();
        self.manifests.insert(tag.to_owned(), stored);
    }

    /// Adds a cosign tag (`sig`, `att`) whose one layer is `content`.
    pub fn attach(&mut self, image: &str, kind: &str, content: &[u8], annotations: &Value) {
        let media_type = if kind == "sig" { SIMPLE_SIGNING } else { DSSE };
        let mut layer = self.blob(media_type, content);
        layer["annotations"] = annotations.clone();
        let document = json!({
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": self.blob(CONFIG, "{}"), "layers": [layer],
        });
        self.manifest(&document, Some(&format!("{}.{kind}", image.replace(':', "-"))));
    }
}

/// A key pair, as cosign makes them.
pub struct Key {
    signer: SigStoreSigner,
    pub pem: String,
}

impl Key {
    pub fn new() -> Self {
        let signer = SigningScheme::ECDSA_P256_SHA256_ASN1.create_signer().unwrap();
        let pem = signer.to_sigstore_keypair().unwrap().public_key_to_pem().unwrap();
        Self { signer, pem }
    }

    /// Signs an image as `cosign sign --key` does, and gives the payload.
    pub fn sign(&self, store: &mut Store, image: &str) -> Vec<u8> {
        let payload = json!({
            "critical": {
                "identity": {"docker-reference": ""},
                "image": {"docker-manifest-digest": image},
                "type": "cosign container image signature",
            },
            "optional": null,
        })
        .to_string()
        .into_bytes();
        let signature = STANDARD.encode(self.signer.sign(&payload).unwrap());
        let annotations = json!({"dev.cosignproject.cosign/signature": signature});
        store.attach(image, "sig", &payload, &annotations);
        payload
    }

    /// A signature over these bytes.
    pub fn sign_bytes(&self, message: &[u8]) -> Vec<u8> {
        self.signer.sign(message).unwrap()
    }

    /// A DSSE envelope over a statement, as `cosign attest --key` makes it.
    pub fn envelope(&self, statement: &[u8]) -> Value {
        let pae = sigstore_types::pae(IN_TOTO, statement);
        let signature = STANDARD.encode(self.signer.sign(&pae).unwrap());
        json!({
            "payloadType": IN_TOTO, "payload": STANDARD.encode(statement),
            "signatures": [{"keyid": "", "sig": signature}],
        })
    }

    /// Writes the public half into a folder.
    pub fn write(&self, folder: &Path) -> std::path::PathBuf {
        let file = folder.join("key.pub");
        std::fs::write(&file, &self.pem).unwrap();
        file
    }
}

/// A registry's content with one image, signed by `key`.
pub struct World {
    pub store: Store,
    pub parts: Parts,
    pub image: String,
    pub payload: Vec<u8>,
    pub key: Key,
    pub folder: tempfile::TempDir,
}

impl World {
    pub fn new() -> Self {
        Self::of(Parts::new(&[("bin/app", b"#!/bin/sh\necho hello\n")]))
    }

    pub fn of(parts: Parts) -> Self {
        let (mut store, key) = (Store::default(), Key::new());
        let image = store.image(&parts);
        let payload = key.sign(&mut store, &image);
        Self { store, parts, image, payload, key, folder: tempfile::tempdir().unwrap() }
    }

    /// A configuration that trusts the key, under limits with which faults show in seconds.
    pub fn config(&self, preset: &str) -> String {
        let key = self.key.write(self.folder.path());
        let trust = crate::support::trusting(&key, preset);
        format!(
            "{trust}limits: {{request: 2s, stall: 1s, attempts: 2, pages: 3, reviewBytes: 64KiB}}\n"
        )
    }
}
