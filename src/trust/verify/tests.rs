//! What is proven and what is refused with which reason: honest evidence, manipulations, rules, coverage, properties.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{
    attest::Listing,
    digest::{Algorithm, Hasher},
    finding::{Code, Key, Severity},
    image::MediaType,
    trust::testing::*,
};

const PLACE: &str = "r.example/team/app";

fn judged(raws: &[Raw], rules: &TrustRules) -> Proofs {
    prove(raws, &image(), rules, &location(PLACE), &Limits::default())
}

/// Rules that let `release` sign and vouch for provenance on every image.
fn release(key: &TestKey) -> TrustRules {
    rules(&[("release", &[key])], &[("**", "signature provenance", "release", 1)])
}

fn codes(proofs: &Proofs) -> Vec<Code> {
    proofs.findings.iter().map(|finding| finding.code).collect()
}

fn names_of(proof: &Proof<Claimed>) -> Vec<&str> {
    let signers = proof.proven().map(|verified| verified.signers()).unwrap_or_default();
    signers.iter().map(|signer| signer.name.as_str()).collect()
}

fn why(proof: &Proof<Claimed>) -> Option<&Unproven> {
    match proof {
        Proof::Unproven { why, .. } => Some(why),
        _ => None,
    }
}

#[test]
fn every_format_is_proven_when_honest() {
    let key = TestKey::p256();
    let signature = statement(SIGNATURE, &index());
    let provenance = statement(SLSA, &manifest());
    let enveloped = |payload: &[u8]| envelope(payload, &[key.dsse(payload)]);
    let mut old_bundle = bundle(enveloped(&provenance), "");
    old_bundle["mediaType"] = "application/vnd.dev.sigstore.bundle+json;version=0.1".into();
    let mut middle_bundle = bundle(enveloped(&provenance), "");
    middle_bundle["mediaType"] = "application/vnd.dev.sigstore.bundle+json;version=0.2".into();
    let over_manifest = over_bytes(&key, MANIFEST.as_bytes(), None).to_string();
    let mut over_manifest = raw("a", BUNDLE, over_manifest);
    over_manifest.attached_to = manifest();
    let mut url_safe = enveloped(&provenance);
    for field in ["/payload", "/signatures/0/sig"] {
        let value = url_safe.pointer_mut(field).unwrap();
        *value = value.as_str().unwrap().replace('+', "-").replace('/', "_").into();
    }
    let cases = [
        ("bundle, signature", raw("a", BUNDLE, bundle(enveloped(&signature), "").to_string())),
        ("bundle, provenance", raw("a", BUNDLE, bundle(enveloped(&provenance), "").to_string())),
        (
            "bundle 0.1",
            raw(
                "a",
                "application/vnd.dev.sigstore.bundle+json;version=0.1",
                old_bundle.to_string(),
            ),
        ),
        (
            "bundle 0.2",
            raw(
                "a",
                "application/vnd.dev.sigstore.bundle+json;version=0.2",
                middle_bundle.to_string(),
            ),
        ),
        (
            "bundle over the index",
            raw("a", BUNDLE, over_bytes(&key, b"the index", None).to_string()),
        ),
        (
            "bundle over the index, with its digest",
            raw("a", BUNDLE, over_bytes(&key, b"the index", Some(b"the index")).to_string()),
        ),
        ("bundle over the platform's manifest", over_manifest),
        ("envelope, provenance", attested("a", &provenance, &[&key])),
        ("envelope as in-toto", raw("a", MediaType::IN_TOTO, enveloped(&provenance).to_string())),
        ("envelope, other alphabet", raw("a", MediaType::DSSE, url_safe.to_string())),
        ("simple signing", simple("a", &simple_payload(&index()), &simple_payload(&index()), &key)),
        (
            "simple signing, platform",
            simple("a", &simple_payload(&manifest()), &simple_payload(&manifest()), &key),
        ),
    ];
    for (name, raw) in cases {
        let proofs = judged(std::slice::from_ref(&raw), &release(&key));
        let all: Vec<_> = proofs.signatures.iter().chain(&proofs.attestations).collect();
        let [proof] = all.as_slice() else { panic!("{name}: {proofs:?}") };
        assert_eq!(names_of(proof), ["release"], "{name}: {proofs:?}");
        let verified = proof.proven().unwrap();
        let plain = verified.value().predicate_type == SIGNATURE;
        assert_eq!(proofs.signatures.len(), usize::from(plain), "{name}: in the wrong list");
        assert!([index(), manifest()].contains(verified.subject()), "{name}");
        assert_eq!(verified.carrier(), &raw.carrier, "{name}");
        assert_eq!(verified.basis(), &Basis::Signed, "{name}");
        let expected: &[Code] = if plain { &[] } else { &[Code::SignatureMissing] };
        assert_eq!(codes(&proofs), expected, "{name}");
    }
}

/// A manipulation, the evidence that shows it, the finding that it has to lead to and a word of its reason.
type Manipulation = (&'static str, Raw, Code, &'static str);

