//! Keyless signatures over an image's own bytes: a private authority, its log's signed entry timestamp, and a bundle 0.1
//! with a message signature, honest and manipulated.

use std::sync::Arc;

use ::sigstore::crypto::signing_key::{Signer as _, ecdsa::ec::EcdsaKeys};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};

use super::*;
use crate::trust::{
    Keyless, SignerKeys,
    sigstore::{Demands, KeylessIdentity, NoCtLog, PrivateRoot, TextMatch, Times, TrustedRoot},
};

const ALICE: &str = "alice@x.example";
const V01: &str = "application/vnd.dev.sigstore.bundle+json;version=0.1";

/// A private authority with a log.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    log: TestKey,
    root: Arc<TrustedRoot>,
}

/// A signer's key and certificate.
struct Person {
    key: EcdsaKeys,
    certificate: Vec<u8>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        let roots = params.self_signed(&key).unwrap().pem();
        let log = TestKey::p256();
        let files = PrivateRoot {
            roots: roots.as_bytes(),
            log_keys: log.pem.as_bytes(),
            ..PrivateRoot::default()
        };
        let root = Arc::new(TrustedRoot::from_pem(&files).unwrap());
        Self { issuer: Issuer::new(params, key), log, root }
    }

    fn person(&self, address: &str) -> Person {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.subject_alt_names = vec![SanType::Rfc822Name(address.try_into().unwrap())];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let pair = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&pair, &self.issuer).unwrap();
        Person {
            key: EcdsaKeys::from_der(&pair.serialize_der()).unwrap(),
            certificate: certificate.der().to_vec(),
            pem: certificate.pem(),
        }
    }

    /// A log entry of a person's signature over bytes.
    fn entry(&self, person: &Person, bytes: &[u8], signature: &[u8]) -> Value {
        let body = json!({
            "apiVersion": "0.0.1",
            "kind": "hashedrekord",
            "spec": {
                "data": {"hash": {
                    "algorithm": "sha256",
                    "value": hex::encode(sigstore_crypto::sha256(bytes).as_bytes()),
                }},
                "signature": {
                    "content": STANDARD.encode(signature),
                    "publicKey": {"content": STANDARD.encode(&person.pem)},
                },
            },
        });
        let log_id = sigstore_crypto::sha256(self.log.public.der());
        let body = body.to_string();
        let mut entry = crate::attest::LogEntry {
            kind: "hashedrekord".to_owned(),
            version: "0.0.1".to_owned(),
            log_id: log_id.as_bytes().to_vec(),
            index: 7,
            integrated_time: Some(1_800_000_000),
            promise: None,
            proof: None,
            body: body.clone().into_bytes(),
        };
        entry.promise = Some(self.log.sign(entry.promised().as_bytes()));
        json!({
            "logIndex": "7",
            "logId": {"keyId": STANDARD.encode(log_id.as_bytes())},
            "kindVersion": {"kind": "hashedrekord", "version": "0.0.1"},
            "integratedTime": "1800000000",
            "inclusionPromise": {
                "signedEntryTimestamp": STANDARD.encode(entry.promise.unwrap_or_default()),
            },
            "canonicalizedBody": STANDARD.encode(body),
        })
    }

    /// A bundle of a person's signature over bytes, with its log entry.
    fn bundle(&self, person: &Person, bytes: &[u8]) -> Value {
        let signature = person.sign(bytes);
        json!({
            "mediaType": V01,
            "verificationMaterial": {
                "x509CertificateChain": {
                    "certificates": [{"rawBytes": STANDARD.encode(&person.certificate)}],
                },
                "tlogEntries": [self.entry(person, bytes, &signature)],
            },
            "messageSignature": {
                "messageDigest": {
                    "algorithm": "SHA2_256",
                    "digest": STANDARD.encode(sigstore_crypto::sha256(bytes).as_bytes()),
                },
                "signature": STANDARD.encode(signature),
            },
        })
    }

    fn judged(&self, bundle: &Value) -> Proofs {
        let keyless = Keyless {
            identity: KeylessIdentity { issuer: None, subject: TextMatch::Exact(ALICE.to_owned()) },
            root: Arc::clone(&self.root),
            demands: Demands {
                logs: 1,
                times: Times::Proven(1),
                no_ct_log: NoCtLog::Allow,
                ..Demands::default()
            },
        };
        let signers = [("alice".to_owned(), SignerKeys::keyless(keyless))].into();
        let rules = TrustRules::new(signers, vec![rule(("**", "signature", "alice", 1))]).unwrap();
        judged(&[raw("k", V01, bundle.to_string())], &rules)
    }
}

impl Person {
    fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        self.key.to_signer().unwrap().sign(bytes).unwrap()
    }
}

#[test]
fn a_keyless_signature_over_the_index_is_a_plain_signature() {
    let authority = Authority::new();
    let proofs = authority.judged(&authority.bundle(&authority.person(ALICE), b"the index"));
    let [Proof::Proven(verified)] = proofs.signatures.as_slice() else { panic!("{proofs:?}") };
    assert_eq!(verified.subject(), &index());
    assert_eq!(verified.value().predicate_type, SIGNATURE);
    assert!(proofs.attestations.is_empty() && proofs.findings.is_empty(), "{proofs:?}");
}

#[test]
fn manipulated_signatures_over_bytes_prove_nothing() {
    let authority = Authority::new();
    let (alice, evil) = (authority.person(ALICE), authority.person("evil@x.example"));
    let good = authority.bundle(&alice, b"the index");
    let with = |pointer: &str, value: Value| {
        let mut edited = good.clone();
        *edited.pointer_mut(pointer).unwrap() = value;
        edited
    };
    let other = authority.bundle(&alice, b"another image");
    let of = |bundle: &Value, pointer: &str| bundle.pointer(pointer).unwrap().clone();
    const ENTRY: &str = "/verificationMaterial/tlogEntries/0";
    const CERTIFICATES: &str = "/verificationMaterial/x509CertificateChain/certificates";
    const SIGNED: &str = "/messageSignature/signature";
    let by_evil = evil.sign(b"the index");
    let mut stranger = with(SIGNED, STANDARD.encode(&by_evil).into());
    *stranger.pointer_mut(ENTRY).unwrap() = authority.entry(&alice, b"the index", &by_evil);
    let cases = [
        ("another image's bundle", other.clone()),
        ("another image's entry", with(ENTRY, of(&other, ENTRY))),
        ("another image's signature", with(SIGNED, of(&other, SIGNED))),
        (
            "another image's digest",
            with("/messageSignature/messageDigest", of(&other, "/messageSignature/messageDigest")),
        ),
        ("an unknown digest", with("/messageSignature/messageDigest/algorithm", "SHA3_256".into())),
        ("no entry", with("/verificationMaterial/tlogEntries", json!([]))),
        ("somebody else", authority.bundle(&evil, b"the index")),
        (
            "somebody else's certificate",
            with(CERTIFICATES, json!([{"rawBytes": STANDARD.encode(&evil.certificate)}])),
        ),
        ("somebody else's signature, logged as ours", stranger),
        ("another authority", Authority::new().bundle(&alice, b"the index")),
    ];
    for (name, bundle) in cases {
        let proofs = authority.judged(&bundle);
        let mut all = proofs.signatures.iter().chain(&proofs.attestations);
        assert!(all.all(|proof| proof.proven().is_none()), "{name}: {proofs:?}");
        assert!(!proofs.findings.is_empty(), "{name}: nothing is said");
    }
    assert!(authority.judged(&good).signatures.iter().any(|proof| proof.proven().is_some()));
}
