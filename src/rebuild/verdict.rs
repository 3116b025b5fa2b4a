//! What a rebuild says, as a statement that can be signed.
//!
//! Turns the result of a rebuild into a [`RebuildVerdict`] about the published manifest. A rebuild that gave no image becomes an
//! abstention with its reason: it is no vote. Claims nothing that one rebuilder cannot know, so never SLSA's
//! `SLSA_BUILD_REPRODUCED`, which takes two independent platforms.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Failure, Gap, Rebuild, Rebuilt};
use crate::{
    attest::{
        provenance::{Material, Pin, Provenance},
        rebuilt::{
            CoveredLayers, Inputs, RebuildVerdict, Rebuilder, RebuiltDigests, Residue, Result,
            Timing, UsedMaterial, UsedProvenance,
        },
    },
    compare::{Difference, Place},
    digest::Digest,
    image::Platform,
};

/// Differences that a verdict lists; the rest is in the report.
const RESIDUES: usize = 100;

/// Who rebuilds, as the operator of this hallmark says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// A URI.
    pub id: String,
    /// Who operates it.
    pub operator: String,
}

/// What is known of the provenance that was used.
#[derive(Debug, Clone, Copy)]
pub struct Used<'a> {
    /// What it says.
    pub provenance: &'a Provenance,
    /// Digest of the statement, proven here or not.
    pub payload: Option<&'a Digest>,
    /// Names of its signers, none where it is not proven.
    pub signers: &'a [String],
    /// Where inputs came from: `origin`, or `store`.
    pub source: &'static str,
}

/// The verdict; `None` where nobody tried.
pub fn verdict(
    rebuild: &Rebuild,
    identity: &Identity,
    used: Option<Used<'_>>,
    timing: Timing,
) -> Option<RebuildVerdict> {
    let (rebuilt, result) = match rebuild {
        Rebuild::NotAsked => return None,
        Rebuild::NoProvenance => (None, abstention("not-replayable", "there is no provenance")),
        Rebuild::NotReplayable(gaps) => (None, abstention("not-replayable", &codes(gaps))),
        Rebuild::Failed(Failure { kind, why, .. }) => (None, abstention(kind.name(), why)),
        Rebuild::Compared(rebuilt) => (Some(digests(rebuilt)), compared(rebuilt)),
    };
    let policy = match rebuild {
        Rebuild::Compared(rebuilt) => Some(rebuilt.pins.clone()),
        _ => None,
    };
    let materials = used.map(|used| materials(&used)).unwrap_or_default();
    Some(RebuildVerdict {
        rebuilder: rebuilder(rebuild, identity),
        provenance: used.map(|used| UsedProvenance {
            digest: used.payload.cloned(),
            signer: match used.signers {
                [] => "unsigned".to_owned(),
                names => names.join(", "),
            },
            build_type: used.provenance.build_type.clone(),
        }),
        rebuilt,
        verdict: result,
        inputs: Inputs { policy, materials },
        timing,
    })
}

fn rebuilder(rebuild: &Rebuild, identity: &Identity) -> Rebuilder {
    let engine = match rebuild {
        Rebuild::Compared(rebuilt) => Some(&rebuilt.engine),
        Rebuild::Failed(failure) => failure.engine.as_deref(),
        _ => None,
    };
    let mut environment: BTreeMap<String, String> =
        [("platform".to_owned(), Platform::host().to_string())].into();
    if let Some(engine) = engine {
        environment.insert("engine".to_owned(), engine.driver.clone());
        environment.insert("engineVersion".to_owned(), engine.version.clone());
        environment.insert("ephemeral".to_owned(), engine.ephemeral.to_string());
    }
    Rebuilder {
        id: identity.id.clone(),
        operator: identity.operator.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        environment,
    }
}

fn abstention(status: &str, why: &str) -> Result {
    Result {
        status: status.to_owned(),
        level: None,
        determinism: "unknown".to_owned(),
        coverage: CoveredLayers::default(),
        network: "none".to_owned(),
        residual: Vec::new(),
        reason: Some(why.to_owned()),
    }
}

