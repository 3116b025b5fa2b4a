//! What the catalogues read of trees of a few files, and what they say of what they do not.

#[allow(clippy::type_complexity, reason = "tables of cases")]
mod parts;
#[allow(clippy::type_complexity, reason = "tables of cases")]
mod records;

use proptest::prelude::*;

use super::{collector::InventoryCollector, *};
use crate::image::rootfs::RootfsBuilder;

fn inventory(files: &[(&str, &str)]) -> Inventory {
    read(files.iter().map(|(path, text)| (*path, text.as_bytes())), &Limits::default())
}

fn listed(inventory: &Inventory) -> Vec<String> {
    let packages = inventory.packages.iter();
    packages
        .map(|p| {
            let arch = p.architecture.as_deref().unwrap_or("-");
            format!("{} {} {} {arch}", p.ecosystem, p.name, p.version)
        })
        .collect()
}

/// What is wrong with the databases, in one text.
fn wrong(inventory: &Inventory) -> String {
    let wrong = inventory.databases.iter().filter_map(|d| d.read.as_ref().err());
    wrong.cloned().collect::<Vec<_>>().join("; ")
}

const STATUS: &str = "Package: zlib1g\nStatus: install ok installed\nMulti-Arch: same\n\
    Description: compression\n more words\nVersion: 1:1.2.13\nArchitecture: amd64\n\n\
    Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n\n\
    Package: half\nStatus: install ok half-configured\nVersion: 2\nArchitecture: all\n\n";
const INSTALLED: &str = "C:Q1abc=\nP:musl\nV:1.2.5-r0\nA:x86_64\nF:lib\nR:ld-musl.so.1\nZ:Q1x=\n\n\
    P:.build-deps\nV:20240101\n\n";
const DEBIAN: &str = "PRETTY_NAME=\"Debian\"\nID=debian\nVERSION_ID=\"12\"\n";
const ALPINE: &str = "ID=alpine\nVERSION_ID=3.20.1\n";

const LIBRARIES: &str = r#"{"targets":{"t":{"A.B/1.0":{"runtime":{"lib/net6.0/A.B.dll":{}}},"C/2":{"native":{"c.so":{}}}}},
    "libraries":{"A.B/1.0":{"type":"package"},"C/2":{"type":"package"}}}"#;

#[test]
fn a_library_that_nobody_brought_along_is_no_package() {
    let cases: [(&[&str], &[&str]); 6] = [
        (&[], &[]),
        (&["/app/a.b.dll"], &["nuget A.B 1.0 -"]),
        (&["/app/bin/A.B.dll", "/app/c.so"], &["nuget A.B 1.0 -", "nuget C 2 -"]),
        (&["/app2/A.B.dll", "/usr/share/dotnet/A.B.dll", "/app.dll/c.so"], &[]),
        (&["/root/.nuget/packages/a.b/1.0/lib/net6.0/A.B.dll"], &["nuget A.B 1.0 -"]),
        (&["/root/.nuget/packages/a.b/1.1/lib/net6.0/A.B.dll"], &[]),
    ];
    for (there, want) in cases {
        let mut files = vec![("/app/app.deps.json", LIBRARIES)];
        files.extend(there.iter().map(|path| (*path, "x")));
        let files: Vec<(&str, &str)> =
            files.iter().map(|(path, text)| (path.trim_start_matches('/'), *text)).collect();
        let found = squashed(&[&files], &Limits::default());
        assert_eq!(listed(&found), want, "{there:?}");
    }
}

#[test]
fn reads_what_is_on_the_disk() {
    let debian = inventory(&[("/var/lib/dpkg/status", STATUS), ("/usr/lib/os-release", DEBIAN)]);
    assert_eq!(listed(&debian), ["deb half 2 all", "deb zlib1g 1:1.2.13 amd64"]);
    assert_eq!(debian.os.as_ref().map(|os| os.id.as_str()), Some("debian"));
    assert_eq!(debian.os.and_then(|os| os.version), Some("12".to_owned()));
    assert_eq!(debian.databases[0].read, Ok(2));

    let alpine = inventory(&[
        ("lib/apk/db/installed", INSTALLED),
        ("usr/lib/apk/db/installed", INSTALLED),
        ("etc/os-release", ALPINE),
    ]);
    assert_eq!(listed(&alpine), ["apk .build-deps 20240101 -", "apk musl 1.2.5-r0 x86_64"]);
    assert_eq!(alpine.databases.len(), 1, "the second path is the first through a link");

    let distroless = inventory(&[
        ("/var/lib/dpkg/status.d/base", "Package: base-files\nVersion: 12\nArchitecture: amd64\n"),
        ("/var/lib/dpkg/status.d/base.md5sums", "d41d8  etc/x\n"),
        ("/etc/os-release", DEBIAN),
    ]);
    assert_eq!(listed(&distroless), ["deb base-files 12 amd64"]);
    assert_eq!(wrong(&distroless), "");
}

