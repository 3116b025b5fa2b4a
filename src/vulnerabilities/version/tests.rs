//! Orders of versions beside each ecosystem's own tables.

use std::collections::BTreeMap;

use super::*;

/// Versions in ascending order; those in one text are equal.
const ASCENDING: &[(Scheme, &[&str])] = &[
    (
        Scheme::Dpkg,
        &[
            "0~~",
            "0~~a",
            "0~",
            "0 00 0-0",
            "0-0.1",
            "0a",
            "0+",
            "1.0~beta1~svn1245 1.0~beta1~svn01245",
            "1.0~beta1",
            "1.0 1.0-0",
            "1.0-1",
            "1.0-1ubuntu1",
            "1.0-1+b1",
            "1.0-1+deb12u1",
            "1.0-1.1",
            "1.0-2",
            "1.0-10",
            "1.0a",
            "1.0+dfsg-1",
            "1.0.1",
            "1.2-3-4",
            "1.10",
            "20240101",
            "1:0.1",
            "2:0",
        ],
    ),
    (
        Scheme::Apk,
        &[
            "0.1_alpha",
            "0.1_alpha2",
            "0.1_beta",
            "0.1_pre1",
            "0.1_rc1",
            "0.1_rc1_p1",
            "0.1 0.1-r0",
            "0.1-r1",
            "0.1_cvs",
            "0.1_svn",
            "0.1_git20240101",
            "0.1_hg",
            "0.1_p1",
            "0.1_p2",
            "0.1a",
            "0.1b",
            "1.01",
            "1.09",
            "1.1",
            "1.1p1",
            "1.1p2",
            "1.1.0",
            "1.1.1",
            "1.1.1w-r0",
            "1.2",
            "1.10",
            "1.10~1a",
            "1.10~2b",
            "2",
        ],
    ),
    (
        Scheme::Rpm,
        &[
            "1.0~rc1-1",
            "1.0~rc1^git1-1",
            "1.0~rc2",
            "1.0 0:1.0 (none):1.0",
            "1.0-1.el8",
            "1.0-1.el9",
            "1.0-2",
            "1.0-10",
            "1.0^",
            "1.0^20240101",
            "1.0.a",
            "1.0.1",
            "1.1",
            "1.10",
            "1.10.z",
            "1.010.1",
            "2.0~alpha",
            "2.0",
            "1:0.1",
        ],
    ),
    (
        Scheme::Semantic,
        &[
            "0.0.0-0",
            "0.0.0",
            "1.0.0-0 1-0",
            "1.0.0-1",
            "1.0.0-10",
            "1.0.0-a",
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1 v1.0.0-rc.1+b",
            "1.0.0 v1.0.0 1 1.0 1.0.0+build v1.0.0+incompatible =1.0.0",
            "1.0.1-0.20240101000000-abcdefabcdef",
            "1.0.1",
            "1.9.0",
            "1.10.0",
            "2.0.0",
        ],
    ),
    (Scheme::SemanticWithBuild, &["1.0.0-dev", "1.0.0", "1.0.0+1", "1.0.0+2", "1.0.1"]),
    (
        Scheme::Python,
        &[
            "1.0.dev1",
            "1.0a1.dev1",
            "1.0a1 1.0alpha1 1.0-a.1",
            "1.0b1",
            "1.0rc1 1.0c1 1.0-RC1",
            "1.0 1 1.0.0 v1.0 01.0",
            "1.0+abc",
            "1.0+abc.5",
            "1.0+5",
            "1.0.post1 1.0-1 1.0.rev1",
            "1.0.1",
            "1.1",
            "1.10",
            "2024.1",
            "1!0.1",
        ],
    ),
    (
        Scheme::Maven,
        &[
            "1-alpha-1 1a1 1.alpha1",
            "1-alpha-2",
            "1-beta-1 1b1",
            "1-m1 1-milestone-1",
            "1-rc-1 1-cr1 1.0.RC1",
            "1-SNAPSHOT 1.0-snapshot",
            "1 1.0 1.0.0 1-ga 1.final 1-RELEASE",
            "1-sp",
            "1-sp-1",
            "1-abc",
            "1-jre8",
            "1-xyz",
            "1-1",
            "1-2",
            "1.1",
            "1.10",
            "1.10.1",
            "2.0-jre",
            "2.1",
            "32.1.0-android",
            "32.1.0-jre",
            "20030203.000129",
        ],
    ),
    (
        Scheme::Gem,
        &[
            "0.a",
            "0 0.0 0.0.0",
            "1.0.a 1.a",
            "1.0.a.1",
            "1.0.a.2",
            "1.0.a10",
            "1.0.b1 1.b1",
            "1.0.0.pre",
            "1.0.0.rc1",
            "1 1.0 1.0.0",
            "1.0.1",
            "1.1.pre1",
            "1.1",
            "1.9",
            "1.10",
            "7.0.4.1",
        ],
    ),
    (
        Scheme::NuGet,
        &[
            "1.0.0-1",
            "1.0.0-alpha 1.0-ALPHA",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "1.0.0 1.0 1 1.0.0.0 1.0.0+meta v1.0 01.0",
            "1.0.0.1",
            "1.0.1-a",
            "1.0.1",
            "1.10",
            "2",
        ],
    ),
    (
        Scheme::Composer,
        &[
            "1.0.0-foo",
            "1.0.0-dev",
            "1.0.0-alpha 1.0a 1.0.0.0-ALPHA",
            "1.0.0-alpha1 1.0.0a1",
            "1.0.0-alpha.2",
            "1.0.0-beta1 1.0b1",
            "1.0.0-RC1 1.0-rc1",
            "1 1.0 v1.0.0 1.0.0.0 1.0.0+build 1.0-stable",
            "1.0.0-p1 1.0.0-patch1 1.0pl1",
            "1.0.0.1",
            "1.0.1",
            "1.10",
            "2.0",
        ],
    ),
    (Scheme::Numbers, &["0.1", "0.1-1", "0.1.2", "0.9", "0.10", "1", "1.0"]),
];

