//! The services and folders of a corpus that is being made.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{Outcome, case::Afterwards};

/// 2025-01-01, the date of everything in the lab.
pub(crate) const EPOCH: &str = "1735689600";

pub(crate) struct Lab {
    fixtures: PathBuf,
    pub(crate) corpus: PathBuf,
    pub(crate) work: PathBuf,
    pub(crate) registry: String,
    git: String,
    pub(crate) http: String,
    pub(crate) forge: String,
    pub(crate) hallmark: String,
}

impl Lab {
    pub(crate) fn open(fixtures: &Path, corpus: &Path) -> Outcome<Lab> {
        let variable = |name: &str| {
            std::env::var(name).map_err(|_| format!("{name} is not set; run scripts/corpus"))
        };
        let work = corpus.join("work");
        fs::create_dir_all(&work)?;
        fs::write(work.join("empty"), "")?;
        fs::write(work.join("hallmark.yaml"), "version: 1\n")?;
        Ok(Lab {
            fixtures: fixtures.to_owned(),
            corpus: corpus.to_owned(),
            work,
            registry: variable("REGISTRY")?,
            git: variable("GIT")?,
            http: variable("HTTP")?,
            forge: variable("FORGE")?,
            hallmark: variable("HALLMARK_BIN")?,
        })
    }

    /// Runs a program whose output matters only when it fails, and gives its stdout.
    pub(crate) fn run<A: AsRef<OsStr>>(
        &self,
        program: &str,
        arguments: impl IntoIterator<Item = A>,
    ) -> Outcome<String> {
        let mut command = Command::new(program);
        self.finish(command.args(arguments))
    }

    pub(crate) fn finish(&self, command: &mut Command) -> Outcome<String> {
        let output = command.stdin(Stdio::null()).output()?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let (out, err) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        Err(format!("{command:?}\n{out}{err}").into())
    }

    pub(crate) fn layout(&self, name: &str) -> PathBuf {
        self.work.join("images").join(name)
    }

    /// `REGISTRY/corpus/NAME`.
    pub(crate) fn repository(&self, name: &str) -> String {
        format!("{}/corpus/{name}", self.registry)
    }

    pub(crate) fn reference(&self, name: &str) -> Outcome<String> {
        let tag = format!("docker://{}:1", self.repository(name));
        let arguments = ["inspect", "--tls-verify=false", "--raw", &tag];
        let raw = self.finish(Command::new("skopeo").args(arguments))?;
        Ok(format!("{}@{}\n", self.repository(name), hallmark_digest(raw.as_bytes())))
    }

    pub(crate) fn push(&self, name: &str) -> Outcome<()> {
        self.copy(&self.layout(name), &format!("{}:1", self.repository(name)))
    }

    fn copy(&self, layout: &Path, target: &str) -> Outcome<()> {
        let index: serde_json::Value =
            serde_json::from_slice(&fs::read(layout.join("index.json"))?)?;
        let tag =
            index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"].as_str();
        let tag = tag.map(|tag| format!(":{tag}")).unwrap_or_default();
        let from = format!("oci:{}{tag}", layout.display());
        let to = format!("docker://{target}");
        self.run(
            "skopeo",
            ["copy", "--all", "--preserve-digests", "--dest-tls-verify=false", &from, &to],
        )?;
        Ok(())
    }

    /// Publishes a source as the repository `NAME.git`, with the commit to build and one after it.
    pub(crate) fn publish(&self, source: &str, name: &str) -> Outcome<Repository> {
        let tree = self.work.join("trees").join(name);
        let _ = fs::remove_dir_all(&tree);
        self.copy_tree(&self.fixtures.join("sources").join(source), &tree)?;
        let git = |arguments: &[&str]| -> Outcome<String> {
            let who = ["lab", "lab@example.org"];
            let date = format!("{EPOCH} +0000");
            let mut command = Command::new("git");
            command.arg("-C").arg(&tree).args(arguments);
            command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
            for role in ["AUTHOR", "COMMITTER"] {
                command.env(format!("GIT_{role}_NAME"), who[0]);
                command.env(format!("GIT_{role}_EMAIL"), who[1]);
                command.env(format!("GIT_{role}_DATE"), &date);
            }
            Ok(self.finish(&mut command)?.trim().to_owned())
        };
        git(&["-c", "init.defaultBranch=main", "init", "-q"])?;
        git(&["add", "-A"])?;
        git(&["commit", "-q", "-m", "Say what it says"])?;
        let commit = git(&["rev-parse", "HEAD"])?;
        git(&["checkout", "-q", "-b", "next"])?;
        let changed = ["data.txt", "README", "sub/dir/inner.txt"].map(|file| tree.join(file));
        let changed = changed.iter().find(|file| file.is_file()).ok_or("nothing to change")?;
        fs::write(changed, "something else\n")?;
        git(&["commit", "-q", "-a", "-m", "Say something else"])?;
        let next = git(&["rev-parse", "HEAD"])?;
        git(&["checkout", "-q", "main"])?;
        let bare = self.bare(name);
        let _ = fs::remove_dir_all(&bare);
        let bare = bare.to_string_lossy().into_owned();
        git(&["clone", "-q", "--bare", ".", &bare])?;
        git(&["--git-dir", &bare, "config", "uploadpack.allowAnySHA1InWant", "true"])?;
        fs::write(self.work.join(format!("{name}.commits")), format!("{commit} {next}"))?;
        Ok(Repository { url: format!("{}/{name}.git", self.git), commit, tree })
    }

