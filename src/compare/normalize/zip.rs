//! zip archives (APPNOTE 6.3; jar, war, wheel): times and order of entries, and the encoder's choices out, the rest in.
//!
//! Names, contents, methods, modes, comments and all extra fields but the times count, and whether a jar's manifest stands
//! where programs that read from front to back look for it. Programs find entries by the central directory or by the local
//! headers, so both must say the same, and every byte must belong to one of them: with a gap, an overlap, bytes behind the
//! end of a deflate stream, a second entry of one name, a rare method or anything encrypted there is no normal form.

use std::{
    collections::BTreeMap,
    io::{self, Cursor, Read},
};

use flate2::{CrcReader, Decompress, FlushDecompress, Status};
use jiff::{civil::DateTime, tz::TimeZone};
use sha2::{Digest as _, Sha256};
use zip::{CompressionMethod, ZipArchive, read::Config, read::ZipFile};

use super::{Source, Sources, Work, pyc, text, u16_at, u32_at};
use crate::image::rootfs::MODULE_HEAD_BYTES;

/// Most entries that are looked at.
const ENTRIES_MAX: usize = 100_000;
const LOCAL_BYTES: usize = 30;
const CENTRAL_BYTES: usize = 46;
const END_BYTES: usize = 22;
/// Extra fields that hold times: extended timestamp, NTFS, and Info-ZIP's first.
const EXTENDED: usize = 0x5455;
const NTFS: usize = 0x000a;
const INFO_ZIP: usize = 0x5855;
/// `JarInputStream` takes a manifest for one only as the first or second entry.
const MANIFEST: &[u8] = b"META-INF/MANIFEST.MF";

/// Where the bytes of an entry are.
struct Extent {
    local: usize,
    data: usize,
    data_bytes: usize,
    central: usize,
    central_bytes: usize,
    method: CompressionMethod,
    size: u64,
    crc: u32,
}

pub(super) fn normalize(
    work: &mut Work<'_>,
    _: &str,
    bytes: &[u8],
    hasher: &mut Sha256,
) -> Option<()> {
    let mut archive = open(bytes)?;
    let mut entries = Vec::with_capacity(archive.len());
    let mut extents = Vec::with_capacity(archive.len());
    let mut sources = BTreeMap::new();
    let mut dated = false;
    for index in 0..archive.len() {
        let mut file = archive.by_index(index).ok()?;
        let (name, extent) = (file.name_raw().to_vec(), extent(&file)?);
        let path = format!("/{}", String::from_utf8_lossy(&name));
        if path.ends_with(".py") {
            sources.insert(path.clone(), source(&file, bytes, &extent)?);
        }
        let mut head = Vec::new();
        (&mut file).take(MODULE_HEAD_BYTES).read_to_end(&mut head).ok()?;
        dated |= pyc::is_old(&head);
        drop(file);
        let mut entry = Sha256::new();
        headers(bytes, &extent, &mut entry)?;
        entries.push((name, path, entry));
        extents.push(extent);
    }
    // Beside an old module every time may decide what runs.
    for ((.., entry), extent) in entries.iter_mut().zip(&extents).filter(|_| dated) {
        times_as_they_are(bytes, extent, entry)?;
    }
    let mut entries = work.beside(Sources::Members(sources), |work| {
        let whole = entries.into_iter().zip(&extents).map(|((name, path, mut entry), extent)| {
            entry.update(content(work, &path, bytes, extent)?);
            Some((name, entry.finalize()))
        });
        whole.collect::<Option<Vec<_>>>()
    })?;
    let manifest = entries.iter().position(|(name, _)| name == MANIFEST);
    let manifest = manifest.and_then(|at| extents.get(at)).map(|manifest| manifest.local);
    let before = |at: usize| extents.iter().filter(|extent| extent.local < at).count();
    hasher.update([u8::from(manifest.is_some_and(|at| before(at) < 2))]);
    all_accounted_for(bytes, &mut extents)?;
    entries.sort_unstable();
    for (name, entry) in entries {
        text(hasher, &name);
        hasher.update(entry);
    }
    text(hasher, comment(bytes, &extents)?);
    Some(())
}

