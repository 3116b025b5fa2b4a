//! BuildKit, by itself or inside a Docker daemon, started for one job.
//!
//! Turns a plan into an OCI layout. The source policy of [`pins`] is in force for everything that BuildKit fetches; build
//! steps have no network; there is no build cache, no secret and no credential. Refuses to run where neither daemon can be
//! started, unless the operator allows a shared builder.

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    pin::pin,
    time::Duration,
};

use async_trait::async_trait;
use futures_util::future::{self, Either};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};

use super::{
    Built, DOCKER_HUB, Engine, EngineSettings, SharedBuilder, certificates,
    sandbox::{self, Daemon, Environment, Outcome, Shell},
    store::{self, serve::Serving},
    version,
};
use crate::{
    attest::provenance::{Frontend, Network},
    image::Compression,
    rebuild::{EngineKind, EngineReport, Failure, FailureKind, Plan, pins},
};

/// Tries to reach a daemon that has just been started: every 10 ms for 60 s.
const TRIES: u32 = 6000;
/// Time between two tries.
const PAUSE: Duration = Duration::from_millis(10);
/// Bytes of a daemon's own log that a failure quotes.
const DAEMON_LOG_BYTES: usize = 4096;

/// `docker buildx` with a Docker daemon of the job's own.
pub struct Docker {
    docker: PathBuf,
    buildx: PathBuf,
    /// `None` where a shared daemon is used.
    dockerd: Option<PathBuf>,
    settings: EngineSettings,
}

impl Docker {
    /// Finds the programs.
    ///
    /// # Errors
    /// Says which one is missing.
    pub fn find(settings: &EngineSettings) -> Result<Self, String> {
        let docker = program("docker")?;
        let buildx = find_buildx(&docker).ok_or("docker has no buildx plugin")?;
        let own = if sandbox::is_root() {
            program("containerd").and_then(|_| program("runc")).and_then(|_| program("dockerd"))
        } else {
            Err("a Docker daemon of its own needs root".to_owned())
        };
        let dockerd = match (own, settings.shared_builder) {
            (Ok(dockerd), _) => Some(dockerd),
            (Err(_), SharedBuilder::Allowed) => None,
            (Err(why), SharedBuilder::Refused) => return Err(why),
        };
        Ok(Self { docker, buildx, dockerd, settings: settings.clone() })
    }
}

fn program(name: &str) -> Result<PathBuf, String> {
    sandbox::find_program(name).ok_or_else(|| format!("{name} is not on PATH"))
}

/// The plugin, where docker itself looks for it, and beside docker.
fn find_buildx(docker: &Path) -> Option<PathBuf> {
    const FOLDERS: [&str; 4] = [
        "/usr/local/lib/docker/cli-plugins",
        "/usr/local/libexec/docker/cli-plugins",
        "/usr/lib/docker/cli-plugins",
        "/usr/libexec/docker/cli-plugins",
    ];
    let configured = std::env::var_os("DOCKER_CONFIG").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|home| Path::new(&home).join(".docker"));
    let users = configured.into_iter().chain(home).map(|folder| folder.join("cli-plugins"));
    let prefix = docker.parent().and_then(Path::parent).map(Path::to_owned);
    let beside = ["lib", "libexec"]
        .into_iter()
        .filter_map(|lib| Some(prefix.as_ref()?.join(lib).join("docker/cli-plugins")));
    let folders = users.chain(beside).chain(FOLDERS.iter().map(PathBuf::from));
    let mut files = folders.map(|folder| folder.join("docker-buildx"));
    let found = files.find(|file| sandbox::is_executable(file));
    let found = found.or_else(|| sandbox::find_program("docker-buildx"))?;
    fs::canonicalize(found).ok()
}

#[async_trait]
impl Engine for Docker {
    fn kind(&self) -> EngineKind {
        EngineKind::Buildkit
    }

