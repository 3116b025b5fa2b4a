//! What a file is, by its first bytes and its mode: whether something runs it.
//!
//! Turns the head of a file into a [`Kind`]. Names decide nothing but what bytes leave open: a kernel module is a relocatable
//! object, and a shared library and a program are one ELF type, told apart by `.so` in the name.

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A program, or anything whose mode lets it be run.
    Executable,
    /// A shared or static library, or an object.
    Library,
    /// An archive, or compressed data.
    Archive,
    /// Text that an interpreter is named in.
    Script,
    /// A module of the kernel.
    KernelModule,
    /// A symbolic link.
    Link,
    /// Anything else.
    Other,
}

impl Kind {
    /// The word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Executable => "executable",
            Self::Library => "library",
            Self::Archive => "archive",
            Self::Script => "script",
            Self::KernelModule => "kernel-module",
            Self::Link => "link",
            Self::Other => "other",
        }
    }

    /// Whether something may run it, or load it.
    pub fn runs(self) -> bool {
        !matches!(self, Self::Link | Self::Other)
    }

    /// What a file of this name and these first bytes is.
    pub(super) fn of(path: &str, head: &[u8]) -> Self {
        let name = path.rsplit('/').next().unwrap_or_default();
        match head {
            [0x7f, b'E', b'L', b'F', ..] => elf(name, head),
            // PE of Windows and .NET, Mach-O, WebAssembly.
            [b'M', b'Z', ..] if name.ends_with(".dll") => Self::Library,
            [b'M', b'Z', ..] | [0, b'a', b's', b'm', ..] => Self::Executable,
            [0xcf | 0xce, 0xfa, 0xed, 0xfe, ..] | [0xca, 0xfe, 0xba, 0xbe, ..] => Self::Executable,
            [b'#', b'!', rest @ ..] if interpreter(rest) => Self::Script,
            _ if head.starts_with(b"!<arch>\n") => Self::Library,
            _ if is_module(name) => Self::KernelModule,
            _ if is_archive(head) => Self::Archive,
            _ => Self::Other,
        }
    }

    /// With the mode that the file has in the end.
    pub(super) fn with_mode(self, mode: u32) -> Self {
        if self == Self::Other && mode & 0o111 != 0 { Self::Executable } else { self }
    }
}

fn elf(name: &str, head: &[u8]) -> Kind {
    let big = head.get(5) == Some(&2);
    let kind = match (head.get(16), head.get(17)) {
        (Some(first), Some(second)) if big => u16::from_be_bytes([*first, *second]),
        (Some(first), Some(second)) => u16::from_le_bytes([*first, *second]),
        _ => 0,
    };
    match kind {
        1 if is_module(name) => Kind::KernelModule,
        1 => Kind::Library,
        3 if name.ends_with(".so") || name.contains(".so.") => Kind::Library,
        _ => Kind::Executable,
    }
}

fn is_module(name: &str) -> bool {
    ["", ".xz", ".zst", ".gz"]
        .iter()
        .any(|packed| name.strip_suffix(packed).is_some_and(|n| n.ends_with(".ko")))
}

/// `#!` and a path, so that `#![allow]` of a source is none.
fn interpreter(rest: &[u8]) -> bool {
    let line = rest.split(|byte| *byte == b'\n').next().unwrap_or_default();
    line.trim_ascii_start().starts_with(b"/")
}

fn is_archive(head: &[u8]) -> bool {
    const MAGICS: [&[u8]; 8] = [
        b"PK\x03\x04",
        b"PK\x05\x06",
        b"\x1f\x8b",
        b"\xfd7zXZ\0",
        b"\x28\xb5\x2f\xfd",
        b"BZh",
        b"7z\xbc\xaf\x27\x1c",
        b"\xed\xab\xee\xdb",
    ];
    MAGICS.iter().any(|magic| head.starts_with(magic)) || head.get(257..262) == Some(b"ustar")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_say_what_a_file_is() {
        let elf =
            |kind: u8| [b"\x7fELF\x02\x01\x01".as_slice(), &[0; 9], &[kind, 0], &[0; 40]].concat();
        let tar = [vec![0; 257], b"ustar\x0000".to_vec()].concat();
        let cases: Vec<(&str, Vec<u8>, u32, Kind)> = vec![
            ("/bin/x", elf(2), 0o644, Kind::Executable),
            ("/bin/x", elf(3), 0o755, Kind::Executable),
            ("/lib/x.so.1", elf(3), 0o644, Kind::Library),
            ("/lib/x.o", elf(1), 0o644, Kind::Library),
            ("/lib/modules/x.ko", elf(1), 0o644, Kind::KernelModule),
            ("/lib/modules/x.ko.xz", b"\xfd7zXZ\0".to_vec(), 0o644, Kind::KernelModule),
            ("/x", b"#!/bin/sh\n".to_vec(), 0o644, Kind::Script),
            ("/x", b"#! /usr/bin/env python\n".to_vec(), 0o755, Kind::Script),
            ("/x.rs", b"#![allow(x)]\n/".to_vec(), 0o644, Kind::Other),
            ("/x.jar", b"PK\x03\x04".to_vec(), 0o644, Kind::Archive),
            ("/x", tar, 0o644, Kind::Archive),
            ("/x.a", b"!<arch>\n".to_vec(), 0o644, Kind::Library),
            ("/x.dll", b"MZ".to_vec(), 0o644, Kind::Library),
            ("/x", b"text".to_vec(), 0o644, Kind::Other),
            ("/x", b"text".to_vec(), 0o755, Kind::Executable),
            ("/x", b"\x7fELF".to_vec(), 0o644, Kind::Executable),
            ("/x", Vec::new(), 0o644, Kind::Other),
        ];
        for (path, head, mode, want) in cases {
            assert_eq!(Kind::of(path, &head).with_mode(mode), want, "{path} {head:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
            Kind::of("/x", &bytes);
        }
    }
}
