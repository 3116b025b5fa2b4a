//! Files for whose bytes a package vouches.
//!
//! Turns a path and the checksums of what lies there into the package that recorded these very bytes for it. Whoever makes an
//! image chooses its paths; what he cannot choose is what the recorded digest of a package fits. It has to be at a place where
//! the package's manager puts files: below `/usr` and its like for a distribution, in the folder that Python imports from for
//! a wheel. Configuration and what others make is vouched for by nobody, and a distribution that recorded other bytes has the
//! last word.

use super::holdings::{Held, Holdings};
use crate::{
    contents::{
        Inventory, Package,
        claims::{Content, Role},
        is_distribution,
        lists::ReadList,
        sums::FileSums,
    },
    image::rootfs::Rootfs,
};

/// Folders that distributions put files of packages into, but for configuration.
const SYSTEM: [&str; 5] = ["/usr/", "/lib/", "/lib64/", "/bin/", "/sbin/"];
/// Folders that Python imports from.
const SITES: [&str; 2] = ["/site-packages/", "/dist-packages/"];

/// What packages recorded, for whoever asks of single files.
#[derive(Debug)]
pub struct Vouchers<'l> {
    holdings: Holdings<'l>,
    inventory: &'l Inventory,
}

impl<'l> Vouchers<'l> {
    /// Of the packages of an inventory and the lists of their files.
    pub fn new(inventory: &'l Inventory, lists: &'l [ReadList], rootfs: &Rootfs) -> Self {
        Self { holdings: Holdings::new(inventory, lists, rootfs), inventory }
    }

    /// The distribution's package that recorded these bytes for a path.
    pub fn distribution(&self, path: &str, sums: &FileSums) -> Option<&'l Package> {
        self.all(path, sums).find(|package| is_distribution(package.ecosystem))
    }

    /// The package that recorded these bytes for a path; not the one that the file itself lists.
    pub fn any(&self, path: &str, sums: &FileSums) -> Option<&'l Package> {
        self.all(path, sums).find(|package| package.database != path)
    }

    fn all<'s>(
        &'s self,
        path: &'s str,
        sums: &'s FileSums,
    ) -> impl Iterator<Item = &'l Package> + use<'s, 'l> {
        let held = self.holdings.of(path);
        let fits = move |one: &Held<'_>| match one.content {
            Content::Sum(sum) => sums.fits(sum),
            Content::Link(_) => Some(false),
            Content::Unknown => None,
        };
        let inventory: &'l Inventory = self.inventory;
        let package = move |one: &Held<'_>| inventory.packages.get(one.package);
        let of_distribution = move |one: &Held<'_>| {
            package(one).is_some_and(|package| is_distribution(package.ecosystem))
        };
        let denied = |one: &Held<'_>| fits(one) == Some(false) && of_distribution(one);
        let own = |role: Role| matches!(role, Role::Plain | Role::Documentation);
        let vouches = move |one: &&Held<'_>| fits(one) == Some(true) && own(one.role);
        let held = if held.iter().any(denied) { &[] } else { held };
        let packages = held.iter().filter(vouches).filter_map(package);
        packages.filter(move |package| is_plausible(package, path))
    }
}

/// Whether a package's manager puts files there.
fn is_plausible(package: &Package, path: &str) -> bool {
    if is_distribution(package.ecosystem) {
        return SYSTEM.iter().any(|folder| path.starts_with(folder));
    }
    let site = SITES.iter().find_map(|site| {
        let at = package.database.rfind(site)?;
        package.database.get(..at + site.len())
    });
    package.ecosystem == "pypi" && site.is_some_and(|site| path.starts_with(site))
}
