//! Chains that are proven, and every way in which one is not.

use serde_json::{Value, json};
use sigstore::crypto::SigningScheme;

use super::*;
use crate::{
    attest::{Signature, in_toto::canonical},
    digest::Digest,
    finding::Code,
    trust::testing::TestKey,
};

const NOW: &str = "2026-06-01T00:00:00Z";

/// A key as a layout lists it.
fn listed(key: &TestKey) -> Value {
    json!({ "keytype": "ecdsa", "scheme": "ecdsa-sha2-nistp256", "keyval": { "public": key.pem } })
}

/// A metablock that these keys signed.
fn signed(value: &Value, keys: &[&TestKey]) -> Document {
    let message = canonical(value).unwrap();
    let one = |key: &&TestKey| json!({ "keyid": "k", "sig": hex::encode(key.sign(&message)) });
    let block = json!({ "signed": value, "signatures": keys.iter().map(one).collect::<Vec<_>>() });
    Document::open(block.to_string().as_bytes(), &Limits::default()).unwrap()
}

/// The same as a DSSE envelope.
fn enveloped(value: &Value, keys: &[&TestKey]) -> Document {
    let payload = value.to_string().into_bytes();
    let signatures: Vec<Value> = keys.iter().map(|key| key.dsse(&payload)).collect();
    let envelope = crate::trust::testing::envelope(&payload, &signatures);
    Document::open(envelope.to_string().as_bytes(), &Limits::default()).unwrap()
}

fn artifacts(list: &[(&str, &str)]) -> Value {
    let digest = |content: &str| Digest::sha256(content.as_bytes()).hex();
    let entries = list
        .iter()
        .map(|(name, content)| ((*name).to_owned(), json!({ "sha256": digest(content) })));
    entries.collect::<serde_json::Map<_, _>>().into()
}

fn link(name: &str, materials: &[(&str, &str)], products: &[(&str, &str)]) -> Value {
    json!({
        "_type": "link", "name": name, "command": ["make"], "byproducts": {}, "environment": {},
        "materials": artifacts(materials), "products": artifacts(products),
    })
}

fn offered(document: Document) -> Offered {
    Offered { file: None, document }
}

/// An owner, two steps with a functionary each, and links that satisfy the layout.
struct Bench {
    owner: TestKey,
    writer: TestKey,
    packer: TestKey,
    layout: Value,
    links: Links,
}

impl Bench {
    fn new() -> Self {
        let (owner, writer, packer) = (TestKey::p256(), TestKey::p256(), TestKey::p256());
        let layout = json!({
            "_type": "layout", "expires": "2026-12-31T00:00:00Z", "readme": "", "inspect": [],
            "keys": { "w": listed(&writer), "p": listed(&packer) },
            "steps": [
                { "_type": "step", "name": "write", "threshold": 1, "pubkeys": ["w"],
                  "expected_command": [], "expected_materials": [["DISALLOW", "*"]],
                  "expected_products": [["CREATE", "foo.py"], ["DISALLOW", "*"]] },
                { "_type": "step", "name": "package", "threshold": 1, "pubkeys": ["p"],
                  "expected_command": ["make"],
                  "expected_materials": [["MATCH", "foo.py", "WITH", "PRODUCTS", "FROM", "write"], ["DISALLOW", "*"]],
                  "expected_products": [["CREATE", "foo.tar"], ["DISALLOW", "*"]] },
            ],
        });
        let here = vec![
            offered(signed(&link("write", &[], &[("foo.py", "code")]), &[&writer])),
            offered(enveloped(
                &link("package", &[("foo.py", "code")], &[("foo.tar", "tar")]),
                &[&packer],
            )),
        ];
        Self { owner, writer, packer, layout, links: Links { here, ..Links::default() } }
    }

    fn verify(&self) -> Result<Chain, LayoutError> {
        self.verify_with(&[&self.owner], Inspections::Proven, &Limits::default())
    }

    fn verify_with(
        &self,
        owners: &[&TestKey],
        inspections: Inspections,
        limits: &Limits,
    ) -> Result<Chain, LayoutError> {
        let keys: Vec<PublicKey> = owners.iter().map(|key| key.public.clone()).collect();
        let now = NOW.parse().unwrap();
        let demands = Demands { keys: &keys, now, inspections, limits };
        verify(&signed(&self.layout, &[&self.owner]), &self.links, &demands)
    }

