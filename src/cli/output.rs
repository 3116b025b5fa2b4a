//! Where answers go: stdout, and the files that a command was asked to write.
//!
//! Half an answer is none. A reader that has gone away (`| head`) wanted no more and is no failure; everything else that keeps
//! an answer from being written is one, whatever the answer was. A file holds all of its new bytes or what it held before; the summary
//! of a job of GitHub Actions, which several calls of a step write, is added to.

use std::{
    fs::{self, File, Permissions},
    io::{self, ErrorKind, Read as _, Write},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use super::{Failure, files};
use crate::{environment, image::Platform};

/// Writes an answer to stdout, to the last byte.
pub(super) fn to_stdout(text: &str) -> Result<(), Failure> {
    whole(&mut io::stdout().lock(), text.as_bytes())
        .map_err(|error| Failure::usage(format!("the answer cannot be written to stdout: {error}")))
}

fn whole(out: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}

/// Where the runner of GitHub Actions says which file the summary of a step is.
const SUMMARY: &str = "GITHUB_STEP_SUMMARY";

/// Whether a file would be replaced, and not written to or added to.
pub(super) fn is_replaced(path: &Path) -> bool {
    !is_summary(path) && fs::metadata(path).map_or(true, |there| there.is_file())
}

fn is_summary(path: &Path) -> bool {
    environment::filled(SUMMARY).is_some_and(|summary| path == Path::new(&summary))
}

/// Writes a file that a command was asked for. Devices and pipes are written to, files are replaced, but none that holds a private key.
pub(super) fn to_file(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    no_dash(path)?;
    no_key(path)?;
    put(path, bytes).map_err(|error| unwritable(path, &error))
}

fn unwritable(path: &Path, error: &dyn std::fmt::Display) -> Failure {
    let mut failure = Failure::usage(format!("{}: {error}", path.display()));
    if let Some(help) = files::without_folder(path) {
        failure.help(&help);
    }
    failure
}

/// Looks whether a file could be written, so that what is written at the end does not fail there; nothing is changed.
///
/// # Errors
/// It is a folder, holds a private key, or its folder takes no new file.
pub(super) fn tried(path: &Path) -> Result<(), Failure> {
    no_dash(path)?;
    no_key(path)?;
    match fs::metadata(path) {
        Ok(there) if there.is_dir() => {
            Err(unwritable(path, &"it is a folder, and a file would be written"))
        }
        // A device takes what it takes.
        Ok(there) if !there.is_file() => Ok(()),
        _ if is_summary(path) => Ok(()),
        _ => {
            let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
            begun(&real, Permissions::from_mode(0o600))
                .map(drop)
                .map_err(|error| unwritable(path, &error))
        }
    }
}

/// A private key in PEM begins with such a line, whatever its kind.
const KEY_BEGINS: &str = "-----BEGIN ";
/// How that line ends.
const KEY_ENDS: &str = "PRIVATE KEY-----";
/// Bytes of a file that are asked for a private key.
const MOST_KEY_BYTES: u64 = 1 << 20;

/// Refuses a file that holds a private key: nothing that is written is worth one, and no call means it.
fn no_key(path: &Path) -> Result<(), Failure> {
    if !fs::metadata(path).is_ok_and(|there| there.is_file()) {
        return Ok(());
    }
    let mut bytes = Vec::new();
    // What cannot be read is no key that anybody signs with here.
    let _ = File::open(path).and_then(|file| file.take(MOST_KEY_BYTES).read_to_end(&mut bytes));
    let bytes = zeroize::Zeroizing::new(bytes);
    let is_key = |line: &[u8]| {
        let line = line.trim_ascii();
        line.starts_with(KEY_BEGINS.as_bytes()) && line.ends_with(KEY_ENDS.as_bytes())
    };
    if !bytes.split(|byte| *byte == b'\n').any(is_key) {
        return Ok(());
    }
    let mut failure = Failure::usage(format!(
        "{}: it holds a private key, and is not written to",
        path.display()
    ));
    failure.help("name another file for what is written");
    Err(failure)
}

/// Refuses `-` where a file is asked for: it would get that name.
fn no_dash(path: &Path) -> Result<(), Failure> {
    if path != Path::new("-") {
        return Ok(());
    }
    let mut failure = Failure::usage("-: this option writes a file, and no standard output");
    failure.help("name a file; one that is called - is ./-, and /dev/stdout is standard output");
    Err(failure)
}

/// The file of each platform's statement, in their order. Each has its platform in its name, be it one or several, so that whoever reads
/// them knows what to expect.
///
/// # Errors
/// Where two have one name.
pub(super) fn for_each<'a>(
    file: &Path,
    platforms: impl IntoIterator<Item = &'a Platform>,
) -> Result<Vec<PathBuf>, Failure> {
    no_dash(file)?;
    let mut files: Vec<PathBuf> = Vec::new();
    for platform in platforms {
        let file = beside(file, platform);
        if files.contains(&file) {
            return Err(Failure::usage(format!(
                "--attest: two images for {platform} would both be written to {}; name one of them by its digest",
                file.display()
            )));
        }
        files.push(file);
    }
    Ok(files)
}

/// `verdict.json` for linux/arm64 is `verdict-linux-arm64.json`. The platform is the image's own word: nothing of it leads elsewhere.
fn beside(file: &Path, platform: &Platform) -> PathBuf {
    let safe = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
    let platform: String = platform.to_string().chars().map(safe).collect();
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let name = match file.extension() {
        Some(extension) => format!("{stem}-{platform}.{}", extension.to_string_lossy()),
        None => format!("{stem}-{platform}"),
    };
    file.with_file_name(name)
}

fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if is_summary(path) {
        return File::options().append(true).create(true).open(path)?.write_all(bytes);
    }
    // Behind a link is the file that is meant.
    let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mode = match fs::metadata(&real) {
        Ok(there) if !there.is_file() => return fs::write(&real, bytes),
        Ok(there) => there.permissions(),
        // What the umask leaves of it.
        Err(_) => Permissions::from_mode(0o666),
    };
    let mut new = begun(&real, mode)?;
    new.write_all(bytes).map_err(|error| plain(&error))?;
    new.persist(&real).map(drop).map_err(|error| error.error)
}

/// A new file beside the one that it is to replace.
fn begun(real: &Path, mode: Permissions) -> io::Result<tempfile::NamedTempFile> {
    let folder = real.parent().filter(|folder| !folder.as_os_str().is_empty());
    tempfile::Builder::new()
        .prefix(".hallmark-")
        .permissions(mode)
        .tempfile_in(folder.unwrap_or(Path::new(".")))
        .map_err(|error| plain(&error))
}

/// Without the name of a file that nobody asked for.
fn plain(error: &io::Error) -> io::Error {
    let words = error.to_string();
    let why = words.split_once(" at path ").map_or(words.as_str(), |(why, _)| why);
    io::Error::new(error.kind(), why.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stdout that takes some bytes and then says this.
    struct Narrow(usize, ErrorKind);

    impl Write for Narrow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(self.0);
            self.0 -= taken;
            if taken == 0 && !bytes.is_empty() { Err(self.1.into()) } else { Ok(taken) }
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn only_a_reader_that_has_gone_is_no_failure() {
        let cases = [
            (9, ErrorKind::StorageFull, None),
            (8, ErrorKind::StorageFull, Some(ErrorKind::StorageFull)),
            (3, ErrorKind::PermissionDenied, Some(ErrorKind::PermissionDenied)),
            (0, ErrorKind::BrokenPipe, None),
            (8, ErrorKind::BrokenPipe, None),
        ];
        for (room, kind, want) in cases {
            let done = whole(&mut Narrow(room, kind), b"an answer");
            assert_eq!(done.err().map(|error| error.kind()), want, "{room} {kind}");
        }
    }

    #[test]
    fn a_file_is_replaced_whole_and_a_device_is_written_to() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("a"), folder.path().join("b"));
        to_file(&file, b"one").unwrap();
        std::os::unix::fs::symlink("a", &link).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
        to_file(&link, b"two").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"two");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        to_file(Path::new("/dev/null"), b"three").unwrap();
        assert!(to_file(Path::new("/dev/full"), b"three").is_err());
        let lost = to_file(&folder.path().join("none/c"), b"three").unwrap_err();
        assert!(
            lost.message.ends_with("/none/c: No such file or directory (os error 2)"),
            "{lost}"
        );
        assert!(lost.told().contains("help: there is no folder /"), "{lost}");
        let dash = to_file(Path::new("-"), b"four").unwrap_err().told();
        assert!(dash.contains("./-") && !Path::new("-").exists(), "{dash}");
    }

    #[test]
    fn a_private_key_is_never_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a");
        let cases = [
            ("-----BEGIN PRIVATE KEY-----\nA\n", true),
            ("-----BEGIN CERTIFICATE-----\nA\n-----BEGIN EC PRIVATE KEY-----\r\nA\n", true),
            (" -----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n", true),
            ("-----BEGIN OPENSSH PRIVATE KEY-----", true),
            ("-----BEGIN PUBLIC KEY-----\nA\n", false),
            // A report that speaks of one.
            ("{\"text\": \"-----BEGIN PRIVATE KEY-----\"}\n", false),
            ("", false),
        ];
        for (text, is_key) in cases {
            fs::write(&file, text).unwrap();
            assert_eq!(tried(&file).is_err(), is_key, "{text:?}");
            assert_eq!(fs::read(&file).unwrap(), text.as_bytes(), "nothing is changed");
            assert_eq!(to_file(&file, b"new").is_err(), is_key, "{text:?}");
            let left = if is_key { text } else { "new" };
            assert_eq!(fs::read(&file).unwrap(), left.as_bytes(), "{text:?}");
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no file is left of a trial");
    }

    #[test]
    fn what_is_said_of_a_file_is_the_same_each_time() {
        let of = |name: &str| {
            io::Error::new(
                ErrorKind::StorageFull,
                format!("no space at path \"/t/.hallmark-{name}\""),
            )
        };
        assert_eq!(plain(&of("a")).to_string(), "no space");
        assert_eq!(plain(&of("a")).to_string(), plain(&of("b")).to_string());
    }

    #[test]
    fn each_platform_has_a_file_of_its_own() {
        let cases = [
            ("v.json", "linux", "arm64", Some("v9"), "v-linux-arm64-v9.json"),
            ("/a/b.c/verdict", "linux", "amd64", None, "/a/b.c/verdict-linux-amd64"),
            ("v.tar.json", "linux", "amd64", None, "v.tar-linux-amd64.json"),
            // What an index says of itself may be anything.
            ("a/v.json", "../..", "/etc\n", None, "a/v-..-..--etc-.json"),
        ];
        for (file, os, architecture, variant, want) in cases {
            let platform = Platform::new(os, architecture, variant);
            assert_eq!(beside(Path::new(file), &platform), Path::new(want), "{file}");
        }
    }
}
