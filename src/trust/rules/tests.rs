//! What rules grant, require and refuse, and that their digest says all that they say.

use super::*;
use crate::trust::testing::{TestKey, location, rule, rules};

/// A key of the command line is one signer and one rule more; whatever is configured stays, field for field.
#[test]
fn i5_a_key_of_the_command_line_adds_and_replaces_nothing() {
    let (key, other) = (TestKey::p256(), TestKey::p256());
    let layout = layout("**", Inspections::Proven, &[&key]);
    let unmatched = Unmatched { rules: OnUnmatched::Deny, layouts: OnUnmatched::Deny };
    let age = RootAge { warn_days: 1, max_days: 2 };
    let base = rules(&[("release", &[&key])], &[("r.example/app", "signature", "release", 1)])
        .with_layouts(vec![layout])
        .with_unmatched(unmatched)
        .with_root_age(age);
    let signer = || SignerKeys::new(vec![other.public.clone()]).unwrap();
    let added = |name: &str| vec![(name.to_owned(), signer(), rule(("**", "signature", name, 1)))];
    let more = base.clone().extended(added("other.pub")).unwrap();
    assert_eq!(more.rules().split_last().map(|(_, rest)| rest), Some(base.rules()));
    assert_eq!(more.signers().len(), 2);
    assert_eq!((more.layouts().len(), more.on_unmatched()), (1, unmatched));
    assert_eq!(more.root_age(), age);
    assert_ne!(more.digest(), base.digest(), "more trust is another trust");
    let twice = base.extended(added("release"));
    assert_eq!(twice.err(), Some(TrustError::SignerTwice { name: "release".to_owned() }));
}

fn refused(signers: &[(&str, &[&TestKey])], rule: Rule) -> TrustError {
    let signers = signers.iter().map(|(name, keys)| {
        let keys = keys.iter().map(|key| key.public.clone()).collect();
        ((*name).to_owned(), SignerKeys::new(keys).unwrap())
    });
    TrustRules::new(signers.collect(), vec![rule]).unwrap_err()
}

#[test]
fn h20_rules_can_have_to_speak_about_every_image() {
    let a = TestKey::p256();
    let some = rules(&[("a", &[&a])], &[("r.example/app", "signature", "a", 1)]);
    let (app, other) = (location("r.example/app"), location("r.example/other"));
    assert_eq!(some.missing(&other), None, "the default");
    let deny = Unmatched { rules: OnUnmatched::Deny, layouts: OnUnmatched::Deny };
    let strict = some.clone().with_unmatched(deny);
    assert_eq!((strict.missing(&app), strict.missing(&other)), (None, Some("trust.rules")));
    assert_eq!(strict.missing(&location("R.EXAMPLE:443/app")), None, "the same repository");
    let nothing = TrustRules::default().with_unmatched(deny);
    assert_eq!(nothing.missing(&app), Some("trust.rules"));
    assert_ne!(some.digest(), strict.digest());
}

#[test]
fn a_required_rule_has_to_be_satisfied_by_its_own_signers() {
    let (a, b) = (TestKey::p256(), TestKey::p256());
    let must = |grant| Rule { force: Force::Require, ..rule(grant) };
    let keys = |key: &TestKey| SignerKeys::new(vec![key.public.clone()]).unwrap();
    let signers = [("a".to_owned(), keys(&a)), ("b".to_owned(), keys(&b))];
    let trust = TrustRules::new(
        signers.into(),
        vec![
            rule(("**", "signature", "a b", 1)),
            must(("r.example/**", "signature", "a", 1)),
            must(("r.example/team/*", "signature", "a b", 2)),
        ],
    )
    .unwrap();
    let by = |names: &[&str]| -> Vec<Signer> {
        let all = trust.keys().map(|(signer, _)| signer);
        all.filter(|signer| names.contains(&signer.name.as_str())).collect()
    };
    let signature = crate::attest::statement::SIGNATURE;
    let unmet = |place: &str, names: &[&str]| {
        let signers = by(names);
        let proven = [(signature, signers.as_slice())];
        trust.unmet(&location(place), proven.into_iter())
    };
    assert_eq!(unmet("other.example/x", &["b"]), Vec::<usize>::new());
    assert_eq!(unmet("r.example/x", &["a"]), Vec::<usize>::new());
    assert_eq!(unmet("r.example/x", &["b"]), [1]);
    assert_eq!(unmet("r.example/team/x", &["a"]), [2]);
    assert_eq!(unmet("r.example/team/x", &["b"]), [1, 2]);
    assert_eq!(unmet("r.example/team/x", &["a", "b"]), Vec::<usize>::new());
}

