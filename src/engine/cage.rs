//! The namespaces that all programs of a job run in.
//!
//! Turns a job's folder into a [`Cage`]: a network whose only interface is its own loopback, where nothing listens but what
//! [`Cage::listen`] opens, and a file system in which there is nothing of the machine but its programs, read-only, its
//! certificate authorities, the job's folder and the job's control groups. So no program of a job, no frontend and no step, whatever it was asked for, reaches a network, an abstract socket or a
//! file of the host (attacks G8 to G11); what it may have of the world, [`super::store::serve`] and [`super::egress`] bring to
//! it. Namespaces last as long as this value. Needs root; where one cannot be had, the caller is told why.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::TcpListener,
    os::fd::{AsFd as _, AsRawFd as _, BorrowedFd},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use rustix::{
    net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink},
    thread::{LinkNameSpaceType, move_into_link_name_space},
};

use super::{
    blocks::{Block, BlockError},
    host::{self, Missing},
    ids::Ids,
};
use crate::environment;

/// Makes the room.
const SCRIPT: &str = include_str!("cage.sh");
/// Programs that make the room, that confine what runs in it, and that stand before runc.
const PROGRAMS: [&str; 18] = [
    "sh",
    "setpriv",
    "prlimit",
    "unshare",
    "nsenter",
    "mount",
    "umount",
    "pivot_root",
    "sed",
    "grep",
    "cat",
    "cp",
    "ln",
    "mkdir",
    "mknod",
    "readlink",
    "rm",
    "wc",
];
/// Namespaces, by the option of `unshare` and `nsenter` and the name in `/proc`.
const KINDS: [(&str, &str); 4] =
    [("--net", "net"), ("--mount", "mnt"), ("--ipc", "ipc"), ("--uts", "uts")];
/// The namespace of users and groups, where there is one.
const USER: (&str, &str) = ("--user", "user");
/// Ends when its input ends.
const HOLD: &str = "echo ready; read -r _ || :";

/// Why there is no cage.
#[derive(Debug, thiserror::Error)]
pub enum CageError {
    /// Programs are not there.
    #[error("{0}")]
    Missing(Missing),
    /// The system refuses.
    #[error("namespaces of its own cannot be had: {0}")]
    Io(#[from] io::Error),
    /// The room could not be made.
    #[error("namespaces of its own cannot be had: {0}")]
    Refused(String),
    /// There are no numbers for it.
    #[error(transparent)]
    Block(#[from] BlockError),
}

/// What of the programs that every job takes is not there.
pub fn missing_programs() -> Option<Missing> {
    Missing::of(&PROGRAMS)
}

/// Namespaces of one job.
#[derive(Debug)]
pub struct Cage {
    /// The network first.
    spaces: Vec<Space>,
    /// The room for programs that stay the machine's root: the same mounts, and control groups to write in.
    machines: Option<Space>,
    /// The block of numbers that nobody else has meanwhile.
    block: Result<Block, String>,
}

/// A namespace, held open.
#[derive(Debug)]
struct Space {
    /// The option of `nsenter`.
    option: &'static str,
    file: File,
}

/// Words behind which a program is in these namespaces.
fn entrance<'a>(spaces: impl IntoIterator<Item = &'a Space>) -> Vec<OsString> {
    let id = std::process::id();
    let enter =
        |space: &Space| format!("{}=/proc/{id}/fd/{}", space.option, space.file.as_raw_fd()).into();
    spaces.into_iter().map(enter).chain(["--".into()]).collect()
}

/// The programs that make namespaces.
struct Programs {
    setpriv: PathBuf,
    unshare: PathBuf,
    nsenter: PathBuf,
    sh: PathBuf,
}

impl Programs {
    fn find() -> Result<Self, CageError> {
        if let Some(missing) = missing_programs() {
            return Err(CageError::Missing(missing));
        }
        let programs = host::require(["setpriv", "unshare", "nsenter", "sh"]);
        let [setpriv, unshare, nsenter, sh] = programs.map_err(CageError::Missing)?;
        Ok(Self { setpriv, unshare, nsenter, sh })
    }

    /// A shell in namespaces that are there, and in new ones of these kinds.
    fn within<'a>(&self, spaces: impl IntoIterator<Item = &'a Space>, new: &[&str]) -> Command {
        let mut command = Command::new(&self.nsenter);
        command.args(entrance(spaces));
        self.shell(command, new)
    }

