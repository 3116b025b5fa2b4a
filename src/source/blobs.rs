//! Blobs on disk.
//!
//! Turns a stream from a registry into a file that is known to hash to its descriptor, and gives blobs in folders and
//! archives the same face. A [`Blob`] can be opened any number of times; [`Blob::open`] checks the digest again while
//! it is read, because a layout on disk belongs to somebody else.

use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::{
    digest::Hasher,
    image::{Descriptor, FormatError},
    progress::Work,
    scratch::Scratch,
};

/// A folder that holds fetched blobs for the length of one run; removed with it.
#[derive(Debug)]
pub struct Spool {
    folder: Folder,
    work: Arc<Work>,
    turn: tokio::sync::Mutex<()>,
}

/// A folder of its own, or one inside another job's, which goes with that.
#[derive(Debug)]
enum Folder {
    Own(Scratch),
    Inside(tempfile::TempDir),
}

impl Spool {
    /// A new folder in the system's place for temporary files.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn temporary() -> io::Result<Self> {
        Ok(Self::of(Folder::Own(Scratch::new(None)?)))
    }

    /// A new folder in `parent`.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn inside(parent: &Path) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("hallmark-").tempdir_in(parent)?;
        Ok(Self::of(Folder::Inside(folder)))
    }

    fn of(folder: Folder) -> Self {
        let turn = tokio::sync::Mutex::default();
        Self { folder, work: Work::new("fetching layers"), turn }
    }

    /// For fetches that would otherwise bring the same blob at the same time.
    pub(super) async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// Counts what comes in; whoever fetches says how much will.
    pub fn work(&self) -> Arc<Work> {
        Arc::clone(&self.work)
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        match &self.folder {
            Folder::Own(folder) => folder.path(),
            Folder::Inside(folder) => folder.path(),
        }
    }

    /// Whether an earlier fetch left the blob.
    pub(super) fn has(&self, descriptor: &Descriptor) -> bool {
        fs::metadata(self.file_of(descriptor)).is_ok_and(|file| file.len() == descriptor.size)
    }

    /// The blob, where an earlier fetch left it.
    pub(super) fn kept(&self, descriptor: &Descriptor) -> Option<Blob> {
        if !self.has(descriptor) {
            return None;
        }
        self.work.count(descriptor.size);
        let (path, size) = (self.file_of(descriptor), descriptor.size);
        Some(Blob::new(Place { path, offset: 0, size }, descriptor.clone()))
    }

    /// A writer for this blob. What it has taken in becomes visible only when it is whole.
    pub(super) fn writer(&self, descriptor: &Descriptor) -> io::Result<SpoolWriter> {
        let partial = tempfile::NamedTempFile::new_in(self.path())?;
        Ok(SpoolWriter {
            partial,
            path: self.file_of(descriptor),
            hasher: Hasher::new(descriptor.digest.digest().algorithm()),
            written: 0,
            descriptor: descriptor.clone(),
            work: self.work(),
        })
    }

    fn file_of(&self, descriptor: &Descriptor) -> PathBuf {
        let digest = descriptor.digest.digest();
        self.path().join(format!("{}-{}", digest.algorithm().name(), digest.hex()))
    }
}

/// A blob on its way into the spool.
pub(super) struct SpoolWriter {
    partial: tempfile::NamedTempFile,
    path: PathBuf,
    hasher: Hasher,
    written: u64,
    descriptor: Descriptor,
    work: Arc<Work>,
}

/// Why a blob did not get into the spool.
#[derive(Debug, thiserror::Error)]
pub(super) enum SpoolError {
    /// The disk.
    #[error("the blob cannot be written to {path}: {error}")]
    Disk { path: PathBuf, error: io::Error },
    /// The bytes.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The writing thread ended before it was done.
    #[error("the thread that writes blobs ended early")]
    Ended,
}

