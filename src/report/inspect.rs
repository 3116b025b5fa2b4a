//! The tree of an image: platform, layers, and every piece of evidence with its carrier and what was proven.

use std::{
    collections::BTreeSet,
    fmt::{self, Write as _},
};

use super::{
    clean,
    text::{finding_block, unproven},
};
use crate::{
    attest::Statement,
    finding::{Finding, Severity},
    trust::Proof,
    verdict::Evidence,
};

/// Renders the tree.
pub fn tree(evidence: &Evidence, findings: &[Finding]) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write_tree(&mut out, evidence, findings);
    out
}

fn write_tree(out: &mut String, evidence: &Evidence, findings: &[Finding]) -> fmt::Result {
    let image = &evidence.image;
    writeln!(out, "{}", clean(&image.reference.to_string()))?;
    if let Some(index) = &image.index {
        writeln!(out, "├─ index      {} {}", index.document.digest, index.media_type)?;
    }
    writeln!(out, "├─ platform   {}", image.platform)?;
    writeln!(
        out,
        "├─ manifest   {} {}",
        image.manifest.document.digest, image.manifest.media_type
    )?;
    writeln!(out, "├─ config     {}", image.config.document.digest)?;
    for (position, layer) in image.manifest.layers.iter().enumerate() {
        let compression = layer.media_type.layer_compression().map_or("?", |c| c.name());
        writeln!(
            out,
            "├─ layer {position:<4} {} {} bytes {compression}",
            layer.digest, layer.size
        )?;
    }
    for proof in &evidence.signatures {
        statement(out, "signature", proof)?;
    }
    for proof in &evidence.attestations {
        statement(out, "attests", proof)?;
    }
    // One carrier can hold several documents.
    let carriers: BTreeSet<_> = evidence.carriers.iter().collect();
    for carrier in carriers {
        writeln!(out, "├─ found in   {}", clean(&carrier.to_string()))?;
    }
    let weighty: Vec<_> = findings.iter().filter(|f| f.severity > Severity::Info).collect();
    writeln!(out, "└─ findings   {}", weighty.len())?;
    for finding in weighty {
        writeln!(out)?;
        finding_block(out, finding)?;
    }
    Ok(())
}

fn statement(out: &mut String, name: &str, proof: &Proof<Statement>) -> fmt::Result {
    let Some(statement) = proof.value() else { return Ok(()) };
    let proven = match proof {
        Proof::Proven(verified) => {
            let signers = verified.signers().iter().map(ToString::to_string).collect::<Vec<_>>();
            format!("proven by {}", signers.join(", "))
        }
        Proof::Unproven { why, .. } => format!("not proven: {}", unproven(why)),
        Proof::Missing => "missing".to_owned(),
    };
    let carrier = proof.carrier().map(ToString::to_string).unwrap_or_default();
    writeln!(out, "├─ {name:<10} {}", clean(&statement.predicate_type))?;
    writeln!(out, "│             {}", clean(&proven))?;
    writeln!(out, "│             {}", clean(&carrier))
}
