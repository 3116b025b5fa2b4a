//! What is really installed: the package databases of the squashed root filesystem.
//!
//! Turns the files that [`wanted`] names into an [`Inventory`]. Where os-release promises a database that is absent, empty
//! or garbled, the inventory says so in its [`Database`]: deleting `/lib/apk/db/installed` hides nothing here. Bytes are
//! the truth; no SBOM is looked at.

pub mod apk;
pub mod dpkg;
pub mod os;
pub mod ownership;

use std::collections::BTreeMap;

use crate::{
    image::rootfs::{Contents, Rootfs},
    limits::Limits,
    untrusted::misleads,
};

const DPKG_STATUS: &str = "var/lib/dpkg/status";
const DPKG_STATUS_DIR: &str = "var/lib/dpkg/status.d/";
const APK: [&str; 2] = ["lib/apk/db/installed", "usr/lib/apk/db/installed"];
/// os-release(5): the file in `/etc` takes precedence.
const OS_RELEASE: [&str; 2] = ["etc/os-release", "usr/lib/os-release"];

/// What is really in the squashed root filesystem.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Inventory {
    /// `ID` and `VERSION_ID` of os-release.
    pub os: Option<Os>,
    /// Installed packages, sorted.
    pub packages: Vec<Package>,
    /// Package databases that were read, and those that could not be.
    pub databases: Vec<Database>,
}

/// The distribution, from `/etc/os-release` or `/usr/lib/os-release`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Os {
    /// `ID`, as `debian`.
    pub id: String,
    /// `VERSION_ID`, as `12`.
    pub version: Option<String>,
}

/// An installed package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Package {
    /// `deb` or `apk`.
    pub ecosystem: &'static str,
    /// Name.
    pub name: String,
    /// Version, with its epoch.
    pub version: String,
    /// Architecture.
    pub architecture: Option<String>,
    /// Path of the database that lists it.
    pub database: String,
}

/// A package database in the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Database {
    /// Path from the root, with a leading slash.
    pub path: String,
    /// How many packages it lists, or why it cannot be read.
    pub read: Result<usize, String>,
}

/// Which package manager a file belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Dpkg,
    /// One stanza a file, without a status: it is there, so it is installed.
    DpkgDirectory,
    Apk,
}

/// Whether the inventory reads the file at `path`, with or without its leading slash.
pub fn wanted(path: &str) -> bool {
    let path = path.strip_prefix('/').unwrap_or(path);
    OS_RELEASE.contains(&path) || kind(path).is_some()
}

/// Whether the file at `path` is a package database.
pub fn is_database(path: &str) -> bool {
    kind(path.strip_prefix('/').unwrap_or(path)).is_some()
}

/// The paths that may be reached through a symbolic link, and so have to be asked for by name.
fn fixed_paths() -> impl Iterator<Item = &'static str> {
    OS_RELEASE.into_iter().chain(APK).chain([DPKG_STATUS])
}

/// Reads the inventory of a root filesystem that was built with [`wanted`].
///
/// A database that is there and whose contents were not kept (too large, or a link to a path that nobody wanted) is in the
/// inventory as one that cannot be read.
pub fn inventory(rootfs: &Rootfs, limits: &Limits) -> Inventory {
    let fixed = fixed_paths().map(|path| format!("/{path}"));
    let listed = rootfs.paths().filter(|path| wanted(path)).map(str::to_owned);
    let mut files = BTreeMap::new();
    let mut unread = Vec::new();
    for path in fixed.chain(listed) {
        match rootfs.contents(&path) {
            Some(Contents::Kept(bytes)) => {
                files.insert(path, bytes);
            }
            Some(Contents::TooLarge) => {
                let why = format!(
                    "it is larger than {}, {}",
                    crate::limits::key("file_bytes"),
                    limits.file_bytes
                );
                unread.push(Database { path, read: Err(why) });
            }
            Some(Contents::NotWanted | Contents::Hashed { .. }) => {
                let why = "it is a link to a place where no database is kept".to_owned();
                unread.push(Database { path, read: Err(why) });
            }
            None => {}
        }
    }
    let files = files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_ref()));
    let mut inventory = read(files, limits);
    inventory.databases.extend(unread);
    inventory.databases.sort_by(|a, b| a.path.cmp(&b.path));
    inventory.databases.dedup();
    inventory
}

