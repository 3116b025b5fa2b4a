//! The fail-closed list of what a rebuild may fetch.
//!
//! Turns a [`Plan`] into a BuildKit source policy (moby/buildkit, `sourcepolicy/pb`): deny everything, then allow each
//! recorded input in its pinned form, and convert the form that the Dockerfile uses into the pinned one. For builders
//! without source policies it gives the images to fetch by digest beforehand. Refuses names that BuildKit would read as
//! patterns or templates.
//!
//! Three facts about BuildKit's engine: a conversion starts the evaluation anew, among `ALLOW` and `DENY` the last match
//! wins, and keys that it does not know are ignored in silence (so `match_type` has to be spelled exactly so). BuildKit
//! before 0.15 converts in silence nothing where `match_type` is `EXACT`; a selector without special characters
//! means the same as a `WILDCARD`, which every version converts.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Plan;
use crate::{
    attest::provenance::{Material, MaterialKind, Pin},
    digest::Digest,
    reference::Repository,
};

/// The source policy.
pub fn buildkit_policy(plan: &Plan) -> Value {
    let mut rules = Rules::default();
    rules.push(json!({
        "action": "DENY",
        "selector": { "identifier": "*", "match_type": "WILDCARD" },
    }));
    for identifier in source_identifiers(plan) {
        rules.allow(&identifier);
    }
    for material in &plan.materials {
        rules.material(material);
    }
    json!({ "rules": rules.list, "version": 1 })
}

/// The digest by which reports name a policy or pin list.
pub fn digest(pins: &Value) -> Digest {
    Digest::sha256(pins.to_string().as_bytes())
}

/// The build context for BuildKit: the repository at the commit, whatever the ref says today.
pub fn context(plan: &Plan) -> String {
    let folder = plan.source_folder.as_ref().map(|f| format!(":{f}")).unwrap_or_default();
    format!("{}#{}{folder}", plan.source_url, plan.commit.as_str())
}

/// An image to fetch by digest, and the name that the Dockerfile has for it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Base {
    /// `registry/path`.
    pub repository: String,
    /// The tag in the Dockerfile.
    pub tag: Option<String>,
    /// What it is pinned to.
    pub digest: Digest,
}

impl Base {
    /// The reference to fetch.
    pub fn pinned(&self) -> String {
        format!("{}@{}", self.repository, self.digest)
    }

    /// Whether this is what a reference in a Dockerfile means.
    pub fn answers(&self, reference: &str) -> bool {
        let (name, digest) = match reference.split_once('@') {
            Some((name, digest)) => (name, digest.parse::<Digest>().ok()),
            None => (reference, None),
        };
        let (repository, tag) = match name.rsplit_once(':') {
            Some((left, right)) if !right.contains('/') => (left, Some(right)),
            _ => (name, None),
        };
        let same = repository.parse::<Repository>().is_ok_and(|r| r.to_string() == self.repository);
        let pinned = match (reference.contains('@'), digest) {
            (true, digest) => digest.as_ref() == Some(&self.digest),
            (false, _) => tag.unwrap_or("latest") == self.tag.as_deref().unwrap_or("latest"),
        };
        same && pinned
    }
}

/// Every pinned image of the plan, sorted.
pub fn bases(plan: &Plan) -> BTreeSet<Base> {
    plan.materials.iter().filter_map(base).collect()
}

fn base(material: &Material) -> Option<Base> {
    match (&material.kind, &material.pin) {
        (MaterialKind::Image { name, tag, .. }, Pin::Content(digest)) => {
            Some(Base { repository: name.clone(), tag: tag.clone(), digest: digest.clone() })
        }
        _ => None,
    }
}

/// The pin list for a builder without source policies: the commit, and each image by digest.
pub fn pin_list(plan: &Plan) -> Value {
    let images: Vec<String> = bases(plan).iter().map(Base::pinned).collect();
    json!({ "images": images, "source": context(plan) })
}

#[derive(Default)]
struct Rules {
    list: Vec<Value>,
}

impl Rules {
    /// Two platforms of one image give the same rule.
    fn push(&mut self, rule: Value) {
        if !self.list.contains(&rule) {
            self.list.push(rule);
        }
    }

