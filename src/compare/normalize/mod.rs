//! What may differ and still be proven equal: normalizers.
//!
//! A normalizer knows a file format and takes out of a file what only the time and place of the build put in; if both
//! files then come to the same hash, nothing else differs, and that is a proof. It is named with its version: what `pyc@2`
//! takes out never changes. Every byte that a normalizer does not know is part of the hash, what it takes out must have the
//! form of what it takes it for (a time is digits, not a text), a file that is not quite of the format has no normal form,
//! and none of them ever explains security metadata. Formats inside formats are followed to a
//! fixed depth and a fixed number of bytes (attack C5).

mod apk;
mod ar;
mod gzip;
mod ldconfig;
mod logs;
pub(super) mod pyc;
mod tarball;
mod zip;

use std::{
    collections::BTreeSet,
    io::{self, Read},
};

pub(super) use gzip::inner_name;
use pyc::{Source, Sources};
use sha2::{Digest as _, Sha256};
pub(super) use zip::open as open_zip;

use super::{
    Class, Explanation,
    content::{Hash, text},
};
use crate::limits::Limits;

/// Formats inside formats that are followed: a class in a jar in a tar in a gzip stream.
const DEPTH: usize = 4;
/// Bytes of all members of one file that are read.
const MEMBERS_BYTES: u64 = 512 << 20;
/// Bytes of one member that is normalised itself.
const MEMBER_BYTES: u64 = 16 << 20;

/// A file without what its normalizers take out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Normal {
    hash: Hash,
    /// The normalizers that were at work, the outermost first.
    names: Vec<&'static str>,
    class: Class,
}

impl Normal {
    /// Whether two files are equal but for what was taken out.
    pub(super) fn agrees(&self, other: &Self) -> bool {
        self.hash == other.hash
    }

    /// The normalizers that were at work.
    pub(super) fn explanation(&self) -> Explanation {
        Explanation::Normalizers(self.names.clone())
    }

    /// The class of what was taken out.
    pub(super) fn class(&self) -> Class {
        self.class
    }
}

/// A format, and how to take out what the build put in.
struct Normalizer {
    name: &'static str,
    class: Class,
    knows: Knows,
    /// Adds all that counts to the hash; `None` when the bytes are not of the format.
    normalize: fn(&mut Work<'_>, &str, &[u8], &mut Sha256) -> Option<()>,
}

/// Which files a normalizer is for.
enum Knows {
    /// Names that end so.
    Suffix(&'static [&'static str]),
    /// These files only.
    Paths(&'static [&'static str]),
}

/// All normalizers.
const NORMALIZERS: &[Normalizer] = &[
    Normalizer {
        name: "pyc@2",
        class: Class::NestedTime,
        knows: Knows::Suffix(&[".pyc"]),
        normalize: pyc::normalize,
    },
    Normalizer {
        name: "gzip@3",
        class: Class::NestedTime,
        knows: Knows::Suffix(&[".gz", ".tgz", ".svgz"]),
        normalize: gzip::normalize,
    },
    Normalizer {
        name: "zip@4",
        class: Class::NestedTime,
        knows: Knows::Suffix(&[".jar", ".war", ".ear", ".zip", ".whl", ".egg", ".nupkg"]),
        normalize: zip::normalize,
    },
    Normalizer {
        name: "ar@2",
        class: Class::NestedTime,
        knows: Knows::Suffix(&[".a"]),
        normalize: ar::normalize,
    },
    Normalizer {
        name: "tar@4",
        class: Class::NestedTime,
        knows: Knows::Suffix(&[".tar"]),
        normalize: tarball::normalize,
    },
    Normalizer {
        name: "apk-virtual@2",
        class: Class::Cache,
        knows: Knows::Paths(&["/lib/apk/db/installed", "/usr/lib/apk/db/installed"]),
        normalize: apk::installed,
    },
    Normalizer {
        name: "apk-world@1",
        class: Class::Cache,
        knows: Knows::Paths(&["/etc/apk/world"]),
        normalize: apk::world,
    },
    Normalizer {
        name: "ldconfig-aux@2",
        class: Class::Cache,
        knows: Knows::Paths(&["/var/cache/ldconfig/aux-cache"]),
        normalize: ldconfig::normalize,
    },
    Normalizer {
        name: "log-time@1",
        class: Class::Cache,
        knows: Knows::Paths(&[
            "/var/log/dpkg.log",
            "/var/log/alternatives.log",
            "/var/log/apt/history.log",
            "/var/log/apt/term.log",
        ]),
        normalize: logs::normalize,
    },
];

