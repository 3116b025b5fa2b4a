//! Allow entries: the operator's word that some files may differ.
//!
//! An entry names paths and one class, and has a reason, an owner and a day on which it ends. It speaks about what files
//! hold, never about security metadata, and it explains a difference without proving anything: reports name it wherever
//! it was used.

use jiff::Timestamp;

use super::{Class, Comparison, Difference, Place};

/// A class of difference that an operator may let pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AllowedClass {
    /// K: caches and logs.
    Cache,
    /// M: what compilers note about themselves.
    Toolchain,
    /// N: what names the machine of the build.
    Host,
    /// L: packages that moved on.
    PackageDrift,
    /// O: any other content.
    Content,
}

impl AllowedClass {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Cache, Self::Toolchain, Self::Host, Self::PackageDrift, Self::Content];

    fn of(class: Class) -> Option<Self> {
        Self::ALL.into_iter().find(|allowed| allowed.class() == class)
    }

    fn class(self) -> Class {
        match self {
            Self::Cache => Class::Cache,
            Self::Toolchain => Class::Toolchain,
            Self::Host => Class::Host,
            Self::PackageDrift => Class::PackageDrift,
            Self::Content => Class::Content,
        }
    }

    /// The word in the configuration.
    pub fn name(self) -> &'static str {
        self.class().name()
    }
}

/// The operator's word that the content of some files may differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowance {
    /// What it lets pass: content, or a class of content.
    pub class: AllowedClass,
    /// Which paths: `*` stands for any characters but a slash, `**` for any characters.
    pub pattern: String,
    /// Why.
    pub reason: String,
    /// Who answers for it.
    pub owner: String,
    /// When it ends. The caller leaves out those that have ended: there is no clock here.
    pub expires: Timestamp,
}

impl Allowance {
    /// What reports call it.
    pub fn name(&self) -> String {
        format!("allow {} {}", self.class.name(), self.pattern)
    }

    fn speaks_about(&self, class: Class, path: &str) -> bool {
        AllowedClass::of(class) == Some(self.class) && matches(&self.pattern, path)
    }

    /// Whether it explained something.
    pub fn was_used(&self, comparison: &Comparison) -> bool {
        let name = self.name();
        comparison.differences.iter().any(|d| d.explained_by.as_deref() == Some(name.as_str()))
    }

    /// Whether it has not ended.
    pub fn is_live(&self, now: Timestamp) -> bool {
        now < self.expires
    }
}

/// Explains a difference in content where an allow entry does.
pub(super) fn explain(difference: &mut Difference, allow: &[Allowance]) {
    let Place::Entry { path, .. } = &difference.place else { return };
    if difference.explained_by.is_none()
        && let Some(allowance) = allow.iter().find(|a| a.speaks_about(difference.class, path))
    {
        difference.explained_by = Some(allowance.name());
    }
}

/// Whether a class is about what a file holds.
pub(super) fn is_content(class: Class) -> bool {
    AllowedClass::of(class).is_some() || matches!(class, Class::NestedTime | Class::MountPoint)
}

/// Whether a path matches a pattern, in time proportional to the product of their lengths at most.
pub(super) fn matches(pattern: &str, path: &str) -> bool {
    let tokens = tokens(pattern);
    // states[i]: the first i tokens match what was read so far.
    let mut states = vec![false; tokens.len() + 1];
    states.splice(..1, [true]);
    close(&tokens, &mut states);
    for found in path.chars() {
        let mut next = vec![false; tokens.len() + 1];
        for (at, token) in tokens.iter().enumerate() {
            if states.get(at) != Some(&true) {
                continue;
            }
            let target = match token {
                Token::Any => at,
                Token::AnyInPart if found != '/' => at,
                Token::Char(wanted) if *wanted == found => at + 1,
                Token::AnyInPart | Token::Char(_) => continue,
            };
            next.splice(target..=target, [true]);
        }
        close(&tokens, &mut next);
        states = next;
    }
    states.last() == Some(&true)
}

/// Lets stars match nothing.
fn close(tokens: &[Token], states: &mut [bool]) {
    for (at, token) in tokens.iter().enumerate() {
        let reached = states.get(at) == Some(&true) && !matches!(token, Token::Char(_));
        if let Some(next) = states.get_mut(at + 1) {
            *next |= reached;
        }
    }
}

enum Token {
    Char(char),
    AnyInPart,
    Any,
}

fn tokens(pattern: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        tokens.push(match c {
            '*' if chars.next_if_eq(&'*').is_some() => Token::Any,
            '*' => Token::AnyInPart,
            other => Token::Char(other),
        });
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_paths() {
        let cases = [
            ("/a", "/a", true),
            ("/a", "/ab", false),
            ("/a", "/b/a", false),
            ("/a/*", "/a/b", true),
            ("/a/*", "/a/b/c", false),
            ("/a/*", "/a/", true),
            ("/a/**", "/a/b/c", true),
            ("/a/**", "/ab", false),
            ("/**/x.pyc", "/a/b/x.pyc", true),
            ("/**/x.pyc", "/x.pyc", false),
            ("/*.log", "/a.log", true),
            ("/*.log", "/a.log.1", false),
            ("/*a*b*", "/xxaxxbxx", true),
            ("**", "/anything/at/all", true),
            ("", "/a", false),
            ("/a.c", "/abc", false),
        ];
        for (pattern, path, want) in cases {
            assert_eq!(matches(pattern, path), want, "{pattern} {path}");
        }
        let hard = "*a".repeat(50);
        assert!(!matches(&hard, &"a".repeat(49)));
    }
}
