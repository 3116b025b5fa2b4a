//! Images that have to come out of a supply chain, and in-toto's own verifier beside ours.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hallmark::{
    attest::in_toto::Document,
    limits::Limits,
    trust::{
        PublicKey,
        layout::{Demands, Inspections, Links, Offered, verify},
    },
};
use rcgen::{KeyPair, SigningKey as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{
    layouts::{Layout, Parts, digest},
    support::Hallmark,
};

const IN_TOTO: &str = "application/vnd.in-toto+json";

/// A key, its PEM text and the id that in-toto gives it.
struct Person {
    pair: KeyPair,
    pem: String,
    id: String,
}

impl Person {
    fn new() -> Self {
        let pair = KeyPair::generate().unwrap();
        let pem = pair.public_key_pem().trim().to_owned();
        // Canonical JSON, in which a line end stands for itself (specification 1.0.0, section 4.2.1).
        let canonical = format!(
            r#"{{"keyid_hash_algorithms":["sha256","sha512"],"keytype":"ecdsa","keyval":{{"public":"{pem}"}},"scheme":"ecdsa-sha2-nistp256"}}"#
        );
        Self { pair, id: hex::encode(Sha256::digest(canonical.as_bytes())), pem }
    }

    fn listed(&self) -> Value {
        json!({
            "keyid": self.id, "keyid_hash_algorithms": ["sha256", "sha512"], "keytype": "ecdsa",
            "keyval": { "public": self.pem }, "scheme": "ecdsa-sha2-nistp256",
        })
    }

    /// A DSSE envelope.
    fn sign(&self, payload: &Value) -> String {
        let payload = payload.to_string();
        let pae = sigstore_types::pae(IN_TOTO, payload.as_bytes());
        let signature = self.pair.sign(&pae).unwrap();
        json!({
            "payloadType": IN_TOTO, "payload": STANDARD.encode(&payload),
            "signatures": [{ "keyid": self.id, "sig": STANDARD.encode(signature) }],
        })
        .to_string()
    }

    fn file(&self, step: &str) -> String {
        format!("{step}.{}.link", &self.id[..8])
    }
}

fn artifacts(list: &[(&str, &str)]) -> Value {
    let entries = list.iter().map(|(name, content)| {
        ((*name).to_owned(), json!({ "sha256": hex::encode(Sha256::digest(content.as_bytes())) }))
    });
    entries.collect::<serde_json::Map<_, _>>().into()
}

fn link(name: &str, materials: Value, products: Value) -> Value {
    json!({
        "_type": "link", "name": name, "command": [], "byproducts": {}, "environment": {},
        "materials": materials, "products": products,
    })
}

/// An owner, two functionaries, a stranger; two steps, and links for them.
struct Chain {
    owner: Person,
    people: [Person; 3],
    layout: Value,
    /// Whose, for which step, saying what.
    links: Vec<(usize, &'static str, Value)>,
}

impl Chain {
    fn new(image: &Value) -> Self {
        let people = [Person::new(), Person::new(), Person::new()];
        let [writer, packer, _] = &people;
        let layout = json!({
            "_type": "layout", "expires": "2099-12-31T00:00:00Z", "readme": "", "inspect": [],
            "keys": { &writer.id: writer.listed(), &packer.id: packer.listed() },
            "steps": [
                { "_type": "step", "name": "write", "threshold": 1, "pubkeys": [writer.id],
                  "expected_command": [], "expected_materials": [["DISALLOW", "*"]],
                  "expected_products": [["CREATE", "src/*"], ["DISALLOW", "*"]] },
                { "_type": "step", "name": "package", "threshold": 1, "pubkeys": [packer.id],
                  "expected_command": [],
                  "expected_materials": [["MATCH", "src/*", "WITH", "PRODUCTS", "FROM", "write"], ["DISALLOW", "*"]],
                  "expected_products": [["ALLOW", "src/*"], ["CREATE", "image.json"], ["DISALLOW", "*"]] },
            ],
        });
        let source = artifacts(&[("src/a", "a"), ("src/b", "b")]);
        let mut products = source.clone();
        products["image.json"] = image.clone();
        let links = vec![
            (0, "write", link("write", json!({}), source.clone())),
            (1, "package", link("package", source, products)),
        ];
        Self { owner: Person::new(), people, layout, links }
    }

    fn step(&mut self, at: usize) -> &mut Value {
        &mut self.layout["steps"][at]
    }

    fn says(&mut self, link: usize, list: &str) -> &mut Value {
        &mut self.links[link].2[list]
    }

    fn documents(&self) -> Vec<(String, String)> {
        let document = |(who, step, link): &(usize, &str, Value)| match self.people.get(*who) {
            Some(person) => (person.file(step), person.sign(link)),
            None => {
                let (first, alias) = (&self.people[0], alias());
                let signed = first.sign(link).replace(&first.id, &alias);
                (format!("{step}.{}.link", &alias[..8]), signed)
            }
        };
        self.links.iter().map(document).collect()
    }
}

/// Under which id the first functionary's key stands a second time; who signs under it is nobody of the three.
const UNDER_ANOTHER_ID: usize = 3;

fn alias() -> String {
    "ab".repeat(32)
}

/// An image whose manifest a chain can have as its product.
fn image() -> (Parts, Value) {
    let parts = Parts::new(&[("bin/app", b"app")]);
    let manifest = digest(parts.manifest.to_string().as_bytes());
    (parts, json!({ "sha256": manifest.trim_start_matches("sha256:") }))
}

/// The image in a folder, with one referrer for each link.
fn published(parts: &Parts, chain: &Chain) -> Layout {
    let layout = Layout::of(parts);
    let manifest = parts.manifest.to_string();
    let named = |bytes: &str, media_type: &str| json!({ "mediaType": media_type, "digest": digest(bytes.as_bytes()), "size": bytes.len() });
    let subject = named(&manifest, "application/vnd.oci.image.manifest.v1+json");
    let mut entries = vec![{
        let mut entry = subject.clone();
        entry["platform"] = json!({ "os": "linux", "architecture": "amd64" });
        entry
    }];
    let empty = "{}";
    layout.blob(empty.as_bytes());
    for (file, document) in chain.documents() {
        layout.blob(document.as_bytes());
        let mut blob = named(&document, IN_TOTO);
        blob["annotations"] = json!({ "org.opencontainers.image.title": file });
        let referrer = json!({
            "schemaVersion": 2, "mediaType": subject["mediaType"], "artifactType": IN_TOTO,
            "config": named(empty, "application/vnd.oci.empty.v1+json"),
            "layers": [blob], "subject": &subject,
        })
        .to_string();
        layout.blob(referrer.as_bytes());
        entries.push(named(&referrer, "application/vnd.oci.image.manifest.v1+json"));
    }
    layout.index(&json!(entries));
    layout
}

fn judged(parts: &Parts, chain: &Chain, more: &str) -> super::support::Answer {
    let layout = published(parts, chain);
    let files = tempfile::tempdir().unwrap();
    let (signed, key) = (files.path().join("root.layout"), files.path().join("owner.pub"));
    fs::write(&signed, chain.owner.sign(&chain.layout)).unwrap();
    fs::write(&key, &chain.owner.pem).unwrap();
    // Configuration in the artifact's folder is nobody's business (attack B6).
    fs::write(layout.path().join("hallmark.yaml"), "version: 1\n").unwrap();
    fs::write(layout.path().join(".in_totorc"), "[in-toto settings]\nLINK_PREFIX=evil\n").unwrap();
    let config = format!(
        "version: 1\ntrust:\n  layouts:\n    - name: app\n      images: ['**']\n      layout: {}\n      keys: [{}]\n{more}policy:\n  preset: baseline\n",
        signed.display(),
        key.display(),
    );
    let call = Hallmark::new(["verify", &layout.reference(), "--platform", "linux/amd64"]);
    call.config(&config).run()
}

#[test]
fn an_image_passes_when_its_links_prove_the_layout() {
    let (parts, product) = image();
    // The layout is all that speaks for it, and the report says so.
    let answer = judged(&parts, &Chain::new(&product), "");
    answer.exits(0).says("  layout      proven by ").says(": app\n");
    let mut chain = Chain::new(&product);
    chain.links.clear();
    judged(&parts, &chain, "").exits(1).says("  layout      missing: app\n");
}

#[test]
fn b6_an_image_whose_links_do_not_prove_the_layout_is_denied() {
    type Spoil = fn(&mut Chain);
    let cases: [(&str, Spoil, &str); 7] = [
        ("no links", |c| c.links.clear(), "layout-threshold"),
        ("one link", |c| c.links.truncate(1), "layout-threshold"),
        ("a stranger's link", |c| c.links[1].0 = 2, "layout-threshold"),
        (
            "the links of another image",
            |c| c.says(1, "products")["image.json"] = artifacts(&[("x", "other")])["x"].clone(),
            "layout-product-missing",
        ),
        (
            "something more in the source",
            |c| c.says(1, "materials")["src/c"] = artifacts(&[("x", "c")])["x"].clone(),
            "layout-rule-violated",
        ),
        (
            "an old layout",
            |c| c.layout["expires"] = json!("2020-01-01T00:00:00Z"),
            "layout-expired",
        ),
        (
            "an inspection",
            |c| c.layout["inspect"] = json!([{ "_type": "inspection", "name": "i", "run": ["true"], "expected_materials": [], "expected_products": [] }]),
            "layout-inspection-not-run",
        ),
    ];
    for (what, spoil, code) in cases {
        let (parts, product) = image();
        let mut chain = Chain::new(&product);
        spoil(&mut chain);
        let answer = judged(&parts, &chain, "");
        assert_eq!(answer.code, 1, "{what}: {}", answer.all());
        // One cause is one error.
        answer.says(&format!("error[{code}]")).says("FAIL  1 error, ");
    }
}

/// Links of another build by the same functionaries, which a stranger attached: a good image passes beside them, and one that is
/// short of a link of its own is not helped by theirs.
#[test]
fn h36_links_of_another_build_neither_fail_a_good_image_nor_pass_a_bad_one() {
    let other_source = artifacts(&[("src/a", "other"), ("src/b", "b")]);
    let mut other_products = other_source.clone();
    other_products["image.json"] = artifacts(&[("x", "other image")])["x"].clone();
    let others = [
        (0, "write", link("write", json!({}), other_source.clone())),
        (1, "package", link("package", other_source, other_products)),
    ];
    let (parts, product) = image();
    for (before, names) in [(true, ["write", "package"]), (false, ["package", "nothing"])] {
        let mut chain = Chain::new(&product);
        let own = std::mem::take(&mut chain.links);
        // The names of their files are not signed.
        let named =
            others.iter().zip(names).map(|((who, _, link), name)| (*who, name, link.clone()));
        let named: Vec<_> = named.collect();
        chain.links = if before { [named, own].concat() } else { [own, named].concat() };
        judged(&parts, &chain, "").exits(0);
    }
    let mut bad = Chain::new(&product);
    bad.links.remove(0);
    bad.links.extend(others);
    judged(&parts, &bad, "").exits(1).says("error[layout-rule-violated]");
}

#[test]
fn inspections_are_left_out_only_where_the_operator_says_so() {
    let (parts, product) = image();
    let mut chain = Chain::new(&product);
    chain.layout["inspect"] = json!([{ "_type": "inspection", "name": "i", "run": ["true"], "expected_materials": [], "expected_products": [] }]);
    let answer = judged(&parts, &chain, "      unsafe_skipInspections: true\n");
    answer.exits(0).says("layout-inspection-not-run");
}

/// in-toto's own verifier, on the PATH or where scripts/peers builds it.
fn peer() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let cache = std::env::var_os("HALLMARK_CACHE").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache/hallmark"));
    let built = cache.or(home).map(|cache| cache.join("peers/bin"));
    let folders = std::env::split_paths(&path).chain(built);
    folders.map(|folder| folder.join("in-toto-golang")).find(|program| program.is_file())
}

fn peer_accepts(peer: &Path, folder: &Path, owner: &str) -> bool {
    let output = Command::new(peer)
        .current_dir(folder)
        .args(["verify", "--layout", "root.layout", "--layout-keys", owner, "--link-dir", "."])
        .output()
        .unwrap();
    output.status.success()
}

fn ours_accepts(chain: &Chain, owner: &Person) -> bool {
    let limits = Limits::default();
    let Ok(layout) = Document::open(chain.owner.sign(&chain.layout).as_bytes(), &limits) else {
        return false;
    };
    let here = chain.documents().into_iter().map(|(file, text)| Offered {
        file: Some(file),
        document: Document::open(text.as_bytes(), &limits).unwrap(),
    });
    let links = Links { here: here.collect(), ..Links::default() };
    let keys = [PublicKey::from_pem(owner.pem.as_bytes()).unwrap()];
    let now = "2026-06-01T00:00:00Z".parse().unwrap();
    let demands = Demands { keys: &keys, now, inspections: Inspections::Proven, limits: &limits };
    verify(&layout, &links, &demands).is_ok()
}

type Change = fn(&mut Chain);

/// What is tried, how, what hallmark says and what in-toto-golang 0.11.0 says. They differ where that counts ids, not keys, and
/// takes a threshold of nothing.
const CASES: [(&str, Change, bool, bool); 25] = [
    ("as it should be", |_| {}, true, true),
    ("expired", |c| c.layout["expires"] = json!("2020-01-01T00:00:00Z"), false, false),
    (
        "no link for a step",
        |c| {
            c.links.pop();
        },
        false,
        false,
    ),
    ("a stranger's link", |c| c.links[0].0 = 2, false, false),
    ("another functionary's link", |c| c.links[0].0 = 1, false, false),
    (
        "a material that no step made",
        |c| c.says(1, "materials")["src/c"] = json!({ "sha256": "00".repeat(32) }),
        false,
        false,
    ),
    (
        "a material with other content",
        |c| c.says(1, "materials")["src/a"] = json!({ "sha256": "00".repeat(32) }),
        false,
        false,
    ),
    (
        "a product that nothing allows",
        |c| c.says(1, "products")["evil"] = json!({ "sha256": "00".repeat(32) }),
        false,
        false,
    ),
    ("a threshold that is not reached", |c| c.step(0)["threshold"] = json!(2), false, false),
    ("a threshold that is reached", two_agree, true, true),
    (
        "two that disagree",
        |c| {
            two_agree(c);
            c.says(2, "products")["src/a"] = json!({ "sha256": "00".repeat(32) });
        },
        false,
        false,
    ),
    (
        "REQUIRE, and it is there",
        |c| c.step(1)["expected_products"] = json!([["REQUIRE", "image.json"]]),
        true,
        true,
    ),
    (
        "REQUIRE, and it is not there",
        |c| c.step(1)["expected_products"] = json!([["REQUIRE", "other"]]),
        false,
        false,
    ),
    (
        "MODIFY, and it is the same",
        |c| c.step(1)["expected_products"] = json!([["MODIFY", "src/*"], ["DISALLOW", "src/*"]]),
        false,
        false,
    ),
    (
        "DELETE, and it was kept",
        |c| c.step(1)["expected_materials"] = json!([["DELETE", "src/*"], ["DISALLOW", "*"]]),
        false,
        false,
    ),
    (
        "CREATE, and it was there",
        |c| c.step(1)["expected_products"] = json!([["CREATE", "*"], ["DISALLOW", "*"]]),
        false,
        false,
    ),
    (
        "MATCH from a folder",
        |c| {
            c.step(1)["expected_materials"] = json!([
                ["MATCH", "*", "IN", "src", "WITH", "PRODUCTS", "IN", "src", "FROM", "write"],
                ["DISALLOW", "*"]
            ]);
        },
        true,
        true,
    ),
    (
        "MATCH from another folder",
        |c| {
            c.step(1)["expected_materials"] = json!([
                ["MATCH", "*", "IN", "src", "WITH", "PRODUCTS", "IN", "lib", "FROM", "write"],
                ["DISALLOW", "*"]
            ]);
        },
        false,
        false,
    ),
    (
        "B5: DISALLOW, and the name in another form",
        |c| {
            c.step(0)["expected_products"] = json!([["DISALLOW", "evil"]]);
            c.says(0, "products")["./evil"] = json!({ "sha256": "00".repeat(32) });
        },
        false,
        false,
    ),
    (
        "B5: [!a] is a negation",
        |c| {
            c.step(0)["expected_products"] = json!([["DISALLOW", "src/[!a-b]"]]);
        },
        true,
        true,
    ),
    (
        "B5: [!a] hits what it should",
        |c| {
            c.step(0)["expected_products"] = json!([["DISALLOW", "src/[!a]"]]);
        },
        false,
        false,
    ),
    (
        "a layout that another owner signed",
        |c| std::mem::swap(&mut c.owner, &mut c.people[2]),
        false,
        false,
    ),
    ("A24: one key under two ids", one_key_twice, false, true),
    ("A24: a threshold of nothing", |c| c.step(0)["threshold"] = json!(0), false, true),
    ("A24: a negative threshold", |c| c.step(0)["threshold"] = json!(-1), false, true),
];

fn one_key_twice(chain: &mut Chain) {
    let mut key = chain.people[0].listed();
    key["keyid"] = json!(alias());
    chain.layout["keys"][alias()] = key;
    let step = chain.step(0);
    step["threshold"] = json!(2);
    step["pubkeys"].as_array_mut().unwrap().push(json!(alias()));
    let again = chain.links[0].2.clone();
    chain.links.push((UNDER_ANOTHER_ID, "write", again));
}

fn two_agree(chain: &mut Chain) {
    let id = chain.people[1].id.clone();
    let step = chain.step(0);
    step["threshold"] = json!(2);
    step["pubkeys"].as_array_mut().unwrap().push(json!(id));
    let again = chain.links[0].2.clone();
    chain.links.push((1, "write", again));
}

#[test]
fn a24_b5_hallmark_refuses_all_that_in_toto_golang_does_and_more() {
    let peer = peer();
    if peer.is_none() {
        println!(
            "in-toto-golang is not here (scripts/peers in-toto): only hallmark's own answers are checked"
        );
    }
    for (what, change, ours, theirs) in CASES {
        let mut chain = Chain::new(&artifacts(&[("x", "image")])["x"]);
        // The key that the operator trusts is that of the owner before any change.
        let pem = chain.owner.pem.clone();
        change(&mut chain);
        let trusted = [&chain.owner, &chain.people[2]].into_iter().find(|p| p.pem == pem).unwrap();
        assert_eq!(ours_accepts(&chain, trusted), ours, "hallmark: {what}");
        let Some(peer) = &peer else { continue };
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("root.layout", &chain.owner.sign(&chain.layout));
        write("owner.pub", &pem);
        chain.documents().iter().for_each(|(file, text)| write(file, text));
        assert_eq!(
            peer_accepts(peer, folder.path(), "owner.pub"),
            theirs,
            "in-toto-golang: {what}"
        );
    }
}
