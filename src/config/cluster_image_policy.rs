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

use serde::Deserialize as _;
use serde_json::{Value, json};

use self::{
    check::check,
    wire::{Authority, Ctlog, Document, Key, Keyless, Outline, Source},
};
use super::{
    Surroundings, file,
    identity::{OBJECT_META, Who, signer_name, who},
};
use crate::trust::{ImagePattern, PatternError, PublicKey};

/// Bytes of a document.
pub const MAX_BYTES: usize = 1 << 20;
/// Globs of one file: each is held against each.
const MOST_GLOBS: usize = 1000;
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
    let globs: usize = policies.iter().map(|policy| policy.spec.images.len()).sum();
    if globs > MOST_GLOBS {
        return Err(invalid(
            "document",
            format!("more than {MOST_GLOBS} globs; import it in parts"),
        ));
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
    /// Whether it denies anything there.
    asks: bool,
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
    for (index, at) in settle(&mut said) {
        let why = "another policy of the file, which cannot be said here, may be about the \
                   same images, and both have to hold";
        let Some(policy) = policies.get(index) else { continue };
        left_out.push(LeftOut { at: named(policy, at), why: why.to_owned() });
    }
    let mut rules = Vec::new();
    for one in &said {
        let images: Vec<String> =
            one.images.iter().map(|(_, pattern)| pattern.to_string()).collect();
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

/// Takes images out of policies that another one is about as well, if that one cannot be said of them, and gives the place of each. What a
/// policy has to leave out for another's sake is not said of its own signers either, so that a third one grants nothing for it.
fn settle(said: &mut [Said]) -> Vec<(usize, String)> {
    let all = said.iter().enumerate();
    let mut open: Vec<(usize, ImagePattern)> =
        all.flat_map(|(index, one)| one.unsaid.iter().map(move |p| (index, p.clone()))).collect();
    let mut taken = Vec::new();
    while let Some((owner, unsaid)) = open.pop() {
        for (index, one) in said.iter_mut().enumerate().filter(|(index, _)| *index != owner) {
            let (out, kept): (Vec<_>, Vec<_>) =
                one.images.drain(..).partition(|(_, pattern)| unsaid.may_overlap(pattern));
            one.images = kept;
            for (at, pattern) in out {
                taken.push((index, at));
                if one.asks {
                    open.push((index, pattern));
                }
            }
        }
    }
    taken
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
        let why = format!("write it as a rule in Rego: {} says what it sees", page!("policy"));
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
    Said { images, signers, unsaid: if asks { unsaid } else { Vec::new() }, asks }
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
        let page = page!("policy");
        let why = format!("what attestations must say is asked by rules in Rego: {page}");
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
        let meant = Who {
            issuer: identity.issuer.as_deref(),
            issuer_expression: identity.issuer_reg_exp.as_deref(),
            identity: identity.subject.as_deref(),
            identity_expression: identity.subject_reg_exp.as_deref(),
        };
        match who(meant) {
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

#[cfg(test)]
mod tests;
