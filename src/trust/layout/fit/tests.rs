//! What cannot be of this build, and what of the rest is nearest to it.

use serde_json::{Value, json};

use super::*;
use crate::{
    attest::in_toto::{Artifacts, canonical},
    limits::Limits,
    trust::{layout::Inspections, testing::TestKey},
};

const NOW: &str = "2026-06-01T00:00:00Z";

fn signed(value: &Value, keys: &[&TestKey]) -> Offered {
    let message = canonical(value).unwrap();
    let one = |key: &&TestKey| json!({ "keyid": "k", "sig": hex::encode(key.sign(&message)) });
    let block = json!({ "signed": value, "signatures": keys.iter().map(one).collect::<Vec<_>>() });
    let document = Document::open(block.to_string().as_bytes(), &Limits::default()).unwrap();
    Offered { file: None, document }
}

/// A link whose artifacts are named by their contents.
fn link(name: &str, materials: &[&str], products: &[&str]) -> Value {
    let artifacts = |names: &[&str]| -> Value {
        let digest = |name: &str| json!({ "sha256": Digest::sha256(name.as_bytes()).hex() });
        let all = names.iter().map(|name| ((*name).to_owned(), digest(name)));
        all.collect::<serde_json::Map<_, _>>().into()
    };
    json!({ "_type": "link", "name": name, "materials": artifacts(materials), "products": artifacts(products) })
}

/// A layout of one step with one functionary.
fn layout(step: &str, key: &TestKey, expires: &str) -> Value {
    let listed = json!({ "keytype": "ecdsa", "scheme": "ecdsa-sha2-nistp256", "keyval": { "public": key.pem } });
    json!({ "_type": "layout", "expires": expires, "keys": { "k": listed },
        "steps": [{ "_type": "step", "name": step, "threshold": 1, "pubkeys": ["k"] }],
        "inspect": [{ "_type": "inspection", "name": format!("check {step}"), "run": [] }] })
}

/// Which of these are kept, by their places.
fn kept(
    layout: &Offered,
    links: &Links,
    owner: &TestKey,
    limits: &Limits,
    product: Option<Product<'_>>,
) -> (Vec<usize>, bool) {
    let keys = [owner.public.clone()];
    let now = NOW.parse().unwrap();
    let demands = Demands { keys: &keys, now, inspections: Inspections::Proven, limits };
    let (kept, cut) = of_this_build(links, &layout.document, &demands, product);
    let message =
        |offered: &Offered| (offered.document.message.clone(), offered.document.signatures.clone());
    let mut places = Vec::new();
    for one in &kept.here {
        let from = places.last().map_or(0, |last| last + 1);
        let rest = links.here.iter().enumerate().skip(from);
        places
            .extend(rest.filter(|(_, all)| message(all) == message(one)).map(|(at, _)| at).take(1));
    }
    (places, cut)
}

#[test]
fn what_nobody_known_signed_for_a_known_name_is_put_aside_and_each_counts_once() {
    let [owner, worker, helper, stranger] = [(); 4].map(|()| TestKey::p256());
    let top = signed(&layout("build", &worker, "2026-12-31T00:00:00Z"), &[&owner]);
    let inner = layout("inner", &helper, "2026-12-31T00:00:00Z");
    let build = link("build", &[], &["a"]);
    let here = vec![
        signed(&build, &[&worker]),
        signed(&build, &[&worker]),
        signed(&build, &[&stranger]),
        signed(&build, &[&owner]),
        signed(&link("other", &[], &["a"]), &[&worker]),
        signed(&link("check build", &[], &["a"]), &[&owner]),
        signed(&inner, &[&worker]),
        signed(&link("inner", &[], &["a"]), &[&helper]),
        top.clone(),
    ];
    let limits = Limits::default();
    let shared = Links { here: here.clone(), shared: true, ..Links::default() };
    assert_eq!(kept(&top, &shared, &owner, &limits, None), (vec![0, 3, 5, 6, 7], false));
    // In folders the same may lie under two names.
    let given = Links { here: here.clone(), ..Links::default() };
    assert_eq!(kept(&top, &given, &owner, &limits, None), (vec![0, 1, 3, 5, 6, 7], false));
    // What no functionary signed, and what has ended, names nobody.
    let unsigned =
        Links { here: vec![signed(&inner, &[&stranger]), here[7].clone()], ..shared.clone() };
    assert_eq!(kept(&top, &unsigned, &owner, &limits, None), (vec![], false));
    let ended = signed(&layout("inner", &helper, "2026-05-31T23:59:59Z"), &[&worker]);
    let ended = Links { here: vec![ended, here[7].clone()], ..shared.clone() };
    assert_eq!(kept(&top, &ended, &owner, &limits, None), (vec![0], false));
    let last = signed(&layout("inner", &helper, NOW), &[&worker]);
    let last = Links { here: vec![last, here[7].clone()], ..shared };
    assert_eq!(kept(&top, &last, &owner, &limits, None), (vec![0, 1], false));
}

