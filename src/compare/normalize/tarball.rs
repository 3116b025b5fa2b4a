//! tar files inside an image, as apk's `scripts.tar`: times, owner names and header format out, everything else in.
//!
//! Read as strictly as a layer: what programs read differently has no normal form. Order counts, and so do mode, owner
//! numbers, links, devices and attributes.

use sha2::{Digest as _, Sha256};

use super::{Work, text};
use crate::{
    compare::entry::fingerprint,
    image::tar::{self, Entry, TarError},
};

pub(super) fn normalize(
    work: &mut Work<'_>,
    _: &str,
    bytes: &[u8],
    hasher: &mut Sha256,
) -> Option<()> {
    let limits = work.limits;
    let walked = tar::walk(bytes, limits, |entry, content| {
        let unread = || TarError::Read(std::io::Error::other("more than is normalised"));
        let content = work.member(&entry.path, content).ok_or_else(unread)?;
        text(hasher, entry.path.as_bytes());
        // The size follows from the content, which may have a normal form of its own.
        hasher.update(fingerprint(&Entry { size: 0, ..entry.clone() }, &content));
        Ok(())
    });
    walked.ok()
}
