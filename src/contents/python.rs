//! Python's installed distributions (core metadata 2.4; PEP 376, 427, 627; setuptools' egg-info).
//!
//! Turns `*.dist-info/METADATA`, `*.egg-info/PKG-INFO`, `*.egg-info` and `EGG-INFO/PKG-INFO` into one package each, by the
//! fields Name and Version, never by the folder's name. Fields end at the first
//! empty line, and a line that begins with a blank belongs to the one before it: text of a description is no field.
//!
//! No installation are: what an interrupted pip leaves (`~equests-2.0.dist-info`), test data that another package recorded,
//! package managers' caches, and the `name.egg-info` that a build leaves in a source tree.

pub(super) mod files;

use super::{
    catalogue::{Catalogue, Garbled, Listed, Origin},
    parts::{form, is_fixture, line, lines, listed, split, word},
};
use crate::image::collect::Seen;

/// The catalogue.
pub(super) const CATALOGUE: Catalogue = Catalogue {
    origin: Origin { name: "python", ecosystem: "pypi", managed: false },
    wants,
    file_bytes: 4 << 20,
    copies: 1,
    read: |path, bytes, most| read(path, bytes, most).into(),
};

/// Folders that Python imports from.
const SITES: [&str; 2] = ["site-packages", "dist-packages"];

/// Fields that are read.
const READ: [&str; 5] = ["name", "version", "license-expression", "license", "classifier"];
/// Fields of one file that are read; real ones have some dozens.
const FIELDS: usize = 10_000;

fn wants(seen: &Seen<'_>) -> bool {
    is_metadata(seen.path)
}

/// Whether a file describes an installed distribution.
fn is_metadata(path: &str) -> bool {
    let (folder, name) = split(path);
    let (above, folder_name) = split(folder);
    let described = match name {
        "METADATA" => folder_name.ends_with(".dist-info"),
        "PKG-INFO" => {
            let (_, egg) = split(above);
            folder_name == "EGG-INFO" && egg.ends_with(".egg")
                || is_installed_egg(folder_name, above)
        }
        name => is_installed_egg(name, folder),
    };
    // pip renames what it is about to remove so that nothing imports it.
    let first = |name: &str| name.starts_with(['~', '-']);
    described && !first(name) && !first(folder_name) && !is_aside(folder)
}

/// Whether a name is that of an installed egg-info: with a version in it, or where Python imports from. A build leaves one
/// without a version beside the sources.
fn is_installed_egg(name: &str, folder: &str) -> bool {
    let stem = name.strip_suffix(".egg-info");
    stem.is_some_and(|stem| {
        stem.contains('-') || !stem.is_empty() && SITES.contains(&split(folder).1)
    })
}

/// Whether a path below a folder that Python imports from looks like test data. No path proves that: it is where the package
/// whose data it is recorded it.
pub(super) fn is_test_data(path: &str) -> bool {
    let parts: Vec<&str> = split(path).0.split('/').collect();
    let site = parts.iter().rposition(|part| SITES.contains(part));
    parts.iter().skip(site.map_or(usize::MAX, |at| at + 1)).any(|part| is_fixture(part))
}

/// Whether a folder is a cache.
fn is_aside(folder: &str) -> bool {
    let parts: Vec<&str> = folder.split('/').collect();
    // conda unpacks `pkgs/NAME-VERSION-BUILD` and links files from there.
    let package = |part: &&str| part.matches('-').count() >= 2;
    let conda = parts.windows(2).any(|pair| matches!(pair, ["pkgs", name] if package(name)));
    conda || parts.contains(&".cache")
}

fn read(_: &str, bytes: &[u8], most: usize) -> Result<Vec<Listed>, Garbled> {
    if most == 0 {
        return Err(Garbled::TooMany);
    }
    Ok(vec![parse(bytes)?])
}

