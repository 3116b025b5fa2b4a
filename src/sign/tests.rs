//! Keys of every kind and encryption, programs that sign and those that do not, and statements that are not signed.

use std::{ffi::OsString, time::Duration};

use ::sigstore::crypto::{SigningScheme, signing_key::SigStoreKeyPair};

use super::*;
use crate::trust::testing::{SPDX, index, manifest, statement, statement_about};

const PASSWORD: &[u8] = b"correct horse";

fn schemes() -> [SigningScheme; 5] {
    [
        SigningScheme::ECDSA_P256_SHA256_ASN1,
        SigningScheme::ECDSA_P384_SHA384_ASN1,
        SigningScheme::ECDSA_P521_SHA512_ASN1,
        SigningScheme::ED25519,
        SigningScheme::RSA_PKCS1_SHA256(2048),
    ]
}

fn pair(scheme: SigningScheme) -> SigStoreKeyPair {
    scheme.create_signer().unwrap().to_sigstore_keypair().unwrap()
}

fn password() -> Password {
    Password::new(PASSWORD.to_vec())
}

fn key(pem: &str) -> PrivateKey {
    PrivateKey::from_pem(pem.as_bytes(), None).unwrap()
}

fn signer() -> Signer {
    let pem = pair(SigningScheme::ECDSA_P256_SHA256_ASN1).private_key_to_pem().unwrap();
    Signer::Key(Box::new(key(&pem)))
}

#[tokio::test]
async fn every_kind_of_key_signs_what_its_public_half_verifies() {
    let limits = Limits::default();
    for scheme in schemes() {
        let pair = pair(scheme);
        let pem = pair.private_key_to_pem().unwrap();
        let signer = Signer::Key(Box::new(key(&pem)));
        assert_eq!(signer.public_key().der(), pair.public_key_to_der().unwrap(), "{scheme}");
        let signed = signer.sign_image(&index(), &limits).await.unwrap();
        assert!(signer.made(&signed.bundle, &signed, &limits), "{scheme}");
        let other = signer.sign_image(&manifest(), &limits).await.unwrap();
        assert!(!signer.made(&other.bundle, &signed, &limits), "{scheme}: other statement");
        assert!(!self::signer().made(&signed.bundle, &signed, &limits), "{scheme}: other key");
    }
}

#[test]
fn keys_that_cosign_encrypted_open_with_their_password_only() {
    for scheme in schemes() {
        let pair = pair(scheme);
        let pem = pair.private_key_to_encrypted_pem(PASSWORD).unwrap();
        let read = |password| PrivateKey::from_pem(pem.as_bytes(), password);
        let right = password();
        let key = read(Some(&right)).unwrap();
        assert_eq!(key.public_key().der(), pair.public_key_to_der().unwrap(), "{scheme}");
        assert_eq!(read(None).err(), Some(KeyFileError::NoPassword), "{scheme}");
        let wrong = Password::new(b"correct house".to_vec());
        assert_eq!(read(Some(&wrong)).err(), Some(KeyFileError::Decrypt), "{scheme}");
    }
}

#[test]
fn an_empty_password_is_one() {
    let pair = pair(SigningScheme::ECDSA_P256_SHA256_ASN1);
    let pem = pair.private_key_to_encrypted_pem(b"").unwrap();
    assert!(PrivateKey::from_pem(pem.as_bytes(), Some(&Password::new(Vec::new()))).is_ok());
}

#[test]
fn a_spoiled_encrypted_key_is_refused_without_a_panic() {
    let good = pair(SigningScheme::ED25519).private_key_to_encrypted_pem(PASSWORD).unwrap();
    let (label, json) = pkcs8::der::pem::decode_vec(good.as_bytes()).unwrap();
    let json = String::from_utf8(json).unwrap();
    let edited: serde_json::Value = serde_json::from_str(&json).unwrap();
    let spoil = |pointer: &str, with: serde_json::Value| {
        let mut edited = edited.clone();
        *edited.pointer_mut(pointer).unwrap() = with;
        edited.to_string()
    };
    let cases = [
        spoil("/cipher/nonce", "AAAA".into()),
        spoil("/cipher/nonce", "".into()),
        spoil("/cipher/name", "aes".into()),
        spoil("/kdf/name", "pbkdf2".into()),
        spoil("/kdf/params/N", 2_147_483_648_u32.into()),
        spoil("/kdf/params/N", 0.into()),
        spoil("/ciphertext", "AAAA".into()),
        spoil("/ciphertext", "".into()),
        "{}".to_owned(),
        "[]".to_owned(),
        " ".to_owned(),
    ];
    for text in cases {
        let ending = pkcs8::der::pem::LineEnding::LF;
        let pem = pkcs8::der::pem::encode_string(label, ending, text.as_bytes()).unwrap();
        let read = PrivateKey::from_pem(pem.as_bytes(), Some(&password()));
        assert_eq!(read.err(), Some(KeyFileError::Decrypt), "{text}");
    }
}

