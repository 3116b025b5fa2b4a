//! git, hardened: what every call of it is told, whoever calls.
//!
//! Turns arguments into a run of git in one folder, with nothing of the machine's settings: no hooks, no credential helpers, no
//! submodules, no transport that runs programs. Refuses names of refs that git would read as an option or a pattern.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use super::{
    EngineSettings, certificates,
    egress::{Egress, Inside},
    host,
    sandbox::{Environment, Shell},
};
use crate::rebuild::Failure;

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
}
