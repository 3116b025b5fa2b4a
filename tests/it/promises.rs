//! The seven promises, each shown by a test that is named after it: no pass without proof, one digest, one path for all
//! evidence, bounded, monotone, deterministic, offline.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
    sync::Arc,
    time::Duration,
};

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};
use bytes::Bytes;
use hallmark::{
    attest::Raw,
    finding::{Code, Finding, Severity, Subject},
    image::Image,
    limits::Limits,
    policy::{Bundle, Deferred, Policies, PolicyInput},
    reference::{PinnedReference, Reference, Selector},
    report,
    source::{self, PlatformChoice, SourceSettings, discover::discover, images::load},
    trust::{Force, Proof, PublicKey, Rule, SignerKeys, TrustRules, verify::prove},
    verdict::{Asked, Decision, Evidence, Grounds},
    verify::{Context, Criteria, Keep, RebuildOptions, verify},
};
use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use serde_json::{Value, json};

use crate::{
    layouts::{Layout, Parts, digest},
    server::{Key, Registry, Reply, World},
    support::{Hallmark, trusting},
};

const SLSA: &str = "https://slsa.dev/provenance/v1";
const SPDX: &str = "https://spdx.dev/Document";
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const DSSE: &str = "application/vnd.dsse.envelope.v1+json";
/// Manipulations of evidence that are tried.
const MANIPULATIONS: u32 = 10_000;

/// An image, all that was found beside it, and who is trusted.
struct Scene {
    image: Image,
    raws: Vec<Raw>,
    rules: TrustRules,
    policies: Policies,
    world: World,
    registry: Registry,
}

fn rules(key: &str) -> TrustRules {
    let keys = SignerKeys::new(vec![PublicKey::from_pem(key.as_bytes()).unwrap()]).unwrap();
    let rule = Rule {
        images: vec!["**".parse().unwrap()],
        predicates: ["signature", "provenance", "sbom"].map(|p| p.parse().unwrap()).to_vec(),
        signers: vec!["release".to_owned()],
        threshold: 1,
        force: Force::Grant,
    };
    TrustRules::new(BTreeMap::from([("release".to_owned(), keys)]), vec![rule]).unwrap()
}

/// The shipped rules that ask for a signature; none that needs the layers.
fn bundle() -> Bundle {
    Bundle::default().with_rules(&["findings", "signature"]).unwrap()
}

fn policies() -> Policies {
    Policies::compile(&bundle(), &Limits::default()).unwrap()
}

fn pinned(text: &str) -> PinnedReference {
    match text.parse().unwrap() {
        Reference::At(location, Selector::Digest(digest)) => PinnedReference { location, digest },
        other => panic!("{other:?}"),
    }
}

fn statement(image: &str, predicate_type: &str) -> Vec<u8> {
    let hex = image.trim_start_matches("sha256:");
    let predicate = match predicate_type {
        SPDX => json!({ "spdxVersion": "SPDX-2.3", "packages": [] }),
        _ => json!({
            "buildDefinition": { "buildType": "https://example.org/build", "externalParameters": {} },
            "runDetails": { "builder": { "id": "https://example.org" } },
        }),
    };
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{ "name": "app", "digest": { "sha256": hex } }],
        "predicateType": predicate_type, "predicate": predicate,
    })
    .to_string()
    .into_bytes()
}

/// Evidence as a referrer, in the world's list of them.
fn refer(world: &mut World, media_type: &str, content: &[u8]) {
    let image = world.image.clone();
    let layer = world.store.blob(media_type, content);
    let size = world.store.manifests[&image].1.len();
    let document = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "artifactType": media_type,
        "config": world.store.blob("application/vnd.oci.empty.v1+json", "{}"),
        "layers": [layer],
        "subject": {
            "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": image, "size": size,
        },
    });
    let mut listed = world.store.manifest(&document, None);
    listed["artifactType"] = media_type.into();
    world.store.referrers.get_or_insert_default().push(listed);
}

impl Scene {
    /// An image with a signature in a `.sig` tag, provenance in an `.att` tag, a bundle and a bare envelope as referrers.
    async fn new() -> Self {
        let mut world = World::new();
        let image = world.image.clone();
        let provenance = world.key.envelope(&statement(&image, SLSA));
        world.store.attach(&image, "att", provenance.to_string().as_bytes(), &json!({}));
        let signed = world.key.envelope(&statement(&image, "https://sigstore.dev/cosign/sign/v1"));
        let bundle = json!({
            "mediaType": BUNDLE, "dsseEnvelope": signed,
            "verificationMaterial": { "publicKey": { "hint": "" } },
        });
        refer(&mut world, BUNDLE, bundle.to_string().as_bytes());
        let sbom = world.key.envelope(&statement(&image, SPDX));
        refer(&mut world, DSSE, sbom.to_string().as_bytes());
        let registry = Registry::honest(world.store.clone());
        let reference = pinned(&registry.image(&image));
        let limits = Limits::default();
        let settings = SourceSettings::default();
        let opened = source::open(&reference.location, &settings, &limits).await.unwrap();
        let mut images = load(&*opened, &reference, &PlatformChoice::All, &limits).await.unwrap();
        let image = images.remove(0);
        let found = discover(&*opened, &image, &limits).await;
        assert_eq!((found.raws.len(), found.findings.len()), (4, 0), "{found:?}");
        let rules = rules(&world.key.pem);
        Self { image, raws: found.raws, rules, policies: policies(), world, registry }
    }