    fn add(&mut self, document: Document) {
        self.links.here.push(offered(document));
    }

    fn code(&self) -> Code {
        self.verify().expect_err("refused").code()
    }
}

#[test]
fn a_chain_that_went_as_the_layout_asks_is_proven() {
    let bench = Bench::new();
    let chain = bench.verify().unwrap();
    let names: Vec<_> = chain.steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(names, ["write", "package"]);
    assert!(chain.materials.is_empty() && chain.products.contains_key("foo.tar"));
    assert_eq!(chain.remarks, []);
    let writer = chain.steps.first().unwrap().functionaries.first().cloned();
    assert_eq!(writer, Some(bench.writer.public.fingerprint()));
}

#[test]
fn every_key_of_the_operator_has_to_have_signed_the_layout() {
    let bench = Bench::new();
    let stranger = TestKey::p256();
    for owners in [vec![], vec![&stranger], vec![&bench.owner, &stranger], vec![&bench.writer]] {
        let refused = bench.verify_with(&owners, Inspections::Proven, &Limits::default());
        assert!(matches!(refused, Err(LayoutError::Untrusted { .. })), "{refused:?}");
    }
}

#[test]
fn b6_a_layout_is_not_believed_after_it_expired() {
    let mut bench = Bench::new();
    for (expires, fine) in [(NOW, true), ("2026-05-31T23:59:59Z", false)] {
        bench.layout["expires"] = json!(expires);
        assert_eq!(bench.verify().is_ok(), fine, "{expires}");
    }
    assert_eq!(bench.code(), Code::LayoutExpired);
}

#[test]
fn a_changed_document_proves_nothing() {
    let mut bench = Bench::new();
    let good = bench.links.here.first_mut().unwrap();
    good.document.message.push(b' ');
    assert_eq!(bench.code(), Code::LayoutThreshold);
}

#[test]
fn only_the_functionary_of_a_step_counts_for_it() {
    for (what, signer) in [("a stranger", 0), ("the functionary of another step", 1), ("nobody", 2)]
    {
        let mut bench = Bench::new();
        let stranger = TestKey::p256();
        let forged = link("write", &[], &[("foo.py", "code")]);
        let document = match signer {
            0 => signed(&forged, &[&stranger]),
            1 => signed(&forged, &[&bench.packer]),
            _ => signed(&forged, &[]),
        };
        bench.links.here.remove(0);
        bench.add(document);
        assert_eq!(bench.code(), Code::LayoutThreshold, "{what}");
    }
}

#[test]
fn bad_links_beside_good_ones_change_nothing() {
    let mut bench = Bench::new();
    let stranger = TestKey::p256();
    bench.add(signed(&link("write", &[], &[("evil", "evil")]), &[&stranger]));
    bench.add(signed(&link("other", &[], &[]), &[&bench.writer]));
    assert!(bench.verify().is_ok());
}

#[test]
fn a24_a_threshold_counts_keys_and_not_their_ids_or_links() {
    let second = TestKey::p256();
    let mut bench = Bench::new();
    bench.layout["steps"][0]["threshold"] = json!(2);
    bench.layout["steps"][0]["pubkeys"] = json!(["w", "w2", "s"]);
    bench.layout["keys"]["w2"] = listed(&bench.writer);
    bench.layout["keys"]["s"] = listed(&second);
    let same = link("write", &[], &[("foo.py", "code")]);
    assert_eq!(bench.code(), Code::LayoutThreshold, "one link");
    bench.add(signed(&same, &[&bench.writer]));
    assert_eq!(bench.code(), Code::LayoutThreshold, "the same key twice");
    bench.add(signed(&same, &[&bench.writer, &bench.writer]));
    assert_eq!(bench.code(), Code::LayoutThreshold, "two signatures of one key");
    bench.add(signed(&same, &[&second]));
    assert_eq!(bench.verify().unwrap().steps.first().unwrap().functionaries.len(), 2);
}

#[test]
fn h36_functionaries_add_up_only_where_they_report_the_same() {
    let second = TestKey::p256();
    let mut bench = Bench::new();
    bench.layout["steps"][0]["pubkeys"] = json!(["w", "s"]);
    bench.layout["keys"]["s"] = listed(&second);
    bench.add(signed(&link("write", &[], &[("foo.py", "other")]), &[&second]));
    let chain = bench
        .verify()
        .expect("one functionary is enough, and the other's link is of another build");
    assert_eq!(chain.steps[0].functionaries, [bench.writer.public.fingerprint()].into());
    bench.layout["steps"][0]["threshold"] = json!(2);
    let refused = bench.verify().expect_err("disagree");
    assert_eq!(refused.code(), Code::LayoutLinksDisagree);
    assert!(
        matches!(&refused, LayoutError::Disagree { artifact, .. } if artifact == "foo.py"),
        "{refused}"
    );
}

