//! Archives made byte by byte, for what no writer makes, and archives of other writers.

mod gnu;

use proptest::prelude::*;

use super::{entry::readable, *};

const BLOCK: usize = 512;

/// A header.
type Block = [u8; BLOCK];

/// A header block of a file, ustar, with a right checksum.
fn block(change: impl FnOnce(&mut Block)) -> Block {
    let mut block = [0; BLOCK];
    put(&mut block, 0, b"a");
    put(&mut block, 100, b"0000644\0");
    put(&mut block, 108, b"0000000\0");
    put(&mut block, 116, b"0000000\0");
    put(&mut block, 124, b"00000000000\0");
    put(&mut block, 136, b"00000000000\0");
    block[156] = b'0';
    put(&mut block, 257, b"ustar\x0000");
    change(&mut block);
    sum(&mut block);
    block
}

fn put(block: &mut Block, at: usize, bytes: &[u8]) {
    block[at..at + bytes.len()].copy_from_slice(bytes);
}

fn sum(block: &mut Block) {
    put(block, 148, b"        ");
    let sum: u32 = block.iter().map(|b| u32::from(*b)).sum();
    put(block, 148, format!("{sum:06o}\0 ").as_bytes());
}

/// An extension header of `flag` with `data`.
fn extension(flag: u8, data: &[u8]) -> Vec<u8> {
    let mut out = block(|b| {
        b[156] = flag;
        put(b, 124, format!("{:011o}\0", data.len()).as_bytes());
        if flag == b'g' {
            put(b, 0, b"pax_global_header\0");
        }
        if matches!(flag, b'L' | b'K') {
            put(b, 257, b"ustar  \0");
        }
    })
    .to_vec();
    out.extend(data);
    out.resize(out.len().next_multiple_of(BLOCK), 0);
    out
}

/// A global header of this name.
fn global(name: &[u8]) -> Vec<u8> {
    let mut out = extension(b'g', &record("comment", "c"));
    let mut header: Block = out[..BLOCK].try_into().unwrap();
    put(&mut header, 0, &[0; 20]);
    put(&mut header, 0, name);
    sum(&mut header);
    out[..BLOCK].copy_from_slice(&header);
    out
}

/// An entry of this type whose name ends with a slash.
fn slashed(flag: u8) -> Vec<u8> {
    let change = |b: &mut Block| {
        put(b, 0, b"a/");
        put(b, 157, b"x");
        b[156] = flag;
    };
    block(change).to_vec()
}

/// A file whose PAX records name an owner.
fn owned(key: &str, number: u64) -> Vec<u8> {
    [extension(b'x', &record(key, &number.to_string())), block(|_| ()).to_vec(), end()].concat()
}

fn device(major: &[u8], minor: &[u8]) -> Vec<u8> {
    let change = |b: &mut Block| {
        b[156] = b'3';
        put(b, 329, major);
        put(b, 337, minor);
    };
    [block(change).to_vec(), end()].concat()
}

fn record(key: &str, value: &str) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let length = (rest + 1..).find(|n| n - n.to_string().len() == rest).unwrap();
    format!("{length} {key}={value}\n").into_bytes()
}

fn end() -> Vec<u8> {
    vec![0; 2 * BLOCK]
}

fn read(archive: &[u8], limits: &Limits) -> Result<Vec<(Entry, Vec<u8>)>, TarError> {
    let mut out = Vec::new();
    walk(archive, limits, |entry, content| {
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes)?;
        out.push((entry.clone(), bytes));
        Ok(())
    })?;
    Ok(out)
}

fn fault(archive: &[u8]) -> Fault {
    match read(archive, &Limits::default()) {
        Err(TarError::Fault { fault, .. }) => fault,
        other => panic!("{other:?}"),
    }
}

/// A file entry with content, by the tar library.
fn library_file(path: &str, content: &[u8]) -> Vec<u8> {
    let mut builder = ::tar::Builder::new(Vec::new());
    let mut header = ::tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o100_755);
    header.set_uid(3_000_000);
    header.set_gid(5);
    header.set_mtime(1_700_000_000);
    builder.append_data(&mut header, path, content).unwrap();
    builder.into_inner().unwrap()
}

