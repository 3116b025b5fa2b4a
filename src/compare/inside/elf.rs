//! Programs side by side, section by section.

use std::collections::{BTreeMap, BTreeSet};

use object::{
    Endianness, File, Object as _, ObjectSection as _, ObjectSegment as _, elf,
    read::elf::{ElfFile, FileHeader, ProgramHeader as _},
};
use sha2::{Digest as _, Sha256};

use super::{Container, ContentValue, Hash, Inside, PARTS_MAX, Part, PartName, PartValue};

/// Sections that are looked at; no honest program has nearly as many.
const SECTIONS_MAX: usize = 4096;
/// Segments that are looked at, and how often their bytes may be the file's.
const SEGMENTS_MAX: usize = 64;
const OVERLAPS_MAX: u64 = 4;
/// Notes that are loaded, and say nothing but which build it was.
const LOADED_NOTES: [&str; 2] = [".note.gnu.build-id", ".note.go.buildid"];

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
    // gdb runs what it finds in the one that is left out.
    let debug = name.starts_with(".debug") || name.starts_with(".zdebug");
    NOTES.contains(&name) || debug && name != ".debug_gdb_scripts"
}

/// The sections that differ.
pub(super) fn inside(left: &[u8], right: &[u8]) -> Option<Inside> {
    let (left, right) = (Program::read(left)?, Program::read(right)?);
    let names: BTreeSet<&String> = left.sections.keys().chain(right.sections.keys()).collect();
    let differs = |name: &&String| left.value(name) != right.value(name);
    let mut parts: Vec<Part> = names
        .into_iter()
        .filter(differs)
        .map(|name| Part {
            left: left.value(name).cloned(),
            right: right.value(name).cloned(),
            ..part(PartName::Section(name.clone()))
        })
        .collect();
    let address = |side: &Program, name: &String| side.sections.get(name).map(|(at, _)| *at);
    let moved = |name: &&String| address(&left, name) != address(&right, name);
    if left
        .sections
        .keys()
        .filter(|name| right.sections.contains_key(*name))
        .any(|name| moved(&name))
    {
        parts.push(part(PartName::Addresses));
    }
    if left.layout != right.layout {
        parts.push(part(PartName::Headers));
    }
    // Sections are names for bytes that programs are not run by: notes are all that differs only where what is loaded is the
    // same.
    if parts.iter().all(|part| part.name.is_note()) {
        match (&left.loaded, &right.loaded) {
            (Loaded::Linked, _) | (_, Loaded::Linked) => parts.push(part(PartName::Linked)),
            (Loaded::As(left), Loaded::As(right)) if left == right && !parts.is_empty() => {}
            _ => parts.push(part(PartName::Elsewhere)),
        }
    }
    // What runs before what is noted.
    parts.sort_by_key(|part| part.name.is_note());
    let omitted = parts.len().saturating_sub(PARTS_MAX) as u64;
    parts.truncate(PARTS_MAX);
    Some(Inside::Parts { of: Container::Elf, parts, omitted })
}

fn part(name: PartName) -> Part {
    Part { name, left: None, right: None, inside: None }
}

struct Program {
    /// Address, where it is loaded, and the bytes of each section as a value; notes move freely.
    sections: BTreeMap<String, (u64, PartValue)>,
    /// Entry point, and where segments are loaded.
    layout: (u64, Vec<(u64, u64)>),
    loaded: Loaded,
}

/// What of a program the kernel and the dynamic linker go by.
enum Loaded {
    /// A hash of its headers and of all bytes of its segments but loaded notes.
    As(Hash),
    /// Nothing: it is linked, or loaded by the kernel as a module, by sections and symbols.
    Linked,
    /// Segments that are too many, or lie outside of the file.
    Odd,
}

impl Loaded {
    fn of(file: &File<'_>) -> Self {
        let notes = || {
            let notes = file
                .sections()
                .take(SECTIONS_MAX)
                .filter(|section| section.name().is_ok_and(|name| LOADED_NOTES.contains(&name)));
            notes.filter_map(|section| section.file_range()).collect()
        };
        match file {
            File::Elf32(file) => Self::read(file, notes(), [0x20..0x24, 0x30..0x34]),
            File::Elf64(file) => Self::read(file, notes(), [0x28..0x30, 0x3c..0x40]),
            _ => Self::Odd,
        }
    }

