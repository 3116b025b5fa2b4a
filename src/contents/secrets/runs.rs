//! Keys that are written in base64 as they are in binary: of OpenPGP, in DER, in stores of PKCS#12 and of Java.
//!
//! Such a text has no marker. So runs of its digits are looked for, one look in so many bytes, and of each its first bytes have to be
//! those of a key. The rest is judged as a file would be that is a key as a whole.

use super::{
    Kind, keys, openpgp, pem,
    place::{Match, Place},
    stores,
};

/// Digits that a run has: a key of Ed25519 in PKCS#8 has 64.
const RUN: usize = 60;
/// Bytes between two looks; a run has all of them.
const STEP: usize = RUN / 2;
/// Digits that tell how a run begins.
const HEAD: usize = 40;
/// Bytes inside of a digest of SHA-512 with its algorithm, which has the structure of a key that is encrypted; no such key is as short.
const DIGEST: u8 = 81;

const fn digits() -> [bool; 256] {
    let mut table = [false; 256];
    let mut at = 0;
    while at < table.len() {
        let byte = at as u8;
        table[at] = byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_');
        at += 1;
    }
    table
}

static DIGITS: [bool; 256] = digits();

fn is_digit(bytes: &[u8], at: usize) -> bool {
    bytes.get(at).is_some_and(|byte| DIGITS.get(usize::from(*byte)) == Some(&true))
}

/// Beginnings of runs that lie between two places.
pub(super) struct Runs<'b> {
    bytes: &'b [u8],
    from: usize,
    ready: usize,
    at: usize,
}

impl<'b> Runs<'b> {
    pub(super) fn new(bytes: &'b [u8], from: usize, ready: usize) -> Self {
        Self { bytes, from, ready, at: from }
    }

    /// Whether all bytes up to the next look are digits; most are not, which three of them tell.
    fn is_inside(&self, at: usize) -> bool {
        let has = |at: usize| is_digit(self.bytes, at);
        has(at) && has(at + STEP / 2) && has(at + STEP - 1) && (at..at + STEP).all(has)
    }

    /// Where the run begins that a place is inside of; `None` where that lies too far back, since it was seen there.
    fn begin(&self, at: usize) -> Option<usize> {
        let mut begin = at;
        while begin > 0 && is_digit(self.bytes, begin - 1) {
            begin -= 1;
            if at - begin > RUN {
                return None;
            }
        }
        Some(begin)
    }
}

impl Iterator for Runs<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        // A run that begins before `ready` has a look behind it.
        let end = self.ready + STEP;
        while self.at < end {
            let at = self.at;
            self.at += STEP;
            if !self.is_inside(at) {
                continue;
            }
            let begin = self.begin(at).filter(|begin| (self.from..self.ready).contains(begin));
            while self.at < end && is_digit(self.bytes, self.at) {
                self.at += 1;
            }
            if let Some(begin) = begin.filter(|begin| is_digit(self.bytes, begin + RUN - 1)) {
                return Some(begin);
            }
        }
        None
    }
}

/// The key that the run is which begins at a place, and how many bytes were looked at.
pub(super) fn key(place: &Place<'_>) -> (Option<Match>, usize) {
    let place = &behind_escape(place);
    let head = keys::decoded(place.from(HEAD)).unwrap_or_default();
    let begins = stores::begins_key(&head)
        || head.starts_with(pem::OPENSSH)
        || !goes_on(place) && openpgp::may_be(&head);
    if !begins {
        return (None, HEAD);
    }
    let text = place.from(pem::KEY_BYTES);
    let bytes = keys::decoded(text).unwrap_or_default();
    let openssh = || {
        let encrypted = pem::openssh(&bytes)?;
        Some(stores::Stored { kind: Kind::PrivateKey, encrypted })
    };
    let is_digest = matches!(bytes.as_slice(), [0x30, ..=DIGEST, ..]);
    let is_whole = |key: &stores::Stored| !(key.encrypted && is_digest);
    let key = stores::key(&bytes).or_else(openssh).filter(is_whole);
    let found =
        key.map(|stores::Stored { kind, encrypted }| Match { kind, encrypted, end: place.at + 1 });
    (found, HEAD + bytes.len())
}

/// The place behind an escape of which a run seems to have the last letters.
fn behind_escape<'b>(place: &Place<'b>) -> Place<'b> {
    let skip = match (place.before().last(), place.from(1)) {
        (Some(b'%'), _) => 2,
        (Some(b'\\'), b"n" | b"r" | b"t") => 1,
        (Some(b'\\'), b"u") => 5,
        (Some(b'\\'), b"x") => 3,
        _ => 0,
    };
    Place { at: place.at + skip, ..*place }
}

/// Whether the line before is one of base64, too.
fn goes_on(place: &Place<'_>) -> bool {
    let before = place.before();
    let line = before.strip_suffix(b"\n").map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let line = line.unwrap_or_default();
    let tail = line.get(line.len().saturating_sub(STEP)..).unwrap_or_default();
    tail.len() == STEP && (0..STEP).all(|at| is_digit(tail, at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_found_where_they_begin_and_once() {
        let long = "A".repeat(200);
        let least = "b".repeat(RUN);
        let short = "c".repeat(RUN - 1);
        for before in 0..90 {
            let text = format!("{} {long}={least}\n{short} {long}", ".".repeat(before));
            let (one, two, three) = (before + 1, before + 202, before + 202 + 2 * RUN + 1);
            let found: Vec<usize> = Runs::new(text.as_bytes(), 0, text.len()).collect();
            assert_eq!(found, [one, two, three], "{before}");
            // The same, in pieces.
            let pieces = (0..text.len()).step_by(7);
            let found: Vec<usize> = pieces
                .flat_map(|from| Runs::new(text.as_bytes(), from, text.len().min(from + 7)))
                .collect();
            assert_eq!(found, [one, two, three], "{before} in pieces");
        }
    }
}
