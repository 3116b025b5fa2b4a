//! Feeds about CVEs: reading one never panics.
#![no_main]

use hallmark::{
    limits::Limits,
    vulnerabilities::feeds::{exploited, forecasts},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = exploited(data, &Limits::default());
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = forecasts(text);
    }
});
