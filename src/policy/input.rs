//! `hallmark/input/v1`: what rules see.
//!
//! Turns [`Evidence`] and findings into the document that rules read as `input`. It is a wire format: fields are added and
//! never change their meaning; `docs/schemas/input.v1.json` is generated from these types. Every claim carries its `state`
//! (proven, unproven, missing), so that no rule can take presence for proof. No field depends on the version of the
//! format that the evidence came in.

mod blueprint;
mod contents;
mod delegation;
mod facts;
mod finding;
mod image;
mod index;
mod indexed;
mod inventory;
mod layout;
mod licences;
mod malware;
mod predicate;
mod proof;
mod provenance;
mod rebuild;
mod refs;
mod sbom;
mod secrets;
mod statement;
mod vulnerabilities;

use jiff::Timestamp;
use schemars::{JsonSchema, Schema, generate::SchemaSettings};
use serde::Serialize;
use serde_json::{Map, Value};

pub use blueprint::{BlueprintInput, EdgeInput, StageInput, StagesInput, TakenInput};
pub use contents::{
    ContentsInput, CountInput, FadedInput, FilesInput, HiddenInput, OwnerInput, PackageFilesInput,
    StrayInput,
};
pub use delegation::DelegationInput;
pub use facts::{
    CapabilityInput, DeviceInput, FactsInput, LayerSizeInput, LeftOutInput, ProgramInput,
    SetIdInput, UserInput, WritableInput,
};
pub use finding::FindingInput;
pub use image::{ConfigInput, ImageInput, NotJudgedInput};
pub use index::{IndexInput, LicensedInput, PlaceInput};
pub use inventory::{DatabaseInput, IncompleteInput, InventoryInput, PackageInput};
pub use layout::{LayoutInput, LayoutStepInput};
pub use licences::{LicenceInput, LicencesInput};
pub use malware::{MalwareInput, MalwareMatchInput, MalwareRulesInput, ScannedInput};
pub use predicate::PredicateInput;
pub use proof::{BasisInput, ProofInput};
pub use provenance::{BuildInput, MaterialInput, ProvenanceInput, RefInput, SourceInput};
pub use rebuild::{
    AllowedInput, AttestedInput, DifferenceInput, EngineInput, ExporterInput, FailureInput,
    GapInput, RebuildInput, VoteInput,
};
pub use sbom::{
    ComponentInput, DigestInput, LackInput, ReconciliationInput, SbomInput, VersionInput,
};
pub use secrets::{SecretInput, SecretsInput, UnsearchedInput};
pub use statement::StatementInput;
pub use vulnerabilities::VulnerabilitiesInput;

pub(super) use indexed::Saved;
use proof::Audience;
pub(super) use statement::not_held;
use vulnerabilities::Told;

use crate::{
    finding::Finding,
    trust::{Claimed, PredicateClass, Proof},
    verdict::{Asked, Evidence, SbomEvidence, Vulnerabilities},
};

/// The value of `input.schema`.
pub const ID: &str = "hallmark/input/v1";

/// The JSON Schema of [`PolicyInput`].
pub fn schema() -> Schema {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    settings.into_generator().into_root_schema_for::<PolicyInput>()
}

