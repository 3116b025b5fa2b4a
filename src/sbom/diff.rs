//! What two lists of components say differently.
//!
//! Turns two [`List`]s, each from an image's inventory or from a document, into a [`Difference`]. Components are one where their
//! ecosystem and name are, as [`names`] compares them; what has no package URL is compared by its name alone. Equal versions cancel
//! out first, with their architectures where both say one; what is left of a name is paired in the order of its texts. Whether a
//! version went up or down is told by its ecosystem's own order, and is unknown where there is none. Licences are compared as SPDX
//! expressions.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};

use super::{
    Component, Sbom,
    model::Scope,
    names::{self, Key},
    purl::Purl,
};
use crate::{
    contents::{Inventory, Package, accounts::Base, secrets::shown_text},
    licences,
    vulnerabilities::{
        distribution::Distribution,
        ecosystem,
        matching::{Known, Subject},
        subject,
        version::Scheme,
    },
};

/// What something lists.
#[derive(Debug, Clone, Default)]
pub struct List {
    /// What is listed, in its order there.
    pub entries: Vec<Entry>,
    /// The distribution, where one is named.
    pub distribution: Option<Distribution>,
    /// What was not read of it.
    pub unread: Vec<String>,
    /// The same as it is looked up in a database of vulnerabilities; places are those of the entries.
    pub subjects: Vec<Subject>,
    source: Source,
}

/// What a list was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Source {
    /// The files of an image.
    #[default]
    Inventory,
    /// A document.
    Document,
}

/// Something that is listed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    key: Key,
    /// Type of its package URL.
    pub ecosystem: Option<String>,
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// Architecture.
    pub architecture: Option<String>,
    /// Licence, as an SPDX expression where it can be read as one.
    pub licence: Option<String>,
}

/// Which way a version went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// To a higher one.
    Up,
    /// To a lower one.
    Down,
    /// To one that nobody can order.
    Sideways,
}

impl Way {
    /// The word in reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Sideways => "changed",
        }
    }
}

/// A component that both lists have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    /// Before.
    pub before: Entry,
    /// After.
    pub after: Entry,
}

impl Change {
    /// Which way its version went.
    pub fn way(&self) -> Way {
        let scheme = self.after.ecosystem.as_deref().and_then(scheme);
        match scheme.and_then(|scheme| scheme.compare(&self.before.version, &self.after.version)) {
            Some(Ordering::Less) => Way::Up,
            Some(Ordering::Greater) => Way::Down,
            Some(Ordering::Equal) | None => Way::Sideways,
        }
    }
}

/// A known vulnerability of a listed component.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Affected {
    /// The component.
    pub entry: Entry,
    /// The advisory.
    pub id: String,
    /// How grave it is.
    pub severity: &'static str,
    /// The version that mends it.
    pub fixed: Option<String>,
}

/// What two lists say differently; each part is sorted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Difference {
    /// Components that both have, in the same version.
    pub same: usize,
    /// In both, with different versions.
    pub versions: Vec<Change>,
    /// In the second alone.
    pub new: Vec<Entry>,
    /// In the first alone.
    pub gone: Vec<Entry>,
    /// In both, with different licences.
    pub licences: Vec<Change>,
    /// Vulnerabilities that come and go, where they were looked up.
    pub vulnerabilities: Option<Vulnerabilities>,
}

/// Vulnerabilities that come and go.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Vulnerabilities {
    /// Known of the second list alone.
    pub new: Vec<Affected>,
    /// Known of the first list alone.
    pub gone: Vec<Affected>,
    /// Known of both.
    pub same: usize,
    /// What no data is about, in either list.
    pub gaps: BTreeSet<String>,
}

impl Difference {
    /// Whether nothing differs.
    pub fn is_none(&self) -> bool {
        let listed = [self.new.len(), self.gone.len(), self.versions.len(), self.licences.len()];
        let known = self.vulnerabilities.as_ref();
        listed.iter().all(|count| *count == 0)
            && known.is_none_or(|known| known.new.is_empty() && known.gone.is_empty())
    }
}

