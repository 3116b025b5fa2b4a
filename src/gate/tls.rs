//! The socket: TLS from two PEM files that may change at any time.
//!
//! The files are read again every few seconds; new connections get the new certificate, old ones stay. A pair that cannot
//! be used is logged and the last good one stays (certificate and key change one after the other). Slow handshakes
//! and slow headers are cut off, and connections are bounded in number and in what each may send before it is read (attack
//! C20). On shutdown `/readyz` says so first, then nothing new is accepted, then what runs ends.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use axum_server::{
    Handle,
    tls_rustls::{RustlsAcceptor, RustlsConfig},
};
use hyper_util::rt::TokioTimer;
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use super::{Gate, connections::Connections, router};
use crate::{digest::Digest, scratch::open_file};

/// Time for a TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// Time for the headers of one HTTP/1 request.
const HEADERS: Duration = Duration::from_secs(10);
/// Silence after which an HTTP/2 connection is asked whether it lives, and then given up.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// HTTP/2 requests at a time on one connection; who has more opens another one.
const STREAMS: u32 = 16;
/// Bytes of one HTTP/2 body that may come before they are read: enough for some MiB a second over some milliseconds.
const STREAM_WINDOW: u32 = 32 << 10;
/// The same of one connection: of all its requests, so that none that waits stops the others.
const CONNECTION_WINDOW: u32 = STREAMS * STREAM_WINDOW;
/// Bytes of HTTP/1 that are held before they are read; the headers have to fit.
const HTTP1_BUFFER: usize = 32 << 10;
/// Bytes of the headers of one HTTP/2 request.
const HEADER_BYTES: u32 = 16 << 10;
/// Time that requests under way have to end on shutdown; above the longest webhook timeout there is.
const FINISH: Duration = Duration::from_secs(31);
/// Longest PEM file, in bytes.
const MAX_PEM_BYTES: u64 = 1 << 20;

/// What the file of the certificate holds.
const CHAIN: &str = "a certificate chain";
/// What that of its key holds.
const KEY: &str = "a private key";

/// Where certificate and key are.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// Certificate chain in PEM, the server's own first.
    pub certificate: PathBuf,
    /// Its private key in PEM.
    pub key: PathBuf,
    /// How often both are read again.
    pub poll: Duration,
    /// Time between saying that nothing new is wanted and not accepting it: the cluster has to hear of it first.
    pub drain: Duration,
}

impl TlsFiles {
    /// The files, with the usual times.
    pub fn new(certificate: PathBuf, key: PathBuf) -> Self {
        Self { certificate, key, poll: Duration::from_secs(5), drain: Duration::from_secs(3) }
    }

    /// Reads both as a start would.
    ///
    /// # Errors
    /// See [`ServeError`]: one cannot be read, is not what it should be, or they do not belong together.
    pub fn check(&self) -> Result<(), ServeError> {
        configure(self, &read(self)?).map(drop)
    }
}

/// Why the gate does not serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A file cannot be read.
    #[error("{}: {error}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The file has no certificate or key in it.
    #[error("{}: expected {expected} in PEM: {error}", path.display())]
    Pem {
        /// Which.
        path: PathBuf,
        /// What it should hold.
        expected: &'static str,
        /// What the reader said.
        error: rustls::pki_types::pem::Error,
    },
    /// Certificate and key do not fit together, or cannot be used.
    #[error("{}: {error}", certificate.display())]
    Tls {
        /// The certificate.
        certificate: PathBuf,
        /// What is wrong.
        error: rustls::Error,
    },
    /// The address cannot be listened on.
    #[error("{listen}: {error}")]
    Listen {
        /// Which.
        listen: SocketAddr,
        /// What the system said.
        error: io::Error,
    },
    /// The server stopped by itself.
    #[error("the server stopped: {0}")]
    Stopped(io::Error),
}

impl ServeError {
    /// Whether the key is wrong, and not the certificate, which is read first.
    pub fn is_of_key(&self, files: &TlsFiles) -> bool {
        match self {
            Self::File { path, .. } => *path == files.key && *path != files.certificate,
            Self::Pem { expected, .. } => *expected == KEY,
            Self::Tls { .. } | Self::Listen { .. } | Self::Stopped(_) => false,
        }
    }
}

