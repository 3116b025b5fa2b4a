//! Build information of Go programs (`debug/buildinfo`).
//!
//! Turns the blob that the linker puts at the start of a program's data into modules: a header of 32 bytes, then, since Go
//! 1.18, two texts after their lengths; before that the header held the addresses of two Go strings, which are not followed:
//! such a program is a gap. The first text is the toolchain's version, the second has lines `path`, `mod`, `dep`, `=>` and
//! `build`.
//!
//! A module that another one replaces was not built: what is listed is the one in its place. A folder in its place
//! (`=> ./x`) has no identity of its own: listed is the module's name with the version `(devel)`, as the toolchain writes for
//! a module without one. The standard library is listed as `stdlib`.

use super::{
    catalogue::{Garbled, Listed},
    parts::{form, listed, word},
};

/// How the header begins, at a multiple of 16 bytes.
pub(super) const MAGIC: &[u8; 14] = b"\xff Go buildinf:";
/// Bytes of the header.
const HEADER_BYTES: usize = 32;
/// Bytes of each text; those of the largest programs are some 100 KiB.
const TEXT_BYTES: usize = 4 << 20;
/// Bytes before and after the module lines, by which the toolchain finds them.
const FRAME: usize = 16;
/// Version of a module that has none.
const DEVEL: &str = "(devel)";
/// Modules of one program.
const MODULES: usize = 100_000;

/// Reads the blob that begins with [`MAGIC`], with what follows it in the file.
///
/// None where it is no build information: the magic alone, as programs have it that look for it in others.
pub(super) fn go_build_info(blob: &[u8]) -> Option<Result<Vec<Listed>, Garbled>> {
    let (size, flags) = header(blob)?;
    if flags & 2 == 0 {
        let pointer = |at: usize| number(blob, at, size, flags & 1 != 0);
        // Every program has a version; addresses are below 2^48 wherever Go runs.
        let version = pointer(16).filter(|address| (1..1 << 48).contains(address))?;
        let modules = pointer(16 + size).filter(|address| *address < 1 << 48)?;
        return (version != modules).then(|| {
            Err(form("it is a program of Go before 1.18, whose modules are not read from a stream"))
        });
    }
    let rest = blob.get(HEADER_BYTES..)?;
    let (version, rest) = match inline(rest)? {
        Ok(found) => found,
        Err(error) => return plausible(rest.get(1..)?).then_some(Err(error)),
    };
    if !plausible(version) {
        return None;
    }
    Some(
        inline(rest).unwrap_or_else(|| Err(cut())).and_then(|(modules, _)| parse(version, modules)),
    )
}

/// Size of addresses, and flags: 1 for numbers that begin with their highest byte, 2 for texts that follow.
fn header(blob: &[u8]) -> Option<(usize, u8)> {
    let rest = blob.strip_prefix(MAGIC)?;
    let (size, flags) = (*rest.first()?, *rest.get(1)?);
    (matches!(size, 4 | 8) && flags < 4 && blob.len() >= HEADER_BYTES)
        .then_some((size.into(), flags))
}

fn plausible(version: &[u8]) -> bool {
    version.starts_with(b"go") || version.starts_with(b"devel")
}

fn cut() -> Garbled {
    form("its Go build information is cut off")
}

/// A text after its length, a varint, and what follows it; none where there is no length.
#[allow(clippy::type_complexity)]
fn inline(bytes: &[u8]) -> Option<Result<(&[u8], &[u8]), Garbled>> {
    let end = bytes.iter().take(10).position(|byte| byte & 0x80 == 0)?;
    let number = bytes.get(..=end)?.iter().rev();
    let length = number.fold(0_u128, |sum, byte| sum << 7 | u128::from(byte & 0x7f));
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if length > TEXT_BYTES {
        return Some(Err(form(format!(
            "its Go build information has more than {TEXT_BYTES} bytes"
        ))));
    }
    let rest = bytes.get(end + 1..).unwrap_or_default();
    Some(rest.split_at_checked(length).ok_or_else(cut))
}

fn number(bytes: &[u8], at: usize, size: usize, big: bool) -> Option<u64> {
    let bytes = bytes.get(at..at.checked_add(size)?)?;
    let add = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
    Some(if big { bytes.iter().fold(0, add) } else { bytes.iter().rev().fold(0, add) })
}

