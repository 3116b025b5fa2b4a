//! JSON from strangers.
//!
//! Turns bytes into a value only where every parser would read the same value: duplicate keys, documents deeper than
//! [`MAX_DEPTH`], trailing bytes, invalid UTF-8 and arrays in the place of objects are refused (attack E17; RFC 8259
//! section 4 leaves duplicates open). `serde_json` by itself keeps the last of two equal keys in silence.

mod strict;

use std::{collections::HashSet, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor},
};

use strict::Strict;

/// Deepest nesting of arrays and objects that is read, in levels.
pub const MAX_DEPTH: usize = 100;

/// Why a document was refused.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// Not JSON, too deep, a key given twice, bytes after the end, or not of the expected form.
    #[error("{0}")]
    Invalid(#[from] serde_json::Error),
    /// More bytes than are read.
    #[error("document of {found} bytes is larger than the limit of {limit} bytes")]
    TooLarge {
        /// Size in bytes.
        found: usize,
        /// Limit in bytes.
        limit: usize,
    },
}

/// Reads one document of at most `limit_bytes` bytes into `T`.
///
/// # Errors
/// See [`JsonError`]; unknown keys are `T`'s affair.
pub fn from_slice<T: DeserializeOwned>(bytes: &[u8], limit_bytes: usize) -> Result<T, JsonError> {
    if bytes.len() > limit_bytes {
        return Err(JsonError::TooLarge { found: bytes.len(), limit: limit_bytes });
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    Unambiguous { depth: 0 }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    Ok(T::deserialize(Strict(&mut deserializer))?)
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

/// Walks a document without keeping it, and refuses what two parsers could read differently.
struct Unambiguous {
    depth: usize,
}

impl Unambiguous {
    fn deeper<E: serde::de::Error>(&self) -> Result<Self, E> {
        if self.depth >= MAX_DEPTH {
            return Err(E::custom(format_args!("nested deeper than {MAX_DEPTH} levels")));
        }
        Ok(Self { depth: self.depth + 1 })
    }
}

impl<'de> DeserializeSeed<'de> for Unambiguous {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unambiguous {
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

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(self.deeper()?)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            map.next_value_seed(self.deeper()?)?;
            if let Some(key) = seen.replace(key) {
                return Err(A::Error::custom(format_args!("key {key:?} is given twice")));
            }
        }
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
    fn the_size_limit_holds_at_n_and_n_plus_one() {
        assert!(from_slice::<Value>(b"[1]", 3).is_ok());
        assert!(matches!(
            from_slice::<Value>(b"[12]", 3),
            Err(JsonError::TooLarge { found: 4, limit: 3 })
        ));
    }
}
