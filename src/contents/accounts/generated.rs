//! Files that tools write after installation, at places that are known.
//!
//! The list is short, fixed, and about data and links: nothing that can be run is generated, so that no planted program passes
//! by its place. The exceptions are scripts that dpkg keeps of installed packages, apk's archive of them, and caches of
//! compiled Python beside their source, which no checksum proves.

use super::TreeFile;
use crate::{
    contents::{Inventory, kinds::Kind},
    image::{rootfs::Rootfs, tar::EntryKind},
};

/// Files by their whole path, and why they are there.
const FILES: &[(&str, &[&str])] = &[
    ("the dynamic linker's cache", &["/etc/ld.so.cache", "/var/cache/ldconfig/aux-cache"]),
    (
        "users and groups",
        &[
            "/etc/passwd",
            "/etc/passwd-",
            "/etc/group",
            "/etc/group-",
            "/etc/shadow",
            "/etc/shadow-",
            "/etc/gshadow",
            "/etc/gshadow-",
            "/etc/subuid",
            "/etc/subuid-",
            "/etc/subgid",
            "/etc/subgid-",
            "/etc/.pwd.lock",
            "/etc/shells",
            "/var/lib/shells.state",
        ],
    ),
    (
        "names that runtimes mount over",
        &[
            "/etc/hostname",
            "/etc/hosts",
            "/etc/resolv.conf",
            "/etc/mtab",
            "/.dockerenv",
            "/run/.containerenv",
        ],
    ),
    ("the machine's identity", &["/etc/machine-id", "/var/lib/dbus/machine-id", "/etc/adjtime"]),
    ("the time zone", &["/etc/localtime", "/etc/timezone"]),
    (
        "what base-files copies at its installation",
        &[
            "/etc/profile",
            "/etc/motd",
            "/etc/nsswitch.conf",
            "/etc/environment",
            "/etc/dpkg/origins/default",
            "/root/.bashrc",
            "/root/.profile",
        ],
    ),
    (
        "apk's database",
        &[
            "/lib/apk/db/installed",
            "/lib/apk/db/scripts.tar",
            "/lib/apk/db/triggers",
            "/lib/apk/db/lock",
            "/usr/lib/apk/db/installed",
            "/usr/lib/apk/db/scripts.tar",
            "/usr/lib/apk/db/triggers",
            "/usr/lib/apk/db/lock",
            "/lib/apk/db/scripts.tar.gz",
            "/usr/lib/apk/db/scripts.tar.gz",
            "/etc/apk/world",
            "/etc/apk/arch",
            "/etc/apk/repositories",
        ],
    ),
    (
        "logs of package managers",
        &[
            "/var/log/dpkg.log",
            "/var/log/alternatives.log",
            "/var/log/bootstrap.log",
            "/var/log/faillog",
            "/var/log/lastlog",
            "/var/log/wtmp",
            "/var/log/btmp",
            "/var/log/apk.log",
        ],
    ),
    (
        "caches of names and locales",
        &["/usr/share/info/dir", "/usr/lib/locale/locale-archive", "/etc/ca-certificates.conf"],
    ),
];

/// Files by the folder that they are below.
const FOLDERS: &[(&str, &[&str])] = &[
    ("dpkg's database", &["/var/lib/dpkg/"]),
    (
        "apt's caches and states",
        &["/var/lib/apt/", "/var/cache/apt/", "/var/log/apt/", "/var/cache/debconf/"],
    ),
    (
        "rpm's database",
        &[
            "/var/lib/rpm/",
            "/usr/lib/sysimage/rpm/",
            "/var/lib/dnf/",
            "/var/cache/dnf/",
            "/var/cache/yum/",
            "/var/lib/yum/",
        ],
    ),
    (
        "bundles of certificates",
        &[
            "/etc/ssl/certs/",
            "/etc/pki/ca-trust/extracted/",
            "/usr/share/pki/ca-trust-source/",
            "/var/lib/ca-certificates/",
        ],
    ),
    (
        "what configuration scripts keep",
        &[
            "/var/lib/pam/",
            "/var/lib/ucf/",
            "/etc/pam.d/common-",
            "/var/lib/systemd/",
            "/var/cache/apk/",
        ],
    ),
];

/// Why a file is generated; none if it is not.
pub(super) fn reason(
    file: &TreeFile<'_>,
    rootfs: &Rootfs,
    inventory: &Inventory,
) -> Option<&'static str> {
    // A shell runs text with such a mode that begins with no "#!", too.
    let may_run = file.node.mode & 0o111 != 0 && !is_list_of_dpkg(file.path);
    if may_run && file.node.kind == EntryKind::File {
        return script(file.path, inventory).filter(|_| file.kind != Kind::Executable);
    }
    match file.sums.map_or(file.kind, |sums| sums.kind) {
        Kind::Link => at_place(file.path).or_else(|| link(file, rootfs)),
        Kind::Other => at_place(file.path).or_else(|| compiled(file.path, rootfs)),
        // dpkg writes some of its data with the mode of a program; scripts are those of its packages alone.
        Kind::Script | Kind::Executable => script(file.path, inventory),
        Kind::Archive => archive(file.path),
        Kind::Library | Kind::KernelModule => None,
    }
}

