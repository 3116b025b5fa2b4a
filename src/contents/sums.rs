//! Checksums of every regular file, made while the layers pass by.
//!
//! Turns the bytes of each file into its SHA-256 and, where a database may ask for them, its MD5 (dpkg) and SHA-1 (apk).
//!
//! Which of the two a database will ask for is known only once its layer has passed, and the databases stand behind the
//! files that they own. For each megabyte inflating takes 2.2 ms (zlib-rs, x86-64 with SHA extensions), SHA-256 and SHA-1 0.5
//! each, and MD5 1.7: a second pass over the layers of a distribution costs more than all checksums of the first. So all is
//! made in the one pass, on a thread beside the one that inflates, which has less to do than that one and takes no time of it
//! while there are two cores. An algorithm is left out once a path has shown which package manager the image has, and it is
//! not that one's: `/etc` comes before `/usr` in the layers of every distribution. What is left out that way is asked for by
//! nobody, or told as not verified; it is never taken for verified. Where no thread can be had, the same is done in place.

use std::{
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread::JoinHandle,
};

use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};
use md5::Md5;
use sha2::{Digest as _, Sha256};

use super::{claims::Checksum, kinds::Kind};
use crate::image::collect::{Collector, Seen};

/// Bytes that are handed to the thread at a time.
const BATCH_BYTES: usize = 256 << 10;
/// Batches that wait for the thread, at most.
const BATCHES: usize = 8;
/// What the checksums of one file take in memory.
const FILE_BYTES: u64 = size_of::<FileSums>() as u64;

/// Checksums of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSums {
    /// Number of the file, as its nodes have it.
    pub inode: u64,
    /// What it is, by its first bytes.
    pub kind: Kind,
    /// SHA-256.
    pub sha256: [u8; 32],
    /// MD5, where dpkg may ask for it.
    pub md5: Option<[u8; 16]>,
    /// SHA-1, where apk may ask for it.
    pub sha1: Option<[u8; 20]>,
}

impl FileSums {
    /// Whether the file has this checksum; `None` where its algorithm was left out.
    pub(super) fn fits(&self, sum: &Checksum) -> Option<bool> {
        match sum {
            Checksum::Sha256(sum) => Some(*sum == self.sha256),
            Checksum::Md5(sum) => self.md5.map(|own| own == *sum),
            Checksum::Sha1(sum) => self.sha1.map(|own| own == *sum),
        }
    }
}

/// Checksums of all files, by number.
#[derive(Debug, Default)]
pub struct Sums(Vec<FileSums>);

impl Sums {
    /// The checksums of a file.
    pub(super) fn get(&self, inode: u64) -> Option<&FileSums> {
        let at = self.0.binary_search_by_key(&inode, |one| one.inode).ok()?;
        self.0.get(at)
    }
}

/// Algorithms beside SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Wanted {
    md5: bool,
    sha1: bool,
}

/// Which package managers paths have shown.
#[derive(Debug, Clone, Copy, Default)]
struct Managers {
    dpkg: bool,
    apk: bool,
    rpm: bool,
}

impl Managers {
    fn see(&mut self, path: &str) {
        const DPKG: [&str; 4] =
            ["/etc/debian_version", "/etc/dpkg/", "/etc/apt/", "/var/lib/dpkg/"];
        const APK: [&str; 4] = ["/etc/alpine-release", "/etc/apk/", "/lib/apk/", "/usr/lib/apk/"];
        const RPM: [&str; 5] = [
            "/etc/redhat-release",
            "/etc/rpm/",
            "/etc/yum.repos.d/",
            "/usr/lib/sysimage/rpm/",
            "/var/lib/rpm/",
        ];
        let shows = |marks: &[&str]| marks.iter().any(|mark| path.starts_with(mark));
        self.dpkg |= shows(&DPKG);
        self.apk |= shows(&APK);
        self.rpm |= shows(&RPM);
    }

    /// Both, until one has shown itself.
    fn wanted(self) -> Wanted {
        let unknown = !(self.dpkg || self.apk || self.rpm);
        Wanted { md5: self.dpkg || unknown, sha1: self.apk || unknown }
    }
}

/// What the thread is told, in order.
#[derive(Debug)]
enum Order {
    Begin {
        inode: u64,
        kind: Kind,
        wanted: Wanted,
    },
    /// So many of the bytes belong to the file that was begun.
    Bytes(usize),
}

/// Orders with their bytes.
#[derive(Debug, Default)]
struct Batch {
    orders: Vec<Order>,
    bytes: Vec<u8>,
}

