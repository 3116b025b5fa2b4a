//! Numbers of any length, as digits: no version overflows.

use std::cmp::Ordering;

/// The order of two runs of ASCII digits as numbers; an empty run is 0.
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

/// Whether `text` has digits and nothing else.
pub(super) fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The digits at the start of `text`, and the rest.
pub(super) fn split(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(end)
}

/// Numbers with dots or hyphens between them; the shorter list is less where it is the start of the longer.
pub(super) fn compare_lists(a: &str, b: &str) -> Option<Ordering> {
    let (a, b) = (list(a)?, list(b)?);
    let unequal = a.iter().zip(&b).map(|(a, b)| compare(a, b)).find(|order| order.is_ne());
    Some(unequal.unwrap_or_else(|| a.len().cmp(&b.len())))
}

fn list(text: &str) -> Option<Vec<&str>> {
    let parts: Vec<&str> = text.split(['.', '-']).collect();
    parts.iter().all(|part| is_number(part)).then_some(parts)
}
