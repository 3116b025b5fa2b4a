//! Reports in lines that fit a terminal.
//!
//! Turns a report, which is escaped and may have colours by then, into the same report in lines of at most so many columns. What goes
//! on in another line is indented further than what it belongs to, so that no untrusted text stands where a line begins, wherever a
//! terminal would have broken it (attack F6); in a tree it stands behind the strokes of what goes on below it. Digests, the names that
//! hold them and commands that somebody may type are whole on one line, to be copied: they go into a line of their own where they fit
//! there, and out over the edge where even that is too short. A terminal breaks these wherever its edge is, so that a name or command
//! is whole only where none of its own lines would begin with a word of ours. Reports that are no terminal's stay as they are.

use std::{borrow::Cow, collections::BTreeSet, os::fd::AsFd, sync::LazyLock};

use clap::CommandFactory as _;
use regex::Regex;

use super::args::Cli;
use crate::environment;

/// The fewest columns that a line can be set in.
pub(super) const FEWEST: usize = 40;
/// The least indent of a line that goes on.
const LEAST_INDENT: usize = 2;
/// The longest name or command that may go out over the edge, in bytes: a repository, a tag and a digest.
const LONGEST: usize = 512;
/// Strokes of a tree, and the blank between them.
const STROKES: &str = " │├└─";
/// Words that lines of reports begin with: no line that a terminal makes may seem to be one.
const OURS: [&str; 16] = [
    "PASS", "FAIL", "pass", "deny", "warn", "error", "warning", "note", "image", "platform",
    "level", "result", "hallmark", "next", "help", "why",
];
/// Programs besides hallmark that messages name with what to type.
const OTHERS: [&str; 11] = [
    "cosign",
    "crane",
    "docker",
    "gcloud",
    "git",
    "kubectl",
    "openssl",
    "oras",
    "podman",
    "skopeo",
    "ssh-keygen",
];
/// Commands whose one word reads like any other.
const TAKE_A_WORD: [&str; 3] = ["explain", "schema", "man"];

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
/// Names of hallmark's own commands, and of those below them.
static COMMANDS: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let named = |command: &clap::Command| {
        command.get_subcommands().map(|one| one.get_name().to_owned()).collect::<Vec<_>>()
    };
    let all = Cli::command();
    let below = all.get_subcommands().flat_map(named);
    named(&all).into_iter().chain(below).collect()
});

/// The columns of a terminal; `None` where the size is unknown.
pub(super) fn columns(terminal: &impl AsFd) -> Option<usize> {
    let said = environment::filled("COLUMNS").and_then(|value| value.to_str()?.parse().ok());
    let asked = || rustix::termios::tcgetwinsize(terminal).ok().map(|size| size.ws_col.into());
    said.or_else(asked).filter(|columns| *columns > 0)
}

/// What a text is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Kind {
    /// A report, in which untrusted text may stand.
    #[default]
    Report,
    /// A page of our own documents, whose examples are to be copied.
    Page,
}

/// The text in lines of at most so many columns.
pub(super) fn fit(text: &str, kind: Kind, columns: usize) -> String {
    let columns = columns.max(FEWEST);
    let text = match kind {
        Kind::Report => Cow::Borrowed(text),
        Kind::Page => Cow::Owned(paragraphs(text)),
    };
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    let mut lines = text.split_inclusive('\n').peekable();
    let mut in_example = false;
    while let Some(line) = lines.next() {
        let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
        in_example ^= kind == Kind::Page && line.starts_with("```");
        if width(line) > columns && !in_example {
            let next = lines.peek().copied().unwrap_or_default();
            let mut folding = Folding::of(&mut out, line, next, columns);
            if kind == Kind::Page {
                folding.before.truncate(page_indent(line));
            }
            folding.line(line);
        } else {
            out.push_str(line);
        }
        out.push_str(end);
    }
    out
}

