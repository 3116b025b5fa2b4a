//! What rules see of what is in the root filesystem.

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    contents::PackageFilesInput,
    facts::FactsInput,
    index::IndexInput,
    licences::{LicenceInput, LicencesInput},
};
use crate::{
    contents::{
        self, Inventory,
        accounts::{Accounts, Base, PackageFiles, Side},
        concluded,
        secrets::shown_text,
    },
    licences, sbom,
};

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
    /// What else lists packages and was left out; what it lists is not known to be absent.
    pub incomplete: Vec<IncompleteInput>,
    /// Facts of the finished tree besides packages; null where it was not read from layers.
    pub facts: Option<FactsInput>,
    /// What rules would ask of each package, asked once for all; there where rules judge, and in no report.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<IndexInput>,
}

/// An installed package.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PackageInput {
    /// Type of the package URL: `deb`, `apk`, `rpm`, `pypi`, `npm`, `gem`, `composer`, `nuget`, `conda`, `maven`, `golang`, `cargo`.
    pub ecosystem: String,
    /// Name.
    pub name: String,
    /// Version, with its epoch.
    pub version: String,
    /// Architecture.
    pub architecture: Option<String>,
    /// Package URL in its one form; null where its name cannot be part of one.
    pub purl: Option<String>,
    /// Licence as its own files write it.
    pub licence: Option<String>,
    /// The same as SPDX expressions, by who says it.
    pub licences: LicencesInput,
    /// The source package, where it has a name of its own.
    pub source: Option<String>,
    /// Module and stream of an rpm, as `nodejs:18`.
    pub module: Option<String>,
    /// The package of the distribution that it is a part of: which recorded the bytes of the file that lists it.
    pub part_of: Option<String>,
    /// Path of the file that lists it.
    pub path: String,
    /// The layer that this file is from, counted from 0.
    pub layer: Option<usize>,
    /// Whose this layer is: `base`, `own`, or `unknown` where no known base fits.
    pub side: String,
    /// Its files; null where no policy needs them (`needs contains "contents"`).
    pub files: Option<PackageFilesInput>,
}

/// Files that list packages and were left out, for one reason.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IncompleteInput {
    /// Who reads such files: `python`, `npm` ...
    pub catalogue: String,
    /// The first of the files.
    pub path: String,
    /// Why it was left out.
    pub why: String,
    /// How many files there are.
    pub files: usize,
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
    /// What rules see of an inventory.
    pub fn of(inventory: &Inventory, accounts: Option<&Accounts>, base: Base) -> Self {
        let mut declared = Declared::default();
        let package = |(at, package): (usize, _)| PackageInput {
            side: side(package, base),
            files: accounts.and_then(|all| all.packages.get(at)).map(files),
            part_of: inventory.owned.get(&package.database).map(|one| one.package.clone()),
            ..PackageInput::declaring(declared.of(package), package).with_found(package, inventory)
        };
        let database = |d: &contents::Database| DatabaseInput {
            path: d.path.clone(),
            error: d.read.as_ref().err().cloned(),
        };
        let incomplete = |one: &contents::Incomplete| IncompleteInput {
            catalogue: one.catalogue.to_owned(),
            path: one.path.clone(),
            why: one.why.clone(),
            files: one.files,
        };
        let packages = inventory.packages.iter().enumerate();
        Self {
            os: inventory.os.as_ref().map(|os| os.id.clone()),
            os_version: inventory.os.as_ref().and_then(|os| os.version.clone()),
            packages: packages.map(package).collect(),
            databases: inventory.databases.iter().map(database).collect(),
            incomplete: inventory.incomplete.iter().map(incomplete).collect(),
            facts: inventory.facts.as_ref().map(FactsInput::of),
            index: None,
        }
    }
}

/// What packages declare, each text read once: an image has many packages and few licences, and to read one takes longer than all else
/// that is done with a package here.
#[derive(Default)]
struct Declared<'a>(HashMap<(&'static str, &'a str), LicenceInput>);

impl<'a> Declared<'a> {
    fn of(&mut self, package: &'a contents::Package) -> LicenceInput {
        let Some(said) = package.licence.as_deref() else { return LicenceInput::missing() };
        // What a name becomes in an expression is no secret by its form any more, and none that is one is known.
        let read = || LicenceInput::of(&licences::read(package.ecosystem, &shown_text(said)));
        self.0.entry((package.ecosystem, said)).or_insert_with(read).clone()
    }
}

fn side(package: &contents::Package, base: Base) -> String {
    package.layer.map_or(Side::Unknown, |at| base.side(at)).word().to_owned()
}

fn files(files: &PackageFiles) -> PackageFilesInput {
    let PackageFiles { files: there, verified, modified, missing } = *files;
    PackageFilesInput { there, verified, modified, missing }
}

impl PackageInput {
    pub(super) fn of(package: &contents::Package) -> Self {
        Self::declaring(Declared::default().of(package), package)
    }

    fn declaring(declared: LicenceInput, package: &contents::Package) -> Self {
        let licences = LicencesInput {
            declared,
            found: LicenceInput::missing(),
            concluded: LicenceInput::missing(),
        };
        Self {
            ecosystem: package.ecosystem.to_owned(),
            name: package.name.clone(),
            version: package.version.clone(),
            architecture: package.architecture.clone(),
            purl: package.purl.as_deref().and_then(|purl| sbom::canonical(purl, None)),
            licence: package.licence.clone(),
            licences,
            source: package.source.clone(),
            module: package.module.clone(),
            part_of: None,
            path: package.database.clone(),
            layer: package.layer,
            side: Side::Unknown.word().to_owned(),
            files: None,
        }
    }

    /// With the licence that was found beside it, where dpkg installed it, and what texts beside it are.
    fn with_found(mut self, package: &contents::Package, inventory: &Inventory) -> Self {
        let found = inventory.copyrights.get(&self.name).filter(|_| self.ecosystem == "deb");
        if let Some(found) = found {
            self.licences.found = LicenceInput::of(found);
        }
        let places = concluded::place(package);
        if let Some(read) = places.iter().find_map(|place| inventory.concluded.get(place)) {
            self.licences.concluded = LicenceInput::of(read);
        }
        self
    }
}
