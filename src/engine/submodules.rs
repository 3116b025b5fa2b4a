//! Submodules of the repositories that a plan builds from.
//!
//! BuildKit fetches the submodules of every repository by itself, from whatever address the repository's `.gitmodules` names, and
//! records none of them: they are inputs that no provenance names and no policy pins (attack H23). Turns a plan into a
//! failure where one of its repositories has a submodule whose URL and commit are not among the materials, before a builder
//! sees the repository. A builder that is driven by hand fetches none.

use std::{collections::BTreeMap, path::PathBuf};

use super::{
    EngineSettings, egress::is_allowable, git::Git, sandbox::Shell, store::fetch::repositories,
};
use crate::{
    attest::provenance::Commit,
    rebuild::{EngineKind, Failure, FailureKind, Plan, plan::refuse_url},
};

/// Submodules of one repository that are held against the materials.
const MOST: usize = 64;
const ENTRIES: &str = r"^submodule\..*\.(path|url)$";

/// Refuses plans whose repositories have submodules that the plan does not pin.
///
/// # Errors
/// [`FailureKind::Submodule`] names the first; [`FailureKind::SourceGone`] where a repository cannot be looked at.
pub(super) async fn refuse_unpinned(
    plan: &Plan,
    settings: &EngineSettings,
    shell: &Shell<'_>,
) -> Result<(), Failure> {
    if plan.engine != EngineKind::Buildkit || settings.rebuilt.is_some() {
        return Ok(());
    }
    let mut seen: Vec<(&str, &Commit)> = Vec::new();
    for (url, commit) in repositories(plan) {
        if seen.contains(&(url, commit)) {
            continue;
        }
        seen.push((url, commit));
        let look = Look { shell, settings, url, commit };
        if let Some(why) = look.unpinned(&seen_in(plan)).await? {
            return Err(shell.failure(FailureKind::Submodule, why));
        }
    }
    Ok(())
}

/// What the plan pins: URL and commit of every repository.
fn seen_in(plan: &Plan) -> Vec<(String, String)> {
    repositories(plan).map(|(url, commit)| (url.to_owned(), commit.as_str().to_owned())).collect()
}

/// One repository at one commit.
struct Look<'a> {
    shell: &'a Shell<'a>,
    settings: &'a EngineSettings,
    url: &'a str,
    commit: &'a Commit,
}

