//! `ar` archives (static libraries): time, owner and permissions of members out, all other bytes in.
//!
//! Linkers look at none of the three. The order of members, the symbol table and the table of long names stay as they
//! are.

use sha2::{Digest as _, Sha256};

use super::Work;

const MAGIC: &[u8] = b"!<arch>\n";
const HEADER_BYTES: usize = 60;

pub(super) fn normalize(
    _: &mut Work<'_>,
    _: &str,
    bytes: &[u8],
    hasher: &mut Sha256,
) -> Option<()> {
    let mut rest = bytes.strip_prefix(MAGIC)?;
    while !rest.is_empty() {
        let (header, after) = rest.split_at_checked(HEADER_BYTES)?;
        // ar(5): name 16, time 12, owner 6, group 6, mode 8, size 10, and a mark of 2 bytes.
        let (name, size) = (header.get(..16)?, header.get(48..58)?);
        if header.get(58..)? != b"`\n" {
            return None;
        }
        let (numbers, mode) = (header.get(16..40)?, header.get(40..48)?);
        let fields = [numbers.get(..12)?, numbers.get(12..18)?, numbers.get(18..)?, mode];
        if !fields.into_iter().all(is_number) {
            return None;
        }
        hasher.update(name);
        // Bits above the permissions lend rights or say a type.
        let mode = u32::from_str_radix(std::str::from_utf8(mode).ok()?.trim_end(), 8);
        hasher.update((mode.unwrap_or_default() & 0o7000).to_le_bytes());
        hasher.update(size);
        let size: usize = std::str::from_utf8(size).ok()?.trim_end().parse().ok()?;
        // Members start at even places; the last may lack its padding.
        let padded = size.checked_add(size % 2)?;
        let content = after.get(..padded).or_else(|| after.get(..size))?;
        hasher.update(content);
        rest = after.get(content.len()..)?;
    }
    Some(())
}

/// Digits, then spaces; the table of long names has spaces alone.
fn is_number(field: &[u8]) -> bool {
    let digits = field.iter().take_while(|byte| byte.is_ascii_digit()).count();
    field.iter().skip(digits).all(|byte| *byte == b' ')
}
