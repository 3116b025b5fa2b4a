//! What a rebuild says, as a statement that can be signed.
//!
//! Turns the result of a rebuild into a [`RebuildVerdict`] about the published manifest. A rebuild that gave no image becomes an
//! abstention with its reason: it is no vote. Claims nothing that one rebuilder cannot know, so never SLSA's
//! `SLSA_BUILD_REPRODUCED`, which takes two independent platforms.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{EngineReport, Failure, Gap, Rebuild, Rebuilt};
use crate::{
    attest::{
        provenance::{Material, Pin, Provenance},
        rebuilt::{
            CoveredLayers, Inputs, RebuildVerdict, Rebuilder, RebuiltDigests, Residue, Result,
            Timing, UsedMaterial, UsedProvenance,
        },
    },
    compare::Difference,
    contents::secrets::shown_line,
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
        Rebuild::NotAsked | Rebuild::Spared | Rebuild::Forbidden(_) => return None,
        Rebuild::NoProvenance => {
            (None, abstention("not-replayable", "there is no provenance", None))
        }
        Rebuild::NotReplayable(gaps) => (None, abstention("not-replayable", &codes(gaps), None)),
        Rebuild::Failed(Failure { kind, why, engine, .. }) => {
            (None, abstention(kind.name(), why, engine.as_deref()))
        }
        Rebuild::Compared(rebuilt) => (Some(digests(rebuilt)), compared(rebuilt)),
    };
    let policy = match rebuild {
        Rebuild::Compared(rebuilt) => Some(rebuilt.pins.clone()),
        _ => None,
    };
    let materials = used.zip(engine(rebuild)).map(|(used, engine)| materials(&used, engine));
    let materials = materials.unwrap_or_default();
    Some(RebuildVerdict {
        rebuilder: rebuilder(rebuild, identity),
        provenance: used.map(|used| UsedProvenance {
            digest: used.payload.cloned(),
            signer: match used.signers {
                [] => "unsigned".to_owned(),
                names => names.join(", "),
            },
            build_type: shown_line(&used.provenance.build_type),
        }),
        rebuilt,
        verdict: result,
        inputs: Inputs { policy, materials },
        timing,
    })
}

/// What built, where anything did.
fn engine(rebuild: &Rebuild) -> Option<&EngineReport> {
    match rebuild {
        Rebuild::Compared(rebuilt) => Some(&rebuilt.engine),
        Rebuild::Failed(failure) => failure.engine.as_deref(),
        Rebuild::NotAsked
        | Rebuild::Spared
        | Rebuild::Forbidden(_)
        | Rebuild::NoProvenance
        | Rebuild::NotReplayable(_) => None,
    }
}

fn rebuilder(rebuild: &Rebuild, identity: &Identity) -> Rebuilder {
    let engine = engine(rebuild);
    let mut environment: BTreeMap<String, String> =
        [("platform".to_owned(), Platform::host().to_string())].into();
    if let Some(engine) = engine {
        environment.insert("engine".to_owned(), engine.driver.clone());
        environment.insert("engineVersion".to_owned(), engine.version.clone());
        environment.insert("ephemeral".to_owned(), engine.ephemeral.to_string());
        environment.insert("pinned".to_owned(), engine.is_pinned().to_string());
        environment.insert("numbers".to_owned(), engine.numbers.name().to_owned());
        if let Some(unbounded) = engine.unbounded.as_deref().filter(|all| !all.is_empty()) {
            let words: Vec<_> = unbounded.iter().map(|one| one.name()).collect();
            environment.insert("unbounded".to_owned(), words.join(","));
        }
    }
    Rebuilder {
        id: identity.id.clone(),
        operator: identity.operator.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        environment,
    }
}

fn abstention(status: &str, why: &str, engine: Option<&EngineReport>) -> Result {
    Result {
        status: status.to_owned(),
        level: None,
        determinism: "unknown".to_owned(),
        coverage: CoveredLayers::default(),
        network: engine.map_or("unknown", |engine| engine.network.name()).to_owned(),
        residual: Vec::new(),
        reason: Some(why.to_owned()),
    }
}

