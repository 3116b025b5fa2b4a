//! Objects of a policy that is imported, each key of which is either taken or told.
//!
//! A [`Part`] is one object with its place in the document. Whoever translates it takes its keys one by one; what nobody took is
//! known at the end, so that no key is lost in silence, be it one of a newer version or a misspelt one.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::lost::{Invalid, shown};

/// One object, and which of its keys nobody took yet.
#[derive(Debug, Clone)]
pub(super) struct Part<'v> {
    at: String,
    object: &'v Map<String, Value>,
    left: BTreeSet<&'v str>,
}

impl<'v> Part<'v> {
    /// The object at a place.
    ///
    /// # Errors
    /// [`Invalid`]: something else is there.
    pub(super) fn new(at: impl Into<String>, value: &'v Value) -> Result<Self, Invalid> {
        let at = at.into();
        match value.as_object() {
            Some(object) => {
                Ok(Self { at, object, left: object.keys().map(String::as_str).collect() })
            }
            None => Err(Invalid::new(at, "expected a mapping")),
        }
    }

    /// Its own place.
    pub(super) fn place(&self) -> &str {
        &self.at
    }

    /// The place of a key.
    pub(super) fn at(&self, key: &str) -> String {
        let key = shown(key);
        // Behind the name of a policy, of which a file holds several, a place begins.
        let begins = self.at.is_empty() || self.at.ends_with(": ");
        if begins { format!("{}{key}", self.at) } else { format!("{}.{key}", self.at) }
    }

    /// Takes a value.
    pub(super) fn take(&mut self, key: &str) -> Option<&'v Value> {
        self.left.remove(key);
        self.object.get(key)
    }

    /// Takes a text; an empty one is none, as Kubernetes reads it.
    ///
    /// # Errors
    /// [`Invalid`]: it is no text.
    pub(super) fn text(&mut self, key: &str) -> Result<Option<&'v str>, Invalid> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
            Some(_) => Err(Invalid::new(self.at(key), "expected a text")),
        }
    }

    /// Takes a truth value.
    ///
    /// # Errors
    /// [`Invalid`]: it is neither true nor false.
    pub(super) fn truth(&mut self, key: &str) -> Result<Option<bool>, Invalid> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::Bool(truth)) => Ok(Some(*truth)),
            Some(_) => Err(Invalid::new(self.at(key), "expected true or false")),
        }
    }

    /// Takes a whole number that is not negative.
    ///
    /// # Errors
    /// [`Invalid`]: it is something else.
    pub(super) fn count(&mut self, key: &str) -> Result<Option<usize>, Invalid> {
        let Some(value) = self.take(key) else { return Ok(None) };
        let count = value.as_u64().and_then(|count| usize::try_from(count).ok());
        count.map(Some).ok_or_else(|| Invalid::new(self.at(key), "expected a whole number"))
    }

    /// Takes an object.
    ///
    /// # Errors
    /// [`Invalid`]: it is something else.
    pub(super) fn part(&mut self, key: &str) -> Result<Option<Self>, Invalid> {
        self.take(key).map(|value| Self::new(self.at(key), value)).transpose()
    }

    /// Takes a list, with the place of each of its values; none is an empty one.
    ///
    /// # Errors
    /// [`Invalid`]: it is no list.
    pub(super) fn list(&mut self, key: &str) -> Result<Vec<(String, &'v Value)>, Invalid> {
        let at = self.at(key);
        match self.take(key) {
            None => Ok(Vec::new()),
            Some(Value::Array(list)) => {
                let placed = list.iter().enumerate();
                Ok(placed.map(|(index, value)| (format!("{at}[{index}]"), value)).collect())
            }
            Some(_) => Err(Invalid::new(at, "expected a list")),
        }
    }

    /// Takes a list of objects.
    ///
    /// # Errors
    /// [`Invalid`]: it is something else.
    pub(super) fn parts(&mut self, key: &str) -> Result<Vec<Self>, Invalid> {
        self.list(key)?.into_iter().map(|(at, value)| Self::new(at, value)).collect()
    }

    /// Takes a list of texts.
    ///
    /// # Errors
    /// [`Invalid`]: it is something else.
    pub(super) fn texts(&mut self, key: &str) -> Result<Vec<(String, &'v str)>, Invalid> {
        let text = |(at, value): (String, &'v Value)| match value.as_str() {
            Some(text) => Ok((at, text)),
            None => Err(Invalid::new(at, "expected a text")),
        };
        self.list(key)?.into_iter().map(text).collect()
    }

    /// Keys that nobody took.
    pub(super) fn rest(&self) -> Vec<&'v str> {
        self.left.iter().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_nobody_took_is_left_and_forms_are_checked() {
        let value = json!({ "a": "x", "b": true, "c": [{ "d": 1 }], "e": "", "f": -1, "g": 0 });
        let mut part = Part::new("top", &value).unwrap();
        assert_eq!(part.text("a").unwrap(), Some("x"));
        assert_eq!(part.text("e").unwrap(), None);
        assert_eq!(part.truth("b").unwrap(), Some(true));
        assert_eq!(part.truth("missing").unwrap(), None);
        assert_eq!(part.rest(), ["c", "f", "g"]);
        let inner = part.parts("c").unwrap();
        assert_eq!(inner[0].place(), "top.c[0]");
        assert_eq!(inner[0].rest(), ["d"]);
        for (found, want) in [
            (part.text("b").map(|_| ()), "top.b"),
            (part.truth("a").map(|_| ()), "top.a"),
            (part.count("f").map(|_| ()), "top.f"),
            (part.list("a").map(|_| ()), "top.a"),
            (part.texts("c").map(|_| ()), "top.c[0]"),
            (part.part("c").map(|_| ()), "top.c"),
        ] {
            assert_eq!(found.unwrap_err().at, want);
        }
        assert_eq!(part.count("g").unwrap(), Some(0));
        assert!(part.rest().is_empty());
    }
}
