//! What is attached to an image, in every carrier, and what goes wrong with it.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};

use super::kit::*;
use crate::{
    attest::{Carrier, Listing},
    finding::{Code, Severity},
    image::{Image, MediaType},
    limits::Limits,
    source::{
        Budgets, Meters, SourceError,
        discover::{Discovered, discover},
        images::{PlatformChoice, load, load_ahead},
        open_metered,
    },
};

const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// An image with evidence in every carrier.
struct Attached {
    store: Store,
    image: Value,
    index: Value,
    index_referrer: Value,
    manifest_referrer: Value,
}

fn attestation_of(mut descriptor: Value, subject: &Value) -> Value {
    descriptor["platform"] = json!({"os": "unknown", "architecture": "unknown"});
    descriptor["annotations"] = json!({
        "vnd.docker.reference.type": "attestation-manifest",
        "vnd.docker.reference.digest": subject["digest"],
    });
    descriptor
}

fn attached() -> Attached {
    let mut store = Store::default();
    let image = store.image("linux/amd64", "layer");
    let other = store.image("linux/arm64", "other layer");
    let first_form = store.artifact(MediaType::IN_TOTO, "statement, first form", None);
    let artifact_form = store.artifact(MediaType::IN_TOTO, "statement, artifact", Some(&image));
    let of_other = store.artifact(MediaType::IN_TOTO, "statement about arm64", Some(&other));
    let index = store.index(&[
        image.clone(),
        other.clone(),
        attestation_of(first_form, &image),
        attestation_of(artifact_form, &image),
        attestation_of(of_other, &other),
    ]);
    let index_referrer = store.artifact(BUNDLE, "bundle about the index", Some(&index));
    let manifest_referrer = store.artifact(BUNDLE, "bundle about the manifest", Some(&image));
    for (subject, suffix, text) in
        [(&index, "sig", "signature"), (&image, "att", "envelope"), (&index, "sbom", "sbom")]
    {
        let found = store.artifact(MediaType::DSSE, text, None);
        store.tag(&format!("sha256-{}.{suffix}", digest(subject).hex()), &found);
    }
    Attached { store, image, index, index_referrer, manifest_referrer }
}

impl Attached {
    fn with_api(&mut self) {
        let entry = |value: &Value| value["digest"].as_str().unwrap().to_owned();
        self.store.referrers = Some(
            [
                (entry(&self.index), vec![self.index_referrer.clone()]),
                (entry(&self.image), vec![self.manifest_referrer.clone()]),
            ]
            .into(),
        );
    }

    fn with_tags(&mut self) {
        for (subject, referrer) in
            [(&self.index, &self.index_referrer), (&self.image, &self.manifest_referrer)]
        {
            let list = self.store.index(std::slice::from_ref(referrer));
            self.store.tag(&format!("sha256-{}", digest(subject).hex()), &list);
        }
    }

    async fn discover(
        self,
        handler: impl Fn(&Request, usize) -> Option<Reply> + Send + Sync + 'static,
    ) -> (Registry, Discovered) {
        let index = digest(&self.index);
        let registry = Registry::start(self.store, handler).await;
        let source = registry.open().await;
        let image = amd64(&registry, &index).await;
        // As the gate runs it: on another task.
        let found = tokio::spawn(async move { discover(&*source, &image, &limits()).await });
        let found = found.await.unwrap();
        (registry, found)
    }
}

async fn amd64(registry: &Registry, index: &crate::digest::ManifestDigest) -> Image {
    let source = registry.open().await;
    let choice = PlatformChoice::One("linux/amd64".parse().unwrap());
    let images = load(&*source, &registry.reference(index), &choice, &limits()).await.unwrap();
    images.into_iter().next().unwrap()
}

/// What was found: the kind of its carrier and its bytes.
fn texts(found: &Discovered) -> Vec<(&'static str, String)> {
    let text = |raw: &crate::attest::Raw| {
        (raw.carrier.kind(), String::from_utf8(raw.bytes.to_vec()).unwrap())
    };
    found.raws.iter().map(text).collect()
}

fn expected() -> Vec<(&'static str, String)> {
    [
        ("label", "https://git.example/app"),
        ("index-attestation", "statement, first form"),
        ("index-attestation", "statement, artifact"),
        ("referrer", "bundle about the manifest"),
        ("referrer", "bundle about the index"),
        ("cosign-tag", "envelope"),
        ("cosign-tag", "signature"),
        ("cosign-tag", "sbom"),
    ]
    .map(|(kind, text)| (kind, text.to_owned()))
    .to_vec()
}

#[tokio::test]
async fn every_carrier_is_read_by_api_and_by_tag() {
    for (via, prepare) in [
        (Listing::Api, Attached::with_api as fn(&mut Attached)),
        (Listing::Tag, Attached::with_tags),
    ] {
        let mut attached = attached();
        prepare(&mut attached);
        let (image, index) = (digest(&attached.image), digest(&attached.index));
        let (_, found) = attached.discover(|_, _| None).await;
        assert_eq!(texts(&found), expected(), "{via:?}");
        assert_eq!(found.findings, []);
        for raw in &found.raws {
            match &raw.carrier {
                Carrier::IndexAttestation { index: i, .. } => {
                    assert_eq!((i, &raw.attached_to), (&index, &image));
                }
                Carrier::Referrer { via: v, .. } => assert_eq!(*v, via),
                Carrier::CosignTag { tag, .. } => {
                    assert!(tag.contains(&raw.attached_to.hex()), "{tag}");
                }
                _ => {}
            }
        }
    }
}

