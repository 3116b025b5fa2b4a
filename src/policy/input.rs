//! `hallmark/input/v1`: what rules see.
//!
//! Turns [`Evidence`] and findings into the document that rules read as `input`. It is a wire format: fields are added and
//! never change their meaning; `docs/schemas/input.v1.json` is generated from these types. Every claim carries its `state`
//! (proven, unproven, missing), so that no rule can take presence for proof. No field depends on the version of the
//! format that the evidence came in.

mod delegation;
mod layout;
mod rebuild;
mod refs;

use std::collections::BTreeMap;

pub use delegation::DelegationInput;
pub use layout::{LayoutInput, LayoutStepInput};
pub use rebuild::{
    AllowedInput, AttestedInput, DifferenceInput, EngineInput, ExporterInput, FailureInput,
    GapInput, RebuildInput, VoteInput,
};

use refs::Names;

use jiff::Timestamp;
use schemars::{JsonSchema, Schema, generate::SchemaSettings};
use serde::Serialize;
use serde_json::{Map, Value};

use super::signer::SignerInput;
use crate::{
    attest::{
        Carrier, Statement,
        predicate::Predicate,
        provenance::{Frontend, Material, MaterialKind, Pin, Provenance},
    },
    finding::Finding,
    image::{Checked, Image, LeftOut},
    json::numbers,
    sbom::{BoundSbom, Inventory, Reconciliation},
    trust::{
        PredicateClass, Proof, SourceRefs, Unproven,
        refs::{Kind, Standing},
        verified::Basis,
    },
    verdict::{Evidence, standing},
};

/// Characters of a text of unproven evidence that rules see.
const UNPROVEN_CHARS: usize = 256;
/// Remarks that rules see: what is said about evidence that nobody proved must not be what fills their input.
const REMARKS: usize = 256;
/// Characters of a fact of a remark that rules see.
const REMARK_CHARS: usize = 1024;

/// The value of `input.schema`.
pub const ID: &str = "hallmark/input/v1";

/// The JSON Schema of [`PolicyInput`].
pub fn schema() -> Schema {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    settings.into_generator().into_root_schema_for::<PolicyInput>()
}

/// How a `problem` begins that says that a predicate has a number which nobody can hold.
const NOT_HELD: &str = "its predicate holds the number ";

/// The first claim in an input that rules see nothing of because of a number: where, and the number.
pub(super) fn not_held(input: &Value) -> Option<(String, String)> {
    ["signatures", "attestations"].into_iter().find_map(|list| {
        let claims = input.get(list)?.as_array()?.iter().enumerate();
        let problem = |claim: &Value| {
            let problem = claim.get("problem")?.as_str()?.strip_prefix(NOT_HELD)?;
            Some(problem.split(',').next()?.to_owned())
        };
        let mut found = claims.filter_map(|(i, claim)| {
            Some((format!("input.{list}[{i}].predicate"), problem(claim)?))
        });
        found.next()
    })
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

/// The image.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageInput {
    /// `location@digest` as it is judged.
    pub reference: String,
    /// Location without digest: `host/path` for registries.
    pub repository: String,
    /// Digest that the reference names: of the index where there is one.
    pub digest: String,
    /// Digest of the platform's manifest.
    pub manifest: String,
    /// Digests of every document on the way from the reference to what runs, the outermost first: indexes, manifest,
    /// configuration, each by sha256 and by sha512.
    pub digests: Vec<String>,
    /// As `linux/amd64`, in containerd's normal form.
    pub platform: String,
    /// What the reference lists for other platforms and nobody judges in this run.
    pub not_judged: Vec<NotJudgedInput>,
    /// Creation time as the configuration has it: a claim.
    pub created: Option<String>,
    /// Labels: claims.
    pub labels: BTreeMap<String, String>,
    /// How a container starts.
    pub config: ConfigInput,
    /// How many layers it has.
    pub layers: usize,
}

/// A manifest or index that is not judged.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NotJudgedInput {
    /// Its platform; null where none is said.
    pub platform: Option<String>,
    /// Its digest.
    pub manifest: String,
}

