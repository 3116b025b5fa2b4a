//! `hallmark.yaml`: what the operator trusts, asks for and allows.
//!
//! Turns the file into the values that others work with. Each section has one file, with its form as written (`Raw`), the
//! checks and the value; [`file`] puts them together, [`reader`] has the checks that several make. A complaint names line,
//! column and key. Relative paths are relative to the file's folder. Without a file nobody is trusted and
//! the preset `baseline` is asked for. A file is read only where the operator named it or from the two fixed folders of
//! [`candidates`]: never from the working directory, which may be the artifact's (attack B6, CVE-2023-32076).

mod error;
mod file;
mod folder;
mod form;
mod gate;
pub mod import;
mod limits;
mod policy;
mod reader;
mod rebuild;
mod registries;
mod repositories;
mod trust;
mod units;
mod written;

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

pub use error::{ConfigError, KeyPath, Place, Step};
pub use folder::{FolderError, bundle};
pub use limits::table as limits_table;
pub use trust::roots::{self, InForce, Roots, Surroundings};
pub use written::{Written, defaults, documented};

use crate::{
    compare::{AllowedClass, PathPattern},
    digest::Digest,
    engine::{Mirror, grpc::Address},
    gate::Tags,
    limits::Limits,
    rebuild::plan::StepNetwork,
    reference::Location,
    source::{PlatformChoice, RegistrySettings},
    trust::{ImagePattern, TrustRules},
};

/// Largest configuration file that is read, in bytes.
pub(crate) const MAX_FILE_BYTES: u64 = 1 << 20;

/// A checked configuration.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// The file, where there is one.
    pub file: Option<PathBuf>,
    /// What the file says, so that a later complaint can name a place in it.
    pub text: std::sync::Arc<str>,
    /// Digest of the file's bytes, for the inputs of a verdict.
    pub digest: Option<Digest>,
    /// Where bare digests are looked up, in this order.
    pub repositories: Vec<Location>,
    /// How single registries are reached; each host once.
    pub registries: Vec<RegistrySettings>,
    /// Who may say what; nobody by default.
    pub trust: TrustRules,
    /// The trusted roots that have names.
    pub roots: Roots,
    /// What is asked for.
    pub policy: PolicyConfig,
    /// Whether and how images are rebuilt.
    pub rebuild: RebuildConfig,
    /// Bounds, with the defaults where the file says nothing.
    pub limits: Limits,
    /// The admission webhook; `None` without a `gate` section.
    pub gate: Option<GateConfig>,
}

/// What is asked of an image.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PolicyConfig {
    /// Which rules.
    pub selection: PolicySelection,
    /// Data for the rules; an object.
    pub settings: serde_json::Map<String, serde_json::Value>,
    /// Rules that may be broken for some images, for some time.
    pub exceptions: Vec<ExceptionConfig>,
}

/// Which rules are evaluated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicySelection {
    /// Rules that hallmark ships, of [`Preset::names`](crate::policy::bundle::Preset::names).
    pub preset: &'static str,
    /// The operator's own folders, beside them.
    pub bundles: Vec<PathBuf>,
}

impl Default for PolicySelection {
    fn default() -> Self {
        Self { preset: "baseline", bundles: Vec::new() }
    }
}

/// A rule that may be broken, by whom and until when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExceptionConfig {
    /// Code of the rule.
    pub code: String,
    /// Package of the rule, where others give the same code.
    pub package: Option<String>,
    /// Image patterns; never empty.
    pub images: Vec<ImagePattern>,
    /// Why.
    pub reason: String,
    /// Who answers for it.
    pub owner: String,
    /// The last day on which it counts, in UTC.
    pub expires: jiff::civil::Date,
}

/// Whether and how images are rebuilt.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RebuildConfig {
    /// When.
    pub when: RebuildWhen,
    /// With what.
    pub engine: EngineConfig,
    /// Whether a running daemon may be used, whose cache and settings others share.
    pub daemon: Daemon,
    /// Whether a mismatch is built once more, to tell nondeterminism from a different source.
    pub on_mismatch: OnMismatch,
    /// What the steps of a rebuild may reach.
    pub network: StepNetwork,
    /// Frontends besides the built-in one that may read a Dockerfile.
    pub frontends: BTreeSet<Digest>,
    /// Hosts of git and http sources that may lie in private networks.
    pub private_sources: Vec<String>,
    /// Where base images are asked for first.
    pub mirrors: Vec<Mirror>,
    /// A BuildKit to ask, instead of starting one.
    pub address: Option<Address>,
    /// What rebuilds of others are worth.
    pub attested: AttestedConfig,
    /// What may differ all the same.
    pub allow: Vec<AllowConfig>,
}

/// Files of a rebuilt image that may differ, for whose reason and until when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowConfig {
    /// What of them may differ.
    pub class: AllowedClass,
    /// Which files; never empty.
    pub paths: Vec<PathPattern>,
    /// Of which images; never empty.
    pub images: Vec<ImagePattern>,
    /// Why.
    pub reason: String,
    /// Who answers for it.
    pub owner: String,
    /// The last day on which it counts, in UTC.
    pub expires: jiff::civil::Date,
}

