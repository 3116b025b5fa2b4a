//! What each kind of key takes, by the form in which keys and signatures are written, and what is no accepted kind.

use aws::{EcdsaKeyPair, EcdsaSigningAlgorithm, RsaKeyPair};

use super::*;

const MESSAGE: &[u8] = b"message";

/// A private key in PKCS #8 and its public one.
fn pair(scheme: Sign) -> (Vec<u8>, PublicKey) {
    let pair = scheme.create_signer().unwrap().to_sigstore_keypair().unwrap();
    let public = PublicKey::from_der(&pair.public_key_to_der().unwrap()).unwrap();
    (pair.private_key_to_der().unwrap().to_vec(), public)
}

fn ecdsa(algorithm: &'static EcdsaSigningAlgorithm, private: &[u8]) -> Vec<u8> {
    let random = aws_lc_rs::rand::SystemRandom::new();
    let pair = EcdsaKeyPair::from_pkcs8(algorithm, private).unwrap();
    pair.sign(&random, MESSAGE).unwrap().as_ref().to_vec()
}

fn rsa(encoding: &'static dyn aws::RsaEncoding, private: &[u8]) -> Vec<u8> {
    let random = aws_lc_rs::rand::SystemRandom::new();
    let pair = RsaKeyPair::from_pkcs8(private).unwrap();
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(encoding, &random, MESSAGE, &mut signature).unwrap();
    signature
}

#[test]
fn a_layout_names_type_and_scheme_that_fit_the_key() {
    let [p256, p384, p521, ed25519, rsa] = [
        Sign::ECDSA_P256_SHA256_ASN1,
        Sign::ECDSA_P384_SHA384_ASN1,
        Sign::ECDSA_P521_SHA512_ASN1,
        Sign::ED25519,
        Sign::RSA_PSS_SHA256(2048),
    ]
    .map(|scheme| TestKey::new(scheme).pem);
    let raw = |pem: &str| {
        let key = PublicKey::from_pem(pem.as_bytes()).unwrap();
        hex::encode(&key.der()[key.der().len() - 32..])
    };
    let hex = raw(&ed25519);
    // Type, scheme, key, whether they fit.
    let cases: [(&str, &str, &str, bool); 22] = [
        ("ecdsa", "ecdsa-sha2-nistp256", &p256, true),
        ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256", &p256, true),
        ("ecdsa-sha2-nistp384", "ecdsa-sha2-nistp256", &p256, false),
        ("rsa", "ecdsa-sha2-nistp256", &p256, false),
        ("ecdsa", "ecdsa-sha2-nistp384", &p256, false),
        ("ecdsa", "rsassa-pss-sha256", &p256, false),
        ("ecdsa", "ecdsa-sha2-nistp384", &p384, true),
        ("ecdsa", "ecdsa-sha2-nistp256", &p384, false),
        ("ecdsa", "ecdsa-sha2-nistp521", &p521, true),
        ("ecdsa", "ecdsa-sha2-nistp384", &p521, false),
        ("ed25519", "ed25519", &hex, true),
        ("ed25519", "ed25519", &ed25519, true),
        ("ecdsa", "ed25519", &ed25519, false),
        ("ed25519", "rsassa-pss-sha256", &ed25519, false),
        ("ed25519", "ed25519", &p256, false),
        ("ed25519", "ed25519", &hex[2..], false),
        ("ed25519", "ed25519", "no hex", false),
        ("ecdsa", "ecdsa-sha2-nistp256", &hex, false),
        ("rsa", "rsassa-pss-sha256", &rsa, true),
        ("ecdsa", "rsassa-pss-sha256", &rsa, false),
        ("rsassa-pss-sha256", "rsassa-pss-sha256", &rsa, false),
        ("rsa", "rsassa-pkcs1v15-sha256", &rsa, false),
    ];
    for (keytype, scheme, public, want) in cases {
        let found = PublicKey::from_in_toto(keytype, scheme, public);
        assert_eq!(found.is_some(), want, "{keytype} {scheme} {public}");
    }
    let [written, bare] = [&ed25519, &hex]
        .map(|key| PublicKey::from_in_toto("ed25519", "ed25519", key).map(|key| key.fingerprint()));
    assert_eq!(written, bare, "one key in two forms");
}

