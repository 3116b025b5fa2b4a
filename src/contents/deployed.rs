//! Packages that a list names and nobody brought along.
//!
//! A list that a compiler wrote beside a library names what the library was built with. Such a package is in the image where one
//! of its files is below the list's folder, or in a store of packages, `NAME/VERSION/`; else the list alone speaks of it.

use std::collections::BTreeSet;

use super::{catalogue::Listed, parts::split};
use crate::image::{rootfs::Rootfs, tar::EntryKind};

/// Files of one name that are looked at for a store.
const STORED: usize = 256;

/// The files of a tree, as soon as a list asks for them.
pub(super) struct Deployed<'r> {
    rootfs: &'r Rootfs,
    /// Names in lower case, since lists and files are not always written alike, each with its folder.
    files: Option<BTreeSet<(String, String)>>,
}

impl<'r> Deployed<'r> {
    /// Of a tree.
    pub(super) fn new(rootfs: &'r Rootfs) -> Self {
        Self { rootfs, files: None }
    }

    /// Those of the packages of the list at `path` that are in the tree.
    pub(super) fn of(&mut self, path: &str, mut packages: Vec<Listed>) -> Vec<Listed> {
        if packages.iter().any(|one| !one.deployed.is_empty()) {
            let files = self.files.get_or_insert_with(|| files(self.rootfs));
            let folder = format!("{}/", split(path).0);
            packages.retain(|one| {
                one.deployed.is_empty()
                    || one.deployed.iter().any(|name| is_there(files, &folder, one, name))
            });
        }
        packages
    }
}

fn files(rootfs: &Rootfs) -> BTreeSet<(String, String)> {
    let files = rootfs.nodes().filter(|(_, node)| node.kind != EntryKind::Directory);
    files
        .map(|(path, _)| {
            let (folder, name) = split(path);
            (name.to_lowercase(), format!("{folder}/"))
        })
        .collect()
}

fn is_there(
    files: &BTreeSet<(String, String)>,
    folder: &str,
    package: &Listed,
    name: &str,
) -> bool {
    let from = |folder: &str| files.range((name.to_owned(), folder.to_owned())..);
    let below = from(folder).next();
    if below.is_some_and(|(other, at)| other == name && at.starts_with(folder)) {
        return true;
    }
    let store = format!("/{}/{}/", package.name, package.version).to_lowercase();
    let mut same = from("").take(STORED).take_while(|(other, _)| other == name);
    same.any(|(_, at)| at.to_lowercase().contains(&store))
}
