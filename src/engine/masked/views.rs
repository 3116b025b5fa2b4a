//! A line as whoever wrote a part of it meant it: without the escapes of shells, JSON, URLs and markup.
//!
//! A step prints a value as it is; `set -x` prints it in quotes, BuildKit as Go quotes it, a client as JSON or as a part of a URL.
//! Turns a line into the texts that it may stand for, of which each byte knows where it is in the line. Escapes of escapes are
//! undone, too; one that was cut at the end of the line stands for nothing.

use std::ops::Range;

/// A reading of a line.
#[derive(Debug, Clone)]
pub(super) struct View {
    /// What it stands for.
    pub(super) text: Vec<u8>,
    /// Where each byte of it is from; empty where that is its own place.
    spans: Vec<(usize, usize)>,
}

/// What an escape at the beginning of a text stands for, and its bytes.
type Escape = fn(&[u8]) -> Option<(Vec<u8>, usize)>;

/// The escapes, each with the byte that it begins with.
const ESCAPES: [(u8, Escape); 4] =
    [(b'\\', backslash), (b'%', percent), (b'\'', quote), (b'&', entity)];

impl View {
    /// The line as it is, and all that it may stand for.
    pub(super) fn all(line: &str) -> Vec<Self> {
        let plain = Self { text: line.as_bytes().to_vec(), spans: Vec::new() };
        let once = plain.undone();
        let twice: Vec<Self> = once.iter().flat_map(Self::undone).collect();
        let mut all = vec![plain];
        all.extend(once);
        all.extend(twice);
        all
    }

    /// Where in the line a part of the text is from.
    pub(super) fn place(&self, part: Range<usize>) -> Range<usize> {
        let start = self.spans.get(part.start).map_or(part.start, |(start, _)| *start);
        let last = part.end.checked_sub(1).and_then(|last| self.spans.get(last));
        start..last.map_or(part.end, |(_, end)| *end)
    }

    /// The text without one kind of escapes, for each kind that it has.
    fn undone(&self) -> Vec<Self> {
        let has = |(first, _): &&(u8, Escape)| memchr::memchr(*first, &self.text).is_some();
        let undone =
            ESCAPES.iter().filter(has).map(|(first, escape)| self.without(*first, *escape));
        undone.filter(|view| view.text != self.text).collect()
    }

    fn without(&self, first: u8, escape: Escape) -> Self {
        let mut view = Self { text: Vec::with_capacity(self.text.len()), spans: Vec::new() };
        let mut at = 0;
        while let Some(rest) = self.text.get(at..).filter(|rest| !rest.is_empty()) {
            let plain = || (rest.get(..1).unwrap_or_default().to_vec(), 1);
            let escaped = if rest.first() == Some(&first) { escape(rest) } else { None };
            let (stands_for, length) = escaped.unwrap_or_else(plain);
            let Range { start, end } = self.place(at..at + length);
            view.spans.extend(stands_for.iter().map(|_| (start, end)));
            view.text.extend(stands_for);
            at += length;
        }
        view
    }
}

/// The number that so many digits at the beginning are, and how many there are.
fn number(digits: &[u8], radix: u32, most: usize) -> (Option<u32>, usize) {
    let is_digit = |byte: &&u8| char::from(**byte).is_digit(radix);
    let count = digits.iter().take(most).take_while(is_digit).count();
    let text = digits.get(..count).and_then(|digits| std::str::from_utf8(digits).ok());
    (text.and_then(|text| u32::from_str_radix(text, radix).ok()), count)
}

/// A byte of that number.
fn byte(number: u32) -> Vec<u8> {
    u8::try_from(number).map(|byte| vec![byte]).unwrap_or_default()
}

/// The character of that number.
fn character(number: u32) -> Vec<u8> {
    char::from_u32(number).map(|c| c.to_string().into_bytes()).unwrap_or_default()
}

/// `%2F`.
fn percent(rest: &[u8]) -> Option<(Vec<u8>, usize)> {
    let digits = rest.get(1..)?;
    match number(digits, 16, 2) {
        (Some(number), 2) => Some((byte(number), 3)),
        (_, count) if count == digits.len() => Some((Vec::new(), rest.len())),
        _ => None,
    }
}

