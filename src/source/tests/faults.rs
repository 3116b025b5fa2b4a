//! Registries that lie, break off, stall or never end.

use std::{io::Read, time::Instant};

use bytes::Bytes;

use super::kit::*;
use crate::{
    compare::Layers as _,
    digest::ManifestDigest,
    finding::{Code, Key, Subject},
    image::{FormatError, Image, MediaType},
    progress::Silent,
    reference::{Location, Selector},
    source::{
        RegistrySettings, SourceError, SourceSettings, Spool,
        images::{PlatformChoice, StoredLayers, fetch_layers, find_digest, load},
        open,
    },
};

/// Everything that `verify` would fetch: image and layers.
async fn closure(registry: &Registry, digest: &ManifestDigest) -> Result<Vec<Image>, SourceError> {
    let source = registry.open().await;
    let reference = registry.reference(digest);
    let images = load(&*source, &reference, &PlatformChoice::All, &limits()).await?;
    let spool = Spool::temporary().unwrap();
    for image in &images {
        let blobs = fetch_layers(&*source, image, &spool, &limits(), &Silent).await?;
        let layers = StoredLayers(blobs.clone());
        for (position, blob) in blobs.iter().enumerate() {
            let (mut checked, mut stored) = (Vec::new(), Vec::new());
            blob.open().unwrap().read_to_end(&mut checked).unwrap();
            layers.open(position).unwrap().read_to_end(&mut stored).unwrap();
            assert_eq!(checked, stored);
        }
        assert!(layers.open(blobs.len()).is_err());
    }
    Ok(images)
}

fn code(error: SourceError) -> Code {
    error.into_finding(Subject::Run).code
}

fn one_image() -> (Store, ManifestDigest) {
    let mut store = Store::default();
    let image = store.image("linux/amd64", "a layer");
    let index = store.index(&[image]);
    store.tag("v1", &index);
    (store, digest(&index))
}

#[tokio::test]
async fn an_honest_registry_gives_its_image() {
    let (store, digest) = one_image();
    let registry = Registry::start(store, |_, _| None).await;
    let images = closure(&registry, &digest).await.unwrap();
    assert_eq!(images.len(), 1);
    let (_, pinned) = super::kit::open(&format!("{}/app:v1", registry.host)).await.unwrap();
    assert_eq!(pinned.digest, digest);
}

/// What becomes of the bytes of one thing that the registry serves.
type Spoil = fn(Bytes) -> Body;

#[tokio::test]
async fn spoilt_bytes_are_refused() {
    let flipped: Spoil = |bytes| {
        let mut bytes = bytes.to_vec();
        *bytes.last_mut().unwrap() ^= 1;
        Body::Whole(bytes.into())
    };
    let short: Spoil = |bytes| Body::Whole(bytes.slice(..bytes.len() - 1));
    let long: Spoil = |bytes| Body::Whole([&bytes[..], b" "].concat().into());
    let broken_off: Spoil =
        |bytes| Body::Claiming(bytes.len() as u64, bytes.slice(..bytes.len() / 2));
    let claims_more: Spoil = |bytes| Body::Claiming(bytes.len() as u64 + (1 << 40), bytes);
    let endless: Spoil = |_| Body::Endless(Bytes::from(vec![b' '; 4096]));
    let stalled: Spoil = |bytes| Body::Stalled(bytes.slice(..1));
    let reset: Spoil = |_| Body::Reset;
    let mismatch = &[Code::ImageDigestMismatch, Code::ImageSizeMismatch] as &[_];
    let endless_codes = &[Code::LimitExceeded, Code::ImageSizeMismatch] as &[_];
    let gone = &[Code::SourceUnavailable] as &[_];
    let faults = [
        ("one bit flipped", flipped, mismatch),
        ("one byte short", short, mismatch),
        ("one byte long", long, mismatch),
        ("broken off", broken_off, gone),
        ("claims more than it sends", claims_more, gone),
        ("endless", endless, endless_codes),
        ("stalled", stalled, gone),
        ("reset", reset, gone),
    ];
    let (store, digest) = one_image();
    let index_name = digest.to_string();
    let children: Vec<String> = store
        .manifests
        .keys()
        .filter(|name| name.starts_with("sha256:") && **name != index_name)
        .chain(store.blobs.keys())
        .cloned()
        .collect();
    assert_eq!(children.len(), 3, "manifest, configuration, layer");
    for victim in [index_name].into_iter().chain(children) {
        for (name, spoil, codes) in faults {
            let (spoilt, serving) = (victim.clone(), store.clone());
            let registry = Registry::start(store.clone(), move |request, _| {
                let bytes = match request.path().ends_with(&spoilt) {
                    true => serving.manifests.get(&spoilt).map(|(_, b)| b),
                    false => return None,
                };
                let bytes = bytes.or_else(|| serving.blobs.get(&spoilt)).unwrap().clone();
                Some(Reply::new(200).body(spoil(bytes)))
            })
            .await;
            let started = Instant::now();
            let error = closure(&registry, &digest).await.expect_err(&format!("{victim} {name}"));
            let got = code(error.clone());
            assert!(codes.contains(&got), "{victim} {name}: {got} {error}");
            assert!(started.elapsed().as_secs() < 5, "{victim} {name}");
        }
    }
}