/// Made with `openssl ecparam -genkey`, `openssl genpkey` and `openssl pkcs8 -topk8`, password `correct horse`.
#[test]
fn keys_of_openssl_open() {
    let files = [
        ("SEC 1 with parameters", SEC1),
        ("PKCS #1", PKCS1),
        ("PBES2 with PBKDF2", PBES2),
        ("PBES2 with scrypt", PBES2_SCRYPT),
        ("Ed25519", ED25519),
    ];
    for (what, pem) in files {
        let key = PrivateKey::from_pem(pem.as_bytes(), Some(&password()));
        let key = key.unwrap_or_else(|error| panic!("{what}: {error}"));
        let signature = key.sign(b"message").unwrap();
        assert!(key.public_key().verifies(b"message", &signature), "{what}");
    }
    for pem in [PBES2, PBES2_SCRYPT] {
        let wrong = PrivateKey::from_pem(pem.as_bytes(), Some(&Password::new(b"x".to_vec())));
        assert_eq!(wrong.err(), Some(KeyFileError::Decrypt));
        let none = PrivateKey::from_pem(pem.as_bytes(), None);
        assert_eq!(none.err(), Some(KeyFileError::NoPassword));
    }
}

/// A key file is the operator's own, and may still be a stranger's. A cost of zero would make the crate panic.
#[test]
fn a_key_file_cannot_ask_for_the_whole_machine() {
    use pkcs8::pkcs5::{EncryptionScheme, pbes2::Kdf};
    let scheme = |pem: &str, change: &dyn Fn(&mut Kdf)| {
        let (_, der) = pkcs8::der::pem::decode_vec(pem.as_bytes()).unwrap();
        let info = pkcs8::EncryptedPrivateKeyInfoRef::try_from(der.as_slice()).unwrap();
        let EncryptionScheme::Pbes2(mut parameters) = info.encryption_algorithm else {
            panic!("no PBES2")
        };
        change(&mut parameters.kdf);
        EncryptionScheme::Pbes2(parameters)
    };
    let scrypt = |cost: u64, block: u16, lanes: u16| {
        let scheme = scheme(PBES2_SCRYPT, &|kdf| {
            let Kdf::Scrypt(scrypt) = kdf else { panic!("no scrypt") };
            (scrypt.cost_parameter, scrypt.block_size, scrypt.parallelization) =
                (cost, block, lanes);
        });
        key::affordable(&scheme)
    };
    let pbkdf2 = |rounds: u32| {
        let scheme = scheme(PBES2, &|kdf| {
            let Kdf::Pbkdf2(pbkdf2) = kdf else { panic!("no PBKDF2") };
            pbkdf2.iteration_count = rounds;
        });
        key::affordable(&scheme)
    };
    assert!(scrypt(1 << 14, 8, 1) && scrypt(1 << 18, 8, 16));
    assert!(!scrypt(0, 8, 1) && !scrypt(1, 8, 1) && !scrypt(1 << 14, 0, 1));
    assert!(!scrypt((1 << 18) + 1, 8, 1) && !scrypt(1 << 18, 8, 17));
    assert!(!scrypt(u64::MAX, u16::MAX, 1));
    assert!(pbkdf2(2048) && pbkdf2(10_000_000) && !pbkdf2(10_000_001));
}

