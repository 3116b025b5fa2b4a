//! Versions that a statement is about: single ones, and version range specifiers (`vers:npm/>=1.0.0|<2.0.0`).
//!
//! Turns these and the version of a package into whether it is among them, or into nothing where nobody can tell: a
//! range of another order of versions, one that the specification does not allow, or a version that has no place in
//! the order.

use std::cmp::Ordering;

use percent_encoding::percent_decode_str;

use crate::vulnerabilities::{ecosystem::of_language, version::Scheme};

/// Bytes of one range.
const RANGE_BYTES: usize = 4096;

/// Constraints of one range.
const CONSTRAINTS: usize = 100;

/// Versions that a statement is about.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Versions(Vec<Span>);

/// A part of them.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Span {
    /// One version.
    One(String),
    /// Every version, of whatever order.
    All,
    /// Those of a range.
    Range(Scheme, Vec<Constraint>),
    /// Nobody knows which.
    Unreadable,
}

/// One signpost of a range.
type Constraint = (Comparator, String);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparator {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Versions {
    /// Adds one version, or one range; both and neither are nothing that can be read.
    pub(super) fn push(&mut self, version: Option<&str>, range: Option<&str>) {
        self.0.push(match (version, range) {
            (Some(version), None) => Span::One(version.to_owned()),
            (None, Some(range)) => span(range).unwrap_or(Span::Unreadable),
            _ => Span::Unreadable,
        });
    }

    /// Whether a version of a package is among them; none where nobody can tell.
    pub fn hold(&self, purl_type: &str, version: &str) -> Option<bool> {
        let scheme = scheme(purl_type);
        let mut known = true;
        for span in &self.0 {
            match span.holds(scheme, version) {
                Some(true) => return Some(true),
                Some(false) => {}
                None => known = false,
            }
        }
        known.then_some(false)
    }
}

/// The order of versions of a type of package URL, or of a versioning scheme of ranges, which has the same name.
fn scheme(name: &str) -> Option<Scheme> {
    match name {
        "deb" => Some(Scheme::Dpkg),
        "apk" | "alpine" => Some(Scheme::Apk),
        "rpm" => Some(Scheme::Rpm),
        "semver" => Some(Scheme::Semantic),
        name => of_language(name).and_then(Scheme::of),
    }
}

/// Reads a range.
fn span(text: &str) -> Option<Span> {
    let (name, constraints) = text.strip_prefix("vers:")?.split_once('/')?;
    if text.len() > RANGE_BYTES {
        return None;
    }
    if constraints.trim() == "*" {
        return Some(Span::All);
    }
    let constraints: Vec<&str> = constraints.split('|').collect();
    if constraints.len() > CONSTRAINTS {
        return None;
    }
    let constraints = constraints.into_iter().map(constraint).collect::<Option<Vec<_>>>()?;
    Some(Span::Range(scheme(name)?, constraints))
}

fn constraint(text: &str) -> Option<Constraint> {
    use Comparator::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, Unequal};
    const SIGNS: [(&str, Comparator); 6] = [
        (">=", GreaterOrEqual),
        ("<=", LessOrEqual),
        ("!=", Unequal),
        (">", Greater),
        ("<", Less),
        ("=", Equal),
    ];
    let text = text.trim();
    let signed = SIGNS.iter().find_map(|(sign, is)| Some((*is, text.strip_prefix(sign)?.trim())));
    let (comparator, version) = signed.unwrap_or((Equal, text));
    let version = percent_decode_str(version).decode_utf8().ok()?.into_owned();
    let is_version = !version.is_empty() && !version.contains(['<', '>', '=', '!', '*', '|']);
    is_version.then_some((comparator, version))
}

impl Span {
    fn holds(&self, scheme: Option<Scheme>, version: &str) -> Option<bool> {
        match self {
            Self::All => Some(true),
            Self::Unreadable => None,
            Self::One(own) if own == version => Some(true),
            Self::One(own) => Some(scheme?.compare(own, version)? == Ordering::Equal),
            Self::Range(own, constraints) if scheme == Some(*own) => {
                contains(*own, constraints, version)
            }
            Self::Range(..) => None,
        }
    }
}

