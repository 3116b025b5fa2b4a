//! Which statement about a vulnerability counts.

use super::*;

const DIGEST: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const OTHER: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

fn judged() -> Judged {
    Judged { digests: vec![DIGEST.to_owned()], repository: "docker.io/library/app".to_owned() }
}

fn question() -> Question<'static> {
    Question {
        ids: BTreeSet::from(["DEBIAN-CVE-2024-1", "CVE-2024-1"]),
        purls: vec![
            "pkg:deb/debian/libssl3@3.0.1-1?arch=amd64&distro=debian-12",
            "pkg:deb/debian/openssl@3.0.1-1",
        ],
    }
}

fn statement(status: Status, product: &str, parts: &[&str], time: &str) -> Statement {
    Statement {
        vulnerability: vec!["CVE-2024-1".to_owned()],
        status,
        justification: Some("vulnerable_code_not_present".to_owned()),
        why: None,
        products: vec![Product {
            identity: Identity::of(product),
            parts: parts.iter().map(|part| Identity::of(part)).collect(),
        }],
        time: time.parse().ok(),
        document: "d".to_owned(),
    }
}

fn image(digest: &str) -> String {
    format!("pkg:oci/app@sha256%3A{digest}?repository_url=index.docker.io/library/app")
}

const OLD: &str = "2024-01-01T00:00:00Z";
const NEW: &str = "2025-01-01T00:00:00Z";

#[test]
fn a_statement_fits_its_product_and_part_or_says_why_not() {
    let no_version = "pkg:oci/app?repository_url=docker.io/library/app";
    let cases: Vec<(String, &[&str], Result<Fit, Unmatched>)> = vec![
        (image(DIGEST), &[], Ok((2, 0))),
        (image(DIGEST), &["pkg:deb/debian/openssl"], Ok((2, 1))),
        (image(DIGEST), &["pkg:deb/debian/openssl@3.0.1-1"], Ok((2, 2))),
        (image(DIGEST), &["pkg:deb/debian/libssl3@3.0.1-1?arch=amd64"], Ok((2, 2))),
        (image(DIGEST), &["pkg:deb/debian/libssl3@3.0.1-1?arch=arm64"], Err(Unmatched::Part)),
        (image(DIGEST), &["pkg:deb/debian/openssl@3.0.0-1"], Err(Unmatched::Part)),
        (image(DIGEST), &["pkg:deb/ubuntu/openssl"], Err(Unmatched::Part)),
        (image(DIGEST), &["pkg:npm/openssl"], Err(Unmatched::Part)),
        (image(OTHER), &[], Err(Unmatched::Product)),
        (no_version.to_owned(), &[], Ok((1, 0))),
        (
            "pkg:oci/app?repository_url=docker.io/library/other".to_owned(),
            &[],
            Err(Unmatched::Product),
        ),
        ("pkg:oci/app".to_owned(), &[], Err(Unmatched::Product)),
        (format!("pkg:oci/app@sha256%3A{DIGEST}"), &[], Ok((2, 0))),
        ("pkg:deb/debian/openssl".to_owned(), &[], Ok((0, 1))),
        ("https://example.com/app".to_owned(), &[], Err(Unmatched::Nameless)),
    ];
    for (product, parts, want) in cases {
        let statement = statement(Status::NotAffected, &product, parts, OLD);
        assert_eq!(fit(&question(), &statement, &judged()), want, "{product} {parts:?}");
    }
    let mut unjustified = statement(Status::NotAffected, &image(DIGEST), &[], OLD);
    unjustified.justification = None;
    assert_eq!(unmatched(&[question()], &unjustified, &judged()), Some(Unmatched::Unjustified));
    let mut about_another = statement(Status::NotAffected, &image(DIGEST), &[], OLD);
    about_another.vulnerability = vec!["CVE-2024-2".to_owned()];
    assert_eq!(unmatched(&[question()], &about_another, &judged()), Some(Unmatched::Vulnerability));
    about_another.vulnerability = vec!["DEBIAN-CVE-2024-1".to_owned()];
    assert_eq!(unmatched(&[question()], &about_another, &judged()), None);
}

#[test]
fn the_most_specific_then_the_newest_counts_and_a_conflict_suppresses_nothing() {
    use Status::{Affected, Fixed, NotAffected, UnderInvestigation};
    let whole = image(DIGEST);
    let part: &[&str] = &["pkg:deb/debian/openssl"];
    let of = |status, parts, time| statement(status, &whole, parts, time);
    let cases: Vec<(Vec<Statement>, Answer)> = vec![
        (vec![], Answer::Silent),
        (vec![of(NotAffected, &[], OLD)], Answer::Suppressed(0)),
        (vec![of(Fixed, &[], OLD)], Answer::Suppressed(0)),
        (vec![of(Affected, &[], OLD)], Answer::Counts(0)),
        (vec![of(UnderInvestigation, &[], OLD)], Answer::Counts(0)),
        (vec![of(NotAffected, &[], OLD), of(Affected, &[], NEW)], Answer::Counts(1)),
        (vec![of(NotAffected, &[], NEW), of(Affected, &[], OLD)], Answer::Suppressed(0)),
        // Newer and less specific does not count.
        (vec![of(NotAffected, part, OLD), of(Affected, &[], NEW)], Answer::Suppressed(0)),
        (vec![of(NotAffected, &[], OLD), of(Affected, &[], OLD)], Answer::Conflict(vec![0, 1])),
        (vec![of(NotAffected, &[], OLD), of(Fixed, &[], OLD)], Answer::Suppressed(0)),
    ];
    for (statements, want) in cases {
        assert_eq!(answer(&question(), &statements, &judged()), want, "{statements:?}");
    }
}
