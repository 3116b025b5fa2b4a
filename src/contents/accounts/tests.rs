//! Accounts of trees made here, with truth by construction: each attack with its honest twin.

use sha2::{Digest as _, Sha256};

mod records;
mod self_recorded;

use super::*;
use crate::{
    contents::{collector::InventoryCollector, sums::SumsCollector},
    image::rootfs::RootfsBuilder,
};

/// A program; two of them have different bytes.
const ELF: &str = "\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0 a program";
const OTHER: &str = "\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0 another";

fn md5(text: &str) -> String {
    hex::encode(md5::Md5::digest(text))
}

fn q1(text: &str) -> String {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    format!("Q1{}", STANDARD.encode(sha1(text.as_bytes())))
}

/// A layer of files, `path -> target` a link.
fn layer(files: &[(&str, &str)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, text) in files {
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o644);
        header.set_size(0);
        if let Some((link, target)) = path.split_once(" -> ") {
            header.set_entry_type(tar::EntryType::Symlink);
            tar.append_link(&mut header, link, target).unwrap();
        } else {
            header.set_size(text.len() as u64);
            tar.append_data(&mut header, path, text.as_bytes()).unwrap();
        }
    }
    tar.into_inner().unwrap()
}

type Files<'a> = &'a [(&'a str, &'a str)];

