//! The document beside the blobs: `hallmark/evidence/v1`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::digest::Digest;

/// The name of the document in the folder.
pub const RECORD: &str = "evidence.json";
/// What it says of itself.
pub const SCHEMA: &str = "hallmark/evidence/v1";

/// What a verification was told that no digest names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Record {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// Version of the hallmark that saved it.
    pub version: String,
    /// When it was saved.
    pub saved: Timestamp,
    /// The time that was judged by.
    pub time: Timestamp,
    /// Whether that was another time than the clock's.
    pub as_of: bool,
    /// Answers by question.
    pub answers: BTreeMap<String, Value>,
    /// What was judged by.
    pub configuration: Configuration,
}

/// What was judged by: the command line, and the files that it and `hallmark.yaml` name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Configuration {
    /// Options of the command line that decide.
    pub options: Value,
    /// The path of `hallmark.yaml`, where there was one.
    pub file: Option<String>,
    /// Where fetched trusted roots were kept.
    pub root_folder: Option<String>,
    /// Files by path; null for one that was not there.
    pub files: BTreeMap<String, Option<Digest>>,
    /// Policy folders by path: their files by name.
    pub folders: BTreeMap<String, BTreeMap<String, Digest>>,
    /// Files that are too large to be kept, and stay where they are: a database of vulnerabilities.
    pub elsewhere: BTreeMap<String, Digest>,
}
