//! Secrets beside the content of files: in what a layer's entry says of itself.
//!
//! Turns an entry into the fields that hold a secret: its path, the target of a link, names of owners, extended attributes, and
//! PAX records, those of global headers among them. Nobody who runs a container sees most of these, and whoever pulls the image
//! has all of them, those of whiteouts among them.

use super::{
    Kind,
    configured::{SHOWN, in_value},
    scan::Scan,
    stores,
    words::in_word,
};
use crate::image::tar::Entry;

/// Bytes by which the encoding of a value is told.
const HEAD_BYTES: usize = 512;

/// A field that holds a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    /// `path`, `link`, `owner`, `xattr NAME`, `pax KEY`.
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) encrypted: bool,
}

/// The fields of an entry that hold secrets.
pub(super) fn of(entry: &Entry) -> Vec<Field> {
    let mut found = Vec::new();
    let mut say = |name: &str, kinds: Vec<(Kind, bool)>| {
        let field = |(kind, encrypted)| Field { name: name.to_owned(), kind, encrypted };
        found.extend(kinds.into_iter().map(field));
    };
    say("path", in_word(&entry.path));
    say("link", entry.link.as_deref().map(in_word).unwrap_or_default());
    for owner in [&entry.uname, &entry.gname] {
        say("owner", in_word(owner));
    }
    let pax = entry.pax.iter().chain(&entry.global).map(|record| ("pax", record));
    for (sort, (name, value)) in entry.xattrs.iter().map(|one| ("xattr", one)).chain(pax) {
        let in_name = in_word(name);
        let shown = if in_name.is_empty() { name.as_str() } else { SHOWN };
        say(sort, in_name);
        say(&format!("{sort} {shown}"), in_bytes(name, value));
    }
    found
}

/// Secrets in the value of an attribute or record.
fn in_bytes(name: &str, value: &[u8]) -> Vec<(Kind, bool)> {
    let end = value.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let text = value.get(..end).and_then(|text| std::str::from_utf8(text).ok());
    let found = match text.filter(|text| !text.contains('\0')) {
        Some(text) => in_value(name, text),
        None => {
            let mut scan = Scan::new(value.get(..HEAD_BYTES).unwrap_or(value));
            scan.take(value);
            scan.finish().0.into_iter().map(|hit| (hit.kind, hit.encrypted)).collect()
        }
    };
    if !found.is_empty() || !stores::may_be(value) {
        return found;
    }
    stores::key(value).map(|key| (key.kind, key.encrypted)).into_iter().collect()
}
