//! Files of conda's packages (`paths_data` of a `PrefixRecord`).
//!
//! Turns the record into claims below the environment's folder. `sha256_in_prefix` is the digest after conda wrote the
//! folder's own name into a file; where it is absent, `sha256` is.

use serde::Deserialize;

use super::{BOUNDS, CATALOGUE, Garbled, is_record, split};
use crate::{
    contents::{
        catalogue::Origin,
        claims::{Checksum, Claim, Claims, Content, FileList, Most, Owner, Told},
        parts::form,
    },
    json,
};

/// The records, once more.
pub(in crate::contents) const LISTS: FileList = FileList {
    origin: Origin { name: "conda-files", ..CATALOGUE.origin },
    wants: is_record,
    file_bytes: CATALOGUE.file_bytes,
    read: |path, bytes, most| read(path, bytes, most),
};

#[derive(Deserialize)]
struct Wire {
    #[serde(default)]
    files: Vec<String>,
    #[serde(default)]
    paths_data: Option<Paths>,
}

#[derive(Deserialize)]
struct Paths {
    #[serde(default)]
    paths: Vec<Path>,
}

#[derive(Deserialize)]
struct Path {
    #[serde(rename = "_path")]
    path: String,
    #[serde(default)]
    path_type: Option<String>,
    #[serde(default)]
    sha256: Option<String>,
    #[serde(default)]
    sha256_in_prefix: Option<String>,
}

fn read(path: &str, bytes: &[u8], most: Most) -> Result<Told, Garbled> {
    let malformed = |why| form(format!("it is no record of conda: {why}"));
    let wire: Wire = json::from_slice(bytes, BOUNDS).map_err(malformed)?;
    let prefix = split(split(path).0).0;
    let paths = wire.paths_data.map(|data| data.paths).unwrap_or_default();
    let named = if paths.is_empty() { wire.files.len() } else { paths.len() };
    if named > most {
        return Err(Garbled::TooMany);
    }
    let claim = |name: &str, content| Claim::new(format!("{prefix}/{name}"), content);
    let files = if paths.is_empty() {
        wire.files.iter().map(|name| claim(name, Content::Unknown)).collect::<Result<_, _>>()?
    } else {
        paths.iter().map(|one| claim(&one.path, content(one))).collect::<Result<_, _>>()?
    };
    let owner = Owner::ListedAt(path.to_owned());
    Ok(Told { claims: vec![Claims { owner, files }], ..Told::default() })
}

fn content(path: &Path) -> Content {
    // A link has the digest of what it leads to.
    if path.path_type.as_deref() == Some("softlink") {
        return Content::Unknown;
    }
    let digits = path.sha256_in_prefix.as_ref().or(path.sha256.as_ref());
    match digits.and_then(|digits| Checksum::from_hex(digits)) {
        Some(sum @ Checksum::Sha256(_)) => Content::Sum(sum),
        _ => Content::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contents::testing::claimed;

    #[test]
    fn a_record_owns_files_below_its_environment() {
        const AT: &str = "/opt/conda/conda-meta/a-1-0.json";
        let sum = "ab".repeat(32);
        let cases = [
            (
                format!(
                    r#"{{"paths_data":{{"paths":[{{"_path":"bin/a","sha256":"00","sha256_in_prefix":"{sum}"}},{{"_path":"lib/l","path_type":"softlink","sha256":"{sum}"}}]}}}}"#
                ),
                format!("{AT}: /opt/conda/bin/a sha256, /opt/conda/lib/l -"),
            ),
            (r#"{"files":["bin/a"]}"#.to_owned(), format!("{AT}: /opt/conda/bin/a -")),
            (
                r#"{"files":["../../etc/shadow"]}"#.to_owned(),
                "error: it names a file by a path that is not absolute and plain".to_owned(),
            ),
            ("{}".to_owned(), format!("{AT}:")),
        ];
        for (text, want) in cases {
            assert_eq!(claimed((LISTS.read)(AT, text.as_bytes(), 9)), want, "{text}");
        }
        assert_eq!((LISTS.read)(AT, br#"{"files":["a","b"]}"#, 1), Err(Garbled::TooMany));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
            let _ = (LISTS.read)("/x", &bytes, 9);
        }
    }
}
