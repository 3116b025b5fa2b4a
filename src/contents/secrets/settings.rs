//! Settings that a line gives to a name, wherever they stand in it: `name: word`, `name = "word"`, `<name>word</name>`.
//!
//! Turns text into the places of the words that are secrets by their names. Other words may stand before and behind, as in the
//! log of a build.

use std::{ops::Range, sync::LazyLock};

use regex::Regex;

use super::named;

/// Bytes of a word by which it is judged.
const WORD_BYTES: usize = 4096;

/// Bytes before a name in which the word before it is.
const NEAR_BYTES: usize = 32;

/// A name, a sign, and the first character of the word that it is given. The word itself may hold the next name.
static SETTING: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r#"(?m)(?:^|[\s"'{,(\[>])([A-Za-z0-9_][A-Za-z0-9_.-]*)["']?[ \t]*(?::=|=>|[:=])[ \t]*([^\s:=>])"#;
    Regex::new(pattern).expect("the pattern is a constant")
});
/// An element of XML with text alone.
static ELEMENT: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"<([A-Za-z0-9_.:-]+)(?:\s[^<>]*)?>([^<>]+)</").expect("the pattern is a constant")
});

/// Where the secrets stand that a text gives to names, in their order.
pub(super) fn secrets(text: &str) -> Vec<Range<usize>> {
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some(one) = SETTING.captures_at(text, at) {
        let (Some(name), Some(first)) = (one.get(1), one.get(2)) else { break };
        at = name.end();
        let before = text.get(..name.start()).unwrap_or_default();
        if !named::says_secret(name.as_str()) || is_of_grammar(before, name.as_str()) {
            continue;
        }
        let rest = text.get(first.start()..).unwrap_or_default();
        let begins = rest.get(..rest.floor_char_boundary(WORD_BYTES)).unwrap_or_default();
        if named::is_secret_value(word(begins)) {
            at = first.start() + word(rest).len();
            found.push(first.start()..at);
        }
    }
    for one in ELEMENT.captures_iter(text) {
        let (Some(name), Some(value)) = (one.get(1), one.get(2)) else { continue };
        if named::says_secret(name.as_str()) && named::is_secret_value(value.as_str()) {
            found.push(value.range());
        }
    }
    found.sort_by_key(|range| range.start);
    found
}

/// The word at the beginning of a text: what is in quotes there with these, or up to a blank.
fn word(text: &str) -> &str {
    let line = text.split('\n').next().unwrap_or_default();
    let quoted = |quote: char| {
        let end = line.strip_prefix(quote)?.find(quote)?;
        line.get(..end + 2)
    };
    let plain = || line.split(char::is_whitespace).next().unwrap_or_default();
    let word = quoted('"').or_else(|| quoted('\'')).unwrap_or_else(plain);
    word.trim_end_matches([',', ';'])
}

/// A text with this in the place of each of them.
pub(super) fn without(text: &str, mark: &str) -> Option<String> {
    let found = secrets(text);
    let (mut shown, mut at) = (String::new(), 0);
    for range in &found {
        if range.start < at {
            continue;
        }
        shown.push_str(text.get(at..range.start)?);
        shown.push_str(mark);
        at = range.end;
    }
    shown.push_str(text.get(at..)?);
    (!found.is_empty()).then_some(shown)
}

/// Whether it is a compiler that speaks: `unexpected token: identifier`.
fn is_of_grammar(before: &str, name: &str) -> bool {
    let near = before.get(before.floor_char_boundary(before.len().saturating_sub(NEAR_BYTES))..);
    let word = near.unwrap_or_default().trim_end().rsplit(char::is_whitespace).next();
    name.eq_ignore_ascii_case("token")
        && word.is_some_and(|word| word.eq_ignore_ascii_case("unexpected"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c78_a_line_of_names_is_read_once() {
        for part in ["{a=", "{password=", "password: ${", "<password>", "a "] {
            let many = part.repeat((64 << 10) / part.len());
            assert!(secrets(&many).len() <= 1, "{part}");
        }
    }

    #[test]
    fn g37_a_setting_is_found_behind_other_words() {
        for (text, want) in [
            ("npm ERR! password: s9df8sdf", "npm ERR! password: [secret]"),
            ("error: password: s9df8sdf", "error: password: [secret]"),
            ("a=1 {b={token=s9df8sdf", "a=1 {b={token=[secret]"),
            (
                "2024-01-01T00:00:00Z INFO token = s9df8sdf, retrying",
                "2024-01-01T00:00:00Z INFO token = [secret], retrying",
            ),
            (
                "12:00 {\"user\": \"bot\", \"password\": \"s9df8sdf\"}",
                "12:00 {\"user\": \"bot\", \"password\": [secret]}",
            ),
            ("config { db_password => 's9df8sdf' }", "config { db_password => [secret] }"),
            ("var apiKey := \"s9df8sdf\"", "var apiKey := [secret]"),
            ("user: bot\npassword: s9df8sdf\n", "user: bot\npassword: [secret]\n"),
            (
                "<a><user>bot</user><password x=\"1\">s9df8sdf</password></a>",
                "<a><user>bot</user><password x=\"1\">[secret]</password></a>",
            ),
        ] {
            assert_eq!(without(text, "[secret]").as_deref(), Some(want));
        }
        for text in [
            "SyntaxError: Unexpected token: keyword",
            "use crate::secret::Secret;",
            "use secret::Secret;",
            "if password == stored {",
            "password: ${PASSWORD}",
            "password:",
            "#8 [auth] library/alpine:pull token for registry.corp",
            "",
        ] {
            assert_eq!(without(text, "[secret]"), None, "{text}");
        }
    }
}
