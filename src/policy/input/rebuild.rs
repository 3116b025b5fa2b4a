//! What rules see of rebuilds: the operator's own, and those of others.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    compare::{Allowance, Comparison, Difference, Place},
    rebuild::{EngineReport, Failure, Gap, Rebuild, Rebuilt, Warrant},
    trust::Attested,
    verdict::Asked,
};

/// What became of the rebuild.
#[derive(Debug, Clone, PartialEq, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RebuildInput {
    /// `compared`, `not-asked`, `no-provenance` (none that counts), `not-replayable` or `failed`.
    pub status: String,
    /// Why the rebuild counts: `proven` (a configured signer vouches for the provenance) or `trusted-inputs` (the operator trusts
    /// every input by name); null where there is none that counts.
    pub warrant: Option<String>,
    /// The rung reached, 0 to 5; null unless compared.
    pub level: Option<u8>,
    /// Its name.
    pub level_name: Option<String>,
    /// `not-needed`, `unknown`, `consistently-different` or `nondeterministic`.
    pub determinism: Option<String>,
    /// Layers that the engine built; null where nobody saw which are the base's.
    pub layers_rebuilt: Option<usize>,
    /// Layers that are those of a base that the engine was given; null where nobody saw what it was given.
    pub layers_inherited: Option<usize>,
    /// Layers taken over from the published image.
    pub layers_carried: Option<usize>,
    /// The engine.
    pub engine: Option<EngineInput>,
    /// How the image was written: what was inferred, from what, and what else was tried.
    pub exporter: Option<ExporterInput>,
    /// Digest of the image that read the Dockerfile, where it was not the engine's own frontend.
    pub frontend: Option<String>,
    /// What differs.
    pub differences: Vec<DifferenceInput>,
    /// How many more differences there are.
    pub omitted: u64,
    /// The operator's allow entries that explain differences.
    pub allowed: Vec<AllowedInput>,
    /// What the provenance would have to say.
    pub gaps: Vec<GapInput>,
    /// Why the build gave no image.
    pub failure: Option<FailureInput>,
    /// What trusted rebuilders say.
    pub attested: AttestedInput,
}

/// An allow entry of the operator that explains differences.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AllowedInput {
    /// As `explainedBy` of a difference has it.
    pub name: String,
    /// `cache`, `toolchain`, `host`, `package-drift` or `content`.
    pub class: String,
    /// Which paths.
    pub pattern: String,
    /// Why.
    pub reason: String,
    /// Who answers for it.
    pub owner: String,
    /// The last day on which it counts.
    pub expires: String,
    /// How many differences it explains.
    pub uses: usize,
}

/// What trusted rebuilders say.
#[derive(Debug, Clone, PartialEq, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AttestedInput {
    /// Whether the operator lets enough of them stand in for an own rebuild.
    pub accepted: bool,
    /// The rung on which enough of them agree, 1 to 5; null where they do not.
    pub level: Option<u8>,
    /// How many distinct signers it takes; null where no trust rule speaks about rebuilds.
    pub needed: Option<usize>,
    /// Names of those who agree.
    pub signers: Vec<String>,
    /// Every vote, one for each signer.
    pub votes: Vec<VoteInput>,
}

/// What one rebuilder says.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VoteInput {
    /// Name in the configuration.
    pub signer: String,
    /// `for`, `against`, `abstains`, `out-of-time`, `contradicts` or `other-provenance`.
    pub weight: String,
    /// The rung, 0 to 5; null for an abstention.
    pub level: Option<u8>,
    /// `compared`, or why there is no level.
    pub status: String,
    /// Digest of the rebuilt manifest.
    pub manifest: Option<String>,
    /// When the rebuild was done, RFC 3339.
    pub finished: String,
}

/// How the exporter wrote the image.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExporterInput {
    /// Media types, compression and times, in words.
    pub options: String,
    /// What these were read from, and the outcome of each hypothesis where more than one was tried.
    pub evidence: Vec<String>,
}

/// The engine that built it again.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EngineInput {
    /// `buildkit`, `buildah` or `replay`.
    pub kind: String,
    /// How it was run.
    pub driver: String,
    /// Its version.
    pub version: String,
    /// Why this engine.
    pub reason: String,
    /// What its steps could reach.
    pub network: String,
    /// Whose numbers of users its programs and steps had on the machine, by a look at their namespace: `own` (no account of the
    /// machine has them), `machine`, or `unknown` for a builder that was not started here.
    pub numbers: String,
    /// Whether its storage was made for this build alone.
    pub ephemeral: bool,
    /// Whether it had nothing but what hallmark gave it by digest and commit, by the record of what was served and a look at its
    /// network.
    pub pinned: bool,
    /// Digests of what it was given, sorted; null where nobody here served it.
    pub served: Option<Vec<String>>,
    /// What the kernel did not bound: `memory` (and processes), `huge-pages`, `disk`; null where it was not started here.
    pub unbounded: Option<Vec<String>>,
}

/// A difference between the published and the rebuilt image.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DifferenceInput {
    /// Where, in words: a path, a field, a layer.
    pub place: String,
    /// `content`, `tar-security`, `config-runtime` ...
    pub class: String,
    /// What differs there.
    pub what: String,
    /// The normalizer or allow entry that explains it.
    pub explained_by: Option<String>,
    /// Line of the Dockerfile.
    pub line: Option<u32>,
    /// Instruction of the Dockerfile.
    pub instruction: Option<String>,
}

/// Something that the provenance would have to say.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GapInput {
    /// As `local-context`, `mode-min`.
    pub code: String,
    /// Which field.
    pub field: String,
    /// What is missing.
    pub why: String,
    /// What the producer can do.
    pub fix: String,
}

