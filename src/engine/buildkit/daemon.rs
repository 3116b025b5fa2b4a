//! A `buildkitd` of the job's own, spoken to over its API.
//!
//! Refuses to run where one cannot be started: that needs root, and runc beside it.

use std::{collections::BTreeSet, ffi::OsString, fs, path::PathBuf};

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::net::UnixStream;

use super::{
    await_daemon, doubt_runc,
    grpc::{self, Address, Order},
    unix,
};
use crate::{
    engine::{
        Built, Engine, Runs, frontend,
        host::{self, Missing},
        inputs::Inputs,
        runc,
        sandbox::{Daemon, Environment, Shell},
        store::{self, serve::Serving},
    },
    limits::Limits,
    rebuild::{EngineKind, Failure, FailureKind, Plan, pins},
};

/// `buildkitd`, started for one job and ended with it.
pub struct Buildkitd {
    program: PathBuf,
    limits: Limits,
}

/// A daemon, what it is to be told, and the store that it reads from.
struct Running {
    daemon: Daemon,
    address: Address,
    policy: Value,
    _serving: Serving,
}

impl Buildkitd {
    /// Finds the programs.
    ///
    /// # Errors
    /// Says which ones are missing.
    pub fn find(limits: &Limits) -> Result<Self, Missing> {
        let [buildkitd, ..] = host::require(["buildkitd", "runc", "git"])?;
        if !host::is_root() {
            return Err(Missing::Else("a buildkitd of its own needs root".to_owned()));
        }
        Ok(Self { program: buildkitd, limits: limits.clone() })
    }

    /// `networkMode = "host"` is the daemon's own network, in which there is nothing but the inputs. Every registry of the plan is
    /// the store.
    fn configuration(plan: &Plan, shell: &Shell<'_>, mirror: &str) -> String {
        let quote = |text: &str| json!(text).to_string();
        let snapshotter = if host::is_on_overlay(shell.work) { "native" } else { "overlayfs" };
        let mut toml = format!(
            "[worker.oci]\nenabled = true\nnetworkMode = \"host\"\nsnapshotter = {}\n\
             [worker.containerd]\nenabled = false\n",
            quote(snapshotter)
        );
        if let Some(parent) = shell.cgroup_parent() {
            toml = toml.replacen("[worker.oci]\n", &cgroup_line(&parent), 1);
        }
        let bases = pins::bases(plan);
        let hosts: BTreeSet<&str> =
            bases.iter().filter_map(|base| Some(base.repository.split_once('/')?.0)).collect();
        for host in hosts {
            let (host, mirror) = (quote(host), quote(mirror));
            toml.push_str(&format!("[registry.{host}]\nmirrors = [{mirror}]\n"));
        }
        toml.push_str(&format!("[registry.{}]\nhttp = true\ninsecure = true\n", quote(mirror)));
        toml
    }

    async fn start(
        &self,
        plan: &Plan,
        shell: &Shell<'_>,
        inputs: &Inputs<'_>,
    ) -> Result<Running, Failure> {
        let work = shell.work;
        let mut policy = pins::buildkit_policy(plan);
        let serving = inputs.serve(shell)?;
        store::downloads_from(&mut policy, &serving.address(), plan);
        let write = || {
            fs::write(
                work.join("buildkitd.toml"),
                Self::configuration(plan, shell, &serving.address()),
            )?;
            let repositories = inputs.store().repositories(plan);
            let environment = store::wrap_git(Environment::new(work), work, &repositories)?;
            runc::narrow(&work.join(store::PROGRAMS), runc::Profile::Builders).map(|_| environment)
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

    async fn build(
        &self,
        plan: &Plan,
        shell: &Shell<'_>,
        inputs: &Inputs<'_>,
    ) -> Result<Built, Failure> {
        shell.sink.stage("starting buildkitd, and fetching what the plan pins");
        let (starting, fetching) = (self.start(plan, shell, inputs), inputs.fetch(plan, shell));
        let (running, ()) = tokio::try_join!(starting, fetching)?;
        let texts = frontend::judge(plan, inputs, shell).await?;
        frontend::refuse_lost_mounts(plan, &texts, shell)?;
        let Running { mut daemon, address, policy, _serving } = running;
        let order = Order { plan, policy: &policy, runs: Runs::Here };
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