    fn prove(&self, raws: &[Raw]) -> hallmark::trust::verify::Proofs {
        let location = &self.image.reference.location;
        prove(raws, &self.image, &self.rules, location, &Limits::default())
    }

    /// What is decided by the shipped policy when this is all the evidence.
    fn passes(&self, raws: &[Raw]) -> bool {
        let proofs = self.prove(raws);
        let provenance = |proof: &Proof<_>| match proof {
            Proof::Proven(_) => true,
            Proof::Unproven { .. } | Proof::Missing => false,
        };
        let proven = proofs.signatures.iter().chain(&proofs.attestations).any(provenance);
        let mut findings = proofs.findings;
        let evidence = Evidence {
            carriers: raws.iter().map(|raw| raw.carrier.clone()).collect(),
            signatures: proofs.signatures,
            attestations: proofs.attestations,
            ..Evidence::of_nothing(self.image.clone())
        };
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        let input = PolicyInput::new(&evidence, Asked::default(), &findings, now);
        let judgement = self.policies.judge(&input, &[], &Limits::default());
        let image = Subject::Image(evidence.image.reference.to_string());
        findings.extend(judgement.deny.iter().map(|rule| rule.denied(&image)));
        findings.extend(judgement.warn.iter().map(|rule| rule.warned(&image)));
        findings.extend(judgement.asides);
        let nothing = Finding::new(Code::SignatureMissing, Subject::Run).at(Severity::Error);
        let decision = Decision::from(&findings, Grounds::of(&evidence, Asked::default()), nothing);
        assert!(proven || !decision.is_pass(), "a pass from nothing: {findings:?}");
        decision.is_pass()
    }

    fn context(&self) -> Context {
        let mut world = hallmark::verify::World::new(Limits::default());
        world.platforms = PlatformChoice::All;
        let criteria = Criteria {
            trust: Arc::new(self.rules.clone()),
            policies: Deferred::new(bundle(), Limits::default()),
            exceptions: Vec::new(),
            choices: Vec::new(),
        };
        let rebuild = RebuildOptions::never("the test");
        Context { world, criteria, rebuild, keep: Keep::Evidence }
    }

    /// What somebody with nothing of hallmark's finds: the payloads about this image that the key really signed.
    fn oracle(&self, raws: &[Raw]) -> BTreeSet<Vec<u8>> {
        let der = STANDARD
            .decode(self.world.key.pem.lines().filter(|l| !l.starts_with("--")).collect::<String>())
            .unwrap();
        // The uncompressed point ends a P-256 SubjectPublicKeyInfo.
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &der[der.len() - 65..]);
        let hex = self.world.image.trim_start_matches("sha256:");
        let mut found = BTreeSet::new();
        for raw in raws {
            let (message, payload, signatures) = read_freely(raw);
            let names = String::from_utf8_lossy(&payload).contains(hex);
            if names && signatures.iter().any(|s| key.verify(&message, s).is_ok()) {
                found.insert(payload);
            }
        }
        found
    }
}

/// Base64 as the most generous of readers takes it: bits and padding at the end that say nothing are passed over.
const GENEROUS: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The bytes that may be signed, the payload, and whatever may be a signature, read as generously as any program would.
fn read_freely(raw: &Raw) -> (Vec<u8>, Vec<u8>, Vec<Vec<u8>>) {
    let bytes = |value: &Value| {
        let text = value.as_str().unwrap_or_default().replace(['\n', '\r'], "");
        let text = text.replace('-', "+").replace('_', "/");
        GENEROUS.decode(text).unwrap_or_default()
    };
    if let Some(signature) = raw.annotations.get("dev.cosignproject.cosign/signature") {
        let signature = bytes(&signature.as_str().into());
        return (raw.bytes.to_vec(), raw.bytes.to_vec(), vec![signature]);
    }
    let document: Value = serde_json::from_slice(&raw.bytes).unwrap_or_default();
    let envelope =
        document.get("dsseEnvelope").or(document.get("dsse_envelope")).unwrap_or(&document);
    let kind = envelope.get("payloadType").or(envelope.get("payload_type"));
    let kind = kind.and_then(Value::as_str).unwrap_or_default();
    let payload = bytes(&envelope["payload"]);
    let mut message = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len()).into_bytes();
    message.extend_from_slice(&payload);
    let signatures = envelope["signatures"].as_array().into_iter().flatten();
    (message, payload, signatures.map(|signature| bytes(&signature["sig"])).collect())
}

