//! The layers on which it rests that a file is a part of a package of the distribution.
//!
//! Turns databases, lists of files, os-release and the tree into the highest layer that has a say in that: whoever makes a
//! layer writes each of these as he likes, so that the answer is no more than the word of who made that layer. What counts is
//! since when the database lists the package as it does, since when its lists name its libraries, which layer the libraries are
//! from, which layers have files beside them that would be loaded in their place, and since when the distribution and its
//! release are called so. There is no answer where a library of the package is missing, or is newer than the list that names it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{
    Package, ages,
    catalogue::{Listed, Origin},
    claims::{Claims, Content, Owner, Role},
    is_distribution,
    lists::ReadList,
};
use crate::image::{
    rootfs::{Node, Rootfs},
    tar::EntryKind,
};

/// Folders that programs of languages load libraries from.
const SITES: [&str; 7] = [
    "dist-packages",
    "gems",
    "node_modules",
    "nodejs",
    "site-packages",
    "specifications",
    "vendor_ruby",
];

/// A library: the folder that it is loaded from, and its name there up to the first dot, which modules, folders and compiled
/// files of one library have alike.
type Library<'p> = (&'p str, &'p str);

/// The libraries that a path is a part of, outermost first.
fn libraries(path: &str) -> impl Iterator<Item = Library<'_>> {
    path.match_indices('/').filter_map(|(at, _)| {
        let (site, rest) = path.split_at_checked(at)?;
        let (_, folder) = site.rsplit_once('/').filter(|(_, folder)| SITES.contains(folder))?;
        let rest = rest.strip_prefix('/').filter(|_| !folder.is_empty())?;
        let rest = rest.strip_prefix("__pycache__/").unwrap_or(rest);
        let stem = rest.split(['/', '.']).next()?;
        Some((site, stem))
    })
}

/// Whether claims of a path by a package manager of this ecosystem are kept for this.
pub(super) fn is_library(ecosystem: &str, path: &str) -> bool {
    is_distribution(ecosystem) && path.starts_with("/usr/") && libraries(path).next().is_some()
}

/// A package in a database: the path of that, ecosystem, name, architecture.
type Key = (String, &'static str, String, Option<String>);

/// Since which layer each database lists each of its packages as it does, without a layer that says otherwise in between.
#[derive(Debug, Default)]
pub(super) struct Records(BTreeMap<Key, usize>);

impl Records {
    /// Of the versions of databases, each with its path and layer, the lowest layer first.
    pub(super) fn of<'l, L>(versions: impl Iterator<Item = (&'l str, usize, L)>) -> Self
    where
        L: Iterator<Item = (Origin, &'l [Listed])>,
    {
        let mut now: BTreeMap<&str, BTreeMap<_, (&Listed, usize)>> = BTreeMap::new();
        for (path, layer, lists) in versions {
            let before = now.remove(path).unwrap_or_default();
            let mut entries = BTreeMap::new();
            for (origin, one) in
                lists.flat_map(|(origin, all)| all.iter().map(move |one| (origin, one)))
            {
                let key = (origin.ecosystem, one.name.as_str(), one.architecture.as_deref());
                let same = before.get(&key).filter(|(then, _)| *then == one);
                let since = same.map_or(layer, |(_, since)| *since);
                let entry = entries.entry(key).or_insert((one, since));
                entry.1 = entry.1.max(since);
            }
            now.insert(path, entries);
        }
        let all = now.into_iter().flat_map(|(path, entries)| {
            entries.into_iter().map(move |((ecosystem, name, architecture), (_, since))| {
                let architecture = architecture.map(str::to_owned);
                ((path.to_owned(), ecosystem, name.to_owned(), architecture), since)
            })
        });
        Self(all.collect())
    }

    fn since(&self, package: &Package) -> Option<usize> {
        let Package { database, ecosystem, name, architecture, .. } = package;
        let key = (database.clone(), *ecosystem, name.clone(), architecture.clone());
        self.0.get(&key).copied()
    }
}

/// Who claims files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Claimant<'a> {
    Named(&'a str, &'a str),
    ListedAt(&'a str),
}

/// What a footing is found by.
#[derive(Debug)]
pub(super) struct Footings<'a> {
    records: &'a Records,
    release: Option<usize>,
    rootfs: &'a Rootfs,
    claims: HashMap<Claimant<'a>, Vec<(&'a ReadList, &'a Claims)>>,
}

/// What is known of one package before the files beside its own are looked at.
#[derive(Debug)]
struct Own<'a> {
    layer: usize,
    libraries: BTreeSet<Library<'a>>,
}

impl<'a> Footings<'a> {
    /// With the layer since which os-release says what it says.
    pub(super) fn new(
        records: &'a Records,
        release: Option<usize>,
        lists: &'a [ReadList],
        rootfs: &'a Rootfs,
    ) -> Self {
        let mut by: HashMap<_, Vec<_>> = HashMap::new();
        for list in lists {
            for claims in &list.told.claims {
                let claimant = match &claims.owner {
                    Owner::Named { name, .. } => Claimant::Named(list.origin.ecosystem, name),
                    Owner::ListedAt(path) => Claimant::ListedAt(path),
                };
                by.entry(claimant).or_default().push((list, claims));
            }
        }
        Self { records, release, rootfs, claims: by }
    }

