//! Trusted roots from TUF repositories (The Update Framework, specification 1.0.34, section 5).
//!
//! Turns the files of a repository, one after the other, into a [`Current`] trusted root. The rules of signatures,
//! thresholds, versions, expiry and hashes are those of the crate `sigstore-tuf`, which does no input or output; here is
//! the order of the steps, and what the crate leaves to its user:
//!
//! - every file is read strictly first, within its limit;
//! - two key ids of one role never stand for one key (attack A24), whatever a root says;
//! - names of files are made from versions and checked hashes, never from names in the metadata (attack A17);
//! - a result is there only after the last step, so nothing that was refused is kept (attack A25).
//!
//! Delegations are not followed: the target is one of the top-level role, or it is not there.
//!
//! What is kept is the metadata, in one document ([`Cache`]), and every reading verifies it again from the initial root, as
//! of the time at which it was fetched. That time is nobody's word, but it cannot lie behind the signed expiry of the
//! metadata: an old document shows its age.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sigstore_tuf::{Error as Refusal, Key, Metadata, Root, TargetFile, TrustedMetadataSet};
use sigstore_types::DerPublicKey;
use x509_cert::{
    der::{
        Encode as _,
        asn1::{Any, BitString},
        oid::ObjectIdentifier,
    },
    spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned},
};

use crate::{
    digest::Digest,
    json::{self, JsonError},
    limits::Limits,
};

/// The file that says whose word counts.
const TARGET: &str = "trusted_root.json";
/// Form of [`Cache`].
const FORMAT: &str = "hallmark/trust-cache/v1";
/// Bytes of a root file.
const ROOT_BYTES: usize = 512 << 10;
/// Bytes of a timestamp file.
const TIMESTAMP_BYTES: usize = 16 << 10;
/// Bytes of a snapshot file.
const SNAPSHOT_BYTES: usize = 2 << 20;
/// Bytes of the targets file.
const TARGETS_BYTES: usize = 5 << 20;
/// How far ahead of a reader's time a kept document may be: a reader takes its time once, and an update may end after that.
/// A clock that was wrong by more is not believed.
const SKEW: SignedDuration = SignedDuration::from_mins(1);
/// Roots that follow one another in one update.
const MAX_ROTATIONS: usize = 64;
/// Bytes of a kept document.
pub const MAX_CACHE_BYTES: usize = 48 << 20;

/// A repository whose initial root is embedded.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    /// What `hallmark.yaml` calls it.
    pub name: &'static str,
    /// Where it is.
    pub url: &'static str,
    /// The root from which trust in it begins.
    pub root: &'static [u8],
}

/// The repositories of the embedded roots.
pub const KNOWN: [Known; 2] = [
    Known {
        name: "public-good",
        url: "https://tuf-repo-cdn.sigstore.dev",
        root: include_bytes!("roots/public-good-tuf-root.json"),
    },
    Known {
        name: "github",
        url: "https://tuf-repo.github.com",
        root: include_bytes!("roots/github-tuf-root.json"),
    },
];

/// Why a repository, or what was kept of one, is not believed.
#[derive(Debug, thiserror::Error)]
pub enum TufError {
    /// Not JSON that everybody reads the same, or too large.
    #[error("{file}: {error}")]
    Json {
        /// Which file.
        file: String,
        /// What is wrong.
        error: JsonError,
    },
    /// A rule of TUF is broken.
    #[error("{file}: {}", chain(error))]
    Refused {
        /// Which file.
        file: String,
        /// Which rule.
        error: Refusal,
    },
    /// One key under two ids, or one id twice.
    #[error("{file}: the role {role} lists one key twice, so its threshold means nothing")]
    SharedKey {
        /// Which file.
        file: String,
        /// Which role.
        role: String,
    },
    /// A file is not there.
    #[error("{0} is not there")]
    Missing(String),
    /// More roots than are followed.
    #[error("more than {MAX_ROTATIONS} roots follow one another")]
    Rotations,
    /// The target is not listed, or without a usable hash.
    #[error("targets.json lists no trusted_root.json with a SHA-256 or SHA-512 hash")]
    NoTarget,
    /// The target is another.
    #[error("trusted_root.json has {found} bytes and {digest}, other than targets.json says")]
    Target {
        /// Its size.
        found: usize,
        /// Its digest.
        digest: Digest,
    },
    /// A file came when none was wanted, or too few did.
    #[error("the files are not complete")]
    Incomplete,
    /// Kept in a form of another version, or fetched in the future.
    #[error("what was kept of it is of another form, or of the future")]
    Kept,
}

