//! Whether a version is one that an advisory is about (OSV schema 1.7, "Evaluation").
//!
//! Three answers: affected, not affected, and not known. The last one is what a version gives that its scheme does not
//! have, or an advisory that names nothing which a version can be held against. It is never taken for the second.

use std::cmp::Ordering;

use super::{
    record::{Affected, Event},
    version::Scheme,
};

/// How a version stands to an advisory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It is affected; the least version that fixes it, where one does.
    Affected {
        /// The fix, as the advisory writes it.
        fixed: Option<String>,
    },
    /// It is not.
    NotAffected,
    /// Nobody can tell.
    Unknown(Why),
}

/// Why nobody can tell.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// The package's version has no place in the order of its ecosystem.
    #[error("the version {0} is none that its ecosystem orders")]
    Version(String),
    /// One of the advisory's has none.
    #[error("the advisory names {0}, which is no version that its ecosystem orders")]
    Bound(String),
    /// The order is not known.
    #[error("the order of versions of {0} is not known")]
    Scheme(String),
    /// Only commits are named.
    #[error("the advisory names commits and no versions")]
    Commits,
    /// Nothing is named.
    #[error("the advisory names no versions")]
    Nothing,
}

/// How `version`, which is ordered by `scheme`, stands to `affected`.
pub fn standing(scheme: Scheme, version: &str, affected: &Affected) -> Standing {
    if affected.ranges.is_empty() && affected.versions.is_empty() {
        return Standing::Unknown(if affected.commits { Why::Commits } else { Why::Nothing });
    }
    let readable = scheme.reads(version);
    let equal = |listed: &String| {
        listed == version || (readable && scheme.compare(listed, version) == Some(Ordering::Equal))
    };
    if affected.versions.iter().any(equal) {
        return Standing::Affected { fixed: fix_after(scheme, version, affected) };
    }
    if affected.ranges.is_empty() {
        return match readable {
            true => Standing::NotAffected,
            false => Standing::Unknown(Why::Version(version.to_owned())),
        };
    }
    let mut unknown = None;
    for range in &affected.ranges {
        match in_range(scheme, version, range) {
            Ok(true) => {
                return Standing::Affected { fixed: fix_after(scheme, version, affected) };
            }
            Ok(false) => {}
            Err(why) => unknown = unknown.or(Some(why)),
        }
    }
    unknown.map_or(Standing::NotAffected, Standing::Unknown)
}

/// Whether a version lies in a range.
fn in_range(scheme: Scheme, version: &str, range: &[Event]) -> Result<bool, Why> {
    // A range with one end, from the first version to no last one, holds everything, whatever it is.
    if range.iter().all(|event| matches!(event, Event::Introduced(v) if v == "0"))
        && !range.is_empty()
    {
        return Ok(true);
    }
    if !scheme.reads(version) {
        return Err(Why::Version(version.to_owned()));
    }
    let mut events: Vec<(&Event, Ordering)> = Vec::with_capacity(range.len());
    for event in range {
        let order = against(scheme, version, event)?;
        events.push((event, order));
    }
    let mut limits = events.iter().filter(|(event, _)| matches!(event, Event::Limit(_))).peekable();
    if limits.peek().is_some() && limits.all(|(_, order)| order.is_ge()) {
        return Ok(false);
    }
    // Each event that the version has passed overrides those before it, so that the last of them decides. A range has
    // `fixed` or `last_affected`, by the schema; of one that has both each counts where it stands.
    let passed = events.into_iter().filter(|(event, order)| match event {
        Event::Introduced(_) | Event::Fixed(_) => order.is_ge(),
        Event::LastAffected(_) => order.is_gt(),
        Event::Limit(_) => false,
    });
    let last = passed.map(|(event, _)| event).max_by(|a, b| chronological(scheme, a, b));
    Ok(matches!(last, Some(Event::Introduced(_))))
}

/// How the version stands to that of an event.
fn against(scheme: Scheme, version: &str, event: &Event) -> Result<Ordering, Why> {
    match event {
        Event::Introduced(first) if first == "0" => Ok(Ordering::Greater),
        // "versions containing the string "*" to represent infinity" (`events`, "Special values").
        Event::Limit(all) if all.contains('*') => Ok(Ordering::Less),
        event => {
            let bound = || Why::Bound(event.version().to_owned());
            scheme.compare(version, event.version()).ok_or_else(bound)
        }
    }
}

