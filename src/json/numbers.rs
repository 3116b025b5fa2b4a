//! Numbers that 64 bits hold as they are written.
//!
//! JSON bounds no number, and who reads one into 64 bits reads its neighbour: `18446744073709551617` is not greater than
//! `18446744073709551616` any more, and `0.10000000000000001` is `0.1`. A rule that compares them would answer otherwise than one
//! that reads every digit. Finds such numbers in the text of a document, before they are read.

use std::collections::BTreeSet;

/// Whole numbers below this are held by `f64`, too.
const WHOLE: f64 = 9_007_199_254_740_992.0;

/// The first number in the text of a JSON document that is not held exactly.
pub fn inexact(json: &str) -> Option<&str> {
    let mut rest = json;
    while let Some(at) = rest.find(|c: char| c == '"' || c == '-' || c.is_ascii_digit()) {
        rest = rest.get(at..)?;
        if let Some(text) = rest.strip_prefix('"') {
            rest = behind_text(text);
            continue;
        }
        let end = rest.find(|c: char| !is_part(c)).unwrap_or(rest.len());
        let (number, more) = rest.split_at_checked(end)?;
        if !is_exact(number) {
            return Some(number);
        }
        rest = more;
    }
    None
}

/// The first number in the text of a YAML document that became one of these values and is not held exactly.
pub fn inexact_of<'t>(yaml: &'t str, document: &serde_json::Value) -> Option<&'t str> {
    let mut values = BTreeSet::new();
    fractions(document, &mut values);
    if values.is_empty() {
        return None;
    }
    let mut words = yaml.split(|c: char| !(is_part(c) || c.is_alphanumeric() || c == '_'));
    words.find(|word| {
        let word = word.trim_start_matches('+');
        let read = word.parse::<f64>().is_ok_and(|read| values.contains(&read.to_bits()));
        read && !is_exact(word)
    })
}

fn fractions(value: &serde_json::Value, found: &mut BTreeSet<u64>) {
    match value {
        serde_json::Value::Number(number) if number.is_f64() => {
            found.extend(number.as_f64().map(f64::to_bits));
        }
        serde_json::Value::Array(list) => list.iter().for_each(|value| fractions(value, found)),
        serde_json::Value::Object(object) => {
            object.values().for_each(|value| fractions(value, found));
        }
        _ => {}
    }
}

fn is_part(c: char) -> bool {
    c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | 'e' | 'E')
}

/// What follows the end of a text that begins here.
fn behind_text(text: &str) -> &str {
    let mut characters = text.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return text.get(at + 1..).unwrap_or_default(),
            '\\' => {
                characters.next();
            }
            _ => {}
        }
    }
    ""
}

/// Whether the number that is written here is held exactly, by every reader: a whole number of 64 bits, or a fraction that is the
/// shortest name of what `f64` holds.
pub fn is_exact(number: &str) -> bool {
    if number.parse::<u64>().is_ok() || number.parse::<i64>().is_ok() {
        return true;
    }
    // The reader of JSON is off by one in the last place where a number has very many digits.
    let read = serde_json::from_str::<f64>(number);
    is_shortest(number) && read.is_ok_and(|read| number.parse::<f64>() == Ok(read))
}

/// Whether a number is the shortest name of the `f64` beside it, and a whole one among them is told from its neighbours.
pub fn is_shortest(number: &str) -> bool {
    let Ok(value) = number.parse::<f64>() else { return false };
    let shortest = format!("{value:e}");
    value.abs() < WHOLE
        && decimal(number).is_some_and(|written| Some(written) == decimal(&shortest))
}

/// Digits without zeros around them, and the power of ten of the last one.
fn decimal(number: &str) -> Option<(String, i64)> {
    let number = number.trim_start_matches('-');
    let (mantissa, exponent) = match number.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
        None => (number, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    let digits = all.trim_end_matches('0');
    let zeros = i64::try_from(all.len().checked_sub(digits.len())?).ok()?;
    let places = i64::try_from(fraction.len()).ok()?;
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() {
        return Some((String::new(), 0));
    }
    Some((digits.to_owned(), exponent.checked_add(zeros)?.checked_sub(places)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i4_numbers_that_64_bits_do_not_hold_are_found() {
        let exact = [
            "0",
            "-0",
            "1",
            "-1",
            "1.0",
            "1.50",
            "0.1",
            "-2.5e-3",
            "1e5",
            "100.00",
            "7.0",
            "0e9",
            "18446744073709551615",
            "-9223372036854775808",
            "9007199254740993",
            "9.8",
            "1E+2",
        ];
        for number in exact {
            assert!(is_exact(number), "{number}");
        }
        assert!(is_shortest("0.30000000000000004"));
        let inexact = [
            "18446744073709551616",
            "18446744073709551617",
            "-9223372036854775809",
            "12345678901234567890123",
            "0.10000000000000001",
            "1.0000000000000001",
            "9007199254740993.5",
            "9007199254740993.0",
            "1e22",
            "1e400",
            "1e-400",
            "1e99999999999999999999",
            "",
            "-",
            "x",
        ];
        for number in inexact {
            assert!(!is_exact(number), "{number}");
        }
    }

    #[test]
    fn i4_numbers_are_found_in_documents_and_texts_are_none() {
        let cases = [
            ("{\"a\": [1, {\"b\": 0.10000000000000001}]}", Some("0.10000000000000001")),
            ("[18446744073709551616]", Some("18446744073709551616")),
            ("{\"0.10000000000000001\": \"\\\"0.10000000000000001\\\\\", \"é\": 0.1}", None),
            ("1e400", Some("1e400")),
            ("\"", None),
            ("[1, 2.5, -7, 1e3]", None),
        ];
        for (document, want) in cases {
            assert_eq!(inexact(document), want, "{document}");
        }
        let read = |yaml: &str| {
            let document: serde_json::Value = yaml_serde::from_str(yaml).expect("YAML");
            inexact_of(yaml, &document).map(str::to_owned)
        };
        let number = "123456789012345678901.5";
        assert_eq!(read(&format!("a: {{b: [{number}]}}\n")).as_deref(), Some(number));
        assert_eq!(read("a: 0.10000000000000001 # 0.1\n").as_deref(), Some("0.10000000000000001"));
        assert_eq!(read("a: 0.1\nb: '0.30000000000000001'\n# 0.30000000000000001\n"), None);
        assert_eq!(read("a: 9007199254740993\nb: 1.50\n"), None);
    }
}
