//! Python's compiled modules (PEP 552): the time of the source out, everything else in.
//!
//! Magic, flags, then the source's time and size unless the flags say hash; a module that is checked by the hash of its
//! source has no time. Python runs the source instead of a module whose time or size is not the source's, so that whoever
//! takes the time out has to hold it against the source as well: for a file of the image the trees tell, for a member of an
//! archive the archive's other members ([`Sources`]).

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use super::{Work, u16_at, u32_at};

/// Where the source of a module is, and how old it is.
pub(super) enum Sources {
    /// In the root filesystem; whoever compares those holds the time against it.
    Tree,
    /// Among the members of an archive, by path.
    Members(BTreeMap<String, Source>),
    /// Nobody knows.
    Unknown,
}

/// A member that may be a module's source.
pub(super) enum Source {
    /// A member of a tar archive: its time and size.
    Dated(i64, u64),
    /// A member of a zip archive: its time in the local time of whoever reads it, the one in UTC where there is one, and its
    /// size.
    Local(i64, Option<i64>, u64),
    /// A link, a name that comes twice, or times that programs read differently.
    Unclear,
}

pub(super) fn normalize(
    work: &mut Work<'_>,
    path: &str,
    bytes: &[u8],
    hasher: &mut Sha256,
) -> Option<()> {
    let (magic, rest) = (bytes.get(..8)?, bytes.get(12..)?);
    hasher.update(magic);
    hasher.update(rest);
    // Older headers have the time elsewhere, and this is what `pyc@2` takes out.
    let compiled = compiled_from(bytes).filter(|_| form(bytes) == Some(Form::Flags))?;
    match &work.sources {
        Sources::Tree => Some(()),
        Sources::Unknown => None,
        Sources::Members(members) => match members.get(&source(path)?) {
            Some(source) => {
                hasher.update(compiled.by_source(source)?);
                Some(())
            }
            // Python takes a module without its source from the source's folder alone.
            None => (!path.contains("/__pycache__/")).then_some(()),
        },
    }
}

/// What stands behind the magic number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Python up to 3.2: the time.
    Time,
    /// Python 3.3 to 3.6: time and size.
    TimeAndSize,
    /// Since Python 3.7 (PEP 552): flags, then time and size where they are 0.
    Flags,
}

/// The magic number is one of 16 bits, and CR LF since Python 1.5 (`_bootstrap_external.py` and `pycore_magic_number.h` list
/// them). PyPy's own are below 1000; it has flags since 240.
fn form(bytes: &[u8]) -> Option<Form> {
    let magic = u16_at(bytes, 0).filter(|_| bytes.get(2..4) == Some(b"\r\n"))?;
    Some(match magic {
        240..=2999 | 3392..=19_999 => Form::Flags,
        3210..=3391 => Form::TimeAndSize,
        _ => Form::Time,
    })
}

/// Time and size of the source that a module was compiled from, both cut to 32 bits; old modules say no size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::compare) struct CompiledFrom {
    time: u32,
    size: Option<u32>,
}

/// What a module says of its source, where it is not checked by a hash.
pub(in crate::compare) fn compiled_from(bytes: &[u8]) -> Option<CompiledFrom> {
    let (time, size) = match form(bytes)? {
        Form::Time => (u32_at(bytes, 4)?, None),
        Form::TimeAndSize => (u32_at(bytes, 4)?, Some(u32_at(bytes, 8)?)),
        Form::Flags if u32_at(bytes, 4) == Some(0) => (u32_at(bytes, 8)?, Some(u32_at(bytes, 12)?)),
        Form::Flags => return None,
    };
    Some(CompiledFrom { time, size })
}

/// Whether a module has a time in a header that `pyc@2` does not know.
pub(super) fn is_old(bytes: &[u8]) -> bool {
    compiled_from(bytes).is_some() && form(bytes) != Some(Form::Flags)
}

impl CompiledFrom {
    /// What a module says that was compiled from a source of this time and size (importlib, `_validate_timestamp_pyc`).
    pub(in crate::compare) fn of(time: i64, size: u64) -> Self {
        let [time, size] = [time.cast_unsigned(), size].map(|number| {
            let [a, b, c, d, ..] = number.to_le_bytes();
            u32::from_le_bytes([a, b, c, d])
        });
        Self { time, size: Some(size) }
    }

