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
    /// Memory that reading a file takes, in times of its size.
    pub copies: u64,
    /// Reads the file at this path, of which no more than so many packages are listed.
    pub read: fn(&str, &[u8], usize) -> Listing,
}

/// Gaps that are kept of one file.
const GAPS: usize = 32;

/// What one file lists, and what of it could not be read: an archive has parts that do not depend on each other.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listing {
    /// Packages, in the file's order.
    pub packages: Vec<Listed>,
    /// What could not be read: with one, the packages are not all.
    pub gaps: Vec<Garbled>,
}

impl From<Result<Vec<Listed>, Garbled>> for Listing {
    fn from(read: Result<Vec<Listed>, Garbled>) -> Self {
        match read {
            Ok(packages) => Self { packages, gaps: Vec::new() },
            Err(gap) => Self { packages: Vec::new(), gaps: vec![gap] },
        }
    }
}

impl Listing {
    /// Keeps a gap; what is beyond the first few is said by one that says so.
    pub(super) fn gap(&mut self, gap: Garbled) {
        if self.gaps.len() < GAPS {
            self.gaps.push(gap);
        } else if self.gaps.len() == GAPS {
            self.gaps.push(Garbled::Form("more of its parts cannot be read".to_owned()));
        }
    }

    /// Keeps a package, unless there are as many as may be listed.
    pub(super) fn push(&mut self, package: Listed, most: usize) -> Result<(), Garbled> {
        if self.packages.len() >= most {
            return Err(Garbled::TooMany);
        }
        self.packages.push(package);
        Ok(())
    }
}

/// A package as a file of the image lists it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
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
    /// The version of the source package, where it is another.
    pub source_version: Option<String>,
    /// Module and stream of an rpm, as `nodejs:18`.
    pub module: Option<String>,
    /// File names one of which is below the folder of the list if the package is there at all; empty where the list alone says so.
    pub deployed: Vec<String>,
}

/// What a package takes in memory beside its words.
const LISTED_BYTES: usize = 192;

impl Listed {
    /// Bytes of memory that it takes.
    pub(super) fn bytes(&self) -> u64 {
        let more =
            [&self.architecture, &self.licence, &self.source, &self.source_version, &self.module];
        let more: usize = more.into_iter().flatten().map(String::len).sum();
        let deployed: usize =
            self.deployed.iter().map(|name| size_of::<String>() + name.len()).sum();
        (LISTED_BYTES + self.name.len() + self.version.len() + more + deployed) as u64
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
    /// Anything else.
    #[error("{0}")]
    Form(String),
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
