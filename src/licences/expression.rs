//! A licence as an expression: from words to terms, and to the choices that it leaves.
//!
//! Names may have several words, so a text is first taken for one name, then cut at operators and parentheses into names. Each name
//! becomes an identifier or a term that says that it is not known; the crate `spdx` reads what comes out, with its precedence of
//! operators. The choices are the ways to comply: of `A AND (B OR C)` these are A with B, and A with C.

use std::collections::BTreeSet;

use spdx::expression::{ExprNode, Operator};

use super::names;
use crate::untrusted::{clean, misleads};

/// Bytes of one licence.
const TEXT_BYTES: usize = 4096;
/// Names in one licence.
const TERMS: usize = 128;
/// Choices that one leaves; `(A OR B) AND (C OR D) …` doubles them each time.
const CHOICES: usize = 64;
/// How a term begins that stands for a name that is not known.
const UNKNOWN: &str = "LicenseRef-unknown-";

/// Words that say that nothing is said (SPDX 2.3, section 7.13).
const NOTHING: [&str; 9] = [
    "",
    "noassertion",
    "none",
    "unknown",
    "n/a",
    "see license in license",
    "see license file",
    "other",
    "various",
];

/// Why a licence is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Nothing is said.
    #[error("no licence is said")]
    Nothing,
    /// No way to comply consists of known licences alone.
    #[error("it names no licence that is known: {0}")]
    Name(String),
    /// No expression.
    #[error("it is no licence expression")]
    Form,
    /// More than is read.
    #[error("it is longer than licence expressions are, or leaves more choices than are looked at")]
    TooMuch,
    /// A text, and none of a licence that is known.
    #[error("its text is that of no licence that is known")]
    Text,
    /// A text that does not say all.
    #[error("it is the text of {0}, which leaves open whether later versions may be chosen")]
    Later(&'static str),
    /// Several texts: the expression of each, sorted.
    #[error(
        "there are texts of several licences ({}), which leaves open whether one may be chosen",
        .0.join(", ")
    )]
    Several(Vec<String>),
}

/// A licence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Licence {
    /// As an SPDX expression with current identifiers.
    pub expression: String,
    /// The ways to comply: the terms that hold together, sorted. A term is an identifier, perhaps with `+` or `WITH` an exception.
    pub choices: Vec<BTreeSet<String>>,
}

impl Licence {
    /// Bytes of memory that its words take.
    pub fn bytes(&self) -> u64 {
        let terms = self.choices.iter().flatten().map(|term| term.len() + 64);
        (self.expression.len() + terms.sum::<usize>()) as u64
    }

    /// The names of terms that are not known.
    fn unknown(&self) -> Option<String> {
        let known =
            |choice: &BTreeSet<String>| !choice.iter().any(|term| term.starts_with(UNKNOWN));
        if self.choices.iter().any(known) {
            return None;
        }
        let terms = self.choices.iter().flatten().filter_map(|term| term.strip_prefix(UNKNOWN));
        Some(terms.collect::<BTreeSet<_>>().into_iter().take(5).collect::<Vec<_>>().join(", "))
    }
}

/// A part of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Name(String),
    And,
    Or,
    With,
    Open,
    Close,
}

/// Reads what a package of this type of package URL says of its licence.
///
/// # Errors
/// Why it is not known.
pub fn read(ecosystem: &str, text: &str) -> Result<Licence, Unreadable> {
    let text = text.trim();
    if text.len() > TEXT_BYTES {
        return Err(Unreadable::TooMuch);
    }
    if says_nothing(text) {
        return Err(Unreadable::Nothing);
    }
    let debian = ecosystem == "deb";
    let written = match names::licence(text, debian) {
        Some(found) => found,
        None => canonical(tokens(ecosystem, text)?, debian)?,
    };
    // Names become longer: what is written can be read again.
    if written.len() > TEXT_BYTES {
        return Err(Unreadable::TooMuch);
    }
    let licence = parsed(&written)?;
    match licence.unknown() {
        Some(names) => Err(Unreadable::Name(clean(&names))),
        None => Ok(licence),
    }
}

/// Whether a text is one of the words for no licence, in quotes or behind a label, too.
fn says_nothing(text: &str) -> bool {
    let plain = names::plain(text);
    NOTHING.contains(&text.to_lowercase().as_str())
        || (!plain.is_empty() && NOTHING.contains(&plain.as_str()))
}

/// Cuts a text at operators, parentheses and the signs that an ecosystem takes for operators.
fn tokens(ecosystem: &str, text: &str) -> Result<Vec<Token>, Unreadable> {
    // Lists of these are alternatives; in others all hold, which asks for more.
    let comma = if matches!(ecosystem, "npm" | "gem" | "composer") { "OR" } else { "AND" };
    let mut spaced = String::with_capacity(text.len() * 2);
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
        match c {
            '(' | ')' => spaced.extend([' ', c, ' ']),
            ',' | ';' => {
                let next = rest.trim_start().to_ascii_lowercase();
                let operator = ["and ", "or "].iter().any(|word| next.starts_with(word));
                spaced.push_str(if operator { " " } else { "\u{1}" });
                if !operator {
                    spaced.push_str(comma);
                    spaced.push('\u{1}');
                }
            }
            '|' | '/' if !text.contains("://") => spaced.push_str("\u{1}OR\u{1}"),
            '&' => spaced.push_str("\u{1}AND\u{1}"),
            c => spaced.push(c),
        }
    }
    let mut all = Vec::new();
    let mut name: Vec<&str> = Vec::new();
    for word in spaced.split(['\u{1}', ' ', '\t', '\n', '\r']).filter(|word| !word.is_empty()) {
        let token = match word {
            "(" => Token::Open,
            ")" => Token::Close,
            word if word.eq_ignore_ascii_case("and") => Token::And,
            word if word.eq_ignore_ascii_case("or") || word.eq_ignore_ascii_case("and/or") => {
                Token::Or
            }
            word if word.eq_ignore_ascii_case("with") => Token::With,
            word => {
                name.push(word);
                continue;
            }
        };
        flush(&mut all, &mut name, ecosystem);
        // Two signs in a row are one.
        let again = matches!(token, Token::And | Token::Or)
            && matches!(all.last(), Some(Token::And | Token::Or));
        if !again {
            all.push(token);
        }
    }
    flush(&mut all, &mut name, ecosystem);
    while matches!(all.last(), Some(Token::And | Token::Or)) {
        all.pop();
    }
    if all.len() > TERMS * 2 { Err(Unreadable::TooMuch) } else { Ok(all) }
}

