//! A stored layer: inflating and walking never panic and stay within the limits.
#![no_main]

use std::collections::BTreeMap;

use hallmark::{
    digest::BlobDigest,
    image::{Descriptor, MediaType, layer::LayerReader, rootfs::RootfsBuilder},
    limits::Limits,
};
use libfuzzer_sys::fuzz_target;

const KINDS: [&str; 3] = ["", "+gzip", "+zstd"];

fuzz_target!(|input: (u8, &[u8])| {
    let (kind, stored) = input;
    let suffix = KINDS[usize::from(kind) % KINDS.len()];
    let descriptor = Descriptor {
        media_type: MediaType::new(&format!("application/vnd.oci.image.layer.v1.tar{suffix}")),
        digest: BlobDigest::of(stored),
        size: stored.len() as u64,
        platform: None,
        selective: false,
        artifact_type: None,
        annotations: BTreeMap::new(),
    };
    let limits = Limits { layer_inflated_bytes: 4 << 20, ..Limits::default() };
    let Ok(mut reader) = LayerReader::new(stored, &descriptor, &limits) else { return };
    let mut rootfs = RootfsBuilder::new(&limits, |_| true);
    let added = rootfs.add_layer(0, &mut reader);
    if reader.finish().is_ok() && added.is_ok() {
        let rootfs = rootfs.finish();
        for path in rootfs.paths() {
            let _ = rootfs.file(path);
        }
    }
});
