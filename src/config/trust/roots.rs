//! Trusted roots: the embedded ones, what `hallmark trust update` fetched, files, and authorities of one's own.
//!
//! What was fetched is metadata that is verified again here, from the initial root; it counts where it is of a later date
//! than the embedded root. A file that is there and cannot be believed stops a run that needs its root: to fall back on
//! an older root in silence would be what an attacker wants. A root that nobody names is not read at all.

use std::{
    collections::BTreeMap,
    io::Read as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use jiff::Timestamp;

use schemars::JsonSchema;
use serde::Deserialize;

use super::Raw as Section;
use crate::{
    config::{
        ConfigError, KeyPath,
        error::key,
        reader::{Reader, want},
        units,
    },
    limits::Limits,
    saved::Access,
    trust::{
        RootAge,
        sigstore::{
            PrivateRoot, TrustedRoot,
            tuf::{self, Cache, Current},
        },
    },
};

/// One root as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Raw {
    name: String,
    ca: Option<String>,
    intermediates: Option<String>,
    #[serde(default)]
    log_keys: Vec<String>,
    #[serde(default)]
    ct_log_keys: Vec<String>,
    #[serde(default)]
    timestamp_authorities: Vec<String>,
    tuf: Option<RawTuf>,
}

/// `tuf` of a root as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RawTuf {
    url: String,
    root: String,
}

/// What is around a configuration: only the command line knows.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// Where fetched roots are kept where the file says nothing; nothing that was fetched is read without it.
    pub root_folder: Option<PathBuf>,
    /// What time it is; nothing that was fetched is read without it.
    pub now: Option<Timestamp>,
    /// Where the files come from that the configuration consists of.
    pub files: Access,
}

/// A repository that `hallmark trust update` asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// What `root` in `hallmark.yaml` calls it.
    pub name: String,
    /// Where it is.
    pub url: String,
    /// The root from which trust in it begins.
    pub initial: Vec<u8>,
}

/// The trusted roots that have names.
#[derive(Debug, Clone, Default)]
pub struct Roots {
    /// Where fetched roots are kept.
    pub folder: Option<PathBuf>,
    /// What can be updated, the embedded ones first.
    pub repositories: Vec<Repository>,
    /// How old they may be.
    pub age: RootAge,
    /// What time it is, for what was fetched.
    now: Option<Timestamp>,
    files: Access,
    /// What was read already, by name: files in PEM from the beginning, the others when they are asked for.
    read: Arc<Mutex<BTreeMap<String, Option<InForce>>>>,
}

/// A trusted root that is in force.
#[derive(Debug, Clone)]
pub struct InForce {
    /// The root.
    pub root: Arc<TrustedRoot>,
    /// Where it comes from.
    pub from: From,
}

/// Where a trusted root comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum From {
    /// From this program.
    Embedded,
    /// From a repository, asked at the date of the root.
    Fetched {
        /// Where it is kept.
        file: PathBuf,
        /// When the repository wants to be asked again.
        expires: Timestamp,
        /// Version of the repository's own root.
        root_version: u64,
    },
    /// From files in PEM.
    Files,
}

/// The file in which the root of a repository is kept. Names are made of letters, digits and hyphens.
pub fn kept_in(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.json"))
}

/// What was kept of a repository; `None` where nothing was.
///
/// # Errors
/// Why it cannot be read or believed.
pub fn kept(
    folder: &Path,
    repository: &Repository,
    now: Timestamp,
    limits: &Limits,
) -> Result<Option<(Cache, Current)>, String> {
    kept_among(&Access::Live, folder, repository, now, limits)
}

fn kept_among(
    files: &Access,
    folder: &Path,
    repository: &Repository,
    now: Timestamp,
    limits: &Limits,
) -> Result<Option<(Cache, Current)>, String> {
    let path = kept_in(folder, &repository.name);
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let limit = u64::try_from(tuf::MAX_CACHE_BYTES).unwrap_or(u64::MAX);
    let read = files.file(&path, limit, || {
        let mut bytes = Vec::new();
        let file = crate::scratch::open_file(&path)?;
        file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
        Ok(bytes)
    });
    let bytes = match read {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(&error)),
    };
    let cache = Cache::parse(&bytes).map_err(|error| failed(&error))?;
    let current = cache.verify(&repository.initial, now, limits).map_err(|error| failed(&error))?;
    Ok(Some((cache, current)))
}

impl Roots {
    /// Those that are there without any configuration.
    pub fn unconfigured(surroundings: &Surroundings) -> Self {
        Self {
            folder: surroundings.root_folder.clone(),
            repositories: tuf::KNOWN.iter().map(Repository::from).collect(),
            now: surroundings.now,
            files: surroundings.files.clone(),
            ..Self::default()
        }
    }

