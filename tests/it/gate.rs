//! The admission webhook as the apiserver meets it: the real `hallmark serve`, over TLS, with real images.

mod answers;
mod load;
mod namespaces;

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Child,
    time::{Duration, Instant},
};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

use crate::{
    held,
    layouts::Parts,
    server::{Body, Key, Registry, Reply, World},
    support::{Hallmark, Lab, trusting},
};

/// A certificate authority of this test.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// Puts a new certificate for `localhost` and its key into a folder.
    fn certify(&self, folder: &Path) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        fs::write(folder.join("tls.key"), key.serialize_pem()).unwrap();
        fs::write(folder.join("tls.crt"), certificate.pem()).unwrap();
    }

    /// A client that trusts this authority alone.
    fn client(&self) -> Client {
        let root = reqwest::Certificate::from_pem(self.pem.as_bytes()).unwrap();
        Client::builder()
            .tls_certs_only([root])
            .no_proxy()
            .timeout(Duration::from_secs(20))
            .build()
            .unwrap()
    }
}

/// A running `hallmark serve`.
struct Gate {
    child: Child,
    url: String,
    client: Client,
    authority: Authority,
    folder: tempfile::TempDir,
    hallmark: Hallmark,
}

impl Drop for Gate {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Gate {
    async fn start(config: &str) -> Self {
        Self::start_with(config, &[]).await
    }

