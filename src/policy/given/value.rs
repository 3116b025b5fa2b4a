//! A serializer whose output is values of the engine.
//!
//! What it makes is what reading the JSON text would make, and it counts the bytes of that text. Keys are shared: an image has a few
//! hundred, and some of them a thousand times.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
};

use regorus::Value;
use serde::{
    Serialize, Serializer,
    ser::{
        self, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
        SerializeTupleStruct, SerializeTupleVariant,
    },
};

/// Which lists are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::policy) enum Lists {
    /// All of them.
    Whole,
    /// Of `inventory.packages` and of each SBOM's `components` the first member alone, where no rule reads more of them than whether
    /// there are any.
    Indexed,
    /// The same, and no index of them, where no rule reads that either.
    Counted,
}

/// How deep an input may go; what reads JSON text of the engine's own goes no deeper.
const MAX_DEPTH: usize = 127;
/// Names of the structures in which `serde_json` hides numbers and texts that are JSON already.
const HIDDEN: &str = "$serde_json::private::";

/// Why no value is made.
#[derive(Debug)]
pub(super) enum Failed {
    /// It has more bytes than are allowed.
    TooLarge,
    /// It is nothing that JSON holds.
    Other(String),
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => f.write_str("it is too large"),
            Self::Other(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for Failed {}

impl ser::Error for Failed {
    fn custom<T: fmt::Display>(why: T) -> Self {
        Self::Other(why.to_string())
    }
}

impl From<anyhow::Error> for Failed {
    fn from(error: anyhow::Error) -> Self {
        Self::Other(error.to_string())
    }
}

/// What is made, and of how many bytes.
pub(super) struct Made {
    keys: HashMap<Box<str>, Value>,
    lists: Lists,
    limit: u64,
    /// Bytes of the text.
    pub(super) found: u64,
}

/// Where in the input a value stands, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Root,
    Settings,
    Inventory,
    Sboms,
    Sbom,
    /// A list of which the first member is enough.
    Indexed,
    /// An index of such a list.
    Index,
    Elsewhere,
}

impl At {
    /// Where what stands under a key is.
    fn under(self, key: &str) -> Self {
        match (self, key) {
            (Self::Root, "settings") => Self::Settings,
            (Self::Root, "inventory") => Self::Inventory,
            (Self::Root, "sboms") => Self::Sboms,
            (Self::Inventory, "packages") | (Self::Sbom, "components") => Self::Indexed,
            (Self::Inventory, "index") | (Self::Sbom, "names") => Self::Index,
            _ => Self::Elsewhere,
        }
    }

    fn member(self) -> Self {
        match self {
            Self::Sboms => Self::Sbom,
            _ => Self::Elsewhere,
        }
    }
}

impl Made {
    pub(super) fn new(lists: Lists, limit: u64) -> Self {
        Self { keys: HashMap::new(), lists, limit, found: 0 }
    }

    /// A whole input.
    pub(super) fn root(&mut self, input: &impl Serialize) -> Result<Value, Failed> {
        input.serialize(Maker { made: self, at: At::Root, depth: 0 })
    }

    /// A part of one, to be put somewhere below.
    pub(super) fn part(&mut self, part: &impl Serialize) -> Result<Value, Failed> {
        part.serialize(Maker { made: self, at: At::Elsewhere, depth: 0 })
    }

    fn count(&mut self, bytes: usize) -> Result<(), Failed> {
        self.found = self.found.saturating_add(bytes as u64);
        if self.found > self.limit { Err(Failed::TooLarge) } else { Ok(()) }
    }

    fn text(&mut self, text: &str) -> Result<Value, Failed> {
        self.count(quoted(text))?;
        Ok(Value::String(text.into()))
    }

