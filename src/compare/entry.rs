//! Entries of a layer, as far as they matter.
//!
//! Turns a tar entry into a fingerprint over everything but benign metadata: type, permissions, owner numbers, size,
//! link target, device, extended attributes, unknown PAX records, content. Not in it are times, owner names, position and
//! header format (class F). Two entries with equal fingerprints unpack to equal files. Of a whiteout only its name and
//! content count: no runtime unpacks the rest.

use sha2::{Digest as _, Sha256};

use super::{
    Class, ContentValue, Difference, EntryValue, Explanation, Holds, Place, SideValue, What, Which,
    content::{Hash, cut, text},
    inside::inside,
    leftovers,
    matcher::Content,
    normalize::normal,
};
use crate::{
    image::tar::{Entry, EntryKind},
    limits::Limits,
};

/// An entry as it counts: a whiteout is a name.
fn effective(entry: &Entry) -> std::borrow::Cow<'_, Entry> {
    if entry.whiteout().is_none() {
        return std::borrow::Cow::Borrowed(entry);
    }
    std::borrow::Cow::Owned(Entry {
        kind: EntryKind::File,
        mode: 0,
        odd_type_bits: 0,
        uid: 0,
        gid: 0,
        link: None,
        device: None,
        xattrs: Attributes::new(),
        pax: Attributes::new(),
        ..entry.clone()
    })
}

/// A hash of everything that counts but the content.
pub(super) fn mark(entry: &Entry) -> Hash {
    let entry = &*effective(entry);
    let mut hasher = Sha256::new();
    hasher.update([entry.kind as u8]);
    for number in [entry.mode, entry.odd_type_bits] {
        hasher.update(number.to_le_bytes());
    }
    for number in [entry.uid, entry.gid, entry.size] {
        hasher.update(number.to_le_bytes());
    }
    let (major, minor) = entry.device.unwrap_or_default();
    hasher.update([u8::from(entry.device.is_some()), u8::from(entry.link.is_some())]);
    hasher.update(major.to_le_bytes());
    hasher.update(minor.to_le_bytes());
    text(&mut hasher, entry.link.as_deref().unwrap_or_default().as_bytes());
    hasher.update((entry.xattrs.len() as u64).to_le_bytes());
    let records = entry.pax.iter().filter(|(key, value)| !leftovers::is_benign_record(key, value));
    for (name, value) in entry.xattrs.iter().chain(records) {
        text(&mut hasher, name.as_bytes());
        text(&mut hasher, value);
    }
    hasher.finalize().into()
}

/// What is known of the entries of one layer that have the same path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Facts {
    /// The last of them, which is the one that stays.
    pub(super) entry: Entry,
    /// What its content hashes to.
    pub(super) content: Hash,
    /// Its content, where there was room for it.
    pub(super) bytes: Option<Vec<u8>>,
    /// How many there are.
    pub(super) count: u64,
}

impl Facts {
    /// The facts of one entry.
    pub(super) fn new(entry: Entry, content: Content) -> Self {
        let (hash, entry) = (content.hash(), effective(&entry).into_owned());
        let bytes = match content {
            Content::Bytes(bytes) => Some(bytes),
            Content::Hash(_) => None,
        };
        Self { entry, content: hash, bytes, count: 1 }
    }

    /// The content as the side of a difference.
    fn content_value(&self) -> ContentValue {
        ContentValue { sha256: self.content, size: self.entry.size }
    }

    /// The whole entry, for one that the other side does not have.
    fn value(&self) -> SideValue {
        let Entry { kind, mode, uid, gid, link, device, .. } = &self.entry;
        let holds = match (kind, link, device) {
            (EntryKind::File, ..) => Holds::Content(self.content_value()),
            (_, Some(link), _) => Holds::Link(cut(link)),
            (_, None, Some((major, minor))) => Holds::Device(*major, *minor),
            _ => Holds::Nothing,
        };
        SideValue::Entry(EntryValue { kind: *kind, mode: *mode, uid: *uid, gid: *gid, holds })
    }
}

/// The value of an attribute: short ones in full.
fn attribute_value(bytes: &[u8]) -> SideValue {
    match bytes.len() {
        0..=32 => SideValue::Bytes(bytes.to_vec()),
        size => {
            let (sha256, size) = (Sha256::digest(bytes).into(), size as u64);
            SideValue::Content(ContentValue { sha256, size })
        }
    }
}

/// What differs between the entries of a path; at least one side has some.
pub(super) fn differences(
    layer: usize,
    path: &str,
    (left, right): (Option<&Facts>, Option<&Facts>),
    limits: &Limits,
) -> Vec<Difference> {
    let mut list = List { place: Place::Entry { layer, path: path.to_owned() }, found: Vec::new() };
    match (left, right) {
        (Some(left), Some(right)) if is_other_form(&left.entry, &right.entry) => {
            list.add(Class::TarSecurity, What::HardLink, Some(left.value()), Some(right.value()));
        }
        (Some(left), Some(right)) => {
            both(&mut list, left, right);
            content(&mut list, path, (left, right), limits);
            // Whatever has no line above counts all the same.
            if list.found.is_empty() && mark(&left.entry) != mark(&right.entry) {
                list.add(Class::TarSecurity, What::Metadata, None, None);
            }
        }
        (Some(only), None) => {
            one_sided(&mut list, only, Which::Published, (Some(only.value()), None));
        }
        (None, Some(only)) => {
            one_sided(&mut list, only, Which::Rebuilt, (None, Some(only.value())));
        }
        (None, None) => {}
    }
    list.found
}

