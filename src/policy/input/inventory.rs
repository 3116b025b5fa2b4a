//! What rules see of what is in the root filesystem.

use schemars::JsonSchema;
use serde::Serialize;

use crate::sbom::Inventory;

/// What is in the root filesystem.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InventoryInput {
    /// `ID` of os-release.
    pub os: Option<String>,
    /// `VERSION_ID` of os-release.
    pub os_version: Option<String>,
    /// Installed packages.
    pub packages: Vec<PackageInput>,
    /// Package databases.
    pub databases: Vec<DatabaseInput>,
}

/// An installed package.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PackageInput {
    /// `deb` or `apk`.
    pub ecosystem: String,
    /// Name.
    pub name: String,
    /// Version, with its epoch.
    pub version: String,
    /// Architecture.
    pub architecture: Option<String>,
}

/// A package database.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseInput {
    /// Path from the root.
    pub path: String,
    /// Why it cannot be believed; null where it was read.
    pub error: Option<String>,
}

impl InventoryInput {
    pub(super) fn of(inventory: &Inventory) -> Self {
        let database = |d: &crate::sbom::Database| DatabaseInput {
            path: d.path.clone(),
            error: d.read.as_ref().err().cloned(),
        };
        Self {
            os: inventory.os.as_ref().map(|os| os.id.clone()),
            os_version: inventory.os.as_ref().and_then(|os| os.version.clone()),
            packages: inventory.packages.iter().map(PackageInput::of).collect(),
            databases: inventory.databases.iter().map(database).collect(),
        }
    }
}

impl PackageInput {
    pub(super) fn of(package: &crate::sbom::Package) -> Self {
        Self {
            ecosystem: package.ecosystem.to_owned(),
            name: package.name.clone(),
            version: package.version.clone(),
            architecture: package.architecture.clone(),
        }
    }
}
