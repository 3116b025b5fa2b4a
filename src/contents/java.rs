//! Java archives (the JAR File Specification; Maven's archiver; Spring Boot's nested jars).
//!
//! Turns a jar, war or ear, with the archives inside of it, into Maven coordinates: each `META-INF/maven/*/*/pom.properties` is
//! a package, the jar's own and those that were shaded into it. Without one, manifest and file name say what the jar is
//! (`java/identity.rs`). An archive that nothing identifies is a gap, unless it is the image's own program around libraries
//! that are known.
//!
//! Entries are those of the central directory, by which Java loads classes; bytes before the archive are passed over, as Java
//! does, and an entry whose local header says something else is refused. Entries, inflated bytes and depth are bounded.

mod identity;

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Cursor, Read as _},
};

use zip::{ZipArchive, read::ZipReadOptions};

use super::{
    catalogue::{Catalogue, Garbled, Listed, Listing, Origin},
    parts::{form, listed, split, word},
};
use crate::{
    image::collect::Seen,
    untrusted::{clean, shortened},
};
use identity::{attributes, identity};

/// The catalogue.
pub(super) const CATALOGUE: Catalogue = Catalogue {
    origin: Origin { name: "java", ecosystem: "maven", managed: false },
    wants,
    file_bytes: ARCHIVE_BYTES,
    copies: COPIES,
    read: look,
};

/// Bytes of one archive, at any depth.
const ARCHIVE_BYTES: u64 = 64 << 20;
/// Memory that reading one takes, in times of its size: itself, and the archives inside of it that are open at the same time.
const COPIES: u64 = 3;
/// Bytes inflated for one file, at most: its nested archives and descriptors.
const INFLATED: u64 = 512 << 20;
/// Bytes inflated for one file however small it is, and in times of its size: honest archives are inflated to a few times theirs.
const INFLATED_FREE: u64 = 4 << 20;
const INFLATED_TIMES: u64 = 64;
/// Entries of one file, with those of all nested archives.
const ENTRIES: usize = 200_000;
/// Archives inside of archives, in levels: ear, war, jar, and one more.
const DEPTH: usize = 4;
/// Bytes of one manifest or properties file.
const TEXT_BYTES: u64 = 1 << 20;
/// Folders that package managers keep downloads in; nothing runs from there.
const CACHES: [&str; 3] = ["/.m2/repository/", "/.gradle/caches/", "/.ivy2/cache/"];
const EXTENSIONS: [&str; 9] = ["jar", "war", "ear", "sar", "par", "nar", "hpi", "jpi", "rar"];
const MANIFEST: &str = "META-INF/MANIFEST.MF";

fn wants(seen: &Seen<'_>) -> bool {
    is_archive(seen.path) && !CACHES.iter().any(|cache| seen.path.contains(cache))
}

/// Whether a name is that of an archive that Java loads code from; those of sources and documentation hold none.
fn is_archive(path: &str) -> bool {
    let Some((stem, extension)) = split(path).1.rsplit_once('.') else { return false };
    let lower = extension.to_ascii_lowercase();
    let text = ["-sources", "-javadoc", "-test-sources"].iter().any(|end| stem.ends_with(end));
    EXTENSIONS.contains(&lower.as_str()) && !stem.is_empty() && !text
}

/// Reads an archive, and says beside its packages what of it could not be read.
fn look(path: &str, bytes: &[u8], most: usize) -> Listing {
    let open = (bytes.len() as u64).saturating_mul(COPIES - 1);
    let inflated =
        (bytes.len() as u64).saturating_mul(INFLATED_TIMES).saturating_add(INFLATED_FREE);
    let (listing, inflated, entries) = (Listing::default(), inflated.min(INFLATED), ENTRIES);
    let mut look = Look { listing, most, inflated, open, entries };
    if let Err(gap) = look.archive(split(path).1, bytes, 0) {
        look.listing.gap(gap);
    }
    let mut seen = BTreeSet::new();
    look.listing.packages.retain(|package| seen.insert(package.clone()));
    look.listing
}

