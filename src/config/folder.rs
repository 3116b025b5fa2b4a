//! Policy folders: files on disk into a bundle.
//!
//! Reads `*.rego`, YARA rules and one data file from each folder, its subfolders included. Follows symbolic links to files and folders that
//! are in the folder, as Kubernetes makes them of a ConfigMap, each once, and refuses others: a folder means only what is in it.
//! Rules count wherever they lie, in names and folders that begin with a dot as well, as OPA loads them. Names that begin with two dots are
//! passed over, which are those of a ConfigMap's versions: its files are links into them. Data that would be passed over is refused, but
//! for hidden files of other programs (`.gitlab-ci.yml`), and so is what has the name of a policy and is no file.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use crate::{
    limits::Limits,
    policy::{Bundle, PolicyError, archive, yara},
    saved::Access,
    trust::{self, TrustRules},
};

/// What the file of a signature has behind the name of what it signs.
const SIGNATURE: &str = ".sigstore.json";
/// Most files that one policy folder may hold.
const MAX_FILES: usize = 4096;

/// Why a policy folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// It, or something in it, cannot be read.
    #[error("{path}: {error}")]
    Unreadable {
        /// What.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Too many files.
    #[error("{path} holds more than {limit} files")]
    TooMany {
        /// The folder.
        path: PathBuf,
        /// How many are read.
        limit: usize,
    },
    /// A file larger than is read.
    #[error("{path} has {found} bytes, the limit is {limit}")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size in bytes.
        found: u64,
        /// The limit in bytes.
        limit: usize,
    },
    /// A folder that adds nothing.
    #[error("{folder} holds no *.rego file and no YARA rules; name the folder that has the rules")]
    Empty {
        /// The folder.
        folder: PathBuf,
    },
    /// A bundle that nobody signed who has to.
    #[error(
        "{path}: policy.bundleSigners asks for a signature by {asked}: {why}\n  help: cosign sign-blob --key KEY --bundle {path}{} {path}",
        SIGNATURE
    )]
    Unsigned {
        /// The archive or folder.
        path: PathBuf,
        /// Who has to have signed.
        asked: String,
        /// What is lacking.
        why: String,
    },
    /// A folder where a signature is asked for.
    #[error(
        "{path}: policy.bundleSigners asks for a signature by {asked}, and a folder has none\n  help: pack it, tar -C {path} -czf \
         rules.tar.gz ., sign that, cosign sign-blob --key KEY --bundle rules.tar.gz{} rules.tar.gz, and name rules.tar.gz",
        SIGNATURE
    )]
    UnsignedFolder {
        /// The folder.
        path: PathBuf,
        /// Who has to have signed.
        asked: String,
    },
    /// A link that leaves the folder.
    #[error("{path} is a link that leads out of the policy folder; copy what it leads to")]
    Outside {
        /// The link.
        path: PathBuf,
    },
    /// What has the name of a policy and is neither file nor folder.
    #[error("{path} has the name of a policy and is no file; remove it")]
    NoFile {
        /// The pipe, socket or device.
        path: PathBuf,
    },
    /// The files are no policies.
    #[error("{folder}: {error}")]
    Policy {
        /// The folder.
        folder: PathBuf,
        /// Why.
        error: Box<PolicyError>,
    },
}

/// Who has to have signed bundles.
#[derive(Debug, Clone, Copy)]
pub struct Signatures<'a> {
    /// The configured signers.
    pub trust: &'a TrustRules,
    /// Names of those of whom one has to have signed; nobody has to where there are none.
    pub asked: &'a [String],
    /// Bounds of what a signature is read by.
    pub limits: &'a Limits,
}

/// Whether a path is that of an archive, by its name.
pub fn is_archive(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.ends_with(".tar.gz") || name.ends_with(".tgz")
}

