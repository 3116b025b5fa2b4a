//! Words of a document, as long as a word can be.

use std::{borrow::Cow, fmt, ops::Deref};

use serde::{Deserialize, Deserializer, de};

/// Bytes of a name, version, purl or other word that is kept: what is longer is no word.
pub(super) const WORD_BYTES: usize = 64 << 10;

/// A word of the document; where it has no escapes, it is the document's own bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Word<'a>(Cow<'a, str>);

impl<'a> From<&'a str> for Word<'a> {
    fn from(text: &'a str) -> Self {
        Self(text.into())
    }
}

impl Deref for Word<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl From<Word<'_>> for String {
    fn from(word: Word<'_>) -> Self {
        word.0.into_owned()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Word<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Visitor)
    }
}

struct Visitor;

fn bounded<E: de::Error>(text: &str) -> Result<&str, E> {
    if text.len() > WORD_BYTES {
        let found = text.len();
        return Err(E::custom(format_args!(
            "a text of {found} bytes stands where at most {WORD_BYTES} are read"
        )));
    }
    Ok(text)
}

impl<'de> de::Visitor<'de> for Visitor {
    type Value = Word<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Word<'de>, E> {
        bounded(text).map(|text| Word(text.into()))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Word<'de>, E> {
        bounded(text).map(|text| Word(text.to_owned().into()))
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<Word<'de>, E> {
        bounded::<E>(&text)?;
        Ok(Word(text.into()))
    }
}