    async fn build(&self, plan: &Plan, shell: &Shell<'_>) -> Result<Built, Failure> {
        let (work, talk) = (shell.work, shell.talk);
        let (policy, pins) = write_policy(plan, shell)?;
        let mut environment = self.prepare(shell)?;
        if let Some(dockerd) = &self.dockerd {
            // Docker version 26.1.5+dfsg1, build a72d7cd
            let text = shell.run(dockerd, ["--version"], &environment).await?.stdout;
            let version = text.split_whitespace().nth(2).unwrap_or_default();
            version::refuse_docker(version.trim_end_matches(','), plan)?;
        }
        doubt_runc(shell, &environment).await?;
        talk.stage("starting a Docker daemon");
        let daemon = match &self.dockerd {
            Some(dockerd) => Some(start_dockerd(dockerd, shell, &environment).await?),
            None => None,
        };
        environment = match (&daemon, std::env::var_os("DOCKER_HOST")) {
            (Some(_), _) => environment.with("DOCKER_HOST", unix(&work.join("docker.sock"))),
            (None, Some(host)) => environment.with("DOCKER_HOST", host),
            (None, None) => environment,
        };
        let report = self.report(shell, &environment, daemon.is_some()).await?;
        talk.stage("building");
        let environment =
            with_epoch(environment, plan).with("EXPERIMENTAL_BUILDKIT_SOURCE_POLICY", &policy);
        let outcome = shell.run(&self.docker, buildx_args(plan, work), &environment).await?;
        finish(&outcome, daemon, shell, report, pins)
    }
}

impl Docker {
    fn prepare(&self, shell: &Shell<'_>) -> Result<Environment, Failure> {
        let write = || -> io::Result<Environment> {
            let config = shell.work.join("docker-config");
            fs::create_dir_all(config.join("cli-plugins"))?;
            fs::write(config.join("config.json"), "{}")?;
            let link = config.join("cli-plugins/docker-buildx");
            std::os::unix::fs::symlink(&self.buildx, link)?;
            let mut daemon = json!({
                "features": { "containerd-snapshotter": true },
                "insecure-registries": self.settings.plain_http,
            });
            let hub = self.settings.mirrors_of(DOCKER_HUB);
            let hub: Vec<String> = hub
                .map(|mirror| {
                    let plain = self.settings.is_plain(mirror.host());
                    format!("{}://{}", if plain { "http" } else { "https" }, mirror.at)
                })
                .collect();
            if !hub.is_empty() {
                daemon["registry-mirrors"] = json!(hub);
            }
            if sandbox::is_on_overlay(shell.work) {
                daemon["storage-driver"] = json!("native");
            }
            fs::write(shell.work.join("daemon.json"), daemon.to_string())?;
            let environment = Environment::new(shell.work).with("DOCKER_CONFIG", &config);
            with_certificates(environment, &self.settings, shell.work)
        };
        write().map_err(|e| shell.broken("cannot write the daemon's settings", &e))
    }

    async fn report(
        &self,
        shell: &Shell<'_>,
        environment: &Environment,
        ephemeral: bool,
    ) -> Result<EngineReport, Failure> {
        let server = ["version", "--format", "{{.Server.Version}}"];
        let server = shell.run(&self.docker, server, environment).await?.stdout;
        let client = shell.run(&self.docker, ["buildx", "version"], environment).await?.stdout;
        let client = client.split_whitespace().nth(1).unwrap_or("unknown").to_owned();
        Ok(EngineReport {
            kind: EngineKind::Buildkit,
            driver: "docker buildx".to_owned(),
            version: format!("docker {}, buildx {client}", server.trim()),
            reason: String::new(),
            network: Network::None,
            ephemeral,
        })
    }
}

/// Says so where the machine's runc may let a build out.
pub(super) async fn doubt_runc(
    shell: &Shell<'_>,
    environment: &Environment,
) -> Result<(), Failure> {
    let Some(runc) = sandbox::find_program("runc") else { return Ok(()) };
    // runc version 1.1.5+ds1
    let text = shell.quietly().run(&runc, ["--version"], environment).await?.stdout;
    let version = text.split_whitespace().nth(2).unwrap_or_default();
    if let Some(doubt) = version::doubt_runc(version) {
        shell.talk.line(&doubt);
    }
    Ok(())
}

fn unix(socket: &Path) -> OsString {
    let mut address = OsString::from("unix://");
    address.push(socket);
    address
}

fn with_certificates(
    environment: Environment,
    settings: &EngineSettings,
    work: &Path,
) -> io::Result<Environment> {
    Ok(match certificates(settings, work)? {
        Some(file) => environment.with("SSL_CERT_FILE", &file).with("GIT_SSL_CAINFO", &file),
        None => environment,
    })
}

