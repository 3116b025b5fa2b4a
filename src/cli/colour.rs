//! Colours of reports on a terminal.
//!
//! Turns a report, which is escaped by then, into the same report with colours around a few words that hallmark itself writes,
//! at the places where it writes them. The colours are literals of this module: whatever a report holds, no other escape
//! sequence comes out, and without the colours it is the report as it was.

use super::args::Colour;

const BOLD_GREEN: &str = "\u{1b}[1;32m";
const BOLD_RED: &str = "\u{1b}[1;31m";
const BOLD_YELLOW: &str = "\u{1b}[1;33m";
const GREEN: &str = "\u{1b}[32m";
const YELLOW: &str = "\u{1b}[33m";
const END: &str = "\u{1b}[0m";

/// Words at the beginning of a line.
const WORDS: [(&str, &str); 5] = [
    ("PASS", BOLD_GREEN),
    ("FAIL", BOLD_RED),
    ("pass ", GREEN),
    ("deny ", BOLD_RED),
    ("warn ", BOLD_YELLOW),
];
/// Severities before a code in brackets.
const SEVERITIES: [(&str, &str); 5] = [
    ("error[", BOLD_RED),
    ("deny[", BOLD_RED),
    ("warning[", BOLD_YELLOW),
    ("warning/error[", BOLD_YELLOW),
    ("warn[", BOLD_YELLOW),
];
/// Beginnings of lines that say how something stands.
const STANDING: [&str; 3] = ["  signature   ", "  provenance  ", "  sbom        "];
/// Beginnings of lines that have a rung.
const RUNGS: [&str; 3] = ["  rebuild     ", "result     ", "level  "];

/// Whether a stream gets colours.
pub(super) fn wanted(choice: Colour, is_terminal: bool, environment: Environment) -> bool {
    match choice {
        Colour::Always => true,
        Colour::Never => false,
        Colour::Auto => is_terminal && !environment.no_color && !environment.dumb,
    }
}

/// What the environment says of colours.
#[derive(Debug, Clone, Copy)]
pub(super) struct Environment {
    /// `NO_COLOR` is set to something.
    pub no_color: bool,
    /// `TERM` is `dumb`.
    pub dumb: bool,
}

/// The report in colours.
pub(super) fn paint(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for line in text.split_inclusive('\n') {
        // Where a run failed, the report is behind the program's name.
        let (name, rest) = match line.strip_prefix("hallmark: ") {
            Some(rest) => ("hallmark: ", rest),
            None => ("", line),
        };
        out.push_str(name);
        match painted(rest) {
            Some((before, colour, word, after)) => {
                out.extend([before, colour, word, END, after]);
            }
            None => out.push_str(rest),
        }
    }
    out
}

/// What stands before the word that is coloured, its colour, the word, and the rest of the line.
fn painted(line: &str) -> Option<(&str, &'static str, &str, &str)> {
    if let Some((word, colour)) = WORDS.into_iter().find(|(word, _)| line.starts_with(word)) {
        let (word, after) = line.split_at(word.len());
        return Some(("", colour, word, after));
    }
    for (severity, colour) in SEVERITIES {
        let is_code = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let code = line.strip_prefix(severity).and_then(|rest| rest.split_once(']'));
        if let Some((code, after)) = code
            && code.chars().all(is_code)
        {
            return Some(("", colour, line.strip_suffix(after)?, after));
        }
    }
    let start = STANDING.into_iter().find(|start| line.starts_with(start));
    if let Some((before, rest)) = start.and_then(|start| line.split_at_checked(start.len())) {
        let words = [("proven", GREEN), ("not proven", YELLOW), ("missing", YELLOW)];
        let (word, colour) = words.into_iter().find(|(word, _)| rest.starts_with(word))?;
        let (word, after) = rest.split_at(word.len());
        return Some((before, colour, word, after));
    }
    let start = RUNGS.into_iter().find(|start| line.starts_with(start))?;
    let rest = line.get(start.len()..)?;
    let rung = ["reproduced: ", "equivalent: "].into_iter().find_map(|w| rest.strip_prefix(w));
    let rung = rung.unwrap_or(rest);
    let before = line.strip_suffix(rung)?;
    let (word, after) = rung.split_at_checked(2)?;
    let colour = match word {
        "R5" | "R4" => BOLD_GREEN,
        "R3" | "R2" | "R1" => BOLD_YELLOW,
        "R0" => BOLD_RED,
        _ => return None,
    };
    after.starts_with([' ', '\n']).then_some((before, colour, word, after))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const COLOURS: [&str; 6] = [BOLD_GREEN, BOLD_RED, BOLD_YELLOW, GREEN, YELLOW, END];

    fn plain(text: &str) -> String {
        COLOURS.iter().fold(text.to_owned(), |text, colour| text.replace(colour, ""))
    }

    #[test]
    fn words_of_ours_are_coloured_where_we_write_them() {
        let cases = [
            ("PASS\n", Some("PASS")),
            ("FAIL  1 error\n", Some("FAIL")),
            ("error[rebuild-differs]: the image\n", Some("error[rebuild-differs]")),
            ("hallmark: error[source-not-found]: x\n", Some("error[source-not-found]")),
            ("warning[sbom-missing]: x\n", Some("warning[sbom-missing]")),
            ("  signature   proven: release\n", Some("proven")),
            ("  sbom        not proven (no configured signer signed it)\n", Some("not proven")),
            ("  provenance  missing\n", Some("missing")),
            ("  rebuild     reproduced: R5 manifest-identical by x\n", Some("R5")),
            ("  rebuild     R0 different by x\n", Some("R0")),
            ("level  R2 content-identical\n", Some("R2")),
            // Not at the beginning, in another form, or of nobody's.
            ("      PASS  0 warnings\n", None),
            ("  subject: FAIL\n", None),
            ("error[x y]: z\n", None),
            ("  rebuild     not asked for\n", None),
            ("  rebuild     R5x\n", None),
            ("level  é\n", None),
            ("next: hallmark explain x\n", None),
        ];
        for (line, word) in cases {
            let text = paint(line);
            let found = text.contains('\u{1b}').then(|| {
                let (_, coloured) = text.split_once("\u{1b}[").unwrap();
                coloured.split_once('m').unwrap().1.split_once(END).unwrap().0
            });
            assert_eq!(found, word, "{line:?} {text:?}");
            assert_eq!(plain(&text), line);
        }
    }

    #[test]
    fn colours_are_for_terminals_unless_asked_for() {
        let (said, silent, dumb) = (
            Environment { no_color: true, dumb: false },
            Environment { no_color: false, dumb: false },
            Environment { no_color: false, dumb: true },
        );
        let cases = [
            (Colour::Auto, true, silent, true),
            (Colour::Auto, false, silent, false),
            (Colour::Auto, true, said, false),
            (Colour::Auto, true, dumb, false),
            (Colour::Always, false, said, true),
            (Colour::Never, true, silent, false),
        ];
        for (choice, terminal, environment, want) in cases {
            assert_eq!(wanted(choice, terminal, environment), want, "{choice:?} {environment:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_but_colours_is_added(lines in prop::collection::vec(
            ("(PASS|FAIL|error\\[|warning\\[a\\]|  sbom        proven|level  R[0-9]|hallmark: )?", "\\PC{0,20}"), 0..6)
        ) {
            let text: String = lines.iter().map(|(start, rest)| format!("{start}{rest}\n")).collect();
            let painted = paint(&text);
            prop_assert_eq!(plain(&painted), text);
        }
    }
}
