//! What entries of each kind record: content, signature and maker, each held against what lies beside the entry (A1, A2, A12).
//!
//! Found missing by mutants (docs/measurements/mutants.md).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;

use super::{
    super::entry::{Beside, binds},
    *,
};
use crate::attest::LogEntry;

const SIGNATURE: &[u8] = b"the signature";
const PAYLOAD: &[u8] = b"the payload";
const ENVELOPE: &[u8] = b"the stored envelope";
const TYPE: &str = "application/vnd.in-toto+json";

fn base64(bytes: impl AsRef<[u8]>) -> String {
    STANDARD.encode(bytes)
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(sigstore_crypto::sha256(bytes).as_bytes())
}

fn certificate_pem(pair: &Pair) -> String {
    base64(sigstore_types::DerCertificate::from_bytes(&pair.der).to_pem())
}

fn key_pem(pair: &Pair) -> String {
    base64(pair.key.public_key_pem())
}

fn message() -> Content<'static> {
    Content::Message(MESSAGE)
}

fn enveloped(document: Option<&'static [u8]>) -> Content<'static> {
    Content::Envelope { payload_type: TYPE, payload: PAYLOAD, message: MESSAGE, document }
}

/// A kind of entry with what it can be beside, its specification, and where that has what.
struct Kind {
    kind: &'static str,
    version: &'static str,
    content: Content<'static>,
    spec: Value,
    /// Where hashes are, with an algorithm beside each.
    hashes: &'static [&'static str],
    signature: Option<&'static str>,
    maker: &'static str,
    /// The list of signatures, where it is one.
    list: Option<&'static str>,
}

#[allow(clippy::too_many_lines, reason = "a table of kinds")]
fn kinds(alice: &Pair) -> [Kind; 6] {
    let (signature, maker) = (base64(SIGNATURE), certificate_pem(alice));
    let hash = |bytes: &[u8]| json!({ "algorithm": "sha256", "value": sha256(bytes) });
    let digest = |bytes: &[u8]| {
        let digest = base64(sigstore_crypto::sha256(bytes).as_bytes());
        json!({ "algorithm": "SHA2_256", "digest": digest })
    };
    let second = json!({ "content": signature, "verifier": by_certificate(alice) });
    [
        Kind {
            kind: "hashedrekord",
            version: "0.0.1",
            content: message(),
            spec: json!({
                "data": { "hash": hash(MESSAGE) },
                "signature": { "content": signature, "publicKey": { "content": maker } },
            }),
            hashes: &["/data/hash/value"],
            signature: Some("/signature/content"),
            maker: "/signature/publicKey/content",
            list: None,
        },
        Kind {
            kind: "dsse",
            version: "0.0.1",
            content: enveloped(None),
            spec: json!({
                "payloadHash": hash(PAYLOAD),
                "signatures": [{ "signature": signature, "verifier": maker }],
            }),
            hashes: &["/payloadHash/value"],
            signature: Some("/signatures/0/signature"),
            maker: "/signatures/0/verifier",
            list: Some("/signatures"),
        },
        Kind {
            kind: "intoto",
            version: "0.0.1",
            content: enveloped(Some(ENVELOPE)),
            spec: json!({
                "content": { "hash": hash(ENVELOPE), "payloadHash": hash(PAYLOAD) },
                "publicKey": maker,
            }),
            hashes: &["/content/hash/value", "/content/payloadHash/value"],
            signature: None,
            maker: "/publicKey",
            list: None,
        },
        Kind {
            kind: "intoto",
            version: "0.0.2",
            content: enveloped(None),
            spec: json!({ "content": {
                "envelope": {
                    "payloadType": TYPE,
                    "signatures": [{ "sig": base64(&signature), "publicKey": maker }],
                },
                "payloadHash": hash(PAYLOAD),
            }}),
            hashes: &["/content/payloadHash/value"],
            signature: Some("/content/envelope/signatures/0/sig"),
            maker: "/content/envelope/signatures/0/publicKey",
            list: Some("/content/envelope/signatures"),
        },
        Kind {
            kind: "hashedrekord",
            version: "0.0.2",
            content: message(),
            spec: json!({ "hashedRekordV002": { "data": digest(MESSAGE), "signature": second } }),
            hashes: &["/hashedRekordV002/data/digest"],
            signature: Some("/hashedRekordV002/signature/content"),
            maker: "/hashedRekordV002/signature/verifier/x509Certificate/rawBytes",
            list: None,
        },
        Kind {
            kind: "dsse",
            version: "0.0.2",
            content: enveloped(None),
            spec: json!({ "dsseV002": { "payloadHash": digest(PAYLOAD), "signatures": [second] } }),
            hashes: &["/dsseV002/payloadHash/digest"],
            signature: Some("/dsseV002/signatures/0/content"),
            maker: "/dsseV002/signatures/0/verifier/x509Certificate/rawBytes",
            list: Some("/dsseV002/signatures"),
        },
    ]
}

