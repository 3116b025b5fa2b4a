//! Requests to one registry, and to the hosts that it sends us to.
//!
//! Turns a URL into bytes: with credentials where they belong, through redirects, again after what passes (429, 5xx, a
//! broken or stalled connection), and never more of them than the caller allows. Nothing is allocated from
//! `Content-Length`, and no header says what a body is. Rules of this module, for attacks F1 and F2:
//! - `Authorization` goes to the registry's own origin only, and not even there once a redirect has left it;
//! - from an HTTPS registry no redirect or token realm leads to plain HTTP;
//! - addresses are judged by [`super::address`];
//! - messages name hosts, never whole URLs: those of blob stores carry signatures in their query.

use std::{cell::Cell, error::Error as _, io, path::PathBuf, time::Duration};

use bytes::{Bytes, BytesMut};
use reqwest::{
    Client, Response, StatusCode,
    header::{
        ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, LINK,
        LOCATION, RETRY_AFTER,
    },
};
use tokio::{
    sync::{Mutex, Semaphore, mpsc},
    time::{Instant, timeout},
};
use url::Url;

use super::{
    Blob, Refusal, SourceError, Spool,
    address::{Bounds, OutOfBounds, Side},
    blobs::SpoolError,
    budget::{Meter, Share},
    client::{Away, Recipe, Roots, certificates, describe},
    listing::{self, Scan},
    settings::SourceSettings,
};
use crate::{
    image::{Descriptor, FormatError, MediaType},
    limits::{self, Limits},
    reach::is_loopback,
    reference::Repository,
};

/// Redirects that one request follows.
const MAX_REDIRECTS: usize = 5;
/// The least average speed of a transfer, in bytes a second: stops those who send one byte before every stall limit.
const SLOWEST_BYTES_PER_SECOND: u64 = 32 << 10;
/// The longest transfer, whatever the limits allow.
const LONGEST_TRANSFER: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Bytes of an error's body that are read for its message.
const ERROR_BYTES: usize = 4 << 10;
/// Chunks of a blob between network and disk.
const CHUNKS_IN_FLIGHT: usize = 16;
/// Documents that are fetched at the same time: over HTTP/2 they share a connection.
const DOCUMENTS: usize = 16;
/// Likewise without TLS, and so without HTTP/2: each takes a connection of its own, and every one costs more than it saves.
const PLAIN_DOCUMENTS: usize = 4;

/// One registry, as seen from one repository.
pub(super) struct Http {
    pub(super) origin: Url,
    /// The registry as references write it: the name of its credentials.
    pub(super) host: String,
    /// The repository, for messages.
    pub(super) place: String,
    pub(super) scope: String,
    home: Client,
    away: Away,
    bounds: Bounds,
    pub(super) auth_hosts: Vec<String>,
    /// Files with credentials, and the repository that they are for.
    pub(super) credentials: Vec<PathBuf>,
    pub(super) repository: Repository,
    /// The header that the registry last accepted. Held while a new one is fetched, so that requests which run at the
    /// same time fetch one token together.
    pub(super) authorization: Mutex<Option<HeaderValue>>,
    /// Documents that are fetched at the same time.
    documents: Semaphore,
    backoff: Duration,
    pub(super) limits: Limits,
    /// Counts the bytes of bodies that are in memory.
    pub(super) meter: Option<Meter>,
}

/// A body, counted as long as any part of it is in memory.
struct Counted {
    bytes: BytesMut,
    _share: Option<Share>,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// How many bytes a body may have, and what it means if it has more.
#[derive(Debug, Clone, Copy)]
pub(super) enum Bound {
    /// Exactly the size that a descriptor says.
    Size(&'static str, u64),
    /// At most the limit of this name.
    Limit(&'static str, u64, &'static str),
}

impl Bound {
    fn bytes(self) -> u64 {
        match self {
            Self::Size(_, bytes) | Self::Limit(_, bytes, _) => bytes,
        }
    }

