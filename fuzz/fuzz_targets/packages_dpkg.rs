//! dpkg's database, its lists and checksums of files, and diversions: reading never panics, and packages stay within the limit.
#![no_main]

#[path = "../packages.rs"]
mod packages;

use libfuzzer_sys::fuzz_target;

const PATHS: [&str; 6] = [
    "/var/lib/dpkg/status",
    "/var/lib/dpkg/status.d/base",
    "/var/lib/dpkg/status.d/base.md5sums",
    "/var/lib/dpkg/info/a.list",
    "/var/lib/dpkg/info/a:amd64.md5sums",
    "/var/lib/dpkg/diversions",
];

fuzz_target!(|data: &[u8]| {
    packages::read(&PATHS, data);
});
