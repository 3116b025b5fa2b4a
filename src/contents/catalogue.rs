//! A catalogue: which files of an image list packages, and how they are read.
//!
//! What a catalogue needs to know is its format alone. Layers, whiteouts, links, budgets and what is said of files that cannot
//! be read are the [`InventoryCollector`](super::collector::InventoryCollector)'s.

use crate::{image::collect::Seen, untrusted::misleads};

/// Who lists packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// The word in reports, as `dpkg`.
    pub name: &'static str,
    /// Type of the package URL, as `deb`.
    pub ecosystem: &'static str,
    /// Whether it is a distribution's database: one that is there has to be read, or nobody knows what is installed. What
    /// others cannot read of their files is left out, and said.
    pub managed: bool,
}

/// A kind of files that list packages.
#[derive(Debug, Clone, Copy)]
pub struct Catalogue {
    /// Who lists them.
    pub origin: Origin,
    /// Whether a file is one of them.
    pub wants: fn(&Seen<'_>) -> bool,
    /// Bytes of one file beyond which it is none that its tools write; `limits.fileBytes` holds, too.
    pub file_bytes: u64,
    /// Reads the file at this path, which lists no more than so many packages.
    pub read: fn(&str, &[u8], usize) -> Result<Vec<Listed>, Garbled>,
}

/// A package as a file of the image lists it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listed {
    /// Name, whole: `zlib1g`, `@scope/name`, `github.com/a/b`, `group:artifact`.
    pub name: String,
    /// Version as written, with its epoch.
    pub version: String,
    /// Architecture.
    pub architecture: Option<String>,
    /// Licence as written.
    pub licence: Option<String>,
    /// The source package, where it has a name of its own.
    pub source: Option<String>,
}

/// What a package takes in memory beside its words.
const LISTED_BYTES: usize = 192;

impl Listed {
    /// Bytes of memory that it takes.
    pub(super) fn bytes(&self) -> u64 {
        let more = [&self.architecture, &self.licence, &self.source];
        let more: usize = more.into_iter().flatten().map(String::len).sum();
        (LISTED_BYTES + self.name.len() + self.version.len() + more) as u64
    }
}

/// Why a file cannot be believed: one garbled entry makes the whole list doubtful.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Garbled {
    /// A line is not of the form `field: value`.
    #[error("line {line} is not of the form \"field:value\"")]
    Line {
        /// Line, counted from 1.
        line: usize,
    },
    /// An installed package lacks a field.
    #[error("the entry that ends at line {line} has no {field}")]
    Field {
        /// Line, counted from 1.
        line: usize,
        /// The field's name.
        field: &'static str,
    },
    /// A name or version that no package manager writes.
    #[error("the entry that ends at line {line} has the {field} {found:?}")]
    Value {
        /// Line, counted from 1.
        line: usize,
        /// The field's name.
        field: &'static str,
        /// The value, cut to 80 characters.
        found: String,
    },
    /// More packages than may be listed.
    #[error("it lists more packages than are read")]
    TooMany,
}

impl Garbled {
    /// Takes a field that has to be there and to be one word.
    pub(super) fn word(
        value: Option<String>,
        field: &'static str,
        line: usize,
    ) -> Result<String, Self> {
        let value = value.ok_or(Self::Field { line, field })?;
        let bad = |c: char| c.is_whitespace() || misleads(c);
        if value.is_empty() || value.contains(bad) {
            return Err(Self::Value { line, field, found: value.chars().take(80).collect() });
        }
        Ok(value)
    }
}
