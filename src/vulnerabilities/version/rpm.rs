//! rpm-version(7): `[epoch:]version[-release]`.

use std::cmp::Ordering;

use super::digits;

pub(super) fn compare(a: &str, b: &str) -> Option<Ordering> {
    let ((epoch_a, version_a, release_a), (epoch_b, version_b, release_b)) = (parse(a)?, parse(b)?);
    let order = digits::compare(epoch_a, epoch_b).then_with(|| segments(version_a, version_b));
    Some(order.then_with(|| segments(release_a, release_b)))
}

/// Epoch, version and release.
fn parse(text: &str) -> Option<(&str, &str, &str)> {
    let (epoch, rest) = text.split_once(':').unwrap_or(("0", text));
    let (version, release) = rest.rsplit_once('-').unwrap_or((rest, ""));
    let epoch = if epoch.is_empty() || epoch == "(none)" { "0" } else { epoch };
    let valid = digits::is_number(epoch)
        && !version.is_empty()
        && rest.bytes().all(|b| b.is_ascii_graphic());
    valid.then_some((epoch, version, release))
}

/// Runs of letters and runs of digits, in turns; what separates them does not count, but for `~` (before the end) and
/// `^` (after the end, before anything else).
fn segments(mut a: &str, mut b: &str) -> Ordering {
    loop {
        (a, b) = (significant(a), significant(b));
        for (mark, other) in [('~', Ordering::Less), ('^', Ordering::Greater)] {
            match (a.strip_prefix(mark), b.strip_prefix(mark)) {
                (Some(rest_a), Some(rest_b)) => {
                    return segments(rest_a, rest_b);
                }
                (Some(_), None) => {
                    return if mark == '^' && !b.is_empty() { Ordering::Less } else { other };
                }
                (None, Some(_)) => {
                    let order = other.reverse();
                    return if mark == '^' && !a.is_empty() { Ordering::Greater } else { order };
                }
                (None, None) => {}
            }
        }
        if a.is_empty() || b.is_empty() {
            return a.len().cmp(&b.len());
        }
        let ((run_a, rest_a), (run_b, rest_b)) = (run(a), run(b));
        let order = match (digits::is_number(run_a), digits::is_number(run_b)) {
            (true, true) => digits::compare(run_a, run_b),
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) => run_a.cmp(run_b),
        };
        if order.is_ne() {
            return order;
        }
        (a, b) = (rest_a, rest_b);
    }
}

fn significant(text: &str) -> &str {
    text.trim_start_matches(|c: char| !c.is_ascii_alphanumeric() && c != '~' && c != '^')
}

/// The run of digits or of letters at the start, and the rest.
fn run(text: &str) -> (&str, &str) {
    let first_is_digit = text.starts_with(|c: char| c.is_ascii_digit());
    let of_run = |c: char| match first_is_digit {
        true => c.is_ascii_digit(),
        false => c.is_ascii_alphabetic(),
    };
    let end = text.find(|c: char| !of_run(c)).unwrap_or(text.len());
    text.split_at(end)
}
