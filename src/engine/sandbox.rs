//! Where and how the programs of an engine run.
//!
//! Turns a program and its arguments into a process group of its own with an almost empty environment, whose output is
//! bounded and whose every trace is gone when its guard is dropped: processes, mounts and files. Refuses to run anything
//! that is not found on `PATH`. A build step may print anything, so control characters never reach a terminal or a report.

use std::{
    collections::{BTreeMap, VecDeque},
    ffi::{OsStr, OsString},
    fs, io,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::Talk;
use crate::rebuild::{Failure, FailureKind};

/// Longest line that is shown while an engine runs, in bytes.
const LINE_BYTES: usize = 4096;
/// Bytes of a program's stdout that are kept as its answer.
const ANSWER_BYTES: usize = 1 << 20;
/// Time that a daemon gets to unmount and remove what is its own.
const STOP: Duration = Duration::from_secs(15);
/// Variables of the operator that programs see: how to reach the world, and nothing that could hold a credential of the
/// image's subject. Build steps never see them.
const PASSED: [&str; 9] = [
    "PATH",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];

/// A folder for one job; when it is dropped, so is everything that runs or is mounted in it.
#[derive(Debug)]
pub struct Workspace {
    folder: tempfile::TempDir,
}

impl Workspace {
    /// Makes an empty folder that only we can read, under `base` or the system's folder for temporary files.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn new(base: Option<&Path>) -> io::Result<Self> {
        let mut builder = tempfile::Builder::new();
        builder.prefix("hallmark-");
        // A unix socket's path has 107 bytes at most, and engines make some deep inside.
        let folder = match base {
            Some(base) => builder.tempdir_in(base)?,
            None => builder.tempdir()?,
        };
        for name in ["home", "tmp"] {
            fs::create_dir(folder.path().join(name))?;
        }
        Ok(Self { folder })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        kill_strays(self.path());
        unmount_below(self.path());
    }
}

/// Kills what still runs and names the folder: it was started for this job, since the folder's name is random.
fn kill_strays(folder: &Path) {
    let needle = folder.as_os_str().as_encoded_bytes();
    let own = std::process::id();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let pid = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok());
        let Some(pid) = pid.filter(|pid| *pid != own) else { continue };
        let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if command.windows(needle.len()).any(|window| window == needle) {
            signal(pid, Signal::KILL);
        }
    }
}

/// Takes away mounts that a killed engine left, the deepest first; a mount would keep the folder from being removed.
fn unmount_below(folder: &Path) {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mut mounts: Vec<PathBuf> = table
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(|point| PathBuf::from(point.replace("\\040", " ")))
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

fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

/// The end of what an engine printed, shared by all its programs.
#[derive(Debug, Clone)]
pub struct Log {
    limit_bytes: usize,
    tail: Arc<Mutex<VecDeque<u8>>>,
}

impl Log {
    /// An empty log that keeps the last `limit_bytes` bytes.
    pub fn new(limit_bytes: usize) -> Self {
        Self { limit_bytes, tail: Arc::default() }
    }

    /// Adds bytes, and forgets the oldest.
    pub fn push(&self, bytes: &[u8]) {
        let mut tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        tail.extend(bytes);
        let excess = tail.len().saturating_sub(self.limit_bytes);
        tail.drain(..excess);
    }

    /// What is left, with control characters made harmless.
    pub fn text(&self) -> String {
        let tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes: Vec<u8> = tail.iter().copied().collect();
        harmless(&String::from_utf8_lossy(&bytes))
    }
}

/// Replaces control characters other than line breaks and tabs.
fn harmless(text: &str) -> String {
    let safe = |c: char| if c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c };
    text.chars().filter(|c| *c != '\r').map(safe).collect()
}

/// The variables that a program sees.
#[derive(Debug, Clone)]
pub struct Environment(BTreeMap<OsString, OsString>);

impl Environment {
    /// The passed variables, and home and temporary folder in the workspace.
    pub fn new(work: &Path) -> Self {
        let passed = PASSED.iter().filter_map(|n| Some((OsString::from(n), std::env::var_os(n)?)));
        let mut variables: BTreeMap<_, _> = passed.collect();
        variables.insert("HOME".into(), work.join("home").into());
        variables.insert("TMPDIR".into(), work.join("tmp").into());
        variables.insert("LANG".into(), "C.UTF-8".into());
        // git: no configuration of the machine, no questions, no transport that runs programs.
        variables.insert("GIT_CONFIG_NOSYSTEM".into(), "1".into());
        variables.insert("GIT_CONFIG_GLOBAL".into(), "/dev/null".into());
        variables.insert("GIT_TERMINAL_PROMPT".into(), "0".into());
        variables.insert("GIT_ALLOW_PROTOCOL".into(), "https:http:git".into());
        variables.insert("GIT_LFS_SKIP_SMUDGE".into(), "1".into());
        Self(variables)
    }

