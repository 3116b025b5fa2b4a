//! Attacks on certificates, logs and timestamps, each with its honest twin, against a Sigstore made for the test.

mod entries;
mod files;
mod kit;
mod logs;
mod steps;

use std::sync::Arc;

use rcgen::{KeyPair, PublicKeyData as _, SigningKey as _};
use serde_json::Value;

use super::*;
use kit::{
    ALICE, ISSUER, Log, MESSAGE, Pair, at, by_certificate, by_key, chain, material, trusted,
};

/// A lifetime that never ends here.
const ALWAYS: std::ops::Range<u64> = 0..10_000;

fn exact(text: &str) -> TextMatch {
    TextMatch::Exact(text.to_owned())
}

/// One source of time, no log: what a test asks for where it says nothing else.
fn demands() -> Demands {
    Demands { logs: 0, no_ct_log: NoCtLog::Allow, ..Demands::default() }
}

fn claim<'a>(signature: &'a [u8], material: &'a VerificationMaterial) -> Claim<'a> {
    Claim { content: Content::Message(MESSAGE), signature, stated_digest: None, material }
}

fn judged(
    signature: &[u8],
    beside: &VerificationMaterial,
    root: &TrustedRoot,
    demands: &Demands,
) -> Result<Vouched, SigstoreError> {
    let identity = KeylessIdentity { issuer: Some(exact(ISSUER)), subject: exact(ALICE) };
    verify(&claim(signature, beside), &identity, root, demands)
}

/// A timestamp authority of one's own root, with its chain.
fn stamper(name: &str) -> (Pair, Pair) {
    let root = Pair::root(&format!("{name} root"), ALWAYS);
    (root.stamper(name, ALWAYS), root)
}

/// Alice's signature with everything around it.
struct Scene {
    root: Pair,
    alice: Pair,
    signature: Vec<u8>,
    tsa: (Pair, Pair),
}

impl Scene {
    fn new() -> Self {
        let root = Pair::root("root", ALWAYS);
        let alice = root.alice(10..12);
        let signature = alice.sign(MESSAGE);
        Self { root, alice, signature, tsa: stamper("tsa") }
    }

    fn ca(&self) -> Value {
        chain(&[&self.root], &ALWAYS)
    }

    fn tsa(&self) -> Value {
        chain(&[&self.tsa.0, &self.tsa.1], &ALWAYS)
    }

    fn stamp(&self, day: u64) -> Vec<u8> {
        self.tsa.0.stamp(&self.signature, day)
    }

    fn entry(&self, log: &Log) -> crate::attest::LogEntry {
        log.entry(&self.signature, &by_certificate(&self.alice))
    }
}

#[test]
fn a9_a_log_key_counts_only_in_its_time() {
    let (scene, log) = (Scene::new(), Log::new());
    let beside = material(&[&scene.alice], vec![scene.entry(&log)], vec![scene.stamp(11)]);
    let demands = Demands { logs: 1, ..demands() };
    let with = |days| trusted(&[scene.ca()], &[log.listed(&days)], &[], &[scene.tsa()]);
    let honest = judged(&scene.signature, &beside, &with(0..20), &demands).unwrap();
    assert_eq!(honest.times.iter().map(|proven| proven.time).collect::<Vec<_>>(), [at(11)]);
    for days in [0..10, 12..20] {
        let refused = judged(&scene.signature, &beside, &with(days.clone()), &demands);
        let fault = LogFault::KeyValidity(at(11));
        assert_eq!(refused, Err(SigstoreError::Log { position: 0, fault }), "{days:?}");
    }
}

