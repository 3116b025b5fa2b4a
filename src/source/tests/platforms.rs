//! From a digest to the images that are meant.

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::{Value, json};

use super::kit::*;
use crate::{
    digest::ManifestDigest,
    finding::{Code, Subject},
    image::{Checked, Descriptor, MediaType},
    reference::{Location, PinnedReference, Selector},
    source::{
        Blob, Referrers, Source, SourceError, Spool, StoredManifest,
        load::{PlatformChoice, load},
    },
};

fn one(platform: &str) -> PlatformChoice {
    PlatformChoice::One(platform.parse().unwrap())
}

async fn platforms(
    store: &Store,
    top: &Value,
    choice: &PlatformChoice,
) -> Result<Vec<String>, SourceError> {
    let registry = Registry::start(store.clone(), |_, _| None).await;
    let source = registry.open().await;
    let images = load(&*source, &registry.reference(&digest(top)), choice, &limits()).await?;
    assert!(images.iter().all(|image| image.reference.digest == digest(top)));
    Ok(images.iter().map(|image| image.platform.to_string()).collect())
}

async fn code(store: &Store, top: &Value, choice: &PlatformChoice) -> Code {
    platforms(store, top, choice).await.unwrap_err().into_finding(Subject::Run).code
}

#[tokio::test]
async fn a_platform_is_chosen_from_an_index() {
    let mut store = Store::default();
    let amd64 = store.image("linux/amd64", "a");
    let arm64 = store.image("linux/arm64", "b");
    let mut v8 = arm64.clone();
    v8["platform"]["variant"] = "v8".into();
    let attestation = store.artifact(MediaType::IN_TOTO, "{}", None);
    let mut unknown = attestation.clone();
    unknown["platform"] = json!({"os": "unknown", "architecture": "unknown"});
    let index = store.index(&[unknown, v8, amd64.clone(), amd64, attestation]);
    let cases = [
        (one("linux/amd64"), Some(vec!["linux/amd64"])),
        (one("linux/arm64"), Some(vec!["linux/arm64"])),
        (one("linux/arm64/v8"), Some(vec!["linux/arm64"])),
        (one("linux/s390x"), None),
        (one("unknown/unknown"), None),
        (PlatformChoice::All, Some(vec!["linux/arm64", "linux/amd64"])),
    ];
    for (choice, want) in cases {
        match want {
            Some(want) => {
                assert_eq!(platforms(&store, &index, &choice).await.unwrap(), want, "{choice:?}");
            }
            None => {
                let got = code(&store, &index, &choice).await;
                assert_eq!(got, Code::ImagePlatformMissing, "{choice:?}");
            }
        }
    }
    let only_attestations = store.artifact(MediaType::IN_TOTO, "[]", None);
    let empty = store.index(&[only_attestations]);
    assert_eq!(code(&store, &empty, &PlatformChoice::All).await, Code::ImagePlatformMissing);
}

#[tokio::test]
async fn an_image_without_an_index_is_taken_unless_another_platform_is_asked_for() {
    let mut store = Store::default();
    let image = store.image("linux/riscv64", "a");
    for choice in [PlatformChoice::Host, PlatformChoice::All, one("linux/riscv64")] {
        assert_eq!(platforms(&store, &image, &choice).await.unwrap(), ["linux/riscv64"]);
    }
    let got = code(&store, &image, &one("linux/amd64")).await;
    assert_eq!(got, Code::ImagePlatformMissing);
}

#[tokio::test]
async fn two_manifests_for_one_platform_are_both_judged() {
    let mut store = Store::default();
    let (first, second) = (store.image("linux/amd64", "a"), store.image("linux/amd64", "b"));
    let index = store.index(&[first, second]);
    let got = platforms(&store, &index, &one("linux/amd64")).await.unwrap();
    assert_eq!(got, ["linux/amd64", "linux/amd64"]);
}

