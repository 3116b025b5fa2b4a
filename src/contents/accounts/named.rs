//! Files that somebody who may vouch for the image names by path and SHA-256.
//!
//! Turns such names and a tree into [`Compared`]: which files have the bytes that were named, and which have others. Paths are compared
//! after the links of their folders: a list that names `/bin/app` names `/usr/bin/app` where `/bin` is a link. The last part of a
//! path is never followed, and a name with `..` or without a leading slash names nothing.

use std::collections::{BTreeMap, HashMap};

use crate::{contents::parts::split, image::rootfs::Rootfs};

/// Paths with the digests that are named for each.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NamedFiles(BTreeMap<String, Vec<[u8; 32]>>);

impl NamedFiles {
    /// Takes note of a file.
    pub fn add(&mut self, path: &str, sha256: [u8; 32]) {
        let is_plain = path.starts_with('/') && !path.split('/').any(|part| part == "..");
        if is_plain {
            let digests = self.0.entry(path.to_owned()).or_default();
            if !digests.contains(&sha256) {
                digests.push(sha256);
            }
        }
    }

    /// Whether nothing is named.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Named files as they are in a tree: the digest of what is there, by the path as it was named.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Compared(BTreeMap<String, [u8; 32]>);

impl Compared {
    /// The digest of the file that is there; `None` where there is none, or nobody asked.
    pub fn found(&self, path: &str) -> Option<&[u8; 32]> {
        self.0.get(path)
    }

    /// How many of the named files are there.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none of them is.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A name, and the digests that it is given with.
type Given<'n> = (&'n str, &'n [[u8; 32]]);

/// Names, by the places where they lead in a tree.
#[derive(Default)]
pub(super) struct Places<'n> {
    places: HashMap<String, Vec<Given<'n>>>,
    pub(super) compared: Compared,
}

impl<'n> Places<'n> {
    pub(super) fn new(named: &'n NamedFiles, rootfs: &Rootfs) -> Self {
        let mut folders: HashMap<&str, Option<String>> = HashMap::new();
        let mut places: HashMap<String, Vec<_>> = HashMap::with_capacity(named.0.len());
        for (path, digests) in &named.0 {
            let (folder, name) = split(path);
            let real = folders.entry(folder).or_insert_with(|| rootfs.resolve(folder));
            let real = match real {
                Some(real) => format!("{}/{name}", real.trim_end_matches('/')),
                None => path.clone(),
            };
            places.entry(real).or_default().push((path.as_str(), digests.as_slice()));
        }
        Self { places, compared: Compared::default() }
    }

    /// Takes note of a file of the tree; whether somebody named its bytes at its path.
    pub(super) fn explain(&mut self, path: &str, sha256: &[u8; 32]) -> bool {
        let mut explained = false;
        for (name, digests) in self.places.get(path).into_iter().flatten() {
            explained |= digests.contains(sha256);
            self.compared.0.insert((*name).to_owned(), *sha256);
        }
        explained
    }
}