proptest::proptest! {
    #[test]
    fn no_file_makes_the_reader_panic(
        label in "(ENCRYPTED |EC |RSA |ENCRYPTED SIGSTORE )?PRIVATE KEY",
        content in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200),
        text in ".{0,200}",
    ) {
        let ending = pkcs8::der::pem::LineEnding::LF;
        let pem = pkcs8::der::pem::encode_string(&label, ending, &content).unwrap();
        proptest::prop_assert!(PrivateKey::from_pem(pem.as_bytes(), Some(&password())).is_err());
        proptest::prop_assert!(PrivateKey::from_pem(text.as_bytes(), None).is_err());
    }
}

#[test]
fn what_is_no_private_key_is_refused() {
    let good = pair(SigningScheme::ECDSA_P256_SHA256_ASN1);
    let pem = good.private_key_to_pem().unwrap();
    let public = good.public_key_to_pem().unwrap();
    let cases = [
        (String::new(), KeyFileError::NotPem),
        (public, KeyFileError::NotPem),
        (format!("{}{}", *pem, *pem), KeyFileError::Several { found: 2 }),
        (
            pem.replace("PRIVATE KEY", "OPENSSH PRIVATE KEY"),
            KeyFileError::Label { label: "OPENSSH PRIVATE KEY".to_owned() },
        ),
        (
            pem.replace("BEGIN PRIVATE KEY-----", "BEGIN PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED"),
            KeyFileError::Legacy,
        ),
        (pem.replace("PRIVATE KEY", "RSA PRIVATE KEY"), KeyFileError::Kind),
        (pem.lines().next().unwrap().to_owned(), KeyFileError::NotPem),
        (
            format!("{}{}", *pem, " ".repeat(key::MAX_KEY_BYTES)),
            KeyFileError::TooLarge { found: pem.len() + key::MAX_KEY_BYTES },
        ),
    ];
    for (text, want) in cases {
        assert_eq!(PrivateKey::from_pem(text.as_bytes(), None).err(), Some(want), "{text:.200}");
    }
    assert_eq!(PrivateKey::from_pem(b"\xff", None).err(), Some(KeyFileError::NotPem));
}

#[test]
fn nothing_prints_a_secret() {
    let pem = pair(SigningScheme::ED25519).private_key_to_pem().unwrap();
    let body = pem.lines().nth(1).unwrap().to_owned();
    let signer = Signer::Key(Box::new(key(&pem)));
    let shown = format!("{:?} {signer:?}", password());
    assert!(!shown.contains("horse") && !shown.contains(&body), "{shown}");
}

#[tokio::test]
async fn a_statement_about_something_else_is_not_signed() {
    let limits = Limits::default();
    let other = serde_json::json!({ "sha256": "ab".repeat(32) });
    let ours = serde_json::json!({ "sha256": index().hex() });
    let about = |subjects: serde_json::Value| statement_about(SPDX, subjects);
    let cases = [
        statement(SPDX, &manifest()),
        about(serde_json::json!([{ "digest": ours }, { "digest": other }])),
        about(serde_json::json!([{ "digest": ours }, { "name": "x", "digest": { "sha1": "ab" } }])),
        about(serde_json::json!([{ "digest": ours }, { "name": "x" }])),
    ];
    for payload in cases {
        let refused = signer().sign_statement(&payload, &index(), &limits).await;
        let text = String::from_utf8_lossy(&payload).into_owned();
        assert!(matches!(refused, Err(SignError::Subject { .. })), "{text}: {refused:?}");
    }
    for payload in [&b"{}"[..], b"[]", b"", b"{\"_type\":1}"] {
        let refused = signer().sign_statement(payload, &index(), &limits).await;
        assert!(matches!(refused, Err(SignError::Statement(_))), "{refused:?}");
    }
    assert!(signer().sign_statement(&statement(SPDX, &index()), &index(), &limits).await.is_ok());
}

/// A program that is a shell script, with a key of its own.
struct Script {
    folder: tempfile::TempDir,
    public: PublicKey,
}

impl Script {
    fn new(scheme: SigningScheme) -> Self {
        Self::with(&pair(scheme).private_key_to_pem().unwrap())
    }