/// What is no version of a scheme.
const REFUSED: &[(Scheme, &[&str])] = &[
    (Scheme::Dpkg, &["", "a:1", ":1", "1:", "1 2", "1_2", "1\u{202e}", "-1", "v1", "1:r4", ".4"]),
    (
        Scheme::Apk,
        &[
            "",
            "a",
            "1.",
            ".1",
            "1..2",
            "1_foo",
            "1-r",
            "1-rx",
            "1-1",
            "1 ",
            "1_",
            "1.2ab",
            "1_alpha1.2",
        ],
    ),
    (Scheme::Rpm, &["", "a:1", "1:", "1 2", "-1"]),
    (
        Scheme::Semantic,
        &[
            "",
            "(devel)",
            "1.2.3.4",
            "1.x",
            "latest",
            "1.2.3-",
            "01.2.3",
            "99999999999999999999.0.0",
        ],
    ),
    (Scheme::Python, &["", "2004d", "1.0-bulbasaur", "latest", "99999999999999999999"]),
    (Scheme::Maven, &["", "[1,2)", "1 2"]),
    (Scheme::Gem, &["", "a", "1..2", "1_2", "latest"]),
    (Scheme::NuGet, &["", "1.2.3.4.5", "1.x", "a", "1.0-", "1.0-a..b"]),
    (Scheme::Composer, &["", "dev-main", "main", "1.0 as 2.0", "1.0#a"]),
    (Scheme::Numbers, &["", "a", "1..2", "1.a", "1."]),
];

#[test]
fn each_ecosystem_has_its_order() {
    for (scheme, versions) in ASCENDING {
        for (place, equal) in versions.iter().enumerate() {
            for a in equal.split(' ') {
                for (other_place, others) in versions.iter().enumerate() {
                    for b in others.split(' ') {
                        let want = place.cmp(&other_place);
                        assert_eq!(scheme.compare(a, b), Some(want), "{scheme:?}: {a} to {b}");
                    }
                }
            }
        }
    }
}

