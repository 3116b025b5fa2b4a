//! chisel's manifest: reading never panics, and packages stay within the limit.
#![no_main]

#[path = "../packages.rs"]
mod packages;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    packages::read(&["/var/lib/chisel/manifest.wall"], data);
});
