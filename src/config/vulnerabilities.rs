//! `vulnerabilities`: the data by which packages are judged.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    ConfigError,
    error::key,
    reader::{Reader, want},
};
use crate::{
    limits::Limits,
    scratch::{read_file, read_regular},
    vulnerabilities::database::Database,
};

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
    let most = limits.vulnerability_database_bytes;
    // What a folder of saved evidence names, its maker has chosen.
    let read = || match reader.files.saved() {
        Some(_) => read_regular(&path, most),
        None => read_file(&path, most),
    };
    let bytes = reader.files.large(&path, read);
    let bytes = bytes.map_err(|error| refuse(error.to_string()))?;
    Database::open(bytes, limits).map(Some).map_err(|error| refuse(error.to_string()))
}
