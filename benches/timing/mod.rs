//! Timing of programs, and the floor that they are held against.

use std::{
    fs::{self, File},
    io::{BufReader, Read as _},
    path::Path,
    process::{Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use flate2::bufread::MultiGzDecoder;
use hallmark::digest::{Algorithm, Digest, Hasher};

const BUFFER_BYTES: usize = 64 << 10;

/// How long something takes, and what it gives.
pub fn timed<T>(run: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let result = run();
    (start.elapsed(), result)
}

/// The same with the processor time that it spends, and that the programs do for which it waits: what else the machine does
/// makes it no longer.
#[allow(dead_code, reason = "not every bench looks at it")]
pub fn measured<T>(run: impl FnOnce() -> T) -> (Duration, Duration, T) {
    let before = spent();
    let (time, result) = timed(run);
    (time, spent().saturating_sub(before), result)
}

/// Processor time so far, in steps of 10 ms (proc(5), `/proc/pid/stat`).
fn spent() -> Duration {
    let text = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = text.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
    // utime, stime, cutime and cstime, which are the fields 14 to 17 of the whole line.
    let ticks = fields.skip(11).take(4).filter_map(|word| word.parse::<u64>().ok()).sum::<u64>();
    Duration::from_millis(ticks * 10)
}

/// Runs a program, its output thrown away; gives how it ended, and the most memory that it held, in bytes.
pub fn run(command: &mut Command) -> (ExitStatus, u64) {
    let mut child = command.stdout(Stdio::null()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    loop {
        // The kernel keeps the mark: the last look before the end sees all but what the very last moment took.
        let text = fs::read_to_string(&status).unwrap_or_default();
        let mark = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = mark.and_then(|mark| mark.split_whitespace().next()?.parse::<u64>().ok());
        peak = peak.max(kib.unwrap_or(0) * 1024);
        if let Some(status) = child.try_wait().unwrap() {
            return (status, peak);
        }
        thread::sleep(Duration::from_millis(2));
    }
}

/// Inflates a layer and hashes what comes out, with the libraries alone.
pub fn inflate(layer: &Path) -> Digest {
    let file = BufReader::with_capacity(BUFFER_BYTES, File::open(layer).unwrap());
    let mut inflated = MultiGzDecoder::new(file);
    let mut hasher = Hasher::new(Algorithm::Sha256);
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        match inflated.read(&mut buffer).unwrap() {
            0 => return hasher.finish(),
            count => hasher.update(&buffer[..count]),
        }
    }
}
