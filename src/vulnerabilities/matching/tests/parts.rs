//! Parts of the distribution's packages: where its record decides, and each way in which it must not.

use super::*;

const GHSA: &str = r#","aliases":["CVE-2024-1"],"database_specific":{"severity":"CRITICAL"}"#;
const DEBIAN: &str = r#","upstream":["CVE-2024-1"]"#;

/// requests 2.28.1, a part of python3-requests 2.28.1-1+deb12u1 of the source requests, on a known base or not.
fn pair(of_base: bool) -> [Subject; 2] {
    let own = Subject {
        source: Some("requests".to_owned()),
        ..subject("deb", "python3-requests", "2.28.1-1+deb12u1")
    };
    let twin = Some(Twin { place: 0, of_base });
    [own, Subject { place: 1, twin, ..subject("pypi", "requests", "2.28.1") }]
}

fn ghsa(more: &str) -> String {
    record("GHSA-1", more, "PyPI", "requests", &fixed("2.32.0"))
}

fn debian(id: &str, more: &str, events: &str) -> String {
    record(id, more, "Debian:12", "requests", events)
}

fn withdrawn(record: &str) -> String {
    record.replacen('{', r#"{"withdrawn":"2024-01-01T00:00:00Z","#, 1)
}

/// Each vulnerability: the advisory, whether it is left to the distribution, what that says, and how many parts it is told for.
fn said(known: &Known) -> Vec<String> {
    let all = known.vulnerabilities.iter().map(|one| {
        let ruling = one.ruling.as_ref().map_or("-", |ruling| ruling.said.word());
        let left = if one.left_to_distribution() { "left" } else { "counts" };
        format!("{} {left} {ruling} {}", one.advisory.id, one.parts.len())
    });
    all.collect()
}

const ONE: &str = "CVE-2024-1";
const TWO: &str = "CVE-2024-2";
const SEVERAL: &str = r#","aliases":["CVE-2024-1","CVE-2024-2"]"#;

/// Debian's record of one CVE.
fn deb(id: &str, cve: &str, events: &str) -> String {
    debian(id, &format!(r#","upstream":["{cve}"]"#), events)
}

#[test]
fn c99_the_distribution_s_record_of_the_same_cve_decides_and_no_other() {
    let (fix, open) = (fixed("2.28.1-1+deb12u1"), fixed("2.28.1-1+deb12u2"));
    let cases: [(&str, Vec<String>, &[&str]); 16] = [
        ("fixed", vec![ghsa(GHSA), deb("D-1", ONE, &fix)], &["GHSA-1 left not-affected 0"]),
        (
            "affected",
            vec![ghsa(GHSA), deb("D-1", ONE, &open)],
            &["D-1 counts - 1", "GHSA-1 left affected 0"],
        ),
        (
            "affected, without a fix",
            vec![ghsa(GHSA), deb("D-1", ONE, UNFIXED)],
            &["D-1 counts - 1", "GHSA-1 left affected 0"],
        ),
        ("no record at all", vec![ghsa(GHSA)], &["GHSA-1 counts nothing 0"]),
        ("none of this CVE", vec![ghsa(GHSA), deb("D-2", TWO, &fix)], &["GHSA-1 counts nothing 0"]),
        (
            "of another source",
            vec![
                ghsa(GHSA),
                deb("D-2", TWO, &fix),
                record("D-1", DEBIAN, "Debian:12", "python-requests", &fix),
            ],
            &["GHSA-1 counts nothing 0"],
        ),
        (
            "of another release",
            vec![
                ghsa(GHSA),
                deb("D-2", TWO, &fix),
                record("D-1", DEBIAN, "Debian:13", "requests", &fix),
            ],
            &["GHSA-1 counts nothing 0"],
        ),
        (
            "taken back",
            vec![ghsa(GHSA), withdrawn(&deb("D-1", ONE, &fix))],
            &["GHSA-1 counts nothing 0"],
        ),
        (
            "one says fixed, another does not",
            vec![ghsa(GHSA), deb("D-1", ONE, &fix), deb("D-2", ONE, &open)],
            &["D-2 counts - 1", "GHSA-1 left affected 0"],
        ),
        (
            "one leaves it open",
            vec![ghsa(GHSA), deb("D-1", ONE, &fix), deb("D-2", ONE, &fixed("v1"))],
            &["GHSA-1 counts unknown 0"],
        ),
        (
            "one of two CVEs",
            vec![ghsa(SEVERAL), deb("D-1", ONE, &fix)],
            &["GHSA-1 counts nothing 0"],
        ),
        (
            "both CVEs",
            vec![ghsa(SEVERAL), deb("D-1", ONE, &fix), deb("D-2", TWO, &fix)],
            &["GHSA-1 left not-affected 0"],
        ),
        (
            "both CVEs, one affected",
            vec![ghsa(SEVERAL), deb("D-1", ONE, &fix), deb("D-2", TWO, &open)],
            &["D-2 counts - 1", "GHSA-1 left affected 0"],
        ),
        (
            "an update of several",
            vec![ghsa(GHSA), debian("DSA-1", r#","upstream":["CVE-2024-1","CVE-2024-2"]"#, &fix)],
            &["GHSA-1 left not-affected 0"],
        ),
        (
            "no CVE, the same id",
            vec![ghsa(""), debian("D-1", r#","aliases":["GHSA-1"]"#, &fix)],
            &["GHSA-1 left not-affected 0"],
        ),
        ("no CVE", vec![ghsa(""), deb("D-1", ONE, &fix)], &["GHSA-1 counts nothing 0"]),
    ];
    for (what, records, want) in cases {
        let known = ask(&records, Some(&of("debian", "12")), &pair(true));
        assert_eq!(said(&known), want, "{what}");
    }
}

#[test]
fn c100_what_rests_on_the_image_s_own_word_is_told_and_counts() {
    let records = |events: &str| vec![ghsa(GHSA), debian("D-1", DEBIAN, events)];
    let (fix, open) = (fixed("2.28.1-1+deb12u1"), fixed("2.28.1-1+deb12u2"));
    let cases: [(&str, &[&str]); 2] = [
        (&fix, &["GHSA-1 counts not-affected 0"]),
        (&open, &["D-1 counts - 0", "GHSA-1 counts affected 0"]),
    ];
    for (events, want) in cases {
        let known = ask(&records(events), Some(&of("debian", "12")), &pair(false));
        assert_eq!(said(&known), want);
        let ruling = known.vulnerabilities.iter().find_map(|one| one.ruling.as_ref()).unwrap();
        assert_eq!(ruling.undecided, Some(Undecided::OwnWord));
        assert_eq!((ruling.package, ruling.records.as_slice()), (0, ["D-1".to_owned()].as_slice()));
    }
    // Forged: an epoch is behind every fix.
    let forged = |of_base| {
        let [own, part] = pair(of_base);
        [Subject { version: "9:2.28.1-1".to_owned(), ..own }, part]
    };
    let known = ask(&records(&open), Some(&of("debian", "12")), &forged(false));
    assert_eq!(said(&known), ["GHSA-1 counts not-affected 0"]);
}

#[test]
fn c101_a_part_of_no_package_of_its_project_and_malware_are_judged_by_their_own() {
    let fix = fixed("2.28.1-1");
    let records = [
        ghsa(GHSA),
        debian("D-1", DEBIAN, &fix),
        record("MAL-1", DEBIAN, "PyPI", "requests", UNFIXED),
        record("GHSA-2", r#","aliases":["CVE-2024-1"]"#, "PyPI", "urllib3", UNFIXED),
    ];
    let [own, part] = pair(true);
    let vendored = Subject { place: 2, ..subject("pypi", "urllib3", "1.26.5") };
    let all = [own, part, vendored];
    let known = ask(&records, Some(&of("debian", "12")), &all);
    let want = ["GHSA-1 left not-affected 0", "MAL-1 counts - 0", "GHSA-2 counts - 0"];
    assert_eq!(said(&known), want);
    // Of no distribution, or one that no data is about, nothing decides.
    for distribution in [None, Some(of("linuxmint", "21")), Some(of("debian", "11"))] {
        let known = ask(&records, distribution.as_ref(), &all[..2]);
        assert!(known.vulnerabilities.iter().all(|one| !one.left_to_distribution()));
    }
}

#[test]
fn c102_what_is_told_once_is_told_as_badly_as_either_says() {
    // Ratings are joined by CVE at the import; here there is none.
    let rated = r#","database_specific":{"severity":"CRITICAL"}"#;
    let records = [ghsa(rated), debian("D-1", r#","aliases":["GHSA-1"]"#, UNFIXED)];
    let known = ask(&records, Some(&of("debian", "12")), &pair(true));
    let told = &known.vulnerabilities[0];
    assert_eq!((told.advisory.id.as_str(), told.severity.level), ("D-1", Level::Critical));
    assert_eq!(told.parts, [1]);
    // Two copies of one package are both named.
    let [own, part] = pair(true);
    let copy = Subject { place: 2, ..part.clone() };
    let known = ask(&records, Some(&of("debian", "12")), &[own, part, copy]);
    assert_eq!(known.vulnerabilities[0].parts, [1, 2]);
}

#[test]
fn c103_a_stream_s_record_clears_nothing() {
    let ghsa = record("GHSA-1", GHSA, "PyPI", "requests", &fixed("2.32.0"));
    let of_rhel = |release: &str, id: &str, events: &str| {
        record(id, DEBIAN, &format!("Red Hat:{release}"), "python3-requests", events)
    };
    let main = "enterprise_linux:9::baseos";
    let eus = "rhel_eus:9.4::baseos";
    let own = subject("rpm", "python3-requests", "2.28.1-6.el9_4");
    let twin = Some(Twin { place: 0, of_base: true });
    let part = Subject { place: 1, twin, ..subject("pypi", "requests", "2.28.1") };
    let subjects = [own, part];
    let fix = fixed("2.28.1-6.el9_4");
    let other = record("RHSA-9", "", "Red Hat:enterprise_linux:9::baseos", "bash", &fix);
    let cases: [(&str, Vec<String>, &[&str]); 3] = [
        ("main", vec![of_rhel(main, "R-1", &fix)], &["GHSA-1 left not-affected 0"]),
        ("stream", vec![of_rhel(eus, "R-1", &fix)], &["GHSA-1 counts nothing 0"]),
        (
            "a stream says affected",
            vec![of_rhel(main, "R-1", &fix), of_rhel(eus, "R-2", &fixed("2.28.1-7.el9_4"))],
            &["R-2 counts - 1", "GHSA-1 left affected 0"],
        ),
    ];
    for (what, records, want) in cases {
        let records: Vec<String> =
            records.into_iter().chain([ghsa.clone(), other.clone()]).collect();
        let known = ask(&records, Some(&of("rhel", "9.4")), &subjects);
        assert_eq!(said(&known), want, "{what}");
    }
}
