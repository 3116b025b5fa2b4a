//! Reports in lines that fit a terminal.
//!
//! Turns a report, which is escaped and may have colours by then, into the same report in lines of at most so many columns. What goes
//! on in another line is indented further than what it belongs to, so that no untrusted text stands where a line begins, wherever a
//! terminal would have broken it (attack F6). A digest is never broken or shortened, for it may have to be typed or signed: it goes
//! into a line of its own, further to the left where it has to, and out over the edge where even that is too short, which the terminal
//! alone breaks. What it breaks then are digits. Reports that are no terminal's stay as they are.

use std::{os::fd::AsFd, sync::LazyLock};

use regex::Regex;

use crate::environment;

/// The fewest columns that a line can be set in.
pub(super) const FEWEST: usize = 40;
/// The least indent of a line that goes on.
const LEAST_INDENT: usize = 2;

/// Words that say what a line is about, with the blanks behind them.
static LABEL: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^ *(?:[A-Za-z]+ {2,}|[a-z]+: +)").expect("a constant pattern that compiles")
});
/// A colour of ours.
static COLOUR: LazyLock<Regex> =
    LazyLock::new(|| Regex::new("\u{1b}\\[[0-9;]*m").expect("a constant pattern that compiles"));
/// A digest or its beginning, with what joins it to a repository.
static DIGEST: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new("@?sha(?:256|512):[0-9a-f]{12,128}…?").expect("a constant pattern that compiles")
});

/// The columns of a terminal; `None` where the size is unknown.
pub(super) fn columns(terminal: &impl AsFd) -> Option<usize> {
    let said = environment::filled("COLUMNS").and_then(|value| value.to_str()?.parse().ok());
    let asked = || rustix::termios::tcgetwinsize(terminal).ok().map(|size| size.ws_col.into());
    said.or_else(asked).filter(|columns| *columns > 0)
}

/// The report in lines of at most so many columns.
pub(super) fn fit(text: &str, columns: usize) -> String {
    let columns = columns.max(FEWEST);
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for line in text.split_inclusive('\n') {
        let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
        if width(line) > columns {
            folded(&mut out, line, columns);
        } else {
            out.push_str(line);
        }
        out.push_str(end);
    }
    out
}

/// Columns that a text takes at most, without its colours.
fn width(text: &str) -> usize {
    COLOUR.replace_all(text, "").chars().map(columns_of).sum()
}

/// One column, or two where a terminal may draw a character that wide.
fn columns_of(c: char) -> usize {
    let is_narrow = matches!(c, ..'\u{1100}' | '\u{2010}'..='\u{22ff}' | '\u{2500}'..='\u{257f}');
    if is_narrow { 1 } else { 2 }
}

fn folded(out: &mut String, line: &str, columns: usize) {
    let plain = COLOUR.replace_all(line, "");
    let before = plain.chars().take_while(|c| " │├└─".contains(*c)).count();
    let label = LABEL.find(&plain).map(|label| label.len());
    let indent = label.unwrap_or(before + 4).min(columns / 2);
    let mut at = 0;
    for piece in pieces(line, columns - indent) {
        let words = width(piece.trim_end_matches(' '));
        if words == 0 && at >= columns {
            continue;
        }
        if at > 0 && at + words > columns {
            let indent = indent.min(columns.saturating_sub(words).max(LEAST_INDENT));
            out.truncate(out.trim_end_matches(' ').len());
            // Nothing but blanks stood there.
            if !out.is_empty() && !out.ends_with('\n') {
                out.push('\n');
            }
            out.extend(std::iter::repeat_n(' ', indent));
            at = indent;
        }
        out.push_str(&piece);
        at += width(&piece);
    }
    out.truncate(out.trim_end_matches(' ').len());
}

