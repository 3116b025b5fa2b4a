//! Places where builds leave something behind that is not the image's purpose.
//!
//! Gives a difference the class of its place. A cache, a log or a file that names the build host is still a difference; a
//! place for runtimes to mount on is none for whoever runs the image, and explained.

use super::{
    Class,
    allow::{is_content, matches},
    value::LENDING_BITS,
};
use crate::image::tar::{Entry, EntryKind, Whiteout};

/// PAX records without effect on what is unpacked, as long as they hold what their names say.
const BENIGN_PAX: &[&str] = &[
    "atime",
    "ctime",
    "comment",
    "LIBARCHIVE.creationtime",
    "SCHILY.dev",
    "SCHILY.ino",
    "SCHILY.nlink",
];

/// Whether a PAX record is a number or time without effect; a comment is any text.
pub(super) fn is_benign_record(key: &str, value: &[u8]) -> bool {
    let number = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'-');
    BENIGN_PAX.contains(&key) && (key == "comment" || value.len() <= 40 && value.iter().all(number))
}

/// Paths of caches and logs that builds leave behind.
const CACHES: [&str; 7] = [
    "/var/log/**",
    "/var/cache/**",
    "/var/lib/apt/lists/**",
    "/root/.cache/**",
    "/home/*/.cache/**",
    "/root/.wget-hsts",
    "/tmp/**",
];

/// Files that name the machine of the build.
const HOST: [&str; 6] = [
    "/etc/hosts",
    "/etc/hostname",
    "/etc/resolv.conf",
    "/etc/machine-id",
    "/var/lib/dbus/machine-id",
    "/etc/ssh/ssh_host_*",
];

/// Directories that every runtime mounts over (runtime-spec v1.2, config-linux.md, "Default Filesystems").
const MOUNTED_FOLDERS: [&str; 5] = ["/dev", "/dev/pts", "/dev/shm", "/proc", "/sys"];
/// Files that container engines mount over, empty in the image.
pub(super) const MOUNTED_FILES: [&str; 3] = ["/etc/hosts", "/etc/hostname", "/etc/resolv.conf"];

/// The class of a content that differs.
pub(super) fn content(path: &str) -> Class {
    let is_one_of = |patterns: &[&str]| patterns.iter().any(|pattern| matches(pattern, path));
    if is_one_of(&CACHES) {
        Class::Cache
    } else if is_one_of(&HOST) {
        Class::Host
    } else {
        Class::Content
    }
}

/// The class of an entry that only one side has.
pub(super) fn one_sided(entry: &Entry) -> Class {
    match entry.whiteout() {
        Some(Whiteout::Opaque { .. }) if is_plain(entry) => Class::OpaqueWhiteout,
        Some(_) => Class::TarSecurity,
        None if !is_plain(entry) => Class::TarSecurity,
        None if is_mount_point(entry) => Class::MountPoint,
        None => content(&entry.path),
    }
}

/// Whether an entry's being there cannot change what other files are or may do.
fn is_plain(entry: &Entry) -> bool {
    let plain = matches!(entry.kind, EntryKind::File | EntryKind::Directory | EntryKind::Symlink);
    let records = entry.pax.iter().any(|(key, value)| !is_benign_record(key, value));
    plain && entry.mode & LENDING_BITS == 0 && entry.xattrs.is_empty() && !records
}

/// Whether a difference of this class in such an entry is about nothing but what a plain file holds. A link says what else
/// is read under its name, and what lends rights does so by its content.
pub(super) fn may_be_allowed(class: Class, entry: &Entry) -> bool {
    is_content(class) && is_plain(entry) && entry.kind != EntryKind::Symlink
}

/// Whether it is an empty place of root's that something will be mounted on.
fn is_mount_point(entry: &Entry) -> bool {
    let place = match entry.kind {
        EntryKind::Directory => MOUNTED_FOLDERS.contains(&entry.path.as_str()),
        EntryKind::File => entry.size == 0 && MOUNTED_FILES.contains(&entry.path.as_str()),
        _ => false,
    };
    // Nobody but root may write there, so that it is no place to hide something in.
    place && (entry.uid, entry.gid) == (0, 0) && entry.mode & 0o022 == 0
}
