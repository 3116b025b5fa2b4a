//! Findings about claims, which weigh what the claims are worth: what nobody proved gives remarks.

use crate::{
    attest::Carrier,
    finding::{Code, Fact, Finding, Key, Subject},
    image::Image,
    trust::{Claimed, Proof},
};

/// A finding about a claim: a remark unless the claim is proven.
pub(super) fn by_standing<T>(proof: &Proof<T>, finding: Finding) -> Finding {
    if proof.proven().is_some() { finding } else { finding.remark() }
}

/// A statement that came with this image and speaks about another.
pub(super) fn elsewhere(code: Code, proof: &Proof<Claimed>, image: &Image) -> Finding {
    let subject = proof.carrier().map_or(Subject::Run, |c| Subject::Evidence(c.to_string()));
    let named = proof.value().into_iter().flat_map(|s| &s.subjects).flat_map(|s| &s.digests);
    let named: Vec<Fact> = named.take(4).map(Fact::from).collect();
    Finding::new(code, subject)
        .remark()
        .with(Key::Expect, &image.manifest.document.digest)
        .with(Key::Found, Fact::List(named))
}

pub(super) fn malformed(code: Code, carrier: Option<&Carrier>, error: &impl ToString) -> Finding {
    let subject = carrier.map_or(Subject::Run, |c| Subject::Evidence(c.to_string()));
    Finding::new(code, subject).with(Key::Why, error.to_string())
}