/// Takes the words of a name. Alpine writes several with blanks alone between them.
fn flush(all: &mut Vec<Token>, name: &mut Vec<&str>, ecosystem: &str) {
    if name.is_empty() {
        return;
    }
    let whole = name.join(" ");
    let apart = ecosystem == "apk" && names::licence(&whole, false).is_none();
    if apart && name.iter().all(|word| names::licence(word, false).is_some()) {
        for (place, word) in name.iter().enumerate() {
            if place > 0 {
                all.push(Token::And);
            }
            all.push(Token::Name((*word).to_owned()));
        }
    } else {
        all.push(Token::Name(whole));
    }
    name.clear();
}

/// The text that the crate reads.
fn canonical(tokens: Vec<Token>, debian: bool) -> Result<String, Unreadable> {
    let mut parts: Vec<String> = Vec::new();
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        let part = match token {
            Token::Open => "(".to_owned(),
            Token::Close => ")".to_owned(),
            Token::And => "AND".to_owned(),
            Token::Or => "OR".to_owned(),
            Token::With => {
                let Some(Token::Name(name)) = tokens.next() else { return Err(Unreadable::Form) };
                let licence = parts.pop().ok_or(Unreadable::Form)?;
                match names::exception(&name, &licence) {
                    Some(exception) if !licence.contains(' ') => {
                        format!("{licence} WITH {exception}")
                    }
                    // More may be allowed than without it, and nobody knows what: the whole is a name of its own.
                    _ => unknown(&format!("{licence} with {name}")),
                }
            }
            Token::Name(name) => match names::licence(&name, debian) {
                Some(found) if found.contains(' ') && !found.starts_with('(') => {
                    format!("({found})")
                }
                Some(found) => found,
                None => unknown(&name),
            },
        };
        parts.push(part);
    }
    Ok(bare(&parts).join(" "))
}

/// The parts without parentheses around the whole, which say nothing.
fn bare(mut parts: &[String]) -> &[String] {
    while let [open, within @ .., close] = parts {
        let mut depth = 0_i32;
        let is_whole = open == "("
            && close == ")"
            && within.iter().all(|part| {
                depth += i32::from(part == "(") - i32::from(part == ")");
                depth >= 0
            });
        if !is_whole {
            break;
        }
        parts = within;
    }
    parts
}

/// Whether a text is one term as choices have them: what a rule lists has to be, or it would meet nothing.
pub fn is_term(text: &str) -> bool {
    parsed(text).is_ok_and(|licence| licence.choices == [BTreeSet::from([text.to_owned()])])
}

/// A term for a name that is not known.
fn unknown(name: &str) -> String {
    let sign = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
    let name: String = name.chars().filter(|c| !misleads(*c)).take(80).map(sign).collect();
    format!("{UNKNOWN}{}", name.trim_matches('-'))
}

fn parsed(text: &str) -> Result<Licence, Unreadable> {
    let parsed = spdx::Expression::parse(text).map_err(|_| Unreadable::Form)?;
    let mut stack: Vec<Vec<BTreeSet<String>>> = Vec::new();
    for node in parsed.iter() {
        let choices = match node {
            ExprNode::Req(required) => vec![BTreeSet::from([required.req.to_string()])],
            ExprNode::Op(operator) => {
                let (right, left) = (stack.pop(), stack.pop());
                let (left, right) = left.zip(right).ok_or(Unreadable::Form)?;
                match operator {
                    Operator::Or => left.into_iter().chain(right).collect(),
                    Operator::And => both(&left, &right)?,
                }
            }
        };
        if choices.len() > CHOICES {
            return Err(Unreadable::TooMuch);
        }
        stack.push(choices);
    }
    let (Some(mut choices), true) = (stack.pop(), stack.is_empty()) else {
        return Err(Unreadable::Form);
    };
    choices.sort();
    choices.dedup();
    Ok(Licence { expression: text.to_owned(), choices })
}

/// Each choice of the one with each of the other.
fn both(
    left: &[BTreeSet<String>],
    right: &[BTreeSet<String>],
) -> Result<Vec<BTreeSet<String>>, Unreadable> {
    if left.len().saturating_mul(right.len()) > CHOICES {
        return Err(Unreadable::TooMuch);
    }
    let with = |one: &BTreeSet<String>| {
        let one = one.clone();
        right.iter().map(move |other| one.union(other).cloned().collect())
    };
    Ok(left.iter().flat_map(with).collect())
}