/// A change of some bytes.
#[derive(Debug, Clone)]
enum Change {
    Flip(prop::sample::Index, u8),
    Insert(prop::sample::Index, u8),
    Remove(prop::sample::Index),
    Cut(prop::sample::Index),
    Double(prop::sample::Index, prop::sample::Index),
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        4 => (at(), 0..8_u8).prop_map(|(at, bit)| Change::Flip(at, bit)),
        2 => (at(), any::<u8>()).prop_map(|(at, byte)| Change::Insert(at, byte)),
        2 => at().prop_map(Change::Remove),
        1 => at().prop_map(Change::Cut),
        1 => (at(), at()).prop_map(|(from, to)| Change::Double(from, to)),
    ]
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let length = bytes.len();
        match self {
            Self::Flip(at, bit) => bytes[at.index(length)] ^= 1 << bit,
            Self::Insert(at, byte) => bytes.insert(at.index(length), *byte),
            Self::Remove(at) => drop(bytes.remove(at.index(length))),
            Self::Cut(at) => bytes.truncate(at.index(length)),
            Self::Double(from, to) => {
                let (from, to) = (from.index(length), to.index(length));
                let part = bytes[from.min(to)..from.max(to)].to_vec();
                bytes.splice(from..from, part);
            }
        }
    }
}

/// Where a change is made: in the stored bytes, in the payload within its base64, in a signature, or in an annotation.
#[derive(Debug, Clone, Copy)]
enum Layer {
    Stored,
    Payload,
    Signature,
    Annotations,
}

fn layer() -> impl Strategy<Value = Layer> {
    prop_oneof![
        Just(Layer::Stored),
        Just(Layer::Payload),
        Just(Layer::Signature),
        Just(Layer::Annotations)
    ]
}

fn manipulate(raw: &mut Raw, layer: Layer, changes: &[Change]) {
    let apply = |bytes: &mut Vec<u8>| changes.iter().for_each(|change| change.apply(bytes));
    let within = |pointer: &str, raw: &mut Raw| {
        let Ok(mut document) = serde_json::from_slice::<Value>(&raw.bytes) else { return };
        let prefix = if document.get("dsseEnvelope").is_some() { "/dsseEnvelope" } else { "" };
        let Some(value) = document.pointer_mut(&format!("{prefix}{pointer}")) else { return };
        let mut bytes = STANDARD.decode(value.as_str().unwrap_or_default()).unwrap_or_default();
        apply(&mut bytes);
        *value = STANDARD.encode(bytes).into();
        raw.bytes = document.to_string().into();
    };
    match layer {
        Layer::Payload => within("/payload", raw),
        Layer::Signature => within("/signatures/0/sig", raw),
        Layer::Annotations if !raw.annotations.is_empty() => {
            for text in raw.annotations.values_mut() {
                let mut bytes = std::mem::take(text).into_bytes();
                apply(&mut bytes);
                *text = String::from_utf8_lossy(&bytes).into_owned();
            }
        }
        Layer::Stored | Layer::Annotations => {
            let mut bytes = raw.bytes.to_vec();
            apply(&mut bytes);
            raw.bytes = Bytes::from(bytes);
        }
    }
}

fn runner(cases: u32) -> TestRunner {
    // Always the same cases: a failure is one on every machine.
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    TestRunner::new_with_rng(Config { cases, failure_persistence: None, ..Config::default() }, rng)
}

/// Whatever is done to evidence, nothing is proven but what the key signed about this image, by the word of an oracle that
/// shares no code with hallmark.
#[tokio::test]
async fn promise_1_no_pass_without_a_positive_proof() {
    let scene = Scene::new().await;
    assert!(scene.passes(&scene.raws), "the honest twin passes");
    let strategy = (
        any::<prop::sample::Index>(),
        proptest::collection::vec(any::<bool>(), 4),
        layer(),
        proptest::collection::vec(change(), 1..4),
    );
    let mut passed = 0_u32;
    let counted = std::cell::RefCell::new(&mut passed);
    let tried = runner(MANIPULATIONS).run(&strategy, |(which, kept, layer, changes)| {
        let which = which.index(scene.raws.len());
        let mut raws = Vec::new();
        for (position, raw) in scene.raws.iter().enumerate() {
            let mut raw = raw.clone();
            if position == which {
                manipulate(&mut raw, layer, &changes);
            } else if !kept[position] {
                continue;
            }
            raws.push(raw);
        }
        let oracle = scene.oracle(&raws);
        let proofs = scene.prove(&raws);
        for proof in proofs.signatures.iter().chain(&proofs.attestations).filter_map(Proof::proven)
        {
            let known =
                oracle.iter().any(|p| hallmark::digest::Digest::sha256(p) == *proof.payload());
            prop_assert!(known, "proven, and the oracle says no: {proof:?}");
        }
        if scene.passes(&raws) {
            prop_assert!(!oracle.is_empty());
            **counted.borrow_mut() += 1;
        }
        Ok(())
    });
    tried.unwrap();
    // Some cases keep an untouched signature beside the manipulated one, so both answers occur.
    assert!((100..MANIPULATIONS - 100).contains(&passed), "{passed} passes");
}

