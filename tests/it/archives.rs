//! Images and archives that lie (attacks D1 to D10 of `docs/attacks.md`), and what bombs may take.

use std::{fs, process::Command};

use serde_json::{Value, json};

use crate::{
    layouts::{Layout, Parts, digest, gzip, tar},
    server::{Registry, Reply, World},
    support::{Answer, Hallmark},
};

const APP: &[u8] = b"#!/bin/sh\necho hello\n";

fn honest() -> Parts {
    Parts::new(&[("bin/app", APP)])
}

/// An image with this layer, under a configuration and manifest that fit.
fn with_tar(tar: Vec<u8>) -> Parts {
    let mut parts = honest();
    parts.layer = gzip(&tar);
    parts.config["rootfs"]["diff_ids"] = json!([digest(&tar)]);
    parts.tar = tar;
    parts.relink();
    parts
}

fn entries(build: impl FnOnce(&mut tar::Builder<Vec<u8>>)) -> Parts {
    let mut builder = tar::Builder::new(Vec::new());
    build(&mut builder);
    with_tar(builder.into_inner().unwrap())
}

fn header(kind: tar::EntryType, size: usize) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(kind);
    header.set_size(size as u64);
    header.set_mode(0o644);
    header.set_mtime(1_700_000_000);
    header
}

fn verify(layout: &Layout) -> Answer {
    Hallmark::new([
        "verify",
        "--no-rebuild",
        "--policy",
        "reproducible",
        "--platform",
        "linux/amd64",
    ])
    .arg(layout.reference())
    .run()
}

fn diff(left: &Parts, right: &Parts) -> Answer {
    let (left, right) = (Layout::of(left), Layout::of(right));
    Hallmark::new(["diff", "--platform", "linux/amd64"])
        .arg(left.reference())
        .arg(right.reference())
        .run()
}

/// Wants a failing verdict for this reason.
#[track_caller]
fn refused(name: &str, answer: &Answer, code: &str) {
    assert!([1, 3].contains(&answer.code), "{name}: {}", answer.all());
    assert!(answer.all().contains(&format!("error[{code}")), "{name}: {}", answer.all());
    answer.says_not("PASS");
}

#[test]
fn d1_other_bytes_under_a_digest_are_never_read() {
    let world = World::new();
    let parts = &world.parts;
    let (config, manifest) = (parts.config.to_string(), parts.manifest.to_string());
    let mut layer = parts.layer.clone();
    let middle = layer.len() / 2;
    layer[middle] ^= 1;
    let targets = [
        ("manifest", world.image.clone(), manifest.replace("gzip", "zstd").into_bytes()),
        ("configuration", digest(config.as_bytes()), config.replace("amd64", "amd65").into_bytes()),
        ("layer", digest(&parts.layer), layer),
    ];
    for (name, target, other) in targets {
        let (end, kind) = (target.clone(), "application/vnd.oci.image.manifest.v1+json");
        let handler = move |request: &crate::server::Request, _| {
            // The header vouches for what the body is not.
            let reply = Reply::new(200).with("Content-Type", kind);
            let reply = reply.with("Docker-Content-Digest", target.clone()).bytes(other.clone());
            request.path().ends_with(&end).then_some(reply)
        };
        let registry = Registry::start(world.store.clone(), Box::new(handler));
        let image = registry.image(&world.image);
        let answer = Hallmark::new(["verify", &image]).config(&world.config("baseline")).run();
        refused(name, &answer, "image-digest-mismatch");
    }
}

#[test]
fn d2_a_document_of_two_kinds_is_neither() {
    let mut both = honest();
    both.manifest["manifests"] = json!([]);
    refused("manifest and index", &verify(&Layout::of(&both)), "image-malformed");
    let mut other = honest();
    other.manifest["mediaType"] = json!("application/vnd.oci.image.index.v1+json");
    refused("a manifest that calls itself an index", &verify(&Layout::of(&other)), "image-");
    let layout = Layout::of(&honest());
    verify(&layout).says_not("image-malformed");
}

