//! A comparison, the answer of a call ([`run`]), and an inventory ([`inventory`]) as one HTML page.
//!
//! The page needs nothing else: no font, no image; its style is in it, and so is the script of an inventory, which alone has one.
//! The content security policy allows these two by their digests, and nothing else. All text from images is escaped for HTML,
//! and what misleads in it, once more in the whole page. Differences hang in a tree of folders that opens with a click: large
//! folders, and what is benign or explained, start closed, and rows that say the same of many files are one. Each digest stands
//! on one line: where there is no room for it, its end is hidden and yet copied.

mod comparison;
pub mod inventory;
pub mod run;

use std::sync::LazyLock;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use regex::Regex;
use sha2::{Digest as _, Sha256};

use super::clean;
use crate::{
    compare::{Comparison, SideWords},
    untrusted::markup,
};
use comparison::{View, meaning, rung};

const STYLE: &str = include_str!("style.css");

/// A digest or its beginning, with what joins it to a repository.
static DIGEST: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new("@?sha(?:256|512):[0-9a-f]{12,128}…?").expect("a constant pattern that compiles")
});

/// Renders a comparison of two images.
pub fn comparison(comparison: &Comparison, left: &str, right: &str) -> String {
    let level = comparison.level;
    let body = html! {
        header {
            h1 { (rung(level)) " " span class="of" { "hallmark diff" } }
            p class="meaning" { (meaning(level)) }
            dl class="images" {
                dt { "left" } dd { code { (words(left)) } }
                dt { "right" } dd { code { (words(right)) } }
            }
        }
        main { (View::new(comparison, SideWords::TWO_IMAGES, 0).markup()) }
        footer { "Written by hallmark " (env!("CARGO_PKG_VERSION")) ". Index digests are never compared." }
    };
    frame(&format!("R{} {} · hallmark diff", level.number(), level.name()), &body)
}

/// A script of a page, in words of ours alone.
#[derive(Debug, Clone, Copy)]
struct Script(&'static str);

/// A page without a script, whose title is in words of ours.
fn frame(title: &str, body: &Markup) -> String {
    document(title, body, None)
}

/// A page, whose title is in words of ours.
fn document(title: &str, body: &Markup, script: Option<Script>) -> String {
    let hash = |text: &str| BASE64_STANDARD.encode(Sha256::digest(text));
    let scripts = script
        .map_or(String::new(), |Script(text)| format!(" script-src 'sha256-{}';", hash(text)));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}';{scripts} base-uri 'none'; form-action 'none'",
        hash(STYLE)
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
            body {
                (body)
                @if let Some(Script(text)) = script { script { (PreEscaped(text)) } }
            }
        }
    };
    markup(&page.into_string())
}

/// Untrusted text, in which digests are not broken.
fn words(text: &str) -> Markup {
    let text = clean(text);
    let mut rest = 0;
    html! {
        @for found in DIGEST.find_iter(&text) {
            (text.get(std::mem::replace(&mut rest, found.end())..found.start()).unwrap_or_default())
            span class="d" { (found.as_str()) }
        }
        (text.get(rest..).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests;
