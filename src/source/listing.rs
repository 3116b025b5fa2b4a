//! Lists of referrers, which grow with whatever strangers attach to an image.
//!
//! A registry copies annotations of any length into the list, for everybody who may push. So a list is read as it comes, and of each
//! entry only what says where it is and of which kind: texts and numbers of the entry itself, nothing that is nested in it.
//! An entry that is malformed is passed over, and of many some of each kind and size are kept (attacks H35 and H41). What surrounds the entries is judged
//! as any other document ([`Index::parse`]).

use std::collections::BTreeSet;

use bytes::Bytes;

use super::places::{self, ENTRIES_FACTOR, most_entries};
use crate::{
    digest::ManifestDigest,
    image::{Checked, Descriptor, FormatError, Index, MediaType},
    limits::{self, Limits},
};

const WHAT: &str = "list of referrers";
/// Bytes of one entry without what is nested in it, and of everything that surrounds the entries.
const PART_BYTES: usize = 64 << 10;
/// The longest type of an artifact (RFC 6838, section 4.2: two words of 127 bytes).
const TYPE_BYTES: usize = 255;
/// The longest name of a key that is looked for.
const KEY_BYTES: usize = 16;
/// A list may be this many times as long as a manifest.
const LIST_FACTOR: u64 = 8;
/// Entries of one list that are looked at: each costs some time.
const MOST_ENTRIES: usize = 64 << 10;

/// The bytes of a list that are read.
pub(super) fn most_bytes(limits: &Limits) -> u64 {
    (limits.manifest_bytes as u64).saturating_mul(LIST_FACTOR)
}

/// What was read of a list.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Listed {
    /// The best entries.
    pub(super) descriptors: Vec<Descriptor>,
    /// Why there may be more.
    pub(super) incomplete: Option<String>,
}

/// Reads a list that is there as a whole.
pub(super) fn read(
    bytes: &[u8],
    stated: Option<&MediaType>,
    limits: &Limits,
) -> Result<Listed, FormatError> {
    let mut scan = Scan::new(limits);
    scan.feed(bytes);
    scan.end(stated)
}

/// Keeps so many entries, in their order, and says whether there were more. Kinds and sizes take turns.
pub(super) fn keep_best(descriptors: &mut Vec<Descriptor>, limit: usize) -> bool {
    if descriptors.len() <= limit {
        return false;
    }
    let mut seen = BTreeSet::new();
    descriptors.retain(|one| seen.insert(one.digest.clone()));
    if descriptors.len() <= limit {
        return false;
    }
    let claimants: Vec<_> = descriptors.iter().map(places::claimant).collect();
    let kept: BTreeSet<usize> = places::in_turns(&claimants).into_iter().take(limit).collect();
    let mut number = 0..;
    descriptors.retain(|_| number.next().is_some_and(|number| kept.contains(&number)));
    true
}

/// A list that is being read.
#[derive(Debug)]
pub(super) struct Scan {
    limits: Limits,
    /// The document without its entries.
    around: Vec<u8>,
    /// The entry that is being read.
    entry: Vec<u8>,
    /// The last text of the outermost object.
    key: Vec<u8>,
    depth: usize,
    text: Option<Text>,
    in_list: bool,
    entries: usize,
    kept: Vec<Descriptor>,
    skipped: usize,
    first_skipped: Option<String>,
    more: bool,
    cut: bool,
}

/// Inside a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Text {
    Plain,
    /// After a backslash.
    Escaped,
}

