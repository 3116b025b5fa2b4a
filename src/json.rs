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

use std::{borrow::Cow, collections::HashSet, fmt, sync::Arc};

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
pub struct Document<'b>(&'b str);

/// Checks one document; nothing of it is kept.
///
/// # Errors
/// See [`JsonError`].
pub fn check(bytes: &[u8], bounds: impl Into<Bounds>) -> Result<Document<'_>, JsonError> {
    check_finding(bytes, bounds, []).map(|(document, [])| document)
}

/// The same, with members of the outermost object by their names: of a large document each further reading takes as long as the
/// check. A member that is null is none.
///
/// # Errors
/// See [`JsonError`].
pub fn check_finding<'b, const N: usize>(
    bytes: &'b [u8],
    bounds: impl Into<Bounds>,
    names: [&'static str; N],
) -> Result<(Document<'b>, [Option<Document<'b>>; N]), JsonError> {
    let bounds = bounds.into();
    if bytes.len() > bounds.bytes {
        return Err(JsonError::TooLarge {
            found: bytes.len(),
            limit: bounds.bytes,
            limit_key: None,
        });
    }
    let (values, keys, open) = (bounds.values, MAX_OPEN_KEYS, Vec::new());
    let mut found = [None; N];
    let wanted = Wanted { names: &names, found: &mut found };
    let mut walk = Walk { values, keys, spent: None, open, wanted };
    let text = std::str::from_utf8(bytes);
    // What is known to be UTF-8 as a whole is not looked at again, text by text; what is not is refused where it begins.
    let walked = match text {
        Ok(text) => walk.through(serde_json::Deserializer::from_str(text)),
        Err(_) => walk.through(serde_json::Deserializer::from_slice(bytes)),
    };
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
    let text = text.map_err(|_| serde_json::Error::custom("it is no text in UTF-8"))?;
    let found = found.map(|text| text.filter(|text| text.get() != "null").map(Document::of_raw));
    Ok((Document(text), found))
}

impl<'b> Document<'b> {
    /// A part of a document that [`check`] has seen.
    pub fn of_raw(part: &'b RawValue) -> Self {
        Self(part.get())
    }

    /// Its bytes.
    pub fn bytes(&self) -> &'b [u8] {
        self.0.as_bytes()
    }

    /// Reads it into `T`.
    ///
    /// # Errors
    /// It is not of the expected form; unknown keys are `T`'s affair.
    pub fn read<T: Deserialize<'b>>(&self) -> Result<T, JsonError> {
        let mut deserializer = serde_json::Deserializer::from_str(self.0);
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
        Document(self.text())
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

/// Keys of one object that are compared with each other one by one; more go into a table.
const FEW_KEYS: usize = 16;

/// Members of the outermost object that are kept as text.
struct Wanted<'w, 'd> {
    names: &'w [&'static str],
    found: &'w mut [Option<&'d RawValue>],
}

/// What is left while a document is walked.
struct Walk<'w, 'd> {
    values: usize,
    keys: usize,
    spent: Option<Spent>,
    /// The first few keys of each object that is open: one list for all of them, since a large document has as many objects as
    /// values, and most have few keys.
    open: Vec<Cow<'d, str>>,
    wanted: Wanted<'w, 'd>,
}

/// What there was more of.
#[derive(Clone, Copy)]
enum Spent {
    Values,
    Keys,
}

impl<'d> Walk<'_, 'd> {
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

    /// Walks a document from its beginning to its end.
    fn through<R: serde_json::de::Read<'d>>(
        &mut self,
        mut deserializer: serde_json::Deserializer<R>,
    ) -> Result<(), serde_json::Error> {
        Unambiguous { walk: self, depth: 0 }.deserialize(&mut deserializer)?;
        deserializer.end()
    }

    /// Where a member is kept that somebody asks for.
    fn place_of(&mut self, key: &str) -> Option<&mut Option<&'d RawValue>> {
        let place = self.wanted.names.iter().position(|name| *name == key)?;
        self.wanted.found.get_mut(place)
    }
}

/// The keys of an object so far.
struct KeysOf<'d> {
    /// Where those in the list of open ones begin.
    base: usize,
    /// The rest, and those of the list once there is a rest.
    more: HashSet<Cow<'d, str>>,
    count: usize,
}

impl<'d> KeysOf<'d> {
    /// Takes note of a key; whether it is a new one.
    #[expect(clippy::ptr_arg, reason = "a key that is borrowed is kept borrowed")]
    fn note(&mut self, key: &Cow<'d, str>, open: &mut Vec<Cow<'d, str>>) -> bool {
        self.count += 1;
        let few = open.get(self.base..).unwrap_or_default();
        if self.count <= FEW_KEYS {
            let is_new = !few.contains(key);
            open.push(key.clone());
            return is_new;
        }
        if self.more.is_empty() {
            self.more.extend(few.iter().cloned());
        }
        self.more.insert(key.clone())
    }
}

/// A key, which is the document's own bytes where it has no escapes.
struct KeyText;

impl<'de> DeserializeSeed<'de> for KeyText {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for KeyText {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(key))
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(key.to_owned()))
    }
}

/// Walks a document without keeping it, and refuses what two parsers could read differently.
struct Unambiguous<'u, 'w, 'd> {
    walk: &'u mut Walk<'w, 'd>,
    depth: usize,
}

