//! How severe an advisory says that it is, in all the ways in which records say so.
//!
//! Turns a CVSS vector or a distribution's word into a [`Level`]. What is none of them is no rating; nobody's silence
//! is low.

use std::str::FromStr as _;

use super::record::{Level, Rating};

/// Bytes of one vector; CVSS 4.0 with every metric has some 200.
const VECTOR_BYTES: usize = 512;

/// The rating that a pair of type and score of the OSV schema is, if it is one.
pub(super) fn rating(kind: &str, score: &str, source: &str) -> Option<Rating> {
    let of =
        |level, tenths| Rating { level, tenths, kind: kind.to_owned(), source: source.to_owned() };
    if !kind.starts_with("CVSS") {
        return word(score).map(|level| of(level, None));
    }
    if score.len() > VECTOR_BYTES {
        return None;
    }
    let vector = cvss::Cvss::from_str(score).ok()?;
    let tenths = tenths(vector.score())?;
    Some(of(level(tenths), Some(tenths)))
}

/// The rating of a word in a record: its `urgency` or `severity`.
pub(super) fn said(text: &str, kind: &str, source: &str) -> Option<Rating> {
    let level = word(text)?;
    Some(Rating { level, tenths: None, kind: kind.to_owned(), source: source.to_owned() })
}

/// The level that a word means. Words that say that nobody has looked yet are none.
fn word(text: &str) -> Option<Level> {
    Some(match text.trim().trim_end_matches('*').to_ascii_lowercase().as_str() {
        "critical" => Level::Critical,
        "high" | "important" => Level::High,
        "medium" | "moderate" => Level::Medium,
        "low" => Level::Low,
        "negligible" | "unimportant" | "none" => Level::Negligible,
        _ => return None,
    })
}

/// A score from 0 to 10 in tenths.
fn tenths(score: f64) -> Option<u8> {
    let tenths = (score * 10.0).round();
    // 0 to 100 are exact in both types.
    (0.0..=100.0).contains(&tenths).then_some(tenths as u8)
}

/// The qualitative scale of CVSS 3 and 4, which is taken for 2 as well.
fn level(tenths: u8) -> Level {
    match tenths {
        0 => Level::Negligible,
        1..=39 => Level::Low,
        40..=69 => Level::Medium,
        70..=89 => Level::High,
        _ => Level::Critical,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratings_are_read_in_every_form() {
        let cases = [
            (
                "CVSS_V3",
                "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
                Some((Level::Critical, Some(98))),
            ),
            (
                "CVSS_V3",
                "CVSS:3.1/AV:L/AC:H/PR:L/UI:N/S:U/C:H/I:N/A:N",
                Some((Level::Medium, Some(47))),
            ),
            (
                "CVSS_V3",
                "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N",
                Some((Level::Negligible, Some(0))),
            ),
            ("CVSS_V2", "AV:N/AC:L/Au:N/C:P/I:P/A:P", Some((Level::High, Some(75)))),
            (
                "CVSS_V4",
                "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N",
                Some((Level::Critical, Some(93))),
            ),
            ("CVSS_V3", "9.8", None),
            ("CVSS_V3", "", None),
            ("Ubuntu", "negligible", Some((Level::Negligible, None))),
            ("Ubuntu", "medium", Some((Level::Medium, None))),
            ("urgency", "low**", Some((Level::Low, None))),
            ("urgency", "not yet assigned", None),
            ("urgency", "unimportant", Some((Level::Negligible, None))),
            ("severity", "MODERATE", Some((Level::Medium, None))),
            ("severity", "Important", Some((Level::High, None))),
        ];
        for (kind, score, want) in cases {
            let got = rating(kind, score, "X-1").map(|rating| (rating.level, rating.tenths));
            assert_eq!(got, want, "{kind} {score}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_rating_or_none(kind in "(CVSS_V[234]|urgency)", text in ".{0,80}") {
            let _ = rating(&kind, &text, "X-1");
        }
    }
}