    /// A shell in new namespaces, behind what `command` says.
    fn shell(&self, mut command: Command, new: &[&str]) -> Command {
        command.arg(&self.unshare).args(new).arg("--").arg(&self.sh);
        command.env_clear().envs(environment::variable("PATH").map(|path| ("PATH", path)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// A user namespace, and those that belong to its root. What the kernel has of the maps is read again: it is what holds, and
    /// nobody can change it any more.
    ///
    /// What its users have of things that the kernel counts for each user (instances and watches of inotify and fanotify, queued
    /// signals, bytes of message queues, namespaces) is counted for whoever made it, too. So the job's root makes it: what a step
    /// takes is nothing of the machine's root (attack G24). It keeps the right to make namespaces where the machine leaves that to
    /// root, and has it no more once they are made.
    fn own(&self, ids: Ids) -> Result<Vec<Space>, CageError> {
        let kinds = [KINDS[0], KINDS[2], KINDS[3], USER];
        let mut command = Command::new(&self.setpriv);
        let owner = ids.first();
        command.args([format!("--reuid={owner}"), format!("--regid={owner}")]);
        command.args(["--clear-groups", "--inh-caps=+sys_admin", "--ambient-caps=+sys_admin"]);
        command.arg("--");
        let mut command = self.shell(command, &kinds.map(|(option, _)| option));
        command.args(["-c", HOLD]);
        let holder = Holder::start(command)?;
        for map in ["uid_map", "gid_map"] {
            let map = format!("/proc/{}/{map}", holder.0.id());
            fs::write(&map, ids.map())?;
            if !ids.is_map(&fs::read_to_string(&map)?) {
                return Err(CageError::Refused(
                    "the map of users and groups is another".to_owned(),
                ));
            }
        }
        let spaces = kinds.iter().map(|(option, kind)| holder.space(option, kind));
        Ok(spaces.collect::<io::Result<_>>()?)
    }
}

impl Cage {
    /// Makes the namespaces. `root` is an empty folder that the room is made on, `work` the folder that is seen in it, and `seen`
    /// another one, read-only. `group` names the job's control groups, which are made where they are not there. Programs have
    /// the numbers of this block on the machine, where a user namespace can be had.
    ///
    /// # Errors
    /// See [`CageError`].
    pub fn make(
        root: &Path,
        work: &Path,
        group: &str,
        seen: Option<&Path>,
        block: Result<Block, String>,
    ) -> Result<Self, CageError> {
        let programs = Programs::find()?;
        let own = block.and_then(|block| {
            let spaces = programs.own(block.ids()).map_err(|error| error.to_string())?;
            Ok((block, spaces))
        });
        let mut command = match &own {
            Ok((_, spaces)) => programs.within(spaces.first(), &["--mount"]),
            Err(_) => programs.within([], &KINDS.map(|(option, _)| option)),
        };
        let owner = own.as_ref().map_or(0, |(block, _)| block.ids().first()).to_string();
        command.args(["-c", SCRIPT, "sh"]).arg(root).arg(work).args([group, &owner]);
        command.args(program_folders()).args(seen);
        let mut room = Holder::start(command)?;
        let cage = match own {
            Ok((block, mut spaces)) => {
                spaces.insert(1, room.space("--mount", "mnt")?);
                // In a namespace of the job's own, what was mounted so far stays as it is, whatever the job's root does.
                let mut command = programs.within(&spaces, &["--mount"]);
                command.args(["-c", HOLD]);
                let inner = Holder::start(command)?;
                room.goes_on()?;
                let inner = inner.space("--mount", "mnt")?;
                let machines = spaces.get_mut(1).map(|mount| std::mem::replace(mount, inner));
                Self { spaces, machines, block: Ok(block) }
            }
            Err(why) => {
                let spaces = KINDS.iter().map(|(option, kind)| room.space(option, kind));
                let spaces = spaces.collect::<io::Result<_>>()?;
                Self { spaces, machines: None, block: Err(why) }
            }
        };
        cage.inside(raise_loopback)?;
        Ok(cage)
    }

    /// The numbers that programs in here have on the machine, or why they have the machine's own.
    pub fn ids(&self) -> Result<Ids, &str> {
        self.block.as_ref().map(Block::ids).map_err(String::as_str)
    }

    /// The parent of containers, as engines are told: the root of the groups in here is the job's own.
    pub fn containers(&self) -> &'static str {
        "/build"
    }

    /// What a program is started behind, to be in here.
    pub fn entrance(&self) -> Vec<OsString> {
        entrance(&self.spaces)
    }

    /// The same for a program that stays the machine's root.
    pub fn entrance_as_root(&self) -> Vec<OsString> {
        let kept = |space: &&Space| {
            space.option != USER.0 && (self.machines.is_none() || space.option != "--mount")
        };
        entrance(self.spaces.iter().filter(kept).chain(&self.machines))
    }

    /// What a program is started behind that has the network of here and the files of the machine.
    pub fn network(&self) -> Vec<OsString> {
        entrance(self.spaces.first())
    }

    /// A socket in here that we answer, on the cage's own loopback.
    ///
    /// # Errors
    /// It cannot be had.
    pub fn listen(&self) -> io::Result<TcpListener> {
        let listener = self.inside(|| TcpListener::bind(("127.0.0.1", 0)))?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    }

    /// Names of the network interfaces that are here now: what could lead out, if anything does.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn interfaces(&self) -> io::Result<Vec<String>> {
        let table = self.inside(|| fs::read_to_string("/proc/thread-self/net/dev"))?;
        let names =
            table.lines().filter_map(|line| Some(line.split_once(':')?.0.trim().to_owned()));
        Ok(names.collect())
    }

    /// Does something in the network here, on a thread that ends with it.
    fn inside<T: Send>(&self, what: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
        let network = self.spaces.first().map(|space| space.file.as_fd());
        let network = network.ok_or_else(|| io::Error::other("no network"))?;
        std::thread::scope(|scope| {
            let run = scope.spawn(|| {
                move_into_link_name_space(network, Some(LinkNameSpaceType::Network))?;
                what()
            });
            run.join().unwrap_or_else(|_| Err(io::Error::other("a thread panicked")))
        })
    }
}

/// What makes the room, ended with this value: the open namespaces keep it.
struct Holder(Child);

impl Holder {
    fn start(mut command: Command) -> Result<Self, CageError> {
        let mut holder = Self(command.spawn()?);
        holder.ready()?;
        Ok(holder)
    }

