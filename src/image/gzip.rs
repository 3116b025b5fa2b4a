//! What a gzip stream says about who wrote it.
//!
//! Turns the fixed part of a gzip header (RFC 1952, section 2.3.1) into a guess at the compressor: Go's libraries leave the
//! operating system unknown, zlib and gzip name Unix. Two levels have a flag, the others none. Anybody can write any header, so
//! this is for hypotheses and hints alone.

use std::{fmt, io::Read};

/// Bytes of the fixed part.
const BYTES: usize = 10;
/// `OS`: unknown, as Go's libraries write it.
const UNKNOWN: u8 = 255;

/// The two bytes of a gzip header that tell about the compressor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct GzipHeader {
    /// `XFL`.
    pub extra_flags: u8,
    /// `OS`.
    pub os: u8,
}

/// How hard a compressor was told to try, as far as its header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// Level 9.
    Best,
    /// Level 1.
    Fastest,
    /// Any other.
    Unsaid,
}

impl GzipHeader {
    /// Reads the header; `None` where there is none.
    pub fn read(stream: impl Read) -> Option<Self> {
        let mut bytes = Vec::with_capacity(BYTES);
        stream.take(BYTES as u64).read_to_end(&mut bytes).ok()?;
        match bytes.as_slice() {
            [0x1f, 0x8b, 8, _, _, _, _, _, extra_flags, os] => {
                Some(Self { extra_flags: *extra_flags, os: *os })
            }
            _ => None,
        }
    }

    /// What `XFL` says.
    pub fn effort(self) -> Effort {
        match self.extra_flags {
            2 => Effort::Best,
            4 => Effort::Fastest,
            _ => Effort::Unsaid,
        }
    }

    /// Whether it is as Go's libraries write it, which builders use.
    pub fn is_gos(self) -> bool {
        self.os == UNKNOWN
    }
}

impl fmt::Display for GzipHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_gos() {
            true => f.write_str("header as Go writes it")?,
            false => write!(f, "header of another family than Go's (OS {})", self.os)?,
        }
        match self.effort() {
            Effort::Best => f.write_str(", level 9"),
            Effort::Fastest => f.write_str(", level 1"),
            Effort::Unsaid => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn headers_tell_family_and_two_levels() {
        let written = |level, os| {
            let mut encoder = flate2::GzBuilder::new()
                .operating_system(os)
                .write(Vec::new(), flate2::Compression::new(level));
            encoder.write_all(b"x").unwrap();
            GzipHeader::read(encoder.finish().unwrap().as_slice()).unwrap()
        };
        let cases = [
            (9, 255, Effort::Best, "header as Go writes it, level 9"),
            (1, 255, Effort::Fastest, "header as Go writes it, level 1"),
            (6, 255, Effort::Unsaid, "header as Go writes it"),
            (6, 3, Effort::Unsaid, "header of another family than Go's (OS 3)"),
        ];
        for (level, os, effort, words) in cases {
            let header = written(level, os);
            assert_eq!((header.effort(), header.is_gos()), (effort, os == 255));
            assert_eq!(header.to_string(), words);
        }
    }

    #[test]
    fn what_is_no_header_is_none() {
        for bytes in [&b""[..], b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd______", b"\x1f\x8b\x07_______"]
        {
            assert_eq!(GzipHeader::read(bytes), None, "{bytes:?}");
        }
    }
}
