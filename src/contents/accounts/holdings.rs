//! Claims in the tree: which package has which path.
//!
//! Turns claims of packages that are in the inventory into paths of the tree. Diversions are applied, then the links of the
//! folder: `/bin/sh` of a package is `/usr/bin/sh` where `/bin` is a link. The last part of a path is never followed. Claims of
//! packages that the inventory does not have own nothing; they are kept apart, as traces. A regular file that dpkg lists
//! without a checksum, beside others of the package that have one, is not its: `md5sums` has every file but conffiles, so
//! that a line in `.list` alone was written by somebody else.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, HashMap},
};

use super::PackageFiles;
use crate::{
    contents::{
        Inventory, Package, ages,
        claims::{Claim, Content, Diversion, Owner, Role},
        is_distribution,
        lists::ReadList,
        parts::split,
    },
    image::{rootfs::Rootfs, tar::EntryKind},
};

/// A claim of an installed package, in the tree.
#[derive(Debug, Clone)]
pub(super) struct Held<'l> {
    pub(super) path: Cow<'l, str>,
    /// The package, by its place in the inventory.
    pub(super) package: usize,
    /// What was recorded.
    pub(super) content: &'l Content,
    /// What it is to the package.
    pub(super) role: Role,
    /// The layer of the list, counted from 0.
    pub(super) layer: usize,
    /// The layer since which such a list makes it.
    since: usize,
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

/// Claims of an installed package in a list that a later layer replaced or deleted.
#[derive(Debug)]
pub(super) struct Older<'l> {
    /// The list.
    pub(super) list: &'l ReadList,
    /// The package, by its place in the inventory.
    pub(super) package: usize,
    /// Whether the package has another version since.
    pub(super) outdated: bool,
    /// The layer since which the package has its present version, as far as the list is about it.
    debut: Option<usize>,
    /// The files, and what became of the record of each.
    pub(super) files: Vec<(Held<'l>, Option<Fading>)>,
}

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fading {
    /// Nothing records the file any more.
    Gone,
    /// Other bytes are recorded for the same version.
    Changed,
    /// More files are recorded for the same version.
    Grown,
    /// os-release names another distribution or release, and no package recorded its bytes.
    Renamed,
    /// The package has another source, in the same version.
    Resourced,
    /// The package has another version, and nothing that is recorded of its files is another.
    Reversioned,
}

impl Fading {
    /// Why that is told.
    pub fn why(self) -> &'static str {
        match self {
            Self::Gone => {
                "a lower layer records these files, a later one does not, and they are there"
            }
            Self::Changed => {
                "a later layer records other bytes of these files for the same version"
            }
            Self::Resourced => {
                "a later layer gives the package another source, in the same version: advisories are about sources"
            }
            Self::Grown => {
                "a later layer records more files for the same version, which no package manager does"
            }
            Self::Reversioned => {
                "a later layer gives the package another version, and its files and checksums are those of before"
            }
            Self::Renamed => {
                "a later layer says otherwise which distribution this is, in a file that no package recorded so"
            }
        }
    }
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
    /// Claims of installed packages in lists that the tree has no longer.
    pub(super) older: Vec<Older<'l>>,
    /// Packages of which files have checksums.
    summed: BTreeSet<usize>,
    /// Claims that a list of a later layer adds to those of a package whose version it did not bring, each with that list.
    pub(super) grown: Vec<(Held<'l>, &'l ReadList)>,
}

impl<'l> Holdings<'l> {
    pub(super) fn new(inventory: &'l Inventory, lists: &'l [ReadList], rootfs: &Rootfs) -> Self {
        let packages = Packages::new(inventory);
        let live = lists.iter().filter(|list| list.live);
        let diverted: BTreeMap<&str, &Diversion> = live
            .flat_map(|list| &list.told.diversions)
            .map(|one| (one.from.as_str(), one))
            .collect();
        let (mut held, mut traces, mut older) = (Vec::new(), Vec::new(), Vec::new());
        let mut late = Vec::new();
        let mut ways = Ways::default();
        for list in lists {
            for claims in &list.told.claims {
                let (owner, files) = (&claims.owner, claims.files.as_slice());
                let Some(package) = packages.get(list.origin.ecosystem, owner) else {
                    traces.push(Trace { list, owner, files });
                    continue;
                };
                let name = inventory.packages.get(package).map(|p| p.name.as_str());
                let files = files.iter().map(|claim| {
                    let divert = diverted.get(&*claim.path).filter(|one| one.by.as_deref() != name);
                    let path: &'l str = divert.map_or(&claim.path, |one| one.to.as_str());
                    let path = ways.real(path, rootfs);
                    let (content, role, layer) = (&claim.content, claim.role, list.layer);
                    let since = ages::since(&list.ages, list.layer, owner, &claim.path);
                    Held { path, package, content, role, layer, since }
                });
                let debut = inventory.since.get(&package).map(|since| since.of(owner));
                if list.live {
                    let is_late = |one: &Held<'_>| debut.is_some_and(|debut| one.since > debut);
                    let (later, own): (Vec<_>, Vec<_>) = files.partition(is_late);
                    held.extend(own);
                    late.extend(later.into_iter().map(|one| (one, list)));
                } else {
                    let (outdated, files) =
                        (list.outdated.contains(owner), files.map(|one| (one, None)));
                    let files = files.collect();
                    older.push(Older { list, package, outdated, debut, files });
                }
            }
        }
        held.sort_by(|a, b| (&a.path, a.package).cmp(&(&b.path, b.package)));
        let folders = inventory.packages.iter().enumerate();
        let folders = folders.filter_map(|(at, package)| Some((folder(package)?, at))).collect();
        let (summed, grown) = (BTreeSet::new(), Vec::new());
        let mut all = Self { held, folders, traces, older, summed, grown };
        all.weigh(late);
        all.summed = all.with_checksums();
        all.remember(inventory);
        all.forget_bare(inventory, rootfs);
        all
    }