#[test]
fn reads_what_a_library_wrote() {
    let long = format!("./{}/file", "d".repeat(150));
    let entries = read(&library_file(&long, b"hello"), &Limits::default()).unwrap();
    let (entry, content) = &entries[0];
    assert_eq!(entry.path, &long[1..]);
    assert_eq!((entry.mode, entry.odd_type_bits), (0o755, 0));
    assert_eq!((entry.uid, entry.gid, entry.size), (3_000_000, 5, 5));
    assert_eq!((entry.mtime, entry.kind), (1_700_000_000, EntryKind::File));
    assert_eq!(content, b"hello");
}

#[test]
fn pax_records_override_the_header() {
    let records = [
        record("path", "./x//y/"),
        record("uid", "70000000"),
        record("SCHILY.xattr.security.capability", "\u{1}\n="),
        record("mtime", "12.5"),
        record("vendor", "1"),
    ]
    .concat();
    let directory = block(|b| {
        b[156] = b'5';
        put(b, 100, b"0041777\0");
    });
    let archive = [extension(b'x', &records), directory.to_vec(), end()].concat();
    let entries = read(&archive, &Limits::default()).unwrap();
    let entry = &entries[0].0;
    assert_eq!((entry.path.as_str(), entry.kind), ("/x/y", EntryKind::Directory));
    assert_eq!((entry.uid, entry.mode, entry.mtime), (70_000_000, 0o1777, 12));
    assert_eq!(entry.xattrs["security.capability"], b"\x01\n=");
    assert_eq!(entry.pax["vendor"], b"1");
}

#[test]
fn links_and_devices_keep_their_targets() {
    let archive = [
        block(|b| {
            b[156] = b'2';
            put(b, 157, b"../etc//passwd");
        })
        .to_vec(),
        block(|b| {
            b[156] = b'1';
            put(b, 157, b"./etc//passwd");
        })
        .to_vec(),
        block(|b| {
            b[156] = b'3';
            put(b, 329, b"0000001\x000000003\0");
        })
        .to_vec(),
        end(),
    ]
    .concat();
    let entries = read(&archive, &Limits::default()).unwrap();
    let facts: Vec<_> = entries.iter().map(|(e, _)| (e.link.as_deref(), e.device)).collect();
    let want = [(Some("../etc//passwd"), None), (Some("/etc/passwd"), None), (None, Some((1, 3)))];
    assert_eq!(facts, want);
}

#[test]
fn names_that_are_not_utf8_stay_different() {
    let names: [&[u8]; 4] = [b"a\xff", "a\u{fffd}".as_bytes(), b"a\xef", "a\u{fffd}ff".as_bytes()];
    let paths: std::collections::BTreeSet<String> =
        names.iter().map(|name| readable(name)).collect();
    assert_eq!(paths.len(), names.len(), "{paths:?}");
}

