//! What an inventory costs, next to what cannot be saved, inflating and hashing the layers, and next to syft.
//!
//! Makes an image of 300 MiB with packages of dpkg, Python and npm, whose files have the checksums that the packages recorded, in
//! a temporary folder, always the same bytes. `floor` inflates and hashes its layers with the libraries alone, one after the
//! other; `hallmark` and `syft` (`scripts/peers syft`, or `SYFT`) are the programs, from their start to their exit code. All three
//! run in turns. Prints the least time and processor time of each, the ratios, peak memory, and the load of the machine.
//! With `HALLMARK_BENCH_KEEP` set to a folder, the image is left there for other programs.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::panic)]

mod timing;

use std::{
    fmt::Write as _,
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use flate2::{Compression, write::GzEncoder};
use md5::Md5;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

const LAYERS: usize = 3;
const DEBS: usize = 400;
const WHEELS: usize = 150;
const MODULES: usize = 1200;
/// Files of a package of dpkg, and bytes of one; with both the image has its 300 MiB.
const DEB_FILES: usize = 12;
const FILE_BYTES: usize = 64 << 10;
const ROUNDS: usize = 5;

/// Bytes that shrink to about a half, as programs and texts do.
fn noise(seed: usize) -> Vec<u8> {
    let mut state = seed as u64 + 1;
    let words = (0..FILE_BYTES / 8).flat_map(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        ((state >> 13) & 0x0f0f_0f0f_0f0f_0f0f).to_le_bytes()
    });
    words.collect()
}

type Files = Vec<(String, Vec<u8>)>;

/// Packages of dpkg with their files, the database, and what it says of them.
fn debs() -> Files {
    let mut files = vec![("etc/os-release".to_owned(), b"ID=debian\nVERSION_ID=\"12\"\n".to_vec())];
    let mut status = String::new();
    for package in 0..DEBS {
        write!(
            status,
            "Package: package-{package}\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1.{package}-1\nDescription: bench\n\n"
        )
        .unwrap();
        let (mut list, mut sums) = ("/.\n".to_owned(), String::new());
        for file in 0..DEB_FILES {
            let (path, bytes) = (
                format!("usr/lib/package-{package}/lib{file}.so"),
                noise(package * DEB_FILES + file),
            );
            writeln!(list, "/{path}").unwrap();
            writeln!(sums, "{:x}  {path}", Md5::digest(&bytes)).unwrap();
            files.push((path, bytes));
        }
        let info = format!("var/lib/dpkg/info/package-{package}");
        files.push((format!("{info}.list"), list.into_bytes()));
        files.push((format!("{info}.md5sums"), sums.into_bytes()));
    }
    files.push(("var/lib/dpkg/status".to_owned(), status.into_bytes()));
    files
}

fn languages() -> Files {
    let site = "usr/local/lib/python3.11/site-packages";
    let wheels = (0..WHEELS).map(|at| {
        let text = format!("Metadata-Version: 2.1\nName: wheel-{at}\nVersion: 2.{at}\n");
        (format!("{site}/wheel_{at}-2.{at}.dist-info/METADATA"), text.into_bytes())
    });
    let modules = (0..MODULES).map(|at| {
        let text = format!(r#"{{"name":"module-{at}","version":"3.{at}.0","license":"MIT"}}"#);
        (format!("app/node_modules/module-{at}/package.json"), text.into_bytes())
    });
    wheels.chain(modules).collect()
}

struct Layer {
    file: PathBuf,
    digest: String,
    size: usize,
    diff_id: String,
}

fn sha256(bytes: &[u8]) -> String {
    format!("sha256:{:x}", Sha256::digest(bytes))
}

fn blob(layout: &Path, bytes: &[u8]) -> (String, usize, PathBuf) {
    let digest = sha256(bytes);
    let file = layout.join("blobs/sha256").join(digest.trim_start_matches("sha256:"));
    fs::write(&file, bytes).unwrap();
    (digest, bytes.len(), file)
}

fn layer(layout: &Path, files: &[(String, Vec<u8>)]) -> Layer {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(1_700_000_000);
        builder.append_data(&mut header, path, bytes.as_slice()).unwrap();
    }
    let tar = builder.into_inner().unwrap();
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(&tar).unwrap();
    let (digest, size, file) = blob(layout, &packed.finish().unwrap());
    Layer { file, digest, size, diff_id: sha256(&tar) }
}

