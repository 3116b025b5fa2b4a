//! From the form as written to values that can be meant.
//!
//! Each function takes one section. Whatever is empty, contradicts itself, names something that is not there or would
//! weaken a check in silence is refused here, with its place in the file.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::{civil::Date, tz::TimeZone};
use rustls::pki_types::{CertificateDer, pem::PemObject};

use super::{
    AttestedConfig, Config, ConfigError, Daemon, EngineConfig, ExceptionConfig, GateConfig,
    KeyPath, OnMismatch, Place, PolicyConfig, PolicySelection, RebuildConfig, RebuildWhen, Step,
    bounds::{self, Refused},
    error::key,
    raw,
    reader::{Reader, one_of, want},
    roots::{self, Roots, Surroundings},
    units,
};
use crate::{
    digest::Digest,
    engine::{self, grpc},
    gate::Tags,
    image::Platform,
    json::{numbers, yaml},
    limits::Limits,
    policy::{bundle::Preset, nearest::did_you_mean},
    reach::is_loopback,
    rebuild::plan::StepNetwork,
    reference::{self, Location, Reference, Repository, Selector},
    source::{PlatformChoice, RegistrySettings},
    trust::{
        Force, OnUnmatched, PredicateClass, PredicateClassError, PublicKey, Rule, SignerKeys,
        TrustError, TrustRules, Unmatched,
    },
    untrusted::misleads,
};

/// The configuration that `text`, the content of `file`, says.
pub(super) fn config(
    file: &Path,
    text: &str,
    surroundings: &Surroundings,
) -> Result<Config, ConfigError> {
    let raw = raw(file, text)?;
    let reader = Reader { file, text };
    let limits = limits(&reader, &raw.limits)?;
    let roots = roots::roots(&reader, &raw.trust, surroundings)?;
    let trust = trust(&reader, &raw.trust, &roots)?;
    let policy = policy(&reader, raw.policy, surroundings)?;
    signers_are_configured(&reader, &trust, &policy.settings)?;
    age_has_evidence(&reader, &trust, &policy.settings)?;
    let delegates = super::delegates::delegates(&reader, &raw.trust.delegates, &trust)?;
    Ok(Config {
        file: Some(file.to_owned()),
        text: text.into(),
        digest: Some(Digest::sha256(text.as_bytes())),
        repositories: repositories(&reader, &raw.repositories)?,
        registries: registries(&reader, &raw.registries)?,
        trust: trust
            .with_layouts(super::layouts::layouts(&reader, &raw.trust.layouts, &limits)?)
            .with_delegates(delegates)
            .with_sources(super::sources::sources(&reader, &raw.trust.sources)?)
            .with_unmatched(unmatched(&reader, &raw.trust)?)
            .with_root_age(roots.age),
        roots,
        policy,
        rebuild: rebuild(&reader, &raw.rebuild, surroundings)?,
        limits,
        gate: raw.gate.as_ref().map(|gate| self::gate(&reader, gate)).transpose()?,
    })
}

/// What can be updated of the trusted roots that `text` names.
pub(super) fn updatable(
    file: &Path,
    text: &str,
    surroundings: &Surroundings,
) -> Result<Roots, ConfigError> {
    let raw = raw(file, text)?;
    roots::repositories(&Reader { file, text }, &raw.trust, surroundings)
}

fn raw(file: &Path, text: &str) -> Result<raw::File, ConfigError> {
    let document: yaml_serde::Value =
        yaml_serde::from_str(text).map_err(|error| form(file, text, &error))?;
    // Of an empty file the reader says what is missing.
    if document != yaml_serde::Value::Null {
        plain(&Reader { file, text }, &KeyPath(Vec::new()), &document)?;
    }
    let raw: raw::File = yaml_serde::from_str(text).map_err(|error| form(file, text, &error))?;
    if raw.version != 1 {
        let reader = Reader { file, text };
        let help = "this hallmark reads version 1; a newer file needs a newer hallmark";
        return Err(reader.refuse(key!["version"], raw.version, want("1", help)));
    }
    Ok(raw)
}

fn form(file: &Path, text: &str, error: &yaml_serde::Error) -> ConfigError {
    let at = error.location();
    // The reader appends the position to its message; the place says it already.
    let message = error.to_string();
    let why = match message.rsplit_once(" at line ") {
        Some((why, _)) => why,
        None => &message,
    };
    let position = at.map(|at| (at.line(), at.column()));
    // Of a key that is there twice the reader tells the place of the mapping.
    let repeat = || super::error::repeat(text).or(position);
    let position = if why.contains("duplicate entry") { repeat() } else { position };
    ConfigError::Form {
        place: Place { file: file.to_owned(), position },
        why: in_words(why).replace(misleads, " "),
    }
}

