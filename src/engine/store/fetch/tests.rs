//! What is fetched from where, with real sockets and nothing built.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{IpAddr, SocketAddr, TcpListener, UdpSocket},
};

use super::*;
use crate::{
    attest::provenance::Material,
    engine::{
        Mirror,
        sandbox::{Log, Workspace},
    },
    progress::Silent,
};

#[test]
fn g17_a_base_is_fetched_inside_only_where_the_operator_pointed() {
    let mirror =
        Mirror { registry: "registry.example".to_owned(), at: "10.0.0.1:5000/copies".to_owned() };
    let settings = EngineSettings { mirrors: vec![mirror], ..EngineSettings::default() };
    let sources = SourceSettings::default();
    let origins = Origins { settings: &settings, sources: &sources };
    let mut plan = crate::rebuild::tests::plan();
    for (repository, own, want) in [
        ("127.0.0.1:5000/a", None, Unlisted::PublicOnly),
        ("127.0.0.1:5000/a", Some("127.0.0.1:5000"), Unlisted::Anywhere),
        ("127.0.0.1:5001/a", Some("127.0.0.1:5000"), Unlisted::PublicOnly),
        ("10.0.0.1/a", Some("registry.example"), Unlisted::PublicOnly),
        ("registry.example/a", Some("registry.example"), Unlisted::Anywhere),
        ("10.0.0.1:5000/copies/a", None, Unlisted::Anywhere),
    ] {
        plan.registry = own.map(str::to_owned);
        let (tag, digest) = (None, Digest::sha256(b"base"));
        let base = pins::Base { repository: repository.to_owned(), tag, digest };
        assert_eq!(bounded(&origins, &base, &plan).unlisted, want, "{repository} of {own:?}");
    }
    // In the gate, not even the image's own.
    let sources = SourceSettings { unlisted: Unlisted::PublicOnly, ..sources };
    let origins = Origins { settings: &settings, sources: &sources };
    let own = "127.0.0.1:5000/a".to_owned();
    let base = pins::Base { repository: own, tag: None, digest: Digest::sha256(b"base") };
    plan.registry = Some("127.0.0.1:5000".to_owned());
    assert_eq!(bounded(&origins, &base, &plan).unlisted, Unlisted::PublicOnly);
}

/// An address of this machine in a network, where it has one.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    // Nothing is sent: the kernel only says from where it would be.
    socket.connect("192.0.2.1:9").ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback() && !address.is_unspecified()).then_some(address)
}

