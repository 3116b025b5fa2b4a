//! rpm's databases: headers made here, and every way to damage them.

use proptest::prelude::*;

use super::*;
use crate::contents::testing::{said, shown};

fn read(_: &str, bytes: &[u8], most: usize) -> Result<Vec<Listed>, Garbled> {
    let Listing { packages, gaps } = look(bytes, most);
    gaps.into_iter().next().map_or(Ok(packages), Err)
}

/// Type, tag, count and bytes of an entry.
type Entry<'e> = (u32, Tag, u32, &'e [u8]);

fn header(entries: &[Entry<'_>]) -> Vec<u8> {
    let (mut index, mut data) = (Vec::new(), Vec::new());
    for (kind, tag, count, bytes) in entries {
        let offset = u32::try_from(data.len()).unwrap();
        for number in [*tag as u32, *kind, offset, *count] {
            index.extend(number.to_be_bytes());
        }
        data.extend_from_slice(bytes);
    }
    let counts = [entries.len(), data.len()].map(|n| u32::try_from(n).unwrap().to_be_bytes());
    [counts.concat(), index, data].concat()
}

fn named(name: &'static [u8]) -> Vec<Entry<'static>> {
    vec![(6, Tag::Name, 1, name), (6, Tag::Version, 1, b"1.2\0"), (6, Tag::Release, 1, b"3.el9\0")]
}

/// A database in rpm's own format.
fn ndb(blobs: &[Vec<u8>]) -> Vec<u8> {
    let le = |numbers: &[usize]| -> Vec<u8> {
        numbers.iter().flat_map(|n| u32::try_from(*n).unwrap().to_le_bytes()).collect()
    };
    let mut slots = [b"RpmP".to_vec(), le(&[0, 1, 1, 0, 0, 0, 0])].concat();
    let mut body = Vec::new();
    for number in 0..254 {
        slots.extend(b"Slot");
        let Some(blob) = blobs.get(number) else {
            slots.extend(le(&[0, 0, 0]));
            continue;
        };
        let used = (16 + blob.len() + 12).next_multiple_of(16);
        slots.extend(le(&[number + 1, (4096 + body.len()) / 16, used / 16]));
        body.extend([b"BlbS".to_vec(), le(&[number + 1, 1, blob.len()]), blob.clone()].concat());
        body.resize(body.len() + used - 28 - blob.len(), 0);
        body.extend([le(&[0, blob.len()]), b"BlbE".to_vec()].concat());
    }
    [slots, body].concat()
}

#[test]
fn what_is_a_database() {
    let cases = [
        ("/var/lib/rpm/rpmdb.sqlite", true),
        ("/usr/lib/sysimage/rpm/Packages.db", true),
        ("/usr/share/rpm/Packages", true),
        ("/var/lib/rpm/rpmdb.sqlite-wal", false),
        ("/opt/var/lib/rpm/rpmdb.sqlite", false),
        ("/var/lib/rpm/Name", false),
    ];
    for (path, want) in cases {
        assert_eq!(is_database(path), want, "{path}");
    }
    let log = |size| wants_log(&Seen { size, ..Seen::named("/var/lib/rpm/rpmdb.sqlite-wal") });
    assert!(log(1) && !log(0));
}

#[test]
fn headers_become_packages() {
    let epoch = (4, Tag::Epoch, 1, &[0, 0, 0, 2][..]);
    let zero = (4, Tag::Epoch, 1, &[0, 0, 0, 0][..]);
    let more = |entry: Entry<'static>| [named(b"a\0"), vec![entry]].concat();
    let cases: Vec<(Vec<Entry<'_>>, &str)> = vec![
        (named(b"a\0"), "a 1.2-3.el9"),
        (more(epoch), "a 2:1.2-3.el9"),
        (more(zero), "a 1.2-3.el9"),
        (named(b"gpg-pubkey\0"), ""),
        (named(b"\0"), "error: the name \"\" is empty"),
        (named(b"a\n\0"), "error: the name \"a\\u{a}\" is no word"),
        (named(b"a\xff\0"), "error: a package has a name that is no UTF-8"),
        (named(b"a\0")[..2].to_vec(), "error: a package has no release"),
        (
            vec![(4, Tag::Name, 1, b"\0\0\0\0")],
            "error: in a header of a package Name is of another type",
        ),
        (
            vec![(6, Tag::Name, 1, b"abc")],
            "error: in a header of a package Name lies outside of it",
        ),
        (
            more((4, Tag::Epoch, 9, &[0; 4])),
            "error: in a header of a package Epoch lies outside of it",
        ),
        (
            more((6, Tag::Epoch, 1, b"2\0")),
            "error: in a header of a package Epoch is of another type",
        ),
        // What comes behind the signed region counts, as it does for rpm.
        (more((6, Tag::Name, 1, b"b\0")), "b 1.2-3.el9"),
    ];
    for (entries, want) in cases {
        let database = ndb(&[header(&entries)]);
        assert_eq!(said(read("", &database, 9)), want);
    }
    let entries = [
        named(b"a\0"),
        vec![
            (6, Tag::License, 1, b"MIT and\n BSD\0"),
            (6, Tag::SourceRpm, 1, b"a-b-1.2-3.el9.src.rpm\0"),
            (6, Tag::Architecture, 1, b"x86_64\0"),
        ],
    ];
    let found = read("", &ndb(&[header(&entries.concat())]), 9).unwrap().remove(0);
    let texts = [&found.licence, &found.source, &found.architecture].map(|text| text.as_deref());
    assert_eq!(texts, [Some("MIT and BSD"), Some("a-b"), Some("x86_64")]);
    let module = |label: &'static [u8]| {
        let entries = [named(b"a\0"), vec![(6, Tag::ModularityLabel, 1, label)]].concat();
        read("", &ndb(&[header(&entries)]), 9).map(|found| found[0].module.clone())
    };
    let found = module(b"nodejs:18:8090020231019152822:rhel8\0");
    assert_eq!(found, Ok(Some("nodejs:18".to_owned())));
    assert_eq!(module(b"\0"), Ok(None));
    for odd in [b"nodejs\0".as_slice(), b":18\0", b"a b:1\0", b"a::1\0"] {
        assert!(module(odd).is_err(), "{odd:?}");
    }
}

#[test]
fn one_damaged_entry_hides_no_other() {
    let database = ndb(&[header(&named(b"a\0")), header(&[]), header(&named(b"b\0"))]);
    let found = look(&database, 9);
    assert_eq!(shown(&found.packages), "a 1.2-3.el9, b 1.2-3.el9");
    assert_eq!(found.gaps.len(), 1);
    assert_eq!(
        found.gaps[0].to_string(),
        "a header of a package says that it has 0 entries and 0 bytes"
    );
    let two = ndb(&[header(&named(b"a\0")), header(&named(b"b\0"))]);
    assert_eq!(look(&two, 2).gaps, []);
    assert_eq!(look(&two, 1).gaps, [Garbled::TooMany]);
    let mut shared = two;
    let first = shared[32 + 8..32 + 12].to_vec();
    shared[48 + 8..48 + 12].copy_from_slice(&first);
    assert!(said(read("", &shared, 9)).contains("package 2 has the place of another one"));
}

#[test]
fn a_database_of_another_form_is_refused() {
    let large = [u32::MAX.to_be_bytes(), u32::MAX.to_be_bytes()].concat();
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (b"".to_vec(), "it is neither of SQLite"),
        (b"RpmP".to_vec(), "its version of the format is not read"),
        (b"RpmP\0\0\0\0\0\0\0\0\xff\xff\xff\xff".to_vec(), "its pages of slots are cut off"),
        (sqlite::MAGIC.to_vec(), "its database header is damaged"),
        (ndb(&[large]), "says that it has 4294967295 entries"),
        (ndb(&[b"\0\0\0\x01\0\0\0\x01".to_vec()]), "a header of a package is cut off"),
    ];
    for (bytes, want) in cases {
        let found = said(read("", &bytes, 9));
        assert!(found.starts_with("error") && found.contains(want), "{found}");
    }
}