#[test]
fn d3_every_manifest_that_a_node_could_take_is_judged() {
    let (good, evil) = (honest(), Parts::new(&[("bin/app", b"evil")]));
    let layout = Layout::of(&good);
    let mut entries = Vec::new();
    for parts in [&good, &evil] {
        layout.blob(&parts.layer);
        layout.blob(parts.config.to_string().as_bytes());
        let manifest = parts.manifest.to_string();
        entries.push(json!({
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": layout.blob(manifest.as_bytes()), "size": manifest.len(),
            "platform": {"os": "linux", "architecture": "amd64"},
        }));
    }
    layout.nest(&Value::Array(entries));
    let answer = verify(&layout);
    for parts in [&good, &evil] {
        answer.says(&digest(parts.manifest.to_string().as_bytes()));
    }
    let mut foreign = honest();
    foreign.manifest["layers"][0]["urls"] = json!(["https://elsewhere.example/layer"]);
    foreign.manifest["layers"][0]["mediaType"] =
        json!("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip");
    refused("a layer from elsewhere", &verify(&Layout::of(&foreign)), "image-");
}

#[test]
fn d4_bytes_that_no_section_accounts_for_are_refused() {
    let mut tail = honest().tar;
    tail.extend_from_slice(&tar(&[("bin/hidden", b"x")]));
    refused(
        "a second archive behind the end of the first",
        &verify(&Layout::of(&with_tar(tail))),
        "image-layer-",
    );
    let mut padding = honest().tar;
    let last = padding.len() - 1;
    padding[last] = 1;
    refused("a byte in the padding", &verify(&Layout::of(&with_tar(padding))), "image-layer-");
}

#[test]
fn d5_sizes_that_readers_take_differently_are_refused() {
    let inner = tar(&[("bin/smuggled", b"evil")]);
    for (pax, real) in [("0", inner.len()), ("512", inner.len()), ("999999999", 0)] {
        let parts = entries(|builder| {
            builder.append_pax_extensions([("size", pax.as_bytes())]).unwrap();
            let mut header = header(tar::EntryType::Regular, real);
            let content = inner.get(..real).unwrap_or_default();
            builder.append_data(&mut header, "bin/app", content).unwrap();
        });
        let answer = verify(&Layout::of(&parts));
        refused(pax, &answer, "image-layer-");
        answer.says_not("smuggled");
    }
}

#[test]
fn d6_paths_and_links_that_leave_the_root_write_nothing() {
    let outside = tempfile::tempdir().unwrap();
    let target = outside.path().display().to_string();
    let through_a_link = entries(|builder| {
        let mut link = header(tar::EntryType::Symlink, 0);
        builder.append_link(&mut link, "out", &target).unwrap();
        builder
            .append_data(&mut header(tar::EntryType::Regular, 4), "out/evil", &b"evil"[..])
            .unwrap();
    });
    verify(&Layout::of(&through_a_link));
    diff(&honest(), &through_a_link).exits(1).says("R0 different");
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0, "nothing is ever unpacked");
    let raw = |name: &[u8], link: &[u8], kind| {
        let mut header = header(kind, 0);
        header.as_old_mut().name[..name.len()].copy_from_slice(name);
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link);
        header.set_cksum();
        entries(|builder| builder.append(&header, &[][..]).unwrap())
    };
    let cases = [
        ("a path", raw(b"../../etc/evil", b"", tar::EntryType::Regular)),
        ("a path in the middle", raw(b"a/../../evil", b"", tar::EntryType::Regular)),
        ("a hard link", raw(b"link", b"../../etc/shadow", tar::EntryType::Link)),
    ];
    for (name, parts) in cases {
        refused(name, &verify(&Layout::of(&parts)), "image-layer-");
    }
}

#[test]
fn d7_trees_that_only_look_alike_are_different() {
    let base = Parts::new(&[("bin/app", APP), ("etc/name", b"x")]);
    let cases: [(&str, Parts); 6] = [
        ("composed", Parts::new(&[("bin/app", APP), ("etc/name", b"x"), ("etc/\u{e9}", b"")])),
        ("decomposed", Parts::new(&[("bin/app", APP), ("etc/name", b"x"), ("etc/e\u{301}", b"")])),
        ("another case", Parts::new(&[("bin/App", APP), ("etc/name", b"x")])),
        (
            "a whiteout",
            Parts::new(&[("bin/app", APP), ("etc/name", b"x"), ("etc/.wh.passwd", b"")]),
        ),
        (
            "twice, the last as before",
            Parts::new(&[("bin/app", b"evil"), ("bin/app", APP), ("etc/name", b"x")]),
        ),
        (
            "twice, the first as before",
            Parts::new(&[("bin/app", APP), ("bin/app", b"evil"), ("etc/name", b"x")]),
        ),
    ];
    for (name, other) in &cases {
        for answer in [diff(&base, other), diff(other, &base)] {
            assert!(answer.stdout.contains("R0 different"), "{name}: {}", answer.all());
        }
    }
    diff(&cases[0].1, &cases[1].1).exits(1).says("R0 different");
}

