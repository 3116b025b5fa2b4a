//! The collector of the inventory: reads what lists packages, while the layers pass by.
//!
//! Each file is read by the first catalogue that wants it, and only what it lists is kept, by the file's number; once the tree
//! is known, what has no name left there is dropped. What the tree has under a name that a catalogue wants, and that was not
//! read under it (a link to another place), is said. So is what a catalogue left out, because a file is larger than it
//! reads or its findings are more than `catalogue_bytes`. Where somebody asks for files, the lists of files of every package
//! manager are read beside, from the same bytes.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    CATALOGUES, Inventory, OS_RELEASE,
    assembly::{self, Found, Item, Why},
    catalogue::{Catalogue, Garbled, Listed, Listing, Origin},
    claims::FileList,
    lists::{self, Lists, ReadList},
    os,
    programs::{self, Scan},
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

/// Paths through links of folders that are tried.
const LINKED: usize = 1 << 20;
/// Who says that not all of them were tried.
const LINKS: Origin = Origin { name: "links", ecosystem: "generic", managed: false };

/// What a reason in words takes; each is shortened.
const WORDS_BYTES: u64 = 512;

/// Reads the files that list packages.
#[derive(Debug)]
pub struct InventoryCollector {
    limits: Limits,
    open: Option<Open>,
    /// What was found, by the number of the file.
    found: BTreeMap<u64, Vec<Found>>,
    /// What the findings of each catalogue take.
    taken: BTreeMap<&'static str, u64>,
    /// Catalogues whose budget is used up.
    ended: BTreeSet<&'static str>,
    /// Lists of files, where somebody asked for them.
    lists: Option<Lists>,
    held: u64,
}

/// The file that passes by.
#[derive(Debug)]
struct Open {
    inode: u64,
    layer: usize,
    path: String,
    /// Bytes of memory that reading it takes.
    needs: u64,
    reading: Reading,
}

