//! A bill of materials, whatever its format.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{binding::Binding, purl::Purl};
use crate::{
    amount::plural,
    digest::{Digest, ManifestDigest},
};

/// Components that no package database could list.
pub(super) const PLACEHOLDERS: &str = "components for files, operating systems or data";
/// Files that prove nothing.
pub(super) const UNPROVABLE_FILES: &str = "files without a path or a SHA-256 digest";

/// A bill of materials, whatever its format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sbom {
    /// Which format and version, as `SPDX-2.3` or `CycloneDX-1.5`.
    pub format: String,
    /// Name of the document or of its main component.
    pub name: Option<String>,
    /// Creation time as written.
    pub created: Option<String>,
    /// Tools that made it.
    pub tools: Vec<String>,
    /// What it lists, sorted, without the entry that stands for the image itself.
    pub components: Vec<Component>,
    /// What it is about, where it has an entry for that.
    pub main: Option<Component>,
    /// What part of an image it is about.
    pub about: About,
    /// Digests by which the document itself names the image, where it does.
    pub names_image: Vec<Digest>,
    /// Whether its main component is a container by its type, its purpose or its package URL.
    pub is_of_container: bool,
    /// Files that it lists with a digest, sorted.
    pub files: Vec<ListedFile>,
    /// What the document says of itself.
    pub stated: Stated,
    /// Whether it says that its list is complete or not.
    pub completeness: Completeness,
    /// What it holds that is neither a component nor a file with a digest, and how much of it: for reports.
    pub passed_over: BTreeMap<&'static str, usize>,
    /// Digest of the document's bytes; of a predicate, those of its text in the statement.
    pub document: Digest,
}

impl Sbom {
    /// A document of a format that says nothing yet.
    pub fn empty(format: &str) -> Self {
        Self {
            format: format.to_owned(),
            name: None,
            created: None,
            tools: Vec::new(),
            components: Vec::new(),
            main: None,
            about: About::default(),
            names_image: Vec::new(),
            is_of_container: false,
            files: Vec::new(),
            stated: Stated::default(),
            completeness: Completeness::default(),
            passed_over: BTreeMap::new(),
            document: Digest::sha256(b""),
        }
    }

    /// What was passed over, counted: `1 annotation`, `2 snippets`.
    pub fn passed_over_in_words(&self) -> Vec<String> {
        let counted = |(what, count): (&&'static str, &usize)| {
            let (nouns, rest) = what.split_at(what.find([' ', ',']).unwrap_or(what.len()));
            let noun = match nouns.strip_suffix("ies") {
                Some(stem) => format!("{stem}y"),
                None => nouns.strip_suffix('s').unwrap_or(nouns).to_owned(),
            };
            format!("{}{rest}", plural(*count, &noun))
        };
        self.passed_over.iter().map(counted).collect()
    }
}

/// What part of an image a document is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum About {
    /// The image, or what the document does not say more closely.
    #[default]
    Image,
    /// One package in it: the document's main component has the purl of a package.
    Package,
    /// What it was built from: a stage, the build's context, a phase before the image was there.
    Build,
    /// Another image, by the digest that it names.
    OtherImage,
}

impl About {
    /// The word in reports and rules.
    pub fn word(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Package => "package",
            Self::Build => "build",
            Self::OtherImage => "other-image",
        }
    }
}

/// Whether a document says that it lists everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Completeness {
    /// It says nothing.
    #[default]
    Unsaid,
    /// It says that nobody knows.
    Unknown,
    /// It says that something is left out.
    Incomplete,
    /// It says that nothing is.
    Complete,
}

impl Completeness {
    /// The word in reports and rules; `None` where nothing is said.
    pub fn word(self) -> Option<&'static str> {
        match self {
            Self::Unsaid => None,
            Self::Unknown => Some("unknown"),
            Self::Incomplete => Some("incomplete"),
            Self::Complete => Some("complete"),
        }
    }
}

/// When a component is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Scope {
    /// Where the software runs, or not said.
    #[default]
    Runtime,
    /// Where somebody wants it.
    Optional,
    /// Where the software is developed or tested.
    Development,
    /// Where it is built.
    Build,
    /// Not part of it: excluded, or brought by somebody else.
    Excluded,
}