impl SpoolWriter {
    /// Takes everything from `chunks` and keeps it if it is what the descriptor says. Hashing and writing block, so
    /// this runs on a thread of its own.
    pub(super) fn take_all(
        mut self,
        mut chunks: mpsc::Receiver<Bytes>,
    ) -> Result<Option<Blob>, SpoolError> {
        while let Some(chunk) = chunks.blocking_recv() {
            if chunk.is_empty() {
                // The sender's mark for a whole body; a channel that closes without it was cut off.
                return self.finish().map(Some);
            }
            self.take(&chunk)?;
        }
        // It may be tried again.
        self.work.take_back(self.written);
        Ok(None)
    }

    fn take(&mut self, chunk: &[u8]) -> Result<(), SpoolError> {
        self.written = self.written.saturating_add(chunk.len() as u64);
        self.work.count(chunk.len() as u64);
        if self.written > self.descriptor.size {
            return Err(size_error(&self.descriptor, self.written).into());
        }
        self.hasher.update(chunk);
        self.partial
            .write_all(chunk)
            .map_err(|error| SpoolError::Disk { path: self.path.clone(), error })
    }

    fn finish(self) -> Result<Blob, SpoolError> {
        if self.written != self.descriptor.size {
            return Err(size_error(&self.descriptor, self.written).into());
        }
        check_digest(self.hasher, &self.descriptor)?;
        self.partial
            .persist(&self.path)
            .map_err(|e| SpoolError::Disk { path: self.path.clone(), error: e.error })?;
        let place = Place { path: self.path, offset: 0, size: self.written };
        Ok(Blob::new(place, self.descriptor))
    }
}

fn size_error(descriptor: &Descriptor, found: u64) -> FormatError {
    FormatError::Size { what: "blob", expected: descriptor.size, found }
}

fn check_digest(hasher: Hasher, descriptor: &Descriptor) -> Result<(), FormatError> {
    let (expected, found) = (descriptor.digest.digest(), hasher.finish());
    if *expected == found {
        return Ok(());
    }
    Err(FormatError::Digest { what: "blob", expected: expected.clone(), found })
}

/// Bytes in a file: the whole of it, or one member of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) path: PathBuf,
    /// First byte, counted from the start of the file.
    pub(super) offset: u64,
    /// Number of bytes.
    pub(super) size: u64,
}

impl Place {
    /// A reader over exactly these bytes.
    pub(super) fn reader(&self) -> io::Result<io::Take<File>> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(self.offset))?;
        Ok(file.take(self.size))
    }

    /// The bytes, if there are at most `limit_bytes` of them.
    pub(super) fn read(&self, limit_bytes: usize) -> io::Result<Option<Bytes>> {
        let mut bytes = Vec::new();
        self.reader()?.take((limit_bytes as u64).saturating_add(1)).read_to_end(&mut bytes)?;
        Ok((bytes.len() <= limit_bytes).then(|| bytes.into()))
    }
}

/// A blob that can be opened more than once.
#[derive(Debug, Clone)]
pub struct Blob {
    place: Place,
    descriptor: Descriptor,
}

impl Blob {
    pub(super) fn new(place: Place, descriptor: Descriptor) -> Self {
        Self { place, descriptor }
    }

    /// What the blob is.
    pub fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    /// A reader that fails, at the end at the latest, if the bytes are not those of the descriptor. What was computed
    /// from it counts only when it has come to its end without an error.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn open(&self) -> io::Result<BlobReader> {
        Ok(BlobReader {
            stored: self.stored()?,
            state: Some(Hasher::new(self.descriptor.digest.digest().algorithm())),
            read: 0,
            descriptor: self.descriptor.clone(),
        })
    }

    /// The stored bytes without a check, for readers that check themselves, as [`image::layer`](crate::image::layer)
    /// does: a layer need not be hashed twice.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn stored(&self) -> io::Result<StoredReader> {
        self.place.reader().map(StoredReader)
    }
}

/// The bytes of a [`Blob`], unchecked.
#[derive(Debug)]
pub struct StoredReader(io::Take<File>);

impl Read for StoredReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

/// The bytes of a [`Blob`], checked while they are read.
pub struct BlobReader {
    stored: StoredReader,
    /// `None` once the end was reached and the digest was right.
    state: Option<Hasher>,
    read: u64,
    descriptor: Descriptor,
}

