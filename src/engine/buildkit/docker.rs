//! BuildKit inside a Docker daemon, by `docker buildx`.

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};

use super::{
    await_daemon, build_args, client_epoch, doubt_runc, finish, network, numbers, output, program,
    unix, write_policy,
};
use crate::{
    engine::{
        Built, Engine, EngineSettings, Runs, SharedBuilder, frontend,
        host::{self, Missing},
        inputs::Inputs,
        runc,
        sandbox::{Daemon, Environment, Shell},
        store::{self, serve::Serving},
        version,
    },
    environment,
    rebuild::{EngineKind, EngineReport, Failure, Plan, pins},
};

/// `docker buildx` with a Docker daemon of the job's own.
pub struct Docker {
    docker: PathBuf,
    buildx: PathBuf,
    /// `None` where a shared daemon is used.
    dockerd: Option<PathBuf>,
}

impl Docker {
    /// Finds the programs.
    ///
    /// # Errors
    /// Says which ones are missing.
    pub fn find(settings: &EngineSettings) -> Result<Self, Missing> {
        let shared = settings.shared_builder == SharedBuilder::Allowed;
        let own = match host::is_root() {
            true => host::require(["docker", "dockerd", "containerd", "runc", "git"]),
            false => Err(Missing::Else("a Docker daemon of its own needs root".to_owned())),
        };
        let docker = match &own {
            // Whatever else is missing with it is told, too.
            Err(missing) if !shared && missing.programs().contains(&"docker") => {
                return Err(missing.clone());
            }
            _ => program("docker")?,
        };
        let buildx = find_buildx(&docker)
            .ok_or_else(|| Missing::Else("docker has no buildx plugin".to_owned()))?;
        let own = own.map(|[_, dockerd, ..]| dockerd);
        let dockerd = match (own, settings.shared_builder) {
            (Ok(dockerd), _) => Some(dockerd),
            (Err(_), SharedBuilder::Allowed) => None,
            (Err(why), SharedBuilder::Refused) => return Err(why),
        };
        Ok(Self { docker, buildx, dockerd })
    }
}

/// The plugin, where docker itself looks for it, and beside docker.
fn find_buildx(docker: &Path) -> Option<PathBuf> {
    const FOLDERS: [&str; 4] = [
        "/usr/local/lib/docker/cli-plugins",
        "/usr/local/libexec/docker/cli-plugins",
        "/usr/lib/docker/cli-plugins",
        "/usr/libexec/docker/cli-plugins",
    ];
    let users = environment::docker_folders().into_iter().map(|folder| folder.join("cli-plugins"));
    let prefix = docker.parent().and_then(Path::parent).map(Path::to_owned);
    let beside = ["lib", "libexec"]
        .into_iter()
        .filter_map(|lib| Some(prefix.as_ref()?.join(lib).join("docker/cli-plugins")));
    let folders = users.chain(beside).chain(FOLDERS.iter().map(PathBuf::from));
    let mut files = folders.map(|folder| folder.join("docker-buildx"));
    let found = files.find(|file| host::is_executable(file));
    let found = found.or_else(|| host::find_program("docker-buildx"))?;
    fs::canonicalize(found).ok()
}

#[async_trait]
impl Engine for Docker {
    fn kind(&self) -> EngineKind {
        EngineKind::Buildkit
    }

    fn runs(&self) -> Runs {
        if self.dockerd.is_some() { Runs::Here } else { Runs::Elsewhere }
    }

