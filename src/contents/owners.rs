//! Owners of the files that list packages of languages.
//!
//! Turns these files, their checksums and what packages recorded into which of them are a part of a package of the
//! distribution, and which are test data of another package. Both are decided by recorded bytes, never by a path or a name.
//! On which layers the first rests is told with it ([`super::footing`]): records are written by whoever makes a layer.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    CATALOGUES, Inventory, Package, PartOf,
    accounts::Vouchers,
    assembly::Item,
    footing::{Footings, Records, is_library},
    lists::ReadList,
    npm, python,
    sums::FileSums,
};
use crate::image::{collect::Seen, rootfs::Rootfs};

/// Whether claims of a path are kept where nobody asks for all: whoever owns a file that lists packages owns these, and what
/// they are loaded from with it.
pub(super) fn lists_packages(ecosystem: &str, path: &str) -> bool {
    let file = Seen::named(path);
    CATALOGUES.iter().any(|one| !one.origin.managed && (one.wants)(&file))
        || is_library(ecosystem, path)
}

/// Whether a path that lists a package of a language looks like test data of another one.
pub(super) fn is_test_data(path: &str) -> bool {
    python::is_test_data(path) || npm::is_test_data(path)
}

/// Files that list packages of languages, and the packages that own them.
pub(super) struct Owned {
    /// The distribution's package, by path.
    pub(super) by: BTreeMap<String, PartOf>,
    /// Those that are test data of another package, which recorded them.
    pub(super) test_data: BTreeSet<String>,
}

/// What the packages of a tree recorded.
pub(super) struct Recorded<'a> {
    /// What is installed.
    pub(super) inventory: &'a Inventory,
    /// Lists of files.
    pub(super) lists: &'a [ReadList],
    /// Since when databases say what they say.
    pub(super) records: &'a Records,
    /// Since when os-release does.
    pub(super) release: Option<usize>,
    /// The tree.
    pub(super) rootfs: &'a Rootfs,
}

/// Looks up who owns the files that list packages of languages.
pub(super) fn owned(
    items: &[Item],
    sums: &BTreeMap<u64, FileSums>,
    recorded: &Recorded<'_>,
) -> Owned {
    let Recorded { inventory, lists, records, release, rootfs } = *recorded;
    let mut owned = Owned { by: BTreeMap::new(), test_data: BTreeSet::new() };
    let of_item = |item: &Item| sums.get(&rootfs.get(&item.path)?.inode);
    let mut items = items.iter().filter_map(|item| Some((&item.path, of_item(item)?))).peekable();
    if items.peek().is_none() {
        return owned;
    }
    let vouchers = Vouchers::new(inventory, lists, rootfs);
    let mut owners: BTreeMap<&Package, BTreeSet<&str>> = BTreeMap::new();
    for (path, sums) in items {
        if is_test_data(path) && vouchers.any(path, sums).is_some() {
            owned.test_data.insert(path.clone());
        } else if let Some(package) = vouchers.distribution(path, sums) {
            owners.entry(package).or_default().insert(path);
        }
    }
    let layers = Footings::new(records, release, lists, rootfs).of(&owners);
    for (package, paths) in owners {
        let (name, rests_on) = (&package.name, layers.get(package).copied());
        let part = || PartOf { package: name.clone(), rests_on };
        owned.by.extend(paths.into_iter().map(|path| (path.to_owned(), part())));
    }
    owned
}
