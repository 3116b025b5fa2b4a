//! Owners of the files that list packages of languages.
//!
//! Turns these files, their checksums and what packages recorded into which of them are a part of a package of the
//! distribution, and which are test data of another package. Both are decided by recorded bytes, never by a path or a name.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    CATALOGUES, Inventory, accounts::Vouchers, assembly::Item, lists::ReadList, npm, python,
    sums::FileSums,
};
use crate::image::{collect::Seen, rootfs::Rootfs};

/// Whether claims of a path are kept where nobody asks for all: whoever owns a file that lists packages owns these.
pub(super) fn lists_packages(path: &str) -> bool {
    let file = Seen::named(path);
    CATALOGUES.iter().any(|one| !one.origin.managed && (one.wants)(&file))
}

/// Whether a path that lists a package of a language looks like test data of another one.
pub(super) fn is_test_data(path: &str) -> bool {
    python::is_test_data(path) || npm::is_test_data(path)
}

/// Files that list packages of languages, and the packages that own them.
pub(super) struct Owned {
    /// The distribution's package, by path.
    pub(super) by: BTreeMap<String, String>,
    /// Those that are test data of another package, which recorded them.
    pub(super) test_data: BTreeSet<String>,
}

/// Looks up who owns the files that list packages of languages.
pub(super) fn owned(
    items: &[Item],
    sums: &BTreeMap<u64, FileSums>,
    inventory: &Inventory,
    lists: &[ReadList],
    rootfs: &Rootfs,
) -> Owned {
    let mut owned = Owned { by: BTreeMap::new(), test_data: BTreeSet::new() };
    let of_item = |item: &Item| sums.get(&rootfs.get(&item.path)?.inode);
    let mut items = items.iter().filter_map(|item| Some((&item.path, of_item(item)?))).peekable();
    if items.peek().is_none() {
        return owned;
    }
    let vouchers = Vouchers::new(inventory, lists, rootfs);
    for (path, sums) in items {
        if is_test_data(path) && vouchers.any(path, sums).is_some() {
            owned.test_data.insert(path.clone());
        } else if let Some(package) = vouchers.distribution(path, sums) {
            owned.by.insert(path.clone(), package.name.clone());
        }
    }
    owned
}
