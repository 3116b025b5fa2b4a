//! Build provenance in statements and in embedded manifests: reading never panics.
#![no_main]

use bytes::Bytes;
use hallmark::{
    attest::{
        Statement,
        provenance::{embedded::EmbeddedManifest, parse},
    },
    limits::Limits,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let limits = Limits::default();
    if let Ok(statement) = Statement::parse(data, &limits) {
        let _ = parse(&statement);
    }
    if let Ok(embedded) = EmbeddedManifest::parse(Bytes::copy_from_slice(data), &limits) {
        let _ = embedded.provenance();
    }
});
