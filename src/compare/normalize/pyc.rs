//! Python's compiled modules (PEP 552): the time of the source out, everything else in.
//!
//! Magic, flags, then the source's time and size unless the flags say hash; a module that is checked by the hash of its
//! source has no time. Python runs the source instead of a module whose time or size is not the source's, so that whoever
//! takes the time out has to hold it against the source as well.

use sha2::{Digest as _, Sha256};

use super::{Work, u32_at};

pub(super) fn normalize(
    _: &mut Work<'_>,
    _: &str,
    bytes: &[u8],
    hasher: &mut Sha256,
) -> Option<()> {
    let (magic, rest) = (bytes.get(..8)?, bytes.get(12..)?);
    hasher.update(magic);
    hasher.update(rest);
    is_timed(bytes).then_some(())
}

/// The magic number ends in CR LF since Python 1.5; flags of 0 mean a time.
fn is_timed(bytes: &[u8]) -> bool {
    bytes.get(2..8) == Some(&[b'\r', b'\n', 0, 0, 0, 0])
}

/// Time and size of the source that a module was compiled from, both cut to 32 bits.
pub(in crate::compare) fn compiled_from(bytes: &[u8]) -> Option<(u64, u64)> {
    let field = |at| u32_at(bytes, at).map(u64::from);
    field(8).zip(field(12)).filter(|_| is_timed(bytes))
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