/// The comment behind the end record, which holds no second end record: programs look for one from the end of the file.
fn comment<'b>(bytes: &'b [u8], extents: &[Extent]) -> Option<&'b [u8]> {
    let last = extents.iter().max_by_key(|extent| extent.central)?;
    let end = last.central.checked_add(last.central_bytes)?;
    let comment = bytes.get(end.checked_add(END_BYTES)?..)?;
    let is_end = |at: &[u8]| at == b"PK\x05\x06";
    (!comment.windows(4).any(is_end)).then_some(comment)
}

/// Opens an archive that starts where the file does and whose names are all different.
pub(in crate::compare) fn open(bytes: &[u8]) -> Option<ZipArchive<Cursor<&[u8]>>> {
    let archive = ZipArchive::with_config(Config::default(), Cursor::new(bytes)).ok()?;
    let plain = archive.offset() == 0 && !archive.has_duplicate_names();
    (plain && archive.len() <= ENTRIES_MAX).then_some(archive)
}

fn extent<R: std::io::Read>(file: &ZipFile<'_, R>) -> Option<Extent> {
    if file.encrypted() {
        return None;
    }
    Some(Extent {
        local: usize::try_from(file.header_start()).ok()?,
        data: usize::try_from(file.data_start()?).ok()?,
        data_bytes: usize::try_from(file.compressed_size()).ok()?,
        central: usize::try_from(file.central_header_start()).ok()?,
        central_bytes: 0,
        method: file.compression(),
        size: file.size(),
        crc: file.crc32(),
    })
}

/// How old an entry is, to programs that go by the time every entry has, and to those that know the extended timestamp.
fn source<R: Read>(file: &ZipFile<'_, R>, bytes: &[u8], extent: &Extent) -> Option<Source> {
    let fields = |start: usize, name: usize, fixed: usize| {
        let header = bytes.get(start..)?;
        let from = fixed + u16_at(header, name)?;
        header.get(from..from + u16_at(header, name + 2)?)
    };
    let local = fields(extent.local, 26, LOCAL_BYTES)?;
    let central = fields(extent.central, 28, CENTRAL_BYTES)?;
    let (Some(utc), Some(same)) = (extended_time(local), extended_time(central)) else {
        return Some(Source::Unclear);
    };
    let local = file.last_modified().and_then(|time| {
        let year = i16::try_from(time.year()).ok()?;
        let parts = [time.month(), time.day(), time.hour(), time.minute(), time.second()];
        let [month, day, hour, minute, second] = parts.map(u8::cast_signed);
        let time = DateTime::new(year, month, day, hour, minute, second, 0).ok()?;
        Some(TimeZone::UTC.to_timestamp(time).ok()?.as_second())
    });
    Some(match local {
        Some(local) if utc == same => Source::Local(local, utc, extent.size),
        _ => Source::Unclear,
    })
}

/// The time that an extended timestamp has, where there is one; `None` where programs could see another.
fn extended_time(mut fields: &[u8]) -> Option<Option<i64>> {
    let mut found = None;
    while !fields.is_empty() {
        let (id, length) = (u16_at(fields, 0)?, u16_at(fields, 2)?);
        let (field, rest) = fields.split_at_checked(4 + length)?;
        match id {
            // Flag 1: the time of the last change, which comes first.
            EXTENDED if field.get(4)? & 1 != 0 && found.is_none() => {
                found = Some(i64::from(u32_at(field, 5)?.cast_signed()));
            }
            EXTENDED | NTFS | INFO_ZIP => return None,
            _ => {}
        }
        fields = rest;
    }
    Some(found)
}

/// The hash of an entry's content, which must be all that its bytes hold and what its headers say.
fn content(work: &mut Work<'_>, path: &str, bytes: &[u8], extent: &Extent) -> Option<super::Hash> {
    let end = extent.data.checked_add(extent.data_bytes)?;
    let data = bytes.get(extent.data..end)?;
    let mut inflate = Inflate { raw: Decompress::new(false), data, ended: false };
    let (hash, crc, size) = match extent.method {
        CompressionMethod::Stored => {
            let mut content = CrcReader::new(data);
            let hash = work.member(path, &mut content)?;
            (hash, content.crc().sum(), data.len() as u64)
        }
        CompressionMethod::Deflated => {
            let mut content = CrcReader::new(&mut inflate);
            let hash = work.member(path, &mut content)?;
            let crc = content.crc().sum();
            if !inflate.ended || !inflate.data.is_empty() {
                return None;
            }
            (hash, crc, inflate.raw.total_out())
        }
        _ => return None,
    };
    ((crc, size) == (extent.crc, extent.size)).then_some(hash)
}

