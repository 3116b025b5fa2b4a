//! Whom the operator means by a keyless signer: the issuer of the identity and the identity itself.
//!
//! Both are exact texts or anchored patterns (attacks B8, B9). A pattern has to begin with `^` and end with `$`, it is
//! matched from end to end whatever alternatives it has, and one that strangers match too is refused: anybody can get a
//! certificate, so a wide pattern is no trust at all ([`super::language`]). "Anybody" can only be said with a word that begins with `unsafe`.

use std::fmt;

use regex::{Regex, RegexBuilder};

use super::{
    certificate::{Reading, SubjectName},
    error::{IdentityFault, PatternFault},
    language,
};

/// Bytes that a compiled pattern may have.
const MAX_COMPILED_BYTES: usize = 1 << 20;
/// Bytes of a pattern's text.
const MAX_PATTERN_BYTES: usize = 4096;
/// Issuers and identities that nobody means. A pattern that matches one of them matches strangers.
const STRANGERS: [&str; 11] = [
    "",
    "x",
    "stranger@nobody.invalid",
    "https://nobody.invalid",
    "https://nobody.invalid/stranger",
    "https://github.com/stranger-nobody/stranger/.github/workflows/x.yml@refs/heads/main",
    "https://gitlab.com/stranger-nobody/stranger//.gitlab-ci.yml@refs/heads/main",
    "spiffe://nobody.invalid/stranger",
    "https://oidc.circleci.com/org/stranger-nobody",
    "https://container.googleapis.com/v1/projects/stranger-nobody/locations/x/clusters/x",
    "https://login.microsoftonline.com/stranger-nobody/v2.0",
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
    /// The kind of names that it is about, where it is about one.
    kind: Option<Reading>,
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
        // Options of the builder would have to be those of the walk.
        let parsed = regex_syntax::parse(inner).map_err(|_| PatternFault::Syntax)?;
        let kind = language::judge(&parsed)?;
        Ok(Self { text: text.to_owned(), regex, kind })
    }

    /// A pattern that somebody may have meant who wrote one that is refused.
    pub fn meant(text: &str) -> Option<String> {
        language::guesses(text).into_iter().find(|guess| Self::parse(guess).is_ok())
    }

    fn matches(&self, text: &str) -> bool {
        self.kind.is_none_or(|kind| kind == Reading::of(text)) && self.regex.is_match(text)
    }
}

