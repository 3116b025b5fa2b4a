//! The entries of a layer, read so that there is only one way to read them.
//!
//! Turns an uncompressed tar stream into [`Entry`]s in stream order (image-spec v1.1, layer.md; POSIX.1-2017, pax; GNU
//! long names). Runtimes, scanners and rebuild tools use different tar readers; where these would see different trees,
//! the layer is refused: sizes that disagree, `..` in paths, headers of unknown form, bytes after the end (attacks D5 to
//! D7). Sparse files are refused too: no builder writes them, and few readers agree on them. Framing is done here and not
//! by a tar library because libraries are lenient by design; memory is constant but for one entry's names.

mod header;
mod pax;

use std::{
    collections::BTreeMap,
    io::{self, BufRead, BufReader, Read},
};

use header::{BLOCK_BYTES, Block, Form, Header};
use pax::Pax;

use crate::limits::Limits;

const BUFFER_BYTES: usize = 64 << 10;
const TYPE_BITS: u32 = 0o170_000;
const PERMISSION_BITS: u32 = 0o7777;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// Another name for a file of this layer or one below.
    HardLink,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
    /// A named pipe.
    Fifo,
}

impl EntryKind {
    /// The word in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Directory => "directory",
            Self::Symlink => "symlink",
            Self::HardLink => "hard link",
            Self::CharDevice => "character device",
            Self::BlockDevice => "block device",
            Self::Fifo => "named pipe",
        }
    }

    /// The type bits that go with it in a mode, as in `stat`.
    fn type_bits(self) -> u32 {
        match self {
            Self::File | Self::HardLink => 0o100_000,
            Self::Directory => 0o040_000,
            Self::Symlink => 0o120_000,
            Self::CharDevice => 0o020_000,
            Self::BlockDevice => 0o060_000,
            Self::Fifo => 0o010_000,
        }
    }
}

/// One entry of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Path from the root, with a leading slash, without `.` or doubled slashes. Bytes that are not UTF-8 are written
    /// as U+FFFD and two hex digits, and U+FFFD itself as U+FFFD and `FFFD`: different names stay different.
    pub path: String,
    /// What it is.
    pub kind: EntryKind,
    /// Permissions with setuid, setgid and sticky bit, at most `0o7777`.
    pub mode: u32,
    /// Type bits of the mode that contradict `kind`; 0 where there are none.
    pub odd_type_bits: u32,
    /// Number of the owner.
    pub uid: u64,
    /// Number of the group.
    pub gid: u64,
    /// Name of the owner; without effect.
    pub uname: String,
    /// Name of the group; without effect.
    pub gname: String,
    /// Bytes of content.
    pub size: u64,
    /// Time of the last change, in seconds since 1970.
    pub mtime: i64,
    /// Target: of a symlink as written, of a hard link as a path like `path`.
    pub link: Option<String>,
    /// Major and minor number of a device.
    pub device: Option<(u32, u32)>,
    /// Extended attributes (`SCHILY.xattr.*`) by name.
    pub xattrs: BTreeMap<String, Vec<u8>>,
    /// PAX records that no field above holds, by key.
    pub pax: BTreeMap<String, Vec<u8>>,
    /// Where its header starts in the stream, in bytes.
    pub offset: u64,
}

/// What a whiteout hides (image-spec v1.1, layer.md, "Whiteouts").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whiteout<'p> {
    /// Everything that lower layers have in its folder.
    Opaque {
        /// The folder.
        folder: &'p str,
    },
    /// One name in its folder.
    Name {
        /// The folder.
        folder: &'p str,
        /// The name.
        name: &'p str,
    },
    /// Bookkeeping of AUFS, `.wh..wh.plnk` and the like: hides nothing.
    Bookkeeping,
}

