//! Files of Python's distributions (`RECORD`, "Recording installed projects"; `installed-files.txt` of setuptools).
//!
//! Turns the lists into claims. Paths are relative to the folder that Python imports from. Files elsewhere are believed only
//! where installers put them: below the same prefix, in `bin`, `share`, `include`, `etc`, `lib` or `man`. A RECORD that names
//! `/etc/shadow` owns no such file.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{CATALOGUE, Garbled, is_metadata, split};
use crate::contents::{
    catalogue::Origin,
    claims::{Checksum, Claim, Claims, Content, FileList, Most, Owner, Told},
    parts::form,
};

const FILES: Origin = Origin { name: "python-files", ..CATALOGUE.origin };

/// What wheels leave behind.
pub(in crate::contents) const RECORDS: FileList = FileList {
    origin: FILES,
    wants: |path| {
        path.strip_suffix("/RECORD").is_some_and(|at| is_metadata(&format!("{at}/METADATA")))
    },
    file_bytes: 32 << 20,
    read: |path, bytes, most| record(path, bytes, most),
};

/// What setuptools left behind.
pub(in crate::contents) const INSTALLED: FileList = FileList {
    origin: FILES,
    wants: |path| {
        path.strip_suffix("/installed-files.txt")
            .is_some_and(|at| is_metadata(&format!("{at}/PKG-INFO")))
    },
    file_bytes: 8 << 20,
    read: |path, bytes, most| {
        let folder = split(path).0;
        let text = String::from_utf8_lossy(bytes);
        let files = text.lines().filter(|line| !line.is_empty());
        let files = files.map(|line| (place(split(folder).0, folder, line), Content::Unknown));
        told(format!("{folder}/PKG-INFO"), files, most)
    },
};

/// Folders of a prefix that installers put files into.
const PLACES: [&str; 8] = ["bin", "sbin", "share", "include", "etc", "lib", "lib64", "man"];

/// Lines of a path, `sha256=` and a digest in base64, and a size, as comma-separated values (RFC 4180).
fn record(path: &str, bytes: &[u8], most: Most) -> Result<Told, Garbled> {
    let folder = split(path).0;
    let site = split(folder).0;
    let text = String::from_utf8_lossy(bytes);
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let files = lines.map(|line| {
        let (name, rest) = first(line);
        let sum = rest.split(',').next().and_then(|sum| sum.strip_prefix("sha256="));
        let sum = sum
            .and_then(|sum| Checksum::of(&URL_SAFE_NO_PAD.decode(sum.trim_end_matches('=')).ok()?));
        let content = match sum {
            Some(sum @ Checksum::Sha256(_)) => Content::Sum(sum),
            _ => Content::Unknown,
        };
        (place(site, site, &name), content)
    });
    told(format!("{folder}/METADATA"), files, most)
}

fn told(
    listed: String,
    files: impl Iterator<Item = (Option<String>, Content)>,
    most: Most,
) -> Result<Told, Garbled> {
    let mut claims = Vec::new();
    for (path, content) in files {
        if claims.len() >= most {
            return Err(Garbled::TooMany);
        }
        let path =
            path.ok_or_else(|| form("it names a file outside of the places of its installer"))?;
        claims.push(Claim::new(path, content)?);
    }
    Ok(Told {
        claims: vec![Claims { owner: Owner::ListedAt(listed), files: claims }],
        ..Told::default()
    })
}

/// The first value of a line, without its quotes, and what follows its comma.
fn first(line: &str) -> (String, &str) {
    let Some(quoted) = line.strip_prefix('"') else {
        let (name, rest) = line.split_once(',').unwrap_or((line, ""));
        return (name.to_owned(), rest);
    };
    let end = quoted.replace("\"\"", "\0\0").find('"').unwrap_or(quoted.len());
    let (name, rest) = quoted.split_at_checked(end).unwrap_or((quoted, ""));
    (name.replace("\"\"", "\""), rest.trim_start_matches('"').trim_start_matches(','))
}

