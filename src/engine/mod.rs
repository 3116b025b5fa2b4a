//! Build engines: a plan in, an OCI layout out.
//!
//! Every engine runs with storage made for one job, no network for build steps, no secrets, an empty environment, and
//! limits on time and log; what it leaves behind is removed on every way out. The plan's pins are enforced by the
//! engine itself where it can (BuildKit's source policy), and by giving it nothing else where it cannot (buildah).

pub mod buildah;
pub mod buildkit;
pub mod sandbox;

use std::path::{Path, PathBuf};

use async_trait::async_trait;

use crate::{
    rebuild::{EngineKind, EngineReport, Failure, Plan},
    reference::Repository,
};

/// Something that can follow a plan.
#[async_trait]
pub trait Engine: Send + Sync {
    /// Which kind it is.
    fn kind(&self) -> EngineKind;

    /// Builds into a new OCI layout under `work`, an empty folder that the caller removes.
    async fn build(&self, plan: &Plan, work: &Path, talk: &dyn Talk) -> Result<Built, Failure>;
}

/// What an engine gives.
#[derive(Debug, Clone)]
pub struct Built {
    /// Folder of the OCI layout; it holds one image.
    pub layout: PathBuf,
    /// What built it.
    pub report: EngineReport,
    /// Digest of the source policy or pin list that was in force.
    pub pins: crate::digest::Digest,
}

/// Where progress goes: lines on stderr, or nowhere.
pub trait Talk: Send + Sync {
    /// A stage begins.
    fn stage(&self, name: &str);
    /// Something happened within the stage.
    fn line(&self, text: &str);
}

/// Talks to nobody.
pub struct Silent;

impl Talk for Silent {
    fn stage(&self, _: &str) {}
    fn line(&self, _: &str) {}
}

/// How engines reach registries: the same settings as the image's own source.
#[derive(Debug, Clone, Default)]
pub struct EngineSettings {
    /// Registries that are spoken to without TLS.
    pub plain_http: Vec<String>,
    /// Registries with certificate authorities of their own, as PEM files.
    pub certificate_authorities: Vec<(String, PathBuf)>,
    /// A mirror for a repository, by name.
    pub mirrors: Vec<(Repository, Repository)>,
}
