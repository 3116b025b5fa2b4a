//! SBOMs as documents and as predicates: reading never panics, and components stay within the limit.
#![no_main]

use hallmark::{
    json::{Raw, from_slice},
    limits::Limits,
    sbom::{from_predicate, parse},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let limits = Limits { packages: 100, ..Limits::default() };
    if let Ok(sbom) = parse(data, &limits) {
        assert!(sbom.components.len() <= limits.packages);
    }
    if let Ok(predicate) = from_slice::<Raw>(data, data.len()) {
        let _ = from_predicate(&predicate, &limits);
    }
});