    /// The root of this name that is in force; `None` where no root has it, and where its repository was never asked.
    ///
    /// # Errors
    /// Why what was fetched cannot be read or believed.
    pub fn in_force(&self, name: &str) -> Result<Option<InForce>, String> {
        // Nothing panics while it is held, and what is in it stays right.
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = read.get(name) {
            return Ok(found.clone());
        }
        let repository = self.repositories.iter().find(|repository| repository.name == name);
        let Some(repository) = repository else { return Ok(None) };
        let found = self.current(repository)?;
        read.insert(name.to_owned(), found.clone());
        Ok(found)
    }

    /// All that are in force, by name.
    ///
    /// # Errors
    /// [`ConfigError::Fetched`], as [`Roots::in_force`].
    pub fn all(&self) -> Result<BTreeMap<String, InForce>, ConfigError> {
        for repository in &self.repositories {
            self.in_force(&repository.name).map_err(ConfigError::Fetched)?;
        }
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let there =
            |(name, found): (&String, &Option<InForce>)| Some((name.clone(), found.clone()?));
        Ok(read.iter().filter_map(there).collect())
    }

    fn hold(&self, name: &str, root: InForce) {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.insert(name.to_owned(), Some(root));
    }

    fn is_taken(&self, name: &str) -> bool {
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.contains_key(name)
            || self.repositories.iter().any(|repository| repository.name == name)
    }

    /// The later one of the embedded and the fetched root.
    fn current(&self, repository: &Repository) -> Result<Option<InForce>, String> {
        let limits = Limits::default();
        let embedded = match repository.name.as_str() {
            "public-good" => Some(TrustedRoot::public_good(&limits)),
            "github" => Some(TrustedRoot::github(&limits)),
            _ => None,
        };
        let embedded = embedded.transpose().map_err(|error| error.to_string())?;
        let fetched = match (&self.folder, self.now) {
            (Some(folder), Some(now)) => kept_among(&self.files, folder, repository, now, &limits)?
                .map(|(_, current)| (folder, current)),
            _ => None,
        };
        let since = embedded.as_ref().and_then(|root| root.date()).map(|dated| dated.as_of);
        if let Some((folder, current)) = fetched
            && since.is_none_or(|since| current.as_of > since)
        {
            let file = kept_in(folder, &repository.name);
            let root = TrustedRoot::from_json(&current.trusted_root, &limits)
                .map_err(|error| format!("{}: {error}", file.display()))?
                .dated(repository.name.as_str(), current.as_of);
            let (expires, root_version) = (current.expires, current.root_version);
            let from = From::Fetched { file, expires, root_version };
            return Ok(Some(InForce { root: Arc::new(root), from }));
        }
        Ok(embedded.map(|root| InForce { root: Arc::new(root), from: From::Embedded }))
    }

    /// The root that `text` means: a name, or the file of a `trusted_root.json`.
    pub(super) fn find(
        &self,
        reader: &Reader<'_>,
        at: KeyPath,
        text: &str,
    ) -> Result<Arc<TrustedRoot>, ConfigError> {
        let found = self.in_force(text).map_err(|found| {
            let help = format!("hallmark trust update {text} --reset forgets it and begins again");
            reader.refuse(at.clone(), found, want("a fetched root that verifies", help))
        })?;
        if let Some(found) = found {
            return Ok(found.root);
        }
        if self.repositories.iter().any(|repository| repository.name == text) {
            let help = format!("run hallmark trust update {text} first");
            let complaint = want("a root that was fetched", help);
            return Err(reader.refuse(at, format!("{text}: never fetched"), complaint));
        }
        let (_, bytes) = reader.file(at.clone(), text)?;
        TrustedRoot::from_json(&bytes, &Limits::default()).map(Arc::new).map_err(|error| {
            let help = "cosign trusted-root create and TUF repositories write this form";
            let expected = "public-good, github, a name under trust.roots, or a trusted_root.json";
            reader.refuse(at, format!("{text}: {error}"), want(expected, help))
        })
    }
}

impl std::convert::From<&tuf::Known> for Repository {
    fn from(known: &tuf::Known) -> Self {
        Self {
            name: known.name.to_owned(),
            url: known.url.to_owned(),
            initial: known.root.to_vec(),
        }
    }
}

/// What the `trust` section says about roots.
pub(in crate::config) fn roots(
    reader: &Reader<'_>,
    raw: &Section,
    surroundings: &Surroundings,
) -> Result<Roots, ConfigError> {
    let folder = raw.root_folder.as_deref().map(|text| reader.path(text));
    let surroundings = Surroundings {
        root_folder: folder.or_else(|| surroundings.root_folder.clone()),
        ..surroundings.clone()
    };
    let mut roots = Roots::unconfigured(&surroundings);
    roots.age = age(reader, raw)?;
    for (index, root) in raw.roots.iter().enumerate() {
        if roots.is_taken(&root.name) || !is_name(&root.name) {
            let help = "lower-case letters, digits and hyphens; public-good and github are taken";
            let at = key!["trust", "roots", index, "name"];
            return Err(reader.refuse(at, &root.name, want("a name of its own", help)));
        }
        match &root.tuf {
            Some(tuf) => roots.repositories.push(repository(reader, index, root, tuf)?),
            None => roots.hold(&root.name, files(reader, index, root)?),
        }
    }
    Ok(roots)
}

