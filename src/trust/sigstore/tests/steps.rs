//! Each step of the verification by itself: evidence that only this step refuses, and its honest twin.
//!
//! Found missing by mutants (docs/measurements/mutants.md).

use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, ExtendedKeyUsagePurpose as Extended,
    IsCa, KeyUsagePurpose as Usage, SanType,
};

use super::*;

fn email(address: &str) -> SanType {
    SanType::Rfc822Name(address.try_into().unwrap())
}

/// Fulcio's extension with this number.
fn fulcio(number: u64, content: Vec<u8>) -> CustomExtension {
    CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 57264, 1, number], content)
}

fn text(text: &str) -> Vec<u8> {
    yasna::construct_der(|w| w.write_utf8string(text))
}

#[test]
fn a_bundle_of_version_0_3_carries_no_chain() {
    let scene = Scene::new();
    let between = scene.root.intermediate("between", ALWAYS);
    let alice = between.alice(10..12);
    let signature = alice.sign(MESSAGE);
    let root = trusted(&[scene.ca()], &[], &[], &[scene.tsa()]);
    let stamp = scene.tsa.0.stamp(&signature, 11);
    for (form, want) in [(Form::Bundle02, Ok(())), (Form::Bundle03, Err(FormFault::Chain.into()))] {
        let mut beside = material(&[&alice, &between], Vec::new(), vec![stamp.clone()]);
        beside.form = form;
        assert_eq!(judged(&signature, &beside, &root, &demands()).map(drop), want, "{form:?}");
    }
    let honest = scene.root.alice(10..12);
    let signature = honest.sign(MESSAGE);
    let mut beside = material(&[&honest], Vec::new(), vec![scene.tsa.0.stamp(&signature, 11)]);
    beside.form = Form::Bundle03;
    assert_eq!(judged(&signature, &beside, &root, &demands()).map(drop), Ok(()));
}

#[test]
fn a_certificate_without_a_proven_time_counts_at_no_time() {
    let scene = Scene::new();
    let root = trusted(&[scene.ca()], &[], &[], &[scene.tsa()]);
    let none = Demands { times: Times::Proven(0), ..demands() };
    let bare = material(&[&scene.alice], Vec::new(), Vec::new());
    let missing = Err(TimeFault::Sources { found: 0, expected: 1 }.into());
    assert_eq!(judged(&scene.signature, &bare, &root, &none), missing);
    let stamped = material(&[&scene.alice], Vec::new(), vec![scene.stamp(11)]);
    assert_eq!(judged(&scene.signature, &stamped, &root, &none).map(drop), Ok(()));
}

#[test]
fn what_an_authority_says_of_a_signer_has_to_be_readable() {
    let scene = Scene::new();
    let root = trusted(&[scene.ca()], &[], &[], &[scene.tsa()]);
    type Change = fn(&mut CertificateParams);
    let cases: [(&str, Change, CertificateFault); 5] = [
        (
            "an issuer without a name",
            |p| p.custom_extensions = vec![fulcio(8, text(""))],
            CertificateFault::Syntax,
        ),
        (
            "an issuer that cannot be read, beside a legacy one that can",
            |p| {
                p.custom_extensions = vec![fulcio(8, vec![0xff]), fulcio(1, ISSUER.into())];
            },
            CertificateFault::Extension,
        ),
        (
            "an issuer that is no URI",
            |p| p.custom_extensions = vec![fulcio(8, text("not a URI"))],
            CertificateFault::Syntax,
        ),
        (
            "a claim that is no text",
            |p| p.custom_extensions.push(fulcio(9, vec![0xff])),
            CertificateFault::Extension,
        ),
        (
            "two names",
            |p| p.subject_alt_names.push(email("bob@x.example")),
            CertificateFault::Names,
        ),
    ];
    for (what, change, fault) in cases {
        let pair = scene.root.changed(10..12, change);
        let signature = pair.sign(MESSAGE);
        let beside = material(&[&pair], Vec::new(), vec![scene.tsa.0.stamp(&signature, 11)]);
        assert_eq!(judged(&signature, &beside, &root, &demands()), Err(fault.into()), "{what}");
    }
}

#[test]
fn the_legacy_issuer_counts_where_there_is_no_other() {
    let scene = Scene::new();
    let root = trusted(&[scene.ca()], &[], &[], &[scene.tsa()]);
    let legacy = |p: &mut CertificateParams| p.custom_extensions = vec![fulcio(1, ISSUER.into())];
    let pair = scene.root.changed(10..12, legacy);
    let signature = pair.sign(MESSAGE);
    let beside = material(&[&pair], Vec::new(), vec![scene.tsa.0.stamp(&signature, 11)]);
    let vouched = judged(&signature, &beside, &root, &demands()).unwrap();
    assert_eq!(vouched.issuer.as_deref(), Some(ISSUER));
}

