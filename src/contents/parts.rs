//! What the catalogues have in common: words, paths, and JSON that packages write about themselves.

use serde::de::DeserializeOwned;

use super::catalogue::{Garbled, Listed};
use crate::{
    json,
    untrusted::{clean, misleads, shortened},
};

/// Bytes of one name, version or licence; those of real packages are up to some hundred.
const WORD_BYTES: usize = 1024;

/// A sentence as a reason.
pub(super) fn form(why: impl Into<String>) -> Garbled {
    Garbled::Form(why.into())
}

/// A package without what few formats record.
pub(super) fn listed(name: String, version: String) -> Listed {
    Listed { name, version, ..Listed::default() }
}

/// A name or version: one word, of a bounded length, without characters that mislead.
///
/// # Errors
/// It is none; the text is shown cleaned and shortened.
pub(super) fn word(text: &str, field: &'static str) -> Result<String, Garbled> {
    let why = if text.is_empty() {
        "is empty"
    } else if text.len() > WORD_BYTES {
        "is too long"
    } else if text.contains(|c: char| c.is_whitespace() || misleads(c)) {
        "is no word"
    } else {
        return Ok(text.to_owned());
    };
    Err(form(format!("the {field} \"{}\" {why}", clean(&shortened(text, 80)))))
}

/// A licence as one line; none if there is nothing.
pub(super) fn line(text: &str) -> Option<String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let text = shortened(&words.join(" "), WORD_BYTES);
    (!text.is_empty()).then_some(text)
}

/// Several licences as one line.
pub(super) fn lines<'t>(texts: impl IntoIterator<Item = &'t str>) -> Option<String> {
    let texts: Vec<String> = texts.into_iter().take(32).filter_map(line).collect();
    line(&texts.join(", "))
}

/// Reads a JSON document.
///
/// These files are written by thousands of tools and people: a byte order mark, unknown keys and repeated keys that nobody
/// reads occur, so `json::check` would refuse honest ones. What counts is that the fields which are read have one value: a
/// field that is given twice is refused, an array is no object, nothing may follow, and what is passed over takes no memory
/// and no stack.
///
/// # Errors
/// It is malformed, or not of the form of `T`.
pub(super) fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Garbled> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let malformed = |why: serde_json::Error| {
        form(format!("it is no JSON of its form: {}", clean(&shortened(&why.to_string(), 200))))
    };
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = json::from_value(&mut deserializer).map_err(malformed)?;
    deserializer.end().map_err(malformed)?;
    Ok(value)
}

/// A path's folder, without a slash at its end (empty for the root), and its last part.
pub(super) fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// Whether a folder's name is one for data of tests, examples and templates inside of something that is installed.
pub(super) fn is_fixture(folder: &str) -> bool {
    const NAMES: [&str; 16] = [
        "test",
        "tests",
        "testing",
        "__tests__",
        "testdata",
        "test-data",
        "test_data",
        "fixture",
        "fixtures",
        "__fixtures__",
        "example",
        "examples",
        "template",
        "templates",
        "sample",
        "samples",
    ];
    NAMES.contains(&folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_bounded_and_seen() {
        let long = "x".repeat(WORD_BYTES + 1);
        let cases = [
            ("a", true),
            (&long[..WORD_BYTES], true),
            (&long, false),
            ("", false),
            ("a b", false),
            ("a\nb", false),
            ("a\u{202e}b", false),
            ("a\u{0}b", false),
        ];
        for (text, fine) in cases {
            assert_eq!(word(text, "name").is_ok(), fine, "{text:?}");
        }
        let shown = word("a\u{202e}b", "name").unwrap_err().to_string();
        assert_eq!(shown, "the name \"a\\u{202e}b\" is no word");
    }

    #[test]
    fn fields_that_are_read_have_one_value() {
        #[derive(serde::Deserialize, Debug)]
        #[allow(dead_code)]
        struct Wire {
            name: String,
            #[serde(default)]
            inner: Option<Box<Wire>>,
        }
        let deep =
            format!("{{\"name\":\"a\",\"x\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        let cases: [(&[u8], bool); 9] = [
            (br#"{"name":"a"}"#, true),
            (b"\xef\xbb\xbf{\"name\":\"a\"}", true),
            (br#"{"name":"a","x":1,"x":2}"#, true),
            (br#"{"name":"a","name":"a"}"#, false),
            (br#"["a"]"#, false),
            (br#"{"name":"a","inner":["a"]}"#, false),
            (br#"{"name":"a"} {}"#, false),
            (b"{\"name\":\"\xff\"}", false),
            (deep.as_bytes(), true),
        ];
        for (bytes, fine) in cases {
            assert_eq!(json::<Wire>(bytes).is_ok(), fine, "{:?}", bytes.get(..40));
        }
    }
}
