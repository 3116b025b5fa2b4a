//! Folders for the length of one job, and everything that lives in them.
//!
//! Turns the system's folder for temporary files into folders that have an owner: a lock in each says whether the process
//! that made it still runs. Dropping one removes it; where programs ran in it, [`end_all`] comes before. A process that is
//! killed can do neither, so whoever makes the first folder in a place removes those that nobody owns any more, with all
//! that runs or is mounted in them. Refuses to touch what another user made, what is a link, and what has no lock.

pub mod beneath;
pub mod cgroup;
pub mod group;
mod seen;

use std::{
    collections::BTreeSet,
    fs::{self, File, OpenOptions},
    io::{self, Read as _},
    os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    fs::{FlockOperation, OFlags, flock},
    process::{Pid, Signal, kill_process},
};

pub use seen::seen;

/// What the names of all such folders begin with.
pub const PREFIX: &str = "hallmark-";
/// The file in each whose lock its owner holds.
const OWNER: &str = ".owner";

/// Time for everything that comes out of a pipe which is named in place of a file.
const PIPE: Duration = Duration::from_secs(10);
/// Time between two looks into such a pipe.
const LOOK: Duration = Duration::from_millis(10);

/// Opens a file for reading, and nothing else that may have its name: a pipe would keep us waiting.
///
/// # Errors
/// It is not there, cannot be read, or is no file.
pub fn open_file(path: &Path) -> io::Result<File> {
    open_kind(path, fs::FileType::is_file).map(|(file, _)| file)
}

/// Opens what is of a kind that the caller takes, without waiting for anybody at its other end.
fn open_kind(path: &Path, takes: fn(&fs::FileType) -> bool) -> io::Result<(File, fs::FileType)> {
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let kind = file.metadata()?.file_type();
    match takes(&kind) {
        true => Ok((file, kind)),
        false => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file")),
    }
}

/// The bytes of a file, or of a pipe, as `<(command)` makes one in a shell, which is not waited for without end. Devices and
/// sockets are refused.
///
/// # Errors
/// It is not there, cannot be read, is none of these, has more bytes than `max_bytes`, or the pipe's writer is too slow.
pub fn read_file(path: &Path, max_bytes: u64) -> io::Result<Vec<u8>> {
    read_within(path, max_bytes, PIPE)
}

/// The bytes of a regular file that somebody else named: nothing else is even opened, since to open a device or pipe may do
/// something.
///
/// # Errors
/// It is not there, cannot be read, is no regular file, or has more bytes than `max_bytes`.
pub fn read_regular(path: &Path, max_bytes: u64) -> io::Result<Vec<u8>> {
    match fs::metadata(path)?.is_file() {
        true => read_file(path, max_bytes),
        false => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file")),
    }
}

fn read_within(path: &Path, max_bytes: u64, wait: Duration) -> io::Result<Vec<u8>> {
    let (file, kind) = open_kind(path, |kind| kind.is_file() || kind.is_fifo())?;
    let (until, mut bytes) = (Instant::now() + wait, Vec::new());
    let mut limited = file.take(max_bytes.saturating_add(1));
    loop {
        match limited.read_to_end(&mut bytes) {
            // Nobody writes into it yet: what was written by somebody who has gone is there.
            Ok(_) if kind.is_fifo() && bytes.is_empty() => {}
            Ok(_) => break,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        if Instant::now() >= until {
            let why = format!("it is a pipe that did not end within {} s", wait.as_secs());
            return Err(io::Error::new(io::ErrorKind::TimedOut, why));
        }
        thread::sleep(LOOK);
    }
    match bytes.len() as u64 <= max_bytes {
        true => Ok(bytes),
        false => {
            let why = format!("it has more than {max_bytes} bytes");
            Err(io::Error::new(io::ErrorKind::FileTooLarge, why))
        }
    }
}

/// A folder for one job, removed when it is dropped.
#[derive(Debug)]
pub struct Scratch {
    folder: tempfile::TempDir,
    /// Released by the kernel, however the process ends.
    _lock: File,
}

impl Scratch {
    /// Makes an empty folder that only we can read, under `base` or the system's folder for temporary files, and removes
    /// what earlier processes left there when they were killed.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn new(base: Option<&Path>) -> io::Result<Self> {
        // As the kernel has it: that is how mounts and processes name it later.
        let base = fs::canonicalize(base.map_or_else(std::env::temp_dir, Path::to_owned))?;
        sweep_once(&base);
        let folder = tempfile::Builder::new()
            .prefix(PREFIX)
            .permissions(fs::Permissions::from_mode(0o700))
            .tempdir_in(base)?;
        let lock = own(folder.path())?;
        Ok(Self { folder, _lock: lock })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Leaves the folder to a later start, which ends by its name what could not be ended now.
    pub fn keep(&mut self) {
        self.folder.disable_cleanup(true);
    }
}

/// What was left in a place is looked for once: later folders there are our own.
fn sweep_once(base: &Path) {
    static SWEPT: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
    if SWEPT.lock().unwrap_or_else(PoisonError::into_inner).insert(base.to_owned()) {
        sweep(base);
    }
}

/// The lock is taken under another name: there is no moment at which the file is there and nobody holds it. Whoever may open
/// the file may hold its lock, so that nobody else may.
fn own(folder: &Path) -> io::Result<File> {
    let new = folder.join(".owner.new");
    let lock = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
    fs::rename(new, folder.join(OWNER))?;
    Ok(lock)
}

/// Removes the folders under `base` whose owner is gone, with all that runs or is mounted in them. Says how many.
pub fn sweep(base: &Path) -> usize {
    let Ok(base) = fs::canonicalize(base) else { return 0 };
    let entries = fs::read_dir(base).into_iter().flatten().flatten();
    let ours = entries.filter(|e| e.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes()));
    ours.filter(|entry| remove_if_abandoned(&entry.path()).unwrap_or(false)).count()
}

