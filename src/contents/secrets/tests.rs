//! A labelled table: what is a secret and has to be found, and what looks like one and must not be.
//!
//! No secret stands in this file: keys and tokens are made while the tests run, from a fixed sequence of numbers. Places in
//! braces are filled: `{:a36}` are 36 letters and digits, `{:crc}` a body with its checksum, `{:rsa}` a key.

mod beside;
mod recorded;
mod table;
mod whole;
mod written;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::Crc;

use super::collector::SecretsCollector;
use super::*;
use crate::{
    image::collect::{Collector, HEAD_BYTES, Seen},
    limits::Limits,
};

use table::{FORMS, LOOK_ALIKES, POSITIVES};

const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+/";

/// Numbers that look random and are the same in each run.
struct Sequence(u64);

impl Sequence {
    fn next(&mut self, below: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % below
    }

    fn of(&mut self, letters: &[u8], count: usize) -> String {
        (0..count).map(|_| char::from(letters[self.next(letters.len())])).collect()
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next(256) as u8).collect()
    }
}

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match content.len() {
        short @ ..=0x7f => out.push(short as u8),
        middle @ 0x80..=0xff => out.extend([0x81, middle as u8]),
        long => out.extend([0x82, (long >> 8) as u8, long as u8]),
    }
    out.extend(content);
    out
}

fn integer(content: &[u8]) -> Vec<u8> {
    der(2, &[&[0x11][..], content].concat())
}

/// The bytes of a key of this name.
fn key(name: &str, random: &mut Sequence) -> (&'static str, Vec<u8>) {
    let small = |number: u8| der(2, &[number]);
    let oid = || der(0x30, &der(6, &[0x2a, 0x86, 0x48]));
    let long = |count: usize| (count as u32).to_be_bytes();
    match name {
        "rsa" => {
            let numbers = [
                integer(&random.bytes(255)),
                der(2, &[1, 0, 1]),
                integer(&random.bytes(255)),
                integer(&random.bytes(127)),
            ];
            ("RSA PRIVATE KEY", der(0x30, &[small(0), numbers.concat()].concat()))
        }
        "dsa" => {
            let numbers = [
                integer(&random.bytes(127)),
                integer(&random.bytes(19)),
                integer(&random.bytes(127)),
                integer(&random.bytes(19)),
            ];
            ("DSA PRIVATE KEY", der(0x30, &[small(0), numbers.concat()].concat()))
        }
        "ec" => ("EC PRIVATE KEY", der(0x30, &[small(1), der(4, &random.bytes(32))].concat())),
        "pkcs8" => {
            ("PRIVATE KEY", der(0x30, &[small(0), oid(), der(4, &random.bytes(120))].concat()))
        }
        "locked" => {
            ("ENCRYPTED PRIVATE KEY", der(0x30, &[oid(), der(4, &random.bytes(120))].concat()))
        }
        "ssh" | "sshlocked" => {
            let cipher: &[u8] = if name == "ssh" { b"none" } else { b"aes256-ctr" };
            let parts =
                [b"openssh-key-v1\0".as_slice(), &long(cipher.len()), cipher, &random.bytes(200)];
            ("OPENSSH PRIVATE KEY", parts.concat())
        }
        "pgp" | "pgplocked" => {
            let usage = if name == "pgp" { 0 } else { 254 };
            let mpi = |random: &mut Sequence, bits: u16| {
                [bits.to_be_bytes().to_vec(), random.bytes(usize::from(bits).div_ceil(8))].concat()
            };
            let body = [
                vec![4, 1, 2, 3, 4, 1],
                mpi(random, 2048),
                mpi(random, 17),
                vec![usage],
                random.bytes(80),
            ]
            .concat();
            (
                "PGP PRIVATE KEY BLOCK",
                [&[0x95, (body.len() >> 8) as u8, body.len() as u8][..], &body].concat(),
            )
        }
        other => unreachable!("{other}"),
    }
}

/// A key in PEM, with these line ends.
fn pem(name: &str, end: &str, random: &mut Sequence) -> String {
    let (word, bytes) = key(name, random);
    let text = STANDARD.encode(bytes);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    let head =
        if word.starts_with("PGP") { format!("Version: 1{end}{end}") } else { String::new() };
    let tail = if word.starts_with("PGP") { format!("{end}=abcd") } else { String::new() };
    format!(
        "-----BEGIN {word}-----{end}{head}{}{tail}{end}-----END {word}-----{end}",
        lines.join(end)
    )
}

