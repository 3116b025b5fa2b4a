//! NuGet packages of .NET programs (`NAME.deps.json`, runtime-configuration-file.md of dotnet/sdk).
//!
//! Turns the file that the host of .NET loads assemblies by into packages: libraries of type `package`, and the runtime packs
//! of self-contained programs, that have a file in what is deployed. A library without one was needed to compile, or only
//! leads to others; one whose files are not in the tree was not brought along, and the collector leaves it out. Projects are the
//! program's own code.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, de::IgnoredAny};

use super::{
    catalogue::{Catalogue, Garbled, Listed, Origin},
    parts::{form, listed, split, word},
};
use crate::{
    image::collect::Seen,
    json::{self, Bounds},
};

/// The catalogue.
pub(super) const CATALOGUE: Catalogue = Catalogue {
    origin: Origin { name: "nuget", ecosystem: "nuget", managed: false },
    wants,
    file_bytes: FILE_BYTES,
    copies: 24,
    read: |path, bytes, most| read(path, bytes, most).into(),
};

const FILE_BYTES: u64 = 4 << 20;
const BOUNDS: Bounds = Bounds { bytes: 4 << 20, values: 250_000, values_limit: None };
/// How the names of runtime packs begin in a program that brings its runtime.
const RUNTIME_PACK: &str = "runtimepack.";

fn wants(seen: &Seen<'_>) -> bool {
    is_list(seen.path)
}

/// Whether a file says which libraries a program of .NET loads. Packages keep such files of their own tools in caches.
fn is_list(path: &str) -> bool {
    path.ends_with(".deps.json")
        && !path.ends_with("/.deps.json")
        && !path.split('/').any(|part| part == ".nuget")
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    #[serde(default)]
    runtime_target: Option<RuntimeTarget>,
    targets: BTreeMap<String, BTreeMap<String, Assets>>,
    libraries: BTreeMap<String, Library>,
}

#[derive(Deserialize)]
struct RuntimeTarget {
    name: String,
}

#[derive(Deserialize)]
struct Library {
    #[serde(rename = "type")]
    kind: String,
}

type Files = BTreeMap<String, IgnoredAny>;

/// What of a library is deployed.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Assets {
    #[serde(default)]
    runtime: Files,
    #[serde(default)]
    native: Files,
    #[serde(default)]
    resources: Files,
    #[serde(default)]
    runtime_targets: Files,
}

impl Assets {
    /// Names of the files, without the folders that they have in the package.
    fn names(&self) -> impl Iterator<Item = String> {
        let all = [&self.runtime, &self.native, &self.resources, &self.runtime_targets];
        all.into_iter().flat_map(BTreeMap::keys).map(|path| split(path).1.to_lowercase())
    }
}

