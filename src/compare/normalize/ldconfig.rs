//! ldconfig's auxiliary cache (glibc, `elf/cache.c`): inode, device and time of each library out, the rest in.
//!
//! The file lists libraries by the place on the disk of the build host, in the order of a hash over it. Sizes, flags,
//! names and required versions stay, sorted. Nothing but the next run of ldconfig reads it. What is taken out must be in the
//! range of what it says, and all of it on a few devices.

use sha2::Sha256;

use super::{Work, text, u32_at};

/// Up to glibc 2.32, and since.
const MAGICS: [&[u8]; 2] = [b"glibc-ld.so.auxcache-1.0", b"glibc-ld.so.auxcache-2.0"];
const MAGIC_BYTES: usize = 24;
/// inode 8, ctime 8, size 8, device 8, flags 4, offset of the name 4, version or level 4, padding 4, which ldconfig leaves
/// as the memory was and never reads.
const ENTRY_BYTES: usize = 48;
/// Inodes and times of real disks have fewer bits than their fields.
const INODE_BITS: u32 = 48;
const TIME_BITS: u32 = 36;
/// Disks that libraries lie on.
const DEVICES_MAX: usize = 4;
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
    let (mut listed, mut devices) = (Vec::new(), std::collections::BTreeSet::new());
    let mut named = vec![false; strings.len()];
    for entry in entries.chunks_exact(ENTRY_BYTES) {
        if u64_at(entry, 0)? >> INODE_BITS != 0 || u64_at(entry, 8)? >> TIME_BITS != 0 {
            return None;
        }
        devices.insert(u64_at(entry, 24)?);
        let name = match usize::try_from(u32_at(entry, 36)?).ok()? {
            // Offset 0 stands for a library without a name of its own.
            0 => &[],
            at => name_at(strings, at, &mut named)?,
        };
        listed.push((entry.get(16..24)?, entry.get(32..36)?, entry.get(40..44)?, name));
    }
    if devices.len() > DEVICES_MAX {
        return None;
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

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    let bytes = bytes.get(at..at.checked_add(8)?)?;
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}

/// The string that starts at `at`, up to its NUL.
fn name_at<'s>(strings: &'s [u8], at: usize, named: &mut [bool]) -> Option<&'s [u8]> {
    let name = strings.get(at..)?.split(|byte| *byte == 0).next()?;
    named.get_mut(at..at.checked_add(name.len())?)?.fill(true);
    Some(name)
}
