//! Device nodes: those that one image lacks, and those that an image's layers hold.
//!
//! A builder in a user namespace makes no device nodes and leaves out those of bases and archives without a word. So an image that
//! lacks nothing else may be of the same source; whether it can be is told by what its inputs hold.

use std::collections::BTreeSet;

use super::{
    CompareError, Comparison, DeviceNode, Difference, Level, Place, Side, What, Which, layer::Layer,
};
use crate::{image::tar::EntryKind, limits::Limits, progress::Work};

/// A device node of the published image that the rebuilt one lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingNode {
    /// Which it is.
    pub node: DeviceNode,
    /// The published layer that has it.
    pub layer: usize,
    /// Its path.
    pub path: String,
}

impl Comparison {
    /// The device nodes that the rebuilt image lacks, where nothing else that counts is left unexplained; otherwise none. One that
    /// is there as another device, or as something else, was not left out.
    pub fn lacks_only_devices(&self) -> Vec<MissingNode> {
        let open = |d: &&Difference| d.explained_by.is_none() && !d.class.is_benign();
        let missing = |difference: &Difference| {
            let Place::Entry { layer, path } = &difference.place else { return None };
            let left_out = difference.what == What::OnlyIn(Which::Published);
            let node = difference.left.as_ref().filter(|_| left_out)?.device()?;
            // Overlays mark by it what is gone, so that every builder may make one.
            let mark = DeviceNode { kind: EntryKind::CharDevice, major: 0, minor: 0 };
            if node == mark {
                return None;
            }
            let layer = difference.layers.and_then(|layers| layers.left).unwrap_or(*layer);
            Some(MissingNode { node, layer, path: path.clone() })
        };
        if self.omitted > 0 || self.level != Level::Different {
            return Vec::new();
        }
        let nodes: Option<Vec<_>> = self.differences.iter().filter(open).map(missing).collect();
        nodes.unwrap_or_default()
    }
}

/// The device nodes in all layers of an image, hidden ones too.
///
/// # Errors
/// [`CompareError`] when a layer cannot be read.
pub fn held(side: Side<'_>, limits: &Limits) -> Result<BTreeSet<DeviceNode>, CompareError> {
    let work = Work::new("reading layers");
    let mut found = BTreeSet::new();
    for layer in Layer::all(Which::Rebuilt, side, limits, &work) {
        layer.walk(|entry, _| {
            if let Some((major, minor)) = entry.device {
                found.insert(DeviceNode { kind: entry.kind, major, minor });
            }
            Ok(())
        })?;
    }
    Ok(found)
}
