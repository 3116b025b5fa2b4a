//! What the page shows, and what it never lets through.

use super::*;
use crate::{
    compare::{
        Allowance, AllowedClass, BuildStep, Class, Container, Difference, Explanation, Inside,
        LayerFacts, LayerPair, Level, PackageChange, Part, PartName, PartValue, Place, SideValue,
        What,
    },
    digest::BlobDigest,
};

const EVIL: &str = "/srv/<script>alert(1)</script>\u{1b}[2J\u{202e}\"onload=x";

fn allowance() -> Allowance {
    Allowance {
        class: AllowedClass::Content,
        pattern: "/srv/<script>*".parse().expect("a pattern"),
        reason: EVIL.to_owned(),
        owner: EVIL.to_owned(),
        expires: jiff::civil::date(2027, 1, 31),
    }
}

fn hostile() -> Comparison {
    let entry = |path: &str| Place::Entry { layer: 0, path: path.to_owned() };
    let lines = vec![format!("-{EVIL}"), "+</pre><img src=http://evil>".to_owned()];
    let text = Inside::Lines { lines, more: true, only_times: false };
    let part = Part {
        name: PartName::Member(EVIL.to_owned()),
        left: Some(PartValue::Text(EVIL.to_owned())),
        right: None,
        inside: Some(Box::new(text.clone())),
    };
    let mut differences = vec![
        Difference {
            inside: Some(Inside::Parts { of: Container::Zip, parts: vec![part], omitted: 3 }),
            cause: Some(BuildStep {
                file: format!("{EVIL}/Dockerfile"),
                line: Some(3),
                instruction: EVIL.to_owned(),
            }),
            explained_by: Some(Explanation::Allowed(Box::new(allowance()))),
            ..Difference::new(entry(EVIL), Class::Content, What::Xattr(EVIL.to_owned()))
        },
        Difference {
            inside: Some(text),
            ..Difference::new(entry("/srv/b"), Class::Content, What::Content)
        },
        Difference::new(Place::Config(EVIL.to_owned()), Class::ConfigRuntime, What::Value)
            .between(Some(SideValue::Text(EVIL.to_owned())), None),
        Difference::new(Place::Layer(0), Class::TarBenign, What::EntryOrder),
    ];
    differences.sort();
    let facts = LayerFacts { blob: BlobDigest::of(b"x"), size: 5 << 20, diff_id: None };
    Comparison {
        level: Level::Different,
        differences,
        omitted: 7,
        layers: vec![LayerPair { position: 0, left: Some(facts), right: None }],
        allowed: vec![allowance()],
        packages: vec![PackageChange {
            ecosystem: "deb",
            name: EVIL.to_owned(),
            left: None,
            right: Some(EVIL.to_owned()),
        }],
    }
}

#[test]
fn nothing_from_an_image_becomes_markup() {
    let page = comparison(&hostile(), EVIL, EVIL);
    for never in ["<script", "<img", "\u{1b}", "\u{202e}", "\"onload", "http://evil>"] {
        assert!(!page.contains(never), "{never:?}");
    }
    assert!(page.contains("&lt;script&gt;"), "it is shown all the same");
}

#[test]
fn the_page_needs_nothing_and_may_load_nothing() {
    let page = comparison(&hostile(), "a", "b");
    for never in ["src=\"", "href=\"h", "url(", "@import", "<link", "style=\"", "javascript:"] {
        assert!(!page.contains(never), "{never}");
    }
    let style = page.split_once("<style>").and_then(|(_, rest)| rest.split_once("</style>"));
    let hash =
        BASE64_STANDARD.encode(Sha256::digest(style.map(|(style, _)| style).unwrap_or_default()));
    assert!(
        page.contains(&format!("default-src 'none'; style-src 'sha256-{hash}'").replace('\'', "'")),
        "{hash}"
    );
    for shown in [
        "R0",
        "7</b> not listed",
        "Dockerfile:3",
        "5.0 MiB",
        "and 3 more",
        "none",
        "id=\"layer-0\"",
    ] {
        assert!(page.contains(shown), "{shown}");
    }
}

fn content(path: String) -> Difference {
    Difference::new(Place::Entry { layer: 0, path }, Class::Content, What::Content)
}

fn page_of(differences: Vec<Difference>) -> String {
    comparison(&Comparison { differences, ..hostile() }, "a", "b")
}

#[test]
fn a_digest_is_one_word_wherever_it_stands() {
    let hex = "ab".repeat(32);
    let shown = words(&format!("<r>@sha256:{hex}, {hex} sha256:{hex} (5 bytes)\u{202e}"));
    assert_eq!(
        shown.into_string(),
        format!(
            "&lt;r&gt;<span class=\"d\">@sha256:{hex}</span>, {hex} <span class=\"d\">sha256:{hex}</span> (5 bytes)\\u{{202e}}"
        )
    );
}

#[test]
fn what_is_said_of_many_files_is_said_once() {
    let evil = |n: usize| content(format!("/srv/{n}<script>\u{202e}"));
    let page = page_of((0..3).map(evil).chain([content("/srv/a/b".to_owned())]).collect());
    assert_eq!(page.matches("class O: content</span>").count(), 2, "{page}");
    assert!(page.contains("<span class=\"name\">3 files</span>"), "{page}");
    for never in ["<script", "\u{202e}"] {
        assert!(!page.contains(never), "{never:?}");
    }
    // Two are told by their names.
    let page = page_of((0..2).map(|n| content(format!("/srv/{n}"))).collect());
    assert_eq!(page.matches("class O: content</span>").count(), 2, "{page}");
}

#[test]
fn large_folders_and_what_is_benign_start_closed() {
    let told = |n: usize, folder: &str| {
        let side = SideValue::Text(format!("{n}"));
        content(format!("/{folder}/{n}")).between(Some(side), None)
    };
    let opened = |differences: Vec<Difference>| {
        let page = page_of(differences);
        (page.matches("<details").count(), page.matches("<details open").count())
    };
    assert_eq!(opened((0..25).map(|n| told(n, "srv")).collect()), (2, 2), "a small folder");
    assert_eq!(opened((0..26).map(|n| told(n, "srv")).collect()), (2, 1), "a large one");
    // Small ones without end: a page shows so many rows and no more.
    let many = (0..500).map(|n| told(n, &format!("d{}", n % 20)));
    let (all, open) = opened(many.collect());
    assert_eq!(all, 21);
    assert!((2..=3).contains(&open), "{open}");
    let benign = Difference { class: Class::TarBenign, ..told(0, "srv") };
    assert_eq!(opened(vec![benign]), (2, 0), "nothing that has to be seen");
}

#[test]
fn deep_paths_end_in_a_name() {
    let path = "/d".repeat(2000);
    let found = Difference::new(Place::Entry { layer: 0, path }, Class::Content, What::Content);
    let page = comparison(&Comparison { differences: vec![found], ..hostile() }, "a", "b");
    assert!(page.len() < 100_000);
}
