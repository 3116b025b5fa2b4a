//! Dependencies that `cargo auditable` writes into Rust programs (cargo-auditable's PARSING.md).
//!
//! Turns the section `.dep-v0`, JSON under zlib, into crates. Crates of kind `build` ran when the program was built and are
//! not in it: they are left out. Features and edges are passed over.

use std::io::Read as _;

use flate2::bufread::ZlibDecoder;
use serde::Deserialize;

use super::{
    catalogue::{Garbled, Listed},
    parts::{form, listed, word},
};
use crate::json::{self, Bounds};

/// Bytes of JSON; those of the largest programs are some 100 KiB.
const JSON_BYTES: usize = 1 << 20;
const VALUES: usize = 250_000;

#[derive(Deserialize)]
struct Wire {
    packages: Vec<Crate>,
}

#[derive(Deserialize)]
struct Crate {
    name: String,
    version: String,
    #[serde(default)]
    source: Option<String>,
    #[serde(default)]
    kind: Option<String>,
}

/// Reads the section's JSON.
///
/// # Errors
/// It is no JSON of its form, or a crate has no name or version.
pub(super) fn auditable(bytes: &[u8]) -> Result<Vec<Listed>, Garbled> {
    let bounds = Bounds { bytes: JSON_BYTES, values: VALUES, values_limit: None };
    let wire: Wire = json::from_slice(bytes, bounds)
        .map_err(|why| form(format!("its list of crates is no JSON of its form: {why}")))?;
    let mut packages = Vec::with_capacity(wire.packages.len().min(4096));
    for found in wire.packages {
        let (name, version) =
            (word(&found.name, "name of a crate")?, word(&found.version, "version of a crate")?);
        match found.kind.as_deref() {
            None | Some("runtime") => {}
            Some("build") => continue,
            Some(_) => {
                return Err(form(
                    "its list of crates has a kind that is neither build nor runtime",
                ));
            }
        }
        // Where the crate is not from crates.io, its name alone does not say which it is.
        let source = found.source.filter(|source| source != "crates.io");
        packages.push(Listed { source, ..listed(name, version) });
    }
    Ok(packages)
}

/// Inflates the section.
///
/// # Errors
/// It is no zlib stream, or larger than is read.
pub(super) fn inflate(section: &[u8]) -> Result<Vec<u8>, Garbled> {
    let mut text = Vec::new();
    // One byte more than is read shows that there are more.
    let most = u64::try_from(JSON_BYTES).unwrap_or(u64::MAX) + 1;
    let read = ZlibDecoder::new(section).take(most).read_to_end(&mut text);
    read.map_err(|_| form("its list of crates is no zlib stream"))?;
    if text.len() > JSON_BYTES {
        return Err(form(format!("its list of crates has more than {JSON_BYTES} bytes")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::contents::testing::said;

    #[test]
    fn crates_are_those_that_are_in_the_program() {
        let cases = [
            (r#"{"packages":[]}"#, ""),
            (
                r#"{"packages":[{"name":"a","version":"1.0.0","source":"crates.io"},
                    {"name":"b","version":"0.1.0","source":"git","kind":"runtime","dependencies":[0]},
                    {"name":"c","version":"3.0.0","source":"local","kind":"build"},
                    {"name":"d","version":"1.0.0+x","source":"local","root":true,"new":1}],"format":9}"#,
                "a 1.0.0, b 0.1.0, d 1.0.0+x",
            ),
            (
                r#"{"packages":[{"name":"a"}]}"#,
                "error: its list of crates is no JSON of its form: missing field `version`",
            ),
            (
                r#"{"packages":[{"name":"a","name":"a","version":"1"}]}"#,
                "error: its list of crates is no JSON of its form: ",
            ),
            (r#"{"packages":[["a","1"]]}"#, "error: its list of crates is no JSON of its form: "),
            (
                r#"{"packages":[{"name":"a","version":"1","kind":"odd"}]}"#,
                "error: its list of crates has a kind",
            ),
            (
                r#"{"packages":[{"name":"","version":"1"}]}"#,
                "error: the name of a crate \"\" is empty",
            ),
            (
                r#"{"packages":[{"name":"a\n","version":"1"}]}"#,
                "error: the name of a crate \"a\\u{a}\" is no word",
            ),
            ("[]", "error: "),
            ("", "error: "),
        ];
        for (text, want) in cases {
            let found = said(auditable(text.as_bytes()));
            assert!(
                found.starts_with(want) && (want.starts_with("error") || found == want),
                "{text}: {found}"
            );
        }
        let found = auditable(br#"{"packages":[{"name":"a","version":"1","source":"git"},{"name":"b","version":"1","source":"crates.io"}]}"#);
        let sources: Vec<_> = found.unwrap().into_iter().map(|package| package.source).collect();
        assert_eq!(sources, [Some("git".to_owned()), None]);
    }

    #[test]
    fn what_is_inflated_is_bounded() {
        let deflated = |bytes: usize| {
            let mut encoder =
                flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(&vec![b' '; bytes]).unwrap();
            encoder.finish().unwrap()
        };
        assert_eq!(inflate(&deflated(JSON_BYTES)).unwrap().len(), JSON_BYTES);
        let over = inflate(&deflated(JSON_BYTES + 1)).unwrap_err().to_string();
        assert_eq!(over, "its list of crates has more than 1048576 bytes");
        let whole = deflated(100);
        for length in 0..whole.len() {
            let found = inflate(&whole[..length]).unwrap_err().to_string();
            assert_eq!(found, "its list of crates is no zlib stream", "{length}");
        }
        let padded = [whole.as_slice(), &[0; 512]].concat();
        assert_eq!(inflate(&padded).unwrap().len(), 100, "PE pads a section");
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
            let _ = auditable(&bytes);
            let _ = inflate(&bytes);
        }
    }
}