#[allow(clippy::too_many_lines, reason = "a table of cases")]
fn manipulated(key: &TestKey) -> Vec<Manipulation> {
    let payload = statement(SLSA, &manifest());
    let good = envelope(&payload, &[key.dsse(&payload)]);
    let other = ManifestDigest::of(b"another image");
    let edit = |pointer: &str, value: Value| {
        let mut edited = good.clone();
        *edited.pointer_mut(pointer).unwrap() = value;
        raw("a", MediaType::DSSE, edited.to_string())
    };
    let base64 =
        |bytes: &[u8]| Value::from(sigstore_types::PayloadBytes::from_bytes(bytes).to_base64());
    let edited = String::from_utf8(payload.clone()).unwrap().replace("\"a\":1", "\"a\":2");
    let signed = |message: &[u8]| base64(&key.sign(message));
    let longer_type = format!("{} {}", MediaType::IN_TOTO, payload.len());
    let shifted = sigstore_types::pae(&longer_type, &payload);
    let stranger = TestKey::p256();
    let fingerprint = key.public.fingerprint();
    let mut lying = stranger.dsse(&payload);
    lying["keyid"] = fingerprint.clone().into();
    let certificate = json!({ "certificate": { "rawBytes": base64(b"no certificate") } });
    let bare_key = json!({ "certificate": { "rawBytes": base64(key.pem.as_bytes()) } });
    let chain = json!({ "x509CertificateChain": { "certificates": [] } });
    let with_material = |material: Value| {
        let mut bundle = bundle(good.clone(), "");
        bundle["verificationMaterial"] = material;
        raw("a", BUNDLE, bundle.to_string())
    };
    let with_subject = |subject: Value| attested("a", &statement_about(SLSA, subject), &[key]);
    let sha256 = manifest().hex();
    let mut keyless_simple = simple("a", &simple_payload(&index()), &simple_payload(&index()), key);
    keyless_simple.annotations.insert("dev.sigstore.cosign/certificate".into(), "PEM".into());
    let mut keyless_envelope = attested("a", &payload, &[key]);
    keyless_envelope.annotations.insert("dev.sigstore.cosign/certificate".into(), "PEM".into());
    let twice = good.to_string().replacen("{", "{\"payload\":\"e30=\",", 1);
    let moved = simple_payload(&other);
    let over = |bytes: &[u8], stated: Option<&[u8]>| over_bytes(key, bytes, stated).to_string();
    let mut elsewhere = raw("a", BUNDLE, over(b"the index", None));
    elsewhere.attached_to = manifest();
    let mut nowhere = raw("a", BUNDLE, over(b"the index", None));
    nowhere.attached_to = other.clone();
    use Code::{
        SignatureInvalid as Invalid, SignatureMalformed as Malformed,
        SignatureSubjectMismatch as Mismatch, SignatureUntrusted as Untrusted,
    };
    vec![
        ("payload edited (A22)", edit("/payload", base64(edited.as_bytes())), Untrusted, "none of"),
        (
            "payload signed without PAE (B3)",
            edit("/signatures/0/sig", signed(&payload)),
            Untrusted,
            "none of",
        ),
        (
            "PAE with shifted lengths (B3)",
            edit("/signatures/0/sig", signed(&shifted)),
            Untrusted,
            "none of",
        ),
        (
            "other payload type (B3)",
            edit("/payloadType", "application/json".into()),
            Malformed,
            "payload type",
        ),
        (
            "payload type with a suffix (B3)",
            edit("/payloadType", format!("{};x", MediaType::IN_TOTO).into()),
            Malformed,
            "payload type",
        ),
        ("no signature (A22)", edit("/signatures", json!([])), Malformed, "missing"),
        ("signature not base64 (A19)", edit("/signatures/0/sig", "?".into()), Malformed, "base64"),
        ("empty signature", edit("/signatures/0/sig", "".into()), Untrusted, "none of"),
        ("key given twice (A19)", raw("a", MediaType::DSSE, twice), Malformed, "given twice"),
        ("unknown signer (B7)", attested("a", &payload, &[&stranger]), Untrusted, "none of"),
        (
            "hint at a trusted key (B7)",
            raw("a", MediaType::DSSE, envelope(&payload, &[lying]).to_string()),
            Invalid,
            "release",
        ),
        (
            "bundle with a hint at a trusted key (B7)",
            raw(
                "a",
                BUNDLE,
                bundle(envelope(&payload, &[stranger.dsse(&payload)]), &fingerprint).to_string(),
            ),
            Invalid,
            "release",
        ),
        (
            "bundle with a certificate (A3)",
            with_material(certificate.clone()),
            Untrusted,
            "none of",
        ),
        ("bundle with a key as certificate (A3)", with_material(bare_key), Untrusted, "none of"),
        ("bundle with a chain", with_material(chain), Malformed, "x509CertificateChain"),
        ("bundle without material", with_material(json!({})), Malformed, "missing"),
        (
            "bundle with key and certificate",
            with_material(json!({ "publicKey": {}, "certificate": certificate["certificate"] })),
            Malformed,
            "ambiguous",
        ),
        (
            "bundle over the bytes of another index",
            raw("a", BUNDLE, over(b"another image", None)),
            Untrusted,
            "none of",
        ),
        ("bundle over the index, attached to the manifest", elsewhere, Untrusted, "none of"),
        ("bundle over the index, attached to another image", nowhere, Mismatch, "neither"),
        (
            "bundle over the index that states another digest",
            raw("a", BUNDLE, over(b"the index", Some(b"another image"))),
            Malformed,
            "digest",
        ),
        (
            "bundle over the index's digest in place of its bytes",
            raw("a", BUNDLE, over(index().to_string().as_bytes(), Some(b"the index"))),
            Untrusted,
            "none of",
        ),
        (
            "simple signing with a certificate (A3)",
            keyless_simple,
            Malformed,
            "certificates in PEM",
        ),
        ("attestation with a certificate (A3)", keyless_envelope, Malformed, "certificates in PEM"),
        (
            "attestation of another image (B4)",
            attested("a", &statement(SLSA, &other), &[key]),
            Mismatch,
            SLSA,
        ),
        ("signature of another image (B4)", simple("a", &moved, &moved, key), Mismatch, SIGNATURE),
        (
            "signature edited to name this image (A22)",
            simple("a", &simple_payload(&index()), &moved, key),
            Untrusted,
            "none of",
        ),
        (
            "sha1 subject (B4)",
            with_subject(json!([{ "digest": { "sha1": "00" } }])),
            Malformed,
            "sha1",
        ),
        ("no subject (B4)", with_subject(json!([])), Code::PredicateNoSubject, "names no subject"),
        (
            "subject without digest (B4)",
            with_subject(json!([{ "name": "app" }])),
            Malformed,
            "no subject has",
        ),
        (
            "upper-case digest (B4)",
            with_subject(json!([{ "digest": { "sha256": sha256.to_uppercase() } }])),
            Malformed,
            "lower-case",
        ),
        (
            "a weak subject beside another's (B4)",
            with_subject(
                json!([{ "digest": { "sha1": "00" } }, { "digest": { "sha256": other.hex() } }]),
            ),
            Mismatch,
            SLSA,
        ),
        (
            "one of two digests is another's (B4)",
            with_subject(json!([{ "digest": { "sha256": sha256, "sha512": "0".repeat(128) } }])),
            Mismatch,
            SLSA,
        ),
    ]
}

#[test]
fn every_manipulation_is_refused_for_its_own_reason() {
    assert!(refused_of(|_| true) > 25);
}

/// Tries those manipulations that are wanted by name, and says how many they are.
fn refused_of(wanted: impl Fn(&str) -> bool) -> usize {
    let key = TestKey::p256();
    let mut count = 0;
    for (name, raw, code, reason) in manipulated(&key) {
        if !wanted(name) {
            continue;
        }
        count += 1;
        let proofs = judged(&[raw], &release(&key));
        let mut all = proofs.signatures.iter().chain(&proofs.attestations);
        assert!(all.all(|proof| proof.proven().is_none()), "{name} was accepted: {proofs:?}");
        let finding = proofs.findings.iter().find(|finding| finding.code == code);
        let finding =
            finding.unwrap_or_else(|| panic!("{name}: no {code} in {:?}", proofs.findings));
        let said = finding.facts.get(&Key::Why).map(ToString::to_string).unwrap_or_default();
        assert!(said.contains(reason), "{name}: {said}");
        assert!(proofs.findings.iter().all(|f| f.severity < Severity::Error), "{name}: an error");
    }
    count
}

