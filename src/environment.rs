//! The variables of this process's environment: nothing else reads one.
//!
//! What the variables of one program have to say stands here once; everything else asks for a variable by its name.
//! `tests/it/tidy.rs` refuses another reader.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
};

/// The value of a variable, where it is set.
pub fn variable(name: &str) -> Option<OsString> {
    env::var_os(name)
}

/// The value of a variable, where it is set to something.
pub fn filled(name: &str) -> Option<OsString> {
    variable(name).filter(|value| !value.is_empty())
}

/// The folders of programs, in the order of `PATH`.
pub fn program_folders() -> Vec<PathBuf> {
    variable("PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default()
}

/// A folder or file below the user's home.
pub fn below_home(path: &str) -> Option<PathBuf> {
    variable("HOME").map(|home| Path::new(&home).join(path))
}

/// Where Docker's client looks for its settings and plugins: `DOCKER_CONFIG`, then the user's home.
pub fn docker_folders() -> Vec<PathBuf> {
    let configured = variable("DOCKER_CONFIG").map(PathBuf::from);
    configured.into_iter().chain(below_home(".docker")).collect()
}