/// An error with its causes.
fn chain(error: &Refusal) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

impl TufError {
    /// The rule that is broken, in one word.
    pub fn rule(&self) -> &'static str {
        match self {
            Self::Refused { error, .. } => match error {
                Refusal::DuplicateSignature { .. } => "duplicate-signature",
                Refusal::ThresholdNotMet { .. } => "threshold",
                Refusal::Rollback { .. } => "rollback",
                Refusal::BadRootVersion { .. } => "root-version",
                Refusal::Expired { .. } => "expired",
                Refusal::IntegrityMismatch(_) => "mismatch",
                _ => "malformed",
            },
            Self::Json { error: JsonError::TooLarge { .. }, .. } => "too-large",
            Self::Json { .. } => "malformed",
            Self::SharedKey { .. } => "duplicate-key",
            Self::Missing(_) | Self::Incomplete | Self::NoTarget => "missing",
            Self::Rotations => "too-many-roots",
            Self::Target { .. } => "mismatch",
            Self::Kept => "kept",
        }
    }
}

/// A file that is wanted next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Where it is, below the repository's address; of hallmark's own making.
    pub path: String,
    /// The most bytes that it may have.
    pub limit: usize,
}

/// A verified trusted root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Current {
    /// Its bytes.
    pub trusted_root: Vec<u8>,
    /// When it was the current one.
    pub as_of: Timestamp,
    /// When the repository wants to be asked again.
    pub expires: Timestamp,
    /// The version of the last root.
    pub root_version: u64,
}

/// What is kept of a repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Cache {
    format: String,
    fetched: Timestamp,
    roots: Vec<String>,
    timestamp: String,
    snapshot: String,
    targets: String,
    trusted_root: String,
}

/// An update on its way.
#[derive(Debug)]
pub struct Update {
    /// The last root.
    root: Metadata<Root>,
    root_bytes: Vec<u8>,
    /// What follows from it, once there are no more roots.
    set: Option<TrustedMetadataSet>,
    kept: Cache,
    /// Timestamp and snapshot of the last update, and when they were fetched: nothing older is taken.
    floors: Option<(String, String, Timestamp)>,
    step: Step,
    limit: usize,
}

#[derive(Debug, Clone)]
enum Step {
    Root,
    Timestamp,
    Snapshot,
    Targets,
    Target(TargetFile),
    Done,
}

impl Cache {
    /// Reads what was kept.
    ///
    /// # Errors
    /// [`TufError::Json`] and [`TufError::Kept`].
    pub fn parse(bytes: &[u8]) -> Result<Self, TufError> {
        let read = json::from_slice::<Self>(bytes, MAX_CACHE_BYTES);
        let cache = read.map_err(|error| TufError::Json { file: "the kept file".into(), error })?;
        if cache.format == FORMAT { Ok(cache) } else { Err(TufError::Kept) }
    }

    /// As it is kept.
    ///
    /// # Errors
    /// [`TufError::Json`]; never, since all is text.
    pub fn to_bytes(&self) -> Result<Vec<u8>, TufError> {
        let written = serde_json::to_vec_pretty(self);
        written
            .map_err(|error| TufError::Json { file: "the kept file".into(), error: error.into() })
    }

    /// Verifies everything again, from `initial`.
    ///
    /// # Errors
    /// See [`TufError`].
    pub fn verify(
        &self,
        initial: &[u8],
        now: Timestamp,
        limits: &Limits,
    ) -> Result<Current, TufError> {
        if self.fetched.duration_since(now) > SKEW {
            return Err(TufError::Kept);
        }
        let mut update = Update::start(initial, self.fetched, limits)?;
        update.follow(&self.roots)?;
        update.take(None)?;
        for text in [&self.timestamp, &self.snapshot, &self.targets, &self.trusted_root] {
            update.take(Some(text.clone().into_bytes()))?;
        }
        update.current()
    }
}

impl Update {
    /// Begins with the initial root, and with what an earlier update kept, once that is verified.
    ///
    /// # Errors
    /// See [`TufError`].
    pub fn begin(
        initial: &[u8],
        kept: Option<&Cache>,
        now: Timestamp,
        limits: &Limits,
    ) -> Result<Self, TufError> {
        let Some(kept) = kept else { return Self::start(initial, now, limits) };
        kept.verify(initial, now, limits)?;
        let mut update = Self::start(initial, now, limits)?;
        update.follow(&kept.roots)?;
        update.floors = Some((kept.timestamp.clone(), kept.snapshot.clone(), kept.fetched));
        Ok(update)
    }

