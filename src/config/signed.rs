//! `policy.blueprints`, `policy.approvals` and `policy.exceptionFiles`: what others signed, and who of them counts.
//!
//! Reads each file when the configuration is read. A blueprint that cannot be read, or that nobody signed who has to, stops the start:
//! images would be held against nothing. So do exceptions that are not signed where they have to be, and an approval that is no signed
//! statement; one by somebody else is kept, lifts nothing and is told.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::civil::Date;
use serde::Deserialize;

use super::{
    ConfigError, KeyPath, PolicyConfig,
    error::key,
    form,
    policy::{self, Approvals, RawApprovals, RawBlueprint, RawException},
    reader::{Reader, want},
};
use crate::{
    limits::Limits,
    policy::{Exception, GivenApproval, nearest::did_you_mean},
    scratch::read_file,
    trust::{ApprovedBuild, TrustRules, approved::signed_by, files},
};

/// What the file of a signature has behind the name of what it signs.
const SIGNATURE: &str = ".sigstore.json";
/// Most files of a folder of approvals.
const MAX_FILES: usize = 1000;
/// The preset that holds images against blueprints where there are some.
pub const ASKING: &str = "regulated";
/// The rule that does.
pub const RULE: &str = "blueprint";

/// A file of exceptions, which has them where `hallmark.yaml` has them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignedExceptions {
    policy: OnlyExceptions,
}

/// Its section.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OnlyExceptions {
    exceptions: Vec<RawException>,
}

/// What everything signed is read with.
pub(super) struct Signed<'a> {
    pub(super) reader: &'a Reader<'a>,
    pub(super) trust: &'a TrustRules,
    pub(super) limits: &'a Limits,
}

