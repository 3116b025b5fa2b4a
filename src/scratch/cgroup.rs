//! A control group for one job: how much memory and how many processes everything that it starts may have together.
//!
//! Turns bounds into a group at the top of what is mounted here, under one name in every hierarchy. The job's programs go into
//! one child of it and the containers into another (`engine/cage.sh`), since a group of version 2 has either processes or
//! children. Where groups cannot be made, the caller is told why and runs
//! without; nothing here loosens a bound that is in force.

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    os::{
        fd::{AsRawFd as _, OwnedFd},
        unix::ffi::OsStrExt as _,
    },
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use rustix::{
    event::{EventfdFlags, eventfd},
    fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, openat, unlinkat},
    io::Errno,
    process::Signal,
};

/// Where control groups are mounted.
const ROOT: &str = "/sys/fs/cgroup";
/// The child that the programs themselves are in.
const LEAF: &str = "programs";
/// Controllers that are used.
const CONTROLLERS: [&str; 2] = ["memory", "pids"];
/// Version 1: the hierarchy of device nodes that may be opened.
const DEVICES: &str = "devices";
/// What programs of a job and their containers may open, as runc has it for each container: any node may be made, and of
/// those that can be opened none leads to a disk (attack G41).
const OPENED: [&str; 12] = [
    "c *:* m",
    "b *:* m",
    "c 1:3 rwm",
    "c 1:5 rwm",
    "c 1:7 rwm",
    "c 1:8 rwm",
    "c 1:9 rwm",
    "c 5:0 rwm",
    "c 5:1 rwm",
    "c 5:2 rwm",
    "c 10:200 rwm",
    "c 136:* rwm",
];
/// Version 1: the file of the bound on memory and swap together.
const MEMORY_AND_SWAP: &str = "memory.memsw.limit_in_bytes";
/// Most memory for buffers of TCP and UDP, in bytes: version 1 counts it beside all other memory, and not at all without
/// a bound.
const SOCKET_BYTES: u64 = 256 << 20;
/// The file of that bound, and that of what is held.
const SOCKETS: [&str; 2] = ["memory.kmem.tcp.limit_in_bytes", "memory.kmem.tcp.usage_in_bytes"];
/// How often that bound may be held: each socket gets some memory in any case, on top of it.
const SOCKETS_BEYOND: u64 = 2;
/// The controller of huge pages, which no other one counts (attack G46).
const HUGE_PAGES: &str = "hugetlb";
/// Where a machine with hierarchies of version 1 has the one of version 2.
const UNIFIED: &str = "unified";
/// Where the kernel tells of the huge pages of each size that the machine has, and the files that say how many.
const POOLS: (&str, [&str; 2]) =
    ("/sys/kernel/mm/hugepages", ["nr_hugepages", "nr_overcommit_hugepages"]);
/// How often an empty group is tried to be removed: what was killed takes a moment to go.
const TRIES: u32 = 100;

/// What a job may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of memory, caches that cannot be dropped included.
    pub memory_bytes: u64,
    /// Processes and threads.
    pub processes: u64,
}

/// What a job wanted more of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exceeded {
    /// The kernel ended a process because there was no more memory.
    Memory,
    /// The kernel refused a process or thread.
    Processes,
}

/// The group of one job.
#[derive(Debug)]
pub struct Cgroup {
    /// Where control groups are mounted.
    root: PathBuf,
    /// One for each hierarchy: two of v1, one of v2.
    groups: Vec<PathBuf>,
    /// The one that gets no huge pages, where there is such a controller.
    without_huge_pages: Option<PathBuf>,
    name: String,
    /// Version 1: counts how often there was no more memory.
    full: Option<OwnedFd>,
    /// Whether it has counted: reading takes the count away.
    was_full: AtomicBool,
}

impl Cgroup {
    /// Makes a group of this name.
    ///
    /// # Errors
    /// Control groups are not there, or not ours to make.
    pub fn new(name: &str, bounds: Bounds) -> io::Result<Self> {
        Self::under(Path::new(ROOT), name, bounds)
    }