/// Each thing that hallmark depends on fails in turn.
#[test]
fn promise_1_no_dependency_that_fails_lets_an_image_pass() {
    let world = World::new();
    let registry = Registry::honest(world.store.clone());
    let good = registry.image(&world.image);
    let config = world.config("signed");
    let run = |image: &str, config: &str, extra: &[&str]| {
        let mut hallmark = Hallmark::new(["verify", image]).config(config);
        for argument in extra {
            hallmark = hallmark.arg(*argument);
        }
        hallmark.run_within(Duration::from_secs(60))
    };
    run(&good, &config, &[]).exits(0);
    let broken = |status: u16, end: &'static str| {
        let store = world.store.clone();
        let handler = move |request: &crate::server::Request, _: usize| {
            request.path().contains(end).then(|| Reply::new(status))
        };
        Registry::start(store, Box::new(handler)).image(&world.image)
    };
    let gone = good.replace(&registry.host, "127.0.0.1:1");
    /// Name, image, configuration, arguments, and the exit codes that are right.
    type Case<'a> = (&'a str, String, String, &'a [&'a str], &'a [i32]);
    let cases: Vec<Case<'_>> = vec![
        ("the registry is down", gone, config.clone(), &[], &[3]),
        (
            "its name does not resolve",
            good.replace(&registry.host, "registry.invalid"),
            config.clone(),
            &[],
            &[3],
        ),
        ("manifests answer 500", broken(500, "/manifests/sha256:"), config.clone(), &[], &[3]),
        ("signatures answer 500", broken(500, ".sig"), config.clone(), &[], &[1, 3]),
        ("signatures answer 404", broken(404, ".sig"), config.clone(), &[], &[1]),
        ("blobs answer 503", broken(503, "/blobs/"), config.clone(), &[], &[1, 3]),
        ("everything asks for a password", broken(401, "/v2/"), config.clone(), &[], &[3]),
        ("everything is throttled", broken(429, "/v2/"), config.clone(), &[], &[3]),
        ("the key is gone", good.clone(), config.replace("key.pub", "gone.pub"), &[], &[2]),
        ("the configuration is none", good.clone(), "version: [".to_owned(), &[], &[2]),
        ("the policy is gone", good.clone(), config.clone(), &["--policy", "/nonexistent"], &[2]),
        ("there is no engine", good.clone(), config.clone(), &["--policy", "reproducible"], &[1]),
        (
            "there is no such platform",
            good.clone(),
            config.clone(),
            &["--platform", "plan9/mips"],
            &[1, 3],
        ),
    ];
    for (name, image, config, extra, codes) in cases {
        let answer = run(&image, &config, extra);
        assert!(codes.contains(&answer.code), "{name}: {}", answer.all());
        assert!(!answer.stdout.contains("PASS"), "{name}: {}", answer.all());
    }
}

/// The digest that is asked for, fetched, judged, reported and let in is one.
#[test]
fn promise_2_one_digest() {
    let world = World::new();
    let evil = Parts::new(&[("bin/app", b"evil")]).manifest.to_string();
    let registry = Registry::honest(world.store.clone());
    let config = world.config("signed");
    let verify = |image: &str| {
        Hallmark::new(["verify", "-o", "json", image])
            .config(&config)
            .run_within(Duration::from_secs(60))
    };
    let answer = verify(&registry.image(&world.image));
    answer.exits(0);
    let report = answer.json();
    let fetched = digest(&world.store.manifests[&world.image].1);
    assert_eq!(fetched, world.image);
    let named: BTreeSet<String> =
        digests_named(&report, &["digest", "manifest", "image", "subject"]);
    assert!(named.contains(&fetched), "{report:#}");
    // Another answer to every second request for the same digest changes no verdict into a pass of something else.
    for turn in 0..2 {
        let (image, other) = (world.image.clone(), evil.clone());
        let handler = move |request: &crate::server::Request, earlier: usize| {
            let asked = request.path().ends_with(&image) && earlier % 2 == turn;
            let kind = "application/vnd.oci.image.manifest.v1+json";
            asked.then(|| Reply::new(200).with("Content-Type", kind).bytes(other.clone()))
        };
        let switching = Registry::start(world.store.clone(), Box::new(handler));
        let answer = verify(&switching.image(&world.image));
        if answer.code == 0 {
            answer.says(&world.image).says_not(&digest(evil.as_bytes()));
        } else {
            answer.says("image-digest-mismatch");
        }
    }
}

fn digests_named(value: &Value, keys: &[&str]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        match value {
            Value::Object(members) => {
                for (key, value) in members {
                    if let Some(text) = value.as_str().filter(|_| keys.contains(&key.as_str())) {
                        found.extend(text.rsplit('@').next().map(str::to_owned));
                    }
                    open.push(value);
                }
            }
            Value::Array(members) => open.extend(members),
            _ => {}
        }
    }
    found
}

