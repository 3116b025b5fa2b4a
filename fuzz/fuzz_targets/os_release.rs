//! os-release: reading never panics, and a distribution is one word or none.
#![no_main]

use hallmark::{contents, limits::Limits, vulnerabilities::subject};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let inventory = contents::read([("etc/os-release", data)], &Limits::default());
    let _ = subject::distribution(&inventory);
});