#[test]
fn whiteouts_are_recognised() {
    let of = |path: &str| {
        let archive = [block(|b| put(b, 0, path.as_bytes())).to_vec(), end()].concat();
        read(&archive, &Limits::default()).unwrap().remove(0).0
    };
    assert_eq!(of("etc/passwd").whiteout(), None);
    let name = of("etc/.wh.passwd");
    assert_eq!(name.whiteout(), Some(Whiteout::Name { folder: "/etc", name: "passwd" }));
    assert_eq!(of(".wh..wh..opq").whiteout(), Some(Whiteout::Opaque { folder: "/" }));
    assert_eq!(of("a/.wh..wh..opq").whiteout(), Some(Whiteout::Opaque { folder: "/a" }));
    assert_eq!(of(".wh..wh.plnk").whiteout(), Some(Whiteout::Bookkeeping));
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table of cases")]
fn refuses_what_programs_read_differently() {
    let sized = |pax: &str, header: &[u8; 12]| {
        let file = block(|b| put(b, 124, header));
        [extension(b'x', &record("size", pax)), file.to_vec(), vec![0; 1024], end()].concat()
    };
    let named = |name: &[u8]| [block(|b| put(b, 0, name)).to_vec(), end()].concat();
    let flagged = |flag: u8| [block(|b| b[156] = flag).to_vec(), end()].concat();
    let file = || block(|_| ()).to_vec();
    let path = record("path", "b");
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("PAX size smaller than the header's", sized("0", b"00000001000\0")),
        ("PAX size larger than the header's", sized("512", b"00000000000\0")),
        ("dot-dot", named(b"../etc/passwd")),
        ("dot-dot inside", named(b"a/../b")),
        (
            "dot-dot in a hard link",
            [
                block(|b| {
                    b[156] = b'1';
                    put(b, 157, b"../x");
                })
                .to_vec(),
                end(),
            ]
            .concat(),
        ),
        ("file with a slash", named(b"a/")),
        ("file as root", named(b"/")),
        ("whiteout of the folder", named(b"etc/.wh.")),
        ("whiteout of the folder above", named(b"etc/.wh...")),
        (
            "two PAX headers",
            [extension(b'x', &path), extension(b'x', &path), file(), end()].concat(),
        ),
        (
            "PAX and GNU name",
            [extension(b'x', &path), extension(b'L', b"c\0"), file(), end()].concat(),
        ),
        (
            "two GNU names",
            [extension(b'L', b"b\0"), extension(b'L', b"c\0"), file(), end()].concat(),
        ),
        (
            "PAX size before a GNU name",
            [extension(b'x', &record("size", "0")), extension(b'L', b"b\0"), file(), end()]
                .concat(),
        ),
        ("global path", [extension(b'g', &path), file(), end()].concat()),
        ("global header with a file's name", [global(b"bin/sh"), file(), end()].concat()),
        ("global header with a whiteout's name", [global(b".wh.etc"), file(), end()].concat()),
        ("global header in a folder", [global(b"lib/GlobalHead.1.1"), file(), end()].concat()),
        ("link with a slash", [slashed(b'2'), end()].concat()),
        ("owner of 33 bits", owned("uid", 1 << 32)),
        ("group of 33 bits", owned("gid", 1 << 32)),
        ("owner -1", owned("uid", (1 << 32) - 1)),
        ("device 4096:0", device(b"0010000\0", b"0000000\0")),
        ("device 0:2097152", device(b"0000000\0", b"10000000")),
        (
            "directory with content",
            [
                block(|b| {
                    b[156] = b'5';
                    put(b, 124, b"00000001000\0");
                })
                .to_vec(),
                file(),
                end(),
            ]
            .concat(),
        ),
        (
            "symlink with content",
            [
                block(|b| {
                    b[156] = b'2';
                    put(b, 157, b"x");
                    put(b, 124, b"00000001000\0");
                })
                .to_vec(),
                file(),
                end(),
            ]
            .concat(),
        ),
        (
            "unknown ustar version",
            [block(|b| put(b, 257, b"ustar\x0011")).to_vec(), end()].concat(),
        ),
        ("star", [block(|b| put(b, 508, b"tar\0")).to_vec(), end()].concat()),
        (
            "text in a GNU header's times",
            [
                block(|b| {
                    put(b, 257, b"ustar  \0");
                    put(b, 345, b"evil/prefix");
                })
                .to_vec(),
                end(),
            ]
            .concat(),
        ),
        (
            "V7 extension",
            [
                block(|b| {
                    b[156] = b'L';
                    put(b, 257, &[0; 8]);
                })
                .to_vec(),
                file(),
                end(),
            ]
            .concat(),
        ),
    ];
    for (name, archive) in cases {
        let found = fault(&archive);
        assert!(matches!(found, Fault::Ambiguous(_)), "{name}: {found:?}");
    }
    assert_eq!(fault(&[file(), end(), file()].concat()), Fault::Trailing);
    assert_eq!(fault(&[file(), vec![0; 512], file(), end()].concat()), Fault::Trailing);
    assert_eq!(fault(&flagged(b'S')), Fault::Sparse);
    for flag in [b'7', b'V', b'M', b'D', b'X', b'z', 0xff] {
        assert_eq!(fault(&flagged(flag)), Fault::Kind(flag));
    }
}

#[test]
fn refuses_a_global_header_that_no_entry_follows() {
    let file = || block(|_| ()).to_vec();
    let comment = || extension(b'g', &record("comment", "4b220de5"));
    let want = Fault::Malformed("a global PAX header that no entry follows");
    assert_eq!(fault(&[file(), comment()].concat()), want);
    assert_eq!(fault(&[file(), comment(), end()].concat()), want);
}

