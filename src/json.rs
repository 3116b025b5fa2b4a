//! JSON from strangers.
//!
//! Turns bytes into a value only where every parser would read the same value: duplicate keys, documents deeper than
//! [`MAX_DEPTH`], trailing bytes, invalid UTF-8 and arrays in the place of objects are refused (attack E17; RFC 8259
//! section 4 leaves duplicates open). `serde_json` by itself keeps the last of two equal keys in silence.
//!
//! Bytes are no measure of memory: each `{"":0},` of seven bytes is a map that takes seven hundred. So values are counted,
//! too, before the first of them is kept (attack C13). A value that may never be wanted stays text ([`Raw`]).

pub mod numbers;
mod strict;
pub mod yaml;

use std::{collections::HashSet, fmt, sync::Arc};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor},
};

use serde_json::value::RawValue;
use strict::Strict;

/// Deepest nesting of arrays and objects that is read, in levels.
pub const MAX_DEPTH: usize = 100;

/// Values in one document, where nobody set another bound (`limits.jsonValues`).
pub const MAX_VALUES: usize = 250_000;
/// Keys of all objects that are open at one place of a document: they are held to find two that are equal.
const MAX_OPEN_KEYS: usize = 250_000;
/// How keys begin that `serde_json` takes for its own, and reads in another way than every other parser does.
const PRIVATE: &str = "$serde_json::private::";

/// How much of a document is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes.
    pub bytes: usize,
    /// Values: each object, array, text, number, boolean and null is one.
    pub values: usize,
    /// The key of the limit that `values` is, as the operator writes it, if any.
    pub values_limit: Option<&'static str>,
}

impl From<usize> for Bounds {
    /// So many bytes, and [`MAX_VALUES`].
    fn from(bytes: usize) -> Self {
        Self { bytes, values: MAX_VALUES, values_limit: None }
    }
}

/// Why a document was refused.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// Not JSON, too deep, a key given twice, bytes after the end, or not of the expected form.
    #[error("{0}")]
    Invalid(#[from] serde_json::Error),
    /// More bytes than are read.
    #[error("document of {found} bytes is larger than the limit of {limit} bytes{}", by(.limit_key))]
    TooLarge {
        /// Size in bytes.
        found: usize,
        /// Limit in bytes.
        limit: usize,
        /// The key in `hallmark.yaml` that raises it, if any.
        limit_key: Option<String>,
    },
    /// More values than are read.
    #[error("document holds more than {limit} values{}", by(.limit_key))]
    TooMany {
        /// Limit in values.
        limit: usize,
        /// The key in `hallmark.yaml` that raises it, if any.
        limit_key: Option<String>,
    },
}

fn by(limit_key: &Option<String>) -> String {
    limit_key.as_ref().map(|key| format!(" ({key})")).unwrap_or_default()
}

impl JsonError {
    /// The same error, which names the key that raises the limit on bytes.
    #[must_use]
    pub fn raised_by(self, key: String) -> Self {
        match self {
            Self::TooLarge { found, limit, .. } => {
                Self::TooLarge { found, limit, limit_key: Some(key) }
            }
            other => other,
        }
    }
}

/// A document that every parser reads alike.
#[derive(Debug, Clone, Copy)]
pub struct Document<'b>(&'b [u8]);

/// Checks one document; nothing of it is kept.
///
/// # Errors
/// See [`JsonError`].
pub fn check(bytes: &[u8], bounds: impl Into<Bounds>) -> Result<Document<'_>, JsonError> {
    let bounds = bounds.into();
    if bytes.len() > bounds.bytes {
        return Err(JsonError::TooLarge {
            found: bytes.len(),
            limit: bounds.bytes,
            limit_key: None,
        });
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let mut walk = Walk { values: bounds.values, keys: MAX_OPEN_KEYS, spent: None };
    let walked = Unambiguous { walk: &mut walk, depth: 0 }.deserialize(&mut deserializer);
    match walk.spent {
        Some(Spent::Values) => {
            let limit_key = bounds.values_limit.map(str::to_owned);
            return Err(JsonError::TooMany { limit: bounds.values, limit_key });
        }
        Some(Spent::Keys) => {
            return Err(JsonError::TooMany { limit: MAX_OPEN_KEYS, limit_key: None });
        }
        None => {}
    }
    walked?;
    deserializer.end()?;
    Ok(Document(bytes))
}

impl<'b> Document<'b> {
    /// A part of a document that [`check`] has seen.
    pub fn of_raw(part: &'b RawValue) -> Self {
        Self(part.get().as_bytes())
    }