#[test]
fn a_promise_that_is_not_kept_is_said() {
    let ubuntu = "ID=ubuntu\nID_LIKE=debian\n";
    let derived = "ID=mine\nID_LIKE=\"debian other\"\n";
    let cases: &[(&[(&str, &str)], &str)] = &[
        (&[("/etc/os-release", DEBIAN)], "os-release says debian, and no deb database"),
        (&[("/etc/os-release", ubuntu)], "says ubuntu, and no deb database"),
        (&[("/etc/os-release", derived)], "says mine, and no deb database"),
        (&[("/etc/os-release", ALPINE)], "says alpine, and no apk database"),
        (&[("/etc/os-release", "ID='fedora'\n")], "no rpm database lists a package"),
        (&[("/etc/os-release", ALPINE), ("/lib/apk/db/installed", "")], "no apk database"),
        (&[("/etc/os-release", DEBIAN), ("/lib/apk/db/installed", INSTALLED)], "no deb database"),
        (&[("/lib/apk/db/installed", "garbage")], "line 1 is not of the form"),
        (&[("/lib/apk/db/installed", "P:musl\n\n")], "line 2 has no V (version)"),
        (&[("/lib/apk/db/installed", "V:1\n")], "no P (name)"),
        (&[("/lib/apk/db/installed", "P:a b\nV:1\n")], "\"a b\""),
        (&[("/lib/apk/db/installed", "PP:a\n")], "not of the form"),
        (&[("/var/lib/dpkg/status", "Package: a\nVersion: 1\n")], "no Status"),
        (&[("/var/lib/dpkg/status", "Package: a\nStatus: install ok installed\n")], "no Version"),
        (&[("/var/lib/dpkg/status", "Package: a\nStatus: install ok odd\n")], "the Status"),
        (&[("/var/lib/dpkg/status", "\u{0}\u{1}\n")], "line 1"),
        (&[("/var/lib/dpkg/status.d/a", "Package: a\n")], "no Version"),
        (&[("/etc/os-release", DEBIAN), ("/var/lib/dpkg/status", "x")], "line 1"),
    ];
    for (files, want) in cases {
        let found = wrong(&inventory(files));
        assert!(found.contains(want), "{files:?}: {found:?}");
    }
    for fine in [&[("/etc/os-release", "ID=scratch\n")][..], &[]] {
        assert_eq!(wrong(&inventory(fine)), "", "{fine:?}");
    }
}

/// Stands for the bytes of a Go program.
const PROGRAM: &str = "(a program)";

/// A layer with these files, symbolic links written as `path -> target`, and hard links as `path => target`.
fn layer(files: &[(&str, &str)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, text) in files {
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o644);
        if let Some((link, target)) = path.split_once(" => ") {
            header.set_entry_type(tar::EntryType::Link);
            header.set_size(0);
            tar.append_link(&mut header, link, target).expect("a link");
        } else if let Some((link, target)) = path.split_once(" -> ") {
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_size(0);
            tar.append_link(&mut header, link, target).expect("a link");
        } else {
            let program = [b"\x7fELF".as_slice(), &[0; 12], &testing::go(1)].concat();
            let bytes = if *text == PROGRAM { &program } else { text.as_bytes() };
            header.set_size(bytes.len() as u64);
            tar.append_data(&mut header, path, bytes).expect("a file");
        }
    }
    tar.into_inner().expect("a tar")
}

fn squashed(layers: &[&[(&str, &str)]], limits: &Limits) -> Inventory {
    let mut collector = InventoryCollector::new(limits);
    let mut builder = RootfsBuilder::new(limits, |_| false).shown_to(vec![&mut collector]);
    for (index, files) in layers.iter().enumerate() {
        builder.add_layer(index, layer(files).as_slice()).expect("a layer");
    }
    let rootfs = builder.finish();
    collector.finish(&rootfs)
}

