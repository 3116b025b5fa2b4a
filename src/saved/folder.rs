//! The folder: written once, and read with every digest checked.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{self, Read, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Configuration, RECORD, Record, SCHEMA};
use crate::{
    digest::{Digest, Hasher},
    json,
    limits::{Limits, key},
    scratch::{open_file, read_file},
};

/// What stands in private keys, whatever their kind.
const PRIVATE: &[u8] = b"PRIVATE KEY-----";
/// The file that lies in a folder until all is in it.
const UNFINISHED: &str = "evidence.unfinished";
/// Media type of `index.json`.
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// Why saved evidence cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum SavedError {
    /// The folder holds something already.
    #[error("{folder}: it is not empty; name a folder that is new or empty")]
    NotEmpty {
        /// The folder.
        folder: PathBuf,
    },
    /// The call that wrote it was ended before its record was there.
    #[error("{folder}: saving it did not finish; remove it, and save it again")]
    Unfinished {
        /// The folder.
        folder: PathBuf,
    },
    /// A file cannot be read or written.
    #[error("{path}: {error}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The record is not the one that was named.
    #[error(
        "{path}: it is {found}, not {wanted}: the folder is another one than was saved, or was changed since"
    )]
    Other {
        /// The record.
        path: PathBuf,
        /// Its digest.
        found: Digest,
        /// What was named.
        wanted: Digest,
    },
    /// The record is none.
    #[error(
        "{path}: it is no record of saved evidence: {why}; hallmark verify --save DIR writes one"
    )]
    Malformed {
        /// The record.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// More than is read.
    #[error("{path}: the record has {found} bytes, {} is {limit}", key("saved_record_bytes"))]
    TooLarge {
        /// The record.
        path: PathBuf,
        /// Its size in bytes.
        found: u64,
        /// The limit in bytes.
        limit: u64,
    },
}

/// A folder that is being written.
#[derive(Debug)]
pub struct Saver {
    folder: PathBuf,
    /// When it was begun.
    begun: Timestamp,
    /// Whether the folder itself is new.
    is_new: bool,
    is_finished: AtomicBool,
    kept: Mutex<Kept>,
}

/// What was kept so far.
#[derive(Debug, Default)]
struct Kept {
    answers: BTreeMap<String, Value>,
    configuration: Configuration,
    /// Manifests, for `index.json`: media type and size.
    manifests: BTreeMap<Digest, (String, u64)>,
    blobs: BTreeSet<Digest>,
    /// Manifests that were asked for by name, which `index.json` lists first.
    subjects: BTreeSet<Digest>,
    /// How often each question about a rebuild was asked.
    asked: BTreeMap<String, usize>,
    /// The first thing that could not be kept.
    lost: Option<String>,
}

