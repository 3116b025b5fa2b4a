//! A hostile registry against the real program: exit 1 or 3 with a finding that names the fault, never a pass, never a
//! hang, and credentials stay where they belong (`docs/attacks.md`).

use std::{
    net::{IpAddr, UdpSocket},
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;

use crate::{
    layouts::{Parts, digest},
    server::{Body, Handler, Registry, Reply, Request, Store, World},
    support::{Answer, Hallmark},
};

/// No case may take longer.
const PATIENCE: Duration = Duration::from_secs(10);
const USER: &str = "robot";
const PASSWORD: &str = "hunter2-is-secret";

fn evil_address() -> IpAddr {
    IpAddr::from([127, 0, 0, 2])
}

/// `hallmark verify` with the layers read: `baseline` asks what is in the image.
fn verify(world: &World, image: &str) -> Answer {
    run(Hallmark::new(["verify", image]).config(&world.config("baseline")))
}

fn run(hallmark: Hallmark) -> Answer {
    let before = Instant::now();
    let answer = hallmark.run_within(PATIENCE * 3);
    assert!(before.elapsed() < PATIENCE, "{:?}: {}", before.elapsed(), answer.all());
    answer
}

/// Docker credentials for a host.
fn login(world: &World, host: &str) {
    let config = json!({"auths": {host: {"auth": STANDARD.encode(format!("{USER}:{PASSWORD}"))}}});
    std::fs::write(world.folder.path().join("config.json"), config.to_string()).unwrap();
}

fn basic() -> String {
    format!("Basic {}", STANDARD.encode(format!("{USER}:{PASSWORD}")))
}

/// Answers requests whose path ends with `end`.
fn at(end: String, reply: impl Fn(usize) -> Option<Reply> + Send + Sync + 'static) -> Handler {
    Box::new(
        move |request: &Request, earlier| {
            if request.path().ends_with(&end) { reply(earlier) } else { None }
        },
    )
}

fn always(end: String, reply: Reply) -> Handler {
    at(end, move |_| Some(reply.clone()))
}

fn layer(world: &World) -> String {
    digest(&world.parts.layer)
}

fn config(world: &World) -> String {
    digest(world.parts.config.to_string().as_bytes())
}

fn flipped(bytes: &[u8]) -> Vec<u8> {
    let mut other = bytes.to_vec();
    let middle = other.len() / 2;
    other[middle] ^= 1;
    other
}

#[test]
fn the_honest_registry_passes() {
    let world = World::new();
    let registry = Registry::honest(world.store.clone());
    verify(&world, &registry.image(&world.image)).exits(0).says("PASS");
}

/// Name, the registry's fault, and the code of the finding that names it.
type Fault = (&'static str, fn(&World) -> Handler, &'static str);

const FAULTS: &[Fault] = &[
    (
        "another manifest under the digest",
        |world| {
            let other = Parts::new(&[("bin/app", b"evil")]).manifest.to_string();
            let kind = "application/vnd.oci.image.manifest.v1+json";
            always(world.image.clone(), Reply::new(200).with("Content-Type", kind).bytes(other))
        },
        "image-digest-mismatch",
    ),
    (
        "another manifest under the digest, with a header that vouches for it",
        |world| {
            let other = Parts::new(&[("bin/app", b"evil")]).manifest.to_string();
            let reply = Reply::new(200)
                .with("Content-Type", "application/vnd.oci.image.manifest.v1+json")
                .with("Docker-Content-Digest", world.image.clone())
                .bytes(other);
            always(world.image.clone(), reply)
        },
        "image-digest-mismatch",
    ),
    (
        "a configuration changed by one byte",
        |world| {
            let other = flipped(world.parts.config.to_string().as_bytes());
            always(config(world), Reply::new(200).bytes(other))
        },
        "image-digest-mismatch",
    ),
    (
        "a layer changed by one byte",
        |world| always(layer(world), Reply::new(200).bytes(flipped(&world.parts.layer))),
        "image-digest-mismatch",
    ),
    (
        "a signature's payload changed by one byte",
        |world| always(digest(&world.payload), Reply::new(200).bytes(flipped(&world.payload))),
        "image-digest-mismatch",
    ),
    (
        "a layer that ends early, honestly announced",
        |world| {
            let half = world.parts.layer[..world.parts.layer.len() / 2].to_vec();
            always(layer(world), Reply::new(200).bytes(half))
        },
        "image-size-mismatch",
    ),
    (
        "a layer that breaks off",
        |world| {
            let half = world.parts.layer[..world.parts.layer.len() / 2].to_vec();
            let claimed = world.parts.layer.len() as u64;
            always(layer(world), Reply::new(200).body(Body::Claiming(claimed, half)))
        },
        "source-unavailable",
    ),
    (
        "a Content-Length of a tebibyte",
        |world| {
            let bytes = world.parts.layer.clone();
            always(layer(world), Reply::new(200).body(Body::Claiming(1 << 40, bytes)))
        },
        "",
    ),
    (
        "a manifest without end",
        |world| always(world.image.clone(), Reply::new(200).body(Body::Endless)),
        "limit-exceeded",
    ),
    (
        "a configuration without end",
        |world| always(config(world), Reply::new(200).body(Body::Endless)),
        "image-size-mismatch",
    ),
    (
        "a layer without end",
        |world| always(layer(world), Reply::new(200).body(Body::Endless)),
        "image-size-mismatch",
    ),
    (
        "a manifest that stalls",
        |world| always(world.image.clone(), Reply::new(200).body(Body::Stalled(b"{".to_vec()))),
        "limits.stall",
    ),
    (
        "a layer that stalls",
        |world| {
            let start = world.parts.layer[..5].to_vec();
            always(layer(world), Reply::new(200).body(Body::Stalled(start)))
        },
        "limits.stall",
    ),
    (
        "no answer at all",
        |world| always(world.image.clone(), Reply::new(200).body(Body::Silence)),
        "limits.request",
    ),
    (
        "a connection that is closed",
        |world| always(config(world), Reply::new(200).body(Body::Reset)),
        "source-unavailable",
    ),
    (
        "a layer that is not there",
        |world| always(layer(world), Reply::new(404)),
        "image-blob-missing",
    ),
    (
        "too many requests, for ever",
        |world| always(world.image.clone(), Reply::new(429)),
        "source-unavailable",
    ),
    (
        "too many requests, come back tomorrow",
        |world| always(world.image.clone(), Reply::new(429).with("Retry-After", "86400")),
        "source-unavailable",
    ),
    (
        "an error of its own, for ever",
        |world| always(layer(world), Reply::new(503)),
        "source-unavailable",
    ),
    (
        "redirects in a circle",
        |world| {
            let here = format!("/v2/app/blobs/{}", layer(world));
            always(layer(world), Reply::new(307).with("Location", here))
        },
        "source-redirect-refused",
    ),
    (
        "a redirect to the metadata service of a cloud",
        |world| {
            let there = "http://169.254.169.254/latest/meta-data";
            always(layer(world), Reply::new(307).with("Location", there))
        },
        "source-address-refused",
    ),
    (
        "a redirect to a file of this machine",
        |world| always(layer(world), Reply::new(307).with("Location", "file:///etc/passwd")),
        "source-redirect-refused",
    ),
    (
        "a manifest that calls itself an index in its header",
        |world| {
            let kind = "application/vnd.oci.image.index.v1+json";
            let bytes = world.parts.manifest.to_string();
            always(world.image.clone(), Reply::new(200).with("Content-Type", kind).bytes(bytes))
        },
        "image-malformed",
    ),
];

#[test]
fn every_fault_fails_in_time_with_a_finding_that_names_it() {
    for (name, fault, code) in FAULTS {
        let world = World::new();
        let registry = Registry::start(world.store.clone(), fault(&world));
        let answer = verify(&world, &registry.image(&world.image));
        assert!([1, 3].contains(&answer.code), "{name}: {}", answer.all());
        assert!(answer.all().contains(code), "{name}: {}", answer.all());
        for wrong in ["PASS", "internal-error"] {
            assert!(!answer.stdout.contains(wrong), "{name}: {}", answer.all());
        }
    }
}

#[test]
fn what_passes_is_tried_again() {
    let replies = [
        Reply::new(429).with("Retry-After", "1"),
        Reply::new(429),
        Reply::new(500),
        Reply::new(502),
        Reply::new(503),
        Reply::new(200).body(Body::Reset),
    ];
    for reply in replies {
        let world = World::new();
        let (end, shown) = (world.image.clone(), format!("{reply:?}"));
        let handler = at(end, move |earlier| (earlier == 0).then(|| reply.clone()));
        let registry = Registry::start(world.store.clone(), handler);
        let answer = verify(&world, &registry.image(&world.image));
        assert_eq!(answer.code, 0, "{shown}: {}", answer.all());
    }
}

#[test]
fn a_foreign_realm_gets_no_credential() {
    let world = World::new();
    let evil = Registry::start_at(
        evil_address(),
        Store::default(),
        Box::new(|_, _| Some(Reply::new(200).bytes(r#"{"token":"from-evil"}"#))),
    );
    let challenge = format!(r#"Bearer realm="http://{}/token",service="r""#, evil.host);
    let guard: Handler = Box::new(move |request, _| {
        let known = request.authorization().is_some();
        (!known).then(|| Reply::new(401).with("WWW-Authenticate", &challenge))
    });
    let registry = Registry::start(world.store.clone(), guard);
    login(&world, &registry.host);
    let answer = run(Hallmark::new(["verify", &registry.image(&world.image)])
        .config(&world.config("baseline"))
        .env("DOCKER_CONFIG", world.folder.path())
        .arg("--log")
        .arg("trace"));
    assert_no_secret(&answer);
    for request in evil.requests() {
        assert_eq!(request.authorization(), None, "{request:?}");
        assert!(!request.head.contains(PASSWORD), "{request:?}");
    }
    for request in registry.requests() {
        assert_ne!(request.authorization(), Some(basic().as_str()), "{request:?}");
    }
}

fn assert_no_secret(answer: &Answer) {
    for secret in [PASSWORD, basic().trim_start_matches("Basic ")] {
        assert!(
            !answer.stdout.contains(secret) && !answer.stderr.contains(secret),
            "{}",
            answer.all()
        );
    }
}

#[test]
fn a_redirect_carries_no_credential_to_another_host_and_none_is_printed() {
    let world = World::new();
    let other = Registry::start_at(evil_address(), world.store.clone(), Box::new(|_, _| None));
    let (end, there) = (layer(&world), format!("http://{}/v2/app/blobs/", other.host));
    let guard: Handler = Box::new(move |request, _| {
        if request.authorization() != Some(basic().as_str()) {
            return Some(Reply::new(401).with("WWW-Authenticate", "Basic realm=\"r\""));
        }
        let redirect = || Reply::new(307).with("Location", format!("{there}{end}"));
        request.path().ends_with(&end).then(redirect)
    });
    let registry = Registry::start(world.store.clone(), guard);
    login(&world, &registry.host);
    let answer = run(Hallmark::new(["verify", &registry.image(&world.image)])
        .config(&world.config("baseline"))
        .env("DOCKER_CONFIG", world.folder.path())
        .arg("--log")
        .arg("trace"));
    answer.exits(0);
    assert_no_secret(&answer);
    assert!(!other.requests().is_empty(), "the layer came from there");
    for request in other.requests() {
        assert_eq!(request.authorization(), None, "{request:?}");
    }
}

/// Whoever makes a build manifest reaches the registry as everything else does.
#[test]
fn a_build_manifest_is_made_of_an_image_behind_a_login() {
    let world = World::new();
    let guard: Handler = Box::new(|request, _| {
        let known = request.authorization() == Some(basic().as_str());
        (!known).then(|| Reply::new(401).with("WWW-Authenticate", "Basic realm=\"r\""))
    });
    let registry = Registry::start(world.store.clone(), guard);
    login(&world, &registry.host);
    let (image, nowhere) = (registry.image(&world.image), world.folder.path().join("nowhere"));
    let source = "https://git.example/app";
    let answer = run(Hallmark::new(["provenance", "create", &image, "--source", source])
        .arg("--engine=buildah=1")
        .arg("--checkout")
        .arg(nowhere)
        .config(&world.config("baseline"))
        .env("DOCKER_CONFIG", world.folder.path()));
    // The image was read; what is missing is the checkout.
    answer.exits(2).says("--checkout").says("nowhere");
    assert_no_secret(&answer);
}

#[test]
fn wrong_credentials_are_refused_and_not_printed() {
    let world = World::new();
    let refuse = Reply::new(401).with("WWW-Authenticate", "Basic realm=\"r\"");
    let registry = Registry::start(world.store.clone(), Box::new(move |_, _| Some(refuse.clone())));
    login(&world, &registry.host);
    let answer = run(Hallmark::new(["verify", &registry.image(&world.image)])
        .config(&world.config("baseline"))
        .env("DOCKER_CONFIG", world.folder.path())
        .arg("--log")
        .arg("trace"));
    answer.exits(3).says("source-unauthorized");
    assert_no_secret(&answer);
}

#[test]
fn a_referrer_is_what_it_holds_and_not_what_the_list_says() {
    let mut world = World::new();
    let unsigned = world.store.image(&Parts::new(&[("bin/other", b"unsigned")]));
    let (_, stored) = world.store.manifests[&unsigned].clone();
    let junk = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "artifactType": "text/plain",
        "config": world.store.blob("application/vnd.oci.empty.v1+json", "{}"),
        "layers": [world.store.blob("text/plain", "hello")],
        "subject": {
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": unsigned, "size": stored.len(),
        },
    });
    let mut listed = world.store.manifest(&junk, None);
    listed["artifactType"] = json!("application/vnd.dev.sigstore.bundle.v0.3+json");
    world.store.referrers = Some(vec![listed]);
    let registry = Registry::honest(world.store.clone());
    let config = world.config("signed");
    run(Hallmark::new(["verify", &registry.image(&unsigned)]).config(&config))
        .exits(1)
        .says_not("PASS");
    // Nor does what somebody else attached take a good signature away.
    run(Hallmark::new(["verify", &registry.image(&world.image)]).config(&config)).exits(0);
}

#[test]
fn a_list_without_end_is_given_up_and_said() {
    let mut world = World::new();
    let unsigned = world.store.image(&Parts::new(&[("bin/other", b"unsigned")]));
    let handler: Handler = Box::new(|request, earlier| {
        let list = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []});
        request.path().contains("/referrers/").then(|| {
            Reply::new(200)
                .with("Content-Type", "application/vnd.oci.image.index.v1+json")
                .with("Link", format!("<{}?page={earlier}>; rel=\"next\"", request.path()))
                .bytes(list.to_string())
        })
    });
    let registry = Registry::start(world.store.clone(), handler);
    let config = world.config("signed");
    run(Hallmark::new(["verify", &registry.image(&unsigned)]).config(&config))
        .exits(1)
        .says("image-referrers-unavailable")
        .says("limits.pages");
    let asked = registry.requests().iter().filter(|r| r.path().contains("/referrers/")).count();
    assert!((3..=6).contains(&asked), "{asked} pages");
}

#[test]
fn a_tag_is_resolved_once_whatever_it_points_to_afterwards() {
    let mut world = World::new();
    let evil = world.store.image(&Parts::new(&[("bin/app", b"evil")]));
    let images = [world.image.clone(), evil];
    // Whichever comes first is the image that is judged.
    for (first, code) in [(0, 0), (1, 1)] {
        let flip: Vec<_> = [first, 1 - first]
            .map(|i| world.store.manifests[&images[i]].clone())
            .into_iter()
            .collect();
        let handler = at("/manifests/1.0".to_owned(), move |earlier| {
            let (kind, bytes) = &flip[earlier.min(1)];
            Some(Reply::new(200).with("Content-Type", kind).bytes(bytes.clone()))
        });
        let registry = Registry::start(world.store.clone(), handler);
        let config = world.config("signed");
        let answer =
            run(Hallmark::new(["verify", "-o", "json", &registry.image("1.0")]).config(&config));
        answer.exits(code).says(&images[first]).says_not(&images[1 - first]);
        let tags = registry.requests().iter().filter(|r| r.path().ends_with("/1.0")).count();
        assert_eq!(tags, 1, "{:#?}", registry.requests());
    }
}

/// A valid signature over one image does not vouch for the manifest that the registry gives out in its place, and an image
/// that must not run any more is revoked by its digest.
#[test]
fn a23_what_was_fetched_is_what_was_verified_and_may_be_revoked() {
    let mut world = World::new();
    let evil = world.store.image(&Parts::new(&[("bin/app", b"evil")]));
    let signature =
        world.store.manifests[&format!("{}.sig", world.image.replace(':', "-"))].clone();
    world.store.manifests.insert(format!("{}.sig", evil.replace(':', "-")), signature);
    let (kind, bytes) = world.store.manifests[&evil].clone();
    let switching = Registry::start(
        world.store.clone(),
        always(world.image.clone(), Reply::new(200).with("Content-Type", kind).bytes(bytes)),
    );
    let honest = Registry::honest(world.store.clone());
    let config = world.config("signed");
    let verify = |image: &str, config: &str| run(Hallmark::new(["verify", image]).config(config));
    verify(&honest.image(&world.image), &config).exits(0);
    verify(&switching.image(&world.image), &config).exits(1).says("image-digest-mismatch");
    verify(&honest.image(&evil), &config).exits(1).says("signature-subject-mismatch");
    let preset = "policy: {preset: signed}";
    assert!(config.contains(preset));
    let with = |setting: &str| {
        let settings =
            format!("policy: {{preset: signed, settings: {{signature: {{{setting}}}}}}}");
        config.replace(preset, &settings)
    };
    let revoked = with(&format!("revoked: [\"{}\"]", world.image));
    verify(&honest.image(&world.image), &revoked).exits(1).says("image-revoked");
    verify(&honest.image(&world.image), &with(&format!("revoked: [\"{evil}\"]"))).exits(0);
}

/// Nothing proves how old a signature by a plain key is: who asks for its age is told so, when the configuration is read or, where
/// the key comes later, when the image is judged.
#[test]
fn h37_the_age_of_a_signature_by_a_plain_key_is_not_taken_on_trust() {
    let world = World::new();
    let registry = Registry::honest(world.store.clone());
    let image = registry.image(&world.image);
    let preset = "policy: {preset: signed}";
    let aged = "policy: {preset: signed, settings: {signature: {maxAgeDays: 30}}}";
    let config = world.config("signed");
    run(Hallmark::new(["verify", &image]).config(&config)).exits(0);
    let refused = run(Hallmark::new(["verify", &image]).config(&config.replace(preset, aged)));
    refused
        .exits(2)
        .says("policy.settings.signature.maxAgeDays")
        .says("every signer of trust.rules[0]");
    let (before, rest) = config.split_once("trust:").expect("trust is configured");
    let (_, after) = rest.split_once(preset).expect("the preset comes after it");
    let bare = format!("{before}{aged}{after}");
    let key = world.key.write(world.folder.path());
    let answer = run(Hallmark::new(["verify", &image, "--key"]).arg(key).config(&bare));
    answer.exits(1).says("signature-stale").says("by a plain key");
}

#[test]
fn plain_http_is_spoken_with_loopback_only() {
    // The address that this machine would use to reach another one; nothing is sent.
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    let outside = socket.connect("192.0.2.1:9").and_then(|()| socket.local_addr());
    let Some(address) = outside.ok().map(|a| a.ip()).filter(|a| !a.is_loopback()) else {
        eprintln!("SKIPPED plain_http_is_spoken_with_loopback_only: no address but loopback");
        return;
    };
    let world = World::new();
    let registry = Registry::start_at(address, world.store.clone(), Box::new(|_, _| None));
    verify(&world, &registry.image(&world.image)).exits(3).says("source-unavailable");
    assert_eq!(registry.requests().len(), 0, "nothing was asked in the clear");
}

#[test]
fn strangers_cannot_write_on_the_terminal() {
    let mut parts = Parts::new(&[("bin/app\u{1b}[2J", b"x")]);
    let evil = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{202e}PASS";
    parts.config["config"]["Labels"] = json!({
        "org.opencontainers.image.source": evil, "org.opencontainers.image.revision": evil,
    });
    parts.config["history"] = json!([{"created_by": evil}]);
    parts.relink();
    let world = World::of(parts);
    let registry = Registry::honest(world.store.clone());
    let refuse = json!({"errors": [{"code": "DENIED", "message": evil}]}).to_string();
    let refusing = Registry::start(
        Store::default(),
        Box::new(move |_, _| Some(Reply::new(403).bytes(refuse.clone()))),
    );
    let config = world.config("baseline");
    for image in [registry.image(&world.image), refusing.image(&world.image)] {
        for command in ["inspect", "verify"] {
            let answer = run(Hallmark::new([command, &image]).config(&config));
            let all = answer.all();
            assert!(!all.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{command}: {all:?}");
        }
    }
}

#[test]
fn many_attachments_are_bounded() {
    let mut world = World::new();
    let unsigned = world.store.image(&Parts::new(&[("bin/other", b"unsigned")]));
    let one = json!({
        "mediaType": "application/vnd.oci.image.manifest.v1+json", "size": 2,
        "artifactType": "application/vnd.dev.sigstore.bundle.v0.3+json",
    });
    let listed = (0..2000_u32).map(|i| {
        let mut one = one.clone();
        one["digest"] = json!(digest(&i.to_be_bytes()));
        one
    });
    world.store.referrers = Some(listed.collect());
    let registry = Registry::honest(world.store.clone());
    run(Hallmark::new(["verify", &registry.image(&unsigned)]).config(&world.config("signed")))
        .exits(1)
        .says_not("PASS");
    // Each of them is asked for at most twice: ahead, and when its turn comes (limits.attestations is 2048).
    assert!(registry.requests().len() < 2 * 2048 + 64, "{}", registry.requests().len());
    assert!(registry.requests().iter().all(|r| r.peer.is_loopback()));
}