impl NotJudgedInput {
    /// What reports and rules see of it.
    pub fn of(left_out: &LeftOut) -> Self {
        Self {
            platform: left_out.platform.as_ref().map(ToString::to_string),
            manifest: left_out.manifest.to_string(),
        }
    }
}

/// How a container starts.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigInput {
    /// User and group; empty is root.
    pub user: String,
    /// Environment, `NAME=value`.
    pub env: Vec<String>,
    /// Entry point.
    pub entrypoint: Vec<String>,
    /// Arguments.
    pub cmd: Vec<String>,
    /// Working directory.
    pub working_dir: String,
    /// Ports.
    pub exposed_ports: Vec<String>,
    /// Volumes.
    pub volumes: Vec<String>,
}

/// What was proven about a claim.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProofInput {
    /// `proven`, `unproven` or `missing`.
    pub state: String,
    /// Why it is not proven: `unsigned`, `unknown-signer`, `not-allowed`, `below-threshold`, `other-subject`,
    /// `unsupported`.
    pub why: Option<String>,
    /// Who vouches for it; empty unless proven.
    pub signers: Vec<SignerInput>,
    /// What the signature covers, where it is proven: `signed` (the claim itself) or `covered-by-index`.
    pub basis: Option<String>,
    /// Kind of the place where it was found: `index-attestation`, `referrer`, `cosign-tag`, `bundle-file`, `file`,
    /// `label`.
    pub carrier: Option<String>,
    /// That place in words.
    pub place: Option<String>,
}

/// A signature or attestation.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatementInput {
    /// What was proven.
    #[serde(flatten)]
    pub proof: ProofInput,
    /// Its predicate type.
    pub predicate_type: String,
    /// Its predicate; null unless it is proven, since what nobody proved decides nothing, and where it holds more values than
    /// `limits.jsonValues` or a number that 64 bits do not hold exactly. In provenance, refs of the source are blanked as in
    /// `provenance.build.parameters`.
    pub predicate: Value,
    /// The same with its meaning, whatever version of a format it came in; null unless it is proven, for types that hallmark does
    /// not read, and for signatures, provenance and SBOMs, which have places of their own.
    pub content: Option<Predicate>,
    /// Why `content` is null although the type is one that hallmark reads, or `predicate` although it is proven.
    pub problem: Option<String>,
    /// False where it says that something is not good: a summary or test result that failed or says neither, a summary of
    /// another resource, a predicate that is not of its form; and for whatever is not proven.
    pub holds: bool,
}

/// How the image says that it was built.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProvenanceInput {
    /// What was proven.
    #[serde(flatten)]
    pub proof: ProofInput,
    /// What it says; null unless it is proven.
    pub build: Option<BuildInput>,
}

/// What provenance says.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BuildInput {
    /// `buildkit`, `hallmark`, `github-actions`, `slsa-github-generator`, `npm`, `cloud-build`, `tekton-chains` or `other`.
    pub producer: String,
    /// The build type as written.
    pub build_type: String,
    /// The builder's identity as written; may be empty.
    pub builder_id: String,
    /// Where the source came from.
    pub source: Option<SourceInput>,
    /// The branch that was built, or from which the tag was pushed; without `refs/heads/`. Null unless the branch is proven to
    /// hold the commit.
    pub branch: Option<String>,
    /// The tag that was built; without `refs/tags/`. Null unless the tag is proven to hold the commit.
    pub tag: Option<String>,
    /// What the provenance calls branch, tag and ref of its source, and whether that holds.
    pub refs: Vec<RefInput>,
    /// File in the source's repository that told the builder what to do.
    pub entry_point: Option<String>,
    /// What started the build, in the builder's words.
    pub event: Option<String>,
    /// The run, as the builder names it.
    pub invocation: Option<String>,
    /// What the caller asked for, as written; branches, tags and refs of the source are null unless they are proven to hold the
    /// commit, and cut off where a text ends in one. Null where the provenance has a number that 64 bits do not hold exactly.
    pub parameters: Value,
    /// Path of the Dockerfile.
    pub dockerfile_path: Option<String>,
    /// The frontend image, where one was named.
    pub frontend: Option<String>,
    /// The stage that became the image.
    pub target: Option<String>,
    /// Build arguments; those for branches, tags and refs of the source are empty unless they are proven to hold the commit.
    pub build_args: BTreeMap<String, String>,
    /// What the steps could reach: `none`, `default`, `host`, `unknown`.
    pub network: String,
    /// Every input.
    pub materials: Vec<MaterialInput>,
    /// Ids of secrets that the build asked for.
    pub secrets: Vec<String>,
    /// Local folders that were sent to the builder.
    pub local_inputs: Vec<String>,
    /// Whether all parameters are recorded.
    pub complete_parameters: bool,
    /// Whether all materials are recorded.
    pub complete_materials: bool,
    /// Whether the steps themselves are recorded.
    pub complete_steps: bool,
}

