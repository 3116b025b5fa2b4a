//! The one way out for git.
//!
//! Turns a repository's URL into a proxy on a socket of the job, and what git is told to use it. git itself has no network: every
//! connection, and every redirect that a server answers with, is asked for here, and the address is judged after the name was
//! resolved (attack G10): the repository's own host in public networks, in private ones and at this machine where the operator
//! says so, and never at a link-local or metadata address; other hosts no further inside than that. Behind the operator's proxy it is that proxy which resolves
//! names, and its credentials stay here. Ends with its value: no step of a build finds it.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use base64::Engine as _;
use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    task::AbortHandle,
};
use url::Url;

use super::EngineSettings;
use crate::{
    reach::{Reach, is_loopback},
    source::address::reach_from_here,
};

/// Longest head of a request, in bytes.
const HEAD_BYTES: u64 = 32 << 10;
/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(30);
/// What lets a source lie inside.
const ALLOW: &str = "; rebuild.privateSources in hallmark.yaml can allow it";

/// Whether this is why a connection was refused that a setting can allow. Whoever serves a repository can write it too: no more comes of it
/// than advice.
pub(super) fn is_allowable(why: &str) -> bool {
    why.ends_with(ALLOW)
}
/// The user of a proxy that answers us alone.
const LOGIN: &str = "hallmark";
/// The port of `git://`.
const GIT_PORT: u16 = 9418;

/// How far inside a source may lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inside {
    /// Where its URL says so: what the plan itself names.
    AsNamed,
    /// Only where the operator lists the host with this port as a registry: what a step downloaded when the image was made.
    Never,
}

/// A proxy for one repository; it ends with this value.
#[derive(Debug)]
pub(super) struct Egress {
    address: SocketAddr,
    arguments: Vec<String>,
    rule: Arc<Rule>,
    login: Option<String>,
    task: AbortHandle,
}

impl Drop for Egress {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Egress {
    /// Answers on this socket, which git reaches.
    ///
    /// # Errors
    /// The URL has no host, or the socket cannot be used.
    pub(super) fn open(
        listener: std::net::TcpListener,
        source: &str,
        inside: Inside,
        settings: &EngineSettings,
    ) -> io::Result<Self> {
        Self::serve(listener, source, inside, settings, None)
    }

    /// The same for a client of our own, on a socket that everybody on this machine can reach: it answers nobody else.
    ///
    /// # Errors
    /// As [`Self::open`], or there is no randomness.
    pub(super) fn guarded(
        source: &str,
        inside: Inside,
        settings: &EngineSettings,
    ) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
        listener.set_nonblocking(true)?;
        let mut secret = [0; 16];
        aws_lc_rs::rand::fill(&mut secret).map_err(|_| io::Error::other("no randomness"))?;
        Self::serve(listener, source, inside, settings, Some(hex::encode(secret)))
    }

    fn serve(
        listener: std::net::TcpListener,
        source: &str,
        inside: Inside,
        settings: &EngineSettings,
        login: Option<String>,
    ) -> io::Result<Self> {
        let url = Url::parse(source).map_err(io::Error::other)?;
        let host = url.host_str().ok_or_else(|| io::Error::other("the URL names no host"))?;
        let listener = TcpListener::from_std(listener)?;
        let address = listener.local_addr()?;
        let port = match url.scheme() {
            "git" => url.port().unwrap_or(GIT_PORT),
            _ => url.port_or_known_default().unwrap_or_default(),
        };
        let rule = Arc::new(Rule::new(host, port, inside, settings));
        let header = login.as_deref().map(authorization);
        let (arguments, serving) = if url.scheme() == "git" {
            let written = url.port().map(|port| format!(":{port}")).unwrap_or_default();
            let rewrite = format!("url.git://{address}/.insteadOf=git://{host}{written}/");
            let target = (host.to_owned(), port);
            (
                vec!["-c".to_owned(), rewrite],
                tokio::spawn(forward(listener, Arc::clone(&rule), target)),
            )
        } else {
            let proxy = format!("http.proxy=http://{address}");
            let arguments = ["-c", &proxy, "-c", "http.proxyAuthMethod=basic"];
            (
                arguments.map(str::to_owned).into(),
                tokio::spawn(proxy_all(listener, Arc::clone(&rule), header)),
            )
        };
        Ok(Self { address, arguments, rule, login, task: serving.abort_handle() })
    }

