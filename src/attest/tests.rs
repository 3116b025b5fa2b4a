//! What evidence says and what is refused, format by format; proofs are `trust`'s affair.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const BUNDLE_2: &str = "application/vnd.dev.sigstore.bundle+json;version=0.2";

fn raw(media_type: &str, bytes: impl Into<Vec<u8>>) -> Raw {
    let digest = ManifestDigest::of(b"evidence");
    Raw {
        carrier: Carrier::Referrer { manifest: digest.clone(), via: Listing::Api },
        media_type: MediaType::new(media_type),
        bytes: Bytes::from(bytes.into()),
        annotations: BTreeMap::new(),
        attached_to: digest,
    }
}

fn statement() -> Value {
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{ "name": "app", "digest": { "sha256": "a".repeat(64) } }],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {},
    })
}

fn dsse(payload: &Value, signatures: usize) -> Value {
    json!({
        "payloadType": "application/vnd.in-toto+json",
        "payload": STANDARD.encode(payload.to_string()),
        "signatures": vec![json!({ "keyid": "k", "sig": "c2ln" }); signatures],
    })
}

fn bundle(content: Value) -> Value {
    json!({
        "mediaType": BUNDLE,
        "verificationMaterial": { "publicKey": { "hint": "h" } },
        "dsseEnvelope": content,
    })
}

fn open_one(raw: &Raw) -> Result<Envelope, AttestError> {
    open(raw, &Limits::default()).map(|mut envelopes| {
        assert_eq!(envelopes.len(), 1);
        envelopes.remove(0)
    })
}

#[test]
fn the_media_type_and_the_content_choose_the_form() {
    let envelope = dsse(&statement(), 1);
    let mut message = bundle(Value::Null);
    message["messageSignature"] = json!({ "signature": "AAAA" });
    let link = json!({ "_type": "link", "name": "build" });
    let metablock = json!({ "signed": link, "signatures": [] });
    let cases = [
        (MediaType::IN_TOTO, metablock.to_string(), "in-toto"),
        (MediaType::IN_TOTO, dsse(&link, 1).to_string(), "in-toto"),
        (MediaType::DSSE, dsse(&link, 1).to_string(), "in-toto"),
        (MediaType::DSSE, envelope.to_string(), "dsse"),
        (MediaType::IN_TOTO, envelope.to_string(), "dsse"),
        (MediaType::IN_TOTO, statement().to_string(), "bare"),
        (BUNDLE, bundle(envelope.clone()).to_string(), "sigstore-bundle"),
        (BUNDLE, message.to_string(), "message"),
        ("application/spdx+json", "not read".to_owned(), "document"),
        ("text/spdx", String::new(), "document"),
        ("application/vnd.cyclonedx+json", String::new(), "document"),
        ("application/jose+json", String::new(), NOTARY),
        ("application/octet-stream", envelope.to_string(), "media type application/octet-stream"),
        ("", String::new(), "media type "),
    ];
    for (media_type, text, want) in cases {
        let found = match open_one(&raw(media_type, text)) {
            Ok(Envelope::InToto(_)) => "in-toto".to_owned(),
            Ok(Envelope::Signed(signed)) => signed.format.to_owned(),
            Ok(Envelope::Message(_)) => "message".to_owned(),
            Ok(Envelope::Bare(_)) => "bare".to_owned(),
            Ok(Envelope::Document) => "document".to_owned(),
            Ok(Envelope::Unsupported(kind)) => kind,
            Err(error) => panic!("{media_type}: {error}"),
        };
        assert_eq!(found, want, "{media_type}");
    }
}

#[test]
fn an_envelope_keeps_what_is_signed_and_what_it_says_together() {
    let payload = statement();
    let Ok(Envelope::Signed(signed)) =
        open_one(&raw(MediaType::DSSE, dsse(&payload, 2).to_string()))
    else {
        panic!("not opened")
    };
    let text = payload.to_string();
    let pae = format!("DSSEv1 28 application/vnd.in-toto+json {} {text}", text.len());
    assert_eq!(String::from_utf8(signed.message), Ok(pae));
    assert_eq!(signed.payload, Digest::sha256(text.as_bytes()));
    let signature = Signature { bytes: b"sig".to_vec(), key_hint: Some("k".to_owned()) };
    assert_eq!(signed.signatures, [signature.clone(), signature]);
    assert_eq!(signed.statement, Statement::parse(text.as_bytes(), &Limits::default()).unwrap());
}

