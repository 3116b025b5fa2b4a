//! What `hallmark vulns import` reads: files, archives and folders of them.
//!
//! Turns each source into records for a [`Builder`]. What a file is, it says itself; only in folders do names decide
//! which files are looked at. A record that cannot be read ends the import, unless the operator said that it may be
//! left out.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use flate2::read::MultiGzDecoder;
use serde::Deserialize;
use zip::ZipArchive;

use super::super::{Failure, files::Operand};
use crate::{
    digest::{Algorithm, Digest, Hasher},
    json,
    limits::{self, Limits},
    scratch::{open_file, seen},
    untrusted::{clean, unmarked},
    vulnerabilities::{
        csaf,
        database::{Builder, Refused, SourceInfo},
        feeds,
        osv::{self, RecordError},
    },
};

/// Deepest folder that is looked into.
const DEPTH: usize = 8;
/// Files of a folder that are no records, though their names end like some.
const PASSED_OVER: [&str; 2] = ["modified_id.csv", "ecosystems.txt"];

/// What is being read, and how much of it may still come.
pub(super) struct Sources<'b> {
    builder: &'b mut Builder,
    limits: &'b Limits,
    left: u64,
    skip_refused: bool,
}

/// What a file turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Osv,
    Csaf,
    Exploited,
    Forecasts,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Osv => "osv",
            Self::Csaf => "csaf",
            Self::Exploited => "kev",
            Self::Forecasts => "epss",
        }
    }
}

/// Enough of a document in JSON to know what it is.
#[derive(Deserialize)]
struct Outline {
    #[serde(default)]
    id: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    vulnerabilities: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    document: Option<serde::de::IgnoredAny>,
    #[serde(default, rename = "catalogVersion")]
    catalogue: Option<serde::de::IgnoredAny>,
}

impl<'b> Sources<'b> {
    /// Nothing was read yet.
    pub(super) fn new(builder: &'b mut Builder, limits: &'b Limits, skip_refused: bool) -> Self {
        Self { builder, limits, left: limits.import_bytes, skip_refused }
    }

    /// Reads a source.
    pub(super) fn import(&mut self, path: &Path) -> Result<(), Failure> {
        let about = fs::metadata(path).map_err(|error| unreadable(path, &error))?;
        match about.is_dir() {
            true => self.folder(path),
            false => self.file(path),
        }
    }

    /// Files of a folder by their names, in order: its records are one source, and each archive and table is one of
    /// its own.
    fn folder(&mut self, folder: &Path) -> Result<(), Failure> {
        let mut files = Vec::new();
        walk(folder, DEPTH, &mut files).map_err(|error| unreadable(folder, &error))?;
        files.sort();
        let is_record = |path: &&PathBuf| path.extension().is_some_and(|end| end == "json");
        let (mut records, mut digests) = (0, String::new());
        for path in files.iter().filter(is_record) {
            let bytes = self.whole(path)?;
            match self.kind(&bytes, path)? {
                kind @ (Kind::Osv | Kind::Csaf) => {
                    records +=
                        usize::from(self.record(kind, &bytes, &path.display().to_string())?);
                    digests.push_str(&format!("{}\n", Digest::sha256(&bytes)));
                }
                kind => self.feed(kind, &bytes, path)?,
            }
        }
        if records > 0 {
            self.note(folder, Kind::Osv, &Digest::sha256(digests.as_bytes()), records);
        }
        for path in files.iter().filter(|path| !is_record(path)) {
            self.file(path)?;
        }
        if files.is_empty() {
            return Err(none(folder, &"it has no .json, .zip, .csv or .csv.gz"));
        }
        Ok(())
    }

    fn file(&mut self, path: &Path) -> Result<(), Failure> {
        let mut file = open_file(path).map_err(|error| unreadable(path, &error))?;
        let mut start = [0; 4];
        let read = read_start(&mut file, &mut start).map_err(|error| unreadable(path, &error))?;
        match start.get(..read) {
            Some(b"PK\x03\x04" | b"PK\x05\x06") => self.archive(path),
            _ => {
                let bytes = self.whole(path)?;
                match self.kind(&bytes, path)? {
                    kind @ (Kind::Osv | Kind::Csaf) => {
                        let records = self.record(kind, &bytes, &path.display().to_string())?;
                        self.note(path, kind, &Digest::sha256(&bytes), usize::from(records));
                        Ok(())
                    }
                    kind => self.feed(kind, &bytes, path),
                }
            }
        }
    }