#[tokio::test]
async fn discovery_takes_three_round_trips_and_no_more_requests_than_things() {
    let mut attached = attached();
    attached.with_api();
    let (registry, found) = attached.discover(|_, _| None).await;
    assert_eq!(found.findings, []);
    // load: index, manifest, config, fetched by the helper's own source. discover: 2 lists, 6 tags, 2 attestation
    // manifests, 2 referrers, 7 blobs.
    assert_eq!(registry.requests().len(), 3 + 2 + 6 + 2 + 2 + 7);
}

/// What is attached is asked for while the image is still on its way, and nothing is fetched twice for that.
#[tokio::test]
async fn what_is_attached_is_fetched_with_the_image() {
    let mut attached = attached();
    attached.with_api();
    let (image, index) = (digest(&attached.image), digest(&attached.index));
    let registry = Registry::start(attached.store, |_, _| None).await;
    let source = registry.open().await;
    let choice = PlatformChoice::One("linux/amd64".parse().unwrap());
    let reference = registry.reference(&index);
    let images = load_ahead(&*source, &reference, &choice, &limits()).await.unwrap();
    let asked: Vec<String> = registry.requests().iter().map(|r| r.path().to_owned()).collect();
    let place = |end: &str| asked.iter().position(|path| path.ends_with(end));
    let config = place(&format!("/blobs/{}", images[0].manifest.config.digest)).unwrap();
    for early in [format!("/manifests/sha256-{}.sig", image.hex()), format!("/referrers/{image}")] {
        assert!(place(&early).is_some_and(|place| place < config), "{early}: {asked:#?}");
    }
    let found = discover(&*source, &images[0], &limits()).await;
    assert_eq!((texts(&found), &found.findings), (expected(), &Vec::new()));
    // As many as without looking ahead: index, manifest, configuration, and what discovery asks for.
    assert_eq!(registry.requests().len(), 3 + 2 + 6 + 2 + 2 + 7);
}

#[tokio::test]
async fn an_image_with_nothing_attached_gives_nothing() {
    let mut store = Store::default();
    let image = store.image("linux/amd64", "layer");
    let registry = Registry::start(store, |_, _| None).await;
    let image = amd64(&registry, &digest(&image)).await;
    let found = discover(&*registry.open().await, &image, &limits()).await;
    assert_eq!(texts(&found), [("label", "https://git.example/app".to_owned())]);
    assert_eq!(found.findings, []);
}

fn codes(found: &Discovered) -> Vec<Code> {
    found.findings.iter().map(|finding| finding.code).collect()
}

fn without(kind: &str) -> Vec<(&'static str, String)> {
    expected().into_iter().filter(|(k, text)| *k != kind && !text.contains(kind)).collect()
}

#[tokio::test]
async fn what_cannot_be_listed_or_read_is_a_finding_and_the_rest_is_kept() {
    // Which requests go wrong, how, the finding, and what is still found.
    type Wrong = fn(&Attached, &Request) -> bool;
    let lists: Wrong = |_, request| request.path().contains("/referrers/");
    let signature: Wrong = |_, request| request.path().ends_with(".sig");
    let statement: Wrong = |a, request| {
        let blob = a.store.blobs.iter().find(|(_, b)| b.as_ref() == b"statement, artifact");
        request.path().ends_with(blob.unwrap().0)
    };
    let referrer: Wrong =
        |a, request| request.path().ends_with(a.index_referrer["digest"].as_str().unwrap());
    let unavailable = Code::ImageReferrersUnavailable;
    type Case = (&'static str, Wrong, fn() -> Reply, Vec<Code>, &'static str);
    let cases: [Case; 7] = [
        ("lists", lists, || Reply::new(403), vec![unavailable; 2], "referrer"),
        ("lists", lists, || Reply::new(200).bytes("{"), vec![unavailable; 2], "referrer"),
        // Artifactory says so of tags that are not there.
        ("signature", signature, || Reply::new(403), vec![], "signature"),
        ("signature", signature, || Reply::new(400), vec![unavailable; 2], "signature"),
        (
            "statement",
            statement,
            || Reply::new(200).bytes("statement, ARTIFACT"),
            vec![Code::ImageDigestMismatch],
            "statement, artifact",
        ),
        (
            "statement",
            statement,
            || Reply::new(404),
            vec![Code::ImageBlobMissing],
            "statement, artifact",
        ),
        (
            "referrer",
            referrer,
            || Reply::new(404),
            vec![Code::ImageBlobMissing],
            "bundle about the index",
        ),
    ];
    for (name, wrong, reply, want, gone) in cases {
        let mut attached = attached();
        attached.with_api();
        let shape = self::attached();
        let (_, found) = attached.discover(move |r, _| wrong(&shape, r).then(reply)).await;
        assert_eq!(codes(&found), want, "{name}: {:?}", found.findings);
        assert_eq!(texts(&found), without(gone), "{name}");
    }
}

