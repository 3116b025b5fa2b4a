//! Allow entries, and what became of them: used, unused or ended.
//!
//! An entry counts for the images that it is about, to the end of its last day. What it explained is named in every report
//! by the comparison itself; here are the findings. They are made only where images were compared: without that nothing
//! is known of what an entry would have done.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    compare::Allowance,
    finding::{Code, Finding, Key, Subject},
    image::Image,
    rebuild::Rebuild,
    reference::Location,
    trust::ImagePattern,
};

/// An allow entry and the images that it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowRule {
    /// Which images; the published one is meant.
    pub images: Vec<ImagePattern>,
    /// What may differ in them.
    pub allowance: Allowance,
}

impl AllowRule {
    fn is_about(&self, location: &Location) -> bool {
        self.images.iter().any(|pattern| pattern.matches(location))
    }

    /// All of it, for the inputs of a verdict.
    pub(super) fn json(&self) -> Value {
        let Allowance { class, pattern, reason, owner, expires } = &self.allowance;
        json!({
            "images": self.images.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "class": class.name(),
            "pattern": pattern.to_string(),
            "reason": reason,
            "owner": owner,
            "expires": expires.to_string(),
        })
    }
}

/// The entries that count for an image at `location`.
pub fn in_force(rules: &[AllowRule], location: &Location, now: Timestamp) -> Vec<Allowance> {
    let counts = rules.iter().filter(|r| r.is_about(location) && r.allowance.is_live(now));
    counts.map(|rule| rule.allowance.clone()).collect()
}

/// What became of the entries that are about an image.
pub(super) fn findings(
    rules: &[AllowRule],
    rebuild: &Rebuild,
    image: &Image,
    now: Timestamp,
) -> Vec<Finding> {
    let Rebuild::Compared(rebuilt) = rebuild else { return Vec::new() };
    let comparison = &rebuilt.comparison;
    let about = rules.iter().filter(|rule| rule.is_about(&image.reference.location));
    about
        .filter_map(|AllowRule { allowance, .. }| {
            let why = |code, why: String| {
                let finding = Finding::new(code, Subject::Operator(allowance.to_string()));
                Some(finding.with(Key::Why, why))
            };
            match allowance.uses(&comparison.differences) {
                _ if !allowance.is_live(now) => {
                    why(Code::ConfigAllowExpired, format!("it ended on {}", allowance.expires))
                }
                // What is not listed may be what it explains.
                0 if comparison.omitted > 0 => None,
                0 => why(
                    Code::ConfigAllowUnused,
                    "nothing of this class differs at these paths".to_owned(),
                ),
                count => why(Code::ConfigAllowUsed, allowance.reason.clone()).map(|finding| {
                    finding.with(Key::Found, crate::finding::Fact::Count(count as u64))
                }),
            }
        })
        .collect()
}