/// What the reader expects, in words of YAML, and the key that may have been meant.
fn in_words(why: &str) -> String {
    if let Some((field, known)) = why.rsplit_once(", expected one of ")
        && let Some(written) = field.rsplit_once("unknown field ").map(|(_, name)| name)
    {
        let known = known.split('`').filter(|word| !word.is_empty() && !word.contains(','));
        let question = did_you_mean(written.trim_matches('`'), known);
        let separator = if question.is_empty() { "" } else { "; " };
        return format!("{why}{separator}{}", question.trim_end());
    }
    let Some((found, expected)) = why.rsplit_once(", expected ") else { return why.to_owned() };
    let expected = match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" | "i64" => "a whole number",
        "f64" => "a number",
        "a sequence" => "a list",
        "a map" | "a YAML mapping" => "a mapping of keys to values",
        other if other.starts_with("struct ") => "a mapping of keys to values",
        other => other,
    };
    let kinds = [("invalid type: map", "a mapping"), ("invalid type: sequence", "a list")];
    let kind = kinds.iter().find_map(|(theirs, ours)| {
        found.strip_suffix(theirs).map(|before| format!("{before}found {ours}"))
    });
    format!("{}, expected {expected}", kind.as_deref().unwrap_or(found))
}

fn repositories(reader: &Reader<'_>, raw: &[String]) -> Result<Vec<Location>, ConfigError> {
    raw.iter().enumerate().map(|(i, text)| repository(reader, i, text)).collect()
}

fn repository(reader: &Reader<'_>, index: usize, text: &str) -> Result<Location, ConfigError> {
    let complaint = || {
        let expected =
            "a repository without tag or digest, oci:DIR, oci-archive:FILE or docker-archive:FILE";
        want(expected, "the digest that is looked up is given on the command line")
    };
    let refuse = |found: String| reader.refuse(key!["repositories", index], found, complaint());
    if !text.contains(':') || text.parse::<Repository>().is_ok() {
        let repository = text.parse().map_err(|error| refuse(format!("{text:?} ({error})")))?;
        return Ok(Location::Registry(repository));
    }
    match text.parse::<Reference>() {
        Ok(Reference::At(Location::Layout(path), Selector::Only)) => {
            Ok(Location::Layout(beside(reader, &path)))
        }
        Ok(Reference::At(Location::OciArchive(path), Selector::Only)) => {
            Ok(Location::OciArchive(beside(reader, &path)))
        }
        Ok(Reference::At(Location::DockerArchive(path), Selector::Only)) => {
            Ok(Location::DockerArchive(beside(reader, &path)))
        }
        Ok(_) => Err(refuse(format!("{text:?}"))),
        Err(error) => Err(refuse(format!("{text:?} ({error})"))),
    }
}

fn beside(reader: &Reader<'_>, path: &Path) -> PathBuf {
    reader.file.parent().map_or_else(|| path.to_owned(), |folder| folder.join(path))
}

fn host_is_valid(host: &str) -> bool {
    reference::canonical_host(host).is_ok()
}

/// Hosts are looked up by their canonical form, which every reference has.
fn canonical(host: &str) -> String {
    reference::canonical_host(host).unwrap_or_else(|_| host.to_owned())
}

fn registries(
    reader: &Reader<'_>,
    raw: &[raw::Registry],
) -> Result<Vec<RegistrySettings>, ConfigError> {
    let mut all: Vec<RegistrySettings> = Vec::new();
    for (index, one) in raw.iter().enumerate() {
        let settings = registry(reader, index, one)?;
        let written = raw.iter().take(index).any(|earlier| earlier.host == one.host);
        match all.iter().find(|known| known.host == settings.host) {
            // Another spelling of one registry, of which the same is said.
            Some(known) if *known == settings && !written => {}
            Some(_) => {
                let complaint = want("each host once", "put its settings into one entry");
                return Err(reader.refuse(key!["registries", index, "host"], &one.host, complaint));
            }
            None => all.push(settings),
        }
    }
    Ok(all)
}

