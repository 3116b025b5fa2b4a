//! A list of manifests that is added to: the referrers tag of a registry, `index.json` of a layout.
//!
//! What others put into it stays as they wrote it, so each entry is kept as its text, and the list is bounded by its bytes
//! alone: whoever may push can add entries, and a bound on their number would keep everybody else from signing (attack H52).

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    image::{FormatError, MediaType},
    json::{self, Bounds, Raw},
};

/// What such a list is called.
const LIST: &str = "list of referrers";

fn malformed(why: impl Into<String>) -> FormatError {
    FormatError::Malformed { what: LIST, why: why.into() }
}

/// A list with everything that others put into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entries {
    /// The document without its list.
    around: BTreeMap<String, Raw>,
    entries: Vec<Raw>,
}

impl Entries {
    /// The list where there is none yet.
    pub(super) fn none() -> Self {
        let around = [("schemaVersion", json!(2)), ("mediaType", json!(MediaType::OCI_INDEX))];
        let around = around.map(|(name, value)| (name.to_owned(), Raw::from(value)));
        Self { around: BTreeMap::from(around), entries: Vec::new() }
    }

    /// Reads a list of at most so many bytes.
    pub(super) fn read(bytes: &[u8], limit_bytes: usize) -> Result<Self, FormatError> {
        // None of its values is held but as text.
        let bounds = Bounds { bytes: limit_bytes, values: limit_bytes, values_limit: None };
        let document = json::check(bytes, bounds).map_err(|error| malformed(error.to_string()))?;
        let none = || malformed("it is no image index");
        let mut around: BTreeMap<String, Raw> = document.read().map_err(|_| none())?;
        let kind = around.get("mediaType").map(|kind| kind.document().read::<String>());
        if kind.is_some_and(|kind| kind.ok().as_deref() != Some(MediaType::OCI_INDEX)) {
            return Err(none());
        }
        let list = around.remove("manifests").ok_or_else(none)?;
        let entries = list.document().read().map_err(|_| none())?;
        Ok(Self { around, entries })
    }

    /// How many entries there are.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it names what `entry` names.
    pub(super) fn has(&self, entry: &Value) -> bool {
        self.entries.iter().any(|existing| Named::of(existing).is_some_and(|n| n.is(entry)))
    }

    /// The document with one more entry, of at most so many bytes.
    pub(super) fn with(&self, entry: &Value, limit_bytes: usize) -> Result<Bytes, FormatError> {
        let entry = entry.to_string();
        let entries: Vec<&str> = self.entries.iter().map(Raw::text).chain([&*entry]).collect();
        let list = format!("\"manifests\":[{}]", entries.join(","));
        let around = self.around.iter();
        let around = around.map(|(name, value)| format!("{}:{}", json!(name), value.text()));
        let parts: Vec<String> = around.chain([list]).collect();
        let bytes = Bytes::from(format!("{{{}}}", parts.join(",")));
        if bytes.len() > limit_bytes {
            return Err(FormatError::Limit {
                what: LIST,
                found: bytes.len() as u64,
                unit: "bytes",
                limit: limit_bytes as u64,
                limit_name: "manifest_bytes",
            });
        }
        Ok(bytes)
    }

    /// Refuses a list that one more entry would make too long for who reads it as an image index.
    pub(super) fn has_room(&self, limit_entries: usize) -> Result<(), FormatError> {
        if self.len() < limit_entries {
            return Ok(());
        }
        Err(FormatError::Limit {
            what: LIST,
            found: self.len().saturating_add(1) as u64,
            unit: "entries",
            limit: limit_entries as u64,
            limit_name: "index_manifests",
        })
    }
}

/// What an entry names. One that is malformed names nothing.
#[derive(Deserialize)]
struct Named {
    #[serde(rename = "mediaType")]
    media_type: String,
    digest: String,
    size: u64,
}

impl Named {
    fn of(entry: &Raw) -> Option<Self> {
        entry.document().read().ok()
    }

    fn is(&self, entry: &Value) -> bool {
        (entry["mediaType"] == *self.media_type)
            && (entry["digest"] == *self.digest)
            && (entry["size"] == self.size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;

    const LIMIT: usize = 4 << 20;

    fn entry(text: &str) -> Value {
        let digest = Digest::sha256(text.as_bytes()).to_string();
        json!({"mediaType": MediaType::OCI_MANIFEST, "digest": digest, "size": 1})
    }

    fn read(bytes: &[u8]) -> Entries {
        Entries::read(bytes, LIMIT).unwrap()
    }

    #[test]
    fn an_entry_is_added_and_those_of_others_stay_as_they_were_written() {
        let theirs = r#"{"digest": "sha256:aa", "size": 3.0, "mediaType":"m", "data":"\u0065"}"#;
        let others = format!(
            r#"{{"annotations":{{"a":"b"}},"schemaVersion":2,"x":{{"y":[1.50]}},"manifests":[ {theirs}, 7 ]}}"#
        );
        let bytes = read(others.as_bytes()).with(&entry("ours"), LIMIT).unwrap();
        let text = std::str::from_utf8(&bytes).unwrap();
        for kept in [theirs, r#""x":{"y":[1.50]}"#, r#""annotations":{"a":"b"}"#, "7"] {
            assert!(text.contains(kept), "{kept}: {text}");
        }
        let list = read(&bytes);
        assert_eq!((list.len(), list.has(&entry("ours")), list.has(&entry("x"))), (3, true, false));
    }

    #[test]
    fn an_entry_that_says_something_else_of_a_digest_is_not_the_entry() {
        for (name, value) in [("size", json!(2)), ("mediaType", json!("text/plain"))] {
            let mut other = entry("ours");
            other[name] = value;
            let list = read(&Entries::none().with(&other, LIMIT).unwrap());
            assert!(!list.has(&entry("ours")), "{name}");
        }
    }

    /// Strangers add entries, and entries of many values.
    #[test]
    fn h52_a_list_is_bounded_in_bytes_and_not_in_entries_or_values() {
        let many: Vec<Value> = (0..2501).map(|i| entry(&i.to_string())).collect();
        let values = json!({"annotations": vec![0; 300_000]});
        for junk in [many, vec![values]] {
            let bytes = json!({"manifests": junk}).to_string();
            let list = read(bytes.as_bytes());
            let more = list.with(&entry("ours"), LIMIT).unwrap();
            assert!(read(&more).has(&entry("ours")));
        }
        let one = Entries::none().with(&entry("1"), LIMIT).unwrap();
        assert!(Entries::none().with(&entry("1"), one.len()).is_ok());
        let error = Entries::none().with(&entry("1"), one.len() - 1).unwrap_err();
        assert!(error.to_string().contains("limits.manifestBytes"), "{error}");
        assert!(Entries::read(&one, one.len() - 1).is_err());
        assert!(read(&one).has_room(2).is_ok());
        let error = read(&one).has_room(1).unwrap_err();
        assert!(error.to_string().contains("limits.indexManifests"), "{error}");
    }

    #[test]
    fn what_is_no_index_is_not_added_to() {
        let cases = [
            "[]",
            "{}",
            r#"{"manifests":{}}"#,
            r#"{"mediaType":"application/vnd.oci.image.manifest.v1+json","manifests":[]}"#,
            r#"{"mediaType":1,"manifests":[]}"#,
            r#"{"manifests":[],"manifests":[]}"#,
        ];
        for text in cases {
            assert!(Entries::read(text.as_bytes(), LIMIT).is_err(), "{text}");
        }
        assert_eq!(read(br#"{"manifests":[]}"#).len(), 0);
    }
}