    /// With more arguments. `LISTEN` in the configuration stands for the address, which the command line has otherwise.
    async fn start_with(config: &str, more: &[&str]) -> Self {
        // The port is free when it is chosen; nobody else is likely to take it in between.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
        authority.certify(folder.path());
        let address = address.to_string();
        let listen = ["--listen", &address];
        let listen = if config.contains("LISTEN") { &[][..] } else { &listen[..] };
        let hallmark = Hallmark::new([&["serve"][..], listen, more].concat())
            .arg("--tls-certificate")
            .arg(folder.path().join("tls.crt"))
            .arg("--tls-key")
            .arg(folder.path().join("tls.key"))
            .config(&config.replace("LISTEN", &address));
        let [log, decisions] =
            ["log", "decisions"].map(|name| fs::File::create(folder.path().join(name)).unwrap());
        let child = hallmark.command().stdout(decisions).stderr(log).spawn().unwrap();
        let url = format!("https://localhost:{}", address.rsplit(':').next().unwrap());
        let client = authority.client();
        let gate = Self { child, url, client, authority, folder, hallmark };
        let deadline = Instant::now() + Duration::from_secs(30);
        while gate.get("/readyz").await.is_none() {
            assert!(Instant::now() < deadline, "hallmark serve does not answer");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        gate
    }

    /// What it has said on stderr so far.
    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// What it has decided, in order, as soon as there are so many.
    async fn decisions(&self, count: usize) -> Vec<Value> {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let text = fs::read_to_string(self.folder.path().join("decisions")).unwrap();
            if text.lines().count() >= count && text.ends_with('\n') {
                return text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            }
            assert!(Instant::now() < deadline, "no {count} decisions in\n{text}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The first line on stderr that has all of these words, as soon as it is there.
    async fn logs(&self, words: &[&str]) -> String {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let log = self.log();
            let line = log.lines().find(|line| words.iter().all(|word| line.contains(word)));
            if let Some(line) = line {
                return line.to_owned();
            }
            assert!(Instant::now() < deadline, "no line with {words:?} in\n{log}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn get(&self, path: &str) -> Option<(StatusCode, String)> {
        let response = self.client.get(format!("{}{path}", self.url)).send().await.ok()?;
        Some((response.status(), response.text().await.ok()?))
    }

    async fn post(&self, kind: &str, body: impl Into<String>) -> (StatusCode, String) {
        let request = self.client.post(format!("{}/validate?timeout=5s", self.url));
        let request = request.header("content-type", kind).body(body.into());
        let response = request.send().await.unwrap();
        (response.status(), response.text().await.unwrap())
    }

    /// The `response` to a review.
    async fn review(&self, review: &Value) -> Value {
        let (status, text) = self.post("application/json", review.to_string()).await;
        assert_eq!(status, StatusCode::OK, "{text}");
        let answer: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(answer["kind"], "AdmissionReview", "{text}");
        assert_eq!(answer["apiVersion"], "admission.k8s.io/v1", "{text}");
        assert_eq!(answer["response"]["uid"], review["request"]["uid"], "{text}");
        answer["response"].clone()
    }

    /// What a pod with this one image gets.
    async fn pod(&self, image: &str) -> Value {
        self.review(&pod("CREATE", &json!({"containers": [{"name": "a", "image": image}]}))).await
    }

    fn terminate(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    }
}

fn pod(operation: &str, spec: &Value) -> Value {
    json!({
        "kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "operation": operation, "namespace": "default", "name": "app",
            "object": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "app"}, "spec": spec},
        },
    })
}

fn message(response: &Value) -> &str {
    response["status"]["message"].as_str().unwrap_or_default()
}

#[track_caller]
fn assert_allowed(response: &Value) {
    assert_eq!(response["allowed"], true, "{response:#}");
}

/// Denied, with the subject, the reason, what to do and how to see it again.
#[track_caller]
fn assert_denied(response: &Value, subject: &str, why: &str) {
    assert_eq!(response["allowed"], false, "{response:#}");
    assert_eq!(response["status"]["code"], 403, "{response:#}");
    for part in [subject, why, "help: ", "hallmark verify "] {
        assert!(message(response).contains(part), "no {part:?} in\n{}", message(response));
    }
}

/// A gate that asks for a signature, a registry with a signed image, one signed by somebody else and an unsigned one.
struct Scene {
    gate: Gate,
    registry: Registry,
    signed: String,
    stolen: String,
    bare: String,
}

impl Scene {
    async fn new() -> Self {
        let mut world = World::new();
        let stolen = world.store.image(&Parts::new(&[("bin/app", b"signed by somebody")]));
        Key::new().sign(&mut world.store, &stolen);
        let bare = world.store.image(&Parts::new(&[("bin/app", b"unsigned")]));
        world.store.tag("1.0", &world.image);
        let registry = Registry::honest(world.store.clone());
        let gate = Gate::start(&world.config("signed")).await;
        let [signed, stolen, bare] =
            [&world.image, &stolen, &bare].map(|digest| registry.image(digest));
        Self { gate, registry, signed, stolen, bare }
    }
}

#[tokio::test]
async fn images_are_let_in_by_what_is_proven() {
    let Scene { gate, registry, signed, stolen, bare } = Scene::new().await;
    assert_allowed(&gate.pod(&signed).await);
    assert_denied(&gate.pod(&stolen).await, &stolen, "signature-missing");
    assert_denied(&gate.pod(&bare).await, &bare, "signature-missing");
    let tagged = registry.image("1.0");
    assert_denied(&gate.pod(&tagged).await, &tagged, "named by tag");
    let absent = registry.image(&crate::layouts::digest(b"absent"));
    assert_denied(&gate.pod(&absent).await, &absent, "source-not-found");
    let gone = signed.replace(&registry.host, "127.0.0.1:1");
    assert_denied(&gate.pod(&gone).await, &gone, "source-unavailable");
}

#[tokio::test]
async fn every_list_of_containers_counts_and_so_does_an_update() {
    let Scene { gate, signed, bare, .. } = Scene::new().await;
    let good = json!({"name": "a", "image": signed});
    let bad = json!({"name": "b", "image": bare});
    let mut spec = json!({"containers": [good]});
    assert_allowed(&gate.review(&pod("UPDATE", &spec)).await);
    for list in ["initContainers", "ephemeralContainers"] {
        let mut spec = spec.clone();
        spec[list] = json!([bad]);
        let mut review = pod("UPDATE", &spec);
        if list == "ephemeralContainers" {
            review["request"]["subResource"] = json!("ephemeralcontainers");
        }
        // What the object was before has the image at another place, and only there.
        review["request"]["oldObject"] = review["request"]["object"].clone();
        review["request"]["oldObject"]["spec"] = json!({"containers": [good, bad]});
        let response = gate.review(&review).await;
        assert_denied(&response, &bare, &format!("spec.{list}[0].image"));
        assert!(message(&response).starts_with("hallmark denies 1 of 1 image"), "{response}");
    }
    spec["containers"] = json!([bad]);
    assert_denied(&gate.review(&pod("UPDATE", &spec)).await, &bare, "spec.containers[0].image");
    let mut deleting = pod("UPDATE", &spec);
    deleting["request"]["object"]["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    assert_denied(&gate.review(&deleting).await, &bare, "signature-missing");
    let mut delete = pod("DELETE", &spec);
    delete["request"]["object"] = Value::Null;
    assert_allowed(&gate.review(&delete).await);
}

/// What a cluster did before its images stopped verifying has to come to an end: a finished pod, an old ReplicaSet.
#[tokio::test]
async fn h40_an_update_without_a_new_image_is_let_through() {
    let Scene { gate, signed, bare, .. } = Scene::new().await;
    let update = |old: &Value, new: &Value, kind: Value| {
        let mut review = pod("UPDATE", &json!({}));
        review["request"]["kind"] = kind;
        review["request"]["object"] = new.clone();
        review["request"]["oldObject"] = old.clone();
        review
    };
    let kind = || json!({"group": "", "version": "v1", "kind": "Pod"});
    let object = |image: &str| {
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "p", "finalizers": ["batch.kubernetes.io/job-tracking"]},
            "spec": {"containers": [{"name": "c", "image": image}]},
        })
    };
    let (old, mut new) = (object(&bare), object(&bare));
    new["metadata"]["finalizers"] = json!([]);
    let response = gate.review(&update(&old, &new, kind())).await;
    assert_allowed(&response);
    assert_eq!(response["auditAnnotations"]["unchanged"], "1", "{response}");
    let gone = bare.replace("127.0.0.1", "127.0.0.2");
    assert_allowed(&gate.review(&update(&object(&gone), &object(&gone), kind())).await);
    let set = |replicas: u64| {
        let template = json!({"spec": {"containers": [{"name": "c", "image": bare}]}});
        json!({
            "apiVersion": "apps/v1", "kind": "ReplicaSet",
            "spec": {"replicas": replicas, "template": template},
        })
    };
    let apps = json!({"group": "apps", "version": "v1", "kind": "ReplicaSet"});
    assert_allowed(&gate.review(&update(&set(3), &set(0), apps)).await);
    let response = gate.review(&update(&object(&signed), &object(&bare), kind())).await;
    assert_denied(&response, &bare, "signature-missing");
    assert_allowed(&gate.review(&update(&object(&bare), &object(&signed), kind())).await);
}

