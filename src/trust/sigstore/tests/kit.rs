//! A Sigstore of one's own in memory: authorities, a log, a log of certificates, timestamp authorities and signers.
//!
//! Days count from 2026-01-01, so that a test says `10..20` where it means a window.

use std::{ops::Range, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, PublicKeyData as _, SanType, SerialNumber, SigningKey as _,
};
use serde_json::{Value, json};
use x509_cert::der::{Decode as _, Encode as _};
use yasna::models::ObjectIdentifier;

use crate::{
    attest::{Form, InclusionProof, LogEntry, VerificationMaterial},
    limits::Limits,
    trust::sigstore::TrustedRoot,
};

pub const ISSUER: &str = "https://issuer.example";
pub const ALICE: &str = "alice@x.example";
pub const MESSAGE: &[u8] = b"what is signed";

const DAY: u64 = 24 * 60 * 60;
const EPOCH: i64 = 1_767_225_600;

/// A day, as a time.
pub fn at(day: u64) -> Timestamp {
    Timestamp::from_second(EPOCH + i64::try_from(day * DAY).unwrap()).unwrap()
}

/// A window of a trusted root.
pub fn window(days: &Range<u64>) -> Value {
    json!({ "start": at(days.start).to_string(), "end": at(days.end).to_string() })
}

fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

fn oid(arcs: &[u64]) -> ObjectIdentifier {
    ObjectIdentifier::from_slice(arcs)
}

fn params(name: &str, days: &Range<u64>) -> CertificateParams {
    let mut distinguished_name = rcgen::DistinguishedName::new();
    distinguished_name.push(DnType::CommonName, name);
    let start = rcgen::date_time_ymd(2026, 1, 1);
    let mut params = CertificateParams::default();
    params.distinguished_name = distinguished_name;
    params.not_before = start + Duration::from_secs(days.start * DAY);
    params.not_after = start + Duration::from_secs(days.end * DAY);
    params
}

/// A key and its certificate.
pub struct Pair {
    params: CertificateParams,
    pub key: KeyPair,
    pub der: Vec<u8>,
}

impl Pair {
    /// An authority that is its own issuer.
    pub fn root(name: &str, days: Range<u64>) -> Self {
        let mut params = params(name, &days);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        let der = params.self_signed(&key).unwrap().der().to_vec();
        Self { params, key, der }
    }

    /// An authority below this one.
    pub fn intermediate(&self, name: &str, days: Range<u64>) -> Self {
        let mut params = params(name, &days);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        self.issue(params)
    }

