//! One layer of one image, read for comparison.
//!
//! Turns a layer into its recomputed diffID, and on the way shows its entries to whoever compares them. Where they could
//! not be kept, a second pass gives the facts of those that differ. Nothing comes out of a layer whose stored bytes are
//! not those of the manifest.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Read},
};

use sha2::{Digest as _, Sha256};

use super::{
    CompareError, Side, Which,
    content::Hash,
    entry::{Facts, mark},
    matcher::{Content, Lane, Seen},
};
use crate::{
    digest::{Algorithm, DiffId},
    image::{
        Compression, Descriptor,
        gzip::GzipHeader,
        layer::{Finished, LayerReader},
        tar::{self, Entry, EntryKind, TarError},
    },
    limits::Limits,
    progress::{Counted, Work},
};

/// The stored bytes of a layer, counted and checked while they are read.
pub(super) type Reader<'a> = LayerReader<Counted<'a, Box<dyn Read + Send>>>;

/// Bytes hashed at a time.
const BUFFER_BYTES: usize = 64 << 10;
/// Bytes of differing files that are kept of one layer in a second pass; at least what the first pass can keep.
pub(super) const KEPT_BYTES: u64 = 64 << 20;

/// Contents that are looked for.
pub(super) struct Wanted {
    /// By what they hash to.
    pub(super) missing: BTreeSet<Hash>,
    /// How long they are: others need not be read.
    pub(super) sizes: BTreeSet<u64>,
    pub(super) found: BTreeMap<Hash, Vec<u8>>,
    /// Bytes that may still be kept.
    pub(super) room: u64,
}

/// A layer of one of the images.
#[derive(Clone, Copy)]
pub(super) struct Layer<'a> {
    pub(super) which: Which,
    pub(super) side: Side<'a>,
    pub(super) position: usize,
    pub(super) descriptor: &'a Descriptor,
    pub(super) limits: &'a Limits,
    pub(super) work: &'a Work,
}

impl<'a> Layer<'a> {
    /// The layers of one image.
    pub(super) fn all(
        which: Which,
        side: Side<'a>,
        limits: &'a Limits,
        work: &'a Work,
    ) -> Vec<Self> {
        let descriptors = side.manifest.layers.iter().enumerate();
        descriptors
            .map(|(position, descriptor)| Self { which, side, position, descriptor, limits, work })
            .collect()
    }

