//! The root filesystem that the layers of an image add up to.
//!
//! Turns layers, base first, into the tree that a container sees (image-spec v1.1, layer.md, "Applying Changesets"):
//! whiteouts hide what is below, hard links share a file, symbolic links of the same layer among an entry's parents are
//! followed inside the root. Runtimes apply a layer in one of two ways: into an empty folder that overlayfs then lays over
//! the layers below (containerd, Docker, buildah), or onto a copy of them (vfs, native, rootless containerd). The second
//! sees the links, files and attributes of lower layers and the first does not. Where that leads to different trees, the
//! place is told as an [`Ambiguity`]; where only the mode of a folder depends on it, as a folder without an entry. Layers
//! that no runtime can unpack are refused. Keeps facts of all files and the contents of those that the verdict depends on;
//! whatever else somebody makes of contents is a [`Collector`]'s. Nothing is ever written to disk.

mod tree;
mod upper;

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Cursor, Read},
    sync::Arc,
};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tree::Tree;
use upper::{Mark, Upper};

use super::{
    collect::{Collector, HEAD_BYTES, Seen},
    tar::{self, Entry, EntryKind, TarError, Whiteout},
};
use crate::limits::Limits;

/// Symbolic links followed for one path, as Linux does (`MAXSYMLINKS`).
const HOPS_MAX: usize = 40;

/// File capabilities: the kernel drops them when a file changes hands, as each hard link makes it (capabilities(7)).
const CAPABILITY: &str = "security.capability";
/// Extended attributes by which overlay file systems keep their own books: in a layer they are orders to them.
const OVERLAY_ATTRIBUTES: [&str; 4] =
    ["trusted.overlay.", "user.overlay.", "user.fuseoverlayfs.", "user.containers.override_"];

/// Bytes that are read at a time for whoever collects.
const CHUNK_BYTES: usize = 64 << 10;

/// What a node takes in memory beside its words: itself, its place in the tree, and its mark in the layer.
const NODE_BYTES: u64 = 320;
/// What an attribute takes beside its words.
const ATTRIBUTE_BYTES: usize = 96;
/// What is kept.
const KEPT: &str = "bytes of paths, attributes and wanted files";

/// Bytes of a compiled module (`.pyc`) before its code (PEP 552): they say from which source it was compiled.
pub const MODULE_HEAD_BYTES: u64 = 16;

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
    Hashed {
        /// The digest.
        hash: [u8; 32],
        /// How a file begins ([`MODULE_HEAD_BYTES`] or less) that has CR LF where compiled modules of Python do; of others, nothing.
        head: Option<Box<[u8]>>,
    },
}

/// A file, directory, link or device of the root filesystem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What it is; a hard link is the file that it names.
    pub kind: EntryKind,
    /// Permissions with setuid, setgid and sticky bit.
    pub mode: u32,
    /// Type bits of the mode that contradict `kind`; 0 where there are none.
    pub odd_type_bits: u32,
    /// Number of the owner.
    pub uid: u64,
    /// Number of the group.
    pub gid: u64,
    /// Bytes of content.
    pub size: u64,
    /// Time of the last change, in seconds since 1970.
    pub mtime: i64,
    /// Target of a symbolic link, as written.
    pub link: Option<String>,
    /// Major and minor number of a device.
    pub device: Option<(u32, u32)>,
    /// Extended attributes.
    pub xattrs: BTreeMap<String, Vec<u8>>,
    /// PAX records that no field holds, access lists and descriptors of other systems among them.
    pub pax: BTreeMap<String, Vec<u8>>,
    /// The layer that it comes from, counted from 0.
    pub layer: usize,
    /// What is kept of its bytes.
    pub contents: Contents,
    /// Whether no layer has an entry for it: a parent directory that runtimes make.
    pub implied: bool,
    /// The last layer that writes into this folder and has no entry for it, where runtimes give it another mode and owner then.
    pub unsure: Option<usize>,
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
pub struct RootfsBuilder<'c> {
    limits: Limits,
    /// Bytes that may be kept in memory, of those of the whole process.
    room: Option<u64>,
    keep: Keep,
    collectors: Vec<&'c mut dyn Collector>,
    /// What the collectors hold.
    collected_bytes: u64,
    tree: Tree,
    kept_bytes: u64,
    inodes: u64,
    /// What hard links made of the files that they share, by inode.
    shared: BTreeMap<u64, Shared>,
    upper: Upper,
    ambiguities: Vec<Ambiguity>,
    /// What lower layers had and later ones took away; kept where trees are compared.
    gone: BTreeSet<Arc<str>>,
    idle_whiteouts: BTreeSet<String>,
}

