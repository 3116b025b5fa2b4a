//! What differs at a place, as a value: hints, causes and rungs go by it, reports by its text.

use std::fmt;

use super::{SideWords, Which};
use crate::image::gzip::{Effort, GzipHeader};

/// What differs at a place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// A value of the manifest or the configuration.
    Value,
    /// How many layers there are.
    LayerCount,
    /// Which layer holds which file, where both sides come to the same tree.
    LayerSpread,
    /// How the same content is stored.
    Stored(Stored),
    /// What a compressed stream holds beside its content.
    StreamAsides,
    /// The diffID that the configuration claims, and the layer's.
    DiffId,
    /// The order of equal entries.
    EntryOrder,
    /// Times or format of equal entries.
    EntryForm,
    /// Something that one side alone has.
    OnlyIn(Which),
    /// The bytes of a file.
    Content,
    /// The type of an entry.
    Type,
    /// Permissions.
    Mode,
    /// Bits of the mode that tell the type once more.
    ModeTypeBits,
    /// The owner's number.
    Uid,
    /// The group's number.
    Gid,
    /// Where a link leads.
    LinkTarget,
    /// A name that is a hard link on one side, or one to another name on both. It may be the same file: the trees tell.
    HardLink,
    /// The numbers of a device.
    Device,
    /// An extended attribute, by its name.
    Xattr(String),
    /// A PAX record, by its key.
    PaxRecord(String),
    /// How many entries of one layer have this path.
    Repeated,
    /// Other metadata that counts.
    Metadata,
    /// What Python runs where a module is compiled.
    PythonRuns,
    /// With which other name a file is shared.
    SharedFile,
    /// A place where runtimes could build different trees.
    Ambiguity {
        /// Whether it is the same on both sides.
        both: bool,
        /// What is ambiguous.
        why: &'static str,
    },
    /// A whiteout on one side that hides nothing.
    IdleWhiteout(Which),
}

impl What {
    /// The text, with the sides called so.
    pub fn told(&self, words: SideWords) -> String {
        match self {
            Self::OnlyIn(which) => format!("only in {}", words.of(*which)),
            Self::IdleWhiteout(which) => {
                format!("a whiteout that hides nothing, only in {}", words.of(*which))
            }
            other => other.to_string(),
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Xattr(name) => return write!(f, "xattr {name}"),
            Self::PaxRecord(key) => return write!(f, "PAX record {key}"),
            Self::Ambiguity { both: true, why } => return write!(f, "on both sides: {why}"),
            Self::Ambiguity { both: false, why } => return write!(f, "on one side only: {why}"),
            Self::OnlyIn(_) | Self::IdleWhiteout(_) => {
                return f.write_str(&self.told(SideWords::REBUILD));
            }
            Self::Value => "value",
            Self::LayerCount => "number of layers",
            Self::LayerSpread => "which layer holds which file",
            Self::Stored(stored) => stored.name(),
            Self::StreamAsides => "bytes beside the content of a compressed stream",
            Self::DiffId => "diffID",
            Self::EntryOrder => "order of entries",
            Self::EntryForm => "times or format of entries",
            Self::Content => "content",
            Self::Type => "type",
            Self::Mode => "mode",
            Self::ModeTypeBits => "type bits of the mode",
            Self::Uid => "uid",
            Self::Gid => "gid",
            Self::LinkTarget => "link target",
            Self::HardLink => "how a hard link is written",
            Self::Device => "device",
            Self::Repeated => "entries with this path",
            Self::Metadata => "metadata",
            Self::PythonRuns => "what Python runs",
            Self::SharedFile => "shares a file with",
        })
    }
}

/// How the stored bytes of two layers with the same content differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stored {
    /// In a way of which nothing is known.
    Otherwise,
    /// One side says that it was compressed best or fastest.
    Level,
    /// Compressed by programs of two families.
    Family,
    /// The same level by two versions of a program of the same family.
    Version,
    /// Nothing in the headers.
    Alike,
}

impl Stored {
    /// What the gzip headers of both sides tell; a stream that is no gzip has none.
    pub(super) fn of(headers: [Option<GzipHeader>; 2]) -> Self {
        let [Some(left), Some(right)] = headers else { return Self::Otherwise };
        match left {
            _ if left.is_gos() != right.is_gos() => Self::Family,
            _ if left.effort() != right.effort() => Self::Level,
            _ if !left.is_gos() => Self::Otherwise,
            _ if left.effort() == Effort::Unsaid => Self::Alike,
            _ => Self::Version,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Otherwise => "compression",
            Self::Level => "compression level",
            Self::Family => "compression by another program",
            Self::Version => "compression by another version",
            Self::Alike => "compression under the same header",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_are_called_as_asked_where_one_alone_has_something() {
        let cases = [
            (What::OnlyIn(Which::Published), "only in published", "only in left"),
            (What::OnlyIn(Which::Rebuilt), "only in rebuilt", "only in right"),
            (
                What::IdleWhiteout(Which::Rebuilt),
                "a whiteout that hides nothing, only in rebuilt",
                "a whiteout that hides nothing, only in right",
            ),
            (What::Xattr("user.a".to_owned()), "xattr user.a", "xattr user.a"),
            (
                What::Ambiguity { both: false, why: "a" },
                "on one side only: a",
                "on one side only: a",
            ),
        ];
        for (what, rebuild, two) in cases {
            assert_eq!(what.to_string(), rebuild);
            assert_eq!(what.told(SideWords::REBUILD), rebuild);
            assert_eq!(what.told(SideWords::TWO_IMAGES), two);
        }
    }
}