    /// The diffID that the configuration claims.
    pub(super) fn claimed(&self) -> Option<&'a DiffId> {
        self.side.config.diff_ids.get(self.position)
    }

    /// The algorithm of the claim, so that both can be compared.
    fn algorithm(&self) -> Algorithm {
        self.claimed().map_or(Algorithm::Sha256, |claimed| claimed.digest().algorithm())
    }

    /// Opens the layer.
    pub(super) fn open(&self) -> Result<Reader<'a>, CompareError> {
        let Self { which, position, work, .. } = *self;
        let stored = self.side.layers.open(position);
        let stored = stored.map_err(|error| CompareError::Open { which, position, error })?;
        let stored = work.counted(stored);
        LayerReader::with_algorithm(stored, self.descriptor, self.algorithm(), self.limits)
            .map_err(|error| CompareError::Layer { which, position, error })
    }

    /// What the stored bytes begin with, where they were found to be gzip: good for a hint, and read without a check.
    pub(super) fn gzip_header(&self, found: Compression) -> Option<GzipHeader> {
        let stored = (found == Compression::Gzip).then(|| self.side.layers.open(self.position));
        GzipHeader::read(stored?.ok()?)
    }

    /// Reads what is left of the layer and gives its diffID, and what its stream says beside its content.
    pub(super) fn finish<R: Read>(&self, reader: LayerReader<R>) -> Result<Finished, CompareError> {
        let Self { which, position, .. } = *self;
        reader.finish_fully().map_err(|error| CompareError::Layer { which, position, error })
    }

    /// The recomputed diffID.
    pub(super) fn diff_id(&self) -> Result<DiffId, CompareError> {
        self.finish(self.open()?).map(|finished| finished.diff_id)
    }

    /// Shows every entry with the hash of its content.
    pub(super) fn walk(
        &self,
        mut visit: impl FnMut(&Entry, &mut dyn Read) -> io::Result<()>,
    ) -> Result<Finished, CompareError> {
        let Self { which, position, .. } = *self;
        let mut reader = self.open()?;
        let walked = tar::walk(&mut reader, self.limits, |entry, content| {
            visit(entry, content).map_err(TarError::Read)
        });
        // A broken stream explains a broken tar, not the other way round.
        let finished = self.finish(reader)?;
        walked.map_err(|error| CompareError::Tar { which, position, error })?;
        Ok(finished)
    }

    /// What the layer is, and the hash over all paths in their order; every entry is offered on the way.
    pub(super) fn scan(&self, lane: &Lane<'_>) -> Result<(Finished, Hash), CompareError> {
        let mut order = Sha256::new();
        let mut buffer = vec![0; BUFFER_BYTES];
        let finished = self.walk(|entry, content| {
            let path = path_hash(&entry.path);
            order.update(path);
            let content = self.content(entry, content, &mut buffer)?;
            let (mark, time) = (mark(entry), time(entry));
            let entry = Some(Box::new(entry.clone()));
            lane.offer(path, Seen { mark, content, entry, time });
            Ok(())
        })?;
        Ok((finished, order.finalize().into()))
    }

    fn content(
        &self,
        entry: &Entry,
        content: &mut dyn Read,
        buffer: &mut [u8],
    ) -> io::Result<Content> {
        if entry.size > self.limits.explain_bytes {
            return hash(content, buffer).map(Content::Hash);
        }
        let mut bytes = Vec::with_capacity(usize::try_from(entry.size).unwrap_or_default());
        content.read_to_end(&mut bytes)?;
        Ok(Content::Bytes(bytes))
    }

    /// Takes contents by their hashes, which say what they are wherever they lie, as far as there is room.
    pub(super) fn contents(&self, wanted: &mut Wanted) -> Result<(), CompareError> {
        self.work.expect(0, self.descriptor.size);
        self.walk(|entry, content| {
            if entry.kind != EntryKind::File
                || entry.size > self.limits.explain_bytes.min(wanted.room)
                || !wanted.sizes.contains(&entry.size)
            {
                return Ok(());
            }
            let mut bytes = Vec::with_capacity(usize::try_from(entry.size).unwrap_or_default());
            content.read_to_end(&mut bytes)?;
            let hash: Hash = Sha256::digest(&bytes).into();
            if wanted.missing.remove(&hash) {
                wanted.room = wanted.room.saturating_sub(bytes.len() as u64);
                wanted.found.insert(hash, bytes);
            }
            Ok(())
        })?;
        Ok(())
    }

    /// The facts of the entries whose paths are picked, by path. Bytes are kept of as many as there is room for, in the
    /// order of the stream.
    pub(super) fn facts(
        &self,
        picked: &BTreeSet<Hash>,
    ) -> Result<BTreeMap<String, Facts>, CompareError> {
        let mut found: BTreeMap<String, Facts> = BTreeMap::new();
        let (mut buffer, mut room) = (vec![0; BUFFER_BYTES], KEPT_BYTES);
        self.work.expect(0, self.descriptor.size);
        self.walk(|entry, content| {
            if !picked.contains(&path_hash(&entry.path)) {
                return Ok(());
            }
            let fits = entry.size <= room;
            let content = match fits {
                true => self.content(entry, content, &mut buffer)?,
                false => Content::Hash(hash(content, &mut buffer)?),
            };
            if let Content::Bytes(bytes) = &content {
                room = room.saturating_sub(bytes.len() as u64);
            }
            let mut facts = Facts::new(entry.clone(), content);
            facts.count += found.get(&entry.path).map_or(0, |before| before.count);
            found.insert(entry.path.clone(), facts);
            Ok(())
        })?;
        Ok(found)
    }
}

/// The time of a file. A hard link gives its own to the file that it names.
fn time(entry: &Entry) -> Option<i64> {
    matches!(entry.kind, EntryKind::File | EntryKind::HardLink).then_some(entry.mtime)
}

/// The hash by which a path is known.
pub(super) fn path_hash(path: &str) -> Hash {
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