    fn under(root: &Path, name: &str, bounds: Bounds) -> io::Result<Self> {
        let version = Version::of(root)?;
        let groups = version.mounts(root).into_iter().map(|mount| mount.join(name));
        let groups: Vec<PathBuf> = groups.collect();
        // A name that is taken is another job's: its group, and who is in it, are not ours to remove.
        fs::create_dir(&groups[0])?;
        let mut group = Self {
            root: root.to_owned(),
            groups,
            without_huge_pages: None,
            name: name.to_owned(),
            full: None,
            was_full: AtomicBool::new(false),
        };
        // Dropping it removes what was made so far.
        for folder in &group.groups[1..] {
            fs::create_dir(folder)?;
        }
        let write = |folder: &Path, file: &str, text: String| fs::write(folder.join(file), text);
        let (memory, processes) = (bounds.memory_bytes.to_string(), bounds.processes.to_string());
        let mut full = None;
        match (version, group.groups.as_slice()) {
            (Version::V1, [of_memory, of_pids]) => {
                write(of_memory, "memory.limit_in_bytes", memory.clone())?;
                bound_swap(of_memory, &memory)?;
                write(of_pids, "pids.max", processes)?;
                // Without it a build that was ended for its memory is only a build that failed.
                full = notice(of_memory).ok();
            }
            (_, [all, ..]) => {
                write(all, "memory.max", memory)?;
                write(all, "pids.max", processes)?;
                write(all, "cgroup.subtree_control", "+memory +pids".to_owned())?;
                // Swap would be memory under another name.
                let _ = write(all, "memory.swap.max", "0".to_owned());
            }
            _ => {}
        }
        group.full = full;
        for folder in &group.groups {
            fs::create_dir(folder.join(LEAF))?;
        }
        if let Version::V1 = version {
            group.bound_sockets(bounds);
            group.bound_devices();
        }
        group.without_huge_pages = group.bound_huge_pages(version).ok();
        Ok(group)
    }

    /// A machine reserves huge pages for programs that its operator knows, and hands them to whoever asks first. A job gets none,
    /// as on most machines.
    fn bound_huge_pages(&self, version: Version) -> io::Result<PathBuf> {
        let own = self.root.join(HUGE_PAGES);
        let (hierarchy, suffix) = match version {
            Version::V1 if own.is_dir() => (own, ".limit_in_bytes"),
            Version::V1 => (self.root.join(UNIFIED), ".max"),
            Version::V2 => (self.root.clone(), ".max"),
        };
        if suffix == ".max" {
            let control = hierarchy.join("cgroup.subtree_control");
            write_existing(&control, &format!("+{HUGE_PAGES}"))?;
        }
        let group = hierarchy.join(&self.name);
        if !self.groups.contains(&group) {
            fs::create_dir(&group)?;
        }
        let programs = group.join(LEAF);
        refuse_huge_pages(&group, suffix)?;
        if !programs.exists() {
            fs::create_dir(&programs)?;
        }
        Ok(group)
    }

    /// Whether the machine has huge pages that the job can take.
    pub fn lets_take_huge_pages(&self) -> bool {
        let (pools, files) = POOLS;
        let count = |pool: &Path| files.iter().filter_map(|file| number(&pool.join(file))).max();
        self.without_huge_pages.is_none()
            && children(Path::new(pools)).iter().any(|pool| count(pool) > Some(0))
    }

    /// Version 1: how much waits in the job's sockets, where that is far more than they may have.
    pub fn bytes_of_sockets_beyond(&self) -> Option<u64> {
        let [bound, held] = SOCKETS.map(|file| number(&self.groups.first()?.join(file)));
        held.filter(|held| bound.is_some_and(|bound| *held > bound.saturating_mul(SOCKETS_BEYOND)))
    }

    /// Version 1: sockets are counted where the group that made them says so, and not where one above it does (attack
    /// G42).
    fn bound_sockets(&self, bounds: Bounds) {
        let Some(of_memory) = self.groups.first() else { return };
        let bytes = bounds.memory_bytes.min(SOCKET_BYTES).to_string();
        for folder in [of_memory.clone(), of_memory.join(LEAF)] {
            // A kernel without it counts none of them anywhere.
            let _ = write_existing(&folder.join(SOCKETS[0]), &bytes);
        }
    }

