//! Keyless signatures: the bundle that cosign 3.1.3 wrote against a private Sigstore with a log of one entry, honest and
//! manipulated.

use std::sync::Arc;

use super::{captured::folder, *};
use crate::trust::{
    Keyless, SignerIdentity, SignerKeys,
    sigstore::{
        Demands, KeylessIdentity, NoCtLog, Pattern, Recording, TextMatch, TimeSource, Times,
        TrustedRoot,
    },
};

const ISSUER: &str = "http://127.0.0.1:8888";
pub(super) const ALICE: &str = "alice@lab.example";
const STAMPS: &str = "/verificationMaterial/timestampVerificationData/rfc3161Timestamps";
const FILE: &str = "cosign-3.1.3-keyless-rekor2-tsa-bundle-v0.3.json";

pub(super) struct Lab {
    pub(super) bundle: Value,
    root: Value,
    index: Vec<u8>,
}

impl Lab {
    pub(super) fn read() -> Option<Self> {
        let folder = folder("HALLMARK_CAPTURED", "../shared/captured")?;
        let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
        Some(Self {
            bundle: serde_json::from_slice(&read(FILE)).unwrap(),
            root: serde_json::from_slice(&read("cosign-3.1.3-keyless-trusted-root.json")).unwrap(),
            index: read("cosign-3.1.3-keyless-subject-index.json"),
        })
    }

    pub(super) fn root(&self) -> Arc<TrustedRoot> {
        let bytes = self.root.to_string();
        Arc::new(TrustedRoot::from_json(bytes.as_bytes(), &Limits::default()).unwrap())
    }

    pub(super) fn signer(&self, subject: TextMatch) -> Keyless {
        Keyless {
            identity: KeylessIdentity { issuer: Some(exact(ISSUER)), subject },
            root: self.root(),
            demands: Demands { no_ct_log: NoCtLog::Allow, ..Demands::default() },
        }
    }

    pub(super) fn judged(
        &self,
        bundle: &Value,
        signers: Vec<(&str, Keyless)>,
        threshold: usize,
    ) -> Proofs {
        let names: Vec<&str> = signers.iter().map(|(name, _)| *name).collect();
        let grant = rule(("**", "signature", &names.join(" "), threshold));
        let signers = signers.into_iter().map(|(n, k)| (n.to_owned(), SignerKeys::keyless(k)));
        let rules = TrustRules::new(signers.collect(), vec![grant]).unwrap();
        let image = image_with(std::str::from_utf8(&self.index).unwrap());
        let raws = [raw("k", BUNDLE, bundle.to_string())];
        prove(&raws, &image, &rules, &location(PLACE), &Limits::default())
    }

    fn alice(&self, bundle: &Value) -> Proofs {
        self.judged(bundle, vec![("alice", self.signer(exact(ALICE)))], 1)
    }

    /// The code and the reason by which this signer is refused.
    pub(super) fn refused(&self, bundle: &Value, signer: Keyless) -> (Code, String) {
        let proofs = self.judged(bundle, vec![("alice", signer)], 1);
        let all = proofs.signatures.iter().chain(&proofs.attestations);
        assert!(all.clone().all(|proof| proof.proven().is_none()), "accepted: {proofs:?}");
        let mut findings = proofs.findings.iter().filter(|f| f.code != Code::SignatureMissing);
        let found = findings.next_back().unwrap_or_else(|| panic!("no finding: {proofs:?}"));
        let why = found.facts.get(&Key::Why).map(ToString::to_string);
        (found.code, why.unwrap_or_default())
    }

    pub(super) fn with(&self, pointer: &str, value: Value) -> Value {
        let mut bundle = self.bundle.clone();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        match bundle.pointer_mut(parent).unwrap() {
            Value::Object(members) => drop(members.insert(key.to_owned(), value)),
            other => other[key.parse::<usize>().unwrap()] = value,
        }
        bundle
    }
}

pub(super) fn exact(text: &str) -> TextMatch {
    TextMatch::Exact(text.to_owned())
}

