//! Untrusted text on its way to people: which characters mislead, and the writers that let none of them through.
//!
//! Text that comes from images, registries, certificates and builders is shown on terminals, in logs, in browsers and in
//! events of a cluster. A character that ends a line, moves a cursor, turns the direction of text or is not seen makes such
//! text look like words of ours (attack F6). [`misleads`] is the one list of them. A [`Page`] escapes whatever is formatted
//! into one of its lines, and ends lines itself, so that no report depends on a call that somebody forgot; [`json`] and
//! [`markup`] do the same for documents that have a syntax of their own.

use std::fmt::{self, Write as _};

/// Whether a character can make text read as something else than it is: control characters (C0, DEL, C1), separators of
/// lines and paragraphs, direction controls, and what is drawn as nothing (Unicode's `Default_Ignorable_Code_Point`, TR36).
pub fn misleads(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// Text without the mark that some editors put before UTF-8. Every reader of a file that the operator names takes its
/// text through here (RFC 8259, 8.1 allows it of JSON); what is hashed or verified are the bytes as they are.
pub fn unmarked(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

/// The same of text.
pub fn unmarked_text(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// Untrusted text as a part of one line: what misleads is escaped, as `\u{202e}`.
pub fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    escape(&mut out, text);
    disarm(&mut out, 0);
    out
}

/// What the runner of a pipeline obeys in the log of a job, wherever it stands in a line: `##[`, `##vso[`, `##teamcity[`.
fn is_command(text: &str) -> bool {
    let Some(name) = text.strip_prefix("##") else { return false };
    name.trim_start_matches(|c: char| c.is_ascii_alphanumeric()).starts_with('[')
}

/// Escapes commands to the runner of a pipeline (GitHub, Azure Pipelines, TeamCity) in the line that begins at `start`. Those of
/// GitHub's newer form, as `::set-output name=verdict::pass`, count at the beginning of a line, after blanks.
fn disarm(text: &mut String, start: usize) {
    let line = text.get(start..).unwrap_or_default();
    let first = start + (line.len() - line.trim_start().len());
    if line.trim_start().starts_with("::") {
        text.replace_range(first..=first, "\\u{3a}");
    }
    let mut at = start;
    while let Some(found) = text.get(at..).and_then(|rest| rest.find("##")) {
        at += found + 1;
        if text.get(at - 1..).is_some_and(is_command) {
            text.replace_range(at..=at, "\\u{23}");
        }
    }
}

/// Untrusted text as one word of a sentence: as it is where nothing in it could be taken for the sentence's own, else in quotes,
/// in which quotes and backslashes are escaped.
pub fn word(text: &str) -> Word<'_> {
    Word(text)
}

/// See [`word`].
#[derive(Debug, Clone, Copy)]
pub struct Word<'t>(&'t str);

impl fmt::Display for Word<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._~:/?#[]@!$&*+;=%".contains(c);
        if !self.0.is_empty() && self.0.chars().all(plain) {
            return f.write_str(self.0);
        }
        f.write_char('"')?;
        for c in self.0.chars() {
            if matches!(c, '"' | '\\') {
                f.write_char('\\')?;
            }
            f.write_char(c)?;
        }
        f.write_char('"')
    }
}

/// At most `limit` bytes of `text`, which ends in dots where something is missing.
pub fn cut(mut text: String, limit: usize) -> String {
    if text.len() > limit {
        text.truncate(text.floor_char_boundary(limit.saturating_sub(3)));
        text.push_str("...");
    }
    text
}

/// At most `most` characters of `text`, and a mark where more follow.
pub fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

fn escape(out: &mut String, text: &str) {
    for c in text.chars() {
        if misleads(c) { out.extend(c.escape_unicode()) } else { out.push(c) }
    }
}

/// A JSON document without characters that mislead: they can only stand in its strings, where JSON has an escape for each,
/// so that what is read from it stays the same.
pub fn json(document: &str) -> String {
    let mut out = String::with_capacity(document.len());
    for c in document.chars() {
        // The second of two is the one that a command to a runner has, too.
        let of_command = c == '#' && out.ends_with('#');
        if c == '\n' || !(misleads(c) || of_command) {
            out.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            // Writing to a String cannot fail.
            let _ = write!(out, "\\u{unit:04x}");
        }
    }
    out
}

/// Markup without characters that mislead, whatever was put into it; line ends mean nothing in it.
pub fn markup(document: &str) -> String {
    let mut out = String::with_capacity(document.len());
    for part in document.split_inclusive('\n') {
        let (line, end) = part.strip_suffix('\n').map_or((part, ""), |line| (line, "\n"));
        let start = out.len();
        escape(&mut out, line);
        disarm(&mut out, start);
        out.push_str(end);
    }
    out
}

/// The writer of every report in lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    text: String,
}

/// Writes one line: `line!(page, "image  {}", name)`.
macro_rules! line {
    ($page:expr) => { $page.line(format_args!("")) };
    ($page:expr, $($words:tt)*) => { $page.line(format_args!($($words)*)) };
}
pub(crate) use line;

impl Page {
    /// Adds a line. Nothing that is formatted into it can end it.
    pub fn line(&mut self, words: fmt::Arguments<'_>) {
        let start = self.text.len();
        // A value whose Display fails has shown what it could.
        let _ = Escaping(&mut self.text).write_fmt(words);
        disarm(&mut self.text, start);
        self.text.push('\n');
    }

    /// Adds all lines of another page.
    pub fn append(&mut self, other: &Self) {
        self.text.push_str(&other.text);
    }