#[tokio::test]
async fn a_list_does_not_decide_what_refers_to_an_image() {
    let mut attached = attached();
    let stranger = attached.store.artifact(
        BUNDLE,
        "about another image",
        Some(&json!({
            "mediaType": MediaType::OCI_MANIFEST,
            "digest": format!("sha256:{}", "ab".repeat(32)), "size": 7,
        })),
    );
    let loose = attached.store.artifact(BUNDLE, "about nothing", None);
    let list_of_bundles = attached.store.index(&[]);
    // The list calls a bundle an SBOM; the manifest's own layers count.
    attached.index_referrer["artifactType"] = "application/spdx+json".into();
    attached.with_api();
    let lists = attached.store.referrers.as_mut().unwrap();
    let list = lists.get_mut(attached.index["digest"].as_str().unwrap()).unwrap();
    list.extend([stranger, loose, list_of_bundles]);
    let (_, found) = attached.discover(|_, _| None).await;
    assert_eq!(texts(&found), expected());
    let malformed = Code::ImageMalformed;
    assert_eq!(codes(&found), [Code::ImageReferrersUnavailable, malformed, malformed]);
    assert!(found.raws.iter().all(|raw| raw.media_type.as_str() != "application/spdx+json"));
}

#[tokio::test]
async fn an_attestation_manifest_may_not_contradict_the_index() {
    let mut store = Store::default();
    let image = store.image("linux/amd64", "layer");
    let other = store.image("linux/arm64", "layer");
    let lying = store.artifact(MediaType::IN_TOTO, "about arm64", Some(&other));
    let index = store.index(&[image.clone(), attestation_of(lying, &image)]);
    let registry = Registry::start(store, |_, _| None).await;
    let image = amd64(&registry, &digest(&index)).await;
    let found = discover(&*registry.open().await, &image, &limits()).await;
    assert_eq!(codes(&found), [Code::ImageMalformed]);
    assert!(found.raws.iter().all(|raw| raw.carrier.kind() == "label"));
}

/// A list of referrers on several pages; `next` makes the header of each.
async fn paged(next: fn(usize, &Request) -> Option<String>) -> (Registry, Discovered) {
    let attached = attached();
    let entry = attached.index_referrer.clone();
    attached
        .discover(move |request, earlier| {
            if !request.path().contains("/referrers/") {
                return None;
            }
            let reply = Reply::new(200).with("Content-Type", MediaType::OCI_INDEX);
            let of_index = request.path().ends_with(&attached_index());
            let list = if of_index { vec![entry.clone()] } else { Vec::new() };
            let reply = reply.bytes(index_of(&list));
            Some(match next(earlier, request).filter(|_| of_index) {
                Some(next) => reply.with("Link", format!("<{next}>; rel=\"next\"")),
                None => reply,
            })
        })
        .await
}

