//! Admission reviews: reading the request and finding its images never panic.
#![no_main]

use hallmark::{
    gate::{review::parse, subjects::images},
    limits::Limits,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    if let Ok(request) = parse(body, Limits::default().review_bytes) {
        let _ = images(&request.kind, &request.object);
    }
});
