//! Patterns that say which images a trust rule speaks about.
//!
//! Turns `registry.example/team/*` into an [`ImagePattern`] and matches it against a location as hallmark writes it:
//! `registry/repository`, `oci:DIR`, `oci-archive:FILE` or `docker-archive:FILE`. Between slashes, `*` is exactly one segment
//! and `**` one or more; both stand alone in their segment, and a pattern matches from end to end (attack B8: no
//! substrings, no unanchored expressions). The registry is canonical, as it is in references, so that `index.docker.io/nginx` and
//! `docker.io/library/nginx` are one pattern; what could match no reference at all is refused (attack H20).
//!
//! `**` by itself means every image. It is allowed without the word `unsafe`: it widens the images that a signer's word is
//! asked for, never whose word counts. A path segment `..` matches no wildcard, so that `oci:/trusted/**` does not speak about
//! `/trusted/../elsewhere`; only the bare `**` does.

use std::{fmt, str::FromStr};

use crate::reference::{self, Location, ReferenceError};

/// Prefixes of locations that are paths, not repositories.
const PATHS: [&str; 3] = ["oci:", "oci-archive:", "docker-archive:"];

/// Segments of patterns that are held against each other.
const MOST_COMPARED_SEGMENTS: usize = 256;

/// Which images a rule speaks about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ImagePattern(String);

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Empty, or empty between two slashes.
    #[error("image pattern {0:?} is empty, or has an empty segment")]
    Empty(String),
    /// A wildcard beside other characters.
    #[error("image pattern {0:?}: * and ** stand for whole segments between slashes")]
    Wildcard(String),
    /// It names no registry and can therefore match no repository.
    #[error(
        "image pattern {0:?} names no registry; expected for example registry.example/team/app, \
         docker.io/library/nginx, oci:DIR or **"
    )]
    NoRegistry(String),
    /// A tag or digest, which no rule can depend on.
    #[error("image pattern {0:?} has a tag or digest; rules speak about repositories")]
    Tag(String),
    /// A part that no repository has.
    #[error("image pattern {pattern:?} can match nothing: {error}")]
    Dead {
        /// The pattern.
        pattern: String,
        /// Which part, and why.
        error: ReferenceError,
    },
}

impl ImagePattern {
    /// Whether the pattern speaks about images at this location.
    pub fn matches(&self, location: &Location) -> bool {
        self.matches_written(&location.to_string())
    }

    /// Whether some location may match both patterns. Patterns of too many segments may.
    pub fn may_overlap(&self, other: &Self) -> bool {
        let (a, b): (Vec<&str>, Vec<&str>) =
            (self.0.split('/').collect(), other.0.split('/').collect());
        let long = a.len().max(b.len()) > MOST_COMPARED_SEGMENTS;
        long || a == ["**"] || b == ["**"] || segments_overlap(&a, &b)
    }

    /// As [`ImagePattern::matches`], for a location as hallmark writes it.
    pub fn matches_written(&self, location: &str) -> bool {
        let segments: Vec<&str> = location.split('/').collect();
        let pattern: Vec<&str> = self.0.split('/').collect();
        pattern == ["**"] || segments_match(&pattern, &segments)
    }
}

/// Whether a list of segments matches both patterns: `reach[i][j]` says so of their ends from `i` and `j`.
fn segments_overlap(a: &[&str], b: &[&str]) -> bool {
    let mut reach = vec![vec![false; b.len() + 1]; a.len() + 1];
    let at = |reach: &[Vec<bool>], i: usize, j: usize| {
        reach.get(i).and_then(|row| row.get(j)).copied().unwrap_or_default()
    };
    for (i, left) in a.iter().enumerate().rev() {
        for (j, right) in b.iter().enumerate().rev() {
            let ends = (i + 1 == a.len()) && (j + 1 == b.len());
            let same = left == right || left.starts_with('*') || right.starts_with('*');
            let rest = ends
                || at(&reach, i + 1, j + 1)
                || *left == "**" && at(&reach, i, j + 1)
                || *right == "**" && at(&reach, i + 1, j);
            if let Some(cell) = reach.get_mut(i).and_then(|row| row.get_mut(j)) {
                *cell = same && rest;
            }
        }
    }
    at(&reach, 0, 0)
}

