//! git, hardened: what every call of it is told, whoever calls.
//!
//! Turns arguments into a run of git in one folder, with nothing of the machine's settings: no hooks, no credential helpers, no
//! submodules, no transport that runs programs. Refuses names of refs that git would read as an option or a pattern.

use std::{
    ffi::OsString,
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use super::{
    EngineSettings, certificates,
    egress::{Egress, Inside},
    host,
    ids::Ids,
    sandbox::{Environment, Shell},
};
use crate::rebuild::Failure;

/// Longest configuration of a repository that is read, in bytes.
const CONFIG_BYTES: u64 = 4096;

/// A repository's own content must not run anything here.
const HARDENED: [&str; 12] = [
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "core.fsmonitor=false",
    "-c",
    "credential.helper=",
    "-c",
    "submodule.recurse=false",
    "-c",
    "http.followRedirects=initial",
    "-c",
    "protocol.version=2",
];

/// The arguments of one call in a folder.
pub(super) fn arguments(folder: &Path, args: &[&str]) -> Vec<OsString> {
    let mut all: Vec<OsString> = HARDENED.iter().map(OsString::from).collect();
    all.extend(["-C".into(), folder.into()]);
    all.extend(args.iter().map(OsString::from));
    all
}

/// git in one folder.
pub(super) struct Git<'a> {
    program: PathBuf,
    shell: &'a Shell<'a>,
    environment: Environment,
    folder: &'a Path,
    /// The way to its repository.
    egress: Egress,
}

/// How a call ended.
pub(super) struct Said {
    /// Whether its exit code was 0.
    pub success: bool,
    /// What it printed, without white space around it.
    pub answer: String,
}

impl<'a> Git<'a> {
    /// git that reaches this repository, and nothing that lies further inside.
    ///
    /// # Errors
    /// git is missing, or there is no way to the repository.
    pub(super) fn reaching(
        shell: &'a Shell<'a>,
        folder: &'a Path,
        url: &str,
        settings: &EngineSettings,
    ) -> Result<Self, String> {
        let program = host::find_program("git").ok_or("git is not on PATH")?;
        let open = || {
            let egress = Egress::open(shell.listen()?, url, Inside::AsNamed, settings)?;
            Ok((egress, certificates(settings, shell.work)?))
        };
        let (egress, authorities) = open().map_err(|e: std::io::Error| format!("{url}: {e}"))?;
        let environment = Environment::new(shell.work);
        let environment = match authorities {
            Some(file) => environment.with("GIT_SSL_CAINFO", file),
            None => environment,
        };
        Ok(Self { program, shell, environment, folder, egress })
    }

    /// Runs git to its end.
    ///
    /// # Errors
    /// It cannot be started.
    pub(super) async fn run(&self, args: &[&str]) -> Result<Said, Failure> {
        let way = self.egress.arguments().iter().map(OsString::from);
        let all = way.chain(arguments(self.folder, args));
        let outcome = self.shell.run(&self.program, all, &self.environment).await?;
        Ok(Said { success: outcome.success, answer: outcome.stdout.trim().to_owned() })
    }

    /// Runs git, which must succeed.
    ///
    /// # Errors
    /// git's last words.
    pub(super) async fn succeeds(&self, args: &[&str]) -> Result<(), String> {
        let said = self.run(args).await.map_err(|failure| failure.why)?;
        if said.success { Ok(()) } else { Err(self.last_words()) }
    }

    /// Whether it failed with these last words because nobody answered, or a server broke.
    pub(super) fn is_unanswered(&self, words: &str) -> bool {
        self.egress.is_unanswered() || says_broken(words)
    }

    /// The last line that git printed: why it failed.
    pub(super) fn last_words(&self) -> String {
        if let Some(why) = self.egress.refusal() {
            return why;
        }
        let log = self.shell.log.text();
        let last = log.lines().rfind(|line| !line.trim().is_empty());
        last.unwrap_or("git says nothing").trim().to_owned()
    }
}

/// Whether git says that a server broke, as `… The requested URL returned error: 503`. Whoever serves a repository can write it,
/// too: no more comes of it than that one may try again.
fn says_broken(words: &str) -> bool {
    let status = words.rsplit_once("returned error: ").map(|(_, status)| status.trim());
    let status = status.and_then(|status| status.get(..3)?.parse::<u16>().ok());
    status.is_some_and(|status| (500..600).contains(&status))
}

/// What the configuration of a repository of the store says that hallmark made.
const OWN: [&str; 6] = [
    "core.repositoryformatversion",
    "core.filemode",
    "core.bare",
    "core.logallrefupdates",
    "extensions.objectformat",
    "uploadpack.allowanysha1inwant",
];