/// One manipulation, in every form of evidence: none has a path of its own that leaves a check out.
#[tokio::test]
async fn promise_3_one_path_for_all_evidence() {
    let scene = Scene::new().await;
    let stranger = Key::new();
    for raw in &scene.raws {
        let carrier = raw.carrier.to_string();
        let one = |raw: Raw| {
            let proofs = scene.prove(&[raw]);
            let mut all = proofs.signatures.iter().chain(&proofs.attestations);
            all.any(|proof| proof.proven().is_some())
        };
        assert!(one(raw.clone()), "{carrier}: the honest twin");
        let (_, payload, _) = read_freely(raw);
        let moved = String::from_utf8(payload.clone()).unwrap();
        let moved = moved.replace(scene.world.image.trim_start_matches("sha256:"), &"0".repeat(64));
        let with = |payload: &[u8], key: &Key| {
            let mut raw = raw.clone();
            if raw.annotations.contains_key("dev.cosignproject.cosign/signature") {
                // The annotation that this key would write.
                let signature = STANDARD.encode(key.sign_bytes(payload));
                raw.annotations.insert("dev.cosignproject.cosign/signature".to_owned(), signature);
                raw.bytes = payload.to_vec().into();
                return raw;
            }
            let mut document: Value = serde_json::from_slice(&raw.bytes).unwrap();
            let envelope = key.envelope(payload);
            match document.get_mut("dsseEnvelope") {
                Some(inner) => *inner = envelope,
                None => document = envelope,
            }
            raw.bytes = document.to_string().into();
            raw
        };
        assert!(one(with(&payload, &scene.world.key)), "{carrier}: made again");
        assert!(!one(with(&payload, &stranger)), "{carrier}: signed by a stranger");
        assert!(!one(with(moved.as_bytes(), &scene.world.key)), "{carrier}: about another image");
        // A space at its end changes nothing of what a payload says, and is not signed.
        let mut edited = raw.clone();
        let longer = [&payload[..], b" "].concat();
        match serde_json::from_slice::<Value>(&raw.bytes) {
            Ok(mut document) if document.get("critical").is_none() => {
                let within =
                    if document.get("dsseEnvelope").is_some() { "/dsseEnvelope" } else { "" };
                let pointer = format!("{within}/payload");
                *document.pointer_mut(&pointer).unwrap() = STANDARD.encode(longer).into();
                edited.bytes = document.to_string().into();
            }
            _ => edited.bytes = longer.into(),
        }
        assert!(!one(edited), "{carrier}: edited");
    }
}

