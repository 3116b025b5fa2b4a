//! git, hardened: what every call of it is told, whoever calls.
//!
//! Turns arguments into a run of git in one folder, with nothing of the machine's settings: no hooks, no credential helpers, no
//! submodules, no transport that runs programs. Refuses names of refs that git would read as an option or a pattern.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use super::sandbox::{self, Environment, Shell};
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
}

/// How a call ended.
pub(super) struct Said {
    /// Whether its exit code was 0.
    pub success: bool,
    /// What it printed, without white space around it.
    pub answer: String,
}

impl<'a> Git<'a> {
    /// Finds git.
    ///
    /// # Errors
    /// Says that it is missing.
    pub(super) fn find(shell: &'a Shell<'a>, folder: &'a Path) -> Result<Self, String> {
        let program = sandbox::find_program("git").ok_or("git is not on PATH")?;
        Ok(Self { program, shell, environment: Environment::new(shell.work), folder })
    }

    /// Runs git to its end.
    ///
    /// # Errors
    /// It cannot be started.
    pub(super) async fn run(&self, args: &[&str]) -> Result<Said, Failure> {
        let all = arguments(self.folder, args);
        let outcome = self.shell.run(&self.program, all, &self.environment).await?;
        Ok(Said { success: outcome.success, answer: outcome.stdout.trim().to_owned() })
    }

    /// The last line that git printed: why it failed.
    pub(super) fn last_words(&self) -> String {
        let log = self.shell.log.text();
        let last = log.lines().rfind(|line| !line.trim().is_empty());
        last.unwrap_or("git says nothing").trim().to_owned()
    }
}

/// Whether a text is a name of a ref, by the rules of `git check-ref-format`, and neither an option nor part of a refspec.
pub(super) fn is_ref_name(name: &str) -> bool {
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
