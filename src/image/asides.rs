//! What a compressed stream says beside its content.
//!
//! gzip members have an extra field and a comment (RFC 1952, section 2.3.1), zstd streams have skippable frames (RFC 8878,
//! section 3.1.2). Nothing in them comes out of a decoder, and runtimes that pull lazily obey them: eStargz, zstd:chunked
//! and overlaybd keep their tables of contents there. They are hashed, so that a comparison sees them. Where they cannot be
//! understood the decoder beside this fails.

use sha2::{Digest as _, Sha256};

/// What the asides of a stream hash to, where it has some.
#[derive(Debug, Default)]
pub(super) struct Asides(Option<Sha256>);

impl Asides {
    /// Adds one, with its kind and length, so that no two lists of them run together.
    pub(super) fn add(&mut self, kind: u8, bytes: &[u8]) {
        let hasher = self.0.get_or_insert_default();
        hasher.update([kind]);
        hasher.update((bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    }

    fn start(&mut self, head: &[u8]) {
        self.0.get_or_insert_default().update(head);
    }

    fn go_on(&mut self, bytes: &[u8]) {
        self.0.get_or_insert_default().update(bytes);
    }

    pub(super) fn finish(self) -> Option<[u8; 32]> {
        self.0.map(|hasher| hasher.finalize().into())
    }
}

/// Where a scan of zstd frames is.
#[derive(Debug, Clone, Copy)]
enum At {
    Magic,
    SkippableSize,
    Skippable {
        left: u64,
    },
    Descriptor,
    /// The rest of a frame's header.
    Header {
        left: u64,
        checksum: bool,
    },
    BlockHeader {
        checksum: bool,
    },
    Block {
        left: u64,
        last: bool,
        checksum: bool,
    },
    Checksum {
        left: u64,
    },
}

/// Finds skippable frames in a zstd stream that comes in pieces.
#[derive(Debug)]
pub(super) struct Frames {
    at: At,
    /// A field that is not complete yet.
    field: Vec<u8>,
    pub(super) asides: Asides,
}

impl Default for Frames {
    fn default() -> Self {
        Self { at: At::Magic, field: Vec::with_capacity(4), asides: Asides::default() }
    }
}

impl Frames {
    pub(super) fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            bytes = match self.at {
                At::Magic | At::SkippableSize => self.field(bytes, 4),
                At::Descriptor => self.field(bytes, 1),
                At::BlockHeader { .. } => self.field(bytes, 3),
                At::Skippable { left }
                | At::Header { left, .. }
                | At::Block { left, .. }
                | At::Checksum { left } => self.skip(bytes, left),
            };
        }
    }

    /// Collects a field of `length` bytes and goes on once it is complete.
    fn field<'b>(&mut self, bytes: &'b [u8], length: usize) -> &'b [u8] {
        let (taken, rest) = bytes.split_at(bytes.len().min(length - self.field.len()));
        self.field.extend_from_slice(taken);
        if self.field.len() == length {
            let field = std::mem::take(&mut self.field);
            self.at = self.after(&field).settled();
        }
        rest
    }

    /// What comes after a field.
    fn after(&mut self, field: &[u8]) -> At {
        let number = field.iter().rev().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
        match self.at {
            At::Magic if number & 0xffff_fff0 == 0x184d_2a50 => {
                self.asides.start(field);
                At::SkippableSize
            }
            At::Magic => At::Descriptor,
            At::SkippableSize => {
                self.asides.go_on(field);
                At::Skippable { left: number }
            }
            // Section 3.1.1.1.1: size of the content, single segment, checksum, dictionary.
            At::Descriptor => {
                let single = number & 0x20 != 0;
                let content = match number >> 6 {
                    0 => u64::from(single),
                    flag => 1 << flag,
                };
                let dictionary = [0, 1, 2, 4]
                    .into_iter()
                    .nth(usize::from(field.first().copied().unwrap_or(0) & 3));
                let left = u64::from(!single) + content + dictionary.unwrap_or_default();
                At::Header { left, checksum: number & 4 != 0 }
            }
            // Section 3.1.1.2: last, type, size; a block of type 1 is one byte, repeated.
            At::BlockHeader { checksum } => {
                let left = if number >> 1 & 3 == 1 { 1 } else { number >> 3 };
                At::Block { left, last: number & 1 != 0, checksum }
            }
            other => other,
        }
    }

    /// Steps over bytes without a meaning here.
    fn skip<'b>(&mut self, bytes: &'b [u8], left: u64) -> &'b [u8] {
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        let (taken, rest) = bytes.split_at(most);
        if let At::Skippable { .. } = self.at {
            self.asides.go_on(taken);
        }
        self.at = self.at.with(left - taken.len() as u64).settled();
        rest
    }
}

