//! Patterns, names, rules and documents: what is read, what is refused, and the bounds.

use proptest::prelude::*;
use regex::Regex;
use serde_json::json;

use super::{link::normal, *};

fn rule(words: &[&str]) -> Result<Rule, AttestError> {
    Rule::parse(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
}

fn pattern(text: &str) -> Result<Pattern, AttestError> {
    match rule(&["ALLOW", text])? {
        Rule::Allow(pattern) => Ok(pattern),
        other => panic!("{other:?}"),
    }
}

fn open(value: &Value, limits: &Limits) -> Result<Document, AttestError> {
    Document::open(value.to_string().as_bytes(), limits)
}

fn layout(change: impl FnOnce(&mut Value)) -> Value {
    let mut signed = json!({
        "_type": "layout", "expires": "2030-01-02T03:04:05Z", "readme": "", "inspect": [],
        "keys": { "k": { "keytype": "ed25519", "scheme": "ed25519", "keyval": { "public": "00" } } },
        "steps": [{ "_type": "step", "name": "build", "threshold": 1, "pubkeys": ["k"],
            "expected_command": [], "expected_materials": [], "expected_products": [["ALLOW", "*"]] }],
    });
    change(&mut signed);
    json!({ "signed": signed, "signatures": [] })
}

fn link(change: impl FnOnce(&mut Value)) -> Value {
    let mut signed = json!({
        "_type": "link", "name": "build", "command": ["make"], "byproducts": {}, "environment": {},
        "materials": {}, "products": { "a": { "sha256": "ab".repeat(32) } },
    });
    change(&mut signed);
    json!({ "signed": signed, "signatures": [{ "keyid": "k", "sig": "00ff" }] })
}

#[test]
fn b5_patterns_match_as_glob_7_says_and_stars_reach_over_slashes() {
    let cases = [
        ("foo.py", "foo.py", true),
        ("foo.py", "foo_py", false),
        ("*", "a/b/.c", true),
        ("*", "", true),
        ("a*c", "abbc", true),
        ("a*c", "abbcd", false),
        ("a**c", "a/c", true),
        ("?", "é", true),
        ("?", "ab", false),
        ("[abc]x", "bx", true),
        ("[a-c]x", "dx", false),
        ("[!a]x", "bx", true),
        ("[!a]x", "ax", false),
        ("[!a]x", "!x", true),
        ("[!a-y]x", "zx", true),
        ("src/*.rs", "src/a/b.rs", true),
        ("*a*b*a", "abababab", false),
        ("{name}", "{name}", true),
        ("{name}", "evil", false),
        ("git+https://host/x*", "git+https://host/xy", true),
    ];
    for (text, name, want) in cases {
        assert_eq!(pattern(text).unwrap().matches(name), want, "{text} {name}");
    }
}

/// Go takes `[^a]` and `\` for more than Python does, and CVE-2021-41087 was a rule over `./x`.
#[test]
fn b5_patterns_that_readers_take_differently_are_refused() {
    let cases = [
        "[^a]",
        "[",
        "[a",
        "a]",
        "[]",
        "[!]",
        "[]a]",
        "[z-a]",
        "[a-Z]",
        "[a-]",
        "[[:alpha:]]",
        "[a/b]",
        "a\\*",
        "\\",
        "./x",
        "x/./y",
        "x//y",
        "x/",
        "x/../y",
        "",
        ".",
        "/",
        "https://h//x",
    ];
    for text in cases {
        assert!(pattern(text).is_err(), "{text:?}");
        assert!(rule(&["DISALLOW", text]).is_err(), "{text:?}");
    }
    assert!(rule(&["REQUIRE", "./x"]).is_err());
    assert!(rule(&["MATCH", "*", "IN", "a/../b", "WITH", "PRODUCTS", "FROM", "s"]).is_err());
}

#[test]
fn rules_are_read_by_position() {
    let word = |text: &str| text.to_owned();
    let read =
        rule(&["match", "in", "IN", "with/", "WITH", "products", "in", "FROM", "from", "FROM"]);
    let Ok(Rule::Match(rule_read)) = read else { panic!("{read:?}") };
    assert_eq!(rule_read.pattern.as_str(), "in");
    assert_eq!(rule_read.source_prefix, Some(word("with")));
    assert_eq!(rule_read.destination_prefix, Some(word("FROM")));
    assert_eq!((rule_read.with, rule_read.from), (List::Products, word("FROM")));
    assert!(rule(&["MATCH", "x", "WITH", "MATERIALS", "FROM", "s"]).is_ok());
    let bad: [&[&str]; 7] = [
        &[],
        &["ALLOW"],
        &["ALLOW", "a", "b"],
        &["MATCH", "x", "WITH", "BYPRODUCTS", "FROM", "s"],
        &["MATCH", "x", "WITH", "PRODUCTS", "FROM"],
        &["MATCH", "x", "FROM", "s", "WITH", "PRODUCTS"],
        &["PERMIT", "x"],
    ];
    for words in bad {
        assert!(rule(words).is_err(), "{words:?}");
    }
}

#[test]
fn b5_names_come_into_their_normal_form() {
    let cases = [
        ("a", Some("a")),
        ("./a", Some("a")),
        ("a//b/./c", Some("a/b/c")),
        ("a/../b", Some("b")),
        ("../a", Some("../a")),
        ("a/../../b", Some("../b")),
        ("/../a", Some("/a")),
        ("dir/", Some("dir")),
        ("git+https://h/a//b", Some("git+https://h/a/b")),
        ("", None),
        (".", None),
        ("a/..", None),
        ("/", None),
    ];
    for (name, want) in cases {
        assert_eq!(normal(name).as_deref(), want, "{name}");
    }
    let twice = link(|l| l["products"] = json!({ "a": {}, "./a": {} }));
    assert!(open(&twice, &Limits::default()).is_err(), "two names of one artifact");
}

#[test]
fn documents_of_both_forms_are_read_and_others_refused() {
    let limits = Limits::default();
    let read = open(&link(|_| {}), &limits).unwrap();
    let Body::Link(read_link) = &read.body else { panic!("{read:?}") };
    assert_eq!((read_link.name.as_str(), read_link.products.len()), ("build", 1));
    assert_eq!(read.signatures.first().map(|s| s.bytes.clone()), Some(vec![0, 255]));
    assert!(read.message.starts_with(br#"{"_type":"link","byproducts":{},"command":["make"],"#));
    assert!(matches!(open(&layout(|_| {}), &limits).unwrap().body, Body::Layout(_)));

    let openpgp = json!([{ "keyid": "k", "signature": "00", "other_headers": "04" }]);
    let mut signed_by_openpgp = link(|_| {});
    signed_by_openpgp["signatures"] = openpgp;
    assert_eq!(open(&signed_by_openpgp, &limits).unwrap().unsupported_signatures, 1);

    let bad = [
        ("two forms", json!({ "signed": {}, "signatures": [], "payloadType": "x", "payload": "" })),
        ("neither", json!({ "signatures": [] })),
        ("another type", link(|l| l["_type"] = json!("Statement"))),
        ("no name", link(|l| l["name"] = json!(""))),
        ("a fraction", link(|l| l["byproducts"] = json!({ "return-value": 0.5 }))),
        ("a name in another Unicode form", link(|l| l["products"] = json!({ "e\u{301}": {} }))),
        ("a digest that is none", link(|l| l["products"] = json!({ "a": { "sha256": "ab" } }))),
        ("a24: a threshold of nothing", layout(|l| l["steps"][0]["threshold"] = json!(0))),
        ("a24: a negative threshold", layout(|l| l["steps"][0]["threshold"] = json!(-1))),
        ("a key that is not there", layout(|l| l["steps"][0]["pubkeys"] = json!(["other"]))),
        ("a key under two ids", layout(|l| l["keys"]["k"]["keyid"] = json!("other"))),
        ("no step", layout(|l| l["steps"] = json!([]))),
        ("a name twice", layout(|l| l["inspect"] = json!([{ "name": "build", "run": ["true"] }]))),
        ("a name with a slash", layout(|l| l["steps"][0]["name"] = json!("../build"))),
        ("no expiry", layout(|l| l["expires"] = json!(null))),
        ("a date alone", layout(|l| l["expires"] = json!("2030-01-02"))),
        ("another zone", layout(|l| l["expires"] = json!("2030-01-02T03:04:05+01:00"))),
        ("no such month", layout(|l| l["expires"] = json!("2030-13-02T03:04:05Z"))),
    ];
    for (what, value) in bad {
        assert!(open(&value, &limits).is_err(), "{what}");
    }
}

#[test]
fn limits_hold_at_n_and_n_plus_one() {
    type Make = fn(usize) -> Value;
    type Field = fn(&mut Limits) -> &mut usize;
    let keys: Make = |n| {
        layout(|l| {
            for i in 1..n {
                l["keys"][format!("k{i}")] = l["keys"]["k"].clone();
            }
        })
    };
    let steps: Make = |n| {
        layout(|l| {
            let step = l["steps"][0].clone();
            l["inspect"] = json!([{ "name": "inspection" }]);
            l["steps"] = (1..n)
                .map(|i| {
                    let mut s = step.clone();
                    s["name"] = json!(format!("{i}"));
                    s
                })
                .collect();
        })
    };
    let rules: Make = |n| {
        layout(|l| {
            l["steps"][0]["expected_materials"] = vec![json!(["ALLOW", "a"]); n - 1].into();
        })
    };
    let artifacts: Make = |n| {
        link(|l| {
            l["materials"] = (0..n)
                .map(|i| (i.to_string(), json!({})))
                .collect::<serde_json::Map<_, _>>()
                .into();
        })
    };
    let cases: [(Make, Field); 4] = [
        (keys, |l| &mut l.layout_keys),
        (steps, |l| &mut l.layout_steps),
        (rules, |l| &mut l.layout_rules),
        (artifacts, |l| &mut l.link_artifacts),
    ];
    for (make, limit) in cases {
        let mut limits = Limits::default();
        *limit(&mut limits) = 5;
        assert!(open(&make(5), &limits).is_ok(), "{:?}", open(&make(5), &limits));
        assert!(matches!(open(&make(6), &limits), Err(AttestError::Limit { limit: 5, .. })));
    }
}

/// The pattern as a regular expression, by which the matcher is judged.
fn oracle(text: &str) -> Regex {
    let mut expression = "(?s)\\A".to_owned();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '*' => expression.push_str(".*"),
            '?' => expression.push('.'),
            '[' => {
                let class: String = rest.by_ref().take_while(|c| *c != ']').collect();
                expression.push_str(&format!("[{}]", class.replacen('!', "^", 1)));
            }
            c => expression.push_str(&regex::escape(&c.to_string())),
        }
    }
    Regex::new(&(expression + "\\z")).unwrap()
}

proptest! {
    #[test]
    fn b5_patterns_match_as_a_regular_expression_does(
        text in "([ab/]|\\*|\\?|\\[!?[ab.]{1,2}\\]|\\[!?a-c\\]){1,8}", name in "[abc/.]{0,10}"
    ) {
        if let Ok(pattern) = pattern(&text) {
            prop_assert_eq!(pattern.matches(&name), oracle(&text).is_match(&name));
        }
    }

    #[test]
    fn normal_forms_stay_as_they_are(name in "[a./:]{0,12}") {
        if let Some(once) = normal(&name) {
            prop_assert_eq!(normal(&once), Some(once));
        }
    }

    #[test]
    fn never_panics_on_arbitrary_text(text in ".{0,200}", words in prop::collection::vec(".{0,12}", 0..11)) {
        let _ = Document::open(text.as_bytes(), &Limits::default());
        let _ = Rule::parse(&words);
        let mut match_words = words;
        for (at, word) in [(0, "MATCH"), (2, "WITH"), (3, "PRODUCTS"), (4, "FROM")] {
            if let Some(place) = match_words.get_mut(at) {
                *place = word.to_owned();
            }
        }
        let _ = Rule::parse(&match_words);
    }
}