fn remove_if_abandoned(folder: &Path) -> io::Result<bool> {
    let what = fs::symlink_metadata(folder)?;
    if !what.is_dir() || what.uid() != rustix::process::geteuid().as_raw() {
        return Ok(false);
    }
    let nofollow = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or_default();
    let lock = OpenOptions::new().read(true).custom_flags(nofollow).open(folder.join(OWNER))?;
    if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
        return Ok(false);
    }
    if !end_all(folder) {
        // Whoever looks the next time has to know its name.
        return Ok(false);
    }
    fs::remove_dir_all(folder)?;
    Ok(true)
}

/// Ends what runs in a folder, then takes away what is mounted there: a process could mount again. Says whether its control
/// groups are gone.
pub fn end_all(folder: &Path) -> bool {
    let name = folder.file_name().and_then(|name| name.to_str());
    let gone = name.is_none_or(cgroup::remove);
    kill_strays(folder);
    unmount_below(folder);
    gone
}

/// Kills what still runs and names the folder, as an argument or in the environment that it inherited: it was started
/// for this job, since the folder's name is random.
fn kill_strays(folder: &Path) {
    let own = std::process::id();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let pid = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok());
        let Some(pid) = pid.filter(|pid| *pid != own) else { continue };
        let tells =
            |file: &str| fs::read(entry.path().join(file)).is_ok_and(|text| names(&text, folder));
        if tells("cmdline") || tells("environ") {
            signal(pid, Signal::KILL);
        }
    }
}

/// Whether a text holds this path, and not one that only begins so.
fn names(text: &[u8], folder: &Path) -> bool {
    let needle = folder.as_os_str().as_encoded_bytes();
    let goes_on = |byte: &u8| byte.is_ascii_alphanumeric();
    let mut windows = text.windows(needle.len()).enumerate();
    windows
        .any(|(at, window)| window == needle && !text.get(at + needle.len()).is_some_and(goes_on))
}

/// Takes away mounts that a killed engine left, the deepest first; a mount would keep the folder from being removed.
fn unmount_below(folder: &Path) {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mut mounts: Vec<PathBuf> = table
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(|point| PathBuf::from(unescaped(point)))
        .filter(|point| point.starts_with(folder))
        .collect();
    mounts.sort();
    for point in mounts.into_iter().rev() {
        let mut umount = std::process::Command::new("umount");
        let quiet =
            umount.arg("-l").arg("--").arg(point).stdout(Stdio::null()).stderr(Stdio::null());
        // Nothing more can be done about one that stays, and the folder's removal will say so.
        let _ = quiet.status();
    }
}

/// A path of the table of mounts, in which the kernel writes white space and backslashes as octal numbers (proc(5)).
fn unescaped(point: &str) -> String {
    let escapes = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    escapes.iter().fold(point.to_owned(), |path, (written, is)| path.replace(written, is))
}

/// Sends a signal, where the process is still there.
pub fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

