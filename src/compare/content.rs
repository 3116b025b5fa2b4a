//! Contents while layers are compared: their digests, and how untrusted names are cut.

use sha2::{Digest as _, Sha256};

use crate::untrusted::shortened;

/// Characters of a stranger's name or value that are kept.
const CHARS_KEPT: usize = 200;

/// A SHA-256 digest, compact: there is one for each entry of a layer.
pub(super) type Hash = [u8; 32];

/// Adds a text with its length, so that no two lists of texts run together.
pub(super) fn text(hasher: &mut Sha256, bytes: &[u8]) {
    hasher.update((bytes.len() as u64).to_le_bytes());
    hasher.update(bytes);
}

/// What is kept of a stranger's name or value.
pub(super) fn cut(text: &str) -> String {
    shortened(text, CHARS_KEPT)
}