/// Links of a build with this source, whose package is this.
fn build_of(bench: &Bench, source: &str, package: &str) -> [Document; 2] {
    let write = link("write", &[], &[("foo.py", source)]);
    let package = link("package", &[("foo.py", source)], &[("foo.tar", package)]);
    [signed(&write, &[&bench.writer]), signed(&package, &[&bench.packer])]
}

/// The package that counts, as the last step of an image's chain does.
fn of_package(bench: &Bench, package: &str) -> Result<Chain, LayoutError> {
    let left = artifacts_of(&link("x", &[], &[("foo.tar", package)]));
    let keys = [bench.owner.public.clone()];
    let (now, limits) = (NOW.parse().unwrap(), Limits::default());
    let demands = Demands { keys: &keys, now, inspections: Inspections::Proven, limits: &limits };
    let product = |products: &Artifacts| products.get("foo.tar") == left.get("foo.tar");
    verify_for(&signed(&bench.layout, &[&bench.owner]), &bench.links, &demands, Some(&product))
}

fn artifacts_of(link: &Value) -> Artifacts {
    let Body::Link(link) = signed(link, &[]).body else { panic!("a link") };
    link.products
}

#[test]
fn h36_links_of_other_builds_change_nothing() {
    let mut bench = Bench::new();
    bench.links.shared = true;
    let own = of_package(&bench, "tar").expect("its own links are enough");
    for build in 0..60 {
        let (source, package) = (format!("source {build}"), format!("package {build}"));
        for document in build_of(&bench, &source, &package) {
            bench.add(document);
        }
    }
    for _ in 0..2 {
        assert_eq!(of_package(&bench, "tar").as_ref(), Ok(&own));
        let other = of_package(&bench, "package 7").expect("each is proven by its own links");
        assert_eq!(other.products, artifacts_of(&link("x", &[], &[("foo.tar", "package 7")])));
        bench.links.here.reverse();
    }
    // A package of source that nobody wrote is none, however many others were written.
    let [_, package] = build_of(&bench, "evil", "evil");
    bench.add(package);
    assert_eq!(of_package(&bench, "evil").expect_err("evil").code(), Code::LayoutRuleViolated);
    assert_eq!(of_package(&bench, "unknown").expect_err("none").code(), Code::LayoutProductMissing);
}

/// A link that the rules tie to nothing is of this build where it names something of it.
#[test]
fn h36_what_nothing_ties_to_the_build_is_of_any_build() {
    let mut bench = Bench::new();
    bench.links.shared = true;
    let scan = json!({ "_type": "step", "name": "scan", "threshold": 1, "pubkeys": ["w"],
        "expected_materials": [], "expected_products": [] });
    bench.layout["steps"].as_array_mut().unwrap().insert(1, scan);
    assert_eq!(bench.code(), Code::LayoutThreshold, "it was not scanned");
    let scan = |content: &str| link("scan", &[("foo.py", content)], &[("report", content)]);
    bench.add(signed(&scan("other"), &[&bench.writer]));
    let empty = link("scan", &[("empty", "")], &[]);
    let mut same = bench.links.here.clone();
    bench.links.here.push(offered(signed(&empty, &[&bench.writer])));
    let refused = bench.verify().expect_err("scanned was another build");
    assert!(matches!(&refused, LayoutError::Unrelated { step } if step == "scan"), "{refused}");
    bench.add(signed(&scan("code"), &[&bench.writer]));
    assert!(bench.verify().is_ok());
    // An operator who puts links into one folder says that they are of one build.
    bench.links = Links { here: std::mem::take(&mut same), ..Links::default() };
    assert!(bench.verify().is_ok());
}

