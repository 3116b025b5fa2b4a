//! Allow entries: the operator's word that some files may differ.
//!
//! An entry names a path pattern and one class, and has a reason, an owner and a last day. It speaks about what plain files
//! hold, and whether they are there; never about security metadata, links, or files that lend rights. It explains a
//! difference without proving anything, so that the rung is R1 at most, and reports name it wherever it was used.

use std::{fmt, str::FromStr};

use jiff::{Timestamp, civil::Date, tz::TimeZone};

use super::{Class, Difference, Explanation, Place};

/// Longest pattern, in bytes: no path in a layer is longer (`limits.tarPathBytes`).
const MAX_PATTERN_BYTES: usize = 4 << 10;

/// A class of difference that an operator may let pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AllowedClass {
    /// K: caches and logs.
    Cache,
    /// M: what compilers note about themselves.
    Toolchain,
    /// N: what names the machine of the build.
    Host,
    /// L: packages that moved on.
    PackageDrift,
    /// O: any other content.
    Content,
}

impl AllowedClass {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Cache, Self::Toolchain, Self::Host, Self::PackageDrift, Self::Content];

    fn of(class: Class) -> Option<Self> {
        Self::ALL.into_iter().find(|allowed| allowed.class() == class)
    }

    fn class(self) -> Class {
        match self {
            Self::Cache => Class::Cache,
            Self::Toolchain => Class::Toolchain,
            Self::Host => Class::Host,
            Self::PackageDrift => Class::PackageDrift,
            Self::Content => Class::Content,
        }
    }

    /// The word in the configuration.
    pub fn name(self) -> &'static str {
        self.class().name()
    }
}

/// Which paths: `*` stands for any characters but a slash, `**` for any characters. Matches from end to end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PathPattern(String);

/// Why a text is no path pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathPatternError {
    /// Paths in images begin with a slash, so that it would match nothing.
    #[error("path pattern {0:?} does not begin with /")]
    Relative(String),
    /// A path of more than one line would break every report.
    #[error("path pattern {0:?} has a control character")]
    Control(String),
    /// Longer than any path.
    #[error("a path pattern of {found} bytes, the limit is {MAX_PATTERN_BYTES}")]
    TooLong {
        /// Its length in bytes.
        found: usize,
    },
}

impl PathPattern {
    /// Whether stars and slashes are all that it has: it then says nothing about the path.
    pub fn is_any(&self) -> bool {
        self.0.chars().all(|c| matches!(c, '*' | '/'))
    }

    /// Whether it is about this path.
    pub fn matches(&self, path: &str) -> bool {
        matches(&self.0, path)
    }
}

impl FromStr for PathPattern {
    type Err = PathPatternError;

    fn from_str(text: &str) -> Result<Self, PathPatternError> {
        let shown = || text.chars().take(120).collect::<String>();
        match text {
            _ if text.len() > MAX_PATTERN_BYTES => {
                Err(PathPatternError::TooLong { found: text.len() })
            }
            _ if !text.starts_with('/') => Err(PathPatternError::Relative(shown())),
            _ if text.contains(crate::untrusted::misleads) => {
                Err(PathPatternError::Control(shown()))
            }
            _ => Ok(Self(text.to_owned())),
        }
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The operator's word that the content of some files may differ.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Allowance {
    /// What it lets pass: content, or a class of content.
    pub class: AllowedClass,
    /// Which paths.
    pub pattern: PathPattern,
    /// Why.
    pub reason: String,
    /// Who answers for it.
    pub owner: String,
    /// The last day on which it counts, in UTC. The caller leaves out those that have ended: there is no clock here.
    pub expires: Date,
}

impl fmt::Display for Allowance {
    /// What reports call it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { class, pattern, owner, expires, .. } = self;
        write!(f, "allow {} {pattern} by {owner}, until {expires}", class.name())
    }
}

impl Allowance {
    fn speaks_about(&self, class: Class, path: &str) -> bool {
        AllowedClass::of(class) == Some(self.class) && self.pattern.matches(path)
    }

    /// Whether reports call both by one name: the reason is no part of that.
    fn is_called_as(&self, other: &Self) -> bool {
        let Self { class, pattern, owner, expires, reason: _ } = self;
        (class, pattern, owner, expires)
            == (&other.class, &other.pattern, &other.owner, &other.expires)
    }