#[test]
fn what_is_no_version_has_no_order() {
    for (scheme, texts) in REFUSED {
        for text in *texts {
            assert_eq!(scheme.compare(text, "1"), None, "{scheme:?}: {text:?}");
            assert_eq!(scheme.compare("1", text), None, "{scheme:?}: {text:?}");
        }
    }
}

#[test]
fn versions_are_bounded() {
    let longest = "1".repeat(VERSION_BYTES);
    assert!(Scheme::Dpkg.reads(&longest));
    assert!(!Scheme::Dpkg.reads(&format!("{longest}1")));
}

/// Rows of other projects' tables whose answer is another here, and why.
const DIFFERENT: &[(&str, &str)] = &[
    // Composer makes four numbers of every version, and drops `stable` and the case of words; the table has PHP's own
    // order of unequal lengths.
    ("packagist-versions", "1.0.0 > 1.0"),
    ("packagist-versions-generated", "v3.0 < v3.0.0-beta"),
    ("packagist-versions-generated", "v3.4 < v3.4.0-alpha"),
    ("packagist-versions-generated", "v4.4 < v4.4.0-beta"),
    ("packagist-versions-generated", "v6.5 < v6.5.0-beta-0"),
    ("packagist-versions-generated", "v6.6 < v6.6.0-beta"),
    ("packagist-versions-generated", "v4-beta4 < v4.0-alpha"),
    ("packagist-versions-generated", "v1.9.0-ALPHA.1 = v1.9.0-BETA.1"),
    ("packagist-versions-generated", "v1.9.0-BETA.1 < v1.9.0-ALPHA.2"),
    ("packagist-versions-generated", "v1.9.0-ALPHA.2 = v1.9.0-BETA.2"),
    ("packagist-versions-generated", "5.1.0-stable < 5.1.0-beta2"),
    // Composer refuses these; a word that nobody knows comes before the version.
    ("packagist-versions-generated", "3.0.0b1 < 3.0.0b1.post1"),
    ("packagist-versions-generated", "3.0.0b2 < 3.0.0b2.post1"),
    ("packagist-versions-generated", "3.1.0 < 3.1.0.post1"),
    ("packagist-versions-generated", "3.2.0rc1 < 3.2.0rc1.post1"),
    ("packagist-versions-generated", "3.5.2 < 3.5.2.post1"),
    // Maven 3.9.11 says the opposite of the table, as is said here, or is not as its specification (the last two).
    ("maven-versions-generated", "1.0.0-RC16 < 1.0.0.RC8-beta"),
    ("maven-versions-generated", "1.0.0-gradle-rework-beta3 < 1.0.0.RC7-3"),
    ("maven-versions-generated", "2.9.0-1 < 2.9.0.RC1"),
    ("maven-versions-generated", "6.1.12.rc5 < 6.1.12rc1"),
    ("maven-versions-generated", "1.1.31.sec10 < 1.1.31_noneautotype"),
    ("maven-versions-generated", "1.1.34.sec10 < 1.1.34_noneautotype"),
    ("maven-versions-generated", "1.1.46.sec10 < 1.1.46_noneautotype"),
    ("maven-versions-generated", "1.2.8.sec10_noneautotype < 1.2.8_noneautotype"),
    ("maven-versions-generated", "1.2.31.sec10 < 1.2.31_noneautotype"),
    ("maven-versions-generated", "1.2.48.sec10 < 1.2.48_noneautotype"),
    ("maven-versions-generated", "1.2.50.sec10 < 1.2.50_noneautotype"),
    ("maven-versions-generated", "1.2.54.sec10 < 1.2.54_noneautotype"),
    ("maven-versions-generated", "1.2.57.sec10 < 1.2.57_noneautotype"),
    ("maven-versions-generated", "1.2.60.sec10 < 1.2.60_noneautotype"),
    ("maven-versions-generated", "1.2.67.sec10 < 1.2.67_noneautotype"),
    ("maven-versions-generated", "1.0.0rc0 < 1.0.beta8"),
    ("maven-versions-generated", "1.5.9.RC1 < 1.5.9-RC0"),
    ("maven-versions-generated", "1.1.0-01-glassfish < 1.1.0.Beta1"),
    ("maven-versions-generated", "3.5.0-CR-2 < 3.5.0.Beta-1"),
    ("maven-versions-generated", "3.6.2.FL.20090615 < 3.6.2-FL-2009-05-11"),
    // rpm has no empty release.
    ("redhat-versions", "1 < 1-"),
];

