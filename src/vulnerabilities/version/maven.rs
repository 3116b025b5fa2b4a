//! Maven's version order specification (the POM reference): tokens between dots, hyphens and changes from digits to
//! letters.

use std::cmp::Ordering;

use super::digits;

/// Words before a plain version and after it; all others come last, in their alphabetical order.
const WORDS: [&str; 7] = ["alpha", "beta", "milestone", "rc", "snapshot", "", "sp"];

/// A token and what stands before it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Token {
    hyphen: bool,
    text: String,
}

pub(super) fn compare(a: &str, b: &str) -> Option<Ordering> {
    let (a, b) = (trimmed(tokens(a)?), trimmed(tokens(b)?));
    // The shorter one is padded with nothing, in the form of the other's token.
    let padding = |other: Option<&Token>| {
        let hyphen = other.is_some_and(|token| token.hyphen);
        let number = other.is_some_and(|token| digits::is_number(&token.text));
        Token { hyphen, text: if number { "0".to_owned() } else { String::new() } }
    };
    let orders = (0..a.len().max(b.len())).map(|index| match (a.get(index), b.get(index)) {
        (Some(a), Some(b)) => order(a, b),
        (a, b) => order(
            &a.cloned().unwrap_or_else(|| padding(b)),
            &b.cloned().unwrap_or_else(|| padding(a)),
        ),
    });
    Some(orders.into_iter().find(|order| order.is_ne()).unwrap_or(Ordering::Equal))
}

fn tokens(text: &str) -> Option<Vec<Token>> {
    let text = text.trim().to_ascii_lowercase();
    let allowed = |c: char| c.is_ascii_graphic() && !matches!(c, '[' | ']' | '(' | ')' | ',');
    if text.is_empty() || !text.chars().all(allowed) {
        return None;
    }
    let mut tokens = vec![Token { hyphen: false, text: String::new() }];
    let mut last: Option<char> = None;
    for c in text.chars() {
        let change = last.is_some_and(|last| {
            !matches!(last, '.' | '-') && last.is_ascii_digit() != c.is_ascii_digit()
        });
        match c {
            '.' | '-' => tokens.push(Token { hyphen: c != '.', text: String::new() }),
            _ if change => tokens.push(Token { hyphen: true, text: c.to_string() }),
            _ => tokens.last_mut()?.text.push(c),
        }
        last = Some(c);
    }
    let following: Vec<bool> =
        tokens.iter().skip(1).map(|next| next.hyphen && digits::is_number(&next.text)).collect();
    for (index, token) in tokens.iter_mut().enumerate() {
        let numbered = following.get(index).copied().unwrap_or(false);
        token.text = normal(&token.text, numbered).to_owned();
    }
    Some(tokens)
}

/// The one spelling of a token.
fn normal(text: &str, numbered: bool) -> &str {
    match text {
        "" => "0",
        "cr" => "rc",
        "ga" | "final" | "release" => "",
        "a" if numbered => "alpha",
        "b" if numbered => "beta",
        "m" if numbered => "milestone",
        other => other,
    }
}

/// Without what says nothing at the end, and before each hyphen.
fn trimmed(tokens: Vec<Token>) -> Vec<Token> {
    let mut kept: Vec<Token> = Vec::new();
    for token in tokens {
        if token.hyphen || (!digits::is_number(&token.text) && !is_nothing(&token)) {
            while kept.len() > 1 && kept.last().is_some_and(is_nothing) {
                kept.pop();
            }
        }
        kept.push(token);
    }
    while kept.len() > 1 && kept.last().is_some_and(is_nothing) {
        kept.pop();
    }
    kept
}

fn is_nothing(token: &Token) -> bool {
    token.text.bytes().all(|byte| byte == b'0')
}

fn order(a: &Token, b: &Token) -> Ordering {
    match (digits::is_number(&a.text), digits::is_number(&b.text)) {
        // A number after a dot comes after one with a hyphen.
        (true, true) => b.hyphen.cmp(&a.hyphen).then_with(|| digits::compare(&a.text, &b.text)),
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) => rank(&a.text).cmp(&rank(&b.text)),
    }
}

fn rank(word: &str) -> (usize, &str) {
    match WORDS.iter().position(|known| *known == word) {
        Some(place) => (place, ""),
        None => (WORDS.len(), word),
    }
}
