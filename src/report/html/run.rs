//! The answer of `verify` or `rebuild` as one HTML page: the verdict and why first, then each finding with what is known of it and what
//! to type next, then the evidence. Where a platform was rebuilt, its differences hang in their tree, as in a comparison of two images.

use std::collections::BTreeSet;

use maud::{Markup, html};

use super::{
    DIGEST, clean,
    comparison::{View, meaning, rung},
    frame, words,
};
use crate::{
    compare::SideWords,
    finding::{Finding, Key, Severity},
    report::{
        cause::{Cause, Sameness, causes},
        run::{ImageRun, PlatformRun, Run, Trouble},
        text::{self, EvidenceLine, plural, remarks_left_out},
        told,
    },
    untrusted::cut,
};

/// Findings of one platform that are shown; the rest is counted.
const FINDINGS_SHOWN: usize = 500;
/// Bytes of one fact.
const FACT_BYTES: usize = 8 * 1024;
/// Other places of one cause that are shown.
const PLACES_SHOWN: usize = 20;

/// Renders a run.
pub fn render(run: &Run) -> String {
    let mut compared = 0;
    let body = html! {
        header {
            h1 { (badge(run.passed())) " " span class="of" { "hallmark " (run.command) } }
            p class="meaning" { (reason(run)) }
            @if run.images.len() > 1 { (index(run)) }
        }
        main {
            @if let Some(trouble) = &run.trouble { (unanswered(trouble)) }
            @for (number, image) in run.images.iter().enumerate() {
                section class="image" id={ "image-" (number + 1) } {
                    h2 {
                        @if run.images.len() > 1 { (badge(image.passed())) " " }
                        code { (words(&image.name)) }
                    }
                    @if let Some(trouble) = &image.trouble { (unanswered(trouble)) }
                    @for platform in &image.platforms { (of_platform(image, platform, &mut compared)) }
                }
            }
        }
        footer { "Written by hallmark " (env!("CARGO_PKG_VERSION")) "." }
    };
    frame(&format!("{} · hallmark {}", word(run.passed()), run.command), &body)
}

/// The answer in a sentence: that of a single image, or of all.
fn reason(run: &Run) -> String {
    match (&run.trouble, run.images.as_slice()) {
        (Some(trouble), _) => clean(&trouble.message),
        (None, [image]) => why(image),
        (None, _) => run.summary(),
    }
}

/// What decided about an image, in a line.
fn why(image: &ImageRun) -> String {
    if let Some(trouble) = &image.trouble {
        return match &trouble.finding {
            Some(found) => format!("There is no answer: {}", found.code.title()),
            None => format!("There is no answer: {}", clean(&trouble.message)),
        };
    }
    let all = image.platforms.iter().flat_map(|platform| causes(&platform.findings));
    let all: Vec<Cause<'_>> = all.collect();
    let kinds = all.iter().map(Cause::sameness).collect::<BTreeSet<_>>();
    let errors = kinds.iter().filter(|kind| kind.severity() == Severity::Error).count();
    let first = all.iter().find(|cause| cause.severity() == Severity::Error);
    match first.map(|cause| cause.first().title()) {
        Some(title) if errors > 1 => format!("{title}, and {}", plural(errors - 1, "more error")),
        Some(title) => title,
        None if kinds.is_empty() => "no errors, no warnings".to_owned(),
        None => text::counts(kinds.iter().map(Sameness::severity)),
    }
}

/// Where each image stands on the page.
fn index(run: &Run) -> Markup {
    html! {
        ul class="index" {
            @for (number, image) in run.images.iter().enumerate() {
                li {
                    (badge(image.passed())) " "
                    a href={ "#image-" (number + 1) } { code { (words(&image.name)) } }
                    " " span class="none" { (why(image)) }
                }
            }
        }
    }
}

fn word(passed: bool) -> &'static str {
    if passed { "PASS" } else { "FAIL" }
}

fn badge(passed: bool) -> Markup {
    html! { span class={ "level " (if passed { "r5" } else { "r0" }) } { (word(passed)) } }
}

