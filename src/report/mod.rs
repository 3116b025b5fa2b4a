//! Verdicts and comparisons in words: for people, for machines, for the apiserver.
//!
//! Renders what was decided and decides nothing. The same verdict gives the same bytes. Text that comes from images or
//! registries is shown with its control characters escaped, so that no label can write to a terminal (attack F6).

pub mod branches;
pub mod comparison;
pub mod difference;
pub mod html;
pub mod inspect;
pub mod json;
pub mod plan;
pub mod text;

/// Strangers' text with control characters escaped, so that it is one line and moves no cursor.
pub fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        // Direction overrides and the like are invisible and can make a line read as another.
        let invisible = matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
        if c.is_control() || invisible {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn control_characters_do_not_reach_a_terminal() {
        let cases = [
            ("plain", "plain"),
            ("a\u{1b}[2Jb", "a\\u{1b}[2Jb"),
            ("two\nlines", "two\\u{a}lines"),
            ("\u{202e}evil", "\\u{202e}evil"),
            ("größe", "größe"),
        ];
        for (text, want) in cases {
            assert_eq!(super::clean(text), want);
        }
    }
}