/// A file with several names.
#[derive(Debug, Clone)]
struct Shared {
    /// The first layer that gave it a second name.
    since: usize,
    mode: u32,
    uid: u64,
    gid: u64,
    mtime: i64,
    xattrs: BTreeMap<String, Vec<u8>>,
}

impl<'c> RootfsBuilder<'c> {
    /// Starts with an empty root. `wanted` says of which paths the contents are kept: what the verdict itself depends on, so that too
    /// much of it is an error of the image.
    pub fn new(limits: &Limits, wanted: fn(&str) -> bool) -> Self {
        Self::keeping(limits, Keep::Wanted(wanted))
    }

    /// With no more than `most` bytes in memory (`process_tree_bytes`).
    #[must_use]
    pub fn within(self, most: u64) -> Self {
        Self { room: Some(most), ..self }
    }

    /// With collectors, which see every regular file of every layer in the same pass.
    #[must_use]
    pub fn shown_to(self, collectors: Vec<&'c mut dyn Collector>) -> Self {
        Self { collectors, ..self }
    }

    /// Starts with an empty root. The contents of all files are hashed, none are kept, and no collector sees any.
    pub fn hashing(limits: &Limits) -> Self {
        Self::keeping(limits, Keep::Hashes)
    }

    fn keeping(limits: &Limits, keep: Keep) -> Self {
        Self {
            limits: limits.clone(),
            room: None,
            keep,
            collectors: Vec::new(),
            collected_bytes: 0,
            tree: Tree::default(),
            kept_bytes: 0,
            inodes: 0,
            shared: BTreeMap::new(),
            upper: Upper::default(),
            ambiguities: Vec::new(),
            gone: BTreeSet::new(),
            idle_whiteouts: BTreeSet::new(),
        }
    }

    /// Applies the uncompressed layer at position `index`; positions must rise from call to call.
    ///
    /// # Errors
    /// [`RootfsError`]; the builder is of no use afterwards.
    pub fn add_layer(&mut self, index: usize, layer: impl Read) -> Result<(), RootfsError> {
        let limits = self.limits.clone();
        self.upper = Upper::default();
        let mut failed = None;
        let walked = tar::walk(layer, &limits, |entry, content| {
            if failed.is_none()
                && let Err(error) = self.apply(index, entry, content)
            {
                match error {
                    RootfsError::Tar { error, .. } => return Err(error),
                    full @ RootfsError::Limit { .. } => {
                        failed = Some(full);
                        // Nothing that comes changes that.
                        return Err(std::io::Error::other("there is no room").into());
                    }
                    other => failed = Some(other),
                }
            }
            Ok(())
        });
        if let Some(full @ RootfsError::Limit { .. }) = failed {
            return Err(full);
        }
        // A tar that cannot be read explains an entry that cannot be applied, not the other way round.
        walked.map_err(|error| RootfsError::Tar { layer: index, error })?;
        failed.map_or(Ok(()), Err)
    }

    /// The finished root filesystem.
    pub fn finish(mut self) -> Rootfs {
        self.ambiguities.sort();
        self.ambiguities.dedup();
        for node in self.tree.0.values_mut() {
            if let Some(shared) = self.shared.get(&node.inode) {
                shared.apply(node);
            }
        }
        let kept_bytes = self.kept_bytes.saturating_add(self.collected_bytes);
        let unsure_folders = unsure_folders(&self.tree);
        let Self { tree, ambiguities, idle_whiteouts, .. } = self;
        Rootfs { tree, ambiguities, unsure_folders, idle_whiteouts, kept_bytes }
    }

