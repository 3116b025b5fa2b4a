//! Values that are secrets by their names: variables, flags, fields.
//!
//! A name is read as its words (`DB_PASSWORD`, `dbPassword`, `db-password`). What its last words say about a secret (its file,
//! its length, whether it is needed) is no secret; neither are values that stand for one.

use super::placeholder::is_placeholder;

/// Words that say it by themselves.
const SECRETS: [&str; 19] = [
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "pass",
    "pwd",
    "secret",
    "secrets",
    "token",
    "apikey",
    "secretkey",
    "privatekey",
    "accesstoken",
    "authtoken",
    "identitytoken",
    "registrytoken",
    "credentials",
    // Names without a mark between their words, which programs read.
    "dbpass",
    "sshpass",
];
/// Ends of words that say it, where the name has no mark between its words (`PGPASSWORD`, `DBPASSWD`).
const ENDS: [&str; 3] = ["password", "passwd", "passphrase"];
/// Words with such an end that say that there is none.
const WITHOUT: [&str; 2] = ["nopassword", "nopasswd"];
/// Pairs of words that say it together.
const PAIRS: [(&str, &str); 13] = [
    ("api", "key"),
    ("secret", "key"),
    ("private", "key"),
    ("access", "key"),
    ("encryption", "key"),
    ("signing", "key"),
    ("master", "key"),
    ("account", "key"),
    ("deploy", "key"),
    ("license", "key"),
    ("service", "key"),
    ("app", "key"),
    ("rediscli", "auth"),
];
/// Last words of what is said about a secret.
const ABOUT: [&str; 45] = [
    "file",
    "files",
    "path",
    "dir",
    "directory",
    "url",
    "uri",
    "endpoint",
    "host",
    "port",
    "name",
    "names",
    "id",
    "ids",
    "length",
    "len",
    "size",
    "min",
    "max",
    "ttl",
    "expiry",
    "expires",
    "expiration",
    "timeout",
    "age",
    "enabled",
    "disabled",
    "type",
    "algorithm",
    "alg",
    "method",
    "issuer",
    "audience",
    "header",
    "prefix",
    "suffix",
    "policy",
    "required",
    "version",
    "count",
    "limit",
    "rotation",
    "hint",
    "format",
    "stdin",
];
/// Words that make a name one of something public, wherever they stand.
const PUBLIC: [&str; 10] = [
    "public",
    "gpg",
    "sha256",
    "sha512",
    "checksum",
    "fingerprint",
    "allow",
    "random",
    "csrf",
    "tokenizers",
];

/// The words of a name, in lower case.
fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut last: Option<char> = None;
    let mut open = false;
    for c in name.chars() {
        if !c.is_ascii_alphanumeric() {
            open = false;
        } else {
            let begins =
                c.is_ascii_uppercase() && last.is_some_and(|last| last.is_ascii_lowercase());
            match words.last_mut() {
                Some(word) if open && !begins => word.push(c.to_ascii_lowercase()),
                _ => words.push(c.to_ascii_lowercase().to_string()),
            }
            open = true;
        }
        last = Some(c);
    }
    words
}

/// Whether a name says that its value is a secret.
pub(super) fn says_secret(name: &str) -> bool {
    if name.len() > 200 || matches!(name, "PWD" | "OLDPWD") {
        return false;
    }
    let words = words(name);
    let word = |at: usize| words.get(at).map_or("", String::as_str);
    let ends = |word: &str| ENDS.iter().any(|end| word.ends_with(end)) && !WITHOUT.contains(&word);
    let says = |at: usize| {
        let one = word(at);
        SECRETS.contains(&one) || ends(one) || PAIRS.contains(&(one, word(at + 1)))
    };
    (0..words.len()).any(says)
        && !words.last().is_some_and(|last| ABOUT.contains(&last.as_str()))
        && !words.iter().any(|word| PUBLIC.contains(&word.as_str()))
}

/// Whether a value under such a name is one.
pub(super) fn is_secret_value(value: &str) -> bool {
    !unquoted(value).contains(char::is_whitespace) && is_secret_text(value)
}

/// The same where nobody writes sentences about it: one may have several words.
pub(super) fn is_secret_text(value: &str) -> bool {
    let value = unquoted(value);
    let number = value.len() < 6 && value.bytes().all(|byte| byte.is_ascii_digit());
    // A URL is judged by the password in it.
    let url = value.contains("://");
    !number && !is_placeholder(value) && (!url || has_password(value))
}

