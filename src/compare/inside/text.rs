//! Texts side by side, line by line.

use std::sync::LazyLock;

use regex::Regex;
use similar::{ChangeTag, TextDiff};

use super::Inside;
use crate::{
    contents::secrets::{holds_credentials, in_keys, shown_line},
    untrusted::shortened,
};

/// Bytes of a text that is compared line by line.
const TEXT_BYTES: usize = 4 << 20;
/// Lines between the first and the last difference that are compared: the time that it takes grows with their square.
const LINES_COMPARED: usize = 1000;
/// Lines that are shown.
const LINES_SHOWN: usize = 24;
/// Characters of a line that are shown.
const CHARS_SHOWN: usize = 160;
/// What stands in the place of a line of which nothing may be shown.
const HIDDEN: &str = "[secret]";
/// Equal lines shown around a difference.
const AROUND: usize = 1;

/// What tools write as a time: dates with or without a clock, days of the week, seconds since 1970.
static TIMES: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(concat!(
        r"(?-u)\b1[0-9]{9}(?:[0-9]{3}){0,3}\b|\b[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?\b",
        r"|\b(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? *)?",
        r"(?:[0-9]{4}[-/][0-9]{2}[-/][0-9]{2}|[0-9]{8}(?:T|\b)|[0-9]{1,2} (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]* [0-9]{4}",
        r"|(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]* +[0-9]{1,2}(?:,? [0-9]{4})?)",
        r"(?:[T ]* *[0-9]{2}:?[0-9]{2}(?::?[0-9]{2})?(?:\.[0-9]+)?)?(?: *(?:Z|[A-Z]{3,4}|[+-][0-9]{2}:?[0-9]{2})\b)?(?: [0-9]{4}\b)?",
    ))
    .ok()
});

/// The lines that differ, where both are texts of a readable size. Whoever reads a report need not be one of those who may read
/// the file: nothing of credentials and private keys is in it.
pub(super) fn inside(path: &str, left: &[u8], right: &[u8]) -> Option<Inside> {
    let (left, right) = (as_text(left)?, as_text(right)?);
    let (mut ours, mut theirs): (Vec<&str>, Vec<&str>) =
        (left.lines().collect(), right.lines().collect());
    let before = ours.iter().zip(&theirs).take_while(|(a, b)| a == b).count();
    let skipped = before.saturating_sub(AROUND);
    (ours, theirs) = (ours.split_off(skipped), theirs.split_off(skipped));
    let mut more = false;
    for side in [&mut ours, &mut theirs] {
        more |= side.len() > LINES_COMPARED;
        side.truncate(LINES_COMPARED);
    }
    let (left_keys, right_keys) = (in_keys(left), in_keys(right));
    let all_hidden = holds_credentials(path);
    let in_key = |keys: &[bool], line: Option<usize>| {
        line.and_then(|line| keys.get(skipped + line)).copied().unwrap_or(false)
    };
    let diff = TextDiff::from_slices(&ours, &theirs);
    let mut lines = Vec::new();
    for group in diff.grouped_ops(AROUND) {
        let Some(first) = group.first() else { continue };
        lines.push(format!("@ line {}", skipped + first.old_range().start + 1));
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let mark = match change.tag() {
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
                ChangeTag::Equal => ' ',
            };
            // More is not shown, and what is left out needs no look for secrets.
            let hidden = all_hidden
                || lines.len() > LINES_SHOWN
                || in_key(&left_keys, change.old_index())
                || in_key(&right_keys, change.new_index());
            let line = if hidden { HIDDEN.to_owned() } else { shown_line(change.value()) };
            lines.push(format!("{mark}{}", shortened(&line, CHARS_SHOWN)));
        }
    }
    more |= lines.len() > LINES_SHOWN;
    lines.truncate(LINES_SHOWN);
    (!lines.is_empty()).then(|| Inside::Lines { lines, more, only_times: only_times(left, right) })
}

fn as_text(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes.get(..).filter(|b| b.len() <= TEXT_BYTES)?).ok()?;
    (!text.contains('\0')).then_some(text)
}

fn only_times(left: &str, right: &str) -> bool {
    let without =
        |text: &str| TIMES.as_ref().map(|times| times.replace_all(text, "\0").into_owned());
    without(left).is_some_and(|left| without(right).as_ref() == Some(&left))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(left: &str, right: &str) -> (Vec<String>, bool, bool) {
        match inside("/x", left.as_bytes(), right.as_bytes()) {
            Some(Inside::Lines { lines, more, only_times }) => (lines, more, only_times),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn texts_show_the_lines_that_differ() {
        let (found, more, times) = lines("a\nb\nc\nd\n", "a\nb\nX\nd\n");
        assert_eq!(found, ["@ line 2", " b", "-c", "+X", " d"]);
        assert!(!more && !times);
        assert!(inside("/x", b"\0", b"a").is_none() && inside("/x", b"\xff", b"a").is_none());
    }

    #[test]
    fn g27_nothing_of_a_key_or_of_credentials_is_in_a_report() {
        let key = |body: &str| {
            let begin = "-----BEGIN PRIVATE KEY-----\nMIIB\nMIIC\n";
            format!("a\n{begin}{body}\nMIID\n-----END PRIVATE KEY-----\nb {body}\n")
        };
        let (found, more, _) = lines(&key("s9df8sdf"), &key("q7Zk2mPw"));
        let hidden = [" [secret]", "-[secret]", "+[secret]", " [secret]"];
        assert!(found.starts_with(&["@ line 4".to_owned()]) && !more, "{found:?}");
        assert!(hidden.iter().all(|line| found.iter().any(|found| found == line)), "{found:?}");
        assert!(!found.iter().any(|line| line.contains("MII")), "{found:?}");
        assert!(found.contains(&"-b s9df8sdf".to_owned()), "{found:?}");
        for path in ["/root/.netrc", ".pgpass"] {
            match inside(path, b"a s9df8sdf\nb\n", b"a q7Zk2mPw\nb\n") {
                Some(Inside::Lines { lines, .. }) => {
                    assert_eq!(lines, ["@ line 1", "-[secret]", "+[secret]", " [secret]"]);
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn long_texts_are_cut_and_say_so() {
        let many = |word: &str| (0..5000).map(|n| format!("{word} {n}\n")).collect::<String>();
        let (found, more, _) = lines(&many("left"), &many("right"));
        assert!(found.len() == LINES_SHOWN && more);
        let (found, ..) = lines(&"é".repeat(1000), "x");
        assert!(found.iter().all(|line| line.chars().count() <= CHARS_SHOWN + 2));
    }

    #[test]
    fn texts_that_differ_in_times_only_are_told() {
        let cases = [
            ("built 2026-01-02T03:04:05Z\n", "built 2026-11-12T13:14:15Z\n", true),
            ("t=1700000000\n", "t=1700000321\n", true),
            ("Mon, 02 Jan 2026 15:04:05 +0000\n", "Tue, 13 Feb 2026 05:14:15 +0000\n", true),
            ("#Tue Jan  6 10:00:01 UTC 2026\n", "#Wed Feb 11 12:30:44 UTC 2026\n", true),
            ("at 10:20:30\n", "at 11:21:31\n", true),
            ("version 1.2\n", "version 1.3\n", false),
            ("built 2026-01-02 by me\n", "built 2026-01-03 by you\n", false),
        ];
        for (left, right, want) in cases {
            assert_eq!(lines(left, right).2, want, "{left}");
        }
    }
}
