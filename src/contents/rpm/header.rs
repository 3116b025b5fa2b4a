//! Header of an rpm as databases keep it (rpm's `doc/manual/format_header.md`).
//!
//! Turns the blob of one package into its tags: the number of entries and of data bytes, an entry of 16 bytes for each tag
//! (tag, type, offset, count), then the data. Numbers begin with their highest byte. Nothing is copied, and a tag is checked
//! when somebody asks for it.

use super::{Garbled, form};

/// Entries of one header, as rpm bounds them.
const ENTRIES: usize = 0xffff;
/// Bytes of one header's data, as rpm bounds them.
const DATA_BYTES: usize = 0x0fff_ffff;
const ENTRY_BYTES: usize = 16;

/// Tags that are read (`rpmtag.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tag {
    Name = 1000,
    Version = 1001,
    Release = 1002,
    Epoch = 1003,
    License = 1014,
    Architecture = 1022,
    FileDigests = 1035,
    FileLinks = 1036,
    FileFlags = 1037,
    SourceRpm = 1044,
    FolderIndexes = 1116,
    BaseNames = 1117,
    FolderNames = 1118,
    FileDigestAlgorithm = 5011,
    ModularityLabel = 5096,
}

const CHAR: u32 = 1;
const INT8: u32 = 2;
const INT16: u32 = 3;
const INT32: u32 = 4;
const INT64: u32 = 5;
const TEXT: u32 = 6;
const TEXTS: u32 = 8;
const TRANSLATED: u32 = 9;

/// One header.
#[derive(Debug, Clone, Copy)]
pub struct Header<'b> {
    index: &'b [u8],
    data: &'b [u8],
}

/// Where a tag's values are.
struct Values<'b> {
    kind: u32,
    count: usize,
    bytes: &'b [u8],
}

impl<'b> Header<'b> {
    /// Reads the two parts of a header.
    ///
    /// # Errors
    /// It is shorter than it says, or larger than rpm allows.
    pub fn read(blob: &'b [u8]) -> Result<Self, Garbled> {
        let number = |at| u32_be(blob, at).ok_or_else(|| form("a header of a package is cut off"));
        let (entries, bytes) = (number(0)?, number(4)?);
        if entries == 0 || entries > ENTRIES || bytes > DATA_BYTES {
            return Err(form(format!(
                "a header of a package says that it has {entries} entries and {bytes} bytes"
            )));
        }
        let rest = blob.get(8..).unwrap_or_default();
        let cut = || form("a header of a package is cut off");
        let (index, rest) = rest.split_at_checked(entries * ENTRY_BYTES).ok_or_else(cut)?;
        let data = rest.get(..bytes).ok_or_else(cut)?;
        Ok(Self { index, data })
    }

    /// A tag's entry. Entries behind the signed region come later, and rpm takes those.
    fn values(&self, tag: Tag) -> Result<Option<Values<'b>>, Garbled> {
        let entry = self
            .index
            .chunks_exact(ENTRY_BYTES)
            .rfind(|entry| u32_be(entry, 0) == Some(tag as usize));
        let Some(entry) = entry else { return Ok(None) };
        let number = |at| u32_be(entry, at).unwrap_or_default();
        let bytes = self.data.get(number(8)..).ok_or_else(|| outside(tag))?;
        let kind = u32::try_from(number(4)).unwrap_or_default();
        Ok(Some(Values { kind, count: number(12), bytes }))
    }

    /// The text of a tag.
    ///
    /// # Errors
    /// It is no text, or lies outside of the header.
    pub fn text(&self, tag: Tag) -> Result<Option<&'b [u8]>, Garbled> {
        let Some(values) = self.values(tag)? else { return Ok(None) };
        if !matches!(values.kind, TEXT | TEXTS | TRANSLATED) || values.count == 0 {
            return Err(unlike(tag));
        }
        until_zero(values.bytes).map(|(text, _)| Some(text)).ok_or_else(|| outside(tag))
    }

    /// The texts of a tag; none where there is no such tag.
    ///
    /// # Errors
    /// They are no texts, or lie outside of the header.
    pub fn texts(&self, tag: Tag) -> Result<Vec<&'b [u8]>, Garbled> {
        let Some(values) = self.values(tag)? else { return Ok(Vec::new()) };
        if values.kind != TEXTS {
            return Err(unlike(tag));
        }
        // Each takes a byte at least.
        if values.count > values.bytes.len() {
            return Err(outside(tag));
        }
        let mut rest = values.bytes;
        let mut texts = Vec::with_capacity(values.count);
        for _ in 0..values.count {
            let (text, after) = until_zero(rest).ok_or_else(|| outside(tag))?;
            texts.push(text);
            rest = after;
        }
        Ok(texts)
    }

    /// The numbers of a tag; none where there is no such tag.
    ///
    /// # Errors
    /// They are no numbers, or lie outside of the header.
    pub fn numbers(&self, tag: Tag) -> Result<Vec<u64>, Garbled> {
        let Some(values) = self.values(tag)? else { return Ok(Vec::new()) };
        let size = match values.kind {
            CHAR | INT8 => 1,
            INT16 => 2,
            INT32 => 4,
            INT64 => 8,
            _ => return Err(unlike(tag)),
        };
        let end = values.count.checked_mul(size);
        let bytes = end.and_then(|end| values.bytes.get(..end)).ok_or_else(|| outside(tag))?;
        let number = |bytes: &[u8]| bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        Ok(bytes.chunks_exact(size).map(number).collect())
    }
}

fn until_zero(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == 0)?;
    Some((bytes.get(..end)?, bytes.get(end + 1..)?))
}

fn outside(tag: Tag) -> Garbled {
    form(format!("in a header of a package {tag:?} lies outside of it"))
}

fn unlike(tag: Tag) -> Garbled {
    form(format!("in a header of a package {tag:?} is of another type"))
}

/// A 32-bit number, highest byte first.
pub(super) fn u32_be(bytes: &[u8], at: usize) -> Option<usize> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    usize::try_from(u32::from_be_bytes(bytes.try_into().ok()?)).ok()
}

/// A 32-bit number, lowest byte first.
pub(super) fn u32_le(bytes: &[u8], at: usize) -> Option<usize> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    usize::try_from(u32::from_le_bytes(bytes.try_into().ok()?)).ok()
}
