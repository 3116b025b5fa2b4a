//! What the tests of the catalogues have in common.

use super::{
    catalogue::{Garbled, Listed},
    go::MAGIC,
};

/// Name and version of each package, in one text, sorted.
pub(super) fn shown(packages: &[Listed]) -> String {
    let mut all: Vec<String> =
        packages.iter().map(|p| format!("{} {}", p.name, p.version)).collect();
    all.sort();
    all.join(", ")
}

/// The packages, or why there are none.
pub(super) fn said(read: Result<Vec<Listed>, Garbled>) -> String {
    match read {
        Ok(packages) => shown(&packages),
        Err(garbled) => format!("error: {garbled}"),
    }
}

/// Build information of a Go program whose module `a.b/c` has the version `v1.0.N`.
pub(super) fn go(version: u8) -> Vec<u8> {
    let lines = format!("{0}path\tx\nmod\ta.b/c\tv1.0.{version}\th1:x=\n{0}", "#".repeat(16));
    let mut blob = [MAGIC.as_slice(), &[8, 2], &[0; 16], b"\x08go1.22.1"].concat();
    blob.push(u8::try_from(lines.len()).expect("it is short"));
    blob.extend(lines.bytes());
    blob
}
