//! Logs of dpkg and apt: dates and times out, every other byte in.
//!
//! What was installed, in which version and in which order, stays: a package that has moved on still differs.

use std::sync::LazyLock;

use regex::bytes::Regex;
use sha2::{Digest as _, Sha256};

use super::Work;

/// A day and a time as these logs write them; history.log has two spaces between.
static TIME: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?-u)(19|2[0-9])[0-9]{2}-[01][0-9]-[0-3][0-9] {1,2}[0-2][0-9]:[0-5][0-9]:[0-6][0-9]",
    )
    .ok()
});

pub(super) fn normalize(
    _: &mut Work<'_>,
    _: &str,
    bytes: &[u8],
    hasher: &mut Sha256,
) -> Option<()> {
    // No log holds the mark that takes the place of a time, so a time cannot be mistaken for it.
    if bytes.contains(&0) {
        return None;
    }
    hasher.update(TIME.as_ref()?.replace_all(bytes, b"\0".as_slice()));
    Some(())
}