fn codes(gaps: &[Gap]) -> String {
    Gap::codes(gaps).join(", ")
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
            layers_rebuilt: rebuilt.coverage.rebuilt(),
            layers_inherited: rebuilt.coverage.inherited,
            layers_carried: rebuilt.coverage.carried,
        },
        network: rebuilt.engine.network.name().to_owned(),
        residual: differences.map(residue).collect(),
        reason: None,
    }
}

fn residue(difference: &Difference) -> Residue {
    Residue {
        place: difference.place.to_string(),
        class: difference.class.name().to_owned(),
        normalizer: difference.explained_by.as_ref().map(ToString::to_string),
    }
}

/// What the builder was given of the materials. A commit is given before the builder runs; content leaves a record.
fn materials(used: &Used<'_>, engine: &EngineReport) -> Vec<UsedMaterial> {
    let one = |material: &Material| {
        let (pin, given) = match &material.pin {
            Pin::Content(digest) => {
                (digest.to_string(), engine.served.as_ref().map(|served| served.contains(digest)))
            }
            Pin::Commit(commit) => {
                (commit.as_str().to_owned(), engine.served.as_ref().map(|_| true))
            }
            Pin::Nothing => return None,
        };
        let source = match given {
            Some(true) => used.source,
            Some(false) => return None,
            None => "unknown",
        };
        Some(UsedMaterial { uri: material.uri.clone(), pin, source: source.to_owned() })
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
    use crate::{attest::provenance::Network, limits::Limits, rebuild::FailureKind};

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

    /// H28: what a verdict says of inputs and network was so in the job that ran.
    #[test]
    fn h28_inputs_are_those_that_the_builder_was_given() {
        let provenance = crate::rebuild::tests::provenance();
        let used = Used { provenance: &provenance, payload: None, signers: &[], source: "origin" };
        let made = |rebuild: &Rebuild| verdict(rebuild, &identity(), Some(used), now()).unwrap();
        let nothing = made(&Rebuild::NoProvenance);
        assert_eq!(
            (nothing.inputs.materials.len(), nothing.verdict.network.as_str()),
            (0, "unknown")
        );
        assert_eq!(nothing.provenance.unwrap().signer, "unsigned");
        let contents: Vec<&Digest> = provenance
            .materials
            .iter()
            .filter_map(|material| match &material.pin {
                Pin::Content(digest) => Some(digest),
                Pin::Commit(_) | Pin::Nothing => None,
            })
            .collect();
        let first = contents.first().expect("an image");
        let failed = |network, served: Option<&[&Digest]>| {
            let engine = EngineReport {
                kind: crate::rebuild::EngineKind::Buildkit,
                driver: "d".to_owned(),
                version: "v".to_owned(),
                reason: String::new(),
                network,
                numbers: crate::rebuild::Numbers::Own,
                ephemeral: true,
                served: served.map(|served| served.iter().copied().cloned().collect()),
                unbounded: None,
            };
            let (kind, why, log) = (FailureKind::BuildFailed, String::new(), String::new());
            made(&Rebuild::Failed(Failure { kind, why, log, engine: Some(Box::new(engine)) }))
        };
        let cases = [
            (Network::None, Some(&[*first][..]), 1, "origin", "true"),
            (Network::None, Some(&[]), 0, "", "true"),
            (Network::Unknown, Some(&[*first]), 1, "origin", "false"),
            (Network::Unknown, None, contents.len(), "unknown", "false"),
        ];
        for (network, served, count, source, pinned) in cases {
            let made = failed(network, served);
            assert_eq!(made.verdict.network, network.name());
            assert_eq!(made.rebuilder.environment["pinned"], pinned);
            let listed = made.inputs.materials.iter().filter(|m| m.pin.contains(':'));
            let listed: Vec<&str> = listed.map(|material| material.source.as_str()).collect();
            assert_eq!(listed, vec![source; count]);
        }
    }
}
