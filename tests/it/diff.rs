//! Two images in a registry: what they have in common is not fetched.

use serde_json::json;

use crate::{
    layouts::{digest, gzip, tar},
    server::{Registry, Store},
    support::Hallmark,
};

/// Layers as files, base first.
type Layered<'a> = &'a [&'a [(&'a str, &'a [u8])]];

const BASE: &[(&str, &[u8])] = &[("etc/base", b"base")];
const ONE: &[(&str, &[u8])] = &[("app", b"one"), ("z", b"z")];
const TWO: &[(&str, &[u8])] = &[("app", b"two"), ("z", b"z")];
/// The same files in another order.
const MOVED: &[(&str, &[u8])] = &[("z", b"z"), ("app", b"one")];

/// Adds an image, and gives its digest.
fn image(store: &mut Store, layers: Layered<'_>, annotation: &str, created: &str) -> String {
    let tars: Vec<Vec<u8>> = layers.iter().map(|files| tar(files)).collect();
    let config = json!({
        "architecture": "amd64", "os": "linux", "created": created,
        "rootfs": {"type": "layers", "diff_ids": tars.iter().map(|tar| digest(tar)).collect::<Vec<_>>()},
    });
    let kind = "application/vnd.oci.image.layer.v1.tar+gzip";
    let stored: Vec<_> = tars.iter().map(|tar| store.blob(kind, gzip(tar))).collect();
    let manifest = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": store.blob("application/vnd.oci.image.config.v1+json", config.to_string()),
        "layers": stored, "annotations": {"org.opencontainers.image.title": annotation},
    });
    store.manifest(&manifest, None)["digest"].as_str().unwrap().to_owned()
}

