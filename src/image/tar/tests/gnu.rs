//! The same archives read by hallmark and by GNU tar: paths, kinds, modes, owners, sizes, times, links and contents.

use std::{
    fs,
    process::{Command, Stdio},
};

use proptest::prelude::*;

use super::{super::*, read};

/// What a generated archive holds of each kind of entry.
#[derive(Debug, Clone)]
enum Made {
    File(Vec<u8>),
    Folder,
    Symlink(String),
    HardLink(String),
    Device(u32, u32),
    Fifo,
}

fn made() -> impl Strategy<Value = (String, Made)> {
    let path = "[a-z]{1,9}(/[a-zA-Z0-9._+@-]{1,40}[a-z]){0,6}";
    let kind = prop_oneof![
        4 => proptest::collection::vec(any::<u8>(), 0..1500).prop_map(Made::File),
        1 => Just(Made::Folder),
        1 => "[a-z]{1,9}(/[a-z]{1,60}){0,3}".prop_map(Made::Symlink),
        1 => "[a-z]{1,9}(/[a-z]{1,60}){0,3}".prop_map(Made::HardLink),
        1 => (0..4000_u32, 0..100_000_u32).prop_map(|(major, minor)| Made::Device(major, minor)),
        1 => Just(Made::Fifo),
    ];
    (path, kind)
}

/// An archive of the library's writer; long names become GNU long names, every third entry has PAX records.
fn write_archive(entries: &[(String, Made)], is_gnu: impl Fn(usize) -> bool) -> Vec<u8> {
    use ::tar::{EntryType, Header};
    let mut builder = ::tar::Builder::new(Vec::new());
    for (at, (path, made)) in entries.iter().enumerate() {
        let mut header = if is_gnu(at) { Header::new_gnu() } else { Header::new_ustar() };
        let content = if let Made::File(content) = made { content.as_slice() } else { &[] };
        let kind = match made {
            Made::File(_) => EntryType::Regular,
            Made::Folder => EntryType::Directory,
            Made::Symlink(_) => EntryType::Symlink,
            Made::HardLink(_) => EntryType::Link,
            Made::Device(..) => EntryType::Char,
            Made::Fifo => EntryType::Fifo,
        };
        header.set_entry_type(kind);
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_uid(at as u64);
        header.set_gid(0);
        if let Made::Device(major, minor) = made {
            header.set_device_major(*major).unwrap();
            header.set_device_minor(*minor).unwrap();
        }
        if at % 3 == 2 {
            let attribute = ("SCHILY.xattr.user.k", b"\x00\x01v".as_slice());
            builder.append_pax_extensions([attribute, ("mtime", b"1700000000.25")]).unwrap();
        }
        match made {
            Made::Symlink(target) | Made::HardLink(target) => {
                builder.append_link(&mut header, path, target).unwrap();
            }
            _ => builder.append_data(&mut header, path, content).unwrap(),
        }
    }
    builder.into_inner().unwrap()
}

/// What GNU tar prints for the archive, in lines; `None` where this machine has none.
fn gnu_tar(arguments: &[&str], archive: &[u8]) -> Option<Vec<u8>> {
    let version = Command::new("tar").arg("--version").output().ok()?;
    if !version.stdout.starts_with(b"tar (GNU tar)") {
        return None;
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), archive).unwrap();
    let output = Command::new("tar")
        .args(arguments)
        .arg("--file")
        .arg(file.path())
        .env_clear()
        .env("LC_ALL", "C")
        .env("TZ", "UTC")
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments:?}");
    Some(output.stdout)
}

fn kind_letter(entry: &Entry) -> char {
    match entry.kind {
        EntryKind::File => '-',
        EntryKind::Directory => 'd',
        EntryKind::Symlink => 'l',
        EntryKind::HardLink => 'h',
        EntryKind::CharDevice => 'c',
        EntryKind::BlockDevice => 'b',
        EntryKind::Fifo => 'p',
    }
}

/// An entry as `tar --list --verbose --numeric-owner --full-time` prints it, but for the width of the columns.
fn line(entry: &Entry) -> String {
    let mode: String = (0..9)
        .map(|bit| if entry.mode & (0o400 >> bit) == 0 { '-' } else { ['r', 'w', 'x'][bit % 3] })
        .collect();
    let size = match entry.device {
        Some((major, minor)) => format!("{major},{minor}"),
        None => entry.size.to_string(),
    };
    let time = jiff::Timestamp::from_second(entry.mtime).unwrap().strftime("%F %T").to_string();
    let link = match (entry.kind, &entry.link) {
        (EntryKind::Symlink, Some(target)) => format!(" -> {target}"),
        (EntryKind::HardLink, Some(target)) => format!(" link to {}", &target[1..]),
        _ => String::new(),
    };
    let (letter, owner, path) = (kind_letter(entry), entry.uid, &entry.path[1..]);
    format!("{letter}{mode} {owner}/{} {size} {time} {path}{link}", entry.gid)
}

/// The columns of GNU tar's list with one space between them, without the fraction of a second.
fn squeezed(line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    let cut = |(at, word): (usize, &&str)| match (at, word.split_once('.')) {
        (4, Some((whole, _))) => whole.to_owned(),
        _ => (*word).to_owned(),
    };
    words.iter().enumerate().map(cut).collect::<Vec<_>>().join(" ").replace("/ ->", " ->")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn agrees_with_gnu_tar(entries in proptest::collection::vec(made(), 0..9), form: u16) {
        let archive = write_archive(&entries, |at| form & (1 << at) != 0);
        let arguments = ["--list", "--verbose", "--numeric-owner", "--full-time", "--quoting-style=literal"];
        let Some(listed) = gnu_tar(&arguments, &archive) else { return Ok(()) };
        let found = read(&archive, &Limits::default()).unwrap();
        let listed = String::from_utf8(listed).unwrap();
        let listed: Vec<String> = listed.lines().map(squeezed).collect();
        let lines: Vec<String> = found.iter().map(|(entry, _)| line(entry)).collect();
        prop_assert_eq!(lines, listed);
        let contents = gnu_tar(&["--extract", "--to-stdout"], &archive).unwrap_or_default();
        prop_assert_eq!(found.iter().flat_map(|(_, content)| content.clone()).collect::<Vec<u8>>(), contents);
        for (at, (entry, _)) in found.iter().enumerate() {
            let has_attribute = entry.xattrs.get("user.k").is_some_and(|value| value == b"\x00\x01v");
            prop_assert_eq!(has_attribute, at % 3 == 2);
        }
    }
}
