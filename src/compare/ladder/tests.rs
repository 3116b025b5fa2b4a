//! Twins of one image, each with one change, held against it in both directions.

use std::io::{Cursor, Write};

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};
use tar::{Builder, EntryType, Header};

use super::*;
use crate::{
    compare::{AllowedClass, Layers, SideLayers},
    digest::{BlobDigest, ConfigDigest, ManifestDigest},
    image::{Checked, ImageConfig, Manifest, MediaType},
};

/// An entry of a test layer; the default is a file that root owns.
#[derive(Clone, Debug)]
struct Item {
    path: &'static str,
    kind: EntryType,
    content: Vec<u8>,
    mode: u32,
    uid: u64,
    gid: u64,
    mtime: u64,
    link: &'static str,
    uname: &'static str,
    xattr: Option<(&'static str, &'static [u8])>,
    /// PAX records by their whole names.
    records: Vec<(&'static str, &'static [u8])>,
}

fn file(path: &'static str, content: &str) -> Item {
    Item {
        path,
        kind: EntryType::Regular,
        content: content.as_bytes().to_vec(),
        mode: 0o644,
        uid: 0,
        gid: 0,
        mtime: 1,
        link: "",
        uname: "root",
        xattr: None,
        records: Vec::new(),
    }
}

fn special(path: &'static str, kind: EntryType, link: &'static str) -> Item {
    Item { kind, link, mode: 0o755, ..file(path, "") }
}

fn archive(items: &[Item]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for item in items {
        let mut header = Header::new_ustar();
        header.set_entry_type(item.kind);
        header.set_mode(item.mode);
        header.set_uid(item.uid);
        header.set_gid(item.gid);
        header.set_mtime(item.mtime);
        header.set_size(item.content.len() as u64);
        header.set_username(item.uname).unwrap();
        if matches!(item.kind, EntryType::Char | EntryType::Block) {
            header.set_device_major(1).unwrap();
            header.set_device_minor(item.link.parse().unwrap()).unwrap();
        }
        if let Some((name, value)) = item.xattr {
            let key = format!("SCHILY.xattr.{name}");
            builder.append_pax_extensions([(key.as_str(), value)]).unwrap();
        }
        if !item.records.is_empty() {
            builder.append_pax_extensions(item.records.iter().copied()).unwrap();
        }
        // The library would clean names up.
        let old = header.as_old_mut();
        old.name[..item.path.len()].copy_from_slice(item.path.as_bytes());
        if matches!(item.kind, EntryType::Symlink | EntryType::Link) {
            old.linkname[..item.link.len()].copy_from_slice(item.link.as_bytes());
        }
        header.set_cksum();
        builder.append(&header, item.content.as_slice()).unwrap();
    }
    builder.into_inner().unwrap()
}

/// How a test layer is stored.
#[derive(Clone, Copy, Debug)]
enum Stored {
    Plain,
    Gzip(u32),
    Zstd,
}

impl Stored {
    fn media_type(self) -> String {
        let suffix = match self {
            Self::Plain => "",
            Self::Gzip(_) => "+gzip",
            Self::Zstd => "+zstd",
        };
        format!("{}{suffix}", MediaType::OCI_LAYER)
    }

    fn pack(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Plain => bytes.to_vec(),
            Self::Gzip(level) => {
                let level = flate2::Compression::new(level);
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
            Self::Zstd => zstd::encode_all(bytes, 3).unwrap(),
        }
    }
}

/// What a test image is made of.
#[derive(Clone, Debug)]
struct Recipe {
    layers: Vec<Vec<Item>>,
    stored: Stored,
    /// The media type of the layers, where it is not that of how they are stored.
    labelled: Option<&'static str>,
    config: Value,
    lie: bool,
    annotation: &'static str,
    /// Changes the manifest.
    envelope: fn(&mut Value),
    /// Changes the entry of an index that lists the manifest; `None` without an index.
    listed: Option<fn(&mut Value)>,
    /// Changes the stored bytes of every layer, before they are hashed.
    spoil: fn(Vec<u8>) -> Vec<u8>,
}

type Change = fn(&mut Recipe);
type BoxedChange = Box<dyn FnOnce(&mut Recipe)>;

struct Image {
    manifest: Manifest,
    index: Option<crate::image::Index>,
    config: ImageConfig,
    blobs: Vec<Vec<u8>>,
}

impl Layers for Image {
    fn open(&self, position: usize) -> std::io::Result<Box<dyn std::io::Read + Send>> {
        match self.blobs.get(position) {
            Some(blob) if !blob.is_empty() => Ok(Box::new(Cursor::new(blob.clone()))),
            _ => Err(std::io::Error::other("must not be opened")),
        }
    }
}

impl Recipe {
    fn build(&self) -> Image {
        let tars: Vec<Vec<u8>> = self.layers.iter().map(|items| archive(items)).collect();
        let mut diff_ids: Vec<String> =
            tars.iter().map(|tar| DiffId::of(tar).to_string()).collect();
        if self.lie {
            diff_ids[0] = DiffId::of(b"lie").to_string();
        }
        let blobs: Vec<_> = tars.iter().map(|tar| (self.spoil)(self.stored.pack(tar))).collect();
        let mut config = self.config.clone();
        config["rootfs"] = json!({"type": "layers", "diff_ids": diff_ids});
        let config = Bytes::from(config.to_string());
        let layers: Vec<Value> = blobs
            .iter()
            .map(|blob| {
                json!({
                    "mediaType": self.labelled.map_or_else(|| self.stored.media_type(), str::to_owned),
                    "digest": BlobDigest::of(blob).to_string(),
                    "size": blob.len(),
                })
            })
            .collect();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MediaType::OCI_MANIFEST,
            "config": {
                "mediaType": MediaType::OCI_CONFIG,
                "digest": ConfigDigest::of(&config).to_string(),
                "size": config.len(),
            },
            "layers": layers,
            "annotations": {"org.opencontainers.image.title": self.annotation},
        });
        let mut manifest = manifest;
        (self.envelope)(&mut manifest);
        let manifest = Bytes::from(manifest.to_string());
        let limits = Limits::default();
        let index = self.listed.map(|change| {
            let mut entry = json!({
                "mediaType": MediaType::OCI_MANIFEST,
                "digest": ManifestDigest::of(&manifest).to_string(),
                "size": manifest.len(),
            });
            change(&mut entry);
            let kind = MediaType::OCI_INDEX;
            let list = json!({"schemaVersion": 2, "mediaType": kind, "manifests": [entry]});
            let bytes = Bytes::from(list.to_string());
            let document = Checked { digest: ManifestDigest::of(&bytes), bytes };
            crate::image::Index::parse(document, None, &limits).unwrap()
        });
        let config = Checked { digest: ConfigDigest::of(&config), bytes: config };
        let manifest = Checked { digest: ManifestDigest::of(&manifest), bytes: manifest };
        Image {
            index,
            manifest: Manifest::parse(manifest, None, &limits).unwrap(),
            config: ImageConfig::parse(config, &limits).unwrap(),
            blobs,
        }
    }
}

impl Image {
    fn side(&self) -> Side<'_> {
        let (manifest, config, index) = (&self.manifest, &self.config, self.index.as_ref());
        Side { manifest, config, index, outer: &[], layers: self, pinned: 0 }
    }
}

fn base() -> Recipe {
    Recipe {
        layers: vec![
            vec![special("etc/", EntryType::Directory, ""), file("etc/passwd", "root:x:0:0")],
            vec![
                file("app", "binary one"),
                special("run", EntryType::Symlink, "app"),
                file("z", ""),
            ],
        ],
        stored: Stored::Gzip(6),
        labelled: None,
        config: json!({
            "os": "linux", "architecture": "amd64", "created": "2023-11-14T22:13:20Z",
            "config": {"Entrypoint": ["/app"], "Env": ["A=1"], "Labels": {"v": "1"}},
            "history": [{"created_by": "ADD base /"}, {"created_by": "COPY app / # buildkit"}],
        }),
        lie: false,
        annotation: "",
        envelope: |_| {},
        listed: None,
        spoil: |bytes| bytes,
    }
}

/// The base with one change.
fn with(change: impl FnOnce(&mut Recipe)) -> Recipe {
    let mut recipe = base();
    change(&mut recipe);
    recipe
}

fn run(left: &Recipe, right: &Recipe) -> Result<Comparison, CompareError> {
    run_with(left, right, &[], &Limits::default())
}

