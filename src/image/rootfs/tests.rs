//! Layers of a few entries each, and what they add up to.

use ::tar::{Builder, EntryType, Header};
use proptest::prelude::*;

use super::*;

/// One entry of a test layer: type, path, link target or content. A `D` is a folder that others may not enter.
type Item<'a> = (char, &'a str, &'a str);

fn layer(items: &[Item<'_>]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (kind, path, value) in items {
        let mut header = Header::new_gnu();
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(0);
        let file = matches!(kind, 'f' | 'u');
        header.set_entry_type(match kind {
            'd' | 'D' => EntryType::Directory,
            'c' => EntryType::Char,
            's' => EntryType::Symlink,
            'h' => EntryType::Link,
            _ => EntryType::Regular,
        });
        if *kind == 'd' {
            header.set_mode(0o755);
        }
        if *kind == 'c' {
            header.set_device_major(0).unwrap();
            header.set_device_minor(0).unwrap();
        }
        if *kind == 'u' || *kind == 'h' && value.starts_with('+') {
            header.set_mode(0o4755);
        }
        if file {
            header.set_size(value.len() as u64);
            builder.append_data(&mut header, path, value.as_bytes()).unwrap();
        } else if matches!(kind, 'd' | 'D' | 'c') {
            builder.append_data(&mut header, path, std::io::empty()).unwrap();
        } else {
            builder.append_link(&mut header, path, value.trim_start_matches('+')).unwrap();
        }
    }
    builder.into_inner().unwrap()
}

