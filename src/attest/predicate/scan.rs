//! Vulnerability scans: in-toto vulns v0.1 and v0.2 (in-toto/attestation, spec/predicates/vuln.md), and cosign's
//! (sigstore/cosign, specs/COSIGN_VULN_ATTESTATION_SPEC.md).
//!
//! cosign's result is whatever the scanner wrote: it is not interpreted, and `vulnerabilities` is null, which is not the
//! empty list of a scan that found nothing.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::typed;

/// Predicate type of in-toto's first version.
pub const V01: &str = "https://in-toto.io/attestation/vulns/v0.1";
/// Predicate type of its second.
pub const V02: &str = "https://in-toto.io/attestation/vulns/v0.2";
/// Predicate types of cosign's: since 1.13, and before.
pub const COSIGN: [&str; 2] =
    ["https://cosign.sigstore.dev/attestation/vuln/v1", "cosign.sigstore.dev/attestation/vuln/v1"];

#[derive(Deserialize)]
struct Wire {
    scanner: WireScanner,
    metadata: WireMetadata,
}

#[derive(Deserialize)]
struct WireScanner {
    uri: String,
    #[serde(default)]
    version: Option<String>,
    #[serde(default)]
    db: WireDatabase,
    #[serde(default)]
    result: Value,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireDatabase {
    #[serde(default)]
    uri: Option<String>,
    #[serde(default)]
    version: Option<String>,
    #[serde(default)]
    last_update: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireMetadata {
    #[serde(default)]
    scan_started_on: Option<String>,
    #[serde(default)]
    scan_finished_on: Option<String>,
}

#[derive(Deserialize)]
struct WireFound {
    id: String,
    #[serde(default)]
    severity: Vec<WireSeverity>,
}

#[derive(Deserialize)]
struct WireSeverity {
    method: String,
    score: String,
}

/// What a scanner found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scan {
    /// Which scanner.
    pub scanner: String,
    /// Its version.
    pub version: Option<String>,
    /// Its database.
    pub database: Option<String>,
    /// The database's version.
    pub database_version: Option<String>,
    /// When the database was updated, as written.
    pub database_updated: Option<String>,
    /// When the scan began, as written.
    pub started: Option<String>,
    /// When it ended, as written.
    pub finished: Option<String>,
    /// What it found; null where the result is in the scanner's own words.
    pub vulnerabilities: Option<Vec<Found>>,
}

/// One vulnerability.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its id, as `CVE-2021-28831`.
    pub id: String,
    /// How grave, by method.
    pub severities: BTreeMap<String, String>,
}

/// Reads a predicate of in-toto's, whose result is a list.
pub(super) fn read(predicate: &Value) -> Result<Scan, String> {
    let wire: Wire = typed(predicate)?;
    let list: Vec<Value> = crate::json::from_value(&wire.scanner.result)
        .map_err(|error| format!("scanner.result: {error}"))?;
    let found = list.iter().map(found).collect::<Result<_, _>>()?;
    Ok(scan(wire, Some(found)))
}

/// Reads a predicate of cosign's.
pub(super) fn read_cosign(predicate: &Value) -> Result<Scan, String> {
    let wire: Wire = typed(predicate)?;
    if wire.scanner.result.is_null() {
        return Err("scanner.result is missing".to_owned());
    }
    Ok(scan(wire, None))
}

/// One vulnerability: v0.1 describes it under `vulnerability`, though its example does not.
fn found(value: &Value) -> Result<Found, String> {
    let found: WireFound = typed(value.get("vulnerability").unwrap_or(value))?;
    let severities = found.severity.into_iter().map(|s| (s.method, s.score)).collect();
    Ok(Found { id: found.id, severities })
}

fn scan(wire: Wire, vulnerabilities: Option<Vec<Found>>) -> Scan {
    let Wire { scanner, metadata } = wire;
    Scan {
        scanner: scanner.uri,
        version: scanner.version,
        database: scanner.db.uri,
        database_version: scanner.db.version,
        database_updated: scanner.db.last_update,
        started: metadata.scan_started_on,
        finished: metadata.scan_finished_on,
        vulnerabilities,
    }
}
