//! The gate between namespaces: which preset an image is judged by, as the apiserver's labels and the object's own say.

use std::{
    collections::BTreeMap,
    fs,
    net::TcpListener,
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::{Path as Segment, State},
    http::{HeaderMap, StatusCode},
    routing::get,
};
use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};

use super::{Authority, Gate, assert_allowed, assert_denied, message, pod};
use crate::{
    server::{Registry, World},
    support::Hallmark,
};

const TOKEN: &str = "eyJhbGciOiJSUzI1NiJ9.of-the-test.signature";

/// What stands for a cluster's apiserver: labels by namespace.
#[derive(Clone, Default)]
struct Cluster {
    labels: Arc<Mutex<BTreeMap<String, Value>>>,
}

impl Cluster {
    /// Serves by TLS, and writes what a pod's service account would have into a folder.
    fn start(folder: &Path) -> (Self, String) {
        let (cluster, authority) = (Self::default(), Authority::new());
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &authority.issuer).unwrap();
        fs::write(folder.join("ca.crt"), &authority.pem).unwrap();
        fs::write(folder.join("token"), format!("{TOKEN}\n")).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let router = Router::new().route("/api/v1/namespaces/{name}", get(Self::answer));
        let router = router.with_state(cluster.clone());
        let (certificate, key) = (certificate.pem().into_bytes(), key.serialize_pem().into_bytes());
        tokio::spawn(async move {
            let config = axum_server::tls_rustls::RustlsConfig::from_pem(certificate, key);
            let server = axum_server::from_tcp_rustls(listener, config.await.unwrap()).unwrap();
            server.serve(router.into_make_service()).await.unwrap();
        });
        let config = format!(
            "apiserver: {{server: \"https://localhost:{port}\", ca: {0}/ca.crt, token: {0}/token}}",
            folder.display()
        );
        (cluster, config)
    }

    async fn answer(
        State(cluster): State<Self>,
        Segment(name): Segment<String>,
        headers: HeaderMap,
    ) -> (StatusCode, String) {
        if headers.get("authorization").is_none_or(|value| *value != format!("Bearer {TOKEN}")) {
            return (StatusCode::UNAUTHORIZED, String::new());
        }
        let labels = cluster.labels.lock().unwrap();
        match labels.get(&name) {
            Some(labels) => {
                let metadata = json!({"name": name, "uid": "1", "labels": labels});
                let namespace = json!({
                    "kind": "Namespace", "apiVersion": "v1", "metadata": metadata,
                    "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"},
                });
                (StatusCode::OK, namespace.to_string())
            }
            None => (StatusCode::NOT_FOUND, json!({"kind": "Status"}).to_string()),
        }
    }

    fn label(&self, name: &str, labels: Value) {
        self.labels.lock().unwrap().insert(name.to_owned(), labels);
    }
}

/// A configuration of a gate with these entries, that asks this apiserver.
fn config(world: &World, entries: &str, more: &str) -> String {
    let presets = format!("policy: {{preset: signed, presets: [{entries}]}}");
    let config = world.config("signed").replace("policy: {preset: signed}", &presets);
    assert!(config.contains(&presets));
    // The command line has the certificate and key that count.
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/LICENSE");
    format!("{config}gate: {{certificate: {file}, key: {file}, {more}}}\n")
}

fn in_namespace(image: &str, namespace: &str, labels: &Value) -> Value {
    let mut review = pod("CREATE", &json!({"containers": [{"name": "a", "image": image}]}));
    review["request"]["namespace"] = namespace.into();
    review["request"]["object"]["metadata"]["labels"] = labels.clone();
    review
}