fn write_policy(
    plan: &Plan,
    shell: &Shell<'_>,
) -> Result<(PathBuf, crate::digest::Digest), Failure> {
    let policy = pins::buildkit_policy(plan);
    let path = shell.work.join("policy.json");
    fs::write(&path, format!("{policy:#}"))
        .map_err(|e| shell.broken("cannot write the source policy", &e))?;
    Ok((path, pins::digest(&policy)))
}

/// The clamp of `rewrite-timestamp` comes from the epoch; where the build had it from elsewhere, it is given as the
/// client's variable, which becomes the same build argument.
pub(super) fn client_epoch(plan: &Plan) -> Option<String> {
    let given = plan.build_args.contains_key("SOURCE_DATE_EPOCH");
    let seconds = plan.exporter.rewrite_timestamp.or(plan.epoch_seconds);
    seconds.filter(|_| !given).map(|seconds| seconds.to_string())
}

fn with_epoch(environment: Environment, plan: &Plan) -> Environment {
    match client_epoch(plan) {
        Some(seconds) => environment.with("SOURCE_DATE_EPOCH", seconds),
        None => environment,
    }
}

/// A daemon that touches no firewall, bridge or route of the machine. Its steps have no network, so it needs none either.
async fn start_dockerd(
    dockerd: &Path,
    shell: &Shell<'_>,
    environment: &Environment,
) -> Result<Daemon, Failure> {
    let work = shell.work;
    let path = |flag: &str, name: &str| {
        let mut arg = OsString::from(flag);
        arg.push(work.join(name));
        arg
    };
    let mut host = OsString::from("--host=");
    host.push(unix(&work.join("docker.sock")));
    let mut args = vec![
        path("--config-file=", "daemon.json"),
        path("--data-root=", "d"),
        path("--exec-root=", "x"),
        path("--pidfile=", "docker.pid"),
        host,
    ];
    let off = ["--iptables", "--ip6tables", "--ip-forward", "--ip-masq"];
    args.extend(off.iter().map(|flag| format!("{flag}=false").into()));
    args.push("--bridge=none".into());
    args.extend(shell.cgroup_parent().map(|parent| format!("--cgroup-parent={parent}").into()));
    let mut daemon = shell.start(dockerd, args, environment)?;
    let socket = work.join("docker.sock");
    await_daemon(&mut daemon, || ping(&socket)).await?;
    Ok(daemon)
}