/// Reads the two texts.
fn parse(version: &[u8], modules: &[u8]) -> Result<Vec<Listed>, Garbled> {
    let text = |bytes| {
        std::str::from_utf8(bytes).map_err(|_| form("its Go build information is no UTF-8"))
    };
    if version.is_empty() {
        return Err(form("its Go build information names no toolchain"));
    }
    let library = standard_library(text(version)?)?;
    let lines = modules.len().checked_sub(FRAME).and_then(|end| modules.get(FRAME..end));
    let lines = lines.filter(|lines| lines.ends_with(b"\n"));
    // Built without modules (GOPATH, Bazel): which code is in it, nothing says.
    let lines = lines.ok_or_else(|| {
        form(format!(
            "it is a program of Go {}, and says of no module what it is built from",
            library.version
        ))
    })?;
    let mut packages = modules_of(text(lines)?)?;
    packages.push(library);
    Ok(packages)
}

/// A module line: path and version.
struct Module<'t> {
    path: &'t str,
    version: &'t str,
}

impl<'t> Module<'t> {
    fn read(columns: &'t str, line: usize) -> Result<Self, Garbled> {
        let columns: Vec<&str> = columns.split('\t').take(4).collect();
        match columns.as_slice() {
            [path, version] | [path, version, _] => Ok(Self { path, version }),
            _ => Err(form(format!(
                "line {line} of its Go build information has not two or three columns"
            ))),
        }
    }

    fn listed(&self) -> Result<Listed, Garbled> {
        let version = if self.version.is_empty() { DEVEL } else { self.version };
        let (path, version) =
            (word(self.path, "path of a Go module")?, word(version, "version of a Go module")?);
        Ok(listed(path, version))
    }
}

fn modules_of(text: &str) -> Result<Vec<Listed>, Garbled> {
    let mut packages = Vec::new();
    let mut last: Option<Module<'_>> = None;
    for (index, line) in text.lines().enumerate() {
        let (kind, rest) = line.split_once('\t').unwrap_or((line, ""));
        if packages.len() >= MODULES {
            return Err(Garbled::TooMany);
        }
        let closed = match kind {
            "mod" | "dep" => last.replace(Module::read(rest, index + 1)?),
            "=>" => {
                let by = Module::read(rest, index + 1)?;
                let Some(module) = last.take() else {
                    return Err(form(format!(
                        "line {} of its Go build information replaces nothing",
                        index + 1
                    )));
                };
                Some(if by.path.starts_with(['.', '/']) {
                    Module { version: DEVEL, ..module }
                } else {
                    by
                })
            }
            _ => None,
        };
        packages.extend(closed.map(|module| module.listed()).transpose()?);
    }
    packages.extend(last.map(|module| module.listed()).transpose()?);
    Ok(packages)
}

