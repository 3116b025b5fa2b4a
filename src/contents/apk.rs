//! apk's `installed` database (apk-tools v2, "APKINDEX and installed db format").
//!
//! Turns entries into packages: lines `X:value` with a one-letter field, entries apart by empty lines. Refuses lines of
//! another form and entries without a name or version.

pub(super) mod files;

use std::collections::BTreeSet;

use super::catalogue::{Catalogue, Garbled, Listed, Origin};

/// Where apk lists what it installed.
pub(super) const PATHS: [&str; 3] =
    ["/lib/apk/db/installed", "/usr/lib/apk/db/installed", "/var/lib/apk/db/installed"];

const ORIGIN: Origin = Origin { name: "apk", ecosystem: "apk", managed: true };

/// apk's list.
pub(super) const CATALOGUE: Catalogue = Catalogue {
    origin: ORIGIN,
    wants: |file| PATHS.contains(&file.path),
    file_bytes: u64::MAX,
    copies: 1,
    read: |_, bytes, most| parse(bytes, most).into(),
};

#[derive(Default)]
struct Entry {
    name: Option<String>,
    version: Option<String>,
    architecture: Option<String>,
    licence: Option<String>,
    source: Option<String>,
    begun: bool,
}

impl Entry {
    fn set(&mut self, field: &str, value: &str) {
        self.begun = true;
        let place = match field {
            "P" => &mut self.name,
            "V" => &mut self.version,
            "A" => &mut self.architecture,
            "L" => &mut self.licence,
            "o" => &mut self.source,
            _ => return,
        };
        *place = Some(value.to_owned());
    }

    fn close(self, line: usize) -> Result<Option<Listed>, Garbled> {
        if !self.begun {
            return Ok(None);
        }
        Ok(Some(Listed {
            name: Garbled::word(self.name, "P (name)", line)?,
            version: Garbled::word(self.version, "V (version)", line)?,
            architecture: self.architecture,
            licence: self.licence,
            source: self.source,
            ..Listed::default()
        }))
    }
}

/// Reads a database of no more than `most` packages.
fn parse(bytes: &[u8], most: usize) -> Result<Vec<Listed>, Garbled> {
    let text = String::from_utf8_lossy(bytes);
    let mut packages = Vec::new();
    let mut entry = Entry::default();
    let mut count = 0;
    for (index, line) in text.lines().enumerate() {
        count = index + 1;
        if line.is_empty() {
            packages.extend(std::mem::take(&mut entry).close(count)?);
            if packages.len() > most {
                break;
            }
            continue;
        }
        let (field, value) = line.split_once(':').ok_or(Garbled::Line { line: count })?;
        if field.chars().count() != 1 {
            return Err(Garbled::Line { line: count });
        }
        entry.set(field, value);
    }
    packages.extend(entry.close(count)?);
    if packages.len() > most { Err(Garbled::TooMany) } else { Ok(packages) }
}

/// The paths of the packages of these names: `P:` names the package, `F:` a folder, `R:` a file in it.
pub(super) fn owned(bytes: &[u8], packages: &BTreeSet<&str>) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let (mut wanted, mut folder, mut owned) = (false, "", Vec::new());
    for line in text.lines() {
        match line.split_once(':') {
            Some(("P", name)) => wanted = packages.contains(name),
            Some(("F", path)) => folder = path,
            Some(("R", name)) if wanted => {
                let slash = if folder.is_empty() { "" } else { "/" };
                owned.push(format!("/{folder}{slash}{name}"));
            }
            _ => {}
        }
    }
    owned
}
