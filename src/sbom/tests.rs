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

#[test]
fn a_described_package_with_a_purl_of_its_own_is_a_component() {
    let sbom = read(&spdx(json!([
        {"SPDXID": "SPDXRef-root", "name": "left-pad", "externalRefs": purl("pkg:npm/left-pad@1.3.0")},
    ])));
    assert_eq!(names(&sbom.expect("one component")), ["left-pad"]);
}

#[test]
fn cyclonedx_gives_nested_components_without_files_and_what_is_excluded() {
    for version in ["1.2", "1.3", "1.4", "1.5", "1.6"] {
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
                              "components": [{"type": "library", "name": "inner"}]},
            },
            "components": [
                {"type": "operating-system", "name": "alpine", "version": "3.20", "purl": "pkg:generic/alpine@3.20"},
                {"type": "file", "name": "/bin/sh"},
                {"type": "library", "name": "dev", "scope": "excluded"},
                {"type": "library", "group": "org.x", "name": "outer", "version": "1", "purl": "pkg:maven/org.x/outer@1",
                 "components": [{"type": "library", "name": "deep", "components": [{"type": "library", "name": "deeper"}]}]},
            ],
        }))
        .unwrap_or_else(|e| panic!("{version}: {e}"));
        assert_eq!(names(&sbom), ["deep", "deeper", "inner", "org.x/outer"], "{version}");
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
        (json!({"@context": "https://spdx.org/rdf/3.0.1/spdx-context.jsonld"}), "@context"),
        (json!({"spdxVersion": "SPDX-3.0"}), "SPDX version \"SPDX-3.0\" is not supported"),
        (json!({"spdxVersion": 2}), "is not supported"),
        (spdx(json!([])), "lists no component"),
        (spdx(json!([root])), "lists no component"),
        (spdx(json!([{"name": "no id"}])), "malformed: missing field `SPDXID`"),
        (spdx(json!("x")), "malformed"),
        (json!({"bomFormat": "CycloneDX"}), "CycloneDX version \"\" is not supported"),
        (json!({"bomFormat": "CycloneDX", "specVersion": "1.7"}), "\"1.7\" is not supported"),
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
    let bom = |items: Vec<Value>| json!({"bomFormat": "CycloneDX", "specVersion": "1.4", "components": items});
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

/// Published documents whose only package is the described thing itself: as an image's SBOM they would name nothing.
const NAME_NO_PACKAGE: &[&str] = &[
    "minimal.spdx.json",
    "hello-source.spdx.json",
    "hello-dist.spdx.json",
    "hello-src.spdx.json",
    "example7-bin.spdx.json",
    "example7-go-module.spdx.json",
];

/// Whether a CycloneDX document lists software under `components`, at any depth.
fn lists_software(document: &Value) -> bool {
    document.get("components").and_then(Value::as_array).into_iter().flatten().any(|item| {
        let kind = item.get("type").and_then(Value::as_str);
        matches!(kind, Some("library" | "application" | "framework" | "container"))
            || lists_software(item)
    })
}

#[test]
fn published_documents_are_read_or_refused_for_a_stated_reason() {
    for area in ["sbom-spdx", "sbom-cyclonedx"] {
        let Some(folder) = conformance(area) else { return };
        let (mut read, mut unlisted) = (0, Vec::new());
        let nameless = |name: &str, bytes: &[u8]| {
            let document = serde_json::from_slice::<Value>(bytes).unwrap_or_default();
            let bom = document.get("bomFormat").is_some();
            // The one package that a text describes stands for what it is about.
            let text = String::from_utf8_lossy(bytes);
            let alone = text.lines().filter(|line| line.starts_with("PackageName:")).count() == 1;
            bom && !lists_software(&document)
                || alone
                || NAME_NO_PACKAGE.iter().any(|n| name.ends_with(n))
        };
        for (name, expect, bytes) in cases(&folder) {
            let supported = match parse(&bytes, &Limits::default()) {
                Ok(sbom) => {
                    assert!(!sbom.components.is_empty(), "{name}");
                    read += 1;
                    continue;
                }
                Err(SbomError::UnknownFormat(_) | SbomError::Version { .. }) => false,
                Err(SbomError::Empty { .. }) => !nameless(&name, &bytes),
                Err(_) => true,
            };
            if expect == "pass" && supported {
                unlisted.push(format!("{name}: {:?}", parse(&bytes, &Limits::default()).err()));
            }
        }
        assert!(unlisted.is_empty(), "refused without reason:\n{}", unlisted.join("\n"));
        assert!(read >= 20, "{area}: only {read} documents were read");
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