impl Kind {
    fn body(&self) -> Value {
        json!({ "kind": self.kind, "apiVersion": self.version, "spec": self.spec })
    }

    fn binds(
        &self,
        body: &Value,
        content: &Content<'_>,
        maker: &Maker<'_>,
    ) -> Result<(), LogFault> {
        let entry = LogEntry {
            kind: self.kind.to_owned(),
            version: self.version.to_owned(),
            log_id: Vec::new(),
            index: 0,
            integrated_time: None,
            promise: None,
            proof: None,
            body: body.to_string().into_bytes(),
        };
        binds(&entry, &Beside { content, signature: SIGNATURE, maker })
    }

    /// Whether it binds where its specification has this at that place.
    fn with(&self, place: &str, value: Value, maker: &Maker<'_>) -> Result<(), LogFault> {
        let mut body = self.body();
        *body.pointer_mut(&format!("/spec{place}")).unwrap() = value;
        self.binds(&body, &self.content, maker)
    }

    fn is_v2(&self) -> bool {
        self.kind != "intoto" && self.version == "0.0.2"
    }
}

#[test]
fn a12_an_entry_of_each_kind_records_this_content_signature_and_maker() {
    let root = Pair::root("root", ALWAYS);
    let (alice, mallory) = (root.alice(10..12), root.alice(10..12));
    let certificate = Certificate::parse(&alice.der).unwrap();
    let maker = Maker::Certificate(&certificate);
    for kind in kinds(&alice) {
        let name = format!("{} {}", kind.kind, kind.version);
        assert_eq!(kind.binds(&kind.body(), &kind.content, &maker), Ok(()), "{name}");
        let other = sigstore_crypto::sha256(b"other");
        let other = other.as_bytes();
        let other = if kind.is_v2() { json!(base64(other)) } else { json!(hex::encode(other)) };
        for place in kind.hashes {
            let with = |value| kind.with(place, value, &maker);
            assert_eq!(with(other.clone()), Err(LogFault::OtherContent), "{name} {place}");
            assert_eq!(with(json!("!")), Err(LogFault::Body), "{name} {place}");
            let algorithm = format!("{}/algorithm", place.rsplit_once('/').unwrap().0);
            let with = kind.with(&algorithm, json!("sha1"), &maker);
            assert_eq!(with, Err(LogFault::OtherContent), "{name} {place}: an unknown algorithm");
        }
        if let Some(place) = kind.signature {
            let other = base64("other");
            let other = if kind.version == "0.0.2" && kind.kind == "intoto" {
                base64(other)
            } else {
                other
            };
            let with = kind.with(place, json!(other), &maker);
            assert_eq!(with, Err(LogFault::OtherSignature), "{name}");
            assert_eq!(kind.with(place, json!("!"), &maker), Err(LogFault::Body), "{name}");
        }
        if let Some(place) = kind.list {
            let one = kind.spec.pointer(place).unwrap()[0].clone();
            for list in [json!([]), json!([one, one])] {
                let with = kind.with(place, list, &maker);
                assert_eq!(with, Err(LogFault::OtherSignature), "{name}: not one signature");
            }
        }
        let theirs = if kind.is_v2() { base64(&mallory.der) } else { certificate_pem(&mallory) };
        let with = kind.with(kind.maker, json!(theirs), &maker);
        assert_eq!(with, Err(LogFault::OtherKey), "{name}");
        assert_eq!(kind.with(kind.maker, json!("!"), &maker), Err(LogFault::Body), "{name}");
        for (place, value) in [("/kind", "other"), ("/apiVersion", "0.0.9")] {
            let mut body = kind.body();
            *body.pointer_mut(place).unwrap() = json!(value);
            let bound = kind.binds(&body, &kind.content, &maker);
            assert_eq!(bound, Err(LogFault::Body), "{name}: {place} of the body is another");
        }
    }
}