#[test]
fn layers_that_both_images_have_are_not_fetched() {
    let blob = |files| digest(&gzip(&tar(files)));
    let (base, one, two, moved) = (blob(BASE), blob(ONE), blob(TWO), blob(MOVED));
    let plain =
        |store: &mut Store, layers: Layered<'_>| image(store, layers, "", "2025-01-01T00:00:00Z");
    type Make = fn(&mut Store, &dyn Fn(&mut Store, Layered<'_>) -> String) -> [String; 2];
    let cases: [(&str, Make, &str, Vec<&String>); 6] = [
        ("one image", |s, plain| [plain(s, &[BASE, ONE]), plain(s, &[BASE, ONE])], "R5", vec![]),
        (
            "one layer differs",
            |s, plain| [plain(s, &[BASE, ONE]), plain(s, &[BASE, TWO])],
            "R0",
            vec![&one, &two],
        ),
        (
            "nothing but the configuration's time differs",
            |s, plain| [plain(s, &[BASE, ONE]), image(s, &[BASE, ONE], "", "2026-01-01T00:00:00Z")],
            "R3",
            vec![],
        ),
        // Every diffID has to be proven, and one blob proves it for both.
        (
            "nothing but an annotation differs",
            |s, plain| {
                [plain(s, &[BASE, ONE]), image(s, &[BASE, ONE], "x", "2025-01-01T00:00:00Z")]
            },
            "R4",
            vec![&base, &one],
        ),
        // Whether the order matters shows in the whole file system: the base is asked for once, and late.
        (
            "another order",
            |s, plain| [plain(s, &[BASE, ONE]), plain(s, &[BASE, MOVED])],
            "R2",
            vec![&base, &one, &moved],
        ),
        (
            "one layer more",
            |s, plain| [plain(s, &[BASE, ONE]), plain(s, &[BASE, ONE, ONE])],
            "R2",
            vec![&base, &one],
        ),
    ];
    for (name, make, level, fetched) in cases {
        let mut store = Store::default();
        let [left, right] = make(&mut store, &plain);
        let registry = Registry::honest(store);
        let (left, right) = (registry.image(&left), registry.image(&right));
        let answer = Hallmark::new(["diff", "--platform", "linux/amd64", &left, &right]).run();
        answer.says(&format!("level  {level}"));
        let mut asked: Vec<String> = registry
            .requests()
            .iter()
            .filter_map(|request| request.path().strip_prefix("/v2/app/blobs/").map(str::to_owned))
            .filter(|blob| [&base, &one, &two, &moved].contains(&blob))
            .collect();
        let mut wanted: Vec<String> = fetched.into_iter().cloned().collect();
        asked.sort();
        wanted.sort();
        assert_eq!(asked, wanted, "{name}: {}", answer.all());
    }
}

/// Who may read a report need not be one of those who may pull the image.
#[test]
fn g26_no_report_shows_a_secret_of_the_configuration() {
    const SECRETS: [&str; 2] = ["s9df8sdf", "q7Zk2mPw"];
    let mut store = Store::default();
    let images = SECRETS.map(|secret| {
        let base = tar(BASE);
        let key = format!("-----BEGIN PRIVATE KEY-----\n{secret}\n-----END PRIVATE KEY-----\n");
        let own = tar(&[
            ("app/run", format!("DB_PASSWORD={secret}\nA=1\n").as_bytes()),
            ("app/tls.key", key.as_bytes()),
            ("root/.pgpass", format!("db:5432:app:app:{secret}\n").as_bytes()),
        ]);
        let config = json!({
            "architecture": "amd64", "os": "linux", "created": "2025-01-01T00:00:00Z",
            "rootfs": {"type": "layers", "diff_ids": [digest(&base), digest(&own)]},
            "config": {
                "Env": ["PATH=/bin", format!("PGPASSWORD={secret}"), format!("URL=postgres://a:{secret}@db/a")],
                "Cmd": ["/app", "--password", secret],
                "Labels": {"app.token": secret, "app.name": "a"},
            },
            "history": [
                {"created_by": format!("ENV PGPASSWORD={secret} LEVEL=1")},
                {"created_by": format!("RUN |1 TOKEN={secret} /bin/sh -c make # buildkit")},
            ],
        });
        let kind = "application/vnd.oci.image.layer.v1.tar+gzip";
        let layers = [&base, &own].map(|tar| store.blob(kind, gzip(tar)));
        let manifest = json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": store.blob("application/vnd.oci.image.config.v1+json", config.to_string()),
            "layers": layers, "annotations": {"app.password": secret},
        });
        store.manifest(&manifest, None)["digest"].as_str().unwrap().to_owned()
    });
    let registry = Registry::honest(store);
    let [left, right] = images.map(|image| registry.image(&image));
    for format in ["text", "json", "html"] {
        let call = ["diff", "--platform", "linux/amd64", "-o", format, &left, &right];
        let answer = Hallmark::new(call).run();
        let said = answer.all();
        for secret in SECRETS {
            assert!(!said.contains(secret), "{format}: {said}");
        }
        // What differs is told all the same, and what stands beside it.
        answer.says("PGPASSWORD=[secret]").says("/config/Labels/app.token").says("LEVEL=1");
        answer.says("/config/Cmd/2").says("app.password").says("DB_PASSWORD=[secret]");
        answer.says("TOKEN=[secret]");
    }
}

/// A layer that only a closer look asks for is missing: the answer is that it could not be compared.
#[test]
fn a_layer_that_is_missing_when_it_is_asked_for_ends_the_comparison() {
    let mut store = Store::default();
    let created = "2025-01-01T00:00:00Z";
    let left = image(&mut store, &[BASE, ONE], "", created);
    let right = image(&mut store, &[BASE, MOVED], "", created);
    let base = digest(&gzip(&tar(BASE)));
    store.blobs.remove(&base);
    let registry = Registry::honest(store);
    let (left, right) = (registry.image(&left), registry.image(&right));
    let answer = Hallmark::new(["diff", "--platform", "linux/amd64", &left, &right]).run();
    answer.exits(3).says(&base);
}