impl Scan {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            limits: limits.clone(),
            around: Vec::new(),
            entry: Vec::new(),
            key: Vec::new(),
            depth: 0,
            text: None,
            in_list: false,
            entries: 0,
            kept: Vec::new(),
            skipped: 0,
            first_skipped: None,
            more: false,
            cut: false,
        }
    }

    /// Takes the next bytes.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.byte(*byte);
        }
    }

    /// Notes that the rest is not read.
    pub(super) fn cut(&mut self) {
        self.cut = true;
    }

    fn byte(&mut self, byte: u8) {
        if let Some(text) = self.text {
            self.put(byte);
            self.text = match (text, byte) {
                (Text::Plain, b'"') => None,
                (Text::Plain, b'\\') => Some(Text::Escaped),
                _ => Some(Text::Plain),
            };
            if self.depth == 1 && self.text.is_some() && self.key.len() < KEY_BYTES {
                self.key.push(byte);
            }
            return;
        }
        match byte {
            b'"' => {
                self.put(byte);
                self.text = Some(Text::Plain);
                if self.depth == 1 {
                    self.key.clear();
                }
            }
            b'{' | b'[' => self.open(byte),
            b'}' | b']' => self.close(byte),
            _ => self.put(byte),
        }
    }

    fn put(&mut self, byte: u8) {
        let part = match self.depth {
            0 | 1 => &mut self.around,
            3 if self.in_list => &mut self.entry,
            _ => return,
        };
        // One byte more shows that it is too long.
        if part.len() <= PART_BYTES {
            part.push(byte);
        }
    }

    fn open(&mut self, byte: u8) {
        match self.depth {
            0 => self.put(byte),
            1 => {
                self.in_list = byte == b'[' && self.key == b"manifests";
                // What tells a list from a manifest stays, empty.
                let empty: &[u8] = match (self.key.as_slice(), byte) {
                    (b"manifests" | b"layers" | b"config", b'[') => b"[]",
                    (b"manifests" | b"layers" | b"config", _) => b"{}",
                    _ => b"null",
                };
                empty.iter().for_each(|byte| self.put(*byte));
            }
            2 if self.in_list => {
                self.entry.clear();
                self.entry.push(byte);
            }
            3 if self.in_list => b"null".iter().for_each(|byte| self.put(*byte)),
            _ => {}
        }
        self.depth = self.depth.saturating_add(1);
    }

    fn close(&mut self, byte: u8) {
        match self.depth {
            2 => self.in_list = false,
            3 if self.in_list => {
                self.put(byte);
                self.depth = 2;
                return self.finish_entry();
            }
            _ => {}
        }
        self.depth = self.depth.saturating_sub(1);
        if self.depth == 0 {
            self.put(byte);
        }
    }

    fn finish_entry(&mut self) {
        let limit = most_entries(&self.limits);
        self.entries = self.entries.saturating_add(1);
        if self.entries > MOST_ENTRIES {
            self.more = true;
            return;
        }
        match self.descriptor() {
            Ok(descriptor) => self.kept.push(descriptor),
            Err(why) => {
                self.skipped = self.skipped.saturating_add(1);
                self.first_skipped.get_or_insert(why);
            }
        }
        if self.kept.len() > limit.saturating_mul(2) {
            self.more |= keep_best(&mut self.kept, limit);
        }
    }

    /// The entry, by the rules for entries of an index.
    fn descriptor(&self) -> Result<Descriptor, String> {
        if self.entry.len() > PART_BYTES {
            return Err(format!("it has more than {PART_BYTES} bytes"));
        }
        let start = format!(
            "{{\"schemaVersion\":2,\"mediaType\":\"{}\",\"manifests\":[",
            MediaType::OCI_INDEX
        );
        let document = [start.as_bytes(), &self.entry, b"]}"].concat();
        let mut index =
            document_of(document.into(), None, &self.limits).map_err(|error| error.to_string())?;
        let entry = index.manifests.pop().ok_or_else(|| "it is not there".to_owned())?;
        if entry.artifact_type.as_ref().is_some_and(|kind| kind.len() > TYPE_BYTES) {
            return Err(format!("its type has more than {TYPE_BYTES} bytes"));
        }
        Ok(entry)
    }

    /// What was read, once all of it was taken.
    pub(super) fn end(mut self, stated: Option<&MediaType>) -> Result<Listed, FormatError> {
        let limit = most_entries(&self.limits);
        let most = most_bytes(&self.limits);
        if !self.cut {
            document_of(std::mem::take(&mut self.around).into(), stated, &self.limits)?;
        } else if self.kept.is_empty() {
            let (what, unit, limit_name) = (WHAT, "bytes", "manifest_bytes");
            let found = most.saturating_add(1);
            return Err(FormatError::Limit { what, found, unit, limit: most, limit_name });
        }
        self.more |= keep_best(&mut self.kept, limit);
        let key = limits::key("manifest_bytes");
        let cut = self
            .cut
            .then(|| format!("only its first {most} bytes were read, {LIST_FACTOR} times {key}"));
        let more = self.more.then(|| more_than(limit));
        let count = self.skipped;
        let skipped =
            self.first_skipped.map(|why| format!("{count} of its entries cannot be read: {why}"));
        let why: Vec<String> = [cut, more, skipped].into_iter().flatten().collect();
        let incomplete = (!why.is_empty()).then(|| why.join("; "));
        Ok(Listed { descriptors: self.kept, incomplete })
    }
}

