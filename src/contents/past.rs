//! Versions that packages had in lower layers.
//!
//! Turns what databases of all layers list into which lists of files are outdated: what a list of a lower layer records of a
//! package is about the version that it had there.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Inventory, Package, Reversioned,
    catalogue::Listed,
    claims::{Claim, Content, Owner},
    dpkg::STATUS_PATH,
    lists::ReadList,
};

/// What there is of each name, by ecosystem.
type Named<'n, T> = BTreeMap<(&'static str, &'n str), Vec<T>>;

/// A package in the database of a layer.
#[derive(Debug)]
pub(super) struct Past {
    ecosystem: &'static str,
    name: String,
    architecture: Option<String>,
    version: String,
    layer: usize,
}

/// Ecosystems and names of packages of which the tree lacks a list of files that a layer has.
pub(super) fn asked(lists: &[ReadList]) -> BTreeSet<(&'static str, &str)> {
    let gone = lists.iter().filter(|list| !list.live);
    let owners = gone.flat_map(|list| {
        list.told.claims.iter().map(|claims| (list.origin.ecosystem, &claims.owner))
    });
    let named = owners.filter_map(|(ecosystem, owner)| match owner {
        Owner::Named { name, .. } => Some((ecosystem, name.as_str())),
        Owner::ListedAt(_) => None,
    });
    named.collect()
}

/// Those of them that a database lists.
pub(super) fn of(
    layer: usize,
    ecosystem: &'static str,
    packages: &[Listed],
    asked: &BTreeSet<(&'static str, &str)>,
) -> Vec<Past> {
    let own = packages.iter().filter(|one| asked.contains(&(ecosystem, one.name.as_str())));
    own.map(|one| Past {
        ecosystem,
        name: one.name.clone(),
        architecture: one.architecture.clone(),
        version: one.version.clone(),
        layer,
    })
    .collect()
}

/// Marks the owners of whom a list of a lower layer speaks in another version than they have now.
pub(super) fn outdate(lists: &mut [ReadList], past: &[Past], inventory: &Inventory) {
    let mut then: Named<'_, &Past> = BTreeMap::new();
    for one in past {
        then.entry((one.ecosystem, one.name.as_str())).or_default().push(one);
    }
    let mut now: Named<'_, &Package> = BTreeMap::new();
    for one in inventory.packages.iter().filter(|_| !past.is_empty()) {
        now.entry((one.ecosystem, one.name.as_str())).or_default().push(one);
    }
    for list in lists.iter_mut().filter(|list| !list.live) {
        let (ecosystem, layer) = (list.origin.ecosystem, list.layer);
        let owners = list.told.claims.iter().map(|claims| &claims.owner);
        let is_outdated = |owner: &&Owner| {
            let Owner::Named { name, architecture } = owner else { return false };
            let is = |of: Option<&String>| {
                of.zip(architecture.as_ref()).is_none_or(|(one, two)| one == two)
            };
            let key = (ecosystem, name.as_str());
            let then = then.get(&key).into_iter().flatten();
            let mut then = then.filter(|one| is(one.architecture.as_ref()));
            // What the database of this layer says; where it came later, the first that there is.
            let before = then.clone().filter(|one| one.layer <= layer).max_by_key(|one| one.layer);
            let Some(version) = before.or_else(|| then.next()).map(|one| &one.version) else {
                return false;
            };
            let mut now = now.get(&key).into_iter().flatten();
            !now.any(|one| is(one.architecture.as_ref()) && one.version == *version)
        };
        list.outdated = owners.filter(is_outdated).cloned().collect();
    }
}

/// Packages to which dpkg's status of a later layer gives another version, with the checksums of before: dpkg writes both anew,
/// and no two versions of a package have the same changelog. Statuses are by layer.
pub(super) fn reversioned(
    statuses: &BTreeMap<usize, &[Listed]>,
    lists: &[ReadList],
) -> Vec<Reversioned> {
    // By name alone: an architecture that is another, too, makes no other package.
    let mut versions: BTreeMap<&str, (usize, &str)> = BTreeMap::new();
    let mut changed: BTreeMap<&str, Reversioned> = BTreeMap::new();
    for (layer, packages) in statuses {
        for one in *packages {
            let before = versions.insert(one.name.as_str(), (*layer, one.version.as_str()));
            let Some((then, version)) = before else { continue };
            if then != *layer && version != one.version.as_str() {
                let (name, version) = (one.name.clone(), version.to_owned());
                changed.insert(one.name.as_str(), Reversioned { name, version, layer: then });
            }
        }
    }
    if changed.is_empty() {
        return Vec::new();
    }
    let last = statuses.values().next_back().copied().unwrap_or_default();
    let installed: BTreeSet<&str> = last.iter().map(|one| one.name.as_str()).collect();
    let summed = named(lists, true, |claim| matches!(claim.content, Content::Sum(_)));
    // What a list of the tree says alike was forgotten of the one before.
    let replaced = named(lists, false, |_| true);
    changed.retain(|name, one| {
        let of_before = |layer: &usize| *layer <= one.layer || !replaced.contains_key(name);
        installed.contains(name) && summed.get(name).is_some_and(of_before)
    });
    changed.into_values().collect()
}

/// Names of dpkg's packages of which lists that the tree has, or has no longer, claim such a file, with the highest layer of these.
fn named(lists: &[ReadList], live: bool, is_such: fn(&Claim) -> bool) -> BTreeMap<&str, usize> {
    let mut names = BTreeMap::new();
    let own = lists.iter().filter(|list| {
        list.live == live && list.origin.ecosystem == "deb" && list.path != STATUS_PATH
    });
    for list in own {
        for claims in &list.told.claims {
            let Owner::Named { name, .. } = &claims.owner else { continue };
            if claims.files.iter().any(is_such) {
                let layer = names.entry(name.as_str()).or_insert(list.layer);
                *layer = list.layer.max(*layer);
            }
        }
    }
    names
}