/// A server that gives one answer to everybody.
fn server(at: IpAddr, answer: String) -> SocketAddr {
    let listener = TcpListener::bind((at, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    address
}

fn whole(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

/// Who named a download.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Named {
    /// A step, when the image was made.
    ByStep,
    /// The Dockerfile.
    BySource,
}

/// What becomes of a download of these bytes, and whether the store has it then.
async fn downloaded(
    url: &str,
    bytes: &[u8],
    by: Named,
    settings: &EngineSettings,
) -> (String, bool) {
    let workspace = Workspace::new(None, &Limits::default()).unwrap();
    downloaded_in(&workspace, url, (bytes, by), settings).await
}

async fn downloaded_in(
    workspace: &Workspace,
    url: &str,
    (bytes, by): (&[u8], Named),
    settings: &EngineSettings,
) -> (String, bool) {
    let shell = Shell::new(workspace, Log::new(0), &Silent);
    let store = Store::at(&workspace.path().join("inputs"));
    let mut plan = crate::rebuild::tests::plan();
    let digest = Digest::sha256(bytes);
    plan.materials = vec![Material {
        kind: MaterialKind::Http,
        uri: url.to_owned(),
        pin: Pin::Content(digest.clone()),
        role: None,
    }];
    if by == Named::ByStep {
        plan.fetched = [url.to_owned()].into();
    }
    let sources = SourceSettings::default();
    let origins = Origins { settings, sources: &sources };
    let limits = Limits::default();
    let mut filling = Filling {
        store: &store,
        origins: &origins,
        limits: &limits,
        shell: &shell,
        kept: Kept::default(),
    };
    let made = match by {
        Named::ByStep => {
            downloads_of_steps(&plan, &store, &origins, &limits, &shell).await.map(drop)
        }
        Named::BySource => filling.downloads(&plan, &[Inside::AsNamed]).await,
    };
    let said = made.map_or_else(|error| error.to_string(), |()| String::new());
    (said, store.download(&digest).exists())
}

/// G29: whatever a record says that steps downloaded, and whatever the operator allows sources.
#[tokio::test]
async fn g29_a_recorded_download_inside_is_asked_of_nobody() {
    let ear = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    ear.set_nonblocking(true).unwrap();
    let port = ear.local_addr().unwrap().port();
    let hosts = ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]", "[::1]"];
    let settings = EngineSettings {
        private_sources: hosts.map(str::to_owned).into(),
        plain_http: vec![format!("127.0.0.1:{port}")],
        ..EngineSettings::default()
    };
    for host in hosts {
        let url = format!("http://{host}:{port}/x");
        let (said, kept) = downloaded(&url, b"x", Named::ByStep, &settings).await;
        assert!(said.contains("may not be reached"), "{url}: {said}");
        assert!(!kept, "{url}");
        let heard = ear.accept().map_err(|error| error.kind());
        assert_eq!(heard.err(), Some(ErrorKind::WouldBlock), "{url}");
    }
    for host in ["169.254.169.254", "[fe80::1]", "100.100.100.200", "0.0.0.0", "10.255.255.1"] {
        let url = format!("http://{host}/latest/meta-data");
        let (said, _) = downloaded(&url, b"x", Named::ByStep, &settings).await;
        assert!(said.contains("may not be reached"), "{url}: {said}");
    }
    // The honest twin: what the source itself names may be there, where the operator says so.
    let here = server([127, 0, 0, 1].into(), whole("x"));
    let (said, kept) =
        downloaded(&format!("http://{here}/x"), b"x", Named::BySource, &settings).await;
    assert!(said.is_empty() && kept, "{said}");
}

/// G29: bytes that are not those of the record never come to a step.
#[tokio::test]
async fn g29_a_download_of_other_bytes_is_refused() {
    let settings = |at: SocketAddr| EngineSettings {
        private_sources: vec!["127.0.0.1".to_owned()],
        plain_http: vec![at.to_string()],
        ..EngineSettings::default()
    };
    let near = own_address().map(|address| (address, Named::ByStep));
    let places = [([127, 0, 0, 1].into(), Named::BySource)].into_iter().chain(near);
    for (address, by) in places {
        let at = server(address, whole("other"));
        let url = format!("http://{at}/x");
        let (said, kept) = downloaded(&url, b"recorded", by, &settings(at)).await;
        assert!(said.contains("not the recorded sha256:") && !kept, "{said}");
        let (said, kept) = downloaded(&url, b"other", by, &settings(at)).await;
        assert!(said.is_empty() && kept, "{said}");
    }
}

/// G29: a server that may be asked leads to none that may not.
#[tokio::test]
async fn g29_a_recorded_download_is_not_redirected_inside() {
    let Some(address) = own_address() else {
        return eprintln!("SKIPPED: this machine has no address but loopback");
    };
    let ear = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    ear.set_nonblocking(true).unwrap();
    let to = ear.local_addr().unwrap();
    let answer =
        format!("HTTP/1.1 302 Found\r\nLocation: http://{to}/x\r\nContent-Length: 0\r\n\r\n");
    let at = server(address, answer);
    let settings = EngineSettings { plain_http: vec![at.to_string()], ..EngineSettings::default() };
    let (said, kept) = downloaded(&format!("http://{at}/x"), b"x", Named::ByStep, &settings).await;
    assert!(said.contains("may not be reached") && !kept, "{said}");
    assert_eq!(ear.accept().map_err(|error| error.kind()).err(), Some(ErrorKind::WouldBlock));
}

/// A server that redirects as the path says, and notes the paths that it was asked for.
fn redirecting(at: IpAddr, to: impl Fn(&str) -> String + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind((at, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut head = [0; 4096];
            let length = stream.read(&mut head).unwrap_or_default();
            let head = String::from_utf8_lossy(&head[..length]).into_owned();
            let path = head.split(' ').nth(1).unwrap_or_default();
            let answer = format!(
                "HTTP/1.1 302 Found\r\nLocation: {}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                to(path)
            );
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    address
}

/// Whatever a listed registry of a private network answers, in whatever form, and however many hops it takes.
#[tokio::test]
async fn g50_no_redirect_leads_a_recorded_download_inside() {
    let Some(address) = own_address() else {
        return eprintln!("SKIPPED: this machine has no address but loopback");
    };
    let ears = [IpAddr::from([127, 0, 0, 1]), address, IpAddr::from([0_u16, 0, 0, 0, 0, 0, 0, 1])];
    let ears = ears.into_iter().filter_map(|ear| TcpListener::bind((ear, 0)).ok());
    let ears: Vec<TcpListener> = ears.collect();
    ears.iter().for_each(|ear| ear.set_nonblocking(true).unwrap());
    let port = |at: usize| ears[at].local_addr().unwrap().port();
    let (loopback, own) = (port(0), port(1));
    let mut targets = vec![
        format!("http://127.0.0.1:{loopback}/x"),
        format!("http://127.1:{loopback}/x"),
        format!("http://2130706433:{loopback}/x"),
        format!("http://0x7f000001:{loopback}/x"),
        format!("http://localhost:{loopback}/x"),
        format!("http://localhost.:{loopback}/x"),
        format!("http://user:word@127.0.0.1:{loopback}/x"),
        format!("http://[::ffff:127.0.0.1]:{loopback}/x"),
        format!("http://[::ffff:7f00:1]:{loopback}/x"),
        format!("http://[64:ff9b::7f00:1]:{loopback}/x"),
        format!("http://0.0.0.0:{loopback}/x"),
        format!("http://[::]:{loopback}/x"),
        format!("https://127.0.0.1:{loopback}/x"),
        // The registry's own host, and not its port.
        format!("http://{address}:{own}/x"),
        format!("//{address}:{own}/x"),
        "http://169.254.169.254/latest".to_owned(),
        "http://[fe80::1]/x".to_owned(),
        "http://[fd00::1]/x".to_owned(),
        format!("ftp://127.0.0.1:{loopback}/x"),
        format!("gopher://127.0.0.1:{loopback}/x"),
        "file:///etc/hostname".to_owned(),
        "data:,x".to_owned(),
        format!("unix://127.0.0.1:{loopback}/x"),
        "http://".to_owned(),
        "/again".to_owned(),
    ];
    if let Some(ear) = ears.get(2) {
        targets.push(format!("http://[::1]:{}/x", ear.local_addr().unwrap().port()));
    }
    let workspace = Workspace::new(None, &Limits::default()).unwrap();
    for target in targets {
        for hops in [0, 3] {
            let to = target.clone();
            let at = redirecting(address, move |path| {
                let hop: usize = path.trim_start_matches('/').parse().unwrap_or_default();
                if hop < hops { format!("/{}", hop + 1) } else { to.clone() }
            });
            let settings =
                EngineSettings { plain_http: vec![at.to_string()], ..EngineSettings::default() };
            let url = format!("http://{at}/0");
            let what = (&b"x"[..], Named::ByStep);
            let (said, kept) = downloaded_in(&workspace, &url, what, &settings).await;
            assert!(!said.is_empty() && !kept, "{target}, {hops} hops: {said}");
            for ear in &ears {
                let heard = ear.accept().map_err(|error| error.kind()).err();
                assert_eq!(heard, Some(ErrorKind::WouldBlock), "{target}, {hops} hops: {said}");
            }
        }
    }
}
