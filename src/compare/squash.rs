//! Root filesystems side by side, for images whose layers cannot be paired.
//!
//! Turns all layers of an image into the tree that a container sees and compares two of those: what an extra empty layer,
//! a squashed image or another order of entries comes down to. Facts are as strict as for entries; which names share a
//! file counts too. Places where runtimes could build different trees must be the same on both sides.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Class, CompareError, Difference, Place, Which,
    entry::{Facts, Hash, differences},
    layer::Layer,
};
use crate::{
    digest::DiffId,
    image::{
        rootfs::{Contents, Node, Rootfs, RootfsBuilder},
        tar::Entry,
    },
    limits::Limits,
};

/// An image's tree and the diffIDs recomputed on the way.
pub(super) struct Squashed {
    pub(super) diff_ids: Vec<DiffId>,
    rootfs: Rootfs,
    /// The first name, in order of paths, of each file that has several.
    shared: BTreeMap<u64, String>,
}

impl Squashed {
    /// Adds up the layers of one image.
    pub(super) fn of(
        which: Which,
        layers: &[Layer<'_>],
        limits: &Limits,
    ) -> Result<Self, CompareError> {
        let mut builder = RootfsBuilder::hashing(limits);
        let mut diff_ids = Vec::with_capacity(layers.len());
        for layer in layers {
            let mut reader = layer.open()?;
            let added = builder.add_layer(layer.position, &mut reader);
            diff_ids.push(layer.finish(reader)?);
            added.map_err(|error| CompareError::Rootfs { which, error })?;
            layer.work.finish_item();
        }
        let rootfs = builder.finish();
        let shared = shared(&rootfs);
        Ok(Self { diff_ids, rootfs, shared })
    }

    /// Gives every difference to `add`, in order of paths.
    pub(super) fn compare(&self, other: &Self, limits: &Limits, mut add: impl FnMut(Difference)) {
        let paths: BTreeSet<&str> = self.rootfs.paths().chain(other.rootfs.paths()).collect();
        for path in paths {
            let (left, right) = (self.facts(path), other.facts(path));
            if left != right {
                let layer = self.layer(path).or_else(|| other.layer(path)).unwrap_or_default();
                differences(layer, path, (left.as_ref(), right.as_ref()), limits)
                    .into_iter()
                    .for_each(&mut add);
            }
            let (left, right) = (self.shares(path), other.shares(path));
            if left != right && self.layer(path).is_some() && other.layer(path).is_some() {
                let layer = self.layer(path).unwrap_or_default();
                add(difference(layer, path, "shares a file with", left, right));
            }
        }
        let told = |side: &Self| -> BTreeSet<(String, &'static str)> {
            side.rootfs.ambiguities().iter().map(|a| (a.path.clone(), a.why)).collect()
        };
        let (left, right) = (told(self), told(other));
        for (path, why) in left.symmetric_difference(&right) {
            let layer = self.layer(path).or_else(|| other.layer(path)).unwrap_or_default();
            add(difference(layer, path, &format!("on one side only: {why}"), None, None));
        }
    }

    fn layer(&self, path: &str) -> Option<usize> {
        self.rootfs.get(path).map(|node| node.layer)
    }

    fn shares(&self, path: &str) -> Option<String> {
        self.shared.get(&self.rootfs.get(path)?.inode).cloned()
    }

    fn facts(&self, path: &str) -> Option<Facts> {
        self.rootfs.get(path).map(|node| facts(path, node))
    }
}

/// The strict facts of a node, in the form of those of an entry.
fn facts(path: &str, node: &Node) -> Facts {
    let content: Hash = match node.contents {
        Contents::Hashed(hash) => hash,
        Contents::NotWanted | Contents::TooLarge | Contents::Kept(_) => Hash::default(),
    };
    let entry = Entry {
        path: path.to_owned(),
        kind: node.kind,
        mode: node.mode,
        odd_type_bits: 0,
        uid: node.uid,
        gid: node.gid,
        uname: String::new(),
        gname: String::new(),
        size: node.size,
        mtime: 0,
        link: node.link.clone(),
        device: node.device,
        xattrs: node.xattrs.clone(),
        pax: BTreeMap::new(),
        offset: 0,
    };
    Facts { entry, content, bytes: None, count: 1 }
}

fn shared(rootfs: &Rootfs) -> BTreeMap<u64, String> {
    let mut names: BTreeMap<u64, (&str, usize)> = BTreeMap::new();
    for (path, node) in rootfs.nodes().filter(|(_, node)| node.inode != 0) {
        names.entry(node.inode).or_insert((path, 0)).1 += 1;
    }
    let several = names.into_iter().filter(|(_, (_, count))| *count > 1);
    several.map(|(inode, (path, _))| (inode, path.to_owned())).collect()
}

fn difference(
    layer: usize,
    path: &str,
    what: &str,
    left: Option<String>,
    right: Option<String>,
) -> Difference {
    Difference::new(Place::Entry { layer, path: path.to_owned() }, Class::TarSecurity, what)
        .between(left, right)
}
