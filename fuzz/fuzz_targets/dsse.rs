//! DSSE envelopes: reading never panics, and what is opened has a signature over the bytes that its statement was read from.
#![no_main]

use std::collections::BTreeMap;

use bytes::Bytes;
use hallmark::{
    attest::{Carrier, Envelope, Raw, open},
    digest::{Digest, ManifestDigest},
    image::MediaType,
    limits::Limits,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let limits = Limits::default();
    let attached_to = ManifestDigest::of(b"image");
    for media_type in [MediaType::DSSE, MediaType::IN_TOTO] {
        let raw = Raw {
            carrier: Carrier::File { path: "/a".to_owned(), layer: 0 },
            media_type: MediaType::new(media_type),
            bytes: Bytes::copy_from_slice(data),
            annotations: BTreeMap::new(),
            attached_to: attached_to.clone(),
        };
        for opened in open(&raw, &limits).unwrap_or_default() {
            if let Envelope::Signed(signed) = opened {
                assert!(!signed.signatures.is_empty() && !signed.statement.subjects.is_empty());
                assert_eq!(signed.payload, Digest::sha256(signed.payload_bytes()));
                assert!(signed.message.ends_with(signed.payload_bytes()));
            }
        }
    }
});
