//! Programs, searched for what their builders wrote into them, while they stream by.
//!
//! A program may have hundreds of megabytes, and none of it is held: Go's build information is found by how it begins, at a
//! multiple of 16 bytes of the file, as the toolchain finds it in a segment; the list of `cargo auditable` by being the zlib
//! stream whose text begins as every such list does. What is found is held up to a bound. Section tables are not needed for
//! either, and a program without one hides nothing.

use std::sync::LazyLock;

use flate2::{Decompress, FlushDecompress};
use regex::bytes::{Regex, RegexBuilder};

use super::{
    cargo,
    catalogue::{Garbled, Listed, Origin},
    go,
};

/// Go programs.
pub(super) const GO: Origin = Origin { name: "go", ecosystem: "golang", managed: false };
/// Rust programs that `cargo auditable` built.
pub(super) const CARGO: Origin = Origin { name: "cargo", ecosystem: "cargo", managed: false };

/// Bytes of memory that one scan takes: what it found of either kind, and what it looks at.
pub(super) const SCAN_BYTES: u64 = 3 * (256 << 10);
/// Bytes that are held of what was found; the lists of the largest programs have some 100 KiB.
const FOUND_BYTES: usize = 256 << 10;
/// Bytes that show whether something is what it begins as.
const LOOK_BYTES: usize = 1024;
/// What the header of Go's information begins at a multiple of.
const ALIGNMENT: u64 = 16;
/// Places in one program that are tried before it has to have been long: by chance there is one in 16 KiB.
const TRIES: u64 = 4096;
/// Bytes of a program for each further try.
const BYTES_PER_TRY: u64 = 1024;
/// How the text of a list of crates begins.
const CRATES: &[u8] = b"{\"packages\":";

/// Why a search ended early.
const MANY: &str = "it has more places where a list of crates may begin than are tried";

/// How programs begin: ELF, PE, and Mach-O for one processor or several.
const MAGICS: [&[u8]; 5] =
    [b"\x7fELF", b"MZ", b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe", b"\xca\xfe\xba\xbe"];

/// Where something may begin: Go's header, or a zlib stream with a window of 32 KiB and no dictionary (RFC 1950).
static BEGINNINGS: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r"\xff Go buildinf:|\x78[\x01\x5e\x9c\xda]";
    RegexBuilder::new(pattern).unicode(false).build().expect("the pattern is a constant")
});

/// Whether a file begins as a program does.
pub(super) fn is_program(head: &[u8]) -> bool {
    MAGICS.iter().any(|magic| head.starts_with(magic))
}

/// A search through one program.
#[derive(Debug)]
pub(super) struct Scan {
    /// What was not looked at yet, because what follows it has not come.
    window: Vec<u8>,
    /// Where the window begins in the file.
    start: u64,
    go: Option<Vec<u8>>,
    crates: Option<Vec<u8>>,
    inflate: Decompress,
    /// Places that were tried as the beginning of a list of crates.
    tries: u64,
}

impl Scan {
    /// A search that has seen nothing.
    pub(super) fn new() -> Self {
        let (window, inflate) = (Vec::new(), Decompress::new(true));
        Self { window, start: 0, go: None, crates: None, inflate, tries: 0 }
    }

    /// Looks at the next bytes.
    pub(super) fn take(&mut self, bytes: &[u8]) {
        for found in [&mut self.go, &mut self.crates].into_iter().flatten() {
            let room = FOUND_BYTES.saturating_sub(found.len());
            found.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        }
        self.window.extend_from_slice(bytes);
        let ready = self.window.len().saturating_sub(LOOK_BYTES);
        self.look(ready);
        self.window.drain(..ready);
        self.start = self.start.saturating_add(ready as u64);
    }

    /// Looks at what begins within the first so many bytes of the window.
    fn look(&mut self, ready: usize) {
        if self.go.is_some() && self.crates.is_some() {
            return;
        }
        for found in BEGINNINGS.find_iter(&self.window).take_while(|found| found.start() < ready) {
            let rest = self.window.get(found.start()..).unwrap_or_default();
            let held = || rest.get(..FOUND_BYTES).unwrap_or(rest).to_vec();
            if !rest.starts_with(b"x") {
                let place = self.start.saturating_add(found.start() as u64);
                let aligned = place.is_multiple_of(ALIGNMENT);
                if self.go.is_none() && aligned && go::go_build_info(rest).is_some() {
                    self.go = Some(held());
                }
            } else if self.crates.is_none() && self.tries <= self.start / BYTES_PER_TRY + TRIES {
                self.tries += 1;
                if lists_crates(&mut self.inflate, rest) {
                    self.crates = Some(held());
                }
            }
        }
    }

    /// What it found: of each kind, what is listed, or why that cannot be believed.
    pub(super) fn finish(mut self) -> Vec<(Origin, Result<Vec<Listed>, Garbled>)> {
        self.look(self.window.len());
        let go = self.go.as_deref().and_then(go::go_build_info).map(|read| (GO, read));
        let read = |stream: &[u8]| cargo::inflate(stream).and_then(|text| cargo::auditable(&text));
        let gave_up = self.tries > self.start / BYTES_PER_TRY + TRIES;
        let crates = match self.crates.as_deref() {
            Some(stream) => Some((CARGO, read(stream))),
            // Whoever made the program chose how many there are (attack C31).
            None if gave_up => Some((CARGO, Err(Garbled::Form(MANY.to_owned())))),
            None => None,
        };
        go.into_iter().chain(crates).collect()
    }
}