#[test]
fn a_file_that_ends_anywhere_never_reads_as_less() {
    let database = ndb(&[header(&named(b"a\0")), header(&named(b"b\0"))]);
    for length in 0..database.len() {
        let found = said(read("", &database[..length], 9));
        assert!(found.starts_with("error"), "{length}: {found}");
    }
}

#[test]
fn a_log_that_the_database_lacks_is_said() {
    assert_eq!(read_log(b""), Ok(Vec::new()));
    assert_eq!(read_log(&[0; 4096]), Ok(Vec::new()));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(tail in proptest::collection::vec(any::<u8>(), 0..2000), at in 0..4200_usize, byte in any::<u8>()) {
        let starts = [sqlite::MAGIC, ndb::MAGIC, b"RpmP\0\0\0\0\0\0\0\0\x01\0\0\0", b"\0\0\0\0\0\0\0\0\0\0\0\0\x61\x15\x06\0\x09\0\0\0\0\x02\0\0\0\x08\0\0"];
        for start in starts {
            let _ = look(&[start, &tail].concat(), 9);
            let _ = read_log(&tail);
        }
        let mut database = ndb(&[header(&named(b"a\0"))]);
        let at = at % database.len();
        database[at] = byte;
        let _ = look(&database, 9);
    }
}

mod owned {
    use super::*;
    use crate::contents::testing::claimed;