impl Scope {
    /// The word in reports and rules.
    pub fn word(self) -> &'static str {
        match self {
            Self::Runtime => "runtime",
            Self::Optional => "optional",
            Self::Development => "development",
            Self::Build => "build",
            Self::Excluded => "excluded",
        }
    }
}

/// Something that a document may say of itself or of a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Element {
    /// Name.
    Name,
    /// Version.
    Version,
    /// Who supplies it.
    Supplier,
    /// Identifier of its own in the document.
    Id,
    /// Identifier that others know: purl, CPE, SWID, SWHID, OmniBOR.
    Identifier,
    /// Relation to others.
    Relation,
    /// Digest by any algorithm.
    Hash,
    /// SHA-512 digest of what is deployed.
    Sha512,
    /// Licence.
    Licence,
    /// Name of the file.
    Filename,
    /// Whether it is executable, an archive, structured (BSI TR-03183-2, 5.2.2).
    FileProperties,
    /// Who made the document.
    Author,
    /// When it was made.
    Timestamp,
    /// Which tool made it.
    Tool,
    /// In which version.
    ToolVersion,
    /// In which phase of the software's life.
    Context,
    /// Identifier of the document.
    Serial,
    /// Whether the list is complete.
    Coverage,
}

/// A set of [`Element`]s.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Elements(u32);

impl Elements {
    /// Adds one.
    pub fn add(&mut self, element: Element) {
        self.0 |= 1 << element as u32;
    }

    /// Whether one is in it.
    pub fn has(self, element: Element) -> bool {
        self.0 & 1 << element as u32 != 0
    }
}

/// What is said, and what is said to be unknown (`NOASSERTION`, `unknown`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Stated {
    /// What is said.
    pub given: Elements,
    /// What is said to be unknown.
    pub unknown: Elements,
}

impl Stated {
    /// Takes note of a value: empty is nothing.
    pub(super) fn say(&mut self, element: Element, value: Option<&str>) {
        let Some(value) = value.map(str::trim).filter(|value| !value.is_empty()) else { return };
        match value.eq_ignore_ascii_case("NOASSERTION") || value.eq_ignore_ascii_case("unknown") {
            true => self.unknown.add(element),
            false => self.given.add(element),
        }
    }

    /// What either says.
    #[must_use]
    pub(super) fn and(self, other: Self) -> Self {
        let both = |one: Elements, two: Elements| Elements(one.0 | two.0);
        Self { given: both(self.given, other.given), unknown: both(self.unknown, other.unknown) }
    }

    /// The same, where only that there is something matters.
    pub(super) fn say_if(&mut self, element: Element, given: bool) {
        if given {
            self.given.add(element);
        }
    }
}

/// Something that an SBOM lists.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Component {
    /// Package URL, where one is given.
    pub purl: Option<String>,
    /// Ecosystem from the purl's type: `deb`, `apk`, `cargo` …
    pub ecosystem: Option<String>,
    /// Name.
    pub name: String,
    /// Version as written.
    pub version: Option<String>,
    /// Licence as written: the concluded one, else the declared one.
    pub licence: Option<String>,
    /// When it is needed.
    pub scope: Scope,
    /// What is said of it.
    pub stated: Stated,
}

impl Component {
    /// A component; the ecosystem is the purl's type, where the purl can be read.
    pub fn new(purl: Option<String>, name: String, version: Option<String>) -> Self {
        let parsed = purl.as_deref().and_then(Purl::parse);
        let ecosystem = parsed.map(|purl| purl.kind.into_owned());
        let mut stated = Stated::default();
        stated.say(Element::Name, Some(&name));
        stated.say(Element::Version, version.as_deref());
        stated.say_if(Element::Identifier, ecosystem.is_some());
        let scope = Scope::default();
        Self { purl, ecosystem, name, version, licence: None, scope, stated }
    }

