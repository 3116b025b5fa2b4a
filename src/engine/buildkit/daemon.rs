//! A `buildkitd` of the job's own, spoken to over its API.
//!
//! Refuses to run where one cannot be started: that needs root, and runc beside it.

use std::{ffi::OsString, fs, io, path::PathBuf};

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::net::UnixStream;

use super::{await_daemon, doubt_runc, program, unix, with_certificates};
use crate::{
    engine::{
        Built, Engine, EngineSettings,
        grpc::{self, Address, Order},
        sandbox::{self, Daemon, Environment, Shell},
        store::{self, serve::Serving},
    },
    limits::Limits,
    rebuild::{EngineKind, Failure, FailureKind, Plan, pins},
};

/// `buildkitd`, started for one job and ended with it.
pub struct Buildkitd {
    program: PathBuf,
    settings: EngineSettings,
    limits: Limits,
}

/// A daemon, what it is to be told, and the store that it reads from.
struct Running {
    daemon: Daemon,
    address: Address,
    policy: Value,
    _serving: Option<Serving>,
}

impl Buildkitd {
    /// Finds the programs.
    ///
    /// # Errors
    /// Says which one is missing.
    pub fn find(settings: &EngineSettings, limits: &Limits) -> Result<Self, String> {
        let buildkitd = program("buildkitd")?;
        program("runc")?;
        if !sandbox::is_root() {
            return Err("a buildkitd of its own needs root".to_owned());
        }
        Ok(Self { program: buildkitd, settings: settings.clone(), limits: limits.clone() })
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

    async fn start(&self, plan: &Plan, shell: &Shell<'_>) -> Result<Running, Failure> {
        let work = shell.work;
        let (mut policy, mut environment) = (pins::buildkit_policy(plan), Environment::new(work));
        let mut serving = None;
        // From a store nothing else can be reached.
        if let Some(store) = &self.settings.store {
            let broken = |e: io::Error| shell.broken("cannot give the store to BuildKit", &e);
            let running = store::serve::serve(store).await.map_err(broken)?;
            store::downloads_from(&mut policy, &running.address());
            let repositories = store.repositories(plan);
            environment = store::wrap_git(store::offline(environment), work, &repositories)
                .map_err(broken)?;
            serving = Some(running);
        }
        let mirror = serving.as_ref().map(Serving::address);
        let write = || {
            let toml = self.configuration(plan, shell, mirror.as_deref());
            fs::write(work.join("buildkitd.toml"), toml)?;
            with_certificates(environment, &self.settings, work)
        };
        let environment = write().map_err(|e| shell.broken("cannot write buildkitd.toml", &e))?;
        let socket = work.join("b.sock");
        let args = [
            OsString::from("--config"),
            work.join("buildkitd.toml").into(),
            "--root".into(),
            work.join("b").into(),
            "--addr".into(),
            unix(&socket),
        ];
        let mut daemon = shell.start(&self.program, args, &environment)?.ends_at_once();
        // It listens once its workers are there.
        let ready = || async { UnixStream::connect(&socket).await.is_ok() };
        await_daemon(&mut daemon, ready).await?;
        Ok(Running { daemon, address: Address::Unix(socket), policy, _serving: serving })
    }
}

fn cgroup_line(parent: &str) -> String {
    format!("[worker.oci]\ndefaultCgroupParent = {}\n", json!(parent))
}

#[async_trait]
impl Engine for Buildkitd {
    fn kind(&self) -> EngineKind {
        EngineKind::Buildkit
    }

    async fn build(&self, plan: &Plan, shell: &Shell<'_>) -> Result<Built, Failure> {
        shell.talk.stage("starting buildkitd");
        let Running { mut daemon, address, policy, _serving } = self.start(plan, shell).await?;
        let order = Order { plan, policy: &policy, ephemeral: true };
        let build = async {
            let built = grpc::build(&address, order, shell, &self.limits).await;
            built.map_err(|failure| match daemon.is_alive() {
                true => failure,
                false => Failure {
                    kind: FailureKind::EngineUnavailable,
                    why: "the daemon vanished during the build".to_owned(),
                    ..failure
                },
            })
        };
        // Beside the build: an old runc is a reason for doubt, and none to refuse the build.
        let environment = Environment::new(shell.work);
        let (built, ()) = tokio::try_join!(build, doubt_runc(shell, &environment))?;
        Ok(built)
    }
}