    /// Every record of a zip.
    fn archive(&mut self, path: &Path) -> Result<(), Failure> {
        let refuse =
            |why: &dyn std::fmt::Display| Failure::usage(format!("{}: {why}", path.display()));
        let mut file = open_file(path).map_err(|error| unreadable(path, &error))?;
        let digest = digest_of(&mut file).map_err(|error| unreadable(path, &error))?;
        let file = open_file(path).map_err(|error| unreadable(path, &error))?;
        let mut archive =
            ZipArchive::new(io::BufReader::new(file)).map_err(|error| refuse(&error))?;
        if archive.len() > self.limits.advisories {
            let key = limits::key("advisories");
            return Err(refuse(&format!(
                "it has more files than {key}, {}",
                self.limits.advisories
            )));
        }
        let mut records = 0;
        for index in 0..archive.len() {
            let entry = archive.by_index(index).map_err(|error| refuse(&error))?;
            let own = entry.name().map_err(|error| refuse(&error))?.into_owned();
            let name = format!("{}:{}", path.display(), clean(&own));
            if !entry.is_file() || !own.ends_with(".json") {
                continue;
            }
            let bytes = self.bounded(entry, &name)?;
            records += usize::from(self.record(Kind::Osv, &bytes, &name)?);
        }
        self.note(path, Kind::Osv, &digest, records);
        Ok(())
    }

    /// One record of OSV, or document of CSAF; whether it names packages.
    fn record(&mut self, kind: Kind, bytes: &[u8], name: &str) -> Result<bool, Failure> {
        let bytes = unmarked(bytes);
        let read = match kind {
            Kind::Csaf => csaf::read(bytes, self.limits)
                .and_then(|read| read.ok_or(RecordError::NothingAffected)),
            _ => osv::read(bytes, self.limits),
        };
        let record = match read {
            Ok(record) => record,
            Err(RecordError::NothingAffected) => {
                self.builder.note_without_packages();
                return Ok(false);
            }
            Err(error) if self.skip_refused => {
                self.builder.refuse(Refused { file: base(name), why: error.to_string() });
                return Ok(false);
            }
            Err(error) => {
                if let Some(what) = seen(bytes) {
                    return Err(none(Path::new(name), &what));
                }
                let mut failure = Failure::usage(format!("{name}: {error}"));
                failure.help("nothing was written: what cannot be read would be missing in silence; --skip-refused leaves it out and says so in the database");
                return Err(failure);
            }
        };
        self.builder.add(record).map_err(|error| Failure::usage(error.to_string()))?;
        Ok(true)
    }

    fn feed(&mut self, kind: Kind, bytes: &[u8], path: &Path) -> Result<(), Failure> {
        let refuse =
            |why: &dyn std::fmt::Display| Failure::usage(format!("{}: {why}", path.display()));
        let records = match kind {
            Kind::Exploited => {
                let feed = feeds::exploited(unmarked(bytes), self.limits)
                    .map_err(|error| refuse(&error))?;
                let records = feed.entries.len();
                self.builder.exploited(feed);
                records
            }
            _ => {
                let text = std::str::from_utf8(unmarked(bytes)).map_err(|error| refuse(&error))?;
                let feed = feeds::forecasts(text).map_err(|error| refuse(&error))?;
                let records = feed.entries.len();
                self.builder.forecasts(feed);
                records
            }
        };
        self.note(path, kind, &Digest::sha256(bytes), records);
        Ok(())
    }

    fn note(&mut self, path: &Path, kind: Kind, digest: &Digest, records: usize) {
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
        self.builder.source(SourceInfo {
            name: clean(&name),
            kind: kind.word().to_owned(),
            digest: digest.to_string(),
            records,
        });
    }

    /// What a document is.
    fn kind(&self, bytes: &[u8], path: &Path) -> Result<Kind, Failure> {
        let bytes = unmarked(bytes);
        let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
        if first.is_some_and(|byte| *byte == b'#' || *byte == b'c') {
            return Ok(Kind::Forecasts);
        }
        let outline: Result<Outline, _> =
            json::check(bytes, self.limits.advisory()).and_then(|document| document.read());
        match outline {
            Ok(outline) if outline.vulnerabilities.is_some() && outline.catalogue.is_some() => {
                Ok(Kind::Exploited)
            }
            Ok(outline) if outline.id.is_some() => Ok(Kind::Osv),
            Ok(outline) if outline.document.is_some() => Ok(Kind::Csaf),
            // Whoever lets records be left out hears of this one there.
            Err(_) => Ok(Kind::Osv),
            Ok(_) => Err(none(
                path,
                &"it is no record of OSV or CSAF, no catalogue of exploited vulnerabilities and no table of EPSS",
            )),
        }
    }

