//! Outcomes for tests.

use std::sync::Arc;

use jiff::Timestamp;

use super::{
    Presets,
    outcome::{Judged, Outcome},
};
use crate::{
    attest::{Statement, statement::SIGNATURE},
    digest::{Digest, ManifestDigest},
    finding::{Code, Finding, Severity, Subject},
    reference::{Location, PinnedReference, Reference, Selector},
    trust::{
        SignerIdentity,
        testing::{image, said_by},
    },
    verdict::{Asked, Decision, Evidence, Grounds, Inputs, PlatformVerdict, Verdict},
};

/// What a verdict depends on.
fn inputs() -> Inputs {
    let digest = Digest::sha256(b"rules");
    Inputs { policy: digest.clone(), trust: digest, asked: Asked::default(), version: "0" }
}

/// What is kept of a verdict about `repository`, whose digest is `n`.
pub fn judged(repository: &str, n: u32, allowed: bool, findings: Vec<Finding>) -> Judged {
    let reference = format!("{repository}@sha256:{n:064x}").parse().expect("valid");
    let Reference::At(location, Selector::Digest(digest)) = reference else { panic!("by digest") };
    of(PinnedReference { location, digest }, allowed, findings)
}

fn of(subject: PinnedReference, allowed: bool, findings: Vec<Finding>) -> Judged {
    let denied = Finding::new(Code::SignatureMissing, Subject::Run);
    let decision = match allowed {
        true => Decision::Pass(grounds()),
        false => Decision::Fail(Box::new(denied), Vec::new()),
    };
    let (platform, manifest, evidence) = (None, None, None);
    let platforms = vec![PlatformVerdict { platform, manifest, decision, findings, evidence }];
    let (left_out, inputs, time) = (Vec::new(), inputs(), Timestamp::UNIX_EPOCH);
    Judged::from(Verdict { subject, platforms, left_out, inputs, time })
}

/// A proven signature.
fn grounds() -> Grounds {
    let predicate_type = SIGNATURE.to_owned();
    let predicate = serde_json::json!({}).into();
    let statement = Statement { subjects: Vec::new(), predicate_type, predicate };
    let by = SignerIdentity::Key { fingerprint: "00".to_owned(), recorded: None };
    let mut evidence = Evidence::of_nothing(image());
    evidence.attestations.push(said_by(statement, by));
    Grounds::of(&evidence, Asked::default()).expect("a ground")
}

/// The outcome for an image.
pub fn outcome(image: &PinnedReference, allowed: bool) -> Outcome {
    let missing = Finding::new(Code::SignatureMissing, Subject::Run).at(Severity::Error);
    let findings = if allowed { Vec::new() } else { vec![missing] };
    Outcome::Judged(Box::new(of(image.clone(), allowed, findings)))
}

/// The outcome for an image, with findings.
pub fn told(image: PinnedReference, allowed: bool, findings: Vec<Finding>) -> Outcome {
    Outcome::Judged(Box::new(of(image, allowed, findings)))
}

/// The same for whatever was asked about; a name without a digest was resolved to one.
pub fn about(reference: &Reference, allowed: bool) -> Outcome {
    outcome(&pinned(reference), allowed)
}

/// What was judged, where `reference` was asked for.
pub fn pinned(reference: &Reference) -> PinnedReference {
    let seven: ManifestDigest = format!("sha256:{}", "7".repeat(64)).parse().expect("valid");
    match reference {
        Reference::At(location, Selector::Digest(digest)) => {
            PinnedReference { location: location.clone(), digest: digest.clone() }
        }
        Reference::At(location, _) => PinnedReference { location: location.clone(), digest: seven },
        Reference::Bare(digest) => {
            let location = Location::Layout("x".into());
            PinnedReference { location, digest: digest.clone() }
        }
    }
}

/// One preset for all images.
pub fn presets() -> Arc<Presets> {
    let (entries, objects) = (Vec::new(), vec!["regulated"]);
    Arc::new(Presets { preset: "signed", entries, objects, namespaces: None })
}