fn run_with(
    left: &Recipe,
    right: &Recipe,
    allow: &[Allowance],
    limits: &Limits,
) -> Result<Comparison, CompareError> {
    let (left, right) = (left.build(), right.build());
    compare(left.side(), right.side(), allow, limits)
}

/// A whiteout of something is a way to write a tree; one of nothing is no accident, in however many layers it comes.
#[test]
fn d7_a_whiteout_of_nothing_is_a_difference_and_one_of_something_is_none() {
    let hides = |name: &'static str| with(|recipe| recipe.layers[1].push(file(name, "")));
    let apart = |recipe: Recipe| {
        with(|whole| {
            whole.layers = recipe.layers;
            whole.layers.push(vec![]);
        })
    };
    for other in [hides("etc/.wh.nothing"), apart(hides("etc/.wh.nothing"))] {
        for (left, right) in [(&base(), &other), (&other, &base())] {
            let found = run(left, right).unwrap();
            assert_eq!(found.level, Level::Different, "{found:#?}");
        }
        assert!(run(&other, &other).unwrap().level > Level::Different);
    }
    // Twice the same, and gone in another way before.
    let gone = |twice: bool| {
        with(|recipe| {
            recipe.layers[0].push(file("etc/old", ""));
            recipe.layers[1].push(file("etc/.wh.old", ""));
            recipe.layers.push(if twice { vec![file("etc/.wh.old", "")] } else { vec![] });
        })
    };
    let found = run(&gone(false), &gone(true)).unwrap();
    assert_eq!(found.level, Level::ContentIdentical, "{found:#?}");
    let removed = with(|recipe| recipe.layers.push(vec![]));
    let found = run(&gone(false), &removed).unwrap();
    assert_eq!(found.level, Level::ContentIdentical, "{found:#?}");
}

/// What an upper layer hides is no part of the tree, but a base by digest is that base or is not.
#[test]
fn h29_a_pinned_base_is_the_same_base_even_where_it_is_hidden() {
    let over = |motd: &str| {
        with(|recipe| {
            recipe.layers[0].push(file("etc/motd", motd));
            recipe.layers[1].push(file("etc/.wh.motd", ""));
        })
    };
    let (published, rebuilt) = (over("evil").build(), over("fine").build());
    let by = |pinned: usize| {
        let right = Side { pinned, ..rebuilt.side() };
        compare(published.side(), right, &[], &Limits::default()).unwrap()
    };
    assert_eq!(by(0).level, Level::ContentIdentical);
    let found = by(1);
    assert_eq!(found.level, Level::Different);
    let place = Place::Entry { layer: 0, path: "/etc/motd".to_owned() };
    assert!(found.differences.iter().any(|d| d.place == place && d.class == Class::Content));
    // The passing twin: nothing but times.
    let later = with(|recipe| {
        recipe.layers[0].push(Item { mtime: 7, ..file("etc/motd", "fine") });
        recipe.layers[1].push(file("etc/.wh.motd", ""));
    })
    .build();
    let right = Side { pinned: 1, ..rebuilt.side() };
    let found = compare(later.side(), right, &[], &Limits::default()).unwrap();
    assert_eq!(found.level, Level::ContentIdentical, "{found:#?}");
}

fn allow(pattern: &str) -> Vec<Allowance> {
    vec![Allowance {
        class: AllowedClass::Content,
        pattern: pattern.parse().unwrap(),
        reason: "test".to_owned(),
        owner: "tests".to_owned(),
        expires: jiff::civil::Date::MAX,
    }]
}

/// Holds a twin against the base, in both directions, and wants a level and a difference.
fn expect(name: &str, twin: &Recipe, level: Level, class: Class, what: &str) {
    for (left, right) in [(&base(), twin), (twin, &base())] {
        let found = run(left, right).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(found.level, level, "{name}: {found:#?}");
        assert!(
            found
                .differences
                .iter()
                .any(|d| d.class == class && d.what.to_string().starts_with(what)),
            "{name}: no {class:?} {what:?} in {found:#?}"
        );
    }
}

#[test]
fn an_image_agrees_with_itself_without_being_read() {
    let mut image = base().build();
    image.blobs.iter_mut().for_each(Vec::clear);
    let found = compare(image.side(), image.side(), &[], &Limits::default()).unwrap();
    assert_eq!(found.level, Level::ManifestIdentical);
    assert_eq!(found.differences, []);
    assert!(found.layers.iter().all(|pair| pair.left == pair.right && pair.left.is_some()));
}

#[test]
fn envelope_and_compression_leave_the_configuration_identical() {
    let annotated = with(|r| r.annotation = "x");
    expect("annotation", &annotated, Level::ConfigIdentical, Class::Envelope, "value");
    for stored in [Stored::Gzip(1), Stored::Gzip(9), Stored::Zstd, Stored::Plain] {
        let twin = with(|r| r.stored = stored);
        expect("recompressed", &twin, Level::ConfigIdentical, Class::Compression, "compression");
    }
}

/// H83: a runtime fetches from `urls` first, whatever the registry has.
#[test]
fn h83_what_descriptors_make_a_runtime_do_is_never_reproduced() {
    type Envelope = fn(&mut Value);
    let changes: [(&str, Envelope); 5] = [
        ("layer", |m| m["layers"][1]["urls"] = json!(["http://192.0.2.1/"])),
        ("config", |m| m["config"]["urls"] = json!(["http://192.0.2.1/"])),
        ("platform", |m| {
            m["layers"][1]["platform"] = json!({"os": "windows", "architecture": "amd64"});
        }),
        ("krun", |m| m["annotations"]["krun.exec"] = json!("/evil")),
        ("unknown", |m| m["layers"][0]["unknown"] = json!(true)),
    ];
    for (name, change) in changes {
        let twin = with(|r| r.envelope = change);
        expect(name, &twin, Level::Different, Class::ConfigRuntime, "value");
        // In another number of layers, too.
        let more = with(|r| r.layers.push(vec![]));
        for (left, right) in [(&twin, &more), (&more, &twin)] {
            assert_eq!(run(left, right).unwrap().level, Level::Different, "{name}");
        }
    }
    // An index is compared in nothing else, so that the same manifest is the same under any name.
    let listed = |change| with(|r| r.listed = Some(change));
    let plain = listed(|_| {});
    let named = listed(|entry| {
        entry["annotations"] = json!({"org.opencontainers.image.ref.name": "v1", "note": "x"});
        entry["platform"] = json!({"os": "linux", "architecture": "amd64"});
    });
    let odd = listed(|entry| entry["urls"] = json!(["http://192.0.2.1/"]));
    for (left, right) in [(&base(), &plain), (&plain, &named), (&odd, &odd)] {
        let found = run(left, right).unwrap();
        assert_eq!((found.level, found.differences), (Level::ManifestIdentical, vec![]));
    }
    for other in [base(), plain, with(|r| r.annotation = "x")] {
        for (left, right) in [(&odd, &other), (&other, &odd)] {
            let found = run(left, right).unwrap();
            assert_eq!(found.level, Level::Different, "{found:#?}");
            let urls = |d: &Difference| d.place == Place::Manifest("index/urls".to_owned());
            assert!(found.differences.iter().any(urls), "{found:#?}");
        }
    }
}

/// H83: below the same manifest, something is always listed.
#[test]
fn h83_another_form_of_the_same_manifest_is_listed() {
    let padded = with(|r| r.envelope = |m| m["layers"][0]["artifactType"] = Value::Null);
    expect("other bytes", &padded, Level::ConfigIdentical, Class::Envelope, "value");
}

#[test]
fn how_a_layer_is_stored_is_told_by_its_bytes_and_not_by_its_media_type() {
    const GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
    const ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";
    let of = |stored, labelled| {
        with(move |r| {
            r.stored = stored;
            r.labelled = labelled;
        })
    };
    let header = "header as Go writes it";
    let cases = [
        (of(Stored::Zstd, Some(GZIP)), "compression", "zstd", String::new()),
        (of(Stored::Plain, Some(ZSTD)), "compression", "uncompressed", String::new()),
        (
            of(Stored::Gzip(9), Some(ZSTD)),
            "compression level",
            "gzip",
            format!(", {header}, level 9"),
        ),
    ];
    for (twin, what, how, header) in cases {
        for (twin, how) in [(twin.clone(), how), (Recipe { labelled: None, ..twin.clone() }, how)] {
            let found = run(&of(Stored::Gzip(6), None), &twin).unwrap();
            assert_eq!(found.level, Level::ConfigIdentical, "{twin:?}");
            let told = found.differences.iter().find(|d| d.class == Class::Compression).unwrap();
            assert_eq!(told.what.to_string(), what, "{twin:?}");
            let right = told.right.as_ref().unwrap().to_string();
            assert!(right.starts_with(&format!("{how}, ")), "{right}");
            assert!(right.ends_with(&format!(" bytes{header}")), "{right}");
        }
    }
}