    /// The bytes of a file; inflated, if they are gzip.
    fn whole(&mut self, path: &Path) -> Result<Vec<u8>, Failure> {
        let name = path.display().to_string();
        let mut file = open_file(path).map_err(|error| unreadable(path, &error))?;
        let mut start = [0; 2];
        let read = read_start(&mut file, &mut start).map_err(|error| unreadable(path, &error))?;
        let file = open_file(path).map_err(|error| unreadable(path, &error))?;
        match start.get(..read) {
            Some([0x1f, 0x8b]) => self.bounded(MultiGzDecoder::new(file), &name),
            _ => self.bounded(file, &name),
        }
    }

    /// All that comes, within the bounds of one document and of the import.
    fn bounded(&mut self, from: impl Read, name: &str) -> Result<Vec<u8>, Failure> {
        let one = self.limits.advisory_bytes as u64;
        let (most, key) = match one < self.left {
            true => (one, "advisory_bytes"),
            false => (self.left, "import_bytes"),
        };
        let mut bytes = Vec::new();
        let read = from.take(most.saturating_add(1)).read_to_end(&mut bytes);
        read.map_err(|error| Failure::usage(format!("{name}: {error}")))?;
        if bytes.len() as u64 > most {
            let key = limits::key(key);
            return Err(Failure::usage(format!(
                "{name}: it has more bytes than {key} leaves, {most}"
            )));
        }
        self.left -= bytes.len() as u64;
        Ok(bytes)
    }
}

/// The digest of a file that is not held.
fn digest_of(file: &mut File) -> io::Result<Digest> {
    let mut hasher = Hasher::new(Algorithm::Sha256);
    let mut bytes = [0; 64 << 10];
    loop {
        match file.read(&mut bytes)? {
            0 => return Ok(hasher.finish()),
            read => hasher.update(bytes.get(..read).unwrap_or_default()),
        }
    }
}

/// What is imported.
const SOURCE: Operand = Operand {
    option: "",
    form: "it takes records of OSV or CSAF, KEV or EPSS, in a file, .zip, .csv, .csv.gz or a folder of them",
};

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    SOURCE.unreadable(path, error)
}

/// That a source was read and is none.
fn none(path: &Path, why: &dyn std::fmt::Display) -> Failure {
    SOURCE.unusable(path, why)
}

/// The first bytes of a file, as many as there are.
fn read_start(file: &mut File, start: &mut [u8]) -> io::Result<usize> {
    let mut read = Vec::new();
    file.take(start.len() as u64).read_to_end(&mut read)?;
    start.iter_mut().zip(&read).for_each(|(place, byte)| *place = *byte);
    Ok(read.len())
}

/// The last part of a name, which has no folder of this machine in it.
fn base(name: &str) -> String {
    name.rsplit('/').next().unwrap_or(name).to_owned()
}

