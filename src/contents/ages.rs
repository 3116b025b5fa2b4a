//! How old claims are: the layer in which a list first named a file of a package, and the layer that first had the package in
//! its present version.
//!
//! Turns the versions of a list, one layer after the other, into the layers since which each claim is made. A package manager
//! writes the whole list of a package when it installs it, so that a claim is as old as the package's version; one that came
//! later was written by somebody else.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Inventory, Package, Resourced,
    catalogue::Listed,
    claims::{Claims, Content, Owner},
};

/// Since which layer each claim of one owner in one list is made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ages {
    /// The layer of most of them.
    first: usize,
    /// That of the others, by path.
    later: BTreeMap<Box<str>, usize>,
}

/// What an entry of [`Ages::later`] takes in memory beside its path.
const ENTRY_BYTES: u64 = 64;

impl Ages {
    /// Those of claims that nothing before says.
    fn of_layer(first: usize) -> Self {
        Self { first, later: BTreeMap::new() }
    }

    /// Those of a newer list: what it says alike is as old as before, the rest is of its layer.
    fn renewed(&self, before: &Claims, now: &Claims, layer: usize) -> Self {
        if before.files == now.files {
            return self.clone();
        }
        let old: BTreeSet<(&str, &Content)> =
            before.files.iter().map(|claim| (&*claim.path, &claim.content)).collect();
        let mut later = BTreeMap::new();
        for claim in &now.files {
            let is_old = old.contains(&(&*claim.path, &claim.content));
            let since = if is_old { self.since(&claim.path) } else { layer };
            if since != self.first {
                later.insert(claim.path.clone(), since);
            }
        }
        Self { first: self.first, later }
    }

    /// The layer since which a path is claimed.
    fn since(&self, path: &str) -> usize {
        self.later.get(path).copied().unwrap_or(self.first)
    }

    /// Bytes of memory.
    fn bytes(&self) -> u64 {
        let entries = self.later.keys().map(|path| path.len() as u64 + ENTRY_BYTES);
        entries.fold(ENTRY_BYTES, u64::saturating_add)
    }
}

/// Ages by owner; an owner without any has claims of the list's own layer.
pub(super) type ByOwner = BTreeMap<Owner, Ages>;

/// A list whose place another one takes.
pub(super) struct Former<'f> {
    /// Its layer, counted from 0.
    pub(super) layer: usize,
    /// Its ages.
    pub(super) ages: &'f ByOwner,
    /// Its claims.
    pub(super) claims: &'f [Claims],
}

impl Former<'_> {
    /// The ages of the list that takes its place.
    pub(super) fn renewed(&self, now: &[Claims], layer: usize) -> ByOwner {
        let old: BTreeMap<&Owner, &Claims> =
            self.claims.iter().map(|claims| (&claims.owner, claims)).collect();
        let ages = now.iter().filter_map(|claims| {
            let old = old.get(&claims.owner)?;
            let of_layer = Ages::of_layer(self.layer);
            let ages = self.ages.get(&claims.owner).unwrap_or(&of_layer);
            Some((claims.owner.clone(), ages.renewed(old, claims, layer)))
        });
        ages.collect()
    }
}

/// Forgets how old claims are that are forgotten.
pub(super) fn forget(ages: &mut ByOwner, left: &Claims) {
    if left.files.is_empty() {
        ages.remove(&left.owner);
    } else if let Some(ages) = ages.get_mut(&left.owner) {
        let paths: BTreeSet<&str> = left.files.iter().map(|claim| &*claim.path).collect();
        ages.later.retain(|path, _| paths.contains(&**path));
    }
}

/// Bytes of memory that ages take.
pub(super) fn bytes(ages: &ByOwner) -> u64 {
    ages.values().map(Ages::bytes).fold(0, u64::saturating_add)
}

/// The layer since which a list of a layer, with these ages, claims a path for an owner, counted from 0.
pub(super) fn since(ages: &ByOwner, of_list: usize, owner: &Owner, path: &str) -> usize {
    ages.get(owner).map_or(of_list, |ages| ages.since(path))
}

