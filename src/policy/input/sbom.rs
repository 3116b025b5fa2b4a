//! What rules see of SBOMs, and of how they agree with what is in the image.

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    inventory::PackageInput,
    proof::{ProofInput, UNPROVEN_CHARS},
};
use crate::{
    sbom::{BoundSbom, Reconciliation},
    trust::Proof,
    verdict::SbomEvidence,
};

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

impl SbomInput {
    pub(super) fn of(SbomEvidence { claim, reconciliation }: &SbomEvidence) -> Option<Self> {
        let sbom = &claim.value()?.sbom;
        Some(Self {
            proof: ProofInput::of(claim),
            format: sbom.format.clone(),
            document: sbom.document.to_string(),
            name: sbom.name.clone(),
            created: sbom.created.clone(),
            tools: sbom.tools.clone(),
            components: sbom.components.iter().map(ComponentInput::of).collect(),
            names_image: sbom.names_image.iter().map(ToString::to_string).collect(),
            reconciliation: reconciliation.as_ref().map(ReconciliationInput::of),
        })
    }

    /// That it is there.
    pub(super) fn untold(proof: &Proof<BoundSbom>) -> Option<Self> {
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
    pub(super) fn of(component: &crate::sbom::Component) -> Self {
        Self {
            purl: component.purl.clone(),
            ecosystem: component.ecosystem.clone(),
            name: component.name.clone(),
            version: component.version.clone(),
        }
    }
}

impl ReconciliationInput {
    pub(super) fn of(reconciliation: &Reconciliation) -> Self {
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
