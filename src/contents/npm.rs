//! npm packages as they are installed (npm-folders(5); pnpm, yarn and bun keep theirs below `node_modules`, too).
//!
//! Turns `package.json` of an installed package into its name and version, by what is in the file, never by the folder: an
//! alias (`npm:other@1`) has another name there. A package is installed where a chain of `node_modules` leads to it:
//! `node_modules/a/node_modules/@b/c`, `node_modules/a/dist/node_modules/b`, or through a store, `.pnpm/a@1/node_modules/a`; or
//! where Debian's Node.js looks beside them, `/usr/share/nodejs/a`. Any other `package.json` says how a folder is to be read, or is
//! the image's own project. One in a folder of tests is installed, unless another package recorded it.

use serde::Deserialize;

use super::{
    catalogue::{Catalogue, Garbled, Listed, Origin},
    parts::{form, is_fixture, json, lines, listed, split, word},
};
use crate::{image::collect::Seen, json::Raw};

/// The catalogue.
pub(super) const CATALOGUE: Catalogue = Catalogue {
    origin: Origin { name: "npm", ecosystem: "npm", managed: false },
    wants,
    file_bytes: 4 << 20,
    copies: 1,
    read: |path, bytes, most| read(path, bytes, most).into(),
};

const MODULES: &str = "node_modules";
/// Folders of stores below `node_modules`: pnpm's, bun's, deno's and yarn's.
const STORES: [&str; 4] = [".pnpm", ".bun", ".deno", ".store"];

fn wants(seen: &Seen<'_>) -> bool {
    is_installed(seen.path)
}

/// Whether a file is the `package.json` of an installed package.
fn is_installed(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    let first = parts.iter().position(|part| *part == MODULES);
    let mut rest = of_debian(&parts).or_else(|| parts.get(first? + 1..)).unwrap_or_default();
    while let Some(after) = package(rest) {
        let Some(next) = after.iter().position(|part| *part == MODULES) else {
            return after == ["package.json"];
        };
        // What a package brings in a `node_modules` of its own is run, too (pnpm's `dist/node_modules`).
        let (between, modules) = after.split_at(next);
        if between.iter().any(|part| part.starts_with('.')) {
            return false;
        }
        rest = modules.get(1..).unwrap_or_default();
    }
    false
}

/// Whether a path below `node_modules` looks like test data of a package. No path proves that: it is where the package whose
/// data it is recorded it.
pub(super) fn is_test_data(path: &str) -> bool {
    let mut folders = split(path).0.split('/').skip_while(|part| *part != MODULES);
    folders.any(is_fixture)
}