#[test]
fn every_diff_id_is_recomputed_for_the_configuration_rung() {
    let found = run(&base(), &with(|r| r.annotation = "x")).unwrap();
    for pair in found.layers {
        assert!(pair.left.unwrap().diff_id.is_some() && pair.right.unwrap().diff_id.is_some());
    }
}

#[test]
fn benign_configuration_leaves_the_layers_identical() {
    let cases: [(&str, Change); 4] = [
        ("created", |r| r.config["created"] = json!("2024-01-01T00:00:00Z")),
        ("history", |r| r.config["history"][0]["created_by"] = json!("other")),
        ("author", |r| r.config["author"] = json!("me")),
        ("cache", |r| r.config["moby.buildkit.cache.v0"] = json!("x")),
    ];
    for (name, change) in cases {
        expect(name, &with(change), Level::LayersIdentical, Class::ConfigBenign, "value");
    }
    let both = with(|r| {
        r.config["created"] = json!("x");
        r.stored = Stored::Zstd;
    });
    expect("created and zstd", &both, Level::LayersIdentical, Class::Compression, "compression");
}

#[test]
fn effective_configuration_is_different() {
    let cases: [(&str, Change); 8] = [
        ("label", |r| r.config["config"]["Labels"]["v"] = json!("2")),
        ("new label", |r| r.config["config"]["Labels"]["w"] = json!("")),
        ("entrypoint", |r| r.config["config"]["Entrypoint"] = json!(["/evil"])),
        ("environment", |r| r.config["config"]["Env"] = json!(["A=1", "LD_PRELOAD=/evil"])),
        ("user", |r| r.config["config"]["User"] = json!("root")),
        ("health check", |r| r.config["config"]["Healthcheck"] = json!({"Test": ["CMD", "x"]})),
        ("unknown", |r| r.config["config"]["New"] = json!(1)),
        ("architecture", |r| r.config["architecture"] = json!("arm64")),
    ];
    for (name, change) in cases {
        expect(name, &with(change), Level::Different, Class::ConfigRuntime, "value");
    }
}

#[test]
fn benign_tar_metadata_leaves_the_content_identical() {
    let cases: [(&str, Change); 5] = [
        ("touched", |r| r.layers[1][0].mtime = 99),
        ("owner's name", |r| r.layers[1][0].uname = "other"),
        ("type bits of the mode", |r| r.layers[1][0].mode = 0o100_644),
        ("reordered", |r| r.layers[1].reverse()),
        ("./ in front", |r| r.layers[1][0].path = "./app"),
    ];
    for (name, change) in cases {
        expect(name, &with(change), Level::ContentIdentical, Class::TarBenign, "");
    }
}

#[test]
fn security_metadata_is_different() {
    let capability = || Some(("security.capability", b"\x01\0\0\x02".as_slice()));
    let cases: Vec<(&str, BoxedChange, &str)> = vec![
        ("setuid", Box::new(|r| r.layers[1][0].mode = 0o4644), "mode"),
        ("setgid", Box::new(|r| r.layers[1][0].mode = 0o2644), "mode"),
        ("sticky", Box::new(|r| r.layers[1][0].mode = 0o1644), "mode"),
        ("uid", Box::new(|r| r.layers[1][0].uid = 1000), "uid"),
        ("gid", Box::new(|r| r.layers[1][0].gid = 1000), "gid"),
        ("capability", Box::new(move |r| r.layers[1][0].xattr = capability()), "xattr security"),
        ("link target", Box::new(|r| r.layers[1][1].link = "z"), "link target"),
        ("type", Box::new(|r| r.layers[1][2] = special("z", EntryType::Fifo, "")), "type"),
        ("wrong type bits", Box::new(|r| r.layers[1][0].mode = 0o120_644), "type bits"),
        ("whiteout", Box::new(|r| r.layers[1].push(file("etc/.wh.passwd", ""))), "only in"),
        ("device", Box::new(|r| r.layers[1].push(special("n", EntryType::Char, "3"))), "only in"),
        (
            "hard link that lends rights",
            Box::new(|r| r.layers[1].push(special("h", EntryType::Link, "app"))),
            "only in",
        ),
        (
            "setuid file",
            Box::new(|r| r.layers[1].push(Item { mode: 0o4755, ..file("su", "") })),
            "only in",
        ),
        ("twice", Box::new(|r| r.layers[1].push(file("app", "binary one"))), "entries with"),
        (
            "twice, first wins?",
            Box::new(|r| r.layers[1].insert(0, file("app", "evil"))),
            "entries with",
        ),
    ];
    for (name, change, what) in cases {
        let twin = with(change);
        expect(name, &twin, Level::Different, Class::TarSecurity, what);
        // No allow entry speaks about security metadata. A whiteout is what it hides: here a plain file is missing.
        let allowed = run_with(&base(), &twin, &allow("/**"), &Limits::default()).unwrap();
        let want = if name == "whiteout" { Level::Explained } else { Level::Different };
        assert_eq!(allowed.level, want, "{name}: {allowed:#?}");
    }
    let devices = |minor| with(move |r| r.layers[1].push(special("n", EntryType::Char, minor)));
    let found = run(&devices("3"), &devices("5")).unwrap();
    assert_eq!(found.level, Level::Different);
    assert!(found.differences.iter().any(|d| d.what == What::Device), "{found:#?}");
}

#[test]
fn swapped_content_is_different_and_may_be_allowed() {
    let twin = with(|r| r.layers[1][0] = file("app", "binary two"));
    expect("swapped", &twin, Level::Different, Class::Content, "content");
    expect(
        "added",
        &with(|r| r.layers[1].push(file("new", "x"))),
        Level::Different,
        Class::Content,
        "only in",
    );
    let cases = [
        ("/app", Level::Explained),
        ("/**", Level::Explained),
        ("/ap", Level::Different),
        ("/other", Level::Different),
    ];
    for (pattern, want) in cases {
        let found = run_with(&base(), &twin, &allow(pattern), &Limits::default()).unwrap();
        assert_eq!(found.level, want, "{pattern}: {found:#?}");
    }
    let also_setuid = with(|r| r.layers[1][0] = Item { mode: 0o4755, ..file("app", "binary two") });
    let found = run_with(&base(), &also_setuid, &allow("/app"), &Limits::default()).unwrap();
    assert_eq!(found.level, Level::Different);
    let found = run(&base(), &with(|r| r.layers[1].push(file("var/log/x", "")))).unwrap();
    let classes: Vec<_> = found.differences.iter().map(|d| d.class).collect();
    assert_eq!((found.level, classes), (Level::Different, vec![Class::Cache]));
}

#[test]
fn a_time_inside_a_compiled_module_is_explained() {
    let module = |time: u8, code: &str| {
        with(|r| {
            let mut item = file("m.pyc", "");
            item.content =
                [b"\xcb\x0d\r\n\0\0\0\0".as_slice(), &[time; 4], code.as_bytes()].concat();
            r.layers[1].push(item);
        })
    };
    let found = run(&module(1, "code"), &module(2, "code")).unwrap();
    assert_eq!(found.level, Level::Explained, "{found:#?}");
    let difference = found.differences.iter().find(|d| d.class == Class::NestedTime).unwrap();
    assert_eq!(difference.explained_by, Some(Explanation::Normalizers(vec!["pyc@2"])));
    let found = run(&module(1, "code"), &module(2, "evil")).unwrap();
    assert_eq!(found.level, Level::Different, "{found:#?}");
}

