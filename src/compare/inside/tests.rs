//! What is told of the insides of files.

use std::io::{Cursor, Write as _};

use object::{
    Architecture, BinaryFormat, Endianness, SectionKind,
    write::{Object, StandardSection},
};
use zip::{ZipWriter, write::SimpleFileOptions};

use super::*;

fn look(path: &str, left: &[u8], right: &[u8]) -> Inside {
    inside(path, left, right, &Limits::default()).expect("something differs that can be told")
}

/// Names of the parts, and the lines of the last one.
fn parts(found: &Inside) -> (Container, Vec<String>) {
    match found {
        Inside::Parts { of, parts, .. } => {
            (*of, parts.iter().map(|p| p.name.to_string()).collect())
        }
        Inside::Lines { .. } => panic!("{found:?}"),
    }
}

fn named(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn jar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in members {
        writer.start_file(*name, SimpleFileOptions::default()).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn program(code: &[u8], sections: &[(&str, &[u8])]) -> Vec<u8> {
    let mut object = Object::new(BinaryFormat::Elf, Architecture::X86_64, Endianness::Little);
    let text = object.section_id(StandardSection::Text);
    object.append_section_data(text, code, 16);
    for (name, data) in sections {
        let name = name.as_bytes().to_vec();
        let section = object.add_section(Vec::new(), name, SectionKind::OtherString);
        object.append_section_data(section, data, 1);
    }
    let mut bytes = object.write().unwrap();
    // The library writes what is to be linked: `e_type` is that of a program now.
    bytes[16..18].copy_from_slice(&3_u16.to_le_bytes());
    bytes
}

/// A program whose one segment, of type `kind`, is `size` bytes from `offset` on.
fn with_segment(mut bytes: Vec<u8>, kind: u32, offset: usize, size: u64) -> Vec<u8> {
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    let table = (bytes.len() as u64).to_le_bytes();
    bytes[32..40].copy_from_slice(&table);
    bytes[54..58].copy_from_slice(&[56, 0, 1, 0]);
    bytes.extend([kind.to_le_bytes(), 5_u32.to_le_bytes()].concat());
    for number in [offset as u64, 0x1000, 0x1000, size, size, 16] {
        bytes.extend(number.to_le_bytes());
    }
    bytes
}

#[test]
fn archives_tell_the_member_and_what_differs_in_it() {
    let jar = |time: &str| {
        let properties = format!("#{time}\nversion=1\n");
        jar(&[("META-INF/x.properties", properties.as_bytes()), ("A.class", b"\0same")])
    };
    let (left, right) = (jar("Tue Jan 6 10:00:01 UTC 2026"), jar("Wed Feb 11 12:30:44 UTC 2026"));
    let found = look("/app.jar", &left, &right);
    assert_eq!(parts(&found), (Container::Zip, named(&["META-INF/x.properties"])));
    assert!(found.is_only_times() && !found.is_toolchain_only());
    let Inside::Parts { parts, .. } = &found else { panic!() };
    let Some(Inside::Lines { lines, .. }) = parts[0].inside.as_deref() else { panic!("{parts:?}") };
    assert_eq!(lines[1], "-#Tue Jan 6 10:00:01 UTC 2026");
}

#[test]
fn programs_tell_the_section() {
    let id = |byte: u8| {
        [&[4, 0, 0, 0, 20, 0, 0, 0, 3, 0, 0, 0], b"GNU\0".as_slice(), &[byte; 20]].concat()
    };
    let build = |code: &[u8], byte: u8, compiler: &str| {
        let id = id(byte);
        program(code, &[(".note.gnu.build-id", &id), (".comment", compiler.as_bytes())])
    };
    let base = build(b"code", 1, "GCC 12");
    let found = look("/app", &base, &build(b"code", 2, "GCC 13"));
    assert_eq!(parts(&found), (Container::Elf, named(&[".comment", ".note.gnu.build-id"])));
    assert!(found.is_toolchain_only());
    let Inside::Parts { parts: told, .. } = &found else { panic!() };
    assert_eq!(told[0].left, Some(PartValue::Text("GCC 12".to_owned())));
    assert_eq!(told[1].right, Some(PartValue::Text("02".repeat(20))));
    let found = look("/app", &base, &build(b"evil", 2, "GCC 12"));
    assert_eq!(parts(&found), (Container::Elf, named(&[".text", ".note.gnu.build-id"])));
    assert!(!found.is_toolchain_only(), "code is no note");
    // Behind the last section, where nobody looks.
    let hidden = [base.as_slice(), b"payload"].concat();
    let found = look("/app", &base, &hidden);
    assert!(!found.is_toolchain_only(), "{found:?}");
}

/// H26: sections say that code is the same, and segments, by which it is run, say something else.
#[test]
fn h26_notes_are_all_that_differs_only_where_the_same_is_loaded() {
    let at = |bytes: &[u8], needle: &[u8]| {
        bytes.windows(needle.len()).position(|window| window == needle).unwrap()
    };
    let build =
        |note: &[u8]| program(b"the code", &[(".comment", note), (".debug_x", b"EVILCODE")]);
    let run = |note: &[u8], needle: &[u8], kind| {
        let bytes = build(note);
        let place = at(&bytes, needle);
        with_segment(bytes, kind, place, 8)
    };
    let toolchain = |left: &[u8], right: &[u8]| look("/app", left, right).is_toolchain_only();
    let honest = run(b"GCC 12", b"the code", 1);
    assert!(toolchain(&honest, &run(b"GCC 13", b"the code", 1)));
    assert!(!toolchain(&honest, &run(b"GCC 13", b"EVILCODE", 1)), "another segment");
    assert!(!toolchain(&honest, &run(b"GCC 13", b"the code", 3)), "another interpreter");
    let mut patched = run(b"GCC 13", b"EVILCODE", 1);
    let table = patched.len() - 56;
    patched[table + 8..table + 16].copy_from_slice(&u64::MAX.to_le_bytes());
    assert!(!toolchain(&honest, &patched), "outside of the file");
    // Modules and libraries are linked by the symbols that are notes elsewhere.
    let linked = |note: &[u8]| {
        let mut bytes = build(note);
        bytes[16] = 1;
        bytes
    };
    assert!(!toolchain(&linked(b"GCC 12"), &linked(b"GCC 13")));
    // gdb runs what stands here.
    let script = |text: &[u8]| program(b"code", &[(".debug_gdb_scripts", text)]);
    assert!(!toolchain(&script(b"one"), &script(b"two")));
}

#[test]
fn what_cannot_be_read_is_not_explained() {
    let limits = Limits::default();
    for (left, right) in [
        (b"\x7fELF".as_slice(), b"\x7fELFx".as_slice()),
        (b"PK\x03\x04", b"PK\x03\x04x"),
        (b"!<arch>\nx", b"!<arch>\ny"),
        (b"\x1f\x8b\0", b"\x1f\x8b\x01"),
        (b"\0\0", b"\0\x01"),
    ] {
        assert_eq!(inside("/x", left, right, &limits), None, "{left:?}");
    }
}

#[test]
fn a_bomb_inside_a_file_is_given_up() {
    let zeros = vec![0; 1 << 20];
    let bomb = |last: u8| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        (0..=MEMBERS_BYTES >> 20).for_each(|_| encoder.write_all(&zeros).unwrap());
        encoder.write_all(&[last]).unwrap();
        encoder.finish().unwrap()
    };
    assert_eq!(inside("/x.gz", &bomb(1), &bomb(2), &Limits::default()), None);
}

#[test]
fn equal_sections_are_not_listed() {
    // Other code before it moves what follows: same bytes, other place.
    let sections: &[(&str, &[u8])] = &[(".comment", b"same\0"), (".mine", b"same")];
    let (left, right) = (program(&[1; 16], sections), program(&[2; 16], sections));
    let Inside::Parts { parts, .. } = look("/bin/x", &left, &right) else { panic!() };
    assert!(parts.iter().all(|part| part.left.is_none() || part.left != part.right), "{parts:?}");
    let names: Vec<_> = parts.iter().map(|part| part.name.to_string()).collect();
    assert_eq!(names, [".text"]);
}
