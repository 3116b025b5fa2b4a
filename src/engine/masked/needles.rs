//! A search for secrets in a line, however they are written there, and for what is left of one where a line was cut.
//!
//! Turns secrets into needles, the texts that are looked for, and a line into the places of all that it shows of them. Escapes are
//! undone in the line (`views`), so that no secret has to be written in each of their forms; base64 has needles of its own. Lines
//! are cut by whoever passes them on, at both ends or before a mark: there, a part of a secret is one.

use std::{cmp::Reverse, collections::BTreeSet, ops::Range};

use aho_corasick::{AhoCorasick, Input, MatchKind};
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use memchr::memmem;

use super::views::View;
use crate::engine::sandbox::harmless;

/// Bytes of the shortest secret that is looked for wherever it stands: a shorter one would be found in everything.
const LEAST_BYTES: usize = 4;
/// Different bytes that a part of a secret has.
const DISTINCT: usize = 3;
/// Bytes of the shortest line that counts as a part out of the middle of a secret.
const MIDDLE_BYTES: usize = 8;
/// Bytes of one needle: a longer secret is several.
const NEEDLE_BYTES: usize = 1024;
/// Bytes of a secret whose base64 is looked for wherever in a longer text it begins.
const SHORT_BYTES: usize = 256;
/// Characters of a line in which programs write base64.
const COLUMNS: usize = 76;
/// Needles of one plan.
const NEEDLES: usize = 8192;
/// Their bytes.
const ALL_BYTES: usize = 512 << 10;
/// Matches in one line that may overlap with others.
const OVERLAPS: usize = 512;
/// Bytes that a cut may leave of a character or an escape.
const RESIDUE: usize = 3;
/// Places where a line may have been cut.
const CUTS: usize = 8;
/// Places of the same four bytes in needles that are looked at.
const CANDIDATES: usize = 4096;
/// What stands where somebody left something out.
const MARKS: [&str; 3] = ["...", "…", "[output clipped"];

/// What is looked for.
#[derive(Debug)]
pub(super) struct Needles {
    search: AhoCorasick,
    sorted: Vec<Vec<u8>>,
    /// All of them, each with a zero behind it.
    joined: Vec<u8>,
}

impl Needles {
    /// Of these secrets; `None` where they are more than are looked for.
    pub(super) fn of(secrets: &BTreeSet<String>) -> Option<Self> {
        let mut needles = BTreeSet::new();
        let mut bytes = 0;
        for secret in secrets.iter().filter(|secret| secret.len() >= LEAST_BYTES) {
            for needle in pieces(secret).chain(base64(secret)) {
                bytes += needle.len();
                needles.insert(needle.into_bytes());
            }
            if needles.len() > NEEDLES || bytes > ALL_BYTES {
                return None;
            }
        }
        let sorted: Vec<Vec<u8>> = needles.into_iter().collect();
        let mut builder = AhoCorasick::builder();
        let search = builder.match_kind(MatchKind::LeftmostLongest).build(&sorted).ok()?;
        let joined = sorted.iter().flat_map(|needle| needle.iter().copied().chain([0])).collect();
        Some(Self { search, sorted, joined })
    }

    /// The line with a mark in the place of all that it shows of a secret; its own words begin at one of these places.
    pub(super) fn without(&self, line: &str, mark: &str) -> String {
        if self.sorted.is_empty() {
            return line.to_owned();
        }
        let views = View::all(line);
        let mut found: Vec<Range<usize>> =
            views.iter().flat_map(|view| self.places(view)).collect();
        found.sort_by_key(|range| (range.start, range.end));
        let (mut shown, mut at) = (String::new(), 0);
        for range in found {
            let start = line.floor_char_boundary(range.start).max(at);
            let end = line.ceil_char_boundary(range.end);
            if end <= at {
                continue;
            }
            // What goes on in the next is one mark.
            if start > at || at == 0 {
                shown.push_str(line.get(at..start).unwrap_or_default());
                shown.push_str(mark);
            }
            at = end;
        }
        shown + line.get(at..).unwrap_or_default()
    }

    fn places(&self, view: &View) -> Vec<Range<usize>> {
        let text = view.text.as_slice();
        let mut found = self.whole(text);
        let marks = marks(text);
        let ends = marks.iter().map(|mark| mark.start).chain([text.len()]);
        found.extend(ends.filter_map(|end| self.begun(text, end)));
        let fronts = fronts(text);
        found.extend(fronts.iter().filter_map(|start| self.ended(text, *start, true)));
        found.extend(marks.iter().filter_map(|mark| self.ended(text, mark.end, false)));
        found.into_iter().map(|part| view.place(part)).collect()
    }

    /// Secrets from their beginnings to their ends.
    fn whole(&self, text: &[u8]) -> Vec<Range<usize>> {
        let (mut found, mut at) = (Vec::new(), 0);
        while let Some(one) = self.search.find(Input::new(text).range(at..)) {
            at = if found.len() < OVERLAPS { one.start() + 1 } else { one.end() };
            found.push(one.range());
        }
        found
    }