/// Reads the metadata of one distribution.
///
/// Refused are those whose Name or Version is missing, given twice with unlike values, or no word.
fn parse(bytes: &[u8]) -> Result<Listed, Garbled> {
    let (mut name, mut version) = (None, None);
    let (mut expression, mut licence, mut classifiers) = (None, None, Vec::new());
    for (field, value) in fields(bytes) {
        match field.as_str() {
            "name" => once(&mut name, value, "Name")?,
            "version" => once(&mut version, value, "Version")?,
            "license-expression" => expression = line(&value),
            // Often the whole text of the licence: its first line is its name.
            "license" => {
                let first = value.lines().find(|line| !line.trim().is_empty());
                licence = first.and_then(line).filter(|text| text != "UNKNOWN");
            }
            "classifier" => {
                let last =
                    value.strip_prefix("License ::").and_then(|rest| rest.rsplit("::").next());
                classifiers.extend(last.and_then(line));
            }
            _ => {}
        }
    }
    let name = name.ok_or_else(|| form("its metadata has no Name"))?;
    let version = version.ok_or_else(|| form("its metadata has no Version"))?;
    let named = lines(classifiers.iter().map(String::as_str));
    let licence = expression.or(licence).or(named);
    Ok(Listed { licence, ..listed(word(&name, "Name")?, word(&version, "Version")?) })
}

fn once(place: &mut Option<String>, value: String, field: &'static str) -> Result<(), Garbled> {
    if value.contains(char::REPLACEMENT_CHARACTER) {
        return Err(form(format!("its metadata has a {field} that is no UTF-8")));
    }
    match place.replace(value) {
        Some(before) if Some(&before) != place.as_ref() => {
            Err(form(format!("its metadata has two values of {field}")))
        }
        _ => Ok(()),
    }
}

/// The fields that are read and their values, to the first empty line. Text that is no UTF-8 keeps what is.
fn fields(bytes: &[u8]) -> impl Iterator<Item = (String, String)> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut fields: Vec<(String, String)> = Vec::new();
    // Whether a line that begins with a blank goes on with a field that is read.
    let mut open = false;
    for line in bytes.split(|byte| *byte == b'\n') {
        let line = String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line));
        if line.is_empty() {
            break;
        }
        if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = fields.last_mut().filter(|_| open) {
                value.push('\n');
                value.push_str(line.trim());
            }
        } else if let Some((field, value)) = line.split_once(':') {
            let field = field.to_ascii_lowercase();
            open = READ.contains(&field.as_str()) && fields.len() < FIELDS;
            if open {
                fields.push((field, value.trim().to_owned()));
            }
        }
    }
    fields.into_iter()
}

