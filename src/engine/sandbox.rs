//! Where and how the programs of an engine run.
//!
//! Turns a program and its arguments into a process group of its own with an almost empty environment, whose output is
//! bounded and whose every trace is gone when its guard is dropped: processes, mounts and files. Refuses to run anything
//! that is not found on `PATH`. A build step may print anything, so control characters never reach a terminal or a report.

use std::{
    collections::{BTreeMap, VecDeque},
    ffi::{OsStr, OsString},
    fs, io,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::{
    blocks,
    cage::{Cage, CageError},
    disk,
    host::{find_program, is_root},
    ids::{self, Ids, WantedNumbers},
    lasting,
    step::Steps,
};
use crate::{
    environment,
    limits::Limits,
    progress::{ProgressSink, Silent},
    rebuild::{Failure, FailureKind},
    scratch::{
        self, Scratch,
        cgroup::{Bounds, Cgroup},
        group::Group,
    },
};

/// Longest line that is shown while an engine runs, in bytes.
const LINE_BYTES: usize = 4096;
/// Bytes of a program's stdout that are kept as its answer.
const ANSWER_BYTES: usize = 1 << 20;
/// Time that a daemon gets to unmount and remove what is its own.
const STOP: Duration = Duration::from_secs(15);
/// The variable of the operator that programs see. Proxies are not passed, since their addresses hold credentials and builders
/// pass them on to steps; authorities are given to git alone, as a file of the job's.
const PASSED: [&str; 1] = ["PATH"];

/// A folder for one job, and what bounds all that runs in it; dropping it ends and removes everything.
#[derive(Debug)]
pub struct Workspace {
    cage: Result<Cage, CageError>,
    group: Result<Cgroup, String>,
    disk: Result<u64, String>,
    work: PathBuf,
    folder: Scratch,
}

impl Workspace {
    /// Makes an empty folder that only we can read, under `base` or the system's folder for temporary files.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn new(base: Option<&Path>, limits: &Limits) -> io::Result<Self> {
        Self::seeing(base, limits, (None, WantedNumbers::Own))
    }

    /// The same, in which this folder of the operator's is seen, too, read-only, and in which programs have these numbers.
    fn seeing(
        base: Option<&Path>,
        limits: &Limits,
        (seen, numbers): (Option<&Path>, WantedNumbers),
    ) -> io::Result<Self> {
        // A unix socket's path has 107 bytes at most, and engines make some deep inside.
        let folder = Scratch::new(base)?;
        let [work, room, image] = ["w", "room", "disk"].map(|name| folder.path().join(name));
        [&work, &room].into_iter().try_for_each(fs::create_dir)?;
        let bounds = Bounds {
            memory_bytes: limits.rebuild_memory_bytes,
            processes: limits.rebuild_processes,
        };
        let name = folder.path().file_name().and_then(OsStr::to_str).unwrap_or_default();
        let group = Cgroup::new(name, bounds).map_err(|error| error.to_string());
        let disk = disk::mount(&image, &work, limits.rebuild_disk_bytes);
        for name in ["home", "tmp"] {
            fs::create_dir(work.join(name))?;
        }
        let beside = folder.path().parent().unwrap_or(folder.path());
        let block = blocks::lend(numbers, beside).map_err(CageError::from);
        let cage = block.and_then(|block| Cage::make(&room, &work, name, seen, block));
        if let Ok(Ok(ids)) = cage.as_ref().map(Cage::ids) {
            ids::give(&work, ids)?;
        }
        Ok(Self { cage, group, disk, work, folder })
    }

    /// The same, beside what else is to be done: it takes some programs of the system.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub async fn make(
        base: Option<&Path>,
        limits: &Limits,
        seen: Option<&Path>,
        numbers: WantedNumbers,
    ) -> io::Result<Self> {
        let (base, seen) = (base.map(Path::to_owned), seen.map(Path::to_owned));
        let limits = limits.clone();
        let make = move || Self::seeing(base.as_deref(), &limits, (seen.as_deref(), numbers));
        tokio::task::spawn_blocking(make).await.map_err(io::Error::other)?
    }

    /// The folder that the job works in.
    pub fn path(&self) -> &Path {
        &self.work
    }

    /// The folder around it, on the machine's own disk.
    pub fn outside(&self) -> &Path {
        self.folder.path()
    }

    /// What bounds memory and processes, or why nothing does.
    pub fn group(&self) -> Result<&Cgroup, &str> {
        self.group.as_ref().map_err(String::as_str)
    }

    /// What the programs are shut in, or why they are not.
    pub fn cage(&self) -> Result<&Cage, &CageError> {
        self.cage.as_ref()
    }

    /// How many bytes the kernel lets it have on disk, or why it bounds nothing.
    pub fn disk(&self) -> Result<u64, &str> {
        self.disk.as_ref().copied().map_err(String::as_str)
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        if !scratch::end_all(self.folder.path()) {
            self.folder.keep();
        }
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
pub(super) fn harmless(text: &str) -> String {
    let safe = |c: char| if c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c };
    text.chars().filter(|c| *c != '\r').map(safe).collect()
}

