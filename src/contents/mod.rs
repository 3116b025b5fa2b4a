//! What is really in an image: what its files list as installed, and which files packages own.
//!
//! Each [`catalogue::Catalogue`] knows one kind of files that list packages; [`collector::InventoryCollector`] reads them in the
//! one pass over the layers and gives an [`Inventory`]. Where os-release promises a database that is absent, empty or garbled,
//! the inventory says so in its [`Database`]: deleting `/lib/apk/db/installed` hides nothing here. What is left out otherwise is
//! an [`Incomplete`]. Bytes are the truth; no SBOM is looked at.

pub mod accounts;
pub mod ages;
mod apk;
mod assembly;
mod cargo;
pub mod catalogue;
mod chisel;
pub mod claims;
pub mod collector;
mod composer;
pub mod concluded;
mod conda;
pub mod copyright;
mod deployed;
mod dpkg;
pub mod facts;
mod footing;
mod gem;
mod go;
mod java;
pub mod kinds;
pub mod lists;
pub mod malware;
mod npm;
mod nuget;
mod os;
mod owners;
pub mod ownership;
mod parts;
mod past;
mod programs;
mod purl;
mod python;
mod rpm;
pub mod secrets;
pub mod sums;
#[cfg(test)]
mod testing;
mod texts;

use ages::Since;
use std::collections::{BTreeMap, BTreeSet};

use crate::{
    image::collect::{HEAD_BYTES, Seen},
    limits::Limits,
};
use assembly::Item;
use catalogue::Catalogue;
use claims::FileList;
use facts::Facts;
pub use purl::{DISTRIBUTIONS, PURL_ENCODED, is_distribution};

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
    /// What files match YARA rules that the operator gives.
    Malware,
    /// Every regular file with its digests, beside whose it is: for no rule, but for whoever writes an SBOM.
    Files,
}

impl CollectorName {
    /// Those that rules ask for.
    pub const ALL: [Self; 5] =
        [Self::Inventory, Self::Contents, Self::Secrets, Self::Vulnerabilities, Self::Malware];

    /// The word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Inventory => "inventory",
            Self::Contents => "contents",
            Self::Secrets => "secrets",
            Self::Vulnerabilities => "vulnerabilities",
            Self::Malware => "malware",
            Self::Files => "files",
        }
    }
}

/// What is really in the squashed root filesystem.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Inventory {
    /// `ID` and `VERSION_ID` of os-release.
    pub os: Option<Os>,
    /// What os-release of the lowest layer says that says otherwise.
    pub former_os: Option<FormerOs>,
    /// Packages to which a later layer gives another version, and nothing else.
    pub reversioned: Vec<Reversioned>,
    /// Installed packages, sorted.
    pub packages: Vec<Package>,
    /// Since when a package of the distribution has its present version, by the package's place.
    pub since: BTreeMap<usize, Since>,
    /// Packages to which a later layer gives another source.
    pub resourced: Vec<Resourced>,
    /// Package databases that were read, and those that could not be.
    pub databases: Vec<Database>,
    /// What else lists packages and was left out.
    pub incomplete: Vec<Incomplete>,
    /// Licences that were found beside packages of dpkg, by name.
    pub copyrights: copyright::Found,
    /// What texts of licences are, by the folder that they are in.
    pub concluded: concluded::Concluded,
    /// Packages of the distribution that own files which list packages of languages, by the file: what these list is a part of
    /// that package.
    pub owned: BTreeMap<String, PartOf>,
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

    /// Whether a package, by its place, is one of the distribution's.
    fn is_of_distribution(&self, package: usize) -> bool {
        self.packages.get(package).is_some_and(|package| is_distribution(package.ecosystem))
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

/// The distribution's package that a file is a part of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartOf {
    /// Its name.
    pub package: String,
    /// The highest layer, counted from 0, on which that rests: whoever made it could say so of any file. `None` where libraries
    /// of the package are not as it brought them, or where that cannot be traced to layers.
    pub rests_on: Option<usize>,
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

/// os-release of a lower layer that names another distribution or release than the tree's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormerOs {
    /// Path of the file.
    pub path: &'static str,
    /// Its layer, counted from 0.
    pub layer: usize,
    /// What it says.
    pub os: Os,
}

/// A package to which dpkg's status of a later layer gives another version, with the checksums of before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reversioned {
    /// Name.
    pub name: String,
    /// The version that it had.
    pub version: String,
    /// The layer whose status says so, counted from 0.
    pub layer: usize,
}

/// A package of the distribution to which the database of a later layer gives another source, in the same version: advisories are
/// about sources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resourced {
    /// Type of the package URL.
    pub ecosystem: &'static str,
    /// Name.
    pub name: String,
    /// Path of the file that lists it.
    pub database: String,
    /// The first layer that lists it, counted from 0.
    pub layer: usize,
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
    /// Module and stream of an rpm, as `nodejs:18`.
    pub module: Option<String>,
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
    let mut items: Vec<Item> = items.collect();
    assembly::inventory(&mut items, release, limits)
}

#[cfg(test)]
mod tests;
