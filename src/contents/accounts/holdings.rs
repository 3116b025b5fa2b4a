//! Claims in the tree: which package has which path.
//!
//! Turns claims of packages that are in the inventory into paths of the tree. Diversions are applied, then the links of the
//! folder: `/bin/sh` of a package is `/usr/bin/sh` where `/bin` is a link. The last part of a path is never followed. Claims of
//! packages that the inventory does not have own nothing; they are kept apart, as traces.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, HashMap},
};

use super::PackageFiles;
use crate::{
    contents::{
        Inventory, Package,
        claims::{Claim, Content, Diversion, Owner, Role},
        lists::ReadList,
        parts::split,
    },
    image::rootfs::Rootfs,
};

/// A claim of an installed package, in the tree.
#[derive(Debug, Clone)]
pub(super) struct Held<'l> {
    path: Cow<'l, str>,
    /// The package, by its place in the inventory.
    pub(super) package: usize,
    /// What was recorded.
    pub(super) content: &'l Content,
    /// What it is to the package.
    pub(super) role: Role,
}

/// Claims by a package that is not in the inventory.
#[derive(Debug)]
pub(super) struct Trace<'l> {
    /// The list.
    pub(super) list: &'l ReadList,
    /// Whose it would be.
    pub(super) owner: &'l Owner,
    /// The files.
    pub(super) files: &'l [Claim],
}

/// All claims of a tree.
#[derive(Debug)]
pub(super) struct Holdings<'l> {
    /// By path.
    held: Vec<Held<'l>>,
    /// Folders that are a package's, without records of their files.
    folders: BTreeMap<String, usize>,
    /// Claims of nobody who is installed.
    pub(super) traces: Vec<Trace<'l>>,
}

impl<'l> Holdings<'l> {
    pub(super) fn new(inventory: &'l Inventory, lists: &'l [ReadList], rootfs: &Rootfs) -> Self {
        let packages = Packages::new(inventory);
        let live = lists.iter().filter(|list| list.live);
        let diverted: BTreeMap<&str, &Diversion> = live
            .flat_map(|list| &list.told.diversions)
            .map(|one| (one.from.as_str(), one))
            .collect();
        let (mut held, mut traces) = (Vec::new(), Vec::new());
        let mut ways = Ways::default();
        for list in lists {
            for claims in &list.told.claims {
                let (owner, files) = (&claims.owner, claims.files.as_slice());
                let Some(package) = packages.get(list.origin.ecosystem, owner) else {
                    traces.push(Trace { list, owner, files });
                    continue;
                };
                if !list.live {
                    continue;
                }
                let name = inventory.packages.get(package).map(|p| p.name.as_str());
                held.extend(files.iter().map(|claim| {
                    let divert = diverted.get(&*claim.path).filter(|one| one.by.as_deref() != name);
                    let path: &'l str = divert.map_or(&claim.path, |one| one.to.as_str());
                    let path = ways.real(path, rootfs);
                    Held { path, package, content: &claim.content, role: claim.role }
                }));
            }
        }
        held.sort_by(|a, b| (&a.path, a.package).cmp(&(&b.path, b.package)));
        let folders = inventory.packages.iter().enumerate();
        let folders = folders.filter_map(|(at, package)| Some((folder(package)?, at))).collect();
        Self { held, folders, traces }
    }

    /// The claims of a path.
    pub(super) fn of(&self, path: &str) -> &[Held<'l>] {
        let start = self.held.partition_point(|one| *one.path < *path);
        let rest = self.held.get(start..).unwrap_or_default();
        let end = rest.partition_point(|one| *one.path == *path);
        rest.get(..end).unwrap_or_default()
    }

    /// The package in whose folder a path is.
    pub(super) fn folder_of(&self, path: &str) -> Option<usize> {
        let mut folder = path;
        while let Some((above, _)) = folder.rsplit_once('/') {
            if let Some(package) = self.folders.get(above) {
                return Some(*package);
            }
            folder = above;
        }
        None
    }

    /// Counts what each package claims and the tree has not.
    pub(super) fn count_missing(&self, rootfs: &Rootfs, packages: &mut [PackageFiles]) {
        let mut before = None;
        for one in &self.held {
            let same = before.replace((&one.path, one.package)) == Some((&one.path, one.package));
            if same || one.role != Role::Plain || rootfs.get(&one.path).is_some() {
                continue;
            }
            if let Some(files) = packages.get_mut(one.package) {
                files.missing += 1;
            }
        }
    }
}