#[test]
fn d8_equal_sizes_are_not_equal_contents() {
    for (at, changed) in [(0, 0_u8), (APP.len() / 2, b'X'), (APP.len() - 1, b'\r')] {
        let mut other = APP.to_vec();
        other[at] = changed;
        let answer = diff(&honest(), &Parts::new(&[("bin/app", &other)]));
        answer.exits(1).says("R0 different").says("/bin/app: content [class O: content]");
    }
    diff(&honest(), &honest()).exits(0).says("R5 manifest-identical");
}

#[test]
fn d9_bytes_behind_a_compressed_layer_are_refused() {
    let behind = |tail: &[u8]| {
        let mut parts = honest();
        parts.layer.extend_from_slice(tail);
        parts.relink();
        parts
    };
    let cases = [
        ("rubbish", b"trailing".to_vec(), "image-layer-corrupt"),
        ("zeros", vec![0; 512], "image-layer-corrupt"),
        ("a member with another archive", gzip(&tar(&[("bin/evil", b"x")])), "image-"),
        ("half a member", gzip(b"x")[..9].to_vec(), "image-layer-corrupt"),
    ];
    for (name, tail, code) in cases {
        let parts = behind(&tail);
        refused(name, &verify(&Layout::of(&parts)), code);
        let answer = diff(&honest(), &parts);
        assert_ne!(answer.code, 0, "{name}: {}", answer.all());
    }
}

#[test]
fn d10_a_digest_is_never_a_path() {
    let upper = format!("sha256:{}", "A".repeat(64));
    let long = format!("sha256:{}", "a".repeat(65));
    let path = format!("sha256:{}", "../".repeat(21) + "x");
    for text in [
        "sha256:../../../etc/passwd",
        "sha256:abc",
        "",
        "md5:d41d8cd98f00b204e9800998ecf8427e",
        upper.as_str(),
        long.as_str(),
        path.as_str(),
    ] {
        for place in ["config", "layers"] {
            let mut parts = honest();
            let field = match place {
                "config" => &mut parts.manifest["config"],
                _ => &mut parts.manifest["layers"][0],
            };
            field["digest"] = json!(text);
            refused(text, &verify(&Layout::of(&parts)), "image-malformed");
        }
        let layout = Layout::of(&honest());
        let reference = format!("{}@{text}", layout.reference());
        let answer = Hallmark::new(["verify", &reference]).run();
        assert!([2, 3].contains(&answer.code), "{text}: {}", answer.all());
    }
}

