//! The packages of an inventory, as they are looked up.

use std::str::FromStr as _;

use packageurl::PackageUrl;

use super::{
    distribution::Distribution,
    matching::{Gap, GapKind, Subject},
};
use crate::contents::{Inventory, Package};

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

/// What is looked up of an image, in the order of its packages.
pub fn subjects(inventory: &Inventory) -> Vec<Subject> {
    inventory.packages.iter().enumerate().map(|(place, package)| subject(place, package)).collect()
}

fn subject(place: usize, package: &Package) -> Subject {
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
        owned: false,
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