/// Packages by what lists call them.
struct Packages<'l> {
    packages: &'l [Package],
    named: HashMap<(&'l str, &'l str), Vec<usize>>,
    listed: HashMap<&'l str, usize>,
}

impl<'l> Packages<'l> {
    fn new(inventory: &'l Inventory) -> Self {
        let packages = inventory.packages.as_slice();
        let mut named: HashMap<_, Vec<usize>> = HashMap::new();
        let mut listed = HashMap::new();
        for (at, package) in packages.iter().enumerate() {
            named.entry((package.ecosystem, package.name.as_str())).or_default().push(at);
            listed.insert(package.database.as_str(), at);
        }
        Self { packages, named, listed }
    }

    fn get(&self, ecosystem: &str, owner: &'l Owner) -> Option<usize> {
        match owner {
            Owner::ListedAt(path) => self.listed.get(path.as_str()).copied(),
            Owner::Named { name, architecture } => {
                let candidates = self.named.get(&(ecosystem, name.as_str()))?;
                let fits = |at: &&usize| {
                    let own = self.packages.get(**at).and_then(|p| p.architecture.as_ref());
                    own.is_none() || architecture.is_none() || own == architecture.as_ref()
                };
                candidates.iter().find(fits).copied()
            }
        }
    }
}

/// Real places of folders.
#[derive(Default)]
struct Ways<'l>(HashMap<&'l str, Option<String>>);

impl<'l> Ways<'l> {
    /// A path with the links of its folder followed; what leads nowhere stays as it is.
    fn real(&mut self, path: &'l str, rootfs: &Rootfs) -> Cow<'l, str> {
        let (folder, name) = split(path);
        let real = self.0.entry(folder).or_insert_with(|| {
            rootfs.resolve(folder).filter(|real| real.trim_end_matches('/') != folder)
        });
        match real {
            Some(real) => Cow::Owned(format!("{}/{name}", real.trim_end_matches('/'))),
            None => Cow::Borrowed(path),
        }
    }
}

/// The folder of a package whose manager records no files.
fn folder(package: &Package) -> Option<String> {
    let (folder, file) = split(&package.database);
    let above = |folder: &str, levels: usize| {
        (0..levels).fold(folder.to_owned(), |folder, _| split(&folder).0.to_owned())
    };
    let folder = match package.ecosystem {
        "npm" => folder.to_owned(),
        // A list may lie anywhere and call its packages as folders of the system: "usr/bin" beside "/composer".
        "composer" => {
            let vendor = above(folder, 1);
            let is_name =
                !package.name.split('/').any(|part| part.is_empty() || part.starts_with('.'));
            (vendor.ends_with("/vendor") && is_name)
                .then(|| format!("{vendor}/{}", package.name))?
        }
        "gem" => {
            let levels = if folder.ends_with("/default") { 2 } else { 1 };
            format!("{}/gems/{}", above(folder, levels), file.strip_suffix(".gemspec")?)
        }
        _ => return None,
    };
    // A folder of the root would own everything.
    (folder.matches('/').count() > 1).then_some(folder)
}

impl Holdings<'_> {
    /// Paths below `/` that are claimed, for whoever asks whether one is.
    pub(super) fn claims(&self, path: &str) -> bool {
        !self.of(path).is_empty()
    }

    /// Names of installed packages of an ecosystem.
    pub(super) fn names<'i>(inventory: &'i Inventory, ecosystem: &str) -> BTreeSet<&'i str> {
        let own = inventory.packages.iter().filter(|package| package.ecosystem == ecosystem);
        own.map(|package| package.name.as_str()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c42_a_folder_is_a_package_s_where_its_manager_puts_it() {
        let package = |ecosystem: &'static str, name: &str, database: &str| Package {
            ecosystem,
            name: name.to_owned(),
            version: "1".to_owned(),
            architecture: None,
            purl: None,
            licence: None,
            source: None,
            source_version: None,
            database: database.to_owned(),
            layer: None,
        };
        for (name, database, want) in [
            ("a/b", "/app/vendor/composer/installed.json", Some("/app/vendor/a/b")),
            ("usr/bin", "/composer/installed.json", None),
            ("lib/x86_64-linux-gnu", "/usr/composer/installed.json", None),
            ("../../bin", "/usr/vendor/composer/installed.json", None),
        ] {
            let found = folder(&package("composer", name, database));
            assert_eq!(found.as_deref(), want, "{name} of {database}");
        }
    }
}
