//! apk's database with its files, and what it was asked for: reading never panics, and packages stay within the limit.
#![no_main]

#[path = "../packages.rs"]
mod packages;

use libfuzzer_sys::fuzz_target;

const PATHS: [&str; 2] = [
    "/lib/apk/db/installed",
    "/etc/apk/world",
];

fuzz_target!(|data: &[u8]| {
    packages::read(&PATHS, data);
});