/// Lists that dpkg keeps, some of which it writes with the mode of a program.
fn is_list_of_dpkg(path: &str) -> bool {
    const LISTS: [&str; 8] = [
        ".list",
        ".md5sums",
        ".conffiles",
        ".triggers",
        ".shlibs",
        ".symbols",
        ".templates",
        "/status",
    ];
    path.starts_with("/var/lib/dpkg/") && LISTS.iter().any(|suffix| path.ends_with(suffix))
}

fn at_place(path: &str) -> Option<&'static str> {
    let files = FILES.iter().find(|(_, files)| files.contains(&path));
    let folders = || {
        FOLDERS.iter().find(|(_, folders)| folders.iter().any(|folder| path.starts_with(folder)))
    };
    files.or_else(folders).map(|(why, _)| *why)
}

/// Packed lists and scripts of package managers.
fn archive(path: &str) -> Option<&'static str> {
    let scripts = path.ends_with("/apk/db/scripts.tar") || path.ends_with("/apk/db/scripts.tar.gz");
    let lists = path.starts_with("/var/lib/apt/lists/") || path.starts_with("/var/lib/dpkg/");
    (scripts && at_place(path).is_some() || lists && path.ends_with(".gz"))
        .then(|| at_place(path))?
}

/// Scripts that dpkg keeps of installed packages (deb-postinst(5) and the like).
fn script(path: &str, inventory: &Inventory) -> Option<&'static str> {
    const SUFFIXES: [&str; 5] = [".preinst", ".postinst", ".prerm", ".postrm", ".config"];
    let name = path.strip_prefix("/var/lib/dpkg/info/")?;
    let stem = SUFFIXES.iter().find_map(|suffix| name.strip_suffix(suffix))?;
    let package = stem.split(':').next()?;
    let installed = inventory.packages.iter().any(|p| p.ecosystem == "deb" && p.name == package);
    installed.then_some("a maintainer's script of an installed package")
}

/// `__pycache__/NAME.TAG.pyc` beside `NAME.py`, and `NAME.pyc` beside it (PEP 3147).
fn compiled(path: &str, rootfs: &Rootfs) -> Option<&'static str> {
    let (folder, file) = path.rsplit_once('/')?;
    let stem = file.strip_suffix(".pyc")?;
    let source = match folder.strip_suffix("/__pycache__") {
        Some(above) => format!("{above}/{}.py", stem.split('.').next()?),
        None => format!("{folder}/{stem}.py"),
    };
    let node = rootfs.get(&source)?;
    (node.kind == EntryKind::File).then_some("compiled from the source beside it")
}

/// Links that scripts of packages make.
fn link(file: &TreeFile<'_>, rootfs: &Rootfs) -> Option<&'static str> {
    let target = file.node.link.as_deref()?;
    if file.path.starts_with("/etc/alternatives/") || target.starts_with("/etc/alternatives/") {
        return Some("a link of the alternatives");
    }
    let init = file.path.starts_with("/etc/rc")
        || file.path.starts_with("/etc/systemd/")
        || file.path.starts_with("/etc/runlevels/");
    if init {
        return Some("a link that enables a service");
    }
    let real = rootfs.resolve(file.path)?;
    // busybox's own programs, which apk's trigger links.
    if real == "/bin/busybox" || real == "/usr/bin/busybox" {
        return Some("a program of busybox");
    }
    let (folder, name) = file.path.rsplit_once('/')?;
    let beside = real.rsplit_once('/').is_some_and(|(real, _)| real == folder);
    (beside && name.contains(".so")).then_some("a library's name, which ldconfig links")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_whole_paths_and_folders() {
        let cases = [
            ("/etc/ld.so.cache", true),
            ("/etc/ld.so.cache2", false),
            ("/srv/etc/passwd", false),
            ("/var/lib/dpkg/status", true),
            ("/var/lib/dpkg2/status", false),
            ("/etc/ssl/certs/ca-certificates.crt", true),
            ("/etc/pam.d/common-auth", true),
            ("/usr/bin/x", false),
        ];
        for (path, want) in cases {
            assert_eq!(at_place(path).is_some(), want, "{path}");
        }
    }

    #[test]
    fn every_place_has_one_reason() {
        let files = FILES.iter().flat_map(|(_, files)| *files);
        let all: Vec<_> = files.chain(FOLDERS.iter().flat_map(|(_, folders)| *folders)).collect();
        let once: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(once.len(), all.len());
        assert!(all.iter().all(|place| place.starts_with('/')));
    }
}