#[test]
fn two_numbers_side_by_side_count_where_they_are_known_to() {
    let cases: [(Sign, &'static EcdsaSigningAlgorithm); 3] = [
        (Sign::ECDSA_P256_SHA256_ASN1, &aws::ECDSA_P256_SHA256_FIXED_SIGNING),
        (Sign::ECDSA_P384_SHA384_ASN1, &aws::ECDSA_P384_SHA384_FIXED_SIGNING),
        (Sign::ECDSA_P521_SHA512_ASN1, &aws::ECDSA_P521_SHA512_FIXED_SIGNING),
    ];
    for (scheme, algorithm) in cases {
        let (private, public) = pair(scheme);
        let fixed = ecdsa(algorithm, &private);
        assert!(public.verifies_in_any_encoding(MESSAGE, &fixed), "{scheme}");
        assert!(!public.verifies_in_any_encoding(b"massage", &fixed), "{scheme}");
        assert!(!public.verifies(MESSAGE, &fixed), "{scheme}: an encoding of others");
        let der = public.fixed_to_der(&fixed).unwrap();
        assert!(public.verifies(MESSAGE, &der) && public.verifies_in_any_encoding(MESSAGE, &der));
        for other in [&fixed[1..], &[fixed.as_slice(), &[0]].concat(), &[]] {
            assert_eq!(public.fixed_to_der(other), None, "{scheme}: {} bytes", other.len());
        }
    }
    for scheme in [Sign::ED25519, Sign::RSA_PKCS1_SHA256(2048)] {
        let key = TestKey::new(scheme);
        let signature = key.sign(MESSAGE);
        assert!(key.public.verifies_in_any_encoding(MESSAGE, &signature), "{scheme}");
        let lengths = [64, 96, 132, 256].map(|length| key.public.fixed_to_der(&vec![1; length]));
        assert_eq!(lengths, [const { None }; 4], "{scheme} has no two numbers");
    }
}

#[test]
fn in_toto_has_one_scheme_for_each_kind() {
    let public = PublicKey::from_pem(P384_PEM.as_bytes()).unwrap();
    for (signature, want) in [(P384_SHA384, true), (P384_SHA256, false)] {
        let signature = hex::decode(signature).unwrap();
        assert!(public.verifies(b"message\n", &signature));
        assert_eq!(public.verifies_in_toto(b"message\n", &signature), want);
    }
    let (private, public) = pair(Sign::RSA_PSS_SHA256(2048));
    let encodings: [(&'static dyn aws::RsaEncoding, bool); 3] = [
        (&aws::RSA_PSS_SHA256, true),
        (&aws::RSA_PSS_SHA512, false),
        (&aws::RSA_PKCS1_SHA256, false),
    ];
    for (encoding, want) in encodings {
        let signature = rsa(encoding, &private);
        assert!(public.verifies(MESSAGE, &signature));
        assert_eq!(public.verifies_in_toto(MESSAGE, &signature), want, "{encoding:?}");
    }
    for scheme in [Sign::ECDSA_P256_SHA256_ASN1, Sign::ECDSA_P521_SHA512_ASN1, Sign::ED25519] {
        let key = TestKey::new(scheme);
        assert!(key.public.verifies_in_toto(MESSAGE, &key.sign(MESSAGE)), "{scheme}");
        assert!(!key.public.verifies_in_toto(b"massage", &key.sign(MESSAGE)), "{scheme}");
    }
}

/// Services sign a digest by the hash of the key's kind.
#[test]
fn a_digest_is_by_the_hash_of_the_kind() {
    let cases = [
        (Sign::ECDSA_P256_SHA256_ASN1, Some(32)),
        (Sign::ECDSA_P384_SHA384_ASN1, Some(48)),
        (Sign::ECDSA_P521_SHA512_ASN1, Some(64)),
        (Sign::RSA_PKCS1_SHA256(2048), Some(32)),
        (Sign::ED25519, None),
    ];
    for (scheme, want) in cases {
        let (_, public) = pair(scheme);
        assert_eq!(public.prehash(MESSAGE).map(|hash| hash.len()), want, "{scheme}");
    }
}

#[test]
fn kinds_that_are_not_accepted_are_named() {
    const EC: &str = "1.2.840.10045.2.1";
    let found = |algorithm: &str, curve: Option<&str>| {
        let oid = |text: &str| ObjectIdentifier::new(text).unwrap();
        let parameters = curve.map(|curve| Any::encode_from(&oid(curve)).unwrap());
        let algorithm = AlgorithmIdentifierOwned { oid: oid(algorithm), parameters };
        let subject_public_key = BitString::from_bytes(&[4, 1, 2, 3]).unwrap();
        let spki = SubjectPublicKeyInfoOwned { algorithm, subject_public_key };
        match PublicKey::from_der(&spki.to_der().unwrap()) {
            Err(KeyError::Kind { found }) => found,
            other => panic!("{other:?}"),
        }
    };
    for (number, (id, name)) in OTHER_KINDS.into_iter().enumerate() {
        // The first six are curves.
        let found = if number < 6 { found(EC, Some(id)) } else { found(id, None) };
        assert_eq!(found, name, "{id}");
    }
    let encoding = "ECDSA in another encoding, such as a compressed point";
    assert_eq!(found(EC, Some("1.2.840.10045.3.1.7")), encoding, "P-256 with another point");
    assert_eq!(found("1.2.3.4", None), "algorithm 1.2.3.4");
    assert_eq!(PublicKey::from_der(b"\x30\x00").err(), Some(KeyError::Encoding));
}

#[test]
fn forms_that_are_no_pem_are_told_apart() {
    let certificate =
        |label: &str| format!("-----BEGIN {label}-----\nAA==\n-----END {label}-----\n");
    let long = "X".repeat(100);
    let cases: [(Vec<u8>, KeyError); 9] = [
        (b"\xfe\xff\0-".to_vec(), KeyError::Utf16),
        (b"sk-ssh-ed25519@openssh.com AAAA me\n".to_vec(), KeyError::OpenSsh),
        (b"0123 is text to its end".to_vec(), KeyError::NotPem),
        (b"0\x80\xff".to_vec(), KeyError::Der),
        (b"{\"kid\": \"x\"}".to_vec(), KeyError::NotPem),
        (b"\n-----BEGIN PGP PUBLIC KEY BLOCK-----\n".to_vec(), KeyError::OtherTool("PGP")),
        (certificate("TRUSTED CERTIFICATE").into_bytes(), KeyError::Certificate),
        (certificate(&long).into_bytes(), KeyError::Label { found: "X".repeat(80) }),
        (b"-----BEGIN PUBLIC KEY\nAA==\n".to_vec(), KeyError::NotPem),
    ];
    for (bytes, want) in cases {
        let found = PublicKey::from_pem(&bytes).err();
        assert_eq!(found, Some(want), "{}", String::from_utf8_lossy(&bytes));
    }
}
