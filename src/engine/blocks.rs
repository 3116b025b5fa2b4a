//! Blocks of numbers of users and groups, one for each job that runs on the machine.
//!
//! Turns the machine's accounts into the numbers that nobody there has, cut into blocks, and lends a job one of them for as long as
//! it runs. What the kernel counts for each user (watches of epoll, pages of pipes, queued signals) is then each job's own, and so
//! is whatever goes by a number (attack G24). A block is lent by a lock on a file that root alone can open, which the kernel
//! releases however the process ends; one that a process still has a number of is not free. Refuses a machine whose accounts cannot
//! be read, one without a free block, and a kernel that has no overlays in user namespaces.

use std::{
    collections::hash_map::RandomState,
    fs::{self, DirBuilder, File, OpenOptions},
    hash::BuildHasher as _,
    io,
    ops::Range,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, OFlags, flock};

use super::{
    host::is_root,
    ids::{Ids, WantedNumbers},
    version,
};

/// Where accounts and the numbers that are lent to them stand: path, and whether its lines end in a first number and a count.
const ACCOUNTS: [(&str, bool); 4] =
    [("etc/passwd", false), ("etc/group", false), ("etc/subuid", true), ("etc/subgid", true)];
/// The name under which the operator sets numbers aside for hallmark, in `/etc/subuid` and `/etc/subgid` alike.
const NAME: &str = "hallmark";
/// Where blocks may lie otherwise, the better place first: no tool gives out the upper half, whose numbers some take for negative
/// ones. The last two numbers mean nobody and no change.
const PLACES: [Range<u64>; 2] = [0x8000_0000..0xffff_fffe, 0x1_0000..0x8000_0000];
/// Fewest numbers of a block that are of any use: what the smallest systems have.
const LEAST: u64 = 1 << 16;
/// Most numbers of a block: programs of builders and what people name in `USER` are far below.
const MOST: u64 = 1 << 20;
/// Most blocks. Jobs have other bounds that end earlier.
const BLOCKS: u64 = 64;
/// The first kernel with overlays in user namespaces.
const KERNEL: [u32; 3] = [5, 11, 0];

/// Where the lock files are: a folder that lasts until the machine is started again, as processes do.
const LOCKS: &str = "/run/hallmark/numbers";
/// Where they are below the folder of work folders, for who may not write there.
const LOCKS_BESIDE: &str = ".hallmark-numbers";

/// Why a job has no block, and nothing else may take its place.
#[derive(Debug, thiserror::Error)]
pub enum BlockError {
    /// All are lent.
    #[error(
        "all {0} blocks of numbers for jobs are in use; wait until a build has ended, or set more numbers aside for `{NAME}` in /etc/subuid and /etc/subgid"
    )]
    AllLent(u32),
    /// The lock files cannot be used.
    #[error("{}: {error}; it is where hallmark notes which numbers its jobs have", .path.display())]
    Locks {
        /// The folder or file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// A block that nobody else has while this value lives.
#[derive(Debug)]
pub struct Block {
    ids: Ids,
    _lock: File,
}

impl Block {
    /// Its numbers.
    pub fn ids(&self) -> Ids {
        self.ids
    }
}

/// A block for a job whose work folder is made in `base`, where the operator wants one and the machine has any; else why programs
/// have the machine's numbers.
///
/// # Errors
/// There are blocks, and none for this job: others would share a number with it, and the machine's root is no way out.
pub fn lend(numbers: WantedNumbers, base: &Path) -> Result<Result<Block, String>, BlockError> {
    let blocks = match numbers {
        WantedNumbers::Own => Blocks::of_machine(),
        WantedNumbers::Machine => Err("rebuild.numbers asks for that".to_owned()),
    };
    match blocks {
        Ok(blocks) => blocks.lend(&lock_folder(base)?).map(Ok),
        Err(why) => Ok(Err(why)),
    }
}

/// The machine's numbers that jobs may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blocks {
    first: u32,
    /// Numbers of each block.
    size: u32,
    blocks: u32,
    /// What all jobs have in common.
    common: Option<(u32, u32)>,
}

