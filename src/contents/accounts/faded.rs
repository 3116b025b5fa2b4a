//! Records of installed packages that a later layer took away or changed.
//!
//! Whoever deletes the checksums of a package, or writes others, has nothing to fear of them: its files are then nobody's to
//! verify, or verified by what he wrote. What lower layers recorded tells. A package manager takes records back together with
//! the files, or writes new ones for another version of the package; neither is told. A record that another package took over
//! with the file is none that is gone. Nor does a package manager add files to a package that it installed before: such claims
//! are no claims. What os-release says decides which advisories are about the packages of a distribution: one that a later layer
//! replaces is told, unless a package recorded its bytes, as that of the next release does.

use std::collections::BTreeMap;

use super::holdings::{Fading, Held, Holdings, Older};
use crate::{
    contents::{Inventory, dpkg::STATUS_PATH},
    image::{rootfs::Rootfs, tar::EntryKind},
    limits::Limits,
};

/// Records of one package that are gone, or are others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Faded {
    /// Type of the package URL.
    pub ecosystem: &'static str,
    /// Name of the package.
    pub name: String,
    /// The list of the lower layer.
    pub evidence: String,
    /// The layer of that list.
    pub layer: usize,
    /// What became of it.
    pub fading: Fading,
    /// Files of the package that it is about and that are in the tree.
    pub files: usize,
    /// The first of them.
    pub first: String,
}

/// Every package of which records faded, sorted; at most `limits.told_files`.
pub(super) fn faded(
    inventory: &Inventory,
    holdings: &Holdings<'_>,
    rootfs: &Rootfs,
    limits: &Limits,
) -> Vec<Faded> {
    let both = holdings
        .older
        .iter()
        .flat_map(|older| [Fading::Gone, Fading::Changed].map(|fading| (older, fading)));
    let mut all: Vec<Faded> = both
        .filter_map(|(older, fading)| of_list(older, fading, inventory, holdings, rootfs))
        .collect();
    all.extend(grown(inventory, holdings, rootfs));
    all.sort();
    all.truncate(limits.told_files);
    all
}

/// Packages to whose files a later layer adds some that are there.
fn grown(inventory: &Inventory, holdings: &Holdings<'_>, rootfs: &Rootfs) -> Vec<Faded> {
    let mut told: BTreeMap<(usize, &str), Faded> = BTreeMap::new();
    for (one, list) in &holdings.grown {
        let Some(package) = inventory.packages.get(one.package) else { continue };
        if !is_there(one, rootfs) {
            continue;
        }
        let faded = told.entry((one.package, list.path.as_str())).or_insert_with(|| Faded {
            ecosystem: package.ecosystem,
            name: package.name.clone(),
            evidence: list.path.clone(),
            layer: list.layer,
            fading: Fading::Grown,
            files: 0,
            first: one.path.to_string(),
        });
        faded.files += 1;
    }
    told.into_values().collect()
}

fn is_there(one: &Held<'_>, rootfs: &Rootfs) -> bool {
    let kind = rootfs.get(&one.path).map(|node| node.kind);
    matches!(kind, Some(EntryKind::File | EntryKind::Symlink))
}

/// Packages to which a later layer gives another version and nothing else; at most `limits.told_files`.
pub(super) fn reversioned(inventory: &Inventory, limits: &Limits) -> Vec<Faded> {
    let told = inventory.reversioned.iter().take(limits.told_files).map(|one| Faded {
        ecosystem: "deb",
        name: one.name.clone(),
        evidence: STATUS_PATH.to_owned(),
        layer: one.layer,
        fading: Fading::Reversioned,
        files: 1,
        first: STATUS_PATH.to_owned(),
    });
    told.collect()
}

/// Packages to which a later layer gives another source; at most `limits.told_files`.
pub(super) fn resourced(inventory: &Inventory, limits: &Limits) -> Vec<Faded> {
    let told = inventory.resourced.iter().take(limits.told_files).map(|one| Faded {
        ecosystem: one.ecosystem,
        name: one.name.clone(),
        evidence: one.database.clone(),
        layer: one.layer,
        fading: Fading::Resourced,
        files: 1,
        first: one.database.clone(),
    });
    told.collect()
}

/// That os-release of a lower layer names another distribution or release than the file at this path.
pub(super) fn renamed(inventory: &Inventory, path: &str) -> Option<Faded> {
    let former = inventory.former_os.as_ref()?;
    Some(Faded {
        ecosystem: "generic",
        name: "os-release".to_owned(),
        evidence: former.path.to_owned(),
        layer: former.layer,
        fading: Fading::Renamed,
        files: 1,
        first: path.to_owned(),
    })
}

fn of_list(
    older: &Older<'_>,
    which: Fading,
    inventory: &Inventory,
    holdings: &Holdings<'_>,
    rootfs: &Rootfs,
) -> Option<Faded> {
    let package = inventory.packages.get(older.package)?;
    // Another version has other files; that it has no checksums at all is no work of its manager.
    if older.outdated && (which == Fading::Changed || holdings.has_checksums(older.package)) {
        return None;
    }
    let so = older.files.iter();
    let so = so.filter(|(one, fading)| *fading == Some(which) && is_there(one, rootfs));
    let mut files = so.map(|(one, _)| one);
    let first = files.next()?.path.to_string();
    Some(Faded {
        ecosystem: package.ecosystem,
        name: package.name.clone(),
        evidence: older.list.path.clone(),
        layer: older.list.layer,
        fading: which,
        files: 1 + files.count(),
        first,
    })
}
