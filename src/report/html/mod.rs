//! A comparison, and the answer of a call ([`run`]), as one HTML page.
//!
//! The page needs nothing else: no script, no font, no image; its style is in it, and its content security policy allows
//! that style alone. All text from images is escaped for HTML, and what misleads in it, once more in the whole page. Differences hang in a tree of
//! folders that opens with a click; what is benign or explained starts closed.

pub mod run;
mod tree;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

use super::{clean, difference::causes};
use crate::{
    compare::{
        Account, Comparison, Difference, Inside, Level, PackageChange, Part, Place, SideWords,
    },
    untrusted::markup,
};
use tree::Tree;

const STYLE: &str = include_str!("style.css");

/// Packages that are listed; the rest is counted.
const PACKAGES_SHOWN: usize = 500;

/// Renders a comparison of two images.
pub fn comparison(comparison: &Comparison, left: &str, right: &str) -> String {
    let level = comparison.level;
    let body = html! {
        header {
            h1 { span class={ "level r" (level.number()) } { "R" (level.number()) } " " (level.name()) }
            p class="meaning" { (meaning(level)) }
            dl class="images" {
                dt { "left" } dd { code { (clean(left)) } }
                dt { "right" } dd { code { (clean(right)) } }
            }
        }
        main { (compared(comparison)) }
        footer { "Written by hallmark " (env!("CARGO_PKG_VERSION")) ". Index digests are never compared." }
    };
    frame(&format!("R{} {} · hallmark diff", level.number(), level.name()), &body)
}

/// A page, whose title is in words of ours.
fn frame(title: &str, body: &Markup) -> String {
    let hash = BASE64_STANDARD.encode(Sha256::digest(STYLE));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'"
    );
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="referrer" content="no-referrer";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body { (body) }
        }
    };
    markup(&page.into_string())
}

/// The parts of a comparison.
fn compared(comparison: &Comparison) -> Markup {
    html! {
        (summary(comparison))
        (allowed(comparison))
        (packages(&comparison.packages))
        (layers(comparison))
        (differences(comparison))
    }
}

fn meaning(level: Level) -> &'static str {
    match level {
        Level::ManifestIdentical => "Both are the same manifest, byte for byte.",
        Level::ConfigIdentical => {
            "The same configuration and the same layers; only how they are stored differs. All digests were recomputed."
        }
        Level::LayersIdentical => {
            "The same layers; the configurations differ only in what has no effect at run time."
        }
        Level::ContentIdentical => {
            "The same files with the same rights; only times, order or format differ."
        }
        Level::Explained => {
            "Files differ, and each difference is explained by a normalizer or allowed by the operator."
        }
        Level::Different => "Something differs that nothing explains.",
    }
}

/// The class of rows of the page.
pub(super) fn row_class(account: Account) -> &'static str {
    match account {
        Account::Open => "open",
        Account::Explained => "explained",
        Account::Benign => "benign",
    }
}

fn count(comparison: &Comparison, wanted: Account) -> usize {
    comparison.differences.iter().filter(|difference| difference.account() == wanted).count()
}

fn summary(comparison: &Comparison) -> Markup {
    let causes = causes(comparison);
    html! {
        section class="counts" {
            @for (wanted, words) in [
                (Account::Open, "unexplained"),
                (Account::Explained, "explained"),
                (Account::Benign, "benign"),
            ] {
                div class={ "count " (row_class(wanted)) } { b { (count(comparison, wanted)) } " " (words) }
            }
            @if comparison.omitted > 0 {
                div class="count open" { b { (comparison.omitted) } " not listed" }
            }
        }
        @if !causes.is_empty() {
            section {
                h2 { "Probable causes" }
                table class="causes" {
                    thead { tr { th { "×" } th { "what probably happened" } th { "what to do" } } }
                    tbody {
                        @for (hint, count) in causes {
                            tr { td class="number" { (count) } td { (hint.why()) } td { (hint.fix()) } }
                        }
                    }
                }
            }
        }
    }
}