#[test]
fn h36_reports_of_inspections_of_other_builds_change_nothing() {
    let mut bench = Bench::new();
    bench.links.shared = true;
    bench.layout["inspect"] = json!([{ "_type": "inspection", "name": "untar", "run": [],
        "expected_materials": [["MATCH", "foo.tar", "WITH", "PRODUCTS", "FROM", "package"], ["DISALLOW", "*"]],
        "expected_products": [["DISALLOW", "evil"]] }]);
    let untar = |tar: &str, left: &str| link("untar", &[("foo.tar", tar)], &[(left, tar)]);
    let skip = |bench: &Bench| {
        bench.verify_with(&[&bench.owner], Inspections::UnsafeSkip, &Limits::default())
    };
    bench.add(signed(&untar("other", "evil"), &[&bench.owner]));
    assert_eq!(bench.code(), Code::LayoutRuleViolated, "only another build was inspected");
    let skipped = [Remark::Skipped { inspection: "untar".to_owned() }];
    assert_eq!(skip(&bench).expect("another build's is none").remarks, skipped);
    let mut bad = bench.links.here.clone();
    bench.add(signed(&untar("tar", "x"), &[&bench.owner]));
    assert_eq!(bench.verify().expect("its own holds").remarks, []);
    assert_eq!(skip(&bench).expect("its own holds").remarks, []);
    bad.push(offered(signed(&untar("tar", "evil"), &[&bench.owner])));
    bench.links.here = bad;
    assert_eq!(skip(&bench).expect_err("about this build").code(), Code::LayoutRuleViolated);
}

#[test]
fn b5_rules_are_not_stepped_around() {
    type Products = &'static [(&'static str, &'static str)];
    let cases: [(&str, Products, bool); 5] = [
        ("as it should be", &[("foo.py", "code")], true),
        ("a name in another form", &[("./foo.py", "code")], true),
        ("something more", &[("foo.py", "code"), ("evil", "evil")], false),
        ("something more in another form", &[("foo.py", "code"), ("./x/../evil", "evil")], false),
        ("changed on the way", &[("foo.py", "evil")], false),
    ];
    for (what, products, fine) in cases {
        let mut bench = Bench::new();
        bench.links.here.remove(0);
        bench.add(signed(&link("write", &[], products), &[&bench.writer]));
        match bench.verify() {
            Ok(_) => assert!(fine, "{what}"),
            Err(error) => {
                assert!(!fine && error.code() == Code::LayoutRuleViolated, "{what}: {error}");
            }
        }
    }
}

#[test]
fn b6_an_inspection_is_never_run_and_needs_a_link_of_the_owner() {
    let mut bench = Bench::new();
    let marker = std::env::temp_dir().join(format!("hallmark-inspection-{}", std::process::id()));
    bench.layout["inspect"] = json!([{
        "_type": "inspection", "name": "untar", "run": ["touch", marker.to_str().unwrap()],
        "expected_materials": [["MATCH", "foo.tar", "WITH", "PRODUCTS", "FROM", "package"], ["DISALLOW", "*"]],
        "expected_products": [],
    }]);
    assert_eq!(bench.code(), Code::LayoutInspectionNotRun);
    let skipped = bench.verify_with(&[&bench.owner], Inspections::UnsafeSkip, &Limits::default());
    let name = "untar".to_owned();
    assert_eq!(skipped.unwrap().remarks, [Remark::Skipped { inspection: name }]);

    bench.add(signed(&link("untar", &[("foo.tar", "tar")], &[]), &[&bench.writer]));
    assert_eq!(bench.code(), Code::LayoutInspectionNotRun, "not the owner's");
    bench.add(signed(&link("untar", &[("foo.tar", "tar")], &[]), &[&bench.owner]));
    assert_eq!(bench.verify().unwrap().remarks, []);
    bench.links.here.pop();
    bench.add(signed(&link("untar", &[("foo.tar", "evil")], &[]), &[&bench.owner]));
    assert_eq!(bench.code(), Code::LayoutRuleViolated);
    let skipped = bench.verify_with(&[&bench.owner], Inspections::UnsafeSkip, &Limits::default());
    assert!(skipped.is_err(), "what the owner reports counts, skipped or not");
    assert!(!marker.exists(), "the command was run");
}

#[test]
fn another_command_is_a_remark() {
    let mut bench = Bench::new();
    bench.layout["steps"][1]["expected_command"] = json!(["tar"]);
    let remarks = bench.verify().unwrap().remarks;
    assert!(matches!(remarks.as_slice(), [Remark::Command { step, .. }] if step == "package"));
}

