//! What rules ask of the finished tree besides packages: rights of files, devices, tools, sizes, and who a container runs as.
//!
//! Turns the tree, the sizes of its layers and the configuration into [`Facts`]. Every fact names path and layer. Lists are
//! bounded by `limits.facts`; what a bound left out is counted beside the list, so that nobody takes a full list for all.

pub mod capabilities;
pub mod collector;
pub mod programs;
pub mod sizes;
pub mod user;

use std::collections::BTreeSet;

use super::Package;
use crate::{
    image::{
        config::RuntimeConfig,
        rootfs::{Node, Rootfs},
        tar::EntryKind,
    },
    limits::Limits,
};
use capabilities::{Capabilities, Undecoded};
use collector::FactsCollector;
use programs::{By, Program};
use sizes::{Sizes, Stored};
use user::{Accounts, User};

const SETUID: u32 = 0o4000;
const SETGID: u32 = 0o2000;
const STICKY: u32 = 0o1000;
const WRITABLE_BY_ALL: u32 = 0o002;
/// Extended attribute of file capabilities.
const CAPABILITY: &str = "security.capability";

/// Facts of one kind, no more than may be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounded<T> {
    /// Those that are kept, by path.
    pub items: Vec<T>,
    /// How many more there are.
    pub left_out: usize,
}

impl<T> Default for Bounded<T> {
    fn default() -> Self {
        Self { items: Vec::new(), left_out: 0 }
    }
}

impl<T> Bounded<T> {
    fn push(&mut self, item: T, most: usize) {
        if self.items.len() < most {
            self.items.push(item);
        } else {
            self.left_out = self.left_out.saturating_add(1);
        }
    }
}

/// Where a fact is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spot {
    /// Path from the root.
    pub path: String,
    /// The layer that it is from, counted from 0; `None` where it was not read from layers.
    pub layer: Option<usize>,
}

/// A file that runs with the rights of its owner or group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetId {
    /// Where.
    pub spot: Spot,
    /// Whether with those of its owner.
    pub setuid: bool,
    /// Whether with those of its group.
    pub setgid: bool,
    /// Number of the owner.
    pub uid: u64,
    /// Number of the group.
    pub gid: u64,
}

/// A file with capabilities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapableFile {
    /// Where.
    pub spot: Spot,
    /// Which, or why its attribute cannot be read.
    pub capabilities: Result<Capabilities, Undecoded>,
}

/// A file or folder that everybody may write to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Writable {
    /// Where.
    pub spot: Spot,
    /// Whether it is a folder, in which everybody may replace files; one with the sticky bit is none.
    pub folder: bool,
    /// Whether it may be run.
    pub executable: bool,
}

/// A device node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Where.
    pub spot: Spot,
    /// Whether it is a block device.
    pub block: bool,
    /// Major and minor number.
    pub numbers: Option<(u32, u32)>,
}

/// What rules ask of the finished tree.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// Files with setuid or setgid.
    pub set_ids: Bounded<SetId>,
    /// Files with capabilities.
    pub capable: Bounded<CapableFile>,
    /// Files and folders that everybody may write to.
    pub writable: Bounded<Writable>,
    /// Device nodes.
    pub devices: Bounded<Device>,
    /// Shells, package managers, compilers and other tools.
    pub programs: Bounded<Program>,
    /// Bytes of layers.
    pub sizes: Sizes,
    /// Who the first process of a container runs as.
    pub user: User,
}

impl Facts {
    /// The facts of a tree. `stored` are the sizes of its layers, base first.
    pub fn of(
        rootfs: &Rootfs,
        collected: &FactsCollector,
        stored: &[Stored],
        runtime: &RuntimeConfig,
        packages: &[Package],
        limits: &Limits,
    ) -> Self {
        let most = limits.facts;
        let mut facts = Self::default();
        for (path, node) in rootfs.nodes() {
            facts.look_at(path, node, most);
        }
        let folders = programs::folders(runtime);
        facts.programs = programs_of(rootfs, &folders, packages, most);
        facts.sizes = sizes::of(rootfs, collected.files(), stored);
        let accounts = |path| collected.accounts(rootfs, path);
        facts.user = user::resolve(&runtime.user, accounts(user::PASSWD), accounts(user::GROUP));
        facts
    }

    fn look_at(&mut self, path: &str, node: &Node, most: usize) {
        let spot = || Spot { path: path.to_owned(), layer: Some(node.layer) };
        let (file, folder) = (node.kind == EntryKind::File, node.kind == EntryKind::Directory);
        if file && node.mode & (SETUID | SETGID) != 0 {
            let (setuid, setgid) = (node.mode & SETUID != 0, node.mode & SETGID != 0);
            let found = SetId { spot: spot(), setuid, setgid, uid: node.uid, gid: node.gid };
            self.set_ids.push(found, most);
        }
        if let Some(attribute) = node.xattrs.get(CAPABILITY) {
            let capabilities = capabilities::decode(attribute);
            self.capable.push(CapableFile { spot: spot(), capabilities }, most);
        }
        let open = folder && node.mode & STICKY == 0;
        if node.mode & WRITABLE_BY_ALL != 0 && (file || open) {
            let executable = file && programs::is_executable(node);
            self.writable.push(Writable { spot: spot(), folder, executable }, most);
        }
        let block = node.kind == EntryKind::BlockDevice;
        if block || node.kind == EntryKind::CharDevice {
            self.devices.push(Device { spot: spot(), block, numbers: node.device }, most);
        }
    }
}

/// Tools by the names of programs where programs are looked for, and by the names of installed packages.
fn programs_of(
    rootfs: &Rootfs,
    folders: &BTreeSet<String>,
    packages: &[Package],
    most: usize,
) -> Bounded<Program> {
    let mut found = Bounded::default();
    for (path, node) in rootfs.nodes() {
        if let Some((class, name)) = programs::of_path(path, folders)
            && programs::runs(rootfs, path, node)
        {
            let spot = Spot { path: path.to_owned(), layer: Some(node.layer) };
            found.push(Program { class, name: name.to_owned(), by: By::Path, spot }, most);
        }
    }
    for package in packages {
        if let Some(class) = programs::of_package(package) {
            let spot = Spot { path: package.database.clone(), layer: package.layer };
            found.push(Program { class, name: package.name.clone(), by: By::Package, spot }, most);
        }
    }
    found
}

impl Facts {
    /// How many facts each bound left out, by the word of their list; none where all are here.
    pub fn left_out(&self) -> Vec<(&'static str, usize)> {
        let all = [
            ("setIds", self.set_ids.left_out),
            ("capabilities", self.capable.left_out),
            ("worldWritable", self.writable.left_out),
            ("devices", self.devices.left_out),
            ("programs", self.programs.left_out),
        ];
        all.into_iter().filter(|(_, count)| *count > 0).collect()
    }
}

/// What the tree says of accounts; `None` where there is no such file.
pub type Looked<'a> = Option<Result<Accounts<'a>, &'static str>>;

#[cfg(test)]
mod tests;