#[test]
fn refuses_rules_that_nobody_or_everybody_satisfies() {
    let (a, b) = (TestKey::p256(), TestKey::p256());
    let signers: &[(&str, &[&TestKey])] =
        &[("a", &[&a]), ("b", &[&b]), ("same", &[&a]), ("both", &[&a, &b])];
    let unreachable =
        |threshold, distinct| TrustError::UnreachableThreshold { rule: 0, threshold, distinct };
    let cases = [
        (("", "signature", "a", 1), TrustError::Empty { rule: 0, list: "images" }),
        (("**", "", "a", 1), TrustError::Empty { rule: 0, list: "predicates" }),
        (("**", "signature", "", 1), TrustError::Empty { rule: 0, list: "signers" }),
        (
            ("**", "signature", "a c", 1),
            TrustError::UnknownSigner { rule: 0, name: "c".to_owned() },
        ),
        (("**", "signature", "a", 0), TrustError::NoThreshold { rule: 0 }),
        (("**", "signature", "a", 2), unreachable(2, 1)),
        (("**", "signature", "a a", 2), unreachable(2, 1)),
        (("**", "signature", "a same", 2), unreachable(2, 1)),
        // `both` links `a` and `b`: whoever holds its keys is both of them.
        (("**", "signature", "a b", 2), unreachable(2, 1)),
    ];
    for (grant, want) in cases {
        assert_eq!(refused(signers, rule(grant)), want, "{grant:?}");
    }
    assert_eq!(
        refused(&[("", &[&a])], rule(("**", "signature", "a", 1))),
        TrustError::UnnamedSigner
    );
    for evil in ["a\nPASS", "a\u{202e}", "a\u{200b}"] {
        let named = refused(&[(evil, &[&a])], rule(("**", "signature", "a", 1)));
        assert_eq!(named, TrustError::MisleadingName(evil.to_owned()));
    }
    assert!(SignerKeys::new(Vec::new()).is_none());
    let fine = rules(&[("a", &[&a]), ("b", &[&b])], &[("**", "signature", "a b", 2)]);
    assert_eq!(fine.rules().len(), 1);
}

#[test]
fn the_digest_says_what_the_rules_say_and_not_how() {
    let (a, b) = (TestKey::p256(), TestKey::p256());
    let signers: &[(&str, &[&TestKey])] = &[("a", &[&a, &b]), ("c", &[&b])];
    let turned: &[(&str, &[&TestKey])] = &[("c", &[&b]), ("a", &[&b, &a])];
    let one = ("r.example/x r.example/y", "signature sbom", "a c", 1);
    let other = ("**", "provenance", "a", 1);
    let digest = rules(signers, &[one, other]).digest();
    let same = rules(turned, &[other, ("r.example/y r.example/x", "sbom signature", "c a", 1)]);
    assert_eq!(same.digest(), digest);
    let different = [
        rules(signers, &[one]),
        rules(signers, &[]),
        rules(&[("a", &[&a]), ("c", &[&b])], &[one, other]),
        rules(signers, &[("r.example/x", "signature sbom", "a c", 1), other]),
        rules(signers, &[("r.example/x r.example/y", "signature", "a c", 1), other]),
        rules(signers, &[("r.example/x r.example/y", "signature sbom", "a", 1), other]),
        TrustRules::default(),
    ];
    for (n, rules) in different.iter().enumerate() {
        assert_ne!(rules.digest(), digest, "{n}");
    }
    let (x, y) = (TestKey::p256(), TestKey::p256());
    let pair: &[(&str, &[&TestKey])] = &[("x", &[&x]), ("y", &[&y])];
    let thresholds = [1, 2].map(|n| rules(pair, &[("**", "signature", "x y", n)]).digest());
    assert_ne!(thresholds[0], thresholds[1]);
}

#[test]
fn more_trust_takes_nothing_of_the_rest() {
    let (a, b) = (TestKey::p256(), TestKey::p256());
    let age = RootAge { warn_days: 1, max_days: 2 };
    let configured = rules(&[("a", &[&a])], &[("**", "signature", "a", 1)]).with_root_age(age);
    let more = |name: &str| {
        let keys = SignerKeys::new(vec![b.public.clone()]).unwrap();
        vec![(name.to_owned(), keys, rule(("**", "signature", name, 1)))]
    };
    let extended = configured.clone().extended(more("b")).unwrap();
    assert_eq!(extended.root_age(), age);
    assert_eq!((extended.signers().len(), extended.rules().len()), (2, 2));
    let sourced = configured.clone().with_sources(vec![super::super::sources::tests::source()]);
    assert_ne!(sourced.digest(), configured.digest(), "another trust");
    assert_eq!(sourced.extended(more("b")).unwrap().sources().len(), 1);
    assert_eq!(configured.clone().extended(Vec::new()).unwrap().digest(), configured.digest());
    let taken = configured.extended(more("a"));
    assert_eq!(taken.unwrap_err(), TrustError::SignerTwice { name: "a".to_owned() });
}