/// The variables that a program sees.
#[derive(Debug, Clone)]
pub struct Environment(BTreeMap<OsString, OsString>);

impl Environment {
    /// The passed variables, and home and temporary folder in the workspace.
    pub fn new(work: &Path) -> Self {
        let passed =
            PASSED.iter().filter_map(|n| Some((OsString::from(n), environment::variable(n)?)));
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

/// Everything that the programs of one job have in common.
pub struct Shell<'a> {
    /// The job's folder.
    pub work: &'a Path,
    /// Where the output goes.
    pub log: Log,
    /// Who is told.
    pub sink: &'a dyn ProgressSink,
    steps: Mutex<Steps>,
    group: Option<&'a Cgroup>,
    cage: Option<(&'a Cage, Sees)>,
}

/// Which files a caged program sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sees {
    /// Programs and the job's folder.
    Room,
    /// The same, with the machine's numbers of users.
    RoomAsRoot,
    /// The machine's.
    Machine,
}

/// How a program ended.
#[derive(Debug)]
pub struct Outcome {
    /// Whether its exit code was 0.
    pub success: bool,
    /// The first of its stdout.
    pub stdout: String,
}

/// Ends where whoever starts it has ended already, joins the job's control groups, whose files come after the program that
/// sets limits, and becomes the program. Arguments stay arguments: nothing of them is ever read as a command.
///
/// With a limit of 1 on core files the kernel starts nothing where a process crashes; with 0 it still starts the machine's
/// program for crashes, outside of everything (core(5); attack G53). Steps cannot change this limit (`calls`).
///
/// Whoever has no login of the audit log yet may give itself any, once; so steps are given root's, which they cannot change
/// (attack G48). Root is nobody in a user namespace of the job's: there it still looks as if there were none.
const ENTER: &str = r#"[ "$PPID" = "$1" ] || exit 125
shift
if ! "$1" --pid "$$" --core=1:1 2> /dev/null; then
  read -r pattern < /proc/sys/kernel/core_pattern || exit 125
  case $pattern in
    '|'*)
      echo 'hallmark: a crash would start a program of the machine, and the limit of core files that keeps it from that cannot be set' >&2
      exit 125
      ;;
  esac
  ulimit -c 0 || exit 125
fi
shift
read -r login 2> /dev/null < /proc/self/loginuid || :
if [ "${login:-}" = 4294967295 ]; then echo 0 > /proc/self/loginuid || :; fi
while [ "$1" != -- ]; do echo $$ > "$1" || exit 125; shift; done
shift
exec "$@""#;

/// The same where it was forgotten that the program ends with whoever started it, as the kernel does when numbers of users change.
const AGAIN: &str = r#"[ "$PPID" = "$1" ] || exit 125
shift
exec "$@""#;

