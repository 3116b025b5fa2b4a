//! Secrets in what an entry says of itself, and in documents: where nobody looks who runs a container.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Value, json};

use super::*;
use crate::{
    digest::{BlobDigest, ConfigDigest, Digest, ManifestDigest},
    image::{
        Checked, Descriptor, Image, ImageConfig, Index, Manifest, MediaType,
        rootfs::{RootfsBuilder, RootfsError},
    },
    reference::{Location, PinnedReference},
};

/// An entry: path, target of a link, owner, PAX records.
#[derive(Default)]
struct Made<'a> {
    path: &'a str,
    link: Option<&'a str>,
    owner: &'a str,
    pax: Vec<(&'a str, &'a [u8])>,
    global: Option<&'a str>,
    content: &'a [u8],
}

fn layer(entries: &[Made<'_>]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for one in entries {
        if let Some(comment) = one.global {
            let record = |length: usize| format!("{length} comment={comment}\n");
            let length = (1..).find(|length| record(*length).len() == *length).unwrap();
            let mut header = tar::Header::new_ustar();
            header.set_entry_type(tar::EntryType::XGlobalHeader);
            header.set_size(length as u64);
            tar.append_data(&mut header, "pax_global_header", record(length).as_bytes()).unwrap();
        }
        tar.append_pax_extensions(one.pax.iter().copied()).unwrap();
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o644);
        header.set_username(one.owner).unwrap();
        header.set_size(one.content.len() as u64);
        match one.link {
            Some(target) => {
                header.set_entry_type(tar::EntryType::Symlink);
                header.set_path(one.path).unwrap();
                // As it is written: `//` is a part of an address.
                header.set_link_name_literal(target).unwrap();
                header.set_cksum();
                tar.append(&header, &[][..]).unwrap();
            }
            None => tar.append_data(&mut header, one.path, one.content).unwrap(),
        }
    }
    tar.into_inner().unwrap()
}

