//! A search for secrets through one file, while it streams by.
//!
//! What is held is a window: what was looked at lately, because forms ask what stands before them, and what comes next, because
//! a key may be long. So no secret is missed for lying across two pieces. Text in UTF-16 is read as the characters that it
//! writes. A search that has to look closer at too many places, which only a file that was made for it has, ends and says so.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, Input, MatchKind};

use super::{
    Kind, pem,
    place::{BACK_BYTES, Match, Place},
    runs::{self, Runs},
    tokens::{self, Begins},
};

/// Bytes behind a place that have to be there before it is looked at: a key, in base64 once more.
const AHEAD_BYTES: usize = pem::KEY_BYTES + (1 << 10);
/// Bytes of memory that one search takes.
pub(super) const SCAN_BYTES: u64 = 256 << 10;
/// Bytes that are looked at closer, for each byte of the file.
const CLOSER: u64 = 4;
/// And besides, in each file.
const CLOSER_FREE: u64 = 4 << 20;
/// Secrets that are kept of one file; more say nothing new.
const FOUND: usize = 32;

/// A search for words.
struct Search {
    automaton: AhoCorasick,
    /// What each of them begins.
    begins: Vec<Begins>,
}

impl Search {
    fn of(text: bool) -> Self {
        let (words, begins): (Vec<_>, Vec<_>) = tokens::words(text).into_iter().unzip();
        // What begins further left is found first, so that one search after another finds all.
        let built = AhoCorasick::builder().match_kind(MatchKind::LeftmostFirst).build(words);
        Self { automaton: built.expect("the words are constants"), begins }
    }
}

static IN_TEXT: LazyLock<Search> = LazyLock::new(|| Search::of(true));
/// Fewer words, so that programs, which are most of an image's bytes, are searched faster.
static ELSEWHERE: LazyLock<Search> = LazyLock::new(|| Search::of(false));

/// Whether a short text has a word with which a secret may begin, or may be one as a whole, so that it is worth a search.
pub(super) fn may_hold(text: &[u8]) -> bool {
    IN_TEXT.automaton.is_match(text) || Runs::new(text, 0, text.len()).next().is_some()
}

/// A secret in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Hit {
    /// Bytes from the beginning of the file.
    pub(super) offset: u64,
    /// Line, from 1, where the file is text.
    pub(super) line: Option<u64>,
    /// What it is.
    pub(super) kind: Kind,
    /// Whether a passphrase protects it.
    pub(super) encrypted: bool,
}

/// How a file writes characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    /// One byte for each that matters, as in ASCII and UTF-8.
    Bytes,
    /// Two, the lower first.
    Utf16Le,
    /// Two, the higher first.
    Utf16Be,
    /// No text.
    Binary,
}

impl Encoding {
    /// By the first bytes of a file.
    fn of(head: &[u8]) -> Self {
        if head.starts_with(b"\xff\xfe") {
            return Self::Utf16Le;
        }
        if head.starts_with(b"\xfe\xff") {
            return Self::Utf16Be;
        }
        let zeros =
            |odd: usize| head.iter().skip(odd).step_by(2).filter(|byte| **byte == 0).count();
        let (even, odd, half) = (zeros(0), zeros(1), head.len() / 2);
        if even == 0 && odd == 0 {
            Self::Bytes
        } else if half >= 8 && odd * 10 >= half * 9 && even == 0 {
            Self::Utf16Le
        } else if half >= 8 && even * 10 >= half * 9 && odd == 0 {
            Self::Utf16Be
        } else {
            Self::Binary
        }
    }

    fn width(self) -> u64 {
        match self {
            Self::Bytes | Self::Binary => 1,
            Self::Utf16Le | Self::Utf16Be => 2,
        }
    }
}

/// A search.
#[derive(Debug)]
pub(super) struct Scan {
    encoding: Encoding,
    window: Vec<u8>,
    /// Where the window begins, in characters.
    start: u64,
    /// How much of the window was looked at.
    looked: usize,
    /// Lines before the window.
    lines: u64,
    /// The first half of a character that was cut in two.
    half: Option<u8>,
    closer: u64,
    hits: Vec<Hit>,
    more: bool,
}

impl Scan {
    /// A search through a file that begins like this.
    pub(super) fn new(head: &[u8]) -> Self {
        Self {
            encoding: Encoding::of(head),
            window: Vec::new(),
            start: 0,
            looked: 0,
            lines: 0,
            half: None,
            closer: CLOSER_FREE,
            hits: Vec::new(),
            more: false,
        }
    }