/// A bundle by `key` over bytes that are not in it, and the bytes whose digest it states.
fn over_bytes(key: &TestKey, bytes: &[u8], stated: Option<&[u8]>) -> Value {
    let base64 = |bytes: &[u8]| sigstore_types::PayloadBytes::from_bytes(bytes).to_base64();
    let mut bundle = bundle(Value::Null, "");
    bundle["messageSignature"] = json!({ "signature": base64(&key.sign(bytes)) });
    if let Some(stated) = stated {
        let digest = base64(sigstore_crypto::sha256(stated).as_bytes());
        bundle["messageSignature"]["messageDigest"] =
            json!({ "algorithm": "SHA2_256", "digest": digest });
    }
    bundle
}

#[test]
fn a_bundle_that_is_handed_over_for_another_image_says_which() {
    let key = TestKey::p256();
    let handed = |bundle: Value| {
        let carrier = Carrier::Handed { name: "app.json".to_owned() };
        judged(&[Raw { carrier, ..raw("a", BUNDLE, bundle.to_string()) }], &release(&key))
    };
    let other = ManifestDigest::of(b"elsewhere");
    let payload = statement(SIGNATURE, &other);
    let cases = [
        handed(over_bytes(&key, b"elsewhere", Some(b"elsewhere"))),
        handed(bundle(envelope(&payload, &[key.dsse(&payload)]), "")),
    ];
    for proofs in cases {
        let of_other = |found: &&Finding| found.code == Code::SignatureSubjectMismatch;
        let finding = proofs.findings.iter().find(of_other).expect("it is told");
        let said = finding.facts[&Key::Why].to_string();
        let wanted = format!("the bundle is about {other}, not this image");
        assert!(said.starts_with(&wanted), "{said}");
        assert!(finding.help().contains("name the image that the bundle is about"));
        assert!(proofs.signatures.iter().all(|proof| proof.proven().is_none()));
    }
    let ours = over_bytes(&key, b"the index", Some(b"the index"));
    assert_eq!(names_of(&handed(ours).signatures[0]), ["release"]);
}

#[test]
fn a_log_entry_beside_a_signature_over_bytes_records_those_bytes() {
    let (key, stranger) = (TestKey::p256(), TestKey::p256());
    let with_entry = |logged: &[u8], logger: &TestKey| {
        let base64 = |bytes: &[u8]| sigstore_types::PayloadBytes::from_bytes(bytes).to_base64();
        let mut bundle = over_bytes(&key, b"the index", Some(b"the index"));
        let mut signature = bundle["messageSignature"]["signature"].clone();
        if logged != b"the index" {
            signature = base64(&logger.sign(logged)).into();
        }
        let body = json!({
            "apiVersion": "0.0.2",
            "kind": "hashedrekord",
            "spec": { "hashedRekordV002": {
                "data": {
                    "algorithm": "SHA2_256",
                    "digest": base64(sigstore_crypto::sha256(logged).as_bytes()),
                },
                "signature": {
                    "content": signature,
                    "verifier": { "publicKey": { "rawBytes": base64(logger.public.der()) } },
                },
            } },
        });
        bundle["verificationMaterial"]["tlogEntries"] = json!([{
            "logIndex": "7",
            "logId": { "keyId": base64(&[0; 32]) },
            "kindVersion": { "kind": "hashedrekord", "version": "0.0.2" },
            "canonicalizedBody": base64(body.to_string().as_bytes()),
        }]);
        raw("a", BUNDLE, bundle.to_string())
    };
    let proven = |raw: Raw| {
        let proofs = judged(&[raw], &release(&key));
        proofs.signatures.iter().any(|proof| proof.proven().is_some())
    };
    assert!(proven(with_entry(b"the index", &key)));
    assert!(!proven(with_entry(b"another image", &key)), "entry of another artifact");
    assert!(!proven(with_entry(b"the index", &stranger)), "entry by another key");
}

/// A bundle by `key` over `payload`, beside the log entry of a signature by `logger` over `logged`.
fn with_entry_of(payload: &[u8], key: &TestKey, logged: Option<&[u8]>, logger: &TestKey) -> Value {
    let base64 = |bytes: &[u8]| sigstore_types::PayloadBytes::from_bytes(bytes).to_base64();
    let made = key.dsse(payload);
    let signature = logged.map_or(made.clone(), |logged| logger.dsse(logged))["sig"].clone();
    let message = sigstore_types::pae(MediaType::IN_TOTO, logged.unwrap_or(payload));
    let hash = sigstore_crypto::sha256(&message);
    let body = json!({
        "apiVersion": "0.0.2",
        "kind": "hashedrekord",
        "spec": { "hashedRekordV002": {
            "data": { "algorithm": "SHA2_256", "digest": base64(hash.as_bytes()) },
            "signature": {
                "content": signature,
                "verifier": { "publicKey": { "rawBytes": base64(logger.public.der()) } },
            },
        } },
    });
    let mut bundle = bundle(envelope(payload, &[made]), "");
    bundle["verificationMaterial"]["tlogEntries"] = json!([{
        "logIndex": "7",
        "logId": { "keyId": base64(&[0; 32]) },
        "kindVersion": { "kind": "hashedrekord", "version": "0.0.2" },
        "canonicalizedBody": base64(body.to_string().as_bytes()),
    }]);
    bundle
}

