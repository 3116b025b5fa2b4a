//! SPDX in tags and values: reading never panics, whatever the lines are.
#![no_main]

#[path = "../sboms.rs"]
mod sboms;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut document = b"SPDXVersion: SPDX-2.3\n".to_vec();
    document.extend(data);
    sboms::read(&document);
});
