//! Denials that hold from a day on: until then each is a warning that says so.
//!
//! Turns the denials of one image into those that hold today and those that are warnings. The day of a rule is written in
//! its METADATA (`custom.effective_on`) or under `policy.effective`, which goes before it, for all layers or for those of
//! the base or of the image alone: a result says by its fact `side` which it is about. A result without that fact is about
//! no layer, and a day for one side never means it.

use std::collections::BTreeSet;

use jiff::{Span, Timestamp, civil::Date, tz::TimeZone};
use serde_json::Value;

use super::{PolicyError, RuleResult, nearest::did_you_mean};
use crate::contents::accounts::Side;

/// Days from today to the last day on which METADATA may let a rule begin.
const MAX_DAYS: i32 = 366;

/// From which day on a code denies.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Effective {
    /// Code of the rule's result.
    pub code: String,
    /// Results about layers of this side alone; `None` for all.
    #[serde(serialize_with = "word")]
    pub side: Option<Side>,
    /// The first day on which it denies, in UTC.
    pub on: Date,
}

fn word<S: serde::Serializer>(side: &Option<Side>, to: S) -> Result<S::Ok, S::Error> {
    match side {
        Some(side) => to.serialize_str(side.word()),
        None => to.serialize_none(),
    }
}

/// Takes the denials whose day has not come out of `denied`, as warnings that say until when they are; `own` is the day that a rule
/// says itself.
pub(super) fn defer(
    denied: Vec<RuleResult>,
    entries: &[Effective],
    own: impl Fn(&RuleResult) -> Option<Date>,
    now: Timestamp,
) -> (Vec<RuleResult>, Vec<RuleResult>) {
    let today = now.to_zoned(TimeZone::UTC).date();
    let (mut holding, mut deferred) = (Vec::new(), Vec::new());
    for result in denied {
        match day(&result, entries, &own, today).filter(|day| today < *day) {
            Some(day) => deferred.push(until(result, day)),
            None => holding.push(result),
        }
    }
    (holding, deferred)
}

/// The day of a result: the operator's for its side, then the operator's for all, then the rule's own, unless that is so far off
/// that the rule would never deny: those of the operator are bounded where they are read.
fn day(
    result: &RuleResult,
    entries: &[Effective],
    own: impl Fn(&RuleResult) -> Option<Date>,
    today: Date,
) -> Option<Date> {
    let side = result.facts.get("side").and_then(Value::as_str);
    let of = |wanted: Option<&str>| {
        let meant = |e: &&Effective| e.code == result.code && e.side.map(Side::word) == wanted;
        entries.iter().find(meant).map(|entry| entry.on)
    };
    let last = today.saturating_add(Span::new().days(MAX_DAYS));
    let own = || own(result).filter(|day| *day <= last);
    side.and_then(|side| of(Some(side))).or_else(|| of(None)).or_else(own)
}

fn until(mut result: RuleResult, day: Date) -> RuleResult {
    result.msg = format!("{} (a warning until {day}, from when on it denies)", result.msg);
    result.facts.insert("effectiveOn".to_owned(), Value::String(day.to_string()));
    // What is no denial keeps nothing from being looked at, and makes no finding an error.
    result.early = false;
    result.lacks = None;
    result.about.clear();
    result
}

/// Whether each entry is about a code that some rule gives.
///
/// # Errors
/// [`PolicyError::EffectiveIdle`]: whoever wrote it believes that something is let through for a while.
pub(super) fn known(entries: &[Effective], codes: &BTreeSet<String>) -> Result<(), PolicyError> {
    match entries.iter().find(|entry| !codes.contains(&entry.code)) {
        None => Ok(()),
        Some(entry) => {
            let meant = did_you_mean(&entry.code, codes.iter().map(String::as_str));
            Err(PolicyError::EffectiveIdle { code: entry.code.clone(), meant })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(code: &str, side: Option<&str>) -> RuleResult {
        let facts = side.map(|side| ("side".to_owned(), Value::String(side.to_owned())));
        RuleResult {
            code: code.to_owned(),
            msg: "m".to_owned(),
            package: "hallmark.x".to_owned(),
            solution: None,
            about: vec!["a".to_owned()],
            early: true,
            lacks: None,
            facts: facts.into_iter().collect(),
        }
    }

    fn entry(code: &str, side: Option<Side>, on: &str) -> Effective {
        Effective { code: code.to_owned(), side, on: on.parse().expect("a date") }
    }

    #[test]
    fn a_denial_is_a_warning_before_its_day_and_holds_from_then_on() {
        let base = |on| vec![entry("a", Some(Side::Base), on)];
        let all = |on| vec![entry("a", None, on)];
        let (none, own) = (None, Some("2026-12-04".parse::<Date>().expect("a date")));
        // what, time, entries, day of the rule, side, is a warning
        type Case<'a> = (&'a str, &'a str, Vec<Effective>, Option<Date>, Option<&'a str>, bool);
        let cases: &[Case<'_>] = &[
            ("the last second", "2026-12-03T23:59:59Z", all("2026-12-04"), none, None, true),
            ("the day", "2026-12-04T00:00:00Z", all("2026-12-04"), none, None, false),
            ("after", "2027-01-01T00:00:00Z", all("2026-12-04"), none, None, false),
            ("no entry", "2026-01-01T00:00:00Z", vec![], none, None, false),
            (
                "another code",
                "2026-01-01T00:00:00Z",
                vec![entry("b", None, "2026-12-04")],
                none,
                None,
                false,
            ),
            ("the base", "2026-12-03T00:00:00Z", base("2026-12-04"), none, Some("base"), true),
            ("own layers", "2026-12-03T00:00:00Z", base("2026-12-04"), none, Some("own"), false),
            ("no layers", "2026-12-03T00:00:00Z", base("2026-12-04"), none, None, false),
            ("the rule's own", "2026-12-03T00:00:00Z", vec![], own, None, true),
            ("366 days before it (E29)", "2025-12-03T00:00:00Z", vec![], own, None, true),
            ("367 days before it (E29)", "2025-12-02T00:00:00Z", vec![], own, None, false),
            (
                "the operator is stricter",
                "2026-12-03T00:00:00Z",
                all("2026-12-01"),
                own,
                None,
                false,
            ),
            (
                "the side goes first",
                "2026-12-03T00:00:00Z",
                vec![entry("a", None, "2026-12-01"), entry("a", Some(Side::Base), "2026-12-04")],
                none,
                Some("base"),
                true,
            ),
        ];
        for (what, time, entries, own, side, warns) in cases {
            let now = time.parse().expect("a time");
            let (holding, deferred) = defer(vec![result("a", *side)], entries, |_| *own, now);
            assert_eq!(
                (holding.len(), deferred.len()),
                if *warns { (0, 1) } else { (1, 0) },
                "{what}"
            );
            for told in deferred {
                assert_eq!(
                    told.msg, "m (a warning until 2026-12-04, from when on it denies)",
                    "{what}"
                );
                assert_eq!(told.facts["effectiveOn"], "2026-12-04");
                assert!(!told.early && told.about.is_empty(), "{what}: {told:?}");
            }
        }
    }

    #[test]
    fn an_entry_that_means_no_rule_is_refused() {
        let codes: BTreeSet<String> = ["licence-denied".to_owned()].into();
        assert_eq!(known(&[entry("licence-denied", None, "2026-12-04")], &codes), Ok(()));
        let error = known(&[entry("license-denied", None, "2026-12-04")], &codes);
        let why = error.expect_err("no such code").to_string();
        assert!(why.contains("did you mean licence-denied?"), "{why}");
    }
}