fn scheme(purl_type: &str) -> Option<Scheme> {
    match purl_type {
        "deb" => Some(Scheme::Dpkg),
        "apk" => Some(Scheme::Apk),
        "rpm" => Some(Scheme::Rpm),
        other => Scheme::of(ecosystem::of_language(other)?),
    }
}

impl List {
    /// What is installed in an image.
    pub fn of_inventory(inventory: &Inventory) -> Self {
        let entry = |package: &Package| {
            let said = package.licence.as_deref();
            let declared = said.and_then(|text| expression(package.ecosystem, text));
            let found = || {
                let found = inventory.copyrights.get(&package.name);
                let found = found.filter(|_| package.ecosystem == "deb")?.as_ref().ok()?;
                Some(found.expression.clone())
            };
            Entry {
                key: names::of_package(package),
                ecosystem: Some(package.ecosystem.to_owned()),
                name: package.name.clone(),
                version: package.version.clone(),
                architecture: package.architecture.clone(),
                licence: declared.or_else(found),
            }
        };
        Self {
            entries: inventory.packages.iter().map(entry).collect(),
            distribution: subject::distribution(inventory),
            unread: subject::unread(inventory).into_iter().map(|gap| gap.name).collect(),
            // No base is known here, so that nothing is left to a distribution on the image's own word.
            subjects: subject::subjects(inventory, Base::default()),
            source: Source::Inventory,
        }
    }

    /// What a document lists, without what it says is not there.
    pub fn of_document(sbom: &Sbom) -> Self {
        let mut list = Self { source: Source::Document, ..Self::default() };
        let listed = sbom.components.iter().filter(|one| one.scope != Scope::Excluded);
        for component in listed {
            let purl = component.purl.as_deref().and_then(Purl::parse);
            let entry = Entry::of(component, purl.as_ref());
            let distribution = purl.as_ref().and_then(distribution);
            list.distribution = list.distribution.or(distribution);
            list.subjects.extend(purl.map(|purl| looked_up(list.entries.len(), &purl, &entry)));
            list.entries.push(entry);
        }
        list.unread = sbom.passed_over_in_words();
        list
    }
}

impl Entry {
    fn of(component: &Component, purl: Option<&Purl<'_>>) -> Self {
        let said = component.licence.as_deref();
        let ecosystem = component.ecosystem.as_deref().unwrap_or_default();
        let version = purl.and_then(|purl| purl.full_version());
        let version = version.or_else(|| component.version.clone()).unwrap_or_default();
        let architecture = purl.and_then(|purl| purl.qualifier("arch"));
        Self {
            key: purl.map_or_else(|| Key::bare(&component.name), names::of_purl),
            licence: said.and_then(|text| expression(ecosystem, text)),
            ecosystem: component.ecosystem.clone(),
            name: purl.map_or_else(|| component.name.clone(), Purl::package_name),
            version,
            architecture: architecture.map(|text| text.into_owned()),
        }
    }

    /// The version as the ecosystem compares it.
    fn normal_version(&self) -> String {
        names::version(self.ecosystem.as_deref().unwrap_or_default(), &self.version).into_owned()
    }
}

/// A licence in the form in which it is compared; none where nothing is said.
fn expression(ecosystem: &str, text: &str) -> Option<String> {
    match licences::read(ecosystem, &shown_text(text)) {
        Ok(licence) => Some(licence.expression),
        Err(licences::Unreadable::Nothing) => None,
        Err(_) => Some(text.trim().to_owned()),
    }
}

/// The distribution that a package URL names: `distro=debian-12`.
fn distribution(purl: &Purl<'_>) -> Option<Distribution> {
    let distro = purl.qualifier("distro")?;
    let (id, version) = distro.rsplit_once('-')?;
    let id = purl.namespace.as_deref().unwrap_or(id).to_owned();
    Some(Distribution { id, version: Some(version.to_owned()), ..Distribution::default() })
}

