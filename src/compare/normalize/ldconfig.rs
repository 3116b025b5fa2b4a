//! ldconfig's auxiliary cache (glibc, `elf/cache.c`): inode, device and time of each library out, the rest in.
//!
//! The file lists libraries by the place on the disk of the build host, in the order of a hash over it. Sizes, flags,
//! names and required versions stay, sorted. Nothing but the next run of ldconfig reads it.

use sha2::Sha256;

use super::{Work, text, u32_at};

/// Up to glibc 2.32, and since.
const MAGICS: [&[u8]; 2] = [b"glibc-ld.so.auxcache-1.0", b"glibc-ld.so.auxcache-2.0"];
const MAGIC_BYTES: usize = 24;
/// inode 8, ctime 8, size 8, device 8, flags 4, offset of the name 4, version or level 4, padding 4, which ldconfig leaves
/// as the memory was and never reads.
const ENTRY_BYTES: usize = 48;
/// What the magic, the number of entries and the length of the strings take.
const HEADER_BYTES: usize = 32;

pub(super) fn normalize(
    _: &mut Work<'_>,
    _: &str,
    bytes: &[u8],
    hasher: &mut Sha256,
) -> Option<()> {
    let magic = bytes.get(..MAGIC_BYTES).filter(|magic| MAGICS.contains(magic))?;
    text(hasher, magic);
    let count = usize::try_from(u32_at(bytes, MAGIC_BYTES)?).ok()?;
    let length = usize::try_from(u32_at(bytes, MAGIC_BYTES + 4)?).ok()?;
    let (entries, strings) =
        bytes.get(HEADER_BYTES..)?.split_at_checked(count.checked_mul(ENTRY_BYTES)?)?;
    if strings.len() != length {
        return None;
    }
    let mut listed = Vec::new();
    let mut named = vec![false; strings.len()];
    for entry in entries.chunks_exact(ENTRY_BYTES) {
        let name = match usize::try_from(u32_at(entry, 36)?).ok()? {
            // Offset 0 stands for a library without a name of its own.
            0 => &[],
            at => name_at(strings, at, &mut named)?,
        };
        listed.push((entry.get(16..24)?, entry.get(32..36)?, entry.get(40..44)?, name));
    }
    // Bytes that no entry names would be hidden from the hash.
    if strings.iter().zip(&named).any(|(byte, named)| *byte != 0 && !named) {
        return None;
    }
    listed.sort_unstable();
    for (size, flags, rest, name) in listed {
        for field in [size, flags, rest, name] {
            text(hasher, field);
        }
    }
    Some(())
}

/// The string that starts at `at`, up to its NUL.
fn name_at<'s>(strings: &'s [u8], at: usize, named: &mut [bool]) -> Option<&'s [u8]> {
    let name = strings.get(at..)?.split(|byte| *byte == 0).next()?;
    named.get_mut(at..at.checked_add(name.len())?)?.fill(true);
    Some(name)
}