impl At {
    fn with(self, left: u64) -> Self {
        match self {
            Self::Skippable { .. } => Self::Skippable { left },
            Self::Header { checksum, .. } => Self::Header { left, checksum },
            Self::Block { last, checksum, .. } => Self::Block { left, last, checksum },
            Self::Checksum { .. } => Self::Checksum { left },
            other => other,
        }
    }

    /// The next place where bytes are read: parts without any are over at once.
    fn settled(self) -> Self {
        match self {
            Self::Skippable { left: 0 } | Self::Checksum { left: 0 } => Self::Magic,
            Self::Header { left: 0, checksum } => Self::BlockHeader { checksum },
            Self::Block { left: 0, last: false, checksum } => Self::BlockHeader { checksum },
            Self::Block { left: 0, last: true, checksum } => {
                Self::Checksum { left: if checksum { 4 } else { 0 } }.settled()
            }
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skippable(nibble: u8, bytes: &[u8]) -> Vec<u8> {
        let length = u32::try_from(bytes.len()).unwrap();
        [&[0x50 | nibble, 0x2a, 0x4d, 0x18], &length.to_le_bytes()[..], bytes].concat()
    }

    fn frame(bytes: &[u8], checksum: bool, sized: bool) -> Vec<u8> {
        use std::io::Write as _;
        let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
        encoder.include_checksum(checksum).unwrap();
        if sized {
            encoder.set_pledged_src_size(Some(bytes.len() as u64)).unwrap();
        }
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn asides(parts: &[&[u8]], piece: usize) -> Option<[u8; 32]> {
        let mut frames = Frames::default();
        parts.concat().chunks(piece).for_each(|piece| frames.feed(piece));
        frames.asides.finish()
    }

    #[test]
    fn skippable_frames_are_found_between_all_others() {
        let noise: Vec<u8> =
            (0..300_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let zeros = vec![0; 400_000];
        let texts: [&[u8]; 5] = [b"", b"abc", &[7; 1000], &zeros, &noise];
        let toc = skippable(0, b"a table of contents");
        for (checksum, sized) in [(false, false), (true, false), (false, true), (true, true)] {
            for text in texts {
                let frame = frame(text, checksum, sized);
                for piece in [1, 3, 7, 1 << 16, usize::MAX >> 1] {
                    assert_eq!(asides(&[&frame, &frame], piece), None);
                    let want = asides(&[&toc], piece);
                    assert!(want.is_some());
                    assert_eq!(asides(&[&frame, &toc, &frame], piece), want);
                    assert_eq!(asides(&[&toc, &frame], piece), want);
                    assert_eq!(asides(&[&frame, &frame, &toc], piece), want);
                }
            }
        }
        let other = asides(&[&skippable(1, b"a table of contents")], 9);
        assert_ne!(other, asides(&[&toc], 9));
        assert_ne!(asides(&[&toc, &toc], 9), asides(&[&toc], 9));
        assert!(asides(&[&skippable(15, b"")], 9).is_some());
    }
}