    fn apply(
        &mut self,
        layer: usize,
        entry: &Entry,
        content: &mut dyn Read,
    ) -> Result<(), RootfsError> {
        if !self.collectors.is_empty() {
            self.collectors.iter_mut().for_each(|one| one.entry(layer, entry));
            self.count_collected(layer)?;
        }
        let (folder, _) = entry.path.rsplit_once('/').unwrap_or_default();
        if folder.split('/').any(|part| part.starts_with(".wh.")) {
            let why = "it is in a folder that has the name of a whiteout";
            self.ambiguous(layer, entry.path.clone(), why);
        }
        match entry.whiteout() {
            Some(Whiteout::Bookkeeping) => {
                let path = self.resolve_parent(layer, &entry.path)?;
                self.make_parents(layer, &path, &entry.path)
            }
            Some(Whiteout::Opaque { folder }) => self.apply_opaque(layer, folder, &entry.path),
            Some(Whiteout::Name { folder, name }) => {
                let path = join(&self.resolve(layer, folder, &entry.path)?, name);
                self.make_parents(layer, &path, &entry.path)?;
                match self.upper.get(&path) {
                    Some(Mark::Whiteout) => {}
                    Some(_) => {
                        let why = "a whiteout and an entry of the same layer";
                        self.ambiguous(layer, path.clone(), why);
                    }
                    None => {
                        self.keep(layer, path.len())?;
                        self.upper.put(&path.as_str().into(), Mark::Whiteout);
                    }
                }
                let gone = self.tree.hide(&path, layer);
                if gone.is_empty() && self.compares() && !self.gone.contains(path.as_str()) {
                    self.idle_whiteouts.insert(entry.path.clone());
                }
                self.note_gone(gone);
                Ok(())
            }
            None => self.place(layer, entry, content),
        }
    }

    fn apply_opaque(&mut self, layer: usize, folder: &str, of: &str) -> Result<(), RootfsError> {
        let folder = self.resolve(layer, folder, of)?;
        if folder != "/" {
            self.make_parents(layer, &join(&folder, "."), of)?;
        }
        if self.upper.has_implied_below(&folder) {
            let why = "an opaque whiteout after entries in folders without an entry of their own";
            self.ambiguous(layer, folder.clone(), why);
        }
        if !self.upper.make_opaque(&folder) {
            return Ok(());
        }
        // Its name is kept to the end of the layer.
        let bytes = folder.len() as u64;
        self.make_room(layer, bytes)?;
        self.kept_bytes = self.kept_bytes.saturating_add(bytes);
        let gone = self.tree.hide_below(&folder, layer);
        if folder == "/" && !gone.is_empty() {
            let why = "an opaque whiteout of the root, which overlayfs does not know";
            self.ambiguous(layer, folder, why);
        }
        self.note_gone(gone);
        Ok(())
    }

    fn place(
        &mut self,
        layer: usize,
        entry: &Entry,
        content: &mut dyn Read,
    ) -> Result<(), RootfsError> {
        let path: Arc<str> = self.resolve_parent(layer, &entry.path)?.into();
        self.look_at_attributes(layer, &path, entry);
        let mut node = if entry.kind == EntryKind::HardLink {
            self.linked(layer, &path, entry)?
        } else {
            self.inodes = self.inodes.saturating_add(1);
            let contents = self.read(layer, &path, entry, content)?;
            Node::of(entry, layer, contents, self.inodes)
        };
        self.count(layer, &path, &node)?;
        self.make_parents(layer, &path, &entry.path)?;
        self.look_at_twins(layer, &path, &node);
        if node.kind == EntryKind::Directory {
            self.place_folder(layer, &path, &mut node);
        } else {
            if self.upper.has_folder_below(&path) {
                // containerd fails where it sets the folder's times.
                let why = "something in the place of a folder with entries of the same layer";
                self.ambiguous(layer, path.as_ref().to_owned(), why);
            }
            self.upper.put(&path, Mark::Other);
        }
        let gone = self.tree.put(&path, node);
        self.note_gone(gone);
        Ok(())
    }

    /// What a folder's entry makes of what is there: a folder is kept and gets what the entry says.
    fn place_folder(&mut self, layer: usize, path: &Arc<str>, node: &mut Node) {
        match self.upper.get(path) {
            Some(Mark::Other | Mark::Whiteout) if self.upper.hides_below(path) => {
                let why = "a folder in the place of what had hidden a folder of a lower layer";
                self.ambiguous(layer, path.as_ref().to_owned(), why);
            }
            _ => {}
        }
        if let Some(there) = self.tree.0.get(path.as_ref())
            && there.kind == EntryKind::Directory
        {
            let kept: Vec<_> =
                there.xattrs.iter().filter(|(name, _)| !node.xattrs.contains_key(*name)).collect();
            let lower = there.layer < layer && !kept.is_empty();
            node.xattrs.extend(kept.into_iter().map(|(name, value)| (name.clone(), value.clone())));
            if lower {
                let why = "a folder's entry without the extended attributes of the lower layer";
                self.ambiguous(layer, path.as_ref().to_owned(), why);
            }
        }
        self.upper.put(path, Mark::Folder);
    }

