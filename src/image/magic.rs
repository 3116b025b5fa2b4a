//! What stored bytes begin with.
//!
//! Turns the first block of a layer into the format that runtimes take it for. Docker's media types are hints only:
//! containerd, Docker, buildah and skopeo look at the bytes. OCI's types are meant: what is gzip under the type of a plain
//! tar is no tar for containerd.

use super::Compression;

/// Bytes that are looked at: a tar says what it is at byte 257.
pub(super) const HEAD_BYTES: usize = 512;

/// A format that is known by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Magic {
    /// RFC 1952.
    Gzip,
    /// RFC 8878, a skippable frame first included.
    Zstd,
    /// Formats that some tools unpack and others do not.
    Bzip2,
    Xz,
    /// POSIX or GNU tar.
    Tar,
    /// Anything else; an old tar is not known by its bytes.
    Unknown,
}

impl Magic {
    pub(super) fn of(head: &[u8]) -> Self {
        match head {
            [0x1f, 0x8b, 8, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            [b'B', b'Z', b'h', ..] => Self::Bzip2,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            _ if head.get(257..262) == Some(b"ustar") => Self::Tar,
            _ => Self::Unknown,
        }
    }

    /// The word in messages.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
            Self::Tar => "an uncompressed tar",
            Self::Unknown => "of an unknown format",
        }
    }

    /// How to read it where the bytes decide; `None` for what hallmark does not unpack.
    pub(super) fn compression(self) -> Option<Compression> {
        match self {
            Self::Gzip => Some(Compression::Gzip),
            Self::Zstd => Some(Compression::Zstd),
            Self::Bzip2 | Self::Xz => None,
            Self::Tar | Self::Unknown => Some(Compression::None),
        }
    }

    /// Whether bytes that begin so can be what a type says.
    pub(super) fn fits(self, stated: Compression) -> bool {
        self == Self::Unknown || self.compression() == Some(stated)
    }
}
