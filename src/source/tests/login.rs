//! Credentials: where they go, and where they must not (attacks F1 and F2).

use std::sync::Arc;

use super::kit::*;
use crate::{
    digest::ManifestDigest,
    finding::{Code, Subject},
    source::{RegistrySettings, SourceError, SourceSettings},
};

const PASSWORD: &str = "user:hunter2";
/// `user:hunter2` in base64.
const BASIC: &str = "Basic dXNlcjpodW50ZXIy";

fn store() -> (Store, ManifestDigest) {
    let mut store = Store::default();
    let image = store.image("linux/amd64", "layer");
    (store, digest(&image))
}

fn code(error: SourceError) -> Code {
    error.into_finding(Subject::Run).code
}

/// A registry that wants `header` with every request and answers `challenge` otherwise.
async fn guarded(address: &str, header: &'static str, challenge: String) -> Registry {
    Registry::start_at(address, store().0, move |request, _| {
        (request.authorization() != Some(header))
            .then(|| Reply::new(401).with("WWW-Authenticate", &challenge))
    })
    .await
}

/// A token service that wants the password, or takes anybody.
async fn token_service(address: &str, wants: Option<&'static str>) -> Registry {
    Registry::start_at(address, Store::default(), move |request, _| {
        match wants.is_none() || request.authorization() == wants {
            true => Some(Reply::new(200).bytes(r#"{"token":"T"}"#)),
            false => Some(Reply::new(401)),
        }
    })
    .await
}

fn bearer(realm: &str) -> String {
    // A hostile registry would ask for everything; hallmark asks for what it needs.
    format!(r#"Bearer realm="{realm}",service="reg",scope="repository:other:push""#)
}

#[tokio::test]
async fn basic_authentication() {
    let registry = guarded("127.0.0.1", BASIC, "Basic realm=\"x\"".to_owned()).await;
    let digest = store().1;
    let (_folder, settings) = with_credentials(&[(&registry.host, PASSWORD)]);
    let source = registry.open_with(&settings).await;
    source.manifest(&digest).await.unwrap();
    source.tagged("absent").await.unwrap();
    assert_eq!(registry.requests().len(), 3, "one challenge, then the header goes along");

    let error = registry.open().await.manifest(&digest).await.unwrap_err();
    assert!(error.to_string().contains("none is configured"), "{error}");
    assert_eq!(code(error), Code::SourceUnauthorized);

    let (_folder, wrong) = with_credentials(&[(&registry.host, "user:wrong")]);
    let error = registry.open_with(&wrong).await.manifest(&digest).await.unwrap_err();
    assert_eq!(code(error.clone()), Code::SourceUnauthorized);
    assert!(!error.to_string().contains("wrong"), "{error}");
}

#[tokio::test]
async fn bearer_tokens() {
    let tokens = token_service("127.0.0.1", Some(BASIC)).await;
    let realm = format!("http://{}/token?a=b", tokens.host);
    let registry = guarded("127.0.0.1", "Bearer T", bearer(&realm)).await;
    let digest = store().1;
    let (_folder, settings) = with_credentials(&[(&registry.host, PASSWORD)]);
    let source = registry.open_with(&settings).await;
    // Requests at the same time fetch one token together.
    let asked: Vec<_> = (0..6)
        .map(|_| {
            let (source, digest) = (Arc::clone(&source), digest.clone());
            tokio::spawn(async move { source.manifest(&digest).await })
        })
        .collect();
    for one in asked {
        one.await.unwrap().unwrap();
    }
    let requests = tokens.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].target, "/token?a=b&service=reg&scope=repository%3Aapp%3Apull");
    assert!(registry.requests().iter().all(|r| r.authorization() != Some(BASIC)));
}

#[tokio::test]
async fn a_token_that_has_expired_is_replaced() {
    let tokens = Registry::start(Store::default(), |_, earlier| {
        Some(Reply::new(200).bytes(format!(r#"{{"access_token":"T{earlier}"}}"#)))
    })
    .await;
    let challenge = bearer(&format!("http://{}/token", tokens.host));
    let registry = Registry::start(store().0, move |request, _| {
        // The first token is good for the manifest alone.
        let good = match request.authorization() {
            Some("Bearer T0") => request.path().contains("/sha256:"),
            Some("Bearer T1") => true,
            _ => false,
        };
        (!good).then(|| Reply::new(401).with("WWW-Authenticate", &challenge))
    })
    .await;
    let source = registry.open().await;
    source.manifest(&store().1).await.unwrap();
    assert_eq!(source.tagged("absent").await.unwrap(), None);
    assert_eq!(tokens.requests().len(), 2);
}

#[tokio::test]
async fn identity_tokens_are_traded_for_tokens() {
    let tokens = Registry::start(Store::default(), |request, _| {
        let form = "service=reg&scope=repository%3Aapp%3Apull&grant_type=refresh_token\
                    &client_id=hallmark&refresh_token=R%26";
        let right = request.method == "POST" && request.body == form;
        Some(Reply::new(if right { 200 } else { 400 }).bytes(r#"{"access_token":"T"}"#))
    })
    .await;
    let registry =
        guarded("127.0.0.1", "Bearer T", bearer(&format!("http://{}/t", tokens.host))).await;
    let folder = tempfile::tempdir().unwrap();
    let config = serde_json::json!({"auths": {&registry.host: {"identitytoken": "R&"}}});
    std::fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    let settings = SourceSettings { credentials: vec![folder.path().to_path_buf()], ..settings() };
    registry.open_with(&settings).await.manifest(&store().1).await.unwrap();
}

#[tokio::test]
async fn a_foreign_realm_gets_no_credentials() {
    let evil = token_service("127.0.0.2", None).await;
    let registry =
        guarded("127.0.0.1", "Bearer T", bearer(&format!("http://{}/t", evil.host))).await;
    let (_folder, settings) =
        with_credentials(&[(&registry.host, PASSWORD), (&evil.host, "other:secret")]);
    registry.open_with(&settings).await.manifest(&store().1).await.unwrap();
    let requests = evil.requests();
    assert_eq!(requests.len(), 1, "it is asked, as anybody may ask");
    assert_eq!(requests[0].authorization(), None);

    let wanting = token_service("127.0.0.2", Some(BASIC)).await;
    let registry =
        guarded("127.0.0.1", "Bearer T", bearer(&format!("http://{}/t", wanting.host))).await;
    let (_folder, settings) = with_credentials(&[(&registry.host, PASSWORD)]);
    let error = registry.open_with(&settings).await.manifest(&store().1).await.unwrap_err();
    assert!(error.to_string().contains("authRealms"), "{error}");
    assert!(!error.to_string().contains("hunter2"), "{error}");
    assert!(wanting.requests().iter().all(|r| r.authorization().is_none()));

    let listed = RegistrySettings {
        host: registry.host.clone(),
        plain_http: true,
        auth_hosts: vec!["127.0.0.2".to_owned()],
        ..Default::default()
    };
    let settings = SourceSettings { registries: vec![listed], ..settings };
    registry.open_with(&settings).await.manifest(&store().1).await.unwrap();
}

#[tokio::test]
async fn realms_that_nothing_is_sent_to() {
    let realms = [
        ("http://169.254.169.254/latest", "169.254.169.254"),
        ("http://[::ffff:169.254.169.254]/", "link-local"),
        ("ftp://127.0.0.1/", "only https"),
        ("http://user:pw@127.0.0.1:1/", "credentials in the URL"),
    ];
    for (realm, want) in realms {
        let registry = guarded("127.0.0.1", "Bearer T", bearer(realm)).await;
        let error = registry.open().await.manifest(&store().1).await.unwrap_err();
        assert!(error.to_string().contains(want), "{realm}: {error}");
        assert_eq!(registry.requests().len(), 1, "{realm}");
    }
}

#[tokio::test]
async fn a_redirect_to_another_host_takes_no_authorization_along() {
    let (store, digest) = store();
    let other = Registry::start_at("127.0.0.2", store.clone(), |_, _| None).await;
    let target = other.host.clone();
    let registry = Registry::start(store, move |request, _| {
        if request.authorization() != Some(BASIC) {
            return Some(Reply::new(401).with("WWW-Authenticate", "Basic"));
        }
        let location = format!("http://{target}{}", request.target);
        Some(Reply::new(307).with("Location", location))
    })
    .await;
    let (_folder, settings) =
        with_credentials(&[(&registry.host, PASSWORD), (&other.host, PASSWORD)]);
    registry.open_with(&settings).await.manifest(&digest).await.unwrap();
    assert_eq!(other.requests().len(), 1);
    assert_eq!(other.requests()[0].authorization(), None);
}

#[tokio::test]
async fn a_redirect_back_home_takes_no_authorization_along() {
    let (store, digest) = store();
    let listener = Arc::new(std::sync::Mutex::new(String::new()));
    let home = Arc::clone(&listener);
    let other = Registry::start_at("127.0.0.2", Store::default(), move |_, _| {
        let location = format!("http://{}/stolen", home.lock().unwrap());
        Some(Reply::new(302).with("Location", location))
    })
    .await;
    let target = format!("http://{}/x", other.host);
    let registry = Registry::start(store, move |request, _| {
        if request.path() == "/stolen" {
            return Some(Reply::new(404));
        }
        if request.authorization().is_none() {
            return Some(Reply::new(401).with("WWW-Authenticate", "Basic"));
        }
        Some(Reply::new(302).with("Location", &target))
    })
    .await;
    listener.lock().unwrap().push_str(&registry.host);
    let (_folder, settings) = with_credentials(&[(&registry.host, PASSWORD)]);
    let _ = registry.open_with(&settings).await.manifest(&digest).await;
    let stolen: Vec<_> =
        registry.requests().into_iter().filter(|r| r.path() == "/stolen").collect();
    assert_eq!(stolen.len(), 1);
    assert_eq!(stolen[0].authorization(), None);
}

#[tokio::test]
async fn a_challenge_of_another_host_is_not_answered() {
    let (store, digest) = store();
    let other = guarded("127.0.0.2", BASIC, "Basic".to_owned()).await;
    let target = other.host.clone();
    let registry = Registry::start(store, move |request, _| {
        let location = format!("http://{target}{}", request.target);
        Some(Reply::new(307).with("Location", location))
    })
    .await;
    let (_folder, settings) =
        with_credentials(&[(&registry.host, PASSWORD), (&other.host, PASSWORD)]);
    let error = registry.open_with(&settings).await.manifest(&digest).await.unwrap_err();
    assert!(error.to_string().contains("401"), "{error}");
    assert!(other.requests().iter().all(|r| r.authorization().is_none()));
}

#[tokio::test]
async fn redirects_that_are_not_followed() {
    let cases = [
        ("http://169.254.169.254/latest/meta-data", "169.254.169.254"),
        ("http://[fe80::1]/", "fe80::1"),
        ("file:///etc/passwd", "only https"),
        ("http://user:pw@127.0.0.1/", "credentials in the URL"),
        ("/again", "redirects"),
    ];
    for (target, want) in cases {
        let (store, digest) = store();
        let registry =
            Registry::start(store, move |_, _| Some(Reply::new(302).with("Location", target)))
                .await;
        let error = registry.open().await.manifest(&digest).await.unwrap_err();
        assert!(error.to_string().contains(want), "{target}: {error}");
        assert!(registry.requests().len() <= 6, "{target}");
    }
}

#[tokio::test]
async fn a_helper_that_fails_is_an_error_and_not_an_anonymous_visit() {
    let registry = guarded("127.0.0.1", BASIC, "Basic".to_owned()).await;
    let folder = tempfile::tempdir().unwrap();
    let config = serde_json::json!({"credHelpers": {&registry.host: "hallmark-test-nowhere"}});
    std::fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    let settings = SourceSettings { credentials: vec![folder.path().to_path_buf()], ..settings() };
    let error = registry.open_with(&settings).await.manifest(&store().1).await.unwrap_err();
    assert_eq!(code(error), Code::SourceUnauthorized);
}

#[test]
fn whoever_is_refused_is_told_where_to_log_in() {
    let why = || "w".to_owned();
    let cases = [
        ("r.example:5000/team/app", "docker login r.example:5000, or podman login r.example:5000;"),
        ("docker.io/library/app", "docker login, or podman login;"),
    ];
    for (place, want) in cases {
        let place = place.to_owned();
        for error in [
            SourceError::Unauthorized { place: place.clone(), why: why() },
            SourceError::Forbidden { place: place.clone(), why: why() },
        ] {
            let help = error.into_finding(Subject::Run).help();
            assert!(help.contains(want) && help.contains("DOCKER_CONFIG"), "{help}");
        }
    }
}