#[test]
fn accepts_what_programs_agree_on() {
    let file = || block(|_| ()).to_vec();
    let comment = extension(b'g', &record("comment", "4b220de5"));
    let old = block(|b| {
        put(b, 257, &[0; 8]);
        put(b, 0, b"dir/");
        b[156] = 0;
    });
    let cases = [
        ("nothing", Vec::new(), 0),
        ("only the end", end(), 0),
        ("one zero block", [file(), vec![0; 512]].concat(), 1),
        ("padding to 10 KiB", [file(), vec![0; 9728]].concat(), 1),
        ("absolute", [block(|b| put(b, 0, b"/etc/x")).to_vec(), end()].concat(), 1),
        ("global comment", [comment, file(), end()].concat(), 1),
        ("global comment of pax", [global(b"GlobalHead.7.1"), file(), end()].concat(), 1),
        ("no end mark", [file(), file()].concat(), 2),
        ("largest owner", owned("uid", (1 << 32) - 2), 1),
        ("V7 directory", [old.to_vec(), end()].concat(), 1),
        ("equal PAX size", [extension(b'x', &record("size", "0")), file(), end()].concat(), 1),
    ];
    for (name, archive, want) in cases {
        let entries = read(&archive, &Limits::default()).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(entries.len(), want, "{name}");
    }
}

#[test]
fn every_cut_is_seen() {
    let archive = library_file("a", &[7; 700]);
    let length = archive.len() - 512;
    for cut in (1..length).filter(|cut| *cut != length - 512) {
        // One zero block is an end, and so is none after a whole entry; everything else is not.
        let found = read(&archive[..cut], &Limits::default());
        assert!(found.is_err(), "cut at {cut}");
    }
    assert!(read(&archive[..length], &Limits::default()).is_ok());
    let dangling = [extension(b'x', &record("path", "b")), end()].concat();
    assert_eq!(fault(&dangling), Fault::Truncated);
    let mut flipped = archive;
    flipped[0] ^= 1;
    assert_eq!(fault(&flipped), Fault::Checksum);
}

#[test]
fn a_header_may_leave_room_for_large_sizes_only() {
    let large = 1_u64 << 33;
    let block = block(|_| ());
    let header = Header::parse(::tar::Header::from_byte_slice(&block)).unwrap();
    assert_eq!(header.size_with(Some(large)), Ok(large));
    assert!(header.size_with(Some(large - 1)).is_err());
}

#[test]
fn sizes_that_no_header_holds_come_from_pax_records() {
    let size = (1_u64 << 33) + 1;
    let padding = usize::try_from(padding_of(size)).unwrap();
    let head =
        [extension(b'x', &record("size", &size.to_string())), block(|_| ()).to_vec()].concat();
    let tail = [vec![0; padding], block(|b| put(b, 0, b"next")).to_vec(), end()].concat();
    for read_bytes in [0, 700] {
        let layer = head.as_slice().chain(io::repeat(7).take(size)).chain(tail.as_slice());
        let mut found = Vec::new();
        walk(layer, &Limits::default(), |entry, content| {
            let read = io::copy(&mut content.take(read_bytes), &mut io::sink())?;
            found.push((entry.path.clone(), entry.size, read));
            Ok(())
        })
        .unwrap();
        assert_eq!(found, [("/a".to_owned(), size, read_bytes), ("/next".to_owned(), 0, 0)]);
    }
    let cut = head.as_slice().chain(io::repeat(7).take(1000));
    let found = walk(cut, &Limits::default(), |_, _| Ok(()));
    assert!(matches!(found, Err(TarError::Fault { fault: Fault::Truncated, .. })), "{found:?}");
}

#[test]
fn a_long_name_ends_at_its_first_nul() {
    let named = |name| [extension(b'L', name), block(|_| ()).to_vec(), end()].concat();
    assert!(matches!(fault(&named(b"b\0c\0")), Fault::Ambiguous(_)));
    for name in [b"b".as_slice(), b"b\0", b"b\0\0\0"] {
        let entries = read(&named(name), &Limits::default()).unwrap();
        assert_eq!(entries[0].0.path, "/b");
    }
}