impl Blocks {
    /// What the operator set aside, or the largest free part of the machine's numbers.
    ///
    /// # Errors
    /// Says why there is none.
    pub fn of_machine() -> Result<Self, String> {
        if !is_root() {
            return Err("other numbers take root".to_owned());
        }
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        if version::is_below(kernel.trim(), KERNEL) {
            return Err(format!("Linux {} has no overlays in user namespaces", kernel.trim()));
        }
        Self::beside(&Accounts::read(Path::new("/"))?)
    }

    fn beside(accounts: &Accounts) -> Result<Self, String> {
        let aside = accounts.set_aside();
        let places = aside.as_ref().map_or(PLACES.as_slice(), std::slice::from_ref);
        let free = places.iter().find_map(|place| {
            let gap = largest_gap(place, &accounts.taken);
            (gap.end.saturating_sub(gap.start) >= LEAST).then_some(gap)
        });
        Self::of(&free.ok_or_else(|| match aside {
            Some(_) => format!(
                "what /etc/subuid and /etc/subgid set aside for {NAME} has no {LEAST} numbers in a row that no account has"
            ),
            None => "accounts of the machine have all numbers of users and groups".to_owned(),
        })?)
    }

    /// Cuts numbers into blocks. What is left is common, so that files may have owners beyond a block's.
    fn of(free: &Range<u64>) -> Result<Self, String> {
        let count = free.end.saturating_sub(free.start);
        let size = (count / BLOCKS / 2).clamp(LEAST, MOST);
        let blocks = count.checked_div(size).unwrap_or_default().min(BLOCKS);
        let rest = free.start + blocks * size..free.end;
        let number = |n: u64| u32::try_from(n).map_err(|e| e.to_string());
        let common = match rest.is_empty() {
            true => None,
            false => Some((number(rest.start)?, number(rest.end - rest.start)?)),
        };
        let (first, size, blocks) = (number(free.start)?, number(size)?, number(blocks)?);
        Ok(Self { first, size, blocks, common })
    }

    /// The numbers of a job that has this block.
    pub fn get(&self, block: u32) -> Option<Ids> {
        let at = block.checked_mul(self.size).filter(|_| block < self.blocks)?;
        Some(Ids { first: self.first.checked_add(at)?, count: self.size, common: self.common })
    }

    /// Whether a number is one of a block.
    pub fn has(&self, number: u32) -> bool {
        let all = u64::from(self.size) * u64::from(self.blocks);
        number.checked_sub(self.first).is_some_and(|at| u64::from(at) < all)
    }

    /// The first block that is free, from a place that nobody foresees: who cannot see our locks, as in another container, mostly
    /// begins elsewhere.
    fn lend(&self, locks: &Path) -> Result<Block, BlockError> {
        let drawn = RandomState::new().hash_one(std::process::id());
        let begin = u32::try_from(drawn % u64::from(self.blocks.max(1))).unwrap_or_default();
        let held = numbers_of_processes();
        for block in (begin..self.blocks).chain(0..begin) {
            let Some(ids) = self.get(block) else { continue };
            if held.iter().any(|number| ids.is_own(*number)) {
                continue;
            }
            if let Some(lock) = lock(&locks.join(block.to_string()))? {
                return Ok(Block { ids, _lock: lock });
            }
        }
        Err(BlockError::AllLent(self.blocks))
    }
}

/// Takes a lock that nobody holds.
fn lock(path: &Path) -> Result<Option<File>, BlockError> {
    let nofollow = OFlags::NOFOLLOW.bits().cast_signed();
    let mut open = OpenOptions::new();
    open.write(true).create(true).truncate(false).mode(0o600).custom_flags(nofollow);
    let file = open.open(path);
    let file = file.map_err(|error| BlockError::Locks { path: path.to_owned(), error })?;
    Ok(flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok().then_some(file))
}

