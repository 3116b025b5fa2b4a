//! Exceptions: a denial that an operator lets through, for some images, for a reason, until a day.
//!
//! Turns the denials of one image and the configured exceptions into what remains denied, what was let through, and the
//! exceptions that did nothing. An expired exception never applies; one that is about this image and did nothing is said.

use jiff::{Timestamp, civil::Date, tz::TimeZone};

use super::RuleResult;
use crate::finding::{Code, Finding, Key, Subject};

/// A denial that is let through.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Exception {
    /// Code of the rule's result, exactly.
    pub code: String,
    /// Which images: a pattern over `location@digest`, see [`matches`].
    pub images: String,
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

/// Applies the exceptions to the denials of the image `reference`, judged at `now`.
pub(super) fn apply(
    denied: Vec<RuleResult>,
    exceptions: &[Exception],
    reference: &str,
    now: Timestamp,
) -> Applied {
    let today = now.to_zoned(TimeZone::UTC).date();
    let mine: Vec<&Exception> =
        exceptions.iter().filter(|e| matches(&e.images, reference)).collect();
    let applies = |e: &Exception, result: &RuleResult| today <= e.expires && e.code == result.code;
    let mut findings = Vec::new();
    for exception in &mine {
        let used = denied.iter().filter(|result| applies(exception, result)).count();
        let code = if used > 0 { Code::PolicyExceptionUsed } else { Code::PolicyExceptionUnused };
        let why = match (used, today <= exception.expires) {
            (0, false) => format!("it expired on {}", exception.expires),
            (0, true) => format!("nothing is denied with the code {}", exception.code),
            _ => exception.reason.clone(),
        };
        findings.push(exception.finding(code, why));
    }
    let (excepted, denied) =
        denied.into_iter().partition(|result| mine.iter().any(|e| applies(e, result)));
    Applied { denied, excepted, findings }
}

impl Exception {
    fn finding(&self, code: Code, why: String) -> Finding {
        let name = format!("exception {} for {}", self.code, self.images);
        Finding::new(code, Subject::Operator(name))
            .with(Key::Why, why)
            .with(Key::From, format!("owner {}, until {}", self.owner, self.expires))
    }
}

/// Whether a pattern is about an image.
///
/// `**` stands for any characters, `*` for any but `/` and `@`; a pattern without `@` is about every digest.
pub fn matches(pattern: &str, reference: &str) -> bool {
    let name = reference.rsplit_once('@').map_or(reference, |(name, _)| name);
    let text = if pattern.contains('@') { reference } else { name };
    glob(pattern.as_bytes(), text.as_bytes())
}

/// Matches from left to right, remembering the last star of each kind: linear in memory, quadratic in time at worst.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    // `reachable[i]`: the pattern read so far matches the first `i` bytes of the text.
    let mut reachable = vec![false; text.len() + 1];
    reachable[0] = true;
    let mut rest = pattern;
    while let Some((first, tail)) = rest.split_first() {
        if let Some(after) = rest.strip_prefix(b"**") {
            spread(&mut reachable, text, |_| true);
            rest = after;
        } else if *first == b'*' {
            spread(&mut reachable, text, |byte| byte != b'/' && byte != b'@');
            rest = tail;
        } else {
            let moved = reachable.iter().zip(text).map(|(here, byte)| *here && byte == first);
            reachable = std::iter::once(false).chain(moved.collect::<Vec<_>>()).collect();
            rest = tail;
        }
    }
    reachable.last() == Some(&true)
}

fn spread(reachable: &mut [bool], text: &[u8], passes: impl Fn(u8) -> bool) {
    let mut before = false;
    for (index, here) in reachable.iter_mut().enumerate() {
        let byte = index.checked_sub(1).and_then(|i| text.get(i));
        *here |= before && byte.is_some_and(|byte| passes(*byte));
        before = *here;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn patterns_match_whole_references() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let image = format!("r.example/team/app@{digest}");
        let cases = [
            ("r.example/team/app", true),
            ("r.example/team/*", true),
            ("r.example/*", false),
            ("r.example/**", true),
            ("**", true),
            ("*", false),
            ("r.example/team/ap", false),
            ("r.example/team/app*", true),
            ("team/app", false),
            ("**/app@*", true),
            ("**/app@sha256:b*", false),
            ("", false),
        ];
        for (pattern, want) in cases {
            assert_eq!(matches(pattern, &image), want, "{pattern}");
        }
        assert!(matches(&image, &image));
    }

    fn denied(code: &str) -> RuleResult {
        RuleResult {
            code: code.to_owned(),
            msg: "m".to_owned(),
            package: "hallmark.x".to_owned(),
            facts: Default::default(),
        }
    }

    fn exception(code: &str, images: &str, expires: &str) -> Exception {
        Exception {
            code: code.to_owned(),
            images: images.to_owned(),
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
            ("other image", exception("a", "x", "2026-12-01"), 2, &[]),
        ];
        for (name, exception, still, codes) in cases {
            let both = vec![denied("a"), denied("b")];
            let applied = apply(both, std::slice::from_ref(exception), "r/app@sha256:x", now);
            assert_eq!(applied.denied.len(), *still, "{name}");
            assert_eq!(applied.excepted.len(), 2 - still, "{name}");
            let found: Vec<_> = applied.findings.iter().map(|f| f.code).collect();
            assert_eq!(found, *codes, "{name}");
        }
    }

    proptest! {
        #[test]
        fn a_text_without_stars_matches_itself_only(a in "[a-z/.]{0,12}", b in "[a-z/.]{0,12}") {
            prop_assert!(matches(&a, &a));
            prop_assert_eq!(matches(&a, &b), a == b);
        }

        #[test]
        fn two_stars_match_whatever_stands_between(a in "[a-z/@]{0,8}", b in "[a-z/@]{0,8}", c in "[a-z]{0,8}") {
            let (pattern, text) = (format!("{a}**{c}"), format!("{a}{b}{c}"));
            prop_assert!(glob(pattern.as_bytes(), text.as_bytes()));
        }
    }
}