/// Serves the gate on `listen` until `shutdown` comes and what runs has ended.
///
/// # Errors
/// See [`ServeError`]: only what is wrong at the start, or the listener's end.
pub async fn serve(
    listen: SocketAddr,
    gate: Arc<Gate>,
    files: TlsFiles,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServeError> {
    let listener =
        TcpListener::bind(listen).map_err(|error| ServeError::Listen { listen, error })?;
    serve_on(listener, gate, files, shutdown).await
}

/// As [`serve`], on a socket that is bound already.
///
/// # Errors
/// As [`serve`].
pub async fn serve_on(
    listener: TcpListener,
    gate: Arc<Gate>,
    files: TlsFiles,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServeError> {
    let pair = read(&files)?;
    let config = RustlsConfig::from_config(Arc::new(configure(&files, &pair)?));
    listener.set_nonblocking(true).map_err(ServeError::Stopped)?;
    let address = listener.local_addr().map_err(ServeError::Stopped)?;
    tracing::info!(
        %address, certificate = ?files.certificate, key = ?files.key,
        "reviews are taken at this address"
    );
    let handle = Handle::new();
    let reload = tokio::spawn(watch(files.clone(), config.clone(), pair.digest()));
    let stop = tokio::spawn(stop(Arc::clone(&gate), handle.clone(), files.drain, shutdown));
    let connections = Connections::new();
    let sweep = tokio::spawn(connections.clone().sweep());
    let acceptor = RustlsAcceptor::new(config).handshake_timeout(HANDSHAKE);
    let mut server = axum_server::from_tcp(listener)
        .map_err(ServeError::Stopped)?
        .acceptor(acceptor.acceptor(connections.clone()))
        .handle(handle);
    let http = server.http_builder();
    http.http1().timer(TokioTimer::new()).header_read_timeout(HEADERS).max_buf_size(HTTP1_BUFFER);
    http.http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE)
        .max_concurrent_streams(STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(HEADER_BYTES);
    let served = server.serve(router(gate).into_make_service()).await;
    reload.abort();
    sweep.abort();
    stop.abort();
    served.map_err(ServeError::Stopped)
}

async fn stop(
    gate: Arc<Gate>,
    handle: Handle<SocketAddr>,
    drain: Duration,
    shutdown: impl Future<Output = ()>,
) {
    shutdown.await;
    tracing::info!("asked to end: what runs is answered, and nothing new is taken soon");
    gate.drain();
    tokio::time::sleep(drain).await;
    handle.graceful_shutdown(Some(FINISH));
}

/// The bytes of both files.
struct Pair {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl Pair {
    fn digest(&self) -> (Digest, Digest) {
        (Digest::sha256(&self.certificate), Digest::sha256(&self.key))
    }
}

fn read(files: &TlsFiles) -> Result<Pair, ServeError> {
    Ok(Pair { certificate: read_file(&files.certificate)?, key: read_file(&files.key)? })
}

fn read_file(path: &Path) -> Result<Vec<u8>, ServeError> {
    use std::io::Read;
    let mut bytes = Vec::new();
    let read = open_file(path).and_then(|file| file.take(MAX_PEM_BYTES).read_to_end(&mut bytes));
    read.map(|_| bytes).map_err(|error| ServeError::File { path: path.to_owned(), error })
}

fn configure(files: &TlsFiles, pair: &Pair) -> Result<ServerConfig, ServeError> {
    let pem = |path: &Path, expected| {
        let path = path.to_owned();
        move |error| ServeError::Pem { path, expected, error }
    };
    let chain = CertificateDer::pem_slice_iter(&pair.certificate)
        .collect::<Result<Vec<_>, _>>()
        .map_err(pem(&files.certificate, CHAIN))?;
    if chain.is_empty() {
        return Err(pem(&files.certificate, CHAIN)(rustls::pki_types::pem::Error::NoItemsFound));
    }
    let key = PrivateKeyDer::from_pem_slice(&pair.key).map_err(pem(&files.key, KEY))?;
    let tls = |error| ServeError::Tls { certificate: files.certificate.clone(), error };
    // Named here: a second provider in the build would make the process-wide default ambiguous.
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(tls)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(tls)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// Takes over every new pair that can be used; says once why another cannot.
async fn watch(files: TlsFiles, config: RustlsConfig, mut tried: (Digest, Digest)) {
    let mut unread = None;
    loop {
        tokio::time::sleep(files.poll).await;
        let pair = match read(&files) {
            Ok(pair) => pair,
            Err(error) => {
                let error = error.to_string();
                if unread.as_ref() != Some(&error) {
                    tracing::warn!(%error, "the certificate cannot be read again; the last one stays");
                    unread = Some(error);
                }
                continue;
            }
        };
        unread = None;
        if pair.digest() == tried {
            continue;
        }
        tried = pair.digest();
        match configure(&files, &pair) {
            Ok(new) => {
                config.reload_from_config(Arc::new(new));
                tracing::info!("new connections get the new certificate");
            }
            Err(error) => {
                tracing::warn!(%error, "the new certificate cannot be used; the last one stays");
            }
        }
    }
}
