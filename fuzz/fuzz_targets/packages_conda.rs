//! Conda's records of packages and of their files: reading never panics, and packages stay within the limit.
#![no_main]

#[path = "../packages.rs"]
mod packages;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    packages::read(&["/opt/conda/conda-meta/a-1-0.json"], data);
});
