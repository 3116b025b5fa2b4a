//! Files that the operator names on the command line: how they are read, and what is said where one cannot be.
//!
//! A file that is not there is told with the folder that was looked in, and with the name that may have been meant.

use std::{fmt::Display, fs, io, path::Path};

use super::Failure;
use crate::{
    policy::nearest::did_you_mean,
    saved::Access,
    scratch::{read_file, seen},
    trust::KeyError,
};

/// Entries of a folder among which a name is looked for.
const MOST_NAMES: usize = 1000;

/// What an option takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Operand {
    /// What stands before the file in messages, as `--key `; empty for one that has no option.
    pub option: &'static str,
    /// What the file should be, as a sentence that begins with "it takes".
    pub form: &'static str,
}

impl Operand {
    /// Reads a file of at most so many bytes.
    pub(super) fn read(self, path: &Path, most: u64) -> Result<Vec<u8>, Failure> {
        read_file(path, most).map_err(|error| self.unreadable(path, &error))
    }

    /// Reads a file of at most so many bytes where files of this call come from.
    pub(super) fn read_from(
        self,
        files: &Access,
        path: &Path,
        most: u64,
    ) -> Result<Vec<u8>, Failure> {
        let read = files.file(path, most, || read_file(path, most));
        read.map_err(|error| self.unreadable(path, &error))
    }

    /// That a file cannot be read.
    pub(super) fn unreadable(self, path: &Path, error: &io::Error) -> Failure {
        let mut failure = match path.is_dir() {
            true => Failure::usage(self.message(path, &"it is a folder")),
            false => Failure::usage(self.message(path, error)),
        };
        if let Some(help) = whereabouts(path, error) {
            failure.help(&help);
        }
        failure.help(self.form);
        failure
    }

    /// That a file was read and is not what is meant.
    pub(super) fn unusable(self, path: &Path, why: &dyn Display) -> Failure {
        let mut failure = Failure::usage(self.message(path, why));
        failure.help(self.form);
        failure
    }

    /// That the bytes of a file are not what is meant: what they are instead, where their beginning says so, else what the parser says.
    pub(super) fn refused(self, path: &Path, bytes: &[u8], why: &dyn Display) -> Failure {
        match seen(bytes) {
            Some(what) => self.unusable(path, &what),
            None => self.unusable(path, why),
        }
    }

    /// The same of a public key. What has a block of PEM, or is DER, is named by the key's own error.
    pub(super) fn refused_key(self, path: &Path, bytes: &[u8], error: &KeyError) -> Failure {
        match error {
            KeyError::NotPem => self.refused(path, bytes, error),
            _ => self.unusable(path, error),
        }
    }

    /// That a folder is one.
    ///
    /// # Errors
    /// It is not there, or is no folder.
    pub(super) fn folder(self, path: &Path) -> Result<(), Failure> {
        match fs::metadata(path) {
            Err(error) => Err(self.unreadable(path, &error)),
            Ok(there) if !there.is_dir() => {
                Err(self.unusable(path, &"it is a file, and no folder"))
            }
            Ok(_) => Ok(()),
        }
    }

    fn message(self, path: &Path, why: &dyn Display) -> String {
        format!("{}{}: {why}", self.option, path.display())
    }
}

/// Where something was looked for that is not there, and what lies there under a name like it.
fn whereabouts(path: &Path, error: &io::Error) -> Option<String> {
    if error.kind() != io::ErrorKind::NotFound {
        return None;
    }
    let full = std::path::absolute(path).ok()?;
    let folder = full.parent()?;
    let name = path.file_name()?.to_string_lossy().into_owned();
    let Ok(entries) = fs::read_dir(folder) else {
        return Some(format!("there is no folder {}{}", folder.display(), start(path)));
    };
    let names: Vec<String> = entries
        .take(MOST_NAMES)
        .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()))
        .collect();
    let near = did_you_mean(&name, names.iter().map(String::as_str));
    Some(format!("{near}nothing of this name is in {}{}", folder.display(), start(path)))
}

/// Where something was looked for, where nothing is there.
pub(super) fn whereabouts_of(path: &Path) -> Option<String> {
    fs::symlink_metadata(path).err().and_then(|error| whereabouts(path, &error))
}

/// That the folder is not there in which a file would be written.
pub(super) fn without_folder(path: &Path) -> Option<String> {
    let full = std::path::absolute(path).ok()?;
    let folder = full.parent().filter(|folder| !folder.is_dir())?;
    Some(format!("there is no folder {}{}", folder.display(), start(path)))
}

/// How a path is read that does not begin at the root.
fn start(path: &Path) -> &'static str {
    match path.is_absolute() {
        true => "",
        false => ": a relative path starts at the working folder",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_there_is_told_with_what_is() {
        let folder = tempfile::tempdir().unwrap();
        let there = folder.path().join("cosign.pub");
        fs::write(&there, "x").unwrap();
        let key = Operand { option: "--key ", form: "it takes a public key" };
        let place = folder.path().display().to_string();
        let cases = [
            (
                "cosgin.pub",
                format!("help: did you mean cosign.pub? nothing of this name is in {place}"),
            ),
            ("other", format!("help: nothing of this name is in {place}")),
            ("none/cosign.pub", format!("help: there is no folder {place}/none")),
        ];
        for (name, want) in cases {
            let failure = key.read(&folder.path().join(name), 9).unwrap_err();
            let told = failure.told();
            assert!(
                told.contains(&want) && told.ends_with("help: it takes a public key\n"),
                "{told}"
            );
            assert!(told.starts_with("hallmark: --key /") && failure.code == 2, "{told}");
        }
        let told = key.read(Path::new("no-such"), 9).unwrap_err().told();
        assert!(told.contains(": a relative path starts at the working folder"), "{told}");
        // What is there and cannot be read is not looked for.
        let told = key.read(folder.path(), 9).unwrap_err().told();
        assert_eq!(told.matches("help:").count(), 1, "{told}");
        assert!(told.contains(": it is a folder\n"), "{told}");
        for (bytes, want) in [(&b""[..], ": the file is empty\n"), (b"{}", ": no key\n")] {
            let told = key.refused(&there, bytes, &"no key").told();
            assert!(told.contains(want) && told.contains("help: it takes"), "{told}");
        }
        assert!(key.folder(folder.path()).is_ok());
        let told = key.folder(&there).unwrap_err().told();
        assert!(told.contains("it is a file, and no folder"), "{told}");
        let told = key.folder(&folder.path().join("rules")).unwrap_err().told();
        assert!(told.contains("nothing of this name"), "{told}");
        assert_eq!(key.read(&there, 9).unwrap(), b"x");
    }
}
