//! From a ClusterImagePolicy of Sigstore's policy-controller to `hallmark.yaml`.
//!
//! Reads documents of `policy.sigstore.dev/v1alpha1` or `v1beta1`, as they are written or as an apiserver gives them, checks each
//! as that project's webhook does (sigstore/policy-controller, `pkg/apis/policy` and `pkg/apis/glob`), and writes the trust
//! rules that they mean. There one of several authorities is enough, every policy that matches an image has to hold, and images
//! that no policy matches are judged by a setting elsewhere: whatever cannot be said here is left out, with its place and the
//! reason, and hallmark accepts less for it, never more. Of several policies each becomes a required rule; where one cannot be
//! said, images that it may be about are left out of the others. Nothing is fetched: keys in a KMS or a Secret are named and
//! left out.

mod check;
mod wire;

use std::{fmt, path::Path};

use regex_syntax::hir::Look;
use serde::Deserialize as _;
use serde_json::{Value, json};

use self::{
    check::check,
    wire::{Authority, Ctlog, Document, Identity, Key, Keyless, OBJECT_META, Outline, Source},
};
use super::{Surroundings, file};
use crate::{
    policy::builtins::pattern,
    trust::{
        ImagePattern, PatternError, PublicKey,
        sigstore::{Pattern, PatternFault},
    },
};

/// Bytes of a document.
pub const MAX_BYTES: usize = 1 << 20;
/// The instance whose root hallmark embeds.
const PUBLIC_GOOD_FULCIO: &str = "https://fulcio.sigstore.dev";
/// And its log.
const PUBLIC_GOOD_REKOR: &str = "https://rekor.sigstore.dev";

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

fn invalid(at: impl Into<String>, why: impl Into<String>) -> Invalid {
    Invalid { at: at.into(), why: why.into() }
}

/// Translates all policies of a file.
///
/// # Errors
/// [`Invalid`]: it holds something else than ClusterImagePolicies that policy-controller would take.
pub fn import(text: &str) -> Result<Imported, Invalid> {
    if text.len() > MAX_BYTES {
        return Err(invalid("document", format!("more than {MAX_BYTES} bytes")));
    }
    let text = text.trim_start_matches('\u{feff}');
    let mut policies = Vec::new();
    for document in yaml_serde::Deserializer::from_str(text) {
        let value = yaml_serde::Value::deserialize(document).map_err(|error| unread(&error))?;
        collect(value, &mut policies)?;
    }
    let several = policies.len() > 1;
    let named = |policy: &Document, at: String| match several {
        true => format!("{}: {at}", clean(&policy.metadata.name)),
        false => at,
    };
    for policy in &policies {
        check(policy).map_err(|fault| invalid(named(policy, fault.at), fault.why))?;
    }
    match policies.is_empty() {
        true => Err(invalid("document", "it is empty")),
        false => translate(&policies, named),
    }
}

fn unread(error: &yaml_serde::Error) -> Invalid {
    invalid("document", error.to_string().replace(char::is_control, " "))
}

/// Reads one document: a policy, or a list of them as `kubectl get -o yaml` writes it. Nothing between two `---` is nothing.
fn collect(value: yaml_serde::Value, into: &mut Vec<Document>) -> Result<(), Invalid> {
    if value.is_null() {
        return Ok(());
    }
    let outline: Outline = yaml_serde::from_value(value.clone()).map_err(|e| unread(&e))?;
    let is_list = outline.kind.as_deref().is_some_and(|kind| kind.ends_with("List"));
    let documents = match outline.items {
        Some(items) if is_list => items,
        _ => vec![value],
    };
    for document in documents {
        let policy: Document = yaml_serde::from_value(document).map_err(|e| unread(&e))?;
        let foreign = |key: &&String| !OBJECT_META.contains(&key.as_str());
        if let Some(key) = policy.metadata.added.keys().find(foreign) {
            return Err(invalid("document", format!("metadata: unknown field `{}`", clean(key))));
        }
        into.push(policy);
    }
    Ok(())
}

