//! Admission reviews: reading the request and finding its images never panic.
#![no_main]

use hallmark::{
    gate::{review::parse, subjects::{changes, images}},
    limits::Limits,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    if let Ok(request) = parse(body, Limits::default().review_bytes) {
        let (object, old) = (request.object.value(), request.old_object.value());
        let _ = images(&request.kind, object);
        let _ = changes(&request.kind, object, old);
    }
});