/// A page whose paragraphs and items are a line each: where they were broken in the file means nothing on a terminal.
fn paragraphs(page: &str) -> String {
    let mut out = String::with_capacity(page.len());
    let (mut in_example, mut goes_on) = (false, false);
    for line in page.lines() {
        let words = line.trim_start();
        let is_fence = words.starts_with("```");
        let begins = is_fence || words.starts_with(['|', '#']) || begun(line).is_some();
        if goes_on && !in_example && !begins && !words.is_empty() {
            out.push(' ');
            out.push_str(words);
            continue;
        }
        if !out.is_empty() {
            out.push('\n');
        }
        out.push_str(line);
        in_example ^= is_fence;
        goes_on = !words.is_empty() && !is_fence && !words.starts_with(['|', '#']);
    }
    out.push('\n');
    out
}

/// Columns before the words of an item of a list, or of what a label says.
fn begun(line: &str) -> Option<usize> {
    if let Some(label) = LABEL.find(line).filter(|_| line.starts_with(' ')) {
        return Some(label.len());
    }
    let words = line.trim_start();
    let number = words.len() - words.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let mark = match number {
        0 => words.starts_with("- ").then_some(2),
        _ => words.get(number..).filter(|rest| rest.starts_with(". ")).map(|_| number + 2),
    };
    mark.map(|mark| line.len() - words.len() + mark)
}

/// Columns before what goes on of a line of a page: our own words begin it, so that a paragraph needs none.
fn page_indent(line: &str) -> usize {
    match line.starts_with('|') {
        true => LEAST_INDENT,
        false => begun(line).unwrap_or(0),
    }
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

/// A part of a line that is not broken, with the blanks behind it.
struct Piece {
    text: String,
    /// Whether it goes out over the edge where it has to.
    whole: bool,
}

impl Piece {
    fn of(text: impl Into<String>) -> Self {
        Self { text: text.into(), whole: false }
    }

    fn whole(text: impl Into<String>) -> Self {
        Self { text: text.into(), whole: true }
    }
}

/// A line that is broken.
struct Folding<'o> {
    out: &'o mut String,
    columns: usize,
    /// What stands before the words of a line that goes on: strokes of a tree and blanks, a column each.
    before: Vec<char>,
    /// Columns that are taken.
    at: usize,
}

impl<'o> Folding<'o> {
    fn of(out: &'o mut String, line: &str, next: &str, columns: usize) -> Self {
        let plain = COLOUR.replace_all(line, "");
        let strokes: Vec<char> = plain.chars().take_while(|c| STROKES.contains(*c)).collect();
        let label = LABEL.find(&plain).map(|label| label.len());
        let indent = label.unwrap_or(strokes.len() + 4).min(columns / 2);
        let goes_on = |stroke: &char| if matches!(stroke, '│' | '├') { '│' } else { ' ' };
        let mut before: Vec<char> = strokes.iter().map(goes_on).collect();
        // What hangs below it is joined to it.
        let below = next.chars().nth(strokes.len()).filter(|c| matches!(c, '├' | '└'));
        before.extend(below.map(|_| '│'));
        before.resize(indent, ' ');
        Self { out, columns, before, at: 0 }
    }

    /// The columns that a line which goes on has for words.
    fn room(&self) -> usize {
        self.columns - self.before.len()
    }

    fn line(mut self, line: &str) {
        for piece in pieces(line, self.room()) {
            self.place(&piece);
        }
        self.out.truncate(self.out.trim_end_matches(' ').len());
    }

    /// Writes a piece; one that the terminal would break into what seems to be ours goes in parts.
    fn place(&mut self, piece: &Piece) {
        let (_, start) = self.start(&piece.text);
        if !piece.whole || !seems_ours(&piece.text, start, self.columns) {
            return self.put(&piece.text);
        }
        let room = self.room();
        let parts = piece.text.split_inclusive(' ').flat_map(|word| parts(word, room));
        parts.for_each(|part| self.put(&part.text));
    }

    /// Whether a text goes into a line of its own, and the column in which it begins.
    fn start(&self, text: &str) -> (bool, usize) {
        let words = width(text.trim_end_matches(' '));
        // Further to the left, where it fits in there.
        let left = self.columns.checked_sub(words).filter(|left| *left >= LEAST_INDENT);
        let indent = left.map_or(self.before.len(), |left| left.min(self.before.len()));
        // Where another line would begin no further to the left, it would help nobody.
        let breaks = self.at + words > self.columns && self.at > indent;
        (breaks, if breaks { indent } else { self.at })
    }

