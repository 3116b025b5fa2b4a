//! What rules see of verifiers whose word may stand in for this verdict.

use schemars::JsonSchema;
use serde::Serialize;

use crate::trust::Delegation;

/// What one delegate says of the image.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DelegationInput {
    /// Name of its signer in `hallmark.yaml`.
    pub signer: String,
    /// `verifier.id` of the summary.
    pub verifier: String,
    /// Whether it counts: it says that the image passed, by a policy, with levels and of an age that `trust.delegates` asks for.
    pub counts: bool,
    /// Why it does not; null where it does.
    pub why: Option<String>,
    /// `verifiedLevels` of the summary.
    pub levels: Vec<String>,
    /// When it was made, at the latest; null where nothing says so.
    pub time: Option<String>,
    /// Digest of the signed summary.
    pub payload: String,
}

impl DelegationInput {
    /// What is seen of it.
    pub(super) fn of(delegation: &Delegation) -> Self {
        Self {
            signer: delegation.signer.name.clone(),
            verifier: delegation.verifier.clone(),
            counts: delegation.counts(),
            why: delegation.why.as_ref().map(ToString::to_string),
            levels: delegation.levels.clone(),
            time: delegation.at.map(|at| at.to_string()),
            payload: delegation.payload.to_string(),
        }
    }
}