/// Names of strangers in messages.
fn clean(text: &str) -> String {
    text.chars().take(80).flat_map(char::escape_default).collect()
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

/// What became of one policy.
struct Said {
    images: Vec<(String, ImagePattern)>,
    signers: Vec<Value>,
    /// Images about which it asks for something that is not said here.
    unsaid: Vec<ImagePattern>,
}

fn translate(
    policies: &[Document],
    named: impl Fn(&Document, String) -> String,
) -> Result<Imported, Invalid> {
    let (mut said, mut left_out, mut signers) = (Vec::new(), Vec::new(), Vec::new());
    for policy in policies {
        let mut out = Translation { signers, left_out: Vec::new() };
        said.push(translate_policy(policy, &mut out));
        signers = out.signers;
        left_out.extend(
            out.left_out.into_iter().map(|one| LeftOut { at: named(policy, one.at), ..one }),
        );
    }
    let mut rules = Vec::new();
    for (index, policy) in policies.iter().enumerate() {
        let others = said.iter().enumerate().filter(|(other, _)| *other != index);
        let others: Vec<&ImagePattern> = others.flat_map(|(_, other)| &other.unsaid).collect();
        let Some(one) = said.get(index) else { continue };
        let mut images = Vec::new();
        for (at, pattern) in &one.images {
            if others.iter().any(|other| other.may_overlap(pattern)) {
                let why = "another policy of the file, which cannot be said here, may be about the \
                           same images, and both have to hold";
                left_out.push(LeftOut { at: named(policy, at.clone()), why: why.to_owned() });
            } else {
                images.push(pattern.to_string());
            }
        }
        if images.is_empty() || one.signers.is_empty() {
            continue;
        }
        let mut rule =
            json!({ "images": images, "predicates": ["signature"], "signers": one.signers });
        if policies.len() > 1 {
            rule["required"] = true.into();
        }
        rules.push(rule);
    }
    left_out.sort();
    let names: Vec<Value> =
        rules.iter().filter_map(|rule| rule["signers"].as_array()).flatten().cloned().collect();
    signers.retain(|signer| names.contains(&signer["name"]));
    if rules.is_empty() {
        return Ok(Imported { yaml: None, left_out });
    }
    let config = json!({
        "version": 1,
        "trust": { "signers": signers, "rules": rules },
        "policy": { "preset": "signed" },
    });
    let yaml = yaml_serde::to_string(&config)
        .map_err(|error| invalid("document", format!("it cannot be written: {error}")))?;
    // What is printed has to be read again.
    file::config(Path::new("hallmark.yaml"), &yaml, &Surroundings::default())
        .map_err(|error| invalid("document", format!("its translation is refused: {error}")))?;
    Ok(Imported { yaml: Some(yaml), left_out })
}

fn translate_policy(policy: &Document, out: &mut Translation) -> Said {
    let spec = &policy.spec;
    let only_warns = spec.mode.as_deref() == Some("warn");
    if only_warns {
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
    let (mut images, mut unsaid) = (Vec::new(), Vec::new());
    for (index, image) in spec.images.iter().enumerate() {
        let at = format!("spec.images[{index}].glob");
        match pattern(&image.glob) {
            Ok(pattern) => images.push((at, pattern)),
            Err(why) => {
                out.leave_out(&at, why);
                unsaid.extend(widened(&image.glob));
            }
        }
    }
    let before = out.signers.len();
    for (index, authority) in spec.authorities.iter().enumerate() {
        let at = format!("spec.authorities[{index}]");
        let name = authority.name.clone().unwrap_or_else(|| format!("authority-{index}"));
        translate_authority(&at, &signer_name(&name), authority, out);
    }
    let signers = out.signers.get(before..).unwrap_or_default();
    let mut signers: Vec<Value> = signers.iter().map(|signer| signer["name"].clone()).collect();
    if !spec.matches.is_empty() || spec.policy.is_some() {
        signers.clear();
    }
    if signers.is_empty() {
        unsaid.extend(images.drain(..).map(|(_, pattern)| pattern));
    }
    // One that lets everything pass asks for nothing.
    let passes = |authority: &Authority| {
        let action = authority.fixed.as_ref().and_then(|fixed| fixed.get("action"));
        action.and_then(|action| action.as_str()) == Some("pass")
    };
    let asks = !only_warns && (spec.policy.is_some() || !spec.authorities.iter().any(passes));
    Said { images, signers, unsaid: if asks { unsaid } else { Vec::new() } }
}

/// A pattern for all images that a glob may match, and others, too.
fn widened(glob: &str) -> Option<ImagePattern> {
    let everything = || "**".parse().ok();
    let segment = |segment: &str| match segment {
        "**" | "*" => segment.to_owned(),
        other if other.contains('*') => "*".to_owned(),
        other => other.to_owned(),
    };
    let (name, tag) = match glob.rsplit_once('/') {
        Some((front, last)) => (front, last.split(':').next().unwrap_or(last)),
        None => return everything(),
    };
    let spans = |part: &str| part.contains("**") && part != "**";
    if glob.split('/').any(spans) {
        return everything();
    }
    let segments: Vec<String> = name.split('/').chain([tag]).map(segment).collect();
    segments.join("/").parse().ok().or_else(everything)
}

/// Names of signers have letters, digits and few signs.
fn signer_name(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '@');
    text.chars().map(|c| if plain(c) { c } else { '-' }).collect()
}

/// hallmark's pattern for a glob. There `*` stands for a part of a segment; here for a whole one. Images are matched there under
/// Docker Hub's older name, or as they are written.
fn pattern(glob: &str) -> Result<ImagePattern, String> {
    let glob = match glob {
        "*" => "docker.io/library/*",
        "*/*" => "docker.io/*/*",
        other => other,
    };
    let last = glob.rsplit('/').next().unwrap_or(glob);
    if last.contains(':') && glob.contains('/') {
        return Err("rules are about repositories; tags and digests are not read".to_owned());
    }
    let wild = |segment: &str| segment.contains('*') && segment != "*" && segment != "**";
    if glob.split('/').any(wild) {
        let why = "a wildcard stands for a whole segment here; list the repositories, or widen it";
        return Err(why.to_owned());
    }
    let read = match glob.parse::<ImagePattern>() {
        Ok(pattern) => return Ok(pattern),
        Err(PatternError::NoRegistry(_)) => {
            let path = if glob.contains('/') { glob.to_owned() } else { format!("library/{glob}") };
            format!("docker.io/{path}").parse::<ImagePattern>()
        }
        Err(error) => Err(error),
    };
    read.map_err(|error| error.to_string())
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
            Ok((mut who, narrowed)) => {
                for why in narrowed {
                    out.leave_out(&place, why);
                }
                who.insert("root".to_owned(), "public-good".into());
                out.sign(&name, json!({ "keyless": who }));
            }
            Err(why) => out.leave_out(&place, why),
        }
    }
}