#[test]
fn openpgp_keys_and_unknown_schemes_are_named() {
    let openpgp = json!({
        "type": "rsa", "method": "pgp+rsa-pkcsv1.5", "hashes": ["pgp+SHA2"],
        "keyval": { "private": "", "public": { "e": "010001", "n": "ab" } },
    });
    let mut unknown = listed(&TestKey::p256());
    unknown["scheme"] = json!("sphincs");
    let mut short = listed(&TestKey::p256());
    short["keytype"] = json!("rsa");
    for (key, word) in [(openpgp, "OpenPGP pgp+rsa"), (unknown, "sphincs"), (short, "rsa")] {
        let mut bench = Bench::new();
        bench.layout["keys"]["gpg"] = key;
        bench.layout["steps"][0]["pubkeys"] = json!(["w", "gpg"]);
        let remarks = bench.verify().unwrap().remarks;
        assert!(
            matches!(remarks.as_slice(), [Remark::Key { kind, .. }] if kind.contains(word)),
            "{remarks:?}"
        );
        bench.layout["steps"][0]["threshold"] = json!(2);
        let refused = bench.verify().expect_err("one of two");
        assert_eq!(refused.code(), Code::LayoutKeyUnsupported);
        assert!(refused.to_string().contains(word), "{refused}");
    }
}

#[test]
fn functionaries_sign_with_every_scheme_of_the_specification() {
    let cases = [
        ("rsa", "rsassa-pss-sha256", SigningScheme::RSA_PSS_SHA256(2048), true),
        ("rsa", "rsassa-pss-sha256", SigningScheme::RSA_PKCS1_SHA256(2048), false),
        ("ed25519", "ed25519", SigningScheme::ED25519, true),
        ("ecdsa", "ecdsa-sha2-nistp384", SigningScheme::ECDSA_P384_SHA384_ASN1, true),
        ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256", SigningScheme::ECDSA_P256_SHA256_ASN1, true),
    ];
    for (keytype, scheme, signing, fine) in cases {
        let key = TestKey::new(signing);
        let mut bench = Bench::new();
        let public = match keytype {
            "ed25519" => hex::encode(key.public.der().get(12..).unwrap()),
            _ => key.pem.clone(),
        };
        bench.layout["keys"]["w"] =
            json!({ "keytype": keytype, "scheme": scheme, "keyval": { "public": public } });
        bench.links.here.remove(0);
        bench.add(signed(&link("write", &[], &[("foo.py", "code")]), &[&key]));
        assert_eq!(bench.verify().is_ok(), fine, "{keytype} {scheme} {signing}");
    }
}

/// A step that is done by a layout of the functionary, whose own step somebody else did.
fn with_sublayout(expires: &str) -> (Bench, TestKey) {
    let mut bench = Bench::new();
    let helper = TestKey::p256();
    let sub = json!({
        "_type": "layout", "expires": expires, "inspect": [], "keys": { "h": listed(&helper) },
        "steps": [{ "name": "help", "threshold": 1, "pubkeys": ["h"],
            "expected_materials": [], "expected_products": [["ALLOW", "foo.py"], ["DISALLOW", "*"]] }],
    });
    let file = Some("write.00112233.link".to_owned());
    let document = signed(&sub, &[&bench.writer]);
    *bench.links.here.first_mut().unwrap() = Offered { file, document };
    let inner = offered(signed(&link("help", &[], &[("foo.py", "code")]), &[&helper]));
    let folder = Links { here: vec![inner], ..Links::default() };
    bench.links.folders.insert("write.00112233".to_owned(), folder);
    (bench, helper)
}

#[test]
fn a_sublayout_stands_for_a_link() {
    let (mut bench, _) = with_sublayout("2027-01-01T00:00:00Z");
    assert!(bench.verify().is_ok());
    let shallow = Limits { layout_depth: 1, ..Limits::default() };
    let refused = bench.verify_with(&[&bench.owner], Inspections::Proven, &shallow);
    assert_eq!(refused.expect_err("too deep").code(), Code::LimitExceeded);
    let exact = Limits { layout_depth: 2, ..Limits::default() };
    assert!(bench.verify_with(&[&bench.owner], Inspections::Proven, &exact).is_ok());

    let folder = bench.links.folders.remove("write.00112233").unwrap();
    assert_eq!(bench.code(), Code::LayoutThreshold, "its links are elsewhere");
    bench.links.here.extend(folder.here);
    assert_eq!(bench.code(), Code::LayoutThreshold, "its links are not among those above");
    bench.links.shared = true;
    assert!(bench.verify().is_ok(), "in a registry there are no folders");
    for name in [None, Some("package.00112233.link"), Some("nothing.00112233.link")] {
        bench.links.here.first_mut().unwrap().file = name.map(str::to_owned);
        assert!(bench.verify().is_ok(), "a name that nobody signed says nothing: {name:?}");
    }
}

