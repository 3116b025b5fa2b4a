//! The gate from outside: requests through the router, captured reviews, and a real TLS socket.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    sync::Mutex,
};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, StatusCode},
};
use futures_util::FutureExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;
use crate::{
    finding::{Code, Finding, Key, Severity, Subject},
    reference::Reference,
};
use choice::Chosen;
use outcome::Outcome;

fn settings() -> Settings {
    Settings {
        presets: testing::presets(),
        namespaces_exempt: BTreeSet::from(["exempt".to_owned()]),
        budget: Duration::from_secs(9),
        tags: Tags::Resolve,
        review_bytes: 64 << 10,
        patience: Patience::default(),
        rules: "sha256:1".to_owned(),
    }
}

/// Allows names without `bad` and `slow`, takes its time for those with `slow`, and writes down what it is asked.
fn fake(asked: &Arc<Mutex<Vec<String>>>) -> Arc<Verify> {
    let asked = Arc::clone(asked);
    Arc::new(move |reference: Reference, _: Chosen| {
        let name = reference.to_string();
        asked.lock().expect("lock").push(name.clone());
        async move {
            assert!(!name.contains("panic"), "as asked");
            if name.contains("slow") {
                tokio::time::sleep(Duration::from_millis(600)).await;
            }
            let mut image = testing::pinned(&reference);
            if name.contains("swapped") {
                image.digest = format!("sha256:{}", "8".repeat(64)).parse().expect("valid");
            }
            let found = |code: Code, why: &str| {
                let finding = Finding::new(code, Subject::Run).with(Key::Why, why);
                finding.with(Key::Help, "sign it").at(Severity::Warning)
            };
            let mut findings = Vec::new();
            if name.contains("bad") {
                let nobody = found(Code::SignatureMissing, "\u{1b}nobody");
                findings.push(nobody.at(Severity::Error));
            }
            if name.contains("warned") {
                findings.push(found(Code::SbomMissing, "no SBOM"));
            }
            if name.contains("crowded") {
                findings.extend((0..40).map(|n| found(Code::SbomMissing, &format!("warning {n}"))));
                findings.extend((0..2).map(|n| found(Code::SbomMissing, &n.to_string()).remark()));
            }
            if name.contains("excepted") {
                findings.push(found(Code::PolicyExceptionUsed, "excepted"));
            }
            testing::told(image, !name.contains("bad"), findings)
        }
        .boxed()
    })
}

