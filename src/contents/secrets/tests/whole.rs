//! Files that are a key or a store of keys as a whole, and those that look like one.

use super::*;

/// The oid of this name.
fn oid(name: &str) -> Vec<u8> {
    der(6, pkcs8::der::asn1::ObjectIdentifier::new_unwrap(name).as_bytes())
}

fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    der(0x30, &parts.concat())
}

/// RSA, with all its numbers.
pub(super) fn rsa(random: &mut Sequence) -> Vec<u8> {
    let first = [der(2, &[0]), integer(&random.bytes(255)), der(2, &[1, 0, 1])];
    let numbers = (0..6).map(|_| integer(&random.bytes(127)));
    sequence(&first.into_iter().chain(numbers).collect::<Vec<_>>())
}

pub(super) fn certificate(random: &mut Sequence) -> Vec<u8> {
    let algorithm = sequence(&[oid("1.2.840.113549.1.1.11")]);
    let version = der(0xa0, &der(2, &[2]));
    let body = sequence(&[version, integer(&random.bytes(8)), algorithm.clone()]);
    sequence(&[body, algorithm, der(3, &random.bytes(129))])
}

/// A store of PKCS#12 with these contents of the type `data`, and encrypted ones beside.
fn pkcs12(bags: &[Vec<u8>], random: &mut Sequence) -> Vec<u8> {
    let explicit = |content: &[u8]| der(0xa0, content);
    let data = |octets: &[u8]| sequence(&[oid("1.2.840.113549.1.7.1"), explicit(&der(4, octets))]);
    let hidden = sequence(&[
        oid("1.2.840.113549.1.7.6"),
        explicit(&sequence(&[der(2, &[0]), der(4, &random.bytes(300))])),
    ]);
    let safe = sequence(&[hidden, data(&sequence(bags))]);
    sequence(&[der(2, &[3]), data(&safe), sequence(&[der(4, &random.bytes(20))])])
}

fn bag(kind: u8, value: &[u8]) -> Vec<u8> {
    let kind = oid(&format!("1.2.840.113549.1.12.10.1.{kind}"));
    sequence(&[kind, der(0xa0, value), der(0x31, &[])])
}

/// A keystore of Java with entries of these tags and contents.
fn java(magic: u32, entries: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let number = |number: usize| (number as u32).to_be_bytes().to_vec();
    let text = |text: &str| [&(text.len() as u16).to_be_bytes()[..], text.as_bytes()].concat();
    let mut out = [magic.to_be_bytes().to_vec(), number(2), number(entries.len())].concat();
    for (tag, content) in entries {
        out.extend([number(*tag as usize), text("alias"), vec![0; 8]].concat());
        out.extend(match tag {
            2 => [text("X.509"), number(content.len()), content.clone()].concat(),
            1 => [number(content.len()), content.clone(), number(0)].concat(),
            _ => content.clone(),
        });
    }
    out.extend([0x5a; 20]);
    out
}

const JKS: u32 = 0xfeed_feed;
const JCEKS: u32 = 0xcece_cece;

