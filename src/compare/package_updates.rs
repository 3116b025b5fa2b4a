//! Packages that moved on between two builds (class L).
//!
//! Reads the package databases of both sides where they differ, lists the packages whose versions do, and finds the files
//! that belong to them. What is only a newer version is told apart
//! from a file that changed for no such reason; both stay differences.

use std::collections::{BTreeMap, BTreeSet};

use super::{Class, Difference, Place};
use crate::{
    contents::{self, ownership},
    limits::Limits,
};

/// Files of the package managers themselves.
const BOOKKEEPING: [&str; 4] =
    ["/var/lib/dpkg/", "/lib/apk/db/", "/usr/lib/apk/db/", "/var/cache/apt/"];

/// A package that is not the same on both sides.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PackageChange {
    /// `deb`, `apk` or `rpm`.
    pub ecosystem: &'static str,
    /// Name.
    pub name: String,
    /// Version on the left (published) side.
    pub left: Option<String>,
    /// Version on the right (rebuilt) side.
    pub right: Option<String>,
}

/// Whether the bytes of a differing file tell something about packages.
pub(super) fn is_wanted(path: &str) -> bool {
    contents::is_database(path) || ownership::is_list(path)
}

/// What both sides have of a file that [`is_wanted`].
pub(super) struct Kept {
    pub(super) path: String,
    pub(super) left: Vec<u8>,
    pub(super) right: Vec<u8>,
}

/// The packages whose versions differ.
pub(super) fn packages(kept: &[Kept], limits: &Limits) -> Vec<PackageChange> {
    let side = |bytes: fn(&Kept) -> &[u8]| {
        let databases = kept.iter().filter(|kept| contents::is_database(&kept.path));
        let files = databases.map(|kept| (kept.path.as_str(), bytes(kept)));
        let found = contents::read(files, limits).packages.into_iter();
        found.map(|p| ((p.ecosystem, p.name), p.version)).collect::<BTreeMap<_, _>>()
    };
    let (left, right) = (side(|kept| &kept.left), side(|kept| &kept.right));
    let names: BTreeSet<_> = left.keys().chain(right.keys()).collect();
    names
        .into_iter()
        .filter(|name| left.get(name) != right.get(name))
        .map(|name| PackageChange {
            ecosystem: name.0,
            name: name.1.clone(),
            left: left.get(name).cloned(),
            right: right.get(name).cloned(),
        })
        .collect()
}

/// Gives class L to content that belongs to the changed packages.
pub(super) fn sort(differences: &mut [Difference], kept: &[Kept], changes: &[PackageChange]) {
    if changes.is_empty() {
        return;
    }
    let owned = owned(kept, changes);
    for difference in differences {
        let Place::Entry { path, .. } = &difference.place else { continue };
        let moved = owned.contains(path) || BOOKKEEPING.iter().any(|place| path.starts_with(place));
        if moved && matches!(difference.class, Class::Content | Class::Toolchain | Class::Cache) {
            difference.class = Class::PackageDrift;
        }
    }
}

/// The paths of the changed packages, as far as the kept files tell.
fn owned(kept: &[Kept], changes: &[PackageChange]) -> BTreeSet<String> {
    let changed: BTreeSet<&str> = changes.iter().map(|change| change.name.as_str()).collect();
    let both = |file: &'_ Kept| {
        let sides = [&file.left, &file.right];
        sides.map(|bytes| ownership::owned(&file.path, bytes, &changed))
    };
    kept.iter().flat_map(both).flatten().collect()
}