    /// Has it do what comes next.
    fn goes_on(&mut self) -> Result<(), CageError> {
        if let Some(stdin) = self.0.stdin.as_mut() {
            stdin.write_all(b"\n")?;
        }
        self.ready()
    }

    fn space(&self, option: &'static str, kind: &str) -> io::Result<Space> {
        let file = File::open(format!("/proc/{}/ns/{kind}", self.0.id()))?;
        Ok(Space { option, file })
    }

    fn ready(&mut self) -> Result<(), CageError> {
        let mut line = String::new();
        if let Some(stdout) = self.0.stdout.as_mut() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        if line.trim() == "ready" {
            return Ok(());
        }
        let mut why = String::new();
        if let Some(stderr) = self.0.stderr.as_mut() {
            stderr.take(1 << 12).read_to_string(&mut why)?;
        }
        Err(CageError::Refused(why.trim().to_owned()))
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Folders of programs that do not lie below `/usr`: what is on `PATH`, and beside it what its programs look for.
fn program_folders() -> Vec<PathBuf> {
    const SYSTEM: [&str; 6] = ["/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc"];
    let mut folders: Vec<PathBuf> = plugin_folder().into_iter().collect();
    for folder in environment::program_folders() {
        let beside = folder.parent().map(|parent| ["lib", "libexec"].map(|name| parent.join(name)));
        for folder in std::iter::once(folder).chain(beside.into_iter().flatten()) {
            let system = SYSTEM.iter().any(|system| folder.starts_with(system));
            let real = folder.is_absolute() && folder.parent().is_some() && folder.is_dir();
            if real && !system && !folders.contains(&folder) {
                folders.push(folder);
            }
        }
    }
    folders
}

/// Where Docker's own client finds buildx in the user's settings, if it does.
fn plugin_folder() -> Option<PathBuf> {
    let folders = environment::docker_folders().into_iter();
    let mut files = folders.map(|folder| folder.join("cli-plugins/docker-buildx"));
    let found = files.find_map(|file| fs::canonicalize(file).ok())?;
    found.parent().filter(|folder| !folder.starts_with("/usr")).map(Path::to_owned)
}

/// Brings loopback up: `RTM_NEWLINK` for interface 1 with `IFF_UP` set and meant (rtnetlink(7)). The kernel gives it its addresses.
fn raise_loopback() -> io::Result<()> {
    const LENGTH: u32 = 32;
    const RTM_NEWLINK: u16 = 16;
    const REQUEST_AND_ACKNOWLEDGE: u16 = 1 | 4;
    const IFF_UP: u32 = 1;
    let mut message = Vec::new();
    message.extend(LENGTH.to_ne_bytes());
    message.extend(RTM_NEWLINK.to_ne_bytes());
    message.extend(REQUEST_AND_ACKNOWLEDGE.to_ne_bytes());
    // Sequence number and sender.
    message.extend([1_u32, 0].map(u32::to_ne_bytes).concat());
    // Family and type of device; the number of the interface, its flags, and which of them are meant.
    message.extend([0_u32, 1, IFF_UP, IFF_UP].map(u32::to_ne_bytes).concat());
    let (family, kind) = (AddressFamily::NETLINK, SocketType::RAW);
    let socket = rustix::net::socket_with(family, kind, SocketFlags::CLOEXEC, None)?;
    let kernel = netlink::SocketAddrNetlink::new(0, 0);
    rustix::net::sendto(&socket, &message, SendFlags::empty(), &kernel)?;
    acknowledged(socket.as_fd())
}

/// `NLMSG_ERROR` with the number 0 is the kernel's yes (netlink(7)).
fn acknowledged(socket: BorrowedFd<'_>) -> io::Result<()> {
    let mut answer = [0_u8; 64];
    let (length, _) = rustix::net::recv(socket, answer.as_mut_slice(), RecvFlags::empty())?;
    let number = answer.get(16..20).filter(|_| length >= 20);
    let number: [u8; 4] = number.and_then(|n| n.try_into().ok()).unwrap_or([0xff; 4]);
    match i32::from_ne_bytes(number) {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(error.saturating_neg())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{blocks, host::is_root, ids::WantedNumbers};

    /// A cage, and the folder around it, whose control groups go with it.
    struct Caged(tempfile::TempDir);

    impl Caged {
        fn path(&self) -> &Path {
            self.0.path()
        }

        fn name(&self) -> &str {
            self.path().file_name().unwrap().to_str().unwrap()
        }
    }

    impl Drop for Caged {
        fn drop(&mut self) {
            crate::scratch::cgroup::remove(self.name());
        }
    }

    fn cage() -> Option<(Caged, Cage)> {
        let folder = Caged(tempfile::tempdir().unwrap());
        for name in ["room", "w"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let (room, work) = (folder.path().join("room"), folder.path().join("w"));
        let block = blocks::lend(WantedNumbers::Own, folder.path()).unwrap();
        let cage = Cage::make(&room, &work, folder.name(), None, block);
        if let Ok(Ok(ids)) = cage.as_ref().map(Cage::ids) {
            super::super::ids::give(&work, ids).unwrap();
        }
        match cage {
            Ok(cage) => Some((folder, cage)),
            Err(why) if !is_root() => {
                eprintln!("SKIPPED: {why}");
                None
            }
            Err(why) => panic!("{why}"),
        }
    }

    fn run(cage: &Cage, script: &str) -> String {
        run_behind(cage.entrance(), script)
    }

    fn run_behind(entrance: Vec<OsString>, script: &str) -> String {
        let output =
            Command::new("nsenter").args(entrance).args(["sh", "-c", script]).output().unwrap();
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    }

    #[test]
    fn g9_nothing_of_the_hosts_network_is_reached_from_a_cage() {
        let Some((_folder, cage)) = cage() else { return };
        assert_eq!(cage.interfaces().unwrap(), ["lo"]);
        let host = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        host.set_nonblocking(true).unwrap();
        let port = host.local_addr().unwrap().port();
        let inside = cage.listen().unwrap();
        let own = inside.local_addr().unwrap().port();
        let connect =
            |port: u16| cage.inside(move || std::net::TcpStream::connect(("127.0.0.1", port)));
        assert!(connect(port).is_err(), "it reached the host");
        assert!(connect(own).is_ok(), "its own loopback is down");
        assert!(host.accept().is_err());
        assert!(inside.accept().is_ok());
        assert!(std::net::TcpStream::connect(("127.0.0.1", own)).is_err(), "the host reaches it");
    }

    #[test]
    fn g8_nothing_of_the_hosts_files_is_seen_from_a_cage() {
        let Some((folder, cage)) = cage() else { return };
        let canary = folder.path().join("canary");
        fs::write(&canary, "whole").unwrap();
        let script = format!(
            "cat {0} /etc/shadow /proc/1/root{0}; echo broken > {0}; echo x > /usr/x; \
             echo from inside > {1}/w/file; ls /",
            canary.display(),
            folder.path().display()
        );
        let said = run(&cage, &script);
        assert!(!said.contains("whole") && !said.contains("root:"), "{said}");
        assert_eq!(fs::read_to_string(&canary).unwrap(), "whole");
        assert!(!Path::new("/usr/x").exists());
        assert_eq!(fs::read_to_string(folder.path().join("w/file")).unwrap(), "from inside\n");
        assert!(!said.contains("home") && !said.contains("boot"), "{said}");
    }

    #[test]
    fn g23_the_root_of_a_cage_is_nobody_of_the_machine() {
        use std::os::unix::fs::MetadataExt as _;
        let Some((folder, cage)) = cage() else { return };
        let ids = match cage.ids() {
            Ok(ids) => ids,
            Err(why) => return eprintln!("SKIPPED: {why}"),
        };
        let file = folder.path().join("w/file");
        let said = run(&cage, &format!("id -u; id -G; echo x > {}", file.display()));
        assert_eq!(said, "0\n0\n");
        let owner = fs::metadata(&file).unwrap();
        assert_eq!((owner.uid(), owner.gid()), (ids.first(), ids.first()));
        // It may do in here what builders do, and undo nothing that it found.
        let said = run(
            &cage,
            "mount -t tmpfs x /tmp && echo mounted; mount -o remount,bind,rw / && echo opened; \
             umount /usr && echo uncovered",
        );
        assert!(said.contains("mounted") && !said.contains("opened"), "{said}");
        assert!(!said.contains("uncovered"), "{said}");
        assert_eq!(run(&cage, "ls -d /usr/bin"), "/usr/bin\n");
        assert!(!run(&cage, ": > /x && echo wrote").contains("wrote"));
    }

    #[test]
    fn g40_who_is_not_the_machines_root_makes_no_control_group() {
        let Some((_folder, cage)) = cage() else { return };
        let script = "for at in /sys/fs/cgroup /sys/fs/cgroup/devices; do \
             if [ -e $at/cgroup.procs ]; then echo seen; \
             mount -t proc proc /proc; mount -o remount,bind,rw $at; mount -o remount,rw $at; \
             mkdir $at/mine && rmdir $at/mine && echo made; fi; done";
        let said = run(&cage, script);
        if cage.ids().is_ok() {
            assert!(!said.contains("made"), "{said}");
        }
        // It is not for want of a place.
        let said = run_behind(cage.entrance_as_root(), &script.replace("mount", ": "));
        assert_eq!(said.contains("seen"), said.contains("made"), "{said}");
    }

    /// Signals that are queued for users that are this process's, on the whole machine.
    fn queued() -> u64 {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("SigQ:")).unwrap();
        line.trim().split('/').next().unwrap().parse().unwrap()
    }

    #[test]
    fn g24_what_the_kernel_counts_for_each_user_is_not_counted_for_the_machines_root() {
        let Some((_folder, cage)) = cage() else { return };
        if let Err(why) = cage.ids() {
            return eprintln!("SKIPPED: {why}");
        }
        const MANY: u64 = 200;
        let before = queued();
        let script = format!(
            "sleep 1000 & kill -s STOP $!; n=0; while [ $n -lt {MANY} ]; do \
             /usr/bin/kill -s RTMIN+1 -q 1 $! || exit; n=$((n + 1)); done; \
             grep SigQ /proc/$!/status; echo \"ready $!\"; read -r _"
        );
        let mut step = Command::new("nsenter")
            .args(cage.entrance())
            .args(["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"])
            .args(["sh", "-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        let mut lines = BufReader::new(step.stdout.take().unwrap());
        while !said.contains("ready") && lines.read_line(&mut said).unwrap() > 0 {}
        let during = queued();
        drop(step.stdin.take());
        step.wait().unwrap();
        let took = said.split_whitespace().nth(1).and_then(|word| word.split('/').next());
        assert_eq!(took.and_then(|took| took.parse().ok()), Some(MANY), "{said}");
        assert!(during < before + MANY / 2, "{before} {during}");
    }

    #[test]
    fn programs_see_the_settings_of_the_kernel_that_they_ask_for() {
        let Some((_folder, cage)) = cage() else { return };
        for setting in ["kernel/cap_last_cap", "kernel/osrelease", "kernel/pid_max"] {
            let machine = fs::read_to_string(Path::new("/proc/sys").join(setting)).unwrap();
            assert_eq!(run(&cage, &format!("cat /sysctl/{setting}")), machine, "{setting}");
        }
    }
}
