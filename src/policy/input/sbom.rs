//! What rules see of SBOMs, and of how they agree with what is in the image.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    inventory::PackageInput,
    proof::{ProofInput, UNPROVEN_CHARS},
};
use crate::{
    sbom::{self, BoundSbom, Component, Reconciliation, Sbom, Scope, quality},
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
    /// Package URLs of what it lists for running that cannot be read, or can be in two ways, as they are written.
    pub unreadable: Vec<String>,
    /// Names of what it lists for running, as settings know them and as `inventory.index.names` has them, without those that are there;
    /// there where rules judge, and in no report.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub names: Option<BTreeMap<String, Vec<String>>>,
    /// Digests by which it names the image itself.
    pub names_image: Vec<String>,
    /// What it is about: `image`, `package` (one package in it), `build` (a stage, or what it was built from), `other-image`.
    pub about: String,
    /// Which image it names by a digest: `image` (this one), `index` (an index of it), `other-platform` of that index, `other-image`,
    /// or `none`.
    pub binding: String,
    /// `complete`, `incomplete` or `unknown`, as it says of itself; null where it says nothing.
    pub completeness: Option<String>,
    /// What it lacks by each profile's name, `ntia-2021`, `cisa-2026` and `bsi-tr-03183-2`.
    pub quality: BTreeMap<String, Vec<LackInput>>,
    /// How it agrees with the inventory; null where there is no inventory.
    pub reconciliation: Option<ReconciliationInput>,
}

/// Something that an SBOM lists.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ComponentInput {
    /// Package URL in its one form, with the component's version where it has none of its own; null where there is none that can be read.
    pub purl: Option<String>,
    /// `deb`, `apk`, `cargo` ...
    pub ecosystem: Option<String>,
    /// Name.
    pub name: String,
    /// Version as written.
    pub version: Option<String>,
    /// Licence as written.
    pub licence: Option<String>,
    /// `runtime`, `optional`, `development`, `build` or `excluded`.
    pub scope: String,
}

/// An element that a document lacks.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LackInput {
    /// The element, as `supplier`.
    pub element: String,
    /// How many components lack it; 0 where the document does.
    pub count: usize,
    /// The first hundred of them, as `name version`.
    pub components: Vec<String>,
}

/// How an SBOM and the inventory agree.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReconciliationInput {
    /// Whether something was confirmed, and nothing is missing, extra or different.
    pub agrees: bool,
    /// Hundredths of what could be compared that agree; null where nothing could.
    pub score: Option<usize>,
    /// Packages in both, with equal versions.
    pub matched: usize,
    /// Components that nothing here speaks about: neither confirmed nor denied.
    pub unchecked: usize,
    /// Components that need not be in the image: optional, for development, for the build, excluded.
    pub out_of_scope: usize,
    /// Packages of ecosystems that the SBOM does not speak of, by ecosystem.
    pub uncovered: BTreeMap<String, usize>,
    /// In the image and not in the SBOM.
    pub missing: Vec<PackageInput>,
    /// In the SBOM and not in the image.
    pub ghosts: Vec<ComponentInput>,
    /// In both, with different versions.
    pub versions: Vec<VersionInput>,
    /// Files that have other bytes than the SBOM says; only where a policy asks for whose the files are.
    pub digests: Vec<DigestInput>,
    /// Files that have the bytes that it says.
    pub files: usize,
    /// Listed more than once, and no more than once in the image.
    pub duplicates: Vec<ComponentInput>,
}

/// A file whose bytes differ.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DigestInput {
    /// Path, as the SBOM names it.
    pub path: String,
    /// The digest that the SBOM says.
    pub claimed: String,
    /// That of the file in the image.
    pub found: String,
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
    /// All that it says.
    pub fn of(SbomEvidence { claim, reconciliation }: &SbomEvidence) -> Option<Self> {
        let bound = claim.value()?;
        let sbom = &bound.sbom;
        Some(Self {
            proof: ProofInput::of(claim),
            format: sbom.format.clone(),
            document: sbom.document.to_string(),
            name: sbom.name.clone(),
            created: sbom.created.clone(),
            tools: sbom.tools.clone(),
            components: sbom.components.iter().map(ComponentInput::of).collect(),
            unreadable: unreadable(sbom),
            names: None,
            names_image: sbom.names_image.iter().map(ToString::to_string).collect(),
            about: bound.about().word().to_owned(),
            binding: bound.binding.word().to_owned(),
            completeness: sbom.completeness.word().map(str::to_owned),
            quality: quality_of(sbom),
            reconciliation: reconciliation.as_ref().map(ReconciliationInput::of),
        })
    }

    /// That it is there.
    pub(super) fn untold(proof: &Proof<BoundSbom>) -> Option<Self> {
        let bound = proof.value()?;
        let sbom = &bound.sbom;
        Some(Self {
            proof: ProofInput::of(proof),
            format: sbom.format.chars().take(UNPROVEN_CHARS).collect(),
            document: sbom.document.to_string(),
            name: None,
            created: None,
            tools: Vec::new(),
            components: Vec::new(),
            unreadable: Vec::new(),
            names: None,
            names_image: Vec::new(),
            about: bound.about().word().to_owned(),
            binding: bound.binding.word().to_owned(),
            completeness: None,
            quality: BTreeMap::new(),
            reconciliation: None,
        })
    }
}

