//! Verification summaries, signed with a named key.

use hallmark::{
    attest::{
        Statement, dsse,
        predicate::{self, Predicate},
    },
    limits::Limits,
    trust::{KeyRing, PublicKey},
};

use crate::{Case, Outcome, Verdict};

pub(super) fn run(case: &Case) -> Outcome {
    let limits = Limits::default();
    let signed = match dsse::of_anything(&case.file("vsa_dsse")?, &limits) {
        Ok(signed) => signed,
        Err(error) => return Ok(Verdict::refused(error.code(), error)),
    };
    let key = PublicKey::from_pem(&case.file("key")?).map_err(|e| e.to_string())?;
    let mut ring = KeyRing::default();
    if let Err(error) = ring.add(case.text("key_id").unwrap_or_default(), key) {
        return Ok(Verdict::refused("key", error));
    }
    if let Err(error) = ring.maker(&signed) {
        return Ok(Verdict::refused(error.code(), error));
    }
    Ok(expected(case, &signed.statement))
}

fn expected(case: &Case, statement: &Statement) -> Verdict {
    for subject in case.list("subject_digests") {
        if !names(statement, subject) {
            return Verdict::refused("signature-subject-mismatch", subject);
        }
    }
    let summary = match predicate::read_raw(&statement.predicate_type, &statement.predicate) {
        Some(Ok(Predicate::Summary(summary))) => summary,
        Some(Err(error)) => return Verdict::refused("summary", error),
        _ => return Verdict::refused("summary", &statement.predicate_type),
    };
    let other = |expected: Option<&str>, found: &str| expected.is_some_and(|e| e != found);
    if other(case.text("verifier_id"), &summary.verifier)
        || other(case.text("resource_uri"), &summary.resource)
        || !summary.passed()
    {
        return Verdict::refused("summary", format!("{summary:?}"));
    }
    let mut levels = case.list("verified_levels").into_iter();
    match levels.find(|level| !summary.levels.iter().any(|found| found == level)) {
        None => Verdict::Accepted,
        Some(level) => Verdict::refused("summary", level),
    }
}

/// Whether a subject has the digest, whatever its algorithm: what is verified here need not be an image.
fn names(statement: &Statement, digest: &str) -> bool {
    let mut subjects = statement.subjects.iter();
    match digest.parse() {
        Ok(digest) => statement.speaks_about(&digest),
        Err(_) => digest.split_once(':').is_some_and(|(algorithm, value)| {
            subjects.any(|s| s.weak.get(algorithm).is_some_and(|found| found == value))
        }),
    }
}
