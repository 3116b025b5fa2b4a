//! A BuildKit that others use too, at an address that only its own client knows how to reach (`docker-container://`,
//! `kube-pod://`, `ssh://`): by `buildctl`.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use async_trait::async_trait;

use super::{
    CACHES, finish, frontend_options, grpc::name, held_back, network, output, own_frontend,
    program, write_policy,
};
use crate::{
    engine::{
        Built, Engine, Runs,
        host::Missing,
        inputs::Inputs,
        sandbox::{Environment, Shell},
        version,
    },
    rebuild::{EngineKind, EngineReport, Failure, Numbers, Plan, pins},
};

/// `buildctl` with a daemon that runs at this address already.
pub struct Buildctl {
    buildctl: PathBuf,
    address: OsString,
}

impl Buildctl {
    /// Finds the program.
    ///
    /// # Errors
    /// Says that it is missing.
    pub fn find(address: OsString) -> Result<Self, Missing> {
        Ok(Self { buildctl: program("buildctl")?, address })
    }
}

#[async_trait]
impl Engine for Buildctl {
    fn kind(&self) -> EngineKind {
        EngineKind::Buildkit
    }

    fn runs(&self) -> Runs {
        Runs::Elsewhere
    }

    async fn build(
        &self,
        plan: &Plan,
        shell: &Shell<'_>,
        _: &Inputs<'_>,
    ) -> Result<Built, Failure> {
        let shell = &shell.outside();
        let (work, sink) = (shell.work, shell.sink);
        let rules = pins::buildkit_policy(plan);
        let (policy, pins) = (write_policy(&rules, shell)?, pins::digest(&rules));
        let environment = Environment::new(work).with("BUILDKIT_HOST", &self.address);
        let told = shell.run(&self.buildctl, ["debug", "info"], &environment).await?.stdout;
        // BuildKit: github.com/moby/buildkit v0.34.2 5d1e…
        let version = told.split_whitespace().nth(2).unwrap_or("unknown");
        version::refuse_buildkit(version, plan)?;
        let report = EngineReport {
            kind: EngineKind::Buildkit,
            driver: "buildctl".to_owned(),
            version: format!("buildkitd {version}"),
            reason: String::new(),
            network: network(shell, Runs::Elsewhere, plan),
            numbers: Numbers::Unknown,
            ephemeral: false,
            served: None,
            unbounded: None,
        };
        sink.stage("building");
        let mut args = buildctl_args(plan, work, &policy);
        args.extend(["--opt".into(), format!("{CACHES}={}", name(work)).into()]);
        if own_frontend(plan) {
            args.extend(["--opt".into(), "cmdline=".into()]);
        }
        let outcome = shell.run(&self.buildctl, args, &environment).await?;
        finish(&outcome, None, shell, report, pins).map_err(|failure| held_back(failure, plan))
    }
}

/// What builds a plan, also by hand.
pub fn buildctl_args(plan: &Plan, work: &Path, policy: &Path) -> Vec<OsString> {
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