/// The path of a file that is named from a folder; none where no installer puts one. `site` is what Python imports from.
fn place(site: &str, from: &str, name: &str) -> Option<String> {
    let mut parts: Vec<&str> =
        if name.starts_with('/') { Vec::new() } else { from.split('/').skip(1).collect() };
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    let path = format!("/{}", parts.join("/"));
    let below = |folder: &str| path.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/'));
    if below(site).is_some() {
        return Some(path);
    }
    // `/usr/lib/python3.12/site-packages` has the prefix `/usr`.
    let lib = site
        .rsplit_once("/python")
        .map(|(lib, _)| lib)
        .filter(|lib| split(lib).1.starts_with("lib"));
    let inside = below(split(lib?).0)?;
    let first = inside.split('/').next()?;
    (PLACES.contains(&first) && inside.contains('/')).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contents::testing::claimed;

    const AT: &str = "/usr/lib/python3.12/site-packages/a-1.dist-info/RECORD";

    #[test]
    fn a_record_owns_what_lies_in_plausible_places() {
        let sum = format!("sha256={}", URL_SAFE_NO_PAD.encode([1; 32]));
        let elsewhere = "error: it names a file outside of the places of its installer";
        let owner = "/usr/lib/python3.12/site-packages/a-1.dist-info/METADATA:";
        let cases = [
            (
                format!("a/b.py,{sum},3\n"),
                format!("{owner} /usr/lib/python3.12/site-packages/a/b.py sha256"),
            ),
            (
                format!("\"a/b,\"\"c.py\",{sum},3\n"),
                format!("{owner} /usr/lib/python3.12/site-packages/a/b,\"c.py sha256"),
            ),
            (
                "a-1.dist-info/RECORD,,\r\n".to_owned(),
                format!("{owner} /usr/lib/python3.12/site-packages/a-1.dist-info/RECORD -"),
            ),
            (format!("../../../bin/a,{sum},3\n"), format!("{owner} /usr/bin/a sha256")),
            (format!("/usr/bin/a,{sum},3\n"), format!("{owner} /usr/bin/a sha256")),
            (
                "a.py,md5=AAAA,3\n".to_owned(),
                format!("{owner} /usr/lib/python3.12/site-packages/a.py -"),
            ),
            ("../../../../etc/shadow,,\n".to_owned(), elsewhere.to_owned()),
            ("/etc/shadow,,\n".to_owned(), elsewhere.to_owned()),
            ("../../../../../../../x,,\n".to_owned(), elsewhere.to_owned()),
            ("../../../x,,\n".to_owned(), elsewhere.to_owned()),
            (String::new(), owner.to_owned()),
        ];
        for (text, want) in cases {
            assert!((RECORDS.wants)(AT));
            assert_eq!(claimed((RECORDS.read)(AT, text.as_bytes(), 9)), want, "{text}");
        }
        assert_eq!((RECORDS.read)(AT, b"a,,\nb,,\n", 1), Err(Garbled::TooMany));
        assert!(
            !(RECORDS.wants)("/srv/RECORD")
                && !(RECORDS.wants)("/usr/lib/python3/site-packages/~a-1.dist-info/RECORD")
        );
    }

    #[test]
    fn setuptools_lists_from_its_own_folder() {
        let at = "/usr/lib/python3/dist-packages/a-1.egg-info/installed-files.txt";
        assert!((INSTALLED.wants)(at));
        let found = claimed((INSTALLED.read)(at, b"../a/b.py\nPKG-INFO\n", 9));
        let want = "/usr/lib/python3/dist-packages/a-1.egg-info/PKG-INFO: /usr/lib/python3/dist-packages/a/b.py -, \
            /usr/lib/python3/dist-packages/a-1.egg-info/PKG-INFO -";
        assert_eq!(found, want);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300), text in "[\"/.,a]{0,40}") {
            let _ = (RECORDS.read)(AT, &bytes, 9);
            let _ = (RECORDS.read)(AT, text.as_bytes(), 9);
            let _ = (INSTALLED.read)(AT, &bytes, 9);
        }
    }
}