#[test]
fn reads_the_squashed_filesystem_through_its_links() {
    let limits = Limits::default();
    let alpine = squashed(
        &[&[
            ("lib -> usr/lib", ""),
            ("usr/lib/apk/db/installed", INSTALLED),
            ("etc/os-release -> ../usr/lib/os-release", ""),
            ("usr/lib/os-release", ALPINE),
        ]],
        &limits,
    );
    assert_eq!(listed(&alpine), ["apk .build-deps 20240101 -", "apk musl 1.2.5-r0 x86_64"]);
    assert_eq!((wrong(&alpine).as_str(), alpine.databases.len()), ("", 1));
    assert!(alpine.os.is_some());

    let base: &[(&str, &str)] = &[("var/lib/dpkg/status", STATUS), ("etc/os-release", DEBIAN)];
    assert_eq!(wrong(&squashed(&[base], &limits)), "");
    let deleted = squashed(&[base, &[("var/lib/dpkg/.wh.status", "")]], &limits);
    assert!(wrong(&deleted).contains("no deb database"), "{deleted:?}");
    let moved = squashed(&[&[("var/lib/dpkg/status -> /x", ""), ("x", STATUS)]], &limits);
    assert!(wrong(&moved).contains("a link to a place"), "{moved:?}");
}

/// Programs go through a folder's link; layers have what lies behind it under another path.
#[test]
fn lists_behind_the_link_of_a_folder_are_told() {
    const PACKAGE: &str = r#"{"name": "evil", "version": "1.0.0"}"#;
    const METADATA: &str = "Metadata-Version: 2.1\nName: evil\nVersion: 1.0\n";
    let limits = Limits::default();
    let cases: [(&str, &str, &str, &str); 4] = [
        ("app/node_modules -> /opt/x", "opt/x/evil/package.json", PACKAGE, "npm"),
        ("app/node_modules/evil -> /opt/x", "opt/x/package.json", PACKAGE, "npm"),
        (
            "usr/lib/python3/dist-packages/evil-1.0.dist-info -> /opt/x",
            "opt/x/METADATA",
            METADATA,
            "python",
        ),
        ("srv/other -> /opt/x", "opt/x/data.json", PACKAGE, ""),
    ];
    for (link, file, text, catalogue) in cases {
        let found = squashed(&[&[(link, ""), (file, text)]], &limits);
        let told: Vec<_> = found.incomplete.iter().map(|one| one.catalogue).collect();
        let want: &[&str] = if catalogue.is_empty() { &[] } else { &[catalogue] };
        assert_eq!(told, want, "{link}: {found:?}");
    }
    let dpkg =
        [("var/lib/dpkg/status.d -> /opt/x", ""), ("opt/x/bash", "Package: bash\nVersion: 1\n")];
    assert!(wrong(&squashed(&[&dpkg], &limits)).contains("a link to a place"), "dpkg");
    // What is read under its own path is read once, whatever leads to it.
    let honest = [("app/node_modules/a/package.json", PACKAGE), ("srv/app -> /app", "")];
    assert!(squashed(&[&honest], &limits).incomplete.is_empty(), "a link to the application");
}

#[test]
fn the_limit_of_file_bytes_holds_at_n_and_n_plus_one() {
    let files: &[(&str, &str)] = &[("var/lib/dpkg/status", STATUS)];
    let at = |file_bytes| squashed(&[files], &Limits { file_bytes, ..Limits::default() });
    let size = STATUS.len() as u64;
    assert_eq!(wrong(&at(size)), "");
    assert!(wrong(&at(size - 1)).contains("limits.fileBytes"), "{:?}", at(size - 1));
}

#[test]
fn a_database_is_known_by_its_place() {
    let cases = [
        ("/var/lib/dpkg/status", true),
        ("/var/lib/dpkg/status.d/libc6", true),
        ("/var/lib/dpkg/status.d/libc6.md5sums", false),
        ("/var/lib/dpkg/status.d/a/b", false),
        ("/var/lib/dpkg/status.d/", false),
        ("/lib/apk/db/installed", true),
        ("/usr/lib/apk/db/installed", true),
        ("/etc/os-release", false),
        ("/usr/lib/sysimage/rpm/Packages.db", true),
        ("/x/lib/apk/db/installed", false),
        ("/var/lib/dpkg/status-old", false),
    ];
    for (path, want) in cases {
        assert_eq!(is_database(path), want, "{path}");
    }
}

