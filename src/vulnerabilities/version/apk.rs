//! apk-package(5): `number{.number}[letter]{_suffix[number]}[~hash][-r#]`.
//!
//! A number after the letter (`1.8.1p1`) is no longer valid there; packages of older releases have it, and it is read.

use std::cmp::Ordering;

use super::digits;

/// Suffixes before a plain version, and those after it, in their order.
const BEFORE: [&str; 4] = ["alpha", "beta", "pre", "rc"];
const AFTER: [&str; 5] = ["cvs", "svn", "git", "hg", "p"];

/// A version in its parts.
struct Version<'v> {
    numbers: Vec<&'v str>,
    letter: Option<char>,
    lettered: &'v str,
    suffixes: Vec<(i32, &'v str)>,
    hash: &'v str,
    revision: &'v str,
}

pub(super) fn compare(a: &str, b: &str) -> Option<Ordering> {
    let (a, b) = (parse(a)?, parse(b)?);
    let order = numbers(&a.numbers, &b.numbers)
        .then_with(|| a.letter.cmp(&b.letter))
        .then_with(|| digits::compare(a.lettered, b.lettered));
    let order = order.then_with(|| suffixes(&a.suffixes, &b.suffixes));
    Some(
        order
            .then_with(|| a.hash.cmp(b.hash))
            .then_with(|| digits::compare(a.revision, b.revision)),
    )
}

fn parse(text: &str) -> Option<Version<'_>> {
    let (mut numbers, mut rest) = (Vec::new(), text);
    loop {
        let (number, after) = digits::split(rest);
        numbers.push(Some(number).filter(|n| !n.is_empty())?);
        match after.strip_prefix('.') {
            Some(after) => rest = after,
            None => {
                rest = after;
                break;
            }
        }
    }
    let letter = rest.chars().next().filter(char::is_ascii_lowercase);
    rest = letter.and_then(|letter| rest.strip_prefix(letter)).unwrap_or(rest);
    let (lettered, after) = if letter.is_some() { digits::split(rest) } else { ("", rest) };
    rest = after;
    let mut suffixes = Vec::new();
    while let Some(after) = rest.strip_prefix('_') {
        let (word, after) =
            after.split_at(after.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(after.len()));
        let (number, after) = digits::split(after);
        suffixes.push((weight(word)?, number));
        rest = after;
    }
    let mut hash = "";
    if let Some(after) = rest.strip_prefix('~') {
        let end = after.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(after.len());
        (hash, rest) = after.split_at(end);
    }
    let revision = match rest.strip_prefix("-r") {
        Some(revision) => Some(revision).filter(|r| digits::is_number(r))?,
        None if rest.is_empty() => "",
        None => return None,
    };
    Some(Version { numbers, letter, lettered, suffixes, hash, revision })
}

/// Where a suffix stands beside a version without one, which is 0.
fn weight(word: &str) -> Option<i32> {
    let before = BEFORE.iter().zip(-4..).find(|(known, _)| **known == word);
    let after = AFTER.iter().zip(1..).find(|(known, _)| **known == word);
    before.or(after).map(|(_, weight)| weight)
}

/// After the first one, numbers with a leading zero are compared as text, as decimals are.
fn numbers(a: &[&str], b: &[&str]) -> Ordering {
    let pairs = a.iter().zip(b).enumerate();
    let unequal = pairs.map(|(index, (a, b))| {
        match index > 0 && (a.starts_with('0') || b.starts_with('0')) {
            true => a.cmp(b),
            false => digits::compare(a, b),
        }
    });
    unequal.into_iter().find(|order| order.is_ne()).unwrap_or_else(|| a.len().cmp(&b.len()))
}

fn suffixes(a: &[(i32, &str)], b: &[(i32, &str)]) -> Ordering {
    let at = |list: &[(i32, &str)], index: usize| {
        list.get(index).map_or((0, String::new()), |(w, n)| (*w, (*n).to_owned()))
    };
    let orders = (0..a.len().max(b.len())).map(|index| {
        let (a, b) = (at(a, index), at(b, index));
        a.0.cmp(&b.0).then_with(|| digits::compare(&a.1, &b.1))
    });
    orders.into_iter().find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}
