//! One table of a SQLite database (<https://www.sqlite.org/fileformat2.html>), from bytes, without SQLite.
//!
//! Turns a file into the rows of a table that has an integer key and a blob: the
//! b-tree is walked from its root, no index and no free page is looked at. Each page counts once, as part of the tree or of
//! one row, so that neither circles nor pages that rows share can make the work larger than the file.
//!
//! Why not the library: it reads files by name, its way of reading memory refuses databases in the mode that rpm sets, and a
//! gate that admits strangers' images has no need of a database engine for one scan.

use super::{EachBlob, Garbled, form, header::u32_be};

/// How the file begins.
pub const MAGIC: &[u8] = b"SQLite format 3\0";
/// Levels of a b-tree; a table of 2^64 rows has fewer.
const DEPTH: usize = 20;
const LEAF: u8 = 0x0d;
const INTERIOR: u8 = 0x05;
const FRAME_HEADER: usize = 24;
const LOG_HEADER: usize = 32;

/// A database: its pages.
pub struct Database<'b> {
    bytes: &'b [u8],
    page_bytes: usize,
    usable: usize,
    seen: Vec<bool>,
}

impl<'b> Database<'b> {
    /// Reads the header.
    ///
    /// # Errors
    /// It is no database of SQLite.
    pub fn open(bytes: &'b [u8]) -> Result<Self, Garbled> {
        let damaged = || form("its database header is damaged");
        let at = |at: usize| bytes.get(at).copied().map(usize::from).ok_or_else(damaged);
        // 1 stands for 65536.
        let page_bytes = match at(16)? << 8 | at(17)? {
            1 => 65536,
            size => size,
        };
        let usable = page_bytes.checked_sub(at(20)?).ok_or_else(damaged)?;
        if !bytes.starts_with(MAGIC)
            || !page_bytes.is_power_of_two()
            || page_bytes < 512
            || usable < 480
        {
            return Err(damaged());
        }
        let pages = bytes.len() / page_bytes;
        Ok(Self { bytes, page_bytes, usable, seen: vec![false; pages + 1] })
    }

    /// A page, counted from 1, that nobody has had yet.
    fn page(&mut self, number: usize) -> Result<&'b [u8], Garbled> {
        let damaged = || form(format!("page {number} of its database is missing, or used twice"));
        let seen =
            self.seen.get_mut(number).filter(|seen| !**seen && number > 0).ok_or_else(damaged)?;
        *seen = true;
        let start = (number - 1).checked_mul(self.page_bytes);
        let page =
            start.and_then(|start| self.bytes.get(start..start.checked_add(self.page_bytes)?));
        page.ok_or_else(damaged)
    }

    /// Gives the blob of a table's second column in each of its rows to `each`, or why a row cannot be read.
    ///
    /// # Errors
    /// There is no such table, its tree cannot be walked, or `each` ends it.
    pub fn blobs(&mut self, table: &str, each: &mut EachBlob<'_>) -> Result<(), Garbled> {
        let mut roots = Vec::new();
        self.rows(1, &mut |row| {
            let row = row?;
            let columns =
                columns(&row).ok_or_else(|| form("a row of its database's schema is damaged"))?;
            if let [kind, name, _, page, ..] = columns.as_slice()
                && *kind == b"table"
                && name.eq_ignore_ascii_case(table.as_bytes())
            {
                roots.push(page.iter().take(8).fold(0, |sum, byte| sum << 8 | usize::from(*byte)));
            }
            Ok(())
        })?;
        let [root] = roots.as_slice() else {
            return Err(form(format!("its database has {} tables {table}", roots.len())));
        };
        self.rows(*root, &mut |row| {
            let row = match row {
                Ok(row) => row,
                Err(gap) => return each(Err(gap)),
            };
            match columns(&row).as_deref() {
                Some([_, blob, ..]) => each(Ok(blob)),
                _ => each(Err(form(format!("a row of the table {table} is damaged")))),
            }
        })
    }

    /// Gives the records of a table's rows to `each`, in the order of their keys.
    fn rows(
        &mut self,
        root: usize,
        each: &mut dyn FnMut(Result<Vec<u8>, Garbled>) -> Result<(), Garbled>,
    ) -> Result<(), Garbled> {
        let mut todo = vec![(root, 0)];
        while let Some((number, depth)) = todo.pop() {
            let damaged = || form(format!("page {number} of its database is damaged"));
            let page = self.page(number)?;
            // The first page begins with the file's header.
            let start = if number == 1 { 100 } else { 0 };
            let u16_at = |at: usize| {
                Some(usize::from(u16::from_be_bytes(page.get(at..at + 2)?.try_into().ok()?)))
            };
            let (kind, cells) =
                page.get(start).copied().zip(u16_at(start + 3)).ok_or_else(damaged)?;
            let head = if kind == INTERIOR { 12 } else { 8 };
            if !matches!(kind, LEAF | INTERIOR) || depth >= DEPTH {
                return Err(damaged());
            }
            let pointers =
                (0..cells).map(|cell| u16_at(start + head + 2 * cell).ok_or_else(damaged));
            let pointers: Vec<usize> = pointers.collect::<Result<_, _>>()?;
            if kind == LEAF {
                // Cells do not overlap, so that those of a page are no more than it.
                let mut left = self.page_bytes;
                for at in pointers {
                    let row = self.record(page, at, &mut left);
                    each(row.and_then(|row| row.ok_or_else(damaged)))?;
                }
                continue;
            }
            let last = u32_be(page, start + 8).ok_or_else(damaged)?;
            todo.push((last, depth + 1));
            for at in pointers.into_iter().rev() {
                todo.push((u32_be(page, at).ok_or_else(damaged)?, depth + 1));
            }
        }
        Ok(())
    }

    /// The record of a leaf's cell, with what of it lies on pages of its own; none if it is damaged.
    fn record(
        &mut self,
        page: &'b [u8],
        at: usize,
        left: &mut usize,
    ) -> Result<Option<Vec<u8>>, Garbled> {
        let cell = page.get(at..self.usable).unwrap_or_default();
        let Some((length, rest)) = varint(cell) else { return Ok(None) };
        let Some((_key, rest)) = varint(rest) else { return Ok(None) };
        let Some(length) = usize::try_from(length).ok().filter(|length| *length <= self.size())
        else {
            return Ok(None);
        };
        let here = self.local(length);
        let Some(local) = rest.get(..here) else { return Ok(None) };
        let Some(fewer) = left.checked_sub(here) else { return Ok(None) };
        *left = fewer;
        let mut record = local.to_vec();
        let mut next = if record.len() < length { u32_be(rest, here) } else { Some(0) };
        while record.len() < length {
            let Some(number) = next else { return Ok(None) };
            let page = self.page(number)?;
            let part = page.get(4..self.usable).unwrap_or_default();
            let left = length - record.len();
            record.extend_from_slice(part.get(..left).unwrap_or(part));
            next = u32_be(page, 0);
        }
        Ok(Some(record))
    }

    /// Bytes of all pages there are.
    fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes of a record of so many that are kept on the leaf ("Determination of overflow").
    fn local(&self, length: usize) -> usize {
        let most = self.usable - 35;
        if length <= most {
            return length;
        }
        let least = (self.usable - 12) * 32 / 255 - 23;
        let kept = least + (length - least) % (self.usable - 4);
        if kept <= most { kept } else { least }
    }
}

