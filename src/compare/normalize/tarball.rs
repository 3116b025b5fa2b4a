//! tar files inside an image, as apk's `scripts.tar`: times out, everything else in.
//!
//! Read as strictly as a layer: what programs read differently has no normal form. Unlike in a layer, programs see the file
//! itself: so every byte of its headers counts but times and the checksums over them.

use sha2::{Digest as _, Sha256};

use super::{Work, text};
use crate::image::tar::{self, TarError};

const BLOCK_BYTES: usize = 512;
/// PAX records that are times.
const TIMES: [&[u8]; 4] = [b"mtime", b"atime", b"ctime", b"LIBARCHIVE.creationtime"];

pub(super) fn normalize(
    work: &mut Work<'_>,
    _: &str,
    bytes: &[u8],
    hasher: &mut Sha256,
) -> Option<()> {
    let limits = work.limits;
    let walked = tar::walk(bytes, limits, |entry, content| {
        let unread = || TarError::Read(std::io::Error::other("more than is normalised"));
        let content = work.member(&entry.path, content).ok_or_else(unread)?;
        text(hasher, entry.path.as_bytes());
        hasher.update(content);
        Ok(())
    });
    walked.ok()?;
    let mut rest = bytes;
    while let Some((block, after)) = rest.split_at_checked(BLOCK_BYTES) {
        if block.iter().all(|byte| *byte == 0) {
            break;
        }
        rest = member(block, after, hasher)?;
    }
    text(hasher, rest);
    Some(())
}

/// Adds a header and what stands behind it but the content, which has been added; gives what comes next.
fn member<'b>(block: &[u8], after: &'b [u8], hasher: &mut Sha256) -> Option<&'b [u8]> {
    let size = usize::try_from(::tar::Header::from_byte_slice(block).entry_size().ok()?).ok()?;
    let (data, rest) = after.split_at_checked(size.checked_next_multiple_of(BLOCK_BYTES)?)?;
    let (data, padding) = data.split_at_checked(size)?;
    let (flag, time) = (*block.get(156)?, block.get(136..148)?);
    let is_pax = matches!(flag, b'x' | b'g');
    let is_octal = time.iter().all(|byte| matches!(byte, b'0'..=b'7' | b' ' | 0));
    hasher.update(block.get(..124)?);
    // The length of PAX records follows from them.
    hasher.update(if is_pax { &[] } else { block.get(124..136)? });
    hasher.update(if is_octal { &[] } else { time });
    hasher.update(block.get(156..)?);
    text(hasher, padding);
    if is_pax {
        records(data, hasher)?;
    } else if matches!(flag, b'L' | b'K') {
        text(hasher, data);
    }
    Some(rest)
}

/// Adds PAX records but the values of times.
fn records(data: &[u8], hasher: &mut Sha256) -> Option<()> {
    for record in tar::records(data) {
        let (key, value) = record.ok()?;
        let part = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'-');
        let is_time = TIMES.contains(&key) && value.len() <= 32 && value.iter().all(part);
        hasher.update([u8::from(is_time)]);
        text(hasher, key);
        text(hasher, if is_time { &[] } else { value });
    }
    hasher.update(b"end of records");
    Some(())
}