/// Writes the image into a layout, and gives the files of its layers.
fn image(layout: &Path) -> Vec<PathBuf> {
    fs::create_dir_all(layout.join("blobs/sha256")).unwrap();
    fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    let (debs, languages) = (debs(), languages());
    let parts = debs.chunks(debs.len().div_ceil(LAYERS - 1)).chain([languages.as_slice()]);
    let layers: Vec<Layer> = parts.map(|files| layer(layout, files)).collect();
    let kind = "application/vnd.oci.image";
    let ids: Vec<&str> = layers.iter().map(|layer| layer.diff_id.as_str()).collect();
    let config = json!({"os": "linux", "architecture": "amd64", "config": {}, "rootfs": {"type": "layers", "diff_ids": ids}});
    let (config, config_size, _) = blob(layout, config.to_string().as_bytes());
    let stored: Vec<Value> = layers
        .iter()
        .map(|layer| json!({"mediaType": format!("{kind}.layer.v1.tar+gzip"), "digest": layer.digest, "size": layer.size}))
        .collect();
    let manifest = json!({"schemaVersion": 2, "mediaType": format!("{kind}.manifest.v1+json"), "layers": stored,
        "config": {"mediaType": format!("{kind}.config.v1+json"), "digest": config, "size": config_size}});
    let (digest, size, _) = blob(layout, manifest.to_string().as_bytes());
    let listed = json!({"mediaType": format!("{kind}.manifest.v1+json"), "digest": digest, "size": size,
        "platform": {"os": "linux", "architecture": "amd64"}});
    fs::write(
        layout.join("index.json"),
        json!({"schemaVersion": 2, "manifests": [listed]}).to_string(),
    )
    .unwrap();
    layers.into_iter().map(|layer| layer.file).collect()
}

/// Runs a program that has to succeed; gives the most memory that it held, in bytes.
fn run(command: &mut Command) -> u64 {
    let (status, peak) = timing::run(command);
    assert!(status.success(), "{command:?}: {status}");
    peak
}

fn hallmark(layout: &Path) -> u64 {
    let reference = format!("oci:{}", layout.display());
    let words = ["inventory", "--quiet", "-o", "json", "--platform", "linux/amd64"];
    run(Command::new(env!("CARGO_BIN_EXE_hallmark")).args(words).arg(reference))
}

fn syft(program: &Path, layout: &Path) -> u64 {
    let reference = format!("oci-dir:{}", layout.display());
    let words = ["scan", "--quiet", "-o", "json"];
    run(Command::new(program).args(words).arg(reference).env("SYFT_CHECK_FOR_APP_UPDATE", "false"))
}

/// The least that a program took.
struct Best {
    time: Duration,
    processors: Duration,
    peak: u64,
}

impl Best {
    fn new() -> Self {
        Self { time: Duration::MAX, processors: Duration::MAX, peak: 0 }
    }

    fn round(&mut self, run: impl FnOnce() -> u64) {
        let (time, processors, peak) = timing::measured(run);
        self.time = self.time.min(time);
        self.processors = self.processors.min(processors);
        self.peak = self.peak.max(peak);
    }

    fn times(&self) -> String {
        let [time, processors] = [self.time, self.processors].map(|time| time.as_secs_f64());
        format!("{time:>7.2} s, {processors:>6.2} s of processors")
    }

    fn against(&self, other: &Self) -> String {
        let of = |one: Duration, two: Duration| one.as_secs_f64() / two.as_secs_f64();
        let (time, processors) = (of(self.time, other.time), of(self.processors, other.processors));
        format!("{time:.2} and {processors:.2} of the line above")
    }
}

fn peer() -> Option<PathBuf> {
    let named = std::env::var_os("SYFT").map(PathBuf::from);
    let cache = std::env::var_os("HALLMARK_CACHE").map(PathBuf::from);
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache/hallmark"));
    let built = || Some(cache.or_else(home)?.join("peers/bin/syft"));
    named.or_else(built).filter(|program| program.is_file())
}

fn main() {
    // `cargo test --all-targets` runs this too, without optimisation: an image would be made and read for no figure at all.
    if !std::env::args().any(|argument| argument == "--bench") {
        println!("nothing is timed: run cargo bench --bench inventory");
        return;
    }
    let temporary = tempfile::tempdir().unwrap();
    let kept = std::env::var_os("HALLMARK_BENCH_KEEP").map(PathBuf::from);
    let layout = kept.as_deref().unwrap_or(temporary.path()).join("inventory");
    let (layers, peer) = (image(&layout), peer());
    let (mut floor, mut ours, mut other) = (Best::new(), Best::new(), Best::new());
    for _ in 0..ROUNDS {
        floor.round(|| {
            layers.iter().for_each(|layer| drop(timing::inflate(layer)));
            0
        });
        ours.round(|| hallmark(&layout));
        if let Some(program) = &peer {
            other.round(|| syft(program, &layout));
        }
    }
    println!("floor     {}", floor.times());
    println!("hallmark  {}  {}  {} MiB", ours.times(), ours.against(&floor), ours.peak >> 20);
    match peer {
        Some(_) => {
            println!(
                "syft      {}  {}  {} MiB",
                other.times(),
                other.against(&ours),
                other.peak >> 20
            );
        }
        None => println!("syft      not there; run scripts/peers syft"),
    }
    println!("load      {}", fs::read_to_string("/proc/loadavg").unwrap_or_default().trim());
}