    fn exceeded(self, found: u64) -> FormatError {
        match self {
            Self::Size(what, expected) => FormatError::Size { what, expected, found },
            Self::Limit(what, limit, limit_name) => {
                FormatError::Limit { what, found, unit: "bytes", limit, limit_name }
            }
        }
    }
}

/// A body that was read to its end.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) bytes: Bytes,
    pub(super) media_type: Option<MediaType>,
    /// The version of the document (RFC 9110, section 8.8.3), by which a change can be made conditional.
    pub(super) etag: Option<HeaderValue>,
}

/// A list of referrers that was read to its end, or as far as it is read.
pub(super) struct Scanned {
    pub(super) scan: Scan,
    pub(super) media_type: Option<MediaType>,
    /// The target of a `Link` header with `rel="next"` (RFC 8288), not resolved.
    pub(super) next: Option<String>,
}

/// What the registry has under a URL.
#[derive(Debug)]
pub(super) enum Answer<T> {
    /// It is there.
    Found(T),
    /// It is not there (404), or the registry has no such operation (405, 501).
    Absent(StatusCode),
}

/// What went wrong with one attempt.
pub(super) enum Fault {
    /// It may pass; `after` is what the registry asks for.
    Again { why: String, after: Option<Duration> },
    /// It stays.
    Final(SourceError),
}

impl From<SourceError> for Fault {
    fn from(error: SourceError) -> Self {
        Self::Final(error)
    }
}

impl Http {
    /// Prepares to talk to the registry of `repository`; makes no request yet.
    pub(super) fn new(
        repository: &Repository,
        settings: &SourceSettings,
        limits: &Limits,
    ) -> Result<Self, SourceError> {
        let host = repository.registry.clone();
        let place = repository.to_string();
        let refused = |rule, why| SourceError::Refused { place: repository.to_string(), rule, why };
        let failed = |why: String| refused(Refusal::Settings, why);
        let registry = settings.registry(&host);
        let plain = registry.map_or_else(|| is_loopback(&host), |r| r.plain_http);
        // Docker Hub's name in references is not the host of its registry.
        let dialled = if host == "docker.io" { "registry-1.docker.io" } else { &host };
        let scheme = if plain { "http" } else { "https" };
        let origin = Url::parse(&format!("{scheme}://{dialled}/"))
            .map_err(|error| failed(error.to_string()))?;
        let bounds = Bounds::new(registry, settings.unlisted);
        let outside =
            |error: OutOfBounds| refused(Refusal::Address(error.beyond), error.to_string());
        bounds.check_url(&origin, Side::Home).map_err(outside)?;
        let ca = certificates(registry.and_then(|r| r.ca.as_ref())).map_err(failed)?;
        let proxy = settings.proxy.as_ref().filter(|_| !is_loopback(&host));
        let proxy = proxy.map(|proxy| (proxy.clone(), settings.no_proxy.clone()));
        // Requests to a plain origin never use TLS, and reading the system's roots takes longer than a verification.
        let roots = if plain && proxy.is_none() { Roots::None } else { Roots::System };
        let recipe = Recipe { bounds: bounds.clone(), proxy, ca, connect: limits.request };
        let home = recipe.client(Side::Home, roots).map_err(failed)?;
        Ok(Self {
            home,
            away: Away::new(recipe),
            origin,
            scope: format!("repository:{}:pull", repository.path),
            host,
            place,
            bounds,
            auth_hosts: registry.map(|r| r.auth_hosts.clone()).unwrap_or_default(),
            credentials: settings.credentials.clone(),
            repository: repository.clone(),
            authorization: Mutex::new(None),
            documents: Semaphore::new(if plain { PLAIN_DOCUMENTS } else { DOCUMENTS }),
            backoff: settings.backoff,
            limits: limits.clone(),
            meter: None,
        })
    }

    /// The URL of `path` at the registry.
    pub(super) fn url(&self, path: &str) -> Result<Url, SourceError> {
        self.origin.join(path).map_err(|error| self.unavailable(error.to_string()))
    }

    /// Whether a URL is at the registry's own origin.
    pub(super) fn is_home(&self, url: &Url) -> bool {
        same_origin(url, &self.origin)
    }

    /// Fetches a body whole.
    pub(super) async fn document(
        &self,
        url: &Url,
        accept: &str,
        bound: Bound,
    ) -> Result<Answer<Fetched>, SourceError> {
        // Never closed, so a permit always comes.
        let _permit = self.documents.acquire().await;
        self.persist(|| self.document_once(url, accept, bound)).await
    }

    /// Fetches a list of referrers, and keeps no more of it than [`Scan`] does.
    pub(super) async fn list(
        &self,
        url: &Url,
        accept: &str,
    ) -> Result<Answer<Scanned>, SourceError> {
        let _permit = self.documents.acquire().await;
        self.persist(|| self.list_once(url, accept)).await
    }

