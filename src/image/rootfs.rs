//! The root filesystem that the layers of an image add up to.
//!
//! Turns layers, base first, into the tree that a container sees (image-spec v1.1, layer.md, "Applying Changesets"):
//! whiteouts hide what is below, hard links share a file, symbolic links among an entry's parents are followed inside
//! the root as containerd does. Keeps facts of all files and the contents of wanted ones only. Places where runtimes
//! could build different trees are told as [`Ambiguity`]; layers that no runtime can unpack are refused. Nothing is
//! ever written to disk.

use std::{collections::BTreeMap, io::Read};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::tar::{self, Entry, EntryKind, TarError, Whiteout};
use crate::limits::Limits;

/// Symbolic links followed for one path, as Linux does (`MAXSYMLINKS`).
const HOPS_MAX: usize = 40;

/// What is kept of a file's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contents {
    /// Nothing: nobody asked for this path.
    NotWanted,
    /// Nothing: the file is larger than `file_bytes`.
    TooLarge,
    /// All.
    Kept(Bytes),
    /// Their SHA-256 digest, from [`RootfsBuilder::hashing`].
    Hashed([u8; 32]),
}

/// A file, directory, link or device of the root filesystem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What it is; a hard link is the file that it names.
    pub kind: EntryKind,
    /// Permissions with setuid, setgid and sticky bit.
    pub mode: u32,
    /// Number of the owner.
    pub uid: u64,
    /// Number of the group.
    pub gid: u64,
    /// Bytes of content.
    pub size: u64,
    /// Target of a symbolic link, as written.
    pub link: Option<String>,
    /// Major and minor number of a device.
    pub device: Option<(u32, u32)>,
    /// Extended attributes.
    pub xattrs: BTreeMap<String, Vec<u8>>,
    /// The layer that it comes from, counted from 0.
    pub layer: usize,
    /// What is kept of its bytes.
    pub contents: Contents,
    /// Whether no layer has an entry for it: a parent directory that runtimes make.
    pub implied: bool,
    /// The same number for all names of one file, as hard links make them.
    pub inode: u64,
}

/// A place where runtimes could build different trees.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ambiguity {
    /// The layer, counted from 0.
    pub layer: usize,
    /// The path.
    pub path: String,
    /// What is ambiguous.
    pub why: &'static str,
}

/// Why layers do not add up to a root filesystem.
#[derive(Debug, thiserror::Error)]
pub enum RootfsError {
    /// A layer's tar cannot be read.
    #[error("layer {layer}: {error}")]
    Tar {
        /// The layer, counted from 0.
        layer: usize,
        /// What is wrong with it.
        error: TarError,
    },
    /// An entry below a file, or below symbolic links that lead nowhere: no runtime unpacks it.
    #[error("layer {layer}: {path}: {why}")]
    Impossible {
        /// The layer, counted from 0.
        layer: usize,
        /// The path of the entry.
        path: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// More than hallmark keeps.
    #[error("layer {layer}: the image has more than {limit} {unit}; the limit is {}", crate::limits::key(.limit_name))]
    Limit {
        /// The layer, counted from 0.
        layer: usize,
        /// How much is kept.
        limit: u64,
        /// Of what.
        unit: &'static str,
        /// The name of the limit in `hallmark.yaml`.
        limit_name: &'static str,
    },
}

/// What to do with the contents of files.
#[derive(Debug, Clone, Copy)]
enum Keep {
    /// Keep those of wanted paths.
    Wanted(fn(&str) -> bool),
    /// Hash all.
    Hashes,
}

/// A root filesystem in the making.
#[derive(Debug)]
pub struct RootfsBuilder {
    limits: Limits,
    keep: Keep,
    tree: Tree,
    kept_bytes: u64,
    inodes: u64,
    ambiguities: Vec<Ambiguity>,
}

impl RootfsBuilder {
    /// Starts with an empty root. `wanted` says of which paths the contents are kept.
    pub fn new(limits: &Limits, wanted: fn(&str) -> bool) -> Self {
        Self::keeping(limits, Keep::Wanted(wanted))
    }

    /// Starts with an empty root. The contents of all files are hashed and none are kept.
    pub fn hashing(limits: &Limits) -> Self {
        Self::keeping(limits, Keep::Hashes)
    }

    fn keeping(limits: &Limits, keep: Keep) -> Self {
        let (tree, limits) = (Tree::default(), limits.clone());
        Self { limits, keep, tree, kept_bytes: 0, inodes: 0, ambiguities: Vec::new() }
    }

