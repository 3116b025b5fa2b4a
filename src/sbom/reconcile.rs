//! Whether an SBOM and what is in the image agree.
//!
//! Turns an [`Sbom`] and an [`Inventory`] into a [`Reconciliation`]. The key is ecosystem and name of the package URL, as
//! [`names`] compares them; architecture, platform and Maven's group tell packages of one name apart, where both sides
//! give them. Source packages (`arch=source`) and the `upstream` qualifier name no installed package.
//!
//! A package is *missing* where the document is about the image and speaks of its ecosystem: of a distribution's always, of
//! those of languages as soon as it lists one component of any language or says that it is complete. What it does not speak of
//! is counted as uncovered. A component is a *ghost* where the inventory read its ecosystem completely. What is needed only to
//! build or to develop, or where somebody wants it, and what a document about a build or about another image lists, need not be in the image:
//! it is out of scope. Whatever has no package URL, is of an ecosystem that no catalogue reads, or whose files could not all be read, is
//! unchecked: neither confirmed nor denied.

use std::{borrow::Cow, collections::BTreeSet};

use super::{
    Component, DigestMismatch, Reconciliation, Sbom, VersionMismatch,
    model::{About, Completeness, Scope},
    names::{self, Key},
    purl::Purl,
};
use crate::contents::{DISTRIBUTIONS, Inventory, Package, accounts::Compared, is_distribution};

/// Packages and components of one name that are held against each other, in pairs: no honest image has as many of one name.
const PAIRS: usize = 1 << 20;
/// Ecosystems of languages that a catalogue reads.
const LANGUAGES: [&str; 9] =
    ["pypi", "npm", "golang", "cargo", "gem", "maven", "composer", "nuget", "conda"];
/// Languages whose packages end in one program, which need not say what it was made of.
const COMPILED: [&str; 4] = ["golang", "cargo", "maven", "nuget"];
/// What the SBOM says about a package.
struct Claim<'a> {
    component: &'a Component,
    version: Option<Cow<'a, str>>,
    architecture: Option<Cow<'a, str>>,
    group: Option<Cow<'a, str>>,
}

/// Compares what is claimed with what is installed; `about` is what part of the image the document is about.
pub fn reconcile(sbom: &Sbom, about: About, inventory: &Inventory) -> Reconciliation {
    let coverage = Coverage::of(sbom, about, inventory);
    let mut result =
        Reconciliation { sbom: Some(sbom.document.clone()), about, ..Reconciliation::default() };
    let mut keys = Vec::with_capacity(sbom.components.len());
    let mut claims = Vec::with_capacity(sbom.components.len());
    for component in &sbom.components {
        match claim(component).filter(|(key, _)| coverage.read.contains(key.ecosystem())) {
            Some((key, claim)) => {
                keys.push(key);
                claims.push(claim);
            }
            None => result.unchecked += 1,
        }
    }
    // What is sorted is small: a key, and where the rest stands.
    let mut claims: Vec<(Key, &Claim<'_>)> = keys.into_iter().zip(&claims).collect();
    let packages = inventory.packages.iter();
    let mut installed: Vec<(Key, &Package)> =
        packages.map(|package| (names::of_package(package), package)).collect();
    // Both are nearly in this order, and a table of as many keys would be searched all over memory.
    claims.sort_by(|(one, _), (two, _)| one.cmp(two));
    installed.sort_by(|(one, _), (two, _)| one.cmp(two));
    let (mut claims, mut installed) = (claims.as_slice(), installed.as_slice());
    while let Some(key) = [first(claims), first(installed)].into_iter().flatten().min() {
        let (claimed, claims_left) = split(claims, key);
        let (there, installed_left) = split(installed, key);
        coverage.compare(there, claimed, &mut result);
        (claims, installed) = (claims_left, installed_left);
    }
    result.missing.sort();
    result.ghosts.sort();
    result.versions.sort();
    result.duplicates.sort();
    result
}

fn first<T>(sorted: &[(Key, T)]) -> Option<&Key> {
    sorted.first().map(|(key, _)| key)
}

/// A part of a sorted list.
type Part<'s, T> = &'s [(Key, T)];

/// What stands under the first key, if it is this one, and the rest.
fn split<'s, T>(sorted: Part<'s, T>, key: &Key) -> (Part<'s, T>, Part<'s, T>) {
    let count = sorted.iter().take_while(|(own, _)| own == key).count();
    sorted.split_at_checked(count).unwrap_or_default()
}