/// A deflate stream that says whether it ended, and where.
struct Inflate<'d> {
    raw: Decompress,
    /// What is left behind what was read.
    data: &'d [u8],
    ended: bool,
}

impl Read for Inflate<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while !self.ended && !buffer.is_empty() {
            let (read, written) = (self.raw.total_in(), self.raw.total_out());
            let status = self.raw.decompress(self.data, buffer, FlushDecompress::None)?;
            let read = usize::try_from(self.raw.total_in() - read).unwrap_or(usize::MAX);
            let written = usize::try_from(self.raw.total_out() - written).unwrap_or(usize::MAX);
            self.data = self.data.get(read..).unwrap_or_default();
            self.ended = status == Status::StreamEnd;
            if written > 0 {
                return Ok(written);
            }
            if read == 0 && !self.ended {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(0)
    }
}

/// Adds what both headers of an entry say but its times, places and stored size, and requires that they agree.
fn headers(bytes: &[u8], extent: &Extent, entry: &mut Sha256) -> Option<()> {
    let (local, central) = (bytes.get(extent.local..)?, bytes.get(extent.central..)?);
    if local.get(..4)? != b"PK\x03\x04" || central.get(..4)? != b"PK\x01\x02" {
        return None;
    }
    // Version needed, flags and method, and the name's length, stand in both.
    let both = [(4..10, 6..12), (26..28, 28..30)];
    if both.into_iter().any(|(l, c)| local.get(l) != central.get(c)) {
        return None;
    }
    let name_bytes = u16_at(local, 26)?;
    let (local_extra, central_extra) = (u16_at(local, 28)?, u16_at(central, 30)?);
    let (local_name, central_name) = (LOCAL_BYTES + name_bytes, CENTRAL_BYTES + name_bytes);
    let comment = central_name + central_extra;
    if local.get(LOCAL_BYTES..local_name)? != central.get(CENTRAL_BYTES..central_name)?
        || extent.local + local_name + local_extra != extent.data
    {
        return None;
    }
    // Checksum and sizes of the local header must be those of the directory; before a data descriptor they may be 0.
    let described = u16_at(local, 6)? & 8 != 0;
    for (l, c) in [(14, 16), (18, 20), (22, 24)] {
        let (said, right) = (u32_at(local, l)?, u32_at(central, c)?);
        if said != right && !(described && said == 0) {
            return None;
        }
    }
    entry.update(central.get(4..12)?);
    let (stamp, same) = (local.get(10..14)?, local.get(10..14)? == central.get(12..16)?);
    let plain = same && is_stamp(stamp);
    entry.update([u8::from(plain)]);
    if !plain {
        text(entry, stamp);
        text(entry, central.get(12..16)?);
    }
    // Disk and attributes; checksum and sizes follow from content and encoding.
    entry.update(central.get(34..42)?);
    extra(local.get(local_name..local_name + local_extra)?, entry)?;
    extra(central.get(central_name..comment)?, entry)?;
    text(entry, central.get(comment..comment + u16_at(central, 32)?)?);
    Some(())
}

/// Adds the times of an entry, and all else that its extra fields say.
fn times_as_they_are(bytes: &[u8], extent: &Extent, entry: &mut Sha256) -> Option<()> {
    let (local, central) = (bytes.get(extent.local..)?, bytes.get(extent.central..)?);
    text(entry, local.get(10..14)?);
    text(entry, central.get(12..16)?);
    for (header, fixed, name) in [(local, LOCAL_BYTES, 26), (central, CENTRAL_BYTES, 28)] {
        let from = fixed + u16_at(header, name)?;
        text(entry, header.get(from..from + u16_at(header, name + 2)?)?);
    }
    Some(())
}

