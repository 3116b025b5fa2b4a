//! Packages of languages that are parts of the distribution's: its record decides on a base that is listed, and on nobody's word.

use std::{fs, path::PathBuf};

use md5::{Digest as _, Md5};
use serde_json::{Value, json};

use crate::{
    layouts::{Layout, Parts},
    sign::{Keys, public},
    support::{Answer, Hallmark},
};

const OS: &str = "ID=debian\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\n";
const STATUS: &str = "Package: python3-requests\nStatus: install ok installed\nArchitecture: all\n\
                      Source: requests\nVersion: 2.28.1-1\nMaintainer: m\nDescription: d\n\n";
const METADATA: &str = "Metadata-Version: 2.1\nName: requests\nVersion: 2.28.1\n";
const LISTED: &str = "usr/lib/python3/dist-packages/requests-2.28.1.dist-info/METADATA";

/// A signed image with requests as a part of python3-requests, and a database that has a vulnerability of both.
struct Scene {
    keys: Keys,
    layout: Layout,
    base: Value,
    folder: tempfile::TempDir,
}

impl Scene {
    /// With the version in which the distribution fixes it.
    fn new(fixed: &str) -> Self {
        let sums = format!("{}  {LISTED}\n", hex::encode(Md5::digest(METADATA)));
        let files: [(&str, &[u8]); 4] = [
            ("usr/lib/os-release", OS.as_bytes()),
            (LISTED, METADATA.as_bytes()),
            ("var/lib/dpkg/info/python3-requests.md5sums", sums.as_bytes()),
            ("var/lib/dpkg/status", STATUS.as_bytes()),
        ];
        let parts = Parts::new(&files);
        let base = parts.config["rootfs"]["diff_ids"].clone();
        let (keys, layout) = (Keys::new(), Layout::of(&parts));
        let scene = Self { keys, layout, base, folder: tempfile::tempdir().unwrap() };
        for (id, also, ecosystem, fixed) in [
            ("GHSA-1", "aliases", "PyPI", "2.32.0"),
            ("DEBIAN-CVE-2026-1", "upstream", "Debian:12", fixed),
        ] {
            let record = json!({
                "schema_version": "1.7.3", "id": id, "modified": "2026-11-01T00:00:00Z", also: ["CVE-2026-1"],
                "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],
                "affected": [{"package": {"ecosystem": ecosystem, "name": "requests"},
                    "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": fixed}]}]}],
            });
            scene.write(&format!("osv/{id}.json"), &record.to_string());
        }
        let (osv, out) = (scene.path("osv"), scene.path("vulns.db"));
        let import = ["vulns", "import", osv.to_str().unwrap(), "--out", out.to_str().unwrap()];
        Hallmark::new(import).run().exits(0);
        scene.keys.p256("release");
        let (image, key) = (scene.layout.reference(), scene.key());
        Hallmark::new(["sign", &image, "--key", &key]).run().exits(0);
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn key(&self) -> String {
        self.keys.path("release").display().to_string()
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    /// A statement of VEX about the distribution's package.
    fn excuse(&self) {
        let vex = json!({
            "@context": "https://openvex.dev/ns/v0.2.0", "@id": "https://acme.example/vex/7", "author": "a",
            "timestamp": "2026-11-02T00:00:00Z", "version": 1,
            "statements": [{
                "vulnerability": {"name": "CVE-2026-1"}, "status": "not_affected",
                "products": [{"@id": "pkg:deb/debian/python3-requests"}],
                "justification": "vulnerable_code_not_in_execute_path",
            }],
        });
        let (image, key) = (self.layout.reference(), self.key());
        let vex = self.write("vex.json", &vex.to_string());
        let call = ["sign", &image, "--key", &key, "--predicate", &vex, "--type", "openvex"];
        Hallmark::new(call).run().exits(0);
    }

    /// With the image's layer listed as a base, or not.
    fn config(&self, listed: bool) -> String {
        let bases = if listed { json!([{"layers": self.base}]) } else { json!([]) };
        let key = public(&self.keys.path("release")).display().to_string();
        format!(
            "version: 1\ntrust:\n  signers: [{{name: release, key: {key:?}}}]\n  rules: [{{images: ['**'], predicates: [signature, 'https://openvex.dev/ns'], \
             signers: [release]}}]\nvulnerabilities: {{database: {:?}}}\ncontents: {{bases: {bases}}}\n\
             policy: {{preset: signed, settings: {{vulnerabilities: {{deny: high, maxAgeDays: 0}}}}}}\n",
            self.path("vulns.db").display().to_string(),
        )
    }

    fn verify(&self, listed: bool) -> Answer {
        let image = self.layout.reference();
        Hallmark::new(["verify", &image]).config(&self.config(listed)).run()
    }

    fn known(&self, listed: bool, form: &str) -> Answer {
        let (image, database) = (self.layout.reference(), self.path("vulns.db"));
        let call = ["vulns", "match", database.to_str().unwrap(), &image, "-o", form];
        Hallmark::new(call).config(&self.config(listed)).run()
    }
}

const FIX: &str = "2.28.1-1";
const LATER: &str = "2.28.1-1+deb12u1";

#[test]
fn c100_a_fix_of_the_distribution_counts_on_a_listed_base_alone() {
    let scene = Scene::new(FIX);
    let says = "DEBIAN-CVE-2026-1 says that python3-requests 2.28.1-1 is not affected";
    let listed = scene.verify(true);
    listed.exits(0).says("1 known, 1 left to the distribution");
    listed.says(&format!("GHSA-1 of requests 2.28.1: left to the distribution: {says}"));
    let own = scene.verify(false);
    own.exits(1).says("vulnerability-severe").says_not("left to the distribution");
    scene.known(true, "text").exits(0).says(&format!("left to the distribution: {says}"));
    scene.known(false, "text").exits(0).says(says).says("it counts all the same");
    for (listed, undecided) in [(true, false), (false, true)] {
        let known = scene.known(listed, "json").exits(0).json();
        let one = &known["images"][0]["vulnerabilities"]["known"][0];
        assert_eq!(one["leftToDistribution"], json!(listed), "{one:#}");
        let said = &one["distribution"];
        assert_eq!(said["records"], json!(["DEBIAN-CVE-2026-1"]));
        assert_eq!(said["says"], "not-affected");
        assert_eq!(said["undecided"].is_string(), undecided, "{said:#}");
    }
}

#[test]
fn c105_vex_about_the_distribution_s_package_lifts_no_part_that_counts_by_itself() {
    let scene = Scene::new(LATER);
    // Told once, with the distribution's package.
    let known = scene.known(true, "json").exits(0).json();
    let known = known["images"][0]["vulnerabilities"]["known"].clone();
    assert_eq!(known[0]["id"], "DEBIAN-CVE-2026-1");
    assert_eq!(known[0]["parts"][0]["path"], format!("/{LISTED}"));
    assert_eq!(known[1]["leftToDistribution"], true);
    let part = format!("with requests 2.28.1 (/{LISTED}) in it");
    scene.verify(true).exits(1).says(&part).says_not("requests 2.28.1: GHSA-1");
    scene.verify(false).exits(1).says("requests 2.28.1: GHSA-1");
    scene.excuse();
    scene.verify(true).exits(0).says("2 known, 1 suppressed by VEX, 1 left to the distribution");
    scene.verify(false).exits(1).says("1 suppressed by VEX").says("requests 2.28.1: GHSA-1");
}
