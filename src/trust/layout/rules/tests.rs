//! Each artifact rule, and the queue that they share.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{
    attest::in_toto::{Body, Document},
    limits::Limits,
};

fn artifacts(names: &[(&str, &str)]) -> Value {
    let entries = names.iter().map(|(name, content)| {
        (
            (*name).to_owned(),
            json!({ "sha256": crate::digest::Digest::sha256(content.as_bytes()).hex() }),
        )
    });
    entries.collect::<serde_json::Map<_, _>>().into()
}

fn item(materials: &Value, products: &Value) -> Item {
    let link = json!({
        "signed": { "_type": "link", "name": "s", "materials": materials, "products": products },
        "signatures": [],
    });
    let document = Document::open(link.to_string().as_bytes(), &Limits::default()).unwrap();
    let Body::Link(link) = document.body else { panic!("a link") };
    Item { materials: link.materials, products: link.products }
}

fn rules(list: &Value) -> Vec<Rule> {
    let layout = json!({
        "signed": {
            "_type": "layout", "expires": "2030-01-01T00:00:00Z", "keys": {},
            "steps": [{ "name": "s", "threshold": 1, "expected_products": list }],
        },
        "signatures": [],
    });
    let document = Document::open(layout.to_string().as_bytes(), &Limits::default()).unwrap();
    let Body::Layout(layout) = document.body else { panic!("a layout") };
    layout.steps.into_iter().next().unwrap().rules.products
}

/// One other step, and nothing else.
fn only<'i>(name: &str, other: &'i Item) -> There<'i> {
    if name == "other" { There::Is(other) } else { There::Nothing }
}

/// Whether rules over the products of a step hold.
fn check(list: Value, materials: &[(&str, &str)], products: &[(&str, &str)]) -> bool {
    let other = item(&json!({}), &artifacts(&[("a", "1"), ("lib/b", "2"), ("dir/c", "3")]));
    let item = item(&artifacts(materials), &artifacts(products));
    apply(&rules(&list), List::Products, &item, &|name| only(name, &other)).is_ok()
}

#[test]
fn b5_each_rule_consumes_what_the_specification_says() {
    let no_other = ["DISALLOW", "*"];
    let cases = [
        ("nothing is asked", json!([]), vec![], vec![("x", "1")], true),
        ("disallow all", json!([no_other]), vec![], vec![("x", "1")], false),
        ("disallow over slashes", json!([no_other]), vec![], vec![("x/y/z", "1")], false),
        ("allow first", json!([["ALLOW", "x"], no_other]), vec![], vec![("x", "1")], true),
        ("order counts", json!([no_other, ["ALLOW", "x"]]), vec![], vec![("x", "1")], false),
        ("create", json!([["CREATE", "x"], no_other]), vec![], vec![("x", "1")], true),
        (
            "create, but it was there",
            json!([["CREATE", "x"], no_other]),
            vec![("x", "1")],
            vec![("x", "1")],
            false,
        ),
        ("modify", json!([["MODIFY", "x"], no_other]), vec![("x", "1")], vec![("x", "2")], true),
        (
            "modify, but it is the same",
            json!([["MODIFY", "x"], no_other]),
            vec![("x", "1")],
            vec![("x", "1")],
            false,
        ),
        (
            "modify, but it is new",
            json!([["MODIFY", "x"], no_other]),
            vec![],
            vec![("x", "1")],
            false,
        ),
        (
            "delete consumes no product",
            json!([["DELETE", "x"], no_other]),
            vec![("x", "1")],
            vec![("x", "1")],
            false,
        ),
        ("require", json!([["REQUIRE", "x"]]), vec![], vec![("x", "1")], true),
        (
            "require, but it is not there",
            json!([["REQUIRE", "x"]]),
            vec![],
            vec![("y", "1")],
            false,
        ),
        (
            "require consumes nothing",
            json!([["REQUIRE", "x"], no_other]),
            vec![],
            vec![("x", "1")],
            false,
        ),
        ("require takes no pattern", json!([["REQUIRE", "*"]]), vec![], vec![("x", "1")], false),
        (
            "require after it was consumed",
            json!([["ALLOW", "x"], ["REQUIRE", "x"]]),
            vec![],
            vec![("x", "1")],
            false,
        ),
        ("./x is x", json!([["DISALLOW", "x"]]), vec![], vec![("./x", "1")], false),
        ("a//x is a/x", json!([["DISALLOW", "a/x"]]), vec![], vec![("a//x", "1")], false),
        ("[!a] is not [^a]", json!([["DISALLOW", "[!a]"]]), vec![], vec![("b", "1")], false),
        ("[!a] spares a", json!([["DISALLOW", "[!a]"]]), vec![], vec![("a", "1")], true),
    ];
    for (what, list, materials, products, want) in cases {
        assert_eq!(check(list, &materials, &products), want, "{what}");
    }
}