#[test]
fn a_sublayout_is_judged_as_strictly_as_the_layout_above() {
    let (bench, _) = with_sublayout("2026-01-01T00:00:00Z");
    assert_eq!(bench.code(), Code::LayoutExpired);
    let (mut bench, _) = with_sublayout("2027-01-01T00:00:00Z");
    bench.links.here.first_mut().unwrap().document.signatures.clear();
    assert_eq!(bench.code(), Code::LayoutThreshold, "not signed by the functionary");
    let (mut bench, helper) = with_sublayout("2027-01-01T00:00:00Z");
    let folder = bench.links.folders.get_mut("write.00112233").unwrap();
    folder.here = vec![offered(signed(&link("help", &[], &[("evil", "evil")]), &[&helper]))];
    assert_eq!(bench.code(), Code::LayoutRuleViolated);
}

#[test]
fn a_sublayout_that_contains_itself_ends() {
    let mut bench = Bench::new();
    let mut sub = bench.layout.clone();
    sub["keys"] = json!({ "w": listed(&bench.writer) });
    sub["steps"] = json!([{ "name": "write", "threshold": 1, "pubkeys": ["w"] }]);
    let document = signed(&sub, &[&bench.writer]);
    let looping = Offered { file: Some("write.00112233.link".to_owned()), document };
    bench.links.here = vec![looping; 20];
    bench.links.shared = true;
    assert_eq!(
        bench.code(),
        Code::LayoutThreshold,
        "it stands for its own step, and not inside itself"
    );
}

#[test]
fn h36_a_sublayout_stands_for_one_step() {
    let (mut bench, _) = with_sublayout("2027-01-01T00:00:00Z");
    // A second step by the same functionary, that asks for no more than the first.
    let mut again = bench.layout["steps"][0].clone();
    again["name"] = json!("review");
    bench.layout["steps"].as_array_mut().unwrap().insert(1, again);
    let mut copy = bench.links.here.first().unwrap().clone();
    copy.file = Some("review.00112233.link".to_owned());
    bench.links.here.push(copy);
    let folder = bench.links.folders.get("write.00112233").unwrap().clone();
    bench.links.folders.insert("review.00112233".to_owned(), folder);
    assert_eq!(bench.code(), Code::LayoutThreshold, "under another file name");
    let review = link("review", &[], &[("foo.py", "code")]);
    let own = signed(&review, &[&bench.writer]);
    bench.add(own);
    assert!(bench.verify().is_ok(), "with a link of its own");
}

/// Two sublayouts of one functionary who does two steps: what comes of them says which stands for which.
#[test]
fn h36_sublayouts_are_told_apart_by_what_comes_of_them() {
    let mut bench = Bench::new();
    let helper = TestKey::p256();
    bench.layout["steps"][1]["pubkeys"] = json!(["w"]);
    let sub = |step: &str| {
        json!({ "_type": "layout", "expires": "2027-01-01T00:00:00Z", "inspect": [],
            "keys": { "h": listed(&helper) },
            "steps": [{ "name": step, "threshold": 1, "pubkeys": ["h"],
                "expected_materials": [], "expected_products": [] }] })
    };
    let by_helper = |name: &str, from: &[(&str, &str)], left: &[(&str, &str)]| {
        offered(signed(&link(name, from, left), &[&helper]))
    };
    let both = |first: &str, second: &str| {
        let named = |step: &str, file: &str| Offered {
            file: Some(format!("{file}.00112233.link")),
            document: signed(&sub(step), &[&bench.writer]),
        };
        vec![named("inner-write", first), named("inner-package", second)]
    };
    let own = [
        by_helper("inner-write", &[], &[("foo.py", "code")]),
        by_helper("inner-package", &[("foo.py", "code")], &[("foo.tar", "tar")]),
    ];
    let others = [
        by_helper("inner-write", &[], &[("foo.py", "other")]),
        by_helper("inner-package", &[("foo.py", "other")], &[("foo.tar", "other")]),
    ];
    for (first, second) in [("write", "package"), ("package", "write"), ("write", "write")] {
        let subs = both(first, second);
        for links in
            [&own[..], &[&own[..], &others[..]].concat(), &[&others[..], &own[..]].concat()]
        {
            let mut here = subs.clone();
            here.extend_from_slice(links);
            bench.links = Links { here, shared: true, ..Links::default() };
            assert!(of_package(&bench, "tar").is_ok(), "{first} {second}");
        }
        let mut here = subs;
        here.extend([others[0].clone(), own[1].clone()]);
        bench.links = Links { here, shared: true, ..Links::default() };
        assert!(of_package(&bench, "tar").is_err(), "packaged from what was not written");
    }
}