#[test]
fn an_identity_vouches_and_everything_proven_about_it_is_kept() {
    let Some(lab) = Lab::read() else { return };
    let proofs = lab.alice(&lab.bundle);
    let [Proof::Proven(verified)] = proofs.signatures.as_slice() else { panic!("{proofs:?}") };
    let [Signer { name, identity: SignerIdentity::Keyless(vouched) }] = verified.signers() else {
        panic!("{verified:?}")
    };
    assert_eq!((name.as_str(), vouched.subject.as_str()), ("alice", ALICE));
    assert_eq!(vouched.issuer.as_deref(), Some(ISSUER));
    assert_eq!(vouched.claims.get("tokenSubject").map(String::as_str), Some(ALICE));
    assert_eq!(vouched.log_indices, [0]);
    let [time] = vouched.times.as_slice() else { panic!("{vouched:?}") };
    assert_eq!(
        (time.source, time.time.to_string().as_str()),
        (TimeSource::Authority, "2026-11-23T20:57:25Z")
    );
    assert!(proofs.findings.is_empty(), "{proofs:?}");
    let pattern = TextMatch::Pattern(Pattern::parse(r"^.*@lab\.example$").unwrap());
    let by_pattern = lab.judged(&lab.bundle, vec![("lab", lab.signer(pattern))], 1);
    assert!(matches!(by_pattern.signatures.as_slice(), [Proof::Proven(_)]), "{by_pattern:?}");
}

/// A7: one identity that two patterns match is one maker.
#[test]
fn a7_two_signers_who_are_one_identity_count_once() {
    let Some(lab) = Lab::read() else { return };
    let pattern = TextMatch::Pattern(Pattern::parse(r"^.*@lab\.example$").unwrap());
    let signers = vec![("alice", lab.signer(exact(ALICE))), ("lab", lab.signer(pattern))];
    let proofs = lab.judged(&lab.bundle, signers, 2);
    let [proof] = proofs.signatures.as_slice() else { panic!("{proofs:?}") };
    assert!(matches!(why(proof), Some(Unproven::BelowThreshold { threshold: 2, .. })), "{proof:?}");
}

/// An honest bundle that does not suffice: what is asked for, the signer with those demands, the finding.
fn demanding(lab: &Lab) -> Vec<(&'static str, Keyless, Code)> {
    let alice = || lab.signer(exact(ALICE));
    let demanding = |change: fn(&mut Demands)| {
        let mut signer = alice();
        change(&mut signer.demands);
        signer
    };
    let elsewhere = Arc::new(TrustedRoot::public_good(&Limits::default()).unwrap());
    let mut other_issuer = alice();
    other_issuer.identity.issuer = Some(exact("http://127.0.0.1:8889"));
    vec![
        ("identity (B8)", lab.signer(exact("alice@lab")), Code::SignatureIdentityMismatch),
        ("issuer (B9)", other_issuer, Code::SignatureIdentityMismatch),
        ("another root", Keyless { root: elsewhere, ..alice() }, Code::SignatureLogInvalid),
        (
            "certificate transparency",
            demanding(|d| d.no_ct_log = NoCtLog::Refuse),
            Code::SignatureCertificateInvalid,
        ),
        ("two logs (A7)", demanding(|d| d.logs = 2), Code::SignatureLogInvalid),
        (
            "two sources of time (A8)",
            demanding(|d| d.times = Times::Proven(2)),
            Code::SignatureTimeInvalid,
        ),
        (
            "no time is no reason to pass",
            demanding(|d| d.times = Times::At("2026-11-23T22:00:00Z".parse().unwrap())),
            Code::SignatureTimeInvalid,
        ),
        (
            "nothing lies in the future, for the rules (A16)",
            {
                let names = BTreeMap::from([("a".to_owned(), SignerKeys::keyless(alice()))]);
                let rules = TrustRules::new(names, Vec::new()).unwrap();
                let rules = rules.judged_at("2026-11-23T20:57:24Z".parse().unwrap());
                rules.keyless().next().unwrap().1.clone()
            },
            Code::SignatureTimeInvalid,
        ),
        (
            "nothing lies in the future (A16)",
            demanding(|d| d.now = Some("2026-11-23T20:57:24Z".parse().unwrap())),
            Code::SignatureTimeInvalid,
        ),
    ]
}

#[test]
fn what_the_operator_asks_for_has_to_be_there() {
    let Some(lab) = Lab::read() else { return };
    for (name, signer, want) in demanding(&lab) {
        let (code, why) = lab.refused(&lab.bundle, signer);
        assert_eq!(code, want, "{name}: {why}");
    }
}

/// The honest bundle with its certificate as a chain of one, under another version.
pub(super) fn as_chain(lab: &Lab, version: &str) -> Value {
    let media_type = format!("application/vnd.dev.sigstore.bundle+json;version={version}");
    let mut bundle = lab.with("/mediaType", media_type.into());
    let material = bundle["verificationMaterial"].as_object_mut().unwrap();
    let certificate = material.remove("certificate").unwrap();
    material.insert("x509CertificateChain".into(), json!({ "certificates": [certificate] }));
    bundle
}

