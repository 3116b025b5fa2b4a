//! What is really in an image: what its files list as installed, and which files packages own.
//!
//! Each [`catalogue::Catalogue`] knows one kind of files that list packages; [`collector::InventoryCollector`] reads them in the
//! one pass over the layers and gives an [`Inventory`]. Where os-release promises a database that is absent, empty or garbled,
//! the inventory says so in its [`Database`]: deleting `/lib/apk/db/installed` hides nothing here. What is left out otherwise is
//! an [`Incomplete`]. Bytes are the truth; no SBOM is looked at.

pub mod accounts;
mod apk;
mod assembly;
mod cargo;
pub mod catalogue;
mod chisel;
pub mod claims;
pub mod collector;
mod composer;
mod conda;
pub mod copyright;
mod dpkg;
pub mod facts;
mod gem;
mod go;
mod java;
pub mod kinds;
pub mod lists;
mod npm;
mod nuget;
mod os;
pub mod ownership;
mod parts;
mod programs;
mod purl;
mod python;
mod rpm;
pub mod secrets;
pub mod sums;
#[cfg(test)]
mod testing;

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    image::collect::{HEAD_BYTES, Seen},
    limits::Limits,
};
use assembly::Item;
use catalogue::Catalogue;
use claims::FileList;
use facts::Facts;
pub use purl::{DISTRIBUTIONS, is_distribution};

/// Every catalogue; a file is read by the first that wants it.
const CATALOGUES: &[&Catalogue] = &[
    &dpkg::STATUS,
    &dpkg::STANZAS,
    &chisel::CATALOGUE,
    &apk::CATALOGUE,
    &rpm::CATALOGUE,
    &rpm::LOGS,
    &python::CATALOGUE,
    &npm::CATALOGUE,
    &gem::CATALOGUE,
    &composer::CATALOGUE,
    &nuget::CATALOGUE,
    &conda::CATALOGUE,
    &java::CATALOGUE,
];
/// Every kind of lists of files.
const FILE_LISTS: &[&FileList] = &[
    &dpkg::files::LISTS,
    &dpkg::files::SUMS,
    &dpkg::files::CONFFILES,
    &dpkg::files::DIVERSIONS,
    &chisel::LISTS,
    &apk::files::LISTS,
    &apk::files::WORLD,
    &rpm::files::LISTS,
    &python::files::RECORDS,
    &python::files::INSTALLED,
    &conda::files::LISTS,
];
/// os-release(5): the file in `/etc` takes precedence.
const OS_RELEASE: [&str; 2] = ["/etc/os-release", "/usr/lib/os-release"];

/// What is looked for in the layers; rules ask for it by its word in `needs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CollectorName {
    /// What is installed.
    Inventory,
    /// Whose every file is.
    Contents,
    /// Private keys and tokens.
    Secrets,
    /// What is known of it: the inventory, held against a database of vulnerabilities.
    Vulnerabilities,
}

impl CollectorName {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::Inventory, Self::Contents, Self::Secrets, Self::Vulnerabilities];

    /// The word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Inventory => "inventory",
            Self::Contents => "contents",
            Self::Secrets => "secrets",
            Self::Vulnerabilities => "vulnerabilities",
        }
    }
}

/// What is really in the squashed root filesystem.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Inventory {
    /// `ID` and `VERSION_ID` of os-release.
    pub os: Option<Os>,
    /// Installed packages, sorted.
    pub packages: Vec<Package>,
    /// Package databases that were read, and those that could not be.
    pub databases: Vec<Database>,
    /// What else lists packages and was left out.
    pub incomplete: Vec<Incomplete>,
    /// Licences that were found beside packages of dpkg, by name.
    pub copyrights: copyright::Found,
    /// Facts beside packages; `None` where it was not read from layers.
    pub facts: Option<Facts>,
}

