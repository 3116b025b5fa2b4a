//! Regular expressions as Go writes them (RE2), in the dialect of the crate `regex`.
//!
//! The two look alike and differ: in Go `\d`, `\w`, `\s` and `\b` are ASCII, `[a&&b]` is a list of characters, `{,3}` is
//! text, `a**` is an error, `\Q…\E` quotes and `\101` is an octal number. What cannot be said in the other dialect is refused.

use std::{fmt::Write as _, iter::Peekable, str::Chars};

/// Largest repetition, as in Go.
const MAX_REPEAT: u32 = 1000;

/// Translates an expression.
///
/// # Errors
/// Why it cannot be said.
pub fn translate(go: &str) -> Result<String, &'static str> {
    let mut out = String::with_capacity(go.len() * 2);
    let mut rest = go.chars().peekable();
    // Whether what came last is a repetition, which Go lets nobody repeat.
    let mut repeated = false;
    while let Some(c) = rest.next() {
        let repeats = match c {
            '*' | '+' | '?' => Some(c.to_string()),
            '{' => braces(&mut rest)?,
            _ => None,
        };
        if let Some(operator) = repeats {
            if repeated {
                return Err("a repetition is repeated; put it into brackets");
            }
            out.push_str(&operator);
            if rest.next_if_eq(&'?').is_some() {
                out.push('?');
            }
            repeated = true;
            continue;
        }
        repeated = false;
        match c {
            '\\' => escape(&mut rest, &mut out)?,
            '[' => class(&mut rest, &mut out)?,
            '(' => group(&mut rest, &mut out)?,
            '{' | '}' | ']' => {
                out.push('\\');
                out.push(c);
            }
            other => out.push(other),
        }
    }
    Ok(out)
}