/// A number of 1 to 9 bytes, and what follows it.
fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0_u64;
    for index in 0..9 {
        let byte = *bytes.get(index)?;
        if index == 8 {
            return Some((number << 8 | u64::from(byte), bytes.get(9..)?));
        }
        number = number << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((number, bytes.get(index + 1..)?));
        }
    }
    None
}

/// The bytes of a record's columns.
fn columns(record: &[u8]) -> Option<Vec<&[u8]>> {
    let (size, after) = varint(record)?;
    let size = usize::try_from(size).ok()?;
    let mut types = record.get(record.len() - after.len()..size)?;
    let mut body = record.get(size..)?;
    let mut columns = Vec::new();
    while !types.is_empty() && columns.len() < 16 {
        let (kind, rest) = varint(types)?;
        types = rest;
        let length = match kind {
            0 | 8 | 9 => 0,
            1..=4 => kind,
            5 => 6,
            6 | 7 => 8,
            10 | 11 => return None,
            _ => (kind - 12) / 2,
        };
        let (column, rest) = body.split_at_checked(usize::try_from(length).ok()?)?;
        // 8 and 9 are the numbers 0 and 1.
        columns.push(if kind == 9 { b"\x01" } else { column });
        body = rest;
    }
    Some(columns)
}

/// How many pages a write-ahead log has that a commit follows; frames count to the first that is not whole: by then, SQLite says,
/// the log ends.
pub fn committed(log: &[u8], page_bytes: usize) -> usize {
    let magic = u32_be(log, 0).filter(|magic| matches!(magic, 0x377f_0682 | 0x377f_0683));
    let (Some(magic), Some(head)) = (magic, log.get(..LOG_HEADER)) else { return 0 };
    let mut sum = checksum((0, 0), head.get(..24).unwrap_or_default(), magic & 1 == 1);
    if (u32_be(head, 24), u32_be(head, 28)) != (Some(sum.0), Some(sum.1)) {
        return 0;
    }
    let (mut frames, mut committed) = (0, 0);
    let rest = log.get(LOG_HEADER..).unwrap_or_default();
    for frame in rest.chunks_exact(FRAME_HEADER.saturating_add(page_bytes)) {
        let (header, page) = frame.split_at(FRAME_HEADER);
        sum = checksum(sum, header.get(..8).unwrap_or_default(), magic & 1 == 1);
        sum = checksum(sum, page, magic & 1 == 1);
        let number = |at| u32_be(header, at).unwrap_or_default();
        if header.get(8..16) != head.get(16..24) || (number(16), number(20)) != sum {
            break;
        }
        frames += 1;
        if number(4) > 0 {
            committed = frames;
        }
    }
    committed
}

/// SQLite's checksum of a log: two sums over 32-bit numbers.
fn checksum(start: (usize, usize), bytes: &[u8], big: bool) -> (usize, usize) {
    let number = |word: &[u8]| {
        let word: [u8; 4] = word.try_into().unwrap_or_default();
        if big { u32::from_be_bytes(word) } else { u32::from_le_bytes(word) }
    };
    let narrow = |number: usize| u32::try_from(number).unwrap_or_default();
    let (mut first, mut second) = (narrow(start.0), narrow(start.1));
    for pair in bytes.chunks_exact(8) {
        let (one, two) = pair.split_at(4);
        first = first.wrapping_add(number(one)).wrapping_add(second);
        second = second.wrapping_add(number(two)).wrapping_add(first);
    }
    let wide = |number: u32| usize::try_from(number).unwrap_or_default();
    (wide(first), wide(second))
}
