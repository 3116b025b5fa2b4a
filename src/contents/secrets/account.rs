//! Accounts in one word: `user:word`, and the base64 of it that registries and HTTP ask for.
//!
//! Turns a word into the password in it. Base64 counts where text comes of it: anything decodes.

use base64::Engine as _;

use super::{pem::LENIENT, placeholder::is_placeholder};

/// Bytes of the longest word that is decoded.
const WORD_BYTES: usize = 4096;
/// Ends of names whose value is an account.
const ENDS: [&str; 5] = ["auth", "authorization", "basicauth", "userpass", "userpwd"];

/// The password of `user:word`.
pub(super) fn password(word: &str) -> Option<&str> {
    let (user, password) = word.split_once(':')?;
    let given = !user.is_empty()
        && !user.contains('/')
        && !password.starts_with("//")
        && !is_placeholder(password);
    given.then_some(password)
}

/// The account that is written in base64.
pub(super) fn decoded(word: &str) -> Option<String> {
    let base64 = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
    if word.len() > WORD_BYTES || !word.bytes().all(base64) {
        return None;
    }
    let text = String::from_utf8(LENIENT.decode(word).ok()?).ok()?;
    let printed = !text.contains(|c: char| c.is_control());
    (printed && password(&text).is_some()).then_some(text)
}

/// Whether a name says that its value is an account: `REGISTRY_AUTH`, `_auth`. That of a method, as `basic`, is none.
pub(super) fn is_named(name: &str) -> bool {
    let last = name.rsplit(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
    ENDS.iter().any(|end| last.eq_ignore_ascii_case(end))
}

/// Whether a value under such a name is one.
pub(super) fn is_account(value: &str) -> bool {
    let word = value.strip_prefix("Basic ").unwrap_or(value);
    let whole = !word.contains(char::is_whitespace) && !word.contains("://");
    // `host:8080`.
    let port = |word: &str| word.len() < 6 && word.bytes().all(|byte| byte.is_ascii_digit());
    whole && (password(word).is_some_and(|word| !port(word)) || decoded(word).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_known_by_name_and_form() {
        for name in ["REGISTRY_AUTH", "_auth", "npm_config__auth", "auth", "HTTP_AUTHORIZATION"] {
            assert!(is_named(name), "{name}");
        }
        for name in ["SSH_AUTH_SOCK", "AUTH_URL", "AUTHOR", "OAUTH", ""] {
            assert!(!is_named(name), "{name}");
        }
        // The base64 are `bot:s9df8sdf` and `bot:password`.
        for value in ["bot:s9df8sdf", "Ym90OnM5ZGY4c2Rm", "Basic Ym90OnM5ZGY4c2Rm"] {
            assert!(is_account(value), "{value}");
        }
        for value in [
            "basic",
            "bot:password",
            "Ym90OnBhc3N3b3Jk",
            "bot:$PW",
            "a b:s9df8sdf",
            "localhost:5432",
            "https://h:8080",
            "",
        ] {
            assert!(!is_account(value), "{value}");
        }
        assert_eq!(password("bot:a:b9dq"), Some("a:b9dq"));
    }
}