#[test]
fn the_default_trusts_nobody() {
    let nobody = TrustRules::default();
    assert!(!nobody.speaks_about(&location("r.example/app")));
    assert_eq!(nobody.keys().count(), 0);
}

#[test]
fn rules_and_signers_that_are_of_no_use_are_named() {
    let (a, b) = (TestKey::p256(), TestKey::p256());
    let signers: &[(&str, &[&TestKey])] = &[("a", &[&a]), ("b", &[&b]), ("idle", &[&b])];
    let trust = rules(
        signers,
        &[
            ("r.example/**", "provenance", "a", 1),
            ("r.example/**", "signature", "b", 1),
            ("other.example/**", "signature", "b", 1),
        ],
    );
    let place = location("r.example/app");
    let by_a = [trust.keys().next().unwrap().0];
    let slsa = crate::trust::testing::SLSA;
    assert_eq!(trust.idle_signers(), ["idle"]);
    let asked = trust.clone().asking_elsewhere(["idle".to_owned()]);
    assert_eq!(asked.idle_signers(), [""; 0]);
    assert_eq!(asked.digest(), trust.digest());
    let unmatched = |proven: &[(&str, &[Signer])]| trust.unmatched(&place, proven.iter().copied());
    assert_eq!(unmatched(&[]), [0, 1]);
    assert_eq!(unmatched(&[(slsa, &by_a)]), [1]);
    // Its word about something else is none by this rule.
    assert_eq!(unmatched(&[("https://spdx.dev/Document", &by_a)]), [0, 1]);
}

/// A layout for images, which no test follows.
fn layout(images: &str, inspections: Inspections, keys: &[&TestKey]) -> LayoutRule {
    use crate::{attest::in_toto::Document, limits::Limits};
    let text = r#"{"signatures": [], "signed": {"_type": "layout", "expires": "2030-01-01T00:00:00Z",
        "keys": {}, "steps": [{"name": "s", "threshold": 1}]}}"#;
    LayoutRule {
        name: "app".to_owned(),
        images: vec![images.parse().unwrap()],
        layout: Arc::new(Document::open(text.as_bytes(), &Limits::default()).unwrap()),
        keys: keys.iter().map(|key| key.public.clone()).collect(),
        inspections,
    }
}

fn delegate(images: &str, signer: &str) -> Delegate {
    Delegate {
        images: vec![images.parse().unwrap()],
        signer: signer.to_owned(),
        verifier: "https://verify.example/1".to_owned(),
        levels: Vec::new(),
        policies: Vec::new(),
        max_age: jiff::SignedDuration::from_hours(24),
    }
}

fn source_of(images: &str) -> TrustedSource {
    let images = vec![images.parse().unwrap()];
    TrustedSource { images, ..super::super::sources::tests::source() }
}

/// A required rule is met by one claim of its own kind that enough of its signers made, and by nothing that is put together.
#[test]
fn a_required_rule_is_met_by_one_claim_of_its_kind() {
    use crate::trust::testing::{SLSA, SPDX};
    let (a, b) = (TestKey::p256(), TestKey::p256());
    let must = |grant| Rule { force: Force::Require, ..rule(grant) };
    let keys = |key: &TestKey| SignerKeys::new(vec![key.public.clone()]).unwrap();
    let signers = [("a".to_owned(), keys(&a)), ("b".to_owned(), keys(&b))];
    let rules = vec![
        must(("**", "provenance", "a", 1)),
        must(("r.example/app", "provenance rebuild", "a b", 2)),
    ];
    let trust = TrustRules::new(signers.into(), rules).unwrap();
    let by = |names: &str| -> Vec<Signer> {
        let all = trust.keys().map(|(signer, _)| signer);
        all.filter(|signer| names.contains(&signer.name)).collect()
    };
    type Case<'c> = (&'c str, &'c [(&'c str, &'c str)], &'c [usize]);
    let cases: [Case<'_>; 8] = [
        ("r.example/x", &[(SLSA, "a")], &[]),
        ("r.example/x", &[(SPDX, "a")], &[0]),
        ("r.example/x", &[(SLSA, "b")], &[0]),
        ("r.example/x", &[(SPDX, "a"), (SLSA, "b")], &[0]),
        ("r.example/app", &[(SLSA, "a"), (SLSA, "b")], &[1]),
        ("r.example/app", &[(SLSA, "ab")], &[]),
        // Rebuilders make a statement each: how many of them agree, is counted elsewhere.
        ("r.example/app", &[(SLSA, "a"), (REBUILD_VERDICT, "b")], &[]),
        ("r.example/app", &[], &[0, 1]),
    ];
    for (place, claims, want) in cases {
        let claims: Vec<(&str, Vec<Signer>)> =
            claims.iter().map(|(kind, names)| (*kind, by(names))).collect();
        let proven = claims.iter().map(|(kind, signers)| (*kind, signers.as_slice()));
        assert_eq!(trust.unmet(&location(place), proven), want, "{place} {claims:?}");
    }
}

