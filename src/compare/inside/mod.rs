//! What differs inside a file, for a person to read.
//!
//! Turns the two contents of a file into lines of text, members of an archive or sections of a program: the first that
//! differ, the rest counted. All of it explains and none of it judges: whatever cannot be read so is simply not
//! explained. Work is bounded in depth, bytes and lines; no clock is needed to end it.

mod archive;
mod elf;
mod text;

use std::fmt;

use super::{ContentValue, content::Hash};
use crate::{image::tar::EntryKind, limits::Limits};

/// Archives inside archives that are opened.
const DEPTH: usize = 3;
/// Parts that are kept of one file; the rest is counted.
const PARTS_MAX: usize = 12;
/// Bytes of one member of an archive that is looked into.
const MEMBER_BYTES: u64 = 2 << 20;
/// Bytes of all members of one archive that are read.
const MEMBERS_BYTES: u64 = 256 << 20;

/// What differs inside a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Inside {
    /// A text: lines that begin with `-`, `+` or a space, hunks apart by lines that begin with `@`.
    Lines {
        /// The lines.
        lines: Vec<String>,
        /// Whether there are more.
        more: bool,
        /// Whether both are equal but for what looks like a time.
        only_times: bool,
    },
    /// Members of an archive or sections of a program.
    Parts {
        /// Which kind of file.
        of: Container,
        /// Those that differ, by name.
        parts: Vec<Part>,
        /// How many more there are.
        omitted: u64,
    },
}

/// A kind of file with parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Container {
    /// A zip archive; jar and wheel are such.
    Zip,
    /// A tar archive.
    Tar,
    /// An `ar` archive.
    Ar,
    /// A gzip stream.
    Gzip,
    /// An ELF program or library.
    Elf,
}

impl Container {
    /// The word in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Zip => "zip",
            Self::Tar => "tar",
            Self::Ar => "ar",
            Self::Gzip => "gzip",
            Self::Elf => "elf",
        }
    }
}

/// A member or section that differs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Part {
    /// What it is called.
    pub name: PartName,
    /// The left (published) side; `None` where it is only on the right.
    pub left: Option<PartValue>,
    /// The right (rebuilt) side.
    pub right: Option<PartValue>,
    /// What differs inside it.
    pub inside: Option<Box<Inside>>,
}

/// What a part is called.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum PartName {
    /// A member of an archive.
    Member(String),
    /// A section of a program.
    Section(String),
    /// Bytes of a program that no section holds.
    Elsewhere,
    /// The program headers.
    Headers,
    /// Where sections with equal bytes are loaded.
    Addresses,
    /// What a file is linked or loaded by.
    Linked,
}

impl PartName {
    /// Whether it is a section in which compilers and linkers note something about themselves.
    fn is_note(&self) -> bool {
        matches!(self, Self::Section(name) if elf::is_note(name))
    }
}

impl fmt::Display for PartName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Member(name) | Self::Section(name) => name,
            Self::Elsewhere => "outside the sections",
            Self::Headers => "program headers",
            Self::Addresses => "addresses of sections",
            Self::Linked => "what it is linked by",
        })
    }
}

/// One side of a part.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum PartValue {
    /// A section that a person can read.
    Text(String),
    /// A section, or a member of an archive without metadata that is compared.
    Content(ContentValue),
    /// A member of a zip archive.
    ZipMember {
        /// Permissions, where it has any.
        mode: Option<u32>,
        /// Its bytes.
        content: ContentValue,
    },
    /// A member of a tar archive.
    TarMember {
        /// Its type.
        kind: EntryKind,
        /// Permissions.
        mode: u32,
        /// The owner's number.
        uid: u64,
        /// The group's number.
        gid: u64,
        /// Where it leads, if it is a link.
        link: Option<String>,
        /// Its bytes.
        content: ContentValue,
    },
}

impl fmt::Display for PartValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Content(content) | Self::ZipMember { mode: None, content } => content.fmt(f),
            Self::ZipMember { mode: Some(mode), content } => write!(f, "{mode:o} {content}"),
            Self::TarMember { kind, mode, uid, gid, link, content } => {
                write!(f, "{} {mode:04o} {uid}:{gid} ", kind.name())?;
                if let Some(link) = link {
                    write!(f, "-> {link} ")?;
                }
                content.fmt(f)
            }
        }
    }
}

impl Inside {
    /// Whether only what compilers and linkers note about themselves differs (class M): build-id, `.comment`, debug
    /// information, symbols. Says nothing about why.
    pub fn is_toolchain_only(&self) -> bool {
        match self {
            Self::Parts { of: Container::Elf, parts, omitted: 0 } => {
                !parts.is_empty() && parts.iter().all(|part| part.name.is_note())
            }
            _ => false,
        }
    }

    /// Whether both sides are texts that are equal but for times.
    pub fn is_only_times(&self) -> bool {
        match self {
            Self::Lines { only_times, .. } => *only_times,
            Self::Parts { of: Container::Elf, .. } => false,
            Self::Parts { parts, omitted, .. } => {
                *omitted == 0
                    && !parts.is_empty()
                    && parts.iter().all(|p| p.inside.as_ref().is_some_and(|i| i.is_only_times()))
            }
        }
    }
}

/// What differs inside the file at `path`, as far as it can be told.
pub(super) fn inside(path: &str, left: &[u8], right: &[u8], limits: &Limits) -> Option<Inside> {
    Look { limits, depth: DEPTH, left: MEMBERS_BYTES }.inside(path, left, right)
}

/// The state of looking into one file.
struct Look<'l> {
    limits: &'l Limits,
    depth: usize,
    /// Bytes of members that may still be read.
    left: u64,
}

impl Look<'_> {
    fn inside(&mut self, path: &str, left: &[u8], right: &[u8]) -> Option<Inside> {
        let both = |magic: &[u8]| left.starts_with(magic) && right.starts_with(magic);
        if both(b"\x7fELF") {
            return elf::inside(left, right);
        }
        if self.depth == 0 {
            return text::inside(path, left, right);
        }
        self.depth -= 1;
        let found = if both(b"PK\x03\x04") {
            archive::zip(self, left, right)
        } else if both(b"!<arch>\n") {
            archive::ar(self, left, right)
        } else if both(b"\x1f\x8b") {
            archive::gzip(self, path, left, right)
        } else if path.ends_with(".tar") {
            archive::tar(self, left, right)
        } else {
            text::inside(path, left, right)
        };
        self.depth += 1;
        found
    }
}

#[cfg(test)]
mod tests;
