//! What is judged is what runs: containerd's own code says which image a node takes from an index, and hallmark has to
//! judge that one, or refuse the index (attacks H1 to H6 of `docs/attacks.md`); and what command line and gate make of
//! indexes with several platforms.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use hallmark::{
    digest::ManifestDigest,
    limits::Limits,
    reference::{Location, PinnedReference},
    source::{self, PlatformChoice, SourceSettings, images::load},
};
use proptest::{
    prelude::*,
    sample::select,
    test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner},
};
use serde_json::{Value, json};

use crate::{
    layouts::{Layout, Parts, digest},
    server::{Registry, World},
    support::{Hallmark, trusting},
};

/// Node types that are asked about.
const NODES: [&str; 6] =
    ["linux/amd64", "linux/arm64", "linux/arm/v7", "linux/386", "windows/amd64", "linux/riscv64"];
/// Indexes that are generated.
const INDEXES: u32 = 600;
/// Set to a seed in hexadecimal to see its indexes again.
const SEED: &str = "HALLMARK_SEED";

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// A platform as an index or configuration writes it.
#[derive(Debug, Clone, Default)]
struct Written {
    os: &'static str,
    architecture: &'static str,
    variant: &'static str,
    version: &'static str,
    feature: &'static str,
}

impl Written {
    fn json(&self) -> Value {
        let mut platform = json!({"os": self.os, "architecture": self.architecture});
        let more = [("variant", self.variant), ("os.version", self.version)];
        for (key, value) in more.into_iter().filter(|(_, value)| !value.is_empty()) {
            platform[key] = value.into();
        }
        if !self.feature.is_empty() {
            platform["os.features"] = json!([self.feature]);
        }
        platform
    }
}

/// What stands behind an entry.
#[derive(Debug, Clone)]
enum Content {
    /// The image of this number, whose configuration names a platform of its own, or none.
    Image { number: u8, own: Option<Written>, config_type: &'static str },
    /// An index.
    Index(Vec<Entry>),
}

/// An entry of an index.
#[derive(Debug, Clone)]
struct Entry {
    content: Content,
    platform: Option<Written>,
    media_type: Option<&'static str>,
    artifact_type: Option<&'static str>,
    annotated: bool,
}

fn written() -> impl Strategy<Value = Written> {
    let os = prop_oneof![
        12 => Just("linux"), 2 => Just("Linux"), 2 => Just("windows"), 1 => Just("unknown"), 1 => Just(""),
    ];
    let architecture = prop_oneof![
        6 => Just("amd64"),
        6 => select(vec!["x86_64", "x86-64", "AMD64", "386", "i386", "arm64", "aarch64", "arm", "armhf", "armel"]),
        2 => select(vec!["riscv64", "unknown", "", "s390x"]),
    ];
    let variant = prop_oneof![
        6 => Just(""),
        4 => select(vec!["v1", "v2", "v3", "v5", "v6", "v7", "v8", "V7", "8", "7", "6", "v8.0", "v8.1", "v9", "9", "v9.1"]),
    ];
    let version = prop_oneof![9 => Just(""), 1 => Just("10.0.20348.1")];
    let feature = prop_oneof![9 => Just(""), 1 => Just("a")];
    (os, architecture, variant, version, feature).prop_map(
        |(os, architecture, variant, version, feature)| Written {
            os,
            architecture,
            variant,
            version,
            feature,
        },
    )
}

/// Most configurations say what the index says: what contradicts it is refused, and shows nothing more.
fn image() -> impl Strategy<Value = (Content, Option<Written>)> {
    let config_type = prop_oneof![9 => Just(CONFIG), 1 => Just("application/vnd.example+json")];
    let listed = proptest::option::weighted(0.85, written());
    (0..6_u8, listed, prop_oneof![8 => Just(0), 2 => Just(1), 2 => Just(2)], written(), config_type)
        .prop_map(|(number, listed, how, other, config_type)| {
            let own = match how {
                0 => listed.clone().or(Some(other)),
                1 => Some(other),
                _ => None,
            };
            (Content::Image { number, own, config_type }, listed)
        })
}

fn entry() -> impl Strategy<Value = Entry> {
    let leaf = image().boxed();
    let content = leaf.clone().prop_recursive(2, 12, 3, move |inner| {
        let entries = proptest::collection::vec(marked(inner), 0..3);
        let index = (entries, proptest::option::weighted(0.5, written()));
        prop_oneof![4 => leaf.clone(), 1 => index.prop_map(|(list, listed)| (Content::Index(list), listed))]
    });
    marked(content)
}

fn marked(
    content: impl Strategy<Value = (Content, Option<Written>)>,
) -> impl Strategy<Value = Entry> {
    let media_type = proptest::option::weighted(
        0.03,
        select(vec![
            "application/octet-stream",
            "application/vnd.docker.distribution.manifest.v2+json",
        ]),
    );
    let artifact_type = proptest::option::weighted(
        0.12,
        select(vec![CONFIG, CONFIG, "application/vnd.example+json"]),
    );
    (content, media_type, artifact_type, proptest::bool::weighted(0.06)).prop_map(
        |((content, platform), media_type, artifact_type, annotated)| Entry {
            content,
            platform,
            media_type,
            artifact_type,
            annotated,
        },
    )
}

/// Documents by their digest.
type Documents = BTreeMap<String, String>;

fn put(documents: &mut Documents, media_type: &str, document: String) -> Value {
    let digest = digest(document.as_bytes());
    let descriptor = json!({"mediaType": media_type, "digest": digest, "size": document.len()});
    documents.insert(digest, document);
    descriptor
}

fn descriptor(entry: &Entry, documents: &mut Documents) -> Value {
    let mut descriptor = match &entry.content {
        Content::Index(entries) => index(entries, documents),
        Content::Image { number, own, config_type } => {
            let layer =
                put(documents, "application/vnd.oci.image.layer.v1.tar", number.to_string());
            let mut config = json!({"rootfs": {"type": "layers", "diff_ids": [layer["digest"]]}});
            if let (Some(own), Some(config)) = (own, config.as_object_mut()) {
                config.extend(own.json().as_object().unwrap().clone());
            }
            let config = put(documents, config_type, config.to_string());
            let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]});
            put(documents, MANIFEST, manifest.to_string())
        }
    };
    if let Some(platform) = &entry.platform {
        descriptor["platform"] = platform.json();
    }
    if let Some(media_type) = entry.media_type {
        descriptor["mediaType"] = media_type.into();
    }
    if let Some(kind) = entry.artifact_type {
        descriptor["artifactType"] = kind.into();
    }
    if entry.annotated {
        descriptor["annotations"] = json!({"vnd.docker.reference.type": "attestation-manifest"});
    }
    descriptor
}

