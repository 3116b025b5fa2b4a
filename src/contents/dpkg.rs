//! dpkg's `status` (deb-control(5), dpkg(1) "Package states") and distroless `status.d` stanzas.
//!
//! Turns stanzas into packages. A package counts unless its state is `not-installed` or `config-files`: unpacked and
//! half-configured packages have their files on the disk. Refuses lines that are no fields and entries without a name or
//! version: one garbled entry makes the whole list doubtful.

pub(super) mod files;

use super::catalogue::{Catalogue, Garbled, Listed, Origin};

/// Where dpkg lists what it installed.
pub(super) const STATUS_PATH: &str = "/var/lib/dpkg/status";
/// Where distroless images have a file for each package.
const STATUS_FOLDER: &str = "/var/lib/dpkg/status.d/";
const ORIGIN: Origin = Origin { name: "dpkg", ecosystem: "deb", managed: true };

/// dpkg's own list.
pub(super) const STATUS: Catalogue = Catalogue {
    origin: ORIGIN,
    wants: |file| file.path == STATUS_PATH,
    file_bytes: u64::MAX,
    copies: 1,
    read: |_, bytes, most| parse(bytes, Form::Status, most).into(),
};

/// Lists of one package each.
pub(super) const STANZAS: Catalogue = Catalogue {
    origin: ORIGIN,
    wants: |file| is_stanza(file.path),
    file_bytes: u64::MAX,
    copies: 1,
    read: |_, bytes, most| parse(bytes, Form::Stanza, most).into(),
};

/// Distroless keeps the packages' checksums beside their stanzas.
fn is_stanza(path: &str) -> bool {
    let name = path.strip_prefix(STATUS_FOLDER).unwrap_or_default();
    !name.is_empty() && !name.contains('/') && !name.ends_with(".md5sums")
}

/// Folder of what dpkg keeps of each package.
const INFO: &str = "/var/lib/dpkg/info/";

/// Which of the two places a file is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// `var/lib/dpkg/status`: every entry has a status.
    Status,
    /// A file in `var/lib/dpkg/status.d`: no status; what is there is installed.
    Stanza,
}

#[derive(Default)]
struct Stanza {
    package: Option<String>,
    version: Option<String>,
    architecture: Option<String>,
    source: Option<String>,
    status: Option<String>,
    empty: bool,
}

impl Stanza {
    fn new() -> Self {
        Self { empty: true, ..Self::default() }
    }

    fn set(&mut self, field: &str, value: &str) {
        self.empty = false;
        let place = match field.to_ascii_lowercase().as_str() {
            "package" => &mut self.package,
            "version" => &mut self.version,
            "architecture" => &mut self.architecture,
            "source" => &mut self.source,
            "status" => &mut self.status,
            _ => return,
        };
        *place = Some(value.trim().to_owned());
    }

    /// The package, where its files are on the disk.
    fn close(self, form: Form, line: usize) -> Result<Option<Listed>, Garbled> {
        if self.empty {
            return Ok(None);
        }
        if form == Form::Status && !on_disk(self.status, line)? {
            return Ok(None);
        }
        let (source, source_version) = self.source.map_or((None, None), |text| source(&text));
        Ok(Some(Listed {
            name: Garbled::word(self.package, "Package", line)?,
            version: Garbled::word(self.version, "Version", line)?,
            architecture: self.architecture,
            source,
            source_version,
            ..Listed::default()
        }))
    }
}

/// Name and version in `Source: openssl (3.0.2-1)`; there is no version where it is the package's own.
fn source(text: &str) -> (Option<String>, Option<String>) {
    let (name, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let version = rest.trim().strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
    let word = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    (word(name), version.and_then(word))
}

/// Whether the state, the last of the three words of a status, means that files are on the disk.
fn on_disk(status: Option<String>, line: usize) -> Result<bool, Garbled> {
    let status = status.ok_or(Garbled::Field { line, field: "Status" })?;
    match status.split_whitespace().nth(2) {
        Some("not-installed" | "config-files") => Ok(false),
        Some(
            "installed" | "unpacked" | "half-installed" | "half-configured" | "triggers-awaited"
            | "triggers-pending",
        ) => Ok(true),
        _ => {
            Err(Garbled::Value { line, field: "Status", found: status.chars().take(80).collect() })
        }
    }
}

/// Reads one file of no more than `most` packages.
fn parse(bytes: &[u8], form: Form, most: usize) -> Result<Vec<Listed>, Garbled> {
    let text = String::from_utf8_lossy(bytes);
    let mut packages = Vec::new();
    let mut stanza = Stanza::new();
    let mut count = 0;
    for (index, line) in text.lines().enumerate() {
        count = index + 1;
        if line.trim().is_empty() {
            let finished = std::mem::replace(&mut stanza, Stanza::new());
            packages.extend(finished.close(form, count)?);
            if packages.len() > most {
                break;
            }
        } else if !line.starts_with([' ', '\t']) {
            let (field, value) = line.split_once(':').ok_or(Garbled::Line { line: count })?;
            stanza.set(field, value);
        }
    }
    packages.extend(stanza.close(form, count)?);
    if packages.len() > most { Err(Garbled::TooMany) } else { Ok(packages) }
}

/// The package whose files the list of checksums at `path` names: `libc6:amd64.md5sums` is of `libc6`.
pub(super) fn owner(path: &str) -> Option<&str> {
    let stem = path.strip_prefix(INFO)?.strip_suffix(".md5sums")?;
    Some(stem.split_once(':').map_or(stem, |(package, _)| package))
}

/// The paths in a list of checksums: lines of a checksum, two spaces and a path without its slash.
pub(super) fn listed(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let paths = text.lines().filter_map(|line| line.split_once("  "));
    paths.map(|(_, path)| format!("/{path}")).collect()
}