#[test]
fn c62_a_file_that_is_a_key_as_a_whole_is_found_by_its_structure() {
    let random = &mut Sequence(31);
    let of = |name: &str, random: &mut Sequence| key(name, random).1;
    let (open, locked) = (of("pkcs8", random), of("locked", random));
    let padded = [open.clone(), vec![0; 700]].concat();
    let trusted: Vec<_> = (0..150).map(|_| (2, certificate(random))).collect();
    let store = [trusted.clone(), vec![(1, locked.clone())]].concat();
    let far = [trusted.clone(), trusted.clone(), store.clone()].concat();
    let sealed = vec![(3, [&[0xac, 0xed, 0, 5][..], &random.bytes(99)].concat())];
    let nested = bag(6, &sequence(&[bag(1, &open)]));
    let mut v6 = vec![6, 1, 2, 3, 4, 25, 0, 0, 0, 32];
    v6.extend(random.bytes(32));
    v6.extend([0].into_iter().chain(random.bytes(34)));
    let v6 = [&[0xc5, v6.len() as u8][..], &v6].concat();
    let (agent, protected) = (
        b"(11:private-key(3:rsa(1:n1:a))".to_vec(),
        "Created: 20260102\nKey: (protected-private-key (ecc (curve Ed25519)\n",
    );
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("PKCS#8", open.clone(), "private-key"),
        ("with more behind it", padded, "private-key"),
        ("PKCS#8, encrypted", locked.clone(), "private-key!"),
        ("PKCS#1", rsa(random), "private-key"),
        ("SEC 1", of("ec", random), "private-key"),
        (
            "DSA",
            {
                let numbers = (0..5).map(|_| integer(&random.bytes(127)));
                sequence(&[vec![der(2, &[0])], numbers.collect()].concat())
            },
            "private-key",
        ),
        (
            "PKCS#12",
            pkcs12(&[bag(3, &certificate(random)), bag(2, &locked)], random),
            "private-key!",
        ),
        ("PKCS#12, open", pkcs12(&[bag(2, &locked), bag(1, &open)], random), "private-key"),
        ("PKCS#12, nested", pkcs12(&[nested], random), "private-key"),
        ("JKS", java(JKS, &store), "private-key!"),
        ("JKS with many certificates", java(JKS, &far), "private-key!"),
        ("JCEKS", java(JCEKS, &sealed), "private-key!"),
        ("OpenPGP", of("pgp", random), "pgp-private-key"),
        ("OpenPGP, encrypted", of("pgplocked", random), "pgp-private-key!"),
        ("OpenPGP, version 6", v6, "pgp-private-key"),
        ("GnuPG's agent", agent, "pgp-private-key"),
        ("GnuPG's agent, encrypted", protected.into(), "pgp-private-key!"),
    ];
    for (what, content, want) in &cases {
        // A name proves nothing.
        for path in ["/app/key.der", "/app/picture.png"] {
            for piece in [1 << 16, 100] {
                assert_eq!(found(path, content, piece), *want, "{what}");
            }
        }
    }
    let public = sequence(&[sequence(&[oid("1.2.840.113549.1.1.1")]), der(3, &random.bytes(140))]);
    let mut card = b"(20:shadowed-private-key(3:rsa".to_vec();
    card.extend(random.bytes(40));
    let mut of_pgp = of("pgp", random);
    of_pgp[0] = 0x99;
    let look_alikes: Vec<(&str, Vec<u8>)> = vec![
        ("a certificate", certificate(random)),
        ("a public key", public),
        ("a public key of PKCS#1", sequence(&[integer(&random.bytes(255)), der(2, &[1, 0, 1])])),
        ("a key that was cut", open[..open.len() - 9].to_vec()),
        ("a store of certificates alone", pkcs12(&[bag(3, &certificate(random))], random)),
        ("an encrypted store of certificates", pkcs12(&[], random)),
        ("a keystore of certificates alone", java(JKS, &trusted)),
        ("a keystore that was cut", java(JKS, &store)[..9999].to_vec()),
        ("a public key of OpenPGP", of_pgp),
        ("a card's key", card),
        ("SNMP", sequence(&[der(2, &[1]), der(4, b"public"), der(0xa0, &random.bytes(20))])),
        ("a signature", sequence(&[integer(&random.bytes(31)), integer(&random.bytes(31))])),
        ("random bytes", [&[0x95][..], &random.bytes(4000)].concat()),
    ];
    for (what, content) in &look_alikes {
        assert_eq!(found("/app/key.p12", content, 1 << 16), "", "{what}");
    }
}

#[test]
fn c62_a_store_that_is_not_looked_at_to_its_end_is_said() {
    let random = &mut Sequence(33);
    let trusted: Vec<_> = (0..6000).map(|_| (2, certificate(random))).collect();
    let store = java(JKS, &[trusted, vec![(1, key("locked", random).1)]].concat());
    assert!(store.len() > 1 << 20, "{}", store.len());
    let mut collector = SecretsCollector::new(&Limits::default());
    let (size, head) = (store.len() as u64, &store[..HEAD_BYTES]);
    let file = Seen { path: "/a.jks", mode: 0, size, layer: 0, inode: 1, head };
    assert!(collector.wants(&file));
    store.chunks(1 << 16).for_each(|bytes| collector.take(bytes));
    collector.close();
    assert_eq!(collector.secrets().count(), 0);
    let said: Vec<_> = collector.unsearched().collect();
    assert!(said.len() == 1 && said[0].contains("larger than stores of keys"), "{said:?}");
}

/// A sequence of an indefinite length.
fn open_ended(parts: &[Vec<u8>]) -> Vec<u8> {
    [&[0x30, 0x80][..], &parts.concat(), &[0, 0]].concat()
}

/// Octets in two parts, of an indefinite length.
fn in_parts(octets: &[u8]) -> Vec<u8> {
    let (first, second) = octets.split_at(octets.len() / 2);
    [&[0x24, 0x80][..], &der(4, first), &der(4, second), &[0, 0]].concat()
}