#[test]
fn a1_a_log_entry_beside_the_signature_of_a_key_records_it() {
    let (key, stranger) = (TestKey::p256(), TestKey::p256());
    let payload = statement(SLSA, &manifest());
    let judged = |bundle: &Value| judged(&[raw("a", BUNDLE, bundle.to_string())], &release(&key));
    let honest = with_entry_of(&payload, &key, None, &key);
    let proofs = judged(&honest);
    assert!(matches!(proofs.attestations.as_slice(), [Proof::Proven(_)]), "{proofs:?}");
    let elsewhere = statement(SLSA, &index());
    let mut twice = honest.clone();
    let entries = twice["verificationMaterial"]["tlogEntries"].as_array_mut().unwrap();
    entries.push(entries[0].clone());
    let mut of_kind = honest;
    of_kind["verificationMaterial"]["tlogEntries"][0]["kindVersion"]["kind"] = "rekord".into();
    let cases = [
        (
            "another artifact",
            with_entry_of(&payload, &key, Some(&elsewhere), &key),
            "other content",
        ),
        (
            "another signature",
            with_entry_of(&payload, &key, Some(&payload), &key),
            "another signature",
        ),
        (
            "another key",
            with_entry_of(&payload, &key, None, &stranger),
            "another certificate or key",
        ),
        ("twice", twice, "there already"),
        ("a kind that records no such signature", of_kind, "its kind"),
    ];
    for (name, bundle, reason) in cases {
        let proofs = judged(&bundle);
        assert!(proofs.attestations.iter().all(|p| p.proven().is_none()), "{name}: {proofs:?}");
        let found = proofs.findings.iter().find(|f| f.code == Code::SignatureLogInvalid);
        let why = found.and_then(|f| f.facts.get(&Key::Why)).map(ToString::to_string);
        assert!(why.as_ref().is_some_and(|why| why.contains(reason)), "{name}: {proofs:?}");
    }
}

#[test]
fn digests_of_both_algorithms_bind_when_both_are_the_images() {
    let key = TestKey::p256();
    let mut sha512 = Hasher::new(Algorithm::Sha512);
    sha512.update(MANIFEST.as_bytes());
    let sha512 = sha512.finish().hex();
    for digest in [
        json!({ "sha512": sha512 }),
        json!({ "sha256": manifest().hex(), "sha512": sha512, "sha1": "00" }),
    ] {
        let payload = statement_about(SLSA, json!([{ "digest": digest }]));
        let proofs = judged(&[attested("a", &payload, &[&key])], &release(&key));
        assert!(proofs.attestations.iter().all(|p| p.proven().is_some()), "{digest}: {proofs:?}");
        assert_eq!(proofs.attestations.len(), 1, "{digest}");
    }
}

#[test]
fn a15_a_bad_signature_beside_a_good_one_changes_no_proof() {
    let (key, stranger) = (TestKey::p256(), TestKey::p256());
    let payload = statement(SLSA, &manifest());
    let mut lying = stranger.dsse(&payload);
    lying["keyid"] = key.public.fingerprint().into();
    let signatures = [stranger.dsse(&payload), key.dsse(&payload), lying];
    let both = raw("a", MediaType::DSSE, envelope(&payload, &signatures).to_string());
    let proofs = judged(&[both], &release(&key));
    assert_eq!(names_of(&proofs.attestations[0]), ["release"]);
    let found: Vec<_> = proofs.findings.iter().map(|f| (f.severity, f.code)).collect();
    let expected = [
        (Severity::Info, Code::SignatureUntrusted),
        (Severity::Warning, Code::SignatureMissing),
        (Severity::Warning, Code::SignatureInvalid),
    ];
    assert_eq!(found, expected);
}

#[test]
fn rules_decide_what_a_signer_may_vouch_for() {
    let (a, b, c) = (TestKey::p256(), TestKey::p256(), TestKey::p256());
    let signers: &[(&str, &[&TestKey])] = &[("a", &[&a]), ("b", &[&b]), ("c", &[&c])];
    let not = |names: &[&str]| Unproven::NotAllowed {
        signers: names.iter().map(|n| (*n).to_owned()).collect(),
    };
    let below =
        |name: &str| Unproven::BelowThreshold { signers: vec![name.to_owned()], threshold: 2 };
    let cases = [
        ("granted", &[("**", "provenance", "a", 1)][..], vec![&a], Ok(vec!["a"])),
        ("by its exact type", &[("**", SLSA, "a", 1)], vec![&a], Ok(vec!["a"])),
        ("another predicate (B1)", &[("**", "sbom signature", "a", 1)], vec![&a], Err(not(&["a"]))),
        (
            "another image",
            &[("r.example/other/*", "provenance", "a", 1)],
            vec![&a],
            Err(not(&["a"])),
        ),
        ("another signer", &[("**", "provenance", "b", 1)], vec![&a], Err(not(&["a"]))),
        ("too few", &[("**", "provenance", "a b", 2)], vec![&a], Err(below("a"))),
        ("one of them twice", &[("**", "provenance", "a b", 2)], vec![&a, &a], Err(below("a"))),
        (
            "a stranger does not count",
            &[("**", "provenance", "a b", 2)],
            vec![&a, &c],
            Err(below("a")),
        ),
        ("enough", &[("**", "provenance", "a b", 2)], vec![&a, &b], Ok(vec!["a", "b"])),
        (
            "all that count",
            &[("**", "provenance", "a b c", 2)],
            vec![&a, &b, &c],
            Ok(vec!["a", "b", "c"]),
        ),
        (
            "one rule suffices",
            &[("**", "provenance", "a b", 2), ("r.example/**", "provenance", "c", 1)],
            vec![&c],
            Ok(vec!["c"]),
        ),
        (
            "only those of the satisfied rule",
            &[("**", "provenance", "a b", 2), ("**", "provenance", "c", 1)],
            vec![&a, &c],
            Ok(vec!["c"]),
        ),
        (
            "the rule that is nearest",
            &[("**", "provenance", "a b c", 3), ("**", "provenance", "a b", 2)],
            vec![&a],
            Err(below("a")),
        ),
        ("no rules", &[], vec![&a], Err(not(&["a"]))),
    ];
    let payload = statement(SLSA, &manifest());
    for (name, grants, keys, want) in cases {
        let rules = rules(signers, grants);
        let together = [attested("1", &payload, &keys)];
        let apart: Vec<Raw> = keys
            .iter()
            .enumerate()
            .map(|(n, k)| attested(&n.to_string(), &payload, &[k]))
            .collect();
        for raws in [&together[..], &apart[..]] {
            let proofs = judged(raws, &rules);
            let [proof] = proofs.attestations.as_slice() else { panic!("{name}: {proofs:?}") };
            match &want {
                Ok(signers) => assert_eq!(&names_of(proof), signers, "{name}"),
                Err(reason) => {
                    assert_eq!(why(proof), Some(reason), "{name}");
                    let found = codes(&proofs);
                    // The title of each is true: a configured signer made it.
                    let wanted = match reason {
                        Unproven::BelowThreshold { .. } => Code::SignatureBelowThreshold,
                        _ => Code::SignatureNotAllowed,
                    };
                    assert!(found.contains(&wanted), "{name}: {found:?}");
                    assert!(!found.contains(&Code::SignatureUntrusted), "{name}: {found:?}");
                }
            }
        }
    }
}