/// Bytes that files below a folder take on disk; other mounts are not entered, links not followed.
pub fn used_bytes(folder: &Path) -> u64 {
    let Ok(device) = fs::symlink_metadata(folder).map(|m| m.dev()) else { return 0 };
    let (mut total, mut open) = (0_u64, vec![folder.to_owned()]);
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            // What a build removes meanwhile counts no more.
            let Ok(what) = entry.metadata() else { continue };
            if what.dev() != device {
                continue;
            }
            total = total.saturating_add(what.blocks().saturating_mul(512));
            if what.is_dir() {
                open.push(entry.path());
            }
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c16_a_pipe_in_place_of_a_file_is_not_waited_for_without_end() {
        let base = tempfile::tempdir().unwrap();
        let (file, pipe) = (base.path().join("file"), base.path().join("pipe"));
        fs::write(&file, "key").unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let short = Duration::from_millis(50);
        assert_eq!(read_within(&file, 3, short).unwrap(), b"key");
        assert!(read_within(&file, 2, short).unwrap_err().to_string().contains("more than 2"));
        let late = |path: &Path| read_within(path, 3, short).unwrap_err().kind();
        assert_eq!(late(&pipe), io::ErrorKind::TimedOut, "nobody writes");
        let held = OpenOptions::new().read(true).write(true).open(&pipe).unwrap();
        assert_eq!(late(&pipe), io::ErrorKind::TimedOut, "nobody ends it");
        drop(held);
        let writer = thread::spawn({
            let pipe = pipe.clone();
            move || fs::write(pipe, "key").unwrap()
        });
        assert_eq!(read_within(&pipe, 3, Duration::from_secs(10)).unwrap(), b"key");
        writer.join().unwrap();
        for none in ["/dev/zero", "/dev/null", "/"] {
            assert!(read_within(Path::new(none), 3, short).is_err(), "{none}");
            assert!(open_file(Path::new(none)).is_err(), "{none}");
        }
        assert!(open_file(&pipe).is_err());
    }

    #[test]
    fn a_folder_goes_with_its_owner_and_not_before() {
        let base = tempfile::tempdir().unwrap();
        let first = Scratch::new(Some(base.path())).unwrap();
        fs::write(first.path().join("file"), "x").unwrap();
        assert_eq!(sweep(base.path()), 0, "it has an owner");
        let path = first.path().to_owned();
        drop(first);
        assert!(!path.exists());
    }

    #[test]
    fn g13_a_folder_behind_a_link_is_known_as_the_kernel_has_it() {
        let base = tempfile::tempdir().unwrap();
        let (real, link) = (base.path().join("real"), base.path().join("link"));
        fs::create_dir(&real).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let scratch = Scratch::new(Some(&link)).unwrap();
        assert!(scratch.path().starts_with(fs::canonicalize(&real).unwrap()));
        assert_eq!(unescaped("/a\\040b\\134040"), "/a b\\040");
    }

    #[test]
    fn g13_nobody_else_may_look_into_a_folder_or_hold_its_lock() {
        let base = tempfile::tempdir().unwrap();
        let scratch = Scratch::new(Some(base.path())).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode(scratch.path()), 0o700);
        assert_eq!(mode(&scratch.path().join(OWNER)), 0o600);
    }

    #[test]
    fn what_a_killed_process_left_is_found_at_the_next_start() {
        let base = tempfile::tempdir().unwrap();
        // As after a kill: the folder is there, and the kernel has released the lock.
        let left = base.path().join("hallmark-left");
        fs::create_dir(&left).unwrap();
        drop(own(&left).unwrap());
        fs::write(left.join("file"), "x").unwrap();
        let sleep = || {
            let mut sleep = std::process::Command::new("sleep");
            sleep.arg("1000").env("HOME", left.join("home")).spawn().unwrap()
        };
        let mut stray = sleep();
        let others = [base.path().join("hallmark-nolock"), base.path().join("other")];
        others.iter().for_each(|folder| fs::create_dir(folder).unwrap());
        std::os::unix::fs::symlink(&others[1], base.path().join("hallmark-link")).unwrap();
        fs::write(others[1].join(OWNER), "").unwrap();
        let next = Scratch::new(Some(base.path())).unwrap();
        assert!(!left.exists(), "it was not removed");
        assert!(!stray.wait().unwrap().success(), "what ran in it was not ended");
        assert!(others.iter().all(|folder| folder.exists()), "what is not ours was removed");
        drop(next);
    }

    #[test]
    fn a_path_is_not_named_by_a_longer_one() {
        let folder = Path::new("/tmp/hallmark-ab");
        for (text, want) in [
            ("x --root=/tmp/hallmark-ab/d", true),
            ("/tmp/hallmark-ab", true),
            ("/tmp/hallmark-abc/d", false),
            ("/tmp/hallmark-abc/d /tmp/hallmark-ab/d", true),
            ("/tmp/hallmark-a", false),
            ("", false),
        ] {
            assert_eq!(names(text.as_bytes(), folder), want, "{text}");
        }
    }

    #[test]
    fn what_is_used_is_what_lies_on_the_disk() {
        let base = tempfile::tempdir().unwrap();
        let before = used_bytes(base.path());
        fs::create_dir(base.path().join("sub")).unwrap();
        fs::write(base.path().join("sub/file"), vec![1; 1 << 20]).unwrap();
        let sparse = File::create(base.path().join("sparse")).unwrap();
        sparse.set_len(1 << 30).unwrap();
        let used = used_bytes(base.path()) - before;
        assert!((1 << 20..2 << 20).contains(&used), "{used}");
    }
}