impl Batch {
    /// Keeps the memory.
    fn clear(&mut self) {
        self.orders.clear();
        self.bytes.clear();
    }
}

/// Whoever hashes.
#[derive(Debug)]
enum Worker {
    Thread(SyncSender<Batch>, Receiver<Batch>, JoinHandle<Vec<FileSums>>),
    Here(Box<Hashing>),
}

/// Hashes every regular file.
#[derive(Debug)]
pub struct SumsCollector {
    managers: Managers,
    /// Whether SHA-1 is computed, whichever databases there are.
    sha1: bool,
    batch: Batch,
    worker: Worker,
    files: u64,
}

impl Default for SumsCollector {
    fn default() -> Self {
        Self::new()
    }
}

impl SumsCollector {
    /// Nothing is hashed yet.
    pub fn new() -> Self {
        let (sender, receiver) = sync_channel(BATCHES);
        let (emptied, spare) = sync_channel(BATCHES);
        let thread = std::thread::Builder::new().name("hashing files".to_owned());
        let worker = match thread.spawn(move || hash(&receiver, &emptied)) {
            Ok(handle) => Worker::Thread(sender, spare, handle),
            Err(_) => Worker::Here(Box::default()),
        };
        let (managers, batch) = (Managers::default(), Batch::default());
        Self { managers, sha1: false, batch, worker, files: 0 }
    }

    /// The same, with the SHA-1 of every file: formats ask for it.
    #[must_use]
    pub fn with_sha1(self) -> Self {
        Self { sha1: true, ..self }
    }

    /// The checksums of all files that passed; none of any where the thread was lost.
    pub fn finish(mut self) -> Sums {
        self.hand_over();
        let mut sums = match self.worker {
            Worker::Thread(sender, _, handle) => {
                drop(sender);
                handle.join().unwrap_or_default()
            }
            Worker::Here(hashing) => hashing.finish(),
        };
        sums.sort_by_key(|one| one.inode);
        Sums(sums)
    }

    fn hand_over(&mut self) {
        match &mut self.worker {
            Worker::Thread(sender, spare, _) => {
                let empty = spare.try_recv().unwrap_or_default();
                // A thread that is gone answers nothing in the end, which is no checksum.
                drop(sender.send(std::mem::replace(&mut self.batch, empty)));
            }
            Worker::Here(hashing) => {
                hashing.take(&self.batch);
                self.batch.clear();
            }
        }
    }
}

impl Collector for SumsCollector {
    fn wants(&mut self, file: &Seen<'_>) -> bool {
        self.managers.see(file.path);
        let (inode, kind, wanted) =
            (file.inode, Kind::of(file.path, file.head), self.managers.wanted());
        let wanted = Wanted { sha1: wanted.sha1 || self.sha1, ..wanted };
        self.batch.orders.push(Order::Begin { inode, kind, wanted });
        self.files += 1;
        true
    }

    fn take(&mut self, bytes: &[u8]) {
        self.batch.orders.push(Order::Bytes(bytes.len()));
        self.batch.bytes.extend_from_slice(bytes);
        if self.batch.bytes.len() >= BATCH_BYTES {
            self.hand_over();
        }
    }

    fn close(&mut self) {
        if self.batch.orders.len() >= BATCH_BYTES / size_of::<Order>() {
            self.hand_over();
        }
    }

    fn held(&self) -> u64 {
        let batches = (BATCHES + 2) as u64 * 2 * BATCH_BYTES as u64;
        batches.saturating_add(self.files.saturating_mul(FILE_BYTES))
    }
}

/// Hashes batches until there are no more, and gives them back empty.
fn hash(batches: &Receiver<Batch>, emptied: &SyncSender<Batch>) -> Vec<FileSums> {
    let mut hashing = Hashing::default();
    while let Ok(mut batch) = batches.recv() {
        hashing.take(&batch);
        batch.clear();
        // Nobody waits for it: what is not taken back is freed.
        drop(emptied.try_send(batch));
    }
    hashing.finish()
}

/// The checksums so far, and the file that is being read.
#[derive(Default)]
struct Hashing {
    done: Vec<FileSums>,
    open: Option<OpenFile>,
}

impl std::fmt::Debug for Hashing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hashing").field("done", &self.done.len()).finish_non_exhaustive()
    }
}

/// The checksums of one file that a collector reads by itself, by every algorithm.
pub(super) struct FileHash(OpenFile);

impl std::fmt::Debug for FileHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileHash").field("inode", &self.0.inode).finish_non_exhaustive()
    }
}

