//! Sizes and times as people write them.

use std::time::Duration;

/// What [`bytes`] reads, for messages.
pub(super) const BYTES: &str = "a size above 0, such as 4096, 512KiB, 4MiB or 16GiB";
/// What [`duration`] reads, for messages.
pub(super) const DURATION: &str = "a time above 0, such as 500ms, 30s, 30m or 1h30m";

/// Bytes of `4096`, `4096B`, `512KiB`, `4MiB`, `16GiB` or `1TiB`; decimal units are not read, because `MB` has two
/// meanings in the wild.
pub(super) fn bytes(text: &str) -> Option<u64> {
    let units = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40), ("B", 1)];
    let (number, unit) = units
        .iter()
        .find_map(|(suffix, unit)| text.strip_suffix(suffix).map(|number| (number, *unit)))
        .unwrap_or((text, 1u64));
    let number = number.trim_end();
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    number.parse::<u64>().ok()?.checked_mul(unit).filter(|bytes| *bytes > 0)
}

/// A time with its unit; a number alone is refused.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let read = text.parse::<jiff::SignedDuration>().ok()?;
    Duration::try_from(read).ok().filter(|duration| !duration.is_zero())
}

/// What [`days`] reads, for messages.
pub(super) const DAYS: &str = "a number of days above 0, such as 90d";

/// A whole number of days.
pub(super) fn days(text: &str) -> Option<u32> {
    let number = text.strip_suffix('d').filter(|n| n.bytes().all(|byte| byte.is_ascii_digit()))?;
    number.parse().ok().filter(|days| *days > 0)
}

/// Bytes in the largest unit that divides them.
pub(super) fn show_bytes(bytes: u64) -> String {
    [(1u64 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")]
        .iter()
        .find(|(unit, _)| bytes > 0 && bytes.is_multiple_of(*unit))
        .map_or_else(|| format!("{bytes}B"), |(unit, name)| format!("{}{name}", bytes / unit))
}

/// A time in the largest unit that divides it.
pub(super) fn show_duration(duration: Duration) -> String {
    let ms = duration.as_millis();
    [(3_600_000, "h"), (60_000, "m"), (1000, "s")]
        .iter()
        .find(|(unit, _)| ms > 0 && ms.is_multiple_of(*unit))
        .map_or_else(|| format!("{ms}ms"), |(unit, name)| format!("{}{name}", ms / unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_days() {
        let cases = [
            ("1d", Some(1)),
            ("365d", Some(365)),
            ("0d", None),
            ("d", None),
            ("-1d", None),
            ("+1d", None),
            ("90", None),
            ("24h", None),
            ("99999999999d", None),
        ];
        for (text, want) in cases {
            assert_eq!(days(text), want, "{text}");
        }
    }

    #[test]
    fn reads_sizes() {
        let cases = [
            ("1", Some(1)),
            ("4096B", Some(4096)),
            ("512KiB", Some(512 << 10)),
            ("16 GiB", Some(16 << 30)),
            ("0", None),
            ("-1", None),
            ("4MB", None),
            ("1.5GiB", None),
            ("", None),
            ("KiB", None),
            ("16777216TiB", None),
        ];
        for (text, want) in cases {
            assert_eq!(bytes(text), want, "{text:?}");
        }
    }

    #[test]
    fn reads_times() {
        let cases = [
            ("500ms", Some(500)),
            ("9s", Some(9000)),
            ("30m", Some(1_800_000)),
            ("1h30m", Some(5_400_000)),
            ("0s", None),
            ("-5s", None),
            ("30", None),
            ("soon", None),
            ("", None),
        ];
        for (text, want) in cases {
            assert_eq!(duration(text), want.map(Duration::from_millis), "{text:?}");
        }
    }

    #[test]
    fn what_is_shown_reads_back() {
        for value in [1, 1023, 1024, 7 << 20, 16 << 30, 3 << 40] {
            assert_eq!(bytes(&show_bytes(value)), Some(value));
        }
        for ms in [1, 999, 1000, 60_000, 90_000, 1_800_000] {
            let time = Duration::from_millis(ms);
            assert_eq!(duration(&show_duration(time)), Some(time));
        }
    }
}