#[test]
fn a12_an_entry_records_the_key_of_a_certificate_or_a_certificate_of_the_key() {
    let root = Pair::root("root", ALWAYS);
    let (alice, mallory) = (root.alice(10..12), root.alice(10..12));
    let certificate = Certificate::parse(&alice.der).unwrap();
    let public = PublicKey::from_der(&alice.key.subject_public_key_info()).unwrap();
    for kind in kinds(&alice) {
        let name = format!("{} {}", kind.kind, kind.version);
        for maker in [Maker::Certificate(&certificate), Maker::Key(&public)] {
            for (pair, want) in [(&alice, Ok(())), (&mallory, Err(LogFault::OtherKey))] {
                let (certificate, key) = match kind.is_v2() {
                    false => (json!(certificate_pem(pair)), json!(key_pem(pair))),
                    true => (by_certificate(pair), by_key(&pair.key.subject_public_key_info())),
                };
                let place = kind.maker.trim_end_matches("/x509Certificate/rawBytes");
                assert_eq!(kind.with(place, certificate, &maker), want, "{name}: certificate");
                assert_eq!(kind.with(place, key, &maker), want, "{name}: key");
            }
            if kind.is_v2() {
                let place = kind.maker.trim_end_matches("/x509Certificate/rawBytes");
                let mut both = by_certificate(&alice);
                both["publicKey"] =
                    by_key(&alice.key.subject_public_key_info())["publicKey"].clone();
                for verifier in [both, json!({})] {
                    assert_eq!(kind.with(place, verifier, &maker), Err(LogFault::Body), "{name}");
                }
            }
        }
    }
}

#[test]
fn an_entry_records_longer_hashes_and_fits_what_it_lies_beside() {
    let alice = Pair::root("root", ALWAYS).alice(10..12);
    let certificate = Certificate::parse(&alice.der).unwrap();
    let maker = Maker::Certificate(&certificate);
    let kinds = kinds(&alice);
    let longer = [
        ("sha384", sigstore_crypto::sha384(MESSAGE).as_bytes().to_vec()),
        ("sha512", sigstore_crypto::sha512(MESSAGE).as_bytes().to_vec()),
    ];
    for (algorithm, hash) in longer {
        for (kind, place, name, value) in [
            (&kinds[0], "/data/hash", algorithm.to_owned(), json!({ "value": hex::encode(&hash) })),
            (
                &kinds[4],
                "/hashedRekordV002/data",
                algorithm.replace("sha", "SHA2_"),
                json!({ "digest": base64(&hash) }),
            ),
        ] {
            let mut record = value;
            record["algorithm"] = json!(name);
            assert_eq!(kind.with(place, record.clone(), &maker), Ok(()), "{name}");
            record["algorithm"] = kind.spec.pointer(&format!("{place}/algorithm")).unwrap().clone();
            let shorter = kind.with(place, record, &maker);
            assert_eq!(shorter, Err(LogFault::OtherContent), "{name} under another name");
        }
    }
    let (bare, stored) = (enveloped(None), enveloped(Some(ENVELOPE)));
    for (kind, content) in [
        (&kinds[0], &bare),
        (&kinds[1], &message()),
        (&kinds[2], &bare),
        (&kinds[2], &message()),
        (&kinds[3], &message()),
        (&kinds[5], &message()),
    ] {
        let name = format!("{} {} beside {content:?}", kind.kind, kind.version);
        assert_eq!(kind.binds(&kind.body(), content, &maker), Err(LogFault::Kind), "{name}");
    }
    assert_eq!(kinds[1].binds(&kinds[1].body(), &stored, &maker), Ok(()));
}