fn allowed(comparison: &Comparison) -> Markup {
    html! {
        @if !comparison.allowed.is_empty() {
            section {
                h2 { "Allowed by the operator" }
                table {
                    thead { tr { th { "×" } th { "class" } th { "paths" } th { "why" } th { "owner" } th { "until" } } }
                    tbody {
                        @for entry in &comparison.allowed {
                            tr {
                                td class="number" { (entry.uses(&comparison.differences)) }
                                td { (entry.class.name()) }
                                td { code { (clean(&entry.pattern.to_string())) } }
                                td { (clean(&entry.reason)) }
                                td { (clean(&entry.owner)) }
                                td { (entry.expires.to_string()) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn packages(changes: &[PackageChange]) -> Markup {
    let version = |version: &Option<String>| match version {
        Some(version) => html! { code { (clean(version)) } },
        None => html! { span class="none" { "none" } },
    };
    html! {
        @if !changes.is_empty() {
            section {
                h2 { "Packages" }
                table {
                    thead { tr { th { "package" } th { "left" } th { "right" } } }
                    tbody {
                        @for change in changes.iter().take(PACKAGES_SHOWN) {
                            tr {
                                td { code { (clean(&change.name)) } " " span class="none" { (change.ecosystem) } }
                                td { (version(&change.left)) }
                                td { (version(&change.right)) }
                            }
                        }
                    }
                }
                @if changes.len() > PACKAGES_SHOWN {
                    p { "… and " (changes.len() - PACKAGES_SHOWN) " more" }
                }
            }
        }
    }
}

fn layers(comparison: &Comparison) -> Markup {
    let of_layer = |position: usize| {
        comparison.differences.iter().filter(move |difference| match difference.place {
            Place::Layer(layer) | Place::Entry { layer, .. } => layer == position,
            Place::Manifest(_) | Place::Config(_) => false,
        })
    };
    let made_by = |position: usize| of_layer(position).find_map(|d| d.cause.as_ref());
    html! {
        section {
            h2 { "Layers" }
            table class="layers" {
                thead { tr { th { "#" } th { "left" } th { "right" } th { "differences" } th { "made by" } } }
                tbody {
                    @for pair in &comparison.layers {
                        @let found = of_layer(pair.position).count();
                        @let same = pair.left.as_ref().map(|l| &l.blob) == pair.right.as_ref().map(|r| &r.blob);
                        tr {
                            td class="number" { (pair.position) }
                            @for side in [&pair.left, &pair.right] {
                                td { (layer_cell(side.as_ref())) }
                            }
                            td class="number" {
                                @if same { span class="none" { "same blob" } }
                                @else if found > 0 { a href={ "#layer-" (pair.position) } { (found) } }
                                @else { "0" }
                            }
                            td class="made" { @if let Some(cause) = made_by(pair.position) { (made(cause)) } }
                        }
                    }
                }
            }
        }
    }
}

fn layer_cell(facts: Option<&crate::compare::LayerFacts>) -> Markup {
    html! {
        @match facts {
            None => span class="none" { "none" },
            Some(facts) => {
                @let digest = facts.blob.to_string();
                code title=(digest) { (digest.chars().take(19).collect::<String>()) "…" }
                " " span class="none" { (bytes(facts.size)) }
            }
        }
    }
}

/// A size as people read it.
fn bytes(size: u64) -> String {
    const UNITS: [&str; 4] = ["B", "KiB", "MiB", "GiB"];
    let steps = (size.max(1).ilog2() / 10).min(3);
    let unit = UNITS.get(steps as usize).copied().unwrap_or_default();
    match steps {
        0 => format!("{size} {unit}"),
        _ => format!("{:.1} {unit}", size as f64 / f64::from(1_u32 << (10 * steps))),
    }
}

fn made(cause: &crate::compare::Cause) -> Markup {
    html! {
        @if let Some(place) = cause.place() { span class="none" { (clean(&place)) " " } }
        code { (clean(&cause.instruction)) }
    }
}

fn differences(comparison: &Comparison) -> Markup {
    let (mut about, mut layers) = (Vec::new(), Vec::<(usize, Vec<&Difference>)>::new());
    for difference in &comparison.differences {
        match &difference.place {
            Place::Manifest(_) | Place::Config(_) => about.push(difference),
            Place::Layer(layer) | Place::Entry { layer, .. } => {
                match layers.iter_mut().find(|(position, _)| position == layer) {
                    Some((_, found)) => found.push(difference),
                    None => layers.push((*layer, vec![difference])),
                }
            }
        }
    }
    layers.sort_by_key(|(position, _)| *position);
    html! {
        section class="tree" {
            h2 { "Differences" }
            @if comparison.differences.is_empty() { p { "None." } }
            @else {
                input type="checkbox" id="unexplained";
                label for="unexplained" { " only what is unexplained" }
            }
            @if !about.is_empty() {
                details open[worst(&about) == Account::Open] class=(row_class(worst(&about))) {
                    summary { "manifest and configuration " span class="badge" { (about.len()) } }
                    ul { @for found in about { li class=(row_class(found.account())) { (row(&found.place.to_string(), found)) } } }
                }
            }
            @for (position, found) in &layers {
                details open id={ "layer-" (position) } class=(row_class(worst(found))) {
                    summary {
                        "layer " (position) " " span class="badge" { (found.len()) } " "
                        @if let Some(cause) = found.iter().find_map(|d| d.cause.as_ref()) {
                            span class="made" { (made(cause)) }
                        }
                    }
                    (Tree::of(found).markup())
                }
            }
        }
    }
}

/// The gravest account among differences.
pub(super) fn worst(found: &[&Difference]) -> Account {
    found.iter().map(|difference| difference.account()).min().unwrap_or(Account::Benign)
}

/// One difference under its name.
pub(super) fn row(name: &str, difference: &Difference) -> Markup {
    let class = difference.class;
    html! {
        div class="row" {
            span class="name" { (clean(name)) }
            " " span class="what" { (clean(&difference.what.told(SideWords::TWO_IMAGES))) }
            " " span class="class" title=(class.name()) { (class.letter()) " " (class.name()) }
            @if let Some(by) = &difference.explained_by {
                " " span class="by" { "explained by " (clean(&by.to_string())) }
            }
        }
        @let sides = difference.sides();
        @if sides.iter().any(Option::is_some) {
            dl class="sides" {
                @for (word, side) in ["left", "right"].into_iter().zip(&sides) {
                    @if let Some(words) = side { dt { (word) } dd { code { (clean(words)) } } }
                }
            }
        }
        @if let Some(inside) = &difference.inside { (look(inside)) }
        @if let Some(hint) = difference.hint { p class="hint" { (hint.why()) } }
    }
}

fn look(inside: &Inside) -> Markup {
    html! {
        @match inside {
            Inside::Lines { lines, more, .. } => {
                pre class="lines" {
                    @for line in lines {
                        @let kind = match line.chars().next() {
                            Some('-') => "removed",
                            Some('+') => "added",
                            Some('@') => "at",
                            _ => "same",
                        };
                        span class=(kind) { (clean(line)) } "\n"
                    }
                    @if *more { span class="at" { "…" } }
                }
            }
            Inside::Parts { of, parts, omitted } => {
                ul class="parts" {
                    @for part in parts { li { (member(of.name(), part)) } }
                    @if parts.is_empty() { li { "members are equal; their times or order are not" } }
                    @if *omitted > 0 { li { "… and " (omitted) " more" } }
                }
            }
        }
    }
}

fn member(of: &str, part: &Part) -> Markup {
    html! {
        span class="none" { (of) } " " span class="name" { (clean(&part.name.to_string())) }
        @if part.left.is_some() || part.right.is_some() {
            dl class="sides" {
                @for (word, side) in [("left", &part.left), ("right", &part.right)] {
                    @if let Some(words) = side { dt { (word) } dd { code { (clean(&words.to_string())) } } }
                }
            }
        }
        @if let Some(inside) = &part.inside { (look(inside)) }
    }
}

#[cfg(test)]
mod tests;