impl Entry {
    /// The whiteout that this entry is, if it is one.
    pub fn whiteout(&self) -> Option<Whiteout<'_>> {
        let (folder, base) = self.path.rsplit_once('/')?;
        let name = base.strip_prefix(".wh.")?;
        let folder = if folder.is_empty() { "/" } else { folder };
        Some(match name.strip_prefix(".wh.") {
            Some(".opq") => Whiteout::Opaque { folder },
            Some(_) => Whiteout::Bookkeeping,
            None => Whiteout::Name { folder, name },
        })
    }
}

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
        "tar at byte {offset}, after {after:?}: more than {limit} {unit}; the limit is {limit_name}"
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
    let reader = BufReader::with_capacity(BUFFER_BYTES, layer);
    let mut walker =
        Walker { reader, limits, position: 0, offset: 0, headers: 0, after: String::new() };
    let mut extensions = Extensions::default();
    while let Some(block) = walker.header()? {
        let header = Header::parse(&block).map_err(|fault| walker.fault(fault))?;
        if matches!(header.flag, b'L' | b'K' | b'x' | b'g') {
            walker.extension(&header, &mut extensions)?;
            continue;
        }
        let taken = std::mem::take(&mut extensions);
        let entry = walker.entry(&header, taken)?;
        walker.content(&entry, &mut visit)?;
        walker.after = entry.path;
    }
    if !extensions.is_empty() {
        return Err(walker.fault(Fault::Truncated));
    }
    Ok(())
}

/// What stands before an entry and speaks about it.
#[derive(Default)]
struct Extensions {
    pax: Option<Pax>,
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
}

impl Extensions {
    fn is_empty(&self) -> bool {
        self.pax.is_none() && self.name.is_none() && self.link.is_none()
    }
}

