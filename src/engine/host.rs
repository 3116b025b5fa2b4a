//! What the machine has: programs on `PATH`, the rights of this process, the file system below a folder.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::environment;

/// Looks for a program on `PATH`.
pub fn find_program(name: &str) -> Option<PathBuf> {
    let folders = environment::program_folders().into_iter();
    folders.map(|folder| folder.join(name)).find(|file| is_executable(file))
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
