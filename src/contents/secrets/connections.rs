//! Secrets inside of connection strings and of other text that gives values to names.
//!
//! Turns a text into whether it holds one: a URL with a password, `Server=db;Password=word`, the parameters of a JDBC URL, the
//! words of libpq, `user:word@tcp(db)` of Go, `user/word@` of Oracle, `-Dname=word` of Java, a member of JSON, a header that
//! authorises.

use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::{
    named::{has_password, is_secret_value, says_secret},
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

/// Whether a text holds a secret that it gives to a name.
pub(super) fn has_secret(text: &str) -> bool {
    let word = |found: &Captures<'_>| {
        let word = found.get(1).or_else(|| found.get(2)).map_or("", |word| word.as_str());
        !is_placeholder(word)
    };
    has_password(text)
        || PAIRS.captures_iter(text).any(|found| gives(&found))
        || MEMBERS.captures_iter(text).any(|found| gives(&found))
        || ACCOUNTS.captures_iter(text).any(|found| word(&found))
        || HEADERS.captures_iter(text).any(|found| word(&found))
}

/// Whether a name that says so gets a secret.
fn gives(found: &Captures<'_>) -> bool {
    let of = |at| found.get(at).map_or("", |part| part.as_str());
    says_secret(of(1)) && is_secret_value(of(2))
}