fn is_other_form(left: &Entry, right: &Entry) -> bool {
    let linked = |entry: &Entry| entry.kind == EntryKind::HardLink;
    let file = |entry: &Entry| !matches!(entry.kind, EntryKind::Directory);
    match (linked(left), linked(right)) {
        (true, true) => left.link != right.link,
        (true, false) => file(right),
        (false, true) => file(left),
        (false, false) => false,
    }
}

fn one_sided(
    list: &mut List,
    only: &Facts,
    which: Which,
    (left, right): (Option<SideValue>, Option<SideValue>),
) {
    let class = leftovers::one_sided(&only.entry);
    list.add(class, What::OnlyIn(which), left, right);
    let Some(last) = list.found.last_mut() else { return };
    last.may_be_allowed = leftovers::may_be_allowed(class, &only.entry);
    if class == Class::MountPoint {
        last.explained_by = Some(Explanation::MountPoint);
    }
}

struct List {
    place: Place,
    found: Vec<Difference>,
}

impl List {
    fn add(&mut self, class: Class, what: What, left: Option<SideValue>, right: Option<SideValue>) {
        let found = Difference::new(self.place.clone(), class, what);
        self.found.push(found.between(left, right));
    }

    fn compare<T: PartialEq>(
        &mut self,
        class: Class,
        what: What,
        (left, right): (&T, &T),
        value: impl Fn(&T) -> SideValue,
    ) {
        if left != right {
            self.add(class, what, Some(value(left)), Some(value(right)));
        }
    }
}

fn both(list: &mut List, left: &Facts, right: &Facts) {
    let (l, r) = (&left.entry, &right.entry);
    let security = Class::TarSecurity;
    list.compare(security, What::Type, (&l.kind, &r.kind), |kind| SideValue::Type(*kind));
    list.compare(security, What::Mode, (&l.mode, &r.mode), |mode| SideValue::Mode(*mode));
    let odd = (&l.odd_type_bits, &r.odd_type_bits);
    list.compare(security, What::ModeTypeBits, odd, |bits| SideValue::ModeTypeBits(*bits));
    list.compare(security, What::Uid, (&l.uid, &r.uid), |id| SideValue::Id(*id));
    list.compare(security, What::Gid, (&l.gid, &r.gid), |id| SideValue::Id(*id));
    let link = |link: &Option<String>| SideValue::Link(link.as_deref().map(cut));
    list.compare(security, What::LinkTarget, (&l.link, &r.link), link);
    list.compare(security, What::Device, (&l.device, &r.device), |it| SideValue::Device(*it));
    attributes(list, What::Xattr, (&l.xattrs, &r.xattrs), |_, _| false);
    attributes(list, What::PaxRecord, (&l.pax, &r.pax), leftovers::is_benign_record);
    if (left.count, right.count) != (1, 1) {
        // Only the last of them is compared, and not every runtime lets the last one win.
        let count = |facts: &Facts| Some(SideValue::Count(facts.count));
        list.add(security, What::Repeated, count(left), count(right));
    }
}

/// What differs in the contents: explained where both have one normal form, else looked into.
fn content(list: &mut List, path: &str, (left, right): (&Facts, &Facts), limits: &Limits) {
    if (&left.content, left.entry.size) == (&right.content, right.entry.size) {
        return;
    }
    let place = list.place.clone();
    let mut found = Difference::new(place, leftovers::content(path), What::Content).between(
        Some(SideValue::Content(left.content_value())),
        Some(SideValue::Content(right.content_value())),
    );
    if let (Some(l), Some(r)) = (&left.bytes, &right.bytes) {
        match (normal(path, l, limits), normal(path, r, limits)) {
            (Some(l), Some(r)) if l.agrees(&r) => {
                found.class = l.class();
                found.explained_by = Some(l.explanation());
            }
            _ => found.inside = inside(path, l, r, limits),
        }
    }
    let toolchain = found.inside.as_ref().is_some_and(|inside| inside.is_toolchain_only());
    if toolchain && found.class == Class::Content {
        found.class = Class::Toolchain;
    }
    found.may_be_allowed =
        [left, right].iter().all(|side| leftovers::may_be_allowed(found.class, &side.entry));
    list.found.push(found);
}

type Attributes = std::collections::BTreeMap<String, Vec<u8>>;

fn attributes(
    list: &mut List,
    what: fn(String) -> What,
    (left, right): (&Attributes, &Attributes),
    benign: impl Fn(&str, &[u8]) -> bool,
) {
    let names: std::collections::BTreeSet<&String> = left.keys().chain(right.keys()).collect();
    for name in names {
        let counts =
            |side: &'_ Attributes| side.get(name).is_some_and(|value| !benign(name, value));
        if left.get(name) != right.get(name) && (counts(left) || counts(right)) {
            let value = |side: &Attributes| side.get(name).map(|value| attribute_value(value));
            list.add(Class::TarSecurity, what(cut(name)), value(left), value(right));
        }
    }
}
