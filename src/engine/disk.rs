//! A file system of a fixed size for one job.
//!
//! Turns a bound, or what the machine's disk can spare where that is less, into an ext4 image, mounted where the job works: the kernel refuses what goes beyond it, bytes and files alike,
//! however fast they are written (attack G12), and all of it goes with one unmount. The image is sparse. Needs root, a loop device
//! and mkfs.ext4; where one is missing, the caller is told and has to watch instead.

use std::{
    fs::{self, OpenOptions},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
    process::{Command, Stdio},
};

use super::host::{find_program, is_root};
use crate::{amount, scratch};

/// Left at the end of a full file system: what is written comes in pieces that do not fit any more.
const PIECE_BYTES: u64 = 1 << 20;

/// Room that the machine's own disk keeps, in bytes: other programs write there.
pub const RESERVE_BYTES: u64 = 128 << 20;
/// Smallest file system that is of any use, in bytes.
const LEAST_BYTES: u64 = 16 << 20;

/// Makes the image and mounts it. Says how many bytes it has: what is asked for, or half of what the machine's disk can spare
/// beside the images of other jobs, which may all be filled.
///
/// # Errors
/// Says what is missing, or what the programs say.
pub fn mount(image: &Path, at: &Path, wanted: u64) -> Result<u64, String> {
    if !is_root() {
        return Err("that needs root".to_owned());
    }
    // The next one has to have a place, too.
    let bytes = wanted.min(spare(image) / 2);
    if bytes < LEAST_BYTES {
        return Err(format!("its own disk has only {} to spare", amount::bytes(bytes)));
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
    tidy().map_err(|e: std::io::Error| e.to_string())?;
    Ok(bytes)
}

/// Bytes that an image may take: what is free, without the reserve and what the images beside it were promised and have not taken
/// yet.
fn spare(image: &Path) -> u64 {
    let (Some(folder), Some(name)) = (image.parent(), image.file_name()) else { return 0 };
    let others = folder.parent().and_then(|base| fs::read_dir(base).ok());
    let promised = others.into_iter().flatten().flatten().filter_map(|job| {
        let ours = job.file_name().as_encoded_bytes().starts_with(scratch::PREFIX.as_bytes());
        let image = ours.then(|| fs::symlink_metadata(job.path().join(name)).ok())??;
        image.is_file().then(|| image.len().saturating_sub(image.blocks().saturating_mul(512)))
    });
    let promised = promised.fold(0_u64, u64::saturating_add);
    free_bytes(folder).unwrap_or(0).saturating_sub(promised).saturating_sub(RESERVE_BYTES)
}

/// Bytes that are free where a folder lies; `None` where the kernel does not say.
pub fn free_bytes(folder: &Path) -> Option<u64> {
    rustix::fs::statvfs(folder).ok().map(|s| s.f_bavail.saturating_mul(s.f_frsize))
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
        match mount(&image, &at, 16 << 20) {
            Ok(bytes) => assert_eq!(bytes, 16 << 20),
            Err(why) => return eprintln!("SKIPPED: {why}"),
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

    #[test]
    fn g12_no_more_is_promised_than_the_machine_has() {
        let base = tempfile::tempdir().unwrap();
        let jobs = ["hallmark-a", "hallmark-b", "other"].map(|name| base.path().join(name));
        jobs.iter().for_each(|job| fs::create_dir(job).unwrap());
        let before = spare(&jobs[0].join("disk"));
        let sparse = |job: &Path| fs::File::create(job.join("disk")).unwrap().set_len(1 << 30);
        sparse(&jobs[2]).unwrap();
        sparse(&jobs[1]).unwrap();
        let after = spare(&jobs[0].join("disk"));
        // Others write to the disk meanwhile.
        let taken = before.saturating_sub(after);
        assert!(taken.abs_diff(1 << 30) < 1 << 29, "{before} {after}");
        let all = mount(&jobs[0].join("disk"), &jobs[0].join("w"), u64::MAX);
        assert!(all.is_err(), "there is no folder to mount it at");
        if is_root() {
            assert!(fs::metadata(jobs[0].join("disk")).unwrap().len() < before);
        }
    }
}