/// The order of two events whose versions can be compared. Of those at one version an introduction is the last but for
/// the one that is the last affected itself: what is doubtful is affected.
fn chronological(scheme: Scheme, a: &Event, b: &Event) -> Ordering {
    let is_first = |event: &Event| matches!(event, Event::Introduced(v) if v == "0");
    let order = match (is_first(a), is_first(b)) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        (false, false) => scheme.compare(a.version(), b.version()).unwrap_or(Ordering::Equal),
    };
    let rank = |event: &Event| match event {
        Event::Limit(_) => 0,
        Event::Fixed(_) => 1,
        Event::Introduced(_) => 2,
        Event::LastAffected(_) => 3,
    };
    order.then_with(|| rank(a).cmp(&rank(b)))
}

/// The least fix after a version.
fn fix_after(scheme: Scheme, version: &str, affected: &Affected) -> Option<String> {
    let later = |fix: &&str| scheme.compare(fix, version) == Some(Ordering::Greater);
    let least = affected.fixes().filter(later).min_by(|a, b| {
        // Each can be compared with the version, and so with the other.
        scheme.compare(a, b).unwrap_or(Ordering::Equal)
    });
    least.map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(text: &str) -> Vec<Event> {
        let event = |word: &str| {
            let (kind, version) = word.split_once(' ').unwrap();
            match kind {
                "introduced" => Event::Introduced(version.to_owned()),
                "fixed" => Event::Fixed(version.to_owned()),
                "last" => Event::LastAffected(version.to_owned()),
                _ => Event::Limit(version.to_owned()),
            }
        };
        text.split(", ").map(event).collect()
    }

    /// `IncludedInRanges` and `BeforeLimits`, as the schema writes them, of a range that can be compared.
    fn by_the_schema(scheme: Scheme, version: &str, range: &[Event]) -> bool {
        let mut limits = range.iter().filter(|event| matches!(event, Event::Limit(_))).peekable();
        let is_before = |event: &Event| against(scheme, version, event).unwrap().is_lt();
        if limits.peek().is_some() && !limits.any(is_before) {
            return false;
        }
        let mut sorted: Vec<&Event> = range.iter().collect();
        sorted.sort_by(|a, b| chronological(scheme, a, b));
        let mut vulnerable = false;
        for event in sorted {
            let order = against(scheme, version, event).unwrap();
            match event {
                Event::Introduced(_) if order.is_ge() => vulnerable = true,
                Event::Fixed(_) if order.is_ge() => vulnerable = false,
                Event::LastAffected(_) if order.is_gt() => vulnerable = false,
                _ => {}
            }
        }
        vulnerable
    }

    #[test]
    fn c82_ranges_of_any_events_in_any_order_are_those_of_the_schema() {
        let bounds = ["0", "1.0.0", "2.0.0", "3.0.0"];
        let kinds: [fn(String) -> Event; 4] =
            [Event::Introduced, Event::Fixed, Event::LastAffected, Event::Limit];
        let all: Vec<Event> =
            bounds.iter().flat_map(|at| kinds.map(|kind| kind((*at).to_owned()))).collect();
        // Every range of three events, which may be equal, in every order.
        for code in 0..all.len().pow(3) {
            let digits = (0..3).map(|at| code / all.len().pow(at) % all.len());
            let range: Vec<Event> = digits.map(|digit| all[digit].clone()).collect();
            for version in ["0.5.0", "1.0.0", "1.5.0", "2.0.0", "2.5.0", "3.0.0", "3.5.0"] {
                let want = by_the_schema(Scheme::Semantic, version, &range);
                let got = in_range(Scheme::Semantic, version, &range);
                assert_eq!(got, Ok(want), "{version} in {range:?}");
            }
        }
    }

    /// A range, and versions with whether they are in it; none where nobody can tell.
    type Case<'a> = (&'a str, &'a [(&'a str, Option<bool>)]);

    #[test]
    fn ranges_hold_what_the_schema_says() {
        let (yes, no) = (Some(true), Some(false));
        let cases: &[Case<'_>] = &[
            ("introduced 0", &[("1.0.0", yes), ("anything", yes)]),
            (
                "introduced 0, fixed 2.0.0",
                &[("0.0.1", yes), ("1.9.9", yes), ("2.0.0", no), ("2.0.0-rc.1", yes), ("x", None)],
            ),
            ("introduced 1.0.0, fixed 2.0.0", &[("0.9.0", no), ("1.0.0-rc.1", no), ("1.0.0", yes)]),
            ("introduced 1.0.0, last 2.0.0", &[("2.0.0", yes), ("2.0.1", no), ("0.1.0", no)]),
            ("introduced 1.0.0, last 1.0.0", &[("1.0.0", yes), ("1.0.1", no)]),
            // Order of writing does not count, and several spans are one range.
            (
                "fixed 2.0.0, introduced 3.0.0, introduced 0, fixed 4.0.0",
                &[("1.0.0", yes), ("2.5.0", no), ("3.0.0", yes), ("4.0.0", no)],
            ),
            ("introduced 0, limit 2.0.0", &[("1.0.0", yes), ("2.0.0", no)]),
            ("introduced 0, limit *", &[("1.0.0", yes)]),
            ("introduced 0, limit 2.*", &[("1.0.0", yes), ("9.0.0", yes)]),
            ("introduced 0, limit 1.0.0, limit *", &[("9.0.0", yes)]),
            // Both ends: each closes what is open before it.
            (
                "introduced 0, last 1.5.0, fixed 2.0.0",
                &[("1.5.0", yes), ("1.7.0", no), ("2.0.0", no)],
            ),
            (
                "introduced 0, fixed 1.5.0, last 2.0.0",
                &[("1.4.0", yes), ("1.5.0", no), ("2.0.0", no)],
            ),
            (
                "last 4.0.0, fixed 2.0.0, introduced 3.0.0, introduced 1.0.0",
                &[("0.5.0", no), ("1.5.0", yes), ("2.5.0", no), ("4.0.0", yes), ("4.0.1", no)],
            ),
            // Several beginnings before one end are one span, from the first.
            (
                "introduced 2.0.0, introduced 1.0.0, fixed 3.0.0",
                &[("0.5.0", no), ("1.5.0", yes), ("2.5.0", yes), ("3.0.0", no)],
            ),
            // A beginning behind the last end has none.
            ("introduced 3.0.0, fixed 2.0.0, introduced 0", &[("2.5.0", no), ("9.0.0", yes)]),
            // What one event fixes and another introduces is affected.
            ("introduced 0, fixed 2.0, introduced 2.0.0", &[("1.0.0", yes), ("2.0.0", yes)]),
            ("introduced 0, limit 2.0.0, limit 3.0.0", &[("2.5.0", yes), ("3.0.0", no)]),
            ("introduced 0, fixed garbage", &[("1.0.0", None)]),
            ("fixed 1.0.0", &[("0.5.0", no)]),
        ];
        for (range, versions) in cases {
            for (version, want) in *versions {
                let got = in_range(Scheme::Semantic, version, &events(range)).ok();
                assert_eq!(got, *want, "{version} in {range}");
            }
        }
    }

    #[test]
    fn what_cannot_be_told_is_said() {
        let of = |ranges: &[&str], versions: &[&str], commits| Affected {
            ranges: ranges.iter().map(|range| events(range)).collect(),
            versions: versions.iter().map(|v| (*v).to_owned()).collect(),
            commits,
            ..Affected::default()
        };
        let fixed = |version: &str| Standing::Affected { fixed: Some(version.to_owned()) };
        let cases = [
            (of(&[], &[], true), "1", Standing::Unknown(Why::Commits)),
            (of(&[], &[], false), "1", Standing::Unknown(Why::Nothing)),
            (of(&[], &["1.0"], true), "1.0.0", Standing::Affected { fixed: None }),
            (of(&[], &["2004d"], false), "2004d", Standing::Affected { fixed: None }),
            (
                of(&[], &["1.0"], false),
                "2004d",
                Standing::Unknown(Why::Version("2004d".to_owned())),
            ),
            (of(&[], &["1.0"], false), "1.1", Standing::NotAffected),
            (
                of(&["introduced 0, fixed x"], &[], false),
                "1.1",
                Standing::Unknown(Why::Bound("x".to_owned())),
            ),
            // One range that says yes is enough, whatever the others cannot tell.
            (
                of(&["introduced 0, fixed x", "introduced 0, fixed 2"], &[], false),
                "1.1",
                fixed("2"),
            ),
            (
                of(&["introduced 0, fixed 1", "introduced 2, fixed 3"], &[], false),
                "2.5",
                fixed("3"),
            ),
        ];
        for (affected, version, want) in cases {
            assert_eq!(
                standing(Scheme::Python, version, &affected),
                want,
                "{affected:?} {version}"
            );
        }
    }
}