    /// Why a connection was refused, where one was: the client knows only that it was.
    pub(super) fn refusal(&self) -> Option<String> {
        let refusal = self.rule.refusal.lock().unwrap_or_else(PoisonError::into_inner);
        refusal.as_ref().map(|refusal| refusal.why.clone())
    }

    /// Whether a connection was refused, and not by a rule of ours: whoever should have answered did not.
    pub(super) fn is_unanswered(&self) -> bool {
        let refusal = self.rule.refusal.lock().unwrap_or_else(PoisonError::into_inner);
        refusal.as_ref().is_some_and(|refusal| !refusal.by_rule)
    }

    /// The proxy, for a client of our own.
    ///
    /// # Errors
    /// Its address is no URL.
    pub(super) fn proxy(&self) -> reqwest::Result<reqwest::Proxy> {
        let proxy = reqwest::Proxy::all(format!("http://{}", self.address))?;
        Ok(match &self.login {
            Some(secret) => proxy.basic_auth(LOGIN, secret),
            None => proxy,
        })
    }

    /// What git is told before anything else.
    pub(super) fn arguments(&self) -> &[String] {
        &self.arguments
    }
}

/// Where connections may lead.
#[derive(Debug)]
struct Rule {
    home: String,
    /// The port that the source names.
    port: u16,
    inside: Inside,
    /// Whether the operator lists the host, with this port, as a registry, which then may lie in a private network. It says nothing
    /// of what else the host has, nor of where its owner's names lead.
    listed: bool,
    /// Whether the operator lets the host lie in a private network, or be this machine.
    private: bool,
    /// How far inside the repository's own host was found, as a number of [`Reach`].
    found: AtomicU8,
    /// The last refusal.
    refusal: Mutex<Option<Refused>>,
    proxy: Option<Url>,
    no_proxy: Vec<String>,
}

/// Why there is no connection.
#[derive(Debug)]
struct Refused {
    why: String,
    /// Whether a rule of ours, or the operator's proxy, refused it.
    by_rule: bool,
}

impl Rule {
    fn new(home: &str, port: u16, inside: Inside, settings: &EngineSettings) -> Self {
        let named = |host: &str| match host.rsplit_once(':') {
            Some((name, of)) => name == home && of.parse() == Ok(port),
            None => host == home && matches!(port, 80 | 443),
        };
        let authorities = settings.certificate_authorities.iter().map(|(host, _)| host);
        let mut hosts = settings.plain_http.iter().chain(&settings.listed).chain(authorities);
        let proxy = settings.proxy.as_deref().and_then(|proxy| Url::parse(proxy).ok());
        let except = settings.no_proxy.as_deref().unwrap_or_default().split(',');
        Self {
            home: home.to_owned(),
            port,
            inside,
            listed: hosts.any(|host| named(host)),
            private: settings.private_sources.iter().any(|host| host == home),
            found: AtomicU8::new(Reach::Public as u8),
            refusal: Mutex::default(),
            proxy: proxy.filter(|proxy| proxy.scheme() == "http"),
            no_proxy: except.map(|host| host.trim().to_owned()).collect(),
        }
    }

    /// Judges an address that a host was found at.
    fn allows(&self, (host, port): (&str, u16), address: IpAddr) -> bool {
        let reach = reach_from_here(address);
        // A listed registry that redirects leads no stranger further (attack G50).
        if self.inside == Inside::Never && (host, port) != (self.home.as_str(), self.port) {
            return reach == Reach::Public;
        }
        if host != self.home {
            return reach != Reach::Never && reach as u8 <= self.found.load(Ordering::Acquire);
        }
        let allowed = match reach {
            Reach::Never => false,
            // A name that was listed for a private network does not lead here.
            Reach::Loopback => self.is_private() && is_loopback(host),
            Reach::Private => self.listed || self.is_private(),
            Reach::Public => true,
        };
        if allowed {
            self.found.store(reach.min(Reach::Loopback) as u8, Ordering::Release);
        }
        allowed
    }

