//! What stored bytes begin with.
//!
//! Turns the first block of a layer into the format that runtimes take it for. Media types are hints only: containerd,
//! Docker, buildah and skopeo look at the bytes. One is meant, OCI's for a plain tar: there containerd does not look, and what
//! is gzip is no tar for it, while it is a layer for the others. Programs of containers/storage (podman, CRI-O, buildah) know a
//! zstd stream by its first frame's magic number and no skippable frame, and read what begins with one as a tar: where it can be
//! one, two trees are in the same bytes (attack H64).

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
    /// A skippable frame first, in a block that can be a tar's header.
    ZstdOrTar,
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
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] if has_checksum(head) => Self::ZstdOrTar,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            // containerd wants the length of a skippable frame, too.
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, _, _, _, _, ..] => Self::Zstd,
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
            Self::ZstdOrTar => "zstd for some runtimes and a tar for others",
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
            Self::ZstdOrTar | Self::Bzip2 | Self::Xz => None,
            Self::Tar | Self::Unknown => Some(Compression::None),
        }
    }

    /// Whether bytes that begin so can be what a type says.
    pub(super) fn fits(self, stated: Compression) -> bool {
        self == Self::Unknown || self.compression() == Some(stated)
    }
}

/// Whether a number stands where a tar's header has its checksum (POSIX, ustar; bytes 148 to 155). Readers differ in which sums they
/// take and with what they fill the field, so that any number counts, in whatever padding.
fn has_checksum(head: &[u8]) -> bool {
    let Some(field) = head.get(..HEAD_BYTES).and_then(|block| block.get(148..156)) else {
        return false;
    };
    let is_padding = |byte: &u8| matches!(byte, 0 | b' ');
    let mut number = field.iter().skip_while(|byte| is_padding(byte));
    let digits: Vec<&u8> = number.by_ref().take_while(|byte| !is_padding(byte)).collect();
    !digits.is_empty() && digits.iter().all(|byte| matches!(byte, b'0'..=b'7'))
}
