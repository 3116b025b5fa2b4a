//! Values that stand for a secret and are none: what documents, templates and vendors write in its place.
//!
//! That a value looks random proves nothing, and that it looks made up proves it is no secret: this is the second half.

/// Parts of values that stand for a secret, where nothing is left of the value that somebody drew.
const WORDS: [&str; 22] = [
    "example",
    "changeme",
    "change_me",
    "change-me",
    "placeholder",
    "your_",
    "your-",
    "yourpass",
    "yourtoken",
    "yoursecret",
    "replace",
    "insert",
    "redacted",
    "dummy",
    "sample",
    "notasecret",
    "not-a-secret",
    "todo",
    "fixme",
    "fake",
    "mysecret",
    // The password of Java's own list of authorities, in its documents.
    "changeit",
];

/// Values that are words for a secret, or for its absence.
const WHOLE: [&str; 27] = [
    "password",
    "passwd",
    "pass",
    "passphrase",
    "secret",
    "s3cr3t",
    "token",
    "key",
    "apikey",
    "api_key",
    "credentials",
    "username",
    "user",
    "none",
    "null",
    "nil",
    "undefined",
    "true",
    "false",
    "yes",
    "no",
    "on",
    "off",
    "test",
    "testing",
    "string",
    "value",
];

/// How references to a value that stands elsewhere begin.
const REFERENCES: [&str; 12] =
    ["$", "%", "<", "{", "[", "@", "/", "./", "file:", "vault:", "env:", "secret:"];

/// Characters in a row that rise by one, or stay the same, beyond which nobody drew them.
const RUN: usize = 6;

/// Whether a value stands for a secret.
pub(super) fn is_placeholder(value: &str) -> bool {
    let value = value.trim();
    let low = value.to_ascii_lowercase();
    low.len() < 4
        || WHOLE.contains(&low.as_str())
        || is_worded(value, &low)
        || REFERENCES.iter().any(|begin| low.starts_with(begin))
        || low.contains("${")
        || low.contains("{{")
        || low.contains("$(")
        || has_run(low.as_bytes())
        || distinct(low.as_bytes()) < 3
}

/// Characters of a part of letters and digits from which on somebody drew it.
const DRAWN: usize = 4;

/// Whether a value says itself that it is none, and what is left of it besides is words or a number. Vendors write theirs
/// in capitals.
fn is_worded(value: &str, low: &str) -> bool {
    if !WORDS.iter().any(|word| low.contains(word)) {
        return false;
    }
    let removed = |text: String, word: &&str| text.replace(word, "-");
    let whole = WHOLE.iter().filter(|word| word.len() >= DRAWN);
    let rest = WORDS.iter().chain(whole).fold(low.to_owned(), removed);
    let is_drawn = |part: &str| {
        let digits = part.bytes().filter(u8::is_ascii_digit).count();
        part.len() >= DRAWN && digits > 0 && digits < part.len()
    };
    value.contains("EXAMPLE") || !rest.split(|c: char| !c.is_alphanumeric()).any(is_drawn)
}

/// Whether the random part of a token was written by a person: `xxxxxxxx`, `12345678`, `abcdefgh`, the same few characters.
pub(super) fn is_made_up(body: &[u8]) -> bool {
    let low = body.to_ascii_lowercase();
    let text = String::from_utf8_lossy(&low);
    WORDS.iter().any(|word| text.contains(word))
        || has_run(&low)
        || distinct(&low) < body.len().min(24) / 3
}

fn has_run(bytes: &[u8]) -> bool {
    let longest = |step: u8| {
        let (mut longest, mut run) = (1_usize, 1_usize);
        for pair in bytes.windows(2) {
            let [a, b] = pair else { continue };
            let goes_on = a.is_ascii_alphanumeric() && a.wrapping_add(step) == *b;
            run = if goes_on { run + 1 } else { 1 };
            longest = longest.max(run);
        }
        longest
    };
    longest(1) >= RUN || longest(0) >= RUN
}

fn distinct(bytes: &[u8]) -> usize {
    let mut seen = [false; 256];
    for byte in bytes {
        if let Some(seen) = seen.get_mut(usize::from(*byte)) {
            *seen = true;
        }
    }
    seen.into_iter().filter(|seen| *seen).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_for_a_secret_is_none() {
        for value in [
            "",
            "abc",
            "changeme",
            "CHANGEME123",
            "your-token-here",
            "<password>",
            "${TOKEN}",
            "$TOKEN",
            "{{ .Values.token }}",
            "xxxxxxxxxxxx",
            "********",
            "123456789",
            "abcdefgh",
            "password",
            "true",
            "/run/secrets/db",
            "AKIAIOSFODNN7EXAMPLE",
            "redacted",
            "a$(cat x)b",
            "%TOKEN%",
            "aaaabbbb",
        ] {
            assert!(is_placeholder(value), "{value}");
        }
        for value in
            ["example-1", "my-sample-v2", "replace_with_password1", "s3cr3t", "fake-token-123456"]
        {
            assert!(is_placeholder(value), "{value}");
        }
        for value in ["s3cr3tPassw0rd!", "Xk9changeme77Qz", "dummyhead88Zq", "my-example-9Kq2"] {
            assert!(!is_placeholder(value), "{value}: a word in it is no proof");
        }
        for value in ["hunter2", "Tr0ub4dor&3", "postgres", "correct horse", "p@ss9word!"] {
            assert!(!is_placeholder(value), "{value}");
        }
    }

    #[test]
    fn what_a_person_typed_is_no_token() {
        for body in [
            "xxxxxxxxxxxxxxxxxxxx",
            "0123456789abcdef",
            "abababababababababab",
            "EXAMPLEabc9fjw83kf02",
        ] {
            assert!(is_made_up(body.as_bytes()), "{body}");
        }
        for body in ["9fjw83kf02bq7z1pLm4c", "zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ"] {
            assert!(!is_made_up(body.as_bytes()), "{body}");
        }
    }
}
