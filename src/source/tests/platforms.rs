//! From a digest to the images that are meant.

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::{Value, json};

use super::kit::*;
use crate::{
    digest::ManifestDigest,
    finding::{Code, Subject},
    image::{Checked, Descriptor, LeftOut, MediaType},
    reference::{Location, PinnedReference, Selector},
    source::{
        Blob, Referrers, Source, SourceError, Spool, StoredManifest,
        images::{PlatformChoice, load, load_each},
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
    // Who judges looks at the other one as well: containers/image takes the first, whatever it is for.
    let names = [(&amd64, 'a'), (&arm64, 'b')];
    assert_eq!(judged(&store, &index, &one("linux/arm64"), &names).await.as_deref(), Ok("ab"));
    let error = platforms(&store, &index, &one("linux/s390x")).await.unwrap_err();
    assert!(error.to_string().contains("linux/amd64, linux/arm64"), "{error}");
}

/// The digests that are judged for a choice, as the letters that `names` gives them.
async fn judged(
    store: &Store,
    top: &Value,
    choice: &PlatformChoice,
    names: &[(&Value, char)],
) -> Result<String, Code> {
    let registry = Registry::start(store.clone(), |_, _| None).await;
    let source = registry.open().await;
    let loaded = load_each(&*source, &registry.reference(&digest(top)), choice, &limits()).await;
    let code = |error: SourceError| error.into_finding(Subject::Run).code;
    let images = loaded.map_err(code)?.images.into_iter().collect::<Result<Vec<_>, _>>();
    let images = images.map_err(|lost| code(lost.error))?;
    let letter = |image: crate::image::Image| {
        let of = |(entry, _): &&(&Value, char)| digest(entry) == image.manifest.document.digest;
        names.iter().find(of).map_or('?', |(_, letter)| *letter)
    };
    let mut letters: Vec<char> = images.into_iter().map(letter).collect();
    letters.sort_unstable();
    Ok(letters.into_iter().collect())
}

#[tokio::test]
async fn h1_whatever_spells_a_platform_is_judged_for_it() {
    let mut store = Store::default();
    let (good, evil) = (store.image("linux/amd64", "good"), store.image("linux/amd64", "evil"));
    let names = [(&good, 'g'), (&evil, 'e')];
    let spelt = [
        json!({"os": "linux", "architecture": "x86_64"}),
        json!({"os": "linux", "architecture": "x86-64", "variant": "v1"}),
        json!({"os": "Linux", "architecture": "AMD64"}),
        json!({"os": "linux", "architecture": "amd64", "variant": "v1"}),
        json!({"os": "linux", "architecture": "amd64", "variant": "v3"}),
        json!({"os": "linux", "architecture": "amd64", "os.version": "1", "os.features": ["a"]}),
        Value::Null,
    ];
    for platform in spelt {
        let mut entry = bare(&evil);
        entry["platform"] = platform.clone();
        let index = store.index(&[entry, good.clone()]);
        for choice in [one("linux/amd64"), PlatformChoice::All] {
            let got = judged(&store, &index, &choice, &names).await;
            assert_eq!(got.as_deref(), Ok("eg"), "{platform} for {choice:?}");
        }
    }
    // What is for other nodes is left out, and only where it was not asked for.
    let arm = store.image("linux/arm64", "arm");
    let index = store.index(&[arm, good.clone()]);
    assert_eq!(judged(&store, &index, &one("linux/x86_64"), &names).await.as_deref(), Ok("g"));
    assert_eq!(judged(&store, &index, &PlatformChoice::All, &names).await.as_deref(), Ok("?g"));
    let listed = PlatformChoice::Listed(vec![
        "linux/amd64".parse().unwrap(),
        "linux/arm64".parse().unwrap(),
    ]);
    assert_eq!(judged(&store, &index, &listed, &names).await.as_deref(), Ok("?g"));
}

#[tokio::test]
async fn h2_a_mark_takes_no_entry_out_that_a_node_could_take() {
    let mut store = Store::default();
    let (good, evil) = (store.image("linux/amd64", "good"), store.image("linux/amd64", "evil"));
    let names = [(&good, 'g'), (&evil, 'e')];
    let artifact = |entry: &Value, kind: &str| {
        let mut entry = entry.clone();
        entry["artifactType"] = kind.into();
        entry
    };
    let annotated = |entry: &Value| {
        let mut entry = entry.clone();
        entry["annotations"] = json!({"vnd.docker.reference.type": "attestation-manifest"});
        entry
    };
    let unknown = |mut entry: Value| {
        entry["platform"] = json!({"os": "unknown", "architecture": "unknown"});
        entry
    };
    let cases = [
        ("artifact type", artifact(&evil, "application/x"), Err(Code::ImageEntryDisguised)),
        ("annotation", annotated(&evil), Err(Code::ImageEntryDisguised)),
        ("no platform", annotated(&bare(&evil)), Ok("eg")),
        ("an artifact's type, no platform", artifact(&bare(&evil), "application/x"), Ok("eg")),
        ("an image's type", artifact(&evil, MediaType::OCI_CONFIG), Ok("eg")),
        ("Docker's type", artifact(&evil, MediaType::DOCKER_CONFIG), Ok("eg")),
        ("unknown platform", unknown(annotated(&evil)), Ok("g")),
        ("unknown platform, artifact", unknown(artifact(&evil, "application/x")), Ok("g")),
    ];
    for (name, entry, want) in cases {
        let index = store.index(&[entry, good.clone()]);
        for choice in [one("linux/amd64"), PlatformChoice::All] {
            let got = judged(&store, &index, &choice, &names).await;
            assert_eq!(got, want.map(str::to_owned), "{name} for {choice:?}");
        }
    }
    // As SOCI's second version lists its tables of contents, behind the image: a node may come to them all the same.
    let soci = artifact(&annotated(&evil), "application/vnd.amazon.soci.index.v2+json");
    let index = store.index(&[good.clone(), soci]);
    for choice in [one("linux/amd64"), PlatformChoice::All] {
        let got = judged(&store, &index, &choice, &names).await;
        assert_eq!(got, Err(Code::ImageEntryDisguised), "{choice:?}");
    }
    // For nodes that nobody asked about it is nothing.
    let arm = store.image("linux/arm64", "b");
    let index = store.index(&[artifact(&arm, "application/x"), good.clone()]);
    assert_eq!(judged(&store, &index, &one("linux/amd64"), &names).await.as_deref(), Ok("g"));
}

#[tokio::test]
async fn h3_an_entry_does_not_hide_another_of_the_same_digest() {
    let mut store = Store::default();
    let (good, evil) = (store.image("linux/amd64", "good"), store.image("linux/amd64", "evil"));
    let names = [(&good, 'g'), (&evil, 'e')];
    let mut unknown = evil.clone();
    unknown["platform"] = json!({"os": "unknown", "architecture": "unknown"});
    let mut other_type = bare(&evil);
    other_type["mediaType"] = "application/octet-stream".into();
    let index = store.index(&[unknown, other_type, evil.clone(), good.clone(), evil.clone()]);
    assert_eq!(judged(&store, &index, &one("linux/amd64"), &names).await.as_deref(), Ok("eg"));
    let got = judged(&store, &index, &PlatformChoice::All, &names).await;
    assert_eq!(got, Err(Code::ImageMediaTypeUnknown), "for a node of another platform");
}

/// containers/image, of podman and CRI-O, compares platforms as they are written, and takes the first entry without one where a
/// node finds nothing of its own.
#[tokio::test]
async fn h1_what_is_listed_for_no_platform_is_judged_or_refused() {
    let mut store = Store::default();
    let (good, evil) = (store.image("linux/amd64", "good"), store.image("linux/amd64", "evil"));
    let (arm, other) = (store.image("linux/arm64", "arm"), store.image("linux/s390x", "other"));
    let nowhere = store.image("unknown/unknown", "nowhere");
    let names = [(&good, 'g'), (&evil, 'e'), (&arm, 'a'), (&other, 'o'), (&nowhere, 'n')];
    let written = |entry: &Value, architecture: &str| {
        let mut entry = entry.clone();
        entry["platform"]["architecture"] = architecture.into();
        entry
    };
    let mut disguised = bare(&evil);
    disguised["mediaType"] = "application/octet-stream".into();
    let mut marked = bare(&nowhere);
    marked["artifactType"] = "application/x".into();
    let amd64 = one("linux/amd64");
    let both = PlatformChoice::Listed(vec![
        "linux/amd64".parse().unwrap(),
        "linux/arm64".parse().unwrap(),
    ]);
    let (types, image) = (Err(Code::ImageMediaTypeUnknown), Err(Code::ImageMalformed));
    let cases = [
        ("another type", vec![arm.clone(), disguised.clone()], PlatformChoice::All, types),
        (
            "another type, aliased",
            vec![written(&good, "x86_64"), disguised.clone()],
            amd64.clone(),
            types,
        ),
        ("no node's", vec![written(&good, "x86_64"), bare(&nowhere)], amd64.clone(), image),
        ("marked", vec![written(&good, "x86_64"), marked], PlatformChoice::All, image),
        (
            "another's, aliased",
            vec![written(&good, "x86_64"), bare(&other)],
            amd64.clone(),
            Ok("go"),
        ),
        ("another's, one of two", vec![arm.clone(), bare(&other)], both, Ok("ao")),
        ("another's", vec![good.clone(), bare(&other)], amd64.clone(), Ok("g")),
        ("all exact", vec![good.clone(), disguised], amd64, Ok("g")),
    ];
    for (name, entries, choice, want) in cases {
        let index = store.index(&entries);
        let got = judged(&store, &index, &choice, &names).await;
        assert_eq!(got, want.map(str::to_owned), "{name}");
    }
}

#[tokio::test]
async fn h4_indexes_in_indexes_are_gone_through_as_nodes_do() {
    let mut store = Store::default();
    let (good, evil) = (store.image("linux/amd64", "good"), store.image("linux/386", "evil"));
    let arm = store.image("linux/arm64", "arm");
    let names = [(&good, 'g'), (&evil, 'e'), (&arm, 'a')];
    let for_amd64 = |mut index: Value| {
        index["platform"] = json!({"os": "linux", "architecture": "amd64"});
        index
    };
    let inner = store.index(std::slice::from_ref(&evil));
    let both = store.index(&[evil.clone(), good.clone()]);
    let mut for_arm = store.index(std::slice::from_ref(&evil));
    for_arm["platform"] = json!({"os": "linux", "architecture": "arm64"});
    let cases = [
        ("worse alone", vec![evil.clone()], "e", "e"),
        ("worse beside better", vec![evil.clone(), good.clone()], "g", "eg"),
        (
            "worse in an index for the node",
            vec![for_amd64(inner.clone()), good.clone()],
            "eg",
            "eg",
        ),
        ("worse in an index for all", vec![inner, good.clone()], "eg", "eg"),
        ("better in an index", vec![for_amd64(both)], "g", "eg"),
        ("an index for other nodes", vec![for_arm, good.clone(), arm.clone()], "g", "aeg"),
    ];
    for (name, entries, for_node, for_all) in cases {
        let index = store.index(&entries);
        let got = judged(&store, &index, &one("linux/amd64"), &names).await;
        assert_eq!(got.as_deref(), Ok(for_node), "{name}");
        let got = judged(&store, &index, &PlatformChoice::All, &names).await;
        assert_eq!(got.as_deref(), Ok(for_all), "{name}");
    }
}

#[tokio::test]
async fn h5_an_artifact_that_could_be_taken_for_an_image_is_refused() {
    let mut store = Store::default();
    let good = store.image("linux/amd64", "good");
    let mut config = |text: &str| {
        let document = json!({
            "schemaVersion": 2, "mediaType": MediaType::OCI_MANIFEST,
            "config": store.blob("application/vnd.example.config.v1+json", text.to_owned()),
            "layers": [store.blob(MediaType::OCI_LAYER, "x")],
        });
        store.manifest(&document)
    };
    let harmless = [config("{\"name\":\"chart\"}"), config("no JSON")];
    let taken = [
        config("{\"os\":\"linux\",\"architecture\":\"amd64\"}"),
        config("{\"OS\":\"linux\",\"Architecture\":\"amd64\"}"),
    ];
    let mut typed = good.clone();
    typed["mediaType"] = "application/vnd.example.v1+json".into();
    for entry in harmless {
        let index = store.index(&[entry, good.clone()]);
        assert_eq!(
            judged(&store, &index, &PlatformChoice::All, &[(&good, 'g')]).await.as_deref(),
            Ok("g")
        );
    }
    for entry in taken.into_iter().chain([typed]) {
        let index = store.index(&[entry.clone(), good.clone()]);
        for choice in [one("linux/amd64"), PlatformChoice::All] {
            assert_eq!(code(&store, &index, &choice).await, Code::ImageMediaTypeUnknown, "{entry}");
        }
    }
}

#[tokio::test]
async fn h6_an_entry_that_nodes_may_pass_over_hides_nothing_worse() {
    let mut store = Store::default();
    let (good, evil) = (store.image("linux/amd64", "good"), store.image("linux/386", "evil"));
    let names = [(&good, 'g'), (&evil, 'e')];
    for (key, value) in
        [("os.features", json!(["a"])), ("os.version", json!("10.0")), ("variant", json!("v2"))]
    {
        let mut selective = good.clone();
        selective["platform"][key] = value;
        let index = store.index(&[selective, evil.clone()]);
        let got = judged(&store, &index, &one("linux/amd64"), &names).await;
        assert_eq!(got.as_deref(), Ok("eg"), "{key}");
    }
}

#[tokio::test]
async fn what_cannot_be_judged_is_said_of_its_own_platform() {
    let mut store = Store::default();
    let good = store.image("linux/amd64", "good");
    let mut lost = store.image("linux/arm64", "lost");
    lost["size"] = json!(1);
    let index = store.index(&[lost.clone(), good]);
    let registry = Registry::start(store.clone(), |_, _| None).await;
    let source = registry.open().await;
    let reference = registry.reference(&digest(&index));
    let loaded = load_each(&*source, &reference, &PlatformChoice::All, &limits()).await.unwrap();
    let [Err(unloadable), Ok(image)] = loaded.images.as_slice() else { panic!("{loaded:?}") };
    assert_eq!(unloadable.platform, Some("linux/arm64".parse().unwrap()));
    assert_eq!(unloadable.manifest, digest(&lost));
    assert_eq!(image.platform.to_string(), "linux/amd64");
    let one = load_each(&*source, &reference, &one("linux/amd64"), &limits()).await.unwrap();
    let [Ok(image)] = one.images.as_slice() else { panic!("{one:?}") };
    let left = LeftOut { platform: unloadable.platform.clone(), manifest: digest(&lost) };
    assert_eq!(
        (image.left_out.as_slice(), one.left_out.as_slice()),
        (&[left.clone()][..], &[left][..])
    );
}

#[tokio::test]
async fn every_index_on_the_way_is_known() {
    let mut store = Store::default();
    let image = store.image("linux/amd64", "a");
    let inner = store.index(std::slice::from_ref(&image));
    let (left, right) =
        (store.index(std::slice::from_ref(&inner)), store.index(&[image.clone(), inner.clone()]));
    let top = store.index(&[left.clone(), right.clone()]);
    let registry = Registry::start(store.clone(), |_, _| None).await;
    let source = registry.open().await;
    let images =
        load(&*source, &registry.reference(&digest(&top)), &PlatformChoice::All, &limits()).await;
    let images = images.unwrap();
    assert_eq!(images.len(), 1);
    let known: Vec<_> = images[0].indexes().map(|i| i.document.digest.clone()).collect();
    assert_eq!(known, [&top, &left, &inner, &right].map(digest));
}

#[tokio::test]
async fn a_silent_configuration_is_for_what_the_index_says() {
    let mut store = Store::default();
    let layer = store.blob(MediaType::OCI_LAYER, "x");
    let diff = layer["digest"].clone();
    let mut silent = |os: &str, architecture: &str| {
        let config = json!({
            "os": os, "architecture": architecture, "rootfs": {"type": "layers", "diff_ids": [diff]},
        });
        let document = json!({
            "schemaVersion": 2, "mediaType": MediaType::OCI_MANIFEST,
            "config": store.blob(MediaType::OCI_CONFIG, config.to_string()), "layers": [layer],
        });
        store.manifest(&document)
    };
    let (silent, other) = (silent("", ""), silent("windows", ""));
    let listed = |entry: &Value| {
        let mut entry = entry.clone();
        entry["platform"] = json!({"os": "linux", "architecture": "amd64"});
        entry
    };
    let index = store.index(&[listed(&silent)]);
    assert_eq!(platforms(&store, &index, &PlatformChoice::All).await.unwrap(), ["linux/amd64"]);
    let error = platforms(&store, &silent, &PlatformChoice::Host).await.unwrap_err();
    assert!(error.to_string().contains("it has no os and no architecture"), "{error}");
    assert_eq!(error.into_finding(Subject::Run).code, Code::ImageMalformed);
    let index = store.index(&[listed(&other)]);
    assert_eq!(code(&store, &index, &PlatformChoice::All).await, Code::ImageMalformed);
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