fn registry(
    reader: &Reader<'_>,
    index: usize,
    raw: &raw::Registry,
) -> Result<RegistrySettings, ConfigError> {
    let host =
        want("a host, with its port where references have one", "such as registry.example:5000");
    if !host_is_valid(&raw.host) {
        return Err(reader.refuse(key!["registries", index, "host"], &raw.host, host));
    }
    for (position, realm) in raw.auth_realms.iter().enumerate() {
        if !host_is_valid(realm) {
            let at = key!["registries", index, "authRealms", position];
            return Err(reader.refuse(
                at,
                realm,
                want("a host", "such as auth.example, without https://"),
            ));
        }
    }
    if raw.plain_http == Some(true) && raw.ca.is_some() {
        let help = "remove plainHttp where the registry speaks TLS";
        let complaint = want("either plainHttp or ca", help);
        return Err(reader.refuse(key!["registries", index, "ca"], "both", complaint));
    }
    let ca = raw.ca.as_deref().map(|text| authorities(reader, index, text)).transpose()?;
    let host = canonical(&raw.host);
    // As where it is not listed: to say something else about a registry on this machine takes nothing away.
    let plain = raw.plain_http.unwrap_or_else(|| ca.is_none() && is_loopback(&host));
    Ok(RegistrySettings { host, plain_http: plain, ca, auth_hosts: raw.auth_realms.clone() })
}

fn authorities(reader: &Reader<'_>, index: usize, text: &str) -> Result<PathBuf, ConfigError> {
    let at = || key!["registries", index, "ca"];
    let (path, bytes) = reader.file(at(), text)?;
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match read {
        Ok(certificates) if !certificates.is_empty() => Ok(path),
        _ => {
            let complaint = want("certificates in PEM", "convert it: openssl x509 -inform der");
            Err(reader.refuse(at(), path.display(), complaint))
        }
    }
}

fn trust(reader: &Reader<'_>, raw: &raw::Trust, roots: &Roots) -> Result<TrustRules, ConfigError> {
    let mut signers = BTreeMap::new();
    for (index, signer) in raw.signers.iter().enumerate() {
        let keys = self::signer(reader, roots, index, signer)?;
        if signers.insert(signer.name.clone(), keys).is_some() {
            let complaint = want("each name once", "rename one of the two");
            let at = key!["trust", "signers", index, "name"];
            return Err(reader.refuse(at, &signer.name, complaint));
        }
    }
    let names: Vec<_> = signers.keys().map(String::as_str).collect();
    let rules = raw.rules.iter().enumerate();
    let rules = rules.map(|(index, rule)| self::rule(reader, index, rule, &names));
    let rules = rules.collect::<Result<_, _>>()?;
    TrustRules::new(signers, rules).map_err(|error| contradiction(reader, &error))
}

/// Whether rules and layouts have to speak about every image; layouts as rules, unless they have a word of their own.
fn unmatched(reader: &Reader<'_>, raw: &raw::Trust) -> Result<Unmatched, ConfigError> {
    let words = [("report", OnUnmatched::Report), ("deny", OnUnmatched::Deny)];
    let rules = reader.word(key!["trust", "unmatched"], raw.unmatched.as_deref(), &words)?;
    let at = || key!["trust", "unmatchedLayouts"];
    let layouts = match raw.unmatched_layouts.as_deref() {
        None => rules,
        text => reader.word(at(), text, &words)?,
    };
    if raw.unmatched_layouts.is_some() && layouts == OnUnmatched::Deny && raw.layouts.is_empty() {
        let help = "every image would be denied; add a layout, or leave this out";
        return Err(reader.refuse(at(), "no trust.layouts", want("a list of layouts", help)));
    }
    Ok(Unmatched { rules, layouts })
}

/// What only all signers and rules together can be wrong about.
fn contradiction(reader: &Reader<'_>, error: &TrustError) -> ConfigError {
    let at = match error {
        TrustError::UnnamedSigner
        | TrustError::MisleadingName(_)
        | TrustError::SignerTwice { .. } => key!["trust", "signers"],
        TrustError::Empty { rule, list } => key!["trust", "rules", *rule, *list],
        TrustError::UnknownSigner { rule, .. } => key!["trust", "rules", *rule, "signers"],
        TrustError::NoThreshold { rule } | TrustError::UnreachableThreshold { rule, .. } => {
            key!["trust", "rules", *rule, "threshold"]
        }
    };
    let help = "0 would trust anybody; more than there are can never be reached";
    // The complaint says where; the error says it, too.
    let found = error.to_string();
    let found = found.strip_prefix(&format!("{at} is ")).unwrap_or(&found).to_owned();
    reader.refuse(at, found, want("a rule that can be satisfied", help))
}

