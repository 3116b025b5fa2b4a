//! Tools that help whoever breaks into a container: shells, package managers, compilers, interpreters, network tools,
//! debuggers.
//!
//! A tool is known by the name of an executable in a folder where programs are looked for, or by the name of an installed
//! package of the distribution. The lists are short and fixed, and `docs/inventory.md` repeats them. Nobody who means harm
//! is stopped by a name: a copy of a shell under another name is not found here, but it is a file that no package owns.

use std::collections::BTreeSet;

use super::Spot;
use crate::{
    contents::{Package, is_distribution},
    image::{
        config::RuntimeConfig,
        rootfs::{Node, Rootfs},
        tar::EntryKind,
    },
};

const EXECUTABLE: u32 = 0o111;

/// What a tool is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Runs commands.
    Shell,
    /// Installs more.
    PackageManager,
    /// Makes programs.
    Compiler,
    /// Runs scripts.
    Interpreter,
    /// Fetches, sends and listens.
    Network,
    /// Looks into other processes.
    Debugger,
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Shell,
        Self::PackageManager,
        Self::Compiler,
        Self::Interpreter,
        Self::Network,
        Self::Debugger,
    ];

    /// The word in reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Shell => "shell",
            Self::PackageManager => "package-manager",
            Self::Compiler => "compiler",
            Self::Interpreter => "interpreter",
            Self::Network => "network",
            Self::Debugger => "debugger",
        }
    }
}

/// How a tool was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// By the path of an executable.
    Path,
    /// By a package that is installed.
    Package,
}

/// A tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// What it is for.
    pub class: Class,
    /// Name of the program or package.
    pub name: String,
    /// How it was found.
    pub by: By,
    /// The program, or the file that lists the package.
    pub spot: Spot,
}

/// Programs and packages that are called alike.
const TOOLS: &[(Class, &[&str])] = &[
    (
        Class::Shell,
        &[
            "sh", "ash", "bash", "rbash", "busybox", "toybox", "csh", "dash", "fish", "hush",
            "ksh", "ksh93", "mksh", "oksh", "pwsh", "tcsh", "yash", "zsh",
        ],
    ),
    (
        Class::PackageManager,
        &[
            "apk",
            "apt",
            "apt-get",
            "aptitude",
            "conda",
            "dnf",
            "dnf5",
            "dpkg",
            "emerge",
            "gem",
            "mamba",
            "microdnf",
            "micromamba",
            "npm",
            "opkg",
            "pacman",
            "pip",
            "pipx",
            "pnpm",
            "poetry",
            "rpm",
            "snap",
            "tdnf",
            "uv",
            "xbps-install",
            "yarn",
            "yum",
            "zypper",
        ],
    ),
    (
        Class::Compiler,
        &[
            "as", "c++", "c89", "c99", "cc", "cargo", "clang", "clang++", "cpp", "g++", "gcc",
            "gfortran", "go", "gold", "javac", "ld", "make", "rustc", "tcc", "tsc",
        ],
    ),
    (
        Class::Interpreter,
        &[
            "awk", "bun", "deno", "expect", "gawk", "guile", "java", "jshell", "lua", "luajit",
            "mawk", "node", "nodejs", "perl", "php", "pypy", "python", "ruby", "tclsh",
        ],
    ),
    (
        Class::Network,
        &[
            "curl", "dig", "ftp", "mosh", "nc", "ncat", "netcat", "nmap", "nslookup", "rsync",
            "scp", "sftp", "socat", "ssh", "sshd", "tcpdump", "telnet", "tftp", "tshark", "wget",
        ],
    ),
    (
        Class::Debugger,
        &["bpftrace", "delve", "dlv", "gdb", "gdbserver", "lldb", "ltrace", "perf", "strace"],
    ),
];

/// Names whose program or package carries a version behind it: `python3.12`, `gcc-14`, `perl5.36.0`.
const VERSIONED: &[&str] = &[
    "c++", "clang", "clang++", "cpp", "g++", "gcc", "gfortran", "guile", "java", "lldb", "lua",
    "node", "perl", "php", "pip", "pypy", "python", "ruby", "tclsh",
];