#[test]
fn a9_a_key_of_the_operator_counts_only_in_its_time() {
    let (tsa, tsa_root) = stamper("tsa");
    let key = KeyPair::generate().unwrap();
    let public = PublicKey::from_der(&key.subject_public_key_info()).unwrap();
    let signature = key.sign(MESSAGE).unwrap();
    let root = trusted(&[], &[], &[], &[chain(&[&tsa, &tsa_root], &ALWAYS)]);
    let stamped = material(&[], Vec::new(), vec![tsa.stamp(&signature, 11)]);
    let recorded = |beside: Option<&VerificationMaterial>, from, until, times| {
        let recording = Recording {
            root: Arc::new(root.clone()),
            demands: Demands { times: Times::Proven(times), ..demands() },
            key_valid: Some(TimeRange::new(at(from), Some(at(until)))),
        };
        let claim = beside.map(|beside| claim(&signature, beside));
        verify_recorded(claim.as_ref(), &public, &recording).map(|recorded| recorded.times.len())
    };
    assert_eq!(recorded(Some(&stamped), 11, 11, 1), Ok(1), "both ends count");
    assert_eq!(recorded(Some(&stamped), 0, 10, 1), Err(TimeFault::Key(at(11)).into()));
    assert_eq!(recorded(Some(&stamped), 12, 20, 1), Err(TimeFault::Key(at(11)).into()));
    // Without a proven time nobody knows; a configuration that asks for none does not change that.
    let bare = material(&[], Vec::new(), Vec::new());
    let missing = Err(TimeFault::Sources { found: 0, expected: 1 }.into());
    assert_eq!(recorded(Some(&bare), 0, 20, 1), missing);
    assert_eq!(recorded(Some(&bare), 0, 20, 0), missing);
    assert_eq!(recorded(None, 0, 20, 1), missing);
}

/// A signature of day 10 that is stamped and logged again on day 300 is one of day 10 for whoever asks how old it is, and one by
/// a key is of no day at all.
#[test]
fn h37_a_signature_that_is_stamped_again_is_as_old_as_it_was() {
    let (mut scene, log) = (Scene::new(), Log::new());
    scene.alice = scene.root.alice(10..400);
    scene.signature = scene.alice.sign(MESSAGE);
    let root = trusted(&[scene.ca()], &[log.listed(&ALWAYS)], &[], &[scene.tsa()]);
    for day in [11, 300] {
        let entries = vec![scene.entry(&log)];
        let beside = material(&[&scene.alice], entries, vec![scene.stamp(day)]);
        let vouched = judged(&scene.signature, &beside, &root, &demands()).unwrap();
        let signer = crate::trust::Signer {
            name: "alice".to_owned(),
            identity: crate::trust::SignerIdentity::Keyless(Box::new(vouched)),
        };
        assert_eq!((signer.proven_since(), signer.not_before()), (Some(at(day)), Some(at(10))));
    }
    let key = KeyPair::generate().unwrap();
    let der = key.subject_public_key_info();
    let signature = key.sign(MESSAGE).unwrap();
    let entries = vec![log.entry(&signature, &by_key(&der))];
    let beside = material(&[], entries, vec![scene.tsa.0.stamp(&signature, 300)]);
    let recording = Recording { root: Arc::new(root), demands: demands(), key_valid: None };
    let public = PublicKey::from_der(&der).unwrap();
    let recorded = verify_recorded(Some(&claim(&signature, &beside)), &public, &recording).unwrap();
    let identity = crate::trust::SignerIdentity::Key {
        fingerprint: public.fingerprint(),
        recorded: Some(Box::new(recorded)),
    };
    let signer = crate::trust::Signer { name: "release".to_owned(), identity };
    assert_eq!((signer.proven_since(), signer.not_before()), (Some(at(300)), None));
}