    fn with(pem: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("key.pem"), pem).unwrap();
        Self { folder, public: key(pem).public_key().clone() }
    }

    fn program(&self, script: &str, input: ProgramInput, seconds: u64) -> Signer {
        let key = self.folder.path().join("key.pem");
        let arguments = ["-c", script, "sign", key.to_str().unwrap()].map(OsString::from);
        let limit = Duration::from_secs(seconds);
        Signer::Program(Program::new(
            "sh".into(),
            arguments.to_vec(),
            input,
            self.public.clone(),
            limit,
        ))
    }

    async fn sign(&self, script: &str, input: ProgramInput) -> Result<SignedStatement, SignError> {
        self.program(script, input, 20).sign_image(&index(), &Limits::default()).await
    }
}

const DIGEST: &str = "openssl pkeyutl -sign -inkey \"$1\"";

#[tokio::test]
async fn a_program_signs_a_digest_raw_or_in_base64() {
    let kinds = [
        (SigningScheme::ECDSA_P256_SHA256_ASN1, "sha256"),
        (SigningScheme::ECDSA_P384_SHA384_ASN1, "sha384"),
        (SigningScheme::ECDSA_P521_SHA512_ASN1, "sha512"),
        (SigningScheme::RSA_PKCS1_SHA256(2048), "sha256"),
    ];
    for (scheme, hash) in kinds {
        let script = Script::new(scheme);
        let sign = format!("{DIGEST} -pkeyopt digest:{hash}");
        let forms = [
            sign.clone(),
            format!("{sign} | base64"),
            format!("printf 'vault:v1:'; {sign} | base64 -w 0"),
        ];
        for form in forms {
            let signed = script.sign(&form, ProgramInput::Digest).await;
            assert!(signed.is_ok(), "{scheme}: {form}: {signed:?}");
        }
    }
}

#[tokio::test]
async fn a_program_signs_a_message() {
    let script = Script::new(SigningScheme::ECDSA_P256_SHA256_ASN1);
    let signed = script.sign("openssl dgst -sha256 -sign \"$1\"", ProgramInput::Message).await;
    assert!(signed.is_ok(), "{signed:?}");
    // OpenSSL reads its own keys of this kind, and not those with the public half in them.
    let ed25519 = Script::with(ED25519);
    let sign = "t=$(mktemp); cat > \"$t\"; openssl pkeyutl -sign -rawin -in \"$t\" -inkey \"$1\"; rm \"$t\"";
    let signed = ed25519.sign(sign, ProgramInput::Message).await;
    assert!(signed.is_ok(), "{signed:?}");
    let refused = ed25519.sign(sign, ProgramInput::Digest).await;
    assert!(matches!(refused, Err(SignError::Program(ProgramError::NeedsMessage))), "{refused:?}");
}

#[tokio::test]
async fn a_program_that_does_not_sign_this_is_found_out() {
    let script = Script::new(SigningScheme::ECDSA_P256_SHA256_ASN1);
    let other = Script::new(SigningScheme::ECDSA_P256_SHA256_ASN1);
    let key = other.folder.path().join("key.pem");
    let of_other =
        format!("openssl pkeyutl -sign -pkeyopt digest:sha256 -inkey '{}'", key.display());
    let cases = [
        of_other,
        "cat > /dev/null; printf x | openssl dgst -sha256 -sign \"$1\"".to_owned(),
        "cat".to_owned(),
        "true".to_owned(),
        "echo AAAA".to_owned(),
    ];
    for case in cases {
        let refused = script.sign(&case, ProgramInput::Digest).await;
        assert!(
            matches!(refused, Err(SignError::Program(ProgramError::Signature { .. }))),
            "{case}: {refused:?}"
        );
    }
}

#[tokio::test]
async fn a_program_is_bounded_in_time_and_output() {
    let script = Script::new(SigningScheme::ECDSA_P256_SHA256_ASN1);
    let refused = script.sign("head -c 16385 /dev/zero", ProgramInput::Digest).await;
    assert!(matches!(refused, Err(SignError::Program(ProgramError::Long { .. }))), "{refused:?}");
    let refused = script.sign("yes", ProgramInput::Digest).await;
    assert!(matches!(refused, Err(SignError::Program(ProgramError::Long { .. }))), "{refused:?}");
    let refused = script.sign("head -c 16384 /dev/zero", ProgramInput::Digest).await;
    assert!(
        matches!(refused, Err(SignError::Program(ProgramError::Signature { .. }))),
        "{refused:?}"
    );
    let slow = script.program("sleep 600", ProgramInput::Digest, 1);
    let before = std::time::Instant::now();
    let refused = slow.sign_image(&index(), &Limits::default()).await;
    assert!(matches!(refused, Err(SignError::Program(ProgramError::Slow { .. }))), "{refused:?}");
    assert!(before.elapsed() < Duration::from_secs(30));
}