    /// Takes the claims that are later than their package's version. One that a list of before made, too, is the package's own, be
    /// it another list; so is one of other bytes of a file that was recorded, which contradicts what it said. The rest was added by
    /// somebody else.
    fn weigh(&mut self, late: Vec<(Held<'l>, &'l ReadList)>) {
        if late.is_empty() {
            return;
        }
        // What was recorded of another version is nothing that this one has.
        let older = self.older.iter().filter(|older| !older.outdated).flat_map(|older| {
            let files = older.files.iter().map(|(one, _)| one);
            files.filter(|one| older.debut.is_some_and(|debut| one.since <= debut))
        });
        let mut before: HashMap<(usize, Cow<'l, str>), Vec<&'l Content>> = HashMap::new();
        for one in self.held.iter().chain(older) {
            before.entry((one.package, one.path.clone())).or_default().push(one.content);
        }
        let (own, grown): (Vec<_>, Vec<_>) = late.into_iter().partition(|(one, _)| {
            let said = before.get(&(one.package, one.path.clone())).into_iter().flatten();
            let recorded = *one.content != Content::Unknown;
            said.into_iter()
                .any(|then| *then == one.content || recorded && **then != Content::Unknown)
        });
        self.held.extend(own.into_iter().map(|(one, _)| one));
        self.grown = grown;
        self.held.sort_by(|a, b| (&a.path, a.package).cmp(&(&b.path, b.package)));
    }

    /// Packages of which the lists that the tree has give checksums.
    fn with_checksums(&self) -> BTreeSet<usize> {
        let summed = self.held.iter().filter(|one| {
            matches!(one.content, Content::Sum(_)) && one.role != Role::Configuration
        });
        summed.map(|one| one.package).collect()
    }

    /// Whether a list that the tree has gives checksums of files of a package.
    pub(super) fn has_checksums(&self, package: usize) -> bool {
        self.summed.contains(&package)
    }

    /// Holds what lists of lower layers recorded of a package whose version is the same: that they were deleted or shortened
    /// takes nothing back.
    fn remember(&mut self, inventory: &Inventory) {
        let mut older = std::mem::take(&mut self.older);
        for (one, became) in older.iter_mut().flat_map(|older| &mut older.files) {
            *became = fading(self, one, inventory);
        }
        let same = older.iter().filter(|older| !older.outdated).flat_map(|older| &older.files);
        let faded = same.filter(|(_, became)| became.is_some()).map(|(one, _)| one.clone());
        self.held.extend(faded);
        self.older = older;
        self.held.sort_by(|a, b| (&a.path, a.package).cmp(&(&b.path, b.package)));
    }

    /// Lets go of regular files that dpkg's list names and no checksum of the package does.
    fn forget_bare(&mut self, inventory: &Inventory, rootfs: &Rootfs) {
        let Self { held, summed, .. } = self;
        held.retain(|one| {
            let of_dpkg = inventory.packages.get(one.package).is_some_and(|p| p.ecosystem == "deb");
            let bare = of_dpkg && *one.content == Content::Unknown && summed.contains(&one.package);
            let is_file = || rootfs.get(&one.path).is_some_and(|node| node.kind == EntryKind::File);
            !(bare && is_file())
        });
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

/// What became of the record of a lower layer; none where a list of the tree says the same, or the file is somebody else's.
fn fading(holdings: &Holdings<'_>, older: &Held<'_>, inventory: &Inventory) -> Option<Fading> {
    let now = holdings.of(&older.path);
    let mut own = now.iter().filter(|one| one.package == older.package).peekable();
    if own.clone().any(|one| one.content == older.content) {
        return None;
    }
    let of_distribution =
        inventory.packages.get(older.package).is_some_and(|p| is_distribution(p.ecosystem));
    let recorded = |content: &Content| *content != Content::Unknown;
    if !of_distribution {
        // Installers of languages write scripts anew with other bytes, and compile or do not.
        let gone = !holdings.has_checksums(older.package) && own.peek().is_none();
        return gone.then_some(Fading::Gone);
    }
    if own.clone().any(|one| recorded(one.content)) {
        return recorded(older.content).then_some(Fading::Changed);
    }
    let taken = now.iter().any(|one| one.package != older.package && recorded(one.content));
    let named = own.peek().is_some() && !recorded(older.content);
    (!taken && !named).then_some(Fading::Gone)
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
        // Where Debian's Node.js looks, dpkg records the files.
        "npm" => folder.contains("/node_modules/").then(|| folder.to_owned())?,
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
            module: None,
            database: database.to_owned(),
            layer: None,
        };
        for (name, database, want) in [
            ("a", "/app/node_modules/a/package.json", Some("/app/node_modules/a")),
            ("a", "/usr/share/nodejs/a/package.json", None),
        ] {
            let found = folder(&package("npm", name, database));
            assert_eq!(found.as_deref(), want, "{name} of {database}");
        }
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