fn accounted(layers: &[Files<'_>], limits: &Limits) -> (Inventory, Accounts) {
    accounted_with(layers, &NamedFiles::default(), limits)
}

fn accounted_with(
    layers: &[Files<'_>],
    named: &NamedFiles,
    limits: &Limits,
) -> (Inventory, Accounts) {
    let mut inventory = InventoryCollector::new(limits).with_lists();
    let mut sums = SumsCollector::new();
    let mut builder =
        RootfsBuilder::new(limits, |_| false).shown_to(vec![&mut inventory, &mut sums]);
    for (index, files) in layers.iter().enumerate() {
        builder.add_layer(index, layer(files).as_slice()).unwrap();
    }
    let rootfs = builder.finish();
    let sums = sums.finish();
    let (inventory, lists) = inventory.finish_with_lists(&rootfs);
    let listing = Listing::All;
    let material = Material {
        inventory: &inventory,
        lists: &lists,
        sums: &sums,
        rootfs: &rootfs,
        listing,
        named,
    };
    let accounts = account(material, limits);
    (inventory, accounts)
}

/// Strays, hidden packages and garbled databases, in one text.
fn said(layers: &[Files<'_>]) -> String {
    let (inventory, accounts) = accounted(layers, &Limits::default());
    let strays = accounts
        .strays
        .iter()
        .map(|one| format!("{} {} {} {}", one.class.word(), one.kind.word(), one.path, one.layer));
    let hidden = accounts.hidden.iter().map(|one| {
        format!("hidden {} {} by {} {}", one.ecosystem, one.name, one.evidence, one.files)
    });
    let faded = accounts.faded.iter().map(|one| {
        format!("{:?} {} {} by {} {}", one.fading, one.ecosystem, one.name, one.evidence, one.files)
    });
    let broken = inventory.databases.iter().filter(|one| one.read.is_err());
    let broken = broken.map(|one| format!("broken {}", one.path));
    strays.chain(hidden).chain(faded).chain(broken).collect::<Vec<_>>().join(", ")
}

/// Class of each path.
fn classes(layers: &[Files<'_>]) -> BTreeMap<Class, u64> {
    let (_, accounts) = accounted(layers, &Limits::default());
    let mut classes = BTreeMap::new();
    for ((class, _, _), count) in accounts.counts {
        *classes.entry(class).or_default() += count.files;
    }
    classes
}

const DEBIAN: &str = "ID=debian\nVERSION_ID=12\n";
const STATUS: &str = "Package: a\nStatus: install ok installed\nVersion: 1\nArchitecture: amd64\n\nPackage: b\nStatus: install ok installed\nVersion: 2\nArchitecture: amd64\nMulti-Arch: same\n\n";
const WITHOUT_B: &str =
    "Package: a\nStatus: install ok installed\nVersion: 1\nArchitecture: amd64\n\n";

/// A Debian system of two packages: `a` has a program, `b` a library and a conffile.
struct Debian {
    status: String,
    a: String,
    b: String,
}

impl Debian {
    fn new() -> Self {
        let status = STATUS.replace(
            "Multi-Arch: same\n",
            &format!("Multi-Arch: same\nConffiles:\n /etc/b.conf {}\n", md5("conf")),
        );
        Self {
            status,
            a: format!("{}  usr/bin/a\n", md5(ELF)),
            b: format!("{}  lib/b.so.1\n{}  usr/share/doc/b/copyright\n", md5(ELF), md5("free")),
        }
    }

    fn files(&self) -> Vec<(&str, &str)> {
        vec![
            ("lib -> usr/lib", ""),
            ("etc/os-release", DEBIAN),
            ("etc/debian_version", "12\n"),
            ("etc/b.conf", "conf"),
            ("etc/ld.so.cache", "cache"),
            ("usr/bin/a", ELF),
            ("usr/lib/b.so -> b.so.1", ""),
            ("usr/lib/b.so.1", ELF),
            ("usr/share/doc/b/copyright", "free"),
            ("var/lib/dpkg/status", &self.status),
            (
                "var/lib/dpkg/info/a.list",
                "/.\n/usr\n/usr/bin\n/usr/bin/a\n/usr/share/man/man1/a.1.gz\n",
            ),
            ("var/lib/dpkg/info/a.md5sums", &self.a),
            (
                "var/lib/dpkg/info/b:amd64.list",
                "/.\n/lib\n/lib/b.so.1\n/lib/b.so\n/usr/share/doc/b/copyright\n/etc/b.conf\n",
            ),
            ("var/lib/dpkg/info/b:amd64.md5sums", &self.b),
            ("var/lib/dpkg/info/a.postinst", "#!/bin/sh\n"),
        ]
    }
}

#[test]
fn an_honest_debian_is_accounted_for() {
    let debian = Debian::new();
    let files = debian.files();
    assert_eq!(said(&[&files]), "");
    let want =
        [(Class::Verified, 4), (Class::Unverified, 2), (Class::Generated, 7), (Class::Unowned, 2)];
    // os-release and debian_version are base-files', which is not here.
    assert_eq!(classes(&[&files]), want.into());
    let (inventory, accounts) = accounted(&[&files], &Limits::default());
    let of = |name: &str| {
        let at = inventory.packages.iter().position(|p| p.name == name).unwrap();
        accounts.packages[at]
    };
    assert_eq!(of("a"), PackageFiles { files: 1, verified: 1, modified: 0, missing: 0 });
    assert_eq!(of("b"), PackageFiles { files: 5, verified: 3, modified: 0, missing: 0 });
    assert_eq!((accounts.left_out, accounts.more), (0, 0));
}

#[test]
fn c40_what_is_changed_or_planted_in_a_debian_is_caught() {
    let debian = Debian::new();
    let files = debian.files();
    let cases: &[(&str, Files<'_>, &str)] = &[
        ("nothing", &[], ""),
        ("one owned file swapped", &[("usr/bin/a", OTHER)], "modified executable /usr/bin/a 1"),
        ("the same bytes again", &[("usr/bin/a", ELF)], ""),
        ("an owned file gone", &[("usr/bin/.wh.a", "")], ""),
        ("a program planted", &[("usr/bin/evil", ELF)], "unowned executable /usr/bin/evil 1"),
        ("a script planted", &[("opt/x", "#!/bin/sh\n")], "unowned script /opt/x 1"),
        ("data beside", &[("opt/x", "data")], ""),
        (
            "a program at a generated place",
            &[("etc/ld.so.cache", ELF)],
            "unowned library /etc/ld.so.cache 1",
        ),
        (
            "a script as dpkg's of nobody",
            &[("var/lib/dpkg/info/evil.postinst", "#!/bin/sh\n")],
            "unowned script /var/lib/dpkg/info/evil.postinst 1",
        ),
        ("a conffile edited", &[("etc/b.conf", "other")], ""),
        (
            "a program through the link",
            &[("usr/lib/b.so.1", OTHER)],
            "modified library /usr/lib/b.so.1 1",
        ),
    ];
    for (what, upper, want) in cases {
        assert_eq!(said(&[&files, upper]), *want, "{what}");
    }
}

#[test]
fn c40_a_package_that_is_hidden_from_dpkg_is_caught() {
    let debian = Debian::new();
    let files = debian.files();
    let evil = format!("{}  usr/bin/evil\n", md5(ELF));
    let cases: &[(&str, Files<'_>, &str)] = &[
        (
            "an entry taken out",
            &[("var/lib/dpkg/status", WITHOUT_B)],
            "unowned library /usr/lib/b.so.1 0, hidden deb b by /var/lib/dpkg/info/b:amd64.list 2",
        ),
        (
            "a state that is not installed",
            &[(
                "var/lib/dpkg/status",
                &format!("{WITHOUT_B}Package: b\nStatus: deinstall ok config-files\nVersion: 2\n"),
            )],
            "unowned library /usr/lib/b.so.1 0, hidden deb b by /var/lib/dpkg/info/b:amd64.list 2",
        ),
        (
            "entry and lists taken out",
            &[
                ("var/lib/dpkg/status", WITHOUT_B),
                ("var/lib/dpkg/info/.wh.b:amd64.list", ""),
                ("var/lib/dpkg/info/.wh.b:amd64.md5sums", ""),
            ],
            "unowned library /usr/lib/b.so.1 0, hidden deb b by /var/lib/dpkg/info/b:amd64.list 2",
        ),
        (
            "removed as apt removes",
            &[
                ("var/lib/dpkg/status", WITHOUT_B),
                ("var/lib/dpkg/info/.wh.b:amd64.list", ""),
                ("var/lib/dpkg/info/.wh.b:amd64.md5sums", ""),
                ("usr/lib/.wh.b.so", ""),
                ("usr/lib/.wh.b.so.1", ""),
                ("usr/share/doc/.wh.b", ""),
            ],
            "",
        ),
        (
            "the database deleted",
            &[("var/lib/dpkg/.wh.status", "")],
            "unowned executable /usr/bin/a 0, unowned library /usr/lib/b.so.1 0, unowned script /var/lib/dpkg/info/a.postinst 0, hidden deb a by /var/lib/dpkg/info/a.list 1, hidden deb b by /var/lib/dpkg/info/b:amd64.list 2, broken /var/lib/dpkg, broken /var/lib/dpkg/status",
        ),
        (
            "the database cut off",
            &[(
                "var/lib/dpkg/status",
                "Package: a\nStatus: install ok installed\nVersion: 1\n\nPackage: b\nStatus: inst",
            )],
            "unowned executable /usr/bin/a 0, unowned library /usr/lib/b.so.1 0, unowned script /var/lib/dpkg/info/a.postinst 0, hidden deb a by /var/lib/dpkg/info/a.list 1, hidden deb b by /var/lib/dpkg/info/b:amd64.list 2, broken /var/lib/dpkg/status",
        ),
        (
            "a list for nobody",
            &[("var/lib/dpkg/info/evil.md5sums", &evil), ("usr/bin/evil", ELF)],
            "unowned executable /usr/bin/evil 1, hidden deb evil by /var/lib/dpkg/info/evil.md5sums 1",
        ),
        (
            "a place diverted",
            &[
                ("var/lib/dpkg/diversions", "/usr/bin/a\n/usr/bin/a.real\n:\n"),
                ("usr/bin/a", OTHER),
                ("usr/bin/a.real", ELF),
            ],
            "unowned executable /usr/bin/a 1",
        ),
    ];
    for (what, upper, want) in cases {
        assert_eq!(said(&[&files, upper]), *want, "{what}");
    }
}

#[test]
fn c40_a_copyright_file_tells_of_a_package_without_other_traces() {
    let debian = Debian::new();
    let files = debian.files();
    let without_b: Vec<_> = files
        .iter()
        .copied()
        .filter(|(path, _)| !path.contains("/b:") && !path.ends_with("/copyright"))
        .collect();
    // In one layer, with every trace but the copyright file gone.
    let copyright = [("usr/share/doc/b/copyright", "free"), ("var/lib/dpkg/status", WITHOUT_B)];
    let without_b: Vec<_> = without_b
        .into_iter()
        .filter(|(path, _)| *path != "var/lib/dpkg/status")
        .chain(copyright)
        .collect();
    let want = "unowned library /usr/lib/b.so.1 0, hidden deb b by /usr/share/doc/b/copyright 1";
    assert_eq!(said(&[&without_b]), want);
}

#[test]
fn c41_links_of_folders_are_followed_and_lend_no_name() {
    let debian = Debian::new();
    let cases = [
        ("lib -> usr/lib", "unowned library /evil/b.so.1 0"),
        ("lib -> evil", "modified library /evil/b.so.1 0, unowned library /usr/lib/b.so.1 0"),
    ];
    for (link, want) in cases {
        let mut files = vec![(link, ""), ("evil/b.so.1", OTHER)];
        files.extend(debian.files().into_iter().filter(|(path, _)| !path.starts_with("lib -> ")));
        assert_eq!(said(&[&files]), want, "{link}");
    }
}

const ALPINE: &str = "ID=alpine\nVERSION_ID=3.20\n";

#[test]
fn c40_what_is_changed_or_planted_in_an_alpine_is_caught() {
    let both = format!(
        "P:busybox\nV:1\nA:x86_64\nF:bin\nR:busybox\nZ:{}\nR:sh\nZ:{}\n\nP:z\nV:2\nA:x86_64\nF:lib\nR:z.so.1\nZ:{}\n\n",
        q1(ELF),
        q1("/bin/busybox"),
        q1(OTHER)
    );
    let first = format!("{}\n\n", both.split("\n\n").next().unwrap());
    let files: Files<'_> = &[
        ("etc/os-release", ALPINE),
        ("etc/apk/world", "busybox z\n"),
        ("bin/busybox", ELF),
        ("bin/sh -> /bin/busybox", ""),
        ("bin/ls -> /bin/busybox", ""),
        ("lib/z.so.1", OTHER),
        ("lib/apk/db/installed", &both),
        ("lib/apk/db/scripts.tar", "\x1f\u{0}"),
    ];
    let gone = "unowned library /lib/z.so.1 0, hidden apk z by /lib/apk/db/installed 1";
    let cases: &[(&str, Files<'_>, &str)] = &[
        ("nothing", &[], ""),
        ("one owned file swapped", &[("bin/busybox", OTHER)], "modified executable /bin/busybox 1"),
        ("a program planted", &[("bin/evil", ELF)], "unowned executable /bin/evil 1"),
        ("an entry taken out", &[("lib/apk/db/installed", &first)], gone),
        (
            "removed as apk removes",
            &[
                ("lib/apk/db/installed", &first),
                ("lib/.wh.z.so.1", ""),
                ("etc/apk/world", "busybox\n"),
            ],
            "",
        ),
        (
            "asked for and gone",
            &[("lib/apk/db/installed", &first), ("lib/.wh.z.so.1", "")],
            "hidden apk z by /etc/apk/world 0",
        ),
        (
            "the database deleted",
            &[("lib/apk/db/.wh.installed", "")],
            "unowned executable /bin/busybox 0, unowned library /lib/z.so.1 0, hidden apk busybox by /lib/apk/db/installed 1, hidden apk z by /lib/apk/db/installed 1, broken /lib/apk/db, broken /lib/apk/db/installed",
        ),
    ];
    for (what, upper, want) in cases {
        assert_eq!(said(&[files, upper]), *want, "{what}");
    }
    let twisted = classes(&[files, &[("bin/sh -> /evil", "")]]);
    assert_eq!(twisted[&Class::Modified], 1);
    assert_eq!(classes(&[files])[&Class::Verified], 3);
}

#[test]
fn c42_language_packages_own_what_their_records_name() {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let sum = |text: &str| URL_SAFE_NO_PAD.encode(Sha256::digest(text));
    let record = format!("p/x.so,sha256={},9\np-1.dist-info/METADATA,,\n", sum(ELF));
    const SITE: &str = "usr/lib/python3.12/site-packages";
    let at = |path: &str| format!("{SITE}/{path}");
    let (so, meta, rec, pyc, py) = (
        at("p/x.so"),
        at("p-1.dist-info/METADATA"),
        at("p-1.dist-info/RECORD"),
        at("p/__pycache__/m.cpython-312.pyc"),
        at("p/m.py"),
    );
    let files: Files<'_> = &[
        (&so, ELF),
        (&py, "x"),
        (&pyc, "code"),
        (&meta, "Name: p\nVersion: 1\n"),
        (&rec, &record),
        ("app/node_modules/n/package.json", "{\"name\":\"n\",\"version\":\"1\"}"),
        ("app/node_modules/n/cli.js", "#!/usr/bin/env node\n"),
    ];
    let shadow = format!("{record}../../../../bin/evil,sha256={},9\n", sum(ELF));
    let whiteout = format!("{SITE}/.wh.p-1.dist-info");
    let cases: &[(&str, Files<'_>, &str)] = &[
        ("nothing", &[], ""),
        (
            "one file swapped",
            &[(&so, OTHER)],
            "modified library /usr/lib/python3.12/site-packages/p/x.so 1",
        ),
        (
            "a record of another place",
            &[(&rec, &shadow), ("bin/evil", ELF)],
            "unowned executable /bin/evil 1, Gone pypi p by /usr/lib/python3.12/site-packages/p-1.dist-info/RECORD 2",
        ),
        (
            "the metadata deleted",
            &[(&whiteout, "")],
            "unowned library /usr/lib/python3.12/site-packages/p/x.so 0, hidden pypi /usr/lib/python3.12/site-packages/p-1.dist-info/METADATA by /usr/lib/python3.12/site-packages/p-1.dist-info/RECORD 1",
        ),
        (
            "a script outside of the package",
            &[("app/x.js", "#!/usr/bin/env node\n")],
            "unowned script /app/x.js 1",
        ),
    ];
    for (what, upper, want) in cases {
        assert_eq!(said(&[files, upper]), *want, "{what}");
    }
    let found = classes(&[files]);
    assert_eq!(
        (found[&Class::SelfRecorded], found[&Class::Generated], found[&Class::Unverified]),
        (1, 2, 2)
    );
}

#[test]
fn strays_of_upper_layers_are_named_first_and_all_are_counted() {
    let debian = Debian::new();
    let mut files = debian.files();
    let many: Vec<String> = (0..9).map(|n| format!("aaa/{n}")).collect();
    files.extend(many.iter().map(|path| (path.as_str(), ELF)));
    let own: Files<'_> = &[("zzz", ELF)];
    let at = |told_files| {
        let limits = Limits { told_files, ..Limits::default() };
        let (_, accounts) = accounted(&[&files, own], &limits);
        let paths: Vec<String> = accounts.strays.iter().map(|one| one.path.clone()).collect();
        (paths, accounts.more)
    };
    let (all, more) = at(10);
    assert_eq!((all.len(), more, all[0].as_str()), (10, 0, "/zzz"));
    let (some, more) = at(9);
    assert_eq!((some.len(), more, some[0].as_str()), (9, 1, "/zzz"));
    let (_, accounts) = accounted(&[&files, own], &Limits::default());
    let key = |layer| (Class::Unowned, layer, Kind::Executable);
    assert_eq!(accounts.counts[&key(0)].files, 9);
    assert_eq!(accounts.counts[&key(1)].files, 1);
}

#[test]
fn the_limit_of_owned_files_holds_at_n_and_n_plus_one() {
    let debian = Debian::new();
    let files = debian.files();
    let at = |owned_files| {
        let limits = Limits { owned_files, ..Limits::default() };
        let (inventory, accounts) = accounted(&[&files], &limits);
        (inventory.incomplete, accounts.strays.len())
    };
    // Five and six lines, a checksum and two, a conffile.
    let (incomplete, strays) = at(13);
    assert_eq!((incomplete.as_slice(), strays), (&[][..], 0));
    let (incomplete, _) = at(12);
    assert!(
        incomplete.iter().any(|one| one.why.contains("limits.ownedFiles, 12")),
        "{incomplete:?}"
    );
}

#[test]
fn a_file_that_is_named_with_its_bytes_is_explained_and_no_other() {
    let sha256 = |text: &str| <[u8; 32]>::from(Sha256::digest(text));
    let tree: &[Files<'_>] = &[&[
        ("usr/bin/app", ELF),
        ("usr/bin/tool", ELF),
        ("bin -> usr/bin", ""),
        ("etc/app.conf", "a"),
    ]];
    let with = |names: &[(&str, &str)]| {
        let mut named = NamedFiles::default();
        names.iter().for_each(|(path, text)| named.add(path, sha256(text)));
        let (_, accounts) = accounted_with(tree, &named, &Limits::default());
        let strays: Vec<String> = accounts.strays.iter().map(|one| one.path.clone()).collect();
        (strays.join(" "), accounts)
    };
    let (nothing, accounts) = with(&[]);
    assert_eq!((nothing.as_str(), accounts.named.len()), ("/usr/bin/app /usr/bin/tool", 0));
    let (own, accounts) = with(&[("/usr/bin/app", ELF), ("/etc/app.conf", "a")]);
    assert_eq!(own, "/usr/bin/tool");
    let explained = accounts.counts.iter().filter(|((class, ..), _)| *class == Class::Explained);
    assert_eq!(explained.map(|(_, count)| count.files).sum::<u64>(), 2);
    let (through_a_link, _) = with(&[("/bin/app", ELF)]);
    assert_eq!(through_a_link, "/usr/bin/tool");
    // Other bytes, another place, a way out: nothing is explained, and what is there is said.
    let (swapped, accounts) =
        with(&[("/usr/bin/app", OTHER), ("/opt/tool", ELF), ("/usr/bin/../bin/tool", ELF)]);
    assert_eq!(swapped, "/usr/bin/app /usr/bin/tool");
    assert_eq!(accounts.named.found("/usr/bin/app"), Some(&sha256(ELF)));
    assert_eq!((accounts.named.len(), accounts.named.found("/opt/tool")), (1, None));
    // What a package's own record denies, no list makes whole.
    let debian = Debian::new();
    let files = debian.files();
    let mut named = NamedFiles::default();
    named.add("/usr/bin/a", sha256(OTHER));
    let doctored: Vec<_> = files
        .iter()
        .map(|(path, text)| (*path, if *path == "usr/bin/a" { OTHER } else { *text }))
        .collect();
    let (_, accounts) = accounted_with(&[&doctored], &named, &Limits::default());
    let strays: Vec<_> = accounts.strays.iter().map(|one| (one.class, one.path.as_str())).collect();
    assert_eq!(strays, [(Class::Modified, "/usr/bin/a")]);
}