/// A name that the provenance has for its source.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefInput {
    /// `branch`, `tag` or `reference`.
    pub kind: String,
    /// The name as the provenance has it: a claim.
    pub claimed: String,
    /// `proven` (the repository's history or the signer's certificate says that it holds the commit) or `unproven`.
    pub state: String,
    /// Why it is not proven.
    pub why: Option<String>,
}

/// A source repository.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SourceInput {
    /// URL without fragment.
    pub url: String,
    /// Branch, tag or other ref. Null unless it is proven to hold the commit.
    pub reference: Option<String>,
    /// Folder in the repository.
    pub folder: Option<String>,
    /// The commit; null where none was recorded.
    pub commit: Option<String>,
}

/// An input of the build.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MaterialInput {
    /// `image`, `git`, `http` or `other`.
    pub kind: String,
    /// The URI as written, without a ref of the source that is not proven to hold the commit.
    pub uri: String,
    /// `registry/path` of an image.
    pub name: Option<String>,
    /// Tag of an image.
    pub tag: Option<String>,
    /// Digest or commit; null where it is pinned to nothing.
    pub pin: Option<String>,
    /// Role: `base`, `toolchain`, `lockfile` ...
    pub role: Option<String>,
}

/// An SBOM.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SbomInput {
    /// What was proven.
    #[serde(flatten)]
    pub proof: ProofInput,
    /// Format and version, as `SPDX-2.3`: for messages only.
    pub format: String,
    /// Digest of the document.
    pub document: String,
    /// Name of the document.
    pub name: Option<String>,
    /// Creation time as written.
    pub created: Option<String>,
    /// Tools that made it.
    pub tools: Vec<String>,
    /// What it lists.
    pub components: Vec<ComponentInput>,
    /// Digests by which it names the image itself.
    pub names_image: Vec<String>,
    /// How it agrees with the inventory; null where there is no inventory.
    pub reconciliation: Option<ReconciliationInput>,
}

/// Something that an SBOM lists.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ComponentInput {
    /// Package URL.
    pub purl: Option<String>,
    /// `deb`, `apk`, `cargo` ...
    pub ecosystem: Option<String>,
    /// Name.
    pub name: String,
    /// Version as written.
    pub version: Option<String>,
}

/// How an SBOM and the inventory agree.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReconciliationInput {
    /// Whether nothing is missing, extra or different.
    pub agrees: bool,
    /// Packages in both, with equal versions.
    pub matched: usize,
    /// Components that no database here speaks about.
    pub unchecked: usize,
    /// In the image and not in the SBOM.
    pub missing: Vec<PackageInput>,
    /// In the SBOM and not in the image.
    pub ghosts: Vec<ComponentInput>,
    /// In both, with different versions.
    pub versions: Vec<VersionInput>,
}

/// A package whose version differs.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VersionInput {
    /// What is in the image.
    pub installed: PackageInput,
    /// The version that the SBOM says.
    pub claimed: String,
}

/// What is in the root filesystem.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InventoryInput {
    /// `ID` of os-release.
    pub os: Option<String>,
    /// `VERSION_ID` of os-release.
    pub os_version: Option<String>,
    /// Installed packages.
    pub packages: Vec<PackageInput>,
    /// Package databases.
    pub databases: Vec<DatabaseInput>,
}