fn build(layers: &[&[Item<'_>]], limits: &Limits) -> Result<Rootfs, RootfsError> {
    let mut builder = RootfsBuilder::new(limits, |_| true);
    for (index, items) in layers.iter().enumerate() {
        builder.add_layer(index, layer(items).as_slice())?;
    }
    Ok(builder.finish())
}

fn paths(rootfs: &Rootfs) -> Vec<&str> {
    rootfs.paths().collect()
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table of cases")]
fn upper_layers_win() {
    type Case<'a> = (&'a str, &'a [&'a [Item<'a>]], &'a [&'a str]);
    let cases: &[Case<'_>] = &[
        ("file over file", &[&[('f', "a", "1")], &[('f', "a", "2")]], &["/a"]),
        (
            "whiteout hides a file",
            &[&[('f', "d/a", "1"), ('f', "d/b", "1")], &[('f', "d/.wh.a", "")]],
            &["/d", "/d/b"],
        ),
        (
            "whiteout hides a folder",
            &[&[('f', "d/e/a", "1"), ('f', "de", "1")], &[('f', ".wh.d", "")]],
            &["/de"],
        ),
        (
            "opaque hides below and keeps its own",
            &[&[('f', "d/a", "1")], &[('f', "d/b", "2"), ('f', "d/.wh..wh..opq", "")]],
            &["/d", "/d/b"],
        ),
        ("file over folder", &[&[('f', "d/a", "1")], &[('f', "d", "2")]], &["/d"]),
        (
            "folder over file",
            &[&[('f', "d", "1")], &[('d', "d", ""), ('f', "d/a", "2")]],
            &["/d", "/d/a"],
        ),
        (
            "a folder again keeps its files",
            &[&[('f', "d/a", "1")], &[('d', "d", "")]],
            &["/d", "/d/a"],
        ),
        (
            "a link of the same layer is followed",
            &[&[('d', "usr/lib", "")], &[('s', "lib", "usr/lib"), ('f', "lib/x", "1")]],
            &["/lib", "/usr", "/usr/lib", "/usr/lib/x"],
        ),
        (
            "a folder takes the place of a link",
            &[
                &[('f', "usr/lib/x", ""), ('s', "lib", "usr/lib")],
                &[('d', "lib", ""), ('f', "lib/y", "")],
            ],
            &["/lib", "/lib/y", "/usr", "/usr/lib", "/usr/lib/x"],
        ),
        (
            "whiteouts make the folders above them",
            &[&[('f', "a", "")], &[('f', "d/e/.wh.x", ""), ('f', "f/.wh..wh..opq", "")]],
            &["/a", "/d", "/d/e", "/f"],
        ),
        (
            "a file after its whiteout",
            &[&[('f', "d/a", "")], &[('f', ".wh.d", ""), ('f', "d", "")]],
            &["/d"],
        ),
        (
            "a new folder after the whiteout of a file",
            &[&[('f', "d", "")], &[('f', ".wh.d", ""), ('d', "d", ""), ('f', "d/a", "")]],
            &["/d", "/d/a"],
        ),
        (
            "whiteouts of any type",
            &[
                &[('f', "a", ""), ('f', "b", ""), ('f', "c", "")],
                &[('f', ".wh.a", ""), ('h', ".wh.b", ".wh.a"), ('s', ".wh.c", "x")],
            ],
            &[],
        ),
        (
            "an opaque whiteout after a folder of its own",
            &[
                &[('f', "d/e/a", "")],
                &[
                    ('d', "d", ""),
                    ('d', "d/e", ""),
                    ('f', "d/e/b", ""),
                    ('f', "d/.wh..wh..opq", ""),
                ],
            ],
            &["/d", "/d/e", "/d/e/b"],
        ),
    ];
    for (name, layers, want) in cases {
        let rootfs = build(layers, &Limits::default()).unwrap();
        assert_eq!(paths(&rootfs), *want, "{name}");
        assert_eq!(rootfs.ambiguities(), [], "{name}");
    }
}

#[test]
fn links_are_followed_inside_the_root() {
    let layers: &[&[Item<'_>]] = &[&[
        ('f', "etc/passwd", "inside"),
        ('s', "up", "../../../etc/passwd"),
        ('s', "abs", "/etc/passwd"),
        ('s', "chain", "abs"),
        ('s', "folder", "etc/../etc"),
        ('s', "loop", "loop"),
        ('s', "dangling", "nowhere"),
        ('h', "hard", "etc/passwd"),
    ]];
    let rootfs = build(layers, &Limits::default()).unwrap();
    for path in ["/etc/passwd", "/up", "/abs", "/chain", "/folder/passwd", "/hard"] {
        assert_eq!(rootfs.file(path), Some(b"inside".as_slice()), "{path}");
    }
    for path in ["/loop", "/dangling", "/etc", "/nowhere"] {
        assert_eq!(rootfs.file(path), None, "{path}");
    }
    assert_eq!(rootfs.resolve("/folder/passwd").as_deref(), Some("/etc/passwd"));
}

#[test]
fn forty_links_and_no_more() {
    let names: Vec<String> = (0..=HOPS_MAX + 1).map(|n| format!("n{n:02}")).collect();
    let mut items: Vec<Item<'_>> = vec![('f', "n00", "end")];
    items.extend(names.windows(2).map(|pair| ('s', pair[1].as_str(), pair[0].as_str())));
    let rootfs = build(&[&items], &Limits::default()).unwrap();
    assert_eq!(rootfs.file(&format!("/n{HOPS_MAX:02}")), Some(b"end".as_slice()));
    assert_eq!(rootfs.file(&format!("/n{:02}", HOPS_MAX + 1)), None);
}

#[test]
fn a_hard_link_may_change_the_shared_file() {
    let layers: &[&[Item<'_>]] = &[&[('f', "sh", "x")], &[('h', "copy", "+sh")]];
    let rootfs = build(layers, &Limits::default()).unwrap();
    assert_eq!(rootfs.get("/sh").unwrap().mode, 0o4755);
    assert_eq!(rootfs.get("/copy").unwrap().mode, 0o4755);
}

#[test]
fn ambiguities_are_told() {
    let cases: &[(&str, &[Item<'_>], &str)] = &[
        ("file twice", &[('f', "a", "1"), ('f', "a", "2")], "/a"),
        ("file and folder", &[('f', "a", "1"), ('d', "a", "")], "/a"),
        ("setuid the second time", &[('f', "a", "1"), ('u', "a", "1")], "/a"),
        ("whiteout after the file", &[('f', "a", "1"), ('f', ".wh.a", "")], "/a"),
        ("through a symlink", &[('f', "u/a", ""), ('s', "l", "u"), ('f', "l/a", "")], "/u/a"),
    ];
    for (name, items, path) in cases {
        let rootfs = build(&[items], &Limits::default()).unwrap();
        let found: Vec<_> = rootfs.ambiguities().iter().map(|a| a.path.as_str()).collect();
        assert_eq!(found, [*path], "{name}");
    }
    let twice: &[Item<'_>] = &[('d', "a", ""), ('d', "a", "")];
    assert_eq!(build(&[twice], &Limits::default()).unwrap().ambiguities(), []);
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table of cases")]
fn what_depends_on_how_a_layer_is_applied_is_told() {
    type Case<'a> = (&'a str, &'a [Item<'a>], &'a [Item<'a>], &'a [&'a str]);
    let lib: &[Item<'_>] = &[('f', "usr/lib/x", "1"), ('s', "lib", "usr/lib"), ('s', "l", "lib")];
    let folder: &[Item<'_>] = &[('f', "d/e/a", "1"), ('f', "f", "2")];
    let cases: &[Case<'_>] = &[
        ("a file through a link", lib, &[('f', "lib/x", "2")], &["/lib/x"]),
        ("a file through two links", lib, &[('f', "l/x", "2")], &["/l/x"]),
        ("a link of its own to one below", lib, &[('s', "k", "lib"), ('f', "k/x", "")], &["/k/x"]),
        ("a whiteout through a link", lib, &[('f', "lib/.wh.x", "")], &["/lib/.wh.x"]),
        (
            "an opaque whiteout through a link",
            lib,
            &[('f', "lib/.wh..wh..opq", "")],
            &["/lib/.wh..wh..opq"],
        ),
        ("a hard link to a path through a link", lib, &[('h', "y", "lib/x")], &["/lib/x"]),
        (
            "a folder after the whiteout of one",
            folder,
            &[('f', ".wh.d", ""), ('d', "d", ""), ('f', "d/b", "")],
            &["/d"],
        ),
        (
            "a file after the whiteout of its folder",
            folder,
            &[('f', ".wh.d", ""), ('f', "d/b", "")],
            &["/d"],
        ),
        (
            "a folder after a file in the place of one",
            folder,
            &[('f', "d", ""), ('d', "d", "")],
            &["/d", "/d"],
        ),
        (
            "an emptied folder made anew",
            folder,
            &[('f', "d/e/.wh.a", ""), ('s', "d/e", "x"), ('d', "d/e", "")],
            &["/d/e", "/d/e"],
        ),
        (
            "an opaque whiteout after a file in a folder without an entry",
            folder,
            &[('f', "d/e/b", ""), ('f', "d/.wh..wh..opq", "")],
            &["/d"],
        ),
        ("an opaque root", folder, &[('f', ".wh..wh..opq", "")], &["/"]),
        (
            "a whiteout of a folder in use",
            folder,
            &[('f', "d/e/.wh.a", ""), ('f', ".wh.d", "")],
            &["/d"],
        ),
        ("a folder named like a whiteout", folder, &[('f', ".wh.x/y", "")], &["/.wh.x/y"]),
        ("the whiteout of overlayfs", folder, &[('c', "d/e/a", "")], &["/d/e/a"]),
        (
            "a link to one of several names",
            &[('f', "a", ""), ('h', "b", "a")],
            &[('h', "c", "+a")],
            &["/c"],
        ),
    ];
    for (name, lower, upper, want) in cases {
        let rootfs = build(&[lower, upper], &Limits::default()).unwrap();
        let found: Vec<_> = rootfs.ambiguities().iter().map(|a| a.path.as_str()).collect();
        assert_eq!(found, *want, "{name}: {:?}", rootfs.ambiguities());
        assert!(rootfs.ambiguities().iter().all(|a| a.layer == 1), "{name}");
    }
    let honest: &[&[Item<'_>]] = &[
        &[('h', "g", "f")],
        &[('h', "g", "f"), ('h', "h", "f")],
        &[('f', "d/e/b", "")],
        &[('f', "d/.wh..wh..opq", ""), ('f', "d/e/b", "")],
        &[('f', "d/.wh.e", ""), ('s', "d/e", "x")],
        &[('f', "d", ""), ('f', "g", "")],
    ];
    for upper in honest {
        let rootfs = build(&[folder, upper], &Limits::default()).unwrap();
        assert_eq!(rootfs.ambiguities(), [], "{upper:?}");
    }
}

#[test]
fn attributes_of_overlay_file_systems_are_told() {
    for (name, want) in [
        ("trusted.overlay.opaque", 1),
        ("trusted.overlay.redirect", 1),
        ("user.overlay.whiteout", 1),
        ("user.fuseoverlayfs.opaque", 1),
        ("user.mine", 0),
    ] {
        let mut builder = RootfsBuilder::new(&Limits::default(), |_| true);
        builder.add_layer(0, with_attribute(name).as_slice()).unwrap();
        assert_eq!(builder.finish().ambiguities().len(), want, "{name}");
    }
    // A folder's entry that does not repeat the lower layer's attributes: they stay where it is applied onto that one.
    let mut builder = RootfsBuilder::new(&Limits::default(), |_| true);
    builder.add_layer(0, with_attribute("system.posix_acl_default").as_slice()).unwrap();
    builder.add_layer(1, layer(&[('d', "d", "")]).as_slice()).unwrap();
    let rootfs = builder.finish();
    assert_eq!(rootfs.ambiguities().len(), 1);
    assert_eq!(rootfs.get("/d").unwrap().xattrs.len(), 1);
}

/// A layer with one folder that has an extended attribute.
fn with_attribute(name: &str) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    let record = format!("SCHILY.xattr.{name}");
    builder.append_pax_extensions([(record.as_str(), b"y".as_slice())]).unwrap();
    let mut header = Header::new_ustar();
    header.set_entry_type(EntryType::Directory);
    header.set_mode(0o755);
    header.set_size(0);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    builder.append_data(&mut header, "d", std::io::empty()).unwrap();
    builder.into_inner().unwrap()
}

#[test]
fn folders_without_an_entry_are_noted_where_their_mode_is_unsure() {
    let own: &[Item<'_>] = &[('D', "d", ""), ('d', "e", "")];
    let cases: &[(&[Item<'_>], &[&str])] = &[
        (&[('f', "d/a", "")], &["/d"]),
        (&[('f', "d/.wh.a", "")], &["/d"]),
        (&[('f', "e/a", "")], &[]),
        (&[('d', "d", ""), ('f', "d/a", "")], &[]),
        (&[('f', "new/a", "")], &[]),
    ];
    for (upper, want) in cases {
        let rootfs = build(&[own, upper], &Limits::default()).unwrap();
        let found: Vec<_> = rootfs.unsure_folders().iter().map(|a| a.path.as_str()).collect();
        assert_eq!(found, *want, "{upper:?}");
        assert_eq!(rootfs.ambiguities(), [], "{upper:?}");
    }
}

#[test]
fn chains_of_hard_links_are_one_file() {
    let layers: &[&[Item<'_>]] =
        &[&[('f', "p", "x"), ('h', "q", "p"), ('h', "r", "+q"), ('s', "s", "p"), ('h', "t", "s")]];
    let rootfs = build(layers, &Limits::default()).unwrap();
    for path in ["/p", "/q", "/r"] {
        let node = rootfs.get(path).unwrap();
        assert_eq!((node.mode, node.inode, node.kind), (0o4755, 1, EntryKind::File), "{path}");
    }
    // A hard link to a symbolic link is one, and has no mode of its own.
    assert_eq!(rootfs.get("/t").unwrap().link.as_deref(), Some("p"));
    assert_eq!(rootfs.get("/t").unwrap().inode, rootfs.get("/s").unwrap().inode);
}

#[test]
fn refuses_what_no_runtime_unpacks() {
    let cases: &[&[Item<'_>]] = &[
        &[('h', "a", "nothing")],
        &[('f', "a", ""), ('h', "a", "a")],
        &[('f', "a/b", ""), ('h', "a", "a/b")],
        &[('f', "a", ""), ('f', "a/.wh.b", "")],
        &[('f', "a", ""), ('f', "a/.wh..wh..opq", "")],
        &[('f', ".wh.a", ""), ('h', "b", ".wh.a")],
        &[('d', "d", ""), ('h', "a", "d")],
        &[('s', "l", "l"), ('f', "l/a", "")],
        &[('f', "a", ""), ('f', "a/b", "")],
    ];
    for items in cases {
        let found = build(&[items], &Limits::default());
        assert!(matches!(found, Err(RootfsError::Impossible { .. })), "{found:?}");
    }
}

#[test]
fn c25_a_tree_of_many_small_files_is_as_large_as_it_is_in_memory() {
    let names: Vec<String> = (0..10_000).map(|n| format!("{}{n:05}", "p".repeat(94))).collect();
    let items: Vec<Item<'_>> = names.iter().map(|name| ('f', name.as_str(), "")).collect();
    let tar = layer(&items);
    let least = 10_000 * (100 + NODE_BYTES);
    for (most, fits) in [(least, true), (least - 1, false), (least / 4, false)] {
        let mut builder = RootfsBuilder::new(&Limits::default(), |_| true).within(most);
        let mut rest = tar.as_slice();
        match builder.add_layer(0, &mut rest) {
            Ok(()) => assert!(fits && builder.finish().bytes() == least, "{most}"),
            Err(RootfsError::Limit { limit_name: "process_tree_bytes", limit, .. }) => {
                assert!(!fits && limit == most, "{most}");
                assert!(most > least / 2 || rest.len() > tar.len() / 2, "the rest is not read");
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// Wants what its name ends in, and keeps it by number.
#[derive(Debug, Default)]
struct Listener {
    ending: &'static str,
    open: Option<u64>,
    heard: BTreeMap<u64, (String, usize, Vec<u8>)>,
    closed: usize,
    weighs: u64,
}

impl Collector for Listener {
    fn wants(&mut self, file: &Seen<'_>) -> bool {
        assert!(file.size as usize >= file.head.len() && file.head.len() <= HEAD_BYTES);
        let wants = file.path.ends_with(self.ending);
        self.open = wants.then_some(file.inode);
        if wants {
            let there = (file.path.to_owned(), file.layer, Vec::new());
            assert!(self.heard.insert(file.inode, there).is_none(), "one file, one number");
        }
        wants
    }

    fn take(&mut self, bytes: &[u8]) {
        let open = self.open.expect("it wanted one");
        self.heard.get_mut(&open).expect("the same").2.extend_from_slice(bytes);
    }

    fn close(&mut self) {
        self.closed += 1;
        self.open = None;
    }

    fn held(&self) -> u64 {
        self.weighs * self.heard.len() as u64
    }
}

fn listening<'a>(
    layers: &[&[Item<'_>]],
    wanted: fn(&str) -> bool,
    listeners: impl IntoIterator<Item = &'a mut Listener>,
) -> Result<Rootfs, RootfsError> {
    let listeners = listeners.into_iter().map(|one| one as &mut dyn Collector).collect();
    let mut builder =
        RootfsBuilder::new(&Limits::default(), wanted).shown_to(listeners).within(1 << 20);
    for (index, items) in layers.iter().enumerate() {
        builder.add_layer(index, layer(items).as_slice())?;
    }
    Ok(builder.finish())
}

#[test]
fn collectors_hear_each_file_side_by_side_and_find_it_in_the_tree() {
    let large = "x".repeat(3 * CHUNK_BYTES + 1);
    let layers: &[&[Item<'_>]] = &[
        &[('f', "d/a.x", &large), ('f', "b.xx", "b"), ('f', "c", "c"), ('f', "e.x", "")],
        &[('f', "d/.wh.a.x", ""), ('h', "again", "b.xx"), ('f', "e.x", "new")],
        &[('f', ".wh.b.xx", ""), ('s', "l.x", "c"), ('d', "f.x", "")],
    ];
    for wanted in [|_: &str| true, |_: &str| false] {
        let mut listeners = [".x", "x"].map(|ending| Listener { ending, ..Listener::default() });
        let rootfs = listening(layers, wanted, &mut listeners).unwrap();
        let [dotted, all] = listeners;
        let heard = |listener: &Listener| -> Vec<(String, usize, usize)> {
            let heard = listener.heard.values();
            heard.map(|(path, layer, bytes)| (path.clone(), *layer, bytes.len())).collect()
        };
        let first = ("/d/a.x".to_owned(), 0, large.len());
        let second = ("/b.xx".to_owned(), 0, 1);
        let rest = [("/e.x".to_owned(), 0, 0), ("/e.x".to_owned(), 1, 3)];
        assert_eq!(heard(&all), [&[first.clone(), second], &rest[..]].concat());
        assert_eq!(heard(&dotted), [&[first], &rest[..]].concat());
        assert_eq!((dotted.closed, all.closed), (3, 4), "an end for each");
        // What is left of it: the hard link alone has the number of the file that is gone.
        let left: Vec<_> =
            rootfs.nodes().filter(|(_, node)| all.heard.contains_key(&node.inode)).collect();
        let left: Vec<_> = left.into_iter().map(|(path, node)| (path, node.layer)).collect();
        assert_eq!(left, [("/again", 1), ("/e.x", 1)]);
        let kept = rootfs.file("/e.x");
        assert_eq!(kept, wanted("").then_some(b"new".as_slice()), "and the tree keeps its own");
    }
}

#[test]
fn c25_what_collectors_hold_is_counted_with_the_tree() {
    let files: &[Item<'_>] = &[('f', "a.x", "1"), ('f', "b.x", "2")];
    for (weighs, fits) in [(100, true), (1 << 18, true), (1 << 19, false), (u64::MAX / 2, false)] {
        let mut listener = Listener { ending: ".x", weighs, ..Listener::default() };
        match listening(&[files], |_| false, [&mut listener]) {
            Ok(rootfs) => {
                assert!(fits && rootfs.bytes() == 2 * (weighs + 4 + NODE_BYTES), "{weighs}");
            }
            Err(RootfsError::Limit { limit_name: "process_tree_bytes", .. }) => {
                assert!(!fits, "{weighs}");
            }
            Err(RootfsError::Limit { limit_name, .. }) => {
                assert!(!fits && limit_name == "rootfs_bytes" && weighs > 1 << 30, "{weighs}");
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// Work that layers make, in nodes that are looked at.
fn work(layers: &[&[Item<'_>]]) -> usize {
    let limits = Limits::default();
    let mut builder = RootfsBuilder::new(&limits, |_| true);
    for (index, items) in layers.iter().enumerate() {
        builder.add_layer(index, layer(items).as_slice()).unwrap();
    }
    builder.tree.1
}

#[test]
fn h69_deep_paths_and_repeated_whiteouts_make_no_more_work_than_they_have_entries() {
    const DEPTH: usize = 200;
    const FILES: usize = 300;
    let deep = vec!["a"; DEPTH].join("/");
    let named = |folder: &str| -> Vec<String> {
        (0..FILES).map(|number| format!("{folder}/{number}")).collect()
    };
    let files = |names: &'_ [String]| -> Vec<(char, String, String)> {
        names.iter().map(|name| ('f', name.clone(), String::new())).collect()
    };
    fn items(owned: &[(char, String, String)]) -> Vec<Item<'_>> {
        owned.iter().map(|(kind, path, value)| (*kind, path.as_str(), value.as_str())).collect()
    }
    let of_deep = files(&named(&deep));
    let found = work(&[&items(&of_deep)]);
    assert!(found <= 3 * (DEPTH + FILES), "{found} of {FILES} files");
    let again = work(&[&items(&of_deep), &items(&of_deep)]);
    assert!(again <= 6 * (DEPTH + FILES), "{again} of two layers");
    let whiteout = ('f', "d/.wh..wh..opq".to_owned(), String::new());
    let (below, above) = (files(&named("d")), vec![whiteout; FILES]);
    let mixed: Vec<_> = below
        .iter()
        .zip(&above)
        .flat_map(|(file, whiteout)| [file.clone(), whiteout.clone()])
        .collect();
    let found = work(&[&items(&below), &items(&mixed)]);
    assert!(found <= 12 * FILES, "{found} of {FILES} files and as many whiteouts");
}

proptest! {
    #[test]
    fn h69_the_short_way_to_a_path_is_the_long_one(
        entries in proptest::collection::vec(("[ds]", "[ab](/[ab]){0,3}", "/?[ab.](/[ab]|/\\.\\.){0,2}"), 0..12),
        path in "/[ab](/([ab]|\\.\\.|\\.|)){0,4}",
    ) {
        let items: Vec<Item<'_>> = entries
            .iter()
            .map(|(kind, path, link)| (kind.chars().next().unwrap(), path.as_str(), link.as_str()))
            .collect();
        let limits = Limits::default();
        let mut builder = RootfsBuilder::new(&limits, |_| true);
        // Whatever goes wrong on the way, the tree so far has no node without its folders.
        let _ = builder.add_layer(0, layer(&items).as_slice());
        let tree = &builder.tree;
        for node in tree.0.keys().filter(|path| path.as_ref() != "/") {
            let (folder, _) = node.rsplit_once('/').unwrap();
            let above = folder.is_empty() || tree.0[folder].kind == EntryKind::Directory;
            prop_assert!(above, "{node} in {folder}");
        }
        let short = tree.resolve(&path, 1).map(|way| (way.path, way.crossed));
        // An odd part in front makes it walk the whole way.
        let long = tree.resolve(&format!("/.{path}"), 1).map(|way| (way.path, way.crossed));
        prop_assert_eq!(short, long);
    }
}

#[test]
fn limits_hold_at_n_and_n_plus_one() {
    let items: &[Item<'_>] = &[('f', "a", "12345678")];
    let at = |file_bytes| Limits { file_bytes, ..Limits::default() };
    assert!(build(&[items], &at(8)).unwrap().file("/a").is_some());
    assert_eq!(build(&[items], &at(7)).unwrap().contents("/a"), Some(&Contents::TooLarge));
    let all = |rootfs_bytes| Limits { rootfs_bytes, ..Limits::default() };
    assert!(build(&[items], &all(10 + NODE_BYTES)).is_ok());
    for limit in [9 + NODE_BYTES, 7] {
        let found = build(&[items], &all(limit));
        assert!(matches!(found, Err(RootfsError::Limit { limit_name: "rootfs_bytes", .. })));
    }
    let names = |tar_entries| Limits { tar_entries, ..Limits::default() };
    let two: &[&[Item<'_>]] = &[&[('f', "a", "")], &[('f', "b", "")]];
    assert!(build(two, &names(2)).is_ok());
    assert!(build(two, &names(1)).is_err());
}

proptest! {
    #[test]
    fn never_leaves_the_root(
        items in proptest::collection::vec(("[dfs]", "[ab](/[ab]|/\\.wh\\.[ab]){0,3}", "(\\.\\./|/|[ab]/){0,4}[ab]"), 0..12)
    ) {
        let items: Vec<Item<'_>> = items.iter()
            .map(|(kind, path, value)| (kind.chars().next().unwrap(), path.as_str(), value.as_str()))
            .collect();
        if let Ok(rootfs) = build(&[&items, &items], &Limits::default()) {
            for path in rootfs.paths() {
                prop_assert!(path.starts_with('/') && !path.contains(".."), "{path}");
                let _ = rootfs.file(path);
            }
        }
    }
}
