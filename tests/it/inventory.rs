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

/// A program of no package, and one of the package whose checksum is another.
const PROGRAM: &str = "\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0 a program";

fn stock(layout: &Layout, format: &str, config: &str) -> Answer {
    let asked = Hallmark::new(["inventory"]).config(config);
    let words = ["--platform", "linux/amd64", "-o", format];
    words.into_iter().fold(asked, Hallmark::arg).arg(layout.reference()).run()
}

#[test]
fn the_inventory_of_an_image_says_whose_every_file_is() {
    let sums = "d41d8cd98f00b204e9800998ecf8427e  usr/lib/libz.so.1\n";
    let layout = image(&[
        ("usr/bin/planted", PROGRAM),
        ("usr/lib/libz.so.1", PROGRAM),
        ("var/lib/dpkg/info/zlib1g.md5sums", sums),
        ("var/lib/dpkg/info/gone.list", "/usr/bin/planted\n"),
    ]);
    let answer = stock(&layout, "json", PLAIN);
    answer.exits(0);
    let found = answer.json();
    let platform = &found["platforms"][0];
    let strays: Vec<String> = platform["contents"]["files"]["strays"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| format!("{} {} {}", one["class"], one["kind"], one["path"]).replace('"', ""))
        .collect();
    let want = ["unowned executable /usr/bin/planted", "modified library /usr/lib/libz.so.1"];
    assert_eq!(strays, want, "{found:#}");
    assert_eq!(platform["contents"]["files"]["strays"][1]["owner"]["algorithm"], "md5");
    assert_eq!(platform["contents"]["hidden"][0]["name"], "gone");
    let zlib = &platform["inventory"]["packages"][0];
    let files = json!({"there": 1, "verified": 0, "modified": 1, "missing": 0});
    assert_eq!((&zlib["files"], &zlib["side"]), (&files, &json!("unknown")));
    let text = stock(&layout, "text", PLAIN);
    text.exits(0);
    for words in ["unowned, and can be run  1", "/usr/bin/planted", "hidden packages  1", "zlib1g"]
    {
        assert!(text.stdout.contains(words), "{words}\n{}", text.stdout);
    }
}

#[test]
fn an_honest_image_has_no_strays() {
    let answer = stock(&image(&[]), "json", PLAIN);
    answer.exits(0);
    let contents = answer.json()["platforms"][0]["contents"].clone();
    assert_eq!(contents["files"]["strays"], json!([]));
    assert_eq!(contents["hidden"], json!([]));
}
