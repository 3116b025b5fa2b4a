//! Which statement about a vulnerability counts.

use super::*;

const DIGEST: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const OTHER: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

fn judged() -> Judged {
    Judged {
        digests: vec![DIGEST.to_owned()],
        repository: "docker.io/library/app".to_owned(),
        distribution: None,
    }
}

fn question() -> Question<'static> {
    Question {
        ids: BTreeSet::from(["DEBIAN-CVE-2024-1"]),
        parts: BTreeSet::from(["CVE-2024-1"]),
        purls: vec![
            "pkg:deb/debian/libssl3@3.0.1-1?arch=amd64&distro=debian-12",
            "pkg:deb/debian/openssl@3.0.1-1",
        ],
    }
}

/// Why a statement alone says nothing.
fn said(question: &Question<'_>, statement: &Statement, judged: &Judged) -> Option<Unmatched> {
    let questions = std::slice::from_ref(question);
    let answer = answer(question, std::slice::from_ref(statement), judged);
    unmatched(questions, &[answer], statement, judged)
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
        signers: Vec::new(),
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
    assert_eq!(said(&question(), &unjustified, &judged()), Some(Unmatched::Unjustified));
    let mut about_another = statement(Status::NotAffected, &image(DIGEST), &[], OLD);
    about_another.vulnerability = vec!["CVE-2024-2".to_owned()];
    assert_eq!(said(&question(), &about_another, &judged()), Some(Unmatched::Vulnerability));
    about_another.vulnerability = vec!["DEBIAN-CVE-2024-1".to_owned()];
    assert_eq!(said(&question(), &about_another, &judged()), None);
}

/// An image of Red Hat's with one package, and a question about it.
fn red_hat(version: &str) -> (Judged, Question<'static>) {
    let distribution = Distribution {
        id: "rhel".to_owned(),
        version: Some(version.to_owned()).filter(|version| !version.is_empty()),
        ..Distribution::default()
    };
    let question = Question {
        ids: BTreeSet::from(["CVE-2024-1"]),
        parts: BTreeSet::new(),
        purls: vec!["pkg:rpm/rhel/npm@8.1-2?arch=x86_64&epoch=1&distro=rhel-9.4"],
    };
    (Judged { distribution: Some(distribution), ..judged() }, question)
}

#[test]
fn c74_a_statement_about_one_platform_says_nothing_of_another() {
    let on = |cpe: &str| {
        let mut statement = statement(Status::NotAffected, "pkg:rpm/redhat/npm", &[], OLD);
        statement.products[0].identity.platforms = Platforms::alone(Some(cpe));
        statement
    };
    let nine = "cpe:/o:redhat:enterprise_linux:9";
    let cases = [
        (nine, "9.4", None),
        ("cpe:/a:redhat:enterprise_linux:9::appstream", "9.4", None),
        (nine, "8.10", Some(Misfit::Platform)),
        (nine, "", Some(Misfit::NoRelease)),
        ("cpe:/a:redhat:openshift:4.12::el9", "9.4", Some(Misfit::Incomparable)),
    ];
    for (cpe, version, why) in cases {
        let (judged, question) = red_hat(version);
        let want = if why.is_none() { Answer::Suppressed(0) } else { Answer::Silent };
        assert_eq!(answer(&question, &[on(cpe)], &judged), want, "{cpe} {version}");
        let why = why.map(Unmatched::Misfit);
        assert_eq!(said(&question, &on(cpe), &judged), why, "{cpe} {version}");
    }
    let (judged, question) = red_hat("9.4");
    let nowhere = Judged { distribution: None, ..judged.clone() };
    assert_eq!(answer(&question, &[on(nine)], &nowhere), Answer::Silent);
    // What is said of another platform does not count against it either.
    let other = Statement { status: Status::Affected, ..on("cpe:/o:redhat:enterprise_linux:8") };
    assert_eq!(answer(&question, &[on(nine), other], &judged), Answer::Suppressed(0));
    // A digest names the image, whatever platform is named with it; a repository does not.
    for (product, want) in [
        (image(DIGEST), Answer::Suppressed(0)),
        ("pkg:oci/app?repository_url=docker.io/library/app".to_owned(), Answer::Silent),
    ] {
        let mut whole = statement(Status::NotAffected, &product, &[], OLD);
        whole.products[0].identity.platforms =
            Platforms::alone(Some("cpe:/a:redhat:openshift:4.12::el9"));
        assert_eq!(answer(&question, &[whole], &judged), want, "{product}");
    }
}