fn canonical(component: &Component) -> Option<String> {
    sbom::canonical(component.purl.as_deref()?, component.version.as_deref())
}

/// What rules cannot compare by its package URL; they compare its name, and are told.
fn unreadable(sbom: &Sbom) -> Vec<String> {
    let runtime = sbom.components.iter().filter(|one| one.scope == Scope::Runtime);
    let unread = runtime.filter(|one| canonical(one).is_none());
    unread.filter_map(|one| one.purl.clone()).filter(|purl| !purl.is_empty()).collect()
}

/// Components of one gap that rules see by name.
const NAMED: usize = 100;

fn quality_of(sbom: &Sbom) -> BTreeMap<String, Vec<LackInput>> {
    let gap = |gap: quality::Gap<'_>| LackInput {
        element: gap.element.to_owned(),
        count: gap.components.len(),
        components: gap.components.iter().take(NAMED).map(|component| component.label()).collect(),
    };
    let all = quality::Profile::ALL.into_iter().map(|profile| {
        let gaps = quality::gaps(sbom, profile).into_iter().map(gap).collect();
        (profile.name().to_owned(), gaps)
    });
    all.collect()
}

impl ComponentInput {
    pub(super) fn of(component: &Component) -> Self {
        Self {
            purl: canonical(component),
            ecosystem: component.ecosystem.clone(),
            name: component.name.clone(),
            version: component.version.clone(),
            licence: component.licence.clone(),
            scope: component.scope.word().to_owned(),
        }
    }
}

impl ReconciliationInput {
    /// What rules see of a comparison.
    pub fn of(reconciliation: &Reconciliation) -> Self {
        let version = |v: &crate::sbom::VersionMismatch| VersionInput {
            installed: PackageInput::of(&v.installed),
            claimed: v.claimed.clone(),
        };
        let digest = |d: &crate::sbom::DigestMismatch| DigestInput {
            path: d.path.clone(),
            claimed: d.claimed.to_string(),
            found: d.found.to_string(),
        };
        Self {
            agrees: reconciliation.agrees(),
            score: reconciliation.score(),
            matched: reconciliation.matched,
            unchecked: reconciliation.unchecked,
            out_of_scope: reconciliation.out_of_scope,
            uncovered: reconciliation
                .uncovered
                .iter()
                .map(|(name, count)| ((*name).to_owned(), *count))
                .collect(),
            missing: reconciliation.missing.iter().map(PackageInput::of).collect(),
            ghosts: reconciliation.ghosts.iter().map(ComponentInput::of).collect(),
            versions: reconciliation.versions.iter().map(version).collect(),
            digests: reconciliation.digests.iter().map(digest).collect(),
            files: reconciliation.files,
            duplicates: reconciliation.duplicates.iter().map(ComponentInput::of).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::limits::Limits;

    fn sbom(components: &serde_json::Value) -> Sbom {
        let document =
            json!({"bomFormat": "CycloneDX", "specVersion": "1.6", "components": components});
        sbom::parse(document.to_string().as_bytes(), &Limits::default()).expect("an SBOM")
    }

    #[test]
    fn c88_what_has_no_package_url_that_can_be_read_has_its_name_and_is_told() {
        // Package URL, then what rules see: package URL, type, and whether it is told.
        let cases = [
            ("event-stream", None, None, true),
            (" pkg:npm/event-stream@3.3.6", None, None, true),
            ("pkg:npm/./event-stream@3.3.6", None, Some("npm"), true),
            ("pkg:npm/event-stream@3.3.6@1", None, Some("npm"), true),
            ("pkg:npm/event-stream@3.3.6?a=b?c=d", None, Some("npm"), true),
            ("", None, None, false),
            (
                "pkg:NPM//event%2Dstream@3.3.6",
                Some("pkg:npm/event-stream@3.3.6"),
                Some("npm"),
                false,
            ),
        ];
        for (purl, want, ecosystem, is_told) in cases {
            let one = json!({"type": "library", "name": "event-stream", "version": "3.3.6", "purl": purl});
            let mut development = one.clone();
            development["scope"] = json!("excluded");
            let sbom = sbom(&json!([one, development]));
            let component = ComponentInput::of(&sbom.components[0]);
            assert_eq!(component.purl.as_deref(), want, "{purl:?}");
            assert_eq!(component.ecosystem.as_deref(), ecosystem, "{purl:?}");
            assert_eq!(component.name, "event-stream");
            let told: Vec<&str> = is_told.then_some(purl).into_iter().collect();
            assert_eq!(unreadable(&sbom), told, "{purl:?}");
        }
    }

    #[test]
    fn c89_a_version_beside_a_package_url_is_part_of_it() {
        for (purl, want) in [
            ("pkg:npm/event-stream", "pkg:npm/event-stream@3.3.6"),
            ("pkg:npm/event-stream@?a=b", "pkg:npm/event-stream@3.3.6?a=b"),
            ("pkg:npm/event-stream@1", "pkg:npm/event-stream@1"),
        ] {
            let component = Component::new(
                Some(purl.to_owned()),
                "event-stream".to_owned(),
                Some("3.3.6".to_owned()),
            );
            assert_eq!(ComponentInput::of(&component).purl.as_deref(), Some(want), "{purl}");
        }
    }
}