#[tokio::test]
async fn a_body_may_be_as_large_as_its_limit_and_no_larger() {
    let limit = limits().manifest_bytes;
    for (size, want) in [(limit, true), (limit + 1, false)] {
        let bytes = Bytes::from(vec![b' '; size]);
        let digest = ManifestDigest::of(&bytes);
        let mut store = Store::default();
        store.manifests.insert(digest.to_string(), (MediaType::OCI_MANIFEST.to_owned(), bytes));
        let registry = Registry::start(store, |_, _| None).await;
        let got = registry.open().await.manifest(&digest).await;
        assert_eq!(got.is_ok(), want, "{size}");
        if let Err(error) = got {
            assert_eq!(code(error), Code::LimitExceeded);
        }
    }
}

#[tokio::test]
async fn a_small_blob_may_be_as_large_as_its_limit_and_no_larger() {
    let mut store = Store::default();
    let blob = descriptor(&store.blob("text/plain", "12345"));
    let registry = Registry::start(store, |_, _| None).await;
    let source = registry.open().await;
    assert_eq!(source.small_blob(&blob, 5).await.unwrap(), "12345");
    let error = source.small_blob(&blob, 4).await.unwrap_err();
    assert_eq!(code(error), Code::LimitExceeded);
    assert_eq!(registry.requests().len(), 1, "what is too large is not asked for");
}

#[tokio::test]
async fn what_passes_is_tried_again() {
    type Fault = fn() -> Reply;
    let cases: [(&str, Fault, usize); 5] = [
        ("429", || Reply::new(429).with("Retry-After", "0"), 2),
        ("500", || Reply::new(500), 2),
        ("503 with a date", || Reply::new(503).with("Retry-After", "Wed, 21 Oct 2026"), 2),
        ("reset", || Reply::new(200).body(Body::Reset), 1),
        ("stall", || Reply::new(200).body(Body::Stalled(Bytes::from_static(b"{"))), 1),
    ];
    for (name, fault, times) in cases {
        let (store, digest) = one_image();
        let registry =
            Registry::start(store, move |_, earlier| (earlier < times).then(fault)).await;
        let images = closure(&registry, &digest).await.unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(images.len(), 1);
        assert_eq!(registry.count(&digest.to_string()), times + 1, "{name}");
    }
}

#[tokio::test]
async fn attempts_and_waits_are_bounded() {
    let (store, digest) = one_image();
    let failing = Registry::start(store.clone(), |_, _| Some(Reply::new(503))).await;
    let error = closure(&failing, &digest).await.unwrap_err();
    assert_eq!(failing.requests().len(), limits().attempts as usize);
    assert!(error.to_string().contains("attempts: 3"), "{error}");

    let patient = |seconds: u64| {
        move |_: &Request, _| Some(Reply::new(429).with("Retry-After", seconds.to_string()))
    };
    let registry = Registry::start(store, patient(3600)).await;
    let error = closure(&registry, &digest).await.unwrap_err();
    assert_eq!(registry.requests().len(), 1, "nobody waits for an hour");
    assert!(error.to_string().contains("3600 s"), "{error}");
}

