//! Small valid inputs, from which the fuzzer starts: `seeds FOLDER` writes them to `FOLDER/<target>/`.

use std::{env, fs, io::Write, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

const ADVISORY: &str = r#"{"id":"CVE-2024-1","aliases":["GHSA-1"],"severity":[{"type":"CVSS_V3","score":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],"affected":[{"package":{"ecosystem":"Debian:12","name":"openssl"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"3.0.1-1"}]}],"versions":["1.0"]}]}"#;
const VEX: &[&str] = &[
    r#"{"@context":"https://openvex.dev/ns/v0.2.0","@id":"x","timestamp":"2024-01-01T00:00:00Z","statements":[{"vulnerability":{"name":"CVE-2024-1"},"status":"not_affected","justification":"component_not_present","products":[{"@id":"pkg:oci/app@sha256%3Aaa","subcomponents":[{"@id":"pkg:deb/debian/openssl"}]}]}]}"#,
    r#"{"bomFormat":"CycloneDX","specVersion":"1.6","metadata":{"component":{"bom-ref":"a","purl":"pkg:oci/app"}},"vulnerabilities":[{"id":"CVE-2024-1","analysis":{"state":"resolved"},"affects":[{"ref":"a"}]}]}"#,
    r#"{"document":{"csaf_version":"2.0","tracking":{"id":"x","current_release_date":"2024-01-01T00:00:00Z"}},"product_tree":{"full_product_names":[{"product_id":"a"}]},"vulnerabilities":[{"cve":"CVE-2024-1","product_status":{"fixed":["a"]}}]}"#,
];
const FEEDS: &[&str] = &[
    r#"{"catalogVersion":"1","count":1,"vulnerabilities":[{"cveID":"CVE-2024-1","dateAdded":"2024-03-03"}]}"#,
    "#model_version:v1,score_date:2024-01-01T00:00:00Z\ncve,epss,percentile\nCVE-2024-1,0.5,0.9\n",
];

fn main() -> std::io::Result<()> {
    let folder = env::args_os().nth(1).expect("a folder to write to");
    for (target, seeds) in all() {
        let folder = Path::new(&folder).join(target);
        fs::create_dir_all(&folder)?;
        for (number, seed) in seeds.iter().enumerate() {
            fs::write(folder.join(number.to_string()), seed)?;
        }
    }
    Ok(())
}

fn all() -> Vec<(&'static str, Vec<Vec<u8>>)> {
    let statements: Vec<Vec<u8>> =
        [slsa_v1(), buildkit_v02(), spdx_statement()].iter().map(bytes).collect();
    let sboms = [bytes(&cyclonedx()), bytes(&spdx()), bytes(&spdx_3())];
    let manifests = [manifest(), index(), config()];
    vec![
        ("tar", vec![archive()]),
        ("layer", vec![kind(1, &gzip(&archive())), kind(0, &archive())]),
        ("manifest", manifests.iter().map(bytes).collect()),
        (
            "reference",
            texts(&["debian:12", &format!("localhost:5000/a/b@{DIGEST}"), "ghcr.io/o/n:t"]),
        ),
        (
            "json",
            manifests
                .iter()
                .map(bytes)
                .chain(texts(&[r#"{"a":[1e3,-0.5,"\u00e9"],"b":null}"#]))
                .collect(),
        ),
        ("dsse", enveloped(&statements).chain([bytes(&dsse())]).collect()),
        ("statement", statements.clone()),
        ("bundle", vec![bytes(&bundle()), bytes(&simple_signing())]),
        ("layout", vec![in_toto_chain()]),
        ("provenance", statements),
        ("sbom", sboms.into_iter().chain(texts(SBOMS)).collect()),
        ("sbom_spdx", vec![bytes(&spdx())]),
        ("sbom_spdx3", vec![bytes(&spdx_3())]),
        ("sbom_cyclonedx", vec![bytes(&cyclonedx())]),
        ("sbom_xml", texts(SBOMS.get(1..).unwrap_or_default())),
        ("sbom_tag_value", texts(SBOMS.get(..1).unwrap_or_default())),
        ("dockerfile", texts(DOCKERFILES)),
        ("review", [pod(), deployment()].iter().map(bytes).collect()),
        ("trusted_root", ROOTS.iter().map(|root| root.to_vec()).chain(texts(&[PEM])).collect()),
        ("certificate", certificates()),
        ("advisory", texts(&[ADVISORY])),
        ("vex", texts(VEX)),
        ("versions", texts(&["1.0~rc1-1\n1:1.0-2", "1.0.0-rc.1\nv1.0.0", "1!1.0.post1\n1.0a1"])),
        ("feeds", texts(FEEDS)),
        ("vulnerability_database", texts(&["\u{0}\u{0}\u{0}\u{0}"])),
        ("csaf", texts(VEX.get(2..).unwrap_or_default())),
    ]
    .into_iter()
    .chain(PACKAGES.iter().map(|(target, seeds)| (*target, texts(seeds))))
    .collect()
}

/// A layout and a link, divided by a zero byte.
fn in_toto_chain() -> Vec<u8> {
    let layout = json!({
        "signed": {
            "_type": "layout", "expires": "2030-01-02T03:04:05Z", "readme": "", "inspect": [],
            "keys": { "k": { "keytype": "ed25519", "scheme": "ed25519", "keyval": { "public": "00".repeat(32) } } },
            "steps": [{
                "_type": "step", "name": "build", "threshold": 1, "pubkeys": ["k"], "expected_command": ["make"],
                "expected_materials": [["ALLOW", "src/*[!a-c].?s"], ["DISALLOW", "*"]],
                "expected_products": [["MATCH", "*", "IN", "out", "WITH", "PRODUCTS", "IN", "x", "FROM", "build"]],
            }],
        },
        "signatures": [{ "keyid": "k", "sig": "00" }],
    });
    let link = json!({
        "signed": {
            "_type": "link", "name": "build", "command": ["make"], "byproducts": {}, "environment": {},
            "materials": { "src/main.rs": { "sha256": "00".repeat(32) } }, "products": {},
        },
        "signatures": [{ "keyid": "k", "sig": "00" }],
    });
    [bytes(&layout), bytes(&link)].join(&0)
}

const ROOTS: [&[u8]; 4] = [
    include_bytes!("../src/trust/sigstore/roots/public-good-2026-08-21.json"),
    include_bytes!("../src/trust/sigstore/roots/github-2026-08-19.json"),
    include_bytes!("../src/trust/sigstore/roots/public-good-tuf-root.json"),
    include_bytes!("../src/trust/sigstore/roots/github-tuf-root.json"),
];
const PEM: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaEOVJCFtduYr3xqTxeRWSW32CY/s
TBNZj4oIUPl8JvhVPJ1TKDPlNcuT4YphSt6t3yOmMvkdQbCj8broX6vijw==
-----END PUBLIC KEY-----
";

/// Every certificate and key of the embedded trusted roots.
fn certificates() -> Vec<Vec<u8>> {
    fn gather(value: &Value, found: &mut Vec<Vec<u8>>) {
        match value {
            Value::Object(members) => {
                let raw = members.get("rawBytes").and_then(Value::as_str);
                found.extend(raw.and_then(|text| STANDARD.decode(text).ok()));
                members.values().for_each(|value| gather(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| gather(value, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    for root in &ROOTS[..2] {
        gather(&serde_json::from_slice(root).expect("JSON"), &mut found);
    }
    found
}

fn bytes(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// The input of a target that takes a number and bytes.
fn kind(kind: u8, bytes: &[u8]) -> Vec<u8> {
    [&[kind], bytes].concat()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("writing to memory")
}

/// A long name, PAX records, a link, a device and a whiteout.
fn archive() -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut add = |mut header: tar::Header, kind, path: &str, content: &[u8]| {
        header.set_entry_type(kind);
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_device_major(1).expect("a header with devices");
        header.set_device_minor(3).expect("a header with devices");
        match kind {
            tar::EntryType::Symlink => builder.append_link(&mut header, path, "../target"),
            _ => builder
                .append_pax_extensions([
                    ("mtime", b"1.5".as_slice()),
                    ("SCHILY.xattr.user.a", b"v"),
                ])
                .and_then(|()| builder.append_data(&mut header, path, content)),
        }
        .expect("writing to memory");
    };
    add(tar::Header::new_gnu(), tar::EntryType::Regular, &"long/".repeat(30), b"");
    add(tar::Header::new_ustar(), tar::EntryType::Regular, "etc/os-release", b"ID=debian\n");
    add(tar::Header::new_ustar(), tar::EntryType::Symlink, "etc/link", b"");
    add(tar::Header::new_gnu(), tar::EntryType::Char, "dev/null", b"");
    add(tar::Header::new_ustar(), tar::EntryType::Regular, "etc/.wh.passwd", b"");
    builder.into_inner().expect("writing to memory")
}

fn descriptor(media_type: &str) -> Value {
    json!({"mediaType": format!("application/vnd.oci.image.{media_type}"), "digest": DIGEST, "size": 0})
}

fn manifest() -> Value {
    json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor("config.v1+json"), "layers": [descriptor("layer.v1.tar+gzip")], "annotations": {"a": "b"}})
}

fn index() -> Value {
    let mut entry = descriptor("manifest.v1+json");
    entry["platform"] = json!({"os": "linux", "architecture": "arm64", "variant": "v8"});
    json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [entry]})
}

fn config() -> Value {
    json!({"created": "2025-01-01T00:00:00Z", "architecture": "amd64", "os": "linux",
        "config": {"Env": ["PATH=/bin"], "Cmd": ["sh"], "Labels": {"a": "b"}, "ExposedPorts": {"80/tcp": {}}},
        "rootfs": {"type": "layers", "diff_ids": [DIGEST]},
        "history": [{"created": "2025-01-01T00:00:00Z", "created_by": "RUN true", "empty_layer": true}]})
}

fn statement(predicate_type: &str, predicate: &Value) -> Value {
    json!({"_type": "https://in-toto.io/Statement/v1", "subject": [{"name": "a", "digest": {"sha256": HEX}}],
        "predicateType": predicate_type, "predicate": predicate})
}

fn slsa_v1() -> Value {
    let material =
        json!({"uri": "pkg:docker/debian@12?platform=linux%2Famd64", "digest": {"sha256": HEX}});
    statement(
        "https://slsa.dev/provenance/v1",
        &json!({
        "buildDefinition": {
            "buildType": "https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md",
            "externalParameters": {"configSource": {"uri": "https://example.com/a.git", "path": "Dockerfile"},
                "request": {"frontend": "dockerfile.v0", "args": {"build-arg:A": "b", "target": "t"}}},
            "internalParameters": {"builderPlatform": "linux/amd64"}, "resolvedDependencies": [material]},
        "runDetails": {"builder": {"id": "https://example.com/builder"},
            "metadata": {"invocationId": "i", "startedOn": "2025-01-01T00:00:00Z", "buildkit_reproducible": true}}}),
    )
}

fn buildkit_v02() -> Value {
    statement(
        "https://slsa.dev/provenance/v0.2",
        &json!({
        "builder": {"id": ""}, "buildType": "https://mobyproject.org/buildkit@v1",
        "materials": [{"uri": "https://example.com/a.tar", "digest": {"sha256": HEX}}],
        "invocation": {"configSource": {"entryPoint": "Dockerfile"}, "parameters": {"frontend": "dockerfile.v0", "args": {}},
            "environment": {"platform": "linux/amd64"}},
        "metadata": {"completeness": {"parameters": true}, "reproducible": false}}),
    )
}

fn spdx_statement() -> Value {
    statement("https://spdx.dev/Document", &spdx())
}

fn dsse() -> Value {
    json!({"payloadType": "application/vnd.in-toto+json", "payload": "e30=", "signatures": [{"keyid": "", "sig": "AA=="}]})
}

/// Envelopes around statements, so that what is in them is reached.
fn enveloped(statements: &[Vec<u8>]) -> impl Iterator<Item = Vec<u8>> {
    let envelope = |statement: &Vec<u8>| {
        let mut envelope = dsse();
        envelope["payload"] = STANDARD.encode(statement).into();
        bytes(&envelope)
    };
    statements.iter().map(envelope)
}

fn bundle() -> Value {
    json!({"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {"certificate": {"rawBytes": "MAA="}, "tlogEntries": [{"logIndex": "1", "logId": {"keyId": "AA=="},
            "kindVersion": {"kind": "dsse", "version": "0.0.1"}, "integratedTime": "1", "canonicalizedBody": "e30="}]},
        "dsseEnvelope": dsse()})
}

fn simple_signing() -> Value {
    json!({"critical": {"identity": {"docker-reference": "example.com/a"}, "image": {"docker-manifest-digest": DIGEST},
        "type": "cosign container image signature"}, "optional": null})
}

fn spdx() -> Value {
    json!({"spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": "n",
        "documentNamespace": "https://example.com/n", "creationInfo": {"created": "2025-01-01T00:00:00Z", "creators": ["Tool: t"]},
        "packages": [{"name": "bash", "SPDXID": "SPDXRef-a", "versionInfo": "5", "downloadLocation": "NOASSERTION",
            "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
                "referenceLocator": "pkg:deb/debian/bash@5?arch=amd64"}]}]})
}

fn cyclonedx() -> Value {
    json!({"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "components": [
        {"type": "library", "name": "bash", "version": "5", "purl": "pkg:deb/debian/bash@5", "components": []}]})
}