#[test]
fn b5_delete_and_modify_consume_what_their_pattern_names_and_no_more() {
    let rule = |kind: &str, name: &str| json!([[kind, name], ["DISALLOW", "*"]]);
    let cases = [
        ("deleted", rule("DELETE", "x"), vec![], true),
        ("another is deleted", rule("DELETE", "y"), vec![], false),
        ("it stayed", rule("DELETE", "x"), vec![("x", "1")], false),
        ("modified", rule("MODIFY", "x"), vec![("x", "2")], true),
        ("another is modified", rule("MODIFY", "y"), vec![("x", "2")], false),
        ("it is gone", rule("MODIFY", "x"), vec![], false),
        ("created", rule("CREATE", "x"), vec![], false),
    ];
    for (what, list, products, want) in cases {
        let item = item(&artifacts(&[("x", "1")]), &artifacts(&products));
        let held = apply(&rules(&list), List::Materials, &item, &|_| There::Nothing);
        assert_eq!(held.is_ok(), want, "{what}");
    }
}

#[test]
fn content_of_no_bytes_ties_a_step_to_no_other() {
    let some = item(&artifacts(&[("a", "1"), ("b", "")]), &artifacts(&[("c", ""), ("d", "2")]));
    let want = ["1", "2"].map(|content| Digest::sha256(content.as_bytes()).to_string());
    assert_eq!(digests(&some), BTreeSet::from(want));
}

#[test]
fn match_ties_artifacts_to_another_step() {
    let with = |rule: Value| json!([rule, ["DISALLOW", "*"]]);
    let cases = [
        ("equal", json!(["MATCH", "a", "WITH", "PRODUCTS", "FROM", "other"]), ("a", "1"), true),
        (
            "other content",
            json!(["MATCH", "a", "WITH", "PRODUCTS", "FROM", "other"]),
            ("a", "x"),
            false,
        ),
        (
            "not there",
            json!(["MATCH", "*", "WITH", "PRODUCTS", "FROM", "other"]),
            ("z", "1"),
            false,
        ),
        (
            "its materials",
            json!(["MATCH", "a", "WITH", "MATERIALS", "FROM", "other"]),
            ("a", "1"),
            false,
        ),
        (
            "no such step",
            json!(["MATCH", "a", "WITH", "PRODUCTS", "FROM", "nobody"]),
            ("a", "1"),
            false,
        ),
        (
            "from a folder",
            json!(["MATCH", "*", "WITH", "PRODUCTS", "IN", "lib", "FROM", "other"]),
            ("b", "2"),
            true,
        ),
        (
            "into a folder",
            json!(["MATCH", "a", "IN", "x/y/", "WITH", "PRODUCTS", "FROM", "other"]),
            ("x/y/a", "1"),
            true,
        ),
        (
            "a folder is no prefix of a name",
            json!(["MATCH", "*", "IN", "x", "WITH", "PRODUCTS", "FROM", "other"]),
            ("xa", "1"),
            false,
        ),
        (
            "both",
            json!(["MATCH", "c", "IN", "new", "WITH", "PRODUCTS", "IN", "dir", "FROM", "other"]),
            ("new/c", "3"),
            true,
        ),
        (
            "both, the other way",
            json!(["MATCH", "c", "IN", "dir", "WITH", "PRODUCTS", "IN", "new", "FROM", "other"]),
            ("dir/c", "3"),
            false,
        ),
    ];
    for (what, rule, product, want) in cases {
        assert_eq!(check(with(rule), &[], &[product]), want, "{what}");
    }
}

/// What fails while another step is undecided fails whatever is reported about it.
#[test]
fn h36_what_is_undecided_is_taken_for_the_best() {
    let list = |rules: Value| super::tests::rules(&rules);
    let own = item(&json!({}), &artifacts(&[("a", "1"), ("b", "1")]));
    let matched = |name: &str| json!(["MATCH", name, "WITH", "PRODUCTS", "FROM", "other"]);
    let cases = [
        (json!([matched("a"), ["ALLOW", "b"], ["DISALLOW", "*"]]), true),
        (json!([matched("*"), ["REQUIRE", "a"]]), true),
        (json!([matched("a"), ["DISALLOW", "*"]]), false),
        (json!([["REQUIRE", "c"], matched("*")]), false),
    ];
    for (rules, may_hold) in cases {
        let held = apply(&list(rules.clone()), List::Products, &own, &|_| There::Undecided);
        assert_eq!(held.is_ok(), may_hold, "{rules}");
    }
}

#[test]
fn b4_a_weak_digest_matches_nothing() {
    let weak = json!({ "a": { "sha1": "ab".repeat(20) } });
    let other = item(&json!({}), &weak);
    let list = json!([["MATCH", "a", "WITH", "PRODUCTS", "FROM", "other"], ["DISALLOW", "*"]]);
    let own = item(&json!({}), &weak);
    assert!(apply(&rules(&list), List::Products, &own, &|name| only(name, &other)).is_err());
}

proptest! {
    /// DISALLOW * at the end leaves nothing that no rule before it consumed, and nothing makes the engine panic.
    #[test]
    fn what_no_rule_consumes_is_disallowed(
        names in prop::collection::btree_set("[ab]{1,2}(/[ab])?", 0..5),
        allowed in prop::collection::vec("[ab*?]{1,3}", 0..3),
    ) {
        let products: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "1")).collect();
        let mut list: Vec<Value> = allowed.iter().map(|p| json!(["ALLOW", p])).collect();
        list.push(json!(["DISALLOW", "*"]));
        let patterns = rules(&json!(list));
        let covered = names.iter().all(|name| patterns.iter().any(|rule| {
            matches!(rule, Rule::Allow(pattern) if pattern.matches(name))
        }));
        prop_assert_eq!(check(json!(list), &[], &products), covered);
    }
}
