//! CycloneDX in JSON: reading never panics in any version, whatever the members are.
#![no_main]

#[path = "../sboms.rs"]
mod sboms;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    for version in ["1.2", "1.3", "1.4", "1.5", "1.6", "1.7"] {
        sboms::read_members(data, &[("bomFormat", "CycloneDX"), ("specVersion", version)]);
    }
});