/// Name as the index compares names (PEP 503): lowercase, each run of `-`, `_` and `.` one `-`.
pub(super) fn normalized(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        if matches!(c, '-' | '_' | '.') {
            if !out.ends_with('-') {
                out.push('-');
            }
        } else {
            out.extend(c.to_lowercase());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contents::testing::said;

    #[test]
    fn what_describes_an_installation() {
        let cases = [
            ("/usr/lib/python3.12/site-packages/requests-2.0.dist-info/METADATA", true),
            ("/usr/lib/python3/dist-packages/six-1.16.0.egg-info/PKG-INFO", true),
            ("/usr/lib/python3/dist-packages/six.egg-info", true),
            ("/usr/lib/python3/dist-packages/six-1.16.0-py3.11.egg-info", true),
            ("/opt/deps/six-1.16.0.dist-info/METADATA", true),
            ("/opt/deps/six-1.16.0-py3.8.egg-info/PKG-INFO", true),
            ("/x/site-packages/six-1.16.0-py3.8.egg/EGG-INFO/PKG-INFO", true),
            ("/x/site-packages/setuptools/_vendor/wheel-0.43.0.dist-info/METADATA", true),
            ("/src/six/six.egg-info/PKG-INFO", false),
            ("/x/site-packages/~equests-2.0.dist-info/METADATA", false),
            ("/x/site-packages/-ip-20.0.dist-info/METADATA", false),
            ("/x/site-packages/foo/tests/data/bar-1.0.dist-info/METADATA", true),
            ("/root/.cache/uv/archive-v0/x/bar-1.0.dist-info/METADATA", false),
            ("/opt/conda/pkgs/bar-1.0-py312_0/site-packages/bar-1.0.dist-info/METADATA", false),
            ("/home/tests/venv/lib/python3.12/site-packages/bar-1.0.dist-info/METADATA", true),
            ("/x/site-packages/requests-2.0.dist-info/RECORD", false),
            ("/x/site-packages/METADATA", false),
            ("/x/EGG-INFO/PKG-INFO", false),
        ];
        for (path, want) in cases {
            assert_eq!(is_metadata(path), want, "{path}");
        }
    }

    #[test]
    fn fields_decide() {
        let cases: [(&[u8], &str); 14] = [
            (b"Metadata-Version: 2.1\nName: PyYAML\nVersion: 6.0\n\nName: other\n", "PyYAML 6.0"),
            (b"Name: a\r\nVersion: 1\r\n\r\nbody", "a 1"),
            (b"name: a\nVERSION: 1", "a 1"),
            (b"\xef\xbb\xbfName: a\nVersion: 1\n", "a 1"),
            (b"Name: a\nVersion: 1\nDescription: x\n        Name: b\n        Version: 2\n", "a 1"),
            (b"Name: a\nVersion: 1\nAuthor: M\xfcller\n", "a 1"),
            (b"Name: a\nName: a\nVersion: 1\n", "a 1"),
            (b"Name: a\nName: b\nVersion: 1\n", "error: its metadata has two values of Name"),
            (b"Name: a\n\nVersion: 1\n", "error: its metadata has no Version"),
            (b"Version: 1\n", "error: its metadata has no Name"),
            (b"", "error: its metadata has no Name"),
            (b"Name: a b\nVersion: 1\n", "error: the Name \"a b\" is no word"),
            (b"Name: a\n b\nVersion: 1\n", "error: the Name \"a\\u{a}b\" is no word"),
            (b"Name: a\xff\nVersion: 1\n", "error: its metadata has a Name that is no UTF-8"),
        ];
        for (bytes, want) in cases {
            let found = said(read("/x", bytes, 1));
            let text = String::from_utf8_lossy(bytes);
            assert_eq!(found, want, "{text:?}");
        }
        assert_eq!(read("/x", b"Name: a\nVersion: 1\n", 0), Err(Garbled::TooMany));
        let crowd =
            |before: usize| format!("{}Name: a\nVersion: 1\n", "Classifier:\n".repeat(before));
        assert_eq!(said(read("/x", crowd(FIELDS - 2).as_bytes(), 1)), "a 1");
        let over = said(read("/x", crowd(FIELDS - 1).as_bytes(), 1));
        assert_eq!(over, "error: its metadata has no Version");
    }

    #[test]
    fn licences_are_kept_as_recorded() {
        let mit = "Classifier: License :: OSI Approved :: MIT License\n";
        let cases = [
            (
                "License-Expression: MIT OR Apache-2.0\nLicense: x\n".to_owned(),
                Some("MIT OR Apache-2.0"),
            ),
            ("License: UNKNOWN\n".to_owned() + mit, Some("MIT License")),
            ("License: BSD\n        Copyright (c)\n".to_owned() + mit, Some("BSD")),
            (
                format!("{mit}Classifier: License :: OSI Approved\nClassifier: Topic :: X\n"),
                Some("MIT License, OSI Approved"),
            ),
            (String::new(), None),
        ];
        for (fields, want) in cases {
            let package = parse(format!("Name: a\nVersion: 1\n{fields}").as_bytes()).unwrap();
            assert_eq!(package.licence.as_deref(), want, "{fields}");
        }
    }

    #[test]
    fn names_are_compared_as_the_index_does() {
        let cases = [
            ("PyYAML", "pyyaml"),
            ("a__b.-c", "a-b-c"),
            ("zope.interface", "zope-interface"),
            ("", ""),
        ];
        for (name, want) in cases {
            assert_eq!(normalized(name), want);
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
            let _ = parse(&bytes);
        }
    }
}
