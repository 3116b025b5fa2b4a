//! Keys whose letters are written otherwise: in escapes, and in base64 without a marker.

use super::*;

/// Text with escapes of this form in the place of the letters that are chosen.
fn with(
    text: &str,
    escape: impl Fn(u8) -> String,
    is_chosen: impl Fn(usize, u8) -> bool,
) -> String {
    let letters = text.bytes().enumerate();
    letters
        .map(|(at, byte)| match is_chosen(at, byte) {
            true => escape(byte),
            false => char::from(byte).to_string(),
        })
        .collect()
}

/// Writes a letter as an escape.
type Escape = fn(u8) -> String;
/// Whether a letter is one, by its place.
type Choice = fn(usize, u8) -> bool;

/// How a letter may be escaped.
const ESCAPES: [(&str, Escape); 12] = [
    ("a URL", |byte| format!("%{byte:02X}")),
    ("a URL, in lower case", |byte| format!("%{byte:02x}")),
    ("a URL in a URL", |byte| format!("%25{byte:02X}")),
    ("JSON", |byte| format!("\\u{byte:04x}")),
    ("JSON in JSON", |byte| format!("\\\\u{byte:04X}")),
    ("JavaScript", |byte| format!("\\x{byte:02x}")),
    ("JavaScript, long", |byte| format!("\\u{{{byte:x}}}")),
    ("C", |byte| format!("\\{byte:03o}")),
    ("Python", |byte| format!("\\U{byte:08x}")),
    ("XML", |byte| format!("&#{byte};")),
    ("XML in XML", |byte| format!("&amp;#{byte};")),
    ("XML, in hexadecimal", |byte| format!("&#x{byte:X};")),
];

/// Which letters may be.
const CHOICES: [(&str, Choice); 9] = [
    ("dashes", |_, byte| byte == b'-'),
    ("spaces", |_, byte| byte == b' '),
    ("breaks", |_, byte| byte == b'\n'),
    ("signs", |_, byte| !byte.is_ascii_alphanumeric()),
    ("one letter of the word", |_, byte| byte == b'V'),
    ("the first letter of the word", |_, byte| byte == b'P'),
    ("letters of the last word", |_, byte| byte == b'Y'),
    ("every second", |at, _| at.is_multiple_of(2)),
    ("all", |_, _| true),
];

#[test]
fn c90_a_key_is_found_whichever_of_its_letters_are_escapes() {
    for name in ["ec", "pkcs8", "locked"] {
        let want = if name == "locked" { "private-key!" } else { "private-key" };
        let text = pem(name, "\n", &mut Sequence(51));
        for (form, escape) in ESCAPES {
            for (what, choice) in CHOICES {
                let content = format!("key: {}\n", with(&text, escape, choice));
                for piece in [1 << 16, 7] {
                    let hit = found("/app/a.txt", content.as_bytes(), piece);
                    assert_eq!(hit, want, "{name}, {what} as in {form}: {content}");
                }
            }
        }
        // Both ways at once, and forms with a plus for a space.
        let mixed = with(&text, |byte| format!("%{byte:02X}"), |_, byte| byte == b'-');
        let mixed = with(&mixed, |byte| format!("\\u{byte:04x}"), |_, byte| byte == b'\n');
        assert_eq!(found("/app/a.txt", mixed.as_bytes(), 1 << 16), want, "{mixed}");
        let form = with(&text, |byte| format!("%{byte:02X}"), |_, byte| b"\n+/=-".contains(&byte));
        let form = form.replace(' ', "+");
        assert_eq!(found("/app/a.txt", form.as_bytes(), 1 << 16), want, "{form}");
    }
    // One that is none before it hides none.
    let random = &mut Sequence(52);
    let both = format!("-----BEGIN PRIVATE KEY-----x{}", pem("ec", "\n", random));
    let both = with(&both, |byte| format!("%{byte:02X}"), |_, byte| byte == b'-');
    assert_eq!(found("/app/a.txt", both.as_bytes(), 1 << 16), "private-key");
    for none in [
        "-----BEGIN%20PRIVATE KEY%2D%2D%2D%2D%2D%0A...%0A-----END PRIVATE KEY-----",
        "#define P\\x52IVATE KEY %50RIVATE &#80;RIVATE KEY",
        "PRIVATE\\nKEY PRIVATE& PRIVATE%20KEYS",
    ] {
        assert_eq!(found("/app/a.txt", none.as_bytes(), 1 << 16), "", "{none}");
    }
}

