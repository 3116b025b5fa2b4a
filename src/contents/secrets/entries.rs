//! Secrets beside the content of files: in what a layer's entry says of itself.
//!
//! Turns an entry into the fields that hold a secret: its path, the target of a link, names of owners, extended attributes, and
//! PAX records, those of global headers among them. Nobody who runs a container sees most of these, and whoever pulls the image
//! has all of them, those of whiteouts among them.

use super::{
    Kind,
    configured::{SHOWN, in_text, in_value},
    connections,
    scan::{self, Scan},
    stores,
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

/// Secrets in a short text without a name, as a path. Most have no word of any.
fn in_word(text: &str) -> Vec<(Kind, bool)> {
    if scan::may_hold(text.as_bytes()) {
        return in_text(text);
    }
    // An address with a password.
    let given = text.contains("://") && connections::has_secret(text);
    if given { vec![(Kind::Named, false)] } else { Vec::new() }
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

/// A path as it may be shown: without the names in it that are secrets.
pub(super) fn shown_path(path: &str) -> String {
    if in_word(path).is_empty() {
        return path.to_owned();
    }
    let parts = path.split('/').map(|part| if in_word(part).is_empty() { part } else { SHOWN });
    let shown = parts.collect::<Vec<_>>().join("/");
    // Some are longer than one name.
    if in_word(&shown).is_empty() { shown } else { format!("/{SHOWN}") }
}