/// The folder of the lock files, which nobody but us enters.
fn lock_folder(base: &Path) -> Result<PathBuf, BlockError> {
    let first = PathBuf::from(LOCKS);
    let parent = first.parent().unwrap_or(&first);
    // Another program's folder of this name is as good.
    let _ = DirBuilder::new().mode(0o755).create(parent);
    let folder = match own_folder(&first) {
        Err(error) if is_closed(&error) => base.join(LOCKS_BESIDE),
        Err(error) => return Err(BlockError::Locks { path: first, error }),
        Ok(()) => return Ok(first),
    };
    match own_folder(&folder) {
        Ok(()) => Ok(folder),
        Err(error) => Err(BlockError::Locks { path: folder, error }),
    }
}

/// Whether a machine has no such place for us, as a container whose root is read-only.
fn is_closed(error: &io::Error) -> bool {
    use io::ErrorKind::{NotFound, PermissionDenied, ReadOnlyFilesystem};
    matches!(error.kind(), NotFound | PermissionDenied | ReadOnlyFilesystem)
}

/// Makes a folder, or takes one that is ours: who may open a lock file may hold its lock, so that no job has that block.
fn own_folder(folder: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let what = fs::symlink_metadata(folder)?;
    let ours = what.is_dir() && what.uid() == rustix::process::geteuid().as_raw();
    match ours && what.mode() & 0o077 == 0 {
        true => Ok(()),
        false => Err(io::Error::other("it is no folder of our own that nobody else enters")),
    }
}

/// Numbers of users and groups that processes have which are seen from here.
fn numbers_of_processes() -> Vec<u32> {
    let mut all = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        if !entry.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit) {
            continue;
        }
        // One that has ended meanwhile has no numbers.
        let status = fs::read_to_string(entry.path().join("status")).unwrap_or_default();
        let lines = status
            .lines()
            .filter_map(|line| line.strip_prefix("Uid:").or_else(|| line.strip_prefix("Gid:")));
        all.extend(lines.flat_map(str::split_whitespace).filter_map(|n| n.parse::<u32>().ok()));
    }
    all.sort_unstable();
    all.dedup();
    all
}

/// Numbers that are somebody's.
#[derive(Debug, Default)]
struct Accounts {
    /// Those of accounts, and those that are lent to them.
    taken: Vec<Range<u64>>,
    /// Those that are set aside for us, in each of the two files.
    aside: [Vec<Range<u64>>; 2],
}

impl Accounts {
    fn read(root: &Path) -> Result<Self, String> {
        let mut all = Self::default();
        for (file, lent) in ACCOUNTS {
            let text = match fs::read_to_string(root.join(file)) {
                Ok(text) => text,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(format!("/{file}: {error}")),
            };
            for line in text.lines() {
                match lent {
                    true => all.add_lent(file, line)?,
                    false => all.add_account(line),
                }
            }
        }
        Ok(all)
    }

    fn add_account(&mut self, line: &str) {
        let numbers = line.split(':').skip(1).take(3).filter_map(|word| word.parse::<u64>().ok());
        self.taken.extend(numbers.map(|one| one..one.saturating_add(1)));
    }

    fn add_lent(&mut self, file: &str, line: &str) -> Result<(), String> {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        let mut words = line.split(':');
        let name = words.next().unwrap_or_default();
        let mut numbers = words.take(2).filter_map(|word| word.parse::<u64>().ok());
        let (Some(first), Some(count)) = (numbers.next(), numbers.next()) else {
            // The programs that lend them read numbers of other forms as well, as hexadecimal ones.
            return Err(format!("/{file}: a line is not of the form NAME:FIRST:COUNT in decimal"));
        };
        let range = first..first.saturating_add(count);
        let [users, groups] = &mut self.aside;
        match (name, file.ends_with("subuid")) {
            (NAME, true) => users.push(range),
            (NAME, false) => groups.push(range),
            _ => self.taken.push(range),
        }
        Ok(())
    }

    /// The first numbers that both files set aside for us.
    fn set_aside(&self) -> Option<Range<u64>> {
        let [users, groups] = &self.aside;
        let all = PLACES.iter().fold(0, |end, place| place.end.max(end));
        let clamped = |range: &Range<u64>| range.start.min(all)..range.end.min(all);
        users.iter().find(|range| groups.contains(range)).map(clamped)
    }
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

#[cfg(test)]
mod tests;