/// The standard library: `go1.22.1 X:nodwarf5` is 1.22.1, `devel go1.23-abc …` is that.
fn standard_library(toolchain: &str) -> Result<Listed, Garbled> {
    let first = toolchain.split_whitespace().find(|word| *word != "devel").unwrap_or_default();
    let version = first.strip_prefix("go").unwrap_or(first);
    // What builders of other toolchains append: `go1.21.3-custom`, but not `go1.23-2f1e643229` of the trunk.
    let version = match version.split_once('-') {
        Some((released, _)) if !toolchain.starts_with("devel") => released,
        _ => version,
    };
    Ok(listed("stdlib".to_owned(), word(version, "version of the Go toolchain")?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contents::testing::said;

    const LINES: &str = "path\ta.b/c/cmd\nmod\ta.b/c\t(devel)\t\ndep\tx.y/z\tv1.2.3\th1:aa=\ndep\tq.r/s\tv1.0.0\n=>\t./s\t(devel)\t\n\
        dep\tq.r/t\tv1.0.0\n=>\tfork.io/T\tv1.1.0\th1:bb=\nbuild\tvcs.revision=abc\nbuild\tCGO_CFLAGS=\"-g -O2\"\n";
    const LISTED: &str =
        "a.b/c (devel), fork.io/T v1.1.0, q.r/s (devel), stdlib 1.22.1, x.y/z v1.2.3";

    /// A blob of the form since Go 1.18.
    fn blob(version: &str, lines: &str) -> Vec<u8> {
        let mut blob = [MAGIC.as_slice(), &[8, 2], &[0; 16]].concat();
        let framed = if lines.is_empty() {
            String::new()
        } else {
            format!("{0}{lines}{0}", "#".repeat(FRAME))
        };
        for text in [version, &framed] {
            let mut length = text.len();
            while length > 0x7f {
                blob.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
                length >>= 7;
            }
            blob.push(u8::try_from(length).unwrap());
            blob.extend(text.bytes());
        }
        blob
    }

    fn read(blob: &[u8]) -> String {
        go_build_info(blob).map_or_else(|| "none".to_owned(), said)
    }

    #[test]
    fn lines_become_modules() {
        let no_modules =
            "error: it is a program of Go 1.22.1, and says of no module what it is built from";
        let cases = [
            ("go1.22.1", LINES, LISTED),
            ("go1.22.1 X:nodwarf5", "path\tcmd/go\n", "stdlib 1.22.1"),
            ("go1.22.1", "", no_modules),
            ("go1.22rc1", "path\tx\n", "stdlib 1.22rc1"),
            ("go1.21.3-custom", "path\tx\n", "stdlib 1.21.3"),
            ("devel go1.23-2f1e643229 Thu Feb", "path\tx\n", "stdlib 1.23-2f1e643229"),
            ("go1.22.1", "mod\ta\t\t\n", "a (devel), stdlib 1.22.1"),
            (
                "go1.22.1",
                "mod\ta\n",
                "error: line 1 of its Go build information has not two or three columns",
            ),
            (
                "go1.22.1",
                "dep\ta\tv1\tx\ty\n",
                "error: line 1 of its Go build information has not two or three columns",
            ),
            (
                "go1.22.1",
                "path\tx\n=>\ta\tv1\t\n",
                "error: line 2 of its Go build information replaces nothing",
            ),
            ("go1.22.1", "dep\t\tv1\t\n", "error: the path of a Go module \"\" is empty"),
            (
                "go1.22.1",
                "dep\ta\u{202e}b\tv1\t\n",
                "error: the path of a Go module \"a\\u{202e}b\" is no word",
            ),
            ("go", "path\tx\n", "error: the version of the Go toolchain \"\" is empty"),
            ("pack", "path\tx\n", "none"),
        ];
        for (version, lines, want) in cases {
            assert_eq!(read(&blob(version, lines)), want, "{version} {lines}");
        }
    }

    #[test]
    fn a_magic_is_no_build_information() {
        let pointers = |version: u64, modules: u64| {
            let numbers = [version.to_le_bytes(), modules.to_le_bytes()].concat();
            [MAGIC.as_slice(), &[8, 0], &numbers].concat()
        };
        let old =
            "error: it is a program of Go before 1.18, whose modules are not read from a stream";
        let cut_off = "error: its Go build information is cut off";
        let huge = "error: its Go build information has more than 4194304 bytes";
        let head = |tail: &[u8]| [MAGIC.as_slice(), &[8, 2], &[0; 16], tail].concat();
        let cases: Vec<(Vec<u8>, &str)> = vec![
            (MAGIC.to_vec(), "none"),
            ([MAGIC.as_slice(), b"not a Go executable: unrecognized file format"].concat(), "none"),
            ([MAGIC.as_slice(), &[8, 2]].concat(), "none"),
            ([MAGIC.as_slice(), &[7, 2], &[0; 16], b"\x02go\x00"].concat(), "none"),
            (head(b""), "none"),
            (head(b"\x00\x00"), "none"),
            (head(b"\x05go1"), cut_off),
            (head(b"\x05go1.1"), cut_off),
            (head(b"\x05go1.1\x05a"), cut_off),
            (head(b"\x05go1.1\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), huge),
            (head(b"\x05go1.1\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), cut_off),
            (pointers(0x5b_c010, 0x5b_c020), old),
            (pointers(0, 0), "none"),
            (pointers(0x6f20_6572_6568_7420, 1), "none"),
        ];
        for (blob, want) in cases {
            assert_eq!(read(&blob), want, "{:?}", String::from_utf8_lossy(&blob));
        }
    }

    #[test]
    fn a_blob_that_ends_anywhere_never_reads_as_less() {
        let blob = blob("go1.22.1", LINES);
        for length in 0..blob.len() {
            let found = read(&blob[..length]);
            assert!(found == "none" || found.starts_with("error"), "{length}: {found}");
        }
        assert_eq!(read(&blob), LISTED);
        assert_eq!(read(&[blob.as_slice(), b"what follows"].concat()), LISTED);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(tail in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
            let _ = go_build_info(&[MAGIC.as_slice(), &tail].concat());
        }
    }
}