#[test]
fn opaque_whiteouts_count_by_what_they_hide() {
    let opaque = |folder: &'static str| with(move |r| r.layers[1].push(file(folder, "")));
    let class = Class::OpaqueWhiteout;
    expect("hides", &opaque("etc/.wh..wh..opq"), Level::Different, class, "only in");
    // Runtimes make the folder of a whiteout where it is not there.
    expect("makes a folder", &opaque("srv/.wh..wh..opq"), Level::Different, class, "only in");
    let empty = |items: Vec<Item>| {
        with(move |r| {
            r.layers[0].push(special("srv/", EntryType::Directory, ""));
            r.layers[1].extend(items);
        })
    };
    let (base, hides_nothing) = (empty(vec![]), empty(vec![file("srv/.wh..wh..opq", "")]));
    for (left, right) in [(&base, &hides_nothing), (&hides_nothing, &base)] {
        // No runtime comes to another tree, in whatever layers it is.
        let found = run(left, right).unwrap();
        assert_eq!(found.level, Level::ContentIdentical, "{found:#?}");
        assert_eq!(found.differences[0].explained_by, Some(Explanation::OpaqueWhiteout));
    }
    let beside = empty(vec![file("srv/.wh..wh..opq", ""), file("new", "x")]);
    let found = run(&base, &beside).unwrap();
    assert_eq!(found.level, Level::Different);
    assert!(found.differences.iter().all(|d| d.explained_by.is_none()), "nothing was proven");
}

#[test]
fn places_to_mount_on_are_explained_while_they_are_empty_and_roots() {
    let added = |item: Item| with(move |r| r.layers[1].push(item));
    let folder = |path| special(path, EntryType::Directory, "");
    let cases = [
        (folder("proc/"), Level::Explained, Class::MountPoint),
        (folder("sys/"), Level::Explained, Class::MountPoint),
        (file("etc/resolv.conf", ""), Level::Explained, Class::MountPoint),
        (file("etc/resolv.conf", "nameserver 1"), Level::Different, Class::Host),
        (folder("media/"), Level::Different, Class::Content),
        (file("proc", ""), Level::Different, Class::Content),
        (Item { uid: 7, ..folder("proc/") }, Level::Different, Class::Content),
        (Item { mode: 0o777, ..folder("proc/") }, Level::Different, Class::Content),
        (Item { mode: 0o4755, ..folder("proc/") }, Level::Different, Class::TarSecurity),
        (
            Item {
                records: vec![("SCHILY.acl.access", b"user::rwx,other::rwx")],
                ..folder("proc/")
            },
            Level::Different,
            Class::TarSecurity,
        ),
    ];
    for (item, level, class) in cases {
        let name = item.path;
        expect(name, &added(item), level, class, "only in");
    }
    expect("below", &added(file("proc/x", "")), Level::Different, Class::Content, "only in");
}

/// Entries of every class for every path.
fn allow_all() -> Vec<Allowance> {
    AllowedClass::ALL
        .into_iter()
        .map(|class| Allowance { class, ..allow("/**").remove(0) })
        .collect()
}

#[test]
fn what_plain_files_hold_can_be_allowed_and_nothing_else() {
    let capability = Some(("security.capability", b"\x01\0\0\x02".as_slice()));
    let with_app = |item: Item| with(move |r| r.layers[1][0] = item);
    let added = |item: Item| with(move |r| r.layers[1].push(item));
    let cases = [
        ("content", base(), with_app(file("app", "two")), Level::Explained),
        ("file added", base(), added(file("new", "x")), Level::Explained),
        ("link added", base(), added(special("l", EntryType::Symlink, "etc")), Level::Different),
        (
            "content of what lends rights",
            with_app(Item { mode: 0o4755, ..file("app", "one") }),
            with_app(Item { mode: 0o4755, ..file("app", "two") }),
            Level::Different,
        ),
        (
            "content of what has a capability",
            with_app(Item { xattr: capability, ..file("app", "one") }),
            with_app(Item { xattr: capability, ..file("app", "two") }),
            Level::Different,
        ),
        (
            "setuid added",
            base(),
            with_app(Item { mode: 0o4755, ..file("app", "two") }),
            Level::Different,
        ),
    ];
    for (name, left, right, want) in cases {
        for (left, right) in [(&left, &right), (&right, &left)] {
            let found = run_with(left, right, &allow_all(), &Limits::default()).unwrap();
            assert_eq!(found.level, want, "{name}: {found:#?}");
            assert!(run(left, right).unwrap().allowed.is_empty(), "{name}");
        }
    }
}

#[test]
fn what_is_allowed_is_never_called_reproduced() {
    let twin = with(|r| r.layers[1][0] = file("app", "binary two"));
    let found = run_with(&base(), &twin, &allow_all(), &Limits::default()).unwrap();
    assert_eq!(found.level, Level::Explained);
    assert!(!found.level.is_reproducible() && found.allowed.len() == 1, "{found:#?}");
    // Entries that explain nothing lower nothing either, and are not named.
    let found = run_with(&base(), &base(), &allow_all(), &Limits::default()).unwrap();
    assert_eq!((found.level, found.allowed.len()), (Level::ManifestIdentical, 0));
}

#[test]
fn where_something_is_left_out_nothing_is_allowed() {
    let twin = with(|r| r.layers[1].extend([file("x", "1"), file("y", "2"), file("z", "3")]));
    let limits = Limits { differences: 2, ..Limits::default() };
    let found = run_with(&base(), &twin, &allow_all(), &limits).unwrap();
    assert_eq!(found.level, Level::Different, "{found:#?}");
}

#[test]
fn an_allow_entry_speaks_about_one_class() {
    let log = |text: &'static str| with(move |r| r.layers[1].push(file("var/log/x", text)));
    let allow = |class, pattern: &str| vec![Allowance { class, ..allow(pattern).remove(0) }];
    for class in AllowedClass::ALL {
        let allow = allow(class, "/var/log/*");
        let found = run_with(&log("a"), &log("b"), &allow, &Limits::default()).unwrap();
        let want = if class == AllowedClass::Cache { Level::Explained } else { Level::Different };
        assert_eq!(found.level, want, "{class:?}");
        let used: &[Allowance] = if want == Level::Explained { &allow } else { &[] };
        assert_eq!(found.allowed, used, "{class:?}");
    }
}

#[test]
fn packages_that_moved_on_are_named_and_stay_different() {
    let image = |version: &str, app: &'static str| {
        let database = format!(
            "P:zlib\nV:{version}\nA:x86\nF:usr/lib\nR:libz.so\n\nP:bash\nV:5\nA:x86\nF:bin\nR:bash\n\n"
        );
        let item = Item { content: database.into_bytes(), ..file("lib/apk/db/installed", "") };
        let library = Item { content: version.as_bytes().to_vec(), ..file("usr/lib/libz.so", "") };
        with(move |r| r.layers[1].extend([item, library, file("bin/bash", app)]))
    };
    let found = run(&image("1.2", "a"), &image("1.3", "b")).unwrap();
    assert_eq!(found.level, Level::Different);
    let change = PackageChange {
        ecosystem: "apk",
        name: "zlib".to_owned(),
        left: Some("1.2".to_owned()),
        right: Some("1.3".to_owned()),
    };
    assert_eq!(found.packages, [change]);
    let class_of = |path: &str| {
        let at = |d: &&Difference| matches!(&d.place, Place::Entry { path: p, .. } if p == path);
        found.differences.iter().find(at).map(|d| (d.class, d.hint))
    };
    let drift = Some((Class::PackageDrift, Some(LikelyCause::PackageDrift)));
    assert_eq!(class_of("/usr/lib/libz.so"), drift);
    assert_eq!(class_of("/lib/apk/db/installed"), drift);
    // bash is the same version on both sides: its file changed for no such reason.
    assert_eq!(class_of("/bin/bash"), Some((Class::Content, Some(LikelyCause::OtherContent))));
}

#[test]
fn many_differences_are_the_same_whatever_could_be_kept() {
    let limits = Limits { differences: 10_000, ..Limits::default() };
    // More than one side may have waiting, in the other order on the other side.
    let large = |from: u8| {
        let paths = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
        let items = paths.into_iter().enumerate().map(move |(at, path)| {
            let content = vec![from + u8::try_from(at).unwrap(); 6 << 20];
            Item { content, ..file(path, "") }
        });
        items.collect::<Vec<_>>()
    };
    let left = with(|r| r.layers[1] = large(1));
    let right = with(|r| r.layers[1] = large(101).into_iter().rev().collect());
    let first = run_with(&left, &right, &[], &limits).unwrap();
    assert_eq!(first.differences.len(), 10);
    for _ in 0..3 {
        assert_eq!(run_with(&left, &right, &[], &limits).unwrap(), first);
    }
}