/// Holds a bare repository of the store to what hallmark makes: git is run there on the machine's files, and a configuration can
/// have it run any program.
///
/// # Errors
/// It belongs neither to us nor to the job's root, or says something else.
pub(super) fn own(repository: &Path, ids: Option<Ids>) -> Result<(), String> {
    let at = repository.display();
    let what = fs::symlink_metadata(repository).map_err(|e| format!("{at}: {e}"))?;
    let ours = [Some(rustix::process::geteuid().as_raw()), ids.map(|ids| ids.first())];
    if !what.is_dir() || !ours.contains(&Some(what.uid())) {
        return Err(format!("{at} belongs to another user"));
    }
    let foreign = |file: &str| {
        format!("{at}/{file} is nothing that hallmark made; remove {at}, or name another folder")
    };
    for file in ["commondir", "config.worktree", "gitdir", "worktrees"] {
        if repository.join(file).symlink_metadata().is_ok() {
            return Err(foreign(file));
        }
    }
    let text = match fs::symlink_metadata(repository.join("config")) {
        Ok(what) if what.is_file() && what.len() < CONFIG_BYTES => {
            fs::read_to_string(repository.join("config"))
        }
        Ok(_) => return Err(foreign("config")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => Err(error),
    };
    let text = text.map_err(|e| format!("{at}/config: {e}"))?;
    if settings(&text).is_some_and(|all| all.iter().all(|key| OWN.contains(&key.as_str()))) {
        Ok(())
    } else {
        Err(foreign("config"))
    }
}

/// The settings of a configuration in the plain form that git itself writes; `None` for any other form.
fn settings(text: &str) -> Option<Vec<String>> {
    let (mut section, mut all) = (String::new(), Vec::new());
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.strip_suffix(']').filter(|name| is_word(name))?.to_ascii_lowercase();
        } else {
            let (name, value) = line.strip_prefix('\t')?.split_once(" = ")?;
            if !is_word(name) || !is_word(value) {
                return None;
            }
            all.push(format!("{section}.{}", name.to_ascii_lowercase()));
        }
    }
    Some(all)
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// A bare repository of ours, in a new folder, that has the objects of another one and nothing else of it: what is read of an
/// operator's store is read with no setting of whoever made it.
///
/// # Errors
/// It cannot be made, or the other one's path cannot be written down.
pub(super) fn objects_of(repository: &Path, commit: &str, folder: &Path) -> io::Result<()> {
    let objects = fs::canonicalize(repository)?.join("objects");
    let objects = objects.to_str().filter(|path| !path.contains(['\n', '"', '#']));
    let objects = objects.ok_or_else(|| io::Error::other("a store at such a path is not read"))?;
    let config = match commit.len() {
        64 => {
            "[core]\n\trepositoryformatversion = 1\n\tbare = true\n[extensions]\n\tobjectformat = sha256\n"
        }
        _ => "[core]\n\trepositoryformatversion = 0\n\tbare = true\n",
    };
    fs::create_dir_all(folder.join("objects/info"))?;
    fs::create_dir_all(folder.join("refs/heads"))?;
    for (file, text) in [
        ("HEAD", "ref: refs/heads/none\n"),
        ("config", config),
        ("objects/info/alternates", &format!("{objects}\n")),
    ] {
        fs::write(folder.join(file), text)?;
    }
    Ok(())
}

/// Whether a text is a name of a ref, by the rules of `git check-ref-format`, and neither an option nor part of a refspec.
pub fn is_ref_name(name: &str) -> bool {
    let part =
        |part: &str| !part.is_empty() && !part.starts_with(['.', '-']) && !part.ends_with(".lock");
    let odd = |c: char| c.is_control() || c.is_whitespace() || "~^:?*[\\+".contains(c);
    name.len() <= 255
        && name.split('/').all(part)
        && !name.contains("..")
        && !name.contains("@{")
        && !name.ends_with('.')
        && name != "@"
        && !name.chars().any(odd)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_breaks_is_not_one_that_has_nothing() {
        let said = |status: &str| {
            format!(
                "fatal: unable to access 'https://h/a.git/': The requested URL returned error: {status}"
            )
        };
        for status in ["500", "503", "504 "] {
            assert!(says_broken(&said(status)), "{status}");
        }
        for words in [&*said("404"), &said("403"), &said("5"), "fatal: remote error: 503", ""] {
            assert!(!says_broken(words), "{words}");
        }
    }

    #[test]
    fn names_of_refs_are_names_and_nothing_else() {
        for name in ["refs/heads/main", "main", "v1.2.3", "feature/a-b_c", "ü"] {
            assert!(is_ref_name(name), "{name}");
        }
        for name in [
            "",
            "/",
            "a//b",
            "-x",
            "a/-b",
            "--upload-pack=x",
            "a:b",
            "+a",
            "a*",
            "a b",
            "a..b",
            "a~1",
            "a^",
            "a\n",
            "@",
            "a@{1}",
            ".a",
            "a/.b",
            "a.lock",
            "a.",
            "a\\b",
            "a[b",
        ] {
            assert!(!is_ref_name(name), "{name:?}");
        }
    }

    #[test]
    fn g21_a_repository_that_somebody_else_prepared_is_not_used() {
        let base = tempfile::tempdir().unwrap();
        let made = |name: &str| {
            let folder = base.path().join(name);
            let mut git = std::process::Command::new("git");
            let done = git.args(["init", "--quiet", "--bare", "--template="]).arg(&folder).status();
            assert!(done.unwrap().success());
            folder
        };
        let set = |folder: &Path, key: &str, value: &str| {
            let mut git = std::process::Command::new("git");
            let done = git.arg("-C").arg(folder).args(["config", key, value]).status();
            assert!(done.unwrap().success());
        };
        let honest = made("honest");
        set(&honest, "uploadpack.allowAnySHA1InWant", "true");
        assert_eq!(own(&honest, None), Ok(()));
        fs::create_dir(base.path().join("new")).unwrap();
        assert_eq!(own(&base.path().join("new"), None), Ok(()));
        for (name, key) in [
            ("proxy", "core.gitProxy"),
            ("lazy", "remote.origin.promisor"),
            ("include", "include.path"),
            ("url", "url.x.insteadOf"),
        ] {
            let folder = made(name);
            set(&folder, key, "x");
            assert!(own(&folder, None).is_err(), "{key}");
        }
        let common = made("common");
        fs::write(common.join("commondir"), "../evil").unwrap();
        assert!(own(&common, None).is_err());
        std::os::unix::fs::symlink(&honest, base.path().join("link")).unwrap();
        assert!(own(&base.path().join("link"), None).is_err());
        for text in ["[core]\n\tbare = true ; x", "[core] bare = true", "[a \"b\"]\n\tbare = true"]
        {
            assert_eq!(settings(text), None, "{text}");
        }
    }
}