    fn bare(&self, name: &str) -> PathBuf {
        self.corpus.join("git").join(format!("{name}.git"))
    }

    fn copy_tree(&self, from: &Path, to: &Path) -> Outcome<()> {
        fs::create_dir_all(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            let target = to.join(entry.file_name());
            if entry.path().is_dir() {
                self.copy_tree(&entry.path(), &target)?;
            } else {
                fs::write(target, self.fill(&fs::read_to_string(entry.path())?, "")?)?;
            }
        }
        Ok(())
    }

    /// Fills in services and bases.
    pub(crate) fn fill(&self, text: &str, case: &str) -> Outcome<String> {
        let mut text = text.replace("@REGISTRY@", &self.registry).replace("@GIT@", &self.git);
        text = text.replace("@HTTP@", &self.http).replace("@CASE@", case);
        while let Some((before, after)) = text.split_once("@BASE:") {
            let (name, after) = after.split_once('@').ok_or("@BASE:NAME@ has no end")?;
            let base = format!("{}/base/{name}@{}", self.registry, self.base_digest(name)?);
            text = format!("{before}{base}{after}");
        }
        Ok(text)
    }

    /// Fills in what the arguments of `forge` may name.
    pub(crate) fn fill_twin(&self, text: &str, of: &str) -> Outcome<String> {
        let commits = fs::read_to_string(self.work.join(format!("{of}.commits")))?;
        let (commit, next) = commits.split_once(' ').ok_or("no commits")?;
        let path = |path: PathBuf| path.to_string_lossy().into_owned();
        let mut text = text.replace("@COMMIT@", commit).replace("@NEXT@", next);
        text = text.replace("@IMPLANT@", &path(self.fixtures.join("implant")));
        text = text.replace("@EMPTY@", &path(self.work.join("empty")));
        for name in ["runtime", "runtime-next"] {
            let digest = self.base_digest(name)?;
            text = text.replace(&format!("@DIGEST:{name}@"), digest.trim_start_matches("sha256:"));
        }
        self.fill(&text, of)
    }

    fn base_digest(&self, name: &str) -> Outcome<String> {
        let index = fs::read(self.corpus.join("bases").join(name).join("index.json"))?;
        let index: serde_json::Value = serde_json::from_slice(&index)?;
        let digest = index["manifests"][0]["digest"].as_str();
        Ok(digest.ok_or_else(|| format!("base {name} has no digest"))?.to_owned())
    }

    /// Gives the case a base of its own: a tag, and a repository.
    pub(crate) fn own_base(&self, case: &str) -> Outcome<()> {
        self.copy_base("runtime", &format!("base/runtime:{case}"))?;
        self.copy_base("runtime", &format!("base/runtime-{case}:1"))
    }

    fn copy_base(&self, name: &str, target: &str) -> Outcome<()> {
        self.copy(&self.corpus.join("bases").join(name), &format!("{}/{target}", self.registry))
    }

    pub(crate) fn afterwards(&self, case: &str, what: Afterwards) -> Outcome<()> {
        match what {
            Afterwards::BaseMoves => {
                self.copy_base("runtime-next", &format!("base/runtime:{case}"))
            }
            Afterwards::BaseGoes => {
                let repositories = self.corpus.join("registry/docker/registry/v2/repositories");
                Ok(fs::remove_dir_all(repositories.join(format!("base/runtime-{case}")))?)
            }
            Afterwards::BranchMoves => {
                let bare = self.bare(case);
                let arguments = ["update-ref", "refs/heads/main", "refs/heads/next"];
                self.finish(Command::new("git").arg("--git-dir").arg(bare).args(arguments))?;
                Ok(())
            }
            Afterwards::SourceGoes => Ok(fs::remove_dir_all(self.bare(case))?),
            Afterwards::DownloadChanges => {
                let own = format!("{case}.");
                for entry in fs::read_dir(self.corpus.join("http"))? {
                    let entry = entry?;
                    if entry.file_name().to_string_lossy().starts_with(&own) {
                        fs::write(entry.path(), "another\n")?;
                    }
                }
                Ok(())
            }
        }
    }
}

pub(crate) struct Repository {
    pub(crate) url: String,
    pub(crate) commit: String,
    pub(crate) tree: PathBuf,
}

fn hallmark_digest(bytes: &[u8]) -> String {
    hallmark::digest::Digest::sha256(bytes).to_string()
}