    /// How many of these differences it explained.
    pub fn uses(&self, differences: &[Difference]) -> usize {
        let by_it = |d: &&Difference| match &d.explained_by {
            Some(Explanation::Allowed(by)) => self.is_called_as(by),
            _ => false,
        };
        differences.iter().filter(by_it).count()
    }

    /// Whether it has not ended.
    pub fn is_live(&self, now: Timestamp) -> bool {
        now.to_zoned(TimeZone::UTC).date() <= self.expires
    }
}

/// Explains a difference in content where an allow entry does.
pub(super) fn explain(difference: &mut Difference, allow: &[Allowance]) {
    let Place::Entry { path, .. } = &difference.place else { return };
    if difference.explained_by.is_none()
        && difference.may_be_allowed
        && let Some(allowance) = allow.iter().find(|a| a.speaks_about(difference.class, path))
    {
        difference.explained_by = Some(Explanation::Allowed(Box::new(allowance.clone())));
    }
}

/// Whether a class is about what a file holds.
pub(super) fn is_content(class: Class) -> bool {
    AllowedClass::of(class).is_some() || matches!(class, Class::NestedTime | Class::MountPoint)
}

/// Whether a path matches a pattern, in time proportional to the product of their lengths at most.
pub fn matches(pattern: &str, path: &str) -> bool {
    matches_in(pattern, path, &mut 0)
}

/// As [`matches`], and counts the steps: most paths are told apart by what stands before the first star and behind the last.
fn matches_in(pattern: &str, path: &str, steps: &mut u64) -> bool {
    let (Some(first), Some(last)) = (pattern.find('*'), pattern.rfind('*')) else {
        return pattern == path;
    };
    let parts = (pattern.get(..first), pattern.get(first..=last), pattern.get(last + 1..));
    let (Some(before), Some(stars), Some(behind)) = parts else { return false };
    let rest = path.strip_prefix(before).and_then(|rest| rest.strip_suffix(behind));
    rest.is_some_and(|rest| stars_match(&tokens(stars), rest, steps))
}

/// Whether a path matches tokens. A state says how many of them match what was read so far; states are in order.
fn stars_match(tokens: &[Token], path: &str, steps: &mut u64) -> bool {
    let (mut states, mut next) = (Vec::new(), Vec::new());
    reach(tokens, 0, &mut states);
    for found in path.chars() {
        *steps = steps.saturating_add(states.len() as u64);
        for at in states.drain(..) {
            match tokens.get(at) {
                Some(Token::Any) => reach(tokens, at, &mut next),
                Some(Token::AnyInPart) if found != '/' => reach(tokens, at, &mut next),
                Some(Token::Char(wanted)) if *wanted == found => reach(tokens, at + 1, &mut next),
                _ => {}
            }
        }
        std::mem::swap(&mut states, &mut next);
        if states.is_empty() {
            return false;
        }
    }
    states.last() == Some(&tokens.len())
}

/// Adds a state and those that follow it when stars match nothing. States come in order, and each with all that follow.
fn reach(tokens: &[Token], mut state: usize, states: &mut Vec<usize>) {
    while states.last().is_none_or(|last| *last < state) {
        states.push(state);
        match tokens.get(state) {
            Some(Token::Any | Token::AnyInPart) => state += 1,
            Some(Token::Char(_)) | None => return,
        }
    }
}

enum Token {
    Char(char),
    AnyInPart,
    Any,
}