/// Layers, what is listed (name, version, layer), and what is wrong.
type Tree<'a> = (&'a [&'a [(&'a str, &'a str)]], &'a [(&'a str, &'a str, usize)], &'a str);

#[test]
fn only_what_is_left_in_the_tree_counts() {
    const A: &str = "Package: a\nVersion: 1\n";
    const A2: &str = "Package: a\nVersion: 2\n";
    const AT: &str = "var/lib/dpkg/status.d/a";
    const ELSEWHERE: &str = "it is a link to a place where no database is kept";
    const DELETED: &str = "a lower layer has it, a later one deletes it, and 1 of its packages are listed nowhere else";
    let cases: &[Tree<'_>] = &[
        (&[&[(AT, A)]], &[("a", "1", 0)], ""),
        (&[&[(AT, A)], &[(AT, A2)]], &[("a", "2", 1)], ""),
        (&[&[(AT, A)], &[("var/lib/dpkg/status.d/.wh.a", "")]], &[], DELETED),
        (&[&[(AT, A)], &[("var/lib/.wh.dpkg", "")]], &[], DELETED),
        (&[&[(AT, A)], &[("var/lib/dpkg/status.d/.wh..wh..opq", ""), ("x", "")]], &[], DELETED),
        (&[&[(AT, A)], &[("var -> /x", "")]], &[], DELETED),
        // The same list again is a layer's own.
        (&[&[(AT, A)], &[(AT, A)]], &[("a", "1", 1)], ""),
        // A second name; then only that one is left.
        (
            &[&[(AT, A), ("var/lib/dpkg/status.d/b => var/lib/dpkg/status.d/a", "")]],
            &[("a", "1", 0)],
            "",
        ),
        (
            &[
                &[(AT, A), ("var/lib/dpkg/status.d/b => var/lib/dpkg/status.d/a", "")],
                &[("var/lib/dpkg/status.d/.wh.a", "")],
            ],
            &[("a", "1", 0)],
            "",
        ),
        (
            &[
                &[(AT, A), ("b => var/lib/dpkg/status.d/a", "")],
                &[("var/lib/dpkg/status.d/.wh.a", "")],
            ],
            &[("a", "1", 0)],
            "",
        ),
        // The name is the second, and the content passed by under the first.
        (&[&[("b", A), ("var/lib/dpkg/status.d/a => b", "")]], &[], ELSEWHERE),
        (&[&[("b", A), ("var/lib/dpkg/status.d/a -> /b", "")]], &[], ELSEWHERE),
        (&[&[("b/status", A), ("var/lib/dpkg -> /b", "")]], &[], ELSEWHERE),
        (&[&[("var/lib/dpkg/status.d/a -> /nothing", "")]], &[], ""),
        (&[&[("x/rpmdb.sqlite", "x"), ("var/lib/rpm -> /x", "")]], &[], ELSEWHERE),
        (&[&[("var/lib/rpm/Packages", "x")], &[("var/lib/.wh.rpm", "")]], &[], ""),
    ];
    for (layers, want, error) in cases {
        let found = squashed(layers, &Limits::default());
        let packages = found.packages.iter();
        let listed: Vec<_> = packages
            .map(|p| (p.name.as_str(), p.version.as_str(), p.layer.unwrap_or(usize::MAX)))
            .collect();
        assert_eq!((listed.as_slice(), wrong(&found).as_str()), (*want, *error), "{layers:?}");
    }
}

const METADATA: &str = "usr/lib/python3/site-packages/a_b-1.0.dist-info/METADATA";
const NODE: &str = "app/node_modules/@s/n/package.json";
const GEM: &str = "usr/local/bundle/specifications/rake-13.0.6.gemspec";

/// Paths, and what is there.
type Files<'a> = &'a [(&'a str, &'a str)];

/// Every kind but jars, beside a distribution's database.
const ALL: &[(&str, &str)] = &[
    ("etc/os-release", DEBIAN),
    ("var/lib/dpkg/status", STATUS),
    (METADATA, "Name: A_b\nVersion: 1.0\nLicense: MIT\n"),
    (NODE, r#"{"name":"@s/n","version":"2.0.0"}"#),
    (GEM, "# stub: rake 13.0.6 ruby lib\n"),
    ("srv/vendor/composer/installed.json", r#"[{"name":"v/c","version":"3.0"}]"#),
    ("opt/conda/conda-meta/k-1-0.json", r#"{"name":"k","version":"1","subdir":"linux-64"}"#),
    ("usr/bin/p", PROGRAM),
    ("usr/bin/sh", "no program"),
];

#[test]
fn every_kind_is_found_and_goes_with_its_file() {
    let purls = |layers: &[&[(&str, &str)]]| -> Vec<String> {
        let found = squashed(layers, &Limits::default());
        assert_eq!((wrong(&found).as_str(), &found.incomplete), ("", &Vec::new()));
        let listed = found.packages.iter().filter(|p| p.ecosystem != "deb");
        listed.map(|p| format!("{} {:?}", p.purl.as_deref().unwrap_or("-"), p.layer)).collect()
    };
    let all = [
        "pkg:composer/v/c@3.0 Some(0)",
        "pkg:conda/k@1?subdir=linux-64 Some(0)",
        "pkg:gem/rake@13.0.6 Some(0)",
        "pkg:golang/a.b/c@v1.0.1 Some(0)",
        "pkg:golang/stdlib@1.22.1 Some(0)",
        "pkg:npm/%40s/n@2.0.0 Some(0)",
        "pkg:pypi/a-b@1.0 Some(0)",
    ];
    assert_eq!(purls(&[ALL]), all);
    let without = |gone: &[usize]| -> Vec<&str> {
        let kept = all.iter().enumerate().filter(|(at, _)| !gone.contains(at));
        kept.map(|(_, purl)| *purl).collect()
    };
    let cases: &[(Files<'_>, &[usize])] = &[
        (&[("usr/bin/.wh.p", "")], &[3, 4]),
        (&[("usr/bin/p", "a script now")], &[3, 4]),
        (&[("app/.wh.node_modules", "")], &[5]),
        (&[("app/node_modules/.wh..wh..opq", "")], &[5]),
        (&[("usr/.wh.lib", ""), ("usr/local/.wh.bundle", "")], &[2, 6]),
        (&[("srv/vendor/.wh.composer", ""), (".wh.opt", "")], &[0, 1]),
    ];
    for (upper, gone) in cases {
        assert_eq!(purls(&[ALL, upper]), without(gone), "{upper:?}");
    }
    // A program that moved under a second name is where that one is.
    let moved = purls(&[ALL, &[("srv/q => usr/bin/p", ""), ("usr/bin/.wh.p", "")]]);
    assert!(moved.contains(&"pkg:golang/a.b/c@v1.0.1 Some(1)".to_owned()), "{moved:?}");
}

#[test]
fn c30_what_is_left_out_is_said_and_the_rest_is_there() {
    let large = format!("Name: a\nVersion: 1\n\n{}", " ".repeat(4 << 20));
    let many: String = (0..40).map(|n| format!("{n}")).collect::<Vec<_>>().join(",");
    let cases: &[(Files<'_>, &str, &str, &str)] = &[
        (&[(NODE, "{")], "npm", "/app/node_modules/@s/n/package.json", "it is no JSON of its form"),
        (
            &[(NODE, "{\"name\":\"n\"}")],
            "npm",
            "/app/node_modules/@s/n/package.json",
            "has no version",
        ),
        (&[(METADATA, &large)], "python", METADATA, "larger than 4194304 bytes"),
        (&[(METADATA, &many)], "python", METADATA, "has no Name"),
        (&[("app/x.jar", "no archive")], "java", "/app/x.jar", "it is no archive"),
        (
            &[("x", "Name: a\nVersion: 1\n"), (&format!("{METADATA} => x"), "")],
            "python",
            METADATA,
            "a link",
        ),
        (
            &[("x", "Name: a\nVersion: 1\n"), (&format!("{METADATA} -> /x"), "")],
            "python",
            METADATA,
            "a link",
        ),
    ];
    for (upper, catalogue, path, why) in cases {
        let found = squashed(&[ALL, upper], &Limits::default());
        assert_eq!(wrong(&found), "", "{upper:?}");
        let [one] = found.incomplete.as_slice() else {
            panic!("{upper:?}: {:?}", found.incomplete)
        };
        let found_path = one.path.trim_start_matches('/') == path.trim_start_matches('/');
        assert!(one.catalogue == *catalogue && found_path && one.why.contains(why), "{one:?}");
        let rest =
            found.packages.iter().filter(|p| ["deb", "gem", "golang"].contains(&p.ecosystem));
        assert_eq!(rest.count(), 5, "{upper:?}");
    }
}

#[test]
fn c30_one_kind_fills_its_own_budget_and_no_report() {
    let names: Vec<String> =
        (0..500).map(|n| format!("app/node_modules/n{n}/package.json")).collect();
    let good = r#"{"name":"n","version":"1"}"#;
    let odd: Vec<String> = (0..500).map(|n| format!("{{\"name\":\"n{n} \"}}")).collect();
    let good: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), good)).collect();
    let odd: Vec<(&str, &str)> =
        names.iter().zip(&odd).map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let limits = Limits { catalogue_bytes: 4096, ..Limits::default() };
    let found = squashed(&[ALL, &good], &limits);
    let [one] = found.incomplete.as_slice() else { panic!("{:?}", found.incomplete) };
    assert!(one.files > 400 && one.why.contains("limits.catalogueBytes, 4096"), "{one:?}");
    assert_eq!(wrong(&found), "");
    let of = |ecosystem: &str| found.packages.iter().filter(|p| p.ecosystem == ecosystem).count();
    assert_eq!((of("deb"), of("golang"), of("pypi")), (2, 2, 1));
    let said = squashed(&[&odd], &Limits::default()).incomplete;
    let files: usize = said.iter().map(|one| one.files).sum();
    assert!(said.len() <= 8 && files == 500, "{said:?}");
}

#[test]
fn the_budget_of_a_catalogue_holds_at_n_and_n_plus_one() {
    let stanza = |name| format!("Package: {name}\nVersion: 1\n");
    let (a, b) = (stanza("a"), stanza("b"));
    let files: &[(&str, &str)] = &[
        ("var/lib/dpkg/status.d/a", &a),
        ("var/lib/dpkg/status.d/b", &b),
        ("lib/apk/db/installed", INSTALLED),
    ];
    let one =
        catalogue::Listed { name: "a".to_owned(), version: "1".to_owned(), ..Default::default() };
    let at = |catalogue_bytes| squashed(&[files], &Limits { catalogue_bytes, ..Limits::default() });
    let whole = at(3 * one.bytes());
    assert_eq!((whole.packages.len(), wrong(&whole).as_str()), (4, ""));
    let over = at(3 * one.bytes() - one.bytes() - 1);
    assert!(wrong(&over).contains("limits.catalogueBytes"), "{over:?}");
    assert!(over.packages.iter().all(|p| p.name != "b"), "{over:?}");
}

#[test]
fn packages_say_what_they_are_called_elsewhere() {
    let status = format!(
        "{STATUS}Package: libc6\nStatus: install ok installed\nVersion: 2\nSource: glibc (2.0)\n"
    );
    let debian = inventory(&[("/var/lib/dpkg/status", &status), ("/etc/os-release", DEBIAN)]);
    let purls: Vec<_> = debian.packages.iter().filter_map(|p| p.purl.as_deref()).collect();
    assert_eq!(purls[2], "pkg:deb/debian/zlib1g@1:1.2.13?arch=amd64&distro=debian-12");
    assert_eq!(debian.packages[1].source.as_deref(), Some("glibc"));
    let alpine = "P:musl\nV:1\nA:x86_64\nL:MIT\no:musl-src\n";
    let alpine = inventory(&[("/lib/apk/db/installed", alpine), ("/etc/os-release", ALPINE)]);
    let [musl] = alpine.packages.as_slice() else { panic!("{alpine:?}") };
    assert_eq!((musl.licence.as_deref(), musl.source.as_deref()), (Some("MIT"), Some("musl-src")));
    assert_eq!(
        musl.purl.as_deref(),
        Some("pkg:apk/alpine/musl@1?arch=x86_64&distro=alpine-3.20.1")
    );
}

#[test]
fn the_limit_of_packages_holds_at_n_and_n_plus_one() {
    let limits = |packages| Limits { packages, ..Limits::default() };
    let files = || [("/var/lib/dpkg/status", STATUS.as_bytes())];
    assert_eq!(read(files(), &limits(2)).databases[0].read, Ok(2));
    let over = read(files(), &limits(1));
    assert!(over.databases[0].read.as_ref().is_err_and(|e| e.contains("limits.packages, 1")));
    assert!(over.packages.is_empty(), "no truncated list");
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        for path in fixed_paths() {
            read([(path, bytes.as_slice())], &Limits::default());
        }
    }

    #[test]
    fn every_stanza_is_one_package(names in proptest::collection::btree_set("[a-z][a-z0-9+.-]{1,8}", 0..8)) {
        let status: String = names
            .iter()
            .map(|n| format!("Package: {n}\nStatus: install ok installed\nVersion: 1\n\n"))
            .collect();
        let found = inventory(&[("/var/lib/dpkg/status", &status)]);
        let found: Vec<_> = found.packages.into_iter().map(|p| p.name).collect();
        prop_assert_eq!(found, names.into_iter().collect::<Vec<_>>());
    }
}
