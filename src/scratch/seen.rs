//! What a file is that was meant to be another one, by how it begins.
//!
//! A parser says where its own grammar broke off, which helps nobody who named the wrong file. [`seen`] says what the file is instead,
//! where its first bytes leave no doubt; everything else is left to the parser. Of the content it repeats the label of a PEM block and
//! nothing else, so that a private key that is given by mistake is in no message.

/// Longest label of a PEM block that is repeated, in bytes.
const LABEL_BYTES: usize = 40;
/// Where a tar archive says what it is.
const TAR_AT: usize = 257;

/// How files begin, and what they are.
const BEGINNINGS: [(&[u8], &str); 12] = [
    (b"\x1f\x8b", "this is compressed with gzip"),
    (b"\x28\xb5\x2f\xfd", "this is compressed with zstd"),
    (b"PK\x03\x04", "this is a zip archive"),
    (b"PK\x05\x06", "this is a zip archive"),
    (b"\x7fELF", "this is a program"),
    (b"SQLite format 3\0", "this is a database of SQLite"),
    (b"hallmark vulnerability database", "this is a database of hallmark vulns import"),
    (b"\xff\xfe", "this is text in UTF-16; save it as UTF-8"),
    (b"\xfe\xff", "this is text in UTF-16; save it as UTF-8"),
    (b"<!DOCTYPE html", "this is a page in HTML, as servers answer who is not logged in"),
    (b"<!doctype html", "this is a page in HTML, as servers answer who is not logged in"),
    (b"<html", "this is a page in HTML, as servers answer who is not logged in"),
];

/// What a file is, where its beginning leaves no doubt.
pub fn seen(bytes: &[u8]) -> Option<String> {
    if bytes.is_empty() {
        return Some("the file is empty".to_owned());
    }
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Some("there is nothing in the file but white space".to_owned());
    }
    let text = bytes.trim_ascii_start();
    if let Some(rest) = text.strip_prefix(b"-----BEGIN ") {
        return Some(format!("this is a PEM file{}", label(rest)));
    }
    let known = BEGINNINGS.iter().find(|(start, _)| text.starts_with(start));
    let tar = || bytes.get(TAR_AT..).is_some_and(|rest| rest.starts_with(b"ustar"));
    let what = known.map(|(_, what)| *what);
    what.or_else(|| tar().then_some("this is a tar archive")).map(str::to_owned)
}

/// The label behind `-----BEGIN `, as far as it is one.
fn label(rest: &[u8]) -> String {
    let is_label =
        |byte: &&u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || **byte == b' ';
    let words: String =
        rest.iter().take(LABEL_BYTES).take_while(is_label).map(|byte| char::from(*byte)).collect();
    match rest.get(words.len()..).is_some_and(|end| end.starts_with(b"-----")) {
        true => format!(" ({words})"),
        false => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_another_kind_is_named_and_nothing_of_it_is_repeated() {
        let tar = [vec![b'x'; TAR_AT], b"ustar\0".to_vec()].concat();
        let cases: [(&[u8], Option<&str>); 14] = [
            (b"", Some("the file is empty")),
            (b" \n\t", Some("there is nothing in the file but white space")),
            (
                b"\n-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n",
                Some("this is a PEM file (PRIVATE KEY)"),
            ),
            (b"-----BEGIN c2VjcmV0", Some("this is a PEM file")),
            (
                b"-----BEGIN AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA-----",
                Some("this is a PEM file"),
            ),
            (b"-----BEGIN ", Some("this is a PEM file")),
            (b"\x7fELF\x02", Some("this is a program")),
            (b"\x1f\x8b\x08", Some("this is compressed with gzip")),
            (
                b"hallmark vulnerability database 1\n",
                Some("this is a database of hallmark vulns import"),
            ),
            (
                b"<html><title>Login",
                Some("this is a page in HTML, as servers answer who is not logged in"),
            ),
            (&tar, Some("this is a tar archive")),
            (b"{}", None),
            (b"version: 1", None),
            (b"-----", None),
        ];
        for (bytes, want) in cases {
            assert_eq!(seen(bytes).as_deref(), want, "{:?}", String::from_utf8_lossy(bytes));
        }
    }
}