/// Since which layer a package has its present version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Since {
    /// The lowest layer whose database has a package of the name in the version.
    any: usize,
    /// The same without the other architectures that are installed beside it.
    own: usize,
}

impl Since {
    /// That which counts for a list: one that names an architecture is about the package of that one alone.
    pub(super) fn of(self, owner: &Owner) -> usize {
        match owner {
            Owner::Named { architecture: Some(_), .. } => self.own,
            Owner::Named { architecture: None, .. } | Owner::ListedAt(_) => self.any,
        }
    }
}

/// What databases of all layers say of one package in one version.
#[derive(Debug)]
struct Entry {
    /// The lowest layer of each architecture.
    layers: BTreeMap<Option<String>, usize>,
    /// The first layer that has it, and the source package with its version there.
    first: (usize, String, String),
    /// Whether a later layer says another source.
    resourced: bool,
}

/// What databases of all layers list, by ecosystem, name and version. An architecture that another layer changes, or leaves out,
/// makes no other package.
#[derive(Debug, Default)]
pub(super) struct Debut(BTreeMap<(&'static str, String, String), Entry>);

impl Debut {
    /// Notes what the database of a layer lists; lower layers go first.
    pub(super) fn note(&mut self, layer: usize, ecosystem: &'static str, packages: &[Listed]) {
        for one in packages {
            let key = (ecosystem, one.name.clone(), one.version.clone());
            let source = one.source.as_ref().unwrap_or(&one.name);
            let version = one.source_version.as_ref().unwrap_or(&one.version);
            let entry = self.0.entry(key).or_insert_with(|| Entry {
                layers: BTreeMap::new(),
                first: (layer, source.clone(), version.clone()),
                resourced: false,
            });
            let (first, ..) = entry.first;
            let is_other = entry.first != (first, source.clone(), version.clone());
            entry.resourced |= layer != first && is_other;
            entry.layers.entry(one.architecture.clone()).or_insert(layer);
        }
    }

    fn entry(&self, package: &Package) -> Option<&Entry> {
        self.0.get(&(package.ecosystem, package.name.clone(), package.version.clone()))
    }

    /// Since when each package of an inventory has its version, by its place.
    pub(super) fn of(&self, inventory: &Inventory) -> BTreeMap<usize, Since> {
        let mut installed: BTreeSet<(&str, &str, &str, Option<&str>)> = BTreeSet::new();
        fn named(one: &Package) -> (&str, &str, &str) {
            (one.ecosystem, one.name.as_str(), one.version.as_str())
        }
        for one in &inventory.packages {
            let (ecosystem, name, version) = named(one);
            installed.insert((ecosystem, name, version, one.architecture.as_deref()));
        }
        let since = |package: &Package| {
            let layers = &self.entry(package)?.layers;
            let (ecosystem, name, version) = named(package);
            // apk has one package of a name.
            let is_beside = |architecture: &Option<String>| {
                let architecture = architecture.as_deref();
                ecosystem != "apk"
                    && architecture != package.architecture.as_deref()
                    && installed.contains(&(ecosystem, name, version, architecture))
            };
            let own = layers.iter().filter(|(architecture, _)| !is_beside(architecture));
            let own = own.map(|(_, layer)| *layer).min()?;
            Some(Since { any: layers.values().copied().min()?, own })
        };
        let packages = inventory.packages.iter().enumerate();
        packages.filter_map(|(at, package)| Some((at, since(package)?))).collect()
    }

    /// Packages to which a later layer gives another source.
    pub(super) fn resourced(&self, inventory: &Inventory) -> Vec<Resourced> {
        let all = inventory.packages.iter().filter_map(|package| {
            let entry = self.entry(package).filter(|entry| entry.resourced)?;
            let (name, database) = (package.name.clone(), package.database.clone());
            let (ecosystem, layer) = (package.ecosystem, entry.first.0);
            Some(Resourced { ecosystem, name, database, layer })
        });
        all.collect()
    }
}