/// That there are more entries than are read.
pub(super) fn more_than(limit: usize) -> String {
    let key = limits::key("attestations");
    format!("it has more than {limit} entries, {ENTRIES_FACTOR} times {key}")
}

/// A list has no digest of its own; its own hash stands in.
fn document_of(
    bytes: Bytes,
    stated: Option<&MediaType>,
    limits: &Limits,
) -> Result<Index, FormatError> {
    let document = Checked::new(WHAT, ManifestDigest::of(&bytes), bytes)?;
    Index::parse(document, stated, limits)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn entry(n: usize, kind: &str, more: Value) -> Value {
        let mut entry = json!({
            "mediaType": MediaType::OCI_MANIFEST, "digest": format!("sha256:{n:064x}"),
            "size": 500, "artifactType": kind,
        });
        let more = more.as_object().unwrap().clone();
        entry.as_object_mut().unwrap().extend(more);
        entry
    }

    fn list(entries: &[Value]) -> String {
        json!({"schemaVersion": 2, "mediaType": MediaType::OCI_INDEX, "manifests": entries})
            .to_string()
    }

    const KIND: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

    fn names(listed: &Listed) -> Vec<u64> {
        let number = |d: &Descriptor| u64::from_str_radix(&d.digest.hex()[48..], 16).unwrap();
        listed.descriptors.iter().map(number).collect()
    }

    #[test]
    fn h35_what_is_nested_in_an_entry_costs_the_list_nothing() {
        let limits = Limits::default();
        let many: serde_json::Map<String, Value> =
            (0..300_000).map(|n| (format!("{n:x}"), "".into())).collect();
        let mut deep = json!("}]{[\\\"");
        for _ in 0..90 {
            deep = json!({"a\"]}": [deep]});
        }
        let junk = [
            json!({"annotations": {"x": "y".repeat(9 << 20)}}),
            json!({"annotations": many}),
            json!({"annotations": deep}),
            json!({"annotations": {"a": "1", "A": "2", "": "{\"manifests\":[{"}}),
            json!({"platform": {"os": "linux", "architecture": "amd64"}, "artifactType": "a b\n"}),
        ];
        let mut entries = vec![entry(1, KIND, json!({}))];
        entries.extend(junk.into_iter().enumerate().map(|(n, j)| entry(n + 2, "x/y", j)));
        entries.push(entry(9, KIND, json!({})));
        let text = list(&entries);
        let listed = read(text.as_bytes(), None, &limits).unwrap();
        assert_eq!((names(&listed), &listed.incomplete), (vec![1, 2, 3, 4, 5, 6, 9], &None));
        assert_eq!(listed.descriptors[0].artifact_type.as_deref(), Some(KIND));
        // Byte by byte, as whole.
        let small = list(&[entry(1, KIND, json!({"annotations": {"a": "\\\"}"}}))]);
        let mut scan = Scan::new(&limits);
        small.bytes().for_each(|byte| scan.feed(&[byte]));
        assert_eq!(scan.end(None).unwrap(), read(small.as_bytes(), None, &limits).unwrap());
    }

    #[test]
    fn h35_a_malformed_entry_is_passed_over() {
        let bad = [
            json!({"digest": "sha256:00"}),
            json!({"mediaType": "x y z\u{1}"}),
            json!({"size": -1}),
            json!({"Digest": "sha256:00"}),
            json!({"data": "A".repeat(PART_BYTES)}),
        ];
        for one in bad {
            let entries = [entry(1, KIND, one), entry(2, KIND, json!({}))];
            let listed = read(list(&entries).as_bytes(), None, &Limits::default()).unwrap();
            assert_eq!(names(&listed), [2]);
            assert!(listed.incomplete.is_some_and(|why| why.starts_with("1 of its entries")));
        }
    }

    #[test]
    fn h35_the_best_of_many_are_kept() {
        let limits = Limits { attestations: 10, ..Limits::default() };
        for (count, more) in [(19, false), (20, true), (300, true), (5000, true)] {
            let mut entries: Vec<Value> =
                (0..count).map(|n| entry(n + 2, "x/y", json!({"size": 1}))).collect();
            entries.insert(count.min(200), entry(1, KIND, json!({})));
            let listed = read(list(&entries).as_bytes(), None, &limits).unwrap();
            assert!(names(&listed).contains(&1), "{count}");
            let all = if more { 20 } else { count + 1 };
            assert_eq!((listed.descriptors.len(), listed.incomplete.is_some()), (all, more));
        }
        // As many of its own kind, smaller, and of every other size.
        for (at, size) in [(0, 700), (2500, 700), (5000, 700), (0, 100), (5000, 100)] {
            let mut entries: Vec<Value> =
                (0..5000).map(|n| entry(n + 2, KIND, json!({"size": size}))).collect();
            let every = (0..30).map(|n| entry(n + 9000, KIND, json!({"size": 1_u64 << n})));
            let size = if at == 2500 { 1500 } else { size };
            entries.insert(at, entry(1, KIND, json!({"size": size})));
            entries.extend(every);
            let limits = Limits { attestations: 100, ..Limits::default() };
            let listed = read(list(&entries).as_bytes(), None, &limits).unwrap();
            assert!(names(&listed).contains(&1), "at {at} with {size} bytes");
        }
        // More than an index may have.
        let many: Vec<Value> = (0..1500).map(|n| entry(n, KIND, json!({}))).collect();
        let listed = read(list(&many).as_bytes(), None, &Limits::default()).unwrap();
        assert_eq!((listed.descriptors.len(), listed.incomplete), (1500, None));
        let twins = vec![entry(1, KIND, json!({})); 110];
        let listed = read(list(&twins).as_bytes(), None, &limits).unwrap();
        assert_eq!((names(&listed), listed.incomplete), (vec![1], None));
    }

    #[test]
    fn h35_of_a_list_that_is_cut_the_start_counts() {
        let limits = Limits::default();
        let text = list(&[entry(1, KIND, json!({})), entry(2, KIND, json!({}))]);
        let second = text.find(&format!("{:064x}", 2)).unwrap();
        for (end, want) in [(second, vec![1]), (30, vec![])] {
            let mut scan = Scan::new(&limits);
            scan.feed(&text.as_bytes()[..end]);
            scan.cut();
            match scan.end(None) {
                Ok(listed) => {
                    assert_eq!(names(&listed), want);
                    assert!(listed.incomplete.unwrap().contains("limits.manifestBytes"));
                }
                Err(error) => assert!(want.is_empty(), "{error}"),
            }
        }
    }

    #[test]
    fn what_is_no_list_is_refused() {
        let entry = entry(1, KIND, json!({})).to_string();
        let kind = MediaType::OCI_INDEX;
        for text in [
            "".to_owned(),
            "{".to_owned(),
            "[]".to_owned(),
            "<!doctype html>".to_owned(),
            "{\"schemaVersion\":2,\"config\":{},\"layers\":[]}".to_owned(),
            format!("{{\"schemaVersion\":2,\"mediaType\":\"{kind}\",\"manifests\":[{entry}"),
            format!("{{\"schemaVersion\":2,\"manifests\":[{entry}],\"manifests\":[]}}"),
            format!("{{\"schemaVersion\":2,\"manifests\":[{entry}],\"config\":{{}}}}"),
            format!("{{\"schemaVersion\":2,\"manifests\":[{entry}]}}}}"),
        ] {
            assert!(read(text.as_bytes(), None, &Limits::default()).is_err(), "{text}");
        }
        let null = format!("{{\"schemaVersion\":2,\"mediaType\":\"{kind}\",\"manifests\":null}}");
        assert_eq!(read(null.as_bytes(), None, &Limits::default()).unwrap().descriptors, []);
    }
}