/// Who may choose a URI, a user name or a host does not become whoever has the e-mail address of the same text, for the exact
/// identity, for a pattern and for anybody.
#[test]
fn b8_an_identity_is_no_name_of_another_kind() {
    use rcgen::{OtherNameValue, SanType};
    let scene = Scene::new();
    let root = trusted(&[scene.ca()], &[], &[], &[scene.tsa()]);
    let user = |text: &str| {
        let oid = vec![1, 3, 6, 1, 4, 1, 57264, 1, 7];
        SanType::OtherName((oid, OtherNameValue::Utf8String(text.to_owned())))
    };
    let email = |text: &str| SanType::Rfc822Name(text.try_into().unwrap());
    let uri = |text: &str| SanType::URI(text.try_into().unwrap());
    let host = |text: &str| SanType::DnsName(text.try_into().unwrap());
    const WORKFLOW: &str = "https://github.com/org/app/.github/workflows/r.yml@refs/heads/main";
    let cases = [
        (email(ALICE), ALICE, true),
        (uri(ALICE), ALICE, false),
        (user(ALICE), ALICE, false),
        (host(ALICE), ALICE, false),
        (uri(WORKFLOW), WORKFLOW, true),
        (email(WORKFLOW), WORKFLOW, false),
        (user(WORKFLOW), WORKFLOW, false),
        (uri("spiffe://x.example/ns/a"), "spiffe://x.example/ns/a", true),
        (user("alice!x.example"), "alice!x.example", true),
        (email("alice!x.example"), "alice!x.example", false),
        (uri("alice!x.example"), "alice!x.example", false),
    ];
    for (name, text, fine) in cases {
        let pair = scene.root.named(name.clone(), 10..12);
        let signature = pair.sign(MESSAGE);
        let beside = material(&[&pair], Vec::new(), vec![scene.tsa.0.stamp(&signature, 11)]);
        let pattern = Pattern::parse(&format!("^{}$", regex::escape(text))).unwrap();
        for subject in [exact(text), TextMatch::Pattern(pattern), TextMatch::UnsafeAny] {
            let identity = KeylessIdentity { issuer: Some(exact(ISSUER)), subject };
            let judged = verify(&claim(&signature, &beside), &identity, &root, &demands());
            match fine {
                true => assert_eq!(judged.unwrap().subject.as_str(), text, "{name:?}"),
                false => assert_eq!(judged, Err(CertificateFault::OtherKind.into()), "{name:?}"),
            }
        }
    }
}

#[test]
fn a_key_that_has_to_be_recorded_is_nothing_by_itself() {
    let (log, other) = (Log::new(), Log::new());
    let key = KeyPair::generate().unwrap();
    let der = key.subject_public_key_info();
    let public = PublicKey::from_der(&der).unwrap();
    let signature = key.sign(MESSAGE).unwrap();
    let root = Arc::new(trusted(&[], &[log.listed(&ALWAYS)], &[], &[]));
    let demands = Demands { logs: 1, times: Times::Proven(0), ..demands() };
    let recording = Recording { root, demands, key_valid: None };
    let judged = |entries: Vec<crate::attest::LogEntry>| {
        let beside = material(&[], entries, Vec::new());
        verify_recorded(Some(&claim(&signature, &beside)), &public, &recording)
    };
    assert_eq!(judged(vec![log.entry(&signature, &by_key(&der))]).unwrap().log_indices, [0]);
    assert_eq!(judged(Vec::new()), Err(SigstoreError::Logs { found: 0, expected: 1 }));
    let nothing = verify_recorded(None, &public, &recording);
    assert_eq!(nothing, Err(SigstoreError::Logs { found: 0, expected: 1 }));
    let fault = |fault| Err(SigstoreError::Log { position: 0, fault });
    let elsewhere = other.entry(&signature, &by_key(&der));
    assert_eq!(judged(vec![elsewhere]), fault(LogFault::UnknownLog));
    let somebodys = KeyPair::generate().unwrap().subject_public_key_info();
    let another = log.entry(&signature, &by_key(&somebodys));
    assert_eq!(judged(vec![another]), fault(LogFault::OtherKey));
    let spliced = log.entry(&key.sign(b"another message").unwrap(), &by_key(&der));
    assert_eq!(judged(vec![spliced]), fault(LogFault::OtherSignature));
}

