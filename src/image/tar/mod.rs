//! The entries of a layer, read so that there is only one way to read them.
//!
//! Turns an uncompressed tar stream into [`Entry`]s in stream order (image-spec v1.1, layer.md; POSIX.1-2017, pax; GNU
//! long names). Runtimes, scanners and rebuild tools use different tar readers; where these would see different trees,
//! the layer is refused: sizes that disagree, `..` in paths, headers of unknown form, bytes after the end (attacks D5 to
//! D7). Sparse files are refused too: no builder writes them, and few readers agree on them. The library finds the headers
//! and decodes their fields; what it is lenient about is refused here. Memory is constant but for one entry's names.

mod entry;
mod header;
mod pax;
mod stream;

use std::{
    collections::BTreeMap,
    io::{self, Read},
};

use entry::build;
pub use entry::{Entry, EntryKind, Whiteout};
use header::{BLOCK_BYTES, Form, Header};
use pax::Pax;
use stream::Stream;

use crate::limits::Limits;

/// Where a header names its format.
const MAGIC_AT: usize = 257;

/// What is wrong with a header, wherever it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The checksum is not the header's.
    #[error("a header's checksum is wrong")]
    Checksum,
    /// It breaks the format.
    #[error("{0}")]
    Malformed(&'static str),
    /// Programs read it differently.
    #[error("{0}: programs read this differently")]
    Ambiguous(&'static str),
    /// A sparse file.
    #[error("a sparse file, which hallmark does not read; build the layer without sparse files")]
    Sparse,
    /// A type flag that runtimes do not unpack.
    #[error("an entry of type {:?}, which runtimes do not unpack", char::from(*.0))]
    Kind(u8),
    /// The stream ends inside it.
    #[error("the archive ends in the middle")]
    Truncated,
    /// Bytes that are not zero after the end of the archive.
    #[error("bytes after the end of the archive: programs differ in whether they read them")]
    Trailing,
}

/// Why a layer's tar cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TarError {
    /// The stream under the tar failed.
    #[error("the layer could not be read: {0}")]
    Read(#[from] io::Error),
    /// Something in the tar is wrong.
    #[error("tar at byte {offset}, after {after:?}: {fault}")]
    Fault {
        /// Where the header starts, in bytes.
        offset: u64,
        /// Path of the entry before.
        after: String,
        /// What is wrong.
        fault: Fault,
    },
    /// Larger or more numerous than hallmark reads.
    #[error(
        "tar at byte {offset}, after {after:?}: more than {limit} {unit}; the limit is {}",
        crate::limits::key(.limit_name)
    )]
    Limit {
        /// Where the header starts, in bytes.
        offset: u64,
        /// Path of the entry before.
        after: String,
        /// How much is read.
        limit: u64,
        /// Of what.
        unit: &'static str,
        /// The name of the limit in `hallmark.yaml`.
        limit_name: &'static str,
    },
}

impl TarError {
    /// Whether the tar can be read in more than one way, as against not at all.
    pub fn is_ambiguous(&self) -> bool {
        matches!(self, Self::Fault { fault: Fault::Ambiguous(_) | Fault::Trailing, .. })
    }
}

/// The PAX records of a header's data, in order; what follows one of the wrong length or form is not read.
pub(crate) fn records(data: &[u8]) -> impl Iterator<Item = Result<(&[u8], &[u8]), Fault>> {
    pax::Records(data)
}

/// Whether a file that begins so is meant to be a tar, be it damaged: its first header says so, or has a checksum that is right, or the
/// mark of the end stands in its place.
pub fn begins(start: &[u8]) -> bool {
    if start.get(MAGIC_AT..).is_some_and(|rest| rest.starts_with(b"ustar")) {
        return true;
    }
    let Ok(block) = <&[u8; 512]>::try_from(start) else { return false };
    let header = ::tar::Header::from_byte_slice(block);
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    let field: u32 = header.as_old().cksum.iter().map(|byte| u32::from(*byte)).sum();
    // The field counts as blanks (POSIX.1-2024, pax, "ustar Interchange Format").
    let blanks = 8 * u32::from(b' ');
    sum == 0 || header.cksum().is_ok_and(|told| told == sum - field + blanks)
}

/// Calls `visit` for every entry of an uncompressed layer, in stream order, with a reader over its content.
///
/// The stream is read to its end; what was seen may be believed only once the layer's digest has been checked
/// ([`super::layer::LayerReader::finish`]).
///
/// # Errors
/// [`TarError`]: the first thing that is wrong, or what `visit` returned.
pub fn walk<R: Read>(
    layer: R,
    limits: &Limits,
    mut visit: impl FnMut(&Entry, &mut dyn Read) -> Result<(), TarError>,
) -> Result<(), TarError> {
    let stream = Stream::new(layer);
    let mut walker =
        Walker { stream: &stream, limits, offset: 0, headers: 0, after: String::new() };
    let mut extensions = Extensions::default();
    let mut archive = ::tar::Archive::new(&stream);
    // Raw: the library would put extensions and entries together as one reader among many does.
    for found in archive.entries()?.raw(true) {
        let mut raw = found.map_err(|error| walker.broken(error))?;
        walker.start()?;
        let header = Header::parse(raw.header()).map_err(|fault| walker.fault(fault))?;
        if header.is_extension() {
            walker.extension(&mut raw, &mut extensions)?;
            continue;
        }
        let entry = walker.entry(&header, std::mem::take(&mut extensions))?;
        walker.content(&entry, &mut raw, &mut visit)?;
        walker.after = entry.path;
    }
    walker.end(&extensions)
}

