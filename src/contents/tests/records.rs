//! What decides by recorded bytes, and never by a path or a name: each attack with its honest twin.

use super::*;

#[test]
fn c54_no_path_hides_a_package_as_test_data_and_a_record_of_it_does() {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    use sha2::{Digest as _, Sha256};
    const METADATA: &str = "Name: evil\nVersion: 1.0\n";
    const SITE: &str = "usr/lib/python3/dist-packages";
    let limits = Limits::default();
    let at = |path: &str| format!("{SITE}/{path}");
    let (evil, metadata, record) = (
        at("foo/tests/data/evil-1.0.dist-info/METADATA"),
        at("foo-2.dist-info/METADATA"),
        at("foo-2.dist-info/RECORD"),
    );
    let sum = |text: &str| URL_SAFE_NO_PAD.encode(Sha256::digest(text));
    let of =
        |text: &str| format!("foo/tests/data/evil-1.0.dist-info/METADATA,sha256={},9\n", sum(text));
    let foo = (metadata.as_str(), "Name: foo\nVersion: 2\n");
    let (right, wrong) = (of(METADATA), of("another"));
    let (none, one) = ("pypi foo 2 -", "pypi evil 1.0 -, pypi foo 2 -");
    let cases: [(&str, &[(&str, &str)], &str); 3] = [
        ("a path alone", &[foo, (&evil, METADATA)], one),
        ("test data of a wheel", &[foo, (&evil, METADATA), (&record, &right)], none),
        ("other bytes than the wheel's", &[foo, (&evil, METADATA), (&record, &wrong)], one),
    ];
    for (what, files, want) in cases {
        assert_eq!(listed(&squashed(&[files], &limits)).join(", "), want, "{what}");
    }
    let npm = (
        "app/node_modules/a/test/node_modules/evil/package.json",
        r#"{"name":"evil","version":"1"}"#,
    );
    assert_eq!(listed(&squashed(&[&[npm]], &limits)), ["npm evil 1 -"]);
}

#[test]
fn c51_a_database_that_a_later_layer_deletes_is_told_whatever_is_left() {
    let limits = Limits::default();
    let base: &[(&str, &str)] = &[("var/lib/dpkg/status", STATUS), ("etc/os-release", DEBIAN)];
    let stanza =
        "Package: zlib1g\nVersion: 1:1.2.13\nArchitecture: amd64\n\nPackage: half\nVersion: 2\n";
    let both = ["var/lib/dpkg/.wh.status", "etc/.wh.os-release"].map(|path| (path, ""));
    let one = ("var/lib/dpkg/status.d/zlib1g", "Package: zlib1g\nVersion: 1:1.2.13\n");
    let cases: [(&str, &[(&str, &str)], &str); 5] = [
        ("both", &both, "2 of its packages are listed nowhere else"),
        ("os-release", &both[1..], "a lower layer says which distribution"),
        ("all but one package", &[both[0], one], "1 of its packages are listed nowhere else"),
        ("moved", &[both[0], ("var/lib/dpkg/status.d/all", stanza)], ""),
        ("nothing", &[], ""),
    ];
    for (what, upper, want) in cases {
        let said = wrong(&squashed(&[base, upper], &limits));
        assert!(said.contains(want) && said.is_empty() == want.is_empty(), "{what}: {said}");
    }
}

#[test]
fn c53_a_package_is_part_of_the_distribution_s_where_that_recorded_its_file() {
    use md5::{Digest as _, Md5};
    const FILE: &str = "usr/lib/python3/dist-packages/PyYAML-6.0.dist-info/METADATA";
    const METADATA: &str = "Name: PyYAML\nVersion: 6.0\n";
    const STATUS: &str = "Package: python3-yaml\nStatus: install ok installed\nVersion: 6.0-3\n\n";
    const LIST: &str = "var/lib/dpkg/info/python3-yaml.md5sums";
    let limits = Limits::default();
    let sums = |text: &str| format!("{}  {FILE}\n", hex::encode(Md5::digest(text)));
    let (right, wrong) = (sums(METADATA), sums("other"));
    let status = ("var/lib/dpkg/status", STATUS);
    let cases: [(&str, &[(&str, &str)], Option<&str>); 4] = [
        ("recorded", &[status, (LIST, &right), (FILE, METADATA)], Some("python3-yaml")),
        ("other bytes", &[status, (LIST, &wrong), (FILE, METADATA)], None),
        ("name and place alone", &[status, (FILE, METADATA)], None),
        ("of nobody who is installed", &[(LIST, &right), (FILE, METADATA)], None),
    ];
    for (what, files, want) in cases {
        let found = squashed(&[files], &limits);
        assert_eq!(
            found.owned.get(&format!("/{FILE}")).map(|one| one.package.as_str()),
            want,
            "{what}"
        );
    }
}