fn crc62(body: &str) -> String {
    let mut crc = Crc::new();
    crc.update(body.as_bytes());
    let mut sum = crc.sum();
    let digits = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut out = [b'0'; 6];
    for digit in out.iter_mut().rev() {
        *digit = digits[sum as usize % 62];
        sum /= 62;
    }
    format!("{body}{}", String::from_utf8_lossy(&out))
}

/// Fills what stands in braces.
fn filled(template: &str, random: &mut Sequence) -> String {
    let mut out = String::new();
    let mut rest = template;
    while let Some((before, behind)) = rest.split_once("{:") {
        let (what, more) = behind.split_once('}').unwrap();
        out.push_str(before);
        out.push_str(&piece(what, random));
        rest = more;
    }
    out + rest
}

fn piece(what: &str, random: &mut Sequence) -> String {
    let (class, count) = what.split_at(1);
    if let Ok(count) = count.parse() {
        return match class {
            "a" => random.of(&LETTERS[..62], count),
            "u" => random.of(&LETTERS[..64], count),
            "b" => random.of(
                &LETTERS.iter().copied().filter(|c| !b"_-".contains(c)).collect::<Vec<_>>(),
                count,
            ),
            "h" => random.of(b"0123456789abcdef", count),
            "d" => random.of(b"0123456789", count),
            "A" => random.of(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", count),
            "Q" => random.of(b"QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", count),
            other => unreachable!("{other}"),
        };
    }
    let url = |json: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(json);
    match what {
        "crc" => crc62(&random.of(&LETTERS[..62], 30)),
        "jwt-kubernetes" => format!(
            "{}.{}.{}",
            url(r#"{"alg":"RS256","kid":"x"}"#),
            url(r#"{"iss":"kubernetes/serviceaccount","sub":"system:serviceaccount:a:b"}"#),
            random.of(&LETTERS[..64], 342)
        ),
        "jwt-other" => format!(
            "{}.{}.{}",
            url(r#"{"alg":"RS256"}"#),
            url(r#"{"iss":"https://idp.corp","sub":"1"}"#),
            random.of(&LETTERS[..64], 342)
        ),
        "jwt-none" => format!(
            "{}.{}.{}",
            url(r#"{"alg":"none"}"#),
            url(r#"{"iss":"kubernetes/serviceaccount"}"#),
            random.of(&LETTERS[..64], 64)
        ),
        "account" => STANDARD.encode(format!("bot:{}", random.of(&LETTERS[..62], 12))),
        "grafana" => {
            let body = format!("glsa_{}", random.of(&LETTERS[..62], 32));
            let mut crc = Crc::new();
            crc.update(body.as_bytes());
            format!("{body}_{:08x}", crc.sum())
        }
        _ => {
            let (form, name) = what.split_once('-').unwrap_or(("", what));
            match form {
                "" => pem(name, "\n", random),
                "crlf" => pem(name, "\r\n", random),
                "json" => pem(name, "\\n", random),
                "yaml" => pem(name, "\n    ", random),
                "base64" => STANDARD.encode(pem(name, "\n", random)),
                "url" => escaped(&pem(name, "\n", random)),
                "urlcrlf" => escaped(&pem(name, "\r\n", random)),
                "form" => escaped(&pem(name, "\n", random)).replace("%20", "+"),
                "dashes" => escaped(&pem(name, "\n", random)).replace('-', "%2d"),
                "twice" => escaped(&pem(name, "\n", random)).replace('%', "%25"),
                other => unreachable!("{other}"),
            }
        }
    }
}

/// Text as a part of a URL.
fn escaped(text: &str) -> String {
    let pairs = [('%', "%25"), ('+', "%2B"), ('/', "%2F"), ('=', "%3D"), (' ', "%20")];
    let breaks = [('\r', "%0D"), ('\n', "%0A"), (':', "%3A")];
    let all = pairs.into_iter().chain(breaks);
    all.fold(text.to_owned(), |text, (letter, escape)| text.replace(letter, escape))
}

/// What is found in a file of this content: kinds, and `!` where a passphrase protects it.
fn found(path: &str, content: &[u8], piece: usize) -> String {
    let mut collector = SecretsCollector::new(&Limits::default());
    let head = content.get(..HEAD_BYTES).unwrap_or(content);
    let file = Seen { path, mode: 0o644, size: content.len() as u64, layer: 0, inode: 1, head };
    if collector.wants(&file) {
        content.chunks(piece).for_each(|bytes| collector.take(bytes));
        collector.close();
    }
    let said = |secret: &Secret| {
        format!("{}{}", secret.kind.word(), if secret.encrypted { "!" } else { "" })
    };
    let words: Vec<_> = collector.secrets().map(said).collect();
    words.join(" ")
}

fn utf16(text: &str, little: bool, mark: bool) -> Vec<u8> {
    let units = mark.then_some(0xfeff).into_iter().chain(text.encode_utf16());
    units.flat_map(|unit| if little { unit.to_le_bytes() } else { unit.to_be_bytes() }).collect()
}

#[test]
fn every_secret_of_the_table_is_found_and_no_look_alike() {
    let random = &mut Sequence(7);
    let mut positives = 0;
    for (path, template, want) in POSITIVES {
        let content = filled(template, random);
        for piece in [1 << 16, 100, 7] {
            assert_eq!(found(path, content.as_bytes(), piece), *want, "{path}: {content}");
        }
        // What stands around it changes nothing, wherever it lies.
        if path.starts_with("/app/a") || path.ends_with(".pem") {
            let far = format!(
                "{}\n{content}\n{}",
                "some words of text\n".repeat(6000),
                "more\n".repeat(30)
            );
            assert_eq!(found(path, far.as_bytes(), 1 << 16), *want, "far: {path}: {template}");
            for (little, mark) in [(true, true), (false, true), (true, false)] {
                let wide = utf16(&content, little, mark);
                assert_eq!(found(path, &wide, 4097), *want, "UTF-16: {path}: {template}");
            }
        }
        positives += 1;
    }
    // Programs are searched for keys, and for tokens that prove themselves.
    for (template, want) in [
        ("{:rsa}", "private-key"),
        ("{:ssh}", "private-key"),
        ("ghp_{:crc}\0", "github-token"),
        ("npm_{:crc}\0", "npm-token"),
        ("{:grafana}\0", "grafana-token"),
    ] {
        let program = [
            b"\x7fELF\0\0\0\x01".repeat(40_000),
            filled(template, random).into_bytes(),
            vec![0; 99],
        ]
        .concat();
        assert_eq!(found("/app/program", &program, 1 << 16), want, "{template}");
        positives += 1;
    }
    let mut look_alikes = 0;
    let mut none = |path: &str, content: &[u8]| {
        assert_eq!(
            found(path, content, 1 << 16),
            "",
            "{path}: {}",
            String::from_utf8_lossy(content)
        );
        look_alikes += 1;
    };
    for (path, template) in LOOK_ALIKES {
        none(path, filled(template, random).as_bytes());
    }
    for (begin, class, count) in FORMS {
        none("/app/a", format!("{begin}{}", "x".repeat(*count)).as_bytes());
        let body = filled(&format!("{{:{class}{}}}", count - 1), random);
        none("/app/a", format!("{begin}{}", &body[..body.len().min(19)]).as_bytes());
    }
    for template in [
        "glpat-{:a20}\0",
        "sk_live_{:a24}\0",
        "-----BEGIN RSA PRIVATE KEY-----\0",
        "AKIA{:A16}\0{:b40}\0",
    ] {
        let program =
            [b"\x7fELF\0\0\0\x01".to_vec(), filled(template, random).into_bytes()].concat();
        none("/app/program", &program);
    }
    assert!(
        positives >= 60 && look_alikes >= 120,
        "{positives} secrets, {look_alikes} look-alikes"
    );
}

#[test]
fn places_are_told_by_line_and_offset() {
    let random = &mut Sequence(9);
    let text = format!("one\ntwo\ntoken: {}\n", filled("ghp_{:crc}", random));
    let place = |content: &[u8]| {
        let mut collector = SecretsCollector::new(&Limits::default());
        let head = content.get(..HEAD_BYTES).unwrap_or(content);
        let file =
            Seen { path: "/a", mode: 0, size: content.len() as u64, layer: 3, inode: 1, head };
        assert!(collector.wants(&file));
        content.chunks(1 << 16).for_each(|bytes| collector.take(bytes));
        collector.close();
        let secret = collector.secrets().next().unwrap().clone();
        match secret.source {
            Source::File { spot, offset, line, .. } => (spot.layer, offset, line),
            Source::Config { .. } => unreachable!(),
        }
    };
    assert_eq!(place(text.as_bytes()), (Some(3), Some(15), Some(3)));
    let far = format!("{}{text}", "line\n".repeat(100_000));
    assert_eq!(place(far.as_bytes()), (Some(3), Some(500_015), Some(100_003)));
    assert_eq!(place(&utf16(&text, true, true)), (Some(3), Some(32), Some(3)));
    let program = [vec![0; 100], text.into_bytes()].concat();
    assert_eq!(place(&program), (Some(3), Some(115), None));
}

#[test]
fn budgets_end_at_n_and_n_plus_one_and_say_so() {
    let random = &mut Sequence(11);
    let token = filled("ghp_{:crc}", random);
    let size = token.len() as u64;
    for (limit, searched) in [(size, true), (size - 1, false)] {
        let mut collector =
            SecretsCollector::new(&Limits { secret_bytes: limit, ..Limits::default() });
        let file = Seen { path: "/a", mode: 0, size, layer: 0, inode: 1, head: token.as_bytes() };
        assert_eq!(collector.wants(&file), searched);
        assert_eq!(collector.unsearched().count(), usize::from(!searched));
    }
    let mut collector = SecretsCollector::new(&Limits { facts: 1, ..Limits::default() });
    for inode in 1..=3 {
        let file = Seen { path: "/a", mode: 0, size, layer: 0, inode, head: token.as_bytes() };
        assert!(collector.wants(&file));
        collector.take(token.as_bytes());
        collector.close();
    }
    assert_eq!((collector.secrets().count(), collector.left_out()), (1, 2));
}

#[test]
fn a_file_of_nothing_but_beginnings_is_not_looked_at_for_ever() {
    let random = &mut Sequence(13);
    let body = random.of(LETTERS, 14);
    let wrapped = STANDARD.encode(format!("-----BEGIN RSA PRIVATE KEY-----{body}"));
    let escaped = "-----BEGIN%20PRIVATE%20KEY-----%0AMII";
    for word in [wrapped.as_str(), escaped, "eyJhbGciOi", "AKIAABCDEFGHIJKLMNOP "] {
        let text = word.repeat((1 << 20) / word.len());
        let mut collector = SecretsCollector::new(&Limits::default());
        let head = text.as_bytes().get(..HEAD_BYTES).unwrap();
        let file = Seen { path: "/a", mode: 0, size: 1, layer: 0, inode: 1, head };
        assert!(collector.wants(&file));
        // Sixteen times the same, so that the test does not hold it all.
        for _ in 0..16 {
            text.as_bytes().chunks(1 << 16).for_each(|bytes| collector.take(bytes));
        }
        collector.close();
        assert_eq!(collector.secrets().count(), 0, "{word}");
        let said: Vec<_> = collector.unsearched().collect();
        assert!(said.len() == 1 && said[0].contains("more places"), "{word}: {said:?}");
    }
}

#[test]
fn nothing_of_a_secret_is_in_what_is_said_of_it() {
    let random = &mut Sequence(15);
    for (path, template, _) in POSITIVES {
        let content = filled(template, random);
        let mut collector = SecretsCollector::new(&Limits::default());
        let head = content.as_bytes().get(..HEAD_BYTES).unwrap_or(content.as_bytes());
        let file = Seen { path, mode: 0, size: content.len() as u64, layer: 0, inode: 1, head };
        collector.wants(&file);
        collector.take(content.as_bytes());
        collector.close();
        let said = format!("{:?}", collector.secrets().collect::<Vec<_>>());
        let words =
            content.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| word.len() >= 8);
        for word in words.filter(|word| !path.contains(word)) {
            assert!(!said.contains(word), "{word} of {template}");
        }
    }
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300), begin in 0..30_usize, piece in 1..90_usize) {
        let begins = [
            "-----BEGIN PRIVATE KEY-----", "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEA", "LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0tCk1JSUI", "ghp_", "AKIA",
            "eyJhbGciOi", "\u{feff}", "-----BEGIN PGP PRIVATE KEY BLOCK-----\nlQ", "xoxb-", "PuTTY-User-Key-File-2: a\nEncryption: none\n",
            "-----BEGIN%20PRIVATE%20KEY-----%0AMII%", "\u{95}\u{1}", "-----BEGIN P\\x52IVATE&#32;KEY\\u002d----\\",
            "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQCAAAAAAAAAAAAAAAAAAAA",
            "lQHYBGAAAAABBADAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        ];
        let text = [begins[begin % begins.len()].as_bytes(), &bytes].concat();
        for path in ["/a", "/.netrc", "/.docker/config.json", "/.npmrc", "/.pgpass", "/.m2/settings.xml", "/.env", "/x.tfstate", "/.vault-token"] {
            found(path, &text, piece);
        }
    }
}