/// `{n}`, `{n,}` or `{n,m}`; anything else in braces is text.
fn braces(rest: &mut Peekable<Chars<'_>>) -> Result<Option<String>, &'static str> {
    let mut ahead = rest.clone();
    let mut inner = String::new();
    loop {
        match ahead.next() {
            Some('}') => break,
            Some(c) if c.is_ascii_digit() || c == ',' => inner.push(c),
            _ => return Ok(None),
        }
    }
    let number = |text: &str| {
        let plain = !text.is_empty() && (text == "0" || !text.starts_with('0'));
        (plain && text.bytes().all(|b| b.is_ascii_digit()))
            .then(|| text.parse().unwrap_or(u32::MAX))
    };
    let (least, most) = match inner.split_once(',') {
        None => (number(&inner), number(&inner)),
        Some((least, "")) => (number(least), Some(0)),
        Some((least, most)) => (number(least), number(most)),
    };
    let (Some(least), Some(most)) = (least, most) else { return Ok(None) };
    if least > MAX_REPEAT || most > MAX_REPEAT {
        return Err("more than 1000 repetitions");
    }
    *rest = ahead;
    Ok(Some(format!("{{{inner}}}")))
}

/// `(?…)`: flags and names that both dialects have.
fn group(rest: &mut Peekable<Chars<'_>>, out: &mut String) -> Result<(), &'static str> {
    out.push('(');
    if rest.next_if_eq(&'?').is_none() {
        return Ok(());
    }
    out.push('?');
    if let Some(p) = rest.next_if_eq(&'P') {
        out.push(p);
        if rest.peek() != Some(&'<') {
            return Err("only groups with names, as (?P<name>…), begin with (?P");
        }
    }
    if let Some(open) = rest.next_if_eq(&'<') {
        out.push(open);
        while let Some(c) = rest.next_if(|c| c.is_ascii_alphanumeric() || *c == '_') {
            out.push(c);
        }
        return match rest.next() {
            Some('>') => {
                out.push('>');
                Ok(())
            }
            _ => Err("the name of a group has letters, digits and underscores alone"),
        };
    }
    loop {
        match rest.next() {
            Some(end @ (')' | ':')) => {
                out.push(end);
                return Ok(());
            }
            Some(flag @ ('i' | 'm' | 's' | 'U' | '-')) => out.push(flag),
            _ => return Err("flags are i, m, s and U; there is no looking around"),
        }
    }
}

const DIGITS: &str = "0-9";
const WORDS: &str = "0-9A-Za-z_";
const BLANKS: &str = r"\t\n\f\r ";

/// `\d` and its like, as members of a class.
fn perl(c: char) -> Option<&'static str> {
    match c.to_ascii_lowercase() {
        'd' => Some(DIGITS),
        'w' => Some(WORDS),
        's' => Some(BLANKS),
        _ => None,
    }
}

/// What follows a backslash outside a class.
fn escape(rest: &mut Peekable<Chars<'_>>, out: &mut String) -> Result<(), &'static str> {
    let Some(c) = rest.peek().copied() else { return Err("a backslash at its end") };
    match c {
        'd' | 'w' | 's' | 'D' | 'W' | 'S' => {
            rest.next();
            let not = if c.is_ascii_uppercase() { "^" } else { "" };
            write(out, format_args!("[{not}{}]", perl(c).unwrap_or_default()));
        }
        'b' => {
            rest.next();
            out.push_str(r"(?-u:\b)");
        }
        'B' => return Err(r"\B is not there; \b is"),
        'A' | 'z' => {
            rest.next();
            out.push('\\');
            out.push(c);
        }
        'p' | 'P' => property(rest, out)?,
        'Q' => {
            rest.next();
            quoted(rest, out);
        }
        _ => {
            let c = character(rest)?;
            literal(c, out);
        }
    }
    Ok(())
}

/// Text up to `\E`.
fn quoted(rest: &mut Peekable<Chars<'_>>, out: &mut String) {
    while let Some(c) = rest.next() {
        if c == '\\' && rest.next_if_eq(&'E').is_some() {
            return;
        }
        literal(c, out);
    }
}

/// `\pL`, `\p{Greek}`, `\p{^Greek}`.
fn property(rest: &mut Peekable<Chars<'_>>, out: &mut String) -> Result<(), &'static str> {
    const WRONG: &str = "a class of Unicode is written \\pL or \\p{Greek}";
    let mut negative = rest.next() == Some('P');
    let mut name = String::new();
    match rest.next() {
        Some('{') => {
            if rest.next_if_eq(&'^').is_some() {
                negative = !negative;
            }
            while let Some(c) = rest.next_if(|c| c.is_ascii_alphabetic() || *c == '_') {
                name.push(c);
            }
            if rest.next() != Some('}') || name.is_empty() {
                return Err(WRONG);
            }
        }
        Some(c) if c.is_ascii_uppercase() => name.push(c),
        _ => return Err(WRONG),
    }
    write(out, format_args!(r"\{}{{{name}}}", if negative { 'P' } else { 'p' }));
    Ok(())
}

/// The character that an escape stands for.
fn character(rest: &mut Peekable<Chars<'_>>) -> Result<char, &'static str> {
    const UNKNOWN: &str = "an escape that RE2 does not have";
    let c = rest.next().ok_or(UNKNOWN)?;
    match c {
        'a' => Ok('\x07'),
        'f' => Ok('\x0C'),
        't' => Ok('\t'),
        'n' => Ok('\n'),
        'r' => Ok('\r'),
        'v' => Ok('\x0B'),
        'x' => hexadecimal(rest),
        '0'..='7' => {
            let octal = |c: &char| matches!(c, '0'..='7');
            if c != '0' && !rest.peek().is_some_and(octal) {
                return Err("references back to a group are not there");
            }
            let mut value = c.to_digit(8).ok_or(UNKNOWN)?;
            for _ in 0..2 {
                let Some(digit) = rest.next_if(octal) else { break };
                value = value * 8 + digit.to_digit(8).ok_or(UNKNOWN)?;
            }
            char::from_u32(value).ok_or(UNKNOWN)
        }
        c if c.is_ascii() && !c.is_ascii_alphanumeric() => Ok(c),
        _ => Err(UNKNOWN),
    }
}

fn hexadecimal(rest: &mut Peekable<Chars<'_>>) -> Result<char, &'static str> {
    const WRONG: &str = r"a character by number is written \x7F or \x{10FFFF}";
    let mut digits = String::new();
    let braces = rest.next_if_eq(&'{').is_some();
    let most = if braces { 8 } else { 2 };
    while digits.len() < most {
        let Some(digit) = rest.next_if(char::is_ascii_hexdigit) else { break };
        digits.push(digit);
    }
    let complete = if braces { rest.next() == Some('}') } else { digits.len() == 2 };
    let number = u32::from_str_radix(&digits, 16).ok().filter(|_| complete);
    number.and_then(char::from_u32).ok_or(WRONG)
}

/// What follows `[`, with the bracket.
fn class(rest: &mut Peekable<Chars<'_>>, out: &mut String) -> Result<(), &'static str> {
    const OPEN: &str = "a list of characters without its end";
    out.push('[');
    if rest.next_if_eq(&'^').is_some() {
        out.push('^');
    }
    let mut first = true;
    loop {
        let c = rest.peek().copied().ok_or(OPEN)?;
        if c == ']' && !first {
            rest.next();
            out.push(']');
            return Ok(());
        }
        first = false;
        if c == '[' && named_class(rest, out)? {
            continue;
        }
        if c == '\\' {
            let mut ahead = rest.clone();
            ahead.next();
            match ahead.peek().copied() {
                Some(kind) if perl(kind).is_some() => {
                    ahead.next();
                    *rest = ahead;
                    match (kind.is_ascii_uppercase(), perl(kind).unwrap_or_default()) {
                        (true, members) => write(out, format_args!("[^{members}]")),
                        (false, members) => out.push_str(members),
                    }
                    continue;
                }
                Some('p' | 'P') => {
                    *rest = ahead;
                    property(rest, out)?;
                    continue;
                }
                _ => {}
            }
        }
        let low = member(rest)?;
        literal(low, out);
        let mut ahead = rest.clone();
        if ahead.next() == Some('-') && ahead.peek().is_some_and(|next| *next != ']') {
            *rest = ahead;
            let high = member(rest)?;
            if high < low {
                return Err("a range of characters runs backwards");
            }
            out.push('-');
            literal(high, out);
        }
    }
}

/// One character of a class.
fn member(rest: &mut Peekable<Chars<'_>>) -> Result<char, &'static str> {
    match rest.next() {
        Some('\\') => character(rest),
        Some(c) => Ok(c),
        None => Err("a list of characters without its end"),
    }
}

/// `[:alpha:]`, if that follows.
fn named_class(rest: &mut Peekable<Chars<'_>>, out: &mut String) -> Result<bool, &'static str> {
    const NAMES: [&str; 14] = [
        "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct",
        "space", "upper", "word", "xdigit",
    ];
    let text: String = rest.clone().take(12).collect();
    let Some((inner, _)) = text.strip_prefix("[:").and_then(|text| text.split_once(":]")) else {
        // Without its end near by it is either a longer, unknown name or no name at all.
        let later: String = rest.clone().collect();
        let named = later.strip_prefix("[:").is_some_and(|text| text.contains(":]"));
        return if named { Err("a class of POSIX that is not known") } else { Ok(false) };
    };
    let name = inner.strip_prefix('^').unwrap_or(inner);
    if !NAMES.contains(&name) {
        return Err("a class of POSIX that is not known");
    }
    write(out, format_args!("[:{inner}:]"));
    for _ in 0..inner.len() + 4 {
        rest.next();
    }
    Ok(true)
}

/// A character that stands for itself, in a class too.
fn literal(c: char, out: &mut String) {
    if c.is_control() || c.is_whitespace() {
        write(out, format_args!(r"\x{{{:X}}}", u32::from(c)));
    } else {
        out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4])));
    }
}

fn write(out: &mut String, what: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = out.write_fmt(what);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(go: &str, text: &str) -> bool {
        let translated = translate(go).unwrap_or_else(|e| panic!("{go}: {e}"));
        let compiled = ::regex::Regex::new(&translated);
        compiled.unwrap_or_else(|e| panic!("{go}: {translated}: {e}")).is_match(text)
    }

    #[test]
    fn i4_what_go_matches_is_matched_and_nothing_else() {
        let cases = [
            (r"^\d$", "7", true),
            (r"^\d$", "٣", false),
            (r"^\D$", "٣", true),
            (r"^\w+$", "a_1", true),
            (r"^\w$", "é", false),
            (r"^[\w.-]+$", "a.b-c", true),
            (r"^[\w.-]+$", "é", false),
            (r"^[^\w]$", "é", true),
            (r"^[\W]$", "é", true),
            (r"^\s$", "\u{a0}", false),
            (r"^\s$", "\u{b}", false),
            (r"\bé", "aé", true),
            (r"\bb", "éb", true),
            (r"^[a&&b]+$", "&ab", true),
            (r"^[+--]+$", ",-+", true),
            (r"^[a~~b]$", "~", true),
            (r"^[a[b]$", "[", true),
            (r"^[]a]$", "]", true),
            (r"^[^]a]$", "]", false),
            (r"^[a-]$", "-", true),
            (r"^[[:alpha:][:^digit:]]$", "x", true),
            (r"^[[:digit]+$", "[:digt", true),
            (r"^a{,3}$", "a{,3}", true),
            (r"^a{2,3}$", "aaa", true),
            (r"^a{$", "a{", true),
            (r"^\Qa.b\E+$", "a.bb", true),
            (r"^\Qa.b", "a.b", true),
            (r"^\101$", "A", true),
            (r"^\x41\x{42}$", "AB", true),
            (r"^\<\_$", "<_", true),
            (r"^\pL\p{Greek}\p{^Greek}$", "aαb", true),
            (r"^(?i:straße)$", "STRAßE", true),
            (r"^(?P<a>x)(?<b>y)$", "xy", true),
            ("^a b#c$", "a b#c", true),
            (r"^.$", "\n", false),
            (r"(?s)^.$", "\n", true),
        ];
        for (go, text, want) in cases {
            assert_eq!(matches(go, text), want, "{go} {text:?}");
        }
    }

    #[test]
    fn i4_what_go_refuses_is_refused() {
        let wrong = [
            "a**",
            "a*+",
            "a+?+",
            "a{2}{3}",
            r"\1",
            r"\8",
            r"\B",
            r"\C",
            r"\E",
            r"\u0041",
            r"\h",
            "\\",
            "(?x)a",
            "(?=a)",
            "(?!a)",
            "(?<=a)",
            "(?P=a)",
            "(?P>a)",
            "(?<é>a)",
            r"\p{Script=Greek}",
            r"\p{",
            "[a",
            "[z-a]",
            "[a--b]",
            r"[\b]",
            "[[:nope:]]",
            "a{1001}",
            r"\x4",
            r"\x{110000}",
            r"\x{D800}",
        ];
        for go in wrong {
            let translated = translate(go);
            let refused = match &translated {
                Ok(translated) => ::regex::Regex::new(translated).is_err(),
                Err(_) => true,
            };
            assert!(refused, "{go}: {translated:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in "\\PC{0,40}", odd in "[\\\\\\[\\](){}?*+^$.|PpQEdw:<>&,0-9-]{0,20}") {
            let _ = translate(&text);
            let _ = translate(&odd);
        }
    }
}
