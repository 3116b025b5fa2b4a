//! What rules see of all packages together: what they ask of each, asked once for all.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::licences::LicencesInput;

/// What rules ask of each package, asked once for all.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IndexInput {
    /// Names of the packages as settings know them, by how they begin: up to their last slash. A name is a package URL without what
    /// follows its version.
    pub names: BTreeMap<String, Vec<String>>,
    /// How many packages there are, by ecosystem.
    pub ecosystems: BTreeMap<String, usize>,
    /// The packages by whose their layer is, and by what they say of their licences.
    pub licences: Vec<LicensedInput>,
    /// Places that package URLs name in `repository_url`, `download_url` and `vcs_url`.
    pub places: Vec<PlaceInput>,
}

/// Packages of one side that say the same of their licences.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LicensedInput {
    /// `base`, `own` or `unknown`.
    pub side: String,
    /// What they say.
    pub licences: LicencesInput,
    /// Their names.
    pub names: Vec<String>,
    /// Their versions, in the same order.
    pub versions: Vec<String>,
}

/// A place that a package URL names.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlaceInput {
    /// The package's name as settings know it.
    pub package: String,
    /// The place as it is written there, with its escapes.
    pub place: String,
}
