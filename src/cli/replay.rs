//! `verify --save DIR`, `--from DIR` and `--as-of DATE`: a verification that can be made again, and one of another time.
//!
//! Turns the options into how a call reaches the world ([`Access`]), the time that it judges by, and its configuration. A folder of saved
//! evidence is somebody's word (attack I12). By itself it gives bytes under digests: trust, rules, options and time are the operator's
//! own. With the digest of its record it is the folder that the operator saved: its time, rebuilds and histories count as well. With
//! `--with-saved-configuration` whoever made it decides, and the verdict is his.

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Failure,
    args::{Bundles, Certificate, Global, Lookup, SavedEvidence, Verify, Vouch},
    bundles, context,
    files::Operand,
    saved_folder::Folder,
    vouch,
};
use crate::{
    config::{Config, Surroundings},
    limits::Limits,
    saved::{Access, Belief, RECORD, Saved, SavedError, Saver},
    verdict::Verdict,
    verify::World,
};

/// How one call verifies.
pub(super) struct Call {
    /// Its options: those of the command line, or the saved ones.
    pub args: Verify,
    /// Its configuration, where it is read already.
    pub config: Option<Config>,
    /// How it reaches the world.
    pub access: Access,
    /// The time that it judges by, where that is not the clock's of each image.
    time: Option<Timestamp>,
    /// Whether that is another time than now's.
    other_time: bool,
}

impl Call {
    /// Reads what the options say. What is wrong with a folder is known before anything is asked of the world.
    pub(super) fn begin(args: &Verify, global: &Global) -> Result<Self, Failure> {
        let SavedEvidence { save, from, with_saved_configuration, as_of } = &args.saved;
        let live = Self {
            args: args.clone(),
            config: None,
            access: Access::Live,
            time: *as_of,
            other_time: as_of.is_some(),
        };
        match (save, from) {
            (Some(folder), _) => {
                let now = Timestamp::now();
                let saver = Saver::begin(folder, now).map_err(|e| of_folder("--save", &e))?;
                let time = as_of.unwrap_or(now);
                Ok(Self { access: Access::Saving(Arc::new(saver)), time: Some(time), ..live })
            }
            (None, Some(_)) if *with_saved_configuration && global.config.is_some() => {
                Err(Failure::usage("--with-saved-configuration cannot be used with --config"))
            }
            (None, Some(folder)) if *with_saved_configuration => live.all_of(folder),
            (None, Some(folder)) => live.evidence_of(folder, context::configuration(global)?),
            (None, None) => Ok(live),
        }
    }

    /// By the operator's own configuration.
    fn evidence_of(self, folder: &Folder, config: Config) -> Result<Self, Failure> {
        let belief = folder.digest.clone().map_or(Belief::Nothing, Belief::Named);
        let saved = opened(folder, &belief, &config.limits)?;
        let call = Self { config: Some(config), ..self };
        Ok(match saved.is_believed() {
            true => call.at_its_time(saved),
            false => Self { access: Access::Saved(saved), ..call },
        })
    }

    /// By the configuration and the options in the folder.
    fn all_of(self, folder: &Folder) -> Result<Self, Failure> {
        let belief = folder.digest.clone().map_or(Belief::Whole, Belief::Named);
        let saved = opened(folder, &belief, &Limits::default())?;
        let call = self.at_its_time(Arc::clone(&saved));
        let configuration = &saved.record().configuration;
        let options: Options = serde_json::from_value(configuration.options.clone())
            .map_err(|error| of_folder("--from", &format!("its options: {error}")))?;
        let surroundings = Surroundings {
            root_folder: configuration.root_folder.as_ref().map(PathBuf::from),
            now: Some(saved.record().saved),
            files: call.access.clone(),
        };
        let file = configuration.file.as_ref().map(Path::new);
        let config = Config::load(file, &surroundings);
        let config = config.map_err(|error| of_folder("--with-saved-configuration", &error))?;
        Ok(Self { args: options.over(call.args)?, config: Some(config), ..call })
    }

    /// At the time that was judged by, where nobody says another one.
    fn at_its_time(self, saved: Arc<Saved>) -> Self {
        let (time, other_time) = match self.args.saved.as_of {
            Some(time) => (time, true),
            None => (saved.record().time, saved.record().as_of),
        };
        Self { access: Access::Saved(saved), time: Some(time), other_time, ..self }
    }

    /// The time that an image is judged by.
    pub(super) fn now(&self) -> Timestamp {
        self.time.unwrap_or_else(Timestamp::now)
    }

    /// The verdict, which says so where it is that of another time.
    pub(super) fn told(&self, verdict: Verdict) -> Verdict {
        if self.other_time { verdict.of_another_time() } else { verdict }
    }