#[test]
fn c68_a_key_in_ber_or_behind_other_packets_is_found() {
    let random = &mut Sequence(37);
    let algorithm = || open_ended(&[oid("1.2.840.113549.1.1.1"), der(5, &[])]);
    let open = open_ended(&[der(2, &[0]), algorithm(), in_parts(&random.bytes(120))]);
    let locked = open_ended(&[algorithm(), in_parts(&random.bytes(120))]);
    let bags = open_ended(&[bag(2, &locked)]);
    let data = |octets: Vec<u8>| {
        let content = [&[0xa0, 0x80][..], &octets, &[0, 0]].concat();
        open_ended(&[oid("1.2.840.113549.1.7.1"), content])
    };
    let safe = open_ended(&[data(in_parts(&bags))]);
    let store = open_ended(&[der(2, &[3]), data(in_parts(&safe))]);
    let numbers = (0..8).map(|_| integer(&random.bytes(127)));
    let rsa = open_ended(&[vec![der(2, &[0])], numbers.collect()].concat());
    let plain = key("pkcs8", random).1;
    let length = u8::try_from(plain.len() - 3).unwrap();
    let long = [&[0x30, 0x84, 0, 0, 0, length][..], &plain[3..]].concat();
    let secret = key("pgp", random).1;
    let mut public = secret.clone();
    public[0] = 0x99;
    let mut subkey = secret.clone();
    subkey[0] = 0x9d;
    // The same packets in the new format.
    let new = |tag: u8, old: &[u8]| {
        let length = u32::try_from(old.len() - 3).unwrap().to_be_bytes();
        [&[0xc0 | tag, 255][..], &length, &old[3..]].concat()
    };
    let name = [&[0xb4, 5][..], b"alice"].concat();
    let signature = [&[0x88, 9, 4][..], &[0x10; 8]].concat();
    let ring = [public.clone(), name, signature].concat();
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("PKCS#8", open, "private-key"),
        ("PKCS#8, encrypted", locked, "private-key!"),
        ("PKCS#1", rsa, "private-key"),
        ("PKCS#12", store, "private-key!"),
        ("a longer length than need be", long, "private-key"),
        ("a keyring", [ring.clone(), secret.clone()].concat(), "pgp-private-key"),
        ("a secret subkey", [ring.clone(), subkey].concat(), "pgp-private-key"),
        ("the new format", [new(6, &public), new(5, &secret)].concat(), "pgp-private-key"),
        ("a marker", [&[0xca, 3][..], b"PGP", &secret].concat(), "pgp-private-key"),
        ("public keys alone", [ring.clone(), new(6, &public), ring].concat(), ""),
        ("a certificate", open_ended(&[certificate(random), algorithm()]), ""),
    ];
    for (what, content, want) in &cases {
        for piece in [1 << 16, 100] {
            assert_eq!(found("/app/picture.png", content, piece), *want, "{what}");
        }
    }
}

#[test]
fn c84_a_key_of_openpgp_is_found_however_much_stands_before_it_or_behind() {
    let random = &mut Sequence(47);
    let (secret, locked) = (key("pgp", random).1, key("pgplocked", random).1);
    let mut public = secret.clone();
    public[0] = 0x99;
    let name = [&[0xb4, 5][..], b"alice"].concat();
    // A picture of its owner, as an attribute of the user.
    let picture = |length: u32, random: &mut Sequence| {
        let body = random.bytes(length as usize);
        [&[0xd1, 255][..], &length.to_be_bytes(), &body].concat()
    };
    let ring = [public.clone(), name, public.clone()].concat();
    let many = ring.repeat((1 << 20) / ring.len() + 9);
    let mut to_the_end = secret.clone();
    drop(to_the_end.splice(..3, [0x97]));
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("many public keys", [many.clone(), secret.clone()].concat(), "pgp-private-key"),
        ("encrypted", [many.clone(), locked.clone()].concat(), "pgp-private-key!"),
        (
            "a large picture",
            [public.clone(), picture(3 << 20, random), secret.clone()].concat(),
            "pgp-private-key",
        ),
        ("without a length", [many.clone(), to_the_end].concat(), "pgp-private-key"),
        (
            "much behind it",
            [secret.clone(), picture(2 << 20, random), many.clone()].concat(),
            "pgp-private-key",
        ),
        ("public keys alone", many.clone(), ""),
        ("a key that was cut", [&many[..], &secret[..secret.len() - 9]].concat(), ""),
        ("behind what is no packet", [many.clone(), vec![0; 9], secret.clone()].concat(), ""),
    ];
    for (what, content, want) in &cases {
        for piece in [1 << 16, 4099] {
            assert_eq!(found("/app/picture.png", content, piece), *want, "{what}");
        }
    }
    // And in armour.
    for (packets, want) in [
        ([secret, picture(1 << 15, random)].concat(), "pgp-private-key"),
        ([locked, picture(1 << 15, random)].concat(), "pgp-private-key!"),
        ([public, picture(1 << 15, random)].concat(), ""),
    ] {
        let text = STANDARD.encode(packets);
        let lines = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap());
        let lines = lines.collect::<Vec<_>>().join("\n");
        let text = format!(
            "-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: 1\n\n{lines}\n=abcd\n-----END PGP PRIVATE KEY BLOCK-----\n"
        );
        assert_eq!(found("/app/a.asc", text.as_bytes(), 1 << 16), want);
    }
}

