//! Packages held against records: who is affected, who is not, and who cannot be told.

mod parts;

use super::*;
use crate::{
    limits::Limits,
    vulnerabilities::{database::Builder, osv},
};

fn database(records: &[String]) -> Database {
    let limits = Limits::default();
    let mut builder = Builder::new(&limits);
    for record in records {
        builder.add(osv::read(record.as_bytes(), &limits).unwrap()).unwrap();
    }
    Database::open(builder.finish("2026-01-02").unwrap(), &limits).unwrap()
}

/// A record of one package: id, more fields, ecosystem, name, events.
fn record(id: &str, more: &str, ecosystem: &str, name: &str, events: &str) -> String {
    format!(
        r#"{{"id":"{id}"{more},"affected":[{{"package":{{"ecosystem":"{ecosystem}","name":"{name}"}},
        "ranges":[{{"type":"ECOSYSTEM","events":[{events}]}}]}}]}}"#
    )
}

const UNFIXED: &str = r#"{"introduced":"0"}"#;

fn fixed(version: &str) -> String {
    format!(r#"{{"introduced":"0"}},{{"fixed":"{version}"}}"#)
}

fn subject(purl_type: &str, name: &str, version: &str) -> Subject {
    Subject {
        purl_type: purl_type.to_owned(),
        name: name.to_owned(),
        version: version.to_owned(),
        ..Subject::default()
    }
}

fn of(id: &str, version: &str) -> Distribution {
    Distribution { id: id.to_owned(), version: Some(version.to_owned()), ..Distribution::default() }
}

fn ask(records: &[String], distribution: Option<&Distribution>, subjects: &[Subject]) -> Known {
    known(&database(records), distribution, subjects, "2026-01-02").unwrap()
}

fn ids(known: &Known) -> Vec<&str> {
    known.vulnerabilities.iter().map(|one| one.advisory.id.as_str()).collect()
}

#[test]
fn debian_goes_by_source_and_its_version() {
    let records = [record("DEBIAN-CVE-1-1", "", "Debian:12", "openssl", &fixed("3.0.2-1"))];
    let debian = of("debian", "12");
    let of = |version: &str, source: &str, source_version: Option<&str>| Subject {
        source: Some(source.to_owned()),
        source_version: source_version.map(str::to_owned),
        ..subject("deb", "libssl3", version)
    };
    let cases = [
        (of("3.0.1-1", "openssl", None), true),
        (of("3.0.2-1", "openssl", None), false),
        // A build of the same source has a version of its own.
        (of("3.0.2-1+b1", "openssl", Some("3.0.2-1")), false),
        (of("1:9-1", "openssl", Some("3.0.1-1")), true),
        (of("3.0.1-1", "libssl3", None), false),
        (subject("deb", "openssl", "3.0.1-1"), true),
    ];
    for (subject, affected) in cases {
        let known = ask(&records, Some(&debian), std::slice::from_ref(&subject));
        assert_eq!(!known.vulnerabilities.is_empty(), affected, "{subject:?}");
        assert!(
            known
                .vulnerabilities
                .iter()
                .all(|one| one.matched == ("openssl".to_owned(), Name::Source))
        );
    }
}

#[test]
fn alpine_goes_by_origin_and_rpm_by_name() {
    let alpine = [record("ALPINE-CVE-1-1", "", "Alpine:v3.20", "openssl", &fixed("3.3.1-r1"))];
    let known = ask(
        &alpine,
        Some(&of("alpine", "3.20.1")),
        &[Subject {
            source: Some("openssl".to_owned()),
            ..subject("apk", "libcrypto3", "3.3.1-r0")
        }],
    );
    assert_eq!(known.vulnerabilities[0].matched, ("openssl".to_owned(), Name::Source));
    assert_eq!(
        known.gaps,
        [Gap { kind: GapKind::FixesOnly, name: "Alpine:v3.20".to_owned(), packages: 1 }]
    );
    let rpm = [record(
        "RHSA-1",
        "",
        "Red Hat:enterprise_linux:9::baseos",
        "openssl-libs",
        &fixed("1:3.0.7-25.el9"),
    )];
    let own = |name: &str, version: &str| Subject {
        source: Some("openssl".to_owned()),
        ..subject("rpm", name, version)
    };
    for (subject, affected) in [
        (own("openssl-libs", "1:3.0.7-24.el9"), true),
        (own("openssl-libs", "1:3.0.7-25.el9"), false),
        (own("openssl", "1:3.0.7-24.el9"), false),
    ] {
        let known = ask(&rpm, Some(&of("rhel", "9.4")), std::slice::from_ref(&subject));
        assert_eq!(!known.vulnerabilities.is_empty(), affected, "{subject:?}");
    }
}

#[test]
fn streams_of_modules_are_not_mixed() {
    let modular = record(
        "RHSA-18",
        "",
        "Red Hat:enterprise_linux:8::appstream",
        "nodejs",
        &fixed("1:18.20.2-1.module+el8.9.0+21542+1"),
    );
    let plain = record(
        "RHSA-P",
        "",
        "Red Hat:enterprise_linux:8::appstream",
        "nodejs",
        &fixed("1:99-1.el8"),
    );
    let records = [
        modular.clone(),
        plain,
        modular.replace("RHSA-18", "RHSA-M").replace(
            r#""name":"nodejs""#,
            r#""name":"nodejs","purl":"pkg:rpm/redhat/nodejs?rpmmod=nodejs:16:1:a""#,
        ),
    ];
    let of_module = |version: &str, module: Option<&str>| Subject {
        module: module.map(str::to_owned),
        ..subject("rpm", "nodejs", version)
    };
    let cases: [(Subject, &[&str]); 4] = [
        (of_module("1:18.1.0-1.module+el8.9.0+1+1", None), &["RHSA-18", "RHSA-M"]),
        (of_module("1:18.1.0-1.module+el8.9.0+1+1", Some("nodejs:18")), &["RHSA-18"]),
        (of_module("1:16.1.0-1.module+el8.9.0+1+1", Some("nodejs:16")), &["RHSA-18", "RHSA-M"]),
        (of_module("1:10.1.0-1.el8", None), &["RHSA-P"]),
    ];
    for (subject, want) in cases {
        assert_eq!(
            ids(&ask(&records, Some(&of("rhel", "8.9")), std::slice::from_ref(&subject))),
            want,
            "{subject:?}"
        );
    }
}

#[test]
fn c83_records_of_point_releases_and_of_streams_are_asked_and_clear_nothing() {
    let bash = |version: &str| subject("rpm", "bash", version);
    let of_rhel = |release: &str, id: &str, events: &str| {
        record(id, "", &format!("Red Hat:{release}"), "bash", events)
    };
    let main = || of_rhel("enterprise_linux:9::baseos", "CVE-1-1", &fixed("5.1-9.el9_5"));
    let eus = |events: &str| of_rhel("rhel_eus:9.4::baseos", "CVE-1-1", events);
    let (nine, ten) = (of("rhel", "9.4"), of("rhel", "10.1"));
    let cases = [
        // Records of a point release are those of the main stream.
        (
            vec![of_rhel("enterprise_linux:10.1", "CVE-1-1", &fixed("5.2-5.el10_1"))],
            &ten,
            "5.2-4.el10",
            1,
        ),
        (
            vec![of_rhel("enterprise_linux:10.1", "CVE-1-1", &fixed("5.2-5.el10_1"))],
            &ten,
            "5.2-5.el10_1",
            0,
        ),
        (
            vec![
                of_rhel("enterprise_linux:10.0", "CVE-1-1", &fixed("5.2-4.el10_0.1")),
                of_rhel("enterprise_linux:10.1", "CVE-1-1", &fixed("5.2-5.el10_1")),
            ],
            &ten,
            "5.2-4.el10_0.1",
            1,
        ),
        // A stream of the image's release says what the main stream does not.
        (vec![eus(&fixed("5.1-6.el9_4.1"))], &nine, "5.1-6.el9_4", 1),
        (vec![eus(&fixed("5.1-6.el9_4.1"))], &nine, "5.1-6.el9_4.1", 0),
        (vec![eus(&fixed("5.1-6.el9_4.1"))], &of("rhel", "9.2"), "5.1-6.el9_2", 0),
        // And clears nothing of what that says.
        (vec![main(), eus(&fixed("5.1-6.el9_4.1"))], &nine, "5.1-6.el9_4.1", 1),
        // What the main stream says is decided.
        (vec![main(), eus(UNFIXED)], &nine, "5.1-9.el9_5", 0),
    ];
    for (records, image, version, want) in cases {
        let known = ask(&records, Some(image), &[bash(version)]);
        assert_eq!(known.vulnerabilities.len(), want, "{version}: {records:?}");
    }
    // A stream alone covers no release.
    let gaps = |records: &[String]| {
        let known = ask(records, Some(&nine), &[bash("5.1-6.el9_4")]);
        known.gaps.iter().map(|gap| (gap.kind, gap.name.clone())).collect::<Vec<_>>()
    };
    let label = || "Red Hat:enterprise_linux:9".to_owned();
    assert_eq!(gaps(&[eus(UNFIXED)]), [(GapKind::Release, label())]);
    assert_eq!(gaps(&[main()]), [(GapKind::FixesOnly, label())]);
    assert_eq!(gaps(&[main(), eus(UNFIXED)]), [(GapKind::FixesOnly, label())]);
}

#[test]
fn no_data_is_not_clean() {
    let records = [
        record("DEBIAN-CVE-1-1", "", "Debian:12", "openssl", UNFIXED),
        record("GHSA-1", "", "npm", "a", &fixed("2.0.0")),
    ];
    let gap = |kind, name: &str| Gap { kind, name: name.to_owned(), packages: 1 };
    let cases = [
        (Some(of("debian", "12")), subject("deb", "a", "1"), vec![]),
        (
            Some(of("debian", "10")),
            subject("deb", "a", "1"),
            vec![gap(GapKind::Release, "Debian:10")],
        ),
        (
            Some(of("debian", "")),
            subject("deb", "a", "1"),
            vec![gap(GapKind::Release, "Debian:unknown")],
        ),
        (
            Some(of("linuxmint", "21")),
            subject("deb", "a", "1"),
            vec![gap(GapKind::Distribution, "linuxmint")],
        ),
        (None, subject("deb", "a", "1"), vec![gap(GapKind::Distribution, "none named")]),
        (None, subject("npm", "a", "3.0.0"), vec![]),
        (None, subject("pypi", "a", "3.0.0"), vec![gap(GapKind::Ecosystem, "PyPI")]),
        (None, subject("conda", "a", "3.0.0"), vec![gap(GapKind::Type, "conda")]),
        // Records of Debian say nothing about an rpm.
        (
            Some(of("debian", "12")),
            subject("rpm", "a", "1"),
            vec![gap(GapKind::Distribution, "debian")],
        ),
    ];
    for (distribution, subject, want) in cases {
        let known = ask(&records, distribution.as_ref(), std::slice::from_ref(&subject));
        assert_eq!(known.gaps, want, "{distribution:?} {subject:?}");
    }
    let old = database(&[record("DEBIAN-CVE-1-1", "", "Debian:11", "openssl", UNFIXED)]);
    let past =
        known(&old, Some(&of("debian", "11")), &[subject("deb", "a", "1")], "2026-09-01").unwrap();
    assert_eq!(past.gaps, [gap(GapKind::PastEnd("2026-08-31"), "Debian:11")]);
    let last_day =
        known(&old, Some(&of("debian", "11")), &[subject("deb", "a", "1")], "2026-08-31").unwrap();
    assert_eq!(last_day.gaps, []);
}

#[test]
fn versions_without_an_order_are_unknown_and_not_clean() {
    let records = [
        record("GO-1", "", "Go", "example.com/a", &fixed("1.2.0")),
        record("GO-2", "", "Go", "example.com/a", &fixed("1.3.0")),
    ];
    let known = ask(&records, None, &[subject("golang", "example.com/a", "(devel)")]);
    assert_eq!(known.vulnerabilities, []);
    let unknown = &known.unknown[0];
    assert_eq!(
        (unknown.count, unknown.advisories.as_slice()),
        (2, ["GO-1".to_owned(), "GO-2".to_owned()].as_slice())
    );
    assert_eq!(unknown.why, "the version (devel) is none that its ecosystem orders");
    assert_eq!(
        ids(&ask(&records, None, &[subject("golang", "example.com/a", "v1.2.1+incompatible")])),
        ["GO-2"]
    );
}

#[test]
fn what_was_taken_back_is_counted_and_what_is_one_is_merged() {
    let records = [
        record(
            "GHSA-1",
            r#","aliases":["CVE-2024-1"],"database_specific":{"severity":"LOW"}"#,
            "PyPI",
            "a",
            &fixed("2"),
        ),
        record(
            "PYSEC-1",
            r#","aliases":["CVE-2024-1"],"severity":[{"type":"CVSS_V3","score":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}]"#,
            "PyPI",
            "A",
            UNFIXED,
        ),
        record("PYSEC-2", r#","withdrawn":"2024-01-01T00:00:00Z""#, "PyPI", "a", UNFIXED),
        record("MAL-1", "", "PyPI", "a", UNFIXED),
    ];
    let known = ask(&records, None, &[subject("pypi", "A", "1")]);
    assert_eq!(known.withdrawn, 1);
    assert_eq!(ids(&known), ["GHSA-1", "MAL-1"]);
    let one = &known.vulnerabilities[0];
    assert_eq!(
        (one.fixed.as_deref(), one.severity.level, one.others.as_slice()),
        (Some("2"), Level::Critical, ["PYSEC-1".to_owned()].as_slice())
    );
    assert!(known.vulnerabilities[1].advisory.is_malware());
    assert_eq!(
        known.vulnerabilities[1].severity,
        Severity { level: Level::Unknown, tenths: None, source: None }
    );
}

#[test]
fn builds_of_ubuntu_pro_have_records_of_their_own() {
    let pair = |base: &str, pro: &str| {
        format!(
            r#"{{"id":"UBUNTU-CVE-1-1","affected":[{{"package":{{"ecosystem":"Ubuntu:18.04:LTS","name":"a"}},"ranges":[{{"type":"ECOSYSTEM","events":[{base}]}}]}},
        {{"package":{{"ecosystem":"Ubuntu:Pro:18.04:LTS","name":"a"}},"ranges":[{{"type":"ECOSYSTEM","events":[{pro}]}}]}}]}}"#
        )
    };
    let records = [pair(UNFIXED, &fixed("1.0-1ubuntu0.1~esm2"))];
    for (version, affected) in
        [("1.0-1", true), ("1.0-1ubuntu0.1~esm1", true), ("1.0-1ubuntu0.1~esm2", false)]
    {
        let known = ask(&records, Some(&of("ubuntu", "18.04")), &[subject("deb", "a", version)]);
        assert_eq!(!known.vulnerabilities.is_empty(), affected, "{version}");
    }
}

