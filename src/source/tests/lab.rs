//! Real images in a real registry, made by real builders and signers. Runs where `HALLMARK_LAB` names a lab (a folder
//! with the files `env` and `images.env`, one `export NAME=value` a line); skipped elsewhere.

use std::{collections::BTreeMap, io::Read as _, path::Path, time::Instant};

use super::kit::{open, settings};
use crate::{
    limits::Limits,
    progress::Silent,
    source::{
        Spool,
        discover::discover,
        images::{PlatformChoice, fetch_layers, load},
    },
};

fn variables(file: &Path) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let pair = |line: &str| {
        let (name, value) = line.strip_prefix("export ")?.split_once('=')?;
        Some((name.to_owned(), value.trim_matches('\'').to_owned()))
    };
    text.lines().filter_map(pair).collect()
}

#[tokio::test]
async fn images_of_the_lab() {
    let Some(lab) = std::env::var_os("HALLMARK_LAB") else {
        eprintln!("skipped: no lab here");
        return;
    };
    let images = variables(&Path::new(&lab).join("images.env"));
    let limits = Limits::default();
    // Which carriers each image has, labels aside.
    let cases: [(&str, &[&str]); 5] = [
        ("HONEST", &["cosign-tag", "index-attestation"]),
        ("SWAPPED", &["cosign-tag", "index-attestation"]),
        ("WRONGKEY", &["cosign-tag", "index-attestation"]),
        ("BARE", &[]),
        ("BUILDAH_PLAIN", &[]),
    ];
    for (name, want) in cases {
        let Some(image) = images.get(name) else { panic!("the lab has no {name}") };
        let started = Instant::now();
        let (source, reference) = open(image).await.unwrap();
        let opened = started.elapsed();
        let choice = PlatformChoice::One("linux/amd64".parse().unwrap());
        let loaded = load(&*source, &reference, &choice, &limits).await.unwrap();
        let found = discover(&*source, &loaded[0], &limits).await;
        let taken = started.elapsed();
        assert_eq!(found.findings, [], "{name}");
        let mut kinds: Vec<&str> =
            found.raws.iter().map(|raw| raw.carrier.kind()).filter(|k| *k != "label").collect();
        kinds.sort_unstable();
        kinds.dedup();
        for raw in &found.raws {
            eprintln!("  {} {} {} bytes", raw.carrier, raw.media_type, raw.bytes.len());
        }
        eprintln!("{name}: opened in {opened:?}, all in {taken:?}, {kinds:?}");
        assert_eq!(kinds, want, "{name}");
        let spool = Spool::temporary().unwrap();
        for blob in fetch_layers(&*source, &loaded[0], &spool, &limits, &Silent).await.unwrap() {
            blob.open().unwrap().read_to_end(&mut Vec::new()).unwrap();
        }
    }
    let absent = crate::digest::ManifestDigest::of(b"in no registry");
    let places: Vec<_> = images
        .get("HONEST")
        .map(|image| image.parse().unwrap())
        .into_iter()
        .filter_map(|reference| match reference {
            crate::reference::Reference::At(location, _) => Some(location),
            crate::reference::Reference::Bare(_) => None,
        })
        .collect();
    let missing = crate::source::images::find_digest(&absent, &places, &settings(), &limits).await;
    assert!(missing.unwrap_err().to_string().contains("not there"));
}

#[tokio::test]
async fn archives_that_skopeo_writes() {
    let Some(lab) = std::env::var_os("HALLMARK_LAB") else {
        eprintln!("skipped: no lab here");
        return;
    };
    let images = variables(&Path::new(&lab).join("images.env"));
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    // What hallmark reads, what skopeo calls it, and whether manifests keep their digests.
    let cases = [
        (format!("oci:{}", at("layout")), ":v1", true),
        (format!("oci-archive:{}", at("oci.tar")), ":v1", true),
        (format!("docker-archive:{}", at("docker.tar")), ":r.example/app:v1", false),
    ];
    let from = images.get("HONEST").expect("the lab has an honest image");
    let (_, published) = open(from).await.unwrap();
    for (place, name, keeps) in cases {
        let all: &[&str] = if keeps { &["--all"] } else { &[] };
        let copied = std::process::Command::new("skopeo")
            .args(["copy", "--quiet", "--src-tls-verify=false"])
            .args(all)
            .args([format!("docker://{from}"), format!("{place}{name}")])
            .status();
        if !copied.is_ok_and(|status| status.success()) {
            eprintln!("skipped: no skopeo that can read the lab's registry");
            return;
        }
        for text in [place.clone(), format!("{place}:v1")] {
            let (source, reference) = open(&text).await.unwrap();
            assert_eq!(reference.digest == published.digest, keeps, "{text}");
            let limits = Limits::default();
            let images = load(&*source, &reference, &PlatformChoice::Host, &limits).await.unwrap();
            let found = discover(&*source, &images[0], &limits).await;
            assert_eq!(found.findings, [], "{text}");
            assert_eq!(found.raws.iter().any(|raw| raw.carrier.kind() != "label"), keeps, "{text}");
            let spool = Spool::temporary().unwrap();
            for blob in fetch_layers(&*source, &images[0], &spool, &limits, &Silent).await.unwrap()
            {
                blob.open().unwrap().read_to_end(&mut Vec::new()).unwrap();
            }
        }
    }
}