/// What follows a folder that Debian's Node.js takes for a `node_modules`.
fn of_debian<'p>(parts: &'p [&'p str]) -> Option<&'p [&'p str]> {
    match parts {
        ["", "usr", "share" | "lib", "nodejs", rest @ ..] => Some(rest),
        ["", "usr", "lib", triplet, "nodejs", rest @ ..] if triplet.contains("-linux-") => {
            Some(rest)
        }
        _ => None,
    }
}

/// What follows the folder of a package, or leads on to one, in a `node_modules`; none if it has no package there.
fn package<'p>(rest: &'p [&'p str]) -> Option<&'p [&'p str]> {
    let plain = |name: &str| !name.is_empty() && !name.starts_with('.') && name != MODULES;
    match rest {
        // `.pnpm/node_modules/a` is hoisted, `.pnpm/a@1/node_modules/a` is kept, `.store/a-npm-1/package` is yarn's.
        [store, kept @ ..] if STORES.contains(store) => match kept {
            [MODULES, ..] => Some(kept),
            [_, kept @ ..] if kept.first() == Some(&MODULES) => Some(kept),
            [_, "package", kept @ ..] if *store == ".store" => Some(kept),
            _ => None,
        },
        [scope, name, after @ ..] if scope.starts_with('@') => plain(name).then_some(after),
        // What else begins with a dot is a cache, or left over: `.bin`, `.cache`, `.ignored`, `.a-Xy12`.
        [name, after @ ..] if !name.starts_with('@') => plain(name).then_some(after),
        _ => None,
    }
}

#[derive(Deserialize)]
struct Wire {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    version: Option<String>,
    #[serde(default)]
    license: Option<Raw>,
    #[serde(default)]
    licenses: Option<Raw>,
}

fn read(_: &str, bytes: &[u8], most: usize) -> Result<Vec<Listed>, Garbled> {
    if most == 0 {
        return Err(Garbled::TooMany);
    }
    let wire: Wire = json(bytes)?;
    let name = wire.name.ok_or_else(|| form("it is an installed package and has no name"))?;
    let version =
        wire.version.ok_or_else(|| form("it is an installed package and has no version"))?;
    let package = listed(full_name(&name)?, word(version.trim(), "version")?);
    let texts: Vec<String> = [wire.license, wire.licenses]
        .into_iter()
        .flatten()
        .flat_map(|raw| licences(&raw))
        .collect();
    Ok(vec![Listed { licence: lines(texts.iter().map(String::as_str)), ..package }])
}

/// `name` or `@scope/name`: no other slash, and no path.
fn full_name(name: &str) -> Result<String, Garbled> {
    let name = word(name.trim(), "name")?;
    let plain = match name.strip_prefix('@') {
        Some(scoped) => {
            scoped.split_once('/').is_some_and(|(scope, name)| !scope.is_empty() && is_plain(name))
        }
        None => is_plain(&name),
    };
    if plain { Ok(name) } else { Err(form(format!("the name \"{name}\" is none of npm"))) }
}

fn is_plain(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', '@', '%'])
}

/// A licence: `"MIT"`, `{"type": "MIT"}`, or several of these.
fn licences(raw: &Raw) -> Vec<String> {
    #[derive(Deserialize)]
    struct Old {
        #[serde(rename = "type", default)]
        kind: Option<String>,
    }
    let one = |raw: &Raw| {
        let text = raw.read::<String>().ok();
        text.or_else(|| raw.read::<Old>().ok().and_then(|old| old.kind))
    };
    match raw.read::<Vec<Raw>>() {
        Ok(several) => several.iter().take(32).filter_map(one).collect(),
        Err(_) => one(raw).into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contents::testing::said;

    #[test]
    fn what_is_installed() {
        let cases = [
            ("/app/node_modules/a/package.json", true),
            ("/app/node_modules/@s/a/package.json", true),
            ("/app/node_modules/a/node_modules/b/package.json", true),
            ("/app/node_modules/@s/a/node_modules/@t/b/package.json", true),
            ("/app/packages/x/node_modules/b/package.json", true),
            ("/usr/lib/node_modules/npm/node_modules/semver/package.json", true),
            ("/app/node_modules/.pnpm/a@1.0.0/node_modules/a/package.json", true),
            ("/app/node_modules/.pnpm/@s+a@1.0.0_react@18/node_modules/@s/a/package.json", true),
            ("/app/node_modules/.pnpm/node_modules/a/package.json", true),
            ("/app/node_modules/.pnpm/a@1/node_modules/a/node_modules/b/package.json", true),
            ("/app/node_modules/.bun/a@1.0.0/node_modules/a/package.json", true),
            ("/app/node_modules/.store/a-npm-1.0.0-abc/package/package.json", true),
            ("/app/.yarn/unplugged/a-npm-1-x/node_modules/a/package.json", true),
            ("node_modules/a/package.json", true),
            ("/usr/lib/node_modules/pnpm/dist/node_modules/semver/package.json", true),
            ("/usr/lib/node_modules/pnpm/dist/node_modules/@s/b/package.json", true),
            ("/usr/share/nodejs/a/package.json", true),
            ("/usr/share/nodejs/@s/a/package.json", true),
            ("/usr/share/nodejs/a/node_modules/b/package.json", true),
            ("/usr/lib/x86_64-linux-gnu/nodejs/a/package.json", true),
            ("/usr/lib/node_modules/nodejs/package.json", true),
            ("/usr/share/nodejs/a/dist/package.json", false),
            ("/usr/share/nodejs/package.json", false),
            ("/srv/usr/share/nodejs/a/package.json", false),
            ("/app/node_modules/a/.cache/node_modules/b/package.json", false),
            ("/app/node_modules/a/examples/x/node_modules/b/package.json", true),
            ("/app/package.json", false),
            ("/app/node_modules/package.json", false),
            ("/app/node_modules/@s/package.json", false),
            ("/app/node_modules/a/dist/package.json", false),
            ("/app/node_modules/a/test/fixtures/node_modules/b/package.json", true),
            ("/app/node_modules/a/dist/compiled/b/package.json", false),
            ("/app/node_modules/.bin/package.json", false),
            ("/app/node_modules/.a-Xy12/package.json", false),
            ("/app/node_modules/.ignored/a/package.json", false),
            ("/app/node_modules/.cache/x/package.json", false),
            ("/app/node_modules/.pnpm/a@1/package.json", false),
            ("/app/node_modules/.pnpm/lock.yaml", false),
            ("/app/node_modules/a/package.json/x", false),
            ("/app/node_modules/a/package-lock.json", false),
            ("/app/node_modules//package.json", false),
            ("/app/node_modules/node_modules/a/package.json", false),
            ("/app/node_modules", false),
        ];
        for (path, want) in cases {
            assert_eq!(is_installed(path), want, "{path}");
        }
    }

    #[test]
    fn the_file_says_what_it_is() {
        let no_json = "error: it is no JSON of its form: ";
        let cases: [(&[u8], &str); 17] = [
            (br#"{"name":"@s/a","version":"1.0.0"}"#, "@s/a 1.0.0"),
            (b"\xef\xbb\xbf{\"name\":\"a\",\"version\":\"1.0.0\"}", "a 1.0.0"),
            (br#"{"name":"a","version":" 1.0.0 ","scripts":{"x":"1","x":"2"}}"#, "a 1.0.0"),
            (br#"{"name":"JSONStream","version":"1.3.5"}"#, "JSONStream 1.3.5"),
            (br#"{"type":"module"}"#, "error: it is an installed package and has no name"),
            (br#"{"name":"a"}"#, "error: it is an installed package and has no version"),
            (br#"{"name":"a","version":""}"#, "error: the version \"\" is empty"),
            (br#"{"name":"a","version":"1","version":"2"}"#, no_json),
            (br#"{"name":"a","version":1}"#, no_json),
            (br#"{"name":"../a","version":"1"}"#, "error: the name \"../a\" is none of npm"),
            (br#"{"name":"@s","version":"1"}"#, "error: the name \"@s\" is none of npm"),
            (br#"{"name":"a/b","version":"1"}"#, "error: the name \"a/b\" is none of npm"),
            (
                "{\"name\":\"a\u{202e}\",\"version\":\"1\"}".as_bytes(),
                "error: the name \"a\\u{202e}\" is no word",
            ),
            (br#"{"name":"a\u0000","version":"1"}"#, "error: the name \"a\\u{0}\" is no word"),
            (b"{\"name\":\"\xff\",\"version\":\"1\"}", no_json),
            (br#"["a","1"]"#, no_json),
            (b"", no_json),
        ];
        for (bytes, want) in cases {
            let found = said(read("/x", bytes, 1));
            let fits = if want == no_json { found.starts_with(want) } else { found == want };
            assert!(fits, "{}: {found}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn depth_and_size_end_in_an_answer() {
        let deep = format!(
            "{{\"name\":\"a\",\"version\":\"1\",\"x\":{}{}}}",
            "[".repeat(500_000),
            "]".repeat(500_000)
        );
        assert_eq!(said(read("/x", deep.as_bytes(), 1)), "a 1");
        let deep = format!("{{\"license\":{}{}}}", "[".repeat(500_000), "]".repeat(500_000));
        assert!(said(read("/x", deep.as_bytes(), 1)).starts_with("error"));
    }

    #[test]
    fn licences_have_three_forms() {
        let cases = [
            (r#""license":"MIT""#, Some("MIT")),
            (r#""license":"(MIT OR GPL-3.0)""#, Some("(MIT OR GPL-3.0)")),
            (r#""license":{"type":"MIT","url":"x"}"#, Some("MIT")),
            (r#""licenses":[{"type":"MIT"},{"type":"ISC"}]"#, Some("MIT, ISC")),
            (r#""license":["MIT","ISC"]"#, Some("MIT, ISC")),
            (r#""license":7"#, None),
            (r#""license":"""#, None),
            (r#""license":null"#, None),
        ];
        for (field, want) in cases {
            let text = format!("{{\"name\":\"a\",\"version\":\"1\",{field}}}");
            let found = read("/x", text.as_bytes(), 1).unwrap();
            assert_eq!(found[0].licence.as_deref(), want, "{field}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300), path in "[a/@.]{0,20}") {
            let _ = read("/x", &bytes, 1);
            let _ = is_installed(&path);
            let _ = is_installed(&format!("/node_modules{path}"));
        }
    }
}
