//! Whom the operator means by a keyless signer: the issuer of the identity and the identity itself.
//!
//! Both are exact texts or anchored patterns (attacks B8, B9). A pattern has to begin with `^` and end with `$`, it is
//! matched from end to end whatever alternatives it has, and one that strangers match too is refused: anybody can get a
//! certificate, so a wide pattern is no trust at all. "Anybody" can only be said with a word that begins with `unsafe`.

use std::fmt;

use regex::{Regex, RegexBuilder};

use super::{certificate::SubjectName, error::IdentityFault};

/// Bytes that a compiled pattern may have.
const MAX_COMPILED_BYTES: usize = 1 << 20;
/// Bytes of a pattern's text.
const MAX_PATTERN_BYTES: usize = 4096;
/// Issuers and identities that nobody means. A pattern that matches one of them matches strangers.
const STRANGERS: [&str; 8] = [
    "",
    "x",
    "stranger@nobody.invalid",
    "https://nobody.invalid",
    "https://nobody.invalid/stranger",
    "https://github.com/stranger-nobody/stranger/.github/workflows/x.yml@refs/heads/main",
    "https://gitlab.com/stranger-nobody/stranger//.gitlab-ci.yml@refs/heads/main",
    "spiffe://nobody.invalid/stranger",
];

/// A text that has to be there: exactly, by a pattern, or any.
#[derive(Debug, Clone)]
pub enum TextMatch {
    /// This text.
    Exact(String),
    /// Texts that a pattern matches from end to end.
    Pattern(Pattern),
    /// Any text; the operator wrote a word that begins with `unsafe`.
    UnsafeAny,
}

/// An anchored pattern.
#[derive(Debug, Clone)]
pub struct Pattern {
    text: String,
    regex: Regex,
}

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternFault {
    /// Not anchored.
    #[error("it has to begin with ^ and end with $")]
    Anchors,
    /// Not a regular expression, or one that is too large.
    #[error("it is not a regular expression of reasonable size")]
    Syntax,
    /// It matches strangers.
    #[error("it matches strangers, as {0:?}")]
    Strangers(&'static str),
    /// Its host is whichever a stranger has.
    #[error(
        "{0:?} in it stands for a host, too, which may be a stranger's; write the host out, or [^/]* for a part of it"
    )]
    Host(&'static str),
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// See [`PatternFault`].
    pub fn parse(text: &str) -> Result<Self, PatternFault> {
        let inner = text.strip_prefix('^').and_then(|rest| rest.strip_suffix('$'));
        let inner = inner.ok_or(PatternFault::Anchors)?;
        let escapes = inner.bytes().rev().take_while(|byte| *byte == b'\\').count();
        if escapes % 2 == 1 {
            return Err(PatternFault::Anchors);
        }
        if text.len() > MAX_PATTERN_BYTES || Regex::new(inner).is_err() {
            return Err(PatternFault::Syntax);
        }
        let regex = RegexBuilder::new(&format!(r"\A(?:{inner})\z"))
            .size_limit(MAX_COMPILED_BYTES)
            .build()
            .map_err(|_| PatternFault::Syntax)?;
        if let Some(stranger) = STRANGERS.into_iter().find(|stranger| regex.is_match(stranger)) {
            return Err(PatternFault::Strangers(stranger));
        }
        match host_wildcard(inner) {
            Some(wildcard) => Err(PatternFault::Host(wildcard)),
            None => Ok(Self { text: text.to_owned(), regex }),
        }
    }
}

/// What stands for any text where the host of a URL is, or before it: `.*github.com/org/.*` and `https://token.*` name no host that a
/// stranger could not have.
fn host_wildcard(inner: &str) -> Option<&'static str> {
    let inner = inner.replace("\\/", "/");
    let wildcards = || [".*", ".+"].into_iter();
    let after_scheme = inner.split_once("://").filter(|(scheme, _)| {
        scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"?()|+-:".contains(&byte))
    });
    match after_scheme {
        Some((_, rest)) => {
            let host = rest.split('/').next().unwrap_or_default();
            // The dot of an escape is that of a name.
            let host = host.replace("\\.", "_");
            wildcards().find(|wildcard| host.contains(wildcard))
        }
        None => wildcards().find(|wildcard| inner.starts_with(wildcard) && inner.contains('/')),
    }
}

