//! One side of a difference, as a value: hints go by it, reports by its text.

use std::fmt;

use super::content::Hash;
use crate::{
    contents::secrets::shown_path,
    digest::DiffId,
    image::{Compression, gzip::GzipHeader, tar::EntryKind},
};

/// Permission bits that lend rights: setuid and setgid.
pub(super) const LENDING_BITS: u32 = 0o6000;

/// What one side has at a place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum SideValue {
    /// How many there are, of layers or of entries with one path.
    Count(u64),
    /// Text of the image: a value of its manifest or configuration, a path.
    Text(String),
    /// How a layer is stored.
    Stored(StoredLayer),
    /// Whether a compressed stream holds something beside its content.
    Asides(bool),
    /// A diffID that is not the layer's.
    Lie {
        /// The diffID in the configuration.
        claimed: DiffId,
        /// The layer's.
        found: DiffId,
    },
    /// A whole entry, where the other side has none or one of another form.
    Entry(EntryValue),
    /// The bytes of a file or attribute.
    Content(ContentValue),
    /// The few bytes of an attribute.
    Bytes(Vec<u8>),
    /// The type of an entry.
    Type(EntryKind),
    /// Permissions.
    Mode(u32),
    /// Bits of the mode that tell the type once more.
    ModeTypeBits(u32),
    /// The number of an owner or group.
    Id(u64),
    /// Where a link leads, if the entry is one.
    Link(Option<String>),
    /// The numbers of a device, if the entry is one.
    Device(Option<(u32, u32)>),
    /// What Python runs where a module is compiled.
    PythonRuns(PythonRuns),
}

impl SideValue {
    /// Whether it says that a file lends the rights of its owner or group to whoever runs it.
    pub(super) fn lends_rights(&self) -> bool {
        let mode = match self {
            Self::Mode(mode) => *mode,
            Self::Entry(entry) => entry.mode,
            _ => 0,
        };
        mode & LENDING_BITS != 0
    }

    /// Whether it says that a file may be run.
    pub(super) fn can_be_run(&self) -> bool {
        match self {
            Self::Mode(mode) => mode & 0o111 != 0,
            Self::Entry(entry) => entry.kind == EntryKind::File && entry.mode & 0o111 != 0,
            _ => false,
        }
    }

    /// The device node that it is, as a whole.
    pub(super) fn device(&self) -> Option<DeviceNode> {
        match self {
            Self::Entry(EntryValue { kind, holds: Holds::Device(major, minor), .. }) => {
                Some(DeviceNode { kind: *kind, major: *major, minor: *minor })
            }
            _ => None,
        }
    }

    /// Whether it is an entry that is a directory.
    pub(super) fn is_directory(&self) -> bool {
        matches!(self, Self::Entry(entry) if entry.kind == EntryKind::Directory)
    }
}

impl fmt::Display for SideValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Text(text) | Self::Link(Some(text)) => f.write_str(text),
            Self::Stored(stored) => stored.fmt(f),
            Self::Asides(there) => f.write_str(if *there { "some" } else { "none" }),
            Self::Lie { claimed, found } => write!(f, "claimed {claimed}, is {found}"),
            Self::Entry(entry) => entry.fmt(f),
            Self::Content(content) => content.fmt(f),
            Self::Bytes(bytes) if bytes.is_empty() => f.write_str("empty"),
            Self::Bytes(bytes) => f.write_str(&hex::encode(bytes)),
            Self::Type(kind) => f.write_str(kind.name()),
            Self::Mode(mode) => write!(f, "{mode:04o}"),
            Self::ModeTypeBits(bits) => write!(f, "{bits:o}"),
            Self::Id(id) => write!(f, "{id}"),
            Self::Device(Some((major, minor))) => write!(f, "{major}:{minor}"),
            Self::Link(None) | Self::Device(None) => f.write_str("none"),
            Self::PythonRuns(runs) => f.write_str(runs.name()),
        }
    }
}

/// How a layer is stored.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoredLayer {
    /// By its bytes, whatever its media type says.
    pub compression: Compression,
    /// Stored bytes.
    pub size: u64,
    /// What the stream begins with, where it is gzip.
    pub header: Option<GzipHeader>,
}

impl fmt::Display for StoredLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {} bytes", self.compression.name(), self.size)?;
        self.header.map_or(Ok(()), |header| write!(f, ", {header}"))
    }
}

/// An entry in short.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct EntryValue {
    /// Its type.
    pub kind: EntryKind,
    /// Permissions.
    pub mode: u32,
    /// The owner's number.
    pub uid: u64,
    /// The group's number.
    pub gid: u64,
    /// What it holds.
    pub holds: Holds,
}