    /// Its bytes.
    pub fn bytes(&self) -> &'b [u8] {
        self.0
    }

    /// Reads it into `T`.
    ///
    /// # Errors
    /// It is not of the expected form; unknown keys are `T`'s affair.
    pub fn read<T: Deserialize<'b>>(&self) -> Result<T, JsonError> {
        let mut deserializer = serde_json::Deserializer::from_slice(self.0);
        Ok(T::deserialize(Strict(&mut deserializer))?)
    }
}

/// Reads one document within `bounds` into `T`.
///
/// # Errors
/// See [`JsonError`]; unknown keys are `T`'s affair.
pub fn from_slice<T: DeserializeOwned>(
    bytes: &[u8],
    bounds: impl Into<Bounds>,
) -> Result<T, JsonError> {
    check(bytes, bounds)?.read()
}

/// A value of a document that [`check`] has seen, kept as its text until somebody has a reason to read it.
#[derive(Clone)]
pub struct Raw {
    text: Arc<RawValue>,
    values: usize,
}

impl Raw {
    /// The same, of which at most so many values are held.
    #[must_use]
    pub fn within(self, values: usize) -> Self {
        Self { values, ..self }
    }

    /// The same as a document of its own, whatever it holds: for who reads it field by field.
    pub fn document(&self) -> Document<'_> {
        Document(self.text().as_bytes())
    }

    /// Its text.
    pub fn text(&self) -> &str {
        self.text.get()
    }

    /// The value.
    ///
    /// # Errors
    /// It holds more values than [`Raw::within`] allows.
    pub fn value(&self) -> Result<serde_json::Value, JsonError> {
        self.read()
    }

    /// Reads `T`, and passes over what `T` does not know.
    ///
    /// # Errors
    /// It is not of the expected form, or as [`Raw::value`].
    pub fn read<'t, T: Deserialize<'t>>(&'t self) -> Result<T, JsonError> {
        let bytes = self.text().as_bytes();
        let values_limit = Some("limits.jsonValues");
        check(bytes, Bounds { bytes: bytes.len(), values: self.values, values_limit })?.read()
    }
}

impl From<serde_json::Value> for Raw {
    fn from(value: serde_json::Value) -> Self {
        // A value has text keys, so that it can always be written.
        let text = serde_json::value::to_raw_value(&value).unwrap_or_default();
        Self { text: text.into(), values: MAX_VALUES }
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Box::<RawValue>::deserialize(deserializer)?;
        Ok(Self { text: text.into(), values: MAX_VALUES })
    }
}

impl Default for Raw {
    /// Null.
    fn default() -> Self {
        Self::from(serde_json::Value::Null)
    }
}

impl PartialEq for Raw {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl Eq for Raw {}

impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// Reads `T` from a value, or a reference to one, that [`from_slice`] has read.
///
/// # Errors
/// The value is not of the expected form.
pub fn from_value<'de, T, V>(value: V) -> Result<T, serde_json::Error>
where
    T: Deserialize<'de>,
    V: Deserializer<'de, Error = serde_json::Error>,
{
    T::deserialize(Strict(value))
}

/// What is left while a document is walked.
struct Walk {
    values: usize,
    keys: usize,
    spent: Option<Spent>,
}

/// What there was more of.
#[derive(Clone, Copy)]
enum Spent {
    Values,
    Keys,
}

impl Walk {
    fn take<E: serde::de::Error>(&mut self, what: Spent) -> Result<(), E> {
        let left = match what {
            Spent::Values => &mut self.values,
            Spent::Keys => &mut self.keys,
        };
        *left = left.checked_sub(1).ok_or_else(|| {
            self.spent = Some(what);
            E::custom("too many values")
        })?;
        Ok(())
    }
}

/// Walks a document without keeping it, and refuses what two parsers could read differently.
struct Unambiguous<'w> {
    walk: &'w mut Walk,
    depth: usize,
}

impl Unambiguous<'_> {
    fn deeper<E: serde::de::Error>(&mut self) -> Result<Unambiguous<'_>, E> {
        if self.depth >= MAX_DEPTH {
            return Err(E::custom(format_args!("nested deeper than {MAX_DEPTH} levels")));
        }
        Ok(Unambiguous { walk: self.walk, depth: self.depth + 1 })
    }
}