/// All that changes whose word counts for what changes the digest, by which verdicts are kept.
#[test]
fn the_digest_says_what_layouts_delegates_and_force_say() {
    let (a, b) = (TestKey::p256(), TestKey::p256());
    let plain = || rules(&[("a", &[&a])], &[("**", "signature", "a", 1)]);
    let with = |layout: LayoutRule| plain().with_layouts(vec![layout]);
    let required = {
        let keys = SignerKeys::new(vec![a.public.clone()]).unwrap();
        let rule = Rule { force: Force::Require, ..rule(("**", "signature", "a", 1)) };
        TrustRules::new([("a".to_owned(), keys)].into(), vec![rule]).unwrap()
    };
    let named = LayoutRule { name: "other".to_owned(), ..layout("**", Inspections::Proven, &[&a]) };
    let all = [
        plain(),
        required,
        with(layout("**", Inspections::Proven, &[&a])),
        with(layout("r.example/*", Inspections::Proven, &[&a])),
        with(layout("**", Inspections::UnsafeSkip, &[&a])),
        with(layout("**", Inspections::Proven, &[&b])),
        with(named),
        plain().with_delegates(vec![delegate("**", "a")]),
        plain().with_delegates(vec![delegate("r.example/*", "a")]),
        plain().with_sources(vec![source_of("**")]),
        plain().with_unmatched(Unmatched { rules: OnUnmatched::Deny, ..Unmatched::default() }),
        plain().with_unmatched(Unmatched { layouts: OnUnmatched::Deny, ..Unmatched::default() }),
    ];
    let digests: BTreeSet<Digest> = all.iter().map(TrustRules::digest).collect();
    assert_eq!(digests.len(), all.len());
}

/// Whom a trusted root vouches for, by which root and with how much evidence, is part of the trust.
#[test]
fn the_digest_says_what_identities_and_recordings_say() {
    use crate::{limits::Limits, trust::sigstore::TextMatch};
    let limits = Limits::default();
    let public_good = Arc::new(TrustedRoot::public_good(&limits).unwrap());
    let github = Arc::new(TrustedRoot::github(&limits).unwrap());
    let key = TestKey::p256();
    let exact = |text: &str| TextMatch::Exact(text.to_owned());
    let of = |issuer: &str, subject: &str, root: &Arc<TrustedRoot>, demands: Demands| {
        let identity = KeylessIdentity { issuer: Some(exact(issuer)), subject: exact(subject) };
        SignerKeys::keyless(Keyless { identity, root: Arc::clone(root), demands })
    };
    let recorded = |root: &Arc<TrustedRoot>, demands: Demands| {
        let keys = SignerKeys::new(vec![key.public.clone()]).unwrap();
        keys.recorded(Recording { root: Arc::clone(root), demands, key_valid: None })
    };
    let demands = Demands::default;
    let more = || Demands { logs: demands().logs + 1, ..demands() };
    let signers = [
        SignerKeys::new(vec![key.public.clone()]).unwrap(),
        of("i", "s", &public_good, demands()),
        of("j", "s", &public_good, demands()),
        of("i", "t", &public_good, demands()),
        of("i", "s", &github, demands()),
        of("i", "s", &public_good, more()),
        recorded(&public_good, demands()),
        recorded(&github, demands()),
        recorded(&public_good, more()),
    ];
    let trust = |signer: &SignerKeys| {
        TrustRules::new([("c".to_owned(), signer.clone())].into(), Vec::new()).unwrap()
    };
    let digests: BTreeSet<Digest> = signers.iter().map(|signer| trust(signer).digest()).collect();
    assert_eq!(digests.len(), signers.len());
    // The roots by which an image is judged are those of its rules and delegates.
    for (place, count) in [("r.example/app", 1), ("r.example/other", 0)] {
        let delegated = trust(&signers[1]).with_delegates(vec![delegate("r.example/app", "c")]);
        assert_eq!(delegated.roots(&location(place)).len(), count, "{place}");
    }
}