/// A manipulation of the honest bundle, the finding that it has to lead to and a word of its reason.
type Spoiled = (&'static str, Value, Code, &'static str);

#[expect(clippy::too_many_lines, reason = "a table")]
fn spoiled(lab: &Lab) -> Vec<Spoiled> {
    const ENTRY: &str = "/verificationMaterial/tlogEntries/0";
    let at = |rest: &str, value: Value| lab.with(&format!("{ENTRY}{rest}"), value);
    let get = |pointer: &str| lab.bundle.pointer(pointer).unwrap().clone();
    let text = |pointer: &str| get(pointer).as_str().unwrap().to_owned();
    let checkpoint = text(&format!("{ENTRY}/inclusionProof/checkpoint/envelope"));
    let stamp = get(&format!("{STAMPS}/0"));
    let entry = get(ENTRY);
    let bare_key = TestKey::p256().pem;
    let base64 =
        |bytes: &[u8]| Value::from(sigstore_types::PayloadBytes::from_bytes(bytes).to_base64());
    let payload =
        sigstore_types::PayloadBytes::from_base64(&text("/dsseEnvelope/payload")).unwrap();
    let edited = String::from_utf8(payload.as_bytes().to_vec())
        .unwrap()
        .replace("\"predicate\":{}", "\"predicate\":{\"a\":1}");
    use Code::{
        SignatureCertificateInvalid as Certificate, SignatureInvalid as Invalid,
        SignatureLogInvalid as Log, SignatureMalformed as Malformed, SignatureTimeInvalid as Time,
    };
    vec![
        (
            "payload edited (A22)",
            lab.with("/dsseEnvelope/payload", base64(edited.as_bytes())),
            Invalid,
            "does not fit",
        ),
        (
            "signature of another (A1)",
            lab.with("/dsseEnvelope/signatures/0/sig", base64(b"x")),
            Time,
            "timestamp 0",
        ),
        (
            "certificate is a bare key (A3)",
            lab.with("/verificationMaterial/certificate/rawBytes", base64(bare_key.as_bytes())),
            Certificate,
            "not an X.509",
        ),
        (
            "no entry (A4)",
            lab.with("/verificationMaterial/tlogEntries", json!([])),
            Log,
            "0 distinct",
        ),
        ("no proof (A4)", at("/inclusionProof", Value::Null), Log, "proof is missing"),
        (
            "a promise in place of a proof (A4)",
            at("/inclusionPromise", json!({ "signedEntryTimestamp": "AAAA" })),
            Log,
            "not the log's",
        ),
        ("unknown log (A21)", at("/logId/keyId", base64(&[0; 32])), Log, "not in the trusted root"),
        (
            "body of another entry (A1)",
            at("/canonicalizedBody", base64(b"{}")),
            Log,
            "does not lead",
        ),
        ("other index", at("/logIndex", json!("1")), Log, "different trees"),
        ("other tree (A5)", at("/inclusionProof/treeSize", json!("2")), Log, "different trees"),
        (
            "checkpoint of a larger tree (A5)",
            at(
                "/inclusionProof/checkpoint/envelope",
                checkpoint.replacen("\n1\n", "\n2\n", 1).into(),
            ),
            Log,
            "not signed by the log",
        ),
        (
            "checkpoint of another origin (A5)",
            at(
                "/inclusionProof/checkpoint/envelope",
                checkpoint.replacen("rekor.lab", "rekor.evil", 1).into(),
            ),
            Log,
            "not signed by the log",
        ),
        (
            "no checkpoint (A5)",
            at("/inclusionProof/checkpoint", Value::Null),
            Log,
            "not a signed note",
        ),
        ("no timestamp (A6)", lab.with(STAMPS, json!([])), Time, "0 distinct"),
        ("timestamp twice (A8)", lab.with(STAMPS, json!([stamp, stamp])), Time, "twice"),
        (
            "a time that nobody signed (A6)",
            {
                let mut bundle = at("/integratedTime", json!("1795467445"));
                bundle.pointer_mut(STAMPS).unwrap().as_array_mut().unwrap().clear();
                bundle
            },
            Time,
            "0 distinct",
        ),
        (
            "one entry twice (A7)",
            lab.with("/verificationMaterial/tlogEntries", json!([entry, entry])),
            Log,
            "there already",
        ),
        (
            "one entry twice, under two indices (A7)",
            {
                let mut again = entry.clone();
                again["logIndex"] = "1".into();
                lab.with("/verificationMaterial/tlogEntries", json!([entry, again]))
            },
            Log,
            "there already",
        ),
        ("chain in a bundle 0.3", as_chain(lab, "0.3"), Malformed, "x509CertificateChain"),
        ("no promise in a bundle 0.1", as_chain(lab, "0.1"), Log, "timestamp is missing"),
        (
            "both names of a member (E17)",
            lab.with("/dsseEnvelope/payload_type", "text/plain".into()),
            Malformed,
            "duplicate field",
        ),
        (
            "two signatures (A15)",
            {
                let mut bundle = lab.bundle.clone();
                let list = bundle["dsseEnvelope"]["signatures"].as_array_mut().unwrap();
                list.push(list[0].clone());
                bundle
            },
            Malformed,
            "ambiguous",
        ),
    ]
}

