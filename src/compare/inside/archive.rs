//! Archives side by side, member by member.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Read},
};

use flate2::bufread::MultiGzDecoder;
use object::read::archive::ArchiveFile;
use sha2::{Digest as _, Sha256};

use super::{
    Container, ContentValue, Inside, Look, MEMBER_BYTES, PARTS_MAX, Part, PartName, PartValue,
};
use crate::{
    compare::{content::cut, normalize},
    image::tar::{self as layer, TarError},
};

/// Members that are looked at.
const MEMBERS_MAX: usize = 100_000;

/// Members by name: what each is, and its bytes where they are few.
type Members = BTreeMap<String, Member>;

struct Member {
    value: PartValue,
    bytes: Option<Vec<u8>>,
}

impl Look<'_> {
    /// Reads a member within what is left to be read; `value` is made from its content.
    fn member(
        &mut self,
        value: impl FnOnce(ContentValue) -> PartValue,
        mut content: impl Read,
    ) -> Option<Member> {
        let mut bytes = Vec::new();
        content.by_ref().take(MEMBER_BYTES.min(self.left)).read_to_end(&mut bytes).ok()?;
        let mut hasher = Sha256::new_with_prefix(&bytes);
        let most = self.left.saturating_sub(bytes.len() as u64).saturating_add(1);
        let rest = io::copy(&mut content.take(most), &mut hasher).ok()?;
        let size = rest + bytes.len() as u64;
        self.left = self.left.checked_sub(size)?;
        let value = value(ContentValue { sha256: hasher.finalize().into(), size });
        Some(Member { value, bytes: (rest == 0).then_some(bytes) })
    }

    fn parts(&mut self, of: Container, left: &Members, right: &Members) -> Option<Inside> {
        let names: BTreeSet<&String> = left.keys().chain(right.keys()).collect();
        let (mut parts, mut omitted) = (Vec::new(), 0);
        for name in names {
            let (l, r) = (left.get(name), right.get(name));
            let value = |member: Option<&Member>| member.map(|member| member.value.clone());
            if value(l) == value(r) {
                continue;
            }
            if parts.len() == PARTS_MAX {
                omitted += 1;
                continue;
            }
            let both = l.and_then(|l| l.bytes.as_ref()).zip(r.and_then(|r| r.bytes.as_ref()));
            let inside = both.filter(|(l, r)| l != r).and_then(|(l, r)| self.inside(name, l, r));
            let (left, right, inside) = (value(l), value(r), inside.map(Box::new));
            parts.push(Part { name: PartName::Member(cut(name)), left, right, inside });
        }
        // Equal members under unlike headers: the difference is in times or order.
        Some(Inside::Parts { of, parts, omitted })
    }
}

pub(super) fn zip(look: &mut Look<'_>, left: &[u8], right: &[u8]) -> Option<Inside> {
    let mut read = |bytes: &[u8]| {
        let mut archive = normalize::open_zip(bytes)?;
        let mut members = Members::new();
        for index in 0..archive.len() {
            let file = archive.by_index(index).ok()?;
            let name = String::from_utf8_lossy(file.name_raw()).into_owned();
            let mode = file.unix_mode();
            let value = |content| PartValue::ZipMember { mode, content };
            members.insert(name, look.member(value, file)?);
        }
        Some(members)
    };
    let (left, right) = (read(left)?, read(right)?);
    look.parts(Container::Zip, &left, &right)
}

pub(super) fn tar(look: &mut Look<'_>, left: &[u8], right: &[u8]) -> Option<Inside> {
    let limits = look.limits;
    let mut read = |bytes: &[u8]| {
        let mut members = Members::new();
        let walked = layer::walk(bytes, limits, |entry, content| {
            let (kind, mode, uid, gid) = (entry.kind, entry.mode, entry.uid, entry.gid);
            let link = entry.link.as_deref().map(cut);
            let value = |content| PartValue::TarMember { kind, mode, uid, gid, link, content };
            let member = look.member(value, content);
            let member = member.ok_or_else(|| TarError::Read(io::Error::other("too much")))?;
            members.insert(entry.path.clone(), member);
            Ok(())
        });
        walked.ok().map(|()| members)
    };
    let (left, right) = (read(left)?, read(right)?);
    look.parts(Container::Tar, &left, &right)
}

pub(super) fn ar(look: &mut Look<'_>, left: &[u8], right: &[u8]) -> Option<Inside> {
    let mut read = |bytes: &[u8]| {
        let archive = ArchiveFile::parse(bytes).ok()?;
        let mut members = Members::new();
        for member in archive.members().take(MEMBERS_MAX) {
            let member = member.ok()?;
            let name = String::from_utf8_lossy(member.name()).into_owned();
            members.insert(name, look.member(PartValue::Content, member.data(bytes).ok()?)?);
        }
        Some(members)
    };
    let (left, right) = (read(left)?, read(right)?);
    look.parts(Container::Ar, &left, &right)
}

pub(super) fn gzip(look: &mut Look<'_>, path: &str, left: &[u8], right: &[u8]) -> Option<Inside> {
    let name = normalize::inner_name(path);
    let mut read = |bytes: &[u8]| {
        let member = look.member(PartValue::Content, MultiGzDecoder::new(bytes))?;
        let base = name.rsplit('/').next().unwrap_or_default().to_owned();
        Some(Members::from([(base, member)]))
    };
    let (left, right) = (read(left)?, read(right)?);
    look.parts(Container::Gzip, &left, &right)
}