/// An installed package.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PackageInput {
    /// `deb` or `apk`.
    pub ecosystem: String,
    /// Name.
    pub name: String,
    /// Version, with its epoch.
    pub version: String,
    /// Architecture.
    pub architecture: Option<String>,
}

/// A package database.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseInput {
    /// Path from the root.
    pub path: String,
    /// Why it cannot be believed; null where it was read.
    pub error: Option<String>,
}

/// Something that was seen.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FindingInput {
    /// Its code.
    pub code: String,
    /// `info`, `warning` or `error`.
    pub severity: String,
    /// What it is about.
    pub subject: String,
    /// Facts in words: `expect`, `found`, `why`, `from`, `help`.
    pub facts: BTreeMap<String, String>,
}

/// Who is told about the evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Audience {
    /// Rules, for whom evidence that nobody proved is no more than there.
    Rules,
    /// Whoever reads a report, and sees all that was found.
    Readers,
}

impl Audience {
    /// Whether it is told what a claim says.
    fn hears<T>(self, proof: &Proof<T>) -> bool {
        self == Self::Readers || proof.proven().is_some()
    }
}

impl PolicyInput {
    /// What rules see of the evidence and of what was found until `now`: what nobody proved decides nothing, so that it is not
    /// in here with more than its being there (attack H30).
    pub fn new(evidence: &Evidence, findings: &[Finding], now: Timestamp) -> Self {
        Self::told(Audience::Rules, evidence, FindingInput::for_rules(findings), now)
    }

    /// The same for reports, with all that was found.
    pub fn report(evidence: &Evidence, findings: &[Finding], now: Timestamp) -> Self {
        let findings = findings.iter().map(FindingInput::of).collect();
        Self::told(Audience::Readers, evidence, findings, now)
    }

    fn told(
        audience: Audience,
        evidence: &Evidence,
        findings: Vec<FindingInput>,
        now: Timestamp,
    ) -> Self {
        let statements = |proofs: &[Proof<Statement>]| {
            let statement = |proof| StatementInput::of(proof, audience, evidence);
            proofs.iter().filter_map(statement).collect::<Vec<_>>()
        };
        let sboms = evidence.sboms.iter().enumerate();
        let sbom = |(i, proof)| match audience.hears(proof) {
            true => SbomInput::of(proof, evidence.reconciliations.get(i)),
            false => SbomInput::untold(proof),
        };
        let provenance = &evidence.provenance;
        let heard = provenance.value().filter(|_| audience.hears(provenance));
        let counts = audience == Audience::Readers || evidence.warrant.counts();
        let rebuild = match counts {
            true => RebuildInput::of(&evidence.rebuild, &evidence.warrant),
            false => RebuildInput::of_none(&evidence.rebuild),
        };
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
            provenance: ProvenanceInput {
                proof: ProofInput::of(&evidence.provenance),
                build: heard.map(|heard| {
                    let build = BuildInput::of(heard, audience, &evidence.refs);
                    match audience {
                        Audience::Rules => build.for_rules(heard, evidence),
                        Audience::Readers => build,
                    }
                }),
            },
            sboms: sboms.filter_map(sbom).collect(),
            inventory: evidence.inventory.as_ref().map(InventoryInput::of),
            rebuild: RebuildInput { attested: AttestedInput::of(evidence), gaps, ..rebuild },
            findings,
            settings: Map::new(),
        }
    }
}

/// Every digest by which a document on the way to what runs can be meant.
fn digests(image: &Image) -> Vec<String> {
    let documents = image.documents().flat_map(Checked::digests);
    documents.chain(image.config.document.digests()).map(|digest| digest.to_string()).collect()
}

