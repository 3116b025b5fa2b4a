//! Vulnerabilities from the command line: what is known, what trusted signers suppress, and what decides nothing.

use std::{fs, path::PathBuf};

use serde_json::{Value, json};

use crate::{
    layouts::{Layout, Parts},
    sign::{Keys, public},
    support::{Answer, Hallmark},
};

const OS: &str = "ID=debian\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\n";
const STATUS: &str = "Package: zlib1g\nStatus: install ok installed\nArchitecture: amd64\n\
                      Source: zlib\nVersion: 1:1.2.13\nMaintainer: m\nDescription: d\n\n";

/// A signed image with one package, which has two vulnerabilities by the database, of which the signer says that one does not count.
struct Scene {
    keys: Keys,
    layout: Layout,
    folder: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        let files: [(&str, &[u8]); 2] =
            [("etc/os-release", OS.as_bytes()), ("var/lib/dpkg/status", STATUS.as_bytes())];
        let (keys, layout) = (Keys::new(), Layout::of(&Parts::new(&files)));
        let scene = Self { keys, layout, folder: tempfile::tempdir().unwrap() };
        for number in [1, 2] {
            let record = json!({
                "schema_version": "1.7.3", "id": format!("DEBIAN-CVE-2026-{number}"), "modified": "2026-11-01T00:00:00Z",
                "upstream": [format!("CVE-2026-{number}")],
                "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],
                "affected": [{"package": {"ecosystem": "Debian:12", "name": "zlib"},
                    "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1:1.3.1"}]}]}],
            });
            scene.write(&format!("osv/{number}.json"), &record.to_string());
        }
        scene.import(&[]).exits(0);
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    fn database(&self) -> String {
        self.path("vulns.db").display().to_string()
    }

    fn import(&self, more: &[&str]) -> Answer {
        let (osv, out) = (self.path("osv").display().to_string(), self.database());
        Hallmark::new([&["vulns", "import", &osv, "--out", &out], more].concat()).run()
    }

    fn sign(&self) {
        let (image, key) = (self.layout.reference(), self.keys.p256("release"));
        let key = key.to_str().unwrap();
        Hallmark::new(["sign", &image, "--key", key]).run().exits(0);
        let vex = self.write(
            "vex.json",
            &json!({
                "@context": "https://openvex.dev/ns/v0.2.0", "@id": "https://acme.example/vex/7", "author": "a",
                "timestamp": "2026-11-02T00:00:00Z", "version": 1,
                "statements": [{
                    "vulnerability": {"name": "CVE-2026-1"}, "status": "not_affected",
                    "products": [{"@id": "pkg:deb/debian/zlib"}],
                    "justification": "vulnerable_code_not_in_execute_path",
                    "impact_statement": "inflateGetHeader is never called",
                }],
            })
            .to_string(),
        );
        let kind = "openvex";
        let call = ["sign", &image, "--key", key, "--predicate", &vex, "--type", kind];
        Hallmark::new(call).run().exits(0);
    }

    fn config(&self, policy: &str) -> String {
        format!(
            "version: 1\ntrust:\n  signers: [{{name: release, key: {:?}}}]\n  rules: [{{images: ['**'], predicates: [signature, provenance, sbom, 'https://openvex.dev/ns'], \
             signers: [release]}}]\nvulnerabilities: {{database: {:?}}}\npolicy: {policy}\n",
            public(&self.keys.path("release")).display().to_string(),
            self.database(),
        )
    }

    fn verify(&self, policy: &str, more: &[&str]) -> Answer {
        let image = self.layout.reference();
        Hallmark::new([&["verify", &image], more].concat()).config(&self.config(policy)).run()
    }
}

const DENY: &str = "{preset: signed, settings: {vulnerabilities: {deny: high, maxAgeDays: 0}}}";