    fn allow(&mut self, identifier: &str) {
        self.push(json!({
            "action": "ALLOW",
            "selector": { "identifier": identifier, "match_type": "EXACT" },
        }));
    }

    fn convert(&mut self, from: &str, to: &str) {
        self.push(json!({
            "action": "CONVERT",
            "selector": { "identifier": from, "match_type": "WILDCARD" },
            "updates": { "identifier": to },
        }));
    }

    fn material(&mut self, material: &Material) {
        match (&material.kind, &material.pin) {
            (MaterialKind::Image { name, tag, .. }, Pin::Content(digest)) => {
                self.image(name, tag.as_deref(), digest);
            }
            (MaterialKind::Git, Pin::Commit(commit)) => self.git(&material.uri, commit.as_str()),
            (MaterialKind::Http, Pin::Content(digest)) => self.http(&material.uri, digest),
            _ => {}
        }
    }

    /// A tag becomes tag and digest, as BuildKit's own pinning writes it; a digest alone is allowed as it is.
    fn image(&mut self, name: &str, tag: Option<&str>, digest: &Digest) {
        let bare = format!("docker-image://{name}@{digest}");
        self.allow(&bare);
        let tag = tag.unwrap_or("latest");
        let tagged = format!("docker-image://{name}:{tag}");
        let pinned = format!("{tagged}@{digest}");
        self.convert(&tagged, &pinned);
        self.allow(&pinned);
    }

    fn git(&mut self, uri: &str, commit: &str) {
        let (url, fragment) = uri.split_once('#').unwrap_or((uri, ""));
        let Some(base) = git_identifier(url) else { return };
        let folder = fragment.split_once(':').map(|(_, f)| format!(":{f}")).unwrap_or_default();
        let pinned = format!("{base}#{commit}{folder}");
        let recorded = if fragment.is_empty() { base } else { format!("{base}#{fragment}") };
        if recorded != pinned && is_plain(&recorded) {
            self.convert(&recorded, &pinned);
        }
        self.allow(&pinned);
    }

    /// The checksum becomes part of the request, and nothing passes without it.
    fn http(&mut self, url: &str, digest: &Digest) {
        let checksum = digest.to_string();
        if is_plain(url) {
            self.push(json!({
                "action": "CONVERT",
                "selector": { "identifier": url, "match_type": "WILDCARD" },
                "updates": { "attrs": { "http.checksum": checksum } },
            }));
        }
        self.push(json!({
            "action": "ALLOW",
            "selector": {
                "constraints": [
                    { "condition": "EQUAL", "key": "http.checksum", "value": checksum },
                ],
                "identifier": url,
                "match_type": "EXACT",
            },
        }));
    }
}

/// The context itself, with and without its folder: BuildKit has had both.
fn source_identifiers(plan: &Plan) -> Vec<String> {
    let Some(base) = git_identifier(&plan.source_url) else { return Vec::new() };
    let pinned = format!("{base}#{}", plan.commit.as_str());
    let folder = plan.source_folder.as_ref().map(|folder| format!("{pinned}:{folder}"));
    std::iter::once(pinned).chain(folder).collect()
}

/// How BuildKit identifies a repository: `git://host[:port]/path`, whatever the transport (moby/buildkit,
/// `client/llb.Git`). `None` for a URL that it would clean or that has no host.
pub fn git_identifier(url: &str) -> Option<String> {
    let url = url.strip_prefix("git+").unwrap_or(url);
    let (_, rest) = url.split_once("://")?;
    let (authority, path) = rest.split_once('/')?;
    let host = authority.rsplit('@').next()?;
    let clean = path.split('/').all(|part| !part.is_empty() && part != "." && part != "..");
    (clean && !host.is_empty()).then(|| format!("git://{host}/{path}"))
}

/// Whether BuildKit reads a text as itself, and not as a pattern or template.
pub fn is_plain(text: &str) -> bool {
    !text.contains(['*', '?', '[', ']', '{', '}', '$', '\\']) && !text.chars().any(char::is_control)
}