    /// Tells what overlay file systems take for a mark of their own.
    fn look_at_attributes(&mut self, layer: usize, path: &str, entry: &Entry) {
        let is_mark = |name: &String| OVERLAY_ATTRIBUTES.iter().any(|mark| name.starts_with(mark));
        if entry.xattrs.keys().any(is_mark) {
            let why = "an extended attribute that overlay file systems obey";
            self.ambiguous(layer, path.to_owned(), why);
        }
        if entry.kind == EntryKind::CharDevice && entry.device == Some((0, 0)) {
            let why = "the character device 0:0, which overlayfs takes for a whiteout";
            self.ambiguous(layer, path.to_owned(), why);
        }
    }

    /// Tells of a second entry at a path, unless both say the same of one folder.
    fn look_at_twins(&mut self, layer: usize, path: &str, node: &Node) {
        if let Some(there) = self.tree.0.get(path)
            && there.layer == layer
            && !there.implied
            && !(there.kind == EntryKind::Directory
                && Node { inode: node.inode, mtime: node.mtime, ..there.as_ref().clone() } == *node)
        {
            self.ambiguous(layer, path.to_owned(), "two entries of one layer have this path");
        }
    }

    /// The node of a hard link. Owner, mode and attributes of the link's entry are applied to the file that all its names
    /// share.
    fn linked(&mut self, layer: usize, path: &str, entry: &Entry) -> Result<Node, RootfsError> {
        let impossible = |why| RootfsError::Impossible { layer, path: entry.path.clone(), why };
        let link = entry.link.as_deref().unwrap_or_default();
        let target = self.resolve_parent(layer, link)?;
        // What is at the link's place is removed before the link is made.
        if target == path || target.strip_prefix(path).is_some_and(|rest| rest.starts_with('/')) {
            return Err(impossible("a hard link to what it takes the place of"));
        }
        let Some(there) = self.tree.0.get(target.as_str()) else {
            return Err(impossible("a hard link to something that is not there"));
        };
        if there.kind == EntryKind::Directory {
            return Err(impossible("a hard link to a directory"));
        }
        let mut node = there.as_ref().clone();
        let known = self.shared.get(&node.inode);
        let since = known.map_or(layer, |shared| shared.since);
        if let Some(shared) = known {
            shared.apply(&mut node);
        }
        if since < layer && node.layer < layer {
            let why = "a hard link to a file of a lower layer that has several names";
            self.ambiguous(layer, path.to_owned(), why);
        }
        node.change_hands(entry);
        // What its names share is kept beside them.
        self.keep(layer, attributes(&node.xattrs))?;
        let Node { mode, uid, gid, mtime, xattrs, .. } = node.clone();
        self.shared.insert(node.inode, Shared { since, mode, uid, gid, mtime, xattrs });
        Ok(Node { layer, ..node })
    }

    fn compares(&self) -> bool {
        matches!(self.keep, Keep::Hashes)
    }

    /// Takes note of what a layer took away. The bytes of the paths were counted when they came.
    fn note_gone(&mut self, gone: Vec<Arc<str>>) {
        if self.compares() {
            self.gone.extend(gone.iter().cloned());
        }
        self.upper.hide(gone);
    }