#[test]
fn a7_signers_that_share_a_key_count_once() {
    let (a, b) = (TestKey::p256(), TestKey::p256());
    // `twin` has the key of `a` besides its own; `b` is somebody else.
    let (own, other) = (TestKey::p256(), TestKey::p256());
    let signers: &[(&str, &[&TestKey])] =
        &[("a", &[&a, &other]), ("b", &[&b]), ("twin", &[&own, &a])];
    let rules = rules(signers, &[("**", "provenance", "a b twin", 2)]);
    let payload = statement(SLSA, &manifest());
    for keys in [vec![&a], vec![&a, &own], vec![&a, &other, &own]] {
        let proofs = judged(&[attested("x", &payload, &keys)], &rules);
        let reason = why(&proofs.attestations[0]);
        assert!(
            matches!(reason, Some(Unproven::BelowThreshold { threshold: 2, .. })),
            "{reason:?}"
        );
    }
    let proofs = judged(&[attested("x", &payload, &[&own, &b])], &rules);
    assert_eq!(names_of(&proofs.attestations[0]), ["b", "twin"]);
}

#[test]
fn plain_signatures_add_up_over_the_same_digest_only() {
    let (a, b) = (TestKey::p256(), TestKey::p256());
    let rules = rules(&[("a", &[&a]), ("b", &[&b])], &[("**", "signature", "a b", 2)]);
    let old = |place: &str, digest: &ManifestDigest, key: &TestKey| {
        simple(place, &simple_payload(digest), &simple_payload(digest), key)
    };
    let new = attested("new", &statement(SIGNATURE, &index()), &[&b]);
    let proofs = judged(&[old("1", &index(), &a), new], &rules);
    let mut makers: Vec<_> = proofs.signatures.iter().map(names_of).collect();
    makers.sort();
    assert_eq!(makers, [["a"], ["b"]], "cosign 2 and 3 together reach it, each its own payload");
    let proofs = judged(&[old("1", &index(), &a), old("2", &manifest(), &b)], &rules);
    assert!(proofs.signatures.iter().all(|p| p.proven().is_none()), "{proofs:?}");
    assert_eq!(proofs.signatures.len(), 2);
    let subject = json!([
        { "digest": { "sha256": index().hex() } }, { "digest": { "sha256": manifest().hex() } },
    ]);
    let wide = attested("wide", &statement_about(SIGNATURE, subject), &[&b]);
    let proofs = judged(&[wide, old("1", &index(), &a), old("2", &manifest(), &a)], &rules);
    let subjects: Vec<_> =
        proofs.signatures.iter().filter_map(Proof::proven).map(Verified::subject).collect();
    assert_eq!(subjects.len(), 4, "a signature that names both adds to both");
}

/// Who vouches for how an image was built says nothing of the image itself.
#[test]
fn a7_the_signer_of_an_attestation_adds_to_no_plain_signature() {
    let (a, b) = (TestKey::p256(), TestKey::p256());
    let rules = rules(&[("a", &[&a]), ("b", &[&b])], &[("**", "signature", "a b", 2)]);
    for (kind, enough) in [(SIGNATURE, true), (SLSA, false)] {
        let payload = simple_payload(&index());
        let plain = simple("1", &payload, &payload, &a);
        let other = attested("2", &statement(kind, &index()), &[&b]);
        let proofs = judged(&[plain, other], &rules);
        let proven = proofs.signatures.iter().any(|proof| proof.proven().is_some());
        assert_eq!(proven, enough, "{kind}: {proofs:?}");
    }
}

/// A plain signature as cosign 2 makes it, with an annotation.
fn annotated(place: &str, optional: &Value, key: &TestKey) -> Raw {
    let payload = simple_payload(&index()).replace("null", &optional.to_string());
    simple(place, &payload, &payload, key)
}

#[test]
fn h31_a_payload_keeps_exactly_its_own_signers() {
    let (qa, dev) = (TestKey::p256(), TestKey::p256());
    let signers: &[(&str, &[&TestKey])] = &[("qa", &[&qa]), ("dev", &[&dev])];
    for threshold in [1, 2] {
        let rules = rules(signers, &[("**", "signature", "qa dev", threshold)]);
        let approved = json!({ "approved": "true" });
        let mut raws = vec![annotated("1", &Value::Null, &qa), annotated("2", &approved, &dev)];
        for _ in 0..2 {
            raws.reverse();
            let proofs = judged(&raws, &rules);
            let said = |proof: &Proof<Claimed>| {
                let predicate = proof.value().unwrap().predicate.value().unwrap();
                let optional = predicate["optional"].clone();
                (names_of(proof).join(" "), optional)
            };
            let mut all: Vec<_> = proofs.signatures.iter().map(said).collect();
            all.sort_by(|a, b| a.0.cmp(&b.0));
            assert_eq!(all, [("dev".to_owned(), approved.clone()), ("qa".to_owned(), Value::Null)]);
        }
    }
    // One signer, two payloads: both are there.
    let rules = rules(signers, &[("**", "signature", "qa dev", 1)]);
    let of = |place, name: &str| annotated(place, &json!({ "pipeline": name }), &qa);
    let proofs = judged(&[of("1", "ci"), of("2", "cd")], &rules);
    assert_eq!(proofs.signatures.len(), 2);
    // A stranger's payload over the same digest gets nothing of it.
    let stranger = TestKey::p256();
    let proofs = judged(&[of("1", "ci"), annotated("2", &json!({}), &stranger)], &rules);
    let proven = proofs.signatures.iter().filter_map(Proof::proven).count();
    assert_eq!((proofs.signatures.len(), proven), (2, 1));
}

#[test]
fn an_attestation_that_names_both_is_one_claim_about_the_platform() {
    let key = TestKey::p256();
    let subject = json!([
        { "digest": { "sha256": index().hex() } }, { "digest": { "sha256": manifest().hex() } },
    ]);
    let both = attested("a", &statement_about(SLSA, subject), &[&key]);
    let proofs = judged(&[both], &release(&key));
    let subjects: Vec<_> =
        proofs.attestations.iter().filter_map(Proof::proven).map(Verified::subject).collect();
    assert_eq!(subjects, [&manifest()]);
}

