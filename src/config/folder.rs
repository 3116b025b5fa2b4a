//! Policy folders: files on disk into a bundle.
//!
//! Reads `*.rego` and one data file from each folder, its subfolders included. Follows no symbolic link, so that a folder
//! means only what is in it.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::policy::{Bundle, PolicyError, bundle::MAX_FILE_BYTES};

/// Most files that one policy folder may hold.
const MAX_FILES: usize = 4096;

/// Why a policy folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// It, or something in it, cannot be read.
    #[error("{path}: {error}")]
    Unreadable {
        /// What.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Too many files.
    #[error("{path} holds more than {limit} files")]
    TooMany {
        /// The folder.
        path: PathBuf,
        /// How many are read.
        limit: usize,
    },
    /// A file larger than is read.
    #[error("{path} has {found} bytes, the limit is {limit}")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size in bytes.
        found: u64,
        /// The limit in bytes.
        limit: usize,
    },
    /// The files are no policies.
    #[error("{folder}: {error}")]
    Policy {
        /// The folder.
        folder: PathBuf,
        /// Why.
        error: PolicyError,
    },
}

/// Reads folders into one bundle; later folders' data goes over earlier ones'.
///
/// # Errors
/// See [`FolderError`].
pub fn bundle(folders: &[PathBuf]) -> Result<Bundle, FolderError> {
    let mut bundle = Bundle::default();
    for folder in folders {
        let policy = |error| FolderError::Policy { folder: folder.clone(), error };
        let read = Bundle::from_files(files(folder)?).map_err(policy)?;
        bundle = bundle.join(read).map_err(policy)?;
    }
    Ok(bundle)
}

/// Name relative to the folder, and text, of every policy and data file.
fn files(folder: &Path) -> Result<Vec<(String, String)>, FolderError> {
    let unreadable = |path: &Path| {
        let path = path.to_path_buf();
        move |error| FolderError::Unreadable { path, error }
    };
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).map_err(unreadable(&next))? {
            let entry = entry.map_err(unreadable(&next))?;
            let path = entry.path();
            let kind = entry.file_type().map_err(unreadable(&path))?;
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() && is_policy(&path, folder) {
                found.push((name(&path, folder), text(&path)?));
            }
            if found.len() > MAX_FILES {
                return Err(FolderError::TooMany { path: folder.to_path_buf(), limit: MAX_FILES });
            }
        }
    }
    found.sort();
    Ok(found)
}

fn is_policy(path: &Path, folder: &Path) -> bool {
    let rego = path.extension().is_some_and(|e| e == "rego");
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
    let data = ["data.json", "data.yaml", "data.yml"].contains(&name);
    rego || (data && path.parent() == Some(folder))
}

fn name(path: &Path, folder: &Path) -> String {
    path.strip_prefix(folder).unwrap_or(path).to_string_lossy().into_owned()
}

fn text(path: &Path) -> Result<String, FolderError> {
    let unreadable = |error| FolderError::Unreadable { path: path.to_path_buf(), error };
    let found = fs::metadata(path).map_err(unreadable)?.len();
    if found > MAX_FILE_BYTES as u64 {
        let path = path.to_path_buf();
        return Err(FolderError::TooLarge { path, found, limit: MAX_FILE_BYTES });
    }
    fs::read_to_string(path).map_err(unreadable)
}