fn read(_: &str, bytes: &[u8], most: usize) -> Result<Vec<Listed>, Garbled> {
    let wire: Wire = json::from_slice(bytes, BOUNDS)
        .map_err(|why| form(format!("it is no list of .NET libraries: {why}")))?;
    let chosen = match &wire.runtime_target {
        Some(target) => {
            let found = wire.targets.get(&target.name);
            vec![found.ok_or_else(|| {
                form("it is no list of .NET libraries: its runtime target is not in it")
            })?]
        }
        None => wire.targets.values().collect(),
    };
    let mut packages = Vec::new();
    for (key, library) in &wire.libraries {
        let assets = chosen.iter().filter_map(|target| target.get(key));
        let deployed: BTreeSet<String> = assets.flat_map(Assets::names).collect();
        if !matches!(library.kind.as_str(), "package" | "runtimepack") || deployed.is_empty() {
            continue;
        }
        let (name, version) =
            key.split_once('/').ok_or_else(|| form("a library is not of the form NAME/VERSION"))?;
        let name = name
            .strip_prefix(RUNTIME_PACK)
            .filter(|_| library.kind == "runtimepack")
            .unwrap_or(name);
        if packages.len() >= most {
            return Err(Garbled::TooMany);
        }
        let package =
            listed(word(name, "name of a library")?, word(version, "version of a library")?);
        packages.push(Listed { deployed: deployed.into_iter().collect(), ..package });
    }
    Ok(packages)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contents::testing::said;

    const LIST: &str = r#"{"runtimeTarget":{"name":".NETCoreApp,Version=v8.0/linux-x64","signature":""},"compilationOptions":{},
        "targets":{".NETCoreApp,Version=v8.0":{},".NETCoreApp,Version=v8.0/linux-x64":{
            "app/1.0.0":{"dependencies":{"Newtonsoft.Json":"13.0.3"},"runtime":{"app.dll":{}}},
            "Newtonsoft.Json/13.0.3":{"runtime":{"lib/net6.0/Newtonsoft.Json.dll":{"assemblyVersion":"13.0.0.0"}}},
            "SQLitePCLRaw.lib/2.1.6":{"runtimeTargets":{"runtimes/linux-x64/native/libe_sqlite3.so":{"rid":"linux-x64"}}},
            "StyleCop.Analyzers/1.1.118":{},
            "runtimepack.Microsoft.NETCore.App.Runtime.linux-x64/8.0.1":{"runtime":{"System.dll":{}},"native":{"libcoreclr.so":{}}}}},
        "libraries":{"app/1.0.0":{"type":"project","serviceable":false,"sha512":""},
            "Newtonsoft.Json/13.0.3":{"type":"package","serviceable":true,"sha512":"sha512-x","path":"newtonsoft.json/13.0.3"},
            "SQLitePCLRaw.lib/2.1.6":{"type":"package"},"StyleCop.Analyzers/1.1.118":{"type":"package"},
            "runtimepack.Microsoft.NETCore.App.Runtime.linux-x64/8.0.1":{"type":"runtimepack"}}}"#;

    #[test]
    fn libraries_that_are_deployed_are_packages() {
        let want = "Microsoft.NETCore.App.Runtime.linux-x64 8.0.1, Newtonsoft.Json 13.0.3, SQLitePCLRaw.lib 2.1.6";
        assert_eq!(said(read("/x", LIST.as_bytes(), 9)), want);
        assert_eq!(read("/x", LIST.as_bytes(), 3).map(|found| found.len()), Ok(3));
        assert_eq!(read("/x", LIST.as_bytes(), 2), Err(Garbled::TooMany));
        let no_list = "error: it is no list of .NET libraries: ";
        let cases = [
            (
                r#"{"targets":{"t":{"A/1":{"native":{"x":1}}}},"libraries":{"A/1":{"type":"package"}}}"#,
                "A 1",
            ),
            (
                r#"{"targets":{"t":{"A":{"native":{"x":1}}}},"libraries":{"A":{"type":"package"}}}"#,
                "error: a library is not",
            ),
            (
                r#"{"targets":{"t":{"/1":{"native":{"x":1}}}},"libraries":{"/1":{"type":"package"}}}"#,
                "error: the name of a library",
            ),
            (r#"{"runtimeTarget":{"name":"u"},"targets":{"t":{}},"libraries":{}}"#, no_list),
            (r#"{"targets":{"t":{},"t":{}},"libraries":{}}"#, no_list),
            (r#"{"targets":{"t":{}},"libraries":[]}"#, no_list),
            ("{}", no_list),
            ("", no_list),
        ];
        for (text, want) in cases {
            let found = said(read("/x", text.as_bytes(), 9));
            assert!(found.starts_with(want), "{text}: {found}");
        }
    }

    #[test]
    fn what_is_a_list() {
        let cases = [
            ("/app/app.deps.json", true),
            (
                "/usr/share/dotnet/shared/Microsoft.NETCore.App/8.0.1/Microsoft.NETCore.App.deps.json",
                true,
            ),
            ("/root/.nuget/packages/x/1.0.0/tools/x.deps.json", false),
            ("/app/.deps.json", false),
            ("/app/project.assets.json", false),
        ];
        for (path, want) in cases {
            assert_eq!(is_list(path), want, "{path}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(at in 0..LIST.len(), byte in proptest::prelude::any::<u8>()) {
            let mut bytes = LIST.as_bytes().to_vec();
            bytes[at] = byte;
            let _ = read("/x", &bytes, 9);
            let _ = read("/x", &LIST.as_bytes()[..at], 9);
        }
    }
}
