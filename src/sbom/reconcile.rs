//! Whether an SBOM and the image's own databases agree.
//!
//! Turns an [`Sbom`] and an [`Inventory`] into a [`Reconciliation`]. The key is ecosystem and name from the purl (purl-spec,
//! types `deb`, `apk` and `rpm`); the architecture tells packages of one name apart, where both sides give it. Versions are
//! compared as text after percent-decoding, with the `epoch` qualifier put in front and an epoch of 0 left out. Source
//! packages (`arch=source`) and the `upstream` qualifier name no installed package and are never compared with one.
//! Ecosystems whose database nobody read are neither confirmed nor denied, and so are those of packages that no distribution
//! installed: which of them a document should list depends on what it is about.

use std::collections::{BTreeMap, BTreeSet};

use packageurl::PackageUrl;

use super::{Component, Reconciliation, Sbom, VersionMismatch};
use crate::contents::{Inventory, Package};

/// Ecosystem and name.
type Key = (String, String);

/// What the SBOM says about a package.
struct Claim<'a> {
    component: &'a Component,
    version: Option<String>,
    architecture: Option<String>,
}

/// Compares what is claimed with what is installed.
pub fn reconcile(sbom: &Sbom, inventory: &Inventory) -> Reconciliation {
    let mut result =
        Reconciliation { sbom: Some(sbom.document.clone()), ..Reconciliation::default() };
    let readable = readable(inventory);
    let mut claims: BTreeMap<Key, Vec<Claim<'_>>> = BTreeMap::new();
    for component in &sbom.components {
        match claim(component).filter(|(key, _)| readable.contains(key.0.as_str())) {
            Some((key, claim)) => claims.entry(key).or_default().push(claim),
            None => result.unchecked += 1,
        }
    }
    let mut installed: BTreeMap<Key, Vec<&Package>> = BTreeMap::new();
    for package in inventory.managed() {
        let key = (package.ecosystem.to_owned(), package.name.clone());
        installed.entry(key).or_default().push(package);
    }
    let keys: BTreeSet<Key> = claims.keys().chain(installed.keys()).cloned().collect();
    for key in keys {
        let claims = claims.remove(&key).unwrap_or_default();
        compare(&installed.remove(&key).unwrap_or_default(), claims, &mut result);
    }
    result.missing.sort();
    result.ghosts.sort();
    result.versions.sort();
    result
}

/// Ecosystems of which at least one package was read.
fn readable(inventory: &Inventory) -> BTreeSet<&str> {
    inventory.managed().map(|package| package.ecosystem).collect()
}

/// The claim that a component makes about an installed package, where it makes one.
fn claim(component: &Component) -> Option<(Key, Claim<'_>)> {
    let purl: PackageUrl<'_> = component.purl.as_deref()?.parse().ok()?;
    let qualifier = |name: &str| purl.qualifiers().get(name).map(|value| value.to_string());
    let architecture = qualifier("arch");
    if architecture.as_deref() == Some("source") {
        return None;
    }
    let version = purl.version().map(str::to_owned).or_else(|| component.version.clone());
    let version = version.map(|version| match qualifier("epoch") {
        Some(epoch) if !has_epoch(&version) => format!("{epoch}:{version}"),
        _ => version,
    });
    let key = (purl.ty().to_owned(), purl.name().to_owned());
    Some((key, Claim { component, version, architecture }))
}

fn has_epoch(version: &str) -> bool {
    let epoch = version.split_once(':').map(|(epoch, _)| epoch);
    epoch.is_some_and(|e| !e.is_empty() && e.bytes().all(|b| b.is_ascii_digit()))
}

/// An epoch of 0 is the same as none (deb-version(7)).
fn plain(version: &str) -> &str {
    version.strip_prefix("0:").unwrap_or(version)
}

impl Claim<'_> {
    fn may_be(&self, package: &Package) -> bool {
        match (self.architecture.as_deref(), package.architecture.as_deref()) {
            (Some(claimed), Some(installed)) => claimed == installed,
            _ => true,
        }
    }

    fn is(&self, package: &Package) -> bool {
        let same = self.version.as_deref().map(plain) == Some(plain(&package.version));
        same && self.may_be(package)
    }
}

/// Compares packages and claims of one key.
fn compare(installed: &[&Package], claims: Vec<Claim<'_>>, result: &mut Reconciliation) {
    let (confirmed, unclaimed): (Vec<_>, Vec<_>) =
        installed.iter().partition::<Vec<&Package>, _>(|p| claims.iter().any(|c| c.is(p)));
    result.matched += confirmed.len();
    let mut open: Vec<Claim<'_>> =
        claims.into_iter().filter(|c| !installed.iter().any(|p| c.is(p))).collect();
    for package in unclaimed {
        match open.iter().position(|claim| claim.may_be(package)) {
            Some(position) => {
                let claim = open.remove(position);
                result.versions.push(VersionMismatch {
                    installed: package.clone(),
                    claimed: claim.version.unwrap_or_default(),
                });
            }
            None => result.missing.push(package.clone()),
        }
    }
    result.ghosts.extend(open.into_iter().map(|claim| claim.component.clone()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use proptest::prelude::*;

    fn sbom(purls: &[&str]) -> Sbom {
        let component =
            |purl: &&str| Component::new(Some((*purl).to_owned()), "label".to_owned(), None);
        Sbom {
            format: "SPDX-2.3".to_owned(),
            name: None,
            created: None,
            tools: Vec::new(),
            components: purls.iter().map(component).collect(),
            names_image: Vec::new(),
            document: Digest::sha256(b""),
        }
    }

    /// Packages written as `deb name version arch`.
    fn inventory(packages: &[&str]) -> Inventory {
        let package = |text: &&str| {
            let words: Vec<&str> = text.split(' ').collect();
            Package {
                ecosystem: match words[0] {
                    "deb" => "deb",
                    "rpm" => "rpm",
                    _ => "apk",
                },
                name: words[1].to_owned(),
                version: words[2].to_owned(),
                architecture: words.get(3).map(|arch| (*arch).to_owned()),
                purl: None,
                licence: None,
                source: None,
                source_version: None,
                database: "/db".to_owned(),
                layer: None,
            }
        };
        Inventory { packages: packages.iter().map(package).collect(), ..Inventory::default() }
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
        ("other ecosystem", &["pkg:npm/a@1", "pkg:apk/alpine/a@1"], &["deb a 1"], (0, 1, 0, 0, 2)),
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
            let r = reconcile(&sbom(claimed), &inventory(installed));
            let found = (r.matched, r.missing.len(), r.ghosts.len(), r.versions.len(), r.unchecked);
            assert_eq!(found, *want, "{name}");
            assert_eq!(r.agrees(), want.1 + want.2 + want.3 == 0, "{name}");
        }
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
            let result = reconcile(&sbom(&purls), &inventory(&lines));
            prop_assert!(result.agrees() && result.matched == packages.len(), "{result:?}");
        }
    }
}
