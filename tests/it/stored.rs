//! Stored layers by media type and bytes, held against containerd's own code (attacks H18 and H64 of `docs/attacks.md`).
//!
//! Whatever hallmark reads, containerd unpacks to the same bytes; what it refuses, containerd refuses or other runtimes unpack to
//! something else, with the reason in the table. Needs the peer `runtime-judge`; without it the test says that it was skipped.

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};
use hallmark::{
    digest::BlobDigest,
    image::{Descriptor, MediaType, layer::LayerReader, rootfs::RootfsBuilder},
    limits::Limits,
};

use crate::layers::Judge;

const OCI: &str = "application/vnd.oci.image.layer.v1.tar";
const DOCKER: &str = "application/vnd.docker.image.rootfs.diff.tar";

/// Why hallmark refuses what containerd unpacks.
const STRICTER: &[(&str, &str)] = &[
    ("bzip2 name", "Docker and containers/storage take it for bzip2"),
    ("zstd or tar", "a tar for containers/storage"),
    ("zeros first", "what stands behind the end of a tar is seen by readers that go on"),
    ("cut", "GNU tar and others refuse what ends inside a block"),
];

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(6));
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).unwrap()
}

fn tar(name: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.set_size(1);
    header.set_mode(0o644);
    header.set_cksum();
    let mut content = [0; 512];
    content[0] = b'x';
    [header.as_bytes().as_slice(), &content, &[0; 1024]].concat()
}

/// Bytes by what they are called.
fn stored() -> Vec<(&'static str, Vec<u8>)> {
    let plain = tar(b"a");
    let (head, tail) = plain.split_at(700);
    let skippable = [0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4];
    let both = tar(&[&[0x50, 0x2a, 0x4d, 0x18][..], &2040_u32.to_le_bytes()].concat());
    vec![
        ("tar", plain.clone()),
        ("gzip", gzip(&plain)),
        ("gzip, two members", [gzip(head), gzip(tail)].concat()),
        ("gzip, then text", [gzip(&plain), b"text".to_vec()].concat()),
        ("gzip, then zeros", [gzip(&plain), vec![0; 512]].concat()),
        ("zstd", zstd(&plain)),
        ("zstd, two frames", [zstd(head), zstd(tail)].concat()),
        ("zstd, skippable first", [skippable.to_vec(), zstd(&plain)].concat()),
        ("zstd, then text", [zstd(&plain), b"text".to_vec()].concat()),
        ("zstd or tar", [both, zstd(&plain)].concat()),
        ("bzip2 name", tar(b"BZh91")),
        ("bzip2", b"BZh91AY&SY\x59\x9a\x64\x3e".to_vec()),
        ("xz", b"\xfd7zXZ\0\0\x04\xe6\xd6\xb4\x46\0\0".to_vec()),
        ("nothing", Vec::new()),
        ("zeros first", [vec![0; 1024], plain.clone()].concat()),
        ("a zero block first", [vec![0; 512], plain.clone()].concat()),
        ("no end", plain[..1024].to_vec()),
        ("cut", plain[..700].to_vec()),
        ("junk", vec![7; 2000]),
    ]
}

/// The diffID, where hallmark reads the layer to its end.
fn ours(media_type: &str, stored: &[u8]) -> Result<String, String> {
    let descriptor = Descriptor {
        media_type: MediaType::new(media_type),
        digest: BlobDigest::of(stored),
        size: stored.len() as u64,
        platform: None,
        selective: false,
        artifact_type: None,
        annotations: Default::default(),
    };
    let limits = Limits::default();
    let mut reader =
        LayerReader::new(stored, &descriptor, &limits).map_err(|error| error.to_string())?;
    let mut builder = RootfsBuilder::hashing(&limits);
    let added = builder.add_layer(0, &mut reader).map_err(|error| error.to_string());
    let diff_id = reader.finish().map_err(|error| error.to_string())?;
    added?;
    match builder.finish().ambiguities().first() {
        Some(ambiguity) => Err(ambiguity.why.to_owned()),
        None => Ok(diff_id.to_string()),
    }
}

#[test]
fn h18_h64_stored_layers_are_read_as_containerd_reads_them() {
    let Some(mut judge) = Judge::of_layers() else { return };
    let types = [
        OCI.to_owned(),
        format!("{OCI}+gzip"),
        format!("{OCI}+zstd"),
        DOCKER.to_owned(),
        format!("{DOCKER}.gzip"),
        format!("{DOCKER}.zstd"),
    ];
    let mut wrong = Vec::new();
    let mut read = 0;
    for media_type in &types {
        for (name, stored) in stored() {
            let theirs = judge.unpacked(media_type, &stored);
            let reason = STRICTER.iter().any(|(stricter, _)| *stricter == name);
            match (ours(media_type, &stored), theirs) {
                (Ok(ours), Ok(theirs)) if ours == theirs => read += 1,
                (Err(_), Err(_)) => {}
                (Err(_), Ok(_)) if reason => {}
                (ours, theirs) => {
                    wrong.push(format!("{media_type} {name}: {ours:?}, containerd {theirs:?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(read > 40, "{read}");
}