    /// Says whose word this verification rests on.
    pub(super) fn introduce(&self, world: &World) {
        let Access::Saved(saved) = &self.access else { return };
        let folder = saved.path().display();
        if self.args.saved.with_saved_configuration {
            world.sink.line(&format!(
                "judged by the configuration in {folder}: whoever made that folder decides what passes"
            ));
        } else if !saved.is_believed() {
            world.sink.line(&format!(
                "judged by your own configuration, at this time; rebuilds and histories in {folder} count for nothing without its digest"
            ));
        }
    }

    /// Keeps what is judged by: all that a verification on another machine needs. Nothing is kept that says how this machine reaches
    /// registries and builders.
    pub(super) fn keep_configuration(&self, config: &Config) -> Result<(), Failure> {
        let Some(saver) = self.access.saver() else { return Ok(()) };
        let failed = |error: &dyn std::fmt::Display| of_folder("--save", error);
        let surroundings = Surroundings {
            files: self.access.clone(),
            now: Some(saver.begun()),
            ..context::surroundings()
        };
        let root_folder =
            surroundings.root_folder.as_ref().map(|folder| folder.display().to_string());
        let file = config.file.as_deref().map(text).transpose()?;
        let again = match &file {
            Some(file) => {
                let told = shareable(&config.text)?;
                saver.file(file, Some(told.as_bytes())).map_err(|error| failed(&error))?;
                Config::of_text(Path::new(file), &told, &surroundings)
            }
            None => Config::load(None, &surroundings),
        };
        // It is read again as it will be: what is kept is what that takes.
        let again = again.map_err(|error| failed(&error))?;
        let Verify { vouch: vouched, policy, bundles: handed, .. } = &self.args;
        vouch::trust(&again, Some(vouched))?;
        context::bundle(&again, policy.as_deref())?;
        bundles::read(&handed.bundle, &again.limits, &self.access)?;
        let options = serde_json::to_value(Options::of(&self.args)?);
        saver.judged_by(options.map_err(|error| failed(&error))?, file, root_folder);
        Ok(())
    }

    /// Writes the record, where evidence is saved, and gives what is to be said of it: its digest stands nowhere else.
    pub(super) fn finish(&self, world: &World) -> Result<Option<String>, Failure> {
        let Some(saver) = self.access.saver() else { return Ok(None) };
        let digest = saver.finish(self.now(), self.other_time, &world.limits);
        let digest = digest.map_err(|error| of_folder("--save", &error))?;
        let folder = saver.path().display();
        Ok(Some(format!("saved; verify it again with --from {folder}@{digest}")))
    }
}

/// `--from`.
const FROM: Operand = Operand {
    option: "--from ",
    form: "it takes a folder that hallmark verify --save DIR IMAGE wrote, as DIR or DIR@DIGEST",
};

fn opened(folder: &Folder, belief: &Belief, limits: &Limits) -> Result<Arc<Saved>, Failure> {
    FROM.folder(&folder.path)?;
    let saved = Saved::open(&folder.path, belief, limits);
    saved.map(Arc::new).map_err(|error| match error {
        SavedError::Io { error, .. } if error.kind() == ErrorKind::NotFound => {
            FROM.unusable(&folder.path, &format!("it has no {RECORD}"))
        }
        error => of_folder("--from", &error),
    })
}

fn of_folder(option: &str, error: &dyn std::fmt::Display) -> Failure {
    Failure::of_operator(&format!("{option}: {error}"))
}

fn text(path: &Path) -> Result<String, Failure> {
    let text = path.to_str().map(ToOwned::to_owned);
    text.ok_or_else(|| of_folder("--save", &format!("{} is no UTF-8", path.display())))
}

/// Sections that say how registries, builders and clusters are reached, and nothing of what passes.
const PRIVATE: [&str; 2] = ["registries", "gate"];
/// Such keys of `rebuild`.
const PRIVATE_OF_REBUILD: [&str; 5] =
    ["address", "tls", "mirrors", "privateSources", "sharedDaemon"];

/// A configuration without what is nobody else's business.
fn shareable(text: &str) -> Result<String, Failure> {
    let failed = |error: &dyn std::fmt::Display| of_folder("--save", error);
    let document: serde_json::Value = yaml_serde::from_str(text).map_err(|e| failed(&e))?;
    let mut document = document;
    if let Some(sections) = document.as_object_mut() {
        PRIVATE.iter().for_each(|name| drop(sections.remove(*name)));
        if let Some(rebuild) = sections.get_mut("rebuild").and_then(|value| value.as_object_mut()) {
            PRIVATE_OF_REBUILD.iter().for_each(|name| drop(rebuild.remove(*name)));
        }
    }
    if let Some(url) = with_password(&document) {
        return Err(failed(&format!(
            "hallmark.yaml has a URL of {url} with a password in it, which is never saved; take it out"
        )));
    }
    // JSON is YAML.
    Ok(format!("{document:#}\n"))
}

