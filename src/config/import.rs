//! From a ClusterImagePolicy of Sigstore's policy-controller to `hallmark.yaml`.
//!
//! Reads one document of `policy.sigstore.dev/v1alpha1` or `v1beta1`, checks it as that project's webhook does
//! (sigstore/policy-controller, `pkg/apis/policy`), and writes the trust rules that it means. There one of several
//! authorities is enough, and images that no policy matches are judged by a setting elsewhere: whatever cannot be said here
//! is left out, with its place and the reason, and hallmark accepts less for it, never more. Nothing is fetched: keys in a KMS
//! or a Secret are named and left out.

use std::{collections::BTreeMap, fmt, path::Path};

use regex::Regex;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Surroundings, valid};
use crate::trust::{ImagePattern, PublicKey, sigstore::Pattern};

/// Bytes of a document.
pub const MAX_BYTES: usize = 1 << 20;
/// The instance whose root hallmark embeds.
const PUBLIC_GOOD_FULCIO: &str = "https://fulcio.sigstore.dev";
/// And its log.
const PUBLIC_GOOD_REKOR: &str = "https://rekor.sigstore.dev";
/// Kinds that a policy can be limited to.
const RESOURCES: [&str; 7] =
    ["pods", "cronjobs", "jobs", "deployments", "daemonsets", "replicasets", "statefulsets"];

/// A document that policy-controller refuses, or that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {why}")]
pub struct Invalid {
    /// Which part, as `spec.authorities[0].key`.
    pub at: String,
    /// What is wrong with it.
    pub why: String,
}

/// A part that hallmark's rules cannot say.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeftOut {
    /// Which part.
    pub at: String,
    /// Why, and what to do.
    pub why: String,
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.why)
    }
}