#[test]
fn what_vex_suppresses_is_told_with_who_says_so_and_why() {
    let scene = Scene::new();
    scene.sign();
    let text = scene.verify(DENY, &[]);
    text.exits(1).says("vulns       2 known, 1 suppressed by VEX");
    let word = "not_affected, vulnerable_code_not_in_execute_path: inflateGetHeader is never called \
                (says release in https://acme.example/vex/7)";
    text.says(&format!("suppressed: {word}")).says("DEBIAN-CVE-2026-1 of zlib1g 1:1.2.13");
    // The rule's own code is what is explained.
    text.says("FAIL  1 error").says(": a policy denies the image: vulnerability-severe");
    text.says("next: hallmark explain vulnerability-severe");
    for format in ["html", "markdown"] {
        let report = scene.verify(DENY, &["-o", format]);
        for part in ["1 suppressed by VEX", "inflateGetHeader is never called", "says release in"] {
            report.exits(1).says(part);
        }
        report.says("hallmark explain vulnerability-severe");
    }
    let sarif = scene.verify(DENY, &["-o", "sarif"]).exits(1).json();
    let results = sarif["runs"][0]["results"].as_array().unwrap().clone();
    let of = |suppressed: bool| {
        let is = |result: &&Value| result.get("suppressions").is_some() == suppressed;
        results.iter().filter(is).collect::<Vec<_>>()
    };
    let [quiet] = of(true)[..] else { panic!("{sarif:#}") };
    assert_eq!(quiet["suppressions"][0]["kind"], "external");
    assert_eq!(quiet["suppressions"][0]["status"], "accepted");
    assert_eq!(quiet["suppressions"][0]["justification"], word);
    assert_eq!(
        (&quiet["ruleId"], &quiet["level"]),
        (&json!("vulnerability-suppressed"), &json!("note"))
    );
    assert!(quiet["message"]["text"].as_str().unwrap().contains("DEBIAN-CVE-2026-1"), "{quiet:#}");
    assert!(of(false).iter().all(|result| result["ruleId"] != "vulnerability-suppressed"));
    let gitlab = scene.verify(DENY, &["-o", "gitlab"]);
    gitlab
        .exits(1)
        .says("DEBIAN-CVE-2026-2")
        .says("update the package to the version")
        .says_not("suppressed");
    // Without the statement nothing is suppressed, and nothing says so.
    let plain = scene.verify(DENY, &["-o", "json"]).exits(1).json();
    let known = &plain["platforms"][0]["evidence"]["vulnerabilities"]["known"];
    assert_eq!(known[0]["vex"]["signers"], json!(["release"]), "{known:#}");
}

#[test]
fn a_rule_that_was_asked_for_and_has_no_level_says_so() {
    let scene = Scene::new();
    scene.sign();
    let help = "write, for example, policy: {settings: {vulnerabilities: {deny: high}}} into hallmark.yaml";
    for policy in ["{preset: signed}", "{preset: signed, rules: [vulnerabilities]}"] {
        let text = scene.verify(policy, &[]);
        text.exits(0).says("warning[policy-rule-idle]").says("rule vulnerabilities");
        text.says("policy.settings.vulnerabilities.deny is not set").says(help);
        let checked = Hallmark::new(["config", "check"]).config(&scene.config(policy)).run();
        checked.exits(0).says("warning: the rule vulnerabilities decides nothing").says(help);
        let json = Hallmark::new(["config", "check", "-o", "json"]).config(&scene.config(policy));
        let idle = json.run().exits(0).json()["policy"]["idleRules"].clone();
        assert_eq!(
            (&idle[0]["rule"], &idle[0]["asked"]),
            (&json!("vulnerabilities"), &json!(true))
        );
    }
    // Turned off on purpose, or on.
    let off = "{preset: signed, settings: {vulnerabilities: {deny: 'off'}}}";
    for policy in [DENY, off, "{preset: regulated}"] {
        assert!(!scene.verify(policy, &[]).all().contains("policy-rule-idle"), "{policy}");
        let checked = Hallmark::new(["config", "check"]).config(&scene.config(policy)).run();
        checked.exits(0).says_not("decides nothing");
    }
    // A preset has it, and nobody asked for it.
    let plain = "version: 1\npolicy: {preset: signed}\n";
    let checked = Hallmark::new(["config", "check"]).config(plain).run();
    checked.exits(0).says_not("decides nothing");
    let key = public(&scene.keys.path("release"));
    let image = scene.layout.reference();
    let verify = Hallmark::new(["verify", "--key", key.to_str().unwrap(), &image]).config(plain);
    verify.run().exits(0).says_not("policy-rule-idle");
}