impl<'w, 'd> Unambiguous<'_, 'w, 'd> {
    fn deeper<E: serde::de::Error>(&mut self) -> Result<Unambiguous<'_, 'w, 'd>, E> {
        if self.depth >= MAX_DEPTH {
            return Err(E::custom(format_args!("nested deeper than {MAX_DEPTH} levels")));
        }
        Ok(Unambiguous { walk: self.walk, depth: self.depth + 1 })
    }

    /// Walks a member's value, and keeps its text where somebody asks for it.
    fn member<A: MapAccess<'d>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        let place = if self.depth == 0 { self.walk.place_of(key) } else { None };
        let Some(place) = place else { return map.next_value_seed(self.deeper()?) };
        let text: &'d RawValue = map.next_value()?;
        *place = Some(text);
        let mut value = serde_json::Deserializer::from_str(text.get());
        self.deeper()?.deserialize(&mut value).map_err(A::Error::custom)
    }
}

impl<'de> DeserializeSeed<'de> for Unambiguous<'_, '_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.walk.take(Spent::Values)?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unambiguous<'_, '_, 'de> {
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
        let base = self.walk.open.len();
        let mut keys = KeysOf { base, more: HashSet::new(), count: 0 };
        while let Some(key) = map.next_key_seed(KeyText)? {
            self.walk.take(Spent::Keys)?;
            if key.starts_with(PRIVATE) {
                return Err(A::Error::custom(format_args!("key {key:?} is not read alike")));
            }
            let is_new = keys.note(&key, &mut self.walk.open);
            self.member(&key, &mut map)?;
            if !is_new {
                return Err(A::Error::custom(format_args!("key {key:?} is given twice")));
            }
        }
        self.walk.keys += keys.count;
        self.walk.open.truncate(base);
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
            (r#"{"a":{"b":1},"b":2,"c":{"b":3,"a":4},"b":5}"#, "\"b\" is given twice"),
            (r#"{"a\u0062":1,"ab":2}"#, "given twice"),
            (r#"{"a":1}{"b":2}"#, "trailing"),
            (r#"{"a":1"#, "EOF"),
            (r#"{"$serde_json::private::RawValue":"{}"}"#, "not read alike"),
            (deep.as_str(), "nested deeper"),
        ];
        for (text, want) in cases {
            let error = from_slice::<Value>(text.as_bytes(), 1 << 20).expect_err(text).to_string();
            assert!(error.contains(want), "{text}: {error}");
        }
        for bytes in [b"\"\xff\"".as_slice(), b"{\"\xff\":1}", b"\xff", b"[1]\xff"] {
            assert!(from_slice::<Value>(bytes, 100).is_err(), "invalid UTF-8: {bytes:?}");
        }
        let edge = format!("{}{}", "[".repeat(MAX_DEPTH), "]".repeat(MAX_DEPTH));
        assert!(from_slice::<Value>(edge.as_bytes(), 1 << 20).is_ok());
    }

    /// One key of a small object, and of one that has a table.
    #[test]
    fn each_key_is_held_against_all_before_it() {
        for count in [2, FEW_KEYS, FEW_KEYS + 1, FEW_KEYS + 2, 3 * FEW_KEYS] {
            let with = |twice: Option<usize>| {
                let keys = (0..count).chain(twice);
                let members: Vec<_> =
                    keys.map(|n| format!("\"{n}\":{{\"{n}\":0,\"x\":0}}")).collect();
                format!("[{{{}}},{{\"0\":1}}]", members.join(","))
            };
            assert!(check(with(None).as_bytes(), 1 << 20).is_ok(), "{count}");
            for twice in [0, count / 2, count - 1] {
                let error = check(with(Some(twice)).as_bytes(), 1 << 20).expect_err("twice");
                assert!(error.to_string().contains("given twice"), "{count} {twice}: {error}");
            }
        }
    }

    #[test]
    fn members_are_found_on_the_way() {
        let text = r#"{"b":[1,{"a":2}],"a":"x\u0079","none":null,"c":3}"#;
        let bounds = Bounds { bytes: 100, values: 8, values_limit: None };
        let (document, found) =
            check_finding(text.as_bytes(), bounds, ["a", "b", "none", "absent"]).expect(text);
        assert_eq!(document.bytes(), text.as_bytes());
        let found = found.map(|one| one.map(|one| one.bytes().to_vec()));
        let want = [Some(r#""x\u0079""#), Some(r#"[1,{"a":2}]"#), None, None];
        assert_eq!(found, want.map(|one| one.map(|one| one.as_bytes().to_vec())));
        // They are held to what the rest is held to.
        let fewer = Bounds { values: 7, ..bounds };
        assert!(matches!(
            check_finding(text.as_bytes(), fewer, ["b"]),
            Err(JsonError::TooMany { limit: 7, .. })
        ));
        let deep =
            |levels: usize| format!(r#"{{"a":{}{}}}"#, "[".repeat(levels), "]".repeat(levels));
        let check = |text: &str| check_finding(text.as_bytes(), 1 << 20, ["a"]).map(drop);
        assert!(check(&deep(MAX_DEPTH - 1)).is_ok());
        for (text, want) in [
            (deep(MAX_DEPTH).as_str(), "nested deeper"),
            (r#"{"a":{"b":1,"b":2}}"#, "given twice"),
            (r#"{"a":1,"a":1}"#, "given twice"),
            (r#"{"a":{"$serde_json::private::RawValue":"1"}}"#, "not read alike"),
            (r#"{"a":01}"#, "invalid number"),
        ] {
            let error = check(text).expect_err(text).to_string();
            assert!(error.contains(want), "{text}: {error}");
        }
        let array = check_finding(br#"["a"]"#, 100, ["a"]).expect("an array has no members");
        assert!(array.1[0].is_none());
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