    /// Adds or replaces a variable.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.0.insert(name.into(), value.as_ref().to_owned());
        self
    }
}

/// Looks for a program on `PATH`.
pub fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| is_executable(file))
}

/// Whether a path is a file that can be run.
pub fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(file).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

/// Whether mounting and unpacking as other users will work.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Whether a folder lies on an overlay, which does not stack on itself: engines have to copy there.
pub fn is_on_overlay(folder: &Path) -> bool {
    const OVERLAYFS_SUPER_MAGIC: i128 = 0x794c_7630;
    rustix::fs::statfs(folder).is_ok_and(|s| i128::from(s.f_type) == OVERLAYFS_SUPER_MAGIC)
}

/// Everything that the programs of one job have in common.
pub struct Shell<'a> {
    /// The job's folder.
    pub work: &'a Path,
    /// Where the output goes.
    pub log: Log,
    /// Who is told.
    pub talk: &'a dyn Talk,
}

/// How a program ended.
#[derive(Debug)]
pub struct Outcome {
    /// Whether its exit code was 0.
    pub success: bool,
    /// The first of its stdout.
    pub stdout: String,
}

impl Shell<'_> {
    /// Runs a program to its end; dropping the future kills its process group.
    ///
    /// # Errors
    /// [`FailureKind::EngineUnavailable`] where it cannot be started.
    pub async fn run<A: AsRef<OsStr>>(
        &self,
        program: &Path,
        args: impl IntoIterator<Item = A>,
        environment: &Environment,
    ) -> Result<Outcome, Failure> {
        let mut command = tokio::process::Command::new(program);
        command.args(args).env_clear().envs(&environment.0).current_dir(self.work);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.process_group(0).kill_on_drop(true);
        let mut child = command.spawn().map_err(|e| self.cannot_start(program, &e))?;
        let _group = Group(child.id());
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let (answer, _) = tokio::join!(self.follow(stdout), self.follow(stderr));
        let status = child.wait().await.map_err(|e| self.cannot_start(program, &e))?;
        Ok(Outcome { success: status.success(), stdout: String::from_utf8_lossy(&answer).into() })
    }

    /// Starts a daemon, whose own log goes to a file.
    ///
    /// # Errors
    /// [`FailureKind::EngineUnavailable`] where it cannot be started.
    pub fn start<A: AsRef<OsStr>>(
        &self,
        program: &Path,
        args: impl IntoIterator<Item = A>,
        environment: &Environment,
    ) -> Result<Daemon, Failure> {
        use std::os::unix::process::CommandExt;
        let path = self.work.join("daemon.log");
        let spawn = || -> io::Result<std::process::Child> {
            let log = fs::File::create(&path)?;
            let mut command = std::process::Command::new(program);
            command.args(args).env_clear().envs(&environment.0).current_dir(self.work);
            command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
            command.process_group(0).spawn()
        };
        let child = spawn().map_err(|e| self.cannot_start(program, &e))?;
        Ok(Daemon { child, log: path, grace: STOP })
    }

    /// A failure with the log so far.
    pub fn failure(&self, kind: FailureKind, why: impl Into<String>) -> Failure {
        Failure { kind, why: why.into(), log: self.log.text(), engine: None }
    }

    /// A failure of our own files.
    pub fn broken(&self, what: &str, error: &io::Error) -> Failure {
        self.failure(FailureKind::EngineUnavailable, format!("{what}: {error}"))
    }

    fn cannot_start(&self, program: &Path, error: &io::Error) -> Failure {
        let why = format!("cannot run {}: {error}", program.display());
        self.failure(FailureKind::EngineUnavailable, why)
    }

    async fn follow(&self, stream: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
        let Some(mut stream) = stream else { return Vec::new() };
        let (mut answer, mut line) = (Vec::new(), Vec::new());
        let mut buffer = vec![0; 8192];
        while let Ok(length @ 1..) = stream.read(&mut buffer).await {
            let bytes = buffer.get(..length).unwrap_or_default();
            self.log.push(bytes);
            let room = ANSWER_BYTES.saturating_sub(answer.len());
            answer.extend(bytes.iter().take(room));
            self.say(&mut line, bytes);
        }
        self.say(&mut line, b"\n");
        answer
    }

    fn say(&self, line: &mut Vec<u8>, bytes: &[u8]) {
        for byte in bytes {
            if *byte != b'\n' {
                if line.len() < LINE_BYTES {
                    line.push(*byte);
                }
                continue;
            }
            let text = harmless(&String::from_utf8_lossy(line));
            if !text.trim().is_empty() {
                self.talk.line(text.trim_end());
            }
            line.clear();
        }
    }
}

