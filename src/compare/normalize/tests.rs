//! Every normalizer both ways: what the build put in comes out, and a change behind the same header stays.

use std::io::{Cursor, Write as _};

use ::zip::{CompressionMethod, DateTime, ZipWriter, write::SimpleFileOptions};
use flate2::{Compression, GzBuilder};
use proptest::prelude::*;

use super::*;

/// Whether two files come to one normal form, by which normalizers.
fn explained(path: &str, left: &[u8], right: &[u8]) -> Option<String> {
    let limits = Limits::default();
    let (left, right) = (normal(path, left, &limits)?, normal(path, right, &limits)?);
    left.agrees(&right).then(|| left.explanation().to_string())
}

/// Holds `same` to be explained and `others` not to be, against `base` and in both directions.
fn check(path: &str, by: &str, base: &[u8], same: &[&[u8]], others: &[&[u8]]) {
    for (at, same) in same.iter().enumerate() {
        assert_ne!(base, *same, "{path} {at}: no difference to explain");
        assert_eq!(explained(path, base, same).as_deref(), Some(by), "{path} {at}");
        assert_eq!(explained(path, same, base).as_deref(), Some(by), "{path} {at}");
    }
    for (at, other) in others.iter().enumerate() {
        assert_eq!(explained(path, base, other), None, "{path}: other {at}");
        assert_eq!(explained(path, other, base), None, "{path}: other {at}");
    }
}

fn module(flags: u8, time: u32, code: &[u8]) -> Vec<u8> {
    [b"\xcb\x0d\r\n".as_slice(), &[flags, 0, 0, 0], &time.to_le_bytes(), b"size", code].concat()
}

fn gz(time: u32, name: Option<&str>, extra: Option<&[u8]>, level: u32, content: &[u8]) -> Vec<u8> {
    let mut builder = GzBuilder::new().mtime(time).operating_system(u8::try_from(level).unwrap());
    builder = name.into_iter().fold(builder, |builder, name| builder.filename(name));
    builder = extra.into_iter().fold(builder, |builder, extra| builder.extra(extra));
    let mut encoder = builder.write(Vec::new(), Compression::new(level));
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

struct Member<'a> {
    name: &'a str,
    content: &'a [u8],
    year: u16,
    mode: u32,
    stored: bool,
}

fn member<'a>(name: &'a str, content: &'a [u8], year: u16) -> Member<'a> {
    Member { name, content, year, mode: 0o644, stored: false }
}

fn jar(members: &[Member<'_>], comment: &str) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for member in members {
        let method = match member.stored {
            true => CompressionMethod::Stored,
            false => CompressionMethod::Deflated,
        };
        let time = DateTime::from_date_and_time(member.year, 1, 2, 3, 4, 6).unwrap();
        let options = SimpleFileOptions::default()
            .compression_method(method)
            .unix_permissions(member.mode)
            .last_modified_time(time);
        writer.start_file(member.name, options).unwrap();
        writer.write_all(member.content).unwrap();
    }
    writer.set_comment(comment).unwrap();
    writer.finish().unwrap().into_inner()
}

fn library(time: &str, owner: &str, mode: &str, members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = b"!<arch>\n".to_vec();
    for (name, content) in members {
        let size = content.len();
        bytes.extend(
            format!("{name:<16}{time:<12}{owner:<6}{owner:<6}{mode:<8}{size:<10}`\n").bytes(),
        );
        bytes.extend_from_slice(content);
        bytes.extend(std::iter::repeat_n(b'\n', size % 2));
    }
    bytes
}

