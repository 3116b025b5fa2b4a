//! Which frontend reads a Dockerfile.
//!
//! Turns the Dockerfile that was checked out into the frontend that it names (`# syntax=`), as BuildKit finds it (moby/buildkit,
//! `frontend/dockerfile/parser/directives.go`), and refuses one that the operator does not list, whatever the provenance says of
//! it: a frontend makes the steps (attack G11). Refuses also a Dockerfile that cannot be read here as a plain file, since then
//! another text would be judged than is built.

use std::path::Path;

use serde_json::Value;

use super::{
    git,
    inputs::Inputs,
    sandbox::{self, Environment, Outcome, Shell},
};
use crate::{
    attest::provenance::Frontend,
    digest::Digest,
    rebuild::{Failure, FailureKind, Plan, PlannedSource, covered},
};

/// Longest Dockerfile that is read, in bytes.
const BYTES: usize = 1 << 20;

/// The frontend image that a plan names, by digest.
pub(super) fn of(plan: &Plan) -> Option<Digest> {
    match &plan.frontend {
        Frontend::Image { reference } => covered::pin(&plan.materials, reference).cloned(),
        Frontend::BuiltIn | Frontend::Unknown => None,
    }
}

/// Whether the builder's own frontend reads the Dockerfile, or one that the operator lists. The plan's word counts where it names
/// one: then it is told to the builder, and what the Dockerfile says does not.
///
/// # Errors
/// [`FailureKind::Denied`] for a frontend that nobody lists.
pub(super) async fn judge(
    plan: &Plan,
    inputs: &Inputs<'_>,
    shell: &Shell<'_>,
) -> Result<(), Failure> {
    let denied = |why: String| shell.failure(FailureKind::Denied, why);
    let named = match plan.build_args.get("BUILDKIT_SYNTAX") {
        Some(given) => Some(given.clone()),
        None if of(plan).is_some() => return Ok(()),
        None => named(&dockerfile(plan, inputs, shell).await?),
    };
    let Some(named) = named else { return Ok(()) };
    let reference = named.split_whitespace().next().unwrap_or_default();
    let digest = covered::pin(&plan.materials, reference);
    if digest.is_some_and(|digest| plan.frontends.contains(digest)) {
        return Ok(());
    }
    Err(denied(format!(
        "{} is read by {reference:?}, a program that the operator does not list (gap frontend-not-allowed); \
         list its digest under rebuild.frontends in hallmark.yaml, or build without a # syntax= line",
        plan.dockerfile_path
    )))
}

/// The Dockerfile as it was fetched; empty for an archive, which only the builder opens.
async fn dockerfile(
    plan: &Plan,
    inputs: &Inputs<'_>,
    shell: &Shell<'_>,
) -> Result<Vec<u8>, Failure> {
    let repository = match &plan.source {
        PlannedSource::Repository(repository) => repository,
        PlannedSource::Download { digest, .. } => {
            let file = inputs.store().download(digest);
            let small = std::fs::metadata(&file).is_ok_and(|file| file.len() <= BYTES as u64);
            return Ok(if small { std::fs::read(file).unwrap_or_default() } else { Vec::new() });
        }
    };
    let path = match repository.folder.as_deref() {
        Some(folder) => Path::new(folder).join(&plan.dockerfile_path),
        None => plan.dockerfile_path.as_str().into(),
    };
    let clean: Vec<_> = path.components().filter(|part| part.as_os_str() != ".").collect();
    let path: std::path::PathBuf = clean.into_iter().collect();
    let folder = inputs.store().repository(&repository.url);
    let (commit, name) = (repository.commit.as_str(), path.display().to_string());
    let entry = read(shell, &folder, &["ls-tree", commit, "--", &name]).await?.stdout;
    let plain = entry.starts_with("100644 blob ") || entry.starts_with("100755 blob ");
    let missing = || {
        let why = format!("{name} is no plain file of the repository at this commit, or too long");
        shell.failure(FailureKind::SourceGone, why)
    };
    if !plain {
        return Err(missing());
    }
    let text = read(shell, &folder, &["cat-file", "blob", &format!("{commit}:{name}")]).await?;
    if !text.success || text.stdout.len() >= BYTES {
        return Err(missing());
    }
    Ok(text.stdout.into_bytes())
}

/// Asks git about a repository of the store. An operator's store may lie anywhere and belong to anybody: what is read there hashes
/// to the commit.
async fn read(shell: &Shell<'_>, folder: &Path, words: &[&str]) -> Result<Outcome, Failure> {
    let program = sandbox::find_program("git");
    let program = program.ok_or_else(|| super::unavailable("git is not on PATH".to_owned()))?;
    let all = git::arguments(folder, &[&["-c", "safe.directory=*"][..], words].concat());
    // What a stranger wrote is no word of a builder's.
    let shell = shell.among_files();
    let shell = shell.quietly();
    shell.run(&program, all, &Environment::new(shell.work)).await
}

/// The frontend that a Dockerfile names. Everything is taken for its directive that any version of BuildKit could take for it.
fn named(text: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(text);
    let text = text.trim_start_matches('\u{feff}');
    if let Ok(Value::Object(object)) =
        serde_json::from_str::<Value>(text.trim_start_matches(|c| c != '{'))
        && let Some(Value::String(syntax)) = object.get("syntax")
    {
        return Some(syntax.clone());
    }
    let comments = text
        .lines()
        .map(str::trim)
        .take_while(|line| line.is_empty() || line.starts_with('#') || line.starts_with("//"));
    let directive = |line: &str| {
        let inside = line.trim_start_matches(['#', '/']).trim_start();
        let (name, value) = inside.split_once('=')?;
        name.trim().eq_ignore_ascii_case("syntax").then(|| value.trim().to_owned())
    };
    comments.filter_map(directive).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g11_a_frontend_is_found_where_buildkit_finds_it() {
        let found = Some("evil/frontend:1".to_owned());
        for text in [
            "# syntax=evil/frontend:1\nFROM x\n",
            "#syntax = evil/frontend:1\nFROM x\n",
            "\u{feff}# SYNTAX=evil/frontend:1\n",
            "#!/usr/bin/env x\n# syntax=evil/frontend:1\n",
            "# escape=`\n# syntax=evil/frontend:1\nFROM x\n",
            "// syntax=evil/frontend:1\n",
            "  # syntax=evil/frontend:1\r\nFROM x\n",
            "#!/x\n{\"syntax\": \"evil/frontend:1\"}",
            "{\"syntax\": \"evil/frontend:1\", \"a\": [1]}",
        ] {
            assert_eq!(named(text.as_bytes()), found, "{text}");
        }
        for text in
            ["FROM x\n# syntax=evil/frontend:1\n", "", "# a comment\nFROM x\n", "\0\u{1f}\u{8b}"]
        {
            assert_eq!(named(text.as_bytes()), None, "{text}");
        }
    }
}
