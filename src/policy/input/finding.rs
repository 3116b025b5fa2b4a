//! What rules see of what was found until they are asked.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::finding::Finding;

/// Remarks that rules see: what is said about evidence that nobody proved must not be what fills their input.
const REMARKS: usize = 256;
/// Characters of a fact of a remark that rules see.
const REMARK_CHARS: usize = 1024;

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

impl FindingInput {
    /// All but what would let remarks fill the input.
    pub(super) fn for_rules(findings: &[Finding]) -> Vec<Self> {
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

    pub(super) fn of(finding: &Finding) -> Self {
        let facts = finding.facts.iter();
        Self {
            code: finding.code.to_string(),
            severity: finding.severity.name().to_owned(),
            subject: finding.subject.to_string(),
            facts: facts.map(|(key, fact)| (key.name().to_owned(), fact.to_string())).collect(),
        }
    }
}