#[test]
fn a10_a_forged_certificate_before_the_leaf_lends_no_timestamp() {
    let scene = Scene::new();
    let tsa = &scene.tsa.0;
    let root = trusted(&[scene.ca()], &[], &[], &[scene.tsa()]);
    // Has what is asked of one that stamps, by an authority that nobody trusts.
    let forged = Pair::root("evil root", ALWAYS).stamper("tsa", ALWAYS);
    let judged = |token: Vec<u8>| {
        let beside = material(&[&scene.alice], Vec::new(), vec![token]);
        judged(&scene.signature, &beside, &root, &demands()).map(|vouched| vouched.times.len())
    };
    let token = |signer: &Pair, bag: &[&Pair]| tsa.stamp_by(&scene.signature, 11, signer, bag);
    // What lies in the bag decides nothing, in whatever order, as long as the leaf of the root signed.
    assert_eq!(judged(token(tsa, &[tsa])), Ok(1));
    assert_eq!(judged(token(tsa, &[])), Ok(1));
    assert_eq!(judged(token(tsa, &[&forged, tsa])), Ok(1));
    let refused = Err(TimeFault::Timestamp { position: 0 }.into());
    // The forged key signs under the name of the leaf, and under its own.
    assert_eq!(judged(token(&forged, &[&forged, tsa])), refused);
    assert_eq!(judged(token(&forged, &[tsa, &forged])), refused);
    assert_eq!(judged(forged.stamp_by(&scene.signature, 11, &forged, &[&forged, tsa])), refused);
    // A certificate of the right authority that is not the leaf, and one that may not stamp.
    let sibling = scene.tsa.1.stamper("tsa", ALWAYS);
    assert_eq!(judged(sibling.stamp(&scene.signature, 11)), refused);
    let signer = scene.tsa.1.alice(ALWAYS);
    let root = trusted(&[scene.ca()], &[], &[], &[chain(&[&signer, &scene.tsa.1], &ALWAYS)]);
    let beside = material(&[&scene.alice], Vec::new(), vec![signer.stamp(&scene.signature, 11)]);
    let not_for_this = super::tests::judged(&scene.signature, &beside, &root, &demands());
    assert_eq!(not_for_this.map(drop), Err(TimeFault::Timestamp { position: 0 }.into()));
}

#[test]
fn a11_every_certificate_on_the_path_was_valid_then_with_and_without_a_log() {
    let log = Log::new();
    let tsa = stamper("tsa");
    // Lifetimes of the anchor, of what is between, and of the signer; whether that is fine on day 11.
    let cases = [
        (0..100, 0..100, 10..12, Ok(())),
        (0..100, 0..10, 10..12, Err("a certificate on the path was not valid then")),
        (0..100, 12..100, 10..12, Err("a certificate on the path was not valid then")),
        (0..10, 0..100, 10..12, Err("none counted then")),
        (12..100, 0..100, 10..12, Err("none counted then")),
    ];
    for (anchor, between, leaf, want) in cases {
        let what = format!("{anchor:?} {between:?}");
        let anchor = Pair::root("root", anchor);
        let between = anchor.intermediate("between", between);
        let alice = between.alice(leaf);
        let signature = alice.sign(MESSAGE);
        let cas = [chain(&[&between, &anchor], &ALWAYS)];
        let tsas = [chain(&[&tsa.0, &tsa.1], &ALWAYS)];
        let root = trusted(&cas, &[log.listed(&ALWAYS)], &[], &tsas);
        let entry = log.entry(&signature, &by_certificate(&alice));
        let want = want.map_err(|why| SigstoreError::Root { time: at(11), why });
        let stamp = tsa.0.stamp(&signature, 11);
        for (logs, entries) in [(0, Vec::new()), (1, vec![entry])] {
            let beside = material(&[&alice], entries, vec![stamp.clone()]);
            let demands = Demands { logs, ..demands() };
            let found = judged(&signature, &beside, &root, &demands).map(drop);
            assert_eq!(found, want, "{what}, {logs} logs");
        }
        // The present instead of a proven time: no log and no timestamp, as cosign signs with an authority of one's own.
        let bare = material(&[&alice], Vec::new(), Vec::new());
        let now = |now| Demands { times: Times::Now, now, ..demands() };
        let found = judged(&signature, &bare, &root, &now(Some(at(11)))).map(drop);
        assert_eq!(found, want, "{what}, now");
        let unsaid = judged(&signature, &bare, &root, &now(None)).map(drop);
        assert_eq!(unsaid, Err(TimeFault::NoNow.into()));
        let later = judged(&signature, &bare, &root, &now(Some(at(13))));
        assert!(matches!(
            later,
            Err(SigstoreError::Certificate(CertificateFault::Validity { .. }))
        ));
    }
}