    /// A certificate that stamps.
    pub fn stamper(&self, name: &str, days: Range<u64>) -> Self {
        let mut params = params(name, &days);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::TimeStamping];
        self.issue(params)
    }

    /// Alice's certificate, as Fulcio writes it.
    pub fn alice(&self, days: Range<u64>) -> Self {
        self.issue(alice(&days))
    }

    /// A certificate for another name, by the same issuer.
    pub fn named(&self, name: SanType, days: Range<u64>) -> Self {
        let mut params = alice(&days);
        params.subject_alt_names = vec![name];
        self.issue(params)
    }

    /// Alice's certificate, changed so.
    pub fn changed(&self, days: Range<u64>, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = alice(&days);
        change(&mut params);
        self.issue(params)
    }

    /// Alice's certificate with a signed certificate timestamp, for which `stated` is taken for the issuer.
    pub fn alice_in(&self, log: &Log, stated: &Self, days: Range<u64>) -> Self {
        let mut params = alice(&days);
        params.serial_number = Some(SerialNumber::from(7u64));
        let key = KeyPair::generate().unwrap();
        let issuer = rcgen::Issuer::from_params(&self.params, &self.key);
        let bare = params.signed_by(&key, &issuer).unwrap();
        let sct = log.certificate_timestamp(bare.der(), stated, at(days.start));
        params.custom_extensions.push(sct);
        let der = params.signed_by(&key, &issuer).unwrap().der().to_vec();
        Self { params, key, der }
    }

    fn issue(&self, params: CertificateParams) -> Self {
        let key = KeyPair::generate().unwrap();
        let issuer = rcgen::Issuer::from_params(&self.params, &self.key);
        let der = params.signed_by(&key, &issuer).unwrap().der().to_vec();
        Self { params, key, der }
    }

    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.key.sign(message).unwrap()
    }

    /// An RFC 3161 token of this certificate over `signature`. `signer` is whose key signs, `bag` what lies beside it.
    pub fn stamp_by(&self, signature: &[u8], day: u64, signer: &Self, bag: &[&Self]) -> Vec<u8> {
        let info = timestamp_info(signature, day);
        let sha256 = |writer: yasna::DERWriter<'_>| {
            writer.write_sequence(|w| w.next().write_oid(&oid(&[2, 16, 840, 1, 101, 3, 4, 2, 1])));
        };
        let kind = oid(&[1, 2, 840, 113_549, 1, 9, 16, 1, 4]);
        let attributes = yasna::construct_der(|writer| {
            writer.write_set_of(|w| {
                w.next().write_sequence(|w| {
                    w.next().write_oid(&oid(&[1, 2, 840, 113_549, 1, 9, 3]));
                    w.next().write_set_of(|w| w.next().write_oid(&kind));
                });
                w.next().write_sequence(|w| {
                    w.next().write_oid(&oid(&[1, 2, 840, 113_549, 1, 9, 4]));
                    let digest = sigstore_crypto::sha256(&info);
                    w.next().write_set_of(|w| w.next().write_bytes(digest.as_bytes()));
                });
            });
        });
        let sealed = signer.sign(&attributes);
        let leaf = x509_cert::Certificate::from_der(&self.der).unwrap().tbs_certificate;
        const IMPLICIT_0: u8 = 0xa0;
        // In the order of the attacker, not in that of DER.
        let mut certificates = yasna::construct_der(|writer| {
            writer.write_sequence(|w| bag.iter().for_each(|one| w.next().write_der(&one.der)));
        });
        certificates[0] = IMPLICIT_0;
        yasna::construct_der(|writer| {
            writer.write_sequence(|w| {
                w.next().write_oid(&oid(&[1, 2, 840, 113_549, 1, 7, 2]));
                w.next().write_tagged(yasna::Tag::context(0), |writer| {
                    writer.write_sequence(|w| {
                        w.next().write_u8(3);
                        w.next().write_set_of(|w| sha256(w.next()));
                        w.next().write_sequence(|w| {
                            w.next().write_oid(&kind);
                            let tag = yasna::Tag::context(0);
                            w.next().write_tagged(tag, |w| w.write_bytes(&info));
                        });
                        if !bag.is_empty() {
                            w.next().write_der(&certificates);
                        }
                        w.next().write_set_of(|w| {
                            w.next().write_sequence(|w| {
                                w.next().write_u8(1);
                                w.next().write_sequence(|w| {
                                    w.next().write_der(&leaf.issuer.to_der().unwrap());
                                    w.next().write_der(&leaf.serial_number.to_der().unwrap());
                                });
                                sha256(w.next());
                                let mut implicit = attributes.clone();
                                implicit[0] = IMPLICIT_0;
                                w.next().write_der(&implicit);
                                w.next().write_sequence(|w| {
                                    w.next().write_oid(&oid(&[1, 2, 840, 10045, 4, 3, 2]));
                                });
                                w.next().write_bytes(&sealed);
                            });
                        });
                    });
                });
            });
        })
    }

    /// An honest token.
    pub fn stamp(&self, signature: &[u8], day: u64) -> Vec<u8> {
        self.stamp_by(signature, day, self, &[self])
    }
}

