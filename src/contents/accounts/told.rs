//! Files of an account that are told one by one, and by what each is a package's.
//!
//! Keeps files of upper layers before those of lower ones, up to `limits.toldFiles`: what an image adds to its base is told first.

use std::{cmp::Reverse, collections::BTreeMap};

use super::{Class, holdings::Held};
use crate::{
    contents::{Inventory, claims::Content, kinds::Kind},
    limits::Limits,
};

/// A file that may be run or loaded, and that is modified, unowned, or vouched for by a record of the image alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stray {
    /// Path from the root.
    pub path: String,
    /// [`Class::Modified`], [`Class::Unowned`], [`Class::SelfRecorded`] or [`Class::Unverified`].
    pub class: Class,
    /// What it is.
    pub kind: Kind,
    /// Permissions.
    pub mode: u32,
    /// Bytes.
    pub size: u64,
    /// The layer that it is from, counted from 0.
    pub layer: usize,
    /// SHA-256 of its bytes, where it was read.
    pub sha256: Option<[u8; 32]>,
    /// The package that claims it, by its place in the inventory.
    pub package: Option<usize>,
    /// What the package recorded.
    pub recorded: Option<Content>,
    /// The layer of that record, counted from 0.
    pub record_layer: Option<usize>,
    /// Whether the package calls it configuration.
    pub configuration: bool,
}

/// Files that are told, upper layers first, then by path.
#[derive(Default)]
pub(super) struct Told {
    files: BTreeMap<(Reverse<usize>, String), Stray>,
    more: u64,
}

impl Told {
    pub(super) fn add(&mut self, stray: Stray, limits: &Limits) {
        self.files.insert((Reverse(stray.layer), stray.path.clone()), stray);
        // One of the lowest layer makes room for one of an upper one.
        if self.files.len() > limits.told_files {
            self.files.pop_last();
            self.more += 1;
        }
    }

    pub(super) fn finish(self) -> (Vec<Stray>, u64) {
        (self.files.into_values().collect(), self.more)
    }
}

/// By what a file is a package's.
#[derive(Clone, Copy)]
pub(super) struct Record<'h> {
    pub(super) package: usize,
    /// The claim; `None` where it lies in the package's folder.
    pub(super) claim: Option<&'h Held<'h>>,
    /// The layer of the record.
    pub(super) layer: Option<usize>,
}

impl<'h> Record<'h> {
    pub(super) fn of(claim: &'h Held<'h>) -> Self {
        Self { package: claim.package, claim: Some(claim), layer: Some(claim.layer) }
    }

    pub(super) fn of_folder(package: usize, inventory: &Inventory) -> Self {
        let layer = inventory.packages.get(package).and_then(|package| package.layer);
        Self { package, claim: None, layer }
    }
}
