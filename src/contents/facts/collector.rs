//! What facts need of the files while the layers pass by: how many bytes each layer brings, and who may log in.
//!
//! Contents are read of `/etc/passwd` and `/etc/group` alone, of each version of them, by the number of the file.

use std::collections::BTreeMap;

use super::{
    Looked,
    user::{Accounts, GROUP, PASSWD},
};
use crate::image::{
    collect::{Collector, Seen},
    rootfs::Rootfs,
    tar::EntryKind,
};

/// Bytes that are kept of all versions of both files; those of the largest distributions have a few KiB.
const ACCOUNT_BYTES: u64 = 4 << 20;
/// What a version takes beside its bytes.
const ENTRY_BYTES: u64 = 128;

/// What is said of a file that is there and was not read.
const ELSEWHERE: &str = "it is a link to a place where accounts are not kept";
const TOO_LARGE: &str = "it is larger than files of accounts are";

/// Files of one layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Files {
    /// The number of the first.
    pub first: u64,
    /// How many there are.
    pub count: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Hears every file.
#[derive(Debug, Default)]
pub struct FactsCollector {
    /// By layer.
    files: BTreeMap<usize, Files>,
    /// Contents of files of accounts, by the number of the file; `None` of those that are too large.
    accounts: BTreeMap<u64, Option<Vec<u8>>>,
    open: Option<u64>,
    held: u64,
}

impl FactsCollector {
    /// The files of each layer that has any.
    pub fn files(&self) -> &BTreeMap<usize, Files> {
        &self.files
    }

    /// What the file of accounts at `path` lists, with symbolic links followed as runtimes follow them.
    pub(super) fn accounts<'a>(&'a self, rootfs: &Rootfs, path: &str) -> Looked<'a> {
        let node = rootfs.get(&rootfs.resolve(path)?)?;
        if node.kind != EntryKind::File {
            return None;
        }
        Some(match self.accounts.get(&node.inode) {
            Some(Some(bytes)) => Ok(Accounts(bytes)),
            Some(None) => Err(TOO_LARGE),
            None => Err(ELSEWHERE),
        })
    }
}

impl Collector for FactsCollector {
    fn wants(&mut self, file: &Seen<'_>) -> bool {
        self.open = None;
        let first = Files { first: file.inode, ..Files::default() };
        let files = self.files.entry(file.layer).or_insert(first);
        files.count = files.count.saturating_add(1);
        files.bytes = files.bytes.saturating_add(file.size);
        if ![PASSWD, GROUP].contains(&file.path) {
            return false;
        }
        let room = ACCOUNT_BYTES.saturating_sub(self.held);
        let fits = file.size.saturating_add(ENTRY_BYTES) <= room;
        self.held = self.held.saturating_add(ENTRY_BYTES);
        self.accounts.insert(file.inode, fits.then(Vec::new));
        if fits {
            self.held = self.held.saturating_add(file.size);
            self.open = Some(file.inode);
        }
        fits
    }

    fn take(&mut self, bytes: &[u8]) {
        let open = self.open.and_then(|inode| self.accounts.get_mut(&inode));
        if let Some(Some(kept)) = open {
            kept.extend_from_slice(bytes);
        }
    }

    fn close(&mut self) {
        self.open = None;
    }

    fn held(&self) -> u64 {
        self.held.saturating_add(self.files.len() as u64 * ENTRY_BYTES)
    }
}
