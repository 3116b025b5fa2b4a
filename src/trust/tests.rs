//! Each condition of a rule by itself: whoever drops one of them fails a test here.
//!
//! Most of these were found missing by mutants (docs/measurements/mutants.md).

use std::{collections::BTreeSet, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{
    rules::Standing,
    testing::{SLSA, TestKey, image, location, rule, rules},
    *,
};
use crate::{
    attest::{
        Carrier, Statement, in_toto::Document, predicate::summary, rebuilt::REBUILD_VERDICT,
        statement::SIGNATURE,
    },
    digest::{ConfigDigest, Digest, ManifestDigest},
    image::Image,
    limits::Limits,
    trust::layout::{Inspections, LayoutRule},
};

const HERE: &str = "r.example/team/app";

fn layout_for(images: &str, key: &TestKey) -> LayoutRule {
    let layout = r#"{"signatures": [], "signed": {"_type": "layout", "expires": "2030-01-01T00:00:00Z",
        "keys": {}, "steps": [{"name": "s", "threshold": 1}]}}"#;
    LayoutRule {
        name: "app".to_owned(),
        images: vec![images.parse().unwrap()],
        layout: Arc::new(Document::open(layout.as_bytes(), &Limits::default()).unwrap()),
        keys: vec![key.public.clone()],
        inspections: Inspections::Proven,
    }
}

fn delegate_for(images: &str) -> Delegate {
    Delegate {
        images: vec![images.parse().unwrap()],
        signer: "team".to_owned(),
        verifier: "https://verify.example/1".to_owned(),
        levels: Vec::new(),
        policies: Vec::new(),
        max_age: SignedDuration::from_hours(24),
    }
}

/// Trust in which one list of each that is named speaks about the pattern behind it.
fn trust(lists: &[(&str, &str)], unmatched: Unmatched) -> TrustRules {
    let key = TestKey::p256();
    let of =
        |name: &'static str| lists.iter().filter(move |(list, _)| *list == name).map(|(_, to)| *to);
    let grants: Vec<_> = of("rule").map(|images| (images, "signature", "team", 1)).collect();
    let sources = of("source").map(|images| TrustedSource {
        images: vec![images.parse().unwrap()],
        ..sources::tests::source()
    });
    rules(&[("team", &[&key])], &grants)
        .with_layouts(of("layout").map(|images| layout_for(images, &key)).collect())
        .with_sources(sources.collect())
        .with_delegates(of("delegate").map(delegate_for).collect())
        .with_unmatched(unmatched)
}

#[test]
fn h20_each_list_speaks_about_its_images_and_no_list_stands_in_for_another() {
    let report = OnUnmatched::Report;
    let unmatched = |rules, layouts| Unmatched { rules, layouts };
    let (rules, layouts) = (Some("trust.rules"), Some("trust.layouts"));
    let away = "x.example/**";
    // The lists, whether some speak about the image, and which list is missing where rules have to speak, where layouts have to.
    type Case<'a> = (&'a [(&'a str, &'a str)], bool, Option<&'a str>, Option<&'a str>);
    let cases: [Case<'_>; 13] = [
        (&[], false, rules, None),
        (&[("rule", HERE)], true, None, None),
        (&[("rule", away)], false, rules, None),
        (&[("source", HERE)], true, None, None),
        (&[("source", away)], false, rules, None),
        (&[("delegate", HERE)], true, None, None),
        (&[("delegate", away)], false, rules, None),
        // Where only layouts are configured, these stand for rules.
        (&[("layout", HERE)], true, None, None),
        (&[("layout", away)], false, None, layouts),
        (&[("rule", away), ("layout", HERE)], true, rules, None),
        (&[("rule", HERE), ("layout", away)], true, None, layouts),
        (&[("source", HERE), ("layout", away)], true, None, layouts),
        (&[("rule", away), ("source", HERE)], true, None, None),
    ];
    let place = location(HERE);
    for (lists, speaks, without_rules, without_layouts) in cases {
        let with = |unmatched| trust(lists, unmatched);
        assert_eq!(with(Unmatched::default()).speaks_about(&place), speaks, "{lists:?}");
        assert_eq!(with(Unmatched::default()).missing(&place), None, "{lists:?}");
        let strict = with(unmatched(OnUnmatched::Deny, report));
        assert_eq!(strict.missing(&place), without_rules, "{lists:?}: rules");
        let strict = with(unmatched(report, OnUnmatched::Deny));
        assert_eq!(strict.missing(&place), without_layouts, "{lists:?}: layouts");
    }
}

