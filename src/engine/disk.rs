//! A file system of a fixed size for one job.
//!
//! Turns a bound into an ext4 image, mounted where the job works: the kernel refuses what goes beyond it, bytes and files alike,
//! however fast they are written (attack G12), and all of it goes with one unmount. The image is sparse. Needs root, a loop device
//! and mkfs.ext4; where one is missing, the caller is told and has to watch instead.

use std::{
    fs::{self, OpenOptions},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
    process::{Command, Stdio},
};

use super::host::{find_program, is_root};

/// Left at the end of a full file system: what is written comes in pieces that do not fit any more.
const PIECE_BYTES: u64 = 1 << 20;

/// Makes the image and mounts it.
///
/// # Errors
/// Says what is missing, or what the programs say.
pub fn mount(image: &Path, at: &Path, bytes: u64) -> Result<(), String> {
    if !is_root() {
        return Err("that needs root".to_owned());
    }
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(image);
    file.and_then(|file| file.set_len(bytes)).map_err(|e| e.to_string())?;
    // No journal: what a crash leaves is removed. One inode for 8 KiB, as small files need.
    let make = ["-q", "-F", "-t", "ext4", "-m", "0", "-b", "4096", "-i", "8192", "-O"];
    let make = [&make[..], &["^has_journal", "-E", "lazy_itable_init=1,nodiscard"]].concat();
    run("mkfs.ext4", &make, &[image])?;
    run("mount", &["-t", "ext4", "-o", "loop,noatime,nodev"], &[image, at])?;
    let tidy = || {
        fs::set_permissions(at, fs::Permissions::from_mode(0o700))?;
        fs::remove_dir(at.join("lost+found"))
    };
    tidy().map_err(|e: std::io::Error| e.to_string())
}

/// Whether the file system is full, in bytes or in files.
pub fn is_full(at: &Path) -> bool {
    rustix::fs::statvfs(at)
        .is_ok_and(|s| s.f_bavail.saturating_mul(s.f_frsize) < PIECE_BYTES || s.f_favail == 0)
}

/// Runs a program that ends with whoever started it: a killed process leaves no mount that is made after it.
fn run(name: &str, arguments: &[&str], paths: &[&Path]) -> Result<(), String> {
    let find = |name: &str| find_program(name).ok_or_else(|| format!("{name} is not on PATH"));
    let mut command = Command::new(find("setpriv")?);
    command.args(["--pdeathsig", "KILL", "--"]).arg(find(name)?);
    command.args(arguments).args(paths).stdin(Stdio::null());
    let output = command.output().map_err(|e| format!("{name}: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{name}: {}", said.lines().next().unwrap_or("it failed").trim()))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn g12_a_file_system_holds_what_it_may_and_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let (image, at) = (folder.path().join("image"), folder.path().join("w"));
        fs::create_dir(&at).unwrap();
        if let Err(why) = mount(&image, &at, 16 << 20) {
            return eprintln!("SKIPPED: {why}");
        }
        assert!(!is_full(&at));
        let mut file = fs::File::create(at.join("file")).unwrap();
        let wrote = (0..64).filter(|_| file.write_all(&[1; 1 << 20]).is_ok()).count();
        assert!((10..17).contains(&wrote), "{wrote} MiB");
        assert!(is_full(&at));
        fs::remove_file(at.join("file")).unwrap();
        let made = (0..10_000).filter(|n| fs::write(at.join(n.to_string()), "").is_ok()).count();
        assert!(made < 3_000, "{made} files");
        assert!(is_full(&at));
        crate::scratch::end_all(folder.path());
        assert_eq!(fs::read_dir(&at).unwrap().count(), 0, "it is still mounted");
    }
}