fn signer(
    reader: &Reader<'_>,
    roots: &Roots,
    index: usize,
    raw: &raw::Signer,
) -> Result<SignerKeys, ConfigError> {
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '@');
    if raw.name.is_empty() || !raw.name.chars().all(word) {
        let complaint = want("letters, digits, '-', '_', '.' and '@'", "reports print this name");
        return Err(reader.refuse(key!["trust", "signers", index, "name"], &raw.name, complaint));
    }
    match (&raw.key, &raw.keyless) {
        (Some(key), None) => {
            let keys = self::signing_key(reader, index, key)?;
            let recording = super::keyless::recording(reader, roots, index, raw)?;
            Ok(match recording {
                Some(recording) => keys.recorded(recording),
                None => keys,
            })
        }
        (None, Some(keyless)) => {
            super::keyless::only_keyless(reader, index, raw)?;
            super::keyless::signer(reader, roots, index, keyless)
        }
        (key, _) => {
            let found = if key.is_some() { "both" } else { "neither" };
            let help = "a signer has a key, or a certificate that a trusted root vouches for";
            let at = key!["trust", "signers", index];
            Err(reader.refuse(at, found, want("either key or keyless", help)))
        }
    }
}

fn signing_key(reader: &Reader<'_>, index: usize, text: &str) -> Result<SignerKeys, ConfigError> {
    let at = || key!["trust", "signers", index, "key"];
    let (origin, pem) = if text.trim_start().starts_with("-----BEGIN ") {
        ("inline PEM".to_owned(), text.to_owned().into_bytes())
    } else {
        let (path, bytes) = reader.file(at(), text)?;
        (path.display().to_string(), bytes)
    };
    let help = "cosign public-key and openssl pkey -pubout write this form";
    let complaint = || want("a public key in PEM", help);
    let key = PublicKey::from_pem(&pem);
    let key =
        key.map_err(|error| reader.refuse(at(), format!("{origin}: {error}"), complaint()))?;
    SignerKeys::new(vec![key]).ok_or_else(|| reader.refuse(at(), origin, complaint()))
}

fn predicates(
    reader: &Reader<'_>,
    index: usize,
    raw: &[String],
) -> Result<Vec<PredicateClass>, ConfigError> {
    reader.not_empty(key!["trust", "rules", index, "predicates"], raw)?;
    let read = |(position, text): (usize, &String)| {
        text.parse().map_err(|PredicateClassError(word)| {
            let question = did_you_mean(&word, PredicateClass::WORDS.into_iter());
            let help = format!("{question}docs/configuration.md says what each stands for");
            let expected =
                format!("{} or the URI of a predicate type", one_of(&PredicateClass::WORDS));
            let at = key!["trust", "rules", index, "predicates", position];
            reader.refuse(at, format!("{word:?}"), want(expected, help))
        })
    };
    raw.iter().enumerate().map(read).collect()
}

fn rule(
    reader: &Reader<'_>,
    index: usize,
    raw: &raw::Rule,
    names: &[&str],
) -> Result<Rule, ConfigError> {
    let at = |list: &'static str| key!["trust", "rules", index, list];
    for (position, name) in raw.signers.iter().enumerate() {
        let key = || key!["trust", "rules", index, "signers", position];
        if !names.contains(&name.as_str()) {
            let complaint = want(one_of(names), "add the signer under trust.signers");
            return Err(reader.refuse(key(), name, complaint));
        }
        if raw.signers.iter().take(position).any(|earlier| earlier == name) {
            let complaint = want("each signer once", "one signer counts once for the threshold");
            return Err(reader.refuse(key(), name, complaint));
        }
    }
    let help = "docs/configuration.md says what is read here";
    reader.not_empty(at("signers"), &raw.signers)?;
    Ok(Rule {
        images: reader.parse(&at("images"), &raw.images, &want("an image pattern", help))?,
        predicates: predicates(reader, index, &raw.predicates)?,
        signers: raw.signers.clone(),
        threshold: raw.threshold.unwrap_or(1),
        force: if raw.required == Some(true) { Force::Require } else { Force::Grant },
    })
}

fn policy(
    reader: &Reader<'_>,
    raw: raw::Policy,
    surroundings: &Surroundings,
) -> Result<PolicyConfig, ConfigError> {
    let preset = raw.preset.map(|name| preset(reader, &name)).transpose()?;
    let bundles = raw.bundles.map(|folders| bundles(reader, &folders)).transpose()?;
    let default = PolicySelection::default();
    let today = surroundings.now.map(|now| now.to_zoned(TimeZone::UTC).date());
    let exceptions = raw.exceptions.into_iter().enumerate();
    let exceptions =
        exceptions.map(|(index, exception)| self::exception(reader, index, exception, today));
    Ok(PolicyConfig {
        selection: PolicySelection {
            preset: preset.unwrap_or(default.preset),
            bundles: bundles.unwrap_or(default.bundles),
        },
        settings: settings(reader, raw.settings)?,
        exceptions: exceptions.collect::<Result<_, _>>()?,
    })
}