#[test]
fn only_a_required_rule_can_be_unmet() {
    let key = TestKey::p256();
    let grant = ("r.example/**", "signature", "team", 1);
    let keys = SignerKeys::new(vec![key.public]).unwrap();
    let of = |force| {
        let rule = Rule { force, ..rule(grant) };
        TrustRules::new([("team".to_owned(), keys.clone())].into(), vec![rule]).unwrap()
    };
    let (granting, required) = (of(Force::Grant), of(Force::Require));
    let nothing = || std::iter::empty::<(&str, &[Signer])>();
    assert_eq!(granting.unmet(&location(HERE), nothing()), Vec::<usize>::new());
    assert_eq!(required.unmet(&location(HERE), nothing()), [0]);
    assert_eq!(required.unmet(&location("x.example/app"), nothing()), Vec::<usize>::new());
    assert_ne!(granting.digest(), required.digest(), "another trust");
}

#[test]
fn a7_what_is_lacking_is_counted_by_the_nearest_rule_and_one_rebuilder_makes_one_statement() {
    let (a, b, c) = (TestKey::p256(), TestKey::p256(), TestKey::p256());
    let signers: &[(&str, &[&TestKey])] = &[("a", &[&a]), ("b", &[&b]), ("c", &[&c])];
    let two = ("**", "provenance", "a b", 2);
    let three = ("**", "provenance", "a b c", 3);
    let rebuilds = ("**", "rebuild", "a b", 2);
    for grants in [[two, three, rebuilds], [three, two, rebuilds]] {
        let trust = rules(signers, &grants);
        let by_a: BTreeSet<Signer> =
            trust.keys().map(|(signer, _)| signer).filter(|signer| signer.name == "a").collect();
        let standing = |kind: &str| trust.standing(&location(HERE), kind, &by_a);
        let below = Standing::Below { signers: vec!["a".to_owned()], threshold: 2 };
        assert_eq!(standing(SLSA), below, "{grants:?}");
        let enough = Standing::Enough(by_a.iter().cloned().collect());
        assert_eq!(standing(REBUILD_VERDICT), enough, "{grants:?}");
        assert_eq!(standing(SIGNATURE), Standing::NotAllowed, "{grants:?}");
    }
}

#[test]
fn b13_a_delegate_vouches_for_summaries_and_for_nothing_else() {
    let key = TestKey::p256();
    let of =
        |images: &str| rules(&[("team", &[&key])], &[]).with_delegates(vec![delegate_for(images)]);
    let trust = of("r.example/**");
    let signed_by: BTreeSet<Signer> = trust.keys().map(|(signer, _)| signer).collect();
    let cases = [
        ("r.example/**", summary::TYPE, true),
        ("r.example/**", SLSA, false),
        ("r.example/**", SIGNATURE, false),
        ("x.example/**", summary::TYPE, false),
    ];
    for (images, kind, enough) in cases {
        let standing = of(images).standing(&location(HERE), kind, &signed_by);
        assert_eq!(matches!(standing, Standing::Enough(_)), enough, "{images} {kind}");
    }
}

/// A statement that this signer is taken to have made.
fn said(
    name: &str,
    kind: &str,
    predicate: Value,
    subject: ManifestDigest,
    basis: Basis,
) -> Proof<Claimed> {
    let payload = Digest::sha256(format!("{name}{kind}{predicate}").as_bytes());
    let predicate_type = kind.to_owned();
    let statement = Statement { subjects: Vec::new(), predicate_type, predicate: predicate.into() };
    let identity = SignerIdentity::Key { fingerprint: format!("{name:0<64}"), recorded: None };
    let signer = Signer { name: name.to_owned(), identity };
    let carrier = Carrier::Label { key: "test".to_owned() };
    let claimed = Claimed::proven(statement, &Limits::default());
    Proof::Proven(Verified::new(claimed, subject, vec![signer], basis, carrier, payload))
}

fn now() -> Timestamp {
    "2026-01-02T00:00:00Z".parse().unwrap()
}

fn summary_of(image: &Image, result: &str, time: &str) -> Value {
    json!({
        "verifier": { "id": "https://verify.example/1" },
        "timeVerified": time,
        "resourceUri": image.reference.location.to_string(),
        "policy": { "uri": "https://p.example", "digest": { "sha256": "11" } },
        "verificationResult": result,
        "verifiedLevels": ["SLSA_BUILD_LEVEL_3"],
    })
}

#[test]
fn b13_a_summary_counts_by_its_own_signature_alone() {
    let image = image();
    let key = TestKey::p256();
    let trust = rules(&[("team", &[&key]), ("other", &[&key])], &[]).with_delegates(vec![
        delegate_for("**"),
        Delegate { signer: "other".to_owned(), ..delegate_for("**") },
    ]);
    let manifest = || image.manifest.document.digest.clone();
    let passed = || summary_of(&image, "PASSED", "2026-01-01T12:00:00Z");
    let failed = || summary_of(&image, "FAILED", "2026-01-01T13:00:00Z");
    let mut elsewhere = failed();
    elsewhere["resourceUri"] = json!("r.example/other");
    let by = |name: &str, predicate: Value| {
        said(name, summary::TYPE, predicate, manifest(), Basis::Signed)
    };
    let covered = Basis::CoveredByIndex(testing::index());
    let cases = [
        ("signed, and any policy will do", vec![by("team", passed())], vec![true]),
        ("covered", vec![said("team", summary::TYPE, passed(), manifest(), covered)], vec![]),
        ("no summary", vec![said("team", SLSA, passed(), manifest(), Basis::Signed)], vec![]),
        ("taken back", vec![by("team", passed()), by("team", failed())], vec![false, false]),
        ("by another signer", vec![by("team", passed()), by("other", failed())], vec![true, false]),
        (
            "about another resource",
            vec![by("team", passed()), by("team", elsewhere)],
            vec![true, false],
        ),
    ];
    for (what, said, counts) in cases {
        let all = delegations(&trust, &image, &said, now());
        let found: Vec<bool> = all.iter().map(Delegation::counts).collect();
        assert_eq!(found, counts, "{what}: {all:?}");
    }
}

