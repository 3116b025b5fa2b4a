//! Debian's copyright files in the machine-readable form (DEP-5, copyright-format 1.0).
//!
//! Turns `/usr/share/doc/PACKAGE/copyright` into the licence of all files together: each paragraph with `Files` has one, and all
//! of them hold. The words are Debian's short names. A file of another form says nothing that a machine reads.

use super::{
    expression::{Licence, Unreadable, read},
    names,
};

/// Bytes of the largest file that is read; the largest real ones have some hundred KiB.
pub const FILE_BYTES: u64 = 1 << 20;
/// Different licences of one file.
const LICENCES: usize = 64;

/// Reads a copyright file.
///
/// # Errors
/// Why it says no licence.
pub fn of_copyright(bytes: &[u8]) -> Result<Licence, Unreadable> {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.lines().map(str::trim_end);
    let first = lines.find(|line| !line.is_empty()).unwrap_or_default();
    let format = ["Format:", "Format-Specification:"].iter().any(|field| first.starts_with(field));
    if !format
        || !first.contains("copyright-format")
            && !first.contains("dep5")
            && !first.contains("dep.debian.net")
    {
        return Err(Unreadable::Form);
    }
    let mut found: Vec<String> = Vec::new();
    let (mut files, mut licence) = (false, None);
    for line in lines.chain([""]) {
        if line.trim().is_empty() {
            if let Some(one) =
                std::mem::take(&mut licence).filter(|one| files && !found.contains(one))
            {
                found.push(one);
            }
            files = false;
        } else if line.starts_with("Files:") {
            files = true;
        } else if let Some(short) = line.strip_prefix("License:") {
            licence = Some(short.trim().to_owned());
        }
    }
    if found.len() > LICENCES {
        return Err(Unreadable::TooMuch);
    }
    if found.is_empty() {
        return Err(Unreadable::Nothing);
    }
    // A name of one paragraph may hold operators.
    let part = |one: &String| match names::licence(one, true) {
        Some(name) => name,
        None => format!("({one})"),
    };
    read("deb", &found.iter().map(part).collect::<Vec<_>>().join(" and "))
}
