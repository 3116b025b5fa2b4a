//! Artifact rules of layouts (in-toto specification 1.0.0, section 4.3.3).
//!
//! Turns a list of words into a [`Rule`] whose pattern every reader understands alike. The specification points at glob(7):
//! `*`, `?`, `[...]` and `[!...]`. Off-spec, as all implementations do: a wildcard also matches `/` and a leading dot, so that
//! `DISALLOW *` disallows everything.
//!
//! Refuses patterns that implementations read differently (attack B5): `[^...]` negates in Go and does not in glob(7), `\`
//! escapes in Go alone, an unclosed `[` is text in Python and an error in Go; and `./x`, `a//b`, `a/../b`, which no recorded name
//! matches once names are in their normal form, so that a DISALLOW would do nothing (CVE-2021-41087). Placeholders as
//! `{name}` are never substituted: nothing that comes with an image can change a rule.

use super::{super::AttestError, link::normal};

/// Which of a link's two lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum List {
    /// What the step started from.
    Materials,
    /// What it left.
    Products,
}

impl List {
    /// The word in layouts.
    pub fn name(self) -> &'static str {
        match self {
            Self::Materials => "MATERIALS",
            Self::Products => "PRODUCTS",
        }
    }
}

/// One artifact rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// The artifacts equal those of another step.
    Match(Match),
    /// Products that are no materials.
    Create(Pattern),
    /// Materials that are no products.
    Delete(Pattern),
    /// Products that are materials with other contents.
    Modify(Pattern),
    /// Artifacts that may be there.
    Allow(Pattern),
    /// An artifact that has to be there, by its exact name.
    Require(String),
    /// Artifacts that may not be there.
    Disallow(Pattern),
}

/// `MATCH pattern [IN prefix] WITH (MATERIALS|PRODUCTS) [IN prefix] FROM step`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// Which artifacts, by their name after the prefix.
    pub pattern: Pattern,
    /// Folder of the artifacts here, without its last slash.
    pub source_prefix: Option<String>,
    /// Which list of the other step.
    pub with: List,
    /// Folder of the artifacts there, without its last slash.
    pub destination_prefix: Option<String>,
    /// The other step.
    pub from: String,
}

/// A pattern over whole names of artifacts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    tokens: Vec<Token>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Character(char),
    /// `?`
    One,
    /// `*`
    Many,
    /// `[...]`: characters from the first to the second, or all others.
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Rule {
    /// Reads one rule; the words of the language may be in any case, as in all implementations.
    pub(super) fn parse(words: &[String]) -> Result<Self, AttestError> {
        let keywords: Vec<String> = words.iter().map(|word| word.to_ascii_uppercase()).collect();
        let keywords: Vec<&str> = keywords.iter().map(String::as_str).collect();
        let pattern = |at: usize| Pattern::parse(words.get(at).map_or("", String::as_str));
        match keywords.as_slice() {
            ["CREATE", _] => Ok(Self::Create(pattern(1)?)),
            ["DELETE", _] => Ok(Self::Delete(pattern(1)?)),
            ["MODIFY", _] => Ok(Self::Modify(pattern(1)?)),
            ["ALLOW", _] => Ok(Self::Allow(pattern(1)?)),
            ["DISALLOW", _] => Ok(Self::Disallow(pattern(1)?)),
            ["REQUIRE", _] => {
                let name = words.get(1).map_or("", String::as_str);
                let refused = || refuse(name, "a name without ./, //, /../ and a last slash");
                normal(name).filter(|normal| normal == name).map(Self::Require).ok_or_else(refused)
            }
            ["MATCH", ..] => Match::parse(words, &keywords).map(Self::Match),
            _ => Err(refuse(&words.join(" "), "an artifact rule of in-toto 1.0")),
        }
    }
}

