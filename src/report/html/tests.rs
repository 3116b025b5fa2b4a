//! What the page shows, and what it never lets through.

use super::*;
use crate::{
    compare::{
        Allowance, AllowedClass, Cause, Class, Container, Explanation, LayerFacts, LayerPair,
        PartName, PartValue, SideValue, What,
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
            cause: Some(Cause {
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

#[test]
fn deep_paths_end_in_a_name() {
    let path = "/d".repeat(2000);
    let found = Difference::new(Place::Entry { layer: 0, path }, Class::Content, What::Content);
    let page = comparison(&Comparison { differences: vec![found], ..hostile() }, "a", "b");
    assert!(page.len() < 100_000);
}

#[test]
fn sizes_are_readable() {
    let cases = [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (1 << 40, "1024.0 GiB")];
    for (size, want) in cases {
        assert_eq!(bytes(size), want);
    }
}