impl ImageInput {
    fn of(evidence: &Evidence) -> Self {
        let image = &evidence.image;
        let runtime = image.config.runtime.clone();
        Self {
            reference: image.reference.to_string(),
            repository: image.reference.location.to_string(),
            digest: image.reference.digest.to_string(),
            manifest: image.manifest.document.digest.to_string(),
            digests: digests(image),
            platform: image.platform.to_string(),
            not_judged: image.left_out.iter().map(NotJudgedInput::of).collect(),
            created: image.config.created.clone(),
            labels: runtime.labels,
            config: ConfigInput {
                user: runtime.user,
                env: runtime.env,
                entrypoint: runtime.entrypoint,
                cmd: runtime.cmd,
                working_dir: runtime.working_dir,
                exposed_ports: runtime.exposed_ports,
                volumes: runtime.volumes,
            },
            layers: image.manifest.layers.len(),
        }
    }
}

impl ProofInput {
    fn of<T>(proof: &Proof<T>) -> Self {
        let verified = proof.proven();
        let signers = verified.map(|v| v.signers()).unwrap_or_default().iter();
        Self {
            state: proof.state().to_owned(),
            why: match proof {
                Proof::Unproven { why, .. } => Some(why_word(why).to_owned()),
                Proof::Proven(_) | Proof::Missing => None,
            },
            signers: signers.map(SignerInput::from).collect(),
            basis: verified.map(|v| match v.basis() {
                Basis::Signed => "signed".to_owned(),
                Basis::CoveredByIndex(_) => "covered-by-index".to_owned(),
                Basis::CoveredByImage(_) => "covered-by-image".to_owned(),
            }),
            carrier: proof.carrier().map(Carrier::kind).map(str::to_owned),
            place: proof.carrier().map(Carrier::to_string),
        }
    }
}

fn why_word(why: &Unproven) -> &'static str {
    match why {
        Unproven::Unsigned => "unsigned",
        Unproven::UnknownSigner => "unknown-signer",
        Unproven::NotAllowed { .. } => "not-allowed",
        Unproven::BelowThreshold { .. } => "below-threshold",
        Unproven::OtherSubject => "other-subject",
        Unproven::Unsupported(_) => "unsupported",
    }
}

impl StatementInput {
    fn of(proof: &Proof<Statement>, audience: Audience, evidence: &Evidence) -> Option<Self> {
        let statement = proof.value()?;
        let heard = audience.hears(proof);
        let rules = heard && audience == Audience::Rules;
        let number = rules.then(|| numbers::inexact(statement.predicate.text())).flatten();
        let problem = number.map(|number| {
            format!(
                "{NOT_HELD}{number}, which 64 bits do not hold exactly: rules see nothing of it"
            )
        });
        if problem.is_some() {
            return Some(Self { problem, ..Self::told(proof, statement, heard) });
        }
        let (content, problem) = match heard.then(|| statement.read()).flatten() {
            Some(Ok(predicate)) => (Some(predicate), None),
            Some(Err(error)) => (None, Some(error.to_string())),
            None => (None, None),
        };
        // Nothing that nobody vouches for takes memory, or is there to be relied on.
        let proven = proof.proven().map(|verified| verified.value());
        let mut predicate = proven.and_then(|s| s.predicate.value().ok()).unwrap_or_default();
        if audience == Audience::Rules
            && PredicateClass::Provenance.includes(&statement.predicate_type)
        {
            let same = proof.payload() == evidence.provenance.payload();
            let provenance = evidence.provenance.value().filter(|_| same);
            let names = provenance.map(|provenance| Names::of(provenance, &evidence.refs));
            names.unwrap_or_default().blank(&mut predicate);
        }
        Some(Self {
            holds: heard
                && problem.is_none()
                && standing(content.as_ref(), &evidence.image).is_ok(),
            content,
            problem,
            predicate,
            ..Self::told(proof, statement, heard)
        })
    }

    /// That it is there.
    fn told(proof: &Proof<Statement>, statement: &Statement, heard: bool) -> Self {
        Self {
            proof: ProofInput::of(proof),
            predicate_type: match heard {
                true => statement.predicate_type.clone(),
                false => statement.predicate_type.chars().take(UNPROVEN_CHARS).collect(),
            },
            predicate: Value::Null,
            content: None,
            problem: None,
            holds: false,
        }
    }
}

