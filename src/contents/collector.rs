//! The collector of the inventory: reads what lists packages, while the layers pass by.
//!
//! Each file is read by the first catalogue that wants it, and only what it lists is kept, by the file's number; once the tree
//! is known, what has no name left there is dropped. What the tree has under a name that a catalogue wants, and that was not
//! read under it (a link to another place), is said. So is what a catalogue left out, because a file is larger than it
//! reads or its findings are more than `catalogue_bytes`.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    CATALOGUES, Inventory, OS_RELEASE,
    assembly::{self, Found, Item, Why},
    catalogue::{Catalogue, Garbled, Listed, Origin},
    os,
};
use crate::{
    image::{
        collect::{Collector, Seen},
        rootfs::{Node, Rootfs},
        tar::EntryKind,
    },
    limits::Limits,
};

/// What a file that is kept takes in memory beside what it lists.
const FILE_BYTES: u64 = 128;

/// Reads the files that list packages.
#[derive(Debug)]
pub struct InventoryCollector {
    limits: Limits,
    open: Option<Open>,
    /// What was found, by the number of the file.
    found: BTreeMap<u64, Found>,
    /// What the findings of each catalogue take.
    taken: BTreeMap<&'static str, u64>,
    /// Catalogues whose budget is used up.
    ended: BTreeSet<&'static str>,
    held: u64,
}

/// The file that passes by.
#[derive(Debug)]
struct Open {
    inode: u64,
    path: String,
    size: u64,
    bytes: Vec<u8>,
    reader: Reader,
}

/// Who reads a file.
#[derive(Debug, Clone, Copy)]
enum Reader {
    Release,
    Catalogue(&'static Catalogue),
}

impl Reader {
    /// Who reads a file, if anybody does.
    fn of(file: &Seen<'_>) -> Option<Self> {
        if OS_RELEASE.contains(&file.path) {
            return Some(Self::Release);
        }
        CATALOGUES.iter().find(|one| (one.wants)(file)).map(|one| Self::Catalogue(one))
    }

    fn origin(self) -> Origin {
        match self {
            Self::Release => os::ORIGIN,
            Self::Catalogue(catalogue) => catalogue.origin,
        }
    }

    fn file_bytes(self, limits: &Limits) -> Why {
        match self {
            Self::Catalogue(one) if one.file_bytes < limits.file_bytes => {
                Why::Larger(one.file_bytes)
            }
            Self::Release | Self::Catalogue(_) => Why::LargerThanLimit(limits.file_bytes),
        }
    }
}

/// What is read of a file.
pub(super) fn read(file: &Seen<'_>, bytes: &[u8], limits: &Limits) -> Option<Found> {
    Some(read_by(Reader::of(file)?, file.path, bytes, limits))
}

fn read_by(reader: Reader, path: &str, bytes: &[u8], limits: &Limits) -> Found {
    match reader {
        Reader::Release => Found::Release(os::parse(bytes)),
        Reader::Catalogue(one) => match (one.read)(path, bytes, limits.packages) {
            Ok(packages) => Found::Listed(one.origin, packages),
            Err(Garbled::TooMany) => Found::Unread(one.origin, Why::Packages(limits.packages)),
            Err(garbled) => Found::Unread(one.origin, Why::Garbled(garbled)),
        },
    }
}

impl InventoryCollector {
    /// Nothing is read yet.
    pub fn new(limits: &Limits) -> Self {
        Self {
            limits: limits.clone(),
            open: None,
            found: BTreeMap::new(),
            taken: BTreeMap::new(),
            ended: BTreeSet::new(),
            held: 0,
        }
    }

