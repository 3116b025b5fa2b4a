//! OPA's bundles: `.tar.gz` with a `.manifest`, as `opa build -b` writes them.
//!
//! Turns the bytes of an archive into a [`Bundle`]. A bundle means only what is in it: links, devices, names that leave it or that two
//! systems read differently, and files that would be passed over are refused, and so are modules in WebAssembly. The archive is read
//! by the strict reader of layers ([`crate::image::tar`]), to its last byte: nothing but zeros may follow its end, and the checksum
//! of what holds it has to be right. Files, their sizes and their sum are bounded while the archive is inflated. The manifest's
//! `roots` say which packages and data the bundle owns, and it may hold no others (OPA, "Bundle File Format").

use std::{
    cell::Cell,
    collections::BTreeSet,
    io::{self, Read},
};

use flate2::read::MultiGzDecoder;
use serde::Deserialize;
use serde_json::Value;

use super::{Bundle, PolicyError, data::MAX_FILE_BYTES, yara::most_bytes};
use crate::{
    image::tar::{Entry, EntryKind, TarError, walk},
    json,
    limits::Limits,
    untrusted::misleads,
};

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
    let inner = MultiGzDecoder::new(bytes);
    let bounded = Bounded { inner, left: MAX_INFLATED_BYTES, is_over: &is_over };
    let (mut files, mut refusal) = (Files::default(), None);
    let walked = walk(bounded, &Limits::default(), |entry, content| {
        files.take(entry, content).map_err(|why| match why {
            Unfit::Refused(error) => {
                refusal = Some(error);
                TarError::Read(io::ErrorKind::InvalidData.into())
            }
            Unfit::Broken(error) => TarError::Read(error),
        })
    });
    let why = match (refusal, walked) {
        (Some(error), _) => return Err(error),
        (None, Ok(())) => return files.finish(),
        (None, Err(_)) if is_over.get() => {
            format!("it inflates to more than {MAX_INFLATED_BYTES} bytes")
        }
        (None, Err(TarError::Read(error))) => error.to_string(),
        (None, Err(error)) => error.to_string(),
    };
    Err(refused("the archive", why))
}

/// Why an entry is not taken.
enum Unfit {
    Refused(PolicyError),
    Broken(io::Error),
}

impl From<PolicyError> for Unfit {
    fn from(error: PolicyError) -> Self {
        Self::Refused(error)
    }
}

/// What was read of an archive.
#[derive(Default)]
struct Files {
    entries: usize,
    texts: Vec<(String, String)>,
    /// Names as file systems compare them that know no case.
    seen: BTreeSet<String>,
    sum: usize,
}

