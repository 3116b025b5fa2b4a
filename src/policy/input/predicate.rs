//! What rules see of predicates that hallmark reads: the same meaning, whatever version of a format it came in.
//!
//! These are the wire's own types, so that what is read and what goes out change each by itself.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::attest::predicate::{
    Outcome, Predicate, Resource, attributes::Attribute, attributes::Attributes, link::Link,
    release::Release, scan::Found, scan::Scan, summary::Summary, test_result::TestResult,
    verification::Verification,
};

/// A predicate with its meaning.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum PredicateInput {
    /// What a verifier decided (SLSA VSA v1).
    Summary(SummaryInput),
    /// What tests gave (in-toto test-result v0.1).
    TestResult(TestResultInput),
    /// What a scanner found (in-toto vulns v0.1 and v0.2, cosign vuln v1).
    Scan(ScanInput),
    /// Which release it is (in-toto release v0.1).
    Release(ReleaseInput),
    /// Properties that a verifier vouches for (in-toto SVR v0.1 and v0.2).
    Verification(VerificationInput),
    /// Attributes with their evidence (in-toto SCAI v0.2 and v0.3).
    Attributes(AttributesInput),
    /// A step with what went in and came out (in-toto link v0.3).
    Link(LinkInput),
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OutcomeInput {
    /// Exactly the word for success.
    Passed,
    /// Success with remarks, where a format knows that.
    Warned,
    /// The word for failure.
    Failed,
    /// Any other word: it never counts as success.
    Unknown,
}

/// Something that a predicate refers to. Of whatever algorithm its digests are, they bind nothing here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceInput {
    /// Its name.
    pub name: Option<String>,
    /// Where it is identified.
    pub uri: Option<String>,
    /// Where it can be fetched.
    pub download_location: Option<String>,
    /// Its digests by algorithm.
    pub digest: BTreeMap<String, String>,
}

/// What a verifier decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SummaryInput {
    /// Who decided.
    pub verifier: String,
    /// When, where it says so.
    #[schemars(with = "Option<String>")]
    pub time: Option<Timestamp>,
    /// About what, by its name.
    pub resource: String,
    /// By which policy.
    pub policy: ResourceInput,
    /// What.
    pub result: OutcomeInput,
    /// Levels that it reached, as `SLSA_BUILD_LEVEL_3`.
    pub levels: Vec<String>,
    /// How many of its dependencies reached which level; null claims nothing about them, an empty map says that there are none.
    pub dependency_levels: Option<BTreeMap<String, u64>>,
    /// Version of the SLSA specification.
    pub slsa_version: Option<String>,
    /// The attestations that it rests on.
    pub inputs: Vec<ResourceInput>,
}

/// What tests gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TestResultInput {
    /// How they ended.
    pub result: OutcomeInput,
    /// What was configured to run.
    pub configuration: Vec<ResourceInput>,
    /// Where the run can be seen.
    pub url: Option<String>,
    /// Tests that passed.
    pub passed: Vec<String>,
    /// Tests that warned.
    pub warned: Vec<String>,
    /// Tests that failed.
    pub failed: Vec<String>,
}

/// What a scanner found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScanInput {
    /// Which scanner.
    pub scanner: String,
    /// Its version.
    pub version: Option<String>,
    /// Its database.
    pub database: Option<String>,
    /// The database's version.
    pub database_version: Option<String>,
    /// When the database was updated, as written.
    pub database_updated: Option<String>,
    /// When the scan began, as written.
    pub started: Option<String>,
    /// When it ended, as written.
    pub finished: Option<String>,
    /// What it found; null where the result is in the scanner's own words.
    pub vulnerabilities: Option<Vec<VulnerabilityInput>>,
}

/// One vulnerability.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VulnerabilityInput {
    /// Its id, as `CVE-2021-28831`.
    pub id: String,
    /// How grave, by method.
    pub severities: BTreeMap<String, String>,
}

/// Which release of which package it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseInput {
    /// The package and its version, as a package URL.
    pub purl: String,
    /// The registry's own id of the package, which outlives its name.
    pub package_id: Option<String>,
    /// The registry's own id of the release.
    pub release_id: Option<String>,
}

/// Properties that a verifier vouches for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VerificationInput {
    /// Who.
    pub verifier: String,
    /// By which policies.
    pub policies: Vec<ResourceInput>,
    /// When, as written.
    pub time: String,
    /// What holds.
    pub properties: Vec<String>,
}

/// Attributes with their evidence.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AttributesInput {
    /// The attributes.
    pub attributes: Vec<AttributeInput>,
    /// Who made the artifact.
    pub producer: Option<ResourceInput>,
}

