//! Private keys in PEM and its relatives: whether a body follows the marker, and is one.
//!
//! Turns what follows `-----BEGIN … PRIVATE KEY-----` into a [`Key`], where the text decodes to the structure that the
//! marker names (RFC 7468; PKCS#1, PKCS#8, SEC 1, OpenSSH's PROTOCOL.key, RFC 9580). Markers in programs, templates and
//! documents have no such body and are none. Line ends may be LF or CRLF, may be written as escapes of JSON, YAML, XML
//! or a shell, or as spaces; lines may be quoted, joined by an operator of a language, or stand behind the sign of a
//! comment or a quotation. What else is written in escapes is read by whoever finds the marker.

use super::{ber, der, openpgp, published};
use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

/// Bytes of a key, with its markers, that are looked at: an RSA key of 16384 bits takes 12.7 KiB.
pub(super) const KEY_BYTES: usize = 16 << 10;

/// Base64 as people paste it: padding may lack, last bits may be set.
pub(super) const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// A private key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    /// Whether a passphrase protects it.
    pub(super) encrypted: bool,
    /// The marker's word.
    pub(super) form: Form,
    /// Whether everybody has it.
    pub(super) published: bool,
}

/// How a key is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Pkcs1,
    Pkcs8,
    Encrypted,
    Ec,
    Dsa,
    OpenSsh,
    Pgp,
}

/// Letters of a line of base64 that no word of a language has.
const LINE: usize = 40;

/// How OpenSSH's own form begins.
pub(super) const OPENSSH: &[u8] = b"openssh-key-v1\0";
/// How a key begins.
const BEGIN: &[u8] = b"-----BEGIN ";
const DASHES: &[u8] = b"-----";
/// Bytes between both dashes of the longest marker.
const MARKER: usize = 40;

/// The form of which this is the marker, and its length.
fn marker(text: &[u8]) -> Option<(Form, usize)> {
    let rest = text.strip_prefix(BEGIN)?;
    let rest = rest.get(..MARKER).unwrap_or(rest);
    let end = rest.windows(DASHES.len()).position(|window| window == DASHES)?;
    let form = match rest.get(..end)? {
        b"RSA PRIVATE KEY" => Form::Pkcs1,
        b"PRIVATE KEY" => Form::Pkcs8,
        b"ENCRYPTED PRIVATE KEY" => Form::Encrypted,
        b"EC PRIVATE KEY" => Form::Ec,
        b"DSA PRIVATE KEY" => Form::Dsa,
        b"OPENSSH PRIVATE KEY" => Form::OpenSsh,
        b"PGP PRIVATE KEY BLOCK" => Form::Pgp,
        _ => return None,
    };
    Some((form, BEGIN.len() + end + DASHES.len()))
}

/// Whether text begins with the marker of a private key.
pub(super) fn is_marked(text: &[u8]) -> bool {
    marker(text).is_some()
}

/// The private key with which `text` begins.
pub(super) fn private_key(text: &[u8]) -> Option<Key> {
    let (form, length) = marker(text)?;
    let body = text.get(length..)?;
    let body = body.get(..KEY_BYTES).unwrap_or(body);
    let Some(end) = body.windows(DASHES.len()).position(|window| window == DASHES) else {
        return if form == Form::Pgp { long_armour(body) } else { drawn_out(form, body) };
    };
    let lines = unescaped(body.get(..end)?);
    let is_sign = |word: &str| word.bytes().all(|byte| matches!(byte, b'+' | b'/'));
    // A word of signs alone marks a comment or a difference, or is base64 of a short line.
    [is_sign, |_: &str| false].into_iter().find_map(|leave| of_lines(form, &lines, leave))
}

/// The key in the lines between the markers, of which some words are left out.
fn of_lines(form: Form, lines: &str, leave: fn(&str) -> bool) -> Option<Key> {
    let (headers, base64) = split_headers(lines, leave);
    let locked = headers.contains("ENCRYPTED");
    let has_lines = base64.lines().any(|line| line.len() >= LINE);
    let base64 = match form {
        // The checksum of armour (RFC 9580, section 6.1).
        Form::Pgp => {
            base64.rsplit_once("\n=").map_or(base64.as_str(), |(body, _)| body).replace('\n', "")
        }
        _ => base64.replace('\n', ""),
    };
    let bytes = LENIENT.decode(base64).ok()?;
    if locked && matches!(form, Form::Pkcs1 | Form::Ec | Form::Dsa) {
        // What is encrypted has no structure; no marker in a program has so many bytes behind it.
        let is_key = has_lines && bytes.len() >= 64;
        return is_key.then_some(Key { encrypted: true, form, published: false });
    }
    let encrypted = structure(form, &bytes);
    let in_ber = || structure(form, &ber::definite(&bytes)?);
    let encrypted = encrypted.or_else(in_ber);
    encrypted.map(|encrypted| Key { encrypted, form, published: published::is_published(&bytes) })
}

/// A key in armour whose end is not among the bytes that are looked at, for what others say of it stands behind it: its
/// packet is the first.
fn long_armour(body: &[u8]) -> Option<Key> {
    let (_, base64) = split_headers(&unescaped(body), |_| false);
    let base64 = base64.replace('\n', "");
    let bytes = LENIENT.decode(base64.get(..base64.len() / 4 * 4)?).ok()?;
    let key = openpgp::secret_key(&bytes).filter(|key| key.whole)?;
    Some(Key { encrypted: key.encrypted, form: Form::Pgp, published: false })
}