impl Saver {
    /// Begins to write into a folder that is new or empty, and that nobody else reads.
    ///
    /// # Errors
    /// The folder holds anything, or cannot be made.
    pub fn begin(folder: &Path, now: Timestamp) -> Result<Self, SavedError> {
        let failed = |error| SavedError::Io { path: folder.to_owned(), error };
        let is_new = !folder.exists();
        fs::create_dir_all(folder).map_err(failed)?;
        if fs::read_dir(folder).map_err(failed)?.next().is_some() {
            let (is_unfinished, folder) = (folder.join(UNFINISHED).exists(), folder.to_owned());
            return Err(match is_unfinished {
                true => SavedError::Unfinished { folder },
                false => SavedError::NotEmpty { folder },
            });
        }
        // What fails from here on removes what was made.
        let saver = Self {
            folder: folder.to_owned(),
            begun: now,
            is_new,
            is_finished: AtomicBool::new(false),
            kept: Mutex::default(),
        };
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).map_err(failed)?;
        fs::write(folder.join(UNFINISHED), b"").map_err(failed)?;
        fs::create_dir_all(folder.join("blobs/sha256")).map_err(failed)?;
        Ok(saver)
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// When it was begun.
    pub fn begun(&self) -> Timestamp {
        self.begun
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // Nothing panics while it is held.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps an answer. The first one to a question stands.
    pub fn answer(&self, question: String, answer: impl FnOnce() -> Value) {
        self.kept().answers.entry(question).or_insert_with(answer);
    }

    /// The number of times that this question was asked before.
    pub fn count(&self, question: &str) -> usize {
        let mut kept = self.kept();
        let count = kept.asked.entry(question.to_owned()).or_default();
        let before = *count;
        *count = before.saturating_add(1);
        before
    }

    /// Notes what could not be kept: the folder would not give the same verdict again.
    pub fn lost(&self, why: String) {
        let mut kept = self.kept();
        kept.lost = kept.lost.take().or(Some(why));
    }

    /// Keeps bytes under their digest. What fails is said at the end.
    pub fn blob(&self, digest: &Digest, bytes: &mut dyn Read) {
        if self.kept().blobs.contains(digest) {
            return;
        }
        match self.put(digest, bytes) {
            Ok(()) => {
                self.kept().blobs.insert(digest.clone());
            }
            Err(error) => self.lost(format!("{digest}: {error}")),
        }
    }

    /// Keeps a manifest or index.
    pub fn manifest(&self, digest: &Digest, media_type: &str, bytes: &[u8]) {
        self.blob(digest, &mut &*bytes);
        let entry = (media_type.to_owned(), bytes.len() as u64);
        self.kept().manifests.insert(digest.clone(), entry);
    }

    /// Notes what a name meant that was asked for.
    pub fn subject(&self, digest: &Digest) {
        self.kept().subjects.insert(digest.clone());
    }

    fn put(&self, digest: &Digest, bytes: &mut dyn Read) -> io::Result<()> {
        let parent = self.folder.join("blobs").join(digest.algorithm().name());
        fs::create_dir_all(&parent)?;
        let mut file = tempfile::NamedTempFile::new_in(&parent)?;
        let mut hasher = Hasher::new(digest.algorithm());
        let mut buffer = vec![0; 64 << 10];
        loop {
            let count = bytes.read(&mut buffer)?;
            let Some(read) = buffer.get(..count).filter(|read| !read.is_empty()) else { break };
            hasher.update(read);
            file.write_all(read)?;
        }
        let found = hasher.finish();
        if found != *digest {
            let why = format!("what was read hashes to {found}");
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        file.persist(parent.join(digest.hex())).map(drop).map_err(|error| error.error)
    }

    /// Keeps a file of the configuration, or that there was none.
    ///
    /// # Errors
    /// It holds a private key.
    pub fn file(&self, path: &str, bytes: Option<&[u8]>) -> io::Result<()> {
        let digest = bytes.map(|bytes| self.open(path, bytes)).transpose()?;
        self.kept().configuration.files.insert(path.to_owned(), digest);
        Ok(())
    }

    /// Keeps a policy folder.
    ///
    /// # Errors
    /// A file in it holds a private key.
    pub fn folder(&self, path: &str, files: &[(String, String)]) -> io::Result<()> {
        let kept =
            files.iter().map(|(name, text)| Ok((name.clone(), self.open(name, text.as_bytes())?)));
        let kept = kept.collect::<io::Result<_>>()?;
        self.kept().configuration.folders.insert(path.to_owned(), kept);
        Ok(())
    }

    /// Notes which bytes a file has that stays where it is.
    pub fn elsewhere(&self, path: &str, bytes: &[u8]) {
        let digest = Digest::sha256(bytes);
        self.kept().configuration.elsewhere.insert(path.to_owned(), digest);
    }

    /// Keeps what may be read by others.
    fn open(&self, name: &str, bytes: &[u8]) -> io::Result<Digest> {
        if bytes.windows(PRIVATE.len()).any(|part| part == PRIVATE) {
            let why = format!("{name} holds a private key, which is never saved");
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
        }
        let digest = Digest::sha256(bytes);
        self.blob(&digest, &mut &*bytes);
        Ok(digest)
    }

    /// Says what was judged by.
    pub fn judged_by(&self, options: Value, file: Option<String>, root_folder: Option<String>) {
        let mut kept = self.kept();
        let configuration = &mut kept.configuration;
        (configuration.options, configuration.file, configuration.root_folder) =
            (options, file, root_folder);
    }

    /// Writes the record, last of all, and gives its digest.
    ///
    /// # Errors
    /// Something could not be kept, or the record would be larger than is read.
    pub fn finish(
        &self,
        time: Timestamp,
        as_of: bool,
        limits: &Limits,
    ) -> Result<Digest, SavedError> {
        let kept = std::mem::take(&mut *self.kept());
        let at = |name: &str| self.folder.join(name);
        if let Some(why) = kept.lost {
            let error = io::Error::other(format!("not all could be kept: {why}"));
            return Err(SavedError::Io { path: self.folder.clone(), error });
        }
        let mut listed: Vec<_> = kept.manifests.iter().collect();
        listed.sort_by_key(|(digest, _)| !kept.subjects.contains(digest));
        // No reader of layouts takes more.
        listed.truncate(limits.index_manifests);
        let listed = listed.into_iter().map(|(digest, (media_type, size))| {
            json!({ "mediaType": media_type, "digest": digest.to_string(), "size": size })
        });
        let index = json!({
            "schemaVersion": 2, "mediaType": INDEX, "manifests": listed.collect::<Vec<_>>(),
        });
        let record = Record {
            schema: SCHEMA.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            saved: self.begun,
            time,
            as_of,
            answers: kept.answers,
            configuration: kept.configuration,
        };
        let failed = |path: PathBuf| move |error| SavedError::Io { path, error };
        let text = serde_json::to_string_pretty(&record);
        let text = text.map_err(|error| failed(at(RECORD))(error.into()))? + "\n";
        let (found, limit) = (text.len() as u64, limits.saved_record_bytes);
        if found > limit {
            return Err(SavedError::TooLarge { path: at(RECORD), found, limit });
        }
        let marker = json!({ "imageLayoutVersion": "1.0.0" });
        let files = [("index.json", index.to_string()), ("oci-layout", marker.to_string())];
        for (name, text) in files.iter().map(|(name, text)| (*name, text)).chain([(RECORD, &text)])
        {
            let write = || {
                let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
                file.write_all(text.as_bytes())?;
                file.persist(at(name)).map_err(|error| error.error)
            };
            write().map_err(failed(at(name)))?;
        }
        fs::remove_file(at(UNFINISHED)).map_err(failed(at(UNFINISHED)))?;
        self.is_finished.store(true, Ordering::Release);
        Ok(Digest::sha256(text.as_bytes()))
    }
}

/// The folder was empty: what a save that did not finish left in it would keep the next one from it.
impl Drop for Saver {
    fn drop(&mut self) {
        if self.is_finished.load(Ordering::Acquire) {
            return;
        }
        // What cannot be removed stays, and is told by the next call.
        let _ = fs::remove_dir_all(self.folder.join("blobs"));
        for name in [RECORD, "index.json", "oci-layout", UNFINISHED] {
            let _ = fs::remove_file(self.folder.join(name));
        }
        if self.is_new {
            let _ = fs::remove_dir(&self.folder);
        }
    }
}

/// What of a folder counts that only its maker has seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Belief {
    /// Nothing.
    Nothing,
    /// All of it, because the operator named the digest of its record.
    Named(Digest),
    /// All of it, because the operator said so.
    Whole,
}

/// Evidence that was saved.
#[derive(Debug)]
pub struct Saved {
    folder: PathBuf,
    record: Record,
    believed: bool,
    /// How often each question about a rebuild was asked.
    asked: Mutex<BTreeMap<String, usize>>,
}

impl Saved {
    /// Reads the record of a folder.
    ///
    /// # Errors
    /// It is not there, is another one than was named, is malformed, or is too large.
    pub fn open(folder: &Path, belief: &Belief, limits: &Limits) -> Result<Self, SavedError> {
        let path = folder.join(RECORD);
        let limit = limits.saved_record_bytes;
        let failed = |error| SavedError::Io { path: path.clone(), error };
        let opened = open_file(&path).and_then(|file| file.metadata());
        let found = opened.map_err(|error| match folder.join(UNFINISHED).exists() {
            true => SavedError::Unfinished { folder: folder.to_owned() },
            false => failed(error),
        });
        let found = found?.len();
        if found > limit {
            return Err(SavedError::TooLarge { path, found, limit });
        }
        let bytes = read_file(&path, limit).map_err(failed)?;
        if let Belief::Named(wanted) = belief
            && !wanted.matches(&bytes)
        {
            let (found, wanted) = (Digest::sha256(&bytes), wanted.clone());
            return Err(SavedError::Other { path, found, wanted });
        }
        let malformed = |why: String| SavedError::Malformed { path: path.clone(), why };
        let most = usize::try_from(limit).unwrap_or(usize::MAX);
        let record: Value = json::from_slice(&bytes, most).map_err(|e| malformed(e.to_string()))?;
        let record: Record =
            serde_json::from_value(record).map_err(|e| malformed(e.to_string()))?;
        if record.schema != SCHEMA {
            return Err(malformed(format!("its schema is {:?}, not {SCHEMA:?}", record.schema)));
        }
        let believed = *belief != Belief::Nothing;
        Ok(Self { folder: folder.to_owned(), record, believed, asked: Mutex::default() })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// Whether what its maker alone has seen counts: the time, rebuilds, the history of repositories.
    pub fn is_believed(&self) -> bool {
        self.believed
    }

    /// The record.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// The answer to a question; `None` where it was not asked.
    pub fn answer(&self, question: &str) -> Option<&Value> {
        self.record.answers.get(question)
    }

    /// The number of times that this question was asked before.
    pub fn count(&self, question: &str) -> usize {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let count = asked.entry(question.to_owned()).or_default();
        let before = *count;
        *count = before.saturating_add(1);
        before
    }

    /// A blob that is no part of an image, checked against its digest.
    fn blob(&self, digest: &Digest, max_bytes: u64) -> io::Result<Vec<u8>> {
        let path = self.folder.join("blobs").join(digest.algorithm().name()).join(digest.hex());
        let named =
            |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        let bytes = read_file(&path, max_bytes).map_err(named)?;
        match digest.matches(&bytes) {
            true => Ok(bytes),
            false => {
                let why = format!("{} does not hash to its name", path.display());
                Err(io::Error::new(io::ErrorKind::InvalidData, why))
            }
        }
    }

    pub(super) fn file(&self, path: &str, max_bytes: u64) -> io::Result<Vec<u8>> {
        match self.record.configuration.files.get(path) {
            Some(Some(digest)) => self.blob(digest, max_bytes),
            Some(None) => Err(io::ErrorKind::NotFound.into()),
            None => Err(self.not_kept(path)),
        }
    }

    pub(super) fn folder(&self, path: &str, max_bytes: u64) -> io::Result<Vec<(String, String)>> {
        let files = self.record.configuration.folders.get(path);
        let files = files.ok_or_else(|| self.not_kept(path))?;
        let read = |(name, digest): (&String, &Digest)| {
            let text = String::from_utf8(self.blob(digest, max_bytes)?);
            let text = text.map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
            Ok((name.clone(), text))
        };
        files.iter().map(read).collect()
    }

    pub(super) fn has_folder(&self, path: &str) -> bool {
        self.record.configuration.folders.contains_key(path)
    }

    pub(super) fn elsewhere(&self, path: &str) -> io::Result<Digest> {
        let found = self.record.configuration.elsewhere.get(path).cloned();
        found.ok_or_else(|| self.not_kept(path))
    }

    fn not_kept(&self, path: &str) -> io::Error {
        let folder = self.folder.display();
        io::Error::other(format!("{path} is not among the files that were saved in {folder}"))
    }
}
