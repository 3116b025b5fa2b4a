//! `hallmark inspect`: what an image carries, and what was proven of it; no verdict.

use std::collections::BTreeMap;

use super::{
    Answer, Failure,
    args::{Format, Global, Inspect},
    context::{self, Overrides},
};
use crate::{
    config::InForce,
    report::{self, inspect::Inspection},
    trust::{TrustRules, examine, sigstore::TrustedRoot},
    verify::{self, When},
};

/// Runs the command.
pub async fn run(args: &Inspect, global: &Global) -> Result<Answer, Failure> {
    let overrides = Overrides {
        platforms: context::platforms(&args.platforms),
        rebuild: Some(When::Never("hallmark inspect")),
        own_preset: Some("baseline"),
        vouch: Some(&args.vouch),
        ..Overrides::default()
    };
    let (mut config, ctx) = context::build(global, overrides)?;
    context::look_up(&args.lookup, [&args.image], &mut config)?;
    let reference = context::pin(&args.image, &config, &ctx).await?;
    let (source, images) = verify::open(&reference, &ctx).await?;
    let now = jiff::Timestamp::now();
    let trust = ctx.trust.judged_at(now);
    let others = config.roots.all().map_err(|error| Failure::of_operator(&error.to_string()))?;
    let known = known(&trust, &others);
    let mut inspections = Vec::with_capacity(images.len());
    for image in images {
        let found = verify::find(&*source, &image, &ctx).await;
        let examined = examine(&found.raws, &image, &trust, &known, &ctx.limits);
        let (evidence, findings) = verify::weigh(&*source, image, found, &ctx, now).await;
        inspections.push(Inspection { evidence, findings, examined });
    }
    Ok(Answer::data(match args.output {
        Format::Text => report::inspect::tree(&inspections),
        Format::Json => report::inspect::json(&inspections, now),
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
