//! PHP packages as Composer installs them (`vendor/composer/installed.json`, of Composer 1 and 2).
//!
//! Turns the list into packages. Composer 1 wrote an array, Composer 2 an object with it under `packages`. What a package
//! replaces or provides is no package. The project itself is not in the list, and a `composer.lock` is none of what is there.

use serde::Deserialize;

use super::{
    catalogue::{Catalogue, Garbled, Listed, Origin},
    parts::{form, is_fixture, lines, listed, split, word},
};
use crate::{
    image::collect::Seen,
    json::{self, Bounds, Raw},
};

/// The catalogue.
pub(super) const CATALOGUE: Catalogue = Catalogue {
    origin: Origin { name: "composer", ecosystem: "composer", managed: false },
    wants,
    file_bytes: FILE_BYTES,
    copies: 8,
    read: |path, bytes, most| read(path, bytes, most).into(),
};

const FILE_BYTES: u64 = 8 << 20;
const BOUNDS: Bounds = Bounds { bytes: 8 << 20, values: 500_000, values_limit: None };

fn wants(seen: &Seen<'_>) -> bool {
    is_list(seen.path)
}

/// Whether a file is Composer's list of what it installed.
fn is_list(path: &str) -> bool {
    let Some(above) = path.strip_suffix("/composer/installed.json") else { return false };
    let inside = split(above).0.split('/').skip_while(|part| *part != "vendor");
    !inside.into_iter().any(is_fixture)
}

#[derive(Deserialize)]
struct Second {
    packages: Vec<Wire>,
}

#[derive(Deserialize)]
struct Wire {
    name: String,
    version: String,
    #[serde(default)]
    license: Option<Raw>,
}

fn read(_: &str, bytes: &[u8], most: usize) -> Result<Vec<Listed>, Garbled> {
    let malformed = |why: json::JsonError| form(format!("it is no list of Composer: {why}"));
    let document = json::check(bytes, BOUNDS).map_err(malformed)?;
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    let wires: Vec<Wire> = if first == Some(&b'[') {
        document.read().map_err(malformed)?
    } else {
        document.read::<Second>().map_err(malformed)?.packages
    };
    if wires.len() > most {
        return Err(Garbled::TooMany);
    }
    wires.into_iter().map(package).collect()
}

fn package(wire: Wire) -> Result<Listed, Garbled> {
    let name = word(&wire.name, "name")?;
    let plain = |part: &str| !part.is_empty() && !part.contains('/');
    if !name.split_once('/').is_some_and(|(vendor, name)| plain(vendor) && plain(name)) {
        return Err(form(format!("the name \"{name}\" is not of the form VENDOR/NAME")));
    }
    let licences: Vec<String> = wire
        .license
        .map(|raw| {
            raw.read::<Vec<String>>()
                .or_else(|_| raw.read::<String>().map(|one| vec![one]))
                .unwrap_or_default()
        })
        .unwrap_or_default();
    let licence = lines(licences.iter().map(String::as_str));
    Ok(Listed { licence, ..listed(name, word(&wire.version, "version")?) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contents::testing::said;

    #[test]
    fn what_is_installed() {
        let cases = [
            ("/app/vendor/composer/installed.json", true),
            ("/app/lib/composer/installed.json", true),
            ("/app/tests/app/vendor/composer/installed.json", true),
            ("/app/vendor/a/b/tests/x/vendor/composer/installed.json", false),
            ("/app/vendor/a/installed.json", false),
            ("/app/composer.lock", false),
        ];
        for (path, want) in cases {
            assert_eq!(is_list(path), want, "{path}");
        }
    }

    #[test]
    fn both_forms_list_packages() {
        let no_list = "error: it is no list of Composer: ";
        let cases = [
            (
                r#"{"packages":[{"name":"a/b","version":"v1.2.3","license":["MIT"],"replace":{"x/y":"*"}}],"dev":true}"#,
                "a/b v1.2.3",
            ),
            (
                r#" [{"name":"a/b","version":"1"},{"name":"a/c","version":"dev-main"}]"#,
                "a/b 1, a/c dev-main",
            ),
            (r#"{"packages":[]}"#, ""),
            (r#"{"packages":[{"name":"a/b"}]}"#, no_list),
            (r#"{"packages":[["a/b","1"]]}"#, no_list),
            (r#"{"packages":[{"name":"a/b","version":"1","version":"1"}]}"#, no_list),
            ("{}", no_list),
            ("", no_list),
            (
                r#"[{"name":"ab","version":"1"}]"#,
                "error: the name \"ab\" is not of the form VENDOR/NAME",
            ),
            (
                r#"[{"name":"a/b/c","version":"1"}]"#,
                "error: the name \"a/b/c\" is not of the form VENDOR/NAME",
            ),
            (r#"[{"name":"a/b","version":"1 "}]"#, "error: the version \"1 \" is no word"),
        ];
        for (text, want) in cases {
            let found = said(read("/x", text.as_bytes(), 9));
            let fits = if want == no_list { found.starts_with(want) } else { found == want };
            assert!(fits, "{text}: {found}");
        }
        let deep = format!("{}{}", "[".repeat(500_000), "]".repeat(500_000));
        assert!(said(read("/x", deep.as_bytes(), 9)).starts_with(no_list));
        let two = br#"[{"name":"a/b","version":"1"},{"name":"a/c","version":"1"}]"#;
        assert_eq!(read("/x", two, 2).map(|found| found.len()), Ok(2));
        assert_eq!(read("/x", two, 1), Err(Garbled::TooMany));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
            let _ = read("/x", &bytes, 9);
        }
    }
}