    /// Keeps what was found in a file, unless the catalogue's budget is used up.
    fn keep(&mut self, inode: u64, found: Found) {
        let found = match found {
            Found::Listed(origin, packages) => {
                let bytes = packages.iter().map(Listed::bytes).fold(0, u64::saturating_add);
                let taken = self.taken.entry(origin.name).or_default();
                let limit = self.limits.catalogue_bytes;
                if taken.saturating_add(bytes) > limit {
                    self.ended.insert(origin.name);
                    Found::Unread(origin, Why::Budget(limit))
                } else {
                    *taken = taken.saturating_add(bytes);
                    self.held = self.held.saturating_add(bytes);
                    Found::Listed(origin, packages)
                }
            }
            other => other,
        };
        self.held = self.held.saturating_add(FILE_BYTES);
        self.found.insert(inode, found);
    }

    /// The inventory of the tree that the layers add up to.
    pub fn finish(mut self, rootfs: &Rootfs) -> Inventory {
        let mut names: BTreeMap<u64, Vec<(&str, &Node)>> = BTreeMap::new();
        let mut items = Vec::new();
        for (path, node) in rootfs.nodes() {
            match node.kind {
                EntryKind::File if self.found.contains_key(&node.inode) => {
                    names.entry(node.inode).or_default().push((path, node));
                }
                EntryKind::File | EntryKind::Symlink => items.extend(self.not_read(rootfs, path)),
                _ => {}
            }
        }
        for path in super::fixed_paths().filter(|path| rootfs.get(path).is_none()) {
            items.extend(self.not_read(rootfs, path));
        }
        let release = OS_RELEASE.into_iter().find_map(|path| {
            match self.found.get(&rootfs.get(&rootfs.resolve(path)?)?.inode)? {
                Found::Release(release) => Some(release.clone()),
                Found::Listed(..) | Found::Unread(..) => None,
            }
        });
        for (inode, names) in names {
            let Some(found) = self.found.remove(&inode) else { continue };
            let is_own = |(path, _): &&(&str, &Node)| {
                found.origin().is_some_and(|own| {
                    Reader::of(&Seen::named(path)).is_some_and(|r| r.origin() == own)
                })
            };
            if let Some((path, node)) = names.iter().find(is_own).or_else(|| names.first()) {
                let (path, layer) = ((*path).to_owned(), Some(node.layer));
                items.push(Item { path, layer, found });
            }
        }
        assembly::inventory(items, release, &self.limits)
    }

    /// That a path whose name says that it lists packages leads to a file that was not read.
    fn not_read(&self, rootfs: &Rootfs, path: &str) -> Option<Item> {
        let real = rootfs.resolve(path)?;
        let node = rootfs.get(&real).filter(|node| node.kind == EntryKind::File)?;
        if self.found.contains_key(&node.inode) {
            return None;
        }
        let origin = Reader::of(&Seen::named(path))?.origin();
        let found = Found::Unread(origin, Why::Elsewhere);
        Some(Item { path: path.to_owned(), layer: Some(node.layer), found })
    }
}

impl Collector for InventoryCollector {
    fn wants(&mut self, file: &Seen<'_>) -> bool {
        self.open = None;
        let Some(reader) = Reader::of(file) else { return false };
        let (origin, most) = (reader.origin(), reader.file_bytes(&self.limits));
        if self.ended.contains(origin.name) {
            self.keep(file.inode, Found::Unread(origin, Why::Budget(self.limits.catalogue_bytes)));
            return false;
        }
        if most.is_below(file.size) {
            self.keep(file.inode, Found::Unread(origin, most));
            return false;
        }
        let (path, bytes) = (file.path.to_owned(), Vec::new());
        self.open = Some(Open { inode: file.inode, path, size: file.size, bytes, reader });
        true
    }

    fn take(&mut self, bytes: &[u8]) {
        if let Some(open) = &mut self.open {
            open.bytes.extend_from_slice(bytes);
        }
    }

    fn close(&mut self) {
        if let Some(Open { inode, path, bytes, reader, .. }) = self.open.take() {
            let found = read_by(reader, &path, &bytes, &self.limits);
            drop(bytes);
            self.keep(inode, found);
        }
    }

    fn held(&self) -> u64 {
        let open = self.open.as_ref().map_or(0, |open| open.size);
        self.held.saturating_add(open)
    }
}