/// Why a rebuild gave no image.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailureInput {
    /// `build-failed`, `published-unreadable`, `source-gone`, `source-unreachable`, `source-denied`, `timeout`,
    /// `platform-foreign`, `engine-error` or, where an image is judged by saved evidence without one, `not-saved`.
    pub kind: String,
    /// What happened.
    pub why: String,
}

impl RebuildInput {
    pub(super) fn of(rebuild: &Rebuild, warrant: &Warrant) -> Self {
        let warrant = warrant.name().map(str::to_owned);
        let status = |status: &str| Self { status: status.to_owned(), ..Self::default() };
        let rebuilt = match rebuild {
            Rebuild::NotAsked | Rebuild::Spared | Rebuild::Forbidden(_) => status("not-asked"),
            Rebuild::NoProvenance => status("no-provenance"),
            Rebuild::NotReplayable(gaps) => {
                Self { gaps: gaps.iter().map(GapInput::of).collect(), ..status("not-replayable") }
            }
            Rebuild::Failed(failure) => Self::failed(failure, status("failed")),
            Rebuild::Compared(rebuilt) => Self::compared(rebuilt, status("compared")),
        };
        Self { warrant, ..rebuilt }
    }

    /// For rules, where it does not count.
    pub(super) fn of_none(rebuild: &Rebuild) -> Self {
        let status = match rebuild {
            Rebuild::NotAsked | Rebuild::Spared | Rebuild::Forbidden(_) => "not-asked",
            _ => "no-provenance",
        };
        Self { status: status.to_owned(), ..Self::default() }
    }

    fn failed(failure: &Failure, base: Self) -> Self {
        Self {
            engine: failure.engine.as_deref().map(EngineInput::of),
            failure: Some(FailureInput {
                kind: failure.kind.name().to_owned(),
                why: failure.why.clone(),
            }),
            ..base
        }
    }

    fn compared(rebuilt: &Rebuilt, base: Self) -> Self {
        let comparison = &rebuilt.comparison;
        Self {
            level: Some(comparison.level.number()),
            level_name: Some(comparison.level.name().to_owned()),
            determinism: Some(rebuilt.determinism.name().to_owned()),
            layers_rebuilt: rebuilt.coverage.rebuilt(),
            layers_inherited: rebuilt.coverage.inherited,
            layers_carried: Some(rebuilt.coverage.carried),
            engine: Some(EngineInput::of(&rebuilt.engine)),
            frontend: rebuilt.frontend.as_ref().map(ToString::to_string),
            exporter: Some(ExporterInput {
                options: rebuilt.exporter.to_string(),
                evidence: rebuilt.exporter.evidence.iter().map(ToString::to_string).collect(),
            }),
            differences: comparison.differences.iter().map(DifferenceInput::of).collect(),
            omitted: comparison.omitted,
            allowed: AllowedInput::all(comparison),
            ..base
        }
    }
}

impl AllowedInput {
    fn all(comparison: &Comparison) -> Vec<Self> {
        let one = |allowance: &Allowance| Self {
            name: allowance.to_string(),
            class: allowance.class.name().to_owned(),
            pattern: allowance.pattern.to_string(),
            reason: allowance.reason.clone(),
            owner: allowance.owner.clone(),
            expires: allowance.expires.to_string(),
            uses: allowance.uses(&comparison.differences),
        };
        comparison.allowed.iter().map(one).collect()
    }
}

impl AttestedInput {
    pub(super) fn of(attested: &Attested, asked: Asked) -> Self {
        let agreement = attested.agreement.as_ref();
        let votes = attested.votes.iter().map(|vote| VoteInput {
            signer: vote.signer.name.clone(),
            weight: vote.weight.name().to_owned(),
            level: vote.level,
            status: vote.status.clone(),
            manifest: vote.rebuilt.as_ref().map(|(manifest, _)| manifest.to_string()),
            finished: vote.finished.to_string(),
        });
        Self {
            accepted: asked.accept_attested,
            level: agreement.map(|a| a.level),
            needed: agreement.map(|a| a.threshold).or(attested.needed),
            signers: agreement.map(|a| a.signers.clone()).unwrap_or_default(),
            votes: votes.collect(),
        }
    }
}

impl EngineInput {
    fn of(engine: &EngineReport) -> Self {
        Self {
            kind: engine.kind.name().to_owned(),
            driver: engine.driver.clone(),
            version: engine.version.clone(),
            reason: engine.reason.clone(),
            network: engine.network.name().to_owned(),
            numbers: engine.numbers.name().to_owned(),
            ephemeral: engine.ephemeral,
            pinned: engine.is_pinned(),
            served: engine
                .served
                .as_ref()
                .map(|served| served.iter().map(ToString::to_string).collect()),
            unbounded: engine
                .unbounded
                .as_ref()
                .map(|all| all.iter().map(|one| one.name().to_owned()).collect()),
        }
    }
}

impl DifferenceInput {
    fn of(difference: &Difference) -> Self {
        let place = match &difference.place {
            Place::Entry { layer, path } => format!("{path} (layer {layer})"),
            other => other.to_string(),
        };
        Self {
            place,
            class: difference.class.name().to_owned(),
            what: difference.what.to_string(),
            explained_by: difference.explained_by.as_ref().map(ToString::to_string),
            line: difference.cause.as_ref().and_then(|cause| cause.line),
            instruction: difference.cause.as_ref().map(|cause| cause.instruction.clone()),
        }
    }
}

impl GapInput {
    pub(super) fn of(gap: &Gap) -> Self {
        Self {
            code: gap.code.to_owned(),
            field: gap.field.clone(),
            why: gap.why.clone(),
            fix: gap.fix.clone(),
        }
    }
}