#[test]
fn another_number_of_layers_is_judged_by_the_root_filesystem() {
    let empty = with(|r| r.layers.push(Vec::new()));
    expect("empty layer", &empty, Level::ContentIdentical, Class::TarBenign, "number of layers");
    let squashed = with(|r| r.layers = vec![r.layers.concat()]);
    expect("squashed", &squashed, Level::ContentIdentical, Class::TarBenign, "number of layers");
    let cases: [(&str, Change, Class, &str); 4] = [
        (
            "hides a file",
            |r| r.layers.push(vec![file("etc/.wh.passwd", "")]),
            Class::Content,
            "only in",
        ),
        ("swaps a file", |r| r.layers.push(vec![file("app", "evil")]), Class::Content, "content"),
        (
            "lends rights",
            |r| r.layers.push(vec![Item { mode: 0o4755, ..file("app", "binary one") }]),
            Class::TarSecurity,
            "mode",
        ),
        (
            "two entries of one layer",
            |r| r.layers.push(vec![file("app", "evil"), file("app", "binary one")]),
            Class::TarSecurity,
            "on one side only",
        ),
    ];
    for (name, change, class, what) in cases {
        expect(name, &with(change), Level::Different, class, what);
    }
}

#[test]
fn which_names_share_a_file_counts() {
    let copied = with(|r| r.layers[1].push(file("y", "")));
    let linked = with(|r| {
        r.layers[1].push(file("y", ""));
        r.layers.push(vec![Item { mode: 0o644, ..special("y", EntryType::Link, "z") }]);
    });
    let found = run(&copied, &linked).unwrap();
    assert_eq!(found.level, Level::Different);
    assert!(found.differences.iter().any(|d| d.what == What::SharedFile), "{found:#?}");
}

#[test]
fn an_order_that_changes_the_tree_is_different() {
    // The lower layer makes /lib a link to /usr, so that both entries are one file and the last one wins.
    let ordered = |items: Vec<Item>| {
        with(|r| {
            r.layers[0] = vec![
                special("usr/", EntryType::Directory, ""),
                special("lib", EntryType::Symlink, "usr"),
            ];
            r.layers[1] = items;
        })
    };
    let (good, evil) = (file("lib/a", "good"), file("usr/a", "evil"));
    let left = ordered(vec![evil.clone(), good.clone()]);
    let right = ordered(vec![good, evil]);
    let found = run(&left, &right).unwrap();
    assert_eq!(found.level, Level::Different, "{found:#?}");
    // The same in a layer beside one whose difference is allowed.
    let mut logged = right;
    logged.layers[0].push(file("log", "2"));
    let mut left = left;
    left.layers[0].push(file("log", "1"));
    let found = run_with(&left, &logged, &allow("/log"), &Limits::default()).unwrap();
    assert_eq!(found.level, Level::Different, "{found:#?}");
}

#[test]
fn a_lying_configuration_gains_nothing() {
    let lie = with(|r| r.lie = true);
    expect("lie on one side", &lie, Level::Different, Class::LyingDiffId, "diffID");
    let liar_again = with(|r| {
        r.lie = true;
        r.annotation = "x";
    });
    let found = run(&lie, &liar_again).unwrap();
    assert_eq!(found.level, Level::Different, "both sides: {found:#?}");
    let recompressed = with(|r| {
        r.lie = true;
        r.stored = Stored::Zstd;
    });
    expect("lie and zstd", &recompressed, Level::Different, Class::LyingDiffId, "diffID");
    let other_content = with(|r| {
        r.lie = true;
        r.layers[0][1] = file("etc/passwd", "evil:x:0:0");
    });
    // Equal configurations, other layers.
    let found = run(&lie, &other_content).unwrap();
    assert_eq!(found.level, Level::Different);
    assert!(found.differences.iter().any(|d| d.what == What::Content), "{found:#?}");
}

#[test]
fn diff_ids_of_one_image_are_verified() {
    let limits = Limits::default();
    let honest = base().build();
    assert_eq!(verify_diff_ids(honest.side(), &limits).unwrap(), []);
    let liar = with(|r| r.lie = true).build();
    let found = verify_diff_ids(liar.side(), &limits).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].class, &found[0].place), (Class::LyingDiffId, &Place::Layer(0)));
}

#[test]
fn what_cannot_be_read_is_an_error_and_no_level() {
    let cases: [(&str, Change); 4] = [
        ("trailing bytes", |r| {
            r.spoil = |mut bytes| {
                bytes.extend(b"evil");
                bytes
            }
        }),
        ("cut", |r| {
            r.spoil = |mut bytes| {
                bytes.truncate(bytes.len() - 9);
                bytes
            }
        }),
        ("no gzip", |r| r.spoil = |_| b"text".to_vec()),
        ("no tar", |r| r.spoil = |_| Stored::Gzip(6).pack(&[7; 1024])),
    ];
    let bomb = with(|r| r.spoil = |_| Stored::Gzip(9).pack(&vec![0; 8 << 20]));
    let limits = Limits { inflate_free_bytes: 1 << 20, ..Limits::default() };
    assert!(run_with(&base(), &bomb, &[], &limits).is_err());
    for (name, change) in cases {
        let twin = with(change);
        assert!(run(&base(), &twin).is_err(), "{name}");
        assert!(run(&twin, &base()).is_err(), "{name}");
    }
    let (left, right) = (base().build(), with(|r| r.stored = Stored::Zstd).build());
    let mut gone = with(|r| r.stored = Stored::Plain).build();
    gone.blobs[0].clear();
    let found = compare(left.side(), gone.side(), &[], &Limits::default());
    assert!(matches!(found, Err(CompareError::Open { position: 0, .. })), "{found:?}");
    let swapped = Image { blobs: left.blobs.clone(), ..right };
    let found = compare(left.side(), swapped.side(), &[], &Limits::default());
    assert!(matches!(found, Err(CompareError::Layer { .. })), "{found:?}");
}

#[test]
fn differences_are_kept_up_to_the_limit() {
    let many = |n: usize, content: &str| {
        let paths = ["a0", "a1", "a2", "a3", "a4"];
        with(|r| r.layers[1].extend(paths.iter().take(n).map(|path| file(path, content))))
    };
    let limits = Limits { differences: 3, ..Limits::default() };
    for (n, kept, omitted, level) in
        [(3, 3, 0, Level::Explained), (4, 3, 1, Level::Different), (5, 3, 2, Level::Different)]
    {
        let (left, right) = (many(n, "1"), many(n, "2"));
        let found = run_with(&left, &right, &allow("/a*"), &limits).unwrap();
        assert_eq!((found.differences.len(), found.omitted), (kept, omitted), "{n}");
        assert_eq!(found.level, level, "{n}");
        let again = run_with(&left, &right, &allow("/a*"), &limits).unwrap();
        assert_eq!(found, again, "{n}");
    }
}

#[test]
fn differences_lead_to_the_instruction() {
    let twin = with(|r| r.layers[1][0] = file("app", "binary two"));
    let mut found = run(&base(), &twin).unwrap();
    crate::compare::build_step::explain(&mut found, &base().build().config, None);
    let content = found.differences.iter().find(|d| d.class == Class::Content).unwrap();
    let cause = content.cause.as_ref().unwrap();
    assert_eq!((cause.line, cause.instruction.as_str()), (None, "COPY app /"));
    assert_eq!(cause.text(), "COPY app /");
}

#[test]
fn differences_lead_to_the_dockerfile_that_was_built() {
    let twin = with(|r| r.layers[1][0] = file("app", "binary two"));
    let mut provenance = crate::rebuild::tests::provenance();
    provenance.dockerfile = Some("FROM base\nCOPY app /\n".to_owned());
    for (path, named) in [
        (Some("deploy/Dockerfile".to_owned()), "deploy/Dockerfile:2  COPY app /"),
        (None, "Dockerfile:2  COPY app /"),
        (Some("d".repeat(300)), &format!("{}:2  COPY app /", "d".repeat(200))),
    ] {
        let mut found = run(&base(), &twin).unwrap();
        provenance.dockerfile_path = path;
        crate::compare::build_step::explain(&mut found, &base().build().config, Some(&provenance));
        let content = found.differences.iter().find(|d| d.class == Class::Content).unwrap();
        assert_eq!(content.cause.as_ref().unwrap().text(), named);
    }
}

/// Names that some layers share.
const NAMES: [&str; 4] = ["a", "b", "d/a", "d/b"];

fn items() -> impl Strategy<Value = Vec<Item>> {
    let item =
        (0..4_usize, "[xy]{0,2}", prop_oneof![Just(0o644_u32), Just(0o4755)], 0..2_u64, 0..3_u64);
    let item = item.prop_map(|(name, content, mode, uid, mtime)| Item {
        mode,
        uid,
        mtime,
        ..file(NAMES[name], &content)
    });
    proptest::collection::vec(item, 0..4)
}

