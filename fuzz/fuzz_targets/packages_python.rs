//! Metadata of Python's packages, and lists of their files: reading never panics, and packages stay within the limit.
#![no_main]

#[path = "../packages.rs"]
mod packages;

use libfuzzer_sys::fuzz_target;

const PATHS: [&str; 4] = [
    "/usr/lib/python3/site-packages/a.dist-info/METADATA",
    "/usr/lib/python3/site-packages/a.egg-info/PKG-INFO",
    "/usr/lib/python3/site-packages/a.dist-info/RECORD",
    "/usr/lib/python3/site-packages/a.egg-info/installed-files.txt",
];

fuzz_target!(|data: &[u8]| {
    packages::read(&PATHS, data);
});