fn kind(path: &str) -> Option<Kind> {
    if path == DPKG_STATUS {
        return Some(Kind::Dpkg);
    }
    if APK.contains(&path) {
        return Some(Kind::Apk);
    }
    let name = path.strip_prefix(DPKG_STATUS_DIR)?;
    // Distroless keeps the packages' checksums beside their stanzas.
    let stanza = !name.is_empty() && !name.contains('/') && !name.ends_with(".md5sums");
    stanza.then_some(Kind::DpkgDirectory)
}

/// Reads the inventory from the wanted files, by path with or without its leading slash.
pub fn read<'a>(
    files: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    limits: &Limits,
) -> Inventory {
    let files: BTreeMap<&str, &[u8]> =
        files.into_iter().map(|(path, b)| (path.strip_prefix('/').unwrap_or(path), b)).collect();
    let release = OS_RELEASE.iter().find_map(|path| files.get(path)).map(|bytes| os::parse(bytes));
    let mut inventory = Inventory::default();
    let mut seen: Vec<&[u8]> = Vec::new();
    for (path, bytes) in &files {
        let Some(kind) = kind(path) else { continue };
        // `/lib` is often a link to `/usr/lib`: the same database is read once.
        if kind == Kind::Apk && seen.contains(bytes) {
            continue;
        }
        seen.push(bytes);
        add(&mut inventory, path, kind, bytes, limits);
    }
    if let Some(release) = release {
        inventory.databases.extend(release.broken_promise(&inventory));
        inventory.os = release.os;
    }
    inventory.packages.sort();
    inventory.packages.dedup();
    inventory.databases.sort_by(|a, b| a.path.cmp(&b.path));
    inventory
}

fn add(inventory: &mut Inventory, path: &str, kind: Kind, bytes: &[u8], limits: &Limits) {
    let database = format!("/{path}");
    let room = limits.packages.saturating_sub(inventory.packages.len());
    let read = match kind {
        Kind::Dpkg => dpkg::parse(bytes, dpkg::Form::Status),
        Kind::DpkgDirectory => dpkg::parse(bytes, dpkg::Form::Stanza),
        Kind::Apk => apk::parse(bytes),
    };
    let read = match read {
        Ok(found) if found.len() > room => Err(format!(
            "it lists more packages than {}, {}",
            crate::limits::key("packages"),
            limits.packages
        )),
        Ok(found) => {
            let count = found.len();
            let packages = found.into_iter().map(|found| found.into_package(kind, &database));
            inventory.packages.extend(packages);
            Ok(count)
        }
        Err(garbled) => Err(garbled.to_string()),
    };
    inventory.databases.push(Database { path: database, read });
}

/// A package as its database lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Name.
    pub name: String,
    /// Version, with its epoch.
    pub version: String,
    /// Architecture.
    pub architecture: Option<String>,
}

impl Listed {
    fn into_package(self, kind: Kind, database: &str) -> Package {
        let ecosystem = match kind {
            Kind::Dpkg | Kind::DpkgDirectory => "deb",
            Kind::Apk => "apk",
        };
        Package {
            ecosystem,
            name: self.name,
            version: self.version,
            architecture: self.architecture,
            database: database.to_owned(),
        }
    }
}

/// Why a database cannot be believed: one garbled entry makes the whole list doubtful.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Garbled {
    /// A line is not of the form `field: value`.
    #[error("line {line} is not of the form \"field:value\"")]
    Line {
        /// Line, counted from 1.
        line: usize,
    },
    /// An installed package lacks a field.
    #[error("the entry that ends at line {line} has no {field}")]
    Field {
        /// Line, counted from 1.
        line: usize,
        /// The field's name.
        field: &'static str,
    },
    /// A name or version that no package manager writes.
    #[error("the entry that ends at line {line} has the {field} {found:?}")]
    Value {
        /// Line, counted from 1.
        line: usize,
        /// The field's name.
        field: &'static str,
        /// The value, cut to 80 characters.
        found: String,
    },
}

