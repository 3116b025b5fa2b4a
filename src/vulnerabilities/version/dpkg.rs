//! deb-version(7): `[epoch:]upstream-version[-debian-revision]`.
//!
//! Refuses an upstream version that does not begin with a digit, as dpkg does: a letter there is behind every number, so that `v1` would
//! be a fix of everything.

use std::cmp::Ordering;

use super::digits;

/// A version in its parts.
struct Version<'v> {
    epoch: &'v str,
    upstream: &'v str,
    revision: &'v str,
}

pub(super) fn compare(a: &str, b: &str) -> Option<Ordering> {
    let (a, b) = (parse(a)?, parse(b)?);
    let order = digits::compare(a.epoch, b.epoch);
    Some(
        order.then_with(|| part(a.upstream, b.upstream)).then_with(|| part(a.revision, b.revision)),
    )
}

fn parse(text: &str) -> Option<Version<'_>> {
    let (epoch, rest) = text.split_once(':').unwrap_or(("0", text));
    // An absent revision sorts as `0` does, which `part` gives an empty text too.
    let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '+' | '~' | '-' | ':');
    let begins = upstream.starts_with(|c: char| c.is_ascii_digit());
    let valid = digits::is_number(epoch) && begins && rest.chars().all(allowed);
    valid.then_some(Version { epoch, upstream, revision })
}

/// Runs of other characters and runs of digits, in turns.
fn part(mut a: &str, mut b: &str) -> Ordering {
    while !a.is_empty() || !b.is_empty() {
        let ((words_a, rest_a), (words_b, rest_b)) = (words(a), words(b));
        let ((number_a, rest_a), (number_b, rest_b)) =
            (digits::split(rest_a), digits::split(rest_b));
        let order = characters(words_a, words_b).then_with(|| digits::compare(number_a, number_b));
        if order.is_ne() {
            return order;
        }
        (a, b) = (rest_a, rest_b);
    }
    Ordering::Equal
}

/// What stands before the first digit, and the rest.
fn words(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| c.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(end)
}

/// A tilde is before the end, the end before letters, letters before everything else.
fn characters(a: &str, b: &str) -> Ordering {
    let weight = |byte: u8| match byte {
        b'~' => -1,
        _ if byte.is_ascii_alphabetic() => i32::from(byte),
        _ => i32::from(byte) + 256,
    };
    let padded = |text: &str, index: usize| text.as_bytes().get(index).map_or(0, |b| weight(*b));
    let orders = (0..a.len().max(b.len())).map(|i| padded(a, i).cmp(&padded(b, i)));
    orders.into_iter().find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}
