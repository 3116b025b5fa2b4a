//! JSON that is read strictly: never panics; what passes has no key twice, so that writing and reading it again agree.
#![no_main]

use hallmark::json::from_slice;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

const LIMIT_BYTES: usize = 1 << 20;

fuzz_target!(|data: &[u8]| {
    let Ok(value) = from_slice::<Value>(data, LIMIT_BYTES) else { return };
    assert_eq!(serde_json::from_slice::<Value>(data).ok().as_ref(), Some(&value));
    assert!(data.len() <= LIMIT_BYTES);
});