/// Matches segment lists. One step of `**` is remembered, as in matching globs, so that time is at most the product of
/// the lengths, whatever the pattern.
fn segments_match(pattern: &[&str], segments: &[&str]) -> bool {
    let (mut p, mut s) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while let Some(segment) = segments.get(s) {
        match pattern.get(p) {
            Some(&"**") if *segment != ".." => {
                (p, s) = (p + 1, s + 1);
                retry = Some((p, s));
            }
            Some(&"*") if *segment != ".." => (p, s) = (p + 1, s + 1),
            Some(word) if !word.starts_with('*') && word == segment => (p, s) = (p + 1, s + 1),
            // Let the last `**` take one segment more.
            _ => match retry {
                Some((after, next)) if segments.get(next).is_some_and(|word| *word != "..") => {
                    (p, s) = (after, next + 1);
                    retry = Some((after, next + 1));
                }
                _ => return false,
            },
        }
    }
    p == pattern.len()
}

impl fmt::Display for ImagePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ImagePattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let shown = || text.chars().take(120).collect::<String>();
        let is_path = PATHS.iter().any(|prefix| text.starts_with(prefix));
        let rooted = PATHS.iter().find_map(|prefix| text.strip_prefix(prefix)).unwrap_or(text);
        // An absolute path begins with a slash, which is the one empty segment that means something.
        let rooted = rooted.strip_prefix('/').filter(|_| is_path).unwrap_or(rooted);
        if rooted.split('/').any(str::is_empty) {
            return Err(PatternError::Empty(shown()));
        }
        if rooted.split('/').any(|s| s.contains('*') && !["*", "**"].contains(&s)) {
            return Err(PatternError::Wildcard(shown()));
        }
        if is_path || text == "**" {
            return Ok(Self(text.to_owned()));
        }
        if text.split_once('/').is_some_and(|(_, path)| path.contains([':', '@'])) {
            return Err(PatternError::Tag(shown()));
        }
        match reference::canonical_pattern(text) {
            Ok(Some(pattern)) => Ok(Self(pattern)),
            Ok(None) => Err(PatternError::NoRegistry(shown())),
            Err(error) => Err(PatternError::Dead { pattern: shown(), error }),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::reference::Reference;

    fn location(text: &str) -> Location {
        match text.parse() {
            Ok(Reference::At(location, _)) => location,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn b8_patterns_match_whole_segments_from_end_to_end() {
        let cases = [
            ("r.example/app", "r.example/app", true),
            ("r.example/app", "r.example/app2", false),
            ("r.example/app", "x.r.example/app", false),
            ("r.example/app", "r.example/app/sub", false),
            ("r.example/app", "r.example:5000/app", false),
            ("r.example:5000/app", "r.example:5000/app", true),
            ("r.example/*", "r.example/app", true),
            ("r.example/*", "r.example/team/app", false),
            ("r.example/*/app", "r.example/team/app", true),
            ("r.example/*/app", "r.example/app", false),
            ("r.example/**", "r.example/app", true),
            ("r.example/**", "r.example/a/b/c", true),
            ("r.example/**", "r.example.evil.example/a", false),
            ("r.example/team/**", "r.example/team", false),
            ("r.example/**/app", "r.example/a/b/app", true),
            ("r.example/**/app", "r.example/app/b", false),
            ("r.example/**/app", "r.example/app/app", true),
            ("r.example/**/a/**/b", "r.example/x/a/a/y/b/b", true),
            ("r.example/**/a/**/b", "r.example/x/a/b", false),
            ("**/app", "r.example/app", true),
            ("**", "r.example/app", true),
            ("**", "oci:/a/../x", true),
            ("docker.io/library/nginx", "nginx", true),
            ("docker.io/nginx", "nginx", true),
            ("index.docker.io/nginx", "docker.io/library/nginx", true),
            ("index.docker.io/**", "team/app", true),
            ("docker.io/*", "nginx", true),
            ("docker.io/*", "team/app", false),
            ("docker.io/**", "nginx", true),
            ("LOCALHOST:034088/*", "localhost:34088/x", true),
            ("r.example:443/*", "r.example/x", true),
            ("r.example/*", "R.EXAMPLE:0443/x", true),
            ("[::0001]:5000/*", "[::1]:5000/x", true),
            ("oci:/images/*", "oci:/images/app", true),
            ("oci:/images/*", "oci:/images/..", false),
            ("oci:/images/*/etc", "oci:/images/../etc", false),
            ("oci:/images/../etc", "oci:/images/../etc", true),
            ("oci:/images/**", "oci:/images/../etc/app", false),
            ("oci:/images/**", "oci:/images/a/../../etc", false),
            ("oci:/images/**", "oci-archive:/images/app.tar", false),
            ("oci:images", "oci:images", true),
        ];
        for (pattern, image, matches) in cases {
            let parsed: ImagePattern = pattern.parse().unwrap();
            assert_eq!(parsed.matches(&location(image)), matches, "{pattern} on {image}");
        }
    }

    #[test]
    fn refuses_patterns_that_cannot_mean_what_they_seem_to() {
        for (text, wanted) in [
            ("", "empty"),
            ("r.example//app", "empty"),
            ("r.example/", "empty"),
            ("/app", "empty"),
            ("oci:", "empty"),
            ("r.example/app*", "whole segments"),
            ("*.example/app", "whole segments"),
            ("r.example/***", "whole segments"),
            ("nginx", "names no registry"),
            ("*", "names no registry"),
            ("library/nginx", "names no registry"),
            ("team/*", "names no registry"),
            ("r.example/App", "lower-case"),
            ("r.example/../x", "lower-case"),
            ("*/App", "lower-case"),
            ("DOCKER.IO/nginx", "docker.io, in exactly this form"),
            ("127.1/x", "IPv4"),
            ("r_x.example/x", "a host name"),
            ("r.example/app:latest", "tag or digest"),
            ("r.example/app@sha256:00", "tag or digest"),
        ] {
            let error = text.parse::<ImagePattern>().expect_err(text).to_string();
            assert!(error.contains(wanted), "{text}: {error}");
        }
    }

    /// The slow and plain way to say the same.
    fn slowly(pattern: &[&str], segments: &[&str]) -> bool {
        match (pattern, segments) {
            ([], []) => true,
            ([], _) | (_, []) => false,
            (["**", rest @ ..], [_, tail @ ..]) => slowly(rest, tail) || slowly(pattern, tail),
            (["*", rest @ ..], [_, tail @ ..]) => slowly(rest, tail),
            ([word, rest @ ..], [segment, tail @ ..]) => word == segment && slowly(rest, tail),
        }
    }

    #[test]
    fn patterns_overlap_where_an_image_matches_both() {
        for (a, b, want) in [
            ("r.example/app", "r.example/app", true),
            ("r.example/app", "r.example/other", false),
            ("r.example/*", "r.example/app", true),
            ("r.example/*", "r.example/team/app", false),
            ("r.example/**", "r.example/team/app", true),
            ("r.example/**", "**/app", true),
            ("r.example/team/**", "r.example/*/app", true),
            ("r.example/team/*", "r.example/*/app/**", false),
            ("*/app", "r.example/**", true),
            ("**", "oci:/x", true),
            ("docker.io/**", "r.example/**", false),
            ("**/a/**", "**/b/**", true),
        ] {
            let (a, b): (ImagePattern, ImagePattern) = (a.parse().unwrap(), b.parse().unwrap());
            assert_eq!((a.may_overlap(&b), b.may_overlap(&a)), (want, want), "{a} and {b}");
        }
    }

    /// What is too long to be compared may overlap; what is as long as it may be is compared.
    #[test]
    fn long_patterns_are_compared_up_to_a_number_of_segments() {
        let long = |registry: &str, segments: usize| -> ImagePattern {
            format!("{registry}{}", "/a".repeat(segments - 1)).parse().unwrap()
        };
        let most = MOST_COMPARED_SEGMENTS;
        for (a, b, want) in [(most, most, false), (most + 1, 2, true), (2, most + 1, true)] {
            let overlap = long("r.example", a).may_overlap(&long("s.example", b));
            assert_eq!(overlap, want, "{a} and {b} segments");
        }
    }

    proptest! {
        #[test]
        fn what_matches_both_is_an_overlap(
            a in proptest::collection::vec(prop_oneof!["a", "b", Just("*".into()), Just("**".into())], 1..5),
            b in proptest::collection::vec(prop_oneof!["a", "b", Just("*".into()), Just("**".into())], 1..5),
        ) {
            let a: Vec<&str> = a.iter().map(String::as_str).collect();
            let b: Vec<&str> = b.iter().map(String::as_str).collect();
            // Shortest common matches have no more segments than both patterns together.
            let all = (1..=a.len() + b.len()).any(|length| {
                (0..1_u32 << length).any(|bits| {
                    let text = |n| if bits >> n & 1 == 0 { "a" } else { "b" };
                    let segments: Vec<&str> = (0..length).map(text).collect();
                    segments_match(&a, &segments) && segments_match(&b, &segments)
                })
            });
            prop_assert_eq!(segments_overlap(&a, &b), all);
        }

        #[test]
        fn agrees_with_the_plain_definition(
            pattern in proptest::collection::vec(prop_oneof!["a", "b", Just("*".into()), Just("**".into())], 1..6),
            segments in proptest::collection::vec("[ab]", 1..8),
        ) {
            let pattern: Vec<&str> = pattern.iter().map(String::as_str).collect();
            let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
            prop_assert_eq!(segments_match(&pattern, &segments), slowly(&pattern, &segments));
        }

        #[test]
        fn never_panics(text in ".{0,60}") {
            let _ = text.parse::<ImagePattern>();
        }
    }
}