    fn start(initial: &[u8], now: Timestamp, limits: &Limits) -> Result<Self, TufError> {
        let file = "the initial root";
        let root = read_root(file, initial)?;
        self_signed(file, &root)?;
        let kept = Cache {
            format: FORMAT.to_owned(),
            fetched: now,
            roots: Vec::new(),
            timestamp: String::new(),
            snapshot: String::new(),
            targets: String::new(),
            trusted_root: String::new(),
        };
        Ok(Self {
            root,
            root_bytes: initial.to_vec(),
            set: None,
            kept,
            floors: None,
            step: Step::Root,
            limit: limits.trusted_root_bytes,
        })
    }

    /// Takes those of the kept roots that follow the present one: a newer hallmark begins with a later root.
    fn follow(&mut self, roots: &[String]) -> Result<(), TufError> {
        for root in roots {
            let version = read_root("a kept root", root.as_bytes())?.signed().version;
            if version > self.root.signed().version {
                self.take(Some(root.as_bytes().to_vec()))?;
            }
        }
        Ok(())
    }

    /// The file that is wanted next; `None` after the last.
    pub fn wanted(&self) -> Option<Wanted> {
        let root = self.root.signed();
        let consistent = root.consistent_snapshot;
        let numbered = |version: Option<u64>, name: &str| match version {
            Some(version) if consistent => format!("{version}.{name}"),
            _ => name.to_owned(),
        };
        let (path, limit) = match &self.step {
            Step::Root => (format!("{}.root.json", root.version.saturating_add(1)), ROOT_BYTES),
            Step::Timestamp => ("timestamp.json".to_owned(), TIMESTAMP_BYTES),
            Step::Snapshot => {
                let timestamp = self.set.as_ref().and_then(TrustedMetadataSet::timestamp);
                let pin = timestamp.and_then(|timestamp| timestamp.snapshot_meta());
                (numbered(pin.map(|pin| pin.version), "snapshot.json"), SNAPSHOT_BYTES)
            }
            Step::Targets => {
                let snapshot = self.set.as_ref().and_then(TrustedMetadataSet::snapshot);
                let pin = snapshot.and_then(|snapshot| snapshot.meta.get("targets.json"));
                (numbered(pin.map(|pin| pin.version), "targets.json"), TARGETS_BYTES)
            }
            Step::Target(target) => {
                let hash = hashes(target).into_iter().next().filter(|_| consistent);
                let hash = hash.map(|digest| format!("{}.", digest.hex())).unwrap_or_default();
                (format!("targets/{hash}{TARGET}"), self.limit)
            }
            Step::Done => return None,
        };
        Some(Wanted { path, limit })
    }

    /// Takes the wanted file; `None` where it is not there, which ends the row of roots and nothing else.
    ///
    /// # Errors
    /// The rule of TUF that it breaks. What was taken before stands.
    pub fn take(&mut self, bytes: Option<Vec<u8>>) -> Result<(), TufError> {
        let wanted = self.wanted().ok_or(TufError::Incomplete)?;
        let Some(bytes) = bytes else {
            return match self.step {
                Step::Root => self.roots_end(),
                _ => Err(TufError::Missing(wanted.path)),
            };
        };
        strict(&wanted.path, &bytes, wanted.limit)?;
        let (file, now) = (wanted.path, self.kept.fetched);
        let refused = |error| TufError::Refused { file: file.clone(), error };
        match self.step.clone() {
            Step::Root => self.next_root(&file, bytes)?,
            Step::Timestamp => self.timestamp(&file, bytes)?,
            Step::Snapshot => {
                self.set()?.update_snapshot(&bytes, now).map_err(refused)?;
                self.kept.snapshot = text(&file, bytes)?;
                self.step = Step::Targets;
            }
            Step::Targets => {
                let targets = self.set()?.update_targets(&bytes, now).map_err(refused)?;
                let target = targets.target(TARGET).filter(|target| !hashes(target).is_empty());
                let target = target.ok_or(TufError::NoTarget)?.clone();
                self.step = Step::Target(target);
                self.kept.targets = text(&file, bytes)?;
            }
            Step::Target(target) => {
                is_target(&target, &bytes)?;
                self.kept.trusted_root = text(&file, bytes)?;
                self.step = Step::Done;
            }
            Step::Done => return Err(TufError::Incomplete),
        }
        Ok(())
    }

