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
    left.agrees(&right).then(|| left.names())
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
    check("/m.pyc", "pyc@1", &base, &[&module(0, 2, b"code")], &others);
    // PEP 552: with the hash of the source in the place of the time, another hash is another module.
    for flags in [1, 3] {
        assert_eq!(
            explained("/m.pyc", &module(flags, 1, b"code"), &module(flags, 2, b"code")),
            None
        );
    }
    assert_eq!(explained("/m.py", &module(0, 1, b""), &module(0, 2, b"")), None);
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
        "gzip@1",
        &base,
        &[
            &gz(2, Some("a"), None, 6, text),
            &gz(1, None, None, 9, text),
            &gz(3, Some("b"), None, 1, text),
        ],
        &[
            &gz(1, Some("a"), None, 6, b"an evil page"),
            &gz(1, Some("a"), Some(b"xx\x02\0no"), 6, text),
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
        "zip@1",
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
    check("/a.tgz", "gzip@1 tar@1 zip@1 pyc@1", &base, &[&same], &[&nested(2, b"evil")]);
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
        "ar@1",
        &base,
        &[&library("1700000000", "1000", "100664", &members)],
        &[&evil, &table, &order, &trailing, &base[..base.len() - 1], b"!<thin>\n"],
    );
}

#[test]
fn tar_files_lose_times_and_nothing_else() {
    let files: [(&str, &[u8]); 2] = [("a", b"script"), ("b", b"")];
    let base = tarball(1, 0o644, 0, &files);
    let order = tarball(1, 0o644, 0, &[("b", b""), ("a", b"script")]);
    check(
        "/lib/apk/db/scripts.tar",
        "tar@1",
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
    let base = installed("20240101.120000", "Q1a", "1.36");
    let same = installed("20240202.130000", "Q1b", "1.36");
    let with_files = |version: &str| format!("C:Q1\nP:.x\nV:{version}\nF:bin\nR:sh\n\n");
    check(
        "/lib/apk/db/installed",
        "apk-virtual@1",
        base.as_bytes(),
        &[same.as_bytes()],
        &[
            installed("20240202.130000", "Q1b", "1.37").as_bytes(),
            installed("1.0", "Q1b", "1.36").as_bytes(),
            b"\xff",
        ],
    );
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
        "ldconfig-aux@1",
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
