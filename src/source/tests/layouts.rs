//! OCI layouts in folders.

use std::{fs, io::Read as _, path::Path};

use serde_json::{Value, json};

use super::kit::*;
use crate::{
    finding::{Code, Key, Subject},
    image::MediaType,
    progress::Silent,
    reference::{Location, Reference, Selector},
    source::{
        SourceError, Spool,
        discover::discover,
        images::{PlatformChoice, fetch_layers, load},
    },
};

const REF_NAME: &str = "org.opencontainers.image.ref.name";

fn named(mut descriptor: Value, key: &str, name: &str) -> Value {
    descriptor["annotations"] = json!({ key: name });
    descriptor
}

async fn resolve(folder: &Path, selector: Selector) -> Result<String, SourceError> {
    let location = Location::Layout(folder.to_path_buf());
    open_at(location, selector).await.map(|(_, reference)| reference.digest.to_string())
}

fn tag(text: &str) -> Selector {
    Selector::Tag(text.to_owned())
}

fn code(error: SourceError) -> Code {
    error.into_finding(Subject::Run).code
}

/// Loads the only image and reads every layer.
pub(super) async fn closure(location: Location) -> Result<(), SourceError> {
    let (source, reference) = open_at(location, Selector::Only).await?;
    let images = load(&*source, &reference, &PlatformChoice::All, &limits()).await?;
    let spool = Spool::temporary().unwrap();
    for image in images {
        for blob in fetch_layers(&*source, &image, &spool, &limits(), &Silent).await? {
            let mut bytes = Vec::new();
            blob.open().unwrap().read_to_end(&mut bytes).map_err(|error| {
                SourceError::Unreadable { place: "layer".to_owned(), why: error.to_string() }
            })?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn images_are_selected_by_name() {
    let mut store = Store::default();
    let (a, b) = (store.image("linux/amd64", "a"), store.image("linux/amd64", "b"));
    let index = store.index(std::slice::from_ref(&a));
    let folder = tempfile::tempdir().unwrap();
    store.write_layout(
        folder.path(),
        &[
            named(bare(&a), REF_NAME, "v1"),
            named(bare(&b), REF_NAME, "r.example:5000/app/b:v2"),
            named(bare(&index), "io.containerd.image.name", "docker.io/library/app:v3"),
            named(bare(&b), REF_NAME, "twice"),
            named(bare(&b), "io.containerd.image.name", "r.example/app:twice"),
            named(bare(&a), REF_NAME, "torn"),
            named(bare(&b), REF_NAME, "torn"),
        ],
    );
    let of = |d: &Value| Ok(d["digest"].as_str().unwrap().to_owned());
    let cases = [
        (tag("v1"), of(&a)),
        (tag("v2"), of(&b)),
        (tag("v3"), of(&index)),
        (tag("twice"), of(&b)),
        (tag("torn"), Err(Code::SourceAmbiguous)),
        (tag("app:v3"), of(&index)),
        (tag("docker.io/library/app:v3"), of(&index)),
        (tag("r.example:5000/app/b:v2"), of(&b)),
        (tag("b:v2"), Err(Code::SourceNotFound)),
        (tag("5000"), Err(Code::SourceNotFound)),
        (tag("v"), Err(Code::SourceNotFound)),
        (Selector::Only, Err(Code::SourceAmbiguous)),
        (Selector::Digest(digest(&a)), of(&a)),
    ];
    for (selector, want) in cases {
        let got = resolve(folder.path(), selector.clone()).await.map_err(code);
        assert_eq!(got, want, "{selector:?}");
    }
    let error = resolve(folder.path(), Selector::Only).await.unwrap_err();
    assert!(error.to_string().contains("name one with"), "{error}");
}

#[tokio::test]
async fn images_that_share_a_tag_are_told_apart_by_their_full_names() {
    let mut store = Store::default();
    let (a, b) = (store.image("linux/amd64", "a"), store.image("linux/amd64", "b"));
    let saved = |descriptor: &Value, name: &str| {
        let mut entry = bare(descriptor);
        entry["annotations"] = json!({"io.containerd.image.name": name, REF_NAME: "latest"});
        entry
    };
    let folder = tempfile::tempdir().unwrap();
    let entries = [saved(&a, "docker.io/x/one:latest"), saved(&b, "docker.io/y/two:latest")];
    store.write_layout(&folder.path().join("saved"), &entries);
    let skopeo = [named(bare(&a), REF_NAME, "demo:1"), named(bare(&b), REF_NAME, "two:1")];
    store.write_layout(&folder.path().join("skopeo"), &skopeo);
    let of = |d: &Value| Ok(d["digest"].as_str().unwrap().to_owned());
    let cases = [
        ("saved", Err(Code::SourceAmbiguous)),
        ("saved:latest", Err(Code::SourceAmbiguous)),
        ("saved:x/one:latest", of(&a)),
        ("saved:y/two", of(&b)),
        ("saved:docker.io/y/two:latest", of(&b)),
        ("saved:z/three:latest", Err(Code::SourceNotFound)),
        ("skopeo:demo:1", of(&a)),
        ("skopeo:two:1", of(&b)),
        ("skopeo:1", Err(Code::SourceAmbiguous)),
        ("nowhere:demo:1", Err(Code::SourceNotFound)),
    ];
    for (text, want) in cases {
        let typed: Reference = format!("oci:{}/{text}", folder.path().display()).parse().unwrap();
        let Reference::At(location, selector) = crate::source::located(&typed) else { panic!() };
        let got = match open_at(location, selector).await {
            Ok((_, reference)) => Ok(reference.digest.to_string()),
            Err(error) => {
                let text = error.to_string();
                let torn =
                    matches!(error, SourceError::Ambiguous { .. }) && text.contains("/saved");
                assert!(!torn || text.contains("docker.io/x/one:latest at sha256"), "{text}");
                Err(code(error))
            }
        };
        assert_eq!(got, want, "{text}");
    }
    // A path that is there is what was meant, whatever is in its name.
    let odd = folder.path().join("saved:latest");
    store.write_layout(&odd, &[bare(&b)]);
    let typed = format!("oci:{}", odd.display()).parse().unwrap();
    let Reference::At(_, selector) = &typed else { panic!() };
    assert_eq!(*selector, Selector::Tag("latest".to_owned()));
    assert_eq!(crate::source::located(&typed), typed, "the folder saved is there as well");
}

#[tokio::test]
async fn an_index_json_that_lists_platforms_is_the_index() {
    let mut store = Store::default();
    let (a, b) = (store.image("linux/amd64", "a"), store.image("linux/arm64", "b"));
    let mut attestation = store.artifact(MediaType::IN_TOTO, "{}", None);
    attestation["platform"] = json!({"os": "unknown", "architecture": "unknown"});
    let referrer = store.artifact(MediaType::DSSE, "referrer", Some(&a));
    let other = bare(&store.image("linux/amd64", "c"));
    let both = |name: &str| [named(a.clone(), REF_NAME, name), named(b.clone(), REF_NAME, name)];
    let cases = [
        ("plain", vec![a.clone(), b.clone()], Selector::Only, true),
        ("with evidence", vec![a.clone(), b.clone(), attestation, referrer], Selector::Only, true),
        ("one name", both("v1").to_vec(), tag("v1"), true),
        ("one name, not said", both("v1").to_vec(), Selector::Only, true),
        ("two names", vec![both("v1")[0].clone(), both("v2")[1].clone()], Selector::Only, false),
        ("another image", vec![a.clone(), b.clone(), other.clone()], Selector::Only, false),
        ("beside one", [&both("v1")[..], &[other]].concat(), tag("v1"), false),
    ];
    for (name, entries, selector, whole) in cases {
        let folder = tempfile::tempdir().unwrap();
        store.write_layout(folder.path(), &entries);
        let opened = open_at(Location::Layout(folder.path().into()), selector).await;
        if !whole {
            assert_eq!(opened.map(drop).map_err(code), Err(Code::SourceAmbiguous), "{name}");
            continue;
        }
        let (source, reference) = opened.unwrap_or_else(|e| panic!("{name}: {e}"));
        let images = load(&*source, &reference, &PlatformChoice::All, &limits()).await.unwrap();
        let platforms: Vec<_> = images.iter().map(|i| i.platform.to_string()).collect();
        assert_eq!(platforms, ["linux/amd64", "linux/arm64"], "{name}");
    }
}

#[tokio::test]
async fn a_silent_configuration_is_for_what_the_list_of_the_layout_says() {
    let mut store = Store::default();
    let layer = store.blob(MediaType::OCI_LAYER, "x");
    let config = json!({"rootfs": {"type": "layers", "diff_ids": [layer["digest"]]}});
    let config = store.blob(MediaType::OCI_CONFIG, config.to_string());
    let silent = store.manifest(&json!({
        "schemaVersion": 2, "mediaType": MediaType::OCI_MANIFEST, "config": config, "layers": [layer],
    }));
    let said = store.image("linux/amd64", "a");
    let on_arm = |entry: &Value| {
        let mut entry = entry.clone();
        entry["platform"] = json!({"os": "linux", "architecture": "aarch64"});
        entry
    };
    let platform = async |entry: Value| {
        let folder = tempfile::tempdir().unwrap();
        store.write_layout(folder.path(), &[entry]);
        let location = Location::Layout(folder.path().into());
        let (source, reference) = open_at(location, Selector::Only).await.unwrap();
        let images = load(&*source, &reference, &PlatformChoice::All, &limits()).await;
        images.map(|images| images[0].platform.to_string()).map_err(code)
    };
    assert_eq!(platform(on_arm(&silent)).await.as_deref(), Ok("linux/arm64"));
    assert_eq!(platform(silent.clone()).await, Err(Code::ImageMalformed));
    // What is no document of the image says nothing against it.
    assert_eq!(platform(on_arm(&said)).await.as_deref(), Ok("linux/amd64"));
}

/// Runtimes go by what a manifest leads to: what it is called keeps none of them from running it.
#[tokio::test]
async fn h68_the_only_entry_is_judged_whatever_it_is_called_and_that_is_told() {
    let mut store = Store::default();
    let image = store.image("linux/amd64", "a");
    let with = |key: &str, value: Value| {
        let mut entry = bare(&image);
        entry[key] = value;
        entry
    };
    let called = |name: &str| vec![named(bare(&image), REF_NAME, name)];
    let long = "x".repeat(1000);
    let cases = [
        (vec![image.clone()], None),
        (called("v1"), None),
        (vec![with("artifactType", MediaType::OCI_CONFIG.into())], None),
        (
            vec![with("artifactType", "application/vnd.example".into())],
            Some("artifactType application/vnd.example".to_owned()),
        ),
        (
            vec![with("artifactType", long.as_str().into())],
            Some(format!("artifactType {}…", &long[..160])),
        ),
        (
            vec![with("platform", json!({"os": "unknown", "architecture": "unknown"}))],
            Some("platform unknown/unknown".to_owned()),
        ),
        (
            vec![named(bare(&image), "kind", "dev.cosignproject.cosign/sigs")],
            Some("kind sigs".to_owned()),
        ),
        (called("sha256-1"), Some("the name sha256-1".to_owned())),
        // Listed as an image, too.
        (vec![with("artifactType", "application/x".into()), image.clone()], None),
    ];
    for (entries, want) in cases {
        let folder = tempfile::tempdir().unwrap();
        store.write_layout(folder.path(), &entries);
        let location = Location::Layout(folder.path().into());
        let (source, reference) = open_at(location, Selector::Only).await.unwrap();
        assert_eq!(reference.digest, digest(&image), "{entries:?}");
        let images = load(&*source, &reference, &PlatformChoice::All, &limits()).await.unwrap();
        let found = discover(&*source, &images[0], &limits()).await.findings;
        let told = found.iter().filter(|one| one.code == Code::ImageEntryMisnamed);
        let told: Vec<String> = told.map(|one| one.facts[&Key::Found].to_string()).collect();
        assert_eq!(told, want.into_iter().collect::<Vec<_>>(), "{entries:?}");
    }
}

#[tokio::test]
async fn evidence_beside_an_image_is_no_second_image() {
    let mut store = Store::default();
    let image = store.image("linux/amd64", "a");
    let referrer = store.artifact(MediaType::DSSE, "referrer", Some(&image));
    let mut typed = referrer.clone();
    typed["artifactType"] = MediaType::DSSE.into();
    let signature = store.artifact(MediaType::SIMPLE_SIGNING, "signature", None);
    let attestation = store.artifact(MediaType::DSSE, "cosign save", None);
    let name = format!("sha256-{}.sig", digest(&image).hex());
    let kind = |d: Value, kind: &str| named(d, "kind", &format!("dev.cosignproject.cosign/{kind}"));
    let folder = tempfile::tempdir().unwrap();
    let entries = [
        kind(bare(&image), "image"),
        referrer,
        typed,
        named(signature, REF_NAME, &name),
        kind(attestation, "atts"),
    ];
    store.write_layout(folder.path(), &entries);
    let (source, reference) =
        open_at(Location::Layout(folder.path().into()), Selector::Only).await.unwrap();
    assert_eq!(reference.digest, digest(&image));
    let images = load(&*source, &reference, &PlatformChoice::All, &limits()).await.unwrap();
    let found = discover(&*source, &images[0], &limits()).await;
    assert_eq!(found.findings, []);
    let kinds: Vec<_> = found
        .raws
        .iter()
        .map(|raw| (raw.carrier.kind(), std::str::from_utf8(&raw.bytes).unwrap()))
        .collect();
    let want = [
        ("label", "https://git.example/app"),
        ("referrer", "referrer"),
        ("cosign-tag", "signature"),
        ("cosign-tag", "cosign save"),
    ];
    assert_eq!(kinds, want);
    assert!(found.raws[1].carrier.to_string().ends_with("(layout)"));
}

/// Damages a layout: its root, and the paths of its manifest and layer under it.
type Damage = fn(&Path, &str, &str);

/// What is done to a layout, and what that is found to be.
fn damages() -> [(&'static str, Damage, Option<Code>); 14] {
    [
        ("nothing", |_, _, _| (), None),
        ("no layer", |f, _, l| fs::remove_file(f.join(l)).unwrap(), Some(Code::ImageBlobMissing)),
        (
            "long layer",
            |f, _, l| fs::write(f.join(l), "layers").unwrap(),
            Some(Code::ImageSizeMismatch),
        ),
        (
            "other layer",
            |f, _, l| fs::write(f.join(l), "LAYER").unwrap(),
            Some(Code::SourceUnreadable),
        ),
        ("no manifest", |f, m, _| fs::remove_file(f.join(m)).unwrap(), Some(Code::SourceNotFound)),
        (
            "other manifest",
            |f, m, _| fs::write(f.join(m), "{}").unwrap(),
            Some(Code::ImageDigestMismatch),
        ),
        (
            "no index",
            |f, _, _| fs::remove_file(f.join("index.json")).unwrap(),
            Some(Code::SourceNotFound),
        ),
        (
            "broken index",
            |f, _, _| fs::write(f.join("index.json"), "{").unwrap(),
            Some(Code::ImageMalformed),
        ),
        (
            "no marker",
            |f, _, _| fs::remove_file(f.join("oci-layout")).unwrap(),
            Some(Code::SourceNotFound),
        ),
        (
            "other version",
            |f, _, _| fs::write(f.join("oci-layout"), r#"{"imageLayoutVersion":"2.0.0"}"#).unwrap(),
            Some(Code::ImageMalformed),
        ),
        (
            "a link out of the folder",
            |f, _, l| {
                fs::write(f.parent().unwrap().join("outside"), "layer").unwrap();
                fs::remove_file(f.join(l)).unwrap();
                std::os::unix::fs::symlink("../../../outside", f.join(l)).unwrap();
            },
            Some(Code::SourceUnreadable),
        ),
        (
            "blobs elsewhere",
            |f, _, _| {
                fs::rename(f.join("blobs"), f.parent().unwrap().join("blobs")).unwrap();
                std::os::unix::fs::symlink("../blobs", f.join("blobs")).unwrap();
            },
            Some(Code::SourceUnreadable),
        ),
        (
            "a link in the folder",
            |f, _, l| {
                fs::rename(f.join(l), f.join("layer")).unwrap();
                std::os::unix::fs::symlink(f.join("layer"), f.join(l)).unwrap();
            },
            None,
        ),
        (
            "a folder for a blob",
            |f, _, l| {
                fs::remove_file(f.join(l)).unwrap();
                fs::create_dir(f.join(l)).unwrap();
            },
            Some(Code::SourceUnreadable),
        ),
    ]
}

#[tokio::test]
async fn a_damaged_layout_is_refused() {
    let mut store = Store::default();
    let image = store.image("linux/amd64", "layer");
    let layer = crate::digest::BlobDigest::of(b"layer").hex();
    let manifest = digest(&image).hex();
    for (name, damage, want) in damages() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("layout");
        store.write_layout(&root, std::slice::from_ref(&image));
        damage(&root, &format!("blobs/sha256/{manifest}"), &format!("blobs/sha256/{layer}"));
        let got = closure(Location::Layout(root)).await;
        assert_eq!(got.clone().err().map(code), want, "{name}: {got:?}");
    }
    let nowhere = closure(Location::Layout("/nonexistent/layout".into())).await.unwrap_err();
    assert_eq!(code(nowhere), Code::SourceNotFound);
}

#[tokio::test]
async fn an_entry_that_cannot_be_read_makes_the_list_of_referrers_incomplete() {
    let mut store = Store::default();
    let image = store.image("linux/amd64", "layer");
    let referrer = store.artifact(MediaType::DSSE, "referrer", Some(&image));
    let lost = store.artifact(MediaType::DSSE, "lost", Some(&image));
    store.manifests.remove(lost["digest"].as_str().unwrap());
    let folder = tempfile::tempdir().unwrap();
    store.write_layout(folder.path(), &[image.clone(), referrer, lost]);
    let (source, _) =
        open_at(Location::Layout(folder.path().into()), Selector::Digest(digest(&image)))
            .await
            .unwrap();
    let list = source.referrers(&digest(&image)).await.unwrap();
    assert_eq!(list.descriptors.len(), 1);
    assert!(list.incomplete.unwrap().contains("1 entry"));
}