/// Compares the files that a document lists with those that are in the image, as far as they were read. What a file is about decides
/// nothing: bytes are other bytes wherever a list is from, but for lists of a build or of another image.
pub fn compare_files(sbom: &Sbom, named: &Compared, result: &mut Reconciliation) {
    if matches!(result.about, About::Build | About::OtherImage) {
        return;
    }
    for file in &sbom.files {
        let Some((found, claimed)) = named.found(&file.path).zip(file.sha256()) else { continue };
        if *found == claimed {
            result.files += 1;
            continue;
        }
        let Ok(found) = format!("sha256:{}", hex::encode(found)).parse() else { continue };
        let (path, claimed) = (file.path.clone(), file.digest.clone());
        result.digests.push(DigestMismatch { path, claimed, found });
    }
    result.digests.sort();
}

/// What each side speaks about.
struct Coverage<'i> {
    /// Ecosystems that the inventory reads.
    read: BTreeSet<&'static str>,
    /// Those of them of which something could not be read.
    partly: BTreeSet<&'static str>,
    /// Ecosystems that the document claims to list.
    claimed: BTreeSet<&'static str>,
    about: About,
    inventory: &'i Inventory,
}

impl<'i> Coverage<'i> {
    fn of(sbom: &Sbom, about: About, inventory: &'i Inventory) -> Self {
        let is_managed = inventory.managed().next().is_some();
        let all: BTreeSet<&str> =
            inventory.packages.iter().map(|package| package.ecosystem).collect();
        let mut partly = inventory.partly_read();
        // Where no database of a distribution was read, nobody knows what it would list.
        let languages =
            LANGUAGES.into_iter().filter(|one| all.contains(one) || !COMPILED.contains(one));
        let distributions = DISTRIBUTIONS.into_iter().filter(|_| is_managed);
        let read = distributions.chain(languages).collect();
        if inventory.databases.iter().any(|database| database.read.is_err()) {
            partly.extend(DISTRIBUTIONS);
        }
        let listed: BTreeSet<&str> =
            sbom.components.iter().filter_map(|component| component.ecosystem.as_deref()).collect();
        let speaks = LANGUAGES.iter().any(|one| listed.contains(one))
            || sbom.completeness == Completeness::Complete;
        let claimed =
            DISTRIBUTIONS.into_iter().chain(LANGUAGES.into_iter().filter(|_| speaks)).collect();
        Self { read, partly, claimed, about, inventory }
    }