fn tarball(time: u64, mode: u32, uid: u64, files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mtime(time);
        header.set_mode(mode);
        header.set_uid(uid);
        header.set_gid(0);
        builder.append_data(&mut header, name, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

#[test]
fn pyc_loses_its_time_unless_it_is_checked_by_hash() {
    let base = module(0, 1, b"code");
    let others = [module(0, 1, b"evil"), module(0, 2, b"evil"), module(1, 2, b"code"), vec![]];
    let others: Vec<&[u8]> = others.iter().map(Vec::as_slice).collect();
    check("/m.pyc", "pyc@2", &base, &[&module(0, 2, b"code")], &others);
    // PEP 552: with the hash of the source in the place of the time, another hash is another module.
    for flags in [1, 3] {
        assert_eq!(
            explained("/m.pyc", &module(flags, 1, b"code"), &module(flags, 2, b"code")),
            None
        );
    }
    assert_eq!(explained("/m.py", &module(0, 1, b""), &module(0, 2, b"")), None);
}

/// A module whose header says four bytes of source.
fn compiled(time: u32) -> Vec<u8> {
    let parts = [b"\xcb\x0d\r\n\0\0\0\0".as_slice(), &time.to_le_bytes(), &[4, 0, 0, 0], b"code"];
    parts.concat()
}

/// As beside a source in the image: only a time that decides nothing comes out.
#[test]
fn h27_a_time_that_decides_what_runs_stays_in_archives() {
    const MODULE: &str = "pkg/__pycache__/m.cpython-312.pyc";
    let by_tar = |module: &str, source: u32, inside: u32| {
        let time = u64::from(source);
        tarball(time, 0o644, 0, &[("pkg/m.py", b"1234"), (module, &compiled(inside))])
    };
    // 3:04:06 on the second of January, by any clock, and by that of Greenwich in seconds.
    let years: [(u16, u32); 2] = [(2020, 1_577_934_246), (2021, 1_609_556_646)];
    let by_zip = |module: &str, source: u32, inside: u32| {
        let (year, from) = years[usize::try_from(source).unwrap() - 7];
        let module = (module, compiled(from.wrapping_add(inside).wrapping_sub(source)));
        jar(&[member("pkg/m.py", b"1234", year), member(module.0, &module.1, year)], "")
    };
    type Make<'m> = &'m dyn Fn(&str, u32, u32) -> Vec<u8>;
    let kinds: [(&str, &str, Make<'_>); 2] =
        [("/a.tar", "tar@4 pyc@2", &by_tar), ("/a.whl", "zip@4 pyc@2", &by_zip)];
    for (path, by, make) in kinds {
        let cases = [
            ([(7, 7), (8, 8)], true),
            ([(7, 1007), (8, 1008)], true),
            ([(7, 7), (8, 1008)], false),
            ([(7, 1007), (8, 8)], false),
        ];
        for ([left, right], same) in cases {
            for module in [MODULE, "pkg/m.pyc"] {
                let (left, right) = (make(module, left.0, left.1), make(module, right.0, right.1));
                let want = same.then(|| by.to_owned());
                assert_eq!(explained(path, &left, &right), want, "{path} {module}");
                // In another archive, too.
                let outer =
                    |inner: &[u8]| tarball(1, 0o644, 0, &[(path.trim_start_matches('/'), inner)]);
                let found = explained("/o.tar", &outer(&left), &outer(&right));
                assert_eq!(found.is_some(), same, "{path} {module} inside");
            }
        }
        // Nobody knows the source of a module in a stream of its own, or in a cache folder that has no source beside it.
        let alone = |name: &str, inside| match path {
            "/a.tar" => tarball(1, 0o644, 0, &[(name, &compiled(inside))]),
            _ => jar(&[member(name, &compiled(inside), 2020)], ""),
        };
        assert_eq!(explained(path, &alone(MODULE, 1), &alone(MODULE, 2)), None, "{path}");
        let sourceless = explained(path, &alone("pkg/m.pyc", 1), &alone("pkg/m.pyc", 2));
        assert_eq!(sourceless.as_deref(), Some(by), "{path}: no source can be run instead");
    }
    let stream = |inside| gz(1, None, None, 6, &compiled(inside));
    assert_eq!(explained("/m.pyc.gz", &stream(1), &stream(2)), None);
    // One second off is the same to a zip importer where the time zone is whole minutes off, and not to others.
    let zip = |inside| by_zip(MODULE, 7, inside);
    assert!(explained("/a.whl", &zip(7), &zip(8)).is_some());
    assert_eq!(explained("/a.whl", &zip(7), &zip(9)), None);
    assert_eq!(explained("/a.whl", &zip(7), &zip(67)), None, "in another time zone");
}

/// H87: beside a module with an old header, or where a name or a link may make a member a source.
#[test]
fn h87_times_beside_old_modules_stay_in_archives() {
    let sized = [b"\x33\x0d\r\n".as_slice(), &[1, 0, 0, 0, 4, 0, 0, 0], b"code"].concat();
    let unsized_ = [b"\x03\xf3\r\n".as_slice(), &[1, 0, 0, 0], b"code"].concat();
    let hashed = [b"\xcb\x0d\r\n".as_slice(), &[1, 0, 0, 0], b"hash of it", b"code"].concat();
    for (module, same) in [(&sized, false), (&unsized_, false), (&hashed, true)] {
        let zip = |year| jar(&[member("m.py", b"1234", year), member("m.pyc", module, 2020)], "");
        assert_eq!(explained("/a.egg", &zip(2020), &zip(2021)).is_some(), same, "{module:?}");
        let tar = |time| tarball(time, 0o644, 0, &[("m.py", b"1234"), ("m.pyc", module)]);
        assert_eq!(explained("/a.tar", &tar(1), &tar(2)).is_some(), same, "{module:?}");
    }
    // A time of 0 in an old header is no sign of flags: what follows is code.
    let zero = |code: &[u8]| [b"\x03\xf3\r\n\0\0\0\0".as_slice(), code].concat();
    assert_eq!(explained("/m.pyc", &zero(b"c\0\0\0more"), &zero(b"c\0\0\x01more")), None);
    // A source of any name.
    let named = |time| tarball(time, 0o644, 0, &[("prog", b"1234"), ("x.pyc", &compiled(7))]);
    assert_eq!(explained("/a.tar", &named(7), &named(8)), None);
    assert!(explained("/a.tar", &named(8), &named(9)).is_some());
}

#[test]
fn gzip_loses_its_header_and_its_encoding() {
    let text = b"a manual page, a manual page, a manual page".as_slice();
    let base = gz(1, Some("a"), None, 6, text);
    let (mut twice, mut trailing) = (base.clone(), base.clone());
    twice.extend(gz(1, None, None, 6, b""));
    trailing.push(0);
    let mut damaged = base.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    check(
        "/usr/share/man/man1/x.1.gz",
        "gzip@3",
        &base,
        &[
            &gz(2, Some("a"), None, 6, text),
            &gz(1, Some("a"), None, 9, text),
            &gz(3, Some("a"), None, 1, text),
        ],
        &[
            &gz(1, Some("a"), None, 6, b"an evil page"),
            &gz(1, Some("a"), Some(b"xx\x02\0no"), 6, text),
            &gz(1, Some("b"), None, 6, text),
            &gz(1, None, None, 6, text),
            &twice,
            &trailing,
            &damaged,
            text,
        ],
    );
}

#[test]
fn jars_lose_times_order_and_encoding() {
    let (class, other) = (b"class class class".as_slice(), b"evils evils evils".as_slice());
    let base = jar(&[member("A.class", class, 2020), member("B.class", b"b", 2020)], "");
    let evil = jar(&[member("A.class", other, 2020), member("B.class", b"b", 2020)], "");
    let renamed = jar(&[member("A.class", class, 2020), member("C.class", b"b", 2020)], "");
    let more = jar(
        &[member("A.class", class, 2020), member("B.class", b"b", 2020), member("C", b"", 2020)],
        "",
    );
    let mode = Member { mode: 0o755, ..member("A.class", class, 2020) };
    let stored = Member { stored: true, ..member("A.class", class, 2020) };
    let mode = jar(&[mode, member("B.class", b"b", 2020)], "");
    let stored = jar(&[stored, member("B.class", b"b", 2020)], "");
    let comment = jar(&[member("A.class", class, 2020), member("B.class", b"b", 2020)], "hi");
    let before = [b"#!/bin/sh\n", base.as_slice()].concat();
    let after = [base.as_slice(), b"more"].concat();
    check(
        "/app.jar",
        "zip@4",
        &base,
        &[
            &jar(&[member("A.class", class, 2021), member("B.class", b"b", 2022)], ""),
            &jar(&[member("B.class", b"b", 2020), member("A.class", class, 2020)], ""),
        ],
        &[&evil, &renamed, &more, &mode, &stored, &comment, &before, &after],
    );
}

/// What one reader finds by the directory and another by walking the local headers must be the same.
#[test]
fn jars_with_hidden_bytes_have_no_normal_form() {
    let limits = Limits::default();
    let base = jar(&[member("A.class", b"good", 2020), member("B.class", b"b", 2020)], "");
    assert!(normal("/a.jar", &base, &limits).is_some());
    let at = |needle: &[u8]| base.windows(needle.len()).position(|w| w == needle).unwrap();
    let mut other_local = base.clone();
    other_local[30] = b'Z';
    let mut other_crc = base.clone();
    other_crc[14] ^= 1;
    // A gap before the directory, with the end record pointing behind it.
    let directory = at(b"PK\x01\x02");
    let end = at(b"PK\x05\x06");
    let mut gap = [&base[..directory], b"hidden", &base[directory..]].concat();
    let moved = u32::try_from(directory + 6).unwrap().to_le_bytes();
    gap[end + 6 + 16..end + 6 + 20].copy_from_slice(&moved);
    for (name, bytes) in [("local name", other_local), ("checksum", other_crc), ("gap", gap)] {
        assert_eq!(normal("/a.jar", &bytes, &limits), None, "{name}");
    }
    for length in 0..base.len() {
        assert_eq!(normal("/a.jar", &base[..length], &limits), None, "cut at {length}");
    }
}

#[test]
fn formats_inside_formats_are_followed() {
    let nested = |time: u32, code: &[u8]| {
        let inner = jar(&[member("m.pyc", &module(0, time, code), 2020)], "");
        let tar = tarball(u64::from(time), 0o644, 0, &[("app.jar", &inner)]);
        gz(time, None, None, 6, &tar)
    };
    let (base, same) = (nested(1, b"code"), nested(2, b"code"));
    check("/a.tgz", "gzip@3 tar@4 zip@4 pyc@2", &base, &[&same], &[&nested(2, b"evil")]);
    // Deeper than is followed: bytes are bytes.
    let deep = |time: u32| {
        (0..6).fold(b"x".to_vec(), |bytes, depth| {
            gz(if depth == 0 { time } else { 0 }, None, None, 6, &bytes)
        })
    };
    let name = format!("/x{}", ".gz".repeat(6));
    assert_eq!(explained(&name, &deep(1), &deep(2)), None);
}

#[test]
fn libraries_lose_times_owners_and_modes() {
    let members: [(&str, &[u8]); 2] = [("/", b"symbols"), ("a.o/", b"code")];
    let base = library("1", "0", "644", &members);
    let evil = library("1", "0", "644", &[("/", b"symbols"), ("a.o/", b"evil")]);
    let table = library("1", "0", "644", &[("/", b"sXmbols"), ("a.o/", b"code")]);
    let order = library("1", "0", "644", &[("a.o/", b"code"), ("/", b"symbols")]);
    let trailing = [base.as_slice(), b"\n"].concat();
    check(
        "/usr/lib/libx.a",
        "ar@2",
        &base,
        &[&library("1700000000", "1000", "100664", &members)],
        &[
            &library("1", "0", "104755", &members),
            &library("hidden words", "0", "644", &members),
            &library("1 2", "0", "644", &members),
            &evil,
            &table,
            &order,
            &trailing,
            &base[..base.len() - 1],
            b"!<thin>\n",
        ],
    );
}

#[test]
fn tar_files_lose_times_and_nothing_else() {
    let files: [(&str, &[u8]); 2] = [("a", b"script"), ("b", b"")];
    let base = tarball(1, 0o644, 0, &files);
    let order = tarball(1, 0o644, 0, &[("b", b""), ("a", b"script")]);
    check(
        "/lib/apk/db/scripts.tar",
        "tar@4",
        &base,
        &[&tarball(2, 0o644, 0, &files)],
        &[
            &tarball(1, 0o4755, 0, &files),
            &tarball(1, 0o644, 7, &files),
            &tarball(1, 0o644, 0, &[("a", b"scrapt"), ("b", b"")]),
            &order,
            b"no tar",
        ],
    );
}

#[test]
fn virtual_packages_of_apk_lose_their_version() {
    let installed = |version: &str, sum: &str, real: &str| {
        format!(
            "C:{sum}\nP:.build-deps\nV:{version}\nA:noarch\nt:1{real}\n\nC:Q1x\nP:busybox\nV:{real}\nF:bin\nR:sh\n\n"
        )
    };
    let sum = |letter: &str| format!("Q1{}=", letter.repeat(27));
    let (a, b) = (sum("a"), sum("b"));
    let base = installed("20240101.120000", &a, "1.36");
    let same = installed("20240202.130000", &b, "1.36");
    let with_files = |version: &str| format!("C:Q1\nP:.x\nV:{version}\nF:bin\nR:sh\n\n");
    check(
        "/lib/apk/db/installed",
        "apk-virtual@2",
        base.as_bytes(),
        &[same.as_bytes()],
        &[
            installed("20240202.130000", &b, "1.37").as_bytes(),
            installed("1.0", &b, "1.36").as_bytes(),
            b"\xff",
        ],
    );
    // A field that comes twice, or that holds something else than it should.
    let twice = |line: &str| base.replace("t:1", &format!("t:1\n{line}"));
    for (left, right) in [
        (twice("V:1"), twice("V:2")),
        (twice("P:a"), twice("P:b")),
        (base.replace("t:1", "t:a b"), base.replace("t:1", "t:c d")),
        (base.replace(&a, "hidden words"), base.replace(&a, "other words")),
        (base.replace(&a, "Q1hiddenwords"), base.replace(&a, "Q1otherwords")),
        (base.replace("t:1", "t:1234567890123"), base.replace("t:1", "t:3210987654321")),
    ] {
        assert_eq!(explained("/lib/apk/db/installed", left.as_bytes(), right.as_bytes()), None);
    }
    let (one, two) = (with_files("20240101.120000"), with_files("20240202.120000"));
    assert_eq!(explained("/lib/apk/db/installed", one.as_bytes(), two.as_bytes()), None);
    check(
        "/etc/apk/world",
        "apk-world@1",
        b".deps=20240101.120000\nbash\n",
        &[b".deps=20240202.120000\nbash\n"],
        &[b".deps\nbash\n", b".deps=20240101.120000\nzsh\n", b".deps=1.2\nbash\n"],
    );
}

#[test]
fn logs_lose_times_and_keep_versions() {
    let log =
        |day: &str, version: &str| format!("{day} 10:11:12 install libc6:amd64 <none> {version}\n");
    check(
        "/var/log/dpkg.log",
        "log-time@1",
        log("2026-01-01", "2.36").as_bytes(),
        &[log("2026-02-02", "2.36").as_bytes()],
        &[log("2026-01-01", "2.37").as_bytes(), b"\0 install libc6:amd64 <none> 2.36\n"],
    );
    let log = |time: &str| format!("Start-Date: 2026-01-01  {time}\nInstall: a:amd64 (1)\n");
    assert!(
        explained(
            "/var/log/apt/history.log",
            log("01:02:03").as_bytes(),
            log("02:03:04").as_bytes()
        )
        .is_some()
    );
    assert_eq!(
        explained("/var/log/other.log", log("01:02:03").as_bytes(), log("02:03:04").as_bytes()),
        None
    );
}

#[test]
fn ldconfigs_cache_loses_where_libraries_were() {
    /// One library: inode, size, name, and what happened to be in the padding.
    type Library<'a> = (u64, u64, &'a str, u32);
    let cache = |magic: &str, libraries: &[Library<'_>], tail: &[u8]| {
        let (mut entries, mut strings) = (Vec::new(), vec![0]);
        for (inode, size, name, padding) in libraries {
            for number in [*inode, inode * 3, *size, 65024] {
                entries.extend_from_slice(&number.to_le_bytes());
            }
            let at = u32::try_from(strings.len()).unwrap();
            for number in [0x303, at, 0, *padding] {
                entries.extend_from_slice(&number.to_le_bytes());
            }
            strings.extend_from_slice(name.as_bytes());
            strings.push(0);
        }
        strings.extend_from_slice(tail);
        let counts =
            [libraries.len(), strings.len()].map(|n| u32::try_from(n).unwrap().to_le_bytes());
        [magic.as_bytes(), &counts.concat(), &entries, &strings].concat()
    };
    let magic = "glibc-ld.so.auxcache-2.0";
    let base = cache(magic, &[(7, 100, "liba.so.1", 0), (9, 200, "libb.so.1", 0)], b"");
    check(
        "/var/cache/ldconfig/aux-cache",
        "ldconfig-aux@2",
        &base,
        &[&cache(magic, &[(4, 200, "libb.so.1", 5), (8, 100, "liba.so.1", 6)], b"")],
        &[
            &cache(magic, &[(7, 100, "liba.so.2", 0), (9, 200, "libb.so.1", 0)], b""),
            &cache(magic, &[(7, 101, "liba.so.1", 0), (9, 200, "libb.so.1", 0)], b""),
            &cache(magic, &[(7, 100, "liba.so.1", 0)], b""),
            &cache(magic, &[(7, 100, "liba.so.1", 0), (9, 200, "libb.so.1", 0)], b"evil"),
            &cache(
                "glibc-ld.so.auxcache-1.0",
                &[(7, 100, "liba.so.1", 0), (9, 200, "libb.so.1", 0)],
                b"",
            ),
            &base[..base.len() - 1],
        ],
    );
}

/// A jar by hand: entries with a data descriptor, and what `slack` puts behind the deflate stream of the first.
fn described_jar(time: u16, slack: &[u8]) -> Vec<u8> {
    let deflated = |content: &[u8]| {
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), Compression::new(9));
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    };
    let content = b"good class bytes ".repeat(10);
    let mut crc = flate2::Crc::new();
    crc.update(&content);
    let data = [deflated(&content), slack.to_vec()].concat();
    let size = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap().to_le_bytes();
    let sums = [crc.sum().to_le_bytes(), size(&data), size(&content)].concat();
    let (name, stamp) = (b"A.class", [time.to_le_bytes(), [0x21, 0]].concat());
    let head = [&[20, 0, 8, 0, 8, 0], stamp.as_slice()].concat();
    let local = [b"PK\x03\x04", head.as_slice(), &[0; 12], &[7, 0, 0, 0], name].concat();
    let central = [b"PK\x01\x02\x14\0", head.as_slice(), &sums, &[7, 0], &[0; 16], name].concat();
    let body = [local.as_slice(), &data, b"PK\x07\x08", &sums].concat();
    let (length, place) = (size(&central), size(&body));
    let end = [b"PK\x05\x06\0\0\0\0\x01\0\x01\0".as_slice(), &length, &place, &[0, 0]];
    [body.as_slice(), &central, &end.concat()].concat()
}

/// H15: what a streaming reader takes for a further entry is hidden behind the deflate stream of one.
#[test]
fn h15_nothing_hides_behind_a_deflate_stream() {
    let (one, two) = (described_jar(1, b""), described_jar(2, b""));
    assert_eq!(explained("/a.jar", &one, &two).as_deref(), Some("zip@4"));
    let hidden = described_jar(2, b"PK\x07\x08 and an entry");
    assert_eq!(normal("/a.jar", &hidden, &Limits::default()), None);
    assert_eq!(explained("/a.jar", &one, &hidden), None);
}

#[test]
fn a_manifest_that_is_found_stays_found() {
    let jar = |names: [&str; 3]| super::tests::jar(&names.map(|name| member(name, b"x", 2020)), "");
    let first = jar(["META-INF/", "META-INF/MANIFEST.MF", "A.class"]);
    assert!(
        explained("/a.jar", &first, &jar(["META-INF/MANIFEST.MF", "A.class", "META-INF/"]))
            .is_some()
    );
    assert_eq!(
        explained("/a.jar", &first, &jar(["A.class", "META-INF/", "META-INF/MANIFEST.MF"])),
        None
    );
}

/// Extra fields that say they are times and hold something else.
#[test]
fn extra_fields_hide_nothing() {
    let with = |extra: &[u8]| {
        let base = described_jar(1, b"");
        let directory = base.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
        let (body, rest) = base.split_at(directory);
        let mut rest = rest.to_vec();
        rest[30] = u8::try_from(extra.len()).unwrap();
        rest.splice(53..53, extra.iter().copied());
        let end = rest.len() - 22;
        rest[end + 12] += u8::try_from(extra.len()).unwrap();
        [body, &rest].concat()
    };
    let same = |left: &[u8], right: &[u8]| explained("/a.jar", &with(left), &with(right)).is_some();
    assert!(same(b"UT\x05\0\x011234", b"UT\x05\0\x015678"));
    assert!(!same(b"UT\x05\0\x011234", b"UT\x05\0\x031234"));
    assert!(!same(b"UT\x07\0\x01hidden", b"UT\x07\0\x01secret"));
    assert!(same(b"UX\x08\x001234abcd", b"UX\x08\x005678efgh"));
    assert!(!same(b"UX\x0c\x001234abcd\0\0\0\0", b"UX\x0c\x001234abcd\x01\0\0\0"));
    let ntfs = |head: &[u8], time: u8| [b"\x0a\0\x20\0".as_slice(), head, &[time; 24]].concat();
    let right = [0, 0, 0, 0, 1, 0, 24, 0];
    assert!(same(&ntfs(&right, 1), &ntfs(&right, 2)));
    let other = [0, 0, 0, 1, 1, 0, 24, 0];
    assert!(!same(&ntfs(&other, 1), &ntfs(&other, 2)));
}

/// Times, numbers and marks that are of no form, or that programs look for in places of their own.
#[test]
fn h16_what_is_taken_out_has_its_form() {
    let limits = Limits::default();
    // A second end record inside the comment of the first: some programs start from it.
    let base = jar(&[member("A.class", b"good", 2020)], "");
    let ended = |hidden: &[u8]| {
        let record = &base[base.len() - 22..];
        let comment = [hidden, record].concat();
        let mut bytes = [&base, comment.as_slice()].concat();
        bytes[base.len() - 2] = u8::try_from(comment.len()).unwrap();
        bytes
    };
    assert_eq!(normal("/a.jar", &ended(b"hidden"), &limits), None);
    assert_eq!(normal("/a.jar", &ended(b""), &limits), None);
    // Times that no clock shows, and two times of one entry.
    let stamped = |local: [u8; 4], central: [u8; 4]| {
        let mut bytes = described_jar(1, b"");
        let directory = bytes.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
        bytes[10..14].copy_from_slice(&local);
        bytes[directory + 12..directory + 16].copy_from_slice(&central);
        bytes
    };
    let (time, other) = ([7, 9, 0x21, 0x50], [8, 9, 0x22, 0x50]);
    let same = |left: &[u8], right: &[u8]| explained("/a.jar", left, right).is_some();
    assert!(same(&stamped(time, time), &stamped(other, other)));
    assert!(!same(&stamped(time, time), &stamped(time, other)));
    for odd in
        [*b"\xff\xff\xff\xff", [0, 0xc0, 0x21, 0x50], [31, 0, 0x21, 0x50], [0, 0, 0xa1, 0x51]]
    {
        assert!(!same(&stamped(time, time), &stamped(odd, odd)), "{odd:?}");
    }
    // gzip's compressor and system.
    let marked = |effort: u8, system: u8| {
        let mut bytes = gz(7, None, None, 6, b"text");
        (bytes[8], bytes[9]) = (effort, system);
        bytes
    };
    assert!(explained("/a.gz", &marked(0, 3), &marked(2, 255)).is_some());
    assert!(explained("/a.gz", &marked(0, 3), &marked(b'x', 3)).is_none());
    assert!(explained("/a.gz", &marked(0, 3), &marked(0, b'x')).is_none());
    // The checksum over the header is left out only where it is written as writers do.
    let summed = |field: &[u8; 8]| {
        let mut bytes = tarball(7, 0o644, 0, &[("a", b"text")]);
        let sum = bytes[149..155].to_vec();
        bytes[148..156].copy_from_slice(field);
        let start = field.iter().position(|byte| *byte == b'#').unwrap();
        bytes[148 + start..154 + start].copy_from_slice(&sum);
        bytes
    };
    let base = summed(b"######\0 ");
    assert!(explained("/a.tar", &base, &summed(b"###### \0")).is_some());
    assert!(explained("/a.tar", &base, &summed(b"\0######\0")).is_none());
    let seconds = |value: &[u8]| {
        let mut builder = tar::Builder::new(Vec::new());
        builder.append_pax_extensions([("atime", value)]).unwrap();
        let mut header = tar::Header::new_ustar();
        header.set_size(0);
        builder.append_data(&mut header, "a", &[][..]).unwrap();
        builder.into_inner().unwrap()
    };
    let base = seconds(b"1.5");
    assert!(explained("/a.tar", &base, &seconds(b"-7.25")).is_some());
    for odd in [b"1.2.3.4".as_slice(), b"1-2-3", b"1-5", b"..--..", b"1.", b"15."] {
        assert!(explained("/a.tar", &base, &seconds(odd)).is_none(), "{odd:?}");
    }
    let log = |time: &str| format!("{time} install libc6:amd64 <none> 2.36\n");
    let (base, odd) = (log("2026-01-01 10:11:12"), log("7777-77-77 77:77:77"));
    assert!(explained("/var/log/dpkg.log", base.as_bytes(), odd.as_bytes()).is_none());
}

/// H16: every byte that can change without leaving the normal form stands where the format has a time or the like.
#[test]
fn h16_no_byte_is_free_but_those_taken_out() {
    let limits = Limits::default();
    let free = |path: &str, bytes: &[u8]| -> Vec<usize> {
        let base = normal(path, bytes, &limits).unwrap();
        let mut free = Vec::new();
        for at in 0..bytes.len() {
            let mut changed = bytes.to_vec();
            let is_free = [0x01, 0x41, 0x80, 0xff].iter().any(|mask| {
                changed[at] = bytes[at] ^ mask;
                normal(path, &changed, &limits).is_some_and(|other| other.agrees(&base))
            });
            if is_free {
                free.push(at);
            }
        }
        free
    };
    let jar = described_jar(1, b"");
    let central = jar.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    // The last byte of a deflate stream has bits to spare.
    let spare = jar.windows(4).position(|w| w == b"PK\x07\x08").unwrap() - 1;
    let times: Vec<usize> = (10..14).chain(central + 12..central + 16).chain([spare]).collect();
    assert!(free("/a.jar", &jar).iter().all(|at| times.contains(at)));
    let library = library("1234567890", "0", "644", &[("a.o/", b"code")]);
    assert!(free("/a.a", &library).iter().all(|at| (24..56).contains(at)));
    let gzip = gz(7, Some("a"), None, 6, b"text text text");
    let spare = gzip.len() - 9;
    assert!(free("/a.gz", &gzip).iter().all(|at| (4..10).contains(at) || *at == spare));
    // The checksum of a header is compared as a number.
    let tar = tarball(7, 0o644, 0, &[("a", b"text")]);
    assert!(
        free("/a.tar", &tar).iter().all(|at| (136..156).contains(at)),
        "{:?}",
        free("/a.tar", &tar)
    );
    assert_eq!(free("/a.pyc", &module(0, 1, b"code")), [8, 9, 10, 11]);
    let log = b"2026-01-01 10:11:12 install libc6:amd64 <none> 2.36\n";
    assert!(free("/var/log/dpkg.log", log).iter().all(|at| *at < 19));
}

/// A tar file in an image is a file: its owner names, comments and padding are there to be read.
#[test]
fn tar_files_hide_nothing() {
    let with = |change: &dyn Fn(&mut tar::Header), comment: &str, padding: u8| {
        let mut builder = tar::Builder::new(Vec::new());
        builder
            .append_pax_extensions([("comment", comment.as_bytes()), ("mtime", b"1.5")])
            .unwrap();
        let mut header = tar::Header::new_ustar();
        header.set_size(4);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(7);
        header.set_path("a").unwrap();
        change(&mut header);
        header.set_cksum();
        builder.append(&header, b"text".as_slice()).unwrap();
        let mut bytes = builder.into_inner().unwrap();
        bytes[3 * 512 + 100] = padding;
        bytes
    };
    let base = with(&|_| (), "c", 0);
    let same = |other: &[u8]| explained("/a.tar", &base, other).is_some();
    assert!(same(&with(&|header| header.set_mtime(8), "c", 0)));
    assert!(!same(&with(&|header| header.set_username("evil").unwrap(), "c", 0)));
    assert!(!same(&with(&|header| header.as_old_mut().name[50] = b'x', "c", 0)));
    assert!(!same(&with(&|_| (), "d", 0)));
    assert!(!same(&with(&|_| (), "c", 1)));
}

proptest! {
    #[test]
    fn never_panics(bytes: Vec<u8>, at in 0..1_000_usize, byte: u8) {
        let limits = Limits::default();
        let inner = jar(&[member("a.pyc", &module(0, 1, b"x"), 2020)], "c");
        let starts = [
            inner.clone(),
            gz(1, Some("a"), None, 6, &inner),
            library("1", "0", "644", &[("a.o/", b"code")]),
            b"glibc-ld.so.auxcache-2.0\x01\0\0\0\x02\0\0\0".to_vec(),
            module(0, 1, b""),
        ];
        let names = ["/a.jar", "/a.gz", "/a.a", "/var/cache/ldconfig/aux-cache", "/a.pyc", "/a.tar",
            "/lib/apk/db/installed", "/etc/apk/world", "/var/log/dpkg.log"];
        for name in names {
            normal(name, &bytes, &limits);
            for start in &starts {
                let mut spoiled = [start.as_slice(), &bytes].concat();
                if let Some(place) = spoiled.get_mut(at) {
                    *place = byte;
                }
                normal(name, &spoiled, &limits);
            }
        }
    }
}