/// One attribute.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AttributeInput {
    /// Its name.
    pub attribute: String,
    /// What it is an attribute of, where not of the subject.
    pub target: Option<ResourceInput>,
    /// Under which conditions.
    pub conditions: Value,
    /// What shows it.
    pub evidence: Option<ResourceInput>,
}

/// A step.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LinkInput {
    /// Its name in the layout.
    pub name: String,
    /// What was run; never run again.
    pub command: Vec<String>,
    /// What went in.
    pub materials: Vec<ResourceInput>,
    /// What else came out: output, exit code.
    pub byproducts: Value,
    /// Where it was run.
    pub environment: Value,
}

impl PredicateInput {
    pub(super) fn of(predicate: &Predicate) -> Self {
        match predicate {
            Predicate::Summary(summary) => Self::Summary(SummaryInput::of(summary)),
            Predicate::TestResult(tests) => Self::TestResult(TestResultInput::of(tests)),
            Predicate::Scan(scan) => Self::Scan(ScanInput::of(scan)),
            Predicate::Release(release) => Self::Release(ReleaseInput::of(release)),
            Predicate::Verification(verification) => {
                Self::Verification(VerificationInput::of(verification))
            }
            Predicate::Attributes(attributes) => Self::Attributes(AttributesInput::of(attributes)),
            Predicate::Link(link) => Self::Link(LinkInput::of(link)),
        }
    }
}

impl OutcomeInput {
    fn of(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Passed => Self::Passed,
            Outcome::Warned => Self::Warned,
            Outcome::Failed => Self::Failed,
            Outcome::Unknown => Self::Unknown,
        }
    }
}

impl ResourceInput {
    fn of(resource: &Resource) -> Self {
        Self {
            name: resource.name.clone(),
            uri: resource.uri.clone(),
            download_location: resource.download_location.clone(),
            digest: resource.digest.clone(),
        }
    }

    fn all(resources: &[Resource]) -> Vec<Self> {
        resources.iter().map(Self::of).collect()
    }
}

impl SummaryInput {
    fn of(summary: &Summary) -> Self {
        Self {
            verifier: summary.verifier.clone(),
            time: summary.time,
            resource: summary.resource.clone(),
            policy: ResourceInput::of(&summary.policy),
            result: OutcomeInput::of(summary.result),
            levels: summary.levels.clone(),
            dependency_levels: summary.dependency_levels.clone(),
            slsa_version: summary.slsa_version.clone(),
            inputs: ResourceInput::all(&summary.inputs),
        }
    }
}

impl TestResultInput {
    fn of(tests: &TestResult) -> Self {
        Self {
            result: OutcomeInput::of(tests.result),
            configuration: ResourceInput::all(&tests.configuration),
            url: tests.url.clone(),
            passed: tests.passed.clone(),
            warned: tests.warned.clone(),
            failed: tests.failed.clone(),
        }
    }
}

impl ScanInput {
    fn of(scan: &Scan) -> Self {
        let vulnerability = |found: &Found| VulnerabilityInput {
            id: found.id.clone(),
            severities: found.severities.clone(),
        };
        let found = scan.vulnerabilities.as_ref();
        Self {
            scanner: scan.scanner.clone(),
            version: scan.version.clone(),
            database: scan.database.clone(),
            database_version: scan.database_version.clone(),
            database_updated: scan.database_updated.clone(),
            started: scan.started.clone(),
            finished: scan.finished.clone(),
            vulnerabilities: found.map(|found| found.iter().map(vulnerability).collect()),
        }
    }
}

impl ReleaseInput {
    fn of(release: &Release) -> Self {
        Self {
            purl: release.purl.clone(),
            package_id: release.package_id.clone(),
            release_id: release.release_id.clone(),
        }
    }
}

impl VerificationInput {
    fn of(verification: &Verification) -> Self {
        Self {
            verifier: verification.verifier.clone(),
            policies: ResourceInput::all(&verification.policies),
            time: verification.time.clone(),
            properties: verification.properties.clone(),
        }
    }
}

impl AttributesInput {
    fn of(attributes: &Attributes) -> Self {
        let attribute = |attribute: &Attribute| AttributeInput {
            attribute: attribute.attribute.clone(),
            target: attribute.target.as_ref().map(ResourceInput::of),
            conditions: attribute.conditions.clone(),
            evidence: attribute.evidence.as_ref().map(ResourceInput::of),
        };
        Self {
            attributes: attributes.attributes.iter().map(attribute).collect(),
            producer: attributes.producer.as_ref().map(ResourceInput::of),
        }
    }
}

