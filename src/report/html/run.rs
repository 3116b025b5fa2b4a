//! The answer of `verify` or `rebuild` as one HTML page: the verdict first, then each finding with what is known of it and what to type
//! next, then the evidence. Where one platform was rebuilt, its differences hang in their tree, as in a comparison of two images.

use maud::{Markup, html};

use super::{clean, compared, frame};
use crate::{
    finding::{Finding, Key, Severity},
    report::{
        run::{ImageRun, PlatformRun, Run, Trouble},
        text::{self, Cause, plural},
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
    let platforms: Vec<&PlatformRun> =
        run.images.iter().flat_map(|image| &image.platforms).collect();
    let comparison = match platforms.as_slice() {
        [only] => only.comparison.as_ref(),
        _ => None,
    };
    let body = html! {
        header {
            h1 { (badge(run.passed())) " hallmark " (run.command) }
            p class="meaning" { (run.summary()) }
        }
        main {
            @if let Some(trouble) = &run.trouble { (unanswered(trouble)) }
            @for image in &run.images { (of_image(image)) }
            @if let Some(comparison) = comparison {
                section class="compared" {
                    h2 { "Published and rebuilt" }
                    p class="none" { "Left is what was published, right is what was rebuilt." }
                    (compared(comparison))
                }
            }
        }
        footer { "Written by hallmark " (env!("CARGO_PKG_VERSION")) "." }
    };
    frame(&format!("{} · hallmark {}", word(run.passed()), run.command), &body)
}

fn word(passed: bool) -> &'static str {
    if passed { "PASS" } else { "FAIL" }
}

fn badge(passed: bool) -> Markup {
    html! { span class={ "level " (if passed { "r5" } else { "r0" }) } { (word(passed)) } }
}

fn of_image(image: &ImageRun) -> Markup {
    html! {
        section class="image" {
            h2 { (badge(image.passed())) " " code { (clean(&image.name)) } }
            @if let Some(trouble) = &image.trouble { (unanswered(trouble)) }
            @for platform in &image.platforms { (of_platform(platform)) }
        }
    }
}

fn of_platform(platform: &PlatformRun) -> Markup {
    let causes = text::causes(&platform.findings);
    html! {
        h3 {
            (badge(platform.passed)) " " (clean(platform.words())) " "
            @if let Some(digest) = &platform.manifest { code class="none" { (clean(digest)) } }
        }
        @for cause in causes.iter().take(FINDINGS_SHOWN) { (of_cause(cause)) }
        @if causes.len() > FINDINGS_SHOWN {
            p { "… and " (plural(causes.len() - FINDINGS_SHOWN, "more finding")) }
        }
        @if platform.untold > 0 {
            p class="none" {
                (plural(platform.untold, "remark")) " about evidence that nobody vouches for who may: -v shows what"
            }
        }
        @if !platform.evidence.as_str().is_empty() {
            details open[platform.passed] {
                summary { "Evidence" }
                pre class="evidence" { (platform.evidence.as_str()) }
            }
        }
    }
}

fn of_cause(cause: &Cause<'_>) -> Markup {
    let Finding { code, severity, facts, subject, .. } = cause.first;
    html! {
        article class={ "finding " (severity.name()) } {
            h4 { (severity.name()) " " code { (code) } }
            p { (code.title()) }
            dl {
                dt { "subject" } dd { code { (clean(&subject.to_string())) } }
                @for place in cause.elsewhere.iter().take(PLACES_SHOWN) {
                    dt { "also" } dd { code { (clean(&place.subject.to_string())) } }
                }
                @if cause.elsewhere.len() > PLACES_SHOWN {
                    dt { "also" } dd { (cause.elsewhere.len() - PLACES_SHOWN) " more" }
                }
                @for (key, fact) in facts.iter().filter(|(key, _)| **key != Key::Help) {
                    dt { (key.name()) } dd { code { (cut(clean(&fact.to_string()), FACT_BYTES)) } }
                }
                dt { "help" } dd { (clean(&cause.first.help())) }
                @if *severity == Severity::Error {
                    dt { "next" } dd { code { "hallmark explain " (code) } }
                }
            }
        }
    }
}

fn unanswered(trouble: &Trouble) -> Markup {
    html! {
        article class="finding error" {
            h4 { "error " code { (trouble.code()) } }
            p { "There is no answer." }
            pre class="evidence" { (trouble.lines().as_str()) }
        }
    }
}