#[tokio::test]
async fn a_program_that_fails_says_why() {
    let script = Script::new(SigningScheme::ECDSA_P256_SHA256_ASN1);
    let refused = script.sign("echo no such key >&2; exit 3", ProgramInput::Digest).await;
    let text = refused.unwrap_err().to_string();
    assert!(text.contains("exit status: 3") && text.contains("no such key"), "{text}");
    let limit = Duration::from_secs(5);
    let program = Program::new(
        "hallmark-test-that-is-nowhere".into(),
        Vec::new(),
        ProgramInput::Digest,
        script.public.clone(),
        limit,
    );
    let refused = Signer::Program(program).sign_image(&index(), &Limits::default()).await;
    assert!(matches!(refused, Err(SignError::Program(ProgramError::Start { .. }))), "{refused:?}");
}

const SEC1: &str = "\
-----BEGIN EC PARAMETERS-----\n\
BggqhkjOPQMBBw==\n\
-----END EC PARAMETERS-----\n\
-----BEGIN EC PRIVATE KEY-----\n\
MHcCAQEEIKxxzqbpvvDdPAkvUg+cBeI8Fuo2XP9YACuQt6l+sf4boAoGCCqGSM49\n\
AwEHoUQDQgAE0kKNCol7y3e9YbvvBOZTe/DJHLLClEUV/r5HMLrLCAhlU3QV4Ofo\n\
k+VJadEeOwRlpf9JoZBoK4TN44zg0PfNSw==\n\
-----END EC PRIVATE KEY-----\n\
";

const PKCS1: &str = "\
-----BEGIN RSA PRIVATE KEY-----\n\
MIIEogIBAAKCAQEAv+osFTyGUoS9AwhYGGvtsAMzRluUCqJSsQTcXjbV568CU4SC\n\
5igH/xXLcoPsZQW8hLPKyx2LX9/T8CEiEjSrMZcdyIFvDRpwmX/cIh8q1mTITiad\n\
azSDHE9pHBHuINrIPTCMTg6b5YUhdCnPRK0uuNqLVNMs6oeHVm6iDhOHXiO/NFUg\n\
8CoBk6bhvtea8v1L1OBTblMqnyq1XdXoy/MVmtQtYIV1ZefB7PoRDY0CFLUFu2ht\n\
Y+bek6e76SvAc6pw4U+VgFZlQJXrWTpQDloM3U3VrCIwR/VuboXjAIIIde4UbbMj\n\
1S1XjHzTjvXECFIAK5Pz+lxSCa/hxXEU/0yYHQIDAQABAoIBAAX5COqw4chQxilb\n\
DOAKGd4yV00inZqjUloDU5ChRpDjMjoWfW47nQLlsxl+POQol8unsdFjYVqFEFpH\n\
ABtOpTmFOu5qBgjQUH4cGKYjz+HXLKG8BqAW+Atwdqe8PVJFJNnv3rbK/xow6/ZE\n\
Z9ihRpTTt/+v+9QHweDhHBOLX/LmyzX1xupbK0OzD1ZzJiuSMIEpbC5rv8IU/gK8\n\
MlFcXWjiQu9PM4tzKIP89RJSg2CItOCSKOwn951V7UdmPlYFbMklHirrDZX6hb+o\n\
xV58jDl5mp1NJkodoVPz/pBVpYiipfzFYLUk5ipmYocyS6yWFrJfLekJn6d+WIMr\n\
K9lEtJECgYEA3eS6P+Hcf0hI/dhSY8vuPJ0Z/ovxWvqzW12UHy9zAQa58lZr0/tq\n\
F26jpb1PjukG36CT2Zqnv209yQjVG0lJGK7yFEXrlcmu994L9TcAvAIIxPV6Ee4N\n\
8KIZfAHdyl6QDi4u4dp9Ba20+232b589ZBf/NAF6NE5HQHPFGkbvIPECgYEA3WnQ\n\
OYTGdkfWOemVotoGWIEGuE8qYaitVcfGmosjT+VBdPxQfCOLhULKvGi8Tf6RL4PF\n\
uUsVXhs7WcYY8G1DmoiQ9oiAcrhJVH3SFNLUDwQ4fyG8O6Mui1y3F5x1bj8BkdIs\n\
2QeloZoIEkStaXLRkD1KpmdBB3U1wm75fKnsqe0CgYBNCHsgcmj6Rz4P4mm3+7RZ\n\
lrDPjgXcb+yUa4hgyzhBwvQLDbWhgkbym5Z0k6RrGLsqJ7UsdmSGMIaipE5Xirm1\n\
uAaSwzNmbP4xTwUXvGCk5I/m0NHwJ5TvVVdDleJJv0qDocTk49VDg2qxXxuO5NmL\n\
Rkly5JBoWESkO4zR8o5SAQKBgEIP6kLfLN/puy94VF9MsgwCI2EmrbyJuX4Yp1dB\n\
IH4cJxWimtkPOfe+4AKrNVQIGoWUyY/pqSx075Zvls1VrJAVIzuLqtePyMFe8Smp\n\
ZgA9ACZeiG062Q5X0YFH+3mzbuJ1VVBECdVXwgTBXQRTb9ebkgRoVmzFOg8TUXky\n\
shxZAoGAfplCMNWkSL82lzByPkw+L1NA6GdRBptZ5LZwtv5H2T+Ct0ol7IsBzJSA\n\
cYrSV1M+4yq0qD9HCe5R7n+XJQTMDXHI9PH8YUMTlERlGfRZLCh8D+A6gpExwjVJ\n\
D3aWQQD5camqse3e7Y801rXrdtfSqFuvo4XsDk253F5UCKWukco=\n\
-----END RSA PRIVATE KEY-----\n\
";

