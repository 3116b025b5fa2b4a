//! One layer of one image, read for comparison.
//!
//! Turns a layer into its recomputed diffID and, in the same pass, into 64 bytes for each entry, so that a layer with two
//! million entries fits into memory. Only where two layers differ are they read a second time, for the facts of the
//! entries that differ. Nothing comes out of a layer whose stored bytes are not those of the manifest.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Read},
};

use sha2::{Digest as _, Sha256};

use super::{
    CompareError, Side, Which,
    entry::{Facts, Hash, fingerprint, text},
    normalize,
};
use crate::{
    digest::{Algorithm, DiffId},
    image::{
        Descriptor,
        layer::LayerReader,
        tar::{self, Entry, EntryKind, TarError},
    },
    limits::Limits,
};

/// Bytes hashed at a time.
const BUFFER_BYTES: usize = 64 << 10;

/// A layer of one of the images.
#[derive(Clone, Copy)]
pub(super) struct Layer<'a> {
    pub(super) which: Which,
    pub(super) side: Side<'a>,
    pub(super) position: usize,
    pub(super) descriptor: &'a Descriptor,
    pub(super) limits: &'a Limits,
}

/// The entries of a layer: path and fingerprint of each, and both of all in their order.
pub(super) struct Entries {
    /// Hash of the path and fingerprint, sorted by path; entries of equal path keep their order.
    list: Vec<(Hash, Hash)>,
    /// Hash over the list in stream order.
    order: Hash,
}

/// What comparing the entries of two layers gave.
pub(super) struct EntryDiff {
    /// Hashes of paths whose entries differ: the lowest ones, which are the same on every run.
    pub(super) paths: BTreeSet<Hash>,
    /// How many more there are.
    pub(super) more: u64,
    /// Whether the entries come in the same order.
    pub(super) same_order: bool,
}

impl<'a> Layer<'a> {
    /// The diffID that the configuration claims.
    pub(super) fn claimed(&self) -> Option<&'a DiffId> {
        self.side.config.diff_ids.get(self.position)
    }

    /// The algorithm of the claim, so that both can be compared.
    fn algorithm(&self) -> Algorithm {
        self.claimed().map_or(Algorithm::Sha256, |claimed| claimed.digest().algorithm())
    }

    /// Opens the layer.
    pub(super) fn open(&self) -> Result<LayerReader<Box<dyn Read + Send>>, CompareError> {
        let Self { which, position, .. } = *self;
        let stored = self.side.layers.open(position);
        let stored = stored.map_err(|error| CompareError::Open { which, position, error })?;
        LayerReader::with_algorithm(stored, self.descriptor, self.algorithm(), self.limits)
            .map_err(|error| CompareError::Layer { which, position, error })
    }

    /// Reads what is left of the layer and gives its diffID.
    pub(super) fn finish<R: Read>(&self, reader: LayerReader<R>) -> Result<DiffId, CompareError> {
        let Self { which, position, .. } = *self;
        reader.finish().map_err(|error| CompareError::Layer { which, position, error })
    }

    /// The recomputed diffID.
    pub(super) fn diff_id(&self) -> Result<DiffId, CompareError> {
        self.finish(self.open()?)
    }

    /// Shows every entry with the hash of its content.
    fn walk(
        &self,
        mut visit: impl FnMut(&Entry, &mut dyn Read) -> io::Result<()>,
    ) -> Result<DiffId, CompareError> {
        let Self { which, position, .. } = *self;
        let mut reader = self.open()?;
        let walked = tar::walk(&mut reader, self.limits, |entry, content| {
            visit(entry, content).map_err(TarError::Read)
        });
        // A broken stream explains a broken tar, not the other way round.
        let diff_id = self.finish(reader)?;
        walked.map_err(|error| CompareError::Tar { which, position, error })?;
        Ok(diff_id)
    }

    /// The recomputed diffID, and the entries.
    pub(super) fn scan(&self) -> Result<(DiffId, Entries), CompareError> {
        let (mut list, mut order) = (Vec::new(), Sha256::new());
        let mut buffer = vec![0; BUFFER_BYTES];
        let diff_id = self.walk(|entry, content| {
            let mark = fingerprint(entry, &hash(content, &mut buffer)?);
            text(&mut order, entry.path.as_bytes());
            order.update(mark);
            list.push((path_hash(&entry.path), mark));
            Ok(())
        })?;
        list.sort_by_key(|(path, _)| *path);
        Ok((diff_id, Entries { list, order: order.finalize().into() }))
    }

    /// The facts of the entries whose paths are picked, by path.
    pub(super) fn facts(
        &self,
        picked: &BTreeSet<Hash>,
    ) -> Result<BTreeMap<String, Facts>, CompareError> {
        let mut found: BTreeMap<String, Facts> = BTreeMap::new();
        let mut buffer = vec![0; BUFFER_BYTES];
        self.walk(|entry, content| {
            if picked.contains(&path_hash(&entry.path)) {
                let mut facts = self.facts_of(entry, content, &mut buffer)?;
                facts.count += found.get(&entry.path).map_or(0, |before| before.count);
                found.insert(entry.path.clone(), facts);
            }
            Ok(())
        })?;
        Ok(found)
    }

    fn facts_of(
        &self,
        entry: &Entry,
        content: &mut dyn Read,
        buffer: &mut [u8],
    ) -> io::Result<Facts> {
        let whole = entry.kind == EntryKind::File
            && entry.size <= self.limits.file_bytes
            && normalize::is_known(&entry.path);
        let (content, normal) = if whole {
            let mut bytes = Vec::new();
            content.read_to_end(&mut bytes)?;
            (Sha256::digest(&bytes).into(), normalize::normal(&entry.path, bytes))
        } else {
            (hash(content, buffer)?, None)
        };
        Ok(Facts { entry: entry.clone(), content, normal, count: 1 })
    }
}

impl Entries {
    /// Compares the entries of two layers, path by path; keeps at most `most` paths that differ.
    pub(super) fn diff(&self, other: &Self, most: usize) -> EntryDiff {
        let (mut left, mut right) = (self.groups().peekable(), other.groups().peekable());
        let (mut paths, mut more) = (BTreeSet::new(), 0);
        loop {
            let path = match (left.peek(), right.peek()) {
                (None, None) => break,
                (Some((path, _)), None) | (None, Some((path, _))) => *path,
                (Some((left, _)), Some((right, _))) => *left.min(right),
            };
            if left.next_if(|group| group.0 == path) == right.next_if(|group| group.0 == path) {
                continue;
            }
            if paths.len() < most {
                paths.insert(path);
            } else {
                more += 1;
            }
        }
        EntryDiff { paths, more, same_order: self.order == other.order }
    }

    /// The entries of each path.
    fn groups(&self) -> impl Iterator<Item = (Hash, &[(Hash, Hash)])> {
        let chunks = self.list.chunk_by(|a, b| a.0 == b.0);
        chunks.filter_map(|group| Some((group.first()?.0, group)))
    }
}

fn path_hash(path: &str) -> Hash {
    Sha256::digest(path).into()
}

fn hash(content: &mut dyn Read, buffer: &mut [u8]) -> io::Result<Hash> {
    let mut hasher = Sha256::new();
    loop {
        match content.read(buffer) {
            Ok(0) => return Ok(hasher.finalize().into()),
            Ok(read) => hasher.update(buffer.get(..read).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