proptest! {
    #[test]
    fn content_identical_means_equal_facts(left in items(), right in items()) {
        let build = |items: &Vec<Item>| with(|r| r.layers[1] = items.clone());
        let found = run(&build(&left), &build(&right)).unwrap();
        let strict = |items: &[Item]| {
            let mut facts: Vec<_> =
                items.iter().map(|i| (i.path, i.content.clone(), i.mode, i.uid)).collect();
            facts.sort_by_key(|facts| facts.0);
            facts
        };
        prop_assert_eq!(found.level >= Level::ContentIdentical, strict(&left) == strict(&right));
        prop_assert_eq!(found.level >= Level::LayersIdentical, archive(&left) == archive(&right));
        let back = run(&build(&right), &build(&left)).unwrap();
        prop_assert_eq!(found.level, back.level);
    }
}

/// A compiled module of Python: magic, flags, time, size, code.
fn pyc(time: u32, code: &str) -> Vec<u8> {
    let size = u32::try_from(code.len()).unwrap().to_le_bytes();
    let time = time.to_le_bytes();
    [&b"\xa7\r\r\n\0\0\0\0"[..], &time[..], &size[..], code.as_bytes()].concat()
}

/// The base with files in its upper layer, as it is and with all of its layers in one.
fn differently_layered(left: &[Item], right: &[Item]) -> (Recipe, Recipe) {
    let layered = with(|r| r.layers[1].extend_from_slice(left));
    let squashed = with(|r| {
        r.layers[1].extend_from_slice(right);
        r.layers = vec![r.layers.concat()];
    });
    (layered, squashed)
}

fn named(path: &'static str, content: Vec<u8>) -> Item {
    Item { content, ..file(path, "") }
}

#[test]
fn files_of_differently_layered_images_are_explained_as_those_of_paired_layers() {
    let module = |time, code| named("m.pyc", pyc(time, code));
    let text = |content| named("etc/text", format!("one\n{content}\nthree\n").into_bytes());
    type Case = (&'static str, Item, Item, Level, Class, Option<&'static str>);
    let cases: [Case; 5] = [
        (
            "time of a module",
            module(1, "x"),
            module(2, "x"),
            Level::Explained,
            Class::NestedTime,
            Some("pyc@2"),
        ),
        (
            "code of a module",
            module(1, "x"),
            module(2, "y"),
            Level::Different,
            Class::Content,
            None,
        ),
        ("text", text("two"), text("2"), Level::Different, Class::Content, None),
        (
            "log",
            named("var/log/x", vec![1]),
            named("var/log/x", vec![2]),
            Level::Different,
            Class::Cache,
            None,
        ),
        (
            "mode",
            file("s", ""),
            Item { mode: 0o4755, ..file("s", "") },
            Level::Different,
            Class::TarSecurity,
            None,
        ),
    ];
    for (name, left, right, level, class, by) in cases {
        let (layered, squashed) = differently_layered(&[left], &[right]);
        for (left, right, layers) in [(&layered, &squashed, [1, 0]), (&squashed, &layered, [0, 1])]
        {
            let found = run(left, right).unwrap();
            assert_eq!(found.level, level, "{name}: {found:#?}");
            let entry = found.differences.iter().find(|d| d.class == class).unwrap();
            let explained = entry.explained_by.as_ref().map(ToString::to_string);
            assert_eq!(explained.as_deref(), by, "{name}: {entry:#?}");
            let sides = SideLayers { left: Some(layers[0]), right: Some(layers[1]) };
            assert_eq!(entry.layers, Some(sides), "{name}: {entry:#?}");
            assert!(
                entry.sides()[0].as_ref().unwrap().ends_with(&format!(", layer {}", layers[0]))
            );
        }
    }
    let (layered, squashed) = differently_layered(&[text("two")], &[text("2")]);
    let found = run(&layered, &squashed).unwrap();
    let inside = found.differences.iter().find_map(|d| d.inside.as_ref());
    assert!(inside.is_some(), "{found:#?}");
}

#[test]
fn what_only_one_of_two_differently_layered_images_has_is_told_with_its_layer() {
    let (layered, squashed) = differently_layered(&[file("extra", "x")], &[]);
    let found = run(&squashed, &layered).unwrap();
    assert_eq!(found.level, Level::Different);
    let extra = found.differences.iter().find(|d| d.what == What::OnlyIn(Which::Rebuilt)).unwrap();
    assert_eq!(extra.layers, Some(SideLayers { left: None, right: Some(1) }));
    // The published image has no step that made it.
    let mut explained = found.clone();
    crate::compare::build_step::explain(&mut explained, &squashed.build().config, None);
    let extra =
        explained.differences.iter().find(|d| d.what == What::OnlyIn(Which::Rebuilt)).unwrap();
    assert_eq!(extra.cause, None);
}

#[test]
fn packages_of_differently_layered_images_are_told_from_other_files() {
    let status = |version: &str| {
        let text = format!(
            "Package: a\nStatus: install ok installed\nVersion: {version}\nArchitecture: amd64\n\n"
        );
        named("var/lib/dpkg/status", text.into_bytes())
    };
    let sums = |content: &str| {
        named("var/lib/dpkg/info/a.md5sums", format!("{content}  usr/bin/a\n").into_bytes())
    };
    let files = |version: &str| {
        vec![
            status(version),
            sums(version),
            named("usr/bin/a", version.as_bytes().to_vec()),
            named("usr/bin/b", version.as_bytes().to_vec()),
        ]
    };
    let (layered, squashed) = differently_layered(&files("1"), &files("2"));
    let found = run(&layered, &squashed).unwrap();
    assert_eq!(found.level, Level::Different);
    assert_eq!(found.packages.len(), 1, "{found:#?}");
    let class = |path: &str| {
        let of = |d: &&Difference| matches!(&d.place, Place::Entry { path: p, .. } if p == path);
        found.differences.iter().find(of).map(|d| d.class)
    };
    assert_eq!(class("/usr/bin/a"), Some(Class::PackageDrift));
    assert_eq!(class("/usr/bin/b"), Some(Class::Content));
}

#[test]
fn bounds_hold_for_differently_layered_images_too() {
    let module = |time| named("m.pyc", pyc(time, "x"));
    let (layered, squashed) = differently_layered(&[module(1)], &[module(2)]);
    let size = module(1).content.len() as u64;
    for (explain_bytes, level) in [(size, Level::Explained), (size - 1, Level::Different)] {
        let limits = Limits { explain_bytes, ..Limits::default() };
        assert_eq!(run_with(&layered, &squashed, &[], &limits).unwrap().level, level);
    }
    let modules = |time| ["a.pyc", "b.pyc", "c.pyc"].map(|path| named(path, pyc(time, "x")));
    let (layered, squashed) = differently_layered(&modules(1), &modules(2));
    // The number of layers is a difference as well.
    for (differences, level) in
        [(4, Level::Explained), (3, Level::Different), (2, Level::Different)]
    {
        let limits = Limits { differences, ..Limits::default() };
        let found = run_with(&layered, &squashed, &[], &limits).unwrap();
        assert_eq!(found.level, level, "{differences}: {found:#?}");
        assert!(level == Level::Explained || found.omitted > 0);
    }
}

/// A file that is moved between layers and a file that takes the place of another are what they add up to, never less.
#[test]
fn what_an_extra_layer_changes_is_seen() {
    let module = |time, code| named("m.pyc", pyc(time, code));
    // The last layer wins: the right side runs other code in the end.
    let left = with(|r| r.layers[1].push(module(1, "x")));
    let right = with(|r| {
        r.layers[1].push(module(2, "x"));
        r.layers.push(vec![module(3, "evil")]);
    });
    assert_eq!(run(&left, &right).unwrap().level, Level::Different);
    let right = with(|r| {
        r.layers[1].push(module(2, "evil"));
        r.layers.push(vec![module(3, "x")]);
    });
    assert_eq!(run(&left, &right).unwrap().level, Level::Explained);
    let hidden = with(|r| {
        r.layers[1].push(module(2, "x"));
        r.layers.push(vec![file(".wh.app", "")]);
    });
    assert_eq!(run(&left, &hidden).unwrap().level, Level::Different);
}