impl Signed<'_> {
    /// What `policy.blueprints` says.
    pub(super) fn blueprints(
        &self,
        raw: &[RawBlueprint],
        policy: &PolicyConfig,
    ) -> Result<Vec<Arc<ApprovedBuild>>, ConfigError> {
        let presets = policy.presets.iter().map(|choice| choice.preset);
        let mut presets = presets.chain([policy.selection.preset]);
        let asked = policy.selection.rules.contains(&RULE) || presets.any(|name| name == ASKING);
        if !raw.is_empty() && !asked {
            let help = "add rules: [blueprint] beside it: no preset but regulated has that rule";
            let complaint = want("a rule that holds images against them", help);
            return Err(self.reader.refuse(
                key!["policy", "blueprints"],
                "no such rule",
                complaint,
            ));
        }
        raw.iter()
            .enumerate()
            .map(|(index, one)| self.blueprint(index, one).map(Arc::new))
            .collect()
    }

    fn blueprint(&self, index: usize, raw: &RawBlueprint) -> Result<ApprovedBuild, ConfigError> {
        let at = |name: &str| key!["policy", "blueprints", index, name];
        let images = self.reader.images(&at("images"), &raw.images)?;
        self.signers(&at("signers"), &raw.signers)?;
        let path = self.reader.path(&raw.file);
        let refuse = |why: String| {
            let help = "make one with hallmark policy blueprint IMAGE, look at it, and sign it: hallmark sign IMAGE --predicate FILE --type \
                        https://hallmark.dev/blueprint/v0.1 --key KEY --bundle FILE";
            let found = format!("{}: {why}", path.display());
            self.reader.refuse(at("file"), found, want("a signed blueprint", help))
        };
        let bytes = self.bytes(&path).map_err(|error| refuse(error.to_string()))?;
        let read = files::statement(&bytes, self.trust, self.limits);
        let read = read.map_err(|error| refuse(error.to_string()))?;
        let approved = ApprovedBuild::new(images, raw.file.clone(), read, &raw.signers);
        approved.map_err(|error| refuse(error.to_string()))
    }

    /// What `policy.approvals` says.
    pub(super) fn approvals(&self, raw: Option<&RawApprovals>) -> Result<Approvals, ConfigError> {
        let Some(raw) = raw else { return Ok(Approvals::default()) };
        let at = |name: &str| key!["policy", "approvals", name];
        self.signers(&at("signers"), &raw.signers)?;
        let mut approvals = Approvals { given: Vec::new(), signers: raw.signers.clone() };
        if let Some(files) = &raw.files {
            self.reader.not_empty(at("files"), files)?;
        }
        for (index, text) in raw.files.iter().flatten().enumerate() {
            let key = || key!["policy", "approvals", "files", index];
            let refuse = |place: &str, why: &dyn std::fmt::Display| {
                let help = page!(
                    "relative paths start at this file's folder; ",
                    "policy",
                    " says how an approval is made"
                );
                let complaint = want("a signed approval, or a folder of some, *.json", help);
                self.reader.refuse(key(), format!("{place}: {why}"), complaint)
            };
            let path = self.reader.path(text);
            let found = self.found(&path, text).map_err(|error| refuse(text, &error))?;
            for (name, bytes) in found {
                let given = given(&name, &bytes, &approvals.signers, (self.trust, self.limits));
                approvals.given.push(given.map_err(|error| refuse(&name, &error))?);
            }
        }
        Ok(approvals)
    }

    /// Adds what `policy.exceptionFiles` says; where `policy.exceptionSigners` asks for signatures, no entry stands anywhere else.
    pub(super) fn exceptions(
        &self,
        (files, signers): (Option<&[String]>, Option<&[String]>),
        policy: &mut PolicyConfig,
        today: Option<Date>,
    ) -> Result<(), ConfigError> {
        let refuse = |at, found: &str, expected: &str, help: &str| {
            Err(self.reader.refuse(at, found, want(expected, help)))
        };
        let signers = match (files, signers) {
            (None, None) => return Ok(()),
            (Some(_), None) => {
                let help = "name them in policy.exceptionSigners, or write the entries under policy.exceptions";
                let at = key!["policy", "exceptionFiles"];
                return refuse(at, "nobody", "those who may sign exceptions", help);
            }
            (_, Some(signers)) => signers,
        };
        self.signers(&key!["policy", "exceptionSigners"], signers)?;
        if !policy.exceptions.is_empty() {
            let help = "policy.exceptionSigners asks for signatures: move the entries to a file of policy.exceptionFiles, and let it be signed";
            let at = key!["policy", "exceptions"];
            return refuse(at, "entries that nobody signed", "no entry here", help);
        }
        for (index, text) in files.into_iter().flatten().enumerate() {
            let at = || key!["policy", "exceptionFiles", index];
            policy.exceptions.extend(self.signed_exceptions(at, text, signers, today)?);
        }
        Ok(())
    }

    /// The entries of one file, where one of those who may signed it: `FILE.sigstore.json` lies beside it.
    fn signed_exceptions(
        &self,
        at: impl Fn() -> KeyPath,
        text: &str,
        asked: &[String],
        today: Option<Date>,
    ) -> Result<Vec<Vec<Exception>>, ConfigError> {
        let path = self.reader.path(text);
        let mut beside = path.as_os_str().to_owned();
        beside.push(SIGNATURE);
        let beside = PathBuf::from(beside);
        let refuse = |place: &Path, why: &dyn std::fmt::Display| {
            let help = format!(
                "cosign sign-blob --key KEY --bundle {} {}",
                beside.display(),
                path.display()
            );
            let expected = format!("exceptions that {} signed", asked.join(" or "));
            self.reader.refuse(at(), format!("{}: {why}", place.display()), want(expected, help))
        };
        let bytes = self.bytes(&path).map_err(|error| refuse(&path, &error))?;
        let signature = self.bytes(&beside).map_err(|error| refuse(&beside, &error))?;
        let found = files::signers(&bytes, &signature, self.trust, self.limits);
        let found = found.map_err(|error| refuse(&beside, &error))?;
        if !found.iter().any(|name| asked.contains(name)) {
            return Err(refuse(&beside, &signed_by(&found, asked)));
        }
        let content = String::from_utf8(bytes).map_err(|error| refuse(&path, &error))?;
        let read: SignedExceptions = form::read(&path, &content)?;
        let reader = Reader { file: &path, text: &content, files: self.reader.files };
        policy::exceptions(&reader, &read.policy.exceptions, today)
    }

    /// The approvals of a file, or of a folder, by the name that reports have for each.
    fn found(&self, path: &Path, text: &str) -> io::Result<Vec<(String, Vec<u8>)>> {
        if !self.reader.files.has_folder(path) {
            return Ok(vec![(text.to_owned(), self.bytes(path)?)]);
        }
        let most = self.limits.attestation_bytes as u64;
        let read = self.reader.files.folder(path, most, || in_folder(path, most))?;
        let named = |(name, content): (String, String)| {
            (format!("{}/{name}", text.trim_end_matches('/')), content.into_bytes())
        };
        Ok(read.into_iter().map(named).collect())
    }

    fn bytes(&self, path: &Path) -> io::Result<Vec<u8>> {
        let most = self.limits.attestation_bytes as u64;
        self.reader.files.file(path, most, || read_file(path, most))
    }

    /// Who has to have signed is somebody who can.
    fn signers(&self, at: &KeyPath, asked: &[String]) -> Result<(), ConfigError> {
        self.reader.not_empty(at.clone(), asked)?;
        let known = || self.trust.signers().keys().map(String::as_str);
        let is_unknown = |name: &&String| !self.trust.signers().contains_key(name.as_str());
        let Some(name) = asked.iter().find(is_unknown) else { return Ok(()) };
        let meant = did_you_mean(name, known());
        let help = format!("{meant}signers are {}", known().collect::<Vec<_>>().join(", "));
        let complaint = want("names of signers of trust.signers", help);
        Err(self.reader.refuse(at.clone(), name, complaint))
    }
}

/// The files of a folder whose names end in `.json`, sorted; what begins with a dot is passed over.
fn in_folder(folder: &Path, most: u64) -> io::Result<Vec<(String, String)>> {
    let mut paths: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        if name.ends_with(b".json") && !name.starts_with(b".") {
            paths.push(path);
        }
        if paths.len() > MAX_FILES {
            let why = format!("it holds more than {MAX_FILES} files");
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
    }
    paths.sort();
    let read = |path: PathBuf| {
        let text = String::from_utf8(read_file(&path, most)?);
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let text = text.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        Ok((name, text))
    };
    paths.into_iter().map(read).collect()
}

/// An approval as it lies in a file; by somebody who may not approve it lifts nothing.
///
/// # Errors
/// It is no signed statement.
pub fn given(
    name: &str,
    bytes: &[u8],
    asked: &[String],
    (trust, limits): (&TrustRules, &Limits),
) -> Result<GivenApproval, files::StatementFileError> {
    let read = files::statement(bytes, trust, limits)?;
    Ok(GivenApproval::of(name.to_owned(), &read, asked))
}