    /// Version 1: a job that is the machine's root opens no disk of the machine by a node that a base or a step made.
    /// Version 2 has no files for it.
    fn bound_devices(&mut self) {
        let of_devices = self.root.join(DEVICES).join(&self.name);
        let make = || {
            fs::create_dir(&of_devices)?;
            write_existing(&of_devices.join("devices.deny"), "a")?;
            for rule in OPENED {
                write_existing(&of_devices.join("devices.allow"), rule)?;
            }
            fs::create_dir(of_devices.join(LEAF))
        };
        match make() {
            Ok(()) => self.groups.push(of_devices),
            Err(_) => {
                let _ = fs::remove_dir(&of_devices);
            }
        }
    }

    /// Files that a process writes its id to, before it becomes a program of the job.
    pub fn entrances(&self) -> impl Iterator<Item = PathBuf> {
        let huge = self.without_huge_pages.iter().filter(|group| !self.groups.contains(group));
        self.groups.iter().chain(huge).map(|group| group.join(LEAF).join("cgroup.procs"))
    }

    /// The bound that was reached, if one was. Memory that can be dropped, as the cache of files, reaches the bound in every
    /// build that reads enough, so what counts is that the kernel ended something. Groups of containers are gone by the time
    /// that this is asked, and version 1 counts events where they happen: there a notice tells of memory, and of processes it is
    /// asked how close the whole job came.
    pub fn exceeded(&self) -> Option<Exceeded> {
        let any = |file: &str| self.groups.iter().filter_map(|g| number(&g.join(file))).max();
        let told = |file: &str, key: &str| self.groups.iter().any(|g| counts(g, file, key));
        if self.was_full() || told("memory.events", "oom_kill") {
            return Some(Exceeded::Memory);
        }
        let (peak, bound) = (any("pids.peak"), any("pids.max"));
        let full = peak.zip(bound).is_some_and(|(peak, bound)| peak >= bound);
        (full || told("pids.events", "max")).then_some(Exceeded::Processes)
    }
}

impl Cgroup {
    fn was_full(&self) -> bool {
        let mut count = [0; 8];
        let told =
            self.full.as_ref().is_some_and(|full| rustix::io::read(full, &mut count).is_ok());
        told | self.was_full.fetch_or(told, Ordering::AcqRel)
    }
}

/// Version 1: swap would be memory under another name, and this bound is of both together; it is none that is below that of
/// memory (attack G51). A kernel that does not count swap has no file for it.
fn bound_swap(of_memory: &Path, bytes: &str) -> io::Result<()> {
    match write_existing(&of_memory.join(MEMORY_AND_SWAP), bytes) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        written => written,
    }
}

/// Version 1: has the kernel tell when it finds no more memory for a group and those below it ("Memory Resource Controller",
/// section 10).
fn notice(group: &Path) -> io::Result<OwnedFd> {
    let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
    let control = File::open(group.join("memory.oom_control"))?;
    let wish = format!("{} {}", event.as_raw_fd(), control.as_raw_fd());
    fs::write(group.join("cgroup.event_control"), wish)?;
    Ok(event)
}

/// Bounds the pages of each size to none, reserved ones too: whoever asks for one is told at once that there is none.
fn refuse_huge_pages(group: &Path, suffix: &str) -> io::Result<()> {
    let names =
        fs::read_dir(group)?.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let prefix = format!("{HUGE_PAGES}.");
    let bounds = names.filter(|name| name.starts_with(&prefix) && name.ends_with(suffix));
    let mut all = 0_usize;
    for bound in bounds {
        write_existing(&group.join(bound), "0")?;
        all += 1;
    }
    match all {
        0 => Err(io::ErrorKind::Unsupported.into()),
        _ => Ok(()),
    }
}

/// Writes a setting of a group, whose files are there from the beginning.
fn write_existing(file: &Path, text: &str) -> io::Result<()> {
    File::options().write(true).open(file)?.write_all(text.as_bytes())
}