    fn is_private(&self) -> bool {
        self.private && self.inside == Inside::AsNamed
    }

    fn goes_direct(&self, host: &str) -> bool {
        is_loopback(host)
            || self.no_proxy.iter().any(|except| {
                let name = except.trim_start_matches('.');
                except == "*" || host == name || host.ends_with(&format!(".{name}"))
            })
    }

    async fn connect(&self, host: &str, port: u16) -> io::Result<TcpStream> {
        let host = host.trim_matches(['[', ']']);
        let made = match &self.proxy {
            Some(proxy) if !self.goes_direct(host) => self.through(proxy, host, port).await,
            _ => self.direct(host, port).await,
        };
        made.inspect_err(|error| {
            let mut refusal = self.refusal.lock().unwrap_or_else(PoisonError::into_inner);
            let by_rule = error.kind() == io::ErrorKind::PermissionDenied;
            *refusal = Some(Refused { why: error.to_string(), by_rule });
        })
    }

    async fn direct(&self, host: &str, port: u16) -> io::Result<TcpStream> {
        let found: Vec<SocketAddr> = tokio::net::lookup_host((host, port)).await?.collect();
        let mut last = refused(format!("{host} has no address that may be reached"));
        for address in found {
            if !self.allows((host, port), address.ip()) {
                let ip = address.ip();
                let help = match reach_from_here(ip) {
                    Reach::Private => ALLOW,
                    Reach::Loopback if is_loopback(host) => ALLOW,
                    _ => "",
                };
                last = refused(format!("{host} is at {ip}, which may not be reached{help}"));
                continue;
            }
            match tokio::time::timeout(CONNECT, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => last = error,
                Err(_) => last = io::Error::new(io::ErrorKind::TimedOut, "no answer"),
            }
        }
        Err(last)
    }

    /// A tunnel of the operator's proxy (RFC 9110, section 9.3.6).
    async fn through(&self, proxy: &Url, host: &str, port: u16) -> io::Result<TcpStream> {
        let literal: Option<IpAddr> = host.parse().ok();
        if literal.is_some_and(|address| !self.allows((host, port), address)) {
            return Err(refused(format!("{host} may not be reached")));
        }
        let at =
            (proxy.host_str().unwrap_or_default(), proxy.port_or_known_default().unwrap_or(80));
        let mut stream = TcpStream::connect(at).await?;
        let target =
            if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        let mut head = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n");
        if !proxy.username().is_empty() {
            let login = format!("{}:{}", proxy.username(), proxy.password().unwrap_or_default());
            let login = base64::engine::general_purpose::STANDARD.encode(login);
            head.push_str(&format!("Proxy-Authorization: Basic {login}\r\n"));
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes()).await?;
        let mut answer = Vec::new();
        // Byte by byte: what comes after the head is the other side's.
        while !answer.ends_with(b"\r\n\r\n") && (answer.len() as u64) < HEAD_BYTES {
            answer.push(stream.read_u8().await?);
        }
        match answer.get(8..12) {
            Some(b" 200") => Ok(stream),
            _ => Err(refused("the operator's proxy refuses".to_owned())),
        }
    }
}

fn refused(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, why)
}

/// Every connection leads to one place.
async fn forward(listener: TcpListener, rule: Arc<Rule>, target: (String, u16)) {
    while let Ok((mut client, _)) = listener.accept().await {
        let (rule, target) = (Arc::clone(&rule), target.clone());
        tokio::spawn(async move {
            if let Ok(mut server) = rule.connect(&target.0, target.1).await {
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            }
        });
    }
}

/// Every connection is asked for, with this header where there is one.
async fn proxy_all(listener: TcpListener, rule: Arc<Rule>, login: Option<String>) {
    while let Ok((client, _)) = listener.accept().await {
        let (rule, login) = (Arc::clone(&rule), login.clone());
        tokio::spawn(async move {
            let _ = proxy(client, &rule, login.as_deref()).await;
        });
    }
}

/// The header of a client of our own (RFC 7617).
fn authorization(secret: &str) -> String {
    let login = base64::engine::general_purpose::STANDARD.encode(format!("{LOGIN}:{secret}"));
    format!("proxy-authorization: basic {login}")
}