    fn texts(all: &[&str]) -> Vec<u8> {
        all.iter().flat_map(|text| [text.as_bytes(), b"\0"].concat()).collect()
    }

    fn numbers(all: &[u32]) -> Vec<u8> {
        all.iter().flat_map(|number| number.to_be_bytes()).collect()
    }

    fn read(entries: &[Entry<'_>], most: usize) -> String {
        let whole = [named(b"a\0"), entries.to_vec()].concat();
        claimed((files::LISTS.read)("", &ndb(&[header(&whole)]), most))
    }

    #[test]
    fn headers_own_files() {
        let sum = "ab".repeat(32);
        let names = texts(&["x", "y", "l", "log", "c", "d"]);
        let folders = texts(&["/usr/bin/", "/etc/", "/var/log/"]);
        let indexes = numbers(&[0, 0, 0, 2, 1, 0]);
        let sums = texts(&[&sum, "", "", "", &sum, &sum]);
        let links = texts(&["", "", "x", "", "", ""]);
        let flags = numbers(&[0, 0, 0, 64, 1, 2]);
        let sha256 = numbers(&[8]);
        let all: Vec<Entry<'_>> = vec![
            (8, Tag::BaseNames, 6, &names),
            (8, Tag::FolderNames, 3, &folders),
            (4, Tag::FolderIndexes, 6, &indexes),
            (8, Tag::FileDigests, 6, &sums),
            (8, Tag::FileLinks, 6, &links),
            (4, Tag::FileFlags, 6, &flags),
            (4, Tag::FileDigestAlgorithm, 1, &sha256),
        ];
        let want = "a: /usr/bin/x sha256, /usr/bin/y -, /usr/bin/l -> x, /var/log/log - ghost, \
            /etc/c sha256 configuration, /usr/bin/d sha256 documentation";
        assert_eq!(read(&all, 6), want);
        assert_eq!(read(&all, 5), "error: it lists more packages than are read");
        // An algorithm that is not computed says nothing.
        let sha512 = numbers(&[10]);
        let other = [&all[..6], &[(4, Tag::FileDigestAlgorithm, 1, sha512.as_slice())]].concat();
        assert!(read(&other, 6).starts_with("a: /usr/bin/x -, "));
        assert_eq!(read(&[], 6), "a:");
    }

    #[test]
    fn damaged_lists_of_files_are_said() {
        let (names, folders, far) = (texts(&["x"]), texts(&["/usr/bin/"]), numbers(&[7]));
        let dots = texts(&["/usr/../"]);
        let zero = numbers(&[0]);
        let cases: Vec<(Vec<Entry<'_>>, &str)> = vec![
            (vec![(8, Tag::BaseNames, 1, &names)], "error: a package has a file without a folder"),
            (
                vec![
                    (8, Tag::BaseNames, 1, &names),
                    (8, Tag::FolderNames, 1, &folders),
                    (4, Tag::FolderIndexes, 1, &far),
                ],
                "error: a package has a file without a folder",
            ),
            (
                vec![
                    (8, Tag::BaseNames, 1, &names),
                    (8, Tag::FolderNames, 1, &dots),
                    (4, Tag::FolderIndexes, 1, &zero),
                ],
                "a:",
            ),
            (
                vec![(8, Tag::BaseNames, 0xffff_ffff, &names)],
                "error: in a header of a package BaseNames lies outside of it",
            ),
            (
                vec![(6, Tag::BaseNames, 1, &names)],
                "error: in a header of a package BaseNames is of another type",
            ),
        ];
        for (entries, want) in cases {
            assert_eq!(read(&entries, 9), want);
        }
    }
}
