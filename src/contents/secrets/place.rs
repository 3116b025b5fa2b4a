//! A place where a secret may begin, and what is found there.

use super::Kind;

/// Bytes before a place that its form may look at.
pub(super) const BACK_BYTES: usize = 512;

/// A place where a form may begin.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'b> {
    /// All bytes that are held.
    pub(super) bytes: &'b [u8],
    /// Where in them.
    pub(super) at: usize,
}

impl<'b> Place<'b> {
    pub(super) fn before(&self) -> &'b [u8] {
        self.bytes.get(self.at.saturating_sub(BACK_BYTES)..self.at).unwrap_or_default()
    }

    pub(super) fn from(&self, most: usize) -> &'b [u8] {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        rest.get(..most).unwrap_or(rest)
    }
}

/// A secret at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Match {
    /// What it is.
    pub(super) kind: Kind,
    /// Whether a passphrase protects it.
    pub(super) encrypted: bool,
    /// Where it ends.
    pub(super) end: usize,
}