/// Packages of distributions that are called otherwise than their programs.
const PACKAGES: &[(Class, &[&str])] = &[
    (Class::PackageManager, &["apk-tools", "libapt-pkg", "python3-pip", "py3-pip"]),
    (
        Class::Compiler,
        &["binutils", "build-base", "build-essential", "gcc-c++", "golang", "golang-go", "rust"],
    ),
    (Class::Interpreter, &["perl-base", "python3-minimal"]),
    (
        Class::Network,
        &[
            "bind-tools",
            "bind-utils",
            "bind9-dnsutils",
            "dnsutils",
            "netcat-openbsd",
            "netcat-traditional",
            "nmap-ncat",
            "openssh",
            "openssh-client",
            "openssh-clients",
            "openssh-server",
        ],
    ),
];

/// Parts of a cross compiler's name before the tool's own: `x86_64-linux-gnu-gcc-14`.
const TARGETS: [&str; 5] =
    ["-linux-gnu-", "-linux-musl-", "-linux-gnueabihf-", "-redhat-linux-", "-suse-linux-"];

fn find(tables: &[(Class, &[&str])], name: &str) -> Option<Class> {
    tables.iter().find(|(_, names)| names.contains(&name)).map(|(class, _)| *class)
}

/// The class of a tool of this name.
fn of_name(name: &str) -> Option<Class> {
    let name = TARGETS.iter().find_map(|target| Some(name.rsplit_once(target)?.1)).unwrap_or(name);
    find(TOOLS, name).or_else(|| {
        let digits = |c: char| c.is_ascii_digit() || c == '.';
        let base = name.trim_end_matches(digits);
        let base = base.strip_suffix('-').unwrap_or(base);
        VERSIONED.contains(&base).then(|| find(TOOLS, base)).flatten()
    })
}

/// The class and name of a program at this path, where programs are looked for.
pub(super) fn of_path<'p>(path: &'p str, folders: &BTreeSet<String>) -> Option<(Class, &'p str)> {
    let (folder, name) = path.rsplit_once('/')?;
    let class = of_name(name)?;
    let last = folder.rsplit('/').next().unwrap_or_default();
    let known = matches!(last, "bin" | "sbin" | "busybox") || folders.contains(folder);
    (known || matches!(name, "busybox" | "toybox")).then_some((class, name))
}

/// The class of an installed package; packages of languages are called as anybody likes.
pub(super) fn of_package(package: &Package) -> Option<Class> {
    if !is_distribution(package.ecosystem) {
        return None;
    }
    find(PACKAGES, &package.name).or_else(|| of_name(&package.name))
}

/// The folders in which a container looks for programs: those of its `PATH`, and that of its entry point.
pub(super) fn folders(runtime: &RuntimeConfig) -> BTreeSet<String> {
    let paths = runtime.env.iter().filter_map(|entry| entry.strip_prefix("PATH="));
    let of_path = paths.flat_map(|path| path.split(':'));
    let first = runtime.entrypoint.first().or(runtime.cmd.first());
    let of_entry = first.and_then(|program| Some(program.rsplit_once('/')?.0));
    let all = of_path.chain(of_entry).map(|folder| folder.trim_end_matches('/'));
    all.filter(|folder| folder.starts_with('/')).map(str::to_owned).collect()
}

/// Whether it may be run.
pub(super) fn is_executable(node: &Node) -> bool {
    node.mode & EXECUTABLE != 0
}

