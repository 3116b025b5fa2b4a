//! Build provenance in statements, in embedded manifests and in the forms of Cloud Build and npm, and other predicates:
//! reading never panics.
#![no_main]

use bytes::Bytes;
use hallmark::{
    attest::{
        Statement,
        cloud_build::Described,
        npm::Pair,
        provenance::{embedded::EmbeddedManifest, parse},
    },
    limits::Limits,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let limits = Limits::default();
    if let Ok(statement) = Statement::parse(data, &limits) {
        let _ = parse(&statement);
        let _ = statement.read();
    }
    if let Ok(embedded) = EmbeddedManifest::parse(Bytes::copy_from_slice(data), &limits) {
        let _ = embedded.provenance();
    }
    if let Ok(described) = Described::parse(data, &limits) {
        let _ = described.entries.iter().flatten().all(|entry| entry.repeats());
    }
    if let Ok(pair) = Pair::parse(data, &limits) {
        let _ = pair.package();
    }
});
