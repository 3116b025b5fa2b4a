//! What the machine has: programs on `PATH`, the rights of this process, the file system below a folder.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use crate::environment;

/// Looks for a program on `PATH`.
pub fn find_program(name: &str) -> Option<PathBuf> {
    let folders = environment::program_folders().into_iter();
    folders.map(|folder| folder.join(name)).find(|file| is_executable(file))
}

/// What keeps an engine from being used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Missing {
    /// Programs that are not on `PATH`: one or more.
    Programs(Vec<&'static str>),
    /// Something else.
    Else(String),
}

impl Missing {
    /// The programs of these that are not on `PATH`, if any.
    pub fn of(names: &[&'static str]) -> Option<Self> {
        let missing = names.iter().copied().filter(|name| find_program(name).is_none());
        let missing: Vec<&str> = missing.collect();
        (!missing.is_empty()).then_some(Self::Programs(missing))
    }

    /// The programs that are missing.
    pub fn programs(&self) -> &[&'static str] {
        match self {
            Self::Programs(names) => names,
            Self::Else(_) => &[],
        }
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Else(why) => f.write_str(why),
            Self::Programs(names) => match names.as_slice() {
                [all @ .., first, last] => {
                    all.iter().try_for_each(|name| write!(f, "{name}, "))?;
                    write!(f, "{first} and {last} are not on PATH")
                }
                [one] => write!(f, "{one} is not on PATH"),
                [] => Ok(()),
            },
        }
    }
}

/// Finds programs.
///
/// # Errors
/// All of these that are missing.
pub fn require<const N: usize>(names: [&'static str; N]) -> Result<[PathBuf; N], Missing> {
    if let Some(missing) = Missing::of(&names) {
        return Err(missing);
    }
    // What was there a moment ago.
    Ok(names.map(|name| find_program(name).unwrap_or_else(|| name.into())))
}

/// Whether a path is a file that can be run.
pub fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(file).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

/// Whether mounting and unpacking as other users will work.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Whether a folder lies on an overlay, which does not stack on itself: engines have to copy there.
pub fn is_on_overlay(folder: &Path) -> bool {
    const OVERLAYFS_SUPER_MAGIC: i128 = 0x794c_7630;
    rustix::fs::statfs(folder).is_ok_and(|s| i128::from(s.f_type) == OVERLAYFS_SUPER_MAGIC)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_missed_all_at_once() {
        let said = |names: &[&'static str]| Missing::Programs(names.to_vec()).to_string();
        assert_eq!(said(&["a"]), "a is not on PATH");
        assert_eq!(said(&["a", "b"]), "a and b are not on PATH");
        assert_eq!(said(&["a", "b", "c"]), "a, b and c are not on PATH");
        let (one, two) = ("hallmark-has-no-such-program", "hallmark-nor-such-a-one");
        let found = require(["sh", one, two]);
        assert_eq!(found, Err(Missing::Programs(vec![one, two])));
        assert!(require(["sh"]).is_ok_and(|[sh]| sh.ends_with("sh")));
        assert_eq!(Missing::of(&["sh"]), None);
    }
}
