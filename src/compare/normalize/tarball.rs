//! tar files inside an image, as apk's `scripts.tar`: times out, everything else in.
//!
//! Read as strictly as a layer: what programs read differently has no normal form. Unlike in a layer, programs see the file
//! itself: so every byte of its headers counts but times and the checksums over them.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry as Place},
    io::Read as _,
};

use sha2::{Digest as _, Sha256};

use super::{Source, Sources, Work, pyc, text};
use crate::{
    image::{
        rootfs::MODULE_HEAD_BYTES,
        tar::{self, Entry, EntryKind, TarError},
    },
    limits::Limits,
};

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
    let (sources, modules) = sources(bytes, limits)?;
    let walked = work.beside(sources, |work| {
        tar::walk(bytes, limits, |entry, content| {
            let unread = || TarError::Read(std::io::Error::other("more than is normalised"));
            let content = work.member(&entry.path, content).ok_or_else(unread)?;
            text(hasher, entry.path.as_bytes());
            hasher.update(content);
            if entry.kind == EntryKind::File {
                hasher.update([u8::from(modules.recorded.contains(&of(entry)))]);
            }
            if modules.dated {
                hasher.update(entry.mtime.to_le_bytes());
            }
            Ok(())
        })
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

/// What compiled modules among the members say of their sources, which may have any name, or be found through a link.
#[derive(Default)]
struct Modules {
    recorded: BTreeSet<pyc::CompiledFrom>,
    /// One has an old header: every time may decide what runs.
    dated: bool,
}

fn of(entry: &Entry) -> pyc::CompiledFrom {
    pyc::CompiledFrom::of(entry.mtime, entry.size)
}

/// The members that compiled modules may come from, and the modules.
fn sources(bytes: &[u8], limits: &Limits) -> Option<(Sources, Modules)> {
    let (mut sources, mut modules) = (BTreeMap::new(), Modules::default());
    let walked = tar::walk(bytes, limits, |entry, content| {
        let mut head = Vec::new();
        content.take(MODULE_HEAD_BYTES).read_to_end(&mut head).map_err(TarError::Read)?;
        modules.recorded.extend(pyc::compiled_from(&head));
        modules.dated |= pyc::is_old(&head);
        if entry.path.ends_with(".py") {
            let source = match entry.kind {
                EntryKind::File => Source::Dated(entry.mtime, entry.size),
                _ => Source::Unclear,
            };
            match sources.entry(entry.path.clone()) {
                Place::Vacant(place) => drop(place.insert(source)),
                Place::Occupied(mut twice) => drop(twice.insert(Source::Unclear)),
            }
        }
        Ok(())
    });
    walked.ok().map(|_| (Sources::Members(sources), modules))
}

/// Adds a header and what stands behind it but the content, which has been added; gives what comes next.
fn member<'b>(block: &[u8], after: &'b [u8], hasher: &mut Sha256) -> Option<&'b [u8]> {
    let size = usize::try_from(::tar::Header::from_byte_slice(block).entry_size().ok()?).ok()?;
    let (data, rest) = after.split_at_checked(size.checked_next_multiple_of(BLOCK_BYTES)?)?;
    let (data, padding) = data.split_at_checked(size)?;
    let flag = *block.get(156)?;
    let is_pax = matches!(flag, b'x' | b'g');
    hasher.update(block.get(..124)?);
    // The length of PAX records follows from them, the checksum from the header.
    for (field, follows) in [(124..136, is_pax), (136..148, true), (148..156, true)] {
        let field = block.get(field)?;
        text(hasher, if follows && is_octal(field) { &[] } else { field });
    }
    hasher.update(block.get(156..)?);
    // Its length follows from the records, whose times may be of any length.
    let is_plain = is_pax && padding.iter().all(|byte| *byte == 0);
    text(hasher, if is_plain { &[] } else { padding });
    if is_pax {
        records(data, hasher)?;
    } else if matches!(flag, b'L' | b'K') {
        text(hasher, data);
    }
    Some(rest)
}

/// Octal digits as tar writers write them, filled up with spaces or zeros before and ended by one blank or two.
fn is_octal(field: &[u8]) -> bool {
    let digits = field.trim_ascii_start();
    let (padding, count) = (
        field.len() - digits.len(),
        digits.iter().take_while(|b| (b'0'..=b'7').contains(b)).count(),
    );
    let (padding, end) = (field.get(..padding), digits.get(count..).unwrap_or_default());
    let spaces = padding.is_some_and(|padding| padding.iter().all(|byte| *byte == b' '));
    spaces && count > 0 && matches!(end, b"" | b"\0" | b" " | b" \0" | b"\0 ")
}

/// Seconds, with a fraction or not.
fn is_seconds(value: &[u8]) -> bool {
    let value = value.strip_prefix(b"-").unwrap_or(value);
    let mut parts = value.splitn(2, |byte| *byte == b'.');
    parts.all(|part| !part.is_empty() && part.iter().all(u8::is_ascii_digit))
}

/// Adds PAX records but the values of times.
fn records(data: &[u8], hasher: &mut Sha256) -> Option<()> {
    for record in tar::records(data) {
        let (key, value) = record.ok()?;
        let is_time = TIMES.contains(&key) && value.len() <= 32 && is_seconds(value);
        hasher.update([u8::from(is_time)]);
        text(hasher, key);
        text(hasher, if is_time { &[] } else { value });
    }
    hasher.update(b"end of records");
    Some(())
}