/// The bundle in an archive.
fn archive(
    path: &Path,
    from: &Access,
    signatures: Option<Signatures<'_>>,
) -> Result<Bundle, FolderError> {
    let read = |path: &Path, most: u64| {
        from.file(path, most, || crate::scratch::read_file(path, most)).map_err(unreadable(path))
    };
    let bytes = read(path, archive::MAX_ARCHIVE_BYTES)?;
    if let Some(Signatures { trust, asked, limits }) =
        signatures.filter(|all| !all.asked.is_empty())
    {
        let mut beside = path.as_os_str().to_owned();
        beside.push(SIGNATURE);
        let unsigned = |why: String| FolderError::Unsigned {
            path: path.to_owned(),
            asked: asked.join(", "),
            why,
        };
        let beside = PathBuf::from(beside);
        let signature = read(&beside, limits.attestation_bytes as u64);
        let signature = signature.map_err(|error| unsigned(error.to_string()))?;
        let found = trust::files::signers(&bytes, &signature, trust, limits);
        let found = found.map_err(|e| unsigned(format!("{}: {e}", beside.display())))?;
        if !found.iter().any(|name| asked.contains(name)) {
            return Err(unsigned(format!(
                "{} is a signature of nobody among them",
                beside.display()
            )));
        }
    }
    let policy = |error| FolderError::Policy { folder: path.to_owned(), error: Box::new(error) };
    archive::read(&bytes).map_err(policy)
}

/// Why a folder was not read, or not kept.
enum Read {
    Folder(FolderError),
    Kept(io::Error),
}

impl From<io::Error> for Read {
    fn from(error: io::Error) -> Self {
        Self::Kept(error)
    }
}

/// Reads folders into one bundle. Each has packages and data of its own.
///
/// # Errors
/// See [`FolderError`].
pub fn bundle(
    folders: &[PathBuf],
    from: &Access,
    signatures: Option<Signatures<'_>>,
) -> Result<Bundle, FolderError> {
    let mut bundle = Bundle::default();
    for folder in folders {
        let policy = |error| FolderError::Policy { folder: folder.clone(), error: Box::new(error) };
        if is_archive(folder) {
            let read = archive(folder, from, signatures)?;
            if read.is_empty() {
                return Err(FolderError::Empty { folder: folder.clone() });
            }
            bundle = bundle.join(read.at(&folder.display().to_string())).map_err(policy)?;
            continue;
        }
        if let Some(Signatures { asked, .. }) = signatures.filter(|all| !all.asked.is_empty()) {
            let asked = asked.join(", ");
            return Err(FolderError::UnsignedFolder { path: folder.clone(), asked });
        }
        let read = || files(folder).map_err(Read::Folder);
        // Each file is held against the bound of its kind where a bundle is made of them.
        let most = yara::MAX_FILE_BYTES as u64;
        let read = from.folder(folder, most, read).map_err(|why| match why {
            Read::Folder(error) => error,
            Read::Kept(error) => unreadable(folder)(error),
        })?;
        let read = Bundle::from_files(read).map_err(policy)?;
        if read.is_empty() {
            return Err(FolderError::Empty { folder: folder.clone() });
        }
        bundle = bundle.join(read.at(&folder.display().to_string())).map_err(policy)?;
    }
    Ok(bundle)
}