/// What stands before an entry and speaks about it.
#[derive(Default)]
struct Extensions {
    pax: Option<Pax>,
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    /// Records of global PAX headers, none of which changes an entry.
    global: BTreeMap<String, Vec<u8>>,
}

impl Extensions {
    fn is_empty(&self) -> bool {
        self.pax.is_none() && self.name.is_none() && self.link.is_none()
    }
}

/// An entry as the library cuts it out.
type Raw<'a, 's, R> = ::tar::Entry<'a, &'s Stream<R>>;

struct Walker<'s, R> {
    stream: &'s Stream<R>,
    limits: &'s Limits,
    /// Where the current header starts.
    offset: u64,
    headers: usize,
    after: String,
}

impl<R: Read> Walker<'_, R> {
    fn fault(&self, fault: Fault) -> TarError {
        TarError::Fault { offset: self.offset, after: self.after.clone(), fault }
    }

    fn limit(&self, limit: usize, unit: &'static str, limit_name: &'static str) -> TarError {
        let (offset, after, limit) = (self.offset, self.after.clone(), limit as u64);
        TarError::Limit { offset, after, limit, unit, limit_name }
    }

    /// What an error of the library means: it gives all of them the same kind.
    fn broken(&mut self, error: io::Error) -> TarError {
        let position = self.stream.position();
        if self.stream.failed() {
            return error.into();
        }
        if self.stream.ended() {
            self.offset = position;
            return self.fault(Fault::Truncated);
        }
        self.offset = position.saturating_sub(BLOCK_BYTES);
        // The checksum is looked at before any other field, and the size is the only other.
        self.fault(if error.to_string().contains("size") {
            Fault::Malformed("the size is no number")
        } else {
            Fault::Checksum
        })
    }

    /// Counts a header, which has just been read.
    fn start(&mut self) -> Result<(), TarError> {
        self.offset = self.stream.position().saturating_sub(BLOCK_BYTES);
        self.headers += 1;
        if self.headers > self.limits.tar_entries {
            return Err(self.limit(self.limits.tar_entries, "headers", "tar_entries"));
        }
        Ok(())
    }

    /// Checks what comes after the last entry: an end mark, then only zeros; or nothing, as some writers leave it and all
    /// runtimes take it (an end inside an entry is seen where the entry is read).
    fn end(mut self, extensions: &Extensions) -> Result<(), TarError> {
        self.offset = self.stream.position();
        if self.stream.ended() {
            let whole = self.offset.is_multiple_of(BLOCK_BYTES) && extensions.is_empty();
            return if whole {
                self.no_global(extensions)
            } else {
                Err(self.fault(Fault::Truncated))
            };
        }
        self.offset = self.offset.saturating_sub(BLOCK_BYTES);
        if !self.stream.only_zeros_are_left()? {
            return Err(self.fault(Fault::Trailing));
        }
        if !extensions.is_empty() {
            return Err(self.fault(Fault::Truncated));
        }
        self.no_global(extensions)
    }

    /// That no global header is left which no entry repeats: nobody would see what it says.
    fn no_global(&self, extensions: &Extensions) -> Result<(), TarError> {
        if extensions.global.is_empty() {
            return Ok(());
        }
        Err(self.fault(Fault::Malformed("a global PAX header that no entry follows")))
    }

    /// Takes up a header that speaks about a later one.
    fn extension(
        &mut self,
        raw: &mut Raw<'_, '_, R>,
        extensions: &mut Extensions,
    ) -> Result<(), TarError> {
        let header = Header::parse(raw.header()).map_err(|fault| self.fault(fault))?;
        let (flag, form) = (header.flag, header.form);
        if form == Form::V7 {
            return Err(self.fault(Fault::Ambiguous("an extension without a magic number")));
        }
        if flag == b'g' && !is_global_name(&header.path()) {
            let why = "a global PAX header with a name, which runtimes take for a file's";
            return Err(self.fault(Fault::Ambiguous(why)));
        }
        let data = self.extension_data(raw, matches!(flag, b'x' | b'g'))?;
        take(extensions, flag, &data).map_err(|fault| self.fault(fault))?;
        let global = extensions.global.iter().map(|(key, value)| key.len() + value.len());
        if global.sum::<usize>() > self.limits.tar_pax_bytes {
            return Err(self.limit(
                self.limits.tar_pax_bytes,
                "bytes of PAX records",
                "tar_pax_bytes",
            ));
        }
        Ok(())
    }

    fn extension_data(
        &mut self,
        raw: &mut Raw<'_, '_, R>,
        is_pax: bool,
    ) -> Result<Vec<u8>, TarError> {
        let (limit, unit, limit_name) = if is_pax {
            (self.limits.tar_pax_bytes, "bytes of PAX records", "tar_pax_bytes")
        } else {
            // The name's NUL is counted.
            (self.limits.tar_path_bytes.saturating_add(1), "bytes of a path", "tar_path_bytes")
        };
        let length = usize::try_from(raw.size()).unwrap_or(usize::MAX);
        if length > limit {
            return Err(self.limit(limit, unit, limit_name));
        }
        let mut data = vec![0; length];
        raw.read_exact(&mut data).map_err(|error| self.broken(error))?;
        Ok(data)
    }

    /// The entry of a header and of what stood before it.
    fn entry(&self, header: &Header<'_>, extensions: Extensions) -> Result<Entry, TarError> {
        let entry = build(header, extensions, self.offset).map_err(|fault| self.fault(fault))?;
        let longest = entry.path.len().max(entry.link.as_ref().map_or(0, String::len));
        if longest > self.limits.tar_path_bytes {
            return Err(self.limit(
                self.limits.tar_path_bytes,
                "bytes of a path",
                "tar_path_bytes",
            ));
        }
        Ok(entry)
    }

    /// Shows the entry; the library steps over what the visitor leaves of its content.
    fn content(
        &mut self,
        entry: &Entry,
        raw: &mut Raw<'_, '_, R>,
        visit: &mut impl FnMut(&Entry, &mut dyn Read) -> Result<(), TarError>,
    ) -> Result<(), TarError> {
        if entry.size == raw.size() {
            return visit(entry, &mut Content { reader: raw, left: entry.size });
        }
        // A size that only PAX records can hold, beside a 0 in the header: the library takes the header's, so that the
        // content is read past it.
        let mut stream = self.stream;
        let mut content = Content { reader: &mut stream, left: entry.size };
        visit(entry, &mut content)?;
        let left = content.left;
        let rest = left.saturating_add(padding_of(entry.size));
        let skipped = io::copy(&mut stream.take(rest), &mut io::sink())?;
        if skipped < rest { Err(self.fault(Fault::Truncated)) } else { Ok(()) }
    }
}