#[test]
fn a12_a_genuine_entry_of_another_signature_is_bound_even_where_no_log_is_asked_for() {
    let (scene, log) = (Scene::new(), Log::new());
    let root = trusted(&[scene.ca()], &[log.listed(&ALWAYS)], &[], &[scene.tsa()]);
    let judged = |entries: Vec<crate::attest::LogEntry>| {
        let beside = material(&[&scene.alice], entries, vec![scene.stamp(11)]);
        judged(&scene.signature, &beside, &root, &demands()).map(|vouched| vouched.log_indices)
    };
    assert_eq!(judged(Vec::new()), Ok(Vec::new()));
    assert_eq!(judged(vec![scene.entry(&log)]), Ok(vec![0]));
    let mallory = scene.root.alice(10..12);
    let theirs = log.entry(&mallory.sign(MESSAGE), &by_certificate(&mallory));
    let fault = |fault| Err(SigstoreError::Log { position: 0, fault });
    assert_eq!(judged(vec![theirs]), fault(LogFault::OtherSignature));
    let theirs = log.entry(&scene.signature, &by_certificate(&mallory));
    assert_eq!(judged(vec![theirs]), fault(LogFault::OtherKey));
}

#[test]
fn a13_the_path_holds_at_every_proven_time() {
    let scene = Scene::new();
    let second = stamper("second");
    let tsas = [scene.tsa(), chain(&[&second.0, &second.1], &ALWAYS)];
    let root = trusted(&[scene.ca()], &[], &[], &tsas);
    let judged = |first, other| {
        let stamps = vec![scene.stamp(first), second.0.stamp(&scene.signature, other)];
        let beside = material(&[&scene.alice], Vec::new(), stamps);
        let demands = Demands { times: Times::Proven(2), ..demands() };
        judged(&scene.signature, &beside, &root, &demands).map(|vouched| vouched.times.len())
    };
    assert_eq!(judged(10, 12), Ok(2));
    // The certificate lives from 10 to 12. One time inside does not speak for another outside.
    for (first, other, outside) in [(11, 9, 9), (11, 13, 13), (9, 11, 9), (13, 11, 13)] {
        let fault =
            CertificateFault::Validity { time: at(outside), not_before: at(10), not_after: at(12) };
        assert_eq!(judged(first, other), Err(fault.into()), "{first} {other}");
    }
}

#[test]
fn a14_a_timestamp_authority_lends_its_time_to_no_other() {
    let scene = Scene::new();
    let (retired, replacement) = (&scene.tsa, stamper("replacement"));
    let listed = |days| {
        let retired = chain(&[&retired.0, &retired.1], &days);
        let replacement = chain(&[&replacement.0, &replacement.1], &ALWAYS);
        trusted(&[scene.ca()], &[], &[], &[replacement, retired])
    };
    let judged = |stamp: Vec<u8>, root: &TrustedRoot| {
        let beside = material(&[&scene.alice], Vec::new(), vec![stamp]);
        judged(&scene.signature, &beside, root, &demands()).map(|vouched| vouched.times.len())
    };
    assert_eq!(judged(scene.stamp(11), &listed(0..20)), Ok(1));
    assert_eq!(judged(replacement.0.stamp(&scene.signature, 11), &listed(0..5)), Ok(1));
    let outside = Err(TimeFault::Authority { position: 0 }.into());
    assert_eq!(judged(scene.stamp(11), &listed(0..5)), outside);
    assert_eq!(judged(scene.stamp(11), &listed(12..20)), outside);
    // A leaf of one authority under the root of another is of neither.
    let crossed = chain(&[&retired.0, &replacement.1], &ALWAYS);
    let crossed = trusted(&[scene.ca()], &[], &[], &[crossed]);
    let stranger = Err(TimeFault::Timestamp { position: 0 }.into());
    assert_eq!(judged(scene.stamp(11), &crossed), stranger);
    // The anchor of an authority has a time too.
    let ended = Pair::root("ended", 0..5);
    let leaf = ended.stamper("leaf", ALWAYS);
    let root = trusted(&[scene.ca()], &[], &[], &[chain(&[&leaf, &ended], &ALWAYS)]);
    assert_eq!(judged(leaf.stamp(&scene.signature, 11), &root), outside);
}