/// Bombs, read by a program that may not have more than so much memory.
#[test]
fn c5_bombs_end_in_a_finding_within_bounded_memory() {
    const MEMORY_KIB: u32 = 1 << 20;
    let zeros = |mib: usize| vec![0_u8; mib << 20];
    // Many members or frames, all of them zeros: the sum counts.
    let repeated = |member: Vec<u8>, count: usize| {
        let mut parts = with_tar(tar(&[("a", b"x")]));
        parts.layer = std::iter::repeat_n(member, count).collect::<Vec<_>>().concat();
        parts.relink();
        parts
    };
    let mut zstd_bomb = repeated(zstd::encode_all(zeros(48).as_slice(), 1).unwrap(), 2);
    zstd_bomb.manifest["layers"][0]["mediaType"] =
        json!("application/vnd.oci.image.layer.v1.tar+zstd");
    let pax = entries(|builder| {
        let value = "x".repeat(8 << 20);
        builder.append_pax_extensions([("comment", value.as_bytes())]).unwrap();
        builder.append_data(&mut header(tar::EntryType::Regular, 0), "f", &[][..]).unwrap();
    });
    let cases = [
        ("gzip", repeated(gzip(&zeros(48)), 2)),
        ("zstd", zstd_bomb),
        ("a thousand members", repeated(gzip(&zeros(1)), 1000)),
        ("PAX records", pax),
    ];
    // The same as with the limits that hallmark has, only sooner.
    let config = tempfile::NamedTempFile::new().unwrap();
    fs::write(config.path(), "version: 1\nlimits: {inflateFreeBytes: 64MiB}\n").unwrap();
    for (name, bomb) in cases {
        let (honest, evil) = (Layout::of(&honest()), Layout::of(&bomb));
        let good = honest.reference();
        let scratch = tempfile::tempdir().unwrap();
        for arguments in [
            vec!["verify", "--no-rebuild", "--policy", "reproducible", "--platform", "linux/amd64"],
            vec!["diff", "--platform", "linux/amd64", good.as_str()],
        ] {
            let limited = format!("ulimit -v {MEMORY_KIB}; exec \"$0\" \"$@\"");
            let output = Command::new("sh")
                .args(["-c", &limited, env!("CARGO_BIN_EXE_hallmark")])
                .args(&arguments)
                .arg(evil.reference())
                .arg("--config")
                .arg(config.path())
                .env_clear()
                .env("TMPDIR", scratch.path())
                .env("HOME", scratch.path())
                .output()
                .unwrap();
            let said = [output.stdout, output.stderr].concat();
            let said = String::from_utf8_lossy(&said);
            assert!(
                matches!(output.status.code(), Some(1 | 3)),
                "{name}: {:?} {said}",
                output.status
            );
            assert!(said.contains("limit"), "{name}: {said}");
            assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 0, "{name}: a file is left");
        }
    }
}

/// H18: what is stored otherwise than its type says, without an end mark, or mostly zeros, is read as runtimes read it.
#[test]
fn h18_layers_are_read_as_runtimes_read_them() {
    const DOCKER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
    const OCI: &str = "application/vnd.oci.image.layer.v1.tar";
    let verified = |parts: &Parts| {
        let layout = Layout::of(parts);
        let arguments = ["verify", "--no-rebuild", "--policy", "reproducible"];
        let answer = Hallmark::new(arguments).arg(layout.reference()).arg("-o").arg("json").run();
        answer.stdout
    };
    let typed = |media_type: &str, plain: bool| {
        let mut parts = honest();
        if plain {
            parts.layer = parts.tar.clone();
        }
        parts.relink();
        parts.manifest["layers"][0]["mediaType"] = json!(media_type);
        parts
    };
    let mislabelled = verified(&typed(DOCKER, true));
    assert!(mislabelled.contains("image-layer-mislabelled"), "{mislabelled}");
    assert!(!mislabelled.contains("image-layer-corrupt"), "{mislabelled}");
    let right = verified(&typed(DOCKER, false));
    assert!(!right.contains("image-layer-mislabelled"), "{right}");
    for suffix in ["+gzip", "+zstd"] {
        let hinted = verified(&typed(&format!("{OCI}{suffix}"), true));
        assert!(hinted.contains("image-layer-mislabelled"), "{hinted}");
        assert!(!hinted.contains("image-layer-corrupt"), "{hinted}");
    }
    let refused = verified(&typed(OCI, false));
    assert!(refused.contains("image-layer-corrupt"), "{refused}");
    assert!(refused.contains("is gzip, and its media type"), "{refused}");
    assert!(refused.contains("says uncompressed"), "{refused}");
    // A tar that ends after its last entry, and one that is cut inside it.
    let whole = tar(&[("b", &[b'x'; 600])]);
    for (length, corrupt) in [(whole.len() - 1024, false), (whole.len() - 1536, true)] {
        let found = verified(&with_tar(whole[..length].to_vec()));
        assert_eq!(found.contains("image-layer-corrupt"), corrupt, "{length}: {found}");
    }
    let sparse = verified(&with_tar(tar(&[("disk", &vec![0; 100 << 20])])));
    assert!(!sparse.contains("limit-exceeded") && !sparse.contains("corrupt"), "{sparse}");
}

