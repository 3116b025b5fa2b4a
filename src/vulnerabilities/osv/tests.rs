//! Records in the format of OSV, well made and not.

use super::*;
use crate::vulnerabilities::record::Level;

fn read_text(text: &str) -> Result<Record, RecordError> {
    read(text.as_bytes(), &Limits::default())
}

/// A record with `fields` beside its id, and these members of its one package.
fn record(fields: &str, members: &str) -> String {
    format!(
        r#"{{"id":"X-1"{fields},"affected":[{{"package":{{"ecosystem":"PyPI","name":"a"}}{members}}}]}}"#
    )
}

#[test]
fn a_record_is_read_whole() {
    let text = r#"{"schema_version":"1.7.0","id":"GHSA-1","aliases":["CVE-2024-1"],"upstream":null,"related":["CVE-2024-2"],
        "modified":"2024-02-02T00:00:00Z","published":"2024-01-01T00:00:00Z","summary":"Line\n  of  words",
        "details":"anything","severity":[{"type":"CVSS_V3","score":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],
        "references":[{"type":"WEB","url":"https://a.example"}],
        "affected":[{"package":{"ecosystem":"PyPI","name":"a","purl":"pkg:pypi/a"},
            "ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"2.0"}],"database_specific":{"x":1}},
                      {"type":"GIT","repo":"https://a.example","events":[{"introduced":"0"},{"fixed":"abc"}]}],
            "versions":["1.0","1.1"]},
            {"ranges":[{"type":"GIT","events":[{"introduced":"0"}]}]}],
        "database_specific":{"severity":"MODERATE"}}"#;
    let record = read_text(text).unwrap();
    assert_eq!(record.advisory.summary, "Line of words");
    assert_eq!(record.advisory.aliases, ["CVE-2024-1"]);
    assert_eq!(record.advisory.upstream, [""; 0]);
    let levels: Vec<Level> = record.advisory.ratings.iter().map(|rating| rating.level).collect();
    assert_eq!(levels, [Level::Critical, Level::Medium]);
    let [package] = record.packages.as_slice() else { panic!("one package") };
    assert_eq!((package.ecosystem.label().as_str(), package.name.as_str()), ("PyPI", "a"));
    assert!(package.affected.commits);
    assert_eq!(package.affected.ranges.len(), 1);
    assert_eq!(package.affected.versions, ["1.0", "1.1"]);
}

#[test]
fn updates_name_their_vulnerabilities_as_related() {
    for (id, upstream) in
        [("RHSA-2024:1", 1), ("SUSE-SU-2024:1-1", 1), ("GHSA-1", 0), ("DSA-1-1", 0)]
    {
        let text = record(r#","related":["CVE-2024-1","RHSA-0"]"#, "").replace("X-1", id);
        assert_eq!(read_text(&text).unwrap().advisory.upstream.len(), upstream, "{id}");
    }
}

#[test]
fn records_that_cannot_be_believed_are_refused() {
    let range = |events: &str| {
        record("", &format!(r#","ranges":[{{"type":"ECOSYSTEM","events":[{events}]}}]"#))
    };
    let cases = [
        ("{}".to_owned(), "missing field `id`"),
        (r#"{"id":"X-1"}"#.to_owned(), "it names nothing that is affected"),
        (r#"{"id":"X-1","affected":[]}"#.to_owned(), "it names nothing that is affected"),
        (r#"{"id":"X 1","affected":[]}"#.to_owned(), "its id is no word: \"X 1\""),
        (record(r#","id":"X-2""#, ""), "id"),
        (record("", r#","ranges":{}"#), "expected a sequence"),
        (range(r#"{"introduced":"0"},{"introduced":"0"}"#), "a range of a has two events at \"0\""),
        (
            range(r#"{"introduced":"0","fixed":"1"}"#),
            "an event of a has not exactly one of introduced, fixed, last_affected and limit",
        ),
        (
            range("{}"),
            "an event of a has not exactly one of introduced, fixed, last_affected and limit",
        ),
        (range(r#"{"fixed":"1"}"#), "a range of a has no event introduced"),
        (range(""), "a range of a has no event introduced"),
        (
            range(r#"{"introduced":"0"}"#).replace("ECOSYSTEM", "DATE"),
            "a range of a has the type \"DATE\", which OSV has not",
        ),
        (range("{\"introduced\":\"1\u{202e}\"}"), "its event is no word: \"1\\u{202e}\""),
        (record("", r#","versions":[""]"#), "its version is no word: \"\""),
        (format!("{}x", record("", "")), "trailing characters"),
    ];
    for (text, why) in cases {
        let error = read_text(&text).unwrap_err().to_string();
        assert!(error.contains(why), "{text}: {error}");
    }
    assert!(read_text(&range(r#"{"introduced":"0"},{"fixed":"1"},{"introduced":"1"}"#)).is_err());
    assert!(read_text(&range(r#"{"introduced":"1"},{"last_affected":"1"}"#)).is_ok());
}

#[test]
fn the_size_of_an_advisory_is_limited_at_n_and_n_plus_one() {
    let text = record("", "");
    let limits = |advisory_bytes| Limits { advisory_bytes, ..Limits::default() };
    assert!(read(text.as_bytes(), &limits(text.len())).is_ok());
    assert!(read(text.as_bytes(), &limits(text.len() - 1)).is_err());
}

#[test]
fn modules_are_read_of_package_urls() {
    let cases = [
        ("pkg:rpm/redhat/nodejs?arch=src&rpmmod=nodejs:18:80900:rhel8", Some("nodejs:18")),
        ("pkg:rpm/redhat/nodejs?rpmmod=nodejs%3A18%3A80900", Some("nodejs:18")),
        ("pkg:rpm/redhat/nodejs?rpmmod=nodejs", None),
        ("pkg:rpm/redhat/nodejs", None),
    ];
    for (purl, want) in cases {
        assert_eq!(module(purl).as_deref(), want, "{purl}");
    }
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_a_record_or_refused(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200), members in ".{0,60}") {
        let _ = read(&bytes, &Limits::default());
        let _ = read_text(&record("", &members));
    }
}

#[test]
fn a_record_that_rates_a_cve_need_name_no_package() {
    let record = |id: &str, severity: &str| {
        let text = format!(
            r#"{{"schema_version": "1.7.3", "id": "{id}", "modified": "2026-01-01T00:00:00Z", "affected": []{severity}}}"#
        );
        read(text.as_bytes(), &Limits::default())
    };
    let rating = r#", "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}]"#;
    let rated = record("CVE-2026-1", rating).expect("a rating");
    assert!(rated.packages.is_empty() && rated.advisory.ratings.len() == 1, "{rated:?}");
    for (id, severity) in [("CVE-2026-1", ""), ("GHSA-1", rating)] {
        assert!(
            matches!(record(id, severity), Err(RecordError::NothingAffected)),
            "{id}{severity}"
        );
    }
}
