//! Exceptions: a denial that an operator lets through, for some images, for a reason, until a day.
//!
//! Turns the denials of one image and the configured exceptions into what remains denied, what was let through, and the
//! exceptions that did nothing. Which images an exception is about is written as in trust rules ([`ImagePattern`]). An
//! expired exception never applies; one that is about this image and did nothing is said.

use std::collections::BTreeSet;

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
    /// Package of the rule; may be left out where one package alone gives the code.
    pub package: Option<String>,
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

fn written<S: serde::Serializer>(images: &ImagePattern, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(images)
}

/// Applies the exceptions to the denials of an image at `location`, judged at `now`.
pub(super) fn apply(
    denied: Vec<RuleResult>,
    exceptions: &[Exception],
    location: &str,
    now: Timestamp,
) -> Applied {
    let today = now.to_zoned(TimeZone::UTC).date();
    let mut findings = Vec::new();
    let mut in_force = Vec::new();
    for exception in exceptions.iter().filter(|e| e.images.matches_written(location)) {
        match exception.effect(&denied, today) {
            Ok(()) => {
                let why = exception.reason.clone();
                findings.push(exception.finding(Code::PolicyExceptionUsed, why));
                in_force.push(exception);
            }
            Err(why) => findings.push(exception.finding(Code::PolicyExceptionUnused, why)),
        }
    }
    let (excepted, denied) =
        denied.into_iter().partition(|result| in_force.iter().any(|e| e.means(result)));
    Applied { denied, excepted, findings }
}

impl Exception {
    /// Whether it lets one of the denials through.
    ///
    /// # Errors
    /// Why it does not.
    fn effect(&self, denied: &[RuleResult], today: Date) -> Result<(), String> {
        if today > self.expires {
            return Err(format!("it expired on {}", self.expires));
        }
        let meant = denied.iter().filter(|result| self.means(result));
        let packages: BTreeSet<_> = meant.map(|result| result.package.as_str()).collect();
        match packages.len() {
            0 => Err(format!("nothing is denied with {}", self.code)),
            1 => Ok(()),
            // A rule of somebody else that happens to use the same word.
            _ => {
                let packages = packages.into_iter().collect::<Vec<_>>().join(", ");
                Err(format!("{packages} deny with {}: say which is meant with package", self.code))
            }
        }
    }

    fn means(&self, result: &RuleResult) -> bool {
        let package = self.package.as_ref().is_none_or(|package| *package == result.package);
        result.code == self.code && package
    }

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
            package: None,
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
    #[test]
    fn i2_an_exception_means_one_rule_of_two_that_share_a_code() {
        let now: Timestamp = "2026-11-23T12:00:00Z".parse().expect("a time");
        let both =
            || vec![denied("a"), RuleResult { package: "hallmark.y".to_owned(), ..denied("a") }];
        let unclear = exception("a", "**", "2026-12-01");
        let applied = apply(both(), std::slice::from_ref(&unclear), "r/app", now);
        assert_eq!((applied.denied.len(), applied.excepted.len()), (2, 0));
        assert_eq!(applied.findings[0].code, Code::PolicyExceptionUnused);
        let clear = Exception { package: Some("hallmark.y".to_owned()), ..unclear };
        let applied = apply(both(), std::slice::from_ref(&clear), "r/app", now);
        assert_eq!(applied.denied, [denied("a")]);
        assert_eq!(applied.findings[0].code, Code::PolicyExceptionUsed);
        let applied = apply(vec![denied("a")], &[clear], "r/app", now);
        assert_eq!(applied.denied.len(), 1);
    }
}
