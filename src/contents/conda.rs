//! conda packages as they are installed (`conda-meta/NAME-VERSION-BUILD.json`, `PrefixRecord` of conda).
//!
//! Turns the record of one package into its name and version. Unpacked downloads (`pkgs/`) have no such record.

pub(super) mod files;

use serde::Deserialize;

use super::{
    catalogue::{Catalogue, Garbled, Listed, Origin},
    parts::{form, line, listed, split, word},
};
use crate::{
    image::collect::Seen,
    json::{self, Bounds},
};

/// The catalogue.
pub(super) const CATALOGUE: Catalogue = Catalogue {
    origin: Origin { name: "conda", ecosystem: "conda", managed: false },
    wants,
    file_bytes: FILE_BYTES,
    copies: 4,
    read: |path, bytes, most| read(path, bytes, most).into(),
};

const FILE_BYTES: u64 = 32 << 20;
const BOUNDS: Bounds = Bounds { bytes: 32 << 20, values: 2_000_000, values_limit: None };

fn wants(seen: &Seen<'_>) -> bool {
    is_record(seen.path)
}

/// Whether a file is the record of an installed package.
fn is_record(path: &str) -> bool {
    let (folder, name) = split(path);
    split(folder).1 == "conda-meta" && name.ends_with(".json") && !name.starts_with('.')
}

#[derive(Deserialize)]
struct Wire {
    name: String,
    version: String,
    #[serde(default)]
    subdir: Option<String>,
    #[serde(default)]
    license: Option<String>,
}

fn wire(bytes: &[u8]) -> Result<Wire, Garbled> {
    json::from_slice(bytes, BOUNDS).map_err(|why| form(format!("it is no record of conda: {why}")))
}

fn read(_: &str, bytes: &[u8], most: usize) -> Result<Vec<Listed>, Garbled> {
    if most == 0 {
        return Err(Garbled::TooMany);
    }
    let wire = wire(bytes)?;
    let package = listed(word(&wire.name, "name")?, word(&wire.version, "version")?);
    let architecture = wire.subdir.map(|subdir| word(&subdir, "subdir")).transpose()?;
    Ok(vec![Listed { architecture, licence: wire.license.as_deref().and_then(line), ..package }])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contents::testing::said;

    #[test]
    fn a_record_names_its_package() {
        let cases = [
            ("/opt/conda/conda-meta/openssl-3.3.0-hd590300_0.json", true),
            ("/opt/conda/conda-meta/history", false),
            ("/opt/conda/pkgs/openssl-3.3.0-hd590300_0/info/index.json", false),
            ("/opt/conda/conda-meta/x/y.json", false),
        ];
        for (path, want) in cases {
            assert_eq!(is_record(path), want, "{path}");
        }
        let no_record = "error: it is no record of conda: ";
        let cases = [
            (
                r#"{"name":"openssl","version":"3.3.0","build":"h_0","subdir":"linux-64","license":"Apache-2.0"}"#,
                "openssl 3.3.0",
            ),
            (r#"{"name":"a","version":"1","name":"b"}"#, no_record),
            (r#"{"name":"a"}"#, no_record),
            (r#"["a","1"]"#, no_record),
            ("", no_record),
            (r#"{"name":"a","version":"1\n"}"#, "error: the version \"1\\u{a}\" is no word"),
        ];
        for (text, want) in cases {
            let found = said(read("/x", text.as_bytes(), 1));
            assert!(
                found == want || want == no_record && found.starts_with(want),
                "{text}: {found}"
            );
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
            let _ = read("/x", &bytes, 9);
        }
    }
}
