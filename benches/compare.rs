//! What comparing two images costs, next to what cannot be saved: inflating and hashing the layers that differ.
//!
//! Makes pairs of images of one GiB each with one changed layer, in a temporary folder, always the same bytes. `floor`
//! inflates the bytes of the changed layers and hashes what comes out, both sides at the same time, with the libraries
//! alone; `hallmark` is the program, from its start to its exit code. Prints time, ratio and peak memory of each pair.
//! With `HALLMARK_BENCH_KEEP` set to a folder, the images are left there for other programs.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::panic)]

mod timing;

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::Duration,
};

use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use timing::timed;

const IMAGE_BYTES: usize = 1 << 30;
const ROUNDS: usize = 5;

/// A pair of images to compare.
struct Pair {
    name: &'static str,
    layers: usize,
    file_bytes: usize,
    /// What the right image has otherwise.
    change: Change,
}

#[derive(Clone, Copy, PartialEq)]
enum Change {
    /// Nothing in the layers: one image under two configurations.
    Nothing,
    /// One byte of one file in the middle of the last layer.
    OneByte,
    /// The time of every file of the last layer.
    EveryTime,
}

const PAIRS: [Pair; 5] = [
    Pair { name: "no layer", layers: 4, file_bytes: 64 << 10, change: Change::Nothing },
    Pair {
        name: "a byte in 1 of 4 layers",
        layers: 4,
        file_bytes: 64 << 10,
        change: Change::OneByte,
    },
    Pair {
        name: "a byte in the only layer",
        layers: 1,
        file_bytes: 64 << 10,
        change: Change::OneByte,
    },
    Pair {
        name: "a byte among small files",
        layers: 1,
        file_bytes: 5 << 10,
        change: Change::OneByte,
    },
    Pair {
        name: "every time in the only layer",
        layers: 1,
        file_bytes: 64 << 10,
        change: Change::EveryTime,
    },
];

/// Bytes that shrink to about a half, as programs and texts do.
struct Noise(u64);

impl Noise {
    fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let word = (self.0 >> 13) & 0x0f0f_0f0f_0f0f_0f0f;
            chunk.copy_from_slice(&word.to_le_bytes()[..chunk.len()]);
        }
    }
}

/// Hashes what goes through.
struct Hashing<W> {
    inner: W,
    hasher: Sha256,
    count: usize,
}

impl<W: Write> Hashing<W> {
    fn new(inner: W) -> Self {
        Self { inner, hasher: Sha256::new(), count: 0 }
    }

    fn finish(self) -> (W, String, usize) {
        (self.inner, format!("sha256:{:x}", self.hasher.finalize()), self.count)
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.count += written;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.inner.flush()
    }
}

struct Layer {
    file: PathBuf,
    digest: String,
    size: usize,
    diff_id: String,
}

/// Writes one layer into the layout.
fn layer(layout: &Path, pair: &Pair, number: usize, change: Change) -> Layer {
    let partial = layout.join(format!("partial-{number}"));
    let stored = Hashing::new(File::create(&partial).unwrap());
    let packed = Hashing::new(GzEncoder::new(stored, Compression::fast()));
    let mut builder = tar::Builder::new(packed);
    let mut noise = Noise(number as u64 + 1);
    let mut content = vec![0; pair.file_bytes];
    let files = IMAGE_BYTES / pair.layers / pair.file_bytes;
    for file in 0..files {
        noise.fill(&mut content);
        if change == Change::OneByte && file == files / 2 {
            content[100] ^= 1;
        }
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(if change == Change::EveryTime { 1_700_000_001 } else { 1_700_000_000 });
        let path = format!("usr/share/folder-{}/file-{number}-{file}", file % 100);
        builder.append_data(&mut header, path, content.as_slice()).unwrap();
    }
    let (packed, diff_id, _) = builder.into_inner().unwrap().finish();
    let (_, digest, size) = packed.finish().unwrap().finish();
    let file = blob_path(layout, &digest);
    fs::rename(partial, &file).unwrap();
    Layer { file, digest, size, diff_id }
}

fn blob_path(layout: &Path, digest: &str) -> PathBuf {
    layout.join("blobs/sha256").join(digest.trim_start_matches("sha256:"))
}

fn blob(layout: &Path, value: &Value) -> (String, usize) {
    let bytes = value.to_string().into_bytes();
    let digest = format!("sha256:{:x}", Sha256::digest(&bytes));
    fs::write(blob_path(layout, &digest), &bytes).unwrap();
    (digest, bytes.len())
}

