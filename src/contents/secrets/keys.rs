//! Private keys behind their markers, however these are written: as they are, in escapes, and in base64 of the whole.
//!
//! Turns a place where a marker may be into the key there. Whoever writes escapes keeps some letters of the marker as they are, or
//! writes all of them as escapes: so a marker is found by its one word, or by an escape of a letter of this word. In base64 it
//! is found at each of the three places that its first byte may have.

use base64::Engine as _;

use super::{
    Kind, escapes,
    pem::{self, Key},
    place::{Match, Place},
};

/// The word of all markers, behind `-----BEGIN `.
pub(super) const MARKER: &str = "PRIVATE";
/// How escapes of its letters begin, those of escapes, too.
pub(super) const ESCAPED: [&str; 20] = [
    "%4",
    "%5",
    "%25",
    "\\u004",
    "\\u005",
    "\\u{",
    "\\U0000004",
    "\\U0000005",
    "\\x4",
    "\\x5",
    "\\10",
    "\\11",
    "\\12",
    "&#0",
    "&#6",
    "&#7",
    "&#8",
    "&#x",
    "&#X",
    "&amp;#",
];
/// How a marker goes on in base64 of the whole, by the dashes that are in what stands before it.
pub(super) const IN_BASE64: [&str; 3] = ["LS0tLS1CRUdJTi", "LS0tLUJFR0lO", "LS0tQkVHSU4g"];

/// Bytes from the dashes of a marker to its word, at most.
const TO_WORD: usize = 24;
/// Bytes of a letter in escapes of escapes.
const LETTER: usize = 12;
/// Bytes of a marker, in escapes, before its word and from it on.
const TO_WORD_IN_ESCAPES: usize = 260;
const TO_END_IN_ESCAPES: usize = 260;
/// Backslashes of an escape in escapes.
const SLASHES: usize = 7;
/// Escapes in escapes that are read.
const LAYERS: usize = 4;
/// Bytes of base64 in which a marker ends.
const TO_END_IN_BASE64: usize = 60;

/// The key of which this is the word of the marker, and how many bytes were looked at.
pub(super) fn at_word(place: &Place<'_>) -> (Option<Match>, usize) {
    let behind = place.from(MARKER.len() + 2).get(MARKER.len()..).unwrap_or_default();
    if !matches!(behind, [b'+' | b'%' | b'\\' | b'&', _] | [b' ', b'K' | b'%' | b'\\' | b'&']) {
        return (None, MARKER.len());
    }
    match unescaped(place) {
        Some(found) => found,
        None => in_escapes(place, place.at),
    }
}

/// The key in whose marker this is an escape of a letter of its word, the first that is one.
pub(super) fn at_letter(place: &Place<'_>) -> (Option<Match>, usize) {
    // A text in a text has more of these before an escape.
    let is_slash = |byte: &&u8| **byte == b'\\';
    let slashes = place.from(1).iter().filter(is_slash).flat_map(|_| place.before().iter().rev());
    let slashes = slashes.take_while(is_slash).count();
    let place = &Place { at: place.at - slashes.min(SLASHES), ..*place };
    let first = escapes::first(place.from(LETTER));
    // An escape of what begins an escape is read further.
    let first = first.filter(|byte| !matches!(byte, b'%' | b'\\' | b'&'));
    let Some(letter) = first.or_else(|| plain(place.from(LETTER)).first().copied()) else {
        return (None, LETTER);
    };
    let begins = || {
        let index = MARKER.bytes().position(|one| one == letter)?;
        let start = place.at.checked_sub(index)?;
        let before = place.bytes.get(start..place.at)?;
        MARKER.as_bytes().starts_with(before).then_some((start, index))
    };
    let Some((start, index)) = begins() else { return (None, LETTER) };
    let rest = plain(place.from(LETTER * MARKER.len()));
    match MARKER.as_bytes().get(index..).is_some_and(|word| rest.starts_with(word)) {
        true => in_escapes(place, start),
        false => (None, LETTER * MARKER.len()),
    }
}

/// A key behind a marker that is written as it is; `None` where there is none, or its body may be in escapes.
fn unescaped(place: &Place<'_>) -> Option<(Option<Match>, usize)> {
    let near = place.before();
    let near = near.get(near.len().saturating_sub(TO_WORD)..).unwrap_or_default();
    let dashes = near.windows(5).rposition(|window| window == b"-----")?;
    let start = place.at - (near.len() - dashes);
    let text = Place { at: start, ..*place }.from(pem::KEY_BYTES);
    if !pem::is_marked(text) {
        return None;
    }
    let before = Place { at: start, ..*place }.before();
    let key = pem::private_key(text);
    // No longer key is looked at than up to the next dashes.
    let body = text.get(MARKER.len() + 20..).unwrap_or_default();
    let end = memchr::memchr(b'-', body).unwrap_or(body.len());
    let escaped = || memchr::memchr3(b'%', b'\\', b'&', body).is_some();
    if key.is_none() && escaped() {
        return None;
    }
    Some((found(key, before, place), end))
}

