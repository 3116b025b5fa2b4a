//! The word that somebody may have meant who wrote another one.

/// How alike two words are that are taken for each other, from 0 to 1.
const ALIKE: f32 = 0.7;
/// Longest word that is looked at, in characters.
const LONGEST_CHARS: usize = 64;

/// The question for the beginning of a help text, with a blank behind it; nothing where no known word is like the written one.
pub fn did_you_mean<'w>(written: &str, words: impl Iterator<Item = &'w str>) -> String {
    nearest(written, words).map(|near| format!("did you mean {near}? ")).unwrap_or_default()
}

/// Finds the known word that is most like the written one, if any is.
fn nearest<'w>(written: &str, words: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    if written.chars().count() > LONGEST_CHARS {
        return None;
    }
    // Words are known in small letters, but for keys, which are like themselves in any.
    let small = written.to_lowercase();
    let alike = |word: &&str| {
        let as_written = similar::TextDiff::from_chars(*word, written).ratio();
        similar::TextDiff::from_chars(*word, &small).ratio().max(as_written)
    };
    let near = words.map(|word| (alike(&word), word)).filter(|(ratio, _)| *ratio >= ALIKE);
    near.max_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_word_finds_its_neighbour() {
        let cases = [
            ("signd", Some("signed")),
            ("singed", Some("signed")),
            ("Signed", Some("signed")),
            ("SIGNED", Some("signed")),
            ("base-line", Some("baseline")),
            ("reproducable", Some("reproducible")),
            ("strict", None),
            ("", None),
            ("./policies", None),
        ];
        let words = || ["baseline", "signed", "slsa", "reproducible"].into_iter();
        for (written, wanted) in cases {
            assert_eq!(nearest(written, words()), wanted, "{written}");
        }
        assert_eq!(nearest(&"signed".repeat(1000), words()), None);
    }
}