    /// The beginning of a secret, where the text was cut at `end`.
    fn begun(&self, text: &[u8], end: usize) -> Option<Range<usize>> {
        let last = end.checked_sub(LEAST_BYTES)?;
        let mut starts = end.saturating_sub(NEEDLE_BYTES)..=last;
        let start = starts.find(|start| {
            let part = text.get(*start..end).unwrap_or_default();
            let at = self.sorted.partition_point(|needle| needle.as_slice() < part);
            self.sorted.get(at).is_some_and(|needle| needle.starts_with(part)) && is_telling(part)
        })?;
        Some(start..end)
    }

    /// The end of a secret, where the text was cut before `from`, perhaps within a character or an escape. A whole line may be
    /// out of the middle of one.
    fn ended(&self, text: &[u8], from: usize, is_line: bool) -> Option<Range<usize>> {
        let parts = (from..=from + RESIDUE).filter_map(|start| {
            let rest = text.get(start..)?.trim_ascii_end();
            let head = rest.get(..LEAST_BYTES)?;
            let candidates = memmem::find_iter(&self.joined, head).take(CANDIDATES);
            let lengths = candidates.filter_map(|at| {
                let behind = self.joined.get(at..)?;
                let part = behind.get(..memchr::memchr(0, behind)?)?;
                let within = is_line && rest.len() >= MIDDLE_BYTES && part.starts_with(rest);
                let length = if within { rest.len() } else { part.len() };
                let given = within || rest.starts_with(part);
                (given && is_telling(rest.get(..length)?)).then_some(length)
            });
            Some(start..start + lengths.max()?)
        });
        parts.max_by_key(|part| (part.end, Reverse(part.start)))
    }
}

/// Whether bytes are more than a line or a row of dashes.
fn is_telling(part: &[u8]) -> bool {
    let first = part.iter().take(64).copied().collect::<BTreeSet<u8>>();
    first.len() >= DISTINCT
}

/// A secret as it is, in pieces that are looked for one by one.
fn pieces(secret: &str) -> impl Iterator<Item = String> {
    // As a log has it.
    let plain = harmless(secret);
    let plain = if plain == secret { None } else { Some(plain) };
    let all = [Some(secret.to_owned()), plain].into_iter().flatten();
    all.filter(|text| !text.contains('\0')).flat_map(|text| {
        let mut pieces = Vec::new();
        let mut rest = text.as_str();
        while rest.len() > NEEDLE_BYTES {
            let (piece, behind) = rest.split_at(rest.floor_char_boundary(NEEDLE_BYTES));
            pieces.push(piece.to_owned());
            rest = behind;
        }
        // The last is no shorter than can be found.
        let short = rest.len() < LEAST_BYTES && !pieces.is_empty();
        let from =
            if short { text.len().saturating_sub(NEEDLE_BYTES) } else { text.len() - rest.len() };
        pieces.push(text.get(text.floor_char_boundary(from)..).unwrap_or_default().to_owned());
        pieces
    })
}

/// The base64 of a secret, without the characters at both ends that depend on what stands beside it: of a short one wherever it
/// begins in what was encoded, of others as a program writes it in lines.
fn base64(secret: &str) -> Vec<String> {
    let bytes = secret.as_bytes();
    let places = if bytes.len() <= SHORT_BYTES { 0..=2 } else { 0..=0 };
    let encoded = places.map(|before| {
        let mut all = vec![0; before];
        all.extend_from_slice(bytes);
        let text = STANDARD_NO_PAD.encode(&all);
        let first = [0, 2, 3].get(before).copied().unwrap_or_default();
        let last = text.len() - usize::from(all.len() % 3 != 0);
        text.get(first..last).unwrap_or_default().to_owned()
    });
    let mut found = Vec::new();
    for text in encoded.filter(|text| text.len() >= 2 * LEAST_BYTES) {
        let for_urls = text.replace('+', "-").replace('/', "_");
        for text in [Some(for_urls).filter(|urls| *urls != text), Some(text)].into_iter().flatten()
        {
            let lines =
                text.as_bytes().chunks(COLUMNS).filter(|line| line.len() >= 2 * LEAST_BYTES);
            found.extend(lines.map(|line| String::from_utf8_lossy(line).into_owned()));
        }
    }
    found
}

/// Where a line may have been cut for length.
fn marks(text: &[u8]) -> Vec<Range<usize>> {
    let places = MARKS.iter().flat_map(|mark| {
        memmem::find_iter(text, mark).take(CUTS).map(move |at| at..at + mark.len())
    });
    places.collect()
}

/// Where a step's own words may begin: at the beginning of the line, and behind what BuildKit writes there, `#7 `, `#7 0.123 `,
/// and `0.123 ` where it repeats the last words of one.
fn fronts(text: &[u8]) -> Vec<usize> {
    let number = |from: usize| -> Option<usize> {
        let rest = text.get(from..)?;
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
        (digits > 0 && rest.get(digits) == Some(&b' ')).then_some(from + digits + 1)
    };
    let step = if text.starts_with(b"#") { number(1) } else { Some(0) };
    let seconds = step.and_then(number);
    let mut fronts = vec![0];
    fronts.extend(step.filter(|step| *step > 0));
    fronts.extend(seconds);
    fronts
}

/// Bytes of what BuildKit writes before a step's own words.
pub(super) fn front(line: &str) -> usize {
    let is_step = line.starts_with('#');
    fronts(line.as_bytes()).last().copied().filter(|_| is_step).unwrap_or_default()
}
