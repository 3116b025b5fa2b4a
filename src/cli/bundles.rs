//! `--bundle FILE`: evidence about the image that lies in files.

use std::{
    fmt::Display,
    path::{Path, PathBuf},
};

use super::{Failure, files::Operand};
use crate::{
    limits::{self, Limits},
    saved::Access,
    scratch::seen,
    source::Handed,
};

/// All bundles of a call may have this many times as many bytes as one.
const TOTAL_FACTOR: usize = 4;

/// `--bundle` of whoever verifies.
const BUNDLE: Operand = Operand {
    option: "--bundle ",
    form: "it takes a Sigstore bundle, or a file with one in each line, as hallmark sign --bundle and cosign sign --bundle write them",
};

/// Reads the bundles of all files, as many and as large as attached ones may be.
pub(super) fn read(
    files: &[PathBuf],
    limits: &Limits,
    from: &Access,
) -> Result<Vec<Handed>, Failure> {
    let mut all = Vec::new();
    let mut room = limits.attestation_bytes.saturating_mul(TOTAL_FACTOR);
    for file in files {
        let name = file.display().to_string();
        let wrong = |name: &str, why: &dyn Display| BUNDLE.unusable(Path::new(name), why);
        let bytes = BUNDLE.read_from(from, file, room as u64)?;
        let read = Handed::read(&name, &bytes, limits);
        let read = read.map_err(|(place, error)| match seen(&bytes) {
            Some(what) => wrong(&name, &what),
            None => wrong(&place, &error),
        })?;
        room = room.saturating_sub(read.iter().map(Handed::size).sum());
        all.extend(read);
        if all.len() > limits.attestations {
            let key = limits::key("attestations");
            let why = format!("more than {} bundles ({key})", limits.attestations);
            return Err(wrong(&name, &why));
        }
    }
    Ok(all)
}
