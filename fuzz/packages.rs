//! What has to hold of every file that lists packages or their files, whichever catalogue reads it.

use hallmark::{contents, limits::Limits};

/// Packages that are read: with few of them the bound is met.
const PACKAGES: usize = 100;

/// Reads a file at each of these paths: nothing panics, no more is listed than the limit says, and twice the same.
pub fn read(paths: &[&str], data: &[u8]) {
    let limits = Limits { packages: PACKAGES, ..Limits::default() };
    for path in paths {
        let inventory = contents::read([(*path, data)], &limits);
        assert!(inventory.packages.len() <= PACKAGES);
        assert_eq!(contents::read([(*path, data)], &limits), inventory);
        let _ = contents::lists::read(path, data, &limits);
    }
}