fn index(entries: &[Entry], documents: &mut Documents) -> Value {
    let manifests: Vec<Value> = entries.iter().map(|entry| descriptor(entry, documents)).collect();
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests});
    put(documents, INDEX, index.to_string())
}

/// containerd, asked a line at a time.
struct Containerd {
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Containerd {
    fn start(program: &Path) -> Self {
        let mut command = Command::new(program);
        command.arg("platforms").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let questions = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Self { child, questions, answers }
    }

    /// The configuration of the image that a node takes, if it takes one.
    fn takes(&mut self, node: &str, target: &Value, documents: &Documents) -> Option<String> {
        let question = json!({"node": node, "target": target, "blobs": documents});
        writeln!(self.questions, "{question}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        answer["config"].as_str().map(str::to_owned)
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn write_layout(folder: &Path, target: &Value, documents: &Documents) {
    let blobs = folder.join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    for (digest, document) in documents {
        fs::write(blobs.join(digest.trim_start_matches("sha256:")), document).unwrap();
    }
    let index = json!({"schemaVersion": 2, "manifests": [target]});
    fs::write(folder.join("index.json"), index.to_string()).unwrap();
    fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
}

/// The configurations of the images that hallmark judges; an error where it refuses.
async fn judged(
    folder: &Path,
    target: &Value,
    choice: PlatformChoice,
) -> Result<Vec<String>, String> {
    let location = Location::Layout(folder.to_path_buf());
    let digest: ManifestDigest = target["digest"].as_str().unwrap().parse().unwrap();
    let reference = PinnedReference { location, digest };
    let (settings, limits) = (SourceSettings::default(), Limits::default());
    let source = source::open(&reference.location, &settings, &limits).await.unwrap();
    let images = load(&*source, &reference, &choice, &limits).await.map_err(|e| e.to_string())?;
    Ok(images.iter().map(|image| image.config.document.digest.to_string()).collect())
}

/// How often there was something to compare.
#[derive(Debug, Default)]
struct Tally {
    taken: usize,
    judged: usize,
}

#[test]
fn h1_to_h6_what_containerd_takes_is_judged_or_refused() {
    let name = "h1_to_h6_what_containerd_takes_is_judged_or_refused";
    let Some(program) = crate::sign::peer("runtime-judge", name) else { return };
    let (seed, mut runner) = runner();
    eprintln!("{SEED}={seed}");
    let tally = std::cell::RefCell::new(Tally::default());
    let containerd = std::cell::RefCell::new(Containerd::start(&program));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let outcome = runner.run(&proptest::collection::vec(entry(), 1..6), |entries| {
        let mut documents = Documents::new();
        let target = index(&entries, &mut documents);
        let folder = tempfile::tempdir().unwrap();
        write_layout(folder.path(), &target, &documents);
        for node in NODES {
            let taken = containerd.borrow_mut().takes(node, &target, &documents);
            let Some(taken) = taken else { continue };
            tally.borrow_mut().taken += 1;
            for choice in [PlatformChoice::One(node.parse().unwrap()), PlatformChoice::All] {
                let judged = runtime.block_on(judged(folder.path(), &target, choice.clone()));
                let Ok(judged) = judged else { continue };
                tally.borrow_mut().judged += 1;
                if !judged.contains(&taken) {
                    let top = &documents[target["digest"].as_str().unwrap()];
                    let why = format!("{node} takes {taken}, {choice} is {judged:?} in {top}");
                    return Err(TestCaseError::fail(why));
                }
            }
        }
        Ok(())
    });
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(why, entries)) => panic!("{SEED}={seed}: {why}\n{entries:#?}"),
        Err(other) => panic!("{SEED}={seed}: {other}"),
    }
    let tally = tally.into_inner();
    eprintln!("{tally:?}");
    assert!(tally.taken > 500 && tally.judged > 300, "too little was compared: {tally:?}");
}

/// A runner whose cases a seed decides.
fn runner() -> (String, TestRunner) {
    let seed: [u8; 32] = match std::env::var(SEED) {
        Ok(text) => hex::decode(text).unwrap().try_into().unwrap(),
        Err(_) => std::array::from_fn(|_| rand_byte()),
    };
    let config = Config { cases: INDEXES, failure_persistence: None, ..Config::default() };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    (hex::encode(seed), TestRunner::new_with_rng(config, rng))
}

fn rand_byte() -> u8 {
    use std::hash::{BuildHasher as _, Hasher as _};
    // The keys of the standard library's hasher are random for each.
    let hasher = std::collections::hash_map::RandomState::new().build_hasher();
    hasher.finish().to_le_bytes()[0]
}

/// Two images in one index, the second one under a platform of its own; what is signed is chosen by the test.
struct TwoPlatforms {
    world: World,
    amd64: String,
    arm64: String,
}

impl TwoPlatforms {
    fn new() -> Self {
        let mut arm64 = Parts::new(&[("bin/app", b"for arm64")]);
        arm64.config["architecture"] = "arm64".into();
        arm64.relink();
        let mut world = World::new();
        let arm64 = world.store.image(&arm64);
        Self { amd64: world.image.clone(), arm64, world }
    }

    /// The digest of an index of these manifests, each for the platform that is said.
    fn index(&mut self, entries: &[(&str, &str)]) -> String {
        let entry = |(digest, architecture): &(&str, &str)| {
            let size = self.world.store.manifests[*digest].1.len();
            json!({
                "mediaType": MANIFEST, "digest": digest, "size": size,
                "platform": {"os": "linux", "architecture": architecture},
            })
        };
        let manifests: Vec<Value> = entries.iter().map(entry).collect();
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests});
        let stored = self.world.store.manifest(&index, None);
        stored["digest"].as_str().unwrap().to_owned()
    }
}