/// What an entry holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Holds {
    /// Nothing.
    Nothing,
    /// The bytes of a file.
    Content(ContentValue),
    /// Where a link leads.
    Link(String),
    /// Which device it is: its two numbers.
    Device(u32, u32),
}

/// A device node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeviceNode {
    /// Whether it is a character or a block device.
    pub kind: EntryKind,
    /// Which driver.
    pub major: u32,
    /// Which of its devices.
    pub minor: u32,
}

impl fmt::Display for DeviceNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}:{}", self.kind.name(), self.major, self.minor)
    }
}

impl fmt::Display for EntryValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, mode, uid, gid, holds } = self;
        write!(f, "{} {mode:04o} {uid}:{gid}", kind.name())?;
        match holds {
            Holds::Nothing => Ok(()),
            Holds::Content(content) => write!(f, " {content}"),
            Holds::Link(target) => f.write_str(format!(" -> {}", shown_path(target)).trim_end()),
            Holds::Device(major, minor) => write!(f, " device {major}:{minor}"),
        }
    }
}

/// Bytes by their digest and length.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ContentValue {
    pub(super) sha256: Hash,
    pub(super) size: u64,
}

impl fmt::Display for ContentValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{} ({} bytes)", hex::encode(self.sha256), self.size)
    }
}

/// What Python runs where a module is compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PythonRuns {
    /// The compiled module, which is as old as its source says.
    Module,
    /// The source: the module was compiled from another one.
    Source,
    /// No time decides it.
    Either,
}

impl PythonRuns {
    fn name(self) -> &'static str {
        match self {
            Self::Module => "the compiled module",
            Self::Source => "the source, which is not what the module was compiled from",
            Self::Either => "what there is",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: EntryKind, mode: u32, holds: Holds) -> SideValue {
        SideValue::Entry(EntryValue { kind, mode, uid: 0, gid: 7, holds })
    }

    #[test]
    fn values_have_the_texts_of_reports() {
        let content = || ContentValue { sha256: [0xab; 32], size: 3 };
        let digest = format!("sha256:{} (3 bytes)", "ab".repeat(32));
        let stored =
            |compression, header| SideValue::Stored(StoredLayer { compression, size: 9, header });
        let header = GzipHeader { extra_flags: 2, os: 255 };
        let link = |target: &str| Holds::Link(target.to_owned());
        let cases = [
            (SideValue::Count(3), "3"),
            (SideValue::Asides(true), "some"),
            (SideValue::Bytes(Vec::new()), "empty"),
            (SideValue::Bytes(vec![1, 0xf0]), "01f0"),
            (SideValue::Mode(0o644), "0644"),
            (SideValue::Mode(0o4755), "4755"),
            (SideValue::ModeTypeBits(0o100_000), "100000"),
            (SideValue::Link(None), "none"),
            (SideValue::Device(Some((1, 3))), "1:3"),
            (SideValue::Content(content()), &digest),
            (stored(Compression::None, None), "uncompressed, 9 bytes"),
            (
                stored(Compression::Gzip, Some(header)),
                "gzip, 9 bytes, header as Go writes it, level 9",
            ),
            (entry(EntryKind::Directory, 0o755, Holds::Nothing), "directory 0755 0:7"),
            (
                entry(EntryKind::CharDevice, 0o666, Holds::Device(1, 3)),
                "character device 0666 0:7 device 1:3",
            ),
            (entry(EntryKind::Symlink, 0o777, link("/x ")), "symlink 0777 0:7 -> /x"),
            (entry(EntryKind::HardLink, 0o644, link("")), "hard link 0644 0:7 ->"),
            (
                entry(EntryKind::File, 0o4755, Holds::Content(content())),
                &format!("file 4755 0:7 {digest}"),
            ),
        ];
        for (value, text) in cases {
            assert_eq!(value.to_string(), text);
        }
    }

    #[test]
    fn rights_are_lent_by_modes_alone() {
        let cases = [
            (SideValue::Mode(0o755), false),
            (SideValue::Mode(0o2755), true),
            (entry(EntryKind::File, 0o4755, Holds::Nothing), true),
            (entry(EntryKind::Symlink, 0o777, Holds::Link("4755".to_owned())), false),
            (SideValue::Text("4755".to_owned()), false),
            (SideValue::Id(4755), false),
        ];
        for (value, lends) in cases {
            assert_eq!(value.lends_rights(), lends, "{value}");
        }
    }
}