/// What is left to be read of one file, and what was found.
struct Look {
    listing: Listing,
    most: usize,
    inflated: u64,
    /// Bytes that archives inside of the file may have that are open at the same time.
    open: u64,
    entries: usize,
}

type Archive<'b> = ZipArchive<Cursor<&'b [u8]>>;

impl Look {
    fn archive(&mut self, name: &str, bytes: &[u8], depth: usize) -> Result<(), Garbled> {
        let mut archive = self.open(bytes)?;
        let before = self.listing.packages.len();
        let entries: Vec<(usize, Entry)> =
            (0..archive.len()).filter_map(|index| Some((index, kind(&archive, index)?))).collect();
        let (mut manifest, mut nested, mut classes) = (None, 0_usize, false);
        for (index, entry) in entries {
            let read = match entry {
                Entry::Class => {
                    classes = true;
                    continue;
                }
                Entry::Archive(inner) => {
                    nested += 1;
                    self.nested(&mut archive, index, &inner, depth)
                }
                Entry::Pom => self.text(&mut archive, index).and_then(|text| {
                    let package = pom(&text)?;
                    self.listing.push(package, self.most)
                }),
                Entry::Manifest => {
                    self.text(&mut archive, index).map(|text| manifest = Some(attributes(&text)))
                }
            };
            match read {
                Err(Garbled::TooMany) => return Err(Garbled::TooMany),
                Err(gap) => self.listing.gap(inside(name, &gap)),
                Ok(()) => {}
            }
        }
        // Around libraries that are known it is the image's own program, which needs no name.
        if self.listing.packages.len() > before {
            return Ok(());
        }
        match identity(name, &manifest.unwrap_or_default()) {
            Some(package) => self.listing.push(package, self.most),
            None if nested > 0 || !classes => Ok(()),
            None => Err(form(format!("{} says of no package what it is", shown(name)))),
        }
    }

    fn open<'b>(&mut self, bytes: &'b [u8]) -> Result<Archive<'b>, Garbled> {
        // Each entry of a directory takes some hundred bytes of memory, so they are counted before they are read; those of
        // stored archives inside count, too.
        let headers = bytes.windows(4).filter(|window| *window == b"PK\x01\x02").count();
        let many = || form(format!("it has more than {ENTRIES} entries"));
        if headers > ENTRIES {
            return Err(many());
        }
        let archive = ZipArchive::new(Cursor::new(bytes));
        let archive = archive.map_err(|why| {
            form(format!("it is no archive: {}", clean(&shortened(&why.to_string(), 100))))
        })?;
        self.entries = self.entries.checked_sub(archive.len()).ok_or_else(many)?;
        if archive.has_duplicate_names() {
            // Java loads one of them, and which one is not specified.
            self.listing.gap(form("it has two entries of one name"));
        }
        Ok(archive)
    }

    fn nested(
        &mut self,
        archive: &mut Archive<'_>,
        index: usize,
        name: &str,
        depth: usize,
    ) -> Result<(), Garbled> {
        if depth + 1 >= DEPTH {
            return Err(form(format!("{} is nested deeper than {DEPTH} levels", shown(name))));
        }
        // Archives are hardly smaller inside of others: one that is is no honest one.
        let bytes = self.entry(archive, index, ARCHIVE_BYTES.min(self.open))?;
        let size = bytes.len() as u64;
        self.open = self.open.saturating_sub(size);
        let read = self.archive(split(name).1, &bytes, depth + 1);
        self.open = self.open.saturating_add(size);
        read
    }

    fn text(&mut self, archive: &mut Archive<'_>, index: usize) -> Result<String, Garbled> {
        let bytes = self.entry(archive, index, TEXT_BYTES)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Inflates an entry within `limit` and what is left for the whole file.
    fn entry(
        &mut self,
        archive: &mut Archive<'_>,
        index: usize,
        limit: u64,
    ) -> Result<Vec<u8>, Garbled> {
        let name = archive
            .name_for_index(index)
            .and_then(Result::ok)
            .map(|name| shown(&name))
            .unwrap_or_default();
        let refused = |why: &str| form(format!("its entry {name} {why}"));
        let options = ZipReadOptions::new().enforce_header_consistency(true);
        let file = archive.by_index_with_options(index, options);
        let file = file.map_err(|_| {
            refused("cannot be read, or its header says something else than the directory")
        })?;
        let most = limit.min(self.inflated);
        let mut bytes = Vec::new();
        // One byte more than is read shows that there are more.
        let read = file.take(most + 1).read_to_end(&mut bytes);
        let size = bytes.len() as u64;
        self.inflated = self.inflated.saturating_sub(size);
        if size > most {
            return Err(refused("is larger than is read"));
        }
        read.map_err(|_| refused("is damaged"))?;
        Ok(bytes)
    }
}