    /// The lines, each with its end.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The lines as one text.
    pub fn into_text(self) -> String {
        self.text
    }
}

/// Escapes what is written through it.
struct Escaping<'t>(&'t mut String);

impl fmt::Write for Escaping<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        escape(self.0, text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// One of each kind.
    const MISLEADING: &str = "\u{0}\u{7}\u{8}\t\n\r\u{1b}\u{7f}\u{85}\u{9b}\u{ad}\u{34f}\u{61c}\u{115f}\u{180e}\u{200b}\u{200d}\
        \u{200f}\u{2028}\u{2029}\u{202a}\u{202e}\u{2060}\u{2062}\u{2064}\u{2066}\u{2069}\u{206f}\u{3164}\u{fe0f}\u{feff}\u{fffb}\
        \u{e0001}\u{e0020}\u{e007f}\u{e01ef}";

    #[test]
    fn everything_that_misleads_is_escaped_and_nothing_else() {
        for c in MISLEADING.chars() {
            assert!(misleads(c), "{c:?}");
            assert_eq!(clean(&format!("a{c}b")), format!("a\\u{{{:x}}}b", u32::from(c)));
        }
        for plain in ["plain", "größe", "日本語", "naïve café", "→ ├─ …", "a b\u{a0}c", "🦀"]
        {
            assert_eq!(clean(plain), plain);
        }
    }

    /// Words, as strangers write them into labels, paths and logs of builds, and whether a runner obeys them.
    const COMMANDS: [(&str, bool); 15] = [
        ("::set-output name=verdict::pass", true),
        ("  \u{a0}::add-mask::x", true),
        ("::", true),
        ("a ::set-env name=A::b", false),
        (": :add-mask::x", false),
        ("##[set-output name=verdict]pass", true),
        ("x ##[error]y", true),
        ("##vso[task.setvariable variable=a]b", true),
        ("###[group]x", true),
        ("####", false),
        ("##teamcity[x]##[y]", true),
        ("## what it is", false),
        ("##what it is [1]", false),
        ("# #[x]", false),
        ("##\u{200b}[x]", false),
    ];

    /// As the runner of GitHub, and those of others, read a line.
    fn obeyed(line: &str) -> bool {
        let named = |(at, _): (usize, char)| {
            let name = line[at..].strip_prefix("##").and_then(|rest| rest.split_once('['));
            name.is_some_and(|(name, _)| name.chars().all(|c| c.is_ascii_alphanumeric()))
        };
        line.trim_start().starts_with("::") || line.char_indices().any(named)
    }

    #[test]
    fn h60_no_text_commands_the_runner_of_a_pipeline() {
        for (words, command) in COMMANDS {
            assert_eq!(obeyed(words), command, "{words}");
            let mut page = Page::default();
            line!(page, "{words}");
            line!(page, "      {}", words);
            let (before, after) = words.split_at(words.find(['#', ':']).unwrap_or(0) + 1);
            line!(page, "{before}{after}");
            let json = json(&format!("{:#}", serde_json::json!({ words: [words] })));
            for shown in [page.as_str(), &json, &markup(&format!("<p>\n{words}")), &clean(words)] {
                assert!(!shown.lines().any(obeyed), "{words}: {shown}");
            }
            let kept = clean(words) == words.replace('\u{200b}', "\\u{200b}");
            assert_eq!(kept, !command, "{words}: {}", clean(words));
        }
    }

    #[test]
    fn text_is_cut_between_characters_and_says_so() {
        let cases =
            [("", 0, ""), ("ab", 2, "ab"), ("abc", 2, "ab…"), ("ééé", 2, "éé…"), ("a", 0, "…")];
        for (text, most, want) in cases {
            assert_eq!(shortened(text, most), want, "{text} {most}");
        }
    }

    #[test]
    fn a_value_cannot_end_the_line_that_it_stands_in() {
        let mut page = Page::default();
        line!(page, "signer  {}, {:?}", "eve\nPASS  0 warnings\r\u{1b}[2K", "\n");
        line!(page);
        line!(page, "end");
        assert_eq!(
            page.as_str(),
            "signer  eve\\u{a}PASS  0 warnings\\u{d}\\u{1b}[2K, \"\\n\"\n\nend\n"
        );
        let mut both = page.clone();
        both.append(&page);
        assert_eq!(both.into_text().lines().count(), 6);
    }

    proptest! {
        #[test]
        fn a_page_has_as_many_lines_as_were_written(texts in prop::collection::vec(any::<String>(), 0..8)) {
            let mut page = Page::default();
            texts.iter().for_each(|text| line!(page, "x {text} {text:>9}"));
            prop_assert_eq!(page.as_str().matches('\n').count(), texts.len());
            prop_assert!(page.as_str().chars().all(|c| c == '\n' || !misleads(c)));
        }

        #[test]
        fn json_reads_back_the_same(texts in prop::collection::vec(any::<String>(), 0..8)) {
            let mut value = serde_json::json!({ "texts": texts, "all": MISLEADING });
            value[MISLEADING] = serde_json::json!(1);
            let document = json(&format!("{value:#}\n"));
            prop_assert!(document.chars().all(|c| c == '\n' || !misleads(c)));
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&document).unwrap(), value);
        }

        #[test]
        fn markup_keeps_its_lines(text in any::<String>()) {
            let shown = markup(&text);
            prop_assert!(shown.chars().all(|c| c == '\n' || !misleads(c)));
            prop_assert_eq!(shown.matches('\n').count(), text.matches('\n').count());
        }
    }
}