/// Whether a global header is named as tools name it (git archive, POSIX pax), outside of any folder. containerd and Docker
/// handle it as an entry: they make its folders and remove what has its name.
fn is_global_name(name: &[u8]) -> bool {
    name == b"pax_global_header" || name.starts_with(b"GlobalHead.") && !name.contains(&b'/')
}

/// Takes up the data of an extension.
fn take(extensions: &mut Extensions, flag: u8, data: &[u8]) -> Result<(), Fault> {
    match flag {
        b'g' => Pax::check_global(data, &mut extensions.global),
        b'x' if extensions.pax.is_some() => Err(Fault::Ambiguous("two PAX headers in a row")),
        b'x' => {
            extensions.pax = Some(Pax::local(data)?);
            Ok(())
        }
        _ if extensions.pax.as_ref().is_some_and(|pax| pax.size.is_some()) => {
            Err(Fault::Ambiguous("a PAX size before a GNU long name"))
        }
        flag => {
            let place = if flag == b'L' { &mut extensions.name } else { &mut extensions.link };
            match place.replace(long_name(data)?) {
                Some(_) => Err(Fault::Ambiguous("two GNU long names in a row")),
                None => Ok(()),
            }
        }
    }
}

/// A GNU long name: everything before its NUL. The library takes what follows a NUL for a part of the name.
fn long_name(data: &[u8]) -> Result<Vec<u8>, Fault> {
    let mut parts = data.splitn(2, |byte| *byte == 0);
    let name = parts.next().unwrap_or_default();
    if parts.next().is_some_and(|rest| rest.iter().any(|byte| *byte != 0)) {
        return Err(Fault::Ambiguous("a GNU long name with a NUL byte inside"));
    }
    Ok(name.to_vec())
}

/// Bytes between the end of a content and the next block.
fn padding_of(size: u64) -> u64 {
    (BLOCK_BYTES - size % BLOCK_BYTES) % BLOCK_BYTES
}

/// The content of one entry. The library gives a short content where the archive ends in the middle.
struct Content<'r, R> {
    reader: &'r mut R,
    left: u64,
}

impl<R: Read> Read for Content<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let Some(part) = buffer.get_mut(..most).filter(|part| !part.is_empty()) else {
            return Ok(0);
        };
        let read = self.reader.read(part)?;
        if read == 0 {
            let why = "the archive ends in the middle of a file";
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, why));
        }
        self.left -= read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests;