impl TextMatch {
    fn matches(&self, text: &str) -> bool {
        match self {
            Self::Exact(exact) => exact == text,
            Self::Pattern(pattern) => pattern.matches(text),
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
            let found: Vec<String> = names.iter().take(4).map(SubjectName::to_string).collect();
            let found = found.join(", ").chars().take(200).collect();
            IdentityFault::Subject { expected: self.subject.to_string(), found }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// However it is written: what is judged is the expression.
    #[test]
    fn b8_a_pattern_names_its_host() {
        use PatternFault::{Domain, Host, Kinds, Organisation, Strangers, Ways};
        let cases = [
            (r"^.*github.com/org/.*$", Domain),
            (r"^.+github\.com/org/.*$", Domain),
            (r"^.*://github\.com/org/x$", Domain),
            (r"^(?s:.*)(?:https://github\.com/org/.*)(?s:.*)$", Domain),
            (r"^(.*)https://github\.com/org/.*$", Domain),
            (r"^[^ ]*https://github\.com/org/.*$", Domain),
            (r"^.{0,99}https://github\.com/org/.*$", Domain),
            (r"^(?:.|x)+github\.com/org/.*$", Domain),
            (r"^[\x00-\x7f]+myorg.*$", Domain),
            (r"^(x|)*https://github\.com/org/.*$", Domain),
            (r"^\w*https://github\.com/org/.*$", Domain),
            (r"^(?:https?:)?//github\.com/org/.*$", Domain),
            (r"^https://token.*$", Host),
            (r"^https?://token.*$", Host),
            (r"^https:\/\/token.*$", Host),
            (r"^https://.*\.example\.com/org/x$", Host),
            (r"^https://.+example\.com/org$", Host),
            (r"^(http|https)://accounts.*$", Host),
            (r"^https://[a-z.]+/https://github\.com/org/.*$", Host),
            (r"^https://[a-z.]*\.?example/.*$", Host),
            (r"^https://(github\.com|.*)/myorg/.*$", Host),
            (r"^https://(?s:.*)github\.com/org/app$", Host),
            (r"^https://github\.com[/.]org/.*$", Host),
            (r"^https://evil@github\.com/org/.*$", Host),
            (r"^https://github.com/org/.*$", Host),
            (r"^https://accounts\.example\.com.*$", Host),
            (r"^https://github\.com/myorg.*$", Organisation),
            (r"^https://github\.com/myorg[a-z]?/.*$", Organisation),
            (r"^https://ci\.example\.com/team-.*$", Organisation),
            (r"^https://github\.com/org[/x].*$", Organisation),
            (r"^.*example\.com$", Domain),
            (r"^.*@.*\.example\.com$", Domain),
            (r"^.*@example\.com.*$", Domain),
            (r"^.*@[a-z]+\.example$", Domain),
            (r"^.*@$", Domain),
            (r"^.*[@x]example\.com$", Domain),
            (r"^.*@example\.com/.*x$", Domain),
            (r"^[a-z]+$", Strangers("x")),
            (r"^[a-z]{2}$", Domain),
            (r"^(.*@example\.com|https://github\.com/org/.*)$", Kinds),
            (r"^(alice@example\.com|https://github\.com/org/.*)$", Kinds),
            (r"^(?:a|bb){10}@example\.com$", Ways),
        ];
        for (text, want) in cases {
            assert_eq!(Pattern::parse(text).err(), Some(want), "{text}");
        }
        let named = [
            r"^https://github\.com/org/.*$",
            r"^https://github\.com/org/.*@refs/tags/v.*$",
            r"^https?://github\.com/org/.+$",
            r"^(?i)https://github\.com/org/.*$",
            r"^https://(a|b)\.example\.com/org/.*$",
            r"^https://github\.com/(org|other)/.*$",
            r"^https://github\.com/org(/.*)?$",
            r"^https://ci\.example\.com/.*$",
            r"^https://accounts\.example\.com$",
            r"^https:\/\/github\.com\/org\/.*$",
            r"^spiffe://example\.org/ns/.*$",
            r"^spiffe://example\.org/.*$",
            r"^.*@example\.com$",
            r"^[^@]+@example\.com$",
            r"^[a-z]+@(x|y)\.example$",
            r"^.*!example\.com$",
            r"^release@example\.com$",
            r"^(a|b)$",
            r"^[ab]{40}@example\.com$",
        ];
        for text in named {
            assert_eq!(Pattern::parse(text).err(), None, "{text}");
        }
    }

    /// A branch of a repository may be called `x@example.com`.
    #[test]
    fn b8_a_pattern_of_addresses_matches_no_uri() {
        let uri = "https://github.com/evil/x/.github/workflows/x.yml@refs/heads/x@example.com";
        for text in [r"^.*@example\.com$", r"^.*!example\.com$"] {
            let pattern = TextMatch::Pattern(Pattern::parse(text).unwrap());
            assert!(!pattern.matches(uri) && !pattern.matches(&uri.replace("x@e", "x!e")));
        }
        let pattern = Pattern::parse(r"^.*!example\.com$").unwrap();
        assert!(pattern.matches("a@b!example.com") && !pattern.matches("a!b@example.com"));
    }

    #[test]
    fn what_is_proposed_is_a_pattern() {
        let cases = [
            ("github.com/org/.*", r"^https://github\.com/org/.*$"),
            (r"^.*github\.com/org/.*$", r"^https://github\.com/org/.*$"),
            ("^https://github.com/org/.*$", r"^https://github\.com/org/.*$"),
            (r"^https://github\.com/org.*$", r"^https://github\.com/org/.*$"),
            (r"github\.com/org", r"^https://github\.com/org$"),
            ("a@x", "^a@x$"),
            (r".*@example\.com", r"^.*@example\.com$"),
            ("^.*@example.com$", r"^.*@example\.com$"),
        ];
        for (text, want) in cases {
            assert_eq!(Pattern::meant(text).as_deref(), Some(want), "{text}");
        }
        for text in [".*", "https://.*", "(", "^.*example.com$"] {
            assert_eq!(Pattern::meant(text), None, "{text}");
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
            (None, pattern(r"^https://(i|j)\.example$"), false),
        ] {
            let subject = TextMatch::Exact("a@x".to_owned());
            let who = KeylessIdentity { issuer: Some(expected.clone()), subject };
            assert_eq!(who.find(issuer, &names).is_ok(), want, "{issuer:?} for {expected}");
            let other = KeylessIdentity { subject: TextMatch::Exact("b@x".to_owned()), ..who };
            assert!(other.find(issuer, &names).is_err(), "the identity counts all the same");
        }
    }
}