/// The files of a folder that may be sources. Links inside of it are not followed.
fn walk(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if kind.is_dir() {
            let deeper =
                depth.checked_sub(1).ok_or_else(|| io::Error::other("its folders are too deep"))?;
            walk(&path, deeper, files)?;
        } else if kind.is_file()
            && [".json", ".zip", ".csv", ".csv.gz"].iter().any(|end| name.ends_with(end))
            && !PASSED_OVER.contains(&name.as_ref())
        {
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use zip::{ZipWriter, write::SimpleFileOptions};

    use super::*;
    use crate::vulnerabilities::{database::Database, ecosystem::Ecosystem};

    fn record(id: &str) -> String {
        format!(
            r#"{{"id":"{id}","affected":[{{"package":{{"ecosystem":"npm","name":"a"}},"versions":["1.0.0"]}}]}}"#
        )
    }

    const CATALOGUE: &str = r#"{"catalogVersion":"1","count":1,"vulnerabilities":[{"cveID":"CVE-2024-1","dateAdded":"2024-03-03"}]}"#;

    fn zipped(files: &[(&str, &str)]) -> Vec<u8> {
        let mut zip = ZipWriter::new(io::Cursor::new(Vec::new()));
        for (name, text) in files {
            zip.start_file(*name, SimpleFileOptions::default()).unwrap();
            zip.write_all(text.as_bytes()).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    fn import(path: &Path, limits: &Limits, skip: bool) -> Result<Database, String> {
        let mut builder = Builder::new(limits);
        Sources::new(&mut builder, limits, skip).import(path).map_err(|error| error.to_string())?;
        let bytes = builder.finish("2026-01-02").map_err(|error| error.to_string())?;
        Ok(Database::open(bytes, limits).unwrap())
    }

    #[test]
    fn a_tree_of_archives_records_and_feeds_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let tree = folder.path().join("osv-scalibr/npm");
        fs::create_dir_all(&tree).unwrap();
        fs::write(tree.join("all.zip"), zipped(&[("A-1.json", &record("A-1")), ("README", "x")]))
            .unwrap();
        fs::write(tree.join("modified_id.csv"), "2024,A-1").unwrap();
        fs::write(folder.path().join("A-2.json"), record("A-2")).unwrap();
        fs::write(folder.path().join("kev.json"), CATALOGUE).unwrap();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(b"cve,epss,percentile\nCVE-2024-1,0.5,0.9\n").unwrap();
        fs::write(folder.path().join("epss.csv.gz"), gzip.finish().unwrap()).unwrap();
        let database = import(folder.path(), &Limits::default(), false).unwrap();
        let kinds: Vec<_> =
            database.header().sources.iter().map(|one| (one.kind.as_str(), one.records)).collect();
        assert_eq!(
            database.reader().unwrap().affected(&Ecosystem::bare("npm"), "a").unwrap().len(),
            2,
            "{kinds:?}"
        );
        let mut sorted = kinds.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, [("epss", 1), ("kev", 1), ("osv", 1), ("osv", 1)]);
    }

    #[test]
    fn what_cannot_be_read_ends_the_import_or_is_listed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("all.zip");
        fs::write(
            &file,
            zipped(&[
                ("A-1.json", &record("A-1")),
                ("A-2.json", "{"),
                ("A-3.json", r#"{"id":"A-3","affected":[]}"#),
            ]),
        )
        .unwrap();
        let error = import(&file, &Limits::default(), false).unwrap_err();
        assert!(error.contains("all.zip:A-2.json") && error.contains("--skip-refused"), "{error}");
        let database = import(&file, &Limits::default(), true).unwrap();
        let header = database.header();
        assert_eq!((header.refused_count, header.without_packages, header.advisories), (1, 1, 1));
        assert_eq!(header.refused[0].file, "all.zip:A-2.json");
        for (name, text) in [
            ("a.json", "[]"),
            ("b.json", r#"{"x":1}"#),
            ("c.csv", "cve,x\n"),
            ("d.zip", "PK\x03\x04x"),
        ] {
            let file = folder.path().join(name);
            fs::write(&file, text).unwrap();
            assert!(import(&file, &Limits::default(), false).is_err(), "{name}");
        }
        assert!(import(&folder.path().join("nothing"), &Limits::default(), false).is_err());
    }

    #[test]
    fn where_all_was_left_out_the_first_reason_is_told() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.json"), r#"{"id": 1}"#).unwrap();
        fs::write(folder.path().join("b.json"), "{").unwrap();
        let error = import(folder.path(), &Limits::default(), true).unwrap_err();
        assert!(error.contains("2 records were left out; the first, a.json: "), "{error}");
    }

    #[test]
    fn a_source_that_cannot_be_imported_is_a_wrong_file_of_the_operator() {
        let folder = tempfile::tempdir().unwrap();
        let (empty, broken) = (folder.path().join("empty"), folder.path().join("a.json"));
        fs::create_dir(&empty).unwrap();
        fs::write(&broken, "{").unwrap();
        let mut builder = Builder::new(&Limits::default());
        let limits = Limits::default();
        let mut sources = Sources::new(&mut builder, &limits, false);
        for path in [&empty, &broken, &folder.path().join("nothing")] {
            assert_eq!(sources.import(path).unwrap_err().code, 2, "{path:?}");
        }
    }

    #[test]
    fn a_mark_before_a_source_is_no_part_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let forecasts = "cve,epss,percentile\nCVE-2024-1,0.5,0.9\n";
        let archived = format!("\u{feff}{}", record("A-2"));
        fs::write(folder.path().join("all.zip"), zipped(&[("A-2.json", &archived)])).unwrap();
        for (name, text) in
            [("a.json", record("A-1").as_str()), ("k.json", CATALOGUE), ("e.csv", forecasts)]
        {
            fs::write(folder.path().join(name), format!("\u{feff}{text}")).unwrap();
        }
        let database = import(folder.path(), &Limits::default(), false).unwrap();
        let mut kinds: Vec<_> =
            database.header().sources.iter().map(|one| (one.kind.as_str(), one.records)).collect();
        kinds.sort_unstable();
        assert_eq!(kinds, [("epss", 1), ("kev", 1), ("osv", 1), ("osv", 1)]);
    }

    #[test]
    fn what_one_import_reads_is_limited() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (record("A-1"), record("A-2"));
        fs::write(
            folder.path().join("all.zip"),
            zipped(&[("1.json", &first), ("2.json", &second)]),
        )
        .unwrap();
        let both = (first.len() + second.len()) as u64;
        let limits = |import_bytes| Limits { import_bytes, ..Limits::default() };
        assert!(import(folder.path(), &limits(both), false).is_ok());
        let error = import(folder.path(), &limits(both - 1), false).unwrap_err();
        assert!(error.contains("limits.importBytes"), "{error}");
    }
}