/// What became of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The configuration; `None` where nothing of the document can be said.
    pub yaml: Option<String>,
    /// What is not in it.
    pub left_out: Vec<LeftOut>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Document {
    api_version: String,
    kind: String,
    metadata: Metadata,
    spec: Spec,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Metadata {
    name: String,
    #[serde(default, rename = "labels")]
    _labels: BTreeMap<String, String>,
    #[serde(default, rename = "annotations")]
    _annotations: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Spec {
    #[serde(default)]
    images: Vec<Image>,
    #[serde(default)]
    authorities: Vec<Authority>,
    mode: Option<String>,
    #[serde(default, rename = "match")]
    matches: Vec<Match>,
    policy: Option<yaml_serde::Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Image {
    #[serde(default)]
    glob: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Match {
    #[serde(default)]
    resource: String,
    #[serde(default, rename = "version")]
    _version: String,
    #[serde(default, rename = "group")]
    _group: String,
    #[serde(rename = "selector")]
    _selector: Option<yaml_serde::Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Authority {
    name: Option<String>,
    key: Option<Key>,
    keyless: Option<Keyless>,
    #[serde(rename = "static")]
    fixed: Option<yaml_serde::Value>,
    #[serde(default)]
    attestations: Vec<yaml_serde::Value>,
    ctlog: Option<Ctlog>,
    #[serde(default)]
    source: Vec<Source>,
    rfc3161timestamp: Option<yaml_serde::Value>,
    signature_format: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Key {
    data: Option<String>,
    kms: Option<String>,
    secret_ref: Option<SecretRef>,
    hash_algorithm: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SecretRef {
    #[serde(default)]
    name: String,
    #[serde(rename = "namespace")]
    _namespace: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Keyless {
    url: Option<String>,
    #[serde(default)]
    identities: Vec<Identity>,
    #[serde(rename = "ca-cert")]
    ca_cert: Option<Key>,
    trust_root_ref: Option<String>,
    #[serde(rename = "insecureIgnoreSCT")]
    insecure_ignore_sct: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Identity {
    issuer: Option<String>,
    subject: Option<String>,
    issuer_reg_exp: Option<String>,
    subject_reg_exp: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Ctlog {
    url: Option<String>,
    trust_root_ref: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Source {
    oci: Option<String>,
    #[serde(rename = "signaturePullSecrets")]
    _pull_secrets: Option<Vec<SecretRef>>,
    tag_prefix: Option<String>,
}

fn invalid(at: impl Into<String>, why: impl Into<String>) -> Invalid {
    Invalid { at: at.into(), why: why.into() }
}

/// Translates a document.
///
/// # Errors
/// [`Invalid`]: it is no ClusterImagePolicy that policy-controller would take.
pub fn import(text: &str) -> Result<Imported, Invalid> {
    if text.len() > MAX_BYTES {
        return Err(invalid("document", format!("more than {MAX_BYTES} bytes")));
    }
    let document: Document = yaml_serde::from_str(text)
        .map_err(|error| invalid("document", error.to_string().replace(char::is_control, " ")))?;
    check(&document)?;
    translate(&document)
}

/// What the webhook checks, in its order.
fn check(document: &Document) -> Result<(), Invalid> {
    let versions = ["policy.sigstore.dev/v1alpha1", "policy.sigstore.dev/v1beta1"];
    if !versions.contains(&document.api_version.as_str()) {
        return Err(invalid("apiVersion", format!("expected one of {}", versions.join(", "))));
    }
    if document.kind != "ClusterImagePolicy" {
        return Err(invalid("kind", "expected ClusterImagePolicy"));
    }
    let spec = &document.spec;
    if document.metadata.name.is_empty() {
        return Err(invalid("metadata.name", "it is missing"));
    }
    if spec.images.is_empty() {
        return Err(invalid("spec.images", "it is missing"));
    }
    for (index, image) in spec.images.iter().enumerate() {
        if image.glob.is_empty() {
            return Err(invalid(format!("spec.images[{index}].glob"), "it is missing"));
        }
    }
    if !matches!(spec.mode.as_deref(), None | Some("" | "enforce" | "warn")) {
        return Err(invalid("spec.mode", "expected enforce or warn"));
    }
    for (index, one) in spec.matches.iter().enumerate() {
        if !RESOURCES.contains(&one.resource.as_str()) {
            let why = format!("expected one of {}", RESOURCES.join(", "));
            return Err(invalid(format!("spec.match[{index}].resource"), why));
        }
    }
    if spec.authorities.is_empty() {
        return Err(invalid("spec.authorities", "it is missing"));
    }
    let authorities = spec.authorities.iter().enumerate();
    authorities.into_iter().try_for_each(|(index, authority)| {
        check_authority(&format!("spec.authorities[{index}]"), authority)
    })
}

fn one_of(at: &str, parts: &[(&str, bool)]) -> Result<(), Invalid> {
    let names: Vec<_> = parts.iter().map(|(name, _)| *name).collect();
    match parts.iter().filter(|(_, there)| *there).count() {
        1 => Ok(()),
        0 => Err(invalid(at, format!("expected exactly one of {}, got none", names.join(", ")))),
        _ => Err(invalid(at, format!("expected exactly one of {}, got several", names.join(", ")))),
    }
}

fn check_authority(at: &str, authority: &Authority) -> Result<(), Invalid> {
    let Authority { key, keyless, fixed, .. } = authority;
    let parts =
        [("key", key.is_some()), ("keyless", keyless.is_some()), ("static", fixed.is_some())];
    one_of(at, &parts)?;
    if let Some(key) = key {
        check_key(&format!("{at}.key"), key)?;
    }
    if let Some(keyless) = keyless {
        check_keyless(&format!("{at}.keyless"), keyless)?;
    }
    if let Some(fixed) = fixed {
        let action = fixed.get("action").and_then(|action| action.as_str());
        if !matches!(action, Some("pass" | "fail")) {
            return Err(invalid(format!("{at}.static.action"), "expected pass or fail"));
        }
    }
    Ok(())
}

fn check_key(at: &str, key: &Key) -> Result<(), Invalid> {
    let Key { data, kms, secret_ref, hash_algorithm } = key;
    let parts =
        [("data", data.is_some()), ("kms", kms.is_some()), ("secretRef", secret_ref.is_some())];
    one_of(at, &parts)?;
    let is_pem = |text: &String| text.trim_start().starts_with("-----BEGIN ");
    if data.as_ref().is_some_and(|data| !is_pem(data)) {
        return Err(invalid(format!("{at}.data"), "expected a public key in PEM"));
    }
    if let Some(kms) = kms {
        let awskms = kms.strip_prefix("awskms://");
        let known = awskms.map_or_else(|| kms.contains("://"), is_aws_key);
        if !known {
            let why = "expected PROVIDER://…, or awskms://[HOST]/ARN of a key or an alias";
            return Err(invalid(format!("{at}.kms"), why));
        }
    }
    if secret_ref.as_ref().is_some_and(|secret| secret.name.is_empty()) {
        return Err(invalid(format!("{at}.secretRef.name"), "it is missing"));
    }
    let algorithms = ["sha224", "sha256", "sha384", "sha512"];
    match hash_algorithm.as_deref() {
        Some(algorithm) if !algorithms.contains(&algorithm) => {
            let why = format!("expected one of {}", algorithms.join(", "));
            Err(invalid(format!("{at}.hashAlgorithm"), why))
        }
        _ => Ok(()),
    }
}

/// `[HOST]/arn:PARTITION:kms:REGION:ACCOUNT:key/ID` or `…:alias/NAME`.
fn is_aws_key(text: &str) -> bool {
    let Some((_host, arn)) = text.split_once('/') else { return false };
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let ["arn", partition, "kms", region, account, resource] = parts.as_slice() else {
        return false;
    };
    let named = ["key/", "alias/"].iter().any(|kind| {
        resource.strip_prefix(kind).is_some_and(|name| !name.is_empty() && !name.contains(':'))
    });
    let digits = !account.is_empty() && account.bytes().all(|byte| byte.is_ascii_digit());
    partition.starts_with("aws") && !region.is_empty() && digits && named
}

fn check_keyless(at: &str, keyless: &Keyless) -> Result<(), Invalid> {
    if keyless.url.is_some() && keyless.ca_cert.is_some() {
        return Err(invalid(at, "expected exactly one of url, ca-cert, got both"));
    }
    if keyless.url.as_ref().is_some_and(|url| !url.contains("://")) {
        return Err(invalid(format!("{at}.url"), "expected a URL"));
    }
    if let Some(ca) = &keyless.ca_cert {
        check_key(&format!("{at}.ca-cert"), ca)?;
    }
    if keyless.identities.is_empty() {
        return Err(invalid(format!("{at}.identities"), "it is missing"));
    }
    for (index, identity) in keyless.identities.iter().enumerate() {
        let at = format!("{at}.identities[{index}]");
        let Identity { issuer, subject, issuer_reg_exp, subject_reg_exp } = identity;
        let expressions = [("issuerRegExp", issuer_reg_exp), ("subjectRegExp", subject_reg_exp)];
        for (name, text) in expressions {
            if text.as_ref().is_some_and(|text| Regex::new(text).is_err()) {
                return Err(invalid(format!("{at}.{name}"), "it is no regular expression"));
            }
        }
        for (name, exact, expression) in
            [("issuer", issuer, issuer_reg_exp), ("subject", subject, subject_reg_exp)]
        {
            if [exact, expression].into_iter().flatten().all(String::is_empty) {
                return Err(invalid(format!("{at}.{name}"), "it and its expression are missing"));
            }
        }
    }
    Ok(())
}

/// Signers and rules, and what is left out.
struct Translation {
    signers: Vec<Value>,
    left_out: Vec<LeftOut>,
}

impl Translation {
    fn leave_out(&mut self, at: &str, why: impl Into<String>) {
        self.left_out.push(LeftOut { at: at.to_owned(), why: why.into() });
    }

    /// Takes a signer, under a name that no other has.
    fn sign(&mut self, name: &str, mut signer: Value) {
        let taken = |name: &str| self.signers.iter().any(|signer| signer["name"] == name);
        let mut unique = name.to_owned();
        for number in 2.. {
            if !taken(&unique) {
                break;
            }
            unique = format!("{name}-{number}");
        }
        signer["name"] = unique.into();
        self.signers.push(signer);
    }
}

fn translate(document: &Document) -> Result<Imported, Invalid> {
    let spec = &document.spec;
    let mut out = Translation { signers: Vec::new(), left_out: Vec::new() };
    if spec.mode.as_deref() == Some("warn") {
        out.leave_out("spec.mode", "hallmark denies; it has no mode that only warns");
    }
    // These narrow the policy. Without them it would be another one.
    if !spec.matches.is_empty() {
        out.leave_out("spec.match", "rules are about images, not about kinds of objects");
    }
    if spec.policy.is_some() {
        let why = "write it as a rule in Rego: docs/policy.md says what it sees";
        out.leave_out("spec.policy", why);
    }
    let narrowed = !spec.matches.is_empty() || spec.policy.is_some();
    let images: Vec<String> = spec
        .images
        .iter()
        .enumerate()
        .filter_map(|(index, image)| match pattern(&image.glob) {
            Ok(pattern) => Some(pattern),
            Err(why) => {
                out.leave_out(&format!("spec.images[{index}].glob"), why);
                None
            }
        })
        .collect();
    for (index, authority) in spec.authorities.iter().enumerate() {
        let at = format!("spec.authorities[{index}]");
        let name = authority.name.clone().unwrap_or_else(|| format!("authority-{index}"));
        translate_authority(&at, &signer_name(&name), authority, &mut out);
    }
    out.left_out.sort();
    let Translation { signers, left_out } = out;
    if narrowed || images.is_empty() || signers.is_empty() {
        return Ok(Imported { yaml: None, left_out });
    }
    let names: Vec<&Value> = signers.iter().filter_map(|signer| signer.get("name")).collect();
    let rule = json!({ "images": images, "predicates": ["signature"], "signers": names });
    let config = json!({
        "version": 1,
        "trust": { "signers": signers, "rules": [rule] },
        "policy": { "preset": "signed" },
    });
    let yaml = yaml_serde::to_string(&config)
        .map_err(|error| invalid("document", format!("it cannot be written: {error}")))?;
    // What is printed has to be read again.
    valid::config(Path::new("hallmark.yaml"), &yaml, &Surroundings::default())
        .map_err(|error| invalid("document", format!("its translation is refused: {error}")))?;
    Ok(Imported { yaml: Some(yaml), left_out })
}

/// Names of signers have letters, digits and few signs.
fn signer_name(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '@');
    text.chars().map(|c| if plain(c) { c } else { '-' }).collect()
}

/// hallmark's pattern for a glob. There `*` stands for a part of a segment; here for a whole one.
fn pattern(glob: &str) -> Result<String, String> {
    let last = glob.rsplit('/').next().unwrap_or(glob);
    if glob.contains('@') || last.contains(':') && glob.contains('/') {
        return Err("rules are about repositories; tags and digests are not read".to_owned());
    }
    let wild = |segment: &str| segment.contains('*') && segment != "*" && segment != "**";
    if glob == "*" || glob.split('/').any(wild) || glob.contains(['?', '[', '{']) {
        let why = "a wildcard stands for a whole segment here; list the repositories, or widen it";
        return Err(why.to_owned());
    }
    // An unqualified name is one of Docker Hub, as there.
    glob.parse::<ImagePattern>().map(|_| glob.to_owned()).map_err(|error| error.to_string())
}

fn translate_authority(at: &str, name: &str, authority: &Authority, out: &mut Translation) {
    if authority.fixed.is_some() {
        let why = "hallmark never passes without evidence, and denies without being told";
        return out.leave_out(at, why);
    }
    if !authority.attestations.is_empty() {
        let why = "what attestations must say is asked by rules in Rego: docs/policy.md";
        return out.leave_out(at, why);
    }
    if authority.rfc3161timestamp.is_some() {
        let why = "name the timestamp authority under trust.roots, and times under the signer";
        return out.leave_out(&format!("{at}.rfc3161timestamp"), why);
    }
    let elsewhere = |source: &Source| source.oci.is_some() || source.tag_prefix.is_some();
    if authority.source.iter().any(elsewhere) {
        let why = "signatures are read from the image's own repository";
        return out.leave_out(&format!("{at}.source"), why);
    }
    if authority.signature_format.as_deref().is_some_and(|form| !form.is_empty()) {
        out.leave_out(&format!("{at}.signatureFormat"), "every form is read");
    }
    if let Some(key) = &authority.key {
        translate_key(at, name, key, authority.ctlog.as_ref(), out);
    }
    if let Some(keyless) = &authority.keyless {
        translate_keyless(at, name, keyless, authority.ctlog.as_ref(), out);
    }
}

/// Whether a log is the public good instance's.
fn is_public_good(log: &Ctlog) -> bool {
    log.trust_root_ref.is_none()
        && log.url.as_deref().is_none_or(|url| url.trim_end_matches('/') == PUBLIC_GOOD_REKOR)
}

fn translate_key(at: &str, name: &str, key: &Key, log: Option<&Ctlog>, out: &mut Translation) {
    let Some(data) = &key.data else {
        let why = match &key.kms {
            Some(kms) => format!("{kms} cannot be asked offline; export the public key"),
            None => "the key is in a Secret; write it into the file".to_owned(),
        };
        return out.leave_out(&format!("{at}.key"), why);
    };
    if key.hash_algorithm.as_deref().is_some_and(|algorithm| algorithm != "sha256") {
        let why = "the algorithm is the one that belongs to the key; SHA-256 for RSA";
        return out.leave_out(&format!("{at}.key.hashAlgorithm"), why);
    }
    if let Err(error) = PublicKey::from_pem(data.as_bytes()) {
        return out.leave_out(&format!("{at}.key.data"), error.to_string());
    }
    let mut signer = json!({ "key": data });
    match log {
        None => {}
        Some(log) if is_public_good(log) => {
            signer["root"] = "public-good".into();
            signer["logs"] = 1.into();
        }
        Some(_) => {
            let why = "name the log under trust.roots, and that root under the signer";
            return out.leave_out(&format!("{at}.ctlog"), why);
        }
    }
    out.sign(name, signer);
}

fn translate_keyless(
    at: &str,
    name: &str,
    keyless: &Keyless,
    log: Option<&Ctlog>,
    out: &mut Translation,
) {
    if keyless.ca_cert.is_some() || keyless.trust_root_ref.is_some() {
        let why = "name the authority's files under trust.roots, and that root under the signer";
        return out.leave_out(&format!("{at}.keyless"), why);
    }
    let url = keyless.url.as_deref().map(|url| url.trim_end_matches('/'));
    if url.is_some_and(|url| url != PUBLIC_GOOD_FULCIO) {
        let why = "name the instance's trusted_root.json as root under the signer";
        return out.leave_out(&format!("{at}.keyless.url"), why);
    }
    if log.is_some_and(|log| !is_public_good(log)) {
        let why = "name a trusted_root.json with this log as root under the signer";
        return out.leave_out(&format!("{at}.ctlog"), why);
    }
    if keyless.insecure_ignore_sct == Some(true) {
        let why = "certificates of the public good instance have to be in a log";
        out.leave_out(&format!("{at}.keyless.insecureIgnoreSCT"), why);
    }
    let several = keyless.identities.len() > 1;
    for (index, identity) in keyless.identities.iter().enumerate() {
        let place = format!("{at}.keyless.identities[{index}]");
        let name = if several { format!("{name}-{index}") } else { name.to_owned() };
        match who(identity) {
            Ok(mut who) => {
                who.insert("root".to_owned(), "public-good".into());
                out.sign(&name, json!({ "keyless": who }));
            }
            Err(why) => out.leave_out(&place, why),
        }
    }
}

/// Issuer and identity in hallmark's words.
fn who(identity: &Identity) -> Result<serde_json::Map<String, Value>, String> {
    let Identity { issuer, subject, issuer_reg_exp, subject_reg_exp } = identity;
    let mut who = serde_json::Map::new();
    let parts = [
        ("issuer", "issuerPattern", issuer, issuer_reg_exp),
        ("identity", "identityPattern", subject, subject_reg_exp),
    ];
    for (exact_key, pattern_key, exact, expression) in parts {
        let there = |text: &&String| !text.is_empty();
        let exact = exact.as_ref().filter(there);
        match (exact, expression.as_ref().filter(there)) {
            (Some(exact), None) => who.insert(exact_key.to_owned(), exact.as_str().into()),
            (None, Some(expression)) => {
                let anchored = anchored(expression);
                Pattern::parse(&anchored).map_err(|fault| format!("{anchored:?}: {fault}"))?;
                who.insert(pattern_key.to_owned(), anchored.into())
            }
            _ => return Err(format!("{exact_key} is given as a text and as an expression")),
        };
    }
    Ok(who)
}

/// An expression that is searched for there, as one that matches from end to end.
fn anchored(expression: &str) -> String {
    // `^a|b$` means something else than `^(?:a|b)$`, so only an expression without alternatives is anchored already.
    let whole = expression.strip_prefix('^').and_then(|rest| rest.strip_suffix('$'));
    match whole {
        Some(_) if !expression.contains('|') && !expression.ends_with(r"\$") => {
            expression.to_owned()
        }
        _ => format!("^(?s:.*)(?:{expression})(?s:.*)$"),
    }
}

#[cfg(test)]
mod tests;
