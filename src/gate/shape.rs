//! What is kept of a Kubernetes object: the keys that lead to its images.
//!
//! A JSON value in memory is a hundred times as large as its text at worst (`{"":0},` is seven bytes and takes seven
//! hundred), and an object is whatever a user wrote. So only members of [`KEYS`] are read, in any case so that a second
//! spelling is seen (attack E17), the rest is passed over while it is parsed, and what is kept is counted (attack C13).

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value};

use super::choice::PRESET_LABEL;

/// Members that lead to images, or say whose they are or how they are judged.
const KEYS: [&str; 18] = [
    "apiVersion",
    "kind",
    "spec",
    "template",
    "jobTemplate",
    "containers",
    "initContainers",
    "ephemeralContainers",
    "volumes",
    "name",
    "generateName",
    "image",
    "imagePullPolicy",
    "reference",
    "pullPolicy",
    "metadata",
    "labels",
    PRESET_LABEL,
];
/// Values that are kept of one object: a pod of 128 images has fewer than a thousand.
const MAX_VALUES: usize = 16 << 10;
/// Bytes of one text that is kept: above every name that there is.
const MAX_TEXT_BYTES: usize = 4 << 10;

/// An object without what nobody here looks at.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Shape(Value);

impl Shape {
    /// What was kept.
    pub fn value(&self) -> &Value {
        &self.0
    }

    /// A text of its metadata; empty where there is none.
    pub fn metadata(&self, key: &str) -> &str {
        let metadata = self.0.get("metadata").and_then(|metadata| metadata.get(key));
        metadata.and_then(Value::as_str).unwrap_or_default()
    }
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut left = MAX_VALUES;
        Keep { left: &mut left }.deserialize(deserializer).map(Self)
    }
}

/// Reads one value; `left` more may be kept.
struct Keep<'a> {
    left: &'a mut usize,
}

impl Keep<'_> {
    fn again(&mut self) -> Keep<'_> {
        Keep { left: self.left }
    }
}

impl<'de> DeserializeSeed<'de> for Keep<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        *self.left = self.left.checked_sub(1).ok_or_else(|| {
            D::Error::custom(format_args!(
                "the object has more than {MAX_VALUES} containers and volumes"
            ))
        })?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Keep<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Value, E> {
        if value.len() > MAX_TEXT_BYTES {
            let found = value.len();
            let why = format_args!("a name of {found} bytes; at most {MAX_TEXT_BYTES} are read");
            return Err(E::custom(why));
        }
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = seq.next_element_seed(self.again())? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Value, A::Error> {
        let mut kept = Map::new();
        while let Some(Key(key)) = map.next_key()? {
            match key {
                Some(key) => {
                    let value = map.next_value_seed(self.again())?;
                    kept.insert(key, value);
                }
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(Value::Object(kept))
    }
}

/// A key, where it is one of [`KEYS`] in any case.
struct Key(Option<String>);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Known;
        impl Visitor<'_> for Known {
            type Value = Key;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_str<E>(self, key: &str) -> Result<Key, E> {
                let known = KEYS.iter().any(|known| known.eq_ignore_ascii_case(key));
                Ok(Key(known.then(|| key.to_owned())))
            }
        }
        deserializer.deserialize_str(Known)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shape(value: &Value) -> Result<Value, String> {
        let read = crate::json::from_slice::<Shape>(value.to_string().as_bytes(), 8 << 20);
        read.map(|shape| shape.0).map_err(|error| error.to_string())
    }

    #[test]
    fn keeps_the_way_to_images_and_nothing_else() {
        let object = json!({
            "kind": "Pod",
            "metadata": {
                "name": "p", "generateName": "g-", "annotations": {"image": "x"}, "managedFields": [{}],
                "labels": {"app": "x", "hallmark.dev/preset": "signed"},
            },
            "spec": {
                "Containers": [],
                "containers": [{"name": "a", "image": "i", "env": [{"name": "e", "value": "v"}]}],
                "volumes": [{"name": "v", "emptyDir": {}}, {"image": {"reference": "r", "x": 1}}],
            },
            "status": {"containerStatuses": [{"image": "i"}]},
        });
        let want = json!({
            "kind": "Pod",
            "metadata": {
                "name": "p", "generateName": "g-", "labels": {"hallmark.dev/preset": "signed"},
            },
            "spec": {
                "Containers": [],
                "containers": [{"name": "a", "image": "i"}],
                "volumes": [{"name": "v"}, {"image": {"reference": "r"}}],
            },
        });
        assert_eq!(shape(&object), Ok(want));
    }

    #[test]
    fn c13_what_is_kept_is_counted_at_n_and_n_plus_one() {
        // The object and its list are values, too.
        let object = |items: usize| json!({ "containers": vec![json!({}); items] });
        assert!(shape(&object(MAX_VALUES - 2)).is_ok());
        let error = shape(&object(MAX_VALUES - 1)).expect_err("one more");
        assert!(error.contains("more than 16384 containers"), "{error}");
        let junk = json!({ "status": vec![json!({"": 0}); MAX_VALUES] });
        assert_eq!(shape(&junk), Ok(json!({})), "what is not kept does not count");
        let named = |length: usize| json!({ "image": "x".repeat(length) });
        assert!(shape(&named(MAX_TEXT_BYTES)).is_ok());
        assert!(shape(&named(MAX_TEXT_BYTES + 1)).is_err());
    }
}
