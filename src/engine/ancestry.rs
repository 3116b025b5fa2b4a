//! Whether a branch or tag holds a commit.
//!
//! Turns a repository, the name of one of its refs and a commit into [`Held`]. A server that keeps forks beside their parent
//! gives a fork's commit under the parent's name to whoever asks for it by id (attack G14), so that a commit that could be
//! fetched says nothing of who put it there: only the history of a branch or tag does. Refs of other kinds (`refs/pull/…`)
//! are as open to strangers, and hold nothing here. History is fetched in growing pieces, commits alone where the server gives
//! them so, and no further than [`DEPTHS`] say: a commit that is not found by then is unproven, not absent.

use std::time::Duration;

use super::{
    EngineSettings,
    git::{Git, is_ref_name},
    sandbox::{Log, Shell, Workspace},
};
use crate::{
    attest::provenance::Commit,
    limits::Limits,
    progress::ProgressSink,
    rebuild::{Failure, plan::refuse_url},
};

/// Commits of history that are fetched, one attempt after the other.
const DEPTHS: [u32; 4] = [1, 100, 2_000, 50_000];
/// How long one question may take.
const TIME: Duration = Duration::from_secs(300);

/// What a ref's history says of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    /// It is the ref's commit, or an ancestor of it.
    Yes,
    /// The ref's whole history does not have it.
    No,
    /// Nobody knows.
    Unproven(Unproven),
}

/// Why nobody knows whether a ref holds a commit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unproven {
    /// It names neither a branch nor a tag.
    #[error("{0:?} is no branch and no tag")]
    NoName(String),
    /// The repository has no such branch or tag, or does not give it.
    #[error("the repository gives no branch or tag {name:?}: {why}")]
    NotGiven {
        /// The ref.
        name: String,
        /// git's last words.
        why: String,
    },
    /// The newest commits of its history are others.
    #[error(
        "it is not among the newest {commits} commits of {name:?}, and older ones are not fetched"
    )]
    TooDeep {
        /// The ref.
        name: String,
        /// How many were looked at.
        commits: u32,
    },
    /// The repository is not asked.
    #[error("the repository is not asked: {0}")]
    NotAsked(String),
}

/// Asks the repository whether its branch or tag `reference` (`refs/heads/main`, `refs/tags/v1`, or one of them without the
/// folder) holds `commit`. A short name means the branch or the tag of that name, whichever holds it.
///
/// # Errors
/// git could not be run here.
pub async fn holds(
    url: &str,
    reference: &str,
    commit: &Commit,
    settings: &EngineSettings,
    limits: &Limits,
    sink: &dyn ProgressSink,
) -> Result<Held, Failure> {
    let unproven = |why| Ok(Held::Unproven(why));
    if settings.store.is_some() {
        return unproven(Unproven::NotAsked("inputs come from a store".to_owned()));
    }
    if let Some(why) = refuse_url(url) {
        return unproven(Unproven::NotAsked(why));
    }
    let names = candidates(reference);
    if names.is_empty() {
        return unproven(Unproven::NoName(reference.to_owned()));
    }
    let workspace = Workspace::make(settings.work.as_deref(), limits, None, settings.numbers)
        .await
        .map_err(|e| super::unavailable(format!("cannot make a work folder: {e}")))?;
    let shell = Shell::new(&workspace, Log::new(limits.log_bytes), sink);
    let asking = async {
        let mut answer = Held::Unproven(Unproven::NoName(reference.to_owned()));
        for name in &names {
            answer = better(answer, ask(&shell, url, name, commit, settings).await?);
            if answer == Held::Yes {
                break;
            }
        }
        Ok(answer)
    };
    let late = Unproven::NotAsked(format!("no answer within {} s", TIME.as_secs()));
    tokio::time::timeout(TIME, asking).await.unwrap_or(Ok(Held::Unproven(late)))
}