/// Each limit of `src/limits.rs`, and the test that holds it at n and n + 1 (for times: just within and beyond).
const LIMITS: &[(&str, &str)] = &[
    ("manifest_bytes", "src/image/document.rs::limits_hold_at_n_and_n_plus_one"),
    ("config_bytes", "src/image/config.rs::limits_hold_at_n_and_n_plus_one"),
    ("attestation_bytes", "src/attest/tests.rs::limits_hold_at_n_and_n_plus_one"),
    ("attestations", "src/source/tests/evidence.rs::the_number_of_attestations_is_limited"),
    ("index_manifests", "src/image/document.rs::limits_hold_at_n_and_n_plus_one"),
    ("index_depth", "src/source/tests/platforms.rs::indexes_are_nested_to_their_limit"),
    ("layers", "src/image/document.rs::limits_hold_at_n_and_n_plus_one"),
    (
        "layer_bytes",
        "src/source/tests/faults.rs::a_layer_may_be_as_large_as_its_limit_and_no_larger",
    ),
    ("layer_inflated_bytes", "src/image/layer.rs::limits_hold_at_n_and_n_plus_one"),
    ("inflate_ratio", "src/image/layer.rs::long_runs_of_zeros_are_no_bombs_and_bombs_end"),
    ("inflate_free_bytes", "src/image/layer.rs::long_runs_of_zeros_are_no_bombs_and_bombs_end"),
    ("tar_entries", "src/image/tar/tests/mod.rs::limits_hold_at_n_and_n_plus_one"),
    ("tar_path_bytes", "src/image/tar/tests/mod.rs::limits_hold_at_n_and_n_plus_one"),
    ("tar_pax_bytes", "src/image/tar/tests/mod.rs::limits_hold_at_n_and_n_plus_one"),
    ("file_bytes", "src/image/rootfs/tests.rs::limits_hold_at_n_and_n_plus_one"),
    ("rootfs_bytes", "src/image/rootfs/tests.rs::limits_hold_at_n_and_n_plus_one"),
    (
        "catalogue_bytes",
        "src/contents/tests.rs::the_budget_of_a_catalogue_holds_at_n_and_n_plus_one",
    ),
    ("secret_bytes", "src/contents/secrets/tests.rs::budgets_end_at_n_and_n_plus_one_and_say_so"),
    (
        "malware_file_bytes",
        "src/contents/malware/tests.rs::c70_bytes_end_at_n_and_n_plus_one_and_say_so",
    ),
    (
        "malware_bytes",
        "src/contents/malware/tests.rs::c70_bytes_end_at_n_and_n_plus_one_and_say_so",
    ),
    (
        "malware_file_scan",
        "src/contents/malware/tests.rs::c70_a_file_that_keeps_rules_busy_is_left_and_the_rest_is_scanned",
    ),
    ("malware_scan", "src/contents/malware/tests.rs::c70_the_time_of_an_image_ends_and_says_so"),
    ("facts", "src/contents/facts/tests.rs::a_bound_says_how_many_it_left_out"),
    ("subjects", "src/attest/tests.rs::limits_hold_at_n_and_n_plus_one"),
    ("subject_digests", "src/attest/tests.rs::limits_hold_at_n_and_n_plus_one"),
    ("signatures", "src/attest/tests.rs::limits_hold_at_n_and_n_plus_one"),
    (
        "signature_checks",
        "src/trust/verify/tests/crowd.rs::h41_signatures_by_nobody_take_no_check_from_a_good_one",
    ),
    ("certificates", "src/attest/tests.rs::evidence_beside_a_signature_is_limited"),
    ("log_entries", "src/attest/tests.rs::evidence_beside_a_signature_is_limited"),
    ("timestamps", "src/attest/tests.rs::evidence_beside_a_signature_is_limited"),
    ("trusted_root_bytes", "src/trust/sigstore/root.rs::the_size_limit_holds_at_n_and_n_plus_one"),
    ("packages", "src/sbom/tests.rs::the_limit_of_packages_holds_at_n_and_n_plus_one"),
    (
        "owned_files",
        "src/contents/accounts/tests.rs::the_limit_of_owned_files_holds_at_n_and_n_plus_one",
    ),
    (
        "told_files",
        "src/contents/accounts/tests.rs::strays_of_upper_layers_are_named_first_and_all_are_counted",
    ),
    ("differences", "src/compare/ladder/tests.rs::differences_are_kept_up_to_the_limit"),
    (
        "explain_bytes",
        "src/compare/ladder/tests.rs::bounds_hold_for_differently_layered_images_too",
    ),
    ("request", "src/source/tests/faults.rs::a_silent_registry_is_given_up"),
    ("stall", "tests/it/registry.rs::every_fault_fails_in_time_with_a_finding_that_names_it"),
    ("attempts", "src/source/tests/faults.rs::attempts_and_waits_are_bounded"),
    ("pages", "src/source/tests/evidence.rs::pages_are_followed_to_their_limit"),
    ("policy", "src/policy/tests.rs::evaluation_ends_in_time"),
    ("policy_bytes", "src/policy/tests.rs::the_limit_of_input_bytes_holds_at_n_and_n_plus_one"),
    ("rebuild", "tests/it/rebuild.rs::the_time_limit_ends_a_rebuild_and_leaves_nothing"),
    ("log_bytes", "src/engine/sandbox.rs::the_log_keeps_exactly_its_limit_and_the_end"),
    ("layout_steps", "src/attest/in_toto/tests.rs::limits_hold_at_n_and_n_plus_one"),
    ("layout_keys", "src/attest/in_toto/tests.rs::limits_hold_at_n_and_n_plus_one"),
    ("layout_rules", "src/attest/in_toto/tests.rs::limits_hold_at_n_and_n_plus_one"),
    ("link_artifacts", "src/attest/in_toto/tests.rs::limits_hold_at_n_and_n_plus_one"),
    (
        "layout_links",
        "src/trust/layout/tests.rs::the_number_of_links_is_limited_at_n_and_n_plus_one",
    ),
    ("layout_depth", "src/trust/layout/tests.rs::a_sublayout_stands_for_a_link"),
    ("rebuild_disk_bytes", "tests/it/robust.rs::a_build_that_fills_the_disk_is_ended"),
    (
        "rebuild_memory_bytes",
        "tests/it/robust.rs::g1_a_step_gets_no_more_memory_and_processes_than_allowed",
    ),
    (
        "rebuild_processes",
        "tests/it/robust.rs::g1_a_step_gets_no_more_memory_and_processes_than_allowed",
    ),
    ("signing", "src/sign/tests.rs::a_program_is_bounded_in_time_and_output"),
    ("json_values", "src/json.rs::c13_values_are_counted_before_any_is_kept"),
    ("attestation_values", "src/json.rs::c13_values_are_counted_before_any_is_kept"),
    ("sbom_bytes", "src/sbom/tests.rs::the_bounds_of_a_document_hold_at_n_and_n_plus_one"),
    ("sbom_values", "src/sbom/tests.rs::the_bounds_of_a_document_hold_at_n_and_n_plus_one"),
    ("unproven_sbom_bytes", "src/verify/sboms.rs::c13_what_nobody_proved_is_read_up_to_a_budget"),
    ("sbom_relationships", "src/sbom/tests.rs::the_bounds_of_a_document_hold_at_n_and_n_plus_one"),
    ("process_evidence_bytes", "src/source/budget.rs::c15_what_is_held_is_bounded_and_comes_back"),
    ("process_layer_bytes", "src/source/budget.rs::c15_what_is_held_is_bounded_and_comes_back"),
    (
        "image_document_bytes",
        "src/source/tests/evidence.rs::c24_the_documents_of_one_image_are_bounded_together",
    ),
    (
        "process_tree_bytes",
        "src/image/rootfs/tests.rs::c25_a_tree_of_many_small_files_is_as_large_as_it_is_in_memory",
    ),
    (
        "image_bytes",
        "src/source/tests/faults.rs::c15_the_layers_of_an_image_are_summed_before_any_is_fetched",
    ),
    (
        "advisory_bytes",
        "src/vulnerabilities/osv/tests.rs::the_size_of_an_advisory_is_limited_at_n_and_n_plus_one",
    ),
    ("advisories", "src/vulnerabilities/database/tests.rs::c28_advisories_are_counted"),
    ("import_bytes", "src/cli/vulns/sources.rs::what_one_import_reads_is_limited"),
    (
        "vulnerability_database_bytes",
        "src/vulnerabilities/database/tests.rs::c28_a_damaged_database_is_refused_and_never_empty",
    ),
    (
        "saved_record_bytes",
        "src/saved/tests.rs::i12_a_record_may_be_as_large_as_its_limit_and_no_larger",
    ),
    ("review_bytes", "tests/it/gate.rs::a_review_may_be_as_large_as_its_limit_and_no_larger"),
];

