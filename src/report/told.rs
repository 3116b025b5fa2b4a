//! One finding in words, and one line about the evidence: what all reports are made of.

use std::fmt;

use crate::{
    contents::secrets::shown_text,
    finding::{Finding, Key, Severity, Subject},
    untrusted::{Page, line},
};

/// Hexadecimal digits of a digest that the report has named before.
const SHORT_DIGITS: usize = 12;

/// One finding as a block of lines.
pub fn finding_block(out: &mut impl fmt::Write, finding: &Finding) -> fmt::Result {
    let mut page = Page::default();
    write_finding(&mut page, finding, finding.severity);
    out.write_str(page.as_str())
}

/// One finding: its first line, and the others.
pub fn finding_lines(finding: &Finding) -> (String, Page) {
    let mut page = Page::default();
    finding_facts(&mut page, finding);
    (finding_title(finding, finding.severity), page)
}

/// The first line of a finding that weighs as much.
pub(super) fn finding_title(finding: &Finding, severity: Severity) -> String {
    format!("{}[{}]: {}", severity.name(), finding.code, finding.code.title())
}

/// Adds one finding, which weighs as much.
pub(super) fn write_finding(out: &mut Page, finding: &Finding, severity: Severity) {
    line!(out, "{}", finding_title(finding, severity));
    finding_facts(out, finding);
}

fn finding_facts(out: &mut Page, finding: &Finding) {
    fact(out, "subject", &finding.subject);
    further_facts(out, finding);
}

/// What is known besides what it is about.
pub(super) fn further_facts(out: &mut Page, finding: &Finding) {
    for (key, fact) in finding.facts.iter().filter(|(key, _)| **key != Key::Help) {
        self::fact(out, key.name(), fact);
    }
    fact(out, "help", &finding.help());
}

/// One thing that is known, by its name.
pub(super) fn fact(out: &mut Page, name: &str, text: &dyn fmt::Display) {
    line!(out, "{name:>9}: {}", shown_text(&text.to_string()));
}

/// A subject with the beginnings of those digests alone that the report has named in full.
pub(super) fn shortened(subject: &Subject, named: &[String]) -> String {
    let short = |digest: &String| {
        let shown = digest.find(':').map_or(0, |colon| colon + 1) + SHORT_DIGITS;
        digest.get(..shown).map_or_else(|| digest.clone(), |start| format!("{start}…"))
    };
    let all = subject.to_string();
    named.iter().fold(all, |text, digest| text.replace(digest.as_str(), &short(digest)))
}

/// One line about the evidence, by what it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvidenceLine {
    /// What it is about, as `signature`.
    pub name: &'static str,
    /// Which of several, where the operator has a name for it.
    pub which: Option<String>,
    /// Whether it is proven, agrees, or was done. Where it does not hold, findings say whether that matters.
    pub holds: bool,
    /// Whether what was found speaks against the image: it is there, and it differs or disagrees.
    pub against: bool,
    /// What is known of it.
    pub words: String,
    /// Lines that belong to it: differences, or the end of a log.
    pub below: Page,
}

impl EvidenceLine {
    pub(super) fn new(name: &'static str, holds: bool, words: String) -> Self {
        Self { name, which: None, holds, against: false, words, below: Page::default() }
    }

    pub(super) fn against(self, against: bool) -> Self {
        Self { against, ..self }
    }

    pub(super) fn of(self, which: &str) -> Self {
        Self { which: Some(which.to_owned()), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_short_where_it_was_named_before() {
        let (one, other) =
            (format!("sha256:{}", "ab".repeat(32)), format!("sha256:{}", "cd".repeat(32)));
        let subject = Subject::Image(format!("r.example/app@{one} and {other}"));
        let text = shortened(&subject, std::slice::from_ref(&one));
        assert_eq!(text, format!("r.example/app@sha256:abababababab… and {other}"));
        assert_eq!(shortened(&subject, &["sha256:abab".to_owned()]), subject.to_string());
    }
}
