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

use super::{Plan, PlannedRepository, PlannedSource};
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
        rules.material(material, &plan.fetched);
    }
    json!({ "rules": rules.list, "version": 1 })
}

/// The digest by which reports name a policy or pin list.
pub fn digest(pins: &Value) -> Digest {
    Digest::sha256(pins.to_string().as_bytes())
}

/// The build context for BuildKit: the repository at the commit, whatever the ref says today, or a URL, which the policy gives
/// its checksum.
pub fn context(plan: &Plan) -> String {
    match &plan.source {
        PlannedSource::Repository(PlannedRepository { url, folder, commit, .. }) => {
            let folder = folder.as_ref().map(|f| format!(":{f}")).unwrap_or_default();
            format!("{url}#{}{folder}", commit.as_str())
        }
        PlannedSource::Download { url, .. } => url.clone(),
    }
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

    fn material(&mut self, material: &Material, fetched: &BTreeSet<String>) {
        match (&material.kind, &material.pin) {
            (MaterialKind::Image { name, tag, .. }, Pin::Content(digest)) => {
                self.image(name, tag.as_deref(), digest);
            }
            (MaterialKind::Git, Pin::Commit(commit)) => self.git(&material.uri, commit.as_str()),
            (MaterialKind::Http, Pin::Content(_)) if fetched.contains(&material.uri) => {
                // The proxy of steps knows no checksum; bytes that changed show in the layer.
                self.allow(&material.uri);
            }
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
        // As a pattern, a question mark stands for any one character, itself too; the `ALLOW` below is exact.
        if is_plain(&url.replace('?', "")) {
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
    let Some(repository) = plan.source.repository() else { return Vec::new() };
    let Some(base) = git_identifier(&repository.url) else { return Vec::new() };
    let pinned = format!("{base}#{}", repository.commit.as_str());
    let folder = repository.folder.as_ref().map(|folder| format!("{pinned}:{folder}"));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rebuild::tests::plan;

    /// What BuildKit's engine makes of an identifier (moby/buildkit, `sourcepolicy/engine.go`): conversions start anew,
    /// among `ALLOW` and `DENY` the last match wins.
    fn evaluate(policy: &Value, identifier: &str) -> Option<String> {
        let rules = policy["rules"].as_array().unwrap();
        let mut identifier = identifier.to_owned();
        let mut checksum = None;
        'again: for _ in 0..20 {
            let mut allowed = true;
            for rule in rules {
                let pattern = rule["selector"]["identifier"].as_str().unwrap();
                let wildcard = rule["selector"]["match_type"] == "WILDCARD";
                if pattern != identifier && !(wildcard && pattern == "*") {
                    continue;
                }
                match rule["action"].as_str().unwrap() {
                    "CONVERT" => {
                        let to = rule["updates"]["identifier"]
                            .as_str()
                            .unwrap_or(&identifier)
                            .to_owned();
                        let attribute = rule["updates"]["attrs"]["http.checksum"].as_str();
                        if to != identifier || attribute.map(str::to_owned) != checksum {
                            checksum = attribute.map(str::to_owned);
                            identifier = to;
                            continue 'again;
                        }
                    }
                    "ALLOW" => {
                        let constraints = rule["selector"]["constraints"].as_array();
                        let mut all = constraints.into_iter().flatten();
                        allowed =
                            all.all(|c| c["value"].as_str() == checksum.as_deref()) || allowed;
                    }
                    _ => allowed = false,
                }
            }
            return allowed.then_some(identifier);
        }
        None
    }

    #[test]
    fn only_pinned_forms_pass_and_tags_become_pins() {
        let policy = buildkit_policy(&plan());
        let (a, b, commit) = ("a".repeat(64), "b".repeat(64), "c".repeat(40));
        let golang = "docker-image://docker.io/library/golang";
        let source = "git://git.example/app.git";
        let cases = [
            (format!("{golang}:1.24"), Some(format!("{golang}:1.24@sha256:{a}"))),
            (format!("{golang}@sha256:{a}"), Some(format!("{golang}@sha256:{a}"))),
            (format!("{golang}:1.25"), None),
            (format!("{golang}:1.24@sha256:{b}"), None),
            (
                format!("docker-image://r.example:5000/base@sha256:{b}"),
                Some(format!("docker-image://r.example:5000/base@sha256:{b}")),
            ),
            (format!("docker-image://r.example/base@sha256:{b}"), None),
            (format!("{source}#refs/tags/v1:sub"), Some(format!("{source}#{commit}:sub"))),
            (format!("{source}#{commit}:sub"), Some(format!("{source}#{commit}:sub"))),
            (format!("{source}#{commit}"), Some(format!("{source}#{commit}"))),
            (format!("{source}#main"), None),
            (
                "https://files.example/tool.tgz?v=1".to_owned(),
                Some("https://files.example/tool.tgz?v=1".to_owned()),
            ),
            ("https://files.example/other.tgz".to_owned(), None),
            ("local://context".to_owned(), None),
            ("docker-image://docker.io/docker/dockerfile:1".to_owned(), None),
        ];
        for (identifier, want) in cases {
            assert_eq!(evaluate(&policy, &identifier), want, "{identifier}");
        }
    }

    #[test]
    fn the_policy_is_spelled_as_buildkit_reads_it() {
        let policy = buildkit_policy(&plan());
        let first = &policy["rules"][0];
        assert_eq!(
            first,
            &json!({ "action": "DENY", "selector": { "identifier": "*", "match_type": "WILDCARD" } })
        );
        for rule in policy["rules"].as_array().unwrap() {
            let selector = rule["selector"].as_object().unwrap();
            assert!(
                selector.contains_key("match_type") && !selector.contains_key("matchType"),
                "{rule}"
            );
            // `EXACT` conversions do nothing in the BuildKit of Docker 26.
            let expected = if rule["action"] == "ALLOW" { "EXACT" } else { "WILDCARD" };
            assert_eq!(rule["selector"]["match_type"], expected, "{rule}");
            if rule["selector"]["identifier"].as_str().unwrap().starts_with("http")
                && rule["action"] == "ALLOW"
            {
                assert_eq!(rule["selector"]["constraints"][0]["key"], "http.checksum");
            }
        }
    }

    #[test]
    fn repositories_are_named_as_buildkit_names_them() {
        let cases = [
            ("https://github.com/org/app.git", Some("git://github.com/org/app.git")),
            ("git://127.0.0.1:9418/app.git", Some("git://127.0.0.1:9418/app.git")),
            ("git+https://h/app", Some("git://h/app")),
            ("https://user@h/app.git", Some("git://h/app.git")),
            ("https://h/a/../b.git", None),
            ("https://h//b.git", None),
            ("https://h", None),
            ("app.git", None),
        ];
        for (url, want) in cases {
            assert_eq!(git_identifier(url).as_deref(), want, "{url}");
        }
    }

    #[test]
    fn a_base_answers_to_its_names_alone() {
        let digest: Digest = format!("sha256:{}", "a".repeat(64)).parse().unwrap();
        let base = Base {
            repository: "docker.io/library/golang".to_owned(),
            tag: Some("1.24".to_owned()),
            digest,
        };
        let pinned = format!("golang@sha256:{}", "a".repeat(64));
        let both = format!("golang:1.24@sha256:{}", "a".repeat(64));
        let other = format!("golang@sha256:{}", "b".repeat(64));
        for (name, want) in [
            ("golang:1.24", true),
            ("docker.io/library/golang:1.24", true),
            (pinned.as_str(), true),
            (both.as_str(), true),
            (other.as_str(), false),
            ("golang", false),
            ("golang:1.25", false),
            ("r.example/golang:1.24", false),
            ("golang@", false),
        ] {
            assert_eq!(base.answers(name), want, "{name}");
        }
    }
}
