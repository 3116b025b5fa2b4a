//! Policy folders: files on disk into a bundle.
//!
//! Reads `*.rego` and one data file from each folder, its subfolders included. Follows symbolic links to files that are in
//! the folder, as Kubernetes makes them of a ConfigMap, and refuses others: a folder means only what is in it. Names that
//! begin with a dot are passed over; data that would be passed over is refused.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::policy::{Bundle, PolicyError, data::MAX_FILE_BYTES};

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
    /// A folder that adds nothing.
    #[error("{folder} holds no *.rego file; name the folder that has the rules")]
    Empty {
        /// The folder.
        folder: PathBuf,
    },
    /// A link that leaves the folder.
    #[error("{path} is a link that leads out of the policy folder; copy what it leads to")]
    Outside {
        /// The link.
        path: PathBuf,
    },
    /// The files are no policies.
    #[error("{folder}: {error}")]
    Policy {
        /// The folder.
        folder: PathBuf,
        /// Why.
        error: Box<PolicyError>,
    },
}

/// Reads folders into one bundle. Each has packages and data of its own.
///
/// # Errors
/// See [`FolderError`].
pub fn bundle(folders: &[PathBuf]) -> Result<Bundle, FolderError> {
    let mut bundle = Bundle::default();
    for folder in folders {
        let policy = |error| FolderError::Policy { folder: folder.clone(), error: Box::new(error) };
        let read = Bundle::from_files(files(folder)?).map_err(policy)?;
        if read.is_empty() {
            return Err(FolderError::Empty { folder: folder.clone() });
        }
        bundle = bundle.join(read.at(&folder.display().to_string())).map_err(policy)?;
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
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let kind = entry.file_type().map_err(unreadable(&path))?;
            let kind = match kind.is_symlink() && is_policy(&path, folder) {
                true => linked(&path, folder)?,
                false => kind,
            };
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

/// What a link leads to, inside the folder.
fn linked(path: &Path, folder: &Path) -> Result<fs::FileType, FolderError> {
    let unreadable = |error| FolderError::Unreadable { path: path.to_path_buf(), error };
    let target = path.canonicalize().map_err(unreadable)?;
    if !target.starts_with(folder.canonicalize().map_err(unreadable)?) {
        return Err(FolderError::Outside { path: path.to_path_buf() });
    }
    fs::metadata(&target).map(|data| data.file_type()).map_err(unreadable)
}

/// Rules, and what OPA would take for data; [`Bundle::from_files`] refuses what is neither.
fn is_policy(path: &Path, folder: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
    let is = |known: &&str| extension.eq_ignore_ascii_case(known);
    // Below the top, other documents belong to somebody else: a rule that refers to them is refused by itself.
    let data = path.parent() == Some(folder) || stem.eq_ignore_ascii_case("data");
    is(&"rego") || (data && ["json", "yaml", "yml"].iter().any(is))
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
