//! What a rebuild lacked here, and which of the operator's bounds a build went beyond: what helps is another thing for each.

/// What this machine lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lack {
    /// A builder for what BuildKit made.
    Buildkit,
    /// A builder for what buildah made.
    Buildah,
    /// Programs beside the builder.
    Programs,
    /// The profile of system calls that steps of buildah are held to.
    Profile,
    /// An answer of the builder at an address.
    Address,
    /// Room on its disk.
    Room,
    /// Control groups, without which nothing makes containers.
    Groups,
}

impl Lack {
    /// All of them, each with the word that saved evidence has for it.
    pub const ALL: [(Self, &'static str); 7] = [
        (Self::Buildkit, "no-buildkit"),
        (Self::Buildah, "no-buildah"),
        (Self::Programs, "no-programs"),
        (Self::Profile, "no-profile"),
        (Self::Address, "no-address"),
        (Self::Room, "no-room"),
        (Self::Groups, "no-groups"),
    ];

    /// What helps.
    pub fn help(self) -> &'static str {
        match self {
            Self::Buildkit => "install docker with buildx, or buildkitd, each with runc and git",
            Self::Buildah => "install buildah, with runc and git",
            Self::Programs => {
                "install what is named: unshare, nsenter, setpriv, mount, umount and pivot_root are of util-linux, mkdir and the \
                 like of coreutils; git, runc, grep and sed have packages of their own"
            }
            Self::Profile => {
                "install what has the profile (containers-common, or golang-github-containers-common on Debian), or put one \
                 into /etc/containers/seccomp.json"
            }
            Self::Address => {
                "see whether BuildKit runs at that address (rebuild.address in hallmark.yaml, or BUILDKIT_HOST), and whether this \
                 user may reach it"
            }
            Self::Room => {
                "make room in it, or name a folder that is there, has room and may be written by this user: TMPDIR=DIR"
            }
            Self::Groups => {
                "mount control groups at /sys/fs/cgroup: runc makes no container without; in a container, run it with its own \
                 (docker run --privileged --cgroupns=private)"
            }
        }
    }
}

/// A bound on a build that the operator can raise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Bound {
    /// Memory of all its programs.
    Memory,
    /// Processes and threads.
    Processes,
    /// What it has on disk.
    Disk,
}

impl Bound {
    /// All of them, each with the word that saved evidence has for it.
    pub const ALL: [(Self, &'static str); 3] = [
        (Self::Memory, "beyond-memory"),
        (Self::Processes, "beyond-processes"),
        (Self::Disk, "beyond-disk"),
    ];

    /// The name in the table of limits.
    pub fn limit_name(self) -> &'static str {
        match self {
            Self::Memory => "rebuild_memory_bytes",
            Self::Processes => "rebuild_processes",
            Self::Disk => "rebuild_disk_bytes",
        }
    }
}