#[test]
fn a_damaged_database_has_one_exit_code_everywhere() {
    let scene = Scene::new();
    scene.sign();
    let mut bytes = fs::read(scene.database()).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(scene.database(), bytes).unwrap();
    let (file, image, osv) =
        (scene.database(), scene.layout.reference(), scene.path("osv").display().to_string());
    let out = scene.path("new.db").display().to_string();
    let calls: [&[&str]; 4] = [
        &["vulns", "info", &file],
        &["vulns", "match", &file, &image],
        &["vulns", "import", &osv, "--previous", &file, "--out", &out],
        &["verify", &image],
    ];
    for call in calls {
        let hallmark = Hallmark::new(call.iter().copied());
        let answer = match call[0] {
            "verify" => hallmark.config(&scene.config("{preset: baseline}")).run(),
            _ => hallmark.run(),
        };
        answer.exits(2).says("it is damaged").says("hallmark vulns import");
    }
}

#[test]
fn each_answer_about_data_is_a_document_of_its_schema() {
    let scene = Scene::new();
    let (file, image) = (scene.database(), scene.layout.reference());
    let import = scene.import(&["-o", "json"]).exits(0).json();
    let info = Hallmark::new(["vulns", "info", &file, "-o", "json"]).run().exits(0).json();
    assert_eq!(import, info);
    assert_eq!(info["schema"], "hallmark/vulnerability-database/v1");
    assert_eq!(info["header"]["advisories"], 2);
    let known = Hallmark::new(["vulns", "match", &file, &image, "-o", "json"]).run();
    let known = known.exits(0).json();
    assert_eq!(known["schema"], "hallmark/vulnerability-matches/v1");
    assert_eq!(known["images"][0]["vulnerabilities"]["known"].as_array().unwrap().len(), 2);
    let text = Hallmark::new(["vulns", "info", &file]).run();
    text.exits(0).says("Debian:12: 1 package, 2 records");
    let nowhere = Hallmark::new(["vulns", "info", &file.replace("vulns.db", "vuln.db")]).run();
    nowhere.exits(2).says("did you mean vulns.db?").says("hallmark vulns import --out FILE");
}

/// What a report says of an SBOM is the same in each, and one that the image contradicts is no passed case.
#[test]
fn junit_says_of_an_sbom_what_the_text_says() {
    for (version, agrees) in [("1:1.2.13", true), ("1:9", false)] {
        let scene = Scene::new();
        scene.sign();
        let (image, key) = (scene.layout.reference(), scene.keys.path("release"));
        let sbom = scene.write(
            "sbom.json",
            &json!({
                "spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT", "name": "x",
                "packages": [{
                    "SPDXID": "SPDXRef-a", "name": "zlib1g", "versionInfo": version,
                    "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
                        "referenceLocator": format!("pkg:deb/debian/zlib1g@{version}?arch=amd64")}],
                }],
            })
            .to_string(),
        );
        let key = key.to_str().unwrap();
        let call = ["sign", &image, "--key", key, "--predicate", &sbom, "--type", "spdx"];
        Hallmark::new(call).run().exits(0);
        let policy = "{preset: signed, settings: {vulnerabilities: {deny: 'off'}}}";
        let text = scene.verify(policy, &[]);
        let words =
            text.stdout.lines().find_map(|line| line.strip_prefix("  sbom        ")).unwrap();
        assert_eq!(words.contains("agrees with the image (1 package)"), agrees, "{}", text.all());
        let junit = scene.verify(policy, &["-o", "junit"]);
        let (_, case) = junit.stdout.split_once("name=\"sbom\"").unwrap();
        let (case, _) = case.split_once("</testcase>").unwrap();
        assert!(case.contains(words), "{words}\n{case}");
        assert_eq!(case.contains("<skipped"), !agrees, "{case}");
    }
}