#[test]
fn a18_a_certificate_timestamp_is_for_the_issuer_on_the_path_whatever_its_name() {
    let (log, other_log, tsa) = (Log::new(), Log::new(), stamper("tsa"));
    let anchor = Pair::root("root", ALWAYS);
    let issuer = anchor.intermediate("between", ALWAYS);
    let namesake = anchor.intermediate("between", ALWAYS);
    let judged = |alice: &Pair, ct_logs: &[Value], demands: &Demands| {
        let cas = [chain(&[&namesake, &issuer, &anchor], &ALWAYS)];
        let root = trusted(&cas, &[], ct_logs, &[chain(&[&tsa.0, &tsa.1], &ALWAYS)]);
        let signature = alice.sign(MESSAGE);
        let beside = material(&[alice], Vec::new(), vec![tsa.0.stamp(&signature, 11)]);
        judged(&signature, &beside, &root, demands).map(drop)
    };
    let logs = [log.listed(&ALWAYS)];
    let honest = issuer.alice_in(&log, &issuer, 10..12);
    assert_eq!(judged(&honest, &logs, &demands()), Ok(()));
    let by_name = issuer.alice_in(&log, &namesake, 10..12);
    assert_eq!(judged(&by_name, &logs, &demands()), Err(CertificateFault::Sct.into()));
    let elsewhere = issuer.alice_in(&other_log, &issuer, 10..12);
    assert_eq!(judged(&elsewhere, &logs, &demands()), Err(CertificateFault::NoSct.into()));
    let bare = issuer.alice(10..12);
    assert_eq!(judged(&bare, &logs, &demands()), Err(CertificateFault::NoSct.into()));
    // The key of a log of certificates has its time as well (A9).
    let ended = [log.listed(&(0..9))];
    assert_eq!(judged(&honest, &ended, &demands()), Err(CertificateFault::Sct.into()));
    // A root without such logs has to be allowed by name.
    let refuse = Demands { no_ct_log: NoCtLog::Refuse, ..demands() };
    assert_eq!(judged(&bare, &[], &refuse), Err(CertificateFault::NoCtLog.into()));
    assert_eq!(judged(&bare, &[], &demands()), Ok(()));
}

#[test]
fn an_authority_of_ones_own_in_pem_counts_like_any_other() {
    let pem = |pair: &Pair| {
        let der = sigstore_types::DerCertificate::from_bytes(&pair.der);
        der.to_pem().into_bytes()
    };
    let anchor = Pair::root("root", ALWAYS);
    let between = anchor.intermediate("between", ALWAYS);
    let alice = between.alice(10..12);
    let signature = alice.sign(MESSAGE);
    let tsa = stamper("tsa");
    let stamping = [pem(&tsa.0), pem(&tsa.1)].concat();
    let (roots, intermediates) = (pem(&anchor), pem(&between));
    let files = |timestamping: &[Vec<u8>]| {
        let files = PrivateRoot {
            roots: &roots,
            intermediates: &intermediates,
            timestamping,
            ..PrivateRoot::default()
        };
        TrustedRoot::from_pem(&files)
    };
    let root = files(&[stamping]).unwrap();
    let beside = material(&[&alice], Vec::new(), vec![tsa.0.stamp(&signature, 11)]);
    assert_eq!(judged(&signature, &beside, &root, &demands()).map(drop), Ok(()));
    let mallory = Pair::root("root", ALWAYS).alice(10..12);
    let theirs = mallory.sign(MESSAGE);
    let beside = material(&[&mallory], Vec::new(), vec![tsa.0.stamp(&theirs, 11)]);
    let refused = judged(&theirs, &beside, &root, &demands());
    assert!(matches!(refused, Err(SigstoreError::Root { .. })), "{refused:?}");
    let upside_down = [pem(&tsa.1), pem(&tsa.0)].concat();
    assert!(matches!(files(&[upside_down]), Err(RootError::Order)));
}
