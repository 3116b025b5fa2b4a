//! How the world is reached: as it is, as it is and kept, or as it was.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{Saved, Saver};

/// Where answers and files come from.
#[derive(Debug, Clone, Default)]
pub enum Access {
    /// From the world.
    #[default]
    Live,
    /// From the world, and they are kept.
    Saving(Arc<Saver>),
    /// From what was kept.
    Saved(Arc<Saved>),
}

impl PartialEq for Access {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Live, Self::Live) => true,
            (Self::Saving(one), Self::Saving(other)) => Arc::ptr_eq(one, other),
            (Self::Saved(one), Self::Saved(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }
}

impl Eq for Access {}

impl Access {
    /// A file of at most `max_bytes`; `read` reads it where it is.
    ///
    /// # Errors
    /// As `read`, or that it is not among what was kept.
    pub fn file(
        &self,
        path: &Path,
        max_bytes: u64,
        read: impl FnOnce() -> io::Result<Vec<u8>>,
    ) -> io::Result<Vec<u8>> {
        match self {
            Self::Live => read(),
            Self::Saving(saver) => {
                let found = read();
                match &found {
                    Ok(bytes) => saver.file(name(path)?, Some(bytes))?,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {
                        saver.file(name(path)?, None)?;
                    }
                    Err(_) => {}
                }
                found
            }
            Self::Saved(saved) => saved.file(name(path)?, max_bytes),
        }
    }

    /// The files of a policy folder, by name; `read` reads them where they are. `max_bytes` bounds each.
    ///
    /// # Errors
    /// As `read`, or that it is not among what was kept.
    pub fn folder<E: From<io::Error>>(
        &self,
        path: &Path,
        max_bytes: u64,
        read: impl FnOnce() -> Result<Vec<(String, String)>, E>,
    ) -> Result<Vec<(String, String)>, E> {
        match self {
            Self::Live => read(),
            Self::Saving(saver) => {
                let found = read()?;
                saver.folder(name(path)?, &found)?;
                Ok(found)
            }
            Self::Saved(saved) => Ok(saved.folder(name(path)?, max_bytes)?),
        }
    }

    /// Whether a folder is there.
    pub fn has_folder(&self, path: &Path) -> bool {
        match self {
            Self::Live | Self::Saving(_) => path.is_dir(),
            Self::Saved(saved) => name(path).is_ok_and(|name| saved.has_folder(name)),
        }
    }

    /// A file that is too large to be kept: `read` reads it where it is, and it has to be the one that was read then.
    ///
    /// # Errors
    /// As `read`, or that it is another one now.
    pub fn large(
        &self,
        path: &Path,
        read: impl FnOnce() -> io::Result<Vec<u8>>,
    ) -> io::Result<Vec<u8>> {
        match self {
            Self::Live => read(),
            Self::Saving(saver) => {
                let bytes = read()?;
                saver.elsewhere(name(path)?, &bytes);
                Ok(bytes)
            }
            Self::Saved(saved) => {
                let wanted = saved.elsewhere(name(path)?)?;
                let bytes = read()?;
                // The maker of the folder chose the path: nothing is said of what lies there (attack I15).
                match wanted.matches(&bytes) {
                    true => Ok(bytes),
                    false => {
                        let why = "it is another file than the one that was kept";
                        Err(io::Error::new(io::ErrorKind::InvalidData, why))
                    }
                }
            }
        }
    }

    /// The folder that is written, where answers are kept.
    pub fn saver(&self) -> Option<&Arc<Saver>> {
        match self {
            Self::Saving(saver) => Some(saver),
            Self::Live | Self::Saved(_) => None,
        }
    }

    /// What was kept, where answers come from there.
    pub fn saved(&self) -> Option<&Arc<Saved>> {
        match self {
            Self::Saved(saved) => Some(saved),
            Self::Live | Self::Saving(_) => None,
        }
    }

    /// What was kept, where answers come from there and what its maker alone has seen counts for nothing.
    pub fn unbelieved(&self) -> Option<&Path> {
        self.saved().filter(|saved| !saved.is_believed()).map(|saved| saved.path())
    }
}

/// A path as the record has it.
fn name(path: &Path) -> io::Result<&str> {
    path.to_str().ok_or_else(|| {
        let why = format!("{} is no UTF-8, and cannot be kept", PathBuf::from(path).display());
        io::Error::new(io::ErrorKind::InvalidInput, why)
    })
}
