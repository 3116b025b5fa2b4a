//! Composer's versions: up to four numbers, then words as PHP's `version_compare` orders them.

use std::cmp::Ordering;

use super::digits;

pub(super) fn compare(a: &str, b: &str) -> Option<Ordering> {
    let (a, b) = (parse(a)?, parse(b)?);
    // A part that is missing is the end of the version, which comes after `rc` and before `p`.
    let at =
        |list: &[Part], index: usize| list.get(index).cloned().unwrap_or(Part::Word(weight("")));
    let orders = (0..a.len().max(b.len())).map(|i| at(&a, i).order(&at(&b, i)));
    Some(orders.into_iter().find(|order| order.is_ne()).unwrap_or(Ordering::Equal))
}

#[derive(Debug, Clone)]
enum Part {
    Number(String),
    Word(u8),
}

impl Part {
    fn order(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => digits::compare(a, b),
            (Self::Number(_), Self::Word(word)) => weight("").cmp(word).then(Ordering::Greater),
            (Self::Word(word), Self::Number(_)) => word.cmp(&weight("")).then(Ordering::Less),
            (Self::Word(a), Self::Word(b)) => a.cmp(b),
        }
    }
}

/// Where a word stands; words that PHP does not know come first.
fn weight(word: &str) -> u8 {
    match word {
        "dev" => 1,
        "alpha" | "a" => 2,
        "beta" | "b" => 3,
        "rc" => 4,
        "" => 5,
        "p" | "pl" | "patch" => 6,
        _ => 0,
    }
}

/// The numbers, made four, and what comes after them. Branches (`dev-main`) have no order.
fn parse(text: &str) -> Option<Vec<Part>> {
    let text = text.trim().to_ascii_lowercase();
    let text = text.strip_prefix('v').unwrap_or(&text);
    let text = text.split_once('+').map_or(text, |(version, _)| version);
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if !text.starts_with(|c: char| c.is_ascii_digit()) || !text.chars().all(allowed) {
        return None;
    }
    let mut parts = runs(text);
    let numbers = parts.iter().take_while(|part| matches!(part, Part::Number(_))).count();
    for _ in numbers..4 {
        parts.insert(numbers, Part::Number("0".to_owned()));
    }
    Some(parts)
}

fn runs(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    for part in text.split(['.', '-', '_']) {
        let mut rest = part;
        while !rest.is_empty() {
            let (number, after) = digits::split(rest);
            if !number.is_empty() {
                parts.push(Part::Number(number.to_owned()));
            }
            let (word, after) =
                after.split_at(after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len()));
            // `stable` says nothing.
            if !word.is_empty() && word != "stable" {
                parts.push(Part::Word(weight(word)));
            }
            rest = after;
        }
    }
    parts
}