#[test]
fn the_hint_of_a_bundle_is_its_public_keys() {
    let Ok(Envelope::Signed(signed)) =
        open_one(&raw(BUNDLE, bundle(dsse(&statement(), 1)).to_string()))
    else {
        panic!("not opened")
    };
    assert_eq!(signed.signatures[0].key_hint.as_deref(), Some("h"));
}

/// Replaces what is at `pointer`; `null` removes it.
fn with(mut document: Value, pointer: &str, value: Value) -> String {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let parent = document.pointer_mut(parent).unwrap();
    match value {
        Value::Null => drop(parent.as_object_mut().unwrap().remove(key)),
        value => parent[key] = value,
    }
    document.to_string()
}

#[test]
fn malformed_evidence_is_refused_with_its_reason() {
    let envelope = || dsse(&statement(), 1);
    let good = || bundle(envelope());
    let in_envelope = |payload: String| {
        let mut envelope = envelope();
        envelope["payload"] = STANDARD.encode(payload).into();
        envelope.to_string()
    };
    let both = with(statement(), "/payloadType", "x".into());
    let cases = [
        (MediaType::DSSE, String::new(), "EOF"),
        (MediaType::DSSE, "[]".to_owned(), "an array"),
        (MediaType::DSSE, format!("{}{}", envelope(), envelope()), "trailing"),
        (MediaType::DSSE, with(envelope(), "/payloadType", "text/plain".into()), "payload type"),
        (MediaType::DSSE, with(envelope(), "/payloadType", Value::Null), "payloadType"),
        (MediaType::DSSE, with(envelope(), "/payload", "*".into()), "base64"),
        (MediaType::DSSE, with(envelope(), "/payload", "a-+/".into()), "base64"),
        (MediaType::DSSE, with(envelope(), "/signatures/0/sig", "*".into()), "base64"),
        (MediaType::DSSE, with(envelope(), "/signatures", json!([])), "missing"),
        (MediaType::DSSE, in_envelope("{}".to_owned()), "_type"),
        (MediaType::DSSE, in_envelope(r#"{"_type":"a","_type":"b"}"#.to_owned()), "given twice"),
        (MediaType::IN_TOTO, "{}".to_owned(), "_type, payloadType or signed is missing"),
        (MediaType::IN_TOTO, both, "ambiguous"),
        (
            MediaType::IN_TOTO,
            with(statement(), "/_type", "https://in-toto.io/Link/v1".into()),
            "_type",
        ),
        (MediaType::IN_TOTO, with(statement(), "/predicateType", "".into()), "predicateType"),
        (MediaType::IN_TOTO, with(statement(), "/subject", json!([])), "names no subject"),
        (
            MediaType::IN_TOTO,
            with(statement(), "/subject/0/digest", json!({ "sha1": "00", "md5": "00" })),
            "found only: md5, sha1",
        ),
        (
            MediaType::IN_TOTO,
            with(statement(), "/subject/0/digest", json!({ "sha256": "00" })),
            "64 lower-case hex digits",
        ),
        (BUNDLE, with(good(), "/mediaType", Value::Null), "mediaType"),
        (
            BUNDLE,
            with(good(), "/mediaType", "application/vnd.dev.sigstore.bundle.v9+json".into()),
            "version",
        ),
        (
            BUNDLE,
            with(good(), "/dsseEnvelope", Value::Null),
            "content of the Sigstore bundle is missing",
        ),
        (BUNDLE, with(good(), "/messageSignature", json!({ "signature": "" })), "ambiguous"),
        (BUNDLE, with(good(), "/verificationMaterial", json!({})), "is missing"),
        (
            BUNDLE,
            with(good(), "/verificationMaterial/certificate", json!({ "rawBytes": "" })),
            "ambiguous",
        ),
        (BUNDLE, bundle(dsse(&statement(), 2)).to_string(), "exactly one"),
        (BUNDLE, with(good(), "/dsseEnvelope/payloadType", "text/plain".into()), "payload type"),
    ];
    for (media_type, text, want) in cases {
        let error = open_one(&raw(media_type, text.clone())).expect_err(&text).to_string();
        assert!(error.contains(want), "{text}: {error}");
    }
}

#[test]
fn statements_of_both_versions_keep_weak_digests_apart() {
    for version in ["v0.1", "v1"] {
        let mut document = statement();
        document["_type"] = format!("https://in-toto.io/Statement/{version}").into();
        document["subject"] = json!([
            { "digest": { "sha256": "a".repeat(64), "sha512": "b".repeat(128), "sha1": "c" } },
            { "name": "source", "digest": { "gitCommit": "d" }, "annotations": {} },
        ]);
        let limits = Limits::default();
        let statement = Statement::parse(document.to_string().as_bytes(), &limits).unwrap();
        let [first, second] = statement.subjects.as_slice() else { panic!("{statement:?}") };
        assert_eq!(first.digests.len(), 2, "{version}");
        assert_eq!(first.weak.get("sha1").map(String::as_str), Some("c"));
        assert!(second.digests.is_empty() && second.weak.contains_key("gitCommit"));
    }
}

#[test]
fn limits_hold_at_n_and_n_plus_one() {
    let limits = Limits { subjects: 3, subject_digests: 2, signatures: 2, ..Limits::default() };
    let subjects = |count: usize| {
        with(statement(), "/subject", vec![statement()["subject"][0].clone(); count].into())
    };
    let digests = |others: usize| {
        let mut document = statement();
        for n in 0..others {
            document["subject"][0]["digest"][format!("weak{n}")] = "00".into();
        }
        document.to_string()
    };
    let whole = statement().to_string();
    let size = Limits { attestation_bytes: whole.len(), ..Limits::default() };
    let cases = [
        ("subjects", limits.clone(), MediaType::IN_TOTO, subjects(3), subjects(4)),
        ("subject_digests", limits.clone(), MediaType::IN_TOTO, digests(1), digests(2)),
        (
            "signatures",
            limits,
            MediaType::DSSE,
            dsse(&statement(), 2).to_string(),
            dsse(&statement(), 3).to_string(),
        ),
        ("attestation_bytes", size, MediaType::IN_TOTO, whole.clone(), format!("{whole} ")),
    ];
    for (name, limits, media_type, fits, exceeds) in cases {
        assert!(open(&raw(media_type, fits), &limits).is_ok(), "{name} at n");
        match open(&raw(media_type, exceeds), &limits) {
            Err(error @ AttestError::Limit { limit_name, .. }) => {
                assert_eq!(limit_name, name);
                assert_eq!(error.code(), Code::LimitExceeded);
            }
            other => panic!("{name} at n + 1: {other:?}"),
        }
    }
}

fn simple_signing(edit: (&str, Value)) -> Raw {
    let payload = json!({
        "critical": {
            "identity": { "docker-reference": "r.example/app" },
            "image": { "docker-manifest-digest": format!("sha256:{}", "a".repeat(64)) },
            "type": "cosign container image signature",
        },
        "optional": { "by": "ci" },
    });
    let text = if edit.0.is_empty() { payload.to_string() } else { with(payload, edit.0, edit.1) };
    let mut raw = raw(MediaType::SIMPLE_SIGNING, text);
    raw.annotations.insert(cosign::SIGNATURE_ANNOTATION.to_owned(), "c2ln".to_owned());
    raw
}

#[test]
fn simple_signing_becomes_a_plain_signature() {
    let raw = simple_signing(("", Value::Null));
    let Ok(Envelope::Signed(signed)) = open_one(&raw) else { panic!("not opened") };
    assert_eq!(signed.message, raw.bytes, "the signature is over the layer itself");
    assert_eq!(signed.statement.predicate_type, statement::SIGNATURE);
    let digest: Digest = format!("sha256:{}", "a".repeat(64)).parse().unwrap();
    assert!(signed.statement.speaks_about(&digest));
    let kept = signed.statement.predicate.value().unwrap();
    let kept = kept.pointer("/critical/identity/docker-reference");
    assert_eq!(kept.and_then(Value::as_str), Some("r.example/app"));
}

#[test]
fn simple_signing_refuses_what_cosign_does_not_write() {
    let cases = [
        (("/critical/type", "atomic container signature".into()), "critical.type"),
        (("/critical/type", Value::Null), "type"),
        (("/critical/image", Value::Null), "image"),
        (("/critical/identity", Value::Null), "identity"),
        (("/critical/extra", json!(1)), "unknown field"),
        (("/critical/image/docker-manifest-digest", "sha1:00".into()), "not accepted"),
        (("/critical/image/docker-manifest-digest", "latest".into()), "sha256"),
        (("/critical", Value::Null), "critical"),
    ];
    for (edit, want) in cases {
        let error = open_one(&simple_signing(edit.clone())).expect_err(edit.0).to_string();
        assert!(error.contains(want), "{edit:?}: {error}");
    }
    for (signature, want) in [("", "is missing"), ("***", "base64")] {
        let mut raw = simple_signing(("", Value::Null));
        raw.annotations.insert(cosign::SIGNATURE_ANNOTATION.to_owned(), signature.to_owned());
        let error = open_one(&raw).expect_err(signature).to_string();
        assert!(error.contains(want), "{error}");
    }
}

#[test]
fn certificates_are_read_and_never_taken_for_keys() {
    let mut annotated = simple_signing(("", Value::Null));
    annotated.annotations.insert(verification_material::CERTIFICATE.to_owned(), "PEM".to_owned());
    let mut attestation = raw(MediaType::DSSE, dsse(&statement(), 1).to_string());
    attestation.annotations.insert(verification_material::CERTIFICATE.to_owned(), "PEM".to_owned());
    for raw in [annotated, attestation] {
        let error = open_one(&raw).expect_err("no certificate").to_string();
        assert!(error.contains("certificates in PEM"), "{error}");
    }
    let in_signature = with(dsse(&statement(), 1), "/signatures/0/cert", "PEM".into());
    let unsupported = open_one(&raw(MediaType::DSSE, in_signature)).unwrap();
    assert_eq!(unsupported, Envelope::Unsupported(KEYLESS.to_owned()));
    let with_material = |m: Value| with(bundle(dsse(&statement(), 1)), "/verificationMaterial", m);
    let certified = with_material(json!({ "certificate": { "rawBytes": "AAAA" } }));
    let Ok(Envelope::Signed(signed)) = open_one(&raw(BUNDLE, certified)) else { panic!() };
    let material = signed.material.clone().unwrap();
    assert_eq!((material.form, material.certificates), (Form::Bundle03, vec![vec![0, 0, 0]]));
    assert_eq!(signed.payload_bytes(), statement().to_string().as_bytes());
}

#[test]
fn a_statement_without_subjects_is_about_nothing() {
    // As BuildKit writes it for an output without a name.
    let about = |subject: Value| {
        let mut statement = statement();
        statement["subject"] = subject;
        statement
    };
    let nameless = about(json!([]));
    for raw in [
        raw(MediaType::IN_TOTO, nameless.to_string()),
        raw(MediaType::DSSE, dsse(&nameless, 1).to_string()),
        raw(BUNDLE, bundle(dsse(&nameless, 1)).to_string()),
    ] {
        let error = open_one(&raw).expect_err("it has no subject");
        assert_eq!(error.code(), Code::PredicateNoSubject, "{error}");
    }
    for wrong in [json!(null), json!({})] {
        let raw = raw(MediaType::IN_TOTO, about(wrong).to_string());
        let error = open_one(&raw).expect_err("it is malformed");
        assert_eq!(error.code(), Code::SignatureMalformed, "{error}");
    }
}

/// A chain of certificates, which only versions before 0.3 have.
#[test]
fn a_chain_of_certificates_is_of_the_versions_before_the_third() {
    let of_version = |version: &str, chain: Value| {
        let mut document = bundle(dsse(&statement(), 1));
        document["mediaType"] = version.into();
        document["verificationMaterial"] = json!({ "x509CertificateChain": chain });
        Bundle::parse(document.to_string().as_bytes(), &Limits::default())
    };
    let one = json!({ "certificates": [{ "rawBytes": "AAAA" }] });
    assert_eq!(of_version(BUNDLE_2, one.clone()).unwrap().material.certificates, [[0, 0, 0]]);
    let missing = of_version(BUNDLE_2, json!({})).unwrap_err().to_string();
    assert!(missing.contains("missing"), "{missing}");
    let refused = of_version(BUNDLE, one).unwrap_err().to_string();
    assert!(refused.contains("x509CertificateChain"), "{refused}");
}

/// Protocol buffers in JSON have two names for a member, and readers differ in which of two values they keep (E17).
#[test]
fn a_member_has_either_of_its_names() {
    const NAMES: [(&str, &str, &str); 14] = [
        ("", "mediaType", "media_type"),
        ("", "dsseEnvelope", "dsse_envelope"),
        ("", "verificationMaterial", "verification_material"),
        ("/dsseEnvelope", "payloadType", "payload_type"),
        ("/verificationMaterial", "publicKey", "public_key"),
        ("/verificationMaterial", "tlogEntries", "tlog_entries"),
        ("/verificationMaterial/tlogEntries/0", "logId", "log_id"),
        ("/verificationMaterial/tlogEntries/0", "logIndex", "log_index"),
        ("/verificationMaterial/tlogEntries/0", "kindVersion", "kind_version"),
        ("/verificationMaterial/tlogEntries/0", "inclusionProof", "inclusion_proof"),
        ("/verificationMaterial/tlogEntries/0", "canonicalizedBody", "canonicalized_body"),
        ("/verificationMaterial/tlogEntries/0/logId", "keyId", "key_id"),
        ("/verificationMaterial/tlogEntries/0/inclusionProof", "rootHash", "root_hash"),
        ("/verificationMaterial/tlogEntries/0/inclusionProof", "treeSize", "tree_size"),
    ];
    let mut document = bundle(dsse(&statement(), 1));
    let mut entry = first_entry();
    entry["logIndex"] = "0".into();
    document["verificationMaterial"]["tlogEntries"] = json!([entry]);
    let parse = |value: &Value| Bundle::parse(value.to_string().as_bytes(), &Limits::default());
    let honest = parse(&document).unwrap();
    for (parent, camel, snake) in NAMES {
        let mut both = document.clone();
        let members = both.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        let value = members.get(camel).unwrap().clone();
        members.insert(snake.to_owned(), value);
        let mut renamed = both.clone();
        renamed.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(camel);
        assert_eq!(parse(&renamed).unwrap(), honest, "{snake}");
        let error = parse(&both).expect_err(snake).to_string();
        assert!(error.contains("duplicate field"), "{snake}: {error}");
    }
}

/// An entry as Rekor v2 writes it for the first leaf of a log: zeroes and empty lists are left out.
fn first_entry() -> Value {
    json!({
        "logId": { "keyId": "AAAA" },
        "kindVersion": { "kind": "hashedrekord", "version": "0.0.2" },
        "inclusionProof": { "rootHash": "AAAA", "treeSize": "1", "checkpoint": { "envelope": "c" } },
        "canonicalizedBody": "e30=",
    })
}

fn with_entry(entry: &Value) -> Result<Bundle, AttestError> {
    let mut document = bundle(dsse(&statement(), 1));
    document["verificationMaterial"]["tlogEntries"] = json!([entry]);
    Bundle::parse(document.to_string().as_bytes(), &Limits::default())
}

#[test]
fn a_log_of_one_entry_has_neither_index_nor_hashes() {
    let bundle = with_entry(&first_entry()).unwrap();
    let [entry] = bundle.material.entries.as_slice() else { panic!("{bundle:?}") };
    assert_eq!((entry.index, entry.integrated_time, &entry.promise), (0, None, &None));
    let proof = entry.proof.as_ref().unwrap();
    assert_eq!((proof.index, proof.tree_size, proof.hashes.len()), (0, 1, 0));
}

#[test]
fn numbers_and_hashes_of_entries_are_what_they_have_to_be() {
    let hashes = |n: usize| vec![STANDARD.encode([0; 32]); n];
    let cases = [
        ("/logIndex", json!("-1"), "negative"),
        ("/logIndex", json!("x"), "64-bit"),
        ("/integratedTime", json!(-1), "negative"),
        ("/inclusionProof/treeSize", json!("99999999999999999999"), "64-bit"),
        ("/inclusionProof/hashes", json!(["AAAA"]), "32 bytes"),
        ("/inclusionProof/hashes", json!(hashes(65)), "at most 64"),
        ("/canonicalizedBody", json!("*"), "base64"),
    ];
    for (pointer, value, want) in cases {
        let entry: Value = serde_json::from_str(&with(first_entry(), pointer, value)).unwrap();
        let error = with_entry(&entry).expect_err(pointer).to_string();
        assert!(error.contains(want), "{pointer}: {error}");
    }
    let most = with(first_entry(), "/inclusionProof/hashes", json!(hashes(64)));
    assert!(with_entry(&serde_json::from_str(&most).unwrap()).is_ok());
}

#[test]
fn evidence_beside_a_signature_is_limited() {
    let limits = Limits { certificates: 2, log_entries: 2, timestamps: 2, ..Limits::default() };
    let material = |certificates: usize, entries: usize, timestamps: usize| {
        json!({
            "x509CertificateChain": { "certificates": vec![json!({ "rawBytes": "AAAA" }); certificates] },
            "tlogEntries": vec![first_entry(); entries],
            "timestampVerificationData": {
                "rfc3161Timestamps": vec![json!({ "signedTimestamp": "AAAA" }); timestamps],
            },
        })
    };
    let parse = |m: Value| {
        let mut document = bundle(dsse(&statement(), 1));
        document["mediaType"] = BUNDLE_2.into();
        let text = with(document, "/verificationMaterial", m);
        Bundle::parse(text.as_bytes(), &limits)
    };
    assert!(parse(material(2, 2, 2)).is_ok());
    let beyond = [(3, 2, 2, "certificates"), (2, 3, 2, "log_entries"), (2, 2, 3, "timestamps")];
    for (certificates, entries, timestamps, name) in beyond {
        match parse(material(certificates, entries, timestamps)) {
            Err(AttestError::Limit { found: 3, limit: 2, limit_name, .. }) => {
                assert_eq!(limit_name, name);
            }
            other => panic!("{name}: {other:?}"),
        }
    }
}

fn media_types() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        Just(MediaType::DSSE),
        Just(MediaType::IN_TOTO),
        Just(MediaType::SIMPLE_SIGNING),
        Just(BUNDLE),
    ]
}

proptest! {
    #[test]
    fn open_never_panics_on_arbitrary_bytes(
        media_type in media_types(),
        bytes in proptest::collection::vec(any::<u8>(), 0..400),
    ) {
        let _ = open_one(&raw(media_type, bytes));
    }

    /// Documents of the right form with one byte changed: closer to what an attacker sends.
    #[test]
    fn open_never_panics_on_changed_documents(
        media_type in media_types(),
        which in 0..4_usize,
        position in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let document = match which {
            0 => statement().to_string(),
            1 => dsse(&statement(), 2).to_string(),
            2 => bundle(dsse(&statement(), 1)).to_string(),
            _ => String::from_utf8(simple_signing(("", Value::Null)).bytes.to_vec()).unwrap(),
        };
        let mut bytes = document.into_bytes();
        let position = position.index(bytes.len());
        bytes[position] = byte;
        let mut raw = raw(media_type, bytes);
        raw.annotations.insert(cosign::SIGNATURE_ANNOTATION.to_owned(), "c2ln".to_owned());
        if let Ok(Envelope::Signed(signed)) = open_one(&raw) {
            prop_assert!(!signed.signatures.is_empty() && !signed.statement.subjects.is_empty());
        }
    }
}