    fn set(&mut self) -> Result<&mut TrustedMetadataSet, TufError> {
        self.set.as_mut().ok_or(TufError::Incomplete)
    }

    /// Sections 5.3.3 to 5.3.6: the next root has the next version, and is signed by a threshold of the present root's
    /// keys and of its own.
    fn next_root(&mut self, file: &str, bytes: Vec<u8>) -> Result<(), TufError> {
        if self.kept.roots.len() >= MAX_ROTATIONS {
            return Err(TufError::Rotations);
        }
        let new = read_root(file, &bytes)?;
        let (trusted, version) = (self.root.signed(), new.signed().version);
        if trusted.version.checked_add(1) != Some(version) {
            let error = Refusal::BadRootVersion { trusted: trusted.version, new: version };
            return Err(TufError::Refused { file: file.to_owned(), error });
        }
        signed_by(file, &new, trusted)?;
        self_signed(file, &new)?;
        self.kept.roots.push(text(file, bytes.clone())?);
        (self.root, self.root_bytes) = (new, bytes);
        Ok(())
    }

    /// Section 5.3.10 and 5.3.11: the last root has not expired; what was known before is a floor only as long as the
    /// keys that signed it are the same.
    fn roots_end(&mut self) -> Result<(), TufError> {
        let refused = |error| TufError::Refused { file: "the last root".to_owned(), error };
        let mut set = TrustedMetadataSet::from_root(&self.root_bytes).map_err(refused)?;
        set.check_root_expired(self.kept.fetched).map_err(refused)?;
        if let Some((timestamp, snapshot, fetched)) = &self.floors
            && set.update_timestamp(timestamp.as_bytes(), *fetched).is_ok()
        {
            // A snapshot whose key was replaced is no floor.
            let _ = set.update_snapshot(snapshot.as_bytes(), *fetched);
        }
        self.set = Some(set);
        self.step = Step::Timestamp;
        Ok(())
    }

    /// Section 5.4: the same timestamp again is no update, and it may have expired since.
    fn timestamp(&mut self, file: &str, bytes: Vec<u8>) -> Result<(), TufError> {
        let now = self.kept.fetched;
        let refused = |error| TufError::Refused { file: file.to_owned(), error };
        let floor = self.floors.as_ref().map(|(timestamp, ..)| timestamp.clone());
        let set = self.set()?;
        self.kept.timestamp = match set.update_timestamp(&bytes, now) {
            Ok(()) => text(file, bytes)?,
            Err(Refusal::EqualVersion { .. }) => {
                set.check_timestamp_expired(now).map_err(refused)?;
                floor.ok_or(TufError::Incomplete)?
            }
            Err(error) => return Err(refused(error)),
        };
        self.step = Step::Snapshot;
        Ok(())
    }

    fn current(&self) -> Result<Current, TufError> {
        let set = self.set.as_ref().ok_or(TufError::Incomplete)?;
        let (Step::Done, Some(timestamp), Some(snapshot), Some(targets)) =
            (&self.step, set.timestamp(), set.snapshot(), set.targets_role("targets"))
        else {
            return Err(TufError::Incomplete);
        };
        let root = self.root.signed();
        let expires = [timestamp.expires, snapshot.expires, targets.expires, root.expires];
        Ok(Current {
            trusted_root: self.kept.trusted_root.clone().into_bytes(),
            as_of: self.kept.fetched,
            expires: expires.into_iter().min().unwrap_or(self.kept.fetched),
            root_version: root.version,
        })
    }

    /// What to use and what to keep, after the last file.
    ///
    /// # Errors
    /// [`TufError::Incomplete`] before that.
    pub fn finish(self) -> Result<(Current, Cache), TufError> {
        Ok((self.current()?, self.kept))
    }
}

fn read_root(file: &str, bytes: &[u8]) -> Result<Metadata<Root>, TufError> {
    strict(file, bytes, ROOT_BYTES)?;
    let root = Metadata::<Root>::from_slice(bytes);
    let root = root.map_err(|error| TufError::Refused { file: file.to_owned(), error })?;
    distinct_keys(file, root.signed())?;
    Ok(root)
}

fn self_signed(file: &str, root: &Metadata<Root>) -> Result<(), TufError> {
    signed_by(file, root, root.signed())
}

