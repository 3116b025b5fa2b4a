//! Authorities of one's own in PEM files: what each file may hold.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::*;

fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}

fn certificate(pair: &Pair) -> String {
    pem("CERTIFICATE", &pair.der)
}

#[test]
fn a_file_holds_blocks_of_its_label_and_no_others() {
    let (root, other) = (Pair::root("root", ALWAYS), Pair::root("other", ALWAYS));
    let good = certificate(&root);
    let cases: [(&str, String, bool); 11] = [
        ("one", good.clone(), true),
        ("two", good.clone() + &certificate(&other), true),
        ("text around them", format!("# mine\n{good}\n# the end\n"), true),
        ("lines of Windows", good.replace('\n', "\r\n"), true),
        ("another label behind it", good.clone() + &pem("PUBLIC KEY", b"x"), false),
        ("a label that goes on", good.replace("CERTIFICATE", "CERTIFICATE REQUEST"), false),
        ("another end", good.replace("END CERTIFICATE", "END PUBLIC KEY"), false),
        ("no end", good.replace("-----END CERTIFICATE-----", ""), false),
        ("the beginning of a beginning", "-----BEGIN ".to_owned(), false),
        (
            "no base64",
            "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n".to_owned(),
            false,
        ),
        ("no block", "a certificate".to_owned(), false),
    ];
    for (what, text, fine) in cases {
        let files = PrivateRoot { roots: text.as_bytes(), ..PrivateRoot::default() };
        match TrustedRoot::from_pem(&files) {
            Ok(_) => assert!(fine, "{what}"),
            Err(RootError::Pem("the roots")) => assert!(!fine, "{what}"),
            Err(other) => panic!("{what}: {other}"),
        }
    }
    let bytes = [good.as_bytes(), b"\xff"].concat();
    let files = PrivateRoot { roots: &bytes, ..PrivateRoot::default() };
    assert!(matches!(TrustedRoot::from_pem(&files), Err(RootError::Pem("the roots"))));
}

#[test]
fn a_root_of_ones_own_vouches_for_something() {
    let (root, log, tsa) = (Pair::root("root", ALWAYS), Log::new(), stamper("tsa"));
    let (roots, between) = (certificate(&root), certificate(&root.intermediate("between", ALWAYS)));
    let keys = pem("PUBLIC KEY", &log.public());
    let stamps = [(certificate(&tsa.0) + &certificate(&tsa.1)).into_bytes()];
    let (none, empty) = (PrivateRoot::default(), b" \n".as_slice());
    let cases: [(&str, PrivateRoot<'_>, bool); 6] = [
        (
            "authorities",
            PrivateRoot { roots: roots.as_bytes(), intermediates: empty, ..none },
            true,
        ),
        ("a log", PrivateRoot { log_keys: keys.as_bytes(), ..none }, true),
        ("a timestamp authority", PrivateRoot { timestamping: &stamps, ..none }, true),
        ("intermediates alone", PrivateRoot { intermediates: between.as_bytes(), ..none }, false),
        (
            "a log of certificates alone",
            PrivateRoot { ct_log_keys: keys.as_bytes(), ..none },
            false,
        ),
        ("files of no block", PrivateRoot { roots: empty, log_keys: empty, ..none }, false),
    ];
    for (what, files, fine) in cases {
        match TrustedRoot::from_pem(&files) {
            Ok(root) => assert!(fine && root.is_private(), "{what}"),
            Err(RootError::Empty) => assert!(!fine, "{what}"),
            Err(other) => panic!("{what}: {other}"),
        }
    }
}

#[test]
fn keys_of_logs_are_of_known_kinds_and_each_there_once() {
    let key = pem("PUBLIC KEY", &Log::new().public());
    let twice = key.clone() + &key;
    let unknown = pem("PUBLIC KEY", b"\x30\x00");
    let none = PrivateRoot::default();
    let of = |logs: &str, ct_logs: &str| {
        let files =
            PrivateRoot { log_keys: logs.as_bytes(), ct_log_keys: ct_logs.as_bytes(), ..none };
        TrustedRoot::from_pem(&files)
    };
    assert!(of(&key, &key).is_ok(), "one may be both");
    assert!(matches!(of(&twice, ""), Err(RootError::TwoLogs(_))));
    assert!(matches!(of(&key, &twice), Err(RootError::TwoLogs(_))));
    assert!(matches!(of(&unknown, ""), Err(RootError::Pem("the keys of logs"))));
    assert!(matches!(of(&key, &unknown), Err(RootError::Pem("the keys of certificate logs"))));
}

/// Read from the wrong end it would take the root for the one that stamps.
#[test]
fn a_timestamp_authority_begins_with_the_one_that_stamps() {
    let (leaf, root) = stamper("tsa");
    let of = |chain: &[&Pair]| {
        let files = [chain.iter().map(|pair| certificate(pair)).collect::<String>().into_bytes()];
        TrustedRoot::from_pem(&PrivateRoot { timestamping: &files, ..PrivateRoot::default() })
    };
    assert!(of(&[&leaf, &root]).is_ok());
    assert!(matches!(of(&[&root, &leaf]), Err(RootError::Order)));
}