#[test]
fn every_platform_is_judged_unless_one_is_asked_for() {
    let mut two = TwoPlatforms::new();
    let (amd64, arm64) = (two.amd64.clone(), two.arm64.clone());
    let index = two.index(&[(&amd64, "amd64"), (&arm64, "arm64")]);
    let config = two.world.config("signed");
    let registry = Registry::honest(two.world.store.clone());
    let verify = |more: &[&str]| {
        let arguments = [&["verify", "-o", "json"], more].concat();
        Hallmark::new(arguments).arg(registry.image(&index)).config(&config).run()
    };
    for more in [&[][..], &["--all-platforms"]] {
        let answer = verify(more);
        answer.exits(1).says("signature-missing");
        let report = answer.json();
        let platforms = report["platforms"].as_array().unwrap();
        let verdicts: Vec<_> =
            platforms.iter().map(|p| (p["platform"].as_str(), p["verdict"].as_str())).collect();
        let want = [(Some("linux/amd64"), Some("pass")), (Some("linux/arm64"), Some("fail"))];
        assert_eq!(verdicts, want);
        assert_eq!(report["notJudged"], json!([]));
    }
    let one = verify(&["--platform", "linux/x86_64"]);
    let left = json!([{"platform": "linux/arm64", "manifest": arm64}]);
    assert_eq!(one.exits(0).json()["notJudged"], left);
    assert_eq!(one.json()["platforms"][0]["evidence"]["image"]["notJudged"], left);
    let text = Hallmark::new(["verify", "--platform", "linux/amd64"])
        .arg(registry.image(&index))
        .config(&config)
        .run();
    text.exits(0).says(&format!("not judged linux/arm64  {arm64}"));
}