impl FileHash {
    /// Of the file with this number, of which nothing was read yet.
    pub(super) fn new(file: &Seen<'_>) -> Self {
        let kind = Kind::of(file.path, file.head);
        Self(OpenFile::new(file.inode, kind, Wanted { md5: true, sha1: true }))
    }

    /// Takes the next bytes.
    pub(super) fn take(&mut self, bytes: &[u8]) {
        self.0.take(bytes);
    }

    /// The checksums.
    pub(super) fn finish(self) -> FileSums {
        self.0.finish()
    }
}

struct OpenFile {
    inode: u64,
    kind: Kind,
    sha256: Sha256,
    md5: Option<Md5>,
    sha1: Option<Context>,
}

impl OpenFile {
    fn new(inode: u64, kind: Kind, wanted: Wanted) -> Self {
        let sha1 = wanted.sha1.then(|| Context::new(&SHA1_FOR_LEGACY_USE_ONLY));
        let md5 = wanted.md5.then(Md5::new);
        Self { inode, kind, sha256: Sha256::new(), md5, sha1 }
    }

    fn take(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        self.md5.iter_mut().for_each(|md5| md5.update(bytes));
        self.sha1.iter_mut().for_each(|sha1| sha1.update(bytes));
    }

    fn finish(self) -> FileSums {
        let Self { inode, kind, sha256, md5, sha1 } = self;
        let sha1 = sha1.and_then(|sha1| sha1.finish().as_ref().try_into().ok());
        let md5 = md5.map(|md5| md5.finalize().into());
        FileSums { inode, kind, sha256: sha256.finalize().into(), md5, sha1 }
    }
}

impl Hashing {
    fn take(&mut self, batch: &Batch) {
        let mut rest = batch.bytes.as_slice();
        for order in &batch.orders {
            match order {
                Order::Begin { inode, kind, wanted } => {
                    self.close();
                    self.open = Some(OpenFile::new(*inode, *kind, *wanted));
                }
                Order::Bytes(length) => {
                    let (bytes, after) = rest.split_at_checked(*length).unwrap_or((rest, &[]));
                    rest = after;
                    if let Some(open) = &mut self.open {
                        open.take(bytes);
                    }
                }
            }
        }
    }

    fn close(&mut self) {
        self.done.extend(self.open.take().map(OpenFile::finish));
    }

    fn finish(mut self) -> Vec<FileSums> {
        self.close();
        self.done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hashed(files: &[(&str, &[u8])]) -> Sums {
        let mut collector = SumsCollector::new();
        for (inode, (path, bytes)) in (1..).zip(files) {
            let head = bytes.get(..512).unwrap_or(bytes);
            assert!(collector.wants(&Seen { inode, head, ..Seen::named(path) }));
            bytes.chunks(1000).for_each(|chunk| collector.take(chunk));
            collector.close();
        }
        collector.finish()
    }

    #[test]
    fn every_file_has_its_checksums() {
        let large = vec![7; 3 * BATCH_BYTES + 11];
        let sums = hashed(&[("/a", b""), ("/b", b"abc"), ("/c", &large)]);
        for (inode, bytes) in [(1, &b""[..]), (2, b"abc"), (3, &large)] {
            let own = sums.get(inode).unwrap();
            assert_eq!(own.sha256, <[u8; 32]>::from(Sha256::digest(bytes)));
            assert_eq!(own.md5, Some(Md5::digest(bytes).into()));
        }
        let sha1 = sums.get(2).unwrap().sha1.map(hex::encode);
        assert_eq!(sha1.as_deref(), Some("a9993e364706816aba3e25717850c26c9cd0d89d"));
        assert_eq!(sums.get(4), None);
    }

    #[test]
    fn a_package_manager_that_shows_itself_spares_the_algorithms_of_others() {
        let cases: [(&[&str], (bool, bool)); 6] = [
            (&["/bin/x"], (true, true)),
            (&["/etc/debian_version", "/usr/bin/x"], (true, false)),
            (&["/etc/apk/world", "/usr/bin/x"], (false, true)),
            (&["/etc/redhat-release", "/usr/bin/x"], (false, false)),
            (&["/etc/redhat-release", "/var/lib/dpkg/status", "/usr/bin/x"], (true, false)),
            (&["/etc/apk/world", "/etc/dpkg/x", "/usr/bin/x"], (true, true)),
        ];
        for (paths, want) in cases {
            let files: Vec<_> = paths.iter().map(|path| (*path, b"x".as_slice())).collect();
            let sums = hashed(&files);
            let last = sums.get(paths.len() as u64).unwrap();
            assert_eq!((last.md5.is_some(), last.sha1.is_some()), want, "{paths:?}");
        }
    }
}
