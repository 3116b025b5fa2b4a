//! Layouts and `docker save` output in tar files.

use std::{fs, io::Write as _, path::Path};

use proptest::prelude::*;
use serde_json::json;

use super::{kit::*, layouts::closure};
use crate::{
    digest::Digest,
    finding::{Code, Subject},
    reference::{Location, Selector},
    source::{
        SourceError,
        images::{PlatformChoice, load},
    },
};

fn code(error: SourceError) -> Code {
    error.into_finding(Subject::Run).code
}

fn layout() -> Store {
    let mut store = Store::default();
    let image = store.image("linux/amd64", "a layer");
    let index = store.index(&[image]);
    store.tag("entry", &index);
    store
}

/// A layout as a tar file.
fn archive_of(store: &Store, file: &Path) {
    let folder = tempfile::tempdir().unwrap();
    let (_, index) = &store.manifests["entry"];
    let entry = json!({
        "mediaType": crate::image::MediaType::OCI_INDEX,
        "digest": Digest::sha256(index).to_string(), "size": index.len(),
    });
    store.write_layout(folder.path(), &[entry]);
    let mut tar = tar::Builder::new(fs::File::create(file).unwrap());
    tar.append_dir_all(".", folder.path()).unwrap();
    tar.finish().unwrap();
}

#[tokio::test]
async fn layouts_in_archives() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("image.tar");
    archive_of(&layout(), &file);
    closure(Location::OciArchive(file.clone())).await.unwrap();
    closure(Location::DockerArchive(file)).await.unwrap();
}

#[tokio::test]
async fn an_archive_that_is_cut_off_anywhere_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("image.tar");
    archive_of(&layout(), &whole);
    let bytes = fs::read(&whole).unwrap();
    // The last two blocks only mark the end.
    let content = bytes.len() - 1024;
    for length in (0..content).step_by(97) {
        let file = folder.path().join("cut.tar");
        fs::write(&file, &bytes[..length]).unwrap();
        let got = closure(Location::OciArchive(file)).await;
        // The padding of the last member may be missing.
        let last_block = content - length < 512;
        assert!(got.is_err() || last_block, "{length} of {content}: {got:?}");
    }
}

/// The error says what is there instead, and what is at fault is no registry and no image.
#[tokio::test]
async fn what_is_no_archive_is_named_as_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("image.tar");
    archive_of(&layout(), &file);
    let mut broken = fs::read(&file).unwrap();
    broken[0] ^= 1;
    let cases: [(&[u8], &str); 6] = [
        (b"", "it is no tar archive: the file is empty"),
        (b"{\"a\":1}", "it is no tar archive: it does not begin as one does"),
        (&[b'x'; 2000], "it is no tar archive: it does not begin as one does"),
        (b"\x1f\x8b\x08", "this is compressed with gzip; decompress it first"),
        (b"\x28\xb5\x2f\xfd\x04", "this is compressed with zstd; decompress it first"),
        (b"-----BEGIN PUBLIC KEY-----\n", "it is no tar archive: this is a PEM file"),
    ];
    for (bytes, want) in cases {
        fs::write(&file, bytes).unwrap();
        for location in [Location::OciArchive(file.clone()), Location::DockerArchive(file.clone())]
        {
            let error = open_at(location, Selector::Only).await.map(drop).unwrap_err();
            let finding = error.into_finding(crate::finding::Subject::Run);
            assert_eq!(finding.code, crate::finding::Code::SourceUnreadable, "{finding:?}");
            let why = finding.facts[&crate::finding::Key::Why].to_string();
            assert!(why.contains(want), "{why}");
        }
    }
    // What says that it is one, and is damaged, is an archive.
    for bytes in [&broken[..], &broken[..300]] {
        fs::write(&file, bytes).unwrap();
        let error = open_at(Location::OciArchive(file.clone()), Selector::Only).await.map(drop);
        assert_eq!(code(error.unwrap_err()), Code::ImageMalformed);
    }
    // The end of a tar, and nothing before it: an archive of nothing.
    fs::write(&file, [0; 1024]).unwrap();
    let error = open_at(Location::OciArchive(file.clone()), Selector::Only).await.map(drop);
    assert!(error.unwrap_err().to_string().contains("neither index.json"));
    let wrong = [
        (Location::Layout(file), "it is a file; an image in one is oci-archive:FILE"),
        (
            Location::OciArchive(folder.path().to_owned()),
            "it is a folder; a layout in one is oci:DIR",
        ),
        (Location::Layout(folder.path().to_owned()), "the file oci-layout of a layout is not at"),
    ];
    for (location, want) in wrong {
        let error = open_at(location, Selector::Only).await.map(drop).unwrap_err().to_string();
        assert!(error.contains(want), "{error}");
    }
}

