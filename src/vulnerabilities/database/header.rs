//! What a database says of itself: from what it was made, when, and what it covers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::DatabaseError;
use crate::{json, limits::Limits};

/// Bytes of a header; one line for each release of each ecosystem.
const HEADER_BYTES: usize = 16 << 20;

/// The header.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Header {
    /// The day of the import.
    pub made: String,
    /// The digest of everything after the header.
    pub content: String,
    /// Advisories.
    pub advisories: usize,
    /// Those of them that were taken back.
    pub withdrawn: usize,
    /// Those of them that are about malware.
    pub malware: usize,
    /// Records that name no package, and so match nothing.
    pub without_packages: usize,
    /// What it was made from.
    pub sources: Vec<SourceInfo>,
    /// What it covers, by ecosystem and release.
    pub ecosystems: BTreeMap<String, Coverage>,
    /// The catalogue of exploited vulnerabilities, where there was one.
    pub exploited: Option<FeedInfo>,
    /// The forecasts, where there were any.
    pub forecasts: Option<FeedInfo>,
    /// Records that were left out.
    pub refused: Vec<Refused>,
    /// How many there are.
    pub refused_count: usize,
}

/// Something that was imported.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceInfo {
    /// Its name, without the folder that it was in.
    pub name: String,
    /// What it is: `osv`, `csaf`, `kev`, `epss`.
    pub kind: String,
    /// The digest of its bytes; of a folder, of the digests of its files.
    pub digest: String,
    /// How many records it has.
    pub records: usize,
}

/// What is covered of one release.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Coverage {
    /// Packages that advisories are about.
    pub packages: usize,
    /// Pairs of advisory and package.
    pub records: usize,
    /// Those of them that name no fix. Where there are none, vulnerabilities without a fix are not in the data.
    pub unfixed: usize,
    /// The newest change of any of them, as written.
    pub newest: Option<String>,
}

/// A feed that was imported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FeedInfo {
    /// Its entries.
    pub entries: usize,
    /// The day that it is of, as it says.
    pub date: Option<String>,
}

/// A record that was left out, which was allowed at the import.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refused {
    /// The file.
    pub file: String,
    /// Why.
    pub why: String,
}

/// The header at the start of what comes after the first line, and the rest.
pub(super) fn split<'b>(
    bytes: &'b [u8],
    limits: &Limits,
) -> Result<(Header, &'b [u8]), DatabaseError> {
    let damaged = || DatabaseError::Damaged("its header cannot be read");
    let (length, rest) = bytes.split_first_chunk::<4>().ok_or_else(damaged)?;
    let length = u32::from_le_bytes(*length) as usize;
    let (header, body) = rest.split_at_checked(length).ok_or_else(damaged)?;
    let header = json::from_slice(header, limits.json(HEADER_BYTES)).map_err(|_| damaged())?;
    Ok((header, body))
}

/// The header's bytes, with their length before them.
pub(super) fn bytes(header: &Header) -> Option<Vec<u8>> {
    let text = serde_json::to_vec(header).ok().filter(|text| text.len() <= HEADER_BYTES)?;
    let length = u32::try_from(text.len()).ok()?;
    Some([length.to_le_bytes().as_slice(), &text].concat())
}