/// Everything that a rule can ask about, for one platform's image.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyInput {
    /// Always `hallmark/input/v1`.
    pub schema: String,
    /// When the image is judged, RFC 3339 in UTC; the only clock that rules have.
    #[schemars(with = "String")]
    pub time: Timestamp,
    /// The image.
    pub image: ImageInput,
    /// Plain signatures over the image or its index.
    pub signatures: Vec<StatementInput>,
    /// Attestations of every kind.
    pub attestations: Vec<StatementInput>,
    /// Layouts of in-toto that `hallmark.yaml` names for this image.
    pub layouts: Vec<LayoutInput>,
    /// What verifiers say that `trust.delegates` names for this image.
    pub delegated: Vec<DelegationInput>,
    /// The provenance that counts: the proven one where there is one.
    pub provenance: ProvenanceInput,
    /// SBOMs that were found, the proven ones first; of the others, no more than that they are there.
    pub sboms: Vec<SbomInput>,
    /// What is in the root filesystem; null where no policy needs it.
    pub inventory: Option<InventoryInput>,
    /// Whose its files are; null where no policy needs it.
    pub contents: Option<ContentsInput>,
    /// Private keys and tokens in layers and configuration; null where no policy needs them, and where layers were not read.
    pub secrets: Option<SecretsInput>,
    /// What its files match of YARA rules; null where no policy needs it, and where layers were not read.
    pub malware: Option<MalwareInput>,
    /// What is known of its packages; null where no policy needs it.
    pub vulnerabilities: Option<VulnerabilitiesInput>,
    /// The build that is approved for images of this name; null where `policy.blueprints` has none.
    pub blueprint: Option<BlueprintInput>,
    /// The stages of the build, as proven provenance has them; null where nothing is held against them.
    pub build: Option<StagesInput>,
    /// What became of the rebuild.
    pub rebuild: RebuildInput,
    /// What was seen so far.
    pub findings: Vec<FindingInput>,
    /// The operator's settings, over the presets' defaults; put in when the policies are evaluated.
    pub settings: Map<String, Value>,
}

/// Whether a saved input can have a ground for a pass: some of what a [`Grounds`](crate::verdict::Grounds) is made of is proven in it.
/// What the input does not tell, as the rung that is asked for, counts for it.
pub fn may_pass(input: &Value) -> bool {
    let is =
        |value: &Value, key: &str, word: &str| value.get(key).and_then(Value::as_str) == Some(word);
    let proven = |pointer: &str| {
        let list = input.pointer(pointer).and_then(Value::as_array).into_iter().flatten();
        list.filter(|value| is(value, "state", "proven"))
    };
    let ground = |statement: &&Value| {
        let kind = statement.get("predicateType").and_then(Value::as_str).unwrap_or_default();
        PredicateClass::Provenance.includes(kind)
    };
    let delegations = input.get("delegated").and_then(Value::as_array).into_iter().flatten();
    let mut counting = delegations.filter(|d| d.get("counts") == Some(&Value::Bool(true)));
    let rebuilt = input.get("rebuild").unwrap_or(&Value::Null);
    let counts = rebuilt.get("warrant").is_some_and(Value::is_string);
    let agreed = rebuilt.pointer("/attested/accepted") == Some(&Value::Bool(true))
        && rebuilt.pointer("/attested/level").is_some_and(Value::is_number);
    proven("/signatures").next().is_some()
        || proven("/attestations").any(|statement| ground(&statement))
        || proven("/layouts").next().is_some()
        || counting.next().is_some()
        || is(rebuilt, "status", "compared") && counts
        || agreed
}

/// How many SBOMs a saved input has.
pub(super) fn sboms(input: &Value) -> usize {
    input.get("sboms").and_then(Value::as_array).map_or(0, Vec::len)
}

/// Whether a saved input has what rules ask of packages: an index, and the names that SBOMs add.
pub(super) fn is_indexed(input: &Value) -> bool {
    let index = input.pointer("/inventory/index");
    let sboms = input.get("sboms").and_then(Value::as_array);
    let named = |sbom: &Value| sbom.get("names").is_some_and(Value::is_object);
    index.is_some_and(Value::is_object) && sboms.is_some_and(|sboms| sboms.iter().all(named))
}

/// What is known of the packages, where they were looked at.
fn vulnerabilities(evidence: &Evidence) -> Option<VulnerabilitiesInput> {
    let inventory = evidence.inventory.as_ref()?;
    let Some(found) = &evidence.vulnerabilities else {
        return Some(VulnerabilitiesInput::without_data());
    };
    let Vulnerabilities { database, known, statements, answers, unmatched, unread } = found;
    Some(match known {
        Ok(known) => VulnerabilitiesInput::of(database, inventory, known)
            .with(statements, &Told { answers, unmatched, unread }),
        Err(why) => VulnerabilitiesInput::failed(database, why.clone()),
    })
}