fn alice(days: &Range<u64>) -> CertificateParams {
    let mut params = params("signer", days);
    params.subject_alt_names = vec![SanType::Rfc822Name(ALICE.try_into().unwrap())];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
    let issuer = yasna::construct_der(|w| w.write_utf8string(ISSUER));
    let claim = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 57264, 1, 8], issuer);
    params.custom_extensions.push(claim);
    params
}

/// TSTInfo (RFC 3161 section 2.4.2).
fn timestamp_info(signature: &[u8], day: u64) -> Vec<u8> {
    const GENERALIZED_TIME: u8 = 0x18;
    let time = at(day).strftime("%Y%m%d%H%M%SZ").to_string();
    let time = [&[GENERALIZED_TIME, u8::try_from(time.len()).unwrap()], time.as_bytes()].concat();
    yasna::construct_der(|writer| {
        writer.write_sequence(|w| {
            w.next().write_u8(1);
            w.next().write_oid(&oid(&[1, 2, 3, 4]));
            w.next().write_sequence(|w| {
                w.next().write_sequence(|w| {
                    w.next().write_oid(&oid(&[2, 16, 840, 1, 101, 3, 4, 2, 1]));
                });
                w.next().write_bytes(sigstore_crypto::sha256(signature).as_bytes());
            });
            w.next().write_u64(day);
            w.next().write_der(&time);
        });
    })
}

/// A log of signatures or of certificates.
pub struct Log {
    key: KeyPair,
}

impl Log {
    pub fn new() -> Self {
        Self { key: KeyPair::generate().unwrap() }
    }

    pub fn public(&self) -> Vec<u8> {
        self.key.subject_public_key_info()
    }

    pub fn id(&self) -> Vec<u8> {
        sigstore_crypto::sha256(&self.public()).as_bytes().to_vec()
    }

    /// As a trusted root lists it.
    pub fn listed(&self, days: &Range<u64>) -> Value {
        json!({
            "baseUrl": "https://log.example",
            "hashAlgorithm": "SHA2_256",
            "publicKey": {
                "rawBytes": base64(&self.public()),
                "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                "validFor": window(days),
            },
            "logId": { "keyId": base64(&self.id()) },
        })
    }

    /// What this log signs.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.key.sign(message).unwrap()
    }

    /// A checkpoint of this log, signed by name.
    pub fn checkpoint(&self, size: u64, root: &[u8], name: &str) -> String {
        let note = format!("log.example\n{size}\n{}\n", base64(root));
        format!("{note}\n{}", self.note_signature(&note, name))
    }

    /// A line of a signed note (C2SP signed-note).
    pub fn note_signature(&self, note: &str, name: &str) -> String {
        let sealed = [&self.id()[..4], &self.sign(note.as_bytes())].concat();
        format!("— {name} {}\n", base64(&sealed))
    }

    /// The only entry of this log, for a signature by a certificate or a key; as Rekor v2 keeps it.
    pub fn entry(&self, signature: &[u8], verifier: &Value) -> LogEntry {
        let body = recorded(signature, verifier);
        let root = sigstore_merkle::hash_leaf(&body);
        self.leaf(body, 0, 1, root.as_bytes(), Vec::new())
    }

    /// Both entries of this log, for one signature.
    pub fn entries(&self, signature: &[u8], verifiers: [&Value; 2]) -> [LogEntry; 2] {
        let [left, right] = verifiers.map(|verifier| recorded(signature, verifier));
        let [first, second] = [&left, &right].map(|body| sigstore_merkle::hash_leaf(body));
        let root = sigstore_merkle::hash_children(&first, &second);
        [(left, 0, second), (right, 1, first)].map(|(body, index, sibling)| {
            self.leaf(body, index, 2, root.as_bytes(), vec![*sibling.as_bytes()])
        })
    }

    fn leaf(
        &self,
        body: Vec<u8>,
        index: u64,
        tree_size: u64,
        root: &[u8],
        hashes: Vec<[u8; 32]>,
    ) -> LogEntry {
        LogEntry {
            kind: "hashedrekord".to_owned(),
            version: "0.0.2".to_owned(),
            log_id: self.id(),
            index,
            integrated_time: None,
            promise: None,
            proof: Some(InclusionProof {
                index,
                tree_size,
                root: root.to_vec(),
                hashes,
                checkpoint: self.checkpoint(tree_size, root, "log.example"),
            }),
            body,
        }
    }

    /// RFC 6962 section 3.3, for a certificate without it.
    fn certificate_timestamp(
        &self,
        bare: &[u8],
        issuer: &Pair,
        time: Timestamp,
    ) -> CustomExtension {
        let tbs = x509_cert::Certificate::from_der(bare).unwrap().tbs_certificate.to_der().unwrap();
        let millis = u64::try_from(time.as_millisecond()).unwrap().to_be_bytes();
        let issuer = issuer.key.subject_public_key_info();
        let length = u32::try_from(tbs.len()).unwrap().to_be_bytes();
        let signed = [
            &[0, 0][..],
            &millis,
            &[0, 1],
            sigstore_crypto::sha256(&issuer).as_bytes(),
            &length[1..],
            &tbs,
            &[0, 0],
        ]
        .concat();
        let signature = self.key.sign(&signed).unwrap();
        let short =
            |bytes: &[u8]| [&u16::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat();
        let sct = [&[0][..], &self.id(), &millis, &[0, 0], &[4, 3], &short(&signature)].concat();
        let list = short(&short(&sct));
        let content = yasna::construct_der(|w| w.write_bytes(&list));
        CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 11129, 2, 4, 2], content)
    }
}