#[test]
fn c90_a_key_in_base64_is_found_without_a_marker_and_at_each_place_of_one() {
    let random = &mut Sequence(53);
    let url = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    for (name, want) in [
        ("pgp", "pgp-private-key"),
        ("pgplocked", "pgp-private-key!"),
        ("pkcs8", "private-key"),
        ("locked", "private-key!"),
        ("rsa", "private-key"),
        ("ssh", "private-key"),
        ("sshlocked", "private-key!"),
    ] {
        // The binary form of RSA has all its numbers.
        let bytes = if name == "rsa" { whole::rsa(random) } else { key(name, random).1 };
        let text = STANDARD.encode(&bytes);
        let lines = |length: usize, end: &str| {
            let lines = text.as_bytes().chunks(length).map(String::from_utf8_lossy);
            lines.collect::<Vec<_>>().join(end)
        };
        for content in [
            text.clone(),
            format!("KEY={text}\n"),
            format!("{{\"a\": \"b\\n{text}\"}}"),
            format!("a: {}%3D%3D", url.encode(&bytes)),
            lines(64, "\n"),
            lines(76, "\r\n"),
            format!("\"{}\"", lines(64, "\\n")),
            format!("{}\n{text}", "A".repeat(80)),
        ] {
            for piece in [1 << 16, 7] {
                assert_eq!(found("/app/a.txt", content.as_bytes(), piece), want, "{content}");
            }
            let program = [&[0; 99][..], content.as_bytes(), &[0; 9]].concat();
            assert_eq!(found("/app/program", &program, 1 << 16), want, "{content}");
        }
        assert_eq!(found("/app/a", &text.as_bytes()[..text.len() / 2], 1 << 16), "", "{name}, cut");
    }
    for before in ["", "x", "xy", "{\"private_key\":\""] {
        for end in ["\n", "\\n"] {
            let text = STANDARD.encode(format!("{before}{}", pem("pkcs8", end, random)));
            assert_eq!(found("/app/a.txt", text.as_bytes(), 1 << 16), "private-key", "{before}");
        }
    }
    // One that has a marker is told once, and one that nobody protects beside one that is protected.
    let two =
        format!("{}\n{}\n", pem("locked", "\n", random), STANDARD.encode(key("pkcs8", random).1));
    assert_eq!(found("/app/a.txt", two.as_bytes(), 1 << 16), "private-key! private-key");
    let digest =
        der(0x30, &[der(0x30, &der(6, &[0x60, 0x86, 0x48])), der(4, &random.bytes(64))].concat());
    let certificates = (0..200).map(|_| STANDARD.encode(whole::certificate(random)) + "\n");
    for none in [
        STANDARD.encode(digest),
        certificates.collect(),
        STANDARD.encode(random.bytes(90_000)),
        (0..4000).map(|_| STANDARD.encode(random.bytes(57)) + "\n").collect(),
        (0..4000).map(|_| hex::encode(random.bytes(32)) + "  ./a/path\n").collect(),
    ] {
        let mut collector = SecretsCollector::new(&Limits::default());
        let file = Seen {
            path: "/a",
            mode: 0,
            size: none.len() as u64,
            layer: 0,
            inode: 1,
            head: &none.as_bytes()[..64],
        };
        assert!(collector.wants(&file));
        none.as_bytes().chunks(1 << 16).for_each(|bytes| collector.take(bytes));
        collector.close();
        assert_eq!(collector.secrets().count(), 0, "{:.200}", none);
        assert_eq!(collector.unsearched().count(), 0, "{:.200}", none);
    }
}

#[test]
fn c90_what_only_begins_so_is_not_looked_at_for_ever() {
    let text =
        STANDARD.encode([&[0x30, 0x82, 0x20, 0, 2, 1, 0, 0x30, 9, 6, 3][..], &[0; 40]].concat());
    // Honest texts with many escapes are searched to their ends.
    let escapes: String =
        (0..1 << 18).map(|at| format!("\\x{:02x}", 0x20 + at * 7 % 0x5f)).collect();
    let urls: String = (0..1 << 18).map(|at| format!("%{:02X}", 0x80 + at * 7 % 0x40)).collect();
    for (content, is_searched) in [
        (escapes.repeat(8), true),
        (urls.repeat(8), true),
        ("%2520".repeat(1 << 21), true),
        (format!("{text}\u{1}").repeat(1 << 17), true),
        ("%2D%2D%2D%2D%2DBEGIN PRIVATE KEY%2D%2D%2D%2D%2D%0A".repeat(1 << 18), false),
    ] {
        let mut collector = SecretsCollector::new(&Limits::default());
        let head = content.as_bytes().get(..HEAD_BYTES).unwrap();
        let file =
            Seen { path: "/a", mode: 0, size: content.len() as u64, layer: 0, inode: 1, head };
        assert!(collector.wants(&file));
        content.as_bytes().chunks(1 << 16).for_each(|bytes| collector.take(bytes));
        collector.close();
        assert_eq!(collector.secrets().count(), 0, "{:.99}", content);
        assert_eq!(collector.unsearched().count(), usize::from(!is_searched), "{:.99}", content);
    }
}