/// Anybody may attach what the functionaries signed for other builds, again and again.
#[test]
fn h36_replayed_links_of_other_builds_use_up_no_limit() {
    // The second layout has an artifact that all builds have in common, so that all links are tied to each other.
    for common in [false, true] {
        let mut bench = Bench::new();
        bench.links.shared = true;
        let makefile: &[(&str, &str)] = if common { &[("Makefile", "all")] } else { &[] };
        if common {
            bench.layout["steps"][0]["expected_materials"] = json!([["ALLOW", "*"]]);
            bench.layout["steps"][1]["expected_materials"] = json!([["ALLOW", "*"]]);
        }
        let build = |bench: &Bench, source: &str, package: &str| {
            let packed = [&[("foo.py", source)], makefile].concat();
            [
                signed(&link("write", makefile, &[("foo.py", source)]), &[&bench.writer]),
                signed(&link("package", &packed, &[("foo.tar", package)]), &[&bench.packer]),
            ]
        };
        let own = build(&bench, "own code", "own tar");
        bench.links.here.clear();
        for number in 0..200 {
            for document in build(&bench, &format!("source {number}"), &format!("tar {number}")) {
                bench.add(document);
            }
        }
        // Neither the same once more, nor under another name of a step.
        for _ in 0..200 {
            bench.add(own[0].clone());
        }
        let unknown = signed(&link("test", &[], &[("foo.tar", "own tar")]), &[&bench.packer]);
        bench.add(unknown);
        let missing = of_package(&bench, "own tar").unwrap_err();
        assert_ne!(missing.code(), Code::LimitExceeded, "{missing}");
        bench.add(own[1].clone());
        let chain = of_package(&bench, "own tar").expect("its own links are there");
        assert_eq!(chain.steps.len(), 2, "{common}");
    }
}

/// The keys of a sublayout stand in it, and not in the layout above.
#[test]
fn h36_replayed_links_take_no_place_of_those_of_a_sublayout() {
    let mut bench = Bench::new();
    let helper = TestKey::p256();
    let mut inner = bench.layout.clone();
    inner["keys"] = json!({ "h": listed(&helper) });
    inner["steps"] = json!([{
        "_type": "step", "name": "inner", "threshold": 1, "pubkeys": ["h"], "expected_command": [],
        "expected_materials": [["ALLOW", "*"]], "expected_products": [["ALLOW", "*"]],
    }]);
    let replayed: Vec<Offered> = (0..300)
        .map(|n| {
            let products = [("foo.tar", &*format!("tar {n}"))];
            offered(signed(&link("package", &[], &products), &[&bench.packer]))
        })
        .collect();
    bench.links.here.truncate(1);
    bench.links.here.extend(replayed);
    bench.links.shared = true;
    bench.add(signed(&inner, &[&bench.packer]));
    let made = link("inner", &[("foo.py", "code")], &[("foo.tar", "tar")]);
    bench.add(signed(&made, &[&helper]));
    assert!(of_package(&bench, "tar").is_ok(), "{:?}", of_package(&bench, "tar"));
}

#[test]
fn h36_links_of_strangers_take_no_place() {
    let mut bench = Bench::new();
    let stranger = TestKey::p256();
    for n in 0..5 {
        bench.add(signed(&link("write", &[], &[("evil", &n.to_string())]), &[&stranger]));
    }
    let two = Limits { layout_links: 2, ..Limits::default() };
    assert!(bench.verify_with(&[&bench.owner], Inspections::Proven, &two).is_ok());
}

#[test]
fn the_number_of_links_is_limited_at_n_and_n_plus_one() {
    let bench = Bench::new();
    let two = Limits { layout_links: 2, ..Limits::default() };
    assert!(bench.verify_with(&[&bench.owner], Inspections::Proven, &two).is_ok());
    let one = Limits { layout_links: 1, ..Limits::default() };
    let refused = bench.verify_with(&[&bench.owner], Inspections::Proven, &one);
    assert_eq!(refused.expect_err("more than one").code(), Code::LimitExceeded);
}