    /// The same, as a module says it that knows no size.
    pub(in crate::compare) fn without_size(self) -> Self {
        Self { size: None, ..self }
    }

    /// Whether a file of this time and size is the source.
    pub(in crate::compare) fn is(&self, time: i64, size: u64) -> bool {
        let file = Self::of(time, size);
        *self == file || *self == file.without_size()
    }

    /// What decides whether Python runs the module beside a source in an archive: equal bytes mean that it does so at the same
    /// places.
    fn by_source(&self, source: &Source) -> Option<[u8; 10]> {
        let mut said = [0; 10];
        match source {
            Source::Dated(time, size) => said[0] = 1 + u8::from(self.is(*time, *size)),
            Source::Local(local, utc, size) => {
                // zipimport takes the size first, and a time one second off, in the time zone of the machine: offsets from UTC
                // are whole minutes.
                said[0] = 3 + u8::from(utc.is_some_and(|utc| self.is(utc, *size)));
                let apart = i64::from(self.time) - local;
                let minutes = (apart + 1).div_euclid(60);
                if self.is(i64::from(self.time), *size) && (apart - minutes * 60).abs() <= 1 {
                    said[1] = 1;
                    said[2..].copy_from_slice(&minutes.to_le_bytes());
                }
            }
            Source::Unclear => return None,
        }
        Some(said)
    }
}

/// The path of a module's source (PEP 3147): `d/__pycache__/m.cpython-312.pyc` and `d/m.pyc` come from `d/m.py`.
pub(in crate::compare) fn source(path: &str) -> Option<String> {
    let stem = path.strip_suffix(".pyc").or_else(|| path.strip_suffix(".pyo"))?;
    let (folder, name) = stem.rsplit_once('/')?;
    Some(match folder.strip_suffix("/__pycache__") {
        Some(folder) => format!("{folder}/{}.py", name.split('.').next().unwrap_or(name)),
        None => format!("{folder}/{name}.py"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_found() {
        let cases = [
            ("/d/m.pyc", Some("/d/m.py")),
            ("/d/__pycache__/m.cpython-312.pyc", Some("/d/m.py")),
            ("/d/__pycache__/m.cpython-312.opt-1.pyc", Some("/d/m.py")),
            ("/__pycache__/m.x.pyc", Some("/m.py")),
            ("/d/m.pyo", Some("/d/m.py")),
            ("/d/m.py", None),
        ];
        for (path, want) in cases {
            assert_eq!(source(path).as_deref(), want, "{path}");
        }
    }

    #[test]
    fn h85_headers_of_all_pythons_are_read() {
        let header = |magic: u16, words: &[u32]| {
            let words = words.iter().flat_map(|word| word.to_le_bytes());
            [&magic.to_le_bytes()[..], b"\r\n", &words.collect::<Vec<_>>()].concat()
        };
        let (sized, unsized_) = (CompiledFrom::of(7, 4), CompiledFrom::of(7, 4).without_size());
        let cases = [
            // 2.7, 3.2, 3.6, 3.7, 3.12, PyPy 3.10.
            (header(62211, &[7, 99]), Some((unsized_, true))),
            (header(3180, &[7, 99]), Some((unsized_, true))),
            (header(62211, &[0, 99]), Some((CompiledFrom::of(0, 0).without_size(), true))),
            (header(3379, &[7, 4, 99]), Some((sized, true))),
            (header(3394, &[0, 7, 4]), Some((sized, false))),
            (header(3531, &[0, 7, 4]), Some((sized, false))),
            (header(3531, &[1, 7, 4]), None),
            (header(3531, &[3, 7, 4]), None),
            (header(336, &[0, 7, 4]), Some((sized, false))),
            (header(3379, &[7]), None),
            (b"#!/bin/sh --this is no module".to_vec(), None),
        ];
        for (bytes, want) in cases {
            let found = compiled_from(&bytes).map(|from| (from, is_old(&bytes)));
            assert_eq!(found, want, "{bytes:?}");
        }
        assert!(unsized_.is(7, 1) && sized.is(7, 4) && !sized.is(7, 5) && !unsized_.is(8, 4));
    }
}
