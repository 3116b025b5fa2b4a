//! `vulnerabilities`: the data by which packages are judged.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    ConfigError,
    error::key,
    reader::{Reader, want},
};
use crate::{limits::Limits, scratch::read_file, vulnerabilities::database::Database};

/// The section as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Raw {
    database: String,
}

/// The database that `vulnerabilities` names, read whole: what cannot be used stops the start.
pub(super) fn database(
    reader: &Reader<'_>,
    raw: Option<&Raw>,
    limits: &Limits,
) -> Result<Option<Database>, ConfigError> {
    let Some(raw) = raw else { return Ok(None) };
    let path = reader.path(&raw.database);
    let refuse = |why: String| {
        let help = "hallmark vulns import makes one; relative paths start at this file's folder";
        let complaint = want("a database of vulnerabilities", help);
        let found = format!("{}: {why}", path.display());
        reader.refuse(key!["vulnerabilities", "database"], found, complaint)
    };
    let bytes = read_file(&path, limits.vulnerability_database_bytes);
    let bytes = bytes.map_err(|error| refuse(error.to_string()))?;
    Database::open(bytes, limits).map(Some).map_err(|error| refuse(error.to_string()))
}