/// The body of an entry of Rekor v2.
fn recorded(signature: &[u8], verifier: &Value) -> Vec<u8> {
    let body = json!({ "apiVersion": "0.0.2", "kind": "hashedrekord", "spec": { "hashedRekordV002": {
        "data": { "algorithm": "SHA2_256", "digest": base64(sigstore_crypto::sha256(MESSAGE).as_bytes()) },
        "signature": { "content": base64(signature), "verifier": verifier },
    }}});
    body.to_string().into_bytes()
}

/// Chains in the order of a trusted root: the root last.
pub fn chain(chain: &[&Pair], days: &Range<u64>) -> Value {
    let certificates: Vec<Value> =
        chain.iter().map(|pair| json!({ "rawBytes": base64(&pair.der) })).collect();
    json!({
        "subject": { "organization": "o", "commonName": "c" },
        "uri": "https://x.example",
        "certChain": { "certificates": certificates },
        "validFor": window(days),
    })
}

/// A trusted root: authorities, logs, logs of certificates, timestamp authorities.
pub fn trusted(cas: &[Value], logs: &[Value], ct_logs: &[Value], tsas: &[Value]) -> TrustedRoot {
    let root = json!({
        "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
        "certificateAuthorities": cas,
        "tlogs": logs,
        "ctlogs": ct_logs,
        "timestampAuthorities": tsas,
    });
    TrustedRoot::from_json(root.to_string().as_bytes(), &Limits::default()).unwrap()
}

/// What a log records of a certificate.
pub fn by_certificate(pair: &Pair) -> Value {
    json!({ "x509Certificate": { "rawBytes": base64(&pair.der) } })
}

/// What a log records of a key.
pub fn by_key(public: &[u8]) -> Value {
    json!({ "publicKey": { "rawBytes": base64(public) } })
}

/// Evidence beside a signature.
pub fn material(
    certificates: &[&Pair],
    entries: Vec<LogEntry>,
    timestamps: Vec<Vec<u8>>,
) -> VerificationMaterial {
    let certificates = certificates.iter().map(|pair| pair.der.clone()).collect();
    VerificationMaterial { form: Form::Bundle02, certificates, entries, timestamps }
}