    async fn list_once(&self, url: &Url, accept: &str) -> Result<Answer<Scanned>, Fault> {
        let mut response = match self.send(url, accept).await? {
            Answer::Found(response) => response,
            Answer::Absent(status) => return Ok(Answer::Absent(status)),
        };
        let media_type = header(&response, CONTENT_TYPE).map(MediaType::new);
        let next = next_link(response.headers());
        let mut scan = Scan::new(&self.limits);
        let deadline = self.deadline(self.limits.manifest_bytes as u64);
        let mut left = usize::try_from(listing::most_bytes(&self.limits)).unwrap_or(usize::MAX);
        while let Some(chunk) = self.chunk(&mut response, deadline).await? {
            scan.feed(chunk.get(..left).unwrap_or(&chunk));
            if chunk.len() > left {
                scan.cut();
                break;
            }
            left = left.saturating_sub(chunk.len());
        }
        Ok(Answer::Found(Scanned { scan, media_type, next }))
    }

    /// Fetches a blob into the spool.
    pub(super) async fn blob(
        &self,
        url: &Url,
        descriptor: &Descriptor,
        spool: &Spool,
    ) -> Result<Answer<Blob>, SourceError> {
        self.persist(|| self.blob_once(url, descriptor, spool)).await
    }

    /// Tries until it works, cannot work, or was tried often enough.
    pub(super) async fn persist<T, F, Fut>(&self, attempt: F) -> Result<T, SourceError>
    where
        F: Fn() -> Fut,
        Fut: Future<Output = Result<T, Fault>>,
    {
        let mut wait = self.backoff;
        let mut tried = 0;
        loop {
            tried += 1;
            let (why, after) = match attempt().await {
                Ok(value) => return Ok(value),
                Err(Fault::Final(error)) => return Err(error),
                Err(Fault::Again { why, after }) => (why, after),
            };
            if tried >= self.limits.attempts {
                let key = limits::key("attempts");
                return Err(self.unavailable(format!("{why} (attempts: {tried}, as {key} says)")));
            }
            let pause = after.unwrap_or(wait);
            if pause > self.limits.request {
                let (asked, limit) = (pause.as_secs(), self.limits.request.as_secs_f64());
                let key = limits::key("request");
                let why = format!("{why}; it asks to wait for {asked} s, {key} is {limit} s");
                return Err(self.unavailable(why));
            }
            tracing::debug!(place = self.place, why, ?pause, "trying again");
            tokio::time::sleep(pause).await;
            wait = wait.saturating_mul(2);
        }
    }

    async fn document_once(
        &self,
        url: &Url,
        accept: &str,
        bound: Bound,
    ) -> Result<Answer<Fetched>, Fault> {
        let response = match self.send(url, accept).await? {
            Answer::Found(response) => response,
            Answer::Absent(status) => return Ok(Answer::Absent(status)),
        };
        let media_type = header(&response, CONTENT_TYPE).map(MediaType::new);
        let etag = response.headers().get(ETAG).cloned();
        let bytes = self.body(response, bound).await?;
        Ok(Answer::Found(Fetched { bytes, media_type, etag }))
    }