fn codes(gaps: &[Gap]) -> String {
    gaps.iter().map(|gap| gap.code).collect::<Vec<_>>().join(", ")
}

fn digests(rebuilt: &Rebuilt) -> RebuiltDigests {
    RebuiltDigests {
        manifest: rebuilt.manifest.clone(),
        config: rebuilt.config.clone(),
        diff_ids: rebuilt.diff_ids.clone(),
    }
}

fn compared(rebuilt: &Rebuilt) -> Result {
    let differences = rebuilt.comparison.differences.iter().take(RESIDUES);
    Result {
        status: "compared".to_owned(),
        level: Some(format!("R{}", rebuilt.comparison.level.number())),
        determinism: rebuilt.determinism.name().to_owned(),
        coverage: CoveredLayers {
            layers_rebuilt: rebuilt.coverage.rebuilt,
            layers_inherited: rebuilt.coverage.inherited,
            layers_carried: rebuilt.coverage.carried,
        },
        network: rebuilt.engine.network.name().to_owned(),
        residual: differences.map(residue).collect(),
        reason: None,
    }
}

fn residue(difference: &Difference) -> Residue {
    let place = match &difference.place {
        Place::Manifest(field) => format!("manifest {field}"),
        Place::Config(field) => format!("config {field}"),
        Place::Layer(layer) => format!("layer {layer}"),
        Place::Entry { layer, path } => format!("layer {layer} {path}"),
    };
    Residue {
        place,
        class: difference.class.name().to_owned(),
        normalizer: difference.explained_by.clone(),
    }
}

fn materials(used: &Used<'_>) -> Vec<UsedMaterial> {
    let one = |material: &Material| {
        let pin = match &material.pin {
            Pin::Content(digest) => digest.to_string(),
            Pin::Commit(commit) => commit.as_str().to_owned(),
            Pin::Nothing => return None,
        };
        Some(UsedMaterial { uri: material.uri.clone(), pin, source: used.source.to_owned() })
    };
    used.provenance.materials.iter().filter_map(one).collect()
}

/// Two moments, in their order.
pub fn timing(started_on: Timestamp, finished_on: Timestamp) -> Timing {
    Timing { started_on, finished_on }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{limits::Limits, rebuild::FailureKind};

    fn identity() -> Identity {
        Identity { id: "https://a.example".to_owned(), operator: "a".to_owned() }
    }

    fn now() -> Timing {
        let at = "2026-01-01T00:00:00Z".parse().unwrap();
        timing(at, at)
    }

    #[test]
    fn a_rebuild_that_gave_nothing_is_an_abstention_with_its_reason() {
        let failed = Failure {
            kind: FailureKind::SourceGone,
            why: "gone".to_owned(),
            log: String::new(),
            engine: None,
        };
        let cases = [
            (Rebuild::NoProvenance, "not-replayable"),
            (Rebuild::NotReplayable(Vec::new()), "not-replayable"),
            (Rebuild::Failed(failed), "source-gone"),
        ];
        for (rebuild, status) in cases {
            let made = verdict(&rebuild, &identity(), None, now()).unwrap();
            let read = serde_json::to_value(&made).unwrap();
            let read = RebuildVerdict::parse(&read, &Limits::default()).unwrap();
            assert_eq!((read.level(), read.verdict.status.as_str()), (None, status));
            assert!(read.verdict.reason.is_some());
        }
        assert!(verdict(&Rebuild::NotAsked, &identity(), None, now()).is_none());
    }

    #[test]
    fn every_pinned_input_is_named() {
        let provenance = crate::rebuild::tests::provenance();
        let used = Used { provenance: &provenance, payload: None, signers: &[], source: "origin" };
        let made = verdict(&Rebuild::NoProvenance, &identity(), Some(used), now()).unwrap();
        assert_eq!(made.inputs.materials.len(), provenance.materials.len());
        assert_eq!(made.provenance.unwrap().signer, "unsigned");
        assert!(!serde_json::to_string(&made.inputs).unwrap().contains("SLSA_BUILD_REPRODUCED"));
    }
}
