//! Texts that are shown as they are, but for the secrets in them: names, versions, paths, and whatever else a report has.
//!
//! Turns any text into the same with a mark in the place of each part that is a secret by its form, or a URL with a password,
//! written as it is or in percent escapes. Its names say nothing here: `password=x` in a path is a path. Nearly all texts have none,
//! which one look at their bytes tells, so that hundreds of thousands of paths cost little.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::{
    Kind,
    configured::{SHOWN, in_text},
    connections, scan,
};

/// Secrets in a short text without a name, as a path. Most have no word of any.
pub(super) fn in_word(text: &str) -> Vec<(Kind, bool)> {
    if scan::may_hold(text.as_bytes()) {
        let found = in_text(text);
        if !found.is_empty() {
            return found;
        }
    }
    // An address with a password.
    let given = text.contains("://") && connections::has_secret(text);
    if given { vec![(Kind::Named, false)] } else { Vec::new() }
}

/// How often a text may be escaped.
const ESCAPED: usize = 5;

/// Whether a text is worth a look at its words.
fn may_hold(text: &str) -> bool {
    scan::may_hold(text.as_bytes()) || text.contains("://") || text.contains('%')
}

/// Whether a word holds one, as it is or without percent escapes, which package URLs have.
fn holds(word: &str) -> bool {
    let mut word = Cow::Borrowed(word);
    for _ in 0..ESCAPED {
        if !in_word(&word).is_empty() {
            return true;
        }
        // A package URL escapes what is an escape already.
        match percent_decode_str(&word).decode_utf8_lossy() {
            plain if plain == word => return false,
            plain => word = Cow::Owned(plain.into_owned()),
        }
    }
    // Nobody writes so for people to read.
    true
}

/// A text as it may be shown. Of a word that holds a secret, what stands between its slashes, quotes and commas is kept.
pub fn shown_text(text: &str) -> Cow<'_, str> {
    if !may_hold(text) {
        return Cow::Borrowed(text);
    }
    let mut hidden = false;
    let words = text.split_inclusive(char::is_whitespace).map(|part| {
        let (word, space) = part.split_at(part.trim_end().len());
        if !holds(word) {
            return Cow::Borrowed(part);
        }
        hidden = true;
        Cow::Owned(without_parts(word) + space)
    });
    let shown: String = words.collect();
    // Some are longer than one word.
    if scan::may_hold(shown.as_bytes()) && !in_text(&shown).is_empty() {
        return Cow::Owned(SHOWN.to_owned());
    }
    if hidden { Cow::Owned(shown) } else { Cow::Borrowed(text) }
}

/// A word without the parts that hold secrets.
fn without_parts(word: &str) -> String {
    let ends = ['/', '"', '\'', ',', ';', '(', ')', '<', '>', '?', '&', '@'];
    let parts = word.split_inclusive(ends).map(|part| {
        let (text, end) = part.split_at(part.trim_end_matches(ends).len());
        if holds(text) { format!("{SHOWN}{end}") } else { part.to_owned() }
    });
    let shown: String = parts.collect();
    // That of a URL is known by what stands around it.
    if holds(&shown) { SHOWN.to_owned() } else { shown }
}

/// A path, or the target of a link, without the parts that are secrets by their form. What stands in a path says nothing of what
/// stands beside it, so that no part is one by its name.
pub fn shown_path(path: &str) -> String {
    shown_text(path).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g32_a_secret_is_shown_in_no_path() {
        let token = format!("glpat-{}", "q7Zk2mPwX9vL4tRb8NcY");
        for (path, want) in [
            (format!("/usr/bin/{token}"), "/usr/bin/[secret]"),
            (format!("../{token}/a b"), "../[secret]/a b"),
            ("/etc/app/password=s9df8sdf".to_owned(), "/etc/app/password=s9df8sdf"),
            ("/var/lib/sha256:9fjw83kf02bq/1.2.3".to_owned(), "/var/lib/sha256:9fjw83kf02bq/1.2.3"),
            ("/".to_owned(), "/"),
            (String::new(), ""),
        ] {
            assert_eq!(shown_path(&path), want);
        }
    }

    #[test]
    fn c77_a_secret_is_shown_in_no_name_version_or_package_url() {
        let token = format!("glpat-{}", "q7Zk2mPwX9vL4tRb8NcY");
        for (text, want) in [
            (token.clone(), "[secret]"),
            (format!("1.0+{token}"), "[secret]"),
            (format!("pkg:npm/{token}@1.0"), "pkg:npm/[secret]@1.0"),
            (
                "pkg:npm/a@1.0?vcs_url=git%2Bhttps%3A%2F%2Fbot:s9df8sdf%40git.corp%2Fa".to_owned(),
                "pkg:npm/a@1.0?[secret]",
            ),
            (format!("pkg:npm/a@{}", token.replace('-', "%2D")), "pkg:npm/a@[secret]"),
            (format!("pkg:npm/a@{}", token.replace('-', "%252D")), "pkg:npm/a@[secret]"),
            (format!("a {}", token.replace('-', "%252525252525252D")), "a [secret]"),
            ("git+https://bot:s9df8sdf@git.corp/a.git#v1".to_owned(), "[secret]"),
            ("left of https://bot:s9df8sdf@git.corp/a right".to_owned(), "left of [secret] right"),
            (format!("the package \"{token}\" is new"), "the package \"[secret]\" is new"),
            ("https://git.corp/a.git?ref=v1".to_owned(), "https://git.corp/a.git?ref=v1"),
            ("100%25 of a".to_owned(), "100%25 of a"),
            ("lodash".to_owned(), "lodash"),
        ] {
            assert_eq!(shown_text(&text), want);
        }
        let key = "-----BEGIN PRIVATE KEY-----";
        assert_eq!(shown_text(key), key, "a marker alone is none");
    }
}
