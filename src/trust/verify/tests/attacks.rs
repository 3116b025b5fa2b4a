//! Attacks of the groups A and B, one test for each id of `docs/attacks.md`; what they change stands in the tables of
//! the parent and of [`super::keyless`], where the id is in the case's name.

use super::{
    keyless::{ALICE, Lab, as_chain, exact, refuses_all_of},
    *,
};
use crate::trust::{
    Keyless, SignerKeys,
    sigstore::{Demands, KeylessIdentity, NoCtLog, TextMatch, TrustedRoot},
};

/// The manipulations of this id, of a key's signature.
fn refuses_with_keys(id: &str) {
    let mark = format!("({id})");
    assert!(refused_of(|name| name.contains(&mark)) > 0, "nothing is marked {id}");
}

fn base64(bytes: &[u8]) -> String {
    sigstore_types::PayloadBytes::from_bytes(bytes).to_base64()
}

#[test]
fn a1_material_of_one_signature_beside_another_is_refused() {
    refuses_all_of("A1");
}

/// A signature by `key` over the image in one form, beside a log entry that records the signature of `logger`.
type Form = (&'static str, fn(&TestKey, &TestKey) -> Raw);

/// cosign 2's annotation for a log entry of Rekor v1 with this body.
fn annotation(body: &Value) -> String {
    json!({
        "SignedEntryTimestamp": "AAAA",
        "Payload": {
            "body": base64(body.to_string().as_bytes()),
            "integratedTime": 1_700_000_000, "logIndex": 7, "logID": "00".repeat(32),
        },
    })
    .to_string()
}

fn bundle_of_version(version: &str, key: &TestKey, logger: &TestKey) -> Raw {
    let payload = statement(SIGNATURE, &index());
    let mut bundle =
        with_entry_of(&payload, key, (!key_is(key, logger)).then_some(payload.as_slice()), logger);
    bundle["mediaType"] =
        format!("application/vnd.dev.sigstore.bundle+json;version={version}").into();
    raw("a", BUNDLE, bundle.to_string())
}

fn key_is(one: &TestKey, other: &TestKey) -> bool {
    one.public.der() == other.public.der()
}

const FORMS: [Form; 5] = [
    ("bundle 0.3", |key, logger| {
        let payload = statement(SIGNATURE, &index());
        let logged = (!key_is(key, logger)).then_some(payload.as_slice());
        raw("a", BUNDLE, with_entry_of(&payload, key, logged, logger).to_string())
    }),
    ("bundle 0.2", |key, logger| bundle_of_version("0.2", key, logger)),
    ("bundle 0.1", |key, logger| bundle_of_version("0.1", key, logger)),
    ("cosign 2, .sig", |key, logger| {
        let payload = simple_payload(&index());
        let mut raw = simple("a", &payload, &payload, key);
        let own = raw.annotations[crate::attest::cosign::SIGNATURE_ANNOTATION].clone();
        let content =
            if key_is(key, logger) { own } else { base64(&logger.sign(payload.as_bytes())) };
        let hash = Digest::sha256(payload.as_bytes()).hex();
        let body = json!({ "apiVersion": "0.0.1", "kind": "hashedrekord", "spec": {
            "data": { "hash": { "algorithm": "sha256", "value": hash } },
            "signature": {
                "content": content, "publicKey": { "content": base64(logger.pem.as_bytes()) },
            },
        } });
        raw.annotations
            .insert(crate::attest::verification_material::BUNDLE.to_owned(), annotation(&body));
        raw
    }),
    ("cosign 2, .att", |key, logger| {
        let payload = statement(SIGNATURE, &index());
        let made = key.dsse(&payload);
        let logged = if key_is(key, logger) { made.clone() } else { logger.dsse(&payload) };
        let body = json!({ "apiVersion": "0.0.1", "kind": "dsse", "spec": {
            "payloadHash": { "algorithm": "sha256", "value": Digest::sha256(&payload).hex() },
            "signatures": [{
                "signature": logged["sig"], "verifier": base64(logger.pem.as_bytes()),
            }],
        } });
        let mut raw = raw("a", MediaType::DSSE, envelope(&payload, &[made]).to_string());
        raw.annotations
            .insert(crate::attest::verification_material::BUNDLE.to_owned(), annotation(&body));
        raw
    }),
];

/// Rules that trust the key, and beside it an identity by each kind of trusted root.
fn rules_of_every_root(key: &TestKey) -> Vec<(&'static str, TrustRules)> {
    let limits = Limits::default();
    let keyless = |root: TrustedRoot| Keyless {
        identity: KeylessIdentity {
            issuer: Some(exact("https://issuer.example")),
            subject: TextMatch::Exact("somebody@example.org".to_owned()),
        },
        root: std::sync::Arc::new(root),
        demands: Demands { no_ct_log: NoCtLog::Allow, ..Demands::default() },
    };
    let with = |root: Option<TrustedRoot>| {
        let keys = SignerKeys::new(vec![key.public.clone()]).unwrap();
        let mut signers = BTreeMap::from([("release".to_owned(), keys)]);
        let mut names = "release".to_owned();
        if let Some(root) = root {
            signers.insert("somebody".to_owned(), SignerKeys::keyless(keyless(root)));
            names.push_str(" somebody");
        }
        TrustRules::new(signers, vec![rule(("**", "signature", &names, 1))]).unwrap()
    };
    vec![
        ("a key", with(None)),
        ("a key and the public good root", with(Some(TrustedRoot::public_good(&limits).unwrap()))),
        ("a key and GitHub's root", with(Some(TrustedRoot::github(&limits).unwrap()))),
    ]
}

/// The comparison with the log entry once was left out on one of several paths: here every form takes the same one.
#[test]
fn a2_the_binding_is_checked_in_every_form_and_under_every_root() {
    let (key, stranger) = (TestKey::p256(), TestKey::p256());
    for (root, rules) in rules_of_every_root(&key) {
        for (form, make) in FORMS {
            let honest = judged(&[make(&key, &key)], &rules);
            assert_eq!(names_of(&honest.signatures[0]), ["release"], "{form}, {root}: {honest:?}");
            let swapped = judged(&[make(&key, &stranger)], &rules);
            let proven = swapped.signatures.iter().any(|proof| proof.proven().is_some());
            assert!(!proven, "{form}, {root}: {swapped:?}");
            assert!(
                codes(&swapped).contains(&Code::SignatureLogInvalid),
                "{form}, {root}: {swapped:?}"
            );
        }
    }
    let Some(lab) = Lab::read() else { return };
    for form in [lab.bundle.clone(), as_chain(&lab, "0.2")] {
        let honest = lab.judged(&form, vec![("alice", lab.signer(exact(ALICE)))], 1);
        assert!(honest.signatures[0].proven().is_some(), "{honest:?}");
        let mut other = form;
        let body = "/verificationMaterial/tlogEntries/0/canonicalizedBody";
        *other.pointer_mut(body).unwrap() = base64(b"{}").into();
        assert_eq!(lab.refused(&other, lab.signer(exact(ALICE))).0, Code::SignatureLogInvalid);
    }
}

#[test]
fn a3_key_material_comes_from_the_configuration_alone() {
    refuses_with_keys("A3");
    refuses_all_of("A3");
    // A stranger signs, and brings the key along wherever a format has room for one.
    let (key, stranger) = (TestKey::p256(), TestKey::p256());
    let payload = statement(SIGNATURE, &index());
    let made = |places: &[&str]| {
        let mut signature = stranger.dsse(&payload);
        for place in places {
            signature[place] = stranger.pem.clone().into();
        }
        envelope(&payload, &[signature])
    };
    let mut own_key = bundle(made(&[]), "");
    own_key["verificationMaterial"] =
        json!({ "publicKey": { "hint": stranger.pem, "rawBytes": base64(stranger.public.der()) } });
    for (name, raw) in [
        ("in the key id", raw("a", MediaType::DSSE, made(&["keyid"]).to_string())),
        (
            "beside the signature",
            raw("a", MediaType::DSSE, made(&["cert", "publicKey"]).to_string()),
        ),
        ("in the bundle", raw("a", BUNDLE, own_key.to_string())),
    ] {
        let proofs = judged(&[raw], &release(&key));
        assert!(proofs.signatures.iter().all(|p| p.proven().is_none()), "{name}: {proofs:?}");
    }
}

#[test]
fn a4_a_claim_to_be_in_a_log_is_no_proof() {
    refuses_all_of("A4");
}

#[test]
fn a5_the_checkpoint_is_the_logs_own_and_over_this_tree() {
    refuses_all_of("A5");
}

#[test]
fn a6_a_time_that_nobody_signed_is_no_time() {
    refuses_all_of("A6");
}

#[test]
fn a7_a_threshold_counts_distinct_logs_and_identities() {
    refuses_all_of("A7");
}

#[test]
fn a8_one_timestamp_twice_is_one_source_of_time() {
    refuses_all_of("A8");
}

#[test]
fn a15_an_envelope_of_a_bundle_has_one_signature() {
    refuses_all_of("A15");
}

#[test]
fn a16_nothing_lies_in_the_future() {
    refuses_all_of("A16");
}

#[test]
fn a19_what_cannot_be_read_is_refused_and_said() {
    refuses_with_keys("A19");
}

#[test]
fn a21_logs_are_those_of_the_trusted_root() {
    refuses_all_of("A21");
}

#[test]
fn a22_an_attestation_is_what_was_signed() {
    refuses_with_keys("A22");
    refuses_all_of("A22");
}

/// A signed scan is no SBOM, and a signed SBOM no provenance: a valid attestation counts for its own type alone.
#[test]
fn b1_an_attestation_of_another_type_does_not_count() {
    let key = TestKey::p256();
    let rules = rules(&[("scanner", &[&key])], &[("**", "sbom", "scanner", 1)]);
    for (predicate_type, counts) in [
        (SPDX, true),
        (SLSA, false),
        (SIGNATURE, false),
        ("https://cosign.sigstore.dev/attestation/vuln/v1", false),
        ("https://spdx.dev/documents", false),
    ] {
        let proofs =
            judged(&[attested("a", &statement(predicate_type, &manifest()), &[&key])], &rules);
        let mut all = proofs.signatures.iter().chain(&proofs.attestations);
        assert_eq!(
            all.any(|proof| proof.proven().is_some()),
            counts,
            "{predicate_type}: {proofs:?}"
        );
    }
}

#[test]
fn b3_signed_bytes_are_read_as_the_type_that_was_signed() {
    refuses_with_keys("B3");
}

#[test]
fn b4_a_subject_is_this_image_by_all_its_digests() {
    refuses_with_keys("B4");
}

#[test]
fn b7_a_forged_document_is_no_evidence() {
    refuses_with_keys("B7");
    // Documents that nobody signed, in every carrier and under every type that might pass for more.
    let key = TestKey::p256();
    let sbom = json!({ "spdxVersion": "SPDX-2.3", "packages": [] }).to_string();
    let statement = statement(SLSA, &manifest());
    for (name, forged) in [
        ("a document", raw("a", "application/spdx+json", sbom.clone())),
        ("a bare statement", raw("a", MediaType::IN_TOTO, statement.clone())),
        ("a bare statement in the index", bare(&statement)),
        ("a statement as an envelope", raw("a", MediaType::DSSE, statement.clone())),
        ("a document as a bundle", raw("a", BUNDLE, sbom)),
        (
            "an envelope that nobody signed",
            raw("a", MediaType::DSSE, envelope(&statement, &[]).to_string()),
        ),
    ] {
        let proofs = judged(&[forged], &release(&key));
        let mut all = proofs.signatures.iter().chain(&proofs.attestations);
        assert!(all.all(|proof| proof.proven().is_none()), "{name}: {proofs:?}");
    }
}
