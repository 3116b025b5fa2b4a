//! The database: everything that was imported, in one file that is looked up by package and by advisory.
//!
//! The file is made by [`Builder`] and read by [`Database`]. It begins with a line that says what it is and a header
//! in JSON; then comes an index of blocks and the blocks, each compressed by itself, whose entries are sorted by key.
//! The header has the digest of all that follows it, which is checked when the file is opened, so that a file that was
//! cut or changed is refused and never believed to have no entries. Equal inputs and the same day give equal bytes.

mod blocks;
mod builder;
mod header;

pub use builder::{BuildError, Builder};
pub use header::{Coverage, FeedInfo, Header, Refused, SourceInfo};

use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::{
    ecosystem::{Ecosystem, normal_name},
    record::{Advisory, Affected},
};
use crate::{digest::Digest, limits::Limits};
use blocks::{Blocks, Inflater};

/// How a file of this format begins; the number is that of the format.
const MAGIC: &[u8] = b"hallmark vulnerability database 2\n";
/// How a file of any of its formats begins.
const KIND: &[u8] = b"hallmark vulnerability database ";

/// A database that was read.
#[derive(Debug, Clone)]
pub struct Database {
    header: Arc<Header>,
    digest: Digest,
    blocks: Arc<Blocks>,
}

/// Why a file is not used.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// It is something else.
    #[error("it is no database of vulnerabilities; hallmark vulns import makes one")]
    Foreign,
    /// It is of another version of the format.
    #[error("it is of a format that this hallmark does not read; import again")]
    Format,
    /// It is not whole, or was changed.
    #[error("it is damaged: {0}; import again")]
    Damaged(&'static str),
    /// It is larger than the limit.
    #[error("it is larger than {key}, {0} bytes", key = crate::limits::key("vulnerability_database_bytes"))]
    Large(u64),
}

impl Database {
    /// Reads a database.
    ///
    /// # Errors
    /// See [`DatabaseError`].
    pub fn open(bytes: Vec<u8>, limits: &Limits) -> Result<Self, DatabaseError> {
        if bytes.len() as u64 > limits.vulnerability_database_bytes {
            return Err(DatabaseError::Large(limits.vulnerability_database_bytes));
        }
        let Some(rest) = bytes.strip_prefix(MAGIC) else {
            let known = bytes.starts_with(KIND);
            return Err(if known { DatabaseError::Format } else { DatabaseError::Foreign });
        };
        let (header, body) = header::split(rest, limits)?;
        let offset = bytes.len() - body.len();
        if Digest::sha256(body).to_string() != header.content {
            return Err(DatabaseError::Damaged("its content is not what its header says"));
        }
        let digest = Digest::sha256(&bytes);
        let blocks = Blocks::open(bytes, offset)?;
        Ok(Self { header: Arc::new(header), digest, blocks: Arc::new(blocks) })
    }

    /// What it says of itself.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The digest of the file.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// A reader, for many look-ups.
    ///
    /// # Errors
    /// There is no memory for it.
    pub fn reader(&self) -> Result<Reader<'_>, DatabaseError> {
        Ok(Reader { blocks: &self.blocks, inflater: Inflater::new()? })
    }
}

/// Look-ups in a database, one after the other.
pub struct Reader<'d> {
    blocks: &'d Blocks,
    inflater: Inflater,
}

impl Reader<'_> {
    /// What advisories say of a package.
    ///
    /// # Errors
    /// An entry is damaged.
    pub fn affected(
        &mut self,
        ecosystem: &Ecosystem,
        name: &str,
    ) -> Result<Vec<Affected>, DatabaseError> {
        self.values(&package_key(ecosystem, name))
    }

    /// Names of packages of Maven that an artifact without its group may be, or a bundle of OSGi.
    ///
    /// # Errors
    /// An entry is damaged.
    pub fn with_groups(&mut self, artifact: &str) -> Result<Vec<String>, DatabaseError> {
        self.values(&artifact_key(artifact))
    }

    /// An advisory by its id.
    ///
    /// # Errors
    /// Its entry is damaged or missing: whoever asks has the id from this database.
    pub fn advisory(&mut self, id: &str) -> Result<Advisory, DatabaseError> {
        let found: Vec<Advisory> = self.values(&advisory_key(id))?;
        found.into_iter().next().ok_or(DatabaseError::Damaged("an advisory is missing"))
    }

    fn values<T: DeserializeOwned>(&mut self, key: &[u8]) -> Result<Vec<T>, DatabaseError> {
        let read = |value: &[u8]| {
            let form = DatabaseError::Damaged("an entry is not of its form");
            serde_json::from_slice(value).map_err(|_| form)
        };
        self.blocks.lookup(&mut self.inflater, key, read)
    }
}

/// The key of a package's entries.
fn package_key(ecosystem: &Ecosystem, name: &str) -> Vec<u8> {
    let name = normal_name(&ecosystem.name, name);
    format!("p\0{}\0{name}", ecosystem.label()).into_bytes()
}

/// The key of the names that an artifact of Maven has with its groups.
fn artifact_key(name: &str) -> Vec<u8> {
    format!("g\0{name}").into_bytes()
}

/// The key of an advisory.
fn advisory_key(id: &str) -> Vec<u8> {
    format!("a\0{id}").into_bytes()
}

#[cfg(test)]
mod tests;
