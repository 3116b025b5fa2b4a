//! Numbers of users and groups that a job's programs have on the machine.
//!
//! Turns a job's block of numbers, which no account of the machine and no other job has ([`super::blocks`]), into the map of a user
//! namespace, so that a job's root, and whatever `USER` its steps name, is nobody's account (attack G23); and gives the job's
//! programs what hallmark wrote for them.

use std::{
    ffi::CStr,
    io,
    os::fd::{AsFd, OwnedFd},
    path::Path,
};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Gid, Mode, OFlags, Uid, chownat, openat, statat};

/// Which numbers the operator wants a job's programs to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum WantedNumbers {
    /// A block of their own, where the machine has one.
    #[default]
    Own,
    /// The machine's, for builds that make device nodes.
    Machine,
}

/// The numbers of one job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ids {
    /// The block that no other job has.
    pub(super) first: u32,
    pub(super) count: u32,
    /// What the numbers above those of the block are: all jobs have them in common, since owners of files may have any number.
    pub(super) common: Option<(u32, u32)>,
}

impl Ids {
    /// The machine's number of the job's root.
    pub fn first(&self) -> u32 {
        self.first
    }

    /// Whether a number of the machine is one of the job's own.
    pub fn is_own(&self, number: u32) -> bool {
        number.checked_sub(self.first).is_some_and(|at| at < self.count)
    }

    /// The lines of a map (user_namespaces(7)): numbers inside, numbers outside, how many.
    pub fn map(&self) -> String {
        let own = format!("0 {} {}", self.first, self.count);
        match self.common {
            Some((first, count)) => format!("{own}\n{} {first} {count}", self.count),
            None => own,
        }
    }

    /// Whether a map that the kernel shows is this one, and nothing beside it.
    pub fn is_map(&self, shown: &str) -> bool {
        shown.split_whitespace().eq(self.map().split_whitespace())
    }
}

const FOLDER: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Gives a job's root what hallmark made in this folder since it was last given: each entry that still belongs to the machine's
/// root, and all below it. Programs of the job may work in the folder meanwhile, so no link is followed.
///
/// # Errors
/// The folder cannot be read, or its entries cannot be given away.
pub fn give_entries(folder: &Path, to: Ids) -> io::Result<()> {
    pass_entries(folder, 0, to.first)
}

/// Takes back what was given, for programs that stay the machine's root: git works in no folder of somebody else's.
///
/// # Errors
/// As for [`give_entries`].
pub fn take_entries(folder: &Path, from: Ids) -> io::Result<()> {
    pass_entries(folder, from.first, 0)
}

fn pass_entries(folder: &Path, from: u32, to: u32) -> io::Result<()> {
    let folder = openat(CWD, folder, FOLDER, Mode::empty())?;
    for entry in Dir::read_from(&folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if name.to_bytes() == b"." || name.to_bytes() == b".." {
            continue;
        }
        match statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(what) if what.st_uid == from => give_below(&folder, name, to)?,
            _ => {}
        }
    }
    Ok(())
}

/// Gives a folder, and nothing in it.
///
/// # Errors
/// It cannot be given away.
pub fn give(path: &Path, to: Ids) -> io::Result<()> {
    give_one(CWD, path, to.first)
}

fn give_one<P: rustix::path::Arg>(at: impl AsFd, name: P, to: u32) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(to), Gid::from_raw(to));
    Ok(chownat(at, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?)
}

/// What is gone meanwhile belongs to nobody.
fn give_below(at: &OwnedFd, name: &CStr, to: u32) -> io::Result<()> {
    let mut open = Vec::new();
    let gone = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    match give_one(at, name, to) {
        Err(error) if gone(&error) => return Ok(()),
        given => given?,
    }
    open.extend(openat(at, name, FOLDER, Mode::empty()));
    while let Some(folder) = open.pop() {
        for entry in Dir::read_from(&folder)? {
            let entry = entry?;
            let name = entry.file_name();
            if name.to_bytes() == b"." || name.to_bytes() == b".." {
                continue;
            }
            match give_one(&folder, name, to) {
                Err(error) if gone(&error) => continue,
                given => given?,
            }
            if entry.file_type() == FileType::Directory {
                open.extend(openat(&folder, name, FOLDER, Mode::empty()));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::{MetadataExt as _, symlink},
    };

    use super::*;
    use crate::engine::host::is_root;

    #[test]
    fn a_map_is_what_the_kernel_shows_and_nothing_beside_it() {
        let own = Ids { first: 3_000_000_000, count: 65536, common: None };
        assert!(own.is_map("         0 3000000000      65536\n"));
        assert!(!own.is_map("0 3000000000 65536\n65536 1 1\n") && !own.is_map("0 0 4294967295"));
        let both = Ids { common: Some((4_000_000_000, 7)), ..own };
        assert!(both.is_map("0 3000000000 65536\n65536 4000000000 7\n"));
        assert!(!both.is_map("0 3000000000 65536\n"));
        assert!(both.is_own(3_000_065_535) && !both.is_own(3_000_065_536));
        assert!(!both.is_own(4_000_000_000) && !both.is_own(0));
    }

    #[test]
    fn g19_what_is_given_leads_nowhere_else() {
        if !is_root() {
            return eprintln!("SKIPPED: giving files away takes root");
        }
        let base = tempfile::tempdir().unwrap();
        let (outside, work) = (base.path().join("outside"), base.path().join("w"));
        fs::create_dir_all(work.join("made/deep")).unwrap();
        fs::create_dir(&outside).unwrap();
        for file in [&outside, &work.join("made/deep")].map(|folder| folder.join("file")) {
            fs::write(file, "").unwrap();
        }
        symlink(&outside, work.join("made/link")).unwrap();
        symlink(&outside, work.join("link")).unwrap();
        let ids = Ids { first: 3_000_000_000, count: 65536, common: None };
        give_entries(&work, ids).unwrap();
        let owner = |path: &Path| fs::symlink_metadata(path).unwrap().uid();
        for given in ["made", "made/deep", "made/deep/file", "made/link", "link"] {
            assert_eq!(owner(&work.join(given)), ids.first, "{given}");
        }
        take_entries(&work, ids).unwrap();
        assert_eq!(owner(&work.join("made/deep/file")), 0);
        for kept in [&outside, &outside.join("file"), &work] {
            assert_eq!(owner(kept), 0, "{}", kept.display());
        }
    }
}