async fn await_daemon<F: Future<Output = bool>>(
    daemon: &mut Daemon,
    ready: impl Fn() -> F,
) -> Result<(), Failure> {
    for _ in 0..TRIES {
        if ready().await {
            return Ok(());
        }
        if !daemon.is_alive() {
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    let log = daemon.log(DAEMON_LOG_BYTES);
    Err(Failure {
        kind: FailureKind::EngineUnavailable,
        why: "the daemon did not start".to_owned(),
        log,
        engine: None,
    })
}

/// Docker's own sign of readiness: `GET /_ping`.
async fn ping(socket: &Path) -> bool {
    let ask = async {
        let mut stream = UnixStream::connect(socket).await?;
        stream.write_all(b"GET /_ping HTTP/1.0\r\n\r\n").await?;
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await?;
        io::Result::Ok(answer.ends_with(b" 200"))
    };
    matches!(tokio::time::timeout(Duration::from_secs(2), ask).await, Ok(Ok(true)))
}

pub(super) fn buildx_args(plan: &Plan, work: &Path) -> Vec<OsString> {
    let mut args: Vec<OsString> = Vec::new();
    let mut add = |words: &[&str]| args.extend(words.iter().map(OsString::from));
    add(&["buildx", "build", "--no-cache", "--network=none", "--provenance=false"]);
    add(&["--sbom=false", "--progress=plain"]);
    add(&["--platform", &plan.platform.to_string(), "--file", &plan.dockerfile_path]);
    if let Some(target) = &plan.target {
        add(&["--target", target]);
    }
    for (name, value) in build_args(plan) {
        add(&["--build-arg", &format!("{name}={value}")]);
    }
    for (name, value) in &plan.labels {
        add(&["--label", &format!("{name}={value}")]);
    }
    for (key, value) in &plan.options {
        match (key.as_str(), key.strip_prefix("context:")) {
            (_, Some(name)) => add(&["--build-context", &format!("{name}={value}")]),
            // BuildKit joins several with commas.
            ("add-hosts", _) => value.split(',').for_each(|host| add(&["--add-host", host])),
            ("shm-size", _) => add(&["--shm-size", value]),
            ("ulimit", _) => value.split(',').for_each(|limit| add(&["--ulimit", limit])),
            _ => {}
        }
    }
    args.push("--metadata-file".into());
    args.push(work.join("metadata.json").into());
    args.push("--output".into());
    args.push(output(plan, work));
    args.push("--".into());
    args.push(pins::context(plan).into());
    args
}

/// Build arguments; a frontend image is named by the argument that the built-in frontend forwards to.
fn build_args(plan: &Plan) -> impl Iterator<Item = (&str, &str)> {
    let syntax = match &plan.frontend {
        Frontend::Image { reference } if !plan.build_args.contains_key("BUILDKIT_SYNTAX") => {
            Some(("BUILDKIT_SYNTAX", reference.as_str()))
        }
        _ => None,
    };
    plan.build_args.iter().map(|(n, v)| (n.as_str(), v.as_str())).chain(syntax)
}

fn output(plan: &Plan, work: &Path) -> OsString {
    let mut spec = OsString::from("type=oci,tar=false,dest=");
    spec.push(work.join("out"));
    for (key, value) in exporter_options(plan) {
        spec.push(format!(",{key}={value}"));
    }
    spec
}

/// What the exporter is told.
pub(super) fn exporter_options(plan: &Plan) -> Vec<(String, String)> {
    let exporter = &plan.exporter;
    let mut all = Vec::new();
    let mut opt = |key: &str, value: &str| all.push((key.to_owned(), value.to_owned()));
    if exporter.rewrite_timestamp.is_some() {
        opt("rewrite-timestamp", "true");
    }
    if exporter.compression != Compression::Gzip {
        opt("compression", exporter.compression.name());
    }
    if let Some(level) = exporter.level {
        opt("compression-level", &level.to_string());
    }
    if exporter.force_compression {
        opt("force-compression", "true");
    }
    if !exporter.oci_media_types {
        opt("oci-mediatypes", "false");
    }
    all
}

fn finish(
    outcome: &Outcome,
    daemon: Option<Daemon>,
    shell: &Shell<'_>,
    report: EngineReport,
    pins: crate::digest::Digest,
) -> Result<Built, Failure> {
    let layout = shell.work.join("out");
    if outcome.success && layout.join("index.json").is_file() {
        // Left empty by the exporter, and no part of a layout.
        let _ = fs::remove_dir(layout.join("ingest"));
        return Ok(Built { layout, report, pins });
    }
    let log = shell.log.text();
    let vanished = daemon.is_some_and(|mut daemon| !daemon.is_alive());
    let (kind, why) = if vanished {
        (FailureKind::EngineUnavailable, "the daemon vanished during the build".to_owned())
    } else {
        classify(&log)
    };
    Err(Failure { kind, why, log, engine: Some(Box::new(report)) })
}

/// The proxy answers a step with 403 and says nothing in the log, so the failure of a step that downloads says what it was
/// held to.
fn held_back(mut failure: Failure, plan: &Plan) -> Failure {
    let count = plan.fetched.len();
    if count > 0 && failure.kind == FailureKind::BuildFailed {
        failure.why.push_str(&format!("; steps could download the recorded URLs alone ({count})"));
    }
    failure
}

/// Reads BuildKit's own last word. Build steps print what they like, but each of their lines begins with `#`.
pub(super) fn classify(log: &str) -> (FailureKind, String) {
    let own = log
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix("ERROR: ").or_else(|| line.strip_prefix("error: ")));
    let Some(why) = own else {
        // Whoever could have said why was killed.
        let why = "the builder ended without a word".to_owned();
        return (FailureKind::EngineUnavailable, why);
    };
    let says = |words: &[&str]| words.iter().any(|word| why.contains(word));
    let kind = if says(&["error reading from server", "rpc error: code = Unavailable"]) {
        FailureKind::EngineUnavailable
    } else if says(&["denied by policy", "not allowed by policy", "source denied"]) {
        FailureKind::Denied
    } else if says(&["process \"", "did not complete successfully", "executor failed running"]) {
        FailureKind::BuildFailed
    } else if says(&[
        "failed to resolve source metadata",
        "failed to fetch remote",
        "failed to load cache key",
        "failed to do request",
        "failed to read dockerfile",
        "failed to copy",
        // Something is there, and it is not what was recorded.
        "digest mismatch",
        "Could not resolve host",
        "couldn't find remote ref",
        "unable to access",
        "connection refused",
        "connection reset by peer",
        "failed to read expected number of bytes",
        "unexpected EOF",
        "i/o timeout",
        "manifest unknown",
        "not our ref",
        "pull access denied",
        ": not found",
        "unexpected status",
        "git stderr",
    ]) {
        FailureKind::SourceGone
    } else {
        FailureKind::BuildFailed
    };
    (kind, why.to_owned())
}

/// A daemon, how its client reaches it, and the store that it reads from.
struct Running {
    daemon: Option<Daemon>,
    environment: Environment,
    version: String,
    _serving: Option<Serving>,
}

fn cgroup_line(parent: &str) -> String {
    format!("[worker.oci]\ndefaultCgroupParent = {}\n", json!(parent))
}

/// `buildctl` with a `buildkitd` of the job's own.
pub struct Buildkitd {
    buildctl: PathBuf,
    daemon: Whose,
    settings: EngineSettings,
}

/// Whose daemon it is.
enum Whose {
    /// One of this program, started for the job.
    Own(PathBuf),
    /// One that runs at this address already, and that others use too.
    Shared(OsString),
}

impl Buildkitd {
    /// Finds the programs.
    ///
    /// # Errors
    /// Says which one is missing.
    pub fn find(settings: &EngineSettings) -> Result<Self, String> {
        let buildctl = program("buildctl")?;
        let shared = std::env::var_os("BUILDKIT_HOST").filter(|address| !address.is_empty());
        let daemon = match (shared, settings.shared_builder) {
            // A daemon of others cannot be told to take its images from a store.
            (Some(address), SharedBuilder::Allowed) if settings.store.is_none() => {
                Whose::Shared(address)
            }
            _ => Whose::Own(Self::find_own()?),
        };
        Ok(Self { buildctl, daemon, settings: settings.clone() })
    }

    fn find_own() -> Result<PathBuf, String> {
        let buildkitd = program("buildkitd")?;
        program("runc")?;
        if !sandbox::is_root() {
            return Err("a buildkitd of its own needs root".to_owned());
        }
        Ok(buildkitd)
    }

    /// Steps are given no network one by one; the daemon itself fetches sources over the machine's.
    fn configuration(&self, plan: &Plan, shell: &Shell<'_>, mirror: Option<&str>) -> String {
        let quote = |text: &str| json!(text).to_string();
        let snapshotter = if sandbox::is_on_overlay(shell.work) { "native" } else { "overlayfs" };
        let mut toml = format!(
            "[worker.oci]\nenabled = true\nnetworkMode = \"host\"\nsnapshotter = {}\n\
             [worker.containerd]\nenabled = false\n",
            quote(snapshotter)
        );
        if let Some(parent) = shell.cgroup_parent() {
            toml = toml.replacen("[worker.oci]\n", &cgroup_line(&parent), 1);
        }
        if let Some(mirror) = mirror {
            let mut hosts: Vec<String> = pins::bases(plan)
                .iter()
                .filter_map(|base| Some(base.repository.split_once('/')?.0.to_owned()))
                .collect();
            hosts.dedup();
            for host in hosts {
                let (host, mirror) = (quote(&host), quote(mirror));
                toml.push_str(&format!("[registry.{host}]\nmirrors = [{mirror}]\n"));
            }
            let mirror = quote(mirror);
            toml.push_str(&format!("[registry.{mirror}]\nhttp = true\ninsecure = true\n"));
            return toml;
        }
        for host in self.settings.hosts() {
            toml.push_str(&format!("[registry.{}]\n", quote(host)));
            if self.settings.is_plain(host) {
                toml.push_str("http = true\ninsecure = true\n");
            }
            let its: Vec<&str> =
                self.settings.mirrors_of(host).map(|mirror| mirror.at.as_str()).collect();
            if !its.is_empty() {
                toml.push_str(&format!("mirrors = {}\n", json!(its)));
            }
        }
        toml
    }

    /// The store's own address, the source policy that names it, and an environment in which nothing else can be reached.
    async fn stored(
        &self,
        plan: &Plan,
        shell: &Shell<'_>,
        environment: Environment,
    ) -> Result<Option<(Serving, Environment)>, Failure> {
        let Some(store) = &self.settings.store else { return Ok(None) };
        let broken = |e: io::Error| shell.broken("cannot give the store to BuildKit", &e);
        let serving = store::serve::serve(store).await.map_err(broken)?;
        let mut policy = pins::buildkit_policy(plan);
        store::downloads_from(&mut policy, &serving.address());
        fs::write(shell.work.join("policy.json"), format!("{policy:#}")).map_err(broken)?;
        let repositories = store.repositories(plan);
        let environment = store::wrap_git(store::offline(environment), shell.work, &repositories);
        Ok(Some((serving, environment.map_err(broken)?)))
    }

    /// How to reach the daemon, and its version, which has to be good enough; it ends with the guard, where it is our own.
    async fn reach(&self, plan: &Plan, shell: &Shell<'_>) -> Result<Running, Failure> {
        match &self.daemon {
            Whose::Own(program) => {
                let environment = Environment::new(shell.work);
                let check = async {
                    let told = shell.run(program, ["--version"], &environment).await?.stdout;
                    // buildkitd github.com/moby/buildkit v0.34.2 5d1e…
                    let version = word(&told, 2);
                    version::refuse_buildkit(&version, plan)?;
                    doubt_runc(shell, &environment).await?;
                    Ok::<_, Failure>(version)
                };
                shell.talk.stage("starting buildkitd");
                // A daemon that builds nothing yet does no harm: one that is too old is ended again.
                let start = self.start(program, plan, shell);
                match future::select(pin!(check), pin!(start)).await {
                    Either::Left((version, start)) => {
                        let version = version?;
                        Ok(Running { version, ..start.await? })
                    }
                    Either::Right((running, check)) => {
                        let version = check.await?;
                        Ok(Running { version, ..running? })
                    }
                }
            }
            Whose::Shared(address) => {
                let environment = Environment::new(shell.work).with("BUILDKIT_HOST", address);
                let told = shell.run(&self.buildctl, ["debug", "info"], &environment).await?.stdout;
                // BuildKit: github.com/moby/buildkit v0.34.2 5d1e…
                let version = word(&told, 2);
                version::refuse_buildkit(&version, plan)?;
                Ok(Running { daemon: None, environment, version, _serving: None })
            }
        }
    }

    async fn start(
        &self,
        program: &Path,
        plan: &Plan,
        shell: &Shell<'_>,
    ) -> Result<Running, Failure> {
        let work = shell.work;
        let stored = self.stored(plan, shell, Environment::new(work)).await?;
        let (serving, environment) = match stored {
            Some((serving, environment)) => (Some(serving), environment),
            None => (None, Environment::new(work)),
        };
        let mirror = serving.as_ref().map(Serving::address);
        let write = || {
            let toml = self.configuration(plan, shell, mirror.as_deref());
            fs::write(work.join("buildkitd.toml"), toml)?;
            with_certificates(environment, &self.settings, work)
        };
        let environment = write().map_err(|e| shell.broken("cannot write buildkitd.toml", &e))?;
        let args = [
            OsString::from("--config"),
            work.join("buildkitd.toml").into(),
            "--root".into(),
            work.join("b").into(),
            "--addr".into(),
            unix(&work.join("b.sock")),
        ];
        let mut daemon = shell.start(program, args, &environment)?.ends_at_once();
        let environment = environment.with("BUILDKIT_HOST", unix(&work.join("b.sock")));
        // It listens once its workers are there.
        let socket = work.join("b.sock");
        let ready = || async { UnixStream::connect(&socket).await.is_ok() };
        await_daemon(&mut daemon, ready).await?;
        Ok(Running { daemon: Some(daemon), environment, version: String::new(), _serving: serving })
    }
}

#[async_trait]
impl Engine for Buildkitd {
    fn kind(&self) -> EngineKind {
        EngineKind::Buildkit
    }

    async fn build(&self, plan: &Plan, shell: &Shell<'_>) -> Result<Built, Failure> {
        let (work, talk) = (shell.work, shell.talk);
        let (policy, pins) = write_policy(plan, shell)?;
        let Running { daemon, environment, version, _serving } = self.reach(plan, shell).await?;
        let report = EngineReport {
            kind: EngineKind::Buildkit,
            driver: "buildctl".to_owned(),
            version: format!("buildkitd {version}"),
            reason: String::new(),
            network: if plan.fetched.is_empty() { Network::None } else { Network::Proxy },
            ephemeral: daemon.is_some(),
        };
        talk.stage("building");
        let outcome =
            shell.run(&self.buildctl, buildctl_args(plan, work, &policy), &environment).await?;
        finish(&outcome, daemon, shell, report, pins).map_err(|failure| held_back(failure, plan))
    }
}

fn word(text: &str, number: usize) -> String {
    text.split_whitespace().nth(number).unwrap_or("unknown").to_owned()
}

pub(super) fn buildctl_args(plan: &Plan, work: &Path, policy: &Path) -> Vec<OsString> {
    let mut args: Vec<OsString> = Vec::new();
    let mut add = |words: &[&str]| args.extend(words.iter().map(OsString::from));
    add(&["build", "--progress=plain", "--no-cache", "--frontend=dockerfile.v0"]);
    for (key, value) in frontend_options(plan) {
        add(&["--opt", &format!("{key}={value}")]);
    }
    if !plan.fetched.is_empty() {
        args.push("--proxy-network".into());
    }
    args.push("--source-policy-file".into());
    args.push(policy.into());
    args.push("--metadata-file".into());
    args.push(work.join("metadata.json").into());
    args.push("--output".into());
    args.push(output(plan, work));
    args
}

/// What the frontend is told, as BuildKit itself calls it.
pub(super) fn frontend_options(plan: &Plan) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = Vec::new();
    let mut opt = |key: &str, value: &str| all.push((key.to_owned(), value.to_owned()));
    opt("context", &pins::context(plan));
    opt("filename", &plan.dockerfile_path);
    opt("platform", &plan.platform.to_string());
    if plan.fetched.is_empty() {
        opt("force-network-mode", "none");
    }
    if let Some(target) = &plan.target {
        opt("target", target);
    }
    for (name, value) in build_args(plan) {
        opt(&format!("build-arg:{name}"), value);
    }
    let epoch = plan.exporter.rewrite_timestamp.or(plan.epoch_seconds);
    if let (Some(seconds), false) = (epoch, plan.build_args.contains_key("SOURCE_DATE_EPOCH")) {
        opt("build-arg:SOURCE_DATE_EPOCH", &seconds.to_string());
    }
    for (name, value) in &plan.labels {
        opt(&format!("label:{name}"), value);
    }
    for (key, value) in &plan.options {
        if !key.starts_with("dockerfile-digest:") {
            opt(key, value);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_told_apart_by_buildkits_own_words() {
        let cases = [
            (
                "#5 0.1 x\nERROR: failed to solve: source \"git://h/a\" denied by policy: source denied",
                FailureKind::Denied,
            ),
            (
                "ERROR: failed to solve: process \"/bin/sh -c false\" did not complete successfully: exit code: 1",
                FailureKind::BuildFailed,
            ),
            (
                "ERROR: failed to solve: h/base: failed to resolve source metadata for h/base: not found",
                FailureKind::SourceGone,
            ),
            ("ERROR: failed to solve: digest mismatch sha256:1: sha256:2", FailureKind::SourceGone),
            (
                "error: failed to solve: failed to fetch remote git://h/app.git: exit status 128",
                FailureKind::SourceGone,
            ),
            // What a step prints decides nothing.
            (
                "#7 0.1 ERROR: denied by policy\nERROR: failed to solve: process \"/bin/sh -c x\" did not complete successfully: exit code: 1",
                FailureKind::BuildFailed,
            ),
            ("#7 0.1 denied by policy", FailureKind::EngineUnavailable),
            ("", FailureKind::EngineUnavailable),
            (
                "error: failed to receive status: rpc error: code = Unavailable desc = error reading from server: EOF",
                FailureKind::EngineUnavailable,
            ),
            (
                "ERROR: failed to solve: failed to compute cache key: failed to read expected number of bytes: unexpected EOF",
                FailureKind::SourceGone,
            ),
        ];
        for (log, want) in cases {
            assert_eq!(classify(log).0, want, "{log}");
        }
    }
}