#[test]
fn c80_what_is_said_of_an_extended_stream_suppresses_no_more_than_its_own_builds() {
    let on = |status, purl: &str, cpe: &str| {
        let mut statement = statement(status, purl, &[], OLD);
        statement.products[0].identity.platforms = Platforms::alone(Some(cpe));
        statement
    };
    let (any, build) = ("pkg:rpm/redhat/npm", "pkg:rpm/redhat/npm@8.1-2?arch=x86_64&epoch=1");
    let other_build = "pkg:rpm/redhat/npm@8.1-3?arch=x86_64&epoch=1";
    let (stream, point) = (Err(Misfit::Stream), Err(Misfit::PointRelease));
    let eus = "cpe:/a:redhat:rhel_eus:9.4::appstream";
    let cases = [
        // What is suppressed, and what counts as affected.
        (eus, any, "9.4", stream, Ok((0, 1))),
        (eus, build, "9.4", Ok((0, 2)), Ok((0, 2))),
        ("cpe:/o:redhat:rhel_e4s:9.4::baseos", build, "9.4", Ok((0, 2)), Ok((0, 2))),
        (eus, build, "9.2", Err(Misfit::Platform), Err(Misfit::Platform)),
        ("cpe:/o:redhat:enterprise_linux:9.4", any, "9", point, Ok((0, 1))),
        ("cpe:/o:redhat:enterprise_linux:9.4", build, "9", point, Ok((0, 2))),
    ];
    for (cpe, purl, version, suppressing, affecting) in cases {
        let (judged, question) = red_hat(version);
        let found = |status| fit(&question, &on(status, purl, cpe), &judged);
        let told = |fit: Result<Fit, Misfit>| fit.map_err(Unmatched::Misfit);
        assert_eq!(found(Status::NotAffected), told(suppressing), "{cpe} {purl} {version}");
        assert_eq!(found(Status::Fixed), told(suppressing), "{cpe} {purl} {version}");
        assert_eq!(found(Status::Affected), told(affecting), "{cpe} {purl} {version}");
    }
    let (judged, question) = red_hat("9.4");
    let far = fit(&question, &on(Status::Fixed, other_build, eus), &judged);
    assert_eq!(far, Err(Unmatched::Product));
    // Where the main stream says otherwise, nothing is suppressed: the image may have its packages from either.
    let main = on(Status::NotAffected, any, "cpe:/o:redhat:enterprise_linux:9");
    let extended = on(Status::Affected, any, eus);
    let both = [main, extended];
    assert_eq!(answer(&question, &both, &judged), Answer::Conflict(vec![0, 1]));
}

