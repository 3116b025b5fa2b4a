//! OPA's bundles: `.tar.gz` with a `.manifest`, as `opa build -b` writes them.
//!
//! Turns the bytes of an archive into a [`Bundle`]. A bundle means only what is in it: links, devices, names that leave it or that two
//! systems read differently, and files that would be passed over are refused, and so are modules in WebAssembly. Files, their
//! sizes and their sum are bounded while the archive is inflated. The manifest's `roots` say which packages and data the bundle
//! owns, and it may hold no others (OPA, "Bundle File Format").

use std::{
    cell::Cell,
    collections::BTreeSet,
    io::{self, Read},
};

use flate2::read::MultiGzDecoder;
use serde::Deserialize;
use serde_json::Value;

use super::{Bundle, PolicyError, data::MAX_FILE_BYTES, yara::most_bytes};
use crate::{json, untrusted::misleads};

/// Bytes of an archive.
pub const MAX_ARCHIVE_BYTES: u64 = 16 << 20;
/// Bytes of all that is in it.
const MAX_BYTES: usize = 64 << 20;
/// Files in it.
const MAX_FILES: usize = 4096;
/// Entries of any kind in it, folders too.
const MAX_ENTRIES: usize = 8192;
/// Bytes that it inflates to. Headers and padding are more than the files themselves, and not much more.
const MAX_INFLATED_BYTES: u64 = 128 << 20;
/// Bytes of one name.
const MAX_NAME_BYTES: usize = 512;
/// The name of the manifest.
const MANIFEST: &str = ".manifest";

/// `.manifest` (OPA 1.x, `bundle.Manifest`).
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    #[serde(default, rename = "revision")]
    _revision: String,
    roots: Option<Vec<String>>,
    #[serde(default)]
    wasm: Vec<Value>,
    #[serde(default, rename = "metadata")]
    _metadata: Option<serde_json::Map<String, Value>>,
    rego_version: Option<u64>,
    #[serde(default)]
    file_rego_versions: Option<std::collections::BTreeMap<String, u64>>,
}

/// The bundle in an archive.
///
/// # Errors
/// [`PolicyError::Archive`], and as [`Bundle::from_files`].
pub fn read(bytes: &[u8]) -> Result<Bundle, PolicyError> {
    let mut manifest = Manifest::default();
    let mut files = Vec::new();
    for (name, text) in entries(bytes)? {
        if name == MANIFEST {
            let read = json::from_slice(text.as_bytes(), MAX_FILE_BYTES);
            manifest = read.map_err(|why| refused(&name, why.to_string()))?;
        } else {
            files.push((name, text));
        }
    }
    let versions = manifest.file_rego_versions.iter().flat_map(|all| all.values());
    if !manifest.wasm.is_empty() {
        return Err(refused(MANIFEST, "it names modules in WebAssembly, which are not run"));
    }
    if manifest.rego_version.iter().chain(versions).any(|version| *version != 1) {
        return Err(refused(MANIFEST, "its rules are not Rego v1; hallmark reads no other"));
    }
    let bundle = Bundle::from_files(files)?;
    if let Some(roots) = &manifest.roots {
        bundle.within(roots)?;
    }
    Ok(bundle)
}

fn refused(name: &str, why: impl Into<String>) -> PolicyError {
    PolicyError::Archive { name: name.escape_default().to_string(), why: why.into() }
}

/// A reader that fails where more comes than is left. One that ended there would hide what follows.
struct Bounded<'c, R> {
    inner: R,
    left: u64,
    /// Whether more came, whatever is made of the error.
    is_over: &'c Cell<bool>,
}

impl<R: Read> Read for Bounded<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        match self.left.checked_sub(count as u64) {
            Some(left) => {
                self.left = left;
                Ok(count)
            }
            None => {
                self.is_over.set(true);
                Err(io::ErrorKind::FileTooLarge.into())
            }
        }
    }
}

