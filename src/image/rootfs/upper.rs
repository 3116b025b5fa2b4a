//! What one layer alone has put where, as a runtime sees it that unpacks the layer into an empty folder of its own.
//!
//! Beside the tree, which is changed as on a copy of the lower layers, this says what overlayfs would make of the layer:
//! which folders come from an entry, which were only made on the way to one, where whiteouts stand, and what of lower
//! layers the layer has hidden so far and would show again.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::tree::below;

/// What the layer has at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// A folder without an entry, made on the way to something.
    Implied,
    /// A folder with an entry.
    Folder,
    /// A file, link or device.
    Other,
    /// A whiteout: overlayfs keeps a device there.
    Whiteout,
}

/// The state of one layer.
#[derive(Debug, Default)]
pub(super) struct Upper {
    marks: BTreeMap<Arc<str>, Mark>,
    /// Of these, the folders with an entry, and those without one: each is asked for below others.
    folders: BTreeMap<Arc<str>, ()>,
    implied: BTreeMap<Arc<str>, ()>,
    /// Folders below which the layer has hidden all that is of lower ones.
    opaque: BTreeSet<String>,
    /// Paths of lower layers that this one has replaced or hidden.
    gone: BTreeMap<Arc<str>, ()>,
}

impl Upper {
    pub(super) fn get(&self, path: &str) -> Option<Mark> {
        self.marks.get(path).copied()
    }

    /// Puts something in place of what the layer has there.
    pub(super) fn put(&mut self, path: &Arc<str>, mark: Mark) {
        if matches!(mark, Mark::Other | Mark::Whiteout) {
            let inside: Vec<Arc<str>> =
                below(&self.marks, path).map(|(path, _)| path.clone()).collect();
            for path in inside {
                self.forget(&path);
            }
        }
        self.forget(path);
        match mark {
            Mark::Folder => self.folders.insert(Arc::clone(path), ()),
            Mark::Implied => self.implied.insert(Arc::clone(path), ()),
            Mark::Other | Mark::Whiteout => None,
        };
        self.marks.insert(Arc::clone(path), mark);
    }

    fn forget(&mut self, path: &str) {
        self.marks.remove(path);
        self.folders.remove(path);
        self.implied.remove(path);
    }

    /// Notes that nothing of lower layers is below a folder any more, and tells whether that is new.
    pub(super) fn make_opaque(&mut self, folder: &str) -> bool {
        self.opaque.insert(folder.to_owned())
    }

    /// Notes what of lower layers is hidden now.
    pub(super) fn hide(&mut self, gone: Vec<Arc<str>>) {
        self.gone.extend(gone.into_iter().map(|path| (path, ())));
    }

    /// Whether the layer has hidden this path of a lower one.
    pub(super) fn hides(&self, path: &str) -> bool {
        self.gone.contains_key(path)
    }

    /// Whether a folder here would show something again that the layer has hidden.
    pub(super) fn hides_below(&self, folder: &str) -> bool {
        below(&self.gone, folder).next().is_some()
    }

    /// Whether the layer has a folder with an entry below a path.
    pub(super) fn has_folder_below(&self, path: &str) -> bool {
        below(&self.folders, path).next().is_some()
    }

    /// Whether the layer has a folder without an entry below a path.
    pub(super) fn has_implied_below(&self, path: &str) -> bool {
        below(&self.implied, path).next().is_some()
    }
}