/// A key whose end is not among the bytes that are looked at, for blanks between its digits, as its first digits tell it: a sequence
/// that begins with a version or with an algorithm, or OpenSSH's own mark.
fn drawn_out(form: Form, body: &[u8]) -> Option<Key> {
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    let is_plain = |byte: &u8| is_digit(byte) || byte.is_ascii_whitespace();
    let digits: Vec<u8> = body.iter().filter(|byte| is_digit(byte)).copied().collect();
    // A key alone is shorter than all that is looked at.
    if body.len() < KEY_BYTES - 2 * MARKER
        || !body.iter().all(is_plain)
        || digits.len() > body.len() / 2
    {
        return None;
    }
    let bytes = LENIENT.decode(digits.get(..32)?).ok()?;
    let content = match bytes.as_slice() {
        [0x30, 0x82, _, _, rest @ ..] | [0x30, 0x81, _, rest @ ..] | [0x30, _, rest @ ..] => rest,
        _ if bytes.starts_with(OPENSSH) => &[0x02],
        _ => return None,
    };
    let encrypted = form == Form::Encrypted;
    let begins = matches!(content, [0x02, ..] | [0x30, ..]);
    begins.then_some(Key { encrypted, form, published: false })
}

/// Whether bytes have the structure of a private key that the marker may stand for, and a passphrase protects the key.
fn structure(form: Form, bytes: &[u8]) -> Option<bool> {
    match form {
        // OpenSSL takes each of them under any of these markers.
        Form::Pkcs1 | Form::Dsa | Form::Ec | Form::Pkcs8 | Form::Encrypted => {
            let plain = der::is_integers(bytes, 3) || der::is_sec1(bytes) || der::is_pkcs8(bytes);
            if plain { Some(false) } else { der::is_encrypted_pkcs8(bytes).then_some(true) }
        }
        Form::OpenSsh => openssh(bytes),
        Form::Pgp => openpgp::secret_key(bytes).map(|key| key.encrypted),
    }
}

/// Text with the escapes of line ends read, and what quotes and indents lines left out: one line for each line.
fn unescaped(body: &[u8]) -> String {
    let mut out = String::with_capacity(body.len());
    let mut rest = body;
    while let Some((first, more)) = rest.split_first() {
        rest = more;
        match (first, more.first()) {
            (b'\\', Some(b'n' | b'r')) => {
                out.push('\n');
                rest = more.get(1..).unwrap_or_default();
            }
            (b'\\', Some(b'u' | b'x')) => rest = numbered(more, &mut out),
            (b'&', Some(b'#')) => {
                out.push('\n');
                let end = more.iter().take(8).position(|byte| *byte == b';');
                rest = end.and_then(|end| more.get(end + 1..)).unwrap_or(more);
            }
            (b'\\', Some(b't' | b'\\' | b'"' | b'/')) => {}
            (b'\\', _) | (b'"' | b'\'' | b'\t' | b'\r', _) => {}
            (byte, _) => out.push(char::from(*byte)),
        }
    }
    out
}

/// Reads `u003d` and `x3d` behind a backslash; gives what follows.
fn numbered<'b>(escape: &'b [u8], out: &mut String) -> &'b [u8] {
    let digits = if escape.starts_with(b"u") { 4 } else { 2 };
    let read = || {
        let text = std::str::from_utf8(escape.get(1..=digits)?).ok()?;
        char::from_u32(u32::from_str_radix(text, 16).ok()?)
    };
    let Some(letter) = read() else { return escape };
    out.push(letter);
    escape.get(digits + 1..).unwrap_or_default()
}

/// The parts of a line of base64: without the sign of a comment or a quotation before it, and what joins it to the next line.
fn base64_words(line: &str, leave: fn(&str) -> bool) -> impl Iterator<Item = &str> {
    let is_digit =
        |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '+' | '/' | '=');
    let words =
        line.split_whitespace().map(move |word| word.trim_matches(|letter| !is_digit(letter)));
    words.filter(move |word| !word.is_empty() && !leave(word))
}

/// Headers of the old form (`Proc-Type: 4,ENCRYPTED`) and of armour, and the base64 behind them.
fn split_headers(lines: &str, leave: fn(&str) -> bool) -> (String, String) {
    let (mut headers, mut body) = (String::new(), String::new());
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if body.is_empty() && line.contains(": ") {
            headers.push_str(line);
            headers.push('\n');
            continue;
        }
        for word in base64_words(line, leave) {
            body.push_str(word);
            body.push('\n');
        }
    }
    (headers, without_signs(body.trim_end()))
}

/// Lines of which each begins with `//`, as comments do, or with `+`, as in a difference, without it: base64 has the same letters.
fn without_signs(body: &str) -> String {
    let several = body.lines().nth(1).is_some();
    let is_sign = |sign: &&str| several && body.lines().all(|line| line.starts_with(*sign));
    let Some(sign) = ["//", "+"].into_iter().find(is_sign) else { return body.to_owned() };
    let bare = body.lines().map(|line| line.strip_prefix(sign).unwrap_or(line));
    bare.collect::<Vec<_>>().join("\n")
}

/// OpenSSH's own form: whether it is encrypted, by the name of its cipher.
pub(super) fn openssh(bytes: &[u8]) -> Option<bool> {
    let rest = bytes.strip_prefix(OPENSSH)?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let (cipher, rest) = rest.split_at_checked(length)?;
    // A public and a private part follow.
    (cipher.is_ascii() && rest.len() >= 100).then_some(cipher != b"none")
}
