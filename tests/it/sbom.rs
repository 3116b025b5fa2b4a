//! Bills of materials by the real program: checked, made, compared, and handed in by the operator.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use crate::{
    layouts::{Layout, Parts},
    support::{Answer, Hallmark},
};

const STATUS: &str = "Package: zlib1g\nStatus: install ok installed\nVersion: 1:1.2\nArchitecture: amd64\nSource: zlib\n";
const PROGRAM: &str = "\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0 a program";

/// An image with a package of the distribution, one of npm in this version, and a program of nobody's.
fn image(version: &str) -> Layout {
    let module = format!(r#"{{"name":"@s/b","version":"{version}","license":"MIT"}}"#);
    let files: [(&str, &str); 4] = [
        ("etc/os-release", "ID=debian\nVERSION_ID=\"12\"\n"),
        ("var/lib/dpkg/status", STATUS),
        ("app/node_modules/b/package.json", &module),
        ("usr/bin/app", PROGRAM),
    ];
    Layout::of(&Parts::new(&files.map(|(path, text)| (path, text.as_bytes()))))
}

fn asked<'a>(words: impl IntoIterator<Item = &'a str>) -> Hallmark {
    Hallmark::new(words).config("version: 1\n")
}

/// A document of an image.
fn generated(layout: &Layout, format: &str, folder: &Path) -> PathBuf {
    let file = folder.join(format!("{format}.json"));
    let words = ["sbom", "generate", "--author", "ACME", "--platform", "linux/amd64"];
    let answer =
        asked(words).arg("--format").arg(format).arg(layout.reference()).arg("-o").arg(&file).run();
    answer.exits(0);
    assert_eq!(answer.stdout, "", "the file has it");
    file
}

const FORMATS: [&str; 2] = ["spdx-2.3", "cyclonedx-1.6"];

fn check(more: &[&str], subject: &str) -> Answer {
    let words = ["sbom", "check"].into_iter().chain(more.iter().copied());
    asked(words).arg(subject).run()
}

#[test]
fn what_is_generated_is_good_for_its_image_and_for_no_other() {
    let (layout, other) = (image("2.0.0"), image("2.0.1"));
    let folder = tempfile::tempdir().unwrap();
    for format in FORMATS {
        let file = generated(&layout, format, folder.path());
        let again = tempfile::tempdir().unwrap();
        let again = generated(&layout, format, again.path());
        assert_eq!(fs::read(&file).unwrap(), fs::read(again).unwrap(), "{format}: equal bytes");
        let file = file.to_str().unwrap();
        check(&[], file).exits(0).says("2 components").says("ntia-2021: lacks 1 element");
        let strict = check(&["--profile", "ntia-2021", "-o", "json"], file);
        let strict = strict.exits(1).json();
        assert_eq!(strict["good"], json!(false));
        let lacks = &strict["documents"][0]["gaps"]["ntia-2021"];
        assert_eq!(lacks[0]["element"], "supplier", "{strict:#}");
        assert_eq!(lacks[0]["components"].as_array().unwrap().len(), 2, "{strict:#}");
        let platform = ["--platform", "linux/amd64", "--sbom", file];
        let good = check(&[&platform[..], &["-o", "json"]].concat(), &layout.reference());
        let good = good.exits(0).json();
        let document = &good["platforms"][0]["documents"][0];
        let facts = ["state", "binding", "about", "troubles"].map(|key| document[key].clone());
        assert_eq!(facts, [json!("proven"), json!("image"), json!("image"), json!([])]);
        assert_eq!(document["reconciliation"]["agrees"], json!(true), "{good:#}");
        assert_eq!(document["reconciliation"]["score"], json!(100), "{good:#}");
        check(&platform, &layout.reference()).exits(0).says("given by the operator");
        check(&platform, &other.reference()).exits(1).says("names another image");
        check(&platform[..2], &layout.reference())
            .exits(1)
            .says("no SBOM of this platform is proven");
    }
}