fn found(key: Option<Key>, before: &[u8], place: &Place<'_>) -> Option<Match> {
    let key = key.filter(|key| !key.published)?;
    Some(Match { kind: of_key(key.form, before), encrypted: key.encrypted, end: place.at + 1 })
}

/// What a key is for, where what stands before it says so.
fn of_key(form: pem::Form, before: &[u8]) -> Kind {
    let has = |word: &[u8]| before.windows(word.len()).any(|window| window == word);
    match form {
        pem::Form::Pgp => Kind::PgpKey,
        _ if has(b"\"private_key\"") && has(b"service_account") => Kind::Google,
        _ => Kind::PrivateKey,
    }
}

/// A key in escapes, the word of whose marker begins at `start`.
fn in_escapes(place: &Place<'_>, start: usize) -> (Option<Match>, usize) {
    let from = start.saturating_sub(TO_WORD_IN_ESCAPES);
    let near = place.bytes.get(from..start).unwrap_or_default();
    let text = Place { at: start, ..*place }.from(pem::KEY_BYTES);
    let head = text.get(..TO_END_IN_ESCAPES).unwrap_or(text);
    let marked = |text: &[u8]| {
        let [mut before, text] = plain_parts([near, text]);
        let dashes = before.windows(5).rposition(|window| window == b"-----")?;
        let near = before.split_off(dashes);
        // The marker of another key, or the end of one, is not this one.
        let whole = [near.as_slice(), &text].concat();
        let is_this = near.len() <= TO_WORD && pem::is_marked(&whole);
        is_this.then_some((before, whole))
    };
    if marked(head).is_none() {
        return (None, near.len() + head.len());
    }
    let key =
        marked(text).and_then(|(before, whole)| found(pem::private_key(&whole), &before, place));
    (key, near.len() + text.len())
}

/// Text without escapes, those of escapes, too.
fn plain(text: &[u8]) -> Vec<u8> {
    let [_, text] = plain_parts([&[], text]);
    text
}

/// The same of a text in two parts. Where forms write a space as a plus, a plus is an escape.
fn plain_parts(parts: [&[u8]; 2]) -> [Vec<u8>; 2] {
    let mut parts = parts.map(<[u8]>::to_vec);
    for _ in 0..LAYERS {
        if parts.iter().any(|part| is_form(part)) {
            let letters = parts.iter_mut().flatten().filter(|byte| **byte == b'+');
            letters.for_each(|byte| *byte = b' ');
        }
        let next = parts.each_ref().map(|part| escapes::once(part));
        if next.iter().all(Option::is_none) {
            break;
        }
        for (part, next) in parts.iter_mut().zip(next) {
            *part = next.unwrap_or_else(|| std::mem::take(part));
        }
    }
    parts
}

/// Whether a marker has pluses in the place of spaces.
fn is_form(text: &[u8]) -> bool {
    let has = |word: &[u8]| memchr::memmem::find(text, word).is_some();
    [&b"BEGIN+"[..], b"PRIVATE+", b"+KEY-", b"+KEY%"].into_iter().any(has)
}

/// A key in base64 of the whole, of whose marker so many dashes stand before the place.
pub(super) fn in_base64(place: &Place<'_>, dashes: usize) -> (Option<Match>, usize) {
    let text = place.from(pem::KEY_BYTES);
    let decode = |text: &[u8]| -> Option<Vec<u8>> {
        let begins = b"--".get(..dashes)?;
        Some([begins, &decoded(text)?].concat())
    };
    let marked = text.get(..TO_END_IN_BASE64).and_then(decode);
    if !marked.is_some_and(|bytes| pem::is_marked(&bytes)) {
        return (None, TO_END_IN_BASE64);
    }
    let key = decode(text).and_then(|bytes| {
        // What was encoded may have escapes of its own, as JSON has.
        pem::private_key(&bytes).or_else(|| pem::private_key(&plain(&bytes)))
    });
    (found(key, &[], place), text.len())
}

/// What the base64 with which text begins stands for, as far as it is whole; its lines may end in escapes.
pub(super) fn decoded(text: &[u8]) -> Option<Vec<u8>> {
    let text = plain(text);
    // In base64 of URLs a dash is a digit; those of a marker are none.
    let end = memchr::memmem::find(&text, b"-----").unwrap_or(text.len());
    let text = text.get(..end)?;
    let digit = |byte: &u8| match byte {
        b'-' => Some(b'+'),
        b'_' => Some(b'/'),
        b'+' | b'/' => Some(*byte),
        _ => byte.is_ascii_alphanumeric().then_some(*byte),
    };
    let breaks = |byte: &&u8| !matches!(byte, b'\n' | b'\r' | b' ' | b'\\');
    let mut kept: Vec<u8> = text.iter().filter(breaks).map_while(digit).collect();
    let rest = kept.len() % 4;
    kept.truncate(kept.len() - if rest == 1 { 1 } else { 0 });
    pem::LENIENT.decode(kept).ok()
}