/// A world whose registry has an index of a signed image for amd64 and an unsigned one for arm64, and one of the signed image
/// alone, which says that it is for arm64 and is.
fn platforms() -> (World, String, String) {
    let mut arm64 = Parts::new(&[("bin/app", b"for arm64")]);
    arm64.config["architecture"] = "arm64".into();
    arm64.relink();
    let mut world = World::new();
    let arm64 = world.store.image(&arm64);
    let entry = |digest: &str, architecture: &str, world: &World| {
        json!({
            "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest,
            "size": world.store.manifests[digest].1.len(),
            "platform": {"os": "linux", "architecture": architecture},
        })
    };
    let both = [entry(&world.image, "amd64", &world), entry(&arm64, "arm64", &world)];
    let mut index = |manifests: &[Value]| {
        let index = json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": manifests,
        });
        world.store.manifest(&index, None)["digest"].as_str().unwrap().to_owned()
    };
    let (both, alone) = (index(&both), index(&both[1..]));
    world.key.sign(&mut world.store, &alone);
    (world, both, alone)
}

#[tokio::test]
async fn h9_the_gate_judges_every_platform_or_those_of_the_nodes() {
    let (world, both, arm64) = platforms();
    let registry = Registry::honest(world.store.clone());
    let (both, arm64) = (registry.image(&both), registry.image(&arm64));
    let config = world.config("signed");
    let gate = Gate::start(&config).await;
    assert_denied(&gate.pod(&both).await, &both, "signature-missing");
    assert_allowed(&gate.pod(&arm64).await);
    // The folder has the files of the gate that listens already; the command line names this one's own.
    let files = gate.folder.path();
    let nodes = |platforms: &str| {
        format!(
            "{config}gate: {{platforms: {platforms}, certificate: {0}/tls.crt, key: {0}/tls.key}}\n",
            files.display()
        )
    };
    let amd64_only = Gate::start(&nodes("[linux/amd64]")).await;
    assert_allowed(&amd64_only.pod(&both).await);
    assert_denied(&amd64_only.pod(&arm64).await, &arm64, "image-platform-missing");
    let mixed = Gate::start(&nodes("[linux/x86_64, linux/arm64/v8]")).await;
    assert_denied(&mixed.pod(&both).await, &both, "signature-missing");
    assert_allowed(&mixed.pod(&arm64).await);
}

