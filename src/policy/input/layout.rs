//! What rules see of in-toto layouts: each that is for the image, with its state, and the steps of those that are proven.

use schemars::JsonSchema;
use serde::Serialize;

use crate::trust::layout::{JudgedLayout, LayoutState, ProvenStep, Remark};

/// What became of one layout of in-toto.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LayoutInput {
    /// Its name in `hallmark.yaml`.
    pub name: String,
    /// `proven` (the image is what the last step left), `unproven`, or `missing` (the image brings no links).
    pub state: String,
    /// Code of the finding that says why it is not proven.
    pub why: Option<String>,
    /// That in words.
    pub message: Option<String>,
    /// Digest of the layout.
    pub layout: Option<String>,
    /// The steps, in their order; empty unless proven.
    pub steps: Vec<LayoutStepInput>,
    /// Inspections that were left out because `unsafe_skipInspections` is set.
    pub skipped_inspections: Vec<String>,
}

/// A step of a proven layout.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LayoutStepInput {
    /// Its name.
    pub name: String,
    /// Fingerprints of the functionaries' keys.
    pub functionaries: Vec<String>,
}

impl LayoutInput {
    pub(super) fn of(judged: &JudgedLayout) -> Self {
        let proven = match &judged.state {
            LayoutState::Proven(verified) => Some(verified),
            LayoutState::Unproven(_) | LayoutState::Missing(_) => None,
        };
        let step = |step: &ProvenStep| LayoutStepInput {
            name: step.name.clone(),
            functionaries: step.functionaries.iter().cloned().collect(),
        };
        let skipped = |remark: &Remark| match remark {
            Remark::Skipped { inspection } => Some(inspection.clone()),
            _ => None,
        };
        let chain = proven.map(|verified| verified.value());
        Self {
            name: judged.name.clone(),
            state: judged.state.name().to_owned(),
            why: judged.state.why().map(|error| error.code().to_string()),
            message: judged.state.why().map(ToString::to_string),
            layout: proven.map(|verified| verified.payload().to_string()),
            steps: chain.into_iter().flat_map(|chain| &chain.steps).map(step).collect(),
            skipped_inspections: chain
                .into_iter()
                .flat_map(|chain| &chain.remarks)
                .filter_map(skipped)
                .collect(),
        }
    }
}