fn preset(reader: &Reader<'_>, name: &str) -> Result<&'static str, ConfigError> {
    Preset::names().find(|known| *known == name).ok_or_else(|| {
        let known: Vec<_> = Preset::names().collect();
        let complaint = want(one_of(&known), "rules of your own come beside it: bundles: [FOLDER]");
        reader.refuse(key!["policy", "preset"], format!("{name:?}"), complaint)
    })
}

fn bundles(reader: &Reader<'_>, folders: &[String]) -> Result<Vec<PathBuf>, ConfigError> {
    if folders.is_empty() {
        let complaint = want("at least one folder", "name a folder, or leave the key out");
        return Err(reader.refuse(key!["policy", "bundles"], "an empty list", complaint));
    }
    let mut found = Vec::new();
    for (index, text) in folders.iter().enumerate() {
        let refuse = |found: String, complaint| {
            Err(reader.refuse(key!["policy", "bundles", index], found, complaint))
        };
        let path = reader.path(text);
        if text.is_empty() || !path.is_dir() {
            let help = "relative paths start at this file's folder";
            return refuse(path.display().to_string(), want("a folder with .rego files", help));
        }
        if found.contains(&path) {
            return refuse(
                path.display().to_string(),
                want("each folder once", "remove one of them"),
            );
        }
        found.push(path);
    }
    Ok(found)
}

fn settings(
    reader: &Reader<'_>,
    raw: Option<yaml_serde::Value>,
) -> Result<serde_json::Map<String, serde_json::Value>, ConfigError> {
    let Some(raw) = raw else { return Ok(serde_json::Map::new()) };
    let document = plain(reader, &key!["policy", "settings"], &raw)?;
    if let Some(number) = numbers::inexact_of(reader.text, &document) {
        let complaint =
            want("numbers that 64 bits hold exactly", "write it as a text, or with fewer digits");
        return Err(reader.refuse(key!["policy", "settings"], number, complaint));
    }
    let map = match document {
        serde_json::Value::Object(map) => map,
        other => {
            let complaint = want(
                "a mapping of names to values",
                "docs/policy.md lists those of the shipped rules",
            );
            return Err(reader.refuse(key!["policy", "settings"], other, complaint));
        }
    };
    crate::policy::settings::typed(&map).map_err(|error| {
        let mut at = key!["policy", "settings"];
        at.0.extend(error.path.into_iter().map(Step::Key));
        at.0.extend(error.item.map(Step::Item));
        reader.refuse(at, error.found, want(error.expected, error.help))
    })?;
    Ok(map)
}

/// Who has to have signed is somebody who can: a name that no signer has denies every image.
fn signers_are_configured(
    reader: &Reader<'_>,
    trust: &TrustRules,
    settings: &serde_json::Map<String, serde_json::Value>,
) -> Result<(), ConfigError> {
    let asked = settings.get("signature").and_then(|section| section.get("signers"));
    let asked = asked.and_then(|names| names.as_array()).into_iter().flatten().enumerate();
    for (index, name) in asked.filter_map(|(i, name)| Some((i, name.as_str()?))) {
        if !trust.signers().contains_key(name) {
            let known = || trust.signers().keys().map(String::as_str);
            let meant = did_you_mean(name, known());
            let help = format!("{meant}signers are {}", known().collect::<Vec<_>>().join(", "));
            let at = key!["policy", "settings", "signature", "signers", index];
            return Err(reader.refuse(
                at,
                name,
                want("the name of a signer of trust.signers", help),
            ));
        }
    }
    Ok(())
}

/// The age of a signature is asked for only where something can prove it: not of those who have nothing but keys.
fn age_has_evidence(
    reader: &Reader<'_>,
    trust: &TrustRules,
    settings: &serde_json::Map<String, serde_json::Value>,
) -> Result<(), ConfigError> {
    let signature = settings.get("signature");
    let setting = |name: &str| signature.and_then(|section| section.get(name));
    let Some(days) = setting("maxAgeDays").filter(|days| days.as_u64() != Some(0)) else {
        return Ok(());
    };
    let asked = setting("signers").and_then(|names| names.as_array()).into_iter().flatten();
    let mut asked = asked.filter_map(|name| name.as_str());
    let who = match (asked.find(|name| trust.has_only_keys(name)), trust.without_age()) {
        (Some(name), _) => format!("the signer {name:?} of policy.settings.signature.signers"),
        (None, Some(rule)) => format!("every signer of trust.rules[{rule}]"),
        (None, None) => return Ok(()),
    };
    let expected = format!("0, or signers with certificates: {who} has keys alone");
    let help = "how old a signature by a key is, no log or timestamp proves, since either can be had again for an old \
                one; sign keyless, replace the key from time to time, or list what is too old in signature.revoked";
    let at = key!["policy", "settings", "signature", "maxAgeDays"];
    Err(reader.refuse(at, days, want(expected.as_str(), help)))
}

/// A document that all readers of YAML understand alike, every key with its value.
fn plain(
    reader: &Reader<'_>,
    at: &KeyPath,
    document: &yaml_serde::Value,
) -> Result<serde_json::Value, ConfigError> {
    yaml::plain(document, yaml::Form::Settings).map_err(|ambiguous| {
        let mut at = at.clone();
        at.0.extend(ambiguous.path.into_iter().map(|step| match step {
            yaml::Step::Key(key) => Step::Key(key),
            yaml::Step::Item(item) => Step::Item(item),
        }));
        if at.0.is_empty() {
            at = key!["version"];
        }
        reader.refuse(at, ambiguous.found, want("a plain value", ambiguous.help))
    })
}

fn exception(
    reader: &Reader<'_>,
    index: usize,
    raw: raw::Exception,
    today: Option<Date>,
) -> Result<ExceptionConfig, ConfigError> {
    let at = |name: &str| key!["policy", "exceptions", index, name];
    reader.not_empty(at("code"), std::slice::from_ref(&raw.code))?;
    for (name, text) in [("reason", &raw.reason), ("owner", &raw.owner)] {
        reader.words(at(name), text)?;
    }
    if let Some(package) = &raw.package
        && !package.split('.').all(|word| !word.is_empty() && !word.contains(char::is_whitespace))
    {
        let complaint = want("a package such as hallmark.sbom", "as reports write it");
        return Err(reader.refuse(at("package"), format!("{package:?}"), complaint));
    }
    let help = "docs/configuration.md says what is read here";
    Ok(ExceptionConfig {
        images: reader.parse(&at("images"), &raw.images, &want("an image pattern", help))?,
        expires: super::allow::expires(reader, at("expires"), &raw.expires, today)?,
        code: raw.code,
        package: raw.package,
        reason: raw.reason,
        owner: raw.owner,
    })
}

fn rebuild(
    reader: &Reader<'_>,
    raw: &raw::Rebuild,
    surroundings: &Surroundings,
) -> Result<RebuildConfig, ConfigError> {
    let when = [
        ("policy", RebuildWhen::Policy),
        ("always", RebuildWhen::Always),
        ("never", RebuildWhen::Never),
    ];
    let engine = [
        ("auto", EngineConfig::Auto),
        ("docker", EngineConfig::Docker),
        ("buildkitd", EngineConfig::Buildkitd),
        ("buildah", EngineConfig::Buildah),
    ];
    let network = [("none", StepNetwork::None), ("recorded", StepNetwork::Recorded)];
    nothing_idle(reader, raw)?;
    Ok(RebuildConfig {
        when: reader.word(key!["rebuild", "when"], raw.when.as_deref(), &when)?,
        engine: reader.word(key!["rebuild", "engine"], raw.engine.as_deref(), &engine)?,
        daemon: if raw.shared_daemon == Some(true) { Daemon::Shared } else { Daemon::Ephemeral },
        on_mismatch: match raw.twice {
            Some(false) => OnMismatch::Report,
            _ => OnMismatch::BuildAgain,
        },
        network: reader.word(key!["rebuild", "network"], raw.network.as_deref(), &network)?,
        frontends: frontends(reader, &raw.frontends)?,
        private_sources: private_sources(reader, &raw.private_sources)?,
        mirrors: mirrors(reader, &raw.mirrors)?,
        address: address(reader, raw)?,
        attested: attested(reader, &raw.attested)?,
        allow: super::allow::allow(reader, &raw.allow, surroundings.now)?,
    })
}

/// What would decide nothing beside the rest is refused: whoever wrote it believes that it does.
fn nothing_idle(reader: &Reader<'_>, raw: &raw::Rebuild) -> Result<(), ConfigError> {
    let by_buildah = raw.engine.as_deref() == Some("buildah");
    let idle = [
        (
            "tls",
            raw.tls.is_some() && raw.address.is_none(),
            "address beside it",
            "only a builder at tcp:// has certificates",
        ),
        (
            "sharedDaemon",
            raw.shared_daemon == Some(true) && by_buildah,
            "another engine",
            "buildah has no daemon",
        ),
        (
            "network",
            raw.network.as_deref() == Some("recorded") && by_buildah,
            "another engine",
            "BuildKit alone records what a build downloads",
        ),
    ];
    match idle.into_iter().find(|(_, is_idle, ..)| *is_idle) {
        None => Ok(()),
        Some((name, _, expected, help)) => {
            Err(reader.refuse(key!["rebuild", name], "it without effect", want(expected, help)))
        }
    }
}

/// Digests of frontend images.
fn frontends(reader: &Reader<'_>, raw: &[String]) -> Result<BTreeSet<Digest>, ConfigError> {
    let read = |(index, text): (usize, &String)| {
        text.parse::<Digest>().map_err(|_| {
            let help = "name the frontend image by its digest; its tag can be moved";
            reader.refuse(key!["rebuild", "frontends", index], text, want("sha256:HEX", help))
        })
    };
    raw.iter().enumerate().map(read).collect()
}

/// Hosts of sources that may lie in private networks.
fn private_sources(reader: &Reader<'_>, raw: &[String]) -> Result<Vec<String>, ConfigError> {
    for (index, host) in raw.iter().enumerate() {
        if !host_is_valid(host) || host.contains(':') {
            let complaint = want("a host without a port", "such as git.example");
            return Err(reader.refuse(key!["rebuild", "privateSources", index], host, complaint));
        }
    }
    Ok(raw.iter().map(|host| host.to_ascii_lowercase()).collect())
}

/// Registries and where copies of their images are: a host, and the path below which they are, if any.
fn mirrors(
    reader: &Reader<'_>,
    raw: &[raw::RebuildMirror],
) -> Result<Vec<engine::Mirror>, ConfigError> {
    for (index, mirror) in raw.iter().enumerate() {
        let refuse = |name: &'static str, found: &str| {
            let help = "such as registry.example:5000, or registry.example/copies for at";
            let complaint = want("a host, with its port where references have one", help);
            Err(reader.refuse(key!["rebuild", "mirrors", index, name], found, complaint))
        };
        if !host_is_valid(&mirror.registry) {
            return refuse("registry", &mirror.registry);
        }
        let (host, path) = mirror.at.split_once('/').unwrap_or((&mirror.at, "a"));
        let repository = format!("{host}/{path}").parse::<Repository>();
        if !host_is_valid(host) || repository.is_err() {
            return refuse("at", &mirror.at);
        }
    }
    let mirror = |m: &raw::RebuildMirror| {
        let (host, path) = m.at.split_once('/').map_or((&*m.at, None), |(h, p)| (h, Some(p)));
        let at = [Some(canonical(host)), path.map(str::to_owned)];
        let at = at.into_iter().flatten().collect::<Vec<_>>().join("/");
        engine::Mirror { registry: canonical(&m.registry), at }
    };
    Ok(raw.iter().map(mirror).collect())
}