/// Writes both images into one layout, tagged `left` and `right`, and gives the layers that differ.
fn write_pair(layout: &Path, pair: &Pair) -> Vec<[PathBuf; 2]> {
    fs::create_dir_all(layout.join("blobs/sha256")).unwrap();
    fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    let left: Vec<Layer> = thread::scope(|scope| {
        let layers =
            (0..pair.layers).map(|n| scope.spawn(move || layer(layout, pair, n, Change::Nothing)));
        layers.collect::<Vec<_>>().into_iter().map(|layer| layer.join().unwrap()).collect()
    });
    let last = pair.layers - 1;
    let changed = (pair.change != Change::Nothing).then(|| layer(layout, pair, last, pair.change));
    let right: Vec<&Layer> =
        left.iter().take(last).chain([changed.as_ref().unwrap_or(&left[last])]).collect();
    let manifests = [("left", left.iter().collect::<Vec<_>>()), ("right", right)];
    let entries: Vec<Value> =
        manifests.iter().map(|(tag, layers)| image(layout, tag, layers)).collect();
    fs::write(
        layout.join("index.json"),
        json!({"schemaVersion": 2, "manifests": entries}).to_string(),
    )
    .unwrap();
    changed.iter().map(|changed| [left[last].file.clone(), changed.file.clone()]).collect()
}

fn image(layout: &Path, tag: &str, layers: &[&Layer]) -> Value {
    let ids: Vec<&str> = layers.iter().map(|layer| layer.diff_id.as_str()).collect();
    let (config, config_size) = blob(
        layout,
        &json!({"os": "linux", "architecture": "amd64", "author": tag, "config": {},
            "rootfs": {"type": "layers", "diff_ids": ids}}),
    );
    let kind = "application/vnd.oci.image";
    let layers: Vec<Value> = layers
        .iter()
        .map(|layer| json!({"mediaType": format!("{kind}.layer.v1.tar+gzip"), "digest": layer.digest, "size": layer.size}))
        .collect();
    let (digest, size) = blob(
        layout,
        &json!({"schemaVersion": 2, "mediaType": format!("{kind}.manifest.v1+json"), "layers": layers,
            "config": {"mediaType": format!("{kind}.config.v1+json"), "digest": config, "size": config_size}}),
    );
    json!({"mediaType": format!("{kind}.manifest.v1+json"), "digest": digest, "size": size,
        "platform": {"os": "linux", "architecture": "amd64"},
        "annotations": {"org.opencontainers.image.ref.name": tag}})
}

/// Inflates and hashes the layers that differ, both sides at the same time.
fn floor(changed: &[[PathBuf; 2]]) {
    thread::scope(|scope| {
        for side in 0..2 {
            let layers = changed.iter().map(move |pair| &pair[side]);
            scope.spawn(move || layers.for_each(|layer| drop(timing::inflate(layer))));
        }
    });
}

/// Runs the program; gives its exit code and the most memory that it held, in bytes.
fn hallmark(layout: &Path) -> (i32, u64) {
    let reference = |tag: &str| format!("oci:{}:{tag}", layout.display());
    let words = ["diff", "--quiet", "--platform", "linux/amd64"];
    let images = [reference("left"), reference("right")];
    let mut command = Command::new(env!("CARGO_BIN_EXE_hallmark"));
    let (status, peak) = timing::run(command.args(words).args(images));
    (status.code().unwrap(), peak)
}

fn main() {
    // `cargo test --all-targets` runs this too, without optimisation: gigabytes would be compared for no figure at all.
    if !std::env::args().any(|argument| argument == "--bench") {
        println!("nothing is timed: run cargo bench --bench compare");
        return;
    }
    let temporary = tempfile::tempdir().unwrap();
    let kept = std::env::var_os("HALLMARK_BENCH_KEEP").map(PathBuf::from);
    let folder = kept.as_deref().unwrap_or(temporary.path());
    println!(
        "{:30} {:>8} {:>9} {:>6} {:>9}",
        "what differs", "floor s", "hallmark s", "ratio", "peak MiB"
    );
    for (number, pair) in PAIRS.iter().enumerate() {
        let layout = folder.join(format!("pair-{number}"));
        let changed = write_pair(&layout, pair);
        // Side by side in turns, so that what else the machine does falls on both; the fastest of each counts.
        let (mut best_floor, mut best, mut peak) = (Duration::MAX, Duration::MAX, 0);
        for _ in 0..ROUNDS {
            best_floor = best_floor.min(timed(|| floor(&changed)).0);
            let (time, (code, memory)) = timed(|| hallmark(&layout));
            assert_eq!(code, 1, "{}: such images are no reproduction", pair.name);
            (best, peak) = (best.min(time), peak.max(memory));
        }
        let ratio = match pair.change {
            Change::Nothing => "-".to_owned(),
            _ => format!("{:.2}", best.as_secs_f64() / best_floor.as_secs_f64()),
        };
        let (floor, best) = (best_floor.as_secs_f64(), best.as_secs_f64());
        println!("{:30} {floor:>8.2} {best:>9.2} {ratio:>6} {:>9}", pair.name, peak >> 20);
        if kept.is_none() {
            fs::remove_dir_all(&layout).unwrap();
        }
    }
}
