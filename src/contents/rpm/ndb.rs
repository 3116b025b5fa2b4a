//! rpm's own database, `Packages.db` (`lib/backend/ndb/rpmpkg.c` of rpm).
//!
//! Turns the file into the headers of packages: pages of slots, of 16 bytes each, say at which block of 16 bytes a blob is; a
//! blob has a head with its package's number and its length, and a tail that repeats the length. Numbers begin with their
//! lowest byte. A blob counts once, whatever slots say.

use std::collections::BTreeSet;

use super::{Garbled, form, header::u32_le};

/// How the file begins.
pub const MAGIC: &[u8] = b"RpmP";
const PAGE_BYTES: usize = 4096;
const BLOCK_BYTES: usize = 16;
const SLOT: &[u8] = b"Slot";
const HEAD: &[u8] = b"BlbS";
const TAIL: &[u8] = b"BlbE";

/// The blobs of all packages, or why one cannot be read.
///
/// # Errors
/// The file's own header cannot be read: then there are no packages at all.
pub fn blobs(bytes: &[u8]) -> Result<Vec<Result<&[u8], Garbled>>, Garbled> {
    let cut = || form("its pages of slots are cut off");
    if u32_le(bytes, 4) != Some(0) {
        return Err(form("its version of the format is not read"));
    }
    let pages = u32_le(bytes, 12).filter(|pages| *pages > 0).ok_or_else(cut)?;
    let end = pages.checked_mul(PAGE_BYTES).ok_or_else(cut)?;
    // The file's header takes the first two slots.
    let slots = bytes.get(2 * BLOCK_BYTES..end).ok_or_else(cut)?;
    let mut seen = BTreeSet::new();
    let mut blobs = Vec::new();
    for slot in slots.chunks_exact(BLOCK_BYTES) {
        if !slot.starts_with(SLOT) {
            blobs.push(Err(form("a slot for a package is damaged")));
            continue;
        }
        let number = |at| u32_le(slot, at).unwrap_or_default();
        let (package, block) = (number(4), number(8));
        // A free slot.
        if package == 0 {
            continue;
        }
        if !seen.insert(block) {
            blobs.push(Err(form(format!("package {package} has the place of another one"))));
            continue;
        }
        let blob = blob(bytes, package, block);
        blobs.push(blob.ok_or_else(|| form(format!("the entry of package {package} is damaged"))));
    }
    Ok(blobs)
}

fn blob(bytes: &[u8], package: usize, block: usize) -> Option<&[u8]> {
    let start = block.checked_mul(BLOCK_BYTES)?;
    let rest = bytes.get(start..)?;
    let length = u32_le(rest, 12)?;
    let right = rest.starts_with(HEAD) && u32_le(rest, 4)? == package;
    let blob = rest.get(BLOCK_BYTES..BLOCK_BYTES.checked_add(length)?)?;
    // The tail ends at the end of a block: checksum, length, magic.
    let used =
        BLOCK_BYTES.checked_add(length)?.checked_add(12)?.checked_next_multiple_of(BLOCK_BYTES)?;
    let tail = rest.get(used - 12..used)?;
    (right && u32_le(tail, 4)? == length && tail.ends_with(TAIL)).then_some(blob)
}
