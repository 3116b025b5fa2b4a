//! The verdict as SLSA verification summaries, v1: one statement for each platform.
//!
//! Turns a [`Verdict`] into in-toto statements of the type [`summary::TYPE`], for others who will not verify the image themselves. Each
//! is about the published manifest of one platform. What in-toto's own types have no field for, the versions among it, goes into the
//! subject's annotations, under a URI: strict readers refuse fields that they do not know. Nothing is said of a platform that could not be judged: an outage is no
//! refusal. Claims no `SLSA_BUILD_LEVEL_…`: the configuration says of no builder which level it reaches.
//! (slsa.dev/spec/v1.2/verification_summary.)

use serde_json::{Map, Value, json};

use crate::{
    attest::predicate::summary,
    digest::{Digest, ManifestDigest},
    finding::Severity,
    rebuild::Rebuild,
    reference::Location,
    trust::{Proof, Verified},
    verdict::{Decision, Evidence, Ground, Inputs, PlatformVerdict, Verdict},
};

/// Key of what hallmark adds to a summary.
const DETAILS: &str = "https://hallmark.dev/verification/v0.1";

/// Who says it, and what the policy is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// `verifier.id`: a URI of the operator's own choice, which whoever relies on it names beside the key.
    pub verifier: String,
    /// `policy.uri`.
    pub policy: String,
}

/// The statement about one platform; `None` where no manifest is known that it could be about.
pub fn statement(verdict: &Verdict, platform: &PlatformVerdict, author: &Author) -> Option<Value> {
    let manifest = platform.manifest.as_ref()?;
    let location = &verdict.subject.location;
    let mut predicate = json!({
        "verifier": { "id": author.verifier },
        "timeVerified": verdict.time.to_string(),
        "resourceUri": resource(location, manifest),
        "policy": { "uri": author.policy, "digest": by_algorithm(&judged_by(&verdict.inputs)) },
        "verificationResult": if platform.decision.is_pass() { "PASSED" } else { "FAILED" },
        "verifiedLevels": levels(&platform.decision),
        "slsaVersion": "1.2",
    });
    if let (Some(inputs), Value::Object(predicate)) = (inputs(platform), &mut predicate) {
        predicate.insert("inputAttestations".to_owned(), inputs);
    }
    Some(json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{
            "name": location.to_string(),
            "digest": by_algorithm(manifest.digest()),
            "annotations": { DETAILS: details(verdict, platform) },
        }],
        "predicateType": summary::TYPE,
        "predicate": predicate,
    }))
}

/// The digest of all that the verdict was judged by: policies with their data, settings and exceptions, and trust. What a relying
/// party names, to accept no verdict by other rules.
pub fn judged_by(inputs: &Inputs) -> Digest {
    Digest::sha256(format!("policy {}\ntrust {}\n", inputs.policy, inputs.trust).as_bytes())
}

fn by_algorithm(digest: &Digest) -> Value {
    json!({ digest.algorithm().name(): digest.hex() })
}

/// The image as a verifier knows it: by its name with a digest, and where it has none, by its digest.
fn resource(location: &Location, manifest: &ManifestDigest) -> String {
    match location {
        Location::Registry(repository) => format!("{repository}@{manifest}"),
        _ => format!("pkg:oci/image@{}", manifest.to_string().replace(':', "%3A")),
    }
}

fn versions(inputs: &Inputs, platform: &PlatformVerdict) -> Map<String, Value> {
    let mut versions = Map::from_iter([("hallmark".to_owned(), json!(inputs.version))]);
    if let Some(Rebuild::Compared(rebuilt)) = platform.evidence.as_deref().map(|e| &e.rebuild) {
        let engine = &rebuilt.engine;
        versions.insert(engine.driver.clone(), json!(engine.version));
    }
    versions
}

/// Levels of a pass. The track of builds is not evaluated; a rebuild that reproduced the image has a level of hallmark's own.
fn levels(decision: &Decision) -> Vec<String> {
    let Decision::Pass(grounds) = decision else { return vec!["FAILED".to_owned()] };
    let rebuilt = grounds.iter().filter_map(|ground| match ground {
        Ground::Rebuilt { level, .. } if *level >= 4 => {
            Some(format!("HALLMARK_REPRODUCED_R{level}"))
        }
        _ => None,
    });
    std::iter::once("SLSA_BUILD_LEVEL_UNEVALUATED".to_owned()).chain(rebuilt).collect()
}

/// What was proven, by the digests of what is signed; `None` where more than that was used: the specification asks for all or none.
fn inputs(platform: &PlatformVerdict) -> Option<Value> {
    let evidence: &Evidence = platform.evidence.as_deref()?;
    // A layout counts links that lie outside of the image, too.
    if !evidence.layouts.is_empty() {
        return None;
    }
    let proven = evidence.signatures.iter().chain(&evidence.attestations).filter_map(Proof::proven);
    let mut all: Vec<&Digest> = proven.map(Verified::payload).collect();
    all.sort();
    all.dedup();
    Some(all.into_iter().map(|payload| json!({ "digest": by_algorithm(payload) })).collect())
}

fn details(verdict: &Verdict, platform: &PlatformVerdict) -> Value {
    let codes = |severity: Severity| {
        let findings = platform.findings.iter().filter(|finding| finding.severity == severity);
        let mut codes: Vec<_> = findings.map(|finding| finding.code.as_str()).collect();
        codes.sort_unstable();
        codes.dedup();
        codes
    };
    json!({
        "versions": versions(&verdict.inputs, platform),
        "asked": verdict.subject.digest.to_string(),
        "platform": platform.platform.as_ref().map(ToString::to_string),
        "policy": verdict.inputs.policy.to_string(),
        "trust": verdict.inputs.trust.to_string(),
        "errors": codes(Severity::Error),
        "warnings": codes(Severity::Warning),
    })
}