    /// Applies the uncompressed layer at position `index`; positions must rise from call to call.
    ///
    /// # Errors
    /// [`RootfsError`]; the builder is of no use afterwards.
    pub fn add_layer(&mut self, index: usize, layer: impl Read) -> Result<(), RootfsError> {
        let limits = self.limits.clone();
        let mut failed = None;
        let walked = tar::walk(layer, &limits, |entry, content| {
            if failed.is_none()
                && let Err(error) = self.apply(index, entry, content)
            {
                match error {
                    RootfsError::Tar { error, .. } => return Err(error),
                    other => failed = Some(other),
                }
            }
            Ok(())
        });
        // A tar that cannot be read explains an entry that cannot be applied, not the other way round.
        walked.map_err(|error| RootfsError::Tar { layer: index, error })?;
        failed.map_or(Ok(()), Err)
    }

    /// The finished root filesystem.
    pub fn finish(mut self) -> Rootfs {
        self.ambiguities.sort();
        self.ambiguities.dedup();
        Rootfs { tree: self.tree, ambiguities: self.ambiguities }
    }

    fn apply(
        &mut self,
        layer: usize,
        entry: &Entry,
        content: &mut dyn Read,
    ) -> Result<(), RootfsError> {
        match entry.whiteout() {
            Some(Whiteout::Bookkeeping) => Ok(()),
            Some(Whiteout::Opaque { folder }) => {
                let folder = self.resolve(layer, folder)?;
                self.tree.hide_below(&folder, layer);
                Ok(())
            }
            Some(Whiteout::Name { folder, name }) => {
                let path = join(&self.resolve(layer, folder)?, name);
                if self.tree.hide(&path, layer) {
                    self.ambiguous(layer, path, "a whiteout and an entry of the same layer");
                }
                Ok(())
            }
            None => self.place(layer, entry, content),
        }
    }

    fn place(
        &mut self,
        layer: usize,
        entry: &Entry,
        content: &mut dyn Read,
    ) -> Result<(), RootfsError> {
        let path = self.resolve_parent(layer, &entry.path)?;
        let node = if entry.kind == EntryKind::HardLink {
            self.linked(layer, entry)?
        } else {
            let contents = self.read(layer, &path, entry, content)?;
            self.inodes = self.inodes.saturating_add(1);
            Node::of(entry, layer, contents, self.inodes)
        };
        self.count(layer, &path, &node)?;
        if let Some(there) = self.tree.0.get(&path)
            && there.layer == layer
            && !there.implied
            && !(there.kind == EntryKind::Directory
                && Node { inode: node.inode, ..there.clone() } == node)
        {
            self.ambiguous(layer, path.clone(), "two entries of one layer have this path");
        }
        let impossible = |why| RootfsError::Impossible { layer, path: entry.path.clone(), why };
        self.tree.put(path, node).map_err(impossible)
    }

    /// The node of a hard link. Owner and mode of the link's entry are applied to the file that both names share.
    fn linked(&mut self, layer: usize, entry: &Entry) -> Result<Node, RootfsError> {
        let impossible = |why| RootfsError::Impossible { layer, path: entry.path.clone(), why };
        let target = self.resolve_parent(layer, entry.link.as_deref().unwrap_or_default())?;
        let Some(there) = self.tree.0.get_mut(&target) else {
            return Err(impossible("a hard link to something that is not there"));
        };
        if there.kind == EntryKind::Directory {
            return Err(impossible("a hard link to a directory"));
        }
        (there.mode, there.uid, there.gid) = (entry.mode, entry.uid, entry.gid);
        Ok(Node { layer, ..there.clone() })
    }

    fn read(
        &self,
        layer: usize,
        path: &str,
        entry: &Entry,
        content: &mut dyn Read,
    ) -> Result<Contents, RootfsError> {
        let wanted = match self.keep {
            _ if entry.kind != EntryKind::File => return Ok(Contents::NotWanted),
            Keep::Hashes => return hash(content).map_err(|error| broken(layer, error)),
            Keep::Wanted(wanted) => wanted(path),
        };
        if !wanted {
            return Ok(Contents::NotWanted);
        }
        if entry.size > self.limits.file_bytes {
            return Ok(Contents::TooLarge);
        }
        let left = self.limits.rootfs_bytes.saturating_sub(self.kept_bytes);
        if entry.size > left {
            return Err(self.full(layer));
        }
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes).map_err(|error| broken(layer, error))?;
        Ok(Contents::Kept(bytes.into()))
    }