#[test]
fn a_doctored_document_is_not_good() {
    let layout = image("2.0.0");
    let folder = tempfile::tempdir().unwrap();
    let file = generated(&layout, "cyclonedx-1.6", folder.path());
    let whole: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    let is_npm = |one: &Value| one["purl"].as_str().unwrap_or_default().starts_with("pkg:npm");
    let place = whole["components"].as_array().unwrap().iter().position(is_npm).unwrap();
    let doctored = |doctor: &dyn Fn(&mut Vec<Value>)| {
        let mut document = whole.clone();
        doctor(document["components"].as_array_mut().unwrap());
        fs::write(&file, document.to_string()).unwrap();
        let given = file.to_str().unwrap();
        check(&["--platform", "linux/amd64", "--sbom", given], &layout.reference())
    };
    doctored(&|_| ()).exits(0);
    let other = "pkg:npm/%40s/b@1.9.9";
    doctored(&|all| all[place]["purl"] = json!(other)).exits(1).says("sbom-version-mismatch");
    // A file with other bytes than the list says.
    let is_app = |one: &Value| one["name"] == "/usr/bin/app";
    let app = whole["components"].as_array().unwrap().iter().position(is_app).unwrap();
    let other = json!([{"alg": "SHA-256", "content": "00".repeat(32)}]);
    doctored(&|all| all[app]["hashes"] = other.clone()).exits(1).says("sbom-digest-mismatch");
    let ghost = json!({"type": "library", "name": "x", "version": "1", "purl": "pkg:npm/x@1"});
    doctored(&|all| all.push(ghost.clone())).exits(1).says("sbom-package-ghost");
}

#[test]
fn what_is_not_read_is_said_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let cases = [
        ("a.yaml", "spdxVersion: SPDX-2.3\npackages: []\n", "SBOMs as YAML are not supported"),
        (
            "a.rdf",
            "<rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\"/>",
            "SBOMs as RDF are not supported",
        ),
        ("a.json", "{\"artifacts\": [], \"schema\": {}}", "neither SPDX nor CycloneDX"),
        (
            "b.json",
            r#"{"bomFormat":"CycloneDX","specVersion":"1.9"}"#,
            "version \"1.9\" is not supported",
        ),
        ("c.json", r#"{"bomFormat":"CycloneDX","specVersion":"1.6"}"#, "lists no component"),
        ("d.txt", "\u{202e}no document", "neither SPDX nor CycloneDX"),
    ];
    for (name, text, want) in cases {
        let file = folder.path().join(name);
        fs::write(&file, text).unwrap();
        let file = file.to_str().unwrap();
        let answer = check(&[], file);
        answer.exits(1).says(want).says("help: ");
        assert_eq!(answer.stdout, "", "{name}");
        assert!(!answer.all().contains("0 components"), "{}", answer.all());
        let told = check(&["-o", "json"], file).exits(1).json();
        assert_eq!(told["schema"], "hallmark/error/v1", "{told:#}");
        // What the operator hands in has to be an SBOM.
        let given = check(&["--sbom", file], &image("1.0.0").reference());
        given.exits(2).says(want).says("--sbom").says("help: ");
    }
    check(&[], "/nowhere/sbom.json").exits(2).says("/nowhere/sbom.json");
    check(&[], "No Such").exits(2).says("no such file, and no image");
    let file = folder.path().join("c.json");
    let refused = check(&["--platform", "linux/amd64"], file.to_str().unwrap());
    refused.exits(2).says("--platform is about images");
}