    async fn build(
        &self,
        plan: &Plan,
        shell: &Shell<'_>,
        inputs: &Inputs<'_>,
    ) -> Result<Built, Failure> {
        let Some(dockerd) = &self.dockerd else {
            return self.build_elsewhere(plan, &shell.outside()).await;
        };
        let environment = self.prepare(shell)?;
        // Docker version 26.1.5+dfsg1, build a72d7cd
        let text = shell.run(dockerd, ["--version"], &environment).await?.stdout;
        let version = text.split_whitespace().nth(2).unwrap_or_default();
        version::refuse_docker(version.trim_end_matches(','), plan)?;
        doubt_runc(shell, &environment).await?;
        shell.sink.stage("starting a Docker daemon, and fetching what the plan pins");
        let (serving, rules) = offered(plan, shell, inputs)?;
        let repositories = inputs.store().repositories(plan);
        let seen = store::wrap_git(environment.clone(), shell.work, &repositories)
            .and_then(|seen| {
                let programs = shell.work.join(store::PROGRAMS);
                runc::narrow(&programs, runc::Profile::Builders).map(|_| seen)
            })
            .map_err(|e| shell.broken("cannot give the inputs to Docker", &e))?;
        let starting = start_dockerd(dockerd, shell, &seen);
        let (daemon, ()) = tokio::try_join!(starting, inputs.fetch(plan, shell))?;
        frontend::judge(plan, inputs, shell).await?;
        let socket = unix(&shell.work.join("docker.sock"));
        let environment = environment.with("DOCKER_HOST", socket);
        let built = self.solve(plan, shell, &environment, &rules, Some(daemon)).await;
        drop(serving);
        built
    }
}

/// The inputs where the daemon reaches them, and the source policy that leads to them.
fn offered(
    plan: &Plan,
    shell: &Shell<'_>,
    inputs: &Inputs<'_>,
) -> Result<(Serving, Value), Failure> {
    let serving = inputs.serve(shell)?;
    let mut rules = pins::buildkit_policy(plan);
    store::downloads_from(&mut rules, &serving.address(), plan);
    store::images_from(&mut rules, &serving.address());
    Ok((serving, rules))
}

impl Docker {
    /// With a daemon that others use too, as a last resort.
    async fn build_elsewhere(&self, plan: &Plan, shell: &Shell<'_>) -> Result<Built, Failure> {
        let environment = self.prepare(shell)?;
        let environment = match environment::variable("DOCKER_HOST") {
            Some(host) => environment.with("DOCKER_HOST", host),
            None => environment,
        };
        self.solve(plan, shell, &environment, &pins::buildkit_policy(plan), None).await
    }

    async fn solve(
        &self,
        plan: &Plan,
        shell: &Shell<'_>,
        environment: &Environment,
        rules: &Value,
        daemon: Option<Daemon>,
    ) -> Result<Built, Failure> {
        let runs = self.runs();
        let report = self.report(shell, environment, plan).await?;
        shell.sink.stage("building");
        let policy = write_policy(rules, shell)?;
        let environment = with_epoch(environment.clone(), plan)
            .with("EXPERIMENTAL_BUILDKIT_SOURCE_POLICY", &policy);
        let outcome = shell.run(&self.docker, buildx_args(plan, shell.work), &environment).await?;
        // Asked again of the job that ran.
        let report = EngineReport { network: network(shell, runs, plan), ..report };
        finish(&outcome, daemon, shell, report, pins::digest(&pins::buildkit_policy(plan)))
    }

    fn prepare(&self, shell: &Shell<'_>) -> Result<Environment, Failure> {
        let write = || -> io::Result<Environment> {
            let config = shell.work.join("docker-config");
            fs::create_dir_all(config.join("cli-plugins"))?;
            fs::write(config.join("config.json"), "{}")?;
            let link = config.join("cli-plugins/docker-buildx");
            std::os::unix::fs::symlink(&self.buildx, link)?;
            let mut daemon = json!({
                "features": { "containerd-snapshotter": true },
                // The inputs, which are held to their digests.
                "insecure-registries": ["127.0.0.0/8"],
            });
            if host::is_on_overlay(shell.work) {
                daemon["storage-driver"] = json!("native");
            }
            fs::write(shell.work.join("daemon.json"), daemon.to_string())?;
            Ok(Environment::new(shell.work).with("DOCKER_CONFIG", &config))
        };
        write().map_err(|e| shell.broken("cannot write the daemon's settings", &e))
    }

    async fn report(
        &self,
        shell: &Shell<'_>,
        environment: &Environment,
        plan: &Plan,
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
            network: network(shell, self.runs(), plan),
            numbers: numbers(shell, self.runs()),
            ephemeral: self.runs() == Runs::Here,
            served: None,
            unbounded: None,
        })
    }
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

/// What builds a plan, also by hand.
pub fn buildx_args(plan: &Plan, work: &Path) -> Vec<OsString> {
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