impl Match {
    fn parse(words: &[String], keywords: &[&str]) -> Result<Self, AttestError> {
        let refused = || {
            let form = "MATCH pattern [IN prefix] WITH (MATERIALS|PRODUCTS) [IN prefix] FROM step";
            refuse(&words.join(" "), form)
        };
        // Positions decide which word is a keyword: a prefix or pattern may look like one.
        let (source, with, destination, from) = match keywords {
            [_, _, "WITH", with, "FROM", _] => (None, with, None, 5),
            [_, _, "IN", _, "WITH", with, "FROM", _] => (Some(3), with, None, 7),
            [_, _, "WITH", with, "IN", _, "FROM", _] => (None, with, Some(5), 7),
            [_, _, "IN", _, "WITH", with, "IN", _, "FROM", _] => (Some(3), with, Some(7), 9),
            _ => return Err(refused()),
        };
        let word = |at: usize| words.get(at).cloned().ok_or_else(refused);
        let prefix = |at: Option<usize>| at.map(|at| prefix(&word(at)?)).transpose();
        Ok(Self {
            pattern: Pattern::parse(&word(1)?)?,
            source_prefix: prefix(source)?,
            with: match *with {
                "MATERIALS" => List::Materials,
                "PRODUCTS" => List::Products,
                _ => return Err(refused()),
            },
            destination_prefix: prefix(destination)?,
            from: word(from)?,
        })
    }
}

/// A folder; one slash at its end changes nothing.
fn prefix(text: &str) -> Result<String, AttestError> {
    let folder = text.strip_suffix('/').unwrap_or(text);
    let kept = normal(folder).filter(|normal| normal == folder);
    kept.ok_or_else(|| refuse(text, "a prefix without ./, // and /../"))
}

fn refuse(found: &str, expected: &'static str) -> AttestError {
    AttestError::Unexpected { what: "an artifact rule", found: super::shown(found), expected }
}

impl Pattern {
    fn parse(text: &str) -> Result<Self, AttestError> {
        if normal(text).is_none_or(|normal| normal != text) {
            return Err(refuse(text, "a pattern without ./, //, /../ and a last slash"));
        }
        let mut tokens = Vec::new();
        let mut rest = text.chars();
        while let Some(c) = rest.next() {
            match c {
                '*' if tokens.last() == Some(&Token::Many) => {}
                '*' => tokens.push(Token::Many),
                '?' => tokens.push(Token::One),
                '[' => tokens.push(class(&mut rest).ok_or_else(|| {
                    refuse(text, "[...] or [!...] with letters, digits and .+_, and ranges of them")
                })?),
                '\\' | ']' => return Err(refuse(text, "a pattern without \\ and a lone ]")),
                c => tokens.push(Token::Character(c)),
            }
        }
        Ok(Self { text: text.to_owned(), tokens })
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the whole name matches. One star is remembered, so that time is at most the product of both lengths.
    pub fn matches(&self, name: &str) -> bool {
        let name: Vec<char> = name.chars().collect();
        let (mut token, mut at) = (0, 0);
        let mut star = None;
        while at < name.len() {
            match self.tokens.get(token) {
                Some(Token::Many) => {
                    star = Some((token, at));
                    token += 1;
                }
                Some(one) if name.get(at).is_some_and(|c| one.takes(*c)) => {
                    token += 1;
                    at += 1;
                }
                _ => match star {
                    Some((many, from)) => {
                        star = Some((many, from + 1));
                        token = many + 1;
                        at = from + 1;
                    }
                    None => return false,
                },
            }
        }
        self.tokens.get(token..).unwrap_or_default().iter().all(|token| *token == Token::Many)
    }
}

impl Token {
    fn takes(&self, c: char) -> bool {
        match self {
            Self::Character(own) => *own == c,
            Self::One | Self::Many => true,
            Self::Class { negated, ranges } => {
                ranges.iter().any(|(first, last)| (*first..=*last).contains(&c)) != *negated
            }
        }
    }
}

/// The rest of a class after its `[`; `None` where two readers could take it differently.
fn class(rest: &mut std::str::Chars<'_>) -> Option<Token> {
    let mut members: Vec<char> = Vec::new();
    loop {
        match rest.next()? {
            ']' => break,
            c => members.push(c),
        }
    }
    let negated = members.first() == Some(&'!');
    let mut members = members.into_iter().skip(usize::from(negated)).peekable();
    let mut ranges = Vec::new();
    while let Some(first) = members.next() {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '+' | '_');
        if !plain(first) {
            return None;
        }
        if members.next_if_eq(&'-').is_none() {
            ranges.push((first, first));
            continue;
        }
        let last = members.next()?;
        let kinds: [fn(&char) -> bool; 3] =
            [char::is_ascii_digit, char::is_ascii_lowercase, char::is_ascii_uppercase];
        let alike = kinds.iter().any(|kind| kind(&first) && kind(&last));
        if !alike || first > last {
            return None;
        }
        ranges.push((first, last));
    }
    (!ranges.is_empty()).then_some(Token::Class { negated, ranges })
}