impl Garbled {
    /// Takes a field that has to be there and to be one word.
    fn word(value: Option<String>, field: &'static str, line: usize) -> Result<String, Self> {
        let value = value.ok_or(Self::Field { line, field })?;
        let bad = |c: char| c.is_whitespace() || misleads(c);
        if value.is_empty() || value.contains(bad) {
            return Err(Self::Value { line, field, found: value.chars().take(80).collect() });
        }
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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

    #[test]
    fn reads_what_is_on_the_disk() {
        let debian =
            inventory(&[("/var/lib/dpkg/status", STATUS), ("/usr/lib/os-release", DEBIAN)]);
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
            (
                "/var/lib/dpkg/status.d/base",
                "Package: base-files\nVersion: 12\nArchitecture: amd64\n",
            ),
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
            (&[("/etc/os-release", "ID='fedora'\n")], "rpm database this version does not read"),
            (&[("/etc/os-release", ALPINE), ("/lib/apk/db/installed", "")], "no apk database"),
            (
                &[("/etc/os-release", DEBIAN), ("/lib/apk/db/installed", INSTALLED)],
                "no deb database",
            ),
            (&[("/lib/apk/db/installed", "garbage")], "line 1 is not of the form"),
            (&[("/lib/apk/db/installed", "P:musl\n\n")], "line 2 has no V (version)"),
            (&[("/lib/apk/db/installed", "V:1\n")], "no P (name)"),
            (&[("/lib/apk/db/installed", "P:a b\nV:1\n")], "\"a b\""),
            (&[("/lib/apk/db/installed", "PP:a\n")], "not of the form"),
            (&[("/var/lib/dpkg/status", "Package: a\nVersion: 1\n")], "no Status"),
            (
                &[("/var/lib/dpkg/status", "Package: a\nStatus: install ok installed\n")],
                "no Version",
            ),
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

    /// A layer with these files, and symbolic links written as `path -> target`.
    fn layer(files: &[(&str, &str)]) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for (path, text) in files {
            let mut header = tar::Header::new_ustar();
            header.set_mode(0o644);
            if let Some((link, target)) = path.split_once(" -> ") {
                header.set_entry_type(tar::EntryType::Symlink);
                header.set_size(0);
                tar.append_link(&mut header, link, target).expect("a link");
            } else {
                header.set_size(text.len() as u64);
                tar.append_data(&mut header, path, text.as_bytes()).expect("a file");
            }
        }
        tar.into_inner().expect("a tar")
    }

    fn squashed(layers: &[&[(&str, &str)]], limits: &Limits) -> Inventory {
        let mut builder = crate::image::rootfs::RootfsBuilder::new(limits, wanted);
        for (index, files) in layers.iter().enumerate() {
            builder.add_layer(index, layer(files).as_slice()).expect("a layer");
        }
        super::inventory(&builder.finish(), limits)
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

    #[test]
    fn the_limit_of_file_bytes_holds_at_n_and_n_plus_one() {
        let files: &[(&str, &str)] = &[("var/lib/dpkg/status", STATUS)];
        let at = |file_bytes| squashed(&[files], &Limits { file_bytes, ..Limits::default() });
        let size = STATUS.len() as u64;
        assert_eq!(wrong(&at(size)), "");
        assert!(wrong(&at(size - 1)).contains("limits.fileBytes"), "{:?}", at(size - 1));
    }

    #[test]
    fn wants_databases_and_os_release_only() {
        let cases = [
            ("/var/lib/dpkg/status", true),
            ("var/lib/dpkg/status", true),
            ("/var/lib/dpkg/status.d/libc6", true),
            ("/var/lib/dpkg/status.d/libc6.md5sums", false),
            ("/var/lib/dpkg/status.d/a/b", false),
            ("/var/lib/dpkg/status.d/", false),
            ("/lib/apk/db/installed", true),
            ("/usr/lib/apk/db/installed", true),
            ("/etc/os-release", true),
            ("/usr/lib/os-release", true),
            ("/x/etc/os-release", false),
            ("/var/lib/dpkg/status-old", false),
        ];
        for (path, want) in cases {
            assert_eq!(wanted(path), want, "{path}");
        }
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
}