fn looked_up(place: usize, purl: &Purl<'_>, entry: &Entry) -> Subject {
    let upstream = purl.qualifier("upstream").map(|text| text.into_owned());
    let upstream = upstream.map(|text| {
        let name = source_of_rpm(&text).map(str::to_owned);
        name.unwrap_or(text)
    });
    let (source, source_version) = match upstream.as_deref().map(|text| text.split_once('@')) {
        Some(Some((name, version))) => (Some(name.to_owned()), Some(version.to_owned())),
        Some(None) => (upstream, None),
        None => (None, None),
    };
    Subject {
        place,
        purl_type: purl.kind.to_string(),
        name: entry.name.clone(),
        version: entry.version.clone(),
        source,
        source_version,
        ..Subject::default()
    }
}

/// The name in `NAME-VERSION-RELEASE.src.rpm`, which others write as the upstream of an rpm.
fn source_of_rpm(file: &str) -> Option<&str> {
    let (rest, _release) = file.strip_suffix(".src.rpm")?.rsplit_once('-')?;
    rest.rsplit_once('-').map(|(name, _version)| name)
}

/// What `after` says otherwise than `before`.
pub fn difference(before: &List, after: &List) -> Difference {
    let mut names: BTreeMap<&Key, [Vec<&Entry>; 2]> = BTreeMap::new();
    for (side, list) in [before, after].into_iter().enumerate() {
        for entry in &list.entries {
            if let Some(entries) = names.entry(&entry.key).or_default().get_mut(side) {
                entries.push(entry);
            }
        }
    }
    let mut found = Difference::default();
    // What one of two kinds of lists never says is no change.
    let alike = before.source == after.source;
    for (_, [before, after]) in names {
        found.compare(before, after, alike);
    }
    found.versions.sort();
    found.new.sort();
    found.gone.sort();
    found.licences.sort();
    found
}

impl Difference {
    fn compare(&mut self, before: Vec<&Entry>, after: Vec<&Entry>, alike: bool) {
        let (same, before, after) = alike_in(before, after, Entry::normal_version);
        self.same += same.len();
        for (before, after) in same {
            self.compare_licences(before, after, alike);
        }
        let (changed, before, after) = alike_in(in_order(before), in_order(after), |_| ());
        for (before, after) in changed {
            self.versions.push(Change { before: before.clone(), after: after.clone() });
            self.compare_licences(before, after, alike);
        }
        self.gone.extend(before.into_iter().cloned());
        self.new.extend(after.into_iter().cloned());
    }

    fn compare_licences(&mut self, before: &Entry, after: &Entry, alike: bool) {
        let both = before.licence.is_some() && after.licence.is_some();
        if before.licence != after.licence && (both || alike) {
            self.licences.push(Change { before: before.clone(), after: after.clone() });
        }
    }
}

type Pairs<'e> = Vec<(&'e Entry, &'e Entry)>;

/// Pairs of entries that are equal by `of`, and what is left of both.
fn paired<'e, K: Ord>(
    before: Vec<&'e Entry>,
    after: Vec<&'e Entry>,
    of: impl Fn(&Entry) -> K,
) -> (Pairs<'e>, Vec<&'e Entry>, Vec<&'e Entry>) {
    let mut waiting: BTreeMap<K, Vec<&Entry>> = BTreeMap::new();
    after.into_iter().rev().for_each(|entry| waiting.entry(of(entry)).or_default().push(entry));
    let (mut pairs, mut left) = (Vec::new(), Vec::new());
    for entry in before {
        match waiting.get_mut(&of(entry)).and_then(Vec::pop) {
            Some(other) => pairs.push((entry, other)),
            None => left.push(entry),
        }
    }
    (pairs, left, waiting.into_values().flatten().collect())
}

/// Pairs of entries that are equal by `of` and whose architectures are the same, or not said by one of them; and what is left.
fn alike_in<'e, K: Ord>(
    before: Vec<&'e Entry>,
    after: Vec<&'e Entry>,
    of: impl Fn(&Entry) -> K,
) -> (Pairs<'e>, Vec<&'e Entry>, Vec<&'e Entry>) {
    let exact = |entry: &Entry| (of(entry), entry.architecture.clone());
    let (same, before, after) = paired(before, after, exact);
    let is_open = |entry: &&Entry| entry.architecture.is_none();
    let (open, mut before): (Vec<_>, Vec<_>) = before.into_iter().partition(is_open);
    let (any, open, after) = paired(open, after, &of);
    let (unsaid, mut after): (Vec<_>, Vec<_>) = after.into_iter().partition(is_open);
    let (other, rest, unsaid) = paired(before, unsaid, &of);
    before = rest;
    before.extend(open);
    after.extend(unsaid);
    ([same, any, other].concat(), before, after)
}

