//! Lists of files as they pass by: what each version of each list tells.
//!
//! Turns the bytes of lists into what they tell, by the number of the file. Of a list that a later layer replaced, what the
//! newer one has no word about, or says otherwise, is kept: packages that vanished from a database while their files stayed,
//! and records that were taken away or changed, are found by it.
//! Claims of one image are bounded by `limits.ownedFiles`; what is beyond is told as left out.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    FILE_LISTS, ages,
    assembly::Why,
    catalogue::{Garbled, Origin},
    claims::{Claim, FileList, Owner, Told},
};
use crate::{
    image::{collect::Seen, rootfs::Rootfs, tar::EntryKind},
    limits::Limits,
};

/// A list that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadList {
    /// Who wrote it.
    pub origin: Origin,
    /// Path of the list.
    pub path: String,
    /// The layer that it is from, counted from 0.
    pub layer: usize,
    /// Whether the tree still has it; one that it has not owns nothing.
    pub live: bool,
    /// What it tells.
    pub told: Told,
    /// Of whose packages it speaks that have another version since: what it says of them is outdated.
    pub outdated: BTreeSet<Owner>,
    /// Since which layers it makes its claims, where a list of a lower layer made some of them.
    pub ages: ages::ByOwner,
}

/// Of which paths claims are kept, by the ecosystem of who makes them.
pub(super) type Kept = fn(&str, &str) -> bool;

/// Every version of every list that was read.
#[derive(Debug)]
pub(super) struct Lists {
    kept: Kept,
    read: BTreeMap<u64, Vec<ReadList>>,
    /// The file that a path had last.
    last: BTreeMap<String, u64>,
    files: usize,
    held: u64,
}

/// The lists that a file may be.
pub(super) fn of(path: &str) -> impl Iterator<Item = &'static FileList> {
    FILE_LISTS.iter().copied().filter(move |list| (list.wants)(path))
}

/// Why a list of this size is not read, if it is not.
pub(super) fn too_large(list: &FileList, size: u64, limits: &Limits) -> Option<Why> {
    let most = list.file_bytes.min(limits.file_bytes);
    (size > most).then_some(if most == limits.file_bytes {
        Why::LargerThanLimit(most)
    } else {
        Why::Larger(most)
    })
}

/// What a file at a path tells by every list that it is, for whoever has nothing but its bytes.
pub fn read(path: &str, bytes: &[u8], limits: &Limits) -> Vec<Result<Told, Garbled>> {
    of(path).map(|list| (list.read)(path, bytes, limits.owned_files)).collect()
}

impl Lists {
    /// Nothing is read yet.
    pub(super) fn new(kept: Kept) -> Self {
        Self { kept, read: BTreeMap::new(), last: BTreeMap::new(), files: 0, held: 0 }
    }

    /// Bytes of memory.
    pub(super) fn held(&self) -> u64 {
        self.held
    }

    /// Reads a file by every list that it is; gives why one could not be.
    pub(super) fn take(
        &mut self,
        file: &Seen<'_>,
        bytes: &[u8],
        limits: &Limits,
    ) -> Vec<(Origin, Why)> {
        let mut gaps = Vec::new();
        for list in of(file.path) {
            let left = limits.owned_files.saturating_sub(self.files);
            match (list.read)(file.path, bytes, left) {
                Ok(told) => {
                    let (kept, ecosystem) = (self.kept, list.origin.ecosystem);
                    self.keep(list.origin, file, told.of_paths(|path| kept(ecosystem, path)));
                }
                Err(Garbled::TooMany) => {
                    gaps.push((list.origin, Why::OwnedFiles(limits.owned_files)));
                }
                Err(garbled) => gaps.push((list.origin, Why::Garbled(garbled))),
            }
        }
        gaps
    }

    fn keep(&mut self, origin: Origin, file: &Seen<'_>, told: Told) {
        let ages = self.supersede(origin, file, &told);
        self.held = self.held.saturating_add(ages::bytes(&ages));
        self.files = self.files.saturating_add(told.files());
        self.held = self.held.saturating_add(told.bytes());
        let (path, layer) = (file.path.to_owned(), file.layer);
        let outdated = BTreeSet::new();
        let path_of = path.clone();
        let read = ReadList { origin, path: path_of, layer, live: false, told, outdated, ages };
        self.last.insert(path, file.inode);
        self.read.entry(file.inode).or_default().push(read);
    }

    /// Forgets of the list before at this path what the new one tells, too: what it leaves out, or tells otherwise, is kept.
    /// Gives since when the new one's claims are made.
    fn supersede(&mut self, origin: Origin, file: &Seen<'_>, told: &Told) -> ages::ByOwner {
        let mut ages = ages::ByOwner::new();
        let Some(before) = self.last.get(file.path).filter(|inode| **inode != file.inode) else {
            return ages;
        };
        let newer: BTreeMap<&Owner, &[Claim]> =
            told.claims.iter().map(|claims| (&claims.owner, claims.files.as_slice())).collect();
        let older = self.read.get_mut(before).into_iter().flatten();
        for old in older.filter(|old| old.origin == origin) {
            let (layer, claims) = (old.layer, old.told.claims.as_slice());
            let former = ages::Former { layer, ages: &old.ages, claims };
            ages.extend(former.renewed(&told.claims, file.layer));
            let (files, bytes) = (old.told.files(), old.told.bytes());
            self.held = self.held.saturating_sub(ages::bytes(&old.ages));
            old.told.claims.retain_mut(|claims| {
                let Some(newer) = newer.get(&claims.owner) else { return true };
                claims.forget(newer);
                ages::forget(&mut old.ages, claims);
                !claims.files.is_empty()
            });
            self.held = self.held.saturating_add(ages::bytes(&old.ages));
            self.files = self.files.saturating_sub(files - old.told.files());
            self.held = self.held.saturating_sub(bytes - old.told.bytes());
        }
        ages
    }

    /// All lists, oldest first, with those marked that the tree still has.
    pub(super) fn finish(mut self, rootfs: &Rootfs) -> Vec<ReadList> {
        let files = rootfs.nodes().filter(|(_, node)| node.kind == EntryKind::File);
        let live: BTreeSet<u64> = files
            .map(|(_, node)| node.inode)
            .filter(|inode| self.read.contains_key(inode))
            .collect();
        for (inode, lists) in &mut self.read {
            lists.iter_mut().for_each(|list| list.live = live.contains(inode));
        }
        self.read.into_values().flatten().collect()
    }
}
