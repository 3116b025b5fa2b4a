//! One entry of a layer, from its header and from what stood before it.
//!
//! Turns header, PAX records and GNU long names into an [`Entry`], and refuses what programs put together differently: two
//! sources of one name, paths with `..`, content where no file is, types that runtimes do not unpack.

use std::collections::BTreeMap;

use super::{Extensions, Fault, header::Header};

const TYPE_BITS: u32 = 0o170_000;
const PERMISSION_BITS: u32 = 0o7777;
/// Largest number of an owner or group (`uid_t`); the next one means "leave as it is" (chown(2)).
const OWNER_MAX: u64 = 0xffff_fffe;
/// Largest major and minor number of a device that Linux has (`MAJOR`, `MINOR` in `linux/kdev_t.h`).
const DEVICE_MAX: (u32, u32) = (0xfff, 0xf_ffff);

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
    /// Records of global PAX headers before it, by key; without effect.
    pub global: BTreeMap<String, Vec<u8>>,
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

/// Puts header and extensions together.
pub(super) fn build(
    header: &Header<'_>,
    extensions: Extensions,
    offset: u64,
) -> Result<Entry, Fault> {
    let Extensions { pax, name, link, global } = extensions;
    let pax = pax.unwrap_or_default();
    let path = one_of(pax.path, name)?.unwrap_or_else(|| header.path());
    let link = one_of(pax.link, link)?.unwrap_or_else(|| header.link().to_vec());
    let kind = kind(header.flag, &path)?;
    let size = header.size_with(pax.size)?;
    if kind != EntryKind::File && size != 0 {
        return Err(Fault::Ambiguous("an entry with content that is no file"));
    }
    let base = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    if size != 0 && base.starts_with(b".wh.") {
        return Err(Fault::Malformed(
            "a whiteout with content, which no builder writes and no container sees",
        ));
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
        uid: owner(pax.uid.map_or_else(|| header.uid(), Ok)?)?,
        gid: owner(pax.gid.map_or_else(|| header.gid(), Ok)?)?,
        uname: readable(pax.uname.as_deref().unwrap_or(uname)),
        gname: readable(pax.gname.as_deref().unwrap_or(gname)),
        size,
        mtime: pax.mtime.map_or_else(|| header.mtime(), Ok)?,
        link: target(kind, &link)?,
        device: is_device.then(|| device(header)).transpose()?,
        xattrs: pax.xattrs,
        pax: pax.others,
        global,
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

/// A number that the kernel does not cut: 2^32 would be root.
fn owner(number: u64) -> Result<u64, Fault> {
    if number > OWNER_MAX {
        return Err(Fault::Ambiguous("an owner whose number has more than 32 bits"));
    }
    Ok(number)
}

/// Device numbers that the kernel does not cut: 4096:0 would be 0:0.
fn device(header: &Header<'_>) -> Result<(u32, u32), Fault> {
    let (major, minor) = header.device()?;
    if major > DEVICE_MAX.0 || minor > DEVICE_MAX.1 {
        return Err(Fault::Ambiguous("a device whose numbers are larger than Linux has"));
    }
    Ok((major, minor))
}

fn kind(flag: u8, path: &[u8]) -> Result<EntryKind, Fault> {
    let slash = path.ends_with(b"/");
    match flag {
        b'0'..=b'4' | b'6' if slash => {
            Err(Fault::Ambiguous("an entry that is no directory and whose name ends with a slash"))
        }
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
pub(super) fn readable(bytes: &[u8]) -> String {
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