/// What is fetched beforehand is all that a comparison of these opens.
#[test]
fn layers_that_are_not_needed_are_not_read() {
    let needed = |left: &Recipe, right: &Recipe| {
        let (mut left, mut right) = (left.build(), right.build());
        let (ours, theirs) = needed(left.side(), right.side(), &Limits::default());
        let blobs = |image: &Image, positions: &[usize]| -> Vec<Vec<u8>> {
            positions.iter().map(|at| image.blobs[*at].clone()).collect()
        };
        // One store for both sides.
        let stored = [blobs(&left, &ours), blobs(&right, &theirs)].concat();
        for image in [&mut left, &mut right] {
            for blob in image.blobs.iter_mut().filter(|blob| !stored.contains(blob)) {
                blob.clear();
            }
        }
        compare(left.side(), right.side(), &[], &Limits::default()).unwrap();
        (ours, theirs)
    };
    let changed = with(|r| r.layers[1][0] = file("app", "binary two"));
    let annotated = with(|r| r.annotation = "x");
    let lying = with(|r| r.lie = true);
    let extra = with(|r| r.layers.push(vec![file("x", "")]));
    assert_eq!(needed(&base(), &base()), (vec![], vec![]), "one image");
    assert_eq!(needed(&base(), &changed), (vec![1], vec![1]), "one layer changed");
    assert_eq!(needed(&base(), &annotated), (vec![0, 1], vec![]), "all diffIDs are proven");
    assert_eq!(needed(&base(), &lying), (vec![0], vec![]), "a claim is a lie");
    assert_eq!(needed(&base(), &extra), (vec![0, 1], vec![0, 1, 2]), "no pairs");
}

fn hard(path: &'static str, target: &'static str) -> Item {
    Item { mode: 0o644, ..special(path, EntryType::Link, target) }
}

/// One file with three names is the same however the links are written.
#[test]
fn chains_of_hard_links_are_one_file() {
    let linked = |items: Vec<Item>| with(move |r| r.layers[1] = items);
    let direct = linked(vec![file("p", "same"), hard("q", "p"), hard("r", "p")]);
    let others = [
        linked(vec![file("p", "same"), hard("q", "p"), hard("r", "q")]),
        linked(vec![file("q", "same"), hard("p", "q"), hard("r", "q")]),
        linked(vec![file("r", "same"), hard("q", "r"), hard("p", "q")]),
    ];
    for other in &others {
        let more =
            Recipe { layers: [other.layers.clone(), vec![vec![]]].concat(), ..other.clone() };
        assert_eq!(run(&direct, &more).unwrap().level, Level::ContentIdentical);
        let found = run(&direct, other).unwrap();
        assert_eq!(found.level, Level::ContentIdentical, "{found:#?}");
        assert!(found.differences.iter().all(|d| d.class.is_benign()), "{found:#?}");
    }
    let unlike = [
        linked(vec![file("p", "same"), hard("q", "p"), file("r", "same")]),
        linked(vec![file("p", "evil"), hard("q", "p"), hard("r", "q")]),
        linked(vec![file("p", "same"), hard("q", "p"), Item { mode: 0o4755, ..hard("r", "q") }]),
    ];
    for other in &unlike {
        let found = run(&direct, other).unwrap();
        assert_eq!(found.level, Level::Different, "{found:#?}");
        assert!(found.differences.iter().all(|d| {
            !d.left.iter().chain(&d.right).any(|side| side.to_string().contains("(0 bytes)"))
        }));
    }
}

/// No runtime unpacks a whiteout: its type, mode and owner have no effect.
#[test]
fn a_whiteout_is_a_name() {
    let hidden = |items: Vec<Item>| with(move |r| r.layers[1].extend(items));
    let plain = hidden(vec![file("etc/.wh.passwd", ""), file("etc/.wh.x", "")]);
    let same = [
        vec![file("etc/.wh.passwd", ""), hard("etc/.wh.x", "etc/.wh.passwd")],
        vec![file("etc/.wh.passwd", ""), Item { mode: 0, uid: 7, ..file("etc/.wh.x", "") }],
        vec![
            Item { xattr: Some(("user.a", b"1")), ..file("etc/.wh.passwd", "") },
            file("etc/.wh.x", ""),
        ],
    ];
    for items in same {
        let found = run(&plain, &hidden(items)).unwrap();
        assert_eq!(found.level, Level::ContentIdentical, "{found:#?}");
    }
    // One with content is refused: no builder writes it.
    let filled = hidden(vec![file("etc/.wh.passwd", "kept"), file("etc/.wh.x", "")]);
    assert!(run(&plain, &filled).is_err());
    let other = hidden(vec![file("etc/.wh.x", "")]);
    assert_eq!(run(&plain, &other).unwrap().level, Level::Different);
}

/// H17: bytes beside the tar stream, and annotations, by which lazily pulling runtimes find another tree.
#[test]
fn h17_what_a_runtime_could_obey_is_never_reproduced() {
    let toc = |stored: Vec<u8>| {
        [stored.as_slice(), &[0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0], b"evil"].concat()
    };
    let zstd = with(|r| r.stored = Stored::Zstd);
    let skippable = Recipe { spoil: toc, ..zstd.clone() };
    // FEXTRA: flag 4, then a length and the field.
    let extra: fn(Vec<u8>) -> Vec<u8> = |stored| {
        let mut bytes = stored;
        bytes[3] |= 4;
        bytes.splice(10..10, *b"\x06\0SG\x02\0no");
        bytes
    };
    // FCOMMENT: flag 16, a text and a NUL.
    let comment: fn(Vec<u8>) -> Vec<u8> = |stored| {
        let mut bytes = stored;
        bytes[3] |= 16;
        bytes.splice(10..10, *b"obey\0");
        bytes
    };
    let gzip = with(|r| r.stored = Stored::Gzip(6));
    for (base, twin) in [
        (&zstd, skippable),
        (&gzip, Recipe { spoil: extra, ..gzip.clone() }),
        (&gzip, Recipe { spoil: comment, ..gzip.clone() }),
    ] {
        for (left, right) in [(base, &twin), (&twin, base)] {
            let found = run(left, right).unwrap();
            assert_eq!(found.level, Level::Different, "{found:#?}");
            // In another number of layers, too.
            let more =
                Recipe { layers: [right.layers.clone(), vec![vec![]]].concat(), ..right.clone() };
            assert_eq!(run(left, &more).unwrap().level, Level::Different);
        }
        assert_eq!(run(&twin, &twin).unwrap().level, Level::ManifestIdentical);
    }
    assert_eq!(run(&zstd, &gzip).unwrap().level, Level::ConfigIdentical);
}

/// Access lists and descriptors of other systems stand in PAX records; the tree has them, too.
#[test]
fn attributes_named_like_times_count_in_every_form() {
    let named = |value: &'static [u8]| {
        with(move |r| r.layers[1].push(Item { xattr: Some(("comment", value)), ..file("x", "") }))
    };
    assert_eq!(run(&named(b"1"), &named(b"2")).unwrap().level, Level::Different);
}

/// H19: an explained content is no cover for something else at its path.
#[test]
fn h19_an_explanation_is_about_a_pair_of_contents() {
    let module = |time| named("m.pyc", pyc(time, "code"));
    let twin = |left: Vec<Item>, right: Vec<Item>| {
        let with = |time, items: Vec<Item>| {
            with(move |r| {
                r.layers[0].push(special("s/", EntryType::Directory, ""));
                r.layers[0].push(named("s/m.pyc", pyc(time, "code")));
                r.layers[1].extend(items);
            })
        };
        run(&with(1, left), &with(2, right)).unwrap()
    };
    let opaque = || file("s/.wh..wh..opq", "");
    assert_eq!(twin(vec![], vec![]).level, Level::Explained);
    // The explained file is hidden on one side.
    assert_eq!(twin(vec![], vec![opaque()]).level, Level::Different);
    assert_eq!(twin(vec![opaque()], vec![]).level, Level::Different);
    // On both, nobody sees it.
    assert_eq!(twin(vec![opaque()], vec![opaque()]).level, Level::ContentIdentical);
    assert_eq!(twin(vec![module(1)], vec![module(2)]).level, Level::Explained);
}