/// The tables that osv-scanner is tested with; `make peers` says where they are.
#[test]
fn tables_of_others_agree_row_by_row() {
    let Ok(folder) = std::env::var("HALLMARK_VERSION_TABLES") else {
        eprintln!("skipped: HALLMARK_VERSION_TABLES names no folder with tables of versions");
        return;
    };
    let tables: BTreeMap<&str, Scheme> = BTreeMap::from([
        ("alpine-versions", Scheme::Apk),
        ("alpine-versions-generated", Scheme::Apk),
        ("cran-versions", Scheme::Numbers),
        ("cran-versions-generated", Scheme::Numbers),
        ("debian-versions", Scheme::Dpkg),
        ("debian-versions-generated", Scheme::Dpkg),
        ("hackage-versions", Scheme::Numbers),
        ("maven-versions", Scheme::Maven),
        ("maven-versions-generated", Scheme::Maven),
        ("nuget-versions", Scheme::NuGet),
        ("packagist-versions", Scheme::Composer),
        ("packagist-versions-generated", Scheme::Composer),
        ("pub-versions", Scheme::SemanticWithBuild),
        ("pypi-versions", Scheme::Python),
        ("pypi-versions-generated", Scheme::Python),
        ("redhat-versions", Scheme::Rpm),
        ("rubygems-versions", Scheme::Gem),
        ("rubygems-versions-generated", Scheme::Gem),
        ("semver-versions", Scheme::Semantic),
    ]);
    let (mut rows, mut without_order) = (0, 0);
    for (name, scheme) in tables {
        let text = std::fs::read_to_string(format!("{folder}/{name}.txt")).unwrap();
        for line in text.lines() {
            let words: Vec<_> = line.split(' ').collect();
            let [a, sign @ ("<" | "=" | ">"), b] = words[..] else { continue };
            rows += 1;
            let want = match sign {
                "<" => Ordering::Less,
                ">" => Ordering::Greater,
                _ => Ordering::Equal,
            };
            let known = DIFFERENT.iter().any(|(table, row)| *table == name && line == *row);
            match scheme.compare(a, b) {
                None => without_order += 1,
                Some(order) => assert_eq!(order != want, known, "{name}: {line}"),
            }
        }
    }
    println!(
        "{rows} rows, {without_order} of them with a text that is no version of its ecosystem"
    );
}

proptest::proptest! {
    /// The order is one: nothing panics, and what is said of two is said of them the other way round.
    #[test]
    fn any_two_texts_have_one_order_or_none(a in "[0-9a-z.~^+_:-]{0,12}", b in "[0-9a-z.~^+_:-]{0,12}", c in "[0-9a-z.~^+_:-]{0,12}", any in ".{0,20}") {
        for (scheme, _) in ASCENDING {
            let _ = scheme.compare(&any, &a);
            let order = scheme.compare(&a, &b);
            proptest::prop_assert_eq!(order.map(Ordering::reverse), scheme.compare(&b, &a));
            if let (Some(first), Some(second)) = (order, scheme.compare(&b, &c))
                && first == second
            {
                proptest::prop_assert_eq!(scheme.compare(&a, &c), Some(first), "{:?} {} {} {}", scheme, a, b, c);
            }
        }
    }
}