    pub(super) async fn body(&self, mut response: Response, bound: Bound) -> Result<Bytes, Fault> {
        let mut deadline = self.deadline(bound.bytes());
        let mut bytes = BytesMut::new();
        let mut share = self.meter.as_ref().map(Meter::share);
        while let Some(chunk) = self.chunk(&mut response, deadline).await? {
            let found = (bytes.len() as u64).saturating_add(chunk.len() as u64);
            if found > bound.bytes() {
                return Err(self.format(bound.exceeded(found)).into());
            }
            if let Some(share) = &mut share {
                let before = Instant::now();
                share.grow(chunk.len() as u64).await;
                // The registry is not to blame for the wait.
                deadline += before.elapsed();
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(Bytes::from_owner(Counted { bytes, _share: share }))
    }

    /// The next bytes of a body, if they come in time.
    async fn chunk(
        &self,
        response: &mut Response,
        deadline: Instant,
    ) -> Result<Option<Bytes>, Fault> {
        let again = |why: String| Fault::Again { why, after: None };
        let left = deadline.saturating_duration_since(Instant::now());
        match timeout(left.min(self.limits.stall), response.chunk()).await {
            Ok(Ok(chunk)) => Ok(chunk),
            Ok(Err(error)) => Err(again(format!("the transfer broke off: {}", describe(error)))),
            Err(_) if left < self.limits.stall => {
                let slowest = SLOWEST_BYTES_PER_SECOND >> 10;
                Err(again(format!("the transfer is slower than {slowest} KiB a second")))
            }
            Err(_) => {
                let seconds = self.limits.stall.as_secs_f64();
                Err(again(format!("no byte came for {seconds} s ({})", limits::key("stall"))))
            }
        }
    }

    fn deadline(&self, bytes: u64) -> Instant {
        let transfer = Duration::from_secs(bytes / SLOWEST_BYTES_PER_SECOND);
        Instant::now() + self.limits.request.saturating_add(transfer).min(LONGEST_TRANSFER)
    }

    async fn blob_once(
        &self,
        url: &Url,
        descriptor: &Descriptor,
        spool: &Spool,
    ) -> Result<Answer<Blob>, Fault> {
        let response = match self.send(url, "application/octet-stream").await? {
            Answer::Found(response) => response,
            Answer::Absent(status) => return Ok(Answer::Absent(status)),
        };
        let disk = |error: &io::Error| super::unwritable(spool.path(), error);
        let writer = spool.writer(descriptor).map_err(|error| disk(&error))?;
        let (sender, receiver) = mpsc::channel(CHUNKS_IN_FLIGHT);
        let thread = tokio::task::spawn_blocking(move || writer.take_all(receiver));
        let sent = self.pump(response, sender, descriptor.size).await;
        match thread.await.unwrap_or(Err(SpoolError::Ended)) {
            Ok(Some(blob)) => Ok(Answer::Found(blob)),
            Err(SpoolError::Format(error)) => Err(self.format(error).into()),
            Err(SpoolError::Disk { error, .. }) => Err(disk(&error).into()),
            Err(error) => Err(self.unavailable(error.to_string()).into()),
            Ok(None) => {
                let early = || self.unavailable(SpoolError::Ended.to_string());
                Err(sent.err().unwrap_or_else(|| early().into()))
            }
        }
    }

    /// Moves a body to the thread that keeps it; an empty chunk tells it that the body is whole.
    async fn pump(
        &self,
        mut response: Response,
        sender: mpsc::Sender<Bytes>,
        size: u64,
    ) -> Result<(), Fault> {
        let deadline = self.deadline(size);
        while let Some(chunk) = self.chunk(&mut response, deadline).await? {
            // A closed channel means that the thread has found an error, which it returns.
            if !chunk.is_empty() && sender.send(chunk).await.is_err() {
                return Ok(());
            }
        }
        let _ = sender.send(Bytes::new()).await;
        Ok(())
    }

    /// Sends one request, with a new token where the old one is refused.
    async fn send(&self, url: &Url, accept: &str) -> Result<Answer<Response>, Fault> {
        let used = self.authorization.lock().await.clone();
        let (mut response, mut side) = self.follow(url, accept, used.as_ref()).await?;
        if response.status() == StatusCode::UNAUTHORIZED && side == Side::Home {
            let fresh = self.authorize(response.headers(), used).await?;
            (response, side) = self.follow(url, accept, Some(&fresh)).await?;
        }
        self.judge(response, side).await
    }

    /// Follows redirects to the first answer that is none, and says at which side it was given.
    async fn follow(
        &self,
        url: &Url,
        accept: &str,
        authorization: Option<&HeaderValue>,
    ) -> Result<(Response, Side), Fault> {
        let mut url = url.clone();
        let mut authorization = authorization;
        for _ in 0..=MAX_REDIRECTS {
            let side = self.side(&url);
            if side == Side::Away {
                authorization = None;
            }
            self.check_target(&url, side)?;
            let mut request = self
                .client(side)?
                .get(url.clone())
                .header(ACCEPT, accept)
                .header(ACCEPT_ENCODING, "identity");
            if let Some(authorization) = authorization {
                request = request.header(AUTHORIZATION, authorization);
            }
            let response = self.perform(request, &url).await?;
            let target = match header(&response, LOCATION) {
                Some(target) if response.status().is_redirection() => target,
                _ => return Ok((response, side)),
            };
            url = url.join(target).map_err(|error| {
                self.unavailable(format!("{} redirects to no URL: {error}", host_of(&url)))
            })?;
        }
        let why = format!("more than {MAX_REDIRECTS} redirects are not followed");
        Err(self.refused(Refusal::Redirect, why).into())
    }

    pub(super) async fn perform(
        &self,
        request: reqwest::RequestBuilder,
        url: &Url,
    ) -> Result<Response, Fault> {
        self.perform_with(request, url, 0).await
    }

    /// Sends a request whose body has `body_bytes`, for which there is time beside that of the request.
    pub(super) async fn perform_with(
        &self,
        request: reqwest::RequestBuilder,
        url: &Url,
        body_bytes: u64,
    ) -> Result<Response, Fault> {
        let host = host_of(url);
        let transfer = Duration::from_secs(body_bytes / SLOWEST_BYTES_PER_SECOND);
        let limit = self.limits.request.saturating_add(transfer).min(LONGEST_TRANSFER);
        match timeout(limit, request.send()).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) if is_plain_http(&error) => {
                Err(SourceError::Plain { place: self.place.clone(), host }.into())
            }
            Ok(Err(error)) if is_no_tls(&error) => {
                Err(self.unavailable(format!("{host}: {}", describe(error))).into())
            }
            Ok(Err(error)) if let Some(rule) = refusal_of(&error) => {
                Err(self.refused(rule, format!("{host}: {}", describe(error))).into())
            }
            Ok(Err(error)) => {
                Err(Fault::Again { why: format!("{host}: {}", describe(error)), after: None })
            }
            Err(_) => {
                let seconds = limit.as_secs_f64();
                let why =
                    format!("{host} did not answer in {seconds} s ({})", limits::key("request"));
                Err(Fault::Again { why, after: None })
            }
        }
    }

