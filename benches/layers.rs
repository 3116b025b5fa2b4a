//! What reading a layer costs, next to what cannot be saved: inflating it and hashing it twice.
//!
//! `floor` inflates and hashes with the libraries alone; `hallmark` reads the same bytes through `LayerReader` and `walk`.
//! The last line printed is the ratio of their throughputs.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

#[path = "timing/sized.rs"]
mod sized;

use std::{
    collections::BTreeMap,
    hint::black_box,
    io::{Read, Write},
    time::{Duration, Instant},
};

use criterion::{Criterion, Throughput};
use flate2::{Compression, bufread::MultiGzDecoder, write::GzEncoder};
use hallmark::{
    digest::{Algorithm, BlobDigest, DiffId, Hasher},
    image::{Descriptor, MediaType, layer::LayerReader, tar::walk},
    limits::Limits,
};
use sized::sized;

/// The program's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const FILES: usize = 20_000;
const FILE_BYTES: usize = 15_000;
const ROUNDS: usize = 5;

/// A layer of many files whose bytes shrink to about a half, as programs and texts do.
fn layer() -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut state = 1_u64;
    let mut content = vec![0; FILE_BYTES];
    for number in 0..sized(FILES) {
        for byte in &mut content {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            *byte = (state >> 60) as u8;
        }
        let mut header = tar::Header::new_ustar();
        header.set_size(FILE_BYTES as u64);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        let path = format!("usr/share/folder-{}/file-{number}", number % 100);
        builder.append_data(&mut header, path, content.as_slice()).unwrap();
    }
    builder.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn floor(stored: &[u8]) -> DiffId {
    let mut stored_hasher = Hasher::new(Algorithm::Sha256);
    stored_hasher.update(stored);
    black_box(stored_hasher.finish());
    let mut hasher = Hasher::new(Algorithm::Sha256);
    let mut inflated = MultiGzDecoder::new(stored);
    let mut buffer = vec![0; 64 << 10];
    loop {
        match inflated.read(&mut buffer).unwrap() {
            0 => return DiffId::new(hasher.finish()),
            read => hasher.update(&buffer[..read]),
        }
    }
}

fn hallmark(stored: &[u8], descriptor: &Descriptor) -> DiffId {
    let limits = Limits::default();
    let mut reader = LayerReader::new(stored, descriptor, &limits).unwrap();
    walked(&mut reader);
    reader.finish().unwrap()
}

fn walked(tar: impl Read) {
    let mut entries = 0;
    walk(tar, &Limits::default(), |_, _| {
        entries += 1;
        Ok(())
    })
    .unwrap();
    assert_eq!(entries, sized(FILES));
}

/// The fastest of some rounds: what the code costs, without what else the machine did.
fn best(mut run: impl FnMut()) -> Duration {
    let time = |()| {
        let start = Instant::now();
        run();
        start.elapsed()
    };
    std::iter::repeat_n((), ROUNDS).map(time).min().unwrap_or_default()
}

fn main() {
    let tar = layer();
    let stored = gzip(&tar);
    let descriptor = Descriptor {
        media_type: MediaType::new("application/vnd.oci.image.layer.v1.tar+gzip"),
        digest: BlobDigest::of(&stored),
        size: stored.len() as u64,
        platform: None,
        selective: false,
        artifact_type: None,
        annotations: BTreeMap::default(),
    };
    assert_eq!(floor(&stored), hallmark(&stored, &descriptor));

    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("layers");
    group.sample_size(10).throughput(Throughput::Bytes(tar.len() as u64));
    group.bench_function("floor", |b| b.iter(|| floor(&stored)));
    group.bench_function("hallmark", |b| b.iter(|| hallmark(&stored, &descriptor)));
    group.bench_function("walk", |b| b.iter(|| walked(tar.as_slice())));
    group.finish();

    let (floor, whole) =
        (best(|| drop(floor(&stored))), best(|| drop(hallmark(&stored, &descriptor))));
    let walk = best(|| walked(tar.as_slice()));
    let speed = |time: Duration| tar.len() as f64 / 1e6 / time.as_secs_f64();
    println!(
        "{:.0} MB in {} files: floor {:.0} MB/s, hallmark {:.0} MB/s, ratio {:.2}; walk alone {:.0} MB/s",
        tar.len() as f64 / 1e6,
        sized(FILES),
        speed(floor),
        speed(whole),
        floor.as_secs_f64() / whole.as_secs_f64(),
        speed(walk),
    );
}