impl BuildInput {
    fn of(provenance: &Provenance, audience: Audience, refs: &SourceRefs) -> Self {
        // Whoever reads a report sees what is claimed, and beside it whether it holds.
        let name = |kind: Kind| {
            let told = audience == Audience::Readers
                || refs.standing(kind, provenance) == Standing::Proven;
            kind.said(provenance).filter(|_| told).map(str::to_owned)
        };
        Self {
            producer: provenance.producer.name().to_owned(),
            build_type: provenance.build_type.clone(),
            builder_id: provenance.builder_id.clone(),
            source: provenance.source.as_ref().map(|source| SourceInput {
                url: source.url.clone(),
                reference: name(Kind::Reference),
                folder: source.folder.clone(),
                commit: source.commit.as_ref().map(|commit| commit.as_str().to_owned()),
            }),
            branch: name(Kind::Branch),
            tag: name(Kind::Tag),
            refs: Kind::ALL
                .into_iter()
                .filter_map(|kind| RefInput::of(kind, provenance, refs))
                .collect(),
            entry_point: provenance.entry_point.clone(),
            event: provenance.event.clone(),
            invocation: provenance.invocation.clone(),
            parameters: provenance.parameters.clone(),
            dockerfile_path: provenance.dockerfile_path.clone(),
            frontend: match &provenance.frontend {
                Frontend::Image { reference } => Some(reference.clone()),
                Frontend::BuiltIn | Frontend::Unknown => None,
            },
            target: provenance.target.clone(),
            build_args: provenance.build_args.clone(),
            network: provenance.network.name().to_owned(),
            materials: provenance.materials.iter().map(MaterialInput::of).collect(),
            secrets: provenance.secrets.iter().map(|secret| secret.id.clone()).collect(),
            local_inputs: provenance.local_inputs.clone(),
            complete_parameters: provenance.complete.parameters,
            complete_materials: provenance.complete.materials,
            complete_steps: provenance.complete.steps,
        }
    }
}

impl BuildInput {
    /// Without names of the source that nothing proves, and without numbers that nobody can hold.
    fn for_rules(mut self, provenance: &Provenance, evidence: &Evidence) -> Self {
        let names = Names::of(provenance, &evidence.refs);
        let payload = evidence.provenance.payload();
        let same = evidence.attestations.iter().filter(|proof| proof.payload() == payload);
        let mut texts = same.filter_map(|proof| Some(proof.value()?.predicate.text()));
        if texts.any(|text| numbers::inexact(text).is_some()) {
            self.parameters = Value::Null;
        }
        names.blank(&mut self.parameters);
        for (name, value) in &mut self.build_args {
            *value = names.argument(name, value);
        }
        for material in self.materials.iter_mut().filter(|material| material.kind != "image") {
            material.uri = names.text(&material.uri).unwrap_or_default();
        }
        self.entry_point = self.entry_point.and_then(|text| names.text(&text));
        self.invocation = self.invocation.and_then(|text| names.text(&text));
        self
    }
}

impl RefInput {
    fn of(kind: Kind, provenance: &Provenance, refs: &SourceRefs) -> Option<Self> {
        let standing = refs.standing(kind, provenance);
        Some(Self {
            kind: kind.name().to_owned(),
            claimed: kind.said(provenance)?.to_owned(),
            state: standing.name().to_owned(),
            why: match standing {
                Standing::Unproven(why) => Some(why),
                Standing::Missing | Standing::Proven => None,
            },
        })
    }
}

impl MaterialInput {
    fn of(material: &Material) -> Self {
        let (kind, name, tag) = match &material.kind {
            MaterialKind::Image { name, tag, .. } => ("image", Some(name.clone()), tag.clone()),
            MaterialKind::Git => ("git", None, None),
            MaterialKind::Http => ("http", None, None),
            MaterialKind::Other => ("other", None, None),
        };
        Self {
            kind: kind.to_owned(),
            uri: material.uri.clone(),
            name,
            tag,
            pin: match &material.pin {
                Pin::Content(digest) => Some(digest.to_string()),
                Pin::Commit(commit) => Some(commit.as_str().to_owned()),
                Pin::Nothing => None,
            },
            role: material.role.clone(),
        }
    }
}