/// What can be updated, whether or not signers can be read yet.
pub(in crate::config) fn repositories(
    reader: &Reader<'_>,
    raw: &Section,
    surroundings: &Surroundings,
) -> Result<Roots, ConfigError> {
    let folder = raw.root_folder.as_deref().map(|text| reader.path(text));
    let mut roots = Roots {
        folder: folder.or_else(|| surroundings.root_folder.clone()),
        repositories: tuf::KNOWN.iter().map(Repository::from).collect(),
        age: age(reader, raw)?,
        ..Roots::default()
    };
    for (index, root) in raw.roots.iter().enumerate() {
        if let Some(tuf) = &root.tuf {
            roots.repositories.push(repository(reader, index, root, tuf)?);
        }
    }
    Ok(roots)
}

fn is_name(text: &str) -> bool {
    const LONGEST: usize = 64;
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=LONGEST).contains(&text.len()) && text.bytes().all(allowed)
}

fn age(reader: &Reader<'_>, raw: &Section) -> Result<RootAge, ConfigError> {
    let default = RootAge::default();
    let days = |name: &'static str, text: &Option<String>, default: u32| match text {
        None => Ok(default),
        Some(text) => units::days(text).ok_or_else(|| {
            let help = "leave the key out for the default";
            reader.refuse(key!["trust", name], text, want(units::DAYS, help))
        }),
    };
    let max_days = days("maxRootAge", &raw.max_root_age, default.max_days)?;
    let warn_days = days("warnRootAge", &raw.warn_root_age, default.warn_days.min(max_days))?;
    if warn_days > max_days {
        let help = "a warning after the end would never be seen";
        let complaint = want(format!("at most maxRootAge, {max_days}d"), help);
        return Err(reader.refuse(
            key!["trust", "warnRootAge"],
            format!("{warn_days}d"),
            complaint,
        ));
    }
    Ok(RootAge { warn_days, max_days })
}

fn repository(
    reader: &Reader<'_>,
    index: usize,
    raw: &Raw,
    tuf: &RawTuf,
) -> Result<Repository, ConfigError> {
    let at = |name: &'static str| key!["trust", "roots", index, "tuf", name];
    let others = raw.ca.is_some()
        || raw.intermediates.is_some()
        || !(raw.log_keys.is_empty()
            && raw.ct_log_keys.is_empty()
            && raw.timestamp_authorities.is_empty());
    if others || !is_name(&raw.name) {
        let help = "what the repository lists is all that counts; names have a-z, 0-9 and -";
        let complaint = want("name and tuf alone", help);
        return Err(reader.refuse(key!["trust", "roots", index], &raw.name, complaint));
    }
    let (_, initial) = reader.file(at("root"), &tuf.root)?;
    let begun = tuf::Update::begin(&initial, None, Timestamp::MIN, &Limits::default());
    if let Err(error) = begun {
        let help = "get it from whoever runs the repository, not from the repository";
        let complaint = want("a root.json of TUF", help);
        return Err(reader.refuse(at("root"), format!("{}: {error}", tuf.root), complaint));
    }
    Ok(Repository { name: raw.name.clone(), url: tuf.url.clone(), initial })
}

/// A root of PEM files.
fn files(reader: &Reader<'_>, index: usize, raw: &Raw) -> Result<InForce, ConfigError> {
    let at = |name: &'static str| key!["trust", "roots", index, name];
    let one = |name: &'static str, text: &Option<String>| {
        let read = text.as_ref().map(|text| reader.file(at(name), text).map(|(_, bytes)| bytes));
        read.transpose().map(Option::unwrap_or_default)
    };
    let all = |name: &'static str, list: &[String]| {
        let read = list.iter().enumerate().map(|(position, text)| {
            let at = key!["trust", "roots", index, name, position];
            reader.file(at, text).map(|(_, bytes)| bytes)
        });
        read.collect::<Result<Vec<_>, _>>()
    };
    let (roots, intermediates) = (one("ca", &raw.ca)?, one("intermediates", &raw.intermediates)?);
    let log_keys = all("logKeys", &raw.log_keys)?.join(&b'\n');
    let ct_log_keys = all("ctLogKeys", &raw.ct_log_keys)?.join(&b'\n');
    let timestamping = all("timestampAuthorities", &raw.timestamp_authorities)?;
    let files = PrivateRoot {
        roots: &roots,
        intermediates: &intermediates,
        log_keys: &log_keys,
        ct_log_keys: &ct_log_keys,
        timestamping: &timestamping,
    };
    let read = TrustedRoot::from_pem(&files);
    read.map(|root| InForce { root: Arc::new(root), from: From::Files }).map_err(|error| {
        let help = "ca, intermediates and timestampAuthorities hold certificates, logKeys and ctLogKeys public keys";
        let at = key!["trust", "roots", index];
        reader.refuse(at, format!("{}: {error}", raw.name), want("files in PEM", help))
    })
}
