//! buildah, with storage made for one job.
//!
//! Turns a plan into an OCI layout. buildah (before 1.44) has no source policies, so it is given nothing to choose from: the
//! commit is checked out beforehand, every image that the Dockerfile's target needs is fetched by its recorded digest
//! under the name that the Dockerfile has for it, and then buildah itself, not only its steps, runs without network. Refuses a
//! `FROM` that no material covers, a Dockerfile that is not the recorded one, and paths that leave the repository.

mod commands;
mod seccomp;

use std::{
    ffi::OsString,
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use serde_json::json;

use super::{
    Built, Engine, Runs, buildkit, git,
    host::{self, Missing},
    ids,
    inputs::Inputs,
    layout::{self, Layout},
    runc,
    sandbox::{Environment, Outcome, Shell},
    store::{self, Store, serve::Serving},
    version,
};
use crate::{
    digest::Digest,
    limits::Limits,
    rebuild::{
        EngineKind, EngineReport, Failure, FailureKind, Lack, Plan, PlannedRepository,
        dockerfile::{self, External},
        pins::{self, Base},
    },
};
pub(super) use commands::by_hand;
use commands::{
    Bud, CHECKOUT, FETCH, INIT, named, numbers, object_format, pinned, pull_args, push_args,
};

/// Largest Dockerfile that is read, in bytes.
const DOCKERFILE_BYTES: u64 = 1 << 20;

/// buildah.
pub struct Buildah {
    buildah: PathBuf,
    git: PathBuf,
    unshare: PathBuf,
    limits: Limits,
}

impl Buildah {
    /// Finds the programs.
    ///
    /// # Errors
    /// Says which ones are missing.
    pub fn find(limits: &Limits) -> Result<Self, Missing> {
        let [buildah, git, unshare, _] = host::require(["buildah", "git", "unshare", "runc"])?;
        if !host::is_root() {
            return Err(Missing::Else("buildah needs root here".to_owned()));
        }
        Ok(Self { buildah, git, unshare, limits: limits.clone() })
    }
}

#[async_trait]
impl Engine for Buildah {
    fn kind(&self) -> EngineKind {
        EngineKind::Buildah
    }

    async fn build(
        &self,
        plan: &Plan,
        shell: &Shell<'_>,
        inputs: &Inputs<'_>,
    ) -> Result<Built, Failure> {
        let Some(repository) = plan.source.repository() else {
            let why = "buildah is given a repository; what was downloaded is built by BuildKit";
            return Err(shell.failure(FailureKind::EngineUnavailable, why));
        };
        let shell = &self.rightful(shell).await?;
        let serving = inputs.serve(shell)?;
        let environment = self.prepare(plan, shell, &serving)?.with("GIT_ALLOW_PROTOCOL", "file");
        let rewrites = store::git_arguments(&inputs.store().repositories(plan));
        let store = inputs.store();
        let job = Job { engine: self, plan, repository, environment, shell, rewrites, store };
        let version = job.version().await?;
        let report = |network| EngineReport {
            kind: EngineKind::Buildah,
            driver: "buildah".to_owned(),
            version: version.text.clone(),
            reason: String::new(),
            network,
            numbers: buildkit::numbers(shell, Runs::Here),
            ephemeral: true,
            served: None,
            unbounded: None,
        };
        inputs.fetch(plan, shell).await?;
        let made = job.run(&version).await;
        let report = report(buildkit::network(shell, Runs::Here, plan));
        drop(serving);
        let layout =
            made.map_err(|failure| Failure { engine: Some(Box::new(report.clone())), ..failure })?;
        Ok(Built { layout, report, pins: pins::digest(&pins::pin_list(plan)), frontend: None })
    }
}

impl Buildah {
    /// A shell in which this version writes the same layers as the producer's did.
    async fn rightful<'a>(&self, shell: &Shell<'a>) -> Result<Shell<'a>, Failure> {
        let environment = Environment::new(shell.work);
        let text = shell.run(&self.buildah, ["--version"], &environment).await?.stdout;
        let version = text.split_whitespace().nth(2).unwrap_or("unknown");
        let old = version::is_below(version, version::BUILDAH_OWN_USERS)
            || version::number(version).is_none();
        let Some(ids) = shell.ids().filter(|_| old) else { return Ok(shell.again()) };
        shell.sink.line(&format!(
            "steps have the machine's numbers of users: buildah {version} writes attributes of its overlays into layers where \
             they are its own; 1.35.0 does not"
        ));
        ids::take_entries(shell.work, ids)
            .map_err(|e| shell.broken("cannot take files back", &e))?;
        Ok(shell.as_root())
    }

    fn prepare(
        &self,
        plan: &Plan,
        shell: &Shell<'_>,
        serving: &Serving,
    ) -> Result<Environment, Failure> {
        let write = || -> io::Result<Environment> {
            let work = shell.work;
            let file = |name: &str, text: String| {
                let path = work.join(name);
                fs::write(&path, text).map(|()| path)
            };
            let storage = file("storage.conf", self.storage(work))?;
            let registries = file("registries.conf", mirrors(plan, &serving.address()))?;
            let auth = file("auth.json", "{}".to_owned())?;
            // Signatures of bases are not buildah's affair: it is told the digests.
            let anything = json!({ "default": [{ "type": "insecureAcceptAnything" }] });
            file("signature-policy.json", anything.to_string())?;
            let docker = work.join("docker-config");
            fs::create_dir_all(&docker)?;
            fs::write(docker.join("config.json"), "{}")?;
            Ok(Environment::new(work)
                .with("CONTAINERS_STORAGE_CONF", storage)
                .with("CONTAINERS_REGISTRIES_CONF", registries)
                .with("REGISTRY_AUTH_FILE", auth)
                .with("DOCKER_CONFIG", docker))
        };
        write().map_err(|e| shell.broken("cannot write buildah's settings", &e))
    }

    /// buildah reads users and groups of a base by their names, as the machine's root where it is an old one: none is a
    /// device.
    fn storage(&self, work: &Path) -> String {
        let quote = |path: PathBuf| json!(path.to_string_lossy()).to_string();
        format!(
            "[storage]\ndriver = \"{}\"\ngraphroot = {}\nrunroot = {}\n\
             [storage.options.overlay]\nmountopt = \"nodev\"\n",
            if host::is_on_overlay(work) { "vfs" } else { "overlay" },
            quote(work.join("s")),
            quote(work.join("r")),
        )
    }
}