/// `\"`, `\n`, `\u0022`, `\x22`, `\042`: of JSON, of Go, of shells outside of quotes, in `"…"` and in `$'…'`.
fn backslash(rest: &[u8]) -> Option<(Vec<u8>, usize)> {
    let Some((kind, behind)) = rest.get(1..).and_then(<[u8]>::split_first) else {
        return Some((Vec::new(), rest.len()));
    };
    let wide = |most| match number(behind, 16, most) {
        (_, count) if count < most && count == behind.len() => (Vec::new(), rest.len()),
        (Some(number), count) if count == most => (character(number), 2 + most),
        _ => (vec![*kind], 2),
    };
    Some(match kind {
        b'n' => (b"\n".to_vec(), 2),
        b't' => (b"\t".to_vec(), 2),
        b'r' => (b"\r".to_vec(), 2),
        b'u' => match utf16_pair(behind) {
            Some(pair) => (pair, 12),
            None => wide(4),
        },
        b'U' => wide(8),
        b'x' => match number(behind, 16, 2) {
            (Some(number), count) => (byte(number), 2 + count),
            (None, _) => (b"x".to_vec(), 2),
        },
        b'0'..=b'7' => {
            let (number, count) = number(rest.get(1..)?, 8, 3);
            (number.map(byte).unwrap_or_default(), 1 + count)
        }
        other => (vec![*other], 2),
    })
}

/// Two halves of a character: `d83d\ude00`.
fn utf16_pair(behind: &[u8]) -> Option<Vec<u8>> {
    let (high, low) = (number(behind, 16, 4).0?, behind.get(4..)?.strip_prefix(b"\\u")?);
    let units = [high, number(low, 16, 4).0?].map(|unit| u16::try_from(unit).unwrap_or_default());
    let mut pair = char::decode_utf16(units);
    let first = pair.next()?.ok()?;
    pair.next().is_none().then(|| first.to_string().into_bytes())
}

/// A quote in a text that a shell put into quotes: `'\''` of bash, `'"'"'` of others.
fn quote(rest: &[u8]) -> Option<(Vec<u8>, usize)> {
    let written =
        [b"'\\''".as_slice(), b"'\"'\"'"].into_iter().find(|written| rest.starts_with(written));
    written.map(|written| (b"'".to_vec(), written.len()))
}

/// `&quot;`, `&#39;`.
fn entity(rest: &[u8]) -> Option<(Vec<u8>, usize)> {
    let named = [("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'")];
    if let Some((name, c)) = named.iter().find(|(name, _)| rest.starts_with(name.as_bytes())) {
        return Some((c.as_bytes().to_vec(), name.len()));
    }
    let digits = rest.strip_prefix(b"&#")?;
    let (digits, radix, before) = match digits.strip_prefix(b"x") {
        Some(digits) => (digits, 16, 3),
        None => (digits, 10, 2),
    };
    let (number, count) = number(digits, radix, 6);
    (digits.get(count) == Some(&b';')).then_some((character(number?), before + count + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_undone_where_they_stand() {
        for (line, means) in [
            (r#"say \"a\\b\" \u00e9 \ud83d\ude00 \x41\101 \/"#, "say \"a\\b\" é 😀 AA /"),
            ("a%40b%C3%A9 100% of", "a@bé 100% of"),
            (r"'it'\''s'", "'it's'"),
            (r#"'it'"'"'s'"#, "'it's'"),
            ("a&quot;b&#39;c&#x27;d&amp;e", "a\"b'c'd&e"),
            (r"it\'s\ it", "it's it"),
            // Escapes of escapes.
            (r#"\"it'\\''s\""#, "\"it's\""),
            // What is cut at the end.
            ("ab%4", "ab"),
            ("ab\\", "ab"),
            (r"ab\u00", "ab"),
        ] {
            let all = View::all(line);
            let found = all.iter().find(|view| view.text == means.as_bytes());
            assert!(
                found.is_some(),
                "{line}: {:?}",
                all.iter().map(|v| String::from_utf8_lossy(&v.text)).collect::<Vec<_>>()
            );
        }
        let line = "x a%40b y";
        let all = View::all(line);
        let view = all.iter().find(|view| view.text == b"x a@b y").unwrap();
        assert_eq!(&line[view.place(2..5)], "a%40b");
        assert_eq!(all[0].place(2..5), 2..5);
    }

    proptest::proptest! {
        #[test]
        fn no_line_breaks_it(line in "[a'\"\\\\%&#xu0-9;é]{0,40}") {
            for view in View::all(&line) {
                let place = view.place(0..view.text.len());
                proptest::prop_assert!(place.end <= line.len() && (view.text.is_empty() || place.start <= place.end));
            }
        }
    }
}
