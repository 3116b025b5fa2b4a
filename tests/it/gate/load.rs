//! The gate while somebody tries to fill its memory, to keep it busy, or to have it fetch much.

use std::{fs, path::PathBuf, time::Duration};

use serde_json::json;

use super::{Gate, Scene, assert_allowed, assert_denied, message, pod};
use crate::{
    layouts::Parts,
    server::{Body, Registry, Reply, World},
};

/// A memory control group of 512 MiB for one process, removed at the end.
struct Cage {
    folder: PathBuf,
}

impl Cage {
    const BYTES: usize = 512 << 20;

    /// Puts a running process into a new group; `None`, with a word, where none can be made.
    fn around(test: &str, process: u32) -> Option<Self> {
        let roots =
            [("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")];
        for (root, limit) in roots {
            let folder = PathBuf::from(format!("{root}/hallmark-test-{process}"));
            if fs::create_dir(&folder).is_err() {
                continue;
            }
            let cage = Self { folder };
            let set = fs::write(cage.folder.join(limit), Self::BYTES.to_string());
            let moved = fs::write(cage.folder.join("cgroup.procs"), process.to_string());
            if set.is_ok() && moved.is_ok() {
                return Some(cage);
            }
        }
        eprintln!("SKIPPED {test}: no memory control group can be made here");
        None
    }
}