/// RFC 5280 sections 4.1.2.1, 4.2.1.3, 4.2.1.9 and 4.2.1.12, each for itself.
#[test]
fn a12_a_certificate_has_the_role_that_all_of_its_extensions_give_it() {
    let root = Pair::root("root", ALWAYS);
    let role = |der: &[u8]| Certificate::parse(der).unwrap().role();
    type Change = fn(&mut CertificateParams);
    let as_authority: Change = |p| {
        p.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        p.key_usages = vec![Usage::KeyCertSign];
    };
    let cases: [(&str, Change, Result<Role, CertificateFault>); 9] = [
        ("signs code", |_| {}, Ok(Role::Leaf)),
        ("stamps", |p| p.extended_key_usages = vec![Extended::TimeStamping], Ok(Role::Other)),
        (
            "stamps and signs code",
            |p| p.extended_key_usages = vec![Extended::TimeStamping, Extended::CodeSigning],
            Ok(Role::Leaf),
        ),
        ("says nothing of it", |p| p.extended_key_usages.clear(), Ok(Role::Unrestricted)),
        ("no usage", |p| p.key_usages.clear(), Err(CertificateFault::KeyUsage)),
        (
            "no signatures",
            |p| p.key_usages = vec![Usage::KeyEncipherment],
            Err(CertificateFault::KeyUsage),
        ),
        ("an authority", as_authority, Ok(Role::Authority { root: false })),
        (
            "an authority that signs no certificates",
            |p| p.is_ca = IsCa::Ca(BasicConstraints::Unconstrained),
            Err(CertificateFault::KeyUsage),
        ),
        (
            "an authority by an extension that may be passed over",
            |p| {
                p.key_usages = vec![Usage::KeyCertSign, Usage::DigitalSignature];
                let content = yasna::construct_der(|w| {
                    w.write_sequence(|w| w.next().write_bool(true));
                });
                let constraints = CustomExtension::from_oid_content(&[2, 5, 29, 19], content);
                p.custom_extensions.push(constraints);
            },
            Err(CertificateFault::BasicConstraints),
        ),
    ];
    for (what, change, want) in cases {
        assert_eq!(role(&root.changed(10..12, change).der), want, "{what}");
    }
    assert_eq!(role(&root.der), Ok(Role::Authority { root: true }), "its own issuer");
    let namesake = root.changed(10..12, |p| {
        p.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        p.key_usages = vec![Usage::KeyCertSign];
        p.distinguished_name = rcgen::DistinguishedName::new();
        p.distinguished_name.push(rcgen::DnType::CommonName, "root");
    });
    assert_eq!(role(&namesake.der), Ok(Role::Authority { root: false }), "by name alone");
    // `[0] EXPLICIT INTEGER 2` is version 3; version 2 has no extensions.
    let (third, second) = ([0xa0, 3, 2, 1, 2], [0xa0, 3, 2, 1, 1]);
    let mut older = root.alice(10..12).der;
    let at = older.windows(third.len()).position(|bytes| bytes == third).unwrap();
    older[at..at + second.len()].copy_from_slice(&second);
    assert_eq!(role(&older), Err(CertificateFault::Version));
}

#[test]
fn only_an_authority_of_ones_own_may_leave_out_what_its_certificates_are_for() {
    let pem = |der: &[u8]| sigstore_types::DerCertificate::from_bytes(der).to_pem().into_bytes();
    let scene = Scene::new();
    let (roots, stamping) =
        (pem(&scene.root.der), [[pem(&scene.tsa.0.der), pem(&scene.tsa.1.der)].concat()]);
    let files = PrivateRoot { roots: &roots, timestamping: &stamping, ..PrivateRoot::default() };
    let private = TrustedRoot::from_pem(&files).unwrap();
    let fulcio = trusted(&[scene.ca()], &[], &[], &[scene.tsa()]);
    let no_leaf = || Err(CertificateFault::Leaf.into());
    let cases = [
        (vec![], &private, Ok(())),
        (vec![], &fulcio, no_leaf()),
        (vec![Extended::TimeStamping], &private, no_leaf()),
        (vec![Extended::TimeStamping], &fulcio, no_leaf()),
    ];
    for (usages, root, want) in cases {
        let case = format!("{usages:?}, private: {}", root.is_private());
        let pair = scene.root.changed(10..12, |params| params.extended_key_usages = usages);
        let signature = pair.sign(MESSAGE);
        let beside = material(&[&pair], Vec::new(), vec![scene.tsa.0.stamp(&signature, 11)]);
        assert_eq!(judged(&signature, &beside, root, &demands()).map(drop), want, "{case}");
    }
}