/// The world's image is signed and has no provenance: `signed` lets it in and `slsa-l2` does not.
#[tokio::test]
async fn e22_namespaces_choose_the_preset_and_unread_labels_deny() {
    let (world, folder) = (World::new(), tempfile::tempdir().unwrap());
    let (cluster, apiserver) = Cluster::start(folder.path());
    cluster.label("dev", json!({"env": "dev"}));
    cluster.label("shop", json!({"env": "prod", "tier": "gold"}));
    let entries = "{namespaces: {labels: {env: [prod, stage]}}, preset: slsa-l2}, {namespaces: {names: [\"pay-*\"]}, preset: slsa-l2}";
    let registry = Registry::honest(world.store.clone());
    let image = registry.image(&world.image);
    let gate = Gate::start(&config(&world, entries, &apiserver)).await;
    let none = json!({});
    let ask = async |namespace: &str, labels: &Value| {
        gate.review(&in_namespace(&image, namespace, labels)).await
    };
    // A verdict by one preset is no answer for another one.
    for _ in 0..2 {
        assert_allowed(&ask("dev", &none).await);
        let denied = ask("shop", &none).await;
        assert_denied(&denied, &image, "provenance-missing");
        assert!(
            message(&denied).contains("hallmark verify --config hallmark.yaml --policy slsa-l2 "),
            "{denied}"
        );
        assert_eq!(denied["auditAnnotations"]["presets"], "slsa-l2", "{denied}");
    }
    cluster.label("pay-eu", none.clone());
    assert_denied(&ask("pay-eu", &none).await, &image, "provenance-missing");
    // Whoever makes an object does not say which labels its namespace has.
    assert_denied(&ask("shop", &json!({"env": "dev"})).await, &image, "provenance-missing");
    let denied = ask("lost", &none).await;
    assert_denied(&denied, &image, "the labels of namespace lost cannot be read");
    assert!(message(&denied).contains("knows no such namespace"), "{denied}");
    assert_denied(&ask("../pods", &none).await, &image, "the review names no namespace");
    gate.logs(&["codes=\"gate-namespace\""]).await;

    cluster.label("dev", json!({"env": "stage"}));
    let deadline = Instant::now() + Duration::from_secs(30);
    while ask("dev", &none).await["allowed"] == true {
        assert!(Instant::now() < deadline, "a label that changed is never read");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    fs::write(folder.path().join("token"), "s3cret-2\n").unwrap();
    let denied = ask("new", &none).await;
    assert_denied(&denied, &image, "allowed to get namespaces");
    assert!(!gate.log().contains(TOKEN) && !gate.log().contains("s3cret-2"), "{}", gate.log());
}

#[tokio::test]
async fn e23_an_object_asks_for_nothing_weaker_than_it_gets() {
    let world = World::new();
    let registry = Registry::honest(world.store.clone());
    let image = registry.image(&world.image);
    let entries = "{images: [\"r.example/**\"], preset: regulated}";
    let gate = Gate::start(&config(&world, entries, "objectPresets: [slsa-l2]")).await;
    let ask = async |preset: &str| {
        let labels = json!({"hallmark.dev/preset": preset});
        gate.review(&in_namespace(&image, "dev", &labels)).await
    };
    for _ in 0..2 {
        assert_allowed(&ask("signed").await);
        let denied = ask("slsa-l2").await;
        assert_denied(&denied, &image, "provenance-missing");
        assert!(
            message(&denied).contains("hallmark verify --config hallmark.yaml --policy slsa-l2 "),
            "{denied}"
        );
    }
    let weaker = ask("baseline").await;
    assert_allowed(&weaker);
    let warning = weaker["warnings"][0].as_str().unwrap();
    assert!(warning.contains("asks for baseline, which signed includes"), "{warning}");
    assert_denied(&ask("regulated").await, &image, "gate.objectPresets in hallmark.yaml");
    assert_denied(&ask("none").await, &image, "there is no such preset");
    let mut strange = in_namespace(&image, "dev", &json!({"hallmark.dev/preset": 1}));
    assert_eq!(gate.review(&strange).await["allowed"], false);
    strange["request"]["object"]["metadata"] = json!({"Labels": {}});
    assert_eq!(gate.review(&strange).await["allowed"], false);
}

/// A label that claims a preset which the running images were never held against.
#[tokio::test]
async fn e25_an_update_that_asks_for_a_preset_is_judged_by_it() {
    let world = World::new();
    let registry = Registry::honest(world.store.clone());
    let image = registry.image(&world.image);
    let entries = "{images: [\"r.example/**\"], preset: regulated}";
    let gate = Gate::start(&config(&world, entries, "objectPresets: [slsa-l2]")).await;
    let update = async |old: &Value, new: &Value| {
        let mut review = in_namespace(&image, "dev", new);
        review["request"]["operation"] = "UPDATE".into();
        review["request"]["oldObject"] = review["request"]["object"].clone();
        review["request"]["oldObject"]["metadata"]["labels"] = old.clone();
        gate.review(&review).await
    };
    let (none, strict) = (json!({}), json!({"hallmark.dev/preset": "slsa-l2"}));
    assert_denied(&update(&none, &strict).await, &image, "provenance-missing");
    assert_allowed(&update(&none, &json!({"hallmark.dev/preset": "signed"})).await);
    assert_allowed(&update(&strict, &strict).await);
    assert_allowed(&update(&none, &json!({"app": "x"})).await);
}

#[test]
fn labels_that_nobody_can_be_asked_for_stop_the_start() {
    let (world, folder) = (World::new(), tempfile::tempdir().unwrap());
    let entries = "{namespaces: {labels: {env: prod}}, preset: slsa-l2}";
    let started = |more: &str| {
        let serve = ["serve", "--listen", "127.0.0.1:0"];
        Hallmark::new(serve).config(&config(&world, entries, more)).run()
    };
    started("tags: deny")
        .exits(2)
        .says("policy.presets[0].namespaces.labels")
        .says("gate.apiserver");
    let absent = folder.path().join("absent");
    let more = format!("apiserver: {{ca: {}}}", absent.display());
    started(&more).exits(2).says("gate.apiserver cannot be asked").says("absent");
}