impl Drop for Cage {
    fn drop(&mut self) {
        // The process leaves the group a moment after it is killed.
        for _ in 0..100 {
            if fs::remove_dir(&self.folder).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// So many bytes of objects that take a hundred times as much memory.
fn junk(bytes: usize) -> String {
    const UNIT: &str = r#"{"":0},"#;
    format!("[{}0]", UNIT.repeat(bytes / UNIT.len()))
}

/// A review of one image, with `more` beside the object's own members.
fn review_with(image: &str, more: &str) -> String {
    let review = pod("CREATE", &json!({"containers": [{"name": "a", "image": image}]}));
    review.to_string().replacen(r#""metadata":"#, &format!(r#""junk":{more},"metadata":"#), 1)
}

#[tokio::test]
async fn c13_a_gate_in_512_mib_answers_the_worst_and_lives() {
    let mut world = World::new();
    let honest = world.image.clone();
    let mut images = Vec::new();
    for (name, size) in [("words", 39 << 20), ("values", 39 << 20)] {
        let image = world.store.image(&Parts::new(&[("bin/app", name.as_bytes())]));
        world.key.sign(&mut world.store, &image);
        let predicate = match name {
            "words" => format!("\"{}\"", "x".repeat(size * 3 / 4 - (1 << 20))),
            _ => junk(size * 3 / 4 - (1 << 20)),
        };
        let statement = format!(
            r#"{{"_type":"https://in-toto.io/Statement/v1","subject":[{{"digest":{{"sha256":"{}"}}}}],"predicateType":"https://example.com/large/v1","predicate":{predicate}}}"#,
            image.trim_start_matches("sha256:"),
        );
        let envelope = world.key.envelope(statement.as_bytes()).to_string();
        assert!(envelope.len() < 40 << 20, "{}", envelope.len());
        world.store.attach(&image, "att", envelope.as_bytes(), &json!({}));
        images.push(image);
    }
    // Its configuration alone is larger than most.
    let mut parts = Parts::new(&[("bin/app", b"large configuration")]);
    parts.config["junk"] = serde_json::from_str(&junk((8 << 20) - 4096)).unwrap();
    parts.relink();
    let large = world.store.image(&parts);
    world.key.sign(&mut world.store, &large);
    images.push(large);
    let registry = Registry::honest(world.store.clone());
    let limits = "limits: {request: 5s, stall: 5s, attempts: 1}";
    let config = world.config("signed");
    let config = config.lines().filter(|line| !line.starts_with("limits:"));
    let mut gate =
        Gate::start(&format!("{}\n{limits}\n", config.collect::<Vec<_>>().join("\n"))).await;
    let Some(_cage) = Cage::around("c13_a_gate_in_512_mib", gate.child.id()) else { return };

    let body = review_with(&registry.image(&honest), &junk((7 << 20) - 4096));
    let posts = (0..16).map(|_| gate.post("application/json", body.clone()));
    for (status, text) in futures_util::future::join_all(posts).await {
        assert!(status.is_client_error(), "{status}: {text:.300}");
        assert!(text.contains("more than") || text.contains("too many others"), "{text:.300}");
    }
    let large = images.iter().map(|image| registry.image(image)).collect::<Vec<_>>();
    for _ in 0..2 {
        let asked = large.iter().map(|image| gate.pod(image));
        for response in futures_util::future::join_all(asked).await {
            // Whether it comes in time depends on the machine; an answer comes.
            assert!(response["allowed"].is_boolean(), "{response}");
        }
    }
    let denied = gate.pod(&large[2]).await;
    assert!(message(&denied).contains("limits.jsonValues"), "{denied:#}");
    assert_eq!(gate.child.try_wait().unwrap(), None, "it lives");
    assert_allowed(&gate.pod(&registry.image(&honest)).await);
}

#[tokio::test]
async fn c14_an_honest_image_is_decided_while_2048_at_dead_registries_are_asked_for() {
    let mut world = World::new();
    let honest: Vec<_> = (0..6)
        .map(|n| {
            let content = format!("honest {n}");
            let image = world.store.image(&Parts::new(&[("bin/app", content.as_bytes())]));
            world.key.sign(&mut world.store, &image);
            image
        })
        .collect();
    let silent = || -> Registry {
        Registry::start(
            world.store.clone(),
            Box::new(|_, _| Some(Reply::new(200).body(Body::Silence))),
        )
    };
    let dead: Vec<_> = (0..4).map(|_| silent()).collect();
    let registry = Registry::honest(world.store.clone());
    let gate = Gate::start(&world.config("signed").replace("request: 2s", "request: 30s")).await;
    let attacks = (0..16).map(|review| {
        let containers: Vec<_> = (0..128)
            .map(|n| {
                let host = &dead[(review + n) % dead.len()].host;
                let image = format!("{host}/a{review}/i{n}@sha256:{}", "0".repeat(64));
                json!({"name": format!("c{n}"), "image": image})
            })
            .collect();
        let body = pod("CREATE", &json!({ "containers": containers })).to_string();
        gate.post("application/json", body)
    });
    let attack = futures_util::future::join_all(attacks);
    let honest = async {
        for image in &honest {
            tokio::time::sleep(Duration::from_millis(500)).await;
            assert_allowed(&gate.pod(&registry.image(image)).await);
        }
    };
    let (answers, ()) = tokio::join!(attack, honest);
    for (status, text) in answers {
        assert!(status.is_success() && text.contains("\"allowed\":false"), "{status} {text:.300}");
    }
}

#[tokio::test]
async fn c14_a_repository_that_no_rule_is_about_is_not_asked() {
    let world = World::new();
    let registry = Registry::honest(world.store.clone());
    let config = world.config("signed").replace("\"**\"", "\"r.example/**\"");
    let gate = Gate::start(&config).await;
    let image = registry.image(&world.image);
    assert_denied(&gate.pod(&image).await, &image, "its registry was not asked");
    assert!(registry.requests().is_empty(), "{:?}", registry.requests());
}

#[tokio::test]
async fn c15_what_signatures_deny_is_not_fetched() {
    let Scene { gate, registry, signed, stolen, bare } = Scene::new().await;
    let blobs = |registry: &Registry| {
        let requests = registry.requests();
        requests.iter().filter(|request| request.path().contains("/blobs/")).count()
    };
    for (image, why) in [(&stolen, "signature-missing"), (&bare, "signature-missing")] {
        let before = blobs(&registry);
        assert_denied(&gate.pod(image).await, image, why);
        // The configuration, and what the signature's manifest holds.
        let fetched = blobs(&registry) - before;
        assert!(fetched <= 2, "{fetched} blobs of {image}");
    }
    let before = blobs(&registry);
    assert_allowed(&gate.pod(&signed).await);
    assert_eq!(blobs(&registry) - before, 3, "the honest twin's layer is read");
}