impl<'de> DeserializeSeed<'de> for Unambiguous<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.walk.take(Spent::Values)?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unambiguous<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(self.deeper()?)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        let mut seen = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            self.walk.take(Spent::Keys)?;
            if key.starts_with(PRIVATE) {
                return Err(A::Error::custom(format_args!("key {key:?} is not read alike")));
            }
            map.next_value_seed(self.deeper()?)?;
            if let Some(key) = seen.replace(key) {
                return Err(A::Error::custom(format_args!("key {key:?} is given twice")));
            }
        }
        self.walk.keys += seen.len();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn refuses_what_parsers_read_differently() {
        let deep = format!("{}{}", "[".repeat(MAX_DEPTH + 1), "]".repeat(MAX_DEPTH + 1));
        let cases = [
            (r#"{"image":"ok","image":"evil"}"#, "given twice"),
            (r#"{"a":{"b":1,"c":2,"b":3}}"#, "given twice"),
            (r#"{"a":1}{"b":2}"#, "trailing"),
            (r#"{"a":1"#, "EOF"),
            (r#"{"$serde_json::private::RawValue":"{}"}"#, "not read alike"),
            (deep.as_str(), "nested deeper"),
        ];
        for (text, want) in cases {
            let error = from_slice::<Value>(text.as_bytes(), 1 << 20).expect_err(text).to_string();
            assert!(error.contains(want), "{text}: {error}");
        }
        assert!(from_slice::<Value>(b"\"\xff\"", 100).is_err(), "invalid UTF-8");
        let edge = format!("{}{}", "[".repeat(MAX_DEPTH), "]".repeat(MAX_DEPTH));
        assert!(from_slice::<Value>(edge.as_bytes(), 1 << 20).is_ok());
    }

    #[test]
    fn c13_values_are_counted_before_any_is_kept() {
        let list = |values: usize| format!("[{}0]", "0,".repeat(values - 2));
        let bounds =
            Bounds { bytes: 1 << 20, values: 1000, values_limit: Some("limits.jsonValues") };
        assert!(from_slice::<Value>(list(1000).as_bytes(), bounds).is_ok());
        for text in [list(1001), format!("[{}0]", r#"{"":0},"#.repeat(500))] {
            let error = from_slice::<Value>(text.as_bytes(), bounds).expect_err("one more");
            assert!(matches!(error, JsonError::TooMany { limit: 1000, .. }), "{error}");
            assert!(error.to_string().ends_with("(limits.jsonValues)"), "{error}");
        }
        let keys = |count: usize| {
            let members: Vec<_> = (0..count).map(|n| format!("\"{n}\":0")).collect();
            format!("{{{}}}", members.join(","))
        };
        let bounds = Bounds { bytes: 8 << 20, values: 1 << 20, values_limit: None };
        assert!(check(keys(MAX_OPEN_KEYS).as_bytes(), bounds).is_ok());
        let error = check(keys(MAX_OPEN_KEYS + 1).as_bytes(), bounds).expect_err("one more");
        assert!(matches!(error, JsonError::TooMany { limit: MAX_OPEN_KEYS, .. }), "{error}");
        let closed = format!("[{0},{0}]", keys(MAX_OPEN_KEYS));
        assert!(check(closed.as_bytes(), bounds).is_ok(), "what is closed is forgotten");
    }

    #[test]
    fn c13_what_stays_text_is_counted_when_it_is_read() {
        #[derive(serde::Deserialize)]
        struct Outer {
            inner: Raw,
        }
        let text = r#"{"inner": {"b":[1, 2],"a":"\u0041"}}"#;
        let Outer { inner } = from_slice(text.as_bytes(), 1000).expect("valid");
        assert_eq!(inner.text(), r#"{"b":[1, 2],"a":"\u0041"}"#);
        assert_eq!(inner.value().expect("few"), serde_json::json!({"a": "A", "b": [1, 2]}));
        assert!(inner.clone().within(5).value().is_ok());
        let error = inner.clone().within(4).value().expect_err("one more");
        assert!(matches!(error, JsonError::TooMany { limit: 4, .. }), "{error}");
        let value: Value = serde_json::from_str(text).expect("valid");
        let again: Outer = from_value(&value).expect("valid");
        assert_eq!(again.inner.value().expect("few"), inner.value().expect("few"));
        assert_eq!(Raw::default().text(), "null");
    }

    #[test]
    fn the_size_limit_holds_at_n_and_n_plus_one() {
        assert!(from_slice::<Value>(b"[1]", 3).is_ok());
        assert!(matches!(
            from_slice::<Value>(b"[12]", 3),
            Err(JsonError::TooLarge { found: 4, limit: 3, .. })
        ));
    }
}
