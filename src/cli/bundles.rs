//! `--bundle FILE`: evidence about the image that lies in files.

use std::{fmt::Display, path::PathBuf};

use super::Failure;
use crate::{
    limits::{self, Limits},
    scratch::read_file,
    source::Handed,
};

/// All bundles of a call may have this many times as many bytes as one.
const TOTAL_FACTOR: usize = 4;

/// Reads the bundles of all files, as many and as large as attached ones may be.
pub(super) fn read(files: &[PathBuf], limits: &Limits) -> Result<Vec<Handed>, Failure> {
    let mut all = Vec::new();
    let mut room = limits.attestation_bytes.saturating_mul(TOTAL_FACTOR);
    for file in files {
        let name = file.display().to_string();
        let wrong = |name: &str, why: &dyn Display| {
            Failure::of_operator(&format!(
                "--bundle {name}: {why}\n  help: it takes a Sigstore bundle, or a file with one in \
                 each line, as hallmark sign --bundle and cosign sign --bundle write them"
            ))
        };
        let bytes = read_file(file, room as u64).map_err(|error| wrong(&name, &error))?;
        let read = Handed::read(&name, &bytes, limits);
        let read = read.map_err(|(place, error)| wrong(&place, &error))?;
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
