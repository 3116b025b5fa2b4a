//! Advisories in CSAF: reading one never panics, and every version has a standing to what was read.
#![no_main]

use hallmark::{
    limits::Limits,
    vulnerabilities::{csaf, range::standing, version::Scheme},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(Some(record)) = csaf::read(data, &Limits::default()) else { return };
    for package in record.packages {
        if let Some(scheme) = Scheme::of(&package.ecosystem.name) {
            let _ = standing(scheme, "1.0.0", &package.affected);
        }
    }
});