/// Whether four bytes are a time and a date as MS-DOS counts them; tools write 0 for none.
fn is_stamp(stamp: &[u8]) -> bool {
    let Some((time, date)) = u16_at(stamp, 0).zip(u16_at(stamp, 2)) else { return false };
    let (hour, minute, pair_of_seconds) = (time >> 11, time >> 5 & 63, time & 31);
    let (month, day) = (date >> 5 & 15, date & 31);
    hour < 24 && minute < 60 && pair_of_seconds < 30 && month <= 12 && day <= 31
}

/// Adds extra fields but for times.
fn extra(mut fields: &[u8], entry: &mut Sha256) -> Option<()> {
    while !fields.is_empty() {
        let (id, length) = (u16_at(fields, 0)?, u16_at(fields, 2)?);
        let (field, rest) = fields.split_at_checked(4 + length)?;
        let (from, to) = times(id, field);
        text(entry, field.get(..from)?);
        text(entry, field.get(to..)?);
        fields = rest;
    }
    entry.update(b"end of extra");
    Some(())
}

/// Where the times of an extra field stand, its head of four bytes included; nowhere in a field of another form.
fn times(id: usize, field: &[u8]) -> (usize, usize) {
    let nowhere = (field.len(), field.len());
    match id {
        // Flags, then as many times as fit; the directory has one at most.
        EXTENDED => match (field.get(4), field.len()) {
            (Some(flags), 9 | 13 | 17) if flags & 0xf8 == 0 => (5, field.len()),
            _ => nowhere,
        },
        // Four reserved bytes, then attribute 1 with three times, in 100 ns since 1601: the first byte is 2 until 2058.
        NTFS if field.get(4..12) == Some(&[0, 0, 0, 0, 1, 0, 24, 0])
            && field.len() == 36
            && [19, 27, 35].iter().all(|at| field.get(*at).is_some_and(|byte| *byte <= 2)) =>
        {
            (12, 36)
        }
        // Two times, then owner and group in some places.
        INFO_ZIP if matches!(field.len(), 12 | 16) => (4, 12),
        _ => nowhere,
    }
}

/// Whether entries, directory and end record cover all bytes, without gap or overlap.
fn all_accounted_for(bytes: &[u8], extents: &mut [Extent]) -> Option<()> {
    let mut at = 0;
    extents.sort_unstable_by_key(|extent| extent.local);
    for extent in extents.iter_mut() {
        if extent.local != at {
            return None;
        }
        at = extent.data.checked_add(extent.data_bytes)?;
        at += descriptor_bytes(bytes, extent, at)?;
        let central = bytes.get(extent.central..)?;
        extent.central_bytes =
            CENTRAL_BYTES + u16_at(central, 28)? + u16_at(central, 30)? + u16_at(central, 32)?;
    }
    let directory = at;
    extents.sort_unstable_by_key(|extent| extent.central);
    for extent in extents.iter() {
        if extent.central != at {
            return None;
        }
        at += extent.central_bytes;
    }
    // The end record, without a ZIP64 one before it, and its comment to the end of the file.
    let end = bytes.get(at..)?;
    let whole = end.get(..8)? == b"PK\x05\x06\0\0\0\0" && end.len() == END_BYTES + u16_at(end, 20)?;
    let counted = u16_at(end, 8)? == extents.len() && u16_at(end, 10)? == extents.len();
    let place = [u32_at(end, 12)?, u32_at(end, 16)?].map(|n| usize::try_from(n).ok());
    (whole && counted && place == [Some(at - directory), Some(directory)]).then_some(())
}

/// The length of the descriptor after an entry's data, where its flags announce one; it must say what the directory says.
fn descriptor_bytes(bytes: &[u8], extent: &Extent, at: usize) -> Option<usize> {
    let central = bytes.get(extent.central..)?;
    if u16_at(central, 8)? & 8 == 0 {
        return Some(0);
    }
    let found = bytes.get(at..)?;
    let marked = found.get(..4)? == b"PK\x07\x08";
    let start = if marked { 4 } else { 0 };
    let said = found.get(start..start + 12)?;
    let agrees = u32_at(said, 0) == u32_at(central, 16) && said.get(4..)? == central.get(20..28)?;
    agrees.then_some(start + 12)
}
