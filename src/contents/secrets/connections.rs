//! Secrets inside of connection strings and of other text that gives values to names.
//!
//! Turns a text into whether it holds one: a URL with a password, `Server=db;Password=word`, the parameters of a JDBC URL, the
//! words of libpq, `user:word@tcp(db)` of Go, `user/word@` of Oracle, `-Dname=word` of Java, a member of JSON (an account of a
//! registry among them), a header that authorises, a line of `.netrc`.

use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::{
    account,
    named::{is_secret_value, passwords, says_secret, unquoted},
    placeholder::is_placeholder,
};

/// `NAME=value`; the value may be quoted.
static PAIRS: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r#"([A-Za-z][A-Za-z0-9_.-]*)=("[^"]*"|'[^']*'|[^\s;&,"']+)"#;
    Regex::new(pattern).expect("the pattern is a constant")
});
/// `"name": "value"`, also where the quotes are escaped.
static MEMBERS: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r#"\\?"([A-Za-z0-9_.-]+)\\?"\s*:\s*\\?"([^"\\]+)\\?""#;
    Regex::new(pattern).expect("the pattern is a constant")
});
/// User and password as drivers of Go for MySQL, and of Java for Oracle, write them.
static ACCOUNTS: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r#"(?:^|[\s"'=])[^\s:/@"'=]+:([^\s@"']+)@(?:tcp|tcp6|unix)\(|jdbc:oracle:[a-z0-9]+:[^\s/@:]+/([^\s@]+)@"#;
    Regex::new(pattern).expect("the pattern is a constant")
});
/// `Authorization: Bearer word`, `X-Api-Key: word`.
static HEADERS: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r#"(?i)authorization:\s*(?:[a-z]+\s+)?([^\s"']+)|(?:x-api-key|private-token|job-token|x-auth-token):\s*([^\s"']+)"#;
    Regex::new(pattern).expect("the pattern is a constant")
});

/// `machine HOST login USER password WORD`, over one or more lines, as `.netrc` has it.
static NETRC: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r"\bmachine\s+\S+\s+(?:(?:login|account)\s+\S+\s+){0,2}password\s+(\S+)";
    Regex::new(pattern).expect("the pattern is a constant")
});

/// Whether a text holds a secret that it gives to a name.
pub(super) fn has_secret(text: &str) -> bool {
    secrets(text).next().is_some()
}

/// The secrets that a text gives to names, as they are written there.
pub(super) fn secrets(text: &str) -> impl Iterator<Item = &str> {
    passwords(text)
        .map(|(_, password)| password)
        .chain(named(&PAIRS, text))
        .chain(named(&MEMBERS, text))
        .chain(words(&ACCOUNTS, text))
        .chain(words(&HEADERS, text))
        .chain(words(&NETRC, text))
}

/// What a pattern finds.
fn words<'t>(pattern: &'static Regex, text: &'t str) -> impl Iterator<Item = &'t str> {
    let word =
        |found: Captures<'t>| found.get(1).or_else(|| found.get(2)).map(|word| word.as_str());
    pattern.captures_iter(text).filter_map(word).filter(|word| !is_placeholder(word))
}

/// Of the names and values that a pattern finds, the values that are secrets by their names.
fn named<'t>(pattern: &'static Regex, text: &'t str) -> impl Iterator<Item = &'t str> {
    let pair = |found: Captures<'t>| Some((found.get(1)?.as_str(), found.get(2)?.as_str()));
    pattern.captures_iter(text).filter_map(pair).filter_map(|(name, value)| {
        let secret = says_secret(name) && is_secret_value(value);
        let account = || account::is_named(name) && account::is_account(unquoted(value));
        (secret || account()).then_some(value)
    })
}
