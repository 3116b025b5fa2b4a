//! Reports that add up, the order in which nodes are chosen, and the search among choices.

use serde_json::{Value, json};

use super::*;
use crate::{
    attest::in_toto::{Body, Document},
    limits::Limits,
};

fn open(signed: &Value) -> Body {
    let document = json!({ "signed": signed, "signatures": [] }).to_string();
    Document::open(document.as_bytes(), &Limits::default()).unwrap().body
}

/// What a step started from and left, each as names that are their contents, too.
fn item(materials: &[&str], products: &[&str]) -> Arc<Item> {
    let digest = |name: &str| json!({ "sha256": Digest::sha256(name.as_bytes()).hex() });
    let artifacts = |names: &[&str]| -> Value {
        let all = names.iter().map(|name| ((*name).to_owned(), digest(name)));
        all.collect::<serde_json::Map<_, _>>().into()
    };
    let link = json!({ "_type": "link", "name": "s", "materials": artifacts(materials),
        "products": artifacts(products) });
    let Body::Link(link) = open(&link) else { panic!("a link") };
    Arc::new(Item { materials: link.materials, products: link.products })
}

fn rules(materials: &Value, products: &Value) -> ItemRules {
    let step = json!({ "name": "s", "threshold": 1, "expected_materials": materials,
        "expected_products": products });
    let layout = json!({ "_type": "layout", "expires": "2030-01-01T00:00:00Z", "keys": {}, "steps": [step] });
    let Body::Layout(layout) = open(&layout) else { panic!("a layout") };
    layout.steps.into_iter().next().unwrap().rules
}

fn report(by: &str, item: &Arc<Item>, sublayout: Option<&str>) -> Choice {
    let sublayouts = sublayout.iter().map(|payload| Digest::sha256(payload.as_bytes()));
    Choice {
        by: BTreeSet::from([by.to_owned()]),
        item: Arc::clone(item),
        sublayouts: sublayouts.collect(),
        remarks: Vec::new(),
    }
}

/// Each choice as its functionaries and the number of its sublayouts.
fn added_up(reports: &[Choice], threshold: usize) -> Vec<String> {
    let shown = |choice: &Choice| {
        let by: Vec<&str> = choice.by.iter().map(String::as_str).collect();
        format!("{} {}", by.join("+"), choice.sublayouts.len())
    };
    choices(reports.to_vec(), threshold).iter().map(shown).collect()
}

#[test]
fn reports_add_up_where_they_are_alike_and_enough() {
    let (one, two) = (item(&[], &["a"]), item(&[], &["b"]));
    let link = |by: &str| report(by, &one, None);
    let sub = |by: &str, payload: &str| report(by, &one, Some(payload));
    let cases: [(&str, Vec<Choice>, usize, &[&str]); 10] = [
        ("one is one", vec![link("a")], 1, &["a 0"]),
        ("one is not two", vec![link("a")], 2, &[]),
        ("two are two", vec![link("a"), link("b")], 2, &["a+b 0"]),
        ("twice the same is one", vec![link("a"), link("a")], 2, &[]),
        ("others report another list", vec![link("a"), report("b", &two, None)], 2, &[]),
        ("each list is a choice", vec![report("b", &two, None), link("a")], 1, &["a 0", "b 0"]),
        ("links that are enough need no sublayout", vec![link("a"), sub("b", "x")], 1, &["a 0"]),
        (
            "each sublayout that completes the links is a choice",
            vec![link("a"), sub("b", "x"), sub("c", "y"), sub("b", "x"), sub("a", "z")],
            2,
            &["a+b 1", "a+c 1"],
        ),
        (
            "all of them where no single one does",
            vec![link("a"), sub("b", "x"), sub("c", "y")],
            3,
            &["a+b+c 2"],
        ),
        ("not even all of them", vec![link("a"), sub("b", "x"), sub("c", "y")], 4, &[]),
    ];
    for (what, reports, threshold, want) in cases {
        let mut found = added_up(&reports, threshold);
        found.sort();
        assert_eq!(found, want, "{what}");
    }
}

