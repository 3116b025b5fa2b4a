//! The collector of the inventory: reads what lists packages, while the layers pass by.
//!
//! Each file is read by the first catalogue that wants it, and only what it lists is kept, by the file's number; once the tree
//! is known, what has no name left there is dropped. What the tree has under a name that a catalogue wants, and that was not
//! read under it (a link to another place), is said. So is what a catalogue left out, because a file is larger than it
//! reads or its findings are more than `catalogue_bytes`. Where somebody asks for files, the lists of files of every package
//! manager are read beside, from the same bytes.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    CATALOGUES, Database, FormerOs, Inventory, OS_RELEASE, Os, Reversioned,
    ages::Debut,
    assembly::{self, Found, Item, Why},
    catalogue::{Catalogue, Garbled, Listed, Listing, Origin},
    claims::FileList,
    deployed::Deployed,
    dpkg::STATUS_PATH,
    footing::Records,
    lists::{self, Lists, ReadList},
    os,
    owners::{self, Owned, Recorded, is_test_data, lists_packages},
    past::{self, Past},
    programs::{self, Scan},
    secrets::fixtures,
    sums::{FileHash, FileSums},
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
    /// Lists of files.
    lists: Lists,
    /// Whether somebody asked for all of them, so that what cannot be read of them is said.
    all_lists: bool,
    /// Distributions' databases that were read.
    databases: Vec<ReadDatabase>,
    /// What os-release of each layer says that has one.
    releases: BTreeMap<usize, (&'static str, Option<Os>)>,
    /// Checksums of files that list packages of languages, at places where a distribution's package may own them.
    sums: BTreeMap<u64, FileSums>,
    held: u64,
}

