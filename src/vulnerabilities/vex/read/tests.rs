//! Documents of VEX in each format, well made and not.

use super::*;
use crate::vulnerabilities::vex::{Identity, Platforms, Status};

fn statements(text: &str) -> Result<Vec<Statement>, String> {
    read(text.as_bytes(), &Limits::default()).map_err(|error| error.to_string())
}

const PURL: &str = "pkg:oci/app@sha256%3Aaa?repository_url=r.example/app";

#[test]
fn openvex_is_read_in_each_of_its_forms() {
    let text = r#"{"@context":"https://openvex.dev/ns/v0.2.0","@id":"https://a.example/1","timestamp":"2024-01-01T00:00:00Z","statements":[
        {"vulnerability":{"name":"CVE-1-1","aliases":["GHSA-1"]},"status":"not_affected","justification":"component_not_present",
         "products":[{"@id":"PURL","hashes":{"sha-256":"aa"},"subcomponents":[{"@id":"pkg:npm/a"},{"identifiers":{"purl":"pkg:npm/b@1"}}]}]},
        {"vulnerability":"CVE-1-2","status":"fixed","products":["PURL"],"last_updated":"2025-01-01T00:00:00Z"}]}"#.replace("PURL", PURL);
    let read = statements(&text).unwrap();
    assert_eq!(read[0].vulnerability, ["CVE-1-1", "GHSA-1"]);
    assert_eq!(read[0].products[0].identity.digests, ["aa"]);
    assert_eq!(read[0].products[0].parts[1].purls, ["pkg:npm/b@1"]);
    assert_eq!(read[0].time.unwrap().to_string(), "2024-01-01T00:00:00Z");
    assert_eq!(
        (read[1].status, read[1].time.unwrap().to_string().as_str()),
        (Status::Fixed, "2025-01-01T00:00:00Z")
    );
}

#[test]
fn cyclonedx_says_it_of_its_product_and_its_parts() {
    let text = |state: &str, affects: &str| {
        format!(
            r#"{{"bomFormat":"CycloneDX","specVersion":"1.6","serialNumber":"urn:uuid:1",
        "metadata":{{"timestamp":"2024-01-01T00:00:00Z","component":{{"bom-ref":"app","purl":"{PURL}"}}}},
        "components":[{{"bom-ref":"a","purl":"pkg:npm/a@1","components":[{{"bom-ref":"b","purl":"pkg:npm/b@1"}}]}}],
        "vulnerabilities":[{{"id":"CVE-1-1","references":[{{"id":"GHSA-1"}}],"analysis":{{"state":"{state}","detail":"x"}},"affects":[{{"ref":"{affects}"}}]}}]}}"#
        )
    };
    let one = |state, affects| statements(&text(state, affects)).map(|all| all[0].clone());
    let of_part = one("false_positive", "b").unwrap();
    assert_eq!((of_part.status, of_part.vulnerability.len()), (Status::NotAffected, 2));
    assert_eq!(of_part.products[0].identity.purls, [PURL]);
    assert_eq!(of_part.products[0].parts[0].purls, ["pkg:npm/b@1"]);
    assert!(one("resolved", "app").unwrap().products[0].parts.is_empty());
    assert!(one("in_triage", "urn:cdx:x/1#a").unwrap().products[0].identity.is_empty());
    assert_eq!(
        one("in_triage", "c").unwrap_err(),
        "a vulnerability refers to c, which the document does not define"
    );
    assert_eq!(one("fine", "a").unwrap_err(), "\"fine\" is no status");
    let scanned =
        text("in_triage", "a").replace(r#""analysis":{"state":"in_triage","detail":"x"},"#, "");
    assert_eq!(statements(&scanned).unwrap(), []);
}