#[test]
fn sublayouts_are_followed_as_deep_as_they_may_be() {
    let [owner, worker, helper, last] = [(); 4].map(|()| TestKey::p256());
    let expires = "2026-12-31T00:00:00Z";
    let top = signed(&layout("build", &worker, expires), &[&owner]);
    // The inner one first: its signer is known by the other alone.
    let here = vec![
        signed(&link("deep", &[], &["a"]), &[&last]),
        signed(&layout("deep", &last, expires), &[&helper]),
        signed(&layout("inner", &helper, expires), &[&worker]),
    ];
    let links = Links { here, shared: true, ..Links::default() };
    for (depth, want) in [(1, vec![2]), (2, vec![1, 2]), (3, vec![0, 1, 2])] {
        let limits = Limits { layout_depth: depth, ..Limits::default() };
        assert_eq!(kept(&top, &links, &owner, &limits, None).0, want, "{depth}");
    }
}

#[test]
fn folders_are_sifted_like_what_is_above_them() {
    let [owner, worker, stranger] = [(); 3].map(|()| TestKey::p256());
    let top = signed(&layout("build", &worker, "2026-12-31T00:00:00Z"), &[&owner]);
    let build = link("build", &[], &["a"]);
    let here = vec![signed(&build, &[&stranger]), signed(&build, &[&worker])];
    let inside = Links { here, ..Links::default() };
    let links = Links { folders: BTreeMap::from([("f".to_owned(), inside)]), ..Links::default() };
    let keys = [owner.public];
    let (now, limits) = (NOW.parse().unwrap(), Limits::default());
    let demands = Demands { keys: &keys, now, inspections: Inspections::Proven, limits: &limits };
    let (kept, _) = of_this_build(&links, &top.document, &demands, None);
    assert_eq!(kept.folders["f"].here.len(), 1);
    assert!(kept.here.is_empty());
}

#[test]
fn of_too_many_the_nearest_to_what_left_the_image_are_kept() {
    let [owner, worker] = [(); 2].map(|()| TestKey::p256());
    let top = signed(&layout("build", &worker, "2026-12-31T00:00:00Z"), &[&owner]);
    let made = |materials: &[&str], products: &[&str]| {
        signed(&link("build", materials, products), &[&worker])
    };
    // Three builds of two links each; `make` is common to all of them, the own one is the last.
    let builds = |common: &[&str]| {
        let of = |n: usize| {
            let (code, tar) = (format!("code {n}"), format!("tar {n}"));
            let from = [common, &[code.as_str()]].concat();
            [made(common, &[&code]), made(&from, &[&tar])]
        };
        Links { here: (0..3).flat_map(of).collect(), shared: true, ..Links::default() }
    };
    let own = |products: &Artifacts| products.contains_key("tar 2");
    let kept = |links: &Links, most: usize, product: Option<Product<'_>>| {
        let limits = Limits { layout_links: most, ..Limits::default() };
        kept(&top, links, &owner, &limits, product)
    };
    let (apart, tied) = (builds(&[]), builds(&["make"]));
    assert_eq!(kept(&apart, 5, Some(&own)), (vec![4, 5], false), "others are not reached");
    assert_eq!(kept(&tied, 2, Some(&own)), (vec![4, 5], true), "few share the code, all the rest");
    assert_eq!(kept(&tied, 6, Some(&own)), (vec![0, 1, 2, 3, 4, 5], false), "as many as may be");
    // Nothing left this image: what is true of some is true of all.
    let none = |_: &Artifacts| false;
    assert_eq!(kept(&tied, 3, Some(&none)), (vec![0, 1, 2], false));
    assert_eq!(kept(&apart, 3, None), (vec![0, 1, 2], true), "all may have left it");
    // A sublayout has no artifacts of its own, and is kept before links.
    let mut with = builds(&[]);
    with.here.push(signed(&layout("inner", &worker, "2026-12-31T00:00:00Z"), &[&worker]));
    assert_eq!(kept(&with, 3, Some(&own)), (vec![4, 5, 6], false));
    assert_eq!(kept(&with, 2, Some(&own)).0.len(), 2);
    assert!(kept(&with, 2, Some(&own)).0.contains(&6));
}