    /// `table` is where a header tells of the sections.
    fn read<E: FileHeader<Endian = Endianness>>(
        file: &ElfFile<'_, E>,
        notes: Vec<(u64, u64)>,
        table: [std::ops::Range<usize>; 2],
    ) -> Self {
        let endian = file.endian();
        if file.elf_header().e_type(endian) == elf::ET_REL {
            return Self::Linked;
        }
        Self::hash(file, notes, table).map_or(Self::Odd, Self::As)
    }

    fn hash<E: FileHeader<Endian = Endianness>>(
        file: &ElfFile<'_, E>,
        notes: Vec<(u64, u64)>,
        table: [std::ops::Range<usize>; 2],
    ) -> Option<Hash> {
        let endian = file.endian();
        let mut bytes = file.data().to_vec();
        let mut hasher = Sha256::new();
        // Which bytes are left out is a part of the hash: a published program calls its own code a note in vain.
        for (at, size) in notes {
            hasher.update(at.to_le_bytes());
            hasher.update(size.to_le_bytes());
            let (from, to) =
                (usize::try_from(at).ok()?, usize::try_from(at.checked_add(size)?).ok()?);
            bytes.get_mut(from..to)?.fill(0);
        }
        for range in table {
            bytes.get_mut(range)?.fill(0);
        }
        hasher.update(b"end of notes");
        let headers = file.elf_program_headers();
        let mut left = (bytes.len() as u64).saturating_mul(OVERLAPS_MAX);
        if headers.len() > SEGMENTS_MAX {
            return None;
        }
        hasher.update(bytes.get(..size_of::<E>())?);
        hasher.update(object::pod::bytes_of_slice(headers));
        for header in headers {
            let (offset, size) = header.file_range(endian);
            left = left.checked_sub(size)?;
            let end = usize::try_from(offset.checked_add(size)?).ok()?;
            hasher.update(bytes.get(usize::try_from(offset).ok()?..end)?);
        }
        Some(hasher.finalize().into())
    }
}

impl Program {
    fn read(bytes: &[u8]) -> Option<Self> {
        let file = object::File::parse(bytes).ok()?;
        let mut sections = BTreeMap::new();
        for section in file.sections().take(SECTIONS_MAX) {
            let name = String::from_utf8_lossy(section.name_bytes().ok()?).into_owned();
            let data = section.data().unwrap_or_default();
            let address = if is_note(&name) { 0 } else { section.address() };
            let entry = (address, value(&name, data, section.size()));
            // Several of one name, as COMDAT groups make them, are told apart by their number.
            let name = match sections.contains_key(&name) {
                true => format!("{name} #{}", section.index().0),
                false => name,
            };
            sections.insert(name, entry);
        }
        let segments = file.segments().map(|segment| (segment.address(), segment.size())).collect();
        Some(Self { sections, layout: (file.entry(), segments), loaded: Loaded::of(&file) })
    }

    fn value(&self, name: &str) -> Option<&PartValue> {
        self.sections.get(name).map(|(_, value)| value)
    }
}

/// Bytes of a section as a value: what a person can read, or a digest.
fn value(name: &str, data: &[u8], size: u64) -> PartValue {
    const READABLE_CHARS: usize = 160;
    match name {
        ".comment" => {
            let text = String::from_utf8_lossy(data).replace('\0', " ");
            PartValue::Text(text.trim().chars().take(READABLE_CHARS).collect())
        }
        // A note (elf(5)): three lengths, the name `GNU`, then the id.
        ".note.gnu.build-id" if data.len() <= 64 => {
            PartValue::Text(hex::encode(data.get(16..).unwrap_or_default()))
        }
        _ => PartValue::Content(ContentValue { sha256: Sha256::digest(data).into(), size }),
    }
}