impl Look<'_> {
    /// Why a submodule is not pinned, where there is one that is not.
    async fn unpinned(&self, pinned: &[(String, String)]) -> Result<Option<String>, Failure> {
        let folder = self.folder().await?;
        let git = Git::reaching(self.shell, &folder, self.url, self.settings)
            .map_err(super::unavailable)?;
        let file = format!("{}:.gitmodules", self.commit.as_str());
        let tree = git.run(&["ls-tree", self.commit.as_str(), "--", ".gitmodules"]).await?;
        if !tree.success {
            return Err(self.gone(&git));
        }
        if tree.answer.is_empty() {
            return Ok(None);
        }
        let mut listed = git.run(&["config", "--blob", &file, "--get-regexp", ENTRIES]).await?;
        if !listed.success && self.settings.store.is_none() {
            // The first fetch brought names of files only.
            self.fetch(&git, &[]).await?;
            listed = git.run(&["config", "--blob", &file, "--get-regexp", ENTRIES]).await?;
        }
        let entries = entries(&listed.answer);
        if entries.is_empty() || entries.len() > MOST {
            let count = entries.len();
            return Ok(Some(format!(
                "{} names {count} submodules; up to {MOST} are read",
                self.url
            )));
        }
        for (path, url) in entries {
            let at = format!("{}:{path}", self.commit.as_str());
            let commit = git.run(&["rev-parse", "--verify", "--end-of-options", &at]).await?;
            let wanted = (url.clone(), commit.answer);
            if refuse_url(&url).is_some() || !pinned.contains(&wanted) {
                let (url, path) = (url.escape_default(), path.escape_default());
                let why = format!(
                    "the repository {} has the submodule {path} from {url}, which is no material",
                    self.url
                );
                return Ok(Some(why));
            }
        }
        Ok(None)
    }

    /// A bare repository with the commit and its trees.
    async fn folder(&self) -> Result<PathBuf, Failure> {
        if let Some(store) = &self.settings.store {
            return Ok(store.repository(self.url));
        }
        let folder = self.shell.work.join(format!("submodules-{}", self.commit.as_str()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir(&folder).map_err(|e| self.shell.broken("cannot make a folder", &e))?;
        let git = Git::reaching(self.shell, &folder, self.url, self.settings)
            .map_err(super::unavailable)?;
        let format = if self.commit.as_str().len() == 64 { "sha256" } else { "sha1" };
        let format = format!("--object-format={format}");
        git.run(&["init", "--quiet", "--bare", "--template=", &format]).await?;
        self.fetch(&git, &["--filter=blob:none"]).await?;
        Ok(folder)
    }

    /// The commit alone where the server gives it, else all branches and tags.
    async fn fetch(&self, git: &Git<'_>, filter: &[&str]) -> Result<(), Failure> {
        let fetch = [&["fetch", "--quiet", "--no-tags", "--force", "--refetch"], filter].concat();
        let one = ["--depth=1", "--", self.url, self.commit.as_str()];
        if git.run(&[&fetch[..], &one[..]].concat()).await?.success {
            return Ok(());
        }
        let all = ["--", self.url, "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"];
        match git.run(&[&fetch[..], &all[..]].concat()).await?.success {
            true => Ok(()),
            false => Err(self.gone(git)),
        }
    }

    fn gone(&self, git: &Git<'_>) -> Failure {
        let (url, commit, words) = (self.url, self.commit.as_str(), git.last_words());
        let why = match &self.settings.store {
            Some(store) => {
                let folder = store.layout().display();
                format!("{folder} does not hold the commit {commit} of {url}: {words}")
            }
            None => format!(
                "{url} does not give the commit {commit}, whose submodules are asked: {words}"
            ),
        };
        let kind = match () {
            () if self.settings.store.is_some() => FailureKind::NotKept,
            () if is_allowable(&words) => FailureKind::SourceForbidden,
            () if git.is_unanswered(&words) => FailureKind::SourceUnreachable,
            () => FailureKind::SourceGone,
        };
        self.shell.failure(kind, why)
    }
}

/// Paths and URLs in what `git config --get-regexp` prints, of entries that have both.
fn entries(answer: &str) -> Vec<(String, String)> {
    let mut named: BTreeMap<&str, (Option<&str>, Option<&str>)> = BTreeMap::new();
    for line in answer.lines() {
        let Some((key, value)) = line.split_once(' ') else { continue };
        let Some((name, field)) = key.rsplit_once('.') else { continue };
        let entry = named.entry(name).or_default();
        match field {
            "path" => entry.0 = Some(value),
            "url" => entry.1 = Some(value),
            _ => {}
        }
    }
    let text = |part: Option<&str>| part.unwrap_or_default().to_owned();
    named.into_values().map(|(path, url)| (text(path), text(url))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        engine::{
            ids::WantedNumbers,
            sandbox::{Log, Workspace},
            store::Store,
        },
        limits::Limits,
        progress::Silent,
    };

    #[test]
    fn h23_every_entry_of_gitmodules_is_seen() {
        let answer = "submodule.a.path lib/a\nsubmodule.a.url https://h.example/a.git\n\
                      submodule.b c.d.url ../b.git\nsubmodule.b c.d.path b\nsubmodule.x.path only";
        let want = [("lib/a", "https://h.example/a.git"), ("", ""), ("only", "")];
        let got = entries(answer);
        assert_eq!(got.len(), 3, "{got:?}");
        assert!(got.contains(&("lib/a".to_owned(), want[0].1.to_owned())), "{got:?}");
        assert!(got.contains(&("only".to_owned(), String::new())), "{got:?}");
        assert_eq!(entries(""), []);
    }

    /// A submodule that is a material is a repository of the plan, and so looked at for submodules of its own.
    #[test]
    fn h23_submodules_of_submodules_are_looked_at() {
        let inner = ("https://h.example/lib.git".to_owned(), "1".repeat(40));
        let mut predicate = crate::rebuild::tests::predicate();
        let material = serde_json::json!({
            "uri": format!("{}#main", inner.0), "digest": { "sha1": inner.1 },
        });
        predicate["materials"].as_array_mut().unwrap().push(material);
        let (provenance, image) =
            (crate::rebuild::tests::parse(predicate), crate::rebuild::tests::image());
        let planned = crate::rebuild::plan::plan(
            &provenance,
            &image,
            &Default::default(),
            &Default::default(),
        );
        let crate::rebuild::Planned::Plan(plan) = planned else { panic!("{planned:?}") };
        let seen = seen_in(&plan);
        assert!(seen.contains(&inner), "{seen:?}");
        assert!(seen.iter().any(|(url, _)| url == "https://git.example/app.git"), "{seen:?}");
    }

    /// git in a folder, as whoever makes a repository runs it.
    fn git(folder: &std::path::Path, args: &[&str]) -> String {
        let mut command = std::process::Command::new("git");
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").args([
            "-c",
            "user.name=a",
            "-c",
            "user.email=a@b",
        ]);
        let output = command.arg("-C").arg(folder).args(args).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    #[tokio::test]
    async fn h23_a_submodule_that_is_no_material_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (store, repository) = (Store::at(folder.path()), "https://h.example/app.git");
        let (folder, settings) = (
            store.repository(repository),
            EngineSettings { store: Some(store.clone()), ..EngineSettings::default() },
        );
        std::fs::create_dir_all(&folder).unwrap();
        let folder = folder.as_path();
        git(folder, &["init", "--quiet"]);
        let commit = |message: &str| {
            git(folder, &["add", "--all"]);
            git(folder, &["commit", "--quiet", "--allow-empty", "-m", message]);
            git(folder, &["rev-parse", "HEAD"])
        };
        std::fs::write(folder.join("Dockerfile"), "FROM scratch\n").unwrap();
        let plain = commit("plain");
        let (inside, url) = ("1".repeat(40), "https://h.example/lib.git");
        let modules = format!("[submodule \"lib\"]\n\tpath = lib\n\turl = {url}\n");
        std::fs::write(folder.join(".gitmodules"), modules).unwrap();
        git(folder, &["add", ".gitmodules"]);
        git(folder, &["update-index", "--add", "--cacheinfo", &format!("160000,{inside},lib")]);
        git(folder, &["commit", "--quiet", "-m", "with a submodule"]);
        let with = git(folder, &["rev-parse", "HEAD"]);

        let limits = Limits::default();
        // A store is lent to whoever has other numbers; here it is read where it lies.
        let numbers = WantedNumbers::Machine;
        let workspace =
            Workspace::make(None, &limits, Some(store.layout()), numbers).await.unwrap();
        let shell = Shell::new(&workspace, Log::new(limits.log_bytes), &Silent);
        let unpinned = async |commit: &str, pinned: &[(&str, &str)]| {
            let commit = Commit::new(commit).unwrap();
            let text = |(url, commit): &(&str, &str)| ((*url).to_owned(), (*commit).to_owned());
            let pinned: Vec<_> = pinned.iter().map(text).collect();
            let look =
                Look { shell: &shell, settings: &settings, url: repository, commit: &commit };
            look.unpinned(&pinned).await.unwrap_or_else(|failure| panic!("{}", failure.why))
        };
        assert_eq!(unpinned(&plain, &[]).await, None);
        let why = unpinned(&with, &[]).await.expect("it is refused");
        assert!(why.contains("submodule lib from https://h.example/lib.git"), "{why}");
        assert!(unpinned(&with, &[(url, &plain)]).await.is_some(), "another commit");
        assert!(unpinned(&with, &[("https://h.example/x.git", &inside)]).await.is_some());
        assert_eq!(unpinned(&with, &[(url, &inside)]).await, None, "a material");
    }
}