/// The parts of a line that are not broken, each with the blanks behind it, and none but digests wider than `room`.
fn pieces(line: &str, room: usize) -> Vec<String> {
    let mut pieces = Vec::new();
    for word in line.split_inclusive(' ') {
        if width(word.trim_end_matches(' ')) <= room {
            pieces.push(word.to_owned());
            continue;
        }
        let mut rest = 0;
        for found in DIGEST.find_iter(word) {
            broken(&mut pieces, word.get(rest..found.start()).unwrap_or_default(), room);
            pieces.push(found.as_str().to_owned());
            rest = found.end();
        }
        broken(&mut pieces, word.get(rest..).unwrap_or_default(), room);
    }
    pieces
}

/// A word without blanks, in parts that fit.
fn broken(pieces: &mut Vec<String>, word: &str, room: usize) {
    let mut part = String::new();
    let mut wide = 0;
    let mut rest = word;
    while let Some(next) = rest.chars().next() {
        // A colour takes no room.
        let colour = COLOUR.find(rest).filter(|colour| colour.start() == 0);
        let taken = colour.map_or(next.len_utf8(), |colour| colour.end());
        // So does the blank at the end.
        let one = if colour.is_some() || next == ' ' { 0 } else { columns_of(next) };
        if wide + one > room {
            pieces.push(std::mem::take(&mut part));
            wide = 0;
        }
        let (before, after) = rest.split_at(taken);
        part.push_str(before);
        (wide, rest) = (wide + one, after);
    }
    if !part.is_empty() {
        pieces.push(part);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(text: &str, columns: usize) -> Vec<String> {
        fit(text, columns).lines().map(str::to_owned).collect()
    }

    #[test]
    fn what_goes_on_stands_below_what_it_belongs_to() {
        let hex = "ab".repeat(32);
        let cases: [(&str, usize, &[&str]); 8] = [
            ("PASS  1 warning", 60, &["PASS  1 warning"]),
            (
                "FAIL  1 error, 2 warnings: the rebuilt image differs",
                40,
                &["FAIL  1 error, 2 warnings: the rebuilt", "      image differs"],
            ),
            (
                "  rebuild     reproduced: R5 manifest-identical by x",
                40,
                &["  rebuild     reproduced: R5", "              manifest-identical by x"],
            ),
            (
                "     help: sign the digest, for example: so",
                40,
                &["     help: sign the digest, for example:", "           so"],
            ),
            (
                &format!("image    r.example/app@sha256:{hex}"),
                90,
                &["image    r.example/app", &format!("         @sha256:{hex}")],
            ),
            (
                &format!("platform linux/amd64  sha256:{hex}"),
                60,
                &["platform linux/amd64", &format!("  sha256:{hex}")],
            ),
            (
                &format!(
                    "     help: sign {{\"difference\": \"sha256:{hex}\", \"reason\": \"...\"}}"
                ),
                80,
                &[
                    "     help: sign {\"difference\": \"",
                    &format!("         sha256:{hex}"),
                    "           \", \"reason\": \"...\"}",
                ],
            ),
            (
                "error[x]: one and two and three and four and five",
                40,
                &["error[x]: one and two and three and four", "    and five"],
            ),
        ];
        for (text, columns, want) in cases {
            assert_eq!(lines(text, columns), want, "{text}");
        }
    }

    #[test]
    fn colours_take_no_room() {
        let text = "\u{1b}[1;31mFAIL\u{1b}[0m  1 error, 2 warnings: the image is no";
        assert_eq!(fit(text, 44), text);
        assert_eq!(lines(text, 40)[1], "      no");
    }

    proptest! {
        /// No text of others begins a line, whatever is in it, and none is lost.
        #[test]
        fn f6_a_folded_line_begins_no_other(words in "(PASS|FAIL|a|é|\u{a0}| |/|sha256:){1,80}", columns in 0_usize..120) {
            let line = format!("      why: {words}");
            let folded = lines(&line, columns);
            for more in folded.iter().skip(1) {
                prop_assert!(more.starts_with("           "), "{folded:#?}");
            }
            prop_assert!(folded.iter().all(|line| width(line) <= columns.max(FEWEST)), "{folded:#?}");
            let bare = |text: &str| text.chars().filter(|c| *c != ' ' && *c != '\n').collect::<String>();
            prop_assert_eq!(bare(&folded.concat()), bare(&line));
        }
    }
}
