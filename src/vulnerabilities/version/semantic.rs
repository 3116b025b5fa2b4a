//! Semantic Versioning 2.0.0, with what ecosystems write beside it: a leading `v`, and fewer than three numbers.

use semver::Version;

/// Reads a version; Go's own (`go1.21rc2`) are none, [`go_toolchain`] turns them into one.
pub(super) fn parse(text: &str) -> Option<Version> {
    let text = text.trim().trim_start_matches('=').trim_start_matches(['v', 'V']);
    let end = text.find(['-', '+']).unwrap_or(text.len());
    let (core, rest) = text.split_at(end);
    let missing = 3_usize.checked_sub(core.split('.').count())?;
    Version::parse(&format!("{core}{}{rest}", ".0".repeat(missing))).ok()
}