/// Name relative to the folder, and text, of every policy and data file.
///
/// Links come after everything else, in the order of their names: what they lead to keeps its own name where it has one, and
/// what was read already is not read again, so that no loop of links has a second round.
fn files(folder: &Path) -> Result<Vec<(String, String)>, FolderError> {
    let root = real(folder)?;
    let mut found = Vec::new();
    let mut seen = BTreeSet::from([root.clone()]);
    let mut folders = vec![folder.to_path_buf()];
    let mut links = BTreeSet::new();
    loop {
        let (path, target) = if let Some(next) = folders.pop() {
            for entry in fs::read_dir(&next).map_err(unreadable(&next))? {
                let entry = entry.map_err(unreadable(&next))?;
                let path = entry.path();
                if entry.file_name().as_encoded_bytes().starts_with(b"..") {
                    continue;
                }
                let kind = entry.file_type().map_err(unreadable(&path))?;
                if kind.is_symlink() {
                    links.insert(path);
                } else if kind.is_dir() {
                    if seen.insert(real(&path)?) {
                        folders.push(path);
                    }
                } else if is_policy(&path, folder) && seen.insert(real(&path)?) {
                    found.push(named(&path, folder)?);
                }
                if found.len() + links.len() > MAX_FILES {
                    return Err(FolderError::TooMany {
                        path: folder.to_path_buf(),
                        limit: MAX_FILES,
                    });
                }
            }
            continue;
        } else if let Some(link) = links.pop_first() {
            // Where it leads to nothing, nobody knows what it should have been.
            let target = real(&link)?;
            (link, target)
        } else {
            break;
        };
        let is_dir = fs::metadata(&target).map_err(unreadable(&path))?.is_dir();
        if !is_dir && !is_policy(&path, folder) {
            continue;
        }
        if !target.starts_with(&root) {
            return Err(FolderError::Outside { path });
        }
        if !seen.insert(target) {
            continue;
        }
        if is_dir {
            folders.push(path);
        } else {
            found.push(named(&path, folder)?);
        }
    }
    found.sort();
    Ok(found)
}

/// Where a path leads.
fn real(path: &Path) -> Result<PathBuf, FolderError> {
    path.canonicalize().map_err(unreadable(path))
}

fn unreadable(path: &Path) -> impl Fn(io::Error) -> FolderError {
    let path = path.to_path_buf();
    move |error| FolderError::Unreadable { path: path.clone(), error }
}

/// Rules, and what OPA would take for data; [`Bundle::from_files`] refuses what is neither.
fn is_policy(path: &Path, folder: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
    let is = |known: &&str| extension.eq_ignore_ascii_case(known);
    // Below the top, and hidden, other documents belong to somebody else: a rule that refers to them is refused by itself.
    let on_top = path.parent() == Some(folder) && !name.starts_with('.');
    let data = on_top || stem.eq_ignore_ascii_case("data");
    // Wherever they lie: those outside of their folder are refused as well.
    let rules = is(&"rego") || yara::EXTENSIONS.iter().any(is);
    rules || (data && ["json", "yaml", "yml"].iter().any(is))
}

fn name(path: &Path, folder: &Path) -> String {
    path.strip_prefix(folder).unwrap_or(path).to_string_lossy().into_owned()
}

/// Name in the folder, and text, of a file.
fn named(path: &Path, folder: &Path) -> Result<(String, String), FolderError> {
    let name = name(path, folder);
    let text = text(path, yara::most_bytes(&name))?;
    Ok((name, text))
}

