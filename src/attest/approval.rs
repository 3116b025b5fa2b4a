//! An approval of one difference from a blueprint: the predicate `https://hallmark.dev/approval/v0.1`
//! (`docs/schemas/approval.v0.1.json`).
//!
//! Turns a predicate into an [`Approval`]: which difference somebody looked at, why it may stay, and until when. The subject of
//! its statement is the image that the difference is about. Says nothing about truth: whose word counts, `policy.approvals`
//! says. Refuses one without an end, or with an end more than a year after its day.

use jiff::{Span, civil::Date};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{digest::Digest, untrusted::misleads};

/// The predicate type.
pub const APPROVAL: &str = "https://hallmark.dev/approval/v0.1";
/// Most days between the day of an approval and its last one: a year, with its leap day.
const MAX_DAYS: i64 = 366;
/// Longest text, in bytes.
const TEXT_BYTES: usize = 1024;

/// That a difference was looked at and may stay for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Approval {
    /// Digest of the difference, as a report names it.
    pub difference: String,
    /// Why.
    pub reason: String,
    /// Who answers for it.
    pub owner: String,
    /// The first day on which it counts, in UTC.
    pub approved: Date,
    /// The last day on which it counts, in UTC.
    pub expires: Date,
}

/// Why a predicate is no approval.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApprovalError {
    /// It does not have the form.
    #[error("the approval is malformed: {0}")]
    Form(String),
    /// It holds what cannot be meant.
    #[error("the approval cannot be meant: {at}: {why}")]
    Meaning {
        /// Which member.
        at: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
}

impl Approval {
    /// Reads a predicate.
    ///
    /// # Errors
    /// See [`ApprovalError`].
    pub fn parse(predicate: &Value) -> Result<Self, ApprovalError> {
        let read = Self::deserialize(predicate);
        let read = read.map_err(|error| ApprovalError::Form(error.to_string()))?;
        let wrong = |at, why| Err(ApprovalError::Meaning { at, why });
        let digest = read.difference.parse::<Digest>();
        if !digest.is_ok_and(|digest| digest.to_string() == read.difference) {
            return wrong("difference", "it is a digest, as a report names it");
        }
        for (at, text) in [("reason", &read.reason), ("owner", &read.owner)] {
            if text.trim().is_empty() || text.contains(misleads) || text.len() > TEXT_BYTES {
                return wrong(at, "some words on one line, at most 1024 bytes");
            }
        }
        if read.expires < read.approved {
            return wrong("expires", "it lies before the day of the approval");
        }
        let latest = read.approved.checked_add(Span::new().days(MAX_DAYS));
        match latest.is_ok_and(|latest| read.expires <= latest) {
            true => Ok(read),
            false => wrong("expires", "it lies more than 366 days after the day of the approval"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_approval_has_a_difference_a_reason_an_owner_and_an_end_within_a_year() {
        let good = json!({
            "difference": format!("sha256:{}", "a".repeat(64)), "reason": "r", "owner": "o",
            "approved": "2026-11-30", "expires": "2027-12-01",
        });
        assert!(Approval::parse(&good).is_ok());
        let cases = [
            ("difference", json!("sha256:a"), "a digest"),
            ("reason", json!(" "), "some words"),
            ("owner", json!("a\nb"), "some words"),
            ("owner", json!("o".repeat(TEXT_BYTES + 1)), "some words"),
            ("expires", json!("2026-11-29"), "before the day"),
            ("expires", json!("2027-12-02"), "more than 366 days"),
            ("expires", json!("never"), "malformed"),
            ("expires", json!(null), "malformed"),
            ("images", json!(["**"]), "unknown field"),
        ];
        for (key, value, words) in cases {
            let mut changed = good.clone();
            changed[key] = value;
            let error = Approval::parse(&changed).expect_err(key).to_string();
            assert!(error.contains(words), "{key}: {error}");
        }
        let mut long = good;
        long["owner"] = json!("o".repeat(TEXT_BYTES));
        assert!(Approval::parse(&long).is_ok());
    }
}