/// Whether a head has the header; its name and scheme are read without regard to case.
fn is_authorized(head: &str, header: &str) -> bool {
    let (name, value) = header.rsplit_once(' ').unwrap_or_default();
    head.lines().any(|line| {
        let parts = line.trim_end().rsplit_once(' ');
        parts.is_some_and(|(given, secret)| {
            given.eq_ignore_ascii_case(name)
                && aws_lc_rs::constant_time::verify_slices_are_equal(
                    secret.as_bytes(),
                    value.as_bytes(),
                )
                .is_ok()
        })
    })
}

async fn proxy(client: TcpStream, rule: &Rule, login: Option<&str>) -> io::Result<()> {
    let mut client = BufReader::new(client);
    let head = head(&mut client).await?;
    if login.is_some_and(|header| !is_authorized(&head, header)) {
        let answer = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n";
        return client.write_all(answer).await;
    }
    let Some(asked) = Asked::read(&head) else {
        return client.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    };
    let mut server = match rule.connect(&asked.host, asked.port).await {
        Ok(server) => server,
        Err(error) => {
            let why: String = error.to_string().chars().filter(|c| !c.is_control()).collect();
            let answer = format!("HTTP/1.1 403 {why}\r\nContent-Length: 0\r\n\r\n");
            return client.write_all(answer.as_bytes()).await;
        }
    };
    match asked.forward {
        Some(head) => server.write_all(head.as_bytes()).await?,
        None => client.write_all(b"HTTP/1.1 200 Connection Established\r\n\r\n").await?,
    }
    let early = client.buffer().to_owned();
    server.write_all(&early).await?;
    tokio::io::copy_bidirectional(&mut client.into_inner(), &mut server).await.map(drop)
}

/// The head of a request, bounded.
async fn head(client: &mut (impl AsyncBufRead + Unpin)) -> io::Result<String> {
    let (mut head, mut client) = (String::new(), client.take(HEAD_BYTES));
    loop {
        let before = head.len();
        client.read_line(&mut head).await?;
        match head.get(before..) {
            Some("\r\n" | "\n") => return Ok(head),
            Some("") | None => return Err(io::ErrorKind::UnexpectedEof.into()),
            Some(_) => {}
        }
    }
}

/// What a request to a proxy asks for.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    host: String,
    port: u16,
    /// The head for the server, where this is no tunnel.
    forward: Option<String>,
}

