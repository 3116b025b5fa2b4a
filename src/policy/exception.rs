//! Exceptions: a denial that an operator lets through, for some images, for a reason, until a day.
//!
//! Turns the denials of one image and the configured exceptions into what remains denied, what was let through, and the
//! exceptions that did nothing. Which images an exception is about is written as in trust rules ([`ImagePattern`]). An
//! expired exception never applies; one that is about this image and did nothing is said.

use jiff::{Timestamp, civil::Date, tz::TimeZone};

use super::RuleResult;
use crate::{
    finding::{Code, Finding, Key, Subject},
    trust::ImagePattern,
};

/// A denial that is let through.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Exception {
    /// Code of the rule's result, exactly.
    pub code: String,
    /// Which images.
    #[serde(serialize_with = "written")]
    pub images: ImagePattern,
    /// Why.
    pub reason: String,
    /// Who answers for it.
    pub owner: String,
    /// The last day on which it applies, in UTC.
    pub expires: Date,
}

/// What exceptions made of the denials.
pub(super) struct Applied {
    pub(super) denied: Vec<RuleResult>,
    pub(super) excepted: Vec<RuleResult>,
    pub(super) findings: Vec<Finding>,
}

/// Applies the exceptions to the denials of an image at `location`, judged at `now`.
pub(super) fn apply(
    denied: Vec<RuleResult>,
    exceptions: &[Exception],
    location: &str,
    now: Timestamp,
) -> Applied {
    let today = now.to_zoned(TimeZone::UTC).date();
    let (mut findings, mut in_force) = (Vec::new(), Vec::new());
    for exception in exceptions {
        let unused = |why: String| exception.finding(Code::PolicyExceptionUnused, why);
        if !exception.images.matches_written(location) {
            continue;
        }
        if today > exception.expires {
            findings.push(unused(format!("it expired on {}", exception.expires)));
        } else if denied.iter().any(|result| result.code == exception.code) {
            let why = exception.reason.clone();
            findings.push(exception.finding(Code::PolicyExceptionUsed, why));
            in_force.push(exception.code.as_str());
        } else {
            findings.push(unused(format!("nothing is denied with {}", exception.code)));
        }
    }
    let (excepted, denied) =
        denied.into_iter().partition(|result| in_force.contains(&result.code.as_str()));
    Applied { denied, excepted, findings }
}

fn written<S: serde::Serializer>(images: &ImagePattern, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(images)
}

impl Exception {
    fn finding(&self, code: Code, why: String) -> Finding {
        let name = format!("exception {} for {}", self.code, self.images);
        Finding::new(code, Subject::Operator(name))
            .with(Key::Why, why)
            .with(Key::From, format!("owner {}, until {}", self.owner, self.expires))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denied(code: &str) -> RuleResult {
        RuleResult {
            code: code.to_owned(),
            msg: "m".to_owned(),
            package: "hallmark.x".to_owned(),
            solution: None,
            about: Vec::new(),
            early: false,
            facts: Default::default(),
        }
    }

    fn exception(code: &str, images: &str, expires: &str) -> Exception {
        Exception {
            code: code.to_owned(),
            images: images.parse().expect("a pattern"),
            reason: "because".to_owned(),
            owner: "me".to_owned(),
            expires: expires.parse().expect("a date"),
        }
    }

    #[test]
    fn an_exception_applies_to_its_code_its_images_and_its_time_only() {
        let now: Timestamp = "2026-11-23T23:59:59Z".parse().expect("a time");
        // name, exception, still denied, findings
        let cases: &[(&str, Exception, usize, &[Code])] = &[
            ("applies", exception("a", "**", "2026-12-01"), 1, &[Code::PolicyExceptionUsed]),
            ("last day", exception("a", "**", "2026-11-23"), 1, &[Code::PolicyExceptionUsed]),
            ("expired", exception("a", "**", "2026-11-22"), 2, &[Code::PolicyExceptionUnused]),
            ("other code", exception("c", "**", "2026-12-01"), 2, &[Code::PolicyExceptionUnused]),
            ("other image", exception("a", "r.example/other", "2026-12-01"), 2, &[]),
        ];
        for (name, exception, still, codes) in cases {
            let both = vec![denied("a"), denied("b")];
            let applied = apply(both, std::slice::from_ref(exception), "r.example/app", now);
            assert_eq!(applied.denied.len(), *still, "{name}");
            assert_eq!(applied.excepted.len(), 2 - still, "{name}");
            let found: Vec<_> = applied.findings.iter().map(|f| f.code).collect();
            assert_eq!(found, *codes, "{name}");
        }
    }
}