/// A verdict about the image at this level; `config` is a letter of which the digest of what came out is made below R4.
fn rebuilt(image: &Image, level: u8, config: &str) -> Value {
    let mut verdict = crate::attest::rebuilt::tests::predicate(level, config);
    verdict["provenance"]["digest"] = json!(Digest::sha256(b"provenance").to_string());
    if level == 5 {
        verdict["rebuilt"]["manifest"] = json!(image.manifest.document.digest.to_string());
    }
    if level >= 4 {
        verdict["rebuilt"]["config"] = json!(image.config.document.digest.to_string());
    }
    verdict
}

fn counted(image: &Image, trust: &TrustRules, said: &[Proof<Claimed>]) -> Attested {
    let electorate = Electorate {
        rules: trust,
        location: &image.reference.location,
        image,
        provenance: &[Digest::sha256(b"provenance")].into(),
        max_age: SignedDuration::from_hours(30 * 24),
        now: now(),
    };
    electorate.count(said, &Limits::default()).0
}

#[test]
fn a_rebuild_counts_by_its_own_signature_about_this_manifest() {
    let image = image();
    let key = TestKey::p256();
    let trust = rules(&[("a", &[&key])], &[("**", "rebuild", "a", 1)]);
    let manifest = || image.manifest.document.digest.clone();
    let verdict = || rebuilt(&image, 5, "d");
    let cases = [
        ("signed", said("a", REBUILD_VERDICT, verdict(), manifest(), Basis::Signed), 1),
        (
            "covered",
            said(
                "a",
                REBUILD_VERDICT,
                verdict(),
                manifest(),
                Basis::CoveredByIndex(testing::index()),
            ),
            0,
        ),
        ("of the index", said("a", REBUILD_VERDICT, verdict(), testing::index(), Basis::Signed), 0),
        ("no verdict", said("a", SLSA, verdict(), manifest(), Basis::Signed), 0),
    ];
    for (what, said, votes) in cases {
        let attested = counted(&image, &trust, &[said]);
        assert_eq!(attested.votes.len(), votes, "{what}");
        assert_eq!(attested.agreement.is_some(), votes == 1, "{what}");
    }
}

#[test]
fn the_highest_agreement_counts_whichever_result_comes_first() {
    let image = image();
    let (a, b) = (TestKey::p256(), TestKey::p256());
    let trust = rules(&[("a", &[&a]), ("b", &[&b])], &[("**", "rebuild", "a b", 1)]);
    let by = |name: &str, level, letter: &str| {
        let manifest = image.manifest.document.digest.clone();
        said(name, REBUILD_VERDICT, rebuilt(&image, level, letter), manifest, Basis::Signed)
    };
    let published: &ConfigDigest = &image.config.document.digest;
    // Results are looked at in the order of their digests: one before that of the image, one behind it.
    for letter in ["0", "f"] {
        let agreement =
            counted(&image, &trust, &[by("a", 4, letter), by("b", 2, letter)]).agreement;
        let agreement = agreement.expect("one is enough");
        assert_eq!((agreement.level, &agreement.config), (4, published), "{letter}");
        assert_eq!(agreement.signers, ["a"], "{letter}");
    }
}

/// A rule about something else, or about other images, does not say how many rebuilders have to agree.
#[test]
fn h30_rules_about_rebuilds_of_the_image_say_how_many_have_to_agree() {
    let image = image();
    let (a, b) = (TestKey::p256(), TestKey::p256());
    let grants = [
        ("**", "rebuild", "a b", 2),
        ("**", "signature provenance", "a", 1),
        ("x.example/**", "rebuild", "a", 1),
    ];
    let trust = rules(&[("a", &[&a]), ("b", &[&b])], &grants);
    let by = |name: &str| {
        let manifest = image.manifest.document.digest.clone();
        said(name, REBUILD_VERDICT, rebuilt(&image, 5, "d"), manifest, Basis::Signed)
    };
    let one = counted(&image, &trust, &[by("a")]);
    assert_eq!((one.agreement, one.needed), (None, Some(2)));
    let both = counted(&image, &trust, &[by("a"), by("b")]);
    let agreement = both.agreement.expect("both agree");
    assert_eq!((agreement.threshold, agreement.signers.len()), (2, 2));
}