#[test]
fn b10_only_an_authority_of_ones_own_names_a_person_by_address_and_host() {
    let pem = |der: &[u8]| sigstore_types::DerCertificate::from_bytes(der).to_pem().into_bytes();
    let scene = Scene::new();
    let roots = pem(&scene.root.der);
    let stamping = [[pem(&scene.tsa.0.der), pem(&scene.tsa.1.der)].concat()];
    let files = PrivateRoot { roots: &roots, timestamping: &stamping, ..PrivateRoot::default() };
    let private = TrustedRoot::from_pem(&files).unwrap();
    let fulcio = trusted(&[scene.ca()], &[], &[], &[scene.tsa()]);
    let host = || SanType::DnsName("host.example".try_into().unwrap());
    let cases = [
        (vec![email(ALICE)], &private, Ok(())),
        (vec![email(ALICE)], &fulcio, Ok(())),
        (vec![email(ALICE), host()], &private, Ok(())),
        (vec![email(ALICE), host()], &fulcio, Err(CertificateFault::Names.into())),
        (vec![email(ALICE), email("bob@x.example")], &private, Err(CertificateFault::Names.into())),
    ];
    for (names, root, want) in cases {
        let case = format!("{names:?}, private: {}", root.is_private());
        let pair = scene.root.changed(10..12, |params| params.subject_alt_names = names);
        let signature = pair.sign(MESSAGE);
        let beside = material(&[&pair], Vec::new(), vec![scene.tsa.0.stamp(&signature, 11)]);
        assert_eq!(judged(&signature, &beside, root, &demands()).map(drop), want, "{case}");
    }
}

/// A key and the key of somebody else, with a root that stamps.
struct Keyed {
    key: KeyPair,
    signature: Vec<u8>,
    tsa: (Pair, Pair),
    root: TrustedRoot,
}

impl Keyed {
    fn new() -> Self {
        let (key, tsa) = (KeyPair::generate().unwrap(), stamper("tsa"));
        let root = trusted(&[], &[], &[], &[chain(&[&tsa.0, &tsa.1], &ALWAYS)]);
        Self { signature: key.sign(MESSAGE).unwrap(), key, tsa, root }
    }

    fn public(key: &KeyPair) -> PublicKey {
        PublicKey::from_der(&key.subject_public_key_info()).unwrap()
    }
}

#[test]
fn a_recorded_signature_is_by_the_key_and_has_no_certificate() {
    let keyed = Keyed::new();
    let stamp = || vec![keyed.tsa.0.stamp(&keyed.signature, 11)];
    let alice = Pair::root("root", ALWAYS).alice(10..12);
    let verified = |certificates: &[&Pair], key: &KeyPair| {
        let beside = material(certificates, Vec::new(), stamp());
        let claim = claim(&keyed.signature, &beside);
        verify_keyed(&claim, &Keyed::public(key), &keyed.root, &demands()).map(drop)
    };
    assert_eq!(verified(&[], &keyed.key), Ok(()));
    assert!(verified(&[], &KeyPair::generate().unwrap()).is_err(), "another key");
    let unexpected = Err(FormFault::UnexpectedCertificate.into());
    assert_eq!(verified(&[&alice], &keyed.key), unexpected);
    let beside = material(&[&alice], Vec::new(), stamp());
    let claim = claim(&keyed.signature, &beside);
    assert_eq!(verify_unlogged(&claim, &Keyed::public(&keyed.key)), unexpected);
    assert_eq!(consistent_beside(&claim, &Keyed::public(&keyed.key)), unexpected);
}

#[test]
fn a7_a12_each_entry_is_another_one_and_records_this_signature() {
    let (keyed, log) = (Keyed::new(), Log::new());
    let recorded = by_key(&keyed.key.subject_public_key_info());
    let first = log.entry(&keyed.signature, &recorded);
    let mut same_place = first.clone();
    same_place.body.push(b' ');
    let mut same_body = first.clone();
    same_body.index = 1;
    // Every entry has to record this signature, and not the first alone.
    let foreign = Log::new().entry(&keyed.key.sign(b"other").unwrap(), &recorded);
    let other = SigstoreError::Log { position: 1, fault: LogFault::OtherSignature };
    let public = Keyed::public(&keyed.key);
    let twice = || Err(SigstoreError::Log { position: 1, fault: LogFault::Twice });
    let cases = [
        ("once", vec![first.clone()], Ok(())),
        ("the same", vec![first.clone(), first.clone()], twice()),
        ("the same place", vec![first.clone(), same_place], twice()),
        ("the same body", vec![first.clone(), same_body], twice()),
        ("an entry of another signature behind it", vec![first, foreign], Err(other)),
    ];
    for (what, entries, want) in cases {
        let beside = material(&[], entries, Vec::new());
        let claim = claim(&keyed.signature, &beside);
        assert_eq!(verify_unlogged(&claim, &public), want, "{what}");
        assert_eq!(consistent_beside(&claim, &public), want, "{what}");
    }
}