fn spdx_3() -> Value {
    json!({"@context": "https://spdx.org/rdf/3.0.1/spdx-context.jsonld", "@graph": [
        {"type": "CreationInfo", "@id": "_:c", "specVersion": "3.0.1", "created": "2025-01-01T00:00:00Z", "createdBy": ["urn:a"]},
        {"type": "SpdxDocument", "spdxId": "urn:d", "creationInfo": "_:c", "rootElement": ["urn:p"]},
        {"type": "software_Package", "spdxId": "urn:p", "creationInfo": "_:c", "name": "bash", "software_packageVersion": "5",
            "software_packageUrl": "pkg:deb/debian/bash@5"},
        {"type": "Relationship", "spdxId": "urn:r", "creationInfo": "_:c", "from": "urn:d", "relationshipType": "describes",
            "to": ["urn:p"]}]})
}

/// SBOMs that are no JSON.
const SBOMS: &[&str] = &[
    "SPDXVersion: SPDX-2.3\nDocumentName: n\nCreated: 2025-01-01T00:00:00Z\nPackageName: bash\nSPDXID: SPDXRef-a\n\
     ExternalRef: PACKAGE-MANAGER purl pkg:deb/debian/bash@5\nRelationship: SPDXRef-DOCUMENT DESCRIBES SPDXRef-a\n",
    "<bom xmlns=\"http://cyclonedx.org/schema/bom/1.6\" version=\"1\"><components><component type=\"library\" bom-ref=\"a\">\
     <name>bash</name><version>5</version><hashes><hash alg=\"MD5\">00000000000000000000000000000000</hash></hashes>\
     <purl>pkg:deb/debian/bash@5</purl></component></components><dependencies><dependency ref=\"a\"/></dependencies></bom>",
];