/// Whether a range holds a version (VERS, "Checking if a version is contained within a range").
fn contains(scheme: Scheme, constraints: &[Constraint], version: &str) -> Option<bool> {
    use Comparator::{Equal, GreaterOrEqual, LessOrEqual, Unequal};
    let mut sorted: Vec<(Comparator, &str, Ordering)> = Vec::with_capacity(constraints.len());
    for (comparator, bound) in constraints {
        sorted.push((*comparator, bound, scheme.compare(version, bound)?));
    }
    let order = |a: &str, b: &str| scheme.compare(a, b).unwrap_or(Ordering::Equal);
    sorted.sort_by(|a, b| order(a.1, b.1));
    let twice =
        |pair: &[(Comparator, &str, Ordering)]| matches!(pair, [a, b] if order(a.1, b.1).is_eq());
    if sorted.windows(2).any(twice) {
        return None;
    }
    if let Some((comparator, ..)) = sorted.iter().find(|(_, _, stands)| stands.is_eq()) {
        return Some(matches!(comparator, Equal | LessOrEqual | GreaterOrEqual));
    }
    let is_bound = |one: &&(Comparator, &str, Ordering)| !matches!(one.0, Equal | Unequal);
    let bounds: Vec<(Comparator, Ordering)> =
        sorted.iter().filter(is_bound).map(|one| (one.0, one.2)).collect();
    // The specification does not say whether exceptions alone are from all versions or from none.
    if bounds.is_empty() && sorted.iter().all(|one| one.0 == Unequal) {
        return None;
    }
    between(&bounds)
}