    /// Counts what a node keeps in memory against the limits.
    fn count(&mut self, layer: usize, path: &str, node: &Node) -> Result<(), RootfsError> {
        let xattrs =
            node.xattrs.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        let contents = match &node.contents {
            Contents::Kept(bytes) => bytes.len(),
            Contents::NotWanted | Contents::TooLarge | Contents::Hashed(_) => 0,
        };
        let words = path.len() + node.link.as_ref().map_or(0, String::len);
        let bytes = (xattrs + contents + words) as u64;
        self.kept_bytes = self.kept_bytes.saturating_add(bytes);
        if self.kept_bytes > self.limits.rootfs_bytes {
            return Err(self.full(layer));
        }
        if self.tree.0.len() >= self.limits.tar_entries {
            let (limit, unit) = (self.limits.tar_entries as u64, "files");
            return Err(RootfsError::Limit { layer, limit, unit, limit_name: "tar_entries" });
        }
        Ok(())
    }

    fn full(&self, layer: usize) -> RootfsError {
        let (limit, unit) = (self.limits.rootfs_bytes, "bytes of paths and wanted files");
        RootfsError::Limit { layer, limit, unit, limit_name: "rootfs_bytes" }
    }

    fn ambiguous(&mut self, layer: usize, path: String, why: &'static str) {
        if self.ambiguities.len() < self.limits.differences {
            self.ambiguities.push(Ambiguity { layer, path, why });
        }
    }

    fn resolve(&self, layer: usize, path: &str) -> Result<String, RootfsError> {
        self.tree.resolve(path).map_err(|why| {
            let path = path.to_owned();
            RootfsError::Impossible { layer, path, why }
        })
    }

    fn resolve_parent(&self, layer: usize, path: &str) -> Result<String, RootfsError> {
        let (folder, base) = path.rsplit_once('/').unwrap_or_default();
        if base.is_empty() {
            return Ok("/".to_owned());
        }
        Ok(join(&self.resolve(layer, folder)?, base))
    }
}

impl Node {
    fn of(entry: &Entry, layer: usize, contents: Contents, inode: u64) -> Self {
        Self {
            kind: entry.kind,
            mode: entry.mode,
            uid: entry.uid,
            gid: entry.gid,
            size: entry.size,
            link: entry.link.clone(),
            device: entry.device,
            xattrs: entry.xattrs.clone(),
            layer,
            contents,
            implied: false,
            inode,
        }
    }

    /// A parent directory without an entry, as runtimes make it.
    fn implied(layer: usize) -> Self {
        Self {
            kind: EntryKind::Directory,
            mode: 0o755,
            uid: 0,
            gid: 0,
            size: 0,
            link: None,
            device: None,
            xattrs: BTreeMap::new(),
            layer,
            contents: Contents::NotWanted,
            implied: true,
            inode: 0,
        }
    }
}

/// Nodes by path. Every node but the root has its parent directory in the tree.
#[derive(Debug, Default)]
struct Tree(BTreeMap<String, Node>);

