//! Each type read in its own words, and refused where it says nothing or contradicts itself.

use proptest::prelude::*;
use serde_json::json;

use super::{summary::Summary, *};
use crate::digest::Digest;

fn reads(predicate_type: &str, predicate: Value) -> Result<Predicate, PredicateError> {
    read(predicate_type, &predicate).expect("a type with a reader")
}

fn vsa(edit: impl FnOnce(&mut Value)) -> Result<Summary, PredicateError> {
    let mut predicate = json!({
        "verifier": { "id": "https://verifier.example" },
        "timeVerified": "2026-11-25T00:00:00Z",
        "resourceUri": "r.example/team/app",
        "policy": { "uri": "https://policy.example" },
        "verificationResult": "PASSED",
        "verifiedLevels": ["SLSA_BUILD_LEVEL_3"],
        "dependencyLevels": { "SLSA_BUILD_LEVEL_2": 7 },
        "https://extension.example/field": true,
    });
    edit(&mut predicate);
    match reads(summary::TYPE, predicate)? {
        Predicate::Summary(summary) => Ok(summary),
        other => panic!("{other:?}"),
    }
}

#[test]
fn only_the_word_for_success_is_a_pass() {
    assert!(vsa(|_| {}).unwrap().passed());
    for word in ["FAILED", "WARNED", "passed", "Passed", "PASSED ", "", "SKIPPED"] {
        let read = vsa(|v| v["verificationResult"] = word.into()).unwrap();
        assert!(!read.passed(), "{word:?}");
    }
}

#[test]
fn a_summary_without_what_the_spec_demands_is_refused() {
    // The time may be missing since SLSA 1.1.
    for field in ["verifier", "resourceUri", "policy", "verificationResult", "verifiedLevels"] {
        let lacking = vsa(|v| {
            v.as_object_mut().unwrap().remove(field);
        });
        assert!(lacking.is_err(), "{field}");
    }
    type Edit = fn(&mut Value);
    let cases: [(&str, Edit); 5] = [
        ("an empty verifier", |v| v["verifier"]["id"] = "".into()),
        ("a policy without a name", |v| v["policy"] = json!({})),
        ("no time", |v| v["timeVerified"] = "yesterday".into()),
        ("a pass with the level FAILED", |v| v["verifiedLevels"] = json!(["FAILED"])),
        ("no object", |v| *v = json!([])),
    ];
    for (name, edit) in cases {
        assert!(vsa(edit).is_err(), "{name}");
    }
}

#[test]
fn a_summary_is_about_the_image_that_its_resource_names() {
    let location = |text: &str| match text.parse() {
        Ok(crate::reference::Reference::At(location, _)) => location,
        other => panic!("{other:?}"),
    };
    let (here, layout) = (location("r.example/team/app"), location("oci:/images/app"));
    let (ours, other) = ("a".repeat(64), "b".repeat(64));
    let digests = [format!("sha256:{ours}").parse::<Digest>().unwrap()];
    let cases = [
        ("r.example/team/app".to_owned(), true, false),
        ("https://r.example/team/app".to_owned(), true, false),
        ("oci://r.example/team/app:v1".to_owned(), true, false),
        (format!("r.example/team/app@sha256:{ours}"), true, true),
        (format!("r.example/team/app@sha256:{other}"), false, false),
        (format!("r.example/team/other@sha256:{ours}"), false, true),
        (format!("pkg:oci/app@sha256%3A{ours}?repository_url=r.example/team/app"), true, true),
        (format!("pkg:oci/app@sha256%3A{other}?repository_url=r.example/team/app"), false, false),
        ("pkg:npm/app@1".to_owned(), false, false),
        ("r.example/team/app2".to_owned(), false, false),
        ("gce_image://a:b".to_owned(), false, false),
        (String::new(), false, false),
    ];
    for (resource, by_name, by_digest) in cases {
        let read = vsa(|v| v["resourceUri"] = resource.clone().into()).unwrap();
        assert_eq!(read.is_about(&here, &digests), by_name, "{resource} by name");
        assert_eq!(read.is_about(&layout, &digests), by_digest, "{resource} by digest");
    }
}

