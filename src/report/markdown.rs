//! Markdown, for the summary of a job of GitHub Actions and for comments on merge requests.
//!
//! What comes from elsewhere stands in code, and in code alone: blocks and spans whose fences are longer than any row of backticks in
//! them. Nothing in code is a link, an image, a mention, HTML or the end of a table. There are no tables: they part cells before they read
//! code. GitHub drops a summary of more than 1 MiB whole, so that it is cut before.

use super::{
    cause::causes,
    run::{ImageRun, PlatformRun, Run, Trouble},
    text::{plural, remarks_left_out},
};
use crate::{
    finding::Severity,
    report::clean,
    untrusted::{Page, cut},
};

/// Bytes of a report.
const MAX_BYTES: usize = 900 * 1000;
/// Bytes of one block.
const MAX_BLOCK_BYTES: usize = 32 * 1024;
/// Bytes of a code span.
const MAX_SPAN_BYTES: usize = 1024;

/// Renders a run.
pub fn render(run: &Run) -> String {
    let blocks = blocks(run);
    let mut out = String::new();
    for (at, block) in blocks.iter().enumerate() {
        if out.len() + block.len() > MAX_BYTES {
            let more = plural(blocks.len() - at, "more part");
            out.push_str(&format!("{more} would not fit; the report in JSON has all of it.\n"));
            break;
        }
        out.push_str(block);
    }
    out
}

fn blocks(run: &Run) -> Vec<String> {
    let word = if run.passed() { "PASS" } else { "FAIL" };
    let mut out = vec![format!("## hallmark {}: {word}\n\n{}\n\n", run.command, run.summary())];
    if let Some(trouble) = &run.trouble {
        out.push(of_trouble(trouble));
    }
    for image in &run.images {
        of_image(image, &mut out);
    }
    out
}

fn of_image(image: &ImageRun, out: &mut Vec<String>) {
    let word = if image.passed() { "PASS" } else { "FAIL" };
    out.push(format!("### {word} {}\n\n", span(&image.name)));
    if let Some(trouble) = &image.trouble {
        out.push(of_trouble(trouble));
    }
    for platform in &image.platforms {
        of_platform(platform, out);
    }
}

fn of_platform(platform: &PlatformRun, out: &mut Vec<String>) {
    let word = if platform.passed { "PASS" } else { "FAIL" };
    let manifest = platform.manifest.as_deref().map(|digest| format!(" {}", span(digest)));
    let manifest = manifest.unwrap_or_default();
    out.push(format!("**{word}** {}{manifest}\n\n", span(platform.words())));
    for cause in causes(&platform.findings) {
        let (severity, code) = (cause.severity(), cause.first().code);
        let title = plain(&cause.first().title());
        let mut facts = Page::default();
        cause.write(&mut facts, &[]);
        let next = match severity {
            Severity::Error => {
                format!("Next: `hallmark explain {}`\n\n", cause.first().explained())
            }
            _ => String::new(),
        };
        let severity = severity.name();
        out.push(format!("#### {severity}: {code}\n\n{title}\n\n{}{next}", block(&facts)));
    }
    if platform.untold > 0 {
        out.push(format!("{}\n\n", remarks_left_out(platform.untold)));
    }
    if !platform.evidence.as_str().is_empty() {
        let evidence = block(&platform.evidence);
        out.push(format!("<details><summary>Evidence</summary>\n\n{evidence}</details>\n\n"));
    }
}

fn of_trouble(trouble: &Trouble) -> String {
    format!("#### error: {}\n\nThere is no answer.\n\n{}", trouble.code(), block(&trouble.lines()))
}

/// Words of ours as they are.
pub(super) fn plain(words: &str) -> String {
    words
        .chars()
        .flat_map(|c| c.is_ascii_punctuation().then_some('\\').into_iter().chain([c]))
        .collect()
}

/// The longest row of backticks.
fn backticks(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or_default()
}

/// Text in a line, as code.
pub(super) fn span(text: &str) -> String {
    let text = cut(clean(text), MAX_SPAN_BYTES);
    let fence = "`".repeat(backticks(&text) + 1);
    // A blank at each end is taken off, but for text that is blank.
    if text.trim().is_empty() { "(none)".to_owned() } else { format!("{fence} {text} {fence}") }
}

/// Lines, as code.
fn block(page: &Page) -> String {
    let mut text = String::new();
    for line in page.as_str().lines() {
        if text.len() + line.len() > MAX_BLOCK_BYTES {
            text.push_str("...\n");
            break;
        }
        text.push_str(line);
        text.push('\n');
    }
    let fence = "`".repeat(backticks(&text).max(2) + 1);
    format!("{fence}text\n{text}{fence}\n\n")
}