/// Whether there is something at this path, or where its link leads, that may be run.
pub(super) fn runs(rootfs: &Rootfs, path: &str, node: &Node) -> bool {
    match node.kind {
        EntryKind::File => is_executable(node),
        EntryKind::Symlink => {
            let target = rootfs.resolve(path).and_then(|real| rootfs.get(&real));
            target.is_some_and(|target| target.kind == EntryKind::File && is_executable(target))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_are_known_by_their_paths() {
        let folders = BTreeSet::from(["/opt/tools".to_owned()]);
        let cases = [
            ("/bin/sh", "shell"),
            ("/usr/bin/bash", "shell"),
            ("/busybox/sh", "shell"),
            ("/opt/x/busybox", "shell"),
            ("/usr/bin/python3.12", "interpreter"),
            ("/usr/bin/python3", "interpreter"),
            ("/usr/bin/perl5.36.0", "interpreter"),
            ("/usr/local/bin/node", "interpreter"),
            ("/usr/bin/gcc-14", "compiler"),
            ("/usr/bin/x86_64-linux-gnu-gcc-14", "compiler"),
            ("/usr/bin/aarch64-linux-gnu-ld", "compiler"),
            ("/usr/local/go/bin/go", "compiler"),
            ("/usr/bin/apt-get", "package-manager"),
            ("/sbin/apk", "package-manager"),
            ("/usr/bin/pip3.11", "package-manager"),
            ("/usr/bin/curl", "network"),
            ("/opt/tools/wget", "network"),
            ("/usr/bin/gdb", "debugger"),
            // None: other folders, other names, names that only begin alike.
            ("/opt/other/wget", ""),
            ("/usr/share/doc/bash", ""),
            ("/usr/bin/bashbug", ""),
            ("/usr/bin/gcc-ranlib-14", ""),
            ("/usr/bin/python3-config", ""),
            ("/usr/bin/node-red", ""),
            ("/usr/bin/sh-3", ""),
            ("/usr/lib/python3.12", ""),
            ("/etc/apt", ""),
            ("sh", ""),
        ];
        for (path, want) in cases {
            let found = of_path(path, &folders).map_or("", |(class, _)| class.word());
            assert_eq!(found, want, "{path}");
        }
    }

    #[test]
    fn packages_are_tools_where_a_distribution_lists_them() {
        let cases = [
            ("deb", "bash", "shell"),
            ("apk", "busybox", "shell"),
            ("apk", "apk-tools", "package-manager"),
            ("rpm", "gcc-c++", "compiler"),
            ("deb", "gcc-12", "compiler"),
            ("deb", "python3.11", "interpreter"),
            ("deb", "netcat-openbsd", "network"),
            ("deb", "gcc-12-base", ""),
            ("deb", "libbash", ""),
            ("pypi", "pip", ""),
            ("npm", "node", ""),
        ];
        for (ecosystem, name, want) in cases {
            let package = Package {
                ecosystem,
                name: name.to_owned(),
                version: String::new(),
                architecture: None,
                purl: None,
                licence: None,
                source: None,
                source_version: None,
                module: None,
                database: String::new(),
                layer: None,
            };
            assert_eq!(of_package(&package).map_or("", Class::word), want, "{ecosystem} {name}");
        }
    }

    #[test]
    fn programs_are_looked_for_in_path_and_beside_the_entry_point() {
        let runtime = RuntimeConfig {
            env: vec!["PATH=/a/bin:/b/:c".to_owned(), "X=/d".to_owned()],
            entrypoint: vec!["/app/run/main".to_owned(), "/e/f".to_owned()],
            ..RuntimeConfig::default()
        };
        let found: Vec<_> = folders(&runtime).into_iter().collect();
        assert_eq!(found, ["/a/bin", "/app/run", "/b"]);
    }

    #[test]
    fn every_name_has_one_class() {
        let names = TOOLS.iter().chain(PACKAGES).flat_map(|(_, names)| names.iter());
        let mut all: Vec<_> = names.collect();
        let count = all.len();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), count);
        assert!(VERSIONED.iter().all(|name| find(TOOLS, name).is_some()));
        let documented = include_str!("../../../docs/inventory.md");
        for name in all {
            assert!(documented.contains(&format!("`{name}`")), "docs/inventory.md: {name}");
        }
    }
}