impl LinkInput {
    fn of(link: &Link) -> Self {
        Self {
            name: link.name.clone(),
            command: link.command.clone(),
            materials: ResourceInput::all(&link.materials),
            byproducts: link.byproducts.clone(),
            environment: link.environment.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::attest::predicate::read;

    /// A predicate of each type, and the words in which rules see it.
    #[expect(clippy::too_many_lines, reason = "a table")]
    fn predicates() -> Vec<(&'static str, serde_json::Value, serde_json::Value)> {
        let resource = |name: &str| json!({ "name": name, "uri": null, "downloadLocation": null, "digest": {} });
        let linked = |uri: &str| {
            json!({
                "name": "n", "uri": uri, "downloadLocation": "https://d.example",
                "digest": { "sha1": "00" },
            })
        };
        vec![
            (
                "https://slsa.dev/verification_summary/v1",
                json!({
                    "verifier": { "id": "v" }, "timeVerified": "2026-11-25T00:00:00Z",
                    "resourceUri": "r.example/app", "policy": linked("p"),
                    "verificationResult": "PASSED", "verifiedLevels": ["SLSA_BUILD_LEVEL_3"],
                    "dependencyLevels": { "SLSA_BUILD_LEVEL_1": 2 }, "slsaVersion": "1.1",
                    "inputAttestations": [resource("a")],
                }),
                json!({
                    "kind": "summary", "verifier": "v", "time": "2026-11-25T00:00:00Z",
                    "resource": "r.example/app", "policy": linked("p"), "result": "passed",
                    "levels": ["SLSA_BUILD_LEVEL_3"], "dependencyLevels": { "SLSA_BUILD_LEVEL_1": 2 },
                    "slsaVersion": "1.1", "inputs": [resource("a")],
                }),
            ),
            (
                "https://in-toto.io/attestation/test-result/v0.1",
                json!({
                    "result": "WARNED", "configuration": [resource("c")], "url": "u",
                    "passedTests": ["p"], "warnedTests": ["w"],
                }),
                json!({
                    "kind": "test-result", "result": "warned", "configuration": [resource("c")],
                    "url": "u", "passed": ["p"], "warned": ["w"], "failed": [],
                }),
            ),
            (
                "https://in-toto.io/attestation/vulns/v0.2",
                json!({
                    "scanner": {
                        "uri": "s", "version": "1",
                        "db": { "uri": "d", "version": "2", "lastUpdate": "t" },
                        "result": [{ "id": "CVE-1", "severity": [{ "method": "m", "score": "9" }] }],
                    },
                    "metadata": { "scanStartedOn": "b", "scanFinishedOn": "e" },
                }),
                json!({
                    "kind": "scan", "scanner": "s", "version": "1", "database": "d",
                    "databaseVersion": "2", "databaseUpdated": "t", "started": "b", "finished": "e",
                    "vulnerabilities": [{ "id": "CVE-1", "severities": { "m": "9" } }],
                }),
            ),
            (
                "https://in-toto.io/attestation/release/v0.1",
                json!({ "purl": "pkg:npm/a@1", "packageId": "1", "releaseId": "2" }),
                json!({
                    "kind": "release", "purl": "pkg:npm/a@1", "packageId": "1", "releaseId": "2",
                }),
            ),
            (
                "https://in-toto.io/attestation/svr/v0.1",
                json!({
                    "verifier": { "id": "v", "policies": [resource("p")] }, "timeCreated": "t",
                    "properties": ["x"],
                }),
                json!({
                    "kind": "verification", "verifier": "v", "policies": [resource("p")],
                    "time": "t", "properties": ["x"],
                }),
            ),
            (
                "https://in-toto.io/attestation/scai/v0.3",
                json!({
                    "attributes": [{ "attribute": "a", "conditions": { "c": 1 }, "evidence": resource("e") }],
                    "producer": resource("p"),
                }),
                json!({
                    "kind": "attributes", "producer": resource("p"),
                    "attributes": [{
                        "attribute": "a", "target": null, "conditions": { "c": 1 },
                        "evidence": resource("e"),
                    }],
                }),
            ),
            (
                "https://in-toto.io/attestation/link/v0.3",
                json!({
                    "name": "build", "command": ["make"], "materials": [resource("m")],
                    "byproducts": { "return-value": 0 },
                }),
                json!({
                    "kind": "link", "name": "build", "command": ["make"],
                    "materials": [resource("m")], "byproducts": { "return-value": 0 },
                    "environment": null,
                }),
            ),
        ]
    }

    #[test]
    fn predicates_go_out_in_words_that_never_change() {
        for (predicate_type, predicate, want) in predicates() {
            let read = read(predicate_type, &predicate).expect("it is read");
            let read = read.expect("it is well-formed");
            assert_eq!(json!(PredicateInput::of(&read)), want, "{predicate_type}");
        }
    }
}