/// A node with these items to choose from, each of another sublayout where one is given.
fn node<'l>(name: &'l str, rules: &'l ItemRules, kind: Kind, items: &[Arc<Item>]) -> Node<'l> {
    let choices = items.iter().map(|item| report("k", item, None)).collect();
    Node { name, rules, kind, choices }
}

fn searched(
    nodes: &[Node<'_>],
    ends: (usize, usize),
    ties: Ties,
    wanted: Wanted,
    links: usize,
) -> Result<Vec<Chosen>, LayoutError> {
    Search::run(nodes, ends, ties, wanted, links)
}

#[test]
fn steps_are_chosen_from_the_ends_along_the_rules_and_inspections_last() {
    let none = rules(&json!([]), &json!([]));
    let from =
        |name: &str| rules(&json!([["MATCH", "*", "WITH", "PRODUCTS", "FROM", name]]), &json!([]));
    let (of_b, of_d) = (from("b"), from("d"));
    let step = |name, rules| node(name, rules, Kind::Step, &[]);
    let check = Node { kind: Kind::Inspection, ..step("check", &none) };
    // The last speaks about d, which speaks about b; c is nobody's.
    let nodes = [
        step("a", &none),
        step("b", &none),
        step("c", &none),
        check,
        step("d", &of_b),
        step("e", &of_d),
    ];
    assert_eq!(order(&nodes, 0, 5), (vec![5, 0, 4, 1, 2, 3], 2));
    assert_eq!(order(&nodes, 5, 5), (vec![5, 4, 1, 0, 2, 3], 1), "one step is both ends");
}

#[test]
fn tries_are_limited_at_n_and_n_plus_one() {
    let none_evil = rules(&json!([]), &json!([["DISALLOW", "evil*"]]));
    let found = |bad: usize| {
        let mut items: Vec<Arc<Item>> =
            (0..bad).map(|n| item(&[], &[&format!("evil {n}")])).collect();
        items.push(item(&[], &["good"]));
        let nodes = [node("last", &none_evil, Kind::Step, &items)];
        searched(&nodes, (0, 0), Ties::Given, Wanted::First, 1)
    };
    assert_eq!(found(TRIES - 1), Ok(vec![vec![Some(TRIES - 1)]]));
    let refused = found(TRIES).expect_err("one more than may be tried");
    assert!(refused.to_string().contains("layoutLinks"), "{refused}");
}

#[test]
fn the_first_that_holds_is_enough_where_nothing_else_is_asked() {
    let none = rules(&json!([]), &json!([]));
    let pick = |names: &[&str]| -> Vec<Arc<Item>> {
        names.iter().map(|name| item(&[], &["same", name])).collect()
    };
    let nodes = [
        node("first", &none, Kind::Step, &pick(&["a"])),
        node("middle", &none, Kind::Step, &pick(&["b", "c"])),
        node("last", &none, Kind::Step, &pick(&["d", "e"])),
    ];
    let found = |wanted| searched(&nodes, (0, 2), Ties::Asked, wanted, 100).unwrap();
    assert_eq!(found(Wanted::First), [[Some(0), Some(0), Some(0)]]);
    // Another choice in the middle changes nothing about the ends.
    assert_eq!(found(Wanted::Ends), [[Some(0), Some(0), Some(0)], [Some(0), Some(0), Some(1)]]);
}

#[test]
fn what_is_chosen_has_an_artifact_in_common_where_strangers_put_it_together() {
    let none = rules(&json!([]), &json!([]));
    let nodes = |middle: &[Arc<Item>]| {
        [
            node("first", &none, Kind::Step, &[item(&[], &["code"])]),
            node("middle", &none, Kind::Step, middle),
            node("last", &none, Kind::Step, &[item(&["code"], &["tar"])]),
        ]
    };
    let asked = |middle: &[Arc<Item>], ties| {
        let nodes = nodes(middle);
        searched(&nodes, (0, 2), ties, Wanted::First, 100)
    };
    let (tied, untied) = (item(&["tar"], &["x"]), item(&["y"], &["z"]));
    let chosen = |at| Ok(vec![vec![Some(0), Some(at), Some(0)]]);
    assert_eq!(asked(&[untied.clone(), tied.clone()], Ties::Asked), chosen(1));
    // What has most in common is tried first, whether or not it has to be tied.
    assert_eq!(asked(&[untied.clone(), tied], Ties::Given), chosen(1));
    assert_eq!(asked(std::slice::from_ref(&untied), Ties::Given), chosen(0));
    let refused = asked(&[untied], Ties::Asked);
    assert_eq!(refused, Err(LayoutError::Unrelated { step: "middle".to_owned() }));
    let refused = asked(&[], Ties::Given);
    assert_eq!(refused, Err(LayoutError::Unrelated { step: "last".to_owned() }), "no choice");
}

#[test]
fn an_inspection_is_left_out_where_it_may_be_and_none_is_of_this_build() {
    let none = rules(&json!([]), &json!([]));
    let no_evil = rules(&json!([]), &json!([["DISALLOW", "evil"]]));
    let found = |kind: Kind, ties: Ties, report: &[Arc<Item>]| {
        let nodes = [
            node("last", &none, Kind::Step, &[item(&[], &["tar"])]),
            node("check", &no_evil, kind, report),
        ];
        searched(&nodes, (0, 0), ties, Wanted::First, 100).map(|found| found[0][1])
    };
    let (own, other, bad) =
        (item(&["tar"], &["ok"]), item(&["rat"], &["ok"]), item(&["tar"], &["evil"]));
    assert_eq!(found(Kind::Optional, Ties::Asked, &[]), Ok(None));
    assert_eq!(found(Kind::Optional, Ties::Asked, std::slice::from_ref(&other)), Ok(None));
    assert_eq!(found(Kind::Optional, Ties::Asked, &[other.clone(), own]), Ok(Some(1)));
    assert_eq!(found(Kind::Optional, Ties::Given, std::slice::from_ref(&other)), Ok(Some(0)));
    let refused = found(Kind::Optional, Ties::Asked, &[bad]);
    assert!(matches!(refused, Err(LayoutError::Rule { .. })), "{refused:?}");
    assert!(found(Kind::Inspection, Ties::Given, &[]).is_err(), "it has to be there");
    let refused = found(Kind::Inspection, Ties::Asked, &[other]);
    assert_eq!(refused, Err(LayoutError::Unrelated { step: "check".to_owned() }));
}

#[test]
fn one_sublayout_stands_for_one_step() {
    let none = rules(&json!([]), &json!([]));
    let made = item(&[], &["tar"]);
    let of = |name, payload| Node {
        choices: vec![report("k", &made, payload)],
        ..node(name, &none, Kind::Step, &[])
    };
    let found = |one, two| {
        let nodes = [of("first", one), of("last", two)];
        searched(&nodes, (0, 1), Ties::Given, Wanted::First, 100).map(|found| found.len())
    };
    assert_eq!(found(Some("x"), Some("y")), Ok(1));
    assert_eq!(found(None, None), Ok(1), "links have none");
    let refused = found(Some("x"), Some("x"));
    assert_eq!(refused, Err(LayoutError::SublayoutTwice { step: "first".to_owned() }));
}

#[test]
fn steps_see_no_inspections() {
    let from = |name: &str| {
        let rule = json!(["MATCH", "*", "WITH", "PRODUCTS", "FROM", name]);
        rules(&json!([rule, ["DISALLOW", "*"]]), &json!([]))
    };
    let (none, of_check, of_first) = (rules(&json!([]), &json!([])), from("check"), from("first"));
    let found = |last: &ItemRules, check: &ItemRules| {
        let made = |name, rules| node(name, rules, Kind::Step, &[item(&["a"], &["a"])]);
        let nodes = [
            node("first", &none, Kind::Step, &[item(&[], &["a"])]),
            made("last", last),
            Node { kind: Kind::Inspection, ..made("check", check) },
        ];
        searched(&nodes, (0, 1), Ties::Given, Wanted::First, 100).map(drop)
    };
    assert_eq!(found(&of_first, &of_first), Ok(()));
    assert_eq!(found(&of_first, &of_check), Ok(()), "an inspection may speak about any");
    assert!(matches!(found(&of_check, &none), Err(LayoutError::Rule { .. })), "a step may not");
    let unknown = from("nowhere");
    assert!(matches!(found(&unknown, &none), Err(LayoutError::Rule { .. })));
}