#[tokio::test]
async fn a_silent_registry_is_given_up() {
    let (store, digest) = one_image();
    let registry = Registry::start(store, |_, _| Some(Reply::new(200).body(Body::Silence))).await;
    let limits =
        crate::limits::Limits { request: std::time::Duration::from_millis(100), ..limits() };
    let source = open(&registry.location(), &settings(), &limits).await.unwrap();
    let error = source.manifest(&digest).await.unwrap_err();
    assert!(error.to_string().contains("limits.request"), "{error}");
}

#[tokio::test]
async fn an_error_that_stays_is_not_tried_again() {
    for (status, want) in [(400, Code::SourceUnavailable), (403, Code::SourceUnauthorized)] {
        let (store, digest) = one_image();
        let body = r#"{"errors":[{"code":"X","message":"come \u001b[31m closer"}]}"#;
        let registry =
            Registry::start(store, move |_, _| Some(Reply::new(status).bytes(body))).await;
        let error = closure(&registry, &digest).await.unwrap_err();
        assert!(error.to_string().contains(r"come \u{1b}[31m closer"), "{error}");
        assert_eq!(code(error), want);
        assert_eq!(registry.requests().len(), 1);
    }
}

#[tokio::test]
async fn a_digest_header_decides_nothing() {
    let (store, digest) = one_image();
    let lie = ManifestDigest::of(b"something else");
    let other = store.clone();
    let registry = Registry::start(store, move |request, _| {
        let name = request.path().strip_prefix("/v2/app/manifests/")?;
        let (kind, bytes) = other.manifests.get(name)?;
        let reply = Reply::new(200).with("Content-Type", kind).bytes(bytes.clone());
        Some(reply.with("Docker-Content-Digest", lie.to_string()))
    })
    .await;
    let (_, pinned) = super::kit::open(&format!("{}/app:v1", registry.host)).await.unwrap();
    assert_eq!(pinned.digest, digest);
}

#[tokio::test]
async fn a_tag_is_fetched_once() {
    let (store, digest) = one_image();
    let moved = Bytes::from_static(b"{}");
    let registry = Registry::start(store, move |request, earlier| {
        let is_moved = request.path().ends_with("/v1") && earlier > 0;
        is_moved.then(|| Reply::new(200).bytes(moved.clone()))
    })
    .await;
    let source = registry.open().await;
    let resolved = source.resolve(&Selector::Tag("v1".to_owned())).await.unwrap();
    assert_eq!(resolved, digest);
    let reference = registry.reference(&resolved);
    load(&*source, &reference, &PlatformChoice::All, &limits()).await.unwrap();
    assert_eq!(registry.count("/v1"), 1);
    assert_eq!(registry.count(&digest.to_string()), 0, "the tag's bytes are still at hand");
}

#[tokio::test]
async fn media_types_must_agree() {
    let (store, digest) = one_image();
    let name = digest.to_string();
    let other = store.clone();
    let registry = Registry::start(store, move |request, _| {
        let (_, bytes) = other.manifests.get(request.path().rsplit('/').next()?)?;
        request.path().ends_with(&name).then(|| {
            Reply::new(200).with("Content-Type", MediaType::OCI_MANIFEST).bytes(bytes.clone())
        })
    })
    .await;
    let error = closure(&registry, &digest).await.unwrap_err();
    assert_eq!(code(error), Code::ImageMalformed);
}

#[tokio::test]
async fn what_is_missing_is_said_to_be_missing() {
    let (store, digest) = one_image();
    let absent = ManifestDigest::of(b"nothing has this");
    let registry = Registry::start(store.clone(), |_, _| None).await;
    assert_eq!(code(closure(&registry, &absent).await.unwrap_err()), Code::SourceNotFound);
    let source = registry.open().await;
    assert_eq!(source.tagged("v2").await.unwrap(), None);
    let error = source.resolve(&Selector::Tag("v2".to_owned())).await.unwrap_err();
    assert_eq!(code(error), Code::SourceNotFound);
    for victim in store.blobs.keys() {
        let mut holey = store.clone();
        holey.blobs.remove(victim);
        let registry = Registry::start(holey, |_, _| None).await;
        assert_eq!(code(closure(&registry, &digest).await.unwrap_err()), Code::ImageBlobMissing);
    }
}