/// What the verdicts of trusted rebuilders are worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttestedConfig {
    /// Whether enough of them stand in for an own rebuild.
    pub accept: bool,
    /// How old one may be.
    pub max_age: Duration,
}

impl Default for AttestedConfig {
    fn default() -> Self {
        Self { accept: false, max_age: Duration::from_secs(90 * 24 * 60 * 60) }
    }
}

/// When an image is rebuilt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RebuildWhen {
    /// Where the policy asks for it.
    #[default]
    Policy,
    /// Always.
    Always,
    /// Never; a policy that asks for it then fails.
    Never,
}

/// Which engine rebuilds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EngineConfig {
    /// The one that the provenance names, if it is here.
    #[default]
    Auto,
    /// BuildKit inside a Docker daemon of the job's own.
    Docker,
    /// BuildKit's own daemon.
    Buildkitd,
    /// buildah.
    Buildah,
}

/// Whose daemon builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Daemon {
    /// One of its own for each job.
    #[default]
    Ephemeral,
    /// One that is already there.
    Shared,
}

/// What happens when the rebuilt image differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnMismatch {
    /// Build again and compare the two.
    #[default]
    BuildAgain,
    /// Report at once.
    Report,
}

/// The admission webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateConfig {
    /// Address and port.
    pub listen: SocketAddr,
    /// PEM file of the certificate chain; read again when it changes.
    pub certificate: PathBuf,
    /// PEM file of its private key; read again when it changes.
    pub key: PathBuf,
    /// Namespaces that are let through unseen, by exact name, sorted.
    pub namespaces_exempt: Vec<String>,
    /// Time for one answer; the apiserver's own timeout shortens it.
    pub budget: Duration,
    /// What happens to images that are named by tag.
    pub tags: Tags,
    /// Which platforms of an image are judged: those of the nodes.
    pub platforms: PlatformChoice,
}

impl GateConfig {
    /// What the gate needs to decide.
    pub fn settings(&self, limits: &Limits) -> crate::gate::Settings {
        crate::gate::Settings {
            namespaces_exempt: self.namespaces_exempt.iter().cloned().collect(),
            budget: self.budget,
            tags: self.tags,
            review_bytes: limits.review_bytes,
            patience: crate::gate::Patience::default(),
            rules: String::new(),
        }
    }

    /// What the gate needs to serve.
    pub fn tls_files(&self) -> crate::gate::TlsFiles {
        crate::gate::TlsFiles::new(self.certificate.clone(), self.key.clone())
    }
}

impl Config {
    /// Where the value at a path is in the file, or the innermost value on the way that is there.
    pub fn place(&self, key: &KeyPath) -> Option<Place> {
        let file = self.file.clone()?;
        Some(Place { file, position: error::locate(&self.text, key) })
    }

    /// Reads and checks the file, or gives the default where there is none.
    ///
    /// # Errors
    /// [`ConfigError`]: the file or a file that it names cannot be read, or does not say what can be meant.
    pub fn load(path: Option<&Path>, surroundings: &Surroundings) -> Result<Self, ConfigError> {
        let Some(path) = path else {
            return Ok(Self { roots: Roots::unconfigured(surroundings), ..Self::default() });
        };
        let text = read(path)?;
        file::config(path, &text, surroundings)
    }
}

/// The first of `candidates` that is there. A candidate that is there but cannot be read is not a reason to go on.
pub fn first(candidates: &[PathBuf]) -> Option<&Path> {
    let there = |path: &&PathBuf| !matches!(path.symlink_metadata(), Err(error) if error.kind() == std::io::ErrorKind::NotFound);
    candidates.iter().find(there).map(PathBuf::as_path)
}

/// The trusted roots that can be updated: those of the file, and the embedded ones.
///
/// # Errors
/// As [`Config::load`].
pub fn repositories(
    path: Option<&Path>,
    surroundings: &Surroundings,
) -> Result<Roots, ConfigError> {
    let text = path.map(|path| Ok((path, read(path)?))).transpose()?;
    match text {
        Some((path, text)) => file::updatable(path, &text, surroundings),
        None => Ok(Roots::unconfigured(surroundings)),
    }
}

/// Where a configuration is looked for when none is named: the user's folder, then the machine's. The working directory
/// is deliberately not among them.
pub fn candidates(xdg_config_home: Option<&Path>) -> Vec<PathBuf> {
    let user = xdg_config_home.filter(|folder| folder.is_absolute());
    user.map(|folder| folder.join("hallmark/hallmark.yaml"))
        .into_iter()
        .chain([PathBuf::from("/etc/hallmark/hallmark.yaml")])
        .collect()
}

fn read(path: &Path) -> Result<String, ConfigError> {
    let unreadable = |error| ConfigError::Unreadable { file: path.to_owned(), error };
    let read = crate::scratch::read_file(path, MAX_FILE_BYTES);
    let bytes = read.map_err(|error| match error.kind() {
        std::io::ErrorKind::FileTooLarge => {
            ConfigError::TooLarge { file: path.to_owned(), limit: MAX_FILE_BYTES }
        }
        _ => unreadable(error),
    })?;
    let broken = |error| unreadable(std::io::Error::new(std::io::ErrorKind::InvalidData, error));
    String::from_utf8(bytes).map_err(broken)
}

#[cfg(test)]
mod tests;