    fn put(&mut self, text: &str) {
        if text.trim_end_matches(' ').is_empty() && self.at >= self.columns {
            return;
        }
        let (breaks, start) = self.start(text);
        if breaks {
            self.begin(start);
        }
        self.out.push_str(text);
        self.at = start + width(text);
    }

    fn begin(&mut self, indent: usize) {
        self.out.truncate(self.out.trim_end_matches(' ').len());
        // Nothing but blanks stood there.
        if !self.out.is_empty() && !self.out.ends_with('\n') {
            self.out.push('\n');
        }
        self.out.extend(self.before.iter().take(indent));
    }
}

/// Whether a terminal of so many columns, which breaks this text at its edge, would begin a line with a word of ours.
fn seems_ours(text: &str, start: usize, columns: usize) -> bool {
    let text = text.trim_end_matches(' ');
    let edges = (1..).map(|row: usize| row * columns).map(|edge| edge.saturating_sub(start));
    let rows = edges.map_while(|edge| text.get(edge..).filter(|row| !row.is_empty()));
    let begins = |row: &str| OURS.iter().any(|word| row.trim_start().starts_with(word));
    rows.into_iter().any(begins)
}

/// The pieces of a line, of which none but whole ones are wider than `room`.
fn pieces(line: &str, room: usize) -> Vec<Piece> {
    let words: Vec<&str> = line.split_inclusive(' ').collect();
    let (mut pieces, mut rest) = (Vec::new(), words.as_slice());
    while let Some((word, after)) = rest.split_first() {
        match command(rest) {
            Some(count) => {
                let (typed, after) = rest.split_at(count);
                pieces.push(Piece::whole(typed.concat()));
                rest = after;
            }
            None => {
                match is_name(word) {
                    true => pieces.push(Piece::whole(*word)),
                    false => pieces.extend(parts(word, room)),
                }
                rest = after;
            }
        }
    }
    pieces
}