struct Walker<'l, R> {
    reader: BufReader<R>,
    limits: &'l Limits,
    /// Bytes read so far.
    position: u64,
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

    /// The next header, or `None` at the end of the archive, after which only zeros may follow.
    fn header(&mut self) -> Result<Option<Block>, TarError> {
        self.offset = self.position;
        let mut block = [0; BLOCK_BYTES];
        if self.available()?.is_empty() {
            // An empty stream has no entries; any other archive has an end mark.
            return if self.position == 0 { Ok(None) } else { Err(self.fault(Fault::Truncated)) };
        }
        self.exactly(&mut block)?;
        if block == [0; BLOCK_BYTES] {
            return self.padding().map(|()| None);
        }
        self.headers += 1;
        if self.headers > self.limits.tar_entries {
            return Err(self.limit(self.limits.tar_entries, "headers", "tar_entries"));
        }
        Ok(Some(block))
    }

    /// What can be read at once; empty at the end of the stream.
    fn available(&mut self) -> io::Result<&[u8]> {
        loop {
            match self.reader.fill_buf() {
                Ok(_) => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(self.reader.buffer())
    }

    fn exactly(&mut self, buffer: &mut [u8]) -> Result<(), TarError> {
        match self.reader.read_exact(buffer) {
            Ok(()) => {
                self.position = self.position.saturating_add(buffer.len() as u64);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(self.fault(Fault::Truncated))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Reads to the end of the stream and refuses what is not zero.
    fn padding(&mut self) -> Result<(), TarError> {
        loop {
            let buffer = self.available()?;
            if buffer.is_empty() {
                return Ok(());
            }
            if buffer.iter().any(|byte| *byte != 0) {
                return Err(self.fault(Fault::Trailing));
            }
            let length = buffer.len();
            self.reader.consume(length);
        }
    }

    /// Takes up a header that speaks about a later one.
    fn extension(
        &mut self,
        header: &Header<'_>,
        extensions: &mut Extensions,
    ) -> Result<(), TarError> {
        let is_pax = matches!(header.flag, b'x' | b'g');
        if header.form == Form::V7 {
            return Err(self.fault(Fault::Ambiguous("an extension without a magic number")));
        }
        let data = self.extension_data(header, is_pax)?;
        let fault = match header.flag {
            b'g' => Pax::check_global(&data).err(),
            b'x' if extensions.pax.is_some() => Some(Fault::Ambiguous("two PAX headers in a row")),
            b'x' => match Pax::local(&data) {
                Ok(pax) => {
                    extensions.pax = Some(pax);
                    None
                }
                Err(fault) => Some(fault),
            },
            _ if extensions.pax.as_ref().is_some_and(|pax| pax.size.is_some()) => {
                Some(Fault::Ambiguous("a PAX size before a GNU long name"))
            }
            flag => {
                let place = if flag == b'L' { &mut extensions.name } else { &mut extensions.link };
                let twice = place.replace(header::text(&data).to_vec()).is_some();
                twice.then_some(Fault::Ambiguous("two GNU long names in a row"))
            }
        };
        fault.map_or(Ok(()), |fault| Err(self.fault(fault)))
    }

    fn extension_data(&mut self, header: &Header<'_>, is_pax: bool) -> Result<Vec<u8>, TarError> {
        let (limit, unit, limit_name) = if is_pax {
            (self.limits.tar_pax_bytes, "bytes of PAX records", "tar_pax_bytes")
        } else {
            // The name's NUL is counted.
            (self.limits.tar_path_bytes.saturating_add(1), "bytes of a path", "tar_path_bytes")
        };
        let length = usize::try_from(header.size).unwrap_or(usize::MAX);
        if length > limit {
            return Err(self.limit(limit, unit, limit_name));
        }
        let mut data = vec![0; length];
        self.exactly(&mut data)?;
        self.skip(padding_of(header.size))?;
        Ok(data)
    }

    /// The entry of a header and of what stood before it.
    fn entry(&mut self, header: &Header<'_>, extensions: Extensions) -> Result<Entry, TarError> {
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

    /// Shows the entry and steps over what the visitor left of its content.
    fn content(
        &mut self,
        entry: &Entry,
        visit: &mut impl FnMut(&Entry, &mut dyn Read) -> Result<(), TarError>,
    ) -> Result<(), TarError> {
        let mut content = Content { reader: &mut self.reader, left: entry.size };
        visit(entry, &mut content)?;
        let left = content.left;
        self.position = self.position.saturating_add(entry.size - left);
        self.skip(left)?;
        self.skip(padding_of(entry.size))
    }

    fn skip(&mut self, mut bytes: u64) -> Result<(), TarError> {
        while bytes > 0 {
            let available = self.available()?.len();
            if available == 0 {
                return Err(self.fault(Fault::Truncated));
            }
            let step = usize::try_from(bytes).unwrap_or(usize::MAX).min(available);
            self.reader.consume(step);
            self.position = self.position.saturating_add(step as u64);
            bytes -= step as u64;
        }
        Ok(())
    }
}

/// Bytes between the end of a content and the next block.
fn padding_of(size: u64) -> u64 {
    let block = BLOCK_BYTES as u64;
    (block - size % block) % block
}

/// The content of one entry.
struct Content<'r, R> {
    reader: &'r mut BufReader<R>,
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

/// Puts header and extensions together.
fn build(header: &Header<'_>, extensions: Extensions, offset: u64) -> Result<Entry, Fault> {
    let Extensions { pax, name, link } = extensions;
    let pax = pax.unwrap_or_default();
    let path = one_of(pax.path, name)?.unwrap_or_else(|| header.path());
    let link = one_of(pax.link, link)?.unwrap_or_else(|| header.link().to_vec());
    let kind = kind(header.flag, &path)?;
    let size = header.size_with(pax.size)?;
    if kind != EntryKind::File && size != 0 {
        return Err(Fault::Ambiguous("an entry with content that is no file"));
    }
    let mode = header.mode()?;
    let odd = ![0, kind.type_bits()].contains(&(mode & TYPE_BITS)) && kind != EntryKind::HardLink;
    let is_device = matches!(kind, EntryKind::CharDevice | EntryKind::BlockDevice);
    let (uname, gname) = header.owner_names();
    Ok(Entry {
        path: checked_path(&path, kind)?,
        kind,
        mode: mode & PERMISSION_BITS,
        odd_type_bits: if odd { mode & TYPE_BITS } else { 0 },
        uid: pax.uid.map_or_else(|| header.uid(), Ok)?,
        gid: pax.gid.map_or_else(|| header.gid(), Ok)?,
        uname: readable(pax.uname.as_deref().unwrap_or(uname)),
        gname: readable(pax.gname.as_deref().unwrap_or(gname)),
        size,
        mtime: pax.mtime.map_or_else(|| header.mtime(), Ok)?,
        link: target(kind, &link)?,
        device: is_device.then(|| header.device()).transpose()?,
        xattrs: pax.xattrs,
        pax: pax.others,
        offset,
    })
}

/// A name that PAX and GNU extensions may both give, which readers prefer differently.
fn one_of(pax: Option<Vec<u8>>, gnu: Option<Vec<u8>>) -> Result<Option<Vec<u8>>, Fault> {
    match (pax, gnu) {
        (Some(_), Some(_)) => Err(Fault::Ambiguous("a name in PAX records and a GNU long name")),
        (pax, gnu) => Ok(pax.or(gnu)),
    }
}

fn kind(flag: u8, path: &[u8]) -> Result<EntryKind, Fault> {
    let slash = path.ends_with(b"/");
    match flag {
        b'0' if slash => Err(Fault::Ambiguous("a file whose name ends with a slash")),
        // Before ustar, a directory was a file whose name ends with a slash.
        0 if slash => Ok(EntryKind::Directory),
        b'0' | 0 => Ok(EntryKind::File),
        b'1' => Ok(EntryKind::HardLink),
        b'2' => Ok(EntryKind::Symlink),
        b'3' => Ok(EntryKind::CharDevice),
        b'4' => Ok(EntryKind::BlockDevice),
        b'5' => Ok(EntryKind::Directory),
        b'6' => Ok(EntryKind::Fifo),
        b'S' => Err(Fault::Sparse),
        other => Err(Fault::Kind(other)),
    }
}

fn checked_path(path: &[u8], kind: EntryKind) -> Result<String, Fault> {
    if path.is_empty() {
        return Err(Fault::Malformed("an entry without a name"));
    }
    let path = root_path(path)?;
    if path == "/" && kind != EntryKind::Directory {
        return Err(Fault::Ambiguous("an entry in the place of the root directory"));
    }
    let base = path.rsplit('/').next().unwrap_or_default();
    // Some runtimes take these for whiteouts of the folder itself, or of the folder above.
    if matches!(base, ".wh." | ".wh.." | ".wh...") {
        return Err(Fault::Ambiguous("a whiteout without a name"));
    }
    Ok(path)
}

fn target(kind: EntryKind, link: &[u8]) -> Result<Option<String>, Fault> {
    match kind {
        EntryKind::Symlink | EntryKind::HardLink if link.is_empty() => {
            Err(Fault::Malformed("a link without a target"))
        }
        EntryKind::Symlink => Ok(Some(readable(link))),
        EntryKind::HardLink => root_path(link).map(Some),
        _ => Ok(None),
    }
}

/// A path from the root. Leading slashes and `.` are dropped as all runtimes do; `..` is refused: containerd keeps it
/// inside the root, Docker fails, others climb out.
fn root_path(bytes: &[u8]) -> Result<String, Fault> {
    let mut path = String::with_capacity(bytes.len() + 1);
    for part in bytes.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => return Err(Fault::Ambiguous("a path with ..")),
            name => {
                path.push('/');
                push_readable(&mut path, name);
            }
        }
    }
    if path.is_empty() {
        path.push('/');
    }
    Ok(path)
}

/// Text of bytes, such that different bytes give different text; see [`Entry::path`].
fn readable(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    push_readable(&mut text, bytes);
    text
}

fn push_readable(text: &mut String, bytes: &[u8]) {
    for chunk in bytes.utf8_chunks() {
        if chunk.valid().contains('\u{fffd}') {
            text.push_str(&chunk.valid().replace('\u{fffd}', "\u{fffd}FFFD"));
        } else {
            text.push_str(chunk.valid());
        }
        for byte in chunk.invalid() {
            text.push('\u{fffd}');
            text.push_str(&hex::encode([*byte]));
        }
    }
}

#[cfg(test)]
mod tests;
