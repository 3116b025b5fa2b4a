//! apk's virtual packages, whose version is the time at which they were made.
//!
//! `apk add --virtual .build-deps …` makes a package without files, named with a leading dot, with a version such as
//! `20240131.120000`. That version, the checksum over it and the time are taken out where the package has no files;
//! every other line counts.

use sha2::{Digest as _, Sha256};

use super::{Work, text};

/// `lib/apk/db/installed`: stanzas of `X:value` lines, apart by empty lines.
pub(super) fn installed(
    _: &mut Work<'_>,
    _: &str,
    bytes: &[u8],
    hasher: &mut Sha256,
) -> Option<()> {
    let content = std::str::from_utf8(bytes).ok()?;
    for stanza in content.split("\n\n") {
        let virtual_package = is_virtual(stanza);
        for line in stanza.split('\n') {
            let made = if virtual_package { made(line) } else { None };
            hasher.update([u8::from(made.is_some())]);
            text(hasher, made.unwrap_or(line).as_bytes());
        }
        text(hasher, b"end of stanza");
    }
    Some(())
}

/// The field of a line that says when a package was made, where its value has the form of that.
fn made(line: &str) -> Option<&str> {
    let (field, value) = line.split_at_checked(2)?;
    let base64 = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/');
    // A letter for base64, a digit for the algorithm, then twenty bytes.
    let is_sum = |sum: &str| {
        let sum = sum.strip_prefix("Q1").or_else(|| sum.strip_prefix("Q2"));
        let sum = sum.and_then(|sum| sum.strip_suffix('='));
        sum.is_some_and(|sum| sum.len() == 27 && sum.chars().all(base64))
    };
    let fits = match field {
        "V:" => is_time(value),
        "C:" => is_sum(value),
        // Seconds since 1970.
        "t:" => value.len() <= 11 && value.bytes().all(|byte| byte.is_ascii_digit()),
        _ => false,
    };
    fits.then_some(field)
}

fn is_virtual(stanza: &str) -> bool {
    // A field that comes again may be the one that counts.
    let once = |field: &str| stanza.lines().filter(|line| line.starts_with(field)).count() == 1;
    if !["P:", "V:", "C:", "t:"].into_iter().all(once) {
        return false;
    }
    let has = |test: fn(&str) -> bool| stanza.lines().any(test);
    has(|line| line.starts_with("P:."))
        && has(|line| line.strip_prefix("V:").is_some_and(is_time))
        && !has(|line| ["F:", "R:", "a:", "M:", "Z:"].iter().any(|field| line.starts_with(field)))
}

/// `etc/apk/world`: one wish a line, as `.build-deps=20240131.120000`.
pub(super) fn world(_: &mut Work<'_>, _: &str, bytes: &[u8], hasher: &mut Sha256) -> Option<()> {
    for line in std::str::from_utf8(bytes).ok()?.split('\n') {
        let wish = line.split_once('=').filter(|(name, version)| {
            name.starts_with('.') && is_time(version) && !name.contains(char::is_whitespace)
        });
        text(hasher, wish.map_or(line, |(name, _)| name).as_bytes());
        hasher.update([u8::from(wish.is_some())]);
    }
    Some(())
}

/// `YYYYMMDD.HHMMSS`, as apk makes it.
fn is_time(version: &str) -> bool {
    let digits =
        |text: &str, count| text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
    version.split_once('.').is_some_and(|(day, time)| digits(day, 8) && digits(time, 6))
}
