//! What looks at files while layers are read.
//!
//! A [`Collector`] says of each regular file whether it wants the content, and is given it as it streams by; several run side
//! by side in the one pass. Content passes by once, layer by layer, so what a later layer hides or replaces is given, too. Each
//! file has a number of its own, which the nodes of the finished tree repeat: a collector that speaks about the tree drops
//! what has no name left there, and finds what hard links gave other names. What a collector leaves out, because its budget
//! is used up, is a fact in what it found and no error of the image.

use std::fmt::Debug;

use super::tar::Entry;

/// Bytes of a file that a collector sees before it decides.
pub const HEAD_BYTES: usize = 512;

/// A regular file whose content is about to pass by.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// Path from the root, with the links among its parents followed.
    pub path: &'a str,
    /// Permissions with setuid, setgid and sticky bit.
    pub mode: u32,
    /// Bytes of content.
    pub size: u64,
    /// The layer that it is in, counted from 0.
    pub layer: usize,
    /// The number of the file; its node has the same, and no other file of the image.
    pub inode: u64,
    /// The first bytes: [`HEAD_BYTES`], or all of a smaller file.
    pub head: &'a [u8],
}

impl<'a> Seen<'a> {
    /// A file of which nothing but the path is known.
    pub fn named(path: &'a str) -> Self {
        Self { path, mode: 0, size: 0, layer: 0, inode: 0, head: &[] }
    }
}

/// Something that is made of files while they pass by.
///
/// Of each file that it wants it gets all bytes, in order, and the end; never two files at once. What it makes of them may be
/// believed only once the digests of all layers matched.
pub trait Collector: Debug {
    /// Takes note of an entry of a layer, whatever it is, before its content: whiteouts and links are entries, too. Its path is
    /// as the layer writes it.
    fn entry(&mut self, _layer: usize, _entry: &Entry) {}

    /// Whether it wants the content of a file.
    fn wants(&mut self, file: &Seen<'_>) -> bool;

    /// Takes the next bytes of the file that it wanted last.
    fn take(&mut self, bytes: &[u8]);

    /// That nothing of that file is left.
    fn close(&mut self);

    /// Bytes of memory that it holds, with what the file that it wanted last may add.
    fn held(&self) -> u64;
}