#[tokio::test]
async fn what_is_no_review_gets_a_status_that_denies() {
    let Scene { gate, signed, bare, .. } = Scene::new().await;
    let good = pod("CREATE", &json!({"containers": [{"name": "a", "image": signed}]})).to_string();
    let twice = good.replace("\"image\":", &format!("\"image\":\"{bare}\",\"image\":"));
    assert_ne!(twice, good);
    let large = format!("{good}{}", " ".repeat(64 << 10));
    let deep = good.replace(
        "\"spec\":",
        &format!("\"deep\":{}{},\"spec\":", "[".repeat(200), "]".repeat(200)),
    );
    let json = "application/json";
    let cases = [
        (json, twice, StatusCode::BAD_REQUEST, "given twice"),
        (json, deep, StatusCode::BAD_REQUEST, "nested deeper"),
        (json, large, StatusCode::PAYLOAD_TOO_LARGE, "limits.reviewBytes"),
        (json, String::new(), StatusCode::BAD_REQUEST, "no AdmissionReview"),
        (json, "[]".to_owned(), StatusCode::BAD_REQUEST, "no AdmissionReview"),
        (json, "{}".to_owned(), StatusCode::BAD_REQUEST, "expected kind AdmissionReview"),
        ("text/plain", good.clone(), StatusCode::UNSUPPORTED_MEDIA_TYPE, "application/json"),
        ("application/yaml", good.clone(), StatusCode::UNSUPPORTED_MEDIA_TYPE, "application/json"),
    ];
    for (kind, body, status, words) in cases {
        let (found, text) = gate.post(kind, body).await;
        assert_eq!(found, status, "{kind}: {text}");
        assert!(text.contains(words), "{kind}: {text}");
    }
    let (status, _) = gate.post("application/json; charset=utf-8", good).await;
    assert_eq!(status, StatusCode::OK);
}

/// A signed scan that failed is a valid attestation by the right key, and neither a signature nor provenance.
#[tokio::test]
async fn b2_an_attestation_of_another_type_lets_nothing_in() {
    let mut world = World::new();
    let scanned = world.store.image(&Parts::new(&[("bin/app", b"scanned, and not signed")]));
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "app", "digest": {"sha256": scanned.trim_start_matches("sha256:")}}],
        "predicateType": "https://cosign.sigstore.dev/attestation/vuln/v1",
        "predicate": {"scanner": {"result": "failed"}},
    });
    let envelope = world.key.envelope(statement.to_string().as_bytes());
    world.store.attach(&scanned, "att", envelope.to_string().as_bytes(), &json!({}));
    let registry = Registry::honest(world.store.clone());
    let gate = Gate::start(&world.config("signed")).await;
    assert_allowed(&gate.pod(&registry.image(&world.image)).await);
    let scanned = registry.image(&scanned);
    assert_denied(&gate.pod(&scanned).await, &scanned, "signature-missing");
}

#[tokio::test]
async fn a_review_may_be_as_large_as_its_limit_and_no_larger() {
    // The world's configuration sets `reviewBytes` to this.
    const LIMIT: usize = 64 << 10;
    let Scene { gate, signed, .. } = Scene::new().await;
    let review =
        pod("CREATE", &json!({"containers": [{"name": "a", "image": signed}]})).to_string();
    let padded = |bytes: usize| format!("{review}{}", " ".repeat(bytes - review.len()));
    let (status, _) = gate.post("application/json", padded(LIMIT)).await;
    assert_eq!(status, StatusCode::OK);
    let (status, text) = gate.post("application/json", padded(LIMIT + 1)).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE, "{text}");
}

