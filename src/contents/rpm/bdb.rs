//! Berkeley DB as rpm used it, `Packages` (db-5.3 `dbinc/db_page.h`: hash access method).
//!
//! Turns the file into the headers of packages: pages of the hash hold keys and values in turns; a value that is larger than a
//! part of a page lies on a chain of overflow pages. Numbers are in the order of the machine that made the file, which its
//! magic shows. Each page counts once.

use super::{EachBlob, Garbled, form};

/// Magic of the hash access method, at byte 12.
const MAGIC: u32 = 0x0006_1561;
const HEAD_BYTES: usize = 26;
const HASH_UNSORTED: u8 = 2;
const OVERFLOW: u8 = 7;
const HASH: u8 = 13;
const OFF_PAGE: u8 = 3;

/// Whether it is a hash of Berkeley DB.
pub fn is_hash(bytes: &[u8]) -> bool {
    order(bytes).is_some()
}

/// Whether numbers begin with their highest byte.
fn order(bytes: &[u8]) -> Option<bool> {
    let magic: [u8; 4] = bytes.get(12..16)?.try_into().ok()?;
    [false, true].into_iter().find(|big| number(magic, *big) == MAGIC)
}

fn number(bytes: [u8; 4], big: bool) -> u32 {
    if big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
}

struct File<'b> {
    bytes: &'b [u8],
    big: bool,
    page_bytes: usize,
    seen: Vec<bool>,
}

impl<'b> File<'b> {
    fn u32(&self, bytes: &[u8], at: usize) -> Option<usize> {
        usize::try_from(number(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?, self.big)).ok()
    }

    fn u16(&self, bytes: &[u8], at: usize) -> Option<usize> {
        let bytes = bytes.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(usize::from(if self.big {
            u16::from_be_bytes(bytes)
        } else {
            u16::from_le_bytes(bytes)
        }))
    }

    fn page(&self, number: usize) -> Option<&'b [u8]> {
        let start = number.checked_mul(self.page_bytes)?;
        self.bytes.get(start..start.checked_add(self.page_bytes)?)
    }

    /// The value on a chain of pages, of so many bytes; none where the chain is damaged.
    fn chain(&mut self, first: usize, length: usize) -> Option<Vec<u8>> {
        let mut value = Vec::new();
        let mut next = first;
        while value.len() < length {
            let seen = self.seen.get_mut(next).filter(|seen| !**seen)?;
            *seen = true;
            let page = self.page(next)?;
            let used = self.u16(page, 22)?;
            if page.get(25) != Some(&OVERFLOW) || used == 0 {
                return None;
            }
            value.extend_from_slice(page.get(HEAD_BYTES..HEAD_BYTES + used)?);
            next = self.u32(page, 16)?;
        }
        (value.len() == length).then_some(value)
    }
}

/// Gives the blob of each package to `each`, or why one cannot be read.
///
/// # Errors
/// The file's own header cannot be read, or `each` ends it.
pub fn blobs(bytes: &[u8], each: &mut EachBlob<'_>) -> Result<(), Garbled> {
    let damaged = || form("its header of Berkeley DB is damaged");
    let big = order(bytes).ok_or_else(damaged)?;
    let mut file = File { bytes, big, page_bytes: 0, seen: Vec::new() };
    let size =
        file.u32(bytes, 20).filter(|size| size.is_power_of_two() && (512..=65536).contains(size));
    file.page_bytes = size.ok_or_else(damaged)?;
    if bytes.get(24) != Some(&0) {
        return Err(form("its Berkeley DB is encrypted"));
    }
    let pages = file.u32(bytes, 32).ok_or_else(damaged)?.checked_add(1).ok_or_else(damaged)?;
    if pages > bytes.len() / file.page_bytes {
        return Err(form("its Berkeley DB is cut off"));
    }
    file.seen = vec![false; pages];
    for number in 1..pages {
        let page = file.page(number).unwrap_or_default();
        if !matches!(page.get(25), Some(&(HASH | HASH_UNSORTED))) {
            continue;
        }
        let entries = file.u16(page, 20).unwrap_or_default();
        for entry in (1..entries).step_by(2) {
            let at = file.u16(page, HEAD_BYTES + 2 * entry).unwrap_or_default();
            let item = page.get(at..).unwrap_or_default();
            // What lies on the page itself is the number of the last package: headers are larger.
            if item.first() != Some(&OFF_PAGE) {
                continue;
            }
            let place = file.u32(item, 4).zip(file.u32(item, 8));
            let value = place.and_then(|(first, length)| file.chain(first, length));
            match value {
                Some(value) => each(Ok(&value))?,
                None => {
                    each(Err(form(format!("the entry of a package on page {number} is damaged"))))?;
                }
            }
        }
    }
    Ok(())
}
