//! From `trust` of `hallmark.yaml` to what other programs decide by: a `policy.json` of containers/image, and BuildKit's `Dockerfile.rego`.
//!
//! Turns the operator's rules into a document, and the list of what it cannot say. What cannot be said is left out so that the other
//! program accepts less for it, and where it accepts more than hallmark does, that is listed too.

use std::collections::BTreeSet;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

use crate::trust::{Force, ImagePattern, PredicateClass, Rule, TrustRules};

/// A document, and what is not in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// The document.
    pub text: String,
    /// What it does not say, or says otherwise, and why.
    pub left_out: Vec<String>,
}

/// A `policy.json` as podman, skopeo and CRI-O read it (containers-policy.json(5)): who has to have signed an image of a registry. All
/// that no rule speaks about is rejected.
pub fn containers_policy(trust: &TrustRules) -> Exported {
    let mut left_out = BTreeSet::new();
    let mut scopes = Map::new();
    let patterns: BTreeSet<&ImagePattern> =
        trust.rules().iter().flat_map(|rule| &rule.images).collect();
    for pattern in patterns {
        let Some(scope) = scope(pattern) else {
            left_out.insert(format!("images {pattern}: {NO_SCOPE}"));
            continue;
        };
        let Some(asked) = requirements(trust, pattern, &mut left_out) else { continue };
        let text = pattern.to_string();
        if text.ends_with('*') && text != "**" {
            left_out.insert(format!("images {pattern}: the scope {scope} is also about {scope} itself and all that is below it"));
        } else if text != "**" {
            left_out.insert(format!(
                "images {pattern}: the scope is also about what is below it, as {scope}/x"
            ));
        }
        // The empty scope is about all images that have no other.
        scopes.insert(scope, asked);
    }
    left_out.insert(ONLY_SIGNATURES.to_owned());
    if !trust.layouts().is_empty() || !trust.delegates().is_empty() {
        left_out.insert(
            "trust.layouts and trust.delegates: there is nothing like them there".to_owned(),
        );
    }
    let document = json!({ "default": [{ "type": "reject" }], "transports": { "docker": scopes } });
    Exported { text: format!("{document:#}\n"), left_out: left_out.into_iter().collect() }
}

const NO_SCOPE: &str = "scopes there are registries, or the beginning of a repository's name";
const ONLY_SIGNATURES: &str = "provenance, SBOMs, contents, rebuilds, revoked digests and rules in Rego: a policy.json asks for signatures alone";

/// The scope that is about the images of a pattern; it may be about more.
fn scope(pattern: &ImagePattern) -> Option<String> {
    let text = pattern.to_string();
    if text == "**" {
        return Some(String::new());
    }
    let bare = text.strip_suffix("/**").or_else(|| text.strip_suffix("/*")).unwrap_or(&text);
    let is_path =
        ["oci:", "oci-archive:", "docker-archive:"].iter().any(|kind| text.starts_with(kind));
    (!is_path && !bare.split('/').any(|part| part.starts_with('*'))).then(|| bare.to_owned())
}

/// Whether each image of `inner` is one of `outer`.
fn covers(outer: &ImagePattern, inner: &ImagePattern) -> bool {
    let (outer, inner) = (outer.to_string(), inner.to_string());
    if outer == "**" || outer == inner {
        return true;
    }
    let below = |base: &str| inner.strip_prefix(base).and_then(|rest| rest.strip_prefix('/'));
    match (outer.strip_suffix("/**"), outer.strip_suffix("/*")) {
        (Some(base), _) => below(base).is_some_and(|rest| !rest.is_empty()),
        (None, Some(base)) => below(base).is_some_and(|rest| !rest.contains('/') && rest != "**"),
        (None, None) => false,
    }
}

/// What has to be signed by whom; `None` where an image would have to be accepted that hallmark does not accept.
fn requirements(
    trust: &TrustRules,
    pattern: &ImagePattern,
    left_out: &mut BTreeSet<String>,
) -> Option<Value> {
    let about = |rule: &&Rule| rule.images.iter().any(|images| covers(images, pattern));
    let of_signatures = |rule: &&Rule| rule.predicates.contains(&PredicateClass::Signature);
    let (mut all, mut granted) = (Vec::new(), Vec::new());
    for rule in trust.rules().iter().filter(about).filter(of_signatures) {
        let keys = keys(trust, rule, left_out);
        match (rule.force, keys) {
            (Force::Grant, Some(mut keys)) if keys.len() == 1 => granted.append(&mut keys),
            (Force::Grant, Some(keys)) => {
                left_out.insert(format!(
                    "images {pattern}: a rule that asks for {} signers at once does not stand beside others there",
                    keys.len()
                ));
            }
            (Force::Grant, None) => {}
            (Force::Require, Some(keys)) => all.extend(keys),
            (Force::Require, None) => {
                left_out.insert(format!(
                    "images {pattern}: a required rule cannot be said, so that they are rejected"
                ));
                return None;
            }
        }
    }
    let unsaid = |rule: &Rule| {
        rule.force != Force::Grant
            && rule
                .images
                .iter()
                .any(|images| scope(images).is_none() && images.may_overlap(pattern))
    };
    if trust.rules().iter().any(unsaid) {
        left_out.insert(format!("images {pattern}: a required rule about some of them has no scope, so that they are rejected"));
        return None;
    }
    let granted: Vec<String> = granted.into_iter().flatten().collect();
    // Who satisfies a required rule needs no other.
    if all.is_empty() && !granted.is_empty() {
        all.push(granted);
    }
    if all.is_empty() {
        left_out.insert(format!("images {pattern}: no signature by a key speaks for them"));
        return None;
    }
    Some(all.into_iter().map(requirement).collect())
}