/// By architecture, then by version.
fn in_order(mut entries: Vec<&Entry>) -> Vec<&Entry> {
    // An order has to hold for all: texts that a scheme does not know would break it.
    entries.sort_by(|a, b| (&a.architecture, &a.version).cmp(&(&b.architecture, &b.version)));
    entries
}

impl Difference {
    /// With the vulnerabilities that are known of each list.
    #[must_use]
    pub fn with(self, before: (&List, &Known), after: (&List, &Known)) -> Self {
        let (old, new) = (affected(before), affected(after));
        let only = |one: &BTreeMap<(Key, String), Affected>, other: &BTreeMap<_, Affected>| {
            let only = one.iter().filter(|(key, _)| !other.contains_key(*key));
            let mut only: Vec<Affected> = only.map(|(_, affected)| affected.clone()).collect();
            only.sort();
            only
        };
        let gaps = [before.1, after.1].into_iter().flat_map(|known| &known.gaps);
        let vulnerabilities = Vulnerabilities {
            new: only(&new, &old),
            gone: only(&old, &new),
            same: new.keys().filter(|key| old.contains_key(*key)).count(),
            gaps: gaps.map(|gap| gap.name.clone()).collect(),
        };
        Self { vulnerabilities: Some(vulnerabilities), ..self }
    }
}