impl Normalizer {
    fn of(path: &str) -> Option<&'static Self> {
        NORMALIZERS.iter().find(|normalizer| match normalizer.knows {
            Knows::Suffix(suffixes) => suffixes.iter().any(|suffix| path.ends_with(suffix)),
            Knows::Paths(paths) => paths.contains(&path),
        })
    }
}

/// The normal form of a file, where a normalizer knows files of this name and the bytes are of the format.
pub(super) fn normal(path: &str, bytes: &[u8], limits: &Limits) -> Option<Normal> {
    let sources = Sources::Tree;
    let mut work = Work { limits, depth: DEPTH, left: MEMBERS_BYTES, names: Vec::new(), sources };
    let normalizer = Normalizer::of(path)?;
    let hash = work.normalized(normalizer, path, bytes)?;
    let mut seen = BTreeSet::new();
    let names = work.names.into_iter().filter(|name| seen.insert(*name)).collect();
    Some(Normal { hash, names, class: normalizer.class })
}

/// The state of normalising one file.
struct Work<'l> {
    limits: &'l Limits,
    /// How many formats deep this may still go.
    depth: usize,
    /// Bytes of members that may still be read.
    left: u64,
    /// Normalizers used, as they were met.
    names: Vec<&'static str>,
    /// Where the sources of compiled modules are that stand beside what is normalised.
    sources: Sources,
}

impl Work<'_> {
    /// Does `work` on members whose sources are elsewhere.
    fn beside<T>(&mut self, sources: Sources, work: impl FnOnce(&mut Self) -> T) -> T {
        let outer = std::mem::replace(&mut self.sources, sources);
        let done = work(self);
        self.sources = outer;
        done
    }

    fn normalized(&mut self, by: &Normalizer, path: &str, bytes: &[u8]) -> Option<Hash> {
        self.depth = self.depth.checked_sub(1)?;
        let noted = self.names.len();
        self.names.push(by.name);
        let mut hasher = Sha256::new();
        text(&mut hasher, by.name.as_bytes());
        let normal = (by.normalize)(self, path, bytes, &mut hasher);
        self.depth += 1;
        if normal.is_none() {
            self.names.truncate(noted);
        }
        normal.map(|()| hasher.finalize().into())
    }

    /// The hash of a member: of its normal form where it has one, else of its bytes. `None` when it cannot be read or is
    /// more than may be read.
    fn member(&mut self, path: &str, mut content: impl Read) -> Option<Hash> {
        let normalizer = Normalizer::of(path).filter(|_| self.depth > 0);
        let mut start = Vec::new();
        if normalizer.is_some() {
            let most = MEMBER_BYTES.min(self.left).saturating_add(1);
            content.by_ref().take(most).read_to_end(&mut start).ok()?;
        }
        self.left = self.left.checked_sub(start.len() as u64)?;
        if let Some(normalizer) = normalizer
            && (start.len() as u64) <= MEMBER_BYTES
            && let Some(hash) = self.normalized(normalizer, path, &start)
        {
            return Some(hash);
        }
        let mut hasher = Sha256::new();
        text(&mut hasher, b"bytes");
        hasher.update(&start);
        let read = io::copy(&mut content.take(self.left.saturating_add(1)), &mut hasher).ok()?;
        self.left = self.left.checked_sub(read)?;
        Some(hasher.finalize().into())
    }
}

/// A little-endian number of two bytes at `at`.
fn u16_at(bytes: &[u8], at: usize) -> Option<usize> {
    let bytes = bytes.get(at..at.checked_add(2)?)?;
    Some(usize::from(u16::from_le_bytes(bytes.try_into().ok()?)))
}

/// A little-endian number of four bytes at `at`.
fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests;
