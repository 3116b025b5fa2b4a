//! package.json of npm: reading never panics, and packages stay within the limit.
#![no_main]

#[path = "../packages.rs"]
mod packages;

use libfuzzer_sys::fuzz_target;

const PATHS: [&str; 2] = [
    "/app/node_modules/a/package.json",
    "/app/node_modules/@a/b/package.json",
];

fuzz_target!(|data: &[u8]| {
    packages::read(&PATHS, data);
});
