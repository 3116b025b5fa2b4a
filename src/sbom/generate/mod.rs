//! A bill of materials of what is in an image.
//!
//! Turns image, inventory and account into SPDX 2.3 (`spdx`) or CycloneDX 1.6 (`cyclonedx`), as JSON values. Each package has what its
//! own database says: name, version, package URL, licence, source package, the file that lists it and the layer of that file. Files
//! are listed with their digests. Equal images give equal bytes: no clock and no random number is in it. What could not be read, and
//! what nobody vouches for, is said in the document, which calls itself complete only where there is neither. Nothing is guessed:
//! suppliers and relations between packages are not known from an image.

mod cyclonedx;
mod spdx;

use std::collections::BTreeMap;

use jiff::Timestamp;
use packageurl::PackageUrl;
use percent_encoding::utf8_percent_encode;
use serde_json::Value;

use crate::{
    contents::{
        Inventory, PURL_ENCODED, Package,
        accounts::{AccountedFile, Accounts, Class},
        is_distribution,
        secrets::shown_text,
    },
    digest::{Algorithm, Digest},
    image::Image,
    licences::{self, Licence},
    reference::Location,
};

/// Formats that are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// SPDX 2.3.
    Spdx23,
    /// CycloneDX 1.6.
    CycloneDx16,
}

/// Which files are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Files {
    /// Those for whose bytes no package's own record vouches.
    Own,
    /// All regular files.
    All,
    /// None.
    None,
}

/// What a document is made from.
#[derive(Debug, Clone, Copy)]
pub struct Material<'a> {
    /// The image.
    pub image: &'a Image,
    /// What is installed.
    pub inventory: &'a Inventory,
    /// Whose its files are, with every one of them.
    pub accounts: &'a Accounts,
}

/// How a document is made.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    /// The format.
    pub format: Format,
    /// Which files are listed.
    pub files: Files,
    /// The organisation that makes it.
    pub author: Option<&'a str>,
    /// The time that it states, in seconds since 1970; that of the image's creation where none is given.
    pub epoch: Option<i64>,
}

/// The document.
pub fn document(material: Material<'_>, options: Options<'_>) -> Value {
    let stock = Stock::new(material, options);
    match options.format {
        Format::Spdx23 => spdx::document(&stock),
        Format::CycloneDx16 => cyclonedx::document(&stock),
    }
}

/// What both formats write.
struct Stock<'a> {
    image: &'a Image,
    inventory: &'a Inventory,
    author: Option<&'a str>,
    /// Name of the image, without its registry.
    name: String,
    purl: Option<String>,
    /// RFC 3339, in UTC and whole seconds.
    time: String,
    uuid: String,
    files: Vec<&'a AccountedFile>,
    /// Files that are one package each, by path.
    artifacts: BTreeMap<&'a str, &'a AccountedFile>,
    /// What could not be read.
    unread: Vec<String>,
    /// Files that can be run and that no package and no list explains.
    strays: u64,
}

/// The name that both formats give the program.
const TOOL: &str = "hallmark";
const VERSION: &str = env!("CARGO_PKG_VERSION");

impl<'a> Stock<'a> {
    fn new(material: Material<'a>, options: Options<'a>) -> Self {
        let Material { image, inventory, accounts } = material;
        let name = name(&image.reference.location);
        let vouched =
            |file: &&AccountedFile| matches!(file.class, Class::Verified | Class::SelfRecorded);
        let listed = |file: &&AccountedFile| match options.files {
            Files::All => true,
            Files::Own => !vouched(file),
            Files::None => false,
        };
        let time = time(image, options.epoch);
        Self {
            purl: purl(image, &name),
            uuid: uuid(image, options, &time),
            files: accounts.files.iter().filter(listed).collect(),
            artifacts: artifacts(inventory, accounts),
            unread: unread(inventory, accounts),
            strays: accounts.strays.len() as u64 + accounts.more,
            author: options.author,
            image,
            inventory,
            name,
            time,
        }
    }

    /// What a document has to say of what is not in it.
    fn remarks(&self) -> Vec<String> {
        let mut remarks: Vec<String> =
            self.unread.iter().map(|what| format!("not read: {what}")).collect();
        if self.strays > 0 {
            let count = self.strays;
            remarks.push(format!(
                "{count} files that can be run are modified or no package's: what is in them is not known"
            ));
        }
        remarks
    }

    fn completeness(&self) -> Completeness {
        match (self.unread.is_empty(), self.strays) {
            (false, _) => Completeness::Incomplete,
            (true, 0) => Completeness::Complete,
            (true, _) => Completeness::Unknown,
        }
    }

    /// A layer, as its position and the digest of its uncompressed bytes.
    fn layer(&self, position: usize) -> String {
        match self.image.config.diff_ids.get(position) {
            Some(diff_id) => format!("{position} {diff_id}"),
            None => position.to_string(),
        }
    }

    /// What is said of the licence of a package: by its own files, else by the copyright file of its distribution.
    fn licence(&self, package: &Package) -> Option<Licence> {
        let said = package.licence.as_deref();
        let read = |text| licences::read(package.ecosystem, &shown_text(text)).ok();
        let declared = said.and_then(read);
        let found = || {
            let found = self.inventory.copyrights.get(&package.name);
            found.filter(|_| package.ecosystem == "deb")?.as_ref().ok().cloned()
        };
        declared.or_else(found)
    }