impl Asked {
    fn read(head: &str) -> Option<Self> {
        let (first, rest) = head.split_once('\n')?;
        let mut words = first.trim_end().split(' ');
        let (method, target, version) = (words.next()?, words.next()?, words.next()?);
        if method == "CONNECT" {
            let url = Url::parse(&format!("https://{target}/")).ok()?;
            let (host, port) = (url.host_str()?.to_owned(), url.port_or_known_default()?);
            return Some(Self { host, port, forward: None });
        }
        let url = Url::parse(target).ok().filter(|url| url.scheme() == "http")?;
        let (host, port) = (url.host_str()?.to_owned(), url.port_or_known_default()?);
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        // One request for each connection: the next one may be for another host.
        let own = ["proxy-", "connection:", "keep-alive:"];
        let kept = rest.lines().filter(|line| {
            let line = line.to_ascii_lowercase();
            !line.trim().is_empty() && !own.iter().any(|name| line.starts_with(name))
        });
        let kept: String = kept.map(|line| format!("{}\r\n", line.trim_end())).collect();
        let forward =
            format!("{method} {}{query} {version}\r\n{kept}Connection: close\r\n\r\n", url.path());
        Some(Self { host, port, forward: Some(forward) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g10_a_repository_leads_no_further_inside_than_it_is() {
        let listed = EngineSettings {
            plain_http: vec!["git.example:8080".to_owned()],
            ..EngineSettings::default()
        };
        let plain = EngineSettings::default();
        let private = EngineSettings {
            private_sources: vec!["git.example".to_owned()],
            ..EngineSettings::default()
        };
        let here = EngineSettings {
            private_sources: vec!["127.0.0.1".to_owned()],
            ..EngineSettings::default()
        };
        let registry = EngineSettings {
            plain_http: vec!["127.0.0.1:5000".to_owned()],
            ..EngineSettings::default()
        };
        let cases = [
            ("git.example", &plain, "192.0.2.1", true),
            ("git.example", &plain, "10.0.0.1", false),
            ("10.0.0.1", &plain, "10.0.0.1", false),
            ("git.example", &private, "10.0.0.1", true),
            ("other.example", &private, "10.0.0.1", false),
            ("git.example", &private, "127.0.0.1", false),
            ("git.example", &private, "169.254.169.254", false),
            ("git.example", &plain, "127.0.0.1", false),
            ("git.example", &plain, "::ffff:127.0.0.1", false),
            ("git.example", &plain, "169.254.169.254", false),
            ("git.example", &listed, "192.0.2.1", true),
            ("git.example", &listed, "127.0.0.1", false),
            ("git.example", &listed, "10.0.0.1", false),
            ("git.example", &listed, "169.254.77.7", false),
            ("localhost", &plain, "127.0.0.1", false),
            ("127.0.0.1", &plain, "127.0.0.1", false),
            ("127.0.0.1", &here, "127.0.0.1", true),
            ("localhost", &here, "127.0.0.1", false),
            ("127.0.0.2", &here, "127.0.0.2", false),
            ("127.0.0.1", &registry, "127.0.0.1", false),
        ];
        for (home, settings, address, want) in cases {
            let rule = Rule::new(home, 443, Inside::AsNamed, settings);
            let got = rule.allows((home, 443), address.parse().unwrap());
            assert_eq!(got, want, "{home} at {address}");
        }
        let others = [
            ("192.0.2.1", "198.51.100.7", true),
            ("192.0.2.1", "10.0.0.1", false),
            ("192.0.2.1", "127.0.0.1", false),
            ("192.0.2.1", "169.254.169.254", false),
            ("10.0.0.1", "10.0.0.2", true),
            ("10.0.0.1", "127.0.0.1", false),
        ];
        for (home, away, want) in others {
            let rule = Rule::new("git.example", 443, Inside::AsNamed, &private);
            assert!(rule.allows(("git.example", 443), home.parse().unwrap()));
            let got = rule.allows(("other.example", 443), away.parse().unwrap());
            assert_eq!(got, want, "{home} -> {away}");
        }
        for (host, settings, address, want) in [
            ("h.example", &plain, "192.0.2.1", true),
            ("h.example", &plain, "10.0.0.1", false),
            ("127.0.0.1", &plain, "127.0.0.1", false),
            ("git.example", &listed, "10.0.0.1", false),
            ("git.example", &private, "10.0.0.1", false),
        ] {
            let rule = Rule::new(host, 443, Inside::Never, settings);
            let got = rule.allows((host, 443), address.parse().unwrap());
            assert_eq!(got, want, "{host} at {address}");
        }
        let before = Rule::new("git.example", 443, Inside::AsNamed, &plain);
        assert!(!before.allows(("other.example", 443), "10.0.0.1".parse().unwrap()));
    }

    #[test]
    fn g10_a_listed_registry_may_be_in_a_private_network_at_its_own_port() {
        let listed = EngineSettings {
            plain_http: vec!["git.example:8080".to_owned()],
            ..EngineSettings::default()
        };
        for (port, address, want) in [
            (8080, "10.0.0.1", true),
            (8081, "10.0.0.1", false),
            (8080, "127.0.0.1", false),
            (8080, "169.254.77.7", false),
        ] {
            for inside in [Inside::AsNamed, Inside::Never] {
                let rule = Rule::new("git.example", port, inside, &listed);
                let got = rule.allows(("git.example", port), address.parse().unwrap());
                assert_eq!(got, want, "{inside:?} {address}:{port}");
            }
        }
    }

    #[test]
    fn g50_a_listed_registry_leads_no_download_of_a_step_further_inside() {
        let listed = EngineSettings {
            plain_http: vec!["r.example:8080".to_owned()],
            ..EngineSettings::default()
        };
        for (inside, private) in [(Inside::AsNamed, true), (Inside::Never, false)] {
            let rule = Rule::new("r.example", 8080, inside, &listed);
            assert!(rule.allows(("r.example", 8080), "10.0.0.1".parse().unwrap()));
            for (host, port, address, want) in [
                ("r.example", 22, "10.0.0.1", private),
                ("other.example", 8080, "10.0.0.2", private),
                ("10.0.0.2", 80, "10.0.0.2", private),
                ("fd00::1", 80, "fd00::1", private),
                ("other.example", 443, "192.0.2.1", true),
                ("r.example", 8080, "127.0.0.1", false),
                ("::ffff:127.0.0.1", 80, "::ffff:127.0.0.1", false),
                ("64:ff9b::7f00:1", 80, "64:ff9b::7f00:1", false),
                ("fe80::1", 80, "fe80::1", false),
                ("169.254.169.254", 80, "169.254.169.254", false),
            ] {
                let got = rule.allows((host, port), address.parse().unwrap());
                assert_eq!(got, want, "{inside:?}: {host}:{port} at {address}");
            }
        }
    }

    #[test]
    fn requests_to_a_proxy_are_read() {
        let tunnel = Asked::read("CONNECT git.example:443 HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        assert_eq!((tunnel.host.as_str(), tunnel.port, tunnel.forward), ("git.example", 443, None));
        let get = "GET http://127.0.0.1:81/a?b=c HTTP/1.1\r\nHost: x\r\nProxy-Connection: k\r\n\
            Connection: Keep-Alive\r\n\r\n";
        let get = Asked::read(get).unwrap();
        assert_eq!((get.host.as_str(), get.port), ("127.0.0.1", 81));
        let head = get.forward.unwrap();
        assert_eq!(head, "GET /a?b=c HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        for bad in
            ["", "GET / HTTP/1.1\r\n\r\n", "GET ftp://h/ HTTP/1.1\r\n\r\n", "CONNECT\r\n\r\n"]
        {
            assert_eq!(Asked::read(bad), None, "{bad:?}");
        }
    }

    #[tokio::test]
    async fn g10_a_redirect_to_the_inside_is_not_followed() {
        let target = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = target.local_addr().unwrap().port();
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let settings = EngineSettings::default();
        let egress =
            Egress::open(listener, "https://git.example/a.git", Inside::AsNamed, &settings)
                .unwrap();
        assert!(egress.arguments()[1].contains(&address.to_string()));
        let mut client = TcpStream::connect(address).await.unwrap();
        let ask = format!("CONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\n");
        client.write_all(ask.as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        client.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 403");
        assert!(tokio::time::timeout(Duration::from_millis(50), target.accept()).await.is_err());
    }

    #[tokio::test]
    async fn g20_a_proxy_on_the_machines_loopback_answers_us_alone() {
        let target = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://127.0.0.1:{}/file", target.local_addr().unwrap().port());
        let settings = EngineSettings {
            private_sources: vec!["127.0.0.1".to_owned()],
            ..EngineSettings::default()
        };
        let egress = Egress::guarded(&url, Inside::AsNamed, &settings).unwrap();
        let wrong = authorization("0");
        for header in ["", "Proxy-Authorization: Basic aGFsbG1hcms6\r\n", &format!("{wrong}\r\n")] {
            let mut stranger = TcpStream::connect(egress.address).await.unwrap();
            let ask = format!("GET {url} HTTP/1.1\r\n{header}\r\n");
            stranger.write_all(ask.as_bytes()).await.unwrap();
            let mut answer = [0; 12];
            stranger.read_exact(&mut answer).await.unwrap();
            assert_eq!(&answer, b"HTTP/1.1 407", "{header}");
        }
        let serve = tokio::spawn(async move {
            let (mut stream, _) = target.accept().await.unwrap();
            let mut head = [0; 1024];
            let length = stream.read(&mut head).await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
            String::from_utf8_lossy(&head[..length]).into_owned()
        });
        let client = reqwest::Client::builder().proxy(egress.proxy().unwrap()).build().unwrap();
        assert_eq!(client.get(&url).send().await.unwrap().text().await.unwrap(), "ok");
        assert!(!serve.await.unwrap().to_ascii_lowercase().contains("authorization"));
    }
}