#[test]
fn a_link_is_no_layout() {
    let bench = Bench::new();
    let keys = [bench.writer.public.clone()];
    let limits = Limits::default();
    let now = NOW.parse().unwrap();
    let demands = Demands { keys: &keys, now, inspections: Inspections::Proven, limits: &limits };
    let document = &bench.links.here.first().unwrap().document;
    assert_eq!(verify(document, &bench.links, &demands), Err(LayoutError::NoLayout));
}

#[test]
fn an_image_is_proven_missing_or_unproven() {
    let mut bench = Bench::new();
    let image = crate::trust::testing::image();
    let manifest = &image.manifest.document;
    bench.layout["steps"][1]["expected_products"] = json!([["REQUIRE", "image.json"]]);
    let product =
        |content: &[u8]| json!({ "image.json": { "sha256": Digest::sha256(content).hex() } });
    let package = |content: &[u8]| {
        let mut package = link("package", &[("foo.py", "code")], &[]);
        package["products"] = product(content);
        signed(&package, &[&bench.packer])
    };
    let write = signed(&link("write", &[], &[("foo.py", "code")]), &[&bench.writer]);
    let judge_within = |documents: &[&Document], now: &str, checks: usize| {
        let carried: Vec<CarriedLink> = documents
            .iter()
            .map(|document| CarriedLink {
                carrier: crate::attest::Carrier::Label { key: "test".to_owned() },
                file: None,
                document: (*document).clone(),
            })
            .collect();
        let rule = LayoutRule {
            name: "app".to_owned(),
            images: vec!["**".parse().unwrap()],
            layout: std::sync::Arc::new(signed(&bench.layout, &[&bench.owner])),
            keys: vec![bench.owner.public.clone()],
            inspections: Inspections::Proven,
        };
        let limits = Limits { signature_checks: checks, ..Limits::default() };
        let (known, go_on) = (&mut crate::trust::Known::default(), &mut || true);
        let work = &mut crate::trust::Work { limits: &limits, known, go_on };
        let (judged, findings) =
            prove_layouts(&[rule], &carried, &image, now.parse().unwrap(), work);
        let codes: Vec<Code> = findings.iter().map(|finding| finding.code).collect();
        let [judged] = judged.as_slice() else { panic!("{judged:?}") };
        (judged.state.clone(), codes)
    };
    let judge = |documents: &[&Document], now: &str| judge_within(documents, now, 1000);
    let good = package(&manifest.bytes);
    let (state, codes) = judge(&[&write, &good], NOW);
    let LayoutState::Proven(verified) = state else { panic!("{state:?}") };
    assert_eq!((verified.subject(), codes), (&manifest.digest, vec![]));
    let other = package(b"another image");
    let cases: [(&[&Document], &str, &str, Code); 4] = [
        (&[], NOW, "missing", Code::LayoutThreshold),
        (&[&write], NOW, "unproven", Code::LayoutThreshold),
        (&[&write, &other], NOW, "unproven", Code::LayoutProductMissing),
        (&[&write, &good], "2027-01-01T00:00:00Z", "unproven", Code::LayoutExpired),
    ];
    for (documents, now, state, code) in cases {
        let (found, codes) = judge(documents, now);
        assert_eq!((found.name(), codes), (state, vec![code]));
    }
    // Attack H41: copies of good links with more signatures, and links of strangers, before the good ones.
    let crowd: Vec<Document> = (0..40_usize)
        .map(|n| {
            let mut copy = if n % 2 == 0 { write.clone() } else { good.clone() };
            if n % 4 > 1 {
                copy.message.push(b' ');
            }
            let junk = |byte: usize| {
                let bytes = vec![u8::try_from(byte % 256).unwrap(); 70];
                Signature { bytes, ..copy.signatures[0].clone() }
            };
            copy.signatures = (0..16).map(|m| junk(n * 16 + m)).collect();
            copy
        })
        .collect();
    let all: Vec<&Document> = crowd.iter().chain([&write, &good]).collect();
    let (state, codes) = judge_within(&all, NOW, 130);
    assert!(matches!(state, LayoutState::Proven(_)), "{state:?}");
    assert_eq!(codes, [Code::ImageEvidenceLeftOut]);
}