/// Who reads a file.
#[derive(Debug, Clone, Copy)]
enum Reader {
    Release,
    Catalogue(&'static Catalogue),
    Program,
    List(&'static FileList),
}

impl Reader {
    /// Who reads a file, if anybody does.
    fn of(file: &Seen<'_>) -> Option<Self> {
        if OS_RELEASE.contains(&file.path) {
            return Some(Self::Release);
        }
        let catalogue = CATALOGUES.iter().find(|one| (one.wants)(file));
        let program = programs::is_program(file.head).then_some(Self::Program);
        catalogue.map(|one| Self::Catalogue(one)).or(program)
    }

    /// Whose files it reads; `None` for programs, which may be of several.
    fn origin(self) -> Option<Origin> {
        match self {
            Self::Release => Some(os::ORIGIN),
            Self::Catalogue(catalogue) => Some(catalogue.origin),
            Self::List(list) => Some(list.origin),
            Self::Program => None,
        }
    }

    /// Bytes of memory that reading a file of this size takes.
    fn needs(self, size: u64) -> u64 {
        match self {
            Self::Release | Self::List(_) => size,
            Self::Catalogue(catalogue) => size.saturating_mul(catalogue.copies),
            Self::Program => programs::SCAN_BYTES,
        }
    }

    /// Why a file of this size is not read, if it is not.
    fn too_large(self, size: u64, limits: &Limits) -> Option<Why> {
        match self {
            Self::Program => None,
            Self::List(list) => lists::too_large(list, size, limits),
            Self::Catalogue(one) if one.file_bytes < limits.file_bytes => {
                (size > one.file_bytes).then_some(Why::Larger(one.file_bytes))
            }
            Self::Release | Self::Catalogue(_) => {
                (size > limits.file_bytes).then_some(Why::LargerThanLimit(limits.file_bytes))
            }
        }
    }
}

/// What is read of a file.
pub(super) fn read(file: &Seen<'_>, bytes: &[u8], limits: &Limits) -> Vec<Found> {
    let Some(reader) = Reader::of(file) else {
        return Vec::new();
    };
    let mut reading = Reading::new(reader);
    reading.take(bytes);
    reading.finish(file.path, limits)
}

/// A file that is being read.
#[derive(Debug)]
enum Reading {
    Release(Vec<u8>),
    Catalogue(&'static Catalogue, Vec<u8>),
    Program(Box<Scan>),
    List(Vec<u8>),
}

impl Reading {
    fn new(reader: Reader) -> Self {
        match reader {
            Reader::Release => Self::Release(Vec::new()),
            Reader::Catalogue(catalogue) => Self::Catalogue(catalogue, Vec::new()),
            Reader::Program => Self::Program(Box::new(Scan::new())),
            Reader::List(_) => Self::List(Vec::new()),
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        match self {
            Self::Release(held) | Self::Catalogue(_, held) | Self::List(held) => {
                held.extend_from_slice(bytes);
            }
            Self::Program(scan) => scan.take(bytes),
        }
    }

    /// All bytes, where they are held.
    fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Release(held) | Self::Catalogue(_, held) | Self::List(held) => Some(held),
            Self::Program(_) => None,
        }
    }

    fn finish(self, path: &str, limits: &Limits) -> Vec<Found> {
        let found = |origin, Listing { packages, gaps }: Listing| {
            let unread = |gap| match gap {
                Garbled::TooMany => Why::Packages(limits.packages),
                garbled => Why::Garbled(garbled),
            };
            // What could not be read lists something else than nothing.
            let listed = gaps.is_empty() || !packages.is_empty();
            let listed = listed.then_some(Found::Listed(origin, packages));
            let gaps = gaps.into_iter().map(move |gap| Found::Unread(origin, unread(gap)));
            listed.into_iter().chain(gaps).collect::<Vec<_>>()
        };
        match self {
            Self::Release(bytes) => vec![Found::Release(os::parse(&bytes))],
            Self::List(_) => Vec::new(),
            Self::Catalogue(one, bytes) => {
                found(one.origin, (one.read)(path, &bytes, limits.packages))
            }
            Self::Program(scan) => {
                let several = scan.finish().into_iter();
                several.flat_map(|(origin, read)| found(origin, read.into())).collect()
            }
        }
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
            lists: None,
            held: 0,
        }
    }

    /// With the lists of files that packages own.
    #[must_use]
    pub fn with_lists(self) -> Self {
        Self { lists: Some(Lists::default()), ..self }
    }

    /// Who reads a file, lists of files included where somebody asked for them.
    fn reader(&self, file: &Seen<'_>) -> Option<Reader> {
        let list = || lists::of(file.path).next().filter(|_| self.lists.is_some());
        Reader::of(file).or_else(|| list().map(Reader::List))
    }

    /// Reads the lists of files in a file.
    fn read_lists(&mut self, open: &Open) {
        let (Some(lists), Some(bytes)) = (&mut self.lists, open.reading.bytes()) else { return };
        let seen = Seen { layer: open.layer, inode: open.inode, ..Seen::named(&open.path) };
        for (origin, why) in lists.take(&seen, bytes, &self.limits) {
            self.keep(open.inode, Found::Unread(origin, why));
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
        let why = if found.has_words() { WORDS_BYTES } else { 0 };
        self.held = self.held.saturating_add(FILE_BYTES + why);
        self.found.entry(inode).or_default().push(found);
    }

    /// The inventory of the tree that the layers add up to, and the lists of files that were read.
    pub fn finish_with_lists(mut self, rootfs: &Rootfs) -> (Inventory, Vec<ReadList>) {
        let lists = self.lists.take().map(|lists| lists.finish(rootfs)).unwrap_or_default();
        (self.finish(rootfs), lists)
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
        items.extend(self.behind_links(rootfs));
        for path in super::fixed_paths().filter(|path| rootfs.get(path).is_none()) {
            items.extend(self.not_read(rootfs, path));
        }
        let release = OS_RELEASE.into_iter().find_map(|path| {
            let found = self.found.get(&rootfs.get(&rootfs.resolve(path)?)?.inode)?;
            found.iter().find_map(|found| match found {
                Found::Release(release) => Some(release.clone()),
                Found::Listed(..) | Found::Unread(..) => None,
            })
        });
        for (inode, names) in names {
            for found in self.found.remove(&inode).into_iter().flatten() {
                // Of several names, one by which such a file is known.
                let own = |path: &str| Reader::of(&Seen::named(path)).and_then(Reader::origin);
                let known = names.iter().find(|(path, _)| found.origin() == own(path));
                if let Some((path, node)) = known.or_else(|| names.first()) {
                    let (path, layer) = ((*path).to_owned(), Some(node.layer));
                    items.push(Item { path, layer, found });
                }
            }
        }
        assembly::inventory(items, release, &self.limits)
    }

    /// Lists below a folder that a link leads to, where their own path does not say that they are any: layers have them under
    /// that one alone. Programs go through the link.
    fn behind_links(&self, rootfs: &Rootfs) -> Vec<Item> {
        let mut links: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for (path, _) in rootfs.nodes().filter(|(_, node)| node.kind == EntryKind::Symlink) {
            let real = rootfs.resolve(path).filter(|real| real != path);
            let folder = real.filter(|real| {
                rootfs.get(real).is_some_and(|node| node.kind == EntryKind::Directory)
            });
            if let Some(folder) = folder {
                links.entry(folder).or_default().push(path);
            }
        }
        let (mut items, mut tried) = (Vec::new(), 0_usize);
        for (path, _) in rootfs.nodes().filter(|(_, node)| node.kind == EntryKind::File) {
            for (at, _) in path.match_indices('/').skip(1) {
                let (folder, rest) = path.split_at(at);
                for link in links.get(folder).into_iter().flatten() {
                    tried += 1;
                    if tried > LINKED {
                        let found = Found::Unread(LINKS, Why::Elsewhere);
                        items.push(Item { path: (*link).to_owned(), layer: None, found });
                        return items;
                    }
                    items.extend(self.not_read(rootfs, &format!("{link}{rest}")));
                }
            }
        }
        items
    }

    /// That a path whose name says that it lists packages leads to a file that was not read.
    fn not_read(&self, rootfs: &Rootfs, path: &str) -> Option<Item> {
        let origin = Reader::of(&Seen::named(path))?.origin()?;
        let real = rootfs.resolve(path)?;
        let node = rootfs.get(&real).filter(|node| node.kind == EntryKind::File)?;
        if self.found.contains_key(&node.inode) {
            return None;
        }
        let found = Found::Unread(origin, Why::Elsewhere);
        Some(Item { path: path.to_owned(), layer: Some(node.layer), found })
    }
}

impl Collector for InventoryCollector {
    fn wants(&mut self, file: &Seen<'_>) -> bool {
        self.open = None;
        let Some(reader) = self.reader(file) else {
            return false;
        };
        if let Some(origin) = reader.origin() {
            let spent = self.ended.contains(origin.name);
            let spent = spent.then_some(Why::Budget(self.limits.catalogue_bytes));
            if let Some(why) = spent.or_else(|| reader.too_large(file.size, &self.limits)) {
                self.keep(file.inode, Found::Unread(origin, why));
                return false;
            }
        }
        let (path, needs) = (file.path.to_owned(), reader.needs(file.size));
        let (inode, layer, reading) = (file.inode, file.layer, Reading::new(reader));
        self.open = Some(Open { inode, layer, path, needs, reading });
        true
    }

    fn take(&mut self, bytes: &[u8]) {
        if let Some(open) = &mut self.open {
            open.reading.take(bytes);
        }
    }

    fn close(&mut self) {
        if let Some(open) = self.open.take() {
            self.read_lists(&open);
            let Open { inode, path, reading, .. } = open;
            for found in reading.finish(&path, &self.limits) {
                self.keep(inode, found);
            }
        }
    }

    fn held(&self) -> u64 {
        let open = self.open.as_ref().map_or(0, |open| open.needs);
        let lists = self.lists.as_ref().map_or(0, Lists::held);
        self.held.saturating_add(open).saturating_add(lists)
    }
}