impl SbomInput {
    fn of(proof: &Proof<BoundSbom>, reconciliation: Option<&Reconciliation>) -> Option<Self> {
        let sbom = &proof.value()?.sbom;
        Some(Self {
            proof: ProofInput::of(proof),
            format: sbom.format.clone(),
            document: sbom.document.to_string(),
            name: sbom.name.clone(),
            created: sbom.created.clone(),
            tools: sbom.tools.clone(),
            components: sbom.components.iter().map(ComponentInput::of).collect(),
            names_image: sbom.names_image.iter().map(ToString::to_string).collect(),
            reconciliation: reconciliation.map(ReconciliationInput::of),
        })
    }

    /// That it is there.
    fn untold(proof: &Proof<BoundSbom>) -> Option<Self> {
        let sbom = &proof.value()?.sbom;
        Some(Self {
            proof: ProofInput::of(proof),
            format: sbom.format.chars().take(UNPROVEN_CHARS).collect(),
            document: sbom.document.to_string(),
            name: None,
            created: None,
            tools: Vec::new(),
            components: Vec::new(),
            names_image: Vec::new(),
            reconciliation: None,
        })
    }
}

impl ComponentInput {
    fn of(component: &crate::sbom::Component) -> Self {
        Self {
            purl: component.purl.clone(),
            ecosystem: component.ecosystem.clone(),
            name: component.name.clone(),
            version: component.version.clone(),
        }
    }
}

impl ReconciliationInput {
    fn of(reconciliation: &Reconciliation) -> Self {
        let version = |v: &crate::sbom::VersionMismatch| VersionInput {
            installed: PackageInput::of(&v.installed),
            claimed: v.claimed.clone(),
        };
        Self {
            agrees: reconciliation.agrees(),
            matched: reconciliation.matched,
            unchecked: reconciliation.unchecked,
            missing: reconciliation.missing.iter().map(PackageInput::of).collect(),
            ghosts: reconciliation.ghosts.iter().map(ComponentInput::of).collect(),
            versions: reconciliation.versions.iter().map(version).collect(),
        }
    }
}

impl InventoryInput {
    fn of(inventory: &Inventory) -> Self {
        let database = |d: &crate::sbom::Database| DatabaseInput {
            path: d.path.clone(),
            error: d.read.as_ref().err().cloned(),
        };
        Self {
            os: inventory.os.as_ref().map(|os| os.id.clone()),
            os_version: inventory.os.as_ref().and_then(|os| os.version.clone()),
            packages: inventory.packages.iter().map(PackageInput::of).collect(),
            databases: inventory.databases.iter().map(database).collect(),
        }
    }
}

impl PackageInput {
    fn of(package: &crate::sbom::Package) -> Self {
        Self {
            ecosystem: package.ecosystem.to_owned(),
            name: package.name.clone(),
            version: package.version.clone(),
            architecture: package.architecture.clone(),
        }
    }
}

impl FindingInput {
    /// All but what would let remarks fill the input.
    fn for_rules(findings: &[Finding]) -> Vec<Self> {
        let mut remarks = 0;
        let counts = |finding: &&Finding| {
            remarks += usize::from(finding.is_remark());
            !finding.is_remark() || remarks <= REMARKS
        };
        let cut = |finding: &Finding| {
            let mut input = Self::of(finding);
            for text in input.facts.values_mut().filter(|_| finding.is_remark()) {
                *text = text.chars().take(REMARK_CHARS).collect();
            }
            input
        };
        findings.iter().filter(counts).map(cut).collect()
    }

    fn of(finding: &Finding) -> Self {
        let facts = finding.facts.iter();
        Self {
            code: finding.code.to_string(),
            severity: finding.severity.name().to_owned(),
            subject: finding.subject.to_string(),
            facts: facts.map(|(key, fact)| (key.name().to_owned(), fact.to_string())).collect(),
        }
    }
}