fn tokens(pattern: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        tokens.push(match c {
            '*' if chars.next_if_eq(&'*').is_some() => Token::Any,
            '*' => Token::AnyInPart,
            other => Token::Char(other),
        });
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::What;

    #[test]
    fn patterns_match_whole_paths() {
        let cases = [
            ("/a", "/a", true),
            ("/a", "/ab", false),
            ("/a", "/b/a", false),
            ("/a/*", "/a/b", true),
            ("/a/*", "/a/b/c", false),
            ("/a/*", "/a/", true),
            ("/a/**", "/a/b/c", true),
            ("/a/**", "/ab", false),
            ("/**/x.pyc", "/a/b/x.pyc", true),
            ("/**/x.pyc", "/x.pyc", false),
            ("/*.log", "/a.log", true),
            ("/*.log", "/a.log.1", false),
            ("/*a*b*", "/xxaxxbxx", true),
            ("**", "/anything/at/all", true),
            ("", "/a", false),
            ("/a.c", "/abc", false),
        ];
        for (pattern, path, want) in cases {
            assert_eq!(matches(pattern, path), want, "{pattern} {path}");
        }
        let hard = "*a".repeat(50);
        assert!(!matches(&hard, &"a".repeat(49)));
    }

    /// Every way to let the first token match, one after the other: slow, and plainly what a pattern means.
    fn matches_plainly(tokens: &[Token], path: &[char]) -> bool {
        match (tokens.split_first(), path.split_first()) {
            (None, rest) => rest.is_none(),
            (Some((Token::Char(wanted), tokens)), Some((found, path))) => {
                wanted == found && matches_plainly(tokens, path)
            }
            (Some((Token::Char(_), _)), None) => false,
            (Some((star, behind)), rest) => {
                let more = |(found, path): (&char, &[char])| {
                    (matches!(star, Token::Any) || *found != '/') && matches_plainly(tokens, path)
                };
                matches_plainly(behind, path) || rest.is_some_and(more)
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn patterns_mean_what_they_say(pattern in "[ab/*é]{0,8}", path in "[ab/é]{0,10}") {
            let path_chars: Vec<char> = path.chars().collect();
            let want = matches_plainly(&tokens(&pattern), &path_chars);
            proptest::prop_assert_eq!(matches(&pattern, &path), want, "{} {}", pattern, path);
        }
    }

    #[test]
    fn h65_paths_that_a_pattern_is_not_about_cost_nothing() {
        let deep = |name: &str| format!("/srv{}/{name}", "/a".repeat(1000));
        for (pattern, path, most) in [
            ("/var/**", deep("x.log"), 0),
            ("/**.log", deep("x.txt"), 0),
            ("/srv/*/x.log", deep("x.log"), 6),
            // One state for the stars and one for what stands behind them, at most.
            ("/srv/**/x/**/y/**", deep("x.log"), 3 * 2010),
        ] {
            let mut steps = 0;
            let _ = matches_in(pattern, &path, &mut steps);
            assert!(steps <= most, "{pattern}: {steps}");
        }
    }

    #[test]
    fn only_what_can_be_a_path_is_a_pattern() {
        let long = format!("/{}", "a".repeat(MAX_PATTERN_BYTES));
        for good in ["/a", "/**", "/var/log/*.log", "/a b", &long[..MAX_PATTERN_BYTES]] {
            assert!(good.parse::<PathPattern>().is_ok(), "{good}");
        }
        for bad in ["", "a", "**", "./a", "/a\nb", "/\u{1b}[2J", &long] {
            assert!(bad.parse::<PathPattern>().is_err(), "{bad}");
        }
        let any = |text: &str| text.parse::<PathPattern>().unwrap().is_any();
        assert!(any("/**") && any("/*/**") && any("/") && !any("/**/x.pyc"));
    }

    #[test]
    fn the_last_day_counts_to_its_end() {
        let allowance = Allowance {
            class: AllowedClass::Cache,
            pattern: "/var/log/**".parse().unwrap(),
            reason: "r".to_owned(),
            owner: "o".to_owned(),
            expires: "2026-11-25".parse().unwrap(),
        };
        let live = |now: &str| allowance.is_live(now.parse().unwrap());
        assert!(live("2026-11-25T23:59:59.9Z") && !live("2026-11-26T00:00:00Z"));
        assert_eq!(allowance.to_string(), "allow cache /var/log/** by o, until 2026-11-25");
    }
    #[test]
    fn entries_that_differ_in_their_reasons_alone_are_one_in_reports() {
        let allowance = |reason: &str, owner: &str| Allowance {
            class: AllowedClass::Cache,
            pattern: "/var/log/**".parse().unwrap(),
            reason: reason.to_owned(),
            owner: owner.to_owned(),
            expires: "2026-11-25".parse().unwrap(),
        };
        let place = Place::Entry { layer: 0, path: "/var/log/a".to_owned() };
        let mut difference = Difference::new(place, Class::Cache, What::Content);
        difference.may_be_allowed = true;
        explain(&mut difference, &[allowance("a", "o"), allowance("b", "o")]);
        let text = difference.explained_by.as_ref().map(ToString::to_string);
        assert_eq!(text.as_deref(), Some("allow cache /var/log/** by o, until 2026-11-25"));
        let uses = |of: Allowance| of.uses(std::slice::from_ref(&difference));
        assert_eq!((uses(allowance("b", "o")), uses(allowance("a", "p"))), (1, 0));
    }
}
