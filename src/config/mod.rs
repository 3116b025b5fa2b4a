//! `hallmark.yaml`: what the operator trusts, asks for and allows.
//!
//! Turns the file into the values that others work with. Each section has one file, with its form as written (`Raw`), the
//! checks and the value; [`file`] puts them together, [`reader`] has the checks that several make. A complaint names line,
//! column and key. Relative paths are relative to the file's folder. Without a file nobody is trusted and
//! the preset `baseline` is asked for. A file is read only where the operator named it or from the two fixed folders of
//! [`candidates`]: never from the working directory, which may be the artifact's (attack B6, CVE-2023-32076).

mod apiserver;
pub mod cluster_image_policy;
mod contents;
mod error;
pub mod export;
mod file;
mod folder;
mod form;
mod gate;
mod identity;
pub mod import;
mod limits;
mod policy;
mod presets;
mod reader;
mod rebuild;
mod registries;
mod repositories;
mod settings;
mod signed;
mod trust;
mod units;
mod vulnerabilities;
mod written;

use std::path::{Path, PathBuf};

pub use apiserver::ApiserverConfig;
pub use error::{ConfigError, KeyPath, Place, Step};
pub use folder::{FolderError, Signatures, bundle, is_archive};
pub use gate::GateConfig;
pub(crate) use gate::LISTEN;
pub use policy::{Approvals, PolicyConfig, PolicySelection};
pub use presets::PresetChoice;
pub use signed::{ASKING, RULE, given};
pub use trust::roots::{self, InForce, Roots, Surroundings};
pub use written::{Written, defaults, documented};

use crate::{
    digest::{DiffId, Digest},
    limits::Limits,
    reference::Location,
    saved::Access,
    source::RegistrySettings,
    trust::TrustRules,
    verify::RebuildOptions,
    vulnerabilities::database::Database,
};

/// Largest configuration file that is read, in bytes.
pub(crate) const MAX_FILE_BYTES: u64 = 1 << 20;

/// A checked configuration, in the values that others work with.
#[derive(Debug, Clone)]
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
    /// Known bases, by the digests of their uncompressed layers.
    pub bases: Vec<Vec<DiffId>>,
    /// Whether and how images are rebuilt; what the environment says of proxies is not in it.
    pub rebuild: RebuildOptions,
    /// Bounds, with the defaults where the file says nothing.
    pub limits: Limits,
    /// What is known of vulnerabilities.
    pub vulnerabilities: Option<Database>,
    /// The admission webhook; `None` without a `gate` section.
    pub gate: Option<GateConfig>,
    /// Where its files come from.
    pub files: Access,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            file: None,
            text: "".into(),
            digest: None,
            repositories: Vec::new(),
            registries: Vec::new(),
            trust: TrustRules::default(),
            roots: Roots::default(),
            policy: PolicyConfig::default(),
            bases: Vec::new(),
            rebuild: rebuild::unsaid(),
            limits: Limits::default(),
            vulnerabilities: None,
            gate: None,
            files: Access::Live,
        }
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
            let (roots, files) = (Roots::unconfigured(surroundings), surroundings.files.clone());
            return Ok(Self { roots, files, ..Self::default() });
        };
        let text = read(path, &surroundings.files)?;
        file::config(path, &text, surroundings)
    }

    /// Checks a text that stands for the file at `path`.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn of_text(
        path: &Path,
        text: &str,
        surroundings: &Surroundings,
    ) -> Result<Self, ConfigError> {
        file::config(path, text, surroundings)
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
    let text = path.map(|path| Ok((path, read(path, &surroundings.files)?))).transpose()?;
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

fn read(path: &Path, files: &Access) -> Result<String, ConfigError> {
    let unreadable = |error| ConfigError::Unreadable { file: path.to_owned(), error };
    let read = || crate::scratch::read_file(path, MAX_FILE_BYTES);
    let read = files.file(path, MAX_FILE_BYTES, read);
    let bytes = read.map_err(|error| match error.kind() {
        std::io::ErrorKind::FileTooLarge => {
            ConfigError::TooLarge { file: path.to_owned(), limit: MAX_FILE_BYTES }
        }
        _ => unreadable(error),
    })?;
    if let Some(what) = crate::scratch::seen(&bytes) {
        return Err(ConfigError::Other { file: path.to_owned(), what });
    }
    let broken = |error| unreadable(std::io::Error::new(std::io::ErrorKind::InvalidData, error));
    let text = std::str::from_utf8(crate::untrusted::unmarked(&bytes)).map_err(broken)?;
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests;
