//! Documents of VEX in each format, well made and not.

use super::*;
use crate::vulnerabilities::vex::Status;

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