    /// The layer on which it rests that each of these packages has these files.
    pub(super) fn of<'p>(
        &self,
        packages: &BTreeMap<&'p Package, BTreeSet<&str>>,
    ) -> BTreeMap<&'p Package, usize> {
        let own = packages.iter();
        let own: BTreeMap<&Package, Own<'a>> = own
            .filter_map(|(package, files)| Some((*package, self.own(package, files)?)))
            .collect();
        let mut highest: HashMap<Library<'a>, usize> =
            own.values().flat_map(|own| &own.libraries).map(|library| (*library, 0)).collect();
        if !highest.is_empty() {
            for (path, node) in self.rootfs.nodes().filter(|(_, node)| is_file(node)) {
                for library in libraries(path) {
                    if let Some(layer) = highest.get_mut(&library) {
                        *layer = node.layer.max(*layer);
                    }
                }
            }
        }
        let all = own.into_iter().map(|(package, own)| {
            let beside = own.libraries.iter().filter_map(|library| highest.get(library));
            (package, beside.copied().fold(own.layer, usize::max))
        });
        all.collect()
    }

    fn own(&self, package: &Package, files: &BTreeSet<&str>) -> Option<Own<'a>> {
        let mut layer = self.records.since(package)?.max(self.release?);
        let claimed = self.claimed(package, files);
        if files.iter().any(|path| !claimed.contains_key(path)) {
            return None;
        }
        for (path, claim) in &claimed {
            let Some(node) = self.rootfs.get(path) else {
                if claim.may_be_missing {
                    continue;
                }
                return None;
            };
            match (is_file(node), claim.is_recorded) {
                (true, _) if node.layer <= claim.newest => {
                    layer = layer.max(claim.since).max(node.layer);
                }
                // Folders are listed, too, and any layer may touch them.
                (false, false) => {}
                _ => return None,
            }
        }
        let own = claimed.keys().copied().filter_map(|path| libraries(path).last());
        Some(Own { layer, libraries: own.collect() })
    }

    /// The libraries that a package claims by any list about its version, and these files; as they are written, so that nothing
    /// is found through a link.
    fn claimed(&self, package: &Package, files: &BTreeSet<&str>) -> BTreeMap<&'a str, Claimed> {
        let by_name = Claimant::Named(package.ecosystem, &package.name);
        let by_list = Claimant::ListedAt(&package.database);
        let claims = [by_name, by_list].into_iter().filter_map(|by| self.claims.get(&by)).flatten();
        let mut claimed: BTreeMap<&str, Claimed> = BTreeMap::new();
        for (list, claims) in claims.filter(|(list, one)| !list.outdated.contains(&one.owner)) {
            for claim in &claims.files {
                let path = &*claim.path;
                if !is_library(package.ecosystem, path) && !files.contains(path) {
                    continue;
                }
                let since = ages::since(&list.ages, list.layer, &claims.owner, path);
                let one = claimed.entry(path).or_default();
                one.since = one.since.max(since);
                one.newest = one.newest.max(list.layer);
                one.is_recorded |= claim.content != Content::Unknown;
                one.may_be_missing |= matches!(claim.role, Role::Ghost | Role::Documentation);
            }
        }
        claimed
    }
}

/// What lists say of one path.
#[derive(Debug, Default)]
struct Claimed {
    /// The highest layer since which one of them names it.
    since: usize,
    /// The layer of the newest of them.
    newest: usize,
    /// Whether one says what its content is.
    is_recorded: bool,
    /// Whether it is one that need not be there.
    may_be_missing: bool,
}

fn is_file(node: &Node) -> bool {
    matches!(node.kind, EntryKind::File | EntryKind::Symlink)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_is_its_modules_folders_and_compiled_files() {
        let cases: [(&str, &[Library<'_>]); 9] = [
            ("/usr/lib/python3/dist-packages/six.py", &[("/usr/lib/python3/dist-packages", "six")]),
            (
                "/usr/lib/python3/dist-packages/__pycache__/six.cpython-311.pyc",
                &[("/usr/lib/python3/dist-packages", "six")],
            ),
            (
                "/usr/lib/python3/dist-packages/requests-2.28.1.dist-info/METADATA",
                &[("/usr/lib/python3/dist-packages", "requests-2")],
            ),
            ("/usr/share/nodejs/semver/index.js", &[("/usr/share/nodejs", "semver")]),
            (
                "/usr/lib/node_modules/npm/node_modules/semver/index.js",
                &[
                    ("/usr/lib/node_modules", "npm"),
                    ("/usr/lib/node_modules/npm/node_modules", "semver"),
                ],
            ),
            ("/usr/lib/ruby/vendor_ruby/rack.rb", &[("/usr/lib/ruby/vendor_ruby", "rack")]),
            ("/usr/bin/python3", &[]),
            ("/usr/lib/dist-packages", &[]),
            ("dist-packages/x", &[]),
        ];
        for (path, want) in cases {
            assert_eq!(libraries(path).collect::<Vec<_>>(), want, "{path}");
        }
        let path = "/usr/lib/python3/dist-packages/six.py";
        assert!(is_library("deb", path) && !is_library("pypi", path));
        assert!(!is_library("deb", "/opt/site-packages/six.py"));
    }
}