/// One of these keys, each in base64, has to have signed.
fn requirement(mut keys: Vec<String>) -> Value {
    keys.sort();
    keys.dedup();
    let mut one =
        json!({ "type": "sigstoreSigned", "signedIdentity": { "type": "matchRepository" } });
    if let Some(object) = one.as_object_mut() {
        match keys.as_slice() {
            [key] => object.insert("keyData".to_owned(), json!(key)),
            keys => object.insert("keyDatas".to_owned(), json!(keys)),
        };
    }
    one
}

/// The keys of a rule: sets of which each has to have one that signed.
fn keys(
    trust: &TrustRules,
    rule: &Rule,
    left_out: &mut BTreeSet<String>,
) -> Option<Vec<Vec<String>>> {
    let mut sets = Vec::new();
    for name in &rule.signers {
        let signer = trust.signers().get(name)?;
        if !signer.is_plain() {
            left_out.insert(format!(
                "signer {name}: identities in certificates, and keys with a log beside them, are not said there: \
                 subjects are e-mail addresses alone"
            ));
            continue;
        }
        let pem = |der: &[u8]| {
            let lines: Vec<String> = STANDARD
                .encode(der)
                .as_bytes()
                .chunks(64)
                .map(|line| String::from_utf8_lossy(line).into_owned())
                .collect();
            let lines = lines.join("\n");
            STANDARD
                .encode(format!("-----BEGIN PUBLIC KEY-----\n{lines}\n-----END PUBLIC KEY-----\n"))
        };
        sets.push(signer.keys().iter().map(|key| pem(key.der())).collect::<Vec<_>>());
    }
    let complete = sets.len() == rule.signers.len();
    match rule.threshold {
        1 if !sets.is_empty() => Some(vec![sets.concat()]),
        threshold if complete && threshold == sets.len() => Some(sets),
        threshold => {
            let names = rule.signers.join(", ");
            if threshold > 1 {
                left_out.insert(format!(
                    "a rule that asks for {threshold} of {names}: all or one can be said there"
                ));
            }
            None
        }
    }
}