impl Tree {
    /// The path with every symbolic link on the way followed, inside the root. What is not there stays as it is.
    fn resolve(&self, path: &str) -> Result<String, &'static str> {
        let mut todo: Vec<&str> = path.split('/').rev().collect();
        let mut done = String::with_capacity(path.len());
        let mut hops = 0;
        while let Some(part) = todo.pop() {
            match part {
                "" | "." => continue,
                ".." => {
                    done.truncate(done.rfind('/').unwrap_or(0));
                    continue;
                }
                name => {
                    done.push('/');
                    done.push_str(name);
                }
            }
            let Some(Node { link: Some(link), .. }) = self.0.get(&done) else { continue };
            hops += 1;
            if hops > HOPS_MAX || todo.len() > usize::from(u16::MAX) {
                return Err("too many symbolic links");
            }
            let keep = if link.starts_with('/') { 0 } else { done.rfind('/').unwrap_or(0) };
            done.truncate(keep);
            todo.extend(link.split('/').rev());
        }
        if done.is_empty() {
            done.push('/');
        }
        Ok(done)
    }

    /// Puts a node in place of what is there, and makes its parents.
    fn put(&mut self, path: String, node: Node) -> Result<(), &'static str> {
        self.make_parents(&path, node.layer)?;
        if node.kind != EntryKind::Directory {
            self.remove_below(&path, |_| true);
        }
        self.0.insert(path, node);
        Ok(())
    }

    /// Makes the directories above `path` that are not there.
    fn make_parents(&mut self, path: &str, layer: usize) -> Result<(), &'static str> {
        for (at, _) in path.match_indices('/').skip(1) {
            let folder = path.get(..at).unwrap_or_default();
            match self.0.get(folder) {
                Some(node) if node.kind == EntryKind::Directory => {}
                Some(_) => return Err("an entry below something that is no directory"),
                None => {
                    self.0.insert(folder.to_owned(), Node::implied(layer));
                }
            }
        }
        Ok(())
    }

    /// Removes what layers below `layer` have at `path`; tells whether this layer itself has something there.
    fn hide(&mut self, path: &str, layer: usize) -> bool {
        let of_this_layer = |node: &Node| node.layer == layer && !node.implied;
        let mut found = self.0.get(path).is_some_and(of_this_layer);
        if self.0.get(path).is_some_and(|node| node.layer < layer) {
            self.0.remove(path);
        }
        found |= self.hide_below(path, layer);
        found
    }

    /// As [`Tree::hide`], for everything below a folder.
    fn hide_below(&mut self, folder: &str, layer: usize) -> bool {
        let survivors = self.remove_below(folder, |node| node.layer < layer);
        for path in &survivors {
            // Their parents were directories; where those were hidden, runtimes make them anew.
            let _ = self.make_parents(path, layer);
        }
        !survivors.is_empty()
    }

    /// Removes the nodes below a folder that `remove` picks; gives the paths of the others.
    fn remove_below(&mut self, folder: &str, remove: impl Fn(&Node) -> bool) -> Vec<String> {
        let prefix = if folder == "/" { "/".to_owned() } else { format!("{folder}/") };
        let below =
            self.0.range(prefix.clone()..).take_while(|(path, _)| path.starts_with(&prefix));
        let (gone, kept): (Vec<_>, Vec<_>) = below
            .filter(|(path, _)| path.len() > prefix.len())
            .map(|(path, node)| (path.clone(), remove(node)))
            .partition(|(_, remove)| *remove);
        for (path, _) in gone {
            self.0.remove(&path);
        }
        kept.into_iter().map(|(path, _)| path).collect()
    }
}

/// The digest of a file's content.
fn hash(content: &mut dyn Read) -> std::io::Result<Contents> {
    let mut hasher = Sha256::new();
    std::io::copy(content, &mut hasher)?;
    Ok(Contents::Hashed(hasher.finalize().into()))
}

fn broken(layer: usize, error: std::io::Error) -> RootfsError {
    RootfsError::Tar { layer, error: error.into() }
}

fn join(folder: &str, name: &str) -> String {
    if folder == "/" { format!("/{name}") } else { format!("{folder}/{name}") }
}

/// What a container of the image sees.
#[derive(Debug)]
pub struct Rootfs {
    tree: Tree,
    ambiguities: Vec<Ambiguity>,
}

impl Rootfs {
    /// The node at exactly this path; symbolic links are not followed.
    pub fn get(&self, path: &str) -> Option<&Node> {
        self.tree.0.get(path)
    }

    /// The path with all symbolic links followed inside the root, where something is there.
    pub fn resolve(&self, path: &str) -> Option<String> {
        self.tree.resolve(path).ok().filter(|path| self.tree.0.contains_key(path))
    }

    /// The contents of a wanted file; symbolic links are followed inside the root, at most 40.
    pub fn file(&self, path: &str) -> Option<&[u8]> {
        match self.contents(path)? {
            Contents::Kept(bytes) => Some(bytes),
            Contents::NotWanted | Contents::TooLarge | Contents::Hashed(_) => None,
        }
    }

    /// As [`Rootfs::file`], telling why there are no contents; `None` where no regular file is.
    pub fn contents(&self, path: &str) -> Option<&Contents> {
        let node = self.get(&self.tree.resolve(path).ok()?)?;
        (node.kind == EntryKind::File).then_some(&node.contents)
    }

    /// All paths, sorted.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.tree.0.keys().map(String::as_str)
    }

    /// All paths with their nodes, sorted by path.
    pub fn nodes(&self) -> impl Iterator<Item = (&str, &Node)> {
        self.tree.0.iter().map(|(path, node)| (path.as_str(), node))
    }

    /// Where runtimes could build different trees, sorted; at most `differences` of them.
    pub fn ambiguities(&self) -> &[Ambiguity] {
        &self.ambiguities
    }
}

#[cfg(test)]
mod tests;
