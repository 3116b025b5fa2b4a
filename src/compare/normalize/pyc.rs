//! Python's compiled modules (PEP 552): the time of the source out, everything else in.
//!
//! Magic, flags, then the source's time and size unless the flags say hash; a module that is checked by the hash of its
//! source has no time. Python runs the source instead of a module whose time or size is not the source's, so that whoever
//! takes the time out has to hold it against the source as well: for a file of the image the trees tell, for a member of an
//! archive the archive's other members ([`Sources`]).

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use super::{Work, u32_at};

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
    let compiled = compiled_from(bytes)?;
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

/// The magic number ends in CR LF since Python 1.5; flags of 0 mean a time.
fn is_timed(bytes: &[u8]) -> bool {
    bytes.get(2..8) == Some(&[b'\r', b'\n', 0, 0, 0, 0])
}

/// Time and size of the source that a module was compiled from, both cut to 32 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::compare) struct CompiledFrom {
    time: u32,
    size: u32,
}

/// What a module says of its source, where it is not checked by a hash.
pub(in crate::compare) fn compiled_from(bytes: &[u8]) -> Option<CompiledFrom> {
    let (time, size) = u32_at(bytes, 8).zip(u32_at(bytes, 12)).filter(|_| is_timed(bytes))?;
    Some(CompiledFrom { time, size })
}

impl CompiledFrom {
    /// What a module says that was compiled from a source of this time and size (importlib, `_validate_timestamp_pyc`).
    pub(in crate::compare) fn of(time: i64, size: u64) -> Self {
        let [time, size] = [time.cast_unsigned(), size].map(|number| {
            let [a, b, c, d, ..] = number.to_le_bytes();
            u32::from_le_bytes([a, b, c, d])
        });
        Self { time, size }
    }

    /// Whether a file of this time and size is the source.
    pub(in crate::compare) fn is(&self, time: i64, size: u64) -> bool {
        *self == Self::of(time, size)
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
    let (folder, name) = path.strip_suffix(".pyc")?.rsplit_once('/')?;
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
            ("/d/m.py", None),
        ];
        for (path, want) in cases {
            assert_eq!(source(path).as_deref(), want, "{path}");
        }
    }
}
