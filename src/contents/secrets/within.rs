//! The secrets inside of a value: the password of a URL, of an option, of an account, of a line of several.
//!
//! Turns a value with its name into the words in it that are secrets by themselves, so that whoever repeats a part of the value
//! does not show one. Each is found by what finds it in an image; a value that says nothing of its parts has none.

use std::{borrow::Cow, collections::BTreeSet};

use percent_encoding::percent_decode_str;

use super::{account, commands, configured::in_text, connections, named, settings, shown::in_keys};

/// Bytes of a value that are looked at.
const VALUE_BYTES: usize = 256 << 10;
/// Secrets that commands in it give.
const GIVEN: usize = 256;
/// Bytes of a user's name that may be a token instead.
const TOKEN_BYTES: usize = 12;

/// The secrets inside of a value that has this name.
pub fn secrets_within(name: &str, value: &str) -> BTreeSet<String> {
    let value = value.get(..value.floor_char_boundary(VALUE_BYTES)).unwrap_or_default();
    let mut found = Found::default();
    if named::says_secret(name) || account::is_named(name) && account::is_account(value) {
        found.word(value.strip_prefix("Basic ").unwrap_or(value));
    }
    named::passwords(value).for_each(|(user, password)| found.account(user, password));
    connections::secrets(value).for_each(|word| found.word(word));
    commands::secrets(value, GIVEN).iter().for_each(|word| found.word(word));
    let given = settings::secrets(value).into_iter();
    given.filter_map(|range| value.get(range)).for_each(|word| found.word(word));
    if name.to_ascii_lowercase().contains("pgpass") {
        let passwords = value.lines().filter_map(|line| line.splitn(5, ':').nth(4));
        passwords.for_each(|word| found.word(word));
    }
    // A key may be written in one line, too.
    if in_keys(&value.replace("\\n", "\n")).contains(&true) {
        found.plain(value);
    }
    let apart = |c: char| c.is_whitespace() || "/\"',;=?&@:".contains(c);
    let tokens = value.split(apart).filter(|word| !word.is_empty() && !in_text(word).is_empty());
    tokens.for_each(|word| found.word(word));
    found.0
}

#[derive(Default)]
struct Found(BTreeSet<String>);

impl Found {
    /// A secret as it is written: in quotes, in base64, or with its user before it, and what these stand for.
    fn word(&mut self, word: &str) {
        let word = named::unquoted(word);
        if word.contains("://") || word.is_empty() {
            return;
        }
        self.plain(word);
        let decoded = account::decoded(word);
        decoded.iter().for_each(|account| self.plain(account));
        let accounts = [Some(word), decoded.as_deref()];
        accounts.into_iter().flatten().filter_map(account::password).for_each(|of| self.plain(of));
    }

    /// What the account of a URL has. Some put a token where the user stands.
    fn account(&mut self, user: &str, password: &str) {
        let digits = user.bytes().any(|byte| byte.is_ascii_digit());
        if user.len() >= TOKEN_BYTES && digits {
            self.plain(user);
        }
        self.plain(password);
    }

    fn plain(&mut self, word: &str) {
        self.0.insert(word.to_owned());
        if let Cow::Owned(plain) = percent_decode_str(word).decode_utf8_lossy() {
            self.0.insert(plain);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g35_the_secrets_of_a_value_are_found_in_it() {
        for (name, value, want) in [
            ("PIP_INDEX_URL", "https://bot:s9df8sdf@pypi.corp/simple", "s9df8sdf"),
            ("PIP_INDEX_URL", "https://bot:s9df%408sdf@pypi.corp/simple", "s9df%408sdf s9df@8sdf"),
            ("REPO", "https://k3Lp9wzQ81vB:x-oauth-basic@git.corp/a", "k3Lp9wzQ81vB x-oauth-basic"),
            ("FLAGS", "--verbose --password=s9df8sdf -x", "s9df8sdf"),
            ("FLAGS", "login --password s9df8sdf h", "s9df8sdf"),
            ("FLAGS", "curl -u bot:s9df8sdf https://h", "s9df8sdf"),
            ("REGISTRY_AUTH", "bot:s9df8sdf", "bot:s9df8sdf s9df8sdf"),
            ("NPM_TOKEN", "bot:s9df8sdf", "bot:s9df8sdf s9df8sdf"),
            // `bot:s9df8sdf`.
            ("HTTP_AUTH", "Basic Ym90OnM5ZGY4c2Rm", "Ym90OnM5ZGY4c2Rm bot:s9df8sdf s9df8sdf"),
            (
                "DOCKER_AUTH_CONFIG",
                r#"{"auths": {"h": {"auth": "Ym90OnM5ZGY4c2Rm"}}}"#,
                "Ym90OnM5ZGY4c2Rm bot:s9df8sdf s9df8sdf",
            ),
            ("NETRC", "machine git.corp login bot password s9df8sdf", "s9df8sdf"),
            ("NETRC", "machine git.corp\n  login bot\n  password s9df8sdf\n", "s9df8sdf"),
            ("CONFIG", "user: bot\npassword: s9df8sdf\n", "s9df8sdf"),
            ("CONFIG", "[a]\ntoken = 's9df8sdf'\n", "s9df8sdf"),
            (
                "NPMRC",
                "//h/:_authToken=s9df8sdf\n//g/:_auth=Ym90OnM5ZGY4c2Rm",
                "Ym90OnM5ZGY4c2Rm bot:s9df8sdf s9df8sdf",
            ),
            ("PGPASS_TEXT", "db:5432:app:app:s9df8sdf", "s9df8sdf"),
            ("DSN", "host=db password='s9df8sdf'", "s9df8sdf"),
            ("VERSION", "1.4.2", ""),
            ("AUTH", "basic", ""),
        ] {
            let found: Vec<String> = secrets_within(name, value).into_iter().collect();
            assert_eq!(found.join(" "), want, "{name}={value}");
        }
    }
}
