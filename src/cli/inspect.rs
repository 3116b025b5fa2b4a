//! `hallmark inspect`: what an image carries, and what was proven of it; no verdict.

use std::collections::BTreeMap;

use super::{
    Answer, Failure,
    args::{Format, Global, Inspect},
    context, inquiry,
};
use crate::{
    config::InForce,
    report::{self, inspect::Inspection},
    trust::{TrustRules, examine, sigstore::TrustedRoot},
    verify,
};

/// Runs the command.
pub async fn run(args: &Inspect, global: &Global) -> Result<Answer, Failure> {
    let platforms = context::platforms(&args.platforms);
    let by = "hallmark inspect";
    let vouch = Some(&args.inquiry.vouch);
    let (mut config, mut inquiry) = context::inquiry(global, platforms, vouch, by)?;
    inquiry::hand_in(&args.inquiry, &args.image, &mut config, &mut inquiry.world)?;
    let world = &inquiry.world;
    let reference = context::pin(&args.image, &config, world).await?;
    let (source, images) = verify::open(&reference, world).await?;
    let now = jiff::Timestamp::now();
    let trust = inquiry.trust.judged_at(now);
    let others = config.roots.all().map_err(|error| Failure::of_operator(&error.to_string()))?;
    let known = known(&trust, &others);
    let mut inspections = Vec::with_capacity(images.len());
    for image in images {
        let found = verify::find(&*source, &image, world).await;
        let examined = examine(&found.raws, &image, &trust, &known, &world.limits);
        let (evidence, findings) = verify::weigh(&*source, image, found, &inquiry, now).await;
        inspections.push(Inspection { evidence, findings, examined });
    }
    Ok(Answer::data(match args.output {
        Format::Text => report::inspect::tree(&inspections),
        Format::Json => report::inspect::json(&inspections, inquiry.asked(), now),
    }))
}

/// Roots in which identities are looked up: those of the configured signers first, then the others that are in force.
fn known<'a>(
    trust: &'a TrustRules,
    others: &'a BTreeMap<String, InForce>,
) -> Vec<(String, &'a TrustedRoot)> {
    let configured = trust
        .signers()
        .iter()
        .flat_map(|(name, signer)| signer.roots().map(move |root| (format!("of {name}"), root)));
    let others = others.iter().map(|(name, found)| (name.clone(), &*found.root));
    let mut known: Vec<(String, &TrustedRoot)> = Vec::new();
    for (name, root) in configured.chain(others) {
        if known.iter().all(|(_, other)| other.digest() != root.digest()) {
            known.push((name, root));
        }
    }
    known
}
