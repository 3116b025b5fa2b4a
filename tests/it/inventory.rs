//! What is in an image, as rules and reports see it.

use serde_json::{Value, json};

use crate::{
    layouts::{Layout, Parts},
    support::{Answer, Hallmark},
};

const STATUS: &str =
    "Package: zlib1g\nStatus: install ok installed\nVersion: 1:1.2\nArchitecture: amd64\n";
const METADATA: &str = "usr/lib/python3/dist-packages/a_b-1.0.dist-info/METADATA";
const MODULE: &str = "app/node_modules/b/package.json";

fn image(more: &[(&str, &str)]) -> Layout {
    let mut files = vec![
        ("etc/os-release", "ID=debian\nVERSION_ID=\"12\"\n"),
        ("var/lib/dpkg/status", STATUS),
        (METADATA, "Name: a_b\nVersion: 1.0\nLicense: MIT\n"),
    ];
    files.extend(more);
    let files: Vec<_> = files.iter().map(|(path, text)| (*path, text.as_bytes())).collect();
    Layout::of(&Parts::new(&files))
}

fn asked(words: &[&str], layout: &Layout, config: &str) -> Answer {
    let asked = Hallmark::new(words.iter().copied()).config(config);
    let platform = ["--no-rebuild", "--policy", "baseline", "--platform", "linux/amd64"];
    platform.into_iter().fold(asked, Hallmark::arg).arg(layout.reference()).run()
}

fn inventory(layout: &Layout, config: &str) -> Value {
    let answer = asked(&["policy", "input"], layout, config);
    answer.exits(0);
    answer.json()["inventory"].clone()
}

const PLAIN: &str = "version: 1\n";

#[test]
fn rules_see_each_package_with_its_file_and_layer() {
    let found = inventory(&image(&[(MODULE, r#"{"name":"@s/b","version":"2.0.0"}"#)]), PLAIN);
    let purls: Vec<_> = found["packages"].as_array().unwrap().iter().map(|p| &p["purl"]).collect();
    let want = [
        "pkg:deb/debian/zlib1g@1:1.2?arch=amd64&distro=debian-12",
        "pkg:npm/%40s/b@2.0.0",
        "pkg:pypi/a-b@1.0",
    ];
    assert_eq!(purls, want, "{found:#}");
    let python = &found["packages"][2];
    assert_eq!(
        (&python["path"], &python["layer"], &python["licence"]),
        (&json!(format!("/{METADATA}")), &json!(0), &json!("MIT"))
    );
    assert_eq!(found["incomplete"], json!([]));
}

#[test]
fn c30_what_the_inventory_leaves_out_is_said_and_fails_nothing() {
    let garbled = image(&[(MODULE, "{")]);
    let whole = image(&[(MODULE, r#"{"name":"b","version":"2.0.0"}"#)]);
    let small = "version: 1\nlimits:\n  catalogueBytes: 100\n";
    let cases = [
        (&garbled, PLAIN, "npm", "it is no JSON of its form"),
        (&whole, small, "npm", "limits.catalogueBytes, 100"),
    ];
    for (layout, config, catalogue, why) in cases {
        let found = inventory(layout, config);
        let all = found["incomplete"].as_array().unwrap();
        let one = all.iter().find(|one| one["catalogue"] == catalogue).expect(why);
        assert!(one["why"].as_str().unwrap().contains(why), "{one:#}");
        assert_eq!((&one["path"], &one["files"]), (&json!(format!("/{MODULE}")), &json!(1)));
        let report = asked(&["verify", "-o", "json"], layout, config).json();
        let findings = report["platforms"][0]["findings"].as_array().unwrap();
        let said = findings.iter().filter(|f| f["code"] == "sbom-inventory-incomplete");
        let said: Vec<_> = said.collect();
        assert!(!said.is_empty() && said.iter().all(|f| f["severity"] == "warning"), "{report:#}");
    }
    // A distribution's database that is left out is one that cannot be read.
    let found = inventory(&whole, small);
    let error = found["databases"][0]["error"].as_str().unwrap_or_default();
    assert!(error.contains("limits.catalogueBytes"), "{found:#}");
}