    pub(super) fn side(&self, url: &Url) -> Side {
        if self.is_home(url) { Side::Home } else { Side::Away }
    }

    pub(super) fn client(&self, side: Side) -> Result<&Client, SourceError> {
        match side {
            Side::Home => Ok(&self.home),
            Side::Away => self.away.client().map_err(|why| self.refused(Refusal::Settings, why)),
        }
    }

    /// Refuses URLs to which nothing may be sent.
    pub(super) fn check_target(&self, url: &Url, side: Side) -> Result<(), SourceError> {
        let host = host_of(url);
        let secure = url.scheme() == "https" || url.scheme() == self.origin.scheme();
        if !secure {
            let scheme = url.scheme();
            let why = format!("the registry points to {scheme}://{host}; only https is followed");
            return Err(self.refused(Refusal::Redirect, why));
        }
        if !url.username().is_empty() || url.password().is_some() {
            let why = format!("the registry points to {host} with credentials in the URL");
            return Err(self.refused(Refusal::Redirect, why));
        }
        let checked = self.bounds.check_url(url, side);
        checked.map_err(|error| self.refused(Refusal::Address(error.beyond), error.to_string()))
    }

    /// What a final status means.
    pub(super) async fn judge(
        &self,
        response: Response,
        side: Side,
    ) -> Result<Answer<Response>, Fault> {
        let status = response.status();
        match status.as_u16() {
            200 => Ok(Answer::Found(response)),
            404 | 405 | 501 => Ok(Answer::Absent(status)),
            401 if side == Side::Home => {
                let why = format!("{status}{}", self.said(response).await);
                Err(SourceError::Unauthorized { place: self.place.clone(), why }.into())
            }
            403 if side == Side::Home => {
                let why = format!("{status}{}", self.said(response).await);
                Err(SourceError::Forbidden { place: self.place.clone(), why }.into())
            }
            408 | 429 | 500 | 502..=504 => {
                let after = header(&response, RETRY_AFTER).and_then(retry_after);
                let why = format!("{} answers {status}", host_of(response.url()));
                Err(Fault::Again { why, after })
            }
            _ => {
                let host = host_of(response.url());
                let why = format!("{host} answers {status}{}", self.said(response).await);
                Err(self.unavailable(why).into())
            }
        }
    }

    /// The message in an error's body, as the distribution specification writes them, in few and printable words.
    pub(super) async fn said(&self, response: Response) -> String {
        let bound = Bound::Limit("error message", ERROR_BYTES as u64, "none");
        let Ok(bytes) = self.body(response, bound).await else { return String::new() };
        let error: serde_json::Value = serde_json::from_slice(&bytes).unwrap_or_default();
        match error.pointer("/errors/0/message").and_then(serde_json::Value::as_str) {
            Some(text) if !text.is_empty() => {
                let text: String = text.chars().take(200).flat_map(char::escape_default).collect();
                format!(": {text}")
            }
            _ => String::new(),
        }
    }

    pub(super) fn unavailable(&self, why: String) -> SourceError {
        SourceError::Unavailable { place: self.place.clone(), why }
    }

    pub(super) fn refused(&self, rule: Refusal, why: String) -> SourceError {
        SourceError::Refused { place: self.place.clone(), rule, why }
    }