    /// It, and once more for each other package URL: who reads the document may go by any of them.
    pub(super) fn with_others<'p>(
        self,
        purls: impl Iterator<Item = &'p str>,
    ) -> impl Iterator<Item = Self> {
        let own = self.purl.clone();
        let others: BTreeSet<&str> = purls.filter(|purl| Some(*purl) != own.as_deref()).collect();
        let other = |purl: &str| {
            let parsed = Purl::parse(purl).map(|purl| purl.kind.into_owned());
            Self { purl: Some(purl.to_owned()), ecosystem: parsed, ..self.clone() }
        };
        let others: Vec<Self> = others.into_iter().map(other).collect();
        std::iter::once(self).chain(others)
    }

    /// What it is called in reports: name and version.
    pub fn label(&self) -> String {
        match &self.version {
            Some(version) => format!("{} {version}", self.name),
            None => self.name.clone(),
        }
    }

    /// The architecture that its purl names.
    pub(super) fn architecture(&self) -> Option<String> {
        let purl = self.purl.as_deref().and_then(Purl::parse)?;
        purl.qualifier("arch").map(|architecture| architecture.into_owned())
    }

    /// Whether its purl names a container image.
    pub(super) fn is_image(&self) -> bool {
        matches!(self.ecosystem.as_deref(), Some("oci" | "docker"))
    }

    /// Whether its purl names a package that an ecosystem distributes.
    pub(super) fn is_package(&self) -> bool {
        self.ecosystem.is_some() && !self.is_image() && self.ecosystem.as_deref() != Some("generic")
    }

    /// Digests that its version or its purl's version spell.
    pub(super) fn digests(&self) -> impl Iterator<Item = Digest> {
        let purl = self.purl.as_deref().and_then(Purl::parse);
        let versions = [self.version.clone(), purl.and_then(|p| Some(p.version?.into_owned()))];
        versions.into_iter().flatten().filter_map(|version| version.parse().ok())
    }
}

/// A file that an SBOM lists with its digest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListedFile {
    /// Path from the root of the image, with a leading slash.
    pub path: String,
    /// SHA-256 of its bytes.
    pub digest: Digest,
}

impl ListedFile {
    /// A file, where its name can be a path in an image and its digest is one that proves content.
    pub(super) fn new(name: &str, mut digests: impl Iterator<Item = Digest>) -> Option<Self> {
        let digest = digests.find(|digest| digest.to_string().starts_with("sha256:"))?;
        let plain = name.trim_start_matches("./").trim_start_matches('/');
        (!plain.is_empty()).then(|| Self { path: format!("/{plain}"), digest })
    }
}

impl ListedFile {
    /// The bytes of its digest.
    pub fn sha256(&self) -> Option<[u8; 32]> {
        hex::decode(self.digest.hex()).ok()?.try_into().ok()
    }
}

/// A checksum as both formats write it, where it is of an algorithm that proves content.
pub(super) fn checksum(algorithm: &str, hex: &str) -> Option<Digest> {
    let name = match algorithm {
        "SHA256" | "SHA-256" | "sha256" => "sha256",
        "SHA512" | "SHA-512" | "sha512" => "sha512",
        _ => return None,
    };
    format!("{name}:{}", hex.to_ascii_lowercase()).parse().ok()
}

/// An SBOM and the digest that its carrier or statement binds it to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoundSbom {
    /// The document.
    pub sbom: Arc<Sbom>,
    /// The image that it was attached to.
    pub subject: ManifestDigest,
    /// Which image it names itself.
    pub binding: Binding,
}

impl BoundSbom {
    /// What part of the image it is about: none of it where it names another one.
    pub fn about(&self) -> About {
        if self.binding.is_elsewhere() { About::OtherImage } else { self.sbom.about }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_passed_over_is_counted_with_its_noun() {
        let mut sbom = Sbom::empty("SPDX-2.3");
        let words = ["annotations", "vulnerabilities, as VEX", "elements of other kinds"];
        for (count, want) in [
            (1, ["1 annotation", "1 component for files", "1 element of", "1 file without"]),
            (2, ["2 annotations", "2 components for files", "2 elements of", "2 files without"]),
        ] {
            let all = words.into_iter().chain([PLACEHOLDERS, UNPROVABLE_FILES]);
            sbom.passed_over = all.map(|what| (what, count)).collect();
            let said = sbom.passed_over_in_words();
            for (one, want) in said.iter().zip(want) {
                assert!(one.starts_with(want), "{one}");
            }
            let last = said.last().map(String::as_str);
            let vulnerabilities = plural(count, "vulnerability");
            assert_eq!(last, Some(format!("{vulnerabilities}, as VEX").as_str()));
        }
    }
}