struct Harness {
    router: Router,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Harness {
    fn new(settings: Settings) -> Self {
        let asked = Arc::default();
        Self { router: router(Gate::new(settings, fake(&asked))), asked }
    }

    async fn send(&self, request: Request<Body>) -> (StatusCode, String) {
        let response = self.router.clone().oneshot(request).await.expect("infallible");
        let status = response.status();
        let body = to_bytes(response.into_body(), 1 << 20).await.expect("a body");
        (status, String::from_utf8(body.to_vec()).expect("UTF-8"))
    }

    async fn post(&self, query: &str, body: impl Into<Body>) -> (StatusCode, String) {
        let request = Request::post(format!("/validate{query}"))
            .header("content-type", "application/json")
            .body(body.into());
        self.send(request.expect("valid")).await
    }

    /// The response of a review.
    async fn review(&self, query: &str, review: &Value) -> Value {
        let (status, text) = self.post(query, review.to_string()).await;
        assert_eq!(status, StatusCode::OK, "{text}");
        let answer: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(answer["kind"], "AdmissionReview");
        assert_eq!(answer["apiVersion"], "admission.k8s.io/v1");
        assert_eq!(answer["response"]["uid"], review["request"]["uid"]);
        answer["response"].clone()
    }

    fn asked(&self) -> Vec<String> {
        let mut asked = self.asked.lock().expect("lock").clone();
        asked.sort();
        asked
    }
}

fn pinned(name: &str) -> String {
    format!("r.example/{name}@sha256:{}", "0".repeat(64))
}

fn review(operation: &str, images: &[&str]) -> Value {
    let containers: Vec<_> = images.iter().map(|image| json!({ "image": image })).collect();
    json!({
        "kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1",
        "request": {
            "uid": "u-1", "operation": operation, "namespace": "default",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "object": {"kind": "Pod", "apiVersion": "v1", "spec": {"containers": containers}},
        },
    })
}

fn message(response: &Value) -> &str {
    response["status"]["message"].as_str().unwrap_or("")
}

#[tokio::test]
async fn an_object_is_allowed_when_every_image_is() {
    let gate = Harness::new(settings());
    let good = [pinned("a"), pinned("b")];
    let response = gate.review("", &review("CREATE", &[&good[0], &good[1], &good[0]])).await;
    assert_eq!(response["allowed"], true, "{response}");
    assert_eq!(gate.asked(), good, "each image is asked about once");
    assert_eq!(response["auditAnnotations"]["verdict"], "allowed");
    assert!(response.get("status").is_none() && response.get("warnings").is_none(), "{response}");

    let response = gate.review("", &review("CREATE", &[&good[0], &pinned("bad")])).await;
    assert_eq!(response["allowed"], false);
    assert_eq!(response["status"]["code"], 403);
    let text = message(&response);
    assert!(text.starts_with("hallmark denies 1 of 2 images"), "{text}");
    for part in [
        pinned("bad").as_str(),
        "at: spec.containers[1].image",
        "error[signature-missing]: ",
        "why: \\u{1b}nobody\n       help: sign it",
        "run: hallmark verify --config hallmark.yaml r.example/bad@sha256:",
    ] {
        assert!(text.contains(part), "wanted {part:?} in {text}");
    }
}

#[tokio::test]
async fn an_update_brings_in_nothing_new_and_no_field_skips_the_check() {
    let gate = Harness::new(settings());
    let mut update = review("UPDATE", &[&pinned("bad")]);
    update["request"]["object"]["spec"]["containers"][0]["name"] = json!("a");
    assert_eq!(gate.review("", &update).await["allowed"], false, "there was nothing before");
    update["request"]["oldObject"] = update["request"]["object"].clone();
    let response = gate.review("", &update).await;
    assert_eq!(response["allowed"], true, "H40: it holds what it held: {response}");
    assert_eq!(response["auditAnnotations"]["unchanged"], "1");
    update["request"]["object"]["spec"]["containers"][0]["name"] = json!("b");
    assert_eq!(gate.review("", &update).await["allowed"], false, "E7: at another place");
    update["request"]["operation"] = json!("CREATE");
    update["request"]["oldObject"] = update["request"]["object"].clone();
    assert_eq!(gate.review("", &update).await["allowed"], false, "a new object was nothing before");
    let mut deleting = review("UPDATE", &[&pinned("bad")]);
    deleting["request"]["object"]["metadata"] =
        json!({"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["x/y"]});
    assert_eq!(gate.review("", &deleting).await["allowed"], false, "E8");
    let mut debug = review("UPDATE", &[&pinned("a")]);
    debug["request"]["subResource"] = json!("ephemeralcontainers");
    debug["request"]["object"]["spec"]["ephemeralContainers"] = json!([{"image": pinned("bad")}]);
    let response = gate.review("", &debug).await;
    assert!(message(&response).contains("spec.ephemeralContainers[0].image"), "E6: {response}");
}

#[tokio::test]
async fn e25_a_preset_asked_for_by_an_update_has_all_images_judged() {
    let gate = Harness::new(settings());
    let update = |old: Option<&str>, new: Option<&str>| {
        let mut update = review("UPDATE", &[&pinned("bad")]);
        update["request"]["object"]["spec"]["containers"][0]["name"] = json!("a");
        update["request"]["oldObject"] = update["request"]["object"].clone();
        for (object, label) in [("oldObject", old), ("object", new)] {
            if let Some(label) = label {
                update["request"][object]["metadata"] =
                    json!({"labels": {"hallmark.dev/preset": label}});
            }
        }
        update
    };
    let preset = testing::presets().preset;
    for (old, new, allowed) in [
        (None, Some(preset), false),
        (Some("other"), Some(preset), false),
        (None, Some("no-preset"), false),
        (Some(preset), Some(preset), true),
        (Some(preset), None, true),
        (None, None, true),
    ] {
        let response = gate.review("", &update(old, new)).await;
        assert_eq!(response["allowed"], allowed, "{old:?} {new:?}: {response}");
    }
    let mut unread = update(Some(preset), Some(preset));
    unread["request"]["oldObject"]["metadata"]["labels"]["hallmark.dev/preset"] = json!(1);
    assert_eq!(gate.review("", &unread).await["allowed"], false, "an old label that is no text");
}

#[tokio::test]
async fn only_delete_and_exempt_namespaces_are_let_through_unseen() {
    let gate = Harness::new(settings());
    let mut delete = review("DELETE", &[]);
    delete["request"]["object"] = Value::Null;
    assert_eq!(gate.review("", &delete).await["allowed"], true);
    for (namespace, want) in [
        (json!("exempt"), true),
        (json!("exempt2"), false),
        (json!("Exempt"), false),
        (json!("exempt "), false),
        (json!(""), false),
    ] {
        let mut create = review("CREATE", &[&pinned("bad")]);
        create["request"]["namespace"] = namespace.clone();
        let response = gate.review("", &create).await;
        assert_eq!(response["allowed"], want, "{namespace}");
        let verdict = if want { "exempt" } else { "denied" };
        assert_eq!(response["auditAnnotations"]["verdict"], verdict);
    }
    // Without a namespace nothing is exempt (E9).
    let mut create = review("CREATE", &[&pinned("bad")]);
    create["request"].as_object_mut().expect("object").remove("namespace");
    assert_eq!(gate.review("", &create).await["allowed"], false);
    for operation in ["CONNECT", "delete", ""] {
        let response = gate.review("", &review(operation, &[&pinned("a")])).await;
        assert_eq!(response["allowed"], false, "{operation}");
    }
}

#[tokio::test]
async fn tags_are_denied_or_resolved_as_set() {
    let deny = Harness::new(Settings { tags: Tags::Deny, ..settings() });
    for name in ["r.example/app:1", "r.example/app"] {
        let response = deny.review("", &review("CREATE", &[name])).await;
        assert_eq!(response["allowed"], false);
        assert!(
            message(&response).contains("help: name the image as REPOSITORY@sha256:"),
            "{response}"
        );
        assert!(message(&response).contains("\n  error[gate-tag]: named by tag: "), "{response}");
    }
    assert!(deny.asked().is_empty());

    let resolve = Harness::new(settings());
    let response = resolve.review("", &review("CREATE", &["r.example/app:1"])).await;
    assert_eq!(response["allowed"], true);
    let warning = response["warnings"][0].as_str().expect("a warning");
    assert!(warning.contains("r.example/app:1 was verified as sha256:777"), "{warning}");
    let images = response["auditAnnotations"]["images"].as_str().expect("images");
    assert!(images.starts_with("r.example/app:1=allowed(sha256:777"), "{images}");
}

#[tokio::test]
async fn an_image_is_let_through_only_with_the_digest_that_was_judged() {
    let gate = Harness::new(settings());
    let response = gate.review("", &review("CREATE", &[&pinned("swapped")])).await;
    assert_eq!(response["allowed"], false, "{response}");
    assert!(message(&response).contains("another digest"), "{response}");
}

#[tokio::test]
async fn warnings_are_single_lines() {
    let gate = Harness::new(settings());
    let response = gate.review("", &review("CREATE", &[&pinned("warned")])).await;
    let warnings = response["warnings"].as_array().expect("warnings");
    assert_eq!(warnings.len(), 1, "{response}");
    let warning = warnings[0].as_str().expect("text");
    let whole = warning.starts_with("warning[sbom-missing]: ") && warning.contains("why: no SBOM");
    assert!(whole && !warning.contains('\n'), "{warning}");
}

#[tokio::test]
async fn f8_what_the_operator_has_to_hear_comes_first_and_what_is_left_out_is_counted() {
    let gate = Harness::new(settings());
    let images = ["crowded1", "crowded2", "excepted", "warned"].map(pinned);
    let images: Vec<_> = images.iter().map(String::as_str).collect();
    let response = gate.review("", &review("CREATE", &images)).await;
    let warnings = response["warnings"].as_array().expect("warnings");
    assert_eq!(warnings.len(), 16, "{response}");
    for (position, words) in [(0, "warning[policy-exception-used]: "), (1, "why: warning 0 ")] {
        let warning = warnings[position].as_str().expect("text");
        assert!(warning.contains(words), "{words}: {warning}");
    }
    assert_eq!(warnings[14], "further warnings: 68; hallmark verify shows them");
    let last =
        "remarks about evidence that no trusted signer signed: 4; hallmark verify -v shows them";
    assert_eq!(warnings[15], last);
}

#[tokio::test]
async fn it_answers_in_time_and_the_retry_finds_the_work_done() {
    let gate = Harness::new(settings());
    let slow = review("CREATE", &[&pinned("slow")]);
    let before = std::time::Instant::now();
    let response = gate.review("?timeout=800ms", &slow).await;
    assert!(before.elapsed() < Duration::from_millis(800));
    assert_eq!(response["allowed"], false);
    assert!(
        message(&response)
            .contains("error[gate-late]: not verified in time; the verification goes on"),
        "{response}"
    );
    tokio::time::sleep(Duration::from_millis(400)).await;
    let response = gate.review("?timeout=200ms", &slow).await;
    assert_eq!(response["allowed"], true, "{response}");
    assert_eq!(gate.asked().len(), 1);
}

#[tokio::test]
async fn a_panic_denies() {
    let gate = Harness::new(settings());
    let response = gate.review("", &review("CREATE", &[&pinned("panic")])).await;
    assert_eq!(response["allowed"], false);
    assert!(message(&response).contains("error[internal-error]: hallmark failed"), "{response}");
}

#[tokio::test]
async fn unknown_kinds_are_denied_with_the_way_out() {
    let gate = Harness::new(settings());
    let mut other = review("CREATE", &[&pinned("a")]);
    other["request"]["kind"]["kind"] = json!("PodLike");
    let response = gate.review("", &other).await;
    assert_eq!(response["allowed"], false);
    assert!(message(&response).contains("narrow the rules of the webhook"), "{response}");
}

#[tokio::test]
async fn what_is_no_review_is_refused_before_any_image_is_asked_about() {
    let gate = Harness::new(settings());
    let good = review("CREATE", &[&pinned("a")]).to_string();
    let twice = good.replace("\"image\":", "\"image\":\"r.example/evil\",\"image\":");
    assert_ne!(twice, good);
    let cases = [
        (String::new(), StatusCode::BAD_REQUEST, "no AdmissionReview"),
        ("{".to_owned(), StatusCode::BAD_REQUEST, "no AdmissionReview"),
        (twice, StatusCode::BAD_REQUEST, "given twice"),
        (format!("{good}{good}"), StatusCode::BAD_REQUEST, "trailing"),
        (
            good.replace("k8s.io/v1", "k8s.io/v1beta1"),
            StatusCode::BAD_REQUEST,
            "admissionReviewVersions",
        ),
        (good.replace("u-1", ""), StatusCode::BAD_REQUEST, "uid is empty"),
        (
            format!("{good}{}", " ".repeat(64 << 10)),
            StatusCode::PAYLOAD_TOO_LARGE,
            "limits.reviewBytes",
        ),
        (format!("{}1", "[".repeat(60_000)), StatusCode::BAD_REQUEST, "no AdmissionReview"),
    ];
    for (body, status, words) in cases {
        let (found, text) = gate.post("", body.clone()).await;
        assert_eq!(found, status, "{body:.80}: {text}");
        assert!(text.contains(words), "{body:.80}: {text}");
    }
    for kind in ["text/plain", "application/yaml", "application/jsonx"] {
        let request = Request::post("/validate").header("content-type", kind);
        let (status, _) = gate.send(request.body(good.clone().into()).expect("valid")).await;
        assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{kind}");
    }
    let request = Request::get("/validate").body(Body::empty()).expect("valid");
    assert_eq!(gate.send(request).await.0, StatusCode::METHOD_NOT_ALLOWED);
    assert!(gate.asked().is_empty());
}

#[tokio::test]
async fn the_size_of_a_review_is_bounded_at_n_and_n_plus_one() {
    let gate = Harness::new(settings());
    let good = review("CREATE", &[&pinned("a")]).to_string();
    let fill = |length: usize| format!("{good}{}", " ".repeat(length - good.len()));
    assert_eq!(gate.post("", fill(64 << 10)).await.0, StatusCode::OK);
    assert_eq!(gate.post("", fill((64 << 10) + 1)).await.0, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a_body_that_does_not_come_is_given_up() {
    let gate = Harness::new(settings());
    let never = futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>();
    let (status, _) = gate.post("?timeout=100ms", Body::from_stream(never)).await;
    assert_eq!(status, StatusCode::REQUEST_TIMEOUT);
}

#[tokio::test]
async fn readiness_ends_with_draining_and_health_does_not() {
    let asked = Arc::default();
    let gate = Gate::new(settings(), fake(&asked));
    let harness = Harness { router: router(Arc::clone(&gate)), asked };
    let get = |path: &str| Request::get(path).body(Body::empty()).expect("valid");
    assert_eq!(harness.send(get("/readyz")).await.0, StatusCode::OK);
    gate.drain();
    assert_eq!(harness.send(get("/readyz")).await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(harness.send(get("/healthz")).await.0, StatusCode::OK);
    let response = harness.review("", &review("CREATE", &[&pinned("a")])).await;
    assert_eq!(response["allowed"], true, "what comes is answered all the same");
}

#[tokio::test]
async fn other_rules_count_from_the_next_review_on_and_are_named() {
    let asked = Arc::default();
    let gate = Gate::new(settings(), fake(&asked));
    let harness = Harness { router: router(Arc::clone(&gate)), asked };
    let get = async |path: &str| {
        let request = Request::get(path).body(Body::empty()).expect("valid");
        harness.send(request).await.1
    };
    let create = review("CREATE", &[&pinned("a")]);
    assert_eq!(harness.review("", &create).await["allowed"], true);
    assert!(get("/readyz").await.contains("rules sha256:1\n"));
    gate.refuse();
    assert!(get("/readyz").await.contains("rules sha256:1\n"), "the last good ones stay");

    let denies = |reference: Reference, _: Chosen| {
        let other = Finding::new(Code::PolicyNothingProven, Subject::Image(reference.to_string()));
        async move { Outcome::not_judged(other.with(Key::Why, "other rules")) }.boxed()
    };
    let exempt = BTreeSet::from(["other".to_owned()]);
    let rules = Settings { rules: "sha256:2".to_owned(), namespaces_exempt: exempt, ..settings() };
    gate.replace(rules, Arc::new(denies));
    let response = harness.review("", &create).await;
    assert!(message(&response).contains("other rules"), "what was found before is forgotten");
    let mut exempt = create.clone();
    exempt["request"]["namespace"] = json!("other");
    assert_eq!(harness.review("", &exempt).await["allowed"], true);
    assert!(get("/readyz").await.contains("rules sha256:2\n"));
    let metrics = get("/metrics").await;
    for line in [
        "hallmark_rules_info{digest=\"sha256:2\"} 1\n",
        "hallmark_rules_reloads_total{result=\"taken\"} 1\n",
        "hallmark_rules_reloads_total{result=\"refused\"} 1\n",
    ] {
        assert!(metrics.contains(line), "{metrics}");
    }
}

/// A folder of data beside the worktree, or `None` with a word where it is not there.
fn data(variable: &str, default: &str) -> Option<PathBuf> {
    let folder = std::env::var_os(variable).map_or_else(|| PathBuf::from(default), PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: {} is not there; {variable} can name it", folder.display());
    None
}

#[tokio::test]
async fn captured_reviews_are_answered() {
    let Some(folder) = data("HALLMARK_CAPTURED", "../shared/captured") else { return };
    let gate = Harness::new(settings());
    let cases = [
        ("pod-create", "spec.containers[0].image"),
        ("pod-ephemeralcontainers-update", "spec.ephemeralContainers[0].image"),
        ("deployment-create", "spec.template.spec.containers[0].image"),
        ("deployment-update", "spec.template.spec.containers[0].image"),
    ];
    for (name, path) in cases {
        let text = std::fs::read_to_string(folder.join(format!("admissionreview-{name}.json")));
        let review: Value = serde_json::from_str(&text.expect(name)).expect("JSON");
        let response = gate.review("?timeout=10s", &review).await;
        let bad = review["request"]["object"].to_string().contains("/bad");
        assert_eq!(response["allowed"], !bad, "{name}: {response}");
        assert!(!bad || message(&response).contains(path), "{name}: {response}");
        let deny = Harness::new(Settings { tags: Tags::Deny, ..settings() });
        let by_digest = deny.review("", &review).await["allowed"].clone();
        assert_eq!(by_digest, !bad, "{name}: tagged images are the bad ones");
    }
}

#[tokio::test]
async fn published_objects_decode() {
    let Some(folder) = data("HALLMARK_CONFORMANCE", "../shared/conformance") else { return };
    let read =
        |path: &Path| std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let folder = folder.join("admission");
    let releases = std::fs::read_dir(folder.join("kubernetes-api")).expect("kubernetes-api");
    let mut count = 0;
    for release in releases.map(|entry| entry.expect("entry").path()) {
        let v1 = review::parse(
            &read(&release.join("admission.k8s.io.v1.AdmissionReview.json")),
            1 << 20,
        );
        assert_eq!(v1.expect("v1").uid, "uidValue");
        let beta = review::parse(
            &read(&release.join("admission.k8s.io.v1beta1.AdmissionReview.json")),
            1 << 20,
        );
        assert!(matches!(beta, Err(review::ReviewError::Version { .. })));
        for (group, file, kind) in [
            ("", "core.v1.Pod", "Pod"),
            ("apps", "apps.v1.Deployment", "Deployment"),
            ("apps", "apps.v1.ReplicaSet", "ReplicaSet"),
            ("apps", "apps.v1.StatefulSet", "StatefulSet"),
            ("batch", "batch.v1.Job", "Job"),
            ("batch", "batch.v1.CronJob", "CronJob"),
        ] {
            // Every field holds a dummy: `imageValue` is no valid name, and the error says which field was read first.
            let path = release.join(format!("{file}.json"));
            if !path.is_file() {
                continue;
            }
            let text = String::from_utf8(read(&path)).expect("UTF-8");
            let text = text
                .replace("imageValue", "image-value")
                .replace("referenceValue", "reference-value");
            let kind = review::GroupVersionKind {
                group: group.to_owned(),
                version: "v1".to_owned(),
                kind: kind.to_owned(),
            };
            let object: Value = serde_json::from_str(&text).expect("JSON");
            let images = subjects::images(&kind, &object).unwrap_or_else(|e| panic!("{file}: {e}"));
            let paths: usize = images.iter().map(|image| image.paths.len()).sum();
            assert_eq!((images.len(), paths), (2, 4), "{file}: three lists and an image volume");
            count += 1;
        }
    }
    assert!(count >= 6, "{count} objects were read");
}

#[tokio::test]
async fn published_requests_are_read() {
    let Some(folder) = data("HALLMARK_CONFORMANCE", "../shared/conformance") else { return };
    let folder = folder.join("admission/kubewarden");
    for (name, want) in [("pod_creation_with_init_container", 2), ("pod_creation_with_digest", 1)] {
        let text = std::fs::read_to_string(folder.join(format!("{name}.json"))).expect(name);
        let request: Value = serde_json::from_str(&text).expect("JSON");
        let review = json!({"kind": "AdmissionReview", "apiVersion": review::API_VERSION, "request": request});
        let request = review::parse(review.to_string().as_bytes(), 1 << 20).expect(name);
        let images = subjects::images(&request.kind, request.object.value()).expect(name);
        assert!(images.len() >= want, "{name}: {images:?}");
    }
}

/// A key pair for `localhost` in `folder`, and its certificate in PEM.
fn certify(folder: &Path) -> String {
    let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("pair");
    std::fs::write(folder.join("tls.crt"), pair.cert.pem()).expect("certificate");
    std::fs::write(folder.join("tls.key"), pair.signing_key.serialize_pem()).expect("key");
    pair.cert.pem()
}

fn client(pem: &str) -> reqwest::Client {
    let root = reqwest::Certificate::from_pem(pem.as_bytes()).expect("certificate");
    reqwest::Client::builder().tls_certs_only([root]).no_proxy().build().expect("client")
}

#[tokio::test]
async fn a_new_certificate_counts_for_new_connections_and_old_ones_stay() {
    let folder = tempfile::tempdir().expect("folder");
    let first = certify(folder.path());
    let listener = TcpListener::bind("127.0.0.1:0").expect("socket");
    let url = format!("https://localhost:{}", listener.local_addr().expect("address").port());
    let files = TlsFiles {
        poll: Duration::from_millis(20),
        drain: Duration::ZERO,
        ..TlsFiles::new(folder.path().join("tls.crt"), folder.path().join("tls.key"))
    };
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let gate = Gate::new(settings(), fake(&Arc::default()));
    let shutdown = async move { drop(stopped.await) };
    let server = tokio::spawn(tls::serve_on(listener, gate, files, shutdown));

    let old = client(&first);
    let post = |client: &reqwest::Client, image: &str| {
        let body = review("CREATE", &[image]).to_string();
        let request = client.post(format!("{url}/validate?timeout=5s"));
        request.header("content-type", "application/json").body(body).send()
    };
    let response = post(&old, &pinned("bad")).await.expect("an answer");
    assert_eq!(response.version(), reqwest::Version::HTTP_2);
    let answer: Value = serde_json::from_str(&response.text().await.expect("text")).expect("JSON");
    assert_eq!(answer["response"]["allowed"], false);

    // Half of a pair cannot be used: the first certificate stays.
    std::fs::write(folder.path().join("tls.crt"), "nonsense").expect("write");
    tokio::time::sleep(Duration::from_millis(80)).await;
    assert!(post(&client(&first), &pinned("a")).await.is_ok());

    let second = certify(folder.path());
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while post(&client(&second), &pinned("a")).await.is_err() {
        assert!(std::time::Instant::now() < deadline, "the new certificate never came");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(post(&client(&first), &pinned("a")).await.is_err(), "new connections get the new one");
    assert!(post(&old, &pinned("a")).await.is_ok(), "the open connection stays");

    stop.send(()).expect("the server runs");
    drop(old);
    let ended = tokio::time::timeout(Duration::from_secs(10), server).await.expect("in time");
    assert!(ended.expect("no panic").is_ok());
    assert!(post(&client(&second), &pinned("a")).await.is_err(), "nothing listens any more");
}

#[tokio::test]
async fn files_that_do_not_fit_are_refused_at_the_start() {
    let folder = tempfile::tempdir().expect("folder");
    let other = tempfile::tempdir().expect("folder");
    certify(folder.path());
    certify(other.path());
    let start = |certificate: PathBuf, key: PathBuf| {
        let gate = Gate::new(settings(), fake(&Arc::default()));
        let listen = "127.0.0.1:0".parse().expect("address");
        serve(listen, gate, TlsFiles::new(certificate, key), async {})
    };
    let certificate = || folder.path().join("tls.crt");
    let mismatch = start(certificate(), other.path().join("tls.key")).await;
    assert!(matches!(mismatch, Err(ServeError::Tls { .. })), "{mismatch:?}");
    let no_key = start(certificate(), certificate()).await;
    assert!(matches!(no_key, Err(ServeError::Pem { expected: "a private key", .. })), "{no_key:?}");
    let absent = start(folder.path().join("absent"), certificate()).await;
    assert!(matches!(absent, Err(ServeError::File { .. })), "{absent:?}");
}
