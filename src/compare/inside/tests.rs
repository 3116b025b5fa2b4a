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
fn parts(found: &Inside) -> (Container, Vec<&str>) {
    match found {
        Inside::Parts { of, parts, .. } => (*of, parts.iter().map(|p| p.name.as_str()).collect()),
        Inside::Lines { .. } => panic!("{found:?}"),
    }
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
    object.write().unwrap()
}

#[test]
fn archives_tell_the_member_and_what_differs_in_it() {
    let jar = |time: &str| {
        let properties = format!("#{time}\nversion=1\n");
        jar(&[("META-INF/x.properties", properties.as_bytes()), ("A.class", b"\0same")])
    };
    let (left, right) = (jar("Tue Jan 6 10:00:01 UTC 2026"), jar("Wed Feb 11 12:30:44 UTC 2026"));
    let found = look("/app.jar", &left, &right);
    assert_eq!(parts(&found), (Container::Zip, vec!["META-INF/x.properties"]));
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
    assert_eq!(parts(&found), (Container::Elf, vec![".comment", ".note.gnu.build-id"]));
    assert!(found.is_toolchain_only());
    let Inside::Parts { parts: told, .. } = &found else { panic!() };
    assert_eq!(told[0].left.as_deref(), Some("GCC 12"));
    assert_eq!(told[1].right.as_deref(), Some("0202020202020202020202020202020202020202"));
    let found = look("/app", &base, &build(b"evil", 2, "GCC 12"));
    assert_eq!(parts(&found), (Container::Elf, vec![".text", ".note.gnu.build-id"]));
    assert!(!found.is_toolchain_only(), "code is no note");
    // Behind the last section, where nobody looks.
    let hidden = [base.as_slice(), b"payload"].concat();
    let found = look("/app", &base, &hidden);
    assert!(!found.is_toolchain_only(), "{found:?}");
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
    let names: Vec<_> = parts.iter().map(|part| part.name.as_str()).collect();
    assert_eq!(names, [".text"]);
}