#[test]
fn tests_that_failed_contradict_a_pass() {
    let result = |word: &str, failed: Value| {
        reads(
            test_result::TYPE,
            json!({ "result": word, "configuration": [{ "name": "ci" }], "failedTests": failed }),
        )
    };
    let outcome = |word| match result(word, json!([])) {
        Ok(Predicate::TestResult(read)) => read.result,
        other => panic!("{other:?}"),
    };
    assert_eq!(outcome("PASSED"), Outcome::Passed);
    assert_eq!(outcome("WARNED"), Outcome::Warned);
    assert_eq!(outcome("FAILED"), Outcome::Failed);
    assert_eq!(outcome("passed"), Outcome::Unknown);
    assert!(result("FAILED", json!(["a"])).is_ok());
    assert!(result("PASSED", json!(["a"])).is_err());
    assert!(reads(test_result::TYPE, json!({ "configuration": [] })).is_err(), "no result");
}

#[test]
fn scans_of_three_formats_give_one_model() {
    let scanner = |result: Value| {
        json!({
            "scanner": { "uri": "pkg:github/s@1", "db": { "lastUpdate": "t" }, "result": result },
            "metadata": { "scanFinishedOn": "u" },
        })
    };
    let severity = json!([{ "method": "nvd", "score": "medium" }]);
    let plain = json!([{ "id": "CVE-1", "severity": severity }]);
    let nested = json!([{ "vulnerability": { "id": "CVE-1", "severity": severity } }]);
    let found = |predicate_type, result| match reads(predicate_type, scanner(result)) {
        Ok(Predicate::Scan(scan)) => scan.vulnerabilities,
        other => panic!("{other:?}"),
    };
    let one = found(scan::V02, plain).unwrap();
    assert_eq!(one[0].severities["nvd"], "medium");
    assert_eq!(found(scan::V01, nested), Some(one));
    assert_eq!(found(scan::V02, json!([])), Some(Vec::new()), "nothing was found");
    assert_eq!(
        found(scan::COSIGN[0], json!({ "Results": [] })),
        None,
        "nobody knows what was found"
    );
    assert!(reads(scan::V02, scanner(Value::Null)).is_err(), "no result is not an empty result");
    assert!(reads(scan::COSIGN[0], scanner(Value::Null)).is_err());
}

#[test]
fn the_small_ones_are_read() {
    let good = [
        (release::TYPE, json!({ "purl": "pkg:npm/a@1", "packageId": "7" })),
        (
            verification::TYPES[1],
            json!({ "verifier": { "id": "v", "policies": [] }, "timeCreated": "t", "properties": ["P"] }),
        ),
        (
            attributes::TYPES[1],
            json!({ "attributes": [{ "attribute": "A", "conditions": { "f": 1 } }] }),
        ),
        (
            link::TYPES[0],
            json!({ "name": "build", "command": ["make"], "materials": [{ "uri": "u" }] }),
        ),
    ];
    for (predicate_type, predicate) in good {
        assert!(reads(predicate_type, predicate).is_ok(), "{predicate_type}");
        assert!(reads(predicate_type, json!({})).is_err(), "{predicate_type} without anything");
    }
    assert_eq!(read("https://example.com/other/v1", &json!({})), None, "stays JSON");
}

proptest! {
    #[test]
    fn never_panics(
        at in 0_usize..8,
        key in "result|scanner|verifier|attributes|name|resourceUri",
        text in "\\PC{0,20}",
        deep in any::<bool>(),
    ) {
        let types = [
            summary::TYPE, test_result::TYPE, scan::V01, scan::COSIGN[0], release::TYPE,
            verification::TYPES[0], attributes::TYPES[0], link::TYPES[0],
        ];
        let inner = if deep { json!([{ "id": text, "uri": [text] }]) } else { json!(text) };
        let _ = read(types[at], &json!({ key: inner }));
        let _ = vsa(|v| v["resourceUri"] = text.into()).map(|s| {
            s.is_about(&crate::reference::Location::Registry("r.example/a".parse().unwrap()), &[])
        });
    }
}