    /// Compares packages and claims of one key.
    fn compare(
        &self,
        installed: &[(Key, &Package)],
        claims: &[(Key, &Claim<'_>)],
        result: &mut Reconciliation,
    ) {
        // Most packages are there once, and listed once.
        if let ([(_, package)], [(_, claim)]) = (installed, claims)
            && claim.component.scope != Scope::Excluded
            && claim.is(package)
        {
            result.matched += 1;
            return;
        }
        let installed: Vec<&Package> = installed.iter().map(|(_, package)| *package).collect();
        let (excluded, claims): (Vec<&Claim<'_>>, Vec<&Claim<'_>>) = claims
            .iter()
            .map(|(_, claim)| *claim)
            .partition(|claim| claim.component.scope == Scope::Excluded);
        result.out_of_scope += excluded.len();
        if installed.len().saturating_mul(claims.len()) > PAIRS {
            installed.iter().for_each(|package| self.unclaimed(package, result));
            claims.iter().for_each(|claim| self.unconfirmed(claim.component, result));
            return;
        }
        let confirmed = |package: &&&Package| claims.iter().any(|claim| claim.is(package));
        let (confirmed, unclaimed): (Vec<&Package>, Vec<&Package>) =
            installed.iter().copied().partition(|package| confirmed(&package));
        result.matched += confirmed.len();
        let mut used: BTreeSet<(&str, Option<&str>, Option<&str>)> = BTreeSet::new();
        let mut open = Vec::new();
        for claim in &claims {
            if !installed.iter().any(|package| claim.is(package)) {
                open.push(claim);
            } else if !used.insert((
                claim.purl(),
                claim.version.as_deref(),
                claim.architecture.as_deref(),
            )) && installed.len() < claims.len()
            {
                result.duplicates.push(claim.component.clone());
            }
        }
        for package in unclaimed {
            match open.iter().position(|claim| claim.may_be(package)) {
                Some(position) => {
                    let claimed =
                        open.remove(position).version.clone().unwrap_or_default().into_owned();
                    result.versions.push(VersionMismatch { installed: package.clone(), claimed });
                }
                None => self.unclaimed(package, result),
            }
        }
        open.into_iter().for_each(|claim| self.unconfirmed(claim.component, result));
    }

    /// A package that the document does not list.
    fn unclaimed(&self, package: &Package, result: &mut Reconciliation) {
        if self.about != About::Image || self.is_twin(package) {
            return;
        }
        if self.claimed.contains(package.ecosystem) {
            result.missing.push(package.clone());
        } else {
            *result.uncovered.entry(package.ecosystem).or_default() += 1;
        }
    }

    /// A component that is not in the image.
    fn unconfirmed(&self, component: &Component, result: &mut Reconciliation) {
        let partly = component.ecosystem.as_deref().is_some_and(|one| self.partly.contains(one));
        // What is listed of a build, or of another image, need not be in this one.
        let elsewhere = matches!(self.about, About::Build | About::OtherImage);
        if component.scope != Scope::Runtime || elsewhere {
            result.out_of_scope += 1;
        } else if partly {
            result.unchecked += 1;
        } else {
            result.ghosts.push(component.clone());
        }
    }

    /// Whether a language's package is a part of one of the distribution, seen twice: that one recorded the bytes of the file
    /// which lists it. Its name and its place prove nothing, since whoever makes an image chooses them.
    fn is_twin(&self, package: &Package) -> bool {
        self.inventory.owned.contains_key(&package.database)
    }
}

/// The claim that a component makes about an installed package, where it makes one.
fn claim(component: &Component) -> Option<(Key, Claim<'_>)> {
    let purl = Purl::parse(component.purl.as_deref()?)?;
    let kind = &*purl.kind;
    let distribution = is_distribution(kind);
    let architecture = match kind {
        "conda" => purl.qualifier("subdir"),
        "gem" => purl.qualifier("platform"),
        _ => purl.qualifier("arch").filter(|_| distribution),
    };
    if matches!(architecture.as_deref(), Some("source" | "src")) {
        return None;
    }
    let epoch = purl.qualifier("epoch").filter(|_| distribution);
    let key = names::of_purl(&purl);
    let written = purl.version.or(component.version.as_deref().map(Cow::Borrowed));
    let version = written.map(|version| match epoch {
        Some(epoch) if !has_epoch(&version) => {
            names::version(kind, &format!("{epoch}:{version}")).into_owned().into()
        }
        _ => normal(kind, version),
    });
    let group = purl.namespace.filter(|_| kind == "maven");
    Some((key, Claim { component, version, architecture, group }))
}

/// The version as its ecosystem compares it, borrowed where it was.
fn normal<'a>(kind: &str, version: Cow<'a, str>) -> Cow<'a, str> {
    match version {
        Cow::Borrowed(version) => names::version(kind, version),
        Cow::Owned(version) => names::version(kind, &version).into_owned().into(),
    }
}

