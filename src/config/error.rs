//! What is wrong with `hallmark.yaml`, and where.
//!
//! Every complaint says the file, line, column and key, what was expected, what was found and what to do. A key path is
//! turned into a position by the same YAML reader that read the file, so that both always agree.

use std::{cell::RefCell, collections::HashSet, fmt, path::PathBuf};

use serde::{
    Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

/// One step on the way to a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Into a mapping.
    Key(String),
    /// Into a list, counted from 0.
    Item(usize),
}

impl From<&str> for Step {
    fn from(key: &str) -> Self {
        Self::Key(key.to_owned())
    }
}

impl From<usize> for Step {
    fn from(index: usize) -> Self {
        Self::Item(index)
    }
}

/// The way to a value from the top of the file: `trust.signers[0].key`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPath(pub Vec<Step>);

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if position == 0 => write!(f, "{}", key.escape_debug())?,
                Step::Key(key) => write!(f, ".{}", key.escape_debug())?,
                Step::Item(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// Builds a [`KeyPath`] of names and indexes.
macro_rules! key {
    ($($step:expr),+ $(,)?) => {
        $crate::config::error::KeyPath(vec![$($crate::config::error::Step::from($step)),+])
    };
}
pub(super) use key;

/// A place in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: PathBuf,
    /// Line and column, both counted from 1; `None` where the reader does not know.
    pub position: Option<(usize, usize)>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        match self.position {
            Some((line, column)) => write!(f, ":{line}:{column}"),
            None => Ok(()),
        }
    }
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file itself cannot be read.
    #[error("{}: cannot be read: {error}\n  help: name a file that is there with --config", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The file is larger than a configuration can be.
    #[error("{}: larger than {limit} bytes", file.display())]
    TooLarge {
        /// The file.
        file: PathBuf,
        /// Limit in bytes.
        limit: u64,
    },
    /// Another kind of file. Nothing of it is repeated, which may be a private key.
    #[error("{}: {what}\n  help: --config takes a hallmark.yaml, which hallmark init IMAGE --write FILE begins", file.display())]
    Other {
        /// The file.
        file: PathBuf,
        /// What it is.
        what: String,
    },
    /// A trusted root that was fetched earlier is not believed, and no file says where else to look.
    #[error("{0}\n  help: hallmark trust update NAME --reset forgets it and begins again")]
    Fetched(String),
    /// Not YAML, an unknown or missing key, or a value of another type.
    #[error("{place}: {why}\n  help: {} lists every key", page!("configuration"))]
    Form {
        /// Where.
        place: Place,
        /// What the reader said; it names the key.
        why: String,
    },
    /// A value that cannot be meant.
    #[error("{place}: {key}: expected {expected}, found {found}\n  help: {help}")]
    Value {
        /// Where.
        place: Place,
        /// Which key.
        key: KeyPath,
        /// What is read here.
        expected: Box<str>,
        /// What is there, with control characters escaped.
        found: Box<str>,
        /// What to do.
        help: Box<str>,
    },
}

/// Line and column of the value at `path`, or of the innermost value on the way that is there.
pub(super) fn locate(text: &str, path: &KeyPath) -> Option<(usize, usize)> {
    for length in (0..=path.0.len()).rev() {
        let steps = path.0.get(..length)?;
        let found = Find(steps).deserialize(yaml_serde::Deserializer::from_str(text));
        if let Some(location) = found.err().and_then(|error| error.location()) {
            return Some((location.line(), location.column()));
        }
    }
    None
}

/// A key that its mapping has already.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Repeated {
    /// Which.
    pub key: KeyPath,
    /// Line and column of what it has there first.
    pub first: Option<(usize, usize)>,
    /// Line and column of the key where it is there again.
    pub again: (usize, usize),
}

