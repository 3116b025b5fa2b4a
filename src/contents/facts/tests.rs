//! Facts of trees that are put together from layers.

use super::*;
use crate::image::{collect::Collector, rootfs::RootfsBuilder};

/// One entry of a layer: path, type, mode, content or link, attributes.
struct Written<'a> {
    path: &'a str,
    kind: tar::EntryType,
    mode: u32,
    content: &'a str,
    capability: Option<Vec<u8>>,
}

fn file<'a>(path: &'a str, mode: u32, content: &'a str) -> Written<'a> {
    Written { path, kind: tar::EntryType::Regular, mode, content, capability: None }
}

fn other(path: &str, kind: tar::EntryType, mode: u32) -> Written<'_> {
    Written { path, kind, mode, content: "", capability: None }
}

fn link<'a>(path: &'a str, kind: tar::EntryType, target: &'a str) -> Written<'a> {
    Written { path, kind, mode: 0o644, content: target, capability: None }
}

fn layer(entries: &[Written<'_>]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for entry in entries {
        if let Some(capability) = &entry.capability {
            let name = "SCHILY.xattr.security.capability";
            builder.append_pax_extensions([(name, capability.as_slice())]).unwrap();
        }
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(entry.kind);
        header.set_mode(entry.mode);
        header.set_uid(0);
        header.set_gid(7);
        header.set_mtime(0);
        let linked = entry.kind.is_symlink() || entry.kind.is_hard_link();
        if entry.kind.is_character_special() {
            header.set_device_major(1).unwrap();
            header.set_device_minor(3).unwrap();
        }
        let content = if linked { "" } else { entry.content };
        header.set_size(content.len() as u64);
        if linked {
            builder.append_link(&mut header, entry.path, entry.content).unwrap();
        } else {
            builder.append_data(&mut header, entry.path, content.as_bytes()).unwrap();
        }
    }
    builder.into_inner().unwrap()
}

fn facts(layers: &[Vec<u8>], user: &str, packages: &[Package], most: usize) -> Facts {
    let limits = Limits { facts: most, ..Limits::default() };
    let mut collector = FactsCollector::default();
    let collectors = vec![&mut collector as &mut dyn Collector];
    let mut builder = RootfsBuilder::new(&limits, |_| false).shown_to(collectors);
    let mut stored = Vec::new();
    for (position, layer) in layers.iter().enumerate() {
        builder.add_layer(position, layer.as_slice()).unwrap();
        stored.push(Stored { compressed: 10, uncompressed: layer.len() as u64 });
    }
    let rootfs = builder.finish();
    let runtime = RuntimeConfig { user: user.to_owned(), ..RuntimeConfig::default() };
    Facts::of(&rootfs, &collector, &stored, &runtime, packages, &limits)
}

fn capability() -> Vec<u8> {
    [0x0200_0001_u32, 1 << 13, 0, 0, 0].iter().flat_map(|word| word.to_le_bytes()).collect()
}

#[test]
fn rights_of_files_are_told_with_path_and_layer() {
    let base = layer(&[
        file("usr/bin/su", 0o4755, "s"),
        file("usr/bin/wall", 0o2755, "w"),
        file("usr/bin/gone", 0o4755, "g"),
        Written { capability: Some(capability()), ..file("usr/bin/ping", 0o755, "p") },
        other("dev/null", tar::EntryType::Char, 0o666),
        other("tmp", tar::EntryType::Directory, 0o1777),
        other("var/open", tar::EntryType::Directory, 0o777),
        file("etc/open", 0o666, "o"),
        file("etc/run", 0o777, "o"),
        file("etc/fine", 0o644, "o"),
    ]);
    let above = layer(&[
        file("usr/bin/.wh.gone", 0, ""),
        link("usr/bin/su2", tar::EntryType::Link, "usr/bin/su"),
    ]);
    let facts = facts(&[base, above], "", &[], 100);
    let said: Vec<_> = facts
        .set_ids
        .items
        .iter()
        .map(|one| {
            format!(
                "{} {:?} {} {} {}",
                one.spot.path, one.spot.layer, one.setuid, one.setgid, one.gid
            )
        })
        .collect();
    // The link's entry set the mode of the file that both names share: 0644.
    assert_eq!(said, ["/usr/bin/wall Some(0) false true 7"]);
    let capable = &facts.capable.items;
    assert_eq!(capable.len(), 1);
    assert_eq!(capable[0].capabilities.as_ref().unwrap().permitted, ["CAP_NET_RAW"]);
    let writable: Vec<_> = facts
        .writable
        .items
        .iter()
        .map(|one| (one.spot.path.as_str(), one.folder, one.executable))
        .collect();
    assert_eq!(
        writable,
        [("/etc/open", false, false), ("/etc/run", false, true), ("/var/open", true, false)]
    );
    let devices: Vec<_> = facts
        .devices
        .items
        .iter()
        .map(|one| (one.spot.path.as_str(), one.block, one.numbers))
        .collect();
    assert_eq!(devices, [("/dev/null", false, Some((1, 3)))]);
    assert_eq!(facts.left_out(), []);
}