fn attached_index() -> String {
    attached().index["digest"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn pages_are_followed_to_their_limit() {
    let pages = limits().pages;
    type Next = fn(usize, &Request) -> Option<String>;
    let cases: [(&str, Next, usize, bool); 4] = [
        ("as many as allowed", |n, r| (n < 2).then(|| format!("{}?p={n}", r.path())), pages, true),
        ("one more", |n, r| (n < 3).then(|| format!("{}?p={n}", r.path())), pages, false),
        ("without end", |n, r| Some(format!("{}?p={n}", r.path())), pages, false),
        ("elsewhere", |_, _| Some("http://127.0.0.9/v2/".to_owned()), 1, false),
    ];
    for (name, next, want, complete) in cases {
        let (registry, found) = paged(next).await;
        assert_eq!(registry.count(&attached_index()), want + 1, "{name}: pages, and the index");
        assert_eq!(found.findings.is_empty(), complete, "{name}: {:?}", found.findings);
        let bundles = texts(&found).into_iter().filter(|(kind, _)| *kind == "referrer").count();
        assert_eq!(bundles, 1, "{name}: what was listed counts");
    }
}

#[tokio::test]
async fn the_number_of_attestations_is_limited() {
    for (count, complete) in [(limits().attestations, true), (limits().attestations + 1, false)] {
        let mut store = Store::default();
        let image = store.image("linux/amd64", "layer");
        let list: Vec<Value> = (0..count)
            .map(|n| store.artifact(BUNDLE, &format!("bundle {n}"), Some(&image)))
            .collect();
        store.referrers = Some([(image["digest"].as_str().unwrap().to_owned(), list)].into());
        let registry = Registry::start(store, |_, _| None).await;
        let image = amd64(&registry, &digest(&image)).await;
        let found = discover(&*registry.open().await, &image, &limits()).await;
        assert_eq!(found.findings.is_empty(), complete, "{count}: {:?}", found.findings);
        let bundles = texts(&found).into_iter().filter(|(kind, _)| *kind == "referrer").count();
        assert_eq!(bundles, limits().attestations, "{count}");
    }
}

#[tokio::test]
async fn the_size_of_attestations_is_limited() {
    let limit = limits().attestation_bytes;
    // Sizes of the pieces, and how many of them are read: each, and all together four times as much.
    let cases: [(&[usize], usize); 4] = [
        (&[limit], 1),
        (&[limit + 1], 0),
        (&[limit, limit, limit, limit], 4),
        (&[limit, limit, limit, limit, 1], 4),
    ];
    for (sizes, want) in cases {
        let mut store = Store::default();
        let image = store.image("linux/amd64", "layer");
        let list: Vec<Value> = sizes
            .iter()
            .enumerate()
            .map(|(n, size)| store.artifact(BUNDLE, &n.to_string().repeat(*size), Some(&image)))
            .collect();
        store.referrers = Some([(image["digest"].as_str().unwrap().to_owned(), list)].into());
        let registry = Registry::start(store, |_, _| None).await;
        let image = amd64(&registry, &digest(&image)).await;
        let found = discover(&*registry.open().await, &image, &limits()).await;
        assert_eq!(found.findings.is_empty(), sizes.len() == want, "{sizes:?}");
        let bundles = texts(&found).into_iter().filter(|(kind, _)| *kind == "referrer").count();
        assert_eq!(bundles, want, "{sizes:?}");
    }
}

/// What is found beside an image whose registry lists `list`.
async fn beside(store: Store, image: &Value, list: Vec<Value>) -> (Registry, Discovered) {
    let mut store = store;
    store.referrers = Some([(image["digest"].as_str().unwrap().to_owned(), list)].into());
    let registry = Registry::start(store, |_, _| None).await;
    let image = amd64(&registry, &digest(image)).await;
    let found = discover(&*registry.open().await, &image, &limits()).await;
    (registry, found)
}

fn holds(found: &Discovered, text: &str) -> bool {
    texts(found).iter().any(|(_, found)| found == text)
}

#[tokio::test]
async fn h35_what_a_list_says_of_strangers_hides_nobody_else() {
    let limits = limits();
    let annotated = |bytes: usize| json!({"x": "y".repeat(bytes)});
    // Annotations of each stranger, how many strangers, and whether all of the list is read.
    let many = |count: usize| Value::from(vec![0; count]);
    let cases = [
        (annotated(limits.manifest_bytes * 3), 2, true),
        (many(limits.json_values), 1, true),
        (json!({}), limits.attestations - 1, true),
        (json!({}), 1100, false),
        // Beyond what is read of a list: what is before it counts, and so does the tag.
        (annotated(limits.manifest_bytes * 5), 4, false),
    ];
    for (annotations, count, complete) in cases {
        for (first, tagged) in [(true, false), (false, true), (false, false)] {
            let beyond = annotations["x"].as_str().map_or(0, str::len) * count;
            let is_cut = beyond > 8 * limits.manifest_bytes;
            if is_cut && !first && !tagged {
                continue;
            }
            let mut store = Store::default();
            let image = store.image("linux/amd64", "layer");
            let honest = store.artifact(BUNDLE, "the signature", Some(&image));
            if tagged {
                let list = store.index(std::slice::from_ref(&honest));
                store.tag(&format!("sha256-{}", digest(&image).hex()), &list);
            }
            let mut list: Vec<Value> = (0..count)
                .map(|n| {
                    let mut junk = store.artifact("x/y", &format!("junk {n}"), Some(&image));
                    junk["artifactType"] = "x/y".into();
                    junk["annotations"] = annotations.clone();
                    junk
                })
                .collect();
            list.insert(if first { 0 } else { list.len() }, honest);
            let (_, found) = beside(store, &image, list).await;
            let name = format!("{count} of {beyond}, first {first}, tagged {tagged}");
            assert!(holds(&found, "the signature"), "{name}: {:?}", found.findings);
            assert_eq!(found.findings.is_empty(), complete, "{name}: {:?}", found.findings);
        }
    }
}

#[tokio::test]
async fn h35_the_best_entry_may_be_on_the_last_page() {
    let mut store = Store::default();
    let image = store.image("linux/amd64", "layer");
    let mut honest = store.artifact(BUNDLE, "the signature", Some(&image));
    honest["artifactType"] = BUNDLE.into();
    let junk: Vec<Value> = (0..20)
        .map(|n| {
            let mut junk = store.artifact("x/y", &n.to_string(), Some(&image));
            junk["artifactType"] = "x/y".into();
            junk
        })
        .collect();
    let registry = Registry::start(store, move |request, _| {
        let reply = |list: &[Value]| {
            Some(Reply::new(200).with("Content-Type", MediaType::OCI_INDEX).bytes(index_of(list)))
        };
        match (request.path().contains("/referrers/"), request.target.contains("?p=")) {
            (false, _) => None,
            (true, true) => reply(std::slice::from_ref(&honest)),
            (true, false) => {
                let next = format!("<{}?p=1>; rel=\"next\"", request.path());
                reply(&junk).map(|reply| reply.with("Link", next))
            }
        }
    })
    .await;
    let image = amd64(&registry, &digest(&image)).await;
    let found = discover(&*registry.open().await, &image, &limits()).await;
    assert!(holds(&found, "the signature"), "{:?}", found.findings);
    assert_eq!(codes(&found), [Code::ImageEvidenceLeftOut; 2], "of the list, and of what is in it");
}

#[tokio::test]
async fn h41_a_crowd_takes_no_place_from_what_is_not_like_it() {
    let limit = limits().attestations;
    let text = |number: usize, bytes: usize| format!("{number:0bytes$}");
    // The crowd's kind, how many, the text of each; kind and text of the honest one.
    type Text = Box<dyn Fn(usize) -> String>;
    let small: fn(usize) -> Text = |bytes| Box::new(move |n| format!("{n:0bytes$}"));
    let equal: Text = Box::new(|_| "x".repeat(300));
    let every: Text = Box::new(|n| format!("{n:0width$}", width = 128 << (n % 8)));
    let cases: [(&str, &str, usize, Text, &str, String); 6] = [
        ("larger", BUNDLE, 2 * limit - 1, small(200), BUNDLE, text(1, 600)),
        ("smaller", BUNDLE, 2 * limit - 1, small(600), BUNDLE, text(1, 200)),
        ("another kind", MediaType::DSSE, 5 * limit, small(200), MediaType::IN_TOTO, text(1, 200)),
        ("equal bytes", BUNDLE, 2 * limit - 1, equal, BUNDLE, text(1, 300)),
        ("empty", BUNDLE, 2 * limit - 1, small(3), BUNDLE, text(1, 300)),
        ("every size", BUNDLE, 2 * limit - 1, every, MediaType::DSSE, text(1, 1000)),
    ];
    for (name, kind, count, crowd, own_kind, own) in cases {
        let mut store = Store::default();
        let image = store.image("linux/amd64", "layer");
        let mut list: Vec<Value> = (0..count)
            .map(|n| {
                let text = crowd(n + 2);
                let layer = store.blob(kind, text);
                let mut one = of_layers(&mut store, &[layer], &image, &format!("{n:04}"));
                one["artifactType"] = kind.into();
                one
            })
            .collect();
        let mut honest = store.artifact(own_kind, &own, Some(&image));
        honest["artifactType"] = own_kind.into();
        list.insert(count / 2, honest);
        let (_, found) = beside(store, &image, list).await;
        assert!(holds(&found, &own), "{name}: {:?}", found.findings);
        let is_said = codes(&found).contains(&Code::ImageEvidenceLeftOut);
        let all_of_it = ["equal bytes"].contains(&name);
        assert_eq!(is_said, !all_of_it, "{name}: what was left out is said");
    }
}

/// A manifest about `subject` with these layers.
fn of_layers(store: &mut Store, layers: &[Value], subject: &Value, name: &str) -> Value {
    let config = store.blob(MediaType::OCI_EMPTY, "{}");
    store.manifest(&json!({
        "schemaVersion": 2, "mediaType": MediaType::OCI_MANIFEST, "artifactType": BUNDLE,
        "config": config, "layers": layers, "subject": bare(subject),
        "annotations": {"name": name},
    }))
}

#[tokio::test]
async fn h35_one_manifest_with_many_layers_takes_one_turn_at_a_time() {
    let limit = limits().attestations;
    let same: fn(usize) -> String = |_| "{}".to_owned();
    let other: fn(usize) -> String = |n| n.to_string();
    for (name, text) in [("one blob", same), ("many blobs", other)] {
        for marked in [false, true] {
            let mut store = Store::default();
            let image = store.image("linux/amd64", "layer");
            let list: Vec<Value> = (0..limit / 2)
                .map(|m| {
                    let layers: Vec<Value> = (0..50)
                        .map(|n| {
                            let mut layer = store.blob(BUNDLE, text(m * 50 + n));
                            if marked {
                                layer["annotations"] = json!({"n": n.to_string()});
                            }
                            layer
                        })
                        .collect();
                    of_layers(&mut store, &layers, &image, &m.to_string())
                })
                .collect();
            let honest = ["first", "second"].map(|text| store.blob(BUNDLE, text));
            let honest = of_layers(&mut store, &honest, &image, "honest");
            let (registry, found) =
                beside(store, &image, list.into_iter().chain([honest]).collect()).await;
            let name = format!("{name}, marked {marked}: {:?}", found.findings);
            assert!(holds(&found, "first"), "{name}");
            let bundles = texts(&found).into_iter().filter(|(kind, _)| *kind == "referrer").count();
            assert!(bundles <= limit, "{name}: {bundles}");
            let mut asked: BTreeMap<String, usize> = BTreeMap::new();
            for request in registry.requests().iter().filter(|r| r.path().contains("/blobs/")) {
                *asked.entry(request.path().to_owned()).or_default() += 1;
            }
            assert!(asked.values().all(|times| *times == 1), "{name}: {asked:?}");
        }
    }
}

/// An image with one bundle of so many bytes, of which no more than `sent` ever come.
async fn with_bundle(bytes: usize, sent: usize) -> (Registry, Image) {
    let mut store = Store::default();
    let image = store.image("linux/amd64", "layer");
    let text = "x".repeat(bytes);
    let bundle = store.artifact(BUNDLE, &text, Some(&image));
    store.referrers = Some([(image["digest"].as_str().unwrap().to_owned(), vec![bundle])].into());
    let name = crate::digest::BlobDigest::of(text.as_bytes()).to_string();
    let registry = Registry::start(store, move |request, _| {
        let stalls = sent < bytes && request.path().ends_with(&name);
        stalls.then(|| Reply::new(200).body(Body::Stalled(vec![b'x'; sent].into())))
    })
    .await;
    let image = amd64(&registry, &digest(&image)).await;
    (registry, image)
}

/// Who sends slowly what it said would be much keeps the evidence of nobody else waiting.
#[tokio::test]
async fn c14_however_many_registries_trickle_others_wait_for_a_moment() {
    const KIB: usize = 1 << 10;
    let long = Duration::from_secs(60);
    let limits = Limits {
        process_evidence_bytes: 1 << 20,
        attestation_bytes: 512 * KIB,
        request: long,
        stall: long,
        ..limits()
    };
    for count in [2, 5] {
        let budgets = Budgets::with_moment(&limits, Duration::from_millis(100));
        let mut slow = Vec::new();
        for _ in 0..count {
            let (registry, image) = with_bundle(400 * KIB, 390 * KIB).await;
            let (budgets, limits) = (budgets.clone(), limits.clone());
            slow.push(tokio::spawn(async move {
                loop {
                    let meters = Meters::new(&budgets, &registry.location());
                    let (place, meter) = (registry.location(), &meters.evidence);
                    let source = open_metered(&place, &settings(), &limits, meter).await.unwrap();
                    tokio::select! {
                        _ = discover(&*source, &image, &limits) => panic!("it never comes"),
                        _ = meters.ended() => {}
                    }
                }
            }));
        }
        while budgets.evidence.held().0 < 700 << 10 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let (registry, good) = with_bundle(200 * KIB, 200 * KIB).await;
        let meters = Meters::new(&budgets, &registry.location());
        let (place, meter) = (registry.location(), &meters.evidence);
        let source = open_metered(&place, &settings(), &limits, meter).await.unwrap();
        let found = discover(&*source, &good, &limits);
        let found = tokio::time::timeout(Duration::from_secs(5), found).await;
        let found = found.unwrap_or_else(|_| panic!("{count} registries keep it waiting"));
        assert!(holds(&found, &"x".repeat(200 * KIB)), "{:?}", found.findings);
        slow.iter().for_each(tokio::task::JoinHandle::abort);
        for one in slow {
            assert!(one.await.is_err_and(|error| error.is_cancelled()));
        }
        drop((found, source, meters));
        assert_eq!(budgets.evidence.held(), (0, 0));
    }
}

/// The manifests of referrers are counted before they are fetched, and nothing of them stays.
#[tokio::test]
async fn c24_manifests_of_strangers_are_counted_and_dropped() {
    let limits = limits();
    let large = json!({"x": "y".repeat(limits.manifest_bytes * 3 / 4)});
    let dense: serde_json::Map<String, Value> =
        (0..2500).map(|n| (format!("{n:x}"), "".into())).collect();
    for (name, annotations) in [("large", large), ("dense", dense.into())] {
        let mut store = Store::default();
        let image = store.image("linux/amd64", "layer");
        let mut list = vec![store.artifact(BUNDLE, "the signature", Some(&image))];
        let mut strangers = Vec::new();
        for n in 0..limits.attestations - 1 {
            let layer = store.blob(BUNDLE, n.to_string());
            let stranger = store.manifest(&json!({
                "schemaVersion": 2, "mediaType": MediaType::OCI_MANIFEST, "artifactType": BUNDLE,
                "config": layer, "layers": [layer], "subject": bare(&image), "annotations": annotations,
            }));
            strangers.push(stranger["digest"].as_str().unwrap().to_owned());
            list.push(stranger);
        }
        store.referrers = Some([(image["digest"].as_str().unwrap().to_owned(), list)].into());
        let registry = Registry::start(store, |_, _| None).await;
        let image = amd64(&registry, &digest(&image)).await;
        let budgets = Budgets::new(&limits);
        let meters = Meters::new(&budgets, &registry.location());
        let (place, meter) = (registry.location(), &meters.evidence);
        let source = open_metered(&place, &settings(), &limits, meter).await.unwrap();
        let found = discover(&*source, &image, &limits).await;
        assert!(holds(&found, "the signature"), "{name}: {:?}", found.findings);
        // What the lists say is too large is left out; what turns out to be, cannot be read.
        let code = match name {
            "large" => Code::ImageEvidenceLeftOut,
            _ => Code::ImageReferrersUnavailable,
        };
        assert_eq!(codes(&found), [code], "{name}");
        let why = format!("{:?}", found.findings);
        assert!(why.contains("limits.manifestBytes"), "{name}: {why}");
        let bound = 4 * limits.manifest_bytes as u64;
        if name == "large" {
            let fetched = strangers.iter().filter(|digest| registry.count(digest) > 0).count();
            assert!((1..6).contains(&fetched), "{fetched} were fetched");
        }
        let held = budgets.evidence.held().0;
        assert!(held > 0 && held <= 4 * bound, "{name}: {held}");
        drop((found, source, meters));
        assert_eq!(budgets.evidence.held(), (0, 0), "{name}");
    }
}

/// An image whose configuration has so many bytes more, and `more` beside its manifest.
fn heavy(store: &mut Store, bytes: usize, seed: &str, more: &str) -> Value {
    let layer = store.blob(MediaType::OCI_LAYER, "layer");
    let config = json!({
        "os": "linux", "architecture": "amd64", "seed": seed, "junk": "x".repeat(bytes),
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]},
    });
    let config = store.blob(MediaType::OCI_CONFIG, config.to_string());
    let mut image = store.manifest(&json!({
        "schemaVersion": 2, "mediaType": MediaType::OCI_MANIFEST, "annotations": {"more": more},
        "config": config, "layers": [layer],
    }));
    image["platform"] = json!({"os": "linux", "architecture": "amd64"});
    image
}