    fn key(&mut self, key: &str) -> Result<Value, Failed> {
        self.count(quoted(key) + ":".len())?;
        if let Some(known) = self.keys.get(key) {
            return Ok(known.clone());
        }
        let new = Value::String(key.into());
        self.keys.insert(key.into(), new.clone());
        Ok(new)
    }
}

/// Bytes of a text in JSON, with its quotes and escapes.
fn quoted(text: &str) -> usize {
    let plain = "\"\"".len() + text.len();
    // Counted first without a branch, which is done for many bytes at once: few texts have an escape.
    let is_escaped = |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\';
    match text.as_bytes().iter().filter(|byte| is_escaped(byte)).count() {
        0 => plain,
        _ => plain + text.bytes().map(escaped).sum::<usize>(),
    }
}

/// Bytes that a byte has in JSON besides itself.
fn escaped(byte: u8) -> usize {
    match byte {
        b'"' | b'\\' | 0x08 | 0x09 | 0x0a | 0x0c | 0x0d => 1,
        0..0x20 => 5,
        _ => 0,
    }
}

fn digits(number: u64) -> usize {
    number.checked_ilog10().map_or(1, |log| log as usize + 1)
}

struct Maker<'m> {
    made: &'m mut Made,
    at: At,
    depth: usize,
}

impl<'m> Maker<'m> {
    fn deeper(self) -> Result<Self, Failed> {
        match self.depth < MAX_DEPTH {
            true => Ok(Self { depth: self.depth + 1, ..self }),
            false => Err(Failed::Other(format!("it is deeper than {MAX_DEPTH}"))),
        }
    }

    fn list(self, length: Option<usize>) -> Result<List<'m>, Failed> {
        let Maker { made, at, depth } = self.deeper()?;
        made.count("[]".len())?;
        let first_only = at == At::Indexed && made.lists != Lists::Whole;
        let length = if first_only { 1 } else { length.unwrap_or_default().min(1 << 16) };
        Ok(List { made, at, depth, first_only, members: Vec::with_capacity(length) })
    }

    fn object(self, length: Option<usize>) -> Result<Fields<'m>, Failed> {
        let Maker { made, at, depth } = self.deeper()?;
        made.count("{}".len())?;
        let fields = Vec::with_capacity(length.unwrap_or_default().min(1 << 16));
        Ok(Fields { made, at, depth, key: None, fields, hidden: false })
    }

    /// An object with one field, as variants with content are written.
    fn variant<T: Serialize + ?Sized>(self, name: &str, content: &T) -> Result<Value, Failed> {
        let mut fields = self.object(Some(1))?;
        fields.put(name, content)?;
        fields.finish()
    }
}

impl<'m> Serializer for Maker<'m> {
    type Ok = Value;
    type Error = Failed;
    type SerializeSeq = List<'m>;
    type SerializeTuple = List<'m>;
    type SerializeTupleStruct = List<'m>;
    type SerializeTupleVariant = Variant<List<'m>>;
    type SerializeMap = Fields<'m>;
    type SerializeStruct = Fields<'m>;
    type SerializeStructVariant = Variant<Fields<'m>>;

    fn serialize_bool(self, it: bool) -> Result<Value, Failed> {
        self.made.count(if it { "true".len() } else { "false".len() })?;
        Ok(Value::Bool(it))
    }

    fn serialize_i8(self, number: i8) -> Result<Value, Failed> {
        self.serialize_i64(number.into())
    }

    fn serialize_i16(self, number: i16) -> Result<Value, Failed> {
        self.serialize_i64(number.into())
    }

    fn serialize_i32(self, number: i32) -> Result<Value, Failed> {
        self.serialize_i64(number.into())
    }

    fn serialize_i64(self, number: i64) -> Result<Value, Failed> {
        match u64::try_from(number) {
            Ok(number) => self.serialize_u64(number),
            Err(_) => {
                self.made.count("-".len() + digits(number.unsigned_abs()))?;
                Ok(Value::from(number))
            }
        }
    }

    fn serialize_u8(self, number: u8) -> Result<Value, Failed> {
        self.serialize_u64(number.into())
    }

    fn serialize_u16(self, number: u16) -> Result<Value, Failed> {
        self.serialize_u64(number.into())
    }