/// `unix:///path`, or `tcp://host:port` with certificates: whoever reaches a builder without them is its master.
fn address(reader: &Reader<'_>, raw: &raw::Rebuild) -> Result<Option<grpc::Address>, ConfigError> {
    let Some(text) = &raw.address else { return Ok(None) };
    let refuse = |expected: &str, help: &str| {
        Err(reader.refuse(key!["rebuild", "address"], text, want(expected, help)))
    };
    let form = "unix:///PATH or tcp://HOST:PORT";
    match (text.strip_prefix("unix://"), text.strip_prefix("tcp://"), &raw.tls) {
        (Some(path), _, None) if path.starts_with('/') => {
            Ok(Some(grpc::Address::Unix(path.into())))
        }
        (Some(_), _, Some(_)) => refuse("no rebuild.tls beside a socket", "leave rebuild.tls out"),
        (_, Some(host), Some(tls)) if host.contains(':') => Ok(Some(grpc::Address::Tls {
            host: host.to_owned(),
            ca: reader.path(&tls.ca),
            certificate: reader.path(&tls.certificate),
            key: reader.path(&tls.key),
        })),
        (_, Some(_), None) => {
            refuse("rebuild.tls beside a tcp:// address", "give ca, certificate and key")
        }
        _ => refuse(form, "as buildctl --addr has it"),
    }
}