#[tokio::test]
async fn c24_one_configuration_of_many_manifests_is_there_once() {
    let mut store = Store::default();
    let images: Vec<Value> =
        (0..40).map(|n| heavy(&mut store, 12 << 10, "", &n.to_string())).collect();
    let index = store.index(&images);
    let registry = Registry::start(store, |_, _| None).await;
    let limits = Limits { image_document_bytes: 200 << 10, ..limits() };
    let source = registry.open().await;
    let reference = registry.reference(&digest(&index));
    let images = load(&*source, &reference, &PlatformChoice::All, &limits).await.unwrap();
    assert_eq!(images.len(), 40);
    let first = &images[0];
    let name = first.config.document.digest.to_string();
    assert_eq!(registry.count(&name), 1);
    for image in &images {
        assert!(std::sync::Arc::ptr_eq(&image.config, &first.config));
        let indexes = image.index.as_ref().zip(first.index.as_ref());
        assert!(indexes.is_some_and(|(one, other)| std::sync::Arc::ptr_eq(one, other)));
        assert!(std::sync::Arc::ptr_eq(&image.left_out, &first.left_out));
    }
}

#[tokio::test]
async fn c24_the_documents_of_one_image_are_bounded_together() {
    let limits = Limits { image_document_bytes: 100 << 10, ..limits() };
    // What each configuration and each manifest has beside the least, and whether it is too much together.
    let cases = [
        ("few", 4, 12 << 10, 0, true),
        ("configurations", 20, 12 << 10, 0, false),
        ("manifests", 20, 0, 12 << 10, false),
    ];
    for (name, count, config, manifest, fits) in cases {
        let mut store = Store::default();
        let images: Vec<Value> = (0..count)
            .map(|n| {
                let more = format!("{n}{}", "y".repeat(manifest));
                heavy(&mut store, config, &n.to_string(), &more)
            })
            .collect();
        let index = store.index(&images);
        let registry = Registry::start(store, |_, _| None).await;
        let budgets = Budgets::new(&limits);
        let meters = Meters::new(&budgets, &registry.location());
        let (place, meter) = (registry.location(), &meters.evidence);
        let source = open_metered(&place, &settings(), &limits, meter).await.unwrap();
        let reference = registry.reference(&digest(&index));
        let loaded = load(&*source, &reference, &PlatformChoice::All, &limits).await;
        match &loaded {
            Ok(images) => assert!(fits && images.len() == count, "{name}"),
            Err(SourceError::Limit { limit_name: "image_document_bytes", .. }) => {
                assert!(!fits, "{name}");
            }
            Err(error) => panic!("{name}: {error}"),
        }
        // It is counted as long as it is there, and no longer.
        let held = budgets.evidence.held().0;
        assert!(held > 0 && held < 400 << 10, "{name}: {held}");
        drop((loaded, source, meters));
        assert_eq!(budgets.evidence.held(), (0, 0), "{name}");
    }
}