/// Whether a zlib stream begins here whose text begins as a list of crates.
fn lists_crates(inflate: &mut Decompress, stream: &[u8]) -> bool {
    inflate.reset(true);
    let mut text = [0; CRATES.len()];
    let stream = stream.get(..LOOK_BYTES).unwrap_or(stream);
    // The room for text ends before the stream does, which is no error.
    inflate.decompress(stream, &mut text, FlushDecompress::None).is_ok() && text == CRATES
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::contents::testing::{go, said};

    fn deflated(text: &str, level: u32) -> Vec<u8> {
        let level = flate2::Compression::new(level);
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), level);
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    const CRATE: &str = r#"{"packages":[{"name":"a","version":"1.0.0","source":"crates.io"}]}"#;

    /// What is found where the program comes in pieces of this size.
    fn found(program: &[u8], piece: usize) -> String {
        let mut scan = Scan::new();
        program.chunks(piece).for_each(|bytes| scan.take(bytes));
        let found = scan.finish().into_iter();
        let found = found.map(|(origin, read)| format!("{}: {}", origin.name, said(read)));
        found.collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn both_are_found_wherever_they_lie() {
        let elf = |at: usize, blob: &[u8], after: usize| {
            let mut program = b"\x7fELF".to_vec();
            // Noise in which neither begins.
            program.extend((4..at).map(|n| u8::try_from(n % 101).unwrap()));
            program.extend(blob);
            program.resize(program.len() + after, 0);
            program
        };
        let (one, magic) = ("go: a.b/c v1.0.1, stdlib 1.22.1", go::MAGIC.as_slice());
        let both = format!("{one}; cargo: a 1.0.0");
        let decoy = [magic, b" and then some more text of a program that looks for it"].concat();
        let pointers = [magic, &[8, 0], &[0xff; 64]].concat();
        let cases: Vec<(&str, Vec<u8>, &str)> = vec![
            ("aligned", elf(160, &go(1), 0), one),
            ("far", elf(16 * 9000, &go(1), 100_000), one),
            ("not aligned", elf(161, &go(1), 0), ""),
            ("the first of two", [elf(160, &go(1), 16 * 100), vec![0; 3], go(2)].concat(), one),
            ("a decoy before", [elf(160, &decoy, 16 - decoy.len() % 16), go(1)].concat(), one),
            (
                "odd addresses before",
                [elf(160, &pointers, 16 - pointers.len() % 16), go(1)].concat(),
                one,
            ),
            ("crates", elf(333, &deflated(CRATE, 6), 50), "cargo: a 1.0.0"),
            ("crates, fast", elf(333, &deflated(CRATE, 1), 50), "cargo: a 1.0.0"),
            ("crates, stored", elf(333, &deflated(CRATE, 0), 50), "cargo: a 1.0.0"),
            ("crates, best", elf(333, &deflated(CRATE, 9), 5000), "cargo: a 1.0.0"),
            ("another stream", elf(333, &deflated("{\"packaged\":[]}", 6), 50), ""),
            ("both", [elf(160, &go(1), 7), deflated(CRATE, 6)].concat(), &both),
            (
                "cut off",
                elf(333, deflated(CRATE, 0).split_last_chunk::<9>().unwrap().0, 0),
                "cargo: error: its list of crates is no zlib stream",
            ),
            (
                "cut off, go",
                elf(160, go(1).split_last_chunk::<9>().unwrap().0, 0),
                "go: error: its Go build information is cut off",
            ),
            ("nothing", elf(100_000, b"", 0), ""),
        ];
        for (name, program, want) in cases {
            for piece in [1 << 16, 700, 37] {
                assert_eq!(found(&program, piece), want, "{name}, {piece}");
            }
        }
    }

    #[test]
    fn c31_a_program_of_nothing_but_beginnings_is_not_tried_at_each() {
        let program = [b"\x7fELF".as_slice(), &b"x\x9c".repeat(64 << 10)].concat();
        let mut scan = Scan::new();
        program.chunks(1 << 16).for_each(|bytes| scan.take(bytes));
        assert!(scan.tries < TRIES + 2 * (128 << 10) / BYTES_PER_TRY, "{}", scan.tries);
        assert_eq!(found(&program, 1 << 16), format!("cargo: error: {MANY}"));
    }

    #[test]
    fn programs_are_known_by_their_first_bytes() {
        for magic in MAGICS {
            assert!(is_program(magic));
        }
        for head in [b"#!/bin/sh".as_slice(), b"PK\x03\x04", b"", b"\x7fEL"] {
            assert!(!is_program(head), "{head:?}");
        }
    }

    #[test]
    fn what_is_held_is_bounded() {
        let mut scan = Scan::new();
        scan.take(&[go(1), deflated(CRATE, 0)].concat());
        for _ in 0..64 {
            scan.take(&[0; 1 << 16]);
        }
        let held = [&scan.go, &scan.crates].map(|found| found.as_ref().map_or(0, Vec::len));
        assert_eq!(held, [FOUND_BYTES, FOUND_BYTES]);
        assert!(scan.window.len() <= LOOK_BYTES);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300), level in 0..9_u32) {
            let _ = found(&[go::MAGIC.as_slice(), &bytes].concat(), 7);
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let _ = found(&deflated(&format!("{{\"packages\":{text}"), level), 7);
        }
    }
}