fn attested(
    reader: &Reader<'_>,
    raw: &raw::RebuildAttested,
) -> Result<AttestedConfig, ConfigError> {
    let default = AttestedConfig::default();
    let max_age = match &raw.max_age {
        None => default.max_age,
        Some(text) => units::duration(text).ok_or_else(|| {
            reader.refuse(
                key!["rebuild", "attested", "maxAge"],
                text,
                want(units::DURATION, "90 days are 2160h"),
            )
        })?,
    };
    Ok(AttestedConfig { accept: raw.accept.unwrap_or(default.accept), max_age })
}

fn limits(reader: &Reader<'_>, raw: &yaml_serde::Mapping) -> Result<Limits, ConfigError> {
    let mut limits = Limits::default();
    for (name, value) in raw {
        let name = name.as_str().unwrap_or("(a key that is no text)");
        bounds::set(&mut limits, name, value).map_err(|refused| {
            let found = match yaml_serde::to_string(value) {
                Ok(text) => text.trim_end().to_owned(),
                Err(_) => "something else".to_owned(),
            };
            match refused {
                Refused::Expected(expected) => {
                    let complaint = want(expected, "leave the key out for the default");
                    reader.refuse(key!["limits", name], found, complaint)
                }
                Refused::Unknown => {
                    let known = bounds::table(&Limits::default());
                    let known: Vec<_> = known.iter().map(|(name, _)| *name).collect();
                    let question = did_you_mean(name, known.into_iter());
                    let help = format!("{question}docs/configuration.md lists every limit");
                    reader.refuse(key!["limits", name], name, want("the name of a limit", help))
                }
            }
        })?;
    }
    Ok(limits)
}