    fn serialize_u32(self, number: u32) -> Result<Value, Failed> {
        self.serialize_u64(number.into())
    }

    fn serialize_u64(self, number: u64) -> Result<Value, Failed> {
        self.made.count(digits(number))?;
        Ok(Value::from(number))
    }

    fn serialize_f32(self, number: f32) -> Result<Value, Failed> {
        self.read(&number)
    }

    fn serialize_f64(self, number: f64) -> Result<Value, Failed> {
        self.read(&number)
    }

    fn serialize_char(self, c: char) -> Result<Value, Failed> {
        self.serialize_str(c.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, text: &str) -> Result<Value, Failed> {
        self.made.text(text)
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<Value, Failed> {
        self.collect_seq(bytes)
    }

    fn serialize_none(self) -> Result<Value, Failed> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Value, Failed> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Value, Failed> {
        self.made.count("null".len())?;
        Ok(Value::Null)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Value, Failed> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<Value, Failed> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<Value, Failed> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Value, Failed> {
        self.variant(variant, value)
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<List<'m>, Failed> {
        self.list(length)
    }

    fn serialize_tuple(self, length: usize) -> Result<List<'m>, Failed> {
        self.list(Some(length))
    }

    fn serialize_tuple_struct(self, _: &'static str, length: usize) -> Result<List<'m>, Failed> {
        self.list(Some(length))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Variant<List<'m>>, Failed> {
        self.made.count("{}".len())?;
        let name = self.made.key(variant)?;
        Ok(Variant { name, content: self.deeper()?.list(Some(length))? })
    }

    fn serialize_map(self, length: Option<usize>) -> Result<Fields<'m>, Failed> {
        self.object(length)
    }

    fn serialize_struct(self, name: &'static str, length: usize) -> Result<Fields<'m>, Failed> {
        let mut fields = self.object(Some(length))?;
        fields.hidden = name.starts_with(HIDDEN);
        Ok(fields)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Variant<Fields<'m>>, Failed> {
        self.made.count("{}".len())?;
        let name = self.made.key(variant)?;
        Ok(Variant { name, content: self.deeper()?.object(Some(length))? })
    }
}

impl Maker<'_> {
    /// What is read from its text: few are so.
    fn read(self, value: &impl Serialize) -> Result<Value, Failed> {
        let text = serde_json::to_string(value).map_err(|e| Failed::Other(e.to_string()))?;
        self.made.count(text.len())?;
        Ok(Value::from_json_str(&text)?)
    }
}

/// A list that is being made.
pub(super) struct List<'m> {
    made: &'m mut Made,
    at: At,
    depth: usize,
    first_only: bool,
    members: Vec<Value>,
}

impl List<'_> {
    fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Failed> {
        if !self.members.is_empty() {
            if self.first_only {
                return Ok(());
            }
            self.made.count(",".len())?;
        }
        let maker = Maker { made: self.made, at: self.at.member(), depth: self.depth };
        self.members.push(value.serialize(maker)?);
        Ok(())
    }
}

/// An object that is being made.
pub(super) struct Fields<'m> {
    made: &'m mut Made,
    at: At,
    depth: usize,
    key: Option<(Value, At)>,
    fields: Vec<(Value, Value)>,
    /// Whether its one field is a text that is JSON already.
    hidden: bool,
}