#[test]
fn errors_of_the_library_are_told_apart() {
    let sized = |size: &[u8; 12]| [block(|b| put(b, 124, size)).to_vec(), end()].concat();
    let wrong = Fault::Malformed("the size is no number");
    assert_eq!(fault(&sized(b"0000000000z\0")), wrong);
    assert_eq!(fault(&sized(b"+0000000000\0")), wrong);
    assert_eq!(fault(&sized(&[0xff; 12])), wrong);
    let unsummed = |sum: &[u8; 8]| {
        let mut block = block(|_| ());
        put(&mut block, 148, sum);
        [block.to_vec(), end()].concat()
    };
    for sum in [b"zzzzzz\0 ", b"0000001\0", b"\xff\0\0\0\0\0\0\0"] {
        assert_eq!(fault(&unsummed(sum)), Fault::Checksum);
    }
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("disk"))
        }
    }
    let start = block(|b| put(b, 124, b"00000001000\0"));
    for length in [0, 100, 512, 600] {
        let layer = start.iter().chain(&[0; 512]).copied().take(length).collect::<Vec<_>>();
        let found = walk(layer.as_slice().chain(Broken), &Limits::default(), |_, _| Ok(()));
        assert!(matches!(found, Err(TarError::Read(_))), "{length}: {found:?}");
    }
}

#[test]
fn an_interrupted_read_is_repeated() {
    struct Interrupted<'b>(&'b [u8], bool);
    impl Read for Interrupted<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 { Err(io::ErrorKind::Interrupted.into()) } else { self.0.read(buffer) }
        }
    }
    let archive = library_file("a", &[7; 700]);
    let mut entries = 0;
    walk(Interrupted(&archive, false), &Limits::default(), |_, _| {
        entries += 1;
        Ok(())
    })
    .unwrap();
    assert_eq!(entries, 1);
}

#[test]
fn limits_hold_at_n_and_n_plus_one() {
    let name = |n: usize| {
        let path = "p".repeat(n - 1);
        [extension(b'L', format!("{path}\0").as_bytes()), block(|_| ()).to_vec(), end()].concat()
    };
    let files = |n: usize| [block(|_| ()).to_vec().repeat(n), end()].concat();
    let pax = |n: usize| {
        let records = record("comment", &"c".repeat(n - "100 comment=\n".len()));
        assert_eq!(records.len(), n);
        [extension(b'x', &records), block(|_| ()).to_vec(), end()].concat()
    };
    let limits =
        Limits { tar_entries: 3, tar_path_bytes: 200, tar_pax_bytes: 300, ..Limits::default() };
    let cases = [
        (files(3), files(4), "tar_entries"),
        (name(200), name(201), "tar_path_bytes"),
        (pax(300), pax(301), "tar_pax_bytes"),
    ];
    for (good, bad, want) in cases {
        assert!(read(&good, &limits).is_ok(), "{want}");
        let found = read(&bad, &limits);
        assert!(
            matches!(&found, Err(TarError::Limit { limit_name, .. }) if *limit_name == want),
            "{want}: {found:?}"
        );
    }
}

proptest! {
    #[test]
    fn never_panics(bytes: Vec<u8>, at in 0..512_usize, byte: u8, flag: u8) {
        let limits = Limits::default();
        let _ = read(&bytes, &limits);
        let mut archive = block(|b| { b[156] = flag; b[at] = byte; });
        sum(&mut archive);
        let _ = read(&[archive.to_vec(), bytes, end()].concat(), &limits);
    }

    #[test]
    fn agrees_with_the_library(
        files in proptest::collection::vec(("[a-z]{1,60}(/[a-z]{1,60}){0,3}", proptest::collection::vec(any::<u8>(), 0..1500)), 0..6)
    ) {
        let mut builder = ::tar::Builder::new(Vec::new());
        for (path, content) in &files {
            let mut header = ::tar::Header::new_ustar();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            header.set_uid(0);
            header.set_gid(0);
            header.set_mtime(0);
            builder.append_data(&mut header, path, content.as_slice()).unwrap();
        }
        let archive = builder.into_inner().unwrap();
        let found = read(&archive, &Limits::default()).unwrap();
        let found: Vec<_> = found.into_iter().map(|(e, c)| (e.path[1..].to_owned(), c)).collect();
        prop_assert_eq!(found, files);
    }
}