impl TextMatch {
    fn matches(&self, text: &str) -> bool {
        match self {
            Self::Exact(exact) => exact == text,
            Self::Pattern(pattern) => pattern.regex.is_match(text),
            Self::UnsafeAny => true,
        }
    }
}

impl fmt::Display for TextMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(text) => f.write_str(text),
            Self::Pattern(pattern) => write!(f, "/{}/", pattern.text),
            Self::UnsafeAny => f.write_str("(anybody)"),
        }
    }
}

/// Who a keyless signer is.
#[derive(Debug, Clone)]
pub struct KeylessIdentity {
    /// The issuer of the identity; `None` only for authorities that are not Fulcio and state none.
    pub issuer: Option<TextMatch>,
    /// The identity in the certificate.
    pub subject: TextMatch,
}

impl KeylessIdentity {
    /// The name in a certificate that is this identity.
    ///
    /// # Errors
    /// See [`IdentityFault`].
    pub fn find<'n>(
        &self,
        issuer: Option<&str>,
        names: &'n [SubjectName],
    ) -> Result<&'n SubjectName, IdentityFault> {
        // Who takes the word of every issuer of the root's authority takes that of one that its certificates do not name.
        if let Some(expected) = &self.issuer
            && !issuer.map_or(matches!(expected, TextMatch::UnsafeAny), |i| expected.matches(i))
        {
            let found = issuer.unwrap_or_default().chars().take(200).collect();
            return Err(IdentityFault::Issuer { expected: expected.to_string(), found });
        }
        let mut names_left = names.iter();
        names_left.find(|name| self.subject.matches(name.as_str())).ok_or_else(|| {
            let found: Vec<&str> = names.iter().take(4).map(SubjectName::as_str).collect();
            let found = found.join(", ").chars().take(200).collect();
            IdentityFault::Subject { expected: self.subject.to_string(), found }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b8_a_pattern_names_its_host() {
        let strangers = [
            r"^.*github.com/org/.*$",
            r"^.+github\.com/org/.*$",
            r"^.*://github\.com/org/x$",
            r"^https://token.*$",
            r"^https?://token.*$",
            r"^https:\/\/token.*$",
            r"^https://.*\.example\.com/org/x$",
            r"^https://.+example\.com/org$",
            r"^(http|https)://accounts.*$",
        ];
        for text in strangers {
            let fault = Pattern::parse(text).err();
            assert!(matches!(fault, Some(PatternFault::Host(_))), "{text}: {fault:?}");
        }
        let named = [
            r"^https://github\.com/org/.*$",
            r"^https://github.com/org/.*@refs/tags/v.*$",
            r"^https?://github\.com/org/.+$",
            r"^https://[^/]*\.example\.com/org/.*$",
            r"^https://accounts\.example\.com$",
            r"^https:\/\/github\.com\/org\/.*$",
            r"^spiffe://example\.org/ns/.*$",
            r"^.*@example\.com$",
            r"^release@example\.com$",
        ];
        for text in named {
            assert_eq!(Pattern::parse(text).err(), None, "{text}");
        }
    }

    #[test]
    fn b8_patterns_match_from_end_to_end_and_never_strangers() {
        let good = [
            (
                r"^https://github\.com/org/[a-z-]+/\.github/workflows/release\.yml@refs/tags/v.*$",
                true,
                "https://github.com/org/app/.github/workflows/release.yml@refs/tags/v1",
            ),
            (r"^https://github\.com/org/.*$", false, "https://github.com/org-evil/x"),
            (
                r"^https://github\.com/org/app$",
                false,
                "https://github.com/org/app@refs/heads/main-x",
            ),
            (r"^.*@example\.com$", true, "alice@example.com"),
            (r"^.*@example\.com$", false, "alice@example.com.evil"),
            (r"^alice@example\.com$", false, "x\nalice@example.com"),
            // Alternatives are inside the anchors, whatever they look like.
            (r"^alice|bob@example\.com$", false, "alice@evil"),
            (r"^alice|bob@example\.com$", true, "bob@example.com"),
        ];
        for (pattern, want, text) in good {
            let read = TextMatch::Pattern(Pattern::parse(pattern).expect(pattern));
            assert_eq!(read.matches(text), want, "{pattern}: {text}");
        }
        let bad = [
            ("alice", PatternFault::Anchors),
            ("^alice", PatternFault::Anchors),
            (r"^alice\$", PatternFault::Anchors),
            ("^a)(?:b$", PatternFault::Syntax),
            ("^****$", PatternFault::Syntax),
            ("^(a{1000}){1000}$", PatternFault::Syntax),
        ];
        for (pattern, want) in bad {
            assert_eq!(Pattern::parse(pattern).err(), Some(want), "{pattern}");
        }
        let wide = [
            "^.*$",
            "^.+$",
            "^https://.*$",
            "^$",
            "^(?s:.*)$",
            "^https://github.com/.*$",
            "^.*@.*$",
        ];
        for pattern in wide {
            let fault = Pattern::parse(pattern).err();
            assert!(matches!(fault, Some(PatternFault::Strangers(_))), "{pattern}: {fault:?}");
        }
    }

    #[test]
    fn an_identity_is_issuer_and_name() {
        let exact = |text: &str| TextMatch::Exact(text.to_owned());
        let identity = KeylessIdentity { issuer: Some(exact("https://i")), subject: exact("a@x") };
        let names = [SubjectName::Uri("u".into()), SubjectName::Email("a@x".into())];
        assert_eq!(identity.find(Some("https://i"), &names), Ok(&names[1]));
        assert!(matches!(
            identity.find(Some("https://i/"), &names),
            Err(IdentityFault::Issuer { .. })
        ));
        assert!(matches!(identity.find(None, &names), Err(IdentityFault::Issuer { .. })));
        assert!(matches!(
            identity.find(Some("https://i"), &names[..1]),
            Err(IdentityFault::Subject { .. })
        ));
        assert!(matches!(
            identity.find(Some("https://i"), &[]),
            Err(IdentityFault::Subject { .. })
        ));
        let any = KeylessIdentity { issuer: None, subject: TextMatch::UnsafeAny };
        assert!(any.find(None, &[]).is_err(), "a certificate without a name is nobody's");
    }

    /// Certificates without an issuer are those of any issuer, and of no pattern, however wide.
    #[test]
    fn a_certificate_without_an_issuer_is_one_of_any_issuer() {
        let names = [SubjectName::Email("a@x".into())];
        let pattern = |text: &str| TextMatch::Pattern(Pattern::parse(text).unwrap());
        for (issuer, expected, want) in [
            (None, TextMatch::UnsafeAny, true),
            (Some(""), TextMatch::UnsafeAny, true),
            (Some("https://i"), TextMatch::UnsafeAny, true),
            (None, TextMatch::Exact(String::new()), false),
            (None, pattern(r"^https://[a-z]+\.example$"), false),
        ] {
            let subject = TextMatch::Exact("a@x".to_owned());
            let who = KeylessIdentity { issuer: Some(expected.clone()), subject };
            assert_eq!(who.find(issuer, &names).is_ok(), want, "{issuer:?} for {expected}");
            let other = KeylessIdentity { subject: TextMatch::Exact("b@x".to_owned()), ..who };
            assert!(other.find(issuer, &names).is_err(), "the identity counts all the same");
        }
    }
}
