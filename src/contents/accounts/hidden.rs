//! Packages whose files are there and whose entry is gone.
//!
//! Taking a package out of its database hides it from whoever reads the database alone. What is left of it tells: the lists
//! of files that dpkg and Python keep beside their databases, databases of lower layers that a later one shortened, replaced
//! or deleted, copyright files that Debian's packages have to bring, and apk's `world`. A package that was removed as its
//! manager removes it leaves none of its files, and is not told.

use std::collections::{BTreeMap, BTreeSet};

use super::holdings::{Holdings, Trace};
use crate::{
    contents::{
        Inventory,
        claims::{Owner, Role},
        lists::ReadList,
    },
    image::{rootfs::Rootfs, tar::EntryKind},
    limits::Limits,
};

/// A package that is hidden.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hidden {
    /// Type of the package URL.
    pub ecosystem: &'static str,
    /// Its name; of what has none, the path that it was listed at.
    pub name: String,
    /// What tells of it.
    pub evidence: String,
    /// The layer of the evidence.
    pub layer: Option<usize>,
    /// Why that means that it is hidden.
    pub why: &'static str,
    /// Its files that are in the tree and nobody else's.
    pub files: usize,
    /// The first of them.
    pub first: Option<String>,
}

/// Every hidden package, sorted; at most `limits.told_files`.
pub(super) fn hidden(
    inventory: &Inventory,
    lists: &[ReadList],
    holdings: &Holdings<'_>,
    rootfs: &Rootfs,
    limits: &Limits,
) -> Vec<Hidden> {
    let mut found: BTreeMap<(&str, String), Hidden> = BTreeMap::new();
    let traces = holdings.traces.iter().filter_map(|trace| of_trace(trace, holdings, rootfs));
    let others = documented(inventory, holdings, rootfs).into_iter().chain(asked(inventory, lists));
    for one in traces.chain(others) {
        let key = (one.ecosystem, one.name.clone());
        let better = found.get(&key).is_none_or(|before| before.files < one.files);
        if better {
            found.insert(key, one);
        }
    }
    found.into_values().take(limits.told_files).collect()
}

fn of_trace(trace: &Trace<'_>, holdings: &Holdings<'_>, rootfs: &Rootfs) -> Option<Hidden> {
    let Trace { list, owner, files } = trace;
    let left = files.iter().filter(|claim| matches!(claim.role, Role::Plain | Role::Documentation));
    // A package of which configuration is left is not installed, and in `/etc` its list is right.
    let left = left.filter(|claim| !claim.path.starts_with("/etc/"));
    let real = left.filter_map(|claim| {
        let (folder, name) = claim.path.rsplit_once('/')?;
        let folder = if folder.is_empty() { "/".to_owned() } else { rootfs.resolve(folder)? };
        Some(format!("{}/{name}", folder.trim_end_matches('/')))
    });
    let is_file = |path: &String| rootfs.get(path).is_some_and(|node| node.kind == EntryKind::File);
    let left: Vec<String> = real.filter(|path| is_file(path) && !holdings.claims(path)).collect();
    let why = if list.live {
        "a list names its files, and the database has no such package installed"
    } else {
        "a lower layer lists it, a later one does not, and its files are there"
    };
    let name = match owner {
        Owner::Named { name, .. } => name.clone(),
        Owner::ListedAt(path) => path.clone(),
    };
    let first = Some(left.first()?.clone());
    Some(Hidden {
        ecosystem: list.origin.ecosystem,
        name,
        evidence: list.path.clone(),
        layer: Some(list.layer),
        why,
        files: left.len(),
        first,
    })
}

/// Copyright files of packages that dpkg does not know (Debian Policy 12.5: every package has one).
fn documented(inventory: &Inventory, holdings: &Holdings<'_>, rootfs: &Rootfs) -> Vec<Hidden> {
    let names = Holdings::names(inventory, "deb");
    if names.is_empty() {
        return Vec::new();
    }
    let documented = rootfs.nodes().filter_map(|(path, node)| {
        let name = path.strip_prefix("/usr/share/doc/")?.strip_suffix("/copyright")?;
        let own = !name.contains('/') && !names.contains(name) && !holdings.claims(path);
        (own && node.kind == EntryKind::File).then(|| Hidden {
            ecosystem: "deb",
            name: name.to_owned(),
            evidence: path.to_owned(),
            layer: Some(node.layer),
            why: "a package's copyright file is there, and the database has no such package",
            files: 1,
            first: Some(path.to_owned()),
        })
    });
    documented.collect()
}

/// What apk was asked for and does not have.
fn asked(inventory: &Inventory, lists: &[ReadList]) -> Vec<Hidden> {
    let mut names = Holdings::names(inventory, "apk");
    let live = || lists.iter().filter(|list| list.live && list.origin.ecosystem == "apk");
    names.extend(live().flat_map(|list| &list.told.provided).map(String::as_str));
    let hidden = live().flat_map(|list| list.told.asked.iter().map(move |name| (list, name)));
    let hidden = hidden.filter(|(_, name)| !names.contains(name.as_str()));
    let mut told = BTreeSet::new();
    hidden
        .filter(|(_, name)| told.insert(name.as_str()))
        .map(|(list, name)| Hidden {
            ecosystem: "apk",
            name: name.clone(),
            evidence: list.path.clone(),
            layer: Some(list.layer),
            why: "it was asked for, and the database has no such package",
            files: 0,
            first: None,
        })
        .collect()
}