#[tokio::test]
async fn a_layer_may_be_as_large_as_its_limit_and_no_larger() {
    let mut store = Store::default();
    let image = store.image("linux/amd64", "12345");
    let registry = Registry::start(store, |_, _| None).await;
    let source = registry.open().await;
    let reference = registry.reference(&digest(&image));
    let images = load(&*source, &reference, &PlatformChoice::All, &limits()).await.unwrap();
    let spool = Spool::temporary().unwrap();
    for (layer_bytes, want) in [(5, true), (4, false)] {
        let limits = crate::limits::Limits { layer_bytes, ..limits() };
        let got = fetch_layers(&*source, &images[0], &spool, &limits, &Silent).await;
        assert_eq!(got.is_ok(), want, "{layer_bytes}");
    }
}

#[tokio::test]
async fn c15_the_layers_of_an_image_are_summed_before_any_is_fetched() {
    let mut store = Store::default();
    let image = store.image("linux/amd64", "12345");
    let registry = Registry::start(store, |_, _| None).await;
    let source = registry.open().await;
    let reference = registry.reference(&digest(&image));
    let images = load(&*source, &reference, &PlatformChoice::All, &limits()).await.unwrap();
    let spool = Spool::temporary().unwrap();
    let before = registry.requests().len();
    for (image_bytes, want) in [(4, false), (5, true)] {
        let limits = crate::limits::Limits { image_bytes, ..limits() };
        let got = fetch_layers(&*source, &images[0], &spool, &limits, &Silent).await;
        assert_eq!(got.is_ok(), want, "{image_bytes}");
        assert_eq!(registry.requests().len() - before, usize::from(want), "{image_bytes}");
    }
}

#[tokio::test]
async fn a_spooled_layer_is_not_fetched_again() {
    let mut store = Store::default();
    let layer = store.blob(MediaType::OCI_LAYER, "layer");
    let registry = Registry::start(store, |_, _| None).await;
    let source = registry.open().await;
    let spool = Spool::temporary().unwrap();
    for _ in 0..2 {
        source.blob(&descriptor(&layer), &spool).await.unwrap();
    }
    assert_eq!(registry.requests().len(), 1);
}

#[tokio::test]
async fn plain_http_is_for_loopback_and_where_the_operator_says_so() {
    // A registry that the operator lists without plain_http is spoken to with TLS, even on this machine.
    let (store, digest) = one_image();
    let registry = Registry::start(store, |_, _| None).await;
    let refused = SourceSettings {
        registries: vec![RegistrySettings { host: registry.host.clone(), ..Default::default() }],
        ..settings()
    };
    let error = registry.open_with(&refused).await.manifest(&digest).await.unwrap_err();
    assert_eq!(code(error), Code::SourceUnavailable);
    assert!(registry.requests().is_empty(), "no request in clear text");
    let allowed = SourceSettings {
        registries: vec![RegistrySettings {
            host: registry.host.clone(),
            plain_http: true,
            ..Default::default()
        }],
        ..settings()
    };
    assert!(registry.open_with(&allowed).await.manifest(&digest).await.is_ok());
    assert!(registry.open().await.manifest(&digest).await.is_ok(), "loopback, not listed");
}

#[tokio::test]
async fn settings_that_cannot_be_used_are_refused() {
    let repository: Location = Location::Registry("r.example/app".parse().unwrap());
    let ca = Some("/nonexistent/ca.pem".into());
    let settings = SourceSettings {
        registries: vec![RegistrySettings {
            host: "r.example".to_owned(),
            ca,
            ..Default::default()
        }],
        ..settings()
    };
    let error = open(&repository, &settings, &limits()).await.err().unwrap();
    assert!(error.to_string().contains("ca.pem"), "{error}");
    let metadata = Location::Registry("169.254.169.254/app".parse().unwrap());
    assert!(open(&metadata, &SourceSettings::default(), &limits()).await.is_err());
}

