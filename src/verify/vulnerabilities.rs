//! What is known of an image's packages, and what trusted signers say about that.
//!
//! Statements of VEX count where a trust rule lets their signer vouch for `https://openvex.dev/ns`, or for an SBOM with
//! vulnerabilities in it: what nobody proved suppresses nothing.

use jiff::Timestamp;

use super::Inquiry;
use crate::{
    contents::{Inventory, accounts::Base},
    image::Image,
    reference::Location,
    trust::{Claimed, Proof},
    verdict::Vulnerabilities,
    vulnerabilities::{
        distribution::Distribution,
        matching::{self, Known},
        subject,
        vex::{self, Judged, Question, Statement},
    },
};

/// What types of statements of VEX begin with.
const VEX: [&str; 2] = ["https://openvex.dev/ns", "https://cyclonedx.org/bom"];

/// What is known of the packages of an inventory; none where there is no data or no inventory.
pub(super) fn known(
    inventory: Option<&Inventory>,
    base: Base,
    attestations: &[Proof<Claimed>],
    image: &Image,
    inquiry: &Inquiry,
    now: Timestamp,
) -> Option<Vulnerabilities> {
    let database = inquiry.world.vulnerabilities.clone()?;
    let inventory = inventory?;
    let (subjects, today) = (subject::subjects(inventory, base), now.strftime("%F").to_string());
    let distribution = subject::distribution(inventory);
    let known = matching::known(&database, distribution.as_ref(), &subjects, &today);
    let known = known.map_err(|error| error.to_string()).map(|mut known| {
        known.gaps.extend(subject::unread(inventory));
        known
    });
    let (statements, unread) = statements(attestations, inquiry);
    let mut found = Vulnerabilities {
        database,
        known,
        statements,
        unread,
        answers: Vec::new(),
        unmatched: Vec::new(),
    };
    if let Ok(known) = &found.known {
        let judged = judged(image, distribution);
        let purls: Vec<_> = known.vulnerabilities.iter().map(|one| purls(inventory, one)).collect();
        let questions = questions(known, &purls);
        found.answers =
            questions.iter().map(|one| vex::answer(one, &found.statements, &judged)).collect();
        let statements = found.statements.iter().enumerate();
        let unmatched = statements.filter_map(|(place, statement)| {
            let why = vex::unmatched(&questions, &found.answers, statement, &judged)?;
            Some((place, why))
        });
        found.unmatched = unmatched.collect();
    }
    Some(found)
}

/// Statements that are proven, and documents of trusted signers that cannot be read.
fn statements(
    attestations: &[Proof<Claimed>],
    inquiry: &Inquiry,
) -> (Vec<Statement>, Vec<(String, String)>) {
    let (mut statements, mut unread) = (Vec::new(), Vec::new());
    for proof in attestations {
        let Some(verified) = proof.proven() else { continue };
        let claimed = verified.value();
        let kind = VEX.iter().find(|kind| claimed.predicate_type.starts_with(**kind));
        let Some(kind) = kind else { continue };
        match vex::read::read(claimed.predicate.text().as_bytes(), &inquiry.world.limits) {
            Ok(read) => {
                let names = verified.signers().iter().map(|signer| signer.name.clone());
                let signers: Vec<String> = names.collect();
                let signed = |one| Statement { signers: signers.clone(), ..one };
                statements.extend(read.into_iter().map(signed));
            }
            // What cannot be read of an SBOM is said where SBOMs are read.
            Err(_) if *kind != "https://openvex.dev/ns" => {}
            Err(why) => {
                let carrier = proof.carrier().map(ToString::to_string);
                unread.push((carrier.unwrap_or_default(), why.to_string()));
            }
        }
    }
    (statements, unread)
}

/// What statements call the image, and where it is from.
fn judged(image: &Image, distribution: Option<Distribution>) -> Judged {
    let digests = image.documents().map(|document| document.digest.hex()).collect();
    let repository = match &image.reference.location {
        Location::Registry(repository) => repository.to_string(),
        _ => String::new(),
    };
    Judged { digests, repository, distribution }
}

fn purls(inventory: &Inventory, one: &matching::Vulnerability) -> Vec<String> {
    inventory.packages.get(one.package).map(subject::purls).unwrap_or_default()
}

fn questions<'q>(known: &'q Known, purls: &'q [Vec<String>]) -> Vec<Question<'q>> {
    let pairs = known.vulnerabilities.iter().zip(purls);
    let question = |(one, purls): (&'q matching::Vulnerability, &'q Vec<String>)| Question {
        ids: one.ids(),
        parts: one.advisory.parts(),
        purls: purls.iter().map(String::as_str).collect(),
    };
    pairs.map(question).collect()
}