#[test]
fn a_bound_says_how_many_it_left_out() {
    let many = layer(&[
        file("a", 0o4755, "1"),
        file("b", 0o4755, "2"),
        file("c", 0o4757, "3"),
        file("bin/sh", 0o755, "4"),
    ]);
    let some = facts(std::slice::from_ref(&many), "", &[], 2);
    assert_eq!((some.set_ids.items.len(), some.left_out()), (2, vec![("setIds", 1)]));
    let all = facts(&[many], "", &[], 3);
    assert_eq!((all.set_ids.items.len(), all.left_out()), (3, vec![]));
}

#[test]
fn tools_are_found_behind_links_and_by_packages() {
    let image = layer(&[
        file("usr/bin/dash", 0o755, "d"),
        link("usr/bin/sh", tar::EntryType::Symlink, "dash"),
        link("usr/bin/bash", tar::EntryType::Symlink, "nowhere"),
        file("usr/bin/gcc", 0o644, "no program"),
        link("bin", tar::EntryType::Symlink, "usr/bin"),
    ]);
    let package = Package {
        ecosystem: "deb",
        name: "curl".to_owned(),
        version: "8".to_owned(),
        architecture: None,
        purl: None,
        licence: None,
        source: None,
        source_version: None,
        module: None,
        database: "/var/lib/dpkg/status".to_owned(),
        layer: Some(0),
    };
    let facts = facts(&[image], "", &[package], 100);
    let found: Vec<_> =
        facts.programs.items.iter().map(|one| (one.class.word(), one.spot.path.as_str())).collect();
    let want =
        [("shell", "/usr/bin/dash"), ("shell", "/usr/bin/sh"), ("network", "/var/lib/dpkg/status")];
    assert_eq!(found, want);
}

#[test]
fn bytes_that_later_layers_hide_are_those_of_the_layer_that_brought_them() {
    let base = layer(&[file("a", 0o644, "aaaa"), file("b", 0o644, "bb"), file("c", 0o644, "c")]);
    let above = layer(&[
        file("b", 0o644, "new"),
        file(".wh.a", 0, ""),
        link("d", tar::EntryType::Link, "c"),
    ]);
    let facts = facts(&[base, above.clone()], "", &[], 100);
    let sizes: Vec<_> = facts
        .sizes
        .layers
        .iter()
        .map(|one| (one.files, one.file_bytes, one.hidden_bytes))
        .collect();
    assert_eq!(sizes, [(3, 7, 6), (1, 3, 0)]);
    let total = facts.sizes.total();
    assert_eq!((total.stored.compressed, total.file_bytes, total.hidden_bytes), (20, 10, 6));
    assert_eq!(facts.sizes.layers[1].stored.uncompressed, above.len() as u64);
}

#[test]
fn the_user_is_that_of_the_last_accounts() {
    let base = layer(&[file("etc/passwd", 0o644, "app:x:1:1::/:\n")]);
    let above = layer(&[file("etc/passwd", 0o644, "app:x:2:2::/:\n")]);
    let uid = |layers: &[Vec<u8>]| facts(layers, "app", &[], 9).user.resolved.map(|user| user.uid);
    assert_eq!(uid(std::slice::from_ref(&base)), Some(1));
    assert_eq!(uid(&[base.clone(), above]), Some(2));
    let elsewhere = layer(&[
        file("etc/other", 0o644, "app:x:3:3::/:\n"),
        link("etc/passwd", tar::EntryType::Symlink, "other"),
    ]);
    let user = facts(&[base, elsewhere], "app", &[], 9).user;
    assert!(user.problem.is_some_and(|why| why.contains("is a link")), "{:?}", user.resolved);
    assert_eq!(
        facts(&[], "app", &[], 9).user.problem.as_deref(),
        Some("/etc/passwd has no user of this name")
    );
}