/// buildah's version, as text and as numbers.
struct Version {
    text: String,
    number: (u32, u32),
}

/// A Dockerfile that was judged.
struct Judged {
    text: String,
    /// A file that holds it, and that nothing but us has written.
    file: PathBuf,
}

struct Job<'a> {
    engine: &'a Buildah,
    plan: &'a Plan,
    repository: &'a PlannedRepository,
    environment: Environment,
    shell: &'a Shell<'a>,
    /// git's arguments that take repositories from the store.
    rewrites: Vec<String>,
    store: &'a Store,
}

impl Job<'_> {
    async fn run(&self, version: &Version) -> Result<PathBuf, Failure> {
        let lacks = FailureKind::Lacks(Lack::Profile);
        let profile = seccomp::profile().map_err(|why| self.shell.failure(lacks, why))?;
        fs::write(self.seccomp(), profile)
            .and_then(|()| {
                runc::narrow(&self.shell.work.join(store::PROGRAMS), runc::Profile::Ours)
            })
            .map_err(|e| self.shell.broken("cannot write buildah's settings", &e))?;
        self.shell.sink.stage("checking out the source");
        let context = self.checkout().await?;
        let dockerfile = self.dockerfile()?;
        self.refuse_mounts(version, &dockerfile.text)?;
        buildkit::doubt_runc(self.shell, &self.environment).await?;
        self.shell.sink.stage("fetching base images by digest");
        let needed = self.needed(&dockerfile.text)?;
        self.refuse_triggers(&needed).await?;
        for (base, used) in &needed {
            self.fetch(base, used).await?;
        }
        self.shell.sink.stage("building");
        let mut args: Vec<OsString> = vec!["--net".into(), "--".into()];
        args.push(self.engine.buildah.clone().into());
        args.extend(self.build_args(version, &dockerfile.file, &context));
        let outcome = self.shell.run(&self.engine.unshare, args, &self.environment).await?;
        if !outcome.success {
            let (kind, why) = match last_error(&self.shell.log.text()) {
                Some(why) if buildkit::lacks_privileges(&why) => {
                    (FailureKind::EngineUnavailable, why)
                }
                Some(why) => (FailureKind::BuildFailed, why),
                // Whoever could have said why was killed.
                None => (FailureKind::EngineUnavailable, "buildah ended without a word".to_owned()),
            };
            return Err(self.shell.failure(kind, why));
        }
        let layout = self.export().await?;
        let bases: Vec<Base> = needed.into_iter().map(|(base, _)| base).collect();
        self.inherit(&layout, &bases).await;
        Ok(layout)
    }

    /// Without it the image is the same, under another manifest digest: no reason to fail.
    async fn inherit(&self, layout: &Path, bases: &[Base]) {
        let result = match Layout::open(layout, &self.engine.limits) {
            Ok(open) => open.inherit(bases, self.plan, self.store, self.shell.work).await.map(drop),
            Err(error) => Err(error),
        };
        if let Err(error) = result {
            self.shell
                .sink
                .line(&format!("layers of the base keep buildah's compression: {error}"));
        }
    }

    async fn version(&self) -> Result<Version, Failure> {
        // buildah version 1.28.2 (image-spec …)
        let text = self.buildah(vec!["--version".into()]).await?.stdout;
        let text = text.split_whitespace().nth(2).unwrap_or("unknown").to_owned();
        let number = numbers(&text);
        Ok(Version { text, number })
    }

    async fn buildah(&self, args: Vec<OsString>) -> Result<Outcome, Failure> {
        self.shell.run(&self.engine.buildah, args, &self.environment).await
    }

    async fn git(&self, args: &[&str]) -> Result<Outcome, Failure> {
        let mut all: Vec<OsString> = self.rewrites.iter().map(OsString::from).collect();
        all.extend(git::arguments(&self.tree(), args));
        self.shell.run(&self.engine.git, all, &self.environment).await
    }

    fn tree(&self) -> PathBuf {
        self.shell.work.join("source")
    }

    /// Fetches the commit, alone where the server gives it so, and checks it out. git hashes everything that it receives,
    /// so what lies there is what the commit id names.
    async fn checkout(&self) -> Result<PathBuf, Failure> {
        let tree = self.tree();
        fs::create_dir(&tree).map_err(|e| self.shell.broken("cannot make a folder", &e))?;
        let (url, commit) = (self.repository.url.as_str(), self.repository.commit.as_str());
        let outcome = self.git(&[&INIT[..], &[object_format(commit)]].concat()).await?;
        self.must(&outcome, FailureKind::EngineUnavailable, "git init failed")?;
        if !self
            .git(&[&FETCH[..], &["--update-shallow", "--depth=1", "--", url, commit]].concat())
            .await?
            .success
        {
            let all = ["--", url, "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"];
            let outcome = self.git(&[&FETCH[..], &all[..]].concat()).await?;
            let why = format!("{url} could not be fetched");
            self.must(&outcome, FailureKind::SourceGone, &why)?;
        }
        let outcome = self.git(&[&CHECKOUT[..], &[&pinned(commit)]].concat()).await?;
        let why = format!("{url} does not hold the commit {commit} any more");
        self.must(&outcome, FailureKind::SourceGone, &why)?;
        self.tidy(&tree).map_err(|e| self.shell.broken("cannot prepare the checkout", &e))?;
        self.inside(self.repository.folder.as_deref().unwrap_or("."))
    }

    /// git's modes depend on the umask of whoever checks out; an image's must not.
    fn tidy(&self, tree: &Path) -> io::Result<()> {
        fs::remove_dir_all(tree.join(".git"))?;
        let mut open = vec![tree.to_owned()];
        while let Some(folder) = open.pop() {
            fs::set_permissions(&folder, fs::Permissions::from_mode(0o755))?;
            for entry in fs::read_dir(&folder)? {
                let entry = entry?;
                let kind = entry.file_type()?;
                if kind.is_dir() {
                    open.push(entry.path());
                } else if kind.is_file() {
                    let executable = entry.metadata()?.permissions().mode() & 0o100 != 0;
                    let mode = if executable { 0o755 } else { 0o644 };
                    fs::set_permissions(entry.path(), fs::Permissions::from_mode(mode))?;
                }
            }
        }
        Ok(())
    }

    /// A path in the checkout with symbolic links followed, as long as they stay inside.
    fn inside(&self, path: &str) -> Result<PathBuf, Failure> {
        let tree = self.tree();
        let real = fs::canonicalize(&tree)
            .and_then(|tree| Ok((fs::canonicalize(tree.join(path))?, tree)))
            .ok()
            .filter(|(path, tree)| path.starts_with(tree));
        let Some((real, _)) = real else {
            let why = format!("{path:?} is not in the repository at this commit");
            return Err(self.shell.failure(FailureKind::SourceGone, why));
        };
        Ok(real)
    }

    /// What the Dockerfile says, in a file of our own: what is judged is what is built, whatever the other's name makes of it (a
    /// name that ends in `.in` has buildah run the C preprocessor) and whatever becomes of it meanwhile.
    fn dockerfile(&self) -> Result<Judged, Failure> {
        let folder = self.repository.folder.as_deref().unwrap_or(".");
        let path = self.inside(&format!("{folder}/{}", self.plan.dockerfile_path))?;
        let broken = |e: io::Error| self.shell.broken("Dockerfile", &e);
        let size = fs::metadata(&path).map_err(broken)?.len();
        if size > DOCKERFILE_BYTES {
            let why = format!("a Dockerfile of {size} bytes is not read");
            return Err(self.shell.failure(FailureKind::Denied, why));
        }
        let bytes = fs::read(&path).map_err(broken)?;
        for (key, hex) in &self.plan.options {
            let Some(algorithm) = key.strip_prefix("dockerfile-digest:") else { continue };
            let recorded = format!("{algorithm}:{hex}").parse::<Digest>();
            if !recorded.is_ok_and(|digest| digest.matches(&bytes)) {
                let why =
                    format!("the Dockerfile at this commit is not the recorded {algorithm}:{hex}");
                return Err(self.shell.failure(FailureKind::Denied, why));
            }
        }
        let own = self.shell.work.join("judged");
        let write = || {
            fs::create_dir(&own)?;
            fs::write(own.join("Dockerfile"), &bytes)?;
            // What is ignored may be named after the Dockerfile.
            for ending in ["dockerignore", "containerignore"] {
                let beside = format!("{folder}/{}.{ending}", self.plan.dockerfile_path);
                if let Ok(beside) = self.inside(&beside) {
                    fs::copy(beside, own.join(format!("Dockerfile.{ending}")))?;
                }
            }
            Ok(())
        };
        write().map_err(broken)?;
        let text = String::from_utf8(bytes)
            .map_err(|_| self.shell.failure(FailureKind::Denied, "the Dockerfile is not UTF-8"))?;
        Ok(Judged { text, file: own.join("Dockerfile") })
    }

    /// Mounts of old versions lead out of the build. Which text makes one is for buildah's own parser to say, so that every text
    /// that could be read as one is refused, some of them in vain.
    fn refuse_mounts(&self, version: &Version, dockerfile: &str) -> Result<(), Failure> {
        let old = version::is_below(&version.text, version::BUILDAH_MOUNTS)
            || version::number(&version.text).is_none();
        if !old || !may_mount(dockerfile) {
            return Ok(());
        }
        let why = format!(
            "buildah {} lets RUN --mount reach the host (CVE-2024-1753, 9407, 9675, 11218), and RUN has an option here that is \
             not plainly {}; 1.38.1 does not",
            version.text,
            HARMLESS.join(" or ")
        );
        Err(self.shell.failure(FailureKind::EngineUnavailable, why))
    }

    /// What a base says for those who build on it (`ONBUILD`) stands in no text that was judged here.
    async fn refuse_triggers(&self, bases: &[(Base, Vec<External>)]) -> Result<(), Failure> {
        for (base, _) in bases {
            let found = layout::triggers(self.store, base, &self.engine.limits).await;
            let found = found.map_err(|e| {
                let why = format!("{}: {e}", base.pinned());
                self.shell.failure(FailureKind::SourceGone, why)
            })?;
            if found > 0 {
                let why = format!(
                    "{} holds {found} ONBUILD instructions, which no recorded text holds (gap base-onbuild); \
                     write them into the Dockerfile",
                    base.pinned()
                );
                return Err(self.shell.failure(FailureKind::Denied, why));
            }
        }
        Ok(())
    }

    /// The bases that the target needs, each with the names that the Dockerfile has for it.
    fn needed(&self, text: &str) -> Result<Vec<(Base, Vec<External>)>, Failure> {
        let plan = self.plan;
        let target = plan.target.as_deref();
        let used = dockerfile::externals(text, target, &plan.build_args, &plan.platform)
            .map_err(|e| self.shell.failure(FailureKind::Denied, e.to_string()))?;
        let mut needed: Vec<(Base, Vec<External>)> =
            pins::bases(plan).into_iter().map(|base| (base, Vec::new())).collect();
        for external in used {
            let base = needed.iter_mut().find(|(base, _)| base.answers(&external.reference));
            let Some((_, names)) = base else {
                let why = format!(
                    "{}:{}: no recorded material covers {:?}",
                    plan.dockerfile_path, external.line, external.reference
                );
                return Err(self.shell.failure(FailureKind::Denied, why));
            };
            names.push(external);
        }
        needed.retain(|(_, names)| !names.is_empty());
        Ok(needed)
    }

    async fn fetch(&self, base: &Base, used: &[External]) -> Result<(), Failure> {
        let pinned = base.pinned();
        let policy = self.policy();
        let outcome = self.buildah(pull_args(base, self.plan, Some(&policy))).await?;
        let why = format!("{pinned} could not be fetched");
        self.must(&outcome, FailureKind::SourceGone, &why)?;
        for name in used.iter().filter(|name| !name.reference.contains('@')) {
            let full = named(base);
            let outcome = self
                .buildah(vec!["tag".into(), pinned.clone().into(), full.clone().into()])
                .await?;
            let why = format!("{} cannot be named {full}", name.reference);
            self.must(&outcome, FailureKind::EngineUnavailable, &why)?;
        }
        Ok(())
    }

    fn build_args(&self, version: &Version, dockerfile: &Path, context: &Path) -> Vec<OsString> {
        let with = Bud {
            version: version.number,
            cgroup_parent: self.shell.cgroup_parent(),
            signature_policy: Some(self.policy()),
            seccomp: Some(self.seccomp()),
            runtime: Some(self.runtime()),
        };
        with.args(self.plan, dockerfile, context)
    }

    fn policy(&self) -> PathBuf {
        self.shell.work.join("signature-policy.json")
    }

    /// Where [`runc::narrow`] puts it.
    fn runtime(&self) -> PathBuf {
        self.shell.work.join(store::PROGRAMS).join("runc")
    }

    fn seccomp(&self) -> PathBuf {
        self.shell.work.join("seccomp.json")
    }

    async fn export(&self) -> Result<PathBuf, Failure> {
        let layout = self.shell.work.join("out");
        let args = push_args(self.plan, &layout, Some(&self.policy()));
        let outcome = self.buildah(args).await?;
        self.must(&outcome, FailureKind::EngineUnavailable, "the image could not be written")?;
        Ok(layout)
    }

    fn must(&self, outcome: &Outcome, kind: FailureKind, why: &str) -> Result<(), Failure> {
        if outcome.success { Ok(()) } else { Err(self.shell.failure(kind, why)) }
    }
}