    /// The file that is the package, where there is one.
    fn artifact(&self, package: &Package) -> Option<&'a AccountedFile> {
        self.artifacts.get(package.database.as_str()).copied()
    }
}

/// Whether a list is complete, as far as anybody can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Completeness {
    Complete,
    Incomplete,
    Unknown,
}

/// The source package in words.
fn source(package: &Package) -> Option<String> {
    let name = package.source.as_deref()?;
    let version = package.source_version.as_ref().unwrap_or(&package.version);
    Some(format!("{name} {version}"))
}

/// The package URL, with the source package of a distribution's as `upstream`, as syft writes it: advisories name that one.
fn package_url(package: &Package) -> Option<String> {
    let purl = package.purl.as_deref()?;
    let source = package.source.as_deref().filter(|_| is_distribution(package.ecosystem));
    let Some(source) = source else { return Some(purl.to_owned()) };
    let upstream = match package.source_version.as_deref() {
        Some(version) => format!("{source}@{version}"),
        None => source.to_owned(),
    };
    let mark = if purl.contains('?') { '&' } else { '?' };
    Some(format!("{purl}{mark}upstream={}", utf8_percent_encode(&upstream, PURL_ENCODED)))
}

/// The last part of the image's name, as a package URL has it.
fn name(location: &Location) -> String {
    let whole = match location {
        Location::Registry(repository) => repository.path.clone(),
        Location::Layout(path) | Location::OciArchive(path) | Location::DockerArchive(path) => {
            path.file_stem().unwrap_or_default().to_string_lossy().to_lowercase()
        }
    };
    let last = whole.rsplit('/').next().unwrap_or_default();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let plain: String = last.chars().filter(|c| is_plain(*c)).collect();
    if plain.is_empty() { "image".to_owned() } else { plain }
}

/// The package URL of the image (purl-spec, type `oci`): its version is the digest of the platform's manifest.
fn purl(image: &Image, name: &str) -> Option<String> {
    let mut purl = PackageUrl::new("oci", name.to_lowercase()).ok()?;
    purl.with_version(image.manifest.document.digest.to_string()).ok()?;
    purl.add_qualifier("arch", image.platform.architecture.clone()).ok()?;
    if let Location::Registry(repository) = &image.reference.location {
        purl.add_qualifier("repository_url", repository.to_string()).ok()?;
    }
    Some(purl.to_string())
}

fn time(image: &Image, epoch: Option<i64>) -> String {
    let given = epoch.and_then(|seconds| Timestamp::from_second(seconds).ok());
    let created = || image.config.created.as_ref()?.parse::<Timestamp>().ok();
    let time = given.or_else(created).unwrap_or(Timestamp::UNIX_EPOCH);
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A UUID of all that decides what is written (RFC 9562, version 8).
fn uuid(image: &Image, options: Options<'_>, time: &str) -> String {
    let Options { format, files, author, .. } = options;
    let manifest = &image.manifest.document.digest;
    let said = format!("{VERSION}\n{manifest}\n{format:?}\n{files:?}\n{author:?}\n{time}");
    let mut digits: Vec<char> = Digest::sha256(said.as_bytes()).hex().chars().take(32).collect();
    for (place, digit) in [(12, '8'), (16, 'a')] {
        if let Some(old) = digits.get_mut(place) {
            *old = digit;
        }
    }
    let mut uuid = String::with_capacity(36);
    for (place, digit) in digits.into_iter().enumerate() {
        if matches!(place, 8 | 12 | 16 | 20) {
            uuid.push('-');
        }
        uuid.push(digit);
    }
    uuid
}

/// Files that list one package and are it: a jar, a program without others in it.
fn artifacts<'a>(
    inventory: &'a Inventory,
    accounts: &'a Accounts,
) -> BTreeMap<&'a str, &'a AccountedFile> {
    let mut listed: BTreeMap<&str, usize> = BTreeMap::new();
    for package in &inventory.packages {
        *listed.entry(package.database.as_str()).or_default() += 1;
    }
    let is_one = |file: &&AccountedFile| {
        file.class == Class::SelfDescribed && listed.get(file.path.as_str()) == Some(&1)
    };
    accounts.files.iter().filter(is_one).map(|file| (file.path.as_str(), file)).collect()
}

/// What the document cannot list.
fn unread(inventory: &Inventory, accounts: &Accounts) -> Vec<String> {
    let broken = inventory
        .databases
        .iter()
        .filter_map(|one| Some(format!("{}: {}", one.path, one.read.as_ref().err()?)));
    let left_out = inventory.incomplete.iter().map(|one| {
        let (path, files, why) = (&one.path, one.files, &one.why);
        format!("{path} ({files} files): {why}")
    });
    let hidden = accounts.hidden.iter().map(|one| {
        let (ecosystem, name, why) = (one.ecosystem, &one.name, &one.why);
        format!("{ecosystem} {name}, whose entry is gone from its database: {why}")
    });
    broken.chain(left_out).chain(hidden).collect()
}

fn hex(bytes: &[u8]) -> String {
    ::hex::encode(bytes)
}

/// The digest of the manifest: how a format calls its algorithm, and its digits.
fn manifest_digest(image: &Image, names: [&'static str; 2]) -> (&'static str, String) {
    let digest = image.manifest.document.digest.digest();
    let [sha256, sha512] = names;
    let algorithm = match digest.algorithm() {
        Algorithm::Sha256 => sha256,
        Algorithm::Sha512 => sha512,
    };
    (algorithm, digest.hex())
}

#[cfg(test)]
mod tests;