    /// Makes the folders above `path` that the layer does not have yet. Above one that it has, it has all.
    fn make_parents(&mut self, layer: usize, path: &str, of: &str) -> Result<(), RootfsError> {
        let is_made = |at: &usize| {
            let mark = path.get(..*at).and_then(|folder| self.upper.get(folder));
            matches!(mark, Some(Mark::Implied | Mark::Folder))
        };
        let nearest = path.rmatch_indices('/').map(|(at, _)| at).find(is_made).unwrap_or_default();
        for (at, _) in path.match_indices('/').filter(|(at, _)| *at > nearest) {
            let folder = path.get(..at).unwrap_or_default();
            let mark = self.upper.get(folder);
            match self.tree.0.get_mut(folder) {
                Some(node) if node.kind != EntryKind::Directory => {
                    let why = "an entry below something that is no directory";
                    return Err(RootfsError::Impossible { layer, path: of.to_owned(), why });
                }
                Some(node) if !node.is_like_implied() => node.unsure = Some(layer),
                Some(_) => {}
                None => {
                    let unsure = mark != Some(Mark::Whiteout) && self.upper.hides(folder);
                    if mark == Some(Mark::Whiteout) {
                        let why = "an entry below a name that the same layer hides";
                        self.ambiguous(layer, folder.to_owned(), why);
                    }
                    let unsure = unsure.then_some(layer);
                    let node = Node { unsure, ..Node::implied(layer) };
                    self.tree.0.insert(folder.into(), Box::new(node));
                }
            }
            self.keep(layer, folder.len())?;
            self.upper.put(&folder.into(), Mark::Implied);
        }
        Ok(())
    }

    fn read(
        &mut self,
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
        let kept = wanted && entry.size <= self.limits.file_bytes;
        if kept {
            self.make_room(layer, entry.size)?;
        }
        let mut bytes = Vec::new();
        if !self.collectors.is_empty() {
            self.show(layer, path, entry, content, kept.then_some(&mut bytes))?;
        } else if kept {
            content.read_to_end(&mut bytes).map_err(|error| broken(layer, error))?;
        }
        Ok(match wanted {
            true if kept => Contents::Kept(bytes.into()),
            true => Contents::TooLarge,
            false => Contents::NotWanted,
        })
    }

    /// Shows a file to the collectors, and reads it for those that want it and for `kept`.
    fn show(
        &mut self,
        layer: usize,
        path: &str,
        entry: &Entry,
        content: &mut dyn Read,
        mut kept: Option<&mut Vec<u8>>,
    ) -> Result<(), RootfsError> {
        let mut head = Vec::with_capacity(HEAD_BYTES);
        let first = Read::take(&mut *content, HEAD_BYTES as u64).read_to_end(&mut head);
        first.map_err(|error| broken(layer, error))?;
        let (mode, size, inode) = (entry.mode, entry.size, self.inodes);
        let seen = Seen { path, mode, size, layer, inode, head: &head };
        let asked: Vec<bool> = self.collectors.iter_mut().map(|one| one.wants(&seen)).collect();
        self.count_collected(layer)?;
        if kept.is_none() && !asked.contains(&true) {
            return Ok(());
        }
        let mut rest = Cursor::new(head).chain(content);
        let mut buffer = vec![0; CHUNK_BYTES];
        loop {
            let read = rest.read(&mut buffer).map_err(|error| broken(layer, error))?;
            let bytes = buffer.get(..read).unwrap_or_default();
            if bytes.is_empty() {
                break;
            }
            if let Some(kept) = &mut kept {
                kept.extend_from_slice(bytes);
            }
            asking(&mut self.collectors, &asked).for_each(|one| one.take(bytes));
        }
        asking(&mut self.collectors, &asked).for_each(|one| one.close());
        self.count_collected(layer)
    }

    /// Counts what the collectors hold, which is counted with the tree: memory is memory.
    fn count_collected(&mut self, layer: usize) -> Result<(), RootfsError> {
        let held = self.collectors.iter().map(|one| one.held());
        self.collected_bytes = held.fold(0, u64::saturating_add);
        self.make_room(layer, 0)
    }

    /// Counts what a node keeps in memory against the limits.
    fn count(&mut self, layer: usize, path: &str, node: &Node) -> Result<(), RootfsError> {
        let xattrs = attributes(&node.xattrs);
        let contents = match &node.contents {
            Contents::Kept(bytes) => bytes.len(),
            Contents::Hashed { head, .. } => head.as_ref().map_or(0, |head| head.len()),
            Contents::NotWanted | Contents::TooLarge => 0,
        };
        let records = attributes(&node.pax);
        let words = path.len() + node.link.as_ref().map_or(0, String::len);
        self.keep(layer, xattrs + records + contents + words)
    }