impl Inventory {
    /// The packages of the distribution's own databases, which list all that their managers installed.
    pub fn managed(&self) -> impl Iterator<Item = &Package> {
        let managed = |package: &&Package| {
            let origins = CATALOGUES.iter().map(|one| one.origin);
            origins.into_iter().any(|own| own.managed && own.ecosystem == package.ecosystem)
        };
        self.packages.iter().filter(managed)
    }

    /// Ecosystems of which files were left out.
    pub fn partly_read(&self) -> BTreeSet<&'static str> {
        let origins =
            CATALOGUES.iter().map(|one| one.origin).chain([programs::GO, programs::CARGO]);
        let left_out = |origin: &catalogue::Origin| {
            self.incomplete.iter().any(|one| one.catalogue == origin.name)
        };
        origins.filter(left_out).map(|origin| origin.ecosystem).collect()
    }
}

/// The distribution, from `/etc/os-release` or `/usr/lib/os-release`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Os {
    /// `ID`, as `debian`.
    pub id: String,
    /// `VERSION_ID`, as `12`.
    pub version: Option<String>,
    /// `VERSION_CODENAME`, as `bookworm`.
    pub codename: Option<String>,
    /// `VERSION`, as `12 (bookworm)`.
    pub version_text: Option<String>,
}

/// An installed package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Package {
    /// Type of the package URL: `deb`, `apk` …
    pub ecosystem: &'static str,
    /// Name.
    pub name: String,
    /// Version, with its epoch.
    pub version: String,
    /// Architecture.
    pub architecture: Option<String>,
    /// Package URL; `None` where its name cannot be part of one.
    pub purl: Option<String>,
    /// Licence as written.
    pub licence: Option<String>,
    /// The source package, where it has a name of its own.
    pub source: Option<String>,
    /// The version of the source package, where it is another.
    pub source_version: Option<String>,
    /// Path of the file that lists it.
    pub database: String,
    /// The layer that this file is from, counted from 0; `None` where it was not read from layers.
    pub layer: Option<usize>,
}

/// Files that list packages and were left out, for one reason: what they list is not in the inventory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incomplete {
    /// The catalogue, as `python`.
    pub catalogue: &'static str,
    /// The first of the files.
    pub path: String,
    /// Why it was left out.
    pub why: String,
    /// How many files there are.
    pub files: usize,
}

/// A package database in the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Database {
    /// Path from the root, with a leading slash.
    pub path: String,
    /// How many packages it lists, or why it cannot be read.
    pub read: Result<usize, String>,
}

/// Whether the file at `path` is a distribution's database of packages.
pub fn is_database(path: &str) -> bool {
    let file = Seen::named(path);
    CATALOGUES.iter().any(|one| one.origin.managed && (one.wants)(&file))
}

/// The paths that may be reached through a symbolic link of a folder, and so have to be asked for by name.
fn fixed_paths() -> impl Iterator<Item = &'static str> {
    OS_RELEASE.into_iter().chain(apk::PATHS).chain([dpkg::STATUS_PATH]).chain(rpm::PATHS)
}

/// Reads the inventory from files, by path with or without its leading slash.
pub fn read<'a>(
    files: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    limits: &Limits,
) -> Inventory {
    let named =
        |(path, bytes): (&str, &'a [u8])| (format!("/{}", path.trim_start_matches('/')), bytes);
    let files: BTreeMap<String, &[u8]> = files.into_iter().map(named).collect();
    let release = OS_RELEASE.iter().find_map(|path| files.get(*path)).map(|bytes| os::parse(bytes));
    let items = files.iter().flat_map(|(path, bytes)| {
        let head = bytes.get(..HEAD_BYTES).unwrap_or(bytes);
        let file = Seen { size: bytes.len() as u64, head, ..Seen::named(path) };
        let found = collector::read(&file, bytes, limits).into_iter();
        found.map(|found| Item { path: path.clone(), layer: None, found })
    });
    assembly::inventory(items.collect(), release, limits)
}

#[cfg(test)]
mod tests;
