use ::tar::{Builder, EntryType, Header};
use proptest::prelude::*;

use super::*;

/// One entry of a test layer: type, path, link target or content.
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
            'd' => EntryType::Directory,
            's' => EntryType::Symlink,
            'h' => EntryType::Link,
            _ => EntryType::Regular,
        });
        if *kind == 'u' || *kind == 'h' && value.starts_with('+') {
            header.set_mode(0o4755);
        }
        if file {
            header.set_size(value.len() as u64);
            builder.append_data(&mut header, path, value.as_bytes()).unwrap();
        } else if *kind == 'd' {
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
        (
            "opaque root",
            &[&[('f', "d/a", "1")], &[('f', ".wh..wh..opq", ""), ('f', "b", "2")]],
            &["/b"],
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
            "symlinked parent",
            &[&[('d', "usr/lib", ""), ('s', "lib", "usr/lib")], &[('f', "lib/x", "1")]],
            &["/lib", "/usr", "/usr/lib", "/usr/lib/x"],
        ),
        (
            "whiteout through a symlinked parent",
            &[&[('f', "usr/lib/x", ""), ('s', "lib", "/usr/lib")], &[('f', "lib/.wh.x", "")]],
            &["/lib", "/usr", "/usr/lib"],
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
fn refuses_what_no_runtime_unpacks() {
    let cases: &[&[Item<'_>]] = &[
        &[('h', "a", "nothing")],
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
fn limits_hold_at_n_and_n_plus_one() {
    let items: &[Item<'_>] = &[('f', "a", "12345678")];
    let at = |file_bytes| Limits { file_bytes, ..Limits::default() };
    assert!(build(&[items], &at(8)).unwrap().file("/a").is_some());
    assert_eq!(build(&[items], &at(7)).unwrap().contents("/a"), Some(&Contents::TooLarge));
    let all = |rootfs_bytes| Limits { rootfs_bytes, ..Limits::default() };
    assert!(build(&[items], &all(10)).is_ok());
    for limit in [9, 7] {
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
