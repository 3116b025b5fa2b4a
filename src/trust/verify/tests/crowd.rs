//! Checks are bounded, made once, and spent first on what may be proven.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::*;

/// Numbers that could be a P-256 signature, and are nobody's.
fn nobodys(number: usize) -> Value {
    let mut signature = vec![0x30, 68, 2, 32, 0x11];
    signature.extend([7; 31]);
    signature.extend([2, 32, 0x22]);
    signature.extend([9; 23]);
    signature.extend(number.to_be_bytes());
    json!({ "keyid": "", "sig": STANDARD.encode(signature) })
}

/// An envelope about the image with signatures by nobody.
fn junk(number: usize, signatures: usize) -> Raw {
    let text = String::from_utf8(statement("https://example.com/x", &manifest())).unwrap();
    let payload = text.replace("\"a\":1", &format!("\"a\":{number}")).into_bytes();
    let signatures: Vec<Value> = (0..signatures).map(|n| nobodys(number * 100 + n)).collect();
    raw(&format!("junk {number}"), MediaType::DSSE, envelope(&payload, &signatures).to_string())
}

fn within(raws: &[Raw], rules: &TrustRules, checks: usize, known: &mut Known) -> Proofs {
    let limits = Limits { signature_checks: checks, ..Limits::default() };
    let work = &mut Work { limits: &limits, known, go_on: &mut || true };
    prove_within(raws, &image(), rules, &location(PLACE), work)
}

fn is_left_out(proofs: &Proofs) -> bool {
    codes(proofs).contains(&Code::ImageEvidenceLeftOut)
}

fn is_signed(proofs: &Proofs) -> bool {
    proofs.signatures.iter().any(|proof| proof.proven().is_some())
}

/// A signature by this key in a carrier that sorts behind those of [`junk`].
fn good(key: &TestKey, hint: &str) -> Raw {
    let payload = statement(SIGNATURE, &index());
    let mut signature = key.dsse(&payload);
    signature["keyid"] = hint.into();
    (0..)
        .map(|n| {
            raw(
                &format!("good {n}"),
                MediaType::DSSE,
                envelope(&payload, &[signature.clone()]).to_string(),
            )
        })
        .find(|raw| (0..100).all(|n| junk(n, 1).carrier < raw.carrier))
        .unwrap()
}

#[test]
fn h41_signatures_by_nobody_take_no_check_from_a_good_one() {
    let keys = [TestKey::p256(), TestKey::p256(), TestKey::p256()];
    let rules = rules(
        &[("a", &[&keys[0]]), ("release", &[&keys[1]]), ("z", &[&keys[2]])],
        &[("**", "signature", "release", 1), ("other.example/**", "signature", "a z", 1)],
    );
    let named = keys[1].public.fingerprint();
    // 100 pieces with 16 signatures each and 3 keys are 4800 checks.
    let cases = [
        ("its first signature, by the keys of a rule about the image", "", 101),
        ("the key that the hint names", named.as_str(), 1),
    ];
    for (what, hint, checks) in cases {
        let mut raws: Vec<Raw> = (0..100).map(|n| junk(n, 16)).collect();
        raws.push(good(&keys[1], hint));
        let proofs = within(&raws, &rules, checks, &mut Known::default());
        assert!(is_signed(&proofs), "{what}: {:?}", codes(&proofs));
        assert!(is_left_out(&proofs), "{what}: the rest is not checked, and that is said");
        let findings = &proofs.findings;
        assert!(findings.iter().all(|f| f.severity < Severity::Error), "{what}");
    }
    let junk: Vec<Raw> = (0..10).map(|n| junk(n, 2)).collect();
    for (checks, all) in [(60, true), (59, false)] {
        let proofs = within(&junk, &rules, checks, &mut Known::default());
        assert_eq!(is_left_out(&proofs), !all, "{checks} checks");
    }
}

#[test]
fn c22_each_signature_is_checked_once_for_all_platforms() {
    let key = TestKey::p256();
    let rules = release(&key);
    let raws: Vec<Raw> = (0..20).map(|n| junk(n, 4)).chain([good(&key, "")]).collect();
    let mut known = Known::default();
    let first = within(&raws, &rules, 1000, &mut known);
    assert!(is_signed(&first) && !is_left_out(&first));
    let again = within(&raws, &rules, 3, &mut known);
    assert_eq!(again, first, "nothing is left to check but what lies beside the good one");
    assert!(is_left_out(&within(&raws, &rules, 3, &mut Known::default())));
    // Equal ones in one envelope.
    let payload = statement(SIGNATURE, &index());
    let equal = envelope(&payload, &vec![nobodys(1); 16]).to_string();
    let proofs = within(&[raw("a", MediaType::DSSE, equal)], &rules, 1, &mut Known::default());
    assert!(!is_left_out(&proofs), "{:?}", codes(&proofs));
}

#[test]
fn c22_what_is_signed_costs_by_its_size() {
    let key = TestKey::p256();
    let rules = release(&key);
    let large = |number: usize| {
        let text = String::from_utf8(statement(SIGNATURE, &index())).unwrap();
        let padded = text.replace("\"a\":1", &format!("\"a\":\"{}\"", "x".repeat(640 << 10)));
        raw(
            &format!("{number}"),
            MediaType::DSSE,
            envelope(padded.as_bytes(), &[nobodys(number)]).to_string(),
        )
    };
    let raws = [large(1), large(2), good(&key, "")];
    for (checks, all) in [(22, false), (23, true)] {
        let proofs = within(&raws, &rules, checks, &mut Known::default());
        assert!(is_signed(&proofs), "the small one is checked first");
        assert_eq!(is_left_out(&proofs), !all, "{checks} checks");
    }
    // What is large is opened for its turn alone, and proven all the same.
    let text = String::from_utf8(statement(SLSA, &manifest())).unwrap();
    let padded = text.replace("\"a\":1", &format!("\"a\":\"{}\"", "x".repeat(640 << 10)));
    let proofs = judged(&[attested("a", padded.as_bytes(), &[&key])], &rules);
    assert_eq!(names_of(&proofs.attestations[0]), ["release"]);
}

#[test]
fn c22_it_ends_where_nobody_waits() {
    let key = TestKey::p256();
    let raws: Vec<Raw> = (0..20).map(|n| junk(n, 4)).collect();
    let (limits, rules) = (Limits::default(), release(&key));
    for most in [0, 5, 30] {
        let mut asked = 0;
        let mut go_on = || {
            asked += 1;
            asked <= most
        };
        let (known, go_on) = (&mut Known::default(), &mut go_on);
        let work = &mut Work { limits: &limits, known, go_on };
        let proofs = prove_within(&raws, &image(), &rules, &location(PLACE), work);
        assert!(is_left_out(&proofs), "{most}");
        assert!(asked <= most + 2, "{most}: it is asked between two checks, and the work ends");
    }
}
