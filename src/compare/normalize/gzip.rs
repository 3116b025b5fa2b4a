//! gzip files (RFC 1952): time, system and encoding out, content, name, comment and extra field in.
//!
//! One member and nothing behind it: where there is more, programs differ in what they read.

use std::io::Read;

use flate2::bufread::GzDecoder;
use sha2::{Digest as _, Sha256};

use super::{Sources, Work, text};

pub(super) fn normalize(
    work: &mut Work<'_>,
    path: &str,
    bytes: &[u8],
    hasher: &mut Sha256,
) -> Option<()> {
    let mut decoder = GzDecoder::new(bytes);
    let header = decoder.header()?;
    // The flags: decoders look at some of them only.
    hasher.update([*bytes.get(3)?]);
    // How hard the compressor tried and on which system, where it is one of those that there are.
    let (effort, system) = (*bytes.get(8)?, *bytes.get(9)?);
    let known = matches!(effort, 0 | 2 | 4) && matches!(system, 0..=13 | 255);
    let odd = [effort, system];
    text(hasher, if known { &[] } else { &odd });
    for said in [header.extra(), header.filename(), header.comment()] {
        hasher.update([u8::from(said.is_some())]);
        text(hasher, said.unwrap_or_default());
    }
    let name = inner_name(path);
    hasher.update(work.beside(Sources::Unknown, |work| work.member(&name, decoder.by_ref()))?);
    decoder.into_inner().is_empty().then_some(())
}

/// The name of what is inside, for its own normalizer.
pub(in crate::compare) fn inner_name(path: &str) -> String {
    if let Some(stem) = path.strip_suffix(".tgz") {
        return format!("{stem}.tar");
    }
    let stem = path.strip_suffix(".gz").or_else(|| path.strip_suffix(".svgz"));
    stem.unwrap_or(path).to_owned()
}
