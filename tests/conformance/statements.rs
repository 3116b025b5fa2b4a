//! Area `attestation-examples`: documents of many producers; whatever they are, the answer is a verdict, and statements of a
//! type that hallmark reads are read as that type, though the digests in them are often shortened.

use hallmark::{
    attest::{
        Statement,
        predicate::{self, Predicate},
        provenance,
    },
    limits::Limits,
};
use serde_json::Value;

use super::{Case, Outcome, Verdict};

pub(crate) fn run(case: &Case) -> Outcome {
    let Some(name) = case.text("file").or(case.text("policy_input")) else {
        return Err("no file".to_owned());
    };
    let bytes = case.read(name)?;
    if let Ok(document) = serde_json::from_slice::<Value>(&bytes) {
        for statement in statements(&document) {
            read_as_its_kind(name, statement);
        }
    }
    Ok(match Statement::parse(&bytes, &Limits::default()) {
        Err(error) => Verdict::refused(error.code(), error),
        Ok(statement) => match (provenance::parse(&statement), statement.read()) {
            (Ok(_), _) | (_, Some(Ok(_))) => Verdict::Accepted,
            (_, Some(Err(error))) => Verdict::refused("predicate-malformed", error),
            (Err(error), None) => Verdict::refused("provenance", error),
        },
    })
}

/// The document, or the statements in it as a policy input presents them.
fn statements(document: &Value) -> Vec<&Value> {
    let inner = document["attestations"].as_array().into_iter().flatten();
    let inner = inner.map(|entry| &entry["statement"]);
    inner.chain([document]).filter(|s| s["_type"].is_string()).collect()
}

/// Panics, which is wrong even for rows without a verdict.
fn read_as_its_kind(name: &str, statement: &Value) {
    let predicate_type = statement["predicateType"].as_str().unwrap_or_default();
    let predicate = &statement["predicate"];
    let family = predicate_type.trim_start_matches("https://").split("/v").next();
    let read = predicate::read(predicate_type, predicate);
    assert!(!matches!(read, Some(Err(_))), "{name}: {read:?}");
    let kind = read.as_ref().and_then(|read| read.as_ref().ok()).map(|read| match read {
        Predicate::Summary(_) => "slsa.dev/verification_summary",
        Predicate::TestResult(_) => "in-toto.io/attestation/test-result",
        Predicate::Scan(_) => "in-toto.io/attestation/vulns",
        Predicate::Release(_) => "in-toto.io/attestation/release",
        Predicate::Verification(_) => "in-toto.io/attestation/svr",
        Predicate::Attributes(_) => "in-toto.io/attestation/scai",
        Predicate::Link(_) => "in-toto.io/attestation/link",
    });
    assert!(kind.is_none() || kind == family, "{name}: {predicate_type} read as {kind:?}");
    // A type of these families that is not read is a version that nobody told us of.
    let families = ["test-result", "release", "svr", "scai", "link", "vulns"];
    let known = families.iter().any(|f| family == Some(&format!("in-toto.io/attestation/{f}")));
    assert!(!known || read.is_some(), "{name}: {predicate_type} is not read");
    if [provenance::SLSA_V02, provenance::SLSA_V1].contains(&predicate_type) {
        let predicate_type = predicate_type.to_owned();
        let predicate = predicate.clone();
        let statement =
            Statement { subjects: Vec::new(), predicate_type, predicate: predicate.into() };
        let read = provenance::parse(&statement);
        assert!(read.as_ref().is_ok_and(|p| !p.build_type.is_empty()), "{name}: {read:?}");
    }
}