#[test]
fn c75_cyclonedx_says_it_of_the_versions_that_it_lists() {
    let read = |state: &str, versions: &str| {
        statements(&format!(
            r#"{{"bomFormat":"CycloneDX","specVersion":"1.6","components":[{{"bom-ref":"a","purl":"pkg:npm/a"}}],
            "vulnerabilities":[{{"id":"CVE-1-1","analysis":{{"state":"{state}","detail":"x"}},"affects":[{{"ref":"a"{versions}}}]}}]}}"#
        ))
    };
    // State, list, and what is said of 1.0.0 and of 2.0.0.
    let unaffected = r#","versions":[{"range":"vers:npm/>=2.0.0","status":"unaffected"}]"#;
    let fixed = r#","versions":[{"range":"vers:npm/<2.0.0","status":"affected"},{"version":"2.0.0","status":"unaffected"}]"#;
    let cases: [(&str, &str, &[Status], &[Status]); 12] = [
        ("not_affected", "", &[Status::NotAffected], &[Status::NotAffected]),
        ("not_affected", r#","versions":null"#, &[Status::NotAffected], &[Status::NotAffected]),
        ("not_affected", unaffected, &[], &[Status::NotAffected]),
        ("resolved", fixed, &[Status::Affected], &[Status::Fixed]),
        // A version without a status is affected, by the schema.
        ("resolved", r#","versions":[{"version":"1.0.0"}]"#, &[Status::Affected], &[]),
        (
            "not_affected",
            r#","versions":[{"version":"1.0.0","status":"unknown"}]"#,
            &[Status::UnderInvestigation],
            &[],
        ),
        ("not_affected", r#","versions":[]"#, &[], &[]),
        ("exploitable", r#","versions":[]"#, &[Status::Affected], &[Status::Affected]),
        ("exploitable", unaffected, &[], &[]),
        ("exploitable", fixed, &[Status::Affected], &[]),
        // What cannot be read suppresses nothing.
        (
            "not_affected",
            r#","versions":[{"version":"1.0.0","range":"vers:npm/*","status":"unaffected"}]"#,
            &[],
            &[],
        ),
        ("not_affected", r#","versions":[{"range":"2.x","status":"unaffected"}]"#, &[], &[]),
    ];
    for (state, versions, old, new) in cases {
        let read = read(state, versions).unwrap();
        let said = |version: &str| -> Vec<Status> {
            let holds = |one: &&Statement| {
                let identity = &one.products[0].identity;
                let versions = identity.versions.as_ref();
                versions.is_none_or(|all| all.hold("npm", version) == Some(true))
            };
            read.iter().filter(holds).map(|one| one.status).collect()
        };
        assert!(!read.is_empty(), "{state} {versions}");
        assert_eq!(said("1.0.0"), old, "{state} {versions}");
        assert_eq!(said("2.0.0"), new, "{state} {versions}");
    }
    let error = read("resolved", r#","versions":[{"version":"1","status":"fine"}]"#).unwrap_err();
    assert_eq!(error, "\"fine\" is no status");
    let many = vec![r#"{"version":"1"}"#; MOST].join(",");
    let error = read("resolved", &format!(r#","versions":[{many}]"#)).unwrap_err();
    assert!(error.contains("more than"), "{error}");
}

#[test]
fn c74_csaf_keeps_the_platform_of_a_package() {
    let text = |names: &str, relations: &str, id: &str| {
        format!(
            r#"{{"document":{{"csaf_version":"2.1","tracking":{{"id":"A-1","current_release_date":"2024-01-01T00:00:00Z"}}}},
            "product_tree":{{"full_product_names":[{names}],"relationships":[{relations}]}},
            "vulnerabilities":[{{"cve":"CVE-1-1","product_status":{{"fixed":["{id}"]}}}}]}}"#
        )
    };
    let name = |id: &str, helper: &str| {
        format!(r#"{{"product_id":"{id}","product_identification_helper":{{{helper}}}}}"#)
    };
    let link = |id: &str, part: &str, whole: &str| {
        format!(
            r#"{{"full_product_name":{{"product_id":"{id}"}},"product_reference":"{part}","relates_to_product_reference":"{whole}"}}"#
        )
    };
    let names = [
        name("el9", r#""cpe":"cpe:/o:redhat:enterprise_linux:9""#),
        name("bare", ""),
        name("m", r#""purl":"pkg:rpmmod/redhat/nodejs@18:1:a""#),
        name("p", r#""purl":"pkg:rpm/redhat/npm","cpe":"cpe:/a:npmjs:npm:8""#),
        name("q", r#""purl":"pkg:rpm/redhat/npm","cpe":"cpe:/o:redhat:enterprise_linux:9""#),
        name("i", r#""purl":"pkg:oci/app@sha256%3Aaa","cpe":"cpe:/a:redhat:openshift:4.12::el9""#),
    ]
    .join(",");
    let (nine, none) =
        (Platforms::alone(Some("cpe:/o:redhat:enterprise_linux:9")), Platforms::alone(None));
    let shift = Platforms::alone(Some("cpe:/a:redhat:openshift:4.12::el9"));
    let mut both = shift.clone();
    both.extend(&nine);
    let cases = [
        (vec![], "p", Platforms::default(), None),
        (vec![], "q", nine.clone(), None),
        (vec![link("x", "p", "el9")], "x", nine.clone(), None),
        (vec![link("x", "p", "bare")], "x", none, None),
        (vec![link("x", "p", "m")], "x", Platforms::default(), None),
        (vec![link("x", "p", "om"), link("om", "m", "el9")], "x", nine.clone(), None),
        (vec![link("mp", "p", "m"), link("x", "mp", "el9")], "x", nine.clone(), None),
        (vec![link("x", "p", "i")], "x", shift.clone(), Some(Platforms::default())),
        (vec![link("op", "p", "el9"), link("x", "op", "i")], "x", shift, Some(nine)),
        (vec![link("x", "i", "el9")], "x", both, None),
    ];
    for (relations, id, want, part) in cases {
        let read = statements(&text(&names, &relations.join(","), id)).unwrap();
        let product = &read[0].products[0];
        assert_eq!(product.identity.platforms, want, "{relations:?}");
        assert_eq!(product.parts.first().map(|one| &one.platforms), part.as_ref(), "{relations:?}");
    }
}

#[test]
fn c74_a_system_that_cyclonedx_is_about_is_the_platform_of_its_parts() {
    let read = statements(
        r#"{"bomFormat":"CycloneDX","specVersion":"1.6",
        "metadata":{"component":{"bom-ref":"os","cpe":"cpe:/o:redhat:enterprise_linux:9"}},
        "components":[{"bom-ref":"a","purl":"pkg:rpm/redhat/a","cpe":"cpe:2.3:a:redhat:a:1:*:*:*:*:*:*:*"}],
        "vulnerabilities":[{"id":"CVE-1-1","analysis":{"state":"not_affected","detail":"x"},"affects":[{"ref":"a"}]}]}"#,
    )
    .unwrap();
    let nine = Platforms::alone(Some("cpe:/o:redhat:enterprise_linux:9"));
    assert_eq!(read[0].products[0].identity.platforms, nine);
}

#[test]
fn c81_a_part_of_a_product_that_is_only_named_is_no_product_itself() {
    let text = |product: &str, components: &str| {
        format!(
            r#"{{"bomFormat":"CycloneDX","specVersion":"1.6"{product},"components":[{components}],
            "vulnerabilities":[{{"id":"CVE-1-1","analysis":{{"state":"not_affected","detail":"x"}},"affects":[{{"ref":"a"}}]}}]}}"#
        )
    };
    let top = |members: &str| {
        format!(r#","metadata":{{"component":{{"bom-ref":"app","type":"container"{members}}}}}"#)
    };
    let a = r#"{"bom-ref":"a","purl":"pkg:npm/a@1"}"#;
    let inside = |members: &str| format!(r#"{{"bom-ref":"app"{members},"components":[{a}]}}"#);
    let os = r#","cpe":"cpe:/o:redhat:enterprise_linux:9""#;
    // What the statement is about, and of which product it is a part.
    let cases = [
        (String::new(), a.to_owned(), "pkg:npm/a@1", None),
        (r#","metadata":{}"#.to_owned(), a.to_owned(), "pkg:npm/a@1", None),
        (top(r#","name":"app""#), a.to_owned(), "pkg:npm/a@1", Some("")),
        (top(r#","name":"app","version":"1""#), a.to_owned(), "pkg:npm/a@1", Some("")),
        (top(r#","cpe":"cpe:/a:acme:app:1""#), a.to_owned(), "pkg:npm/a@1", Some("")),
        (top(r#","purl":"pkg:npm/app@1""#), a.to_owned(), "pkg:npm/a@1", Some("pkg:npm/app@1")),
        (top(os), a.to_owned(), "pkg:npm/a@1", None),
        // A component in another one is a part of that.
        (String::new(), inside(r#","name":"app""#), "pkg:npm/a@1", Some("")),
        (String::new(), inside(r#","purl":"pkg:npm/app@1""#), "pkg:npm/a@1", Some("pkg:npm/app@1")),
        (String::new(), inside(os), "pkg:npm/a@1", None),
    ];
    for (product, components, about, part_of) in cases {
        let text = text(&product, &components);
        let read = statements(&text).unwrap();
        let [product] = read[0].products.as_slice() else { panic!("one product: {text}") };
        let purl = |identity: &Identity| identity.purls.first().cloned().unwrap_or_default();
        let (innermost, whole) = match product.parts.as_slice() {
            [part] => (purl(part), Some(purl(&product.identity))),
            _ => (purl(&product.identity), None),
        };
        assert_eq!((innermost.as_str(), whole.as_deref()), (about, part_of), "{text}");
    }
}

#[test]
fn csaf_defines_what_it_speaks_about() {
    let text = |status: &str, flag: &str| {
        format!(
            r#"{{"document":{{"csaf_version":"2.0","tracking":{{"id":"A-1","current_release_date":"2024-01-01T00:00:00+00:00"}}}},
        "product_tree":{{"branches":[{{"branches":[{{"product":{{"product_id":"os"}}}},{{"product":{{"product_id":"pkg","product_identification_helper":{{"purl":"pkg:rpm/redhat/a@1-1"}}}}}}]}}],
        "relationships":[{{"category":"default_component_of","full_product_name":{{"product_id":"os:pkg"}},"product_reference":"pkg","relates_to_product_reference":"os"}}],
        "product_groups":[{{"group_id":"g","product_ids":["os:pkg"]}}]}},
        "vulnerabilities":[{{"cve":"CVE-1-1","product_status":{{"{status}":["os:pkg"],"recommended":["os:pkg"]}},"flags":[{{"label":"component_not_present","{flag}":["g"]}}]}}]}}"#
        )
    };
    let read = statements(&text("known_not_affected", "group_ids")).unwrap();
    let [one] = read.as_slice() else { panic!("one statement") };
    assert_eq!(
        (one.status, one.justification.as_deref(), one.document.as_str()),
        (Status::NotAffected, Some("component_not_present"), "A-1")
    );
    assert_eq!(one.products[0].identity.purls, ["pkg:rpm/redhat/a@1-1"]);
    assert_eq!(
        statements(&text("known_not_affected", "product_ids")).unwrap_err(),
        "a flag refers to g, which the document does not define"
    );
    assert_eq!(
        statements(&text("known_unknown", "group_ids")).unwrap_err(),
        "\"known_unknown\" is no status"
    );
    let twice = text("fixed", "group_ids").replace(r#""product_id":"os""#, r#""product_id":"pkg""#);
    assert_eq!(statements(&twice).unwrap_err(), "pkg is defined twice");
    let missing = text("fixed", "group_ids")
        .replace(r#""product_reference":"pkg""#, r#""product_reference":"x""#);
    assert_eq!(
        statements(&missing).unwrap_err(),
        "a relationship refers to x, which the document does not define"
    );
}

#[test]
fn csaf_names_the_package_of_a_module_and_the_part_of_an_image() {
    let text = |version: &str, tree: &str, id: &str| {
        format!(
            r#"{{"document":{{"csaf_version":"{version}","tracking":{{"id":"A-1","current_release_date":"2024-01-01T00:00:00Z"}}}},
            "product_tree":{{{tree}}},"vulnerabilities":[{{"cve":"CVE-1-1","product_status":{{"fixed":["{id}"]}}}}]}}"#
        )
    };
    let link = |id: &str, own: &str, part: &str, whole: &str| {
        format!(
            r#"{{"full_product_name":{{"product_id":"{id}","product_identification_helper":{{{own}}}}},"product_reference":"{part}","relates_to_product_reference":"{whole}"}}"#
        )
    };
    let names = r#""full_product_names":[{"product_id":"os"},
        {"product_id":"m","product_identification_helper":{"purl":"pkg:rpmmod/redhat/nodejs@18:1:a"}},
        {"product_id":"p","product_identification_helper":{"purl":"pkg:rpm/redhat/npm"}},
        {"product_id":"i","product_identification_helper":{"purls":["pkg:oci/app"],"hashes":[{"filename":"x","file_hashes":[{"algorithm":"SHA256","value":"aa"}]}]}}]"#;
    let of_module = "pkg:rpm/redhat/npm?rpmmod=nodejs:18";
    let links = |all: &[String]| format!(r#"{names},"relationships":[{}]"#, all.join(","));
    let cases: [(String, &str, &str, &[&str]); 6] = [
        (links(&[link("x", "", "p", "os:m"), link("os:m", "", "m", "os")]), "x", of_module, &[]),
        (links(&[link("m:p", "", "p", "m"), link("x", "", "m:p", "os")]), "x", of_module, &[]),
        (
            links(&[link("m:p", "", "p", "m"), link("x", "", "m:p", "i")]),
            "x",
            "pkg:oci/app",
            &[of_module],
        ),
        (
            links(&[link("os:p", "", "p", "os"), link("x", "", "os:p", "i")]),
            "x",
            "pkg:oci/app",
            &["pkg:rpm/redhat/npm"],
        ),
        (
            links(&[link("x", r#""purl":"pkg:rpm/redhat/npm@1""#, "p", "i")]),
            "x",
            "pkg:oci/app",
            &["pkg:rpm/redhat/npm@1"],
        ),
        (
            links(&[link("x", r#""purl":"pkg:rpm/redhat/npm@1""#, "p", "os")]),
            "x",
            "pkg:rpm/redhat/npm@1",
            &[],
        ),
    ];
    let plain = |purl: &str| purl.replace("%3A", ":");
    for (tree, id, want, parts) in cases {
        let read = statements(&text("2.1", &tree, id)).unwrap();
        let product = &read[0].products[0];
        let got: Vec<String> = product.identity.purls.iter().map(|purl| plain(purl)).collect();
        assert_eq!(got, [want], "{tree}");
        let got: Vec<String> =
            product.parts.iter().flat_map(|part| &part.purls).map(|purl| plain(purl)).collect();
        assert_eq!(got, parts, "{tree}");
    }
    let digest = statements(&text("2.0", names, "i")).unwrap();
    assert_eq!(digest[0].products[0].identity.digests, ["aa"]);
    let circle = links(&[link("x", "", "y", "os"), link("y", "", "x", "os")]);
    assert_eq!(statements(&text("2.0", &circle, "x")).unwrap_err(), "x is part of itself");
}

#[test]
fn every_context_of_openvex_is_known_and_no_other() {
    let read = |context: &str| {
        statements(&format!(
            r#"{{"@context":{context},"@id":"x","statements":[{{"vulnerability":"CVE-1-1","status":"fixed","products":["pkg:oci/app"]}}]}}"#
        ))
    };
    for known in [
        r#""https://openvex.dev/ns""#,
        r#""https://openvex.dev/ns/""#,
        r#""https://openvex.dev/ns/v0.0.1""#,
        r#""https://openvex.dev/ns/v0.2.0""#,
        r#""https://openvex.dev/ns/v0.2.0/""#,
        r#""https://openvex.dev/ns/v0.2""#,
        r#"["https://openvex.dev/ns/v0.2.0"]"#,
        r#"["https://openvex.dev/ns/v0.2.0","https://a.example/ours"]"#,
    ] {
        assert!(read(known).is_ok(), "{known}");
    }
    for other in [
        r#""https://openvex.dev/nsx""#,
        r#""https://openvex.dev/ns/v1.0.0""#,
        r#""https://openvex.dev/ns/v0.""#,
        r#""https://openvex.dev/ns/v0.2.0.1""#,
        r#"[]"#,
        r#"["https://a.example/ours"]"#,
        r#"["https://openvex.dev/ns/v0.2.0",{"status":"https://a.example/other"}]"#,
        r#"{"@vocab":"https://openvex.dev/ns"}"#,
    ] {
        assert!(read(other).is_err(), "{other}");
    }
}

#[test]
fn parts_of_a_statement_are_those_of_its_products() {
    let text = r#"{"@context":"https://openvex.dev/ns","@id":"x","statements":[{"vulnerability":"CVE-1-1","status":"not_affected",
        "justification":"JUST","products":["pkg:oci/app",{"@id":"pkg:oci/b","subcomponents":[{"@id":"pkg:npm/b"}]}],"subcomponents":["pkg:npm/a"]}]}"#;
    let read = statements(&text.replace("JUST", "component_not_present")).unwrap();
    let parts: Vec<_> = read[0].products.iter().map(|one| one.parts[0].purls[0].as_str()).collect();
    assert_eq!(parts, ["pkg:npm/a", "pkg:npm/b"]);
    let error = statements(&text.replace("JUST", "it is fine")).unwrap_err();
    assert_eq!(error, "\"it is fine\" is no justification");
}

#[test]
fn what_is_none_of_them_is_refused() {
    for text in [
        "{}",
        "[]",
        r#"{"@context":"https://a.example"}"#,
        r#"{"@context":"https://openvex.dev/ns","@id":"x","statements":[]}"#,
        r#"{"@context":"https://openvex.dev/ns","@id":"x","statements":[{"vulnerability":"CVE-1-1","status":"maybe"}]}"#,
        r#"{"@context":"https://openvex.dev/ns","@id":"x","timestamp":"yesterday","statements":[{"vulnerability":"CVE-1-1","status":"fixed"}]}"#,
        r#"{"bomFormat":"CycloneDX","specVersion":"9.9"}"#,
        r#"{"document":{"csaf_version":"3.0","tracking":{"id":"x","current_release_date":"2024-01-01T00:00:00Z"}}}"#,
    ] {
        assert!(statements(text).is_err(), "{text}");
    }
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_statements_or_refused(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
        let _ = read(&bytes, &Limits::default());
    }
}
