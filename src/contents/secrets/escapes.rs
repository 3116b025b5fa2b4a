//! Escapes in which text is written: in percents, as JSON, JavaScript and C have them, and as XML does.
//!
//! Turns text with escapes into the text that it stands for, one layer at a time: what is written in escapes may have escapes of its own.
//! Characters beyond a byte become one that no key has. What only looks like an escape stays as it is.

/// What an escape stands for, and its bytes.
type Escape = (u8, usize);

/// Text with one layer of escapes read; `None` where it has none.
pub(super) fn once(text: &[u8]) -> Option<Vec<u8>> {
    let mut rest = text;
    let mut out = Vec::with_capacity(text.len());
    let mut any = false;
    while let Some(at) = memchr::memchr3(b'%', b'\\', b'&', rest) {
        let (before, sign) = rest.split_at_checked(at)?;
        out.extend_from_slice(before);
        let (byte, length) = match escape(sign) {
            Some(escape) => {
                any = true;
                escape
            }
            None => (*sign.first()?, 1),
        };
        out.push(byte);
        rest = sign.get(length..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    any.then_some(out)
}

/// The character that the escape stands for with which text begins.
pub(super) fn first(text: &[u8]) -> Option<u8> {
    escape(text).map(|(byte, _)| byte)
}

/// The escape with which text begins.
fn escape(text: &[u8]) -> Option<Escape> {
    match text {
        [b'%', rest @ ..] => numbered(rest, 2, 16, 1),
        [b'\\', b'u', b'{', rest @ ..] => ended(rest, b'}', 16, 3),
        [b'\\', b'u', rest @ ..] => numbered(rest, 4, 16, 2),
        [b'\\', b'U', rest @ ..] => numbered(rest, 8, 16, 2),
        [b'\\', b'x', rest @ ..] => numbered(rest, 2, 16, 2),
        [b'\\', b'0'..=b'3', ..] => numbered(text.get(1..)?, 3, 8, 1),
        [b'\\', b'n' | b'r', ..] => Some((b'\n', 2)),
        [b'\\', b't', ..] => Some((b'\t', 2)),
        [b'\\', sign @ (b'\\' | b'/' | b'"' | b'\''), ..] => Some((*sign, 2)),
        [b'&', b'#', b'x' | b'X', rest @ ..] => ended(rest, b';', 16, 3),
        [b'&', b'#', rest @ ..] => ended(rest, b';', 10, 2),
        [b'&', b'a', b'm', b'p', b';', ..] => Some((b'&', 5)),
        _ => None,
    }
}

/// A number of so many digits, with so many bytes before it.
fn numbered(text: &[u8], digits: usize, radix: u32, before: usize) -> Option<Escape> {
    Some((character(text.get(..digits)?, radix)?, before + digits))
}

/// A number that ends with a sign.
fn ended(text: &[u8], end: u8, radix: u32, before: usize) -> Option<Escape> {
    const DIGITS: usize = 9;
    let digits = text.iter().take(DIGITS).position(|byte| *byte == end)?;
    Some((character(text.get(..digits)?, radix)?, before + digits + 1))
}

fn character(digits: &[u8], radix: u32) -> Option<u8> {
    // A sign before the digits is none of them.
    let text = std::str::from_utf8(digits).ok().filter(|text| !text.starts_with('+'))?;
    let number = u32::from_str_radix(text, radix).ok()?;
    Some(u8::try_from(number).unwrap_or(u8::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_escape_is_read_once() {
        let cases: &[(&str, Option<&str>)] = &[
            ("%2D%2d%4B", Some("--K")),
            ("%252D", Some("%2D")),
            ("\\u002d\\u{2D}\\x2d\\055\\U0000002D", Some("-----")),
            ("&#45;&#x2d;&#X02D;&amp;#45;", Some("---&#45;")),
            ("a\\nb\\r\\t\\\\\\/\\\"\\'c", Some("a\nb\n\t\\/\"'c")),
            ("a b", None),
            ("100% \\q & &#; &#x; &lt; %+1 \\u+123 \\08", None),
            ("%", None),
            ("\\", None),
        ];
        for (text, want) in cases {
            let read = once(text.as_bytes());
            assert_eq!(read.as_deref(), want.map(str::as_bytes), "{text}");
        }
        assert_eq!(once(b"\\u2014%ff"), Some(vec![0xff, 0xff]));
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[%\\\\&#xu{}0-9a-f;]{0,40}") {
            let read = once(text.as_bytes());
            proptest::prop_assert!(read.is_none_or(|read| read.len() < text.len()));
        }
    }
}