fn gate(reader: &Reader<'_>, raw: &raw::Gate) -> Result<GateConfig, ConfigError> {
    let listen = raw.listen.as_deref().unwrap_or("0.0.0.0:8443");
    let listen: SocketAddr = listen.parse().map_err(|_| {
        let complaint = want("an address with a port", "such as 0.0.0.0:8443 or [::]:8443");
        reader.refuse(key!["gate", "listen"], listen, complaint)
    })?;
    let (certificate, _) = reader.file(key!["gate", "certificate"], &raw.certificate)?;
    let (key_file, _) = reader.file(key!["gate", "key"], &raw.key)?;
    let tags = [("deny", Tags::Deny), ("resolve", Tags::Resolve)];
    Ok(GateConfig {
        listen,
        certificate,
        key: key_file,
        namespaces_exempt: namespaces(reader, &raw.namespaces_exempt)?,
        budget: budget(reader, raw.budget.as_deref())?,
        tags: reader.word(key!["gate", "tags"], raw.tags.as_deref(), &tags)?,
        platforms: gate_platforms(reader, raw.platforms.as_deref())?,
    })
}

/// The platforms of the nodes that pods can land on; all where nothing is said.
fn gate_platforms(
    reader: &Reader<'_>,
    raw: Option<&[String]>,
) -> Result<PlatformChoice, ConfigError> {
    let Some(raw) = raw else { return Ok(PlatformChoice::All) };
    let help = "the platforms of the cluster's nodes, such as linux/amd64; leave it out to judge every platform";
    if raw.is_empty() {
        let complaint = want("at least one platform", help);
        return Err(reader.refuse(key!["gate", "platforms"], "[]", complaint));
    }
    let parse = |(index, text): (usize, &String)| match text.parse::<Platform>() {
        Ok(platform) if !platform.is_unknown() => Ok(platform),
        _ => {
            let complaint = want("os/architecture or os/architecture/variant", help);
            Err(reader.refuse(key!["gate", "platforms", index], text, complaint))
        }
    };
    raw.iter().enumerate().map(parse).collect::<Result<_, _>>().map(PlatformChoice::Listed)
}

fn namespaces(reader: &Reader<'_>, raw: &[String]) -> Result<Vec<String>, ConfigError> {
    // RFC 1123 label, as Kubernetes asks for: no pattern can slip in.
    let label = |text: &str| {
        !text.is_empty()
            && text.len() <= 63
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    for (index, name) in raw.iter().enumerate() {
        if !label(name) {
            let complaint = want("the exact name of a namespace", "patterns are not read here");
            return Err(reader.refuse(key!["gate", "namespacesExempt", index], name, complaint));
        }
    }
    Ok(raw.iter().cloned().collect::<BTreeSet<_>>().into_iter().collect())
}

fn budget(reader: &Reader<'_>, raw: Option<&str>) -> Result<Duration, ConfigError> {
    // admissionregistration.k8s.io/v1 `timeoutSeconds` is at most 30.
    let range = Duration::from_millis(500)..=Duration::from_secs(30);
    let text = raw.unwrap_or("9s");
    units::duration(text).filter(|budget| range.contains(budget)).ok_or_else(|| {
        let help = "the apiserver waits 30 s at most; stay below the webhook's timeoutSeconds";
        reader.refuse(key!["gate", "budget"], text, want("a time from 500ms to 30s", help))
    })
}
