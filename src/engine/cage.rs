//! The namespaces that all programs of a job run in.
//!
//! Turns a job's folder into a [`Cage`]: a network whose only interface is its own loopback, where nothing listens but what
//! [`Cage::listen`] opens, and a file system in which there is nothing of the machine but its programs, read-only, its
//! certificate authorities, the job's folder and the job's control groups. So no program of a job, no frontend and no step, whatever it was asked for, reaches a network, an abstract socket or a
//! file of the host (attacks G8 to G11); what it may have of the world, [`super::store::serve`] and [`super::egress`] bring to
//! it. Namespaces last as long as this value. Needs root; where one cannot be had, the caller is told why.

use std::{
    ffi::OsString,
    fs::File,
    io::{self, BufRead as _, BufReader, Read as _},
    net::TcpListener,
    os::fd::{AsFd as _, AsRawFd as _, BorrowedFd},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use rustix::{
    net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink},
    thread::{LinkNameSpaceType, move_into_link_name_space},
};

use super::host::find_program;
use crate::environment;

/// Makes the room.
const SCRIPT: &str = include_str!("cage.sh");
/// Namespaces, by the option of `unshare` and `nsenter` and the name in `/proc`.
const KINDS: [(&str, &str); 4] =
    [("--net", "net"), ("--mount", "mnt"), ("--ipc", "ipc"), ("--uts", "uts")];

/// Why there is no cage.
#[derive(Debug, thiserror::Error)]
pub enum CageError {
    /// A program of util-linux is not there.
    #[error("{0} is not on PATH")]
    Missing(&'static str),
    /// The system refuses.
    #[error("namespaces of its own cannot be had: {0}")]
    Io(#[from] io::Error),
    /// The room could not be made.
    #[error("namespaces of its own cannot be had: {0}")]
    Refused(String),
}

/// Namespaces of one job.
#[derive(Debug)]
pub struct Cage {
    /// In the order of [`KINDS`].
    spaces: Vec<File>,
}

impl Cage {
    /// Makes the namespaces. `root` is an empty folder that the room is made on, `work` the folder that is seen in it, and `seen`
    /// another one, read-only. `group` names the job's control groups, which are made where they are not there.
    ///
    /// # Errors
    /// See [`CageError`].
    pub fn make(
        root: &Path,
        work: &Path,
        group: &str,
        seen: Option<&Path>,
    ) -> Result<Self, CageError> {
        let program = |name| find_program(name).ok_or(CageError::Missing(name));
        let (unshare, sh) = (program("unshare")?, program("sh")?);
        for needed in ["nsenter", "mount", "umount", "pivot_root", "sed"] {
            program(needed)?;
        }
        let mut command = Command::new(unshare);
        command.args(KINDS.map(|(option, _)| option)).arg("--").arg(sh).args(["-c", SCRIPT, "sh"]);
        command.arg(root).arg(work).arg(group).args(program_folders()).args(seen);
        command.env_clear().envs(environment::variable("PATH").map(|path| ("PATH", path)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut holder = Holder(command.spawn()?);
        holder.ready()?;
        let of = |kind: &str| File::open(format!("/proc/{}/ns/{kind}", holder.0.id()));
        let spaces = KINDS.iter().map(|(_, kind)| of(kind)).collect::<io::Result<Vec<File>>>()?;
        let cage = Self { spaces };
        cage.inside(raise_loopback)?;
        Ok(cage)
    }

    /// The parent of containers, as engines are told: the root of the groups in here is the job's own.
    pub fn containers(&self) -> &'static str {
        "/build"
    }

    /// What a program is started behind, to be in here.
    pub fn entrance(&self) -> Vec<OsString> {
        self.enter(KINDS.len())
    }

    /// What a program is started behind that has the network of here and the files of the machine.
    pub fn network(&self) -> Vec<OsString> {
        self.enter(1)
    }

    /// Words that enter the first of the namespaces.
    fn enter(&self, count: usize) -> Vec<OsString> {
        let id = std::process::id();
        let spaces = KINDS.iter().zip(&self.spaces).take(count);
        let enter = |((option, _), space): (&(&str, &str), &File)| {
            format!("{option}=/proc/{id}/fd/{}", space.as_raw_fd()).into()
        };
        spaces.map(enter).chain(["--".into()]).collect()
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
        let table = self.inside(|| std::fs::read_to_string("/proc/thread-self/net/dev"))?;
        let names =
            table.lines().filter_map(|line| Some(line.split_once(':')?.0.trim().to_owned()));
        Ok(names.collect())
    }

    /// Does something in the network here, on a thread that ends with it.
    fn inside<T: Send>(&self, what: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
        let network = self.spaces.first().map(|space| space.as_fd());
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
    let found = files.find_map(|file| std::fs::canonicalize(file).ok())?;
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
    use crate::engine::host::is_root;

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
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let (room, work) = (folder.path().join("room"), folder.path().join("w"));
        match Cage::make(&room, &work, folder.name(), None) {
            Ok(cage) => Some((folder, cage)),
            Err(why) if !is_root() => {
                eprintln!("SKIPPED: {why}");
                None
            }
            Err(why) => panic!("{why}"),
        }
    }

    fn run(cage: &Cage, script: &str) -> String {
        let output = Command::new("nsenter")
            .args(cage.entrance())
            .args(["sh", "-c", script])
            .output()
            .unwrap();
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
        std::fs::write(&canary, "whole").unwrap();
        let script = format!(
            "cat {0} /etc/shadow /proc/1/root{0}; echo broken > {0}; echo x > /usr/x; \
             echo from inside > {1}/w/file; ls /",
            canary.display(),
            folder.path().display()
        );
        let said = run(&cage, &script);
        assert!(!said.contains("whole") && !said.contains("root:"), "{said}");
        assert_eq!(std::fs::read_to_string(&canary).unwrap(), "whole");
        assert!(!Path::new("/usr/x").exists());
        assert_eq!(std::fs::read_to_string(folder.path().join("w/file")).unwrap(), "from inside\n");
        assert!(!said.contains("home") && !said.contains("boot"), "{said}");
    }

    #[test]
    fn programs_see_the_settings_of_the_kernel_that_they_ask_for() {
        let Some((_folder, cage)) = cage() else { return };
        for setting in ["kernel/cap_last_cap", "kernel/osrelease", "kernel/pid_max"] {
            let machine = std::fs::read_to_string(Path::new("/proc/sys").join(setting)).unwrap();
            assert_eq!(run(&cage, &format!("cat /sysctl/{setting}")), machine, "{setting}");
        }
    }
}
