//! Sigstore bundles and cosign's simple signing with its annotations: reading never panics.
#![no_main]

use bytes::Bytes;
use hallmark::{
    attest::{Carrier, Raw, open},
    digest::ManifestDigest,
    image::MediaType,
    limits::Limits,
};
use libfuzzer_sys::fuzz_target;

const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const ANNOTATIONS: [&str; 5] = [
    "dev.cosignproject.cosign/signature",
    "dev.sigstore.cosign/certificate",
    "dev.sigstore.cosign/chain",
    "dev.sigstore.cosign/bundle",
    "dev.sigstore.cosign/rfc3161timestamp",
];

fuzz_target!(|data: &[u8]| {
    let limits = Limits::default();
    let annotation = String::from_utf8_lossy(data);
    for media_type in [BUNDLE, MediaType::SIMPLE_SIGNING] {
        let raw = Raw {
            carrier: Carrier::File { path: "/a".to_owned(), layer: 0 },
            media_type: MediaType::new(media_type),
            bytes: Bytes::copy_from_slice(data),
            annotations: ANNOTATIONS.map(|key| (key.to_owned(), annotation.to_string())).into(),
            attached_to: ManifestDigest::of(b"image"),
        };
        let _ = open(&raw, &limits);
    }
});
