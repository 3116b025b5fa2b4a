//! `--as-of DATE`: the time that an image is judged by, instead of the clock's.

use jiff::{Timestamp, civil::Date, tz::TimeZone};

/// Years that rules can reckon with: OPA counts nanoseconds since 1970 in 64 bits.
const YEARS: std::ops::RangeInclusive<i16> = 1970..=2261;

/// Reads a day, which begins at midnight in UTC, or a time of RFC 3339.
///
/// # Errors
/// It is neither, or too far away.
pub(super) fn as_of(text: &str) -> Result<Timestamp, String> {
    const WANTED: &str =
        "expected a day, as 2026-12-24, or a time of RFC 3339, as 2026-12-24T18:00:00Z";
    let day = || text.parse::<Date>().ok().filter(|day| day.to_string() == text);
    let time = match day() {
        Some(day) => day.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp()),
        None => text.parse::<Timestamp>().ok(),
    };
    let time = time.ok_or(WANTED)?;
    match YEARS.contains(&time.to_zoned(TimeZone::UTC).year()) {
        true => Ok(time),
        false => Err(format!("expected a year from {} to {}", YEARS.start(), YEARS.end())),
    }
}

#[cfg(test)]
mod tests {
    use super::as_of;

    #[test]
    fn a_day_begins_at_midnight_in_utc() {
        let cases = [
            ("2026-12-24", Ok("2026-12-24T00:00:00Z")),
            ("2026-12-24T18:00:00Z", Ok("2026-12-24T18:00:00Z")),
            ("2026-12-24T18:00:00.5+01:00", Ok("2026-12-24T17:00:00.5Z")),
            ("1970-01-01", Ok("1970-01-01T00:00:00Z")),
            ("1969-12-31", Err("from 1970 to 2261")),
            ("2262-01-01", Err("from 1970 to 2261")),
            ("2026-12-24T18:00:00", Err("expected a day")),
            ("24.12.2026", Err("expected a day")),
            ("tomorrow", Err("expected a day")),
            ("", Err("expected a day")),
        ];
        for (text, want) in cases {
            match (as_of(text), want) {
                (Ok(time), Ok(want)) => assert_eq!(time.to_string(), want, "{text}"),
                (Err(why), Err(want)) => assert!(why.contains(want), "{text}: {why}"),
                (read, _) => panic!("{text}: {read:?}"),
            }
        }
    }
}