/// Names and texts of all files, each once.
fn entries(bytes: &[u8]) -> Result<Vec<(String, String)>, PolicyError> {
    let is_over = Cell::new(false);
    let unreadable = |error: io::Error| match is_over.get() {
        true => {
            refused("the archive", format!("it inflates to more than {MAX_INFLATED_BYTES} bytes"))
        }
        false => refused("the archive", error.to_string()),
    };
    let inner = MultiGzDecoder::new(bytes);
    let bounded = Bounded { inner, left: MAX_INFLATED_BYTES, is_over: &is_over };
    let mut archive = tar::Archive::new(bounded);
    let (mut files, mut seen, mut sum) = (Vec::new(), BTreeSet::new(), 0_usize);
    for (before, entry) in archive.entries().map_err(unreadable)?.enumerate() {
        let mut entry = entry.map_err(unreadable)?;
        if before >= MAX_ENTRIES {
            return Err(refused(
                "the archive",
                format!("it holds more than {MAX_ENTRIES} entries"),
            ));
        }
        let kind = entry.header().entry_type();
        let raw = entry.path_bytes().into_owned();
        let name = name(&raw)?;
        if kind.is_dir() {
            continue;
        }
        if !kind.is_file() {
            return Err(refused(&name, "it is no regular file; a bundle holds files alone"));
        }
        // Names that some file systems take for one.
        if !seen.insert(name.to_lowercase()) {
            return Err(refused(&name, "it is there twice"));
        }
        if seen.len() > MAX_FILES {
            return Err(refused("the archive", format!("it holds more than {MAX_FILES} files")));
        }
        let mut text = Vec::new();
        let most = most_bytes(&name);
        let limit = most as u64;
        entry.by_ref().take(limit.saturating_add(1)).read_to_end(&mut text).map_err(unreadable)?;
        sum = sum.saturating_add(text.len());
        if text.len() > most || sum > MAX_BYTES {
            let (found, limit) = (entry.size(), limit);
            return Err(PolicyError::TooLarge { what: name, found, limit });
        }
        let text = String::from_utf8(text).map_err(|_| refused(&name, "it is no UTF-8"))?;
        files.push((name, text));
    }
    if files.is_empty() {
        return Err(refused("the archive", "it holds no file"));
    }
    files.sort();
    Ok(files)
}