    /// Counts bytes that are kept, and nodes.
    fn keep(&mut self, layer: usize, bytes: usize) -> Result<(), RootfsError> {
        let bytes = (bytes as u64).saturating_add(NODE_BYTES);
        self.make_room(layer, bytes)?;
        self.kept_bytes = self.kept_bytes.saturating_add(bytes);
        if self.tree.0.len() >= self.limits.tar_entries {
            let (limit, unit) = (self.limits.tar_entries as u64, "files");
            return Err(RootfsError::Limit { layer, limit, unit, limit_name: "tar_entries" });
        }
        Ok(())
    }

    /// That so much more may be kept.
    fn make_room(&self, layer: usize, bytes: u64) -> Result<(), RootfsError> {
        let kept = self.kept_bytes.saturating_add(self.collected_bytes).saturating_add(bytes);
        if kept > self.limits.rootfs_bytes {
            return Err(self.full(layer));
        }
        match self.room.filter(|room| kept > *room) {
            Some(limit) => {
                let limit_name = "process_tree_bytes";
                Err(RootfsError::Limit { layer, limit, unit: KEPT, limit_name })
            }
            None => Ok(()),
        }
    }

    fn full(&self, layer: usize) -> RootfsError {
        let (limit, unit) = (self.limits.rootfs_bytes, KEPT);
        RootfsError::Limit { layer, limit, unit, limit_name: "rootfs_bytes" }
    }

    fn ambiguous(&mut self, layer: usize, path: String, why: &'static str) {
        if self.ambiguities.len() < self.limits.differences {
            self.ambiguities.push(Ambiguity { layer, path, why });
        }
    }

    /// Follows the links on the way to a folder; `of` is the path of the entry that asks.
    fn resolve(&mut self, layer: usize, folder: &str, of: &str) -> Result<String, RootfsError> {
        let way = self.tree.resolve(folder, layer).map_err(|why| {
            let path = of.to_owned();
            RootfsError::Impossible { layer, path, why }
        })?;
        #[cfg(test)]
        {
            self.tree.1 += way.lookups;
        }
        if way.crossed.is_some() {
            let why = "a parent of it is a symbolic link of a lower layer";
            self.ambiguous(layer, of.to_owned(), why);
        }
        Ok(way.path)
    }

    fn resolve_parent(&mut self, layer: usize, path: &str) -> Result<String, RootfsError> {
        let (folder, base) = path.rsplit_once('/').unwrap_or_default();
        if base.is_empty() {
            return Ok("/".to_owned());
        }
        Ok(join(&self.resolve(layer, folder, path)?, base))
    }
}

impl Shared {
    fn apply(&self, node: &mut Node) {
        (node.mode, node.uid, node.gid) = (self.mode, self.uid, self.gid);
        node.mtime = self.mtime;
        node.xattrs.clone_from(&self.xattrs);
    }
}

impl Node {
    fn of(entry: &Entry, layer: usize, contents: Contents, inode: u64) -> Self {
        Self {
            kind: entry.kind,
            mode: entry.mode,
            odd_type_bits: entry.odd_type_bits,
            uid: entry.uid,
            gid: entry.gid,
            size: entry.size,
            mtime: entry.mtime,
            link: entry.link.clone(),
            device: entry.device,
            xattrs: entry.xattrs.clone(),
            pax: entry.pax.clone(),
            layer,
            contents,
            implied: false,
            unsure: None,
            inode,
        }
    }

    /// A parent directory without an entry, as runtimes make it.
    fn implied(layer: usize) -> Self {
        Self {
            kind: EntryKind::Directory,
            mode: 0o755,
            odd_type_bits: 0,
            uid: 0,
            gid: 0,
            size: 0,
            mtime: 0,
            link: None,
            device: None,
            xattrs: BTreeMap::new(),
            pax: BTreeMap::new(),
            layer,
            contents: Contents::NotWanted,
            implied: true,
            unsure: None,
            inode: 0,
        }
    }

    /// Whether runtimes that make this folder anew make it the same.
    fn is_like_implied(&self) -> bool {
        (self.mode, self.uid, self.gid) == (0o755, 0, 0) && self.xattrs.is_empty()
    }

    /// What the entry of a hard link makes of the file: runtimes set owner, attributes and mode once more.
    fn change_hands(&mut self, entry: &Entry) {
        (self.uid, self.gid, self.mtime) = (entry.uid, entry.gid, entry.mtime);
        self.xattrs.remove(CAPABILITY);
        self.xattrs.extend(entry.xattrs.clone());
        if self.kind != EntryKind::Symlink {
            self.mode = entry.mode;
        }
    }
}

