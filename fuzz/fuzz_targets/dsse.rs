//! DSSE envelopes and in-toto statements: reading never panics, and an envelope's payload is read as a statement.
#![no_main]

use std::collections::BTreeMap;

use bytes::Bytes;
use hallmark::{
    attest::{Carrier, Raw, Statement, open},
    digest::ManifestDigest,
    image::MediaType,
    limits::Limits,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let limits = Limits::default();
    let _ = Statement::parse(data, &limits);
    let attached_to = ManifestDigest::of(b"image");
    for media_type in [MediaType::DSSE, MediaType::IN_TOTO] {
        let raw = Raw {
            carrier: Carrier::File { path: "/a".to_owned(), layer: 0 },
            media_type: MediaType::new(media_type),
            bytes: Bytes::copy_from_slice(data),
            annotations: BTreeMap::new(),
            attached_to: attached_to.clone(),
        };
        let _ = open(&raw, &limits);
    }
});
