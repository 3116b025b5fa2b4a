//! Documents of JSON as they may be shown.
//!
//! Turns whatever is serialized into the same document with [`shown_text`] of each of its strings and keys, while it is written: no
//! report has to name the texts of its documents that somebody else chose, and none is held twice.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{CharEscape, Formatter, PrettyFormatter};

use super::words::shown_text;

/// Writes a document, whose keys are texts, in lines.
///
/// # Errors
/// It cannot be serialized, or written.
pub fn write_shown_in_lines(
    out: impl Write,
    document: &impl Serialize,
) -> Result<(), serde_json::Error> {
    let shown = Shown { inner: PrettyFormatter::new(), text: String::new() };
    document.serialize(&mut serde_json::Serializer::with_formatter(out, shown))
}

/// Holds each string until it is whole.
struct Shown<F> {
    inner: F,
    text: String,
}

impl<F: Formatter> Formatter for Shown<F> {
    fn begin_string<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.text.clear();
        Ok(())
    }
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        _: &mut W,
        text: &str,
    ) -> io::Result<()> {
        self.text.push_str(text);
        Ok(())
    }
    fn write_char_escape<W: ?Sized + Write>(
        &mut self,
        _: &mut W,
        escape: CharEscape,
    ) -> io::Result<()> {
        self.text.push(match escape {
            CharEscape::Quote => '"',
            CharEscape::ReverseSolidus => '\\',
            CharEscape::Solidus => '/',
            CharEscape::Backspace => '\u{8}',
            CharEscape::FormFeed => '\u{c}',
            CharEscape::LineFeed => '\n',
            CharEscape::CarriageReturn => '\r',
            CharEscape::Tab => '\t',
            CharEscape::AsciiControl(byte) => char::from(byte),
        });
        Ok(())
    }
    fn end_string<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        Ok(serde_json::to_writer(out, &shown_text(&self.text))?)
    }
    fn begin_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.inner.begin_array(out)
    }
    fn end_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.inner.end_array(out)
    }
    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.inner.begin_array_value(out, first)
    }
    fn end_array_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.inner.end_array_value(out)
    }
    fn begin_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.inner.begin_object(out)
    }
    fn end_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.inner.end_object(out)
    }
    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.inner.begin_object_key(out, first)
    }
    fn end_object_key<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.inner.end_object_key(out)
    }
    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.inner.begin_object_value(out)
    }
    fn end_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.inner.end_object_value(out)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json, ser::CompactFormatter};

    use super::*;

    /// A document in lines, and without a blank, as a formatter of another kind writes it.
    fn written(document: &Value) -> [String; 2] {
        let (mut lines, mut line) = (Vec::new(), Vec::new());
        write_shown_in_lines(&mut lines, document).unwrap();
        let shown = Shown { inner: CompactFormatter, text: String::new() };
        document.serialize(&mut serde_json::Serializer::with_formatter(&mut line, shown)).unwrap();
        [lines, line].map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn c77_a_secret_is_shown_in_no_string_or_key_of_a_document() {
        let token = format!("glpat-{}", "q7Zk2mPwX9vL4tRb8NcY");
        let (name, path) = (format!("a\"{token}\""), format!("/srv/{token}/\tx"));
        let document =
            json!({"packages": [{"name": name, "version": 1.5}], path: [null, true, {}, []]});
        let want = json!({"packages": [{"name": "a\"[secret]\"", "version": 1.5}], "/srv/[secret]/\tx": [null, true, {}, []]});
        let [lines, line] = written(&document);
        assert_eq!((lines, line), (format!("{want:#}"), want.to_string()));
    }

    #[test]
    fn a_document_without_secrets_is_written_as_it_is() {
        let text: String = (0..300).filter_map(char::from_u32).collect();
        let document =
            json!({"a": text, "é": [1, -2, 1e300, u64::MAX, "", "https://h/a%20b"], "b": {}});
        let [lines, line] = written(&document);
        assert_eq!((lines, line), (format!("{document:#}"), document.to_string()));
    }
}