/// The first key that its mapping has already.
pub(super) fn repeat(text: &str) -> Option<Repeated> {
    let way = RefCell::default();
    let walked = Repeats(&way).deserialize(yaml_serde::Deserializer::from_str(text));
    let location = walked.err().filter(|error| error.to_string().contains(AGAIN))?.location()?;
    let key = KeyPath(way.into_inner());
    let first = locate(text, &key);
    Some(Repeated { key, first, again: (location.line(), location.column()) })
}

/// What the walk says of a key that is there again.
const AGAIN: &str = "the key again";

/// Walks through everything and stops at the first key that is there again.
struct Repeats<'w>(&'w RefCell<Vec<Step>>);

impl<'de> DeserializeSeed<'de> for Repeats<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Repeats<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }
    fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
    fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        Ok(())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        for position in 0.. {
            self.0.borrow_mut().push(Step::Item(position));
            if seq.next_element_seed(Self(self.0))?.is_none() {
                break;
            }
            self.0.borrow_mut().pop();
        }
        self.0.borrow_mut().pop();
        Ok(())
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = HashSet::new();
        while map.next_key_seed(NewKey(&mut seen, self.0))?.is_some() {
            map.next_value_seed(Self(self.0))?;
            self.0.borrow_mut().pop();
        }
        Ok(())
    }
}

/// A key that was not there before, which is on the way from now on.
struct NewKey<'s>(&'s mut HashSet<String>, &'s RefCell<Vec<Step>>);

impl<'de> DeserializeSeed<'de> for NewKey<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for NewKey<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }
    fn visit_str<E: serde::de::Error>(self, key: &str) -> Result<(), E> {
        self.1.borrow_mut().push(Step::Key(key.to_owned()));
        if self.0.insert(key.to_owned()) { Ok(()) } else { Err(E::custom(AGAIN)) }
    }
}

/// Walks to a value and stops there with an error, which the reader gives its position.
struct Find<'a>(&'a [Step]);

impl<'de> DeserializeSeed<'de> for Find<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Find<'_> {
    fn here<E: serde::de::Error>(&self) -> Result<(), E> {
        if self.0.is_empty() { Err(E::custom("here")) } else { Ok(()) }
    }
}

impl<'de> Visitor<'de> for Find<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }
    fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<(), E> {
        self.here()
    }
    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<(), E> {
        self.here()
    }
    fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<(), E> {
        self.here()
    }
    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<(), E> {
        self.here()
    }
    fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<(), E> {
        self.here()
    }
    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.here()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        self.here()?;
        let wanted = match self.0.split_first() {
            Some((Step::Item(index), rest)) => Some((*index, rest)),
            _ => None,
        };
        for position in 0.. {
            let next = match wanted {
                Some((index, rest)) if index == position => seq.next_element_seed(Find(rest))?,
                _ => seq.next_element::<IgnoredAny>()?.map(drop),
            };
            if next.is_none() {
                break;
            }
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        self.here()?;
        let wanted = match self.0.split_first() {
            Some((Step::Key(key), rest)) => Some((key, rest)),
            _ => None,
        };
        while let Some(key) = map.next_key::<String>()? {
            match wanted {
                Some((wanted, rest)) if *wanted == key => map.next_value_seed(Find(rest))?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_path_is_found_at_its_line_and_column() {
        let text = "version: 1\ntrust:\n  signers:\n    - {name: a, key: b}\n    - name: c\n      key: d\nlimits: {}\n";
        let cases = [
            (key!["version"], (1, 10)),
            (key!["trust", "signers", 0, "key"], (4, 22)),
            (key!["trust", "signers", 1, "key"], (6, 12)),
            (key!["limits"], (7, 9)),
        ];
        for (path, want) in cases {
            assert_eq!(locate(text, &path), Some(want), "{path}");
        }
        let absent = key!["trust", "signers", 1, "absent"];
        assert_eq!(locate(text, &absent), Some((5, 7)), "the innermost value that is there");
        assert_eq!(absent.to_string(), "trust.signers[1].absent");
    }
}
