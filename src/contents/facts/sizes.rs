//! Bytes of layers: as stored, as unpacked, and those that a later layer hides.

use std::collections::BTreeMap;

use super::collector::Files;
use crate::image::{rootfs::Rootfs, tar::EntryKind};

/// A layer's bytes, as they were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stored {
    /// Bytes as stored.
    pub compressed: u64,
    /// Bytes of the inflated tar.
    pub uncompressed: u64,
}

/// The size of one layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LayerSize {
    /// Its bytes.
    pub stored: Stored,
    /// Regular files in it.
    pub files: u64,
    /// Bytes of these.
    pub file_bytes: u64,
    /// Those of the bytes that no path of the finished tree leads to: a later layer deleted or replaced them.
    pub hidden_bytes: u64,
}

/// The sizes of all layers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sizes {
    /// By layer, base first.
    pub layers: Vec<LayerSize>,
}

impl Sizes {
    /// The sum over all layers.
    pub fn total(&self) -> LayerSize {
        self.layers.iter().fold(LayerSize::default(), |sum, layer| LayerSize {
            stored: Stored {
                compressed: sum.stored.compressed.saturating_add(layer.stored.compressed),
                uncompressed: sum.stored.uncompressed.saturating_add(layer.stored.uncompressed),
            },
            files: sum.files.saturating_add(layer.files),
            file_bytes: sum.file_bytes.saturating_add(layer.file_bytes),
            hidden_bytes: sum.hidden_bytes.saturating_add(layer.hidden_bytes),
        })
    }
}

/// The sizes, from what each layer brings and what is left of it in the tree.
pub(super) fn of(rootfs: &Rootfs, files: &BTreeMap<usize, Files>, stored: &[Stored]) -> Sizes {
    let left = left(rootfs, files);
    let size = |(position, stored): (usize, &Stored)| {
        let brought = files.get(&position).copied().unwrap_or_default();
        let left = left.get(&position).copied().unwrap_or_default();
        LayerSize {
            stored: *stored,
            files: brought.count,
            file_bytes: brought.bytes,
            hidden_bytes: brought.bytes.saturating_sub(left),
        }
    };
    Sizes { layers: stored.iter().enumerate().map(size).collect() }
}

/// Bytes of files that the tree has, by the layer that brought the content. A name that a later layer gave to a file by a hard
/// link is of that layer, and the content is not: files are numbered as they come, so that the number tells.
fn left(rootfs: &Rootfs, files: &BTreeMap<usize, Files>) -> BTreeMap<usize, u64> {
    let of_file = |node: &crate::image::rootfs::Node| (node.inode, node.size);
    let nodes = rootfs.nodes().filter(|(_, node)| node.kind == EntryKind::File);
    let mut found: Vec<(u64, u64)> = nodes.map(|(_, node)| of_file(node)).collect();
    found.sort_unstable();
    found.dedup_by_key(|(inode, _)| *inode);
    let firsts: Vec<(u64, usize)> = files.iter().map(|(layer, of)| (of.first, *layer)).collect();
    let mut left = BTreeMap::new();
    for (inode, size) in found {
        let after = firsts.partition_point(|(first, _)| *first <= inode);
        if let Some((_, layer)) = after.checked_sub(1).and_then(|at| firsts.get(at)) {
            let bytes: &mut u64 = left.entry(*layer).or_default();
            *bytes = bytes.saturating_add(size);
        }
    }
    left
}
