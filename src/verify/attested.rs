//! What trusted rebuilders say of the image, and what is to be said of that.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::Inquiry;
use crate::{
    attest::rebuilt::REBUILD_VERDICT,
    digest::Digest,
    finding::{Code, Finding, Key, Subject},
    image::Image,
    trust::{Attested, Electorate, Proofs, Vote, Weight},
};

/// Counts the proven verdicts about rebuilds from this proven provenance.
pub fn count(
    proofs: &Proofs,
    image: &Image,
    provenance: &BTreeSet<Digest>,
    inquiry: &Inquiry,
    now: Timestamp,
) -> (Attested, Vec<Finding>) {
    let electorate = Electorate {
        rules: &inquiry.trust,
        location: &image.reference.location,
        image,
        provenance,
        max_age: inquiry.rebuild.attested.max_age,
        now,
    };
    let (attested, spoilt) = electorate.count(&proofs.attestations, &inquiry.world.limits);
    let subject = || Subject::Image(image.reference.to_string());
    let mut findings: Vec<Finding> = spoilt
        .into_iter()
        .map(|(payload, why)| {
            let subject = Subject::Evidence(format!("{REBUILD_VERDICT} {payload}"));
            Finding::new(Code::RebuildVerdictInvalid, subject).with(Key::Why, why)
        })
        .collect();
    for vote in &attested.votes {
        let said = said(vote);
        match vote.weight {
            Weight::Against => findings.push(
                Finding::new(Code::RebuildDissent, subject())
                    .with(Key::From, vote.signer.to_string())
                    .with(Key::Found, said),
            ),
            Weight::Contradicts => findings.push(
                Finding::new(Code::RebuildVerdictInvalid, subject())
                    .with(Key::From, vote.signer.to_string())
                    .with(Key::Why, format!("it says {said}, which is not true of this image")),
            ),
            Weight::OtherProvenance => findings.push(
                Finding::new(Code::RebuildVerdictInvalid, subject())
                    .remark()
                    .with(Key::From, vote.signer.to_string())
                    .with(Key::Why, format!("it says {said} of provenance that is not proven")),
            ),
            Weight::For | Weight::Abstains | Weight::OutOfTime => {}
        }
    }
    (attested, findings)
}

/// What a vote says, in words.
fn said(vote: &Vote) -> String {
    let level = vote.level.map_or_else(|| vote.status.clone(), |level| format!("R{level}"));
    match &vote.rebuilt {
        Some((manifest, _)) => format!("{level}, rebuilt {manifest} on {}", vote.finished),
        None => format!("{level} on {}", vote.finished),
    }
}
