//! Both SBOM formats, read into the one model, and what is refused.

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn read(document: &Value) -> Result<Sbom, SbomError> {
    parse(document.to_string().as_bytes(), &Limits::default())
}

fn names(sbom: &Sbom) -> Vec<String> {
    sbom.components.iter().map(|c| c.name.clone()).collect()
}

fn spdx(packages: impl Into<Value>) -> Value {
    let packages: Value = packages.into();
    json!({
        "spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT", "name": "app",
        "creationInfo": {"created": "2026-01-02T03:04:05Z", "creators": ["Tool: syft-1.0", "Organization: x"]},
        "packages": packages,
        "relationships": [{
            "spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": "SPDXRef-root",
        }],
    })
}

fn purl(locator: &str) -> Value {
    json!([{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": locator}])
}

#[test]
fn spdx_gives_packages_without_what_stands_for_the_image() {
    let digest = Digest::sha256(b"image");
    let sbom = read(&spdx(json!([
        {"SPDXID": "SPDXRef-root", "name": "registry.example/app", "versionInfo": digest.to_string(),
         "checksums": [{"algorithm": "SHA512", "checksumValue": "AB".repeat(64)}], "primaryPackagePurpose": "CONTAINER"},
        {"SPDXID": "SPDXRef-os", "name": "debian", "primaryPackagePurpose": "OPERATING-SYSTEM"},
        {"SPDXID": "SPDXRef-file", "name": "/etc/passwd", "primaryPackagePurpose": "FILE"},
        {"SPDXID": "SPDXRef-a", "name": "zlib1g", "versionInfo": "1:1.2",
         "externalRefs": purl("pkg:deb/debian/zlib1g@1%3A1.2?arch=amd64")},
        {"SPDXID": "SPDXRef-b", "name": "odd", "externalRefs": purl("no purl")},
        {"SPDXID": "SPDXRef-c", "name": "busybox", "versionInfo": "1.35.0"},
    ])))
    .expect("it is SPDX");
    assert_eq!(names(&sbom), ["busybox", "odd", "zlib1g"]);
    let ecosystems: Vec<_> = sbom.components.iter().map(|c| c.ecosystem.as_deref()).collect();
    assert_eq!(ecosystems, [None, None, Some("deb")]);
    assert_eq!(sbom.names_image.len(), 2);
    assert!(sbom.names_image.contains(&digest));
    assert_eq!((sbom.format.as_str(), sbom.tools), ("SPDX-2.3", vec!["syft-1.0".to_owned()]));
}

/// Package URLs of components, in order.
fn purls(sbom: &Sbom) -> Vec<&str> {
    sbom.components.iter().filter_map(|one| one.purl.as_deref()).collect()
}

/// A graph of SPDX 3 with one package of these members.
fn spdx_3(members: Value) -> Value {
    let mut package =
        json!({"type": "software_Package", "spdxId": "urn:a", "creationInfo": "_:c", "name": "a"});
    package.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    json!({"@context": "https://spdx.org/rdf/3.0.1/spdx-context.jsonld", "@graph": [
        {"type": "CreationInfo", "@id": "_:c", "specVersion": "3.0.1", "created": "2026-01-02T03:04:05Z",
         "createdBy": ["urn:who"]},
        {"type": "Organization", "spdxId": "urn:who", "creationInfo": "_:c", "name": "ACME"},
        {"type": "SpdxDocument", "spdxId": "urn:doc", "creationInfo": "_:c", "name": "app", "rootElement": ["urn:who"]},
        package,
    ]})
}

#[test]
fn c95_every_package_url_of_a_component_counts() {
    let (good, evil) = ("pkg:npm/good@1", "pkg:npm/evil@1");
    let mut refs = purl(good);
    let more = [purl(evil), purl(good)].map(|one| one[0].clone());
    refs.as_array_mut().unwrap().extend(more);
    let two = read(&spdx(json!([{"SPDXID": "SPDXRef-a", "name": "a", "externalRefs": refs}])));
    assert_eq!(purls(&two.expect("it is SPDX")), [evil, good]);
    let other = json!([{"type": "ExternalIdentifier", "externalIdentifierType": "packageUrl", "identifier": evil}]);
    let two = read(&spdx_3(json!({"software_packageUrl": good, "externalIdentifier": other})));
    assert_eq!(purls(&two.expect("it is SPDX 3")), [evil, good]);
    let limits = Limits { packages: 1, ..Limits::default() };
    let listed = json!([{"SPDXID": "SPDXRef-a", "name": "a", "externalRefs": refs}]);
    let many = parse(spdx(listed).to_string().as_bytes(), &limits);
    assert!(matches!(many, Err(SbomError::TooMany { .. })), "{many:?}");
}

#[test]
fn c96_what_has_the_package_url_of_a_package_is_one_whatever_its_purpose() {
    let evil = "pkg:npm/evil@1";
    for purpose in ["FILE", "OPERATING_SYSTEM", "OPERATING-SYSTEM"] {
        let package = json!({"SPDXID": "SPDXRef-a", "name": "a", "primaryPackagePurpose": purpose,
            "externalRefs": purl(evil)});
        let sbom = read(&spdx(json!([package]))).expect("it is SPDX");
        assert_eq!(purls(&sbom), [evil], "{purpose}");
    }
    for purpose in ["file", "operatingSystem"] {
        let members = json!({"software_packageUrl": evil, "software_primaryPurpose": purpose});
        let sbom = read(&spdx_3(members)).expect("it is SPDX 3");
        assert_eq!(purls(&sbom), [evil], "{purpose}");
    }
    for kind in ["file", "operating-system", "device", "data"] {
        let sbom = read(&json!({"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1,
            "components": [{"type": kind, "name": "a", "version": "1", "purl": evil}]}));
        assert_eq!(purls(&sbom.expect("it is CycloneDX")), [evil], "{kind}");
    }
}

#[test]
fn types_of_references_may_be_uris() {
    let mut refs = purl("pkg:npm/a@1");
    refs[0]["referenceType"] = json!("http://spdx.org/rdf/references/purl");
    let sbom = read(&spdx(json!([{"SPDXID": "SPDXRef-a", "name": "a", "externalRefs": refs}])));
    assert_eq!(sbom.expect("it is SPDX").components[0].ecosystem.as_deref(), Some("npm"));
}

#[test]
fn a_comment_may_say_that_the_list_is_partial() {
    for (comment, want) in [
        ("This list is Incomplete.", Some("incomplete")),
        ("a partial list: only the distribution's packages", Some("incomplete")),
        ("incomplete", Some("incomplete")),
        ("pip and npm: PARTIAL", Some("incomplete")),
        ("\u{e9}incomplete\u{e9}", Some("incomplete")),
        ("impartial", None),
        ("partially, incompleted, 1partial, complete", None),
        ("p", None),
        ("", None),
    ] {
        let mut document = spdx(json!([{"SPDXID": "SPDXRef-a", "name": "a"}]));
        document["comment"] = json!(comment);
        let sbom = read(&document).expect("it is SPDX");
        assert_eq!(sbom.completeness.word(), want, "{comment}");
    }
}

#[test]
fn a_described_package_with_a_purl_of_its_own_is_a_component() {
    let sbom = read(&spdx(json!([
        {"SPDXID": "SPDXRef-root", "name": "left-pad", "externalRefs": purl("pkg:npm/left-pad@1.3.0")},
    ])));
    assert_eq!(names(&sbom.expect("one component")), ["left-pad"]);
}

#[test]
fn cyclonedx_gives_nested_components_with_their_scope_and_files_apart() {
    for version in ["1.2", "1.3", "1.4", "1.5", "1.6", "1.7"] {
        let tools = match version {
            "1.2" | "1.3" | "1.4" => json!([{"vendor": "x", "name": "syft", "version": "1.0"}]),
            _ => json!({"components": [{"type": "application", "name": "syft", "version": "1.0"}]}),
        };
        let digest = Digest::sha256(b"image");
        let sbom = read(&json!({
            "bomFormat": "CycloneDX", "specVersion": version, "version": 1,
            "metadata": {
                "timestamp": "2026-01-02T03:04:05Z", "tools": tools,
                "component": {"type": "container", "name": "app", "version": digest.to_string(),
                              "components": [{"type": "library", "name": "inner", "version": "1"}]},
            },
            "components": [
                {"type": "operating-system", "name": "alpine", "version": "3.20", "purl": "pkg:generic/alpine@3.20"},
                {"type": "file", "name": "/bin/sh", "version": "1",
                 "hashes": [{"alg": "SHA-256", "content": digest.to_string().replace("sha256:", "")}]},
                {"type": "library", "name": "dev", "version": "1", "scope": "excluded"},
                {"type": "library", "group": "org.x", "name": "outer", "version": "1", "purl": "pkg:maven/org.x/outer@1",
                 "components": [{"type": "library", "name": "deep", "version": "1", "components": [
                     {"type": "library", "name": "deeper", "version": "1"},
                 ]}]},
            ],
        }))
        .unwrap_or_else(|e| panic!("{version}: {e}"));
        assert_eq!(names(&sbom), ["deep", "deeper", "dev", "inner", "org.x/outer"], "{version}");
        let excluded = sbom.components.iter().filter(|c| c.scope == Scope::Excluded);
        assert_eq!(excluded.map(|c| c.name.as_str()).collect::<Vec<_>>(), ["dev"], "{version}");
        let file = ListedFile { path: "/bin/sh".to_owned(), digest: digest.clone() };
        assert_eq!(sbom.files, [file], "{version}");
        assert_eq!(sbom.names_image, [digest], "{version}");
        assert_eq!(sbom.tools, ["syft 1.0"], "{version}");
    }
}

#[test]
fn what_is_no_sbom_is_an_error_that_says_so() {
    let root = json!({"SPDXID": "SPDXRef-root", "name": "app"});
    let cases = [
        (json!({}), "neither SPDX"),
        (json!([]), "no JSON object"),
        (
            json!({"@context": "https://spdx.org/rdf/3.0.1/spdx-context.jsonld"}),
            "there is no @graph",
        ),
        (json!({"@context": "https://spdx.org/rdf/3.1/spdx-context.jsonld"}), "is not supported"),
        (
            json!({"@context": ["https://spdx.org/rdf/3.0.1/spdx-context.jsonld", {}]}),
            "not SPDX's alone",
        ),
        (json!({"@context": []}), "not SPDX's alone"),
        (json!({"@context": {"@vocab": "https://spdx.org/rdf/3.0.1/terms/"}}), "not SPDX's alone"),
        (
            json!({"@context": ["https://spdx.org/rdf/3.0.1/spdx-context.jsonld", "https://a.example/ours"]}),
            "not SPDX's alone",
        ),
        (
            json!({"@context": ["https://spdx.org/rdf/3.0.1/spdx-context.jsonld"]}),
            "there is no @graph",
        ),
        (
            json!({"@context": "https://spdx.org/rdf/3.0.2/spdx-context.jsonld"}),
            "there is no @graph",
        ),
        (json!({"@context": "https://spdx.org/rdf/3.0.x/spdx-context.jsonld"}), "is not supported"),
        (
            json!({"bomFormat": "CycloneDX", "specVersion": 1.5}),
            "CycloneDX version \"1.5\" is not supported",
        ),
        (json!({"spdxVersion": "SPDX-3.0"}), "SPDX version \"SPDX-3.0\" is not supported"),
        (json!({"spdxVersion": 2}), "is not supported"),
        (spdx(json!([])), "lists no component"),
        (spdx(json!([root])), "lists no component"),
        (spdx(json!([{"name": "no id"}])), "malformed: missing field `SPDXID`"),
        (spdx(json!("x")), "malformed"),
        (json!({"bomFormat": "CycloneDX"}), "CycloneDX version \"\" is not supported"),
        (json!({"bomFormat": "CycloneDX", "specVersion": "1.8"}), "\"1.8\" is not supported"),
        (json!({"bomFormat": "Other", "specVersion": "1.5"}), "bomFormat is \"Other\""),
        (json!({"bomFormat": "CycloneDX", "specVersion": "1.5"}), "lists no component"),
        (
            json!({"bomFormat": "CycloneDX", "specVersion": "1.5", "components": [{"type": "library"}]}),
            "malformed: missing field `name`",
        ),
    ];
    for (document, want) in cases {
        let error = read(&document).expect_err(&document.to_string()).to_string();
        assert!(error.contains(want), "{document}: {error}");
    }
    assert!(parse(b"SPDXVersion: SPDX-2.3", &Limits::default()).is_err());
    assert!(parse(br#"{"spdxVersion":"SPDX-2.3","spdxVersion":"x"}"#, &Limits::default()).is_err());
}

#[test]
fn predicates_are_the_document_or_wrap_it() {
    let document = spdx(json!([{"SPDXID": "SPDXRef-a", "name": "a"}]));
    let limits = Limits::default();
    for predicate in
        [document.clone(), json!({"Data": document}), json!({"Data": document.to_string()})]
    {
        let sbom = from_predicate(&predicate.into(), &limits).expect("it holds SPDX");
        assert_eq!(names(&sbom), ["a"]);
        assert_eq!(sbom.document, Digest::sha256(document.to_string().as_bytes()));
    }
    assert!(from_predicate(&json!({"Data": "{"}).into(), &limits).is_err());
}

#[test]
fn the_limit_of_packages_holds_at_n_and_n_plus_one() {
    let limits = Limits { packages: 2, ..Limits::default() };
    let too_many = |r| matches!(r, Err(SbomError::TooMany { found: 3, limit: 2 }));
    let items = |n: usize| (0..n).map(|i| json!({"type": "library", "name": i.to_string()}));
    let bom = |items: Vec<Value>| json!({"bomFormat": "CycloneDX", "specVersion": "1.4", "version": 1, "components": items});
    let packages = |n: usize| {
        spdx(
            (0..n)
                .map(|i| json!({"SPDXID": format!("SPDXRef-{i}"), "name": "a"}))
                .collect::<Value>(),
        )
    };
    let read = |document: Value| parse(document.to_string().as_bytes(), &limits);
    assert!(read(packages(2)).is_ok());
    assert!(too_many(read(packages(3))));
    assert!(read(bom(items(2).collect())).is_ok());
    assert!(too_many(read(bom(items(3).collect()))));
    let nested =
        json!({"type": "library", "name": "a", "components": items(2).collect::<Vec<_>>()});
    assert!(too_many(read(bom(vec![nested]))));
}

fn conformance(area: &str) -> Option<PathBuf> {
    let root = std::env::var("HALLMARK_CONFORMANCE").unwrap_or("../shared/conformance".to_owned());
    let folder = Path::new(&root).join(area);
    if !folder.join("CASES.tsv").exists() {
        eprintln!("skipped: {} is not there", folder.display());
        return None;
    }
    Some(folder)
}

/// Cases of an area: name, expected verdict, the document's bytes.
fn cases(folder: &Path) -> Vec<(String, String, Vec<u8>)> {
    let table = std::fs::read_to_string(folder.join("CASES.tsv")).expect("the table is text");
    let rows = table.lines().skip(1).filter_map(|line| {
        let mut fields = line.split('\t');
        let (name, expect) = (fields.next()?, fields.next()?);
        let inputs: Value = serde_json::from_str(fields.next()?).ok()?;
        let bytes = std::fs::read(folder.join(inputs.get("sbom")?.as_str()?)).ok()?;
        Some((name.to_owned(), expect.to_owned(), bytes))
    });
    rows.collect()
}

#[test]
fn the_bounds_of_a_document_hold_at_n_and_n_plus_one() {
    let document = |relations: usize| {
        let relation = json!({"spdxElementId": "SPDXRef-a", "relationshipType": "DEPENDS_ON", "relatedSpdxElement": "SPDXRef-a"});
        let mut document = spdx(json!([{"SPDXID": "SPDXRef-a", "name": "a"}]));
        document["relationships"] = vec![relation; relations].into();
        document.to_string()
    };
    let text = document(3);
    let with = |limits: Limits| parse(text.as_bytes(), &limits);
    let bytes = |sbom_bytes| with(Limits { sbom_bytes, ..Limits::default() });
    assert!(bytes(text.len()).is_ok());
    let error = bytes(text.len() - 1).unwrap_err().to_string();
    assert!(error.contains("limits.sbomBytes"), "{error}");
    let relations = |sbom_relationships| with(Limits { sbom_relationships, ..Limits::default() });
    assert!(relations(3).is_ok(), "a package that depends on itself does no harm");
    let error = relations(2).unwrap_err().to_string();
    assert!(error.contains("limits.sbomRelationships"), "{error}");
    let values = |sbom_values| with(Limits { sbom_values, ..Limits::default() });
    let enough = (1..200).find(|values_| values(*values_).is_ok()).unwrap();
    let error = values(enough - 1).unwrap_err().to_string();
    assert!(error.contains("limits.sbomValues"), "{error}");
}

#[test]
fn hostile_documents_are_refused_with_their_reason() {
    let bom = |inside: &str| {
        format!(r#"<bom xmlns="http://cyclonedx.org/schema/bom/1.6" version="1">{inside}</bom>"#)
    };
    let deep = "<components><component type=\"library\"><name>a</name>".repeat(60);
    let cases: &[(String, &str)] = &[
        (bom("<components>").replace("</bom>", ""), "ends inside an element"),
        (format!("<!DOCTYPE bom [<!ENTITY a \"b\">]>{}", bom("")), "document type definition"),
        (bom("<metadata><timestamp>&a;</timestamp></metadata>"), "entity &a;"),
        (bom(&deep), "nested deeper"),
        (bom("<metadata><x/></metadata>"), "metadata has no member"),
        (bom("<components/><components/>"), "stands twice"),
        (bom("").replace("/1.6", "/2.0"), "version \"2.0\" is not supported"),
        (bom("").replace("cyclonedx.org", "example.org"), "its root is bom"),
        (
            "<rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\"/>".to_owned(),
            "RDF are not supported",
        ),
        ("spdxVersion: SPDX-2.3\npackages: []\n".to_owned(), "YAML are not supported"),
        ("SPDXID: SPDXRef-DOCUMENT\n".to_owned(), "YAML are not supported"),
    ];
    for (text, want) in cases {
        let error = parse(text.as_bytes(), &Limits::default()).expect_err(text).to_string();
        assert!(error.contains(want), "{text:.200}: {error}");
    }
    let long = "x".repeat(70_000);
    let error =
        read(&spdx(json!([{"SPDXID": "SPDXRef-a", "name": long}]))).unwrap_err().to_string();
    assert!(error.contains("a text of 70000 bytes"), "{error}");
    let error = parse(b"{\"a\": \"\xff\"}", &Limits::default()).unwrap_err().to_string();
    assert!(error.contains("no UTF-8 text (byte 7)"), "{error}");
    let twice = json!([{"SPDXID": "SPDXRef-a", "name": "a"}, {"SPDXID": "SPDXRef-a", "name": "b"}]);
    let error = read(&spdx(twice)).unwrap_err().to_string();
    assert!(error.contains("two packages have the SPDXID"), "{error}");
}

#[test]
fn numbers_and_schemas_are_held_against_the_schema_of_the_version() {
    let text = |version: &str, members: &str| {
        format!(
            r#"{{"bomFormat":"CycloneDX","specVersion":"{version}",{members},"components":[{{"type":"library","name":"a","version":"1"}}]}}"#
        )
    };
    let own = |minor: u8| {
        format!(r#""version":1,"$schema":"http://cyclonedx.org/schema/bom-1.{minor}.schema.json""#)
    };
    for (version, members, want) in [
        ("1.6", r#""version":1"#.to_owned(), None),
        ("1.6", r#""version":1.0"#.to_owned(), None),
        ("1.6", r#""version":2e1"#.to_owned(), None),
        ("1.6", r#""version":1.5"#.to_owned(), Some("1.5 is no integer")),
        ("1.6", r#""version":"1""#.to_owned(), Some("invalid type")),
        ("1.6", r#""version":0"#.to_owned(), Some("version is less than 1")),
        ("1.5", r#""version":-1"#.to_owned(), Some("version is less than 1")),
        ("1.4", r#""version":0"#.to_owned(), None),
        ("1.4", own(4), None),
        ("1.5", own(5), None),
        ("1.5", own(4), Some("$schema is")),
        ("1.4", r#""version":1,"$schema":"x""#.to_owned(), Some("$schema is")),
        ("1.6", r#""version":1,"$schema":"x""#.to_owned(), None),
        ("1.6", r#""version":1,"$schema":1"#.to_owned(), Some("invalid type")),
    ] {
        let read = parse(text(version, &members).as_bytes(), &Limits::default());
        match (read, want) {
            (Ok(_), None) => {}
            (Err(error), Some(want)) => {
                assert!(error.to_string().contains(want), "{version} {members}: {error}");
            }
            (read, _) => panic!("{version} {members}: {read:?}"),
        }
    }
}

#[test]
fn only_elements_of_the_namespace_of_the_root_are_of_the_document() {
    let bom = |attributes: &str, inside: &str| {
        format!(
            r#"<bom xmlns="http://cyclonedx.org/schema/bom/1.6" {attributes}><components><component type="library"><name>a</name>{inside}</component></components></bom>"#
        )
    };
    let read = |text: &str| parse(text.as_bytes(), &Limits::default()).map(|sbom| names(&sbom));
    let inside = |namespace: &str| {
        format!(
            r#"<x:components xmlns:x="{namespace}"><x:component type="library"><x:name>b</x:name></x:component></x:components>"#
        )
    };
    let both = Ok(vec!["a".to_owned(), "b".to_owned()]);
    let one = Ok(vec!["a".to_owned()]);
    assert_eq!(read(&bom("version=\"1\"", &inside("http://cyclonedx.org/schema/bom/1.6"))), both);
    for other in
        ["http://cyclonedx.org/schema/bom/1.6x", "http://cyclonedx.org/schema/bom/", "urn:x"]
    {
        assert_eq!(read(&bom("version=\"1\"", &inside(other))), one, "{other}");
    }
    let error = read(&bom("version=\"1\"", &inside("http://cyclonedx.org/schema/bom/1.5")));
    let error = error.unwrap_err().to_string();
    assert!(error.contains("of CycloneDX 1.5 stands in a document of 1.6"), "{error}");
    for version in ["1", "+1", "01", "3"] {
        assert_eq!(read(&bom(&format!("version=\"{version}\""), "")), one, "{version}");
    }
    for version in ["0", "1.0", "x", ""] {
        assert!(read(&bom(&format!("version=\"{version}\""), "")).is_err(), "{version}");
    }
}

#[test]
fn xml_says_what_json_says() {
    let xml = r#"<?xml version="1.0" encoding="UTF-8"?>
        <!-- by hand --><b:bom xmlns:b="http://cyclonedx.org/schema/bom/1.4" version="1" serialNumber="urn:uuid:3e671687-395b-41f5-a30f-a58921a69b79">
        <b:metadata><b:timestamp>2026-01-02T03:04:05Z</b:timestamp><b:tools><b:tool><b:name>syft</b:name><b:version>1</b:version></b:tool></b:tools>
        <b:component type="container" bom-ref="r"><b:name>app</b:name></b:component></b:metadata>
        <b:components><b:component type="library" bom-ref="a"><b:name>a&amp;b&#65;</b:name><b:version><![CDATA[1.0]]></b:version>
        <b:licenses><b:license><b:id>MIT</b:id></b:license></b:licenses><b:purl>pkg:npm/a@1.0</b:purl>
        <x:other xmlns:x="urn:x"><x:name>b</x:name></x:other></b:component></b:components>
        <b:dependencies><b:dependency ref="r"><b:dependency ref="a"/></b:dependency></b:dependencies></b:bom>"#;
    let json = json!({
        "bomFormat": "CycloneDX", "specVersion": "1.4", "version": 1,
        "serialNumber": "urn:uuid:3e671687-395b-41f5-a30f-a58921a69b79",
        "metadata": {"timestamp": "2026-01-02T03:04:05Z", "tools": [{"name": "syft", "version": "1"}],
                     "component": {"type": "container", "bom-ref": "r", "name": "app"}},
        "components": [{"type": "library", "bom-ref": "a", "name": "a&bA", "version": "1.0",
                        "licenses": [{"license": {"id": "MIT"}}], "purl": "pkg:npm/a@1.0"}],
        "dependencies": [{"ref": "r", "dependsOn": ["a"]}],
    });
    let read_xml = parse(xml.as_bytes(), &Limits::default()).expect("it is CycloneDX");
    let read_json = read(&json).expect("it is CycloneDX");
    assert_eq!(Sbom { document: read_json.document.clone(), ..read_xml }, read_json);
}

#[test]
fn spdx_3_gives_packages_of_its_graph() {
    let digest = Digest::sha256(b"image");
    let hex = digest.to_string().replace("sha256:", "");
    let relation = |from: &str, kind: &str, to: &[&str]| {
        json!({"type": "Relationship", "spdxId": format!("urn:{from}{kind}"), "creationInfo": "_:c",
               "from": from, "relationshipType": kind, "to": to, "completeness": "complete"})
    };
    let document = json!({"@context": "https://spdx.org/rdf/3.0.1/spdx-context.jsonld", "@graph": [
        {"type": "CreationInfo", "@id": "_:c", "specVersion": "3.0.1", "created": "2026-01-02T03:04:05Z",
         "createdBy": ["urn:who"], "createdUsing": "urn:tool"},
        {"type": "Organization", "spdxId": "urn:who", "creationInfo": "_:c", "name": "ACME"},
        {"type": "Tool", "spdxId": "urn:tool", "creationInfo": "_:c", "name": "syft 1.57"},
        {"type": "SpdxDocument", "spdxId": "urn:doc", "creationInfo": "_:c", "name": "app", "rootElement": ["urn:sbom"]},
        {"type": "software_Sbom", "spdxId": "urn:sbom", "creationInfo": "_:c", "rootElement": ["urn:root"]},
        {"type": "software_Package", "spdxId": "urn:root", "creationInfo": "_:c", "name": "app",
         "software_primaryPurpose": "container", "verifiedUsing": [{"type": "Hash", "algorithm": "sha256", "hashValue": hex}]},
        {"type": "software_Package", "spdxId": "urn:a", "creationInfo": "_:c", "name": "zlib1g", "suppliedBy": "urn:who",
         "software_packageVersion": "1", "software_packageUrl": "pkg:deb/debian/zlib1g@1"},
        {"type": "software_Package", "spdxId": "urn:b", "creationInfo": "_:c", "name": "gcc",
         "externalIdentifier": [{"type": "ExternalIdentifier", "externalIdentifierType": "packageUrl", "identifier": "pkg:deb/debian/gcc@1"}]},
        {"type": "software_File", "spdxId": "urn:f", "creationInfo": "_:c", "name": "./bin/sh",
         "verifiedUsing": [{"type": "Hash", "algorithm": "sha256", "hashValue": hex}]},
        relation("urn:root", "contains", &["urn:a", "urn:f"]),
        {"type": "LifecycleScopedRelationship", "spdxId": "urn:r", "creationInfo": "_:c", "from": "urn:root",
         "relationshipType": "dependsOn", "to": ["urn:b"], "scope": "build"},
        {"type": "simplelicensing_LicenseExpression", "spdxId": "urn:l", "creationInfo": "_:c",
         "simplelicensing_licenseExpression": "Zlib"},
        relation("urn:a", "hasConcludedLicense", &["urn:l"]),
    ]});
    let sbom = read(&document).expect("it is SPDX 3");
    let listed: Vec<_> = sbom
        .components
        .iter()
        .map(|c| (c.name.as_str(), c.ecosystem.as_deref(), c.scope))
        .collect();
    assert_eq!(
        listed,
        [("gcc", Some("deb"), Scope::Build), ("zlib1g", Some("deb"), Scope::Runtime)]
    );
    assert_eq!(sbom.names_image, std::slice::from_ref(&digest));
    assert_eq!(sbom.files, [ListedFile { path: "/bin/sh".to_owned(), digest }]);
    assert_eq!((sbom.format.as_str(), sbom.completeness), ("SPDX-3.0.1", Completeness::Complete));
    assert_eq!((sbom.name.as_deref(), sbom.tools), (Some("app"), vec!["syft 1.57".to_owned()]));
    assert_eq!(sbom.components[1].licence.as_deref(), Some("Zlib"));
    assert!(sbom.components[1].stated.given.has(Element::Supplier));
}

#[test]
fn what_a_document_is_about_is_read_from_its_main_component() {
    let about = |main: Value, phases: Value| {
        let document = json!({"bomFormat": "CycloneDX", "specVersion": "1.6", "metadata": {"component": main, "lifecycles": phases},
            "components": [{"type": "library", "name": "a"}, {"type": "library", "name": "b"}]});
        read(&document).unwrap().about
    };
    let image = json!({"type": "container", "name": "app", "purl": "pkg:oci/app"});
    let package = json!({"type": "library", "name": "app", "purl": "pkg:npm/app@1"});
    assert_eq!(about(image.clone(), json!([])), About::Image);
    assert_eq!(about(json!({"type": "application", "name": "app"}), json!([])), About::Image);
    assert_eq!(about(package, json!([])), About::Package);
    assert_eq!(about(image.clone(), json!([{"phase": "pre-build"}])), About::Build);
    assert_eq!(
        about(image, json!([{"phase": "pre-build"}, {"phase": "operations"}])),
        About::Image
    );
    let mut stage = spdx(json!([{"SPDXID": "SPDXRef-a", "name": "a"}]));
    stage["name"] = json!("/run/src/extras/build");
    assert_eq!(read(&stage).unwrap().about, About::Build, "as BuildKit's scanner names it");
}

#[test]
fn profiles_name_what_is_missing_and_where() {
    let bare =
        read(&spdx(json!([{"SPDXID": "SPDXRef-a", "name": "a", "supplier": "NOASSERTION"}])))
            .unwrap();
    let words = |sbom: &Sbom, profile| -> Vec<&'static str> {
        quality::gaps(sbom, profile).into_iter().map(|gap| gap.element).collect()
    };
    let (ntia, cisa, bsi) =
        (quality::Profile::Ntia2021, quality::Profile::Cisa2026, quality::Profile::BsiTr03183);
    assert_eq!(words(&bare, ntia), ["version", "supplier"]);
    let cisa_lacks = words(&bare, cisa);
    assert!(cisa_lacks.contains(&"hash") && !cisa_lacks.contains(&"supplier"), "{cisa_lacks:?}");
    assert_eq!(words(&bare, bsi).first(), Some(&"format"));
    let gap = quality::gaps(&bare, ntia).remove(0);
    assert_eq!(gap.components.iter().map(|one| one.label()).collect::<Vec<_>>(), ["a"]);
    let whole = read(&json!({
        "bomFormat": "CycloneDX", "specVersion": "1.6", "serialNumber": "urn:uuid:3e671687-395b-41f5-a30f-a58921a69b79",
        "metadata": {"timestamp": "2026-01-02T03:04:05Z", "authors": [{"name": "x"}], "lifecycles": [{"phase": "post-build"}],
                     "tools": {"components": [{"type": "application", "name": "t", "version": "1"}]},
                     "component": {"type": "container", "bom-ref": "r", "name": "app"}},
        "components": [{"type": "library", "bom-ref": "a", "name": "a", "version": "1", "purl": "pkg:npm/a@1",
            "supplier": {"name": "x"}, "licenses": [{"license": {"id": "MIT"}}],
            "hashes": [{"alg": "SHA-512", "content": "ab".repeat(64)}],
            "properties": [
                {"name": "bsi:component:filename", "value": "a.js"}, {"name": "bsi:component:executable", "value": "no"},
                {"name": "bsi:component:archive", "value": "no"}, {"name": "bsi:component:structured", "value": "no"},
            ]}],
        "dependencies": [{"ref": "r", "dependsOn": ["a"]}],
        "compositions": [{"aggregate": "complete", "dependencies": ["r"]}],
    }))
    .unwrap();
    for profile in quality::Profile::ALL {
        assert_eq!(words(&whole, profile), Vec::<&str>::new(), "{}", profile.name());
    }
}

#[test]
fn other_readers_find_the_same_components() {
    let mut compared = 0;
    for (name, _, bytes) in conformance("sbom-spdx").iter().flat_map(|folder| cases(folder)) {
        let Ok(sbom) = parse(&bytes, &Limits::default()) else { continue };
        let Ok(theirs) = serde_json::from_slice::<spdx_rs::models::SPDX>(&bytes) else { continue };
        let theirs: Vec<String> =
            theirs.package_information.into_iter().map(|p| p.package_name).collect();
        assert!(sbom.components.iter().all(|c| theirs.contains(&c.name)), "{name}");
        compared += 1;
    }
    for (name, _, bytes) in conformance("sbom-cyclonedx").iter().flat_map(|folder| cases(folder)) {
        let Ok(sbom) = parse(&bytes, &Limits::default()) else { continue };
        let Ok(theirs) = cyclonedx_bom::prelude::Bom::parse_from_json(bytes.as_slice()) else {
            continue;
        };
        let theirs = theirs.components.map_or(0, |c| c.0.len());
        let top = sbom.components.len();
        assert!(theirs == 0 || top > 0, "{name}: {theirs} against {top}");
        compared += 1;
    }
    eprintln!("compared {compared} documents with other readers");
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes, &Limits::default());
    }

    #[test]
    fn every_component_with_a_name_is_read(names in proptest::collection::btree_set("[a-z]{1,8}", 1..8)) {
        let items: Vec<Value> =
            names.iter().map(|name| json!({"type": "library", "name": name})).collect();
        let bom = json!({"bomFormat": "CycloneDX", "specVersion": "1.6", "components": items});
        let sbom = read(&bom).expect("it is CycloneDX");
        prop_assert_eq!(self::names(&sbom), names.into_iter().collect::<Vec<_>>());
    }
}