#[tokio::test]
async fn entries_without_a_platform_go_by_their_configuration() {
    let mut store = Store::default();
    let (amd64, arm64) = (store.image("linux/amd64", "a"), store.image("linux/arm64", "b"));
    let index = store.index(&[bare(&amd64), bare(&arm64)]);
    let got = platforms(&store, &index, &one("linux/arm64")).await.unwrap();
    assert_eq!(got, ["linux/arm64"]);
    let error = platforms(&store, &index, &one("linux/s390x")).await.unwrap_err();
    assert!(error.to_string().contains("linux/amd64, linux/arm64"), "{error}");
}

#[tokio::test]
async fn index_and_configuration_must_agree() {
    let mut store = Store::default();
    let mut image = store.image("linux/amd64", "a");
    image["platform"]["architecture"] = "arm64".into();
    let index = store.index(&[image]);
    for choice in [one("linux/arm64"), PlatformChoice::All] {
        assert_eq!(code(&store, &index, &choice).await, Code::ImageMalformed);
    }
    assert_eq!(code(&store, &index, &one("linux/amd64")).await, Code::ImagePlatformMissing);
}

#[tokio::test]
async fn a_descriptor_must_state_size_and_type() {
    let mut store = Store::default();
    let image = store.image("linux/amd64", "a");
    let (mut large, mut docker) = (image.clone(), image);
    large["size"] = json!(large["size"].as_u64().unwrap() + 1);
    docker["mediaType"] = MediaType::DOCKER_MANIFEST.into();
    let (large, docker) = (store.index(&[large]), store.index(&[docker]));
    assert_eq!(code(&store, &large, &PlatformChoice::All).await, Code::ImageSizeMismatch);
    assert_eq!(code(&store, &docker, &PlatformChoice::All).await, Code::ImageMalformed);
}

#[tokio::test]
async fn indexes_are_nested_to_their_limit() {
    let mut store = Store::default();
    let mut top = store.image("linux/amd64", "a");
    for depth in 1..=4 {
        top = store.index(&[top]);
        let got = platforms(&store, &top, &PlatformChoice::All).await;
        match depth <= limits().index_depth {
            true => assert_eq!(got.unwrap(), ["linux/amd64"], "{depth}"),
            false => {
                let finding = got.unwrap_err().into_finding(Subject::Run);
                assert_eq!(finding.code, Code::ImageIndexLoop, "{depth}");
            }
        }
    }
}

/// A store that hashes nothing: its one index lists itself.
struct Liar(PinnedReference);

impl Liar {
    fn nothing<T>(&self) -> Result<T, SourceError> {
        Err(SourceError::NotFound { what: "anything".to_owned(), place: "here".to_owned() })
    }
}

#[async_trait]
impl Source for Liar {
    fn location(&self) -> &Location {
        &self.0.location
    }
    async fn resolve(&self, _: &Selector) -> Result<ManifestDigest, SourceError> {
        self.nothing()
    }
    async fn manifest(&self, digest: &ManifestDigest) -> Result<StoredManifest, SourceError> {
        let entry = json!({
            "mediaType": MediaType::OCI_INDEX, "digest": digest.to_string(), "size": 1,
        });
        let document = Checked { digest: digest.clone(), bytes: index_of(&[entry]) };
        Ok(StoredManifest { document, media_type: None })
    }
    async fn tagged(&self, _: &str) -> Result<Option<StoredManifest>, SourceError> {
        self.nothing()
    }
    async fn small_blob(&self, _: &Descriptor, _: usize) -> Result<Bytes, SourceError> {
        self.nothing()
    }
    async fn blob(&self, _: &Descriptor, _: &Spool) -> Result<Blob, SourceError> {
        self.nothing()
    }
    async fn referrers(&self, _: &ManifestDigest) -> Result<Referrers, SourceError> {
        self.nothing()
    }
}

#[tokio::test]
async fn an_index_that_lists_itself_is_refused() {
    let location = Location::Layout("x".into());
    let reference = PinnedReference { location, digest: ManifestDigest::of(b"x") };
    let source = Liar(reference.clone());
    let error = load(&source, &reference, &PlatformChoice::All, &limits()).await.unwrap_err();
    assert!(error.to_string().contains("lists itself"), "{error}");
    assert_eq!(error.into_finding(Subject::Run).code, Code::ImageIndexLoop);
}