fn searched(layers: &[&[Made<'_>]]) -> Result<Secrets, RootfsError> {
    let limits = Limits::default();
    let mut secrets = SecretsCollector::new(&limits);
    let mut builder = RootfsBuilder::new(&limits, |_| false).shown_to(vec![&mut secrets]);
    for (index, entries) in layers.iter().enumerate() {
        builder.add_layer(index, layer(entries).as_slice())?;
    }
    let rootfs = builder.finish();
    Ok(secrets.finish(&rootfs, || None))
}

/// Kind, path, field and layer of each, `hidden` where the tree has it no longer.
fn said(layers: &[&[Made<'_>]]) -> Vec<String> {
    let said = |secret: &Secret| match &secret.source {
        Source::File { spot, field, hidden, .. } => {
            let (kind, field) = (secret.kind.word(), field.as_deref().unwrap_or("bytes"));
            let hidden = if *hidden { " hidden" } else { "" };
            format!("{kind} {} {field} {}{hidden}", spot.path, spot.layer.unwrap())
        }
        Source::Config { .. } => unreachable!(),
    };
    searched(layers).unwrap().found.items.iter().map(said).collect()
}

#[test]
fn c63_what_an_entry_says_of_itself_is_searched() {
    let random = &mut Sequence(41);
    let token = filled("ghp_{:crc}", random);
    let (pem, der) = (filled("{:pkcs8}", random), key("pkcs8", random).1);
    let wide = utf16(&token, true, true);
    let (note, comment) = ("SCHILY.xattr.user.note", "comment");
    let name = format!("SCHILY.xattr.user.{token}");
    let cases: Vec<(&str, Made<'_>, &str)> = vec![
        (
            "nothing",
            Made { path: "a", pax: vec![(note, b"words".as_slice())], ..Made::default() },
            "",
        ),
        (
            "an attribute",
            Made { path: "a", pax: vec![(note, token.as_bytes())], ..Made::default() },
            "github-token /a xattr user.note 0",
        ),
        (
            "one in UTF-16",
            Made { path: "a", pax: vec![(note, wide.as_slice())], ..Made::default() },
            "github-token /a xattr user.note 0",
        ),
        (
            "a key",
            Made { path: "a", pax: vec![(note, pem.as_bytes())], ..Made::default() },
            "private-key /a xattr user.note 0",
        ),
        (
            "a key in DER",
            Made { path: "a", pax: vec![(note, der.as_slice())], ..Made::default() },
            "private-key /a xattr user.note 0",
        ),
        (
            "a password by its name",
            Made {
                path: "a",
                pax: vec![("SCHILY.xattr.user.db_password", b"s9df8sdf".as_slice())],
                ..Made::default()
            },
            "named-secret /a xattr user.db_password 0",
        ),
        (
            "the name of an attribute",
            Made { path: "a", pax: vec![(name.as_str(), b"x".as_slice())], ..Made::default() },
            "github-token /a xattr 0",
        ),
        (
            "a comment",
            Made { path: "a", pax: vec![(comment, token.as_bytes())], ..Made::default() },
            "github-token /a pax comment 0",
        ),
        (
            "a record of a vendor",
            Made { path: "a", pax: vec![("VENDOR.note", token.as_bytes())], ..Made::default() },
            "github-token /a pax VENDOR.note 0",
        ),
        (
            "a comment of a global header",
            Made { path: "a", global: Some(&token), ..Made::default() },
            "github-token /a pax comment 0",
        ),
    ];
    for (what, entry, want) in cases {
        assert_eq!(said(&[&[entry]]).join(", "), want, "{what}");
    }
}

#[test]
fn c63_owners_hidden_entries_and_links_are_searched() {
    let random = &mut Sequence(41);
    let token = filled("ghp_{:crc}", random);
    let in_path = format!("srv/{token}/.wh.x");
    let note = "SCHILY.xattr.user.note";
    let address = "postgres://app:s9df8sdf@db/app";
    let cases: Vec<(&str, Made<'_>, &str)> = vec![
        (
            "the target of a link",
            Made { path: "a", link: Some(&token), ..Made::default() },
            "github-token /a link 0",
        ),
        (
            "an address as target",
            Made { path: "a", link: Some(address), ..Made::default() },
            "named-secret /a link 0",
        ),
        (
            "an attribute of a whiteout",
            Made { path: "srv/.wh.a", pax: vec![(note, token.as_bytes())], ..Made::default() },
            "github-token /srv/.wh.a xattr user.note 0 hidden",
        ),
        (
            "the path of a whiteout",
            Made { path: &in_path, ..Made::default() },
            "github-token /srv/[secret]/.wh.x path 0 hidden",
        ),
    ];
    for (what, entry, want) in cases {
        assert_eq!(said(&[&[entry]]).join(", "), want, "{what}");
    }
    // Owners' names have room for few forms.
    let owner = filled("npm_{:crc}", random);
    if owner.len() <= 32 {
        let entry = Made { path: "a", owner: &owner, ..Made::default() };
        assert_eq!(said(&[&[entry]]), ["npm-token /a owner 0"]);
    }
    let long = Made { path: "a", pax: vec![("uname", token.as_bytes())], ..Made::default() };
    assert_eq!(said(&[&[long]]), ["github-token /a owner 0"]);
    // What a later layer deletes or replaces is there for whoever pulls the image.
    let lower = || Made {
        path: "a",
        pax: vec![("SCHILY.xattr.user.db_password", b"s9df8sdf".as_slice())],
        ..Made::default()
    };
    let upper = Made { path: ".wh.a", ..Made::default() };
    assert_eq!(said(&[&[lower()], &[upper]]), ["named-secret /a xattr user.db_password 0 hidden"]);
    let again = Made { path: "a", ..Made::default() };
    assert_eq!(said(&[&[lower()], &[again]]), ["named-secret /a xattr user.db_password 0 hidden"]);
    let shown =
        format!("{:?}", searched(&[&[Made { path: &in_path, ..Made::default() }]]).unwrap());
    assert!(!shown.contains(&token), "{shown}");
}

#[test]
fn c63_no_whiteout_has_content_and_no_global_header_stands_alone() {
    let random = &mut Sequence(43);
    let token = filled("ghp_{:crc}", random);
    for path in ["srv/.wh.a", "srv/.wh..wh..opq", ".wh..wh.aufs"] {
        let entry = Made { path, content: token.as_bytes(), ..Made::default() };
        let error = searched(&[&[entry]]).unwrap_err().to_string();
        assert!(error.contains("a whiteout with content"), "{path}: {error}");
        assert!(!error.contains(&token), "{error}");
        assert!(searched(&[&[Made { path, ..Made::default() }]]).is_ok(), "{path}");
    }
    let whole = layer(&[Made { path: "a", global: Some(&token), ..Made::default() }]);
    let alone = [&whole[..1024], &[0; 1024]].concat();
    let limits = Limits::default();
    let mut builder = RootfsBuilder::new(&limits, |_| false);
    let error = builder.add_layer(0, alone.as_slice()).unwrap_err().to_string();
    assert!(error.contains("a global PAX header that no entry follows"), "{error}");
}

#[test]
fn what_an_entry_says_is_bounded() {
    let limits = Limits { facts: 1, ..Limits::default() };
    let mut secrets = SecretsCollector::new(&limits);
    let mut builder = RootfsBuilder::new(&limits, |_| false).shown_to(vec![&mut secrets]);
    let many: Vec<Made<'_>> = ["a", "b", "c"]
        .map(|path| Made {
            path,
            pax: vec![("SCHILY.xattr.user.db_password", b"s9df8sdf".as_slice())],
            ..Made::default()
        })
        .into();
    builder.add_layer(0, layer(&many).as_slice()).unwrap();
    let rootfs = builder.finish();
    let found = secrets.finish(&rootfs, || None).found;
    assert_eq!((found.items.len(), found.left_out), (1, 2));
}

/// An image of this manifest and configuration, each with the members that every one has.
fn image(mut manifest: Value, mut config: Value) -> Image {
    let layer = Digest::sha256(b"layer").to_string();
    for (name, value) in [
        ("architecture", json!("amd64")),
        ("os", json!("linux")),
        ("rootfs", json!({"type": "layers", "diff_ids": [layer]})),
    ] {
        config[name] = value;
    }
    let config = config.to_string().into_bytes();
    let digest = ConfigDigest::of(&config);
    manifest["schemaVersion"] = json!(2);
    manifest["mediaType"] = json!(MediaType::OCI_MANIFEST);
    manifest["config"]["mediaType"] = json!("application/vnd.oci.image.config.v1+json");
    manifest["config"]["digest"] = json!(digest.to_string());
    manifest["config"]["size"] = json!(config.len());
    if manifest["layers"].is_null() {
        manifest["layers"] = json!([{}]);
    }
    manifest["layers"][0]["mediaType"] = json!("application/vnd.oci.image.layer.v1.tar");
    manifest["layers"][0]["digest"] = json!(layer);
    manifest["layers"][0]["size"] = json!(1);
    let manifest = manifest.to_string().into_bytes();
    let named = ManifestDigest::of(&manifest);
    let limits = Limits::default();
    let checked = Checked::new("manifest", named.clone(), manifest.into()).unwrap();
    let manifest = Manifest::parse(checked, None, &limits).unwrap();
    let checked = Checked::new("configuration", digest, config.into()).unwrap();
    let location = Location::Registry("r.example/app".parse().unwrap());
    Image {
        reference: PinnedReference { location, digest: named },
        index: None,
        outer: Vec::new(),
        manifest,
        config: Arc::new(ImageConfig::parse(checked, &limits).unwrap()),
        platform: "linux/amd64".parse().unwrap(),
        left_out: Arc::default(),
    }
}

/// An index that lists an image with these annotations, and another one with others.
fn listed(image: &Image, own: BTreeMap<String, String>, other: BTreeMap<String, String>) -> Index {
    let descriptor = |digest: BlobDigest, annotations| Descriptor {
        media_type: MediaType::new(MediaType::OCI_MANIFEST),
        digest,
        size: 1,
        platform: None,
        selective: false,
        artifact_type: None,
        annotations,
    };
    let digest = image.manifest.document.digest.to_string();
    let bytes = bytes::Bytes::from_static(b"{}");
    let document = Checked { digest: ManifestDigest::of(&bytes), bytes };
    let media_type = MediaType::new("application/vnd.oci.image.index.v1+json");
    let manifests =
        vec![descriptor(BlobDigest::of(b"other"), other), descriptor(digest.parse().unwrap(), own)];
    Index { document, media_type, manifests, annotations: BTreeMap::new() }
}

#[test]
fn c63_annotations_and_unknown_members_of_documents_are_searched() {
    let random = &mut Sequence(45);
    let token = filled("ghp_{:crc}", random);
    let said = |image: &Image| {
        let said = |secret: Secret| match secret.source {
            Source::Config { part, index, name } => {
                let name = name.map(|name| format!(" {name}")).unwrap_or_default();
                format!("{} {part} {index}{name}", secret.kind.word())
            }
            Source::File { .. } => unreachable!(),
        };
        in_image(image).into_iter().map(said).collect::<Vec<_>>().join(", ")
    };
    let cases = [
        ("nothing", json!({"annotations": {"a": "words"}}), json!({}), ""),
        (
            "of the manifest",
            json!({"annotations": {"a": token}}),
            json!({}),
            "github-token annotations 0 a",
        ),
        (
            "by its name",
            json!({"annotations": {"db.password": "s9df8sdf"}}),
            json!({}),
            "named-secret annotations 0 db.password",
        ),
        (
            "of the configuration's descriptor",
            json!({"config": {"annotations": {"a": token}}}),
            json!({}),
            "github-token annotations 1 a",
        ),
        (
            "of a layer's descriptor",
            json!({"layers": [{"annotations": {"a": token}}]}),
            json!({}),
            "github-token annotations 2 a",
        ),
        (
            "as a name",
            json!({"annotations": {(token.clone()): "a"}}),
            json!({}),
            "github-token annotations 0",
        ),
        (
            "an unknown member of the manifest",
            json!({"x-note": token}),
            json!({}),
            "github-token manifest 0",
        ),
        ("an author", json!({}), json!({"author": token}), "github-token config 0"),
        (
            "an unknown member of the configuration",
            json!({}),
            json!({"x": {"y": [token]}}),
            "github-token config 0",
        ),
    ];
    for (what, manifest, config, want) in cases {
        assert_eq!(said(&image(manifest, config)), want, "{what}");
    }
    let with = |value: &str| BTreeMap::from([("a".to_owned(), value.to_owned())]);
    let mut image = image(json!({}), json!({}));
    image.index = Some(Arc::new(listed(&image, with(&token), with("words"))));
    assert_eq!(said(&image), "github-token annotations 4 a");
    // What an index says of another image is that one's.
    image.index = Some(Arc::new(listed(&image, with("words"), with(&token))));
    assert_eq!(said(&image), "");
}