/// A threshold of the root keys in `authority` signed `root`.
fn signed_by(file: &str, root: &Metadata<Root>, authority: &Root) -> Result<(), TufError> {
    const ROLE: &str = "root";
    let refused = |error| TufError::Refused { file: file.to_owned(), error };
    let role = authority.role(ROLE).ok_or(refused(Refusal::UnknownRole(ROLE.to_owned())))?;
    let keys = authority.keys.iter().map(|(id, key)| (id.clone(), readable(key))).collect();
    root.verify_threshold(&keys, role, ROLE).map_err(refused)
}

/// The key in the form that the crate reads: early roots write P-256 keys as bare points in hex.
fn readable(key: &Key) -> Key {
    let mut key = key.clone();
    let point = hex::decode(key.keyval.public.trim()).unwrap_or_default();
    if key.scheme == "ecdsa-sha2-nistp256"
        && let Some(der) = p256(&point)
    {
        key.keyval.public = DerPublicKey::from_bytes(&der).to_pem();
    }
    key
}

/// SubjectPublicKeyInfo (RFC 5480 section 2) of an uncompressed point.
fn p256(point: &[u8]) -> Option<Vec<u8>> {
    const KIND: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
    const CURVE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
    const POINT_BYTES: usize = 65;
    let point = (point.len() == POINT_BYTES).then(|| BitString::from_bytes(point).ok())??;
    let algorithm = AlgorithmIdentifierOwned { oid: KIND, parameters: Some(Any::from(CURVE)) };
    SubjectPublicKeyInfoOwned { algorithm, subject_public_key: point }.to_der().ok()
}

/// The file is one that every parser reads the same.
fn strict(file: &str, bytes: &[u8], limit: usize) -> Result<(), TufError> {
    let read = json::from_slice::<Value>(bytes, limit);
    read.map(drop).map_err(|error| TufError::Json { file: file.to_owned(), error })
}

fn text(file: &str, bytes: Vec<u8>) -> Result<String, TufError> {
    String::from_utf8(bytes).map_err(|error| {
        let error = serde::de::Error::custom(error.utf8_error());
        TufError::Json { file: file.to_owned(), error: JsonError::Invalid(error) }
    })
}

/// Each role's key ids stand for as many keys.
fn distinct_keys(file: &str, root: &Root) -> Result<(), TufError> {
    for (role, authorized) in &root.roles {
        let mut keys = BTreeSet::new();
        let mut ids = authorized.keyids.iter();
        let distinct = ids.all(|id| match root.keys.get(id) {
            Some(key) => keys.insert(material(key)),
            None => keys.insert(id.clone().into_bytes()),
        });
        if !distinct {
            return Err(TufError::SharedKey { file: file.to_owned(), role: role.clone() });
        }
    }
    Ok(())
}

/// What a key is, however it is written down.
fn material(key: &Key) -> Vec<u8> {
    // Ed25519 keys are written as PEM or as 32 bytes in hex: the frame of the former ends with the latter.
    const ED25519_BYTES: usize = 32;
    const ED25519_FRAME: usize = 12;
    let key = readable(key);
    let public = key.keyval.public.trim();
    match DerPublicKey::from_pem(public) {
        Ok(der) if der.as_bytes().len() == ED25519_FRAME + ED25519_BYTES => {
            der.as_bytes().iter().skip(ED25519_FRAME).copied().collect()
        }
        Ok(der) => der.as_bytes().to_vec(),
        Err(_) => hex::decode(public).unwrap_or_else(|_| public.as_bytes().to_vec()),
    }
}

/// The hashes of a target that are read, as digests, whose grammar no path gets through; SHA-256 first.
fn hashes(target: &TargetFile) -> Vec<Digest> {
    let digest = |algorithm: &str| {
        let hex = target.hashes.get(algorithm)?;
        format!("{algorithm}:{}", hex.to_ascii_lowercase()).parse().ok()
    };
    ["sha256", "sha512"].into_iter().filter_map(digest).collect()
}

fn is_target(target: &TargetFile, bytes: &[u8]) -> Result<(), TufError> {
    let stated = hashes(target);
    let right = |digest: &Digest| {
        let mut hasher = crate::digest::Hasher::new(digest.algorithm());
        hasher.update(bytes);
        hasher.finish() == *digest
    };
    if bytes.len() as u64 == target.length && !stated.is_empty() && stated.iter().all(right) {
        return Ok(());
    }
    Err(TufError::Target { found: bytes.len(), digest: Digest::sha256(bytes) })
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