fn has_epoch(version: &str) -> bool {
    let epoch = version.split_once(':').map(|(epoch, _)| epoch);
    epoch.is_some_and(|e| !e.is_empty() && e.bytes().all(|b| b.is_ascii_digit()))
}

impl Claim<'_> {
    fn purl(&self) -> &str {
        self.component.purl.as_deref().unwrap_or_default()
    }

    fn may_be(&self, package: &Package) -> bool {
        let alike =
            |one: Option<&str>, two: Option<&str>| one.zip(two).is_none_or(|(one, two)| one == two);
        alike(self.architecture.as_deref(), package.architecture.as_deref())
            && alike(self.group.as_deref(), names::group(package))
    }

    fn is(&self, package: &Package) -> bool {
        // A module of one's own has no version until it is tagged.
        let unversioned = package.ecosystem == "golang" && package.version == "(devel)";
        let installed = names::version(package.ecosystem, &package.version);
        let claimed = self.version.as_deref();
        let same =
            claimed == Some(&*installed) || unversioned || self.with_platform(package, &installed);
        same && self.may_be(package)
    }

    /// Tools write a gem's platform behind its version: `1.15.4-x86_64-linux`.
    fn with_platform(&self, package: &Package, installed: &str) -> bool {
        let claimed = self.version.as_deref().filter(|_| package.ecosystem == "gem");
        let (Some(claimed), Some(platform)) = (claimed, &package.architecture) else {
            return false;
        };
        claimed.strip_suffix(platform.as_str()).and_then(|rest| rest.strip_suffix('-'))
            == Some(installed)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::contents::{Incomplete, PartOf};

    /// What comes out where the document alone says what it is about.
    fn agreed(sbom: &Sbom, inventory: &Inventory) -> Reconciliation {
        reconcile(sbom, sbom.about, inventory)
    }

    fn sbom(purls: &[&str]) -> Sbom {
        let component =
            |purl: &&str| Component::new(Some((*purl).to_owned()), "label".to_owned(), None);
        Sbom { components: purls.iter().map(component).collect(), ..Sbom::empty("SPDX-2.3") }
    }

    /// A package of which the rest does not matter.
    pub(in crate::sbom) fn package(
        ecosystem: &'static str,
        name: &str,
        version: &str,
        architecture: Option<&str>,
    ) -> Package {
        Package {
            ecosystem,
            name: name.to_owned(),
            version: version.to_owned(),
            architecture: architecture.map(str::to_owned),
            purl: None,
            licence: None,
            source: None,
            source_version: None,
            module: None,
            database: "/db".to_owned(),
            layer: None,
        }
    }

    /// Packages written as `deb name version arch`.
    fn inventory(packages: &[&str]) -> Inventory {
        let read = |text: &&str| {
            let words: Vec<&str> = text.split(' ').collect();
            let all = DISTRIBUTIONS.into_iter().chain(LANGUAGES);
            let ecosystem = all.into_iter().find(|one| *one == words[0]).unwrap();
            package(ecosystem, words[1], words[2], words.get(3).copied())
        };
        Inventory { packages: packages.iter().map(read).collect(), ..Inventory::default() }
    }

    /// matched, missing, ghosts, versions, unchecked
    type Counts = (usize, usize, usize, usize, usize);

    /// Name, what is claimed, what is installed, what comes out.
    const CASES: &[(&str, &[&str], &[&str], Counts)] = &[
        ("equal", &["pkg:deb/debian/a@1?arch=amd64"], &["deb a 1 amd64"], (1, 0, 0, 0, 0)),
        ("percent-encoded epoch", &["pkg:deb/debian/a@1%3A2-3"], &["deb a 1:2-3"], (1, 0, 0, 0, 0)),
        ("epoch qualifier", &["pkg:deb/debian/a@2-3?epoch=1"], &["deb a 1:2-3"], (1, 0, 0, 0, 0)),
        ("epoch twice", &["pkg:deb/debian/a@1:2-3?epoch=1"], &["deb a 1:2-3"], (1, 0, 0, 0, 0)),
        (
            "epoch of an rpm",
            &["pkg:rpm/fedora/a@2-3.fc40?arch=x86_64&epoch=1"],
            &["rpm a 1:2-3.fc40 x86_64"],
            (1, 0, 0, 0, 0),
        ),
        ("epoch 0", &["pkg:deb/debian/a@2?epoch=0"], &["deb a 2"], (1, 0, 0, 0, 0)),
        ("plus in a version", &["pkg:deb/debian/a@1%2Bdfsg"], &["deb a 1+dfsg"], (1, 0, 0, 0, 0)),
        (
            "plus in a name",
            &["pkg:deb/debian/libstdc%2B%2B6@1"],
            &["deb libstdc++6 1"],
            (1, 0, 0, 0, 0),
        ),
        ("missing", &["pkg:deb/debian/a@1"], &["deb a 1", "deb b 1"], (1, 1, 0, 0, 0)),
        ("ghost", &["pkg:deb/debian/a@1", "pkg:deb/debian/b@1"], &["deb a 1"], (1, 0, 1, 0, 0)),
        ("version", &["pkg:deb/debian/a@1"], &["deb a 2"], (0, 0, 0, 1, 0)),
        ("no version", &["pkg:deb/debian/a"], &["deb a 2"], (0, 0, 0, 1, 0)),
        (
            "two versions claimed",
            &["pkg:deb/debian/a@1", "pkg:deb/debian/a@2"],
            &["deb a 2"],
            (1, 0, 1, 0, 0),
        ),
        ("other ecosystem", &["pkg:npm/a@1", "pkg:apk/alpine/a@1"], &["deb a 1"], (0, 1, 2, 0, 0)),
        ("nobody reads it", &["pkg:generic/a@1", "pkg:oci/a@1"], &["deb a 1"], (0, 1, 0, 0, 2)),
        ("a program need not say it", &["pkg:cargo/a@1"], &["deb a 1"], (0, 1, 0, 0, 1)),
        ("a program says it", &["pkg:cargo/a@1"], &["cargo b 1"], (0, 1, 1, 0, 0)),
        ("another distribution's name", &["pkg:deb/ubuntu/a@1"], &["deb a 1"], (1, 0, 0, 0, 0)),
        (
            "PEP 503",
            &["pkg:pypi/Typing_Extensions@4"],
            &["pypi typing.extensions 4"],
            (1, 0, 0, 0, 0),
        ),
        (
            "scope and case",
            &["pkg:npm/%40a/JSONStream@1"],
            &["npm @a/jsonstream 1"],
            (1, 0, 0, 0, 0),
        ),
        ("v of a module", &["pkg:golang/a.b/C@1.2.3"], &["golang a.b/C v1.2.3"], (1, 0, 0, 0, 0)),
        ("unversioned module", &["pkg:golang/a.b/c"], &["golang a.b/c (devel)"], (1, 0, 0, 0, 0)),
        ("group", &["pkg:maven/org.a/b@1"], &["maven org.a:b 1"], (1, 0, 0, 0, 0)),
        ("no group", &["pkg:maven/org.a/b@1"], &["maven b 1"], (1, 0, 0, 0, 0)),
        ("other group", &["pkg:maven/org.a/b@1"], &["maven org.c:b 1"], (0, 1, 1, 0, 0)),
        (
            "platform of a gem",
            &["pkg:gem/nokogiri@1.15.4-x86_64-linux"],
            &["gem nokogiri 1.15.4 x86_64-linux"],
            (1, 0, 0, 0, 0),
        ),
        (
            "two versions side by side, one left out",
            &["pkg:npm/a@1", "pkg:npm/b@1"],
            &["npm a 1", "npm a 2", "npm b 1"],
            (2, 1, 0, 0, 0),
        ),
        (
            "a language that is left out beside another",
            &["pkg:npm/a@1"],
            &["npm a 1", "pypi b 1"],
            (1, 1, 0, 0, 0),
        ),
        ("no database at all", &["pkg:deb/debian/a@1"], &[], (0, 0, 0, 0, 1)),
        ("no purl", &["garbage"], &["deb a 1"], (0, 1, 0, 0, 1)),
        ("source package", &["pkg:deb/debian/a@1?arch=source"], &["deb a 1"], (0, 1, 0, 0, 1)),
        (
            "upstream is not the name",
            &["pkg:deb/debian/a@1?upstream=b"],
            &["deb a 1"],
            (1, 0, 0, 0, 0),
        ),
        (
            "two architectures",
            &["pkg:deb/debian/a@1?arch=amd64", "pkg:deb/debian/a@1?arch=i386"],
            &["deb a 1 amd64", "deb a 1 i386"],
            (2, 0, 0, 0, 0),
        ),
        (
            "one of two architectures",
            &["pkg:deb/debian/a@1?arch=amd64"],
            &["deb a 1 amd64", "deb a 1 i386"],
            (1, 1, 0, 0, 0),
        ),
        (
            "no architecture claimed",
            &["pkg:deb/debian/a@1"],
            &["deb a 1 amd64", "deb a 1 i386"],
            (2, 0, 0, 0, 0),
        ),
        (
            "architecture differs",
            &["pkg:deb/debian/a@1?arch=arm64"],
            &["deb a 1 amd64"],
            (0, 1, 1, 0, 0),
        ),
        (
            "version of one architecture",
            &["pkg:deb/debian/a@1?arch=amd64", "pkg:deb/debian/a@1?arch=i386"],
            &["deb a 1 amd64", "deb a 2 i386"],
            (1, 0, 0, 1, 0),
        ),
    ];

    #[test]
    fn every_class_of_disagreement_is_told_apart() {
        for (name, claimed, installed, want) in CASES {
            let r = agreed(&sbom(claimed), &inventory(installed));
            let found = (r.matched, r.missing.len(), r.ghosts.len(), r.versions.len(), r.unchecked);
            assert_eq!(found, *want, "{name}");
            assert_eq!(r.agrees(), want.0 > 0 && want.1 + want.2 + want.3 == 0, "{name}");
        }
    }

    fn scoped(purl: &str, scope: Scope) -> Component {
        Component { scope, ..Component::new(Some(purl.to_owned()), "label".to_owned(), None) }
    }

    #[test]
    fn what_need_not_be_there_is_out_of_scope() {
        let installed = inventory(&["npm a 1"]);
        let base = sbom(&["pkg:npm/a@1"]);
        for scope in [Scope::Optional, Scope::Development, Scope::Build, Scope::Excluded] {
            let mut sbom = base.clone();
            sbom.components.push(scoped("pkg:npm/b@1", scope));
            let result = agreed(&sbom, &installed);
            assert!(result.agrees(), "{scope:?}: {result:?}");
            assert_eq!((result.out_of_scope, result.score()), (1, Some(100)), "{scope:?}");
        }
        // What is there is listed, if as something for development; to exclude it is to hide it.
        let dev =
            Sbom { components: vec![scoped("pkg:npm/a@1", Scope::Development)], ..base.clone() };
        assert!(agreed(&dev, &installed).agrees());
        let hidden = Sbom { components: vec![scoped("pkg:npm/a@1", Scope::Excluded)], ..base };
        assert_eq!(agreed(&hidden, &installed).missing.len(), 1);
    }

    #[test]
    fn a_document_about_a_part_claims_nothing_of_the_rest() {
        let installed = inventory(&["apk a 1", "apk b 1", "npm c 1"]);
        let of =
            |about| agreed(&Sbom { about, ..sbom(&["pkg:apk/a@1", "pkg:apk/x@1"]) }, &installed);
        let package = of(About::Package);
        assert_eq!((package.missing.len(), package.ghosts.len()), (0, 1), "{package:?}");
        let stage = of(About::Build);
        assert_eq!(
            (stage.missing.len(), stage.ghosts.len(), stage.out_of_scope),
            (0, 0, 1),
            "{stage:?}"
        );
        let other = of(About::OtherImage);
        assert_eq!(
            (other.matched, other.missing.len(), other.ghosts.len(), other.out_of_scope),
            (1, 0, 0, 1),
            "{other:?}"
        );
        let image = of(About::Image);
        assert_eq!((image.missing.len(), image.ghosts.len()), (1, 1), "{image:?}");
        assert_eq!(image.uncovered, BTreeMap::from([("npm", 1)]));
        let complete = Sbom { completeness: Completeness::Complete, ..sbom(&["pkg:apk/a@1"]) };
        assert_eq!(agreed(&complete, &installed).missing.len(), 2);
    }

    #[test]
    fn what_could_not_be_read_is_unchecked() {
        let mut installed = inventory(&["deb a 1", "pypi b 1"]);
        let claimed = sbom(&["pkg:deb/a@1", "pkg:pypi/b@1", "pkg:pypi/c@1"]);
        assert_eq!(agreed(&claimed, &installed).ghosts.len(), 1);
        let (path, why) = ("/x/METADATA".to_owned(), "it is too large".to_owned());
        installed.incomplete = vec![Incomplete { catalogue: "python", path, why, files: 1 }];
        let result = agreed(&claimed, &installed);
        assert_eq!((result.ghosts.len(), result.unchecked), (0, 1), "{result:?}");
    }

    #[test]
    fn c53_one_thing_seen_twice_is_what_the_distribution_recorded() {
        let path = "/usr/lib/python3/dist-packages/PyYAML-6.0.egg-info";
        let twin = |owned: &[&str]| {
            let mut installed = inventory(&["deb python3-yaml 6.0-3+b2"]);
            let yaml = package("pypi", "PyYAML", "6.0", None);
            installed.packages.push(Package { database: path.to_owned(), ..yaml });
            let yaml = || PartOf { package: "python3-yaml".to_owned(), rests_on: None };
            let by = |path: &&str| ((*path).to_owned(), yaml());
            installed.owned = owned.iter().map(by).collect();
            let claimed = ["pkg:deb/debian/python3-yaml@6.0-3%2Bb2", "pkg:pypi/other@1"];
            agreed(&sbom(&claimed), &installed).missing.len()
        };
        assert_eq!(twin(&[path]), 0);
        assert_eq!(twin(&[]), 1, "name, version and place alone");
        assert_eq!(twin(&["/usr/lib/python3/dist-packages/other"]), 1, "another file");
    }

    #[test]
    fn what_is_listed_twice_is_told() {
        let twice = sbom(&["pkg:deb/a@1", "pkg:deb/a@1"]);
        let result = agreed(&twice, &inventory(&["deb a 1"]));
        assert_eq!((result.matched, result.duplicates.len(), result.agrees()), (1, 1, true));
    }

    proptest! {
        #[test]
        fn what_is_installed_and_claimed_agrees(
            packages in proptest::collection::btree_map("[a-z][a-z0-9.+-]{0,8}", "[0-9][a-z0-9.+~-]{0,8}", 1..10),
        ) {
            let lines: Vec<String> = packages.iter().map(|(n, v)| format!("apk {n} {v} x86_64")).collect();
            let purls: Vec<String> = packages
                .iter()
                .map(|(n, v)| format!("pkg:apk/alpine/{n}@{v}?arch=x86_64").replace('+', "%2B"))
                .collect();
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            let purls: Vec<&str> = purls.iter().map(String::as_str).collect();
            let result = agreed(&sbom(&purls), &inventory(&lines));
            prop_assert!(result.agrees() && result.matched == packages.len(), "{result:?}");
        }
    }
}