#[test]
fn h8_a_revoked_digest_of_any_document_on_the_way_is_revoked() {
    let mut two = TwoPlatforms::new();
    let amd64 = two.amd64.clone();
    let inner = two.index(&[(&amd64, "amd64")]);
    let size = two.world.store.manifests[&inner].1.len();
    let outer = json!({
        "schemaVersion": 2, "mediaType": INDEX,
        "manifests": [{"mediaType": INDEX, "digest": inner, "size": size}],
    });
    let outer = two.world.store.manifest(&outer, None)["digest"].as_str().unwrap().to_owned();
    let sha512 = {
        use sha2::Digest as _;
        let bytes = &two.world.store.manifests[&inner].1;
        format!("sha512:{}", hex::encode(sha2::Sha512::digest(bytes)))
    };
    let config = two.world.parts.manifest["config"]["digest"].as_str().unwrap().to_owned();
    let registry = Registry::honest(two.world.store.clone());
    let verify = |revoked: &str| {
        let preset = "policy: {preset: signed";
        let text = two.world.config("signed");
        assert!(text.contains(preset), "{text}");
        let settings = format!("{preset}, settings: {{signature: {{revoked: [\"{revoked}\"]}}}}");
        Hallmark::new(["verify"])
            .arg(registry.image(&outer))
            .config(&text.replace(preset, &settings))
            .run()
    };
    verify(&digest(b"another")).exits(0);
    for revoked in [&outer, &inner, &amd64, &config, &sha512] {
        verify(revoked).exits(1).says("image-revoked").says(revoked);
    }
}

#[test]
fn h7_an_image_in_nested_indexes_is_signed_and_verified_by_the_digest_that_was_asked_for() {
    let parts = Parts::new(&[("bin/app", b"#!/bin/sh\n")]);
    let layout = Layout::of(&parts);
    let manifest = parts.manifest.to_string();
    let inner = json!({
        "schemaVersion": 2, "mediaType": INDEX,
        "manifests": [{
            "mediaType": MANIFEST, "digest": digest(manifest.as_bytes()), "size": manifest.len(),
            "platform": {"os": "linux", "architecture": "amd64"},
        }],
    })
    .to_string();
    layout.nest(&json!([
        {"mediaType": INDEX, "digest": layout.blob(inner.as_bytes()), "size": inner.len()},
    ]));
    let keys = crate::sign::Keys::new();
    let key = keys.p256("a");
    let reference = layout.reference();
    let config = trusting(&crate::sign::public(&key), "signed");
    let verify = || Hallmark::new(["verify", &reference]).config(&config).run();
    verify().exits(1).says("signature-missing");
    Hallmark::new(["sign", &reference, "--key", key.to_str().unwrap()]).run().exits(0);
    verify().exits(0).says("proven");
}