impl PolicyInput {
    /// What rules see of the evidence and of what was found until `now`: what nobody proved decides nothing, so that it is not
    /// in here with more than its being there (attack H30).
    pub fn new(evidence: &Evidence, asked: Asked, findings: &[Finding], now: Timestamp) -> Self {
        Self::told(Audience::Rules, evidence, asked, FindingInput::for_rules(findings), now)
    }

    /// Whether it has what rules ask of packages: an index, and the names that SBOMs add.
    pub(super) fn is_indexed(&self) -> bool {
        let index = self.inventory.as_ref().and_then(|inventory| inventory.index.as_ref());
        index.is_some() && self.sboms.iter().all(|sbom| sbom.names.is_some())
    }

    /// The first claim that rules see nothing of because of a number that nobody can hold: where, and the number.
    pub(super) fn not_held(&self) -> Option<(String, String)> {
        let Self { signatures, attestations, .. } = self;
        let first = statement::first_not_held("signatures", signatures);
        first.or_else(|| statement::first_not_held("attestations", attestations))
    }

    /// The same for reports, with all that was found.
    pub fn report(evidence: &Evidence, asked: Asked, findings: &[Finding], now: Timestamp) -> Self {
        let findings = findings.iter().map(FindingInput::of).collect();
        Self::told(Audience::Readers, evidence, asked, findings, now)
    }

    fn told(
        audience: Audience,
        evidence: &Evidence,
        asked: Asked,
        findings: Vec<FindingInput>,
        now: Timestamp,
    ) -> Self {
        let statements = |proofs: &[Proof<Claimed>]| {
            let statement = |proof| StatementInput::of(proof, audience, evidence);
            proofs.iter().filter_map(statement).collect::<Vec<_>>()
        };
        let sbom = |sbom: &SbomEvidence| match audience.hears(&sbom.claim) {
            true => SbomInput::of(sbom),
            false => SbomInput::untold(&sbom.claim),
        };
        let counts = audience == Audience::Readers || evidence.warrant.counts();
        let rebuild = match counts {
            true => RebuildInput::of(&evidence.rebuild, &evidence.warrant),
            false => RebuildInput::of_none(&evidence.rebuild),
        };
        let mut inventory = evidence.inventory.as_ref().map(|inventory| {
            InventoryInput::of(inventory, evidence.accounts.as_ref(), evidence.base)
        });
        let mut sboms: Vec<SbomInput> = evidence.sboms.iter().filter_map(sbom).collect();
        if audience == Audience::Rules {
            indexed::index(inventory.as_mut(), &mut sboms);
        }
        let mut gaps = rebuild.gaps.clone();
        gaps.extend(evidence.ref_gaps().iter().map(GapInput::of));
        Self {
            schema: ID.to_owned(),
            time: now,
            image: ImageInput::of(evidence),
            signatures: statements(&evidence.signatures),
            attestations: statements(&evidence.attestations),
            layouts: evidence.layouts.iter().map(LayoutInput::of).collect(),
            delegated: evidence.delegated.iter().map(DelegationInput::of).collect(),
            provenance: ProvenanceInput::of(evidence, audience),
            sboms,
            inventory,
            contents: evidence.accounts.as_ref().map(|accounts| {
                ContentsInput::of(accounts, evidence.inventory.as_ref(), evidence.base)
            }),
            secrets: evidence.secrets.as_ref().map(SecretsInput::of),
            malware: evidence.malware.as_ref().map(MalwareInput::of),
            vulnerabilities: vulnerabilities(evidence),
            blueprint: evidence
                .blueprint
                .as_deref()
                .map(|approved| BlueprintInput::of(approved, &evidence.image.config.runtime)),
            build: evidence.blueprint.is_some().then(|| StagesInput::of(evidence)),
            rebuild: RebuildInput {
                attested: AttestedInput::of(&evidence.attested, asked),
                gaps,
                ..rebuild
            },
            findings,
            settings: Map::new(),
        }
    }
}
