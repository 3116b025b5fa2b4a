//! What may differ and still be explained: normalizers and allow entries.
//!
//! A normalizer knows a file format and takes out of a file what only the time of the build put in; if both files are
//! then equal, nothing else differs, and that is a proof. It is named with its version: what `pyc@1` takes out never
//! changes. An allow entry is the operator's word for a path, with a reason, an owner and a day on which it ends; it
//! speaks about content only. Neither ever explains security metadata.

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::{Class, Difference, Place, entry::Hash};

/// A file without what its normalizer takes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Normal {
    /// The normalizer, as `pyc@1`.
    pub(super) normalizer: &'static str,
    hash: Hash,
}

/// A format, and how to take its time out.
struct Normalizer {
    name: &'static str,
    suffixes: &'static [&'static str],
    /// Blanks the time; `None` when the bytes are not of the format, or hold no time.
    blank: fn(&mut [u8]) -> Option<()>,
}

/// All normalizers.
const NORMALIZERS: &[Normalizer] = &[
    Normalizer { name: "pyc@1", suffixes: &[".pyc"], blank: blank_pyc },
    Normalizer { name: "gzip-mtime@1", suffixes: &[".gz", ".tgz", ".svgz"], blank: blank_gzip },
];

/// Paths of caches and logs that builds leave behind; named so in reports, explained only by an allow entry.
const CACHES: &[&str] = &[
    "/var/log/**",
    "/var/cache/**",
    "/var/lib/apt/lists/**",
    "/root/.cache/**",
    "/root/.wget-hsts",
    "/tmp/**",
];

/// Whether some normalizer knows files of this name.
pub(super) fn is_known(path: &str) -> bool {
    normalizer(path).is_some()
}

fn normalizer(path: &str) -> Option<&'static Normalizer> {
    NORMALIZERS.iter().find(|n| n.suffixes.iter().any(|suffix| path.ends_with(suffix)))
}

/// Takes out of a file what its normalizer takes out.
pub(super) fn normal(path: &str, mut bytes: Vec<u8>) -> Option<Normal> {
    let normalizer = normalizer(path)?;
    (normalizer.blank)(&mut bytes)?;
    Some(Normal { normalizer: normalizer.name, hash: Sha256::digest(&bytes).into() })
}

/// Python's compiled modules (PEP 552): magic, flags, then the source's time and size unless the flags say hash.
fn blank_pyc(bytes: &mut [u8]) -> Option<()> {
    // The magic number ends in CR LF since Python 1.5.
    let timed = bytes.get(2..8)? == [b'\r', b'\n', 0, 0, 0, 0];
    timed.then(|| bytes.get_mut(8..12)).flatten()?.fill(0);
    Some(())
}

/// gzip (RFC 1952, section 2.3): magic, method, flags, time.
fn blank_gzip(bytes: &mut [u8]) -> Option<()> {
    let packed = bytes.get(..3)? == [0x1f, 0x8b, 8];
    packed.then(|| bytes.get_mut(4..8)).flatten()?.fill(0);
    Some(())
}

/// The operator's word that the content of some files may differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowance {
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
    /// Whether it speaks about a path.
    pub fn covers(&self, path: &str) -> bool {
        matches(&self.pattern, path)
    }

    /// Whether it has not ended.
    pub fn is_live(&self, now: Timestamp) -> bool {
        now < self.expires
    }
}

/// Sorts a content difference, and explains it where an allow entry does.
pub(super) fn explain(difference: &mut Difference, allow: &[Allowance]) {
    let Place::Entry { path, .. } = &difference.place else { return };
    if difference.class == Class::Content && CACHES.iter().any(|pattern| matches(pattern, path)) {
        difference.class = Class::Cache;
    }
    let is_content = matches!(difference.class, Class::Content | Class::Cache | Class::NestedTime);
    if is_content
        && difference.explained_by.is_none()
        && let Some(allowance) = allow.iter().find(|allowance| allowance.covers(path))
    {
        difference.explained_by = Some(format!("allow {}", allowance.pattern));
    }
}

/// Whether a path matches a pattern, in time proportional to the product of their lengths at most.
fn matches(pattern: &str, path: &str) -> bool {
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

    #[test]
    fn normalizers_take_out_the_time_and_nothing_else() {
        let pyc = |time: u32, rest: &[u8]| {
            [b"\xcb\x0d\r\n\0\0\0\0".as_slice(), &time.to_le_bytes(), rest].concat()
        };
        let gz = |time: u32, rest: &[u8]| {
            [b"\x1f\x8b\x08\0".as_slice(), &time.to_le_bytes(), rest].concat()
        };
        let of = |path: &str, bytes: Vec<u8>| normal(path, bytes);
        assert_eq!(of("/a.pyc", pyc(1, b"code")), of("/a.pyc", pyc(2, b"code")));
        assert_ne!(of("/a.pyc", pyc(1, b"code")), of("/a.pyc", pyc(1, b"evil")));
        assert_eq!(of("/a.gz", gz(1, b"data")), of("/a.gz", gz(2, b"data")));
        assert_ne!(of("/a.gz", gz(1, b"data")), of("/a.gz", gz(1, b"evil")));
        assert!(of("/a.pyc", pyc(1, b"")).is_some() && of("/a.gz", gz(1, b"")).is_some());
        let hashed = b"\xcb\x0d\r\n\x01\0\0\0hashhash".to_vec();
        for (path, bytes) in [
            ("/a.pyc", hashed),
            ("/a.pyc", Vec::new()),
            ("/a.pyc", b"\xcb\x0d\r\n\0\0\0\0abc".to_vec()),
            ("/a.gz", b"plain text".to_vec()),
            ("/a.txt", gz(1, b"")),
        ] {
            assert_eq!(of(path, bytes), None, "{path}");
        }
    }
}