#[tokio::test]
async fn the_tag_of_a_long_digest_is_cut() {
    let hex = "ab".repeat(64);
    let digest = format!("sha512:{hex}").parse().unwrap();
    let registry = Registry::start(Store::default(), |_, _| None).await;
    let list = registry.open().await.referrers(&digest).await.unwrap();
    assert_eq!(list, crate::source::Referrers::default());
    let tag = format!("/v2/app/manifests/sha512-{}", &hex[..64]);
    assert_eq!(registry.requests().last().unwrap().path(), tag);
}

/// What registries answer that have no referrers API, or whose operators put something before it.
#[tokio::test]
async fn h22_where_the_api_answers_oddly_the_tag_is_read_as_well() {
    type Odd = (&'static str, fn() -> Reply);
    let answers: [Odd; 10] = [
        ("303", || Reply::new(303).with("Location", "/-/v2/packages")),
        ("400", || Reply::new(400)),
        ("401", || Reply::new(401)),
        ("401 with a challenge", || Reply::new(401).with("WWW-Authenticate", "Basic realm=x")),
        ("403", || Reply::new(403)),
        ("406", || Reply::new(406)),
        ("500", || Reply::new(500)),
        ("html", || Reply::new(200).with("Content-Type", "text/html").bytes("<!doctype html>")),
        ("other JSON", || Reply::new(200).with("Content-Type", "application/json").bytes("[]")),
        ("a manifest", || {
            Reply::new(200).bytes("{\"schemaVersion\":2,\"config\":{},\"layers\":[]}")
        }),
    ];
    for (name, answer) in answers {
        let mut attached = attached();
        attached.with_tags();
        let odd = move |request: &Request, _: usize| {
            let api = request.path().contains("/referrers/") || request.path().starts_with("/-/");
            api.then(answer)
        };
        let (_, found) = attached.discover(odd).await;
        assert_eq!(
            codes(&found),
            [Code::ImageReferrersUnavailable; 2],
            "{name}: {:?}",
            found.findings
        );
        assert!(found.findings.iter().all(|f| f.severity == Severity::Warning), "{name}");
        assert_eq!(texts(&found), expected(), "{name}");
        let via = |raw: &crate::attest::Raw| match &raw.carrier {
            Carrier::Referrer { via, .. } => Some(*via),
            _ => None,
        };
        let vias: Vec<Listing> = found.raws.iter().filter_map(via).collect();
        assert_eq!(vias, [Listing::Tag; 2], "{name}");
    }
}

/// A list of nothing hides nothing either, and what the API lists is not asked for again.
#[tokio::test]
async fn h22_where_the_api_lists_nothing_the_tag_is_read_as_well() {
    let lists = ["[]", "null"].map(|entries| {
        format!(
            "{{\"schemaVersion\":2,\"mediaType\":\"{}\",\"manifests\":{entries}}}",
            MediaType::OCI_INDEX
        )
    });
    for list in lists {
        let mut attached = attached();
        attached.with_tags();
        let body = list.clone();
        let empty = move |request: &Request, _: usize| {
            let api = request.path().contains("/referrers/");
            api.then(|| {
                Reply::new(200).with("Content-Type", MediaType::OCI_INDEX).bytes(body.clone())
            })
        };
        let (_, found) = attached.discover(empty).await;
        assert_eq!(codes(&found), [], "{list}: {:?}", found.findings);
        assert_eq!(texts(&found), expected(), "{list}");
    }
    // Where there is no such tag, an API that lists nothing is right.
    for status in [403, 404, 500] {
        let mut attached = attached();
        attached.with_api();
        attached.store.referrers = Some(Default::default());
        let (_, found) = attached
            .discover(move |request, _| {
                request.path().contains("/manifests/sha256-").then(|| {
                    match request.path().rsplit_once('.') {
                        Some(_) => Reply::new(404),
                        None => Reply::new(status),
                    }
                })
            })
            .await;
        assert_eq!(codes(&found), [], "{status}: {:?}", found.findings);
    }
}

#[tokio::test]
async fn a_list_of_a_vague_type_is_what_its_body_says() {
    // The third is what object stores serve.
    let kinds = [
        "application/json",
        "text/plain; charset=utf-8",
        "binary/octet-stream",
        "application/octet-stream",
    ];
    for kind in kinds {
        let mut attached = attached();
        attached.with_api();
        let lists = attached.store.referrers.clone().unwrap();
        let vague = move |request: &Request, _: usize| {
            let (_, digest) = request.path().split_once("/referrers/")?;
            let list = index_of(&lists.get(digest).cloned().unwrap_or_default());
            Some(Reply::new(200).with("Content-Type", kind).bytes(list))
        };
        let (_, found) = attached.discover(vague).await;
        assert_eq!(codes(&found), [], "{kind}: {:?}", found.findings);
        assert_eq!(texts(&found), expected(), "{kind}");
    }
}

/// GitLab takes `sha256-HEX` for the digest.
#[tokio::test]
async fn a_tag_that_gives_the_subject_back_is_no_list() {
    let attached = attached();
    let documents: Vec<(String, String, bytes::Bytes)> = [&attached.image, &attached.index]
        .map(|subject| {
            let (kind, bytes) = attached.store.manifests[&digest(subject).to_string()].clone();
            (format!("sha256-{}", digest(subject).hex()), kind, bytes)
        })
        .to_vec();
    let (_, found) = attached
        .discover(move |request, _| {
            let name = request.path().rsplit('/').next()?;
            let (_, kind, bytes) = documents.iter().find(|(tag, ..)| tag == name)?;
            Some(Reply::new(200).with("Content-Type", kind.as_str()).bytes(bytes.clone()))
        })
        .await;
    assert_eq!(codes(&found), [], "{:?}", found.findings);
    assert_eq!(texts(&found), without("bundle"));
}