fn of_platform(image: &ImageRun, platform: &PlatformRun, compared: &mut usize) -> Markup {
    let causes = causes(&platform.findings);
    let named: Vec<String> = DIGEST
        .find_iter(&image.name)
        .map(|found| found.as_str().trim_start_matches('@').to_owned())
        .chain(platform.manifest.clone())
        .collect();
    let comparison = platform.comparison.as_ref().map(|comparison| {
        let view = View::new(comparison, SideWords::REBUILD, *compared);
        *compared += 1;
        let level = comparison.level;
        html! {
            p class="rung" { (rung(level)) " " (meaning(level)) }
            (view.markup())
        }
    });
    html! {
        section class="platform" {
            h3 {
                @if image.platforms.len() > 1 { (badge(platform.passed)) " " }
                (clean(platform.words())) " "
                @if let Some(digest) = &platform.manifest { code class="none" { (words(digest)) } }
            }
            @for cause in causes.iter().take(FINDINGS_SHOWN) { (of_cause(cause, &named)) }
            @if causes.len() > FINDINGS_SHOWN {
                p { "… and " (plural(causes.len() - FINDINGS_SHOWN, "more finding")) }
            }
            @if platform.untold > 0 {
                p class="none" { (remarks_left_out(platform.untold)) }
            }
            @if !platform.lines.is_empty() {
                h4 { "Evidence" }
                dl class="evidence" {
                    @for line in &platform.lines { (of_evidence(line, comparison.is_some())) }
                }
            }
            @if let Some(comparison) = comparison {
                h4 { "Published and rebuilt" }
                (comparison)
            }
        }
    }
}

/// A line of evidence; what hangs below it only where nothing else on the page shows it.
fn of_evidence(line: &EvidenceLine, compared: bool) -> Markup {
    let shown_below = compared && line.name == "rebuild";
    let (class, mark) = match (line.holds, line.against) {
        (_, true) => ("against", "✗ "),
        (true, false) => ("holds", "✓ "),
        (false, false) => ("open", "– "),
    };
    html! {
        dt { (line.name) }
        dd {
            span class={ "mark " (class) } { (mark) }
            (words(&line.words))
            @if !line.below.as_str().is_empty() && !shown_below { pre { (line.below.as_str()) } }
        }
    }
}

fn of_cause(cause: &Cause<'_>, named: &[String]) -> Markup {
    let Finding { code, facts, .. } = cause.first();
    let (severity, elsewhere) = (cause.severity(), &cause.told.elsewhere);
    let first = cause.first();
    let (help, next) = (first.help(), format!("hallmark explain {}", first.explained()));
    // What is typed next is said once.
    let help = match help.strip_suffix(&next) {
        Some(help) if severity == Severity::Error => help.trim_end_matches([' ', ';']),
        _ => &help,
    };
    let place = |finding: &Finding| words(&told::shortened(&finding.subject, named));
    html! {
        article class={ "finding " (severity.name()) } {
            h4 { (clean(&first.title())) }
            p class="code" { (severity.name()) " " code { (code) } }
            dl {
                dt { "subject" } dd { code { (place(cause.first())) } }
                @for other in elsewhere.iter().take(PLACES_SHOWN) {
                    dt { "also" } dd { code { (place(other)) } }
                }
                @if elsewhere.len() > PLACES_SHOWN {
                    dt { "also" } dd { (elsewhere.len() - PLACES_SHOWN) " more" }
                }
                @for (key, fact) in facts.iter().filter(|(key, _)| **key != Key::Help) {
                    dt { (key.name()) } dd { code { (words(&cut(fact.to_string(), FACT_BYTES))) } }
                }
                dt { "help" } dd { (clean(help)) }
                @for seen in cause.remark_lines(named) {
                    dt { "seen" } dd { code { (words(&cut(seen, FACT_BYTES))) } }
                }
                @if severity == Severity::Error { dt { "next" } dd { code class="next" { (next) } } }
            }
            @if !cause.follows.is_empty() {
                p class="follows" { "Because of this:" }
                ul class="follows" { @for told in &cause.follows { li { (words(&told.title())) } } }
            }
        }
    }
}

fn unanswered(trouble: &Trouble) -> Markup {
    if let Some(finding) = &trouble.finding {
        // Whatever it weighs elsewhere, here it is the reason.
        let finding = Finding { severity: Severity::Error, ..finding.clone() };
        return of_cause(&Cause::alone(&finding), &[]);
    }
    html! {
        article class="finding error" {
            h4 { "There is no answer" }
            p class="code" { "error " code { (trouble.code()) } }
            pre { (trouble.lines().as_str()) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_speaks_against_the_image_has_a_mark_of_its_own() {
        let line = |holds| EvidenceLine::new("rebuild", holds, "R0 different".to_owned());
        let cases = [
            (line(true), "✓"),
            (line(false), "–"),
            (line(false).against(true), "✗"),
            // Proven, and in contradiction to the image.
            (line(true).against(true), "✗"),
        ];
        for (line, mark) in cases {
            let page = of_evidence(&line, true).into_string();
            for other in ["✓", "–", "✗"] {
                assert_eq!(page.contains(other), other == mark, "{page}");
            }
        }
    }
}
