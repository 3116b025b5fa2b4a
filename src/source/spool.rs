//! Blobs on disk.
use std::path::PathBuf;

use crate::image::Descriptor;

/// A folder that holds fetched blobs for the length of one run; removed with it.
#[derive(Debug)]
pub struct Spool {
    folder: tempfile::TempDir,
}

/// A blob that can be opened more than once.
#[derive(Debug, Clone)]
pub struct Blob {
    path: PathBuf,
    descriptor: Descriptor,
}