/// H10: a layer writes and whites out below a link of a lower layer, which overlayfs hides and vfs follows.
#[test]
fn h10_a_layer_that_writes_through_a_link_of_a_lower_layer_is_ambiguous() {
    let link = |builder: &mut tar::Builder<Vec<u8>>| {
        let data = b"real".as_slice();
        builder.append_data(&mut header(tar::EntryType::Regular, 4), "usr/lib/real", data).unwrap();
        let mut link = header(tar::EntryType::Symlink, 0);
        builder.append_link(&mut link, "lib", "usr/lib").unwrap();
    };
    for (name, ambiguous) in [("lib/x", true), ("lib/.wh.real", true), ("usr/lib/x", false)] {
        let mut parts = entries(link);
        let upper = tar(&[(name, b"")]);
        let stored = gzip(&upper);
        parts.config["rootfs"]["diff_ids"].as_array_mut().unwrap().push(json!(digest(&upper)));
        parts.config["history"] = json!([]);
        parts.relink();
        let layer = json!({
            "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
            "digest": digest(&stored), "size": stored.len(),
        });
        parts.manifest["layers"].as_array_mut().unwrap().push(layer);
        let layout = Layout::of(&parts);
        layout.blob(&stored);
        let arguments = ["verify", "--no-rebuild", "--policy", "reproducible"];
        let answer = Hallmark::new(arguments).arg(layout.reference()).arg("-o").arg("json").run();
        let found = answer.stdout.contains("image-layer-ambiguous");
        assert_eq!(found, ambiguous, "{name}: {}", answer.stdout);
        let why = "a parent of it is a symbolic link of a lower layer";
        assert_eq!(answer.stdout.contains(why), ambiguous, "{name}: {}", answer.stdout);
    }
}

/// An archive of members, each by its name.
fn archive(layout: &Layout, more: &[(&str, &[u8])]) -> tar::Builder<Vec<u8>> {
    let mut builder = tar::Builder::new(Vec::new());
    for name in ["oci-layout", "index.json", "blobs"] {
        let path = layout.path().join(name);
        match path.is_dir() {
            true => builder.append_dir_all(name, &path).unwrap(),
            false => builder.append_path_with_name(&path, name).unwrap(),
        }
    }
    more.iter().for_each(|(name, content)| put(&mut builder, name, content));
    builder
}

/// A member whose name is written as it is.
fn put(builder: &mut tar::Builder<Vec<u8>>, name: &str, content: &[u8]) {
    let mut header = header(tar::EntryType::Regular, content.len());
    header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
    header.set_cksum();
    builder.append(&header, content).unwrap();
}

fn blob(bytes: &[u8]) -> String {
    digest(bytes).replace("sha256:", "blobs/sha256/")
}

/// The older table, of one image.
fn older(parts: &Parts) -> Vec<u8> {
    let config = parts.config.to_string();
    let image = json!({
        "Config": blob(config.as_bytes()), "RepoTags": ["demo/two:1"], "Layers": [blob(&parts.layer)],
    });
    json!([image]).to_string().into_bytes()
}

#[test]
fn h1_an_archive_has_one_image_for_whoever_reads_it() {
    let (honest, evil) = (honest(), Parts::new(&[("bin/app", b"#!/bin/sh\necho evil\n")]));
    let layout = Layout::of(&honest);
    let config = evil.config.to_string();
    let (config_name, layer_name) = (blob(config.as_bytes()), blob(&evil.layer));
    let blobs = [(config_name.as_str(), config.as_bytes()), (layer_name.as_str(), &evil.layer)];
    let (of_evil, of_honest) = (older(&evil), older(&honest));
    let with =
        |more: &[(&str, &[u8])]| archive(&layout, &[&blobs, more].concat()).into_inner().unwrap();
    let two_names = {
        let mut builder = archive(&layout, &blobs);
        let mut long = header(tar::EntryType::GNULongName, 11);
        long.set_path("././@LongLink").unwrap();
        long.set_cksum();
        builder.append(&long, &b"index.json\0"[..]).unwrap();
        builder.append_pax_extensions([("path", &b"harmless"[..])]).unwrap();
        put(&mut builder, "harmless", b"{}");
        builder.into_inner().unwrap()
    };
    let oldest: (&str, &[u8]) = ("repositories", b"{}");
    let cases: [(&str, Vec<u8>, Option<&str>); 8] = [
        ("one table", with(&[]), None),
        ("two that agree", with(&[("manifest.json", &of_honest)]), None),
        (
            "the older names another",
            with(&[("manifest.json", &of_evil)]),
            Some("names an image that index.json does not"),
        ),
        ("Docker's oldest", with(&[oldest]), Some("repositories, and no manifest.json")),
        ("a name to be cleaned", with(&[("x/../index.json", b"{}")]), Some("..")),
        ("the same for the older table", with(&[("x/../manifest.json", &of_evil)]), Some("..")),
        ("one name twice", with(&[("./index.json", b"{}")]), Some("index.json is in it twice")),
        ("two sources of one name", two_names, Some("differently")),
    ];
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes, says) in cases {
        let file = folder.path().join("image.tar");
        fs::write(&file, bytes).unwrap();
        for kind in ["oci-archive", "docker-archive"] {
            let answer = Hallmark::new(["inspect", &format!("{kind}:{}", file.display())]).run();
            match says {
                None => drop(answer.exits(0)),
                Some(says) => drop(answer.exits(1).says("image-malformed").says(says)),
            }
            assert!(
                says.is_some() || answer.all().contains("linux/amd64"),
                "{name}: {}",
                answer.all()
            );
        }
    }
}