/// What lists packages, by the target that reads it.
const PACKAGES: &[(&str, &[&str])] = &[
    (
        "packages_dpkg",
        &[
            "Package: bash\nStatus: install ok installed\nVersion: 5.2-1\nArchitecture: amd64\nSource: bash (5.2)\nConffiles:\n /etc/a \
             d41d8cd98f00b204e9800998ecf8427e\n\n",
            "/.\n/usr\n/usr/bin/bash\n",
            "d41d8cd98f00b204e9800998ecf8427e  usr/bin/bash\n",
            "/bin/sh\n/bin/sh.distrib\ndash\n",
        ],
    ),
    (
        "packages_apk",
        &["P:busybox\nV:1.36-r0\nA:x86_64\no:busybox\nF:bin\nR:sh\na:0:0:777\nZ:Q12jmj7l5rSw0yVb/vlWAYkK/YBwk=\n\n", "busybox>1\n"],
    ),
    ("packages_rpm", &["SQLite format 3\0\u{10}\0\u{1}\u{1}\0@  ", "RpmP\0\0\0\0", "\0\0\0\0\0\0\0\0\0\0\0\0a\u{15}\u{6}\0"]),
    (
        "packages_chisel",
        &["{\"jsonwall\":\"1.0\",\"schema\":\"1.0\",\"count\":2}\n\
           {\"kind\":\"package\",\"name\":\"a\",\"version\":\"1\",\"sha256\":\"00\",\"arch\":\"amd64\"}\n"],
    ),
    (
        "packages_python",
        &[
            "Metadata-Version: 2.1\nName: requests\nVersion: 2.31\n\ntext",
            "a/b.py,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0\na.dist-info/RECORD,,\n",
        ],
    ),
    ("packages_npm", &[r#"{"name": "left-pad", "version": "1.3.0", "license": "MIT"}"#]),
    (
        "packages_gem",
        &["Gem::Specification.new do |s|\n  s.name = \"a\".freeze\n  s.version = \"1.0\"\n  s.licenses = [\"MIT\".freeze]\nend\n"],
    ),
    ("packages_composer", &[r#"{"packages":[{"name":"monolog/monolog","version":"3.0.0","license":["MIT"]}]}"#]),
    (
        "packages_nuget",
        &[r#"{"runtimeTarget":{"name":".NETCoreApp,Version=v8.0"},"targets":{".NETCoreApp,Version=v8.0":{"A/1.0.0":{}}},
            "libraries":{"A/1.0.0":{"type":"package","serviceable":true,"sha512":""}}}"#],
    ),
    (
        "packages_conda",
        &[r#"{"name":"a","version":"1","build":"0","subdir":"linux-64","files":["bin/a"],
            "paths_data":{"paths":[{"_path":"bin/a","sha256":"00","path_type":"hardlink"}]}}"#],
    ),
    ("packages_java", &["Manifest-Version: 1.0\nImplementation-Title: a\nImplementation-Version: 1\n\n", "groupId=org.a\nartifactId=b\nversion=1\n"]),
    (
        "packages_programs",
        &[r#"[{"name":"a","version":"1.0.0","source":"crates.io"}]}"#, "\u{8}\u{2}path\ta/b\nmod\ta/b\tv1.0.0\t\ndep\tc/d\tv1.0.0\th1:\n"],
    ),
    ("os_release", &["ID=debian\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\n"]),
    ("malware", &["MZ", "\u{7f}ELF\u{2}\u{1}\u{1}", "abcbcd", "dex\n035\0"]),
];

const DOCKERFILES: &[&str] = &[
    "# syntax=docker/dockerfile:1\nARG BASE=debian:12\nFROM ${BASE:-alpine} AS build\nRUN --mount=from=golang:1 true\n",
    "FROM scratch\nCOPY --from=build --chown=1:1 [\"a\", \"b\"]\nRUN <<EOF\ntrue\nEOF\nENV A=b \\\n  C=d\n",
];

fn review(group: &str, kind: &str, object: &Value) -> Value {
    json!({"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": {"uid": "1",
        "kind": {"group": group, "version": "v1", "kind": kind}, "operation": "CREATE", "namespace": "n", "object": object}})
}

fn spec() -> Value {
    json!({"containers": [{"name": "a", "image": "example.com/a:1"}], "initContainers": [{"name": "b", "image": "b"}]})
}

fn pod() -> Value {
    review("", "Pod", &json!({"apiVersion": "v1", "kind": "Pod", "spec": spec()}))
}

fn deployment() -> Value {
    let object = json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"template": {"spec": spec()}}});
    review("apps", "Deployment", &object)
}