/// What is known of two refs together: one that is there counts more than one that is not.
fn better(one: Held, other: Held) -> Held {
    match (one, other) {
        (Held::Yes, _) | (_, Held::Yes) => Held::Yes,
        (deep @ Held::Unproven(Unproven::TooDeep { .. }), _)
        | (_, deep @ Held::Unproven(Unproven::TooDeep { .. })) => deep,
        (Held::No, _) | (_, Held::No) => Held::No,
        (_, newer) => newer,
    }
}

/// The full names that a reference may mean.
fn candidates(reference: &str) -> Vec<String> {
    if !is_ref_name(reference) || Commit::new(reference).is_some() {
        return Vec::new();
    }
    if reference.starts_with("refs/") {
        let may = ["refs/heads/", "refs/tags/"].iter().any(|folder| reference.starts_with(folder));
        return may.then(|| reference.to_owned()).into_iter().collect();
    }
    ["refs/heads/", "refs/tags/"].map(|folder| format!("{folder}{reference}")).to_vec()
}

async fn ask(
    shell: &Shell<'_>,
    url: &str,
    name: &str,
    commit: &Commit,
    settings: &EngineSettings,
) -> Result<Held, Failure> {
    let folder = shell.work.join("history");
    // A ref by itself, so that one says nothing of the other.
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir(&folder).map_err(|e| shell.broken("cannot make a folder", &e))?;
    let git = Git::reaching(shell, &folder, url, settings).map_err(super::unavailable)?;
    let format = if commit.as_str().len() == 64 { "sha256" } else { "sha1" };
    let format = format!("--object-format={format}");
    git.run(&["init", "--quiet", "--bare", "--template=", &format]).await?;
    let refspec = format!("+{name}:refs/hallmark/tip");
    for depth in DEPTHS {
        let depth = format!("--depth={depth}");
        let fetch =
            ["fetch", "--quiet", "--no-tags", "--filter=tree:0", &depth, "--", url, &refspec];
        if !git.run(&fetch).await?.success {
            let (name, why) = (name.to_owned(), git.last_words());
            return Ok(Held::Unproven(Unproven::NotGiven { name, why }));
        }
        let tip = ["merge-base", "--is-ancestor", commit.as_str(), "refs/hallmark/tip^{commit}"];
        if git.run(&tip).await?.success {
            return Ok(Held::Yes);
        }
        if git.run(&["rev-parse", "--is-shallow-repository"]).await?.answer == "false" {
            return Ok(Held::No);
        }
    }
    let commits = DEPTHS.last().copied().unwrap_or_default();
    Ok(Held::Unproven(Unproven::TooDeep { name: name.to_owned(), commits }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g14_only_branches_and_tags_are_asked() {
        let cases: [(&str, &[&str]); 9] = [
            ("main", &["refs/heads/main", "refs/tags/main"]),
            ("refs/heads/main", &["refs/heads/main"]),
            ("refs/tags/v1", &["refs/tags/v1"]),
            ("refs/pull/1/head", &[]),
            ("refs/hallmark/x", &[]),
            ("refs/heads/../pull/1/head", &[]),
            ("--upload-pack=x", &[]),
            ("", &[]),
            ("cccccccccccccccccccccccccccccccccccccccc", &[]),
        ];
        for (reference, want) in cases {
            assert_eq!(candidates(reference), want, "{reference}");
        }
    }

    #[test]
    fn the_branch_or_the_tag_suffices() {
        let gone =
            || Held::Unproven(Unproven::NotGiven { name: "n".to_owned(), why: "w".to_owned() });
        let deep = || Held::Unproven(Unproven::TooDeep { name: "n".to_owned(), commits: 1 });
        for (one, other, want) in [
            (Held::Yes, gone(), Held::Yes),
            (gone(), Held::Yes, Held::Yes),
            (Held::No, gone(), Held::No),
            (gone(), Held::No, Held::No),
            (Held::No, deep(), deep()),
            (gone(), gone(), gone()),
        ] {
            assert_eq!(better(one.clone(), other.clone()), want, "{one:?} and {other:?}");
        }
    }
}