impl Fields<'_> {
    fn named(&mut self, key: &str) -> Result<(Value, At), Failed> {
        if !self.fields.is_empty() {
            self.made.count(",".len())?;
        }
        Ok((self.made.key(key)?, self.at.under(key)))
    }

    fn put<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) -> Result<(), Failed> {
        let (key, at) = self.named(key)?;
        self.fill(key, at, value)
    }

    fn fill<T: Serialize + ?Sized>(&mut self, key: Value, at: At, value: &T) -> Result<(), Failed> {
        // Others take their place, and are counted already.
        let value = match at {
            At::Settings => Value::Null,
            At::Index if self.made.lists == Lists::Counted => Value::Null,
            at => value.serialize(Maker { made: self.made, at, depth: self.depth })?,
        };
        self.fields.push((key, value));
        Ok(())
    }

    fn finish(self) -> Result<Value, Failed> {
        if self.hidden {
            let text = self.fields.into_iter().next().map(|(_, text)| text);
            let text = text.as_ref().and_then(|text| text.as_string().ok());
            let text = text.ok_or_else(|| Failed::Other("a number has no text".to_owned()))?;
            return Ok(Value::from_json_str(text)?);
        }
        Ok(Value::from(self.fields.into_iter().collect::<BTreeMap<Value, Value>>()))
    }
}

/// A list or an object under the name of a variant.
pub(super) struct Variant<C> {
    name: Value,
    content: C,
}

impl<C> Variant<C> {
    fn around(name: Value, content: Value) -> Value {
        Value::from(BTreeMap::from([(name, content)]))
    }
}

impl SerializeSeq for List<'_> {
    type Ok = Value;
    type Error = Failed;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Failed> {
        self.push(value)
    }

    fn end(self) -> Result<Value, Failed> {
        Ok(Value::from(self.members))
    }
}

impl SerializeTuple for List<'_> {
    type Ok = Value;
    type Error = Failed;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Failed> {
        self.push(value)
    }

    fn end(self) -> Result<Value, Failed> {
        SerializeSeq::end(self)
    }
}

impl SerializeTupleStruct for List<'_> {
    type Ok = Value;
    type Error = Failed;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Failed> {
        self.push(value)
    }

    fn end(self) -> Result<Value, Failed> {
        SerializeSeq::end(self)
    }
}

impl SerializeTupleVariant for Variant<List<'_>> {
    type Ok = Value;
    type Error = Failed;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Failed> {
        self.content.push(value)
    }

    fn end(self) -> Result<Value, Failed> {
        Ok(Self::around(self.name, SerializeSeq::end(self.content)?))
    }
}

impl SerializeMap for Fields<'_> {
    type Ok = Value;
    type Error = Failed;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Failed> {
        // JSON has keys that are texts; a map with others writes them as such.
        let text = serde_json::to_value(key).map_err(|e| Failed::Other(e.to_string()))?;
        let key = match &text {
            serde_json::Value::String(text) => self.named(text)?,
            serde_json::Value::Number(_) | serde_json::Value::Bool(_) => {
                self.named(&text.to_string())?
            }
            _ => return Err(Failed::Other("a key is no text".to_owned())),
        };
        self.key = Some(key);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Failed> {
        let none = || Failed::Other("a value has no key".to_owned());
        let (key, at) = self.key.take().ok_or_else(none)?;
        self.fill(key, at, value)
    }

    fn end(self) -> Result<Value, Failed> {
        self.finish()
    }
}

impl SerializeStruct for Fields<'_> {
    type Ok = Value;
    type Error = Failed;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), Failed> {
        self.put(key, value)
    }

    fn end(self) -> Result<Value, Failed> {
        self.finish()
    }
}