#[test]
fn manipulated_evidence_is_refused_for_its_own_reason() {
    let Some(lab) = Lab::read() else { return };
    for (name, bundle, want, reason) in spoiled(&lab) {
        let (code, why) = lab.refused(&bundle, lab.signer(exact(ALICE)));
        assert_eq!(code, want, "{name}: {why}");
        assert!(why.contains(reason), "{name}: {why}");
    }
    let proofs = lab.alice(&as_chain(&lab, "0.2"));
    assert!(matches!(proofs.signatures.as_slice(), [Proof::Proven(_)]), "{proofs:?}");
    // What strangers add changes nothing (promise 5).
    let stamp = lab.bundle.pointer(&format!("{STAMPS}/0")).unwrap();
    let more = lab.with(STAMPS, json!([{ "signedTimestamp": "AAAA" }, stamp]));
    let proofs = lab.alice(&more);
    assert!(matches!(proofs.signatures.as_slice(), [Proof::Proven(_)]), "{proofs:?}");
}

/// The manipulations and demands whose names have this id.
pub(super) fn refuses_all_of(id: &str) {
    let Some(lab) = Lab::read() else { return };
    let mark = format!("({id})");
    let mut count = 0;
    for (name, bundle, want, reason) in spoiled(&lab) {
        if name.contains(&mark) {
            let (code, why) = lab.refused(&bundle, lab.signer(exact(ALICE)));
            assert!(code == want && why.contains(reason), "{name}: {code}: {why}");
            count += 1;
        }
    }
    for (name, signer, want) in demanding(&lab) {
        if name.contains(&mark) {
            assert_eq!(lab.refused(&lab.bundle, signer).0, want, "{name}");
            count += 1;
        }
    }
    assert!(count > 0, "nothing is marked {id}");
    let honest = lab.alice(&lab.bundle);
    assert!(matches!(honest.signatures.as_slice(), [Proof::Proven(_)]), "{honest:?}");
}

/// Where the operator asks for a log, the signature of a key is nothing without.
#[test]
fn a_key_that_has_to_be_recorded_vouches_for_nothing_without() {
    let key = TestKey::p256();
    let recording = || Recording {
        root: Arc::new(TrustedRoot::public_good(&Limits::default()).unwrap()),
        demands: Demands { times: Times::Proven(0), ..Demands::default() },
        key_valid: None,
    };
    let payload = statement(SPDX, &index());
    let judged = |keys: SignerKeys| {
        let signers = BTreeMap::from([("k".to_owned(), keys)]);
        let rules = TrustRules::new(signers, vec![rule(("**", "sbom", "k", 1))]).unwrap();
        let raws = [attested("a", &payload, &[&key])];
        prove(&raws, &image(), &rules, &location(PLACE), &Limits::default())
    };
    let keys = || SignerKeys::new(vec![key.public.clone()]).unwrap();
    let plain = judged(keys());
    assert!(matches!(plain.attestations.as_slice(), [Proof::Proven(_)]), "{plain:?}");
    let recorded = judged(keys().recorded(recording()));
    let [proof] = recorded.attestations.as_slice() else { panic!("{recorded:?}") };
    assert!(proof.proven().is_none(), "{proof:?}");
    let codes: Vec<Code> = recorded.findings.iter().map(|finding| finding.code).collect();
    assert!(codes.contains(&Code::SignatureLogInvalid), "{codes:?}");
}