/// The host of a URL that has a password in it.
fn with_password(value: &serde_json::Value) -> Option<String> {
    use serde_json::Value;
    match value {
        Value::String(text) => {
            let url = url::Url::parse(text).ok().filter(|url| url.password().is_some());
            url.map(|url| url.host_str().unwrap_or("no host").to_owned())
        }
        Value::Array(items) => items.iter().find_map(with_password),
        Value::Object(members) => members.values().find_map(with_password),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

/// The options that decide, as the record has them.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Options {
    policy: Option<String>,
    keys: Vec<PathBuf>,
    certificate_identity: Option<String>,
    certificate_identity_regexp: Option<String>,
    certificate_oidc_issuer: Option<String>,
    certificate_oidc_issuer_regexp: Option<String>,
    trusted_root: Option<PathBuf>,
    no_ct_log: bool,
    bundles: Vec<PathBuf>,
    platform: Option<String>,
    rebuild: bool,
    no_rebuild: bool,
    repositories: Vec<String>,
}

impl Options {
    fn of(args: &Verify) -> Result<Self, Failure> {
        let Verify { policy, vouch: Vouch { key, certificate }, bundles, lookup, .. } = args;
        // A name that a digest is looked up by is parsed again.
        let repositories = lookup.repository.iter().map(ToString::to_string).collect();
        let mut paths = key.iter().chain(&certificate.trusted_root).chain(&bundles.bundle);
        paths.try_for_each(|path| text(path).map(drop))?;
        Ok(Self {
            policy: policy.clone(),
            keys: key.clone(),
            certificate_identity: certificate.certificate_identity.clone(),
            certificate_identity_regexp: certificate.certificate_identity_regexp.clone(),
            certificate_oidc_issuer: certificate.certificate_oidc_issuer.clone(),
            certificate_oidc_issuer_regexp: certificate.certificate_oidc_issuer_regexp.clone(),
            trusted_root: certificate.trusted_root.clone(),
            no_ct_log: certificate.no_ct_log,
            bundles: bundles.bundle.clone(),
            platform: args.platform.as_ref().map(ToString::to_string),
            rebuild: args.rebuild,
            no_rebuild: args.no_rebuild,
            repositories,
        })
    }

    /// A call with these options, and the command line's images and reports.
    fn over(self, args: Verify) -> Result<Verify, Failure> {
        let wrong = |error: &dyn std::fmt::Display| of_folder("--with-saved-configuration", error);
        let platform = self.platform.map(|text| text.parse()).transpose();
        let repositories = self.repositories.iter().map(|text| super::args::repository(text));
        let certificate = Certificate {
            certificate_identity: self.certificate_identity,
            certificate_identity_regexp: self.certificate_identity_regexp,
            certificate_oidc_issuer: self.certificate_oidc_issuer,
            certificate_oidc_issuer_regexp: self.certificate_oidc_issuer_regexp,
            trusted_root: self.trusted_root,
            no_ct_log: self.no_ct_log,
        };
        Ok(Verify {
            policy: self.policy,
            vouch: Vouch { key: self.keys, certificate },
            bundles: Bundles { bundle: self.bundles },
            lookup: Lookup {
                repository: repositories.collect::<Result<_, _>>().map_err(|e| wrong(&e))?,
            },
            platform: platform.map_err(|error| wrong(&error))?,
            rebuild: self.rebuild,
            no_rebuild: self.no_rebuild,
            ..args
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i12_no_secret_of_a_configuration_is_kept() {
        let text = "version: 1\n# the old password was hunter2\nregistries: [{host: r.example, ca: ca.pem}]\n\
             gate: {key: tls.key}\nrebuild: {twice: false, address: tcp://b.example:1, tls: {key: k}}\n\
             policy: {preset: signed}\n";
        let kept = shareable(text).unwrap();
        for gone in ["hunter2", "ca.pem", "tls.key", "b.example"] {
            assert!(!kept.contains(gone), "{gone}: {kept}");
        }
        let read: serde_json::Value = yaml_serde::from_str(&kept).unwrap();
        let wanted = serde_json::json!({
            "version": 1, "rebuild": { "twice": false }, "policy": { "preset": "signed" },
        });
        assert_eq!(read, wanted);
        let with =
            "version: 1\ntrust: {sources: [{repository: \"https://me:hunter2@git.example/x\"}]}\n";
        let why = shareable(with).unwrap_err().to_string();
        assert!(why.contains("git.example") && !why.contains("hunter2"), "{why}");
    }
}
