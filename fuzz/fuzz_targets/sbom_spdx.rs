//! SPDX 2.2 and 2.3 in JSON: reading never panics, whatever the members are.
#![no_main]

#[path = "../sboms.rs"]
mod sboms;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    sboms::read_members(data, &[("spdxVersion", "SPDX-2.3")]);
});