const PBES2: &str = "\
-----BEGIN ENCRYPTED PRIVATE KEY-----\n\
MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAjvuGtgx913wwICCAAw\n\
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEENrzHVtUpRT80yPvDeh3JAgEgZAJ\n\
mZaP/8tN5hwg/IliNyy/iTicqQC9oP/XRdfQEZ7T6PKNOzog4kTC7OGvx0ubPZss\n\
/CD817/nFUyOVUaqXB4oL22rrZtf4HY84JUhMTwt57O/xILgbC3WzDhR5s1FfHwJ\n\
PhOtN2p+363+Egyr9zCVQoHAEpJrylMz4mR1hG4MlN2ZSGvFH2b34A3ToEwpRFI=\n\
-----END ENCRYPTED PRIVATE KEY-----\n\
";

const PBES2_SCRYPT: &str = "\
-----BEGIN ENCRYPTED PRIVATE KEY-----\n\
MIHkME8GCSqGSIb3DQEFDTBCMCEGCSsGAQQB2kcECzAUBAiF9EloM+oVkgICQAAC\n\
AQgCAQEwHQYJYIZIAWUDBAEqBBCSA5O5xD/KK1x8jJd8hAamBIGQo0gE6fhzcmZ9\n\
tQakjgyJnm6zwncIROPI0RK0dTi2tvH8hnb/b/aJxfiTLEYrI+V11DfyUiQYEeuP\n\
zE0hU5VNHRL2G9gDmdSxRbwurER2Lrt4QnN8dQJyepEfGzkBrLOyVWBklVYY3nkA\n\
Xx0O2ndu4J+l1nq1TmkxT/uUeDBEhRpQ5sta0bWWmqzkIxJaruOm\n\
-----END ENCRYPTED PRIVATE KEY-----\n\
";

const ED25519: &str = "\
-----BEGIN PRIVATE KEY-----\n\
MC4CAQAwBQYDK2VwBCIEIAcyJ3Vt+wDZN3cxuvQ7vp6yu666TGS3gRvQDt3/yX+s\n\
-----END PRIVATE KEY-----\n\
";
