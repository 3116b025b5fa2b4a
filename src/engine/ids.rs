//! Numbers of users and groups that a job's programs have on the machine.
//!
//! Turns the machine's accounts into a block of numbers that nobody there has, so that a job's root, and whatever `USER` its steps
//! name, is nobody's account (attack G23); and gives the job's programs what hallmark wrote for them. Refuses a machine whose
//! accounts cannot be read, one without a free block, and a kernel that has no overlays in user namespaces.

use std::{
    ffi::CStr,
    fs, io,
    ops::Range,
    os::fd::{AsFd, OwnedFd},
    path::Path,
};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Gid, Mode, OFlags, Uid, chownat, openat, statat};

use super::version;

/// Where accounts and the numbers that are lent to them stand: path, and whether its lines end in a first number and a count.
const ACCOUNTS: [(&str, bool); 4] =
    [("etc/passwd", false), ("etc/group", false), ("etc/subuid", true), ("etc/subgid", true)];
/// Where a block may lie, the better place first: no tool gives out the upper half, whose numbers some take for negative ones. The
/// last two numbers mean nobody and no change.
const PLACES: [Range<u64>; 2] = [0x8000_0000..0xffff_fffe, 0x1_0000..0x8000_0000];
/// Fewest numbers that are of any use: what the smallest systems have.
const LEAST: u64 = 1 << 16;
/// The first kernel with overlays in user namespaces.
const KERNEL: [u32; 3] = [5, 11, 0];

/// Which numbers the operator wants a job's programs to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum WantedNumbers {
    /// A block of their own, where the machine has one.
    #[default]
    Own,
    /// The machine's, for builds that make device nodes.
    Machine,
}

/// A block of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ids {
    first: u32,
    count: u32,
}

impl Ids {
    /// What the operator wants, where the machine has it.
    ///
    /// # Errors
    /// Says why it is the machine's numbers.
    pub fn wanted(numbers: WantedNumbers) -> Result<Self, String> {
        match numbers {
            WantedNumbers::Own => Self::free(),
            WantedNumbers::Machine => Err("rebuild.numbers asks for that".to_owned()),
        }
    }

    /// The largest free block of the machine.
    ///
    /// # Errors
    /// Says why there is none.
    pub fn free() -> Result<Self, String> {
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        if version::is_below(kernel.trim(), KERNEL) {
            return Err(format!("Linux {} has no overlays in user namespaces", kernel.trim()));
        }
        Self::beside(&taken(Path::new("/"))?)
    }

    /// The largest block beside numbers that are taken.
    fn beside(taken: &[Range<u64>]) -> Result<Self, String> {
        let free = PLACES.iter().find_map(|place| {
            let gap = largest_gap(place, taken);
            (gap.end.saturating_sub(gap.start) >= LEAST).then_some(gap)
        });
        let free = free.ok_or("accounts of the machine have all numbers of users and groups")?;
        let number = |n: u64| u32::try_from(n).map_err(|e| e.to_string());
        Ok(Self { first: number(free.start)?, count: number(free.end - free.start)? })
    }

    /// The machine's number of the job's root.
    pub fn first(&self) -> u32 {
        self.first
    }

    /// The line of a map (user_namespaces(7)): numbers inside, numbers outside, how many.
    pub fn map(&self) -> String {
        format!("0 {} {}", self.first, self.count)
    }

    /// Whether a map that the kernel shows is this one, and nothing beside it.
    pub fn is_map(&self, shown: &str) -> bool {
        shown.split_whitespace().eq(self.map().split(' '))
    }
}

/// The numbers of accounts, and those that are lent to them.
fn taken(root: &Path) -> Result<Vec<Range<u64>>, String> {
    let mut all = Vec::new();
    for (file, lent) in ACCOUNTS {
        let text = match fs::read_to_string(root.join(file)) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(format!("/{file}: {error}")),
        };
        for line in text.lines() {
            let mut numbers =
                line.split(':').skip(1).take(3).filter_map(|word| word.parse::<u64>().ok());
            if !lent {
                all.extend(numbers.map(|one| one..one.saturating_add(1)));
            } else if let (Some(first), Some(count)) = (numbers.next(), numbers.next()) {
                all.push(first..first.saturating_add(count));
            } else if !line.trim().is_empty() && !line.trim_start().starts_with('#') {
                // The programs that lend them read numbers of other forms as well, as hexadecimal ones.
                return Err(format!(
                    "/{file}: a line is not of the form NAME:FIRST:COUNT in decimal"
                ));
            }
        }
    }
    Ok(all)
}

/// The largest part of a place that is free.
fn largest_gap(place: &Range<u64>, taken: &[Range<u64>]) -> Range<u64> {
    let mut taken: Vec<&Range<u64>> = taken.iter().collect();
    taken.sort_by_key(|range| range.start);
    let end = place.end..place.end;
    let (mut from, mut largest) = (place.start, place.start..place.start);
    for range in taken.into_iter().chain([&end]) {
        let gap = from..range.start.clamp(from, place.end);
        if gap.end - gap.start > largest.end - largest.start {
            largest = gap;
        }
        from = from.max(range.end).min(place.end);
    }
    largest
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
    use std::os::unix::fs::{MetadataExt as _, symlink};

    use super::*;
    use crate::engine::host::is_root;

    #[test]
    fn g23_a_block_holds_no_account_of_the_machine() {
        let cases: [(&str, &str, &str); 5] = [
            ("root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:", "", "0 2147483648 2147483646"),
            ("a:x:1000:1000::/:", "a:100000:65536", "0 2147483648 2147483646"),
            ("far:x:4000000000:2147483648::/:", "", "0 2147483649 1852516351"),
            ("", "a:2147483648:2147483646", "0 65536 2147418112"),
            (
                "b:x:1000000000:7::/:",
                "a:2147483648:4294967296\nc:65536:100",
                "0 1000000001 1147483647",
            ),
        ];
        for (passwd, subuid, want) in cases {
            let root = tempfile::tempdir().unwrap();
            fs::create_dir(root.path().join("etc")).unwrap();
            fs::write(root.path().join("etc/passwd"), passwd).unwrap();
            fs::write(root.path().join("etc/subuid"), subuid).unwrap();
            let ids = Ids::beside(&taken(root.path()).unwrap()).unwrap();
            assert_eq!(ids.map(), want, "{passwd} {subuid}");
            assert!(ids.is_map(&format!("         {want}\n")));
            assert!(!ids.is_map(&format!("{want}\n1 2 3\n")) && !ids.is_map("0 0 4294967295"));
        }
        let all = 0..u64::from(u32::MAX);
        assert!(Ids::beside(std::slice::from_ref(&all)).is_err());
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
        let ids = Ids { first: 3_000_000_000, count: 65536 };
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
