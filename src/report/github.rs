//! Annotations of GitHub Actions: workflow commands, one a line (github/docs: workflow-commands).
//!
//! GitHub shows ten annotations of each kind of a step: the gravest come first, and the tenth counts the rest. All that is not a command
//! of ours is escaped as the runner unescapes it, once text is one line in which nothing misleads.

use std::collections::BTreeMap;

use super::{
    cause::{Cause, Sameness, causes},
    run::{ImageRun, PlatformRun, Run},
    text::plural,
};
use crate::{
    finding::{Finding, Key, Severity},
    report::clean,
    untrusted::{Page, cut, line},
};

/// Annotations of one kind that GitHub shows of a step.
const MAX_OF_KIND: usize = 10;
/// Bytes of one annotation's message.
const MAX_MESSAGE_BYTES: usize = 2048;

/// An annotation before it is escaped.
struct Annotation {
    title: String,
    lines: Vec<String>,
}

/// Renders a run.
pub fn render(run: &Run) -> String {
    let mut out = String::new();
    for (kind, severity) in [("error", Severity::Error), ("warning", Severity::Warning)] {
        write_kind(&mut out, kind, annotations(run, severity));
    }
    write_kind(&mut out, "notice", passed(run));
    let mut page = Page::default();
    let word = if run.passed() { "PASS" } else { "FAIL" };
    line!(page, "{word}  {}", run.summary());
    out + page.as_str()
}

fn annotations(run: &Run, severity: Severity) -> Vec<Annotation> {
    let mut found = Vec::new();
    for image in &run.images {
        found.extend(of_image(image, severity));
    }
    if severity == Severity::Error {
        let images = run.images.iter().map(|image| (Some(image), image.trouble.as_ref()));
        for (image, trouble) in images.chain([(None, run.trouble.as_ref())]) {
            let Some(trouble) = trouble else { continue };
            let mut lines: Vec<String> =
                image.map(|image| image.name.clone()).into_iter().collect();
            lines.extend(trouble.lines().as_str().lines().map(|line| line.trim().to_owned()));
            found.push(Annotation { title: trouble.code().to_owned(), lines });
        }
    }
    found
}

/// One for each cause, on however many platforms.
fn of_image(image: &ImageRun, severity: Severity) -> Vec<Annotation> {
    let mut seen: BTreeMap<Sameness, usize> = BTreeMap::new();
    let mut told: Vec<(Vec<&str>, Cause<'_>)> = Vec::new();
    for platform in &image.platforms {
        let causes = causes(&platform.findings).into_iter();
        for cause in causes.filter(|cause| cause.severity() == severity) {
            let at = *seen.entry(cause.sameness()).or_insert(told.len());
            match told.get_mut(at) {
                Some((platforms, _)) => platforms.push(platform.words()),
                None => told.push((vec![platform.words()], cause)),
            }
        }
    }
    let annotation = |(platforms, cause): &(Vec<&str>, Cause<'_>)| {
        annotation(&image.name, &platforms.join(", "), cause)
    };
    told.iter().map(annotation).collect()
}

fn annotation(image: &str, platforms: &str, cause: &Cause<'_>) -> Annotation {
    let Finding { code, facts, subject, .. } = cause.first();
    let mut lines = vec![
        code.title().to_owned(),
        format!("{image} {platforms}"),
        format!("subject: {subject}"),
    ];
    let elsewhere = cause.told.elsewhere.len();
    if elsewhere > 0 {
        lines.push(format!("and at {}", plural(elsewhere, "other place")));
    }
    let facts = facts.iter().filter(|(key, _)| **key != Key::Help);
    lines.extend(facts.map(|(key, fact)| format!("{}: {fact}", key.name())));
    lines.push(format!("help: {}", cause.first().help()));
    lines.extend(cause.remark_lines(&[]).into_iter().map(|words| format!("seen: {words}")));
    lines.extend(cause.follows.iter().map(|told| format!("because of this: {}", told.title())));
    Annotation { title: code.as_str().to_owned(), lines }
}

/// A pass is said, so that nobody takes a step that did nothing for one.
fn passed(run: &Run) -> Vec<Annotation> {
    let passed = run.images.iter().filter(|image| image.passed());
    passed
        .map(|image| {
            let platforms: Vec<&str> = image.platforms.iter().map(PlatformRun::words).collect();
            let lines = vec![format!("{} passes", image.name), platforms.join(", ")];
            Annotation { title: "pass".to_owned(), lines }
        })
        .collect()
}

fn write_kind(out: &mut String, kind: &str, mut all: Vec<Annotation>) {
    let more = all.len().saturating_sub(MAX_OF_KIND);
    if more > 0 {
        all.truncate(MAX_OF_KIND - 1);
        let words = format!("{} more are in the log and in other reports", more + 1);
        all.push(Annotation { title: "more".to_owned(), lines: vec![words] });
    }
    for Annotation { title, lines } in all {
        let lines: Vec<String> = lines.iter().map(|line| data(&clean(line))).collect();
        // Cut before a percent sign is parted from its digits: whole lines only.
        let mut message = String::new();
        for line in lines {
            let line = if message.is_empty() { line } else { format!("%0A{line}") };
            if message.len() + line.len() > MAX_MESSAGE_BYTES {
                message.push_str("%0A...");
                break;
            }
            message.push_str(&line);
        }
        let title = property(&clean(&format!("hallmark: {title}")));
        out.push_str(&format!("::{kind} title={title}::{message}\n"));
    }
}

/// Text after the second `::` of a command.
fn data(text: &str) -> String {
    // An entire line of a stranger's is bounded before it is escaped.
    let text = cut(text.to_owned(), MAX_MESSAGE_BYTES / 4);
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Text in a property of a command.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