/// A name relative to the bundle. `opa build` writes it with a slash before it, and `tar` with `./`.
fn name(raw: &[u8]) -> Result<String, PolicyError> {
    let shown = || String::from_utf8_lossy(raw).into_owned();
    let text = std::str::from_utf8(raw).map_err(|_| refused(&shown(), "it is no UTF-8"))?;
    let text = text.strip_prefix("./").or_else(|| text.strip_prefix('/')).unwrap_or(text);
    let text = text.trim_end_matches('/');
    let strange = |part: &str| part.is_empty() || part == "." || part == "..";
    let is_top = text.is_empty() || text == ".";
    if !is_top && (text.split('/').any(strange) || text.contains('\\') || text.contains(misleads)) {
        return Err(refused(&shown(), "it is no name of a file in a bundle"));
    }
    if text.len() > MAX_NAME_BYTES {
        return Err(refused("a name", format!("it has more than {MAX_NAME_BYTES} bytes")));
    }
    if text == ".signatures.json" {
        let why =
            "signatures in OPA's form are not read; sign the archive: cosign sign-blob --bundle";
        return Err(refused(text, why));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use flate2::{Compression, write::GzEncoder};

    use super::*;

    #[test]
    fn yara_rules_are_files_of_a_bundle_and_have_a_bound_of_their_own() {
        let yara = "rule a { condition: true }";
        let files = [("own.rego", RULE), ("yara/a.yar", yara), ("./yara/more/b.yara", yara)];
        let bundle = read(&archive(&files)).unwrap();
        assert_eq!((bundle.rules.len(), bundle.yara.len()), (1, 2));
        let most = crate::policy::yara::MAX_FILE_BYTES;
        let text = " ".repeat(most - yara.len()) + yara;
        assert!(read(&archive(&[("yara/a.yar", &text)])).is_ok());
        let error = read(&archive(&[("yara/a.yar", &format!(" {text}"))])).unwrap_err();
        assert!(error.to_string().contains("yara/a.yar of"), "{error}");
        let error = read(&archive(&[("a.yar", yara)])).unwrap_err().to_string();
        assert!(error.contains("YARA rules as yara/*.yar"), "{error}");
    }

    const RULE: &str =
        "package hallmark.own\n\ndeny contains {\"code\": \"a\", \"msg\": \"b\"} if input.x\n";

    fn packed(fill: impl FnOnce(&mut tar::Builder<GzEncoder<Vec<u8>>>)) -> Vec<u8> {
        let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        fill(&mut builder);
        builder.into_inner().unwrap().finish().unwrap()
    }

    /// An archive of these files, with names as they are.
    pub(crate) fn archive(files: &[(&str, &str)]) -> Vec<u8> {
        packed(|builder| {
            for (name, text) in files {
                let mut header = tar::Header::new_ustar();
                header.set_size(text.len() as u64);
                header.set_mode(0o644);
                header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
                header.set_cksum();
                builder.append(&header, text.as_bytes()).unwrap();
            }
        })
    }

    #[test]
    fn i11_a_bundle_is_what_its_manifest_says() {
        let with =
            |manifest: &str| read(&archive(&[("/own.rego", RULE), ("/.manifest", manifest)]));
        let fine = [
            "{}",
            "{\"revision\": \"1\", \"roots\": [\"\"], \"rego_version\": 1}",
            "{\"roots\": [\"hallmark/own\"]}",
            "{\"roots\": [\"other\", \"hallmark\"], \"metadata\": {\"a\": 1}}",
        ];
        for manifest in fine {
            let bundle = with(manifest).unwrap_or_else(|error| panic!("{manifest}: {error}"));
            assert_eq!(bundle.rules.len(), 1);
        }
        let wrong = [
            ("{\"roots\": [\"other\"]}", "outside of its roots"),
            ("{\"roots\": [\"hallmark/ow\"]}", "outside of its roots"),
            ("{\"roots\": []}", "outside of its roots"),
            ("{\"rego_version\": 0}", "not Rego v1"),
            ("{\"file_rego_versions\": {\"/own.rego\": 0}}", "not Rego v1"),
            ("{\"wasm\": [{\"entrypoint\": \"a\"}]}", "WebAssembly"),
            ("{\"rots\": []}", "unknown field"),
            ("{\"roots\": [], \"roots\": [\"\"]}", "twice"),
            ("", ".manifest"),
        ];
        for (manifest, want) in wrong {
            let error = with(manifest).expect_err(manifest).to_string();
            assert!(error.contains(want), "{manifest}: {error}");
        }
        let data = |roots: &str| {
            let manifest = format!("{{\"roots\": {roots}}}");
            read(&archive(&[
                (".manifest", &manifest),
                ("data.json", "{\"teams\": {\"a\": {\"b\": 1}}}"),
                ("own.rego", RULE),
            ]))
        };
        for (roots, fits) in [
            ("[\"hallmark\", \"teams\"]", true),
            ("[\"hallmark\", \"teams/a\"]", true),
            ("[\"hallmark\", \"teams/b\"]", false),
            ("[\"hallmark\"]", false),
        ] {
            assert_eq!(data(roots).is_ok(), fits, "{roots}");
        }
    }

    #[test]
    fn i11_what_leaves_the_bundle_or_hides_in_it_is_refused() {
        let names = [
            ("../own.rego", "no name"),
            ("a/../own.rego", "no name"),
            ("//own.rego", "no name"),
            ("a\\own.rego", "no name"),
            ("a\u{202e}.rego", "no name"),
            (".signatures.json", "not read"),
            ("policy.wasm", "a policy folder holds"),
            ("a/data.json", "a policy folder holds"),
            ("README.md", "a policy folder holds"),
        ];
        for (name, want) in names {
            let error =
                read(&archive(&[("x.rego", RULE), (name, "{}")])).expect_err(name).to_string();
            assert!(error.contains(want), "{name}: {error}");
        }
        let twice = archive(&[("own.rego", RULE), ("./own.rego", RULE)]);
        assert!(read(&twice).unwrap_err().to_string().contains("twice"));
        let alike = archive(&[("own.rego", RULE), ("OWN.rego", RULE)]);
        assert!(read(&alike).unwrap_err().to_string().contains("twice"));
        for kind in [tar::EntryType::Symlink, tar::EntryType::Link, tar::EntryType::Fifo] {
            let linked = packed(|builder| {
                let mut header = tar::Header::new_gnu();
                header.set_entry_type(kind);
                header.set_size(0);
                builder.append_link(&mut header, "own.rego", "/etc/passwd").unwrap();
            });
            let error = read(&linked).unwrap_err().to_string();
            assert!(error.contains("no regular file"), "{kind:?}: {error}");
        }
        for broken in [b"".as_slice(), b"no archive", &archive(&[])] {
            assert!(read(broken).is_err());
        }
        let whole = archive(&[("own.rego", RULE)]);
        assert!(read(&whole[..whole.len() / 2]).is_err(), "cut off");
    }

    #[test]
    fn i11_what_is_in_an_archive_is_bounded() {
        let text = " ".repeat(MAX_FILE_BYTES - RULE.len()) + RULE;
        assert!(read(&archive(&[("own.rego", &text)])).is_ok());
        let error = read(&archive(&[("own.rego", &format!(" {text}"))])).unwrap_err().to_string();
        assert!(error.contains("own.rego of"), "{error}");
        // A few kilobytes that are a hundred megabytes.
        let bomb = packed(|builder| {
            for number in 0..100 {
                let mut header = tar::Header::new_gnu();
                header.set_size(MAX_FILE_BYTES as u64);
                let name = format!("{number}.rego");
                builder
                    .append_data(
                        &mut header,
                        name,
                        std::io::repeat(b' ').take(MAX_FILE_BYTES as u64),
                    )
                    .unwrap();
            }
        });
        assert!(bomb.len() < 1 << 20);
        assert!(read(&bomb).is_err());
        let many = packed(|builder| {
            for number in 0..=MAX_FILES {
                let mut header = tar::Header::new_gnu();
                header.set_size(0);
                builder
                    .append_data(&mut header, format!("{number}.rego"), std::io::empty())
                    .unwrap();
            }
        });
        assert!(read(&many).unwrap_err().to_string().contains("4096"));
    }

    #[test]
    fn i14_nothing_stands_behind_a_bound_unseen() {
        let folder = |builder: &mut tar::Builder<GzEncoder<Vec<u8>>>, name: &str, size: u64| {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(tar::EntryType::Directory);
            header.set_size(size);
            builder.append_data(&mut header, name, std::io::repeat(0).take(size)).unwrap();
        };
        let rule = |builder: &mut tar::Builder<GzEncoder<Vec<u8>>>, name: &str| {
            let mut header = tar::Header::new_gnu();
            header.set_size(RULE.len() as u64);
            builder.append_data(&mut header, name, RULE.as_bytes()).unwrap();
        };
        let large = packed(|builder| {
            rule(builder, "a.rego");
            folder(builder, "a", MAX_INFLATED_BYTES);
            rule(builder, "b.rego");
        });
        let error = read(&large).unwrap_err().to_string();
        assert!(error.contains(&MAX_INFLATED_BYTES.to_string()), "{error}");
        let with_folders = |count: usize| {
            read(&packed(|builder| {
                rule(builder, "a.rego");
                (0..count).for_each(|number| folder(builder, &format!("{number}"), 0));
            }))
        };
        assert!(with_folders(MAX_ENTRIES - 1).is_ok());
        let error = with_folders(MAX_ENTRIES).unwrap_err().to_string();
        assert!(error.contains("8192 entries"), "{error}");
    }
}