#[test]
fn rules_see_what_the_operator_handed_in_and_that_he_did() {
    let layout = image("2.0.0");
    let folder = tempfile::tempdir().unwrap();
    let file = generated(&layout, "spdx-2.3", folder.path());
    let words = ["verify", "--no-rebuild", "--platform", "linux/amd64"];
    let asked = |format: &str| {
        let call =
            asked(words).arg("--sbom").arg(&file).arg("-o").arg(format).arg(layout.reference());
        call.run()
    };
    // An SBOM is no ground of a pass.
    let report = asked("json").exits(1).json();
    let sbom = &report["platforms"][0]["evidence"]["sboms"][0];
    let facts = ["state", "basis", "carrier", "binding"].map(|key| sbom[key].clone());
    assert_eq!(facts, ["proven", "given", "sbom-file", "image"].map(Value::from), "{report:#}");
    assert_eq!(sbom["signers"], json!([]), "{report:#}");
    let findings = report["platforms"][0]["findings"].as_array().unwrap();
    assert!(findings.iter().all(|finding| finding["code"] != "sbom-missing"), "{report:#}");
    asked("text").exits(1).says("given by the operator: SPDX-2.3, 2 components");
    let two = Hallmark::new(words)
        .arg("--sbom")
        .arg(&file)
        .arg(layout.reference())
        .arg(layout.reference())
        .run();
    two.exits(2).says("--sbom is for one image");
}

#[test]
fn differences_are_told_and_nothing_differs_from_itself() {
    let (old, new) = (image("2.0.0"), image("2.0.10"));
    let folder = tempfile::tempdir().unwrap();
    let diff = |before: &str, after: &str, format: &str| {
        let words = ["sbom", "diff", "--platform", "linux/amd64", "-o", format, before, after];
        asked(words).run()
    };
    diff(&old.reference(), &old.reference(), "text").exits(0).says("2 the same, 0 up");
    for format in FORMATS {
        let file = generated(&old, format, folder.path());
        diff(&old.reference(), file.to_str().unwrap(), "text").exits(0).says("2 the same");
    }
    let [spdx, cyclonedx] = FORMATS.map(|format| folder.path().join(format!("{format}.json")));
    diff(spdx.to_str().unwrap(), cyclonedx.to_str().unwrap(), "text").exits(0);
    let told = diff(&old.reference(), &new.reference(), "json").exits(1).json();
    let change = &told["versions"][0];
    assert_eq!((told["equal"].clone(), change["way"].clone()), (json!(false), json!("up")));
    assert_eq!(change["after"]["version"], "2.0.10", "{told:#}");
    assert_eq!(told["vulnerabilities"], Value::Null);
    diff(&new.reference(), &old.reference(), "text")
        .exits(1)
        .says("down     npm @s/b  2.0.10 -> 2.0.0");
}

#[test]
fn vulnerabilities_come_and_go_with_versions() {
    let (old, new) = (image("2.0.0"), image("2.0.10"));
    let folder = tempfile::tempdir().unwrap();
    let (advisory, database) = (folder.path().join("GHSA-1.json"), folder.path().join("vulns.db"));
    let record = json!({
        "id": "GHSA-1", "modified": "2026-01-01T00:00:00Z",
        "affected": [{"package": {"ecosystem": "npm", "name": "@s/b"}, "ranges": [
            {"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "2.0.5"}]},
        ]}],
    });
    fs::write(&advisory, record.to_string()).unwrap();
    let import = asked(["vulns", "import"]).arg(&advisory).arg("--out").arg(&database).run();
    import.exits(0);
    let diff = |before: &str, after: &str| {
        let words = ["sbom", "diff", "--platform", "linux/amd64", "-o", "json", before, after];
        asked(words).arg("--vulns").arg(&database).run()
    };
    let gone = diff(&old.reference(), &new.reference()).exits(1).json()["vulnerabilities"].clone();
    assert_eq!((gone["gone"][0]["id"].clone(), gone["new"].clone()), (json!("GHSA-1"), json!([])));
    assert_eq!(gone["gone"][0]["fixed"], "2.0.5", "{gone:#}");
    assert!(!gone["gaps"].as_array().unwrap().is_empty(), "no data is about Debian: {gone:#}");
    // By a document's word, too.
    let file = generated(&old, "spdx-2.3", folder.path());
    let by_file = diff(file.to_str().unwrap(), &new.reference()).exits(1).json();
    assert_eq!(by_file["vulnerabilities"]["gone"], gone["gone"]);
    let back = diff(&new.reference(), &old.reference()).exits(1).json();
    assert_eq!(back["vulnerabilities"]["new"][0]["id"], "GHSA-1", "{back:#}");
}