    /// Looks at the next bytes.
    pub(super) fn take(&mut self, bytes: &[u8]) {
        self.closer = self.closer.saturating_add((bytes.len() as u64).saturating_mul(CLOSER));
        match self.encoding {
            Encoding::Bytes | Encoding::Binary => self.window.extend_from_slice(bytes),
            Encoding::Utf16Le | Encoding::Utf16Be => self.narrow(bytes),
        }
        let ready = self.window.len().saturating_sub(AHEAD_BYTES);
        if ready > self.looked {
            self.look(ready);
            self.forget(ready.saturating_sub(BACK_BYTES));
        }
    }

    /// Takes UTF-16: what is not in ASCII is a byte that no secret has.
    fn narrow(&mut self, bytes: &[u8]) {
        for byte in bytes {
            let Some(first) = self.half.take() else {
                self.half = Some(*byte);
                continue;
            };
            let (low, high) = match self.encoding {
                Encoding::Utf16Be => (*byte, first),
                _ => (first, *byte),
            };
            self.window.push(if high == 0 { low } else { 0xff });
        }
    }

    /// Looks at what begins before `ready` in the window.
    fn look(&mut self, ready: usize) {
        let from = self.looked;
        self.looked = ready;
        if self.more {
            return;
        }
        let search = if self.encoding == Encoding::Binary { &ELSEWHERE } else { &IN_TEXT };
        let mut at = from;
        // A word that begins before `ready` may end behind it.
        let end = self.window.len().min(ready + 64);
        let mut found = Vec::new();
        while let Some(word) = search.automaton.find(Input::new(&self.window).range(at..end)) {
            at = word.start() + 1;
            if word.start() >= ready {
                break;
            }
            let Some(begins) = search.begins.get(word.pattern().as_usize()) else { continue };
            let place = Place { bytes: &self.window, at: word.start() };
            let (matched, looked) = tokens::at(*begins, &place);
            self.closer = self.closer.saturating_sub(looked as u64);
            if let Some(matched) = matched {
                found.push((word.start(), matched));
                at = matched.end.max(at);
            }
            if self.closer == 0 {
                self.more = true;
                break;
            }
        }
        for (at, matched) in found {
            self.keep(at, matched);
        }
        self.look_without_markers(from, ready);
    }

    /// Looks at what is a key in base64 and has no marker.
    fn look_without_markers(&mut self, from: usize, ready: usize) {
        let mut found = Vec::new();
        for at in Runs::new(&self.window, from, ready) {
            let (matched, looked) = runs::key(&Place { bytes: &self.window, at });
            self.closer = self.closer.saturating_sub(looked as u64);
            found.extend(matched.map(|matched| (at, matched)));
            if self.closer == 0 {
                self.more = true;
                break;
            }
        }
        for (at, matched) in found {
            if !self.is_told(at, &matched) {
                self.keep(at, matched);
            }
        }
    }

    /// Whether the same was found close before: the first line of a key is a run, too.
    fn is_told(&self, at: usize, matched: &Match) -> bool {
        let offset = self.offset(at);
        let near = BACK_BYTES as u64 * self.encoding.width();
        let is_near = |hit: &Hit| hit.offset <= offset && offset - hit.offset <= near;
        let is_same = |hit: &Hit| {
            let kind = if hit.kind == Kind::Google { Kind::PrivateKey } else { hit.kind };
            (kind, hit.encrypted) == (matched.kind, matched.encrypted)
        };
        self.hits.iter().any(|hit| is_near(hit) && is_same(hit))
    }

    /// Where a place of the window is in the file.
    fn offset(&self, at: usize) -> u64 {
        (self.start + at as u64) * self.encoding.width()
    }

    fn keep(&mut self, at: usize, matched: Match) {
        if self.hits.len() >= FOUND {
            return;
        }
        let before = self.window.get(..at).unwrap_or_default();
        let line = self.lines + memchr::memchr_iter(b'\n', before).count() as u64 + 1;
        let offset = self.offset(at);
        let line = (self.encoding != Encoding::Binary).then_some(line);
        self.hits.push(Hit { offset, line, kind: matched.kind, encrypted: matched.encrypted });
    }

    /// Lets go of the first so many bytes of the window.
    fn forget(&mut self, count: usize) {
        if self.encoding != Encoding::Binary {
            let gone = self.window.get(..count).unwrap_or_default();
            self.lines += memchr::memchr_iter(b'\n', gone).count() as u64;
        }
        self.window.drain(..count);
        self.start += count as u64;
        self.looked -= count.min(self.looked);
    }

    /// What was found, and whether the search ended early.
    pub(super) fn finish(mut self) -> (Vec<Hit>, bool) {
        self.look(self.window.len());
        (self.hits, self.more)
    }
}
