//! The packages of an inventory, as they are looked up.

use std::{collections::HashMap, str::FromStr as _};

use packageurl::PackageUrl;

use super::{
    distribution::Distribution,
    matching::{Gap, GapKind, Subject, Twin},
    twin,
};
use crate::contents::{Inventory, Package, accounts::Base, is_distribution};

/// The distribution of an image, where it says one.
pub fn distribution(inventory: &Inventory) -> Option<Distribution> {
    let os = inventory.os.as_ref()?;
    Some(Distribution {
        id: os.id.clone(),
        version: os.version.clone(),
        codename: os.codename.clone(),
        version_text: os.version_text.clone(),
        platforms: Vec::new(),
    })
}

/// What the inventory cannot tell of an image: databases that cannot be believed, files that were left out, or all of it.
pub fn unread(inventory: &Inventory) -> Vec<Gap> {
    let gap = |name: String| Gap { kind: GapKind::Unread, name, packages: 0 };
    let databases = inventory
        .databases
        .iter()
        .filter_map(|one| one.read.as_ref().err().map(|why| gap(format!("{}: {why}", one.path))));
    let left_out = inventory.incomplete.iter();
    let left_out = left_out.map(|one| gap(format!("{}: {}: {}", one.catalogue, one.path, one.why)));
    let mut gaps: Vec<Gap> = databases.chain(left_out).collect();
    if gaps.is_empty() && inventory.packages.is_empty() {
        gaps.push(gap("the image: no package is known in it".to_owned()));
    }
    gaps
}

/// What is looked up of an image, in the order of its packages. `base` says how many of its layers are a known base's.
pub fn subjects(inventory: &Inventory, base: Base) -> Vec<Subject> {
    let twins = Twins::new(inventory, base);
    let all = inventory.packages.iter().enumerate();
    all.map(|(place, package)| subject(place, package, twins.of(package))).collect()
}

/// The distribution's packages that packages of languages may be a part of.
struct Twins<'i> {
    inventory: &'i Inventory,
    base: Base,
    /// Packages of the distribution by name, where some own a file that lists packages of languages.
    named: HashMap<&'i str, Vec<(usize, &'i Package)>>,
}

impl<'i> Twins<'i> {
    fn new(inventory: &'i Inventory, base: Base) -> Self {
        let mut named: HashMap<&str, Vec<(usize, &Package)>> =
            inventory.owned.values().map(|part| (part.package.as_str(), Vec::new())).collect();
        for (place, package) in inventory.packages.iter().enumerate() {
            if let Some(own) = named.get_mut(package.name.as_str())
                && is_distribution(package.ecosystem)
            {
                own.push((place, package));
            }
        }
        Self { inventory, base, named }
    }

    /// The distribution's package that a package is a part of, where both are of one project and version.
    fn of(&self, package: &Package) -> Option<Twin> {
        let part = self.inventory.owned.get(&package.database)?;
        let ((place, own), others) = self.named.get(part.package.as_str())?.split_first()?;
        // Architectures of one version are one; of several versions nobody knows which.
        let version = |one: &'i Package| {
            (&one.ecosystem, &one.version, &one.source, &one.source_version, &one.module)
        };
        let is_one = others.iter().all(|(_, other)| version(other) == version(own));
        let same =
            is_one && twin::is_same_project(package, own) && twin::is_same_version(package, own);
        // A base that only provenance names is one that nobody need trust.
        let of_base = self.base.configured_layers().zip(part.rests_on);
        let of_base = of_base.is_some_and(|(layers, rests_on)| rests_on < layers);
        same.then_some(Twin { place: *place, of_base })
    }
}

fn subject(place: usize, package: &Package, twin: Option<Twin>) -> Subject {
    let version = match (package.ecosystem, package.name.as_str()) {
        ("golang", "stdlib") => toolchain(&package.version),
        _ => package.version.clone(),
    };
    Subject {
        place,
        purl_type: package.ecosystem.to_owned(),
        name: package.name.clone(),
        version,
        source: package.source.clone(),
        source_version: package.source_version.clone(),
        module: package.module.clone(),
        twin,
    }
}

/// The package URLs by which others may mean a package: its own, and that of its source package. Of one that is built
/// for a module, each says so: a statement about another stream does not mean it.
pub fn purls(package: &Package) -> Vec<String> {
    let Some(module) = &package.module else { return plain_purls(package) };
    let of_module = |purl: String| {
        let Ok(mut url) = PackageUrl::from_str(&purl) else { return purl };
        match url.add_qualifier("rpmmod", module.clone()).is_ok() {
            true => url.to_string(),
            false => purl.clone(),
        }
    };
    plain_purls(package).into_iter().map(of_module).collect()
}

fn plain_purls(package: &Package) -> Vec<String> {
    let mut purls: Vec<String> = package.purl.iter().cloned().collect();
    let source = package.source.as_deref().filter(|source| *source != package.name);
    if let (Some(own), Some(source)) = (&package.purl, source)
        && let Ok(own) = PackageUrl::from_str(own)
        && let Ok(mut purl) = PackageUrl::new(own.ty().to_owned(), source.to_owned())
    {
        let version = package.source_version.as_ref().unwrap_or(&package.version);
        let namespace = own.namespace().map(str::to_owned);
        let named = namespace.is_none_or(|namespace| purl.with_namespace(namespace).is_ok());
        if named && purl.with_version(version.clone()).is_ok() {
            purls.push(purl.to_string());
        }
    }
    purls
}