/// Names with what they hold, as a tar file.
fn tar_of(members: &[(&str, &[u8])], file: &Path) {
    let mut tar = tar::Builder::new(fs::File::create(file).unwrap());
    for (name, bytes) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        match bytes.strip_prefix(b"link:") {
            Some(target) => {
                header.set_entry_type(tar::EntryType::Symlink);
                header.set_size(0);
                let target = std::str::from_utf8(target).unwrap();
                tar.append_link(&mut header, name, target).unwrap();
            }
            None => tar.append_data(&mut header, name, *bytes).unwrap(),
        }
    }
    tar.finish().unwrap();
}

fn config(layers: &[&[u8]]) -> Vec<u8> {
    let diff_ids: Vec<String> = layers.iter().map(|l| Digest::sha256(l).to_string()).collect();
    let rootfs = json!({"type": "layers", "diff_ids": diff_ids});
    json!({"os": "linux", "architecture": "amd64", "rootfs": rootfs}).to_string().into_bytes()
}

fn manifest(layers: &[&str], tags: &[&str]) -> Vec<u8> {
    json!([{"Config": "c.json", "RepoTags": tags, "Layers": layers}]).to_string().into_bytes()
}

#[tokio::test]
async fn the_old_form_gets_a_manifest_that_depends_on_content_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (config, layers) = (config(&[b"one", b"two"]), ["a/layer.tar", "b/layer.tar"]);
    let listing = manifest(&layers, &["app:v1", "r.example/app:v2"]);
    let first = folder.path().join("first.tar");
    tar_of(
        &[
            ("c.json", &config),
            ("a/layer.tar", b"one"),
            ("b/layer.tar", b"two"),
            ("manifest.json", &listing),
        ],
        &first,
    );
    let second = folder.path().join("second.tar");
    tar_of(
        &[
            ("manifest.json", &listing),
            ("x/layer.tar", b"two"),
            ("b/layer.tar", b"link:../x/layer.tar"),
            ("a/layer.tar", b"one"),
            ("c.json", &config),
            ("repositories", b"{}"),
        ],
        &second,
    );
    let mut digests = Vec::new();
    for file in [first, second] {
        for selector in [Selector::Only, Selector::Tag("v1".into()), Selector::Tag("v2".into())] {
            let location = Location::DockerArchive(file.clone());
            let (source, reference) = open_at(location, selector).await.unwrap();
            let images =
                load(&*source, &reference, &PlatformChoice::Host, &limits()).await.unwrap();
            assert_eq!(images[0].manifest.layers.len(), 2);
            digests.push(reference.digest);
        }
        closure(Location::DockerArchive(file.clone())).await.unwrap();
        let error = closure(Location::OciArchive(file)).await.unwrap_err();
        assert!(error.to_string().contains("docker-archive:"), "{error}");
    }
    digests.dedup();
    // Written down once: the digest must not change from one version of hallmark to the next.
    let want = "sha256:7be68741ae4799c844a26ce801bd1512481c9394bb6818cda9a296e163ef5c50";
    let got: Vec<String> = digests.iter().map(ToString::to_string).collect();
    assert_eq!(got, [want]);
}