/// What is known of a list, by component and advisory.
fn affected((list, known): (&List, &Known)) -> BTreeMap<(Key, String), Affected> {
    let known = known.vulnerabilities.iter().filter_map(|one| {
        let entry = list.entries.get(one.package)?.clone();
        let (id, severity) = (one.advisory.id.clone(), one.severity.level.word());
        let key = (entry.key.clone(), id.clone());
        Some((key, Affected { entry, id, severity, fixed: one.fixed.clone() }))
    });
    known.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{contents, limits::Limits, sbom::parse};

    fn document(components: &[(&str, &str)]) -> List {
        let component = |(purl, licence): &(&str, &str)| {
            let mut component = json!({"type": "library", "name": "label", "purl": purl});
            if !licence.is_empty() {
                component["licenses"] = json!([{"expression": licence}]);
            }
            component
        };
        let components: Vec<Value> = components.iter().map(component).collect();
        let bom = json!({"bomFormat": "CycloneDX", "specVersion": "1.6", "components": components});
        let sbom = parse(bom.to_string().as_bytes(), &Limits::default()).expect("it is CycloneDX");
        List::of_document(&sbom)
    }

    /// Both lists, and what differs, in words.
    fn said(before: &[(&str, &str)], after: &[(&str, &str)]) -> Vec<String> {
        let found = difference(&document(before), &document(after));
        let entry = |entry: &Entry| format!("{} {}", entry.name, entry.version);
        let versions = found.versions.iter().map(|change| {
            let (before, after) = (entry(&change.before), &change.after.version);
            format!("{} {before} {after}", change.way().word())
        });
        let licences = found.licences.iter().map(|change| {
            let word = |entry: &Entry| entry.licence.clone().unwrap_or_else(|| "none".to_owned());
            format!(
                "licence {} {} {}",
                change.after.name,
                word(&change.before),
                word(&change.after)
            )
        });
        let new = found.new.iter().map(|one| format!("new {}", entry(one)));
        let gone = found.gone.iter().map(|one| format!("gone {}", entry(one)));
        versions.chain(new).chain(gone).chain(licences).collect()
    }

    /// A package URL and a licence each, before and after, and what is said.
    type Case<'a> = (&'a [(&'a str, &'a str)], &'a [(&'a str, &'a str)], &'a [&'a str]);

    #[test]
    fn each_difference_has_its_word() {
        let cases: &[Case<'_>] = &[
            (&[("pkg:deb/debian/a@1", "")], &[("pkg:deb/debian/a@1", "")], &[]),
            (&[("pkg:deb/a@1.9", "")], &[("pkg:deb/a@1.10", "")], &["up a 1.9 1.10"]),
            (&[("pkg:npm/a@2.0.0", "")], &[("pkg:npm/a@1.10.0", "")], &["down a 2.0.0 1.10.0"]),
            (&[("pkg:generic/a@b", "")], &[("pkg:generic/a@c", "")], &["changed a b c"]),
            (
                &[("pkg:npm/a@1", ""), ("pkg:npm/%40s/b@1", "")],
                &[("pkg:npm/a@1", ""), ("pkg:pypi/b@1", "")],
                &["new b 1", "gone @s/b 1"],
            ),
            (
                &[("pkg:npm/a@1", ""), ("pkg:npm/a@2", "")],
                &[("pkg:npm/a@2", ""), ("pkg:npm/a@3", "")],
                &["up a 1 3"],
            ),
            (
                &[("pkg:deb/a@1?arch=amd64", ""), ("pkg:deb/a@1?arch=i386", "")],
                &[("pkg:deb/a@1?arch=amd64", "")],
                &["gone a 1"],
            ),
            (&[("pkg:deb/a@1?arch=amd64", "")], &[("pkg:deb/a@1", "")], &[]),
            (
                &[("pkg:deb/a@1?arch=amd64", "")],
                &[("pkg:deb/a@1?arch=i386", "")],
                &["new a 1", "gone a 1"],
            ),
            (&[("pkg:golang/a.b/c@v1.2.3", "")], &[("pkg:golang/a.b/c@1.2.3", "")], &[]),
            (&[("pkg:rpm/a@2?epoch=1", "")], &[("pkg:rpm/a@3", "")], &["down a 1:2 3"]),
            (
                &[("pkg:npm/a@1", "MIT")],
                &[("pkg:npm/a@1", "Apache-2.0")],
                &["licence a MIT Apache-2.0"],
            ),
            (&[("pkg:npm/a@1", "MIT")], &[("pkg:npm/a@1", "")], &["licence a MIT none"]),
            (&[("pkg:npm/a@1", "(MIT OR ISC)")], &[("pkg:npm/a@1", "MIT OR ISC")], &[]),
        ];
        for (before, after, want) in cases {
            assert_eq!(said(before, after), *want, "{before:?} {after:?}");
        }
        let twice =
            difference(&document(&[("pkg:npm/a@1", "")]), &document(&[("pkg:npm/a@2", "")]));
        assert!(!twice.is_none());
    }

    #[test]
    fn an_image_and_a_document_are_compared_by_what_both_say() {
        let status = "Package: zlib1g\nStatus: install ok installed\nVersion: 1:1.2\nArchitecture: amd64\nSource: zlib\n";
        let release = "ID=debian\nVERSION_ID=12\n";
        let files = [("var/lib/dpkg/status", status), ("etc/os-release", release)];
        let inventory =
            contents::read(files.map(|(path, text)| (path, text.as_bytes())), &Limits::default());
        let image = List::of_inventory(&inventory);
        let purl = "pkg:deb/debian/zlib1g@1%3A1.2?arch=amd64&distro=debian-12&upstream=zlib";
        let listed = document(&[(purl, "Zlib")]);
        let found = difference(&image, &listed);
        assert!(found.is_none() && found.same == 1, "{found:?}");
        let distribution = |list: &List| list.distribution.as_ref().map(|one| one.id.clone());
        assert_eq!(distribution(&image), distribution(&listed));
        let subject = |list: &List| {
            let one = list.subjects.first().expect("one is listed");
            (one.purl_type.clone(), one.name.clone(), one.version.clone(), one.source.clone())
        };
        assert_eq!(subject(&image), subject(&listed));
        for (upstream, want) in [("b-c-1-2.src.rpm", "b-c"), ("b", "b"), ("b@1", "b")] {
            let purl = format!("pkg:rpm/fedora/a@1-2?upstream={upstream}");
            let list = document(&[(purl.as_str(), "")]);
            let source = list.subjects.first().and_then(|one| one.source.as_deref());
            assert_eq!(source, Some(want), "{upstream}");
        }
    }
}