/// Settings in which every registry of the plan's bases is the store. Short names mean what they mean in Docker, as everywhere in
/// hallmark.
fn mirrors(plan: &Plan, address: &str) -> String {
    let mut toml = "unqualified-search-registries = [\"docker.io\"]\n\
        short-name-mode = \"disabled\"\n"
        .to_owned();
    let mut repositories: Vec<String> =
        pins::bases(plan).into_iter().map(|base| base.repository).collect();
    repositories.dedup();
    for repository in repositories {
        let path = repository.split_once('/').map_or(repository.as_str(), |(_, path)| path);
        let (prefix, location) = (json!(repository), json!(format!("{address}/{path}")));
        toml.push_str(&format!(
            "[[registry]]\nprefix = {prefix}\nlocation = {location}\ninsecure = true\n"
        ));
    }
    toml
}

/// buildah's last word, for people: what kind of failure it is was decided before, by which program failed.
fn last_error(log: &str) -> Option<String> {
    let last =
        log.lines().rev().find_map(|l| l.strip_prefix("Error: ").or(l.strip_prefix("error ")));
    last.map(str::to_owned)
}

/// Options of `RUN` that reach nothing of the host, as they are written out.
const HARMLESS: [&str; 3] = ["--network=none", "--network=default", "--network=host"];