/// What an entry of a later layer settles, or takes away, is no longer unsure.
fn unsure_folders(tree: &Tree) -> Vec<Ambiguity> {
    let why = "a layer writes into this folder and has no entry for it";
    let unsure = |path: &str, node: &Node| {
        Some(Ambiguity { layer: node.unsure?, path: path.to_owned(), why })
    };
    let nodes = tree.0.iter();
    let mut found: Vec<_> = nodes.filter_map(|(path, node)| unsure(path, node)).collect();
    found.sort();
    found
}

/// The collectors that asked.
fn asking<'a, 'c>(
    collectors: &'a mut [&'c mut dyn Collector],
    asked: &'a [bool],
) -> impl Iterator<Item = &'a mut &'c mut dyn Collector> {
    collectors.iter_mut().zip(asked).filter_map(|(one, asked)| asked.then_some(one))
}

/// What attributes take in memory.
fn attributes(attributes: &BTreeMap<String, Vec<u8>>) -> usize {
    let one = |(name, value): (&String, &Vec<u8>)| name.len() + value.len() + ATTRIBUTE_BYTES;
    attributes.iter().map(one).sum()
}

/// The digest of a file's content, and how it begins where that may be a compiled module, whatever its name: links lead to them.
fn hash(content: &mut dyn Read) -> std::io::Result<Contents> {
    let mut head = Vec::new();
    Read::take(&mut *content, MODULE_HEAD_BYTES).read_to_end(&mut head)?;
    let mut hasher = Sha256::new_with_prefix(&head);
    std::io::copy(content, &mut hasher)?;
    let head = (head.get(2..4) == Some(b"\r\n")).then(|| head.into_boxed_slice());
    Ok(Contents::Hashed { hash: hasher.finalize().into(), head })
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
    unsure_folders: Vec<Ambiguity>,
    idle_whiteouts: BTreeSet<String>,
    kept_bytes: u64,
}

impl Rootfs {
    /// Bytes of memory that it takes, at most.
    pub fn bytes(&self) -> u64 {
        self.kept_bytes
    }

    /// The node at exactly this path; symbolic links are not followed.
    pub fn get(&self, path: &str) -> Option<&Node> {
        self.tree.0.get(path).map(Box::as_ref)
    }

    /// The path with all symbolic links followed inside the root, where something is there.
    pub fn resolve(&self, path: &str) -> Option<String> {
        let way = self.tree.resolve(path, 0).ok()?;
        Some(way.path).filter(|path| self.tree.0.contains_key(path.as_str()))
    }

    /// The contents of a wanted file; symbolic links are followed inside the root, at most 40.
    pub fn file(&self, path: &str) -> Option<&[u8]> {
        match self.contents(path)? {
            Contents::Kept(bytes) => Some(bytes),
            Contents::NotWanted | Contents::TooLarge | Contents::Hashed { .. } => None,
        }
    }

    /// As [`Rootfs::file`], telling why there are no contents; `None` where no regular file is.
    pub fn contents(&self, path: &str) -> Option<&Contents> {
        let node = self.get(&self.tree.resolve(path, 0).ok()?.path)?;
        (node.kind == EntryKind::File).then_some(&node.contents)
    }

    /// All paths, sorted.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.tree.0.keys().map(Arc::as_ref)
    }

    /// All paths with their nodes, sorted by path.
    pub fn nodes(&self) -> impl Iterator<Item = (&str, &Node)> {
        self.tree.0.iter().map(|(path, node)| (path.as_ref(), node.as_ref()))
    }

    /// Where runtimes could build different trees, sorted; at most `differences` of them.
    pub fn ambiguities(&self) -> &[Ambiguity] {
        &self.ambiguities
    }

    /// Whiteouts of names that no lower layer ever had, by their own paths; known where trees are compared.
    pub fn idle_whiteouts(&self) -> &BTreeSet<String> {
        &self.idle_whiteouts
    }

    /// Folders whose mode and owner depend on the runtime: a layer writes into them and has no entry for them, a lower layer gave
    /// them others than a new folder gets, and no later layer says which they are. Sorted.
    pub fn unsure_folders(&self) -> &[Ambiguity] {
        &self.unsure_folders
    }
}

#[cfg(test)]
mod tests;