#[test]
fn what_the_distribution_says_is_kept_with_its_source() {
    let text = |urgency: &str| {
        format!(
            r#"{{"id":"DEBIAN-CVE-1-1","upstream":["CVE-1-1"],"affected":[{{"package":{{"ecosystem":"Debian:12","name":"linux"}},"ranges":[{{"type":"ECOSYSTEM","events":[{UNFIXED}]}}],"ecosystem_specific":{{"urgency":"{urgency}"}}}}]}}"#
        )
    };
    for (urgency, level, unimportant) in [
        ("low", Level::Low, false),
        ("not yet assigned", Level::Unknown, false),
        ("unimportant", Level::Negligible, true),
    ] {
        let known = ask(
            &[text(urgency)],
            Some(&of("debian", "12")),
            &[Subject {
                source: Some("linux".to_owned()),
                ..subject("deb", "linux-libc-dev", "6.1-1")
            }],
        );
        let one = &known.vulnerabilities[0];
        assert_eq!(
            (one.severity.level, one.unimportant, one.headers_only),
            (level, unimportant, true),
            "{urgency}"
        );
        assert_eq!(one.urgency.as_deref(), Some(urgency));
    }
}

#[test]
fn c94_a_jar_that_leaves_out_its_group_is_found_or_told() {
    let spring = "org.springframework:spring-core";
    let records = [
        record("GHSA-1", "", "Maven", spring, &fixed("5.3.18")),
        record("GHSA-2", "", "Maven", spring, &fixed("5.3.1")),
        record("GHSA-3", "", "Maven", "org.apache.maven:maven-core", &fixed("3.8.1")),
        record("GHSA-4", "", "Maven", "a.one:client", &fixed("2.0")),
        record("GHSA-5", "", "Maven", "b.two:client", &fixed("2.0")),
        record("GHSA-6", "", "npm", "spring-core", &fixed("99.0.0")),
    ];
    let cases: [(&str, &str, &[&str], usize); 10] = [
        (spring, "5.3.17", &["GHSA-1"], 0),
        ("spring-core", "5.3.17", &["GHSA-1"], 0),
        ("spring-core", "5.3.18", &[], 0),
        ("org.springframework.spring-core", "5.3.17", &["GHSA-1"], 0),
        ("org.apache.maven.core", "3.8.0", &["GHSA-3"], 0),
        ("client", "1.0", &[], 1),
        ("client", "2.0", &[], 0),
        ("b.two:client", "1.0", &["GHSA-5"], 0),
        ("com.corp:spring-core", "5.3.17", &[], 0),
        ("server", "1.0", &[], 0),
    ];
    for (name, version, want, unknown) in cases {
        let known = ask(&records, None, &[subject("maven", name, version)]);
        assert_eq!(ids(&known), want, "{name} {version}");
        assert_eq!(known.unknown.len(), unknown, "{name} {version}");
    }
    let known = ask(&records, None, &[subject("maven", "client", "1.0")]);
    let want =
        "nothing says its group, and advisories are about it if it is a.one:client, b.two:client";
    assert_eq!(known.unknown[0].why, want);
}