impl Read for BlobReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let count = self.stored.read(buffer)?;
        self.read = self.read.saturating_add(count as u64);
        let wrong = |error: FormatError| io::Error::new(io::ErrorKind::InvalidData, error);
        if count == 0 && self.read < self.descriptor.size || self.read > self.descriptor.size {
            return Err(wrong(size_error(&self.descriptor, self.read)));
        }
        match (count, &mut self.state) {
            (0, state) => {
                if let Some(hasher) = state.take() {
                    // A reader that has failed fails for ever.
                    check_digest(hasher, &self.descriptor)
                        .inspect_err(|_| self.read = u64::MAX)
                        .map_err(wrong)?;
                }
            }
            (_, Some(hasher)) => hasher.update(buffer.get(..count).unwrap_or_default()),
            (_, None) => return Err(wrong(size_error(&self.descriptor, self.read))),
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{digest::BlobDigest, image::MediaType};

    fn descriptor(content: &[u8], size: u64) -> Descriptor {
        Descriptor {
            media_type: MediaType::new(MediaType::OCI_LAYER),
            digest: BlobDigest::of(content),
            size,
            platform: None,
            selective: false,
            artifact_type: None,
            annotations: Default::default(),
        }
    }

    fn spool(
        descriptor: &Descriptor,
        chunks: &[&'static [u8]],
    ) -> Result<Option<Blob>, SpoolError> {
        let spool = Spool::temporary().unwrap();
        let (sender, receiver) = mpsc::channel(16);
        for chunk in chunks {
            sender.blocking_send(Bytes::from_static(chunk)).unwrap();
        }
        drop(sender);
        let taken = spool.writer(descriptor).unwrap().take_all(receiver)?;
        let Some(blob) = taken else { return Ok(None) };
        let mut read = Vec::new();
        blob.open().unwrap().read_to_end(&mut read).unwrap();
        assert_eq!(BlobDigest::of(&read), descriptor.digest);
        assert!(spool.kept(descriptor).is_some());
        Ok(Some(blob))
    }

    #[test]
    fn keeps_only_what_the_descriptor_says() {
        let right = descriptor(b"abcdef", 6);
        assert!(spool(&right, &[b"abc", b"def", b""]).unwrap().is_some());
        assert!(spool(&right, &[b"abc", b"def"]).unwrap().is_none(), "cut off before the mark");
        let cases: [(&[&'static [u8]], &str); 3] = [
            (&[b"abc", b""], "short"),
            (&[b"abc", b"defg", b""], "long"),
            (&[b"abc", b"deX", b""], "other"),
        ];
        for (chunks, why) in cases {
            assert!(matches!(spool(&right, chunks), Err(SpoolError::Format(_))), "{why}");
        }
    }

    #[test]
    fn a_reader_ends_in_an_error_unless_the_bytes_are_right() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("blob");
        fs::write(&path, b"..abcdef..").unwrap();
        let at = |offset, size| Place { path: path.clone(), offset, size };
        let cases = [
            (at(2, 6), descriptor(b"abcdef", 6), true),
            (at(2, 6), descriptor(b"abcdeX", 6), false),
            (at(2, 6), descriptor(b"abcdef", 7), false),
            (at(2, 6), descriptor(b"abcdef", 5), false),
            (at(2, 60), descriptor(b"abcdef..", 60), false),
            (at(0, 0), descriptor(b"", 0), true),
        ];
        for (place, descriptor, want) in cases {
            let mut read = Vec::new();
            let blob = Blob::new(place, descriptor);
            let got = blob.open().unwrap().read_to_end(&mut read);
            assert_eq!(got.is_ok(), want, "{blob:?}: {got:?}");
        }
    }

    #[test]
    fn a_place_is_read_up_to_its_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, b"12345").unwrap();
        let place = Place { path, offset: 0, size: 5 };
        assert_eq!(place.read(5).unwrap().as_deref(), Some(b"12345" as &[u8]));
        assert_eq!(place.read(4).unwrap(), None);
    }
}
