//! The text of a document that is written in one of the encodings which its format allows.
//!
//! JSON and tags are UTF-8 (RFC 8259, 8.1). XML says its encoding at its beginning, and may be UTF-16, which every reader
//! of XML knows (XML 1.0, 4.3.3); ISO-8859-1 is read, too. Refuses other encodings by name, and one that the bytes
//! contradict. A byte order mark is no part of the text.

use std::borrow::Cow;

use super::SbomError;

/// Bytes in which XML says its encoding.
const HEAD_BYTES: usize = 256;
/// Bytes of an encoding's name in a message.
const NAME_BYTES: usize = 40;

/// The text that bytes are.
pub(super) fn text(bytes: &[u8]) -> Result<Cow<'_, str>, SbomError> {
    let refuse = |why: String| SbomError::UnknownFormat(why);
    if let Some(units) = utf16(bytes) {
        let text = units.ok_or_else(|| refuse("it is no well-formed UTF-16 text".to_owned()))?;
        return match text.trim_start().starts_with('<') {
            true => Ok(text.into()),
            false => {
                Err(refuse("it is text in UTF-16; only XML may be, write it as UTF-8".to_owned()))
            }
        };
    }
    let bytes = crate::untrusted::unmarked(bytes);
    match declared(bytes).as_deref() {
        None | Some("utf-8" | "utf8" | "us-ascii" | "ascii") => {}
        Some("iso-8859-1" | "latin1" | "iso_8859-1") => {
            return Ok(bytes.iter().map(|byte| char::from(*byte)).collect::<String>().into());
        }
        Some(other) => {
            let other: String = other.chars().take(NAME_BYTES).collect();
            return Err(refuse(format!("it says that it is XML in {other:?}; write it as UTF-8")));
        }
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|error| refuse(format!("it is no UTF-8 text (byte {})", error.valid_up_to())))?;
    Ok(text.into())
}

/// The text of UTF-16 with a byte order mark, or of XML that begins as it does without one.
fn utf16(bytes: &[u8]) -> Option<Option<String>> {
    type Unit = fn([u8; 2]) -> u16;
    let (read, rest): (Unit, &[u8]) = match bytes {
        [0xff, 0xfe, rest @ ..] => (u16::from_le_bytes, rest),
        [0xfe, 0xff, rest @ ..] => (u16::from_be_bytes, rest),
        [b'<', 0, b'?', 0, ..] => (u16::from_le_bytes, bytes),
        [0, b'<', 0, b'?', ..] => (u16::from_be_bytes, bytes),
        _ => return None,
    };
    let (pairs, odd) = rest.as_chunks::<2>();
    let text =
        char::decode_utf16(pairs.iter().map(|pair| read(*pair))).collect::<Result<String, _>>();
    Some(text.ok().filter(|_| odd.is_empty()))
}

/// The encoding that an XML declaration names, in small letters.
fn declared(bytes: &[u8]) -> Option<String> {
    let head = bytes.get(..bytes.len().min(HEAD_BYTES))?;
    let (declaration, _) = split(head.strip_prefix(b"<?xml")?, b"?>")?;
    let (_, behind) = split(declaration, b"encoding")?;
    let value = behind.trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start();
    let (quote, value) = value.split_first().filter(|(quote, _)| matches!(quote, b'"' | b'\''))?;
    let end = value.iter().position(|byte| byte == quote)?;
    Some(String::from_utf8_lossy(value.get(..end)?).to_ascii_lowercase())
}

/// What is before the first of some bytes, and what is behind.
fn split<'b>(bytes: &'b [u8], at: &[u8]) -> Option<(&'b [u8], &'b [u8])> {
    let place = bytes.windows(at.len()).position(|window| window == at)?;
    Some((bytes.get(..place)?, bytes.get(place + at.len()..)?))
}

#[cfg(test)]
mod tests {
    use crate::{limits::Limits, sbom::parse};

    const XML: &str = "<?xml version=\"1.0\" encoding=\"ENC\"?><bom xmlns=\"http://cyclonedx.org/schema/bom/1.6\" \
        version=\"1\"><components><component type=\"library\"><name>caf\u{e9}</name></component></components></bom>";

    fn units(text: &str, mark: bool, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        let units = mark.then_some(0xfeff).into_iter().chain(text.encode_utf16());
        units.flat_map(bytes).collect()
    }

    #[test]
    fn xml_is_read_in_its_encodings() {
        let of = |encoding: &str| XML.replace("ENC", encoding);
        let latin: Vec<u8> = of("ISO-8859-1").chars().map(|c| u8::try_from(c).unwrap()).collect();
        for bytes in [
            of("UTF-8").into_bytes(),
            of("utf-8").replace('"', "'").into_bytes(),
            format!("\u{feff}{}", of("UTF-8")).into_bytes(),
            latin,
            units(&of("UTF-16"), true, u16::to_le_bytes),
            units(&of("UTF-16"), true, u16::to_be_bytes),
            units(&of("UTF-16LE"), false, u16::to_le_bytes),
        ] {
            let read = parse(&bytes, &Limits::default()).unwrap();
            assert_eq!(read.components[0].name, "caf\u{e9}");
            assert_eq!(read.document, crate::digest::Digest::sha256(&bytes));
        }
    }

    #[test]
    fn other_encodings_are_told_by_name() {
        let json = r#"{"bomFormat":"CycloneDX"}"#;
        let cases = [
            (XML.replace("ENC", "windows-1252").into_bytes(), "XML in \"windows-1252\""),
            (XML.replace("ENC", "UTF-16").into_bytes(), "XML in \"utf-16\""),
            (units(json, true, u16::to_le_bytes), "text in UTF-16; only XML may be"),
            (vec![0xff, 0xfe, b'<', 0, b'x'], "no well-formed UTF-16"),
            (vec![0xff, 0xfe, 0, 0xd8], "no well-formed UTF-16"),
            (vec![b'<', b'\xe9'], "no UTF-8 text (byte 1)"),
        ];
        for (bytes, want) in cases {
            let error = parse(&bytes, &Limits::default()).unwrap_err().to_string();
            assert!(error.contains(want), "{error}");
        }
    }
}