/// A version of a distribution's database.
#[derive(Debug)]
struct ReadDatabase {
    inode: u64,
    layer: usize,
    path: String,
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
    hash: Option<FileHash>,
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

/// Whether a file that lists packages of a language may be owned by another package.
fn may_be_owned(reader: Reader, file: &Seen<'_>) -> bool {
    let of_language = matches!(reader, Reader::Catalogue(one) if !one.origin.managed);
    of_language && (file.path.starts_with("/usr/") || is_test_data(file.path))
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
            lists: Lists::new(lists_packages),
            all_lists: false,
            databases: Vec::new(),
            releases: BTreeMap::new(),
            sums: BTreeMap::new(),
            held: 0,
        }
    }

    /// With the lists of all files that packages own, and not of those alone that list packages.
    #[must_use]
    pub fn with_lists(self) -> Self {
        Self { lists: Lists::new(|_, _| true), all_lists: true, ..self }
    }

    /// With those of files that may be test data, besides.
    #[must_use]
    pub fn with_test_data(self) -> Self {
        let kept = |ecosystem: &str, path: &str| {
            lists_packages(ecosystem, path) || fixtures::is_test_data(path)
        };
        if self.all_lists { self } else { Self { lists: Lists::new(kept), ..self } }
    }

    /// Who reads a file.
    fn reader(file: &Seen<'_>) -> Option<Reader> {
        Reader::of(file).or_else(|| lists::of(file.path).next().map(Reader::List))
    }

    /// Reads the lists of files in a file.
    fn read_lists(&mut self, open: &Open) {
        let Some(bytes) = open.reading.bytes() else { return };
        let seen = Seen { layer: open.layer, inode: open.inode, ..Seen::named(&open.path) };
        for (origin, why) in self.lists.take(&seen, bytes, &self.limits) {
            self.keep_gap(open.inode, origin, why);
        }
    }

    /// Keeps that a list of files could not be read, where somebody asked for all: packages are known without it.
    fn keep_gap(&mut self, inode: u64, origin: Origin, why: Why) {
        if self.all_lists {
            self.keep(inode, Found::Unread(origin, why));
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
        let lists = std::mem::replace(&mut self.lists, Lists::new(|_, _| false));
        let mut lists = lists.finish(rootfs);
        let past = self.past(&lists);
        let reversioned = self.reversioned(&lists);
        let debut = self.debut(&lists);
        let records = self.records();
        let (mut items, release) = self.items(rootfs);
        let mut inventory = assembly::inventory(&mut items, release.clone(), &self.limits);
        inventory.since = debut.of(&inventory);
        past::outdate(&mut lists, &past, &inventory);
        let recorded = Recorded {
            inventory: &inventory,
            lists: &lists,
            records: &records,
            release: self.release_since(inventory.os.as_ref()),
            rootfs,
        };
        let Owned { by, test_data } = owners::owned(&items, &self.sums, &recorded);
        if !test_data.is_empty() {
            items.retain(|item| !test_data.contains(&item.path));
            inventory = assembly::inventory(&mut items, release.clone(), &self.limits);
            inventory.since = debut.of(&inventory);
        }
        inventory.resourced = debut.resourced(&inventory);
        inventory.owned = by;
        inventory.reversioned = reversioned;
        inventory.former_os = release.as_ref().and_then(|release| self.former_os(release));
        inventory.databases.extend(self.vanished(&inventory, release.is_none(), rootfs));
        inventory.databases.sort_by(|a, b| a.path.cmp(&b.path));
        (inventory, lists)
    }

    /// The inventory of the tree that the layers add up to.
    pub fn finish(self, rootfs: &Rootfs) -> Inventory {
        self.finish_with_lists(rootfs).0
    }

    /// Packages of dpkg that have another version since, and nothing else; none where not all lists of files were read.
    fn reversioned(&self, lists: &[ReadList]) -> Vec<Reversioned> {
        let mut statuses: BTreeMap<usize, &[Listed]> = BTreeMap::new();
        let own = self.databases.iter().filter(|one| self.all_lists && one.path == STATUS_PATH);
        for database in own {
            statuses.extend(self.listed(database).map(|(_, packages)| (database.layer, packages)));
        }
        past::reversioned(&statuses, lists)
    }

    /// In which layer each package of a database came in its version, where lists of files are of several layers.
    fn debut(&self, lists: &[ReadList]) -> Debut {
        let mut debut = Debut::default();
        let mut databases: Vec<&ReadDatabase> = self.databases.iter().collect();
        databases.sort_by_key(|database| database.layer);
        let has_one = databases.last().is_none_or(|database| database.layer == 0);
        if has_one && lists.iter().all(|list| list.layer == 0) {
            return debut;
        }
        for database in databases {
            for (origin, packages) in self.listed(database) {
                debut.note(database.layer, origin.ecosystem, packages);
            }
        }
        debut
    }

    /// Since which layers databases say what they say, where a file of the image may be a part of what they list.
    fn records(&self) -> Records {
        let mut databases: Vec<&ReadDatabase> =
            self.databases.iter().filter(|_| !self.sums.is_empty()).collect();
        databases.sort_by_key(|database| database.layer);
        let versions = databases.into_iter();
        Records::of(versions.map(|one| (one.path.as_str(), one.layer, self.listed(one))))
    }

    /// The layer since which every os-release says what that of the tree says.
    fn release_since(&self, now: Option<&Os>) -> Option<usize> {
        let now = now?;
        let releases = self.releases.iter().rev();
        let same = releases.take_while(|(_, (_, os))| os.as_ref() == Some(now));
        same.map(|(layer, _)| *layer).last()
    }

    /// What a database lists, by each catalogue that reads it.
    fn listed(&self, database: &ReadDatabase) -> impl Iterator<Item = (Origin, &[Listed])> {
        let found = self.found.get(&database.inode).into_iter().flatten();
        found.filter_map(|found| match found {
            Found::Listed(origin, packages) => Some((*origin, packages.as_slice())),
            Found::Release(_) | Found::Unread(..) => None,
        })
    }

    /// Keeps what os-release of a layer says; of its two places, the one that takes precedence.
    fn keep_release(&mut self, layer: usize, path: &str, release: &os::Release) {
        let Some(place) = OS_RELEASE.into_iter().find(|one| *one == path) else { return };
        let before = self.releases.get(&layer).map(|(place, _)| *place);
        if place == OS_RELEASE[0] || before.is_none_or(|before| before == place) {
            self.releases.insert(layer, (place, release.os.clone()));
        }
    }

    /// The lowest layer whose os-release names another distribution or release than the tree's.
    fn former_os(&self, now: &os::Release) -> Option<FormerOs> {
        fn named(os: &Os) -> (String, Option<String>) {
            (os.id.clone(), os.version.clone())
        }
        let now = now.os.as_ref().map(named);
        self.releases.iter().find_map(|(layer, (path, os))| {
            let os = os.as_ref().filter(|os| Some(named(os)) != now)?;
            Some(FormerOs { path, layer: *layer, os: os.clone() })
        })
    }

    /// What databases of all layers list of the packages whose lists of files the tree has no longer.
    fn past(&self, lists: &[ReadList]) -> Vec<Past> {
        let asked = past::asked(lists);
        let databases = self.databases.iter().filter(|_| !asked.is_empty());
        let all = databases
            .flat_map(|database| self.listed(database).map(|listed| (database.layer, listed)));
        all.flat_map(|(layer, (origin, packages))| {
            past::of(layer, origin.ecosystem, packages, &asked)
        })
        .collect()
    }

    /// Databases that a lower layer has and the tree has not, where not all of their packages are listed elsewhere.
    fn vanished(&self, inventory: &Inventory, no_release: bool, rootfs: &Rootfs) -> Vec<Database> {
        let known: BTreeSet<(&str, &str)> =
            inventory.packages.iter().map(|one| (one.ecosystem, one.name.as_str())).collect();
        let mut gone = BTreeMap::new();
        for database in self.databases.iter().filter(|one| rootfs.get(&one.path).is_none()) {
            let all = self.listed(database).flat_map(|(origin, packages)| {
                packages.iter().map(move |one| (origin.ecosystem, one.name.as_str()))
            });
            let lost = all.filter(|package| !known.contains(package)).count();
            gone.insert(database.path.as_str(), lost);
        }
        let gone = gone.into_iter().filter(|(_, lost)| *lost > 0).map(|(path, lost)| Database {
            path: path.to_owned(),
            read: Err(format!(
                "a lower layer has it, a later one deletes it, and {lost} of its packages are listed nowhere else"
            )),
        });
        let release = (no_release && !self.releases.is_empty()).then(|| Database {
            path: OS_RELEASE[0].to_owned(),
            read: Err("a lower layer says which distribution it is, and a later one deletes that"
                .to_owned()),
        });
        gone.chain(release).collect()
    }

    /// What was read of the files that the tree has, and what it says that it is.
    fn items(&mut self, rootfs: &Rootfs) -> (Vec<Item>, Option<os::Release>) {
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
        let mut deployed = Deployed::new(rootfs);
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
                    let found = match found {
                        Found::Listed(origin, all) => Found::Listed(origin, deployed.of(path, all)),
                        other => other,
                    };
                    let (path, layer) = ((*path).to_owned(), Some(node.layer));
                    items.push(Item { path, layer, found });
                }
            }
        }
        (items, release)
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
        let Some(reader) = Self::reader(file) else {
            return false;
        };
        if let (Reader::List(list), false) = (reader, self.all_lists) {
            let spent = self.ended.contains(list.origin.name);
            if spent || reader.too_large(file.size, &self.limits).is_some() {
                return false;
            }
        } else if let Some(origin) = reader.origin() {
            let spent = self.ended.contains(origin.name);
            let spent = spent.then_some(Why::Budget(self.limits.catalogue_bytes));
            if let Some(why) = spent.or_else(|| reader.too_large(file.size, &self.limits)) {
                self.keep(file.inode, Found::Unread(origin, why));
                return false;
            }
        }
        let (path, needs) = (file.path.to_owned(), reader.needs(file.size));
        let (inode, layer, reading) = (file.inode, file.layer, Reading::new(reader));
        let hash = may_be_owned(reader, file).then(|| FileHash::new(file));
        self.open = Some(Open { inode, layer, path, needs, reading, hash });
        true
    }

    fn take(&mut self, bytes: &[u8]) {
        if let Some(open) = &mut self.open {
            open.reading.take(bytes);
            open.hash.iter_mut().for_each(|hash| hash.take(bytes));
        }
    }

    fn close(&mut self) {
        if let Some(open) = self.open.take() {
            self.read_lists(&open);
            let Open { inode, layer, path, reading, hash, .. } = open;
            if let Some(sums) = hash.map(FileHash::finish) {
                self.held = self.held.saturating_add(size_of::<FileSums>() as u64);
                self.sums.insert(inode, sums);
            }
            let mut database = false;
            for found in reading.finish(&path, &self.limits) {
                database |= matches!(&found, Found::Listed(origin, _) if origin.managed);
                if let Found::Release(release) = &found {
                    self.keep_release(layer, &path, release);
                }
                self.keep(inode, found);
            }
            if database {
                self.databases.push(ReadDatabase { inode, layer, path });
            }
        }
    }

    fn held(&self) -> u64 {
        let open = self.open.as_ref().map_or(0, |open| open.needs);
        self.held.saturating_add(open).saturating_add(self.lists.held())
    }
}