/// A process group that does not outlive its guard.
struct Group(Option<u32>);

impl Drop for Group {
    fn drop(&mut self) {
        let pid = self.0.and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // Fails where all of it has ended, as it should have.
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}

/// A daemon of one job.
#[derive(Debug)]
pub struct Daemon {
    child: std::process::Child,
    log: PathBuf,
    /// How long it may take to end by itself.
    grace: Duration,
}

impl Daemon {
    /// It need not end in good order: what it has on disk goes with the job's folder, and nothing of it stays mounted
    /// between steps. BuildKit takes more than a second to say goodbye.
    #[must_use]
    pub fn ends_at_once(mut self) -> Self {
        self.grace = Duration::ZERO;
        self
    }

    /// Whether it still runs.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// The end of its own log, in at most `limit_bytes` bytes.
    pub fn log(&self, limit_bytes: usize) -> String {
        let log = Log::new(limit_bytes);
        log.push(&fs::read(&self.log).unwrap_or_default());
        log.text()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let id = self.child.id();
        let _group = Group(Some(id));
        if !self.is_alive() {
            return;
        }
        // Asked kindly, it unmounts what it mounted.
        if !self.grace.is_zero() {
            signal(id, Signal::TERM);
        }
        let end = Instant::now() + self.grace;
        while self.is_alive() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(20));
        }
        if self.is_alive() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Silent;

    #[test]
    fn the_log_keeps_exactly_its_limit_and_the_end() {
        let log = Log::new(4);
        log.push(b"abcd");
        assert_eq!(log.text(), "abcd");
        log.push(b"e");
        assert_eq!(log.text(), "bcde");
    }

    #[test]
    fn control_characters_are_made_harmless() {
        assert_eq!(harmless("a\u{1b}[2Jb\r\n\tc\u{7}"), "a\u{fffd}[2Jb\n\tc\u{fffd}");
    }

    #[tokio::test]
    async fn programs_see_the_listed_variables_alone() {
        let work = Workspace::new(None).unwrap();
        let shell = Shell { work: work.path(), log: Log::new(1 << 16), talk: &Silent };
        let env = find_program("env").unwrap();
        let environment = Environment::new(work.path()).with("EXTRA", "1");
        let outcome = shell.run(&env, [""; 0], &environment).await.unwrap();
        assert!(outcome.success);
        let names: Vec<&str> =
            outcome.stdout.lines().filter_map(|l| Some(l.split_once('=')?.0)).collect();
        assert!(names.contains(&"EXTRA") && names.contains(&"HOME"));
        // The test runner itself sets these, so they were there to be leaked.
        assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
        assert!(!names.contains(&"CARGO_MANIFEST_DIR"), "{names:?}");
    }

    #[tokio::test]
    async fn dropping_a_run_kills_the_whole_group_and_the_folder_goes() {
        let work = Workspace::new(None).unwrap();
        let folder = work.path().to_owned();
        let shell = Shell { work: work.path(), log: Log::new(100), talk: &Silent };
        let sh = find_program("sh").unwrap();
        let script = format!("sleep 1000 & echo $! > {}/pid; wait", folder.display());
        let environment = Environment::new(work.path());
        let run = shell.run(&sh, ["-c", &script], &environment);
        assert!(tokio::time::timeout(Duration::from_millis(500), run).await.is_err());
        let pid = fs::read_to_string(folder.join("pid")).unwrap();
        let state = || fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
        let dead = |stat: String| stat.is_empty() || stat.contains(") Z ");
        for _ in 0..100 {
            if dead(state()) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(dead(state()), "{}", state());
        drop(work);
        assert!(!folder.exists());
    }
}