/// A value without the quotes around it.
pub(super) fn unquoted(value: &str) -> &str {
    let value = value.trim();
    let within = |quote: char| value.strip_prefix(quote)?.strip_suffix(quote);
    within('"').or_else(|| within('\'')).unwrap_or(value)
}

/// Whether a text has a URL with a password: `scheme://user:password@host`.
pub(super) fn has_password(text: &str) -> bool {
    passwords(text).next().is_some()
}

/// User and password of each URL in a text that has a password.
pub(super) fn passwords(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let ends = |c: char| c.is_whitespace() || matches!(c, '/' | '?' | '#' | '"' | '\'' | '<' | '>');
    text.split("://").skip(1).filter_map(move |behind| {
        let authority = behind.split(ends).next()?;
        let (account, host) = authority.rsplit_once('@')?;
        let (user, password) = account.split_once(':')?;
        let given = !host.is_empty() && !is_placeholder(password) && !is_made_up_host(host);
        given.then_some((user, password))
    })
}

/// Hosts that documents reserve (RFC 2606), and the names that they give.
fn is_made_up_host(host: &str) -> bool {
    let host = host.split(':').next().unwrap_or_default().to_ascii_lowercase();
    let is_below = |name: &&str| {
        host.strip_suffix(*name).is_some_and(|front| front.is_empty() || front.ends_with('.'))
    };
    // `db.myexample.com` is anybody's.
    ["example.com", "example.org", "example.net"].iter().any(is_below)
        || [".example", ".invalid"].iter().any(|end| host.ends_with(end))
        || host == "host"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_is_secret() {
        for name in [
            "DB_PASSWORD",
            "dbPassword",
            "MYSQL_ROOT_PASSWORD",
            "API_KEY",
            "apiKey",
            "GITHUB_TOKEN",
            "NPM_TOKEN",
            "SECRET_KEY_BASE",
            "AWS_SECRET_ACCESS_KEY",
            "DJANGO_SECRET_KEY",
            "DB_PWD",
            "SMTP_PASS",
            "private-key",
            "JWT_SECRET",
            "PGPASSWORD",
            "DBPASSWD",
            "mysqlrootpassword",
            "REDIS_PASSPHRASE",
        ] {
            assert!(says_secret(name), "{name}");
        }
        for name in [
            "PWD",
            "OLDPWD",
            "PATH",
            "GPG_KEY",
            "PYTHON_SHA256",
            "POSTGRES_PASSWORD_FILE",
            "SECRET_NAME",
            "AWS_ACCESS_KEY_ID",
            "PASSWORD_MIN_LENGTH",
            "TOKENIZERS_PARALLELISM",
            "MYSQL_ALLOW_EMPTY_PASSWORD",
            "MYSQL_RANDOM_ROOT_PASSWORD",
            "TOKEN_TTL",
            "SSH_AUTH_SOCK",
            "KEYBOARD",
            "COMPASS_HOME",
            "JWT_PUBLIC_KEY",
            "MONKEY",
            "PASSENGER_APP_ENV",
            "API_KEY_HEADER",
            "NOPASSWD",
            "PASSWORDLESS",
            "TOKEN_URL",
            "",
        ] {
            assert!(!says_secret(name), "{name}");
        }
    }

    #[test]
    fn values_are_secrets_where_they_stand_for_nothing_else() {
        for value in [
            "hunter2",
            "S3cr3tPw9",
            "'s9df8sdf'",
            "postgres",
            "739201",
            "postgres://app:s9df8sdf@db/app",
        ] {
            assert!(is_secret_value(value), "{value}");
        }
        assert!(is_secret_value("postgres://app:s9df8sdf@db.myexample.com/app"));
        for value in [
            "",
            "true",
            "s3cr3t",
            "8",
            "/run/secrets/x",
            "${X}",
            "changeme",
            "https://auth.corp/token",
            "postgres://app@db/app",
            "postgres://app:password@db/app",
            "a sentence about it",
            "postgres://app:s9df8sdf@db.example.com/app",
            "postgres://app:s9df8sdf@example.com:5432/app",
            "postgres://app:s9df8sdf@db.example/app",
        ] {
            assert!(!is_secret_value(value), "{value}");
        }
    }
}