impl SerializeStructVariant for Variant<Fields<'_>> {
    type Ok = Value;
    type Error = Failed;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), Failed> {
        self.content.put(key, value)
    }

    fn end(self) -> Result<Value, Failed> {
        Ok(Self::around(self.name, self.content.finish()?))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde_json::{Value as Json, json};

    use super::*;

    /// The value is that of the text, and so many bytes long is the text.
    fn holds(value: &impl Serialize) {
        let text = serde_json::to_string(value).unwrap();
        let mut made = Made::new(Lists::Whole, u64::MAX);
        assert_eq!(made.part(value).unwrap(), Value::from_json_str(&text).unwrap(), "{text}");
        assert_eq!(made.found, text.len() as u64, "{text}");
        let mut made = Made::new(Lists::Whole, text.len() as u64);
        assert!(made.part(value).is_ok(), "{text}");
        let mut made = Made::new(Lists::Whole, text.len() as u64 - 1);
        assert!(matches!(made.part(value), Err(Failed::TooLarge)), "{text}");
    }

    #[derive(Serialize)]
    enum Variants {
        Unit,
        Newtype(u8),
        Tuple(i8, Option<char>),
        Struct { a: f32, b: () },
    }

    #[derive(Serialize)]
    struct Flat {
        #[serde(flatten)]
        inner: BTreeMap<String, u32>,
        pair: (bool, String),
    }

    #[test]
    fn what_is_made_is_what_the_text_says_and_bytes_are_those_of_the_text() {
        holds(
            &json!({"a": [1, -1, 0, u64::MAX, i64::MIN, 1.0, -0.5, 1e300, 1e-7], "b": {}, "": [], "c": [[], [{}]]}),
        );
        holds(&"\u{0}\u{1f}\u{7f}\"\\/\n\r\t\u{8}\u{c}é\u{10ffff}");
        holds(&[Variants::Unit, Variants::Newtype(1), Variants::Tuple(-1, None)]);
        holds(&(Variants::Tuple(-128, Some('"')), Variants::Struct { a: 0.1, b: () }));
        holds(&Flat { inner: BTreeMap::from([("x".to_owned(), 7)]), pair: (false, String::new()) });
        holds(&BTreeMap::from([(1, "a"), (-10, "b")]));
        let raw: Box<serde_json::value::RawValue> =
            serde_json::from_str("[1, {\"a\": 2.50}]").unwrap();
        let made = Made::new(Lists::Whole, u64::MAX).part(&raw).unwrap();
        assert_eq!(made, Value::from_json_str("[1, {\"a\": 2.5}]").unwrap());
    }

    fn documents() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::from),
            any::<i64>().prop_map(Json::from),
            any::<u64>().prop_map(Json::from),
            any::<f64>().prop_map(Json::from),
            ".*".prop_map(Json::from),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Json::from),
                prop::collection::btree_map(".*", inner, 0..6)
                    .prop_map(|map| map.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_document_is_made_as_its_text_says(document in documents()) {
            holds(&document);
        }
    }

    #[test]
    fn what_is_too_deep_is_refused_where_its_text_is() {
        let nested = |depth: usize| (0..depth).fold(json!(1), |inner, _| json!([inner]));
        for depth in [MAX_DEPTH, MAX_DEPTH + 1] {
            let value = nested(depth);
            let made = Made::new(Lists::Whole, u64::MAX).part(&value);
            assert_eq!(made.is_ok(), Value::from_json_str(&value.to_string()).is_ok(), "{depth}");
        }
    }

    #[test]
    fn of_lists_that_have_an_index_the_first_member_is_made() {
        let input = json!({
            "inventory": {"packages": [{"a": 1}, {"a": 2}], "databases": [1, 2], "index": {"packages": [1, 2]}},
            "sboms": [{"components": [1, 2, 3], "tools": [1, 2]}, {"components": [], "names": {}}],
            "packages": [1, 2], "components": [1, 2], "settings": {"a": "b"},
        });
        let mut made = Made::new(Lists::Indexed, u64::MAX);
        let mut want = input.clone();
        want["inventory"]["packages"] = json!([{"a": 1}]);
        want["sboms"][0]["components"] = json!([1]);
        want["settings"] = json!(null);
        assert_eq!(made.root(&input).unwrap(), Value::from(want.clone()));
        assert_eq!(made.found, want.to_string().len() as u64 - "null".len() as u64);
        let counted = Made::new(Lists::Counted, u64::MAX).root(&input).unwrap();
        want["inventory"]["index"] = json!(null);
        want["sboms"][1]["names"] = json!(null);
        assert_eq!(counted, Value::from(want));
        let whole = Made::new(Lists::Whole, u64::MAX).root(&input).unwrap();
        assert_eq!(whole["inventory"], Value::from(input["inventory"].clone()));
    }
}