/// The number that a file holds.
fn number(file: &Path) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        remove_everywhere(&self.root, &self.name);
    }
}

/// Whether this group or one below it has counted the event.
fn counts(group: &Path, file: &str, key: &str) -> bool {
    let text = fs::read_to_string(group.join(file)).unwrap_or_default();
    let number = text.lines().find_map(|line| line.strip_prefix(key)?.trim().parse::<u64>().ok());
    number.is_some_and(|n| n > 0) || children(group).iter().any(|child| counts(child, file, key))
}

/// Which control groups these are.
#[derive(Debug, Clone, Copy)]
enum Version {
    /// A hierarchy for each controller.
    V1,
    /// One for all.
    V2,
}

impl Version {
    fn of(root: &Path) -> io::Result<Self> {
        if CONTROLLERS.iter().all(|controller| root.join(controller).is_dir()) {
            return Ok(Self::V1);
        }
        let there = fs::read_to_string(root.join("cgroup.subtree_control"))?;
        let has = |wanted: &&str| there.split_whitespace().any(|c| c == *wanted);
        if CONTROLLERS.iter().all(has) {
            return Ok(Self::V2);
        }
        let why = "the controllers memory and pids are not delegated";
        Err(io::Error::new(io::ErrorKind::Unsupported, why))
    }

    fn mounts(self, root: &Path) -> Vec<PathBuf> {
        match self {
            Self::V1 => CONTROLLERS.map(|controller| root.join(controller)).to_vec(),
            Self::V2 => vec![root.to_owned()],
        }
    }
}

/// Whether any control groups are mounted. Where the kernel does not say what is, they may be.
pub fn are_mounted() -> bool {
    fs::read_to_string("/proc/self/mountinfo").map_or(true, |table| are_in(&table))
}

/// Behind the fields that may be any number, and a dash, stands the type (proc_pid_mountinfo(5)).
fn are_in(table: &str) -> bool {
    let kinds = table.lines().filter_map(|line| line.split_once(" - ")?.1.split(' ').next());
    kinds.into_iter().any(|kind| matches!(kind, "cgroup" | "cgroup2"))
}

/// Removes what a killed process left of the group of this name. Says whether all of it is gone.
pub fn remove(name: &str) -> bool {
    remove_everywhere(Path::new(ROOT), name)
}

/// Engines make groups for their containers in every hierarchy that there is, and not in ours alone.
fn remove_everywhere(root: &Path, name: &str) -> bool {
    let hierarchies = std::iter::once(root.to_owned()).chain(children(root));
    let left = hierarchies.filter(|hierarchy| !remove_group(&hierarchy.join(name)));
    left.count() == 0
}