#[test]
fn promise_4_every_limit_has_a_test_at_n_and_n_plus_one() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let fields: Vec<&str> = Limits::TABLE.iter().map(|limit| limit.field).collect();
    let listed: Vec<&str> = LIMITS.iter().map(|(limit, _)| *limit).collect();
    let missing: Vec<_> = fields.iter().filter(|field| !listed.contains(field)).collect();
    assert!(missing.is_empty(), "limits without a test that is listed here: {missing:?}");
    assert!(listed.iter().all(|limit| fields.contains(limit)), "{listed:?} and {fields:?}");
    for (limit, test) in LIMITS {
        let (file, name) = test.split_once("::").unwrap();
        let text = fs::read_to_string(root.join(file)).unwrap();
        let at =
            text.find(&format!("fn {name}()")).unwrap_or_else(|| panic!("{file} has no {name}"));
        let body = &text[at..];
        let body = &body[..body.find("\n    }\n").or(body.find("\n}\n")).unwrap_or(body.len())];
        assert!(!body.is_empty(), "{limit}: {test} is empty");
    }
}

/// Bad evidence beside good proves no more and no less; what goes beyond a limit says so.
#[tokio::test]
async fn promise_5_monotone() {
    let scene = Scene::new().await;
    let stranger = Key::new();
    let foreign = stranger.envelope(&statement(&scene.world.image, SLSA)).to_string();
    let other = scene.world.key.envelope(&statement(&digest(b"other"), SLSA)).to_string();
    let strategy = (
        proptest::collection::vec(any::<bool>(), 4),
        proptest::collection::vec(
            (
                any::<prop::sample::Index>(),
                layer(),
                proptest::collection::vec(change(), 1..4),
                0..4_u8,
            ),
            0..6,
        ),
        any::<bool>(),
    );
    let tried = runner(500).run(&strategy, |(kept, bad, first)| {
        let good: Vec<Raw> =
            scene.raws.iter().zip(kept).filter(|(_, keep)| *keep).map(|(r, _)| r.clone()).collect();
        let bad = bad.into_iter().map(|(which, layer, changes, kind)| {
            let mut raw = scene.raws[which.index(scene.raws.len())].clone();
            match kind {
                0 => raw.bytes = foreign.clone().into(),
                1 => raw.bytes = other.clone().into(),
                2 => raw.bytes = "garbage".into(),
                _ => manipulate(&mut raw, layer, &changes),
            }
            raw
        });
        // A change that leaves a signature whole makes no bad evidence.
        let bad: Vec<Raw> =
            bad.filter(|raw| scene.oracle(std::slice::from_ref(raw)).is_empty()).collect();
        let mixed: Vec<Raw> = if first {
            bad.iter().chain(&good).cloned().collect()
        } else {
            good.iter().chain(&bad).cloned().collect()
        };
        let proven = |raws: &[Raw]| {
            let proofs = scene.prove(raws);
            let all = proofs.signatures.iter().chain(&proofs.attestations);
            all.filter_map(|p| Some(p.proven()?.payload().clone())).collect::<BTreeSet<_>>()
        };
        prop_assert_eq!(proven(&good), proven(&mixed));
        prop_assert_eq!(scene.passes(&good), scene.passes(&mixed));
        Ok(())
    });
    tried.unwrap();
}

/// More attachments than are read: a pass stays one, or the limit is named.
#[test]
fn promise_5_beyond_a_limit_the_limit_is_named() {
    for count in [10, 300] {
        let mut world = World::new();
        for number in 0..count {
            refer(&mut world, DSSE, format!("garbage {number}").as_bytes());
        }
        let registry = Registry::honest(world.store.clone());
        let answer = Hallmark::new(["verify", &registry.image(&world.image)])
            .config(&world.config("signed"))
            .run_within(Duration::from_secs(120));
        if answer.code != 0 {
            answer.exits(1).says("limits.attestations");
            assert!(count > Limits::default().attestations, "{}", answer.all());
        }
    }
}