#[tokio::test]
async fn a_bare_digest_is_looked_for_everywhere() {
    let (store, digest) = one_image();
    let empty = Registry::start(Store::default(), |_, _| None).await;
    let broken = Registry::start(Store::default(), |_, _| Some(Reply::new(403))).await;
    let full = Registry::start(store, |_, _| None).await;
    let places = [empty.location(), broken.location(), full.location()];
    let found = find_digest(&digest, &places, &settings(), &limits()).await.unwrap();
    assert_eq!(found.location, full.location());
    let error = find_digest(&digest, &places[..2], &settings(), &limits()).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains(&format!("{}/app (not there)", empty.host)), "{text}");
    assert!(text.contains(&broken.host) && text.contains("403"), "{text}");
    assert_eq!(code(error), Code::SourceNotFound);
    // A place that does not answer may have it.
    let down = Registry::start(Store::default(), |_, _| Some(Reply::new(503))).await;
    let places = [empty.location(), down.location()];
    let error = find_digest(&digest, &places, &settings(), &limits()).await.unwrap_err();
    assert!(error.to_string().contains("not there"), "{error}");
    assert_eq!(code(error), Code::SourceUnavailable);
    let nowhere = find_digest(&digest, &[], &settings(), &limits()).await.unwrap_err();
    assert!(nowhere.to_string().contains("there is none"), "{nowhere}");
}

#[tokio::test]
async fn foreign_layers_are_refused() {
    let mut store = Store::default();
    let image = store.image("linux/amd64", "layer");
    let (_, bytes) = &store.manifests[image["digest"].as_str().unwrap()];
    let foreign = String::from_utf8(bytes.to_vec())
        .unwrap()
        .replace(MediaType::OCI_LAYER, "application/vnd.oci.image.layer.nondistributable.v1.tar");
    let foreign = store.manifest(&serde_json::from_str(&foreign).unwrap());
    let registry = Registry::start(store, |_, _| None).await;
    let error = closure(&registry, &digest(&foreign)).await.unwrap_err();
    assert!(matches!(error, SourceError::Format { error: FormatError::MediaType { .. }, .. }));
}

#[tokio::test]
async fn the_proxy_of_the_settings_is_used_for_what_is_not_this_machine() {
    let (store, digest) = one_image();
    let bytes = store.manifests[&digest.to_string()].1.clone();
    let proxy = Registry::start(Store::default(), move |request, _| {
        let is_far = request.target.starts_with("http://r.example/v2/app/manifests/");
        is_far.then(|| Reply::new(200).bytes(bytes.clone()))
    })
    .await;
    let near = Registry::start(store, |_, _| None).await;
    let far = RegistrySettings {
        host: "r.example".to_owned(),
        plain_http: true,
        ..RegistrySettings::default()
    };
    let settings = SourceSettings {
        registries: vec![far],
        proxy: Some(format!("http://{}", proxy.host)),
        ..settings()
    };
    let far = Location::Registry("r.example/app".parse().unwrap());
    for location in [far, near.location()] {
        let source = open(&location, &settings, &limits()).await.unwrap();
        assert!(source.manifest(&digest).await.is_ok(), "{location}");
    }
    assert_eq!(proxy.requests().len(), 1);
}

#[test]
fn a_folder_that_cannot_be_written_is_no_registry() {
    use std::io::{Error, ErrorKind};
    let cases = [
        (ErrorKind::StorageFull, "temporary files is full"),
        (ErrorKind::QuotaExceeded, "temporary files is full"),
        (ErrorKind::PermissionDenied, "temporary files: permission denied"),
    ];
    for (kind, wanted) in cases {
        let error = crate::source::unwritable(std::path::Path::new("/t"), &Error::from(kind));
        let finding = error.into_finding(Subject::Image("x".to_owned()));
        let why = finding.facts[&Key::Why].to_string();
        assert_eq!(finding.code, Code::SourceUnreadable, "{why}");
        assert!(why.contains(wanted), "{why}");
        let help = finding.help();
        assert!(help.contains("TMPDIR=DIR") && !help.contains("layout"), "{help}");
    }
}

#[test]
fn of_a_missing_tag_nothing_is_said_about_digests() {
    let cases = [("tag 1.2".to_owned(), false), (format!("sha256:{}", "a".repeat(64)), true)];
    for (what, is_digest) in cases {
        let error = SourceError::NotFound { what, place: "r.example/x".to_owned() };
        let help = error.into_finding(Subject::Image("x".to_owned())).help();
        assert_eq!(help.contains("digest"), is_digest, "{help}");
    }
}