#[test]
fn h1_what_could_run_beside_an_image_is_not_passed_over() {
    let (honest, evil) = (honest(), Parts::new(&[("bin/app", b"#!/bin/sh\necho evil\n")]));
    let manifest = honest.manifest.to_string();
    let entry = |manifest: &Value, more: &Value| {
        let text = manifest.to_string();
        let mut entry = json!({
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": digest(text.as_bytes()), "size": text.len(),
            "annotations": {"io.containerd.image.name": "docker.io/demo/two:1"},
            "platform": {"os": "linux", "architecture": "amd64"},
        });
        more.as_object().unwrap().iter().for_each(|(key, value)| entry[key] = value.clone());
        entry
    };
    let mut about = evil.manifest.clone();
    about["subject"] = json!({
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": digest(manifest.as_bytes()), "size": manifest.len(),
    });
    let mut renamed = evil.manifest.clone();
    renamed["config"]["mediaType"] = json!("application/vnd.example.config+json");
    let mut artifact = evil.manifest.clone();
    artifact["layers"][0]["mediaType"] = json!("application/vnd.in-toto+json");
    let unknown = json!({"platform": {"os": "unknown", "architecture": "unknown"}});
    let as_tag = json!({"annotations": {
        "org.opencontainers.image.ref.name": format!("sha256-{}", "0".repeat(64)),
        "io.containerd.image.name": "docker.io/demo/two:1",
    }});
    let kind = json!({"annotations": {
        "kind": "dev.cosignproject.cosign/sigs", "io.containerd.image.name": "docker.io/demo/two:1",
    }});
    let cases = [
        ("nothing more", None, true),
        ("an image", Some((&evil.manifest, json!({}))), false),
        ("with a subject", Some((&about, json!({}))), false),
        (
            "with an artifact type",
            Some((&evil.manifest, json!({"artifactType": "application/vnd.example"}))),
            false,
        ),
        ("for no platform", Some((&evil.manifest, unknown.clone())), false),
        ("named as evidence is", Some((&evil.manifest, as_tag)), false),
        ("called a signature", Some((&evil.manifest, kind)), false),
        (
            "with another type of configuration",
            Some((&renamed, json!({"artifactType": "application/vnd.example"}))),
            false,
        ),
        ("evidence", Some((&artifact, unknown)), true),
    ];
    for (name, beside, is_one) in cases {
        let layout = Layout::of(&honest);
        layout.blob(evil.config.to_string().as_bytes());
        layout.blob(&evil.layer);
        let mut entries = vec![entry(&honest.manifest, &json!({"annotations": {}}))];
        if let Some((manifest, more)) = beside {
            layout.blob(manifest.to_string().as_bytes());
            entries.push(entry(manifest, &more));
        }
        layout.index(&json!(entries));
        let answer = Hallmark::new(["inspect", &layout.reference()]).run();
        match is_one {
            true => assert_eq!(answer.code, 0, "{name}: {}", answer.all()),
            false => assert!(
                answer.code == 3 && answer.all().contains("source-ambiguous"),
                "{name}: {}",
                answer.all()
            ),
        }
    }
}