/// Issuer and identity in hallmark's words, and what they leave out.
fn who(identity: &Identity) -> Result<(serde_json::Map<String, Value>, Vec<String>), String> {
    let Identity { issuer, subject, issuer_reg_exp, subject_reg_exp } = identity;
    let (mut who, mut narrowed) = (serde_json::Map::new(), Vec::new());
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
                let ours = pattern::translate(expression);
                let ours = ours.map_err(|why| format!("{expression:?}: {why}"))?;
                let (pattern, whole) =
                    anchored(&ours).map_err(|why| format!("{expression:?}: {why}"))?;
                if !whole {
                    narrowed.push(format!(
                        "{expression:?} is found anywhere in a name there, which strangers' names may hold, too; \
                         here {pattern:?} alone"
                    ));
                }
                who.insert(pattern_key.to_owned(), pattern.into())
            }
            _ => return Err(format!("{exact_key} is given as a text and as an expression")),
        };
    }
    Ok((who, narrowed))
}

/// An expression that is searched for there, as one that matches from end to end, and whether it matches as much: the widest of
/// those that name whose names they match.
fn anchored(expression: &str) -> Result<(String, bool), PatternFault> {
    let parsed = regex_syntax::parse(expression).map_err(|_| PatternFault::Syntax)?;
    let properties = parsed.properties();
    // Of `^a|b$` neither holds for every alternative.
    let start = properties.look_set_prefix().contains(Look::Start);
    let end = properties.look_set_suffix().contains(Look::End);
    let inner = expression.strip_prefix('^').filter(|_| start).unwrap_or(expression);
    let stripped = inner.strip_suffix('$').filter(|_| end && !inner.ends_with(r"\$"));
    let inner = stripped.unwrap_or(inner);
    let anything = |anchored: bool| if anchored { "" } else { "(?s:.*)" };
    let (before, after) = (anything(start), anything(end));
    let mut first = None;
    for (before_it, after_it) in [(before, after), ("", after), (before, ""), ("", "")] {
        let whole = (before_it, after_it) == (before, after);
        // A name has no line ends, so that nothing follows what goes on with anything.
        let open = inner.ends_with(".*") && !inner.ends_with(r"\.*");
        let after_it = if open { "" } else { after_it };
        let alone = !inner.contains('|') || (before_it.is_empty() && after_it.is_empty());
        let inner = if alone { inner.to_owned() } else { format!("(?:{inner})") };
        let pattern = format!("^{before_it}{inner}{after_it}$");
        let read = match Pattern::parse(&pattern) {
            Ok(_) => Some(pattern),
            Err(fault) => {
                first.get_or_insert(fault);
                Pattern::meant(&pattern)
            }
        };
        if let Some(pattern) = read {
            return Ok((pattern, whole));
        }
    }
    Err(first.unwrap_or(PatternFault::Syntax))
}

#[cfg(test)]
mod tests;