/// Covers what the room's table says, of the machine in a new `/proc` first of all, and becomes the program.
const MASK: &str = r#"mount -a || exit 125
exec "$@""#;

/// Namespaces in which every process ends with the first one, and every mount with them. The first one ends with us.
const NAMESPACES: [&str; 5] = ["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];

impl<'a> Shell<'a> {
    /// The shell of a job.
    pub fn new(workspace: &'a Workspace, log: Log, sink: &'a dyn ProgressSink) -> Self {
        let (work, group) = (workspace.path(), workspace.group().ok());
        let cage = workspace.cage().ok().map(|cage| (cage, Sees::Room));
        Self { work, log, sink, steps: Mutex::default(), group, cage }
    }

    /// The same job, with nobody listening.
    pub fn quietly(&self) -> Shell<'a> {
        let (work, group, cage) = (self.work, self.group, self.cage);
        Shell { work, log: Log::new(0), sink: &Silent, steps: Mutex::default(), group, cage }
    }

    /// The same job with the machine's network and files, for clients of a builder that is not the job's.
    pub fn outside(&self) -> Shell<'a> {
        let (work, log, sink, group) = (self.work, self.log.clone(), self.sink, self.group);
        Shell { work, log, sink, steps: Mutex::default(), group, cage: None }
    }

    /// The same job with the machine's files, and no more of a network than before: for what works in the operator's folders.
    pub fn among_files(&self) -> Shell<'a> {
        let cage = self.cage.map(|(cage, _)| (cage, Sees::Machine));
        Shell { cage, ..self.outside() }
    }

    /// What its programs are shut in, where they are.
    pub fn cage(&self) -> Option<&'a Cage> {
        self.cage.map(|(cage, _)| cage)
    }

    /// The numbers that its programs have on the machine, where these are not the machine's own.
    pub fn ids(&self) -> Option<Ids> {
        self.cage.filter(|(_, sees)| *sees == Sees::Room).and_then(|(cage, _)| cage.ids().ok())
    }

    /// The same shell, for another owner.
    pub fn again(&self) -> Shell<'a> {
        Shell { cage: self.cage, ..self.outside() }
    }

    /// The same job with the machine's root for a root, for a builder that cannot do without.
    pub fn as_root(&self) -> Shell<'a> {
        let cage = self.cage.map(|(cage, sees)| match sees {
            Sees::Room => (cage, Sees::RoomAsRoot),
            Sees::RoomAsRoot | Sees::Machine => (cage, sees),
        });
        Shell { cage, ..self.outside() }
    }

    /// A socket that the job's programs reach, and that is answered here.
    ///
    /// # Errors
    /// It cannot be had.
    pub fn listen(&self) -> io::Result<std::net::TcpListener> {
        if let Some((cage, _)) = self.cage {
            return cage.listen();
        }
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    }

    /// Passes on a line that a builder printed.
    pub fn tell(&self, line: &str) {
        let step = self.steps.lock().unwrap_or_else(PoisonError::into_inner).read(line);
        step.iter().for_each(|step| self.sink.step(step));
        self.sink.output(line);
    }

    /// The parent of containers, where the job's programs see no control groups but its own.
    pub fn cgroup_parent(&self) -> Option<String> {
        self.cage.map(|(cage, _)| cage.containers().to_owned())
    }

    /// A program behind what confines it.
    fn confined(&self, program: &Path) -> Result<(PathBuf, Vec<OsString>), Failure> {
        let find = |name: &str| {
            let missing = format!("{name} is not on PATH");
            find_program(name).ok_or_else(|| self.failure(FailureKind::EngineUnavailable, missing))
        };
        let setpriv = find("setpriv")?;
        let mut words: Vec<OsString> = ["--pdeathsig", "KILL", "--"].map(Into::into).into();
        words.push(find("sh")?.into());
        words.extend(["-c", ENTER, "sh"].map(OsString::from));
        words.push(std::process::id().to_string().into());
        words.push(find("prlimit")?.into());
        words.extend(self.group.into_iter().flat_map(Cgroup::entrances).map(OsString::from));
        words.push("--".into());
        if let Some((cage, sees)) = self.cage {
            words.push(find("nsenter")?.into());
            words.extend(match sees {
                Sees::Room => cage.entrance(),
                Sees::RoomAsRoot => cage.entrance_as_root(),
                Sees::Machine => cage.network(),
            });
        }
        if let Some(ids) = self.ids() {
            let given = ids::give_entries(self.work, ids);
            given.map_err(|e| self.broken("cannot give files to the builder", &e))?;
            words.push((&setpriv).into());
            words.extend(["--pdeathsig", "KILL", "--"].map(OsString::from));
            words.push(find("sh")?.into());
            words.extend(["-c", AGAIN, "sh"].map(OsString::from));
            words.push(std::process::id().to_string().into());
        }
        if is_root() {
            let mut here = OsString::from("--wd=");
            here.push(self.work);
            words.push(find("unshare")?.into());
            words.extend(NAMESPACES.iter().map(OsString::from));
            words.extend([here, "--".into()]);
            if self.cage.is_some_and(|(_, sees)| sees != Sees::Machine) {
                words.push(find("sh")?.into());
                words.extend(["-c", MASK, "sh"].map(OsString::from));
            }
        }
        words.push(program.into());
        Ok((setpriv, words))
    }
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
        let (first, words) = self.confined(program)?;
        let mut command = tokio::process::Command::new(first);
        command.args(words).args(args).env_clear().envs(&environment.0).current_dir(self.work);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.process_group(0).kill_on_drop(true);
        let runtime = tokio::runtime::Handle::current();
        let spawn = move || {
            let _runtime = runtime.enter();
            command.spawn()
        };
        let child = lasting::run(spawn).and_then(|child| child);
        let mut child = child.map_err(|e| self.cannot_start(program, &e))?;
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
        let (first, words) = self.confined(program)?;
        let spawn = || -> io::Result<(std::process::Child, fs::File)> {
            // What an earlier one left.
            let _ = fs::remove_file(&path);
            let log =
                fs::OpenOptions::new().read(true).append(true).create_new(true).open(&path)?;
            let kept = log.try_clone()?;
            let mut command = std::process::Command::new(first);
            command.args(words).args(args).env_clear().envs(&environment.0).current_dir(self.work);
            command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
            command.process_group(0);
            Ok((lasting::run(move || command.spawn())??, kept))
        };
        let (child, log) = spawn().map_err(|e| self.cannot_start(program, &e))?;
        Ok(Daemon { child, log, grace: STOP })
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
            // Limits of time and memory are kept by this same task.
            tokio::task::yield_now().await;
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
                self.tell(text.trim_end());
            }
            line.clear();
        }
    }
}

