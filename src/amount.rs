//! Amounts in words: counts with their nouns, and bytes in the unit that fits.
//!
//! Every report counts by [`plural`] and writes sizes by [`bytes`], so that nothing is `1 packages` or `0 MiB`.

/// A number with its noun, of which the last word is counted: `1 package`, `2 packages`, `0 advisories`.
pub fn plural(count: impl TryInto<u64>, noun: &str) -> String {
    let count = count.try_into().unwrap_or(u64::MAX);
    if count == 1 {
        return format!("{count} {noun}");
    }
    let consonant = |stem: &&str| !stem.ends_with(['a', 'e', 'i', 'o', 'u']);
    match noun.strip_suffix('y').filter(consonant) {
        Some(stem) => format!("{count} {stem}ies"),
        None => format!("{count} {noun}s"),
    }
}

/// Bytes in the largest unit of which there is one or more once it is rounded, with a digit behind the point: `512 B`, `1.5 KiB`,
/// `3.0 GiB`.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    // Rounded once, from the bytes: to round what is rounded already goes astray.
    let tenths_of = |size: u128| (u128::from(count) * 10 + size / 2) / size;
    let (mut size, mut unit) = (1024, 0);
    while tenths_of(size) >= 10 * 1024 && unit + 1 < UNITS.len() {
        size *= 1024;
        unit += 1;
    }
    let (tenths, unit) = (tenths_of(size), UNITS.get(unit).copied().unwrap_or_default());
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_one() {
        let cases = [
            (0_u64, "package", "0 packages"),
            (1, "package", "1 package"),
            (2, "package", "2 packages"),
            (1, "more advisory", "1 more advisory"),
            (2, "more advisory", "2 more advisories"),
            (0, "key", "0 keys"),
            (3, "day", "3 days"),
        ];
        for (count, noun, want) in cases {
            assert_eq!(plural(count, noun), want);
        }
    }

    #[test]
    fn sizes_have_the_unit_that_fits() {
        let cases = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (1996, "1.9 KiB"),
            (1997, "2.0 KiB"),
            (1_048_524, "1023.9 KiB"),
            ((1 << 20) - 1, "1.0 MiB"),
            (1 << 20, "1.0 MiB"),
            (5 << 20, "5.0 MiB"),
            (1 << 40, "1.0 TiB"),
            (u64::MAX, "16384.0 PiB"),
        ];
        for (count, want) in cases {
            assert_eq!(bytes(count), want);
        }
    }
}