    pub(super) fn format(&self, error: FormatError) -> SourceError {
        SourceError::Format { place: self.place.clone(), error }
    }
}

fn same_origin(a: &Url, b: &Url) -> bool {
    a.scheme() == b.scheme()
        && a.host() == b.host()
        && a.port_or_known_default() == b.port_or_known_default()
}

/// Host and port of a URL, for messages.
pub(super) fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

pub(super) fn header(response: &Response, name: reqwest::header::HeaderName) -> Option<&str> {
    response.headers().get(name).and_then(|value| value.to_str().ok())
}

/// Seconds, or a date (RFC 9110, section 10.2.3). A date needs a clock on both sides to agree, so it counts as none
/// and the usual wait applies.
fn retry_after(text: &str) -> Option<Duration> {
    text.trim().parse().ok().map(Duration::from_secs)
}

/// The target of the first link with the relation `next`.
fn next_link(headers: &HeaderMap) -> Option<String> {
    headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok()).find_map(|text| {
        let (target, parameters) = text.trim().strip_prefix('<')?.split_once('>')?;
        let is_next = |p: &str| {
            let p = p.trim().replace('"', "");
            p.eq_ignore_ascii_case("rel=next")
        };
        parameters.split([';', ',']).any(is_next).then(|| target.to_owned())
    })
}

/// The rule by which a connection was refused: trying again cannot help.
fn refusal_of(error: &reqwest::Error) -> Option<Refusal> {
    let beyond = Cell::new(None);
    let out_of_bounds = |cause: &(dyn std::error::Error + 'static)| {
        beyond.set(cause.downcast_ref::<OutOfBounds>().map(|error| error.beyond));
        beyond.get().is_some()
    };
    let certificate = |cause: &(dyn std::error::Error + 'static)| {
        let tls = cause.downcast_ref::<rustls::Error>();
        matches!(tls, Some(rustls::Error::InvalidCertificate(_)))
    };
    if caused_by(error.source(), &out_of_bounds) {
        return beyond.get().map(Refusal::Address);
    }
    caused_by(error.source(), &certificate).then_some(Refusal::Certificate)
}

/// Whether the other side answers in something that does not begin as TLS does, as a server of plain HTTP.
fn is_plain_http(error: &reqwest::Error) -> bool {
    let other = |cause: &(dyn std::error::Error + 'static)| {
        let tls = cause.downcast_ref::<rustls::Error>();
        let unknown = rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType);
        tls.is_some_and(|tls| *tls == unknown)
    };
    caused_by(error.source(), &other)
}

/// Whether the other side speaks no TLS that is understood here, which it will not learn meanwhile.
fn is_no_tls(error: &reqwest::Error) -> bool {
    let other = |cause: &(dyn std::error::Error + 'static)| {
        let tls = cause.downcast_ref::<rustls::Error>();
        tls.is_some_and(|tls| !matches!(tls, rustls::Error::InvalidCertificate(_)))
    };
    caused_by(error.source(), &other)
}

/// Whether an error or one of its causes is of a kind. Looks into I/O errors too: what they wrap is not among their sources.
fn caused_by(
    mut error: Option<&(dyn std::error::Error + 'static)>,
    is: &dyn Fn(&(dyn std::error::Error + 'static)) -> bool,
) -> bool {
    while let Some(cause) = error {
        let inside = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if is(cause) || inside.is_some_and(|inside| caused_by(Some(inside), is)) {
            return true;
        }
        error = cause.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_next_page() {
        let cases = [
            (r#"</v2/a/referrers/x?n=1>; rel="next""#, Some("/v2/a/referrers/x?n=1")),
            ("<https://r.example/v2/x>;rel=next", Some("https://r.example/v2/x")),
            (r#"</a>; rel="prev""#, None),
            (r#"/a; rel="next""#, None),
            ("<", None),
        ];
        for (text, want) in cases {
            let headers = HeaderMap::from_iter([(LINK, HeaderValue::from_static(text))]);
            assert_eq!(next_link(&headers).as_deref(), want, "{text}");
        }
    }

    #[test]
    fn retry_after_is_seconds() {
        assert_eq!(retry_after(" 7 "), Some(Duration::from_secs(7)));
        for text in ["-1", "1.5", "Wed, 21 Oct 2026 07:28:00 GMT", ""] {
            assert_eq!(retry_after(text), None, "{text}");
        }
    }
}