#[test]
fn two_payloads_are_two_claims() {
    let (a, b) = (TestKey::p256(), TestKey::p256());
    let rules = rules(&[("a", &[&a]), ("b", &[&b])], &[("**", "provenance", "a b", 2)]);
    let one = statement(SLSA, &manifest());
    let other = String::from_utf8(one.clone()).unwrap().replace("\"a\":1", "\"a\":2").into_bytes();
    let proofs = judged(&[attested("1", &one, &[&a]), attested("2", &other, &[&b])], &rules);
    assert_eq!(proofs.attestations.len(), 2);
    assert!(proofs.attestations.iter().all(|p| p.proven().is_none()), "{proofs:?}");
}

/// An index that lists documents with these digests.
fn index_of(text: &str, listed: &[&ManifestDigest]) -> crate::image::Index {
    let bytes = bytes::Bytes::from(text.to_owned());
    let document = Checked { digest: ManifestDigest::of(&bytes), bytes };
    let entry = |digest: &&ManifestDigest| crate::image::Descriptor {
        digest: crate::digest::BlobDigest::new(digest.digest().clone()),
        ..image().manifest.config
    };
    crate::image::Index {
        document,
        media_type: MediaType::new(MediaType::OCI_INDEX),
        manifests: listed.iter().map(entry).collect(),
        annotations: BTreeMap::new(),
    }
}

