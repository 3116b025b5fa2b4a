//! The collector of Debian's copyright files: the licences that are found beside a package, since its database has none.

use std::collections::BTreeMap;

use super::Package;
use crate::{
    image::{
        collect::{Collector, Seen},
        rootfs::Rootfs,
    },
    licences::{self, Licence, Unreadable},
};

/// What is found of packages, by the package's name.
pub type Found = BTreeMap<String, Result<Licence, Unreadable>>;

/// Folder of the documents of packages.
const FOLDER: &str = "/usr/share/doc/";
const NAME: &str = "/copyright";
/// What one takes in memory beside its words; each term is held twice.
const FOUND_BYTES: u64 = 512;
/// Files that are kept of one image; those of a large distribution have some thousands of packages.
const FILES: usize = 50_000;

/// Reads copyright files.
#[derive(Debug, Default)]
pub struct CopyrightCollector {
    found: BTreeMap<u64, Result<Licence, Unreadable>>,
    open: Option<(u64, Vec<u8>)>,
    needs: u64,
    held: u64,
}

impl CopyrightCollector {
    /// What is found of the packages that dpkg installed, where their documents are, or where a link of their folder leads.
    pub fn finish(&self, rootfs: &Rootfs, packages: &[Package]) -> Found {
        let debian = packages.iter().filter(|package| package.ecosystem == "deb");
        let found = debian.filter_map(|package| {
            let real = rootfs.resolve(&format!("{FOLDER}{}{NAME}", package.name))?;
            let read = self.found.get(&rootfs.get(&real)?.inode)?;
            Some((package.name.clone(), read.clone()))
        });
        found.collect()
    }
}

impl Collector for CopyrightCollector {
    fn wants(&mut self, file: &Seen<'_>) -> bool {
        self.open = None;
        self.needs = 0;
        let package = file.path.strip_prefix(FOLDER).and_then(|rest| rest.strip_suffix(NAME));
        let wanted = package.is_some_and(|package| !package.contains('/'));
        if !wanted || self.found.len() >= FILES {
            return false;
        }
        if file.size > licences::COPYRIGHT_BYTES {
            self.held += FOUND_BYTES;
            self.found.insert(file.inode, Err(Unreadable::TooMuch));
            return false;
        }
        self.needs = file.size;
        self.open = Some((file.inode, Vec::new()));
        true
    }

    fn take(&mut self, bytes: &[u8]) {
        if let Some((_, held)) = &mut self.open {
            held.extend_from_slice(bytes);
        }
    }

    fn close(&mut self) {
        self.needs = 0;
        if let Some((inode, bytes)) = self.open.take() {
            let read = licences::of_copyright(&bytes);
            let words = read.as_ref().map_or(0, Licence::bytes);
            self.held = self.held.saturating_add(FOUND_BYTES).saturating_add(words);
            self.found.insert(inode, read);
        }
    }

    fn held(&self) -> u64 {
        self.held.saturating_add(self.needs)
    }
}
