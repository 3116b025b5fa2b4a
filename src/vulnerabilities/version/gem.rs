//! `Gem::Version`: runs of digits and of letters; a version with letters is a pre-release.

use std::cmp::Ordering;

use super::digits;

pub(super) fn compare(a: &str, b: &str) -> Option<Ordering> {
    let (a, b) = (segments(a)?, segments(b)?);
    let at = |list: &[String], index: usize| {
        list.get(index).map_or_else(|| "0".to_owned(), String::clone)
    };
    let orders = (0..a.len().max(b.len())).map(|index| {
        let (a, b) = (at(&a, index), at(&b, index));
        match (digits::is_number(&a), digits::is_number(&b)) {
            (true, true) => digits::compare(&a, &b),
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) => a.cmp(&b),
        }
    });
    Some(orders.into_iter().find(|order| order.is_ne()).unwrap_or(Ordering::Equal))
}

/// The segments; zeros before the first letters and at the end do not count.
fn segments(text: &str) -> Option<Vec<String>> {
    let text = text.trim().replace('-', ".pre.");
    let valid = text.starts_with(|c: char| c.is_ascii_digit())
        && text
            .split('.')
            .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric()));
    if !valid {
        return None;
    }
    let mut segments: Vec<String> = Vec::new();
    let mut last = None;
    for c in text.chars() {
        let kind = if c == '.' { None } else { Some(c.is_ascii_digit()) };
        match (kind, segments.last_mut()) {
            (None, _) => {}
            (Some(_), Some(segment)) if kind == last => segment.push(c),
            (Some(_), _) => segments.push(c.to_string()),
        }
        last = kind;
    }
    let letters = segments.iter().position(|segment| !digits::is_number(segment));
    let (before, after) = segments.split_at(letters.unwrap_or(segments.len()));
    Some([before, after].into_iter().flat_map(without_zeros).cloned().collect())
}

fn without_zeros(mut list: &[String]) -> &[String] {
    while let Some((last, rest)) = list.split_last()
        && last.bytes().all(|byte| byte == b'0')
    {
        list = rest;
    }
    list
}