#[test]
fn c97_a_version_that_its_package_manager_would_refuse_clears_nothing() {
    let records = [record("DEBIAN-CVE-1-1", "", "Debian:12", "a", &fixed("98.0.0"))];
    for (version, found, unknown) in
        [("4.3.0", 1, 0), ("99", 0, 0), ("v4.3.0", 0, 1), ("latest", 0, 1), ("1:r4-1", 0, 1)]
    {
        let known = ask(&records, Some(&of("debian", "12")), &[subject("deb", "a", version)]);
        let said = (known.vulnerabilities.len(), known.unknown.len());
        assert_eq!(said, (found, unknown), "{version}");
    }
}

#[test]
fn c98_an_alias_of_one_of_several_vulnerabilities_does_not_mean_all() {
    let advisory = |aliases: &[&str], others: &[&str]| {
        let records = [record("A-1", "", "npm", "victim", &fixed("3.0.0"))];
        let mut found = ask(&records, None, &[subject("npm", "victim", "1.0.0")]).vulnerabilities;
        let mut one = found.remove(0);
        one.advisory.aliases = aliases.iter().map(|id| (*id).to_owned()).collect();
        one.others = others.iter().map(|id| (*id).to_owned()).collect();
        one
    };
    let cases: [(&[&str], &[&str], &[&str]); 4] = [
        (&["CVE-1", "GHSA-a"], &[], &["A-1", "GHSA-a"]),
        (&["CVE-1", "GHSA-a", "GHSA-b"], &["GHSA-b"], &["A-1", "GHSA-a", "GHSA-b"]),
        (&["CVE-1", "CVE-2", "GHSA-a", "GHSA-b"], &[], &["A-1"]),
        (&["CVE-1", "CVE-2", "GHSA-a", "GHSA-b"], &["GHSA-b"], &[]),
    ];
    for (aliases, others, want) in cases {
        let ids: Vec<String> =
            advisory(aliases, others).ids().into_iter().map(str::to_owned).collect();
        assert_eq!(ids, want, "{aliases:?} {others:?}");
    }
}
