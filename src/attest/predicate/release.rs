//! in-toto release, v0.1 (in-toto/attestation, spec/predicates/release.md).

use serde::Deserialize;

/// Its predicate type.
pub const TYPE: &str = "https://in-toto.io/attestation/release/v0.1";

/// Which release of which package it is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Release {
    /// The package and its version, as a package URL.
    pub purl: String,
    /// The registry's own id of the package, which outlives its name.
    #[serde(default)]
    pub package_id: Option<String>,
    /// The registry's own id of the release.
    #[serde(default)]
    pub release_id: Option<String>,
}