/// A version of Go's toolchain as records write it: `1.21rc2` is 1.21.0-rc.2.
fn toolchain(version: &str) -> String {
    let Some((numbers, label)) = version
        .split_at_checked(version.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(version.len()))
    else {
        return version.to_owned();
    };
    let digits = label.find(|c: char| c.is_ascii_digit()).unwrap_or(label.len());
    let (word, number) = label.split_at(digits);
    match (word, number.is_empty()) {
        ("rc" | "beta", false) => {
            let missing = ".0".repeat(2_usize.saturating_sub(numbers.matches('.').count()));
            format!("{numbers}{missing}-{word}.{number}")
        }
        _ => version.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{contents::PartOf, digest::DiffId};

    #[test]
    fn a_package_is_meant_by_its_source_too() {
        let package = Package {
            ecosystem: "deb",
            name: "libssl3".to_owned(),
            version: "3.0.1-1+b1".to_owned(),
            architecture: None,
            purl: Some("pkg:deb/debian/libssl3@3.0.1-1%2Bb1?arch=amd64".to_owned()),
            licence: None,
            source: Some("openssl".to_owned()),
            source_version: Some("3.0.1-1".to_owned()),
            module: None,
            database: "/var/lib/dpkg/status".to_owned(),
            layer: None,
        };
        assert_eq!(purls(&package)[1..], ["pkg:deb/debian/openssl@3.0.1-1"]);
        let same = Package { source: None, ..package };
        assert_eq!(purls(&same).len(), 1);
    }

    #[test]
    fn c104_a_twin_is_of_a_base_that_the_operator_lists_and_of_nobody_else_s() {
        let package = |ecosystem, name: &str, version: &str, database: &str| Package {
            ecosystem,
            name: name.to_owned(),
            version: version.to_owned(),
            architecture: None,
            purl: None,
            licence: None,
            source: None,
            source_version: None,
            module: None,
            database: database.to_owned(),
            layer: None,
        };
        let status = "/var/lib/dpkg/status";
        let (pip, vendored, alone) = ("/d/pip.dist-info/METADATA", "/d/_vendor/a", "/d/b");
        let part = |rests_on| PartOf { package: "python3-pip".to_owned(), rests_on };
        let of = |own: &str, rests_on| Inventory {
            packages: vec![
                package("deb", "python3-pip", own, status),
                package("pypi", "pip", "23.0.1", pip),
                package("pypi", "urllib3", "23.0.1", vendored),
                package("pypi", "pip", "23.0.1", alone),
            ],
            owned: [pip, vendored].map(|path| (path.to_owned(), part(rests_on))).into(),
            ..Inventory::default()
        };
        let chain = ["a", "b", "c"].map(|text| DiffId::of(text.as_bytes()));
        let known = [chain[..2].to_vec()];
        let (listed, named) = (Base::of(&chain, &known), Base::of_provenance(&chain, &known));
        let cases = [
            ("23.0.1+dfsg-1", Some(0), listed, Some(true)),
            ("23.0.1+dfsg-1", Some(1), listed, Some(true)),
            ("23.0.1+dfsg-1", Some(2), listed, Some(false)),
            ("23.0.1+dfsg-1", None, listed, Some(false)),
            ("23.0.1+dfsg-1", Some(0), named, Some(false)),
            ("23.0.1+dfsg-1", Some(0), Base::default(), Some(false)),
            ("23.0.2-1", Some(0), listed, None),
        ];
        for (version, rests_on, base, want) in cases {
            let twins = subjects(&of(version, rests_on), base);
            let twins: Vec<_> = twins.iter().map(|one| one.twin.map(|twin| twin.of_base)).collect();
            assert_eq!(twins, [None, want, None, None], "{version} {rests_on:?} {base:?}");
        }
        // Of two versions of one name nobody knows which it is.
        let mut several = of("23.0.1-1", Some(0));
        several.packages.push(package("deb", "python3-pip", "9:23.0.1-1", status));
        assert_eq!(subjects(&several, listed)[1].twin, None);
    }

    #[test]
    fn toolchains_are_semantic_versions() {
        let cases = [
            ("1.22.1", "1.22.1"),
            ("1.21", "1.21"),
            ("1.21rc2", "1.21.0-rc.2"),
            ("1.18beta1", "1.18.0-beta.1"),
            ("1.21.0rc1", "1.21.0-rc.1"),
            ("devel", "devel"),
            ("", ""),
            ("1.21rc", "1.21rc"),
        ];
        for (text, want) in cases {
            assert_eq!(toolchain(text), want);
        }
    }

    #[test]
    fn c43_what_the_inventory_left_out_is_a_gap() {
        use crate::contents::{Database, Incomplete};
        let mut inventory = Inventory::default();
        assert_eq!(unread(&inventory).len(), 1, "nothing at all is known");
        let package = Package {
            ecosystem: "npm",
            name: "a".to_owned(),
            version: "1".to_owned(),
            architecture: None,
            purl: None,
            licence: None,
            source: None,
            source_version: None,
            module: None,
            database: "/a/package.json".to_owned(),
            layer: None,
        };
        inventory.packages.push(package);
        assert_eq!(unread(&inventory), []);
        let path = "/var/lib/dpkg/status".to_owned();
        inventory.databases.push(Database { path, read: Err("it is not there".to_owned()) });
        let (path, why) = ("/x/package.json".to_owned(), "it is too large".to_owned());
        inventory.incomplete.push(Incomplete { catalogue: "npm", path, why, files: 1 });
        let names: Vec<_> = unread(&inventory).into_iter().map(|gap| gap.name).collect();
        let want =
            ["/var/lib/dpkg/status: it is not there", "npm: /x/package.json: it is too large"];
        assert_eq!(names, want);
    }
}