/// Whether a version lies between bounds, which have to be lower and upper ones in turns.
fn between(bounds: &[(Comparator, Ordering)]) -> Option<bool> {
    let is_lower =
        |comparator| matches!(comparator, Comparator::Greater | Comparator::GreaterOrEqual);
    let repeated =
        |pair: &[(Comparator, Ordering)]| matches!(pair, [a, b] if is_lower(a.0) == is_lower(b.0));
    if bounds.windows(2).any(repeated) {
        return None;
    }
    // The bound below the version decides, and where there is none, the one above it.
    let below = bounds.iter().rev().find(|(_, stands)| stands.is_gt());
    Some(match (below, bounds.first()) {
        (Some((comparator, _)), _) => is_lower(*comparator),
        (None, Some((comparator, _))) => !is_lower(*comparator),
        (None, None) => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(kind: &str, version: &str, range: &str) -> Option<bool> {
        let mut versions = Versions::default();
        versions.push(None, Some(range));
        versions.hold(kind, version)
    }

    #[test]
    fn c75_ranges_hold_what_the_specification_says() {
        let (yes, no) = (Some(true), Some(false));
        let cases = [
            ("vers:npm/*", "1.0.0", yes),
            ("vers:npm/1.0.0", "1.0.0", yes),
            ("vers:npm/=1.0.0|=2.0.0", "2.0.0", yes),
            ("vers:npm/1.0.0|2.0.0", "1.5.0", no),
            ("vers:npm/<2.0.0", "1.9.9", yes),
            ("vers:npm/<2.0.0", "2.0.0", no),
            ("vers:npm/<=2.0.0", "2.0.0", yes),
            ("vers:npm/>2.0.0", "2.0.0", no),
            ("vers:npm/>=2.0.0", "10.0.0", yes),
            ("vers:npm/>=1.0.0|<2.0.0", "1.5.0", yes),
            ("vers:npm/<2.0.0|>=1.0.0", "1.5.0", yes),
            ("vers:npm/>=1.0.0|<2.0.0", "0.9.0", no),
            ("vers:npm/>=1.0.0|<2.0.0", "2.1.0", no),
            ("vers:npm/>=1.0.0|<2.0.0|>=3.0.0|<4.0.0", "3.1.0", yes),
            ("vers:npm/>=1.0.0|<2.0.0|>=3.0.0|<4.0.0", "2.1.0", no),
            ("vers:npm/<1.0.0|>2.0.0", "0.1.0", yes),
            ("vers:npm/<1.0.0|>2.0.0", "1.5.0", no),
            ("vers:npm/>=1.0.0|!=1.5.0|<2.0.0", "1.5.0", no),
            ("vers:npm/>=1.0.0|!=1.5.0|<2.0.0", "1.6.0", yes),
            ("vers:npm/1.0.0|>=2.0.0", "1.0.0", yes),
            ("vers:semver/<2.0.0", "1.0.0", yes),
            ("vers:npm/1.0.0%2Dbeta", "1.0.0-beta", yes),
            // What cannot be read, and what the specification does not allow.
            ("vers:npm/!=1.0.0", "1.5.0", None),
            ("vers:npm/!=1.0.0", "1.0.0", no),
            ("vers:npm/>=1.0.0|>=2.0.0", "3.0.0", None),
            ("vers:npm/<1.0.0|<2.0.0", "0.1.0", None),
            ("vers:npm/>=1.0.0|<1.0.0", "0.1.0", None),
            ("vers:npm/<garbage", "1.0.0", None),
            ("vers:npm/<1.0.0", "garbage", None),
            ("vers:npm/", "1.0.0", None),
            ("vers:npm/<", "1.0.0", None),
            ("vers:npm/<<1.0.0", "0.1.0", None),
            ("vers:npm/1.*", "1.0.0", None),
            ("vers:npm/*|<1", "0.1.0", None),
            ("vers:pypi/<2.0.0", "1.0.0", None),
            ("vers:generic/<2.0.0", "1.0.0", None),
            ("<2.0.0", "1.0.0", None),
            ("", "1.0.0", None),
        ];
        for (range, version, want) in cases {
            assert_eq!(held("npm", version, range), want, "{version} in {range}");
        }
        let many = vec!["1.0.0"; CONSTRAINTS + 1].join("|");
        assert_eq!(span(&format!("vers:npm/{many}")), None);
        assert_eq!(span(&format!("vers:npm/{}", "1".repeat(RANGE_BYTES))), None);
    }

    #[test]
    fn each_type_has_the_order_of_its_ecosystem() {
        let cases = [
            ("deb", "1:1.2-1", "vers:deb/<1:1.3-1", Some(true)),
            ("deb", "1:1.2-1", "vers:deb/<1.3-1", Some(false)),
            ("rpm", "1:3.0-1", "vers:rpm/>=3.0-1", Some(true)),
            ("apk", "1.2.3-r1", "vers:alpine/<1.2.3-r2", Some(true)),
            ("pypi", "1.0rc1", "vers:pypi/<1.0", Some(true)),
            ("generic", "1", "vers:generic/*", Some(true)),
            ("generic", "1", "vers:generic/1", None),
        ];
        for (kind, version, range, want) in cases {
            assert_eq!(held(kind, version, range), want, "{kind} {version} {range}");
        }
    }

    #[test]
    fn single_versions_are_equal_by_their_order_and_what_is_doubtful_is_not_known() {
        let of = |all: &[(Option<&str>, Option<&str>)]| {
            let mut versions = Versions::default();
            all.iter().for_each(|(version, range)| versions.push(*version, *range));
            versions
        };
        assert_eq!(of(&[]).hold("npm", "1.0.0"), Some(false));
        assert_eq!(of(&[(Some("1.0"), None)]).hold("pypi", "1.0.0"), Some(true));
        assert_eq!(of(&[(Some("1.0"), None)]).hold("pypi", "1.0.1"), Some(false));
        assert_eq!(of(&[(Some("x"), None)]).hold("generic", "x"), Some(true));
        assert_eq!(of(&[(Some("x"), None)]).hold("generic", "y"), None);
        assert_eq!(of(&[(Some("1"), Some("vers:npm/*"))]).hold("npm", "1.0.0"), None);
        assert_eq!(of(&[(None, None)]).hold("npm", "1.0.0"), None);
        assert_eq!(
            of(&[(None, Some("?")), (Some("1.0.0"), None)]).hold("npm", "1.0.0"),
            Some(true)
        );
        assert_eq!(of(&[(None, Some("?")), (Some("2.0.0"), None)]).hold("npm", "1.0.0"), None);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_range_or_refused(text in "vers:(npm|deb|rpm|pypi|x)/[<>=!|*0-9.a%-]{0,40}", version in "[0-9.a-]{0,12}") {
            let _ = held("npm", &version, &text);
            let _ = held("deb", &version, &text);
        }
    }
}