#[test]
fn h7_a_signature_over_any_index_on_the_way_counts_and_covers_what_is_in_it() {
    let key = TestKey::p256();
    let rules = release(&key);
    // The first index lists the outer one, that the inner one, which lists the manifest; another inner one lists it, too, and an attestation.
    let attestation = ManifestDigest::of(b"attestation");
    let side = index_of("side", &[&manifest(), &attestation]);
    let outer = index_of("outer", &[&index()]);
    let first = index_of("outermost", &[&outer.document.digest]);
    let indexes = [&first, &outer, &side].map(|index| index.clone().into());
    let nested = Image { outer: indexes.to_vec(), ..image() };
    let judge = |raws: &[Raw]| prove(raws, &nested, &rules, &location(PLACE), &Limits::default());
    let [first, outer, side] = [first, outer, side].map(|index| index.document.digest);
    let signed = |digest: &ManifestDigest| attested("s", &statement(SIGNATURE, digest), &[&key]);
    for subject in [&first, &outer, &side, &index(), &manifest()] {
        let proofs = judge(&[signed(subject)]);
        assert_eq!(names_of(&proofs.signatures[0]), ["release"], "{subject}");
        assert_eq!(proofs.signatures[0].proven().unwrap().subject(), subject);
    }
    let other = judge(&[signed(&ManifestDigest::of(b"elsewhere"))]);
    assert_eq!(why(&other.signatures[0]), Some(&Unproven::OtherSubject));

    let provenance = bare(&statement(SLSA, &manifest()));
    let beside = Raw {
        carrier: Carrier::IndexAttestation { manifest: attestation, index: side.clone() },
        ..provenance.clone()
    };
    let cases = [
        ("the index itself", &index(), &provenance, true),
        ("an index around it", &outer, &provenance, true),
        ("an index around that one", &first, &provenance, true),
        ("an index beside it", &side, &provenance, false),
        ("the other's own", &side, &beside, true),
        ("not around the other", &outer, &beside, false),
        ("nor is the one inside", &index(), &beside, false),
    ];
    for (name, subject, statement, covered) in cases {
        let proofs = judge(&[signed(subject), statement.clone()]);
        assert_eq!(proofs.attestations[0].proven().is_some(), covered, "{name}");
    }
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table of cases")]
fn a_signature_over_the_index_covers_what_the_index_lists() {
    let (release, ci) = (TestKey::p256(), TestKey::p256());
    let signers: &[(&str, &[&TestKey])] = &[("release", &[&release]), ("ci", &[&ci])];
    let both = rules(signers, &[("**", "signature provenance", "release", 1)]);
    let only_signature =
        rules(signers, &[("**", "signature", "release", 1), ("**", "provenance", "ci", 1)]);
    let only_provenance = rules(signers, &[("**", "provenance", "release", 1)]);
    let two =
        rules(signers, &[("**", "signature", "release", 1), ("**", "provenance", "release ci", 2)]);
    let signed =
        |digest: &ManifestDigest| attested("s", &statement(SIGNATURE, digest), &[&release]);
    let provenance = bare(&statement(SLSA, &manifest()));
    let with_carrier = |carrier: Carrier| Raw { carrier, ..provenance.clone() };
    let attestations = ManifestDigest::of(ATTESTATIONS.as_bytes());
    let other = ManifestDigest::of(b"other");
    let not_listed =
        with_carrier(Carrier::IndexAttestation { manifest: other.clone(), index: index() });
    let other_index = with_carrier(Carrier::IndexAttestation {
        manifest: attestations.clone(),
        index: other.clone(),
    });
    let referrer = with_carrier(Carrier::Referrer { manifest: attestations, via: Listing::Api });
    let below = Unproven::BelowThreshold { signers: vec!["release".to_owned()], threshold: 2 };
    let not = Unproven::NotAllowed { signers: vec!["release".to_owned()] };
    use Unproven::{OtherSubject, Unsigned};
    let cases = [
        ("covered", &both, Some(signed(&index())), provenance.clone(), None),
        ("nothing signed", &both, None, provenance.clone(), Some(Unsigned)),
        (
            "only the manifest is signed",
            &both,
            Some(signed(&manifest())),
            provenance.clone(),
            Some(Unsigned),
        ),
        (
            "another index is signed",
            &both,
            Some(signed(&other)),
            provenance.clone(),
            Some(Unsigned),
        ),
        (
            "not for provenance",
            &only_signature,
            Some(signed(&index())),
            provenance.clone(),
            Some(not),
        ),
        (
            "not for signatures",
            &only_provenance,
            Some(signed(&index())),
            provenance.clone(),
            Some(Unsigned),
        ),
        ("too few", &two, Some(signed(&index())), provenance.clone(), Some(below)),
        ("not in the index", &both, Some(signed(&index())), not_listed, Some(Unsigned)),
        ("in another index", &both, Some(signed(&index())), other_index, Some(Unsigned)),
        ("a bare referrer", &both, Some(signed(&index())), referrer, Some(Unsigned)),
        (
            "about another platform",
            &both,
            Some(signed(&index())),
            bare(&statement(SLSA, &other)),
            Some(OtherSubject),
        ),
        (
            "about the index",
            &both,
            Some(signed(&index())),
            bare(&statement(SLSA, &index())),
            Some(OtherSubject),
        ),
    ];
    for (name, rules, signature, provenance, want) in cases {
        let raws: Vec<Raw> = signature.into_iter().chain([provenance]).collect();
        let proofs = judged(&raws, rules);
        let [proof] = proofs.attestations.as_slice() else { panic!("{name}: {proofs:?}") };
        assert_eq!(why(proof), want.as_ref(), "{name}");
        if let Some(verified) = proof.proven() {
            assert_eq!(verified.basis(), &Basis::CoveredByIndex(index()), "{name}");
            assert_eq!(verified.subject(), &manifest(), "{name}");
            assert_eq!(names_of(proof), ["release"], "{name}");
        }
    }
}

#[test]
fn another_repository_in_the_payload_is_a_remark() {
    let key = TestKey::p256();
    let payload = simple_payload(&index());
    for (reference, place, remarked) in [
        ("r.example/team/app", PLACE, false),
        ("r.example/team/other", PLACE, true),
        ("index.docker.io/library/app", "docker.io/library/app", false),
        ("index.docker.io.evil/library/app", "docker.io/library/app", true),
        ("r.example/team/other", "oci:/images/app", false),
    ] {
        let payload = payload.replace("r.example/team/app", reference);
        let raws = [simple("a", &payload, &payload, &key)];
        let here = location(place);
        let proofs = prove(&raws, &image(), &release(&key), &here, &Limits::default());
        assert_eq!(
            names_of(&proofs.signatures[0]),
            ["release"],
            "{reference}: it counts all the same"
        );
        let expected: &[_] = if remarked { &[Code::SignatureOtherRepository] } else { &[] };
        assert_eq!(codes(&proofs), expected, "{reference} at {place}");
        assert!(proofs.findings.iter().all(|f| f.severity == Severity::Info));
    }
}

#[test]
fn says_when_there_is_no_signature_and_when_no_rule_speaks() {
    let key = TestKey::p256();
    assert_eq!(codes(&judged(&[], &release(&key))), [Code::SignatureMissing]);
    let elsewhere = rules(&[("a", &[&key])], &[("r.example/other", "signature", "a", 1)]);
    let found = codes(&judged(&[], &elsewhere));
    assert_eq!(found, [Code::SignatureMissing, Code::ConfigTrustRuleUnused]);
    let found = codes(&judged(&[], &TrustRules::default()));
    assert_eq!(found, [Code::SignatureMissing, Code::ConfigTrustRuleUnused]);
}

#[test]
fn labels_are_hints_and_no_bad_evidence() {
    let key = TestKey::p256();
    let mut label = raw("a", "text/plain", "registry.example/base@sha256:00");
    label.carrier = Carrier::Label { key: "org.opencontainers.image.base.name".to_owned() };
    assert_eq!(judged(&[label], &release(&key)), judged(&[], &release(&key)));
}

#[test]
fn a_malformed_bare_statement_is_named_by_what_it_should_have_been() {
    let key = TestKey::p256();
    for (predicate, code) in [
        (SLSA, Code::ProvenanceMalformed),
        (SPDX, Code::SbomMalformed),
        ("https://a.example/x", Code::SignatureMalformed),
    ] {
        let mut raw = bare(b"{\"_type\": 1}");
        raw.annotations.insert("in-toto.io/predicate-type".to_owned(), predicate.to_owned());
        assert!(codes(&judged(&[raw], &release(&key))).contains(&code), "{predicate}");
    }
}

#[test]
fn too_much_is_a_warning_that_names_the_limit() {
    let key = TestKey::p256();
    let limits = Limits::default();
    let subject = json!({ "digest": { "sha256": manifest().hex() } });
    for (count, proven) in [(limits.subjects, true), (limits.subjects + 1, false)] {
        let payload = statement_about(SLSA, vec![subject.clone(); count].into());
        let proofs = judged(&[attested("a", &payload, &[&key])], &release(&key));
        assert_eq!(proofs.attestations.len(), usize::from(proven), "{count} subjects");
        let limit = proofs.findings.iter().find(|f| f.code == Code::LimitExceeded);
        assert_eq!(limit.map(|f| f.severity), (!proven).then_some(Severity::Warning), "{count}");
    }
}

mod attacks;
mod captured;
mod crowd;
mod examined;
mod keyless;
mod message;

mod monotone {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;

    struct Evidence {
        rules: TrustRules,
        good: Vec<Raw>,
        bad: Vec<Raw>,
    }

    static EVIDENCE: LazyLock<Evidence> = LazyLock::new(|| {
        let (key, second) = (TestKey::p256(), TestKey::p256());
        let rules = rules(
            &[("release", &[&key]), ("second", &[&second])],
            &[("**", "signature provenance", "release", 1), ("**", "sbom", "release second", 2)],
        );
        let provenance = statement(SLSA, &manifest());
        let good = vec![
            attested("g1", &statement(SIGNATURE, &index()), &[&key]),
            attested("g2", &provenance, &[&key]),
            attested("g3", &statement(SPDX, &manifest()), &[&key, &second]),
            simple("g4", &simple_payload(&manifest()), &simple_payload(&manifest()), &key),
            bare(&provenance),
            bare(&statement("https://a.example/x", &manifest())),
        ];
        let stranger = TestKey::p256();
        let mut bad: Vec<Raw> = manipulated(&key).into_iter().map(|(_, raw, ..)| raw).collect();
        // Copies of good claims that strangers signed, in carriers that sort before and after.
        for place in ["0", "zz", "q"] {
            bad.push(attested(place, &provenance, &[&stranger]));
            bad.push(attested(place, &statement(SIGNATURE, &index()), &[&stranger]));
        }
        bad.push(raw("junk", MediaType::DSSE, "not JSON"));
        bad.push(raw("empty", BUNDLE, ""));
        Evidence { rules, good, bad }
    });

    fn proven(proofs: &Proofs) -> Vec<&Verified<Claimed>> {
        let all = proofs.signatures.iter().chain(&proofs.attestations);
        all.filter_map(Proof::proven).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn bad_evidence_changes_no_proof_and_order_and_copies_change_nothing(
            kept in proptest::collection::vec(any::<bool>(), 6),
            order in proptest::collection::vec((any::<prop::sample::Index>(), any::<u32>()), 0..12),
        ) {
            let Evidence { rules, good, bad } = &*EVIDENCE;
            let good: Vec<Raw> =
                good.iter().zip(kept).filter(|(_, keep)| *keep).map(|(raw, _)| raw.clone()).collect();
            let mut mixed: Vec<(u32, Raw)> = good.iter().map(|raw| (1 << 31, raw.clone())).collect();
            mixed.extend(order.iter().map(|(pick, place)| (*place, pick.get(bad).clone())));
            mixed.sort_by_key(|(place, _)| *place);
            let mut mixed: Vec<Raw> = mixed.into_iter().map(|(_, raw)| raw).collect();
            let (plain, with_bad) = (judged(&good, rules), judged(&mixed, rules));
            prop_assert_eq!(proven(&plain), proven(&with_bad));
            prop_assert!(with_bad.findings.iter().all(|f| f.severity < Severity::Error));
            mixed.reverse();
            mixed.extend_from_within(..);
            prop_assert_eq!(with_bad, judged(&mixed, rules), "reversed, and everything twice");
        }

        #[test]
        fn more_good_evidence_proves_no_less(kept in proptest::collection::vec(any::<bool>(), 6)) {
            let Evidence { rules, good, .. } = &*EVIDENCE;
            let some: Vec<Raw> =
                good.iter().zip(kept).filter(|(_, keep)| *keep).map(|(raw, _)| raw.clone()).collect();
            let (some, all) = (judged(&some, rules), judged(good, rules));
            let all: Vec<&Claimed> = proven(&all).into_iter().map(Verified::value).collect();
            prop_assert!(proven(&some).iter().all(|verified| all.contains(&verified.value())));
        }
    }
}

/// One piece of random evidence: what it is, whose keys sign it, and where it is found.
#[derive(Debug, Clone)]
struct Piece {
    kind: u8,
    predicate: u8,
    about: u8,
    keys: u8,
    place: u8,
}

fn pieces(keys: std::ops::Range<u8>) -> impl Strategy<Value = Vec<Piece>> {
    let piece = (0..6_u8, 0..4_u8, 0..3_u8, keys, 0..4_u8);
    let piece = piece.prop_map(|(kind, predicate, about, keys, place)| Piece {
        kind,
        predicate,
        about,
        keys,
        place,
    });
    proptest::collection::vec(piece, 0..6)
}

impl Piece {
    /// Signed by the first and second of the keys as the bits of `keys` say; a stranger's where the third is set.
    fn raw(&self, keys: &[TestKey; 3]) -> Raw {
        let about = [index(), manifest(), ManifestDigest::of(b"another")];
        let about = &about[usize::from(self.about)];
        let types = [SIGNATURE, SLSA, SPDX, "https://example.com/unknown/v1"];
        let kind = types[usize::from(self.predicate)];
        let text = String::from_utf8(statement(kind, about)).unwrap();
        let payload = text.replace("\"a\":1", &format!("\"a\":{}", self.place)).into_bytes();
        let makers = keys.iter().enumerate().filter(|(n, _)| self.keys & (1 << n) != 0);
        let makers: Vec<&TestKey> = makers.map(|(_, key)| key).collect();
        let place = format!("{self:?}");
        match self.kind {
            0 => bare(&payload),
            1 => raw(&place, MediaType::IN_TOTO, payload),
            2 => raw(&place, "application/spdx+json", payload),
            3 if makers.len() == 1 => {
                let text =
                    simple_payload(about).replace("null", &format!("{{\"a\":{}}}", self.place));
                simple(&place, &text, &text, makers[0])
            }
            4 => {
                let mut broken = attested(&place, &payload, &makers);
                broken.bytes = broken.bytes.slice(..broken.bytes.len() / 2);
                broken
            }
            _ => attested(&place, &payload, &makers),
        }
    }
}

/// What is proven: of each claim its bytes, signers, subject and type.
fn proven(proofs: &Proofs) -> Vec<(Digest, Vec<String>, ManifestDigest, String, Value)> {
    let all = proofs.signatures.iter().chain(&proofs.attestations).filter_map(Proof::proven);
    let mut all: Vec<_> = all
        .map(|verified| {
            let signers = verified.signers().iter().map(|signer| signer.name.clone()).collect();
            let Statement { predicate_type, predicate, .. } = (**verified.value()).clone();
            let predicate = predicate.value().unwrap();
            let subject = verified.subject().clone();
            (verified.payload().clone(), signers, subject, predicate_type, predicate)
        })
        .collect();
    all.sort_by_key(|item| format!("{item:?}"));
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Attack H30: whoever has no key changes nothing, in either direction, and order changes nothing.
    #[test]
    fn h30_unproven_evidence_and_order_change_nothing(
        honest in pieces(1..4), strangers in pieces(0..1), forged in pieces(4..5),
        threshold in 1..3_usize, seed in any::<prop::sample::Index>(),
    ) {
        let keys = [TestKey::p256(), TestKey::p256(), TestKey::p256()];
        let signers: &[(&str, &[&TestKey])] = &[("a", &[&keys[0]]), ("b", &[&keys[1]])];
        let rules = rules(signers, &[("**", "signature provenance", "a b", threshold)]);
        // A bare statement of the index is covered by who signs the index: it is the image's own, and nobody can add it.
        let own = |piece: &&Piece| piece.kind != 0;
        let honest: Vec<Raw> = honest.iter().filter(own).map(|piece| piece.raw(&keys)).collect();
        let added = strangers.iter().chain(&forged).filter(own).map(|piece| piece.raw(&keys));
        let before = judged(&honest, &rules);
        let mut all: Vec<Raw> = honest.iter().cloned().chain(added).collect();
        let length = all.len().max(1);
        all.rotate_left(seed.index(length) % length);
        let after = judged(&all, &rules);
        prop_assert_eq!(proven(&before), proven(&after));
        // What is said of it can make no rule deny, whatever rules there are.
        let decisive = |proofs: &Proofs| -> Vec<Finding> {
            proofs.findings.iter().filter(|f| !f.is_remark()).cloned().collect()
        };
        prop_assert_eq!(decisive(&before), decisive(&after));
        let mut turned = all.clone();
        turned.reverse();
        prop_assert_eq!(&judged(&turned, &rules), &after);
        // Each statement has the signers who signed its bytes, and no other.
        for (payload, signers, ..) in proven(&after) {
            for (name, key) in [("a", &keys[0]), ("b", &keys[1])] {
                let signed = all.iter().any(|raw| {
                    let opened = attest::open(raw, &Limits::default()).unwrap_or_default();
                    opened.into_iter().any(|envelope| match envelope {
                        Envelope::Signed(signed) => signed.payload == payload
                            && signed.signatures.iter().any(|s| key.public.verifies(&signed.message, &s.bytes)),
                        _ => false,
                    })
                });
                prop_assert_eq!(signed, signers.iter().any(|signer| signer == name), "{}", name);
            }
        }
    }
}