#[tokio::test]
async fn old_archives_that_do_not_hold_together_are_refused() {
    let good = config(&[b"one"]);
    let list = manifest(&["l.tar"], &[]);
    let up = manifest(&["../l.tar"], &[]);
    type Members<'a> = &'a [(&'a str, &'a [u8])];
    let cases: [(&str, Members, Option<Code>); 10] = [
        ("whole", &[("manifest.json", &list), ("c.json", &good), ("l.tar", b"one")], None),
        ("no layer", &[("manifest.json", &list), ("c.json", &good)], Some(Code::ImageMalformed)),
        ("no config", &[("manifest.json", &list), ("l.tar", b"one")], Some(Code::ImageMalformed)),
        ("no manifest", &[("c.json", &good), ("l.tar", b"one")], Some(Code::ImageMalformed)),
        (
            "a name twice",
            &[("manifest.json", &list), ("c.json", &good), ("l.tar", b"one"), ("l.tar", b"two")],
            Some(Code::ImageMalformed),
        ),
        (
            "a path out of the archive",
            &[("manifest.json", &up), ("c.json", &good), ("l.tar", b"one")],
            Some(Code::ImageMalformed),
        ),
        (
            "a link out of the archive",
            &[("manifest.json", &list), ("c.json", &good), ("l.tar", b"link:../../etc/passwd")],
            Some(Code::ImageMalformed),
        ),
        (
            "a link to the machine",
            &[("manifest.json", &list), ("c.json", &good), ("l.tar", b"link:/etc/passwd")],
            Some(Code::ImageMalformed),
        ),
        (
            "a link to itself",
            &[("manifest.json", &list), ("c.json", &good), ("l.tar", b"link:l.tar")],
            Some(Code::ImageMalformed),
        ),
        (
            "no JSON",
            &[("manifest.json", b"[{}]"), ("c.json", &good), ("l.tar", b"one")],
            Some(Code::ImageMalformed),
        ),
    ];
    for (name, members, want) in cases {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.tar");
        tar_of(members, &file);
        let got = closure(Location::DockerArchive(file)).await;
        assert_eq!(got.clone().err().map(code), want, "{name}: {got:?}");
    }
}

#[tokio::test]
async fn what_is_no_plain_tar_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.tar");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&[0; 1024]).unwrap();
    let gzip = gzip.finish().unwrap();
    let cases: [(&[u8], &str); 4] = [
        (&gzip, "decompress it first"),
        (b"", "empty"),
        (&[b'x'; 1024], "it is no tar archive"),
        (&[0; 1024], "neither index.json nor manifest.json"),
    ];
    for (bytes, want) in cases {
        fs::write(&file, bytes).unwrap();
        for location in [Location::OciArchive, Location::DockerArchive] {
            let error = closure(location(file.clone())).await.unwrap_err();
            assert!(error.to_string().contains(want), "{want}: {error}");
        }
    }
    // A pipe would be waited for.
    let pipe = folder.path().join("pipe.tar");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for path in [pipe, folder.path().to_path_buf()] {
        let error = closure(Location::DockerArchive(path)).await.unwrap_err();
        assert_eq!(code(error), Code::SourceUnreadable);
    }
    let nowhere = Location::OciArchive(folder.path().join("nowhere.tar"));
    assert_eq!(code(closure(nowhere).await.unwrap_err()), Code::SourceNotFound);
}

#[tokio::test]
async fn extended_headers_are_read_and_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.tar");
    let (good, list) = (config(&[b"one"]), manifest(&["renamed.tar"], &[]));
    for (path, want) in [("renamed.tar", true), (&*"x".repeat(2 << 20), false)] {
        let mut tar = tar::Builder::new(fs::File::create(&file).unwrap());
        let members: [(&str, &[u8]); 2] = [("manifest.json", &list), ("c.json", &good)];
        for (name, bytes) in members {
            let mut header = tar::Header::new_ustar();
            header.set_size(bytes.len() as u64);
            tar.append_data(&mut header, name, bytes).unwrap();
        }
        tar.append_pax_extensions([("path", path.as_bytes())]).unwrap();
        let mut header = tar::Header::new_ustar();
        header.set_size(3);
        tar.append_data(&mut header, "l.tar", &b"one"[..]).unwrap();
        tar.finish().unwrap();
        let got = closure(Location::DockerArchive(file.clone())).await;
        assert_eq!(got.is_ok(), want, "{got:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_damaged_archive_never_panics(
        damage in prop::collection::vec((0usize..8192, any::<u8>()), 1..4),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.tar");
        let (good, list) = (config(&[b"one"]), manifest(&["l.tar"], &[]));
        tar_of(&[("manifest.json", &list), ("c.json", &good), ("l.tar", b"one")], &file);
        let mut bytes = fs::read(&file).unwrap();
        for (at, value) in damage {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
        }
        fs::write(&file, bytes).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        // A changed layer gives another digest, which is another image; what loads holds together.
        let _ = runtime.block_on(closure(Location::DockerArchive(file)));
    }
}