/// A daemon of one job.
#[derive(Debug)]
pub struct Daemon {
    child: std::process::Child,
    /// Held open: by its name another file may be there.
    log: fs::File,
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
        let end = self.log.metadata().map_or(0, |what| what.len());
        let mut bytes = vec![0; usize::try_from(end).unwrap_or(limit_bytes).min(limit_bytes)];
        let from = end.saturating_sub(bytes.len() as u64);
        if self.log.read_exact_at(&mut bytes, from).is_ok() {
            log.push(&bytes);
        }
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
        // Asked kindly, it unmounts what it mounted. What started it in namespaces of its own does not pass signals on, and
        // ignores this one.
        let group = i32::try_from(id).ok().and_then(Pid::from_raw);
        if let Some(group) = group.filter(|_| !self.grace.is_zero()) {
            let _ = kill_process_group(group, Signal::TERM);
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
    async fn g7_programs_see_the_listed_variables_alone() {
        let work = Workspace::new(None, &Limits::default()).unwrap();
        let shell = Shell::new(&work, Log::new(1 << 16), &Silent);
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

    /// What has the machine's own root may change it; what a job starts in its own namespace may not, once it is set.
    #[tokio::test]
    async fn g48_no_program_of_a_job_gives_itself_a_login() {
        let work = Workspace::new(None, &Limits::default()).unwrap();
        let shell = Shell::new(&work, Log::new(1 << 16), &Silent);
        if shell.ids().is_none() || fs::read_to_string("/proc/self/loginuid").is_err() {
            return eprintln!("SKIPPED: no users of its own, or no audit log, here");
        }
        let sh = find_program("sh").unwrap();
        // It looks as if there were none: a login that nobody has in here.
        let script = "cat /proc/self/loginuid; echo; (echo 0 > /proc/self/loginuid) 2> /dev/null && echo changed; cat /proc/self/loginuid";
        let outcome = shell.run(&sh, ["-c", script], &Environment::new(work.path())).await.unwrap();
        assert_eq!(outcome.stdout, "4294967295\n4294967295");
    }

    /// The limit of 1 is the one with which a crash starts no program of the machine.
    #[tokio::test]
    async fn g53_a_crash_starts_no_program_of_the_machine() {
        let work = Workspace::new(None, &Limits::default()).unwrap();
        let shell = Shell::new(&work, Log::new(1 << 16), &Silent);
        let sh = find_program("sh").unwrap();
        let script = "grep 'Max core file size' /proc/self/limits";
        let outcome = shell.run(&sh, ["-c", script], &Environment::new(work.path())).await.unwrap();
        let limit: Vec<&str> = outcome.stdout.split_whitespace().collect();
        assert_eq!(limit, ["Max", "core", "file", "size", "1", "1", "bytes"]);
    }

    #[tokio::test]
    async fn g5_arguments_are_arguments_whatever_they_look_like() {
        let work = Workspace::new(None, &Limits::default()).unwrap();
        let shell = Shell::new(&work, Log::new(1 << 16), &Silent);
        let printf = find_program("printf").unwrap();
        let touched = work.path().join("touched");
        let hostile = format!("$(touch {0})`touch {0}`; touch {0} & --\nx", touched.display());
        let args = ["%s|", &hostile, "--", "-c", ""];
        let outcome = shell.run(&printf, args, &Environment::new(work.path())).await.unwrap();
        assert_eq!(outcome.stdout, format!("{hostile}|--|-c||"));
        assert!(!touched.exists());
    }

    #[tokio::test]
    async fn dropping_a_run_ends_all_of_it_and_the_folder_goes() {
        let work = Workspace::new(None, &Limits::default()).unwrap();
        let folder = work.path().to_owned();
        let shell = Shell::new(&work, Log::new(100), &Silent);
        let sh = find_program("sh").unwrap();
        // One in the background, one that has left the session, one without the environment.
        let script = format!(
            "sleep 1000 {0} & setsid sleep 1000 {0} & env -i sleep 1000 {0} & touch ready; wait",
            folder.join("x").display()
        )
        .replace("sleep 1000", "tail -f /dev/null");
        let environment = Environment::new(work.path());
        let run = shell.run(&sh, ["-c", &script], &environment);
        let ready = async {
            while !folder.join("ready").exists() || running(&folder) < 3 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        fs::write(folder.join("x"), "").unwrap();
        tokio::select! {
            _ = run => panic!("it ended by itself"),
            () = ready => {}
        }
        for _ in 0..100 {
            if running(&folder) == 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(running(&folder), 0);
        drop(work);
        assert!(!folder.exists());
    }

    /// How many `tail`s there are that name the folder.
    fn running(folder: &Path) -> usize {
        let mut count = 0;
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let command = String::from_utf8_lossy(&command).into_owned();
            count += usize::from(
                command.starts_with("tail") && command.contains(&*folder.to_string_lossy()),
            );
        }
        count
    }
}