/// What an entry is to us.
enum Entry {
    Archive(String),
    Class,
    Manifest,
    Pom,
}

fn kind(archive: &Archive<'_>, index: usize) -> Option<Entry> {
    let name = archive.name_for_index(index)?.ok()?;
    if name.ends_with(".class") {
        return Some(Entry::Class);
    }
    if name.eq_ignore_ascii_case(MANIFEST) {
        return Some(Entry::Manifest);
    }
    if is_archive(&name) {
        return Some(Entry::Archive(name.into_owned()));
    }
    let pom =
        name.strip_prefix("META-INF/maven/").and_then(|rest| rest.strip_suffix("/pom.properties"));
    pom.filter(|middle| middle.split('/').count() == 2).map(|_| Entry::Pom)
}

fn shown(name: &str) -> String {
    clean(&shortened(name, 120))
}

fn inside(name: &str, gap: &Garbled) -> Garbled {
    form(format!("in {}: {gap}", shown(name)))
}

/// Reads `pom.properties`.
fn pom(text: &str) -> Result<Listed, Garbled> {
    let mut values: BTreeMap<String, String> = BTreeMap::new();
    for (key, value) in properties(text) {
        if !matches!(key.as_str(), "groupId" | "artifactId" | "version") {
            continue;
        }
        if values.get(&key).is_some_and(|before| *before != value) {
            return Err(form(format!("its pom.properties has two values of {key}")));
        }
        values.insert(key, value);
    }
    let take = |key: &'static str| {
        let value =
            values.get(key).ok_or_else(|| form(format!("its pom.properties has no {key}")))?;
        if value.contains("${") {
            return Err(form(format!(
                "its pom.properties is a template: {key} is {}",
                shown(value)
            )));
        }
        word(value, key)
    };
    Ok(listed(format!("{}:{}", take("groupId")?, take("artifactId")?), take("version")?))
}

/// Keys and values of a properties file (`java.util.Properties`): comments, `=`, `:` or a blank between the two, lines that go
/// on after a backslash, and `\uXXXX`.
fn properties(text: &str) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    let mut lines = text.lines();
    while let Some(first) = lines.next() {
        let mut logical = first.trim_start().to_owned();
        if logical.starts_with(['#', '!']) || logical.is_empty() {
            continue;
        }
        while (logical.len() - logical.trim_end_matches('\\').len()) % 2 == 1 {
            logical.pop();
            let Some(next) = lines.next() else { break };
            logical.push_str(next.trim_start());
        }
        let mut escaped = false;
        let end = logical.find(|c: char| {
            let ends = !escaped && (matches!(c, '=' | ':') || c.is_ascii_whitespace());
            escaped = !escaped && c == '\\';
            ends
        });
        let (key, rest) = logical.split_at(end.unwrap_or(logical.len()));
        let rest = rest.trim_start();
        let value = rest.strip_prefix(['=', ':']).unwrap_or(rest).trim();
        pairs.push((unescaped(key), unescaped(value)));
    }
    pairs
}

fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        let code = after.strip_prefix('u').and_then(|digits| digits.get(..4));
        let unicode = code.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        if let Some(code) = unicode {
            // A surrogate is no character; as such it is no word either.
            out.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            rest = after.get(5..).unwrap_or_default();
        } else {
            let mut chars = after.chars();
            out.extend(chars.next());
            rest = chars.as_str();
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

    use super::*;
    use crate::contents::testing::{said, shown as all};

    fn zip_of(entries: &[(&str, &[u8])], method: CompressionMethod) -> Vec<u8> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        let options = SimpleFileOptions::default().compression_method(method);
        for (name, bytes) in entries {
            zip.start_file(*name, options).unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    fn jar(entries: &[(&str, &[u8])]) -> Vec<u8> {
        zip_of(entries, CompressionMethod::Deflated)
    }

    fn read(path: &str, bytes: &[u8], most: usize) -> Result<Vec<Listed>, Garbled> {
        let Listing { packages, gaps } = look(path, bytes, most);
        gaps.into_iter().next().map_or(Ok(packages), Err)
    }

    const POM: &[u8] = b"#Created by Apache Maven 3.9\ngroupId=org.a\nartifactId=b\nversion=1.2\n";
    const POM_AT: &str = "META-INF/maven/org.a/b/pom.properties";
    const SHADED: &[u8] = b"version=3\ngroupId=org.s\nartifactId=t\n";
    const CLASS: (&str, &[u8]) = ("A.class", b"\xca\xfe\xba\xbe");

    #[test]
    fn what_is_an_archive() {
        let cases = [
            ("/app/a.jar", true),
            ("/app/A.WAR", true),
            ("/app/a.ear", true),
            ("/app/a-sources.jar", false),
            ("/app/a-javadoc.jar", false),
            ("/app/.jar", false),
            ("/app/a.jar.original", false),
            ("/app/a.zip", false),
        ];
        for (path, want) in cases {
            assert_eq!(is_archive(path), want, "{path}");
        }
        assert!(!wants(&Seen::named("/root/.m2/repository/org/a/b/1/b-1.jar")));
        assert!(wants(&Seen::named("/app/lib/b-1.jar")));
    }

    #[test]
    fn descriptors_before_manifests_before_names() {
        let osgi = b"Manifest-Version: 1.0\r\nBundle-SymbolicName: org.x.y;single\r\n :=true\r\nBundle-Version: 4.5\r\n\r\nName: a/\r\nBundle-Version: 9\r\n";
        let maven = b"Implementation-Title: y\nImplementation-Version: 2\nImplementation-Vendor-Id: org.z\n";
        let words = b"Implementation-Title: My Own Program\nImplementation-Version: 2 beta\n";
        let jdk =
            b"Implementation-Title: Java Runtime Environment\nImplementation-Version: 17.0.12\n";
        let asm = b"Bundle-SymbolicName: org.objectweb.asm\nBundle-Version: 9.7.0\n";
        let group =
            b"Implementation-Vendor-Id: org.a\nBundle-SymbolicName: x.b.c\nBundle-Version: 1.2.0\n";
        let h2 = b"Bundle-SymbolicName: com.h2database\nExport-Package: org.h2;version=\"2.2\",\n org.h2.api\nImplementation-Version: 2.2\n";
        let kotlin = b"Implementation-Title: kt\nImplementation-Version: 1.9-release-8\n";
        let nothing = "error: x.jar says of no package what it is";
        let cases: Vec<(&str, Vec<u8>, &str)> = vec![
            ("x-9.jar", jar(&[(POM_AT, POM), (MANIFEST, osgi), CLASS]), "org.a:b 1.2"),
            (
                "x.jar",
                jar(&[(POM_AT, POM), ("META-INF/maven/org.s/t/pom.properties", SHADED), CLASS]),
                "org.a:b 1.2, org.s:t 3",
            ),
            ("x-9.jar", jar(&[(MANIFEST, osgi), CLASS]), "org.x.y 4.5"),
            ("x-9.jar", jar(&[(MANIFEST, maven), CLASS]), "org.z:y 2"),
            ("x-y-9.1.jar", jar(&[(MANIFEST, words), CLASS]), "x-y 9.1"),
            ("asm-9.7.jar", jar(&[(MANIFEST, asm), CLASS]), "asm 9.7"),
            ("b-c-1.2.jar", jar(&[(MANIFEST, group), CLASS]), "org.a:b-c 1.2"),
            ("h2-2.2.jar", jar(&[(MANIFEST, h2), CLASS]), "h2 2.2"),
            ("kt-1.9.jar", jar(&[(MANIFEST, kotlin), CLASS]), "kt 1.9"),
            ("other-9.7.jar", jar(&[(MANIFEST, asm), CLASS]), "org.objectweb.asm 9.7.0"),
            ("asm-9.6.jar", jar(&[(MANIFEST, asm), CLASS]), "org.objectweb.asm 9.7.0"),
            ("x-9.jar", jar(&[CLASS]), "x 9"),
            ("x.jar", jar(&[(MANIFEST, words), CLASS]), nothing),
            ("jrt-fs.jar", jar(&[(MANIFEST, jdk), CLASS]), "jrt-fs 17.0.12"),
            ("x.jar", jar(&[CLASS]), nothing),
            ("x.jar", jar(&[("a.txt", b"x")]), ""),
            ("x.jar", jar(&[("test/META-INF/maven/org.a/b/pom.properties", POM), CLASS]), nothing),
            ("x.jar", jar(&[("META-INF/maven/a/pom.properties", POM), CLASS]), nothing),
        ];
        for (name, bytes, want) in cases {
            assert_eq!(said(read(&format!("/app/{name}"), &bytes, 9)), want, "{name}");
        }
    }

    #[test]
    fn properties_are_read_as_java_does() {
        let cases = [
            ("groupId=a\nartifactId=b\nversion=1", "a:b 1"),
            ("! c\n groupId : a\nartifactId b\nversion=1\\\n   .2\n", "a:b 1.2"),
            ("groupId=\\u0061\nartifact\\u0049d=b\nversion=1\\:2\n", "a:b 1:2"),
            ("groupId=a\r\nartifactId=b\r\nversion=1\r\nversion=1\r\n", "a:b 1"),
            (
                "groupId=a\nartifactId=b\nversion=1\nversion=2",
                "error: its pom.properties has two values of version",
            ),
            (
                "groupId=a\nartifactId=b\nversion=${project.version}",
                "error: its pom.properties is a template: version is ${project.version}",
            ),
            ("groupId=a\nartifactId=b\n", "error: its pom.properties has no version"),
            ("groupId=a\nartifactId=\nversion=1", "error: the artifactId \"\" is empty"),
            (
                "groupId=a\nartifactId=\\u202e\nversion=1",
                "error: the artifactId \"\\u{202e}\" is no word",
            ),
            ("groupId=a\\", "error: its pom.properties has no artifactId"),
            ("\\u12", "error: its pom.properties has no groupId"),
        ];
        for (text, want) in cases {
            assert_eq!(said(pom(text).map(|package| vec![package])), want, "{text}");
        }
    }

    #[test]
    fn archives_nest_to_a_depth() {
        let mut bytes = jar(&[(POM_AT, POM), CLASS]);
        let mut found = Vec::new();
        for _ in 0..10 {
            found.push(said(read("/app/outer.jar", &bytes, 9)));
            bytes = zip_of(&[("BOOT-INF/lib/in.jar", &bytes), CLASS], CompressionMethod::Stored);
        }
        assert!(found[..DEPTH].iter().all(|found| found == "org.a:b 1.2"), "{found:?}");
        let refused = ["is nested deeper than 4 levels", "is larger than is read"];
        let deep =
            found[DEPTH..].iter().all(|found| refused.iter().any(|end| found.ends_with(end)));
        assert!(deep, "{found:?}");
    }

    #[test]
    fn one_that_cannot_be_identified_hides_no_other() {
        let known = jar(&[(POM_AT, POM), CLASS]);
        let unknown = jar(&[CLASS]);
        let war = jar(&[
            ("WEB-INF/lib/b.jar", &known),
            ("WEB-INF/lib/c.jar", &unknown),
            ("WEB-INF/lib/d.jar", b"no archive"),
            CLASS,
        ]);
        let found = look("/app/app.war", &war, 9);
        assert_eq!(all(&found.packages), "org.a:b 1.2");
        let gaps: Vec<_> = found.gaps.iter().map(ToString::to_string).collect();
        assert_eq!(gaps.len(), 2, "{gaps:?}");
        assert_eq!(gaps[0], "in app.war: c.jar says of no package what it is");
        assert!(gaps[1].starts_with("in app.war: it is no archive"), "{gaps:?}");
        let own = jar(&[("BOOT-INF/lib/b.jar", &known), CLASS]);
        assert_eq!(said(read("/app/app.jar", &own, 9)), "org.a:b 1.2", "the image's own program");
        assert_eq!(read("/app/app.jar", &own, 0), Err(Garbled::TooMany));
    }

    #[test]
    fn bytes_in_front_are_passed_over_and_lies_refused() {
        let plain = zip_of(&[(POM_AT, POM), CLASS], CompressionMethod::Stored);
        let started = [b"#!/bin/sh\nexec java -jar $0\n".as_slice(), &plain].concat();
        assert_eq!(said(read("/app/a.jar", &started, 9)), "org.a:b 1.2");
        let mut lying = plain.clone();
        let at =
            lying.windows(POM_AT.len()).position(|window| window == POM_AT.as_bytes()).unwrap();
        lying[at] = b'N';
        assert!(
            said(read("/app/a.jar", &lying, 9)).contains("its header says something else"),
            "{}",
            said(read("/app/a.jar", &lying, 9))
        );
        let mut damaged = plain.clone();
        let at = damaged.windows(5).position(|window| window == b"org.a").unwrap();
        damaged[at + POM_AT.len() + 40] ^= 1;
        let found = said(read("/app/a.jar", &damaged, 9));
        assert!(found.contains("is damaged"), "{found}");
        for length in 0..plain.len() {
            assert!(said(read("/app/a.jar", &plain[..length], 9)).starts_with("error"), "{length}");
        }
    }

    #[test]
    fn sizes_are_bounded() {
        let large = vec![b'#'; usize::try_from(TEXT_BYTES).unwrap() + 1];
        let found = said(read("/app/a.jar", &jar(&[(POM_AT, &large), CLASS]), 9));
        assert!(found.contains("pom.properties is larger than is read"), "{found}");
        let mut look =
            Look { listing: Listing::default(), most: 9, inflated: 10, open: 0, entries: 9 };
        look.archive("a.jar", &jar(&[(POM_AT, POM), CLASS]), 0).unwrap_err();
        assert!(
            look.listing.gaps[0].to_string().contains("is larger than is read"),
            "{:?}",
            look.listing
        );
        let mut look =
            Look { listing: Listing::default(), most: 9, inflated: 100, open: 0, entries: 1 };
        let found = look.archive("a.jar", &jar(&[(POM_AT, POM), CLASS]), 0).unwrap_err();
        assert!(found.to_string().contains("entries"));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(at in 0..400_usize, byte in proptest::prelude::any::<u8>(), text in ".{0,60}") {
            let mut bytes = zip_of(&[(POM_AT, POM), CLASS], CompressionMethod::Stored);
            let at = at % bytes.len();
            bytes[at] = byte;
            let _ = read("/a.jar", &bytes, 9);
            let _ = pom(&text);
            let _ = attributes(&text);
            let _ = identity(&text, &attributes(&text));
        }
    }
}
