//! What explains a difference, as a value; reports name it by its text.

use std::fmt;

use super::Allowance;

/// What explains a difference: a normalizer with its version, or an allow entry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Explanation {
    /// The normalizers of its formats by name and version, the outermost first.
    Normalizers(Vec<&'static str>),
    /// It is a place for runtimes to mount on.
    MountPoint,
    /// It is an opaque whiteout, and both images come to the same tree.
    OpaqueWhiteout,
    /// The operator lets it pass.
    Allowed(Box<Allowance>),
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Normalizers(names) => f.write_str(&names.join(" ")),
            Self::MountPoint => f.write_str("mount-point@1"),
            Self::OpaqueWhiteout => f.write_str("opaque-whiteout@1"),
            Self::Allowed(allowance) => allowance.fmt(f),
        }
    }
}