fn text(path: &Path, limit: usize) -> Result<String, FolderError> {
    let is_file = fs::metadata(path).map_err(unreadable(path))?.is_file();
    if !is_file {
        return Err(FolderError::NoFile { path: path.to_path_buf() });
    }
    // Opened so that a pipe which took its place meanwhile keeps nobody waiting.
    let file = crate::scratch::open_file(path).map_err(unreadable(path))?;
    let found = file.metadata().map_err(unreadable(path))?.len();
    if found > limit as u64 {
        let path = path.to_path_buf();
        return Err(FolderError::TooLarge { path, found, limit });
    }
    let mut text = String::new();
    file.take(found).read_to_string(&mut text).map_err(unreadable(path))?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const RULE: &str = "package hallmark.own\n";

    /// A folder with `a.rego`, changed by `make`; the names that are read of it, or why none are.
    fn read(make: impl FnOnce(&Path)) -> Result<Vec<String>, String> {
        let base = tempfile::tempdir().unwrap();
        let folder = base.path().join("policy");
        fs::create_dir_all(&folder).unwrap();
        fs::create_dir_all(base.path().join("outside")).unwrap();
        fs::write(base.path().join("outside/b.rego"), RULE).unwrap();
        fs::write(folder.join("a.rego"), RULE).unwrap();
        make(&folder);
        let found = files(&folder).map_err(|error| error.to_string())?;
        Ok(found.into_iter().map(|(name, _)| name).collect())
    }

    fn put(folder: &Path, name: &str) {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, RULE).unwrap();
    }

    #[test]
    fn i8_linked_folders_are_read_once() {
        let of_a_config_map = read(|folder| {
            put(folder, "..2026/rules/b.rego");
            put(folder, "..2026/c.rego");
            symlink("..2026", folder.join("..data")).unwrap();
            symlink("..data/rules", folder.join("rules")).unwrap();
            symlink("..data/c.rego", folder.join("c.rego")).unwrap();
        });
        assert_eq!(of_a_config_map.unwrap(), ["a.rego", "c.rego", "rules/b.rego"]);
        let twice = read(|folder| {
            put(folder, "z/b.rego");
            symlink("z", folder.join("again")).unwrap();
            symlink("a.rego", folder.join("a2.rego")).unwrap();
            symlink(".", folder.join("z/loop")).unwrap();
            symlink("..", folder.join("z/up")).unwrap();
        });
        assert_eq!(twice.unwrap(), ["a.rego", "z/b.rego"], "by their own names, and no loop");
        let beside = read(|folder| {
            put(folder, "README.md");
            symlink("README.md", folder.join("NOTES")).unwrap();
            symlink("../outside/b.rego", folder.join("LICENSE")).unwrap();
        });
        assert_eq!(beside.unwrap(), ["a.rego"], "files without the name of a policy are nobody's");
    }

    #[test]
    fn e38_hidden_rules_are_read_as_opa_reads_them() {
        let hidden = read(|folder| {
            for name in [".b.rego", ".rules/c.rego", "d/.e/f.rego", ".rego", ".t_test.rego"] {
                put(folder, name);
            }
            symlink("../a.rego", folder.join("d/.again.rego")).unwrap();
            // Those of other programs, and a version of a ConfigMap.
            for name in [".gitlab-ci.yml", ".regal/config.yaml", ".git/HEAD", "..2026/g.rego"] {
                put(folder, name);
            }
        });
        let want = [".b.rego", ".rego", ".rules/c.rego", ".t_test.rego", "a.rego", "d/.e/f.rego"];
        assert_eq!(hidden.unwrap(), want);
        let data = read(|folder| put(folder, ".more/data.yaml")).unwrap();
        assert_eq!(data, [".more/data.yaml", "a.rego"], "to be refused");
    }

    #[test]
    fn i8_rules_that_would_be_passed_over_are_refused() {
        type Made = fn(&Path);
        let refused: [(&str, Made, &str); 6] = [
            ("a folder", |f| symlink("../outside", f.join("rules")).unwrap(), "leads out"),
            (
                "a folder by an absolute path",
                |f| symlink(f.parent().unwrap().join("outside"), f.join("x.rego")).unwrap(),
                "leads out",
            ),
            ("a file", |f| symlink("../outside/b.rego", f.join("b.rego")).unwrap(), "leads out"),
            ("nothing", |f| symlink("absent", f.join("rules")).unwrap(), "rules: No such file"),
            (
                "a pipe",
                |f| {
                    let made = std::process::Command::new("mkfifo").arg(f.join("b.rego")).status();
                    assert!(made.unwrap().success());
                },
                "no file",
            ),
            (
                "a socket behind a link",
                |f| {
                    std::os::unix::net::UnixListener::bind(f.join("s")).unwrap();
                    symlink("s", f.join("b.rego")).unwrap();
                },
                "no file",
            ),
        ];
        for (what, make, wanted) in refused {
            let why = read(make).expect_err(what);
            assert!(why.contains(wanted), "{what}: {why}");
        }
    }
}