/// Documents as a vendor would sign them, read and held against an image.
#[test]
fn c74_what_a_package_is_part_of_decides_whether_csaf_is_about_the_image() {
    let debian = Distribution {
        id: "debian".to_owned(),
        version: Some("12".to_owned()),
        codename: Some("bookworm".to_owned()),
        ..Distribution::default()
    };
    let judged = Judged { distribution: Some(debian), ..judged() };
    let (platform, doubt) = (Err(Misfit::Platform), Err(Misfit::Incomparable));
    let cases = [
        (r#""cpe":"cpe:/o:debian:debian_linux:12""#, Ok(())),
        (r#""cpe":"cpe:/o:debian:debian_linux:11""#, platform),
        (r#""cpe":"cpe:2.3:h:acme:appliance:1:*:*:*:*:*:*:*""#, doubt),
        (r#""skus":["other-image"]"#, doubt),
        ("", doubt),
    ];
    for (whole, want) in cases {
        let text = format!(
            r#"{{"document":{{"csaf_version":"2.0","tracking":{{"id":"V-1","current_release_date":"2026-02-02T00:00:00Z"}}}},
            "product_tree":{{"full_product_names":[{{"product_id":"w","product_identification_helper":{{{whole}}}}},
            {{"product_id":"p","product_identification_helper":{{"purl":"pkg:deb/debian/openssl"}}}}],
            "relationships":[{{"full_product_name":{{"product_id":"w:p"}},"product_reference":"p","relates_to_product_reference":"w"}}]}},
            "vulnerabilities":[{{"cve":"CVE-2024-1","product_status":{{"known_not_affected":["w:p"]}},
            "flags":[{{"label":"vulnerable_code_not_present","product_ids":["w:p"]}}]}}]}}"#
        );
        let read = read::read(text.as_bytes(), &crate::limits::Limits::default()).unwrap();
        let found = fit(&question(), &read[0], &judged).map(drop);
        assert_eq!(found, want.map_err(Unmatched::Misfit), "{whole}");
    }
}

#[test]
fn c74_the_distribution_of_a_package_url_is_held_against_the_image() {
    let debian = Distribution {
        id: "debian".to_owned(),
        version: Some("12".to_owned()),
        codename: Some("bookworm".to_owned()),
        ..Distribution::default()
    };
    let cases = [
        // The package URL of a source package has no distribution of its own.
        ("pkg:deb/debian/openssl?distro=debian-11", Err(Unmatched::Misfit(Misfit::Platform))),
        ("pkg:deb/debian/openssl?distro=debian-12", Ok((0, 1))),
        ("pkg:deb/debian/openssl?distro=bookworm", Ok((0, 1))),
        ("pkg:deb/debian/openssl@3.0.1-1?distro=debian-12.5", Ok((0, 2))),
        ("pkg:deb/debian/openssl?distro=x", Err(Unmatched::Misfit(Misfit::Incomparable))),
        ("pkg:deb/debian/libssl3?distro=debian-12", Ok((0, 1))),
        ("pkg:deb/debian/libssl3?distro=debian-13", Err(Unmatched::Misfit(Misfit::Platform))),
    ];
    let judged = Judged { distribution: Some(debian), ..judged() };
    for (product, want) in cases {
        let statement = statement(Status::NotAffected, product, &[], OLD);
        assert_eq!(fit(&question(), &statement, &judged), want, "{product}");
    }
    let statement =
        statement(Status::NotAffected, "pkg:deb/debian/openssl?distro=debian-12", &[], OLD);
    let unsaid = Judged { distribution: None, ..judged };
    let why = Err(Unmatched::Misfit(Misfit::NoRelease));
    assert_eq!(fit(&question(), &statement, &unsaid), why);
}

#[test]
fn c75_a_statement_about_some_versions_says_nothing_of_others() {
    let of = |status, range: &str| {
        let mut statement = statement(status, "pkg:rpm/rhel/npm", &[], OLD);
        let mut versions = Versions::default();
        versions.push(None, Some(range));
        statement.products[0].identity.versions = Some(versions);
        statement
    };
    let (judged, question) = red_hat("9.4");
    let cases = [
        ("vers:rpm/>=1:8.1-2", Ok((0, 2)), Ok((0, 2))),
        // The epoch of the package counts.
        ("vers:rpm/<=8.1-2", Err(Misfit::Version), Err(Misfit::Version)),
        // What cannot be read suppresses nothing, and clears nothing either.
        ("vers:deb/>=1:8.1-2", Err(Misfit::Versions), Ok((0, 1))),
        ("anything", Err(Misfit::Versions), Ok((0, 1))),
    ];
    for (range, suppressing, affecting) in cases {
        let found = |status| fit(&question, &of(status, range), &judged);
        let told = |fit: Result<Fit, Misfit>| fit.map_err(Unmatched::Misfit);
        assert_eq!(found(Status::NotAffected), told(suppressing), "{range}");
        assert_eq!(found(Status::Fixed), told(suppressing), "{range}");
        assert_eq!(found(Status::Affected), told(affecting), "{range}");
    }
    let mut whole = of(Status::NotAffected, "vers:rpm/*");
    whole.products[0].identity.purls = vec![image(DIGEST)];
    assert_eq!(fit(&question, &whole, &judged), Err(Unmatched::Misfit(Misfit::Versions)));
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

#[test]
fn c81_what_is_said_of_a_part_of_a_named_product_suppresses_nothing_of_the_bare_package() {
    let text = |product: &str| {
        format!(
            r#"{{"bomFormat":"CycloneDX","specVersion":"1.6"{product},"components":[{{"bom-ref":"a","purl":"pkg:deb/debian/openssl"}}],
            "vulnerabilities":[{{"id":"CVE-2024-1","analysis":{{"state":"not_affected","detail":"x"}},"affects":[{{"ref":"a"}}]}}]}}"#
        )
    };
    let of = |members: &str| format!(r#","metadata":{{"component":{{"name":"app"{members}}}}}"#);
    let purl = format!(r#","purl":"{}""#, image(DIGEST));
    let cases = [
        (String::new(), None),
        (of(""), Some(Unmatched::Nameless)),
        (of(r#","purl":"pkg:npm/app@1""#), Some(Unmatched::Product)),
        (of(&purl), None),
    ];
    for (product, why) in cases {
        let read = read::read(text(&product).as_bytes(), &crate::limits::Limits::default());
        let read = read.unwrap();
        assert_eq!(said(&question(), &read[0], &judged()), why, "{product}");
    }
}

#[test]
fn c92_an_advisory_about_several_vulnerabilities_is_suppressed_where_each_of_them_is() {
    let several = Question {
        ids: BTreeSet::from(["RLSA-2024:1"]),
        parts: BTreeSet::from(["CVE-2024-1", "CVE-2024-2"]),
        ..question()
    };
    let of = |id: &str, status| Statement {
        vulnerability: vec![id.to_owned()],
        ..statement(status, &image(DIGEST), &[], OLD)
    };
    let (one, two) = (of("CVE-2024-1", Status::NotAffected), of("CVE-2024-2", Status::NotAffected));
    let whole = of("RLSA-2024:1", Status::NotAffected);
    let affected = of("CVE-2024-2", Status::Affected);
    let newer = Statement { time: NEW.parse().ok(), ..affected.clone() };
    let cases = [
        (vec![one.clone()], Answer::Silent),
        (vec![two.clone(), one.clone()], Answer::Suppressed(1)),
        (vec![whole.clone()], Answer::Suppressed(0)),
        (vec![one.clone(), affected.clone()], Answer::Counts(1)),
        (vec![whole.clone(), newer], Answer::Counts(1)),
        (vec![one.clone(), two.clone(), affected], Answer::Conflict(vec![1, 2])),
    ];
    for (statements, want) in cases {
        assert_eq!(answer(&several, &statements, &judged()), want, "{statements:?}");
    }
    assert_eq!(said(&several, &one, &judged()), Some(Unmatched::Others));
    assert_eq!(said(&several, &whole, &judged()), None);
    let both = [answer(&several, &[one.clone(), two], &judged())];
    assert_eq!(unmatched(&[several], &both, &one, &judged()), None);
}

#[test]
fn c93_a_statement_about_a_part_of_a_package_or_repository_suppresses_no_more_than_that() {
    let place = "repository_url=docker.io/library/app";
    let narrow = Err(Unmatched::Misfit(Misfit::Narrow));
    let product = Err(Unmatched::Product);
    let of_go = Question { purls: vec!["pkg:golang/golang.org/x/net@v0.1.0"], ..question() };
    let of_rpm = Question { purls: vec!["pkg:rpm/rhel/npm@8.1-2?epoch=1"], ..question() };
    let cases = [
        (question(), format!("pkg:oci/app?{place}"), Ok((1, 0)), Ok((1, 0))),
        (question(), format!("pkg:oci/app?{place}&tag=1.0"), narrow, Ok((1, 0))),
        (question(), format!("pkg:oci/app?arch=arm64&{place}"), narrow, Ok((1, 0))),
        (question(), format!("pkg:oci/other?{place}"), product, product),
        (
            question(),
            format!("pkg:oci/app@sha256%3A{DIGEST}?{place}&tag=1.0"),
            Ok((2, 0)),
            Ok((2, 0)),
        ),
        (of_go.clone(), "pkg:golang/golang.org/x/net".to_owned(), Ok((0, 1)), Ok((0, 1))),
        (of_go.clone(), "pkg:golang/golang.org/x/net#html".to_owned(), product, Ok((0, 1))),
        (of_go, "pkg:golang/golang.org/x/net@v0.1.0#html".to_owned(), product, Ok((0, 2))),
        (of_rpm.clone(), "pkg:rpm/rhel/npm@8.1-2?epoch=1".to_owned(), Ok((0, 2)), Ok((0, 2))),
        (of_rpm.clone(), "pkg:rpm/rhel/npm@8.1-2".to_owned(), product, Ok((0, 2))),
        (of_rpm, "pkg:rpm/rhel/npm".to_owned(), Ok((0, 1)), Ok((0, 1))),
    ];
    for (question, text, suppressing, affected) in cases {
        let found = |status| fit(&question, &statement(status, &text, &[], OLD), &judged());
        assert_eq!(found(Status::NotAffected), suppressing, "{text}");
        assert_eq!(found(Status::Affected), affected, "{text}");
    }
    let zero = Question { purls: vec!["pkg:rpm/rhel/npm@8.1-2"], ..question() };
    let text = "pkg:rpm/rhel/npm@8.1-2?epoch=0";
    let none = fit(&zero, &statement(Status::Fixed, text, &[], OLD), &judged());
    assert_eq!(none, Err(Unmatched::Product), "qualifiers of a statement have to be the package's");
}