/// A time inside a compiled module says whether Python runs it or its source.
#[test]
fn a_time_that_changes_what_runs_is_not_explained() {
    let twin = |place: &'static str, times: [(u32, u64); 2]| {
        let [left, right] = times.map(|(inside, source)| {
            with(move |r| {
                let compiled = pyc(inside, "code");
                // Its header says four bytes of source.
                r.layers[1].push(Item { mtime: source, ..file("m.py", "1234") });
                r.layers[1].push(named(place, compiled));
            })
        });
        run(&left, &right).unwrap()
    };
    // H70: where Python looks first, and where a link or a setting leads it.
    let places = ["__pycache__/m.cpython-312.pyc", "cache/m.cpython-312.pyc", "prefix/x.pyc"];
    let cases = [
        ([(7, 7), (8, 8)], Level::Explained),
        ([(7, 1), (8, 1)], Level::Explained),
        ([(7, 7), (8, 7)], Level::Different),
        ([(7, 8), (8, 8)], Level::Different),
        // The module is the same, and only the time of its source decides.
        ([(7, 7), (7, 8)], Level::Different),
        ([(7, 8), (7, 9)], Level::ContentIdentical),
    ];
    for (place, (times, level)) in
        places.into_iter().flat_map(|place| cases.map(|case| (place, case)))
    {
        let found = twin(place, times);
        assert_eq!(found.level, level, "{place} {times:?} {found:#?}");
    }
    // The time of a file that a link makes a source, or that a hard link changes.
    let linked = |source: u64, kind: EntryType| {
        with(move |r| {
            r.layers[1].push(Item { mtime: source, ..file("impl", "1234") });
            r.layers[1].push(Item { mtime: source, mode: 0o644, ..special("m.py", kind, "impl") });
            r.layers[1].push(named("m.pyc", pyc(7, "code")));
        })
    };
    for kind in [EntryType::Symlink, EntryType::Link] {
        let found = run(&linked(7, kind), &linked(8, kind)).unwrap();
        assert_eq!(found.level, Level::Different, "{kind:?} {found:#?}");
        let found = run(&linked(8, kind), &linked(9, kind)).unwrap();
        assert_eq!(found.level, Level::ContentIdentical, "{kind:?} {found:#?}");
    }
}

/// A compiled module of Python 2.7: magic, time, code.
fn old_pyc(time: u32, code: &str) -> Vec<u8> {
    [&b"\x03\xf3\r\n"[..], &time.to_le_bytes(), code.as_bytes()].concat()
}

/// One of Python 3.6: magic, time, size of the source, code.
fn sized_pyc(time: u32, code: &str) -> Vec<u8> {
    [&b"\x33\x0d\r\n"[..], &time.to_le_bytes(), &[4, 0, 0, 0], code.as_bytes()].concat()
}

/// H85: headers of older Pythons say a time, too.
#[test]
fn h85_times_of_old_modules_decide_what_runs() {
    type Make = fn(u32, &str) -> Vec<u8>;
    let places = ["m.pyc", "m.pyo", "__pycache__/m.cpython-36.pyc", "elsewhere/any.pyc"];
    for (place, make) in places.into_iter().flat_map(|at| [(at, old_pyc as Make), (at, sized_pyc)])
    {
        let of = |source: u64, inside: u32| {
            with(move |r| {
                r.layers[0].push(named(place, make(inside, "code")));
                r.layers[1].push(Item { mtime: source, ..file("m.py", "1234") });
            })
        };
        for (sources, level) in [
            ([7, 8], Level::Different),
            ([8, 7], Level::Different),
            ([8, 9], Level::ContentIdentical),
        ] {
            let found = run(&of(sources[0], 7), &of(sources[1], 7)).unwrap();
            assert_eq!(found.level, level, "{place} {sources:?} {found:#?}");
        }
        // Nothing takes a time out of such a module.
        assert_eq!(run(&of(7, 7), &of(8, 8)).unwrap().level, Level::Different, "{place}");
    }
}

/// H86: source and module are in layers of their own, and links, names or settings bring them together.
#[test]
fn h86_times_decide_what_runs_across_layers_and_names() {
    type Find = fn(&mut Recipe);
    let linked: Find = |r| {
        r.layers[0].push(special("m.py", EntryType::Symlink, "impl"));
        r.layers[0].push(named("m.pyc", pyc(7, "code")));
    };
    let by_loader: Find =
        |r| r.layers[0].push(named("__pycache__/implcpython-312.pyc", pyc(7, "code")));
    let hard: Find = |r| {
        r.layers[0].push(named("blob", pyc(7, "code")));
        r.layers[0].push(Item {
            mode: 0o644,
            ..special("__pycache__/m.cpython-312.pyc", EntryType::Link, "blob")
        });
    };
    // A source beside a module that is found by another.
    let decoy: Find = |r| {
        r.layers[0].push(Item { mtime: 9, ..file("prefix/x.py", "1234") });
        r.layers[0].push(named("prefix/x.pyc", pyc(7, "code")));
    };
    for (name, find) in
        [("link", linked), ("loader", by_loader), ("hard link", hard), ("decoy", decoy)]
    {
        let of = |time: u64| {
            with(move |r| {
                find(r);
                r.layers[1].push(Item { mtime: time, ..file("impl", "1234") });
            })
        };
        for (times, level) in [
            ([7, 8], Level::Different),
            ([8, 7], Level::Different),
            ([8, 9], Level::ContentIdentical),
        ] {
            let found = run(&of(times[0]), &of(times[1])).unwrap();
            assert_eq!(found.level, level, "{name} {times:?} {found:#?}");
            let told = found.differences.iter().any(|d| d.what == What::PythonRuns);
            assert_eq!(told, level == Level::Different, "{name} {found:#?}");
        }
    }
    // Which module it is counts: another one of the same record is no stand-in.
    let of = |time: u64| {
        with(move |r| {
            r.layers[0].push(named("cache/one.pyc", pyc(7, "code")));
            r.layers[0].push(named("cache/two.pyc", pyc(8, "evil")));
            r.layers[1].push(Item { mtime: time, ..file("impl", "1234") });
        })
    };
    assert_eq!(run(&of(7), &of(8)).unwrap().level, Level::Different);
    // Packages whose files are written anew by every build.
    let of = |times: [u32; 3]| {
        with(move |r| {
            for (time, source, module) in [
                (times[0], "p/__init__.py", "p/__pycache__/__init__.cpython-312.pyc"),
                (times[1], "q/__init__.py", "q/__pycache__/__init__.cpython-312.pyc"),
            ] {
                r.layers[1].push(Item { mtime: u64::from(time), ..file(source, "1234") });
                r.layers[1].push(named(module, pyc(time, "code")));
            }
            r.layers[1].push(Item { mtime: u64::from(times[2]), ..file("p/data", "12345") });
        })
    };
    for (left, right) in [([7, 7, 7], [8, 8, 8]), ([7, 7, 7], [8, 9, 8]), ([7, 8, 7], [9, 9, 9])] {
        let found = run(&of(left), &of(right)).unwrap();
        assert_eq!(found.level, Level::Explained, "{left:?} {right:?} {found:#?}");
    }
}

/// Files that moved to another layer, or that something hides, come to the same tree.
#[test]
fn the_tree_counts_and_not_the_layer() {
    let moved = |layers: [Vec<Item>; 2]| with(|r| r.layers.extend(layers));
    let (one, two) = (file("one", "1"), file("two", "2"));
    let left = moved([vec![one.clone(), two.clone()], vec![]]);
    let same = [
        moved([vec![two.clone()], vec![one.clone()]]),
        moved([vec![], vec![one.clone(), two.clone()]]),
        moved([vec![one.clone(), file("two", "other")], vec![two.clone()]]),
        moved([vec![file("one", "other")], vec![two.clone(), one.clone()]]),
        moved([vec![one.clone(), two.clone(), file("x", "")], vec![file(".wh.x", "")]]),
    ];
    for right in &same {
        for (left, right) in [(&left, right), (right, &left)] {
            let found = run(left, right).unwrap();
            assert_eq!(found.level, Level::ContentIdentical, "{found:#?}");
            assert!(found.differences.iter().all(|d| d.class.is_benign()), "{found:#?}");
        }
    }
    let unlike = [
        moved([vec![two.clone()], vec![file("one", "other")]]),
        moved([vec![two.clone()], vec![Item { mode: 0o4644, ..one.clone() }]]),
        moved([vec![one.clone(), two.clone()], vec![file(".wh.two", "")]]),
        moved([vec![one, two, file("x", "")], vec![]]),
    ];
    for right in &unlike {
        for (left, right) in [(&left, right), (right, &left)] {
            assert_eq!(run(left, right).unwrap().level, Level::Different, "{right:#?}");
        }
    }
}

mod devices;
mod layering;
