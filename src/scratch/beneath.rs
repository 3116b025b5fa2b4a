//! Files in a folder that builders and their steps could write.
//!
//! Turns paths below a folder into files that lie there. No link is followed on the way, and what is written is a new file: whoever
//! could write to the folder before has chosen no other place (attack G19).

use std::{
    fs::File,
    io::{self, Read as _, Write as _},
    os::fd::OwnedFd,
    path::{Component, Path},
};

use rustix::{
    fs::{AtFlags, CWD, Mode, OFlags, openat, unlinkat},
    io::Errno,
};

const FOLDER: OFlags =
    OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// A folder, held open.
#[derive(Debug)]
pub struct Beneath(OwnedFd);

impl Beneath {
    /// Opens a folder by its whole path, of which no part may be a link.
    ///
    /// # Errors
    /// It is not there, or is reached through a link.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let mut parts = folder.components();
        if parts.next() != Some(Component::RootDir) {
            return Err(refused(folder));
        }
        let root = openat(CWD, "/", FOLDER, Mode::empty())?;
        descend(root, folder, parts).map(Self)
    }

    /// The bytes of a file, at most `max_bytes`.
    ///
    /// # Errors
    /// It is not there, no plain file, reached through a link, or longer.
    pub fn read(&self, path: &Path, max_bytes: u64) -> io::Result<Vec<u8>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let (folder, name) = self.parent(path)?;
        let file = File::from(openat(folder, name, flags, Mode::empty())?);
        if !file.metadata()?.is_file() {
            return Err(refused(path));
        }
        let mut bytes = Vec::new();
        file.take(max_bytes.saturating_add(1)).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > max_bytes {
            let why = format!("{} has more than {max_bytes} bytes", path.display());
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, why));
        }
        Ok(bytes)
    }

    /// A new, empty file in place of whatever has the name.
    ///
    /// # Errors
    /// Its folder is not there or reached through a link, or it cannot be made.
    pub fn create(&self, path: &Path) -> io::Result<File> {
        let (folder, name) = self.parent(path)?;
        match unlinkat(&folder, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(openat(folder, name, flags, Mode::from_raw_mode(0o644))?.into())
    }

    /// Writes a file anew.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.create(path)?.write_all(bytes)
    }

    fn parent<'a>(&self, path: &'a Path) -> io::Result<(OwnedFd, &'a Path)> {
        let name = path.file_name().map(Path::new).ok_or_else(|| refused(path))?;
        let here = openat(&self.0, ".", FOLDER, Mode::empty())?;
        let above = path.parent().unwrap_or(Path::new(""));
        Ok((descend(here, path, above.components())?, name))
    }
}

fn descend<'a>(
    mut here: OwnedFd,
    whole: &Path,
    parts: impl Iterator<Item = Component<'a>>,
) -> io::Result<OwnedFd> {
    for part in parts {
        let Component::Normal(name) = part else { return Err(refused(whole)) };
        here = openat(&here, name, FOLDER, Mode::empty())?;
    }
    Ok(here)
}

fn refused(path: &Path) -> io::Error {
    let why = format!("{} is no plain path to a plain file", path.display());
    io::Error::new(io::ErrorKind::InvalidInput, why)
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    #[test]
    fn g19_no_link_leads_out_of_the_folder() {
        let base = tempfile::tempdir().unwrap();
        let base = fs::canonicalize(base.path()).unwrap();
        let (canary, folder) = (base.join("canary"), base.join("w/out"));
        fs::write(&canary, "whole").unwrap();
        fs::create_dir_all(folder.join("blobs")).unwrap();
        symlink(&canary, folder.join("blobs/file")).unwrap();
        symlink(&base, folder.join("away")).unwrap();
        symlink(&folder, base.join("link")).unwrap();
        let beneath = Beneath::open(&folder).unwrap();
        assert!(beneath.read(Path::new("blobs/file"), 10).is_err(), "a link was read");
        beneath.write(Path::new("blobs/file"), b"new").unwrap();
        assert_eq!(beneath.read(Path::new("blobs/file"), 3).unwrap(), b"new");
        assert!(beneath.read(Path::new("blobs/file"), 2).is_err(), "it is longer");
        fs::hard_link(&canary, folder.join("same")).unwrap();
        beneath.write(Path::new("same"), b"new").unwrap();
        for away in ["away/canary", "../../canary", "/etc/hostname", "blobs", ""] {
            assert!(beneath.read(Path::new(away), 10).is_err(), "{away}");
            assert!(beneath.write(Path::new(away), b"x").is_err(), "{away}");
        }
        assert!(Beneath::open(&base.join("link")).is_err());
        assert!(Beneath::open(Path::new("w/out")).is_err());
        assert_eq!(fs::read_to_string(&canary).unwrap(), "whole");
    }
}