#[tokio::test]
async fn promise_6_deterministic() {
    let scene = Scene::new().await;
    let now = "2026-01-01T00:00:00Z".parse().unwrap();
    let reference = pinned(&scene.registry.image(&scene.world.image));
    let mut reports = BTreeSet::new();
    for _ in 0..3 {
        let verdict = verify(reference.clone(), &scene.context(), now).await;
        assert!(verdict.is_pass(), "{:?}", verdict.platforms[0].findings);
        reports.insert((report::json::verdict(&verdict), report::text::verdict(&verdict)));
    }
    assert_eq!(reports.len(), 1, "three runs, and not one answer");
    let expected = scene.prove(&scene.raws);
    let orders = proptest::collection::vec(any::<u32>(), 4);
    let tried = runner(200).run(&orders, |order| {
        let mut raws: Vec<(u32, Raw)> = order.into_iter().zip(scene.raws.iter().cloned()).collect();
        raws.sort_by_key(|(place, _)| *place);
        let raws: Vec<Raw> = raws.into_iter().map(|(_, raw)| raw).collect();
        prop_assert_eq!(&scene.prove(&raws), &expected);
        Ok(())
    });
    tried.unwrap();
}

/// Without any network an image in a layout is judged; with one, no host but the image's registry is spoken to.
#[test]
fn promise_7_offline() {
    let parts = Parts::new(&[("bin/app", b"#!/bin/sh\necho hello\n")]);
    let layout = Layout::of(&parts);
    let key = Key::new();
    let image = digest(parts.manifest.to_string().as_bytes());
    sign_in_layout(&layout, &key, &image, &parts);
    let folder = tempfile::tempdir().unwrap();
    let config = trusting(&key.write(folder.path()), "signed");
    let verify = || Hallmark::new(["verify"]).arg(layout.reference()).config(&config);
    verify().run().exits(0);
    assert_offline(verify);
    let trace = folder.path().join("trace");
    let strace = tracing(&trace);
    let strace: Vec<&str> = strace.iter().map(String::as_str).collect();
    let world = World::new();
    let registry = Registry::honest(world.store.clone());
    let online =
        Hallmark::new(["verify", &registry.image(&world.image)]).config(&world.config("signed"));
    isolated(&strace, online, |answer| {
        answer.exits(0);
        let port = registry.host.rsplit(':').next().unwrap();
        let text = fs::read_to_string(&trace).unwrap();
        let elsewhere: Vec<&str> = text
            .lines()
            .filter(|line| line.contains("connect(") && !line.contains(&format!("htons({port})")))
            .collect();
        assert!(elsewhere.is_empty() && text.contains("connect("), "{text}");
    });
}

/// Checks that this call passes where there is no network, and that it opens no socket where there is one.
pub fn assert_offline(verify: impl Fn() -> Hallmark) {
    isolated(&["unshare", "--net", "--map-root-user"], verify(), |answer| {
        answer.exits(0);
    });
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    let strace = tracing(&trace);
    isolated(&strace.iter().map(String::as_str).collect::<Vec<_>>(), verify(), |answer| {
        answer.exits(0);
        // A pair of sockets within the process, by which the runtime hears of signals, leads nowhere and is not traced.
        assert_eq!(fs::read_to_string(&trace).unwrap(), "", "a socket was opened");
    });
}

/// The call of strace that writes every socket into a file.
fn tracing(file: &Path) -> Vec<String> {
    let arguments =
        ["strace", "-f", "-qq", "-e", "trace=socket,connect", "-e", "signal=none", "-o"];
    arguments.into_iter().map(str::to_owned).chain([file.display().to_string()]).collect()
}

/// Runs hallmark by another program, where that is here and may do its work.
fn isolated(by: &[&str], hallmark: Hallmark, check: impl FnOnce(crate::support::Answer)) {
    let works =
        Command::new(by[0]).args(&by[1..]).arg("true").output().is_ok_and(|o| o.status.success());
    if !works {
        eprintln!("SKIPPED promise_7_offline, in part: {} cannot be used here", by[0]);
        return;
    }
    check(hallmark.run_by(by));
}

/// Puts a cosign signature beside the image of a layout: the manifest has the tag that cosign gives it.
fn sign_in_layout(layout: &Layout, key: &Key, image: &str, parts: &Parts) {
    let mut store = crate::server::Store::default();
    key.sign(&mut store, image);
    for bytes in store.blobs.values() {
        layout.blob(bytes);
    }
    let tag = format!("{}.sig", image.replace(':', "-"));
    let (kind, signature) = &store.manifests[&tag];
    layout.blob(signature);
    let manifest = parts.manifest.to_string();
    layout.index(&json!([
        {
            "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": image,
            "size": manifest.len(), "platform": { "os": "linux", "architecture": "amd64" },
        },
        {
            "mediaType": kind, "digest": digest(signature), "size": signature.len(),
            "annotations": { "org.opencontainers.image.ref.name": tag },
        },
    ]));
}