fn remove_group(group: &Path) -> bool {
    for _ in 0..TRIES {
        if !group.exists() || remove_tree(group).is_ok() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}

fn children(group: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(group).into_iter().flatten().flatten();
    entries.filter(|e| e.file_type().is_ok_and(|t| t.is_dir())).map(|e| e.path()).collect()
}

/// Ends the members of a group and of those below it, and removes them, the deepest first; a group's files cannot be removed, and
/// go with it. Steps may have named groups as they like, and made them deeper than a path can say, so the walk goes from folder
/// to folder.
fn remove_tree(group: &Path) -> io::Result<()> {
    let open = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let (parent, name) = group.parent().zip(group.file_name()).ok_or(Errno::INVAL)?;
    let mut here = openat(CWD, parent, open, Mode::empty())?;
    let mut below = vec![name.as_bytes().to_vec()];
    let mut entered = 0;
    loop {
        // The last name is a child of the folder that is open here, and not entered yet or empty by now.
        let Some(name) = below.last() else { return Ok(()) };
        let child = openat(&here, name.as_slice(), open, Mode::empty())?;
        end_members(&child);
        match first_folder(&child)? {
            Some(next) => {
                below.push(next);
                here = child;
                entered += 1;
            }
            None => {
                unlinkat(&here, name.as_slice(), AtFlags::REMOVEDIR)?;
                below.pop();
                if entered > 0 {
                    here = openat(&here, "..", open, Mode::empty())?;
                    entered -= 1;
                }
            }
        }
    }
}

/// Kills the members of a group, which a frozen one would not notice: version 1 has to be thawed.
fn end_members(group: &OwnedFd) {
    let file = |name: &str, flags| {
        openat(group, name, flags | OFlags::CLOEXEC, Mode::empty()).map(File::from)
    };
    if let Ok(mut state) = file("freezer.state", OFlags::WRONLY) {
        let _ = state.write_all(b"THAWED");
    }
    let mut members = String::new();
    if let Ok(mut processes) = file("cgroup.procs", OFlags::RDONLY) {
        let _ = processes.read_to_string(&mut members);
    }
    for pid in members.lines().filter_map(|line| line.parse::<u32>().ok()) {
        super::signal(pid, Signal::KILL);
    }
}

fn first_folder(group: &OwnedFd) -> io::Result<Option<Vec<u8>>> {
    for entry in Dir::read_from(group)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if entry.file_type() == FileType::Directory && name != b"." && name != b".." {
            return Ok(Some(name.to_vec()));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::panic::AssertUnwindSafe;

    use super::*;

    const BOUNDS: Bounds = Bounds { memory_bytes: 1 << 28, processes: 100 };

    #[test]
    fn control_groups_are_there_where_one_is_mounted() {
        let row = |kind: &str| {
            format!("29 21 0:25 / /sys/fs/cgroup rw,nosuid shared:9 - {kind} cgroup rw\n")
        };
        let proc = "21 1 0:20 / /proc rw - proc proc rw\n";
        for kind in ["cgroup", "cgroup2"] {
            assert!(are_in(&format!("{proc}{}", row(kind))), "{kind}");
        }
        for table in [proc.to_owned(), row("tmpfs"), String::new(), "cgroup - \n".to_owned()] {
            assert!(!are_in(&table), "{table}");
        }
    }

    fn tree(folders: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        folders.iter().for_each(|f| fs::create_dir_all(root.path().join(f)).unwrap());
        root
    }

    #[test]
    fn version_1_has_a_group_for_each_controller() {
        let root = tree(&["memory", "pids"]);
        let group = Cgroup::under(root.path(), "job", BOUNDS).unwrap();
        let read = |path: &str| fs::read_to_string(root.path().join(path)).unwrap();
        assert_eq!(read("memory/job/memory.limit_in_bytes"), "268435456");
        assert_eq!(read("pids/job/pids.max"), "100");
        let entrances: Vec<_> = group.entrances().collect();
        let entrance = |of: &str| root.path().join(of).join("job/programs/cgroup.procs");
        assert_eq!(entrances, [entrance("memory"), entrance("pids")]);
        // A folder of plain files cannot be removed as a group is.
        std::mem::forget(group);
    }

    #[test]
    fn version_2_has_one_group_where_controllers_are_delegated() {
        let root = tree(&[]);
        let control = root.path().join("cgroup.subtree_control");
        assert!(Cgroup::under(root.path(), "job", BOUNDS).is_err());
        fs::write(&control, "cpu\n").unwrap();
        assert!(Cgroup::under(root.path(), "job", BOUNDS).is_err());
        fs::write(&control, "cpu memory pids\n").unwrap();
        let group = Cgroup::under(root.path(), "job", BOUNDS).unwrap();
        let job = root.path().join("job");
        assert_eq!(fs::read_to_string(job.join("memory.max")).unwrap(), "268435456");
        assert_eq!(group.entrances().count(), 1);
        assert_eq!(group.exceeded(), None);
        fs::write(job.join("memory.events"), "low 0\noom 3\noom_kill 1\n").unwrap();
        assert_eq!(group.exceeded(), Some(Exceeded::Memory));
        std::mem::forget(group);
    }

    #[test]
    fn g51_swap_is_no_memory_beyond_the_bound() {
        let folder = tempfile::tempdir().unwrap();
        // A kernel that counts no swap.
        bound_swap(folder.path(), "1000").unwrap();
        let bound = folder.path().join(MEMORY_AND_SWAP);
        assert!(!bound.exists());
        fs::create_dir(&bound).unwrap();
        assert!(bound_swap(folder.path(), "1000").is_err());
        let name = unused("swap");
        let Ok(group) = Cgroup::new(&name, BOUNDS) else {
            return eprintln!("SKIPPED: no control groups here");
        };
        let Some(bound) = number(&group.groups[0].join(MEMORY_AND_SWAP)) else {
            return eprintln!("SKIPPED: no swap is counted here by groups of version 1");
        };
        assert_eq!(bound, BOUNDS.memory_bytes);
    }

    /// A name that no other test has: whoever removes a group ends all that are in it.
    fn unused(name: &str) -> String {
        use std::sync::atomic::AtomicU32;
        static NAMES: AtomicU32 = AtomicU32::new(0);
        let number = NAMES.fetch_add(1, Ordering::Relaxed);
        format!("hallmark-{name}-{}-{number}", std::process::id())
    }

    #[test]
    fn a_group_of_another_job_is_left_alone() {
        let root = tree(&["memory/job/programs", "pids/job/programs"]);
        let taken = Cgroup::under(root.path(), "job", BOUNDS).map(drop);
        assert_eq!(taken.map_err(|error| error.kind()), Err(io::ErrorKind::AlreadyExists));
        for left in ["memory/job/programs", "pids/job/programs"] {
            assert!(root.path().join(left).exists(), "{left}");
        }
    }

    #[test]
    fn a_real_group_bounds_processes_and_ends_them_with_itself() {
        let name = unused("test");
        let group = match Cgroup::new(&name, Bounds { processes: 8, ..BOUNDS }) {
            Ok(group) => group,
            Err(why) => return eprintln!("SKIPPED: no control groups here: {why}"),
        };
        let entrances = group.entrances().map(|e| e.display().to_string());
        let enter: String = entrances.map(|e| format!("echo $$ > {e}; ")).collect();
        let script = format!("{enter} for i in 1 2 3 4 5 6 7 8 9 10; do sleep 1000 & done; wait");
        let mut shell = std::process::Command::new("sh");
        let mut child =
            shell.args(["-c", &script]).stderr(std::process::Stdio::null()).spawn().unwrap();
        for _ in 0..100 {
            if group.exceeded().is_some() {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(group.exceeded(), Some(Exceeded::Processes));
        let groups = group.groups.clone();
        drop(group);
        assert!(!child.wait().unwrap().success());
        assert!(groups.iter().all(|group| !group.exists()), "{groups:?}");
    }

    /// A thread of this test in a real group of version 1.
    fn inside<T: Send>(name: &str, what: impl FnOnce() -> T + Send) -> Option<T> {
        let name = unused(name);
        let bounds = Bounds { memory_bytes: 32 << 20, processes: 100 };
        let group = match Cgroup::new(&name, bounds) {
            Ok(group) if group.groups.len() == 3 => group,
            other => {
                eprintln!("SKIPPED: no control groups of version 1 here: {:?}", other.err());
                return None;
            }
        };
        std::thread::scope(|scope| {
            let run = scope.spawn(|| {
                let id = rustix::thread::gettid().as_raw_nonzero().to_string();
                // Of version 2 a process is in a group as a whole.
                let entrances = || group.entrances().filter(|e| e.with_file_name("tasks").exists());
                for entrance in entrances() {
                    fs::write(entrance.with_file_name("tasks"), &id).unwrap();
                }
                let found = std::panic::catch_unwind(AssertUnwindSafe(what));
                // Whoever is in the group when it goes ends, with all threads.
                for entrance in entrances() {
                    let top = entrance.ancestors().nth(3).unwrap();
                    fs::write(top.join("tasks"), &id).unwrap();
                }
                found.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            });
            Some(run.join().unwrap())
        })
    }

    #[test]
    fn g41_a_job_opens_no_disk_of_the_machine() {
        let folder = tempfile::tempdir().unwrap();
        let (disk, null) = (folder.path().join("disk"), folder.path().join("null"));
        let opened = inside("disk", || {
            let make = |at: &Path, kind, (major, minor)| {
                let number = rustix::fs::makedev(major, minor);
                rustix::fs::mknodat(CWD, at, kind, Mode::RUSR | Mode::WUSR, number).unwrap();
                File::open(at).map(drop).map_err(|error| error.kind())
            };
            // The first loop device: every machine that has a disk for jobs has it.
            [
                make(&disk, FileType::BlockDevice, (7, 0)),
                make(&null, FileType::CharacterDevice, (1, 3)),
            ]
        });
        if let Some(opened) = opened {
            assert_eq!(opened, [Err(io::ErrorKind::PermissionDenied), Ok(())]);
        }
    }

    #[test]
    fn g42_buffers_of_sockets_have_a_bound() {
        use std::net::{TcpListener, TcpStream};
        const PAIRS: usize = 40;
        let sent = inside("sockets", || {
            let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
            let mut held = Vec::new();
            let mut sent = 0;
            for _ in 0..PAIRS {
                let mut from = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
                held.push(listener.accept().unwrap().0);
                from.set_nonblocking(true).unwrap();
                let mut idle = 0;
                while idle < 20 {
                    match from.write(&[0; 1 << 16]) {
                        Ok(bytes) => (sent, idle) = (sent + bytes, 0),
                        Err(_) => {
                            idle += 1;
                            std::thread::sleep(Duration::from_millis(1));
                        }
                    }
                }
                held.push(from);
            }
            sent
        });
        // What each socket gets in any case comes on top of it.
        if let Some(sent) = sent {
            assert!(sent < 48 << 20, "{sent} bytes wait in {PAIRS} pairs of sockets");
        }
    }

    #[test]
    fn g46_a_job_has_no_huge_pages() {
        for (suffix, files, want) in [
            (".max", &["hugetlb.2MB.max", "hugetlb.2MB.rsvd.max", "hugetlb.1GB.max"][..], true),
            (".limit_in_bytes", &["hugetlb.2MB.limit_in_bytes"], true),
            (".max", &["hugetlb.2MB.current", "memory.max"], false),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let file = |name: &&str| folder.path().join(name);
            files.iter().for_each(|name| fs::write(file(name), "max").unwrap());
            assert_eq!(refuse_huge_pages(folder.path(), suffix).is_ok(), want, "{files:?}");
            for name in files.iter().filter(|_| want) {
                // Of a group, what is written takes the place of what was there.
                assert_eq!(fs::read_to_string(file(name)).unwrap(), "0ax", "{name}");
            }
        }
        let name = unused("huge");
        let Ok(group) = Cgroup::new(&name, BOUNDS) else {
            return eprintln!("SKIPPED: no control groups here");
        };
        let Some(of_pages) = group.without_huge_pages.clone() else {
            return eprintln!("SKIPPED: no control group counts huge pages here");
        };
        assert!(!group.lets_take_huge_pages());
        let entrance = of_pages.join(LEAF).join("cgroup.procs");
        assert!(group.entrances().any(|at| at == entrance));
        let bounds = fs::read_dir(&of_pages).unwrap().flatten().map(|entry| entry.path());
        let bounds = bounds.filter(|path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            name.starts_with(HUGE_PAGES)
                && (name.ends_with("max") || name.ends_with("limit_in_bytes"))
        });
        let bounds: Vec<PathBuf> = bounds.collect();
        assert!(!bounds.is_empty());
        for bound in bounds {
            assert_eq!(number(&bound), Some(0), "{}", bound.display());
        }
        drop(group);
        assert!(!of_pages.exists());
    }

    /// Sockets that hold no more than each gets in any case add up.
    #[test]
    fn g47_what_sockets_get_in_any_case_is_seen() {
        let name = unused("sockets");
        let Ok(group) = Cgroup::new(&name, BOUNDS) else {
            return eprintln!("SKIPPED: no control groups here");
        };
        let of_memory = group.groups[0].clone();
        let Some(bound) = number(&of_memory.join(SOCKETS[0])) else {
            return eprintln!("SKIPPED: no control groups of version 1 here");
        };
        assert_eq!(bound, BOUNDS.memory_bytes.min(SOCKET_BYTES));
        assert_eq!(group.bytes_of_sockets_beyond(), None);
        drop(group);
        let root = tree(&["memory/job"]);
        let group = Cgroup {
            root: root.path().to_owned(),
            groups: vec![root.path().join("memory/job")],
            without_huge_pages: None,
            name: "job".to_owned(),
            full: None,
            was_full: AtomicBool::new(false),
        };
        let held = |bytes: &str| fs::write(group.groups[0].join(SOCKETS[1]), bytes).unwrap();
        fs::write(group.groups[0].join(SOCKETS[0]), "1000\n").unwrap();
        for (bytes, want) in [("2000\n", None), ("2001\n", Some(2001)), ("", None)] {
            held(bytes);
            assert_eq!(group.bytes_of_sockets_beyond(), want, "{bytes}");
        }
        std::mem::forget(group);
    }

    /// Runs a script in a new group, and says what it wanted too much of.
    fn exceeded(name: &str, script: &str) -> Option<Option<Exceeded>> {
        let name = unused(name);
        let group = match Cgroup::new(&name, Bounds { memory_bytes: 64 << 20, processes: 100 }) {
            Ok(group) => group,
            Err(why) => {
                eprintln!("SKIPPED: no control groups here: {why}");
                return None;
            }
        };
        let entrances = group.entrances().map(|e| e.display().to_string());
        let enter: String = entrances.map(|e| format!("echo $$ > {e}; ")).collect();
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", &format!("{enter} {script}")]);
        shell.stderr(std::process::Stdio::null()).status().unwrap();
        Some(group.exceeded())
    }

    #[test]
    fn g12_the_cache_of_files_is_no_want_of_memory() {
        let folder = tempfile::tempdir_in("/var/tmp").unwrap();
        let file = folder.path().join("file").display().to_string();
        let script = format!("dd if=/dev/zero of={file} bs=1M count=200; cat {file} > /dev/null");
        if let Some(found) = exceeded("cache", &script) {
            assert_eq!(found, None);
        }
        if let Some(found) = exceeded("greedy", "tail /dev/zero > /dev/null") {
            assert_eq!(found, Some(Exceeded::Memory));
        }
    }

    #[test]
    fn g12_a_group_goes_from_every_hierarchy() {
        let root = tree(&["memory/job/steps/a", "devices/job/steps/b", "unified/job", "cpu/other"]);
        remove_everywhere(root.path(), "job");
        for gone in ["memory/job", "devices/job", "unified/job"] {
            assert!(!root.path().join(gone).exists(), "{gone}");
        }
        assert!(root.path().join("cpu/other").exists());
    }

    #[test]
    fn g18_groups_that_are_deeper_than_a_path_can_say_go_too() {
        let root = tree(&["devices/job", "memory/other"]);
        let part = "x".repeat(200);
        let open = OFlags::RDONLY | OFlags::DIRECTORY;
        let mut here = openat(CWD, root.path().join("devices/job"), open, Mode::empty()).unwrap();
        for _ in 0..40 {
            for name in [part.as_str(), "beside"] {
                rustix::fs::mkdirat(&here, name, Mode::RWXU).unwrap();
            }
            here = openat(&here, part.as_str(), open, Mode::empty()).unwrap();
        }
        assert!(remove_everywhere(root.path(), "job"));
        assert!(!root.path().join("devices/job").exists());
        assert!(root.path().join("memory/other").exists());
    }

    #[test]
    fn g18_a_frozen_group_ends_as_any_other() {
        let name = unused("frozen");
        let group = Path::new(ROOT).join("freezer").join(&name);
        if fs::create_dir(&group).is_err() {
            return eprintln!("SKIPPED: no freezer of version 1 here");
        }
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        fs::write(group.join("cgroup.procs"), child.id().to_string()).unwrap();
        fs::write(group.join("freezer.state"), "FROZEN").unwrap();
        assert!(remove(&name));
        assert!(!child.wait().unwrap().success());
        assert!(!group.exists());
    }
}
