//! Sorted entries in compressed blocks, and the index by which one block is found.
//!
//! Body: number of blocks (u32), then for each the length of its first key (u16), that key, its compressed length
//! (u32) and its length (u32); then the blocks. Block: entries of key length (u16), key, value length (u32) and value.
//! All numbers are little-endian.

use super::DatabaseError;

/// Bytes of entries in one block, unless one alone has more.
const BLOCK_BYTES: usize = 4 << 10;
/// Bytes of one block that is read: no entry is larger.
const MOST_BLOCK_BYTES: usize = 128 << 20;
/// Level of zstd: the blocks are small, so that a higher one gains little.
const LEVEL: i32 = 9;

/// The blocks of a file.
#[derive(Debug)]
pub(super) struct Blocks {
    bytes: Vec<u8>,
    index: Vec<Place>,
}

#[derive(Debug)]
struct Place {
    first_key: Vec<u8>,
    start: usize,
    length: usize,
    inflated: usize,
}

impl Blocks {
    /// The blocks that begin at `offset` of a file.
    pub(super) fn open(bytes: Vec<u8>, offset: usize) -> Result<Self, DatabaseError> {
        let body = bytes.get(offset..).unwrap_or_default();
        let index =
            index(body, offset).ok_or(DatabaseError::Damaged("its index cannot be read"))?;
        Ok(Self { bytes, index })
    }

    /// Every value of a key, in their order.
    pub(super) fn lookup<T>(
        &self,
        inflater: &mut Inflater,
        key: &[u8],
        mut read: impl FnMut(&[u8]) -> Result<T, DatabaseError>,
    ) -> Result<Vec<T>, DatabaseError> {
        let mut found = Vec::new();
        self.scan(inflater, key, |own, value| {
            if own == key {
                found.push(read(value)?);
            }
            Ok(own <= key)
        })?;
        Ok(found)
    }

    /// Hears every entry from the block on in which `key` would be, until it has heard enough.
    pub(super) fn scan(
        &self,
        inflater: &mut Inflater,
        key: &[u8],
        mut hear: impl FnMut(&[u8], &[u8]) -> Result<bool, DatabaseError>,
    ) -> Result<(), DatabaseError> {
        let after = self.index.partition_point(|place| place.first_key.as_slice() < key);
        for place in self.index.iter().skip(after.saturating_sub(1)) {
            let mut rest = self.block(inflater, place)?;
            while !rest.is_empty() {
                let (key, value, after) = entry(rest).ok_or(BROKEN)?;
                if !hear(key, value)? {
                    return Ok(());
                }
                rest = after;
            }
        }
        Ok(())
    }

    fn block<'i>(
        &self,
        inflater: &'i mut Inflater,
        place: &Place,
    ) -> Result<&'i [u8], DatabaseError> {
        let end = place.start.checked_add(place.length).ok_or(BROKEN)?;
        let stored = self.bytes.get(place.start..end).ok_or(BROKEN)?;
        let Inflater { inner, block } = inflater;
        block.clear();
        block.reserve(place.inflated);
        let inflated = inner.decompress_to_buffer(stored, block).map_err(|_| BROKEN)?;
        if inflated == place.inflated { Ok(block) } else { Err(BROKEN) }
    }
}

/// What inflates blocks, one after the other: making one takes longer than a block.
pub(super) struct Inflater {
    inner: zstd::bulk::Decompressor<'static>,
    block: Vec<u8>,
}

impl Inflater {
    /// One that has inflated nothing.
    pub(super) fn new() -> Result<Self, DatabaseError> {
        let inner = zstd::bulk::Decompressor::new();
        Ok(Self { inner: inner.map_err(|_| BROKEN)?, block: Vec::new() })
    }
}

const BROKEN: DatabaseError = DatabaseError::Damaged("a block cannot be read");

fn index(body: &[u8], offset: usize) -> Option<Vec<Place>> {
    let (count, mut rest) = number(body)?;
    let mut places = Vec::new();
    for _ in 0..count {
        let (first_key, after) = counted(rest)?;
        let (length, after) = number(after)?;
        let (inflated, after) = number(after)?;
        rest = after;
        if inflated > MOST_BLOCK_BYTES {
            return None;
        }
        places.push(Place { first_key: first_key.to_vec(), start: 0, length, inflated });
    }
    let mut start = offset + (body.len() - rest.len());
    for place in &mut places {
        place.start = start;
        start = start.checked_add(place.length)?;
    }
    let sorted = places.windows(2).all(|pair| match pair {
        [a, b] => a.first_key <= b.first_key,
        _ => true,
    });
    (sorted && start == offset + body.len()).then_some(places)
}

fn number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<4>()?;
    Some((u32::from_le_bytes(*number) as usize, rest))
}

/// A key with its length before it, and the rest.
fn counted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))
}

/// Key and value of the first entry, and the rest.
fn entry(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (key, rest) = counted(bytes)?;
    let (length, rest) = number(rest)?;
    let (value, rest) = rest.split_at_checked(length)?;
    Some((key, value, rest))
}

/// The body that holds `entries`, which are sorted; none where one of them is too large.
pub(super) fn body(entries: &[(Vec<u8>, Vec<u8>)]) -> Option<Vec<u8>> {
    let (mut index, mut blocks, mut count) = (Vec::new(), Vec::new(), 0_u32);
    let mut entries = entries.iter().peekable();
    while let Some((first, _)) = entries.peek() {
        let first = first.clone();
        let mut block = Vec::new();
        while let Some((key, value)) = entries.next_if(|_| block.len() < BLOCK_BYTES) {
            block.extend(u16::try_from(key.len()).ok()?.to_le_bytes());
            block.extend(key);
            block.extend(u32::try_from(value.len()).ok()?.to_le_bytes());
            block.extend(value);
        }
        let stored = zstd::bulk::compress(&block, LEVEL).ok()?;
        index.extend(u16::try_from(first.len()).ok()?.to_le_bytes());
        index.extend(first);
        index.extend(u32::try_from(stored.len()).ok()?.to_le_bytes());
        let inflated = Some(block.len()).filter(|length| *length <= MOST_BLOCK_BYTES)?;
        index.extend(u32::try_from(inflated).ok()?.to_le_bytes());
        blocks.extend(stored);
        count += 1;
    }
    Some([count.to_le_bytes().as_slice(), &index, &blocks].concat())
}