/// BuildKit's policy for builds (`Dockerfile.rego`, buildx 0.31): sources that `trust.sources` names, and no others.
///
/// buildx asks for each source with what it is in `image`, `http`, `git` or `local`, and with `env`, which is about the build and
/// there for every source: it decides nothing here. `image.repo` has its host where it is not Docker Hub's; `image.fullRepo` is the
/// name as it is written here (docker/buildx, `policy/validate.go`, `sourceToInput`).
pub fn buildx(trust: &TrustRules) -> Exported {
    let mut left_out = BTreeSet::new();
    let (mut images, mut urls, mut repositories) =
        (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for source in trust.sources() {
        images.extend(source.bases.iter().chain(&source.frontends).map(ToString::to_string));
        urls.extend(source.downloads.iter().cloned());
        repositories
            .insert(source.repository.trim_end_matches('/').trim_end_matches(".git").to_owned());
        if !source.build_args.is_empty() || source.target.is_some() {
            left_out.insert("trust.sources: targets and build arguments are no sources".to_owned());
        }
    }
    if trust.sources().len() > 1 {
        left_out.insert("trust.sources: several entries become one list, of which a build may take what another one has".to_owned());
    }
    left_out.insert(
        "branches and tags of trust.sources: that they hold a commit is not asked there".to_owned(),
    );
    let list = |texts: &BTreeSet<String>| {
        texts.iter().map(|text| json!(text).to_string()).collect::<Vec<_>>().join(", ")
    };
    let expressions: BTreeSet<String> = images.iter().map(|pattern| expression(pattern)).collect();
    let text = format!(
        "package docker\n\n\
         # Written by hallmark policy export --buildx: what trust.sources of hallmark.yaml names, and nothing else.\n\n\
         # Bases and frontends, as expressions over REGISTRY/REPOSITORY.\n\
         images := [{}]\n\n\
         # Downloads; one that ends with a slash stands for all below it.\n\
         urls := [{}]\n\n\
         repositories := [{}]\n\n\
         default allow := false\n\n\
         # The build's own folder comes from whoever runs it.\n\
         allow if input.local\n\n\
         allow if {{\n\tsome expression in images\n\tregex.match(expression, input.image.fullRepo)\n}}\n\n\
         allow if {{\n\tsome url in urls\n\turl == input.http.url\n}}\n\n\
         allow if {{\n\tsome url in urls\n\tendswith(url, \"/\")\n\tstartswith(input.http.url, url)\n\tnot regex.match(`\\.\\.|\\\\|%2e|%2f|%5c|%25`, lower(input.http.url))\n}}\n\n\
         allow if {{\n\tsome repository in repositories\n\ttrim_suffix(trim_suffix(input.git.remote, \"/\"), \".git\") == repository\n}}\n\n\
         deny_msg contains \"trust.sources of hallmark.yaml does not name this source\" if not allow\n\n\
         decision := {{\"allow\": allow, \"deny_msg\": [message | some message in deny_msg]}}\n",
        list(&expressions),
        list(&urls),
        list(&repositories),
    );
    Exported { text, left_out: left_out.into_iter().collect() }
}

/// An expression that matches what a pattern of images does.
fn expression(pattern: &str) -> String {
    if pattern == "**" {
        return "^.*$".to_owned();
    }
    let part = |part: &str| match part {
        "*" => "[^/]+".to_owned(),
        "**" => ".+".to_owned(),
        word => word
            .chars()
            .flat_map(|c| {
                let special = !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ':'));
                special.then_some('\\').into_iter().chain([c])
            })
            .collect(),
    };
    format!("^{}$", pattern.split('/').map(part).collect::<Vec<_>>().join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    /// What is exported of a `trust` section; `a` and `b` are signers with a key each.
    fn of(rules: &str) -> (Value, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a", "b"] {
            let key = crate::trust::testing::TestKey::new(
                sigstore::crypto::SigningScheme::ECDSA_P256_SHA256_ASN1,
            );
            std::fs::write(folder.path().join(format!("{name}.pub")), &key.pem).unwrap();
        }
        let text = format!(
            "version: 1\ntrust:\n  signers: [{{name: a, key: a.pub}}, {{name: b, key: b.pub}}]\n  rules: {rules}\n"
        );
        let file = folder.path().join("hallmark.yaml");
        std::fs::write(&file, text).unwrap();
        let config = Config::load(Some(&file), &Default::default()).unwrap();
        let Exported { text, left_out } = containers_policy(&config.trust);
        (serde_json::from_str(&text).unwrap(), left_out)
    }

    #[test]
    fn what_cannot_be_said_is_rejected_and_told() {
        let (policy, left_out) =
            of("[{images: [r.example/app], predicates: [signature], signers: [a]}]");
        let scopes = policy["transports"]["docker"].as_object().unwrap();
        assert_eq!(scopes.keys().collect::<Vec<_>>(), ["r.example/app"]);
        let asked = &scopes["r.example/app"];
        assert_eq!(
            (asked[0]["type"].as_str(), asked.as_array().unwrap().len()),
            (Some("sigstoreSigned"), 1)
        );
        assert!(asked[0]["keyData"].is_string(), "{policy:#}");
        assert_eq!(policy["default"][0]["type"], "reject");
        assert!(left_out.iter().any(|line| line.contains("r.example/app/x")), "{left_out:?}");
        // One of two keys, both keys, and a rule that everything is under.
        let (policy, _) =
            of("[{images: [r.example/app], predicates: [signature], signers: [a, b]}]");
        let asked = &policy["transports"]["docker"]["r.example/app"];
        assert_eq!(asked[0]["keyDatas"].as_array().unwrap().len(), 2, "{policy:#}");
        let both = "[{images: [r.example/app], predicates: [signature], signers: [a, b], threshold: 2, required: true}]";
        let (policy, _) = of(both);
        assert_eq!(
            policy["transports"]["docker"]["r.example/app"].as_array().unwrap().len(),
            2,
            "{policy:#}"
        );
        let (policy, _) = of(
            "[{images: [\"**\"], predicates: [signature], signers: [a]}, {images: [r.example/x/**], predicates: [signature], signers: [b], required: true}]",
        );
        let docker = &policy["transports"]["docker"];
        assert!(docker[""][0]["keyData"].is_string(), "{policy:#}");
        assert_eq!(docker["r.example/x"].as_array().unwrap().len(), 1, "{policy:#}");
        assert_ne!(docker[""][0]["keyData"], docker["r.example/x"][0]["keyData"]);
        // Nothing is accepted by a rule that is not about signatures, or that has no scope.
        let (policy, left_out) = of(
            "[{images: [r.example/app], predicates: [sbom], signers: [a]}, {images: [r.example/*/b], predicates: [signature], signers: [a]}]",
        );
        assert_eq!(policy["transports"]["docker"], json!({}), "{policy:#}");
        assert!(left_out.iter().any(|line| line.contains(NO_SCOPE)), "{left_out:?}");
        // A required rule that cannot be said closes what it may be about.
        let (policy, _) = of(
            "[{images: [\"**\"], predicates: [signature], signers: [a]}, {images: [r.example/*/b], predicates: [signature], signers: [b], required: true}]",
        );
        assert_eq!(policy["transports"]["docker"], json!({}), "{policy:#}");
    }

    /// The input that buildx asks with: what is known of one source, and of the build whatever the source is.
    fn asked(source: Value) -> Value {
        let mut input =
            json!({ "env": { "filename": "Dockerfile", "target": "app", "args": { "A": "b" } } });
        if let (Some(input), Value::Object(source)) = (input.as_object_mut(), source) {
            input.extend(source);
        }
        input
    }

    fn image(host: &str, repo: &str, full: &str) -> Value {
        json!({ "image": { "ref": format!("{full}:1"), "host": host, "repo": repo, "fullRepo": full, "tag": "1" } })
    }

    /// What a build takes is allowed by what `trust.sources` names, and by nothing that is there for every source.
    #[test]
    fn i26_a_build_takes_what_is_named_and_nothing_else() {
        let sources = "[{images: [r.example/app], repository: \"https://git.example/team/app.git\", branches: [main], \
                       bases: [docker.io/library/alpine, \"r.example/base/*\"], frontends: [docker.io/docker/dockerfile], \
                       downloads: [\"https://dl.example/a.tar\", \"https://dl.example/pool/\"]}]";
        let text = format!("version: 1\ntrust: {{sources: {sources}}}\n");
        let config = Config::of_text("hallmark.yaml".as_ref(), &text, &Default::default()).unwrap();
        let exported = buildx(&config.trust).text;
        let http =
            |url: &str| json!({ "http": { "url": url, "schema": "https", "host": "dl.example" } });
        let git = |remote: &str| json!({ "git": { "remote": remote, "host": "git.example", "ref": "refs/heads/main" } });
        let cases = [
            (image("docker.io", "alpine", "docker.io/library/alpine"), true),
            (image("docker.io", "docker/dockerfile", "docker.io/docker/dockerfile"), true),
            (image("r.example", "r.example/base/x", "r.example/base/x"), true),
            (image("docker.io", "debian", "docker.io/library/debian"), false),
            (image("docker.io", "evil/alpine", "docker.io/evil/alpine"), false),
            (image("r.example", "r.example/base/x/y", "r.example/base/x/y"), false),
            (image("evil.example", "evil.example/base/x", "evil.example/base/x"), false),
            (http("https://dl.example/a.tar"), true),
            (http("https://dl.example/pool/a/b.deb"), true),
            (http("https://dl.example/pool/../secret"), false),
            (http("https://dl.example/pool/%2e%2e/secret"), false),
            (http("https://dl.example/b.tar"), false),
            (git("https://git.example/team/app.git"), true),
            (git("https://git.example/team/app"), true),
            (git("https://git.example/team/other.git"), false),
            (json!({ "local": { "name": "context" } }), true),
            // What buildx asks first, to learn what a policy wants to be able to do.
            (json!({}), false),
        ];
        for (source, want) in cases {
            let mut engine = regorus::Engine::new();
            engine.add_policy("Dockerfile.rego".to_owned(), exported.clone()).unwrap();
            let input = asked(source.clone());
            engine.set_input(regorus::Value::from_json_str(&input.to_string()).unwrap());
            let decision = engine.eval_rule("data.docker.decision".to_owned()).unwrap();
            let decision: Value = serde_json::from_str(&decision.to_json_str().unwrap()).unwrap();
            assert_eq!(decision["allow"], want, "{source}: {decision}");
            assert_eq!(decision["deny_msg"].as_array().unwrap().is_empty(), want, "{source}");
        }
    }

    #[test]
    fn patterns_are_expressions_of_the_same_names() {
        let cases = [
            ("docker.io/library/alpine", "^docker\\.io/library/alpine$"),
            ("r.example:5000/*/b", "^r\\.example:5000/[^/]+/b$"),
            ("r.example/**", "^r\\.example/.+$"),
            ("**", "^.*$"),
        ];
        for (pattern, want) in cases {
            assert_eq!(expression(pattern), want);
        }
    }
}