impl Files {
    fn take(&mut self, entry: &Entry, content: &mut dyn Read) -> Result<(), Unfit> {
        self.entries += 1;
        if self.entries > MAX_ENTRIES {
            let why = format!("it holds more than {MAX_ENTRIES} entries");
            return Err(refused("the archive", why).into());
        }
        let name = name(&entry.path)?;
        match entry.kind {
            EntryKind::Directory => return Ok(()),
            EntryKind::File => {}
            _ => {
                let why = "it is no regular file; a bundle holds files alone";
                return Err(refused(&name, why).into());
            }
        }
        if !self.seen.insert(name.to_lowercase()) {
            return Err(refused(&name, "it is there twice").into());
        }
        if self.seen.len() > MAX_FILES {
            return Err(
                refused("the archive", format!("it holds more than {MAX_FILES} files")).into()
            );
        }
        let mut text = Vec::new();
        let most = most_bytes(&name);
        let limit = most as u64;
        content.take(limit.saturating_add(1)).read_to_end(&mut text).map_err(Unfit::Broken)?;
        self.sum = self.sum.saturating_add(text.len());
        if text.len() > most || self.sum > MAX_BYTES {
            return Err(PolicyError::TooLarge { what: name, found: entry.size, limit }.into());
        }
        let text = String::from_utf8(text).map_err(|_| refused(&name, "it is no UTF-8"))?;
        self.texts.push((name, text));
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<(String, String)>, PolicyError> {
        if self.texts.is_empty() {
            return Err(refused("the archive", "it holds no file"));
        }
        self.texts.sort();
        Ok(self.texts)
    }
}

/// A name relative to the bundle, of the path that the reader gives.
fn name(path: &str) -> Result<String, PolicyError> {
    let text = path.trim_start_matches('/');
    // What is no UTF-8 has this character in the place of its bytes.
    let is_strange = |c: char| c == '\\' || c == char::REPLACEMENT_CHARACTER || misleads(c);
    if text.contains(is_strange) {
        return Err(refused(text, "it is no name of a file in a bundle"));
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
            ("../own.rego", "a path with .."),
            ("a/../own.rego", "a path with .."),
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
        let folder = |builder: &mut tar::Builder<GzEncoder<Vec<u8>>>, name: &str| {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(tar::EntryType::Directory);
            header.set_size(0);
            builder.append_data(&mut header, name, std::io::empty()).unwrap();
        };
        let rule = |builder: &mut tar::Builder<GzEncoder<Vec<u8>>>, name: &str| {
            let mut header = tar::Header::new_gnu();
            header.set_size(RULE.len() as u64);
            builder.append_data(&mut header, name, RULE.as_bytes()).unwrap();
        };
        // Behind the end of the archive.
        let large = packed(|builder| {
            rule(builder, "a.rego");
            builder.finish().unwrap();
            let mut zeros = std::io::repeat(0).take(MAX_INFLATED_BYTES);
            std::io::copy(&mut zeros, builder.get_mut()).unwrap();
        });
        let error = read(&large).unwrap_err().to_string();
        assert!(error.contains(&MAX_INFLATED_BYTES.to_string()), "{error}");
        let with_folders = |count: usize| {
            read(&packed(|builder| {
                rule(builder, "a.rego");
                (0..count).for_each(|number| folder(builder, &format!("{number}")));
            }))
        };
        assert!(with_folders(MAX_ENTRIES - 1).is_ok());
        let error = with_folders(MAX_ENTRIES).unwrap_err().to_string();
        assert!(error.contains("8192 entries"), "{error}");
    }

    /// The bytes of a tar with one file, without a mark of its end.
    fn begun(name: &str) -> Vec<u8> {
        let mut header = tar::Header::new_gnu();
        header.set_size(RULE.len() as u64);
        let mut builder = tar::Builder::new(Vec::new());
        builder.append_data(&mut header, name, RULE.as_bytes()).unwrap();
        std::mem::take(builder.get_mut())
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        io::Write::write_all(&mut encoder, bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn e37_no_rule_of_an_archive_stands_where_nobody_reads_it() {
        let end = vec![0; 1024];
        let one = [begun("a.rego"), end.clone()].concat();
        let other = [begun("b.rego"), end.clone()].concat();
        let whole = gzip(&one);
        let changed = |from_end: usize| {
            let mut bytes = whole.clone();
            let at = bytes.len() - from_end;
            bytes[at] ^= 1;
            bytes
        };
        let read_of = |bytes: &[u8]| read(bytes).map(|bundle| bundle.rules.len());
        // Two members that are one archive, more zeros than one writer leaves, and none at all.
        for fine in [
            whole.clone(),
            [gzip(&begun("a.rego")), gzip(&end)].concat(),
            gzip(&[one.clone(), vec![0; 8192]].concat()),
            gzip(&begun("a.rego")),
        ] {
            assert_eq!(read_of(&fine), Ok(1));
        }
        assert_eq!(read_of(&[gzip(&begun("a.rego")), gzip(&other)].concat()), Ok(2));
        let after = "bytes after the end of the archive";
        for (what, bytes, want) in [
            ("two archives", gzip(&[one.clone(), other.clone()].concat()), after),
            ("two archives, each compressed", [whole.clone(), gzip(&other)].concat(), after),
            ("a byte", gzip(&[one.clone(), vec![1]].concat()), after),
            ("a byte behind zeros", gzip(&[one, vec![0; 65536], vec![1]].concat()), after),
            ("a byte behind the compressed ones", [whole.clone(), vec![1]].concat(), ""),
            ("zeros behind the compressed ones", [whole.clone(), vec![0; 512]].concat(), ""),
            ("another checksum", changed(8), ""),
            ("another length", changed(4), ""),
            ("no checksum", whole[..whole.len() - 8].to_vec(), ""),
        ] {
            let error = read(&bytes).expect_err(what).to_string();
            assert!(error.contains(want), "{what}: {error}");
        }
    }

    #[test]
    fn e37_an_archive_that_programs_read_differently_is_refused() {
        // A name in PAX records and a GNU long name.
        let mut builder = tar::Builder::new(Vec::new());
        builder.append_pax_extensions([("path", b"b.rego".as_slice())]).unwrap();
        let mut long = tar::Header::new_gnu();
        long.set_entry_type(tar::EntryType::GNULongName);
        long.set_path("././@LongLink").unwrap();
        long.set_size(7);
        long.set_cksum();
        builder.append(&long, b"c.rego\0".as_slice()).unwrap();
        let mut header = tar::Header::new_gnu();
        header.set_size(RULE.len() as u64);
        builder.append_data(&mut header, "a.rego", RULE.as_bytes()).unwrap();
        let error = read(&gzip(&builder.into_inner().unwrap())).unwrap_err().to_string();
        assert!(error.contains("programs read this differently"), "{error}");
    }
}