#[tokio::test]
async fn a_slow_registry_is_a_denial_in_time() {
    let world = World::new();
    let registry = Registry::start(
        world.store.clone(),
        Box::new(|_, _| Some(Reply::new(200).body(Body::Silence))),
    );
    let config = world.config("signed").replace("request: 2s", "request: 20s");
    let gate = Gate::start(&config).await;
    let image = registry.image(&world.image);
    let before = Instant::now();
    let response = gate.pod(&image).await;
    assert!(before.elapsed() < Duration::from_secs(5), "{:?}", before.elapsed());
    assert_denied(&response, &image, "not verified in time");
}

#[tokio::test]
async fn a_new_certificate_drops_no_connection_and_sigterm_ends_cleanly() {
    let Scene { mut gate, signed, .. } = Scene::new().await;
    assert_eq!(gate.get("/healthz").await, Some((StatusCode::OK, "ok".to_owned())));
    let (status, text) = gate.get("/readyz").await.unwrap();
    assert!(status == StatusCode::OK && text.starts_with("ok\nrules sha256:"), "{text}");
    assert_allowed(&gate.pod(&signed).await);
    let next = Authority::new();
    next.certify(gate.folder.path());
    let url = format!("{}/healthz", gate.url);
    let deadline = Instant::now() + Duration::from_secs(20);
    while next.client().get(&url).send().await.is_err() {
        assert!(Instant::now() < deadline, "the new certificate is not served");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(gate.authority.client().get(&url).send().await.is_err(), "the old one is gone");
    // The client of the old certificate still has its connection.
    assert_allowed(&gate.pod(&signed).await);

    gate.terminate();
    let deadline = Instant::now() + Duration::from_secs(20);
    while gate.get("/readyz").await.is_some_and(|(status, _)| status == StatusCode::OK) {
        assert!(Instant::now() < deadline, "SIGTERM changes nothing");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // A node that has not heard of it yet is answered all the same.
    assert_allowed(&gate.pod(&signed).await);
    gate.client = next.client();
    let deadline = Instant::now() + Duration::from_secs(40);
    let status = loop {
        if let Some(status) = gate.child.try_wait().unwrap() {
            break status;
        }
        assert!(Instant::now() < deadline, "it does not end");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(status.code(), Some(0), "{status}");
}

/// What an operator changes holds a few seconds later, and what cannot be read changes nothing.
#[tokio::test]
async fn changed_rules_are_taken_over_and_broken_ones_are_not() {
    // The key's file has to be there when it is read again.
    let mut world = World::new();
    let bare = world.store.image(&Parts::new(&[("bin/app", b"unsigned")]));
    let registry = Registry::honest(world.store.clone());
    let gate = Gate::start(&world.config("signed")).await;
    let [signed, bare] = [&world.image, &bare].map(|digest| registry.image(digest));
    let in_force = async || gate.get("/readyz").await.unwrap().1;
    let config = gate.hallmark.config_path();
    let text = fs::read_to_string(&config).unwrap();
    assert_allowed(&gate.pod(&signed).await);
    let first = in_force().await;

    fs::write(&config, text.replace("preset: signed", "preset: sined")).unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let metrics = gate.get("/metrics").await.unwrap().1;
        if metrics.contains("{result=\"refused\"} 1\n") {
            break;
        }
        assert!(Instant::now() < deadline, "nothing is said of it:\n{metrics}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(in_force().await, first, "the last good ones stay");
    assert_allowed(&gate.pod(&signed).await);
    assert_denied(&gate.pod(&bare).await, &bare, "signature-missing");

    // Nobody vouches for this repository any more: what was found a moment ago does not count.
    fs::write(&config, text.replace("\"**\"", "\"r.example/**\"")).unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while in_force().await == first {
        assert!(Instant::now() < deadline, "the new rules never came");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let response = gate.pod(&signed).await;
    assert_denied(&response, &signed, "its registry was not asked");
    // It is signed: what is missing is the operator's word.
    let help = message(&response).lines().find(|line| line.contains("help: ")).unwrap();
    assert!(help.contains("under trust") && help.contains("a rule"), "{help}");
    assert!(!help.contains("sign ") && !help.contains("--key"), "{help}");
}

/// Nobody asked for it: what a gate decides, and by what, is seen nowhere else.
#[tokio::test]
async fn the_log_says_what_happens_and_draws_no_progress() {
    let mut world = World::new();
    let bare = world.store.image(&Parts::new(&[("bin/app", b"unsigned")]));
    let registry = Registry::honest(world.store.clone());
    let [signed, bare] = [&world.image, &bare].map(|digest| registry.image(digest));
    let config = world.config("signed");
    // The command line has the certificate and key that count.
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/LICENSE");
    let config = format!(
        "{config}gate: {{listen: \"LISTEN\", certificate: {file}, key: {file}, namespacesExempt: [kube-system]}}\n"
    );
    let gate = Gate::start_with(&config, &[]).await;
    let address = gate.url.replace("https://localhost", "127.0.0.1");
    gate.logs(&["INFO", "serve starts", env!("CARGO_PKG_VERSION")]).await;
    gate.logs(&["INFO", "taken at this address", &address]).await;
    let rules = gate.get("/readyz").await.unwrap().1;
    let rules = rules.trim().rsplit(' ').next().unwrap();
    let line = gate.logs(&["INFO", "decisions are made by these rules", rules]).await;
    for told in [
        "configuration=\"/",
        "preset=\"signed\"",
        "policy=\"sha256:",
        "trust=\"sha256:",
        "public-good as of",
    ] {
        assert!(line.contains(told), "{told}: {line}");
    }

    assert_allowed(&gate.pod(&signed).await);
    let of_pod = ["INFO", "decided", "namespace=\"default\"", "name=\"app\"", "kind=\"v1 Pod\""];
    let said = |words: &[&'static str]| [&of_pod[..], words].concat();
    let codes = "codes=\"provenance-missing sbom-missing\"";
    let line = gate.logs(&said(&["decision=\"allowed\"", codes, "milliseconds="])).await;
    assert!(line.contains(&format!("images=\"{signed}=allowed\"")), "{line}");
    assert_denied(&gate.pod(&bare).await, &bare, "signature-missing");
    let codes = "codes=\"signature-missing\"";
    let line = gate.logs(&said(&["decision=\"denied\"", codes, "milliseconds="])).await;
    assert!(line.contains(&format!("images=\"{bare}=denied\"")), "{line}");
    assert_denied(&gate.pod(&registry.image("1.0")).await, "1.0", "named by tag");
    gate.logs(&said(&["decision=\"denied\"", "codes=\"gate-tag\""])).await;
    let mut exempt = pod("CREATE", &json!({"containers": [{"name": "a", "image": bare}]}));
    exempt["request"]["namespace"] = "kube-system".into();
    exempt["request"]["name"] = "x\" decision=\"allowed\nINFO".into();
    assert_allowed(&gate.review(&exempt).await);
    let line = gate.logs(&["INFO", "the namespace is exempt", "namespace=\"kube-system\""]).await;
    assert!(line.contains(r#"name="x\" decision=\"allowed\nINFO""#), "{line}");
    let mut strange = pod("CREATE", &json!({}));
    strange["request"]["kind"]["kind"] = "Strange".into();
    assert_eq!(gate.review(&strange).await["allowed"], false);
    gate.logs(&["decision=\"denied\"", "Strange", "why=\"hallmark: hallmark cannot tell"]).await;
    let decisions = gate.decisions(5).await;
    decisions.iter().for_each(|decision| held::holds(decision, "a line of the gate"));
    let said: Vec<_> = decisions.iter().map(|d| d["decision"].as_str().unwrap()).collect();
    assert_eq!(said, ["allowed", "denied", "denied", "exempt", "denied"]);
    let image = &decisions[0]["images"][0];
    assert_eq!((&image["image"], &image["decision"]), (&json!(signed), &json!("allowed")));
    assert!(signed.ends_with(image["digest"].as_str().unwrap()), "{image}");
    assert_eq!(decisions[1]["images"][0]["codes"], json!(["signature-missing"]));
    assert_eq!(decisions[3]["name"], exempt["request"]["name"]);
    assert!(decisions[4]["why"].as_str().unwrap().contains("hallmark cannot tell"));
    assert_eq!(gate.post("application/json", "{}").await.0, StatusCode::BAD_REQUEST);
    gate.logs(&["WARN", "no review could be read", "expected kind AdmissionReview"]).await;

    let (file, held) = (gate.hallmark.config_path(), config.replace("LISTEN", &address));
    fs::write(&file, held.replace("preset: signed", "preset: sined")).unwrap();
    gate.logs(&["WARN", "the last good ones stay", "sined"]).await;
    fs::write(&file, held.replace(&address, "127.0.0.1:1")).unwrap();
    gate.logs(&["INFO", "decisions are made by new rules"]).await;
    gate.logs(&["WARN", "needs a restart", "gate.listen", "127.0.0.1:1"]).await;
    Authority::new().certify(gate.folder.path());
    gate.logs(&["INFO", "new connections get the new certificate"]).await;
    gate.terminate();
    gate.logs(&["INFO", "asked to end"]).await;
    let log = gate.log();
    let levels = regex::Regex::new(r"^\S+Z  ?(INFO|WARN) hallmark::").unwrap();
    for line in log.lines() {
        assert!(levels.is_match(line) && !line.contains("time.busy"), "{line}\n{log}");
    }
    assert_eq!(log.matches("needs a restart").count(), 1, "{log}");
}

#[tokio::test]
async fn the_operator_says_how_much_is_logged() {
    let world = World::new();
    let registry = Registry::honest(world.store.clone());
    let (image, config) = (registry.image(&world.image), world.config("signed"));
    let all = ["INFO", "WARN", "time.busy"];
    for (more, wanted) in [
        (&["--quiet"][..], &["WARN"][..]),
        (&["--log", "hallmark=debug"], &["INFO", "WARN", "time.busy"]),
        (&["--log", "info"], &["INFO", "WARN"]),
        (&["-v"], &["INFO", "WARN", "time.busy"]),
        (&["--quiet", "--log", "hallmark=info"], &["INFO", "WARN"]),
        (&["--log", ""], &["INFO", "WARN"]),
        (&["--log", "off"], &[]),
    ] {
        let gate = Gate::start_with(&config, more).await;
        assert_allowed(&gate.pod(&image).await);
        assert_eq!(gate.post("application/json", "{}").await.0, StatusCode::BAD_REQUEST);
        let log = gate.log();
        for word in all {
            assert_eq!(log.contains(word), wanted.contains(&word), "{more:?} {word}\n{log}");
        }
    }
}

#[test]
fn a_gate_without_a_usable_certificate_does_not_start() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    authority.certify(folder.path());
    let serve = |certificate: &Path, key: &Path| {
        Hallmark::new(["serve", "--listen", "127.0.0.1:0"])
            .arg("--tls-certificate")
            .arg(certificate)
            .arg("--tls-key")
            .arg(key)
            .run_within(Duration::from_secs(20))
    };
    let (certificate, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
    serve(&certificate, &certificate).exits(2).says("expected a private key");
    serve(Path::new("/nonexistent.crt"), &key).exits(2).says("/nonexistent.crt");
    Hallmark::new(["serve", "--listen", "127.0.0.1:0"]).run().exits(2).says("--tls-certificate");
}

/// The reviews that a real apiserver sent, or nothing with a word where they are not there.
fn captured(test: &str) -> Vec<(String, Value)> {
    let folder = std::env::var_os("HALLMARK_CAPTURED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/captured"),
        PathBuf::from,
    );
    let Ok(entries) = fs::read_dir(&folder) else {
        eprintln!("SKIPPED {test}: {} is not there", folder.display());
        return Vec::new();
    };
    let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|f| f.file_name().unwrap().to_string_lossy().starts_with("admissionreview-"));
    files.sort();
    let read = |file: &PathBuf| {
        let text = fs::read_to_string(file).unwrap();
        (file.display().to_string(), serde_json::from_str(&text).unwrap())
    };
    files.iter().map(read).collect()
}

/// Puts an image in the place of the captured signed one.
fn with_image(review: &Value, image: &str) -> Value {
    let captured = regex::Regex::new(r"127\.0\.0\.1:5000/app/bk@sha256:[0-9a-f]{64}").unwrap();
    let text = review.to_string();
    serde_json::from_str(&captured.replace_all(&text, image)).unwrap()
}

#[tokio::test]
async fn captured_reviews_get_the_right_decisions() {
    let reviews = captured("captured_reviews_get_the_right_decisions");
    if reviews.is_empty() {
        return;
    }
    let Scene { gate, signed, bare, .. } = Scene::new().await;
    let (mut allowed, mut denied) = (0, 0);
    for (file, review) in reviews {
        let object = review["request"]["object"].to_string();
        let response = gate.review(&with_image(&review, &signed)).await;
        if object.contains("/app/bad") {
            assert_denied(&response, "/app/bad:", "named by tag");
            denied += 1;
        } else {
            assert_eq!(response["allowed"], true, "{file}: {response:#}");
            let response = gate.review(&with_image(&review, &bare)).await;
            assert_denied(&response, &bare, "signature-missing");
            // As captured, its registry is out of reach: nothing is proven.
            assert_denied(&gate.review(&review).await, "/app/bk@", "source-unavailable");
            allowed += 1;
        }
    }
    assert!(allowed >= 2 && denied >= 2, "{allowed} allowed, {denied} denied");
}

#[tokio::test]
async fn images_of_the_lab_get_the_right_decisions() {
    let Some(lab) = Lab::here("images_of_the_lab_get_the_right_decisions") else { return };
    let gate = Gate::start(&trusting(Path::new(lab.get("KEY_A")), "signed")).await;
    assert_allowed(&gate.pod(lab.get("HONEST")).await);
    for (name, why) in [("WRONGKEY", "signature-missing"), ("BARE", "signature-missing")] {
        let image = lab.get(name);
        assert_denied(&gate.pod(image).await, image, why);
    }
    let tagged = format!("{}/demo/honest:latest", lab.get("REGISTRY"));
    assert_denied(&gate.pod(&tagged).await, &tagged, "named by tag");
    for (file, review) in captured("images_of_the_lab_get_the_right_decisions") {
        let bad = review["request"]["object"].to_string().contains("/app/bad");
        let response = gate.review(&with_image(&review, lab.get("HONEST"))).await;
        assert_eq!(response["allowed"], !bad, "{file}: {response:#}");
    }
}

#[tokio::test]
async fn a_tag_is_verified_under_the_digest_it_had() {
    let mut world = World::new();
    let evil = world.store.image(&Parts::new(&[("bin/app", b"evil")]));
    // The registry moves the tag to and fro: each decision is about one of the two.
    let both = [&world.image, &evil].map(|digest| world.store.manifests[digest].clone());
    let handler = Box::new(move |request: &crate::server::Request, earlier: usize| {
        let (kind, bytes) = &both[earlier % 2];
        let tagged = request.path().ends_with("/manifests/1.0");
        tagged.then(|| Reply::new(200).with("Content-Type", kind).bytes(bytes.clone()))
    });
    let registry = Registry::start(world.store.clone(), handler);
    let config = world.config("signed");
    // `gate` needs its files in the section; the command line has the ones that count.
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/LICENSE");
    let gate = Gate::start(&format!(
        "{config}gate: {{certificate: {file}, key: {file}, tags: resolve}}\n"
    ))
    .await;
    let tagged = registry.image("1.0");
    let response = gate.pod(&tagged).await;
    assert_allowed(&response);
    let warning = response["warnings"][0].as_str().unwrap();
    assert!(warning.contains(&world.image), "{warning}");
    assert_denied(&gate.pod(&tagged).await, &evil, "signature-missing");
    assert_denied(&gate.pod(&registry.image("2.0")).await, "2.0", "source-not-found");
}
