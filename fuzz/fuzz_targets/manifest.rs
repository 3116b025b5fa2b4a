//! Index, manifest and configuration: parsing never panics.
#![no_main]

use bytes::Bytes;
use hallmark::{
    digest::{ConfigDigest, ManifestDigest},
    image::{Checked, Document, ImageConfig},
    limits::Limits,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let bytes = Bytes::copy_from_slice(data);
    let limits = Limits::default();
    let manifest = Checked::new("manifest", ManifestDigest::of(data), bytes.clone());
    let _ = manifest.and_then(|manifest| Document::parse(manifest, None, &limits));
    let config = Checked::new("config", ConfigDigest::of(data), bytes);
    let _ = config.and_then(|config| ImageConfig::parse(config, &limits));
});