/// Whether any reader of this Dockerfile could find an option of `RUN` in it that is none of [`HARMLESS`]. Lines go on after a
/// backslash or a backtick, comments may stand between, quotation marks vanish, and a variable may hold the name of an option or
/// all of it. So every line is looked at as if an instruction began there; one that gives `RUN` an option has to say so in plain
/// words, on that line, and whatever looks like another option is refused.
fn may_mount(dockerfile: &str) -> bool {
    let comment = |line: &&str| line.trim_start().starts_with('#');
    let lines: Vec<&str> = dockerfile.split('\n').filter(|line| !comment(line)).collect();
    let squeezed: Vec<String> = lines.iter().map(|line| squeeze(line)).collect();
    let text = squeezed.concat();
    if text.contains("--mount") || squeeze(dockerfile).contains("--mount") {
        return true;
    }
    let mut at = 0;
    lines.iter().zip(&squeezed).any(|(line, own)| {
        let from = text.get(at..).unwrap_or_default();
        at += own.len();
        after_run(from).is_some_and(|rest| rest.starts_with('-') && !is_plain(line, from))
    })
}

/// What is left of a text if white space, and what another reader could drop, is dropped.
fn squeeze(text: &str) -> String {
    let kept = text.chars().filter(|c| !c.is_whitespace() && !r#"\`'""#.contains(*c));
    kept.flat_map(char::to_lowercase).collect()
}

/// What follows `RUN` in squeezed text that begins with it, as a trigger or not.
fn after_run(squeezed: &str) -> Option<&str> {
    let mut rest = squeezed;
    while let Some(inner) = rest.strip_prefix("onbuild") {
        rest = inner;
    }
    rest.strip_prefix("run")
}

/// Whether this line begins with `RUN` and options of [`HARMLESS`], all of it in plain words, and no reader finds another option
/// behind them. `squeezed` is the text from here on.
fn is_plain(line: &str, squeezed: &str) -> bool {
    let mut words = line.split([' ', '\t', '\r']).filter(|word| !word.is_empty());
    let run = words.find(|word| !word.eq_ignore_ascii_case("onbuild"));
    if !run.is_some_and(|word| word.eq_ignore_ascii_case("run")) {
        return false;
    }
    let options = words.take_while(|word| HARMLESS.contains(word)).count();
    let mut rest = after_run(squeezed).unwrap_or_default();
    for _ in 0..options {
        let option = HARMLESS.iter().find_map(|option| rest.strip_prefix(option));
        rest = option.unwrap_or(rest);
    }
    options > 0 && !rest.starts_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g8_whatever_could_be_read_as_a_mount_is_one() {
        for text in [
            "FROM x\nRUN --mount=type=bind,target=/h true\n",
            "FROM x\nRUN --mo\\\nunt=type=bind true\n",
            "FROM x\nRUN --mo\\  \n# comment\n  unt=type=bind true\n",
            "# escape=`\nFROM x\nRUN --mo`\nunt=type=bind true\n",
            "FROM x\nRUN \\\n--MOUNT=type=bind true\n",
            "FROM x\nONBUILD RUN --mount=type=bind true\n",
            "FROM x\nRUN --mo\"un\"t=type=bind true\n",
            "FROM x\nARG M=mount\nRUN --$M=type=bind true\n",
            "FROM x\nARG M=--mo\nARG N\nrun --${N}unt=type=bind true\n",
            "FROM x\nARG M=mount\nRUN --network=none --$M=type=bind true\n",
            "FROM x\nARG M=mount\nRUN --network=none \\\n  --$M=type=bind true\n",
            "FROM x\nARG M=mount\nRUN \\\n--network=none \\\n# x\n--$M=type=bind true\n",
            "FROM x\nARG M=mount\nRUN --network=none\t\\\n\n--${M}=type=bind true\n",
            "FROM x\nARG M=mount\n  ONBUILD  Run --network=host --$M=type=bind true\n",
            "FROM x\nARG M=mount\nONBUILD \\\nRUN --$M=type=bind true\n",
            "FROM x\nARG M=mount\nR\\\nUN --$M=type=bind true\n",
            "FROM x\nARG M=mount\nRUN --network=none$X --$M=type=bind true\n",
            "FROM x\nARG M=mount\nRUN --network=$N --$M=type=bind true\n",
            "FROM x\nARG M=mount\nRUN --network=\"none\" --$M=type=bind true\n",
            "FROM x\nARG M=mount\nRUN --network=none\u{a0}--$M=type=bind true\n",
            "FROM x\nARG M=mount\nRUN <<A --$M=type=bind\nRUN --$M=type=bind true\nA\n",
            "# escape=`\nFROM x\nRUN --network=none `\n--$M=type=bind true\n",
            "FROM x\nRUN --security=insecure true\n",
            "FROM x\nRUN --device=/dev/sda true\n",
            "FROM x\nRUN --network=none --future true\n",
            "FROM x\nRUN --network=none,x true\n",
            "FROM x\nRUN --network true\n",
            "FROM x\nRUN -\\\n-${M}=type=bind true\n",
            "FROM x\r\nRUN --network=none \\\r\n--$M=type=bind true\r\n",
        ] {
            assert!(may_mount(text), "{text}");
        }
        for text in [
            "FROM x\nRUN make --silent\nCOPY --from=a /b /c\n",
            "FROM x\nRUN npm run --silent=$X\nRUN --network=none true\n",
            "# RUN nothing\nFROM x\nRUN mount -t proc p /p\n",
            "# RUN --$M=x true\nFROM x\nRUN true\n",
            "FROM x\r\nRUN --network=none true\r\n",
            "FROM x\nrun\t--network=default  --network=none \\\n  cargo run --release --$X\n",
            "FROM x\nONBUILD RUN --network=host [\"true\"]\n",
            "FROM x\nRUN cargo build \\\n  && cargo run --release \\\n  && prune --$ALL\n",
            "FROM x\nRUN set -e; \\\n  docker run --rm x\n",
        ] {
            assert!(!may_mount(text), "{text}");
        }
    }
}