/// Whether the terminal alone may break a text: one whose characters take a column each, and no more than a command has.
fn is_plain(text: &str) -> bool {
    text.len() <= LONGEST && text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

/// Whether a word holds a digest, and is to be copied as it is.
fn is_name(word: &str) -> bool {
    is_plain(word) && DIGEST.is_match(word)
}

/// How many of the words are a command that somebody may type. A message goes on with a word of small letters, or ends it with a mark.
fn command(words: &[&str]) -> Option<usize> {
    let (first, after) = words.split_first()?;
    let program = first.strip_suffix(' ')?.trim_start_matches(['(', '`', '"', '\'']);
    let verb = after.first().map(|verb| core(verb)).filter(|verb| !verb.is_empty())?;
    // An option that somebody may add, and its value.
    if program.starts_with("--") && is_plain(program) && is_plain(verb) {
        return verb.bytes().any(|byte| !byte.is_ascii_lowercase()).then_some(2);
    }
    let is_one = match program {
        "hallmark" => verb.starts_with('-') || COMMANDS.contains(verb),
        other => {
            OTHERS.contains(&other) && verb.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
        }
    };
    if !is_one {
        return None;
    }
    let (mut count, mut last) = (1, program);
    for (at, word) in after.iter().enumerate() {
        let this = core(word);
        let option_follows = || after.get(at + 1).is_some_and(|next| next.starts_with('-'));
        let goes_on = count == 1
            || last.starts_with('-')
            || matches!(last, "|" | ">")
            || TAKE_A_WORD.contains(&last)
            || option_follows()
            || (COMMANDS.contains(last) && COMMANDS.contains(this))
            || !this.bytes().all(|byte| byte.is_ascii_lowercase());
        if this.is_empty() || !goes_on {
            break;
        }
        (count, last) = (count + 1, this);
        if this.len() < word.trim_end_matches(' ').len() {
            break;
        }
    }
    words.get(..count).filter(|typed| is_plain(&typed.concat())).map(|_| count)
}

/// A word without the marks behind it that end a command.
fn core(word: &str) -> &str {
    word.trim_end_matches(' ').trim_end_matches([';', ',', ':', ')', '`', '.', '?'])
}

/// The parts of a word: digests, and what fits into the room.
fn parts(word: &str, room: usize) -> Vec<Piece> {
    if width(word.trim_end_matches(' ')) <= room {
        return vec![Piece::of(word)];
    }
    let (mut parts, mut rest) = (Vec::new(), 0);
    for found in DIGEST.find_iter(word) {
        broken(&mut parts, word.get(rest..found.start()).unwrap_or_default(), room);
        parts.push(Piece::whole(found.as_str()));
        rest = found.end();
    }
    broken(&mut parts, word.get(rest..).unwrap_or_default(), room);
    parts
}

/// A word without blanks, in parts that fit.
fn broken(pieces: &mut Vec<Piece>, word: &str, room: usize) {
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
            pieces.push(Piece::of(std::mem::take(&mut part)));
            wide = 0;
        }
        let (before, after) = rest.split_at(taken);
        part.push_str(before);
        (wide, rest) = (wide + one, after);
    }
    if !part.is_empty() {
        pieces.push(Piece::of(part));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(text: &str, columns: usize) -> Vec<String> {
        fit(text, Kind::Report, columns).lines().map(str::to_owned).collect()
    }

    #[test]
    fn what_goes_on_stands_below_what_it_belongs_to() {
        let hex = "ab".repeat(32);
        let cases: [(&str, usize, &[&str]); 7] = [
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
            // Further to the left, where it fits in there.
            (
                &format!("platform linux/amd64  sha256:{hex}"),
                74,
                &["platform linux/amd64", &format!("   sha256:{hex}")],
            ),
            (
                &format!("  subject: sha256:{hex}"),
                80,
                &["  subject:", &format!("         sha256:{hex}")],
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

    /// Better a line that is longer than the terminal is wide.
    #[test]
    fn what_is_to_be_copied_is_on_one_line() {
        let digest = format!("sha256:{}", "ab".repeat(32));
        let name = format!("127.0.0.1:5000/team/app@{digest}");
        let sign = format!("hallmark sign --key KEY --type spdx {name}");
        let cases: [(String, &str, &[&str]); 10] = [
            (
                "     help: build with docker buildx build --attest type=sbom and sign the index"
                    .to_owned(),
                "docker buildx build --attest type=sbom",
                &["           and sign the index"],
            ),
            (format!("image    {name}"), &name, &[]),
            (format!("     also: layer 1 of {name} and more"), &name, &["           and more"]),
            (
                format!(
                    "     help: attach it signed: {sign}; or name the signer: --key FILE, or trust"
                ),
                &sign,
                &["     help: attach it signed:", "           --key FILE, or trust"],
            ),
            (
                format!("     help: sign {{\"difference\": \"{digest}\", \"reason\": \"...\"}}"),
                &format!("\"{digest}\","),
                &["     help: sign {\"difference\":", "           \"reason\": \"...\"}"],
            ),
            (
                "     help: docker save -o image.tar library/nginx, then oci-archive:image.tar"
                    .to_owned(),
                "docker save -o image.tar library/nginx,",
                &["           then oci-archive:image.tar"],
            ),
            (
                "     help: somebody may type hallmark explain configuration where it helps"
                    .to_owned(),
                "hallmark explain configuration",
                &["           where it helps"],
            ),
            (
                "the configuration says nothing (hallmark config show --config hallmark.yaml)"
                    .to_owned(),
                "(hallmark config show --config hallmark.yaml)",
                &["the configuration says nothing"],
            ),
            // No command.
            (
                "     help: trust in hallmark says nothing of those whom nobody knows".to_owned(),
                "",
                &["     help: trust in hallmark says"],
            ),
            (format!("  next: hallmark verify --policy slsa-l2 {name}"), "", &[]),
        ];
        for (text, whole, others) in &cases {
            for columns in [40, 60, 80] {
                let lines = lines(text, columns);
                assert!(lines.iter().any(|line| line.contains(whole)), "{columns} {lines:#?}");
                if columns == 40 {
                    for other in *others {
                        assert!(lines.iter().any(|line| line == other), "{other} {lines:#?}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_tree_keeps_its_strokes() {
        let digest = format!("sha256:{}", "ab".repeat(32));
        let tree = format!(
            "r.example/app\n├─ index  {digest}  a media type\n│  ├─ linux/amd64  {digest}  2 KiB\n│  └─ 1  {digest}  3 MiB  gzip\n\
             └─ platform  and more words than fit into the forty columns of it\n   └─ x\n"
        );
        let at = |columns| fit(&tree, Kind::Report, columns);
        let wide = [
            "r.example/app",
            "├─ index",
            &format!("│  │   {digest}"),
            "│  │   a media type",
            "│  ├─ linux/amd64",
            &format!("│  │     {digest}"),
            "│  │      2 KiB",
            &format!("│  └─ 1  {digest}"),
            "│         3 MiB  gzip",
            "└─ platform  and more words than fit into the forty columns of it",
            "   └─ x",
        ];
        assert_eq!(at(80).lines().collect::<Vec<_>>(), wide);
        let narrow = at(40);
        let end =
            "└─ platform  and more words than fit\n   │   into the forty columns of it\n   └─ x\n";
        assert!(narrow.ends_with(end), "{narrow}");
        assert!(
            narrow.lines().skip(1).all(|line| line.starts_with(['├', '│', '└', ' '])),
            "{narrow}"
        );
    }

    #[test]
    fn paragraphs_of_our_own_pages_are_broken_where_the_terminal_ends() {
        let page = "# A page\n\nOne paragraph that\nwas broken in the file, and goes on here.\n\n- An item that has some words more\n  and ends.\n1. Another\n\n\
                    | a | table |\n|---|---|\n\n   weighs: more than fits in here, as one sees\n     help: none\n";
        let want = "# A page\n\nOne paragraph that was broken in the\nfile, and goes on here.\n\n- An item that has some words more and\n  ends.\n\
                    1. Another\n\n| a | table |\n|---|---|\n\n   weighs: more than fits in here, as\n           one sees\n     help: none\n";
        assert_eq!(fit(page, Kind::Page, 40), want);
    }

    #[test]
    fn examples_of_our_own_pages_are_left_as_they_are() {
        let page = "one and two and three and four and five and\n```sh\nhallmark verify --key cosign.pub registry.example/app:1\n```\n";
        let example = |kind| {
            fit(page, kind, 40)
                .lines()
                .any(|line| line.ends_with("key cosign.pub registry.example/app:1"))
        };
        assert!(example(Kind::Page));
        let words = page.replace("hallmark verify", "a label says");
        let whole = |kind| fit(&words, kind, 40).contains("cosign.pub registry");
        assert!(
            whole(Kind::Page) && !whole(Kind::Report),
            "a report can hold three strokes of a stranger"
        );
    }

    #[test]
    fn colours_take_no_room() {
        let text = "\u{1b}[1;31mFAIL\u{1b}[0m  1 error, 2 warnings: the image is no";
        assert_eq!(fit(text, Kind::Report, 44), text);
        assert_eq!(lines(text, 40)[1], "      no");
    }

    /// The lines that a terminal makes of a report.
    fn rows(text: &str, columns: usize) -> Vec<String> {
        let rows = |line: &String| {
            let all: Vec<char> = line.chars().collect();
            all.chunks(columns.max(FEWEST)).map(String::from_iter).collect::<Vec<_>>()
        };
        lines(text, columns).iter().flat_map(rows).collect()
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

        /// Nor where a terminal breaks what goes out over its edge.
        #[test]
        fn f6_a_name_over_the_edge_begins_no_line(
            words in "(hallmark verify |hallmark |--a|--a |PASS|FAIL |error\\[a\\]: |/|x|x |@sha256:aaaaaaaaaaaaaaaa){1,60}",
            label in prop::sample::select(vec!["      why: ", "     help: ", "  help: ", "│  ├─ ", ""]),
            columns in 40_usize..100,
        ) {
            let text = format!("{label}q{words}");
            for row in rows(&text, columns).iter().skip(1) {
                prop_assert!(!["PASS", "FAIL", "error["].iter().any(|word| row.starts_with(word)), "{row} {text}");
            }
            let bare = |text: &str| text.chars().filter(|c| !" \n│├└─".contains(*c)).collect::<String>();
            prop_assert_eq!(bare(&lines(&text, columns).concat()), bare(&text));
        }
    }
}
