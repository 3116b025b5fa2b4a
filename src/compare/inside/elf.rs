//! Programs side by side, section by section.

use std::collections::{BTreeMap, BTreeSet};

use object::{Object as _, ObjectSection as _, ObjectSegment as _};
use sha2::{Digest as _, Sha256};

use super::{Container, Inside, PARTS_MAX, Part, content_words};

/// Sections that are looked at; no honest program has nearly as many.
const SECTIONS_MAX: usize = 4096;
/// What differs where no section does.
const ELSEWHERE: &str = "outside the sections";
const HEADERS: &str = "program headers";
/// What differs where sections with equal bytes are loaded elsewhere.
const ADDRESSES: &str = "addresses of sections";

/// Whether a section holds what compilers and linkers note about themselves, and nothing that runs.
pub(super) fn is_note(name: &str) -> bool {
    const NOTES: [&str; 7] = [
        ".comment",
        ".symtab",
        ".strtab",
        ".shstrtab",
        ".gnu_debuglink",
        ".note.gnu.build-id",
        ".note.go.buildid",
    ];
    NOTES.contains(&name) || name.starts_with(".debug") || name.starts_with(".zdebug")
}

/// The sections that differ.
pub(super) fn inside(left: &[u8], right: &[u8]) -> Option<Inside> {
    let (left, right) = (Program::read(left)?, Program::read(right)?);
    let names: BTreeSet<&String> = left.sections.keys().chain(right.sections.keys()).collect();
    let differs = |name: &&String| left.words(name) != right.words(name);
    let mut parts: Vec<Part> = names
        .into_iter()
        .filter(differs)
        .map(|name| part(name, left.words(name), right.words(name)))
        .collect();
    let address = |side: &Program, name: &String| side.sections.get(name).map(|(at, _)| *at);
    let moved = |name: &&String| address(&left, name) != address(&right, name);
    if left
        .sections
        .keys()
        .filter(|name| right.sections.contains_key(*name))
        .any(|name| moved(&name))
    {
        parts.push(part(ADDRESSES, None, None));
    }
    if left.layout != right.layout {
        parts.push(part(HEADERS, None, None));
    }
    if parts.is_empty() {
        parts.push(part(ELSEWHERE, None, None));
    }
    // What runs before what is noted.
    parts.sort_by_key(|part| is_note(&part.name));
    let omitted = parts.len().saturating_sub(PARTS_MAX) as u64;
    parts.truncate(PARTS_MAX);
    Some(Inside::Parts { of: Container::Elf, parts, omitted })
}

fn part(name: &str, left: Option<String>, right: Option<String>) -> Part {
    Part { name: name.to_owned(), left, right, inside: None }
}

struct Program {
    /// Address, where it is loaded, and words about the bytes of each section; notes move freely.
    sections: BTreeMap<String, (u64, String)>,
    /// Entry point, and where segments are loaded.
    layout: (u64, Vec<(u64, u64)>),
}

impl Program {
    fn read(bytes: &[u8]) -> Option<Self> {
        let file = object::File::parse(bytes).ok()?;
        let mut sections = BTreeMap::new();
        for section in file.sections().take(SECTIONS_MAX) {
            let name = String::from_utf8_lossy(section.name_bytes().ok()?).into_owned();
            let data = section.data().unwrap_or_default();
            let address = if is_note(&name) { 0 } else { section.address() };
            let entry = (address, words(&name, data, section.size()));
            // Several of one name, as COMDAT groups make them, are told apart by their number.
            let name = match sections.contains_key(&name) {
                true => format!("{name} #{}", section.index().0),
                false => name,
            };
            sections.insert(name, entry);
        }
        let segments = file.segments().map(|segment| (segment.address(), segment.size())).collect();
        Some(Self { sections, layout: (file.entry(), segments) })
    }

    fn words(&self, name: &str) -> Option<String> {
        self.sections.get(name).map(|(_, words)| words.clone())
    }
}

/// Bytes of a section in words: what a person can read, or a digest.
fn words(name: &str, data: &[u8], size: u64) -> String {
    const READABLE_CHARS: usize = 160;
    match name {
        ".comment" => {
            let text = String::from_utf8_lossy(data).replace('\0', " ");
            text.trim().chars().take(READABLE_CHARS).collect()
        }
        // A note (elf(5)): three lengths, the name `GNU`, then the id.
        ".note.gnu.build-id" if data.len() <= 64 => hex::encode(data.get(16..).unwrap_or_default()),
        _ => content_words(&Sha256::digest(data).into(), size),
    }
}