#[test]
fn c72_a_key_is_found_under_each_marker_that_openssl_takes_it_by() {
    let text = |name: &str| pem(name, "\n", &mut Sequence(43));
    let word = |name: &str| if name == "rsa" { " RSA PRIVATE KEY" } else { " PRIVATE KEY" };
    for name in ["rsa", "pkcs8"] {
        for marker in ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "DSA PRIVATE KEY"] {
            let text = text(name).replace(word(name), &format!(" {marker}"));
            let hit = found("/app/a.txt", text.as_bytes(), 1 << 16);
            assert_eq!(hit, "private-key", "{name} as {marker}");
        }
        let (text, lines) = (text(name), |text: &str| {
            let inside = text.lines().filter(|line| !line.starts_with('-'));
            (inside.collect::<String>(), text.lines().next().unwrap().to_owned())
        });
        let (body, begin) = lines(&text);
        let end = begin.replace("BEGIN", "END");
        for (length, blanks) in [(1, 0), (2, 0), (3, 0), (8, 240), (64, 2000)] {
            let letters: Vec<char> = body.chars().collect();
            let blank = " ".repeat(blanks);
            let line = |line: &[char]| line.iter().collect::<String>() + &blank + "\n";
            let inner: String = letters.chunks(length).map(line).collect();
            let whole = format!("{begin}\n{inner}{end}\n");
            let hit = found("/app/a.txt", whole.as_bytes(), 1 << 16);
            assert_eq!(hit, "private-key", "{name}, {length} and {blanks}");
        }
    }
    // A public key or a text of a program under the same marker is none.
    for body in ["MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE", "Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9v"] {
        let padded = format!("{body}{}\n", " ".repeat(300)).repeat(80);
        let text = format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n");
        assert_eq!(found("/app/a.txt", text.as_bytes(), 1 << 16), "", "{body}");
        if body.starts_with('Z') {
            let text = format!("-----BEGIN PRIVATE KEY-----\n{padded}");
            assert_eq!(found("/app/a.txt", text.as_bytes(), 1 << 16), "", "{body}");
        }
    }
}

#[test]
fn c69_a_key_in_pem_is_found_however_its_lines_are_written() {
    for name in ["rsa", "pkcs8", "ssh", "pgp"] {
        let random = &mut Sequence(41);
        let text = pem(name, "\n", random).replace("Version: 1\n\n", "");
        let text = text.trim_end();
        let each = |before: &str, after: &str| {
            let lines = text.lines().map(|line| format!("{before}{line}{after}\n"));
            lines.collect::<String>()
        };
        let escaped = text.replace('\n', "\\n");
        let cases = [
            ("one line of words", text.replace('\n', " ")),
            ("JSON", format!("{{\"private_key\": \"{escaped}\\n\", \"client_email\": \"a\"}}")),
            (
                "JSON, in a text of JSON",
                format!("{{\"a\": \"{}\"}}", escaped.replace('\\', "\\\\")),
            ),
            (
                "JSON, with numbers",
                format!("{{\"a\": \"{}\"}}", {
                    let tail = escaped.replace("\\n", "\\u000a");
                    tail.replace('+', "\\u002b").replace('=', "\\u003d")
                }),
            ),
            (".env", format!("KEY='{escaped}'\n")),
            ("YAML", format!("key: |\n{}", each("    ", ""))),
            ("XML", format!("<key>{}</key>", text.replace('\n', "&#xA;"))),
            ("comments of a shell", each("# ", "")),
            ("comments of C", each("// ", "")),
            ("comments of C, without spaces", each("//", "")),
            ("a block of comments", each(" * ", "")),
            ("a quotation", each("> ", "")),
            ("a difference", each("+", "")),
            ("texts that are joined", each("\"", "\\n\" +")),
            ("texts side by side", each("  '", "\\n',")),
        ];
        let kinds = ["private-key", "pgp-private-key", "google-credentials"];
        for (what, content) in &cases {
            let hit = found("/app/a.txt", content.as_bytes(), 1 << 16);
            assert!(kinds.contains(&hit.as_str()), "{name}, {what}: {hit}");
            let wide: Vec<u8> = content.encode_utf16().flat_map(u16::to_le_bytes).collect();
            let wide = found("/app/a.txt", &[&[0xff, 0xfe][..], &wide].concat(), 1 << 16);
            assert_eq!(wide, hit, "{name}, {what} in UTF-16");
        }
    }
    let prose = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\n";
    let prose =
        format!("{prose}{}\n-----END RSA PRIVATE KEY-----\n", "here stands the key ".repeat(9));
    assert_eq!(found("/app/a.txt", prose.as_bytes(), 1 << 16), "");
}
